/* fathom/forecast.h: what a model says of the future of a series, and how good that is.
 *
 *     fm_forecast(model, transform, series, 24, forecasts);      24 rows behind the last known one
 *     fm_forecast_evaluate(model, transform, test, NULL, &scores);
 *     scores.share                                           0.63: of the naive forecast's error
 *
 * Invariants
 *  - `transform` and the series' options are those that the model was trained with.
 *  - Everything told is in the user's unit.
 *  - May be NULL: options.
 */
#ifndef FATHOM_FORECAST_H
#define FATHOM_FORECAST_H

#include "fathom/series.h"
#include "fathom/train.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FM_MAX_FORECAST = 1 << 20 };

/* The `steps` rows behind the known ones (fm_series_info.known), (steps, targets). Beyond the
 * model's horizon its own forecasts are read as if they had come true. Inputs that are no targets
 * must be there for the rows that are read: a table may end with rows whose targets are empty.
 * Missing ones are an FM_ERROR_ARGUMENT that names column and row. */
FM_API fm_status fm_forecast(fm_model *model, const fm_transform *transform,
                             const fm_series *series, int64_t steps, double *forecasts);

/* Of one target, over all windows and all rows of their horizons.
 *  mae, rmse     mean absolute error, root of the mean squared error
 *  naive_mae     of the last value in front of the horizon, held
 *  share         mae / naive_mae: below 1 is better than naive
 *  seasonal_mae, seasonal_share   the same for the value one season (or several) earlier; NaN
 *                without fm_series_options.season
 *  mase          mae / mean |y(t) - y(t - m)| of the rows in front of the first window's targets, m
 *                being the season or 1 (R. Hyndman, A. Koehler, "Another look at measures of
 *                forecast accuracy", 2006) */
typedef struct fm_forecast_scores {
    int64_t count;
    double mae, rmse;
    double naive_mae, share;
    double seasonal_mae, seasonal_share;
    double mase;
} fm_forecast_scores;

/* scores[i] belongs to target i of fm_series_about(fm_dataset_series_of(windows)). `windows` is a
 * prepared set of them. options may be NULL. */
FM_API fm_status fm_forecast_evaluate(fm_model *model, const fm_transform *transform,
                                      const fm_dataset *windows, const fm_evaluate_options *options,
                                      fm_forecast_scores *scores);

/* What the model says of each window, (windows, horizon, targets), in the user's unit. */
FM_API fm_status fm_forecast_windows(fm_model *model, const fm_transform *transform,
                                     const fm_dataset *windows, const fm_evaluate_options *options,
                                     float *forecasts);

#ifdef __cplusplus
}
#endif
#endif
