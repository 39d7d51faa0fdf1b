/* Statistics that convolutions make for the normalisations behind them: where they do, and that the
 * numbers are those of programs without. */
#include "support/fixture.h"

#include "base/random.h"
#include "fathom/backend.h"
#include "fathom/ops.h"
#include "fathom/program.h"
#include "fathom/vision_ops.h"

enum { N = 4, SIDE = 12, CHANNELS = 32, MOST = 24 };

typedef struct builder {
    fm_graph *g;
    fm_val parameters[MOST], statistic;
    int count;
} builder;

static fm_status fill(fm_context *context, const fm_initializer *self, fm_dtype dtype,
                      fm_shape shape, uint64_t seed, uint32_t stream, void *elements)
{
    (void)context, (void)self, (void)dtype;
    fm_random random = fm_random_at(seed, 0, stream);
    for (int64_t i = fm_shape_elements(shape); i-- > 0;) {
        ((float *)elements)[i] = (float)fm_random_range(&random, -0.3, 0.5);
    }
    return FM_OK;
}

static fm_val parameter(builder *b, fm_shape shape)
{
    char name[16];
    snprintf(name, sizeof name, "p%d", b->count);
    const fm_variable_options options = {.initializer = {.name = "test", .fill = fill}};
    return b->parameters[b->count++] = fm_variable(b->g, name, FM_F32, shape, &options);
}

/* Its statistics are read as a layer does. */
static fm_val normalized(builder *b, fm_val x)
{
    fm_val mean, rstd, gamma = parameter(b, FM_SHAPE(CHANNELS));
    fm_val beta = parameter(b, FM_SHAPE(CHANNELS));
    fm_val y = fm_normalize_over(b->g, x, gamma, beta, (fm_ints){3, {0, 1, 2}}, 1e-3, &mean, &rstd);
    fm_val read = fm_sum(b->g, fm_mul(b->g, mean, rstd), (fm_ints){0}, 0);
    b->statistic = b->statistic.id ? fm_add(b->g, b->statistic, read) : read;
    return y;
}

static fm_val convolved(builder *b, fm_val x, int64_t size, int64_t stride, int64_t groups)
{
    const int64_t pad = size / 2;
    const fm_window window = {.strides = {2, {stride, stride}},
                              .padding_begin = {2, {pad, pad}},
                              .padding_end = {2, {pad, pad}},
                              .groups = groups};
    fm_val kernel = parameter(b, FM_SHAPE(size, size, CHANNELS / groups, CHANNELS));
    return fm_convolve(b->g, x, kernel, &window);
}

/* Behind Winograd's, one with a bias, one of single channels, one with strides; a residual sum; of
 * two normalisations that read one convolution the second, and one that reads a sum, make their
 * own. */
static fm_val network(builder *b, fm_val x)
{
    fm_graph *g = b->g;
    x = fm_relu(g, normalized(b, convolved(b, x, 3, 1, 1)));
    fm_val bias = parameter(b, FM_SHAPE(CHANNELS));
    fm_val y = fm_relu6(g, normalized(b, fm_add(g, convolved(b, x, 1, 1, 1), bias)));
    y = normalized(b, convolved(b, y, 3, 1, CHANNELS));
    x = fm_relu(g, fm_add(g, y, x));
    y = convolved(b, x, 3, 2, 1);
    y = fm_mul(g, normalized(b, y), fm_sigmoid(g, normalized(b, y)));
    return normalized(b, fm_add(g, y, fm_square(g, y)));
}

enum { FED = 4, OWN = 2 };

static fm_graph *build(fm_context *context)
{
    builder b = {0};
    fm_val grads[MOST];
    assert_ok(context, fm_graph_create(context, &(fm_graph_options){.mode = FM_TRAIN}, &b.g));
    fm_val y = network(&b, fm_input(b.g, "x", FM_F32, FM_SHAPE(N, SIDE, SIDE, CHANNELS)));
    fm_val weights = fm_input(b.g, "w", FM_F32, fm_val_shape(b.g, y));
    fm_val loss = fm_sum(b.g, fm_mul(b.g, y, weights), (fm_ints){0}, 0);
    fm_grad(b.g, loss, b.parameters, b.count, grads);
    fm_output(b.g, "y", y);
    fm_output(b.g, "statistic", b.statistic);
    for (int i = 0; i < b.count; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%d", i);
        fm_output(b.g, name, grads[i]);
    }
    assert_ok(context, fm_graph_status(b.g));
    return b.g;
}

typedef struct run {
    fm_context *context;
    fm_graph *graph;
    fm_store *store;
    fm_program *program;
} run;

static run execute(fm_context *context, fm_program_options options)
{
    run r = {.context = context, .graph = build(context)};
    assert_ok(context, fm_store_create(context, 5, &r.store));
    assert_ok(context, fm_program_create(r.store, r.graph, &options, &r.program));
    float *x = fm_program_input(r.program, "x"), *w = fm_program_input(r.program, "w");
    for (int i = 0; i < N * SIDE * SIDE * CHANNELS; i++) x[i] = (float)sin(i * 1.7);
    for (int i = 0; i < N * SIDE * SIDE * CHANNELS / 4; i++) w[i] = (float)cos(i * 2.3);
    assert_ok(context, fm_program_run(r.program));
    return r;
}

static void finish(run *r)
{
    fm_program_destroy(r->program);
    fm_store_destroy(r->store);
    fm_graph_destroy(r->graph);
}

/* All outputs, as shares of each one's largest number, at least 1; 0: the same bits. */
static void compare(const run *a, const run *b, double tolerance)
{
    const fm_val none = {0};
    for (int i = -2; i < MOST; i++) {
        char name[16];
        snprintf(name, sizeof name, i < -1 ? "y" : i < 0 ? "statistic" : "d%d", i);
        const fm_val value = fm_graph_output(a->graph, name);
        if (value.id == none.id) continue;
        const float *x = fm_program_output(a->program, name);
        const float *y = fm_program_output(b->program, name);
        const int64_t count = fm_shape_elements(fm_val_shape(a->graph, value));
        float largest = 1; /* a bias that a mean takes away again has no gradient but rounding */
        for (int64_t k = 0; k < count; k++) largest = fmaxf(largest, fabsf(x[k]));
        for (int64_t k = 0; k < count; k++) {
            if (fabs((double)x[k] - (double)y[k]) <= tolerance * (double)largest) continue;
            fail_msg("%s, element %lld: %g and %g, the largest is %g", name, (long long)k,
                     (double)x[k], (double)y[k], (double)largest);
        }
    }
}

static int occurrences(const run *r, const char *word)
{
    char *text;
    int count = 0;
    assert_ok(r->context, fm_program_print(r->program, false, &text));
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word)) count++;
    fm_text_free(r->context, text);
    return count;
}

static void numbers_are_the_same(void **state)
{
    fixture *f = *state;
    const char *portable[] = {"portable", NULL};
    run whole = execute(f->context, (fm_program_options){.no_fusion = true, .backends = portable});
    run parts = execute(f->context, (fm_program_options){.backends = portable});
    run fast = execute(f->context, (fm_program_options){0});
    assert_int_equal(occurrences(&whole, " convolve_moments("), 0);
    assert_int_equal(occurrences(&parts, " convolve_moments("), FED);
    assert_int_equal(occurrences(&fast, " convolve_moments("), FED);
    assert_int_equal(occurrences(&fast, " normalize_by_moments("), FED);
    assert_int_equal(occurrences(&fast, " normalize("), OWN);
    compare(&whole, &parts, 2e-4);
    compare(&whole, &fast, 2e-4);
    finish(&whole);
    finish(&parts);
    finish(&fast);
}

static void threads_change_no_bit(void **state)
{
    fixture *f = *state;
    run one = execute(fixture_context(f, 1), (fm_program_options){0});
    for (int threads = 2; threads <= 4; threads++) {
        run more = execute(fixture_context(f, threads), (fm_program_options){0});
        compare(&one, &more, 0);
        finish(&more);
        fm_context_destroy(more.context);
    }
    finish(&one);
    fm_context_destroy(one.context);
}

/* Products of bf16 have no such kernel and stay as they are: all but the 3x3 windows at every pixel
 * and the single channels. */
static void without_a_kernel_nothing_changes(void **state)
{
    fixture *f = *state;
    if (!fm_backend_find("cpu.avx512") && !fm_backend_find("cpu.avx2")) return;
    run bf16 = execute(f->context, (fm_program_options){.precision = FM_PRECISION_BF16});
    assert_int_equal(occurrences(&bf16, " convolve_moments("), 2);
    assert_int_equal(occurrences(&bf16, " normalize_by_moments("), 2);
    finish(&bf16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(numbers_are_the_same),
        fixture_test(threads_change_no_bit),
        fixture_test(without_a_kernel_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
