/* What the three recurrent cells share. A sequence of `time` steps is read for each of `batch`
 * samples, forwards or in reverse; a step makes the hidden state h_t (width) from the one before it
 * and from its row of
 *     x (batch, time, gates units) = inputs kernel + bias,
 * which the whole sequence's one product has made. What is left is h_{t-1} (width) times the
 * recurrent kernel R (width, gates units), column block g belonging to gate g.
 *
 * Backward is back-propagation through time (Werbos 1990): the gradient of the state, dh, is
 * carried from the last step to the first; the loss's own gradient of each output adds to it on the
 * way:
 *     dh_t = dy_t + what step t + 1 has left,   da_t = dh_t through the cell,
 *     dh_{t-1} = da_t R^T,   dR = sum_t h_{t-1}^T da_t,   dx_t = da_t
 * where a_t is what goes into the gates' activations, a_t = x_t + h_{t-1} R.
 *
 * A masked step leaves the state as it is; then dh passes it unchanged. Elementwise `scale` (batch,
 * width) multiplies the state where it enters R and nowhere else (recurrent dropout: Gal,
 * Ghahramani 2016; one draw for all steps of a sequence).
 *
 * With bf16 whatever a matrix multiplies is rounded to bfloat16 as it is read (kernel/bfloat16.h),
 * the matrix and the gradients alike: R and the state behind its scale; of an LSTM P and m; of a
 * GRU that resets in front of the product r h_{t-1}, too; backward what stands for da_t in front of
 * R^T and in dR, and of a projection dh. Sums of products, gates, cells, states, what is
 * elementwise and all results are not. */
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "kernel/bfloat16.h"
#include "kernel/recurrence.h"
#include "kernel/unary.h"

static inline REAL KERNEL(cell_function)(int kind, REAL x)
{
    switch (kind) {
    case KERNEL_CELL_TANH:
        return KERNEL_TANH(x);
    case KERNEL_CELL_RELU:
        return KERNEL(relu)(x, 0);
    case KERNEL_CELL_SIGMOID:
        return KERNEL(sigmoid)(x, 0);
    default:
        return x;
    }
}

/* The derivative of cell_function where its value is y. */
static inline REAL KERNEL(cell_slope)(int kind, REAL y)
{
    switch (kind) {
    case KERNEL_CELL_TANH:
        return 1 - y * y;
    case KERNEL_CELL_RELU:
        return y > 0 ? 1 : 0;
    case KERNEL_CELL_SIGMOID:
        return y * (1 - y);
    default:
        return 1;
    }
}

static inline REAL KERNEL(gate_function)(int kind, REAL x)
{
    return kind == KERNEL_GATE_SIGMOID ? KERNEL(sigmoid)(x, 0) : KERNEL(hard_sigmoid)(x, 0);
}

static inline REAL KERNEL(gate_slope)(int kind, REAL y)
{
    if (kind == KERNEL_GATE_SIGMOID) return y * (1 - y);
    return y > 0 && y < 1 ? (REAL)1 / 6 : 0;
}

/* Is step t of sample b padding? mask (batch, time) or NULL. */
static inline int KERNEL(is_masked)(const kernel_recurrence *r, const REAL *mask, int64_t b,
                                    int64_t t)
{
    return mask && !(mask[b * r->time + t] > (REAL)0.5);
}

/* The state before step s: step s - 1's row of y (batch, time, width), or the initial one. */
static inline const REAL *KERNEL(state_before)(const kernel_recurrence *r, const REAL *y,
                                               const REAL *initial, int64_t width, int64_t b,
                                               int64_t s)
{
    if (s == 0) return initial + b * width;
    return y + (b * r->time + kernel_step_time(r, s - 1)) * width;
}

/* Entry k of the state as it enters the recurrent kernel; scale (width) or NULL. */
static inline REAL KERNEL(scaled)(const REAL *h, const REAL *scale, int64_t k)
{
    return scale ? h[k] * scale[k] : h[k];
}

/* a[g][j] += sum_k h[k] scale[k] R[k, (g units) + j] for j < n; R begins at the first gate's first
 * wanted column and has `stride` columns. */
static inline void KERNEL(add_recurrent)(const kernel_recurrence *r, int gates, int64_t n,
                                         int64_t width, const REAL *h, const REAL *scale,
                                         const REAL *R, int64_t stride, REAL (*a)[KERNEL_UNITS])
{
    for (int64_t k = 0; k < width; k++, R += stride) {
        REAL factor = KERNEL(kernel_read)(KERNEL(scaled)(h, scale, k), r->bf16);
        for (int g = 0; g < gates; g++) {
            const REAL *row = R + g * r->units;
            for (int64_t j = 0; j < n; j++) {
                a[g][j] += factor * KERNEL(kernel_read)(row[j], r->bf16);
            }
        }
    }
}

/* With the gradients da (n) of n columns of a: what entry k of the state receives, and its row of
 * dR (n columns); x is the entry as it entered the product. */
static inline REAL KERNEL(pull_row)(int bf16, int64_t n, const REAL *restrict da,
                                    const REAL *restrict R, REAL x, REAL *restrict dR)
{
    REAL sum = 0;
    x = KERNEL(kernel_read)(x, bf16);
    for (int64_t j = 0; j < n; j++) {
        REAL pull = KERNEL(kernel_read)(da[j], bf16);
        sum += pull * KERNEL(kernel_read)(R[j], bf16);
        dR[j] += x * pull;
    }
    return sum;
}

/* to = from, or zeros. */
static inline void KERNEL(begin_with)(int64_t n, const REAL *from, REAL *to)
{
    if (n == 0) return;
    if (from)
        memcpy(to, from, (size_t)n * sizeof *to);
    else
        memset(to, 0, (size_t)n * sizeof *to);
}

/* sum (n) += row (n); without a row nothing. */
static inline void KERNEL(add_row)(int64_t n, const REAL *row, REAL *sum)
{
    for (int64_t j = 0; row && j < n; j++) sum[j] += row[j];
}
