/* The frames of MPEG audio, layer III (ISO/IEC 11172-3, 13818-3; MPEG 2.5 as Fraunhofer's): each
 * begins with a header that tells its size. In front of them stand ID3 tags (M. Nilsson, ID3v2.4),
 * behind them tags of several kinds. A decoder looks for the next frame wherever one is missing. */
#include "data/audio/mpeg_frames.h"

#include <string.h>

enum {
    HEADER = 4,
    TAG_HEAD = 10,
    TAG_FOOTER = 0x10,
    SIDE_STEREO = 32,
    SIDE_MONO = 17,
    SIDE_LOW = 9
};

typedef struct frame {
    uint32_t version; /* its bits: 0 MPEG 2.5, 2 MPEG 2, 3 MPEG 1 */
    uint32_t rate;
    bool mono;
    size_t size; /* bytes */
} frame;

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A header is told by its bits alone. */
static bool read_header(const uint8_t *at, size_t left, frame *made)
{
    static const uint32_t rates[] = {44100, 48000, 32000};
    static const uint16_t kilobits[2][15] = {
        {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}, /* MPEG 1 */
        {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}};
    enum { SYNC = 0x7ff, RESERVED = 1, LAYER_3 = 1, MPEG_1 = 3, MONO = 3 };
    if (left < HEADER) return false;
    uint32_t bits = big_endian(at), version = bits >> 19 & 3, kbit = bits >> 12 & 15;
    uint32_t rate = bits >> 10 & 3;
    if (bits >> 21 != SYNC || version == RESERVED || (bits >> 17 & 3) != LAYER_3) return false;
    if (kbit == 0 || kbit == 15 || rate == 3) return false;
    bool low = version != MPEG_1;
    *made = (frame){.version = version, .mono = (bits >> 6 & 3) == MONO};
    made->rate = rates[rate] >> (version == MPEG_1 ? 0 : version == 2 ? 1 : 2);
    made->size = (low ? 72000u : 144000u) * kilobits[low][kbit] / made->rate + (bits >> 9 & 1);
    return true;
}

/* Tags and the zeros behind them. Seven bits of each byte are a tag's size. */
static fm_status skip_tags(const fm_hearing *h, size_t *at)
{
    while (h->size - *at >= TAG_HEAD && memcmp(h->bytes + *at, "ID3", 3) == 0) {
        const uint8_t *tag = h->bytes + *at;
        size_t left = h->size - *at, size = TAG_HEAD;
        for (int i = 6; i < TAG_HEAD; i++) size += (size_t)(tag[i] & 0x7f) << 7 * (9 - i);
        if (tag[5] & TAG_FOOTER) size += TAG_HEAD;
        if (size > left) return fm_hearing_fail(h, "it ends within its ID3 tag");
        *at += size;
    }
    while (*at < h->size && h->bytes[*at] == 0) (*at)++;
    return FM_OK;
}

static bool is_tail(const uint8_t *at, size_t left)
{
    static const char *const marks[] = {"TAG", "APETAGEX", "LYRICSBEGIN", "3DI", "ID3"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t size = strlen(marks[i]);
        if (left >= size && memcmp(at, marks[i], size) == 0) return true;
    }
    while (left > 0 && at[left - 1] == 0) left--;
    return left == 0;
}

/* What an encoder's first frame, which has no sound, says of those behind it; 0: nothing. */
static uint32_t announced(const uint8_t *at, const frame *first)
{
    size_t side = first->version == 3 ? (first->mono ? SIDE_MONO : SIDE_STEREO)
                                      : (first->mono ? SIDE_LOW : SIDE_MONO);
    const uint8_t *mark = at + HEADER + side;
    if (first->size < HEADER + side + 12) return 0;
    if (memcmp(mark, "Xing", 4) != 0 && memcmp(mark, "Info", 4) != 0) return 0;
    return mark[7] & 1 ? big_endian(mark + 8) : 0;
}

static fm_status check_frame(const fm_hearing *h, const frame *f, const frame *first,
                             int64_t number, size_t left)
{
    if (f->size > left) return fm_hearing_fail(h, "it ends within frame %lld", (long long)number);
    if (f->version == first->version && f->rate == first->rate && f->mono == first->mono) {
        return FM_OK;
    }
    return fm_hearing_fail(h, "frame %lld has another rate or other channels than the first",
                           (long long)number);
}

bool fm_mpeg_begins(const fm_hearing *h)
{
    frame f;
    return (h->size >= 3 && memcmp(h->bytes, "ID3", 3) == 0) || read_header(h->bytes, h->size, &f);
}

fm_status fm_mpeg_find(const fm_hearing *h, fm_mpeg_frames *found)
{
    frame first, f;
    size_t at = 0;
    int64_t number = 0;
    fm_status status = skip_tags(h, &at);
    if (status != FM_OK) return status;
    found->bytes = h->bytes + at;
    if (!read_header(h->bytes + at, h->size - at, &first)) {
        return fm_hearing_fail(h, "no frame of layer III follows its tags");
    }
    for (; read_header(h->bytes + at, h->size - at, &f); number++) {
        status = check_frame(h, &f, &first, number, h->size - at);
        if (status != FM_OK) return status;
        at += f.size;
    }
    if (!is_tail(h->bytes + at, h->size - at)) {
        return fm_hearing_fail(h, "frame %lld does not begin as one", (long long)number);
    }
    uint32_t wanted = announced(found->bytes, &first);
    if (wanted > 0) number--;
    if (wanted > number) {
        return fm_hearing_fail(h, "it ends early: %lld of %u frames are there", (long long)number,
                               wanted);
    }
    found->size = (size_t)(h->bytes + at - found->bytes);
    return FM_OK;
}
