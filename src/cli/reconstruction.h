/* Autoencoders: what a model makes of its input, beside the input. */
#ifndef FM_CLI_RECONSTRUCTION_H
#define FM_CLI_RECONSTRUCTION_H

#include "cli/picture.h"
#include "cli/predict_input.h"
#include "base/memory.h"
#include "fathom/image.h"

/* Has the model learned to give its input back (target: input)? */
bool reconstruction_is_for(const saved_model *saved);

/* The mean squared error of one sample, in the model's unit. */
double reconstruction_error(const float *x, const float *made, int64_t elements);

/* Two pictures of one sample: line by line into the terminal, input to the left. */
void reconstruction_print(const terminal *t, const picture *x, const picture *made);

enum { RECONSTRUCTION_MOST = 40 }; /* pairs of a sheet */

/* Pairs of samples (height, width) or with 1 or 3 channels: the input above what was made of it,
 * below both the error. `made` holds the model's outputs for the set's first `count` samples, at
 * most RECONSTRUCTION_MOST of them. The sheet's pixels lie in `arena`. FM_ERROR_SHAPE when samples
 * are no images. */
fm_status reconstruction_sheet(fm_context *context, const fm_transform *transform,
                               const fm_dataset *set, const float *made, int64_t count,
                               fm_arena *arena, fm_image *sheet);

#endif
