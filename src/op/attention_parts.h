/* Attention written with products, softmax and dropout: the definition of the fused ops, and the
 * gradients of their gradients. */
#ifndef FM_OP_ATTENTION_PARTS_H
#define FM_OP_ATTENTION_PARTS_H

#include "op/attention_attributes.h"

/* The operands of the unpacked ops; mask and position may be {0}; y,
 * lse and dy are of the gradient. */
typedef struct fm_attention_values {
    fm_val q, k, v, mask, position, y, lse, dy;
} fm_attention_values;

/* The operands of a node of an attention op, packed or not. */
fm_attention_values fm_attention_values_of(fm_graph *g, const fm_op *op,
                                           const fm_attention_attributes *attributes,
                                           const fm_val *inputs);

/* What the values are weighed with, before dropout: (batch, heads, queries, keys), each row of sum
 * 1, or of zeros where a query sees no key. */
fm_val fm_attention_weights(fm_graph *g, const fm_attention_attributes *attributes,
                            const fm_attention_values *values);

/* y, with the dropout of attributes->stream. */
fm_val fm_attention_parts(fm_graph *g, const fm_attention_attributes *attributes,
                          const fm_attention_values *values);

/* The gradients of q, k and v (NULL at those not wanted) for a gradient of lse. */
void fm_attention_lse_grads(fm_graph *g, const fm_attention_attributes *attributes,
                            const fm_attention_values *values, fm_val lse_grad, fm_val *grads);

/* attention_grad's own gradients: `given` are those of its outputs dq, dk, dv ({0}: zero); `grads`
 * becomes those of q, k, v, y, lse, dy, which count as independent here. */
enum { FM_ATTENTION_GRADS = 6 };
void fm_attention_second(fm_graph *g, const fm_attention_attributes *attributes,
                         const fm_attention_values *values, const fm_val given[3],
                         fm_val grads[FM_ATTENTION_GRADS]);

#endif
