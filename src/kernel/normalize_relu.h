/* The gradient of relu(y) or, `six`, relu6(y), y = gamma u + beta with u = (x - mean) rstd
 * normalised over the rows of x (rows, c), as of kernel/normalize.h: dy counts where y > 0 and, if
 * `six`, y < 6, which is computed again. */
#include <stdint.h>

#ifndef FM_KERNEL_NORMALIZE_RELU_H
#define FM_KERNEL_NORMALIZE_RELU_H
enum { KERNEL_COLUMNS = 32 };
#endif

/* x, dy, dx (rows, stride) of which `width` columns; gamma, beta, mean, rstd, dgamma, dbeta
 * (width). dx may be dy. */
static void KERNEL(normalize_relu_columns)(int64_t rows, int64_t stride, int width, int six,
                                           const REAL *x, const REAL *gamma, const REAL *beta,
                                           const REAL *mean, const REAL *rstd, const REAL *dy,
                                           REAL *dx, REAL *dgamma, REAL *dbeta)
{
    double sum[KERNEL_COLUMNS] = {0}, product[KERNEL_COLUMNS] = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t at = 0; at < rows * stride; at += stride) {
            for (int j = 0; j < width; j++) {
                double u = ((double)x[at + j] - (double)mean[j]) * (double)rstd[j];
                REAL y = gamma[j] * (REAL)u + beta[j];
                double dz = y > 0 && (!six || y < 6) ? (double)dy[at + j] : 0;
                if (pass == 0) {
                    sum[j] += dz;
                    product[j] += dz * u;
                } else {
                    double rest = dz - (sum[j] + u * product[j]) / (double)rows;
                    dx[at + j] = (REAL)((double)gamma[j] * (double)rstd[j] * rest);
                }
            }
        }
    }
    for (int j = 0; j < width; j++) {
        dbeta[j] = (REAL)sum[j];
        dgamma[j] = (REAL)product[j];
    }
}

static inline void KERNEL(normalize_relu_grad)(int64_t rows, int64_t c, int six, const REAL *x,
                                               const REAL *gamma, const REAL *beta,
                                               const REAL *mean, const REAL *rstd, const REAL *dy,
                                               REAL *dx, REAL *dgamma, REAL *dbeta)
{
    for (int64_t j = 0; j < c; j += KERNEL_COLUMNS) {
        int width = (int)(c - j < KERNEL_COLUMNS ? c - j : KERNEL_COLUMNS);
        KERNEL(normalize_relu_columns)
        (rows, c, width, six, x + j, gamma + j, beta + j, mean + j, rstd + j, dy + j, dx + j,
         dgamma + j, dbeta + j);
    }
}
