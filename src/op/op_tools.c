#include "op/op_tools.h"
#include "ir/ir.h"

fm_status fm_infer_reals(const fm_infer *infer)
{
    for (int i = 0; i < infer->input_count; i++) {
        if (!fm_dtype_is_real(infer->dtypes[i])) {
            return fm_infer_fail(infer, "works on f32 and f64, but operand %d is %s", i + 1,
                                 fm_dtype_name(infer->dtypes[i]));
        }
        if (infer->dtypes[i] != infer->dtypes[0]) {
            return fm_infer_fail(infer, "operands must share one dtype, but they are %s and %s",
                                 fm_dtype_name(infer->dtypes[0]), fm_dtype_name(infer->dtypes[i]));
        }
    }
    return FM_OK;
}

fm_status fm_infer_like_first(fm_infer *infer)
{
    infer->output_shapes[0] = infer->shapes[0];
    infer->output_dtypes[0] = infer->dtypes[0];
    return fm_infer_reals(infer);
}

bool fm_shapes_broadcast(fm_shape a, fm_shape b, fm_shape *common)
{
    fm_shape shape = a.rank >= b.rank ? a : b, other = a.rank >= b.rank ? b : a;
    int shift = shape.rank - other.rank;
    for (int i = 0; i < other.rank; i++) {
        int64_t *dim = &shape.dims[i + shift];
        if (*dim == 1) *dim = other.dims[i];
        if (other.dims[i] != 1 && other.dims[i] != *dim) return false;
    }
    *common = shape;
    return true;
}

fm_status fm_infer_broadcast(fm_infer *infer)
{
    fm_shape common = infer->shapes[0];
    for (int i = 1; i < infer->input_count; i++) {
        if (fm_shapes_broadcast(common, infer->shapes[i], &common)) continue;
        return fm_infer_fail(infer, "shapes do not broadcast: aligned at the last dimension, each "
                                    "pair of dimensions must be equal or one of them 1");
    }
    infer->output_shapes[0] = common;
    infer->output_dtypes[0] = infer->dtypes[0];
    return fm_infer_reals(infer);
}

fm_status fm_infer_dtype(const fm_infer *infer, int i, fm_dtype dtype)
{
    if (infer->dtypes[i] == dtype) return FM_OK;
    return fm_infer_fail(infer, "operand %d must be %s, but it is %s", i + 1, fm_dtype_name(dtype),
                         fm_dtype_name(infer->dtypes[i]));
}

fm_status fm_infer_rank(const fm_infer *infer, int i, int rank)
{
    if (infer->shapes[i].rank >= rank) return FM_OK;
    return fm_infer_fail(infer, "operand %d must have at least %d dimension%s", i + 1, rank,
                         rank == 1 ? "" : "s");
}

fm_status fm_infer_axis(const fm_infer *infer, int64_t axis)
{
    int rank = infer->shapes[0].rank;
    if (axis >= 0 && axis < rank) return FM_OK;
    if (rank == 0) return fm_infer_fail(infer, "a scalar has no axis %lld", (long long)axis);
    return fm_infer_fail(infer, "there is no axis %lld: axes go from %d to %d", (long long)axis,
                         -rank, rank - 1);
}

fm_ints fm_shape_ints(fm_shape shape)
{
    fm_ints ints = {.count = shape.rank};
    for (int i = 0; i < shape.rank && i < FM_MAX_RANK; i++) ints.at[i] = shape.dims[i];
    return ints;
}

fm_shape fm_ints_shape(fm_ints ints)
{
    fm_shape shape = {.rank = ints.count};
    for (int i = 0; i < ints.count && i < FM_MAX_RANK; i++) shape.dims[i] = ints.at[i];
    return shape;
}

int64_t fm_axis_from_front(int64_t axis, int rank)
{
    return axis < 0 && axis >= -rank ? axis + rank : axis;
}

int64_t fm_shape_span(fm_shape shape, int begin, int end)
{
    int64_t product = 1;
    for (int i = begin; i < end; i++) product *= shape.dims[i];
    return product;
}

int64_t fm_shape_last(fm_shape shape)
{
    return shape.dims[shape.rank - 1];
}

int64_t fm_tensor_rows(const fm_tensor *tensor)
{
    return fm_shape_span(tensor->shape, 0, tensor->shape.rank - 1);
}

fm_val fm_scalar_like(fm_graph *g, fm_val x, double c)
{
    return x.id ? fm_scalar_as(g, fm_val_dtype(g, x), c) : x;
}

static double own_number(const void *argument, int64_t i)
{
    (void)argument;
    return (double)i;
}

fm_val fm_sequence(fm_graph *g, fm_dtype dtype, fm_shape shape)
{
    return fm_constant_of(g, dtype, shape, own_number, NULL);
}

fm_val fm_scalar_minus(fm_graph *g, double c, fm_val x)
{
    return fm_sub(g, fm_scalar_like(g, x, c), x);
}

fm_val fm_rows_of(fm_graph *g, fm_val x)
{
    if (x.id == 0) return x;
    fm_shape shape = fm_val_shape(g, x);
    int64_t rows = fm_shape_span(shape, 0, shape.rank - 1);
    return fm_reshape_to(g, x, FM_SHAPE(rows, fm_shape_last(shape)));
}

fm_val fm_expand_last(fm_graph *g, fm_val x)
{
    if (x.id == 0) return x;
    fm_shape shape = fm_val_shape(g, x);
    shape.dims[shape.rank++] = 1;
    return fm_reshape_to(g, x, shape);
}

fm_val fm_sum_last(fm_graph *g, fm_val x)
{
    return fm_sum(g, x, (fm_ints){.count = 1, .at = {-1}}, true);
}

void fm_vjp_give(fm_graph *g, fm_vjp *vjp, int i, fm_val grad)
{
    vjp->input_grads[i] = fm_sum_to(g, grad, fm_val_shape(g, vjp->inputs[i]));
}

kernel_walk fm_broadcast_walk(const fm_tensor *inputs, int count, fm_shape output)
{
    int64_t strides[KERNEL_MAX_OPERANDS][FM_MAX_RANK];
    const int64_t *pointers[KERNEL_MAX_OPERANDS];
    for (int k = 0; k < count; k++) {
        const fm_shape *own = &inputs[k].shape;
        kernel_broadcast_strides(own->rank, own->dims, output.rank, strides[k]);
        pointers[k] = strides[k];
    }
    return kernel_walk_make(output.rank, output.dims, count, pointers);
}

double fm_no_flops(const fm_call *call)
{
    (void)call;
    return 0;
}

double fm_input_flops(const fm_call *call)
{
    return (double)call->inputs[0].count;
}

double fm_softmax_flops(const fm_call *call)
{
    return 5 * (double)call->inputs[0].count;
}

void fm_run_part(const fm_op *op, const void *attributes, const fm_call *call,
                 const fm_tensor *inputs, int input_count, const fm_tensor *outputs,
                 int output_count)
{
    op->run(&(fm_call){.op = op,
                       .attributes = attributes,
                       .inputs = inputs,
                       .outputs = outputs,
                       .input_count = input_count,
                       .output_count = output_count,
                       .threads = call->threads,
                       .precision = call->precision,
                       .seed = call->seed,
                       .step = call->step});
}
