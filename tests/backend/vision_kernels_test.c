/* The kernels of normalisation and pooling against the portable ones, on the shapes of real
 * networks and on awkward ones, by one, two and three threads. Pooling has the portable bits;
 * normalisation is within 1e-5 of numbers near one. */
#include "support/kernel_check.h"
#include "backend/backends.h"
#include "base/random.h"
#include "fathom/ops.h"
#include "fathom/program.h"
#include "fathom/vision_ops.h"
#include "op/fused_normalize.h"
#include "op/op_attributes.h"
#include "op/op_table.h"
#include "op/vision_attributes.h"

#if FATHOM_HAVE_FAST

/* ---- normalisation --------------------------------------------------------------------------- */

enum { NORMALIZE_TOLERANCE_PARTS = 100000 };
static const double near = 1.0 / NORMALIZE_TOLERANCE_PARTS;

/* x, and as text: the shapes of gamma and of the statistics. */
static const struct {
    fm_ints axes;
    const char *x, *gamma, *statistics;
} normal_shapes[] = {
    {{3, {0, 1, 2}}, "2,7,9,64", "64", "1,1,1,64"},
    {{3, {0, 1, 2}}, "1,1,1,3", "3", "1,1,1,3"},
    {{3, {0, 1, 2}}, "3,14,14,24", "24", "1,1,1,24"},
    {{3, {0, 1, 2}}, "2,7,7,1040", "1040", "1,1,1,1040"},
    {{3, {0, 1, 2}}, "5,31,3,67", "67", "1,1,1,67"},
    {{1, {0}}, "1030,16", "16", "1,16"},
    {{1, {0}}, "2,5", "5", "1,5"},
    {{2, {0, 1}}, "4,33,129", "129", "1,1,129"},
    {{2, {1, 2}}, "3,6,5,20", "20", "3,1,1,20"},
    {{1, {1}}, "2,37,33", "1,33", "2,1,33"},
    {{1, {1}}, "37,768", "768", "37,1"},
    {{1, {2}}, "3,5,19", "19", "3,5,1"},
    {{2, {2, 3}}, "2,9,3,5", "3,5", "2,9,1,1"},
    {{1, {1}}, "2,16", "16", "2,1"},
    {{1, {1}}, "70,3", "3", "70,1"},
    {{2, {1, 3}}, "2,35,4,6", "4,6", "2,1,4,1"},
    {{3, {1, 2, 4}}, "2,3,5,2,17", "2,17", "2,1,1,2,1"},
};

enum { NORMAL_SHAPES = sizeof normal_shapes / sizeof *normal_shapes };

static void normalisation(void **state)
{
    char text[256];
    for (int i = 0; i < NORMAL_SHAPES; i++) {
        const char *x = normal_shapes[i].x, *gamma = normal_shapes[i].gamma;
        const fm_normalize_attributes a = {normal_shapes[i].axes, 1e-3};
        snprintf(text, sizeof text, "f(%s) f(%s) f(%s)", x, gamma, gamma);
        check_kernels_on(*state, &fm_op_normalize, &a, text, near);
        snprintf(text, sizeof text, "f(%s) f(%s) f(%s) p(%s) f(%s)", x, gamma,
                 normal_shapes[i].statistics, normal_shapes[i].statistics, x);
        check_kernels_on(*state, &fm_op_normalize_grad, &a, text, near);
    }
}

static void batch_norm_with_relu(void **state)
{
    static const int activations[] = {FM_FUSED_NONE, FM_FUSED_RELU, FM_FUSED_RELU6};
    const fm_fused_normalize_grad_attributes relu = {FM_FUSED_RELU};
    char text[256];
    for (int i = 0; i < NORMAL_SHAPES; i++) {
        const char *x = normal_shapes[i].x, *gamma = normal_shapes[i].gamma;
        const char *kept = normal_shapes[i].statistics;
        if (normal_shapes[i].axes.at[0] != 0) continue;
        for (int k = 0; k < 3; k++) {
            const fm_fused_normalize_attributes a = {1e-3, activations[k]};
            snprintf(text, sizeof text, "f(%s) f(%s) f(%s)", x, gamma, gamma);
            check_kernels_on(*state, &fm_op_fused_normalize, &a, text, near);
            snprintf(text, sizeof text, "f(%s) f(%s) f(%s) f(%s)", x, gamma, gamma, x);
            check_kernels_on(*state, &fm_op_fused_normalize, &a, text, near);
            snprintf(text, sizeof text, "f(%s) f(%s) f(%s) f(%s) p(%s)", x, gamma, gamma, kept,
                     kept);
            check_kernels_on(*state, &fm_op_normalize_by_moments, &a, text, near);
            snprintf(text, sizeof text, "f(%s) f(%s) f(%s) f(%s) p(%s) f(%s)", x, gamma, gamma,
                     kept, kept, x);
            check_kernels_on(*state, &fm_op_normalize_by_moments, &a, text, near);
        }
        snprintf(text, sizeof text, "f(%s) f(%s) f(%s) f(%s) p(%s) f(%s)", x, gamma, gamma, kept,
                 kept, x);
        check_kernels_on(*state, &fm_op_fused_normalize_grad, &relu, text, near);
        check_kernels_on(*state, &fm_op_normalize_grad_again, &relu, text, near);
        snprintf(text, sizeof text, "f(%s) f(%s) f(%s) f(%s) p(%s) f(%s) f(%s)", x, gamma, gamma,
                 kept, kept, x, x);
        check_kernels_on(*state, &fm_op_normalize_add_grad_again, NULL, text, near);
        snprintf(text, sizeof text, "f(%s) f(%s) f(%s) p(%s) f(%s) f(%s)", x, gamma, kept, kept, x,
                 x);
        check_kernels_on(*state, &fm_op_fused_normalize_add_grad, NULL, text, near);
    }
}

/* A job in which relu6 cuts below and above: gamma, operand 1, is ten times as large. */
static void check_cut(fixture *f, const fm_op *op, const void *attributes, const char *text,
                      int64_t *cut)
{
    op_case parsed = op_case_parse(text);
    op_job job = op_job_make(f, op, attributes, &parsed);
    const int64_t channels = fm_shape_elements(job.inputs.inputs[1].shape);
    for (int64_t i = 0; i < channels; i++) job.values[1][i] *= 10;
    check_kernels(f, &job, 10 * near);
    if (op == &fm_op_fused_normalize) {
        op_result fast = op_job_run(f, &job, FM_F32, NULL, 2);
        for (int64_t i = 0; i < fm_shape_elements(job.inputs.inputs[0].shape); i++) {
            const double y = fast.values[0][i];
            assert_true(y >= 0 && y <= 6);
            cut[0] += y == 0;
            cut[1] += y == 6;
            cut[2] += y > 0 && y < 6;
        }
        op_result_release(f, &fast);
    }
    op_job_release(f, &job);
}

static void batch_norm_with_relu6(void **state)
{
    const fm_fused_normalize_attributes a = {1e-3, FM_FUSED_RELU6};
    const fm_fused_normalize_grad_attributes grad = {FM_FUSED_RELU6};
    int64_t cut[3] = {0}; /* below, above, neither */
    char text[256];
    for (int i = 0; i < NORMAL_SHAPES; i++) {
        const char *x = normal_shapes[i].x, *gamma = normal_shapes[i].gamma;
        const char *kept = normal_shapes[i].statistics;
        if (normal_shapes[i].axes.at[0] != 0) continue;
        snprintf(text, sizeof text, "f(%s) f(%s) f(%s)", x, gamma, gamma);
        check_cut(*state, &fm_op_fused_normalize, &a, text, cut);
        snprintf(text, sizeof text, "f(%s) f(%s) f(%s) f(%s) p(%s) f(%s)", x, gamma, gamma, kept,
                 kept, x);
        check_cut(*state, &fm_op_fused_normalize_grad, &grad, text, cut);
        check_cut(*state, &fm_op_normalize_grad_again, &grad, text, cut);
    }
    for (int k = 0; k < 3; k++) assert_true(cut[k] > 20);
}

/* A mean a thousand times the deviation: E[x^2] - mean^2 would have no correct digit in f32. */
static void nothing_cancels(void **state)
{
    const fm_normalize_attributes a = {{2, {0, 1}}, 1e-5};
    op_case parsed = op_case_parse("f(40,100,17) f(17) f(17)");
    op_job job = op_job_make(*state, &fm_op_normalize, &a, &parsed);
    for (int i = 0; i < 40 * 100 * 17; i++) {
        job.values[0][i] = (double)(float)(1000 + job.values[0][i]);
    }
    check_kernels(*state, &job, 2e-4); /* x itself is known to 6e-5 */
    op_result exact = op_job_run(*state, &job, FM_F64, "portable", 1);
    op_result fast = op_job_run(*state, &job, FM_F32, NULL, 2);
    for (int64_t k = 0; k < 17; k++) {
        assert_near(fast.values[2][k] / exact.values[2][k], 1, 1e-5);
    }
    op_result_release(*state, &exact);
    op_result_release(*state, &fast);
    op_job_release(*state, &job);
}

/* ---- pooling --------------------------------------------------------------------------------- */

#define WINDOW(k, s, begin, end)                                                                   \
    {                                                                                              \
        .kernel_size = {2, {k, k}}, .window = {                                                    \
            .strides = {2, {s, s}},                                                                \
            .dilations = {2, {1, 1}},                                                              \
            .padding_begin = {2, {begin, begin}},                                                  \
            .padding_end = {2, {end, end}}                                                         \
        }                                                                                          \
    }
#define ADAPTIVE(h, w)                                                                             \
    {                                                                                              \
        .output_size = { 2, {h, w} }                                                               \
    }

static const struct {
    fm_pool pool;
    int n, h, w, c, y_h, y_w;
} pools[] = {
    {WINDOW(2, 2, 0, 0), 2, 8, 12, 64, 4, 6},  {WINDOW(3, 2, 1, 1), 2, 14, 14, 24, 7, 7},
    {WINDOW(3, 2, 0, 0), 1, 13, 13, 40, 6, 6}, {WINDOW(3, 1, 1, 1), 2, 7, 7, 83, 7, 7},
    {WINDOW(3, 2, 0, 1), 2, 8, 6, 17, 4, 3},   {WINDOW(2, 2, 0, 0), 3, 5, 7, 6, 2, 3},
    {WINDOW(5, 3, 2, 2), 1, 12, 9, 16, 4, 3},  {WINDOW(7, 1, 0, 0), 1, 7, 7, 130, 1, 1},
    {WINDOW(2, 3, 0, 0), 1, 8, 8, 1, 3, 3},    {ADAPTIVE(3, 2), 2, 7, 5, 33, 3, 2},
    {ADAPTIVE(1, 1), 2, 6, 9, 18, 1, 1},
};

enum { POOLS = sizeof pools / sizeof *pools };

static fm_pool_attributes pool_attributes(int i, bool count_padding)
{
    fm_pool_attributes a = {pools[i].pool, {2, {pools[i].h, pools[i].w}}};
    a.pool.count_padding = count_padding;
    return a;
}

static void max_pools(void **state)
{
    char x[64], text[160];
    for (int i = 0; i < POOLS; i++) {
        const fm_pool_attributes a = pool_attributes(i, false);
        snprintf(x, sizeof x, "f(%d,%d,%d,%d)", pools[i].n, pools[i].h, pools[i].w, pools[i].c);
        op_case parsed = op_case_parse(x);
        op_job job = op_job_make(*state, &fm_op_max_pool, &a, &parsed);
        check_kernels(*state, &job, 0);
        fm_random random = fm_random_at(5, 0, (uint32_t)i);
        const int64_t count = fm_shape_elements(job.inputs.inputs[0].shape);
        for (int64_t k = 0; k < count; k++) { /* ties, NaN, infinities */
            static const double some[] = {0, -0.0, 1, 1, -1, NAN, INFINITY, -INFINITY};
            job.values[0][k] = some[fm_random_below(&random, 8)];
        }
        check_kernels(*state, &job, 0);
        op_job_release(*state, &job);
        snprintf(x, sizeof x, "(%d,%d,%d,%d)", pools[i].n, pools[i].y_h, pools[i].y_w, pools[i].c);
        snprintf(text, sizeof text, "f%s b12%s", x, x);
        check_kernels_on(*state, &fm_op_max_pool_grad, &a, text, 0);
    }
}

static void average_pools(void **state)
{
    char text[160];
    for (int i = 0; i < POOLS; i++) {
        for (int count_padding = 0; count_padding < 2; count_padding++) {
            const fm_pool_attributes a = pool_attributes(i, count_padding);
            snprintf(text, sizeof text, "f(%d,%d,%d,%d)", pools[i].n, pools[i].h, pools[i].w,
                     pools[i].c);
            check_kernels_on(*state, &fm_op_average_pool, &a, text, 0);
            snprintf(text, sizeof text, "f(%d,%d,%d,%d)", pools[i].n, pools[i].y_h, pools[i].y_w,
                     pools[i].c);
            check_kernels_on(*state, &fm_op_average_pool_grad, &a, text, 0);
        }
    }
}

/* ---- movement -------------------------------------------------------------------------------- */

static void movement(void **state)
{
    const fm_axis_attributes last = {3}, first = {0}, second = {1};
    check_kernels_on(*state, &fm_op_concat, &last, "f(2,5,7,32) f(2,5,7,3) f(2,5,7,64)", 0);
    check_kernels_on(*state, &fm_op_concat, &first, "f(200,5,7,3) f(131,5,7,3)", 0);
    check_kernels_on(*state, &fm_op_concat, &second, "f(3,5,700) f(3,2,700)", 0);
    check_kernels_on(*state, &fm_op_slice, &(fm_slice_attributes){3, 5, 40}, "f(3,9,9,64)", 0);
    check_kernels_on(*state, &fm_op_slice, &(fm_slice_attributes){0, 1, 300}, "f(301,33)", 0);
    check_kernels_on(*state, &fm_op_pad, &(fm_pad_attributes){3, 8, 9}, "f(3,9,9,16)", 0);
    check_kernels_on(*state, &fm_op_pad, &(fm_pad_attributes){0, 0, 400}, "f(1,33)", 0);
    check_kernels_on(*state, &fm_op_pad, &(fm_pad_attributes){2, 1, 0}, "f(3,9,9,16)", 0);
    check_kernels_on(*state, &fm_op_gather, NULL, "f(9,70) i9(33,2)", 0);
    check_kernels_on(*state, &fm_op_gather, NULL, "f(9) i9(5)", 0);
    check_kernels_on(*state, &fm_op_gather, NULL, "f(7,3,1000) i9(200)", 0);
    check_kernels_on(*state, &fm_op_scatter_add, &(fm_extent_attributes){9}, "f(200,700) i9(200)",
                     0);
    check_kernels_on(*state, &fm_op_scatter_add, &(fm_extent_attributes){5}, "f(7,2,3) i9(7,2)", 0);
    check_kernels_on(*state, &fm_op_take, &(fm_take_attributes){1, 0}, "f(3,9,7,16) i9(18)", 0);
    check_kernels_on(*state, &fm_op_take, &(fm_take_attributes){2, 0}, "f(3,9,7,5) i9(18)", 0);
    check_kernels_on(*state, &fm_op_take_grad, &(fm_take_attributes){1, 9}, "f(3,18,7,16) i9(18)",
                     0);
    check_kernels_on(*state, &fm_op_take_grad, &(fm_take_attributes){2, 7}, "f(30,9,18,33) i9(18)",
                     0);
    const fm_shape_attributes rows = {{4, {5, 7, 7, 40}}}, columns = {{3, {30, 70, 41}}};
    check_kernels_on(*state, &fm_op_broadcast_to, &rows, "f(5,1,1,40)", 0);
    check_kernels_on(*state, &fm_op_broadcast_to, &columns, "f(30,70,1)", 0);
    check_kernels_on(*state, &fm_op_broadcast_to, &columns, "f()", 0);
    check_kernels_on(*state, &fm_op_window_sum, &(fm_window_sum_attributes){2, 2}, "f(3,5,96)", 0);
    check_kernels_on(*state, &fm_op_window_sum, &(fm_window_sum_attributes){2, 1}, "f(700,19)", 0);
    check_kernels_on(*state, &fm_op_window_sum, &(fm_window_sum_attributes){9, 30}, "f(9,3)", 0);
}

static fm_status make_pool_program(fm_context *context, void *graph)
{
    fm_store *store = NULL;
    fm_program *program = NULL;
    fm_status status = fm_store_create(context, 5, &store);
    if (status == FM_OK) status = fm_program_create(store, graph, NULL, &program);
    fm_program_destroy(program);
    if (store) fm_store_destroy(store);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    fm_graph *graph;
    assert_ok(f->context, fm_graph_create(f->context, NULL, &graph));
    fm_val x = fm_input(graph, "x", FM_F32, FM_SHAPE(2, 6, 6, 5));
    fm_val gamma = fm_input(graph, "gamma", FM_F32, FM_SHAPE(5));
    fm_val y = fm_normalize_over(graph, x, gamma, gamma, (fm_ints){3, {0, 1, 2}}, 1e-3, NULL, NULL);
    fm_val pooled = fm_max_pool(graph, fm_relu(graph, y), &(fm_pool)WINDOW(3, 2, 1, 1)), dx;
    fm_grad(graph, fm_sum(graph, pooled, (fm_ints){0}, 0), &x, 1, &dx);
    fm_output(graph, "dx", dx);
    assert_ok(f->context, fm_graph_status(graph));
    assert_true(fail_each_allocation(f, make_pool_program, graph) > 10);
    fm_graph_destroy(graph);
}

#endif

static void built_with_kernels(void **state)
{
    (void)state;
#if !FATHOM_HAVE_FAST
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_with_kernels),
#if FATHOM_HAVE_FAST
        fixture_test(normalisation),
        fixture_test(batch_norm_with_relu),
        fixture_test(batch_norm_with_relu6),
        fixture_test(nothing_cancels),
        fixture_test(max_pools),
        fixture_test(average_pools),
        fixture_test(movement),
        fixture_test(every_allocation_may_fail),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
