/* Softmax and kin over the last axis: x (rows, n). Each row is shifted by its maximum m, so that no
 * exponential overflows: log sum e^x = m + log sum e^(x - m). y may be x. */
#include <math.h>
#include <stdint.h>

/* x (n) -> its maximum; n at least 1. */
static inline REAL KERNEL(row_max)(int64_t n, const REAL *x)
{
    REAL best = x[0];
    for (int64_t i = 1; i < n; i++) best = x[i] > best || x[i] != x[i] ? x[i] : best;
    return best;
}

/* x (n) -> sum of e^(x - shift), pairwise. */
static REAL KERNEL(sum_exp)(int64_t n, REAL shift, const REAL *x)
{
    if (n > 64) {
        return KERNEL(sum_exp)(n / 2, shift, x) + KERNEL(sum_exp)(n - n / 2, shift, x + n / 2);
    }
    REAL sum = 0;
    for (int64_t i = 0; i < n; i++) sum += KERNEL_EXP(x[i] - shift);
    return sum;
}

static inline void KERNEL(softmax)(int64_t rows, int64_t n, const REAL *x, REAL *y)
{
    for (int64_t r = 0; r < rows && n > 0; r++, x += n, y += n) {
        REAL shift = KERNEL(row_max)(n, x);
        REAL scale = 1 / KERNEL(sum_exp)(n, shift, x);
        for (int64_t i = 0; i < n; i++) y[i] = KERNEL_EXP(x[i] - shift) * scale;
    }
}

static inline void KERNEL(log_softmax)(int64_t rows, int64_t n, const REAL *x, REAL *y)
{
    for (int64_t r = 0; r < rows && n > 0; r++, x += n, y += n) {
        REAL shift = KERNEL(row_max)(n, x);
        REAL log_sum = KERNEL_LOG(KERNEL(sum_exp)(n, shift, x));
        for (int64_t i = 0; i < n; i++) y[i] = (x[i] - shift) - log_sum;
    }
}

/* y (rows). A row whose maximum is infinite has that as its result; nothing gives -infinity. */
static inline void KERNEL(logsumexp)(int64_t rows, int64_t n, const REAL *restrict x,
                                     REAL *restrict y)
{
    for (int64_t r = 0; r < rows; r++, x += n) {
        y[r] = n > 0 ? KERNEL(row_max)(n, x) : (REAL)-INFINITY;
        if (isfinite(y[r])) y[r] += KERNEL_LOG(KERNEL(sum_exp)(n, y[r], x));
    }
}
