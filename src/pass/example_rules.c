#include "pass/example_rules.h"
#include "op/op_attributes.h"
#include "op/op_table.h"
#include "op/vision_attributes.h"

/* A node as its rule sees it: rows of its operands, and what they give its results. */
typedef struct query {
    const fm_graph *graph;
    const fm_node *node;
    const int64_t *rows; /* by value */
    int64_t examples;
    int64_t result;
} query;

static fm_shape shape_of(const query *q, fm_val value)
{
    return fm_value_of(q->graph, value)->shape;
}

static int64_t rows_of(const query *q, int input)
{
    return q->rows[q->node->inputs[input].id];
}

/* The first dimension is that of all examples, `rows` each. */
static bool holds(const query *q, fm_val value, int64_t rows)
{
    fm_shape shape = shape_of(q, value);
    return shape.rank > 0 && shape.dims[0] == rows * q->examples;
}

/* ---- rules: false where examples would meet -------------------------------------------------- */

/* Row i of the results is made of row i of the operands that have examples,
 * and of all of the others. */
static bool by_rows(query *q)
{
    for (int i = 0; i < q->node->input_count; i++) {
        int64_t rows = rows_of(q, i);
        if (rows == FM_OF_NO_EXAMPLE) continue;
        if (rows < 0 || (q->result && q->result != rows)) return false;
        q->result = rows;
    }
    for (int i = 0; i < q->node->output_count; i++) {
        if (!holds(q, q->node->outputs[i], q->result)) return false;
    }
    return true;
}

/* Over the last dimension, which must not be the first. */
static bool by_rows_over_last(query *q)
{
    return shape_of(q, q->node->inputs[0]).rank >= 2 && by_rows(q);
}

/* Sums of sums, and their multiples. */
static bool of_sums(query *q)
{
    const fm_op *op = q->node->op;
    bool linear = op == &fm_op_add || op == &fm_op_sub || op == &fm_op_neg;
    int summed = 0;
    for (int i = 0; i < q->node->input_count; i++) {
        summed += rows_of(q, i) == FM_OF_ALL_SUMMED;
        if (rows_of(q, i) > 0) return false;
    }
    q->result = FM_OF_ALL_SUMMED;
    if (linear || op == &fm_op_reshape) return summed == q->node->input_count;
    bool scaled = op == &fm_op_mul || (op == &fm_op_div && rows_of(q, 0) == FM_OF_ALL_SUMMED);
    return scaled && summed == 1;
}

static bool any_summed(const query *q)
{
    for (int i = 0; i < q->node->input_count; i++) {
        if (rows_of(q, i) == FM_OF_ALL_SUMMED) return true;
    }
    return false;
}

/* Aligned at the last dimension: an operand with examples must have the result's rank. */
static bool elementwise(query *q)
{
    if (any_summed(q)) return of_sums(q);
    fm_shape result = shape_of(q, q->node->outputs[0]);
    for (int i = 0; i < q->node->input_count; i++) {
        fm_val input = q->node->inputs[i];
        fm_shape shape = shape_of(q, input);
        bool full = shape.rank == result.rank && result.rank > 0 && shape.dims[0] == result.dims[0];
        bool constant = fm_value_of(q->graph, input)->kind == FM_CONSTANT;
        bool stretched = shape.rank < result.rank || (shape.rank > 0 && shape.dims[0] == 1);
        if (rows_of(q, i) > 0 ? !full : !(stretched || (full && constant))) return false;
    }
    return by_rows(q);
}

static bool reshaped(query *q)
{
    fm_shape shape = shape_of(q, q->node->outputs[0]);
    if (any_summed(q)) return of_sums(q);
    if (shape.rank == 0 || shape.dims[0] % q->examples != 0) return false;
    q->result = shape.dims[0] / q->examples;
    return true;
}

static bool reduced(query *q)
{
    const fm_axes_attributes *attributes = q->node->attributes;
    int rank = shape_of(q, q->node->inputs[0]).rank, axes = attributes->axes.count;
    bool all = axes == 0 || axes == rank, first = all || attributes->axes.at[0] == 0;
    if (rows_of(q, 0) < 0) return false;
    if (!first) return by_rows(q);
    q->result = FM_OF_ALL_SUMMED;
    return all && q->node->op == &fm_op_sum;
}

static bool transposed(query *q)
{
    const fm_permutation_attributes *attributes = q->node->attributes;
    return attributes->permutation.at[0] == 0 && by_rows(q);
}

static bool along_axis(query *q, int64_t axis)
{
    for (int i = 0; i < q->node->input_count; i++) {
        if (rows_of(q, i) <= 0) return false;
    }
    return axis != 0 && by_rows(q);
}

static bool concatenated(query *q)
{
    return along_axis(q, ((const fm_axis_attributes *)q->node->attributes)->axis);
}

static bool sliced(query *q)
{
    return along_axis(q, ((const fm_slice_attributes *)q->node->attributes)->axis);
}

static bool padded(query *q)
{
    return along_axis(q, ((const fm_pad_attributes *)q->node->attributes)->axis);
}

/* Rows by a matrix without examples; or one product for each example. */
static bool multiplied(query *q)
{
    const fm_matmul_attributes *t = q->node->attributes;
    fm_shape a = shape_of(q, q->node->inputs[0]), b = shape_of(q, q->node->inputs[1]);
    if (rows_of(q, 1) == FM_OF_NO_EXAMPLE) {
        return b.rank == 2 && (a.rank > 2 || !t->transpose_a) && by_rows(q);
    }
    bool each = a.rank == b.rank && a.rank > 2 && a.dims[0] == b.dims[0];
    return each && rows_of(q, 0) == rows_of(q, 1) && by_rows(q);
}

static bool gathered(query *q)
{
    return rows_of(q, 0) == FM_OF_NO_EXAMPLE && by_rows(q);
}

/* The axes of its statistics leave the first one out. */
static bool normalized(query *q)
{
    const fm_normalize_attributes *attributes = q->node->attributes;
    for (int i = 0; i < attributes->axes.count; i++) {
        if (attributes->axes.at[i] == 0) return false;
    }
    return attributes->axes.count > 0 && by_rows(q);
}

static bool broadcast(query *q)
{
    fm_shape from = shape_of(q, q->node->inputs[0]), to = shape_of(q, q->node->outputs[0]);
    return from.rank == to.rank && by_rows(q);
}

/* What is not here is not known to keep examples apart. Only this pass asks,
 * so the table stands beside it. */
static const struct {
    const fm_op *op;
    bool (*rule)(query *q);
} rules[] = {
    {&fm_op_reshape, reshaped},
    {&fm_op_sum, reduced},
    {&fm_op_reduce_max, reduced},
    {&fm_op_transpose, transposed},
    {&fm_op_concat, concatenated},
    {&fm_op_slice, sliced},
    {&fm_op_pad, padded},
    {&fm_op_broadcast_to, broadcast},
    {&fm_op_matmul, multiplied},
    {&fm_op_gather, gathered},
    {&fm_op_normalize, normalized},
    {&fm_op_stop_gradient, by_rows},
    {&fm_op_drop, by_rows},
    {&fm_op_one_hot, by_rows},
    {&fm_op_softmax, by_rows_over_last},
    {&fm_op_log_softmax, by_rows_over_last},
    {&fm_op_logsumexp, by_rows_over_last},
    {&fm_op_argmax, by_rows_over_last},
    {&fm_op_sparse_softmax_cross_entropy, by_rows_over_last},
    {&fm_op_softmax_cross_entropy, by_rows_over_last},
    {&fm_op_convolve, by_rows},
    {&fm_op_convolve_transposed, by_rows},
    {&fm_op_max_pool, by_rows},
    {&fm_op_average_pool, by_rows},
    {&fm_op_attention, by_rows},
    {&fm_op_packed_attention, by_rows},
    {&fm_op_rotary, by_rows},
};

static bool ask_rule(query *q)
{
    if (q->node->op->flags & FM_OP_ELEMENTWISE) return elementwise(q);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].op == q->node->op) return rules[i].rule(q);
    }
    return false;
}

const fm_node *fm_examples_find(const fm_graph *graph, int64_t examples, int64_t *rows)
{
    for (size_t i = 0; i < graph->value_count; i++) rows[i] = FM_OF_NO_EXAMPLE;
    for (size_t i = 0; i < graph->input_count; i++) {
        const fm_val input = graph->inputs[i].value;
        fm_shape shape = fm_value_of(graph, input)->shape;
        rows[input.id] = shape.rank > 0 && shape.dims[0] == examples;
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        query q = {graph, &graph->nodes[i], rows, examples, FM_OF_NO_EXAMPLE};
        bool any = false;
        for (int k = 0; k < q.node->input_count; k++) any = any || rows_of(&q, k) != 0;
        if (!any) continue;
        if (!ask_rule(&q)) return q.node;
        for (int k = 0; k < q.node->output_count; k++) rows[q.node->outputs[k].id] = q.result;
    }
    return NULL;
}
