/* Autocast: which nodes read their operands in a smaller precision. Values keep their dtype:
 * weights, what optimizers keep, activations and sums stay f32, so there is no second copy of
 * anything, and a program without the pass has the same graph.
 *
 * Of convolutions these round: one or two spatial dimensions, kernels of at least 32 numbers for
 * each filter, results of at least 32 channels in a group, but not 3x3 windows at every pixel where
 * Winograd's filtering, which would round in other places, is faster in f32. It makes them of a
 * quarter of the products. That it does not have where its tiles of 4x4 pixels are mostly empty,
 * where much of what windows see is padding, which bf16's products leave out; and it does not take
 * groups, few tiles or very large kernels. Shapes alone decide. */
#ifndef FM_PASS_AUTOCAST_H
#define FM_PASS_AUTOCAST_H

#include "ir/ir.h"

/* Sets the precision (fm_precision) of the products (FM_OP_PRODUCT) that round, after fusion. */
fm_status fm_autocast(fm_graph *graph, int precision);

#endif
