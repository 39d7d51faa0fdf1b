/* Dropout and random numbers: keyed by seed, step and stream, so that masks are drawn again. */
#include "support/op_run.h"
#include "base/philox.h"
#include "op/op_attributes.h"
#include "op/op_table.h"

enum { COUNT = 40003 };

static void mask_has_the_rate_and_the_gradient_uses_it(void **state)
{
    op_run r = op_run_open(*state, FM_F32);
    fm_val x = fm_input(r.graph, "x", FM_F32, FM_SHAPE(COUNT));
    fm_val y = fm_drop(r.graph, x, 0.3), other = fm_drop(r.graph, x, 0.3);
    fm_output(r.graph, "y", y);
    fm_output(r.graph, "other", other);
    op_run_grad(&r, "dx", y, x);
    op_run_compile(&r, 11);
    float *points = fm_program_input(r.program, "x");
    for (int i = 0; i < COUNT; i++) points[i] = 1;
    op_run_go(&r);
    const float *kept = op_run_output(&r, "y"), *dx = op_run_output(&r, "dx");
    const float *second = op_run_output(&r, "other");
    int zeros = 0, differing = 0;
    for (int i = 0; i < COUNT; i++) {
        assert_true(kept[i] == 0 || kept[i] == (float)(1 / 0.7));
        assert_true(dx[i] == kept[i]);
        zeros += kept[i] == 0;
        differing += kept[i] != second[i];
    }
    /* five deviations of a binomial */
    assert_near(zeros / (double)COUNT, 0.3, 5 * sqrt(0.21 / COUNT));
    assert_near(differing / (double)COUNT, 0.42, 5 * sqrt(0.25 / COUNT));
    op_run_close(&r);
}

/* The numbers are those of the header: word i % 4 of counter i / 4 of the key. */
static void mask_is_philox(void **state)
{
    op_run r = op_run_open(*state, FM_F64);
    fm_val x = fm_input(r.graph, "x", FM_F64, FM_SHAPE(3, 5));
    fm_random_attributes uniform = {9};
    fm_drop_attributes drop = {0.5, 12};
    fm_output(r.graph, "u",
              fm_node_add(r.graph, &fm_op_random_uniform_like, &x, 1, &uniform, NULL));
    fm_output(r.graph, "y", fm_node_add(r.graph, &fm_op_drop, &x, 1, &drop, NULL));
    op_run_compile(&r, 0x123456789abcu);
    double *points = fm_program_input(r.program, "x");
    for (int i = 0; i < 15; i++) points[i] = i + 1;
    for (uint64_t step = 0; step < 2; step++) {
        fm_store_set_step(r.store, step);
        op_run_go(&r);
        const double *u = op_run_output(&r, "u"), *y = op_run_output(&r, "y");
        for (int i = 0; i < 15; i++) {
            uint32_t words[4], other[4];
            fm_philox((fm_random_key){0x123456789abcu, (uint32_t)step, 9}, i / 4, words);
            fm_philox((fm_random_key){0x123456789abcu, (uint32_t)step, 12}, i / 4, other);
            assert_true(u[i] == (double)fm_uniform_f32(words[i % 4]));
            assert_true(y[i] == (fm_uniform_f32(other[i % 4]) >= 0.5f ? 2.0 * (i + 1) : 0));
        }
    }
    op_run_close(&r);
}

static void normal_numbers_have_their_moments(void **state)
{
    op_run r = op_run_open(*state, FM_F64);
    fm_val x = fm_input(r.graph, "x", FM_F64, FM_SHAPE(COUNT));
    fm_output(r.graph, "n", fm_random_normal_like(r.graph, x));
    op_run_compile(&r, 3);
    op_run_go(&r);
    const double *n = op_run_output(&r, "n");
    double moments[5] = {0}, neighbours = 0;
    for (int i = 0; i < COUNT; i++) {
        for (int k = 1; k <= 4; k++) moments[k] += pow(n[i], k) / COUNT;
        if (i > 0) neighbours += n[i] * n[i - 1] / COUNT;
    }
    double unit = 5 / sqrt(COUNT);
    assert_near(moments[1], 0, unit);
    assert_near(moments[2], 1, sqrt(2) * unit);
    assert_near(moments[3], 0, sqrt(15) * unit);
    assert_near(moments[4], 3, sqrt(96) * unit);
    assert_near(neighbours, 0, unit);
    op_run_close(&r);
}

static void a_rate_of_one_is_refused(void **state)
{
    op_run r = op_run_open(*state, FM_F32);
    fm_val x = fm_input(r.graph, "x", FM_F32, FM_SHAPE(3));
    assert_int_equal(fm_drop(r.graph, x, 1).id, 0);
    assert_fails(r.context, FM_ERROR_SHAPE, "rate must be in [0, 1), received 1",
                 fm_graph_status(r.graph));
    op_run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(mask_has_the_rate_and_the_gradient_uses_it),
        fixture_test(mask_is_philox),
        fixture_test(normal_numbers_have_their_moments),
        fixture_test(a_rate_of_one_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
