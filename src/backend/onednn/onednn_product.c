#include "backend/onednn/onednn_product.h"
#include "backend/onednn/onednn_tools.h"
#include "backend/onednn/onednn_weights.h"
#include "base/memory.h"

#include <string.h>

enum { OPERANDS = 6 };

struct fm_onednn_product {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    int threads, count;
    dnnl_exec_arg_t operands[OPERANDS];
};

/* What is built before a primitive: released together. */
typedef struct plan {
    dnnl_memory_desc_t a, b, bias, y, factor;
    dnnl_primitive_attr_t attributes;
    dnnl_post_ops_t post;
} plan;

/* ---- describing ------------------------------------------------------------------------------ */

static dnnl_status_t row_major(dnnl_memory_desc_t *made, int rank, const dnnl_dims_t dims)
{
    dnnl_dims_t strides;
    dnnl_dim_t stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= dims[i];
    }
    return dnnl_memory_desc_init_by_strides(made, rank, dims, dnnl_f32, strides);
}

static dnnl_status_t describe_operands(const fm_onednn_shape *s, plan *p)
{
    dnnl_dims_t row, one;
    for (int i = 0; i < s->rank; i++) row[i] = one[i] = 1;
    row[s->rank - 1] = s->y[s->rank - 1];
    dnnl_status_t status =
        dnnl_memory_desc_init_by_strides(&p->a, s->rank, s->a, dnnl_f32, s->a_strides);
    if (status == dnnl_success) status = row_major(&p->y, s->rank, s->y);
    if (status == dnnl_success) status = row_major(&p->factor, s->rank, one);
    if (status == dnnl_success && s->bias) status = row_major(&p->bias, s->rank, row);
    if (status != dnnl_success) return status;
    if (s->choose_weights) {
        return dnnl_memory_desc_init_by_tag(&p->b, s->rank, s->b, dnnl_f32, dnnl_format_tag_any);
    }
    if (s->weights_width) return fm_onednn_weights_describe(s->weights_width, s->b, &p->b);
    return dnnl_memory_desc_init_by_strides(&p->b, s->rank, s->b, dnnl_f32, s->b_strides);
}

static dnnl_status_t describe_post_ops(const fm_onednn_shape *s, plan *p)
{
    dnnl_status_t status = dnnl_primitive_attr_create(&p->attributes);
    if (status != dnnl_success) return status;
    status = dnnl_primitive_attr_set_scratchpad_mode(p->attributes, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) status = dnnl_post_ops_create(&p->post);
    if (status == dnnl_success && s->add_scaled) {
        status = dnnl_post_ops_append_binary(p->post, dnnl_binary_mul, &p->factor);
        if (status == dnnl_success) status = dnnl_post_ops_append_sum(p->post, 1);
    }
    if (status == dnnl_success && s->activation != dnnl_alg_kind_undef) {
        status = dnnl_post_ops_append_eltwise(p->post, 1, s->activation, 1, 0);
    }
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(p->attributes, p->post);
    return status;
}

static dnnl_status_t describe(const fm_onednn_shape *s, dnnl_engine_t engine, plan *p,
                              dnnl_primitive_desc_t *made)
{
    dnnl_matmul_desc_t product;
    dnnl_status_t status = describe_operands(s, p);
    if (status == dnnl_success) status = describe_post_ops(s, p);
    if (status == dnnl_success) {
        status = dnnl_matmul_desc_init(&product, &p->a, &p->b, s->bias ? &p->bias : NULL, &p->y);
    }
    if (status == dnnl_success) {
        const int before = fm_onednn_use_threads(s->threads);
        status = dnnl_primitive_desc_create(made, &product, p->attributes, engine, NULL);
        fm_onednn_use_threads(before);
    }
    if (p->post) dnnl_post_ops_destroy(p->post);
    if (p->attributes) dnnl_primitive_attr_destroy(p->attributes);
    return status;
}

/* ---- refusing -------------------------------------------------------------------------------- */

/* From this depth on oneDNN shares a transposed a's depth between threads (measured from 2048 on):
 * their number decides the order of the sum. */
enum { SHARED_DEPTH = 2048 };

static bool reads_transposed(const fm_onednn_shape *s)
{
    return s->a_strides[s->rank - 1] != 1;
}

/* The other implementations (gemm:jit, ref) split sums by the number of threads or are slow. */
static bool is_brgemm(const_dnnl_primitive_desc_t description)
{
    const char *name = NULL;
    dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &name);
    return name && strncmp(name, "brg:", 4) == 0;
}

const char *fm_onednn_product_refuse(const fm_onednn_shape *s, int64_t *width)
{
    if (s->a[s->rank - 1] >= SHARED_DEPTH && reads_transposed(s)) {
        return "oneDNN sums this transposed product in an order that depends on the threads";
    }
    dnnl_engine_t engine = NULL;
    dnnl_primitive_desc_t description = NULL;
    plan p = {0};
    const char *refusal = NULL;
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success) return "oneDNN has no engine";
    if (describe(s, engine, &p, &description) != dnnl_success) {
        refusal = "oneDNN does not offer this product";
    } else if (!is_brgemm(description)) {
        refusal = "oneDNN has only a kernel whose bits may depend on the threads";
    } else if (width) {
        *width = fm_onednn_weights_width(
            dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0));
    }
    if (description) dnnl_primitive_desc_destroy(description);
    dnnl_engine_destroy(engine);
    return refusal;
}

/* ---- preparing ------------------------------------------------------------------------------- */

/* Without data: run sets the handles. */
static dnnl_status_t add_operand(fm_onednn_product *product, int argument,
                                 const dnnl_memory_desc_t *described)
{
    dnnl_exec_arg_t *operand = &product->operands[product->count];
    dnnl_status_t status =
        dnnl_memory_create(&operand->memory, described, product->engine, DNNL_MEMORY_NONE);
    operand->arg = argument;
    product->count += status == dnnl_success;
    return status;
}

/* In the order in which run lists the pointers. */
static dnnl_status_t add_operands(const fm_onednn_shape *s, fm_onednn_product *product,
                                  const plan *p)
{
    const dnnl_memory_desc_t *scratch =
        dnnl_primitive_desc_query_md(product->description, dnnl_query_scratchpad_md, 0);
    dnnl_status_t status = add_operand(product, DNNL_ARG_SRC, &p->a);
    if (status == dnnl_success) status = add_operand(product, DNNL_ARG_WEIGHTS, &p->b);
    if (status == dnnl_success) status = add_operand(product, DNNL_ARG_DST, &p->y);
    if (status == dnnl_success) status = add_operand(product, DNNL_ARG_SCRATCHPAD, scratch);
    if (status == dnnl_success && s->bias) {
        status = add_operand(product, DNNL_ARG_BIAS, &p->bias);
    }
    if (status == dnnl_success && s->add_scaled) {
        status =
            add_operand(product, DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, &p->factor);
    }
    return status;
}

static dnnl_status_t build(const fm_onednn_shape *s, fm_onednn_product *product)
{
    plan p = {0};
    dnnl_status_t status = dnnl_engine_create(&product->engine, dnnl_cpu, 0);
    if (status == dnnl_success) {
        status = dnnl_stream_create(&product->stream, product->engine, dnnl_stream_default_flags);
    }
    if (status == dnnl_success) status = describe(s, product->engine, &p, &product->description);
    if (status == dnnl_success) {
        const int before = fm_onednn_use_threads(s->threads);
        status = dnnl_primitive_create(&product->primitive, product->description);
        fm_onednn_use_threads(before);
    }
    return status == dnnl_success ? add_operands(s, product, &p) : status;
}

fm_status fm_onednn_product_create(fm_context *context, const fm_onednn_shape *shape,
                                   fm_onednn_product **made, size_t *scratch_bytes)
{
    fm_onednn_product *product = fm_allocate_zeroed(context, sizeof *product);
    if (!product) return FM_ERROR_MEMORY;
    product->threads = shape->threads;
    const dnnl_status_t status = build(shape, product);
    if (status != dnnl_success) {
        fm_onednn_product_destroy(context, product);
        return status == dnnl_out_of_memory
                   ? fm_fail(context, FM_ERROR_MEMORY, "oneDNN has no memory for a product")
                   : fm_fail(context, FM_ERROR_INTERNAL,
                             "oneDNN cannot prepare a product it offered (status %d)", status);
    }
    *scratch_bytes = dnnl_memory_desc_get_size(
        dnnl_primitive_desc_query_md(product->description, dnnl_query_scratchpad_md, 0));
    *made = product;
    return FM_OK;
}

void fm_onednn_product_destroy(fm_context *context, fm_onednn_product *product)
{
    if (!product) return;
    for (int i = 0; i < product->count; i++) dnnl_memory_destroy(product->operands[i].memory);
    if (product->primitive) dnnl_primitive_destroy(product->primitive);
    if (product->description) dnnl_primitive_desc_destroy(product->description);
    if (product->stream) dnnl_stream_destroy(product->stream);
    if (product->engine) dnnl_engine_destroy(product->engine);
    fm_release(context, product);
}

/* ---- running --------------------------------------------------------------------------------- */

void fm_onednn_product_run(const fm_onednn_product *product, const float *a, const float *b,
                           const float *bias, const float *factor, float *y, void *scratch)
{
    const void *pointers[OPERANDS] = {a, b, y, scratch};
    int count = 4;
    if (bias) pointers[count++] = bias;
    if (factor) pointers[count++] = factor;
    for (int i = 0; i < count; i++) {
        dnnl_memory_set_data_handle(product->operands[i].memory, (void *)pointers[i]);
    }
    const int before = fm_onednn_use_threads(product->threads);
    dnnl_primitive_execute(product->primitive, product->stream, product->count, product->operands);
    dnnl_stream_wait(product->stream);
    fm_onednn_use_threads(before);
}
