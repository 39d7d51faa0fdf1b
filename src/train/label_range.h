/* Which labels have a meaning for a loss. */
#ifndef FM_TRAIN_LABEL_RANGE_H
#define FM_TRAIN_LABEL_RANGE_H

#include "train/model.h"

typedef struct fm_label_range {
    double low, high;
    const char *advice;
} fm_label_range;

/* Of labels that are numbers; NULL for a loss that takes any. */
const fm_label_range *fm_label_range_of(int loss);
extern const char fm_class_label_advice[];

/* Rounding may lead a little out of it. */
bool fm_label_in_range(const fm_label_range *range, double label);

/* The first element of `count` samples' labels that the model's loss cannot be computed from: out
 * of its range, of the model's classes, or not finite. -1 without one. */
int64_t fm_label_outside(const fm_model *model, const void *y, int64_t count);

/* FM_ERROR_ARGUMENT where a label of a batch of `data` is outside of a range or the classes: file
 * and line, or the sample, and the label. */
fm_status fm_labels_check(const fm_model *model, const fm_dataset *data, const fm_batch *batch);

#endif
