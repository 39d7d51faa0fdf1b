/* Schedules of the learning rate, and reduce on plateau. */
#include "fathom/schedule.h"
#include "nn/option.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static double constant_rate(const fm_schedule *c, const fm_field *fields, double a, double s)
{
    (void)c, (void)fields, (void)s;
    return a;
}

static double step_rate(const fm_schedule *c, const fm_field *fields, double a, double s)
{
    return a * pow(fm_option_real(fields, "decay_rate", c), floor(s / c->decay_steps));
}

static double exponential_rate(const fm_schedule *c, const fm_field *fields, double a, double s)
{
    double times = s / c->decay_steps;
    return a * pow(fm_option_real(fields, "decay_rate", c), c->staircase ? floor(times) : times);
}

static double polynomial_rate(const fm_schedule *c, const fm_field *fields, double a, double s)
{
    double end = fm_option_real(fields, "end_learning_rate", c), n = c->decay_steps;
    if (c->cycle) n *= fmax(1, ceil(s / n));
    double left = 1 - fmin(s, n) / n;
    return (a - end) * pow(left, fm_option_real(fields, "power", c)) + end;
}

static double cosine_rate(const fm_schedule *c, const fm_field *fields, double a, double s)
{
    double alpha = fm_option_real(fields, "alpha", c);
    double fraction = fmin(s / c->decay_steps, 1);
    return a * ((1 - alpha) * 0.5 * (1 + cos(pi * fraction)) + alpha);
}

static double cosine_restarts_rate(const fm_schedule *c, const fm_field *fields, double a, double s)
{
    double alpha = fm_option_real(fields, "alpha", c), t_mul = fm_option_real(fields, "t_mul", c);
    double period = c->decay_steps, restarts = 0;
    if (t_mul <= 1) {
        restarts = floor(s / period);
        s -= restarts * period;
    }
    for (; s >= period; restarts++) {
        s -= period;
        period *= t_mul;
    }
    double height = (1 - alpha) * pow(fm_option_real(fields, "m_mul", c), restarts);
    return a * (height * 0.5 * (1 + cos(pi * s / period)) + alpha);
}

static double anneal(double from, double to, double fraction)
{
    return to + (from - to) * 0.5 * (1 + cos(pi * fraction));
}

static double one_cycle_rate(const fm_schedule *c, const fm_field *fields, double a, double s)
{
    double first = a / fm_option_real(fields, "div_factor", c);
    double end = first / fm_option_real(fields, "final_div_factor", c);
    double top = fmax(fm_option_real(fields, "warmup_fraction", c) * c->decay_steps - 1, 0);
    double last = fmax(c->decay_steps - 1, top);
    if (s < top) return anneal(first, a, s / top);
    return s < last ? anneal(a, end, (s - top) / (last - top)) : end;
}

static double piecewise_rate(const fm_schedule *c, const fm_field *fields, double a, double s)
{
    int passed = 0;
    for (int i = 0; i < c->boundaries.count; i++) passed += s >= (double)c->boundaries.at[i];
    return a * pow(fm_option_real(fields, "decay_rate", c), passed);
}

/* ---- records --------------------------------------------------------------------------------- */

#define REAL(member, doc, ...) FM_FIELD(fm_schedule, member, FM_FIELD_REAL, doc, __VA_ARGS__)
#define BOOL(member, doc)      FM_FIELD(fm_schedule, member, FM_FIELD_BOOL, doc)
#define DECAY_STEPS(doc)                                                                           \
    REAL(decay_steps, doc, .required = true, .minimum = 0.001, .maximum = INFINITY)
#define DECAY_RATE(number)                                                                         \
    REAL(decay_rate, "factor of each decay", .default_value = number, .maximum = 1)
#define ALPHA REAL(alpha, "the lowest rate as a share of the first", .maximum = 1)
/* What every schedule takes. */
#define COMMON                                                                                     \
    REAL(warmup_steps, "steps of a linear climb before the schedule begins", .maximum = INFINITY), \
        REAL(warmup_start, "where the climb starts, as a share of the rate", .maximum = 1),        \
        BOOL(per_epoch, "numbers of steps count epochs"),                                          \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const fm_field constant_fields[] = {COMMON};
static const fm_field step_fields[] = {DECAY_STEPS("steps from one decay to the next"),
                                       DECAY_RATE(0.1), COMMON};
static const fm_field exponential_fields[] = {
    DECAY_STEPS("steps over which the rate falls by decay_rate"), DECAY_RATE(0.96),
    BOOL(staircase, "decay at whole multiples of decay_steps only"), COMMON};
static const fm_field polynomial_fields[] = {
    DECAY_STEPS("steps until the end"),
    REAL(end_learning_rate, "the rate at the end", .default_value = 0.0001, .maximum = INFINITY),
    REAL(power, "1: a straight line", .default_value = 1, .maximum = 100),
    BOOL(cycle, "begin again after decay_steps, lower"), COMMON};
static const fm_field cosine_fields[] = {DECAY_STEPS("steps until the lowest rate"), ALPHA, COMMON};
static const fm_field cosine_restarts_fields[] = {
    DECAY_STEPS("steps of the first period"),
    REAL(t_mul, "each period is longer by this", .default_value = 2, .minimum = 1,
         .maximum = INFINITY),
    REAL(m_mul, "each period starts lower by this", .default_value = 1, .maximum = 1), ALPHA,
    COMMON};
static const fm_field one_cycle_fields[] = {
    DECAY_STEPS("steps of the whole cycle"),
    REAL(warmup_fraction, "share of the cycle that climbs", .default_value = 0.3, .maximum = 1),
    REAL(div_factor, "the first rate is the top divided by this", .default_value = 25, .minimum = 1,
         .maximum = INFINITY),
    REAL(final_div_factor, "the last rate is the first divided by this", .default_value = 10000,
         .minimum = 1, .maximum = INFINITY),
    COMMON};
static const fm_field piecewise_fields[] = {FM_FIELD(fm_schedule, boundaries, FM_FIELD_INTS,
                                                     "steps at which the rate decays",
                                                     .required = true, .maximum = 1e15),
                                            DECAY_RATE(0.1), COMMON};

static const fm_schedule_record records[FM_SCHEDULE_COUNT] = {
    [FM_SCHEDULE_CONSTANT] = {"constant", {0}, "a", constant_fields, constant_rate},
    [FM_SCHEDULE_STEP] =
        {"step", {"step_decay"}, "a decay_rate^floor(s / decay_steps)", step_fields, step_rate},
    [FM_SCHEDULE_EXPONENTIAL] = {"exponential",
                                 {"exponential_decay"},
                                 "a decay_rate^(s / decay_steps)",
                                 exponential_fields,
                                 exponential_rate},
    [FM_SCHEDULE_POLYNOMIAL] = {"polynomial",
                                {"polynomial_decay"},
                                "(a - end) (1 - s / decay_steps)^power + end",
                                polynomial_fields,
                                polynomial_rate},
    [FM_SCHEDULE_COSINE] = {"cosine",
                            {"cosine_decay"},
                            "half a cosine from a down to alpha a",
                            cosine_fields,
                            cosine_rate},
    [FM_SCHEDULE_COSINE_RESTARTS] = {"cosine_restarts",
                                     {"cosine_decay_restarts"},
                                     "cosine again and again, each period longer by t_mul",
                                     cosine_restarts_fields,
                                     cosine_restarts_rate},
    [FM_SCHEDULE_ONE_CYCLE] = {"one_cycle",
                               {0},
                               "up to a and far down again, by cosines",
                               one_cycle_fields,
                               one_cycle_rate},
    [FM_SCHEDULE_PIECEWISE] = {"piecewise",
                               {"piecewise_constant_decay"},
                               "a decay_rate^(boundaries passed)",
                               piecewise_fields,
                               piecewise_rate},
};

const fm_schedule_record *fm_schedule_at(int kind)
{
    return kind >= 0 && kind < FM_SCHEDULE_COUNT ? &records[kind] : NULL;
}

const fm_schedule_record *fm_schedule_find(const char *name)
{
    for (int i = 0; i < FM_SCHEDULE_COUNT; i++) {
        if (fm_named(name, records[i].name, records[i].aliases)) return &records[i];
    }
    return NULL;
}

fm_status fm_schedule_check(fm_context *context, const fm_schedule *schedule)
{
    const fm_schedule_record *record = fm_schedule_at(schedule->kind);
    if (!record) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "schedule: there is no kind %d", schedule->kind);
    }
    fm_schedule filled = *schedule;
    fm_status status = fm_fields_complete(context, record->fields, &filled, record->name);
    if (status != FM_OK || schedule->kind != FM_SCHEDULE_PIECEWISE) return status;
    if (schedule->boundaries.count > 0) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT, "piecewise: boundaries must hold a step or more");
}

/* The same schedule with epochs, of a step at least, as steps. */
static fm_schedule in_steps(const fm_schedule *schedule, double steps_per_epoch)
{
    fm_schedule c = *schedule;
    steps_per_epoch = fmax(steps_per_epoch, 1);
    c.decay_steps *= steps_per_epoch;
    c.warmup_steps *= steps_per_epoch;
    for (int i = 0; i < c.boundaries.count; i++) {
        c.boundaries.at[i] = llround((double)c.boundaries.at[i] * steps_per_epoch);
    }
    return c;
}

double fm_schedule_rate(const fm_schedule *schedule, double base_rate, uint64_t step,
                        double steps_per_epoch)
{
    const fm_schedule_record *record = fm_schedule_at(schedule->kind);
    if (!record) return base_rate;
    fm_schedule c = schedule->per_epoch ? in_steps(schedule, steps_per_epoch) : *schedule;
    double s = (double)step;
    if (s < c.warmup_steps) {
        return base_rate * (c.warmup_start + (1 - c.warmup_start) * s / c.warmup_steps);
    }
    return record->rate(&c, record->fields, base_rate, s - c.warmup_steps);
}

/* ---- reduce on plateau ----------------------------------------------------------------------- */

const fm_field fm_plateau_fields[] = {
    FM_FIELD(fm_plateau, factor, FM_FIELD_REAL, "the rate is multiplied by this",
             .default_value = 0.1, .maximum = 1),
    FM_FIELD(fm_plateau, patience, FM_FIELD_INT, "epochs without an improvement that are borne",
             .default_value = 10, .minimum = 1, .maximum = INFINITY),
    FM_FIELD(fm_plateau, min_delta, FM_FIELD_REAL, "a smaller change is no improvement",
             .default_value = 0.0001, .maximum = INFINITY),
    FM_FIELD(fm_plateau, cooldown, FM_FIELD_INT, "epochs after a reduction that do not count",
             .maximum = INFINITY),
    FM_FIELD(fm_plateau, minimum_rate, FM_FIELD_REAL, "the rate is not reduced below this",
             .maximum = INFINITY),
    FM_FIELD(fm_plateau, maximize, FM_FIELD_BOOL, "larger values are better"),
    {.name = NULL},
};

bool fm_plateau_update(const fm_plateau *plateau, fm_plateau_state *state, double value)
{
    double delta = fm_option_real(fm_plateau_fields, "min_delta", plateau);
    bool better = plateau->maximize ? value > state->best + delta : value < state->best - delta;
    if (state->cooling > 0) {
        state->cooling--;
        state->waited = 0;
    }
    if (state->started ? better : !isnan(value)) {
        state->started = true;
        state->best = value;
        state->waited = 0;
        return false;
    }
    if (state->cooling > 0) return false;
    state->waited++;
    if (state->waited < fm_option_int(fm_plateau_fields, "patience", plateau)) return false;
    state->waited = 0;
    state->cooling = plateau->cooldown;
    state->reductions++;
    return true;
}

double fm_plateau_rate(const fm_plateau *plateau, const fm_plateau_state *state, double rate)
{
    double lowest = plateau->minimum_rate;
    if (state->reductions == 0 || rate <= lowest) return rate;
    double factor = fm_option_real(fm_plateau_fields, "factor", plateau);
    return fmax(rate * pow(factor, (double)state->reductions), lowest);
}
