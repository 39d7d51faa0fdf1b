/* x (rows, n) -> y: y[i] = the sum of x[i - before] ... x[i + after], zeros lying outside. Each is
 * summed anew: a running sum would collect rounding errors. */
#include <stdint.h>

static inline void KERNEL(window_sum)(int64_t rows, int64_t n, int64_t before, int64_t after,
                                      const REAL *restrict x, REAL *restrict y)
{
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        for (int64_t i = 0; i < n; i++) {
            int64_t first = i > before ? i - before : 0,
                    last = after < n - 1 - i ? i + after : n - 1;
            REAL sum = 0;
            for (int64_t j = first; j <= last; j++) sum += x[j];
            y[i] = sum;
        }
    }
}
