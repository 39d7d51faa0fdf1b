/* The same bytes under another shape or another name. */
#include "op/op_table.h"
#include "op/op_tools.h"

#include <string.h>

/* A planner may give the output the input's memory; else the bytes are copied. */
static void view_run(const fm_call *call)
{
    const fm_tensor *x = call->inputs, *y = call->outputs;
    size_t bytes = (size_t)x->count * fm_dtype_size(x->dtype);
    if (x->data != y->data && bytes > 0) memcpy(y->data, x->data, bytes);
}

static fm_status reshape_fail(const fm_infer *infer, fm_shape wanted)
{
    return fm_infer_fail(infer, "cannot become %s: the numbers of elements differ",
                         fm_shape_text(wanted, (char[FM_SHAPE_TEXT]){0}));
}

static fm_status reshape_infer(fm_infer *infer)
{
    const fm_shape_attributes *attributes = infer->attributes;
    fm_shape shape = fm_ints_shape(attributes->shape);
    int64_t elements = fm_shape_elements(infer->shapes[0]);
    int open = -1;
    for (int i = 0; i < shape.rank && i < FM_MAX_RANK; i++) {
        if (shape.dims[i] != -1) continue;
        if (open >= 0) return fm_infer_fail(infer, "only one dimension of a shape may be -1");
        open = i;
    }
    if (open >= 0) {
        shape.dims[open] = 1;
        int64_t others = fm_shape_elements(shape);
        shape.dims[open] = others > 0 ? elements / others : -1;
    }
    if (fm_shape_elements(shape) != elements) {
        return reshape_fail(infer, fm_ints_shape(attributes->shape));
    }
    infer->output_shapes[0] = shape;
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void reshape_vjp(fm_graph *g, fm_vjp *vjp)
{
    vjp->input_grads[0] = fm_reshape_to(g, vjp->output_grads[0], fm_val_shape(g, vjp->inputs[0]));
}

#define SHAPE_CASE(text, ...)                                                                      \
    {                                                                                              \
        text, &(const fm_shape_attributes)                                                         \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const fm_op fm_op_reshape = {
    .name = "reshape",
    .doc = "the same elements in another shape",
    .onnx = "Reshape",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .flags = FM_OP_VIEW,
    .attributes_size = sizeof(fm_shape_attributes),
    .attributes = (const fm_field[]){{.name = "shape",
                                      .doc = "one dimension may be -1: what is left",
                                      .offset = offsetof(fm_shape_attributes, shape),
                                      .type = FM_FIELD_INTS},
                                     {.name = NULL}},
    .infer = reshape_infer,
    .vjp = reshape_vjp,
    .run = view_run,
    .flops = fm_no_flops,
    .in_place = {1},
    .cases = (const fm_case[]){SHAPE_CASE("f(3,4)", {2, {2, 6}}),
                               SHAPE_CASE("f(2,3,4)", {2, {-1, 4}}),
                               SHAPE_CASE("f(1,1)", {0, {0}}),
                               {NULL, NULL}},
};

fm_val fm_reshape_to(fm_graph *g, fm_val x, fm_shape shape)
{
    if (x.id == 0 || fm_shape_equal(fm_val_shape(g, x), shape)) return x;
    fm_shape_attributes attributes = {fm_shape_ints(shape)};
    return fm_node_add(g, &fm_op_reshape, &x, 1, &attributes, NULL);
}

static fm_status stop_gradient_infer(fm_infer *infer)
{
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

const fm_op fm_op_stop_gradient = {
    .name = "stop_gradient",
    .doc = "x, with zero for its gradient",
    .onnx = "Identity",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .flags = FM_OP_VIEW | FM_OP_NOT_DIFFERENTIABLE,
    .infer = stop_gradient_infer,
    .run = view_run,
    .flops = fm_no_flops,
    .in_place = {1},
    .cases = (const fm_case[]){{"f(3,4)", NULL}, {"i5(3)", NULL}, {NULL, NULL}},
};

fm_val fm_stop_gradient(fm_graph *g, fm_val x)
{
    return fm_node_add(g, &fm_op_stop_gradient, &x, 1, NULL, NULL);
}
