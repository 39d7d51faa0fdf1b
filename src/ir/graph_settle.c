/* Nodes that a pass has added take their places. */
#include "ir/ir.h"

#include <string.h>

static void move_node(fm_graph *graph, fm_node *to, size_t from, size_t at)
{
    to[at] = graph->nodes[from];
    for (int k = 0; k < to[at].output_count; k++) {
        fm_value *value = fm_value_of(graph, to[at].outputs[k]);
        if (value->kind == FM_TEMPORARY && !to[at].dead) value->producer = (uint32_t)at;
    }
}

/* first[i]: the first node that goes in front of node i; next[k]: the one behind added node k. Both
 * count added nodes from 1. */
static void fill(fm_graph *graph, fm_node *to, size_t count, const uint32_t *first,
                 const uint32_t *next, uint32_t *place)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        for (uint32_t added = first[i]; added; added = next[added - 1]) {
            place[at++] = (uint32_t)(count + added - 1);
        }
        place[at++] = (uint32_t)i;
    }
    for (size_t i = 0; i < at; i++) move_node(graph, to, place[i], i);
}

fm_status fm_graph_settle(fm_graph *graph, size_t count, const uint32_t *before)
{
    size_t all = graph->node_count, added = all - count;
    if (added == 0) return FM_OK;
    fm_context *context = graph->context;
    fm_node *to = fm_allocate_array(context, all, sizeof *to);
    uint32_t *lists = fm_allocate_zeroed(context, (2 * count + added + all) * sizeof *lists);
    fm_status status = to && lists ? FM_OK : FM_ERROR_MEMORY;
    if (status == FM_OK) {
        uint32_t *first = lists, *last = first + count, *next = last + count;
        for (uint32_t i = 0; i < added; i++) {
            uint32_t target = before[i],
                     *link = last[target] ? &next[last[target] - 1] : &first[target];
            *link = last[target] = i + 1;
        }
        fill(graph, to, count, first, next, next + added);
        fm_release(context, graph->nodes);
        graph->nodes = to;
        graph->node_capacity = all;
    } else {
        fm_release(context, to);
    }
    fm_release(context, lists);
    return status;
}
