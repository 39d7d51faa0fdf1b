/* fathom/schedule.h: the learning rate as a function of the step.
 *
 *     fm_schedule s = {.kind = FM_SCHEDULE_COSINE, .decay_steps = 10000, .warmup_steps = 500};
 *     rate = fm_schedule_rate(&s, 0.001, step, steps_per_epoch);
 *
 * Invariants
 *  - Pure functions of (base rate, step): nothing to save, nothing to resume. Step 0 is the first.
 *  - The one with memory is reduce-on-plateau: a plain struct, saved as it is.
 *  - May be NULL: nothing.
 */
#ifndef FATHOM_SCHEDULE_H
#define FATHOM_SCHEDULE_H

#include "fathom/schema.h"

#ifdef __cplusplus
extern "C" {
#endif

/* a the base rate, s the step after warm-up, n decay_steps; formulas as in Keras, one_cycle as in
 * PyTorch. */
typedef enum fm_schedule_kind {
    FM_SCHEDULE_CONSTANT, /* a */
    FM_SCHEDULE_STEP,     /* a decay_rate^floor(s / n) */
    /* a decay_rate^(s / n); staircase: floor(s / n) */
    FM_SCHEDULE_EXPONENTIAL,
    /* (a - end) (1 - s / n)^power + end; after n the end, cycle: n grows to its next multiple */
    FM_SCHEDULE_POLYNOMIAL,
    /* a ((1 - alpha) (1 + cos(pi s / n)) / 2 + alpha), s <= n; Loshchilov and Hutter 2017 */
    FM_SCHEDULE_COSINE,
    /* the same again and again: periods n, n t_mul, n t_mul^2, ... of heights 1, m_mul, m_mul^2 */
    FM_SCHEDULE_COSINE_RESTARTS,
    /* cosine from a / div_factor up to a at warmup_fraction n, then down to
     * a / div_factor / final_div_factor at n - 1; Smith and Topin 2019 */
    FM_SCHEDULE_ONE_CYCLE,
    FM_SCHEDULE_PIECEWISE, /* a decay_rate^k after k of the `boundaries` */
    FM_SCHEDULE_COUNT
} fm_schedule_kind;

/* warmup_steps  it climbs linearly over them, from warmup_start a at step 0 to a; the schedule
 *               starts after them. 0: none.
 * per_epoch     decay_steps, warmup_steps and boundaries count epochs instead of steps.
 * Defaults: decay_rate 0.96 (step: 0.1), power 1, end_learning_rate 0.0001, alpha 0, t_mul 2,
 * m_mul 1, warmup_fraction 0.3, div_factor 25, final_div_factor 10000, warmup_start 0. */
typedef struct fm_schedule {
    int kind; /* fm_schedule_kind */
    double decay_steps, decay_rate;
    bool staircase, cycle, per_epoch;
    double power, end_learning_rate, alpha, t_mul, m_mul;
    double warmup_fraction, div_factor, final_div_factor;
    double warmup_steps, warmup_start;
    fm_ints boundaries;
} fm_schedule;

/* steps_per_epoch, at least 1, is read with per_epoch only. */
FM_API double fm_schedule_rate(const fm_schedule *schedule, double base_rate, uint64_t step,
                               double steps_per_epoch);

typedef struct fm_schedule_record {
    const char *name;
    const char *aliases[2];
    const char *doc;
    const fm_field *fields; /* of fm_schedule; required ones must be set */
    double (*rate)(const fm_schedule *schedule, const fm_field *fields, double base_rate, double s);
} fm_schedule_record;

FM_API const fm_schedule_record *fm_schedule_at(int kind);
FM_API const fm_schedule_record *fm_schedule_find(const char *name);
/* FM_ERROR_ARGUMENT in words when a number lies outside its range or a required one is missing. */
FM_API fm_status fm_schedule_check(fm_context *context, const fm_schedule *schedule);

/* ---- reduce on plateau ----------------------------------------------------------------------- */

/* After `patience` epochs without an improvement by more than min_delta the rate is multiplied by
 * factor, never below minimum_rate; then `cooldown` epochs pass before waiting begins (Keras).
 * Defaults: factor 0.1, patience 10, min_delta 0.0001, cooldown 0, minimum_rate 0. */
typedef struct fm_plateau {
    double factor;
    int64_t patience;
    double min_delta;
    int64_t cooldown;
    double minimum_rate;
    bool maximize; /* larger values are better */
} fm_plateau;

/* Zero is the start. */
typedef struct fm_plateau_state {
    bool started;
    double best;
    int64_t waited, cooling;
    int64_t reductions;
} fm_plateau_state;

FM_API extern const fm_field fm_plateau_fields[];

/* Once an epoch with the value that is watched; true when the rate has just been reduced. */
FM_API bool fm_plateau_update(const fm_plateau *plateau, fm_plateau_state *state, double value);
/* rate factor^reductions, not below minimum_rate. */
FM_API double fm_plateau_rate(const fm_plateau *plateau, const fm_plateau_state *state,
                              double rate);

#ifdef __cplusplus
}
#endif
#endif
