/* Private training's two graphs in place of fm_minimize's one (Abadi et al. 2016, algorithm 1): runs that
 * add clipped gradients to sums, and a run that makes an update of the sums and begins them anew. The
 * sums are variables, optimizer/gradient/PATH; between steps they are zero. */
#ifndef FM_NN_PRIVATE_MINIMIZE_H
#define FM_NN_PRIVATE_MINIMIZE_H

#include "fathom/optimizer.h"

/* Inputs of the update: the noise's deviation, the divisor of the sum (both rank 0), i32 (10). */
#define FM_NOISE_DEVIATION "noise_deviation"
#define FM_EXPECTED_BATCH  "expected_batch"
#define FM_NOISE_KEY       "noise_key"

/* From the loss of one example (the graph's batch is 1): its gradient, scaled down to the L2 norm
 * `limit` over all variables together, is added to the sums. */
void fm_private_accumulate(fm_graph *g, fm_val loss, const fm_optimizer *optimizer, double limit);

/* (sum + noise) / expected_batch, and the gradient of penalties that depend on no example, are the
 * gradient that the optimizer's rule gets. The graph is that of the model; its loss is not used. */
void fm_private_update(fm_graph *g, const fm_optimizer *optimizer);

#endif
