/* What fit remembers: epochs, its place, the callbacks' numbers. */
#include "train/health.h"
#include "base/csv_text.h"
#include "base/file.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

/* ---- epochs ---------------------------------------------------------------------------------- */

fm_status fm_training_append(fm_model *model, const fm_epoch *epoch)
{
    fm_training *training = &model->training;
    fm_status status = fm_grow(model->context, &training->epochs, &training->epoch_capacity,
                               (size_t)training->history.count + 1, sizeof *training->epochs);
    if (status != FM_OK) return status;
    training->epochs[training->history.count++] = *epoch;
    training->history.epochs = training->epochs;
    return FM_OK;
}

const fm_history *fm_model_history(const fm_model *model)
{
    return &model->training.history;
}

static bool score_value(const fm_model *model, const fm_scores *scores, const char *name,
                        double *value)
{
    if (strcmp(name, "loss") == 0) {
        *value = scores->loss;
        return true;
    }
    for (int i = 0; i < model->options.metric_count; i++) {
        if (strcmp(name, fm_model_metric_name(model, i)) != 0) continue;
        *value = scores->metrics[i];
        return true;
    }
    return false;
}

bool fm_epoch_value(const fm_model *model, const fm_epoch *epoch, const char *name, double *value)
{
    if (strcmp(name, "learning_rate") == 0) {
        *value = epoch->learning_rate;
        return true;
    }
    if (strcmp(name, "seconds") == 0) {
        *value = epoch->seconds;
        return true;
    }
    if (strcmp(name, "data_wait") == 0) {
        *value = epoch->data_wait;
        return true;
    }
    if (model->private && strcmp(name, "epsilon") == 0) {
        *value = epoch->epsilon;
        return true;
    }
    if (score_value(model, &epoch->train, name, value)) return true;
    return strncmp(name, "val_", 4) == 0 && score_value(model, &epoch->validation, name + 4, value);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void add_names(const fm_model *model, fm_text *text, const char *prefix)
{
    fm_text_add(text, ",%sloss", prefix);
    for (int i = 0; i < model->options.metric_count; i++) {
        fm_text name = FM_TEXT(model->context);
        fm_text_add(&name, "%s%s", prefix, fm_model_metric_name(model, i));
        fm_text_add(text, ",");
        fm_csv_add_cell(text, fm_text_string(&name));
        text->failed |= name.failed;
        fm_text_release(&name);
    }
}

/* A NaN has no sign: readers of CSV do not know "-nan". */
static void add_number(fm_text *text, double value)
{
    if (isnan(value)) {
        fm_text_add(text, ",nan");
    } else {
        fm_text_add(text, ",%.17g", value);
    }
}

static void add_score(fm_text *text, const fm_scores *scores, double value)
{
    if (scores->samples > 0) {
        add_number(text, value);
    } else {
        fm_text_add(text, ",");
    }
}

static void add_scores(const fm_model *model, fm_text *text, const fm_scores *scores)
{
    add_score(text, scores, scores->loss);
    for (int i = 0; i < model->options.metric_count; i++) {
        add_score(text, scores, scores->metrics[i]);
    }
}

fm_status fm_history_write_csv(const fm_model *model, const char *path)
{
    const fm_history *history = &model->training.history;
    fm_text text = FM_TEXT(model->context);
    fm_text_add(&text, "epoch");
    add_names(model, &text, "");
    add_names(model, &text, "val_");
    fm_text_add(&text, ",learning_rate,seconds%s\n", model->private ? ",epsilon" : "");
    for (int64_t i = 0; i < history->count; i++) {
        const fm_epoch *epoch = &history->epochs[i];
        fm_text_add(&text, "%lld", (long long)epoch->epoch);
        add_scores(model, &text, &epoch->train);
        add_scores(model, &text, &epoch->validation);
        fm_text_add(&text, ",%.17g,%.17g", epoch->learning_rate, epoch->seconds);
        if (model->private) fm_text_add(&text, ",%.17g", epoch->epsilon);
        fm_text_add(&text, "\n");
    }
    fm_status status = fm_file_write_text(&text, path);
    fm_text_release(&text);
    return status;
}

/* ---- the place ------------------------------------------------------------------------------- */

void fm_training_clear(fm_model *model)
{
    fm_training *training = &model->training;
    fm_context *context = model->context;
    fm_release(context, training->epochs);
    for (size_t i = 0; i < training->state_count; i++) {
        fm_release(context, training->states[i].name);
        fm_release(context, training->states[i].numbers);
    }
    fm_release(context, training->states);
    fm_snapshot_release(&training->best);
    fm_health_clear(model);
    *training = (fm_training){.rate_factor = 1, .history = {.best_epoch = -1}};
    for (int i = 0; i < FM_MAX_METRICS; i++) {
        if (model->train_metrics[i]) fm_metric_reset(model->train_metrics[i]);
    }
}

static fm_kept_state *find_state(fm_training *training, const char *name)
{
    for (size_t i = 0; i < training->state_count; i++) {
        if (strcmp(training->states[i].name, name) == 0) return &training->states[i];
    }
    return NULL;
}

static fm_status add_state(fm_model *model, const char *name, int64_t count)
{
    fm_training *training = &model->training;
    fm_status status = fm_grow(model->context, &training->states, &training->state_capacity,
                               training->state_count + 1, sizeof *training->states);
    if (status != FM_OK) return status;
    fm_kept_state made = {.name = fm_copy_string(model->context, name), .count = count};
    made.numbers = fm_allocate_array(model->context, (size_t)count, sizeof(double));
    if (!made.name || !made.numbers) {
        fm_release(model->context, made.name);
        fm_release(model->context, made.numbers);
        return FM_ERROR_MEMORY;
    }
    training->states[training->state_count++] = made;
    return FM_OK;
}

fm_status fm_training_keep_state(fm_model *model, const char *name, const double *numbers,
                                 int64_t count)
{
    fm_training *training = &model->training;
    fm_kept_state *kept = find_state(training, name);
    if (kept && kept->count != count) {
        return fm_fail(model->context, FM_ERROR_ARGUMENT,
                       "callback '%s' has %lld numbers of state, %lld are kept under its name",
                       name, (long long)count, (long long)kept->count);
    }
    fm_status status = kept ? FM_OK : add_state(model, name, count);
    if (status != FM_OK) return status;
    memcpy(find_state(training, name)->numbers, numbers, (size_t)count * sizeof(double));
    return FM_OK;
}

fm_status fm_training_keep_states(fm_model *model)
{
    const fm_training *training = &model->training;
    fm_status status = FM_OK;
    for (int i = 0; i < training->callback_count && status == FM_OK; i++) {
        const fm_callback *callback = training->callbacks[i];
        if (callback->state_count == 0) continue;
        status =
            fm_training_keep_state(model, callback->name, callback->state, callback->state_count);
    }
    return status;
}

fm_status fm_training_restore_state(fm_model *model, const fm_callback *callback)
{
    if (callback->state_count == 0) return FM_OK;
    const fm_kept_state *kept = find_state(&model->training, callback->name);
    if (!kept) return FM_OK;
    if (kept->count != callback->state_count) {
        return fm_fail(model->context, FM_ERROR_FORMAT,
                       "callback '%s' keeps %lld numbers, the run to be resumed had %lld",
                       callback->name, (long long)callback->state_count, (long long)kept->count);
    }
    memcpy(callback->state, kept->numbers, (size_t)kept->count * sizeof(double));
    return FM_OK;
}
