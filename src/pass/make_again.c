#include "pass/make_again.h"
#include "op/fused_normalize.h"
#include "pass/place.h"

#include <string.h>

/* Smaller results are not worth another order; so many nodes may run later for one at most. */
enum { LEAST_BYTES = 256 << 10, MOST_MOVED = 4 };

enum { X, GAMMA };
enum { NORMALIZED_OUTPUTS = 5 }; /* of the gradient with y, at most */

typedef struct remaker {
    fm_graph *graph;
    const char *const *backends;
    size_t nodes;     /* before any was added                                             */
    uint32_t *before; /* by added node: the node in front of which it goes                */
    bool *later;      /* by node: of one result, reads it late, directly or through others */
    bool *kept;       /* by value: another result is made of it                           */
} remaker;

/* A gradient, and what it takes to make the result again. */
typedef struct result {
    const fm_node *forward;
    fm_node *gradient;
    uint32_t at; /* the gradient's index */
    fm_val y, beta, residual;
    bool has_residual;
} result;

/* The normalisation whose mean and rstd these are, or NULL. */
static const fm_node *normalization_of(const fm_graph *graph, fm_val mean, fm_val rstd)
{
    const fm_value *record = fm_value_of(graph, rstd);
    if (record->kind != FM_TEMPORARY) return NULL;
    const fm_node *node = &graph->nodes[record->producer];
    if (node->op == &fm_op_fused_normalize) {
        return node->outputs[1].id == mean.id && node->outputs[2].id == rstd.id ? node : NULL;
    }
    if (node->op != &fm_op_normalize_by_moments) return NULL;
    return node->inputs[3].id == mean.id && node->outputs[1].id == rstd.id ? node : NULL;
}

/* false: node `at` is no gradient that could make its y. */
static bool open_result(const fm_graph *graph, uint32_t at, result *r)
{
    fm_node *node = &graph->nodes[at];
    const bool sum = node->op == &fm_op_fused_normalize_add_grad;
    if (node->dead || (!sum && node->op != &fm_op_fused_normalize_grad)) return false;
    const fm_val *in = node->inputs + (sum ? 2 : 3); /* mean, rstd, dy, of a sum y */
    const fm_node *forward = normalization_of(graph, in[0], in[1]);
    if (!forward) return false;
    const int plain = forward->op == &fm_op_fused_normalize ? 3 : 5;
    const fm_fused_normalize_attributes *a = forward->attributes;
    const fm_fused_normalize_grad_attributes *of_gradient = node->attributes;
    *r = (result){.forward = forward,
                  .gradient = node,
                  .at = at,
                  .y = forward->outputs[0],
                  .beta = forward->inputs[2],
                  .has_residual = forward->input_count > plain};
    if (r->has_residual) r->residual = forward->inputs[plain];
    return r->has_residual == sum && node->inputs[X].id == forward->inputs[X].id &&
           node->inputs[GAMMA].id == forward->inputs[GAMMA].id &&
           a->activation == (sum ? FM_FUSED_RELU : of_gradient->activation) &&
           (!sum || in[3].id == r->y.id);
}

static bool is_output(const fm_graph *graph, fm_val value)
{
    for (size_t i = 0; i < graph->output_count; i++) {
        if (graph->outputs[i].value.id == value.id) return true;
    }
    return false;
}

static bool reads(const fm_node *node, fm_val value)
{
    for (int k = 0; k < node->input_count; k++) {
        if (node->inputs[k].id == value.id) return true;
    }
    return false;
}

static bool reads_later_one(const remaker *m, const fm_node *node)
{
    for (int k = 0; k < node->input_count; k++) {
        const fm_value *input = fm_value_of(m->graph, node->inputs[k]);
        if (input->kind == FM_TEMPORARY && input->producer < m->nodes && m->later[input->producer])
            return true;
    }
    return false;
}

static bool is_late(const fm_node *node)
{
    return !node->dead && node->role != FM_FORWARD;
}

/* Whether somebody reads it late, behind node `at`. */
static bool is_read_behind(const remaker *m, fm_val value, uint32_t at)
{
    for (size_t i = at + 1; i < m->nodes; i++) {
        if (is_late(&m->graph->nodes[i]) && reads(&m->graph->nodes[i], value)) return true;
    }
    return false;
}

/* Marks those in front of the gradient that have to run behind it. false: the gradient, one that an
 * earlier result has moved, or a forward node (of a penalty of gradients) needs what they make, or
 * they are many. */
static bool mark_readers(remaker *m, const result *r)
{
    const fm_graph *graph = m->graph;
    int marked = 0;
    memset(m->later, 0, m->nodes * sizeof *m->later);
    for (uint32_t i = 0; i < r->at; i++) {
        const fm_node *node = &graph->nodes[i];
        if (node->dead) continue;
        const bool reads_one = reads_later_one(m, node);
        if (reads_one && !is_late(node)) return false;
        m->later[i] = reads_one || (is_late(node) && reads(node, r->y));
        marked += m->later[i];
    }
    if (marked > MOST_MOVED || reads_later_one(m, r->gradient)) return false;
    for (size_t i = m->nodes; i < graph->node_count; i++) {
        if (reads(&graph->nodes[i], r->y) || reads_later_one(m, &graph->nodes[i])) return false;
    }
    return marked > 0 || is_read_behind(m, r->y, r->at);
}

/* The textbook normalises by statistics in double, of which the gradient knows the rounded ones. */
static bool has_kernel(const remaker *m, const fm_node *node)
{
    fm_node_site place;
    fm_place_describe(m->graph, node, &place);
    return fm_place_finds(&place.site, m->backends);
}

static bool is_worth_it(const remaker *m, const result *r)
{
    const fm_graph *graph = m->graph;
    if (!has_kernel(m, r->forward) || !has_kernel(m, r->gradient)) return false;
    if (m->kept[r->y.id] || fm_value_bytes(graph, r->y) < LEAST_BYTES) return false;
    if (is_output(graph, r->y) || r->at + 1 >= m->nodes) return false;
    return !r->has_residual || is_read_behind(m, r->residual, r->at);
}

/* The gradient makes y as well: {0} where there was no memory. */
static fm_val rewrite(fm_graph *graph, const result *r)
{
    fm_node *node = r->gradient;
    const int count = node->output_count;
    fm_value described = *fm_value_of(graph, r->y);
    const fm_val again = fm_value_add(graph, &described), *in = node->inputs;
    fm_val *inputs = fm_arena_allocate(&graph->arena, FM_MAX_INPUTS * sizeof *inputs);
    fm_val *outputs = fm_arena_allocate(&graph->arena, NORMALIZED_OUTPUTS * sizeof *outputs);
    if (!again.id || !inputs || !outputs) return (fm_val){0};
    if (r->has_residual) {
        const fm_val list[] = {in[X], in[GAMMA], r->beta, in[2], in[3], in[4], r->residual};
        memcpy(inputs, list, sizeof list);
        node->op = &fm_op_normalize_add_grad_again;
        node->input_count = sizeof list / sizeof list[0];
    } else {
        memcpy(inputs, in, (size_t)node->input_count * sizeof *in);
        node->op = &fm_op_normalize_grad_again;
    }
    memcpy(outputs, node->outputs, (size_t)count * sizeof *outputs);
    node->inputs = inputs;
    node->outputs = outputs;
    node->output_count = count + 1;
    fm_node_take_output(graph, node, count, again);
    return again;
}

/* Behind the gradient everybody reads y as it is made again. */
static void redirect(fm_node *node, fm_val from, fm_val to)
{
    for (int k = 0; is_late(node) && k < node->input_count; k++) {
        if (node->inputs[k].id == from.id) node->inputs[k] = to;
    }
}

static fm_status move_readers(remaker *m, const result *r)
{
    fm_graph *graph = m->graph;
    for (uint32_t i = 0; i < r->at; i++) {
        if (!m->later[i]) continue;
        fm_status status = fm_grow(graph->context, &graph->nodes, &graph->node_capacity,
                                   graph->node_count + 1, sizeof *graph->nodes);
        if (status != FM_OK) return status;
        const size_t added = graph->node_count++;
        fm_node *moved = &graph->nodes[added];
        *moved = graph->nodes[i];
        graph->nodes[i].dead = true;
        m->before[added - m->nodes] = r->at + 1;
        for (int k = 0; k < moved->output_count; k++) {
            fm_node_take_output(graph, moved, k, moved->outputs[k]);
        }
    }
    return FM_OK;
}

static fm_status make_again(remaker *m, const result *r)
{
    fm_graph *graph = m->graph;
    const fm_val again = rewrite(graph, r);
    if (!again.id) return FM_ERROR_MEMORY;
    if (r->has_residual) m->kept[r->residual.id] = true;
    for (size_t i = 0; i < m->nodes; i++) {
        if (i > r->at || m->later[i]) redirect(&graph->nodes[i], r->y, again);
    }
    return move_readers(m, r);
}

fm_status fm_make_again(fm_graph *graph, const char *const *backends)
{
    fm_context *context = graph->context;
    remaker m = {.graph = graph, .backends = backends, .nodes = graph->node_count};
    m.before = fm_allocate_array(context, m.nodes + 1, sizeof *m.before);
    m.later = fm_allocate_zeroed(context, m.nodes + 1);
    m.kept = fm_allocate_zeroed(context, graph->value_count + m.nodes);
    fm_status status = m.before && m.later && m.kept ? FM_OK : FM_ERROR_MEMORY;
    for (uint32_t i = 0; status == FM_OK && i < m.nodes; i++) {
        result r;
        if (!open_result(graph, i, &r) || !is_worth_it(&m, &r)) continue;
        if (mark_readers(&m, &r)) status = make_again(&m, &r);
    }
    if (status == FM_OK) status = fm_graph_settle(graph, m.nodes, m.before);
    fm_release(context, m.before);
    fm_release(context, m.later);
    fm_release(context, m.kept);
    return status;
}
