/* Layers: names, sharing, shapes, modes, merges, and mistakes in words. */
#include "support/graphs.h"

#include "fathom/loss.h"
#include "fathom/nn.h"
#include "fathom/ops.h"
#include "fathom/optimizer.h"

static fm_val input(fm_graph *g, fm_shape shape)
{
    return fm_input(g, "x", FM_F64, shape);
}

static void assert_shape(const fm_graph *g, fm_val value, fm_shape shape)
{
    char received[FM_SHAPE_TEXT], wanted[FM_SHAPE_TEXT];
    assert_string_equal(fm_shape_text(fm_val_shape(g, value), received),
                        fm_shape_text(shape, wanted));
}

static void names_are_numbered(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_val x = fm_flatten(g, input(g, FM_SHAPE(4, 2, 3)));
    assert_shape(g, x, FM_SHAPE(4, 6));
    x = fm_dense(g, x, .units = 5, .activation = FM_RELU);
    x = fm_dense(g, x, .units = 5, .no_bias = true, .name = "encoder/middle");
    x = fm_dense(g, x, .units = 2, .activation = FM_PRELU);
    x = fm_dense(g, x, .units = 3, .kernel_initializer = {"orthogonal(gain=2)"});
    assert_shape(g, x, FM_SHAPE(4, 3));
    const char *const paths[] = {"dense/kernel",   "dense/bias",   "encoder/middle/kernel",
                                 "dense_1/kernel", "dense_1/bias", "dense_1/prelu/alpha",
                                 "dense_2/kernel", "dense_2/bias"};
    enum { PATHS = sizeof paths / sizeof paths[0] };
    for (int i = 0; i < PATHS; i++) {
        assert_string_equal(fm_val_name(g, fm_graph_variable(g, i)), paths[i]);
        assert_true(fm_val_trainable(g, fm_graph_variable(g, i)));
    }
    assert_int_equal(fm_graph_variable(g, PATHS).id, 0);
    assert_ok(f->context, fm_graph_status(g));
    fm_graph_destroy(g);
}

/* Two layers of one name are one layer; its penalty counts once. */
static void a_name_shares(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = input(g, FM_SHAPE(4, 3));
    const fm_dense_options options = {.name = "twin",
                                      .units = 3,
                                      .kernel_initializer = fm_constant_initializer(2),
                                      .kernel_l1 = 0.5,
                                      .kernel_l2 = 0.25};
    x = fm_dense_with(g, fm_dense_with(g, x, &options), &options);
    assert_int_equal(fm_graph_variable(g, 2).id, 0);
    fm_output(g, "penalty", fm_graph_penalty(g));
    fm_program *program = compile_graph(f, store, g);
    assert_ok(f->context, fm_program_run(program));
    assert_near(*(const double *)fm_program_output(program, "penalty"), 9 * (0.5 * 2 + 0.25 * 4),
                1e-14);
    fm_program_destroy(program);
    fm_store_destroy(store);

    g = graph_for(f, FM_TRAIN);
    x = fm_dense(g, input(g, FM_SHAPE(4, 3)), .units = 2, .name = "twin");
    fm_dense(g, x, .units = 2, .name = "twin");
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "twin: the variable 'twin/kernel' is shared: it was f64 (3, 2), now f64 (2, 2) "
                   "is asked for");
}

static void dense_computes(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_PREDICT);
    fm_store *store = store_with_seed(f, 1);
    const double kernel[4] = {1, -2, 3, 4}, bias[2] = {0.5, -100};
    assert_ok(f->context,
              fm_store_put(store, "dense/kernel", FM_F64, FM_SHAPE(2, 2), true, kernel));
    assert_ok(f->context, fm_store_put(store, "dense/bias", FM_F64, FM_SHAPE(2), true, bias));
    fm_val x = input(g, FM_SHAPE(2, 1, 2));
    fm_output(g, "y", fm_dense(g, x, .units = 2, .activation = FM_RELU));
    fm_program *program = compile_graph(f, store, g);
    feed(program, "x", (double[]){1, 2, 0, 30}, 4);
    assert_ok(f->context, fm_program_run(program));
    const double *y = fm_program_output(program, "y"), expected[4] = {7.5, 0, 90.5, 20};
    for (int i = 0; i < 4; i++) assert_near(y[i], expected[i], 1e-14);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

/* Outside of training, dropout and noise return their very input. */
static void noise_is_for_training(void **state)
{
    fixture *f = *state;
    for (int mode = FM_PREDICT; mode <= FM_TRAIN; mode++) {
        fm_graph *g = graph_for(f, (fm_mode)mode);
        fm_val x = input(g, FM_SHAPE(4, 3));
        bool same = mode != FM_TRAIN;
        assert_int_equal(fm_dropout(g, x, .rate = 0.5).id == x.id, same);
        assert_int_equal(fm_alpha_dropout(g, x, .rate = 0.5).id == x.id, same);
        assert_int_equal(fm_gaussian_dropout(g, x, .rate = 0.5).id == x.id, same);
        assert_int_equal(fm_gaussian_noise(g, x, .stddev = 0.5).id == x.id, same);
        assert_int_equal(fm_dropout(g, x, .rate = FM_ZERO).id, x.id);
        assert_ok(f->context, fm_graph_status(g));
        fm_graph_destroy(g);
    }
}

/* Mean and deviation of y over many draws. */
static void check_moments(fixture *f, const char *layer, double strength, double x, double mean,
                          double deviation)
{
    enum { DRAWS = 40000 };
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 3);
    const fm_dropout_options options = {.rate = strength}; /* noise has the same layout */
    fm_val in = fm_full(g, FM_SHAPE(1, DRAWS), x);
    fm_output(g, "y", fm_layer_build(g, fm_layer_find(layer), &in, 1, &options));
    fm_program *program = compile_graph(f, store, g);
    assert_ok(f->context, fm_program_run(program));
    const double *y = fm_program_output(program, "y");
    double sum = 0, square = 0;
    for (int i = 0; i < DRAWS; i++) sum += y[i];
    for (int i = 0; i < DRAWS; i++) square += (y[i] - sum / DRAWS) * (y[i] - sum / DRAWS);
    print_message("%s: mean %g, deviation %g\n", layer, sum / DRAWS, sqrt(square / DRAWS));
    assert_true(fabs(sum / DRAWS - mean) < 5 * deviation / sqrt(DRAWS));
    assert_true(fabs(sqrt(square / DRAWS) / deviation - 1) < 0.03);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void noise_has_its_moments(void **state)
{
    fixture *f = *state;
    check_moments(f, "dropout", 0.2, 3, 3, 3 * sqrt(0.2 / 0.8));
    check_moments(f, "gaussian_dropout", 0.2, 3, 3, 3 * sqrt(0.2 / 0.8));
    check_moments(f, "gaussian_noise", 0.7, 3, 3, 0.7);
    double low = -1.6732632423543772 * 1.0507009873554805, q = 0.9;
    double a = 1 / sqrt(q + low * low * q * (1 - q));
    check_moments(f, "alpha_dropout", 0.1, 0, 0, a * -low * sqrt(q * (1 - q)));
}

static void merges_compute(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_PREDICT);
    fm_store *store = store_with_seed(f, 1);
    const double numbers[3][2] = {{1, 5}, {2, -4}, {6, 2}};
    fm_val v[3];
    for (int i = 0; i < 3; i++) v[i] = fm_constant(g, FM_F64, FM_SHAPE(1, 2), numbers[i]);
    fm_output(g, "add", fm_merge(g, FM_MERGE_ADD, v, 3));
    fm_output(g, "multiply", fm_merge(g, FM_MERGE_MULTIPLY, v, 3));
    fm_output(g, "subtract", fm_merge(g, FM_MERGE_SUBTRACT, v, 2));
    fm_output(g, "average", fm_merge(g, FM_MERGE_AVERAGE, v, 3));
    fm_output(g, "maximum", fm_merge(g, FM_MERGE_MAXIMUM, v, 3));
    fm_output(g, "minimum", fm_merge(g, FM_MERGE_MINIMUM, v, 3));
    fm_output(g, "concatenate", fm_concatenate(g, v, 3));
    fm_program *program = compile_graph(f, store, g);
    assert_ok(f->context, fm_program_run(program));
    const struct {
        const char *name;
        double values[6];
        int count;
    } expected[] = {{"add", {9, 3}, 2},
                    {"multiply", {12, -40}, 2},
                    {"subtract", {-1, 9}, 2},
                    {"average", {3, 1}, 2},
                    {"maximum", {6, 5}, 2},
                    {"minimum", {1, -4}, 2},
                    {"concatenate", {1, 5, 2, -4, 6, 2}, 6}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const double *y = fm_program_output(program, expected[i].name);
        for (int k = 0; k < expected[i].count; k++) assert_near(y[k], expected[i].values[k], 1e-15);
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void shapes_are_made(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_PREDICT);
    fm_val x = input(g, FM_SHAPE(5, 12));
    assert_shape(g, fm_reshape(g, x, .target_shape = {2, {-1, 4}}), FM_SHAPE(5, 3, 4));
    assert_shape(g, fm_flatten(g, fm_reshape(g, x, .target_shape = {3, {2, 2, 3}})),
                 FM_SHAPE(5, 12));
    fm_val tall = fm_reshape(g, x, .target_shape = {2, {4, 3}});
    assert_shape(g, fm_concatenate(g, ((fm_val[]){tall, tall}), 2, .axis = 1), FM_SHAPE(5, 8, 3));
    assert_shape(g, fm_prelu(g, tall, .shared_axes = {1, {1}}), FM_SHAPE(5, 4, 3));
    assert_shape(g, fm_graph_variable(g, 0), FM_SHAPE(1, 3));
    assert_ok(f->context, fm_graph_status(g));
    fm_graph_destroy(g);
}

/* One mistake each: what is built, and the words. */
static void wrong_rank(fm_graph *g)
{
    fm_dense(g, fm_dense(g, input(g, FM_SHAPE(784)), .units = 3), .units = 10);
}

static void no_units(fm_graph *g)
{
    fm_dense(g, fm_dense(g, input(g, FM_SHAPE(2, 4)), .units = 3), .activation = FM_RELU);
}

static void wrong_rate(fm_graph *g)
{
    fm_dropout(g, input(g, FM_SHAPE(2, 4)), .rate = 1.5);
}

static void wrong_initializer(fm_graph *g)
{
    fm_dense(g, input(g, FM_SHAPE(2, 4)), .units = 3, .kernel_initializer = {"glorot_unifrm"});
}

static void wrong_reshape(fm_graph *g)
{
    fm_reshape(g, input(g, FM_SHAPE(2, 10)), .target_shape = {2, {3, 4}});
}

static void wrong_branches(fm_graph *g)
{
    fm_val x = input(g, FM_SHAPE(2, 10));
    fm_merge(g, FM_MERGE_ADD, (fm_val[]){x, fm_dense(g, x, .units = 3)}, 2);
}

static void wrong_axis(fm_graph *g)
{
    fm_val x = input(g, FM_SHAPE(2, 10));
    fm_concatenate(g, ((fm_val[]){x, x}), 2, .axis = 2);
}

static void wrong_concatenate(fm_graph *g)
{
    fm_val x = input(g, FM_SHAPE(2, 10)), y = fm_input(g, "y", FM_F64, FM_SHAPE(3, 10));
    fm_concatenate(g, ((fm_val[]){x, y}), 2);
}

static void one_branch(fm_graph *g)
{
    fm_merge(g, FM_MERGE_SUBTRACT, (fm_val[]){input(g, FM_SHAPE(2, 10))}, 1);
}

static void named_no_units(fm_graph *g)
{
    fm_dense(g, input(g, FM_SHAPE(2, 4)), .name = "head", .units = -1);
}

static void wrong_activation(fm_graph *g)
{
    fm_dense(g, input(g, FM_SHAPE(2, 4)), .units = 3, .activation = 99);
}

/* Kept from another call of the model function, for example. */
static const fm_val foreign = {1000};
#define FOREIGN                                                                                    \
    ": value number 1000 is none of this graph's: a value belongs to the graph that it was made "  \
    "in, and a model function makes all of them anew in each call"

static void layer_of_a_foreign_value(fm_graph *g)
{
    fm_dense(g, foreign, .units = 3);
}

static void op_of_a_foreign_value(fm_graph *g)
{
    fm_add(g, input(g, FM_SHAPE(2, 4)), foreign);
}

static void foreign_output(fm_graph *g)
{
    assert_int_equal(fm_val_shape(g, foreign).rank, 0);
    fm_output(g, "y", foreign);
}

static void foreign_update(fm_graph *g)
{
    fm_update(g, fm_variable(g, "w", FM_F64, FM_SHAPE(2), NULL), foreign);
}

static void gradient_in_a_foreign_value(fm_graph *g)
{
    fm_val grad;
    fm_grad(g, fm_sum(g, input(g, FM_SHAPE(2, 4)), (fm_ints){0}, false), &foreign, 1, &grad);
}

/* {0} without an earlier mistake: of a look-up that found nothing, of a struct never filled. */
static void missing_output(fm_graph *g)
{
    fm_output(g, "y", fm_graph_output(g, "prediction"));
}

static void missing_operand(fm_graph *g)
{
    fm_add(g, input(g, FM_SHAPE(2, 4)), fm_graph_penalty(g));
}

static void missing_branch(fm_graph *g)
{
    fm_merge(g, FM_MERGE_ADD, (fm_val[]){input(g, FM_SHAPE(2, 4)), {0}}, 2);
}

static void missing_update(fm_graph *g)
{
    fm_update(g, fm_variable(g, "w", FM_F64, FM_SHAPE(2), NULL), (fm_val){0});
}

static void mask_of_nothing(fm_graph *g)
{
    fm_val mask = fm_full(g, FM_SHAPE(2, 3), 1);
    fm_mask_set(g, mask, fm_mask_of(g, mask)); /* {0} */
    assert_int_equal(fm_graph_status(g), FM_OK);
    fm_mask_set(g, fm_graph_output(g, "y"), mask);
}

static void missing_loss(fm_graph *g)
{
    fm_minimize(g, (fm_val){0}, .rule = FM_SGD);
}

static void missing_label(fm_graph *g)
{
    fm_loss(g, FM_MEAN_SQUARED_ERROR, input(g, FM_SHAPE(2, 4)), (fm_val){0});
}

static void missing_gradient(fm_graph *g)
{
    fm_val grad;
    fm_grad(g, fm_sum(g, input(g, FM_SHAPE(2, 4)), (fm_ints){0}, false), &(fm_val){0}, 1, &grad);
}

static void missing_penalty(fm_graph *g)
{
    fm_add_penalty(g, (fm_val){0});
}

static void missing_metric(fm_graph *g)
{
    fm_add_metric(g, "share", (fm_val){0});
}

static void missing_auxiliary(fm_graph *g)
{
    fm_add_auxiliary(g, (fm_val){0}, 0.3);
}

#define MISSING                                                                                    \
    " is missing: it is {0}, which is what a call that failed returns, and a look-up that found "  \
    "nothing"

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    const struct {
        void (*build)(fm_graph *g);
        fm_status status;
        const char *words;
    } cases[] = {
        {wrong_rank, FM_ERROR_SHAPE,
         "dense: the input must be (batch, ..., features), received (784)"},
        {no_units, FM_ERROR_ARGUMENT, "dense_1: units must be at least 1, received 0"},
        {named_no_units, FM_ERROR_ARGUMENT, "head: dense: units must be at least 1, received -1"},
        {wrong_rate, FM_ERROR_ARGUMENT,
         "dropout: rate must lie between 0 and 0.999999, received 1.5"},
        {wrong_initializer, FM_ERROR_ARGUMENT,
         "dense: unknown initializer 'glorot_unifrm'; did you mean 'glorot_uniform'?"},
        {wrong_reshape, FM_ERROR_SHAPE, "reshape: cannot reshape (2, 10) to (2, 3, 4)"},
        {wrong_branches, FM_ERROR_SHAPE,
         "add: the branches must have one shape: branch 0 is (2, 10), branch 1 is (2, 3)"},
        {wrong_axis, FM_ERROR_ARGUMENT,
         "concatenate: axis 2 does not lie behind the batch of the shape (2, 10)"},
        {wrong_concatenate, FM_ERROR_SHAPE,
         "concatenate: the branches must have shapes equal but for axis 1: branch 0 is "
         "(2, 10), branch 1 is (3, 10)"},
        {one_branch, FM_ERROR_ARGUMENT, "subtract takes 2 inputs, received 1"},
        {wrong_activation, FM_ERROR_ARGUMENT, "dense: activation has no choice number 99"},
        {layer_of_a_foreign_value, FM_ERROR_ARGUMENT, "dense" FOREIGN},
        {op_of_a_foreign_value, FM_ERROR_ARGUMENT, "add" FOREIGN},
        {foreign_output, FM_ERROR_ARGUMENT, "y" FOREIGN},
        {foreign_update, FM_ERROR_ARGUMENT, "an update" FOREIGN},
        {gradient_in_a_foreign_value, FM_ERROR_ARGUMENT, "a gradient" FOREIGN},
        {missing_output, FM_ERROR_ARGUMENT, "y: value 1 of 1" MISSING},
        {missing_operand, FM_ERROR_ARGUMENT, "add: value 2 of 2" MISSING},
        {missing_branch, FM_ERROR_ARGUMENT, "add: value 2 of 2" MISSING},
        {missing_update, FM_ERROR_ARGUMENT, "an update: value 2 of 2" MISSING},
        {mask_of_nothing, FM_ERROR_ARGUMENT, "a mask: value 1 of 2" MISSING},
        {missing_loss, FM_ERROR_ARGUMENT, "the loss: value 1 of 1" MISSING},
        {missing_label, FM_ERROR_ARGUMENT, "mean_squared_error: value 2 of 2" MISSING},
        {missing_gradient, FM_ERROR_ARGUMENT, "a gradient: value 1 of 1" MISSING},
        {missing_penalty, FM_ERROR_ARGUMENT, "a penalty: value 1 of 1" MISSING},
        {missing_metric, FM_ERROR_ARGUMENT, "a metric: value 1 of 1" MISSING},
        {missing_auxiliary, FM_ERROR_ARGUMENT, "an auxiliary prediction: value 1 of 1" MISSING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_graph *g = graph_for(f, FM_TRAIN);
        cases[i].build(g);
        assert_mistake(f, g, cases[i].status, cases[i].words);
    }
}

/* The first field is the name, the second the main option; a name for each; found by it. */
static void records_are_whole(void **state)
{
    (void)state;
    int count = 0;
    for (; fm_layer_at(count); count++) {
        const fm_layer_record *layer = fm_layer_at(count);
        assert_ptr_equal(fm_layer_find(layer->name), layer);
        assert_non_null(layer->doc);
        assert_non_null(layer->build);
        assert_string_equal(layer->fields[0].name, "name");
        assert_true(layer->min_inputs >= 1 && layer->max_inputs >= layer->min_inputs);
    }
    assert_true(count > 30);
    assert_null(fm_layer_find("densse"));
    assert_string_equal(fm_layer_find("dense")->fields[1].name, "units");
    for (int i = 0; i < FM_ACTIVATION_NAMES; i++) {
        assert_non_null(fm_layer_find(fm_activation_at(i)->name));
        assert_ptr_equal(fm_activation_find(fm_activation_at(i)->name), fm_activation_at(i));
    }
}

static void build_all(fm_graph *g, const void *argument)
{
    (void)argument;
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(2, 3, 4));
    fm_val y = fm_dense(g, fm_flatten(g, x), .units = 3, .kernel_l2 = 0.1);
    y = fm_dropout(g, fm_prelu(g, y), .rate = 0.1);
    fm_concatenate(g, ((fm_val[]){y, fm_activate(g, y, FM_GELU)}), 2);
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
        fixture_test(names_are_numbered),    fixture_test(a_name_shares),
        fixture_test(dense_computes),        fixture_test(noise_is_for_training),
        fixture_test(noise_has_its_moments), fixture_test(merges_compute),
        fixture_test(shapes_are_made),       fixture_test(mistakes_are_worded),
        fixture_test(records_are_whole),     fixture_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
