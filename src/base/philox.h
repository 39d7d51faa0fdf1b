/* Philox4x32-10: counter-based random numbers (Salmon, Moraes, Dror, Shaw: "Parallel Random
 * Numbers: As Easy as 1, 2, 3", SC 2011). The number at (seed, step, stream, index) does not depend
 * on what was drawn before: same bits for any thread count, after a resume, in a recomputed
 * node. */
#ifndef FM_BASE_PHILOX_H
#define FM_BASE_PHILOX_H

#include <stdint.h>

typedef struct fm_random_key {
    uint64_t seed;   /* the run's */
    uint32_t step;   /* the training step or the epoch */
    uint32_t stream; /* who draws: a node, a data set */
} fm_random_key;

/* Four independent words for counter `index`. */
static inline void fm_philox(fm_random_key key, uint64_t index, uint32_t words[4])
{
    uint32_t k0 = (uint32_t)key.seed, k1 = (uint32_t)(key.seed >> 32);
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32), c2 = key.stream, c3 = key.step;
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c0 = n0;
        c1 = (uint32_t)p1;
        c2 = n2;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

/* Uniform in [0, 1) with 24 bits: exact in float. */
static inline float fm_uniform_f32(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

/* Uniform in [0, 1) with 53 bits, of two words. */
static inline double fm_uniform_f64(uint32_t high, uint32_t low)
{
    uint64_t bits = ((uint64_t)high << 32 | low) >> 11;
    return (double)bits * 0x1p-53;
}

#endif
