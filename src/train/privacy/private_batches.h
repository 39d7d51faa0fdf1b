/* Poisson sampling: each example is in a step's batch with the same probability, whatever else is.
 * So a batch has any size, and comes in pieces. */
#ifndef FM_TRAIN_PRIVATE_BATCHES_H
#define FM_TRAIN_PRIVATE_BATCHES_H

#include "base/secret.h"
#include "fathom/data.h"

/* Filled in by the caller: what stands in front of `order`. */
typedef struct fm_private_batches {
    fm_context *context;
    const fm_dataset *data; /* borrowed */
    double rate;            /* the probability */
    int64_t steps;          /* of an epoch */
    int64_t piece;          /* at most so many examples are read at once */
    int64_t seed;           /* of data that augments */
    int64_t workers, prefetch;

    uint32_t *order; /* the epoch's batches, one behind the other, each filled up to whole pieces */
    size_t order_count, order_capacity;
    int64_t *counts; /* of each step, without what fills up */
    fm_dataset *view;
    fm_loader *loader;
    int64_t step, left; /* the step that is read now, and how much of it is to come */
} fm_private_batches;

/* Draws an epoch from step `first` on; `number` is that step's among all of the training. */
fm_status fm_private_batches_begin(fm_private_batches *b, const fm_secret *secret, int64_t epoch,
                                   int64_t first, uint64_t number);
/* The next step's batch begins. */
void fm_private_batches_step(fm_private_batches *b);
/* The next piece of it; count 0 behind the last one. */
fm_status fm_private_batches_next(fm_private_batches *b, fm_batch *batch);
void fm_private_batches_release(fm_private_batches *b);

#endif
