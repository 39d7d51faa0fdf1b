/* Long short-term memory (Hochreiter, Schmidhuber 1997; the forget gate: Gers et al. 2000), with
 * peepholes p (Gers et al. 2002) and a projection P (Sak et al. 2014) where they are given. With s
 * and f the activations of gates and cell, column blocks of x and R in the order i, f, g, o:
 *     i = s(x_i + h_{t-1} R_i + p_i c_{t-1})        input gate
 *     f = s(x_f + h_{t-1} R_f + p_f c_{t-1})        forget gate
 *     g = f(x_g + h_{t-1} R_g)                      candidate
 *     c_t = f c_{t-1} + i g                         cell
 *     o = s(x_o + h_{t-1} R_o + p_o c_t)            output gate
 *     m_t = o f(c_t),   h_t = m_t P, or m_t without a projection
 * Backward, with dm = dh P^T (or dh), u = f(c_t), and the carried dh and dc:
 *     da_o = dm u s'(o)
 *     dc_t = dc + dm o f'(u) + p_o da_o
 *     da_i = dc_t g s'(i),   da_f = dc_t c_{t-1} s'(f),   da_g = dc_t i f'(g)
 *     dc_{t-1} = dc_t f + p_i da_i + p_f da_f
 *     dp_i = sum da_i c_{t-1},  dp_f = sum da_f c_{t-1},  dp_o = sum da_o c_t,  dP = sum m^T dh */
#include "kernel/recurrent.h"

/* Pointers to what there is, else NULL. x (batch, time, 4 units), R (width, 4 units), state (batch,
 * width), memory (batch, units) the cells' beginning, peephole (3, units) of i, f, o, projection
 * (units, width), mask (batch, time), scale (batch, width); y (batch, time, width), last (batch,
 * width), last_memory (batch, units), and for the gradient gates (batch, time, 4 units) after their
 * activations, cells (batch, time, units). */
typedef struct KERNEL(lstm_tensors) {
    const REAL *x, *R, *state, *memory, *peephole, *projection, *mask, *scale;
    REAL *y, *last, *last_memory, *gates, *cells;
} KERNEL(lstm_tensors);

/* Units [first, first + n) of one step: a has the sums of the four gates and becomes their values;
 * c becomes c_t, m the outputs before the projection. */
static inline void KERNEL(lstm_units)(const kernel_recurrence *r, const REAL *peephole,
                                      int64_t first, int64_t n, REAL (*a)[KERNEL_UNITS],
                                      REAL *restrict c, REAL *restrict m)
{
    const REAL *p = peephole ? peephole + first : NULL;
    for (int64_t j = 0; j < n; j++) {
        if (p) a[0][j] += p[j] * c[j];
        if (p) a[1][j] += p[r->units + j] * c[j];
        a[0][j] = KERNEL(gate_function)(r->gate, a[0][j]);
        a[1][j] = KERNEL(gate_function)(r->gate, a[1][j]);
        a[2][j] = KERNEL(cell_function)(r->cell, a[2][j]);
        c[j] = a[1][j] * c[j] + a[0][j] * a[2][j];
        if (p) a[3][j] += p[2 * r->units + j] * c[j];
        a[3][j] = KERNEL(gate_function)(r->gate, a[3][j]);
        m[j] = a[3][j] * KERNEL(cell_function)(r->cell, c[j]);
    }
}

/* One step of one sample: h (width) -> y (width), c (units) in place. */
static inline void KERNEL(lstm_step)(const kernel_recurrence *r, const KERNEL(lstm_tensors) * p,
                                     const REAL *scale, const REAL *x, const REAL *h, REAL *c,
                                     REAL *y, REAL *gates)
{
    const int64_t units = r->units;
    if (p->projection) KERNEL(begin_with)(r->width, NULL, y);
    for (int64_t first = 0; first < units; first += KERNEL_UNITS) {
        int64_t n = units - first < KERNEL_UNITS ? units - first : KERNEL_UNITS;
        REAL a[4][KERNEL_UNITS], m[KERNEL_UNITS];
        for (int g = 0; g < 4; g++) KERNEL(begin_with)(n, x + g * units + first, a[g]);
        KERNEL(add_recurrent)(r, 4, n, r->width, h, scale, p->R + first, 4 * units, a);
        KERNEL(lstm_units)(r, p->peephole, first, n, a, c + first, m);
        for (int g = 0; gates && g < 4; g++) {
            KERNEL(begin_with)(n, a[g], gates + g * units + first);
        }
        if (!p->projection) KERNEL(begin_with)(n, m, y + first);
        for (int64_t j = 0; p->projection && j < n; j++) {
            const REAL *row = p->projection + (first + j) * r->width;
            REAL factor = KERNEL(kernel_read)(m[j], r->bf16);
            for (int64_t k = 0; k < r->width; k++) {
                y[k] += factor * KERNEL(kernel_read)(row[k], r->bf16);
            }
        }
    }
}

static inline void KERNEL(lstm)(const kernel_recurrence *r, const KERNEL(lstm_tensors) * p)
{
    const int64_t units = r->units, width = r->width;
    for (int64_t b = 0; b < r->batch; b++) {
        const REAL *scale = p->scale ? p->scale + b * width : NULL;
        REAL *c = p->last_memory + b * units;
        KERNEL(begin_with)(units, p->memory + b * units, c);
        for (int64_t s = 0; s < r->time; s++) {
            int64_t t = kernel_step_time(r, s), row = b * r->time + t;
            const REAL *h = KERNEL(state_before)(r, p->y, p->state, width, b, s);
            REAL *gates = p->gates ? p->gates + row * 4 * units : NULL;
            if (KERNEL(is_masked)(r, p->mask, b, t)) {
                KERNEL(begin_with)(width, h, p->y + row * width);
                if (gates) KERNEL(begin_with)(4 * units, NULL, gates);
            } else {
                KERNEL(lstm_step)
                (r, p, scale, p->x + row * 4 * units, h, c, p->y + row * width, gates);
            }
            if (p->cells) KERNEL(begin_with)(units, c, p->cells + row * units);
        }
        KERNEL(begin_with)
        (width, KERNEL(state_before)(r, p->y, p->state, width, b, r->time), p->last + b * width);
    }
}

/* Of the outputs' gradients dy, dlast, dlast_memory, dgates and dcells those that are not zero; the
 * results have the shapes of what they are gradients of, NULL where there is no such operand. */
typedef struct KERNEL(lstm_grad_tensors) {
    const REAL *R, *state, *memory, *y, *gates, *cells, *peephole, *projection, *mask, *scale;
    const REAL *dy, *dlast, *dlast_memory, *dgates, *dcells;
    REAL *dx, *dR, *dstate, *dmemory, *dpeephole, *dprojection, *dscale;
} KERNEL(lstm_grad_tensors);

/* Unit j's share of dh: dm; and its row of dP, where there is a projection. */
static inline REAL KERNEL(lstm_pull_projection)(const kernel_recurrence *r,
                                                const KERNEL(lstm_grad_tensors) * p, int64_t j,
                                                REAL m, const REAL *dh)
{
    if (!p->projection) return dh[j];
    return KERNEL(pull_row)(r->bf16, r->width, dh, p->projection + j * r->width, m,
                            p->dprojection + j * r->width);
}

/* One step's units: from dh (width) and dc (units) come da (4 units) and dc of the step before.
 * `row` counts steps of samples; before is c_{t-1}. */
static inline void KERNEL(lstm_pull_units)(const kernel_recurrence *r,
                                           const KERNEL(lstm_grad_tensors) * p, int64_t row,
                                           const REAL *before, const REAL *dh, REAL *dc, REAL *da)
{
    const int64_t units = r->units;
    const REAL *gates = p->gates + row * 4 * units, *c = p->cells + row * units;
    const REAL *extra = p->dgates ? p->dgates + row * 4 * units : NULL, *peephole = p->peephole;
    for (int64_t j = 0; j < units; j++) {
        REAL i = gates[j], f = gates[units + j], g = gates[2 * units + j], o = gates[3 * units + j];
        REAL u = KERNEL(cell_function)(r->cell, c[j]);
        REAL dm = KERNEL(lstm_pull_projection)(r, p, j, o * u, dh);
        REAL d_o = (dm * u + (extra ? extra[3 * units + j] : 0)) * KERNEL(gate_slope)(r->gate, o);
        REAL d_c = dc[j] + dm * o * KERNEL(cell_slope)(r->cell, u);
        if (p->dcells) d_c += p->dcells[row * units + j];
        if (peephole) d_c += peephole[2 * units + j] * d_o;
        REAL d_i = (d_c * g + (extra ? extra[j] : 0)) * KERNEL(gate_slope)(r->gate, i);
        REAL d_f =
            (d_c * before[j] + (extra ? extra[units + j] : 0)) * KERNEL(gate_slope)(r->gate, f);
        REAL d_g = (d_c * i + (extra ? extra[2 * units + j] : 0)) * KERNEL(cell_slope)(r->cell, g);
        da[j] = d_i, da[units + j] = d_f, da[2 * units + j] = d_g, da[3 * units + j] = d_o;
        dc[j] = d_c * f;
        if (!peephole) continue;
        dc[j] += peephole[j] * d_i + peephole[units + j] * d_f;
        p->dpeephole[j] += d_i * before[j];
        p->dpeephole[units + j] += d_f * before[j];
        p->dpeephole[2 * units + j] += d_o * c[j];
    }
}

static inline void KERNEL(lstm_grad)(const kernel_recurrence *r,
                                     const KERNEL(lstm_grad_tensors) * p)
{
    const int64_t units = r->units, width = r->width;
    KERNEL(begin_with)(width * 4 * units, NULL, p->dR);
    if (p->dpeephole) KERNEL(begin_with)(3 * units, NULL, p->dpeephole);
    if (p->dprojection) KERNEL(begin_with)(units * width, NULL, p->dprojection);
    if (p->dscale) KERNEL(begin_with)(r->batch * width, NULL, p->dscale);
    KERNEL(begin_with)(r->batch * width, p->dlast, p->dstate);
    KERNEL(begin_with)(r->batch * units, p->dlast_memory, p->dmemory);
    for (int64_t b = 0; b < r->batch; b++) {
        const REAL *scale = p->scale ? p->scale + b * width : NULL;
        REAL *dh = p->dstate + b * width, *dc = p->dmemory + b * units;
        REAL *dscale = p->dscale ? p->dscale + b * width : NULL;
        for (int64_t s = r->time - 1; s >= 0; s--) {
            int64_t t = kernel_step_time(r, s), row = b * r->time + t;
            const REAL *h = KERNEL(state_before)(r, p->y, p->state, width, b, s);
            const REAL *before = KERNEL(state_before)(r, p->cells, p->memory, units, b, s);
            REAL *da = p->dx + row * 4 * units;
            KERNEL(add_row)(width, p->dy ? p->dy + row * width : NULL, dh);
            if (KERNEL(is_masked)(r, p->mask, b, t)) {
                KERNEL(add_row)(units, p->dcells ? p->dcells + row * units : NULL, dc);
                KERNEL(begin_with)(4 * units, NULL, da);
                continue;
            }
            KERNEL(lstm_pull_units)(r, p, row, before, dh, dc, da);
            for (int64_t k = 0; k < width; k++) {
                REAL pull = KERNEL(pull_row)(r->bf16, 4 * units, da, p->R + k * 4 * units,
                                             KERNEL(scaled)(h, scale, k), p->dR + k * 4 * units);
                dh[k] = scale ? pull * scale[k] : pull;
                if (dscale) dscale[k] += pull * h[k];
            }
        }
    }
}
