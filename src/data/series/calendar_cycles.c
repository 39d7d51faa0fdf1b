/* Cycles that a calendar makes, as inputs of a model:
 * sine and cosine of where a row lies in them. */
#include "base/fields.h"
#include "data/series/series_inside.h"

#include <string.h>

static double day_phase(fm_moment m)
{
    return (m.hour + (m.minute + m.second / 60.) / 60) / 24;
}

/* From Monday; 1970 began with a Thursday. */
static double week_phase(fm_moment m)
{
    enum { WEEK = 7 * 86400, FROM_MONDAY = 3 * 86400 };
    int64_t seconds = (fm_moment_seconds(m) + FROM_MONDAY) % WEEK;
    return (double)(seconds < 0 ? seconds + WEEK : seconds) / WEEK;
}

static double year_phase(fm_moment m)
{
    fm_moment first = {.year = m.year, .month = 1, .day = 1}, next = first;
    next.year++;
    int64_t begin = fm_moment_seconds(first);
    return (double)(fm_moment_seconds(m) - begin) / (double)(fm_moment_seconds(next) - begin);
}

static const fm_calendar_cycle cycles[FM_MOST_CYCLES] = {
    {"day", day_phase}, {"week", week_phase}, {"year", year_phase}};

const char *fm_calendar_cycle_name(const void *unused, int index)
{
    (void)unused;
    return index < FM_MOST_CYCLES ? cycles[index].name : NULL;
}

const fm_calendar_cycle *fm_calendar_cycle_find(const char *name)
{
    for (int i = 0; i < FM_MOST_CYCLES; i++) {
        if (strcmp(cycles[i].name, name) == 0) return &cycles[i];
    }
    return NULL;
}

void fm_series_fill_calendar(const fm_series *series, int64_t row, double *values)
{
    static const double two_pi = 6.283185307179586;
    if (series->cycle_count == 0) return;
    fm_moment moment = fm_time_axis_moment(&series->times, row);
    values += series->read_columns;
    for (int i = 0; i < series->cycle_count; i++) {
        double angle = two_pi * series->cycles[i]->phase(moment);
        *values++ = sin(angle);
        *values++ = cos(angle);
    }
}
