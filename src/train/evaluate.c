/* Passes over data without updates. */
#include "train/label_range.h"
#include "base/fields.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_BATCH = 32 };

#define LOADER_FIELDS(owner)                                                                       \
    {"batch_size",         "samples in a batch",           offsetof(owner, batch_size),            \
     .type = FM_FIELD_INT, .default_value = DEFAULT_BATCH, .minimum = 1,                           \
     .maximum = 1 << 24},                                                                          \
        {"workers",                                                                                \
         "threads that read ahead",                                                                \
         offsetof(owner, workers),                                                                 \
         .type = FM_FIELD_INT,                                                                     \
         .minimum = FM_NO_WORKERS,                                                                 \
         .maximum = 64},                                                                           \
    {                                                                                              \
        "prefetch", "batches that may be ready ahead", offsetof(owner, prefetch),                  \
            .type = FM_FIELD_INT, .maximum = 1024                                                  \
    }

const fm_field fm_evaluate_fields[] = {LOADER_FIELDS(fm_evaluate_options), {0}};

static const fm_field predict_fields[] = {LOADER_FIELDS(fm_predict_options), {0}};

/* ---- data ------------------------------------------------------------------------------------ */

static fm_shape without_last_one(fm_shape shape)
{
    if (shape.rank > 0 && shape.dims[shape.rank - 1] == 1) shape.dims[--shape.rank] = 0;
    return shape;
}

static fm_status check_field(const fm_model *model, const fm_dataset_info *info, int field,
                             fm_dtype dtype, fm_shape shape, bool lenient)
{
    const fm_data_field *had = &info->fields[field];
    bool same = fm_shape_equal(had->shape, shape) ||
                (lenient && fm_shape_equal(without_last_one(had->shape), without_last_one(shape)));
    if (had->dtype == dtype && same) return FM_OK;
    char received[FM_SHAPE_TEXT], wanted[FM_SHAPE_TEXT];
    return fm_fail(model->context, FM_ERROR_SHAPE,
                   "data set \"%s\": \"%s\" is %s %s, %s wants %s %s%s", info->name, had->name,
                   fm_dtype_name(had->dtype), fm_shape_text(had->shape, received),
                   field == 0 ? "the model" : fm_loss_at(model->options.loss)->name,
                   fm_dtype_name(dtype), fm_shape_text(shape, wanted),
                   had->dtype != dtype ? "; fm_dataset_transform converts it" : "");
}

fm_status fm_model_check_data(const fm_model *model, const fm_dataset *data, bool labels)
{
    const fm_dataset_info *info = fm_dataset_about(data);
    fm_status status =
        check_field(model, info, 0, model->options.input_dtype, model->options.input_shape, false);
    if (status != FM_OK || !labels) return status;
    if (info->field_count < 2) {
        return fm_fail(model->context, FM_ERROR_ARGUMENT, "data set \"%s\" has no \"y\" to learn",
                       info->name);
    }
    return check_field(model, info, 1, model->label_dtype, model->label, true);
}

fm_status fm_model_check_rows(const fm_model *model, const fm_dataset *data, int64_t batch_size)
{
    const fm_dataset_info *info = fm_dataset_about(data);
    if (info->rows == 0 || info->rows == batch_size) return FM_OK;
    return fm_fail(model->context, FM_ERROR_ARGUMENT,
                   "data set \"%s\": %lld sequences side by side want a batch_size of that number, "
                   "received %lld",
                   info->name, (long long)info->rows, (long long)batch_size);
}

/* The largest size up to this one that holds whole groups (fm_dataset_info.group). */
static int64_t whole_groups(const fm_dataset *data, int64_t batch_size)
{
    int64_t group = fm_dataset_about(data)->group;
    if (group < 2) return batch_size;
    return batch_size < group ? group : batch_size / group * group;
}

enum { MOST_WORKERS = 4 }; /* unasked: each has batches in memory */

int64_t fm_model_workers(const fm_model *model, const fm_dataset *data, int64_t batch_size,
                         int64_t asked)
{
    const fm_dataset_info *info = fm_dataset_about(data);
    const int threads = fm_context_threads(model->context);
    if (asked == FM_NO_WORKERS) return 0;
    if (asked > 0 || !info->costly || info->count <= batch_size) return asked;
    return threads < MOST_WORKERS ? threads : MOST_WORKERS;
}

/* ---- evaluate -------------------------------------------------------------------------------- */

void fm_scores_make(const fm_model *model, double loss_sum, int64_t samples,
                    fm_metric *const *metrics, fm_scores *scores)
{
    *scores = (fm_scores){.loss = samples ? loss_sum / (double)samples : NAN, .samples = samples};
    for (int i = 0; i < model->options.metric_count; i++) {
        scores->metrics[i] = fm_metric_result(metrics[i]);
    }
}

static fm_status evaluate_batches(fm_model *model, fm_loader *loader, const fm_dataset *unseen,
                                  fm_scores *scores)
{
    double loss_sum = 0;
    int64_t samples = 0;
    fm_batch batch;
    fm_status status = fm_model_reset(model, FM_EVALUATE);
    if (status == FM_OK) status = fm_loader_begin(loader, 0, 0);
    while (status == FM_OK) {
        fm_compiled *compiled;
        status = fm_loader_next(loader, &batch);
        if (status != FM_OK || batch.count == 0) break;
        if (unseen) status = fm_labels_check(model, unseen, &batch);
        if (status != FM_OK) break;
        const fm_program_form form = {FM_EVALUATE, batch.count, batch.length};
        status = fm_model_compiled(model, form, &compiled);
        if (status == FM_OK) status = fm_compiled_run(model, compiled, batch.x, batch.y, 0);
        if (status == FM_OK)
            status = fm_compiled_measure(model, compiled, model->metrics, batch.y, batch.count);
        if (status != FM_OK) break;
        loss_sum += fm_compiled_loss(model, compiled) * (double)batch.count;
        samples += batch.count;
    }
    if (status == FM_OK) fm_scores_make(model, loss_sum, samples, model->metrics, scores);
    return status;
}

fm_status fm_model_swap_averages(fm_model *model)
{
    if (model->options.optimizer.ema_momentum == 0) return FM_OK;
    return fm_average_swap(model->context, model->store);
}

/* Puts the weights back after `status`, which stays the one that is returned. */
static fm_status swap_back(fm_model *model, fm_status status)
{
    fm_status swapped = fm_model_swap_averages(model);
    return status == FM_OK ? swapped : status;
}

static void reset_metrics(fm_model *model)
{
    for (int i = 0; i < model->options.metric_count; i++) fm_metric_reset(model->metrics[i]);
}

fm_status fm_model_evaluate_loader(fm_model *model, fm_loader *loader, const fm_dataset *unseen,
                                   fm_scores *scores)
{
    reset_metrics(model);
    fm_status status = fm_model_swap_averages(model);
    if (status != FM_OK) return status;
    return swap_back(model, evaluate_batches(model, loader, unseen, scores));
}

fm_status fm_evaluate(fm_model *model, const fm_dataset *data, const fm_evaluate_options *options,
                      fm_scores *scores)
{
    fm_evaluate_options complete = options ? *options : (fm_evaluate_options){0};
    *scores = (fm_scores){0};
    fm_status status =
        fm_fields_complete(model->context, fm_evaluate_fields, &complete, "evaluate");
    if (status == FM_OK) status = fm_model_check_data(model, data, true);
    if (status != FM_OK) return status;
    if (fm_dataset_about(data)->count == 0) {
        reset_metrics(model);
        fm_scores_make(model, 0, 0, model->metrics, scores);
        return FM_OK;
    }
    if (fm_dataset_about(data)->rows > 0) complete.batch_size = fm_dataset_about(data)->rows;
    complete.batch_size = whole_groups(data, complete.batch_size);
    fm_loader *loader;
    status = fm_loader_create(
        model->context, data,
        &(fm_loader_options){
            .batch_size = complete.batch_size,
            .by_length = true,
            .workers = fm_model_workers(model, data, complete.batch_size, complete.workers),
            .prefetch = complete.prefetch},
        &loader);
    if (status == FM_OK) status = fm_model_evaluate_loader(model, loader, data, scores);
    fm_loader_destroy(loader);
    return status;
}

/* ---- predict --------------------------------------------------------------------------------- */

/* Where predictions go, batch by batch. */
typedef struct sink {
    fm_model *model;
    int64_t batch; /* one size for all: the last batch is padded with zeros */
    bool probabilities;
    char *to;
    size_t bytes; /* of one prediction */
} sink;

static fm_status open_sink(fm_model *model, int64_t count, const fm_predict_options *options,
                           void *predictions, sink *s)
{
    *s = (sink){.model = model,
                .batch = count < options->batch_size ? count : options->batch_size,
                .probabilities = options->probabilities,
                .to = predictions,
                .bytes = (size_t)fm_shape_bytes(model->output, model->options.dtype)};
    return fm_model_reset(model, FM_PREDICT);
}

static fm_status predict_batch(const sink *s, fm_compiled *compiled, const void *x,
                               const char **predictions)
{
    const void *from = s->probabilities && compiled->probabilities ? compiled->probabilities
                                                                   : compiled->prediction;
    *predictions = from;
    return fm_compiled_run(s->model, compiled, x, NULL, 0);
}

/* Each prediction goes to its sample's place: batches of several lengths are in another order. */
static fm_status predict_loader(const sink *s, fm_loader *loader)
{
    fm_batch batch;
    fm_status status = fm_loader_begin(loader, 0, 0);
    while (status == FM_OK) {
        fm_compiled *compiled;
        const char *from;
        status = fm_loader_next(loader, &batch);
        if (status != FM_OK || batch.count == 0) return status;
        const fm_program_form form = {FM_PREDICT, s->batch, batch.length};
        status = fm_model_compiled(s->model, form, &compiled);
        if (status == FM_OK) status = predict_batch(s, compiled, batch.x, &from);
        for (int64_t i = 0; i < batch.count && status == FM_OK; i++) {
            memcpy(s->to + batch.indices[i] * s->bytes, from + (size_t)i * s->bytes, s->bytes);
        }
    }
    return status;
}

fm_status fm_predict(fm_model *model, const fm_dataset *data, const fm_predict_options *options,
                     void *predictions)
{
    fm_predict_options complete = options ? *options : (fm_predict_options){0};
    fm_status status = fm_fields_complete(model->context, predict_fields, &complete, "predict");
    if (status == FM_OK) status = fm_model_check_data(model, data, false);
    if (status != FM_OK || fm_dataset_about(data)->count == 0) return status;
    complete.batch_size = whole_groups(data, complete.batch_size);
    sink s;
    fm_loader *loader = NULL;
    status = open_sink(model, fm_dataset_about(data)->count, &complete, predictions, &s);
    if (status == FM_OK) {
        status = fm_loader_create(model->context, data,
                                  &(fm_loader_options){.batch_size = s.batch,
                                                       .by_length = true,
                                                       .workers = fm_model_workers(
                                                           model, data, s.batch, complete.workers),
                                                       .prefetch = complete.prefetch},
                                  &loader);
    }
    if (status == FM_OK) status = fm_model_swap_averages(model);
    if (status == FM_OK) status = swap_back(model, predict_loader(&s, loader));
    fm_loader_destroy(loader);
    return status;
}

/* The last samples are copied in front of zeros: the program reads a whole batch. */
static const void *whole_batch(fm_compiled *compiled, const char *x, int64_t count)
{
    size_t bytes = (size_t)count * compiled->x_bytes;
    size_t whole = (size_t)compiled->batch * compiled->x_bytes;
    if (bytes >= whole) return x;
    memcpy(compiled->own_x, x, bytes);
    memset((char *)compiled->own_x + bytes, 0, whole - bytes);
    return compiled->own_x;
}

static fm_status predict_memory(const sink *s, const char *x, int64_t count)
{
    fm_compiled *compiled;
    const fm_program_form form = {FM_PREDICT, s->batch, 0};
    fm_status status = fm_model_compiled(s->model, form, &compiled);
    for (int64_t at = 0; at < count && status == FM_OK; at += s->batch) {
        const char *from, *here = x + (size_t)at * compiled->x_bytes;
        int64_t some = count - at < s->batch ? count - at : s->batch;
        status = predict_batch(s, compiled, whole_batch(compiled, here, some), &from);
        if (status != FM_OK) return status;
        memcpy(s->to + (size_t)at * s->bytes, from, (size_t)some * s->bytes);
    }
    return status;
}

fm_status fm_predict_samples(fm_model *model, const void *samples, int64_t count,
                             const fm_predict_options *options, void *predictions)
{
    fm_predict_options complete = options ? *options : (fm_predict_options){0};
    fm_status status = fm_fields_complete(model->context, predict_fields, &complete, "predict");
    if (status == FM_OK && count < 0) {
        return fm_fail(model->context, FM_ERROR_ARGUMENT, "predict: a count of %lld samples",
                       (long long)count);
    }
    if (status != FM_OK || count == 0) return status;
    sink s;
    status = open_sink(model, count, &complete, predictions, &s);
    if (status == FM_OK) status = fm_model_swap_averages(model);
    return status == FM_OK ? swap_back(model, predict_memory(&s, samples, count)) : status;
}
