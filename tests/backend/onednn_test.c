/* The kernels of oneDNN against the portable ones, their bits by one, two and three threads, the
 * layout of weights, refusals, and whole trainings. */
#include "support/op_job.h"
#include "backend/backends.h"
#include "base/random.h"
#include "fathom/ops.h"
#include "fathom/program.h"
#include "op/fused_ops.h"
#include "op/op_attributes.h"
#include "op/op_table.h"
#include "op/optimizer_ops.h"

#include <pthread.h>

/* ---- single ops ------------------------------------------------------------------------------ */

static int draw_size(fm_random *random)
{
    static const int sizes[] = {1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 31, 32, 33, 61, 64, 65, 97, 130};
    return sizes[fm_random_below(random, sizeof sizes / sizeof *sizes)];
}

/* Of results of a product of such a depth: values are below 2, activations add about 1e-7. */
static double tolerance(int depth, double y)
{
    return 1e-6 + 0x1p-23 * (depth + 8) + 1e-6 * fabs(y);
}

static void compare(const op_job *job, int depth, const op_result *wanted, const op_result *got)
{
    for (int k = 0; k < wanted->count; k++) {
        for (int64_t i = 0; i < wanted->elements[k]; i++) {
            const double a = wanted->values[k][i], b = got->values[k][i];
            if (isnan(a) && isnan(b)) continue;
            if (fabs(a - b) <= tolerance(depth, a)) continue;
            fail_msg("%s (depth %d), output %d, element %lld: %.9g instead of %.9g", job->op->name,
                     depth, k, (long long)i, b, a);
        }
    }
}

static void assert_same_bits(const op_result *one, const op_result *many)
{
    for (int k = 0; k < one->count; k++) {
        size_t bytes = (size_t)one->elements[k] * sizeof(double);
        assert_memory_equal(one->values[k], many->values[k], bytes);
    }
}

static void check_job(fixture *f, const op_job *job, int depth)
{
    op_result wanted = op_job_run(f, job, FM_F64, "portable", 1);
    op_result one = op_job_run(f, job, FM_F32, "onednn", 1);
    if (strncmp(one.kernel, "onednn.", 7) != 0) fail_msg("%s ran on %s", job->op->name, one.kernel);
    compare(job, depth, &wanted, &one);
    for (int threads = fixture_least_threads(); threads <= 3; threads++) {
        op_result many = op_job_run(f, job, FM_F32, "onednn", threads);
        assert_same_bits(&one, &many);
        op_result_release(f, &many);
    }
    op_result_release(f, &one);
    op_result_release(f, &wanted);
}

static void check(fixture *f, const fm_op *op, const void *attributes, int depth,
                  const char *inputs)
{
    op_case parsed = op_case_parse(inputs);
    op_job job = op_job_make(f, op, attributes, &parsed);
    if (op == &fm_op_dense_sgd) job.f64_input = 5;
    check_job(f, &job, depth);
    op_job_release(f, &job);
}

/* Without AVX-512 (valgrind, older processors) every product is refused: what remains are
 * refusals and programs without oneDNN's kernels. */
static void skip_unless_offered(fixture *f)
{
    op_case parsed = op_case_parse("f(3,4) f(4,5)");
    op_job job = op_job_make(f, &fm_op_matmul, NULL, &parsed);
    op_result result = op_job_run(f, &job, FM_F32, "onednn", 1);
    const bool offered = strcmp(result.kernel, "onednn.matmul") == 0;
    op_result_release(f, &result);
    op_job_release(f, &job);
    if (!offered) skip();
}

static void matmuls(void **state)
{
    skip_unless_offered(*state);
    static const char *const batches[][2] = {
        {"", ""}, {"3,", ""}, {"", "2,"}, {"2,1,", "3,"}, {"5,", "5,"}};
    fm_random random = fm_random_at(21, 0, 0);
    for (int round = fixture_rounds(80); round-- > 0;) {
        const int m = draw_size(&random), n = draw_size(&random), k = draw_size(&random);
        const fm_matmul_attributes read = {round & 1, round & 2};
        const int batch = (int)fm_random_below(&random, 5);
        char text[96];
        snprintf(text, sizeof text, "f(%s%d,%d) f(%s%d,%d)", batches[batch][0],
                 read.transpose_a ? k : m, read.transpose_a ? m : k, batches[batch][1],
                 read.transpose_b ? n : k, read.transpose_b ? k : n);
        check(*state, &fm_op_matmul, &read, k, text);
    }
    check(*state, &fm_op_matmul, NULL, 300, "f(128,300) f(300,129)");
    check(*state, &fm_op_matmul, &(fm_matmul_attributes){.transpose_a = true}, 2047,
          "f(2047,9) f(2047,17)");
}

static const int accepted[] = {FM_FUSED_NONE, FM_FUSED_RELU,      FM_FUSED_SIGMOID,
                               FM_FUSED_TANH, FM_FUSED_GELU,      FM_FUSED_GELU_TANH,
                               FM_FUSED_SILU, FM_FUSED_HARD_SWISH};

enum { ACCEPTED = sizeof accepted / sizeof *accepted };

static void fused_matmuls(void **state)
{
    skip_unless_offered(*state);
    fm_random random = fm_random_at(22, 0, 0);
    for (int round = fixture_rounds(96); round-- > 0;) {
        const int m = draw_size(&random), n = draw_size(&random), k = draw_size(&random);
        const fm_fused_matmul_attributes a = {.transpose_a = fm_random_below(&random, 2),
                                              .transpose_b = fm_random_below(&random, 2),
                                              .bias = fm_random_below(&random, 2),
                                              .mask = fm_random_below(&random, 2),
                                              .activation = accepted[round % ACCEPTED]};
        char text[128];
        int at = snprintf(text, sizeof text, "f(%d,%d) f(%d,%d)", a.transpose_a ? k : m,
                          a.transpose_a ? m : k, a.transpose_b ? n : k, a.transpose_b ? k : n);
        if (a.bias) at += snprintf(text + at, sizeof text - (size_t)at, " f(%d)", n);
        if (a.mask) at += snprintf(text + at, sizeof text - (size_t)at, " f(%d,%d)", m, n);
        check(*state, &fm_op_fused_matmul, &a, k, text);
    }
    check(*state, &fm_op_fused_matmul,
          &(fm_fused_matmul_attributes){.bias = true, .activation = FM_FUSED_GELU}, 7,
          "f(2,3,5,7) f(7,40) f(40)");
}

/* relu keeps NaN, and so do all others. */
static void activations_keep_nan(void **state)
{
    skip_unless_offered(*state);
    for (int i = 0; i < ACCEPTED; i++) {
        const fm_fused_matmul_attributes a = {.activation = accepted[i]};
        op_case parsed = op_case_parse("f(5,1) f(1,3)");
        op_job job = op_job_make(*state, &fm_op_fused_matmul, &a, &parsed);
        job.values[0][2] = NAN;
        check_job(*state, &job, 1);
        op_job_release(*state, &job);
    }
}

static void dense_gradients(void **state)
{
    skip_unless_offered(*state);
    fm_random random = fm_random_at(23, 0, 0);
    for (int round = fixture_rounds(40); round-- > 0;) {
        const int m = draw_size(&random), n = draw_size(&random), k = draw_size(&random);
        char text[128];
        snprintf(text, sizeof text, "f(%d,%d) f(%d,%d)", m, k, m, n);
        check(*state, &fm_op_dense_grad, NULL, m, text);
        snprintf(text, sizeof text, "f(%d,%d) f(%d) f(%d,%d) f(%d,%d) p() p()", k, n, n, m, k, m,
                 n);
        check(*state, &fm_op_dense_sgd, NULL, m, text);
    }
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void assert_portable(fixture *f, const fm_op *op, const void *attributes, fm_dtype real,
                            const char *inputs)
{
    op_case parsed = op_case_parse(inputs);
    op_job job = op_job_make(f, op, attributes, &parsed);
    op_result result = op_job_run(f, &job, real, "onednn", 2);
    assert_string_equal(result.kernel, "portable");
    op_result_release(f, &result);
    op_job_release(f, &job);
}

/* Doubles, nothing to compute, inexact activations, sums whose order the threads decide. */
static void refusals(void **state)
{
    const fm_fused_matmul_attributes softplus = {.activation = FM_FUSED_SOFTPLUS};
    const fm_fused_matmul_attributes hard_sigmoid = {.activation = FM_FUSED_HARD_SIGMOID};
    assert_portable(*state, &fm_op_matmul, NULL, FM_F64, "f(3,4) f(4,5)");
    assert_portable(*state, &fm_op_matmul, NULL, FM_F32, "f(3,0) f(0,4)");
    assert_portable(*state, &fm_op_matmul, NULL, FM_F32, "f(0,3) f(3,4)");
    assert_portable(*state, &fm_op_fused_matmul, &softplus, FM_F32, "f(3,4) f(4,5)");
    assert_portable(*state, &fm_op_fused_matmul, &hard_sigmoid, FM_F32, "f(3,4) f(4,5)");
    assert_portable(*state, &fm_op_dense_grad, NULL, FM_F32, "f(2048,9) f(2048,3)");
}

static void refusals_have_reasons(void **state)
{
    fixture *f = *state;
    const char *backends[] = {"onednn", "portable", NULL};
    fm_graph *graph;
    fm_store *store;
    fm_program *program;
    char *text;
    assert_ok(f->context, fm_graph_create(f->context, NULL, &graph));
    fm_val x = fm_input(graph, "x", FM_F64, FM_SHAPE(2, 3));
    fm_output(graph, "y", fm_matmul_transposed(graph, x, x, false, true));
    assert_ok(f->context, fm_store_create(f->context, 5, &store));
    assert_ok(f->context, fm_program_create(store, graph,
                                            &(fm_program_options){.backends = backends}, &program));
    assert_ok(f->context, fm_program_print(program, true, &text));
    assert_non_null(strstr(text, "not onednn.matmul: f32 only"));
    fm_text_free(f->context, text);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(graph);
}

/* ---- whole programs -------------------------------------------------------------------------- */

enum { IN = 37, HIDDEN = 70, OUT = 5, MOST_ROWS = 20, STEPS = 12 };

static fm_status fill_uniform(fm_context *context, const fm_initializer *self, fm_dtype dtype,
                              fm_shape shape, uint64_t seed, uint32_t stream, void *elements)
{
    (void)context, (void)self, (void)dtype;
    fm_random random = fm_random_at(seed, 0, stream);
    for (int64_t i = 0; i < fm_shape_elements(shape); i++) {
        ((float *)elements)[i] = (float)fm_random_range(&random, -0.5, 0.5);
    }
    return FM_OK;
}

static fm_val dense(fm_graph *g, const char *name, fm_val x, int64_t units, fm_val made[2])
{
    const fm_variable_options options = {.initializer = {.name = "test", .fill = fill_uniform}};
    char path[32];
    snprintf(path, sizeof path, "%s_kernel", name);
    made[0] = fm_variable(g, path, FM_F32, FM_SHAPE(fm_val_shape(g, x).dims[1], units), &options);
    snprintf(path, sizeof path, "%s_bias", name);
    made[1] = fm_variable(g, path, FM_F32, FM_SHAPE(units), &options);
    return fm_add(g, fm_matmul(g, x, made[0]), made[1]);
}

static fm_graph *build(fm_context *context, int64_t rows, bool training)
{
    fm_graph *g;
    fm_val variables[4], grads[4];
    assert_ok(context, fm_graph_create(context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(rows, IN));
    fm_val hidden = fm_relu(g, dense(g, "hidden", x, HIDDEN, variables));
    fm_val logits = dense(g, "logits", hidden, OUT, variables + 2);
    fm_output(g, "logits", logits);
    if (training) {
        fm_val labels = fm_input(g, "y", FM_I32, FM_SHAPE(rows));
        fm_val loss =
            fm_mean(g, fm_sparse_softmax_cross_entropy(g, logits, labels, 0), (fm_ints){0}, 0);
        fm_grad(g, loss, variables, 4, grads);
        double one = 1;
        fm_val iteration = fm_constant(g, FM_F64, (fm_shape){0}, &one);
        fm_val rate = fm_input(g, "rate", FM_F32, (fm_shape){0});
        for (int i = 0; i < 4; i++) {
            fm_val inputs[] = {variables[i], grads[i], rate, iteration};
            fm_update(g, variables[i], fm_node_add(g, &fm_op_sgd, inputs, 4, NULL, NULL));
        }
        fm_output(g, "loss", loss);
    }
    assert_ok(context, fm_graph_status(g));
    return g;
}

typedef struct trained {
    float kernel[IN * HIDDEN], logits[MOST_ROWS * OUT], loss;
    bool packed; /* the kernel was stored in panels */
} trained;

/* Panels are padded. */
static bool is_packed(const fm_program *program)
{
    const size_t plain = (IN * HIDDEN + HIDDEN + HIDDEN * OUT + OUT) * sizeof(float);
    return fm_program_summarize(program).variable_bytes > plain;
}

/* no_fusion: separate products, column sums and updates on stored bytes. */
static void train(fm_context *context, const char *const *backends, int64_t rows, bool no_fusion,
                  trained *t)
{
    const fm_program_options options = {.backends = backends, .no_fusion = no_fusion};
    fm_graph *graph = build(context, rows, true), *reading = build(context, rows, false);
    fm_store *store;
    fm_program *program, *predict;
    assert_ok(context, fm_store_create(context, 5, &store));
    assert_ok(context, fm_program_create(store, graph, &options, &program));
    assert_ok(context, fm_program_create(store, reading, &options, &predict));
    float *x = fm_program_input(program, "x");
    for (int i = 0; i < rows * IN; i++) x[i] = (float)sin(i);
    for (int i = 0; i < rows; i++) ((int32_t *)fm_program_input(program, "y"))[i] = i % OUT;
    memcpy(fm_program_input(predict, "x"), x, (size_t)rows * IN * sizeof(float));
    *(float *)fm_program_input(program, "rate") = 0.1f;
    for (int i = 0; i < STEPS; i++) assert_ok(context, fm_program_run(program));
    assert_ok(context, fm_program_run(predict));
    t->loss = *(const float *)fm_program_output(program, "loss");
    memcpy(t->logits, fm_program_output(predict, "logits"), (size_t)rows * OUT * sizeof(float));
    assert_ok(context, fm_store_read(store, fm_store_find(store, "hidden_kernel"), t->kernel));
    t->packed = is_packed(program);
    fm_program_destroy(predict);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(reading);
    fm_graph_destroy(graph);
}

static const char *const with_onednn[] = {"onednn", "portable", NULL};
static const char *const portable[] = {"portable", NULL};

/* Weights of few rows live in panels, read back plain; those of more rows are plain. */
static void training_equals_portable(void **state)
{
    skip_unless_offered(*state);
    fixture *f = *state;
    static trained wanted, one, two;
    fm_context *second = fixture_context(f, 2), *first = fixture_context(f, 1);
    for (int i = 0; i < 4; i++) {
        const int64_t rows = i & 1 ? MOST_ROWS : 3;
        memset(&one, 0, sizeof one);
        memset(&two, 0, sizeof two);
        train(first, portable, rows, i & 2, &wanted);
        train(first, with_onednn, rows, i & 2, &one);
        train(second, with_onednn, rows, i & 2, &two);
        assert_near(one.loss, wanted.loss, 1e-5);
        for (int k = 0; k < IN * HIDDEN; k++) assert_near(one.kernel[k], wanted.kernel[k], 1e-5);
        for (int k = 0; k < rows * OUT; k++) assert_near(one.logits[k], wanted.logits[k], 1e-4);
        assert_memory_equal(&one, &two, sizeof one);
        assert_int_equal(one.packed, rows < 4);
    }
    fm_context_destroy(first);
    fm_context_destroy(second);
}

typedef struct on_thread {
    fm_context *context;
    trained result;
} on_thread;

static void *train_on_thread(void *argument)
{
    on_thread *t = argument;
    for (int i = 0; i < 3; i++) train(t->context, with_onednn, MOST_ROWS, false, &t->result);
    return NULL;
}

static void two_contexts_on_two_threads(void **state)
{
    static on_thread jobs[2];
    static trained alone;
    pthread_t threads[2];
    train(((fixture *)*state)->context, with_onednn, MOST_ROWS, false, &alone);
    for (int i = 0; i < 2; i++) {
        jobs[i].context = fixture_context(*state, 1 + i);
        assert_int_equal(pthread_create(&threads[i], NULL, train_on_thread, &jobs[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        fm_context_destroy(jobs[i].context);
        assert_memory_equal(jobs[i].result.kernel, alone.kernel, sizeof alone.kernel);
    }
}

static fm_status train_once(fm_context *context, void *argument)
{
    fm_store *store = NULL;
    fm_program *program = NULL;
    const fm_program_options options = {.backends = with_onednn};
    fm_status status = fm_store_create(context, 5, &store);
    if (status == FM_OK) status = fm_program_create(store, argument, &options, &program);
    fm_program_destroy(program);
    if (store) fm_store_destroy(store);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    fm_graph *graph = build(f->context, 3, true);
    assert_true(fail_each_allocation(f, train_once, graph) > 10);
    fm_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(matmuls),
        fixture_test(fused_matmuls),
        fixture_test(activations_keep_nan),
        fixture_test(dense_gradients),
        fixture_test(refusals),
        fixture_test(refusals_have_reasons),
        fixture_test(training_equals_portable),
        fixture_test(two_contexts_on_two_threads),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
