/* Batch normalisation with what surrounds it, fused: fewer steps, the same numbers. */
#include "support/fixture.h"

#include "base/random.h"
#include "fathom/ops.h"
#include "fathom/program.h"
#include "fathom/vision_ops.h"

enum { N = 3, SIDE = 8, CHANNELS = 5, PARAMETERS = 15 };

static fm_status fill(fm_context *context, const fm_initializer *self, fm_dtype dtype,
                      fm_shape shape, uint64_t seed, uint32_t stream, void *elements)
{
    (void)context, (void)self, (void)dtype;
    fm_random random = fm_random_at(seed, 0, stream);
    for (int64_t i = fm_shape_elements(shape); i-- > 0;) {
        ((float *)elements)[i] = (float)fm_random_range(&random, -1, 1);
    }
    return FM_OK;
}

static fm_val parameter(fm_graph *g, fm_shape shape, fm_val *parameters, int *count)
{
    char name[16];
    snprintf(name, sizeof name, "p%d", *count);
    const fm_variable_options options = {.initializer = {.name = "test", .fill = fill}};
    return parameters[(*count)++] = fm_variable(g, name, FM_F32, shape, &options);
}

/* A 1x1 convolution and its normalisation, whose statistics are read at once as a layer does. */
static fm_val unit(fm_graph *g, fm_val x, fm_val *parameters, int *count, fm_val *statistic)
{
    fm_val mean, rstd;
    fm_val kernel = parameter(g, FM_SHAPE(1, 1, CHANNELS, CHANNELS), parameters, count);
    fm_val gamma = parameter(g, FM_SHAPE(CHANNELS), parameters, count);
    fm_val beta = parameter(g, FM_SHAPE(CHANNELS), parameters, count);
    fm_val y = fm_normalize_over(g, fm_convolve(g, x, kernel, NULL), gamma, beta,
                                 (fm_ints){3, {0, 1, 2}}, 1e-3, &mean, &rstd);
    *statistic = fm_add(g, *statistic, fm_sum(g, fm_mul(g, mean, rstd), (fm_ints){0}, 0));
    return y;
}

/* relu(bn), pooled and not; relu(bn + residual); bn + residual with no relu; relu6(bn). */
static fm_graph *build(fixture *f)
{
    fm_graph *g;
    fm_val parameters[PARAMETERS], grads[PARAMETERS];
    int count = 0;
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(N, SIDE, SIDE, CHANNELS));
    fm_val statistic = fm_scalar(g, 0);
    fm_val stem = fm_relu(g, unit(g, x, parameters, &count, &statistic));
    const fm_pool pool = {.kernel_size = {2, {3, 3}},
                          .window = {.strides = {2, {2, 2}}, .padding_begin = {2, {1, 1}}}};
    fm_val pooled = fm_max_pool(g, stem, &pool);
    fm_val block = fm_relu6(g, unit(g, pooled, parameters, &count, &statistic));
    block = fm_relu(g, unit(g, block, parameters, &count, &statistic));
    block = unit(g, block, parameters, &count, &statistic);
    block = fm_relu(g, fm_add(g, block, pooled));
    block = fm_add(g, block, unit(g, block, parameters, &count, &statistic));
    fm_val loss = fm_sum(g, fm_square(g, block), (fm_ints){0}, 0);
    fm_grad(g, loss, parameters, count, grads);
    fm_output(g, "loss", loss);
    fm_output(g, "statistic", statistic);
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%d", i);
        fm_output(g, name, grads[i]);
    }
    assert_ok(f->context, fm_graph_status(g));
    return g;
}

typedef struct run {
    fm_store *store;
    fm_program *program;
} run;

static run execute(fixture *f, const fm_graph *graph, fm_program_options options)
{
    run r;
    assert_ok(f->context, fm_store_create(f->context, 5, &r.store));
    assert_ok(f->context, fm_program_create(r.store, graph, &options, &r.program));
    float *x = fm_program_input(r.program, "x");
    for (int i = 0; i < N * SIDE * SIDE * CHANNELS; i++) x[i] = (float)sin(i * 1.7);
    assert_ok(f->context, fm_program_run(r.program));
    return r;
}

static void finish(run *r)
{
    fm_program_destroy(r->program);
    fm_store_destroy(r->store);
}

static void compare(const fm_graph *graph, const run *a, const run *b)
{
    static const char *const names[] = {"loss", "statistic", "d0",  "d1",  "d2", "d3",
                                        "d4",   "d5",        "d6",  "d7",  "d8", "d9",
                                        "d10",  "d11",       "d12", "d13", "d14"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const float *x = fm_program_output(a->program, names[i]);
        const float *y = fm_program_output(b->program, names[i]);
        const int64_t count =
            fm_shape_elements(fm_val_shape(graph, fm_graph_output(graph, names[i])));
        float largest = 1;
        for (int64_t k = 0; k < count; k++) largest = fmaxf(largest, fabsf(x[k]));
        for (int64_t k = 0; k < count; k++) assert_near(x[k], y[k], 2e-5 * (double)largest);
    }
}

static void fused_equals_unfused(void **state)
{
    fixture *f = *state;
    const char *portable[] = {"portable", NULL};
    fm_graph *graph = build(f);
    run whole = execute(f, graph, (fm_program_options){.backends = portable, .no_fusion = true});
    run fused = execute(f, graph, (fm_program_options){.backends = portable});
    run fast = execute(f, graph, (fm_program_options){0});
    compare(graph, &whole, &fused);
    compare(graph, &whole, &fast);
    finish(&whole);
    finish(&fused);
    finish(&fast);
    fm_graph_destroy(graph);
}

static int occurrences(const char *text, const char *word)
{
    int count = 0;
    for (; (text = strstr(text, word)); text += strlen(word)) count++;
    return count;
}

/* All normalisations become fused ones, forward; backward one has nothing to mask, and
 * relu's gradient on the pooled tensor goes into the convolution in front of it. */
static void few_steps_remain(void **state)
{
    fixture *f = *state;
    char *text;
    fm_graph *graph = build(f);
    run fused = execute(f, graph, (fm_program_options){0});
    assert_ok(f->context, fm_program_print(fused.program, false, &text));
    const bool right = occurrences(text, " normalize_by_moments(") == 5 &&
                       occurrences(text, " fused_normalize_grad(") == 2 &&
                       occurrences(text, " fused_normalize_add_grad(") == 1 &&
                       occurrences(text, " normalize(") == 0 && occurrences(text, " relu(") == 0 &&
                       occurrences(text, " relu_grad(") == 0 && occurrences(text, " relu6(") == 0 &&
                       occurrences(text, "relu6_grad(") == 0;
    if (!right) fail_msg("%s", text);
    fm_text_free(f->context, text);
    finish(&fused);
    fm_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(fused_equals_unfused),
        fixture_test(few_steps_remain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
