/* Connected elementwise nodes of one shape become one node
 * that runs them tile by tile (op/chain.h). */
#include "op/chain.h"
#include "op/op_table.h"
#include "pass/fuse_rules.h"
#include "pass/steady.h"

#include <string.h>

/* How far in front of its last node a chain is looked for: nodes of the graph. */
enum { REACH = 512 };

/* A chain while it grows, backwards from its last node, in whose place it will run. */
typedef struct chain {
    uint32_t last;
    uint32_t nodes[FM_CHAIN_STEPS]; /* falling */
    int count, outputs;
    fm_val operands[FM_MAX_INPUTS];
    int operand_count;
    bool crossed; /* a node with other work stands between the last node and the one looked at */
} chain;

typedef struct chainer {
    fm_fuser f;
    fm_val *source;     /* by value id: what a broadcast_to stretches, else itself */
    uint32_t *inside;   /* by value id: how often the growing chain reads it */
    uint32_t *early;    /* by value id: the chain's last node plus 1 when it is read in between */
    uint32_t *last_use; /* by value id: the last node that reads it */
    bool *steady;       /* by node */
    bool *step;         /* by node: may be in a chain */
} chainer;

/* What is computed once is no step of what is computed in each run. */
static bool can_be_step(const chainer *c, uint32_t index)
{
    const fm_graph *graph = c->f.graph;
    const fm_node *node = &graph->nodes[index];
    if (node->dead || c->steady[index] || !fm_chain_takes(node->op)) return false;
    const fm_value *y = fm_value_of(graph, node->outputs[0]);
    for (int k = 0; k < node->input_count; k++) {
        if (fm_value_of(graph, node->inputs[k])->dtype != y->dtype) return false;
    }
    return fm_shape_elements(y->shape) > 0;
}

static bool same_place(const fm_graph *graph, const fm_node *a, const fm_node *b)
{
    return a->role == b->role &&
           fm_val_dtype(graph, a->outputs[0]) == fm_val_dtype(graph, b->outputs[0]) &&
           fm_shape_equal(fm_val_shape(graph, a->outputs[0]), fm_val_shape(graph, b->outputs[0]));
}

/* Input k of a node as the chain reads it: two operands and
 * more are stretched by the step itself. */
static fm_val read_by(const chainer *c, const fm_node *node, int k)
{
    return node->input_count > 1 ? c->source[node->inputs[k].id] : node->inputs[k];
}

/* ---- growing --------------------------------------------------------------------------------- */

static int find_operand(const chain *c, fm_val value)
{
    for (int k = 0; k < c->operand_count; k++) {
        if (c->operands[k].id == value.id) return k;
    }
    return -1;
}

/* The chain reads what the node makes, or both read one value of their shape. */
static bool is_related(const chainer *c, const chain *grown, const fm_node *node)
{
    if (find_operand(grown, node->outputs[0]) >= 0) return true;
    const fm_shape shape = fm_val_shape(c->f.graph, node->outputs[0]);
    for (int k = 0; k < node->input_count; k++) {
        const fm_val value = read_by(c, node, k);
        if (find_operand(grown, value) < 0) continue;
        if (fm_shape_equal(fm_val_shape(c->f.graph, value), shape)) return true;
    }
    return false;
}

/* Where other work stands between, a node that joins keeps its operands alive for that long,
 * instead of its result: at most one may live longer for it. */
static bool keeps_much(const chainer *c, const chain *grown, const fm_node *node, uint32_t index)
{
    const fm_graph *graph = c->f.graph;
    int longer = 0;
    for (int k = 0; k < node->input_count; k++) {
        const fm_val value = node->inputs[k];
        const bool alike =
            fm_shape_equal(fm_val_shape(graph, value), fm_val_shape(graph, node->outputs[0]));
        const bool temporary = fm_value_of(graph, value)->kind == FM_TEMPORARY;
        if (alike && temporary && c->last_use[value.id] <= index) longer++;
    }
    return grown->crossed && longer > 1;
}

static bool has_room(const chainer *c, const chain *grown, const fm_node *node)
{
    int operands = grown->operand_count - (find_operand(grown, node->outputs[0]) >= 0);
    for (int k = 0; k < node->input_count; k++) {
        operands += find_operand(grown, read_by(c, node, k)) < 0;
    }
    return grown->count < FM_CHAIN_STEPS && operands <= FM_MAX_INPUTS &&
           grown->outputs < FM_MAX_OUTPUTS;
}

static void join(chainer *c, chain *grown, const fm_node *node, uint32_t index)
{
    const fm_val y = node->outputs[0];
    const int at = find_operand(grown, y);
    if (at >= 0) grown->operands[at] = grown->operands[--grown->operand_count];
    if (c->f.uses[y.id] > c->inside[y.id]) grown->outputs++;
    for (int k = 0; k < node->input_count; k++) {
        const fm_val value = read_by(c, node, k);
        c->inside[value.id]++;
        if (find_operand(grown, value) < 0) grown->operands[grown->operand_count++] = value;
    }
    grown->nodes[grown->count++] = index;
}

static void look_at(chainer *c, chain *grown, uint32_t index)
{
    const fm_graph *graph = c->f.graph;
    const fm_node *node = &graph->nodes[index];
    if (node->dead) return;
    if (c->step[index] && same_place(graph, node, &graph->nodes[grown->last]) &&
        c->early[node->outputs[0].id] != grown->last + 1 && is_related(c, grown, node) &&
        !keeps_much(c, grown, node, index) && has_room(c, grown, node)) {
        join(c, grown, node, index);
        return;
    }
    for (int k = 0; k < node->input_count; k++) {
        c->early[node->inputs[k].id] = grown->last + 1;
    }
    if (!(node->op->flags & FM_OP_VIEW) && !c->step[index]) grown->crossed = true;
}

static void grow(chainer *c, chain *grown)
{
    join(c, grown, &c->f.graph->nodes[grown->last], grown->last);
    const uint32_t first = grown->last > REACH ? grown->last - REACH : 0;
    for (uint32_t i = grown->last; i-- > first;) look_at(c, grown, i);
}

/* ---- rewriting ------------------------------------------------------------------------------- */

/* Output k may lie over operand k, so an operand that ends
 * here stands where an output of its bytes does. */
static void sort_operands(const chainer *c, chain *grown)
{
    const fm_graph *graph = c->f.graph;
    const fm_shape shape = fm_val_shape(graph, graph->nodes[grown->last].outputs[0]);
    int front = 0;
    for (int k = 0; k < grown->operand_count && front < grown->outputs; k++) {
        const fm_val value = grown->operands[k];
        const fm_value *record = fm_value_of(graph, value);
        if (record->kind != FM_TEMPORARY || !fm_shape_equal(record->shape, shape)) continue;
        if (c->f.uses[value.id] > c->inside[value.id]) continue;
        grown->operands[k] = grown->operands[front];
        grown->operands[front++] = value;
    }
}

/* A variable that an output of the chain becomes the next
 * value of stands at that output's number. */
static void put_variable(const chainer *c, chain *grown, fm_val output, int number)
{
    const fm_graph *graph = c->f.graph;
    for (size_t i = 0; i < graph->variable_count; i++) {
        if (graph->variables[i].next.id != output.id) continue;
        const int at = find_operand(grown, graph->variables[i].value);
        if (at < 0 || number >= grown->operand_count) return;
        grown->operands[at] = grown->operands[number];
        grown->operands[number] = graph->variables[i].value;
        return;
    }
}

/* The i-th step's node. */
static fm_node *node_of(const chainer *c, const chain *grown, int i)
{
    return &c->f.graph->nodes[grown->nodes[grown->count - 1 - i]];
}

/* Of a value that step `step` reads. */
static int source_of(const chainer *c, const chain *grown, fm_val value, int step)
{
    for (int i = 0; i < step; i++) {
        if (node_of(c, grown, i)->outputs[0].id == value.id) return FM_MAX_INPUTS + i;
    }
    return find_operand(grown, value);
}

/* The steps in the order of the graph, and the values that others read. */
static int list_outputs(const chainer *c, chain *grown, fm_chain_step *steps, fm_val *outputs)
{
    int count = 0;
    for (int i = 0; i < grown->count; i++) {
        const fm_node *node = node_of(c, grown, i);
        const fm_val y = node->outputs[0];
        fm_chain_step *step = &steps[i];
        *step = (fm_chain_step){node->op, node->attributes, {0}, FM_CHAIN_NO_OUTPUT};
        if (c->f.uses[y.id] == c->inside[y.id]) continue;
        put_variable(c, grown, y, count);
        step->output = (int8_t)count;
        outputs[count++] = y;
    }
    return count;
}

static bool write_text(fm_graph *graph, fm_chain_attributes *a)
{
    fm_text text = FM_TEXT(graph->context);
    fm_chain_write(&text, a);
    a->text = text.failed ? NULL : fm_arena_string(&graph->arena, fm_text_string(&text));
    fm_text_release(&text);
    return a->text != NULL;
}

static fm_status rewrite(chainer *c, chain *grown)
{
    fm_graph *graph = c->f.graph;
    fm_node *last = &graph->nodes[grown->last];
    fm_val outputs[FM_MAX_OUTPUTS];
    fm_chain_step *steps = fm_arena_allocate(&graph->arena, (size_t)grown->count * sizeof *steps);
    if (!steps) return FM_ERROR_MEMORY;
    sort_operands(c, grown);
    const int output_count = list_outputs(c, grown, steps, outputs);
    for (int i = 0; i < grown->count; i++) {
        const fm_node *node = node_of(c, grown, i);
        for (int k = 0; k < node->input_count; k++) {
            steps[i].sources[k] = (int8_t)source_of(c, grown, read_by(c, node, k), i);
        }
    }
    fm_chain_attributes a = {.count = grown->count, .steps = steps};
    if (!write_text(graph, &a) ||
        !fm_fuse_rewrite_all(&c->f, last, fm_chain_op(&a), &a, grown->operands,
                             grown->operand_count, outputs, output_count)) {
        return FM_ERROR_MEMORY;
    }
    for (int i = 1; i < grown->count; i++) graph->nodes[grown->nodes[i]].dead = true;
    return FM_OK;
}

/* ---- the pass -------------------------------------------------------------------------------- */

static void study(chainer *c)
{
    const fm_graph *graph = c->f.graph;
    fm_fuse_count_uses(&c->f);
    fm_steady_find(graph, c->steady);
    for (uint32_t id = 0; id < graph->value_count; id++) c->source[id] = (fm_val){id};
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const fm_node *node = &graph->nodes[i];
        c->step[i] = can_be_step(c, i);
        if (node->dead) continue;
        for (int k = 0; k < node->input_count; k++) c->last_use[node->inputs[k].id] = i;
        if (node->op == &fm_op_broadcast_to) c->source[node->outputs[0].id] = node->inputs[0];
    }
}

static void forget(chainer *c, const chain *grown)
{
    for (int k = 0; k < grown->operand_count; k++) c->inside[grown->operands[k].id] = 0;
    for (int k = 1; k < grown->count; k++) {
        c->inside[c->f.graph->nodes[grown->nodes[k]].outputs[0].id] = 0;
    }
}

static fm_status chain_nodes(chainer *c)
{
    const fm_graph *graph = c->f.graph;
    fm_status status = FM_OK;
    for (uint32_t i = (uint32_t)graph->node_count; status == FM_OK && i-- > 0;) {
        if (graph->nodes[i].dead || !c->step[i]) continue;
        chain grown = {.last = i};
        grow(c, &grown);
        if (grown.count > 1) status = rewrite(c, &grown);
        forget(c, &grown);
    }
    return status;
}

fm_status fm_fuse_chains(fm_graph *graph)
{
    fm_context *context = graph->context;
    const size_t values = graph->value_count;
    chainer c = {.f = {.graph = graph}};
    c.f.uses = fm_allocate_array(context, values, sizeof *c.f.uses);
    c.f.first_use = fm_allocate_array(context, values, sizeof *c.f.first_use);
    c.source = fm_allocate_array(context, values, sizeof *c.source);
    c.inside = fm_allocate_zeroed(context, values * sizeof *c.inside);
    c.early = fm_allocate_zeroed(context, values * sizeof *c.early);
    c.last_use = fm_allocate_zeroed(context, values * sizeof *c.last_use);
    c.steady = fm_allocate_zeroed(context, graph->node_count + 1);
    c.step = fm_allocate_zeroed(context, graph->node_count + 1);
    fm_status status = FM_ERROR_MEMORY;
    if (c.f.uses && c.f.first_use && c.source && c.inside && c.early && c.last_use && c.steady &&
        c.step) {
        study(&c);
        status = chain_nodes(&c);
    }
    fm_release(context, c.f.uses);
    fm_release(context, c.f.first_use);
    fm_release(context, c.source);
    fm_release(context, c.inside);
    fm_release(context, c.early);
    fm_release(context, c.last_use);
    fm_release(context, c.steady);
    fm_release(context, c.step);
    return status;
}
