/* The elementwise ops with two operands, broadcast: a row each.
 * The formulas are in kernel/binary.h.
 *
 *     ROW(name, ONNX operator, flags, doc, shape rule, cases, gradient of a, gradient of b)
 *
 * Gradients are built from g, a, b, y and dy with the output's shape; the operand's shape is
 * restored in one place. C: the operands may change places. Other letters as in unary_table.h; Z:
 * f(0, 0) = 0. */
#ifndef FM_OP_BINARY_TABLE_H
#define FM_OP_BINARY_TABLE_H

/* clang-format off */
#define FM_BINARY_OPS(ROW)                                                                         \
    ROW(add, "Add", Z | C, "a + b", fm_infer_broadcast, ANY_CASES, dy, dy)                         \
    ROW(sub, "Sub", Z, "a - b", fm_infer_broadcast, ANY_CASES, dy, fm_neg(g, dy))                  \
    ROW(mul, "Mul", Z | C, "a b", fm_infer_broadcast, ANY_CASES, fm_mul(g, dy, b),                 \
        fm_mul(g, dy, a))                                                                          \
    ROW(div, "Div", E, "a / b", fm_infer_broadcast, AWAY_FROM_ZERO_CASES, fm_div(g, dy, b),        \
        fm_neg(g, fm_div(g, fm_mul(g, dy, y), b)))                                                 \
    ROW(pow, "Pow", E, "a^b, a > 0", fm_infer_broadcast, POSITIVE_CASES, pow_grad_a(g, a, b, dy),  \
        fm_mul(g, dy, fm_mul(g, y, fm_log(g, a))))                                                 \
    ROW(maximum, "Max", Z, "a >= b ? a : b", fm_infer_broadcast, AWAY_FROM_ZERO_CASES,             \
        fm_mul(g, dy, fm_scalar_minus(g, 1, fm_less(g, a, b))), fm_mul(g, dy, fm_less(g, a, b)))   \
    ROW(minimum, "Min", Z, "a <= b ? a : b", fm_infer_broadcast, AWAY_FROM_ZERO_CASES,             \
        fm_mul(g, dy, fm_scalar_minus(g, 1, fm_greater(g, a, b))),                                 \
        fm_mul(g, dy, fm_greater(g, a, b)))                                                        \
    ROW(greater, NULL, Z | N, "a > b ? 1 : 0", fm_infer_broadcast, AWAY_FROM_ZERO_CASES, NONE,     \
        NONE)                                                                                      \
    ROW(less, NULL, Z | N, "a < b ? 1 : 0", fm_infer_broadcast, AWAY_FROM_ZERO_CASES, NONE, NONE)  \
    ROW(relu_grad, NULL, Z, "b > 0 ? a : 0", fm_infer_broadcast, AWAY_FROM_ZERO_CASES,             \
        fm_relu_grad(g, dy, b), NONE)                                                              \
    ROW(relu6_grad, NULL, Z, "0 < b < 6 ? a : 0", fm_infer_broadcast, AWAY_FROM_ZERO_CASES,        \
        fm_relu6_grad(g, dy, b), NONE)                                                             \
    ROW(gelu_grad, NULL, Z, "a times gelu's slope at b", fm_infer_broadcast, ANY_CASES,            \
        fm_gelu_grad(g, dy, b), fm_mul(g, fm_mul(g, dy, a), gelu_bend(g, b)))                      \
    ROW(gelu_tanh_grad, NULL, Z, "a times gelu_tanh's slope at b", fm_infer_broadcast, ANY_CASES,  \
        fm_gelu_tanh_grad(g, dy, b), fm_mul(g, fm_mul(g, dy, a), gelu_tanh_bend(g, b)))            \
    ROW(silu_grad, NULL, Z, "a times silu's slope at b", fm_infer_broadcast, ANY_CASES,            \
        fm_silu_grad(g, dy, b), fm_mul(g, fm_mul(g, dy, a), silu_bend(g, b)))                      \
    ROW(sigmoid_cross_entropy, NULL, E, "max(a, 0) - a b + log(1 + e^-|a|)", infer_alike,          \
        LOSS_CASES, fm_mul(g, dy, fm_sub(g, fm_sigmoid(g, a), b)), fm_neg(g, fm_mul(g, dy, a)))
/* clang-format on */

#endif
