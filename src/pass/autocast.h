/* Autocast: which nodes read their operands in a smaller precision. Values keep their dtype: weights, what
 * optimizers keep, activations and sums stay f32, so there is no second copy of anything, and a program
 * without the pass has the same graph. */
#ifndef FM_PASS_AUTOCAST_H
#define FM_PASS_AUTOCAST_H

#include "ir/ir.h"

/* Sets the precision (fm_precision) of every product (FM_OP_PRODUCT), after fusion. */
fm_status fm_autocast(fm_graph *graph, int precision);

#endif
