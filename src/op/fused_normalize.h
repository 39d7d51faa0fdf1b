/* Ops that the fuse pass makes of a batch normalisation (fm_normalize_over, axes all but the last,
 * gamma (c)) and what surrounds it: a residual sum, relu or relu6, their gradient. Each computes
 * what its parts compute; they exist after differentiation only and have no gradient rules. */
#ifndef FM_OP_FUSED_NORMALIZE_H
#define FM_OP_FUSED_NORMALIZE_H

#include "op/fused_ops.h"
#include "op/vision_attributes.h"

/* Over all axes but the last, with a gamma of the last:
 * the normalisations that these ops are for. */
bool fm_normalizes_channels(const fm_normalize_attributes *attributes, fm_shape x, fm_shape gamma);

typedef struct fm_fused_normalize_attributes {
    double epsilon;
    int activation; /* FM_FUSED_NONE, FM_FUSED_RELU or FM_FUSED_RELU6 */
} fm_fused_normalize_attributes;

/* x, gamma, beta, maybe a residual of x's shape -> y = activation(normalised x + residual), mean,
 * rstd */
extern const fm_op fm_op_fused_normalize;

/* x, gamma, beta, mean, variance (an element for each channel, as convolve_moments makes them of
 * x), maybe a residual -> y as of fused_normalize, rstd */
extern const fm_op fm_op_normalize_by_moments;

typedef struct fm_fused_normalize_grad_attributes {
    int activation; /* FM_FUSED_RELU or FM_FUSED_RELU6 */
} fm_fused_normalize_grad_attributes;

/* x, gamma, beta, mean, rstd, dy -> dx, dgamma, dbeta of y = activation(normalised x): where that
 * let through is computed again, so that backward needs no y. */
extern const fm_op fm_op_fused_normalize_grad;

/* x, gamma, mean, rstd, dy, y -> dx, dgamma, dbeta, dz of y = relu(normalised x + residual): dz, dy
 * where y is positive, is the residual's gradient. */
extern const fm_op fm_op_fused_normalize_add_grad;

/* Both with y once more, over x, for those that read it later: then it need not be kept since it
 * was first made. It has the same bits.
 *     x, gamma, beta, mean, rstd, dy           -> dx, dgamma, dbeta, y
 *     x, gamma, beta, mean, rstd, dy, residual -> dx, dgamma, dbeta, dz, y */
extern const fm_op fm_op_normalize_grad_again, fm_op_normalize_add_grad_again;

#endif
