/* The program that measures gradients; a model has at most one, for one form of batches. */
#ifndef FM_TRAIN_GRADIENT_PROBE_H
#define FM_TRAIN_GRADIENT_PROBE_H

#include "fathom/gradients.h"
#include "train/model.h"

/* Compiles it unless it is there; before a loop that must not allocate. With `elements` the gradients
 * themselves can be read, too. */
fm_status fm_gradient_probe_open(fm_model *model, int64_t batch, int64_t length, bool elements);
void fm_gradient_probe_close(fm_model *model);

#endif
