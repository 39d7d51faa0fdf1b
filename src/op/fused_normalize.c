#include "op/fused_normalize.h"
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/vision_attributes.h"

#define KERNEL_FILE "kernel/normalize_relu.h"
#include "kernel/instantiate.h"
#define KERNEL_FILE "kernel/mean_variance.h"
#include "kernel/instantiate.h"

enum { X, GAMMA };

bool fm_normalizes_channels(const fm_normalize_attributes *attributes, fm_shape x, fm_shape gamma)
{
    const fm_ints *axes = &attributes->axes;
    if (axes->count != x.rank - 1 || axes->at[x.rank - 2] != x.rank - 2) return false;
    return gamma.rank == 1 && gamma.dims[0] == x.dims[x.rank - 1];
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static fm_normalize_attributes plain_attributes(fm_shape x, double epsilon)
{
    fm_normalize_attributes plain = {.axes = {.count = x.rank - 1}, .epsilon = epsilon};
    for (int i = 0; i < x.rank - 1; i++) plain.axes.at[i] = i;
    return plain;
}

/* x has at least two dimensions, gamma one for the last of them. */
static fm_status infer_batch(const fm_infer *infer)
{
    const fm_shape x = infer->shapes[X], row = {1, {fm_shape_last(x)}};
    fm_status status = fm_infer_reals(infer);
    if (status == FM_OK) status = fm_infer_rank(infer, X, 2);
    if (status != FM_OK) return status;
    if (!fm_shape_equal(infer->shapes[GAMMA], row)) {
        return fm_infer_fail(infer, "gamma must have an element for each channel");
    }
    return FM_OK;
}

/* Inputs [from, end) have x's shape, those before gamma's or as many elements. */
static fm_status infer_like_x(const fm_infer *infer, int from)
{
    for (int i = GAMMA; i < infer->input_count; i++) {
        const fm_shape shape = infer->shapes[i];
        const bool whole = i >= from;
        const bool right = whole ? fm_shape_equal(shape, infer->shapes[X])
                                 : fm_shape_elements(shape) == infer->shapes[GAMMA].dims[0];
        if (!right) {
            return fm_infer_fail(infer, "input %d must have %s", i,
                                 whole ? "x's shape" : "an element for each channel");
        }
    }
    return FM_OK;
}

static fm_status check_activation(const fm_infer *infer, int activation, bool needed)
{
    if (activation == FM_FUSED_RELU || activation == FM_FUSED_RELU6) return FM_OK;
    if (activation == FM_FUSED_NONE && !needed) return FM_OK;
    return fm_infer_fail(infer, "the activation must be relu or relu6");
}

/* Operands [whole, end) have x's shape; the outputs are y and `statistics`,
 * an element a channel each. */
static fm_status infer_results(fm_infer *infer, int whole, int statistics)
{
    const fm_fused_normalize_attributes *a = infer->attributes;
    fm_status status = check_activation(infer, a->activation, false);
    if (status == FM_OK) status = infer_batch(infer);
    if (status == FM_OK) status = infer_like_x(infer, whole);
    if (status != FM_OK) return status;
    fm_shape kept = infer->shapes[X];
    for (int i = 0; i < kept.rank - 1; i++) kept.dims[i] = 1;
    for (int i = 0; i <= statistics; i++) {
        infer->output_shapes[i] = i == 0 ? infer->shapes[X] : kept;
        infer->output_dtypes[i] = infer->dtypes[X];
    }
    return FM_OK;
}

static fm_status infer_normalize(fm_infer *infer)
{
    return infer_results(infer, 3, 2);
}

static fm_status infer_by_moments(fm_infer *infer)
{
    return infer_results(infer, 5, 1);
}

static fm_status infer_gradients(fm_infer *infer, int from)
{
    fm_status status = infer_batch(infer);
    if (status == FM_OK) status = infer_like_x(infer, from);
    if (status != FM_OK) return status;
    for (int i = 0; i < infer->op->outputs; i++) {
        infer->output_shapes[i] = infer->shapes[i == 1 || i == 2 ? GAMMA : X];
        infer->output_dtypes[i] = infer->dtypes[X];
    }
    return FM_OK;
}

static fm_status infer_normalize_grad(fm_infer *infer)
{
    const fm_fused_normalize_grad_attributes *a = infer->attributes;
    fm_status status = check_activation(infer, a->activation, true);
    return status == FM_OK ? infer_gradients(infer, 5) : status;
}

static fm_status infer_normalize_add_grad_again(fm_infer *infer)
{
    return infer_gradients(infer, 5);
}

static fm_status infer_normalize_add_grad(fm_infer *infer)
{
    return infer_gradients(infer, 4);
}

/* ---- portable kernels ------------------------------------------------------------------------ */

/* What is done to normalised numbers: operand `residual`, if there is one, and the activation. */
static void run_rest(const fm_call *call, int residual)
{
    const fm_fused_normalize_attributes *a = call->attributes;
    const fm_op *activation = fm_fused_activation_op(a->activation);
    const fm_tensor *y = call->outputs;
    if (call->input_count > residual) {
        fm_run_part(&fm_op_add, NULL, call, (fm_tensor[]){*y, call->inputs[residual]}, 2, y, 1);
    }
    if (activation) fm_run_part(activation, NULL, call, y, 1, y, 1);
}

static void run_normalize(const fm_call *call)
{
    const fm_fused_normalize_attributes *a = call->attributes;
    const fm_normalize_attributes plain = plain_attributes(call->inputs[X].shape, a->epsilon);
    fm_run_part(&fm_op_normalize, &plain, call, call->inputs, 3, call->outputs, 3);
    run_rest(call, 3);
}

static void run_by_moments(const fm_call *call)
{
    const fm_fused_normalize_attributes *a = call->attributes;
    const fm_tensor *in = call->inputs, *out = call->outputs;
    const int64_t c = in[GAMMA].count;
    if (c == 0) return;
    FM_RUN_REAL(normalize_by, out->dtype, in[X].count / c, c, a->epsilon, in[X].data,
                in[GAMMA].data, in[2].data, in[3].data, in[4].data, out[0].data, out[1].data);
    run_rest(call, 5);
}

static void run_normalize_grad(const fm_call *call)
{
    const fm_fused_normalize_grad_attributes *a = call->attributes;
    const fm_tensor *in = call->inputs, *out = call->outputs;
    const int64_t c = in[GAMMA].count, rows = in[X].count / c;
    FM_RUN_REAL(normalize_relu_grad, out->dtype, rows, c, a->activation == FM_FUSED_RELU6,
                in[X].data, in[GAMMA].data, in[2].data, in[3].data, in[4].data, in[5].data,
                out[0].data, out[1].data, out[2].data);
}

static void run_normalize_add_grad(const fm_call *call)
{
    const fm_normalize_attributes plain = plain_attributes(call->inputs[X].shape, 0);
    const fm_tensor *in = call->inputs, *dz = &call->outputs[3];
    fm_run_part(&fm_op_relu_grad, NULL, call, &in[4], 2, dz, 1);
    const fm_tensor inputs[] = {in[X], in[GAMMA], in[2], in[3], *dz};
    fm_run_part(&fm_op_normalize_grad, &plain, call, inputs, 5, call->outputs, 3);
}

static double normalize_flops(const fm_call *call)
{
    return 8.0 * (double)call->inputs[X].count;
}

/* x, gamma, beta, mean, rstd, .. -> gamma (x - mean) rstd + beta */
static void run_result(const fm_call *call, const fm_tensor *y)
{
    const fm_tensor *in = call->inputs;
    const int64_t c = in[GAMMA].count;
    FM_RUN_REAL(normalize_with, y->dtype, in[X].count / c, c, in[X].data, in[GAMMA].data,
                in[2].data, in[3].data, in[4].data, y->data);
}

/* y may lie over x, so it comes last; what dz is made of stands where dx will be. */
static void run_normalize_grad_again(const fm_call *call)
{
    const fm_fused_normalize_grad_attributes *a = call->attributes;
    const fm_op *activation = fm_fused_activation_op(a->activation);
    const fm_tensor *y = &call->outputs[3];
    run_normalize_grad(call);
    run_result(call, y);
    fm_run_part(activation, NULL, call, y, 1, y, 1);
}

static void run_normalize_add_grad_again(const fm_call *call)
{
    const fm_normalize_attributes plain = plain_attributes(call->inputs[X].shape, 0);
    const fm_tensor *in = call->inputs, *dz = &call->outputs[3], *y = &call->outputs[4];
    const fm_tensor *sum = &call->outputs[0];
    run_result(call, sum);
    fm_run_part(&fm_op_add, NULL, call, (fm_tensor[]){*sum, in[6]}, 2, sum, 1);
    fm_run_part(&fm_op_relu_grad, NULL, call, (fm_tensor[]){in[5], *sum}, 2, dz, 1);
    const fm_tensor inputs[] = {in[X], in[GAMMA], in[3], in[4], *dz};
    fm_run_part(&fm_op_normalize_grad, &plain, call, inputs, 5, call->outputs, 3);
    run_result(call, y);
    fm_run_part(&fm_op_add, NULL, call, (fm_tensor[]){*y, in[6]}, 2, y, 1);
    fm_run_part(&fm_op_relu, NULL, call, y, 1, y, 1);
}

/* ---- records --------------------------------------------------------------------------------- */

static const fm_field normalize_fields[] = {
    {.name = "epsilon",
     .doc = "added to the variance",
     .offset = offsetof(fm_fused_normalize_attributes, epsilon),
     .type = FM_FIELD_REAL},
    {.name = "activation",
     .doc = "applied last: none, relu or relu6",
     .offset = offsetof(fm_fused_normalize_attributes, activation),
     .type = FM_FIELD_ENUM,
     .choices = fm_fused_activation_names},
    {0},
};

static const fm_field grad_fields[] = {
    {.name = "activation",
     .doc = "whose gradient is taken: relu or relu6",
     .offset = offsetof(fm_fused_normalize_grad_attributes, activation),
     .type = FM_FIELD_ENUM,
     .choices = fm_fused_activation_names},
    {0},
};

static const fm_fused_normalize_attributes case_attributes[] = {
    {1e-3, FM_FUSED_RELU}, {1e-5, FM_FUSED_NONE}, {1e-3, FM_FUSED_RELU6}};
static const fm_fused_normalize_grad_attributes relu = {FM_FUSED_RELU}, relu6 = {FM_FUSED_RELU6};

const fm_op fm_op_fused_normalize = {
    .name = "fused_normalize",
    .doc = "batch normalisation, a residual added, an activation",
    .min_inputs = 3,
    .max_inputs = 4,
    .outputs = 3,
    .attributes_size = sizeof(fm_fused_normalize_attributes),
    .attributes = normalize_fields,
    .infer = infer_normalize,
    .run = run_normalize,
    .flops = normalize_flops,
    .cases = (const fm_case[]){{"f(2,3,3,5) f(5) f(5)", &case_attributes[0]},
                               {"f(7,17) f(17) f(17) f(7,17)", &case_attributes[0]},
                               {"f(2,3,4) f(4) f(4) f(2,3,4)", &case_attributes[1]},
                               {"f(3,2,9) f(9) f(9)", &case_attributes[2]},
                               {NULL, NULL}},
};

const fm_op fm_op_normalize_by_moments = {
    .name = "normalize_by_moments",
    .doc = "fused_normalize with the mean and the variance given",
    .min_inputs = 5,
    .max_inputs = 6,
    .outputs = 2,
    .attributes_size = sizeof(fm_fused_normalize_attributes),
    .attributes = normalize_fields,
    .infer = infer_by_moments,
    .run = run_by_moments,
    .flops = normalize_flops,
    .cases = (const fm_case[]){{"f(2,3,3,5) f(5) f(5) f(1,1,1,5) p(1,1,1,5)", &case_attributes[0]},
                               {"f(7,17) f(17) f(17) f(1,17) p(1,17) f(7,17)", &case_attributes[1]},
                               {"f(3,2,9) f(9) f(9) f(1,1,9) p(1,1,9)", &case_attributes[2]},
                               {NULL, NULL}},
};

static const fm_case grad_cases[] = {
    {"f(2,3,3,5) f(5) f(5) f(1,1,1,5) p(1,1,1,5) f(2,3,3,5)", &relu},
    {"f(7,17) f(17) f(17) f(1,17) p(1,17) f(7,17)", &relu},
    {"f(9,3) f(3) f(3) f(1,3) p(1,3) f(9,3)", &relu6},
    {NULL, NULL}};

const fm_op fm_op_fused_normalize_grad = {
    .name = "fused_normalize_grad",
    .doc = "the gradients of relu or relu6 after batch normalisation",
    .min_inputs = 6,
    .max_inputs = 6,
    .outputs = 3,
    .attributes_size = sizeof(fm_fused_normalize_grad_attributes),
    .attributes = grad_fields,
    .infer = infer_normalize_grad,
    .run = run_normalize_grad,
    .flops = normalize_flops,
    .in_place = {6},
    .cases = grad_cases,
};

const fm_op fm_op_fused_normalize_add_grad = {
    .name = "fused_normalize_add_grad",
    .doc = "the gradients of relu after batch normalisation and a residual sum",
    .min_inputs = 6,
    .max_inputs = 6,
    .outputs = 4,
    .infer = infer_normalize_add_grad,
    .run = run_normalize_add_grad,
    .flops = normalize_flops,
    .in_place = {0, 0, 0, 5},
    .cases =
        (const fm_case[]){{"f(2,3,3,5) f(5) f(1,1,1,5) p(1,1,1,5) f(2,3,3,5) f(2,3,3,5)", NULL},
                          {"f(7,17) f(17) f(1,17) p(1,17) f(7,17) f(7,17)", NULL},
                          {NULL, NULL}},
};

const fm_op fm_op_normalize_grad_again = {
    .name = "normalize_grad_again",
    .doc = "fused_normalize_grad, and the result of batch normalisation and relu or relu6 again",
    .min_inputs = 6,
    .max_inputs = 6,
    .outputs = 4,
    .attributes_size = sizeof(fm_fused_normalize_grad_attributes),
    .attributes = grad_fields,
    .infer = infer_normalize_grad,
    .run = run_normalize_grad_again,
    .flops = normalize_flops,
    .in_place = {6, 0, 0, 1},
    .cases = grad_cases,
};

const fm_op fm_op_normalize_add_grad_again = {
    .name = "normalize_add_grad_again",
    .doc = "fused_normalize_add_grad, and the result of batch normalisation, sum and relu again",
    .min_inputs = 7,
    .max_inputs = 7,
    .outputs = 5,
    .infer = infer_normalize_add_grad_again,
    .run = run_normalize_add_grad_again,
    .flops = normalize_flops,
    .in_place = {0, 0, 0, 6, 1},
    .cases = (const fm_case[]){{"f(2,3,3,5) f(5) f(5) f(1,1,1,5) p(1,1,1,5) f(2,3,3,5) f(2,3,3,5)",
                                NULL},
                               {"f(7,17) f(17) f(17) f(1,17) p(1,17) f(7,17) f(7,17)", NULL},
                               {NULL, NULL}},
};
