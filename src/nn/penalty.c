/* What layers add to what training minimises: penalties, and predictions of auxiliary heads. */
#include "fathom/ops.h"
#include "ir/ir.h"
#include "nn/layer.h"

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

void fm_penalize(fm_graph *g, fm_val w, double l1, double l2)
{
    if (l1 != 0) {
        fm_add_penalty(g, fm_mul_scalar(g, fm_sum(g, fm_abs(g, w), (fm_ints){0}, false), l1));
    }
    if (l2 != 0) {
        fm_add_penalty(g, fm_mul_scalar(g, fm_sum(g, fm_square(g, w), (fm_ints){0}, false), l2));
    }
}

void fm_add_auxiliary(fm_graph *graph, fm_val prediction, double weight)
{
    if (!prediction.id) return;
    if (!(weight > 0)) {
        fm_graph_fail(graph, FM_ERROR_ARGUMENT,
                      "an auxiliary prediction's weight must be above 0, received %g", weight);
        return;
    }
    if (fm_grow(graph->context, &graph->auxiliaries, &graph->auxiliary_capacity,
                graph->auxiliary_count + 1, sizeof *graph->auxiliaries) != FM_OK) {
        fm_graph_fail_context(graph);
        return;
    }
    graph->auxiliaries[graph->auxiliary_count++] = (fm_auxiliary){prediction, weight};
}

fm_val fm_graph_auxiliary(const fm_graph *graph, int i, double *weight)
{
    if (i < 0 || (size_t)i >= graph->auxiliary_count) return (fm_val){0};
    *weight = graph->auxiliaries[i].weight;
    return graph->auxiliaries[i].prediction;
}
