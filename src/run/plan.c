#include "run/plan.h"
#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

typedef struct planner {
    const fm_graph *graph;
    fm_plan *plan;
    fm_plan_options options;
    uint32_t *last_use;   /* by root value id: the last step that reads it through any view */
    uint32_t *written_to; /* by value id: the variable that it is written over, plus 1 */
    bool *is_output;      /* by root value id */
} planner;

static fm_status add_buffer(planner *p, fm_buffer buffer, uint32_t *index)
{
    fm_plan *plan = p->plan;
    fm_status status = fm_grow(p->graph->context, &plan->buffers, &plan->buffer_capacity,
                               plan->buffer_count + 1, sizeof buffer);
    if (status != FM_OK) return status;
    *index = (uint32_t)plan->buffer_count;
    plan->buffers[plan->buffer_count++] = buffer;
    return FM_OK;
}

/* Inputs, variables and constants have homes of their own. */
static fm_status place_fixed(planner *p)
{
    const fm_graph *graph = p->graph;
    fm_status status = FM_OK;
    for (uint32_t id = 1; status == FM_OK && id < graph->value_count; id++) {
        const fm_value *value = &graph->values[id];
        fm_buffer buffer = {.bytes = fm_value_bytes(graph, (fm_val){id})};
        if (value->kind == FM_TEMPORARY) continue;
        if (value->kind == FM_VARIABLE) {
            buffer.place = FM_IN_STORE;
            buffer.index = value->variable;
        } else {
            buffer.place = value->kind == FM_INPUT ? FM_IN_INPUT : FM_IN_CONSTANT;
            buffer.index = id;
        }
        status = add_buffer(p, buffer, &p->plan->buffer_of[id]);
    }
    return status;
}

static void find_last_uses(planner *p)
{
    const fm_graph *graph = p->graph;
    const fm_order *order = &p->plan->order;
    uint32_t end = (uint32_t)order->count; /* outputs and commits live past the last step */
    for (uint32_t step = 0; step < end; step++) {
        const fm_node *node = &graph->nodes[order->nodes[step]];
        for (int k = 0; k < node->input_count; k++) {
            p->last_use[fm_view_root(graph, node->inputs[k]).id] = step;
        }
    }
    for (size_t i = 0; i < graph->output_count; i++) {
        uint32_t root = fm_view_root(graph, graph->outputs[i].value).id;
        p->last_use[root] = end;
        p->is_output[root] = true;
    }
    for (size_t i = 0; i < p->plan->commit_count; i++) {
        p->last_use[fm_view_root(graph, p->plan->commits[i].value).id] = end;
    }
}

static fm_status list_commits(planner *p)
{
    const fm_graph *graph = p->graph;
    fm_plan *plan = p->plan;
    plan->commits =
        fm_allocate_array(graph->context, graph->variable_count + 1, sizeof *plan->commits);
    if (!plan->commits) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < graph->variable_count; i++) {
        fm_val next = graph->variables[i].next;
        if (!next.id || plan->order.overwrites[i]) continue;
        plan->commits[plan->commit_count++] = (fm_commit){next, (uint32_t)i};
    }
    return FM_OK;
}

static void find_overwriting_values(planner *p)
{
    const fm_graph *graph = p->graph;
    for (size_t i = 0; i < graph->variable_count; i++) {
        if (!p->plan->order.overwrites[i]) continue;
        p->written_to[graph->variables[i].next.id] = (uint32_t)i + 1;
    }
}

/* A value that a later run, or whoever looks after a run, still finds. */
static bool is_kept(const planner *p, fm_val value, uint32_t step)
{
    if (p->options.outputs_kept && p->is_output[value.id]) return true;
    return step < p->plan->prologue && p->last_use[value.id] >= p->plan->prologue;
}

/* The arena buffer of the input that output `k` may overwrite at `step`, or FM_NO_BUFFER. */
static uint32_t reusable_input(const planner *p, const fm_node *node, int k, uint32_t step)
{
    const fm_graph *graph = p->graph;
    int input = node->op->in_place[k] - 1;
    if (p->options.private_buffers || input < 0 || input >= node->input_count) return FM_NO_BUFFER;
    fm_val root = fm_view_root(graph, node->inputs[input]);
    uint32_t buffer = p->plan->buffer_of[root.id];
    if (p->plan->buffers[buffer].place != FM_IN_ARENA) return FM_NO_BUFFER;
    if (p->last_use[root.id] != step || p->plan->buffers[buffer].last != step) return FM_NO_BUFFER;
    size_t bytes = fm_value_bytes(graph, node->outputs[k]);
    if (bytes != p->plan->buffers[buffer].bytes) return FM_NO_BUFFER;
    if (bytes != fm_value_bytes(graph, node->inputs[input])) return FM_NO_BUFFER;
    for (int other = 0; other < node->input_count; other++) {
        if (other == input) continue;
        if (p->plan->buffer_of[node->inputs[other].id] == buffer) return FM_NO_BUFFER;
    }
    for (int other = 0; other < k; other++) {
        if (p->plan->buffer_of[node->outputs[other].id] == buffer) return FM_NO_BUFFER;
    }
    return buffer;
}

static fm_status place_output(planner *p, const fm_node *node, int k, uint32_t step)
{
    fm_plan *plan = p->plan;
    fm_val value = node->outputs[k];
    uint32_t *home = &plan->buffer_of[value.id];
    if (node->op->flags & FM_OP_VIEW) {
        *home = plan->buffer_of[node->inputs[0].id];
        return FM_OK;
    }
    uint32_t variable = p->written_to[value.id];
    if (variable) {
        *home = plan->buffer_of[p->graph->variables[variable - 1].value.id];
        return FM_OK;
    }
    size_t bytes = fm_value_bytes(p->graph, value);
    if (is_kept(p, value, step)) {
        fm_buffer kept = {.place = FM_IN_KEPT, .offset = plan->kept_bytes, .bytes = bytes};
        plan->kept_bytes += fm_round_up(bytes, FM_ALIGNMENT);
        return add_buffer(p, kept, home);
    }
    uint32_t last = p->last_use[value.id] > step ? p->last_use[value.id] : step;
    *home = reusable_input(p, node, k, step);
    if (*home != FM_NO_BUFFER) {
        plan->buffers[*home].last = last;
        return FM_OK;
    }
    fm_buffer buffer = {.place = FM_IN_ARENA,
                        .first = p->options.private_buffers ? 0 : step,
                        .last = p->options.private_buffers ? (uint32_t)plan->order.count : last,
                        .bytes = bytes};
    return add_buffer(p, buffer, home);
}

static fm_status place_step(planner *p, uint32_t step)
{
    const size_t *scratch_bytes = p->options.scratch_bytes;
    fm_plan *plan = p->plan;
    uint32_t index = plan->order.nodes[step];
    const fm_node *node = &p->graph->nodes[index];
    fm_status status = FM_OK;
    for (int k = 0; status == FM_OK && k < node->output_count; k++) {
        status = place_output(p, node, k, step);
    }
    plan->scratch_buffer[step] = FM_NO_BUFFER;
    if (status != FM_OK || !scratch_bytes || !scratch_bytes[index]) return status;
    fm_buffer scratch = {
        .place = FM_IN_ARENA, .first = step, .last = step, .bytes = scratch_bytes[index]};
    return add_buffer(p, scratch, &plan->scratch_buffer[step]);
}

/* ---- offsets --------------------------------------------------------------------------------- */

static int larger_first(const void *a, const void *b)
{
    const fm_buffer *x = *(fm_buffer *const *)a, *y = *(fm_buffer *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y;
}

static bool alive_together(const fm_buffer *a, const fm_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest gap that holds `buffer` among `placed`, which is sorted by offset. */
static size_t lowest_gap(fm_buffer *const *placed, size_t count, const fm_buffer *buffer,
                         size_t bytes)
{
    size_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        if (!alive_together(placed[i], buffer)) continue;
        if (placed[i]->offset >= offset + bytes) break;
        size_t end = placed[i]->offset + fm_round_up(placed[i]->bytes, FM_ALIGNMENT);
        if (end > offset) offset = end;
    }
    return offset;
}

static void insert_by_offset(fm_buffer **placed, size_t count, fm_buffer *buffer)
{
    size_t at = count;
    for (; at && placed[at - 1]->offset > buffer->offset; at--) placed[at] = placed[at - 1];
    placed[at] = buffer;
}

/* Greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference",
 * 2020): the largest first, each at the lowest offset that is free during its life. */
static fm_status assign_offsets(planner *p)
{
    fm_plan *plan = p->plan;
    fm_context *context = p->graph->context;
    size_t room = plan->buffer_count + 1, count = 0;
    fm_buffer **by_size = fm_allocate_array(context, room, 2 * sizeof *by_size);
    if (!by_size) return FM_ERROR_MEMORY;
    fm_buffer **placed = by_size + room;
    for (size_t i = 0; i < plan->buffer_count; i++) {
        if (plan->buffers[i].place == FM_IN_ARENA) by_size[count++] = &plan->buffers[i];
    }
    qsort(by_size, count, sizeof *by_size, larger_first);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = fm_round_up(by_size[i]->bytes, FM_ALIGNMENT);
        by_size[i]->offset = lowest_gap(placed, i, by_size[i], bytes);
        insert_by_offset(placed, i, by_size[i]);
        size_t end = by_size[i]->offset + bytes;
        if (end > plan->arena_bytes) plan->arena_bytes = end;
    }
    fm_release(context, by_size);
    return FM_OK;
}

static fm_status find_bound(planner *p)
{
    fm_plan *plan = p->plan;
    size_t steps = plan->order.count + 2;
    int64_t *change = fm_allocate_zeroed(p->graph->context, steps * sizeof *change);
    if (!change) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < plan->buffer_count; i++) {
        const fm_buffer *buffer = &plan->buffers[i];
        if (buffer->place != FM_IN_ARENA) continue;
        int64_t bytes = (int64_t)fm_round_up(buffer->bytes, FM_ALIGNMENT);
        change[buffer->first] += bytes;
        change[buffer->last + 1] -= bytes;
    }
    int64_t alive = 0;
    for (size_t i = 0; i < steps; i++) {
        alive += change[i];
        if (alive > (int64_t)plan->arena_bound) plan->arena_bound = (size_t)alive;
    }
    fm_release(p->graph->context, change);
    return FM_OK;
}

/* ---- all together ---------------------------------------------------------------------------- */

static fm_status allocate_plan(planner *p)
{
    fm_context *context = p->graph->context;
    size_t values = p->graph->value_count;
    fm_plan *plan = p->plan;
    plan->buffer_of = fm_allocate_array(context, values, sizeof(uint32_t));
    plan->scratch_buffer = fm_allocate_array(context, plan->order.count + 1, sizeof(uint32_t));
    p->last_use = fm_allocate_zeroed(context, values * sizeof(uint32_t));
    p->written_to = fm_allocate_zeroed(context, values * sizeof(uint32_t));
    p->is_output = fm_allocate_zeroed(context, values);
    if (!plan->buffer_of || !plan->scratch_buffer || !p->last_use || !p->written_to ||
        !p->is_output) {
        return FM_ERROR_MEMORY;
    }
    memset(plan->buffer_of, 0xff, values * sizeof(uint32_t));
    return FM_OK;
}

static fm_status fill_plan(planner *p)
{
    fm_plan *plan = p->plan;
    const bool *steady = p->options.steady;
    fm_status status = fm_order_make(p->graph, !p->options.private_buffers, steady, &plan->order);
    if (status == FM_OK) status = allocate_plan(p);
    if (status != FM_OK) return status;
    while (steady && plan->prologue < plan->order.count &&
           steady[plan->order.nodes[plan->prologue]]) {
        plan->prologue++;
    }
    status = list_commits(p);
    if (status == FM_OK) status = place_fixed(p);
    if (status != FM_OK) return status;
    find_last_uses(p);
    find_overwriting_values(p);
    for (uint32_t step = 0; status == FM_OK && step < plan->order.count; step++) {
        status = place_step(p, step);
    }
    if (status == FM_OK) status = assign_offsets(p);
    return status == FM_OK ? find_bound(p) : status;
}

fm_status fm_plan_make(const fm_graph *graph, const fm_plan_options *options, fm_plan *plan)
{
    *plan = (fm_plan){0};
    planner p = {.graph = graph, .plan = plan, .options = *options};
    fm_status status = fill_plan(&p);
    fm_release(graph->context, p.last_use);
    fm_release(graph->context, p.written_to);
    fm_release(graph->context, p.is_output);
    if (status != FM_OK) fm_plan_release(graph->context, plan);
    return status;
}

void fm_plan_release(fm_context *context, fm_plan *plan)
{
    fm_order_release(context, &plan->order);
    fm_release(context, plan->buffers);
    fm_release(context, plan->buffer_of);
    fm_release(context, plan->scratch_buffer);
    fm_release(context, plan->commits);
    *plan = (fm_plan){0};
}
