/* The chunks of RIFF (Microsoft and IBM, 1991) and of AIFF (Apple, 1989): "name", size, bytes, and
 * a byte more where the size is odd. */
#include "data/audio/recording.h"

#include <string.h>

enum { HEAD = 12, CHUNK_HEAD = 8, NAME = 4, MOST_CHUNKS = 4096 };
static const uint32_t unknown_sizes[] = {0, 0x7fffffff, 0xfffffff0, 0xffffffff}; /* of streams */

/* How a container calls its parts; `lead` are bytes in front of the samples. */
typedef struct container {
    const char *mark;
    bool big_endian;
    const char *format, *data;
    uint32_t least_format, lead;
} container;

static const container containers[] = {
    {"RIFF", false, "fmt ", "data", 14, 0},
    {"RIFX", true, "fmt ", "data", 14, 0},
    {"RF64", false, "fmt ", "data", 14, 0},
    {"FORM", true, "COMM", "SSND", 18, 8},
};

static uint32_t number_at(const uint8_t *at, bool big_endian)
{
    uint32_t a = at[0], b = at[1], c = at[2], d = at[3];
    return big_endian ? a << 24 | b << 16 | c << 8 | d : d << 24 | c << 16 | b << 8 | a;
}

static bool is_unknown(uint32_t size)
{
    for (size_t i = 0; i < sizeof unknown_sizes / sizeof *unknown_sizes; i++) {
        if (size == unknown_sizes[i]) return true;
    }
    return false;
}

static fm_status check_data(const fm_hearing *h, const container *c, uint32_t size, size_t left)
{
    if (left <= c->lead) {
        return fm_fail(h->context, FM_ERROR_FORMAT, "%s: holds no samples", h->name);
    }
    if (size <= left || is_unknown(size)) return FM_OK;
    return fm_hearing_fail(h, "it ends early: %zu of %u bytes of samples are there", left, size);
}

static fm_status walk(const fm_hearing *h, const container *c)
{
    bool format = false;
    size_t at = HEAD;
    for (int i = 0; i < MOST_CHUNKS && h->size >= at && h->size - at >= CHUNK_HEAD; i++) {
        const uint8_t *chunk = h->bytes + at;
        uint32_t size = number_at(chunk + NAME, c->big_endian);
        size_t left = h->size - at - CHUNK_HEAD;
        if (memcmp(chunk, c->data, NAME) == 0) {
            if (!format && c->lead == 0) break; /* RIFF tells the format first */
            return check_data(h, c, size, left);
        }
        if (memcmp(chunk, c->format, NAME) == 0) {
            format = true;
            if (size < c->least_format) {
                return fm_hearing_fail(h, "its chunk '%s' has %u bytes", c->format, size);
            }
        }
        if (size > left)
            return fm_hearing_fail(h, "it ends within chunk '%.4s'", (const char *)chunk);
        at += CHUNK_HEAD + (size_t)size + (size & 1);
    }
    return fm_hearing_fail(h, "it has no chunk '%s'", format ? c->data : c->format);
}

fm_status fm_check_chunks(const fm_hearing *h)
{
    const container *c = containers;
    while (memcmp(h->bytes, c->mark, NAME) != 0) c++; /* the kind was recognised by them */
    return walk(h, c);
}
