/* Under a memory budget values are computed twice: less memory, the same bits. */
#include "support/fixture.h"
#include "fathom/loss.h"
#include "fathom/nn.h"
#include "fathom/nn_vision.h"
#include "fathom/optimizer.h"
#include "fathom/ops.h"
#include "fathom/program.h"
#include "fathom/zoo.h"

enum { CLASSES = 10, STEPS = 3 };

/* Dropout, whose mask is drawn again; branches that are joined. */
static fm_val deep_dense(fm_graph *g, fm_val x)
{
    for (int i = 0; i < 12; i++) {
        fm_val y = fm_dense(g, x, .units = 64, .activation = FM_GELU);
        y = fm_dropout(g, y, .rate = 0.3);
        y = fm_layer_normalization(g, y);
        x = i % 3 == 2 ? fm_concat(g, (fm_val[]){x, y}, 2, 1) : y;
    }
    return fm_dense(g, x, .units = CLASSES);
}

static fm_val residual(fm_graph *g, fm_val x)
{
    return fm_zoo(g, "resnet20", x);
}

static fm_val densely_connected(fm_graph *g, fm_val x)
{
    for (int i = 0; i < 6; i++) {
        fm_val y = fm_relu(g, fm_batch_normalization(g, x));
        y = fm_conv2d(g, y, .filters = 8, .kernel_size = {1, {3}}, .padding = FM_PADDING_SAME);
        x = fm_concat(g, (fm_val[]){x, y}, 2, 3);
        if (i == 2) x = fm_max_pooling2d(g, x, .pool_size = {1, {2}});
    }
    return fm_dense(g, fm_global_average_pooling(g, x), .units = CLASSES);
}

static fm_val small(fm_graph *g, fm_val x)
{
    for (int i = 0; i < 4; i++) x = fm_dense(g, x, .units = 16, .activation = FM_GELU);
    return fm_dense(g, x, .units = CLASSES);
}

typedef struct network {
    const char *name;
    fm_val (*build)(fm_graph *g, fm_val x);
    fm_shape input;
    double reachable; /* share of the arena that is reached at least */
    fm_optimizer optimizer;
} network;

static const network networks[] = {
    {"deep dense", deep_dense, {2, {16, 32}}, 0.5, {.rule = FM_SGD}},
    {"residual", residual, {4, {4, 16, 16, 3}}, 0.6, {.rule = FM_SGD, .momentum = 0.9}},
    {"dense blocks", densely_connected, {4, {8, 24, 24, 3}}, 0.75, {.rule = FM_ADAM}},
};

enum { NETWORKS = sizeof networks / sizeof networks[0] };

static const network small_network = {"small", small, {2, {64, 8}}, 0.8, {.rule = FM_SGD}};

static fm_graph *make_graph(fm_context *context, const network *n)
{
    fm_graph *g;
    if (fm_graph_create(context, &(fm_graph_options){.mode = FM_TRAIN}, &g) != FM_OK) return NULL;
    fm_val x = fm_input(g, "x", FM_F32, n->input);
    fm_val y = fm_input(g, "y", FM_I32, FM_SHAPE(n->input.dims[0]));
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, n->build(g, x), y);
    fm_minimize_with(g, loss, &n->optimizer);
    fm_output(g, "loss", loss);
    return g;
}

typedef struct outcome {
    fm_program_summary summary;
    float losses[STEPS];
    uint64_t digest; /* of all variables */
} outcome;

static uint64_t digest_of(fixture *f, fm_store *store)
{
    uint64_t digest = 0;
    for (int i = 0; i < fm_store_count(store); i++) {
        fm_variable_info info = fm_store_info(store, i);
        size_t bytes = (size_t)fm_shape_bytes(info.shape, info.dtype);
        unsigned char *elements = malloc(bytes + 1);
        assert_non_null(elements);
        assert_ok(f->context, fm_store_read(store, i, elements));
        uint64_t hash = 0xcbf29ce484222325u;
        for (size_t k = 0; k < bytes; k++) hash = (hash ^ elements[k]) * 0x100000001b3u;
        digest = digest * 31 + hash;
        free(elements);
    }
    return digest;
}

static void feed(const network *n, fm_program *program)
{
    float *x = fm_program_input(program, "x"), *rate = fm_program_input(program, "learning_rate");
    int32_t *y = fm_program_input(program, "y");
    int64_t count = fm_shape_elements(n->input);
    for (int64_t i = 0; i < count; i++) x[i] = sinf((float)(i % 1009));
    for (int64_t i = 0; i < n->input.dims[0]; i++) y[i] = (int32_t)(i % CLASSES);
    *rate = 0.05f;
}

/* Trains a few steps; false when the budget cannot be met. */
static bool train(fixture *f, const network *n, size_t memory, outcome *o)
{
    fm_store *store;
    fm_program *program;
    fm_graph *g = make_graph(f->context, n);
    assert_ok(f->context, fm_graph_status(g));
    assert_ok(f->context, fm_store_create(f->context, 3, &store));
    const fm_program_options options = {.memory = memory};
    fm_status status = fm_program_create(store, g, &options, &program);
    fm_graph_destroy(g);
    if (status == FM_OK) {
        o->summary = fm_program_summarize(program);
        feed(n, program);
        for (int i = 0; i < STEPS; i++) {
            assert_ok(f->context, fm_program_run(program));
            o->losses[i] = *(const float *)fm_program_output(program, "loss");
        }
        o->digest = digest_of(f, store);
        fm_program_destroy(program);
    } else {
        assert_int_equal(status, FM_ERROR_ARGUMENT);
    }
    fm_store_destroy(store);
    return status == FM_OK;
}

static void less_memory_has_the_same_bits(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < fixture_rounds(NETWORKS); i++) {
        const network *n = &networks[i];
        outcome plain, tight;
        assert_true(train(f, n, 0, &plain));
        assert_int_equal(plain.summary.arena_bytes, plain.summary.plain_arena_bytes);
        assert_true(plain.summary.repeated_flops == 0);
        assert_true(train(f, n, plain.summary.arena_bytes, &tight));
        assert_int_equal(tight.summary.steps, plain.summary.steps);
        size_t reached = plain.summary.arena_bytes;
        for (double share = 0.95; share > 0.3; share -= 0.05) {
            size_t budget = (size_t)(share * (double)plain.summary.arena_bytes);
            if (!train(f, n, budget, &tight)) break;
            assert_true(tight.summary.arena_bytes <= budget);
            assert_int_equal(tight.summary.plain_arena_bytes, plain.summary.arena_bytes);
            assert_true(tight.summary.steps > plain.summary.steps);
            assert_near(tight.summary.flops, plain.summary.flops + tight.summary.repeated_flops,
                        1e-9);
            assert_memory_equal(tight.losses, plain.losses, sizeof plain.losses);
            assert_true(tight.digest == plain.digest);
            reached = budget;
        }
        double share = (double)reached / (double)plain.summary.arena_bytes;
        print_message("%s: %zu bytes, %.2f of them with recomputation\n", n->name,
                      plain.summary.arena_bytes, share);
        assert_true(share <= n->reachable + 0.01);
    }
}

/* What cheap values give costs little. */
static void cheap_values_go_first(void **state)
{
    fixture *f = *state;
    outcome plain, tight;
    if (fixture_is_watched()) return; /* slow where memory is watched */
    assert_true(train(f, &networks[1], 0, &plain));
    assert_true(train(f, &networks[1], plain.summary.arena_bytes * 8 / 10, &tight));
    assert_true(tight.summary.repeated_flops < 0.05 * plain.summary.flops);
}

static void a_budget_that_is_too_small_says_what_is_enough(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < fixture_rounds(NETWORKS); i++) {
        outcome o;
        assert_false(train(f, &networks[i], 1000, &o));
        const char *words = fm_error_message(f->context), *least = strstr(words, "at least ");
        assert_non_null(least);
        assert_non_null(strstr(words, "the budget is 1000 B"));
        double number;
        char unit[8];
        assert_int_equal(sscanf(least, "at least %lf %7s", &number, unit), 2);
        double bytes = number * (strcmp(unit, "MiB") == 0 ? 1 << 20 : 1 << 10);
        if (!train(f, &networks[i], (size_t)(bytes * 1.01), &o)) {
            fail_msg("%s: %s", networks[i].name, fm_error_message(f->context));
        }
    }
}

static fm_status compile_tight(fm_context *context, void *argument)
{
    const size_t *memory = argument;
    fm_store *store = NULL;
    fm_program *program = NULL;
    fm_graph *g = make_graph(context, &small_network);
    if (!g) return FM_ERROR_MEMORY;
    fm_status status = fm_graph_status(g);
    if (status == FM_OK) status = fm_store_create(context, 1, &store);
    const fm_program_options options = {.memory = *memory};
    if (status == FM_OK) status = fm_program_create(store, g, &options, &program);
    fm_graph_destroy(g);
    fm_program_destroy(program);
    fm_store_destroy(store);
    return status;
}

static void every_failed_allocation_is_reported(void **state)
{
    outcome plain;
    assert_true(train(*state, &small_network, 0, &plain));
    size_t memory = plain.summary.arena_bytes * 9 / 10;
    assert_true(fail_each_allocation(*state, compile_tight, &memory) > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(less_memory_has_the_same_bits),
        fixture_test(cheap_values_go_first),
        fixture_test(a_budget_that_is_too_small_says_what_is_enough),
        fixture_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
