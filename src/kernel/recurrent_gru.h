/* The gated recurrent unit (Cho et al. 2014), column blocks of x and R in the order z, r, n. With s
 * and f the activations of gates and candidate:
 *     z = s(x_z + h_{t-1} R_z)                      update gate
 *     r = s(x_r + h_{t-1} R_r)                      reset gate
 *     n = f(x_n + (r h_{t-1}) R_n)                  candidate, reset before the product
 *     h_t = z h_{t-1} + (1 - z) n
 * which is the paper's form. reset_after, cuDNN's form, resets behind the product and can have a
 * bias b (3 units) there; that of z and r is added to their sums:
 *     q = h_{t-1} R_n + b_n,   n = f(x_n + r q)
 * Backward:
 *     da_z = dh (h_{t-1} - n) s'(z),   da_n = dh (1 - z) f'(n)
 *     reset_after:    da_r = da_n q s'(r),   dq = da_n r
 *                     dh_{t-1} = dh z + da_z R_z^T + da_r R_r^T + dq R_n^T
 *     reset before:   v = da_n R_n^T,   da_r = v h_{t-1} s'(r)
 *                     dh_{t-1} = dh z + v r + da_z R_z^T + da_r R_r^T */
#include "kernel/recurrent.h"

/* Pointers to what there is, else NULL. x (batch, time, 3 units), R (units, 3 units), state (batch,
 * units), bias (3 units), mask (batch, time), scale (batch, units); y (batch, time, units), last
 * (batch, units), and for the gradient gates (batch, time, 3 units) z, r, n, with reset_after
 * (batch, time, 4 units) z, r, n, q. */
typedef struct KERNEL(gru_tensors) {
    const REAL *x, *R, *state, *bias, *mask, *scale;
    REAL *y, *last, *gates;
} KERNEL(gru_tensors);

static inline void KERNEL(gru_step_reset_after)(const kernel_recurrence *r,
                                                const KERNEL(gru_tensors) * p, const REAL *scale,
                                                const REAL *x, const REAL *h, REAL *y, REAL *gates)
{
    const int64_t units = r->units;
    for (int64_t first = 0; first < units; first += KERNEL_UNITS) {
        int64_t n = units - first < KERNEL_UNITS ? units - first : KERNEL_UNITS;
        REAL a[4][KERNEL_UNITS]; /* z, r, q, n */
        for (int g = 0; g < 3; g++) {
            KERNEL(begin_with)(n, p->bias ? p->bias + g * units + first : NULL, a[g]);
        }
        KERNEL(add_recurrent)(r, 3, n, units, h, scale, p->R + first, 3 * units, a);
        for (int64_t j = 0; j < n; j++) {
            const REAL *in = x + first + j;
            a[0][j] = KERNEL(gate_function)(r->gate, in[0] + a[0][j]);
            a[1][j] = KERNEL(gate_function)(r->gate, in[units] + a[1][j]);
            a[3][j] = KERNEL(cell_function)(r->cell, in[2 * units] + a[1][j] * a[2][j]);
            y[first + j] = a[0][j] * h[first + j] + (1 - a[0][j]) * a[3][j];
        }
        for (int g = 0; gates && g < 4; g++) {
            KERNEL(begin_with)(n, a[g < 2 ? g : 5 - g], gates + g * units + first);
        }
    }
}

/* reset (units) is room for r h_{t-1}; y keeps z until the candidate is there. */
static inline void KERNEL(gru_step_reset_before)(const kernel_recurrence *r,
                                                 const KERNEL(gru_tensors) * p, const REAL *scale,
                                                 const REAL *x, const REAL *h, REAL *y, REAL *gates,
                                                 REAL *reset)
{
    const int64_t units = r->units;
    for (int64_t first = 0; first < units; first += KERNEL_UNITS) {
        int64_t n = units - first < KERNEL_UNITS ? units - first : KERNEL_UNITS;
        REAL a[2][KERNEL_UNITS];
        for (int g = 0; g < 2; g++) KERNEL(begin_with)(n, x + g * units + first, a[g]);
        KERNEL(add_recurrent)(r, 2, n, units, h, scale, p->R + first, 3 * units, a);
        for (int64_t j = 0; j < n; j++) {
            a[0][j] = KERNEL(gate_function)(r->gate, a[0][j]);
            a[1][j] = KERNEL(gate_function)(r->gate, a[1][j]);
            reset[first + j] = a[1][j] * h[first + j];
        }
        KERNEL(begin_with)(n, a[0], y + first);
        for (int g = 0; gates && g < 2; g++) {
            KERNEL(begin_with)(n, a[g], gates + g * units + first);
        }
    }
    for (int64_t first = 0; first < units; first += KERNEL_UNITS) {
        int64_t n = units - first < KERNEL_UNITS ? units - first : KERNEL_UNITS;
        REAL a[1][KERNEL_UNITS];
        KERNEL(begin_with)(n, x + 2 * units + first, a[0]);
        KERNEL(add_recurrent)
        (r, 1, n, units, reset, scale, p->R + 2 * units + first, 3 * units, a);
        for (int64_t j = 0; j < n; j++) {
            REAL z = y[first + j];
            a[0][j] = KERNEL(cell_function)(r->cell, a[0][j]);
            y[first + j] = z * h[first + j] + (1 - z) * a[0][j];
        }
        if (gates) KERNEL(begin_with)(n, a[0], gates + 2 * units + first);
    }
}

static inline void KERNEL(gru)(const kernel_recurrence *r, const KERNEL(gru_tensors) * p)
{
    const int64_t units = r->units, saved = (r->reset_after ? 4 : 3) * units;
    for (int64_t b = 0; b < r->batch; b++) {
        const REAL *scale = p->scale ? p->scale + b * units : NULL;
        REAL *last = p->last + b * units;
        for (int64_t s = 0; s < r->time; s++) {
            int64_t t = kernel_step_time(r, s), row = b * r->time + t;
            const REAL *h = KERNEL(state_before)(r, p->y, p->state, units, b, s);
            const REAL *x = p->x + row * 3 * units;
            REAL *y = p->y + row * units, *gates = p->gates ? p->gates + row * saved : NULL;
            if (KERNEL(is_masked)(r, p->mask, b, t)) {
                KERNEL(begin_with)(units, h, y);
                if (gates) KERNEL(begin_with)(saved, NULL, gates);
            } else if (r->reset_after) {
                KERNEL(gru_step_reset_after)(r, p, scale, x, h, y, gates);
            } else {
                KERNEL(gru_step_reset_before)(r, p, scale, x, h, y, gates, last);
            }
        }
        KERNEL(begin_with)
        (units, KERNEL(state_before)(r, p->y, p->state, units, b, r->time), last);
    }
}

/* Of the outputs' gradients dy, dlast and dgates those that are not zero; the results have the
 * shapes of what they are gradients of, NULL where there is no such operand. */
typedef struct KERNEL(gru_grad_tensors) {
    const REAL *R, *state, *y, *gates, *mask, *scale, *dy, *dlast, *dgates;
    REAL *dx, *dR, *dstate, *dbias, *dscale;
} KERNEL(gru_grad_tensors);

/* The gradient that reaches q_j. */
static inline REAL KERNEL(gru_pull_q)(int64_t units, int64_t j, const REAL *gates,
                                      const REAL *extra, const REAL *da)
{
    return da[2 * units + j] * gates[units + j] + (extra ? extra[3 * units + j] : 0);
}

/* da_z, da_n, and dh z in the place of dh. */
static inline void KERNEL(gru_pull_units)(const kernel_recurrence *r, const REAL *gates,
                                          const REAL *extra, const REAL *h, REAL *dh, REAL *da)
{
    const int64_t units = r->units;
    for (int64_t j = 0; j < units; j++) {
        REAL z = gates[j], n = gates[2 * units + j];
        REAL dz = dh[j] * (h[j] - n) + (extra ? extra[j] : 0);
        REAL dn = dh[j] * (1 - z) + (extra ? extra[2 * units + j] : 0);
        da[j] = dz * KERNEL(gate_slope)(r->gate, z);
        da[2 * units + j] = dn * KERNEL(cell_slope)(r->cell, n);
        dh[j] *= z;
    }
}

/* da_r, dR and dh for a step whose da_z and da_n are there. */
static inline void KERNEL(gru_pull_reset_after)(const kernel_recurrence *r,
                                                const KERNEL(gru_grad_tensors) * p,
                                                const REAL *gates, const REAL *extra, const REAL *h,
                                                const REAL *scale, REAL *dh, REAL *dscale, REAL *da)
{
    const int64_t units = r->units;
    for (int64_t j = 0; j < units; j++) {
        REAL reset = gates[units + j], q = gates[3 * units + j];
        REAL dr = da[2 * units + j] * q + (extra ? extra[units + j] : 0);
        da[units + j] = dr * KERNEL(gate_slope)(r->gate, reset);
        if (!p->dbias) continue;
        p->dbias[j] += da[j];
        p->dbias[units + j] += da[units + j];
        p->dbias[2 * units + j] += KERNEL(gru_pull_q)(units, j, gates, extra, da);
    }
    for (int64_t k = 0; k < units; k++) {
        const REAL *row = p->R + k * 3 * units;
        REAL *dR = p->dR + k * 3 * units, x = KERNEL(scaled)(h, scale, k);
        REAL pull = KERNEL(pull_row)(r->bf16, 2 * units, da, row, x, dR);
        for (int64_t j = 0; j < units; j++) {
            REAL dq = KERNEL(kernel_read)(KERNEL(gru_pull_q)(units, j, gates, extra, da), r->bf16);
            pull += dq * KERNEL(kernel_read)(row[2 * units + j], r->bf16);
            dR[2 * units + j] += KERNEL(kernel_read)(x, r->bf16) * dq;
        }
        dh[k] += scale ? pull * scale[k] : pull;
        if (dscale) dscale[k] += pull * h[k];
    }
}

static inline void KERNEL(gru_pull_reset_before)(const kernel_recurrence *r,
                                                 const KERNEL(gru_grad_tensors) * p,
                                                 const REAL *gates, const REAL *extra,
                                                 const REAL *h, const REAL *scale, REAL *dh,
                                                 REAL *dscale, REAL *da)
{
    const int64_t units = r->units;
    for (int64_t k = 0; k < units; k++) {
        REAL reset = gates[units + k], x = KERNEL(scaled)(h, scale, k);
        int64_t at = k * 3 * units + 2 * units;
        REAL pull =
            KERNEL(pull_row)(r->bf16, units, da + 2 * units, p->R + at, reset * x, p->dR + at);
        REAL dr = pull * x + (extra ? extra[units + k] : 0);
        da[units + k] = dr * KERNEL(gate_slope)(r->gate, reset);
        dh[k] += pull * reset * (scale ? scale[k] : 1);
        if (dscale) dscale[k] += pull * reset * h[k];
    }
    for (int64_t k = 0; k < units; k++) {
        REAL pull = KERNEL(pull_row)(r->bf16, 2 * units, da, p->R + k * 3 * units,
                                     KERNEL(scaled)(h, scale, k), p->dR + k * 3 * units);
        dh[k] += scale ? pull * scale[k] : pull;
        if (dscale) dscale[k] += pull * h[k];
    }
}

static inline void KERNEL(gru_grad)(const kernel_recurrence *r, const KERNEL(gru_grad_tensors) * p)
{
    const int64_t units = r->units, saved = (r->reset_after ? 4 : 3) * units;
    KERNEL(begin_with)(units * 3 * units, NULL, p->dR);
    if (p->dbias) KERNEL(begin_with)(3 * units, NULL, p->dbias);
    if (p->dscale) KERNEL(begin_with)(r->batch * units, NULL, p->dscale);
    KERNEL(begin_with)(r->batch * units, p->dlast, p->dstate);
    for (int64_t b = 0; b < r->batch; b++) {
        const REAL *scale = p->scale ? p->scale + b * units : NULL;
        REAL *dh = p->dstate + b * units, *dscale = p->dscale ? p->dscale + b * units : NULL;
        for (int64_t s = r->time - 1; s >= 0; s--) {
            int64_t t = kernel_step_time(r, s), row = b * r->time + t;
            const REAL *h = KERNEL(state_before)(r, p->y, p->state, units, b, s);
            const REAL *gates = p->gates + row * saved;
            const REAL *extra = p->dgates ? p->dgates + row * saved : NULL;
            REAL *da = p->dx + row * 3 * units;
            KERNEL(add_row)(units, p->dy ? p->dy + row * units : NULL, dh);
            if (KERNEL(is_masked)(r, p->mask, b, t)) {
                KERNEL(begin_with)(3 * units, NULL, da);
                continue;
            }
            KERNEL(gru_pull_units)(r, gates, extra, h, dh, da);
            if (r->reset_after) {
                KERNEL(gru_pull_reset_after)(r, p, gates, extra, h, scale, dh, dscale, da);
            } else {
                KERNEL(gru_pull_reset_before)(r, p, gates, extra, h, scale, dh, dscale, da);
            }
        }
    }
}
