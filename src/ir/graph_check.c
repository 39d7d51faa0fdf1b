/* The rules every graph keeps, checked; and what nobody needs, pruned. */
#include "ir/ir.h"

#include <string.h>

static fm_status broken(const fm_graph *graph, const fm_node *node, const char *rule)
{
    return fm_fail(graph->context, FM_ERROR_INTERNAL, "graph: node %td (%s, %s): %s",
                   node - graph->nodes, node->op->name, node->scope, rule);
}

static fm_status verify_node(const fm_graph *graph, size_t index)
{
    const fm_node *node = &graph->nodes[index];
    for (int i = 0; i < node->input_count; i++) {
        fm_val input = node->inputs[i];
        if (!input.id || input.id >= graph->value_count) {
            return broken(graph, node, "an input does not exist");
        }
        const fm_value *value = fm_value_of(graph, input);
        if (value->kind != FM_TEMPORARY) continue;
        if (value->producer >= index) return broken(graph, node, "an input is made later");
        if (graph->nodes[value->producer].dead) return broken(graph, node, "an input is dead");
    }
    for (int i = 0; i < node->output_count; i++) {
        const fm_value *value = fm_value_of(graph, node->outputs[i]);
        if (value->kind != FM_TEMPORARY || value->producer != index ||
            value->output != (uint32_t)i) {
            return broken(graph, node, "an output does not know its producer");
        }
    }
    return FM_OK;
}

fm_status fm_graph_verify(const fm_graph *graph)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].dead) continue;
        fm_status status = verify_node(graph, i);
        if (status != FM_OK) return status;
    }
    for (size_t i = 0; i < graph->variable_count; i++) {
        fm_val next = graph->variables[i].next;
        if (!next.id) continue;
        const fm_value *from = fm_value_of(graph, next);
        const fm_value *to = fm_value_of(graph, graph->variables[i].value);
        if (from->dtype != to->dtype || !fm_shape_equal(from->shape, to->shape)) {
            return fm_fail(graph->context, FM_ERROR_INTERNAL,
                           "graph: the update of '%s' has another shape", to->name);
        }
    }
    return FM_OK;
}

static void need(const fm_graph *graph, fm_val value, bool *needed)
{
    const fm_value *record = fm_value_of(graph, value);
    if (value.id && record->kind == FM_TEMPORARY) needed[record->producer] = true;
}

fm_status fm_graph_prune(fm_graph *graph)
{
    bool *needed = fm_allocate_zeroed(graph->context, graph->node_count + 1);
    if (!needed) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < graph->output_count; i++) need(graph, graph->outputs[i].value, needed);
    for (size_t i = 0; i < graph->variable_count; i++) {
        need(graph, graph->variables[i].next, needed);
    }
    for (size_t i = graph->node_count; i-- > 0;) {
        fm_node *node = &graph->nodes[i];
        node->dead = node->dead || !needed[i];
        for (int k = 0; !node->dead && k < node->input_count; k++) {
            need(graph, node->inputs[k], needed);
        }
    }
    fm_release(graph->context, needed);
    return FM_OK;
}
