/* Ops that the fuse pass makes of convolutions and what surrounds them. As in fused_ops.h each
 * computes what its parts compute, by running them in its portable kernel, and has no gradient
 * rule. */
#ifndef FM_FUSED_CONVOLVE_H
#define FM_FUSED_CONVOLVE_H

#include "op/fused_ops.h"
#include "op/vision_attributes.h"

/* y (n, spatial..., channels) = activation(convolution + bias + residual), then 0 where mask <= 0.
 * Inputs: as of convolve or convolve_transposed; bias (channels) if `bias`; residual and mask
 * (shape of y) if so named. */
typedef struct fm_fused_convolve_attributes {
    fm_convolve_attributes convolve; /* first: kernels of both ops read it in the same way */
    bool bias, residual, mask;
    int activation;
} fm_fused_convolve_attributes;
extern const fm_op fm_op_fused_convolve, fm_op_fused_convolve_transposed;

/* fused_convolve's operands -> its y, and of each channel of y over all pixels the mean and the
 * variance, the mean of the squares about it (1, 1..., channels). */
extern const fm_op fm_op_convolve_moments;

/* x, dy -> as convolve_kernel_grad, the sums of dy over all but its channels: the gradients of a
 * convolution's kernel and bias. */
extern const fm_op fm_op_convolve_grad;

#endif
