#include "op/fused_convolve.h"
#include "op/op_table.h"
#include "op/op_tools.h"

#define KERNEL_FILE "kernel/mean_variance.h"
#include "kernel/instantiate.h"

/* ---- fused_convolve and fused_convolve_transposed -------------------------------------------- */

static const fm_op *part_of(const fm_op *fused)
{
    return fused == &fm_op_fused_convolve_transposed ? &fm_op_convolve_transposed : &fm_op_convolve;
}

static fm_status infer_fused(fm_infer *infer)
{
    const fm_fused_convolve_attributes *a = infer->attributes;
    fm_infer inner = *infer;
    inner.op = part_of(infer->op);
    inner.attributes = &a->convolve;
    inner.input_count = 2;
    fm_status status = inner.op->infer(&inner);
    if (status != FM_OK) return status;
    const fm_shape y = infer->output_shapes[0], bias = {1, {fm_shape_last(y)}};
    if (infer->input_count != 2 + a->bias + a->residual + a->mask) {
        return fm_infer_fail(infer, "wants a bias, a residual and a mask as its attributes say");
    }
    for (int i = 2; i < infer->input_count; i++) {
        const bool is_bias = a->bias && i == 2;
        if (!fm_shape_equal(infer->shapes[i], is_bias ? bias : y)) {
            return fm_infer_fail(infer, "input %d must have %s", i,
                                 is_bias ? "an element for each channel" : "the result's shape");
        }
    }
    return FM_OK;
}

static void run_fused(const fm_call *call)
{
    const fm_fused_convolve_attributes *a = call->attributes;
    const fm_op *activation = fm_fused_activation_op(a->activation);
    const fm_tensor *y = call->outputs, *next = &call->inputs[2];
    fm_run_part(part_of(call->op), &a->convolve, call, call->inputs, 2, y, 1);
    for (int i = 0; i < a->bias + a->residual; i++) {
        fm_run_part(&fm_op_add, NULL, call, (fm_tensor[]){*y, *next++}, 2, y, 1);
    }
    if (activation) fm_run_part(activation, NULL, call, y, 1, y, 1);
    if (a->mask) fm_run_part(&fm_op_relu_grad, NULL, call, (fm_tensor[]){*y, *next}, 2, y, 1);
}

static double fused_flops(const fm_call *call)
{
    return part_of(call->op)->flops(call);
}

#define FIELD(name_, type_, doc_)                                                                  \
    {                                                                                              \
        .name = #name_, .doc = doc_, .offset = offsetof(fm_fused_convolve_attributes, name_),      \
        .type = type_                                                                              \
    }
#define WINDOW(name_, type_, doc_)                                                                 \
    {                                                                                              \
        .name = #name_, .doc = doc_, .type = type_,                                                \
        .offset = offsetof(fm_fused_convolve_attributes, convolve.window.name_)                    \
    }

static const fm_field fused_fields[] = {
    WINDOW(strides, FM_FIELD_INTS, "from window to window"),
    WINDOW(dilations, FM_FIELD_INTS, "from place to place in the window"),
    WINDOW(padding_begin, FM_FIELD_INTS, "zeros in front"),
    WINDOW(padding_end, FM_FIELD_INTS, "zeros behind"),
    WINDOW(groups, FM_FIELD_INT, "parts of channels and filters that do not see each other"),
    {.name = "size",
     .doc = "spatial size of the result, where the operands do not tell it",
     .offset = offsetof(fm_fused_convolve_attributes, convolve.size),
     .type = FM_FIELD_INTS},
    FIELD(bias, FM_FIELD_BOOL, "a number for each channel is added"),
    FIELD(residual, FM_FIELD_BOOL, "another tensor is added"),
    FIELD(mask, FM_FIELD_BOOL, "0 where the mask is not positive"),
    {.name = "activation",
     .doc = "applied before the mask",
     .offset = offsetof(fm_fused_convolve_attributes, activation),
     .type = FM_FIELD_ENUM,
     .choices = fm_fused_activation_names},
    {0},
};

#define SAME                                                                                       \
    {                                                                                              \
        {2, {1, 1}}, {2, {1, 1}}, {2, {1, 1}}, {2, {1, 1}}, 1                                      \
    }
#define STRIDED                                                                                    \
    {                                                                                              \
        {2, {2, 2}}, {2, {1, 1}}, {2, {1, 0}}, {2, {1, 1}}, 2                                      \
    }
#define CASE(text, ...)                                                                            \
    {                                                                                              \
        text, &(const fm_fused_convolve_attributes)                                                \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

const fm_op fm_op_fused_convolve = {
    .name = "fused_convolve",
    .doc = "activation(convolution + bias + residual), masked",
    .min_inputs = 2,
    .max_inputs = 5,
    .outputs = 1,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_fused_convolve_attributes),
    .attributes = fused_fields,
    .infer = infer_fused,
    .run = run_fused,
    .flops = fused_flops,
    .cases =
        (const fm_case[]){
            CASE("f(2,4,5,3) f(3,3,3,4) f(4)", .convolve = {SAME, {0}}, .bias = true),
            CASE("f(2,5,4,2) f(3,3,1,6) f(6) f(2,3,2,6)", .convolve = {STRIDED, {0}}, .bias = true,
                 .residual = true, .activation = FM_FUSED_RELU),
            CASE("f(2,4,5,3) f(3,3,3,17) f(17)", .convolve = {SAME, {0}}, .bias = true,
                 .activation = FM_FUSED_SILU),
            CASE("f(3,9,9,8) f(3,3,8,20) f(20) f(3,9,9,20)", .convolve = {SAME, {0}}, .bias = true,
                 .residual = true, .activation = FM_FUSED_RELU),
            CASE("f(3,9,9,8) f(3,3,8,20)", .convolve = {SAME, {0}}, .activation = FM_FUSED_TANH),
            {NULL, NULL}},
};

const fm_op fm_op_fused_convolve_transposed = {
    .name = "fused_convolve_transposed",
    .doc = "activation(transposed convolution + bias + residual), masked",
    .min_inputs = 2,
    .max_inputs = 5,
    .outputs = 1,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_fused_convolve_attributes),
    .attributes = fused_fields,
    .infer = infer_fused,
    .run = run_fused,
    .flops = fused_flops,
    .cases =
        (const fm_case[]){
            CASE("f(2,4,5,4) f(3,3,3,4) f(2,4,5,3)", .convolve = {SAME, {2, {4, 5}}}, .mask = true),
            CASE("f(2,3,2,6) f(3,3,1,6) f(2,5,4,2) f(2,5,4,2)", .convolve = {STRIDED, {2, {5, 4}}},
                 .residual = true, .mask = true),
            CASE("f(2,3,2,6) f(3,3,1,6) f(2)", .convolve = {STRIDED, {2, {5, 4}}}, .bias = true,
                 .activation = FM_FUSED_RELU),
            CASE("f(3,9,9,20) f(3,3,8,20) f(3,9,9,8) f(3,9,9,8)", .convolve = {SAME, {2, {9, 9}}},
                 .residual = true, .mask = true),
            {NULL, NULL}},
};

/* ---- convolve_moments ------------------------------------------------------------------------ */

static fm_status infer_moments(fm_infer *infer)
{
    fm_status status = infer_fused(infer);
    if (status != FM_OK) return status;
    fm_shape kept = infer->output_shapes[0];
    for (int i = 0; i < kept.rank - 1; i++) {
        if (kept.dims[i] == 0) return fm_infer_fail(infer, "there are no pixels");
        kept.dims[i] = 1;
    }
    for (int i = 1; i < 3; i++) {
        infer->output_shapes[i] = kept;
        infer->output_dtypes[i] = infer->output_dtypes[0];
    }
    return FM_OK;
}

static void run_moments(const fm_call *call)
{
    const fm_tensor *y = call->outputs;
    const int64_t channels = call->outputs[1].count;
    run_fused(call);
    if (y->count == 0) return;
    FM_RUN_REAL(moments, y->dtype, y->count / channels, channels, y->data, call->outputs[1].data,
                call->outputs[2].data);
}

const fm_op fm_op_convolve_moments = {
    .name = "convolve_moments",
    .doc = "fused_convolve, the mean and the variance of each channel",
    .min_inputs = 2,
    .max_inputs = 5,
    .outputs = 3,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_fused_convolve_attributes),
    .attributes = fused_fields,
    .infer = infer_moments,
    .run = run_moments,
    .flops = fused_flops,
    .cases = (const fm_case[]){CASE("f(2,4,5,3) f(3,3,3,4)", .convolve = {SAME, {0}}),
                               CASE("f(2,5,4,2) f(3,3,1,6) f(6) f(2,3,2,6)",
                                    .convolve = {STRIDED, {0}}, .bias = true, .residual = true),
                               CASE("f(3,9,9,8) f(3,3,8,20) f(20)", .convolve = {SAME, {0}},
                                    .bias = true, .activation = FM_FUSED_RELU),
                               {NULL, NULL}},
};

/* ---- convolve_grad --------------------------------------------------------------------------- */

static fm_status infer_grad(fm_infer *infer)
{
    fm_infer inner = *infer;
    inner.op = &fm_op_convolve_kernel_grad;
    fm_status status = inner.op->infer(&inner);
    infer->output_shapes[1] = (fm_shape){1, {fm_shape_last(infer->output_shapes[0])}};
    infer->output_dtypes[1] = infer->dtypes[1];
    return status;
}

static void run_grad(const fm_call *call)
{
    const fm_tensor *dy = &call->inputs[1];
    fm_axes_attributes pixels = {.axes = {.count = dy->shape.rank - 1}};
    for (int i = 0; i < pixels.axes.count; i++) pixels.axes.at[i] = i;
    fm_run_part(&fm_op_convolve_kernel_grad, call->attributes, call, call->inputs, 2, call->outputs,
                1);
    fm_run_part(&fm_op_sum, &pixels, call, dy, 1, &call->outputs[1], 1);
}

static double grad_flops(const fm_call *call)
{
    return fm_op_convolve_kernel_grad.flops(call);
}

#define GRAD_WINDOW(name_)                                                                         \
    {                                                                                              \
        .name = #name_, .doc = "as convolve_kernel_grad's", .type = FM_FIELD_INTS,                 \
        .offset = offsetof(fm_convolve_attributes, window.name_)                                   \
    }

static const fm_field grad_fields[] = {
    GRAD_WINDOW(strides),
    GRAD_WINDOW(dilations),
    GRAD_WINDOW(padding_begin),
    GRAD_WINDOW(padding_end),
    {.name = "groups",
     .doc = "as convolve_kernel_grad's",
     .offset = offsetof(fm_convolve_attributes, window.groups),
     .type = FM_FIELD_INT,
     .default_value = 1},
    {.name = "size",
     .doc = "of the kernel",
     .offset = offsetof(fm_convolve_attributes, size),
     .type = FM_FIELD_INTS},
    {0},
};

const fm_op fm_op_convolve_grad = {
    .name = "convolve_grad",
    .doc = "the gradients of a convolution's kernel and bias",
    .min_inputs = 2,
    .max_inputs = 2,
    .outputs = 2,
    .flags = FM_OP_PRODUCT,
    .attributes_size = sizeof(fm_convolve_attributes),
    .attributes = grad_fields,
    .infer = infer_grad,
    .run = run_grad,
    .flops = grad_flops,
    .cases =
        (const fm_case[]){
            {"f(2,4,5,3) f(2,4,5,4)", &(const fm_convolve_attributes){SAME, {2, {3, 3}}}},
            {"f(3,5,4,2) f(3,3,2,6)", &(const fm_convolve_attributes){STRIDED, {2, {3, 3}}}},
            {"f(3,9,9,8) f(3,9,9,20)", &(const fm_convolve_attributes){SAME, {2, {3, 3}}}},
            {NULL, NULL}},
};
