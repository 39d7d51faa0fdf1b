/* The planner's proof-reader. It replays the steps and keeps, for every byte range, whose value was
 * written there last; reading a value whose range somebody else has written since is the error. */
#include "run/plan.h"

#include <string.h>

typedef struct replay {
    const fm_graph *graph;
    const fm_plan *plan;
    bool *intact; /* by value id: its bytes are there, as its producer wrote them */
} replay;

typedef struct extent {
    fm_home place;
    uint32_t index;
    size_t begin, end;
} extent;

static extent extent_of(const fm_plan *plan, uint32_t buffer_index, size_t bytes)
{
    const fm_buffer *buffer = &plan->buffers[buffer_index];
    uint32_t index = buffer->place == FM_IN_ARENA ? 0 : buffer->index;
    return (extent){buffer->place, index, buffer->offset, buffer->offset + bytes};
}

static bool overlap(extent a, extent b)
{
    return a.place == b.place && a.index == b.index && a.begin < b.end && b.begin < a.end;
}

static extent value_extent(const replay *r, uint32_t id)
{
    return extent_of(r->plan, r->plan->buffer_of[id], fm_value_bytes(r->graph, (fm_val){id}));
}

/* Somebody wrote there: whatever else lay there is gone. Views of `kept` stay, being its bytes. */
static void destroy_under(replay *r, extent written)
{
    for (uint32_t id = 1; id < r->graph->value_count; id++) {
        if (r->intact[id] && overlap(value_extent(r, id), written)) r->intact[id] = false;
    }
}

static fm_status check_read(const replay *r, fm_val value, const char *reader)
{
    const fm_graph *graph = r->graph;
    if (r->plan->buffer_of[value.id] == FM_NO_BUFFER) {
        return fm_fail(graph->context, FM_ERROR_INTERNAL,
                       "plan: %s reads %%%u, which has no memory", reader, value.id);
    }
    if (r->intact[value.id]) return FM_OK;
    return fm_fail(graph->context, FM_ERROR_INTERNAL,
                   "plan: %s reads %%%u %s, whose bytes were overwritten before", reader, value.id,
                   fm_val_name(graph, value));
}

/* An output may lie over an input only where the op's record says so. */
static fm_status check_overlaps(const replay *r, const fm_node *node, int k)
{
    if (node->op->flags & FM_OP_VIEW) return FM_OK;
    extent written = value_extent(r, node->outputs[k].id);
    for (int i = 0; i < node->input_count; i++) {
        extent read = value_extent(r, node->inputs[i].id);
        if (!overlap(read, written)) continue;
        if (node->op->in_place[k] - 1 == i && read.begin == written.begin &&
            read.end == written.end) {
            continue;
        }
        return fm_fail(r->graph->context, FM_ERROR_INTERNAL,
                       "plan: %s writes output %d over its input %d", node->op->name, k, i);
    }
    for (int other = 0; other < k; other++) {
        if (!overlap(value_extent(r, node->outputs[other].id), written)) continue;
        return fm_fail(r->graph->context, FM_ERROR_INTERNAL,
                       "plan: %s writes outputs %d and %d to one place", node->op->name, other, k);
    }
    return FM_OK;
}

static fm_status replay_step(replay *r, uint32_t step)
{
    const fm_plan *plan = r->plan;
    const fm_node *node = &r->graph->nodes[plan->order.nodes[step]];
    fm_status status = FM_OK;
    for (int k = 0; status == FM_OK && k < node->input_count; k++) {
        status = check_read(r, node->inputs[k], node->op->name);
    }
    for (int k = 0; status == FM_OK && k < node->output_count; k++) {
        status = check_overlaps(r, node, k);
    }
    if (status != FM_OK) return status;
    if (plan->scratch_buffer[step] != FM_NO_BUFFER) {
        uint32_t scratch = plan->scratch_buffer[step];
        extent written = extent_of(plan, scratch, plan->buffers[scratch].bytes);
        for (int k = 0; k < node->input_count + node->output_count; k++) {
            fm_val operand =
                k < node->input_count ? node->inputs[k] : node->outputs[k - node->input_count];
            if (!overlap(value_extent(r, operand.id), written)) continue;
            return fm_fail(r->graph->context, FM_ERROR_INTERNAL,
                           "plan: the scratch of %s overlaps an operand", node->op->name);
        }
        destroy_under(r, written);
    }
    for (int k = 0; k < node->output_count; k++) {
        if (!(node->op->flags & FM_OP_VIEW)) {
            destroy_under(r, value_extent(r, node->outputs[k].id));
        }
    }
    for (int k = 0; k < node->output_count; k++) r->intact[node->outputs[k].id] = true;
    return FM_OK;
}

static fm_status check_ends(replay *r)
{
    const fm_graph *graph = r->graph;
    fm_status status = FM_OK;
    for (size_t i = 0; status == FM_OK && i < r->plan->commit_count; i++) {
        status = check_read(r, r->plan->commits[i].value, "a commit");
        const fm_value *root = fm_value_of(graph, fm_view_root(graph, r->plan->commits[i].value));
        if (status == FM_OK && root->kind == FM_VARIABLE) {
            status = fm_fail(graph->context, FM_ERROR_INTERNAL,
                             "plan: '%s' is committed from another variable", root->name);
        }
    }
    for (size_t i = 0; status == FM_OK && i < graph->output_count; i++) {
        fm_val value = graph->outputs[i].value;
        if (fm_value_of(graph, fm_view_root(graph, value))->kind == FM_VARIABLE) continue;
        status = check_read(r, value, "an output");
    }
    for (size_t i = 0; status == FM_OK && i < graph->variable_count; i++) {
        if (!graph->variables[i].next.id || !r->plan->order.overwrites[i]) continue;
        status = check_read(r, graph->variables[i].next, "an update");
    }
    return status;
}

static fm_status check_arena(const replay *r)
{
    for (size_t i = 0; i < r->plan->buffer_count; i++) {
        const fm_buffer *buffer = &r->plan->buffers[i];
        if (buffer->place != FM_IN_ARENA) continue;
        if (buffer->offset % FM_ALIGNMENT ||
            buffer->offset + buffer->bytes > r->plan->arena_bytes) {
            return fm_fail(r->graph->context, FM_ERROR_INTERNAL,
                           "plan: buffer %zu leaves the arena", i);
        }
    }
    return FM_OK;
}

fm_status fm_plan_check(const fm_graph *graph, const fm_plan *plan)
{
    replay r = {.graph = graph, .plan = plan};
    r.intact = fm_allocate_zeroed(graph->context, graph->value_count);
    if (!r.intact) return FM_ERROR_MEMORY;
    for (uint32_t id = 1; id < graph->value_count; id++) {
        r.intact[id] = graph->values[id].kind != FM_TEMPORARY;
    }
    fm_status status = check_arena(&r);
    for (uint32_t step = 0; status == FM_OK && step < plan->order.count; step++) {
        status = replay_step(&r, step);
    }
    if (status == FM_OK) status = check_ends(&r);
    fm_release(graph->context, r.intact);
    return status;
}
