/* The layers that a model's graph was built of, by name. */
#ifndef FM_TRAIN_LAYER_NOTES_H
#define FM_TRAIN_LAYER_NOTES_H

#include "ir/ir.h"

/* NULL when there is none of this name. */
const fm_layer_note *fm_layer_note_named(const fm_graph *graph, const char *name);

/* "conv2d (26, 26, 8), flatten (5408), ...": the first few, with the shapes of a sample. */
void fm_layer_notes_list(const fm_graph *graph, fm_text *text);

#endif
