/* Physical layouts. A kernel says which layout it wants for its operands; a variable is stored the
 * way its kernel wants it, with its optimiser slots and its gradient, because updates are
 * elementwise and run on stored bytes. Everything else is plain, and reorder nodes stand
 * between. */
#ifndef FM_PASS_LAYOUT_H
#define FM_PASS_LAYOUT_H

#include "pass/place.h"

/* The layout a variable already has in the store and cannot change, because other programs use it;
 * false when it is free. */
typedef bool fm_fixed_layout(const void *store, const char *path, fm_layout *layout);

/* Sets the layout of every value of a placed graph. Adds reorder nodes behind the others, so the
 * array's order is no execution order any more; *placements grows with the nodes. */
fm_status fm_layout_assign(fm_graph *graph, fm_placement **placements, fm_fixed_layout *fixed,
                           const void *store);

bool fm_layout_equal(const fm_layout *a, const fm_layout *b);

#endif
