/* What the scores lose when a column of a table is dealt to other samples. */
#include "fathom/explain.h"
#include "base/checked.h"
#include "base/fields.h"
#include "base/random.h"
#include "train/model.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_REPEATS = 5, BATCH = 256 };

const fm_field fm_permutation_fields[] = {
    {"repeats", "shuffles of each column", offsetof(fm_permutation_options, repeats),
     .type = FM_FIELD_INT, .default_value = DEFAULT_REPEATS, .minimum = 1, .maximum = 10000},
    {"seed", "same seed, same shuffles", offsetof(fm_permutation_options, seed),
     .type = FM_FIELD_INT},
    {0},
};

/* The set in memory: x is what it was but for one column. */
typedef struct table {
    fm_model *model;
    const fm_transform *transform;
    fm_permutation_options options;
    fm_dataset_info info;
    void *data[FM_MAX_DATA_FIELDS];
    void *shuffled; /* in the place of data[0] */
    uint32_t *order;
    int64_t rows, columns;
    fm_arena arena;
} table;

static fm_status check(const table *t)
{
    char words[FM_SHAPE_TEXT];
    const fm_data_field *x = &t->info.fields[0];
    if (x->shape.rank != 1 || t->info.text) {
        return fm_fail(t->model->context, FM_ERROR_SHAPE,
                       "permutation importance is for tables, samples (columns); these are %s%s",
                       t->info.text ? "texts" : "",
                       t->info.text ? "" : fm_shape_text(x->shape, words));
    }
    if (t->info.field_count < 2) {
        return fm_fail(t->model->context, FM_ERROR_ARGUMENT,
                       "data set \"%s\" has no \"y\" to hold predictions against", t->info.name);
    }
    return FM_OK;
}

static fm_status read_table(table *t, const fm_dataset *raw)
{
    fm_data_request request = {.count = t->rows};
    for (int i = 0; i < t->info.field_count; i++) {
        const fm_data_field *field = &t->info.fields[i];
        size_t bytes;
        if (!fm_checked_mul((size_t)t->rows, (size_t)fm_shape_bytes(field->shape, field->dtype),
                            &bytes)) {
            return fm_fail(t->model->context, FM_ERROR_LIMIT, "data set \"%s\" is too large",
                           t->info.name);
        }
        t->data[i] = fm_arena_allocate(&t->arena, bytes + 1);
        if (i == 0) t->shuffled = fm_arena_allocate(&t->arena, bytes + 1);
        if (!t->data[i] || !t->shuffled) return FM_ERROR_MEMORY;
        request.fields[i] = t->data[i];
    }
    t->order = fm_arena_allocate(&t->arena, (size_t)t->rows * sizeof *t->order + 1);
    if (!t->order) return FM_ERROR_MEMORY;
    return fm_dataset_read(t->model->context, raw, &request);
}

/* column -1: as it is. */
static void deal(table *t, int64_t column, int64_t repeat)
{
    const fm_data_field *x = &t->info.fields[0];
    size_t size = fm_dtype_size(x->dtype);
    memcpy(t->shuffled, t->data[0], (size_t)(t->rows * t->columns) * size);
    if (column < 0) return;
    fm_random random = fm_random_at((uint64_t)t->options.seed, (uint32_t)repeat,
                                    fm_stream_of("permutation") + (uint32_t)column);
    for (int64_t i = 0; i < t->rows; i++) t->order[i] = (uint32_t)i;
    fm_random_shuffle(&random, t->order, (size_t)t->rows);
    for (int64_t i = 0; i < t->rows; i++) {
        memcpy((char *)t->shuffled + (size_t)(i * t->columns + column) * size,
               (const char *)t->data[0] +
                   (size_t)((int64_t)t->order[i] * t->columns + column) * size,
               size);
    }
}

static fm_status measure(table *t, fm_scores *scores)
{
    fm_context *context = t->model->context;
    const void *data[FM_MAX_DATA_FIELDS] = {t->shuffled};
    for (int i = 1; i < t->info.field_count; i++) data[i] = t->data[i];
    fm_dataset *raw = NULL, *prepared = NULL;
    fm_status status = fm_dataset_from_arrays(context, &t->info, data, true, &raw);
    if (status == FM_OK) status = fm_dataset_transform(context, raw, t->transform, &prepared);
    if (status == FM_OK) {
        status =
            fm_evaluate(t->model, prepared, &(fm_evaluate_options){.batch_size = BATCH}, scores);
    }
    fm_dataset_destroy(prepared);
    fm_dataset_destroy(raw);
    return status;
}

/* How much worse, so that positive is important. */
static double loss_of(const fm_model *model, int score, const fm_scores *plain,
                      const fm_scores *shuffled)
{
    if (score < 0) return shuffled->loss - plain->loss;
    double fallen = plain->metrics[score] - shuffled->metrics[score];
    return fm_model_larger_is_better(model, score) ? fallen : -fallen;
}

/* Mean and deviation over the repeats, by Welford's recurrence (1962). */
static void add_repeat(const fm_model *model, int64_t repeat, const fm_scores *plain,
                       const fm_scores *shuffled, fm_importance *row)
{
    for (int k = -1; k < model->options.metric_count; k++) {
        double *mean = k < 0 ? &row->loss : &row->metrics[k];
        double *squares = k < 0 ? &row->loss_deviation : &row->metric_deviations[k];
        double value = loss_of(model, k, plain, shuffled), before = value - *mean;
        *mean += before / (double)(repeat + 1);
        *squares += before * (value - *mean);
    }
}

static void finish(const fm_model *model, int64_t repeats, fm_importance *row)
{
    double divisor = repeats > 1 ? (double)(repeats - 1) : 1;
    row->loss_deviation = sqrt(row->loss_deviation / divisor);
    for (int k = 0; k < model->options.metric_count; k++) {
        row->metric_deviations[k] = sqrt(row->metric_deviations[k] / divisor);
    }
}

static fm_status measure_columns(table *t, fm_scores *plain, fm_importance *rows)
{
    fm_scores shuffled;
    const fm_column *names = fm_transform_input(t->transform)->fields[0].columns;
    deal(t, -1, 0);
    fm_status status = measure(t, plain);
    for (int64_t c = 0; c < t->columns && status == FM_OK; c++) {
        rows[c] = (fm_importance){.column = names ? names[c].name : NULL};
        for (int64_t r = 0; r < t->options.repeats && status == FM_OK; r++) {
            deal(t, c, r);
            status = measure(t, &shuffled);
            if (status == FM_OK) add_repeat(t->model, r, plain, &shuffled, &rows[c]);
        }
        finish(t->model, t->options.repeats, &rows[c]);
    }
    return status;
}

fm_status fm_permutation_importance(fm_model *model, const fm_dataset *raw,
                                    const fm_transform *transform,
                                    const fm_permutation_options *options, fm_scores *plain,
                                    fm_importance *rows)
{
    fm_scores unshuffled;
    table t = {.model = model,
               .transform = transform,
               .options = options ? *options : (fm_permutation_options){0},
               .info = *fm_dataset_about(raw),
               .arena = {.context = model->context}};
    fm_status status =
        fm_fields_complete(model->context, fm_permutation_fields, &t.options, "permutation");
    if (status == FM_OK) status = check(&t);
    if (status != FM_OK) return status;
    t.rows = t.info.count;
    t.columns = t.info.fields[0].shape.dims[0];
    status = read_table(&t, raw);
    if (status == FM_OK) status = measure_columns(&t, &unshuffled, rows);
    if (status == FM_OK && plain) *plain = unshuffled;
    fm_arena_release(&t.arena);
    return status;
}
