/* Random networks of images that train: programs with every pass must compute what programs without
 * fusion, folding and simplification do, on the same backends, and the same bits for any number of
 * threads. Values are shared, layers meet in sums and products, some are outputs, and some losses
 * have a penalty on a gradient, so that forward nodes read what backward ones make. */
#include "support/fixture.h"

#include "base/random.h"
#include "fathom/nn.h"
#include "fathom/nn_vision.h"
#include "fathom/ops.h"
#include "fathom/optimizer.h"
#include "fathom/program.h"

enum { NETWORKS = 96, MOST_VALUES = 16, STEPS = 2, OUTPUTS = 3 };
enum { N = 3, SIDE = 36, LARGEST = 1 << 17 }; /* images; elements of a value */

typedef struct builder {
    fm_graph *graph;
    fm_random random;
    fm_val values[MOST_VALUES];
    int count;
} builder;

static int below(builder *b, int limit)
{
    return (int)fm_random_below(&b->random, (uint64_t)limit);
}

/* The last one is the likeliest. */
static fm_val any(builder *b)
{
    const int at = below(b, b->count + 2);
    return b->values[at < b->count ? at : b->count - 1];
}

/* A value of this one's shape, maybe itself. */
static fm_val alike(builder *b, fm_val value)
{
    const fm_shape shape = fm_val_shape(b->graph, value);
    for (int tries = 0; tries < 8; tries++) {
        const fm_val other = any(b);
        if (fm_shape_equal(fm_val_shape(b->graph, other), shape)) return other;
    }
    return value;
}

static fm_val convolved(builder *b, fm_val x)
{
    static const int64_t filters[] = {8, 24, 24, 33};
    const int64_t size = below(b, 3) ? 3 : 1 + below(b, 4), stride = below(b, 4) ? 1 : 2;
    return fm_conv2d(b->graph, x, .filters = filters[below(b, 4)], .kernel_size = {1, {size}},
                     .strides = {1, {stride}}, .padding = FM_PADDING_SAME, .no_bias = below(b, 2),
                     .activation = below(b, 4) ? FM_LINEAR : FM_RELU);
}

/* Batch normalisation with what is fused with it, or almost. */
static fm_val normalized(builder *b, fm_val x)
{
    fm_val y = fm_batch_normalization(b->graph, x);
    if (below(b, 3) == 0) y = fm_add(b->graph, y, alike(b, y));
    switch (below(b, 6)) {
    case 0:
        return y;
    case 1:
        return fm_relu6(b->graph, y);
    default:
        return fm_relu(b->graph, y);
    }
}

static fm_val pooled(builder *b, fm_val x)
{
    if (fm_val_shape(b->graph, x).dims[1] < 3) return x;
    const fm_pooling_options options = {.pool_size = {1, {2 + below(b, 2)}}};
    return below(b, 2) ? fm_max_pooling2d_with(b->graph, x, &options)
                       : fm_average_pooling2d_with(b->graph, x, &options);
}

static fm_val combined(builder *b, fm_val x)
{
    fm_graph *g = b->graph;
    const fm_val other = alike(b, x);
    switch (below(b, 4)) {
    case 0:
        return fm_mul(g, x, fm_sigmoid(g, other));
    case 1:
        return fm_relu(g, fm_add(g, x, other));
    case 2:
        return fm_concatenate(g, ((fm_val[]){x, other}), 2);
    default:
        return fm_sub(g, fm_mul_scalar(g, x, 0.5), other);
    }
}

static fm_val dropped(builder *b, fm_val x)
{
    return fm_dropout(b->graph, x, .rate = 0.3);
}

static fm_val activated(builder *b, fm_val x)
{
    static fm_val (*const functions[])(fm_graph *, fm_val) = {fm_relu, fm_relu, fm_tanh, fm_gelu};
    return functions[below(b, 4)](b->graph, x);
}

static fm_val layer(builder *b, fm_val x)
{
    static fm_val (*const kinds[])(builder *, fm_val) = {convolved, normalized, combined,
                                                         pooled,    dropped,    activated};
    if (below(b, 2)) return normalized(b, convolved(b, x));
    return kinds[below(b, sizeof kinds / sizeof *kinds)](b, x);
}

static fm_val mean_of(builder *b, fm_val x)
{
    return fm_mean(b->graph, x, (fm_ints){0}, false);
}

/* A trained variable, or an input of layers. */
static fm_val differentiable(builder *b)
{
    for (int tries = 0; tries < 8; tries++) {
        const fm_val variable = fm_graph_variable(b->graph, below(b, 12));
        if (variable.id && fm_val_trainable(b->graph, variable)) return variable;
    }
    return b->values[0];
}

static fm_val penalty(builder *b)
{
    fm_graph *g = b->graph;
    const fm_val loss = mean_of(b, below(b, 2) ? any(b) : fm_square(g, any(b)));
    const fm_val of = differentiable(b);
    fm_val gradient;
    fm_grad(g, loss, &of, 1, &gradient);
    return mean_of(b, below(b, 2) ? fm_square(g, gradient) : fm_tanh(g, gradient));
}

/* A graph that is a function of the seed alone. */
static void build(builder *b, uint64_t seed)
{
    fm_graph *g = b->graph;
    b->random = fm_random_at(seed, 0, 9);
    b->values[b->count++] = fm_input(g, "x", FM_F32, FM_SHAPE(N, SIDE, SIDE, 3));
    const int wanted = 4 + below(b, MOST_VALUES - 4);
    b->values[b->count++] = convolved(b, b->values[0]);
    while (b->count < wanted) {
        const fm_val made = layer(b, any(b));
        assert_int_not_equal(made.id, 0);
        if (fm_shape_elements(fm_val_shape(g, made)) > LARGEST) break;
        b->values[b->count++] = made;
    }
    fm_val loss = mean_of(b, fm_square(g, b->values[b->count - 1]));
    if (below(b, 2)) loss = fm_add(g, loss, mean_of(b, fm_tanh(g, any(b))));
    if (below(b, 3) == 0) loss = fm_add(g, loss, penalty(b));
    fm_minimize(g, loss, .rule = FM_SGD, .momentum = below(b, 2) ? 0.9 : 0);
    fm_output(g, "loss", loss);
    fm_output(g, "last", b->values[b->count - 1]);
    fm_output(g, "any", any(b));
}

typedef struct trained {
    fm_context *context;
    builder builder;
    fm_store *store;
    fm_program *program;
} trained;

static void train(fixture *f, uint64_t seed, int threads, fm_program_options options, trained *t)
{
    *t = (trained){.context = fixture_context(f, threads)};
    fm_context *context = t->context;
    const fm_graph_options training = {.mode = FM_TRAIN};
    assert_ok(context, fm_graph_create(context, &training, &t->builder.graph));
    build(&t->builder, seed);
    assert_ok(context, fm_graph_status(t->builder.graph));
    assert_ok(context, fm_store_create(context, 11, &t->store));
    const fm_status status = fm_program_create(t->store, t->builder.graph, &options, &t->program);
    if (status != FM_OK) fail_msg("network %d: %s", (int)seed, fm_error_message(context));
    float *x = fm_program_input(t->program, "x");
    *(float *)fm_program_input(t->program, FM_LEARNING_RATE) = 1e-3f;
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < N * SIDE * SIDE * 3; i++) x[i] = sinf((float)i * 1.7f + (float)step);
        assert_ok(context, fm_program_run(t->program));
    }
}

static void release(trained *t)
{
    fm_program_destroy(t->program);
    fm_store_destroy(t->store);
    fm_graph_destroy(t->builder.graph);
    fm_context_destroy(t->context);
}

/* ||a - b|| / (||b|| + floor sqrt(count)) */
static double distance(const float *a, const float *b, int64_t count, double floor)
{
    double apart = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(apart) / (sqrt(size) + floor * sqrt((double)count));
}

/* The largest distance of an output or a variable. Biases in front of a normalisation, and the
 * means of what is normalised, are rounding errors of nothing: small numbers count as zeros. */
static double compare(trained *a, trained *b)
{
    static const char *const names[OUTPUTS] = {"loss", "last", "any"};
    static float of_a[1 << 16], of_b[1 << 16];
    double worst = 0;
    for (int i = 0; i < OUTPUTS; i++) {
        const fm_val value = fm_graph_output(a->builder.graph, names[i]);
        const int64_t count = fm_shape_elements(fm_val_shape(a->builder.graph, value));
        worst = fmax(worst, distance(fm_program_output(a->program, names[i]),
                                     fm_program_output(b->program, names[i]), count, 1e-6));
    }
    for (int i = 0; i < fm_store_count(a->store); i++) {
        const fm_variable_info info = fm_store_info(a->store, i);
        const int64_t count = fm_shape_elements(info.shape);
        if (info.dtype != FM_F32) continue;
        assert_true(count <= (int64_t)(sizeof of_a / sizeof *of_a));
        assert_ok(a->context, fm_store_read(a->store, i, of_a));
        assert_ok(b->context, fm_store_read(b->store, i, of_b));
        worst = fmax(worst, distance(of_a, of_b, count, 1e-3));
    }
    return worst;
}

static void passes_change_nothing(void **state)
{
    fixture *f = *state;
    const fm_program_options plain = {.no_fusion = true,
                                      .no_simplify = true,
                                      .no_fold = true,
                                      .no_prologue = true,
                                      .private_buffers = true};
    const int networks = fixture_is_watched() ? NETWORKS / 20 : NETWORKS;
    for (int seed = 0; seed < networks; seed++) {
        trained usual, unfused, alone;
        train(f, (uint64_t)seed, 2, (fm_program_options){0}, &usual);
        train(f, (uint64_t)seed, 2, plain, &unfused);
        train(f, (uint64_t)seed, 1, (fm_program_options){0}, &alone);
        const double apart = compare(&usual, &unfused);
        if (!(apart < 2e-3)) fail_msg("network %d: %g apart from its definition", seed, apart);
        if (compare(&usual, &alone) != 0) fail_msg("network %d: threads change its bits", seed);
        release(&usual);
        release(&unfused);
        release(&alone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {fixture_test(passes_change_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
