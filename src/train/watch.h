/* The callbacks that come with fit. Each `open` checks its options, prepares its own struct, which
 * must stay where it is, and describes itself as a callback. */
#ifndef FM_TRAIN_WATCH_H
#define FM_TRAIN_WATCH_H

#include "train/model.h"

/* A value of each epoch, and which of two is better. */
typedef struct fm_monitor {
    const char *name;
    bool maximize;
} fm_monitor;

/* `owner` is who asks, for errors. */
fm_status fm_monitor_open(fm_model *model, const char *owner, const char *name, int mode,
                          bool has_validation, fm_monitor *monitor);
double fm_monitor_value(const fm_model *model, const fm_monitor *monitor, const fm_epoch *epoch);
/* What every number is better than. */
double fm_monitor_worst(const fm_monitor *monitor);
/* value is better than best by more than min_delta; NaN is never better. */
bool fm_monitor_better(const fm_monitor *monitor, double value, double best, double min_delta);

/* The choices of fm_monitor_mode, for tables of fields. */
extern const char *const fm_monitor_modes[];

typedef struct fm_early_watch {
    fm_early_stopping options;
    fm_monitor monitor;
    fm_model *model;
    double state[2]; /* the best value, epochs waited since */
} fm_early_watch;

fm_status fm_early_watch_open(fm_model *model, const fm_early_stopping *options,
                              bool has_validation, fm_early_watch *watch, fm_callback *callback);
/* It had already stopped when the state was kept. */
bool fm_early_watch_over(const fm_early_watch *watch);
/* By its own monitor, whatever epoch a checkpoint of the best has noted. */
int64_t fm_early_watch_best_epoch(const fm_early_watch *watch);

typedef struct fm_plateau_watch {
    fm_plateau rule;
    fm_monitor monitor;
    fm_model *model;
    double state[5]; /* fm_plateau_state, field by field */
} fm_plateau_watch;

fm_status fm_plateau_watch_open(fm_model *model, const fm_reduce_on_plateau *options,
                                bool has_validation, fm_plateau_watch *watch,
                                fm_callback *callback);
double fm_plateau_watch_rate(const fm_plateau_watch *watch, double rate);

typedef struct fm_saver {
    fm_checkpoint options;
    fm_monitor monitor;
    fm_model *model;
    double best;
    double saved; /* when an epoch's end last wrote, in seconds of the fit */
} fm_saver;

fm_status fm_saver_open(fm_model *model, const fm_checkpoint *options, bool has_validation,
                        fm_saver *saver, fm_callback *callback);

#endif
