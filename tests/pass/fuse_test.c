/* Fusion and simplification change the number of steps, not the numbers. */
#include "support/fixture.h"

#include "base/random.h"
#include "fathom/loss.h"
#include "fathom/nn.h"
#include "fathom/ops.h"
#include "fathom/optimizer.h"
#include "fathom/program.h"
#include "op/optimizer_ops.h"

enum { BATCH = 6, IN = 5, HIDDEN = 7, OUT = 3 };

typedef struct layer {
    fm_val kernel, bias;
} layer;

static fm_status fill_uniform(fm_context *context, const fm_initializer *self, fm_dtype dtype,
                              fm_shape shape, uint64_t seed, uint32_t stream, void *elements)
{
    (void)context;
    (void)self;
    (void)dtype;
    fm_random random = fm_random_at(seed, 0, stream);
    int64_t count = fm_shape_elements(shape);
    for (int64_t i = 0; i < count; i++) {
        ((float *)elements)[i] = (float)fm_random_range(&random, -0.5, 0.5);
    }
    return FM_OK;
}

static fm_val dense(fm_graph *g, fm_val x, int64_t units, layer *made)
{
    const fm_variable_options options = {.initializer = {.name = "test", .fill = fill_uniform}};
    int64_t in = fm_val_shape(g, x).dims[1];
    fm_scope_enter_fresh(g, "dense");
    made->kernel = fm_variable(g, "kernel", FM_F32, FM_SHAPE(in, units), &options);
    made->bias = fm_variable(g, "bias", FM_F32, FM_SHAPE(units), &options);
    fm_val y = fm_add(g, fm_matmul(g, x, made->kernel), made->bias);
    fm_scope_leave(g);
    return y;
}

static void sgd(fm_graph *g, fm_val p, fm_val grad, fm_val rate, fm_val iteration)
{
    fm_val inputs[] = {p, grad, rate, iteration};
    fm_update(g, p, fm_node_add(g, &fm_op_sgd, inputs, 4, NULL, NULL));
}

static fm_graph *build(fixture *f, fm_val (*activation)(fm_graph *, fm_val))
{
    fm_graph *g;
    layer layers[2];
    fm_val wrt[4], grads[4];
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(BATCH, IN));
    fm_val labels = fm_input(g, "y", FM_I32, FM_SHAPE(BATCH));
    fm_val hidden = activation(g, dense(g, x, HIDDEN, &layers[0]));
    fm_val logits = dense(g, hidden, OUT, &layers[1]);
    fm_val loss =
        fm_mean(g, fm_sparse_softmax_cross_entropy(g, logits, labels, 0), (fm_ints){0}, 0);
    for (int i = 0; i < 2; i++) {
        wrt[2 * i] = layers[i].kernel;
        wrt[2 * i + 1] = layers[i].bias;
    }
    fm_grad(g, loss, wrt, 4, grads);
    fm_val rate = fm_input(g, "learning_rate", FM_F32, (fm_shape){0});
    double one = 1;
    fm_val iteration = fm_constant(g, FM_F64, (fm_shape){0}, &one);
    for (int i = 0; i < 4; i++) sgd(g, wrt[i], grads[i], rate, iteration);
    fm_output(g, "loss", loss);
    assert_ok(f->context, fm_graph_status(g));
    return g;
}

typedef struct run {
    fm_store *store;
    fm_program *program;
    float loss;
    int steps;
} run;

static run train(fixture *f, const fm_graph *graph, fm_program_options options)
{
    run r;
    assert_ok(f->context, fm_store_create(f->context, 5, &r.store));
    assert_ok(f->context, fm_program_create(r.store, graph, &options, &r.program));
    float *x = fm_program_input(r.program, "x");
    int32_t *y = fm_program_input(r.program, "y");
    for (int i = 0; i < BATCH * IN; i++) x[i] = (float)sin(i);
    for (int i = 0; i < BATCH; i++) y[i] = i % OUT;
    *(float *)fm_program_input(r.program, "learning_rate") = 0.5f;
    for (int i = 0; i < 20; i++) assert_ok(f->context, fm_program_run(r.program));
    r.loss = *(const float *)fm_program_output(r.program, "loss");
    r.steps = fm_program_summarize(r.program).steps;
    return r;
}

static void finish(run *r)
{
    fm_program_destroy(r->program);
    fm_store_destroy(r->store);
}

static void compare_weights(run *a, run *b, float tolerance)
{
    for (int i = 0; i < fm_store_count(a->store); i++) {
        float x[64], y[64];
        fm_store_read(a->store, i, x);
        fm_store_read(b->store, i, y);
        int64_t count = fm_shape_elements(fm_store_info(a->store, i).shape);
        for (int64_t k = 0; k < count; k++) assert_near(x[k], y[k], tolerance);
    }
}

static void fused_training_equals_unfused(void **state)
{
    fixture *f = *state;
    static fm_val (*const activations[])(fm_graph *, fm_val) = {fm_relu, fm_tanh, fm_gelu};
    for (int i = 0; i < 3; i++) {
        fm_graph *graph = build(f, activations[i]);
        const char *portable[] = {"portable", NULL};
        run whole = train(f, graph, (fm_program_options){.backends = portable, .no_fusion = true});
        run fused = train(f, graph, (fm_program_options){.backends = portable});
        run fast = train(f, graph, (fm_program_options){0});
        assert_true(fused.steps < whole.steps);
        assert_true(fused.loss < 1.09f);
        assert_near(fused.loss, whole.loss, 1e-6);
        compare_weights(&fused, &whole, 1e-6f);
        assert_near(fast.loss, whole.loss, 1e-5);
        compare_weights(&fast, &whole, 1e-4f);
        finish(&whole);
        finish(&fused);
        finish(&fast);
        fm_graph_destroy(graph);
    }
}

/* relu: two products with bias, one masked, two gradients with their updates, the loss with its
 * gradient and what turns it into a number. */
static void dense_training_has_few_steps(void **state)
{
    fixture *f = *state;
    fm_graph *graph = build(f, fm_relu);
    run fused = train(f, graph, (fm_program_options){0});
    char *text;
    assert_ok(f->context, fm_program_print(fused.program, false, &text));
    assert_non_null(strstr(text, "dense_sgd(dense/kernel, dense/bias, x"));
    assert_non_null(strstr(text, "activation=relu"));
    assert_non_null(strstr(text, "mask=true"));
    assert_null(strstr(text, " matmul("));
    if (fused.steps > 8) fail_msg("%d steps:\n%s", fused.steps, text);
    fm_text_free(f->context, text);
    finish(&fused);
    fm_graph_destroy(graph);
}

/* ---- a loss and its gradient ----------------------------------------------------------------- */

typedef enum loss_kind { OF_LABELS, SMOOTHED, OF_TARGETS, WEIGHTED, WEIGHTED_BY_ITSELF } loss_kind;

static fm_val loss_rows(fm_graph *g, fm_val logits, loss_kind kind)
{
    const fm_val labels = fm_input(g, "labels", FM_I32, FM_SHAPE(BATCH));
    const fm_val targets = fm_input(g, "targets", FM_F32, fm_val_shape(g, logits));
    const fm_val weights = fm_input(g, "weights", FM_F32, FM_SHAPE(BATCH));
    if (kind == OF_TARGETS) return fm_softmax_cross_entropy(g, logits, targets);
    const fm_val rows =
        fm_sparse_softmax_cross_entropy(g, logits, labels, kind == SMOOTHED ? 0.1 : 0);
    if (kind == WEIGHTED) return fm_mul(g, rows, weights);
    return kind == WEIGHTED_BY_ITSELF ? fm_square(g, rows) : rows;
}

/* Logits of `columns` classes, the sum of their losses and its gradient; its gradient's,
 * if `twice`. */
static fm_graph *loss_graph(fixture *f, loss_kind kind, int64_t columns, bool twice)
{
    fm_graph *g;
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    const fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(BATCH, columns));
    fm_val loss = fm_sum(g, loss_rows(g, x, kind), (fm_ints){0}, false), grad, second;
    fm_grad(g, loss, &x, 1, &grad);
    fm_output(g, "loss", loss);
    fm_output(g, "grad", grad);
    if (twice) {
        const fm_val size = fm_sum(g, fm_square(g, grad), (fm_ints){0}, false);
        fm_grad(g, size, &x, 1, &second);
        fm_output(g, "second", second);
    }
    assert_ok(f->context, fm_graph_status(g));
    return g;
}

static run run_loss(fixture *f, const fm_graph *g, int64_t columns, bool fused, char **text)
{
    run r;
    assert_ok(f->context, fm_store_create(f->context, 5, &r.store));
    const fm_program_options options = {.no_fusion = !fused};
    assert_ok(f->context, fm_program_create(r.store, g, &options, &r.program));
    float *x = fm_program_input(r.program, "x"), *targets = fm_program_input(r.program, "targets");
    float *weights = fm_program_input(r.program, "weights");
    int32_t *labels = fm_program_input(r.program, "labels");
    for (int64_t i = 0; i < BATCH * columns; i++) x[i] = (float)(3 * sin((double)i));
    for (int64_t i = 0; targets && i < BATCH * columns; i++) targets[i] = i % columns == 1;
    for (int i = 0; i < BATCH; i++) {
        if (labels) labels[i] = i % 3;
        if (weights) weights[i] = 0.5f + (float)i;
    }
    assert_ok(f->context, fm_program_run(r.program));
    assert_ok(f->context, fm_program_print(r.program, false, text));
    return r;
}

static void expect_same_bits(const run *a, const run *b, const char *name, int64_t count)
{
    const float *x = fm_program_output(a->program, name), *y = fm_program_output(b->program, name);
    if (!x && !y) return;
    assert_memory_equal(x, y, (size_t)count * sizeof *x);
}

static void losses_are_made_with_their_gradients(void **state)
{
    fixture *f = *state;
    static const struct {
        loss_kind kind;
        bool twice, fused;
    } rows[] = {{OF_LABELS, false, true},  {SMOOTHED, false, true},
                {OF_TARGETS, false, true}, {WEIGHTED, false, true},
                {OF_LABELS, true, true},   {WEIGHTED_BY_ITSELF, false, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int64_t columns = 3; columns < 3000; columns *= 9) {
            fm_graph *g = loss_graph(f, rows[i].kind, columns, rows[i].twice);
            char *text, *apart_text;
            run together = run_loss(f, g, columns, true, &text);
            run apart = run_loss(f, g, columns, false, &apart_text);
            const bool fused = strstr(text, "= fused_") && !strstr(text, "cross_entropy_grad(");
            if (fused != rows[i].fused) fail_msg("row %d:\n%s", (int)i, text);
            expect_same_bits(&together, &apart, "loss", 1);
            expect_same_bits(&together, &apart, "grad", BATCH * columns);
            expect_same_bits(&together, &apart, "second", BATCH * columns);
            fm_text_free(f->context, text);
            fm_text_free(f->context, apart_text);
            finish(&together);
            finish(&apart);
            fm_graph_destroy(g);
        }
    }
}

/* ---- dropout behind relu --------------------------------------------------------------------- */

/* The gradient of the sum of drop(relu(x)) z, the second with other numbers where `apart`. */
static fm_graph *dropped_graph(fixture *f, fm_dtype dtype, bool apart)
{
    fm_graph *g;
    assert_ok(
        f->context,
        fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN, .dtype = dtype}, &g));
    const fm_val x = fm_input(g, "x", dtype, FM_SHAPE(40, 30));
    const fm_val z = fm_input(g, "z", dtype, FM_SHAPE(40, 30)), h = fm_relu(g, x);
    const fm_val dropped = fm_drop(g, h, 0.3);
    fm_output(g, "y", dropped);
    if (apart) {
        fm_output(g, "grad", fm_relu_grad(g, fm_drop(g, z, 0.3), h));
    } else {
        fm_val grad;
        fm_grad(g, fm_sum(g, fm_mul(g, dropped, z), (fm_ints){0}, false), &x, 1, &grad);
        fm_output(g, "grad", grad);
    }
    assert_ok(f->context, fm_graph_status(g));
    return g;
}

static run run_dropped(fixture *f, const fm_graph *g, fm_dtype dtype, fm_program_options options,
                       char **text)
{
    run r;
    assert_ok(f->context, fm_store_create(f->context, 5, &r.store));
    assert_ok(f->context, fm_program_create(r.store, g, &options, &r.program));
    void *x = fm_program_input(r.program, "x"), *z = fm_program_input(r.program, "z");
    for (int i = 0; i < 1200; i++) {
        const double a = i % 7 ? sin(i) : 0, b = i % 11 ? cos(3 * i) : NAN;
        if (dtype == FM_F64) {
            ((double *)x)[i] = a;
            ((double *)z)[i] = b;
        } else {
            ((float *)x)[i] = (float)a;
            ((float *)z)[i] = (float)b;
        }
    }
    assert_ok(f->context, fm_program_run(r.program));
    assert_ok(f->context, fm_program_print(r.program, false, text));
    return r;
}

static void dropouts_gradient_draws_nothing_behind_relu(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 4; i++) {
        const bool apart = i & 1;
        const fm_dtype dtype = i & 2 ? FM_F64 : FM_F32;
        fm_graph *g = dropped_graph(f, dtype, apart);
        char *text, *plain_text;
        run fused = run_dropped(f, g, dtype, (fm_program_options){0}, &text);
        run plain = run_dropped(f, g, dtype, (fm_program_options){.no_fusion = true}, &plain_text);
        const char *drop = strstr(text, "drop(");
        assert_non_null(drop);
        assert_int_equal(strstr(drop + 1, "drop(") != NULL, apart);
        assert_memory_equal(fm_program_output(fused.program, "grad"),
                            fm_program_output(plain.program, "grad"), 1200 * fm_dtype_size(dtype));
        fm_text_free(f->context, text);
        fm_text_free(f->context, plain_text);
        finish(&fused);
        finish(&plain);
        fm_graph_destroy(g);
    }
}

/* A network of two dense layers with `optimizer`, as fm_program_print tells of it. */
static char *plan_of(fixture *f, const fm_optimizer *optimizer, int64_t rows)
{
    fm_graph *g;
    fm_store *store;
    fm_program *program;
    char *text;
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(rows, IN));
    fm_val labels = fm_input(g, "y", FM_I32, FM_SHAPE(rows));
    fm_val hidden = fm_dense(g, x, .units = HIDDEN, .activation = FM_RELU);
    fm_val loss =
        fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, fm_dense(g, hidden, .units = OUT), labels);
    fm_minimize_with(g, loss, optimizer);
    fm_output(g, "loss", loss);
    assert_ok(f->context, fm_store_create(f->context, 5, &store));
    assert_ok(f->context, fm_program_create(store, g, NULL, &program));
    assert_ok(f->context, fm_program_print(program, false, &text));
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(g);
    return text;
}

/* The gradient of a kernel is never stored, unless something else looks at it, or it is the sum of
 * so many rows that storing it is nothing. */
static void updates_join_the_gradients_of_kernels(void **state)
{
    fixture *f = *state;
    static const struct {
        fm_optimizer optimizer;
        int64_t rows;
        const char *op, *rule; /* op NULL: it is dense_grad and the rule's update */
    } rows[] = {
        {{.rule = FM_ADAM}, 32, "dense_update_2(", "rule=adam"},
        {{.rule = FM_SGD, .momentum = 0.9, .nesterov = true},
         32,
         "dense_update_1(",
         "rule=momentum"},
        {{.rule = FM_RMSPROP, .weight_decay = 0.1}, 32, "dense_update_1(", "rule=rmsprop"},
        {{.rule = FM_NADAM, .l2 = 0.1}, 32, "dense_update_2(", "rule=nadam"},
        {{.rule = FM_ADAM, .amsgrad = true}, 383, "dense_update_3(", "rule=amsgrad"},
        {{.rule = FM_ADAM}, 384, NULL, "adam_update("},
        {{.rule = FM_ADAM, .global_clip_norm = 1}, 32, NULL, "adam_update("},
        {{.rule = FM_ADAM, .accumulate_steps = 2}, 32, NULL, "adam_update("},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = plan_of(f, &rows[i].optimizer, rows[i].rows);
        if (!strstr(text, rows[i].rule)) fail_msg("no %s:\n%s", rows[i].rule, text);
        if (!strstr(text, rows[i].op ? rows[i].op : "dense_grad(") ||
            (strstr(text, "dense_update") != NULL) != (rows[i].op != NULL)) {
            fail_msg("row %zu:\n%s", i, text);
        }
        fm_text_free(f->context, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(fused_training_equals_unfused),
        fixture_test(dense_training_has_few_steps),
        fixture_test(losses_are_made_with_their_gradients),
        fixture_test(dropouts_gradient_draws_nothing_behind_relu),
        fixture_test(updates_join_the_gradients_of_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
