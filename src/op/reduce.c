/* Sums and maxima over axes, argmax. */
#include "op/op_table.h"
#include "op/op_tools.h"

#define KERNEL_FILE "kernel/reduce.h"
#include "kernel/instantiate.h"

static const fm_field axes_fields[] = {
    {.name = "axes",
     .doc = "which dimensions are reduced; none: all",
     .offset = offsetof(fm_axes_attributes, axes),
     .type = FM_FIELD_INTS},
    {.name = "keep_dims",
     .doc = "leave reduced dimensions as 1",
     .offset = offsetof(fm_axes_attributes, keep_dims),
     .type = FM_FIELD_BOOL},
    {.name = NULL},
};

/* The reduced dimensions of a tensor of `rank`. */
typedef struct axis_range {
    int begin, end;
} axis_range;

static axis_range reduced_range(const fm_axes_attributes *attributes, int rank)
{
    const fm_ints *axes = &attributes->axes;
    if (axes->count == 0) return (axis_range){0, rank};
    return (axis_range){(int)axes->at[0], (int)axes->at[axes->count - 1] + 1};
}

static fm_shape reduced_shape(fm_shape shape, axis_range range, bool keep_dims)
{
    fm_shape result = {.rank = 0};
    for (int i = 0; i < shape.rank; i++) {
        bool reduced = i >= range.begin && i < range.end;
        if (reduced && !keep_dims) continue;
        result.dims[result.rank++] = reduced ? 1 : shape.dims[i];
    }
    return result;
}

static fm_status reduce_infer(fm_infer *infer)
{
    const fm_axes_attributes *attributes = infer->attributes;
    if (attributes->axes.count > FM_MAX_RANK) {
        return fm_infer_fail(infer, "%d axes are named", attributes->axes.count);
    }
    for (int i = 0; i < attributes->axes.count; i++) {
        int64_t axis = attributes->axes.at[i];
        fm_status status = fm_infer_axis(infer, axis);
        if (status != FM_OK) return status;
        if (i > 0 && axis != attributes->axes.at[i - 1] + 1) {
            return fm_infer_fail(infer, "axes must be different and, for a node of this op, "
                                        "neighbours in rising order");
        }
    }
    axis_range range = reduced_range(attributes, infer->shapes[0].rank);
    infer->output_shapes[0] = reduced_shape(infer->shapes[0], range, attributes->keep_dims);
    infer->output_dtypes[0] = infer->dtypes[0];
    return fm_infer_reals(infer);
}

fm_reduced fm_reduced_of(const fm_axes_attributes *attributes, fm_shape shape)
{
    axis_range range = reduced_range(attributes, shape.rank);
    return (fm_reduced){.outer = fm_shape_span(shape, 0, range.begin),
                        .reduced = fm_shape_span(shape, range.begin, range.end),
                        .inner = fm_shape_span(shape, range.end, shape.rank)};
}

#define REDUCE_RUN(name)                                                                           \
    static void name##_run(const fm_call *call)                                                    \
    {                                                                                              \
        const fm_tensor *x = call->inputs, *y = call->outputs;                                     \
        fm_reduced r = fm_reduced_of(call->attributes, x->shape);                                  \
        FM_RUN_REAL(reduce_##name, x->dtype, r.outer, r.reduced, r.inner, x->data, y->data);       \
    }

REDUCE_RUN(sum)
REDUCE_RUN(max)

/* value has the reduced shape; with the reduced dimensions as 1 it broadcasts to x. Where leading
 * dimensions were reduced, it does so already. */
static fm_val with_dims(fm_graph *g, const fm_vjp *vjp, fm_val value)
{
    fm_shape shape = fm_val_shape(g, vjp->inputs[0]);
    axis_range range = reduced_range(vjp->attributes, shape.rank);
    if (range.begin == 0) return value;
    return fm_reshape_to(g, value, reduced_shape(shape, range, true));
}

static void sum_vjp(fm_graph *g, fm_vjp *vjp)
{
    fm_val dy = with_dims(g, vjp, vjp->output_grads[0]);
    vjp->input_grads[0] = fm_broadcast_to(g, dy, fm_val_shape(g, vjp->inputs[0]));
}

/* Equal maxima share the gradient in equal parts. */
static void reduce_max_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_axes_attributes *attributes = vjp->attributes;
    fm_val x = vjp->inputs[0], y = with_dims(g, vjp, vjp->outputs[0]);
    fm_val winners = fm_equal(g, x, y);
    fm_val share = fm_div(g, with_dims(g, vjp, vjp->output_grads[0]),
                          fm_sum(g, winners, attributes->axes, true));
    vjp->input_grads[0] = fm_mul(g, winners, share);
}

#define AXES_CASE(text, keep, ...)                                                                 \
    {                                                                                              \
        text, &(const fm_axes_attributes)                                                          \
        {                                                                                          \
            __VA_ARGS__, keep                                                                      \
        }                                                                                          \
    }
#define AXES_CASES(letter)                                                                         \
    (const fm_case[])                                                                              \
    {                                                                                              \
        {letter "(3,4)", NULL}, {letter "()", NULL}, AXES_CASE(letter "(3,4)", true, {1, {0}}),    \
            AXES_CASE(letter "(3,40)", false, {1, {1}}),                                           \
            AXES_CASE(letter "(2,3,4)", false, {2, {0, 1}}),                                       \
            AXES_CASE(letter "(2,18,3)", true, {1, {1}}),                                          \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

const fm_op fm_op_sum = {
    .name = "sum",
    .doc = "the sum over the axes",
    .onnx = "ReduceSum",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .attributes_size = sizeof(fm_axes_attributes),
    .attributes = axes_fields,
    .infer = reduce_infer,
    .vjp = sum_vjp,
    .run = sum_run,
    .flops = fm_input_flops,
    .cases = AXES_CASES("f"),
};

const fm_op fm_op_reduce_max = {
    .name = "reduce_max",
    .doc = "the largest over the axes",
    .onnx = "ReduceMax",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .attributes_size = sizeof(fm_axes_attributes),
    .attributes = axes_fields,
    .infer = reduce_infer,
    .vjp = reduce_max_vjp,
    .run = max_run,
    .flops = fm_input_flops,
    .cases = AXES_CASES("d"),
};

/* ---- building -------------------------------------------------------------------------------- */

/* Counts every axis from the front and sorts; false where infer has something to say. */
static bool normalize_axes(fm_ints *axes, int rank)
{
    bool named[FM_MAX_RANK] = {false}, fine = true;
    if (axes->count > FM_MAX_RANK) return false;
    for (int i = 0; i < axes->count; i++) {
        int64_t axis = axes->at[i] = fm_axis_from_front(axes->at[i], rank);
        fine = fine && axis >= 0 && axis < rank && !named[axis];
        if (fine) named[axis] = true;
    }
    if (!fine) return false;
    axes->count = 0;
    for (int i = 0; i < rank; i++) {
        if (named[i]) axes->at[axes->count++] = i;
    }
    return true;
}

static bool are_neighbours(fm_ints axes)
{
    return axes.count == 0 || axes.at[axes.count - 1] - axes.at[0] == axes.count - 1;
}

/* Axes that are no neighbours are moved to the end first. */
static fm_val move_to_end(fm_graph *g, fm_val x, fm_ints *axes)
{
    int rank = fm_val_shape(g, x).rank, kept = 0, moved = rank - axes->count;
    fm_ints permutation = {.count = rank};
    for (int i = 0, next = 0; i < rank; i++) {
        bool reduced = next < axes->count && axes->at[next] == i;
        permutation.at[reduced ? moved++ : kept++] = i;
        next += reduced;
    }
    for (int i = 0; i < axes->count; i++) axes->at[i] = rank - axes->count + i;
    return fm_transpose(g, x, permutation);
}

static fm_val reduce(fm_graph *g, const fm_op *op, fm_val x, fm_ints axes, bool keep_dims)
{
    if (x.id == 0) return x;
    fm_axes_attributes attributes = {axes, keep_dims};
    fm_shape shape = fm_val_shape(g, x);
    if (!normalize_axes(&attributes.axes, shape.rank) || are_neighbours(attributes.axes)) {
        return fm_node_add(g, op, &x, 1, &attributes, NULL);
    }
    fm_shape kept = shape;
    for (int i = 0; i < attributes.axes.count; i++) kept.dims[attributes.axes.at[i]] = 1;
    x = move_to_end(g, x, &attributes.axes);
    attributes.keep_dims = false;
    fm_val y = fm_node_add(g, op, &x, 1, &attributes, NULL);
    return keep_dims ? fm_reshape_to(g, y, kept) : y;
}

fm_val fm_sum(fm_graph *g, fm_val x, fm_ints axes, bool keep_dims)
{
    return reduce(g, &fm_op_sum, x, axes, keep_dims);
}

fm_val fm_reduce_max(fm_graph *g, fm_val x, fm_ints axes, bool keep_dims)
{
    return reduce(g, &fm_op_reduce_max, x, axes, keep_dims);
}

fm_val fm_mean(fm_graph *g, fm_val x, fm_ints axes, bool keep_dims)
{
    fm_val sum = fm_sum(g, x, axes, keep_dims);
    if (sum.id == 0) return sum;
    double before = (double)fm_shape_elements(fm_val_shape(g, x));
    double after = (double)fm_shape_elements(fm_val_shape(g, sum));
    return fm_mul_scalar(g, sum, after / before);
}

fm_val fm_sum_to(fm_graph *g, fm_val x, fm_shape shape)
{
    if (x.id == 0) return x;
    fm_shape from = fm_val_shape(g, x), common;
    if (fm_shape_equal(from, shape)) return x;
    if (!fm_shapes_broadcast(from, shape, &common) || !fm_shape_equal(from, common)) {
        return fm_graph_fail(g, FM_ERROR_SHAPE, "sum_to: %s does not broadcast to %s",
                             fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}),
                             fm_shape_text(from, (char[FM_SHAPE_TEXT]){0}));
    }
    fm_ints axes = {.count = 0};
    for (int i = 0; i < from.rank; i++) {
        int j = i - (from.rank - shape.rank);
        if (j < 0 || shape.dims[j] != from.dims[i]) axes.at[axes.count++] = i;
    }
    return fm_reshape_to(g, fm_sum(g, x, axes, false), shape);
}

/* ---- argmax ---------------------------------------------------------------------------------- */

static fm_status argmax_infer(fm_infer *infer)
{
    fm_status status = fm_infer_rank(infer, 0, 1);
    if (status != FM_OK) return status;
    int last = infer->shapes[0].rank - 1;
    if (infer->shapes[0].dims[last] < 1) {
        return fm_infer_fail(infer, "the last axis is empty: there is no largest element");
    }
    infer->output_shapes[0] = reduced_shape(infer->shapes[0], (axis_range){last, last + 1}, false);
    infer->output_dtypes[0] = FM_I32;
    return fm_infer_reals(infer);
}

static void argmax_run(const fm_call *call)
{
    const fm_tensor *x = call->inputs, *y = call->outputs;
    FM_RUN_REAL(argmax, x->dtype, y->count, fm_shape_last(x->shape), x->data, y->data);
}

const fm_op fm_op_argmax = {
    .name = "argmax",
    .doc = "the index of the first of the largest, over the last axis",
    .onnx = "ArgMax",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .flags = FM_OP_NOT_DIFFERENTIABLE,
    .infer = argmax_infer,
    .run = argmax_run,
    .flops = fm_input_flops,
    .cases = (const fm_case[]){{"d(3,4)", NULL}, {"d(5)", NULL}, {NULL, NULL}},
};

fm_val fm_argmax(fm_graph *g, fm_val x)
{
    return fm_node_add(g, &fm_op_argmax, &x, 1, NULL, NULL);
}
