#include "pass/example_grad.h"
#include "fathom/ops.h"
#include "op/op_attributes.h"
#include "op/op_table.h"
#include "op/op_tools.h"
#include "pass/example_rules.h"

#include <string.h>

/* An operand of a node that is a variable, or one under another shape. */
typedef struct use {
    uint32_t node;
    int input, variable; /* variable: which of wrt */
} use;

typedef struct clipping {
    fm_graph *g;
    int64_t examples;
    const fm_val *wrt;
    int count;
    int64_t *rows;     /* by value */
    int *variable_of;  /* by value: which of wrt it is a view of, or -1 */
    bool *of_variable; /* by value: depends on one of wrt */
    bool *needed;      /* by value: total depends on it */
    fm_val *adjoint;   /* by value: of results of nodes with uses */
    use *uses;
    int use_count;
    int *uses_of; /* by variable: how many */
    size_t values, nodes;
} clipping;

static fm_shape shape_of(const clipping *c, fm_val value)
{
    return fm_val_shape(c->g, value);
}

static void fail_mixed(const clipping *c, const fm_node *node)
{
    fm_graph_fail(
        c->g, FM_ERROR_UNSUPPORTED,
        "privacy: %s%s%s is not known to keep examples apart: physical_batch_size must be 1",
        node->scope, *node->scope ? "/" : "", node->op->name);
}

/* ---- which nodes read variables -------------------------------------------------------------- */

/* What a node without examples makes of variables must be a view:
 * its norm is that of the variable. */
static void follow_shared(clipping *c, const fm_node *node)
{
    for (int k = 0; k < node->input_count; k++) {
        if (!c->of_variable[node->inputs[k].id]) continue;
        for (int i = 0; i < node->output_count; i++) c->of_variable[node->outputs[i].id] = true;
        if (node->op != &fm_op_reshape) continue;
        c->variable_of[node->outputs[0].id] = c->variable_of[node->inputs[0].id];
    }
}

static bool add_uses(clipping *c, uint32_t index)
{
    const fm_node *node = &c->g->nodes[index];
    for (int k = 0; k < node->input_count; k++) {
        uint32_t input = node->inputs[k].id;
        if (c->rows[input] != FM_OF_NO_EXAMPLE || !c->of_variable[input]) continue;
        if (c->rows[node->outputs[0].id] <= 0 || c->variable_of[input] < 0) {
            fail_mixed(c, node);
            return false;
        }
        c->uses[c->use_count++] = (use){index, k, c->variable_of[input]};
        c->uses_of[c->variable_of[input]]++;
    }
    return true;
}

static void mark_needed(clipping *c, fm_val total)
{
    c->needed[total.id] = true;
    for (size_t i = c->nodes; i-- > 0;) {
        const fm_node *node = &c->g->nodes[i];
        bool any = false;
        for (int k = 0; k < node->output_count; k++) any = any || c->needed[node->outputs[k].id];
        for (int k = 0; any && k < node->input_count; k++) c->needed[node->inputs[k].id] = true;
    }
}

static bool node_is_needed(const clipping *c, const fm_node *node)
{
    for (int k = 0; k < node->output_count; k++) {
        if (c->needed[node->outputs[k].id]) return true;
    }
    return false;
}

static bool find_uses(clipping *c, fm_val total)
{
    const fm_node *mixing = fm_examples_find(c->g, c->examples, c->rows);
    if (mixing || c->rows[total.id] != FM_OF_ALL_SUMMED) {
        fail_mixed(c, mixing ? mixing : &c->g->nodes[fm_value_of(c->g, total)->producer]);
        return false;
    }
    mark_needed(c, total);
    for (size_t i = 0; i < c->values; i++) c->variable_of[i] = -1;
    for (int i = 0; i < c->count; i++) {
        c->variable_of[c->wrt[i].id] = i;
        c->of_variable[c->wrt[i].id] = true;
    }
    for (size_t i = 0; i < c->nodes; i++) {
        const fm_node *node = &c->g->nodes[i];
        bool shared = true;
        for (int k = 0; k < node->output_count; k++) {
            shared = shared && c->rows[node->outputs[k].id] == FM_OF_NO_EXAMPLE;
        }
        if (shared) {
            follow_shared(c, node);
        } else if (node_is_needed(c, node) && !add_uses(c, (uint32_t)i)) {
            return false;
        }
    }
    return true;
}

/* ---- gradients at their results -------------------------------------------------------------- */

static void find_adjoints(clipping *c, fm_val total, fm_val *at, fm_val *adjoints)
{
    int count = 0;
    for (int i = 0; i < c->use_count; i++) {
        const fm_node *node = &c->g->nodes[c->uses[i].node];
        for (int k = 0; k < node->output_count; k++) {
            bool known = i > 0 && c->uses[i - 1].node == c->uses[i].node;
            if (!known && c->needed[node->outputs[k].id]) at[count++] = node->outputs[k];
        }
    }
    fm_grad(c->g, total, at, count, adjoints);
    for (int i = 0; i < count; i++) c->adjoint[at[i].id] = adjoints[i];
}

/* The rows of one example; all of a value that has none of its own. */
static fm_val part(const clipping *c, fm_val value, int64_t rows, int64_t example)
{
    if (!value.id || rows <= 0) return value;
    return fm_slice(c->g, value, 0, example * rows, (example + 1) * rows);
}

/* The gradient of a use's variable, from these operands, results and gradients of results. */
static fm_val ask_gradient(const clipping *c, const use *u, const fm_val *inputs,
                           const fm_val *outputs, const fm_val *output_grads)
{
    const fm_node node = c->g->nodes[u->node]; /* a copy: building moves the array */
    fm_val input_grads[FM_MAX_INPUTS] = {{0}};
    bool wanted[FM_MAX_INPUTS] = {false};
    wanted[u->input] = true;
    fm_vjp vjp = {.op = node.op,
                  .attributes = node.attributes,
                  .inputs = inputs,
                  .outputs = outputs,
                  .output_grads = output_grads,
                  .input_grads = input_grads,
                  .wanted = wanted,
                  .input_count = node.input_count};
    fm_scope_enter_at(c->g, node.scope);
    node.op->vjp(c->g, &vjp);
    fm_scope_leave(c->g);
    fm_val gradient = input_grads[u->input];
    if (!gradient.id) {
        return fm_full_as(c->g, fm_val_dtype(c->g, c->wrt[u->variable]),
                          shape_of(c, c->wrt[u->variable]), 0);
    }
    return fm_reshape_to(c->g, gradient, shape_of(c, c->wrt[u->variable]));
}

/* ---- norms ----------------------------------------------------------------------------------- */

/* x (examples, ...) -> (examples): the sum of squares of each. */
static fm_val squares_of_each(const clipping *c, fm_val x)
{
    fm_val flat = fm_reshape_to(c->g, x, FM_SHAPE(c->examples, -1));
    return fm_sum(c->g, fm_square(c->g, flat), (fm_ints){1, {1}}, false);
}

/* sum_ij (x x^T)_ij (d d^T)_ij is the square of the norm of x^T d, x (rows, k), d (rows, n). */
static fm_val squares_of_products(const clipping *c, fm_val x, fm_val d, int64_t rows)
{
    fm_graph *g = c->g;
    int64_t k = fm_shape_last(shape_of(c, x)), n = fm_shape_last(shape_of(c, d));
    if (rows == 1) return fm_mul(g, squares_of_each(c, x), squares_of_each(c, d));
    x = fm_reshape_to(g, x, FM_SHAPE(c->examples, rows, k));
    d = fm_reshape_to(g, d, FM_SHAPE(c->examples, rows, n));
    if (rows * (k + n) > k * n) {
        return squares_of_each(c, fm_matmul_transposed(g, x, d, true, false));
    }
    fm_val of_rows = fm_mul(g, fm_matmul_transposed(g, x, x, false, true),
                            fm_matmul_transposed(g, d, d, false, true));
    return fm_sum(g, fm_reshape_to(g, of_rows, FM_SHAPE(c->examples, rows * rows)),
                  (fm_ints){1, {1}}, false);
}

/* The square of the norm of each example's gradient, (examples), where there is a formula;
 * else {0}. */
static fm_val squares_by_formula(const clipping *c, const use *u)
{
    fm_graph *g = c->g;
    const fm_node node = g->nodes[u->node];
    fm_val result = node.outputs[0], d = c->adjoint[result.id], x = node.inputs[0];
    int64_t rows = c->rows[result.id];
    if (c->uses_of[u->variable] != 1 || !d.id) return (fm_val){0};
    fm_shape shape = shape_of(c, node.inputs[u->input]);
    if (node.op == &fm_op_matmul && u->input == 1 && shape_of(c, x).rank == 2) {
        const fm_matmul_attributes *t = node.attributes;
        if (!t->transpose_a) return squares_of_products(c, x, d, rows);
    }
    bool bias = (node.op == &fm_op_add || node.op == &fm_op_sub) && shape.rank == 1 &&
                shape.dims[0] == fm_shape_last(shape_of(c, d));
    if (!bias) return (fm_val){0};
    fm_val cut = fm_reshape_to(g, d, FM_SHAPE(c->examples, -1, shape.dims[0]));
    return squares_of_each(c, fm_sum(g, cut, (fm_ints){1, {1}}, false));
}

static fm_val gradient_of_example(const clipping *c, const use *u, int64_t example)
{
    const fm_node node = c->g->nodes[u->node];
    fm_val inputs[FM_MAX_INPUTS], outputs[FM_MAX_OUTPUTS], grads[FM_MAX_OUTPUTS];
    for (int k = 0; k < node.input_count; k++) {
        inputs[k] = part(c, node.inputs[k], c->rows[node.inputs[k].id], example);
    }
    for (int k = 0; k < node.output_count; k++) {
        int64_t rows = c->rows[node.outputs[k].id];
        outputs[k] = part(c, node.outputs[k], rows, example);
        grads[k] = part(c, c->adjoint[node.outputs[k].id], rows, example);
    }
    return ask_gradient(c, u, inputs, outputs, grads);
}

/* The square of one example's gradient of variable v, over all its uses; rank 0. */
static fm_val square_of_example(const clipping *c, int v, int64_t example)
{
    fm_val sum = {0};
    for (int i = 0; i < c->use_count; i++) {
        if (c->uses[i].variable != v) continue;
        fm_val own = gradient_of_example(c, &c->uses[i], example);
        sum = sum.id ? fm_add(c->g, sum, own) : own;
    }
    return fm_sum(c->g, fm_square(c->g, sum), (fm_ints){0}, false);
}

/* Numbers of rank 0, one an example, as (examples): an op takes a few operands only. */
static fm_val stack(const clipping *c, fm_val *numbers)
{
    int64_t count = c->examples;
    for (int64_t i = 0; i < count; i++) {
        numbers[i] = fm_reshape_to(c->g, numbers[i], FM_SHAPE(1));
    }
    while (count > 1) {
        int64_t made = 0;
        for (int64_t i = 0; i < count; i += FM_MAX_INPUTS) {
            int here = (int)(count - i < FM_MAX_INPUTS ? count - i : FM_MAX_INPUTS);
            numbers[made++] = here == 1 ? numbers[i] : fm_concat(c->g, numbers + i, here, 0);
        }
        count = made;
    }
    return numbers[0];
}

/* (examples): each one's gradient by the norm, at most `limit`, as a factor. */
static fm_val factors(const clipping *c, fm_val *numbers, double limit)
{
    fm_graph *g = c->g;
    fm_val squares = {0};
    bool any_numbers = false;
    for (int64_t e = 0; e < c->examples; e++) numbers[e] = (fm_val){0};
    for (int v = 0; v < c->count; v++) {
        int u = 0;
        while (u < c->use_count && c->uses[u].variable != v) u++;
        if (u == c->use_count) continue;
        fm_val own = squares_by_formula(c, &c->uses[u]);
        if (own.id) {
            squares = squares.id ? fm_add(g, squares, own) : own;
            continue;
        }
        any_numbers = true;
        for (int64_t e = 0; e < c->examples; e++) {
            fm_val square = square_of_example(c, v, e);
            numbers[e] = numbers[e].id ? fm_add(g, numbers[e], square) : square;
        }
    }
    if (any_numbers) {
        fm_val stacked = stack(c, numbers);
        squares = squares.id ? fm_add(g, squares, stacked) : stacked;
    }
    if (!squares.id) return fm_full_as(g, fm_graph_dtype(g), FM_SHAPE(c->examples), 1);
    fm_val most = fm_scalar_as(g, fm_val_dtype(g, squares), limit);
    return fm_div(g, most, fm_maximum(g, fm_sqrt(g, squares), most));
}

/* ---- the scaled sum -------------------------------------------------------------------------- */

static fm_val scaled(const clipping *c, fm_val value, fm_val factor)
{
    if (!value.id) return value;
    fm_val flat = fm_reshape_to(c->g, value, FM_SHAPE(c->examples, -1));
    fm_val column = fm_reshape_to(c->g, factor, FM_SHAPE(c->examples, 1));
    return fm_reshape_to(c->g, fm_mul(c->g, flat, column), shape_of(c, value));
}

static void sum_scaled(const clipping *c, fm_val factor, fm_val *grads)
{
    for (int i = 0; i < c->use_count; i++) {
        const use *u = &c->uses[i];
        const fm_node node = c->g->nodes[u->node];
        fm_val output_grads[FM_MAX_OUTPUTS];
        for (int k = 0; k < node.output_count; k++) {
            output_grads[k] = scaled(c, c->adjoint[node.outputs[k].id], factor);
        }
        fm_val own = ask_gradient(c, u, node.inputs, node.outputs, output_grads);
        fm_val *sum = &grads[u->variable];
        *sum = sum->id ? fm_add(c->g, *sum, own) : own;
    }
    for (int i = 0; i < c->count; i++) {
        if (grads[i].id) continue;
        fm_dtype dtype = fm_val_dtype(c->g, c->wrt[i]);
        grads[i] = fm_full_as(c->g, dtype, shape_of(c, c->wrt[i]), 0);
    }
}

/* ---- all together ---------------------------------------------------------------------------- */

static size_t count_operands(const fm_graph *g)
{
    size_t count = 1;
    for (size_t i = 0; i < g->node_count; i++) {
        count += (size_t)(g->nodes[i].input_count + g->nodes[i].output_count);
    }
    return count;
}

void fm_grad_clipped(fm_graph *graph, fm_val total, int64_t examples, double limit,
                     const fm_val *wrt, int count, fm_val *grads)
{
    for (int i = 0; i < count; i++) grads[i] = (fm_val){0};
    if (graph->status != FM_OK || !total.id) return;
    const size_t values = graph->value_count, operands = count_operands(graph);
    fm_arena arena = {.context = graph->context};
    clipping c = {.g = graph,
                  .examples = examples,
                  .wrt = wrt,
                  .count = count,
                  .values = values,
                  .nodes = graph->node_count,
                  .rows = fm_arena_allocate(&arena, values * sizeof(int64_t)),
                  .variable_of = fm_arena_allocate(&arena, values * sizeof(int)),
                  .of_variable = fm_arena_allocate(&arena, values),
                  .needed = fm_arena_allocate(&arena, values),
                  .adjoint = fm_arena_allocate(&arena, values * sizeof(fm_val)),
                  .uses = fm_arena_allocate(&arena, operands * sizeof(use)),
                  .uses_of = fm_arena_allocate(&arena, (size_t)count * sizeof(int) + 1)};
    fm_val *at = fm_arena_allocate(&arena, 2 * operands * sizeof(fm_val));
    fm_val *numbers = fm_arena_allocate(&arena, (size_t)examples * sizeof(fm_val));
    bool enough = c.rows && c.variable_of && c.of_variable && c.needed && c.adjoint && c.uses &&
                  c.uses_of && at && numbers;
    fm_role role = graph->role;
    if (!enough) {
        graph->status = FM_ERROR_MEMORY;
    } else if (find_uses(&c, total)) {
        graph->role = FM_BACKWARD;
        find_adjoints(&c, total, at, at + operands);
        sum_scaled(&c, factors(&c, numbers, limit), grads);
        graph->role = role;
    }
    fm_arena_release(&arena);
}
