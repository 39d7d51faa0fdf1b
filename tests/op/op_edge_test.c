/* Where ops meet the ends of their ranges, and builders that are made of several nodes. */
#include "support/op_run.h"
#include "op/op_attributes.h"
#include "op/op_table.h"

static double at(op_run *r, const char *name, int i)
{
    return ((const double *)op_run_output(r, name))[i];
}

static fm_val constant(op_run *r, fm_shape shape, const double *elements)
{
    return fm_constant(r->graph, FM_F64, shape, elements);
}

#define CONSTANT(r, shape, ...) constant(r, shape, (const double[]){__VA_ARGS__})
#define INTEGERS(r, shape, ...)                                                                    \
    fm_constant((r)->graph, FM_I32, shape, (const int32_t[]){__VA_ARGS__})

static void cross_entropy_is_exact_at_the_ends(void **state)
{
    op_run r = op_run_open(*state, FM_F64);
    fm_val logits = CONSTANT(&r, FM_SHAPE(3, 2), 1000, 0, 1000, 0, 0, 0);
    fm_val labels = INTEGERS(&r, FM_SHAPE(3), 0, 1, 2);
    fm_val loss = fm_sparse_softmax_cross_entropy(r.graph, logits, labels, 0);
    fm_output(r.graph, "loss", loss);
    op_run_grad(&r, "grad", loss, logits);
    fm_val minus = CONSTANT(&r, FM_SHAPE(2), 0, -INFINITY), one = CONSTANT(&r, FM_SHAPE(2), 1, 0);
    fm_output(r.graph, "certain", fm_softmax_cross_entropy(r.graph, minus, one));
    fm_val x = CONSTANT(&r, FM_SHAPE(4), 1000, 1000, -1000, -1000);
    fm_val t = CONSTANT(&r, FM_SHAPE(4), 1, 0, 1, 0);
    fm_output(r.graph, "binary", fm_sigmoid_cross_entropy(r.graph, x, t));
    op_run_grad(&r, "binary_grad", fm_sigmoid_cross_entropy(r.graph, x, t), x);
    op_run_compile(&r, 1);
    op_run_go(&r);
    assert_true(at(&r, "loss", 0) == 0 && at(&r, "loss", 1) == 1000);
    assert_true(isnan(at(&r, "loss", 2))); /* there is no class 2 */
    const double grad[] = {0, 0, 1, -1}, binary[] = {0, 1000, 1000, 0}, slope[] = {0, 1, -1, 0};
    for (int i = 0; i < 4; i++) {
        assert_near(at(&r, "grad", i), grad[i], 1e-15);
        assert_near(at(&r, "binary", i), binary[i], 1e-15);
        assert_near(at(&r, "binary_grad", i), slope[i], 1e-15);
    }
    assert_true(isnan(at(&r, "grad", 4)) && isnan(at(&r, "grad", 5)));
    assert_true(at(&r, "certain", 0) == 0);
    op_run_close(&r);
}

static void logsumexp_keeps_infinities(void **state)
{
    op_run r = op_run_open(*state, FM_F64);
    fm_val x =
        CONSTANT(&r, FM_SHAPE(4, 2), INFINITY, 1, -INFINITY, -INFINITY, 1000, 1000, -INFINITY, 3);
    fm_output(r.graph, "y", fm_logsumexp(r.graph, x));
    op_run_compile(&r, 1);
    op_run_go(&r);
    assert_true(at(&r, "y", 0) == INFINITY && at(&r, "y", 1) == -INFINITY);
    assert_near(at(&r, "y", 2), 1000 + log(2), 1e-15);
    assert_near(at(&r, "y", 3), 3, 1e-15);
    op_run_close(&r);
}

static void indices_outside_are_seen_but_not_followed(void **state)
{
    op_run r = op_run_open(*state, FM_F64);
    fm_val table = CONSTANT(&r, FM_SHAPE(2, 2), 1, 2, 3, 4);
    fm_val indices = INTEGERS(&r, FM_SHAPE(4), 1, 2, -1, 0);
    fm_val rows = fm_gather(r.graph, table, indices);
    fm_output(r.graph, "rows", rows);
    fm_val ones = fm_full(r.graph, FM_SHAPE(4, 2), 1);
    fm_output(r.graph, "sums", fm_scatter_add(r.graph, ones, indices, 2));
    fm_output(r.graph, "hot", fm_one_hot(r.graph, indices, 2));
    op_run_compile(&r, 1);
    op_run_go(&r);
    assert_true(at(&r, "rows", 0) == 3 && at(&r, "rows", 1) == 4 && at(&r, "rows", 6) == 1);
    for (int i = 2; i < 6; i++) assert_true(isnan(at(&r, "rows", i)) && at(&r, "hot", i) == 0);
    for (int i = 0; i < 4; i++) assert_true(at(&r, "sums", i) == 1);
    op_run_close(&r);
}

/* The elements behind the last row stay as they are. */
static void scatter_add_writes_its_rows_alone(void **state)
{
    (void)state;
    double x[] = {1, 1, 1}, y[4] = {7, 7, 7, 7};
    int32_t indices[] = {2, -1, 1};
    const fm_tensor inputs[] = {{x, FM_F64, FM_SHAPE(3), 3}, {indices, FM_I32, FM_SHAPE(3), 3}};
    const fm_tensor output = {y + 1, FM_F64, FM_SHAPE(2), 2};
    fm_op_scatter_add.run(&(fm_call){.op = &fm_op_scatter_add,
                                     .attributes = &(fm_extent_attributes){2},
                                     .inputs = inputs,
                                     .outputs = &output,
                                     .input_count = 2,
                                     .output_count = 1});
    assert_true(y[0] == 7 && y[1] == 0 && y[2] == 1 && y[3] == 7);
}

static void nan_is_not_hidden(void **state)
{
    op_run r = op_run_open(*state, FM_F64);
    fm_val x = CONSTANT(&r, FM_SHAPE(3), 1, NAN, 2), one = fm_scalar(r.graph, 1);
    const fm_val results[] = {
        fm_relu(r.graph, x),         fm_maximum(r.graph, x, one),  fm_maximum(r.graph, one, x),
        fm_minimum(r.graph, x, one), fm_minimum(r.graph, one, x),  fm_clip(r.graph, x, 0, 1),
        fm_hard_sigmoid(r.graph, x), fm_mish(r.graph, x),          fm_softplus(r.graph, x),
        fm_softmax(r.graph, x),      fm_leaky_relu(r.graph, x, 0), fm_elu(r.graph, x, 1)};
    enum { RESULTS = sizeof results / sizeof *results };
    fm_output(r.graph, "y", fm_concat(r.graph, results, RESULTS, 0));
    fm_output(r.graph, "max", fm_reduce_max(r.graph, x, (fm_ints){0}, false));
    op_run_compile(&r, 1);
    op_run_go(&r);
    for (int i = 0; i < RESULTS; i++) {
        if (!isnan(at(&r, "y", 3 * i + 1))) fail_msg("result %d hides a NaN", i);
    }
    assert_true(isnan(at(&r, "max", 0)));
    op_run_close(&r);
}

static void casts_stop_at_the_ends(void **state)
{
    op_run r = op_run_open(*state, FM_F64);
    fm_val x = CONSTANT(&r, FM_SHAPE(6), 1e300, -1e300, NAN, -2.9, 300.5, 0.5);
    fm_output(r.graph, "i32", fm_cast(r.graph, x, FM_I32));
    fm_output(r.graph, "i64", fm_cast(r.graph, x, FM_I64));
    fm_output(r.graph, "u8", fm_cast(r.graph, x, FM_U8));
    fm_output(r.graph, "bool", fm_cast(r.graph, x, FM_BOOL));
    fm_output(r.graph, "back", fm_cast(r.graph, fm_cast(r.graph, x, FM_I64), FM_I32));
    fm_output(r.graph, "f32", fm_cast(r.graph, x, FM_F32));
    op_run_compile(&r, 1);
    op_run_go(&r);
    const int32_t i32[] = {INT32_MAX, INT32_MIN, 0, -2, 300, 0};
    const int64_t i64[] = {INT64_MAX, INT64_MIN, 0, -2, 300, 0};
    const uint8_t u8[] = {255, 0, 0, 0, 255, 0}, truth[] = {1, 1, 1, 1, 1, 1};
    assert_memory_equal(op_run_output(&r, "i32"), i32, sizeof i32);
    assert_memory_equal(op_run_output(&r, "back"), i32, sizeof i32);
    assert_memory_equal(op_run_output(&r, "i64"), i64, sizeof i64);
    assert_memory_equal(op_run_output(&r, "u8"), u8, sizeof u8);
    assert_memory_equal(op_run_output(&r, "bool"), truth, sizeof truth);
    assert_true(((const float *)op_run_output(&r, "f32"))[4] == 300.5f);
    op_run_close(&r);
}

/* x[i, j, k] = 100 i + 10 j + k, reduced over axes that are no neighbours. */
static void any_axes_reduce(void **state)
{
    op_run r = op_run_open(*state, FM_F64);
    double elements[2 * 3 * 4];
    for (int i = 0; i < 24; i++) elements[i] = 100 * (i / 12) + 10 * (i / 4 % 3) + i % 4;
    fm_val x = constant(&r, FM_SHAPE(2, 3, 4), elements);
    fm_ints outer = {2, {-1, 0}};
    fm_val sum = fm_sum(r.graph, x, outer, false), mean = fm_mean(r.graph, x, outer, true);
    fm_val max = fm_reduce_max(r.graph, x, outer, true);
    fm_output(r.graph, "sum", sum);
    fm_output(r.graph, "mean", mean);
    fm_output(r.graph, "max", max);
    op_run_grad(&r, "max_grad", max, x);
    op_run_compile(&r, 1);
    op_run_go(&r);
    assert_true(fm_shape_equal(fm_val_shape(r.graph, sum), FM_SHAPE(3)));
    assert_true(fm_shape_equal(fm_val_shape(r.graph, mean), FM_SHAPE(1, 3, 1)));
    assert_true(fm_shape_equal(fm_val_shape(r.graph, max), FM_SHAPE(1, 3, 1)));
    for (int j = 0; j < 3; j++) {
        assert_near(at(&r, "sum", j), 400 + 80 * j + 12, 1e-15);
        assert_near(at(&r, "mean", j), 50 + 10 * j + 1.5, 1e-15);
        assert_near(at(&r, "max", j), 103 + 10 * j, 1e-15);
    }
    for (int i = 0; i < 24; i++) {
        assert_near(at(&r, "max_grad", i), i / 12 == 1 && i % 4 == 3, 1e-15);
    }
    op_run_close(&r);
}

static void ties_share_the_gradient(void **state)
{
    op_run r = op_run_open(*state, FM_F64);
    fm_val x = CONSTANT(&r, FM_SHAPE(4), 2, 1, 2, 2), two = CONSTANT(&r, FM_SHAPE(4), 2, 2, 2, 1);
    op_run_grad(&r, "max", fm_reduce_max(r.graph, x, (fm_ints){0}, false), x);
    op_run_grad(&r, "a", fm_maximum(r.graph, x, two), x);
    op_run_grad(&r, "b", fm_maximum(r.graph, x, two), two);
    op_run_grad(&r, "clip", fm_clip(r.graph, x, 1.5, 2), x);
    op_run_compile(&r, 1);
    op_run_go(&r);
    const double share[] = {1.0 / 3, 0, 1.0 / 3, 1.0 / 3}, to_a[] = {1, 0, 1, 1},
                 clip[] = {1, 0, 1, 1};
    for (int i = 0; i < 4; i++) {
        assert_near(at(&r, "max", i), share[i], 1e-15);
        assert_near(at(&r, "a", i), to_a[i], 1e-15);
        assert_near(at(&r, "b", i), 1 - to_a[i], 1e-15);
        assert_near(at(&r, "clip", i), clip[i], 1e-15);
    }
    op_run_close(&r);
}

static void stacks_of_rows_are_one_product(void **state)
{
    op_run r = op_run_open(*state, FM_F64);
    fm_val x = fm_input(r.graph, "x", FM_F64, FM_SHAPE(2, 3, 4));
    fm_val w = fm_input(r.graph, "w", FM_F64, FM_SHAPE(4, 5));
    fm_val y = fm_matmul(r.graph, x, w);
    fm_output(r.graph, "y", y);
    op_run_grad(&r, "dw", y, w);
    op_run_compile(&r, 1);
    double *points = fm_program_input(r.program, "x"), *weights = fm_program_input(r.program, "w");
    for (int i = 0; i < 24; i++) points[i] = i;
    for (int i = 0; i < 20; i++) weights[i] = i % 7 - 3;
    op_run_go(&r);
    assert_true(fm_shape_equal(fm_val_shape(r.graph, y), FM_SHAPE(2, 3, 5)));
    for (int i = 0; i < 30; i++) {
        double sum = 0;
        for (int k = 0; k < 4; k++) sum += points[i / 5 * 4 + k] * weights[k * 5 + i % 5];
        assert_near(at(&r, "y", i), sum, 1e-15);
    }
    for (int i = 0; i < 20; i++) assert_near(at(&r, "dw", i), 6 * (10 + i / 5), 1e-15);
    op_run_close(&r);
}

/* A naive f32 sum of these is off by four per cent. */
static void long_sums_stay_accurate(void **state)
{
    enum { COUNT = 1 << 22 };
    op_run r = op_run_open(*state, FM_F32);
    fm_val x = fm_input(r.graph, "x", FM_F32, FM_SHAPE(COUNT / 2, 2));
    fm_output(r.graph, "all", fm_sum(r.graph, x, (fm_ints){0}, false));
    fm_output(r.graph, "columns", fm_sum(r.graph, x, (fm_ints){1, {0}}, false));
    op_run_compile(&r, 1);
    float *points = fm_program_input(r.program, "x");
    for (int i = 0; i < COUNT; i++) points[i] = 0.1f;
    op_run_go(&r);
    const float *all = op_run_output(&r, "all"), *columns = op_run_output(&r, "columns");
    assert_near((double)*all / (0.1 * COUNT), 1, 1e-6);
    assert_near((double)columns[1] / (0.05 * COUNT), 1, 1e-6);
    op_run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(cross_entropy_is_exact_at_the_ends),
        fixture_test(logsumexp_keeps_infinities),
        fixture_test(indices_outside_are_seen_but_not_followed),
        fixture_test(scatter_add_writes_its_rows_alone),
        fixture_test(nan_is_not_hidden),
        fixture_test(casts_stop_at_the_ends),
        fixture_test(any_axes_reduce),
        fixture_test(ties_share_the_gradient),
        fixture_test(stacks_of_rows_are_one_product),
        fixture_test(long_sums_stay_accurate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
