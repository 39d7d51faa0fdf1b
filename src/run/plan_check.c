/* The planner's proof-reader. It replays the steps and keeps, for every byte range, whose value was
 * written there last; reading a value whose range somebody else has written since is the error. */
#include "run/plan.h"

#include <string.h>

typedef struct extent {
    fm_home place;
    uint32_t index;
    size_t begin, end;
} extent;

/* Values whose bytes are there, as their producer wrote them. */
typedef struct intact_list {
    uint32_t *ids;
    size_t count;
} intact_list;

typedef struct replay {
    const fm_graph *graph;
    const fm_plan *plan;
    extent *extents;          /* by value id */
    bool *intact;             /* by value id: is in the list */
    intact_list in[FM_HOMES]; /* by place, so that a search is short */
} replay;

static extent extent_of(const fm_plan *plan, uint32_t buffer_index, size_t bytes)
{
    const fm_buffer *buffer = &plan->buffers[buffer_index];
    bool one = buffer->place == FM_IN_ARENA || buffer->place == FM_IN_KEPT;
    uint32_t index = one ? 0 : buffer->index;
    return (extent){buffer->place, index, buffer->offset, buffer->offset + bytes};
}

static bool overlap(extent a, extent b)
{
    return a.place == b.place && a.index == b.index && a.begin < b.end && b.begin < a.end;
}

static void make_intact(replay *r, uint32_t id)
{
    intact_list *list = &r->in[r->extents[id].place];
    if (!r->intact[id]) list->ids[list->count++] = id;
    r->intact[id] = true;
}

/* Somebody wrote there: whatever else lay there is gone. */
static void destroy_under(replay *r, extent written)
{
    intact_list *list = &r->in[written.place];
    size_t left = 0;
    for (size_t i = 0; i < list->count; i++) {
        uint32_t id = list->ids[i];
        r->intact[id] = !overlap(r->extents[id], written);
        if (r->intact[id]) list->ids[left++] = id;
    }
    list->count = left;
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
    extent written = r->extents[node->outputs[k].id];
    for (int i = 0; i < node->input_count; i++) {
        extent read = r->extents[node->inputs[i].id];
        if (!overlap(read, written)) continue;
        if (node->op->in_place[k] - 1 == i && read.begin == written.begin &&
            read.end == written.end) {
            continue;
        }
        return fm_fail(r->graph->context, FM_ERROR_INTERNAL,
                       "plan: %s writes output %d over its input %d", node->op->name, k, i);
    }
    for (int other = 0; other < k; other++) {
        if (!overlap(r->extents[node->outputs[other].id], written)) continue;
        return fm_fail(r->graph->context, FM_ERROR_INTERNAL,
                       "plan: %s writes outputs %d and %d to one place", node->op->name, other, k);
    }
    return FM_OK;
}

static fm_status replay_scratch(replay *r, const fm_node *node, uint32_t step)
{
    const fm_plan *plan = r->plan;
    uint32_t scratch = plan->scratch_buffer[step];
    if (scratch == FM_NO_BUFFER) return FM_OK;
    extent written = extent_of(plan, scratch, plan->buffers[scratch].bytes);
    for (int k = 0; k < node->input_count + node->output_count; k++) {
        fm_val operand =
            k < node->input_count ? node->inputs[k] : node->outputs[k - node->input_count];
        if (!overlap(r->extents[operand.id], written)) continue;
        return fm_fail(r->graph->context, FM_ERROR_INTERNAL,
                       "plan: the scratch of %s overlaps an operand", node->op->name);
    }
    destroy_under(r, written);
    return FM_OK;
}

static fm_status replay_step(replay *r, uint32_t step)
{
    const fm_node *node = &r->graph->nodes[r->plan->order.nodes[step]];
    fm_status status = FM_OK;
    for (int k = 0; status == FM_OK && k < node->input_count; k++) {
        status = check_read(r, node->inputs[k], node->op->name);
    }
    for (int k = 0; status == FM_OK && k < node->output_count; k++) {
        status = check_overlaps(r, node, k);
    }
    if (status == FM_OK) status = replay_scratch(r, node, step);
    if (status != FM_OK) return status;
    for (int k = 0; k < node->output_count; k++) {
        if (!(node->op->flags & FM_OP_VIEW)) destroy_under(r, r->extents[node->outputs[k].id]);
    }
    for (int k = 0; k < node->output_count; k++) make_intact(r, node->outputs[k].id);
    return FM_OK;
}

/* ---- the prologue ---------------------------------------------------------------------------- */

/* It is the same in each run: no randomness, no input, no variable that is updated or carried. What
 * it reads of itself was made by an earlier step, as replaying shows. */
static fm_status check_steady(const replay *r, const fm_node *node)
{
    const fm_graph *graph = r->graph;
    bool steady = !(node->op->flags & FM_OP_RANDOM);
    for (int k = 0; k < node->input_count; k++) {
        const fm_value *value = fm_value_of(graph, node->inputs[k]);
        bool changes = value->kind == FM_INPUT;
        if (value->kind == FM_VARIABLE) {
            const fm_graph_variable_record *variable = &graph->variables[value->variable];
            changes = variable->next.id || variable->options.carried;
        }
        steady = steady && !changes;
    }
    if (steady) return FM_OK;
    return fm_fail(graph->context, FM_ERROR_INTERNAL,
                   "plan: %s%s%s is computed once, but it changes from run to run", node->scope,
                   *node->scope ? "/" : "", node->op->name);
}

/* Later runs find the arena as others left it. */
static fm_status replay_prologue(replay *r)
{
    fm_status status = FM_OK;
    for (uint32_t step = 0; status == FM_OK && step < r->plan->prologue; step++) {
        status = check_steady(r, &r->graph->nodes[r->plan->order.nodes[step]]);
        if (status == FM_OK) status = replay_step(r, step);
    }
    destroy_under(r, (extent){.place = FM_IN_ARENA, .end = SIZE_MAX});
    return status;
}

static fm_status check_prologue_stays(const replay *r)
{
    for (uint32_t step = 0; step < r->plan->prologue; step++) {
        const fm_node *node = &r->graph->nodes[r->plan->order.nodes[step]];
        for (int k = 0; k < node->output_count; k++) {
            if (r->extents[node->outputs[k].id].place != FM_IN_KEPT) continue;
            fm_status status = check_read(r, node->outputs[k], "the next run");
            if (status != FM_OK) return status;
        }
    }
    return FM_OK;
}

/* ---- the ends -------------------------------------------------------------------------------- */

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
    return status == FM_OK ? check_prologue_stays(r) : status;
}

static fm_status check_blocks(const replay *r)
{
    const fm_plan *plan = r->plan;
    for (size_t i = 0; i < plan->buffer_count; i++) {
        const fm_buffer *buffer = &plan->buffers[i];
        if (buffer->place != FM_IN_ARENA && buffer->place != FM_IN_KEPT) continue;
        size_t room = buffer->place == FM_IN_ARENA ? plan->arena_bytes : plan->kept_bytes;
        if (buffer->offset % FM_ALIGNMENT || buffer->offset + buffer->bytes > room) {
            return fm_fail(r->graph->context, FM_ERROR_INTERNAL, "plan: buffer %zu leaves the %s",
                           i, buffer->place == FM_IN_ARENA ? "arena" : "kept block");
        }
    }
    return FM_OK;
}

static fm_status open_replay(replay *r)
{
    const fm_graph *graph = r->graph;
    size_t values = graph->value_count;
    r->extents = fm_allocate_zeroed(graph->context, values * sizeof *r->extents);
    r->intact = fm_allocate_zeroed(graph->context, values);
    r->in[0].ids = fm_allocate_array(graph->context, FM_HOMES * values, sizeof(uint32_t));
    if (!r->extents || !r->intact || !r->in[0].ids) return FM_ERROR_MEMORY;
    for (int place = 1; place < FM_HOMES; place++) {
        r->in[place].ids = r->in[0].ids + (size_t)place * values;
    }
    for (uint32_t id = 1; id < values; id++) {
        uint32_t buffer = r->plan->buffer_of[id];
        if (buffer == FM_NO_BUFFER) continue;
        r->extents[id] = extent_of(r->plan, buffer, fm_value_bytes(graph, (fm_val){id}));
        if (graph->values[id].kind != FM_TEMPORARY) make_intact(r, id);
    }
    return FM_OK;
}

fm_status fm_plan_check(const fm_graph *graph, const fm_plan *plan)
{
    replay r = {.graph = graph, .plan = plan};
    fm_status status = open_replay(&r);
    if (status == FM_OK) status = check_blocks(&r);
    if (status == FM_OK) status = replay_prologue(&r);
    for (size_t step = plan->prologue; status == FM_OK && step < plan->order.count; step++) {
        status = replay_step(&r, (uint32_t)step);
    }
    if (status == FM_OK) status = check_ends(&r);
    fm_release(graph->context, r.extents);
    fm_release(graph->context, r.intact);
    fm_release(graph->context, r.in[0].ids);
    return status;
}
