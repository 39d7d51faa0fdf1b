/* Which kernel runs each node. */
#ifndef FM_PASS_PLACE_H
#define FM_PASS_PLACE_H

#include "ir/ir.h"

typedef struct fm_placement {
    const fm_kernel *kernel; /* NULL: the op's own portable kernel */
    fm_need need;
} fm_placement;

/* For every living node the first kernel that accepts it, in the order of `backends` (names, ending
 * with NULL; NULL itself: all built in), prepared. placements: one a node, zeroed by the caller and
 * released by fm_place_release also after a failure. */
fm_status fm_place(const fm_graph *graph, const char *const *backends, fm_placement *placements);
void fm_place_release(const fm_graph *graph, fm_placement *placements);

/* Adds a line for each kernel of the node's op that refuses it, with its reason. */
void fm_place_explain(const fm_graph *graph, const fm_node *node, const char *const *backends,
                      fm_text *text);

const char *fm_placement_name(const fm_placement *placement);

#endif
