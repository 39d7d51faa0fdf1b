/* A series' inside: the table as it is, and what is left of it after logarithm and differences. */
#ifndef FM_DATA_SERIES_INSIDE_H
#define FM_DATA_SERIES_INSIDE_H

#include "data/dataset.h"
#include "data/series/series_columns.h"
#include "data/series/time_axis.h"

#include <math.h>

enum { FM_MOST_STEPS = 1 << 24 };

/* path: where fm_series_options lies in the owner, with its dot, or nothing. */
#define FM_WINDOW_FIELDS(owner, path)                                                              \
    {"window",         "rows the model reads", offsetof(owner, path window), .type = FM_FIELD_INT, \
     .required = true, .minimum = 1,           .maximum = FM_MOST_STEPS},                          \
        {"horizon",                                                                                \
         "rows it forecasts at once",                                                              \
         offsetof(owner, path horizon),                                                            \
         .type = FM_FIELD_INT,                                                                     \
         .default_value = 1,                                                                       \
         .minimum = 1,                                                                             \
         .maximum = FM_MOST_STEPS},                                                                \
        {"stride",                                                                                 \
         "rows from one window to the next",                                                       \
         offsetof(owner, path stride),                                                             \
         .type = FM_FIELD_INT,                                                                     \
         .default_value = 1,                                                                       \
         .minimum = 1,                                                                             \
         .maximum = FM_MOST_STEPS},                                                                \
        {"season", "rows of a season, for the seasonal naive forecast (default: none)",            \
         offsetof(owner, path season), .type = FM_FIELD_INT, .maximum = FM_MOST_STEPS},            \
    {                                                                                              \
        "difference", "lags d, one after the other: value(t) - value(t - d)",                      \
            offsetof(owner, path difference), .type = FM_FIELD_INTS                                \
    }

/* z(t) = sum of weight * y(t - lag) over the terms: the product of (1 - B^d) over the lags d, B
 * being the step back (G. Box, G. Jenkins, "Time series analysis", 1970). The first term is y(t)
 * itself. */
typedef struct fm_difference_term {
    int64_t lag;
    double weight;
} fm_difference_term;

/* Where in a cycle a moment lies, from 0 to 1. */
typedef struct fm_calendar_cycle {
    const char *name;
    double (*phase)(fm_moment moment);
} fm_calendar_cycle;

/* "day", "week", "year"; NULL for other names. */
const fm_calendar_cycle *fm_calendar_cycle_find(const char *name);
/* The i-th one's name, NULL behind the last; as fm_nearest wants it. */
const char *fm_calendar_cycle_name(const void *unused, int index);

enum { FM_MOST_CYCLES = 3 };

/* Columns are those that are inputs or targets, in the order of the table, then sine and cosine of
 * each calendar cycle. */
struct fm_series {
    fm_context *context;
    int references;
    fm_arena words; /* all that follows lives here */
    fm_series_info info;
    const char *origin;
    fm_time_axis times;
    int fill;
    int64_t columns, read_columns; /* all of them, and those of the table */
    const fm_calendar_cycle *cycles[FM_MOST_CYCLES];
    int cycle_count;
    const char **names;
    int *inputs, *targets; /* columns, in the order of info */
    bool *logarithm, *differenced;
    double *values; /* (rows, columns), in the user's unit, filled */
    double *worked; /* (rows, columns), what windows hold; NaN where there is nothing */
    fm_difference_term *terms;
    int term_count;
};

/* What a series is made from, copied.
 *  values   (rows, the chosen columns in their order), NaN where missing
 *  place    of each column of `columns` among the chosen ones, -1 for others
 *  times    kind, name and `at` are read; the step is found here */
typedef struct fm_series_table {
    const char *name, *origin;
    int64_t rows, width;
    const double *values;
    const int *place;
    const fm_series_columns *columns;
    const fm_time_axis *times;
} fm_series_table;

/* options are complete. */
fm_status fm_series_make(fm_context *context, const fm_series_table *table,
                         const fm_series_options *options, fm_series **series);

/* Numbers the chosen columns: place[c], -1 for those that are not read. Gives their count. */
int64_t fm_series_place_columns(const fm_series_columns *columns, int *place);

/* Rows up to the last one with a value in each target. */
int64_t fm_series_known_rows(const fm_series_table *table);

fm_series *fm_series_retain(const fm_series *series);

/* The logarithm where the column has one. */
static inline double fm_series_base(const fm_series *series, int64_t column, double value)
{
    return series->logarithm[column] ? log(value) : value;
}

static inline double fm_series_unbase(const fm_series *series, int64_t column, double base)
{
    return series->logarithm[column] ? exp(base) : base;
}

/* The calendar's columns of a row, which may lie behind the last. */
void fm_series_fill_calendar(const fm_series *series, int64_t row, double *values);

/* Row `row` of `worked` from a table of values laid out as the series'. */
void fm_series_work(const fm_series *series, const double *values, int64_t row, double *worked);

/* A target's value in a row from what a window holds there: `z`,
 * and the values of earlier rows in the user's unit. */
double fm_series_undo(const fm_series *series, const double *values, int64_t row, int64_t column,
                      double z);

#endif
