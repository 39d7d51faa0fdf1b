/* fathom/callback.h: what a fit tells while it runs, and what it does at the end of an epoch: stop
 * early, lower the learning rate, write a checkpoint.
 *
 *     static fm_status tell(void *user, fm_event *event) { printf("%g\n", event->loss); ... }
 *     fm_fit(model, train, &(fm_fit_options){
 *         .epochs = 50,
 *         .early_stopping = &(fm_early_stopping){.patience = 3, .restore_best = true},
 *         .callbacks = &(fm_callback){.name = "tell", .batch_end = tell}, .callback_count = 1});
 *
 * Invariants
 *  - Hooks run on the thread that called fm_fit, between two steps. What an event points at, but
 *    for the model, is valid during the call.
 *  - Within a hook the model may be evaluated and saved, not fitted or destroyed.
 *  - May be NULL: hooks, `monitor`, the paths of a checkpoint.
 */
#ifndef FATHOM_CALLBACK_H
#define FATHOM_CALLBACK_H

#include "fathom/schedule.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fm_model fm_model;         /* train.h */
typedef struct fm_epoch fm_epoch;         /* train.h */
typedef struct fm_scores fm_scores;       /* train.h */
typedef struct fm_gradients fm_gradients; /* gradients.h */

/* ---- hooks ----------------------------------------------------------------------------------- */

/* What a hook is told, and may change. Read running figures with fm_event_scores: they are worked
 * out when asked for. */
typedef struct fm_event {
    fm_model *model;
    int64_t epoch, epochs;          /* this one, from 0; and their number */
    int64_t batch, batches;         /* done in this epoch; and their number */
    int64_t samples, epoch_samples; /* done in this epoch; and their number */
    double loss;                    /* of the last batch */
    double learning_rate;           /* of the last batch */
    const fm_epoch *finished;       /* epoch_end: the epoch's figures, else NULL */
    double seconds, epoch_seconds;  /* since fit and since the epoch began (without pauses) */
    double samples_per_second;      /* training alone, this epoch */
    double epoch_eta, eta;          /* seconds left in the epoch and in all; NaN while unknown */
    const fm_gradients *gradients;  /* of the last batch, NULL when not measured */
    double rate_factor;             /* multiplies the schedule's rate; a hook may change it to any
                                       finite number from 0 */
    bool stop; /* a hook sets it: fit writes its checkpoint (if it has one), keeps its place for
                  `resume` and returns FM_OK */
} fm_event;

/* Training scores of this epoch so far. */
FM_API void fm_event_scores(const fm_event *event, fm_scores *scores);

/* A status other than FM_OK ends fit with it.
 *  state   a checkpoint keeps it, a resumed fit puts it back before train_begin, by the name */
typedef struct fm_callback {
    const char *name;
    void *user;
    fm_status (*train_begin)(void *user, fm_event *event);
    fm_status (*epoch_begin)(void *user, fm_event *event);
    fm_status (*batch_end)(void *user, fm_event *event);
    fm_status (*validation_begin)(void *user, fm_event *event);
    fm_status (*epoch_end)(void *user, fm_event *event);
    fm_status (*train_end)(void *user, fm_event *event); /* not after a failure */
    double *state;
    int64_t state_count;
} fm_callback;

/* ---- rules ----------------------------------------------------------------------------------- */

/* monitor: a name for fm_epoch_value; NULL: "val_loss", "loss" without validation data. */
typedef enum fm_monitor_mode {
    FM_MONITOR_AUTO, /* small is good for losses and errors, large for other metrics */
    FM_MONITOR_MINIMIZE,
    FM_MONITOR_MAXIMIZE
} fm_monitor_mode;

/* Stops when `monitor` has not become better by more than min_delta for `patience` epochs.
 *  patience       default 1
 *  restore_best   at the end (not at a callback's stop) the variables are those of the best epoch
 *  start_epoch    earlier epochs are not looked at */
typedef struct fm_early_stopping {
    const char *monitor;
    int mode; /* fm_monitor_mode */
    int64_t patience;
    double min_delta;
    bool restore_best;
    int64_t start_epoch;
} fm_early_stopping;

/* fm_plateau (schedule.h) on `monitor`; rule.maximize is taken from the mode. */
typedef struct fm_reduce_on_plateau {
    const char *monitor;
    int mode;
    fm_plateau rule;
} fm_reduce_on_plateau;

/*  path         the newest state: written after each epoch and every `every_steps` steps
 *  every_steps  0: after epochs only
 *  pause        seconds that pass before an epoch's end writes again, for epochs that are shorter
 *               than writing takes; the last one always does. Default 0: each epoch
 *  best         a second file, written after each epoch that is the best so far by `monitor`;
 *               either path may be NULL */
typedef struct fm_checkpoint {
    const char *path;
    int64_t every_steps;
    double pause;
    const char *best;
    const char *monitor;
    int mode;
} fm_checkpoint;

/* Of reducing on a plateau: monitor, mode and those of the rule. */
FM_API extern const fm_field fm_early_stopping_fields[], fm_reduce_on_plateau_fields[],
    fm_checkpoint_fields[];

#ifdef __cplusplus
}
#endif
#endif
