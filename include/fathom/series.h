/* fathom/series.h: time series: a table over time, windows of it as samples, and the way back from
 * what a model says to the user's unit.
 *
 *     fm_series_open(context, "airline.csv",
 *                    &(fm_series_options){
 *                        .window = 12, .log = "Passengers", .difference = {1, {1}}},
 *                    &series);
 *     fm_dataset_series(context, series, &windows);          x (12, 1), y (1)
 *     fm_dataset_split(context, windows, &(fm_split_options){.fraction = 0.2}, &train, &test);
 *     fm_transform_fit(context, train, &(fm_transform_options){...}, &transform);
 *     ...
 *     fm_forecast(model, transform, series, 24, forecasts);  forecast.h: in passengers
 *
 * Invariants
 *  - Rows are steps of equal length, the oldest first. Where times say otherwise, that is logged
 *    and rows are still counted as steps.
 *  - Sample i is a window: "x" f64 (window, inputs) are rows s to s + window - 1, "y" f64 the
 *    targets of the `horizon` rows behind them: (horizon) for one target, (targets) for one step,
 *    else (horizon, targets). s grows by `stride` from sample to sample.
 *  - A set of windows is split by time (fm_dataset_info.ordered): of training windows no "y"
 *    reaches into the later part; windows at its beginning read "x" from in front of the cut, as a
 *    forecaster would who knows the past. What a transform learns from the training windows is
 *    therefore of the past alone.
 *  - Windows hold what is left after `log` and `difference`; a transform scales that. Back go
 *    fm_transform_restore, then fm_series_restore.
 *  - A series is not changed after it was made; data sets of it hold it.
 *  - May be NULL: options and the texts in them, `name` and `times` of a table.
 */
#ifndef FATHOM_SERIES_H
#define FATHOM_SERIES_H

#include "fathom/data.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fm_series fm_series;

typedef enum fm_series_fill {
    FM_SERIES_FAIL,    /* a missing value is an error */
    FM_SERIES_FORWARD, /* the last value in front of it stands for it */
    FM_SERIES_SKIP     /* windows that would hold it are left out */
} fm_series_fill;

/* Lists of columns are names or numbers (from 0; -1 is the last) separated by commas.
 *  file         for recipes
 *  target       columns to forecast. Default: the last one that is not left out
 *  inputs       columns the model reads. Default: all columns but the time, the targets too
 *  drop         columns that are left out
 *  time         the column of times; "none". Default: the first whose cells are dates, or that is
 *               called date, time, month, ... and grows. Dates are 2020-01, 2020-01-31 (also with /
 *               and .), 31.01.2020, with 12:00 or 12:00:00 behind a space or T, and Z or not
 *  calendar     where in a day, week or year a row lies, as further inputs: day, week, year; each
 *               is two columns, "year_sin" and "year_cos". Needs dates
 *  window       rows the model reads
 *  horizon      rows it forecasts at once. Default 1
 *  stride       rows from one window to the next. Default 1
 *  season       rows of a season, for the seasonal naive forecast. Default: none
 *  log          columns that are replaced by their logarithm; they must be positive
 *  difference   lags d, one after the other: value(t) - value(t - d); {1} takes a trend away, {12}
 *               a year's season of months. The first rows, as many as the lags' sum, serve for this
 *               alone
 *  differenced  the columns that `difference` is for. Default: the targets
 *  fill         fm_series_fill, for missing values in inputs and targets. Rows at the end without
 *               targets are no mistake: they are the future, whose inputs are known
 *  test_from    a time as the file writes it, or a row's number: the test part's first target
 *  missing, header, separator, max_line, memory_limit   as fm_csv_options
 *  like         inputs and targets by name, as this transform was fitted: for prediction */
typedef struct fm_series_options {
    const char *file;
    const char *target, *inputs, *drop, *time, *calendar;
    int64_t window, horizon, stride, season;
    const char *log;
    fm_ints difference;
    const char *differenced;
    int fill;
    const char *test_from;
    const char *missing;
    int header, separator;
    int64_t max_line, memory_limit;
    const fm_transform *like; /* not a field of recipes */
} fm_series_options;

FM_API extern const fm_field fm_series_fields[];

/* ---- Making ---------------------------------------------------------------------------------- */

/* A table in memory, copied.
 *  values   (rows, columns), NaN where missing
 *  names    of the columns
 *  times    of the rows, NULL: rows are numbered; time_name is what their column is called */
typedef struct fm_series_values {
    const char *name; /* of the series, for errors */
    int64_t rows;
    int columns;
    const double *values;
    const char *const *names;
    const char *time_name;
    const char *const *times;
} fm_series_values;

/* FM_ERROR_NOT_FOUND names a column that is not there, and the nearest. */
FM_API fm_status fm_series_create(fm_context *context, const fm_series_values *values,
                                  const fm_series_options *options, fm_series **series);
FM_API void fm_series_destroy(fm_series *series);

/* From a CSV file (data_files.h says which); options->file is not looked at. A cell that is no
 * number is an FM_ERROR_FORMAT with line and column. Built with FATHOM_FILES. */
FM_API fm_status fm_series_open(fm_context *context, const char *path,
                                const fm_series_options *options, fm_series **series);
FM_API fm_status fm_series_parse(fm_context *context, const char *name, const void *bytes,
                                 size_t size, const fm_series_options *options, fm_series **series);

/* ---- Looking --------------------------------------------------------------------------------- */

enum { FM_SERIES_TIME_TEXT = 40 };

/*  rows        of the table
 *  known       rows up to the last that has all its targets: a forecast begins there
 *  lost        rows at the beginning that differencing uses up
 *  time_name   "row" without times */
typedef struct fm_series_info {
    const char *name, *time_name;
    int64_t rows, known, lost;
    int64_t window, horizon, stride, season;
    int input_count, target_count;
    const char *const *inputs, *const *targets;
} fm_series_info;

/* Valid as long as the series. */
FM_API const fm_series_info *fm_series_about(const fm_series *series);
/* A target's value in the user's unit, missing ones filled as the options say; NaN: missing. */
FM_API double fm_series_value(const fm_series *series, int64_t row, int target);
/* The row's time as the file writes it; rows behind the last continue the times' step. Without
 * times the row's number. */
FM_API const char *fm_series_time(const fm_series *series, int64_t row,
                                  char text[FM_SERIES_TIME_TEXT]);

/* ---- Windows --------------------------------------------------------------------------------- */

/* FM_ERROR_ARGUMENT when the series is too short for one window and its targets. */
FM_API fm_status fm_dataset_series(fm_context *context, const fm_series *series,
                                   fm_dataset **windows);
/* The windows in front of options.test_from, and those whose targets lie behind it. */
FM_API fm_status fm_dataset_series_parts(fm_context *context, const fm_series *series,
                                         const char *test_from, fm_dataset **train,
                                         fm_dataset **test);

/* The series behind a set of windows, a part of it, or one made from it by a transform; NULL for
 * other sets. */
FM_API const fm_series *fm_dataset_series_of(const fm_dataset *dataset);
/* The row of the first target of sample `index`; -1 when there is no series. */
FM_API int64_t fm_series_origin(const fm_dataset *dataset, int64_t index);

/* "y" of the samples first, first + 1, ..., in place, from what a window holds (after
 * fm_transform_restore) back to the user's unit: undoes difference and log. Does nothing for other
 * sets. */
FM_API fm_status fm_series_restore(fm_context *context, const fm_dataset *dataset, int64_t first,
                                   int64_t count, float *values);

/* ---- A series without a file ----------------------------------------------------------------- */

/* sin(2 pi t / period) with noise, `steps` rows of one column "value".
 *  period   rows; default 25
 *  noise    deviation of what is added; default 0.1, FM_ZERO: none */
typedef struct fm_sine_series_options {
    int64_t steps; /* default 2000 */
    double period, noise;
    int64_t seed;
    fm_series_options series; /* window, horizon, stride, season, difference */
} fm_sine_series_options;

FM_API extern const fm_field fm_sine_series_fields[];

FM_API fm_status fm_series_sine(fm_context *context, const fm_sine_series_options *options,
                                fm_series **series);

/* The options of the series within those of a recipe's data set (`series`, `sine_series`), by the
 * name of its record; NULL for other sets. */
FM_API const fm_series_options *fm_series_recipe_options(const char *set, const void *options);

#ifdef __cplusplus
}
#endif
#endif
