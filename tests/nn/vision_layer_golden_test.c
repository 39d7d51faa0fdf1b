/* Layers over space against Keras and PyTorch: values, gradients, moving statistics. Layers are
 * written as a recipe writes them. */
#include "golden/vision_layers_golden.h"
#include "support/graphs.h"

#include "fathom/nn_vision.h"
#include "fathom/ops.h"
#include "fathom/recipe.h"

static fm_shape shape_of(const struct golden_vision_layer *c)
{
    fm_shape shape = {.rank = c->rank};
    for (int i = 0; i < c->rank; i++) shape.dims[i] = c->shape[i];
    return shape;
}

static fm_recipe *recipe_of(fixture *f, const char *layer)
{
    char text[512];
    snprintf(text, sizeof text,
             "data: {set: strokes}\nmodel:\n  - %s\nloss: mse\noptimizer: adam\n", layer);
    fm_recipe *recipe;
    assert_ok(f->context, fm_recipe_parse(f->context, layer, text, strlen(text), NULL, 0, &recipe));
    return recipe;
}

/* The trainable variables, in the graph's order, take their values from the list. */
static void put_variables(fixture *f, fm_store *store, const fm_graph *g,
                          const struct golden_vision_layer *c)
{
    int64_t used = 0;
    for (int i = 0; fm_graph_variable(g, i).id; i++) {
        fm_val v = fm_graph_variable(g, i);
        if (!fm_val_trainable(g, v)) continue;
        fm_shape shape = fm_val_shape(g, v);
        int64_t count = fm_shape_elements(shape);
        assert_true(used + count <= c->variable_count);
        assert_ok(f->context,
                  fm_store_put(store, fm_val_name(g, v), FM_F64, shape, true, c->variables + used));
        used += count;
    }
    assert_int_equal(used, c->variable_count);
}

static void check_all(const char *layer, const char *what, const double *received,
                      const double *expected, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double off = fabs(received[i] - expected[i]);
        if (off <= 1e-11 * fmax(1, fabs(expected[i]))) continue;
        fail_msg("%s: %s[%lld] is %.15g, golden %.15g", layer, what, (long long)i, received[i],
                 expected[i]);
    }
}

static void check_layer(fixture *f, const struct golden_vision_layer *c)
{
    fm_recipe *recipe = recipe_of(f, c->layer);
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F64, shape_of(c)), dx;
    fm_val y = fm_recipe_build(g, x, recipe);
    assert_ok(f->context, fm_graph_status(g));
    if (fm_shape_elements(fm_val_shape(g, y)) != c->y_count) {
        fail_msg("%s: the output is %s, golden has %d elements", c->layer,
                 fm_shape_text(fm_val_shape(g, y), (char[FM_SHAPE_TEXT]){0}), c->y_count);
    }
    put_variables(f, store, g, c);
    fm_val dy = fm_input(g, "dy", FM_F64, fm_val_shape(g, y));
    fm_val product = fm_sum(g, fm_mul(g, y, dy), (fm_ints){0}, false);
    fm_grad(g, product, &x, 1, &dx);
    fm_output(g, "y", y);
    fm_output(g, "dx", dx);
    fm_program *program = compile_graph(f, store, g);
    size_t count = (size_t)fm_shape_elements(shape_of(c));
    feed(program, "x", c->x, count);
    feed(program, "dy", c->dy, (size_t)c->y_count);
    assert_ok(f->context, fm_program_run(program));
    check_all(c->layer, "y", fm_program_output(program, "y"), c->y, c->y_count);
    check_all(c->layer, "dx", fm_program_output(program, "dx"), c->dx, (int64_t)count);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_recipe_destroy(recipe);
}

static void layers_agree_with_keras_and_pytorch(void **state)
{
    for (int i = 0; i < GOLDEN_VISION_LAYERS_COUNT; i++)
        check_layer(*state, &golden_vision_layers[i]);
}

/* Keras's moving statistics, and what predicting makes of them. */
static void moving_statistics_follow(void **state)
{
    enum { CHANNELS = GOLDEN_BATCH_CHANNELS, SIZE = GOLDEN_BATCH_ROWS * 2 * CHANNELS };
    fixture *f = *state;
    fm_store *store = store_with_seed(f, 1);
    fm_program *programs[2];
    for (int predict = 0; predict < 2; predict++) {
        fm_graph *g = graph_for(f, predict ? FM_PREDICT : FM_TRAIN);
        fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(GOLDEN_BATCH_ROWS, 2, CHANNELS));
        fm_output(g, "y",
                  fm_batch_normalization(g, x, .name = "bn", .momentum = 0.8, .epsilon = 0.01));
        programs[predict] = compile_graph(f, store, g);
    }
    double mean[CHANNELS], variance[CHANNELS];
    for (int step = 0; step < GOLDEN_BATCH_STEPS; step++) {
        feed(programs[0], "x", golden_batch_x + step * SIZE, SIZE);
        assert_ok(f->context, fm_program_run(programs[0]));
        read_variable(f, store, "bn/moving_mean", mean);
        read_variable(f, store, "bn/moving_variance", variance);
        check_all("bn", "mean", mean, golden_batch_mean + step * CHANNELS, CHANNELS);
        check_all("bn", "variance", variance, golden_batch_variance + step * CHANNELS, CHANNELS);
    }
    feed(programs[1], "x", golden_batch_x, SIZE);
    assert_ok(f->context, fm_program_run(programs[1]));
    const double *y = fm_program_output(programs[1], "y");
    for (int i = 0; i < SIZE; i++) {
        int c = i % CHANNELS;
        assert_near(y[i], (golden_batch_x[i] - mean[c]) / sqrt(variance[c] + 0.01), 1e-12);
    }
    for (int i = 0; i < 2; i++) fm_program_destroy(programs[i]);
    fm_store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(layers_agree_with_keras_and_pytorch),
        fixture_test(moving_statistics_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
