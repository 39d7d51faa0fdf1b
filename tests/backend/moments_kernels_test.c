/* Convolutions with the mean and variance of what they make, and the normalisation that these are
 * for: the kernels against the portable ones by one, two and three threads. */
#include "support/kernel_check.h"
#include "op/fused_convolve.h"
#include "op/op_table.h"

#if FATHOM_HAVE_FAST

#define WINDOW(stride, padding, groups_)                                                           \
    {                                                                                              \
        {                                                                                          \
            {2, {stride, stride}}, {2, {1, 1}}, {2, {padding, padding}}, {2, {padding, padding}},  \
                groups_                                                                            \
        }                                                                                          \
    }

/* The windows' sums are of as many as 1,800 numbers, Winograd's of larger ones. */
static const double near = 2e-5;

static const struct {
    const char *inputs;
    fm_fused_convolve_attributes attributes;
} convolutions[] = {
    /* Winograd's: tiles that end outside, few for three threads, several blocks, a large kernel */
    {"f(2,9,13,16) f(3,3,16,20)", {.convolve = WINDOW(1, 1, 1)}},
    {"f(6,8,8,64) f(3,3,64,64)", {.convolve = WINDOW(1, 1, 1)}},
    {"f(3,33,31,8) f(3,3,8,8)", {.convolve = WINDOW(1, 1, 1)}},
    {"f(2,25,27,40) f(3,3,40,72) f(72)", {.convolve = WINDOW(1, 0, 1), .bias = true}},
    {"f(16,14,14,200) f(3,3,200,72)", {.convolve = WINDOW(1, 1, 1)}},
    {"f(2,20,20,16) f(3,3,16,32) f(32) f(2,20,20,32)",
     {.convolve = WINDOW(1, 1, 1), .bias = true, .residual = true, .activation = FM_FUSED_RELU}},
    /* the definition's: one and more panels, an edge in a vector, strides, groups */
    {"f(2,14,14,64) f(1,1,64,96)", {.convolve = WINDOW(1, 0, 1)}},
    {"f(8,28,28,32) f(1,1,32,70)", {.convolve = WINDOW(1, 0, 1)}},
    {"f(3,7,5,17) f(1,1,17,33)", {.convolve = WINDOW(1, 0, 1)}},
    {"f(1,1,1,5) f(1,1,5,3)", {.convolve = WINDOW(1, 0, 1)}},
    {"f(3,31,30,3) f(3,3,3,24)", {.convolve = WINDOW(2, 1, 1)}},
    {"f(2,14,15,24) f(3,3,8,66)", {.convolve = WINDOW(1, 1, 3)}},
    {"f(2,18,18,16) f(3,3,16,24)", {.convolve = WINDOW(1, 1, 1), .activation = FM_FUSED_SILU}},
    {"f(2,16,16,16) f(1,1,16,64) f(64) f(2,16,16,64)",
     {.convolve = WINDOW(1, 0, 1), .bias = true, .residual = true}},
    /* each channel by itself */
    {"f(2,9,9,40) f(3,3,1,40)", {.convolve = WINDOW(1, 1, 40)}},
    {"f(4,30,30,19) f(3,3,1,19) f(19)",
     {.convolve = WINDOW(2, 1, 19), .bias = true, .activation = FM_FUSED_RELU6}},
    {"f(3,8,8,64) f(3,3,1,64)", {.convolve = WINDOW(1, 1, 64), .activation = FM_FUSED_TANH}},
};

enum { CONVOLUTIONS = sizeof convolutions / sizeof *convolutions };

static void means_and_variances(void **state)
{
    for (int i = 0; i < CONVOLUTIONS; i++) {
        check_kernels_on(*state, &fm_op_convolve_moments, &convolutions[i].attributes,
                         convolutions[i].inputs, near);
    }
}

static void one_dimension(void **state)
{
    const fm_fused_convolve_attributes a = {
        .convolve = {.window = {{1, {1}}, {1, {1}}, {1, {1}}, {1, {1}}, 1}}};
    check_kernels_on(*state, &fm_op_convolve_moments, &a, "f(3,70,5) f(3,5,37)", near);
}

/* A mean thousands of times the deviation: E[y^2] - mean^2 would have no correct digit in f32. */
static void nothing_cancels(void **state)
{
    static const struct {
        const char *inputs;
        fm_fused_convolve_attributes attributes;
    } rows[] = {
        {"f(3,33,31,8) f(3,3,8,8) f(8)", {.convolve = WINDOW(1, 1, 1), .bias = true}},
        {"f(8,28,28,32) f(1,1,32,70) f(70)", {.convolve = WINDOW(1, 0, 1), .bias = true}},
        {"f(4,30,30,19) f(3,3,1,19) f(19)", {.convolve = WINDOW(2, 1, 19), .bias = true}},
    };
    fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        op_case parsed = op_case_parse(rows[i].inputs);
        op_job job = op_job_make(f, &fm_op_convolve_moments, &rows[i].attributes, &parsed);
        const int64_t channels = parsed.inputs[2].shape.dims[0];
        for (int64_t k = fm_shape_elements(parsed.inputs[1].shape); k-- > 0;) {
            job.values[1][k] /= 4;
        }
        for (int64_t k = 0; k < channels; k++) job.values[2][k] = k % 2 ? 4000 : -4000;
        check_kernels(f, &job, 1e-4); /* y itself is known to 2.4e-4 */
        op_result exact = op_job_run(f, &job, FM_F64, "portable", 1);
        op_result fast = op_job_run(f, &job, FM_F32, NULL, 2);
        for (int64_t k = 0; k < channels; k++) {
            assert_true(exact.values[2][k] < 16);
            assert_near(fast.values[2][k] / exact.values[2][k], 1, 1e-4);
        }
        op_result_release(f, &exact);
        op_result_release(f, &fast);
        op_job_release(f, &job);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(means_and_variances),
        fixture_test(one_dimension),
        fixture_test(nothing_cancels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
