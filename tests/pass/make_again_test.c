/* Results of batch normalisation that backward makes again: less memory, the same bits. Where a
 * result is an output of the graph it is kept, which is what everything is held against. */
#include "support/graphs.h"

#include "fathom/loss.h"
#include "fathom/nn.h"
#include "fathom/nn_vision.h"
#include "fathom/ops.h"
#include "fathom/optimizer.h"
#include "fathom/zoo.h"

#include <string.h>

enum { N = 4, SIDE = 32, CHANNELS = 24, BLOCKS = 4, CLASSES = 7, STEPS = 3 };

typedef struct network {
    fm_activation activation; /* of the blocks' first normalisation */
    bool kept;                /* every result is an output */
    int outputs;
} network;

static fm_val result(fm_graph *g, network *n, fm_val y)
{
    char name[16];
    snprintf(name, sizeof name, "y%d", n->outputs++);
    if (n->kept) fm_output(g, name, y);
    return y;
}

static fm_val convolution(fm_graph *g, fm_val x, int64_t size)
{
    return fm_conv2d(g, x, .filters = CHANNELS, .kernel_size = {1, {size}},
                     .padding = FM_PADDING_SAME, .no_bias = true);
}

static fm_val normalized(fm_graph *g, fm_val x)
{
    return fm_batch_normalization(g, x);
}

/* A stem, then blocks of two layers with a sum; of 3x3 and of 1x1 windows. */
static fm_val blocks(fm_graph *g, network *n, fm_val x)
{
    x = result(g, n, fm_relu(g, normalized(g, convolution(g, x, 3))));
    for (int i = 0; i < BLOCKS; i++) {
        fm_val y = normalized(g, convolution(g, x, 3));
        y = result(g, n, n->activation == FM_RELU6 ? fm_relu6(g, y) : fm_relu(g, y));
        y = normalized(g, convolution(g, y, 1));
        x = result(g, n, fm_relu(g, fm_add(g, y, x)));
    }
    return x;
}

static void build_training(fm_graph *g, network *n)
{
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(N, SIDE, SIDE, 3));
    fm_val y = fm_input(g, "y", FM_I32, FM_SHAPE(N));
    fm_val logits = fm_dense(g, fm_global_average_pooling(g, blocks(g, n, x)), .units = CLASSES);
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, logits, y);
    fm_minimize(g, loss, .rule = FM_SGD, .momentum = 0.9);
    fm_output(g, "loss", loss);
}

typedef struct outcome {
    fm_program_summary summary;
    int again, sums_again; /* nodes */
    float losses[STEPS];
    unsigned char *variables;
    size_t bytes;
} outcome;

static int occurrences(const char *text, const char *word)
{
    int count = 0;
    for (; (text = strstr(text, word)); text += strlen(word)) count++;
    return count;
}

static void read_variables(fixture *f, fm_store *store, outcome *o)
{
    for (int i = 0; i < fm_store_count(store); i++) {
        const fm_variable_info info = fm_store_info(store, i);
        const size_t bytes = (size_t)fm_shape_bytes(info.shape, info.dtype);
        o->variables = realloc(o->variables, o->bytes + bytes);
        assert_non_null(o->variables);
        assert_ok(f->context, fm_store_read(store, i, o->variables + o->bytes));
        o->bytes += bytes;
    }
}

static void train(fixture *f, const network *of, fm_program_options options, outcome *o)
{
    network n = *of;
    fm_graph *g;
    fm_store *store;
    fm_program *program;
    char *text;
    *o = (outcome){0};
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    build_training(g, &n);
    assert_ok(f->context, fm_graph_status(g));
    assert_ok(f->context, fm_store_create(f->context, 3, &store));
    assert_ok(f->context, fm_program_create(store, g, &options, &program));
    o->summary = fm_program_summarize(program);
    assert_ok(f->context, fm_program_print(program, false, &text));
    o->again = occurrences(text, " normalize_grad_again(");
    o->sums_again = occurrences(text, " normalize_add_grad_again(");
    fm_text_free(f->context, text);
    float *x = fm_program_input(program, "x");
    int32_t *y = fm_program_input(program, "y");
    for (int i = 0; i < N * SIDE * SIDE * 3; i++) x[i] = sinf((float)i * 1.7f);
    for (int i = 0; i < N; i++) y[i] = i % CLASSES;
    *(float *)fm_program_input(program, FM_LEARNING_RATE) = 0.05f;
    for (int i = 0; i < STEPS; i++) {
        assert_ok(f->context, fm_program_run(program));
        o->losses[i] = *(const float *)fm_program_output(program, "loss");
    }
    read_variables(f, store, o);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(g);
}

/* The stem's result stays, for the first block's is made of it. Of the blocks' first layers all are
 * made again, of their sums every second one. */
static void check(fixture *f, fm_activation activation, fm_program_options options)
{
    outcome kept, again;
    train(f, &(network){.activation = activation, .kept = true}, options, &kept);
    train(f, &(network){.activation = activation}, options, &again);
    assert_int_equal(kept.again + kept.sums_again, 0);
    assert_int_equal(again.again, BLOCKS);
    assert_int_equal(again.sums_again, BLOCKS / 2);
    assert_memory_equal(kept.losses, again.losses, sizeof kept.losses);
    assert_int_equal(kept.bytes, again.bytes);
    assert_memory_equal(kept.variables, again.variables, kept.bytes);
    assert_true(again.losses[STEPS - 1] < again.losses[0]);
    free(kept.variables);
    free(again.variables);
}

static void the_bits_are_those_of_kept_results(void **state)
{
    check(*state, FM_RELU, (fm_program_options){0});
    check(*state, FM_RELU6, (fm_program_options){0});
    check(*state, FM_RELU, (fm_program_options){.precision = FM_PRECISION_BF16});
}

static void portable_programs_keep_all(void **state)
{
    const char *portable[] = {"portable", NULL};
    outcome o;
    train(*state, &(network){.activation = FM_RELU}, (fm_program_options){.backends = portable},
          &o);
    assert_int_equal(o.again + o.sums_again, 0);
    free(o.variables);
}

/* z = y conv(y): the gradient of y is made of y itself, so y cannot wait for it. */
static void build_gate(fm_graph *g, const void *argument)
{
    (void)argument;
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(N, SIDE, SIDE, 3));
    fm_val y = fm_relu(g, normalized(g, convolution(g, x, 3)));
    fm_val z = fm_mul(g, y, convolution(g, y, 3));
    fm_minimize(g, fm_mean(g, fm_square(g, z), (fm_ints){0}, 0), .rule = FM_SGD);
}

/* A penalty of a gradient that is made of y: of its result, a forward node, y's own gradient is
 * made. */
static void build_penalty(fm_graph *g, const void *argument)
{
    enum { KERNEL = 5 }; /* the second convolution's, behind the first and what normalises it */
    (void)argument;
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(N, SIDE, SIDE, 3));
    fm_val weights = fm_input(g, "weights", FM_F32, FM_SHAPE(N, SIDE, SIDE, CHANNELS));
    fm_val y = fm_relu(g, normalized(g, convolution(g, x, 3)));
    fm_val loss = fm_mean(g, fm_mul(g, weights, convolution(g, y, 3)), (fm_ints){0}, 0), gradient;
    const fm_val kernel = fm_graph_variable(g, KERNEL);
    fm_grad(g, loss, &kernel, 1, &gradient);
    fm_val penalty = fm_mean(g, fm_tanh(g, gradient), (fm_ints){0}, 0);
    fm_minimize(g, fm_add(g, loss, penalty), .rule = FM_SGD);
}

static void is_kept(fixture *f, void (*build)(fm_graph *g, const void *argument), int gradients)
{
    fm_graph *g;
    fm_store *store = store_with_seed(f, 1);
    fm_program *program;
    char *text;
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    build(g, NULL);
    assert_ok(f->context, fm_program_create(store, g, NULL, &program));
    assert_ok(f->context, fm_program_print(program, false, &text));
    assert_int_equal(occurrences(text, " fused_normalize_grad("), gradients);
    assert_int_equal(occurrences(text, "_again("), 0);
    fm_text_free(f->context, text);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(g);
}

static void what_the_gradient_needs_is_kept(void **state)
{
    is_kept(*state, build_gate, 1);
    is_kept(*state, build_penalty, 1);
}

/* ---- a residual that its result's gradient does not wait for --------------------------------- */

enum { GRADIENTS = 4 };
static const char *const gradient_names[GRADIENTS] = {"of b", "of c", "of a", "of d"};

/* b is made of a, and the gradients of both are asked for one by one, so that neither is made of
 * the other: nothing but the residual itself stands between them. */
static void build_separate(fm_graph *g, bool kept)
{
    static const int kernels[GRADIENTS] = {5, 10, 0, 11};
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(N, SIDE, SIDE, 3));
    fm_val w = fm_input(g, "w", FM_F32, FM_SHAPE(N, SIDE, SIDE, CHANNELS));
    fm_val a = fm_relu(g, normalized(g, convolution(g, x, 3)));
    fm_val b = fm_relu(g, fm_add(g, normalized(g, convolution(g, x, 3)), a));
    fm_val c = convolution(g, b, 1), d = convolution(g, a, 1);
    const fm_val scores[GRADIENTS] = {fm_mul(g, b, w), fm_square(g, c), fm_mul(g, a, w),
                                      fm_square(g, d)};
    for (int i = 0; i < GRADIENTS; i++) {
        const fm_val kernel = fm_graph_variable(g, kernels[i]);
        fm_val gradient;
        fm_grad(g, fm_mean(g, scores[i], (fm_ints){0}, false), &kernel, 1, &gradient);
        fm_output(g, gradient_names[i], gradient);
    }
    if (kept) fm_output(g, "a", a);
    if (kept) fm_output(g, "b", b);
}

typedef struct separate_outcome {
    float gradients[GRADIENTS][3 * 3 * CHANNELS * CHANNELS];
    int again, sums_again;
} separate_outcome;

static void run_separate(fixture *f, bool kept, separate_outcome *o)
{
    fm_graph *g;
    fm_store *store = store_with_seed(f, 1);
    fm_program *program;
    char *text;
    memset(o, 0, sizeof *o);
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    build_separate(g, kept);
    assert_ok(f->context, fm_program_create(store, g, NULL, &program));
    assert_ok(f->context, fm_program_print(program, false, &text));
    o->again = occurrences(text, " normalize_grad_again(");
    o->sums_again = occurrences(text, " normalize_add_grad_again(");
    fm_text_free(f->context, text);
    float *x = fm_program_input(program, "x"), *w = fm_program_input(program, "w");
    for (int i = 0; i < N * SIDE * SIDE * 3; i++) x[i] = sinf((float)i * 1.7f);
    for (int i = 0; i < N * SIDE * SIDE * CHANNELS; i++) w[i] = cosf((float)i * 0.9f);
    assert_ok(f->context, fm_program_run(program));
    for (int i = 0; i < GRADIENTS; i++) {
        const fm_shape shape = fm_val_shape(g, fm_graph_output(g, gradient_names[i]));
        memcpy(o->gradients[i], fm_program_output(program, gradient_names[i]),
               (size_t)fm_shape_bytes(shape, FM_F32));
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(g);
}

/* b is made again of a, so a is kept, although its gradient could make it and b could wait. */
static void what_another_is_made_of_is_kept(void **state)
{
    static separate_outcome kept, again;
    run_separate(*state, true, &kept);
    run_separate(*state, false, &again);
    assert_int_equal(kept.again + kept.sums_again, 0);
    assert_int_equal(again.sums_again, 1);
    assert_int_equal(again.again, 0);
    assert_memory_equal(kept.gradients, again.gradients, sizeof kept.gradients);
}

/* ---- how much memory networks take ----------------------------------------------------------- */

/* kept: the arena, when every result was. */
typedef struct measured_network {
    const char *name;
    int64_t side;
    double kept, most; /* bytes, and the share of them that is taken at most */
} measured_network;

static fm_program_summary summary_of(fixture *f, const measured_network *n)
{
    fm_graph *g;
    fm_store *store;
    fm_program *program;
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(N, n->side, n->side, 3));
    fm_val y = fm_input(g, "y", FM_I32, FM_SHAPE(N));
    fm_val logits = fm_zoo(g, n->name, x, .classes = CLASSES);
    fm_minimize(g, fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, logits, y), .rule = FM_SGD,
                .momentum = 0.9);
    assert_ok(f->context, fm_store_create(f->context, 3, &store));
    assert_ok(f->context, fm_program_create(store, g, NULL, &program));
    const fm_program_summary summary = fm_program_summarize(program);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(g);
    return summary;
}

static void arenas_are_small(void **state)
{
    static const measured_network networks[] = {{"resnet20", 64, 30147008, 0.73},
                                                {"resnet50", 112, 101193344, 0.81},
                                                {"mobilenet", 112, 49743488, 0.61}};
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        const measured_network *n = &networks[i];
        const fm_program_summary s = summary_of(*state, n);
        assert_true((double)s.arena_bytes <= 1.02 * (double)s.arena_bound);
        assert_true((double)s.arena_bytes <= n->most * n->kept);
    }
}

static void build_small(fm_graph *g, const void *argument)
{
    network n = *(const network *)argument;
    build_training(g, &n);
}

static void every_allocation_may_fail(void **state)
{
    const network n = {.activation = FM_RELU};
    const char *portable[] = {"portable", NULL};
    const graph_trial trial = {.build = build_small,
                               .argument = &n,
                               .graph = {.mode = FM_TRAIN},
                               .program = {.backends = portable}};
    assert_true(fail_each_allocation_of(*state, &trial) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_bits_are_those_of_kept_results), fixture_test(portable_programs_keep_all),
        fixture_test(what_the_gradient_needs_is_kept),    fixture_test(arenas_are_small),
        fixture_test(what_another_is_made_of_is_kept),    fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
