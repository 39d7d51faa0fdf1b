/* Programs: updates, aliases, errors, and what stays the same. */
#include "support/fixture.h"

#include "fathom/nn_vision.h"
#include "fathom/op.h"
#include "fathom/ops.h"
#include "fathom/program.h"

static fm_graph *new_graph(fixture *f)
{
    fm_graph *graph;
    assert_ok(f->context, fm_graph_create(f->context, NULL, &graph));
    return graph;
}

static fm_store *new_store(fixture *f)
{
    fm_store *store;
    assert_ok(f->context, fm_store_create(f->context, 3, &store));
    return store;
}

static fm_program *compile(fixture *f, fm_store *store, fm_graph *graph)
{
    fm_program *program;
    assert_ok(f->context, fm_program_create(store, graph, NULL, &program));
    fm_graph_destroy(graph);
    return program;
}

static float stored(fm_store *store, const char *path)
{
    float value[16] = {0};
    fm_store_read(store, fm_store_find(store, path), value);
    return value[0];
}

static void put(fixture *f, fm_store *store, const char *path, float value)
{
    assert_ok(f->context, fm_store_put(store, path, FM_F32, (fm_shape){0}, true, &value));
}

/* All updates of a step see the values of before the step. */
static void two_variables_swap(void **state)
{
    fixture *f = *state;
    fm_store *store = new_store(f);
    fm_graph *g = new_graph(f);
    put(f, store, "a", 1);
    put(f, store, "b", 2);
    fm_val a = fm_variable(g, "a", FM_F32, (fm_shape){0}, NULL);
    fm_val b = fm_variable(g, "b", FM_F32, (fm_shape){0}, NULL);
    fm_update(g, a, b);
    fm_update(g, b, a);
    fm_program *program = compile(f, store, g);
    assert_ok(f->context, fm_program_run(program));
    assert_near(stored(store, "a"), 2, 0);
    assert_near(stored(store, "b"), 1, 0);
    assert_ok(f->context, fm_program_run(program));
    assert_near(stored(store, "a"), 1, 0);
    assert_int_equal(fm_store_step(store), 2);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void updates_read_each_other(void **state)
{
    fixture *f = *state;
    fm_store *store = new_store(f);
    fm_graph *g = new_graph(f);
    put(f, store, "a", 1);
    put(f, store, "b", 10);
    fm_val a = fm_variable(g, "a", FM_F32, (fm_shape){0}, NULL);
    fm_val b = fm_variable(g, "b", FM_F32, (fm_shape){0}, NULL);
    fm_update(g, a, fm_add(g, a, b));
    fm_update(g, b, fm_sub(g, b, a));
    fm_program *program = compile(f, store, g);
    assert_ok(f->context, fm_program_run(program));
    assert_near(stored(store, "a"), 11, 0);
    assert_near(stored(store, "b"), 9, 0);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void first_mistake_is_kept_and_returned(void **state)
{
    fixture *f = *state;
    fm_store *store = new_store(f);
    fm_graph *g = new_graph(f);
    fm_scope_enter(g, "encoder");
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(128, 784));
    fm_val w = fm_variable(g, "kernel", FM_F32, FM_SHAPE(512, 10), NULL);
    fm_val y = fm_matmul(g, x, w);
    assert_int_equal(y.id, 0);
    fm_output(g, "y", fm_relu(g, fm_add(g, y, y)));
    fm_input(g, "x", FM_F32, FM_SHAPE(1)); /* a second mistake does not hide the first */
    fm_program *program;
    assert_fails(f->context, FM_ERROR_SHAPE, "encoder: matmul",
                 fm_program_create(store, g, NULL, &program));
    assert_non_null(strstr(fm_error_message(f->context), "(128, 784)"));
    assert_non_null(strstr(fm_error_message(f->context), "(512, 10)"));
    assert_null(program);
    fm_graph_destroy(g);
    fm_store_destroy(store);
}

static void another_shape_in_the_store_is_refused(void **state)
{
    fixture *f = *state;
    fm_store *store = new_store(f);
    put(f, store, "dense/bias", 0);
    fm_graph *g = new_graph(f);
    fm_scope_enter_fresh(g, "dense");
    fm_output(g, "y", fm_neg(g, fm_variable(g, "bias", FM_F32, FM_SHAPE(10), NULL)));
    fm_program *program;
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "'dense/bias' is stored as f32 (), the model wants f32 (10)",
                 fm_program_create(store, g, NULL, &program));
    fm_graph_destroy(g);
    fm_store_destroy(store);
}

static void a_start_that_does_not_fit_names_the_variable(void **state)
{
    fixture *f = *state;
    fm_store *store = new_store(f);
    fm_graph *g = new_graph(f);
    fm_scope_enter_fresh(g, "dense");
    const fm_variable_options matrix = {.initializer = fm_identity(1)};
    fm_output(g, "y", fm_neg(g, fm_variable(g, "bias", FM_F32, FM_SHAPE(10), &matrix)));
    fm_program *program;
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "variable 'dense/bias': identity fills a matrix, received shape (10)",
                 fm_program_create(store, g, NULL, &program));
    assert_int_equal(fm_store_count(store), 0);
    fm_graph_destroy(g);
    fm_store_destroy(store);
}

static void a_convolution_of_no_channels_is_zero(void **state)
{
    fixture *f = *state;
    for (int precision = FM_PRECISION_F32; precision <= FM_PRECISION_BF16; precision++) {
        fm_store *store = new_store(f);
        fm_graph *g = new_graph(f);
        fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(6, 1, 17, 0));
        fm_output(g, "y",
                  fm_conv2d_transpose(g, x, .filters = 64, .kernel_size = {1, {3}},
                                      .padding = FM_PADDING_SAME));
        fm_program *program;
        const fm_program_options options = {.precision = precision};
        assert_ok(f->context, fm_program_create(store, g, &options, &program));
        assert_ok(f->context, fm_program_run(program));
        const float *y = fm_program_output(program, "y");
        for (int i = 0; i < 6 * 17 * 64; i++) assert_true(y[i] == 0);
        fm_program_destroy(program);
        fm_graph_destroy(g);
        fm_store_destroy(store);
    }
}

static void scopes_count_and_share(void **state)
{
    fixture *f = *state;
    fm_graph *g = new_graph(f);
    for (int i = 0; i < 2; i++) {
        fm_scope_enter_fresh(g, "dense");
        fm_variable(g, "kernel", FM_F32, FM_SHAPE(2), NULL);
        fm_scope_leave(g);
    }
    fm_scope_enter(g, "tied");
    fm_val first = fm_variable(g, "kernel", FM_F32, FM_SHAPE(3), NULL);
    fm_scope_leave(g);
    fm_scope_enter(g, "tied");
    fm_val again = fm_variable(g, "kernel", FM_F32, FM_SHAPE(3), NULL);
    assert_int_equal(first.id, again.id);
    assert_int_equal(fm_variable(g, "kernel", FM_F32, FM_SHAPE(4), NULL).id, 0);
    assert_fails(f->context, FM_ERROR_SHAPE, "it was f32 (3), now f32 (4)", fm_graph_status(g));
    assert_string_equal(fm_val_name(g, fm_graph_variable(g, 0)), "dense/kernel");
    assert_string_equal(fm_val_name(g, fm_graph_variable(g, 1)), "dense_1/kernel");
    assert_string_equal(fm_val_name(g, fm_graph_variable(g, 2)), "tied/kernel");
    fm_graph_destroy(g);
}

static void first_nonfinite_value_is_named(void **state)
{
    fixture *f = *state;
    fm_store *store = new_store(f);
    fm_graph *g = new_graph(f);
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(4));
    fm_scope_enter(g, "head");
    fm_output(g, "y", fm_exp(g, fm_mul_scalar(g, fm_log(g, x), 2)));
    fm_scope_leave(g);
    fm_program *program;
    assert_ok(f->context,
              fm_program_create(store, g, &(fm_program_options){.check_finite = true}, &program));
    fm_graph_destroy(g);
    float *input = fm_program_input(program, "x");
    for (int i = 0; i < 4; i++) input[i] = 1;
    assert_ok(f->context, fm_program_run(program));
    input[2] = -1;
    assert_fails(f->context, FM_ERROR_NONFINITE, "head/log", fm_program_run(program));
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void bound_input_is_read_in_place(void **state)
{
    fixture *f = *state;
    fm_store *store = new_store(f);
    fm_graph *g = new_graph(f);
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(4));
    fm_output(g, "y", fm_neg(g, fm_reshape_to(g, x, FM_SHAPE(2, 2))));
    fm_output(g, "same", x);
    fm_program *program = compile(f, store, g);
    _Alignas(64) static const float mine[5] = {1, 2, 3, 4, 5};
    assert_ok(f->context, fm_program_bind_input(program, "x", mine));
    assert_ok(f->context, fm_program_run(program));
    assert_near(((const float *)fm_program_output(program, "y"))[3], -4, 0);
    assert_ptr_equal(fm_program_output(program, "same"), mine);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "aligned to 64",
                 fm_program_bind_input(program, "x", mine + 1));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "aligned to 64",
                 fm_program_bind_input(program, "x", NULL));
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "no input 'z'",
                 fm_program_bind_input(program, "z", mine));
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void run_allocates_nothing(void **state)
{
    fixture *f = *state;
    fm_store *store = new_store(f);
    fm_graph *g = new_graph(f);
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(8, 16));
    fm_val w = fm_variable(g, "w", FM_F32, FM_SHAPE(16, 16), NULL), grad;
    fm_val y = fm_drop(g, fm_tanh(g, fm_matmul(g, x, w)), 0.5);
    fm_grad(g, fm_mean(g, fm_square(g, y), (fm_ints){0}, false), &w, 1, &grad);
    fm_update(g, w, fm_sub(g, w, grad));
    fm_program *program = compile(f, store, g);
    long made = f->made;
    for (int i = 0; i < 10; i++) assert_ok(f->context, fm_program_run(program));
    assert_int_equal(f->made, made);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static fm_status build_and_run(fm_context *context, void *argument)
{
    (void)argument;
    fm_graph *g;
    fm_store *store = NULL;
    fm_program *program = NULL;
    fm_status status = fm_graph_create(context, NULL, &g);
    if (status != FM_OK) return status;
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(4, 3));
    fm_val w = fm_variable(g, "w", FM_F32, FM_SHAPE(3, 2), NULL), grad;
    fm_val loss = fm_mean(g, fm_square(g, fm_relu(g, fm_matmul(g, x, w))), (fm_ints){0}, false);
    fm_grad(g, loss, &w, 1, &grad);
    fm_update(g, w, fm_sub(g, w, grad));
    fm_output(g, "loss", loss);
    status = fm_store_create(context, 1, &store);
    if (status == FM_OK) status = fm_program_create(store, g, NULL, &program);
    fm_graph_destroy(g);
    if (status == FM_OK) status = fm_program_run(program);
    char *text = NULL;
    if (status == FM_OK) status = fm_program_print_profile(program, 1, &text);
    fm_text_free(context, text);
    fm_program_destroy(program);
    fm_store_destroy(store);
    return status;
}

static void every_failed_allocation_is_reported(void **state)
{
    int allocations = fail_each_allocation(*state, build_and_run, NULL);
    assert_true(allocations > 50);
}

static void print_shows_graph_and_plan(void **state)
{
    fixture *f = *state;
    fm_store *store = new_store(f);
    fm_graph *g = new_graph(f);
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(4, 3));
    fm_scope_enter(g, "head");
    fm_output(g, "y", fm_tanh(g, fm_add_scalar(g, x, 2)));
    char *text;
    assert_ok(f->context, fm_graph_print(g, &text));
    assert_non_null(strstr(text, "input x : f32(4, 3)"));
    assert_non_null(strstr(text, " = add(x, 2) : f32(4, 3)  # head"));
    fm_text_free(f->context, text);
    fm_program *program = compile(f, store, g);
    assert_ok(f->context, fm_program_print(program, true, &text));
    assert_non_null(strstr(text, "tanh("));
    fm_text_free(f->context, text);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void a_profile_knows_every_step(void **state)
{
    fixture *f = *state;
    fm_store *store = new_store(f);
    fm_graph *g = new_graph(f);
    fm_val w = fm_variable(g, "w", FM_F32, FM_SHAPE(300, 200), NULL);
    fm_scope_enter(g, "head");
    fm_val y = fm_tanh(g, fm_matmul(g, fm_input(g, "x", FM_F32, FM_SHAPE(40, 300)), w));
    fm_update(g, w, fm_add(g, w, fm_sum(g, y, (fm_ints){0}, false)));
    fm_output(g, "y", y);
    fm_program *program = compile(f, store, g);
    fm_step_cost costs[8] = {{0}};
    const fm_program_summary summary = fm_program_summarize(program);
    double flops = 0, seconds = 0;
    assert_in_range(summary.steps, 2, 8);
    assert_ok(f->context, fm_program_profile(program, 3, costs));
    assert_int_equal(fm_store_step(store), 4);
    for (int i = 0; i < summary.steps; i++) {
        assert_true(costs[i].seconds >= 0 && costs[i].bytes > 0);
        assert_string_equal(costs[0].scope, "head");
        seconds += costs[i].seconds;
        flops += costs[i].flops;
    }
    assert_true(seconds > 0);
    assert_near(flops, summary.flops, 0.5);
    assert_near(costs[0].bytes, 4.0 * (40 * 300 + 300 * 200 + 40 * 200), 0.5);
    char *text;
    assert_ok(f->context, fm_program_print_profile(program, 1, &text));
    assert_non_null(strstr(text, "by kernel\n"));
    assert_non_null(strstr(text, costs[0].kernel));
    fm_text_free(f->context, text);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(two_variables_swap),
        fixture_test(updates_read_each_other),
        fixture_test(first_mistake_is_kept_and_returned),
        fixture_test(another_shape_in_the_store_is_refused),
        fixture_test(a_convolution_of_no_channels_is_zero),
        fixture_test(a_start_that_does_not_fit_names_the_variable),
        fixture_test(scopes_count_and_share),
        fixture_test(first_nonfinite_value_is_named),
        fixture_test(bound_input_is_read_in_place),
        fixture_test(run_allocates_nothing),
        fixture_test(every_failed_allocation_is_reported),
        fixture_test(print_shows_graph_and_plan),
        fixture_test(a_profile_knows_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
