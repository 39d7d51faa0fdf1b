/* Training as a whole, small and in f64: losses fall, big batches equal accumulated ones, penalties
 * and averages do what they say, f32 follows f64, and a resumed run goes on. */
#include "support/graphs.h"

#include "base/random.h"
#include "fathom/loss.h"
#include "fathom/nn.h"
#include "fathom/ops.h"
#include "fathom/optimizer.h"

enum { SAMPLES = 64, FEATURES = 2, CLASSES = 3 };

/* Points whose class is a third of the circle, a little noisy. */
typedef struct points {
    double x[SAMPLES * FEATURES];
    int32_t y[SAMPLES];
} points;

static points make_points(void)
{
    points p;
    fm_random random = fm_random_at(11, 0, 0);
    for (int i = 0; i < SAMPLES; i++) {
        double angle = fm_random_range(&random, 0, 3), radius = fm_random_range(&random, 0.5, 2);
        p.x[2 * i] = radius * cos(angle * 2.0944);
        p.x[2 * i + 1] = radius * sin(angle * 2.0944);
        p.y[i] = (int32_t)angle;
    }
    return p;
}

static fm_val classifier(fm_graph *g, fm_val x)
{
    x = fm_dense(g, x, .units = 16, .activation = FM_TANH, .kernel_initializer = fm_he_normal());
    x = fm_dense(g, x, .units = 16, .activation = FM_GELU);
    return fm_dense(g, x, .units = CLASSES);
}

static fm_program *trainer(fixture *f, fm_store *store, int batch, const fm_optimizer *optimizer)
{
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(batch, FEATURES));
    fm_val y = fm_input(g, "y", FM_I32, FM_SHAPE(batch));
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, classifier(g, x), y);
    fm_output(g, "loss", loss);
    fm_minimize_with(g, loss, optimizer);
    return compile_graph(f, store, g);
}

static double train_on(fixture *f, fm_program *program, const points *p, int begin, int count,
                       double rate)
{
    feed(program, "x", p->x + begin * FEATURES, (size_t)(count * FEATURES));
    memcpy(fm_program_input(program, "y"), p->y + begin, (size_t)count * sizeof p->y[0]);
    feed(program, FM_LEARNING_RATE, &rate, 1);
    assert_ok(f->context, fm_program_run(program));
    return *(const double *)fm_program_output(program, "loss");
}

static void every_rule_learns(void **state)
{
    fixture *f = *state;
    const points p = make_points();
    const struct {
        int rule;
        double rate;
    } cases[] = {{FM_SGD, 0.5},     {FM_MOMENTUM, 0.1}, {FM_NESTEROV, 0.1}, {FM_ADAGRAD, 0.1},
                 {FM_ADADELTA, 5},  {FM_RMSPROP, 0.01}, {FM_ADAM, 0.02},    {FM_AMSGRAD, 0.02},
                 {FM_ADAMAX, 0.02}, {FM_NADAM, 0.02},   {FM_ADAMW, 0.02},   {FM_LION, 0.003}};
    const int steps = fixture_rounds(200);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_store *store = store_with_seed(f, 5);
        fm_program *program = trainer(f, store, SAMPLES, &(fm_optimizer){.rule = cases[i].rule});
        double first = train_on(f, program, &p, 0, SAMPLES, cases[i].rate), last = first;
        for (int step = 0; step < steps; step++) {
            last = train_on(f, program, &p, 0, SAMPLES, cases[i].rate);
        }
        print_message("%s: %.3f to %.4f\n", fm_optimizer_at(cases[i].rule)->name, first, last);
        assert_true(first > 0.7 && last < (steps == 200 ? 0.15 : first / 2));
        fm_program_destroy(program);
        fm_store_destroy(store);
    }
}

/* Four batches of 16, accumulated, make the update of one of 64. */
static void accumulation_equals_the_big_batch(void **state)
{
    fixture *f = *state;
    const points p = make_points();
    const int rules[] = {FM_SGD, FM_NADAM, FM_ADAMW};
    for (int i = 0; i < 3; i++) {
        fm_store *big = store_with_seed(f, 5), *small = store_with_seed(f, 5);
        const fm_optimizer one = {.rule = rules[i], .global_clip_norm = 0.3, .l2 = 0.01};
        fm_optimizer four = one;
        four.accumulate_steps = 4;
        fm_program *whole = trainer(f, big, SAMPLES, &one);
        fm_program *parts = trainer(f, small, SAMPLES / 4, &four);
        for (int step = 0; step < 5; step++) {
            train_on(f, whole, &p, 0, SAMPLES, 0.05);
            for (int k = 0; k < 4; k++) train_on(f, parts, &p, 16 * k, 16, 0.05);
        }
        double a[256], b[256];
        for (int k = 0; k < fm_store_count(big); k++) {
            fm_variable_info info = fm_store_info(big, k);
            read_variable(f, big, info.path, a);
            read_variable(f, small, info.path, b);
            for (int e = 0; e < fm_shape_elements(info.shape); e++) assert_near(b[e], a[e], 1e-12);
        }
        fm_program_destroy(whole);
        fm_program_destroy(parts);
        fm_store_destroy(big);
        fm_store_destroy(small);
    }
}

/* A layer's kernel_l2 in the loss is the optimizer's coupled l2, here on kernels alone. */
static void penalties_join_the_gradient(void **state)
{
    fixture *f = *state;
    double w[2][4];
    for (int coupled = 0; coupled < 2; coupled++) {
        fm_store *store = store_with_seed(f, 5);
        fm_graph *g = graph_for(f, FM_TRAIN);
        fm_val x = fm_full(g, FM_SHAPE(1, 4), 0.5), y = fm_full(g, FM_SHAPE(1, 1), 2);
        fm_val p = fm_dense(g, x, .units = 1, .no_bias = true, .kernel_l1 = coupled ? 0 : 0.1,
                            .kernel_l2 = coupled ? 0 : 0.3);
        fm_val loss = fm_loss(g, FM_MEAN_SQUARED_ERROR, p, y);
        fm_minimize(g, loss, .rule = FM_ADAM, .l1 = coupled ? 0.1 : 0, .l2 = coupled ? 0.3 : 0);
        fm_program *program = compile_graph(f, store, g);
        feed(program, FM_LEARNING_RATE, (double[]){0.1}, 1);
        for (int step = 0; step < 10; step++) assert_ok(f->context, fm_program_run(program));
        read_variable(f, store, "dense/kernel", w[coupled]);
        fm_program_destroy(program);
        fm_store_destroy(store);
    }
    for (int i = 0; i < 4; i++) assert_near(w[0][i], w[1][i], 1e-13);
}

/* A second program on the same store goes on where the first stopped, bit for bit. */
static void a_new_program_goes_on(void **state)
{
    fixture *f = *state;
    const points p = make_points();
    const fm_optimizer optimizer = {.rule = FM_NADAM, .accumulate_steps = 3, .ema_momentum = 0.9};
    double ends[2];
    for (int cut = 0; cut < 2; cut++) {
        fm_store *store = store_with_seed(f, 5);
        fm_program *program = trainer(f, store, 16, &optimizer);
        for (int step = 0; step < 20; step++) {
            if (cut && step == 7) {
                fm_program_destroy(program);
                program = trainer(f, store, 16, &optimizer);
            }
            ends[cut] = train_on(f, program, &p, 16 * (step % 4), 16, 0.02);
        }
        fm_program_destroy(program);
        fm_store_destroy(store);
    }
    assert_memory_equal(&ends[0], &ends[1], sizeof ends[0]);
}

/* An f32 graph: the rate is f32, counters stay f64, and the result is that of f64, rounded. */
static void f32_follows_f64(void **state)
{
    fixture *f = *state;
    for (int rule = 0; rule < FM_OPTIMIZER_COUNT; rule++) {
        double w[2] = {0};
        for (int single = 0; single < 2; single++) {
            fm_store *store = store_with_seed(f, 5);
            fm_graph *g;
            fm_dtype dtype = single ? FM_F32 : FM_F64;
            assert_ok(f->context,
                      fm_graph_create(f->context,
                                      &(fm_graph_options){.mode = FM_TRAIN, .dtype = dtype}, &g));
            fm_val v =
                fm_variable(g, "w", dtype, FM_SHAPE(),
                            &(fm_variable_options){.initializer = fm_constant_initializer(0.75)});
            fm_minimize(g, fm_square(g, fm_add_scalar(g, v, -2)), .rule = rule,
                        .accumulate_steps = 2, .clip_norm = 1);
            fm_program *program = compile_graph(f, store, g);
            if (single) {
                *(float *)fm_program_input(program, FM_LEARNING_RATE) = 0.01f;
            } else {
                *(double *)fm_program_input(program, FM_LEARNING_RATE) = 0.01;
            }
            for (int step = 0; step < 40; step++) assert_ok(f->context, fm_program_run(program));
            float as_float = 0;
            int index = fm_store_find(store, "w");
            assert_ok(f->context, fm_store_read(store, index, single ? (void *)&as_float : &w[0]));
            if (single) w[1] = as_float;
            fm_program_destroy(program);
            fm_store_destroy(store);
        }
        assert_true(w[0] > 0.75);
        assert_near(w[1], w[0], 2e-6);
    }
}

static void minimize_once(fm_graph *g, const void *argument)
{
    (void)argument;
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(4, 2));
    fm_val y = fm_input(g, "y", FM_I32, FM_SHAPE(4));
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, fm_dense(g, x, .units = 3), y);
    fm_minimize(g, loss, .rule = FM_NADAM, .accumulate_steps = 2, .global_clip_norm = 1,
                .ema_momentum = 0.9);
}

static void each_allocation_may_fail(void **state)
{
    const graph_trial trial = {
        .build = minimize_once, .graph = {.mode = FM_TRAIN, .dtype = FM_F64}, .only_built = true};
    assert_true(fail_each_allocation_of(*state, &trial) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(every_rule_learns),
        fixture_test(accumulation_equals_the_big_batch),
        fixture_test(penalties_join_the_gradient),
        fixture_test(a_new_program_goes_on),
        fixture_test(f32_follows_f64),
        fixture_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
