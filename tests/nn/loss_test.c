/* Losses against Keras and PyTorch; weights; mistakes in words. */
#include "support/graphs.h"

#include "fathom/loss.h"
#include "golden/losses_golden.h"

enum { MOST = 64 };

typedef struct outcome {
    double value, gradient[MOST];
} outcome;

static outcome run_loss(fixture *f, const struct golden_loss *c)
{
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(c->rows, c->columns));
    fm_val y = c->sparse ? fm_input(g, "y", FM_I32, FM_SHAPE(c->rows))
                         : fm_input(g, "y", FM_F64, FM_SHAPE(c->rows, c->columns));
    int kind = fm_loss_kind_of(fm_loss_find(c->loss));
    fm_loss_options options = {.from_probabilities = !c->from_logits,
                               .label_smoothing = c->label_smoothing,
                               .delta = c->delta,
                               .class_weights = c->class_weights,
                               .class_count = c->columns == 1 ? 2 : c->columns};
    fm_val loss = fm_loss_with(g, kind, x, y, &options), gradient;
    fm_grad(g, loss, &x, 1, &gradient);
    fm_output(g, "loss", loss);
    fm_output(g, "gradient", gradient);
    fm_program *program = compile_graph(f, store, g);
    feed(program, "x", c->prediction, (size_t)(c->rows * c->columns));
    if (c->sparse) {
        int32_t *labels = fm_program_input(program, "y");
        for (int i = 0; i < c->rows; i++) labels[i] = (int32_t)c->target[i];
    } else {
        feed(program, "y", c->target, (size_t)(c->rows * c->columns));
    }
    assert_ok(f->context, fm_program_run(program));
    outcome out = {.value = *(const double *)fm_program_output(program, "loss")};
    memcpy(out.gradient, fm_program_output(program, "gradient"),
           (size_t)(c->rows * c->columns) * sizeof(double));
    fm_program_destroy(program);
    fm_store_destroy(store);
    return out;
}

static void check_case(fixture *f, const struct golden_loss *c, double tolerance)
{
    outcome out = run_loss(f, c);
    double scale = 1;
    if (c->divides_by_weights) {
        double sum = 0;
        for (int i = 0; i < c->rows; i++) sum += c->class_weights[(int)c->target[i]];
        scale = c->rows / sum;
    }
    print_message("%s\n", c->name);
    assert_near(out.value * scale, c->value, tolerance);
    for (int i = 0; i < c->rows * c->columns; i++) {
        assert_near(out.gradient[i] * scale, c->gradient[i], tolerance);
    }
}

static void agrees_with_golden(void **state)
{
    for (size_t i = 0; i < sizeof golden_losses / sizeof golden_losses[0]; i++) {
        check_case(*state, &golden_losses[i], 1e-12);
    }
}

static void agrees_at_the_edge(void **state)
{
    for (int i = 0; i < GOLDEN_LOSSES_AT_THE_EDGE_COUNT; i++) {
        check_case(*state, &golden_losses_at_the_edge[i], 1e-9);
    }
}

/* Logits far out: no infinity, no NaN, the exact line. */
static void logits_far_out_are_exact(void **state)
{
    const double x[4] = {-800, 800, 900, -900}, y[2] = {0, 1};
    const double sparse_gradient[4] = {-0.5, 0.5, 0.5, -0.5};
    struct golden_loss sparse = {.name = "far out",
                                 .loss = "sparse_categorical_crossentropy",
                                 .rows = 2,
                                 .columns = 2,
                                 .prediction = x,
                                 .target = y,
                                 .from_logits = 1,
                                 .sparse = 1,
                                 .value = 1700,
                                 .gradient = sparse_gradient};
    check_case(*state, &sparse, 1e-12);
    const double z[2] = {800, -900}, binary_gradient[2] = {0.5, -0.5};
    struct golden_loss binary = {.name = "far out, binary",
                                 .loss = "binary_crossentropy",
                                 .rows = 2,
                                 .columns = 1,
                                 .prediction = z,
                                 .target = y,
                                 .from_logits = 1,
                                 .value = 850,
                                 .gradient = binary_gradient};
    check_case(*state, &binary, 1e-12);
}

/* Weighted sum over the samples, divided by their number. */
static void sample_weights_count(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(3, 2));
    fm_val y = fm_input(g, "y", FM_F64, FM_SHAPE(3, 2));
    fm_val w = fm_input(g, "w", FM_F64, FM_SHAPE(3));
    fm_output(g, "loss", fm_loss(g, FM_MEAN_SQUARED_ERROR, x, y, .sample_weight = w));
    fm_program *program = compile_graph(f, store, g);
    feed(program, "x", (double[]){1, 2, 3, 4, 5, 6}, 6);
    feed(program, "y", (double[]){0, 0, 0, 0, 0, 0}, 6);
    feed(program, "w", (double[]){2, 0, 1}, 3);
    assert_ok(f->context, fm_program_run(program));
    double expected = (2 * (1 + 4) / 2.0 + (25 + 36) / 2.0) / 3;
    assert_near(*(const double *)fm_program_output(program, "loss"), expected, 1e-14);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void labels_are_never_broadcast(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(32, 1));
    assert_int_equal(
        fm_loss(g, FM_MEAN_SQUARED_ERROR, x, fm_input(g, "y", FM_F64, FM_SHAPE(32))).id, 0);
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "mean_squared_error: for the prediction f64 (32, 1) the label must be f64 "
                   "(32, 1), received f64 (32)");

    g = graph_for(f, FM_TRAIN);
    x = fm_input(g, "x", FM_F64, FM_SHAPE(32, 10));
    fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, x, fm_input(g, "y", FM_F64, FM_SHAPE(32, 10)));
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "sparse_categorical_crossentropy: for the prediction f64 (32, 10) the label "
                   "must be i32 (32) (class indices), received f64 (32, 10)");
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    const double weights[3] = {1, 2, 3};
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(4, 2));
    fm_val y = fm_input(g, "y", FM_F64, FM_SHAPE(4, 2));
    fm_loss(g, FM_CATEGORICAL_CROSSENTROPY, x, y, .class_weights = weights, .class_count = 3);
    assert_mistake(f, g, FM_ERROR_ARGUMENT,
                   "loss: categorical_crossentropy: 3 class weights for 2 classes");

    const double bad_weights[2][2] = {{1, -2}, {NAN, 1}};
    const char *const words[2] = {
        "loss: class_weights must be at least 0, received -2 for class 1",
        "loss: class_weights must be at least 0, received nan for class 0"};
    for (int i = 0; i < 2; i++) {
        g = graph_for(f, FM_TRAIN);
        x = fm_input(g, "x", FM_F64, FM_SHAPE(4, 2));
        y = fm_input(g, "y", FM_F64, FM_SHAPE(4, 2));
        fm_loss(g, FM_CATEGORICAL_CROSSENTROPY, x, y, .class_weights = bad_weights[i],
                .class_count = 2);
        assert_mistake(f, g, FM_ERROR_ARGUMENT, words[i]);
    }

    g = graph_for(f, FM_TRAIN);
    x = fm_input(g, "x", FM_F64, FM_SHAPE(4, 2));
    y = fm_input(g, "y", FM_F64, FM_SHAPE(4, 2));
    fm_loss(g, FM_HINGE, x, y, .sample_weight = fm_input(g, "w", FM_F64, FM_SHAPE(4, 1)));
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "loss: hinge: the sample weights must be f64 (4), received f64 (4, 1)");

    g = graph_for(f, FM_TRAIN);
    x = fm_input(g, "x", FM_F64, FM_SHAPE(4));
    fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, x, x);
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "sparse_categorical_crossentropy: the prediction must be (batch, ..., classes), "
                   "received (4)");

    g = graph_for(f, FM_TRAIN);
    x = fm_input(g, "x", FM_F64, FM_SHAPE(4, 2));
    fm_loss(g, FM_BINARY_CROSSENTROPY, x, x, .label_smoothing = 1.5);
    assert_mistake(f, g, FM_ERROR_ARGUMENT,
                   "binary_crossentropy: label_smoothing must lie between 0 and 0.999999, received "
                   "1.5");
}

static void names_are_found(void **state)
{
    (void)state;
    assert_ptr_equal(fm_loss_find("mse"), fm_loss_at(FM_MEAN_SQUARED_ERROR));
    assert_ptr_equal(fm_loss_find("huber"), fm_loss_at(FM_HUBER));
    assert_null(fm_loss_find("nothing"));
    for (int i = 0; i < FM_LOSS_COUNT; i++) {
        assert_ptr_equal(fm_loss_find(fm_loss_at(i)->name), fm_loss_at(i));
        assert_int_equal(fm_loss_kind_of(fm_loss_at(i)), i);
    }
    assert_null(fm_loss_at(FM_LOSS_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(agrees_with_golden),
        fixture_test(agrees_at_the_edge),
        fixture_test(logits_far_out_are_exact),
        fixture_test(sample_weights_count),
        fixture_test(labels_are_never_broadcast),
        fixture_test(mistakes_are_worded),
        fixture_test(names_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
