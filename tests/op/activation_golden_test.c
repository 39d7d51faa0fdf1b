/* Activations, softmax and their derivatives against PyTorch's, from -100 to 100. */
#include "support/op_run.h"
#include "golden/activations_golden.h"

typedef fm_val simple(fm_graph *g, fm_val x);

static const struct {
    const char *name;
    simple *build;
} simple_ones[] = {
    {"sigmoid", fm_sigmoid},
    {"tanh", fm_tanh},
    {"relu", fm_relu},
    {"selu", fm_selu},
    {"gelu", fm_gelu},
    {"gelu_tanh", fm_gelu_tanh},
    {"silu", fm_silu},
    {"mish", fm_mish},
    {"softplus", fm_softplus},
    {"softsign", fm_softsign},
    {"hard_sigmoid", fm_hard_sigmoid},
    {"hard_swish", fm_hard_swish},
};

/* {0} for what is no op (prelu is a layer). */
static fm_val build(fm_graph *g, const struct golden_activation *golden, fm_val x)
{
    for (size_t i = 0; i < sizeof simple_ones / sizeof *simple_ones; i++) {
        if (strcmp(simple_ones[i].name, golden->name) == 0) return simple_ones[i].build(g, x);
    }
    if (strcmp(golden->name, "leaky_relu") == 0) return fm_leaky_relu(g, x, golden->alpha);
    if (strcmp(golden->name, "elu") == 0) return fm_elu(g, x, golden->alpha);
    return (fm_val){0};
}

static void check_points(const char *name, const char *what, const double *actual,
                         const double *golden)
{
    for (int i = 0; i < GOLDEN_ACTIVATION_POINTS; i++) {
        double x = golden_activation_x[i];
        double tolerance = 1e-14 * fmax(1, fabs(x)) + 1e-12 * fabs(golden[i]);
        if (fabs(actual[i] - golden[i]) <= tolerance) continue;
        fail_msg("%s: %s at %g is %.17g, expected %.17g", name, what, x, actual[i], golden[i]);
    }
}

static void activations_agree_with_golden_values(void **state)
{
    int checked = 0;
    for (int k = 0; k < GOLDEN_ACTIVATIONS_COUNT; k++) {
        const struct golden_activation *golden = &golden_activations[k];
        op_run r = op_run_open(*state, FM_F64);
        fm_val x = fm_input(r.graph, "x", FM_F64, FM_SHAPE(GOLDEN_ACTIVATION_POINTS));
        fm_val y = build(r.graph, golden, x);
        if (y.id) {
            fm_output(r.graph, "y", y);
            op_run_grad(&r, "dx", y, x);
            op_run_compile(&r, 1);
            op_run_set(&r, "x", golden_activation_x, sizeof golden_activation_x);
            op_run_go(&r);
            check_points(golden->name, "value", op_run_output(&r, "y"), golden->value);
            check_points(golden->name, "derivative", op_run_output(&r, "dx"), golden->derivative);
            checked++;
        }
        op_run_close(&r);
    }
    assert_int_equal(checked, GOLDEN_ACTIVATIONS_COUNT - 1);
}

/* In f32 everything stays finite and near, with derivatives of both orders. */
static void activations_are_sound_in_f32(void **state)
{
    for (int k = 0; k < GOLDEN_ACTIVATIONS_COUNT; k++) {
        const struct golden_activation *golden = &golden_activations[k];
        op_run r = op_run_open(*state, FM_F32);
        fm_val x = fm_input(r.graph, "x", FM_F32, FM_SHAPE(GOLDEN_ACTIVATION_POINTS)), dx, ddx;
        fm_val y = build(r.graph, golden, x);
        if (y.id) {
            fm_grad(r.graph, fm_sum(r.graph, y, (fm_ints){0}, false), &x, 1, &dx);
            fm_grad(r.graph, fm_sum(r.graph, dx, (fm_ints){0}, false), &x, 1, &ddx);
            fm_output(r.graph, "y", y);
            fm_output(r.graph, "dx", dx);
            fm_output(r.graph, "ddx", ddx);
            op_run_compile(&r, 1);
            float *points = fm_program_input(r.program, "x");
            for (int i = 0; i < GOLDEN_ACTIVATION_POINTS; i++) {
                points[i] = (float)golden_activation_x[i];
            }
            op_run_go(&r);
            const float *value = op_run_output(&r, "y"), *slope = op_run_output(&r, "dx");
            const float *bend = op_run_output(&r, "ddx");
            for (int i = 0; i < GOLDEN_ACTIVATION_POINTS; i++) {
                assert_near((double)value[i], golden->value[i], 2e-6);
                assert_near((double)slope[i], golden->derivative[i], 2e-6);
                assert_true(isfinite(bend[i]));
            }
        }
        op_run_close(&r);
    }
}

static void softmax_agrees_with_golden_values(void **state)
{
    static const struct {
        simple *build;
        const double *value, *dx;
    } both[] = {{fm_softmax, golden_softmax_value, golden_softmax_dx},
                {fm_log_softmax, golden_log_softmax_value, golden_log_softmax_dx}};
    for (int k = 0; k < 2; k++) {
        op_run r = op_run_open(*state, FM_F64);
        fm_shape shape = FM_SHAPE(GOLDEN_SOFTMAX_ROWS, GOLDEN_SOFTMAX_COLUMNS);
        fm_val x = fm_input(r.graph, "x", FM_F64, shape);
        fm_val dy = fm_input(r.graph, "dy", FM_F64, shape), y = both[k].build(r.graph, x);
        fm_output(r.graph, "y", y);
        op_run_grad(&r, "dx", fm_mul(r.graph, y, dy), x);
        op_run_compile(&r, 1);
        op_run_set(&r, "x", golden_softmax_x, sizeof golden_softmax_x);
        op_run_set(&r, "dy", golden_softmax_dy, sizeof golden_softmax_dy);
        op_run_go(&r);
        const double *value = op_run_output(&r, "y"), *dx = op_run_output(&r, "dx");
        for (int i = 0; i < GOLDEN_SOFTMAX_ROWS * GOLDEN_SOFTMAX_COLUMNS; i++) {
            assert_near(value[i], both[k].value[i], 1e-12);
            assert_near(dx[i], both[k].dx[i], 1e-12);
        }
        op_run_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(activations_agree_with_golden_values),
        fixture_test(activations_are_sound_in_f32),
        fixture_test(softmax_agrees_with_golden_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
