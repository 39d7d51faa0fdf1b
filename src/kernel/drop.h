/* Random elements: element i uses word i % 4 of Philox counter i / 4, so any thread may compute any
 * part, and f32 and f64 draw the same numbers. */
#include "base/philox.h"

#include <math.h>
#include <stdint.h>

/* Each of x (count) kept with probability 1 - rate and scaled by 1 / (1 - rate), else 0: inverted
 * dropout (Srivastava et al. 2014). x and y begin with element `first` of the tensor, a multiple of
 * 4; y may be x. */
static inline void KERNEL(drop)(int64_t first, int64_t count, fm_random_key key, double rate,
                                const REAL *x, REAL *y)
{
    REAL scale = (REAL)(1 / (1 - rate));
    for (int64_t i = 0; i < count; i += 4) {
        uint32_t words[4];
        fm_philox(key, (uint64_t)(first + i) / 4, words);
        for (int64_t j = i; j < i + 4 && j < count; j++)
            y[j] = (double)fm_uniform_f32(words[j - i]) >= rate ? x[j] * scale : 0;
    }
}

/* y (count) uniform in [0, 1). */
static inline void KERNEL(random_uniform)(int64_t count, fm_random_key key, REAL *y)
{
    for (int64_t i = 0; i < count; i += 4) {
        uint32_t words[4];
        fm_philox(key, (uint64_t)i / 4, words);
        for (int64_t j = i; j < i + 4 && j < count; j++) y[j] = (REAL)fm_uniform_f32(words[j - i]);
    }
}

/* y (count) normal with mean 0 and deviation 1 (Box, Muller 1958): words 2k and 2k + 1 give the
 * elements 2k and 2k + 1. */
static inline void KERNEL(random_normal)(int64_t count, fm_random_key key, REAL *y)
{
    const double two_pi = 6.28318530717958647693;
    for (int64_t i = 0; i < count; i += 4) {
        uint32_t words[4];
        fm_philox(key, (uint64_t)i / 4, words);
        for (int64_t j = i; j < i + 4 && j < count; j++) {
            const uint32_t *pair = words + ((j - i) & 2);
            double radius = sqrt(-2 * log(((double)pair[0] + 1) * 0x1p-32));
            double angle = two_pi * (double)pair[1] * 0x1p-32;
            y[j] = (REAL)(radius * (j & 1 ? sin(angle) : cos(angle)));
        }
    }
}
