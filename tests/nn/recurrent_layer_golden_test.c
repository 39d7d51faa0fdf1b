/* Recurrent layers against PyTorch: outputs, final states and all gradients, in f64 and, with the
 * fast backends, in f32. */
#include "golden/recurrent_golden.h"
#include "support/graphs.h"

#include "fathom/ops.h"

typedef struct golden_recurrent golden;

enum { MOST_VARIABLES = 24, MOST_ELEMENTS = 1024 };

/* What is fed and what is compared. */
typedef struct layer_problem {
    const golden *c;
    fm_dtype dtype;
    fm_store *store;
    fm_graph *graph;
    fm_program *program;
    double worst;
} layer_problem;

static void convert(fm_dtype dtype, const double *from, int64_t count, void *to)
{
    for (int64_t i = 0; i < count; i++) {
        if (dtype == FM_F64)
            ((double *)to)[i] = from[i];
        else
            ((float *)to)[i] = (float)from[i];
    }
}

/* The variables, in the graph's order, take their values from the list. */
static void put_variables(fixture *f, layer_problem *p)
{
    int used = 0;
    for (int i = 0; fm_graph_variable(p->graph, i).id; i++) {
        fm_val v = fm_graph_variable(p->graph, i);
        fm_shape shape = fm_val_shape(p->graph, v);
        int64_t count = fm_shape_elements(shape);
        double elements[MOST_ELEMENTS];
        assert_true(used + count <= p->c->variable_count && count <= MOST_ELEMENTS);
        convert(p->dtype, p->c->variables + used, count, elements);
        assert_ok(f->context, fm_store_put(p->store, fm_val_name(p->graph, v), p->dtype, shape,
                                           true, elements));
        used += (int)count;
    }
    assert_int_equal(used, p->c->variable_count);
}

static fm_val state_input(layer_problem *p, const char *name, int count)
{
    if (count == 0) return (fm_val){0};
    return fm_input(p->graph, name, p->dtype, FM_SHAPE(p->c->batch, count / p->c->batch));
}

/* sum of value d, {0} without a value */
static fm_val product_with(layer_problem *p, fm_val value, const char *name)
{
    if (!value.id) return value;
    fm_val d = fm_input(p->graph, name, p->dtype, fm_val_shape(p->graph, value));
    return fm_sum(p->graph, fm_mul(p->graph, value, d), (fm_ints){0}, false);
}

static const char *grad_name(int i, char name[16])
{
    snprintf(name, 16, "g%d", i);
    return name;
}

static void build(fixture *f, layer_problem *p)
{
    const golden *c = p->c;
    fm_graph_options mode = {.mode = FM_TRAIN, .dtype = p->dtype};
    assert_ok(f->context, fm_graph_create(f->context, &mode, &p->graph));
    fm_graph *g = p->graph;
    fm_val x = fm_input(g, "x", p->dtype, FM_SHAPE(c->batch, c->time, c->features));
    if (c->mask) fm_mask_set(g, x, fm_input(g, "mask", p->dtype, FM_SHAPE(c->batch, c->time)));
    fm_val last = {0}, last_cell = {0}, wrt[MOST_VARIABLES + 3] = {x}, grads[MOST_VARIABLES + 3];
    fm_recurrent_options options = c->options;
    options.initial_state = state_input(p, "state", c->state_count);
    options.initial_cell = state_input(p, "cell", c->cell_count);
    options.final_state = &last;
    options.final_cell = &last_cell;
    fm_val y = fm_layer_build(g, fm_layer_find(c->kind), &x, 1, &options);
    fm_val total = product_with(p, y, "dy"), of_cell = product_with(p, last_cell, "dlast_cell");
    total = fm_add(g, total, product_with(p, last, "dlast"));
    if (of_cell.id) total = fm_add(g, total, of_cell);
    int count = 1;
    wrt[count++] = options.initial_state;
    if (c->cell_count) wrt[count++] = options.initial_cell;
    for (int i = 0; fm_graph_variable(g, i).id; i++) wrt[count++] = fm_graph_variable(g, i);
    fm_grad(g, total, wrt, count, grads);
    fm_output(g, "y", y);
    fm_output(g, "last", last);
    if (last_cell.id) fm_output(g, "last_cell", last_cell);
    char name[16];
    for (int i = 0; i < count; i++) fm_output(g, grad_name(i, name), grads[i]);
    assert_ok(f->context, fm_graph_status(g));
}

static void feed_input(layer_problem *p, const char *name, const double *elements, int64_t count)
{
    if (elements) convert(p->dtype, elements, count, fm_program_input(p->program, name));
}

/* The largest relative error of an array, small elements judged by a hundredth of the largest. */
static void compare(layer_problem *p, const char *output, const double *expected, int64_t count,
                    double tolerance)
{
    const void *data = fm_program_output(p->program, output);
    double largest = 0;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(expected[i]));
    for (int64_t i = 0; i < count; i++) {
        double value =
            p->dtype == FM_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
        double scale = fmax(fabs(expected[i]), fmax(largest / 100, 1e-3));
        double off = fabs(value - expected[i]) / scale;
        p->worst = fmax(p->worst, off);
        if (off <= tolerance) continue;
        fail_msg("case %d, %s: %s[%lld] is %.15g, golden %.15g", (int)(p->c - golden_recurrent),
                 p->c->kind, output, (long long)i, value, expected[i]);
    }
}

static void compare_all(layer_problem *p, double tolerance)
{
    const golden *c = p->c;
    char name[16];
    int at = 0, used = 0;
    compare(p, "y", c->y, c->y_count, tolerance);
    compare(p, "last", c->last, c->state_count, tolerance);
    if (c->cell_count) compare(p, "last_cell", c->last_cell, c->cell_count, tolerance);
    compare(p, grad_name(at++, name), c->dx, (int64_t)c->batch * c->time * c->features, tolerance);
    compare(p, grad_name(at++, name), c->dstate, c->state_count, tolerance);
    if (c->cell_count) compare(p, grad_name(at++, name), c->dcell, c->cell_count, tolerance);
    for (int i = 0; fm_graph_variable(p->graph, i).id; i++) {
        fm_shape shape = fm_val_shape(p->graph, fm_graph_variable(p->graph, i));
        int64_t count = fm_shape_elements(shape);
        compare(p, grad_name(at++, name), c->dvariables + used, count, tolerance);
        used += (int)count;
    }
}

static double check_case(fixture *f, const golden *c, fm_dtype dtype, double tolerance)
{
    layer_problem p = {.c = c, .dtype = dtype, .store = store_with_seed(f, 1)};
    build(f, &p);
    put_variables(f, &p);
    assert_ok(f->context, fm_program_create(p.store, p.graph, NULL, &p.program));
    feed_input(&p, "x", c->x, (int64_t)c->batch * c->time * c->features);
    feed_input(&p, "mask", c->mask, (int64_t)c->batch * c->time);
    feed_input(&p, "state", c->state, c->state_count);
    feed_input(&p, "cell", c->cell, c->cell_count);
    feed_input(&p, "dy", c->dy, c->y_count);
    feed_input(&p, "dlast", c->dlast, c->state_count);
    feed_input(&p, "dlast_cell", c->dlast_cell, c->cell_count);
    assert_ok(f->context, fm_program_run(p.program));
    compare_all(&p, tolerance);
    fm_program_destroy(p.program);
    fm_graph_destroy(p.graph);
    fm_store_destroy(p.store);
    return p.worst;
}

static void check_cases(fixture *f, fm_dtype dtype, double tolerance)
{
    double worst = 0;
    for (int i = 0; i < GOLDEN_RECURRENT_COUNT; i++) {
        worst = fmax(worst, check_case(f, &golden_recurrent[i], dtype, tolerance));
    }
    print_message("%d cases in %s; worst relative error %.2g\n", GOLDEN_RECURRENT_COUNT,
                  fm_dtype_name(dtype), worst);
}

static void layers_agree_in_f64(void **state)
{
    check_cases(*state, FM_F64, 1e-11);
}

static void layers_agree_in_f32(void **state)
{
    check_cases(*state, FM_F32, 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {fixture_test(layers_agree_in_f64),
                                       fixture_test(layers_agree_in_f32)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
