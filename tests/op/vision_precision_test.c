/* Vision ops on shapes of real networks, some with fewer channels so that it stays quick: portable
 * f32 against portable f64, each element within 1e-5 of the tensor's largest. */
#include "support/op_job.h"
#include "op/op_table.h"
#include "op/vision_attributes.h"

typedef struct shape_case {
    const char *network;
    const fm_op *op;
    const char *inputs;
    const void *attributes;
} shape_case;

#define SQUARE(stride, begin, end, parts)                                                          \
    {                                                                                              \
        .strides = {2, {stride, stride}}, .dilations = {2, {1, 1}},                                \
        .padding_begin = {2, {begin, begin}}, .padding_end = {2, {end, end}}, .groups = parts      \
    }
#define CONVOLVE(...)                                                                              \
    &(const fm_convolve_attributes)                                                                \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define POOL(...)                                                                                  \
    &(const fm_pool_attributes)                                                                    \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define NORMALIZE(...)                                                                             \
    &(const fm_normalize_attributes)                                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define BOTH(n)                                                                                    \
    {                                                                                              \
        2,                                                                                         \
        {                                                                                          \
            n, n                                                                                   \
        }                                                                                          \
    }

/* clang-format off */
static const shape_case cases[] = {
    {"ResNet's stem", &fm_op_convolve, "f(1,224,224,3) f(7,7,3,16)",
     CONVOLVE(.window = SQUARE(2, 3, 3, 1))},
    {"ResNet's stem", &fm_op_convolve_kernel_grad, "f(1,224,224,3) f(1,112,112,16)",
     CONVOLVE(.window = SQUARE(2, 3, 3, 1), .size = BOTH(7))},
    {"VGG", &fm_op_convolve, "f(1,28,28,64) f(3,3,64,128)", CONVOLVE(.window = SQUARE(1, 1, 1, 1))},
    {"VGG", &fm_op_convolve_transposed, "f(1,28,28,128) f(3,3,64,128)",
     CONVOLVE(.window = SQUARE(1, 1, 1, 1), .size = BOTH(28))},
    {"VGG", &fm_op_convolve_kernel_grad, "f(1,28,28,64) f(1,28,28,128)",
     CONVOLVE(.window = SQUARE(1, 1, 1, 1), .size = BOTH(3))},
    {"ResNet's last stage", &fm_op_convolve, "f(2,7,7,512) f(3,3,512,64)",
     CONVOLVE(.window = SQUARE(1, 1, 1, 1))},
    {"ResNet's shortcut", &fm_op_convolve, "f(1,56,56,256) f(1,1,256,64)",
     CONVOLVE(.window = SQUARE(2, 0, 0, 1))},
    {"ResNet's shortcut", &fm_op_convolve_transposed, "f(1,28,28,64) f(1,1,256,64)",
     CONVOLVE(.window = SQUARE(2, 0, 0, 1), .size = BOTH(56))},
    {"AlexNet's stem", &fm_op_convolve, "f(1,227,227,3) f(11,11,3,24)",
     CONVOLVE(.window = SQUARE(4, 0, 0, 1))},
    {"AlexNet's groups", &fm_op_convolve, "f(2,27,27,24) f(5,5,12,64)",
     CONVOLVE(.window = SQUARE(1, 2, 2, 2))},
    {"AlexNet's groups", &fm_op_convolve_kernel_grad, "f(2,27,27,24) f(2,27,27,64)",
     CONVOLVE(.window = SQUARE(1, 2, 2, 2), .size = BOTH(5))},
    {"MobileNet", &fm_op_convolve, "f(2,112,112,32) f(3,3,1,32)",
     CONVOLVE(.window = SQUARE(1, 1, 1, 32))},
    {"MobileNet", &fm_op_convolve_transposed, "f(2,56,56,32) f(3,3,1,32)",
     CONVOLVE(.window = SQUARE(2, 0, 1, 32), .size = BOTH(112))},
    {"MobileNet", &fm_op_convolve_kernel_grad, "f(2,112,112,32) f(2,112,112,32)",
     CONVOLVE(.window = SQUARE(1, 1, 1, 32), .size = BOTH(3))},
    {"U-Net's way up", &fm_op_convolve_transposed, "f(1,28,28,64) f(2,2,32,64)",
     CONVOLVE(.window = SQUARE(2, 0, 0, 1), .size = BOTH(56))},
    {"ResNet's pool", &fm_op_max_pool, "f(2,112,112,64)",
     POOL(.pool = {.kernel_size = BOTH(3), .window = SQUARE(2, 1, 1, 0)})},
    {"ResNet's pool", &fm_op_max_pool_grad, "f(2,56,56,64) b9(2,56,56,64)",
     POOL(.pool = {.kernel_size = BOTH(3), .window = SQUARE(2, 1, 1, 0)}, .spatial = BOTH(112))},
    {"ResNet's mean", &fm_op_average_pool, "p(2,7,7,512)", POOL(.pool = {.output_size = BOTH(1)})},
    {"DenseNet's pool", &fm_op_average_pool, "p(2,56,56,128)",
     POOL(.pool = {.kernel_size = BOTH(2), .window = SQUARE(2, 0, 0, 0)})},
    {"VGG's adaptive mean", &fm_op_average_pool_grad, "p(2,7,7,512)",
     POOL(.pool = {.output_size = BOTH(7)}, .spatial = BOTH(12))},
    {"batch", &fm_op_normalize, "p(8,56,56,64) f(64) f(64)", NORMALIZE({3, {0, 1, 2}}, 1e-5)},
    {"batch", &fm_op_normalize_grad,
     "p(4,56,56,64) f(64) p(1,1,1,64) p(1,1,1,64) f(4,56,56,64)", NORMALIZE({3, {0, 1, 2}}, 1e-5)},
    {"layer", &fm_op_normalize, "p(128,768) f(768) f(768)", NORMALIZE({1, {1}}, 1e-5)},
    {"layer", &fm_op_normalize_grad, "f(128,768) f(768) f(128,1) p(128,1) f(128,768)",
     NORMALIZE({1, {1}}, 1e-5)},
    {"group", &fm_op_normalize, "p(2,28,28,32,4) f(32,4) f(32,4)", NORMALIZE({3, {1, 2, 4}}, 1e-5)},
    {"AlexNet's local response", &fm_op_window_sum, "p(2,55,55,96)",
     &(const fm_window_sum_attributes){2, 2}},
};
/* clang-format on */

/* The worst difference, relative to the output's largest element. */
static double worst_difference(const op_result *single, const op_result *twice)
{
    double worst = 0;
    for (int k = 0; k < twice->count; k++) {
        double largest = 0, off = 0;
        for (int64_t i = 0; i < twice->elements[k]; i++) {
            double error = fabs(single->values[k][i] - twice->values[k][i]);
            largest = fmax(largest, fabs(twice->values[k][i]));
            off = error <= off ? off : error; /* a NaN stays */
        }
        if (!(off <= worst * largest)) worst = off / largest;
    }
    return worst;
}

static double run_both(fixture *f, const op_job *job)
{
    op_result single = op_job_run(f, job, FM_F32, "portable", 1);
    op_result twice = op_job_run(f, job, FM_F64, "portable", 1);
    double worst = worst_difference(&single, &twice);
    op_result_release(f, &single);
    op_result_release(f, &twice);
    return worst;
}

static op_job job_of(fixture *f, const shape_case *c)
{
    op_case inputs = op_case_parse(c->inputs);
    return op_job_make(f, c->op, c->attributes, &inputs);
}

static void f32_agrees_with_f64(void **state)
{
    fixture *f = *state;
    double worst = 0;
    const char *where = "";
    const size_t stride = fixture_is_watched() ? 3 : 1; /* tests/universal runs each op */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i += stride) {
        op_job job = job_of(f, &cases[i]);
        double error = run_both(f, &job);
        op_job_release(f, &job);
        if (!(error <= 1e-5)) {
            fail_msg("%s of %s: off by %g", cases[i].op->name, cases[i].network, error);
        }
        if (error > worst) worst = error, where = cases[i].network;
    }
    print_message("worst difference of f32: %.2g (%s)\n", worst, where);
}

/* Deviations of 1 around 10,000: E[x^2] - mean^2 has no correct digit in f32. */
static void a_large_mean_cancels_nothing(void **state)
{
    fixture *f = *state;
    const shape_case c = {"", &fm_op_normalize, "f(4,32,32,16) p(16) f(16)",
                          NORMALIZE({3, {0, 1, 2}}, 1e-5)};
    op_job job = job_of(f, &c);
    for (int64_t i = 0; i < fm_shape_elements(job.inputs.inputs[0].shape); i++) {
        job.values[0][i] = (double)(float)(10000 + job.values[0][i]);
    }
    double error = run_both(f, &job);
    if (!(error <= 1e-6)) fail_msg("off by %g", error);
    op_job_release(f, &job);
}

/* ---- edges ----------------------------------------------------------------------------------- */

static op_result run_case(fixture *f, const fm_op *op, const char *inputs, const void *attributes,
                          const double *x)
{
    op_case parsed = op_case_parse(inputs);
    op_job job = op_job_make(f, op, attributes, &parsed);
    size_t count = (size_t)fm_shape_elements(parsed.inputs[0].shape);
    if (x) memcpy(job.values[0], x, count * sizeof *x);
    op_result result = op_job_run(f, &job, FM_F32, "portable", 1);
    op_job_release(f, &job);
    return result;
}

/* Ties go to the first, NaN beats numbers and padding, -infinity beats padding. */
static void winners_are_the_first_of_the_largest(void **state)
{
    const double x[] = {3, 3, 1, 2, NAN, 5, -INFINITY, -INFINITY};
    const double values[] = {3, 3, 2, NAN, NAN, 5, -INFINITY};
    const double winners[] = {0, 0, 1, 1, 0, 0, 0};
    const fm_pool_attributes pairs = {.pool = {.kernel_size = {1, {2}},
                                               .window = {.strides = {1, {1}},
                                                          .dilations = {1, {1}},
                                                          .padding_begin = {1, {0}},
                                                          .padding_end = {1, {0}}}}};
    op_result r = run_case(*state, &fm_op_max_pool, "f(1,8,1)", &pairs, x);
    for (int i = 0; i < 7; i++) {
        assert_true(r.values[0][i] == values[i] || (isnan(values[i]) && isnan(r.values[0][i])));
        assert_true(r.values[1][i] == winners[i]);
    }
    op_result_release(*state, &r);
    fm_pool_attributes padded = pairs;
    padded.pool.window.padding_begin = padded.pool.window.padding_end = (fm_ints){1, {1}};
    const double low[] = {-INFINITY, -INFINITY, -INFINITY};
    r = run_case(*state, &fm_op_max_pool, "f(1,3,1)", &padded, low);
    assert_true(r.values[1][0] == 1 && r.values[1][1] == 0 && r.values[1][3] == 0);
    for (int i = 0; i < 4; i++) assert_true(r.values[0][i] == -INFINITY);
    op_result_release(*state, &r);
}

static const shape_case empty[] = {
    {"", &fm_op_convolve, "f(0,5,5,3) f(3,3,3,2)", CONVOLVE(.window = SQUARE(1, 1, 1, 1))},
    {"", &fm_op_convolve_transposed, "f(0,5,5,2) f(3,3,3,2)",
     CONVOLVE(.window = SQUARE(1, 1, 1, 1), .size = BOTH(5))},
    {"", &fm_op_max_pool, "f(0,4,4,3)",
     POOL(.pool = {.kernel_size = BOTH(2), .window = SQUARE(2, 0, 0, 0)})},
    {"", &fm_op_average_pool, "f(0,4,4,3)", POOL(.pool = {.output_size = BOTH(1)})},
    {"", &fm_op_normalize, "f(0,4,3) f(3) f(3)", NORMALIZE({1, {1}}, 1e-5)},
};

static void empty_batches_give_empty_results(void **state)
{
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        op_result r = run_case(*state, empty[i].op, empty[i].inputs, empty[i].attributes, NULL);
        assert_int_equal(r.elements[0], 0);
        op_result_release(*state, &r);
    }
    const fm_convolve_attributes same = {.window = SQUARE(1, 1, 1, 1), .size = BOTH(3)};
    op_result r =
        run_case(*state, &fm_op_convolve_kernel_grad, "f(0,5,5,3) f(0,5,5,2)", &same, NULL);
    assert_int_equal(r.elements[0], 54);
    for (int i = 0; i < 54; i++) assert_true(r.values[0][i] == 0);
    op_result_release(*state, &r);
}

/* take gives NaN outside, its adjoint ignores it. */
static void positions_outside_are_never_read(void **state)
{
    fixture *f = *state;
    op_case inputs = op_case_parse("f(3,2) i3(3)");
    op_job job = op_job_make(f, &fm_op_take, &(const fm_take_attributes){.axis = 0}, &inputs);
    job.values[1][0] = -1;
    job.values[1][1] = 3;
    job.values[1][2] = 2;
    op_result r = op_job_run(f, &job, FM_F32, "portable", 1);
    for (int i = 0; i < 4; i++) assert_true(isnan(r.values[0][i]));
    for (int i = 4; i < 6; i++) assert_true(r.values[0][i] == job.values[0][i]);
    op_result_release(f, &r);
    job.op = &fm_op_take_grad;
    job.attributes = &(const fm_take_attributes){.axis = 0, .extent = 3};
    r = op_job_run(f, &job, FM_F32, "portable", 1);
    for (int i = 0; i < 4; i++) assert_true(r.values[0][i] == 0);
    for (int i = 4; i < 6; i++) assert_true(r.values[0][i] == job.values[0][i]);
    op_result_release(f, &r);
    op_job_release(f, &job);
}

/* A winner that is no place of x gives and receives nothing. */
static void winners_outside_are_never_read(void **state)
{
    fixture *f = *state;
    const fm_pool_attributes pairs = {.pool = {.kernel_size = {1, {2}},
                                               .window = {.strides = {1, {2}},
                                                          .dilations = {1, {1}},
                                                          .padding_begin = {1, {1}},
                                                          .padding_end = {1, {1}}}},
                                      .spatial = {1, {4}}};
    const double winners[] = {0, 255, 1}; /* padding, no place, padding */
    op_case inputs = op_case_parse("f(1,3,1) b2(1,3,1)");
    op_job job = op_job_make(f, &fm_op_max_pool_grad, &pairs, &inputs);
    memcpy(job.values[1], winners, sizeof winners);
    op_result r = op_job_run(f, &job, FM_F32, "portable", 1);
    for (int i = 0; i < 4; i++) assert_true(r.values[0][i] == 0);
    op_result_release(f, &r);
    op_job_release(f, &job);
    inputs = op_case_parse("f(1,4,1) b2(1,3,1)");
    job = op_job_make(f, &fm_op_max_pool_pick, &pairs, &inputs);
    memcpy(job.values[1], winners, sizeof winners);
    r = op_job_run(f, &job, FM_F32, "portable", 1);
    for (int i = 0; i < 3; i++) assert_true(r.values[0][i] == 0);
    op_result_release(f, &r);
    op_job_release(f, &job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(f32_agrees_with_f64),
        fixture_test(a_large_mean_cancels_nothing),
        fixture_test(winners_are_the_first_of_the_largest),
        fixture_test(empty_batches_give_empty_results),
        fixture_test(positions_outside_are_never_read),
        fixture_test(winners_outside_are_never_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
