/* Rows by index. x is a table of n rows of `width` elements. */
#include <math.h>
#include <stdint.h>

/* indices (count), y (count, width): y[i] = x[indices[i]], NaN for an index outside [0, n). */
static inline void KERNEL(gather)(int64_t n, int64_t width, int64_t count, const REAL *restrict x,
                                  const int32_t *restrict indices, REAL *restrict y)
{
    for (int64_t i = 0; i < count; i++, y += width) {
        const REAL *row = x + (indices[i] >= 0 && indices[i] < n ? indices[i] * width : 0);
        if (indices[i] >= 0 && indices[i] < n) {
            for (int64_t j = 0; j < width; j++) y[j] = row[j];
        } else {
            for (int64_t j = 0; j < width; j++) y[j] = (REAL)NAN;
        }
    }
}

/* x (count, width), y (n, width) = 0 + each x[i] added to row indices[i], in the order of i. */
static inline void KERNEL(scatter_add)(int64_t n, int64_t width, int64_t count,
                                       const REAL *restrict x, const int32_t *restrict indices,
                                       REAL *restrict y)
{
    for (int64_t i = 0; i < n * width; i++) y[i] = 0;
    for (int64_t i = 0; i < count; i++, x += width) {
        if (indices[i] < 0 || indices[i] >= n) continue;
        REAL *row = y + indices[i] * width;
        for (int64_t j = 0; j < width; j++) row[j] += x[j];
    }
}

/* y (count, depth): 1 at the index, else 0; a row of zeros for an index outside [0, depth). */
static inline void KERNEL(one_hot)(int64_t depth, int64_t count, const int32_t *restrict indices,
                                   REAL *restrict y)
{
    for (int64_t i = 0; i < count; i++, y += depth) {
        for (int64_t j = 0; j < depth; j++) y[j] = j == indices[i] ? 1 : 0;
    }
}
