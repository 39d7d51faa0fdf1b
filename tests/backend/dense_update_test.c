/* dense_update has the bits of dense_grad and an update behind it: every rule, on every backend, in
 * f32, f64 and with operands rounded to bf16, by one, two and three threads, in place and
 * beside. */
#include "support/fixture.h"

#include "backend/backends.h"
#include "base/memory.h"
#include "base/random.h"
#include "fathom/program.h"
#include "op/fused_ops.h"
#include "op/op_table.h"
#include "op/optimizer_ops.h"
#include "run/program_inside.h"

enum { STEPS = 3, MOST_RESULTS = 5 };

typedef struct job {
    const fm_op *rule;
    fm_update_attributes attributes;
    int64_t rows, in, units; /* of x, of the kernel */
    fm_dtype dtype;
    fm_precision precision;
    bool fused, beside; /* beside: results are outputs and nothing is updated */
    const char *backend;
    int threads;
} job;

typedef struct results {
    int count;
    size_t bytes[MOST_RESULTS];
    void *values[MOST_RESULTS];
} results;

static fm_status fill_positive(fm_context *context, const fm_initializer *self, fm_dtype dtype,
                               fm_shape shape, uint64_t seed, uint32_t stream, void *elements)
{
    (void)context, (void)self;
    fm_random random = fm_random_at(seed, 0, stream);
    for (int64_t i = 0; i < fm_shape_elements(shape); i++) {
        const float number = (float)fm_random_range(&random, 0.01, 0.5);
        if (dtype == FM_F64) {
            ((double *)elements)[i] = number;
        } else {
            ((float *)elements)[i] = number;
        }
    }
    return FM_OK;
}

static fm_val state_of(fm_graph *g, const job *j, const char *name)
{
    const fm_variable_options options = {.initializer = {.name = "test", .fill = fill_positive}};
    return fm_variable(g, name, j->dtype, FM_SHAPE(j->in, j->units), &options);
}

/* The kernel and its slots are the first results, the bias's gradient the last. */
static fm_graph *build(fm_context *context, const job *j)
{
    static const fm_op *const fused[] = {NULL, &fm_op_dense_update_1, &fm_op_dense_update_2,
                                         &fm_op_dense_update_3};
    const int slots = j->rule->outputs - 1;
    fm_update_attributes attributes = j->attributes;
    fm_val inputs[FM_MAX_INPUTS], outputs[FM_MAX_OUTPUTS], gradients[2];
    fm_graph *g;
    assert_ok(context, fm_graph_create(context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    fm_val x = fm_input(g, "x", j->dtype, FM_SHAPE(j->rows, j->in));
    fm_val dy = fm_input(g, "dy", j->dtype, FM_SHAPE(j->rows, j->units));
    int count = FM_UPDATE_SLOTS + slots;
    inputs[FM_UPDATE_PARAMETER] = state_of(g, j, "kernel");
    inputs[FM_UPDATE_RATE] = fm_input(g, "rate", j->dtype, FM_SHAPE());
    inputs[FM_UPDATE_ITERATION] = fm_input(g, "iteration", FM_F64, FM_SHAPE());
    for (int i = 0; i < slots; i++) {
        inputs[FM_UPDATE_SLOTS + i] = state_of(g, j, (const char *[]){"a", "b", "c"}[i]);
    }
    if (j->fused) {
        inputs[FM_UPDATE_GRADIENT] = x;
        inputs[count++] = dy;
        attributes.rule = fm_update_rule_of(j->rule);
    } else {
        fm_node_add(g, &fm_op_dense_grad, (fm_val[]){x, dy}, 2, NULL, gradients);
        inputs[FM_UPDATE_GRADIENT] = gradients[0];
    }
    if (j->rule == &fm_op_nadam) inputs[count++] = fm_input(g, "product", FM_F64, FM_SHAPE());
    fm_node_add(g, j->fused ? fused[slots] : j->rule, inputs, count, &attributes, outputs);
    if (!j->fused) outputs[slots + 1] = gradients[1];
    for (int k = 0; k <= slots + 1; k++) {
        const int input = k == 0 ? 0 : FM_UPDATE_SLOTS + k - 1;
        if (k <= slots && !j->beside) fm_update(g, inputs[input], outputs[k]);
        fm_output(g, (const char *[]){"y0", "y1", "y2", "y3", "y4"}[k], outputs[k]);
    }
    assert_ok(context, fm_graph_status(g));
    return g;
}

static void feed(fm_program *program, const char *name, fm_dtype dtype, int64_t count)
{
    fm_random random = fm_random_at((uint64_t)name[0], (uint32_t)count, 0);
    void *elements = fm_program_input(program, name);
    for (int64_t i = 0; i < count; i++) {
        const float number = (float)fm_random_range(&random, -1, 1);
        if (dtype == FM_F64) {
            ((double *)elements)[i] = number;
        } else {
            ((float *)elements)[i] = number;
        }
    }
}

static void set(fm_program *program, const char *name, fm_dtype dtype, double number)
{
    void *element = fm_program_input(program, name);
    if (dtype == FM_F64) {
        *(double *)element = number;
    } else {
        *(float *)element = (float)number;
    }
}

static void check_kernel(const fm_program *program, const job *j)
{
    for (size_t i = 0; i < program->placement_count; i++) {
        const char *kernel = fm_placement_name(&program->placements[i]);
        if (strncmp(program->graph->nodes[i].op->name, "dense_update", 12) != 0) continue;
        if (strncmp(kernel, j->backend, strlen(j->backend)) != 0) {
            fail_msg("ran on %s instead of %s", kernel, j->backend);
        }
    }
}

static results run(fixture *f, const job *j)
{
    fm_context *context = fixture_context(f, j->threads);
    fm_graph *g = build(context, j);
    fm_store *store;
    fm_program *program;
    const char *const backends[] = {j->backend, NULL};
    const fm_program_options options = {
        .backends = backends, .no_fusion = true, .precision = (int)j->precision};
    assert_ok(context, fm_store_create(context, 5, &store));
    assert_ok(context, fm_program_create(store, g, &options, &program));
    check_kernel(program, j);
    set(program, "rate", j->dtype, 0.01);
    if (j->rule == &fm_op_nadam) set(program, "product", FM_F64, 0.4);
    feed(program, "x", j->dtype, j->rows * j->in);
    feed(program, "dy", j->dtype, j->rows * j->units);
    for (int i = 0; i < STEPS; i++) {
        set(program, "iteration", FM_F64, i); /* the first of them changes nothing */
        assert_ok(context, fm_program_run(program));
    }
    results r = {.count = j->rule->outputs + 1};
    for (int k = 0; k < r.count; k++) {
        const int64_t count = k == r.count - 1 ? j->units : j->in * j->units;
        r.bytes[k] = (size_t)count * fm_dtype_size(j->dtype);
        r.values[k] = fm_allocate(f->context, r.bytes[k] + 1);
        memcpy(r.values[k], fm_program_output(program, (const char[]){'y', (char)('0' + k), 0}),
               r.bytes[k]);
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(g);
    fm_context_destroy(context);
    return r;
}

static void release(fixture *f, results *r)
{
    for (int k = 0; k < r->count; k++) fm_release(f->context, r->values[k]);
}

static void compare(fixture *f, job j)
{
    j.fused = false;
    j.threads = 1;
    results expected = run(f, &j);
    j.fused = true;
    for (j.threads = 1; j.threads <= 3; j.threads++) {
        results received = run(f, &j);
        for (int k = 0; k < expected.count; k++) {
            if (memcmp(expected.values[k], received.values[k], expected.bytes[k]) == 0) continue;
            fail_msg("%s: result %d of %s differs, %d x %d by %d rows, %d threads", j.backend, k,
                     j.rule->name, (int)j.in, (int)j.units, (int)j.rows, j.threads);
        }
        release(f, &received);
    }
    release(f, &expected);
}

static const fm_op *const rules[] = {
    &fm_op_momentum,
    &fm_op_adagrad,
    &fm_op_adadelta,
    &fm_op_rmsprop,
    &fm_op_rmsprop_momentum,
    &fm_op_rmsprop_centered,
    &fm_op_adam,
    &fm_op_amsgrad,
    &fm_op_adamax,
    &fm_op_nadam,
    &fm_op_lion,
};

static job draw(fm_random *random, int round)
{
    const size_t count = sizeof rules / sizeof *rules;
    job j = {.rule = rules[(size_t)round % count],
             .attributes = {.momentum = 0.9,
                            .rho = 0.9,
                            .beta_1 = 0.9,
                            .beta_2 = 0.99,
                            .epsilon = 1e-3,
                            .momentum_decay = 0.004},
             .rows = 1 + (int64_t)fm_random_range(random, 0, 150),
             .in = 1 + (int64_t)fm_random_range(random, 0, 300),
             .units = 1 + (int64_t)fm_random_range(random, 0, 150),
             .dtype = FM_F32,
             .beside = round % 5 == 0};
    if (round / (int)count % 2) {
        j.attributes.l1 = 0.01;
        j.attributes.l2 = 0.1;
        j.attributes.weight_decay = 0.1;
        j.attributes.l1_decay = 0.05;
        j.attributes.nesterov = true;
    }
    return j;
}

static void every_rule(fixture *f, const char *backend, fm_precision precision, fm_dtype dtype)
{
    const int most = 2 * (int)(sizeof rules / sizeof *rules);
    fm_random random = fm_random_at(3, 0, 0);
    for (int round = fixture_rounds(most); round-- > 0;) {
        job j = draw(&random, round);
        j.backend = backend;
        j.precision = precision;
        j.dtype = dtype;
        compare(f, j);
    }
}

static void on_the_portable_backend(void **state)
{
    every_rule(*state, "portable", FM_PRECISION_F32, FM_F32);
    every_rule(*state, "portable", FM_PRECISION_F32, FM_F64);
    every_rule(*state, "portable", FM_PRECISION_BF16, FM_F32);
}

#if FATHOM_HAVE_FAST
static void on_each_fast_backend(void **state)
{
    for (int i = 0; fm_cpu_backend_at(i); i++) {
        every_rule(*state, fm_cpu_backend_at(i)->name, FM_PRECISION_F32, FM_F32);
        every_rule(*state, fm_cpu_backend_at(i)->name, FM_PRECISION_BF16, FM_F32);
    }
}

/* Tiles of 11 and 12 rows, fewer steps of depth than vectors in them, panels of half the width. */
static void adam_beside_the_products(void **state)
{
    static const int64_t sizes[][3] = {{1, 784, 128}, {23, 264, 33},   {24, 143, 64},
                                       {32, 784, 40}, {100, 132, 320}, {383, 131, 70}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fm_random random = fm_random_at(3, 0, 0);
        job j = draw(&random, 6);
        assert_ptr_equal(j.rule, &fm_op_adam);
        j.rows = sizes[i][0];
        j.in = sizes[i][1];
        j.units = sizes[i][2];
        for (int k = 0; fm_cpu_backend_at(k); k++) {
            j.backend = fm_cpu_backend_at(k)->name;
            compare(*state, j);
        }
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(on_the_portable_backend),
#if FATHOM_HAVE_FAST
        fixture_test(on_each_fast_backend),
        fixture_test(adam_beside_the_products),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
