/* The transforms of F(4x4, 3x3) in one dimension, for the points 0, a, -a, b, -b and infinity, and
 * how one dimension makes two. Each is a matrix of winograd.h; `step` is the distance of the
 * vectors.
 *
 * The points decide how far rounding errors grow. With a = 3/4, b = 3/2 the error of random layers
 * is half of what the usual 1 and 2 give, its largest element a third, twice that of the
 * definition. */
#ifndef FM_BACKEND_CPU_WINOGRAD_TRANSFORM_H
#define FM_BACKEND_CPU_WINOGRAD_TRANSFORM_H

#include "backend/cpu/vector/vector.h"

enum { POINTS = 6, RESULTS = 4, TAPS = 3 }; /* of a tile, in each dimension */

#define A    0.75f /* exact, as are their powers */
#define B    1.5f
#define A_2  (A * A)
#define B_2  (B * B)
#define ZERO (1 / (A_2 * B_2))             /* scales of G's rows: of the point 0, */
#define NEAR (1 / (2 * A_2 * (A_2 - B_2))) /* of a and -a, */
#define FAR  (1 / (2 * B_2 * (B_2 - A_2))) /* of b and -b */

/* t = B^T x, 6 from 6 */
INLINE void transform_x(const vector *x, vector *t, int step)
{
    const vector even = multiply_add(broadcast(-B_2), x[2 * step], x[4 * step]);
    const vector odd = A * multiply_add(broadcast(-B_2), x[step], x[3 * step]);
    const vector even_b = multiply_add(broadcast(-A_2), x[2 * step], x[4 * step]);
    const vector odd_b = B * multiply_add(broadcast(-A_2), x[step], x[3 * step]);
    t[0] = multiply_add(broadcast(-B_2), multiply_add(broadcast(-A_2), x[0], x[2 * step]), even_b);
    t[step] = even + odd;
    t[2 * step] = even - odd;
    t[3 * step] = even_b + odd_b;
    t[4 * step] = even_b - odd_b;
    t[5 * step] = multiply_add(broadcast(A_2 * B_2), x[step],
                               multiply_add(broadcast(-A_2 - B_2), x[3 * step], x[5 * step]));
}

/* y = A^T m, 4 from 6 */
INLINE void transform_to_y(const vector *m, vector *y, int step)
{
    const vector sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
    const vector sum_b = m[3 * step] + m[4 * step], difference_b = m[3 * step] - m[4 * step];
    y[0] = m[0] + sum + sum_b;
    y[step] = multiply_add(broadcast(B), difference_b, A * difference);
    y[2 * step] = multiply_add(broadcast(B_2), sum_b, A_2 * sum);
    y[3 * step] = multiply_add(broadcast(B * B_2), difference_b,
                               multiply_add(broadcast(A * A_2), difference, m[5 * step]));
}

/* m = A dy, 6 from 4: the adjoint of the above */
INLINE void transform_dy(const vector *dy, vector *m, int step)
{
    const vector even = multiply_add(broadcast(A_2), dy[2 * step], dy[0]);
    const vector odd = A * multiply_add(broadcast(A_2), dy[3 * step], dy[step]);
    const vector even_b = multiply_add(broadcast(B_2), dy[2 * step], dy[0]);
    const vector odd_b = B * multiply_add(broadcast(B_2), dy[3 * step], dy[step]);
    m[0] = dy[0];
    m[step] = even + odd;
    m[2 * step] = even - odd;
    m[3 * step] = even_b + odd_b;
    m[4 * step] = even_b - odd_b;
    m[5 * step] = dy[3 * step];
}

/* u = G w, 6 from 3 */
INLINE void transform_kernel(const vector *w, vector *u, int step)
{
    const vector even = NEAR * multiply_add(broadcast(A_2), w[2 * step], w[0]);
    const vector odd = (NEAR * A) * w[step];
    const vector even_b = FAR * multiply_add(broadcast(B_2), w[2 * step], w[0]);
    const vector odd_b = (FAR * B) * w[step];
    u[0] = ZERO * w[0];
    u[step] = even + odd;
    u[2 * step] = even - odd;
    u[3 * step] = even_b + odd_b;
    u[4 * step] = even_b - odd_b;
    u[5 * step] = w[2 * step];
}

/* dw = G^T du, 3 from 6: the adjoint of the above */
INLINE void transform_to_dkernel(const vector *du, vector *dw, int step)
{
    const vector sum = NEAR * (du[step] + du[2 * step]);
    const vector difference = (NEAR * A) * (du[step] - du[2 * step]);
    const vector sum_b = FAR * (du[3 * step] + du[4 * step]);
    const vector difference_b = (FAR * B) * (du[3 * step] - du[4 * step]);
    dw[0] = multiply_add(broadcast(ZERO), du[0], sum + sum_b);
    dw[step] = difference + difference_b;
    dw[2 * step] =
        multiply_add(broadcast(A_2), sum, multiply_add(broadcast(B_2), sum_b, du[5 * step]));
}

#undef A
#undef B
#undef A_2
#undef B_2
#undef ZERO
#undef NEAR
#undef FAR

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
