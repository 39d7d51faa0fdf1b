/* The penalties that layers add to what training minimises. */
#include "fathom/ops.h"
#include "ir/ir.h"

void fm_add_penalty(fm_graph *graph, fm_val penalty)
{
    if (!penalty.id) return;
    if (fm_val_shape(graph, penalty).rank != 0) {
        fm_graph_fail(graph, FM_ERROR_SHAPE, "a penalty must have rank 0, received shape %s",
                      fm_shape_text(fm_val_shape(graph, penalty), (char[FM_SHAPE_TEXT]){0}));
        return;
    }
    graph->penalty = graph->penalty.id ? fm_add(graph, graph->penalty, penalty) : penalty;
}

fm_val fm_graph_penalty(const fm_graph *graph)
{
    return graph->penalty;
}
