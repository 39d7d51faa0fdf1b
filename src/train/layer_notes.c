#include "train/layer_notes.h"

#include <string.h>

const fm_layer_note *fm_layer_note_named(const fm_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->layer_count; i++) {
        if (strcmp(graph->layers[i].scope, name) == 0) return &graph->layers[i];
    }
    return NULL;
}

void fm_layer_notes_list(const fm_graph *graph, fm_text *text)
{
    enum { MOST = 24 };
    char words[FM_SHAPE_TEXT];
    for (size_t i = 0; i < graph->layer_count && i < MOST; i++) {
        fm_shape shape = fm_shape_sample(fm_val_shape(graph, graph->layers[i].output));
        fm_text_add(text, "%s%s %s", i ? ", " : "", graph->layers[i].scope,
                    fm_shape_text(shape, words));
    }
    if (graph->layer_count > MOST) fm_text_add(text, ", ...");
}
