/* oneDNN's convolutions against the portable ones, on layers of real networks with fewer channels
 * and images, and their bits by one, two and three threads. */
#include "support/op_job.h"
#include "op/fused_convolve.h"
#include "op/op_table.h"

/* Sizes of x, the kernel, strides and so on; the same in both spatial dimensions. */
typedef struct layer {
    int n, side, channels, filters, kernel, stride, begin, end, dilation, groups;
} layer;

static const layer layers[] = {
    {2, 23, 3, 64, 7, 2, 3, 3, 1, 1},  /* ResNet's first */
    {4, 14, 32, 64, 1, 1, 0, 0, 1, 1}, /* its bottlenecks */
    {3, 14, 32, 48, 1, 2, 0, 0, 1, 1},  {2, 14, 32, 32, 3, 1, 1, 1, 1, 1},
    {4, 15, 16, 32, 3, 2, 1, 1, 1, 1},  {1, 14, 16, 32, 3, 2, 0, 1, 1, 1},
    {2, 31, 3, 24, 11, 4, 2, 2, 1, 1}, /* AlexNet's first, and its groups */
    {4, 9, 32, 64, 5, 1, 2, 2, 1, 2},   {2, 9, 16, 8, 5, 1, 2, 2, 1, 1},
    {4, 10, 32, 32, 3, 1, 1, 1, 1, 32}, /* MobileNet's depthwise */
    {2, 11, 48, 48, 3, 2, 1, 1, 1, 48}, {4, 12, 16, 32, 3, 1, 2, 2, 2, 1}, /* dilated */
    {2, 20, 16, 16, 3, 1, 4, 4, 4, 1},  {5, 9, 17, 19, 3, 1, 1, 1, 1, 1},
};

enum { LAYERS = sizeof layers / sizeof *layers };

static int outputs_of(const layer *l)
{
    const int reach = (l->kernel - 1) * l->dilation + 1;
    return (l->side + l->begin + l->end - reach) / l->stride + 1;
}

static fm_fused_convolve_attributes attributes_of(const layer *l, const fm_op *op)
{
    fm_fused_convolve_attributes a = {
        .convolve.window = {.strides = {2, {l->stride, l->stride}},
                            .dilations = {2, {l->dilation, l->dilation}},
                            .padding_begin = {2, {l->begin, l->begin}},
                            .padding_end = {2, {l->end, l->end}},
                            .groups = l->groups}};
    const bool kernel = op == &fm_op_convolve_kernel_grad || op == &fm_op_convolve_grad;
    const int size = kernel ? l->kernel : l->side;
    a.convolve.size = (fm_ints){2, {size, size}};
    return a;
}

static void compare(const op_job *job, const op_result *wanted, const op_result *got,
                    double tolerance)
{
    for (int k = 0; k < wanted->count; k++) {
        double largest = 1;
        for (int64_t i = 0; i < wanted->elements[k]; i++) {
            largest = fmax(largest, fabs(wanted->values[k][i]));
        }
        for (int64_t i = 0; i < wanted->elements[k]; i++) {
            const double a = wanted->values[k][i], b = got->values[k][i];
            if (a == b || fabs(a - b) <= tolerance * largest) continue;
            char shape[FM_SHAPE_TEXT];
            fail_msg("%s %s, output %d, element %lld: %.9g instead of %.9g", job->op->name,
                     fm_shape_text(job->inputs.inputs[0].shape, shape), k, (long long)i, b, a);
        }
    }
}

/* Without AVX-512 (valgrind, older processors) oneDNN offers fewer. */
static bool offers_all(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bw");
#else
    return false;
#endif
}

/* false: oneDNN has no kernel for it. */
static bool check(fixture *f, const fm_op *op, const void *attributes, const char *inputs)
{
    op_case parsed = op_case_parse(inputs);
    op_job job = op_job_make(f, op, attributes, &parsed);
    op_result one = op_job_run(f, &job, FM_F32, "onednn", 1);
    const bool offered = strncmp(one.kernel, "onednn.", 7) == 0;
    if (offered) {
        op_result wanted = op_job_run(f, &job, FM_F64, "portable", 1);
        compare(&job, &wanted, &one, 1e-5); /* its activations add some 1e-6 */
        op_result_release(f, &wanted);
        for (int threads = fixture_least_threads(); threads <= 3; threads++) {
            op_result many = op_job_run(f, &job, FM_F32, "onednn", threads);
            compare(&job, &one, &many, 0);
            op_result_release(f, &many);
        }
    }
    op_result_release(f, &one);
    op_job_release(f, &job);
    return offered;
}

static void offered(fixture *f, const fm_op *op, const void *attributes, const char *inputs)
{
    if (check(f, op, attributes, inputs) || !offers_all()) return;
    fail_msg("%s %s is not offered", op->name, inputs);
}

typedef struct texts {
    char x[32], kernel[32], y[32];
} texts;

static texts texts_of(const layer *l)
{
    texts t;
    const int y = outputs_of(l);
    snprintf(t.x, sizeof t.x, "f(%d,%d,%d,%d)", l->n, l->side, l->side, l->channels);
    snprintf(t.kernel, sizeof t.kernel, "f(%d,%d,%d,%d)", l->kernel, l->kernel,
             l->channels / l->groups, l->filters);
    snprintf(t.y, sizeof t.y, "f(%d,%d,%d,%d)", l->n, y, y, l->filters);
    return t;
}

static void skip_unless_offered(fixture *f)
{
    const fm_fused_convolve_attributes a = attributes_of(&layers[1], &fm_op_convolve);
    if (!check(f, &fm_op_convolve, &a.convolve, "f(4,14,14,32) f(1,1,32,64)")) skip();
}

static void layers_of_networks(void **state)
{
    static const fm_op *const ops[] = {&fm_op_convolve, &fm_op_convolve_transposed,
                                       &fm_op_convolve_kernel_grad, &fm_op_convolve_grad};
    const int step = fixture_is_watched() ? 3 : 1;
    skip_unless_offered(*state);
    for (int i = 0; i < LAYERS; i += step) {
        const texts t = texts_of(&layers[i]);
        char text[128];
        for (int k = 0; k < 4; k++) {
            const fm_fused_convolve_attributes a = attributes_of(&layers[i], ops[k]);
            snprintf(text, sizeof text, "%s %s", k == 1 ? t.y : t.x, k < 2 ? t.kernel : t.y);
            offered(*state, ops[k], &a.convolve, text);
        }
    }
}

static void fused_layers(void **state)
{
    static const int activations[] = {FM_FUSED_NONE, FM_FUSED_RELU, FM_FUSED_SIGMOID,
                                      FM_FUSED_GELU, FM_FUSED_SILU, FM_FUSED_HARD_SWISH};
    const int step = fixture_is_watched() ? 5 : 1;
    skip_unless_offered(*state);
    for (int i = 0; i < LAYERS; i += step) {
        const texts t = texts_of(&layers[i]);
        for (int form = 0; form < 8; form += step) {
            char text[200];
            fm_fused_convolve_attributes a = attributes_of(&layers[i], &fm_op_fused_convolve);
            a.bias = form & 1, a.residual = form & 2, a.mask = form & 4;
            a.activation = a.mask ? FM_FUSED_NONE : activations[(i + form) % 6];
            int at = snprintf(text, sizeof text, "%s %s", t.x, t.kernel);
            if (a.bias) {
                at += snprintf(text + at, sizeof text - (size_t)at, " f(%d)", layers[i].filters);
            }
            snprintf(text + at, sizeof text - (size_t)at, " %s %s", a.residual ? t.y : "",
                     a.mask ? t.y : "");
            offered(*state, &fm_op_fused_convolve, &a, text);
            a.activation = FM_FUSED_NONE;
            a.bias = false;
            snprintf(text, sizeof text, "%s %s %s %s", t.y, t.kernel, a.residual ? t.x : "",
                     a.mask ? t.x : "");
            offered(*state, &fm_op_fused_convolve_transposed, &a, text);
        }
    }
}

static void one_and_three_dimensions(void **state)
{
    skip_unless_offered(*state);
    const fm_convolve_attributes line = {.window = {.strides = {1, {1}},
                                                    .dilations = {1, {2}},
                                                    .padding_begin = {1, {4}},
                                                    .padding_end = {1, {0}},
                                                    .groups = 1}};
    const fm_convolve_attributes block = {.window = {.strides = {3, {1, 2, 1}},
                                                     .dilations = {3, {1, 1, 1}},
                                                     .padding_begin = {3, {1, 1, 1}},
                                                     .padding_end = {3, {1, 1, 1}},
                                                     .groups = 1}};
    offered(*state, &fm_op_convolve, &line, "f(3,40,16) f(3,16,32)");
    offered(*state, &fm_op_convolve, &block, "f(2,5,8,6,16) f(3,3,3,16,16)");
}

/* relu and masks keep what oneDNN's own would not. */
static void relu_keeps_nan(void **state)
{
    skip_unless_offered(*state);
    fm_fused_convolve_attributes a = attributes_of(&layers[1], &fm_op_fused_convolve);
    a.activation = FM_FUSED_RELU;
    op_case parsed = op_case_parse("f(4,14,14,32) f(1,1,32,64)");
    op_job job = op_job_make(*state, &fm_op_fused_convolve, &a, &parsed);
    job.values[0][5] = NAN;
    op_result result = op_job_run(*state, &job, FM_F32, "onednn", 2);
    for (int i = 0; i < 64; i++) assert_true(isnan(result.values[0][i]));
    assert_false(isnan(result.values[0][64]));
    op_result_release(*state, &result);
    op_job_release(*state, &job);
}

static void refusals(void **state)
{
    const fm_fused_convolve_attributes plain = attributes_of(&layers[1], &fm_op_convolve);
    fm_fused_convolve_attributes softplus = attributes_of(&layers[1], &fm_op_fused_convolve);
    softplus.activation = FM_FUSED_SOFTPLUS;
    assert_false(check(*state, &fm_op_convolve, &plain.convolve, "f(0,14,14,32) f(1,1,32,64)"));
    assert_false(check(*state, &fm_op_fused_convolve, &softplus, "f(4,14,14,32) f(1,1,32,64)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(layers_of_networks),
        fixture_test(fused_layers),
        fixture_test(one_and_three_dimensions),
        fixture_test(relu_keeps_nan),
        fixture_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
