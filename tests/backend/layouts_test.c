/* Weights that live in panels: whole models trained in that layout equal those trained in plain
 * memory, and nobody outside of the programs sees the difference. */
#include "support/graphs.h"
#include "backend/backends.h"
#include "base/random.h"
#include "fathom/loss.h"
#include "fathom/nn.h"
#include "fathom/ops.h"
#include "fathom/optimizer.h"
#include "run/store.h"

enum { STEPS = 12, BATCH = 9, FEATURES = 21, CLASSES = 10, MOST_ELEMENTS = 4096 };

/* ---- a model and its training ---------------------------------------------------------------- */

typedef struct recipe {
    const char *name;
    fm_optimizer minimize;
    double dropout, l2;
    int activation;
    bool no_bias;
} recipe;

/* 21-40-17-10: one width of whole panels and rests for every instruction set. */
static fm_graph *build(fm_context *context, const recipe *r, fm_mode mode, int batch)
{
    fm_graph *g;
    fm_graph_options options = {.mode = mode};
    assert_ok(context, fm_graph_create(context, &options, &g));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(batch, FEATURES));
    fm_val y = fm_input(g, "y", FM_I32, FM_SHAPE(batch));
    x = fm_dense(g, x, .units = 40, .activation = r->activation, .no_bias = r->no_bias);
    if (r->dropout > 0) x = fm_dropout(g, x, .rate = r->dropout);
    x = fm_dense(g, x, .units = 17, .activation = r->activation, .kernel_l2 = r->l2);
    x = fm_dense(g, x, .units = CLASSES);
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, x, y);
    if (mode == FM_TRAIN) fm_minimize_with(g, loss, &r->minimize);
    fm_output(g, "loss", loss);
    assert_ok(context, fm_graph_status(g));
    return g;
}

typedef struct run {
    fm_context *context;
    fm_store *store;
    fm_program *program;
} run;

static fm_program *compile(run *r, const recipe *chosen, fm_mode mode, int batch,
                           const char *backend)
{
    fm_program *program;
    const char *const backends[] = {backend, NULL};
    fm_graph *g = build(r->context, chosen, mode, batch);
    assert_ok(r->context, fm_program_create(r->store, g,
                                            &(fm_program_options){.backends = backends}, &program));
    fm_graph_destroy(g);
    return program;
}

static run open_run(fixture *f, const recipe *chosen, const char *backend, int threads)
{
    run r = {.context = fixture_context(f, threads)};
    assert_ok(r.context, fm_store_create(r.context, 5, &r.store));
    r.program = compile(&r, chosen, FM_TRAIN, BATCH, backend);
    return r;
}

static void close_run(run *r)
{
    fm_program_destroy(r->program);
    fm_store_destroy(r->store);
    fm_context_destroy(r->context);
}

static void feed_batch(fm_program *program, int step, int batch)
{
    fm_random random = fm_random_at(8, (uint32_t)step, 0);
    float *x = fm_program_input(program, "x"), *rate = fm_program_input(program, FM_LEARNING_RATE);
    int32_t *y = fm_program_input(program, "y");
    for (int i = 0; i < batch * FEATURES; i++) x[i] = (float)fm_random_range(&random, -1, 1);
    for (int i = 0; i < batch; i++) y[i] = (int32_t)fm_random_below(&random, CLASSES);
    if (rate) *rate = 0.01f;
}

static void train(run *r, int from, int to)
{
    for (int step = from; step < to; step++) {
        feed_batch(r->program, step, BATCH);
        assert_ok(r->context, fm_program_run(r->program));
    }
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool in_panels(const fm_store *store, const char *path)
{
    const int index = fm_store_find(store, path);
    assert_true(index >= 0);
    return store->variables[index].layout.type != NULL;
}

static void check_store(const run *got, const run *want, double tolerance, const char *words)
{
    float a[MOST_ELEMENTS], b[MOST_ELEMENTS];
    assert_int_equal(fm_store_count(got->store), fm_store_count(want->store));
    for (int i = 0; i < fm_store_count(got->store); i++) {
        const fm_variable_info info = fm_store_info(got->store, i);
        const int64_t count = fm_shape_elements(info.shape);
        if (info.dtype != FM_F32) continue;
        const int other = fm_store_find(want->store, info.path);
        assert_true(other >= 0 && count <= MOST_ELEMENTS);
        assert_ok(got->context, fm_store_read(got->store, i, a));
        assert_ok(want->context, fm_store_read(want->store, other, b));
        for (int64_t k = 0; k < count; k++) {
            const double off = fabs((double)a[k] - (double)b[k]);
            if (off <= tolerance * fmax(0.05, fabs((double)b[k]))) continue;
            fail_msg("%s: %s[%lld] is %.9g instead of %.9g", words, info.path, (long long)k,
                     (double)a[k], (double)b[k]);
        }
    }
}

static const recipe recipes[] = {
    {.name = "sgd", .minimize = {.rule = FM_SGD}, .activation = FM_RELU},
    {.name = "no bias", .minimize = {.rule = FM_SGD}, .activation = FM_TANH, .no_bias = true},
    {.name = "adam", .minimize = {.rule = FM_ADAM}, .activation = FM_RELU, .dropout = 0.2},
    {.name = "decays",
     .minimize = {.rule = FM_ADAM, .weight_decay = 0.1, .ema_momentum = 0.9},
     .activation = FM_GELU,
     .l2 = 0.01},
    {.name = "clipped", .minimize = {.rule = FM_SGD, .momentum = 0.9, .global_clip_norm = 0.1}},
    {.name = "accumulated",
     .minimize = {.rule = FM_RMSPROP, .accumulate_steps = 3, .clip_norm = 1},
     .activation = FM_SELU},
    {.name = "lion", .minimize = {.rule = FM_LION, .l2 = 0.01}, .activation = FM_SILU},
};
#define RECIPES (int)(sizeof recipes / sizeof *recipes)

/* ---- tests ----------------------------------------------------------------------------------- */

static void panels_train_like_plain_memory(void **state)
{
    for (int i = 0; i < RECIPES; i++) {
        run plain = open_run(*state, &recipes[i], "portable", 1);
        train(&plain, 0, STEPS);
        for (int k = 0; fm_cpu_backend_at(k); k++) {
            const char *backend = fm_cpu_backend_at(k)->name;
            char words[64];
            snprintf(words, sizeof words, "%s on %s", recipes[i].name, backend);
            run one = open_run(*state, &recipes[i], backend, 1);
            assert_true(in_panels(one.store, "dense/kernel"));
            assert_true(in_panels(one.store, "dense_2/kernel"));
            assert_false(in_panels(one.store, "dense_2/bias"));
            train(&one, 0, STEPS);
            check_store(&one, &plain, 5e-4, words);
            for (int threads = fixture_least_threads(); threads <= 3; threads++) {
                run many = open_run(*state, &recipes[i], backend, threads);
                train(&many, 0, STEPS);
                check_store(&many, &one, 0, words);
                close_run(&many);
            }
            close_run(&one);
        }
        close_run(&plain);
    }
}

/* Slots follow their parameter, so that an update is one pass over both. */
static void slots_follow_their_parameter(void **state)
{
    run r = open_run(*state, &recipes[2], "cpu", 1);
    assert_true(in_panels(r.store, "optimizer/adam/m/dense/kernel"));
    assert_true(in_panels(r.store, "optimizer/adam/v/dense_2/kernel"));
    close_run(&r);
}

/* Into another store by what fm_store_read gives, as a checkpoint does, and on from there. */
static void plain_copies_continue_with_the_same_bits(void **state)
{
    for (int i = 0; i < RECIPES; i++) {
        run whole = open_run(*state, &recipes[i], "cpu", 2);
        train(&whole, 0, STEPS);

        run first = open_run(*state, &recipes[i], "cpu", 2);
        train(&first, 0, STEPS / 2);
        run second = {.context = fixture_context(*state, 1)};
        assert_ok(second.context, fm_store_create(second.context, 5, &second.store));
        for (int k = 0; k < fm_store_count(first.store); k++) {
            static double elements[MOST_ELEMENTS];
            const fm_variable_info info = fm_store_info(first.store, k);
            assert_ok(first.context, fm_store_read(first.store, k, elements));
            assert_ok(second.context, fm_store_put(second.store, info.path, info.dtype, info.shape,
                                                   info.trainable, elements));
        }
        fm_store_set_step(second.store, fm_store_step(first.store));
        second.program = compile(&second, &recipes[i], FM_TRAIN, BATCH, "cpu");
        train(&second, STEPS / 2, STEPS);
        check_store(&second, &whole, 0, recipes[i].name);
        close_run(&second);
        close_run(&first);
        close_run(&whole);
    }
}

static float loss_of(run *r, fm_program *program, int batch)
{
    feed_batch(program, 99, batch);
    assert_ok(r->context, fm_program_run(program));
    return *(const float *)fm_program_output(program, "loss");
}

/* Programs for training and evaluating, made in either order and for other batch sizes. */
static void programs_share_panels(void **state)
{
    const recipe *r = &recipes[2];
    run a = open_run(*state, r, "cpu", 2);
    fm_program *after = compile(&a, r, FM_EVALUATE, 5, "cpu");
    train(&a, 0, STEPS);

    run b = {.context = fixture_context(*state, 2)};
    assert_ok(b.context, fm_store_create(b.context, 5, &b.store));
    fm_program *before = compile(&b, r, FM_EVALUATE, 5, "cpu");
    b.program = compile(&b, r, FM_TRAIN, BATCH, "cpu");
    train(&b, 0, STEPS);

    check_store(&b, &a, 0, "evaluating first");
    assert_true(loss_of(&a, after, 5) == loss_of(&b, before, 5));
    fm_program_destroy(after);
    fm_program_destroy(before);
    close_run(&a);
    close_run(&b);
}

/* A variable that another program uses in plain memory stays there;
 * what wants panels gets copies. */
static void plain_variables_stay_plain(void **state)
{
    for (int i = 0; i < RECIPES; i++) {
        run r = {.context = fixture_context(*state, 2)};
        assert_ok(r.context, fm_store_create(r.context, 5, &r.store));
        fm_program *fixes = compile(&r, &recipes[i], FM_TRAIN, BATCH, "portable");
        r.program = compile(&r, &recipes[i], FM_TRAIN, BATCH, "cpu");
        assert_false(in_panels(r.store, "dense/kernel"));
        train(&r, 0, STEPS);
        run free = open_run(*state, &recipes[i], "cpu", 2);
        train(&free, 0, STEPS);
        check_store(&r, &free, 5e-4, recipes[i].name);
        fm_program_destroy(fixes);
        close_run(&free);
        close_run(&r);
    }
}

/* private_buffers: nothing is updated in place. */
static void updates_elsewhere_equal_updates_in_place(void **state)
{
    for (int i = 0; i < RECIPES; i++) {
        run in_place = open_run(*state, &recipes[i], "cpu", 2);
        train(&in_place, 0, STEPS);
        run elsewhere = {.context = fixture_context(*state, 2)};
        assert_ok(elsewhere.context, fm_store_create(elsewhere.context, 5, &elsewhere.store));
        fm_graph *g = build(elsewhere.context, &recipes[i], FM_TRAIN, BATCH);
        fm_program_options options = {.private_buffers = true};
        assert_ok(elsewhere.context,
                  fm_program_create(elsewhere.store, g, &options, &elsewhere.program));
        fm_graph_destroy(g);
        train(&elsewhere, 0, STEPS);
        check_store(&elsewhere, &in_place, 0, recipes[i].name);
        close_run(&elsewhere);
        close_run(&in_place);
    }
}

static void build_step(fm_graph *g, const void *argument)
{
    const recipe *r = argument;
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(BATCH, FEATURES));
    x = fm_dense(g, x, .units = 17, .activation = FM_GELU);
    fm_val loss = fm_mean(g, fm_dense(g, x, .units = 1), (fm_ints){0}, false);
    fm_minimize_with(g, loss, &r->minimize);
}

static void every_allocation_may_fail(void **state)
{
    for (int i = 0; i <= 2; i += 2) {
        const graph_trial trial = {
            .build = build_step, .argument = &recipes[i], .graph = {.mode = FM_TRAIN}};
        assert_true(fail_each_allocation_of(*state, &trial) > 30);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(panels_train_like_plain_memory),
        fixture_test(slots_follow_their_parameter),
        fixture_test(plain_copies_continue_with_the_same_bits),
        fixture_test(programs_share_panels),
        fixture_test(plain_variables_stay_plain),
        fixture_test(updates_elsewhere_equal_updates_in_place),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
