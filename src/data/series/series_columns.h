/* Which columns of a table a series reads, and as what. */
#ifndef FM_DATA_SERIES_COLUMNS_H
#define FM_DATA_SERIES_COLUMNS_H

#include "base/memory.h"
#include "fathom/series.h"

/* Columns are numbers into `names`. */
typedef struct fm_series_columns {
    const char *name; /* of the series, for errors */
    const char *const *names;
    int count;
    int time; /* -1: none; never an input or a target by default */
    int *inputs, *targets;
    int input_count, target_count;
    bool *input, *target, *logarithm, *differenced; /* of each column */
} fm_series_columns;

/* name, names, count and time are set; the rest is made in the arena. options are complete. */
fm_status fm_series_columns_choose(fm_arena *arena, const fm_series_options *options,
                                   fm_series_columns *columns);

/* The column called `word`, else the one of that number; -1: none. */
int fm_series_column_find(const fm_series_columns *columns, const char *word);
/* "NAME: time names the column 'Mnth'; ...; did you mean 'Month'?" */
fm_status fm_series_column_unknown(fm_context *context, const fm_series_columns *columns,
                                   const char *option, const char *word);

#endif
