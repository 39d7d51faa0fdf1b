/* Convolutions with operands rounded to bf16 against the portable kernels: both adjoints, strides,
 * dilations, paddings, odd channels and everything that is fused behind them, by one, two and three
 * threads; which convolutions round, as autocast.h says. */
#include "support/graphs.h"
#include "support/kernel_check.h"
#include "fathom/ops.h"
#include "op/fused_convolve.h"
#include "op/op_table.h"
#include "backend/backends.h"
#include "fathom/nn_vision.h"
#include "fathom/optimizer.h"
#include "fathom/vision_ops.h"
#include "run/store.h"

#if FATHOM_HAVE_FAST

static const double near = 5e-6; /* of the largest result: sums of exact products */

typedef struct layer {
    int n, size[2], channels, filters, kernel[2], stride, dilation, begin, end, groups;
} layer;

static const layer layers[] = {
    {2, {14, 12}, 48, 32, {3, 3}, 2, 1, 1, 1, 1},
    {1, {15, 15}, 32, 48, {3, 3}, 2, 1, 0, 1, 1},
    {2, {9, 8}, 64, 40, {1, 1}, 2, 1, 0, 0, 1},
    {1, {29, 30}, 3, 64, {7, 7}, 2, 1, 3, 3, 1},
    {2, {11, 11}, 5, 37, {5, 5}, 1, 1, 2, 2, 1},
    {1, {16, 13}, 39, 32, {3, 3}, 1, 2, 2, 2, 1},
    {1, {10, 21}, 33, 51, {3, 3}, 3, 1, 0, 0, 1},
    {3, {6, 7}, 44, 100, {2, 4}, 1, 1, 1, 0, 1},
    {1, {12, 12}, 40, 36, {1, 3}, 1, 1, 0, 0, 1},
    {1, {8, 9}, 130, 35, {2, 2}, 4, 1, 0, 0, 1},
    {2, {13, 9}, 47, 66, {3, 3}, 2, 3, 3, 1, 1},
    {1, {5, 5}, 64, 64, {3, 3}, 4, 1, 2, 2, 1},
    {4, {40, 40}, 34, 129, {3, 3}, 2, 1, 1, 1, 1},
    /* small images, much of whose windows is padding */
    {6, {1, 1}, 48, 64, {3, 3}, 1, 1, 1, 1, 1},
    {5, {1, 1}, 33, 35, {3, 3}, 1, 1, 1, 1, 1},
    {60, {2, 2}, 64, 96, {3, 3}, 1, 1, 1, 1, 1},
    {61, {2, 2}, 35, 40, {3, 3}, 1, 1, 1, 1, 1},
    {70, {2, 2}, 40, 37, {3, 3}, 2, 1, 1, 1, 1},
    {90, {4, 3}, 34, 50, {3, 3}, 2, 1, 1, 1, 1},
    {80, {2, 3}, 36, 34, {5, 3}, 1, 1, 2, 2, 1},
    {80, {3, 3}, 32, 33, {3, 3}, 1, 2, 2, 2, 1},
    {40, {2, 1}, 440, 34, {3, 3}, 1, 1, 1, 1, 1},
    /* groups */
    {2, {9, 8}, 80, 96, {3, 3}, 2, 1, 1, 1, 2},
    {1, {7, 9}, 99, 105, {5, 5}, 1, 1, 2, 2, 3},
    {40, {2, 2}, 64, 70, {3, 3}, 1, 1, 1, 1, 2},
};
enum { LAYERS = sizeof layers / sizeof *layers };

static int groups_of(const layer *l)
{
    return l->groups > 1 ? l->groups : 1;
}

static int extent(const layer *l, int d)
{
    const int reach = (l->kernel[d] - 1) * l->dilation + 1;
    return (l->size[d] + l->begin + l->end - reach) / l->stride + 1;
}

static fm_convolve_attributes attributes_of(const layer *l, fm_ints size)
{
    return (fm_convolve_attributes){.window = {.strides = {2, {l->stride, l->stride}},
                                               .dilations = {2, {l->dilation, l->dilation}},
                                               .padding_begin = {2, {l->begin, l->begin}},
                                               .padding_end = {2, {l->end, l->end}},
                                               .groups = groups_of(l)},
                                    .size = size};
}

/* What the letters x, k, y and b of `wanted` stand for, as op_case_parse reads it. */
static void describe(const layer *l, const char *wanted, char *text, size_t room)
{
    size_t at = 0;
    for (const char *w = wanted; *w; w++) {
        const char *space = at ? " " : "";
        if (*w == 'x') {
            at += (size_t)snprintf(text + at, room - at, "%sf(%d,%d,%d,%d)", space, l->n,
                                   l->size[0], l->size[1], l->channels);
        } else if (*w == 'k') {
            at += (size_t)snprintf(text + at, room - at, "%sf(%d,%d,%d,%d)", space, l->kernel[0],
                                   l->kernel[1], l->channels / groups_of(l), l->filters);
        } else if (*w == 'y') {
            at += (size_t)snprintf(text + at, room - at, "%sf(%d,%d,%d,%d)", space, l->n,
                                   extent(l, 0), extent(l, 1), l->filters);
        } else {
            at += (size_t)snprintf(text + at, room - at, "%sf(%d)", space,
                                   *w == 'b' ? l->filters : l->channels);
        }
    }
}

static void check(fixture *f, const layer *l, const fm_op *op, const void *attributes,
                  const char *wanted)
{
    char text[512];
    describe(l, wanted, text, sizeof text);
    op_case parsed = op_case_parse(text);
    op_job job = op_job_make(f, op, attributes, &parsed);
    job.precision = FM_PRECISION_BF16;
    op_result fast = op_job_run(f, &job, FM_F32, NULL, 1);
    if (!strstr(fast.kernel, "bf16")) fail_msg("%s ran on %s", text, fast.kernel);
    op_result_release(f, &fast);
    check_kernels(f, &job, near);
    if (op == &fm_op_convolve || op == &fm_op_convolve_transposed) {
        job.variable_input = 1;
        check_kernels(f, &job, near);
    }
    op_job_release(f, &job);
}

static void by_definition(void **state)
{
    for (int i = 0; i < LAYERS; i++) {
        const layer *l = &layers[i];
        const fm_convolve_attributes forward = attributes_of(l, (fm_ints){0});
        const fm_convolve_attributes adjoint =
            attributes_of(l, (fm_ints){2, {l->size[0], l->size[1]}});
        const fm_convolve_attributes gradient =
            attributes_of(l, (fm_ints){2, {l->kernel[0], l->kernel[1]}});
        check(*state, l, &fm_op_convolve, &forward, "xk");
        check(*state, l, &fm_op_convolve_kernel_grad, &gradient, "xy");
        check(*state, l, &fm_op_convolve_grad, &gradient, "xy");
        if (l->channels / groups_of(l) < 32) continue;
        check(*state, l, &fm_op_convolve_transposed, &adjoint, "yk");
    }
}

static void with_all_that_is_fused(void **state)
{
    for (int i = 0; i < LAYERS; i++) {
        const layer *l = &layers[i];
        fm_fused_convolve_attributes a = {.convolve = attributes_of(l, (fm_ints){0}), .bias = true};
        check(*state, l, &fm_op_fused_convolve, &a, "xkb");
        a.activation = i % 2 ? FM_FUSED_RELU : FM_FUSED_GELU;
        check(*state, l, &fm_op_fused_convolve, &a, "xkb");
        a.residual = true;
        check(*state, l, &fm_op_fused_convolve, &a, "xkby");
        if (l->channels / groups_of(l) < 32) continue;
        a = (fm_fused_convolve_attributes){
            .convolve = attributes_of(l, (fm_ints){2, {l->size[0], l->size[1]}}), .mask = true};
        check(*state, l, &fm_op_fused_convolve_transposed, &a, "ykx");
        a.residual = true;
        check(*state, l, &fm_op_fused_convolve_transposed, &a, "ykxx");
        a = (fm_fused_convolve_attributes){.convolve = a.convolve,
                                           .bias = true,
                                           .activation = i % 2 ? FM_FUSED_SILU : FM_FUSED_RELU};
        check(*state, l, &fm_op_fused_convolve_transposed, &a, "ykc");
    }
}

static void one_dimension(void **state)
{
    const fm_convolve_attributes a = {.window = {.strides = {1, {2}},
                                                 .dilations = {1, {1}},
                                                 .padding_begin = {1, {2}},
                                                 .padding_end = {1, {1}},
                                                 .groups = 1}};
    op_case parsed = op_case_parse("f(3,50,12) f(5,12,33)");
    op_job job = op_job_make(*state, &fm_op_convolve, &a, &parsed);
    job.precision = FM_PRECISION_BF16;
    check_kernels(*state, &job, near);
    op_job_release(*state, &job);
}

/* ---- kernels in panels, whose gradients are as well ----------------------------------------- */

enum { IMAGES = 40, MOST_WEIGHTS = 9 * 40 * 48 };

typedef struct training {
    fm_context *context;
    fm_graph *graph;
    fm_store *store;
    fm_program *program;
} training;

/* Two layers: 2x2 pixels to 2x2, and to one. */
static training train(fixture *f, const char *backend)
{
    const char *const backends[] = {backend, NULL};
    const fm_program_options options = {.backends = backends, .precision = FM_PRECISION_BF16};
    training t = {.context = fixture_context(f, 2)};
    assert_ok(t.context,
              fm_graph_create(t.context, &(fm_graph_options){.mode = FM_TRAIN}, &t.graph));
    fm_val x = fm_input(t.graph, "x", FM_F32, FM_SHAPE(IMAGES, 2, 2, 34));
    x = fm_conv2d(t.graph, x, .filters = 40, .kernel_size = {1, {3}}, .padding = FM_PADDING_SAME,
                  .no_bias = true);
    x = fm_conv2d(t.graph, x, .filters = 48, .kernel_size = {1, {3}}, .padding = FM_PADDING_SAME,
                  .strides = {1, {2}}, .no_bias = true);
    const fm_val loss = fm_mean(t.graph, fm_square(t.graph, x), (fm_ints){0}, false);
    fm_minimize(t.graph, loss, .rule = FM_SGD);
    fm_output(t.graph, "loss", loss);
    assert_ok(t.context, fm_store_create(t.context, 5, &t.store));
    assert_ok(t.context, fm_program_create(t.store, t.graph, &options, &t.program));
    float *at = fm_program_input(t.program, "x");
    for (int i = 0; i < IMAGES * 4 * 34; i++) at[i] = (float)(i * 37 % 101) / 50 - 1;
    *(float *)fm_program_input(t.program, FM_LEARNING_RATE) = 1;
    for (int step = 0; step < 3; step++) assert_ok(t.context, fm_program_run(t.program));
    return t;
}

static void end(training *t)
{
    fm_program_destroy(t->program);
    fm_store_destroy(t->store);
    fm_graph_destroy(t->graph);
    fm_context_destroy(t->context);
}

static void kernels_train_in_panels(void **state)
{
    static float wanted[MOST_WEIGHTS], got[MOST_WEIGHTS];
    training plain = train(*state, "portable");
    for (int i = 0; fm_cpu_backend_at(i); i++) {
        training fast = train(*state, fm_cpu_backend_at(i)->name);
        for (int k = 0; k < fm_store_count(plain.store); k++) {
            const fm_variable_info info = fm_store_info(plain.store, k);
            const int64_t count = fm_shape_elements(info.shape);
            if (info.dtype != FM_F32 || info.shape.rank != 4) continue;
            assert_true(count <= MOST_WEIGHTS);
            assert_non_null(fast.store->variables[k].layout.type);
            assert_ok(plain.context, fm_store_read(plain.store, k, wanted));
            assert_ok(fast.context, fm_store_read(fast.store, k, got));
            for (int64_t j = 0; j < count; j++) assert_true(fabsf(wanted[j] - got[j]) < 2e-5f);
        }
        end(&fast);
    }
    end(&plain);
}

static bool is_rounded(fixture *f, const char *text, fm_window window)
{
    const fm_convolve_attributes a = {.window = window};
    op_case parsed = op_case_parse(text);
    op_job job = op_job_make(f, &fm_op_convolve, &a, &parsed);
    job.precision = FM_PRECISION_BF16;
    op_result fast = op_job_run(f, &job, FM_F32, NULL, 1);
    const bool rounded = strstr(fast.kernel, "bf16") != NULL;
    op_result_release(f, &fast);
    op_job_release(f, &job);
    return rounded;
}

static void which_round(void **state)
{
    const fm_window usual = {.strides = {2, {1, 1}},
                             .dilations = {2, {1, 1}},
                             .padding_begin = {2, {0, 0}},
                             .padding_end = {2, {0, 0}},
                             .groups = 1};
    fm_window strided = usual, grouped = usual;
    strided.strides.at[1] = 2;
    grouped.groups = 2;
    assert_false(is_rounded(*state, "f(6,8,8,16) f(3,3,16,32)", usual));
    assert_true(is_rounded(*state, "f(1,8,8,16) f(3,3,16,32)", strided));
    assert_true(is_rounded(*state, "f(1,8,8,16) f(3,2,16,32)", usual));
    assert_false(is_rounded(*state, "f(1,8,8,16) f(3,2,16,31)", usual));
    assert_true(is_rounded(*state, "f(1,8,8,2) f(4,4,2,32)", usual));
    assert_false(is_rounded(*state, "f(1,8,8,1) f(4,4,1,32)", usual));
    assert_false(is_rounded(*state, "f(1,8,8,32) f(3,2,16,32)", grouped));
    assert_true(is_rounded(*state, "f(1,8,8,32) f(3,2,16,64)", grouped));
    assert_true(is_rounded(*state, "f(1,8,8,32) f(3,3,16,64)", grouped));
    fm_window padded = usual;
    padded.padding_begin = padded.padding_end = (fm_ints){2, {1, 1}};
    assert_true(is_rounded(*state, "f(64,2,2,32) f(3,3,32,32)", padded));
    assert_true(is_rounded(*state, "f(64,3,3,32) f(3,3,32,32)", padded));
    assert_false(is_rounded(*state, "f(64,4,4,32) f(3,3,32,32)", padded));
    assert_false(is_rounded(*state, "f(16,7,7,32) f(3,3,32,32)", padded));
    assert_true(is_rounded(*state, "f(5,7,7,32) f(3,3,32,32)", padded));
    assert_true(is_rounded(*state, "f(6,8,8,601) f(3,3,601,600)", padded));
    assert_false(is_rounded(*state, "f(6,8,8,600) f(3,3,600,600)", padded));
}

/* A kernel that a variable holds and does not change, and the gradients of both operands. */
static void build_small_images(fm_graph *g, const void *argument)
{
    fm_val grads[2];
    (void)argument;
    const fm_window window = {.strides = {2, {1, 1}},
                              .padding_begin = {2, {1, 1}},
                              .padding_end = {2, {1, 1}},
                              .groups = 1};
    const fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(34, 2, 2, 32));
    const fm_val kernel = fm_variable(g, "kernel", FM_F32, FM_SHAPE(3, 3, 32, 32), NULL);
    const fm_val y = fm_convolve(g, x, kernel, &window);
    fm_grad(g, fm_sum(g, fm_square(g, y), (fm_ints){0}, false), (fm_val[]){x, kernel}, 2, grads);
    fm_output(g, "dx", grads[0]);
    fm_output(g, "dkernel", grads[1]);
}

static void memory_may_run_out(void **state)
{
    const graph_trial trial = {.build = build_small_images,
                               .program = {.precision = FM_PRECISION_BF16}};
    assert_true(fail_each_allocation_of(*state, &trial) > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(by_definition),           fixture_test(with_all_that_is_fused),
        fixture_test(one_dimension),           fixture_test(which_round),
        fixture_test(kernels_train_in_panels), fixture_test(memory_may_run_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
