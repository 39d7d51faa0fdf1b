#include "train/nonfinite.h"
#include "base/element.h"
#include "train/label_range.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WORDS = 512 };

fm_status fm_guard_before(fm_guard *guard, int64_t epoch, int64_t batch, double rate)
{
    bool same_epoch = guard->snapshot.taken && guard->epoch == epoch;
    if (!same_epoch || guard->steps == FM_GUARD_STEPS) {
        fm_status status =
            fm_snapshot_take(guard->model->context, guard->model->store, &guard->snapshot);
        if (status == FM_OK) {
            status = fm_carry_take(guard->model->context, guard->whole->program, &guard->carry);
        }
        if (status != FM_OK) return status;
        guard->epoch = epoch;
        guard->batch = batch;
        guard->steps = 0;
    }
    guard->rates[guard->steps++] = rate;
    return FM_OK;
}

void fm_guard_release(fm_guard *guard)
{
    fm_snapshot_release(&guard->snapshot);
    fm_carry_release(&guard->carry);
}

static fm_status rewind_to_copy(fm_guard *guard)
{
    fm_status status = fm_snapshot_restore(&guard->snapshot, guard->model->store);
    fm_store_set_step(guard->model->store, guard->snapshot.step);
    for (int i = 0; i < guard->model->options.metric_count; i++) {
        fm_metric_reset(guard->model->train_metrics[i]);
    }
    return status == FM_OK ? fm_loader_begin(guard->loader, guard->epoch, guard->batch) : status;
}

/* The first sample of a batch that holds a NaN or infinity itself, -1 without one. */
static int64_t bad_sample(const fm_model *model, const fm_batch *batch)
{
    fm_dtype dtype = model->options.input_dtype;
    int64_t elements = fm_shape_elements(fm_model_sample(model, batch->length));
    const float *f32 = batch->x;
    const double *f64 = batch->x;
    if (!fm_dtype_is_real(dtype)) return -1;
    for (int64_t i = 0; i < batch->count * elements; i++) {
        if (!isfinite(dtype == FM_F64 ? f64[i] : (double)f32[i])) return i / elements;
    }
    return -1;
}

/* Says what is wrong with the batch's own numbers; false without a fault. */
static bool blame_data(const fm_model *model, const fm_batch *batch, char words[WORDS])
{
    int64_t sample = bad_sample(model, batch);
    int64_t label = fm_label_outside(model, batch->y, batch->count);
    if (sample >= 0) {
        snprintf(words, WORDS,
                 "sample %lld of the batch (position %lld of the data set) holds "
                 "a NaN or infinity itself",
                 (long long)sample, (long long)batch->indices[sample]);
    } else if (label >= 0) {
        sample = label / fm_shape_elements(model->label);
        snprintf(words, WORDS,
                 "sample %lld of the batch (position %lld of the data set) has the label %g",
                 (long long)sample, (long long)batch->indices[sample],
                 fm_element(batch->y, model->label_dtype, (size_t)label));
    }
    return sample >= 0;
}

static fm_program_form form_of(const fm_batch *batch)
{
    return (fm_program_form){FM_TRAIN, batch->count, batch->length};
}

/* Programs that check, in the order of the loader's forms. */
typedef struct checkers {
    fm_compiled *programs[FM_MAX_BATCH_FORMS];
} checkers;

static fm_status checker_for(fm_guard *guard, checkers *all, const fm_batch *batch,
                             fm_compiled **program)
{
    fm_program_options options = guard->model->program_options;
    options.check_finite = true;
    for (int i = 0; i < FM_MAX_BATCH_FORMS; i++) {
        const fm_batch_form form = fm_loader_form(guard->loader, i);
        if (form.count != batch->count || form.length != batch->length) continue;
        *program = all->programs[i];
        if (*program) return FM_OK;
        fm_status status =
            fm_model_compile(guard->model, form_of(batch), &options, &all->programs[i]);
        *program = all->programs[i];
        return status == FM_OK ? fm_carry_put(&guard->carry, (*program)->program) : status;
    }
    return FM_ERROR_INTERNAL;
}

/* Runs the steps since the copy with every value checked. *culprit is the step that failed,
 * guard->steps when none did; `words` say why. FM_ERROR_ARGUMENT: the data is to blame. */
static fm_status search(fm_guard *guard, checkers *all, int *culprit, char words[WORDS])
{
    fm_status status = rewind_to_copy(guard);
    for (*culprit = 0; *culprit < guard->steps && status == FM_OK; ++*culprit) {
        fm_batch batch;
        fm_compiled *program;
        status = fm_loader_next(guard->loader, &batch);
        if (status != FM_OK) return status;
        if (blame_data(guard->model, &batch, words)) return FM_ERROR_ARGUMENT;
        status = checker_for(guard, all, &batch, &program);
        if (status != FM_OK) return status;
        status = fm_compiled_run(guard->model, program, batch.x, batch.y, guard->rates[*culprit]);
        if (status != FM_ERROR_NONFINITE) continue;
        snprintf(words, WORDS, "%s", fm_error_message(guard->model->context));
        return FM_OK;
    }
    return status;
}

/* The state of before step `count` since the copy. */
static fm_status replay(fm_guard *guard, int count)
{
    fm_status status = rewind_to_copy(guard);
    if (status == FM_OK) status = fm_model_reset(guard->model, FM_TRAIN);
    if (status == FM_OK) status = fm_carry_put(&guard->carry, guard->whole->program);
    for (int i = 0; i < count && status == FM_OK; i++) {
        fm_batch batch;
        fm_compiled *program;
        status = fm_loader_next(guard->loader, &batch);
        if (status == FM_OK) {
            status = fm_model_compiled(guard->model, form_of(&batch), &program);
        }
        if (status == FM_OK) {
            status = fm_compiled_run(guard->model, program, batch.x, batch.y, guard->rates[i]);
        }
    }
    return status;
}

fm_status fm_guard_explain(fm_guard *guard, double loss)
{
    checkers all = {{NULL}};
    char words[WORDS] = "";
    int culprit = 0;
    fm_status found = search(guard, &all, &culprit, words);
    for (int i = 0; i < FM_MAX_BATCH_FORMS; i++) {
        fm_compiled_destroy(guard->model, all.programs[i]);
    }
    if (!words[0]) {
        snprintf(words, sizeof words, "where it came from could not be found (%s)",
                 found == FM_OK ? "running again gave none" : fm_status_name(found));
        culprit = guard->steps - 1;
    }
    const char *advice = found == FM_ERROR_ARGUMENT
                             ? ""
                             : ". A lower learning rate or clipping of gradients may help";
    const char *state = "the variables are those of before that step";
    if (replay(guard, culprit) != FM_OK) state = "the variables could not be put back";
    guard->snapshot.taken = false;
    long long epoch = guard->epoch + 1, batch = guard->batch + guard->steps;
    long long made = guard->batch + culprit + 1;
    return fm_fail(guard->model->context, FM_ERROR_NONFINITE,
                   "epoch %lld, batch %lld: the loss is %s: in batch %lld %s; %s%s", epoch, batch,
                   isnan(loss) ? "NaN" : "infinite", made, words, state, advice);
}
