/* The layer gaussian_sample: divergence and gradients against PyTorch, modes, draws, warm-up, what
 * is told, mistakes in words. */
#include "support/graphs.h"

#include "fathom/nn.h"
#include "fathom/ops.h"
#include "golden/unsupervised_golden.h"

static double number_of(fm_program *program, const char *name)
{
    const double *number = fm_program_output(program, name);
    assert_non_null(number);
    return *number;
}

/* The penalty's gradients are beta times those of the divergence;
 * the divergence is told as it is. */
static void divergence_agrees_with_golden(void **state)
{
    fixture *f = *state;
    const struct golden_divergence *c = &golden_divergences[0];
    const size_t count = (size_t)(c->rows * c->columns);
    const double beta = 0.25;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val in[2] = {fm_input(g, "mean", FM_F64, FM_SHAPE(c->rows, c->columns)),
                    fm_input(g, "log_variance", FM_F64, FM_SHAPE(c->rows, c->columns))};
    fm_val slopes[2];
    fm_gaussian_sample(g, in[0], in[1], .beta = beta);
    fm_output(g, "penalty", fm_graph_penalty(g));
    fm_grad(g, fm_graph_penalty(g), in, 2, slopes);
    fm_output(g, "mean_gradient", slopes[0]);
    fm_output(g, "log_variance_gradient", slopes[1]);
    fm_program *program = compile_graph(f, store, g);
    feed(program, "mean", c->mean, count);
    feed(program, "log_variance", c->log_variance, count);
    assert_ok(f->context, fm_program_run(program));
    assert_near(number_of(program, "metric/kl"), c->value, 1e-13);
    assert_near(number_of(program, "penalty"), beta * c->value, 1e-13);
    const double *mean = fm_program_output(program, "mean_gradient");
    const double *log_variance = fm_program_output(program, "log_variance_gradient");
    for (size_t i = 0; i < count; i++) {
        assert_near(mean[i], beta * c->mean_gradient[i], 1e-13);
        assert_near(log_variance[i], beta * c->log_variance_gradient[i], 1e-13);
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
}

/* Training draws, evaluating tells and takes the mean, predicting takes the mean. */
static void each_mode_has_its_code(void **state)
{
    fixture *f = *state;
    for (int mode = FM_PREDICT; mode <= FM_TRAIN; mode++) {
        fm_graph *g = graph_for(f, (fm_mode)mode);
        fm_val mean = fm_input(g, "mean", FM_F64, FM_SHAPE(4, 3));
        fm_val z = fm_gaussian_sample(g, mean, fm_input(g, "v", FM_F64, FM_SHAPE(4, 3)));
        assert_int_equal(z.id == mean.id, mode != FM_TRAIN);
        assert_int_equal(fm_graph_output(g, "metric/kl").id != 0, mode != FM_PREDICT);
        assert_int_equal(fm_graph_penalty(g).id != 0, mode == FM_TRAIN);
        assert_ok(f->context, fm_graph_status(g));
        fm_graph_destroy(g);
    }
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(4, 3));
    fm_gaussian_sample(g, x, x, .beta = FM_ZERO);
    assert_true(fm_graph_output(g, "metric/kl").id != 0);
    assert_int_equal(fm_graph_penalty(g).id, 0);
    fm_graph_destroy(g);
}

/* d z / d mean is 1, d z / d log_variance is (z - mean) / 2:
 * that is what reparametrising is for. */
static void draws_have_moments_and_gradients(void **state)
{
    enum { DRAWS = 40000 };
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 3);
    fm_val in[2] = {fm_input(g, "mean", FM_F64, FM_SHAPE(1, DRAWS)),
                    fm_input(g, "log_variance", FM_F64, FM_SHAPE(1, DRAWS))};
    fm_val slopes[2], z = fm_gaussian_sample(g, in[0], in[1]);
    fm_output(g, "z", z);
    fm_grad(g, fm_sum(g, z, (fm_ints){0}, false), in, 2, slopes);
    fm_output(g, "mean_gradient", slopes[0]);
    fm_output(g, "log_variance_gradient", slopes[1]);
    fm_program *program = compile_graph(f, store, g);
    double *mean = fm_program_input(program, "mean");
    double *log_variance = fm_program_input(program, "log_variance");
    for (int i = 0; i < DRAWS; i++) {
        mean[i] = 2;
        log_variance[i] = log(0.49);
    }
    assert_ok(f->context, fm_program_run(program));
    const double *y = fm_program_output(program, "z");
    const double *of_mean = fm_program_output(program, "mean_gradient");
    const double *of_variance = fm_program_output(program, "log_variance_gradient");
    double sum = 0, square = 0;
    for (int i = 0; i < DRAWS; i++) {
        sum += y[i];
        square += (y[i] - 2) * (y[i] - 2);
        assert_near(of_mean[i], 1, 1e-15);
        assert_near(of_variance[i], (y[i] - 2) / 2, 1e-13);
    }
    assert_true(fabs(sum / DRAWS - 2) < 5 * 0.7 / sqrt(DRAWS));
    assert_true(fabs(sqrt(square / DRAWS) / 0.7 - 1) < 0.03);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

/* With warm_up 4 the weight is beta / 4, beta / 2, ... and stays beta. */
static void beta_grows_step_by_step(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(2, 2));
    fm_gaussian_sample(g, x, x, .beta = 3, .warm_up = 4, .name = "code");
    fm_output(g, "penalty", fm_graph_penalty(g));
    fm_program *program = compile_graph(f, store, g);
    feed(program, "x", (double[]){1, 2, -1, 0.5}, 4);
    double kl = 0;
    for (int step = 1; step <= 6; step++) {
        assert_ok(f->context, fm_program_run(program));
        kl = number_of(program, "metric/kl");
        assert_near(number_of(program, "penalty"), 3 * kl * fmin(1, step / 4.0), 1e-13);
    }
    assert_true(kl > 0.1);
    double steps;
    read_variable(f, store, "code/steps", &steps);
    assert_near(steps, 6, 0);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

/* Two layers of one name share the counter; what two layers tell is added up. */
static void layers_of_one_name_share(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(2, 2));
    fm_gaussian_sample(g, x, x, .warm_up = 10, .name = "code");
    fm_gaussian_sample(g, x, x, .warm_up = 10, .name = "code");
    fm_program *program = compile_graph(f, store, g);
    feed(program, "x", (double[]){1, 2, -1, 0.5}, 4);
    assert_ok(f->context, fm_program_run(program));
    double steps, one = 0;
    for (int i = 0; i < 4; i++) {
        double v = ((double[]){1, 2, -1, 0.5})[i];
        one += (v * v + exp(v) - v - 1) / 2 / 2;
    }
    assert_near(number_of(program, "metric/kl"), 2 * one, 1e-13);
    read_variable(f, store, "code/steps", &steps);
    assert_near(steps, 1, 0);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(2, 4));
    fm_gaussian_sample(g, x, fm_dense(g, x, .units = 3));
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "gaussian_sample: mean and log_variance must have one shape, (batch, ...), "
                   "received (2, 4) and (2, 3)");
    g = graph_for(f, FM_TRAIN);
    x = fm_input(g, "x", FM_F64, FM_SHAPE(2, 4));
    fm_gaussian_sample(g, x, x, .beta = -1);
    assert_mistake(f, g, FM_ERROR_ARGUMENT,
                   "gaussian_sample: beta must be at least 0, received -1");
    g = graph_for(f, FM_TRAIN);
    fm_add_metric(g, "k l", fm_scalar(g, 1));
    assert_mistake(f, g, FM_ERROR_ARGUMENT,
                   "a metric's name is 1 to 56 letters, digits and '_', received 'k l'");
    g = graph_for(f, FM_TRAIN);
    fm_add_metric(g, "kl", fm_full(g, FM_SHAPE(2), 1));
    assert_mistake(f, g, FM_ERROR_SHAPE, "a metric must have rank 0, received shape (2)");
}

static void build_all(fm_graph *g, const void *argument)
{
    (void)argument;
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(2, 4));
    fm_gaussian_sample(g, fm_dense(g, x, .units = 3), fm_dense(g, x, .units = 3), .warm_up = 5);
}

static void each_allocation_may_fail(void **state)
{
    const graph_trial trial = {
        .build = build_all, .graph = {.mode = FM_TRAIN, .dtype = FM_F64}, .only_built = true};
    assert_true(fail_each_allocation_of(*state, &trial) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(divergence_agrees_with_golden),    fixture_test(each_mode_has_its_code),
        fixture_test(draws_have_moments_and_gradients), fixture_test(beta_grows_step_by_step),
        fixture_test(layers_of_one_name_share),         fixture_test(mistakes_are_worded),
        fixture_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
