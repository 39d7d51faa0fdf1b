/* Activations, by name and as layers, against PyTorch: values and derivatives. */
#include "support/graphs.h"

#include "fathom/nn.h"
#include "fathom/ops.h"
#include "golden/activations_golden.h"

enum {
    POINTS = GOLDEN_ACTIVATION_POINTS,
    ROWS = GOLDEN_SOFTMAX_ROWS,
    COLUMNS = GOLDEN_SOFTMAX_COLUMNS
};

static void check(const double *received, const double *golden, const double *x, int count,
                  double tolerance)
{
    for (int i = 0; i < count; i++) {
        double allowed = tolerance * fmax(1, fabs(x[i])) + 1e-12 * fabs(golden[i]);
        if (fabs(received[i] - golden[i]) <= allowed) continue;
        fail_msg("at x = %g: received %.17g, expected %.17g", x[i], received[i], golden[i]);
    }
}

/* leaky_relu, elu and prelu by their layers, which take alpha; the others by name. */
static fm_val build(fm_graph *g, const struct golden_activation *c, fm_val x)
{
    const struct {
        const char *name;
        double number;
    } options = {NULL, c->alpha};
    if (strcmp(c->name, "prelu") == 0) {
        return fm_prelu(g, x, .alpha_initializer = fm_constant_initializer(c->alpha),
                        .shared_axes = {1, {1}});
    }
    if (c->alpha != 0) return fm_layer_build(g, fm_layer_find(c->name), &x, 1, &options);
    const fm_activation_record *record = fm_activation_find(c->name);
    if (!record) fail_msg("there is no activation '%s'", c->name);
    return record->build(g, x);
}

static void agree_with_golden(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < sizeof golden_activations / sizeof golden_activations[0]; i++) {
        const struct golden_activation *c = &golden_activations[i];
        fm_graph *g = graph_for(f, FM_TRAIN);
        fm_store *store = store_with_seed(f, 1);
        fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(1, POINTS)), derivative;
        fm_val y = build(g, c, x);
        fm_grad(g, fm_sum(g, y, (fm_ints){0}, false), &x, 1, &derivative);
        fm_output(g, "y", y);
        fm_output(g, "derivative", derivative);
        fm_val alpha = fm_graph_variable(g, 0), by_alpha;
        if (alpha.id) {
            fm_grad(g, fm_sum(g, y, (fm_ints){0}, false), &alpha, 1, &by_alpha);
            fm_output(g, "by_alpha", by_alpha);
        }
        fm_program *program = compile_graph(f, store, g);
        feed(program, "x", golden_activation_x, POINTS);
        assert_ok(f->context, fm_program_run(program));
        print_message("%s\n", c->name);
        check(fm_program_output(program, "y"), c->value, golden_activation_x, POINTS, 1e-14);
        check(fm_program_output(program, "derivative"), c->derivative, golden_activation_x, POINTS,
              1e-13);
        if (c->alpha_derivative) {
            double sum = 0;
            for (int k = 0; k < POINTS; k++) sum += c->alpha_derivative[k];
            assert_near(*(const double *)fm_program_output(program, "by_alpha"), sum, 1e-12);
        }
        fm_program_destroy(program);
        fm_store_destroy(store);
    }
}

static void check_softmax(fixture *f, int activation, const double *value, const double *dx)
{
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(ROWS, COLUMNS)), gradient;
    fm_val dy = fm_constant(g, FM_F64, FM_SHAPE(ROWS, COLUMNS), golden_softmax_dy);
    fm_val y = fm_activate(g, x, activation);
    fm_grad(g, fm_sum(g, fm_mul(g, y, dy), (fm_ints){0}, false), &x, 1, &gradient);
    fm_output(g, "y", y);
    fm_output(g, "gradient", gradient);
    fm_program *program = compile_graph(f, store, g);
    feed(program, "x", golden_softmax_x, ROWS * COLUMNS);
    assert_ok(f->context, fm_program_run(program));
    check(fm_program_output(program, "y"), value, golden_softmax_x, ROWS * COLUMNS, 1e-14);
    check(fm_program_output(program, "gradient"), dx, golden_softmax_x, ROWS * COLUMNS, 1e-14);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void softmax_agrees(void **state)
{
    check_softmax(*state, FM_SOFTMAX, golden_softmax_value, golden_softmax_dx);
    check_softmax(*state, FM_LOG_SOFTMAX, golden_log_softmax_value, golden_log_softmax_dx);
}

static void the_list_follows_the_enum(void **state)
{
    (void)state;
    assert_string_equal(fm_activation_at(FM_LINEAR)->name, "linear");
    assert_string_equal(fm_activation_at(FM_GELU_TANH)->name, "gelu_tanh");
    assert_string_equal(fm_activation_at(FM_LOG_SOFTMAX)->name, "log_softmax");
    assert_string_equal(fm_activation_at(FM_SWISH)->name, "swish");
    assert_string_equal(fm_activation_at(FM_HARD_SILU)->name, "hard_silu");
    assert_null(fm_activation_at(FM_ACTIVATION_NAMES));
}

/* By name they have their usual numbers: leaky_relu 0.2, elu 1, prelu 0.25. */
static void names_have_usual_numbers(void **state)
{
    fixture *f = *state;
    const struct {
        int activation;
        double at_minus_one;
    } cases[] = {{FM_LEAKY_RELU, -0.2}, {FM_ELU, exp(-1) - 1}, {FM_PRELU, -0.25}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_graph *g = graph_for(f, FM_PREDICT);
        fm_store *store = store_with_seed(f, 1);
        fm_output(g, "y", fm_activate(g, fm_full(g, FM_SHAPE(1, 1), -1), cases[i].activation));
        fm_program *program = compile_graph(f, store, g);
        assert_ok(f->context, fm_program_run(program));
        assert_near(*(const double *)fm_program_output(program, "y"), cases[i].at_minus_one, 1e-15);
        fm_program_destroy(program);
        fm_store_destroy(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(agree_with_golden),
        fixture_test(softmax_agrees),
        fixture_test(names_have_usual_numbers),
        fixture_test(the_list_follows_the_enum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
