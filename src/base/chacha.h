/* The ChaCha20 block function (Bernstein 2008; RFC 8439, section 2.3): random words that nobody
 * without the key can tell from others, or compute. For what must stay secret; philox.h for
 * everything else. */
#ifndef FM_BASE_CHACHA_H
#define FM_BASE_CHACHA_H

#include <stdint.h>

enum { FM_CHACHA_KEY = 8, FM_CHACHA_NONCE = 3, FM_CHACHA_BLOCK = 16 }; /* words of 32 bits */

static inline uint32_t fm_chacha_rotate(uint32_t x, int bits)
{
    return x << bits | x >> (32 - bits);
}

static inline void fm_chacha_quarter(uint32_t s[FM_CHACHA_BLOCK], int a, int b, int c, int d)
{
    s[d] = fm_chacha_rotate(s[d] ^ (s[a] += s[b]), 16);
    s[b] = fm_chacha_rotate(s[b] ^ (s[c] += s[d]), 12);
    s[d] = fm_chacha_rotate(s[d] ^ (s[a] += s[b]), 8);
    s[b] = fm_chacha_rotate(s[b] ^ (s[c] += s[d]), 7);
}

/* Sixteen words; key and nonce are the words that RFC 8439 reads little-endian from bytes. */
static inline void fm_chacha_block(const uint32_t key[FM_CHACHA_KEY], uint32_t counter,
                                   const uint32_t nonce[FM_CHACHA_NONCE],
                                   uint32_t words[FM_CHACHA_BLOCK])
{
    const uint32_t start[FM_CHACHA_BLOCK] = {
        0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, key[0],  key[1],   key[2],   key[3],
        key[4],     key[5],     key[6],     key[7],     counter, nonce[0], nonce[1], nonce[2]};
    for (int i = 0; i < FM_CHACHA_BLOCK; i++) words[i] = start[i];
    for (int round = 0; round < 20; round += 2) {
        for (int i = 0; i < 4; i++) fm_chacha_quarter(words, i, 4 + i, 8 + i, 12 + i);
        for (int i = 0; i < 4; i++) {
            fm_chacha_quarter(words, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
        }
    }
    for (int i = 0; i < FM_CHACHA_BLOCK; i++) words[i] += start[i];
}

#endif
