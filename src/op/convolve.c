/* Convolution and its two adjoints. The three are closed under differentiation: with y = x * k,
 * each one's gradients are the other two. */
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/window_rules.h"
#include "ir/ir.h"

#define KERNEL_FILE "kernel/convolve.h"
#include "kernel/instantiate.h"

#define WINDOW_INTS(name_, doc_)                                                                   \
    {                                                                                              \
        .name = #name_, .doc = doc_, .offset = offsetof(fm_convolve_attributes, window.name_),     \
        .type = FM_FIELD_INTS                                                                      \
    }

static const fm_field convolve_fields[] = {
    WINDOW_INTS(strides, "from window to window, one entry for each spatial dimension"),
    WINDOW_INTS(dilations, "from place to place in the window"),
    WINDOW_INTS(padding_begin, "zeros in front"),
    WINDOW_INTS(padding_end, "zeros behind"),
    {.name = "groups",
     .doc = "parts of channels and filters that do not see each other",
     .offset = offsetof(fm_convolve_attributes, window.groups),
     .type = FM_FIELD_INT,
     .default_value = 1},
    {.name = "size",
     .doc = "spatial size of the result, where the operands do not tell it",
     .offset = offsetof(fm_convolve_attributes, size),
     .type = FM_FIELD_INTS},
    {.name = NULL},
};

static int64_t groups_of(const fm_window *window)
{
    return window->groups ? window->groups : 1;
}

/* The kernel's (size..., c / groups, filters). */
static fm_shape kernel_shape(fm_ints size, int64_t channels, int64_t filters)
{
    fm_shape shape = {.rank = size.count};
    for (int d = 0; d < size.count; d++) shape.dims[d] = size.at[d];
    shape.dims[shape.rank++] = channels;
    shape.dims[shape.rank++] = filters;
    return shape;
}

static fm_ints kernel_size(fm_shape kernel)
{
    fm_ints size = {.count = kernel.rank - 2};
    for (int d = 0; d < size.count; d++) size.at[d] = kernel.dims[d];
    return size;
}

/* Operands of one dtype and, as images are ranked, of one rank. */
static fm_status check_operands(const fm_infer *infer)
{
    const fm_window *window = &((const fm_convolve_attributes *)infer->attributes)->window;
    fm_status status = fm_infer_reals(infer);
    if (status == FM_OK) status = fm_infer_image(infer, 0);
    if (status != FM_OK) return status;
    if (infer->shapes[1].rank != infer->shapes[0].rank) {
        return fm_infer_fail(infer, "both operands must have the same number of dimensions");
    }
    if (groups_of(window) >= 1) return FM_OK;
    return fm_infer_fail(infer, "groups must be at least 1, received %lld",
                         (long long)window->groups);
}

/* `filters` is cut into groups. */
static fm_status check_filters(const fm_infer *infer, int64_t filters)
{
    int64_t groups = groups_of(&((const fm_convolve_attributes *)infer->attributes)->window);
    if (filters % groups == 0) return FM_OK;
    return fm_infer_fail(infer, "%lld filters cannot be cut into %lld groups", (long long)filters,
                         (long long)groups);
}

/* The attribute `size` is such that x convolves to dy. */
static fm_status check_adjoint(const fm_infer *infer, fm_ints x, fm_ints size, fm_ints dy)
{
    const fm_convolve_attributes *attributes = infer->attributes;
    fm_ints outputs = {0};
    fm_status status = fm_infer_list(infer, &attributes->size, "size", dy.count, 1);
    if (status == FM_OK) status = fm_window_outputs(infer, &attributes->window, x, size, &outputs);
    if (status != FM_OK) return status;
    if (fm_shape_equal(fm_ints_shape(outputs), fm_ints_shape(dy))) return FM_OK;
    char given[FM_SHAPE_TEXT], wanted[FM_SHAPE_TEXT];
    return fm_infer_fail(infer, "with this window %s convolves to %s, but dy has %s",
                         fm_shape_text(fm_ints_shape(x), given),
                         fm_shape_text(fm_ints_shape(outputs), wanted),
                         fm_shape_text(fm_ints_shape(dy), (char[FM_SHAPE_TEXT]){0}));
}

/* Two for each product, padding included, as published counts do. */
static double products(fm_shape windows, fm_shape kernel)
{
    double count = 2 * (double)windows.dims[0];
    fm_ints spatial = fm_spatial_of(windows);
    for (int d = 0; d < spatial.count; d++) count *= (double)spatial.at[d];
    return count * (double)fm_shape_elements(kernel);
}

static kernel_convolution geometry(const fm_call *call, fm_shape x, fm_shape kernel, fm_shape y)
{
    const fm_convolve_attributes *attributes = call->attributes;
    int64_t groups = groups_of(&attributes->window);
    return (kernel_convolution){.window = fm_kernel_window(&attributes->window, fm_spatial_of(x),
                                                           fm_spatial_of(y), kernel_size(kernel)),
                                .images = x.dims[0],
                                .groups = groups,
                                .channels = kernel.dims[kernel.rank - 2],
                                .filters = fm_shape_last(kernel) / groups,
                                .bf16 = call->precision == FM_PRECISION_BF16};
}

/* What the three builders share: `spatial` is the number of spatial dimensions. */
static fm_val add_node(fm_graph *g, const fm_op *op, fm_val a, fm_val b, fm_ints size,
                       const fm_window *window)
{
    if (!fm_all_valid(g, op->name, (fm_val[]){a, b}, 2)) return (fm_val){0};
    int spatial = fm_val_shape(g, a).rank - 2;
    fm_convolve_attributes attributes = {fm_window_complete(window, spatial), size};
    if (attributes.window.groups == 0) attributes.window.groups = 1;
    return fm_node_add(g, op, (fm_val[]){a, b}, 2, &attributes, NULL);
}

fm_val fm_convolve(fm_graph *g, fm_val x, fm_val kernel, const fm_window *window)
{
    return add_node(g, &fm_op_convolve, x, kernel, (fm_ints){0}, window);
}

fm_val fm_convolve_transposed(fm_graph *g, fm_val dy, fm_val kernel, fm_ints spatial,
                              const fm_window *window)
{
    return add_node(g, &fm_op_convolve_transposed, dy, kernel, spatial, window);
}

fm_val fm_convolve_kernel_grad(fm_graph *g, fm_val x, fm_val dy, fm_ints kernel_size_,
                               const fm_window *window)
{
    return add_node(g, &fm_op_convolve_kernel_grad, x, dy, kernel_size_, window);
}

#define CASE(text, ...)                                                                            \
    {                                                                                              \
        text, &(const fm_convolve_attributes)                                                      \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
/* {strides}, {dilations}, {padding_begin}, {padding_end}, groups */
#define WINDOW_1(s, d, b, e, groups)                                                               \
    {                                                                                              \
        {1, {s}}, {1, {d}}, {1, {b}}, {1, {e}}, groups                                             \
    }
#define WINDOW_2(s0, s1, d0, d1, b0, b1, e0, e1, groups)                                           \
    {                                                                                              \
        {2, {s0, s1}}, {2, {d0, d1}}, {2, {b0, b1}}, {2, {e0, e1}}, groups                         \
    }
#define WINDOW_3(s0, s1, s2, b0, b1, b2, groups)                                                   \
    {                                                                                              \
        {3, {s0, s1, s2}}, {3, {1, 1, 1}}, {3, {b0, b1, b2}}, {3, {0, 1, 0}}, groups               \
    }
#define SIZE(...)                                                                                  \
    {                                                                                              \
        (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

/* ---- y = x * kernel -------------------------------------------------------------------------- */

static fm_status convolve_infer(fm_infer *infer)
{
    const fm_window *window = &((const fm_convolve_attributes *)infer->attributes)->window;
    fm_shape x = infer->shapes[0], kernel = infer->shapes[1];
    fm_status status = check_operands(infer);
    if (status == FM_OK) status = check_filters(infer, fm_shape_last(kernel));
    if (status != FM_OK) return status;
    int64_t channels = 0;
    if (__builtin_mul_overflow(kernel.dims[kernel.rank - 2], groups_of(window), &channels) ||
        channels != fm_shape_last(x)) {
        return fm_infer_fail(infer,
                             "x has %lld channels, but the kernel wants %lld in each of %lld "
                             "group(s)",
                             (long long)fm_shape_last(x), (long long)kernel.dims[kernel.rank - 2],
                             (long long)groups_of(window));
    }
    fm_ints outputs = {0};
    status = fm_window_outputs(infer, window, fm_spatial_of(x), kernel_size(kernel), &outputs);
    infer->output_shapes[0] = fm_image_shape(x.dims[0], outputs, fm_shape_last(kernel));
    infer->output_dtypes[0] = infer->dtypes[0];
    return status;
}

static void convolve_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *y = call->outputs;
    kernel_convolution c = geometry(call, in[0].shape, in[1].shape, y->shape);
    FM_RUN_REAL(convolve, y->dtype, &c, in[0].data, in[1].data, y->data);
}

static double convolve_flops(const fm_call *call)
{
    return products(call->outputs[0].shape, call->inputs[1].shape);
}

static void convolve_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_window *window = &((const fm_convolve_attributes *)vjp->attributes)->window;
    fm_val x = vjp->inputs[0], kernel = vjp->inputs[1], dy = vjp->output_grads[0];
    if (vjp->wanted[0]) {
        fm_ints spatial = fm_spatial_of(fm_val_shape(g, x));
        vjp->input_grads[0] = fm_convolve_transposed(g, dy, kernel, spatial, window);
    }
    if (vjp->wanted[1]) {
        fm_ints size = kernel_size(fm_val_shape(g, kernel));
        vjp->input_grads[1] = fm_convolve_kernel_grad(g, x, dy, size, window);
    }
}

const fm_op fm_op_convolve = {
    .name = "convolve",
    .doc = "cross-correlation of x (n, spatial..., c) with a kernel (size..., c / groups, filters)",
    .onnx = "Conv",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_convolve_attributes),
    .attributes = convolve_fields,
    .infer = convolve_infer,
    .vjp = convolve_vjp,
    .run = convolve_run,
    .flops = convolve_flops,
    .cases =
        (const fm_case[]){
            CASE("f(2,6,3) f(3,3,4)", .window = WINDOW_1(1, 1, 1, 1, 1)),
            CASE("f(2,7,4) f(2,2,6)", .window = WINDOW_1(2, 2, 2, 0, 2)),
            CASE("f(2,4,5,2) f(3,3,2,3)", .window = WINDOW_2(1, 1, 1, 1, 1, 1, 1, 1, 1)),
            CASE("f(1,5,4,2) f(3,2,2,2)", .window = WINDOW_2(2, 1, 1, 2, 0, 1, 1, 2, 1)),
            CASE("f(2,3,4,3) f(2,2,1,3)", .window = WINDOW_2(1, 2, 1, 1, 1, 0, 0, 0, 3)),
            CASE("f(1,4,4,2) f(3,3,1,4)", .window = WINDOW_2(1, 1, 1, 1, 1, 1, 1, 1, 2)),
            CASE("f(2,3,3,3) f(1,1,3,4)", .window = WINDOW_2(2, 2, 1, 1, 0, 0, 0, 0, 1)),
            CASE("f(1,3,4,3,2) f(2,3,2,2,2)", .window = WINDOW_3(1, 2, 1, 1, 1, 0, 1)),
            {NULL, NULL}},
};

/* ---- dx from dy ------------------------------------------------------------------------------ */

static fm_status transposed_infer(fm_infer *infer)
{
    const fm_convolve_attributes *attributes = infer->attributes;
    fm_shape dy = infer->shapes[0], kernel = infer->shapes[1];
    fm_status status = check_operands(infer);
    if (status == FM_OK) status = check_filters(infer, fm_shape_last(kernel));
    if (status != FM_OK) return status;
    if (fm_shape_last(kernel) != fm_shape_last(dy)) {
        return fm_infer_fail(infer, "dy must have as many channels as the kernel has filters");
    }
    int64_t channels = 0;
    if (__builtin_mul_overflow(kernel.dims[kernel.rank - 2], groups_of(&attributes->window),
                               &channels)) {
        return fm_infer_fail(infer, "the number of channels does not fit");
    }
    status = check_adjoint(infer, attributes->size, kernel_size(kernel), fm_spatial_of(dy));
    if (status != FM_OK) return status;
    infer->output_shapes[0] = fm_image_shape(dy.dims[0], attributes->size, channels);
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void transposed_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *dx = call->outputs;
    kernel_convolution c = geometry(call, dx->shape, in[1].shape, in[0].shape);
    FM_RUN_REAL(convolve_transposed, dx->dtype, &c, in[0].data, in[1].data, dx->data);
}

static double transposed_flops(const fm_call *call)
{
    return products(call->inputs[0].shape, call->inputs[1].shape);
}

/* dx = A(kernel)' dy, so that with a gradient h of dx: d dy = A(kernel) h, and d kernel is that of
 * h convolved, with dy for its slope. */
static void transposed_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_window *window = &((const fm_convolve_attributes *)vjp->attributes)->window;
    fm_val dy = vjp->inputs[0], kernel = vjp->inputs[1], h = vjp->output_grads[0];
    if (vjp->wanted[0]) vjp->input_grads[0] = fm_convolve(g, h, kernel, window);
    if (vjp->wanted[1]) {
        fm_ints size = kernel_size(fm_val_shape(g, kernel));
        vjp->input_grads[1] = fm_convolve_kernel_grad(g, h, dy, size, window);
    }
}

const fm_op fm_op_convolve_transposed = {
    .name = "convolve_transposed",
    .doc = "the adjoint of convolve in x: dy (n, out..., filters) -> (n, size..., c)",
    .onnx = "ConvTranspose",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_convolve_attributes),
    .attributes = convolve_fields,
    .infer = transposed_infer,
    .vjp = transposed_vjp,
    .run = transposed_run,
    .flops = transposed_flops,
    .cases =
        (const fm_case[]){
            CASE("f(2,3,6) f(2,2,6)", .window = WINDOW_1(2, 2, 2, 0, 2), .size = SIZE(6)),
            CASE("f(2,3,3,3) f(2,2,2,3)", .window = WINDOW_2(2, 2, 1, 1, 0, 0, 0, 0, 1),
                 .size = SIZE(6, 7)),
            CASE("f(1,4,4,4) f(3,3,1,4)", .window = WINDOW_2(1, 1, 1, 1, 1, 1, 1, 1, 4),
                 .size = SIZE(4, 4)),
            CASE("f(1,2,2,2,2) f(2,2,2,1,2)", .window = WINDOW_3(1, 2, 1, 1, 0, 0, 2),
                 .size = SIZE(2, 4, 3)),
            {NULL, NULL}},
};

/* ---- dkernel from x and dy ------------------------------------------------------------------- */

static fm_status kernel_grad_infer(fm_infer *infer)
{
    const fm_convolve_attributes *attributes = infer->attributes;
    fm_shape x = infer->shapes[0], dy = infer->shapes[1];
    int64_t groups = groups_of(&attributes->window);
    fm_status status = check_operands(infer);
    if (status == FM_OK) status = check_filters(infer, fm_shape_last(dy));
    if (status != FM_OK) return status;
    if (fm_shape_last(x) % groups != 0) {
        return fm_infer_fail(infer, "%lld channels cannot be cut into %lld groups",
                             (long long)fm_shape_last(x), (long long)groups);
    }
    if (x.dims[0] != dy.dims[0]) return fm_infer_fail(infer, "x and dy must have one batch size");
    status = check_adjoint(infer, fm_spatial_of(x), attributes->size, fm_spatial_of(dy));
    if (status != FM_OK) return status;
    infer->output_shapes[0] =
        kernel_shape(attributes->size, fm_shape_last(x) / groups, fm_shape_last(dy));
    infer->output_dtypes[0] = infer->dtypes[0];
    return FM_OK;
}

static void kernel_grad_run(const fm_call *call)
{
    const fm_tensor *in = call->inputs, *dkernel = call->outputs;
    kernel_convolution c = geometry(call, in[0].shape, dkernel->shape, in[1].shape);
    FM_RUN_REAL(convolve_kernel_grad, dkernel->dtype, &c, in[0].data, in[1].data, dkernel->data);
}

static double kernel_grad_flops(const fm_call *call)
{
    return products(call->inputs[1].shape, call->outputs[0].shape);
}

/* Linear in x and in dy: with a gradient h of dkernel, d x is dy's data gradient under the kernel
 * h, d dy is x convolved with h. */
static void kernel_grad_vjp(fm_graph *g, fm_vjp *vjp)
{
    const fm_window *window = &((const fm_convolve_attributes *)vjp->attributes)->window;
    fm_val x = vjp->inputs[0], dy = vjp->inputs[1], h = vjp->output_grads[0];
    if (vjp->wanted[0]) {
        fm_ints spatial = fm_spatial_of(fm_val_shape(g, x));
        vjp->input_grads[0] = fm_convolve_transposed(g, dy, h, spatial, window);
    }
    if (vjp->wanted[1]) vjp->input_grads[1] = fm_convolve(g, x, h, window);
}

const fm_op fm_op_convolve_kernel_grad = {
    .name = "convolve_kernel_grad",
    .doc = "the adjoint of convolve in the kernel: x and dy -> (size..., c / groups, filters)",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 1,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_convolve_attributes),
    .attributes = convolve_fields,
    .infer = kernel_grad_infer,
    .vjp = kernel_grad_vjp,
    .run = kernel_grad_run,
    .flops = kernel_grad_flops,
    .cases =
        (const fm_case[]){
            CASE("f(2,6,4) f(2,3,6)", .window = WINDOW_1(2, 2, 2, 0, 2), .size = SIZE(2)),
            CASE("f(2,4,5,2) f(2,2,3,3)", .window = WINDOW_2(2, 2, 1, 1, 0, 1, 1, 1, 1),
                 .size = SIZE(3, 3)),
            CASE("f(2,4,4,3) f(2,4,4,3)", .window = WINDOW_2(1, 1, 1, 1, 1, 1, 1, 1, 3),
                 .size = SIZE(3, 3)),
            CASE("f(1,2,4,3,4) f(1,2,2,2,2)", .window = WINDOW_3(1, 2, 1, 1, 0, 0, 2),
                 .size = SIZE(2, 2, 2)),
            {NULL, NULL}},
};
