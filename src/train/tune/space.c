#include "train/tune/space.h"
#include "base/context.h"
#include "base/plain_numbers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- checking -------------------------------------------------------------------------------- */

static const double largest_integer = 9007199254740992.0; /* 2^53 */
enum { MAX_POINTS = 10000 };

static bool is_whole(double value)
{
    return value == floor(value) && fabs(value) <= largest_integer;
}

static fm_status check_bounds(fm_context *context, const fm_parameter *p)
{
    if (!isfinite(p->high - p->low) || !(p->low < p->high)) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: the lower bound must lie below the upper one, received %g and %g",
                       p->name, p->low, p->high);
    }
    if (p->kind == FM_PARAMETER_INTEGER && (!is_whole(p->low) || !is_whole(p->high))) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: the bounds of an integer must be whole numbers, received %g and %g",
                       p->name, p->low, p->high);
    }
    if (p->log && p->low <= 0) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: a logarithmic scale begins above 0, received %g", p->name, p->low);
    }
    return FM_OK;
}

static fm_status check_step(fm_context *context, const fm_parameter *p)
{
    if (!(p->step >= 0) || p->step > p->high - p->low) {
        return fm_fail(
            context, FM_ERROR_ARGUMENT,
            "%s: a step must lie between 0 and %g, what the bounds are apart; received %g", p->name,
            p->high - p->low, p->step);
    }
    if (p->step > 0 && p->log) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: a step has no place on a logarithmic scale",
                       p->name);
    }
    if (p->kind == FM_PARAMETER_INTEGER && !is_whole(p->step)) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: the step of an integer must be a whole number, received %g", p->name,
                       p->step);
    }
    if (p->points < 0 || p->points == 1 || p->points > MAX_POINTS) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: points of a grid are 2 to %d, received %lld", p->name, MAX_POINTS,
                       (long long)p->points);
    }
    return FM_OK;
}

static fm_status check_choices(fm_context *context, const fm_parameter *p)
{
    if (p->choice_count < 1 || p->choice_count > FM_MAX_CHOICES) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: 1 to %d choices are wanted, received %d",
                       p->name, FM_MAX_CHOICES, p->choice_count);
    }
    for (int i = 0; i < p->choice_count; i++) {
        for (int j = 0; j < i; j++) {
            if (strcmp(p->choices[i], p->choices[j]) != 0) continue;
            return fm_fail(context, FM_ERROR_ARGUMENT, "%s: the choice '%s' is there twice",
                           p->name, p->choices[i]);
        }
    }
    return FM_OK;
}

static fm_status check_conditions(fm_context *context, const fm_space *space, int index)
{
    const fm_parameter *p = &space->parameters[index];
    if (p->when_count < 0 || p->when_count > FM_MAX_CONDITIONS) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: at most %d conditions are possible",
                       p->name, FM_MAX_CONDITIONS);
    }
    for (int i = 0; i < p->when_count; i++) {
        const fm_condition *when = &p->when[i];
        const fm_parameter *on = when->parameter >= 0 && when->parameter < index
                                     ? &space->parameters[when->parameter]
                                     : NULL;
        if (!on || on->kind != FM_PARAMETER_CHOICE) {
            return fm_fail(context, FM_ERROR_ARGUMENT,
                           "%s: it can depend on choices that stand above it alone", p->name);
        }
        uint64_t known =
            on->choice_count == 64 ? ~UINT64_C(0) : (UINT64_C(1) << on->choice_count) - 1;
        if (when->choices == 0 || (when->choices & ~known)) {
            return fm_fail(context, FM_ERROR_ARGUMENT, "%s: '%s' has no such choice", p->name,
                           on->name);
        }
    }
    return FM_OK;
}

static fm_status check_parameter(fm_context *context, const fm_space *space, int index)
{
    const fm_parameter *p = &space->parameters[index];
    if (!p->name || !*p->name) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "parameter %d has no name", index);
    }
    for (int i = 0; i < index; i++) {
        if (strcmp(space->parameters[i].name, p->name) != 0) continue;
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: a parameter of this name is there already",
                       p->name);
    }
    fm_status status = FM_OK;
    if (p->kind == FM_PARAMETER_CHOICE) {
        status = check_choices(context, p);
    } else {
        status = check_bounds(context, p);
        if (status == FM_OK) status = check_step(context, p);
    }
    return status == FM_OK ? check_conditions(context, space, index) : status;
}

fm_status fm_space_check(fm_context *context, const fm_space *space, int *parameter)
{
    int unused;
    if (!parameter) parameter = &unused;
    *parameter = -1;
    if (space->count < 1 || space->count > FM_MAX_PARAMETERS) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "a space of 1 to %d parameters is wanted, received %d", FM_MAX_PARAMETERS,
                       space->count);
    }
    for (int i = 0; i < space->count; i++) {
        fm_status status = check_parameter(context, space, i);
        if (status == FM_OK) continue;
        *parameter = i;
        return status;
    }
    return FM_OK;
}

/* ---- text ------------------------------------------------------------------------------------ */

void fm_parameter_text(const fm_parameter *parameter, double value, char *text, size_t size)
{
    if (isnan(value)) {
        snprintf(text, size, "%s", "");
    } else if (parameter->kind == FM_PARAMETER_CHOICE) {
        snprintf(text, size, "%s", parameter->choices[(int)value]);
    } else if (parameter->kind == FM_PARAMETER_INTEGER) {
        snprintf(text, size, "%.0f", value);
    } else {
        double read = NAN;
        const char *end;
        for (int digits = 6; digits <= 17 && read != value; digits++) {
            fm_plain_format(text, size, "%.*g", digits, value);
            if (!fm_plain_number(text, &end, &read)) break;
        }
    }
}

/* ---- the axis -------------------------------------------------------------------------------- */

double fm_parameter_step(const fm_parameter *parameter)
{
    if (parameter->step > 0) return parameter->step;
    return parameter->kind == FM_PARAMETER_INTEGER ? 1 : 0;
}

double fm_parameter_to_axis(const fm_parameter *parameter, double value)
{
    return parameter->log ? log(value) : value;
}

void fm_parameter_cell(const fm_parameter *parameter, double value, double *a, double *b)
{
    double half = fm_parameter_step(parameter) / 2;
    *a = fm_parameter_to_axis(parameter, value - half);
    *b = fm_parameter_to_axis(parameter, value + half);
}

static double last_value(const fm_parameter *p)
{
    double step = fm_parameter_step(p);
    if (step == 0) return p->high;
    return p->low + floor((p->high - p->low) / step * (1 + 1e-12)) * step;
}

void fm_parameter_axis(const fm_parameter *parameter, double *a, double *b)
{
    double unused;
    fm_parameter_cell(parameter, parameter->low, a, &unused);
    fm_parameter_cell(parameter, last_value(parameter), &unused, b);
}

/* To `digits` significant decimal digits. Powers of ten up to 1e22 are exact, so the result is the
 * double nearest to the short decimal. */
static double round_digits(double value, int digits)
{
    if (value == 0) return 0;
    double power = digits - 1 - floor(log10(fabs(value)));
    if (fabs(power) > 22) return value;
    double scale = pow(10, fabs(power));
    return power >= 0 ? round(value * scale) / scale : round(value / scale) * scale;
}

double fm_parameter_from_axis(const fm_parameter *parameter, double x)
{
    double value = parameter->log ? exp(x) : x, step = fm_parameter_step(parameter);
    double high = last_value(parameter);
    if (step > 0) {
        value = parameter->low + round((value - parameter->low) / step) * step;
        if (parameter->kind == FM_PARAMETER_FLOAT) value = round_digits(value, 12);
    } else {
        value = round_digits(value, 6);
    }
    value += 0.0; /* no negative zero */
    return value < parameter->low ? parameter->low : value > high ? high : value;
}

/* ---- drawing --------------------------------------------------------------------------------- */

bool fm_parameter_holds(const fm_space *space, int parameter, const double *values)
{
    const fm_parameter *p = &space->parameters[parameter];
    for (int i = 0; i < p->when_count; i++) {
        double on = values[p->when[i].parameter];
        if (isnan(on) || !(p->when[i].choices >> (int)on & 1)) return false;
    }
    return true;
}

fm_random fm_parameter_random(const fm_parameter *parameter, int64_t seed, int64_t trial,
                              int attempt)
{
    uint32_t stream = fm_stream_of(parameter->name) + (uint32_t)attempt * 0x9E3779B9u;
    return fm_random_at((uint64_t)seed, (uint32_t)trial, stream);
}

double fm_parameter_draw(const fm_parameter *parameter, fm_random *random)
{
    if (parameter->kind == FM_PARAMETER_CHOICE) {
        return (double)fm_random_below(random, (uint64_t)parameter->choice_count);
    }
    double a, b;
    fm_parameter_axis(parameter, &a, &b);
    return fm_parameter_from_axis(parameter, fm_random_range(random, a, b));
}

/* ---- grids ----------------------------------------------------------------------------------- */

static double grid_point(const fm_parameter *p, int64_t index)
{
    double a = fm_parameter_to_axis(p, p->low), b = fm_parameter_to_axis(p, last_value(p));
    return fm_parameter_from_axis(p, a + (b - a) * (double)index / (double)(p->points - 1));
}

static int64_t grid_count(const fm_parameter *parameter)
{
    if (parameter->kind == FM_PARAMETER_CHOICE) return parameter->choice_count;
    if (parameter->points == 0) {
        double step = fm_parameter_step(parameter);
        double steps = round((last_value(parameter) - parameter->low) / step);
        return steps < largest_integer ? (int64_t)steps + 1 : INT64_MAX;
    }
    int64_t count = 1; /* points may fall together where only whole numbers are possible */
    for (int64_t i = 1; i < parameter->points; i++) {
        count += grid_point(parameter, i) != grid_point(parameter, i - 1);
    }
    return count;
}

static double grid_value(const fm_parameter *parameter, int64_t index)
{
    if (parameter->kind == FM_PARAMETER_CHOICE) return (double)index;
    if (parameter->points == 0) {
        double x = parameter->low + (double)index * fm_parameter_step(parameter);
        return fm_parameter_from_axis(parameter, fm_parameter_to_axis(parameter, x));
    }
    int64_t at = 0;
    while (index > 0 && at + 1 < parameter->points) {
        at++;
        index -= grid_point(parameter, at) != grid_point(parameter, at - 1);
    }
    return grid_point(parameter, at);
}

void fm_grid_values(const fm_space *space, const int64_t *digits, double *values)
{
    for (int i = 0; i < space->count; i++) {
        bool holds = fm_parameter_holds(space, i, values);
        values[i] = holds ? grid_value(&space->parameters[i], digits[i]) : (double)NAN;
    }
}

/* An odometer whose last wheel is the last parameter; one whose condition does not hold stands. */
bool fm_grid_next(const fm_space *space, int64_t *digits)
{
    double values[FM_MAX_PARAMETERS];
    fm_grid_values(space, digits, values);
    for (int i = space->count - 1; i >= 0; i--) {
        if (!isnan(values[i]) && digits[i] + 1 < grid_count(&space->parameters[i])) {
            digits[i]++;
            return true;
        }
        digits[i] = 0;
    }
    return false;
}
