#include "base/utf8.h"

#include <string.h>

/* First bytes, the bytes that follow, and what the second may be. */
typedef struct lead {
    unsigned char first, last, low, high;
    size_t length;
} lead;

static const lead leads[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

static const lead *lead_of(unsigned char first)
{
    for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
        if (first >= leads[i].first && first <= leads[i].last) return &leads[i];
    }
    return NULL;
}

size_t fm_utf8_length(char first)
{
    const lead *of = lead_of((unsigned char)first);
    return of ? of->length : 0;
}

size_t fm_utf8_next(const char *bytes, size_t size, uint32_t *code)
{
    const unsigned char *at = (const unsigned char *)bytes;
    if (size == 0) return 0;
    const lead *of = lead_of(at[0]);
    if (!of || of->length > size) return 0;
    if (of->length == 1) {
        *code = at[0];
        return 1;
    }
    if (at[1] < of->low || at[1] > of->high) return 0;
    *code = at[0] & (0x7fu >> of->length);
    for (size_t i = 1; i < of->length; i++) {
        if (!fm_utf8_continues(bytes[i])) return 0;
        *code = *code << 6 | (at[i] & 0x3f);
    }
    return of->length;
}

size_t fm_utf8_check(const char *bytes, size_t size)
{
    uint32_t code;
    size_t at = 0;
    while (at < size) {
        size_t length = fm_utf8_next(bytes + at, size - at, &code);
        if (length == 0) break;
        at += length;
    }
    return at;
}

void fm_utf8_skip_mark(const char **bytes, size_t *size)
{
    static const char mark[] = "\xef\xbb\xbf";
    enum { MARK = sizeof mark - 1 };
    if (*size < MARK || memcmp(*bytes, mark, MARK) != 0) return;
    *bytes += MARK;
    *size -= MARK;
}

size_t fm_utf8_put(uint32_t code, char bytes[4])
{
    if (code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; code >>= 6) bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)((0xf00u >> length & 0xf0) | code);
    return length;
}
