/* Numbers rounded to bfloat16 and products of them, held against PyTorch's. */
#include "support/fixture.h"
#include "fathom/ops.h"
#include "fathom/program.h"
#include "golden/bfloat16_golden.h"
#include "kernel/bfloat16.h"

enum { M = GOLDEN_BF16_M, K = GOLDEN_BF16_K, N = GOLDEN_BF16_N };

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void rounding_is_pytorchs(void **state)
{
    (void)state;
    for (int i = 0; i < GOLDEN_BF16_COUNT; i++) {
        const float x = float_of(golden_bf16_bits[i]);
        const float wanted = float_of((uint32_t)golden_bf16_rounded[i] << 16);
        assert_int_equal(kernel_bf16_bits(x), golden_bf16_rounded[i]);
        assert_true(kernel_bf16_f32(x) == wanted && kernel_bf16_f64((double)x) == (double)wanted);
        assert_true(signbit(kernel_bf16_f32(x)) == signbit(wanted));
    }
}

static void subnormals_are_zero_and_nan_stays(void **state)
{
    (void)state;
    static const uint32_t tiny[] = {0x00000001, 0x00008000, 0x007fffff, 0x80000001, 0x807fffff};
    static const uint32_t nans[] = {0x7fc00000, 0x7f800001, 0xffffffff, 0x7f80ffff};
    for (size_t i = 0; i < sizeof tiny / sizeof *tiny; i++) {
        assert_int_equal(kernel_bf16_bits(float_of(tiny[i])), tiny[i] >> 31 << 15);
        assert_true(kernel_bf16_f64((double)float_of(tiny[i])) == 0);
    }
    for (size_t i = 0; i < sizeof nans / sizeof *nans; i++) {
        const float x = float_of(nans[i]);
        assert_true(isnan(kernel_bf16_f32(x)) && isnan(kernel_bf16_f64((double)x)));
        assert_true(isnan(float_of((uint32_t)kernel_bf16_bits(x) << 16)));
    }
}

/* ---- a product and its gradients ---------------------------------------------------------------- */

/* y = a b, and the gradients of sum(y dy). */
static fm_graph *product(fm_context *context)
{
    fm_graph *g;
    fm_val grads[2];
    assert_ok(context, fm_graph_create(context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    const fm_val a = fm_input(g, "a", FM_F32, FM_SHAPE(M, K));
    const fm_val b = fm_input(g, "b", FM_F32, FM_SHAPE(K, N));
    const fm_val y = fm_matmul(g, a, b);
    const fm_val weighed = fm_mul(g, y, fm_input(g, "dy", FM_F32, FM_SHAPE(M, N)));
    fm_grad(g, fm_sum(g, weighed, (fm_ints){0}, false), (fm_val[]){a, b}, 2, grads);
    fm_output(g, "y", y);
    fm_output(g, "da", grads[0]);
    fm_output(g, "db", grads[1]);
    assert_ok(context, fm_graph_status(g));
    return g;
}

static void feed(fm_program *program, const char *name, const float *numbers, size_t count)
{
    memcpy(fm_program_input(program, name), numbers, count * sizeof *numbers);
}

/* element (i, j) of x z: the golden product, and what rounding may do to the sum. */
static void check_output(fm_program *program, const char *name, const double *golden, int count)
{
    const float *y = fm_program_output(program, name);
    for (int i = 0; i < count; i++) {
        if (fabs((double)y[i] - golden[i]) <= 1e-5) continue;
        fail_msg("%s[%d] is %.9g, PyTorch's %.9g", name, i, (double)y[i], golden[i]);
    }
}

static void check_product(fixture *f, const char *const *backends)
{
    fm_graph *graph = product(f->context);
    fm_store *store;
    fm_program *program;
    const fm_program_options options = {.backends = backends, .precision = FM_PRECISION_BF16};
    assert_ok(f->context, fm_store_create(f->context, 1, &store));
    assert_ok(f->context, fm_program_create(store, graph, &options, &program));
    feed(program, "a", golden_bf16_a, M * K);
    feed(program, "b", golden_bf16_b, K * N);
    feed(program, "dy", golden_bf16_dy, M * N);
    assert_ok(f->context, fm_program_run(program));
    check_output(program, "y", golden_bf16_y, M * N);
    check_output(program, "da", golden_bf16_da, M * K);
    check_output(program, "db", golden_bf16_db, K * N);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(graph);
}

static void a_product_and_its_gradients(void **state)
{
    check_product(*state, NULL);
    check_product(*state, (const char *const[]){"portable", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(rounding_is_pytorchs),
        fixture_test(subnormals_are_zero_and_nan_stays),
        fixture_test(a_product_and_its_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
