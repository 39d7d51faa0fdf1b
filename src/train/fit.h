/* One call of fm_fit: what it opens before the first step and closes after the last. */
#ifndef FM_TRAIN_FIT_H
#define FM_TRAIN_FIT_H

#include "train/event_watch.h"
#include "train/model.h"
#include "train/nonfinite.h"
#include "train/privacy/private_batches.h"
#include "train/watch.h"

typedef struct fm_fit_run {
    fm_model *model;
    fm_fit_options options; /* complete */
    const fm_dataset *train, *validation;
    fm_dataset *split[2]; /* owned, with validation_split */
    fm_loader *loader, *validation_loader;
    fm_compiled *whole;       /* the program of most batches */
    fm_private_batches drawn; /* of private training, in place of loader and whole */
    fm_guard guard;
    fm_early_watch early;
    fm_plateau_watch plateau;
    fm_saver saver;
    fm_event_watch *events; /* with options.tensorboard */
    fm_callback built_in[5];
    const fm_callback **callbacks; /* plateau, early stopping, the user's, csv, ..., checkpoint */
    int callback_count;
    fm_event event;
    fm_epoch finished; /* what event.finished points at */
    double started, epoch_started;
    double seconds_before;   /* of the epoch, spent before this fit */
    int64_t samples_before;  /* the same for samples */
    int64_t first_epoch;     /* whose labels are looked at: later ones have the same */
    int64_t begun;           /* the epoch that the loader reads already, -1: none */
    uint64_t first_step;     /* the store's when this fit began */
    bool gradients_due;      /* at the next batch of whole's form */
    bool health, health_due; /* is recorded; likewise */
} fm_fit_run;

/* Checks everything, compiles the programs, allocates whatever the loop needs. close also after a
 * failure. */
fm_status fm_fit_run_open(fm_model *model, const fm_dataset *data, const fm_fit_options *options,
                          fm_fit_run *run);
void fm_fit_run_close(fm_fit_run *run);

/* The loader's threads begin with the epoch before its steps do, unless there is no loader. */
fm_status fm_fit_read_ahead(fm_fit_run *run, int64_t epoch, int64_t batch);

#endif
