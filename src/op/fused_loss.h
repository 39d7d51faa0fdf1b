/* What the fuse pass makes of a softmax cross-entropy and its gradient, whose exponentials are the
 * same: logits (..., c), labels (...) or targets (..., c), dy (...) -> the gradient with respect to
 * the logits (..., c), the losses (...). Each is exactly what its own op computes; the portable
 * kernel runs the two. They exist after differentiation only and have no gradient rules. */
#ifndef FM_OP_FUSED_LOSS_H
#define FM_OP_FUSED_LOSS_H

#include "fathom/op.h"

enum { FM_LOSS_GRADIENT, FM_LOSS_VALUE }; /* the outputs */

extern const fm_op fm_op_fused_sparse_softmax_cross_entropy, fm_op_fused_softmax_cross_entropy;

#endif
