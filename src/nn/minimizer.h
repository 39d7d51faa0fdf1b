/* From gradients to updates, for whoever makes the gradients: fm_minimize, private training. */
#ifndef FM_NN_MINIMIZER_H
#define FM_NN_MINIMIZER_H

#include "fathom/optimizer.h"

/* Variables: how many updates there were, and an average behind each trainable one's path. */
#define FM_ITERATIONS     "optimizer/iterations"
#define FM_AVERAGE_PREFIX "optimizer/average/"

/* Everything one call works with. Counters are f64 variables of rank 0, whatever the graph's dtype:
 * exact up to 2^53 updates. */
typedef struct fm_minimizer {
    fm_graph *g;
    fm_optimizer o; /* complete */
    const char *rule;
    fm_val *variables, *gradients; /* the trainable ones; gradients are the caller's to fill in */
    int count;
    fm_val rate;
    fm_val update;  /* 1 where this run updates, 0 where it accumulates only; f64 */
    fm_val t;       /* the update's number, 0 in a run that accumulates only; f64 */
    fm_val product; /* nadam's M(t); f64 */
} fm_minimizer;

/* false: the graph has a mistake, this one or an earlier one. end in any case. */
bool fm_minimizer_begin(fm_minimizer *m, fm_graph *g, const fm_optimizer *optimizer);
/* Accumulation, clipping, the rule, averages; the learning rate becomes an input. */
void fm_minimizer_update(fm_minimizer *m);
void fm_minimizer_end(fm_minimizer *m);

/* A sum of gradients for variable i: optimizer/gradient/PATH. */
fm_val fm_minimizer_gradient_sum(fm_minimizer *m, int i);

/* The loss of fm_grad: rank 0, else a mistake of the graph. */
bool fm_minimizer_check_loss(fm_graph *g, fm_val loss);
/* The sum of x^2. */
fm_val fm_square_sum(fm_graph *g, fm_val x);
/* limit / max(sqrt(norm_square), limit), elementwise */
fm_val fm_shrink_factor(fm_graph *g, fm_val norm_square, double limit);

#endif
