/* Entries along one axis by number. */
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/vision_attributes.h"

#define KERNEL_FILE "kernel/take.h"
#include "kernel/instantiate.h"

#define AXIS_FIELD                                                                                 \
    {                                                                                              \
        .name = "axis", .doc = "along which", .offset = offsetof(fm_take_attributes, axis),        \
        .type = FM_FIELD_INT                                                                       \
    }

/* Operand 0 is real, operand 1 a list of positions. */
static fm_status check_operands(const fm_infer *infer)
{
    fm_status status = fm_infer_axis(infer, ((const fm_take_attributes *)infer->attributes)->axis);
    if (status == FM_OK) status = fm_infer_dtype(infer, 1, FM_I32);
    if (status != FM_OK) return status;
    if (infer->shapes[1].rank != 1) return fm_infer_fail(infer, "positions must be a list");
    if (fm_dtype_is_real(infer->dtypes[0])) return FM_OK;
    return fm_infer_fail(infer, "works on f32 and f64, but operand 1 is %s",
                         fm_dtype_name(infer->dtypes[0]));
}

/* ---- take ------------------------------------------------------------------------------------ */

static fm_status take_infer(fm_infer *infer)
{
    const fm_take_attributes *attributes = infer->attributes;
    fm_status status = check_operands(infer);
    if (status != FM_OK) return status;
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_shapes[0].dims[attributes->axis] = infer->shapes[1].dims[0];
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void take_run(const fm_call *call)
{
    int axis = (int)((const fm_take_attributes *)call->attributes)->axis;
    const fm_tensor *x = &call->inputs[0], *positions = &call->inputs[1];
    FM_RUN_REAL(take, x->dtype, fm_shape_span(x->shape, 0, axis), x->shape.dims[axis],
                fm_shape_span(x->shape, axis + 1, x->shape.rank), positions->count, x->data,
                positions->data, call->outputs[0].data);
}

static void take_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_take_attributes attributes = *(const fm_take_attributes *)vjp->attributes;
    attributes.extent = fm_val_shape(g, vjp->inputs[0]).dims[attributes.axis];
    const fm_val operands[] = {vjp->output_grads[0], vjp->inputs[1]};
    vjp->input_grads[0] = fm_node_add(g, &fm_op_take_grad, operands, 2, &attributes, NULL);
}

const fm_op fm_op_take = {
    .name = "take",
    .doc = "the entries of x at the positions along an axis; NaN for a position outside",
    .onnx = "Gather",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .attributes_size = sizeof(fm_take_attributes),
    .attributes = (const fm_field[]){AXIS_FIELD, {.name = NULL}},
    .infer = take_infer,
    .vjp = take_vjp,
    .run = take_run,
    .flops = fm_no_flops,
    .cases = (const fm_case[]){{"f(5,3) i5(7)", &(const fm_take_attributes){.axis = 0}},
                               {"f(2,4,3) i4(6)", &(const fm_take_attributes){.axis = 1}},
                               {"f(2,3,4) i4(2)", &(const fm_take_attributes){.axis = 2}},
                               {NULL, NULL}},
};

fm_val fm_take(fm_graph *g, fm_val x, int axis, const int32_t *positions, int64_t count)
{
    if (x.id == 0) return x;
    fm_shape shape = fm_val_shape(g, x);
    fm_take_attributes attributes = {.axis = fm_axis_from_front(axis, shape.rank)};
    bool known = attributes.axis >= 0 && attributes.axis < shape.rank;
    for (int64_t i = 0; known && i < count; i++) {
        if (positions[i] >= 0 && positions[i] < shape.dims[attributes.axis]) continue;
        return fm_graph_fail(g, FM_ERROR_ARGUMENT,
                             "take: position %d lies outside of axis %d of %s", positions[i], axis,
                             fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    if (count < 0) return fm_graph_fail(g, FM_ERROR_ARGUMENT, "take: a count below 0");
    fm_val list = fm_constant(g, FM_I32, FM_SHAPE(count), positions);
    return fm_node_add(g, &fm_op_take, (fm_val[]){x, list}, 2, &attributes, NULL);
}

/* ---- take_grad ------------------------------------------------------------------------------- */

static fm_status take_grad_infer(fm_infer *infer)
{
    const fm_take_attributes *attributes = infer->attributes;
    fm_status status = check_operands(infer);
    if (status != FM_OK) return status;
    if (infer->shapes[0].dims[attributes->axis] != infer->shapes[1].dims[0]) {
        return fm_infer_fail(infer,
                             "operand 1 must have as many entries along axis %lld as there "
                             "are positions",
                             (long long)attributes->axis);
    }
    if (attributes->extent < 0) {
        return fm_infer_fail(infer, "extent must be at least 0, received %lld",
                             (long long)attributes->extent);
    }
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_shapes[0].dims[attributes->axis] = attributes->extent;
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void take_grad_run(const fm_call *call)
{
    int axis = (int)((const fm_take_attributes *)call->attributes)->axis;
    const fm_tensor *dx = call->outputs, *positions = &call->inputs[1];
    FM_RUN_REAL(take_grad, dx->dtype, fm_shape_span(dx->shape, 0, axis), dx->shape.dims[axis],
                fm_shape_span(dx->shape, axis + 1, dx->shape.rank), positions->count,
                call->inputs[0].data, positions->data, dx->data);
}

static void take_grad_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_take_attributes attributes = *(const fm_take_attributes *)vjp->attributes;
    attributes.extent = 0;
    const fm_val operands[] = {vjp->output_grads[0], vjp->inputs[1]};
    vjp->input_grads[0] = fm_node_add(g, &fm_op_take, operands, 2, &attributes, NULL);
}

const fm_op fm_op_take_grad = {
    .name = "take_grad",
    .doc = "zeros, plus each entry at its position along an axis; a position outside is ignored",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .attributes_size = sizeof(fm_take_attributes),
    .attributes = (const fm_field[]){AXIS_FIELD,
                                     {.name = "extent",
                                      .doc = "entries of the result along the axis",
                                      .offset = offsetof(fm_take_attributes, extent),
                                      .type = FM_FIELD_INT},
                                     {.name = NULL}},
    .infer = take_grad_infer,
    .vjp = take_grad_vjp,
    .run = take_grad_run,
    .flops = fm_input_flops,
    .cases = (const fm_case[]){{"f(7,3) i5(7)", &(const fm_take_attributes){0, 5}},
                               {"f(2,6,3) i4(6)", &(const fm_take_attributes){1, 4}},
                               {"f(2,3,2) i4(2)", &(const fm_take_attributes){2, 4}},
                               {NULL, NULL}},
};
