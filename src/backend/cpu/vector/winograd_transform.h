/* The transforms of F(4x4, 3x3) in one dimension, for the points 0, 1, -1, 2, -2 and infinity, and how
 * one dimension makes two. Each is a matrix of winograd.h; `step` is the distance of the vectors. */
#ifndef FM_BACKEND_CPU_WINOGRAD_TRANSFORM_H
#define FM_BACKEND_CPU_WINOGRAD_TRANSFORM_H

#include "backend/cpu/vector/vector.h"

enum { POINTS = 6, RESULTS = 4, TAPS = 3 }; /* of a tile, in each dimension */

/* t = B^T x, 6 from 6 */
INLINE void transform_x(const vector *x, vector *t, int step)
{
    const vector even = x[4 * step] - 4 * x[2 * step], odd = x[3 * step] - 4 * x[step];
    const vector near = x[4 * step] - x[2 * step], far = 2 * (x[3 * step] - x[step]);
    t[0] = multiply_add(broadcast(4), x[0] - x[2 * step], near);
    t[step] = even + odd;
    t[2 * step] = even - odd;
    t[3 * step] = near + far;
    t[4 * step] = near - far;
    t[5 * step] = 4 * (x[step] - x[3 * step]) + (x[5 * step] - x[3 * step]);
}

/* y = A^T m, 4 from 6 */
INLINE void transform_to_y(const vector *m, vector *y, int step)
{
    const vector sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
    const vector sum_2 = m[3 * step] + m[4 * step], difference_2 = m[3 * step] - m[4 * step];
    y[0] = m[0] + sum + sum_2;
    y[step] = multiply_add(broadcast(2), difference_2, difference);
    y[2 * step] = multiply_add(broadcast(4), sum_2, sum);
    y[3 * step] = multiply_add(broadcast(8), difference_2, difference) + m[5 * step];
}

/* m = A dy, 6 from 4: the adjoint of the above */
INLINE void transform_dy(const vector *dy, vector *m, int step)
{
    const vector even = dy[0] + dy[2 * step], odd = dy[step] + dy[3 * step];
    const vector even_2 = multiply_add(broadcast(4), dy[2 * step], dy[0]);
    const vector odd_2 = 2 * multiply_add(broadcast(4), dy[3 * step], dy[step]);
    m[0] = dy[0];
    m[step] = even + odd;
    m[2 * step] = even - odd;
    m[3 * step] = even_2 + odd_2;
    m[4 * step] = even_2 - odd_2;
    m[5 * step] = dy[3 * step];
}

/* u = G w, 6 from 3 */
INLINE void transform_kernel(const vector *w, vector *u, int step)
{
    const vector ends = (w[0] + w[2 * step]) * (-1.0f / 6), middle = w[step] * (-1.0f / 6);
    const vector ends_2 = w[0] * (1.0f / 24) + w[2 * step] * (1.0f / 6);
    const vector middle_2 = w[step] * (1.0f / 12);
    u[0] = w[0] * 0.25f;
    u[step] = ends + middle;
    u[2 * step] = ends - middle;
    u[3 * step] = ends_2 + middle_2;
    u[4 * step] = ends_2 - middle_2;
    u[5 * step] = w[2 * step];
}

/* dw = G^T du, 3 from 6: the adjoint of the above */
INLINE void transform_to_dkernel(const vector *du, vector *dw, int step)
{
    const vector sum = (du[step] + du[2 * step]) * (-1.0f / 6);
    const vector difference = (du[step] - du[2 * step]) * (-1.0f / 6);
    const vector sum_2 = du[3 * step] + du[4 * step];
    const vector difference_2 = du[3 * step] - du[4 * step];
    dw[0] = du[0] * 0.25f + sum + sum_2 * (1.0f / 24);
    dw[step] = difference + difference_2 * (1.0f / 12);
    dw[2 * step] = sum + sum_2 * (1.0f / 6) + du[5 * step];
}

typedef void transform_1d(const vector *from, vector *to, int step);

/* T of the columns: the (in, in) vectors at from + i row + j column become (out, in) of `to`, rows
 * POINTS apart. */
INLINE void transform_columns(transform_1d *transform, const float *from, ptrdiff_t row,
                              ptrdiff_t column, vector *to, const int in)
{
    UNROLL for (int j = 0; j < in; j++)
    {
        const float *at = from + j * column;
        vector x[POINTS * POINTS]; /* one column of a tile */
        UNROLL for (int i = 0; i < in; i++)
        {
            x[i * POINTS] = load(at);
            at += row;
        }
        transform(x, to + j, POINTS);
    }
}

/* Row i of what transform_columns made, times T^T. */
INLINE void transform_row(transform_1d *transform, const vector *from, int i, vector *to)
{
    transform(from + i * POINTS, to, 1);
}

#endif
