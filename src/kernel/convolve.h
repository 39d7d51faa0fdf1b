/* Convolution and its two adjoints (Dumoulin, Visin 2016), with the channels last: for every image,
 * window o, place k of it, group, channel c and filter f of the group
 *     y[o][f]     += x[position(o, k)][c] kernel[k][c][f]
 *     dx[position(o, k)][c] += dy[o][f] kernel[k][c][f]
 *     dkernel[k][c][f]      += x[position(o, k)][c] dy[o][f]
 * x is (images, positions, groups channels), kernel (places, channels, groups filters) and y
 * (images, windows, groups filters), `channels` and `filters` being those of one group. The inner
 * loop runs over filters; a depthwise convolution has but one of each in a group and runs over
 * groups. With bf16, x, dy and kernel are rounded to bfloat16 as they are read. */
#include <stdint.h>
#include "kernel/bfloat16.h"
#include "kernel/window.h"

#ifndef FM_KERNEL_CONVOLVE_H
#define FM_KERNEL_CONVOLVE_H
enum { KERNEL_RUN = 16, KERNEL_FILTER_TILE = 64, KERNEL_DOT_LANES = 16 };

typedef struct kernel_convolution {
    kernel_window window;
    int64_t images, groups, channels, filters;
    int bf16;
} kernel_convolution;

static inline int kernel_depthwise(const kernel_convolution *c)
{
    return c->channels == 1 && c->filters == 1;
}
#endif

/* x (images, positions, groups), kernel (places, groups) -> y (images, windows, groups) */
static inline void KERNEL(convolve_depthwise)(const kernel_convolution *c, const REAL *restrict x,
                                              const REAL *restrict kernel, REAL *restrict y)
{
    const int bf16 = c->bf16;
    kernel_runs runs = kernel_runs_of(&c->window, c->images, KERNEL_RUN);
    for (kernel_run run; kernel_run_next(&runs, &run);) {
        const REAL *weight = kernel + run.place * c->groups;
        for (int64_t j = 0; j < run.count; j++) {
            const REAL *from = x + (run.x + j * run.x_step) * c->groups;
            REAL *to = y + (run.y + j) * c->groups;
            for (int64_t g = 0; g < c->groups; g++) {
                to[g] += KERNEL(kernel_read)(from[g], bf16) * KERNEL(kernel_read)(weight[g], bf16);
            }
        }
    }
}

static inline void KERNEL(convolve)(const kernel_convolution *c, const REAL *restrict x,
                                    const REAL *restrict kernel, REAL *restrict y)
{
    const int bf16 = c->bf16;
    int64_t channels = c->groups * c->channels, filters = c->groups * c->filters;
    int64_t count = c->images * kernel_volume(c->window.y) * filters;
    for (int64_t i = 0; i < count; i++) y[i] = 0;
    if (kernel_depthwise(c)) {
        KERNEL(convolve_depthwise)(c, x, kernel, y);
        return;
    }
    kernel_runs runs = kernel_runs_of(&c->window, c->images, KERNEL_RUN);
    for (kernel_run run; kernel_run_next(&runs, &run);) {
        for (int64_t i = 0; i < channels; i++) {
            int64_t group = i / c->channels, channel = i % c->channels, first = group * c->filters;
            const REAL *row = kernel + (run.place * c->channels + channel) * filters + first;
            for (int64_t j = 0; j < run.count; j++) {
                REAL value = KERNEL(kernel_read)(x[(run.x + j * run.x_step) * channels + i], bf16);
                REAL *to = y + (run.y + j) * filters + first;
                for (int64_t f = 0; f < c->filters; f++) {
                    to[f] += value * KERNEL(kernel_read)(row[f], bf16);
                }
            }
        }
    }
}

/* a (n), b (n) -> the sum of the products, made in lanes. */
static inline REAL KERNEL(dot)(int64_t n, int bf16, const REAL *restrict a, const REAL *restrict b)
{
    REAL lane[KERNEL_DOT_LANES] = {0};
    int64_t i = 0;
    for (; i + KERNEL_DOT_LANES <= n; i += KERNEL_DOT_LANES) {
        for (int k = 0; k < KERNEL_DOT_LANES; k++) {
            lane[k] += KERNEL(kernel_read)(a[i + k], bf16) * KERNEL(kernel_read)(b[i + k], bf16);
        }
    }
    for (int k = 0; i + k < n; k++) {
        lane[k] += KERNEL(kernel_read)(a[i + k], bf16) * KERNEL(kernel_read)(b[i + k], bf16);
    }
    for (int width = KERNEL_DOT_LANES / 2; width > 0; width /= 2) {
        for (int k = 0; k < width; k++) lane[k] += lane[k + width];
    }
    return lane[0];
}

/* dy (images, windows, groups), kernel (places, groups) -> dx (images, positions, groups) */
static inline void KERNEL(transposed_depthwise)(const kernel_convolution *c,
                                                const REAL *restrict dy,
                                                const REAL *restrict kernel, REAL *restrict dx)
{
    const int bf16 = c->bf16;
    kernel_runs runs = kernel_runs_of(&c->window, c->images, KERNEL_RUN);
    for (kernel_run run; kernel_run_next(&runs, &run);) {
        const REAL *weight = kernel + run.place * c->groups;
        for (int64_t j = 0; j < run.count; j++) {
            const REAL *from = dy + (run.y + j) * c->groups;
            REAL *to = dx + (run.x + j * run.x_step) * c->groups;
            for (int64_t g = 0; g < c->groups; g++) {
                to[g] += KERNEL(kernel_read)(from[g], bf16) * KERNEL(kernel_read)(weight[g], bf16);
            }
        }
    }
}

static inline void KERNEL(convolve_transposed)(const kernel_convolution *c, const REAL *restrict dy,
                                               const REAL *restrict kernel, REAL *restrict dx)
{
    const int bf16 = c->bf16;
    int64_t channels = c->groups * c->channels, filters = c->groups * c->filters;
    int64_t count = c->images * kernel_volume(c->window.x) * channels;
    for (int64_t i = 0; i < count; i++) dx[i] = 0;
    if (kernel_depthwise(c)) {
        KERNEL(transposed_depthwise)(c, dy, kernel, dx);
        return;
    }
    kernel_runs runs = kernel_runs_of(&c->window, c->images, KERNEL_RUN);
    for (kernel_run run; kernel_run_next(&runs, &run);) {
        for (int64_t i = 0; i < channels; i++) {
            int64_t group = i / c->channels, channel = i % c->channels, first = group * c->filters;
            const REAL *row = kernel + (run.place * c->channels + channel) * filters + first;
            for (int64_t j = 0; j < run.count; j++) {
                const REAL *from = dy + (run.y + j) * filters + first;
                dx[(run.x + j * run.x_step) * channels + i] +=
                    KERNEL(dot)(c->filters, bf16, from, row);
            }
        }
    }
}

/* sum (width) += of one run, each term x[.] dy[.] or, depthwise (x_each), x[., :] dy[., :]. A run
 * is summed by itself first: the rounding error grows with the number of runs. */
static inline void KERNEL(add_run)(const kernel_run *run, int64_t width, int x_each, int bf16,
                                   const REAL *restrict x, int64_t x_stride,
                                   const REAL *restrict dy, int64_t dy_stride, REAL *restrict sum)
{
    REAL tile[KERNEL_FILTER_TILE] = {0};
    for (int64_t j = 0; j < run->count; j++) {
        const REAL *from = x + j * run->x_step * x_stride, *slope = dy + j * dy_stride;
        if (x_each) {
            for (int64_t f = 0; f < width; f++) {
                tile[f] += KERNEL(kernel_read)(from[f], bf16) * KERNEL(kernel_read)(slope[f], bf16);
            }
        } else {
            REAL value = KERNEL(kernel_read)(*from, bf16);
            for (int64_t f = 0; f < width; f++) {
                tile[f] += value * KERNEL(kernel_read)(slope[f], bf16);
            }
        }
    }
    for (int64_t f = 0; f < width; f++) sum[f] += tile[f];
}

static inline void KERNEL(convolve_kernel_grad)(const kernel_convolution *c, const REAL *restrict x,
                                                const REAL *restrict dy, REAL *restrict dkernel)
{
    int64_t channels = c->groups * c->channels, filters = c->groups * c->filters;
    int64_t count = kernel_volume(c->window.size) * c->channels * filters;
    int depthwise = kernel_depthwise(c);
    /* the rows of `filters`: a channel each, or all of them at once */
    int64_t rows = depthwise ? 1 : channels, width = depthwise ? filters : c->filters;
    for (int64_t i = 0; i < count; i++) dkernel[i] = 0;
    kernel_runs runs = kernel_runs_of(&c->window, c->images, KERNEL_RUN);
    for (kernel_run run; kernel_run_next(&runs, &run);) {
        for (int64_t i = 0; i < rows; i++) {
            int64_t first = i / c->channels * c->filters, channel = i % c->channels;
            REAL *row = dkernel + (run.place * c->channels + channel) * filters + first;
            const REAL *from = x + run.x * channels + i, *slope = dy + run.y * filters + first;
            for (int64_t f = 0; f < width; f += KERNEL_FILTER_TILE) {
                KERNEL(add_run)
                (&run, kernel_min(width - f, KERNEL_FILTER_TILE), depthwise, c->bf16,
                 depthwise ? from + f : from, channels, slope + f, filters, row + f);
            }
        }
    }
}
