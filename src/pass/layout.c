#include "pass/layout.h"
#include "op/reorder.h"

#include <string.h>

static const fm_layout plain;

typedef struct layouter {
    fm_graph *graph;
    fm_placement *placements;
    fm_layout *demanded;  /* by value id: what its readers would like; type NULL: nothing special */
    size_t values, nodes; /* before reorders were added */
    fm_fixed_layout *fixed;
    const void *store;
} layouter;

bool fm_layout_equal(const fm_layout *a, const fm_layout *b)
{
    if (a->type != b->type) return false;
    return !a->type || (fm_shape_equal(a->shape, b->shape) &&
                        memcmp(a->parameters, b->parameters, sizeof a->parameters) == 0);
}

/* ---- what kernels want ----------------------------------------------------------------------- */

typedef struct wanted_layouts {
    fm_layout inputs[FM_MAX_INPUTS], outputs[FM_MAX_OUTPUTS];
} wanted_layouts;

/* The kernel's wishes; on entry its outputs are offered what their readers demand. */
static void ask_kernel(const layouter *l, size_t index, wanted_layouts *wanted)
{
    const fm_node *node = &l->graph->nodes[index];
    const fm_kernel *kernel = l->placements[index].kernel;
    memset(wanted, 0, sizeof *wanted);
    if (!kernel || !kernel->layouts) return;
    for (int k = 0; k < node->output_count; k++) {
        wanted->outputs[k] = l->demanded[node->outputs[k].id];
    }
    fm_node_site site;
    fm_place_describe(l->graph, node, &site);
    kernel->layouts(&site.site, wanted->inputs, wanted->outputs);
}

static bool same_shape(const fm_graph *graph, fm_val a, fm_val b)
{
    return fm_shape_equal(fm_val_shape(graph, a), fm_val_shape(graph, b)) &&
           fm_val_dtype(graph, a) == fm_val_dtype(graph, b);
}

/* Operands are either of the output's shape or one number: then stored bytes can be worked on. */
static bool runs_on_stored_bytes(const fm_graph *graph, const fm_node *node)
{
    if (!(node->op->flags & FM_OP_ANY_LAYOUT)) return false;
    for (int k = 0; k < node->input_count; k++) {
        if (same_shape(graph, node->inputs[k], node->outputs[0])) continue;
        if (fm_shape_elements(fm_val_shape(graph, node->inputs[k])) != 1) return false;
    }
    for (int k = 1; k < node->output_count; k++) {
        if (!same_shape(graph, node->outputs[k], node->outputs[0])) return false;
    }
    return true;
}

/* ---- variables ------------------------------------------------------------------------------- */

static bool free_to_choose(const layouter *l, const fm_value *variable, fm_layout *layout)
{
    *layout = plain;
    if (l->graph->variables[variable->variable].options.carried) return false;
    return !(l->fixed && l->fixed(l->store, variable->name, layout));
}

/* The first kernel that wants a variable in a layout of its own gets it. */
static void choose_for_variables(layouter *l)
{
    fm_graph *graph = l->graph;
    for (size_t i = 0; i < graph->variable_count; i++) {
        fm_value *value = fm_value_of(graph, graph->variables[i].value);
        free_to_choose(l, value, &value->layout);
    }
    for (size_t i = 0; i < l->nodes; i++) {
        const fm_node *node = &graph->nodes[i];
        wanted_layouts wanted;
        if (node->dead) continue;
        ask_kernel(l, i, &wanted);
        for (int k = 0; k < node->input_count; k++) {
            fm_value *value = fm_value_of(graph, node->inputs[k]);
            fm_layout had;
            const fm_layout_type *type = wanted.inputs[k].type;
            if (value->kind != FM_VARIABLE || value->layout.type || !type || !type->unpack)
                continue;
            if (free_to_choose(l, value, &had)) value->layout = wanted.inputs[k];
        }
    }
}

/* A special layout among the node's operands of the output's shape, or plain. */
static fm_layout layout_among(const layouter *l, const fm_node *node)
{
    const fm_graph *graph = l->graph;
    for (int k = 0; k < node->input_count; k++) {
        const fm_value *value = fm_value_of(graph, node->inputs[k]);
        if (same_shape(graph, node->inputs[k], node->outputs[0]) && value->layout.type) {
            return value->layout;
        }
    }
    for (int k = 0; k < node->output_count; k++) {
        if (l->demanded[node->outputs[k].id].type) return l->demanded[node->outputs[k].id];
    }
    return plain;
}

/* From the last node to the first: an update that runs on stored bytes pulls slots and gradient
 * into the layout of its parameter. */
static void pull_into_layout(layouter *l)
{
    fm_graph *graph = l->graph;
    for (size_t i = 0; i < graph->variable_count; i++) {
        fm_val next = graph->variables[i].next;
        if (next.id) l->demanded[next.id] = fm_value_of(graph, graph->variables[i].value)->layout;
    }
    for (size_t i = l->nodes; i-- > 0;) {
        const fm_node *node = &graph->nodes[i];
        if (node->dead || !runs_on_stored_bytes(graph, node)) continue;
        fm_layout layout = layout_among(l, node), had;
        for (int k = 0; layout.type && k < node->input_count; k++) {
            fm_value *value = fm_value_of(graph, node->inputs[k]);
            if (!same_shape(graph, node->inputs[k], node->outputs[0])) continue;
            l->demanded[node->inputs[k].id] = layout;
            if (value->kind != FM_VARIABLE || value->layout.type) continue;
            if (free_to_choose(l, value, &had)) value->layout = layout;
        }
    }
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static fm_status add_reorder(layouter *l, fm_val value, const fm_layout *to, fm_val *moved)
{
    fm_graph *graph = l->graph;
    fm_reorder_attributes attributes = {.from = fm_value_of(graph, value)->layout, .to = *to};
    graph->role = FM_FORWARD;
    *moved = fm_node_add(graph, &fm_op_reorder, &value, 1, &attributes, NULL);
    if (!moved->id) return fm_graph_status(graph);
    fm_value_of(graph, *moved)->layout = *to;
    return FM_OK;
}

/* `value` in the layout `to`: itself, an earlier reorder of it, or a new one (through plain when
 * both are special). */
static fm_status move_to(layouter *l, fm_val value, const fm_layout *to, fm_val *moved)
{
    fm_graph *graph = l->graph;
    *moved = value;
    if (fm_layout_equal(&fm_value_of(graph, value)->layout, to)) return FM_OK;
    for (size_t i = l->nodes; i < graph->node_count; i++) {
        const fm_node *node = &graph->nodes[i];
        if (node->inputs[0].id != value.id) continue;
        if (!fm_layout_equal(&fm_value_of(graph, node->outputs[0])->layout, to)) continue;
        *moved = node->outputs[0];
        return FM_OK;
    }
    if (fm_value_of(graph, value)->layout.type && to->type) {
        fm_status status = move_to(l, value, &plain, &value);
        if (status != FM_OK) return status;
    }
    return add_reorder(l, value, to, moved);
}

static fm_status assign_node(layouter *l, size_t index)
{
    fm_node node = l->graph->nodes[index]; /* reorders move the array, not the operand lists */
    wanted_layouts wanted;
    ask_kernel(l, index, &wanted);
    if (runs_on_stored_bytes(l->graph, &node)) {
        fm_layout layout = layout_among(l, &node);
        for (int k = 0; k < node.input_count; k++) {
            if (same_shape(l->graph, node.inputs[k], node.outputs[0])) wanted.inputs[k] = layout;
        }
        for (int k = 0; k < node.output_count; k++) wanted.outputs[k] = layout;
    }
    for (int k = 0; k < node.input_count; k++) {
        fm_status status = move_to(l, node.inputs[k], &wanted.inputs[k], &node.inputs[k]);
        if (status != FM_OK) return status;
    }
    for (int k = 0; k < node.output_count; k++) {
        fm_value_of(l->graph, node.outputs[k])->layout = wanted.outputs[k];
    }
    return FM_OK;
}

static fm_status assign_results(layouter *l)
{
    fm_graph *graph = l->graph;
    fm_status status = FM_OK;
    for (size_t i = 0; status == FM_OK && i < graph->output_count; i++) {
        status = move_to(l, graph->outputs[i].value, &plain, &graph->outputs[i].value);
    }
    for (size_t i = 0; status == FM_OK && i < graph->variable_count; i++) {
        fm_graph_variable_record *record = &graph->variables[i];
        if (!record->next.id) continue;
        fm_layout to = fm_value_of(graph, record->value)->layout;
        status = move_to(l, record->next, &to, &record->next);
    }
    return status;
}

/* No kernel asked for anything: most graphs of the portable backend. */
static bool nothing_special(const layouter *l)
{
    const fm_graph *graph = l->graph;
    for (size_t i = 0; i < graph->variable_count; i++) {
        if (fm_value_of(graph, graph->variables[i].value)->layout.type) return false;
    }
    for (size_t i = 0; i < l->nodes; i++) {
        const fm_kernel *kernel = l->placements[i].kernel;
        if (kernel && kernel->layouts) return false;
    }
    return true;
}

fm_status fm_layout_assign(fm_graph *graph, fm_placement **placements, fm_fixed_layout *fixed,
                           const void *store)
{
    fm_context *context = graph->context;
    layouter l = {.graph = graph,
                  .placements = *placements,
                  .values = graph->value_count,
                  .nodes = graph->node_count,
                  .fixed = fixed,
                  .store = store};
    l.demanded = fm_allocate_zeroed(context, l.values * sizeof *l.demanded);
    if (!l.demanded) return FM_ERROR_MEMORY;
    choose_for_variables(&l);
    fm_status status = FM_OK;
    if (!nothing_special(&l)) {
        pull_into_layout(&l);
        for (size_t i = 0; status == FM_OK && i < l.nodes; i++) {
            if (!graph->nodes[i].dead) status = assign_node(&l, i);
        }
        if (status == FM_OK) status = assign_results(&l);
    }
    fm_release(context, l.demanded);
    size_t capacity = l.nodes + 1;
    if (status != FM_OK) return status;
    return fm_grow(context, placements, &capacity, graph->node_count + 1, sizeof **placements);
}
