/* A series that needs no file, and the options of a series in a recipe. */
#include "base/fields.h"
#include "base/random.h"
#include "data/built_in.h"
#include "data/series/series_inside.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_STEPS = 2000, DEFAULT_PERIOD = 25 };

#define AT(member) offsetof(fm_sine_series_options, member)

const fm_field fm_sine_series_fields[] = {
    {"steps", "rows of the series", AT(steps), .type = FM_FIELD_INT, .default_value = DEFAULT_STEPS,
     .minimum = 1, .maximum = FM_MOST_STEPS},
    {"period", "rows of a wave", AT(period), .type = FM_FIELD_REAL, .default_value = DEFAULT_PERIOD,
     .minimum = 2, .maximum = 1e6},
    {"noise", "deviation of what is added", AT(noise), .type = FM_FIELD_REAL, .default_value = 0.1,
     .minimum = 0, .maximum = 1e6},
    {"seed", "of the random numbers", AT(seed), .type = FM_FIELD_INT},
    FM_WINDOW_FIELDS(fm_sine_series_options, series.),
    {0},
};

fm_status fm_series_sine(fm_context *context, const fm_sine_series_options *options,
                         fm_series **series)
{
    static const double two_pi = 6.283185307179586;
    static const char *const names[] = {"value"};
    fm_sine_series_options o = options ? *options : (fm_sine_series_options){0};
    *series = NULL;
    fm_status status = fm_fields_complete(context, fm_sine_series_fields, &o, "sine_series");
    if (status != FM_OK) return status;
    double *values = fm_allocate_array(context, (size_t)o.steps, sizeof *values);
    if (!values) return fm_error_status(context);
    fm_random random = fm_random_at((uint64_t)o.seed, 0, fm_stream_of("sine_series"));
    for (int64_t t = 0; t < o.steps; t++) {
        values[t] = sin(two_pi * (double)t / o.period) + o.noise * fm_random_normal(&random);
    }
    status = fm_series_create(
        context,
        &(fm_series_values){
            .name = "sine_series", .rows = o.steps, .columns = 1, .values = values, .names = names},
        &o.series, series);
    fm_release(context, values);
    return status;
}

const fm_series_options *fm_series_recipe_options(const char *set, const void *options)
{
    if (strcmp(set, "series") == 0) return options;
    if (!options || strcmp(set, "sine_series") != 0) return NULL;
    return &((const fm_sine_series_options *)options)->series;
}
