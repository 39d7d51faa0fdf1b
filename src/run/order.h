/* The order of steps. */
#ifndef FM_RUN_ORDER_H
#define FM_RUN_ORDER_H

#include "ir/ir.h"

typedef struct fm_order {
    uint32_t *nodes; /* node indices, in execution order */
    size_t count;
    bool *overwrites; /* by graph variable: its next value is written right over the old one, */
                      /* after every reader; else it is copied after the last step */
} fm_order;

/* Kahn's topological order (1962) with an edge from every reader of a variable to its writer. Ready
 * updates go first, because they end the life of gradients; then the order of building. Where the
 * edges form a cycle (two variables that read each other), one of them is copied at the end.
 * overwrite false: every updated variable is copied at the end. first: nodes (by index) that go
 * before all others and depend on none of them; NULL: none. */
fm_status fm_order_make(const fm_graph *graph, bool overwrite, const bool *first, fm_order *order);
void fm_order_release(fm_context *context, fm_order *order);

/* The value whose bytes a chain of views shows. */
fm_val fm_view_root(const fm_graph *graph, fm_val value);

#endif
