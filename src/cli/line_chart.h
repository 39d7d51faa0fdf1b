/* A chart of a few lines over rows of time, as a PNG image. */
#ifndef FM_CLI_LINE_CHART_H
#define FM_CLI_LINE_CHART_H

#include "fathom/base.h"

enum { CHART_MOST_LINES = 8, CHART_TICK_TEXT = 64, CHART_MOST_TICKS = 16 };

/* 1, 2 or 5 times a power of ten: about `count` of them fit into the span of an axis. Whoever goes
 * from tick to tick stops after CHART_MOST_TICKS: a small step is nothing beside a large number. */
double chart_step(double span, int count);

/* values[i] stands at row first + i; NaN is a gap. */
typedef struct chart_line {
    const char *name;
    int64_t first, count;
    const double *values;
} chart_line;

/* tick_text writes what stands below a row. */
typedef struct line_chart {
    const char *title;
    const chart_line *lines;
    int line_count;
    const char *(*tick_text)(const void *user, int64_t row, char text[CHART_TICK_TEXT]);
    const void *user;
} line_chart;

/* Appears under its name only when it is complete.
 * FM_ERROR_ARGUMENT when there is nothing to draw. */
fm_status line_chart_write(fm_context *context, const line_chart *chart, const char *path);

#endif
