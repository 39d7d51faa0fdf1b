/* Convolutions by oneDNN 2.6 (f32): forward, the gradient of x, the gradient of the kernel, and the
 * fused ops of them. Data stay channels last; weights are brought into the layout that oneDNN asks
 * for, and the kernel's gradient out of it, in each run: its fast kernels read no other.
 *
 * Left to itself oneDNN shares a convolution between threads in ways that change its bits with
 * their number. Here the batch is cut into parts, as many as its size says, and each part has a
 * thread to itself; the parts of a kernel's gradient are added in order. */
#include "backend/onednn/onednn_tools.h"
#include "base/memory.h"
#include "op/fused_convolve.h"
#include "op/op_table.h"
#include "op/op_tools.h"

#include <string.h>

enum { MOST_PARTS = 4, OPERANDS = 5, LINE = 64 };

typedef enum direction { FORWARD, BACKWARD, KERNEL } direction;

static direction direction_of(const fm_op *op)
{
    if (op == &fm_op_convolve || op == &fm_op_fused_convolve) return FORWARD;
    return op == &fm_op_convolve_kernel_grad || op == &fm_op_convolve_grad ? KERNEL : BACKWARD;
}

static bool is_fused(const fm_op *op)
{
    return op == &fm_op_fused_convolve || op == &fm_op_fused_convolve_transposed;
}

static fm_fused_convolve_attributes attributes_of(const fm_site *site)
{
    fm_fused_convolve_attributes a = {.convolve = {.size = {0}}};
    if (is_fused(site->op)) {
        a = *(const fm_fused_convolve_attributes *)site->attributes;
    } else {
        a.convolve = *(const fm_convolve_attributes *)site->attributes;
    }
    return a;
}

/* ---- describing ------------------------------------------------------------------------------ */

/* Everything that oneDNN wants to know. */
typedef struct description {
    dnnl_memory_desc_t x, y, plain, any, bias; /* plain: the kernel as we keep it */
    dnnl_dims_t strides, dilations, begin, end;
    direction direction;
    bool has_bias;
    dnnl_alg_kind_t activation;
    int parts;
} description;

/* (n, spatial..., c), of which `n` images. */
static dnnl_status_t describe_image(fm_shape shape, int64_t n, dnnl_memory_desc_t *made)
{
    static const dnnl_format_tag_t tags[] = {dnnl_nwc, dnnl_nhwc, dnnl_ndhwc};
    dnnl_dims_t dims = {n, fm_shape_last(shape)};
    for (int i = 1; i < shape.rank - 1; i++) dims[i + 1] = shape.dims[i];
    return dnnl_memory_desc_init_by_tag(made, shape.rank, dims, dnnl_f32, tags[shape.rank - 3]);
}

/* (size..., c / groups, filters) as oneDNN counts it: (groups,) filters, c, size... */
static dnnl_status_t describe_kernel(fm_shape shape, int64_t groups, dnnl_memory_desc_t *plain,
                                     dnnl_memory_desc_t *any)
{
    const int spatial = shape.rank - 2, grouped = groups > 1;
    const int64_t channels = shape.dims[spatial], filters = shape.dims[spatial + 1];
    dnnl_dims_t dims = {groups}, strides = {filters / groups};
    dims[grouped] = filters / groups;
    strides[grouped] = 1;
    dims[grouped + 1] = channels;
    strides[grouped + 1] = filters;
    int64_t stride = channels * filters;
    for (int i = spatial - 1; i >= 0; i--) {
        dims[grouped + 2 + i] = shape.dims[i];
        strides[grouped + 2 + i] = stride;
        stride *= shape.dims[i];
    }
    const int rank = shape.rank + grouped;
    dnnl_status_t status = dnnl_memory_desc_init_by_strides(plain, rank, dims, dnnl_f32, strides);
    if (status != dnnl_success) return status;
    return dnnl_memory_desc_init_by_tag(any, rank, dims, dnnl_f32, dnnl_format_tag_any);
}

static void describe_window(const fm_window *w, fm_shape x, fm_shape kernel, fm_shape y,
                            description *d)
{
    for (int i = 0; i < kernel.rank - 2; i++) {
        const int64_t reach = (kernel.dims[i] - 1) * w->dilations.at[i] + 1;
        const int64_t end =
            (y.dims[1 + i] - 1) * w->strides.at[i] + reach - x.dims[1 + i] - w->padding_begin.at[i];
        d->strides[i] = w->strides.at[i];
        d->dilations[i] = w->dilations.at[i] - 1;
        d->begin[i] = w->padding_begin.at[i];
        d->end[i] = end > 0 ? end : 0;
    }
}

static int parts_of(int64_t images)
{
    int parts = MOST_PARTS;
    while (images % parts) parts /= 2;
    return parts;
}

static dnnl_status_t describe(const fm_site *site, description *d)
{
    const fm_fused_convolve_attributes a = attributes_of(site);
    const direction to = direction_of(site->op);
    const fm_shape first = site->inputs[0].shape, second = site->inputs[1].shape;
    const fm_shape result = site->outputs[0].shape;
    const fm_shape x = to == BACKWARD ? result : first;
    const fm_shape y = to == FORWARD ? result : to == BACKWARD ? first : second;
    const fm_shape kernel = to == KERNEL ? result : second;
    *d = (description){.direction = to,
                       .has_bias = to == KERNEL ? site->output_count > 1 : a.bias && to == FORWARD,
                       .activation = fm_onednn_activation(a.activation),
                       .parts = parts_of(x.dims[0])};
    describe_window(&a.convolve.window, x, kernel, y, d);
    dnnl_status_t status = describe_image(x, x.dims[0] / d->parts, &d->x);
    if (status == dnnl_success) status = describe_image(y, y.dims[0] / d->parts, &d->y);
    if (status == dnnl_success) {
        status = describe_kernel(kernel, a.convolve.window.groups, &d->plain, &d->any);
    }
    const dnnl_dims_t filters = {fm_shape_last(y)};
    if (status != dnnl_success) return status;
    return dnnl_memory_desc_init_by_tag(&d->bias, 1, filters, dnnl_f32, dnnl_a);
}

/* ---- primitives ------------------------------------------------------------------------------ */

static dnnl_status_t make_attributes(const description *d, bool residual,
                                     dnnl_primitive_attr_t *made)
{
    dnnl_post_ops_t post = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(made);
    if (status != dnnl_success) return status;
    status = dnnl_primitive_attr_set_scratchpad_mode(*made, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) status = dnnl_post_ops_create(&post);
    if (status == dnnl_success && residual) status = dnnl_post_ops_append_sum(post, 1);
    if (status == dnnl_success && d->activation != dnnl_alg_kind_undef) {
        status = dnnl_post_ops_append_eltwise(post, 1, d->activation, 1, 0);
    }
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*made, post);
    if (post) dnnl_post_ops_destroy(post);
    return status;
}

static dnnl_status_t describe_forward(const description *d, const_dnnl_primitive_attr_t attributes,
                                      dnnl_engine_t engine, dnnl_primitive_desc_t *made)
{
    dnnl_convolution_desc_t c;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &c, dnnl_forward_training, dnnl_convolution_direct, &d->x, &d->any,
        d->has_bias && d->direction == FORWARD ? &d->bias : NULL, &d->y, d->strides, d->dilations,
        d->begin, d->end);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(made, &c, attributes, engine, NULL);
}

/* The gradients ask for the forward description as a hint. */
static dnnl_status_t describe_gradient(const description *d, const_dnnl_primitive_attr_t attributes,
                                       dnnl_engine_t engine, dnnl_primitive_desc_t *made)
{
    dnnl_convolution_desc_t c;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t status = describe_forward(d, NULL, engine, &hint);
    if (status != dnnl_success) return status;
    if (d->direction == BACKWARD) {
        status = dnnl_dilated_convolution_backward_data_desc_init(&c, dnnl_convolution_direct,
                                                                  &d->x, &d->any, &d->y, d->strides,
                                                                  d->dilations, d->begin, d->end);
    } else {
        status = dnnl_dilated_convolution_backward_weights_desc_init(
            &c, dnnl_convolution_direct, &d->x, &d->any, d->has_bias ? &d->bias : NULL, &d->y,
            d->strides, d->dilations, d->begin, d->end);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_desc_create(made, &c, attributes, engine, hint);
    }
    dnnl_primitive_desc_destroy(hint);
    return status;
}

static dnnl_status_t describe_primitive(const fm_site *site, const description *d,
                                        dnnl_engine_t engine, dnnl_primitive_desc_t *made)
{
    dnnl_primitive_attr_t attributes = NULL;
    const bool residual = d->direction == FORWARD && attributes_of(site).residual;
    const int before = fm_onednn_use_threads(1);
    dnnl_status_t status = make_attributes(d, residual, &attributes);
    if (status == dnnl_success) {
        status = d->direction == FORWARD ? describe_forward(d, attributes, engine, made)
                                         : describe_gradient(d, attributes, engine, made);
    }
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    fm_onednn_use_threads(before);
    return status;
}

static const dnnl_memory_desc_t *chosen_kernel(const_dnnl_primitive_desc_t made, direction to)
{
    return dnnl_primitive_desc_query_md(
        made, to == KERNEL ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
}

/* ---- matching -------------------------------------------------------------------------------- */

static const char *refuse_operands(const fm_site *site)
{
    for (int i = 0; i < site->input_count; i++) {
        if (site->inputs[i].dtype != FM_F32) return "f32 only";
        if (site->inputs[i].count == 0) return "there are no elements";
    }
    return site->outputs[0].count == 0 ? "there are no elements" : NULL;
}

/* Its others (ref, gemm) are slow: less than a tenth of these on the layers of ResNet-50. */
static bool is_fast(const_dnnl_primitive_desc_t made)
{
    const char *name = NULL;
    dnnl_primitive_desc_query(made, dnnl_query_impl_info_str, 0, &name);
    return name && (strncmp(name, "brg", 3) == 0 || strncmp(name, "brd", 3) == 0 ||
                    strncmp(name, "jit", 3) == 0);
}

static const char *match_convolution(const fm_site *site)
{
    const char *refusal = refuse_operands(site);
    if (refusal) return refusal;
    const int activation = attributes_of(site).activation;
    if (activation > FM_FUSED_RELU && !fm_onednn_activation(activation)) {
        return "oneDNN 2.6 has no exact counterpart of the activation";
    }
    if (activation && direction_of(site->op) != FORWARD)
        return "oneDNN has no activation backwards";
    description d;
    dnnl_engine_t engine = NULL;
    dnnl_primitive_desc_t made = NULL;
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success) return "oneDNN has no engine";
    if (describe(site, &d) != dnnl_success ||
        describe_primitive(site, &d, engine, &made) != dnnl_success) {
        refusal = "oneDNN does not offer this convolution";
    } else if (!is_fast(made)) {
        refusal = "oneDNN has only its reference for it, which is slow";
    }
    if (made) dnnl_primitive_desc_destroy(made);
    dnnl_engine_destroy(engine);
    return refusal;
}

/* ---- preparing ------------------------------------------------------------------------------- */

enum { X, Y, WEIGHTS, BIAS, SCRATCH };

/* One part of the batch. */
typedef struct part {
    dnnl_stream_t stream;
    dnnl_exec_arg_t operands[OPERANDS];
    int count;
} part;

/* Scratch: the kernel as oneDNN wants it, or gradients of kernel and bias for each part; what
 * oneDNN itself asks for, for each part and for the reorder. */
typedef struct convolution {
    description d;
    fm_fused_convolve_attributes attributes;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t made;
    dnnl_primitive_t primitive, reorder; /* reorder: of the kernel, before or after */
    dnnl_memory_t plain, chosen, reorder_scratch;
    part parts[MOST_PARTS];
    size_t kernel_bytes, bias_bytes, own_bytes, reorder_bytes;
} convolution;

static size_t rounded(size_t bytes)
{
    return (bytes + LINE - 1) / LINE * LINE;
}

static void release_convolution(fm_context *context, void *state)
{
    convolution *c = state;
    for (int i = 0; i < MOST_PARTS; i++) {
        for (int k = 0; k < c->parts[i].count; k++) {
            dnnl_memory_destroy(c->parts[i].operands[k].memory);
        }
        if (c->parts[i].stream) dnnl_stream_destroy(c->parts[i].stream);
    }
    if (c->plain) dnnl_memory_destroy(c->plain);
    if (c->chosen) dnnl_memory_destroy(c->chosen);
    if (c->reorder_scratch) dnnl_memory_destroy(c->reorder_scratch);
    if (c->reorder) dnnl_primitive_destroy(c->reorder);
    if (c->primitive) dnnl_primitive_destroy(c->primitive);
    if (c->made) dnnl_primitive_desc_destroy(c->made);
    if (c->engine) dnnl_engine_destroy(c->engine);
    fm_release(context, c);
}

static dnnl_status_t add_operand(convolution *c, part *p, int argument,
                                 const dnnl_memory_desc_t *described)
{
    dnnl_exec_arg_t *operand = &p->operands[p->count];
    dnnl_status_t status =
        dnnl_memory_create(&operand->memory, described, c->engine, DNNL_MEMORY_NONE);
    operand->arg = argument;
    p->count += status == dnnl_success;
    return status;
}

/* In the order X, Y, WEIGHTS, BIAS, SCRATCH; without a bias its place is the last of all. */
static dnnl_status_t build_part(convolution *c, part *p)
{
    static const int names[][4] = {
        [FORWARD] = {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS},
        [BACKWARD] = {DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, 0},
        [KERNEL] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS},
    };
    const description *d = &c->d;
    const int *name = names[d->direction];
    dnnl_status_t status = dnnl_stream_create(&p->stream, c->engine, dnnl_stream_default_flags);
    if (status == dnnl_success) status = add_operand(c, p, name[X], &d->x);
    if (status == dnnl_success) status = add_operand(c, p, name[Y], &d->y);
    if (status == dnnl_success) {
        status = add_operand(c, p, name[WEIGHTS], chosen_kernel(c->made, d->direction));
    }
    if (status == dnnl_success && d->has_bias) status = add_operand(c, p, name[BIAS], &d->bias);
    if (status != dnnl_success) return status;
    return add_operand(c, p, DNNL_ARG_SCRATCHPAD,
                       dnnl_primitive_desc_query_md(c->made, dnnl_query_scratchpad_md, 0));
}

static dnnl_status_t build_reorder(convolution *c)
{
    const dnnl_memory_desc_t *chosen = chosen_kernel(c->made, c->d.direction);
    const bool out = c->d.direction == KERNEL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t made = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attributes);
    if (status == dnnl_success) {
        status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    }
    if (status == dnnl_success) {
        status =
            dnnl_reorder_primitive_desc_create(&made, out ? chosen : &c->d.plain, c->engine,
                                               out ? &c->d.plain : chosen, c->engine, attributes);
    }
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    if (status != dnnl_success) return status;
    const dnnl_memory_desc_t *own = dnnl_primitive_desc_query_md(made, dnnl_query_scratchpad_md, 0);
    c->reorder_bytes = dnnl_memory_desc_get_size(own);
    status = dnnl_primitive_create(&c->reorder, made);
    if (status == dnnl_success) {
        status = dnnl_memory_create(&c->reorder_scratch, own, c->engine, DNNL_MEMORY_NONE);
    }
    dnnl_primitive_desc_destroy(made);
    if (status == dnnl_success) {
        status = dnnl_memory_create(&c->plain, &c->d.plain, c->engine, DNNL_MEMORY_NONE);
    }
    if (status != dnnl_success) return status;
    return dnnl_memory_create(&c->chosen, chosen, c->engine, DNNL_MEMORY_NONE);
}

static dnnl_status_t build(const fm_site *site, convolution *c)
{
    dnnl_status_t status = describe(site, &c->d);
    if (status == dnnl_success) status = dnnl_engine_create(&c->engine, dnnl_cpu, 0);
    if (status == dnnl_success) status = describe_primitive(site, &c->d, c->engine, &c->made);
    if (status != dnnl_success) return status;
    const int before = fm_onednn_use_threads(1);
    status = dnnl_primitive_create(&c->primitive, c->made);
    if (status == dnnl_success) status = build_reorder(c);
    fm_onednn_use_threads(before);
    for (int i = 0; status == dnnl_success && i < c->d.parts; i++) {
        status = build_part(c, &c->parts[i]);
    }
    if (status != dnnl_success) return status;
    c->kernel_bytes = rounded(dnnl_memory_desc_get_size(chosen_kernel(c->made, c->d.direction)));
    c->bias_bytes = c->d.direction == KERNEL ? rounded(dnnl_memory_desc_get_size(&c->d.bias)) : 0;
    c->own_bytes = rounded(dnnl_memory_desc_get_size(
        dnnl_primitive_desc_query_md(c->made, dnnl_query_scratchpad_md, 0)));
    return status;
}

static size_t kernel_offset(const convolution *c, int i)
{
    return c->d.direction == KERNEL ? (size_t)i * (c->kernel_bytes + c->bias_bytes) : 0;
}

static size_t own_offset(const convolution *c, int i)
{
    return kernel_offset(c, c->d.parts - 1) + c->kernel_bytes + c->bias_bytes +
           (size_t)i * c->own_bytes;
}

static fm_status prepare_convolution(const fm_site *site, fm_need *need)
{
    fm_context *context = site->context;
    convolution *c = need->state = fm_allocate_zeroed(context, sizeof *c);
    if (!c) return FM_ERROR_MEMORY;
    c->attributes = attributes_of(site);
    const dnnl_status_t status = build(site, c);
    if (status == dnnl_out_of_memory) {
        return fm_fail(context, FM_ERROR_MEMORY, "oneDNN has no memory for a convolution");
    }
    if (status != dnnl_success) {
        return fm_fail(context, FM_ERROR_INTERNAL,
                       "oneDNN cannot prepare a convolution it offered (status %d)", status);
    }
    need->scratch_bytes = own_offset(c, c->d.parts) + c->reorder_bytes;
    return FM_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

static char *kernel_of(const convolution *c, const fm_call *call, int i)
{
    return (char *)call->scratch + kernel_offset(c, i);
}

static void run_reorder(const convolution *c, const fm_call *call, void *plain)
{
    const bool out = c->d.direction == KERNEL;
    const int before = fm_onednn_use_threads(call->threads);
    dnnl_memory_set_data_handle(c->plain, plain);
    dnnl_memory_set_data_handle(c->chosen, kernel_of(c, call, 0));
    dnnl_memory_set_data_handle(c->reorder_scratch,
                                (char *)call->scratch + own_offset(c, c->d.parts));
    const dnnl_exec_arg_t operands[] = {{DNNL_ARG_FROM, out ? c->chosen : c->plain},
                                        {DNNL_ARG_TO, out ? c->plain : c->chosen},
                                        {DNNL_ARG_SCRATCHPAD, c->reorder_scratch}};
    dnnl_primitive_execute(c->reorder, c->parts[0].stream, 3, operands);
    dnnl_stream_wait(c->parts[0].stream);
    fm_onednn_use_threads(before);
}

static void run_part(const convolution *c, const fm_call *call, int i, const float *x,
                     const float *y, const float *bias)
{
    const part *p = &c->parts[i];
    char *kernel = kernel_of(c, call, i);
    const void *pointers[OPERANDS] = {x, y, kernel};
    int count = WEIGHTS + 1;
    if (c->d.direction == KERNEL) bias = (const float *)(kernel + c->kernel_bytes);
    if (c->d.has_bias) pointers[count++] = bias;
    pointers[count++] = (char *)call->scratch + own_offset(c, i);
    for (int k = 0; k < count; k++) {
        dnnl_memory_set_data_handle(p->operands[k].memory, (void *)(uintptr_t)pointers[k]);
    }
    dnnl_primitive_execute(c->primitive, p->stream, count, p->operands);
    dnnl_stream_wait(p->stream);
}

/* Each part by a thread. x and y: all images. */
static void run_parts(const convolution *c, const fm_call *call, const fm_tensor *x,
                      const fm_tensor *y, const float *bias)
{
    const int parts = c->d.parts, threads = call->threads < parts ? call->threads : parts;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
#endif
    for (int i = 0; i < parts; i++) {
        const int before = fm_onednn_use_threads(1);
        run_part(c, call, i, (const float *)x->data + x->count / parts * i,
                 (const float *)y->data + y->count / parts * i, bias);
        fm_onednn_use_threads(before);
    }
}

static void run_forward(const fm_call *call)
{
    const convolution *c = call->state;
    const fm_fused_convolve_attributes *a = &c->attributes;
    const fm_tensor *next = &call->inputs[2], *y = call->outputs;
    const float *bias = a->bias ? (next++)->data : NULL;
    const float *residual = a->residual ? (next++)->data : NULL;
    const float *mask = a->mask ? next->data : NULL;
    run_reorder(c, call, call->inputs[1].data);
    if (residual && residual != y->data) {
        memcpy(y->data, residual, (size_t)y->count * sizeof(float));
    }
    run_parts(c, call, &call->inputs[0], y, bias);
    const bool relu = a->activation == FM_FUSED_RELU;
    if (relu || mask) fm_onednn_finish(call->threads, y->count, NULL, relu, mask, y->data);
}

static void add_bias(const float *bias, int64_t channels, int64_t count, float *y)
{
    for (int64_t i = 0; i < count; i += channels) {
        for (int64_t c = 0; c < channels; c++) y[i + c] += bias[c];
    }
}

static void run_backward(const fm_call *call)
{
    const convolution *c = call->state;
    const fm_fused_convolve_attributes *a = &c->attributes;
    const fm_tensor *next = &call->inputs[2], *dx = call->outputs;
    const fm_tensor *bias = a->bias ? next++ : NULL;
    const float *residual = a->residual ? (next++)->data : NULL;
    const float *mask = a->mask ? next->data : NULL;
    run_reorder(c, call, call->inputs[1].data);
    run_parts(c, call, dx, &call->inputs[0], NULL);
    if (bias) add_bias(bias->data, bias->count, dx->count, dx->data);
    if (residual || mask) {
        fm_onednn_finish(call->threads, dx->count, residual, false, mask, dx->data);
    }
}

/* The kernel's gradient and the bias' lie side by side. */
static void add_parts(const convolution *c, const fm_call *call)
{
    const int64_t count = (int64_t)((c->kernel_bytes + c->bias_bytes) / sizeof(float));
    for (int i = 1; i < c->d.parts; i++) {
        fm_onednn_finish(call->threads, count, (const float *)kernel_of(c, call, i), false, NULL,
                         (float *)kernel_of(c, call, 0));
    }
}

static void run_kernel_gradient(const fm_call *call)
{
    const convolution *c = call->state;
    run_parts(c, call, &call->inputs[0], &call->inputs[1], NULL);
    add_parts(c, call);
    run_reorder(c, call, call->outputs[0].data);
    if (!c->d.has_bias) return;
    memcpy(call->outputs[1].data, kernel_of(c, call, 0) + c->kernel_bytes,
           (size_t)call->outputs[1].count * sizeof(float));
}

#define KERNEL_ROW(name_, run_)                                                                    \
    {                                                                                              \
        .name = "onednn." #name_, .op = &fm_op_##name_, .match = match_convolution,                \
        .prepare = prepare_convolution, .run = run_, .release = release_convolution                \
    }
static const fm_kernel kernels[] = {
    KERNEL_ROW(convolve, run_forward),
    KERNEL_ROW(fused_convolve, run_forward),
    KERNEL_ROW(convolve_transposed, run_backward),
    KERNEL_ROW(fused_convolve_transposed, run_backward),
    KERNEL_ROW(convolve_kernel_grad, run_kernel_gradient),
    KERNEL_ROW(convolve_grad, run_kernel_gradient),
};

const fm_onednn_family fm_onednn_convolutions = {kernels, sizeof kernels / sizeof *kernels};
