#include "pass/simplify.h"
#include "base/fields.h"
#include "op/op_table.h"

#include <string.h>

typedef struct simplifier {
    fm_graph *graph;
    fm_val *instead;  /* by value id: the value to read, {0}: itself */
    uint32_t *bucket; /* by hash: a node's index plus 1; nodes of one bucket are chained */
    uint32_t *chain;  /* by node: the next of its bucket plus 1 */
    size_t buckets;
} simplifier;

static fm_val resolved(const simplifier *s, fm_val value)
{
    return s->instead[value.id].id ? s->instead[value.id] : value;
}

/* ---- equal nodes ----------------------------------------------------------------------------- */

static size_t hash_node(const fm_node *node)
{
    uint64_t hash = (uintptr_t)node->op;
    for (int k = 0; k < node->input_count; k++) {
        hash = (hash ^ node->inputs[k].id) * 0x9E3779B97F4A7C15u;
    }
    return (size_t)(hash ^ hash >> 32);
}

static bool same_work(const fm_node *a, const fm_node *b)
{
    return a->op == b->op && a->input_count == b->input_count &&
           memcmp(a->inputs, b->inputs, (size_t)a->input_count * sizeof *a->inputs) == 0 &&
           fm_fields_equal(a->op->attributes, a->attributes, b->attributes);
}

/* Merges node `index` into an equal earlier one, or remembers it. */
static void merge_equal(simplifier *s, uint32_t index)
{
    fm_node *nodes = s->graph->nodes;
    size_t bucket = hash_node(&nodes[index]) % s->buckets;
    for (uint32_t at = s->bucket[bucket]; at; at = s->chain[at - 1]) {
        const fm_node *earlier = &nodes[at - 1];
        if (!same_work(earlier, &nodes[index])) continue;
        for (int k = 0; k < earlier->output_count; k++) {
            s->instead[nodes[index].outputs[k].id] = earlier->outputs[k];
        }
        nodes[index].dead = true;
        return;
    }
    s->chain[index] = s->bucket[bucket];
    s->bucket[bucket] = index + 1;
}

/* ---- constants ------------------------------------------------------------------------------- */

enum {
    LARGEST_FOLDED_CONSTANT = 64 * 1024
}; /* bytes: folding must not make the graph grow large */

static bool can_fold(const fm_graph *graph, const fm_node *node)
{
    if (node->op->flags & FM_OP_RANDOM) return false;
    for (int k = 0; k < node->input_count; k++) {
        if (fm_value_of(graph, node->inputs[k])->kind != FM_CONSTANT) return false;
    }
    for (int k = 0; k < node->output_count; k++) {
        const fm_value *output = fm_value_of(graph, node->outputs[k]);
        if (fm_shape_bytes(output->shape, output->dtype) > LARGEST_FOLDED_CONSTANT) return false;
    }
    return node->op->run || (node->op->flags & FM_OP_VIEW);
}

static fm_tensor tensor_at(const fm_value *value, void *data)
{
    return (fm_tensor){.data = data,
                       .dtype = value->dtype,
                       .shape = value->shape,
                       .count = fm_shape_elements(value->shape)};
}

/* A view of a constant is a constant of the same bytes. */
static void fold_view(fm_graph *graph, fm_node *node)
{
    fm_value *value = fm_value_of(graph, node->outputs[0]);
    value->kind = FM_CONSTANT;
    value->producer = FM_NO_NODE;
    value->data = fm_value_of(graph, node->inputs[0])->data;
    node->dead = true;
}

static fm_status fold(fm_graph *graph, fm_node *node)
{
    if (node->op->flags & FM_OP_VIEW) {
        fold_view(graph, node);
        return FM_OK;
    }
    fm_tensor inputs[FM_MAX_INPUTS], outputs[FM_MAX_OUTPUTS];
    for (int k = 0; k < node->input_count; k++) {
        const fm_value *value = fm_value_of(graph, node->inputs[k]);
        inputs[k] = tensor_at(value, (void *)(uintptr_t)value->data);
    }
    for (int k = 0; k < node->output_count; k++) {
        const fm_value *value = fm_value_of(graph, node->outputs[k]);
        size_t bytes = (size_t)fm_shape_bytes(value->shape, value->dtype);
        outputs[k] = tensor_at(value, fm_arena_allocate(&graph->arena, bytes));
        if (!outputs[k].data) return FM_ERROR_MEMORY;
    }
    static const uint64_t none = 0;
    node->op->run(&(fm_call){.op = node->op,
                             .attributes = node->attributes,
                             .inputs = inputs,
                             .outputs = outputs,
                             .input_count = node->input_count,
                             .output_count = node->output_count,
                             .threads = 1,
                             .seed = &none,
                             .step = &none});
    for (int k = 0; k < node->output_count; k++) {
        fm_value *value = fm_value_of(graph, node->outputs[k]);
        value->kind = FM_CONSTANT;
        value->producer = FM_NO_NODE;
        value->data = outputs[k].data;
    }
    node->dead = true;
    return FM_OK;
}

/* ---- identities ------------------------------------------------------------------------------ */

static bool is_constant(const fm_graph *graph, fm_val value, double number)
{
    const fm_value *record = fm_value_of(graph, value);
    if (record->kind != FM_CONSTANT || !fm_dtype_is_real(record->dtype)) return false;
    int64_t count = fm_shape_elements(record->shape);
    for (int64_t i = 0; i < count; i++) {
        double element = record->dtype == FM_F64 ? ((const double *)record->data)[i]
                                                 : (double)((const float *)record->data)[i];
        if (element != number) return false;
    }
    return count > 0;
}

/* op(x, neutral) = x; for commutative ops also op(neutral, x). */
static const struct identity {
    const fm_op *op;
    double neutral;
    bool either_side;
} identities[] = {
    {&fm_op_add, 0, true}, {&fm_op_sub, 0, false}, {&fm_op_mul, 1, true}, {&fm_op_div, 1, false}};

static void apply_identity(simplifier *s, fm_node *node)
{
    const fm_graph *graph = s->graph;
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        const struct identity *rule = &identities[i];
        if (node->op != rule->op) continue;
        for (int side = rule->either_side ? 0 : 1; side < 2; side++) {
            fm_val kept = node->inputs[1 - side];
            if (!is_constant(graph, node->inputs[side], rule->neutral)) continue;
            if (!fm_shape_equal(fm_val_shape(graph, kept), fm_val_shape(graph, node->outputs[0]))) {
                continue;
            }
            s->instead[node->outputs[0].id] = kept;
            node->dead = true;
            return;
        }
    }
}

/* ---- the pass -------------------------------------------------------------------------------- */

static fm_status visit(simplifier *s, uint32_t index)
{
    fm_node *node = &s->graph->nodes[index];
    for (int k = 0; k < node->input_count; k++) node->inputs[k] = resolved(s, node->inputs[k]);
    if (can_fold(s->graph, node)) return fold(s->graph, node);
    apply_identity(s, node);
    if (!node->dead && !(node->op->flags & FM_OP_RANDOM)) merge_equal(s, index);
    return FM_OK;
}

fm_status fm_simplify(fm_graph *graph)
{
    fm_context *context = graph->context;
    simplifier s = {.graph = graph, .buckets = 2 * graph->node_count + 1};
    s.instead = fm_allocate_zeroed(context, graph->value_count * sizeof *s.instead);
    s.bucket = fm_allocate_zeroed(context, s.buckets * sizeof *s.bucket);
    s.chain = fm_allocate_zeroed(context, (graph->node_count + 1) * sizeof *s.chain);
    fm_status status = s.instead && s.bucket && s.chain ? FM_OK : FM_ERROR_MEMORY;
    for (uint32_t i = 0; status == FM_OK && i < graph->node_count; i++) {
        if (!graph->nodes[i].dead) status = visit(&s, i);
    }
    for (size_t i = 0; status == FM_OK && i < graph->output_count; i++) {
        graph->outputs[i].value = resolved(&s, graph->outputs[i].value);
    }
    for (size_t i = 0; status == FM_OK && i < graph->variable_count; i++) {
        graph->variables[i].next = resolved(&s, graph->variables[i].next);
    }
    fm_release(context, s.instead);
    fm_release(context, s.bucket);
    fm_release(context, s.chain);
    return status;
}
