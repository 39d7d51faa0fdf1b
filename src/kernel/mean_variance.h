/* Means and variances of columns, and what is normalised by them: kernel/normalize.h in two steps,
 * for rows of x (rows, c). The variance is the mean of the squares about the mean. */
#include <math.h>
#include <stdint.h>

static inline void KERNEL(moments)(int64_t rows, int64_t c, const REAL *restrict x,
                                   REAL *restrict mean, REAL *restrict variance)
{
    for (int64_t j = 0; j < c; j++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < rows; i++) sum += (double)x[i * c + j];
        sum /= (double)rows;
        for (int64_t i = 0; i < rows; i++) {
            const double d = (double)x[i * c + j] - sum;
            squares += d * d;
        }
        mean[j] = (REAL)sum;
        variance[j] = (REAL)(squares / (double)rows);
    }
}

/* y (rows, c) = gamma (x - mean) rstd + beta; y may be x */
static inline void KERNEL(normalize_with)(int64_t rows, int64_t c, const REAL *x,
                                          const REAL *restrict gamma, const REAL *restrict beta,
                                          const REAL *restrict mean, const REAL *restrict rstd,
                                          REAL *y)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < c; j++) {
            const double u = ((double)x[i * c + j] - (double)mean[j]) * (double)rstd[j];
            y[i * c + j] = gamma[j] * (REAL)u + beta[j];
        }
    }
}

/* rstd (c) = 1 / sqrt(variance + epsilon), and y of it */
static inline void KERNEL(normalize_by)(int64_t rows, int64_t c, double epsilon, const REAL *x,
                                        const REAL *restrict gamma, const REAL *restrict beta,
                                        const REAL *restrict mean, const REAL *restrict variance,
                                        REAL *y, REAL *restrict rstd)
{
    for (int64_t j = 0; j < c; j++) rstd[j] = (REAL)(1 / sqrt((double)variance[j] + epsilon));
    KERNEL(normalize_with)(rows, c, x, gamma, beta, mean, rstd, y);
}
