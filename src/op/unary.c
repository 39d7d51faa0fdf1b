/* Elementwise ops with one operand: records, gradients and loops from the rows of unary_table.h. */
#include "op/unary_table.h"
#include "op/op_table.h"
#include "op/op_tools.h"
#include "kernel/loops.h"

#define KERNEL_FILE "kernel/unary.h"
#include "kernel/instantiate.h"

#define E    FM_OP_ELEMENTWISE
#define Z    (FM_OP_ELEMENTWISE | FM_OP_ANY_LAYOUT)
#define N    FM_OP_NOT_DIFFERENTIABLE
#define NONE ((fm_val){0})

/* ---- derivatives that take more than a line -------------------------------------------------- */

/* 2 / sqrt(pi) e^(-x^2) */
static fm_val erf_slope(fm_graph *g, fm_val x)
{
    return fm_mul_scalar(g, fm_exp(g, fm_neg(g, fm_square(g, x))), 1.12837916709551257390);
}

static fm_val selu_grad(fm_graph *g, fm_val x, fm_val y, fm_val dy)
{
    const double scale = 1.0507009873554804934, alpha = 1.6732632423543772848;
    fm_val below = fm_add_scalar(g, y, scale * alpha);
    return fm_where(g, fm_step(g, x), fm_mul_scalar(g, dy, scale), fm_mul(g, dy, below));
}

/* t + x (1 - t^2) sigmoid(x), t = tanh(softplus(x)) */
static fm_val mish_slope(fm_graph *g, fm_val x)
{
    fm_val t = fm_tanh(g, fm_softplus(g, x));
    fm_val slope = fm_mul(g, fm_scalar_minus(g, 1, fm_square(g, t)), fm_sigmoid(g, x));
    return fm_add(g, t, fm_mul(g, x, slope));
}

/* 1 / (1 + |x|)^2 */
static fm_val softsign_slope(fm_graph *g, fm_val x)
{
    return fm_square(g, fm_reciprocal(g, fm_add_scalar(g, fm_abs(g, x), 1)));
}

/* 1/6 between -3 and 3, else 0 */
static fm_val hard_sigmoid_slope(fm_graph *g, fm_val x)
{
    fm_val inside = fm_less(g, fm_abs(g, x), fm_scalar_like(g, x, 3));
    return fm_mul_scalar(g, inside, 1.0 / 6);
}

static fm_val hard_swish_slope(fm_graph *g, fm_val x)
{
    return fm_add(g, fm_hard_sigmoid(g, x), fm_mul(g, x, hard_sigmoid_slope(g, x)));
}

/* ---- records --------------------------------------------------------------------------------- */

#define NO_ALPHA(attributes) 0
#define ALPHA(attributes)    (((const fm_alpha_attributes *)(attributes))->alpha)

#define RUN_AND_GRADIENT(name, alpha_of, derivative)                                               \
    KERNEL_UNARY_LOOP(name, float, f32)                                                            \
    KERNEL_UNARY_LOOP(name, double, f64)                                                           \
    static void name##_run(const fm_call *call)                                                    \
    {                                                                                              \
        const fm_tensor *x = call->inputs, *y = call->outputs;                                     \
        double alpha = alpha_of(call->attributes);                                                 \
        if (y->dtype == FM_F64)                                                                    \
            name##_loop_f64(y->count, alpha, x->data, y->data);                                    \
        else                                                                                       \
            name##_loop_f32(y->count, (float)alpha, x->data, y->data);                             \
    }                                                                                              \
    static void name##_vjp(fm_graph *g, fm_vjp *vjp)                                               \
    {                                                                                              \
        fm_val x = vjp->inputs[0], y = vjp->outputs[0], dy = vjp->output_grads[0];                 \
        double a = alpha_of(vjp->attributes);                                                      \
        (void)g, (void)x, (void)y, (void)dy, (void)a;                                              \
        vjp->input_grads[0] = derivative;                                                          \
    }

#define RECORD(name_, onnx_, flags_, doc_, inputs, derivative)                                     \
    RUN_AND_GRADIENT(name_, NO_ALPHA, derivative)                                                  \
    const fm_op fm_op_##name_ = {                                                                  \
        .name = #name_,                                                                            \
        .doc = doc_,                                                                               \
        .onnx = onnx_,                                                                             \
        .min_inputs = 1,                                                                           \
        .max_inputs = 1,                                                                           \
        .outputs = 1,                                                                              \
        .flags = flags_,                                                                           \
        .infer = fm_infer_like_first,                                                              \
        .vjp = (flags_)&N ? NULL : name_##_vjp,                                                    \
        .run = name_##_run,                                                                        \
        .in_place = {1},                                                                           \
        .cases = (const fm_case[]){{inputs, NULL}, {NULL, NULL}},                                  \
    };                                                                                             \
    fm_val fm_##name_(fm_graph *g, fm_val x)                                                       \
    {                                                                                              \
        return fm_node_add(g, &fm_op_##name_, &x, 1, NULL, NULL);                                  \
    }

#define PARAMETER_RECORD(name_, onnx_, flags_, doc_, inputs, derivative, parameter, value)         \
    RUN_AND_GRADIENT(name_, ALPHA, derivative)                                                     \
    const fm_op fm_op_##name_ = {                                                                  \
        .name = #name_,                                                                            \
        .doc = doc_,                                                                               \
        .onnx = onnx_,                                                                             \
        .min_inputs = 1,                                                                           \
        .max_inputs = 1,                                                                           \
        .outputs = 1,                                                                              \
        .flags = flags_,                                                                           \
        .attributes_size = sizeof(fm_alpha_attributes),                                            \
        .attributes = (const fm_field[]){{.name = #parameter,                                      \
                                          .doc = "what multiplies the branch below 0",             \
                                          .offset = offsetof(fm_alpha_attributes, alpha),          \
                                          .type = FM_FIELD_REAL},                                  \
                                         {.name = NULL}},                                          \
        .infer = fm_infer_like_first,                                                              \
        .vjp = name_##_vjp,                                                                        \
        .run = name_##_run,                                                                        \
        .in_place = {1},                                                                           \
        .cases = (const fm_case[]){{inputs, &(const fm_alpha_attributes){value}}, {NULL, NULL}},   \
    };                                                                                             \
    fm_val fm_##name_(fm_graph *g, fm_val x, double parameter)                                     \
    {                                                                                              \
        fm_alpha_attributes attributes = {parameter};                                              \
        return fm_node_add(g, &fm_op_##name_, &x, 1, &attributes, NULL);                           \
    }

FM_UNARY_OPS(RECORD)
FM_PARAMETER_OPS(PARAMETER_RECORD)
