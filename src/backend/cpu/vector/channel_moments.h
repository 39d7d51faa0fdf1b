/* Mean and variance of the channels of a convolution's result,
 * made while its pixels are in a near cache.
 *
 * Pixels are counted in units that the shapes alone cut, so that the bits are the same for any
 * number of threads. A unit adds up differences from its first pixel and their squares (Chan,
 * Golub, LeVeque 1983, "Algorithms for computing the sample variance", on shifted data): that pixel
 * is one of the data, so its square distance from their mean is at most as many times the variance
 * as there are pixels, and where the mean is large beside the deviation nothing cancels. Units are
 * joined in order. */
#ifndef FM_BACKEND_CPU_CHANNEL_MOMENTS_H
#define FM_BACKEND_CPU_CHANNEL_MOMENTS_H

#include "backend/cpu/vector/kernels.h"

enum { MOMENT_COUNT, MOMENT_SHIFT, MOMENT_SUM, MOMENT_SQUARES, MOMENT_LINES }; /* of a unit */

/* Floats of a line of a unit. */
INLINE int64_t moment_line(int64_t channels)
{
    return (channels + LINE - 1) / LINE * LINE;
}

INLINE int64_t moments_floats(int64_t channels, int64_t units)
{
    return units * MOMENT_LINES * moment_line(channels);
}

/* Two sums of each, for one would wait for itself. */
INLINE void add_lanes(float *lines, int64_t line, bool begin, const float *values,
                      const int32_t *to, int rows, size_t count)
{
    vector shift = load_up_to(values + to[0], count), sum[2] = {0}, squares[2] = {0}, n = {0};
    if (!begin) {
        n = load_up_to(lines + MOMENT_COUNT * line, count);
        shift = load_up_to(lines + MOMENT_SHIFT * line, count);
        sum[0] = load_up_to(lines + MOMENT_SUM * line, count);
        squares[0] = load_up_to(lines + MOMENT_SQUARES * line, count);
    }
    int r = 0;
    for (; r + 2 <= rows; r += 2) {
        UNROLL for (int k = 0; k < 2; k++)
        {
            const vector d = load_up_to(values + to[r + k], count) - shift;
            sum[k] += d;
            squares[k] = multiply_add(d, d, squares[k]);
        }
    }
    if (r < rows) {
        const vector d = load_up_to(values + to[r], count) - shift;
        sum[1] += d;
        squares[1] = multiply_add(d, d, squares[1]);
    }
    store_up_to(lines + MOMENT_COUNT * line, n + (float)rows, count);
    store_up_to(lines + MOMENT_SHIFT * line, shift, count);
    store_up_to(lines + MOMENT_SUM * line, sum[0] + sum[1], count);
    store_up_to(lines + MOMENT_SQUARES * line, squares[0] + squares[1], count);
}

/* Adds the first lanes, at most a vector of `left`, of `rows` pixels, the r-th at values + to[r],
 * to the lines of a unit; `begin`: they are its first. */
INLINE void add_moments(float *lines, int64_t line, bool begin, const float *values,
                        const int32_t *to, int rows, size_t left)
{
    if (left >= VECTOR_LENGTH) {
        add_lanes(lines, line, begin, values, to, rows, VECTOR_LENGTH);
    } else {
        add_lanes(lines, line, begin, values, to, rows, left);
    }
}

typedef struct moment_units {
    const float *lines;
    int64_t channels, units;
    float *mean, *variance;
} moment_units;

/* Channels [begin, end) of all units; a body of fm_in_ranges. */
static void join_moments(const void *argument, int64_t begin, int64_t end)
{
    const moment_units *m = argument;
    const int64_t line = moment_line(m->channels);
    for (int64_t c = begin; c < end; c += VECTOR_LENGTH) {
        const size_t count = end - c < VECTOR_LENGTH ? (size_t)(end - c) : VECTOR_LENGTH;
        vector n = {0}, mean = {0}, squares = {0};
        for (int64_t unit = 0; unit < m->units; unit++) {
            const float *from = m->lines + unit * MOMENT_LINES * line + c;
            const vector more = load_up_to(from + MOMENT_COUNT * line, count);
            const vector sum = load_up_to(from + MOMENT_SUM * line, count);
            const vector ratio = sum / more, all = n + more, share = more / all;
            const vector d = load_up_to(from + MOMENT_SHIFT * line, count) + ratio - mean;
            const vector about = load_up_to(from + MOMENT_SQUARES * line, count) - sum * ratio;
            squares += larger_of((vector){0}, about) + d * d * (n * share);
            mean += d * share;
            n = all;
        }
        store_up_to(m->mean + c, mean, count);
        store_up_to(m->variance + c, squares / n, count);
    }
}

static inline void finish_moments(const moment_units *m, int threads)
{
    fm_in_ranges(threads, m->channels, LINE, 0.3 * (double)m->units, join_moments, m);
}

#endif
