/* Random graphs: planned execution must equal execution in which every value has private memory,
 * bit for bit, over several steps of a program that changes its own variables; so must what is
 * computed once equal what is computed in each step, though others overwrite the arena and write
 * variables between the steps; and so must programs that recompute. The plan check is run on every
 * plan by fm_program_create itself. */
#include "support/fixture.h"

#include "base/random.h"
#include "fathom/ops.h"
#include "fathom/program.h"
#include "fathom/vision_ops.h"
#include "run/store.h"

enum { GRAPHS = 10000, MOST_VALUES = 48, VARIABLES = 4, STEPS = 3 };

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

static fm_val any(builder *b)
{
    return b->values[below(b, b->count)];
}

static fm_val any_of_rank(builder *b, int rank)
{
    for (int tries = 0; tries < 16; tries++) {
        fm_val value = any(b);
        if (fm_val_shape(b->graph, value).rank == rank) return value;
    }
    return (fm_val){0};
}

static fm_val unary(builder *b)
{
    static fm_val (*const functions[])(fm_graph *, fm_val) = {fm_tanh, fm_relu, fm_neg, fm_sigmoid,
                                                              fm_sin};
    return functions[below(b, 5)](b->graph, any(b));
}

/* Operands of equal shapes, or a scalar beside anything. */
static fm_val binary(builder *b)
{
    static fm_val (*const functions[])(fm_graph *, fm_val, fm_val) = {fm_add, fm_sub, fm_mul,
                                                                      fm_maximum};
    fm_val x = any(b), y = any(b);
    fm_shape a = fm_val_shape(b->graph, x), c = fm_val_shape(b->graph, y);
    if (!fm_shape_equal(a, c) && a.rank && c.rank) y = x;
    return functions[below(b, 4)](b->graph, x, y);
}

static fm_val product(builder *b)
{
    fm_val x = any_of_rank(b, 2);
    if (!x.id) return any(b);
    bool left = below(b, 2);
    return fm_matmul_transposed(b->graph, x, x, left, !left);
}

static fm_val flat(builder *b)
{
    return fm_reshape_to(b->graph, any(b), FM_SHAPE(-1));
}

static fm_val turned(builder *b)
{
    fm_val x = any_of_rank(b, 2);
    return x.id ? fm_transpose(b->graph, x, (fm_ints){0}) : any(b);
}

static fm_val reduced(builder *b)
{
    fm_val x = any(b);
    bool one_axis = fm_val_shape(b->graph, x).rank && below(b, 2);
    return fm_sum(b->graph, x, one_axis ? (fm_ints){1, {-1}} : (fm_ints){0}, below(b, 2));
}

static fm_val joined(builder *b)
{
    fm_val x = any_of_rank(b, 2);
    return x.id ? fm_concat(b->graph, (fm_val[]){x, x}, 2, below(b, 2)) : any(b);
}

static fm_val dropped(builder *b)
{
    return fm_drop(b->graph, any(b), 0.3);
}

static fm_val normalized(builder *b)
{
    fm_val x = any_of_rank(b, 2);
    return x.id ? fm_softmax(b->graph, x) : any(b);
}

/* (r, c) as an image of one dimension, (1, r, c); {0}: there is none with two rows. */
static fm_val image(builder *b)
{
    fm_val x = any_of_rank(b, 2);
    if (!x.id) return x;
    fm_shape shape = fm_val_shape(b->graph, x);
    if (shape.dims[0] < 2) return (fm_val){0};
    return fm_reshape_to(b->graph, x, FM_SHAPE(1, shape.dims[0], shape.dims[1]));
}

/* (1, r, c) as (r, c) */
static fm_val table(builder *b, fm_val image_)
{
    fm_shape shape = fm_val_shape(b->graph, image_);
    return fm_reshape_to(b->graph, image_, FM_SHAPE(shape.dims[1], shape.dims[2]));
}

/* A largest value has a second output, of bytes. */
static fm_val pooled(builder *b)
{
    fm_val x = image(b);
    fm_pool pool = {.kernel_size = {1, {2}}, .window.strides = {1, {1 + below(b, 2)}}};
    if (!x.id) return any(b);
    return table(b, below(b, 2) ? fm_max_pool(b->graph, x, &pool)
                                : fm_average_pool(b->graph, x, &pool));
}

static fm_val convolved(builder *b)
{
    fm_val x = image(b);
    if (!x.id) return any(b);
    fm_val rows = table(b, x), kernel = fm_matmul_transposed(b->graph, rows, rows, true, false);
    int64_t channels = fm_val_shape(b->graph, kernel).dims[0];
    kernel = fm_reshape_to(b->graph, kernel, FM_SHAPE(1, channels, channels));
    return table(b, fm_convolve(b->graph, x, kernel, NULL));
}

/* Three outputs; two are read by the gradient alone. */
static fm_val standardized(builder *b)
{
    fm_val x = image(b);
    if (!x.id) return any(b);
    fm_val row = fm_sum(b->graph, x, (fm_ints){2, {0, 1}}, false);
    return table(b, fm_normalize_over(b->graph, x, row, row, (fm_ints){1, {1}}, 1e-2, NULL, NULL));
}

static fm_val taken(builder *b)
{
    fm_val x = image(b);
    const int32_t positions[] = {1, 0, 1};
    if (!x.id) return any(b);
    return fm_window_sum(b->graph, table(b, fm_take(b->graph, x, 1, positions, 3)), 1, 0);
}

static fm_val (*const kinds[])(builder *) = {unary,   unary,   binary,    binary,       flat,
                                             turned,  reduced, joined,    dropped,      normalized,
                                             product, pooled,  convolved, standardized, taken};

static fm_val make_next(builder *b, fm_val variable)
{
    fm_val next = any(b);
    if (fm_shape_equal(fm_val_shape(b->graph, next), fm_val_shape(b->graph, variable))) return next;
    fm_val small =
        fm_mul_scalar(b->graph, fm_sum(b->graph, fm_tanh(b->graph, next), (fm_ints){0}, 0), 1e-3);
    return fm_add(b->graph, variable, small);
}

/* A graph that is a function of the seed alone. */
static void build(builder *b, uint64_t seed)
{
    fm_graph *g = b->graph;
    b->random = fm_random_at(seed, 0, 7);
    fm_val variables[VARIABLES];
    fm_shape square = FM_SHAPE(1 + below(b, 5), 1 + below(b, 5));
    b->values[b->count++] = fm_input(g, "x", FM_F32, square);
    for (int i = 0; i < VARIABLES; i++) {
        fm_shape shape = i < 2 ? square : i == 2 ? FM_SHAPE(7) : (fm_shape){0};
        char name[16];
        snprintf(name, sizeof name, "v%d", i);
        variables[i] = fm_variable(g, name, FM_F32, shape, NULL);
        b->values[b->count++] = variables[i];
    }
    int wanted = 8 + below(b, MOST_VALUES - 16);
    while (b->count < wanted) {
        fm_val made = kinds[below(b, sizeof kinds / sizeof *kinds)](b);
        if (made.id && fm_shape_elements(fm_val_shape(g, made)) <= 400) {
            b->values[b->count++] = made;
        }
    }
    for (int i = 0; i < VARIABLES; i++) {
        if (below(b, 4)) fm_update(g, variables[i], make_next(b, variables[i]));
    }
    if (below(b, 2)) { /* a loss and its gradients, which read what forward made */
        fm_val loss = fm_sum(g, fm_tanh(g, any(b)), (fm_ints){0}, false), grads[2];
        fm_grad(g, loss, variables, 2, grads);
        fm_output(g, "grad0", grads[0]);
        fm_output(g, "grad1", grads[1]);
    }
    fm_output(g, "a", fm_add_scalar(g, any(b), 1));
    fm_output(g, "b", b->values[b->count - 1]);
}

typedef struct outcome {
    fm_store *store;
    fm_program *program;
} outcome;

static void write_variables(fixture *f, outcome *o)
{
    fm_random random = fm_random_at(5, 0, 0);
    for (int i = 0; i < fm_store_count(o->store); i++) {
        float elements[64];
        int64_t count = fm_shape_elements(fm_store_info(o->store, i).shape);
        random = fm_random_at(fm_stream_of(fm_store_info(o->store, i).path), 0, 0);
        for (int64_t k = 0; k < count; k++) elements[k] = (float)fm_random_range(&random, -1, 1);
        assert_ok(f->context, fm_store_write(o->store, i, elements));
    }
}

static void start(fixture *f, const fm_graph *graph, bool oracle, outcome *o)
{
    const fm_program_options options = {.private_buffers = oracle,
                                        .no_prologue = oracle,
                                        .no_fusion = oracle,
                                        .shares_arena = !oracle,
                                        .backends = (const char *[]){"portable", NULL}};
    assert_ok(f->context, fm_store_create(f->context, 11, &o->store));
    assert_ok(f->context, fm_program_create(o->store, graph, &options, &o->program));
    write_variables(f, o);
}

/* The same with seven eighths of the planned arena, by recomputation, where that is enough. */
static bool start_smaller(fixture *f, const fm_graph *graph, const outcome *planned, outcome *o)
{
    const fm_program_options options = {
        .memory = fm_program_summarize(planned->program).arena_bytes * 7 / 8,
        .shares_arena = true,
        .backends = (const char *[]){"portable", NULL}};
    assert_ok(f->context, fm_store_create(f->context, 11, &o->store));
    fm_status status = options.memory ? fm_program_create(o->store, graph, &options, &o->program)
                                      : FM_ERROR_ARGUMENT;
    if (status == FM_OK) {
        assert_true(fm_program_summarize(o->program).arena_bytes <= options.memory);
        write_variables(f, o);
        return true;
    }
    assert_int_equal(status, FM_ERROR_ARGUMENT);
    fm_store_destroy(o->store);
    return false;
}

static void finish(outcome *o)
{
    fm_program_destroy(o->program);
    fm_store_destroy(o->store);
}

/* What others do between two runs: use a shared arena, and write a variable. */
static void disturb(fixture *f, outcome *o, int number)
{
    if (o->store->workspace) memset(o->store->workspace, 0xff, o->store->workspace_bytes);
    if (number % 2 == 0 || fm_store_count(o->store) == 0) return;
    float elements[64];
    int index = number % fm_store_count(o->store);
    assert_ok(f->context, fm_store_read(o->store, index, elements));
    elements[0] += 0.25f;
    assert_ok(f->context, fm_store_write(o->store, index, elements));
}

static void step(fixture *f, const fm_graph *graph, outcome *o, int number)
{
    disturb(f, o, number);
    float *x = fm_program_input(o->program, "x");
    int64_t count = fm_shape_elements(fm_val_shape(graph, fm_graph_input(graph, "x")));
    for (int64_t i = 0; i < count; i++) x[i] = (float)(i + number) * 0.1f - 0.7f;
    assert_ok(f->context, fm_program_run(o->program));
}

static void compare(const fm_graph *graph, outcome *planned, outcome *oracle, uint64_t seed)
{
    static const char *const names[] = {"a", "b", "grad0", "grad1"};
    for (int i = 0; i < 4; i++) {
        fm_val value = fm_graph_output(graph, names[i]);
        if (!value.id) continue;
        size_t bytes = (size_t)fm_shape_bytes(fm_val_shape(graph, value), FM_F32);
        if (memcmp(fm_program_output(planned->program, names[i]),
                   fm_program_output(oracle->program, names[i]), bytes) != 0) {
            fail_msg("graph %llu: output %s differs", (unsigned long long)seed, names[i]);
        }
    }
    assert_int_equal(fm_store_count(planned->store), fm_store_count(oracle->store));
    for (int i = 0; i < fm_store_count(planned->store); i++) {
        float a[64], b[64];
        size_t bytes = (size_t)fm_shape_bytes(fm_store_info(planned->store, i).shape, FM_F32);
        fm_store_read(planned->store, i, a);
        fm_store_read(oracle->store, i, b);
        if (memcmp(a, b, bytes) != 0) {
            fail_msg("graph %llu: variable %s differs", (unsigned long long)seed,
                     fm_store_info(planned->store, i).path);
        }
    }
}

static void planned_execution_equals_private_buffers(void **state)
{
    fixture *f = *state;
    size_t arena = 0, private_arena = 0, bound = 0;
    int with_prologue = 0, recomputed = 0;
    int graphs = fixture_is_watched() ? GRAPHS / 20 : GRAPHS;
    for (int seed = 0; seed < graphs; seed++) {
        builder b = {0};
        assert_ok(f->context,
                  fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &b.graph));
        build(&b, (uint64_t)seed);
        assert_ok(f->context, fm_graph_status(b.graph));
        outcome planned = {0}, oracle = {0}, smaller = {0};
        start(f, b.graph, false, &planned);
        start(f, b.graph, true, &oracle);
        bool is_smaller = start_smaller(f, b.graph, &planned, &smaller);
        recomputed += is_smaller;
        for (int i = 0; i < STEPS; i++) {
            step(f, b.graph, &planned, i);
            step(f, b.graph, &oracle, i);
            if (is_smaller) {
                step(f, b.graph, &smaller, i);
                compare(b.graph, &smaller, &oracle, (uint64_t)seed);
            }
            if (planned.store->workspace) {
                memset(planned.store->workspace, 0xff, planned.store->workspace_bytes);
            }
            compare(b.graph, &planned, &oracle, (uint64_t)seed);
        }
        arena += fm_program_summarize(planned.program).arena_bytes;
        with_prologue += fm_program_summarize(planned.program).prologue_steps > 0;
        bound += fm_program_summarize(planned.program).arena_bound;
        private_arena += fm_program_summarize(oracle.program).arena_bytes;
        finish(&planned);
        finish(&oracle);
        if (is_smaller) finish(&smaller);
        fm_graph_destroy(b.graph);
    }
    assert_true(with_prologue > graphs / 4);
    assert_true(recomputed > graphs / 500);
    print_message("%d graphs, %d with a prologue, %d with a smaller arena too: arenas %zu bytes, "
                  "%.3f of the bound, %.3f of "
                  "private buffers\n",
                  graphs, with_prologue, recomputed, arena, (double)arena / (double)bound,
                  (double)arena / (double)private_arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {fixture_test(planned_execution_equals_private_buffers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
