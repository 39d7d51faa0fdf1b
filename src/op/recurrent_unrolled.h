/* Back through time as a composite of ordinary ops, step by step: what a gradient op computes,
 * written so that it can be differentiated. */
#ifndef FM_RECURRENT_UNROLLED_H
#define FM_RECURRENT_UNROLLED_H

#include "op/recurrent_cells.h"

/* {0} among the sums: zero so far. */
typedef struct fm_unrolled {
    fm_graph *g;
    const fm_recurrent_cell *cell;
    const fm_recurrent_attributes *attributes;
    fm_recurrent_sizes sizes;
    fm_val R, state, memory, y, gates, cells; /* the operands that are always there */
    fm_val optional[FM_RECURRENT_OPTIONALS];  /* {0}: not there */
    fm_val real;                              /* of this step: 1 where it counts, or {0} */
    fm_val dh, dc;                            /* carried; dh has this step's dy */
    fm_val da;                                /* this step's (batch, gates units) */
    fm_val dR, dpeephole, dprojection, dbias, dscale;
} fm_unrolled;

/* One step: from dh and dc come da and those of the step before; the sums grow. */
void fm_unrolled_simple(fm_unrolled *u, int64_t step);
void fm_unrolled_lstm(fm_unrolled *u, int64_t step);
void fm_unrolled_gru(fm_unrolled *u, int64_t step);

#endif
