/* Normalisation over any set of axes R, of m elements (Ioffe, Szegedy 2015; Ba et al. 2016; Wu, He
 * 2018):
 *     mean = sum_R x / m,  variance = sum_R (x - mean)^2 / m,  rstd = 1 / sqrt(variance + epsilon)
 *     y = gamma (x - mean) rstd + beta
 * in two passes, without the cancellation of E[x^2] - mean^2. Sums are kept in double. */
#include <math.h>
#include <stdint.h>
#include "kernel/split.h"

/* lane[j] = the mean of x over the reduced axes; or, with a mean, of (x - mean)^2. */
static inline void KERNEL(moment)(const kernel_split *split, const kernel_group *group,
                                  const REAL *restrict x, const double *restrict mean,
                                  double *restrict lane)
{
    int64_t pieces = kernel_piece_count(split, group);
    for (int j = 0; j < KERNEL_CHUNK; j++) lane[j] = 0;
    for (int64_t p = 0; p < pieces; p++) {
        kernel_piece piece = kernel_piece_at(split, group, p);
        const REAL *row = x + piece.own;
        for (int j = 0; j < piece.width; j++) {
            double value = (double)row[j] - (mean ? mean[j] : 0);
            lane[j] += mean ? value * value : value;
        }
    }
    kernel_lanes_close(split, lane);
    for (int j = 0; j < KERNEL_CHUNK; j++) lane[j] /= (double)split->reduced_elements;
}

/* split cuts x at R; gamma and beta (of one shape) are its second tensor. mean and rstd have one
 * element for each kept index. */
static inline void KERNEL(normalize)(const kernel_split *split, double epsilon,
                                     const REAL *restrict x, const REAL *restrict gamma,
                                     const REAL *restrict beta, REAL *restrict y,
                                     REAL *restrict mean, REAL *restrict rstd)
{
    int64_t groups = kernel_group_count(split);
    for (int64_t g = 0; g < groups; g++) {
        kernel_group group = kernel_group_at(split, g);
        int64_t pieces = kernel_piece_count(split, &group);
        double centre[KERNEL_CHUNK], scale[KERNEL_CHUNK];
        KERNEL(moment)(split, &group, x, NULL, centre);
        KERNEL(moment)(split, &group, x, centre, scale);
        for (int j = 0; j < KERNEL_CHUNK; j++) scale[j] = 1 / sqrt(scale[j] + epsilon);
        for (int64_t j = 0; j < group.results; j++) {
            mean[group.result + j] = (REAL)centre[j];
            rstd[group.result + j] = (REAL)scale[j];
        }
        for (int64_t p = 0; p < pieces; p++) {
            kernel_piece piece = kernel_piece_at(split, &group, p);
            const REAL *row = x + piece.own, *factor = gamma + piece.other;
            const REAL *shift = beta + piece.other;
            for (int j = 0; j < piece.width; j++) {
                REAL unit = (REAL)(((double)row[j] - centre[j]) * scale[j]);
                y[piece.own + j] = factor[j * split->row_step] * unit + shift[j * split->row_step];
            }
        }
    }
}

/* With u = (x - mean) rstd and s = dy gamma, mean and rstd depending on x (Ioffe, Szegedy 2015):
 *     dx = rstd (s - sum_R s / m - u sum_R (s u) / m) */
static inline void KERNEL(normalize_grad)(const kernel_split *split, const REAL *restrict x,
                                          const REAL *restrict gamma, const REAL *restrict mean,
                                          const REAL *restrict rstd, const REAL *restrict dy,
                                          REAL *restrict dx)
{
    int64_t groups = kernel_group_count(split);
    double m = (double)split->reduced_elements;
    for (int64_t g = 0; g < groups; g++) {
        kernel_group group = kernel_group_at(split, g);
        int64_t pieces = kernel_piece_count(split, &group);
        double centre[KERNEL_CHUNK], scale[KERNEL_CHUNK];
        double sum[KERNEL_CHUNK] = {0}, product[KERNEL_CHUNK] = {0};
        for (int j = 0; j < KERNEL_CHUNK; j++) {
            int64_t at = group.result + (j < group.results ? j : 0);
            centre[j] = (double)mean[at];
            scale[j] = (double)rstd[at];
        }
        for (int64_t p = 0; p < pieces; p++) {
            kernel_piece piece = kernel_piece_at(split, &group, p);
            const REAL *row = x + piece.own, *slope = dy + piece.own, *factor = gamma + piece.other;
            for (int j = 0; j < piece.width; j++) {
                double s = (double)slope[j] * (double)factor[j * split->row_step];
                sum[j] += s;
                product[j] += s * ((double)row[j] - centre[j]) * scale[j];
            }
        }
        kernel_lanes_close(split, sum);
        kernel_lanes_close(split, product);
        for (int64_t p = 0; p < pieces; p++) {
            kernel_piece piece = kernel_piece_at(split, &group, p);
            const REAL *row = x + piece.own, *slope = dy + piece.own, *factor = gamma + piece.other;
            for (int j = 0; j < piece.width; j++) {
                double s = (double)slope[j] * (double)factor[j * split->row_step];
                double u = ((double)row[j] - centre[j]) * scale[j];
                dx[piece.own + j] = (REAL)(scale[j] * (s - sum[j] / m - u * (product[j] / m)));
            }
        }
    }
}

/* dgamma = the sum of dy (x - mean) rstd, dbeta of dy, over what gamma stretches along. split cuts
 * x there; mean and rstd are its second tensor. */
static inline void KERNEL(normalize_scale_grad)(const kernel_split *split, const REAL *restrict x,
                                                const REAL *restrict mean,
                                                const REAL *restrict rstd, const REAL *restrict dy,
                                                REAL *restrict dgamma, REAL *restrict dbeta)
{
    int64_t groups = kernel_group_count(split);
    for (int64_t g = 0; g < groups; g++) {
        kernel_group group = kernel_group_at(split, g);
        int64_t pieces = kernel_piece_count(split, &group);
        double sum[KERNEL_CHUNK] = {0}, product[KERNEL_CHUNK] = {0};
        for (int64_t p = 0; p < pieces; p++) {
            kernel_piece piece = kernel_piece_at(split, &group, p);
            const REAL *row = x + piece.own, *slope = dy + piece.own;
            const REAL *centre = mean + piece.other, *scale = rstd + piece.other;
            for (int j = 0; j < piece.width; j++) {
                double s = (double)slope[j];
                int64_t at = j * split->row_step;
                sum[j] += s;
                product[j] += s * ((double)row[j] - (double)centre[at]) * (double)scale[at];
            }
        }
        kernel_lanes_close(split, sum);
        kernel_lanes_close(split, product);
        for (int64_t j = 0; j < group.results; j++) {
            dbeta[group.result + j] = (REAL)sum[j];
            dgamma[group.result + j] = (REAL)product[j];
        }
    }
}
