/* In bf16, convolutions whose windows are single pixels are products, with the bits of the product
 * that could have been written in their place; others stay convolutions of f32. */
#include "support/graphs.h"
#include "base/random.h"
#include "fathom/ops.h"
#include "fathom/vision_ops.h"

enum { IMAGES = 2, SIDE = 5, CHANNELS = 7, FILTERS = 19, PIXELS = IMAGES * SIDE * SIDE };
enum { X = PIXELS * CHANNELS, Y = PIXELS * FILTERS, KERNEL = CHANNELS * FILTERS };

typedef struct trial {
    fm_store *store;
    fm_program *program;
} trial;

/* relu(x * kernel + bias) and the gradients of its sum weighed by dy. */
static fm_graph *layer(fixture *f, const fm_window *window, int64_t size, bool as_product)
{
    fm_graph *g;
    fm_val grads[2];
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    const fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(IMAGES, SIDE, SIDE, CHANNELS));
    const fm_val kernel = fm_input(g, "kernel", FM_F32, FM_SHAPE(size, size, CHANNELS, FILTERS));
    const fm_val bias = fm_input(g, "bias", FM_F32, FM_SHAPE(FILTERS));
    fm_val y;
    if (as_product) {
        y = fm_matmul(g, x, fm_reshape_to(g, kernel, FM_SHAPE(CHANNELS, FILTERS)));
    } else {
        y = fm_convolve(g, x, kernel, window);
    }
    y = fm_relu(g, fm_add(g, y, bias));
    const fm_val dy = fm_input(g, "dy", FM_F32, fm_val_shape(g, y));
    fm_grad(g, fm_sum(g, fm_mul(g, y, dy), (fm_ints){0}, false), (fm_val[]){x, kernel}, 2, grads);
    fm_output(g, "y", y);
    fm_output(g, "dx", grads[0]);
    fm_output(g, "dkernel", grads[1]);
    assert_ok(f->context, fm_graph_status(g));
    return g;
}

static void fill(fm_program *program, const char *name, int64_t count, uint32_t stream)
{
    float *to = fm_program_input(program, name);
    fm_random random = fm_random_at(9, 0, stream);
    for (int64_t i = 0; i < count; i++) to[i] = (float)fm_random_range(&random, -1, 1);
}

static trial run_layer(fixture *f, fm_graph *graph, const char *backend, int precision,
                       int64_t size)
{
    trial t;
    const char *const backends[] = {backend, NULL};
    const fm_shape dy = fm_val_shape(graph, fm_graph_input(graph, "dy"));
    const fm_program_options options = {.backends = backend ? backends : NULL,
                                        .precision = precision};
    assert_ok(f->context, fm_store_create(f->context, 1, &t.store));
    assert_ok(f->context, fm_program_create(t.store, graph, &options, &t.program));
    fm_graph_destroy(graph);
    fill(t.program, "x", X, 1);
    fill(t.program, "kernel", size * size * KERNEL, 2);
    fill(t.program, "bias", FILTERS, 3);
    fill(t.program, "dy", fm_shape_elements(dy), 4);
    assert_ok(f->context, fm_program_run(t.program));
    return t;
}

static void close_trial(trial *t)
{
    fm_program_destroy(t->program);
    fm_store_destroy(t->store);
}

/* Nodes whose op is a convolution or one of its adjoints. */
static int convolutions_of(fixture *f, const trial *t)
{
    int count = 0;
    char *text;
    assert_ok(f->context, fm_program_print(t->program, false, &text));
    for (const char *at = text; (at = strstr(at, "convolve")); at++) {
        while (strchr("abcdefghijklmnopqrstuvwxyz_", *at)) at++;
        count += *at == '(';
    }
    fm_text_free(f->context, text);
    return count;
}

static void assert_same(const trial *a, const trial *b, const char *name, size_t count)
{
    assert_memory_equal(fm_program_output(a->program, name), fm_program_output(b->program, name),
                        count * sizeof(float));
}

static void windows_of_one_pixel_are_products(void **state)
{
    static const char *const backends[] = {NULL, "portable"};
    for (int i = 0; i < 2; i++) {
        trial t = run_layer(*state, layer(*state, &(fm_window){.groups = 1}, 1, false), backends[i],
                            FM_PRECISION_BF16, 1);
        trial product =
            run_layer(*state, layer(*state, NULL, 1, true), backends[i], FM_PRECISION_BF16, 1);
        assert_int_equal(convolutions_of(*state, &t), 0);
        assert_same(&t, &product, "y", Y);
        assert_same(&t, &product, "dx", X);
        assert_same(&t, &product, "dkernel", KERNEL);
        close_trial(&t);
        close_trial(&product);
    }
}

static void other_windows_and_f32_stay_convolutions(void **state)
{
    static const struct {
        fm_window window;
        int64_t size;
        int precision;
    } rows[] = {
        {.size = 1, .precision = FM_PRECISION_F32},
        {.size = 3, .precision = FM_PRECISION_BF16},
        {.window.strides = {2, {2, 2}}, .size = 1, .precision = FM_PRECISION_BF16},
        {.window.strides = {2, {1, 2}}, .size = 1, .precision = FM_PRECISION_BF16},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        trial t = run_layer(*state, layer(*state, &rows[i].window, rows[i].size, false), NULL,
                            rows[i].precision, rows[i].size);
        assert_int_equal(convolutions_of(*state, &t), 3);
        assert_true(fm_program_summarize(t.program).bf16_flops == 0);
        close_trial(&t);
    }
}

static void build_gradient(fm_graph *g, const void *argument)
{
    fm_val grad;
    (void)argument;
    const fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(1, 4, 3));
    const fm_val kernel = fm_input(g, "kernel", FM_F32, FM_SHAPE(1, 3, 2));
    const fm_val y = fm_convolve(g, x, kernel, &(fm_window){.groups = 1});
    fm_grad(g, fm_sum(g, y, (fm_ints){0}, false), &kernel, 1, &grad);
    fm_output(g, "y", y);
    fm_output(g, "grad", grad);
}

static void memory_may_run_out(void **state)
{
    const graph_trial one = {.build = build_gradient, .program = {.precision = FM_PRECISION_BF16}};
    assert_true(fail_each_allocation_of(*state, &one) > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(windows_of_one_pixel_are_products),
        fixture_test(other_windows_and_f32_stay_convolutions),
        fixture_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
