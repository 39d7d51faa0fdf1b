/* Autocast: which nodes read their operands in a smaller precision. Values keep their dtype:
 * weights, what optimizers keep, activations and sums stay f32, so there is no second copy of
 * anything, and a program without the pass has the same graph.
 *
 * Of convolutions these round: one group, one or two spatial dimensions, kernels of at least 32
 * numbers for each filter, results of at least 32 channels, but not 3x3 windows at every pixel.
 * Winograd's filtering makes those of a quarter of the products, in f32 as fast as bf16's would be,
 * and would round in other places. */
#ifndef FM_PASS_AUTOCAST_H
#define FM_PASS_AUTOCAST_H

#include "ir/ir.h"

/* Sets the precision (fm_precision) of the products (FM_OP_PRODUCT) that round, after fusion. */
fm_status fm_autocast(fm_graph *graph, int precision);

#endif
