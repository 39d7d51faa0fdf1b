/* What the recurrent ops share: operands, shapes, and the gradient's node. */
#include "op/recurrent_cells.h"

#define FLAG_FIELD(name_, place, doc_)                                                             \
    {                                                                                              \
        .name = name_, .doc = doc_, .offset = offsetof(fm_recurrent_attributes, place),            \
        .type = FM_FIELD_BOOL                                                                      \
    }
#define HAS_FIELD(name_, which, doc_)                                                              \
    {                                                                                              \
        .name = name_, .doc = doc_,                                                                \
        .offset = offsetof(fm_recurrent_attributes, has) + (which) * sizeof(bool),                 \
        .type = FM_FIELD_BOOL                                                                      \
    }

static const char *const cell_activations[] = {"tanh", "relu", "sigmoid", "linear", NULL};
static const char *const gate_activations[] = {"sigmoid", "hard_sigmoid", NULL};

const fm_field fm_recurrent_fields[] = {
    {.name = "activation",
     .doc = "of candidates and of what leaves a cell",
     .offset = offsetof(fm_recurrent_attributes, activation),
     .type = FM_FIELD_ENUM,
     .choices = cell_activations},
    {.name = "gate_activation",
     .doc = "of gates",
     .offset = offsetof(fm_recurrent_attributes, gate_activation),
     .type = FM_FIELD_ENUM,
     .choices = gate_activations},
    FLAG_FIELD("reverse", reverse, "from the last step to the first"),
    FLAG_FIELD("reset_after", reset_after, "gru: the reset gate comes after the product"),
    FLAG_FIELD("keeps", keeps, "what the gradient reads is a result"),
    HAS_FIELD("peephole", FM_RECURRENT_PEEPHOLE, "operand (3, units)"),
    HAS_FIELD("projection", FM_RECURRENT_PROJECTION, "operand (units, width)"),
    HAS_FIELD("recurrent_bias", FM_RECURRENT_BIAS, "operand (gates units)"),
    HAS_FIELD("mask", FM_RECURRENT_MASK, "operand (batch, time)"),
    HAS_FIELD("recurrent_scale", FM_RECURRENT_SCALE, "operand (batch, width)"),
    HAS_FIELD("dy", FM_RECURRENT_DY, "operand (batch, time, width)"),
    HAS_FIELD("dlast", FM_RECURRENT_DLAST, "operand (batch, width)"),
    HAS_FIELD("dlast_cell", FM_RECURRENT_DLAST_CELL, "operand (batch, units)"),
    HAS_FIELD("dgates", FM_RECURRENT_DGATES, "operand (batch, time, saved units)"),
    HAS_FIELD("dcells", FM_RECURRENT_DCELLS, "operand (batch, time, units)"),
    {.name = NULL},
};

static const char *const optional_names[] = {
    [FM_RECURRENT_PEEPHOLE] = "peephole",     [FM_RECURRENT_PROJECTION] = "projection",
    [FM_RECURRENT_BIAS] = "recurrent_bias",   [FM_RECURRENT_MASK] = "mask",
    [FM_RECURRENT_SCALE] = "recurrent_scale", [FM_RECURRENT_DY] = "dy",
    [FM_RECURRENT_DLAST] = "dlast",           [FM_RECURRENT_DLAST_CELL] = "dlast_cell",
    [FM_RECURRENT_DGATES] = "dgates",         [FM_RECURRENT_DCELLS] = "dcells"};

const fm_recurrent_cell *fm_recurrent_cell_of(const fm_op *op)
{
    static const fm_recurrent_cell *const cells[] = {&fm_simple_cell, &fm_lstm_cell, &fm_gru_cell};
    int i = 0;
    while (cells[i]->forward != op && cells[i]->backward != op) i++;
    return cells[i];
}

int fm_recurrent_fixed(const fm_recurrent_cell *cell)
{
    return 3 + cell->has_cell;
}

int fm_recurrent_grad_fixed(const fm_recurrent_cell *cell)
{
    return 3 + cell->has_cell + cell->keeps_gates + (cell->keeps_gates && cell->has_cell);
}

int fm_recurrent_saved(const fm_recurrent_cell *cell, const fm_recurrent_attributes *attributes)
{
    return cell->gates + attributes->reset_after;
}

static fm_shape optional_shape(const fm_recurrent_sizes *sizes, int which)
{
    int64_t batch = sizes->batch, time = sizes->time, units = sizes->units, width = sizes->width;
    switch ((fm_recurrent_optional)which) {
    case FM_RECURRENT_PEEPHOLE:
        return FM_SHAPE(3, units);
    case FM_RECURRENT_PROJECTION:
        return FM_SHAPE(units, width);
    case FM_RECURRENT_BIAS:
        return FM_SHAPE(3 * units);
    case FM_RECURRENT_MASK:
        return FM_SHAPE(batch, time);
    case FM_RECURRENT_DY:
        return FM_SHAPE(batch, time, width);
    case FM_RECURRENT_DLAST_CELL:
        return FM_SHAPE(batch, units);
    case FM_RECURRENT_DGATES:
        return FM_SHAPE(batch, time, sizes->saved * units);
    case FM_RECURRENT_DCELLS:
        return FM_SHAPE(batch, time, units);
    default:
        return FM_SHAPE(batch, width);
    }
}

/* ---- shape rules ----------------------------------------------------------------------------- */

static fm_status check_operand(const fm_infer *infer, int operand, const char *name,
                               fm_shape wanted)
{
    if (fm_shape_equal(infer->shapes[operand], wanted)) return FM_OK;
    return fm_infer_fail(infer, "%s (operand %d) must have the shape %s", name, operand + 1,
                         fm_shape_text(wanted, (char[FM_SHAPE_TEXT]){0}));
}

static fm_status check_rank(const fm_infer *infer, int operand, const char *shape, int rank)
{
    if (infer->shapes[operand].rank == rank) return FM_OK;
    return fm_infer_fail(infer, "operand %d must be %s", operand + 1, shape);
}

/* Each `has` is one that the op knows, and there are as many operands. */
static fm_status check_optionals(const fm_infer *infer, const fm_recurrent_cell *cell, int fixed,
                                 int known)
{
    const fm_recurrent_attributes *attributes = infer->attributes;
    int count = fixed;
    for (int i = 0; i < FM_RECURRENT_OPTIONALS; i++) {
        if (!attributes->has[i]) continue;
        if (i >= known || !cell->is_allowed[i]) {
            return fm_infer_fail(infer, "it has no operand %s", optional_names[i]);
        }
        count++;
    }
    if (attributes->has[FM_RECURRENT_BIAS] && !attributes->reset_after) {
        return fm_infer_fail(infer,
                             "a recurrent bias needs reset_after; without it the bias belongs "
                             "to x");
    }
    if (attributes->reset_after && !cell->is_allowed[FM_RECURRENT_BIAS]) {
        return fm_infer_fail(infer, "it has no reset gate");
    }
    if (infer->input_count == count) return FM_OK;
    return fm_infer_fail(infer, "its attributes ask for %d operands", count);
}

/* units and width from the recurrent kernel, operand `at`; batch, time from operand `sequence`. */
static fm_status find_sizes(const fm_infer *infer, const fm_recurrent_cell *cell, int at,
                            int sequence, fm_recurrent_sizes *sizes)
{
    const fm_recurrent_attributes *attributes = infer->attributes;
    fm_status status = check_rank(infer, at, "a recurrent kernel (width, gates units)", 2);
    if (status == FM_OK) status = check_rank(infer, sequence, "a sequence (batch, time, width)", 3);
    if (status != FM_OK) return status;
    fm_shape kernel = infer->shapes[at], along = infer->shapes[sequence];
    *sizes = (fm_recurrent_sizes){.batch = along.dims[0],
                                  .time = along.dims[1],
                                  .units = kernel.dims[1] / cell->gates,
                                  .width = kernel.dims[0],
                                  .saved = fm_recurrent_saved(cell, attributes)};
    if (kernel.dims[1] % cell->gates != 0) {
        return fm_infer_fail(infer, "the recurrent kernel must have %d columns for each unit",
                             cell->gates);
    }
    if (sizes->units == sizes->width || attributes->has[FM_RECURRENT_PROJECTION]) return FM_OK;
    return fm_infer_fail(infer, "the recurrent kernel of %lld units must have as many rows",
                         (long long)sizes->units);
}

static fm_status check_states(const fm_infer *infer, const fm_recurrent_cell *cell,
                              const fm_recurrent_sizes *sizes, int first)
{
    fm_status status =
        check_operand(infer, first, "the state", FM_SHAPE(sizes->batch, sizes->width));
    if (status != FM_OK || !cell->has_cell) return status;
    return check_operand(infer, first + 1, "the cell", FM_SHAPE(sizes->batch, sizes->units));
}

static fm_status check_optional_shapes(const fm_infer *infer, const fm_recurrent_sizes *sizes,
                                       int fixed)
{
    fm_status status = FM_OK;
    for (int i = 0; status == FM_OK && i < FM_RECURRENT_OPTIONALS; i++) {
        int at = fm_recurrent_find(infer->attributes, fixed, i);
        if (at < 0) continue;
        status = check_operand(infer, at, optional_names[i], optional_shape(sizes, i));
    }
    return status;
}

fm_status fm_recurrent_infer(fm_infer *infer)
{
    const fm_recurrent_cell *cell = fm_recurrent_cell_of(infer->op);
    const fm_recurrent_attributes *attributes = infer->attributes;
    fm_recurrent_sizes sizes = {0};
    int fixed = fm_recurrent_fixed(cell);
    fm_status status = fm_infer_reals(infer);
    if (status == FM_OK) status = check_optionals(infer, cell, fixed, FM_RECURRENT_DY);
    if (status == FM_OK) status = find_sizes(infer, cell, 1, 0, &sizes);
    if (status != FM_OK) return status;
    fm_shape x = FM_SHAPE(sizes.batch, sizes.time, cell->gates * sizes.units);
    status = check_operand(infer, 0, "x", x);
    if (status == FM_OK) status = check_states(infer, cell, &sizes, 2);
    if (status == FM_OK) status = check_optional_shapes(infer, &sizes, fixed);
    if (status != FM_OK) return status;

    int kept[] = {FM_RECURRENT_DGATES, FM_RECURRENT_DCELLS}, n = 0;
    infer->output_shapes[n++] = optional_shape(&sizes, FM_RECURRENT_DY);
    infer->output_shapes[n++] = optional_shape(&sizes, FM_RECURRENT_DLAST);
    if (cell->has_cell) {
        infer->output_shapes[n++] = optional_shape(&sizes, FM_RECURRENT_DLAST_CELL);
    }
    for (int i = 0; n < infer->op->outputs; i++) {
        infer->output_shapes[n++] =
            attributes->keeps ? optional_shape(&sizes, kept[i]) : FM_SHAPE(0);
    }
    for (int i = 0; i < n; i++) infer->output_dtypes[i] = infer->dtypes[0];
    return FM_OK;
}

/* The places of the gradient op's operands behind R and the states. */
static fm_status check_kept(const fm_infer *infer, const fm_recurrent_cell *cell,
                            const fm_recurrent_sizes *sizes, int first)
{
    fm_status status = check_operand(infer, first, "y", optional_shape(sizes, FM_RECURRENT_DY));
    if (status == FM_OK && cell->keeps_gates) {
        status =
            check_operand(infer, first + 1, "gates", optional_shape(sizes, FM_RECURRENT_DGATES));
    }
    if (status == FM_OK && cell->keeps_gates && cell->has_cell) {
        status =
            check_operand(infer, first + 2, "cells", optional_shape(sizes, FM_RECURRENT_DCELLS));
    }
    return status;
}

fm_status fm_recurrent_grad_infer(fm_infer *infer)
{
    const fm_recurrent_cell *cell = fm_recurrent_cell_of(infer->op);
    const fm_recurrent_attributes *attributes = infer->attributes;
    fm_recurrent_sizes sizes = {0};
    int fixed = fm_recurrent_grad_fixed(cell), y = 2 + cell->has_cell;
    fm_status status = fm_infer_reals(infer);
    if (status == FM_OK) {
        status = check_optionals(infer, cell, fixed, FM_RECURRENT_OPTIONALS);
    }
    if (status == FM_OK) status = find_sizes(infer, cell, 0, y, &sizes);
    if (status == FM_OK) status = check_states(infer, cell, &sizes, 1);
    if (status == FM_OK) status = check_kept(infer, cell, &sizes, y);
    if (status == FM_OK) status = check_optional_shapes(infer, &sizes, fixed);
    if (status != FM_OK) return status;

    int n = 0;
    infer->output_shapes[n++] = FM_SHAPE(sizes.batch, sizes.time, cell->gates * sizes.units);
    for (int i = 0; i < 2 + cell->has_cell; i++) infer->output_shapes[n++] = infer->shapes[i];
    for (int i = 0; i < FM_RECURRENT_DY; i++) {
        if (i == FM_RECURRENT_MASK || !cell->is_allowed[i]) continue;
        infer->output_shapes[n++] = attributes->has[i] ? optional_shape(&sizes, i) : FM_SHAPE(0);
    }
    for (int i = 0; i < n; i++) infer->output_dtypes[i] = infer->dtypes[0];
    return FM_OK;
}

/* ---- the gradient's node --------------------------------------------------------------------- */

/* The forward op again, keeping what the gradient reads. */
static void compute_again(fm_graph *g, const fm_vjp *vjp, const fm_recurrent_cell *cell,
                          fm_val *results)
{
    fm_recurrent_attributes attributes = *(const fm_recurrent_attributes *)vjp->attributes;
    attributes.keeps = true;
    fm_node_add(g, cell->forward, vjp->inputs, vjp->input_count, &attributes, results);
}

void fm_recurrent_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_recurrent_cell *cell = fm_recurrent_cell_of(vjp->op);
    fm_recurrent_attributes attributes = *(const fm_recurrent_attributes *)vjp->attributes;
    int fixed = fm_recurrent_fixed(cell), kept = 2 + cell->has_cell, n = 0;
    const fm_val *results = vjp->outputs;
    fm_val again[FM_RECURRENT_MOST_RESULTS], operands[FM_MAX_INPUTS], grads[FM_MAX_OUTPUTS];
    if (cell->keeps_gates && !attributes.keeps) {
        compute_again(g, vjp, cell, again);
        results = again;
    }
    for (int i = 1; i < fixed; i++) operands[n++] = vjp->inputs[i];
    operands[n++] = results[0];
    for (int i = kept; i < cell->forward->outputs; i++) operands[n++] = results[i];
    for (int i = fixed; i < vjp->input_count; i++) operands[n++] = vjp->inputs[i];

    int which[FM_RECURRENT_MOST_RESULTS] = {FM_RECURRENT_DY, FM_RECURRENT_DLAST}, known = 2;
    if (cell->has_cell) which[known++] = FM_RECURRENT_DLAST_CELL;
    if (attributes.keeps) {
        which[known++] = FM_RECURRENT_DGATES;
        which[known++] = FM_RECURRENT_DCELLS;
    }
    for (int i = 0; i < known && i < cell->forward->outputs; i++) {
        if (!vjp->output_grads[i].id) continue;
        attributes.has[which[i]] = true;
        operands[n++] = vjp->output_grads[i];
    }
    attributes.keeps = false;
    fm_node_add(g, cell->backward, operands, n, &attributes, grads);

    for (int i = 0; i < fixed; i++) vjp->input_grads[i] = grads[i];
    for (int i = 0, result = fixed; i < FM_RECURRENT_DY; i++) {
        if (i == FM_RECURRENT_MASK || !cell->is_allowed[i]) continue;
        int at = fm_recurrent_find(&attributes, fixed, i);
        if (at >= 0) vjp->input_grads[at] = grads[result];
        result++;
    }
}

/* ---- running --------------------------------------------------------------------------------- */

kernel_recurrence fm_recurrence_of(const fm_call *call)
{
    const fm_recurrent_cell *cell = fm_recurrent_cell_of(call->op);
    const fm_recurrent_attributes *attributes = call->attributes;
    const bool forward = call->op == cell->forward;
    const fm_shape kernel = call->inputs[forward ? 1 : 0].shape;
    const fm_shape y = (forward ? call->outputs : call->inputs + 2 + cell->has_cell)->shape;
    return (kernel_recurrence){.batch = y.dims[0],
                               .time = y.dims[1],
                               .units = kernel.dims[1] / cell->gates,
                               .width = y.dims[2],
                               .cell = attributes->activation,
                               .gate = attributes->gate_activation,
                               .reverse = attributes->reverse,
                               .reset_after = attributes->reset_after,
                               .bf16 = call->precision == FM_PRECISION_BF16};
}

const void *fm_recurrent_data(const fm_call *call, int fixed, int which)
{
    int at = fm_recurrent_find(call->attributes, fixed, which);
    return at < 0 ? NULL : call->inputs[at].data;
}

void *fm_recurrent_result(const fm_call *call, int i)
{
    return call->outputs[i].count > 0 ? call->outputs[i].data : NULL;
}

/* Two for each weight that a step of a sample meets, and some ten for each unit. */
static double step_flops(fm_shape kernel, double steps, const fm_recurrent_cell *cell,
                         const fm_recurrent_attributes *attributes)
{
    double units = (double)(kernel.dims[1] / cell->gates), width = (double)kernel.dims[0];
    double projection = attributes->has[FM_RECURRENT_PROJECTION] ? 2 * units * width : 0;
    return steps * (2 * width * (double)kernel.dims[1] + projection + 10 * units);
}

double fm_recurrent_flops(const fm_call *call)
{
    const fm_recurrent_cell *cell = fm_recurrent_cell_of(call->op);
    const fm_shape *y = &call->outputs[0].shape;
    return step_flops(call->inputs[1].shape, (double)(y->dims[0] * y->dims[1]), cell,
                      call->attributes);
}

double fm_recurrent_grad_flops(const fm_call *call)
{
    const fm_recurrent_cell *cell = fm_recurrent_cell_of(call->op);
    const fm_shape *dx = &call->outputs[0].shape;
    return 2 * step_flops(call->inputs[0].shape, (double)(dx->dims[0] * dx->dims[1]), cell,
                          call->attributes);
}

/* ---- building -------------------------------------------------------------------------------- */

fm_val fm_recurrent_add(fm_graph *g, const fm_recurrent_cell *cell, const fm_val *fixed,
                        const fm_recurrence *recurrence, fm_val *results)
{
    static const fm_recurrence plain = {0};
    if (!recurrence) recurrence = &plain;
    fm_recurrent_attributes attributes = {.activation = recurrence->activation,
                                          .gate_activation = recurrence->gate_activation,
                                          .reverse = recurrence->reverse,
                                          .reset_after = recurrence->reset_after,
                                          .keeps =
                                              cell->keeps_gates && fm_graph_mode(g) == FM_TRAIN};
    const fm_val optional[] = {[FM_RECURRENT_PEEPHOLE] = recurrence->peephole,
                               [FM_RECURRENT_PROJECTION] = recurrence->projection,
                               [FM_RECURRENT_BIAS] = recurrence->recurrent_bias,
                               [FM_RECURRENT_MASK] = recurrence->mask,
                               [FM_RECURRENT_SCALE] = recurrence->recurrent_scale};
    fm_val operands[FM_MAX_INPUTS];
    int count = fm_recurrent_fixed(cell);
    for (int i = 0; i < count; i++) operands[i] = fixed[i];
    for (int i = 0; i < FM_RECURRENT_DY; i++) {
        attributes.has[i] = optional[i].id != 0;
        if (optional[i].id) operands[count++] = optional[i];
    }
    return fm_node_add(g, cell->forward, operands, count, &attributes, results);
}
