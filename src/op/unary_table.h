/* The elementwise ops with one operand: a row each. The formulas are in kernel/unary.h.
 *
 *     ROW(name, ONNX operator, flags, doc, case, derivative)
 *
 * derivative: the gradient with respect to x, built from g, x, y, dy and a (the parameter). The
 * flags: E elementwise; Z also f(0) = 0, so that it may run on bytes of a padded layout; N without
 * a gradient. Rows of FM_PARAMETER_OPS also name their parameter and the case's value of it. */
#ifndef FM_OP_UNARY_TABLE_H
#define FM_OP_UNARY_TABLE_H

/* clang-format off */
#define FM_UNARY_OPS(ROW)                                                                          \
    ROW(neg, "Neg", Z, "-x", "f(3,4)", fm_neg(g, dy))                                              \
    ROW(abs, "Abs", Z, "|x|", "n(3,4)", fm_mul(g, dy, fm_sign(g, x)))                              \
    ROW(sign, "Sign", Z | N, "-1, 0 or 1: the sign of x", "n(3,4)", NONE)                          \
    ROW(step, NULL, Z | N, "x > 0 ? 1 : 0", "n(3,4)", NONE)                                        \
    ROW(square, NULL, Z, "x * x", "f(3,4)", fm_mul(g, fm_mul_scalar(g, dy, 2), x))                 \
    ROW(sqrt, "Sqrt", Z, "square root of x", "p(3,4)", fm_div(g, fm_mul_scalar(g, dy, 0.5), y))    \
    ROW(rsqrt, NULL, E, "1 / sqrt(x)", "p(3,4)",                                                   \
        fm_mul(g, fm_mul_scalar(g, dy, -0.5), fm_mul(g, y, fm_square(g, y))))                      \
    ROW(reciprocal, "Reciprocal", E, "1 / x", "n(3,4)",                                            \
        fm_neg(g, fm_mul(g, dy, fm_square(g, y))))                                                 \
    ROW(exp, "Exp", E, "e^x", "f(3,4)", fm_mul(g, dy, y))                                          \
    ROW(expm1, NULL, Z, "e^x - 1", "f(3,4)", fm_mul(g, dy, fm_add_scalar(g, y, 1)))                \
    ROW(log, "Log", E, "natural logarithm of x", "p(3,4)", fm_div(g, dy, x))                       \
    ROW(log1p, NULL, Z, "log(1 + x)", "p(3,4)", fm_div(g, dy, fm_add_scalar(g, x, 1)))             \
    ROW(sin, "Sin", Z, "sine of x", "f(3,4)", fm_mul(g, dy, fm_cos(g, x)))                         \
    ROW(cos, "Cos", E, "cosine of x", "f(3,4)", fm_neg(g, fm_mul(g, dy, fm_sin(g, x))))            \
    ROW(erf, "Erf", Z, "2 / sqrt(pi) integral of e^-t^2 from 0 to x", "f(3,4)",                    \
        fm_mul(g, dy, erf_slope(g, x)))                                                            \
    ROW(floor, "Floor", Z | N, "the largest integer not above x", "n(3,4)", NONE)                  \
    ROW(sigmoid, "Sigmoid", E, "1 / (1 + e^-x)", "w(3,4)",                                         \
        fm_mul(g, dy, fm_mul(g, y, fm_scalar_minus(g, 1, y))))                                     \
    ROW(tanh, "Tanh", Z, "hyperbolic tangent of x", "w(3,4)",                                      \
        fm_mul(g, dy, fm_scalar_minus(g, 1, fm_square(g, y))))                                     \
    ROW(relu, "Relu", Z, "max(x, 0)", "n(3,4)", fm_relu_grad(g, dy, y))                            \
    ROW(relu6, NULL, Z, "min(max(x, 0), 6)", "n(3,4)", fm_relu6_grad(g, dy, y))                    \
    ROW(selu, "Selu", Z, "1.0507 elu(x, 1.67326)", "n(3,4)", selu_grad(g, x, y, dy))               \
    ROW(gelu, "Gelu", Z, "x / 2 (1 + erf(x / sqrt 2))", "w(3,4)", fm_gelu_grad(g, dy, x))        \
    ROW(gelu_tanh, "Gelu", Z, "x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))", "w(3,4)",       \
        fm_gelu_tanh_grad(g, dy, x))                                                               \
    ROW(silu, NULL, Z, "x sigmoid(x)", "w(3,4)", fm_silu_grad(g, dy, x))                           \
    ROW(mish, "Mish", Z, "x tanh(log(1 + e^x))", "w(3,4)", fm_mul(g, dy, mish_slope(g, x)))        \
    ROW(softplus, "Softplus", E, "log(1 + e^x)", "w(3,4)", fm_mul(g, dy, fm_sigmoid(g, x)))        \
    ROW(softsign, "Softsign", Z, "x / (1 + |x|)", "n(3,4)", fm_mul(g, dy, softsign_slope(g, x)))   \
    ROW(hard_sigmoid, "HardSigmoid", E, "min(max(x + 3, 0), 6) / 6", "w(3,4)",                     \
        fm_mul(g, dy, hard_sigmoid_slope(g, x)))                                                   \
    ROW(hard_swish, "HardSwish", Z, "x hard_sigmoid(x)", "w(3,4)",                                 \
        fm_mul(g, dy, hard_swish_slope(g, x)))

#define FM_PARAMETER_OPS(ROW)                                                                      \
    ROW(leaky_relu, "LeakyRelu", Z, "x > 0 ? x : negative_slope x", "n(3,4)",                      \
        fm_where(g, fm_step(g, x), dy, fm_mul_scalar(g, dy, a)), negative_slope, 0.2)              \
    ROW(elu, "Elu", Z, "x > 0 ? x : alpha (e^x - 1)", "n(3,4)",                                    \
        fm_where(g, fm_step(g, x), dy, fm_mul(g, dy, fm_add_scalar(g, y, a))), alpha, 0.7)
/* clang-format on */

#endif
