/* The pages of Ogg (S. Pfeiffer, RFC 3533): "OggS", what is on them, a check sum over all of it.
 * The decoders behind libsndfile take damaged pages for the end of the sound, and lose memory on
 * some. */
#include "data/audio/recording.h"

#include <string.h>

enum { HEAD = 27, SUM_AT = 22, SUM_SIZE = 4, SEGMENTS_AT = 26, MARK = 4 };

/* x^32 + 0x04c11db7, the highest bit first, from 0, no final change. */
static void make_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t sum = i << 24;
        for (int bit = 0; bit < 8; bit++) sum = sum << 1 ^ (sum >> 31 ? 0x04c11db7u : 0);
        table[i] = sum;
    }
}

static uint32_t sum_of(const uint32_t table[256], const uint8_t *page, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = i >= SUM_AT && i < SUM_AT + SUM_SIZE ? 0 : page[i];
        sum = sum << 8 ^ table[(sum >> 24 ^ byte) & 0xff];
    }
    return sum;
}

/* Of a page with `left` bytes from its beginning on; 0: it is not whole. */
static size_t page_size(const uint8_t *page, size_t left)
{
    if (left < HEAD) return 0;
    size_t segments = page[SEGMENTS_AT], size = HEAD + segments;
    if (left < size) return 0;
    for (size_t i = 0; i < segments; i++) size += page[HEAD + i];
    return left < size ? 0 : size;
}

fm_status fm_check_pages(const fm_hearing *h)
{
    uint32_t table[256];
    make_table(table);
    int64_t number = 0;
    for (size_t at = 0; at < h->size; number++) {
        const uint8_t *page = h->bytes + at;
        size_t left = h->size - at, size = page_size(page, left);
        if (memcmp(page, "OggS", left < MARK ? left : MARK) != 0) {
            return fm_hearing_fail(h, "page %lld does not begin as one", (long long)number);
        }
        if (size == 0) return fm_hearing_fail(h, "it ends within page %lld", (long long)number);
        uint32_t said = page[SUM_AT] | (uint32_t)page[SUM_AT + 1] << 8 |
                        (uint32_t)page[SUM_AT + 2] << 16 | (uint32_t)page[SUM_AT + 3] << 24;
        if (sum_of(table, page, size) != said) {
            return fm_hearing_fail(h, "the check sum of page %lld is wrong", (long long)number);
        }
        at += size;
    }
    return FM_OK;
}
