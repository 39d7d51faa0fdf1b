#include "data/file/md5.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 64, BLOCK = 64 };

void fm_md5_begin(fm_md5 *md5)
{
    *md5 = (fm_md5){.state = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u}};
    for (int i = 0; i < ROUNDS; i++) md5->sines[i] = (uint32_t)floor(0x1p32 * fabs(sin(i + 1)));
}

static uint32_t rotate(uint32_t value, int bits)
{
    return value << bits | value >> (32 - bits);
}

static uint32_t mix(int round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round / 16) {
    case 0:
        return (b & c) | (~b & d);
    case 1:
        return (d & b) | (~d & c);
    case 2:
        return b ^ c ^ d;
    default:
        return c ^ (b | ~d);
    }
}

static void digest_block(fm_md5 *md5)
{
    static const unsigned char step[4] = {1, 5, 3, 7}, start[4] = {0, 1, 5, 0};
    static const unsigned char turns[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t *state = md5->state, words[16];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (int i = 0; i < 16; i++) {
        const unsigned char *at = md5->block + 4 * i;
        words[i] =
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    }
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t word = words[(start[i / 16] + step[i / 16] * (i % 16)) % 16];
        uint32_t turned = rotate(a + mix(i, b, c, d) + md5->sines[i] + word, turns[i / 16][i % 4]);
        a = d;
        d = c;
        c = b;
        b += turned;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

void fm_md5_add(fm_md5 *md5, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    while (size > 0) {
        size_t used = md5->size % BLOCK, room = BLOCK - used, taken = size < room ? size : room;
        memcpy(md5->block + used, from, taken);
        md5->size += taken;
        from += taken;
        size -= taken;
        if (md5->size % BLOCK == 0) digest_block(md5);
    }
}

void fm_md5_end(fm_md5 *md5, char text[33])
{
    static const unsigned char mark = 0x80, zero = 0;
    uint64_t bits = md5->size * 8;
    fm_md5_add(md5, &mark, 1);
    while (md5->size % BLOCK != BLOCK - 8) fm_md5_add(md5, &zero, 1);
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> 8 * i);
    fm_md5_add(md5, length, sizeof length);
    for (int i = 0; i < 16; i++) {
        snprintf(text + 2 * i, 3, "%02x", md5->state[i / 4] >> 8 * (i % 4) & 255);
    }
}
