/* The simple recurrent network (Elman 1990):
 *     h_t = f(x_t + h_{t-1} R)
 * and back through it, since f's derivative is a function of its value:
 *     da_t = dh_t f'(h_t),   dh_{t-1} = da_t R^T */
#include "kernel/recurrent.h"

/* Pointers to what there is, else NULL. x (batch, time, units), R (units, units), state (batch,
 * units), mask (batch, time), scale (batch, units); y (batch, time, units), last (batch, units). */
typedef struct KERNEL(simple_rnn_tensors) {
    const REAL *x, *R, *state, *mask, *scale;
    REAL *y, *last;
} KERNEL(simple_rnn_tensors);

static inline void KERNEL(simple_rnn)(const kernel_recurrence *r,
                                      const KERNEL(simple_rnn_tensors) * p)
{
    const int64_t units = r->units;
    for (int64_t b = 0; b < r->batch; b++) {
        const REAL *scale = p->scale ? p->scale + b * units : NULL;
        for (int64_t s = 0; s < r->time; s++) {
            int64_t t = kernel_step_time(r, s), row = (b * r->time + t) * units;
            const REAL *h = KERNEL(state_before)(r, p->y, p->state, units, b, s);
            if (KERNEL(is_masked)(r, p->mask, b, t)) {
                KERNEL(begin_with)(units, h, p->y + row);
                continue;
            }
            for (int64_t first = 0; first < units; first += KERNEL_UNITS) {
                int64_t n = units - first < KERNEL_UNITS ? units - first : KERNEL_UNITS;
                REAL a[1][KERNEL_UNITS];
                KERNEL(begin_with)(n, p->x + row + first, a[0]);
                KERNEL(add_recurrent)(r, 1, n, units, h, scale, p->R + first, units, a);
                for (int64_t j = 0; j < n; j++) {
                    p->y[row + first + j] = KERNEL(cell_function)(r->cell, a[0][j]);
                }
            }
        }
        KERNEL(begin_with)
        (units, KERNEL(state_before)(r, p->y, p->state, units, b, r->time), p->last + b * units);
    }
}

/* dy (batch, time, units) and dlast (batch, units) or NULL; dx like x, dR, dstate,
 * dscale or NULL. */
typedef struct KERNEL(simple_rnn_grad_tensors) {
    const REAL *R, *state, *y, *mask, *scale, *dy, *dlast;
    REAL *dx, *dR, *dstate, *dscale;
} KERNEL(simple_rnn_grad_tensors);

static inline void KERNEL(simple_rnn_grad)(const kernel_recurrence *r,
                                           const KERNEL(simple_rnn_grad_tensors) * p)
{
    const int64_t units = r->units;
    KERNEL(begin_with)(units * units, NULL, p->dR);
    if (p->dscale) KERNEL(begin_with)(r->batch * units, NULL, p->dscale);
    KERNEL(begin_with)(r->batch * units, p->dlast, p->dstate);
    for (int64_t b = 0; b < r->batch; b++) {
        const REAL *scale = p->scale ? p->scale + b * units : NULL;
        REAL *dh = p->dstate + b * units, *dscale = p->dscale ? p->dscale + b * units : NULL;
        for (int64_t s = r->time - 1; s >= 0; s--) {
            int64_t t = kernel_step_time(r, s), row = (b * r->time + t) * units;
            const REAL *h = KERNEL(state_before)(r, p->y, p->state, units, b, s);
            REAL *da = p->dx + row;
            KERNEL(add_row)(units, p->dy ? p->dy + row : NULL, dh);
            if (KERNEL(is_masked)(r, p->mask, b, t)) {
                KERNEL(begin_with)(units, NULL, da);
                continue;
            }
            for (int64_t j = 0; j < units; j++) {
                da[j] = dh[j] * KERNEL(cell_slope)(r->cell, p->y[row + j]);
            }
            for (int64_t k = 0; k < units; k++) {
                REAL pull = KERNEL(pull_row)(r->bf16, units, da, p->R + k * units,
                                             KERNEL(scaled)(h, scale, k), p->dR + k * units);
                dh[k] = scale ? pull * scale[k] : pull;
                if (dscale) dscale[k] += pull * h[k];
            }
        }
    }
}
