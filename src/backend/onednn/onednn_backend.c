/* Matrix products by oneDNN 2.6 (f32): matmul and the fused ops of dense layers. What its post-ops
 * do not do exactly is done by loops over the result: a mask, and relu, which must keep NaN. */
#include "backend/backends.h"
#include "backend/onednn/onednn_product.h"
#include "backend/onednn/onednn_tools.h"
#include "backend/onednn/onednn_weights.h"
#include "base/memory.h"
#include "op/fused_ops.h"
#include "op/op_attributes.h"
#include "op/op_table.h"

#include <string.h>

typedef struct prepared {
    fm_onednn_product *product;
    bool relu;
    int bias, mask; /* which inputs; 0: none */
} prepared;

/* Panels are packed once and save the packing of weights in each run, which is most of a product of
 * few rows and 2 % of one of 128. Training would pay for them, moving weights twice a step: a
 * gradient is plain. */
enum { FEW_ROWS = 4 };

/* ---- shapes ---------------------------------------------------------------------------------- */

static int64_t span(fm_shape shape, int begin, int end)
{
    int64_t elements = 1;
    for (int i = begin; i < end; i++) elements *= shape.dims[i];
    return elements;
}

/* An operand as it is read: `rank` dimensions, ones in front, the last two exchanged on demand. */
static void view(fm_shape shape, int rank, bool transposed, dnnl_dims_t dims, dnnl_dims_t strides)
{
    int64_t stride = 1;
    for (int i = rank - 1, j = shape.rank - 1; i >= 0; i--, j--) {
        dims[i] = j < 0 ? 1 : shape.dims[j];
        strides[i] = stride;
        stride *= dims[i];
    }
    if (!transposed) return;
    const int row = rank - 2, column = rank - 1;
    const int64_t rows = dims[column];
    dims[column] = dims[row];
    dims[row] = rows;
    strides[column] = strides[row];
    strides[row] = 1;
}

/* b is one matrix: a is one of all rows. */
static fm_shape flat(fm_shape shape)
{
    return (fm_shape){2, {span(shape, 0, shape.rank - 1), shape.dims[shape.rank - 1]}};
}

static fm_onednn_shape product_of(fm_shape a, bool transpose_a, fm_shape b, bool transpose_b,
                                  fm_shape y, int threads)
{
    fm_onednn_shape s = {.activation = dnnl_alg_kind_undef, .threads = threads};
    dnnl_dims_t strides;
    if (!transpose_a && span(b, 0, b.rank - 2) == 1) {
        a = flat(a);
        b = (fm_shape){2, {b.dims[b.rank - 2], b.dims[b.rank - 1]}};
        y = flat(y);
    }
    s.rank = y.rank;
    view(a, s.rank, transpose_a, s.a, s.a_strides);
    view(b, s.rank, transpose_b, s.b, s.b_strides);
    view(y, s.rank, false, s.y, strides);
    return s;
}

static const char *refuse_operands(const fm_site *site)
{
    for (int i = 0; i < site->output_count; i++) {
        if (site->outputs[i].dtype != FM_F32) return "f32 only";
        if (site->outputs[i].count == 0) return "there are no elements";
    }
    for (int i = 0; i < site->input_count; i++) {
        if (site->inputs[i].count == 0) return "there are no elements";
    }
    return NULL;
}

static void *copy_of(fm_context *context, const prepared *made)
{
    prepared *state = fm_allocate(context, sizeof *state);
    if (state) *state = *made;
    return state;
}

/* The product and what surrounds it as the state of a kernel. */
static fm_status prepare(const fm_site *site, const fm_onednn_shape *shape, prepared made,
                         fm_need *need)
{
    fm_status status =
        fm_onednn_product_create(site->context, shape, &made.product, &need->scratch_bytes);
    if (status != FM_OK) return status;
    need->state = copy_of(site->context, &made);
    if (need->state) return FM_OK;
    fm_onednn_product_destroy(site->context, made.product);
    return FM_ERROR_MEMORY;
}

static void release(fm_context *context, void *state)
{
    fm_onednn_product_destroy(context, ((prepared *)state)->product);
    fm_release(context, state);
}

static const float *floats(const fm_call *call, int input)
{
    return call->inputs[input].data;
}

/* ---- matmul and fused_matmul ----------------------------------------------------------------- */

static fm_fused_matmul_attributes fused_attributes(const fm_site *site)
{
    if (site->op == &fm_op_fused_matmul) {
        return *(const fm_fused_matmul_attributes *)site->attributes;
    }
    const fm_matmul_attributes *read = site->attributes;
    return (fm_fused_matmul_attributes){.transpose_a = read->transpose_a,
                                        .transpose_b = read->transpose_b};
}

static fm_onednn_shape describe_matmul(const fm_site *site)
{
    const fm_fused_matmul_attributes t = fused_attributes(site);
    fm_onednn_shape s = product_of(site->inputs[0].shape, t.transpose_a, site->inputs[1].shape,
                                   t.transpose_b, site->outputs[0].shape, site->threads);
    s.bias = t.bias;
    if (fm_onednn_activation(t.activation)) s.activation = fm_onednn_activation(t.activation);
    return s;
}

static const char *match_matmul(const fm_site *site)
{
    const char *refusal = refuse_operands(site);
    if (refusal) return refusal;
    const int activation = fused_attributes(site).activation;
    if (activation > FM_FUSED_RELU && !fm_onednn_activation(activation)) {
        return "oneDNN 2.6 has no exact counterpart of the activation";
    }
    const fm_onednn_shape s = describe_matmul(site);
    return fm_onednn_product_refuse(&s, NULL);
}

static void layouts_of_matmul(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    outputs[0] = (fm_layout){0};
    fm_onednn_shape s = describe_matmul(site);
    if (!site->input_is_variable[1] || site->inputs[1].shape.rank != 2 || s.rank != 2) return;
    if (fused_attributes(site).transpose_b || s.y[0] >= FEW_ROWS) return;
    int64_t width = 0;
    s.choose_weights = true;
    if (fm_onednn_product_refuse(&s, &width) || !width) return;
    inputs[1] = fm_onednn_weights_of(site->inputs[1].shape, width);
}

static fm_status prepare_matmul(const fm_site *site, fm_need *need)
{
    const fm_fused_matmul_attributes t = fused_attributes(site);
    fm_onednn_shape s = describe_matmul(site);
    s.weights_width = fm_onednn_weights_panel(&site->input_layouts[1]);
    return prepare(site, &s,
                   (prepared){.relu = t.activation == FM_FUSED_RELU,
                              .bias = t.bias ? 2 : 0,
                              .mask = t.mask ? 2 + t.bias : 0},
                   need);
}

static void run_matmul(const fm_call *call)
{
    const prepared *p = call->state;
    float *y = call->outputs[0].data;
    const float *mask = p->mask ? floats(call, p->mask) : NULL;
    fm_onednn_product_run(p->product, floats(call, 0), floats(call, 1),
                          p->bias ? floats(call, p->bias) : NULL, NULL, y, call->scratch);
    if (!p->relu && !mask) return;
    fm_onednn_finish(call->threads, call->outputs[0].count, NULL, p->relu, mask, y);
}

/* ---- dense_grad and dense_sgd ---------------------------------------------------------------- */

enum { KERNEL, BIAS, X, DY, RATE, ITERATION };

static fm_onednn_shape describe_gradient(const fm_site *site)
{
    const int x = site->op == &fm_op_dense_sgd ? X : 0;
    fm_onednn_shape s = product_of(site->inputs[x].shape, true, site->inputs[x + 1].shape, false,
                                   site->outputs[0].shape, site->threads);
    s.add_scaled = site->op == &fm_op_dense_sgd;
    return s;
}

static const char *match_gradient(const fm_site *site)
{
    const char *refusal = refuse_operands(site);
    if (refusal) return refusal;
    const fm_onednn_shape s = describe_gradient(site);
    return fm_onednn_product_refuse(&s, NULL);
}

static fm_status prepare_gradient(const fm_site *site, fm_need *need)
{
    const fm_onednn_shape s = describe_gradient(site);
    return prepare(site, &s, (prepared){0}, need);
}

/* sums[begin, end) += factor dy's rows, one after the other. */
static void add_columns(const fm_tensor *dy, float factor, float *sums, int64_t begin, int64_t end)
{
    const int64_t rows = dy->shape.dims[0], columns = dy->shape.dims[1];
    const float *row = dy->data;
    for (int64_t i = 0; i < rows; i++, row += columns) {
        for (int64_t j = begin; j < end; j++) sums[j] += factor * row[j];
    }
}

static void add_rows(int threads, const fm_tensor *dy, float factor, float *sums)
{
    const int64_t columns = dy->shape.dims[1];
    const int parts = fm_onednn_parts(threads, dy->count);
#ifdef _OPENMP
#pragma omp parallel for num_threads(parts) schedule(static, 1) if (parts > 1)
#endif
    for (int part = 0; part < parts; part++) {
        add_columns(dy, factor, sums, columns * part / parts, columns * (part + 1) / parts);
    }
}

static void run_dense_grad(const fm_call *call)
{
    const prepared *p = call->state;
    fm_onednn_product_run(p->product, floats(call, 0), floats(call, 1), NULL, NULL,
                          call->outputs[0].data, call->scratch);
    memset(call->outputs[1].data, 0, (size_t)call->outputs[1].count * sizeof(float));
    add_rows(call->threads, &call->inputs[1], 1, call->outputs[1].data);
}

/* The product adds to what the output holds: unless it lies over the input, a copy of it. */
static void begin_with(const fm_tensor *to, const fm_tensor *from)
{
    if (to->data != from->data) memcpy(to->data, from->data, (size_t)to->count * sizeof(float));
}

static void run_dense_sgd(const fm_call *call)
{
    const prepared *p = call->state;
    begin_with(&call->outputs[0], &call->inputs[KERNEL]);
    begin_with(&call->outputs[1], &call->inputs[BIAS]);
    if (*(const double *)call->inputs[ITERATION].data <= 0) return;
    const float factor = -*floats(call, RATE);
    fm_onednn_product_run(p->product, floats(call, X), floats(call, DY), NULL, &factor,
                          call->outputs[0].data, call->scratch);
    add_rows(call->threads, &call->inputs[DY], factor, call->outputs[1].data);
}

/* ---------------------------------------------------------------------------------------------- */

static const fm_kernel kernels[] = {
    {.name = "onednn.fused_matmul",
     .op = &fm_op_fused_matmul,
     .match = match_matmul,
     .layouts = layouts_of_matmul,
     .prepare = prepare_matmul,
     .run = run_matmul,
     .release = release},
    {.name = "onednn.matmul",
     .op = &fm_op_matmul,
     .match = match_matmul,
     .layouts = layouts_of_matmul,
     .prepare = prepare_matmul,
     .run = run_matmul,
     .release = release},
    {.name = "onednn.dense_grad",
     .op = &fm_op_dense_grad,
     .match = match_gradient,
     .prepare = prepare_gradient,
     .run = run_dense_grad,
     .release = release},
    {.name = "onednn.dense_sgd",
     .op = &fm_op_dense_sgd,
     .match = match_gradient,
     .prepare = prepare_gradient,
     .run = run_dense_sgd,
     .release = release},
};

static const fm_kernel *kernel_at(int index)
{
    const int count = sizeof kernels / sizeof *kernels;
    if (index < count) return &kernels[index];
    index -= count;
    return index < fm_onednn_convolutions.count ? &fm_onednn_convolutions.kernels[index] : NULL;
}

const fm_backend fm_onednn_backend = {.name = "onednn", .kernel_at = kernel_at};
