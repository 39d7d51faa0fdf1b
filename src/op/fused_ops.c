#include "op/fused_ops.h"
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/optimizer_ops.h"
#include "kernel/update_numbers.h"

#include <string.h>

#define KERNEL_FILE "kernel/matmul.h"
#include "kernel/instantiate.h"

const char *const fm_fused_activation_names[] = {
    "none", "relu",     "sigmoid",      "tanh",       "gelu",  "gelu_tanh",
    "silu", "softplus", "hard_sigmoid", "hard_swish", "relu6", NULL};

static const fm_op *const activation_ops[FM_FUSED_ACTIVATION_COUNT] = {NULL,
                                                                       &fm_op_relu,
                                                                       &fm_op_sigmoid,
                                                                       &fm_op_tanh,
                                                                       &fm_op_gelu,
                                                                       &fm_op_gelu_tanh,
                                                                       &fm_op_silu,
                                                                       &fm_op_softplus,
                                                                       &fm_op_hard_sigmoid,
                                                                       &fm_op_hard_swish,
                                                                       &fm_op_relu6};

const fm_op *fm_fused_activation_op(int activation)
{
    return activation_ops[activation];
}

int fm_fused_activation_of(const fm_op *op)
{
    for (int i = 1; i < FM_FUSED_ACTIVATION_COUNT; i++) {
        if (activation_ops[i] == op) return i;
    }
    return FM_FUSED_NONE;
}

/* ---- fused_matmul ---------------------------------------------------------------------------- */

static fm_status infer_fused_matmul(fm_infer *infer)
{
    const fm_fused_matmul_attributes *a = infer->attributes;
    fm_matmul_attributes product = {a->transpose_a, a->transpose_b};
    fm_infer inner = *infer;
    inner.op = &fm_op_matmul;
    inner.attributes = &product;
    inner.input_count = 2;
    fm_status status = fm_op_matmul.infer(&inner);
    if (status != FM_OK) return status;
    fm_shape y = infer->output_shapes[0];
    if (infer->input_count != 2 + a->bias + a->mask) {
        return fm_infer_fail(infer, "wants a bias and a mask as its attributes say");
    }
    fm_shape bias = {1, {fm_shape_last(y)}};
    if (a->bias && !fm_shape_equal(infer->shapes[2], bias)) {
        return fm_infer_fail(infer, "the bias must have an element for each column");
    }
    if (a->mask && !fm_shape_equal(infer->shapes[2 + a->bias], y)) {
        return fm_infer_fail(infer, "the mask must have the shape of the product");
    }
    return FM_OK;
}

static void run_fused_matmul(const fm_call *call)
{
    const fm_fused_matmul_attributes *a = call->attributes;
    const fm_tensor *y = call->outputs;
    fm_matmul_attributes product = {a->transpose_a, a->transpose_b};
    fm_run_part(&fm_op_matmul, &product, call, call->inputs, 2, y, 1);
    if (a->bias) fm_run_part(&fm_op_add, NULL, call, (fm_tensor[]){*y, call->inputs[2]}, 2, y, 1);
    const fm_op *activation = fm_fused_activation_op(a->activation);
    if (activation) fm_run_part(activation, NULL, call, y, 1, y, 1);
    if (!a->mask) return;
    fm_run_part(&fm_op_relu_grad, NULL, call, (fm_tensor[]){*y, call->inputs[2 + a->bias]}, 2, y,
                1);
}

static double fused_matmul_flops(const fm_call *call)
{
    const fm_fused_matmul_attributes *a = call->attributes;
    fm_shape shape = call->inputs[0].shape;
    int64_t depth = shape.dims[shape.rank - (a->transpose_a ? 2 : 1)];
    return 2.0 * (double)call->outputs[0].count * (double)depth;
}

#define FLAG(name_, doc_)                                                                          \
    {                                                                                              \
        .name = #name_, .doc = doc_, .offset = offsetof(fm_fused_matmul_attributes, name_),        \
        .type = FM_FIELD_BOOL                                                                      \
    }

static const fm_field fused_matmul_fields[] = {
    FLAG(transpose_a, "read the first operand transposed"),
    FLAG(transpose_b, "read the second operand transposed"),
    FLAG(bias, "a row is added"),
    FLAG(mask, "0 where the mask is not positive"),
    {.name = "activation",
     .doc = "applied before the mask",
     .offset = offsetof(fm_fused_matmul_attributes, activation),
     .type = FM_FIELD_ENUM,
     .choices = fm_fused_activation_names},
    {0},
};

static const fm_fused_matmul_attributes case_attributes[] = {
    {.bias = true},
    {.bias = true, .activation = FM_FUSED_RELU},
    {.transpose_b = true, .mask = true},
    {.transpose_a = true, .activation = FM_FUSED_TANH},
};

static const fm_case fused_matmul_cases[] = {
    {"f(3,4) f(4,5) f(5)", &case_attributes[0]},
    {"f(3,4) f(4,5) f(5)", &case_attributes[1]},
    {"f(3,4) f(5,4) f(3,5)", &case_attributes[2]},
    {"f(4,3) f(4,5)", &case_attributes[3]},
    {NULL, NULL},
};

const fm_op fm_op_fused_matmul = {
    .name = "fused_matmul",
    .doc = "activation(a b + bias), masked",
    .min_inputs = 2,
    .max_inputs = 4,
    .outputs = 1,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_fused_matmul_attributes),
    .attributes = fused_matmul_fields,
    .infer = infer_fused_matmul,
    .run = run_fused_matmul,
    .flops = fused_matmul_flops,
    .cases = fused_matmul_cases,
};

/* ---- dense_grad and dense_sgd ---------------------------------------------------------------- */

/* x and dy are matrices with as many rows; sets the shapes of x^T dy and of dy's column sums. */
static fm_status infer_products(fm_infer *infer, int x, int dy)
{
    fm_shape a = infer->shapes[x], b = infer->shapes[dy];
    fm_status status = fm_infer_reals(infer);
    if (status != FM_OK) return status;
    if (a.rank != 2 || b.rank != 2 || a.dims[0] != b.dims[0]) {
        return fm_infer_fail(infer, "x and dy must be matrices with equally many rows");
    }
    infer->output_shapes[0] = (fm_shape){2, {a.dims[1], b.dims[1]}};
    infer->output_shapes[1] = (fm_shape){1, {b.dims[1]}};
    infer->output_dtypes[0] = infer->output_dtypes[1] = infer->dtypes[x];
    return FM_OK;
}

static fm_status infer_dense_grad(fm_infer *infer)
{
    return infer_products(infer, 0, 1);
}

static void run_dense_grad(const fm_call *call)
{
    static const fm_matmul_attributes product = {.transpose_a = true};
    static const fm_axes_attributes rows = {.axes = {1, {0}}};
    fm_run_part(&fm_op_matmul, &product, call, call->inputs, 2, &call->outputs[0], 1);
    fm_run_part(&fm_op_sum, &rows, call, &call->inputs[1], 1, &call->outputs[1], 1);
}

static double product_flops(const fm_tensor *x, const fm_tensor *dy)
{
    return 2.0 * (double)x->count * (double)dy->shape.dims[1];
}

static double dense_grad_flops(const fm_call *call)
{
    return product_flops(&call->inputs[0], &call->inputs[1]);
}

const fm_op fm_op_dense_grad = {
    .name = "dense_grad",
    .doc = "x^T dy, and the sums of dy's columns",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 2,
    .flags = FM_OP_PRODUCT,
    .infer = infer_dense_grad,
    .run = run_dense_grad,
    .flops = dense_grad_flops,
    .cases = (const fm_case[]){{"f(6,3) f(6,4)", NULL}, {NULL, NULL}},
};

enum { KERNEL_IN, BIAS_IN, X_IN, DY_IN, RATE_IN, ITERATION_IN };

static fm_status infer_dense_sgd(fm_infer *infer)
{
    fm_infer without_iteration = *infer;
    without_iteration.input_count = ITERATION_IN;
    fm_status status = infer_products(&without_iteration, X_IN, DY_IN);
    if (status != FM_OK) return status;
    if (!fm_shape_equal(infer->shapes[KERNEL_IN], infer->output_shapes[0]) ||
        !fm_shape_equal(infer->shapes[BIAS_IN], infer->output_shapes[1])) {
        return fm_infer_fail(infer, "kernel and bias must have the shapes of their gradients");
    }
    if (infer->shapes[RATE_IN].rank != 0 || infer->shapes[ITERATION_IN].rank != 0 ||
        infer->dtypes[ITERATION_IN] != FM_F64) {
        return fm_infer_fail(infer, "rate and iteration (f64) must be numbers of rank 0");
    }
    return FM_OK;
}

enum { STRIP = 512 };

/* A strip of a row of x^T dy at a time, so that no gradient is stored. */
#define DEFINE_DENSE_SGD(REAL, suffix)                                                             \
    static void dense_sgd_##suffix(const fm_call *call)                                            \
    {                                                                                              \
        int64_t m = call->inputs[X_IN].shape.dims[0], k = call->inputs[X_IN].shape.dims[1];        \
        int64_t n = call->inputs[DY_IN].shape.dims[1];                                             \
        const REAL *x = call->inputs[X_IN].data, *dy = call->inputs[DY_IN].data;                   \
        const REAL rate = *(const REAL *)call->inputs[RATE_IN].data;                               \
        const REAL *kernel = call->inputs[KERNEL_IN].data, *bias = call->inputs[BIAS_IN].data;     \
        REAL *next_kernel = call->outputs[0].data, *next_bias = call->outputs[1].data;             \
        const int bf16 = call->precision == FM_PRECISION_BF16;                                     \
        REAL strip[STRIP];                                                                         \
        for (int64_t j = 0; j < n; j += STRIP) {                                                   \
            int64_t width = n - j < STRIP ? n - j : STRIP;                                         \
            for (int64_t i = 0; i < k; i++) {                                                      \
                matmul_##suffix(1, width, m, x + i, 1, k, dy + j, n, 1, bf16, strip);              \
                for (int64_t l = 0; l < width; l++) {                                              \
                    next_kernel[i * n + j + l] = kernel[i * n + j + l] - rate * strip[l];          \
                }                                                                                  \
            }                                                                                      \
            for (int64_t l = 0; l < width; l++) strip[l] = 0;                                      \
            for (int64_t i = 0; i < m; i++) {                                                      \
                for (int64_t l = 0; l < width; l++) strip[l] += dy[i * n + j + l];                 \
            }                                                                                      \
            for (int64_t l = 0; l < width; l++) next_bias[j + l] = bias[j + l] - rate * strip[l];  \
        }                                                                                          \
    }
DEFINE_DENSE_SGD(float, f32)
DEFINE_DENSE_SGD(double, f64)

static void run_dense_sgd(const fm_call *call)
{
    if (*(const double *)call->inputs[ITERATION_IN].data <= 0) {
        for (int i = 0; i < 2; i++) {
            size_t bytes = (size_t)call->outputs[i].count * fm_dtype_size(call->outputs[i].dtype);
            memmove(call->outputs[i].data, call->inputs[i].data, bytes);
        }
    } else if (call->outputs[0].dtype == FM_F64) {
        dense_sgd_f64(call);
    } else {
        dense_sgd_f32(call);
    }
}

static double dense_sgd_flops(const fm_call *call)
{
    return product_flops(&call->inputs[X_IN], &call->inputs[DY_IN]);
}

const fm_op fm_op_dense_sgd = {
    .name = "dense_sgd",
    .doc = "kernel - rate x^T dy, and bias - rate times the sums of dy's columns",
    .min_inputs = 6,
    .max_inputs = 6,
    .outputs = 2,
    .flags = FM_OP_PRODUCT,
    .infer = infer_dense_sgd,
    .run = run_dense_sgd,
    .flops = dense_sgd_flops,
    .in_place = {KERNEL_IN + 1, BIAS_IN + 1},
};

/* ---- dense_update ---------------------------------------------------------------------------- */

static bool is_update_number(const fm_infer *infer, int i)
{
    return infer->shapes[i].rank == 0 && fm_dtype_is_real(infer->dtypes[i]);
}

static fm_status infer_dense_update(fm_infer *infer)
{
    const int slots = infer->op->outputs - 2, dy = FM_UPDATE_SLOTS + slots;
    const fm_shape x = infer->shapes[FM_UPDATE_GRADIENT], kernel = infer->shapes[0];
    const fm_dtype dtype = infer->dtypes[0];
    if (x.rank != 2 || infer->shapes[dy].rank != 2 || x.dims[0] != infer->shapes[dy].dims[0]) {
        return fm_infer_fail(infer, "x and dy must be matrices with equally many rows");
    }
    const fm_shape gradient = {2, {x.dims[1], infer->shapes[dy].dims[1]}};
    if (!fm_shape_equal(kernel, gradient)) {
        return fm_infer_fail(infer, "the kernel must have the shape of its gradient");
    }
    for (int i = 0; i < infer->input_count; i++) {
        const bool number = i == FM_UPDATE_RATE || i == FM_UPDATE_ITERATION || i > dy;
        const bool slot = i >= FM_UPDATE_SLOTS && i < dy;
        if (number ? !is_update_number(infer, i) : infer->dtypes[i] != dtype) {
            return fm_infer_fail(infer,
                                 "rate and iteration must be numbers, all else of one dtype");
        }
        if (slot && !fm_shape_equal(infer->shapes[i], kernel)) {
            return fm_infer_fail(infer, "slots must have the shape of the kernel");
        }
    }
    for (int k = 0; k <= slots + 1; k++) {
        infer->output_shapes[k] = k <= slots ? kernel : (fm_shape){1, {kernel.dims[1]}};
        infer->output_dtypes[k] = dtype;
    }
    return FM_OK;
}

/* As dense_sgd: a strip of a row of x^T dy at a time. */
#define DEFINE_DENSE_UPDATE(REAL, suffix)                                                          \
    static void dense_update_##suffix(const fm_call *call, const fm_tensor *dy,                    \
                                      const fm_update_numbers *numbers)                            \
    {                                                                                              \
        const fm_shape x = call->inputs[FM_UPDATE_GRADIENT].shape;                                 \
        const int64_t m = x.dims[0], k = x.dims[1], n = dy->shape.dims[1];                         \
        const REAL *a = call->inputs[FM_UPDATE_GRADIENT].data, *b = dy->data;                      \
        const int bf16 = call->precision == FM_PRECISION_BF16;                                     \
        REAL strip[STRIP];                                                                         \
        for (int64_t j = 0; j < n; j += STRIP) {                                                   \
            int64_t width = n - j < STRIP ? n - j : STRIP;                                         \
            for (int64_t i = 0; i < k; i++) {                                                      \
                matmul_##suffix(1, width, m, a + i, 1, k, b + j, n, 1, bf16, strip);               \
                fm_update_elements(call, numbers, i *n + j, width, strip);                         \
            }                                                                                      \
        }                                                                                          \
    }
DEFINE_DENSE_UPDATE(float, f32)
DEFINE_DENSE_UPDATE(double, f64)

static const fm_tensor *dy_of_update(const fm_call *call)
{
    return &call->inputs[FM_UPDATE_SLOTS + fm_update_slots(call)];
}

static void run_dense_update(const fm_call *call)
{
    static const fm_axes_attributes rows = {.axes = {1, {0}}};
    const fm_tensor *dy = dy_of_update(call);
    fm_update_numbers numbers;
    fm_run_part(&fm_op_sum, &rows, call, dy, 1, &call->outputs[call->output_count - 1], 1);
    if (!fm_update_begin(call, &numbers)) return;
    FM_RUN_REAL(dense_update, dy->dtype, call, dy, &numbers);
}

/* The product, and an operation for each element of the kernel, as the update itself counts. */
static double dense_update_flops(const fm_call *call)
{
    return product_flops(&call->inputs[FM_UPDATE_GRADIENT], dy_of_update(call)) +
           (double)call->outputs[0].count;
}

#define DENSE_UPDATE(slots, third, fourth)                                                         \
    const fm_op fm_op_dense_update_##slots = {                                                     \
        .name = "dense_update_" #slots,                                                            \
        .doc = "the update of a kernel whose gradient is x^T dy, and the sums of dy's columns",    \
        .min_inputs = FM_UPDATE_SLOTS + (slots) + 1,                                               \
        .max_inputs = FM_UPDATE_SLOTS + (slots) + 2,                                               \
        .outputs = (slots) + 2,                                                                    \
        .flags = FM_OP_PRODUCT,                                                                    \
        .attributes_size = sizeof(fm_update_attributes),                                           \
        .attributes = fm_update_fields,                                                            \
        .infer = infer_dense_update,                                                               \
        .run = run_dense_update,                                                                   \
        .flops = dense_update_flops,                                                               \
        .in_place = {FM_UPDATE_PARAMETER + 1, FM_UPDATE_SLOTS + 1, third, fourth},                 \
    };
DENSE_UPDATE(1, 0, 0)
DENSE_UPDATE(2, FM_UPDATE_SLOTS + 2, 0)
DENSE_UPDATE(3, FM_UPDATE_SLOTS + 2, FM_UPDATE_SLOTS + 3)
