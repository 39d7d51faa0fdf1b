/* Every kernel of every fast backend against the portable one: on the cases of the op records, on
 * sizes around a vector's length, with NaN and infinities, by one, two and three threads.
 *
 * What is allowed, op by op:
 *   exact     the portable kernel's f32 bits
 *   ulps      so many units in the last place of the f64 result, but at least of `floor` times the
 *             first operand, where the formula itself cancels; what a subnormal number counts
 *   rows      softmax and kin: so many times 2^-24 of the largest of the row's results or `floor`
 *   tensor    so many times 2^-24 of the largest of the output or `floor`
 *   product   (depth + 8) 2^-24 times the same product of absolute values (Higham 2002, 3.5)
 *
 * Products are also checked with operands read as bf16, by the same bound. */
#include "support/op_job.h"
#include "backend/backends.h"
#include "base/parallel.h"
#include "base/random.h"
#include "op/chain.h"
#include "op/fused_normalize.h"
#include "op/fused_convolve.h"
#include "op/fused_loss.h"
#include "op/fused_ops.h"
#include "op/op_attributes.h"
#include "op/op_table.h"
#include "op/optimizer_ops.h"

typedef enum tolerance_kind { EXACT, ULPS, ROWS, TENSOR, PRODUCT } tolerance_kind;

typedef struct tolerance {
    const fm_op *op;
    tolerance_kind kind;
    double ulps, floor;
} tolerance;

static const tolerance tolerances[] = {
    {&fm_op_exp, ULPS, 1.5, 0},
    {&fm_op_expm1, ULPS, 2, 0},
    {&fm_op_log, ULPS, 1, 0},
    {&fm_op_log1p, ULPS, 1.1, 0},
    {&fm_op_tanh, ULPS, 1.5, 0},
    {&fm_op_erf, ULPS, 1.5, 0},
    {&fm_op_sigmoid, ULPS, 3, 0},
    {&fm_op_elu, ULPS, 3, 0},
    {&fm_op_selu, ULPS, 4, 0},
    {&fm_op_silu, ULPS, 4, 0},
    {&fm_op_mish, ULPS, 6, 0},
    {&fm_op_softplus, ULPS, 3, 0},
    {&fm_op_gelu, ULPS, 2, 1},
    {&fm_op_gelu_tanh, ULPS, 4, 1},
    {&fm_op_sigmoid_cross_entropy, ULPS, 3, 1.5},
    {&fm_op_softmax, ROWS, 30, 0},
    {&fm_op_log_softmax, ROWS, 4, 0},
    {&fm_op_logsumexp, ROWS, 8, 8},
    {&fm_op_sparse_softmax_cross_entropy, ROWS, 8, 8},
    {&fm_op_sparse_softmax_cross_entropy_grad, ROWS, 16, 2},
    {&fm_op_softmax_cross_entropy, ROWS, 30, 16},
    {&fm_op_softmax_cross_entropy_grad, ROWS, 30, 2},
    {&fm_op_fused_sparse_softmax_cross_entropy, ROWS, 16, 8},
    {&fm_op_fused_softmax_cross_entropy, ROWS, 30, 16},
    {&fm_op_matmul, PRODUCT, 8, 0},
    {&fm_op_fused_matmul, PRODUCT, 8, 0},
    {&fm_op_dense_grad, PRODUCT, 8, 0},
    {&fm_op_dense_sgd, PRODUCT, 8, 0},
    {&fm_op_normalize, TENSOR, 16, 1},
    {&fm_op_normalize_grad, TENSOR, 64, 1},
    {&fm_op_fused_normalize, TENSOR, 16, 1},
    {&fm_op_normalize_by_moments, TENSOR, 16, 1},
    {&fm_op_fused_normalize_grad, TENSOR, 64, 1},
    {&fm_op_fused_normalize_add_grad, TENSOR, 64, 1},
    {&fm_op_normalize_grad_again, TENSOR, 64, 1},
    {&fm_op_normalize_add_grad_again, TENSOR, 64, 1},
    {&fm_op_attention, TENSOR, 16, 1},
    {&fm_op_packed_attention, TENSOR, 16, 1},
    {&fm_op_attention_grad, TENSOR, 16, 1},
    {&fm_op_packed_attention_grad, TENSOR, 16, 1},
    {&fm_op_simple_rnn, TENSOR, 64, 1},
    {&fm_op_simple_rnn_grad, TENSOR, 64, 1},
    {&fm_op_lstm, TENSOR, 64, 1},
    {&fm_op_lstm_grad, TENSOR, 64, 1},
    {&fm_op_gru, TENSOR, 64, 1},
    {&fm_op_gru_grad, TENSOR, 64, 1},
    {&fm_op_gelu_grad, TENSOR, 8, 1},
    {&fm_op_gelu_tanh_grad, TENSOR, 8, 1},
    {&fm_op_silu_grad, TENSOR, 8, 1},
    {&fm_op_convolve, PRODUCT, 8, 0},
    {&fm_op_convolve_transposed, PRODUCT, 8, 0},
    {&fm_op_convolve_kernel_grad, PRODUCT, 8, 0},
    {&fm_op_fused_convolve, PRODUCT, 400, 0}, /* some of the cases are Winograd's */
    {&fm_op_fused_convolve_transposed, PRODUCT, 400, 0},
    {&fm_op_convolve_moments, TENSOR, 100, 1},
    {&fm_op_convolve_grad, PRODUCT, 400, 0},
};

/* ---- which kernels there are ----------------------------------------------------------------- */

enum { MOST_BACKENDS = 8 };

static int list_backends(const char *names[MOST_BACKENDS])
{
    int count = 0;
#if FATHOM_HAVE_FAST
    for (int i = 0; fm_cpu_backend_at(i); i++) names[count++] = fm_cpu_backend_at(i)->name;
#endif
    return count;
}

static bool has_kernel(const char *backend, const fm_op *op)
{
    const fm_backend *found = fm_backend_find(backend);
    const fm_kernel *kernel;
    for (int i = 0; (kernel = found->kernel_at(i)); i++) {
        if (kernel->op == op) return true;
    }
    return false;
}

static tolerance tolerance_of(const fm_op *op)
{
    for (size_t i = 0; i < sizeof tolerances / sizeof *tolerances; i++) {
        if (tolerances[i].op == op) return tolerances[i];
    }
    return (tolerance){op, EXACT, 0, 0};
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Subnormals are zeros. Whether one that is only passed on is flushed hangs on the instruction, and
 * so, in a sanitized build, on how little that optimises. */
static bool both_vanish(double a, double b)
{
    return fixture_is_watched() && fabs(a) < 0x1p-126 && fabs(b) < 0x1p-126;
}

/* 2^-24 of the binade, at least half of the smallest float. */
static double half_ulp(double x)
{
    int exponent;
    frexp(x, &exponent);
    return ldexp(1, (exponent < -125 ? -125 : exponent) - 24) / 2;
}

/* A f64 result as f32 would hold it, when it is beyond the finite numbers. */
static double as_f32(double x)
{
    return fabs(x) > 3.4028235677973366e38 ? x * INFINITY : x;
}

/* Of elements [first, end), at least the tolerance's floor. */
static double largest_of(const tolerance *t, const double *values, int64_t first, int64_t end)
{
    double largest = t->floor;
    for (int64_t i = first; i < end; i++) largest = fmax(largest, fabs(values[i]));
    return largest;
}

/* whole: the largest of the output, for TENSOR. */
static double allowed(const tolerance *t, const op_job *job, const op_result *expected, int output,
                      int64_t i, const op_result *magnitude, double whole)
{
    double y = expected->values[output][i];
    if (t->kind == ULPS) {
        double least = t->floor == 0 ? 0 : t->floor * fabs(job->values[0][i]);
        double flushed = 0x1p-126 * fmax(1, fabs(job->values[0][i]));
        return fmax(t->ulps * 2 * half_ulp(fmax(fabs(y), least)), flushed);
    }
    if (t->kind == ROWS) {
        const fm_shape shape = job->inputs.inputs[0].shape;
        const int64_t rows = fm_shape_elements(shape) / shape.dims[shape.rank - 1];
        const int64_t row = expected->elements[output] / rows;
        const int64_t first = i / row * row;
        return t->ulps * 0x1p-24 * largest_of(t, expected->values[output], first, first + row);
    }
    if (t->kind == TENSOR) return t->ulps * 0x1p-24 * whole;
    /* An activation may make a larger number of the product and rounds it: hard_sigmoid x + 3,
     * too. */
    return t->kind == PRODUCT ? magnitude->values[output][i] + 4 * half_ulp(y) : 0;
}

static const char *describe(const op_job *job)
{
    static char text[512];
    int at = snprintf(text, sizeof text, "%s", job->op->name);
    for (int i = 0; i < job->inputs.count; i++) {
        char shape[FM_SHAPE_TEXT];
        at += snprintf(text + at, sizeof text - (size_t)at, " %s",
                       fm_shape_text(job->inputs.inputs[i].shape, shape));
    }
    return text;
}

static void compare(const tolerance *t, const op_job *job, const op_result *expected,
                    const op_result *magnitude, const op_result *received, const char *backend)
{
    for (int k = 0; k < expected->count; k++) {
        const double whole =
            t->kind == TENSOR ? largest_of(t, expected->values[k], 0, expected->elements[k]) : 0;
        for (int64_t i = 0; i < expected->elements[k]; i++) {
            double want = as_f32(expected->values[k][i]), got = received->values[k][i];
            double most = allowed(t, job, expected, k, i, magnitude, whole);
            if (same(want, got) || fabs(want - got) <= most || both_vanish(want, got)) continue;
            if (isinf(got) && fabs(expected->values[k][i]) + most > 3.4028235e38) continue;
            fail_msg("%s on %s, output %d, element %lld: %.9g instead of %.9g, which is %.3g "
                     "times what is allowed (first operand %.9g)",
                     describe(job), backend, k, (long long)i, got, want, fabs(want - got) / most,
                     job->values[0][i < fm_shape_elements(job->inputs.inputs[0].shape) ? i : 0]);
        }
    }
}

static void compare_bits(const op_job *job, const op_result *one, const op_result *many,
                         const char *backend, int threads)
{
    for (int k = 0; k < one->count; k++) {
        for (int64_t i = 0; i < one->elements[k]; i++) {
            if (same(one->values[k][i], many->values[k][i])) continue;
            fail_msg("%s on %s, output %d, element %lld: %.9g by one thread, %.9g by %d",
                     describe(job), backend, k, (long long)i, one->values[k][i], many->values[k][i],
                     threads);
        }
    }
}

/* ---- the bound of a product ------------------------------------------------------------------ */

static void make_absolute(op_job *job)
{
    for (int i = 0; i < job->inputs.count; i++) {
        for (int64_t k = fm_shape_elements(job->inputs.inputs[i].shape); k-- > 0;) {
            job->values[i][k] = fabs(job->values[i][k]);
        }
    }
}

static int64_t depth_of(const op_job *job)
{
    const fm_shape a = job->inputs.inputs[0].shape, b = job->inputs.inputs[1].shape;
    if (strstr(job->op->name, "convolve_transposed")) {
        return fm_shape_elements(b) / b.dims[b.rank - 2];
    }
    if (strstr(job->op->name, "convolve")) return fm_shape_elements(b) / b.dims[b.rank - 1];
    if (job->op == &fm_op_dense_grad) return a.dims[0];
    if (job->op == &fm_op_dense_sgd) return job->inputs.inputs[2].shape.dims[0];
    const fm_matmul_attributes *read = job->attributes;
    return a.dims[a.rank - (read && read->transpose_a ? 2 : 1)];
}

/* What each element of a product may be off by. */
static op_result product_bound(fixture *f, const op_job *job, const tolerance *t)
{
    op_job absolute = op_job_make(f, job->op, job->attributes, &job->inputs);
    fm_fused_matmul_attributes bare;
    fm_fused_convolve_attributes bare_convolve;
    for (int i = 0; i < job->inputs.count; i++) {
        size_t count = (size_t)fm_shape_elements(job->inputs.inputs[i].shape);
        memcpy(absolute.values[i], job->values[i], count * sizeof(double));
    }
    make_absolute(&absolute);
    absolute.f64_input = job->f64_input;
    absolute.precision = job->precision;
    if (job->op == &fm_op_dense_sgd) *absolute.values[4] *= -1;
    if (job->op == &fm_op_fused_matmul) {
        bare = *(const fm_fused_matmul_attributes *)job->attributes;
        bare.activation = FM_FUSED_NONE;
        absolute.attributes = &bare;
    }
    if (strncmp(job->op->name, "fused_convolve", 14) == 0) {
        bare_convolve = *(const fm_fused_convolve_attributes *)job->attributes;
        bare_convolve.activation = FM_FUSED_NONE;
        absolute.attributes = &bare_convolve;
    }
    op_result bound = op_job_run(f, &absolute, FM_F64, "portable", 1);
    for (int k = 0; k < bound.count; k++) {
        for (int64_t i = 0; i < bound.elements[k]; i++) {
            bound.values[k][i] *= ((double)depth_of(job) + t->ulps) * 0x1p-24;
        }
    }
    op_job_release(f, &absolute);
    return bound;
}

/* ---- running --------------------------------------------------------------------------------- */

/* An op with a kernel is expected to use it unless there is nothing to compute. Those of
 * convolution, normalisation and recurrent cells are for some shapes or attributes only: their own
 * tests see to it that they run. */
static bool must_use_kernel(const op_job *job)
{
    static const char *const choosy[] = {"convolve", "simple_rnn", "lstm", "gru"};
    for (size_t i = 0; i < sizeof choosy / sizeof *choosy; i++) {
        if (strstr(job->op->name, choosy[i])) return false;
    }
    for (int i = 0; i < job->inputs.count; i++) {
        if (fm_shape_elements(job->inputs.inputs[i].shape) == 0) return false;
    }
    return job->op != &fm_op_equal && job->op != &fm_op_normalize &&
           job->op != &fm_op_normalize_grad;
}

static void check_backend(fixture *f, const op_job *job, const tolerance *t,
                          const op_result *expected, const op_result *bound, const char *backend)
{
    op_result one = op_job_run(f, job, FM_F32, backend, 1);
    if (must_use_kernel(job) && strncmp(one.kernel, backend, strlen(backend)) != 0) {
        fail_msg("%s ran on %s instead of %s", describe(job), one.kernel, backend);
    }
    compare(t, job, expected, bound, &one, backend);
    for (int threads = fixture_least_threads(); threads <= 3; threads++) {
        op_result many = op_job_run(f, job, FM_F32, backend, threads);
        compare_bits(job, &one, &many, backend, threads);
        op_result_release(f, &many);
    }
    op_result_release(f, &one);
}

static void check_precision(fixture *f, const op_job *job)
{
    const char *names[MOST_BACKENDS];
    const int backends = list_backends(names);
    const tolerance t = tolerance_of(job->op);
    op_result expected = op_job_run(f, job, t.kind == EXACT ? FM_F32 : FM_F64, "portable", 1);
    op_result bound = {0};
    if (t.kind == PRODUCT) bound = product_bound(f, job, &t);
    for (int i = 0; i < backends; i++) {
        if (has_kernel(names[i], job->op)) check_backend(f, job, &t, &expected, &bound, names[i]);
    }
    op_result_release(f, &bound);
    op_result_release(f, &expected);
}

/* A product also with operands read as bf16:
 * the textbook in f64 rounds them to the same numbers. */
static void check(fixture *f, op_job *job)
{
    check_precision(f, job);
    if (!(job->op->flags & FM_OP_PRODUCT)) return;
    job->precision = FM_PRECISION_BF16;
    check_precision(f, job);
}

/* ---- operands -------------------------------------------------------------------------------- */

/* Subnormal numbers last: f32 programs count them as zeros, the f64 ones that judge do not. */
static const double specials[] = {NAN,    INFINITY, -INFINITY, 0,   -0.0, 0x1p-126, 1e-30,
                                  -1e-30, 88.7,     -88.7,     104, -104, 0x1p127,  -0x1p127,
                                  3.4e38, -3.4e38,  0.5,       -1,  1,    0x1p-149, -0x1p-140};
enum { NAN_AND_INFINITY = 5, ALL_SPECIALS = sizeof specials / sizeof *specials };

/* Every third number of the real operands becomes one of the first `kinds` special ones. */
static void sprinkle(op_job *job, fm_random *random, int kinds)
{
    for (int i = 0; i < job->inputs.count; i++) {
        if (strchr("ib", job->inputs.inputs[i].letter)) continue;
        for (int64_t k = fm_shape_elements(job->inputs.inputs[i].shape); k-- > 0;) {
            if (fm_random_below(random, 3)) continue;
            job->values[i][k] = (double)(float)specials[fm_random_below(random, (uint64_t)kinds)];
        }
    }
}

static void check_case(fixture *f, const fm_op *op, const void *attributes, const char *inputs)
{
    op_case parsed = op_case_parse(inputs);
    op_job job = op_job_make(f, op, attributes, &parsed);
    check(f, &job);
    op_job_release(f, &job);
}

static void check_special(fixture *f, const fm_op *op, const void *attributes, const char *inputs,
                          int kinds)
{
    op_case parsed = op_case_parse(inputs);
    op_job job = op_job_make(f, op, attributes, &parsed);
    fm_random random = fm_random_at(3, 0, (uint32_t)strlen(op->name));
    if (kinds == ALL_SPECIALS && tolerance_of(op).kind != EXACT) kinds -= 2;
    sprinkle(&job, &random, kinds);
    check(f, &job);
    op_job_release(f, &job);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void cases_of_the_records(void **state)
{
    for (op_case_at at = {0}; op_case_next(&at);) {
        check_case(*state, at.op, at.row->attributes, at.row->inputs);
    }
    const fm_op *const fused[] = {&fm_op_fused_matmul,
                                  &fm_op_dense_grad,
                                  &fm_op_fused_sparse_softmax_cross_entropy,
                                  &fm_op_fused_softmax_cross_entropy,
                                  &fm_op_fused_normalize,
                                  &fm_op_normalize_by_moments,
                                  &fm_op_fused_normalize_grad,
                                  &fm_op_fused_normalize_add_grad,
                                  &fm_op_normalize_grad_again,
                                  &fm_op_normalize_add_grad_again,
                                  &fm_op_fused_convolve,
                                  &fm_op_fused_convolve_transposed,
                                  &fm_op_convolve_moments,
                                  &fm_op_convolve_grad,
                                  &fm_op_chain,
                                  &fm_op_stored_chain,
                                  &fm_op_random_chain};
    for (size_t i = 0; i < sizeof fused / sizeof *fused; i++) {
        for (const fm_case *row = fused[i]->cases; row->inputs; row++) {
            check_case(*state, fused[i], row->attributes, row->inputs);
        }
    }
}

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

static const int edges[] = {0,  1,  2,  3,  4,  5,  7,  8,  9,   15,
                            16, 17, 31, 32, 33, 63, 64, 65, 127, 129};

static const struct {
    const fm_op *op;
    const void *attributes;
} unary[] = {
#define ROW(name, ...) {&fm_op_##name, NULL},
    FM_UNARY_OPS(ROW)
#undef ROW
        {&fm_op_leaky_relu, &(fm_alpha_attributes){0.01}},
    {&fm_op_elu, &(fm_alpha_attributes){1.5}},
};

static void unary_ops(void **state)
{
    const int less = fixture_is_watched() ? 7 : 1;
    for (int i = 0; i < COUNT(unary); i++) {
        char text[32];
        for (int k = 0; k < COUNT(edges); k += less) {
            snprintf(text, sizeof text, "w(%d)", edges[k]);
            check_case(*state, unary[i].op, unary[i].attributes, text);
        }
        check_case(*state, unary[i].op, unary[i].attributes, "w(3,10007)");
        check_special(*state, unary[i].op, unary[i].attributes, "w(1031)", ALL_SPECIALS);
    }
}

static void binary_ops(void **state)
{
    static const fm_op *const ops[] = {
#define ROW(name, ...) &fm_op_##name,
        FM_BINARY_OPS(ROW)
#undef ROW
        & fm_op_equal};
    static const char *const shapes[] = {
        "f(1) f(1)",       "f(17) f(17)",       "f() f(33)",
        "f(33) f()",       "f(7,16) f(16)",     "f(16) f(7,16)",
        "f(5,31) f(5,1)",  "f(5,1) f(5,31)",    "f(5,1) f(1,9)",
        "f(2,3,4) f(3,1)", "f(2,1,4) f(1,3,1)", "f(3,5,7,2) f(5,1,2)",
        "f(0,4) f(4)",     "f(1,1,65) f(65)",   "f(2,1,3,1,5) f(4,1,2,1)"};
    for (int i = 0; i < COUNT(ops); i++) {
        const bool alike = ops[i] == &fm_op_sigmoid_cross_entropy;
        for (int k = 0; !alike && k < COUNT(shapes); k++) {
            check_case(*state, ops[i], NULL, shapes[k]);
        }
        if (!alike) check_case(*state, ops[i], NULL, "f(60,997) f(997)");
        check_case(*state, ops[i], NULL, "w(40001) u(40001)");
        /* a slope that is 0 in f32 and nearly so in f64, times infinity */
        if (tolerance_of(ops[i]).kind == TENSOR) continue;
        check_special(*state, ops[i], NULL, "w(1031) w(1031)",
                      alike ? NAN_AND_INFINITY : ALL_SPECIALS);
    }
}

static void reductions(void **state)
{
    static const fm_op *const ops[] = {&fm_op_sum, &fm_op_reduce_max};
    static const struct {
        const char *inputs;
        fm_axes_attributes axes;
    } cases[] = {
        {"f()", {{0}, false}},
        {"f(1)", {{0}, false}},
        {"f(4099)", {{0}, false}},
        {"f(100003)", {{0}, false}},
        {"f(7,9)", {{1, {0}}, false}},
        {"f(7,9)", {{1, {1}}, false}},
        {"f(5,33)", {{1, {1}}, false}},
        {"f(200,300)", {{1, {0}}, false}},
        {"f(200,300)", {{1, {1}}, true}},
        {"f(3,40,31)", {{1, {1}}, false}},
        {"f(3,4,5)", {{2, {0, 1}}, false}},
        {"f(0,3)", {{1, {0}}, false}},
        {"f(3,0)", {{1, {0}}, false}},
        {"f(17,1)", {{1, {1}}, false}},
        {"f(2000,10)", {{1, {0}}, false}},
    };
    for (int i = 0; i < COUNT(cases); i++) {
        for (int k = 0; k < 2; k++) {
            check_case(*state, ops[k], &cases[i].axes, cases[i].inputs);
            check_special(*state, ops[k], &cases[i].axes, cases[i].inputs, NAN_AND_INFINITY);
        }
    }
    check_case(*state, &fm_op_argmax, NULL, "f(1,1)");
    check_case(*state, &fm_op_argmax, NULL, "d(400,10)");
    check_case(*state, &fm_op_argmax, NULL, "f(3,1009)");
    check_special(*state, &fm_op_argmax, NULL, "f(30,10)", NAN_AND_INFINITY);
}

/* Rows of every length around a vector's, with and without smoothing. */
static void softmax_and_cross_entropy(void **state)
{
    static const int lengths[] = {1, 2, 3, 5, 8, 9, 10, 15, 16, 17, 31, 33, 63, 100, 1025};
    static const fm_op *const rows[] = {&fm_op_softmax, &fm_op_log_softmax, &fm_op_logsumexp};
    const fm_smoothing_attributes smoothing[] = {{0}, {0.1}};
    char text[64];
    for (int i = 0; i < COUNT(lengths); i++) {
        const int n = lengths[i], many = n == 10 ? 1001 : 5;
        for (int k = 0; k < COUNT(rows); k++) {
            snprintf(text, sizeof text, "w(%d,%d)", many, n);
            check_case(*state, rows[k], NULL, text);
            if (n == 10) check_special(*state, rows[k], NULL, text, NAN_AND_INFINITY);
        }
        for (int k = 0; k < 2; k++) {
            snprintf(text, sizeof text, "w(%d,%d) i%d(%d)", many, n, n + 1, many);
            check_case(*state, &fm_op_sparse_softmax_cross_entropy, &smoothing[k], text);
            snprintf(text, sizeof text, "w(%d,%d) i%d(%d) f(%d)", many, n, n + 1, many, many);
            check_case(*state, &fm_op_sparse_softmax_cross_entropy_grad, &smoothing[k], text);
            check_case(*state, &fm_op_fused_sparse_softmax_cross_entropy, &smoothing[k], text);
        }
        snprintf(text, sizeof text, "w(%d,%d) u(%d,%d)", many, n, many, n);
        check_case(*state, &fm_op_softmax_cross_entropy, NULL, text);
        snprintf(text, sizeof text, "w(%d,%d) u(%d,%d) f(%d)", many, n, many, n, many);
        check_case(*state, &fm_op_softmax_cross_entropy_grad, NULL, text);
        check_case(*state, &fm_op_fused_softmax_cross_entropy, NULL, text);
    }
}

static void random_ops(void **state)
{
    const int less = fixture_is_watched() ? 7 : 1;
    char text[32];
    for (int k = 0; k < COUNT(edges); k += less) {
        for (int rate = 0; rate < 4; rate++) {
            const fm_drop_attributes drop = {rate == 3 ? 0.99999999 : rate * 0.3, 1 + k};
            snprintf(text, sizeof text, "f(%d)", edges[k]);
            check_case(*state, &fm_op_drop, &drop, text);
        }
        check_case(*state, &fm_op_random_uniform_like, &(fm_random_attributes){k}, text);
    }
    check_case(*state, &fm_op_drop, &(fm_drop_attributes){0.5, 9}, "f(40003)");
    check_case(*state, &fm_op_random_uniform_like, &(fm_random_attributes){5}, "f(3,10001)");
    check_special(*state, &fm_op_drop, &(fm_drop_attributes){0.5, 9}, "f(1031)", ALL_SPECIALS);
}

/* ---- products -------------------------------------------------------------------------------- */

static int draw_size(fm_random *random)
{
    static const int sizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 97, 130};
    return sizes[fm_random_below(random, COUNT(sizes))];
}

static void matmuls(void **state)
{
    fm_random random = fm_random_at(11, 0, 0);
    for (int round = fixture_rounds(64); round-- > 0;) {
        const int m = draw_size(&random), n = draw_size(&random), k = draw_size(&random);
        const fm_matmul_attributes read = {round & 1, round & 2};
        char a[32], b[32], text[80];
        snprintf(a, sizeof a, read.transpose_a ? "%d,%d" : "%2$d,%1$d", k, m);
        snprintf(b, sizeof b, read.transpose_b ? "%d,%d" : "%2$d,%1$d", n, k);
        const char *const batches[][2] = {
            {"", ""}, {"3,", ""}, {"", "2,"}, {"2,1,", "3,"}, {"5,", "5,"}};
        const int batch = (int)fm_random_below(&random, COUNT(batches));
        snprintf(text, sizeof text, "f(%s%s) f(%s%s)", batches[batch][0], a, batches[batch][1], b);
        check_case(*state, &fm_op_matmul, &read, text);
        if (round % 4 == 0) check_special(*state, &fm_op_matmul, &read, text, NAN_AND_INFINITY);
    }
    check_case(*state, &fm_op_matmul, NULL, "f(3,0) f(0,4)");
    check_case(*state, &fm_op_matmul, NULL, "f(0,3) f(3,4)");
    check_case(*state, &fm_op_matmul, NULL, "f(130,200) f(200,90)");
}

static void fused_matmuls(void **state)
{
    fm_random random = fm_random_at(12, 0, 0);
    for (int round = fixture_rounds(80); round-- > 0;) {
        const int m = draw_size(&random), n = draw_size(&random), k = draw_size(&random);
        fm_fused_matmul_attributes a = {.transpose_a = round & 1,
                                        .transpose_b = round & 2,
                                        .bias = round & 4,
                                        .mask = round & 8,
                                        .activation = round % FM_FUSED_ACTIVATION_COUNT};
        char text[128];
        if (a.mask && a.activation > FM_FUSED_RELU) a.mask = false;
        int at = snprintf(text, sizeof text, "f(%d,%d) f(%d,%d)", a.transpose_a ? k : m,
                          a.transpose_a ? m : k, a.transpose_b ? n : k, a.transpose_b ? k : n);
        if (a.bias) at += snprintf(text + at, sizeof text - (size_t)at, " f(%d)", n);
        if (a.mask) at += snprintf(text + at, sizeof text - (size_t)at, " f(%d,%d)", m, n);
        check_case(*state, &fm_op_fused_matmul, &a, text);
    }
    check_case(*state, &fm_op_fused_matmul,
               &(fm_fused_matmul_attributes){.bias = true, .activation = FM_FUSED_GELU},
               "f(2,3,5,7) f(7,40) f(40)");
}

static void dense_gradients(void **state)
{
    fm_random random = fm_random_at(13, 0, 0);
    for (int round = fixture_rounds(40); round-- > 0;) {
        const int m = draw_size(&random), n = draw_size(&random), k = draw_size(&random);
        char text[128];
        snprintf(text, sizeof text, "f(%d,%d) f(%d,%d)", m, k, m, n);
        check_case(*state, &fm_op_dense_grad, NULL, text);
        snprintf(text, sizeof text, "f(%d,%d) f(%d) f(%d,%d) f(%d,%d) p() p()", k, n, n, m, k, m,
                 n);
        op_case parsed = op_case_parse(text);
        op_job job = op_job_make(*state, &fm_op_dense_sgd, NULL, &parsed);
        job.f64_input = 5;
        if (round % 5 == 0) *job.values[5] = 0;
        check(*state, &job);
        op_job_release(*state, &job);
    }
}

/* ---- updates --------------------------------------------------------------------------------- */

static void updates(void **state)
{
    static const int counts[] = {1, 7, 16, 33, 511, 513, 1027, 30011};
    static const fm_op *const ops[] = {
#define ROW(name) &fm_op_##name,
        FM_UPDATE_OPS(ROW)
#undef ROW
    };
    for (int i = 0; i < COUNT(ops); i++) {
        const fm_case *rows = ops[i]->cases;
        for (int k = 0; k < COUNT(counts); k++) {
            for (const fm_case *row = rows; row->inputs; row++) {
                op_case parsed = op_case_parse(row->inputs);
                for (int j = 0; j < parsed.count; j++) {
                    if (parsed.inputs[j].shape.rank) parsed.inputs[j].shape = FM_SHAPE(counts[k]);
                }
                op_job job = op_job_make(*state, ops[i], row->attributes, &parsed);
                check(*state, &job);
                op_job_release(*state, &job);
            }
        }
    }
}

static void do_nothing(const void *argument, int part, int parts)
{
    (void)argument, (void)part, (void)parts;
}

/* Also in worker threads, which main made in another mode;
 * and the caller's own arithmetic is as it was. */
static void subnormals_are_zeros(void **state)
{
    const fm_float_mode before = fm_flush_subnormals();
    volatile float smallest = 0x1p-149f, twice = smallest * 2;
    fm_float_mode_set(before);
    if (twice != 0) skip(); /* a processor that cannot, or valgrind */
    const op_case inputs = op_case_parse("f(90001) f(90001)");
    op_job job = op_job_make(*state, &fm_op_mul, NULL, &inputs);
    const char *names[MOST_BACKENDS];
    int backends = list_backends(names);
    names[backends++] = "portable";
    for (int64_t i = 0; i < 90001; i++) {
        job.values[0][i] = i & 1 ? 0x1p-149 : 0x1p-100;
        job.values[1][i] = i & 1 ? 0x1p+100 : 0x1p-100;
    }
    for (int i = 0; i < backends; i++) {
        for (int threads = 3; threads >= 1; threads--) {
            op_result result = op_job_run(*state, &job, FM_F32, names[i], threads);
            for (int64_t k = 0; k < 90001; k++) assert_true(result.values[0][k] == 0);
            op_result_release(*state, &result);
        }
    }
    twice = smallest * 2;
    assert_true(twice > 0);
    op_job_release(*state, &job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(cases_of_the_records),
        fixture_test(unary_ops),
        fixture_test(binary_ops),
        fixture_test(reductions),
        fixture_test(softmax_and_cross_entropy),
        fixture_test(random_ops),
        fixture_test(matmuls),
        fixture_test(fused_matmuls),
        fixture_test(dense_gradients),
        fixture_test(updates),
        fixture_test(subnormals_are_zeros),
    };
    fm_in_parts(2, do_nothing, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
