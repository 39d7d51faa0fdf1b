#include "run/order.h"

#include <string.h>

fm_val fm_view_root(const fm_graph *graph, fm_val value)
{
    for (;;) {
        const fm_value *record = fm_value_of(graph, value);
        if (record->kind != FM_TEMPORARY) return value;
        const fm_node *node = &graph->nodes[record->producer];
        if (!(node->op->flags & FM_OP_VIEW)) return value;
        value = node->inputs[0];
    }
}

typedef struct edge {
    uint32_t to, next; /* next edge of the same node, plus 1 */
} edge;

typedef struct sorter {
    const fm_graph *graph;
    const bool *first; /* by node, may be NULL */
    fm_order *order;
    uint32_t *first_edge; /* by node: index into edges plus 1 */
    uint32_t *waiting;    /* by node: unscheduled predecessors */
    bool *done;
    edge *edges;
    size_t edge_count, edge_capacity;
    uint32_t *heap; /* ready nodes by priority */
    size_t heap_count;
} sorter;

static fm_status add_edge(sorter *s, uint32_t from, uint32_t to)
{
    fm_status status = fm_grow(s->graph->context, &s->edges, &s->edge_capacity, s->edge_count + 1,
                               sizeof *s->edges);
    if (status != FM_OK) return status;
    s->edges[s->edge_count++] = (edge){to, s->first_edge[from]};
    s->first_edge[from] = (uint32_t)s->edge_count;
    s->waiting[to]++;
    return FM_OK;
}

/* Updates of so few bytes wait, with their gradients, for the others of the step: one pass over all
 * of them (run/together.h) costs less than a meeting of the threads for each. */
enum { SMALL_UPDATE_BYTES = 1 << 14 };

static bool reads_update(const fm_graph *graph, const fm_node *node)
{
    for (int k = 0; k < node->input_count; k++) {
        const fm_value *input = fm_value_of(graph, node->inputs[k]);
        if (input->kind == FM_TEMPORARY && graph->nodes[input->producer].op->flags & FM_OP_UPDATE) {
            return true;
        }
    }
    return false;
}

/* Updates come as soon as they can, so that their gradients need no memory any more; small ones
 * come last, and behind them what reads them. */
static int rank_of(const fm_graph *graph, const fm_node *node)
{
    enum { NOW, ORDINARY, LAST, BEHIND };
    if (node->role != FM_UPDATE) return ORDINARY;
    if (fm_value_bytes(graph, node->outputs[0]) > SMALL_UPDATE_BYTES) return NOW;
    if (node->op->flags & FM_OP_UPDATE) return LAST;
    return reads_update(graph, node) ? BEHIND : NOW;
}

static bool comes_first(const sorter *s, uint32_t a, uint32_t b)
{
    const fm_node *nodes = s->graph->nodes;
    if (s->first && s->first[a] != s->first[b]) return s->first[a];
    const int rank_a = rank_of(s->graph, &nodes[a]), rank_b = rank_of(s->graph, &nodes[b]);
    return rank_a != rank_b ? rank_a < rank_b : a < b;
}

static void push_ready(sorter *s, uint32_t node)
{
    size_t at = s->heap_count++;
    while (at && comes_first(s, node, s->heap[(at - 1) / 2])) {
        s->heap[at] = s->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    s->heap[at] = node;
}

static uint32_t pop_ready(sorter *s)
{
    uint32_t top = s->heap[0], last = s->heap[--s->heap_count];
    size_t at = 0;
    for (size_t child = 1; child < s->heap_count; child = 2 * at + 1) {
        if (child + 1 < s->heap_count && comes_first(s, s->heap[child + 1], s->heap[child])) {
            child++;
        }
        if (!comes_first(s, s->heap[child], last)) break;
        s->heap[at] = s->heap[child];
        at = child;
    }
    s->heap[at] = last;
    return top;
}

/* The node that would write variable `index` in place, or FM_NO_NODE. */
static uint32_t writer_of(const fm_graph *graph, size_t index)
{
    fm_val next = graph->variables[index].next;
    if (!next.id || fm_value_of(graph, next)->kind != FM_TEMPORARY) return FM_NO_NODE;
    uint32_t producer = fm_value_of(graph, next)->producer;
    return graph->nodes[producer].op->flags & FM_OP_VIEW ? FM_NO_NODE : producer;
}

/* May the producer write over the variable: does it read it only where its record allows that? */
static bool writer_tolerates(const fm_graph *graph, size_t index, uint32_t writer)
{
    const fm_graph_variable_record *record = &graph->variables[index];
    const fm_node *node = &graph->nodes[writer];
    int allowed = node->op->in_place[fm_value_of(graph, record->next)->output] - 1, reads = 0;
    for (int k = 0; k < node->input_count; k++) {
        if (fm_view_root(graph, node->inputs[k]).id != record->value.id) continue;
        if (k != allowed || node->inputs[k].id != record->value.id) return false;
        reads++;
    }
    return reads <= 1;
}

static void choose_overwrites(const fm_graph *graph, bool *overwrites)
{
    for (size_t i = 0; i < graph->variable_count; i++) {
        uint32_t writer = writer_of(graph, i);
        overwrites[i] = writer != FM_NO_NODE && writer_tolerates(graph, i, writer);
        for (size_t k = 0; overwrites[i] && k < i; k++) { /* one value, one home */
            bool same = graph->variables[k].next.id == graph->variables[i].next.id;
            if (same && overwrites[k]) overwrites[i] = false;
        }
    }
}

static fm_status add_data_edges(sorter *s)
{
    const fm_graph *graph = s->graph;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const fm_node *node = &graph->nodes[i];
        for (int k = 0; !node->dead && k < node->input_count; k++) {
            const fm_value *input = fm_value_of(graph, node->inputs[k]);
            if (input->kind != FM_TEMPORARY) continue;
            fm_status status = add_edge(s, input->producer, i);
            if (status != FM_OK) return status;
        }
    }
    return FM_OK;
}

/* For each operand that shows an overwritten variable: its reader goes before the writer. */
static fm_status add_reader_edges(sorter *s)
{
    const fm_graph *graph = s->graph;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const fm_node *node = &graph->nodes[i];
        for (int k = 0; !node->dead && k < node->input_count; k++) {
            const fm_value *root = fm_value_of(graph, fm_view_root(graph, node->inputs[k]));
            if (root->kind != FM_VARIABLE || !s->order->overwrites[root->variable]) continue;
            uint32_t writer = writer_of(graph, root->variable);
            fm_status status = writer == i ? FM_OK : add_edge(s, i, writer);
            if (status != FM_OK) return status;
        }
    }
    return FM_OK;
}

static void finish(sorter *s, uint32_t node)
{
    s->order->nodes[s->order->count++] = node;
    s->done[node] = true;
    for (uint32_t at = s->first_edge[node]; at; at = s->edges[at - 1].next) {
        uint32_t to = s->edges[at - 1].to;
        if (--s->waiting[to] == 0) push_ready(s, to);
    }
}

/* Nothing is ready, so readers and writers wait for each other. The first overwritten variable
 * whose writer waits is copied at the end instead; its edges count no longer. */
static fm_status break_cycle(sorter *s)
{
    const fm_graph *graph = s->graph;
    for (size_t i = 0; i < graph->variable_count; i++) {
        uint32_t writer = writer_of(graph, i);
        if (!s->order->overwrites[i] || s->done[writer]) continue;
        s->order->overwrites[i] = false;
        return FM_OK;
    }
    return fm_fail(graph->context, FM_ERROR_INTERNAL, "order: the graph has a cycle");
}

static fm_status run_kahn(sorter *s, size_t living)
{
    const fm_graph *graph = s->graph;
    memset(s->first_edge, 0, graph->node_count * sizeof *s->first_edge);
    memset(s->waiting, 0, graph->node_count * sizeof *s->waiting);
    memset(s->done, 0, graph->node_count * sizeof *s->done);
    s->edge_count = s->heap_count = s->order->count = 0;
    fm_status status = add_data_edges(s);
    if (status == FM_OK) status = add_reader_edges(s);
    if (status != FM_OK) return status;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (!graph->nodes[i].dead && !s->waiting[i]) push_ready(s, i);
    }
    while (s->heap_count) finish(s, pop_ready(s));
    return s->order->count == living ? FM_OK : break_cycle(s);
}

static fm_status order_nodes(sorter *s)
{
    size_t living = 0;
    for (size_t i = 0; i < s->graph->node_count; i++) living += !s->graph->nodes[i].dead;
    fm_status status = FM_OK;
    do {
        status = run_kahn(s, living);
    } while (status == FM_OK && s->order->count < living);
    return status;
}

fm_status fm_order_make(const fm_graph *graph, bool overwrite, const bool *first, fm_order *order)
{
    fm_context *context = graph->context;
    size_t nodes = graph->node_count + 1;
    sorter s = {.graph = graph, .first = first, .order = order};
    *order = (fm_order){0};
    order->nodes = fm_allocate_array(context, nodes, sizeof *order->nodes);
    order->overwrites = fm_allocate_zeroed(context, graph->variable_count + 1);
    s.first_edge = fm_allocate_array(context, nodes, sizeof *s.first_edge);
    s.waiting = fm_allocate_array(context, nodes, sizeof *s.waiting);
    s.done = fm_allocate_array(context, nodes, sizeof *s.done);
    s.heap = fm_allocate_array(context, nodes, sizeof *s.heap);

    fm_status status = FM_ERROR_MEMORY;
    if (order->nodes && order->overwrites && s.first_edge && s.waiting && s.done && s.heap) {
        if (overwrite) choose_overwrites(graph, order->overwrites);
        status = order_nodes(&s);
    }
    fm_release(context, s.first_edge);
    fm_release(context, s.waiting);
    fm_release(context, s.done);
    fm_release(context, s.heap);
    fm_release(context, s.edges);
    if (status != FM_OK) fm_order_release(context, order);
    return status;
}

void fm_order_release(fm_context *context, fm_order *order)
{
    fm_release(context, order->nodes);
    fm_release(context, order->overwrites);
    *order = (fm_order){0};
}
