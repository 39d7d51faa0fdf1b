/* Which kernel runs each node. */
#ifndef FM_PASS_PLACE_H
#define FM_PASS_PLACE_H

#include "ir/ir.h"

typedef struct fm_placement {
    const fm_kernel *kernel; /* NULL: the op's own portable kernel */
    fm_need need;
} fm_placement;

/* For every living node the first kernel that accepts it, in the order of `backends` (names, ending
 * with NULL; NULL itself: all built in). placements: one a node, zeroed by the caller and
 * released by fm_place_release also after a failure. */
fm_status fm_place(const fm_graph *graph, const char *const *backends, fm_placement *placements);
/* Prepares the chosen kernels; layouts are final by now. */
fm_status fm_place_prepare(const fm_graph *graph, fm_placement *placements);
void fm_place_release(fm_context *context, fm_placement *placements, size_t count);

/* Adds a line for each kernel of the node's op that refuses it, with its reason. */
void fm_place_explain(const fm_graph *graph, const fm_node *node, const char *const *backends,
                      fm_text *text);

/* Does a kernel run the site? If not, the op's portable one does. */
bool fm_place_finds(const fm_site *site, const char *const *backends);

/* A node as kernels see it: tensors without data. */
typedef struct fm_node_site {
    fm_tensor inputs[FM_MAX_INPUTS], outputs[FM_MAX_OUTPUTS];
    bool input_is_variable[FM_MAX_INPUTS], input_is_steady[FM_MAX_INPUTS];
    fm_layout input_layouts[FM_MAX_INPUTS], output_layouts[FM_MAX_OUTPUTS];
    fm_site site; /* points into this struct */
} fm_node_site;

/* An operand of the node, without data. On bytes stored in a layout of their own, elementwise
 * kernels see a row of all stored elements, padding included. */
fm_tensor fm_place_operand(const fm_graph *graph, const fm_node *node, fm_val value);

void fm_place_describe(const fm_graph *graph, const fm_node *node, fm_node_site *place);

const char *fm_placement_name(const fm_placement *placement);

#endif
