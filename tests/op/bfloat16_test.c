/* Numbers rounded to bfloat16 and products of them, held against PyTorch's; attention, against the
 * formulas of its definition. */
#include "support/fixture.h"
#include "fathom/attention_ops.h"
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

/* ---- a product and its gradients ------------------------------------------------------------- */

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
        fail_msg("%s[%d] is %.9g instead of %.9g", name, i, (double)y[i], golden[i]);
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

/* ---- attention ------------------------------------------------------------------------------- */

enum { QUERIES = 3, KEYS = 5, DIM = 4 };

typedef struct attention_numbers {
    float q[QUERIES * DIM], k[KEYS * DIM], v[KEYS * DIM], dy[QUERIES * DIM];
    double y[QUERIES * DIM], dq[QUERIES * DIM], dk[KEYS * DIM], dv[KEYS * DIM];
} attention_numbers;

static double rounded(double x)
{
    return kernel_bf16_f64(x);
}

static double rounded_dot(const float *x, const float *y)
{
    double sum = 0;
    for (int d = 0; d < DIM; d++) sum += rounded((double)x[d]) * rounded((double)y[d]);
    return sum;
}

/* The formulas that kernel/attention.h begins with, matrix by matrix. */
static void attend_by_definition(attention_numbers *n, double scale)
{
    for (int i = 0; i < QUERIES; i++) {
        double s[KEYS], largest = -INFINITY, sum = 0, mean = 0;
        const float *dy = n->dy + i * DIM;
        for (int j = 0; j < KEYS; j++) {
            s[j] = scale * rounded_dot(n->q + i * DIM, n->k + j * DIM);
            largest = fmax(largest, s[j]);
        }
        for (int j = 0; j < KEYS; j++) sum += exp(s[j]);
        const double above = ceil(largest / log(2)) * log(2), lse = log(sum);
        for (int d = 0; d < DIM; d++) {
            double y = 0;
            for (int j = 0; j < KEYS; j++) {
                y += rounded(exp(s[j] - above)) * rounded((double)n->v[j * DIM + d]);
            }
            n->y[i * DIM + d] = y * exp(above) / sum;
            mean += (double)dy[d] * n->y[i * DIM + d];
        }
        for (int j = 0; j < KEYS; j++) {
            const double p = exp(s[j] - lse);
            const double ds = scale * rounded(p * (rounded_dot(dy, n->v + j * DIM) - mean));
            for (int d = 0; d < DIM; d++) {
                n->dv[j * DIM + d] += rounded(p) * rounded((double)dy[d]);
                n->dq[i * DIM + d] += ds * rounded((double)n->k[j * DIM + d]);
                n->dk[j * DIM + d] += ds * rounded((double)n->q[i * DIM + d]);
            }
        }
    }
}

static fm_graph *attention_graph(fm_context *context)
{
    fm_graph *g;
    const fm_graph_options options = {.mode = FM_TRAIN};
    assert_ok(context, fm_graph_create(context, &options, &g));
    const fm_shape few = FM_SHAPE(1, QUERIES, 1, DIM), many = FM_SHAPE(1, KEYS, 1, DIM);
    const fm_val parts[] = {fm_input(g, "q", FM_F32, few), fm_input(g, "k", FM_F32, many),
                            fm_input(g, "v", FM_F32, many)};
    const fm_val y = fm_attention(g, parts[0], parts[1], parts[2], NULL);
    const fm_val weighed = fm_mul(g, y, fm_input(g, "dy", FM_F32, few));
    fm_val grads[3];
    fm_grad(g, fm_sum(g, weighed, (fm_ints){0}, false), parts, 3, grads);
    fm_output(g, "y", y);
    fm_output(g, "dq", grads[0]);
    fm_output(g, "dk", grads[1]);
    fm_output(g, "dv", grads[2]);
    assert_ok(context, fm_graph_status(g));
    return g;
}

static void check_attention(fixture *f, const attention_numbers *n, const char *const *backends)
{
    fm_graph *graph = attention_graph(f->context);
    fm_store *store;
    fm_program *program;
    const fm_program_options options = {.backends = backends, .precision = FM_PRECISION_BF16};
    assert_ok(f->context, fm_store_create(f->context, 1, &store));
    assert_ok(f->context, fm_program_create(store, graph, &options, &program));
    feed(program, "q", n->q, QUERIES * DIM);
    feed(program, "k", n->k, KEYS * DIM);
    feed(program, "v", n->v, KEYS * DIM);
    feed(program, "dy", n->dy, QUERIES * DIM);
    assert_ok(f->context, fm_program_run(program));
    check_output(program, "y", n->y, QUERIES * DIM);
    check_output(program, "dq", n->dq, QUERIES * DIM);
    check_output(program, "dk", n->dk, KEYS * DIM);
    check_output(program, "dv", n->dv, KEYS * DIM);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(graph);
}

static void attention_is_its_definition(void **state)
{
    attention_numbers n = {0};
    for (int i = 0; i < QUERIES * DIM; i++) {
        n.q[i] = (float)sin(1.3 * i + 0.2);
        n.dy[i] = (float)cos(2.1 * i);
    }
    for (int i = 0; i < KEYS * DIM; i++) {
        n.k[i] = (float)(2 * cos(0.7 * i));
        n.v[i] = (float)sin(2.9 * i + 1);
    }
    attend_by_definition(&n, 1 / sqrt(DIM));
    check_attention(*state, &n, NULL);
    check_attention(*state, &n, (const char *const[]){"portable", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(rounding_is_pytorchs),
        fixture_test(subnormals_are_zero_and_nan_stays),
        fixture_test(a_product_and_its_gradients),
        fixture_test(attention_is_its_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
