#include "train/watch.h"
#include "base/fields.h"

#include <math.h>

const fm_field fm_early_stopping_fields[] = {
    {"monitor", "the value that is watched (default: val_loss, or loss without validation data)",
     offsetof(fm_early_stopping, monitor), .type = FM_FIELD_STRING},
    {"patience", "epochs without improvement before it stops",
     offsetof(fm_early_stopping, patience), .type = FM_FIELD_INT, .default_value = 1, .minimum = 1,
     .maximum = 1e9},
    {"min_delta", "what counts as improvement", offsetof(fm_early_stopping, min_delta),
     .type = FM_FIELD_REAL, .maximum = 1e30},
    {"mode", "whether small or large values are good", offsetof(fm_early_stopping, mode),
     .type = FM_FIELD_ENUM, .choices = fm_monitor_modes},
    {"restore_best", "end with the variables of the best epoch",
     offsetof(fm_early_stopping, restore_best), .type = FM_FIELD_BOOL},
    {"start_epoch", "epochs before this one are not looked at",
     offsetof(fm_early_stopping, start_epoch), .type = FM_FIELD_INT, .maximum = 1e9},
    {0},
};

enum { BEST, WAITED };

bool fm_early_watch_over(const fm_early_watch *watch)
{
    return watch->model && watch->state[WAITED] >= (double)watch->options.patience;
}

/* A run that had ended holds the variables of its best epoch and no copy of them: one that goes on
 * from there may find nothing better. */
static fm_status train_begin(void *user, fm_event *event)
{
    fm_early_watch *watch = user;
    fm_context *context = watch->model->context;
    fm_snapshot *best = &watch->model->training.best;
    (void)event;
    if (!watch->options.restore_best) return FM_OK;
    bool ended = isfinite(watch->state[BEST]) && !best->taken;
    return ended ? fm_snapshot_take(context, watch->model->store, best)
                 : fm_snapshot_reserve(context, watch->model->store, best);
}

int64_t fm_early_watch_best_epoch(const fm_early_watch *watch)
{
    const fm_history *history = &watch->model->training.history;
    for (int64_t i = 0; i < history->count; i++) {
        const fm_epoch *epoch = &history->epochs[i];
        double value = fm_monitor_value(watch->model, &watch->monitor, epoch);
        bool watched = epoch->epoch >= watch->options.start_epoch;
        if (watched && value == watch->state[BEST]) return epoch->epoch;
    }
    return history->best_epoch;
}

static fm_status epoch_end(void *user, fm_event *event)
{
    fm_early_watch *watch = user;
    fm_training *training = &watch->model->training;
    if (event->epoch < watch->options.start_epoch) return FM_OK;
    double value = fm_monitor_value(watch->model, &watch->monitor, event->finished);
    if (fm_monitor_better(&watch->monitor, value, watch->state[BEST], watch->options.min_delta)) {
        watch->state[BEST] = value;
        watch->state[WAITED] = 0;
        training->history.best_epoch = event->epoch;
        if (!watch->options.restore_best) return FM_OK;
        return fm_snapshot_take(watch->model->context, watch->model->store, &training->best);
    }
    watch->state[WAITED]++;
    if (!fm_early_watch_over(watch)) return FM_OK;
    training->history.stop = FM_STOP_EARLY;
    event->stop = true;
    return FM_OK;
}

fm_status fm_early_watch_open(fm_model *model, const fm_early_stopping *options,
                              bool has_validation, fm_early_watch *watch, fm_callback *callback)
{
    *watch = (fm_early_watch){.options = *options, .model = model};
    fm_status status = fm_fields_complete(model->context, fm_early_stopping_fields, &watch->options,
                                          "early_stopping");
    if (status == FM_OK) {
        status = fm_monitor_open(model, "early_stopping", options->monitor, options->mode,
                                 has_validation, &watch->monitor);
    }
    watch->state[BEST] = fm_monitor_worst(&watch->monitor);
    *callback = (fm_callback){.name = "early_stopping",
                              .user = watch,
                              .train_begin = train_begin,
                              .epoch_end = epoch_end,
                              .state = watch->state,
                              .state_count = sizeof watch->state / sizeof *watch->state};
    return status;
}
