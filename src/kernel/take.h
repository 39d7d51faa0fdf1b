/* Entries along one axis by number: x (outer, extent, inner), positions (count), y (outer, count,
 * inner). */
#include <math.h>
#include <stdint.h>

/* y[o][i] = x[o][positions[i]], NaN for a position outside of [0, extent). */
static inline void KERNEL(take)(int64_t outer, int64_t extent, int64_t inner, int64_t count,
                                const REAL *restrict x, const int32_t *restrict positions,
                                REAL *restrict y)
{
    for (int64_t o = 0; o < outer; o++, x += extent * inner) {
        for (int64_t i = 0; i < count; i++, y += inner) {
            int inside = positions[i] >= 0 && positions[i] < extent;
            const REAL *row = x + (inside ? positions[i] * inner : 0);
            for (int64_t j = 0; j < inner; j++) y[j] = inside ? row[j] : (REAL)NAN;
        }
    }
}

/* dx[o][p] = the sum of dy[o][i] over all i with positions[i] = p; others are ignored. */
static inline void KERNEL(take_grad)(int64_t outer, int64_t extent, int64_t inner, int64_t count,
                                     const REAL *restrict dy, const int32_t *restrict positions,
                                     REAL *restrict dx)
{
    for (int64_t i = 0; i < outer * extent * inner; i++) dx[i] = 0;
    for (int64_t o = 0; o < outer; o++, dx += extent * inner) {
        for (int64_t i = 0; i < count; i++, dy += inner) {
            if (positions[i] < 0 || positions[i] >= extent) continue;
            REAL *row = dx + positions[i] * inner;
            for (int64_t j = 0; j < inner; j++) row[j] += dy[j];
        }
    }
}
