/* Ops that the fuse pass makes of several: a dense layer's three products with what surrounds them.
 * Each computes exactly what its parts compute; the portable kernels below run the parts. They
 * exist after differentiation only and have no gradient rules. */
#ifndef FM_OP_FUSED_OPS_H
#define FM_OP_FUSED_OPS_H

#include "fathom/op.h"

/* In the order of fm_fused_activation_names. */
typedef enum fm_fused_activation {
    FM_FUSED_NONE,
    FM_FUSED_RELU,
    FM_FUSED_SIGMOID,
    FM_FUSED_TANH,
    FM_FUSED_GELU,
    FM_FUSED_GELU_TANH,
    FM_FUSED_SILU,
    FM_FUSED_SOFTPLUS,
    FM_FUSED_HARD_SIGMOID,
    FM_FUSED_HARD_SWISH,
    FM_FUSED_RELU6,
    FM_FUSED_ACTIVATION_COUNT
} fm_fused_activation;

extern const char *const fm_fused_activation_names[];
/* The op of an activation, NULL for none. */
const fm_op *fm_fused_activation_op(int activation);
/* FM_FUSED_NONE when the op is not one of them. */
int fm_fused_activation_of(const fm_op *op);

/* y (..., n) = activation(a b + bias), then 0 where mask <= 0.
 * Inputs: a (..., m, k) and b (k, n), each read transposed on demand as matmul's; bias (n) if
 * `bias`; mask (shape of y) if `mask`. */
typedef struct fm_fused_matmul_attributes {
    bool transpose_a, transpose_b, bias, mask;
    int activation;
} fm_fused_matmul_attributes;
extern const fm_op fm_op_fused_matmul;

/* x (m, k), dy (m, n) -> x^T dy (k, n), sums of dy's columns (n): the gradients of a dense layer's
 * kernel and bias. */
extern const fm_op fm_op_dense_grad;

/* kernel (k, n), bias (n), x, dy, rate (), iteration () -> kernel - rate x^T dy, bias - rate sums:
 * the same with the SGD update folded in. Iteration 0 leaves both as they are (optimizer_ops.h). */
extern const fm_op fm_op_dense_sgd;

/* kernel (k, n), x, rate (), iteration (), slots (k, n)..., dy, nadam's M(t) or nothing -> the
 * kernel and its slots updated by the rule of fm_update_attributes, the sums of dy's columns (n):
 * dense_grad with the update of the kernel folded in. x stands where an update has its gradient. By
 * slots: 1, 2, 3. */
extern const fm_op fm_op_dense_update_1, fm_op_dense_update_2, fm_op_dense_update_3;

#endif
