/* Steady nodes depend on constants and on the store's variables that the program does not update:
 * what it computes once, and again only when variables were changed from outside. In programs for
 * predicting these are folded kernels and weights in the layouts of their kernels; in one that
 * trains a head, the frozen body's. */
#ifndef FM_PASS_STEADY_H
#define FM_PASS_STEADY_H

#include "ir/ir.h"

/* steady: one a node of the graph. */
void fm_steady_find(const fm_graph *graph, bool *steady);
/* Keeps it with the values, for placing: a kernel may ask for
 * such an operand in a layout of its own. */
fm_status fm_steady_mark(fm_graph *graph);
/* Is the value made by one, or an operand such as they have? */
bool fm_value_is_steady(const fm_graph *graph, fm_val value, const bool *steady);

#endif
