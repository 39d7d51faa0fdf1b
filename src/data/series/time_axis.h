/* The times of a series' rows: read, checked, and continued behind the last one. */
#ifndef FM_DATA_TIME_AXIS_H
#define FM_DATA_TIME_AXIS_H

#include "data/series/moment.h"
#include "fathom/base.h"

typedef enum fm_time_kind {
    FM_TIME_ROWS,    /* there are none: rows are numbered */
    FM_TIME_NUMBERS, /* 1949, 1950, ... */
    FM_TIME_DATES
} fm_time_kind;

typedef struct fm_time_axis {
    fm_time_kind kind;
    const char *name;
    fm_moment_style style; /* of dates: that of the first row */
    int64_t count;
    double *at;      /* of each row: seconds, or the number */
    double step;     /* between rows: seconds, or what numbers grow by */
    int64_t months;  /* between rows, where months pass; else 0 */
    bool month_ends; /* each row is its month's last day */
} fm_time_axis;

/* Takes row `row`'s time from a text; false when it is none, or written in another way than the
 * first row's. axis->at has room for it. */
bool fm_time_axis_read(fm_time_axis *axis, int64_t row, const char *text, size_t size);

/* Times grow from row to row, or it is an FM_ERROR_FORMAT. Finds the step; where some steps differ,
 * logs how many, and where the first is. */
fm_status fm_time_axis_finish(fm_context *context, const char *series, fm_time_axis *axis);

/* Whether times grow from row to row. */
bool fm_time_axis_grows(const fm_time_axis *axis);

/* Of any row of dates, behind the last one too. */
fm_moment fm_time_axis_moment(const fm_time_axis *axis, int64_t row);
/* Of any row, behind the last one too. `text` has room for FM_MOMENT_TEXT. */
const char *fm_time_axis_text(const fm_time_axis *axis, int64_t row, char *text);

/* The first row that is not earlier than a time written as the axis writes it, or than a row's
 * number where there are no times. False when the text is no such thing. */
bool fm_time_axis_find(const fm_time_axis *axis, const char *text, int64_t *row);

#endif
