/* The noise of private training: its moments,
 * and that it depends on its key and on nothing else. */
#include "support/op_run.h"
#include "fathom/ops.h"

enum { COUNT = 40001 };

static void fill_key(op_run *r, int32_t first, int32_t run)
{
    int32_t *key = fm_program_input(r->program, "key");
    for (int i = 0; i < FM_SECRET_KEY_WORDS; i++) key[i] = first + 977 * i;
    key[8] = run;
    key[9] = 0;
}

static op_run open_noise(fixture *f, fm_dtype dtype)
{
    op_run r = op_run_open(f, dtype);
    fm_val x = fm_input(r.graph, "x", dtype, FM_SHAPE(COUNT));
    fm_val deviation = fm_input(r.graph, "deviation", dtype, FM_SHAPE());
    fm_val key = fm_input(r.graph, "key", FM_I32, FM_SHAPE(FM_SECRET_KEY_WORDS));
    fm_output(r.graph, "a", fm_secret_noise(r.graph, x, deviation, key));
    fm_output(r.graph, "b", fm_secret_noise(r.graph, x, deviation, key));
    op_run_compile(&r, 3);
    return r;
}

/* Five deviations of each estimate. */
static void noise_has_its_moments(void **state)
{
    op_run r = open_noise(*state, FM_F64);
    const double deviation = 2.5, unit = 5 / sqrt(COUNT);
    double *x = fm_program_input(r.program, "x"), moments[5] = {0}, neighbours = 0, nodes = 0;
    for (int i = 0; i < COUNT; i++) x[i] = i % 7;
    *(double *)fm_program_input(r.program, "deviation") = deviation;
    fill_key(&r, 1, 1);
    op_run_go(&r);
    const double *a = op_run_output(&r, "a"), *b = op_run_output(&r, "b");
    double before = 0;
    for (int i = 0; i < COUNT; i++) {
        double n = (a[i] - x[i]) / deviation, m = (b[i] - x[i]) / deviation;
        for (int k = 1; k <= 4; k++) moments[k] += pow(n, k) / COUNT;
        neighbours += n * before / COUNT;
        nodes += n * m / COUNT;
        before = n;
    }
    assert_near(moments[1], 0, unit);
    assert_near(moments[2], 1, sqrt(2) * unit);
    assert_near(moments[3], 0, sqrt(15) * unit);
    assert_near(moments[4], 3, sqrt(96) * unit);
    assert_near(neighbours, 0, unit);
    assert_near(nodes, 0, unit);
    op_run_close(&r);
}

static void copy_output(op_run *r, float *to)
{
    op_run_go(r);
    memcpy(to, op_run_output(r, "a"), COUNT * sizeof *to);
}

static void noise_is_a_function_of_its_key(void **state)
{
    static float first[COUNT], again[COUNT], other[COUNT], next[COUNT];
    op_run r = open_noise(*state, FM_F32);
    *(float *)fm_program_input(r.program, "deviation") = 1;
    fill_key(&r, 1, 1);
    copy_output(&r, first);
    fm_store_set_seed(r.store, 77);
    fm_store_set_step(r.store, 123);
    copy_output(&r, again);
    assert_memory_equal(first, again, sizeof first);
    fill_key(&r, 2, 1);
    copy_output(&r, other);
    fill_key(&r, 1, 2);
    copy_output(&r, next);
    int same = 0;
    for (int i = 0; i < COUNT; i++) same += first[i] == other[i] || first[i] == next[i];
    assert_true(same < 10);
    *(float *)fm_program_input(r.program, "deviation") = 0;
    copy_output(&r, first);
    for (int i = 0; i < COUNT; i++) assert_true(first[i] == 0);
    op_run_close(&r);
}

static void wrong_keys_are_refused(void **state)
{
    op_run r = op_run_open(*state, FM_F32);
    fm_val x = fm_input(r.graph, "x", FM_F32, FM_SHAPE(3));
    fm_val one = fm_scalar(r.graph, 1), key = fm_input(r.graph, "key", FM_I32, FM_SHAPE(8));
    assert_int_equal(fm_secret_noise(r.graph, x, one, key).id, 0);
    assert_fails(r.context, FM_ERROR_SHAPE, "the key must be i32 (10)", fm_graph_status(r.graph));
    op_run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(noise_has_its_moments),
        fixture_test(noise_is_a_function_of_its_key),
        fixture_test(wrong_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
