/* Mistakes in convolution, pooling, normalisation and resampling:
 * what is wrong and what is wanted. */
#include "support/op_run.h"
#include "fathom/vision_ops.h"

typedef struct operands {
    fm_graph *g;
    fm_val image;  /* f32 (2, 6, 5, 4) */
    fm_val kernel; /* f32 (3, 3, 4, 8) */
    fm_val half;   /* f32 (3, 3, 2, 8) */
    fm_val slope;  /* f32 (2, 4, 3, 8) */
    fm_val line;   /* f32 (2, 7, 4) */
    fm_val wide;   /* f32 (1, 40, 40, 1) */
    fm_val twice;  /* f64 (3, 3, 4, 8) */
    fm_val row;    /* f32 (4) */
    fm_val bytes;  /* u8  (2, 6, 5, 4) */
    fm_val grid;   /* f32 (1, 2, 2, 2, 2, 2) */
} operands;

#define LIST(...)                                                                                  \
    ((fm_ints){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})
#define WINDOW(...) (&(fm_window){__VA_ARGS__})
#define POOL(...)   (&(fm_pool){__VA_ARGS__})

static fm_val convolve(const operands *o, fm_val kernel, const fm_window *window)
{
    return fm_convolve(o->g, o->image, kernel, window);
}

static fm_val normalize(const operands *o, fm_val gamma, fm_val beta, fm_ints axes, double epsilon)
{
    return fm_normalize_over(o->g, o->image, gamma, beta, axes, epsilon, NULL, NULL);
}

static fm_val take(const operands *o, int axis, int32_t position)
{
    return fm_take(o->g, o->image, axis, &position, 1);
}

/* name, the call, its words */
/* clang-format off */
#define MISTAKES(M)                                                                                \
    M(channels, convolve(o, o->half, NULL), "convolve: x has 4 channels, but the kernel wants 2 "  \
      "in each of 1 group(s); received f32 (2, 6, 5, 4) and f32 (3, 3, 2, 8)")                     \
    M(groups, convolve(o, o->kernel, WINDOW(.groups = 2)), "x has 4 channels, but the kernel "     \
      "wants 4 in each of 2 group(s)")                                                             \
    M(filters, convolve(o, o->half, WINDOW(.groups = 3)), "8 filters cannot be cut into 3 groups") \
    M(no_groups, convolve(o, o->kernel, WINDOW(.groups = -1)), "groups must be at least 1, "       \
      "received -1")                                                                               \
    M(dtypes, convolve(o, o->twice, NULL), "operands must share one dtype")                        \
    M(ranks, fm_convolve(o->g, o->line, o->kernel, NULL), "both operands must have the same "      \
      "number of dimensions; received f32 (2, 7, 4) and f32 (3, 3, 4, 8)")                         \
    M(no_image, fm_convolve(o->g, o->row, o->row, NULL), "operand 1 must be (n, spatial..., "      \
      "channels) with 1 to 3 spatial dimensions; received f32 (4)")                                \
    M(four_dimensions, fm_convolve(o->g, o->grid, o->grid, NULL), "with 1 to 3 "                   \
      "spatial dimensions")                                                                        \
    M(strides, convolve(o, o->kernel, WINDOW(.strides = LIST(2))), "strides must have 2 entries, " \
      "one for each spatial dimension, but has 1")                                                 \
    M(no_stride, convolve(o, o->kernel, WINDOW(.strides = LIST(1, 0))), "strides must be at "      \
      "least 1, received 0")                                                                       \
    M(negative, convolve(o, o->kernel, WINDOW(.padding_end = LIST(0, -1))), "padding_end must be " \
      "at least 0, received -1")                                                                   \
    M(too_small, convolve(o, o->kernel, WINDOW(.dilations = LIST(1, 3))), "the window covers 7 "   \
      "positions of spatial dimension 1, but with its padding x has only 5 there")                 \
    M(in_padding, convolve(o, o->kernel, WINDOW(.padding_begin = LIST(3, 0))), "a window lies "    \
      "wholly in the padding of spatial dimension 0: extent 6, padding 3 and 0, kernel 3")         \
    M(behind, convolve(o, o->kernel, WINDOW(.padding_end = LIST(0, 3))), "a window lies wholly "   \
      "in the padding of spatial dimension 1")                                                     \
    M(overflow, convolve(o, o->kernel, WINDOW(.dilations = LIST(INT64_MAX, 1))), "the padded "     \
      "extent of spatial dimension 0 is too large")                                                \
    M(transposed_size, fm_convolve_transposed(o->g, o->slope, o->kernel, LIST(6, 6), NULL),        \
      "convolve_transposed: with this window (6, 6) convolves to (4, 4), but dy has (4, 3)")       \
    M(transposed_list, fm_convolve_transposed(o->g, o->slope, o->kernel, LIST(6), NULL), "size "   \
      "must have 2 entries, one for each spatial dimension, but has 1")                            \
    M(transposed_many, fm_convolve_transposed(o->g, o->slope, o->kernel, LIST(1, 1, 1, 1, 1, 1, 1, \
      1), NULL), "size must have 2 entries, one for each spatial dimension, but has 8")            \
    M(transposed_filters, fm_convolve_transposed(o->g, o->image, o->kernel, LIST(8, 7), NULL),     \
      "dy must have as many channels as the kernel has filters")                                   \
    M(kernel_size, fm_convolve_kernel_grad(o->g, o->image, o->slope, LIST(2, 3), NULL), "with "    \
      "this window (6, 5) convolves to (5, 3), but dy has (4, 3)")                                 \
    M(kernel_batch, fm_convolve_kernel_grad(o->g, o->wide, o->slope, LIST(3, 3), NULL), "x and "   \
      "dy must have one batch size")                                                               \
    M(no_kernel, fm_max_pool(o->g, o->image, POOL(0)), "max_pool: kernel_size must have 2 "        \
      "entries, one for each spatial dimension, but has 0")                                        \
    M(pool_padding, fm_average_pool(o->g, o->image, POOL(.kernel_size = LIST(2, 2),                \
      .window.padding_begin = LIST(2, 2))), "average_pool: a window lies wholly in the padding")   \
    M(pool_holes, fm_max_pool(o->g, o->image, POOL(.kernel_size = LIST(2, 2), .window = {          \
      .dilations = LIST(9, 1), .padding_begin = LIST(2, 0), .padding_end = LIST(2, 0)})), "a "     \
      "window lies wholly in the padding of spatial dimension 0: extent 6, padding 2 and 2, "      \
      "kernel 2, dilation 9")                                                                      \
    M(pool_large, fm_max_pool(o->g, o->wide, POOL(.kernel_size = LIST(16, 16))), "a window has "   \
      "256 elements, but at most 255 are remembered; use a reduction over the axes instead")       \
    M(adaptive_large, fm_max_pool(o->g, o->wide, POOL(.output_size = LIST(2, 2))), "a window has " \
      "400 elements")                                                                              \
    M(adaptive_list, fm_average_pool(o->g, o->image, POOL(.output_size = LIST(2))), "output_size " \
      "must have 2 entries, one for each spatial dimension, but has 1")                            \
    M(adaptive_none, fm_average_pool(o->g, o->image, POOL(.output_size = LIST(2, -2))),            \
      "output_size must be at least 1, received -2")                                               \
    M(pool_bytes, fm_average_pool(o->g, o->bytes, POOL(.kernel_size = LIST(2, 2))), "works on "    \
      "f32 and f64, but operand 1 is u8")                                                          \
    M(gamma, normalize(o, o->slope, o->slope, LIST(0), 1e-5), "normalize: gamma must broadcast "   \
      "to x: aligned at the last dimension, each dimension must be equal or 1")                    \
    M(beta, normalize(o, o->row, fm_scalar(o->g, 1), LIST(0), 1e-5), "gamma and beta must have "   \
      "one shape; received f32 (2, 6, 5, 4), f32 (4) and f32 ()")                                  \
    M(no_axes, normalize(o, o->row, o->row, (fm_ints){0}, 1e-5), "there are no axes to normalise " \
      "over")                                                                                      \
    M(axis, normalize(o, o->row, o->row, LIST(0, 4), 1e-5), "there is no axis 4: axes go from -4 " \
      "to 3")                                                                                      \
    M(axis_twice, normalize(o, o->row, o->row, LIST(3, -1), 1e-5), "axes must be different and "   \
      "in rising order")                                                                           \
    M(epsilon, normalize(o, o->row, o->row, LIST(0), -1), "epsilon must be at least 0, received "  \
      "-1")                                                                                        \
    M(window, fm_window_sum(o->g, o->image, -1, 2), "window_sum: before and after must be at "     \
      "least 0, received -1 and 2")                                                                \
    M(position, take(o, 1, 6), "take: position 6 lies outside of axis 1 of (2, 6, 5, 4)")          \
    M(position_below, take(o, -1, -1), "take: position -1 lies outside of axis -1")                \
    M(take_axis, take(o, 4, 0), "take: there is no axis 4")                                        \
    M(resize, fm_resize_linear(o->g, o->image, LIST(3)), "resize_linear: x must be (n, "           \
      "spatial..., channels) of f32 or f64 with 1 to 3 spatial dimensions, and size must have an " \
      "entry of at least 1 for each; received f32 (2, 6, 5, 4) and a size of (3)")                 \
    M(resize_empty, fm_resize_nearest(o->g, o->image, LIST(3, 0)), "resize_nearest: x must be")    \
    M(resize_bytes, fm_resize_nearest(o->g, o->bytes, LIST(3, 3)), "received u8 (2, 6, 5, 4)")
/* clang-format on */

#define DEFINE(name, call, words)                                                                  \
    static fm_val make_##name(const operands *o)                                                   \
    {                                                                                              \
        return call;                                                                               \
    }
MISTAKES(DEFINE)

#define ENTRY(name, call, words_) {make_##name, words_},
static const struct {
    fm_val (*make)(const operands *o);
    const char *words;
} mistakes[] = {MISTAKES(ENTRY)};

static operands make_operands(fm_graph *g)
{
    return (operands){.g = g,
                      .image = fm_input(g, "image", FM_F32, FM_SHAPE(2, 6, 5, 4)),
                      .kernel = fm_input(g, "kernel", FM_F32, FM_SHAPE(3, 3, 4, 8)),
                      .half = fm_input(g, "half", FM_F32, FM_SHAPE(3, 3, 2, 8)),
                      .slope = fm_input(g, "slope", FM_F32, FM_SHAPE(2, 4, 3, 8)),
                      .line = fm_input(g, "line", FM_F32, FM_SHAPE(2, 7, 4)),
                      .wide = fm_input(g, "wide", FM_F32, FM_SHAPE(1, 40, 40, 1)),
                      .twice = fm_input(g, "twice", FM_F64, FM_SHAPE(3, 3, 4, 8)),
                      .row = fm_input(g, "row", FM_F32, FM_SHAPE(4)),
                      .bytes = fm_input(g, "bytes", FM_U8, FM_SHAPE(2, 6, 5, 4)),
                      .grid = fm_input(g, "grid", FM_F32, FM_SHAPE(1, 2, 2, 2, 2, 2))};
}

static void mistakes_are_told_in_words(void **state)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        op_run r = op_run_open(*state, FM_F32);
        operands o = make_operands(r.graph);
        fm_scope_enter(r.graph, "encoder");
        assert_int_equal(mistakes[i].make(&o).id, 0);
        fm_status status = fm_graph_status(r.graph);
        assert_int_not_equal(status, FM_OK);
        assert_fails(r.context, status, mistakes[i].words, status);
        assert_fails(r.context, status, "encoder: ", status);
        op_run_close(&r);
    }
}

static void poison_spreads(void **state)
{
    op_run r = op_run_open(*state, FM_F32);
    fm_graph *g = r.graph;
    fm_val bad = fm_graph_fail(g, FM_ERROR_ARGUMENT, "the first mistake"), mean, rstd;
    const fm_pool pool = {.kernel_size = LIST(2)};
    const int32_t zero = 0;
    const fm_val results[] = {
        fm_convolve(g, bad, bad, NULL),
        fm_convolve_transposed(g, bad, bad, LIST(2), NULL),
        fm_convolve_kernel_grad(g, bad, bad, LIST(2), NULL),
        fm_max_pool(g, bad, &pool),
        fm_average_pool(g, bad, &pool),
        fm_normalize_over(g, bad, bad, bad, LIST(0), 1e-5, &mean, &rstd),
        mean,
        rstd,
        fm_window_sum(g, bad, 1, 1),
        fm_take(g, bad, 0, &zero, 1),
        fm_resize_linear(g, bad, LIST(2)),
        fm_resize_nearest(g, bad, LIST(2)),
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        assert_int_equal(results[i].id, 0);
    }
    assert_fails(r.context, FM_ERROR_ARGUMENT, "the first mistake", fm_graph_status(g));
    op_run_close(&r);
}

/* The bound on adaptive windows is exact: 15 x 15 of 43 x 43. */
static void adaptive_windows_may_be_as_large_as_others(void **state)
{
    for (int size = 2; size <= 3; size++) {
        op_run r = op_run_open(*state, FM_F32);
        fm_val x = fm_input(r.graph, "x", FM_F32, FM_SHAPE(1, 43, 43, 1));
        fm_val y = fm_max_pool(r.graph, x, POOL(.output_size = LIST(size, size)));
        assert_int_equal(y.id != 0, size == 3);
        op_run_close(&r);
    }
}

/* Composites allocate while building. */
static fm_status resize(fm_context *context, void *linear)
{
    fm_graph *g;
    fm_graph_options options = {.mode = FM_TRAIN, .dtype = FM_F32};
    fm_status status = fm_graph_create(context, &options, &g);
    if (status != FM_OK) return status;
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(1, 4, 3, 2));
    if (linear)
        fm_resize_linear(g, x, LIST(7, 5));
    else
        fm_resize_nearest(g, x, LIST(7, 5));
    status = fm_graph_status(g);
    fm_graph_destroy(g);
    return status;
}

static void each_allocation_may_fail(void **state)
{
    fail_each_allocation(*state, resize, NULL);
    fail_each_allocation(*state, resize, "linear");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(mistakes_are_told_in_words),
        fixture_test(poison_spreads),
        fixture_test(adaptive_windows_may_be_as_large_as_others),
        fixture_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
