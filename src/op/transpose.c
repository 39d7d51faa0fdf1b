/* Reading elements in another order or many times: transpose, broadcast_to. */
#include "op/op_table.h"
#include "op/op_tools.h"
#include "kernel/movement.h"

static void copy_strided(const fm_call *call, const int64_t *strides)
{
    const fm_tensor *x = call->inputs, *y = call->outputs;
    if (y->count == 0) return;
    kernel_walk walk = kernel_walk_make(y->shape.rank, y->shape.dims, 1, &strides);
    kernel_copy_walk(&walk, fm_dtype_size(x->dtype), x->data, y->data);
}

/* ---- transpose ------------------------------------------------------------------------------- */

static fm_status transpose_infer(fm_infer *infer)
{
    const fm_ints *permutation =
        &((const fm_permutation_attributes *)infer->attributes)->permutation;
    fm_shape shape = infer->shapes[0];
    bool named[FM_MAX_RANK] = {false};
    if (permutation->count != shape.rank) {
        return fm_infer_fail(infer, "a permutation of %d axes is wanted, but it names %d",
                             shape.rank, permutation->count);
    }
    for (int i = 0; i < shape.rank; i++) {
        int64_t axis = permutation->at[i];
        fm_status status = fm_infer_axis(infer, axis);
        if (status != FM_OK) return status;
        if (named[axis]) {
            return fm_infer_fail(infer, "the permutation names axis %lld twice", (long long)axis);
        }
        named[axis] = true;
        infer->output_shapes[0].dims[i] = shape.dims[axis];
    }
    infer->output_shapes[0].rank = shape.rank;
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void transpose_run(const fm_call *call)
{
    const fm_permutation_attributes *attributes = call->attributes;
    const fm_shape *shape = &call->inputs[0].shape;
    int64_t plain[FM_MAX_RANK], strides[FM_MAX_RANK];
    kernel_broadcast_strides(shape->rank, shape->dims, shape->rank, plain);
    for (int i = 0; i < shape->rank; i++) strides[i] = plain[attributes->permutation.at[i]];
    copy_strided(call, strides);
}

static void transpose_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_permutation_attributes *attributes = vjp->attributes;
    fm_ints inverse = {.count = attributes->permutation.count};
    for (int i = 0; i < inverse.count; i++) inverse.at[attributes->permutation.at[i]] = i;
    vjp->input_grads[0] = fm_transpose(g, vjp->output_grads[0], inverse);
}

#define PERMUTATION_CASE(text, ...)                                                                \
    {                                                                                              \
        text, &(const fm_permutation_attributes)                                                   \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const fm_op fm_op_transpose = {
    .name = "transpose",
    .doc = "dimension i of the output is dimension permutation[i] of x",
    .onnx = "Transpose",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .attributes_size = sizeof(fm_permutation_attributes),
    .attributes = (const fm_field[]){{.name = "permutation",
                                      .doc = "the order of the input's axes",
                                      .offset = offsetof(fm_permutation_attributes, permutation),
                                      .type = FM_FIELD_INTS},
                                     {.name = NULL}},
    .infer = transpose_infer,
    .vjp = transpose_vjp,
    .run = transpose_run,
    .flops = fm_no_flops,
    .cases = (const fm_case[]){PERMUTATION_CASE("f(3,4)", {2, {1, 0}}),
                               PERMUTATION_CASE("f(2,3,4)", {3, {2, 0, 1}}),
                               PERMUTATION_CASE("f(2,3,2,2)", {4, {0, 2, 1, 3}}),
                               {NULL, NULL}},
};

fm_val fm_transpose(fm_graph *g, fm_val x, fm_ints permutation)
{
    if (x.id == 0) return x;
    int rank = fm_val_shape(g, x).rank;
    fm_permutation_attributes attributes = {permutation};
    if (permutation.count == 0) attributes.permutation.count = rank;
    for (int i = 0; i < rank; i++) {
        attributes.permutation.at[i] =
            permutation.count == 0 ? rank - 1 - i : fm_axis_from_front(permutation.at[i], rank);
    }
    return fm_node_add(g, &fm_op_transpose, &x, 1, &attributes, NULL);
}

/* ---- broadcast_to ---------------------------------------------------------------------------- */

static fm_status broadcast_to_infer(fm_infer *infer)
{
    const fm_shape_attributes *attributes = infer->attributes;
    fm_shape shape = fm_ints_shape(attributes->shape), common;
    if (fm_shape_elements(shape) < 0 || !fm_shapes_broadcast(infer->shapes[0], shape, &common) ||
        !fm_shape_equal(common, shape)) {
        return fm_infer_fail(infer,
                             "does not broadcast to %s: aligned at the last dimension, each "
                             "dimension must be equal or 1",
                             fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    infer->output_shapes[0] = shape;
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void broadcast_to_run(const fm_call *call)
{
    const fm_shape *own = &call->inputs[0].shape, *shape = &call->outputs[0].shape;
    int64_t strides[FM_MAX_RANK];
    kernel_broadcast_strides(own->rank, own->dims, shape->rank, strides);
    copy_strided(call, strides);
}

static void broadcast_to_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_vjp_give(g, vjp, 0, vjp->output_grads[0]);
}

#define BROADCAST_CASE(text, ...)                                                                  \
    {                                                                                              \
        text, &(const fm_shape_attributes)                                                         \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const fm_op fm_op_broadcast_to = {
    .name = "broadcast_to",
    .doc = "x repeated along its dimensions of 1",
    .onnx = "Expand",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .attributes_size = sizeof(fm_shape_attributes),
    .attributes = (const fm_field[]){{.name = "shape",
                                      .doc = "the shape to stretch to",
                                      .offset = offsetof(fm_shape_attributes, shape),
                                      .type = FM_FIELD_INTS},
                                     {.name = NULL}},
    .infer = broadcast_to_infer,
    .vjp = broadcast_to_vjp,
    .run = broadcast_to_run,
    .flops = fm_no_flops,
    .cases = (const fm_case[]){BROADCAST_CASE("f(4)", {2, {3, 4}}),
                               BROADCAST_CASE("f(3,1)", {3, {2, 3, 4}}),
                               BROADCAST_CASE("f()", {1, {5}}),
                               BROADCAST_CASE("f(2,1,3,1)", {4, {2, 2, 3, 2}}),
                               {NULL, NULL}},
};

fm_val fm_broadcast_to(fm_graph *g, fm_val x, fm_shape shape)
{
    if (x.id == 0 || fm_shape_equal(fm_val_shape(g, x), shape)) return x;
    fm_shape_attributes attributes = {fm_shape_ints(shape)};
    return fm_node_add(g, &fm_op_broadcast_to, &x, 1, &attributes, NULL);
}
