/* One direction of a recurrent layer, between its variables and its ops. */
#ifndef FM_NN_RECURRENT_LAYER_H
#define FM_NN_RECURRENT_LAYER_H

#include "fathom/nn_recurrent.h"
#include "fathom/vision_ops.h"
#include "nn/layer.h"

/* What a cell is, beside its formulas. */
typedef struct fm_recurrent_kind {
    const char *name;
    int gates;     /* column blocks */
    bool has_cell; /* a second state */
} fm_recurrent_kind;

/* Gain and bias of one normalisation; {0} without. */
typedef struct fm_recurrent_norm {
    fm_val gamma, beta;
} fm_recurrent_norm;

typedef struct fm_recurrent_run {
    fm_graph *g;
    const fm_recurrent_options *options;
    const fm_recurrent_kind *kind;
    int64_t batch, time, units, width; /* width: of the state */
    int activation, gate_activation;   /* fm_activation, zero resolved */
    fm_val x;                          /* (batch, time, gates units) */
    fm_val recurrent_kernel;
    fm_recurrence recurrence;
    fm_recurrent_norm recurrent_norm, cell_norm;
    fm_val state, cell; /* initial, then final */
} fm_recurrent_run;

/* The sequence step by step, from ordinary ops, for any activation and with normalisation: y
 * (batch, time, width), and the final states in the run. */
fm_val fm_recurrent_step_by_step(fm_recurrent_run *run);

/* Over the last dimension (Ba et al. 2016), epsilon 1e-5. */
fm_val fm_recurrent_normalize(fm_graph *g, fm_val x, const fm_recurrent_norm *norm);

#endif
