/* Schedules and reduce on plateau against PyTorch and Keras. */
#include "support/fixture.h"

#include "fathom/schedule.h"
#include "golden/schedules_golden.h"

static double zero_is_meant(double value)
{
    return value == 0 ? FM_ZERO : value;
}

static fm_schedule schedule_of(const struct golden_schedule *c)
{
    const fm_schedule_record *record = fm_schedule_find(c->kind);
    assert_non_null(record);
    fm_schedule s = {.decay_steps = c->decay_steps,
                     .decay_rate = c->decay_rate,
                     .staircase = c->staircase,
                     .cycle = c->cycle,
                     .power = c->power,
                     .end_learning_rate = zero_is_meant(c->end_learning_rate),
                     .alpha = c->alpha,
                     .t_mul = c->t_mul,
                     .m_mul = c->m_mul,
                     .warmup_fraction = c->warmup_fraction,
                     .div_factor = c->div_factor,
                     .final_div_factor = c->final_div_factor,
                     .warmup_steps = c->warmup_steps,
                     .warmup_start = c->warmup_start,
                     .boundaries.count = c->boundary_count};
    for (int i = 0; i < c->boundary_count; i++) s.boundaries.at[i] = c->boundaries[i];
    while (fm_schedule_at(s.kind) != record) s.kind++;
    return s;
}

static void schedules_agree_with_golden(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < sizeof golden_schedules / sizeof golden_schedules[0]; i++) {
        const struct golden_schedule *c = &golden_schedules[i];
        fm_schedule s = schedule_of(c);
        print_message("%s\n", c->name);
        assert_ok(f->context, fm_schedule_check(f->context, &s));
        for (int step = 0; step < GOLDEN_SCHEDULE_STEPS; step++) {
            double rate = fm_schedule_rate(&s, c->learning_rate, (uint64_t)step, 0);
            assert_near(rate / c->learning_rate, c->rates[step] / c->learning_rate, 1e-14);
        }
    }
}

static void plateaus_agree_with_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_plateaus / sizeof golden_plateaus[0]; i++) {
        const struct golden_plateau *c = &golden_plateaus[i];
        fm_plateau p = {.factor = c->factor,
                        .patience = c->patience,
                        .min_delta = zero_is_meant(c->min_delta),
                        .cooldown = c->cooldown,
                        .minimum_rate = c->minimum_rate,
                        .maximize = c->maximize};
        fm_plateau_state s = {0};
        print_message("%s\n", c->name);
        for (int epoch = 0; epoch < GOLDEN_SCHEDULE_STEPS; epoch++) {
            double loss = golden_plateau_losses[epoch];
            fm_plateau_update(&p, &s, c->maximize ? -loss : loss);
            assert_near(fm_plateau_rate(&p, &s, c->learning_rate) / c->rates[epoch], 1, 1e-12);
        }
    }
}

static void nan_is_no_improvement(void **state)
{
    (void)state;
    const fm_plateau p = {.patience = 2};
    fm_plateau_state s = {0};
    assert_false(fm_plateau_update(&p, &s, (double)NAN));
    assert_true(fm_plateau_update(&p, &s, (double)NAN));
    assert_false(fm_plateau_update(&p, &s, 3));
    assert_near(s.best, 3, 0);
}

/* With 100 steps an epoch, 3 epochs are 300 steps. */
static void epochs_are_steps(void **state)
{
    (void)state;
    fm_schedule epochs = {
        .kind = FM_SCHEDULE_ONE_CYCLE, .decay_steps = 3, .warmup_steps = 1, .per_epoch = true};
    fm_schedule steps = {.kind = FM_SCHEDULE_ONE_CYCLE, .decay_steps = 300, .warmup_steps = 100};
    for (uint64_t step = 0; step < 500; step += 7) {
        assert_near(fm_schedule_rate(&epochs, 1, step, 100), fm_schedule_rate(&steps, 1, step, 0),
                    0);
    }
    fm_schedule drops = {.kind = FM_SCHEDULE_PIECEWISE, .boundaries = {1, {2}}, .per_epoch = true};
    assert_near(fm_schedule_rate(&drops, 1, 199, 100), 1, 0);
    assert_near(fm_schedule_rate(&drops, 1, 200, 100), 0.1, 1e-15);
    for (int kind = 0; kind < FM_SCHEDULE_COUNT; kind++) { /* an epoch has a step at least */
        epochs = (fm_schedule){.kind = kind, .decay_steps = 3, .per_epoch = true};
        assert_near(fm_schedule_rate(&epochs, 1, 7, 0), fm_schedule_rate(&epochs, 1, 7, 1), 0);
    }
}

/* After its end a schedule keeps its last rate. */
static void the_end_is_held(void **state)
{
    (void)state;
    fm_schedule s = {.kind = FM_SCHEDULE_ONE_CYCLE, .decay_steps = 100};
    assert_near(fm_schedule_rate(&s, 1, 1000000, 0), 1.0 / 25 / 10000, 1e-18);
    s.kind = FM_SCHEDULE_COSINE;
    assert_near(fm_schedule_rate(&s, 1, 1000000, 0), 0, 1e-15);
    s.kind = FM_SCHEDULE_POLYNOMIAL;
    assert_near(fm_schedule_rate(&s, 1, 1000000, 0), 0.0001, 1e-18);
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    fm_schedule s = {.kind = FM_SCHEDULE_COSINE};
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "cosine: decay_steps must be at least 0.001, received 0",
                 fm_schedule_check(f->context, &s));
    s = (fm_schedule){.kind = FM_SCHEDULE_COSINE_RESTARTS, .decay_steps = 1, .t_mul = 0.5};
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "cosine_restarts: t_mul must be at least 1, received 0.5",
                 fm_schedule_check(f->context, &s));
    s = (fm_schedule){.kind = FM_SCHEDULE_PIECEWISE};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "piecewise: boundaries must hold a step or more",
                 fm_schedule_check(f->context, &s));
    s = (fm_schedule){.kind = 99};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "schedule: there is no kind 99",
                 fm_schedule_check(f->context, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(schedules_agree_with_golden),
        fixture_test(plateaus_agree_with_golden),
        fixture_test(nan_is_no_improvement),
        fixture_test(epochs_are_steps),
        fixture_test(the_end_is_held),
        fixture_test(mistakes_are_worded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
