/* The program that measures gradients; a model has at most one, for one form of batches. */
#ifndef FM_TRAIN_GRADIENT_PROBE_H
#define FM_TRAIN_GRADIENT_PROBE_H

#include "fathom/gradients.h"
#include "train/model.h"

/* What can be read besides the norms. */
enum {
    FM_PROBE_ELEMENTS = 1, /* the gradients themselves */
    FM_PROBE_OUTPUTS = 2   /* figures of layers' outputs */
};

/* Compiles it unless it is there with these parts; before a loop that must not allocate. */
fm_status fm_gradient_probe_open(fm_model *model, int64_t batch, int64_t length, unsigned parts);
/* The layers whose outputs it looks at, by name. */
const fm_layer_output *fm_gradient_probe_outputs(const fm_model *model, int *count);
void fm_gradient_probe_close(fm_model *model);

#endif
