/* MD5 (R. Rivest, RFC 1321, 1992): tells whether a download arrived whole. Not for secrets. */
#ifndef FM_DATA_MD5_H
#define FM_DATA_MD5_H

#include <stddef.h>
#include <stdint.h>

typedef struct fm_md5 {
    uint32_t state[4];
    uint64_t size; /* bytes so far */
    unsigned char block[64];
    uint32_t sines[64]; /* the constant of each round */
} fm_md5;

void fm_md5_begin(fm_md5 *md5);
void fm_md5_add(fm_md5 *md5, const void *bytes, size_t size);
/* 32 hexadecimal digits and a '\0'. */
void fm_md5_end(fm_md5 *md5, char text[33]);

#endif
