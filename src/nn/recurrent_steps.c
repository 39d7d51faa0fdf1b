/* A recurrent layer step by step, from ordinary ops: any activation, and layer normalisation. */
#include "ir/ir.h"
#include "nn/recurrent_layer.h"

fm_val fm_recurrent_normalize(fm_graph *g, fm_val x, const fm_recurrent_norm *norm)
{
    if (!norm->gamma.id || !x.id) return x;
    fm_ints last = {1, {fm_val_shape(g, x).rank - 1}};
    return fm_normalize_over(g, x, norm->gamma, norm->beta, last, 1e-5, NULL, NULL);
}

/* ---- cells: the formulas of fathom/recurrent_ops.h ------------------------------------------- */

/* Column block i of v (batch, blocks units). */
static fm_val block(const fm_recurrent_run *r, fm_val v, int i)
{
    return fm_slice(r->g, v, 1, i * r->units, (i + 1) * r->units);
}

static fm_val act(const fm_recurrent_run *r, fm_val v)
{
    return fm_activate(r->g, v, r->activation);
}

static fm_val gate(const fm_recurrent_run *r, fm_val v)
{
    return fm_activate(r->g, v, r->gate_activation);
}

/* What the state brings to the sums of column blocks [first, end). */
static fm_val recurrent_sums(const fm_recurrent_run *r, fm_val state, int first, int end)
{
    fm_val scale = r->recurrence.recurrent_scale, kernel = r->recurrent_kernel;
    if (scale.id) state = fm_mul(r->g, state, scale);
    if (end - first < r->kind->gates) {
        kernel = fm_slice(r->g, kernel, 1, first * r->units, end * r->units);
    }
    return fm_recurrent_normalize(r->g, fm_matmul(r->g, state, kernel), &r->recurrent_norm);
}

static void simple_step(fm_recurrent_run *r, fm_val x)
{
    r->state = act(r, fm_add(r->g, x, recurrent_sums(r, r->state, 0, 1)));
}

/* sums + peephole row i times the cell */
static fm_val with_peephole(const fm_recurrent_run *r, fm_val sums, int row)
{
    fm_val peephole = r->recurrence.peephole;
    if (!peephole.id) return sums;
    return fm_add(r->g, sums, fm_mul(r->g, r->cell, fm_slice(r->g, peephole, 0, row, row + 1)));
}

static void lstm_step(fm_recurrent_run *r, fm_val x)
{
    fm_graph *g = r->g;
    fm_val sums = fm_add(g, x, recurrent_sums(r, r->state, 0, 4));
    fm_val in = gate(r, with_peephole(r, block(r, sums, 0), 0));
    fm_val forget = gate(r, with_peephole(r, block(r, sums, 1), 1));
    fm_val candidate = act(r, block(r, sums, 2));
    r->cell = fm_add(g, fm_mul(g, forget, r->cell), fm_mul(g, in, candidate));
    fm_val out = gate(r, with_peephole(r, block(r, sums, 3), 2));
    r->state = fm_mul(g, out, act(r, fm_recurrent_normalize(g, r->cell, &r->cell_norm)));
    fm_val projection = r->recurrence.projection;
    if (projection.id) r->state = fm_matmul(g, r->state, projection);
}

static void gru_step(fm_recurrent_run *r, fm_val x)
{
    fm_graph *g = r->g;
    bool after = r->recurrence.reset_after;
    fm_val sums = recurrent_sums(r, r->state, 0, after ? 3 : 2),
           bias = r->recurrence.recurrent_bias;
    if (bias.id) sums = fm_add(g, sums, bias);
    fm_val update = gate(r, fm_add(g, block(r, x, 0), block(r, sums, 0)));
    fm_val reset = gate(r, fm_add(g, block(r, x, 1), block(r, sums, 1)));
    fm_val inner = after ? fm_mul(g, reset, block(r, sums, 2))
                         : recurrent_sums(r, fm_mul(g, reset, r->state), 2, 3);
    fm_val candidate = act(r, fm_add(g, block(r, x, 2), inner));
    fm_val change = fm_mul(g, update, fm_sub(g, r->state, candidate));
    r->state = fm_add(g, candidate, change);
}

static void add_step(fm_recurrent_run *r, fm_val x)
{
    if (r->kind->has_cell)
        lstm_step(r, x);
    else if (r->kind->gates == 3)
        gru_step(r, x);
    else
        simple_step(r, x);
}

/* ---- the sequence ---------------------------------------------------------------------------- */

/* steps[i] = v[:, begin + i]. By halves: each step's gradient is then padded to the whole by few
 * small sums instead of one large one for each step. */
static void cut(const fm_recurrent_run *r, fm_val v, int64_t count, fm_val *steps)
{
    if (count == 1) {
        fm_shape shape = fm_val_shape(r->g, v);
        steps[0] = fm_reshape_to(r->g, v, FM_SHAPE(shape.dims[0], shape.dims[2]));
        return;
    }
    int64_t half = count / 2;
    cut(r, fm_slice(r->g, v, 1, 0, half), half, steps);
    cut(r, fm_slice(r->g, v, 1, half, count), count - half, steps + half);
}

/* count values (batch, 1, n) -> (batch, count, n) */
static fm_val join(const fm_recurrent_run *r, const fm_val *steps, int64_t count)
{
    if (count <= FM_MAX_INPUTS) return fm_concat(r->g, steps, (int)count, 1);
    int64_t half = count / 2;
    const fm_val halves[] = {join(r, steps, half), join(r, steps + half, count - half)};
    return fm_concat(r->g, halves, 2, 1);
}

/* Where the step is masked, as it was before. */
static void keep_masked(fm_recurrent_run *r, fm_val real, fm_val state, fm_val cell)
{
    if (!real.id) return;
    r->state = fm_where(r->g, real, r->state, state);
    if (r->kind->has_cell) r->cell = fm_where(r->g, real, r->cell, cell);
}

static fm_val walk(fm_recurrent_run *r, fm_val *x, fm_val *real)
{
    fm_val mask = r->recurrence.mask;
    cut(r, r->x, r->time, x);
    if (mask.id) {
        mask = fm_step(r->g, fm_add_scalar(r->g, mask, -0.5));
        cut(r, fm_reshape_to(r->g, mask, FM_SHAPE(r->batch, r->time, 1)), r->time, real);
    }
    for (int64_t s = 0; s < r->time && fm_graph_status(r->g) == FM_OK; s++) {
        int64_t t = r->recurrence.reverse ? r->time - 1 - s : s;
        fm_val state = r->state, cell = r->cell;
        add_step(r, x[t]);
        if (mask.id) keep_masked(r, real[t], state, cell);
        x[t] = fm_reshape_to(r->g, r->state, FM_SHAPE(r->batch, 1, r->width));
    }
    return join(r, x, r->time);
}

fm_val fm_recurrent_step_by_step(fm_recurrent_run *run)
{
    fm_graph *g = run->g;
    if (fm_graph_status(g) != FM_OK) return (fm_val){0};
    if (run->time < 1) {
        return fm_graph_fail(g, FM_ERROR_SHAPE, "a sequence without a step cannot be read here");
    }
    size_t count = (size_t)run->time;
    fm_val *steps = fm_allocate_zeroed(g->context, 2 * count * sizeof *steps);
    if (!steps) return fm_graph_fail_context(g);
    fm_val y = walk(run, steps, steps + count);
    fm_release(g->context, steps);
    return y;
}
