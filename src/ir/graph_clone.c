/* Copies of graphs: compiling edits a copy, so that the user's graph stays as it was built. */
#include "ir/ir.h"

#include <string.h>

static void *copy_array(fm_context *context, const void *items, size_t count, size_t size,
                        size_t *capacity)
{
    void *copy = fm_allocate_array(context, count ? count : 1, size);
    if (copy && count) memcpy(copy, items, count * size);
    *capacity = count ? count : 1;
    return copy;
}

static void *copy_bytes(fm_arena *arena, const void *bytes, size_t size)
{
    void *copy = fm_arena_allocate(arena, size + 1);
    if (copy && size) memcpy(copy, bytes, size);
    return copy;
}

static bool copy_node(fm_graph *to, fm_node *node)
{
    size_t operands = (size_t)(node->input_count + node->output_count) * sizeof(fm_val);
    fm_val *lists = fm_arena_allocate(&to->arena, operands);
    if (!lists) return false;
    memcpy(lists, node->inputs, (size_t)node->input_count * sizeof *lists);
    memcpy(lists + node->input_count, node->outputs, (size_t)node->output_count * sizeof *lists);
    node->inputs = lists;
    node->outputs = lists + node->input_count;
    node->attributes = copy_bytes(&to->arena, node->attributes, node->op->attributes_size);
    node->scope = fm_arena_string(&to->arena, node->scope);
    return node->attributes && node->scope;
}

static bool copy_value(fm_graph *to, fm_value *value)
{
    value->name = fm_arena_string(&to->arena, value->name);
    if (!value->data) return value->name != NULL;
    size_t bytes = (size_t)fm_shape_bytes(value->shape, value->dtype);
    value->data = copy_bytes(&to->arena, value->data, bytes);
    return value->name && value->data;
}

static bool copy_names(fm_graph *to, fm_named_value *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        list[i].name = fm_arena_string(&to->arena, list[i].name);
        if (!list[i].name) return false;
    }
    return true;
}

static bool copy_contents(const fm_graph *from, fm_graph *to)
{
    fm_context *context = to->context;
    fm_release(context, to->values);
    to->values = copy_array(context, from->values, from->value_count, sizeof *to->values,
                            &to->value_capacity);
    to->nodes =
        copy_array(context, from->nodes, from->node_count, sizeof *to->nodes, &to->node_capacity);
    to->variables = copy_array(context, from->variables, from->variable_count,
                               sizeof *to->variables, &to->variable_capacity);
    to->inputs = copy_array(context, from->inputs, from->input_count, sizeof *to->inputs,
                            &to->input_capacity);
    to->outputs = copy_array(context, from->outputs, from->output_count, sizeof *to->outputs,
                             &to->output_capacity);
    if (!to->values || !to->nodes || !to->variables || !to->inputs || !to->outputs) return false;
    to->value_count = from->value_count;
    to->node_count = from->node_count;
    to->variable_count = from->variable_count;
    to->input_count = from->input_count;
    to->output_count = from->output_count;
    to->next_stream = from->next_stream;

    for (size_t i = 0; i < to->value_count; i++) {
        if (!copy_value(to, &to->values[i])) return false;
    }
    for (size_t i = 0; i < to->node_count; i++) {
        if (!copy_node(to, &to->nodes[i])) return false;
    }
    return copy_names(to, to->inputs, to->input_count) &&
           copy_names(to, to->outputs, to->output_count);
}

fm_status fm_graph_clone(const fm_graph *graph, fm_graph **copy)
{
    fm_graph_options options = graph->options;
    options.freeze = NULL; /* the caller's; the variables know */
    fm_status status = fm_graph_create(graph->context, &options, copy);
    if (status != FM_OK) return status;
    if (copy_contents(graph, *copy)) return FM_OK;
    fm_graph_destroy(*copy);
    *copy = NULL;
    return fm_error_status(graph->context);
}
