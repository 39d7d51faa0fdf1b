/* Finding the first NaN or infinity of a training run.
 *
 * The variables are copied now and then. When a loss is not finite, the steps since the copy are
 * run again, bit for bit, by a program that checks every value; then the variables are put into the
 * state of before the step that made the first one. */
#ifndef FM_TRAIN_NONFINITE_H
#define FM_TRAIN_NONFINITE_H

#include "train/carry.h"
#include "train/model.h"

enum { FM_GUARD_STEPS = 1000 };

typedef struct fm_guard {
    fm_model *model;
    fm_loader *loader;
    fm_compiled *whole; /* the training program of most batches */
    fm_snapshot snapshot;
    fm_carry carry;       /* what `whole` carried then */
    int64_t epoch, batch; /* of the first step behind the copy */
    int steps;            /* taken since */
    double rates[FM_GUARD_STEPS];
} fm_guard;

/* Before each step; copies the variables at the beginning of an epoch and when the room for rates
 * is used up. The copy's memory is allocated at its first call. */
fm_status fm_guard_before(fm_guard *guard, int64_t epoch, int64_t batch, double rate);
/* The step that guard_before announced last gave this loss. Always fails: FM_ERROR_NONFINITE with
 * all that could be found out. The loader's batch is not valid any more. */
fm_status fm_guard_explain(fm_guard *guard, double loss);
void fm_guard_release(fm_guard *guard);

#endif
