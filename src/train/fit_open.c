#include "train/fit.h"
#include "train/gradient_probe.h"
#include "train/health.h"
#include "train/privacy/private_training.h"
#include "base/fields.h"
#include "base/file.h"
#include "base/timeline.h"

#include <string.h>

enum { DEFAULT_BATCH = 32 };

const fm_field fm_fit_fields[] = {
    {"epochs", "passes over the training data", offsetof(fm_fit_options, epochs),
     .type = FM_FIELD_INT, .default_value = 1, .minimum = 1, .maximum = 1e9},
    {"batch_size", "samples in a step", offsetof(fm_fit_options, batch_size), .type = FM_FIELD_INT,
     .default_value = DEFAULT_BATCH, .minimum = 1, .maximum = 1 << 24},
    {"validation_split", "share of the training data, from its end, to validate on",
     offsetof(fm_fit_options, validation_split), .type = FM_FIELD_REAL, .maximum = 0.999999},
    {"shuffle", "a new order for each epoch", offsetof(fm_fit_options, no_shuffle),
     .type = FM_FIELD_NOT, .default_value = 1},
    {"drop_last", "leave out the last batch when it is smaller",
     offsetof(fm_fit_options, drop_last), .type = FM_FIELD_BOOL},
    {"seed", "of the order (default: the model's)", offsetof(fm_fit_options, seed),
     .type = FM_FIELD_INT},
    {"workers",
     "threads that read batches ahead (default: as many as compute, at most 4, where samples are "
     "decoded or varied while they are read, else none; -1: none)",
     offsetof(fm_fit_options, workers), .type = FM_FIELD_INT, .minimum = FM_NO_WORKERS,
     .maximum = 64},
    {"prefetch", "batches that may be ready ahead (default: 2 for each worker)",
     offsetof(fm_fit_options, prefetch), .type = FM_FIELD_INT, .maximum = 1024},
    {"initial_epoch", "where counting begins", offsetof(fm_fit_options, initial_epoch),
     .type = FM_FIELD_INT, .maximum = 1e9},
    {"ignore_nonfinite", "go on when the loss is NaN or infinite",
     offsetof(fm_fit_options, ignore_nonfinite), .type = FM_FIELD_BOOL},
    {"gradients_every",
     "steps between two looks at the layers' gradients, -1: the first step of each epoch",
     offsetof(fm_fit_options, gradients_every), .type = FM_FIELD_INT, .minimum = -1,
     .maximum = 1e15},
    {"time_limit", "seconds after which no further step is made (default: no limit)",
     offsetof(fm_fit_options, time_limit), .type = FM_FIELD_REAL, .maximum = 1e12},
    {"csv", "file of the history", offsetof(fm_fit_options, csv), .type = FM_FIELD_STRING},
    {"tensorboard", "folder of event files for TensorBoard", offsetof(fm_fit_options, tensorboard),
     .type = FM_FIELD_STRING},
    {"timeline", "file of what took how long, for chrome://tracing and ui.perfetto.dev",
     offsetof(fm_fit_options, timeline), .type = FM_FIELD_STRING},
    {0},
};

/* ---- files ----------------------------------------------------------------------------------- */

static fm_status check_writable(const fm_model *model, const char *path)
{
    return fm_file_check_writable(model->context, path);
}

/* An hour of training must not end with "permission denied", nor one file in another's place. */
static fm_status check_files(const fm_fit_run *run)
{
    const fm_fit_options *options = &run->options;
    const fm_checkpoint none = {0}, *saved = options->checkpoint ? options->checkpoint : &none;
    const struct {
        const char *what, *path;
        fm_status (*check)(const fm_model *model, const char *path);
    } files[] = {{"model", saved->path, fm_model_check_save},
                 {"best model", saved->best, fm_model_check_save},
                 {"timeline", options->timeline, check_writable},
                 {"history", options->csv, check_writable}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (!files[i].path) continue;
        for (size_t k = 0; k < i; k++) {
            if (!files[k].path || !fm_file_same(files[i].path, files[k].path)) continue;
            return fm_fail(run->model->context, FM_ERROR_ARGUMENT,
                           "%s: the %s would be written over the %s", files[i].path, files[i].what,
                           files[k].what);
        }
        fm_status status = files[i].check(run->model, files[i].path);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

/* ---- data ------------------------------------------------------------------------------------ */

static fm_status split_data(fm_fit_run *run, const fm_dataset *data)
{
    fm_context *context = run->model->context;
    run->train = data;
    run->validation = run->options.validation;
    double share = run->options.validation_split;
    if (share == 0) return FM_OK;
    if (run->validation) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "fit: give validation data or a validation_split, not both");
    }
    fm_status status = fm_dataset_split(context, data, &(fm_split_options){.fraction = share},
                                        &run->split[0], &run->split[1]);
    run->train = run->split[0];
    run->validation = run->split[1];
    return status;
}

/* Sequences side by side are read in their order, a batch a step of all of them. */
static fm_status keep_rows(fm_fit_run *run)
{
    const fm_dataset *sets[] = {run->train, run->validation};
    for (int i = 0; i < 2; i++) {
        if (!sets[i] || fm_dataset_about(sets[i])->rows == 0) continue;
        run->options.no_shuffle = true;
        fm_status status = fm_model_check_rows(run->model, sets[i], run->options.batch_size);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

/* Batches are drawn anew for each step, and nothing is told of a single one. */
static fm_status open_private(fm_fit_run *run)
{
    const fm_fit_options *options = &run->options;
    fm_context *context = run->model->context;
    int64_t count = fm_dataset_about(run->train)->count;
    if (options->no_shuffle) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "privacy: each batch is drawn at random, which excludes shuffle: false and "
                       "sequences that lie side by side");
    }
    if (fm_dataset_about(run->train)->group > 1) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "privacy: each example stands %lld times in \"%s\" (views), and is clipped "
                       "once",
                       (long long)fm_dataset_about(run->train)->group,
                       fm_dataset_about(run->train)->name);
    }
    if (options->gradients_every != 0) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "privacy: gradients_every would tell gradients of the data without noise");
    }
    run->drawn = (fm_private_batches){
        .context = context,
        .data = run->train,
        .steps = fm_private_epoch_steps(count, options->batch_size),
        .piece = fm_private_piece(run->model),
        .rate = (double)options->batch_size / (double)count,
        .seed = options->seed,
        .workers = fm_model_workers(run->model, run->train, options->batch_size, options->workers),
        .prefetch = options->prefetch};
    return FM_OK;
}

/* A loader's batches have room for batch_size samples, zeros behind the last: no more room than all
 * samples take. */
static int64_t batch_within(const fm_dataset *data, int64_t batch_size)
{
    const fm_dataset_info *info = fm_dataset_about(data);
    if (info->rows > 0 || info->group > 1 || info->count < 1) return batch_size;
    return info->count < batch_size ? info->count : batch_size;
}

static fm_status open_loaders(fm_fit_run *run)
{
    const fm_fit_options *options = &run->options;
    fm_loader_options loader = {
        .batch_size = options->drop_last ? options->batch_size
                                         : batch_within(run->train, options->batch_size),
        .shuffle = !options->no_shuffle,
        .drop_last = options->drop_last,
        .seed = options->seed,
        .workers = fm_model_workers(run->model, run->train, options->batch_size, options->workers),
        .prefetch = options->prefetch};
    const char **told = &run->model->context->trace.data;
    *told = "training";
    fm_status status = fm_model_check_data(run->model, run->train, true);
    if (status == FM_OK && run->model->private) {
        status = open_private(run);
    } else if (status == FM_OK) {
        status = fm_loader_create(run->model->context, run->train, &loader, &run->loader);
    }
    if (status != FM_OK || !run->validation) return status;
    loader.shuffle = loader.drop_last = false;
    loader.by_length = true;
    loader.batch_size = batch_within(run->validation, options->batch_size);
    loader.workers =
        fm_model_workers(run->model, run->validation, options->batch_size, options->workers);
    status = fm_model_check_data(run->model, run->validation, true);
    if (status != FM_OK) return status;
    *told = "validation";
    status =
        fm_loader_create(run->model->context, run->validation, &loader, &run->validation_loader);
    *told = "training"; /* private training opens a loader in each epoch */
    return status;
}

/* The form of most batches. */
static fm_batch_form usual_form(const fm_loader *loader)
{
    fm_batch_form form, usual = fm_loader_form(loader, 0);
    for (int i = 1; (form = fm_loader_form(loader, i)).batches > 0; i++) {
        if (form.count == usual.count && form.batches > usual.batches) usual = form;
    }
    return usual;
}

/* What a program carries goes to its own next run alone. */
static fm_status refuse_carrying(const fm_fit_run *run)
{
    const fm_carried_variable carried = fm_program_carried(run->whole->program, 0);
    if (!carried.path || fm_dataset_about(run->train)->buckets.count == 0) return FM_OK;
    return fm_fail(run->model->context, FM_ERROR_ARGUMENT,
                   "fit: '%s' goes from each batch to the next, which have several lengths: take "
                   "data without buckets",
                   carried.path);
}

static fm_status compile_private(fm_fit_run *run)
{
    const fm_fit_options *options = &run->options;
    const fm_training *training = &run->model->training;
    int64_t done = training->epoch * run->drawn.steps + training->batch;
    fm_status status = fm_private_plan_run(run->model, fm_dataset_about(run->train)->count,
                                           options->batch_size, options->epochs, done);
    return status == FM_OK ? fm_private_open(run->model) : status;
}

static fm_status compile_training(fm_fit_run *run)
{
    fm_model *model = run->model;
    const fm_batch_form usual = usual_form(run->loader);
    const fm_program_form whole = {FM_TRAIN, usual.count, usual.length};
    fm_status status = fm_model_compiled(model, whole, &run->whole);
    if (status == FM_OK) status = refuse_carrying(run);
    if (status == FM_OK) status = fm_model_compile_forms(model, FM_TRAIN, run->loader);
    run->health = run->options.health && model->options.memory == 0;
    if (status != FM_OK || (!run->options.gradients_every && !run->health)) return status;
    unsigned parts =
        (run->options.tensorboard ? FM_PROBE_ELEMENTS : 0) | (run->health ? FM_PROBE_OUTPUTS : 0);
    status = fm_gradient_probe_open(model, usual.count, usual.length, parts);
    return status == FM_OK && run->health ? fm_health_open(model) : status;
}

/* Training programs first, and of them that of most batches: variables take the layout that the
 * first program wants. */
static fm_status compile_all(fm_fit_run *run)
{
    fm_status status = run->model->private ? compile_private(run) : compile_training(run);
    if (status != FM_OK || !run->validation) return status;
    return fm_model_compile_forms(run->model, FM_EVALUATE, run->validation_loader);
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static fm_status write_csv(void *user, fm_event *event)
{
    return fm_history_write_csv(event->model, user);
}

static void add_callback(fm_fit_run *run, const fm_callback *callback)
{
    run->callbacks[run->callback_count++] = callback;
}

static fm_status open_first(fm_fit_run *run)
{
    const fm_fit_options *options = &run->options;
    fm_status status = FM_OK;
    if (options->reduce_on_plateau) {
        status = fm_plateau_watch_open(run->model, options->reduce_on_plateau, run->validation,
                                       &run->plateau, &run->built_in[0]);
        add_callback(run, &run->built_in[0]);
    }
    if (status == FM_OK && options->early_stopping) {
        status = fm_early_watch_open(run->model, options->early_stopping, run->validation,
                                     &run->early, &run->built_in[1]);
        add_callback(run, &run->built_in[1]);
    }
    return status;
}

static fm_status open_last(fm_fit_run *run)
{
    const fm_fit_options *options = &run->options;
    if (options->csv) {
        run->built_in[2] = (fm_callback){
            .name = "csv", .user = (void *)(uintptr_t)options->csv, .epoch_end = write_csv};
        add_callback(run, &run->built_in[2]);
    }
    if (options->tensorboard) {
        fm_status status = fm_event_watch_open(run->model, options->tensorboard, run->train,
                                               run->validation, &run->events, &run->built_in[4]);
        if (status != FM_OK) return status;
        add_callback(run, &run->built_in[4]);
    }
    if (!options->checkpoint) return FM_OK;
    add_callback(run, &run->built_in[3]);
    return fm_saver_open(run->model, options->checkpoint, run->validation, &run->saver,
                         &run->built_in[3]);
}

static fm_status check_callbacks(const fm_fit_run *run)
{
    for (int i = 0; i < run->callback_count; i++) {
        const char *name = run->callbacks[i]->name;
        if (!name) {
            return fm_fail(run->model->context, FM_ERROR_ARGUMENT, "a callback has no name");
        }
        int64_t kept = run->callbacks[i]->state_count;
        if (kept < 0 || (kept > 0 && !run->callbacks[i]->state)) {
            return fm_fail(run->model->context, FM_ERROR_ARGUMENT,
                           "callback '%s' has a state_count of %lld%s", name, (long long)kept,
                           kept > 0 ? " and no state" : "");
        }
        for (int k = 0; k < i; k++) {
            if (strcmp(name, run->callbacks[k]->name) != 0) continue;
            return fm_fail(run->model->context, FM_ERROR_ARGUMENT, "two callbacks are called '%s'",
                           name);
        }
    }
    return FM_OK;
}

static fm_status open_callbacks(fm_fit_run *run)
{
    fm_model *model = run->model;
    const fm_fit_options *options = &run->options;
    size_t count = (size_t)options->callback_count + sizeof run->built_in / sizeof *run->built_in;
    run->callbacks = fm_allocate_array(model->context, count, sizeof *run->callbacks);
    if (!run->callbacks) return FM_ERROR_MEMORY;
    fm_status status = open_first(run);
    for (int i = 0; i < options->callback_count; i++) add_callback(run, &options->callbacks[i]);
    if (status == FM_OK) status = open_last(run);
    if (status == FM_OK) status = check_callbacks(run);
    for (int i = 0; i < run->callback_count && status == FM_OK; i++) {
        status = fm_training_restore_state(model, run->callbacks[i]);
    }
    model->training.callbacks = run->callbacks;
    model->training.callback_count = run->callback_count;
    /* so that keeping them during the run allocates nothing */
    return status == FM_OK ? fm_training_keep_states(model) : status;
}

/* ---- the place ------------------------------------------------------------------------------- */

static fm_status check_place(const fm_fit_run *run)
{
    const fm_training *training = &run->model->training;
    const struct {
        const char *name;
        int64_t had, now;
    } same[] = {{"batch_size", training->batch_size, run->options.batch_size},
                {"number of samples", training->data_count, fm_dataset_about(run->train)->count},
                {"seed", training->order_seed, run->options.seed},
                {"shuffle", training->shuffled, !run->options.no_shuffle}};
    if (training->lost) {
        return fm_fail(run->model->context, FM_ERROR_ARGUMENT,
                       "fit: a run that met a NaN cannot be resumed; load a checkpoint");
    }
    for (size_t i = 0; i < sizeof same / sizeof same[0] && training->batch > 0; i++) {
        if (same[i].had == same[i].now) continue;
        return fm_fail(run->model->context, FM_ERROR_ARGUMENT,
                       "fit: the run to be resumed stands at batch %lld of an epoch with %s %lld, "
                       "received %lld",
                       (long long)training->batch, same[i].name, (long long)same[i].had,
                       (long long)same[i].now);
    }
    return FM_OK;
}

static fm_status open_place(fm_fit_run *run)
{
    fm_training *training = &run->model->training;
    const fm_fit_options *options = &run->options;
    if (!options->resume) {
        fm_training_clear(run->model);
        training->epoch = options->initial_epoch;
    }
    fm_status status = check_place(run);
    if (status != FM_OK) return status;
    training->history.stop = FM_STOP_NONE;
    training->batch_size = options->batch_size;
    training->data_count = fm_dataset_about(run->train)->count;
    training->order_seed = options->seed;
    training->shuffled = !options->no_shuffle;
    return FM_OK;
}

/* What is carried from batch to batch belongs to samples in their order. */
static void warn_of_shuffling(const fm_fit_run *run)
{
    if (!run->whole) return; /* private training refuses what is carried */
    const fm_carried_variable carried = fm_program_carried(run->whole->program, 0);
    if (!carried.path || run->options.no_shuffle) return;
    fm_report(run->model->context, FM_LOG_WARNING,
              "fit: '%s' goes from each batch to the next, but samples are shuffled; set shuffle: "
              "false and give them in order",
              carried.path);
}

static void open_event(fm_fit_run *run)
{
    const fm_training *training = &run->model->training;
    int64_t count = fm_dataset_about(run->train)->count, size = run->options.batch_size;
    bool whole_batches = run->options.drop_last || run->model->private;
    run->event =
        (fm_event){.model = run->model,
                   .epoch = training->epoch,
                   .epochs = run->options.epochs,
                   .batch = training->batch,
                   .batches = run->loader ? fm_loader_batches(run->loader) : run->drawn.steps,
                   .epoch_samples = whole_batches ? count / size * size : count,
                   .learning_rate = training->rate,
                   .rate_factor = training->rate_factor};
}

fm_status fm_fit_read_ahead(fm_fit_run *run, int64_t epoch, int64_t batch)
{
    if (!run->loader || run->begun == epoch) return FM_OK;
    int64_t *told = &run->model->context->trace.epoch, before = *told;
    *told = epoch;
    fm_status status = fm_loader_begin(run->loader, epoch, batch);
    *told = before;
    run->begun = epoch;
    return status;
}

fm_status fm_fit_run_open(fm_model *model, const fm_dataset *data, const fm_fit_options *options,
                          fm_fit_run *run)
{
    run->model = model;
    run->begun = -1;
    if (options) run->options = *options;
    run->options.seed = fm_or_int(run->options.seed, (int64_t)fm_store_seed(model->store));
    fm_status status = fm_fields_complete(model->context, fm_fit_fields, &run->options, "fit");
    if (run->options.tensorboard && run->options.gradients_every == 0 && !model->private) {
        run->options.gradients_every = FM_EACH_EPOCH;
    }
    if (status == FM_OK) status = check_files(run);
    if (status == FM_OK) status = split_data(run, data);
    if (status == FM_OK) status = keep_rows(run);
    if (status == FM_OK) status = open_loaders(run);
    if (status == FM_OK) status = open_place(run);
    if (status == FM_OK) {
        status = fm_fit_read_ahead(run, model->training.epoch, model->training.batch);
    }
    double began = fm_span_begin(model->context);
    if (status == FM_OK) status = compile_all(run);
    fm_span_end(model->context, "compile", began);
    if (status == FM_OK) status = open_callbacks(run);
    if (status != FM_OK) return status;
    run->guard = (fm_guard){.model = model, .loader = run->loader, .whole = run->whole};
    run->first_epoch = model->training.epoch;
    open_event(run);
    warn_of_shuffling(run);
    return FM_OK;
}

void fm_fit_run_close(fm_fit_run *run)
{
    fm_model *model = run->model;
    model->training.callbacks = NULL;
    model->training.callback_count = 0;
    fm_event_watch_close(run->events);
    fm_guard_release(&run->guard);
    fm_loader_destroy(run->loader);
    fm_loader_destroy(run->validation_loader);
    if (model->private) fm_private_batches_release(&run->drawn);
    fm_dataset_destroy(run->split[0]);
    fm_dataset_destroy(run->split[1]);
    fm_release(model->context, run->callbacks);
    fm_release(model->context, run);
}
