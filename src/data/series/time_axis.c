#include "data/series/time_axis.h"
#include "base/context.h"
#include "base/memory.h"
#include "base/plain_numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAST_SECOND 253402300799.0 /* of the year 9999: no time is written behind it */

/* ---- Reading ---- */

static bool same_style(fm_moment_style a, fm_moment_style b)
{
    return a.parts == b.parts && a.separator == b.separator && a.day_first == b.day_first &&
           a.between == b.between && a.zone == b.zone;
}

static bool read_number(const char *text, size_t size, double *number)
{
    char copy[64];
    const char *end;
    if (size == 0 || size >= sizeof copy) return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return fm_plain_number(copy, &end, number) && *end == '\0' && isfinite(*number);
}

/* What a text says on this axis; kind and style must be those of the first row. */
static bool read_time(const fm_time_axis *axis, const char *text, size_t size, double *at)
{
    fm_moment_style style;
    fm_moment moment;
    if (axis->kind == FM_TIME_NUMBERS) return read_number(text, size, at);
    if (!fm_moment_parse(text, size, &style, &moment) || !same_style(style, axis->style)) {
        return false;
    }
    *at = (double)fm_moment_seconds(moment);
    return true;
}

bool fm_time_axis_read(fm_time_axis *axis, int64_t row, const char *text, size_t size)
{
    fm_moment moment;
    if (row == 0) {
        double number;
        bool dates = fm_moment_parse(text, size, &axis->style, &moment);
        /* 1949.01 may be both: the number of a year and its share is what it looks like alone */
        axis->kind = dates                              ? FM_TIME_DATES
                     : read_number(text, size, &number) ? FM_TIME_NUMBERS
                                                        : FM_TIME_ROWS;
    }
    return axis->kind != FM_TIME_ROWS && read_time(axis, text, size, &axis->at[row]);
}

/* ---- The step ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int64_t month_number(double seconds)
{
    fm_moment m = fm_moment_from_seconds((int64_t)seconds);
    return m.year * 12 + m.month;
}

/* Rows that have the same day and time of their months, or are all the last day: their steps are
 * counted in months. */
static bool find_month_days(fm_time_axis *axis)
{
    fm_moment first = fm_moment_from_seconds((int64_t)axis->at[0]);
    bool day = true, last = true;
    for (int64_t i = 0; i < axis->count && (day || last); i++) {
        fm_moment m = fm_moment_from_seconds((int64_t)axis->at[i]);
        bool clock = m.hour == first.hour && m.minute == first.minute && m.second == first.second;
        day = day && clock && m.day == first.day;
        last = last && clock && m.day == fm_month_days(m.year, m.month);
    }
    axis->month_ends = last && !day;
    return day || last;
}

static double step_behind(const fm_time_axis *axis, int64_t row)
{
    if (axis->months == 0) return axis->at[row + 1] - axis->at[row];
    return (double)(month_number(axis->at[row + 1]) - month_number(axis->at[row]));
}

static const char *tell_step(const fm_time_axis *axis, char text[64])
{
    static const struct {
        double seconds;
        const char *one, *several;
    } units[] = {{86400, "a day", "days"}, {3600, "an hour", "hours"}, {60, "a minute", "minutes"}};
    if (axis->months > 0) {
        snprintf(text, 64, axis->months == 1 ? "a month" : "%lld months", (long long)axis->months);
        return text;
    }
    for (size_t i = 0; axis->kind == FM_TIME_DATES && i < sizeof units / sizeof *units; i++) {
        double count = axis->step / units[i].seconds;
        if (count < 1 || count != floor(count)) continue;
        if (count == 1) return units[i].one;
        snprintf(text, 64, "%.0f %s", count, units[i].several);
        return text;
    }
    snprintf(text, 64, "%g%s", axis->step, axis->kind == FM_TIME_DATES ? " seconds" : "");
    return text;
}

static void report_gaps(fm_context *context, const char *series, const fm_time_axis *axis)
{
    double step = axis->months ? (double)axis->months : axis->step;
    int64_t count = 0, first = 0;
    char from[FM_MOMENT_TEXT], to[FM_MOMENT_TEXT], words[64];
    for (int64_t i = axis->count - 2; i >= 0; i--) {
        if (fabs(step_behind(axis, i) - step) <= 1e-6 * fabs(step)) continue;
        count++;
        first = i;
    }
    if (count == 0) return;
    fm_report(
        context, FM_LOG_WARNING,
        "%s: %lld of %lld steps in time are not %s, the first from %s to %s; rows are taken as "
        "equal steps",
        series, (long long)count, (long long)axis->count - 1, tell_step(axis, words),
        fm_time_axis_text(axis, first, from), fm_time_axis_text(axis, first + 1, to));
}

bool fm_time_axis_grows(const fm_time_axis *axis)
{
    for (int64_t i = 1; i < axis->count; i++) {
        if (!(axis->at[i] > axis->at[i - 1])) return false;
    }
    return true;
}

static fm_status check_growth(fm_context *context, const char *series, const fm_time_axis *axis)
{
    char before[FM_MOMENT_TEXT], text[FM_MOMENT_TEXT];
    for (int64_t i = 1; i < axis->count; i++) {
        if (axis->at[i] > axis->at[i - 1]) continue;
        return fm_fail(context, FM_ERROR_FORMAT,
                       "%s: times must grow, but in column \"%s\" %s is followed by %s (row %lld); "
                       "sort the rows, or say time: none",
                       series, axis->name, fm_time_axis_text(axis, i - 1, before),
                       fm_time_axis_text(axis, i, text), (long long)i);
    }
    return FM_OK;
}

fm_status fm_time_axis_finish(fm_context *context, const char *series, fm_time_axis *axis)
{
    if (axis->kind == FM_TIME_ROWS) return FM_OK;
    fm_status status = check_growth(context, series, axis);
    axis->step = 1;
    if (status != FM_OK || axis->count < 2) return status;
    double *steps = fm_allocate_array(context, (size_t)axis->count - 1, sizeof *steps);
    if (!steps) return fm_error_status(context);
    bool monthly = axis->kind == FM_TIME_DATES && find_month_days(axis) &&
                   month_number(axis->at[1]) > month_number(axis->at[0]);
    axis->months = monthly;
    for (int64_t i = 0; i + 1 < axis->count; i++) steps[i] = step_behind(axis, i);
    qsort(steps, (size_t)axis->count - 1, sizeof *steps, ascending);
    axis->step = steps[(axis->count - 1) / 2];
    if (monthly) axis->months = (int64_t)axis->step;
    fm_release(context, steps);
    report_gaps(context, series, axis);
    return FM_OK;
}

/* ---- Writing ---- */

/* How many rows behind the last one; *last is the row to count from. */
static int64_t rows_behind(const fm_time_axis *axis, int64_t row, int64_t *last)
{
    *last = row < axis->count ? row : axis->count - 1;
    return row - *last;
}

fm_moment fm_time_axis_moment(const fm_time_axis *axis, int64_t row)
{
    int64_t last, more = rows_behind(axis, row, &last);
    double at = axis->at[last];
    if (axis->months == 0) at = fmin(at + (double)more * axis->step, LAST_SECOND);
    fm_moment moment = fm_moment_from_seconds((int64_t)at);
    if (axis->months > 0) moment = fm_moment_add_months(moment, more * axis->months);
    if (axis->month_ends) moment.day = fm_month_days(moment.year, moment.month);
    return moment;
}

const char *fm_time_axis_text(const fm_time_axis *axis, int64_t row, char *text)
{
    int64_t last, more = rows_behind(axis, row, &last);
    if (axis->kind == FM_TIME_DATES) {
        return fm_moment_print(axis->style, fm_time_axis_moment(axis, row), text);
    }
    if (axis->kind == FM_TIME_NUMBERS) {
        fm_plain_format(text, FM_MOMENT_TEXT, "%.10g", axis->at[last] + (double)more * axis->step);
    } else {
        snprintf(text, FM_MOMENT_TEXT, "%lld", (long long)row);
    }
    return text;
}

bool fm_time_axis_find(const fm_time_axis *axis, const char *text, int64_t *row)
{
    double at, number;
    bool is_number = read_number(text, strlen(text), &number);
    if (axis->kind != FM_TIME_ROWS && read_time(axis, text, strlen(text), &at)) {
        *row = 0;
        while (*row < axis->count && axis->at[*row] < at) ++*row;
        return true;
    }
    bool whole = is_number && number >= 0 && number == floor(number) && number < 1e15;
    if (axis->kind == FM_TIME_NUMBERS || !whole) return false;
    *row = (int64_t)number;
    return true;
}
