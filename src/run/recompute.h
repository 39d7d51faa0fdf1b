/* Memory for time: values that forward made and backward reads are dropped, and made again when
 * backward comes to them (Chen, Xu, Zhang, Guestrin: "Training Deep Nets with Sublinear Memory
 * Cost", 2016). Any forward value may be dropped; what it is made of is made again as well or kept,
 * whichever the plan's curve of living bytes favours. Recomputed nodes are copies of the forward
 * ones, with their streams of randomness: the bits stay the same. */
#ifndef FM_RUN_RECOMPUTE_H
#define FM_RUN_RECOMPUTE_H

#include "ir/ir.h"

/*  target         bytes that should live at no step, scratch included
 *  scratch_bytes  by node index, NULL: none */
typedef struct fm_recompute_options {
    size_t target;
    const size_t *scratch_bytes;
} fm_recompute_options;

/* Changes a graph that all passes before placing are done with. *peak: what lives at most, by the
 * same estimate; above the target when nothing more can be dropped to any use. */
fm_status fm_recompute(fm_graph *graph, const fm_recompute_options *options, size_t *peak);

#endif
