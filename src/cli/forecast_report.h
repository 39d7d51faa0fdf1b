/* Models of time series: forecasts as CSV or JSON, their error against naive forecasts, charts. */
#ifndef FM_CLI_FORECAST_REPORT_H
#define FM_CLI_FORECAST_REPORT_H

#include "cli/invocation.h"
#include "fathom/forecast.h"

#include <jansson.h>

/* The recipe's data are windows of a series. */
bool forecast_is_for(const saved_model *saved);

/* Forecasts what follows the series in `path` ("-": stdin; NULL: the recipe's own),
 * --horizon rows. */
fm_status forecast_predict(invocation *s, const saved_model *saved, const char *path);

/* Errors of the windows that a model was measured on, in the user's unit. */
typedef struct forecast_error {
    const fm_series_info *about; /* NULL: the set holds no windows */
    fm_forecast_scores *scores;  /* of each target */
} forecast_error;

fm_status forecast_error_open(invocation *s, const saved_model *saved, const fm_dataset *windows,
                              forecast_error *error);
void forecast_error_print(const forecast_error *error);
/* An array, an object for each target. */
json_t *forecast_error_json(const forecast_error *error);
void forecast_error_close(invocation *s, forecast_error *error);

/* --plot of eval: truth and the forecasts of the first row of each window. */
fm_status forecast_error_plot(invocation *s, const saved_model *saved, const fm_dataset *windows);

#endif
