/* Mistakes while building: what is wrong, what is wanted, what was received. */
#include "support/op_run.h"

typedef struct operands {
    fm_graph *g;
    fm_val row;    /* f32 (3, 4) */
    fm_val column; /* f32 (4, 1) */
    fm_val cube;   /* f32 (2, 3, 4) */
    fm_val twice;  /* f64 (3, 4) */
    fm_val labels; /* i32 (3) */
    fm_val number; /* f32 () */
} operands;

static fm_ints axes(int64_t a, int64_t b)
{
    return (fm_ints){2, {a, b}};
}

/* More than a list holds: nothing behind it may be read or written. */
static fm_ints endless(void)
{
    return (fm_ints){1000, {0}};
}

static fm_ints axis(int64_t a)
{
    return (fm_ints){1, {a}};
}

/* name, the call, its words; what the call receives is said after them */
/* clang-format off */
#define MISTAKES(M)                                                                                \
    M(add_dtypes, fm_add(o->g, o->row, o->twice), "add: operands must share one dtype, but they "  \
      "are f32 and f64; received f32 (3, 4) and f64 (3, 4)")                                       \
    M(add_shapes, fm_add(o->g, o->row, o->column), "add: shapes do not broadcast: aligned at the " \
      "last dimension, each pair of dimensions must be equal or one of them 1; received f32 (3, "  \
      "4) and f32 (4, 1)")                                                                         \
    M(integers, fm_tanh(o->g, o->labels), "tanh: works on f32 and f64, but operand 1 is i32")      \
    M(inner, fm_matmul(o->g, o->row, o->row), "matmul: inner dimensions differ: 4 columns meet 3 " \
      "rows; received f32 (3, 4) and f32 (3, 4)")                                                  \
    M(vector, fm_matmul(o->g, o->row, o->number), "matmul: operand 2 must have at least 2 "        \
      "dimensions")                                                                                \
    M(no_axis, fm_sum(o->g, o->row, axis(2), false), "sum: there is no axis 2: axes go from -2 "   \
      "to 1; received f32 (3, 4)")                                                                 \
    M(axis_twice, fm_sum(o->g, o->row, axes(0, -2), false), "sum: axes must be different")         \
    M(scalar_axis, fm_reduce_max(o->g, o->number, axis(0), false), "reduce_max: a scalar has no "  \
      "axis 0")                                                                                    \
    M(reshape, fm_reshape_to(o->g, o->row, FM_SHAPE(5, -1)), "reshape: cannot become (5, -1): "    \
      "the numbers of elements differ; received f32 (3, 4)")                                       \
    M(reshape_open, fm_reshape_to(o->g, o->row, FM_SHAPE(-1, -1)), "only one dimension of a "      \
      "shape may be -1")                                                                           \
    M(permutation, fm_transpose(o->g, o->row, axes(1, 1)), "transpose: the permutation names "     \
      "axis 1 twice")                                                                              \
    M(permutation_length, fm_transpose(o->g, o->cube, axes(1, 0)), "transpose: a permutation of "  \
      "3 axes is wanted, but it names 2")                                                          \
    M(permutation_endless, fm_transpose(o->g, o->row, endless()), "transpose: a permutation of 2 " \
      "axes is wanted, but it names 1000")                                                         \
    M(axes_endless, fm_sum(o->g, o->row, endless(), false), "sum: 1000 axes are named")            \
    M(rank_endless, fm_reshape_to(o->g, o->row, (fm_shape){.rank = 1000}), "reshape: cannot "      \
      "become")                                                                                    \
    M(broadcast_endless, fm_broadcast_to(o->g, o->row, (fm_shape){.rank = 1000}), "broadcast_to: " \
      "does not broadcast to")                                                                     \
    M(no_dtype, fm_input(o->g, "x", (fm_dtype)42, FM_SHAPE(3)), "'x': there is no dtype number "   \
      "42")                                                                                        \
    M(broadcast, fm_broadcast_to(o->g, o->row, FM_SHAPE(2, 4)), "broadcast_to: does not "          \
      "broadcast to (2, 4)")                                                                       \
    M(sum_to, fm_sum_to(o->g, o->row, FM_SHAPE(2, 4)), "sum_to: (2, 4) does not broadcast to "     \
      "(3, 4)")                                                                                    \
    M(concat, fm_concat(o->g, (fm_val[]){o->row, o->column}, 2, 0), "concat: shapes must be "      \
      "equal except along axis 0; received f32 (3, 4) and f32 (4, 1)")                             \
    M(concat_nothing, fm_concat(o->g, NULL, 0, 0), "concat: there is nothing to join")             \
    M(slice, fm_slice(o->g, o->row, 1, 2, 5), "slice: [2, 5) is no part of [0, 4), the extent of " \
      "axis 1")                                                                                    \
    M(pad, fm_pad(o->g, o->row, 0, -1, 0), "pad: before and after must be at least 0, received "   \
      "-1 and 0")                                                                                  \
    M(gather, fm_gather(o->g, o->row, o->number), "gather: operand 2 must be i32, but it is f32")  \
    M(scatter, fm_scatter_add(o->g, o->column, o->labels, 5), "scatter_add: operand 1 must begin " \
      "with the shape of the indices; received f32 (4, 1) and i32 (3)")                            \
    M(one_hot, fm_one_hot(o->g, o->labels, 0), "one_hot: depth must be at least 1, received 0")    \
    M(labels, fm_sparse_softmax_cross_entropy(o->g, o->cube, o->labels, 0), "labels must have "    \
      "the shape (2, 3); received f32 (2, 3, 4) and i32 (3)")                                      \
    M(smoothing, fm_sparse_softmax_cross_entropy(o->g, o->row, o->labels, 1.5), "label_smoothing " \
      "must be in [0, 1], received 1.5")                                                           \
    M(targets, fm_softmax_cross_entropy(o->g, o->row, o->column), "targets must have the shape "   \
      "(3, 4); received f32 (3, 4) and f32 (4, 1)")                                                \
    M(binary_targets, fm_sigmoid_cross_entropy(o->g, o->row, o->number), "logits and targets "     \
      "must have the same shape; received f32 (3, 4) and f32 ()")                                  \
    M(softmax_rank, fm_softmax(o->g, o->number), "softmax: operand 1 must have at "                \
      "least 1 dimension;")
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
                      .row = fm_input(g, "row", FM_F32, FM_SHAPE(3, 4)),
                      .column = fm_input(g, "column", FM_F32, FM_SHAPE(4, 1)),
                      .cube = fm_input(g, "cube", FM_F32, FM_SHAPE(2, 3, 4)),
                      .twice = fm_input(g, "twice", FM_F64, FM_SHAPE(3, 4)),
                      .labels = fm_input(g, "labels", FM_I32, FM_SHAPE(3)),
                      .number = fm_input(g, "number", FM_F32, FM_SHAPE())};
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

/* Every builder gives poison for poison, and the first mistake is the one that is kept. */
static void poison_spreads(void **state)
{
    op_run r = op_run_open(*state, FM_F32);
    fm_graph *g = r.graph;
    fm_val bad = fm_graph_fail(g, FM_ERROR_ARGUMENT, "the first mistake"), two[] = {bad, bad};
    const fm_val results[] = {
        fm_neg(g, bad),
        fm_elu(g, bad, 1),
        fm_add(g, bad, bad),
        fm_where(g, bad, bad, bad),
        fm_add_scalar(g, bad, 1),
        fm_mul_scalar(g, bad, 1),
        fm_clip(g, bad, 0, 1),
        fm_sum(g, bad, axis(0), true),
        fm_mean(g, bad, axis(0), true),
        fm_reduce_max(g, bad, axis(0), true),
        fm_argmax(g, bad),
        fm_logsumexp(g, bad),
        fm_sum_to(g, bad, FM_SHAPE(3)),
        fm_reshape_to(g, bad, FM_SHAPE(3)),
        fm_transpose(g, bad, (fm_ints){0}),
        fm_broadcast_to(g, bad, FM_SHAPE(3)),
        fm_concat(g, two, 2, 0),
        fm_slice(g, bad, 0, 0, 1),
        fm_pad(g, bad, 0, 0, 1),
        fm_cast(g, bad, FM_F64),
        fm_stop_gradient(g, bad),
        fm_matmul(g, bad, bad),
        fm_gather(g, bad, bad),
        fm_scatter_add(g, bad, bad, 3),
        fm_one_hot(g, bad, 3),
        fm_softmax(g, bad),
        fm_sparse_softmax_cross_entropy(g, bad, bad, 0),
        fm_softmax_cross_entropy(g, bad, bad),
        fm_sigmoid_cross_entropy(g, bad, bad),
        fm_random_uniform_like(g, bad),
        fm_random_normal_like(g, bad),
        fm_drop(g, bad, 0.5),
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        assert_int_equal(results[i].id, 0);
    }
    assert_fails(r.context, FM_ERROR_ARGUMENT, "the first mistake", fm_graph_status(g));
    op_run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(mistakes_are_told_in_words),
        fixture_test(poison_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
