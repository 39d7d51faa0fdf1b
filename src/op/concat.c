/* Joining and cutting along one axis: concat, slice, pad. A tensor seen from the axis is
 * (outer, dims[axis], inner): each is a copy of `outer` blocks. */
#include "op/op_table.h"
#include "op/op_tools.h"
#include "kernel/movement.h"

/* Bytes of `extent` positions along the axis. */
static int64_t block_bytes(const fm_tensor *x, int64_t axis, int64_t extent)
{
    int64_t inner = fm_shape_span(x->shape, (int)axis + 1, x->shape.rank);
    return extent * inner * (int64_t)fm_dtype_size(x->dtype);
}

static int64_t outer_of(const fm_tensor *x, int64_t axis)
{
    return fm_shape_span(x->shape, 0, (int)axis);
}

#define INT_FIELD(type_, name_, doc_)                                                              \
    {                                                                                              \
        .name = #name_, .doc = doc_, .offset = offsetof(type_, name_), .type = FM_FIELD_INT        \
    }

/* ---- concat ---------------------------------------------------------------------------------- */

static fm_status concat_infer(fm_infer *infer)
{
    int64_t axis = ((const fm_axis_attributes *)infer->attributes)->axis;
    fm_status status = fm_infer_axis(infer, axis);
    if (status != FM_OK) return status;
    fm_shape shape = infer->shapes[0];
    for (int i = 1; i < infer->input_count; i++) {
        fm_shape next = infer->shapes[i];
        if (infer->dtypes[i] != infer->dtypes[0]) {
            return fm_infer_fail(infer, "operands must share one dtype, but they are %s and %s",
                                 fm_dtype_name(infer->dtypes[0]), fm_dtype_name(infer->dtypes[i]));
        }
        int64_t joined = next.rank == shape.rank ? shape.dims[axis] + next.dims[axis] : 0;
        if (next.rank == shape.rank) next.dims[axis] = shape.dims[axis];
        if (!fm_shape_equal(next, shape)) {
            return fm_infer_fail(infer, "shapes must be equal except along axis %lld",
                                 (long long)axis);
        }
        shape.dims[axis] = joined;
    }
    infer->output_shapes[0] = shape;
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void concat_run(const fm_call *call)
{
    int64_t axis = ((const fm_axis_attributes *)call->attributes)->axis;
    const fm_tensor *y = call->outputs;
    int64_t stride = block_bytes(y, axis, y->shape.dims[axis]), outer = outer_of(y, axis);
    char *to = y->data;
    for (int i = 0; i < call->input_count; i++) {
        const fm_tensor *x = &call->inputs[i];
        int64_t bytes = block_bytes(x, axis, x->shape.dims[axis]);
        kernel_copy_blocks(outer, bytes, x->data, bytes, to, stride);
        to += bytes;
    }
}

static void concat_vjp(fm_graph *g, fm_vjp *vjp)
{
    int64_t axis = ((const fm_axis_attributes *)vjp->attributes)->axis, begin = 0;
    for (int i = 0; i < vjp->input_count; i++) {
        int64_t end = begin + fm_val_shape(g, vjp->inputs[i]).dims[axis];
        if (vjp->wanted[i]) {
            vjp->input_grads[i] = fm_slice(g, vjp->output_grads[0], (int)axis, begin, end);
        }
        begin = end;
    }
}

const fm_op fm_op_concat = {
    .name = "concat",
    .doc = "the operands one after the other along an axis",
    .onnx = "Concat",
    .min_inputs = 1,
    .max_inputs = FM_MAX_INPUTS,
    .outputs = 1,
    .attributes_size = sizeof(fm_axis_attributes),
    .attributes = (const fm_field[]){INT_FIELD(fm_axis_attributes, axis, "along which to join"),
                                     {.name = NULL}},
    .infer = concat_infer,
    .vjp = concat_vjp,
    .run = concat_run,
    .flops = fm_no_flops,
    .cases = (const fm_case[]){{"f(2,3) f(4,3)", NULL},
                               {"f(2,3) f(2,1) f(2,2)", &(const fm_axis_attributes){1}},
                               {"f(2,3,2) f(2,1,2)", &(const fm_axis_attributes){1}},
                               {NULL, NULL}},
};

fm_val fm_concat(fm_graph *g, const fm_val *values, int count, int axis)
{
    if (count < 1) return fm_graph_fail(g, FM_ERROR_ARGUMENT, "concat: there is nothing to join");
    if (values[0].id == 0) return values[0];
    int rank = fm_val_shape(g, values[0]).rank;
    fm_axis_attributes attributes = {fm_axis_from_front(axis, rank)};
    int first = count < FM_MAX_INPUTS ? count : FM_MAX_INPUTS;
    fm_val joined = fm_node_add(g, &fm_op_concat, values, first, &attributes, NULL);
    while (first < count) {
        fm_val next[FM_MAX_INPUTS] = {joined};
        int n = 1;
        while (n < FM_MAX_INPUTS && first < count) next[n++] = values[first++];
        joined = fm_node_add(g, &fm_op_concat, next, n, &attributes, NULL);
    }
    return joined;
}

/* ---- slice ----------------------------------------------------------------------------------- */

static fm_status slice_infer(fm_infer *infer)
{
    const fm_slice_attributes *cut = infer->attributes;
    fm_status status = fm_infer_axis(infer, cut->axis);
    if (status != FM_OK) return status;
    int64_t extent = infer->shapes[0].dims[cut->axis];
    if (cut->begin < 0 || cut->begin > cut->end || cut->end > extent) {
        return fm_infer_fail(infer, "[%lld, %lld) is no part of [0, %lld), the extent of axis %lld",
                             (long long)cut->begin, (long long)cut->end, (long long)extent,
                             (long long)cut->axis);
    }
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_shapes[0].dims[cut->axis] = cut->end - cut->begin;
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void slice_run(const fm_call *call)
{
    const fm_slice_attributes *cut = call->attributes;
    const fm_tensor *x = call->inputs, *y = call->outputs;
    int64_t stride = block_bytes(x, cut->axis, x->shape.dims[cut->axis]);
    int64_t bytes = block_bytes(y, cut->axis, cut->end - cut->begin);
    const char *from = (const char *)x->data + block_bytes(x, cut->axis, cut->begin);
    kernel_copy_blocks(outer_of(x, cut->axis), bytes, from, stride, y->data, bytes);
}

static void slice_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_slice_attributes *cut = vjp->attributes;
    int64_t after = fm_val_shape(g, vjp->inputs[0]).dims[cut->axis] - cut->end;
    vjp->input_grads[0] = fm_pad(g, vjp->output_grads[0], (int)cut->axis, cut->begin, after);
}

const fm_op fm_op_slice = {
    .name = "slice",
    .doc = "elements [begin, end) along an axis",
    .onnx = "Slice",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .attributes_size = sizeof(fm_slice_attributes),
    .attributes = (const fm_field[]){INT_FIELD(fm_slice_attributes, axis, "along which to cut"),
                                     INT_FIELD(fm_slice_attributes, begin, "the first element"),
                                     INT_FIELD(fm_slice_attributes, end, "past the last element"),
                                     {.name = NULL}},
    .infer = slice_infer,
    .vjp = slice_vjp,
    .run = slice_run,
    .flops = fm_no_flops,
    .cases = (const fm_case[]){{"f(5,3)", &(const fm_slice_attributes){0, 1, 4}},
                               {"f(2,6,3)", &(const fm_slice_attributes){1, 0, 2}},
                               {"f(2,6)", &(const fm_slice_attributes){1, 5, 6}},
                               {NULL, NULL}},
};

fm_val fm_slice(fm_graph *g, fm_val x, int axis, int64_t begin, int64_t end)
{
    if (x.id == 0) return x;
    int rank = fm_val_shape(g, x).rank;
    fm_slice_attributes attributes = {fm_axis_from_front(axis, rank), begin, end};
    return fm_node_add(g, &fm_op_slice, &x, 1, &attributes, NULL);
}

/* ---- pad ------------------------------------------------------------------------------------- */

static fm_status pad_infer(fm_infer *infer)
{
    const fm_pad_attributes *pad = infer->attributes;
    fm_status status = fm_infer_axis(infer, pad->axis);
    if (status != FM_OK) return status;
    if (pad->before < 0 || pad->after < 0) {
        return fm_infer_fail(infer, "before and after must be at least 0, received %lld and %lld",
                             (long long)pad->before, (long long)pad->after);
    }
    fm_shape shape = infer->shapes[0];
    int64_t *extent = &shape.dims[pad->axis];
    if (__builtin_add_overflow(*extent, pad->before, extent) ||
        __builtin_add_overflow(*extent, pad->after, extent)) {
        return fm_infer_fail(infer, "the padded extent does not fit");
    }
    infer->output_shapes[0] = shape;
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void pad_run(const fm_call *call)
{
    const fm_pad_attributes *pad = call->attributes;
    const fm_tensor *x = call->inputs, *y = call->outputs;
    int64_t bytes = block_bytes(x, pad->axis, x->shape.dims[pad->axis]);
    int64_t stride = block_bytes(y, pad->axis, y->shape.dims[pad->axis]);
    if (y->count > 0) memset(y->data, 0, (size_t)y->count * fm_dtype_size(y->dtype));
    char *to = (char *)y->data + block_bytes(y, pad->axis, pad->before);
    kernel_copy_blocks(outer_of(x, pad->axis), bytes, x->data, bytes, to, stride);
}

static void pad_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_pad_attributes *pad = vjp->attributes;
    int64_t extent = fm_val_shape(g, vjp->inputs[0]).dims[pad->axis];
    vjp->input_grads[0] =
        fm_slice(g, vjp->output_grads[0], (int)pad->axis, pad->before, pad->before + extent);
}

const fm_op fm_op_pad = {
    .name = "pad",
    .doc = "zeros before and after along an axis",
    .onnx = "Pad",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .attributes_size = sizeof(fm_pad_attributes),
    .attributes = (const fm_field[]){INT_FIELD(fm_pad_attributes, axis, "along which to pad"),
                                     INT_FIELD(fm_pad_attributes, before, "zeros in front"),
                                     INT_FIELD(fm_pad_attributes, after, "zeros behind"),
                                     {.name = NULL}},
    .infer = pad_infer,
    .vjp = pad_vjp,
    .run = pad_run,
    .flops = fm_no_flops,
    .cases = (const fm_case[]){{"f(5,3)", &(const fm_pad_attributes){0, 1, 2}},
                               {"f(2,2,3)", &(const fm_pad_attributes){1, 2, 0}},
                               {"f(2,3)", &(const fm_pad_attributes){1, 0, 1}},
                               {NULL, NULL}},
};

fm_val fm_pad(fm_graph *g, fm_val x, int axis, int64_t before, int64_t after)
{
    if (x.id == 0) return x;
    int rank = fm_val_shape(g, x).rank;
    fm_pad_attributes attributes = {fm_axis_from_front(axis, rank), before, after};
    return fm_node_add(g, &fm_op_pad, &x, 1, &attributes, NULL);
}
