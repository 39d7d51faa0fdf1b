/* What layers add to what training minimises, and to what it tells: penalties, predictions of
 * auxiliary heads, numbers beside the metrics. */
#include "fathom/ops.h"
#include "ir/ir.h"
#include "nn/layer.h"

#include <stdio.h>
#include <string.h>

static bool is_number(fm_graph *graph, const char *what, fm_val value)
{
    if (!fm_all_valid(graph, what, &value, 1)) return false;
    if (fm_val_shape(graph, value).rank == 0) return true;
    fm_graph_fail(graph, FM_ERROR_SHAPE, "%s must have rank 0, received shape %s", what,
                  fm_shape_text(fm_val_shape(graph, value), (char[FM_SHAPE_TEXT]){0}));
    return false;
}

void fm_add_penalty(fm_graph *graph, fm_val penalty)
{
    if (!is_number(graph, "a penalty", penalty)) return;
    graph->penalty = graph->penalty.id ? fm_add(graph, graph->penalty, penalty) : penalty;
}

void fm_add_metric(fm_graph *graph, const char *name, fm_val value)
{
    enum { LONGEST = FM_TOLD_LENGTH - sizeof FM_METRIC_OUTPUT };
    char output[FM_TOLD_LENGTH];
    if (!is_number(graph, "a metric", value)) return;
    size_t size = strlen(name);
    for (const char *c = name; *c; c++) {
        bool word = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || *c == '_';
        if (!word) size = 0;
    }
    if (size == 0 || size > LONGEST) {
        fm_graph_fail(graph, FM_ERROR_ARGUMENT,
                      "a metric's name is 1 to %d letters, digits and '_', received '%.80s'",
                      (int)LONGEST, name);
        return;
    }
    snprintf(output, sizeof output, FM_METRIC_OUTPUT "%s", name);
    if (fm_val_dtype(graph, value) != fm_graph_dtype(graph)) {
        value = fm_cast(graph, value, fm_graph_dtype(graph));
    }
    for (size_t i = 0; i < graph->output_count; i++) {
        fm_named_value *known = &graph->outputs[i];
        if (strcmp(known->name, output) != 0) continue;
        known->value = fm_add(graph, known->value, value);
        return;
    }
    fm_output(graph, output, value);
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
    if (!fm_all_valid(graph, "an auxiliary prediction", &prediction, 1)) return;
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
