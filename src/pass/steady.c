#include "pass/steady.h"

bool fm_value_is_steady(const fm_graph *graph, fm_val value, const bool *steady)
{
    const fm_value *record = fm_value_of(graph, value);
    const fm_graph_variable_record *variable;
    switch (record->kind) {
    case FM_CONSTANT:
        return true;
    case FM_VARIABLE:
        variable = &graph->variables[record->variable];
        return !variable->next.id && !variable->options.carried; /* its owner may write to it */
    case FM_TEMPORARY:
        return steady[record->producer];
    case FM_INPUT:
        return false;
    }
    return false;
}

static bool is_steady_node(const fm_graph *graph, const fm_node *node, const bool *steady)
{
    if (node->dead || (node->op->flags & FM_OP_RANDOM)) return false;
    for (int k = 0; k < node->input_count; k++) {
        if (!fm_value_is_steady(graph, node->inputs[k], steady)) return false;
    }
    return true;
}

/* Reorders stand behind the nodes that read them, so one pass may not be enough. */
void fm_steady_find(const fm_graph *graph, bool *steady)
{
    bool changed = true;
    for (size_t i = 0; i < graph->node_count; i++) steady[i] = false;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < graph->node_count; i++) {
            if (steady[i] || !is_steady_node(graph, &graph->nodes[i], steady)) continue;
            steady[i] = changed = true;
        }
    }
}

fm_status fm_steady_mark(fm_graph *graph)
{
    bool *steady = fm_allocate_zeroed(graph->context, graph->node_count + 1);
    if (!steady) return FM_ERROR_MEMORY;
    fm_steady_find(graph, steady);
    for (uint32_t id = 1; id < graph->value_count; id++) {
        fm_value *value = fm_value_of(graph, (fm_val){id});
        value->steady =
            value->kind != FM_CONSTANT && fm_value_is_steady(graph, (fm_val){id}, steady);
    }
    fm_release(graph->context, steady);
    return FM_OK;
}
