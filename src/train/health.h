/* The figures of layers that fit records at the first step of each epoch. */
#ifndef FM_TRAIN_HEALTH_H
#define FM_TRAIN_HEALTH_H

#include "fathom/gradients.h"
#include "train/model.h"

/* For the layers of the model's probe; what other layers had is forgotten. */
fm_status fm_health_open(fm_model *model);
/* Room for the row of the epoch that is trained now, which is NaN until it is recorded. */
fm_status fm_health_begin(fm_model *model);
/* The epoch's row. */
void fm_health_record(fm_model *model, const fm_gradients *gradients);
void fm_health_clear(fm_model *model);

/* From a file: names with '\n' between them, rows (epochs, layers, FM_HEALTH_FIGURES). Left out
 * where the model has other layers by now. */
fm_status fm_health_restore(fm_model *model, const char *names, const double *figures,
                            int64_t epochs, int64_t layers);

enum { FM_HEALTH_FIGURES = sizeof(fm_layer_health) / sizeof(double) };

#endif
