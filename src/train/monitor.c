#include "train/watch.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

const char *const fm_monitor_modes[] = {"auto", "min", "max", NULL};

static fm_status fail_unknown(fm_model *model, const char *owner, const char *name,
                              bool has_validation)
{
    fm_text known = FM_TEXT(model->context);
    for (int pass = 0; pass < (has_validation ? 2 : 1); pass++) {
        const char *prefix = pass ? "val_" : "";
        fm_text_add(&known, "%s%sloss", pass ? ", " : "", prefix);
        for (int i = 0; i < model->options.metric_count; i++) {
            fm_text_add(&known, ", %s%s", prefix, fm_model_metric_name(model, i));
        }
    }
    fm_status status = fm_text_status(&known);
    if (status == FM_OK) {
        status = fm_fail(model->context, FM_ERROR_ARGUMENT,
                         "%s: nothing called '%s' can be monitored; there are %s%s", owner, name,
                         fm_text_string(&known),
                         strncmp(name, "val_", 4) == 0 && !has_validation
                             ? " (there is no validation data)"
                             : "");
    }
    fm_text_release(&known);
    return status;
}

/* Of what layers tell, accuracies; the rest is added to a loss. */
bool fm_model_larger_is_better(const fm_model *model, int metric)
{
    const fm_metric_options *options = &model->options.metrics[metric];
    const fm_metric_record *record = fm_metric_at(options->metric);
    return record ? !record->smaller_is_better : strstr(options->name, "accuracy") != NULL;
}

static bool larger_is_better(const fm_model *model, const char *name)
{
    if (strncmp(name, "val_", 4) == 0) name += 4;
    for (int i = 0; i < model->options.metric_count; i++) {
        if (strcmp(name, fm_model_metric_name(model, i)) != 0) continue;
        return fm_model_larger_is_better(model, i);
    }
    return false;
}

fm_status fm_monitor_open(fm_model *model, const char *owner, const char *name, int mode,
                          bool has_validation, fm_monitor *monitor)
{
    fm_epoch none = {0};
    double value;
    monitor->name = name ? name : has_validation ? "val_loss" : "loss";
    bool needs_validation = strncmp(monitor->name, "val_", 4) == 0;
    if (!fm_epoch_value(model, &none, monitor->name, &value) ||
        (needs_validation && !has_validation)) {
        return fail_unknown(model, owner, monitor->name, has_validation);
    }
    monitor->maximize = mode == FM_MONITOR_MAXIMIZE ||
                        (mode == FM_MONITOR_AUTO && larger_is_better(model, monitor->name));
    return FM_OK;
}

double fm_monitor_value(const fm_model *model, const fm_monitor *monitor, const fm_epoch *epoch)
{
    double value = NAN;
    (void)fm_epoch_value(model, epoch, monitor->name, &value);
    return value;
}

double fm_monitor_worst(const fm_monitor *monitor)
{
    return monitor->maximize ? -INFINITY : INFINITY;
}

bool fm_monitor_better(const fm_monitor *monitor, double value, double best, double min_delta)
{
    return monitor->maximize ? value > best + min_delta : value < best - min_delta;
}
