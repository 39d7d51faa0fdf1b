/* What a program computes once and again only when variables were changed from outside: nodes that
 * depend on constants and on variables that the program does not update. In programs for predicting
 * these are folded kernels and weights in the layouts of their kernels; in one that trains a head,
 * the frozen body's. */
#ifndef FM_RUN_PROLOGUE_H
#define FM_RUN_PROLOGUE_H

#include "ir/ir.h"

/* steady: one a node of the graph, set where the node belongs to the prologue. */
void fm_prologue_find(const fm_graph *graph, bool *steady);

#endif
