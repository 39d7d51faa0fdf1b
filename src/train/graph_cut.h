/* A graph that begins in its middle. */
#ifndef FM_TRAIN_GRAPH_CUT_H
#define FM_TRAIN_GRAPH_CUT_H

#include "ir/ir.h"

/* Everything behind the layer reads a new input of this name in the place of what the layer gives;
 * {0} and the graph's mistake when there is no memory. */
fm_val fm_graph_cut(fm_graph *graph, const fm_layer_note *layer, const char *input);

#endif
