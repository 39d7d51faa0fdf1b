/* Cross-validation: a model a fold, its figures, their mean and deviation. */
#include "cli/train_folds.h"
#include "cli/json_lines.h"
#include "cli/progress.h"
#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { FIGURES = 2 * (1 + FM_MAX_METRICS), NAME = 80, PATH_SIZE = 4096 };

/* Of the values of a name ("val_loss", "test_accuracy"), one for each fold: their mean, and the sum
 * of squared differences from it (Welford 1962). */
typedef struct figure {
    char name[NAME];
    double mean, squares;
} figure;

typedef struct cross_validation {
    invocation *invocation;
    fm_recipe *recipe;
    fm_recipe_data *data;
    int64_t folds, done;
    figure figures[FIGURES];
    int figure_count;
    bool interrupted;
    double began;
} cross_validation;

/* ---- figures --------------------------------------------------------------------------------- */

static void add_figure(cross_validation *v, int index, const char *prefix, const char *name,
                       double value)
{
    figure *f = &v->figures[index];
    snprintf(f->name, NAME, "%s%s", prefix, name);
    double before = value - f->mean;
    f->mean += before / (double)(v->done + 1);
    f->squares += before * (value - f->mean);
    if (index >= v->figure_count) v->figure_count = index + 1;
}

static void add_scores(cross_validation *v, const fm_model *model, const char *prefix, int first,
                       const fm_scores *scores)
{
    int at = first;
    add_figure(v, at++, prefix, "loss", scores->loss);
    for (int i = 0; i < fm_model_metric_count(model); i++) {
        const char *name = fm_model_metric_name(model, i);
        if (!is_confusion_matrix(name)) add_figure(v, at++, prefix, name, scores->metrics[i]);
    }
}

/* Of the sample of folds: divided by one less than their number. */
static double deviation(const cross_validation *v, const figure *f)
{
    return v->done > 1 ? sqrt(f->squares / (double)(v->done - 1)) : (double)NAN;
}

static json_t *summary_of(const cross_validation *v, bool means)
{
    json_t *object = json_object();
    for (int i = 0; i < v->figure_count; i++) {
        const figure *f = &v->figures[i];
        if (!*f->name) continue;
        json_object_set_new(object, f->name, json_number(means ? f->mean : deviation(v, f)));
    }
    return object;
}

/* ---- a fold ---------------------------------------------------------------------------------- */

/* "m.safetensors" -> "m.fold1.safetensors"; false where none is to be saved. */
static bool fold_path(const cross_validation *v, int64_t fold, char path[PATH_SIZE])
{
    static const char suffix[] = ".safetensors";
    const char *out = v->invocation->given->out;
    if (!out) return false;
    size_t size = strlen(out), tail = strlen(suffix);
    bool cut = size > tail && strcmp(out + size - tail, suffix) == 0;
    snprintf(path, PATH_SIZE, "%.*s.fold%lld%s", (int)(cut ? size - tail : size), out,
             (long long)fold + 1, suffix);
    return true;
}

static fm_status check_paths(const cross_validation *v)
{
    char path[PATH_SIZE];
    fm_status status = FM_OK;
    for (int64_t i = 0; i < v->folds && status == FM_OK && fold_path(v, i, path); i++) {
        status = fm_file_check_writable(v->invocation->context, path);
    }
    return status;
}

static fm_status save_fold(const cross_validation *v, fm_model *model, int64_t fold)
{
    char path[PATH_SIZE];
    return fold_path(v, fold, path) ? fm_model_save(model, path, NULL) : FM_OK;
}

static void tell_fold(const cross_validation *v, const fm_model *model, int64_t fold,
                      const fm_scores *validation, const fm_scores *test)
{
    if (v->invocation->given->json) {
        json_t *event =
            json_pack("{s:s, s:I, s:I, s:o}", "event", "fold", "fold", (json_int_t)fold + 1,
                      "folds", (json_int_t)v->folds, "validation", json_scores(model, validation));
        if (test) json_object_set_new(event, "test", json_scores(model, test));
        json_print(event);
        return;
    }
    char line[2048] = "";
    show_scores(model, validation, "val_", line, sizeof line);
    if (test) show_scores(model, test, "test_", line, sizeof line);
    printf("fold %lld/%lld%s\n", (long long)fold + 1, (long long)v->folds, line);
    fflush(stdout);
}

static fm_status measure_fold(cross_validation *v, fm_model *model, int64_t fold)
{
    const fm_recipe_data *data = &v->data[fold];
    int64_t kept = kept_epoch(model, v->recipe);
    if (kept < 0) {
        return fm_fail(v->invocation->context, FM_ERROR_ARGUMENT,
                       "fold %lld: no epoch came to its end", (long long)fold + 1);
    }
    const fm_scores *validation = &fm_model_history(model)->epochs[kept].validation;
    fm_scores test;
    fm_evaluate_options how = {.batch_size = EVALUATION_BATCH};
    fm_status status = data->test ? fm_evaluate(model, data->test, &how, &test) : FM_OK;
    if (status != FM_OK) return status;
    tell_fold(v, model, fold, validation, data->test ? &test : NULL);
    add_scores(v, model, "val_", 0, validation);
    if (data->test) add_scores(v, model, "test_", 1 + FM_MAX_METRICS, &test);
    v->done++;
    return save_fold(v, model, fold);
}

static fm_status fit_fold(cross_validation *v, fm_model *model, int64_t fold)
{
    progress p = {.invocation = v->invocation};
    const fm_callback callback = progress_callback(&p);
    fm_fit_options options = fm_recipe_about(v->recipe)->fit;
    options.validation = v->data[fold].validation;
    options.callbacks = &callback;
    options.callback_count = 1;
    options.csv = options.tensorboard = options.timeline = NULL;
    fm_status status = fm_fit(model, v->data[fold].train, &options);
    v->interrupted = p.interrupted;
    terminal_wipe(&v->invocation->err);
    return status;
}

static fm_status train_fold(cross_validation *v, int64_t fold)
{
    fm_model *model;
    if (!v->invocation->given->quiet) {
        fprintf(stderr, "fold %lld of %lld\n", (long long)fold + 1, (long long)v->folds);
    }
    fm_status status = fm_recipe_create_model(v->recipe, v->data[fold].transform, &model);
    if (status == FM_OK) status = fm_recipe_start(v->recipe, model);
    if (status == FM_OK) status = fit_fold(v, model, fold);
    if (status == FM_OK && !v->interrupted) status = measure_fold(v, model, fold);
    fm_model_destroy(model);
    return status;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void tell_end(const cross_validation *v)
{
    char mean[32], spread[32], time[32];
    double seconds = seconds_now() - v->began;
    if (v->invocation->given->json) {
        json_print(json_pack("{s:s, s:I, s:o, s:o, s:o}", "event", "end", "folds",
                             (json_int_t)v->folds, "mean", summary_of(v, true), "deviation",
                             summary_of(v, false), "seconds", json_number(seconds)));
        return;
    }
    for (int i = 0; i < v->figure_count; i++) {
        const figure *f = &v->figures[i];
        if (!*f->name) continue;
        printf("%-24s %s +- %s\n", f->name, show_figure(f->mean, mean),
               show_figure(deviation(v, f), spread));
    }
    printf("mean and deviation of %lld folds, in %s\n", (long long)v->folds,
           show_seconds(seconds, time));
}

static fm_status open_folds(cross_validation *v)
{
    fm_context *context = v->invocation->context;
    fm_status status = invocation_open_recipe(v->invocation, &v->recipe);
    if (status != FM_OK) return status;
    fm_recipe_data *data = fm_allocate_array(context, (size_t)v->folds, sizeof *data);
    if (!data) return FM_ERROR_MEMORY;
    status = fm_recipe_open_folds(v->recipe, &v->invocation->places, v->folds, data);
    terminal_wipe(&v->invocation->err);
    if (status == FM_OK) {
        v->data = data;
    } else {
        fm_release(context, data);
    }
    return status;
}

fm_status train_folds(invocation *s)
{
    cross_validation v = {.invocation = s, .folds = s->given->folds, .began = seconds_now()};
    fm_status status = check_paths(&v);
    if (status == FM_OK) status = open_folds(&v);
    progress_catch_signals();
    for (int64_t i = 0; i < v.folds && status == FM_OK && !v.interrupted; i++) {
        status = train_fold(&v, i);
    }
    progress_release_signals();
    if (status == FM_OK && v.interrupted) {
        fprintf(stderr, "interrupted after %lld of %lld folds\n", (long long)v.done,
                (long long)v.folds);
        status = FM_ERROR_CANCELLED;
    }
    if (status == FM_OK) tell_end(&v);
    for (int64_t i = 0; i < v.folds && v.data; i++) fm_recipe_data_close(&v.data[i]);
    fm_release(s->context, v.data);
    fm_recipe_destroy(v.recipe);
    return status;
}
