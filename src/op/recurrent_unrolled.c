#include "op/recurrent_unrolled.h"
#include "ir/ir.h"
#include "op/op_table.h"

/* ---- pieces ---------------------------------------------------------------------------------- */

static fm_val plus(fm_unrolled *u, fm_val a, fm_val b)
{
    return a.id && b.id ? fm_add(u->g, a, b) : a.id ? a : b;
}

static void add_to(fm_unrolled *u, fm_val *sum, fm_val term)
{
    *sum = plus(u, *sum, term);
}

static fm_val times(fm_unrolled *u, fm_val a, fm_val b)
{
    return fm_mul(u->g, a, b);
}

/* v where the step counts, else 0. */
static fm_val real(fm_unrolled *u, fm_val v)
{
    return u->real.id && v.id ? times(u, v, u->real) : v;
}

/* v where the step does not count, else 0. */
static fm_val passed(fm_unrolled *u, fm_val v)
{
    if (!u->real.id) return (fm_val){0};
    return times(u, v, fm_scalar_minus(u->g, 1, u->real));
}

static int64_t time_of(const fm_unrolled *u, int64_t step)
{
    return u->attributes->reverse ? u->sizes.time - 1 - step : step;
}

/* Step `step` of a sequence: (batch, time, n) -> (batch, n). */
static fm_val at(fm_unrolled *u, fm_val sequence, int64_t step)
{
    if (!sequence.id) return sequence;
    int64_t t = time_of(u, step), n = fm_shape_last(fm_val_shape(u->g, sequence));
    return fm_reshape_to(u->g, fm_slice(u->g, sequence, 1, t, t + 1), FM_SHAPE(u->sizes.batch, n));
}

/* The step before `step`, at first the initial value. */
static fm_val before(fm_unrolled *u, fm_val sequence, fm_val initial, int64_t step)
{
    return step == 0 ? initial : at(u, sequence, step - 1);
}

/* Column blocks [first, end) of units. */
static fm_val blocks(fm_unrolled *u, fm_val v, int first, int end)
{
    if (!v.id) return v;
    return fm_slice(u->g, v, 1, first * u->sizes.units, end * u->sizes.units);
}

static fm_val block(fm_unrolled *u, fm_val v, int i)
{
    return blocks(u, v, i, i + 1);
}

static fm_val cell_function(fm_unrolled *u, fm_val x)
{
    switch (u->attributes->activation) {
    case FM_CELL_TANH:
        return fm_tanh(u->g, x);
    case FM_CELL_RELU:
        return fm_relu(u->g, x);
    case FM_CELL_SIGMOID:
        return fm_sigmoid(u->g, x);
    default:
        return x;
    }
}

/* dy times the derivative where the value is y. */
static fm_val through_cell(fm_unrolled *u, fm_val dy, fm_val y)
{
    switch (u->attributes->activation) {
    case FM_CELL_TANH:
        return times(u, dy, fm_scalar_minus(u->g, 1, fm_square(u->g, y)));
    case FM_CELL_RELU:
        return times(u, dy, fm_step(u->g, y));
    case FM_CELL_SIGMOID:
        return times(u, dy, times(u, y, fm_scalar_minus(u->g, 1, y)));
    default:
        return dy;
    }
}

static fm_val through_gate(fm_unrolled *u, fm_val dy, fm_val y)
{
    fm_val rest = fm_scalar_minus(u->g, 1, y);
    if (u->attributes->gate_activation == FM_GATE_SIGMOID) return times(u, dy, times(u, y, rest));
    fm_val inside = times(u, fm_step(u->g, y), fm_step(u->g, rest));
    return times(u, dy, fm_mul_scalar(u->g, inside, 1.0 / 6));
}

static fm_val joined(fm_unrolled *u, const fm_val *columns, int count)
{
    return fm_concat(u->g, columns, count, 1);
}

/* h as it enters the product. */
static fm_val scaled(fm_unrolled *u, fm_val h)
{
    fm_val scale = u->optional[FM_RECURRENT_SCALE];
    return scale.id ? times(u, h, scale) : h;
}

/* With the gradient da of h R: what h receives; *dR is that of R. */
static fm_val pull_product(fm_unrolled *u, fm_val da, fm_val R, fm_val h, fm_val *dR)
{
    fm_val pull = fm_matmul_transposed(u->g, da, R, false, true);
    *dR = fm_matmul_transposed(u->g, scaled(u, h), da, true, false);
    if (u->optional[FM_RECURRENT_SCALE].id) add_to(u, &u->dscale, times(u, pull, h));
    return scaled(u, pull);
}

/* ---- cells: the formulas of kernel/recurrent_*.h --------------------------------------------- */

void fm_unrolled_simple(fm_unrolled *u, int64_t step)
{
    fm_val dR, h = before(u, u->y, u->state, step);
    u->da = real(u, through_cell(u, u->dh, at(u, u->y, step)));
    fm_val carried = passed(u, u->dh);
    u->dh = plus(u, pull_product(u, u->da, u->R, h, &dR), carried);
    add_to(u, &u->dR, dR);
}

static fm_val peephole_row(fm_unrolled *u, int row)
{
    return fm_slice(u->g, u->optional[FM_RECURRENT_PEEPHOLE], 0, row, row + 1);
}

static fm_val column_sums(fm_unrolled *u, fm_val v)
{
    return fm_sum(u->g, v, (fm_ints){1, {0}}, true);
}

/* What d_i and d_f bring to the cell before, and the three to the peepholes. */
static fm_val pull_peepholes(fm_unrolled *u, fm_val d_i, fm_val d_f, fm_val d_o, fm_val c_before,
                             fm_val c)
{
    if (!u->optional[FM_RECURRENT_PEEPHOLE].id) return (fm_val){0};
    const fm_val rows[] = {column_sums(u, times(u, d_i, c_before)),
                           column_sums(u, times(u, d_f, c_before)),
                           column_sums(u, times(u, d_o, c))};
    add_to(u, &u->dpeephole, fm_concat(u->g, rows, 3, 0));
    return fm_add(u->g, times(u, d_i, peephole_row(u, 0)), times(u, d_f, peephole_row(u, 1)));
}

/* dm from dh. */
static fm_val pull_projection(fm_unrolled *u, fm_val m)
{
    fm_val projection = u->optional[FM_RECURRENT_PROJECTION];
    if (!projection.id) return u->dh;
    add_to(u, &u->dprojection, fm_matmul_transposed(u->g, real(u, m), u->dh, true, false));
    return fm_matmul_transposed(u->g, u->dh, projection, false, true);
}

void fm_unrolled_lstm(fm_unrolled *u, int64_t step)
{
    fm_val gates = at(u, u->gates, step), extra = at(u, u->optional[FM_RECURRENT_DGATES], step);
    fm_val i = block(u, gates, 0), f = block(u, gates, 1), g = block(u, gates, 2);
    fm_val o = block(u, gates, 3), c = at(u, u->cells, step), dR;
    fm_val c_before = before(u, u->cells, u->memory, step), h = before(u, u->y, u->state, step);
    fm_val out = cell_function(u, c), dm = pull_projection(u, times(u, o, out));

    add_to(u, &u->dc, at(u, u->optional[FM_RECURRENT_DCELLS], step));
    fm_val d_o = plus(u, times(u, dm, out), block(u, extra, 3));
    d_o = real(u, through_gate(u, d_o, o));
    fm_val dc = fm_add(u->g, u->dc, through_cell(u, times(u, dm, o), out));
    if (u->optional[FM_RECURRENT_PEEPHOLE].id) {
        dc = fm_add(u->g, dc, times(u, d_o, peephole_row(u, 2)));
    }
    fm_val d_i = plus(u, times(u, dc, g), block(u, extra, 0));
    fm_val d_f = plus(u, times(u, dc, c_before), block(u, extra, 1));
    fm_val d_g = plus(u, times(u, dc, i), block(u, extra, 2));
    d_i = real(u, through_gate(u, d_i, i));
    d_f = real(u, through_gate(u, d_f, f));
    d_g = real(u, through_cell(u, d_g, g));

    fm_val passing = passed(u, u->dc), carried = passed(u, u->dh);
    u->dc = plus(u, real(u, times(u, dc, f)), pull_peepholes(u, d_i, d_f, d_o, c_before, c));
    add_to(u, &u->dc, passing);
    u->da = joined(u, (fm_val[]){d_i, d_f, d_g, d_o}, 4);
    u->dh = plus(u, pull_product(u, u->da, u->R, h, &dR), carried);
    add_to(u, &u->dR, dR);
}

/* Behind the product: q's gradient takes the candidate's place in it. */
static void pull_reset_after(fm_unrolled *u, fm_val gates, fm_val extra, fm_val h, fm_val d_z,
                             fm_val d_n)
{
    fm_val r = block(u, gates, 1), dR;
    fm_val d_r = plus(u, times(u, d_n, block(u, gates, 3)), block(u, extra, 1));
    fm_val d_q = plus(u, times(u, d_n, r), real(u, block(u, extra, 3)));
    d_r = real(u, through_gate(u, d_r, r));
    fm_val inner = joined(u, (fm_val[]){d_z, d_r, d_q}, 3);
    u->da = joined(u, (fm_val[]){d_z, d_r, d_n}, 3);
    add_to(u, &u->dbias, fm_sum(u->g, inner, (fm_ints){1, {0}}, false));
    add_to(u, &u->dh, pull_product(u, inner, u->R, h, &dR));
    add_to(u, &u->dR, dR);
}

static void pull_reset_before(fm_unrolled *u, fm_val gates, fm_val extra, fm_val h, fm_val d_z,
                              fm_val d_n)
{
    fm_val r = block(u, gates, 1), reset = times(u, r, h), dR[2];
    fm_val pull = pull_product(u, d_n, block(u, u->R, 2), reset, &dR[1]);
    fm_val d_r = plus(u, times(u, pull, h), block(u, extra, 1));
    d_r = real(u, through_gate(u, d_r, r));
    add_to(u, &u->dh, times(u, pull, r));
    fm_val inner = joined(u, (fm_val[]){d_z, d_r}, 2);
    u->da = joined(u, (fm_val[]){d_z, d_r, d_n}, 3);
    add_to(u, &u->dh, pull_product(u, inner, blocks(u, u->R, 0, 2), h, &dR[0]));
    add_to(u, &u->dR, joined(u, dR, 2));
}

void fm_unrolled_gru(fm_unrolled *u, int64_t step)
{
    fm_val gates = at(u, u->gates, step), extra = at(u, u->optional[FM_RECURRENT_DGATES], step);
    fm_val h = before(u, u->y, u->state, step), z = block(u, gates, 0), n = block(u, gates, 2);
    fm_val d_z = plus(u, times(u, u->dh, fm_sub(u->g, h, n)), block(u, extra, 0));
    fm_val d_n = plus(u, times(u, u->dh, fm_scalar_minus(u->g, 1, z)), block(u, extra, 2));
    d_z = real(u, through_gate(u, d_z, z));
    d_n = real(u, through_cell(u, d_n, n));
    u->dh = plus(u, real(u, times(u, u->dh, z)), passed(u, u->dh));
    if (u->attributes->reset_after)
        pull_reset_after(u, gates, extra, h, d_z, d_n);
    else
        pull_reset_before(u, gates, extra, h, d_z, d_n);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static fm_val or_zeros(fm_unrolled *u, fm_val v, fm_shape shape)
{
    return v.id ? v : fm_full_as(u->g, fm_val_dtype(u->g, u->R), shape, 0);
}

/* A rule differentiates by its operands as if they were independent: copies of them are. */
static void take_operands(fm_unrolled *u, const fm_vjp *vjp, fm_val *copies)
{
    int n = 0, fixed = fm_recurrent_grad_fixed(u->cell);
    for (int i = 0; i < vjp->input_count; i++) {
        copies[i] = fm_node_add(u->g, &fm_op_copy, &vjp->inputs[i], 1, NULL, NULL);
    }
    u->R = copies[n++];
    u->state = copies[n++];
    if (u->cell->has_cell) u->memory = copies[n++];
    u->y = copies[n++];
    if (u->cell->keeps_gates) u->gates = copies[n++];
    if (u->cell->keeps_gates && u->cell->has_cell) u->cells = copies[n++];
    for (int i = 0; i < FM_RECURRENT_OPTIONALS; i++) {
        int place = fm_recurrent_find(u->attributes, fixed, i);
        if (place >= 0) u->optional[i] = copies[place];
    }
    fm_shape y = fm_val_shape(u->g, u->y), R = fm_val_shape(u->g, u->R);
    u->sizes = (fm_recurrent_sizes){.batch = y.dims[0],
                                    .time = y.dims[1],
                                    .units = R.rank ? R.dims[1] / u->cell->gates : 0,
                                    .width = y.dims[2],
                                    .saved = fm_recurrent_saved(u->cell, u->attributes)};
}

/* Runs back through the steps; dx, whole. */
static fm_val walk_back(fm_unrolled *u)
{
    fm_graph *g = u->g;
    fm_val mask = u->optional[FM_RECURRENT_MASK], dx = {0};
    int64_t batch = u->sizes.batch, columns = u->cell->gates * u->sizes.units;
    u->dh = or_zeros(u, u->optional[FM_RECURRENT_DLAST], FM_SHAPE(batch, u->sizes.width));
    u->dc = or_zeros(u, u->optional[FM_RECURRENT_DLAST_CELL], FM_SHAPE(batch, u->sizes.units));
    if (mask.id) {
        mask = fm_step(g, fm_add_scalar(g, mask, -0.5));
        mask = fm_reshape_to(g, mask, FM_SHAPE(batch, u->sizes.time, 1));
    }
    for (int64_t s = u->sizes.time - 1; s >= 0 && fm_graph_status(g) == FM_OK; s--) {
        u->real = at(u, mask, s);
        add_to(u, &u->dh, at(u, u->optional[FM_RECURRENT_DY], s));
        u->cell->pull(u, s);
        fm_val part = fm_reshape_to(g, u->da, FM_SHAPE(batch, 1, columns));
        int64_t t = time_of(u, s);
        part = fm_pad(g, part, 1, t, u->sizes.time - 1 - t);
        add_to(u, &dx, part);
    }
    return or_zeros(u, dx, FM_SHAPE(batch, u->sizes.time, columns));
}

void fm_recurrent_grad_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_recurrent_cell *cell = fm_recurrent_cell_of(vjp->op);
    fm_unrolled u = {.g = g, .cell = cell, .attributes = vjp->attributes};
    fm_val copies[FM_MAX_INPUTS], results[FM_MAX_OUTPUTS], total = {0};
    int n = 0;
    take_operands(&u, vjp, copies);
    results[n++] = walk_back(&u);
    results[n++] = u.dR;
    results[n++] = u.dh;
    if (cell->has_cell) results[n++] = u.dc;
    const fm_val optional[] = {[FM_RECURRENT_PEEPHOLE] = u.dpeephole,
                               [FM_RECURRENT_PROJECTION] = u.dprojection,
                               [FM_RECURRENT_BIAS] = u.dbias,
                               [FM_RECURRENT_SCALE] = u.dscale};
    for (int i = 0; i < FM_RECURRENT_DY; i++) {
        if (i != FM_RECURRENT_MASK && cell->is_allowed[i]) {
            results[n++] = u.attributes->has[i] ? optional[i] : (fm_val){0};
        }
    }
    for (int i = 0; i < n; i++) {
        if (!results[i].id || !vjp->output_grads[i].id) continue;
        add_to(&u, &total,
               fm_sum(g, times(&u, results[i], vjp->output_grads[i]), (fm_ints){0}, false));
    }
    if (total.id) fm_grad(g, total, copies, vjp->input_count, vjp->input_grads);
}
