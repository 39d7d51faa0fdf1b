#include "train/graph_cut.h"

fm_val fm_graph_cut(fm_graph *graph, const fm_layer_note *layer, const char *input)
{
    fm_val from = layer->output;
    fm_val to = fm_input(graph, input, fm_val_dtype(graph, from), fm_val_shape(graph, from));
    for (size_t i = layer->end_node; i < graph->node_count && to.id; i++) {
        fm_node *node = &graph->nodes[i];
        for (int k = 0; k < node->input_count; k++) {
            if (node->inputs[k].id == from.id) node->inputs[k] = to;
        }
    }
    return to;
}
