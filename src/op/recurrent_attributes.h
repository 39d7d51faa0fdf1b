/* The recurrent ops' operands and attributes: what a kernel finds behind fm_call.
 *
 *                     operands that are always there        results
 *     simple_rnn      x, R, state                           y, last
 *     lstm            x, R, state, cell                     y, last, last_cell, gates, cells
 *     gru             x, R, state                           y, last, gates
 *     simple_rnn_grad R, state, y                           dx, dR, dstate, dscale
 *     lstm_grad       R, state, cell, y, gates, cells       dx, dR, dstate, dcell, dpeephole,
 *                                                           dprojection, dscale
 *     gru_grad        R, state, y, gates                    dx, dR, dstate, drecurrent_bias, dscale
 *
 * Behind them come those optional operands whose `has` is set, in the order of
 * fm_recurrent_optional; fm_recurrent_find tells where. Shapes: fathom/recurrent_ops.h. gates
 * (batch, time, saved units) are activated: i, f, g, o of an LSTM; z, r, n of a GRU, with
 * reset_after z, r, n, q, q being the recurrent product of the candidate with its bias. cells
 * (batch, time, units). At masked steps gates are zero and cells repeat. Without `keeps` gates and
 * cells have no elements; a result dscale, dpeephole, ... has none where there is no such
 * operand. */
#ifndef FM_RECURRENT_ATTRIBUTES_H
#define FM_RECURRENT_ATTRIBUTES_H

#include "fathom/recurrent_ops.h"

typedef enum fm_recurrent_optional {
    /* of both directions */
    FM_RECURRENT_PEEPHOLE,
    FM_RECURRENT_PROJECTION,
    FM_RECURRENT_BIAS,
    FM_RECURRENT_MASK,
    FM_RECURRENT_SCALE,
    /* of gradients: those of the forward op's results, in its order; absent: zero */
    FM_RECURRENT_DY,
    FM_RECURRENT_DLAST,
    FM_RECURRENT_DLAST_CELL,
    FM_RECURRENT_DGATES,
    FM_RECURRENT_DCELLS,
    FM_RECURRENT_OPTIONALS
} fm_recurrent_optional;

typedef struct fm_recurrent_attributes {
    int activation;      /* fm_cell_activation */
    int gate_activation; /* fm_gate_activation */
    bool reverse;
    bool reset_after; /* gru */
    bool keeps;       /* forward: gates and cells are results, for the gradient */
    bool has[FM_RECURRENT_OPTIONALS];
} fm_recurrent_attributes;

/* The place of an optional operand behind `fixed` others; -1 when it is not there. */
static inline int fm_recurrent_find(const fm_recurrent_attributes *attributes, int fixed, int which)
{
    if (!attributes->has[which]) return -1;
    for (int i = 0; i < which; i++) fixed += attributes->has[i];
    return fixed;
}

#endif
