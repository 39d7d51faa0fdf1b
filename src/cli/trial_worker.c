#include "cli/trial_worker.h"
#include "cli/exit_codes.h"
#include "cli/json_lines.h"
#include "cli/memory_check.h"
#include "base/context.h"
#include "base/fields.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "train/watch.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char trial_worker_word[] = "trial-worker";

enum { PATH_SIZE = 4096 };
static const double look_seconds = 0.05, save_seconds = 20;

typedef struct worker {
    arguments given;
    invocation invocation;
    json_t *setup;
    const char *recipe_path, *monitor;
    int mode;
    bool last;
    int64_t folds; /* 1: the recipe's own parts */

    /* data of the trial before, with the recipe that opened them and what it depended on */
    fm_recipe *data_recipe;
    fm_recipe_data *data; /* one a fold */
    fm_text data_key;
    bool has_data;

    bool stopped; /* nobody waits for an answer */
    double looked_at;
} worker;

/* A fold of a trial while it is trained. */
typedef struct run {
    worker *worker;
    fm_model *model;
    fm_monitor monitor;
    char state[PATH_SIZE], events[PATH_SIZE]; /* events: a folder of its own for TensorBoard */
    bool keep, tells;                         /* tells: progress of the only fold */
    double saved_at;
    int64_t to, trial, fold;
} run;

/* What a trial, or a fold of it, came to. */
typedef struct outcome {
    double value;
    int64_t epoch, trained;
} outcome;

/* ---- talking --------------------------------------------------------------------------------- */

/* With all the digits, unlike json_print. */
static void answer(json_t *object)
{
    if (!object) return;
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
    fputc('\n', stdout);
    fflush(stdout);
    json_decref(object);
}

static void answer_failure(worker *w)
{
    fm_context *context = w->invocation.context;
    answer(json_pack("{s:o, s:i}", "failed", json_text(fm_error_message(context)), "status",
                     (int)fm_error_status(context)));
}

static bool nobody_waits(worker *w)
{
    struct pollfd in = {.fd = STDIN_FILENO};
    double now = seconds_now();
    if (w->stopped || now - w->looked_at < look_seconds) return w->stopped;
    w->looked_at = now;
    w->stopped = poll(&in, 1, 0) > 0 && (in.revents & (POLLHUP | POLLERR));
    return w->stopped;
}

/* NULL at the end of stdin, or for what is no line of JSON. The caller releases *line. */
static json_t *read_line(char **line, size_t *capacity)
{
    ssize_t size = getline(line, capacity, stdin);
    return size > 0 ? json_loadb(*line, (size_t)size, 0, NULL) : NULL;
}

/* Lists of texts live as long as the object. */
static const char **texts_of(fm_context *context, const json_t *list, int *count)
{
    *count = (int)json_array_size(list);
    const char **texts = fm_allocate_array(context, (size_t)*count + 1, sizeof *texts);
    for (int i = 0; texts && i < *count; i++) {
        texts[i] = json_string_value(json_array_get(list, (size_t)i));
        if (!texts[i]) texts[i] = "";
    }
    return texts;
}

/* ---- data ------------------------------------------------------------------------------------ */

static void close_data(worker *w)
{
    for (int64_t i = 0; i < w->folds && w->has_data; i++) fm_recipe_data_close(&w->data[i]);
    fm_recipe_destroy(w->data_recipe);
    w->data_recipe = NULL;
    w->has_data = false;
}

/* What is set of the sections that the data depend on. */
static fm_status make_key(worker *w, const char *const *set, int count, fm_text *key)
{
    static const char *const sections[] = {"data", "loss", "train"};
    *key = FM_TEXT(w->invocation.context);
    for (int i = 0; i < count; i++) {
        for (int s = 0; s < 3; s++) {
            if (strncmp(set[i], sections[s], strlen(sections[s])) == 0) {
                fm_text_add(key, "%s\n", set[i]);
            }
        }
    }
    return fm_text_status(key);
}

static fm_status open_parts(worker *w, fm_recipe *recipe)
{
    const fm_data_places *places = &w->invocation.places;
    if (w->folds > 1) return fm_recipe_open_folds(recipe, places, w->folds, w->data);
    return fm_recipe_open_data(recipe, places, NULL, w->data);
}

static fm_status open_data(worker *w, const char *const *set, int count)
{
    fm_text key;
    fm_status status = make_key(w, set, count, &key);
    bool same = w->has_data && strcmp(fm_text_string(&key), fm_text_string(&w->data_key)) == 0;
    if (status != FM_OK || same) {
        fm_text_release(&key);
        return status;
    }
    close_data(w);
    fm_text_release(&w->data_key);
    w->data_key = key;
    fm_context *context = w->invocation.context;
    status = fm_recipe_open(context, w->recipe_path, set, count, &w->data_recipe);
    if (status == FM_OK) status = open_parts(w, w->data_recipe);
    w->has_data = status == FM_OK;
    if (status != FM_OK) close_data(w);
    return status;
}

/* ---- training -------------------------------------------------------------------------------- */

static fm_status save(run *r)
{
    r->saved_at = seconds_now();
    return fm_model_save(r->model, r->state, NULL);
}

static fm_status at_batch_end(void *user, fm_event *event)
{
    run *r = user;
    if (nobody_waits(r->worker)) event->stop = true;
    bool inside = event->batch < event->batches;
    return inside && seconds_now() - r->saved_at > save_seconds ? save(r) : FM_OK;
}

static fm_status at_epoch_end(void *user, fm_event *event)
{
    run *r = user;
    if (r->tells) {
        double value = fm_monitor_value(r->model, &r->monitor, event->finished);
        answer(json_pack("{s:I, s:o}", "epoch", (json_int_t)event->epoch + 1, "value",
                         json_number(value)));
    }
    bool last = event->epoch + 1 == event->epochs;
    bool due = last ? r->keep : seconds_now() - r->saved_at > save_seconds;
    return due ? save(r) : FM_OK;
}

/* The model as its state was left; where that cannot be read, as it begins. */
static fm_status open_model(run *r, fm_recipe *recipe, const fm_recipe_data *data, bool *resumed)
{
    *resumed = false;
    fm_status status = fm_recipe_create_model(recipe, data->transform, &r->model);
    if (status != FM_OK) return status;
    if (fm_file_exists(r->state)) {
        if (fm_model_load(r->model, r->state, NULL) == FM_OK) {
            *resumed = true;
            return FM_OK;
        }
        fm_model_destroy(r->model);
        status = fm_recipe_create_model(recipe, data->transform, &r->model);
        if (status != FM_OK) return status;
    }
    return fm_recipe_start(recipe, r->model);
}

static fm_status check_memory(run *r, const fm_recipe *recipe, const fm_recipe_data *data)
{
    const fm_field *field = fm_field_find(fm_fit_fields, "batch_size");
    int64_t batch = fm_field_int(field, &fm_recipe_about(recipe)->fit);
    int64_t samples = fm_dataset_about(data->train)->count;
    if (samples < 1) return FM_OK; /* fit says so */
    return memory_check(&r->worker->invocation, r->model, samples < batch ? samples : batch);
}

/* Each trial, and each of its folds, is a run of TensorBoard's. */
static const char *name_events(run *r, const char *folder)
{
    if (r->tells) {
        snprintf(r->events, sizeof r->events, "%s/trial-%lld", folder, (long long)r->trial);
    } else {
        snprintf(r->events, sizeof r->events, "%s/trial-%lld/fold-%lld", folder,
                 (long long)r->trial, (long long)r->fold + 1);
    }
    return r->events;
}

static fm_status fit(run *r, fm_recipe *recipe, const fm_recipe_data *data, bool resumed)
{
    fm_fit_options options = fm_recipe_about(recipe)->fit;
    const fm_callback callback = {
        .name = "trial", .user = r, .batch_end = at_batch_end, .epoch_end = at_epoch_end};
    options.epochs = r->to;
    options.validation = data->validation;
    options.resume = resumed;
    options.callbacks = &callback;
    options.callback_count = 1;
    options.csv = options.timeline = NULL;
    if (options.tensorboard) options.tensorboard = name_events(r, options.tensorboard);
    r->saved_at = seconds_now();
    fm_status status = fm_fit(r->model, data->train, &options);
    if (status == FM_OK && r->worker->stopped) status = save(r);
    return status;
}

static fm_status judge(const run *r, outcome *result)
{
    const fm_history *history = fm_model_history(r->model);
    *result = (outcome){.value = NAN, .trained = history->count};
    for (int64_t i = 0; i < history->count; i++) {
        double value = fm_monitor_value(r->model, &r->monitor, &history->epochs[i]);
        bool counts = r->worker->last || isnan(result->value) ||
                      fm_monitor_better(&r->monitor, value, result->value, 0);
        if (!counts) continue;
        result->value = value;
        result->epoch = i + 1;
    }
    if (isfinite(result->value) || r->worker->stopped) return FM_OK;
    return fm_fail(fm_model_context(r->model), FM_ERROR_NONFINITE, "%s is not a number",
                   r->monitor.name);
}

static fm_status train_fold(worker *w, fm_recipe *recipe, const fm_recipe_data *data,
                            const json_t *job, int64_t fold, outcome *result)
{
    run r = {.worker = w,
             .to = json_integer_value(json_object_get(job, "to")),
             .trial = json_integer_value(json_object_get(job, "trial")),
             .fold = fold,
             .keep = json_is_true(json_object_get(job, "keep")),
             .tells = w->folds == 1};
    const char *state = json_string_value(json_object_get(job, "state"));
    snprintf(r.state, sizeof r.state, w->folds > 1 ? "%s.fold%lld" : "%s", state ? state : "",
             (long long)fold + 1);
    bool resumed;
    fm_status status = open_model(&r, recipe, data, &resumed);
    if (status == FM_OK) status = check_memory(&r, recipe, data);
    if (status == FM_OK) {
        status = fm_monitor_open(r.model, "objective", w->monitor, w->mode,
                                 data->validation != NULL, &r.monitor);
    }
    if (status == FM_OK) status = fit(&r, recipe, data, resumed);
    if (status == FM_OK) status = judge(&r, result);
    fm_model_destroy(r.model);
    return status;
}

/* The objective of several folds is their mean; so is the epoch that had it. */
static fm_status train_folds(worker *w, fm_recipe *recipe, const json_t *job, outcome *result)
{
    *result = (outcome){0};
    double epochs = 0;
    for (int64_t i = 0; i < w->folds; i++) {
        outcome fold;
        fm_status status = train_fold(w, recipe, &w->data[i], job, i, &fold);
        if (status != FM_OK || w->stopped) return status;
        result->value += fold.value / (double)w->folds;
        epochs += (double)fold.epoch / (double)w->folds;
        if (fold.trained > result->trained) result->trained = fold.trained;
        if (w->folds > 1) {
            answer(json_pack("{s:I, s:I, s:o}", "fold", (json_int_t)i + 1, "epoch",
                             (json_int_t)fold.trained, "value", json_number(fold.value)));
        }
    }
    result->epoch = (int64_t)(epochs + 0.5);
    return FM_OK;
}

static fm_status do_job(worker *w, const json_t *job, outcome *result)
{
    fm_context *context = w->invocation.context;
    int count;
    const char **set = texts_of(context, json_object_get(job, "set"), &count);
    fm_recipe *recipe = NULL;
    fm_status status = set ? open_data(w, set, count) : FM_ERROR_MEMORY;
    if (status == FM_OK) status = fm_recipe_open(context, w->recipe_path, set, count, &recipe);
    if (status == FM_OK) status = train_folds(w, recipe, job, result);
    fm_recipe_destroy(recipe);
    fm_release(context, set);
    return status;
}

static void answer_job(worker *w, const json_t *job)
{
    outcome result;
    double began = seconds_now();
    fm_error_clear(w->invocation.context);
    fm_status status = do_job(w, job, &result);
    if (w->stopped) return;
    if (status != FM_OK) {
        answer_failure(w);
        return;
    }
    answer(json_pack("{s:b, s:f, s:I, s:I, s:f}", "done", 1, "value", result.value, "epoch",
                     (json_int_t)result.epoch, "trained", (json_int_t)result.trained, "seconds",
                     seconds_now() - began));
}

/* ---- the beginning --------------------------------------------------------------------------- */

static bool begin(worker *w)
{
    const json_t *setup = w->setup;
    w->given = (arguments){.data = json_string_value(json_object_get(setup, "data")),
                           .threads = json_integer_value(json_object_get(setup, "threads")),
                           .quiet = true};
    w->recipe_path = json_string_value(json_object_get(setup, "recipe"));
    w->monitor = json_string_value(json_object_get(setup, "monitor"));
    w->mode = (int)json_integer_value(json_object_get(setup, "mode"));
    w->last = json_is_true(json_object_get(setup, "last"));
    w->folds = json_integer_value(json_object_get(setup, "folds"));
    if (w->folds < 1) w->folds = 1;
    if (!w->recipe_path || !invocation_open(&w->invocation, &w->given)) return false;
    w->data_key = FM_TEXT(w->invocation.context);
    w->data = fm_allocate_array(w->invocation.context, (size_t)w->folds, sizeof *w->data);
    return w->data != NULL;
}

/* The recipe as it stands must be one that can be trained, and know what the objective is. */
static fm_status try_recipe(worker *w, bool *maximize)
{
    fm_context *context = w->invocation.context;
    int count;
    const char **set = texts_of(context, json_object_get(w->setup, "set"), &count);
    fm_monitor monitor;
    fm_model *model = NULL;
    fm_status status = set ? open_data(w, set, count) : FM_ERROR_MEMORY;
    if (status == FM_OK) {
        status = fm_recipe_create_model(w->data_recipe, w->data[0].transform, &model);
    }
    if (status == FM_OK) {
        status = fm_monitor_open(model, "objective", w->monitor, w->mode,
                                 w->data[0].validation != NULL, &monitor);
    }
    if (status == FM_OK) *maximize = monitor.maximize;
    fm_model_destroy(model);
    fm_release(context, set);
    return status;
}

static bool answer_setup(worker *w)
{
    bool maximize;
    if (try_recipe(w, &maximize) != FM_OK) {
        answer_failure(w);
        return false;
    }
    answer(json_pack("{s:b, s:b}", "ready", 1, "maximize", maximize));
    return true;
}

int trial_worker_run(void)
{
    worker w = {0};
    char *line = NULL;
    size_t capacity = 0;
    signal(SIGINT, SIG_IGN); /* the search decides when to stop */
    signal(SIGPIPE, SIG_IGN);
    w.setup = read_line(&line, &capacity);
    if (!w.setup || !begin(&w)) {
        fprintf(stderr, "fathom %s: is started by 'fathom tune'\n", trial_worker_word);
        json_decref(w.setup);
        free(line);
        return EXIT_USAGE;
    }
    json_t *job;
    bool ready = answer_setup(&w);
    while (ready && !w.stopped && (job = read_line(&line, &capacity))) {
        answer_job(&w, job);
        json_decref(job);
    }
    close_data(&w);
    fm_text_release(&w.data_key);
    fm_release(w.invocation.context, w.data);
    int code = invocation_close(&w.invocation, FM_OK);
    json_decref(w.setup);
    free(line);
    return code;
}
