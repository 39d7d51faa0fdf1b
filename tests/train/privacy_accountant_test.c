/* The accountant against quadrature and against what TensorFlow Privacy and Opacus print. */
#include "support/fixture.h"
#include "fathom/privacy.h"
#include "golden/privacy_golden.h"

/* Divergences: (order - 1) rdp = log A. The absolute part is that of sums near 1: log A there is as
 * small as 1e-12, which a million steps turn into 1e-6. */
static void divergences_are_those_of_quadrature(void **state)
{
    (void)state;
    for (int i = 0; i < GOLDEN_LOG_AS_COUNT; i++) {
        const struct golden_log_a *row = &golden_log_as[i];
        double log_a = (row->order - 1) * fm_privacy_rdp(row->q, row->sigma, row->order);
        double allowed = 1e-9 * row->log_a + 1e-14;
        if (fabs(log_a - row->log_a) <= allowed) continue;
        fail_msg("q %g, sigma %g, order %g: log A is %.17g instead of %.17g", row->q, row->sigma,
                 row->order, log_a, row->log_a);
    }
}

/* github.com/tensorflow/privacy, privacy/analysis/rdp_accountant_test.py, and the sharper digits of
 * github.com/google/differential-privacy, rdp_privacy_accountant_test.py (for order 1.5 the latter
 * takes a bound that is 3 % larger). */
static void divergences_are_those_of_tensorflow_privacy(void **state)
{
    static const double orders[] = {2.5, 5, 50, 100};
    static const double expected[] = {1.08548710e-03, 2.18075656e-03, 2.38460375e-02,
                                      1.67416308e02};
    (void)state;
    assert_near(10 * fm_privacy_rdp(0.1, 2, 5), 0.07737, 5e-6);
    assert_near(50 * fm_privacy_rdp(0.01, 2.5, 1.5), 0.00065, 5e-6);
    for (int i = 0; i < 4; i++) {
        double rdp = 50 * fm_privacy_rdp(0.01, 2.5, orders[i]);
        double allowed = orders[i] == floor(orders[i]) ? 1e-8 : 1e-4; /* theirs */
        if (fabs(rdp - expected[i]) > allowed * expected[i])
            fail_msg("order %g: %g", orders[i], rdp);
    }
    assert_true(fm_privacy_rdp(0, 10, 20) == 0);
    assert_true(fm_privacy_rdp(1, 10, 20) == 0.1);
    assert_true(fm_privacy_rdp(0.1, 0, 20) == INFINITY);
}

static double with(fixture *f, double sample_rate, int64_t steps, double noise, double *order)
{
    double epsilon;
    const fm_privacy_plan plan = {.sample_rate = sample_rate, .steps = steps, .delta = 1e-5};
    assert_ok(f->context, fm_privacy_epsilon(f->context, &plan, noise, &epsilon, order));
    return epsilon;
}

/* github.com/pytorch/opacus, opacus/tests/accountants_test.py: test_rdp_accountant. Its two tests
 * of the noise for epsilon 8 stop at a tolerance of 0.01 in epsilon. */
static void epsilons_are_those_of_opacus(void **state)
{
    fixture *f = *state;
    double noise, order;
    assert_near(with(f, 0.04, 2250, 1.5, &order), 7.32911117143, 1e-10);
    assert_near(with(f, 0.04, 2250, 1.416, NULL), 8, 0.01);
    assert_near(with(f, 0.04, 2000, 1.3562, NULL), 8, 0.01);
    assert_ok(f->context,
              fm_privacy_noise(f->context, &(fm_privacy_plan){0.04, 2250, 1e-5}, NULL, 8, &noise));
    assert_near(noise, 1.416, 1e-3);
}

/* The conversion of Mironov 2017, proposition 3, which older releases use. */
static double older(double order, double rdp, double delta)
{
    return rdp - log(delta) / (order - 1);
}

static double least_older(double q, double sigma, double steps, double delta, int last)
{
    double least = INFINITY;
    for (int order = 2; order <= last; order++) {
        least = fmin(least, older(order, steps * fm_privacy_rdp(q, sigma, order), delta));
    }
    return least;
}

/* rdp_accountant_test.py: test_get_privacy_spent_check_target_delta, test_check_composition; and
 * the table of tutorials/README.md of 2019 (batches of 256 from 60000). */
static void older_conversions_are_those_of_tensorflow_privacy(void **state)
{
    (void)state;
    assert_near(least_older(0.01, 4, 10000, 1e-5, 32), 1.258575, 1e-6);
    double both = 40000 * fm_privacy_rdp(1e-4, 0.4, 2.5) + 100 * fm_privacy_rdp(0.1, 2, 2.5);
    assert_near(older(2.5, both, 1e-5), 8.509656, 1e-6);
    const double q = 256.0 / 60000;
    assert_near(least_older(q, 1.12, 60 / q, 1e-5, 64), 2.92, 0.002);
    assert_near(least_older(q, 1.2, 10 / q, 1e-5, 64), 1.20, 0.005);
}

/* rdp_privacy_accountant_test.py: without sampling, noise that gives exactly (1, 1e-6). */
static void a_gaussian_gives_its_epsilon(void **state)
{
    double least = INFINITY;
    (void)state;
    for (int i = 1100; i < 100000; i++) {
        double order = i * 0.001, rdp = fm_privacy_rdp(1, 4.530877117, order);
        least = fmin(least, fm_privacy_convert(order, rdp, 1e-6));
    }
    assert_near(least, 1, 1e-7);
}

static void losses_add_up(void **state)
{
    fixture *f = *state;
    fm_privacy_loss step, other, total = {{0}};
    double order;
    assert_true(fm_privacy_spent(&total, 1e-5, NULL) == 0);
    fm_privacy_step(0.04, 1.5, &step);
    fm_privacy_add(&total, &step, 1000);
    fm_privacy_add(&total, &step, 1250);
    assert_near(fm_privacy_spent(&total, 1e-5, &order), 7.32911117143, 1e-10);
    double alone = fm_privacy_spent(&total, 1e-5, NULL);
    fm_privacy_step(0.1, 2, &other);
    fm_privacy_add(&total, &other, 100);
    assert_true(fm_privacy_spent(&total, 1e-5, NULL) > alone + 0.1);
    assert_true(fm_privacy_spent(&total, 1e-6, NULL) > fm_privacy_spent(&total, 1e-5, NULL));
    for (int i = 1; i < FM_PRIVACY_ORDERS; i++) {
        assert_true(fm_privacy_order(i) > fm_privacy_order(i - 1));
    }
    assert_near(fm_privacy_order(0), 1.1, 1e-15);
    assert_near(fm_privacy_order(FM_PRIVACY_ORDERS - 1), 1024, 0);
    assert_near(with(f, 1, 1, 0, NULL), INFINITY, 0);
}

static void noise_keeps_its_epsilon(void **state)
{
    fixture *f = *state;
    const double factor = fixture_is_watched() ? 30 : 3;
    for (double epsilon = 0.1; epsilon < 20; epsilon *= factor) {
        double noise;
        const fm_privacy_plan plan = {.sample_rate = 0.01, .steps = 3000, .delta = 1e-5};
        assert_ok(f->context, fm_privacy_noise(f->context, &plan, NULL, epsilon, &noise));
        double spent = with(f, 0.01, 3000, noise, NULL);
        if (spent > epsilon || spent < epsilon * 0.9995) fail_msg("%g for %g", spent, epsilon);
        fm_privacy_loss step, half = {{0}};
        fm_privacy_step(0.01, noise, &step);
        fm_privacy_add(&half, &step, 1500);
        const fm_privacy_plan rest = {.sample_rate = 0.01, .steps = 1500, .delta = 1e-5};
        double again;
        assert_ok(f->context, fm_privacy_noise(f->context, &rest, &half, epsilon, &again));
        assert_near(again / noise, 1, 1e-4);
    }
}

static void impossible_plans_are_refused(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    double x;
    assert_fails(c, FM_ERROR_ARGUMENT, "above 0 and at most 1, received 1.5",
                 fm_privacy_epsilon(c, &(fm_privacy_plan){1.5, 1, 1e-5}, 1, &x, NULL));
    assert_fails(c, FM_ERROR_ARGUMENT, "delta lies between 0 and 1, received 1",
                 fm_privacy_epsilon(c, &(fm_privacy_plan){0.5, 1, 1}, 1, &x, NULL));
    assert_fails(c, FM_ERROR_ARGUMENT, "-3 steps",
                 fm_privacy_epsilon(c, &(fm_privacy_plan){0.5, -3, 0.1}, 1, &x, NULL));
    assert_fails(c, FM_ERROR_ARGUMENT, "a noise multiplier of -1",
                 fm_privacy_epsilon(c, &(fm_privacy_plan){0.5, 1, 0.1}, -1, &x, NULL));
    assert_fails(c, FM_ERROR_ARGUMENT, "an epsilon of 0",
                 fm_privacy_noise(c, &(fm_privacy_plan){0.5, 1, 0.1}, NULL, 0, &x));
    assert_fails(
        c, FM_ERROR_ARGUMENT, "brings 1000000000000000 steps",
        fm_privacy_noise(c, &(fm_privacy_plan){1, 1000000000000000, 1e-9}, NULL, 1e-3, &x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(divergences_are_those_of_quadrature),
        fixture_test(divergences_are_those_of_tensorflow_privacy),
        fixture_test(epsilons_are_those_of_opacus),
        fixture_test(older_conversions_are_those_of_tensorflow_privacy),
        fixture_test(a_gaussian_gives_its_epsilon),
        fixture_test(losses_add_up),
        fixture_test(noise_keeps_its_epsilon),
        fixture_test(impossible_plans_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
