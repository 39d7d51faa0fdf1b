/* Batch normalisation with running statistics disappears into the kernel before it. */
#include "support/graphs.h"

#include "base/random.h"
#include "fathom/ops.h"
#include "fathom/vision_ops.h"

static fm_status fill_uniform(fm_context *context, const fm_initializer *self, fm_dtype dtype,
                              fm_shape shape, uint64_t seed, uint32_t stream, void *elements)
{
    (void)context;
    (void)dtype;
    fm_random random = fm_random_at(seed, 0, stream);
    int64_t count = fm_shape_elements(shape);
    for (int64_t i = 0; i < count; i++) {
        ((float *)elements)[i] = (float)fm_random_range(&random, self->a, self->b);
    }
    return FM_OK;
}

static fm_val variable(fm_graph *g, const char *name, fm_shape shape, double low, double high)
{
    const fm_variable_options options = {
        .initializer = {.name = "test", .fill = fill_uniform, .a = low, .b = high}};
    return fm_variable(g, name, FM_F32, shape, &options);
}

/* gamma (x - mean) / sqrt(variance + epsilon) + beta as one factor and one term. */
static fm_val normalized(fm_graph *g, fm_val x)
{
    fm_shape shape = fm_val_shape(g, x);
    if (shape.rank == 0) return x; /* a failed allocation's */
    fm_shape channels = FM_SHAPE(shape.dims[shape.rank - 1]);
    fm_scope_enter_fresh(g, "norm");
    fm_val gamma = variable(g, "gamma", channels, 0.5, 2);
    fm_val beta = variable(g, "beta", channels, -1, 1);
    fm_val mean = variable(g, "moving_mean", channels, -1, 1);
    fm_val variance = variable(g, "moving_variance", channels, 0.1, 2);
    fm_val scale = fm_mul(g, gamma, fm_rsqrt(g, fm_add_scalar(g, variance, 1e-3)));
    fm_val shift = fm_sub(g, beta, fm_mul(g, mean, scale));
    fm_val y = fm_add(g, fm_mul(g, x, scale), shift);
    fm_scope_leave(g);
    return y;
}

static fm_val convolved(fm_graph *g, fm_val x, int64_t filters, int64_t groups, bool bias)
{
    fm_shape shape = fm_val_shape(g, x);
    fm_scope_enter_fresh(g, "conv");
    fm_val kernel =
        variable(g, "kernel", FM_SHAPE(3, 3, shape.dims[3] / groups, filters), -0.5, 0.5);
    const fm_window window = {
        .padding_begin = {2, {1, 1}}, .padding_end = {2, {1, 1}}, .groups = groups};
    fm_val y = fm_convolve(g, x, kernel, &window);
    if (bias) y = fm_add(g, y, variable(g, "bias", FM_SHAPE(filters), -1, 1));
    fm_scope_leave(g);
    return y;
}

/* ---- graphs ---------------------------------------------------------------------------------- */

static fm_val plain(fm_graph *g, fm_val x)
{
    return fm_relu(g, normalized(g, convolved(g, x, 6, 1, false)));
}

static fm_val with_bias(fm_graph *g, fm_val x)
{
    return fm_relu(g, normalized(g, convolved(g, x, 6, 1, true)));
}

static fm_val depthwise(fm_graph *g, fm_val x)
{
    return normalized(g, convolved(g, x, 8, 4, false));
}

static fm_val residual(fm_graph *g, fm_val x)
{
    fm_val y = fm_relu(g, normalized(g, convolved(g, x, 4, 1, false)));
    return fm_relu(g, fm_add(g, normalized(g, convolved(g, y, 4, 1, false)), x));
}

static fm_val dense(fm_graph *g, fm_val x)
{
    x = fm_reshape_to(g, x, FM_SHAPE(2, -1));
    fm_val kernel = variable(g, "kernel", FM_SHAPE(5 * 5 * 4, 7), -0.5, 0.5);
    return normalized(g,
                      fm_add(g, fm_matmul(g, x, kernel), variable(g, "bias", FM_SHAPE(7), -1, 1)));
}

/* (n, 5, 5, 4) as 25 steps: all rows are one matrix. */
static fm_val rows_times_kernel(fm_graph *g, fm_val x, int64_t units)
{
    fm_val kernel = variable(g, "kernel", FM_SHAPE(4, units), -0.5, 0.5);
    return fm_matmul(g, fm_reshape_to(g, x, FM_SHAPE(2 * 25, 4)), kernel);
}

static fm_val dense_of_steps(fm_graph *g, fm_val x)
{
    fm_val y = fm_add(g, rows_times_kernel(g, x, 7), variable(g, "bias", FM_SHAPE(7), -1, 1));
    return fm_relu(g, normalized(g, fm_reshape_to(g, y, FM_SHAPE(2, 25, 7))));
}

static fm_val dense_of_steps_without_bias(fm_graph *g, fm_val x)
{
    return normalized(g, fm_reshape_to(g, rows_times_kernel(g, x, 7), FM_SHAPE(2, 25, 7)));
}

/* Its rows get their shape back in front of the bias. */
static fm_val product_of_rank_four(fm_graph *g, fm_val x)
{
    fm_val y = fm_matmul(g, x, variable(g, "kernel", FM_SHAPE(4, 6), -0.5, 0.5));
    y = fm_sub(g, y, variable(g, "mean", FM_SHAPE(6), -1, 1));
    return normalized(g, normalized(g, y));
}

/* The view makes other channels of them. */
static fm_val regrouped(fm_graph *g, fm_val x)
{
    return normalized(g, fm_reshape_to(g, rows_times_kernel(g, x, 6), FM_SHAPE(2, 25, 3, 2)));
}

static fm_val view_with_two_readers(fm_graph *g, fm_val x)
{
    fm_val y = fm_reshape_to(g, rows_times_kernel(g, x, 7), FM_SHAPE(2, 25, 7));
    return fm_add(g, normalized(g, y), y);
}

static fm_val transposed(fm_graph *g, fm_val x)
{
    fm_val kernel = variable(g, "kernel", FM_SHAPE(2, 2, 3, 4), -0.5, 0.5);
    const fm_window window = {.strides = {2, {2, 2}}};
    return normalized(g, fm_convolve_transposed(g, x, kernel, (fm_ints){2, {10, 10}}, &window));
}

/* x - mean first, factors of rank 4, a scalar. */
static fm_val other_forms(fm_graph *g, fm_val x)
{
    fm_val y = convolved(g, x, 6, 1, false);
    y = fm_sub(g, y, variable(g, "mean", FM_SHAPE(6), -1, 1));
    y = fm_mul(g, variable(g, "scale", FM_SHAPE(1, 1, 1, 6), 0.5, 2), y);
    y = fm_mul_scalar(g, y, 0.25);
    y = fm_sub(g, y, variable(g, "term", FM_SHAPE(1, 6), 0.5, 2));
    return fm_add(g, variable(g, "beta", FM_SHAPE(6), 0.5, 2), y);
}

static fm_val two_readers(fm_graph *g, fm_val x)
{
    fm_val y = convolved(g, x, 6, 1, false);
    return fm_add(g, normalized(g, y), y);
}

static fm_val not_per_channel(fm_graph *g, fm_val x)
{
    fm_val y = convolved(g, x, 5, 1, false);
    y = fm_mul(g, y, variable(g, "rows", FM_SHAPE(5, 1), 0.5, 2));
    return fm_add(g, y, variable(g, "pixels", FM_SHAPE(5, 5, 5), 0.5, 2));
}

static const struct {
    fm_val (*build)(fm_graph *g, fm_val x);
    int multiplications; /* of activations that are left */
} cases[] = {{plain, 0},
             {with_bias, 0},
             {depthwise, 0},
             {residual, 0},
             {dense, 0},
             {transposed, 0},
             {other_forms, 0},
             {two_readers, 1},
             {not_per_channel, 1},
             {dense_of_steps, 0},
             {dense_of_steps_without_bias, 0},
             {product_of_rank_four, 0},
             {regrouped, 1},
             {view_with_two_readers, 1}};

/* ---- running --------------------------------------------------------------------------------- */

typedef struct outcome {
    float y[2 * 10 * 10 * 8];
    int64_t count;
    int multiplications;
} outcome;

/* Lines of the program behind the prologue whose op is a multiplication. */
static int count_multiplications(fixture *f, fm_program *program)
{
    char *text;
    int count = 0, step = -1;
    assert_ok(f->context, fm_program_print(program, false, &text));
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, "%d", &step) != 1 || line[0] != ' ' || line[3] == ' ') continue;
        if (step < fm_program_summarize(program).prologue_steps) continue;
        size_t size = strcspn(line, "\n");
        const char *found = strstr(line, " = mul(");
        count += found && found < line + size;
    }
    fm_text_free(f->context, text);
    return count;
}

static void run(fixture *f, fm_val (*build)(fm_graph *g, fm_val x), bool no_fold, outcome *o)
{
    fm_store *store;
    fm_graph *g;
    fm_program *program;
    assert_ok(f->context, fm_store_create(f->context, 1, &store));
    assert_ok(f->context, fm_graph_create(f->context, NULL, &g));
    fm_val y = build(g, fm_input(g, "x", FM_F32, FM_SHAPE(2, 5, 5, 4)));
    o->count = fm_shape_elements(fm_val_shape(g, y));
    fm_output(g, "y", y);
    const fm_program_options options = {.no_fold = no_fold};
    assert_ok(f->context, fm_program_create(store, g, &options, &program));
    fm_graph_destroy(g);
    float *x = fm_program_input(program, "x");
    for (int i = 0; i < 2 * 5 * 5 * 4; i++) x[i] = sinf((float)i);
    assert_ok(f->context, fm_program_run(program));
    memcpy(o->y, fm_program_output(program, "y"), (size_t)o->count * sizeof(float));
    o->multiplications = count_multiplications(f, program);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void folded_is_unfolded(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static outcome folded, unfolded;
        run(f, cases[i].build, false, &folded);
        run(f, cases[i].build, true, &unfolded);
        float largest = 0;
        for (int64_t k = 0; k < folded.count; k++) largest = fmaxf(largest, fabsf(unfolded.y[k]));
        for (int64_t k = 0; k < folded.count; k++) {
            if (fabsf(folded.y[k] - unfolded.y[k]) <= 1e-5f * largest) continue;
            fail_msg("case %zu, element %lld: %.9g, unfolded %.9g", i, (long long)k,
                     (double)folded.y[k], (double)unfolded.y[k]);
        }
        if (folded.multiplications != cases[i].multiplications || unfolded.multiplications == 0) {
            fail_msg("case %zu: %d multiplications are left, unfolded %d", i,
                     folded.multiplications, unfolded.multiplications);
        }
    }
}

/* Trained variables are no constants: a graph that trains keeps its batch normalisation. */
static void training_folds_nothing(void **state)
{
    fixture *f = *state;
    fm_store *store;
    fm_graph *g;
    fm_program *program;
    assert_ok(f->context, fm_store_create(f->context, 1, &store));
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    fm_val y = plain(g, fm_input(g, "x", FM_F32, FM_SHAPE(2, 5, 5, 4)));
    for (int i = 0; i < 3; i++) {
        fm_val v = fm_graph_variable(g, i);
        fm_update(g, v, fm_mul_scalar(g, v, 0.5));
    }
    fm_output(g, "y", y);
    assert_ok(f->context, fm_program_create(store, g, NULL, &program));
    fm_graph_destroy(g);
    assert_true(count_multiplications(f, program) > 3);
    fm_program_destroy(program);
    fm_store_destroy(store);
}

static void build_residual(fm_graph *g, const void *argument)
{
    (void)argument;
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(2, 5, 5, 4));
    fm_output(g, "y", residual(g, x));
    fm_output(g, "steps", dense_of_steps(g, x));
}

static void every_failed_allocation_is_reported(void **state)
{
    const graph_trial trial = {.build = build_residual};
    assert_true(fail_each_allocation_of(*state, &trial) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(folded_is_unfolded),
        fixture_test(training_folds_nothing),
        fixture_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
