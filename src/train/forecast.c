#include "fathom/forecast.h"
#include "base/fields.h"
#include "data/series/series_inside.h"
#include "train/model.h"

#include <math.h>
#include <string.h>

/* ---- Windows of a set ------------------------------------------------------------------------ */

static fm_status check_output(const fm_model *model, const fm_series *series)
{
    const fm_series_info *info = fm_series_about(series);
    fm_shape output = fm_model_output(model, NULL);
    int64_t wanted = info->horizon * info->target_count;
    if (fm_shape_elements(output) == wanted && model->options.dtype == FM_F32) return FM_OK;
    char text[FM_SHAPE_TEXT];
    return fm_fail(model->context, FM_ERROR_SHAPE,
                   "forecast: the model gives %s %s, %lld rows of %d targets are f32 and %lld "
                   "numbers",
                   fm_dtype_name(model->options.dtype), fm_shape_text(output, text),
                   (long long)info->horizon, info->target_count, (long long)wanted);
}

fm_status fm_forecast_windows(fm_model *model, const fm_transform *transform,
                              const fm_dataset *windows, const fm_evaluate_options *options,
                              float *forecasts)
{
    const fm_series *series = fm_dataset_series_of(windows);
    int64_t count = fm_dataset_about(windows)->count;
    if (!series) {
        return fm_fail(model->context, FM_ERROR_ARGUMENT,
                       "forecast: data set \"%s\" holds no windows of a series",
                       fm_dataset_about(windows)->name);
    }
    fm_predict_options how = {0};
    if (options) {
        how = (fm_predict_options){.batch_size = options->batch_size,
                                   .workers = options->workers,
                                   .prefetch = options->prefetch};
    }
    fm_status status = check_output(model, series);
    if (status == FM_OK) status = fm_predict(model, windows, &how, forecasts);
    if (status != FM_OK) return status;
    const fm_series_info *info = fm_series_about(series);
    int64_t rows = info->target_count == 1 || info->horizon == 1 ? count : count * info->horizon;
    fm_transform_restore(transform, forecasts, rows);
    return fm_series_restore(model->context, windows, 0, count, forecasts);
}

/* ---- How good they are ----------------------------------------------------------------------- */

/* Errors of a forecast, and the model's on the same rows. */
typedef struct rival {
    double sum, models;
    int64_t count;
} rival;

typedef struct tally {
    const fm_series *series;
    int target;
    int64_t first_origin;
    double sum, squares;
    int64_t count;
    rival naive, seasonal;
} tally;

static void add_rival(rival *r, double truth, double said, double error)
{
    if (isnan(said)) return;
    r->sum += fabs(truth - said);
    r->models += error;
    r->count++;
}

/* The last value that is there in front of a row. */
static double last_value(const fm_series *series, int target, int64_t row)
{
    while (row > 0 && isnan(fm_series_value(series, row - 1, target))) row--;
    return fm_series_value(series, row - 1, target);
}

/* The newest value of the same place in the season that lies in front of the origin. */
static double seasonal_value(const fm_series *series, int target, int64_t origin, int64_t step)
{
    int64_t season = fm_series_about(series)->season;
    if (season < 1) return NAN;
    return fm_series_value(series, origin + step - season * (step / season + 1), target);
}

static void count_window(tally *t, int64_t origin, const float *said)
{
    const fm_series_info *info = fm_series_about(t->series);
    double naive = last_value(t->series, t->target, origin);
    for (int64_t h = 0; h < info->horizon; h++) {
        double truth = fm_series_value(t->series, origin + h, t->target);
        double error = fabs(truth - (double)said[h * info->target_count + t->target]);
        t->sum += error;
        t->squares += error * error;
        t->count++;
        add_rival(&t->naive, truth, naive, error);
        add_rival(&t->seasonal, truth, seasonal_value(t->series, t->target, origin, h), error);
    }
}

/* Mean |y(t) - y(t - m)| in front of a row. */
static double past_error(const fm_series *series, int target, int64_t end)
{
    int64_t season = fm_series_about(series)->season, lag = season > 0 ? season : 1, count = 0;
    double sum = 0;
    for (int64_t row = lag; row < end; row++) {
        double change =
            fm_series_value(series, row, target) - fm_series_value(series, row - lag, target);
        if (isnan(change)) continue;
        sum += fabs(change);
        count++;
    }
    return count ? sum / (double)count : NAN;
}

static fm_forecast_scores finish(const tally *t)
{
    double count = (double)t->count;
    fm_forecast_scores s = {
        .count = t->count, .mae = t->sum / count, .rmse = sqrt(t->squares / count)};
    s.naive_mae = t->naive.sum / (double)t->naive.count; /* NaN where there are none */
    s.share = t->naive.models / t->naive.sum;
    s.seasonal_mae = t->seasonal.sum / (double)t->seasonal.count;
    s.seasonal_share = t->seasonal.models / t->seasonal.sum;
    s.mase = s.mae / past_error(t->series, t->target, t->first_origin);
    return s;
}

fm_status fm_forecast_evaluate(fm_model *model, const fm_transform *transform,
                               const fm_dataset *windows, const fm_evaluate_options *options,
                               fm_forecast_scores *scores)
{
    const fm_series *series = fm_dataset_series_of(windows);
    int64_t count = fm_dataset_about(windows)->count;
    size_t width = (size_t)fm_shape_elements(fm_model_output(model, NULL));
    float *said = fm_allocate_array(model->context, (size_t)count * width, sizeof *said);
    if (!said) return fm_error_status(model->context);
    fm_status status = fm_forecast_windows(model, transform, windows, options, said);
    for (int i = 0; status == FM_OK && i < fm_series_about(series)->target_count; i++) {
        tally t = {.series = series, .target = i, .first_origin = fm_series_origin(windows, 0)};
        for (int64_t w = 0; w < count; w++) {
            count_window(&t, fm_series_origin(windows, w), said + (size_t)w * width);
        }
        scores[i] = finish(&t);
    }
    fm_release(model->context, said);
    return status;
}

/* ---- The future ------------------------------------------------------------------------------ */

/* rows: of a table like the series', from `base` on: what the first window needs,
 * then the future. */
typedef struct future {
    fm_model *model;
    const fm_transform *transform;
    const fm_series *series;
    fm_arena arena;
    int64_t base, steps;
    double *rows, *worked, *x;
    float *said;
    fm_dataset_info window; /* one sample */
} future;

static fm_status check_future(const future *f)
{
    const fm_series_info *info = fm_series_about(f->series);
    if (f->steps < 1 || f->steps > FM_MAX_FORECAST) {
        return fm_fail(f->model->context, FM_ERROR_ARGUMENT,
                       "forecast: %lld rows; 1 to %d are possible", (long long)f->steps,
                       FM_MAX_FORECAST);
    }
    if (info->known < info->window + info->lost) {
        return fm_fail(f->model->context, FM_ERROR_ARGUMENT,
                       "%s: a forecast needs the %lld rows before it, there are %lld", info->name,
                       (long long)(info->window + info->lost), (long long)info->known);
    }
    return check_output(f->model, f->series);
}

static fm_status describe_window(future *f)
{
    const fm_series_info *info = fm_series_about(f->series);
    fm_column *columns = fm_arena_allocate(&f->arena, (size_t)info->input_count * sizeof *columns);
    if (!columns) return FM_ERROR_MEMORY;
    for (int i = 0; i < info->input_count; i++) {
        columns[i] = (fm_column){.name = info->inputs[i], .kind = FM_COLUMN_NUMERIC};
    }
    f->window = (fm_dataset_info){.name = info->name,
                                  .count = 1,
                                  .field_count = 1,
                                  .fields = {{.name = "x",
                                              .dtype = FM_F64,
                                              .shape = FM_SHAPE(info->window, info->input_count),
                                              .columns = columns}}};
    return FM_OK;
}

static fm_status take_memory(future *f)
{
    const fm_series *s = f->series;
    int64_t past = s->info.window + s->info.lost;
    size_t rows = (size_t)(past + f->steps + s->info.horizon), columns = (size_t)s->columns;
    f->base = s->info.known - past;
    f->rows = fm_arena_allocate(&f->arena, rows * columns * sizeof *f->rows);
    f->worked = fm_arena_allocate(&f->arena, columns * sizeof *f->worked);
    f->x = fm_arena_allocate(&f->arena,
                             (size_t)s->info.window * (size_t)s->info.input_count * sizeof *f->x);
    f->said = fm_arena_allocate(&f->arena, (size_t)s->info.horizon * (size_t)s->info.target_count *
                                               sizeof *f->said);
    if (!f->rows || !f->worked || !f->x || !f->said) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < rows * columns; i++) f->rows[i] = NAN;
    int64_t there = s->info.rows - f->base < (int64_t)rows ? s->info.rows - f->base : (int64_t)rows;
    memcpy(f->rows, s->values + f->base * s->columns, (size_t)there * columns * sizeof *f->rows);
    for (int64_t row = there; row < (int64_t)rows; row++) {
        fm_series_fill_calendar(s, f->base + row, f->rows + row * s->columns);
    }
    for (int64_t row = past; row < there; row++) {
        for (int i = 0; i < s->info.target_count; i++) {
            f->rows[row * s->columns + s->targets[i]] = NAN; /* some of them alone are no help */
        }
    }
    return FM_OK;
}

static fm_status fail_input(const future *f, int64_t row, int column)
{
    const fm_series *s = f->series;
    char time[FM_SERIES_TIME_TEXT];
    bool past = row < s->info.known;
    return fm_fail(f->model->context, FM_ERROR_ARGUMENT,
                   "%s: to forecast %lld rows, \"%s\" is needed in row %lld (%s %s)%s",
                   s->info.name, (long long)f->steps, s->names[column], (long long)row,
                   s->info.time_name, fm_series_time(s, row, time),
                   past ? ", where it is missing"
                        : ": add rows with it and an empty target, or forecast fewer");
}

/* The window in front of row `done` of the future. */
static fm_status fill_window(const future *f, int64_t done)
{
    const fm_series *s = f->series;
    double *to = f->x;
    for (int64_t i = 0; i < s->info.window; i++) {
        int64_t row = s->info.lost + done + i;
        fm_series_work(s, f->rows, row, f->worked);
        for (int c = 0; c < s->info.input_count; c++) {
            *to = f->worked[s->inputs[c]];
            if (isnan(*to++)) return fail_input(f, f->base + row, s->inputs[c]);
        }
    }
    return FM_OK;
}

static fm_status predict_window(const future *f)
{
    fm_context *context = f->model->context;
    fm_dataset *raw, *prepared = NULL;
    fm_status status =
        fm_dataset_from_arrays(context, &f->window, (const void *[]){f->x}, true, &raw);
    if (status == FM_OK) status = fm_dataset_transform(context, raw, f->transform, &prepared);
    if (status == FM_OK) status = fm_predict(f->model, prepared, NULL, f->said);
    fm_dataset_destroy(prepared);
    fm_dataset_destroy(raw);
    return status;
}

/* Forecasts become rows of the table. */
static void take_forecast(const future *f, int64_t done)
{
    const fm_series *s = f->series;
    const fm_series_info *info = &s->info;
    const float *said = f->said;
    bool rows = info->target_count > 1 && info->horizon > 1;
    fm_transform_restore(f->transform, f->said, rows ? info->horizon : 1);
    for (int64_t h = 0; h < info->horizon; h++) {
        int64_t row = info->lost + info->window + done + h;
        for (int i = 0; i < info->target_count; i++) {
            int64_t column = s->targets[i];
            f->rows[row * s->columns + column] =
                fm_series_undo(s, f->rows, row, column, (double)*said++);
        }
    }
}

fm_status fm_forecast(fm_model *model, const fm_transform *transform, const fm_series *series,
                      int64_t steps, double *forecasts)
{
    const fm_series_info *info = fm_series_about(series);
    future f = {.model = model,
                .transform = transform,
                .series = series,
                .arena = {.context = model->context},
                .steps = steps};
    fm_status status = check_future(&f);
    if (status == FM_OK) status = describe_window(&f);
    if (status == FM_OK) status = take_memory(&f);
    for (int64_t done = 0; done < steps && status == FM_OK; done += info->horizon) {
        status = fill_window(&f, done);
        if (status == FM_OK) status = predict_window(&f);
        if (status == FM_OK) take_forecast(&f, done);
    }
    for (int64_t h = 0; h < steps && status == FM_OK; h++) {
        const double *row = f.rows + (info->window + info->lost + h) * series->columns;
        for (int i = 0; i < info->target_count; i++) *forecasts++ = row[series->targets[i]];
    }
    fm_arena_release(&f.arena);
    return status;
}
