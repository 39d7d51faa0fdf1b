/* Histories, from where runs keep them. */
#include "cli/report_parts.h"
#include "fathom/data_files.h"

#include <math.h>
#include <string.h>

static double *add_series(const report *r, report_run *run, const char *name)
{
    if (run->series_count == REPORT_MOST_SERIES) return NULL;
    report_series *made = &run->series[run->series_count];
    made->name = fm_arena_string(r->arena, name);
    made->values = fm_arena_allocate(r->arena, (size_t)run->epochs * sizeof *made->values + 1);
    if (!made->name || !made->values) return NULL;
    run->series_count++;
    return made->values;
}

const report_series *report_find(const report_run *run, const char *name)
{
    for (int i = 0; i < run->series_count; i++) {
        if (strcmp(run->series[i].name, name) == 0) return &run->series[i];
    }
    return NULL;
}

/* ---- CSV: as fm_history_write_csv writes it -------------------------------------------------- */

static fm_status read_columns(const report *r, const fm_dataset *data, report_run *run)
{
    fm_context *context = r->s->context;
    const fm_data_field *x = &fm_dataset_about(data)->fields[0];
    int64_t columns = x->shape.rank == 1 ? x->shape.dims[0] : 0;
    bool named = columns > 0 && columns <= REPORT_MOST_SERIES && x->columns && x->columns[0].name &&
                 strcmp(x->columns[0].name, "epoch") == 0 && x->dtype == FM_F64;
    if (!named) {
        return fm_fail(context, FM_ERROR_FORMAT,
                       "%s: is no history: wanted is a CSV whose first column is 'epoch', and at "
                       "most %d others",
                       run->name, REPORT_MOST_SERIES - 1);
    }
    run->epochs = fm_dataset_about(data)->count;
    double *numbers =
        fm_arena_allocate(r->arena, (size_t)(run->epochs * columns) * sizeof *numbers);
    if (!numbers) return FM_ERROR_MEMORY;
    fm_data_request request = {.count = run->epochs, .fields = {numbers}};
    fm_status status = fm_dataset_read(context, data, &request);
    for (int64_t c = 1; c < columns && status == FM_OK; c++) {
        if (x->columns[c].kind == FM_COLUMN_CATEGORICAL) continue;
        double *values = add_series(r, run, x->columns[c].name);
        if (!values) return FM_ERROR_MEMORY;
        for (int64_t i = 0; i < run->epochs; i++) values[i] = numbers[i * columns + c];
    }
    return status;
}

static fm_status open_csv(const report *r, report_run *run)
{
    fm_dataset *data;
    fm_csv_options reading = {.target = "none", .missing = "nan, -nan, inf, -inf"};
    fm_status status = fm_dataset_open_csv(r->s->context, run->name, &reading, &data);
    if (status == FM_OK) status = read_columns(r, data, run);
    fm_dataset_destroy(data);
    return status;
}

/* ---- model files ----------------------------------------------------------------------------- */

static fm_status add_values(const report *r, report_run *run, const char *name)
{
    const fm_model *model = run->saved.model;
    const fm_history *history = fm_model_history(model);
    double *values = add_series(r, run, name);
    if (!values) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < run->epochs; i++) {
        values[i] = NAN;
        fm_epoch_value(model, &history->epochs[i], name, &values[i]);
    }
    return FM_OK;
}

static fm_status add_history(const report *r, report_run *run)
{
    const fm_model *model = run->saved.model;
    run->epochs = fm_model_history(model)->count;
    fm_status status = FM_OK;
    for (int i = -1; i < fm_model_metric_count(model) && status == FM_OK; i++) {
        char name[128];
        const char *plain = i < 0 ? "loss" : fm_model_metric_name(model, i);
        snprintf(name, sizeof name, "val_%s", plain);
        status = add_values(r, run, plain);
        if (status == FM_OK) status = add_values(r, run, name);
    }
    if (status == FM_OK) status = add_values(r, run, "learning_rate");
    return status;
}

static fm_status open_model(const report *r, report_run *run)
{
    fm_status status = saved_model_open(r->s, run->name, &run->saved);
    if (status != FM_OK) return status;
    run->is_model = true;
    status = fm_model_load(run->saved.model, run->name, NULL); /* with its history */
    return status == FM_OK ? add_history(r, run) : status;
}

fm_status report_run_open(const report *r, const char *path, report_run *run)
{
    size_t size = strlen(path);
    bool csv = size >= 4 && strcmp(path + size - 4, ".csv") == 0;
    *run = (report_run){.name = path};
    run->series = fm_arena_allocate(r->arena, REPORT_MOST_SERIES * sizeof *run->series);
    if (!run->series) return FM_ERROR_MEMORY;
    return csv ? open_csv(r, run) : open_model(r, run);
}
