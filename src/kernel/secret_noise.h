/* Normal noise from ChaCha20, which nobody without the key can compute and take away again. */
#include "base/chacha.h"

#include <math.h>
#include <stdint.h>

/* y = x + deviation n (count), n normal with mean 0 and deviation 1 (Box, Muller 1958). key: eight
 * words, then the two of the number of the run. A block of sixteen words gives eight elements:
 * words 4k, 4k + 1 the radius and 4k + 2, 4k + 3 the angle of elements 2k and 2k + 1, to 53 bits
 * each. The sum is rounded once, behind it. y may be x. */
static inline void KERNEL(secret_noise)(int64_t count, double deviation, const uint32_t *key,
                                        uint32_t stream, const REAL *x, REAL *y)
{
    const double two_pi = 6.28318530717958647693;
    const uint32_t nonce[FM_CHACHA_NONCE] = {stream, key[FM_CHACHA_KEY], key[FM_CHACHA_KEY + 1]};
    for (int64_t i = 0; i < count; i += 8) {
        uint32_t words[FM_CHACHA_BLOCK];
        fm_chacha_block(key, (uint32_t)(i / 8), nonce, words);
        for (int64_t j = i; j < i + 8 && j < count; j += 2) {
            const uint32_t *w = words + 2 * (j - i);
            uint64_t first = ((uint64_t)w[0] << 32 | w[1]) >> 11;
            uint64_t second = ((uint64_t)w[2] << 32 | w[3]) >> 11;
            double radius = deviation * sqrt(-2 * log((double)(first + 1) * 0x1p-53));
            double angle = two_pi * (double)second * 0x1p-53;
            y[j] = (REAL)((double)x[j] + radius * cos(angle));
            if (j + 1 < count) y[j + 1] = (REAL)((double)x[j + 1] + radius * sin(angle));
        }
    }
}
