#include "cli/forecast_report.h"
#include "cli/broken_outputs.h"
#include "cli/json_lines.h"
#include "cli/line_chart.h"
#include "cli/predict_input.h"
#include "cli/progress.h"
#include "base/context.h"
#include "base/csv_text.h"
#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

static const fm_series_options *options_of(const saved_model *saved)
{
    const fm_recipe_settings *about = fm_recipe_about(saved->recipe);
    return fm_series_recipe_options(about->dataset->name, about->dataset_options);
}

bool forecast_is_for(const saved_model *saved)
{
    return options_of(saved) != NULL;
}

/* ---- opening a series ------------------------------------------------------------------------ */

/* As the recipe reads it; columns as they were in training. */
static fm_status open_file(invocation *s, const saved_model *saved, const char *path,
                           fm_series **series)
{
    fm_series_options reading = *options_of(saved);
    reading.like = saved->transform;
    reading.inputs = reading.target = reading.drop = NULL;
    if (strcmp(path, "-") != 0) return fm_series_open(s->context, path, &reading, series);
    char *bytes;
    size_t size;
    *series = NULL;
    fm_status status = predict_input_stdin(s, &bytes, &size);
    if (status != FM_OK) return status;
    status = fm_series_parse(s->context, "stdin", bytes, size, &reading, series);
    fm_release(s->context, bytes);
    return status;
}

/* ---- charts ---------------------------------------------------------------------------------- */

static const char *time_text(const void *user, int64_t row, char text[CHART_TICK_TEXT])
{
    return fm_series_time(user, row, text);
}

static fm_status write_chart(invocation *s, const fm_series *series, const char *title,
                             const chart_line *lines, int count)
{
    const char *path = s->given->plot, *slash = strrchr(title, '/');
    line_chart chart = {.title = slash ? slash + 1 : title,
                        .lines = lines,
                        .line_count = count,
                        .tick_text = time_text,
                        .user = series};
    fm_status status = line_chart_write(s->context, &chart, path);
    if (status == FM_OK && !s->given->quiet) fprintf(stderr, "drawn: %s\n", path);
    return status;
}

/* The last rows of each target and its forecasts. */
static fm_status plot_forecast(invocation *s, const fm_series *series, const double *forecasts,
                               int64_t steps)
{
    enum { LEAST_PAST = 24 };
    const fm_series_info *info = fm_series_about(series);
    int shown =
        info->target_count < CHART_MOST_LINES / 2 ? info->target_count : CHART_MOST_LINES / 2;
    int64_t past = 3 * (steps > LEAST_PAST ? steps : LEAST_PAST) + info->window;
    if (past > info->known) past = info->known;
    chart_line lines[CHART_MOST_LINES];
    char names[CHART_MOST_LINES / 2][80];
    fm_arena arena = {.context = s->context};
    fm_status status = FM_OK;
    for (int i = 0; i < shown; i++) {
        double *known = fm_arena_allocate(&arena, (size_t)past * sizeof *known);
        double *said = fm_arena_allocate(&arena, (size_t)(steps + 1) * sizeof *said);
        if (!known || !said) {
            status = FM_ERROR_MEMORY;
            break;
        }
        for (int64_t k = 0; k < past; k++) {
            known[k] = fm_series_value(series, info->known - past + k, i);
        }
        said[0] = known[past - 1]; /* the line goes on where it ends */
        for (int64_t k = 0; k < steps; k++) said[k + 1] = forecasts[k * info->target_count + i];
        snprintf(names[i], sizeof names[i], "%.60s forecast", info->targets[i]);
        lines[2 * i] = (chart_line){info->targets[i], info->known - past, past, known};
        lines[2 * i + 1] = (chart_line){names[i], info->known - 1, steps + 1, said};
    }
    if (status == FM_OK) status = write_chart(s, series, info->name, lines, 2 * shown);
    fm_arena_release(&arena);
    return status;
}

/* ---- forecasts ------------------------------------------------------------------------------- */

static void add_rows(fm_text *to, const fm_series *series, const double *forecasts, int64_t steps)
{
    const fm_series_info *info = fm_series_about(series);
    char time[FM_SERIES_TIME_TEXT];
    fm_csv_add_cell(to, info->time_name);
    fm_text_add(to, ",column,forecast\n");
    for (int64_t h = 0; h < steps; h++) {
        for (int i = 0; i < info->target_count; i++) {
            fm_csv_add_cell(to, fm_series_time(series, info->known + h, time));
            fm_text_add(to, ",");
            fm_csv_add_cell(to, info->targets[i]);
            fm_text_add(to, ",%.7g\n", *forecasts++);
        }
    }
}

static void print_json(const char *input, const fm_series *series, const double *forecasts,
                       int64_t steps)
{
    const fm_series_info *info = fm_series_about(series);
    char time[FM_SERIES_TIME_TEXT];
    for (int64_t h = 0; h < steps; h++) {
        for (int i = 0; i < info->target_count; i++) {
            json_print(json_pack(
                "{s:s, s:o, s:o, s:o, s:o}", "event", "forecast", "input", json_text(input), "time",
                json_text(fm_series_time(series, info->known + h, time)), "column",
                json_text(info->targets[i]), "forecast", json_number(*forecasts++)));
        }
    }
}

static fm_status write_forecasts(invocation *s, const char *input, const fm_series *series,
                                 const double *forecasts, int64_t steps)
{
    if (s->given->json) print_json(input, series, forecasts, steps);
    if (!s->given->out && s->given->json) return FM_OK;
    fm_text csv = FM_TEXT(s->context);
    add_rows(&csv, series, forecasts, steps);
    fm_status status =
        s->given->out ? fm_file_write_text(&csv, s->given->out) : fm_text_status(&csv);
    if (status == FM_OK && !s->given->out) fputs(fm_text_string(&csv), stdout);
    fm_text_release(&csv);
    return status;
}

static fm_status forecast(invocation *s, const saved_model *saved, const char *input,
                          const fm_series *series)
{
    const fm_series_info *info = fm_series_about(series);
    int64_t steps = s->given->horizon ? s->given->horizon : info->horizon;
    if (steps > FM_MAX_FORECAST) {
        return fm_fail(s->context, FM_ERROR_LIMIT, "--horizon %lld: at most %d rows",
                       (long long)steps, FM_MAX_FORECAST);
    }
    double *forecasts = fm_allocate_array(s->context, (size_t)steps,
                                          (size_t)info->target_count * sizeof *forecasts);
    if (!forecasts) return fm_error_status(s->context);
    fm_status status = fm_forecast(saved->model, saved->transform, series, steps, forecasts);
    for (int64_t i = 0; i < steps * info->target_count && status == FM_OK; i++) {
        if (!isfinite(forecasts[i])) status = broken_outputs_fail(s, saved, NULL, 0, 0);
    }
    if (status == FM_OK) status = write_forecasts(s, input, series, forecasts, steps);
    if (status == FM_OK && s->given->plot) status = plot_forecast(s, series, forecasts, steps);
    fm_release(s->context, forecasts);
    return status;
}

fm_status forecast_predict(invocation *s, const saved_model *saved, const char *path)
{
    if (path) {
        fm_series *series;
        fm_status status = open_file(s, saved, path, &series);
        if (status == FM_OK) status = forecast(s, saved, path, series);
        fm_series_destroy(series);
        return status;
    }
    fm_recipe_data data;
    fm_status status = fm_recipe_open_data(saved->recipe, &s->places, saved->transform_json, &data);
    if (status != FM_OK) return status;
    const fm_series *series = fm_dataset_series_of(data.train);
    status = forecast(s, saved, fm_series_about(series)->name, series);
    fm_recipe_data_close(&data);
    return status;
}

/* ---- errors ---------------------------------------------------------------------------------- */

fm_status forecast_error_open(invocation *s, const saved_model *saved, const fm_dataset *windows,
                              forecast_error *error)
{
    const fm_series *series = fm_dataset_series_of(windows);
    *error = (forecast_error){0};
    if (!series) return FM_OK;
    const fm_series_info *about = fm_series_about(series);
    fm_forecast_scores *scores =
        fm_allocate_array(s->context, (size_t)about->target_count, sizeof *scores);
    if (!scores) return fm_error_status(s->context);
    fm_evaluate_options how = {.batch_size = EVALUATION_BATCH};
    fm_status status = fm_forecast_evaluate(saved->model, saved->transform, windows, &how, scores);
    *error = (forecast_error){about, scores};
    if (status != FM_OK) forecast_error_close(s, error);
    return status;
}

void forecast_error_close(invocation *s, forecast_error *error)
{
    fm_release(s->context, error->scores);
    *error = (forecast_error){0};
}

void forecast_error_print(const forecast_error *error)
{
    char mae[32], rmse[32], naive[32], seasonal[32];
    for (int i = 0; error->about && i < error->about->target_count; i++) {
        const fm_forecast_scores *f = &error->scores[i];
        printf("%s: mae %s, rmse %s; %.2f of the naive error (last value: mae %s)",
               error->about->targets[i], show_figure(f->mae, mae), show_figure(f->rmse, rmse),
               f->share, show_figure(f->naive_mae, naive));
        if (isfinite(f->seasonal_share)) {
            printf(", %.2f of the seasonal one (%lld rows back: mae %s)", f->seasonal_share,
                   (long long)error->about->season, show_figure(f->seasonal_mae, seasonal));
        }
        printf("; MASE %.2f\n", f->mase);
    }
}

json_t *forecast_error_json(const forecast_error *error)
{
    json_t *list = json_array();
    for (int i = 0; i < error->about->target_count; i++) {
        const fm_forecast_scores *f = &error->scores[i];
        json_array_append_new(
            list, json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "column",
                            json_text(error->about->targets[i]), "values", (json_int_t)f->count,
                            "mae", json_number(f->mae), "rmse", json_number(f->rmse), "naive_mae",
                            json_number(f->naive_mae), "share_of_naive", json_number(f->share),
                            "seasonal_mae", json_number(f->seasonal_mae), "share_of_seasonal",
                            json_number(f->seasonal_share), "mase", json_number(f->mase)));
    }
    return list;
}

/* ---- the chart of eval ----------------------------------------------------------------------- */

static void collect(const fm_series *series, const fm_dataset *windows, const float *said,
                    int target, int64_t first, int64_t rows, double *truth, double *forecasts)
{
    const fm_series_info *info = fm_series_about(series);
    int64_t width = info->horizon * info->target_count;
    for (int64_t row = 0; row < rows; row++) {
        truth[row] = fm_series_value(series, first + row, target);
        forecasts[row] = NAN;
    }
    for (int64_t w = 0; w < fm_dataset_about(windows)->count; w++) {
        int64_t row = fm_series_origin(windows, w) - first;
        forecasts[row] = (double)said[w * width + target];
    }
}

static fm_status plot_windows(invocation *s, const fm_series *series, const fm_dataset *windows,
                              const float *said)
{
    const fm_series_info *info = fm_series_about(series);
    int64_t first = fm_series_origin(windows, 0);
    int64_t rows = fm_series_origin(windows, fm_dataset_about(windows)->count - 1) - first + 1;
    int shown =
        info->target_count < CHART_MOST_LINES / 2 ? info->target_count : CHART_MOST_LINES / 2;
    chart_line lines[CHART_MOST_LINES];
    char names[CHART_MOST_LINES / 2][80];
    fm_arena arena = {.context = s->context};
    fm_status status = FM_OK;
    for (int i = 0; i < shown && status == FM_OK; i++) {
        double *both = fm_arena_allocate(&arena, (size_t)(2 * rows) * sizeof *both);
        if (!both) {
            status = FM_ERROR_MEMORY;
            break;
        }
        collect(series, windows, said, i, first, rows, both, both + rows);
        snprintf(names[i], sizeof names[i], "%.60s forecast", info->targets[i]);
        lines[2 * i] = (chart_line){info->targets[i], first, rows, both};
        lines[2 * i + 1] = (chart_line){names[i], first, rows, both + rows};
    }
    if (status == FM_OK) status = write_chart(s, series, info->name, lines, 2 * shown);
    fm_arena_release(&arena);
    return status;
}

fm_status forecast_error_plot(invocation *s, const saved_model *saved, const fm_dataset *windows)
{
    const fm_series *series = fm_dataset_series_of(windows);
    if (!series) {
        return fm_fail(s->context, FM_ERROR_ARGUMENT,
                       "--plot: the model's data is no time series (set: series)");
    }
    const fm_series_info *info = fm_series_about(series);
    size_t count = (size_t)fm_dataset_about(windows)->count;
    size_t width = (size_t)info->horizon * (size_t)info->target_count;
    float *said = fm_allocate_array(s->context, count, width * sizeof *said);
    if (!said) return fm_error_status(s->context);
    fm_evaluate_options how = {.batch_size = EVALUATION_BATCH};
    fm_status status = fm_forecast_windows(saved->model, saved->transform, windows, &how, said);
    if (status == FM_OK) status = plot_windows(s, series, windows, said);
    fm_release(s->context, said);
    return status;
}
