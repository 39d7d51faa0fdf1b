/* The loop over epochs and batches. */
#include "train/fit.h"
#include "base/clock.h"
#include "base/fields.h"
#include "base/timeline.h"
#include "run/program_trace.h"
#include "train/fit_timeline.h"
#include "train/health.h"
#include "train/label_range.h"
#include "train/privacy/private_training.h"

#include <math.h>
#include <string.h>

/* ---- events ---------------------------------------------------------------------------------- */

static void refresh_event(fm_fit_run *run)
{
    fm_event *event = &run->event;
    const fm_training *training = &run->model->training;
    double now = fm_now();
    event->seconds = now - run->started;
    event->epoch_seconds = run->seconds_before + now - run->epoch_started;
    event->batch = training->batch;
    event->samples = training->samples;
    int64_t here = training->samples - run->samples_before;
    double spent = now - run->epoch_started;
    event->samples_per_second = spent > 0 ? (double)here / spent : 0;
    double rate = event->samples_per_second;
    event->epoch_eta = rate > 0 ? (double)(event->epoch_samples - event->samples) / rate : NAN;
    double left = (double)(event->epochs - event->epoch - 1) * (double)event->epoch_samples;
    event->eta = rate > 0 ? event->epoch_eta + left / rate : NAN;
}

void fm_event_scores(const fm_event *event, fm_scores *scores)
{
    const fm_model *model = event->model;
    const fm_training *training = &model->training;
    if (event->finished) {
        *scores = event->finished->train;
    } else {
        fm_scores_make(model, training->loss_sum, training->samples, model->train_metrics, scores);
    }
}

typedef fm_status (*hook)(void *user, fm_event *event);

/* Shorter ones would fill the timeline. */
static const double told_hook_seconds = 50e-6;

static void trace_hook(const fm_fit_run *run, const fm_callback *callback, double began)
{
    fm_context *context = run->model->context;
    if (fm_traced(context) && fm_now() - began >= told_hook_seconds) {
        fm_span_end(context, callback->name, began);
    }
}

static fm_status check_rate_factor(const fm_fit_run *run, const fm_callback *callback)
{
    if (run->event.rate_factor >= 0 && isfinite(run->event.rate_factor)) return FM_OK;
    return fm_fail(run->model->context, FM_ERROR_ARGUMENT, "callback '%s' set rate_factor to %g",
                   callback->name, run->event.rate_factor);
}

/* A hook of all callbacks, by its place in the record. */
static fm_status call_hooks(fm_fit_run *run, size_t offset)
{
    for (int i = 0; i < run->callback_count; i++) {
        const fm_callback *callback = run->callbacks[i];
        hook call;
        memcpy(&call, (const char *)callback + offset, sizeof call);
        if (!call) continue;
        fm_error_clear(run->model->context);
        double began = fm_span_begin(run->model->context);
        fm_status status = call(callback->user, &run->event);
        trace_hook(run, callback, began);
        if (status == FM_OK) status = check_rate_factor(run, callback);
        if (status == FM_OK) {
            run->model->training.rate_factor = run->event.rate_factor; /* the next one may save */
            continue;
        }
        if (fm_error_status(run->model->context) == status) return status;
        return fm_fail(run->model->context, status, "callback '%s' failed: %s", callback->name,
                       fm_status_name(status));
    }
    return FM_OK;
}

#define CALL_HOOKS(run, name) call_hooks(run, offsetof(fm_callback, name))

static bool must_stop(const fm_fit_run *run)
{
    return run->event.stop;
}

/* ---- a step ---------------------------------------------------------------------------------- */

static double next_rate(const fm_fit_run *run)
{
    double rate = fm_model_rate(run->model, (double)run->event.batches);
    if (run->plateau.model) rate = fm_plateau_watch_rate(&run->plateau, rate);
    return rate * run->event.rate_factor;
}

static fm_status measure_gradients(fm_fit_run *run, const fm_batch *batch,
                                   const fm_compiled *compiled)
{
    const fm_gradients *measured;
    int64_t every = run->options.gradients_every;
    run->event.gradients = NULL;
    if (every == 0 && !run->health) return FM_OK;
    uint64_t steps = fm_store_step(run->model->store) - run->first_step;
    bool first = run->model->training.batch == 0;
    if (every == FM_EACH_EPOCH ? first : every && steps % (uint64_t)every == 0) {
        run->gradients_due = true;
    }
    if (run->health && first) run->health_due = true;
    bool smaller = batch->count != run->whole->batch; /* it is not measured */
    if (compiled != run->whole && !smaller) return FM_OK;
    bool due = run->gradients_due && !smaller, health = run->health_due && !smaller;
    run->gradients_due = run->health_due = false;
    if (!due && !health) return FM_OK;
    double began = fm_span_begin(run->model->context);
    fm_status status = fm_model_gradients(run->model, batch, &measured);
    fm_span_end(run->model->context, "gradients", began);
    if (status == FM_OK && health) fm_health_record(run->model, measured);
    if (due) run->event.gradients = measured;
    return status;
}

static fm_status run_compiled(fm_fit_run *run, fm_compiled *compiled, const fm_batch *batch,
                              double rate)
{
    fm_model *model = run->model;
    const bool traced = fm_fit_traces_ops(model, fm_store_step(model->store) - run->first_step);
    fm_program_trace(compiled->program, traced);
    fm_status status = fm_compiled_run(model, compiled, batch->x, batch->y, rate);
    fm_program_trace(compiled->program, false);
    return status;
}

static fm_status run_step(fm_fit_run *run, const fm_batch *batch)
{
    fm_model *model = run->model;
    fm_training *training = &model->training;
    const fm_program_form form = {FM_TRAIN, batch->count, batch->length};
    fm_compiled *compiled = fm_model_find_compiled(model, form); /* open made it */
    double rate = next_rate(run);
    fm_status status =
        training->epoch == run->first_epoch ? fm_labels_check(model, run->train, batch) : FM_OK;
    if (status == FM_OK && !run->options.ignore_nonfinite) {
        status = fm_guard_before(&run->guard, training->epoch, training->batch, rate);
    }
    if (status == FM_OK) status = measure_gradients(run, batch, compiled);
    if (status == FM_OK) status = run_compiled(run, compiled, batch, rate);
    if (status != FM_OK) return status;
    double loss = fm_compiled_loss(model, compiled);
    if (!run->options.ignore_nonfinite && !isfinite(loss)) {
        training->lost = true;
        return fm_guard_explain(&run->guard, loss);
    }
    status = fm_compiled_measure(model, compiled, model->train_metrics, batch->y, batch->count);
    training->loss_sum += loss * (double)batch->count;
    training->samples += batch->count;
    training->batch++;
    training->rate = run->event.learning_rate = rate;
    run->event.loss = loss;
    return status;
}

static fm_status run_pieces(fm_fit_run *run, double *loss_sum, int64_t *count)
{
    fm_model *model = run->model;
    fm_batch piece;
    fm_private_batches_step(&run->drawn);
    fm_status status = fm_private_begin(model);
    while (status == FM_OK) {
        status = fm_private_batches_next(&run->drawn, &piece);
        if (status != FM_OK || piece.count == 0) return status;
        status = fm_labels_check(model, run->drawn.view, &piece);
        if (status != FM_OK) return status;
        status =
            fm_private_add(model, piece.x, piece.y, piece.count, model->train_metrics, loss_sum);
        *count += piece.count;
    }
    return status;
}

/* A batch may be empty: noise alone is an update, too. */
static fm_status run_private_step(fm_fit_run *run)
{
    fm_training *training = &run->model->training;
    double rate = next_rate(run), loss_sum = 0;
    int64_t count = 0;
    fm_status status = run_pieces(run, &loss_sum, &count);
    if (status != FM_OK) return status;
    if (!run->options.ignore_nonfinite && !isfinite(loss_sum)) {
        training->lost = true;
        return fm_fail(run->model->context, FM_ERROR_NONFINITE,
                       "epoch %lld, batch %lld: the loss is %s; the variables are those of before "
                       "that step. A lower learning rate may help",
                       (long long)training->epoch + 1, (long long)training->batch + 1,
                       isnan(loss_sum) ? "NaN" : "infinite");
    }
    training->loss_sum += loss_sum;
    training->samples += count;
    training->batch++;
    training->rate = run->event.learning_rate = rate;
    if (count > 0) run->event.loss = loss_sum / (double)count;
    return fm_private_end(run->model, rate);
}

static fm_status after_step(fm_fit_run *run)
{
    refresh_event(run);
    fm_status status = CALL_HOOKS(run, batch_end);
    double limit = run->options.time_limit;
    if (limit > 0 && run->event.seconds >= limit && !must_stop(run)) {
        run->model->training.history.stop = FM_STOP_TIME;
        run->event.stop = true;
    }
    return status;
}

/* ---- an epoch -------------------------------------------------------------------------------- */

static fm_status begin_epoch(fm_fit_run *run)
{
    fm_training *training = &run->model->training;
    run->model->context->trace.epoch = training->epoch;
    fm_timeline_mark(run->model->context, "epoch");
    run->event.epoch = training->epoch;
    run->event.finished = NULL;
    run->epoch_started = fm_now();
    run->seconds_before = training->epoch_seconds;
    run->samples_before = training->samples;
    refresh_event(run);
    fm_status status = training->batch ? FM_OK : fm_model_reset(run->model, FM_TRAIN);
    if (status == FM_OK && run->health) status = fm_health_begin(run->model);
    if (status == FM_OK && run->model->private) {
        status =
            fm_private_batches_begin(&run->drawn, &run->model->private->secret, training->epoch,
                                     training->batch, fm_store_step(run->model->store));
    } else if (status == FM_OK) {
        status = fm_fit_read_ahead(run, training->epoch, training->batch);
    }
    return status == FM_OK ? CALL_HOOKS(run, epoch_begin) : status;
}

static fm_status run_next(fm_fit_run *run, bool *over)
{
    fm_context *context = run->model->context;
    fm_batch batch;
    fm_status status = FM_OK;
    if (run->model->private) {
        *over = run->model->training.batch == run->event.batches;
    } else {
        status = fm_loader_next(run->loader, &batch);
        *over = batch.count == 0;
    }
    if (status != FM_OK || *over) return status;
    context->trace.batch = run->model->training.batch;
    double began = fm_span_begin(context);
    status = run->model->private ? run_private_step(run) : run_step(run, &batch);
    fm_span_end(context, "step", began);
    return status;
}

static fm_status run_batches(fm_fit_run *run)
{
    for (;;) {
        bool over;
        fm_status status = run_next(run, &over);
        if (status != FM_OK || over) return status;
        status = after_step(run);
        if (status != FM_OK || must_stop(run)) return status;
    }
}

static fm_status validate(fm_fit_run *run, fm_scores *scores)
{
    if (run->validation_loader) {
        fm_status status = CALL_HOOKS(run, validation_begin);
        if (status != FM_OK) return status;
        double began = fm_span_begin(run->model->context);
        const fm_dataset *unseen = run->event.epoch == run->first_epoch ? run->validation : NULL;
        status = fm_model_evaluate_loader(run->model, run->validation_loader, unseen, scores);
        fm_span_end(run->model->context, "validation", began);
        return status;
    }
    *scores = (fm_scores){.loss = NAN};
    for (int i = 0; i < run->model->options.metric_count; i++) scores->metrics[i] = NAN;
    return FM_OK;
}

/* Of this epoch, in this fit. */
static double waited_for_data(const fm_fit_run *run)
{
    const fm_loader *loader = run->model->private ? run->drawn.loader : run->loader;
    return loader ? fm_loader_waited(loader) : 0;
}

/* While this epoch is validated and saved. */
static fm_status read_next_epoch(fm_fit_run *run)
{
    const int64_t next = run->model->training.epoch + 1;
    run->model->context->trace.batch = -1;
    return next < run->options.epochs && !must_stop(run) ? fm_fit_read_ahead(run, next, 0) : FM_OK;
}

/* The place moves to the next epoch before the hooks run: what they save goes on from there. */
static fm_status end_epoch(fm_fit_run *run)
{
    fm_model *model = run->model;
    fm_training *training = &model->training;
    fm_epoch *done = &run->finished;
    *done = (fm_epoch){.epoch = training->epoch,
                       .learning_rate = training->rate,
                       .data_wait = waited_for_data(run),
                       .epsilon = fm_private_epsilon(model)};
    fm_scores_make(model, training->loss_sum, training->samples, model->train_metrics,
                   &done->train);
    fm_status status = read_next_epoch(run);
    if (status == FM_OK) status = validate(run, &done->validation);
    if (status != FM_OK) return status;
    done->seconds = run->seconds_before + fm_now() - run->epoch_started;
    status = fm_training_append(model, done);
    if (status != FM_OK) return status;
    training->epoch++;
    training->batch = training->samples = 0;
    training->loss_sum = training->epoch_seconds = 0;
    for (int i = 0; i < model->options.metric_count; i++) fm_metric_reset(model->train_metrics[i]);
    run->event.finished = done;
    run->event.seconds = fm_now() - run->started;
    run->event.epoch_seconds = done->seconds;
    return CALL_HOOKS(run, epoch_end);
}

static fm_status run_epochs(fm_fit_run *run)
{
    fm_training *training = &run->model->training;
    fm_context *context = run->model->context;
    while (training->epoch < run->options.epochs && !must_stop(run)) {
        double began = fm_span_begin(context);
        fm_status status = begin_epoch(run);
        if (status == FM_OK && !must_stop(run)) status = run_batches(run);
        training->epoch_seconds = run->seconds_before + fm_now() - run->epoch_started;
        /* stopped after its last batch, an epoch is over all the same */
        bool over = training->batch == run->event.batches;
        if (status == FM_OK && over) status = end_epoch(run);
        fm_span_end(context, "epoch", began);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

/* ---- the end --------------------------------------------------------------------------------- */

static fm_status restore_best(fm_fit_run *run)
{
    fm_training *training = &run->model->training;
    bool wanted = run->early.model && run->early.options.restore_best && training->best.taken;
    if (!wanted || training->history.stop == FM_STOP_CALLBACK) return FM_OK;
    fm_status status = fm_snapshot_restore(&training->best, run->model->store);
    fm_snapshot_release(&training->best);
    training->history.best_epoch = fm_early_watch_best_epoch(&run->early);
    return status;
}

static fm_status finish(fm_fit_run *run)
{
    fm_training *training = &run->model->training;
    fm_stop *stop = &training->history.stop;
    if (*stop == FM_STOP_NONE) *stop = must_stop(run) ? FM_STOP_CALLBACK : FM_STOP_EPOCHS;
    fm_status status = fm_training_keep_states(run->model);
    if (status == FM_OK && training->batch > 0 && run->saver.model && run->saver.options.path) {
        double began = fm_span_begin(run->model->context);
        status = fm_model_save(run->model, run->saver.options.path, NULL);
        fm_span_end(run->model->context, "checkpoint", began);
    }
    if (status == FM_OK) status = restore_best(run);
    return status == FM_OK ? CALL_HOOKS(run, train_end) : status;
}

static fm_status run_fit(fm_model *model, const fm_dataset *data, const fm_fit_options *options)
{
    fm_fit_run *run = fm_allocate_zeroed(model->context, sizeof *run);
    if (!run) return FM_ERROR_MEMORY;
    fm_status status = fm_fit_run_open(model, data, options, run);
    if (status == FM_OK) {
        run->started = run->epoch_started = fm_now();
        run->first_step = fm_store_step(model->store);
        run->event.stop = run->early.model && fm_early_watch_over(&run->early);
        if (run->event.stop) model->training.history.stop = FM_STOP_EARLY;
        status = CALL_HOOKS(run, train_begin);
    }
    if (status == FM_OK) status = run_epochs(run);
    if (status == FM_OK) status = finish(run);
    fm_fit_run_close(run);
    return status;
}

fm_status fm_fit(fm_model *model, const fm_dataset *data, const fm_fit_options *options)
{
    if (!options || !options->timeline) return run_fit(model, data, options);
    fm_status status = fm_fit_timeline_begin(model);
    if (status != FM_OK) return status;
    return fm_fit_timeline_end(model, options->timeline, run_fit(model, data, options));
}
