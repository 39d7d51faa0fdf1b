#include "train/watch.h"
#include "base/fields.h"

const fm_field fm_reduce_on_plateau_fields[] = {
    {"monitor", "the value that is watched (default: val_loss, or loss without validation data)",
     offsetof(fm_reduce_on_plateau, monitor), .type = FM_FIELD_STRING},
    {"factor", "what the rate is multiplied by", offsetof(fm_reduce_on_plateau, rule.factor),
     .type = FM_FIELD_REAL, .default_value = 0.1, .minimum = 1e-12, .maximum = 1},
    {"patience", "epochs without improvement before it is reduced",
     offsetof(fm_reduce_on_plateau, rule.patience), .type = FM_FIELD_INT, .default_value = 10,
     .minimum = 1, .maximum = 1e9},
    {"min_delta", "what counts as improvement", offsetof(fm_reduce_on_plateau, rule.min_delta),
     .type = FM_FIELD_REAL, .default_value = 1e-4, .maximum = 1e30},
    {"cooldown", "epochs after a reduction before waiting begins again",
     offsetof(fm_reduce_on_plateau, rule.cooldown), .type = FM_FIELD_INT, .maximum = 1e9},
    {"minimum_rate", "it goes no lower", offsetof(fm_reduce_on_plateau, rule.minimum_rate),
     .type = FM_FIELD_REAL, .maximum = 1e30},
    {"mode", "whether small or large values are good", offsetof(fm_reduce_on_plateau, mode),
     .type = FM_FIELD_ENUM, .choices = fm_monitor_modes},
    {0},
};

static fm_plateau_state read_state(const fm_plateau_watch *watch)
{
    const double *n = watch->state;
    return (fm_plateau_state){.started = n[0] != 0,
                              .best = n[1],
                              .waited = fm_whole(n[2]),
                              .cooling = fm_whole(n[3]),
                              .reductions = fm_whole(n[4])};
}

double fm_plateau_watch_rate(const fm_plateau_watch *watch, double rate)
{
    fm_plateau_state state = read_state(watch);
    return fm_plateau_rate(&watch->rule, &state, rate);
}

static fm_status epoch_end(void *user, fm_event *event)
{
    fm_plateau_watch *watch = user;
    fm_plateau_state state = read_state(watch);
    double value = fm_monitor_value(watch->model, &watch->monitor, event->finished);
    fm_plateau_update(&watch->rule, &state, value);
    const double numbers[5] = {state.started, state.best, (double)state.waited,
                               (double)state.cooling, (double)state.reductions};
    for (int i = 0; i < 5; i++) watch->state[i] = numbers[i];
    return FM_OK;
}

fm_status fm_plateau_watch_open(fm_model *model, const fm_reduce_on_plateau *options,
                                bool has_validation, fm_plateau_watch *watch, fm_callback *callback)
{
    fm_reduce_on_plateau complete = *options;
    *watch = (fm_plateau_watch){.model = model};
    fm_status status = fm_fields_complete(model->context, fm_reduce_on_plateau_fields, &complete,
                                          "reduce_on_plateau");
    if (status == FM_OK) {
        status = fm_monitor_open(model, "reduce_on_plateau", options->monitor, options->mode,
                                 has_validation, &watch->monitor);
    }
    watch->rule = complete.rule;
    watch->rule.maximize = watch->monitor.maximize;
    *callback = (fm_callback){.name = "reduce_on_plateau",
                              .user = watch,
                              .epoch_end = epoch_end,
                              .state = watch->state,
                              .state_count = sizeof watch->state / sizeof *watch->state};
    return status;
}
