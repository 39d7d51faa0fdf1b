/* A few real steps: whether the loss stays finite, and what a run will take. */
#include "base/clock.h"
#include "base/fields.h"
#include "ir/ir.h"
#include "train/check_inside.h"
#include "train/privacy/private_training.h"

#include <math.h>
#include <string.h>

enum { WARM_UP = 2, LEAST_STEPS = 3, DEFAULT_BATCH = 32 };

typedef struct trial {
    fm_checking *checking;
    fm_check_report *report;
    fm_model *model;
    fm_fit_options fit; /* completed */
    fm_loader *loader;
    fm_batch batch;
    double rate;
    bool too_large; /* its steps are not made: the system might end the program */
} trial;

/* ---- opening --------------------------------------------------------------------------------- */

static fm_status open_trial(trial *t)
{
    const fm_checking *c = t->checking;
    const fm_dataset *train = c->input->prepared[FM_CHECK_TRAIN];
    if (c->input->fit) t->fit = *c->input->fit;
    t->fit.batch_size = fm_or_int(t->fit.batch_size, DEFAULT_BATCH);
    t->fit.epochs = fm_or_int(t->fit.epochs, 1);
    const fm_dataset_info *about = fm_dataset_about(train);
    int64_t count = about->count, size = t->fit.batch_size;
    if (count < size && !t->fit.drop_last) size = count;
    t->report->batch_size = size;
    t->report->epochs = t->fit.epochs;
    t->report->steps_per_epoch = t->fit.drop_last ? count / size : (count + size - 1) / size;
    if (t->model->private) {
        fm_status status = fm_private_plan_run(t->model, count, size, t->fit.epochs, 0);
        if (status != FM_OK) return status;
    }
    return fm_loader_create(
        c->context, train,
        &(fm_loader_options){.batch_size = size,
                             .shuffle = !t->fit.no_shuffle && about->rows == 0,
                             .drop_last = true, /* one program is enough */
                             .one_length = t->model->private != NULL,
                             .seed = t->fit.seed,
                             .workers = fm_model_workers(t->model, train, size, t->fit.workers),
                             .prefetch = t->fit.prefetch},
        &t->loader);
}

static fm_status next_batch(trial *t)
{
    fm_status status = fm_loader_next(t->loader, &t->batch);
    if (status != FM_OK || t->batch.count > 0) return status;
    status = fm_loader_begin(t->loader, t->batch.epoch + 1, 0); /* a small set goes round */
    return status == FM_OK ? fm_loader_next(t->loader, &t->batch) : status;
}

/* ---- the last layer -------------------------------------------------------------------------- */

/* A loss of logits behind a layer that ends in probabilities sees them squeezed twice. */
static fm_status check_logits(trial *t)
{
    static const char *const squeezing[] = {"softmax", "sigmoid"};
    fm_graph *graph;
    fm_status status = fm_model_graph(t->model, FM_PREDICT, 1, &graph);
    if (status != FM_OK) return status;
    bool of_logits = fm_graph_output(graph, "probabilities").id != 0; /* made of the prediction */
    uint32_t last = graph->values[fm_graph_output(graph, "prediction").id].producer;
    for (int i = 0; i < 2 && of_logits && last != FM_NO_NODE && status == FM_OK; i++) {
        if (strcmp(graph->nodes[last].op->name, squeezing[i]) != 0) continue;
        status = fm_check_add(t->checking->record, FM_FINDING_WARNING, FM_CHECK_MODEL,
                              "the last layer ends in %s, and %s takes logits, to which it applies "
                              "%s itself\ntake the activation away, or say from_logits: false of "
                              "the loss",
                              squeezing[i], fm_loss_at(t->model->options.loss)->name, squeezing[i]);
    }
    fm_graph_destroy(graph);
    return status;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static fm_status check_memory(trial *t)
{
    fm_program *program;
    fm_checking *c = t->checking;
    fm_status status = fm_model_program(
        t->model, FM_TRAIN, fm_model_step_batch(t->model, t->report->batch_size), &program);
    if (status != FM_OK) return status;
    fm_program_summary s = fm_program_summarize(program);
    t->report->memory = s.arena_bytes + s.variable_bytes + s.constant_bytes + s.input_bytes;
    t->report->done[FM_CHECK_MEMORY] = c->options.free_memory > 0;
    double needed = (double)t->report->memory + (double)s.variable_bytes; /* fit keeps a copy */
    t->too_large = c->options.free_memory > 0 && needed > c->options.free_memory;
    if (!t->too_large) return FM_OK;
    return fm_check_add(c->record, FM_FINDING_ERROR, FM_CHECK_MEMORY,
                        "training in batches of %lld takes %.0f MiB, %.0f MiB are free\na smaller "
                        "batch_size, or a budget: train: {memory: SIZE} computes values twice",
                        (long long)t->report->batch_size, needed / 1048576,
                        c->options.free_memory / 1048576);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static fm_status report_nonfinite(const trial *t)
{
    return fm_check_add(
        t->checking->record, FM_FINDING_ERROR, FM_CHECK_STEPS,
        "the loss is %s after %lld step%s with a learning rate of %g\ntry %g; see "
        "whether inputs and targets are scaled; clip_norm of the optimizer bounds a step",
        isnan(t->report->last_loss) ? "NaN" : "infinite", (long long)t->report->steps,
        t->report->steps == 1 ? "" : "s", t->rate, t->rate / 10);
}

static fm_status report_growth(const trial *t)
{
    const fm_check_report *r = t->report;
    bool grew = r->steps > LEAST_STEPS && r->last_loss > 3 * fmax(fabs(r->first_loss), 1e-6);
    if (!grew) return FM_OK;
    return fm_check_add(
        t->checking->record, FM_FINDING_WARNING, FM_CHECK_STEPS,
        "the loss grew from %.4g to %.4g in %lld steps with a learning rate of %g: it "
        "is likely too large\ntry %g, or a schedule with a warm-up",
        r->first_loss, r->last_loss, (long long)r->steps, t->rate, t->rate / 10);
}

/* A fresh network that knows nothing gives each class the same share. */
static fm_status report_beginning(const trial *t)
{
    int64_t classes = t->checking->class_count;
    int loss = t->model->options.loss;
    bool entropy =
        loss == FM_SPARSE_CATEGORICAL_CROSSENTROPY || loss == FM_CATEGORICAL_CROSSENTROPY;
    double expected = classes > 1 ? log((double)classes) : 0;
    if (!entropy || expected == 0 || !(t->report->first_loss > 3 * expected + 1)) return FM_OK;
    return fm_check_add(
        t->checking->record, FM_FINDING_NOTE, FM_CHECK_STEPS,
        "the first loss is %.3g; a network that knows nothing of %lld classes begins "
        "near ln %lld = %.3g\nsee whether inputs are scaled, and that the last layer "
        "has no activation",
        t->report->first_loss, (long long)classes, (long long)classes, expected);
}

/* Times are those of the steps behind the first ones, which fill caches. */
static fm_status make_steps(trial *t)
{
    fm_check_report *r = t->report;
    const fm_check_options *options = &t->checking->options;
    double began = fm_now(), warm = began;
    fm_status status = fm_loader_begin(t->loader, 0, 0);
    while (status == FM_OK && r->steps < options->steps) {
        double now = fm_now();
        if (r->steps >= LEAST_STEPS && now - began > options->seconds) break;
        if (r->steps == WARM_UP) warm = now;
        status = next_batch(t);
        t->rate = fm_model_rate(t->model, (double)r->steps_per_epoch);
        if (status == FM_OK) status = fm_train_step(t->model, &t->batch, t->rate, &r->last_loss);
        if (status != FM_OK) return status;
        if (r->steps++ == 0) r->first_loss = r->last_loss;
        if (!isfinite(r->last_loss)) break;
    }
    int64_t counted = r->steps > WARM_UP ? r->steps - WARM_UP : r->steps;
    r->step_seconds = (fm_now() - warm) / (double)counted;
    return status;
}

/* An epoch's validation, from a batch of it. */
static fm_status time_validation(trial *t, double *seconds)
{
    const fm_check_part *part = &t->checking->parts[1];
    *seconds = 0;
    if (!part->prepared) return FM_OK;
    int64_t count = fm_dataset_about(part->prepared)->count;
    fm_evaluate_options how = {.batch_size = t->report->batch_size};
    fm_dataset *some;
    fm_scores scores;
    int64_t size = count < how.batch_size ? count : how.batch_size;
    fm_status status = fm_dataset_range(t->checking->context, part->prepared, 0, size, &some);
    if (status != FM_OK) return status;
    status = fm_evaluate(t->model, some, &how, &scores); /* compiles */
    double began = fm_now();
    if (status == FM_OK) status = fm_evaluate(t->model, some, &how, &scores);
    *seconds = (fm_now() - began) * (double)count / (double)size;
    fm_dataset_destroy(some);
    return status;
}

static fm_status try_out(trial *t)
{
    double validation = 0;
    fm_check_report *r = t->report;
    fm_status status = open_trial(t);
    if (status == FM_OK) status = check_logits(t);
    if (status == FM_OK) status = check_memory(t);
    if (status != FM_OK || t->too_large) return status;
    status = fm_model_compile_forms(t->model, FM_TRAIN, t->loader);
    if (status == FM_OK) status = make_steps(t);
    if (status == FM_OK) status = time_validation(t, &validation);
    if (status != FM_OK) return status;
    r->done[FM_CHECK_STEPS] = true;
    r->epoch_seconds = (double)r->steps_per_epoch * r->step_seconds + validation;
    r->run_seconds = (double)r->epochs * r->epoch_seconds;
    if (!isfinite(r->last_loss)) return report_nonfinite(t);
    status = report_growth(t);
    return status == FM_OK ? report_beginning(t) : status;
}

/* Batches are read as the model is made: a part of another shape or dtype must not reach it. */
static fm_status check_shapes(const fm_checking *c, bool *fits)
{
    fm_status status = FM_OK;
    for (int i = 0; i < FM_CHECK_PARTS && status == FM_OK; i++) {
        const fm_check_part *part = &c->parts[i];
        if (!part->prepared) continue;
        if (fm_model_check_data(c->input->model, part->prepared, true) == FM_OK) continue;
        *fits = false;
        status = fm_check_add(c->record, FM_FINDING_ERROR, FM_CHECK_MODEL,
                              "the %s data does not fit the model: %s", part->name,
                              fm_error_message(c->context));
        fm_error_clear(c->context);
    }
    c->record->report.done[FM_CHECK_MODEL] = true;
    return status;
}

/* What a step cannot read has been found before: its words are a finding. */
fm_status fm_check_run(fm_checking *c)
{
    trial t = {.checking = c, .report = &c->record->report, .model = c->input->model};
    const fm_check_part *train = &c->parts[FM_CHECK_TRAIN];
    bool possible = t.model && train->prepared && fm_dataset_about(train->prepared)->count > 0;
    if (!possible) return FM_OK;
    bool fits = true;
    fm_status status = check_shapes(c, &fits);
    if (status != FM_OK || !fits) return status;
    status = try_out(&t);
    fm_loader_destroy(t.loader);
    if (status == FM_OK || status == FM_ERROR_MEMORY) return status;
    status = fm_check_add(c->record, FM_FINDING_ERROR, FM_CHECK_STEPS, "a training step fails: %s",
                          fm_error_message(c->context));
    fm_error_clear(c->context);
    return status;
}
