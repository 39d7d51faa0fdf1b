/* Points in a plane as a PNG image, a color and a sign for each class, with a legend. */
#ifndef FM_CLI_SCATTER_CHART_H
#define FM_CLI_SCATTER_CHART_H

#include "cli/chart_canvas.h"

/* places   (count, 2)
 * labels   the class of each point, from 0, or -1: none; NULL: all the same
 * names    of the classes, class_count of them
 * values   in place of labels: a number a point, drawn as a color of a scale; NaN: none
 * title, note  the two lines above; note and value_name may be NULL */
typedef struct scatter_chart {
    const char *title, *note;
    int64_t count;
    const double *places;
    const int32_t *labels;
    const char *const *names;
    int class_count;
    const double *values;
    const char *value_name;
} scatter_chart;

/* Appears under its name only when it is complete. Both axes have one scale. */
fm_status scatter_chart_write(fm_context *context, const scatter_chart *chart, const char *path);

/* Where a class's name is best written: the number of its point nearest to their middle, coordinate
 * by coordinate; -1 for a class without points. */
int64_t scatter_middle(fm_context *context, const double *places, const int32_t *labels,
                       int64_t count, int32_t class_number);

#endif
