/* Rows by index. */
#include "op/op_table.h"
#include "op/op_tools.h"

#define KERNEL_FILE "kernel/gather.h"
#include "kernel/instantiate.h"

static const fm_field rows_fields[] = {
    {.name = "rows",
     .doc = "rows of the output",
     .offset = offsetof(fm_extent_attributes, extent),
     .type = FM_FIELD_INT},
    {.name = NULL},
};

static const fm_field depth_fields[] = {
    {.name = "depth",
     .doc = "the number of classes",
     .offset = offsetof(fm_extent_attributes, extent),
     .type = FM_FIELD_INT},
    {.name = NULL},
};

/* ---- gather ---------------------------------------------------------------------------------- */

static fm_status gather_infer(fm_infer *infer)
{
    fm_status status = fm_infer_rank(infer, 0, 1);
    if (status == FM_OK) status = fm_infer_dtype(infer, 1, FM_I32);
    if (status != FM_OK) return status;
    fm_shape x = infer->shapes[0], shape = infer->shapes[1];
    if (shape.rank + x.rank - 1 > FM_MAX_RANK) {
        return fm_infer_fail(infer, "the result would have more than %d dimensions", FM_MAX_RANK);
    }
    for (int i = 1; i < x.rank; i++) shape.dims[shape.rank++] = x.dims[i];
    infer->output_shapes[0] = shape;
    infer->output_dtypes[0] = infer->dtypes[0];
    if (fm_dtype_is_real(infer->dtypes[0])) return FM_OK;
    return fm_infer_fail(infer, "works on rows of f32 or f64, but operand 1 is %s",
                         fm_dtype_name(infer->dtypes[0]));
}

static void gather_run(const fm_call *call)
{
    const fm_tensor *x = &call->inputs[0], *indices = &call->inputs[1];
    int64_t width = fm_shape_span(x->shape, 1, x->shape.rank);
    FM_RUN_REAL(gather, x->dtype, x->shape.dims[0], width, indices->count, x->data, indices->data,
                call->outputs[0].data);
}

static void gather_vjp(fm_graph *g, fm_vjp *vjp)
{
    int64_t n = fm_val_shape(g, vjp->inputs[0]).dims[0];
    vjp->input_grads[0] = fm_scatter_add(g, vjp->output_grads[0], vjp->inputs[1], n);
}

const fm_op fm_op_gather = {
    .name = "gather",
    .doc = "the rows of x at the indices; NaN for an index outside",
    .onnx = "Gather",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .infer = gather_infer,
    .vjp = gather_vjp,
    .run = gather_run,
    .flops = fm_no_flops,
    .cases =
        (const fm_case[]){
            {"f(5,3) i5(4)", NULL}, {"f(4,2,3) i4(2,3)", NULL}, {"f(5) i5(7)", NULL}, {NULL, NULL}},
};

fm_val fm_gather(fm_graph *g, fm_val x, fm_val indices)
{
    return fm_node_add(g, &fm_op_gather, (fm_val[]){x, indices}, 2, NULL, NULL);
}

/* ---- scatter_add ----------------------------------------------------------------------------- */

static fm_status scatter_add_infer(fm_infer *infer)
{
    int64_t n = ((const fm_extent_attributes *)infer->attributes)->extent;
    fm_status status = fm_infer_dtype(infer, 1, FM_I32);
    if (status != FM_OK) return status;
    fm_shape x = infer->shapes[0], indices = infer->shapes[1], shape = {.rank = 1, .dims = {n}};
    if (n < 0) return fm_infer_fail(infer, "rows must be at least 0, received %lld", (long long)n);
    bool fits = indices.rank <= x.rank && x.rank - indices.rank < FM_MAX_RANK;
    for (int i = 0; fits && i < indices.rank; i++) fits = indices.dims[i] == x.dims[i];
    if (!fits) return fm_infer_fail(infer, "operand 1 must begin with the shape of the indices");
    for (int i = indices.rank; i < x.rank; i++) shape.dims[shape.rank++] = x.dims[i];
    infer->output_shapes[0] = shape;
    infer->output_dtypes[0] = infer->dtypes[0];
    if (fm_dtype_is_real(infer->dtypes[0])) return FM_OK;
    return fm_infer_fail(infer, "works on rows of f32 or f64, but operand 1 is %s",
                         fm_dtype_name(infer->dtypes[0]));
}

static void scatter_add_run(const fm_call *call)
{
    const fm_tensor *x = &call->inputs[0], *indices = &call->inputs[1], *y = call->outputs;
    int64_t width = fm_shape_span(y->shape, 1, y->shape.rank);
    FM_RUN_REAL(scatter_add, x->dtype, y->shape.dims[0], width, indices->count, x->data,
                indices->data, y->data);
}

static void scatter_add_vjp(fm_graph *g, fm_vjp *vjp)
{
    vjp->input_grads[0] = fm_gather(g, vjp->output_grads[0], vjp->inputs[1]);
}

const fm_op fm_op_scatter_add = {
    .name = "scatter_add",
    .doc = "zeros, plus each row of x at its index; an index outside is ignored",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .attributes_size = sizeof(fm_extent_attributes),
    .attributes = rows_fields,
    .infer = scatter_add_infer,
    .vjp = scatter_add_vjp,
    .run = scatter_add_run,
    .flops = fm_input_flops,
    .cases = (const fm_case[]){{"f(4,3) i5(4)", &(const fm_extent_attributes){5}},
                               {"f(2,3,2) i4(2,3)", &(const fm_extent_attributes){4}},
                               {"f(7) i3(7)", &(const fm_extent_attributes){3}},
                               {NULL, NULL}},
};

fm_val fm_scatter_add(fm_graph *g, fm_val x, fm_val indices, int64_t n)
{
    fm_extent_attributes attributes = {n};
    return fm_node_add(g, &fm_op_scatter_add, (fm_val[]){x, indices}, 2, &attributes, NULL);
}

/* ---- one_hot --------------------------------------------------------------------------------- */

static fm_status one_hot_infer(fm_infer *infer)
{
    int64_t depth = ((const fm_extent_attributes *)infer->attributes)->extent;
    fm_status status = fm_infer_dtype(infer, 0, FM_I32);
    if (status != FM_OK) return status;
    if (depth < 1) {
        return fm_infer_fail(infer, "depth must be at least 1, received %lld", (long long)depth);
    }
    fm_shape shape = infer->shapes[0];
    if (shape.rank == FM_MAX_RANK) {
        return fm_infer_fail(infer, "the result would have more than %d dimensions", FM_MAX_RANK);
    }
    shape.dims[shape.rank++] = depth;
    infer->output_shapes[0] = shape;
    infer->output_dtypes[0] = fm_graph_dtype(infer->graph);
    return FM_OK;
}

static void one_hot_run(const fm_call *call)
{
    const fm_tensor *indices = call->inputs, *y = call->outputs;
    FM_RUN_REAL(one_hot, y->dtype, fm_shape_last(y->shape), indices->count, indices->data, y->data);
}

const fm_op fm_op_one_hot = {
    .name = "one_hot",
    .doc = "1 at the index, else 0, along a new last axis",
    .onnx = "OneHot",
    .min_inputs = 1,
    .max_inputs = 1,
    .outputs = 1,
    .flags = FM_OP_NOT_DIFFERENTIABLE,
    .attributes_size = sizeof(fm_extent_attributes),
    .attributes = depth_fields,
    .infer = one_hot_infer,
    .run = one_hot_run,
    .flops = fm_no_flops,
    .cases = (const fm_case[]){{"i5(3)", &(const fm_extent_attributes){5}},
                               {"i5(2,3)", &(const fm_extent_attributes){4}},
                               {NULL, NULL}},
};

fm_val fm_one_hot(fm_graph *g, fm_val indices, int64_t depth)
{
    fm_extent_attributes attributes = {depth};
    return fm_node_add(g, &fm_op_one_hot, &indices, 1, &attributes, NULL);
}
