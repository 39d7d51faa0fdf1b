/* Convolutions with what surrounds them, fused: fewer steps, the same numbers. */
#include "support/fixture.h"
#include "base/random.h"
#include "fathom/ops.h"
#include "fathom/program.h"
#include "fathom/vision_ops.h"

#include <math.h>
#include <string.h>

enum { N = 2, SIDE = 6, CHANNELS = 3, FILTERS = 5, RESULTS = 6 };

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

static fm_val parameter(fm_graph *g, const char *name, fm_shape shape)
{
    const fm_variable_options options = {.initializer = {.name = "test", .fill = fill}};
    return fm_variable(g, name, FM_F32, shape, &options);
}

/* relu(conv + bias), relu(conv + bias + residual), and one back to the size of x:
 * all with gradients. */
static fm_graph *build(fixture *f)
{
    static const fm_window same = {.padding_begin = {2, {1, 1}}, .padding_end = {2, {1, 1}}};
    static const fm_window strided = {.strides = {2, {2, 2}}};
    fm_graph *g;
    assert_ok(f->context, fm_graph_create(f->context, NULL, &g));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(N, SIDE, SIDE, CHANNELS));
    fm_val k1 = parameter(g, "k1", FM_SHAPE(3, 3, CHANNELS, FILTERS));
    fm_val k2 = parameter(g, "k2", FM_SHAPE(1, 1, FILTERS, FILTERS));
    fm_val k3 = parameter(g, "k3", FM_SHAPE(2, 2, CHANNELS, FILTERS));
    fm_val b1 = parameter(g, "b1", FM_SHAPE(FILTERS)), b2 = parameter(g, "b2", FM_SHAPE(FILTERS));
    fm_val b3 = parameter(g, "b3", FM_SHAPE(CHANNELS));
    fm_val a = fm_relu(g, fm_add(g, fm_convolve(g, x, k1, &same), b1));
    fm_val b = fm_add(g, b2, fm_convolve(g, a, k2, NULL));
    b = fm_relu(g, fm_add(g, a, b));
    fm_ints size = {2, {2 * SIDE, 2 * SIDE}};
    fm_val c = fm_add(g, fm_convolve_transposed(g, b, k3, size, &strided), b3);
    fm_val loss = fm_sum(g, fm_square(g, fm_tanh(g, c)), (fm_ints){0}, 0);
    fm_val parameters[RESULTS] = {k1, k2, k3, b1, b2, b3}, grads[RESULTS];
    fm_grad(g, loss, parameters, RESULTS, grads);
    fm_output(g, "loss", loss);
    for (int i = 0; i < RESULTS; i++) {
        fm_output(g, (const char *[]){"d0", "d1", "d2", "d3", "d4", "d5"}[i], grads[i]);
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
    static const char *const names[] = {"loss", "d0", "d1", "d2", "d3", "d4", "d5"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const float *x = fm_program_output(a->program, names[i]);
        const float *y = fm_program_output(b->program, names[i]);
        const fm_shape shape = fm_val_shape(graph, fm_graph_output(graph, names[i]));
        float largest = 0;
        for (int64_t k = 0; k < fm_shape_elements(shape); k++)
            largest = fmaxf(largest, fabsf(x[k]));
        assert_true(largest > 0.01f);
        for (int64_t k = 0; k < fm_shape_elements(shape); k++) {
            assert_near(x[k], y[k], 1e-5 * (double)largest);
        }
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

/* Forward biases, the residual, relu and tanh; backward relu's masks, the sum of the two gradients
 * of a, and the biases' gradients but that of the transposed convolution. */
static void few_steps_remain(void **state)
{
    static const struct {
        const char *op;
        int count;
    } steps[] = {{" fused_convolve(", 3}, /* the last masks dy of the transposed one */
                 {" fused_convolve_transposed(", 2},
                 {" convolve(", 0},
                 {" convolve_transposed(", 0},
                 {" convolve_grad(", 2},
                 {" convolve_kernel_grad(", 1},
                 {" add(", 0},
                 {" relu(", 0}};
    fixture *f = *state;
    char *text;
    fm_graph *graph = build(f);
    run fused = execute(f, graph, (fm_program_options){0});
    assert_ok(f->context, fm_program_print(fused.program, false, &text));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (occurrences(text, steps[i].op) == steps[i].count) continue;
        fail_msg("not %d of%s:\n%s", steps[i].count, steps[i].op, text);
    }
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
