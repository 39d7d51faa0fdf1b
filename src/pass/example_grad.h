/* The sum of the gradients of single examples, each scaled down to a norm,
 * from one pass over the batch.
 *
 * Where examples are known to stay apart (example_rules.h), the gradient of the batch's loss with
 * respect to what a layer gives holds, row by row, those of the single losses. From these and the
 * layer's input come the norms: by the identity of Goodfellow 2015 where a variable is a matrix
 * that rows are multiplied with (for several rows an example, as in Li et al. 2022, by products of
 * rows or the gradient itself, whichever is less work), otherwise from the gradient of each
 * example, by the op's own rule on its rows. Then every op that reads a variable is asked once
 * more, for rows that are scaled (Lee, Kifer 2020; Bu et al. 2023). */
#ifndef FM_PASS_EXAMPLE_GRAD_H
#define FM_PASS_EXAMPLE_GRAD_H

#include "fathom/graph.h"

/* total: the sum of the examples' losses, rank 0, in a graph whose inputs have `examples` entries.
 * grads[i] has the shape of wrt[i], which are variables. FM_ERROR_UNSUPPORTED as a mistake of the
 * graph, with the op, where it is not known that examples stay apart. */
void fm_grad_clipped(fm_graph *graph, fm_val total, int64_t examples, double limit,
                     const fm_val *wrt, int count, fm_val *grads);

#endif
