/* Private training's two graphs in place of fm_minimize's one (Abadi et al. 2016, algorithm 1):
 * runs that add clipped gradients to sums, and a run that makes an update of the sums and begins
 * them anew. The sums are variables, optimizer/gradient/PATH; between steps they are zero. */
#ifndef FM_NN_PRIVATE_MINIMIZE_H
#define FM_NN_PRIVATE_MINIMIZE_H

#include "fathom/optimizer.h"

/* Inputs of the update: the noise's deviation, the divisor of the sum (both rank 0), i32 (10). */
#define FM_NOISE_DEVIATION "noise_deviation"
#define FM_EXPECTED_BATCH  "expected_batch"
#define FM_NOISE_KEY       "noise_key"

/* Input of the sums of several examples: (examples), 1 for each that is there,
 * 0 for what fills up. */
#define FM_EXAMPLE_WEIGHT "weight"

/* From the mean loss of a batch of `examples`, over which FM_EXAMPLE_WEIGHT weighs: the gradient of
 * each, scaled down to the L2 norm `limit` over all variables together, is added to the sums. Right
 * for every model with one example (whose loss has no weight); with several FM_ERROR_UNSUPPORTED,
 * as a mistake of the graph, where it is not known that examples stay apart. */
void fm_private_accumulate(fm_graph *g, fm_val loss, int64_t examples,
                           const fm_optimizer *optimizer, double limit);

/* (sum + noise) / expected_batch, and the gradient of penalties that depend on no example, are the
 * gradient that the optimizer's rule gets. The graph is that of the model; its loss is not used. */
void fm_private_update(fm_graph *g, const fm_optimizer *optimizer);

#endif
