/* Optimisers against PyTorch and Keras: ten steps of every rule, and the options around them. */
#include "support/graphs.h"

#include "fathom/ops.h"
#include "fathom/optimizer.h"
#include "golden/optimizer_options_golden.h"
#include "golden/optimizers_golden.h"

enum { N = 12, FIRST = 8, STEPS = 10 };

/* The golden problem: the parameters in two tensors (2 x 4 and 4) and a given gradient, which is
 * that of sum(gradient * parameter). */
typedef struct problem {
    fm_store *store;
    fm_program *program;
} problem;

static problem open_problem(fixture *f, const fm_optimizer *optimizer)
{
    problem p = {.store = store_with_seed(f, 1)};
    fm_graph *g = graph_for(f, FM_TRAIN);
    assert_ok(f->context,
              fm_store_put(p.store, "a", FM_F64, FM_SHAPE(2, 4), true, golden_optimizer_initial));
    assert_ok(f->context, fm_store_put(p.store, "b", FM_F64, FM_SHAPE(4), true,
                                       golden_optimizer_initial + FIRST));
    fm_val a = fm_variable(g, "a", FM_F64, FM_SHAPE(2, 4), NULL);
    fm_val b = fm_variable(g, "b", FM_F64, FM_SHAPE(4), NULL);
    fm_val of_a = fm_input(g, "gradient_a", FM_F64, FM_SHAPE(2, 4));
    fm_val of_b = fm_input(g, "gradient_b", FM_F64, FM_SHAPE(4));
    fm_val loss = fm_add(g, fm_sum(g, fm_mul(g, a, of_a), (fm_ints){0}, false),
                         fm_sum(g, fm_mul(g, b, of_b), (fm_ints){0}, false));
    fm_minimize_with(g, loss, optimizer);
    p.program = compile_graph(f, p.store, g);
    return p;
}

static void close_problem(problem p)
{
    fm_program_destroy(p.program);
    fm_store_destroy(p.store);
}

static void run_step(fixture *f, problem p, int step, double rate)
{
    const double *gradient = golden_optimizer_gradients + N * step;
    feed(p.program, "gradient_a", gradient, FIRST);
    feed(p.program, "gradient_b", gradient + FIRST, N - FIRST);
    feed(p.program, FM_LEARNING_RATE, &rate, 1);
    assert_ok(f->context, fm_program_run(p.program));
}

static void check_parameters(fixture *f, problem p, const char *prefix, const double *expected)
{
    double received[N];
    char path[64];
    snprintf(path, sizeof path, "%sa", prefix);
    read_variable(f, p.store, path, received);
    snprintf(path, sizeof path, "%sb", prefix);
    read_variable(f, p.store, path, received + FIRST);
    for (int i = 0; i < N; i++) assert_near(received[i], expected[i], 1e-12);
}

static int rule_of(const char *name)
{
    const fm_optimizer_record *record = fm_optimizer_find(name);
    int rule = 0;
    while (fm_optimizer_at(rule) && fm_optimizer_at(rule) != record) rule++;
    assert_true(rule < FM_OPTIMIZER_COUNT);
    return rule;
}

/* Zero is meant: the golden rules have no momentum where the field is 0. */
static double plain(double value)
{
    return value == 0 ? FM_ZERO : value;
}

static void every_rule_agrees(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < sizeof golden_optimizers / sizeof golden_optimizers[0]; i++) {
        const struct golden_optimizer *c = &golden_optimizers[i];
        const fm_optimizer optimizer = {.rule = rule_of(c->rule),
                                        .momentum = plain(c->momentum),
                                        .rho = c->rho,
                                        .beta_1 = c->beta_1,
                                        .beta_2 = c->beta_2,
                                        .epsilon = c->epsilon,
                                        .weight_decay = plain(c->weight_decay),
                                        .momentum_decay = c->momentum_decay,
                                        .nesterov = c->nesterov,
                                        .centered = c->centered,
                                        .amsgrad = c->amsgrad};
        print_message("%s\n", c->name);
        problem p = open_problem(f, &optimizer);
        for (int step = 0; step < STEPS; step++) {
            run_step(f, p, step, c->rates ? c->rates[step] : c->learning_rate);
            check_parameters(f, p, "", c->trajectory + N * step);
        }
        close_problem(p);
    }
}

/* PyTorch's clipping adds 1e-6 to the norm; ours is Keras's. The case's own text says how. */
static void every_option_agrees(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < GOLDEN_OPTIMIZER_OPTIONS_COUNT; i++) {
        const struct golden_optimizer_option *c = &golden_optimizer_options[i];
        if (c->pytorch_clip) continue;
        const fm_optimizer optimizer = {.rule = rule_of(c->rule),
                                        .momentum = plain(c->momentum),
                                        .beta_1 = c->beta_1,
                                        .beta_2 = c->beta_2,
                                        .epsilon = c->epsilon,
                                        .clip_value = c->clip_value,
                                        .clip_norm = c->clip_norm,
                                        .global_clip_norm = c->clip_global_norm,
                                        .l1 = c->coupled_l1,
                                        .l2 = c->coupled_l2 / 2,
                                        .weight_decay = plain(c->decoupled_l2),
                                        .ema_momentum = c->ema_decay,
                                        .accumulate_steps = c->accumulate};
        print_message("%s\n", c->name);
        problem p = open_problem(f, &optimizer);
        int runs = c->accumulate ? c->accumulate : 1;
        for (int step = 0; step < c->steps * runs; step++) {
            run_step(f, p, step, c->learning_rate);
            if ((step + 1) % runs != 0) continue;
            check_parameters(f, p, c->ema_decay != 0 ? "optimizer/average/" : "",
                             c->trajectory + N * (step / runs));
        }
        close_problem(p);
    }
}

/* p moves by rate l1_decay towards zero and stays there. */
static void decoupled_l1_shrinks_to_zero(void **state)
{
    fixture *f = *state;
    problem p = open_problem(f, &(fm_optimizer){.l1_decay = 1});
    const double zeros[N] = {0};
    double received[FIRST];
    for (int step = 0; step < 2; step++) {
        const double rate = 0.5;
        feed(p.program, "gradient_a", zeros, FIRST);
        feed(p.program, "gradient_b", zeros, N - FIRST);
        feed(p.program, FM_LEARNING_RATE, &rate, 1);
        assert_ok(f->context, fm_program_run(p.program));
    }
    read_variable(f, p.store, "a", received);
    const double *start = golden_optimizer_initial;
    for (int i = 0; i < FIRST; i++) {
        double size = fmax(fabs(start[i]) - 1, 0);
        assert_near(received[i], copysign(size, start[i]), 1e-15);
    }
    close_problem(p);
}

/* In a run that only accumulates, parameters, slots, averages and counters stay bit for bit. */
static void accumulating_changes_nothing_else(void **state)
{
    fixture *f = *state;
    const int rules[] = {FM_SGD,     FM_NESTEROV, FM_ADAGRAD, FM_ADADELTA, FM_RMSPROP,
                         FM_AMSGRAD, FM_ADAMAX,   FM_NADAM,   FM_ADAMW,    FM_LION};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const fm_optimizer optimizer = {
            .rule = rules[i], .accumulate_steps = 3, .ema_momentum = 0.9};
        const fm_optimizer alone = {.rule = rules[i], .ema_momentum = 0.9};
        problem p = open_problem(f, &optimizer), q = open_problem(f, &alone);
        run_step(f, p, 0, 0.1);
        run_step(f, p, 0, 0.1);
        check_parameters(f, p, "", golden_optimizer_initial);
        run_step(f, p, 0, 0.1);
        run_step(f, q, 0, 0.1);
        for (int k = 0; k < fm_store_count(q.store); k++) {
            fm_variable_info info = fm_store_info(q.store, k);
            double expected[N], received[N];
            read_variable(f, q.store, info.path, expected);
            read_variable(f, p.store, info.path, received);
            for (int e = 0; e < fm_shape_elements(info.shape); e++) {
                assert_near(received[e], expected[e], 1e-15);
            }
        }
        close_problem(p);
        close_problem(q);
    }
}

/* w of 1300 elements, as one variable or as thirteen, on the way to a ramp: kernels work in blocks,
 * which must not show. */
static void ramp(fixture *f, const fm_optimizer *optimizer, int parts, double *w)
{
    enum { ALL = 1300 };
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val loss = fm_scalar(g, 0);
    int each = ALL / parts;
    double target[ALL];
    for (int i = 0; i < ALL; i++) target[i] = 0.01 * i - 3;
    for (int i = 0; i < parts; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", i);
        fm_val v = fm_variable(g, name, FM_F64, FM_SHAPE(each), NULL);
        fm_val t = fm_constant(g, FM_F64, FM_SHAPE(each), target + i * each);
        fm_val square = fm_square(g, fm_sub(g, v, t));
        loss = fm_add(g, loss, fm_sum(g, square, (fm_ints){0}, false));
    }
    fm_minimize_with(g, loss, optimizer);
    fm_program *program = compile_graph(f, store, g);
    for (int step = 0; step < 3; step++) {
        feed(program, FM_LEARNING_RATE, (double[]){0.1}, 1);
        assert_ok(f->context, fm_program_run(program));
    }
    for (int i = 0; i < parts; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", i);
        read_variable(f, store, name, w + i * each);
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void blocks_do_not_show(void **state)
{
    for (int rule = 0; rule < FM_OPTIMIZER_COUNT; rule++) {
        const fm_optimizer optimizer = {
            .rule = rule, .weight_decay = 0.1, .l1_decay = 0.01, .l1 = 0.1, .l2 = 0.2};
        double whole[1300], parts[1300];
        ramp(*state, &optimizer, 1, whole);
        ramp(*state, &optimizer, 13, parts);
        assert_memory_equal(whole, parts, sizeof whole);
    }
}

static void slots_have_paths(void **state)
{
    fixture *f = *state;
    problem p = open_problem(f, &(fm_optimizer){.rule = FM_NADAM, .ema_momentum = 0.5});
    const char *const paths[] = {"optimizer/iterations", "optimizer/momentum_product",
                                 "optimizer/nadam/m/a", "optimizer/nadam/v/b",
                                 "optimizer/average/a"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        int index = fm_store_find(p.store, paths[i]);
        assert_true(index >= 0);
        assert_false(fm_store_info(p.store, index).trainable);
    }
    double iterations;
    run_step(f, p, 0, 0.1);
    run_step(f, p, 1, 0.1);
    read_variable(f, p.store, "optimizer/iterations", &iterations);
    assert_near(iterations, 2, 0);
    close_problem(p);
}

static void averages_are_swapped_and_back(void **state)
{
    fixture *f = *state;
    problem p = open_problem(f, &(fm_optimizer){.ema_momentum = 0.5});
    double a[FIRST], average[FIRST], now[FIRST];
    run_step(f, p, 0, 0.1);
    run_step(f, p, 1, 0.1);
    read_variable(f, p.store, "a", a);
    read_variable(f, p.store, "optimizer/average/a", average);
    assert_true(fabs(a[0] - average[0]) > 1e-3);
    assert_ok(f->context, fm_average_swap(f->context, p.store));
    read_variable(f, p.store, "a", now);
    assert_memory_equal(now, average, sizeof now);
    assert_ok(f->context, fm_average_swap(f->context, p.store));
    read_variable(f, p.store, "a", now);
    assert_memory_equal(now, a, sizeof now);
    close_problem(p);
}

static void defaults_and_names(void **state)
{
    (void)state;
    assert_near(fm_optimizer_rate(&(fm_optimizer){.rule = FM_ADAM}), 0.001, 0);
    assert_near(fm_optimizer_rate(&(fm_optimizer){0}), 0.01, 0);
    assert_near(fm_optimizer_rate(&(fm_optimizer){.rule = FM_LION, .learning_rate = 3}), 3, 0);
    assert_ptr_equal(fm_optimizer_find("nag"), fm_optimizer_at(FM_NESTEROV));
    assert_null(fm_optimizer_find("adamm"));
    for (int i = 0; i < FM_OPTIMIZER_COUNT; i++)
        assert_int_equal(rule_of(fm_optimizer_at(i)->name), i);
}

static fm_val number(fm_graph *g)
{
    return fm_variable(g, "w", FM_F64, FM_SHAPE(), NULL);
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_minimize(g, fm_variable(g, "w", FM_F64, FM_SHAPE(3), NULL));
    assert_mistake(f, g, FM_ERROR_SHAPE, "the loss must have rank 0, received shape (3)");

    g = graph_for(f, FM_TRAIN);
    fm_minimize(g, fm_scalar(g, 1));
    assert_mistake(f, g, FM_ERROR_ARGUMENT, "there is nothing to train: no trainable variable");

    g = graph_for(f, FM_TRAIN);
    fm_minimize(g, number(g), .rule = FM_ADAM, .beta_1 = 1);
    assert_mistake(f, g, FM_ERROR_ARGUMENT,
                   "adam: beta_1 must lie between 0 and 0.999999, received 1");

    g = graph_for(f, FM_TRAIN);
    fm_minimize(g, number(g), .nesterov = true);
    assert_mistake(f, g, FM_ERROR_ARGUMENT, "sgd: nesterov needs a momentum");

    g = graph_for(f, FM_TRAIN);
    fm_minimize(g, number(g), .rule = 77);
    assert_mistake(f, g, FM_ERROR_ARGUMENT, "there is no optimizer number 77");

    g = graph_for(f, FM_TRAIN);
    fm_minimize(g, number(g));
    fm_minimize(g, number(g));
    assert_mistake(f, g, FM_ERROR_ARGUMENT, "there is already an input 'learning_rate'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(every_rule_agrees),
        fixture_test(every_option_agrees),
        fixture_test(decoupled_l1_shrinks_to_zero),
        fixture_test(accumulating_changes_nothing_else),
        fixture_test(blocks_do_not_show),
        fixture_test(slots_have_paths),
        fixture_test(averages_are_swapped_and_back),
        fixture_test(defaults_and_names),
        fixture_test(mistakes_are_worded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
