/* The contrastive loss and sums over elements against PyTorch; mistakes in words. */
#include "support/graphs.h"

#include "fathom/loss.h"
#include "golden/unsupervised_golden.h"

enum { MOST = 64 };

typedef struct outcome {
    double value, accuracy, gradient[MOST];
} outcome;

static double number_of(fm_program *program, const char *name)
{
    const double *number = fm_program_output(program, name);
    return number ? *number : NAN;
}

/* The loss and its gradient for f64 predictions; labels are i32 (rows) or f64 like them. */
static outcome run_loss(fixture *f, const char *loss, const fm_loss_options *options, int rows,
                        int columns, const double *p, const int *groups, const double *y)
{
    fm_graph *g = graph_for(f, FM_TRAIN);
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F64, FM_SHAPE(rows, columns)), gradient;
    fm_val label = groups ? fm_input(g, "y", FM_I32, FM_SHAPE(rows))
                          : fm_input(g, "y", FM_F64, FM_SHAPE(rows, columns));
    fm_val value = fm_loss_with(g, fm_loss_kind_of(fm_loss_find(loss)), x, label, options);
    fm_grad(g, value, &x, 1, &gradient);
    fm_output(g, "loss", value);
    fm_output(g, "gradient", gradient);
    fm_program *program = compile_graph(f, store, g);
    feed(program, "x", p, (size_t)(rows * columns));
    if (groups) {
        int32_t *numbers = fm_program_input(program, "y");
        for (int i = 0; i < rows; i++) numbers[i] = groups[i];
    } else {
        feed(program, "y", y, (size_t)(rows * columns));
    }
    assert_ok(f->context, fm_program_run(program));
    outcome out = {.value = number_of(program, "loss"),
                   .accuracy = number_of(program, "metric/contrastive_accuracy")};
    memcpy(out.gradient, fm_program_output(program, "gradient"),
           (size_t)(rows * columns) * sizeof(double));
    fm_program_destroy(program);
    fm_store_destroy(store);
    return out;
}

static void contrastive_agrees_with_golden(void **state)
{
    for (int i = 0; i < GOLDEN_CONTRASTIVES_COUNT; i++) {
        const struct golden_contrastive *c = &golden_contrastives[i];
        const fm_loss_options options = {.temperature = c->temperature};
        outcome out = run_loss(*state, "nt_xent", &options, c->rows, c->columns, c->z, c->y, NULL);
        print_message("%s\n", c->name);
        assert_near(out.value, c->value, 1e-12);
        for (int k = 0; k < c->rows * c->columns; k++) {
            assert_near(out.gradient[k], c->gradient[k], 1e-12);
        }
    }
}

static void sums_agree_with_golden(void **state)
{
    const fm_loss_options options = {.sum_elements = true};
    for (int i = 0; i < GOLDEN_SUMMEDS_COUNT; i++) {
        const struct golden_summed *c = &golden_summeds[i];
        outcome out = run_loss(*state, c->loss, &options, c->rows, c->columns, c->prediction, NULL,
                               c->target);
        print_message("%s\n", c->loss);
        assert_near(out.value, c->value, 1e-12);
        for (int k = 0; k < c->rows * c->columns; k++) {
            assert_near(out.gradient[k], c->gradient[k], 1e-12);
        }
    }
}

/* Rows 0 and 1 belong together and are nearest, rows 2 and 3 as well, of which 3 alone finds its
 * partner; row 4 has none. */
static void partners_that_are_found_are_counted(void **state)
{
    static const double z[5][2] = {{1, 0}, {1, 0.1}, {0, 1}, {-1, -0.1}, {0.1, 1}};
    static const int y[5] = {0, 0, 1, 1, 2};
    const fm_loss_options options = {0};
    outcome out = run_loss(*state, "contrastive", &options, 5, 2, &z[0][0], y, NULL);
    assert_near(out.accuracy, 3.0 / 5, 1e-15);
}

/* Far and near at once: f32 programs neither overflow nor
 * lose the row's own similarity's absence. */
static void f32_stays_finite(void **state)
{
    fixture *f = *state;
    fm_graph *g;
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    fm_store *store = store_with_seed(f, 1);
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(4, 2)), y = fm_input(g, "y", FM_I32, FM_SHAPE(4));
    fm_val loss = fm_loss(g, FM_CONTRASTIVE, x, y, .temperature = 0.01), gradient;
    fm_grad(g, loss, &x, 1, &gradient);
    fm_output(g, "loss", loss);
    fm_output(g, "gradient", gradient);
    fm_program *program = compile_graph(f, store, g);
    const float points[8] = {1e6f, 0, -1e6f, 1, 1e-6f, 1e-6f, 0, 0};
    const int32_t labels[4] = {0, 0, 1, 1};
    memcpy(fm_program_input(program, "x"), points, sizeof points);
    memcpy(fm_program_input(program, "y"), labels, sizeof labels);
    assert_ok(f->context, fm_program_run(program));
    const float *slopes = fm_program_output(program, "gradient");
    assert_true(isfinite(*(const float *)fm_program_output(program, "loss")));
    for (int i = 0; i < 8; i++) assert_true(isfinite(slopes[i]));
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void build_shape(fm_graph *g, fm_shape shape)
{
    fm_val x = fm_input(g, "x", FM_F64, shape), y = fm_input(g, "y", FM_I32, FM_SHAPE(4));
    fm_loss(g, FM_CONTRASTIVE, x, y);
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    fm_graph *g = graph_for(f, FM_TRAIN);
    build_shape(g, FM_SHAPE(4, 3, 2));
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "contrastive: the prediction must be (batch, features), received (4, 3, 2)");
    g = graph_for(f, FM_TRAIN);
    build_shape(g, FM_SHAPE(5, 3));
    assert_mistake(f, g, FM_ERROR_SHAPE,
                   "contrastive: for the prediction f64 (5, 3) the label must be i32 (5), received "
                   "i32 (4)");
    g = graph_for(f, FM_TRAIN);
    fm_loss(g, FM_CONTRASTIVE, fm_input(g, "x", FM_F64, FM_SHAPE(4, 3)),
            fm_input(g, "y", FM_I32, FM_SHAPE(4)), .temperature = -1);
    assert_mistake(f, g, FM_ERROR_ARGUMENT,
                   "contrastive: temperature must lie between 1e-06 and 1000000, received -1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(contrastive_agrees_with_golden),
        fixture_test(sums_agree_with_golden),
        fixture_test(partners_that_are_found_are_counted),
        fixture_test(f32_stays_finite),
        fixture_test(mistakes_are_worded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
