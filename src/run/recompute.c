#include "run/recompute.h"
#include "base/checked.h"
#include "run/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A value that may be dropped, and what making it again costs. */
typedef struct candidate {
    uint32_t value;
    double price; /* seconds a byte, by a rough estimate that puts cheap ones first */
} candidate;

/* Values dropped together, so that they can be taken back together. */
typedef struct drop_group {
    size_t first, count; /* in recomputer.dropped_list */
    double price;
    bool taken_back;
} drop_group;

typedef struct recomputer {
    fm_graph *graph;
    const fm_recompute_options *options;
    fm_order order;
    size_t nodes, values;
    uint32_t *roots; /* by value: fm_view_root */
    int64_t *bytes;  /* by root: in the arena, 0 where it lives elsewhere */
    bool *may_drop;  /* by root */
    bool *read_late; /* by root: by a node that is not forward */
    bool *stays;     /* by root: outputs, commits: alive to the end */
    bool *dropped;   /* by root */
    uint32_t *dropped_list;
    size_t dropped_count;
    candidate *candidates, *every; /* read late; all that may be dropped: cheap first */
    size_t candidate_count, every_count;
    drop_group *groups;
    size_t group_count;
    /* one simulation */
    int64_t *change;                   /* by position: living bytes */
    uint32_t *born, *last;             /* by root: positions of the original */
    uint32_t *born_again, *last_again; /* of the copy; born_again 0: none */
    uint32_t position;
    /* applying */
    fm_val *copy_of;  /* by value: what late readers read instead, {0}: itself */
    uint32_t *before; /* by added node: where it goes */
    uint32_t target;  /* the node in front of which copies go now */
} recomputer;

static fm_node *producer_of(const recomputer *r, uint32_t value)
{
    return &r->graph->nodes[r->graph->values[value].producer];
}

/* ---- costs ----------------------------------------------------------------------------------- */

static const double flops_per_second = 3e11, bytes_per_second = 1.5e10, node_seconds = 1e-6;

/* Of making a value again. */
static double seconds_of(const recomputer *r, uint32_t value)
{
    const fm_node *node = producer_of(r, value);
    double moved = 0;
    for (int k = 0; k < node->input_count; k++) {
        moved += (double)fm_value_bytes(r->graph, node->inputs[k]);
    }
    for (int k = 0; k < node->output_count; k++) {
        moved += (double)fm_value_bytes(r->graph, node->outputs[k]);
    }
    return node_seconds + fm_node_flops(r->graph, node) / flops_per_second +
           moved / bytes_per_second;
}

static double price_of(const recomputer *r, uint32_t value)
{
    return seconds_of(r, value) / (double)r->bytes[value];
}

/* ---- the curve of living bytes --------------------------------------------------------------- */

static void read_original(recomputer *r, uint32_t root, uint32_t position)
{
    if (r->last[root] < position) r->last[root] = position;
}

/* The copy of a dropped value is made now, unless it was before; recursion ends at what is kept. */
static void make_again(recomputer *r, uint32_t root)
{
    if (r->born_again[root]) return;
    const fm_node *node = producer_of(r, root);
    for (int k = 0; k < node->input_count; k++) {
        uint32_t input = r->roots[node->inputs[k].id];
        if (r->dropped[input]) make_again(r, input);
    }
    uint32_t position = ++r->position;
    for (int k = 0; k < node->input_count; k++) {
        uint32_t input = r->roots[node->inputs[k].id];
        if (r->dropped[input]) {
            r->last_again[input] = position;
        } else {
            read_original(r, input, position);
        }
    }
    for (int k = 0; k < node->output_count; k++) {
        uint32_t output = node->outputs[k].id;
        if (r->dropped[output]) {
            r->born_again[output] = r->last_again[output] = position;
        } else { /* a by-product */
            int64_t bytes =
                (int64_t)fm_round_up(fm_value_bytes(r->graph, node->outputs[k]), FM_ALIGNMENT);
            r->change[position] += bytes;
            r->change[position + 1] -= bytes;
        }
    }
    size_t index = r->graph->values[root].producer;
    int64_t scratch = r->options->scratch_bytes ? (int64_t)r->options->scratch_bytes[index] : 0;
    r->change[position] += scratch;
    r->change[position + 1] -= scratch;
}

static void simulate_node(recomputer *r, uint32_t index)
{
    const fm_node *node = &r->graph->nodes[index];
    bool late = node->role != FM_FORWARD;
    for (int k = 0; late && k < node->input_count; k++) {
        uint32_t input = r->roots[node->inputs[k].id];
        if (r->dropped[input]) make_again(r, input);
    }
    if (node->op->flags & FM_OP_VIEW) return;
    uint32_t position = ++r->position;
    for (int k = 0; k < node->input_count; k++) {
        uint32_t input = r->roots[node->inputs[k].id];
        if (late && r->dropped[input]) {
            r->last_again[input] = position;
        } else {
            read_original(r, input, position);
        }
    }
    for (int k = 0; k < node->output_count; k++) {
        r->born[node->outputs[k].id] = position;
        read_original(r, node->outputs[k].id, position);
    }
    int64_t scratch = r->options->scratch_bytes ? (int64_t)r->options->scratch_bytes[index] : 0;
    r->change[position] += scratch;
    r->change[position + 1] -= scratch;
}

/* Views are not in the list of positions; a late view of a dropped value makes it again a little
 * early, where the view stands. */
static void simulate(recomputer *r)
{
    size_t positions = 2 * r->nodes + 3;
    memset(r->change, 0, positions * sizeof *r->change);
    memset(r->born, 0, r->values * sizeof *r->born);
    memset(r->last, 0, r->values * sizeof *r->last);
    memset(r->born_again, 0, r->values * sizeof *r->born_again);
    r->position = 0;
    for (size_t i = 0; i < r->order.count; i++) simulate_node(r, r->order.nodes[i]);
    uint32_t end = r->position + 1;
    for (uint32_t id = 1; id < r->values; id++) {
        if (!r->born[id] || !r->bytes[id]) continue;
        r->change[r->born[id]] += r->bytes[id];
        r->change[(r->stays[id] ? end : r->last[id]) + 1] -= r->bytes[id];
        if (!r->born_again[id]) continue;
        r->change[r->born_again[id]] += r->bytes[id];
        r->change[r->last_again[id] + 1] -= r->bytes[id];
    }
}

static void simulate_nothing_dropped(recomputer *r)
{
    memset(r->dropped, 0, r->values);
    simulate(r);
}

/* How far the curve lies above the target, summed over the steps; and its top. */
static double excess(recomputer *r, size_t *peak)
{
    simulate(r);
    double above = 0;
    int64_t alive = 0, top = 0, target = (int64_t)r->options->target;
    for (uint32_t i = 0; i <= r->position + 1; i++) {
        alive += r->change[i];
        if (alive > top) top = alive;
        if (alive > target) above += (double)(alive - target);
    }
    *peak = (size_t)top;
    return above;
}

/* ---- choosing -------------------------------------------------------------------------------- */

static void drop(recomputer *r, uint32_t value)
{
    r->dropped[value] = true;
    r->dropped_list[r->dropped_count++] = value;
}

/* Drops a value and, as far as they are not dearer, those that would have to live on for its sake
 * alone. */
static void drop_with_sources(recomputer *r, uint32_t value, double dearest)
{
    drop(r, value);
    const fm_node *node = producer_of(r, value);
    for (int k = 0; k < node->input_count; k++) {
        uint32_t input = r->roots[node->inputs[k].id];
        if (!r->may_drop[input] || r->dropped[input] || r->read_late[input]) continue;
        if (price_of(r, input) <= dearest) drop_with_sources(r, input, dearest);
    }
}

static void take_back(recomputer *r, size_t first)
{
    while (r->dropped_count > first) r->dropped[r->dropped_list[--r->dropped_count]] = false;
}

/* One round over the candidates, cheapest first: each stays dropped that lowers the excess. */
static bool choose_once(recomputer *r, double *above, size_t *peak)
{
    bool better = false;
    for (size_t i = 0; i<r->candidate_count && * above> 0; i++) {
        const candidate *c = &r->candidates[i];
        size_t first = r->dropped_count, top;
        if (r->dropped[c->value]) continue;
        drop_with_sources(r, c->value, c->price);
        double now = excess(r, &top);
        if (now >= *above) {
            take_back(r, first);
            continue;
        }
        *above = now;
        *peak = top;
        better = true;
        r->groups[r->group_count++] =
            (drop_group){first, r->dropped_count - first, c->price, false};
    }
    return better;
}

static void set_group(recomputer *r, drop_group *group, bool is_dropped)
{
    for (size_t i = 0; i < group->count; i++) {
        r->dropped[r->dropped_list[group->first + i]] = is_dropped;
    }
    group->taken_back = !is_dropped;
}

/* What turned out not to be needed is kept after all, the dearest first: the last ones. */
static void give_back(recomputer *r, size_t *peak)
{
    size_t top;
    for (size_t i = r->group_count; i-- > 0;) {
        set_group(r, &r->groups[i], false);
        if (excess(r, &top) == 0) {
            *peak = top;
        } else {
            set_group(r, &r->groups[i], true);
        }
    }
}

enum { MOST_ROUNDS = 6 };

static void choose_rounds(recomputer *r, double *above, size_t *peak)
{
    for (int i = 0; i<MOST_ROUNDS && * above> 0; i++) {
        if (!choose_once(r, above, peak)) break;
    }
}

/* ---- segments -------------------------------------------------------------------------------- */

/* By position in forward: bytes that are made, and bytes that later forward steps still read. */
typedef struct forward_profile {
    int64_t *made, *crossing;
    uint32_t *last; /* by root: the last forward step that reads it */
    uint32_t end;
    int64_t total;
} forward_profile;

/* Positions are those of a simulation in which nothing is dropped. */
static void fill_profile(const recomputer *r, forward_profile *p)
{
    uint32_t position = 0;
    for (size_t i = 0; i < r->order.count; i++) {
        const fm_node *node = &r->graph->nodes[r->order.nodes[i]];
        if (node->op->flags & FM_OP_VIEW) continue;
        position++;
        if (node->role != FM_FORWARD) continue;
        p->end = position;
        for (int k = 0; k < node->input_count; k++) {
            p->last[r->roots[node->inputs[k].id]] = position;
        }
    }
    for (uint32_t id = 1; id < r->values; id++) {
        if (!r->may_drop[id] || !r->born[id]) continue;
        p->made[r->born[id]] += r->bytes[id];
        p->total += r->bytes[id];
        if (p->last[id] <= r->born[id]) continue;
        p->crossing[r->born[id]] += r->bytes[id];
        p->crossing[p->last[id]] -= r->bytes[id];
    }
    for (uint32_t i = 1; i <= p->end; i++) p->crossing[i] += p->crossing[i - 1];
}

/* What crosses the cut is kept. */
static void keep_across(recomputer *r, const forward_profile *p, uint32_t cut)
{
    for (uint32_t id = 1; id < r->values; id++) {
        if (r->dropped[id] && r->born[id] <= cut && p->last[id] > cut) r->dropped[id] = false;
    }
}

/* Chen's segments: everything is dropped but what crosses cuts, which lie where little crosses,
 * each after `size` bytes at most. */
static void cut_segments(recomputer *r, const forward_profile *p, int64_t size)
{
    uint32_t best = 0;
    int64_t since = 0, behind_best = 0;
    for (uint32_t id = 1; id < r->values; id++) r->dropped[id] = r->may_drop[id];
    for (uint32_t i = 1; i <= p->end; i++) {
        since += p->made[i];
        behind_best += p->made[i];
        if (2 * since >= size && (!best || p->crossing[i] <= p->crossing[best])) {
            best = i;
            behind_best = 0;
        }
        if (since < size) continue;
        keep_across(r, p, best);
        since = behind_best;
        best = 0;
    }
}

static void list_dropped(recomputer *r)
{
    r->dropped_count = r->group_count = 0;
    for (size_t i = 0; i < r->every_count; i++) {
        uint32_t value = r->every[i].value;
        if (!r->dropped[value]) continue;
        r->groups[r->group_count++] = (drop_group){r->dropped_count, 1, r->every[i].price, false};
        r->dropped_list[r->dropped_count++] = value;
    }
}

/* The segments' size whose curve has the least excess, then the lowest top. */
static void choose_segments(recomputer *r, const forward_profile *p, double *above, size_t *peak)
{
    int64_t best = 0;
    for (double share = 0.6; share > 0.004; share *= 0.8) {
        size_t top;
        int64_t size = (int64_t)(share * (double)p->total) + 1;
        cut_segments(r, p, size);
        double now = excess(r, &top);
        if (best && (now > *above || (now == *above && top >= *peak))) continue;
        *above = now;
        *peak = top;
        best = size;
    }
    simulate_nothing_dropped(r);
    cut_segments(r, p, best);
    *above = excess(r, peak);
    list_dropped(r);
}

static fm_status with_segments(recomputer *r, double *above, size_t *peak)
{
    fm_context *context = r->graph->context;
    size_t positions = r->nodes + 2;
    forward_profile p = {0};
    p.made = fm_allocate_zeroed(context, 2 * positions * sizeof *p.made);
    p.last = fm_allocate_zeroed(context, r->values * sizeof *p.last);
    fm_status status = p.made && p.last ? FM_OK : FM_ERROR_MEMORY;
    if (status == FM_OK) {
        p.crossing = p.made + positions;
        simulate_nothing_dropped(r);
        fill_profile(r, &p);
        choose_segments(r, &p, above, peak);
    }
    fm_release(context, p.made);
    fm_release(context, p.last);
    return status;
}

/* One by one first, which repeats the least; segments where that does not reach the target. */
static fm_status choose(recomputer *r, size_t *peak)
{
    double above = excess(r, peak);
    choose_rounds(r, &above, peak);
    if (above > 0) {
        fm_status status = with_segments(r, &above, peak);
        if (status != FM_OK) return status;
        choose_rounds(r, &above, peak);
    }
    if (above == 0) give_back(r, peak);
    return FM_OK;
}

/* ---- what can be dropped --------------------------------------------------------------------- */

enum { LEAST_BYTES = 128 }; /* smaller ones are not worth a node */

static void find_readers(recomputer *r)
{
    const fm_graph *graph = r->graph;
    for (size_t i = 0; i < r->nodes; i++) {
        const fm_node *node = &graph->nodes[i];
        bool late = !node->dead && node->role != FM_FORWARD && !(node->op->flags & FM_OP_VIEW);
        for (int k = 0; late && k < node->input_count; k++) {
            r->read_late[r->roots[node->inputs[k].id]] = true;
        }
    }
    for (size_t i = 0; i < graph->output_count; i++) {
        r->stays[r->roots[graph->outputs[i].value.id]] = true;
    }
    for (size_t i = 0; i < graph->variable_count; i++) {
        fm_val next = graph->variables[i].next;
        if (next.id && !r->order.overwrites[i]) r->stays[r->roots[next.id]] = true;
    }
}

/* Bytes of values that live in the arena; an update lies in its variable. */
static void find_bytes(recomputer *r)
{
    const fm_graph *graph = r->graph;
    for (uint32_t id = 1; id < r->values; id++) {
        const fm_value *value = &graph->values[id];
        if (value->kind != FM_TEMPORARY || r->roots[id] != id) continue;
        if (graph->nodes[value->producer].dead) continue;
        r->bytes[id] = (int64_t)fm_round_up(fm_value_bytes(graph, (fm_val){id}), FM_ALIGNMENT);
    }
    for (size_t i = 0; i < graph->variable_count; i++) {
        if (r->order.overwrites[i]) r->bytes[graph->variables[i].next.id] = 0;
    }
}

static int cheap_first(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->price != y->price) return x->price < y->price ? -1 : 1;
    return x->value < y->value ? 1 : -1; /* the last are needed for the shortest time */
}

static void find_candidates(recomputer *r)
{
    for (uint32_t id = 1; id < r->values; id++) {
        if (r->bytes[id] < LEAST_BYTES || r->stays[id]) continue;
        const fm_node *node = producer_of(r, id);
        r->may_drop[id] = node->role == FM_FORWARD;
        if (!r->may_drop[id]) continue;
        r->every[r->every_count++] = (candidate){id, price_of(r, id)};
    }
    qsort(r->every, r->every_count, sizeof *r->every, cheap_first);
    for (size_t i = 0; i < r->every_count; i++) {
        if (r->read_late[r->every[i].value]) r->candidates[r->candidate_count++] = r->every[i];
    }
}

/* ---- copies ---------------------------------------------------------------------------------- */

static fm_val copied(recomputer *r, fm_val value);

/* The node once more, reading copies; its outputs are new values. */
static fm_node *copy_node(recomputer *r, uint32_t index)
{
    fm_graph *graph = r->graph;
    fm_node node = graph->nodes[index];
    size_t lists = (size_t)(node.input_count + node.output_count) * sizeof(fm_val);
    fm_val *inputs = fm_arena_allocate(&graph->arena, lists);
    if (!inputs) return NULL;
    fm_val *outputs = inputs + node.input_count;
    for (int k = 0; k < node.input_count; k++) inputs[k] = copied(r, node.inputs[k]);
    for (int k = 0; k < node.output_count; k++) {
        fm_value value = *fm_value_of(graph, node.outputs[k]);
        value.producer = (uint32_t)graph->node_count;
        outputs[k] = fm_value_add(graph, &value);
    }
    node.inputs = inputs;
    node.outputs = outputs;
    node.role = FM_BACKWARD;
    if (graph->status != FM_OK || fm_grow(graph->context, &graph->nodes, &graph->node_capacity,
                                          graph->node_count + 1, sizeof node) != FM_OK) {
        return NULL;
    }
    r->before[graph->node_count - r->nodes] = r->target;
    graph->nodes[graph->node_count] = node;
    return &graph->nodes[graph->node_count++];
}

/* What a late reader reads instead of `value`: it, or its copy,
 * which is made when it is not there. */
static fm_val copied(recomputer *r, fm_val value)
{
    if (value.id >= r->values) return value; /* is a copy */
    if (r->copy_of[value.id].id) return r->copy_of[value.id];
    const fm_value *record = fm_value_of(r->graph, value);
    if (record->kind != FM_TEMPORARY || !r->dropped[r->roots[value.id]]) return value;
    uint32_t producer = record->producer;
    const fm_node *copy = copy_node(r, producer);
    if (!copy) {
        if (r->graph->status == FM_OK) r->graph->status = FM_ERROR_MEMORY;
        return value;
    }
    for (int k = 0; k < copy->output_count; k++) {
        uint32_t id = r->graph->nodes[producer].outputs[k].id;
        if (r->dropped[r->roots[id]]) r->copy_of[id] = copy->outputs[k];
    }
    return r->copy_of[value.id];
}

/* Copies go in front of the first node at or behind the reader that is no update: updates are moved
 * forward as far as they can, behind what they read. */
static uint32_t place_for(const recomputer *r, size_t at)
{
    uint32_t reader = r->order.nodes[at];
    for (; at < r->order.count; at++) {
        if (r->graph->nodes[r->order.nodes[at]].role != FM_UPDATE) return r->order.nodes[at];
    }
    return reader;
}

static fm_status apply(recomputer *r)
{
    fm_graph *graph = r->graph;
    for (size_t i = 0; i < r->order.count && graph->status == FM_OK; i++) {
        uint32_t index = r->order.nodes[i];
        if (graph->nodes[index].role == FM_FORWARD) continue;
        r->target = place_for(r, i);
        for (int k = 0; k < graph->nodes[index].input_count; k++) {
            fm_val instead = copied(r, graph->nodes[index].inputs[k]);
            graph->nodes[index].inputs[k] = instead;
        }
    }
    return graph->status == FM_OK ? fm_graph_settle(graph, r->nodes, r->before) : graph->status;
}

/* ---- the pass -------------------------------------------------------------------------------- */

static fm_status open_recomputer(recomputer *r)
{
    fm_context *context = r->graph->context;
    size_t values = r->values, positions = 2 * r->nodes + 3;
    fm_status status = fm_order_make(r->graph, true, NULL, &r->order);
    if (status != FM_OK) return status;
    r->roots = fm_allocate_array(context, values, sizeof *r->roots);
    r->bytes = fm_allocate_zeroed(context, values * sizeof *r->bytes);
    r->may_drop = fm_allocate_zeroed(context, 4 * values);
    r->dropped_list = fm_allocate_array(context, values, sizeof *r->dropped_list);
    r->candidates = fm_allocate_array(context, 2 * values, sizeof *r->candidates);
    r->groups = fm_allocate_array(context, values, sizeof *r->groups);
    r->change = fm_allocate_array(context, positions, sizeof *r->change);
    r->born = fm_allocate_array(context, 4 * values, sizeof *r->born);
    r->copy_of = fm_allocate_zeroed(context, values * sizeof *r->copy_of);
    r->before = fm_allocate_zeroed(context, (r->nodes + 1) * sizeof *r->before);
    if (!r->roots || !r->bytes || !r->may_drop || !r->dropped_list || !r->candidates ||
        !r->groups || !r->change || !r->born || !r->copy_of || !r->before) {
        return FM_ERROR_MEMORY;
    }
    r->every = r->candidates + values;
    r->read_late = r->may_drop + values;
    r->stays = r->read_late + values;
    r->dropped = r->stays + values;
    r->last = r->born + values;
    r->born_again = r->last + values;
    r->last_again = r->born_again + values;
    r->roots[0] = 0;
    for (uint32_t id = 1; id < values; id++) r->roots[id] = fm_view_root(r->graph, (fm_val){id}).id;
    return FM_OK;
}

static void close_recomputer(recomputer *r)
{
    fm_context *context = r->graph->context;
    fm_order_release(context, &r->order);
    void *const memory[] = {r->roots,  r->bytes,  r->may_drop, r->dropped_list, r->candidates,
                            r->groups, r->change, r->born,     r->copy_of,      r->before};
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++) fm_release(context, memory[i]);
}

fm_status fm_recompute(fm_graph *graph, const fm_recompute_options *options, size_t *peak)
{
    recomputer r = {.graph = graph,
                    .options = options,
                    .nodes = graph->node_count,
                    .values = graph->value_count};
    fm_status status = open_recomputer(&r);
    if (status == FM_OK) {
        find_readers(&r);
        find_bytes(&r);
        find_candidates(&r);
        status = choose(&r, peak);
        if (status == FM_OK) status = apply(&r);
    }
    close_recomputer(&r);
    return status;
}
