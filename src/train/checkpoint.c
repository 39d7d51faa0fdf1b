#include "train/watch.h"
#include "base/fields.h"

#include <math.h>

const fm_field fm_checkpoint_fields[] = {
    {"path", "file of the newest state, written after each epoch", offsetof(fm_checkpoint, path),
     .type = FM_FIELD_STRING},
    {"every_steps", "and every so many steps", offsetof(fm_checkpoint, every_steps),
     .type = FM_FIELD_INT, .maximum = 1e15},
    {"pause", "least seconds between two ends of epochs that write", offsetof(fm_checkpoint, pause),
     .type = FM_FIELD_REAL, .maximum = 1e9},
    {"best", "file of the best epoch's state", offsetof(fm_checkpoint, best),
     .type = FM_FIELD_STRING},
    {"monitor", "what the best is best in (default: val_loss, or loss without validation data)",
     offsetof(fm_checkpoint, monitor), .type = FM_FIELD_STRING},
    {"mode", "whether small or large values are good", offsetof(fm_checkpoint, mode),
     .type = FM_FIELD_ENUM, .choices = fm_monitor_modes},
    {0},
};

/* A run that kept no best one has none to beat, whichever way its monitor went. */
static fm_status train_begin(void *user, fm_event *event)
{
    fm_saver *saver = user;
    (void)event;
    if (isinf(saver->best)) saver->best = fm_monitor_worst(&saver->monitor);
    return FM_OK;
}

/* The last batch's state is written when its epoch is over. */
static fm_status batch_end(void *user, fm_event *event)
{
    fm_saver *saver = user;
    uint64_t every = (uint64_t)saver->options.every_steps;
    if (!saver->options.path || every == 0 || event->batch == event->batches) return FM_OK;
    if (fm_store_step(saver->model->store) % every != 0) return FM_OK;
    return fm_model_save(saver->model, saver->options.path, NULL);
}

static fm_status save_best(fm_saver *saver, const fm_event *event)
{
    double value = fm_monitor_value(saver->model, &saver->monitor, event->finished);
    if (!fm_monitor_better(&saver->monitor, value, saver->best, 0)) return FM_OK;
    saver->best = value;
    saver->model->training.history.best_epoch = event->epoch;
    return fm_model_save(saver->model, saver->options.best, NULL);
}

static fm_status epoch_end(void *user, fm_event *event)
{
    fm_saver *saver = user;
    fm_status status = saver->options.best ? save_best(saver, event) : FM_OK;
    if (status != FM_OK || !saver->options.path) return status;
    bool last = event->stop || event->epoch + 1 == event->epochs;
    if (!last && event->seconds - saver->saved < saver->options.pause) return FM_OK;
    saver->saved = event->seconds;
    return fm_model_save(saver->model, saver->options.path, NULL);
}

fm_status fm_saver_open(fm_model *model, const fm_checkpoint *options, bool has_validation,
                        fm_saver *saver, fm_callback *callback)
{
    *saver = (fm_saver){.options = *options, .model = model};
    fm_status status =
        fm_fields_complete(model->context, fm_checkpoint_fields, &saver->options, "checkpoint");
    if (status == FM_OK && options->best) {
        status = fm_monitor_open(model, "checkpoint", options->monitor, options->mode,
                                 has_validation, &saver->monitor);
    }
    saver->best = fm_monitor_worst(&saver->monitor);
    *callback = (fm_callback){.name = "checkpoint",
                              .user = saver,
                              .train_begin = train_begin,
                              .batch_end = batch_end,
                              .epoch_end = epoch_end,
                              .state = &saver->best,
                              .state_count = 1};
    return status;
}
