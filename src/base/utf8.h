/* UTF-8 (RFC 3629, F. Yergeau, 2003): the shortest form only, no surrogates, up to U+10FFFF. */
#ifndef FM_BASE_UTF8_H
#define FM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FM_REPLACEMENT_BYTES "\xef\xbf\xbd"

/* Bytes of the character that begins at `bytes`, and its code point; 0 when there is no whole and
 * valid one within `size`. */
size_t fm_utf8_next(const char *bytes, size_t size, uint32_t *code);
/* Where the first broken byte is; size when there is none. */
size_t fm_utf8_check(const char *bytes, size_t size);
/* Leaves out the byte order mark that some editors put in front of a file. */
void fm_utf8_skip_mark(const char **bytes, size_t *size);
/* Bytes that a character with this first byte has, 0 when none begins so. */
size_t fm_utf8_length(char first);
/* Writes a code point (at most 4 bytes); returns how many. */
size_t fm_utf8_put(uint32_t code, char bytes[4]);

/* A byte that is not the first of its character. */
static inline bool fm_utf8_continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

#endif
