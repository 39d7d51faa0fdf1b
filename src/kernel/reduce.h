/* Reductions of x (outer, reduced, inner) to y (outer, inner). The order of additions depends on
 * the sizes alone. Sums are pairwise (Higham 1993, "The accuracy of floating point summation"): the
 * error grows with the logarithm of the count. */
#include <math.h>
#include <stdint.h>

#ifndef FM_KERNEL_REDUCE_H
#define FM_KERNEL_REDUCE_H
enum { KERNEL_LANES = 16, KERNEL_SUM_BLOCK = 256, KERNEL_SUM_ROWS = 16, KERNEL_SUM_TILE = 32 };
/* Where a run of n is cut. */
#define KERNEL_SUM_HALF(n) ((n) / 2 / KERNEL_LANES * KERNEL_LANES)
#endif

/* x (n) -> the sum; a block is summed in lanes, these by halves. */
static REAL KERNEL(sum_run)(int64_t n, const REAL *x)
{
    if (n > KERNEL_SUM_BLOCK) {
        int64_t half = KERNEL_SUM_HALF(n);
        return KERNEL(sum_run)(half, x) + KERNEL(sum_run)(n - half, x + half);
    }
    REAL lane[KERNEL_LANES] = {0};
    int64_t i = 0;
    for (; i + KERNEL_LANES <= n; i += KERNEL_LANES) {
        for (int k = 0; k < KERNEL_LANES; k++) lane[k] += x[i + k];
    }
    for (int k = 0; i + k < n; k++) lane[k] += x[i + k];
    for (int width = KERNEL_LANES / 2; width > 0; width /= 2) {
        for (int k = 0; k < width; k++) lane[k] += lane[k + width];
    }
    return lane[0];
}

/* x (rows, width) with `stride` elements from row to row -> y (width): each column's sum. */
static void KERNEL(sum_rows)(int64_t rows, int64_t stride, int width, const REAL *x, REAL *y)
{
    if (rows > KERNEL_SUM_ROWS) {
        REAL upper[KERNEL_SUM_TILE];
        int64_t half = rows / 2;
        KERNEL(sum_rows)(half, stride, width, x, y);
        KERNEL(sum_rows)(rows - half, stride, width, x + half * stride, upper);
        for (int j = 0; j < width; j++) y[j] += upper[j];
        return;
    }
    for (int j = 0; j < width; j++) y[j] = 0;
    for (int64_t r = 0; r < rows; r++) {
        for (int j = 0; j < width; j++) y[j] += x[r * stride + j];
    }
}

static inline void KERNEL(reduce_sum)(int64_t outer, int64_t reduced, int64_t inner,
                                      const REAL *restrict x, REAL *restrict y)
{
    for (int64_t o = 0; o < outer; o++, x += reduced * inner, y += inner) {
        if (inner == 1) {
            *y = KERNEL(sum_run)(reduced, x);
            continue;
        }
        for (int64_t i = 0; i < inner; i += KERNEL_SUM_TILE) {
            int width = (int)(inner - i < KERNEL_SUM_TILE ? inner - i : KERNEL_SUM_TILE);
            KERNEL(sum_rows)(reduced, inner, width, x + i, y + i);
        }
    }
}

static inline REAL KERNEL(larger)(REAL x, REAL y)
{
    return x >= y || x != x ? x : y;
}

/* x (n) -> the largest. */
static inline REAL KERNEL(max_run)(int64_t n, const REAL *x)
{
    REAL lane[KERNEL_LANES];
    int64_t i = 0;
    for (int k = 0; k < KERNEL_LANES; k++) lane[k] = (REAL)-INFINITY;
    for (; i + KERNEL_LANES <= n; i += KERNEL_LANES) {
        for (int k = 0; k < KERNEL_LANES; k++) lane[k] = KERNEL(larger)(lane[k], x[i + k]);
    }
    for (int k = 0; i + k < n; k++) lane[k] = KERNEL(larger)(lane[k], x[i + k]);
    for (int k = 1; k < KERNEL_LANES; k++) lane[0] = KERNEL(larger)(lane[0], lane[k]);
    return lane[0];
}

/* -infinity over nothing; a NaN stays. */
static inline void KERNEL(reduce_max)(int64_t outer, int64_t reduced, int64_t inner,
                                      const REAL *restrict x, REAL *restrict y)
{
    for (int64_t o = 0; o < outer; o++, y += inner) {
        if (inner == 1) {
            *y = KERNEL(max_run)(reduced, x);
            x += reduced;
            continue;
        }
        for (int64_t i = 0; i < inner; i++) y[i] = (REAL)-INFINITY;
        for (int64_t r = 0; r < reduced; r++, x += inner) {
            for (int64_t i = 0; i < inner; i++) y[i] = KERNEL(larger)(y[i], x[i]);
        }
    }
}

/* x (rows, n) -> y (rows): the index of the first of the largest. */
static inline void KERNEL(argmax)(int64_t rows, int64_t n, const REAL *restrict x,
                                  int32_t *restrict y)
{
    for (int64_t r = 0; r < rows; r++, x += n) {
        int64_t best = 0;
        for (int64_t i = 1; i < n; i++) {
            if (x[i] > x[best]) best = i;
        }
        y[r] = (int32_t)best;
    }
}
