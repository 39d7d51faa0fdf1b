/* Philox (base/philox.h) for many counters at once: the same bits. */
#ifndef FM_BACKEND_CPU_PHILOX_VECTOR_H
#define FM_BACKEND_CPU_PHILOX_VECTOR_H

#include "backend/cpu/vector/vector.h"
#include "base/philox.h"

/* Two counters in a 128-bit lane. x holds c0 and above it c1 of each, y holds c2 and c3: a round is
 *     c0' = high(c2 * M1) ^ c1 ^ k0, c1' = low(c2 * M1), and the same with x and y exchanged,
 * which is the product with its halves exchanged, c1 moved down, and the key. Some vectors of
 * counters take turns, since each waits for its products. */
typedef uint64_t counters __attribute__((vector_size(4 * VECTOR_LENGTH)));
enum { COUNTERS = VECTOR_LENGTH / 2, TURNS = 4, PHILOX_BLOCK = TURNS * 4 * COUNTERS };
#if VECTOR_LENGTH == 16
#define FIRST 0, 4, 1, 5, 2, 6, 3, 7
#define EVEN  0, 8, 2, 10, 4, 12, 6, 14
#define ODD   1, 9, 3, 11, 5, 13, 7, 15
#elif VECTOR_LENGTH == 8
#define FIRST 0, 2, 1, 3
#define EVEN  0, 4, 2, 6
#define ODD   1, 5, 3, 7
#else
#define FIRST 0, 1
#define EVEN  0, 2
#define ODD   1, 3
#endif
#define EACH_TURN _Pragma("GCC unroll 4") for (int i = 0; i < TURNS; i++)

INLINE counters multiply_low_halves(counters x, uint32_t y)
{
#if defined(__AVX512F__)
    return (counters)_mm512_mul_epu32((__m512i)x, _mm512_set1_epi64(y));
#elif VECTOR_LENGTH == 8
    return (counters)_mm256_mul_epu32((__m256i)x, _mm256_set1_epi64x(y));
#elif defined(__SSE2__)
    return (counters)_mm_mul_epu32((__m128i)x, _mm_set1_epi64x(y));
#else
    return (x & 0xffffffffu) * y;
#endif
}

INLINE void philox_round(counters *x, counters *y, uint32_t k0, uint32_t k1)
{
    const counters of_x = multiply_low_halves(*x, 0xD2511F53u);
    const counters of_y = multiply_low_halves(*y, 0xCD9E8D57u);
    *x = (of_y << 32 | of_y >> 32) ^ (*x >> 32) ^ k0;
    *y = (of_x << 32 | of_x >> 32) ^ (*y >> 32) ^ k1;
}

/* The words of the counters first, first + 1, ... */
INLINE void philox_block(fm_random_key key, uint64_t first, uint32_t words[PHILOX_BLOCK])
{
    uint32_t k0 = (uint32_t)key.seed, k1 = (uint32_t)(key.seed >> 32);
    counters x[TURNS], y[TURNS];
    EACH_TURN
    {
        x[i] = (const counters){FIRST} + (first + (uint64_t)(i * COUNTERS));
        y[i] = ((uint64_t)key.step << 32 | key.stream) - (counters){0};
    }
    for (int round = 0; round < 10; round++) {
        EACH_TURN philox_round(&x[i], &y[i], k0, k1);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    EACH_TURN /* each counter's four words side by side */
    {
        const counters low = __builtin_shufflevector(x[i], y[i], EVEN);
        const counters high = __builtin_shufflevector(x[i], y[i], ODD);
        __builtin_memcpy(words + i * 4 * COUNTERS, &low, sizeof low);
        __builtin_memcpy(words + (2 * i + 1) * 2 * COUNTERS, &high, sizeof high);
    }
}

#undef FIRST
#undef EVEN
#undef ODD
#undef EACH_TURN

#endif
