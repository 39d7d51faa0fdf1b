/* Matrix products of f32, whose operands are read as they are or rounded to bf16: matmul and the
 * fused ops of dense layers, on gemm.h. */
#include "backend/cpu/gemm.h"
#include "backend/cpu/panels.h"
#include "base/parallel.h"
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/updates.h"
#include "base/memory.h"
#include "op/fused_ops.h"
#include "op/op_attributes.h"
#include "op/op_table.h"

#include <string.h>

extern const fm_gemm_isa FM_ISA_SYMBOL(fm_gemm_isa);
#define ISA (&FM_ISA_SYMBOL(fm_gemm_isa))

#define MOST_ELEMENTS ((int64_t)1 << 40) /* so that sizes of panels do not overflow */

/* A product with everything that is known before it runs. */
typedef struct product {
    const fm_gemm_isa *isa;
    fm_gemm gemm; /* without the pointers */
    int threads;
    size_t scratch_floats;        /* of a thread */
    int bias, mask;               /* which inputs; 0: none */
    fm_unary_loop *activation;    /* other than relu */
    int64_t count;                /* of matrices in the batch */
    fm_shape batch;               /* its dimensions */
    int64_t a_steps[FM_MAX_RANK]; /* elements from matrix to matrix, by them */
    int64_t b_steps[FM_MAX_RANK];
} product;

/* ---- shapes ---------------------------------------------------------------------------------- */

static int64_t span(fm_shape shape, int begin, int end)
{
    int64_t elements = 1;
    for (int i = begin; i < end; i++) elements *= shape.dims[i];
    return elements;
}

/* How far an operand moves when an index of the batch moves by one: 0 where it stretches. */
static void batch_steps(fm_shape operand, fm_shape batch, int64_t *steps)
{
    int64_t step = span(operand, operand.rank - 2, operand.rank);
    for (int i = batch.rank - 1, j = operand.rank - 3; i >= 0; i--, j--) {
        steps[i] = j < 0 || operand.dims[j] == 1 ? 0 : step;
        if (j >= 0) step *= operand.dims[j];
    }
}

static void describe_batch(product *p, fm_shape a, fm_shape b, fm_shape y, bool transpose_a)
{
    p->count = 1;
    if (span(b, 0, b.rank - 2) == 1 && !transpose_a) { /* one matrix of all rows */
        p->gemm.rows = (size_t)span(y, 0, y.rank - 1);
        return;
    }
    p->batch = y;
    p->batch.rank -= 2;
    p->count = span(y, 0, y.rank - 2);
    batch_steps(a, p->batch, p->a_steps);
    batch_steps(b, p->batch, p->b_steps);
}

/* ---- describing ------------------------------------------------------------------------------ */

/* A matmul's attributes as those of a fused one. */
static fm_fused_matmul_attributes fused_attributes(const fm_site *site)
{
    if (site->op == &fm_op_fused_matmul) {
        return *(const fm_fused_matmul_attributes *)site->attributes;
    }
    const fm_matmul_attributes *read = site->attributes;
    return (fm_fused_matmul_attributes){.transpose_a = read->transpose_a,
                                        .transpose_b = read->transpose_b};
}

static bool is_panels(const fm_layout *layout)
{
    return layout->type == &fm_panels;
}

static fm_gemm_layout layout_of_b(const fm_layout *layout, bool transposed)
{
    if (layout->type == &fm_pairs) return FM_GEMM_PAIRS;
    if (!is_panels(layout)) return FM_GEMM_STRIDED;
    return transposed ? FM_GEMM_PANELS_TRANSPOSED : FM_GEMM_PANELS;
}

/* relu6, whose loop is called for each row of a tile otherwise: that takes as long as the work. */
static void bound_tile(void *argument, const fm_gemm_tile *tile)
{
    (void)argument;
    for (size_t r = 0; r < tile->rows; r++) {
        float *row = tile->values + r * tile->stride;
        for (size_t i = 0; i < tile->columns; i += VECTOR_LENGTH) {
            const size_t left = tile->columns - i;
            const vector x = larger_of((vector){0}, load_up_to(row + i, left));
            store_up_to(row + i, smaller_of(broadcast(6), x), left);
        }
    }
}

static product describe_matmul(const fm_site *site)
{
    const fm_fused_matmul_attributes t = fused_attributes(site);
    const fm_shape a = site->inputs[0].shape, b = site->inputs[1].shape;
    const fm_shape y = site->outputs[0].shape;
    const int64_t m = y.dims[y.rank - 2], n = y.dims[y.rank - 1];
    const int64_t k = a.dims[a.rank - (t.transpose_a ? 2 : 1)];
    product p = {
        .gemm = {.rows = (size_t)m,
                 .columns = (size_t)n,
                 .depth = (size_t)k,
                 .a_row_stride = t.transpose_a ? 1 : k,
                 .a_depth_stride = t.transpose_a ? m : 1,
                 .b_layout = layout_of_b(&site->input_layouts[1], t.transpose_b),
                 .b_depth_stride = t.transpose_b ? 1 : n,
                 .b_column_stride = t.transpose_b ? k : 1,
                 .c_layout = is_panels(&site->output_layouts[0]) ? FM_GEMM_PANELS : FM_GEMM_STRIDED,
                 .c_row_stride = n,
                 .mask_row_stride = n,
                 .relu = t.activation == FM_FUSED_RELU}};
    p.bias = t.bias ? 2 : 0;
    p.mask = t.mask ? 2 + t.bias : 0;
    describe_batch(&p, a, b, y, t.transpose_a);
    if (t.activation == FM_FUSED_RELU6) {
        p.gemm.function = bound_tile;
    } else if (t.activation != FM_FUSED_NONE && !p.gemm.relu) {
        p.activation = FM_ISA_SYMBOL(fm_cpu_unary_loop)(fm_fused_activation_op(t.activation));
    }
    return p;
}

/* x (m, k), dy (m, n) at those inputs -> x^T dy (k, n), the sums of dy's columns. */
static product describe_gradient(const fm_site *site, int x, int dy)
{
    const fm_shape a = site->inputs[x].shape, b = site->inputs[dy].shape;
    return (product){
        .count = 1,
        .gemm = {.rows = (size_t)a.dims[1],
                 .columns = (size_t)b.dims[1],
                 .depth = (size_t)a.dims[0],
                 .a_row_stride = 1,
                 .a_depth_stride = a.dims[1],
                 .b_depth_stride = b.dims[1],
                 .b_column_stride = 1,
                 .c_layout = is_panels(&site->output_layouts[0]) ? FM_GEMM_PANELS : FM_GEMM_STRIDED,
                 .c_row_stride = b.dims[1]}};
}

/* ---- preparing ------------------------------------------------------------------------------- */

static void activate_tile(void *argument, const fm_gemm_tile *tile)
{
    const product *p = argument;
    for (size_t r = 0; r < tile->rows; r++) {
        float *row = tile->values + r * tile->stride;
        p->activation((int64_t)tile->columns, 0, row, row);
    }
}

static fm_status prepare(const fm_gemm_isa *isa, const fm_site *site, product described,
                         fm_need *need)
{
    product *p = fm_allocate(site->context, sizeof *p);
    if (!p) return FM_ERROR_MEMORY;
    *p = described;
    p->isa = isa;
    if (p->activation) {
        p->gemm.function = activate_tile;
        p->gemm.argument = p;
    }
    const double work = (double)p->gemm.rows * (double)p->gemm.columns * (double)p->gemm.depth;
    p->threads = work * (double)p->count < PARALLEL_PRODUCT ? 1 : site->threads;
    p->scratch_floats = fm_gemm_scratch_floats(isa, &p->gemm);
    need->scratch_bytes = p->scratch_floats * (size_t)p->threads * sizeof(float);
    need->state = p;
    return FM_OK;
}

static void release_product(fm_context *context, void *state)
{
    fm_release(context, state);
}

static const char *match_sizes(const fm_site *site)
{
    const char *refusal = refuse_unless_f32(site);
    for (int i = 0; !refusal && i < site->input_count; i++) {
        if (site->inputs[i].count > MOST_ELEMENTS) return "more than 2^40 elements";
    }
    return refusal;
}

/* ---- matmul and fused_matmul ----------------------------------------------------------------- */

static const char *match_matmul(const fm_site *site)
{
    const fm_fused_matmul_attributes t = fused_attributes(site);
    if (t.mask && t.activation != FM_FUSED_NONE && t.activation != FM_FUSED_RELU) {
        return "a mask after an activation other than relu";
    }
    return match_sizes(site);
}

/* Weights stay in panels, and so may the result of a plain product: a gradient without a bias. */
static void layouts_of_matmul(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    const fm_tensor *b = &site->inputs[1];
    const fm_fused_matmul_attributes t = fused_attributes(site);
    const bool plain = !t.bias && !t.mask && t.activation == FM_FUSED_NONE;
    if (site->input_is_variable[1] && b->shape.rank == 2) {
        inputs[1] = fm_panels_of(ISA, b->shape);
    }
    if (site->precision == FM_PRECISION_BF16 && site->input_is_steady[1] && b->shape.rank == 2 &&
        !t.transpose_b) {
        inputs[1] = fm_pairs_of(ISA, b->shape);
    }
    if (!plain || !is_panels(&outputs[0]) || site->inputs[0].shape.rank != 2) {
        outputs[0] = (fm_layout){0};
    }
}

static const float *floats(const fm_call *call, int input)
{
    return call->inputs[input].data;
}

static fm_gemm with_pointers(const fm_call *call, const product *p)
{
    fm_gemm gemm = p->gemm;
    gemm.a = floats(call, 0);
    gemm.b = floats(call, 1);
    gemm.c = call->outputs[0].data;
    if (p->bias) gemm.bias = floats(call, p->bias);
    if (p->mask) gemm.mask = floats(call, p->mask);
    return gemm;
}

/* The matrices of a batch are shared out; when they are few, each is. */
static void run_batch_part(const void *argument, int part, int parts)
{
    const fm_call *call = argument;
    const product *p = call->state;
    const fm_gemm first = with_pointers(call, p);
    const bool whole = p->count >= parts;
    const ptrdiff_t c_step = (ptrdiff_t)(first.rows * first.columns);
    float *scratch = (float *)call->scratch + (size_t)part * p->scratch_floats;
    for (int64_t i = whole ? part : 0; i < p->count; i += whole ? parts : 1) {
        fm_gemm gemm = first;
        int64_t rest = i;
        for (int d = p->batch.rank - 1; d >= 0; d--) {
            gemm.a += rest % p->batch.dims[d] * p->a_steps[d];
            gemm.b += rest % p->batch.dims[d] * p->b_steps[d];
            rest /= p->batch.dims[d];
        }
        gemm.c += i * c_step;
        if (gemm.mask) gemm.mask += i * c_step;
        fm_gemm_run_part(p->isa, &gemm, whole ? 0 : (unsigned)part, whole ? 1 : (unsigned)parts,
                         scratch);
    }
}

static void run_matmul(const fm_call *call)
{
    const product *p = call->state;
    if (p->count > 1) {
        fm_in_parts(p->threads, run_batch_part, call);
        return;
    }
    const fm_gemm gemm = with_pointers(call, p);
    fm_gemm_run(p->isa, &gemm, (unsigned)p->threads, call->scratch);
}

/* ---- dense_grad ------------------------------------------------------------------------------ */

static void layouts_of_dense_grad(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    (void)site, (void)inputs;
    if (!is_panels(&outputs[0])) outputs[0] = (fm_layout){0};
    outputs[1] = (fm_layout){0};
}

static product describe_dense_grad(const fm_site *site)
{
    return describe_gradient(site, 0, 1);
}

static void run_dense_grad(const fm_call *call)
{
    const product *p = call->state;
    fm_gemm gemm = p->gemm;
    gemm.a = floats(call, 0);
    gemm.b = floats(call, 1);
    gemm.c = call->outputs[0].data;
    gemm.b_sums = call->outputs[1].data;
    fm_gemm_run(p->isa, &gemm, (unsigned)p->threads, call->scratch);
}

/* ---- dense_sgd ------------------------------------------------------------------------------- */

enum { KERNEL, BIAS, X, DY, RATE, ITERATION };

static void layouts_of_dense_sgd(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    inputs[KERNEL] = outputs[0] = fm_panels_of(ISA, site->inputs[KERNEL].shape);
    outputs[1] = (fm_layout){0};
}

static product describe_dense_sgd(const fm_site *site)
{
    product p = describe_gradient(site, X, DY);
    p.gemm.accumulate = true;
    return p;
}

/* The products add to what the outputs hold: unless they lie over the inputs, copies of them. */
static void begin_with(const fm_tensor *to, const fm_tensor *from, size_t elements)
{
    if (to->data != from->data) memcpy(to->data, from->data, elements * sizeof(float));
}

static void run_dense_sgd(const fm_call *call)
{
    const product *p = call->state;
    fm_gemm gemm = p->gemm;
    begin_with(&call->outputs[0], &call->inputs[KERNEL],
               fm_gemm_panels_floats(ISA, gemm.rows, gemm.columns));
    begin_with(&call->outputs[1], &call->inputs[BIAS], gemm.columns);
    if (*(const double *)call->inputs[ITERATION].data <= 0) return;
    gemm.a = floats(call, X);
    gemm.b = floats(call, DY);
    gemm.c = call->outputs[0].data;
    gemm.b_sums = call->outputs[1].data;
    gemm.scale = -*floats(call, RATE);
    fm_gemm_run(p->isa, &gemm, (unsigned)p->threads, call->scratch);
}

static const char *match_dense_step(const fm_site *site)
{
    for (int i = 0; i < site->output_count; i++) {
        if (site->outputs[i].dtype != FM_F32) return "f32 only";
    }
    return site->outputs[0].count == 0 ? "there are no elements" : NULL;
}

/* ---- dense_update ---------------------------------------------------------------------------- */

static int dy_of_update(int outputs)
{
    return FM_UPDATE_SLOTS + outputs - 2;
}

/* The gradient is only seen tile by tile, so it need not lie anywhere. */
static void layouts_of_dense_update(const fm_site *site, fm_layout *inputs, fm_layout *outputs)
{
    const int last = site->output_count - 1;
    inputs[0] = outputs[0] = fm_panels_of(ISA, site->inputs[0].shape);
    for (int k = 1; k < last; k++) inputs[FM_UPDATE_SLOTS + k - 1] = outputs[k] = outputs[0];
    outputs[last] = (fm_layout){0};
}

static product describe_dense_update(const fm_site *site)
{
    return describe_gradient(site, FM_UPDATE_GRADIENT, dy_of_update(site->output_count));
}

static void update_tile(void *argument, const fm_gemm_tile *tile)
{
    FM_ISA_SYMBOL(fm_cpu_update_run)
    (argument, (int64_t)tile->offset, (int64_t)(tile->rows * tile->columns), tile->values);
}

/* The numbers that kernel/update_rules.h's adam computes with; whether the update is just that. */
static bool as_plain_adam(const fm_cpu_update *update, fm_gemm_adam *adam)
{
    const fm_update_numbers *u = &update->numbers;
    *adam = (fm_gemm_adam){.p = update->p,
                           .m = update->slots[0],
                           .v = update->slots[1],
                           .step = (float)(u->rate / u->correction_1),
                           .root = (float)(1 / sqrt(u->correction_2)),
                           .epsilon = (float)u->epsilon,
                           .beta_1 = (float)u->beta_1,
                           .fresh_1 = (float)(1 - u->beta_1),
                           .beta_2 = (float)u->beta_2,
                           .fresh_2 = (float)(1 - u->beta_2)};
    return update->rule == &fm_op_adam && u->l1 == 0 && u->l2 == 0 && u->weight_decay == 0 &&
           u->l1_decay == 0;
}

static void leave_tile(void *argument, const fm_gemm_tile *tile)
{
    (void)argument, (void)tile;
}

static void run_dense_update(const fm_call *call)
{
    const product *p = call->state;
    const int sums = call->output_count - 1;
    fm_cpu_update update;
    fm_gemm_adam adam;
    for (int k = 0; k < sums; k++) {
        begin_with(&call->outputs[k], &call->inputs[call->op->in_place[k] - 1],
                   fm_gemm_panels_floats(ISA, p->gemm.rows, p->gemm.columns));
    }
    const bool updates = FM_ISA_SYMBOL(fm_cpu_update_begin)(call, &update);
    fm_gemm gemm = p->gemm;
    gemm.a = floats(call, FM_UPDATE_GRADIENT);
    gemm.b = floats(call, dy_of_update(call->output_count));
    gemm.b_sums = call->outputs[sums].data;
    gemm.function = updates ? update_tile : leave_tile;
    gemm.argument = &update;
    if (updates && as_plain_adam(&update, &adam)) gemm.adam = &adam;
    fm_gemm_run(p->isa, &gemm, (unsigned)p->threads, call->scratch);
}

/* ---------------------------------------------------------------------------------------------- */

extern const fm_gemm_isa FM_ISA_SYMBOL(fm_gemm_bf16);

static const char *refuse_nothing(void)
{
    return NULL;
}

/* The kernels of a precision on what multiplies: `isa`,
 * which `refuse` has refused before it is NULL. */
#define KERNELS_OF(set, isa, refuse)                                                               \
    KERNEL_OF(set, isa, refuse, matmul, match_matmul)                                              \
    KERNEL_OF(set, isa, refuse, dense_grad, match_sizes)                                           \
    KERNEL_OF(set, isa, refuse, dense_sgd, match_dense_step)                                       \
    KERNEL_OF(set, isa, refuse, dense_update, match_dense_step)
#define KERNEL_OF(set, isa, refuse, op_, match_op)                                                 \
    static const char *match_##set##_##op_(const fm_site *site)                                    \
    {                                                                                              \
        const char *refusal = refuse();                                                            \
        return refusal ? refusal : match_op(site);                                                 \
    }                                                                                              \
    static fm_status prepare_##set##_##op_(const fm_site *site, fm_need *need)                     \
    {                                                                                              \
        return prepare(isa, site, describe_##op_(site), need);                                     \
    }

#define ROWS_OF(set, name_, precision_)                                                            \
    ROW_OF(set, name_, precision_, fused_matmul, matmul)                                           \
    ROW_OF(set, name_, precision_, matmul, matmul)                                                 \
    ROW_OF(set, name_, precision_, dense_grad, dense_grad)                                         \
    ROW_OF(set, name_, precision_, dense_sgd, dense_sgd)                                           \
    ROW_OF(set, name_, precision_, dense_update_1, dense_update)                                   \
    ROW_OF(set, name_, precision_, dense_update_2, dense_update)                                   \
    ROW_OF(set, name_, precision_, dense_update_3, dense_update)
#define ROW_OF(set, name_, precision_, op_, as)                                                    \
    {.name = name_(#op_),                                                                          \
     .op = &fm_op_##op_,                                                                           \
     .precision = precision_,                                                                      \
     .match = match_##set##_##as,                                                                  \
     .layouts = layouts_of_##as,                                                                   \
     .prepare = prepare_##set##_##as,                                                              \
     .run = run_##as,                                                                              \
     .release = release_product},

#define BF16_NAME(op) KERNEL_NAME("bf16." op)
KERNELS_OF(f32, ISA, refuse_nothing)
KERNELS_OF(bf16, &FM_ISA_SYMBOL(fm_gemm_bf16), refuse_nothing)

#if VECTOR_LENGTH == 16
static const char *refuse_without_pairs(void)
{
    return fm_gemm_bf16_in_pairs() ? NULL : "the processor lacks AVX512_BF16";
}

#define PAIRS_NAME(op) "cpu." FM_ISA_NAME "_bf16." op
KERNELS_OF(pairs, fm_gemm_bf16_in_pairs(), refuse_without_pairs)
#endif

/* clang-format off */
static const fm_kernel kernels[] = {
    ROWS_OF(f32, KERNEL_NAME, FM_PRECISION_F32)
#ifdef PAIRS_NAME
    ROWS_OF(pairs, PAIRS_NAME, FM_PRECISION_BF16)
#endif
    ROWS_OF(bf16, BF16_NAME, FM_PRECISION_BF16)
};
/* clang-format on */

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_products) = FAMILY(kernels);
