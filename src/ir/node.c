/* Adding nodes: shape inference and its failures in words. */
#include "ir/ir.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

fm_status fm_infer_fail(const fm_infer *infer, const char *format, ...)
{
    char words[FM_MESSAGE_SIZE / 4];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);

    fm_text received = FM_TEXT(infer->graph->context);
    for (int i = 0; i < infer->input_count; i++) {
        char shape[FM_SHAPE_TEXT];
        const char *between = i == 0 ? "" : i + 1 < infer->input_count ? ", " : " and ";
        fm_text_add(&received, "%s%s %s", between, fm_dtype_name(infer->dtypes[i]),
                    fm_shape_text(infer->shapes[i], shape));
    }
    fm_graph_fail(infer->graph, FM_ERROR_SHAPE, "%s: %s; received %s", infer->op->name, words,
                  fm_text_string(&received));
    fm_text_release(&received);
    return FM_ERROR_SHAPE;
}

static fm_status check_arity(fm_graph *graph, const fm_op *op, int count)
{
    int most = op->max_inputs ? op->max_inputs : op->min_inputs;
    if (count >= op->min_inputs && count <= most && count <= FM_MAX_INPUTS) return FM_OK;
    fm_graph_fail(graph, FM_ERROR_ARGUMENT, "%s: takes %d to %d inputs, received %d", op->name,
                  op->min_inputs, most, count);
    return FM_ERROR_ARGUMENT;
}

static fm_status infer_outputs(fm_graph *graph, const fm_op *op, const fm_val *inputs, int count,
                               const void *attributes, fm_shape *shapes, fm_dtype *dtypes)
{
    fm_shape input_shapes[FM_MAX_INPUTS] = {0};
    fm_dtype input_dtypes[FM_MAX_INPUTS] = {0};
    for (int i = 0; i < count; i++) {
        input_shapes[i] = fm_val_shape(graph, inputs[i]);
        input_dtypes[i] = fm_val_dtype(graph, inputs[i]);
    }
    fm_infer infer = {.graph = graph,
                      .op = op,
                      .attributes = attributes,
                      .shapes = input_shapes,
                      .dtypes = input_dtypes,
                      .input_count = count,
                      .output_shapes = shapes,
                      .output_dtypes = dtypes};
    fm_status status = op->infer(&infer);
    if (status != FM_OK && graph->status == FM_OK) {
        fm_graph_fail(graph, status, "%s: its inputs do not fit", op->name);
    }
    for (int i = 0; status == FM_OK && i < op->outputs; i++) {
        if (fm_shape_bytes(shapes[i], dtypes[i]) >= 0) continue;
        status = fm_infer_fail(&infer, "the result would not fit into memory");
    }
    return status;
}

static bool add_outputs(fm_graph *graph, fm_node *node, const fm_shape *shapes,
                        const fm_dtype *dtypes)
{
    for (int i = 0; i < node->output_count; i++) {
        node->outputs[i] = fm_value_add(graph, &(fm_value){.shape = shapes[i],
                                                           .dtype = dtypes[i],
                                                           .kind = FM_TEMPORARY,
                                                           .producer = (uint32_t)graph->node_count,
                                                           .output = (uint32_t)i,
                                                           .name = ""});
        if (!node->outputs[i].id) return false;
    }
    return true;
}

static fm_val memory_ran_out(fm_graph *graph)
{
    if (graph->status == FM_OK) graph->status = FM_ERROR_MEMORY;
    return (fm_val){0};
}

fm_val fm_node_add(fm_graph *graph, const fm_op *op, const fm_val *inputs, int count,
                   const void *attributes, fm_val *outputs)
{
    for (int i = 0; outputs && i < op->outputs; i++) outputs[i] = (fm_val){0};
    if (graph->status != FM_OK || !fm_all_valid(graph, op->name, inputs, count)) return (fm_val){0};
    if (check_arity(graph, op, count) != FM_OK) return (fm_val){0};

    fm_node node = {.op = op,
                    .input_count = count,
                    .output_count = op->outputs,
                    .role = graph->role,
                    .scope = fm_scope_path(graph)};
    size_t lists = (size_t)(count + op->outputs) * sizeof(fm_val);
    node.inputs = fm_arena_allocate(&graph->arena, lists);
    void *copy = fm_arena_allocate(&graph->arena, op->attributes_size + 1);
    if (!node.inputs || !copy) return memory_ran_out(graph);
    node.outputs = node.inputs + count;
    memcpy(node.inputs, inputs, (size_t)count * sizeof *inputs);
    if (attributes && op->attributes_size) memcpy(copy, attributes, op->attributes_size);
    node.attributes = copy;
    if (op->flags & FM_OP_RANDOM) node.stream = fm_graph_next_stream(graph);

    fm_shape shapes[FM_MAX_OUTPUTS] = {0};
    fm_dtype dtypes[FM_MAX_OUTPUTS] = {0};
    if (infer_outputs(graph, op, inputs, count, copy, shapes, dtypes) != FM_OK) return (fm_val){0};
    if (fm_grow(graph->context, &graph->nodes, &graph->node_capacity, graph->node_count + 1,
                sizeof node) != FM_OK) {
        return memory_ran_out(graph);
    }
    if (!add_outputs(graph, &node, shapes, dtypes)) return (fm_val){0};
    graph->nodes[graph->node_count++] = node;
    for (int i = 0; outputs && i < op->outputs; i++) outputs[i] = node.outputs[i];
    return node.outputs[0];
}

double fm_node_flops(const fm_graph *graph, const fm_node *node)
{
    fm_tensor tensors[FM_MAX_INPUTS + FM_MAX_OUTPUTS];
    for (int i = 0; i < node->input_count + node->output_count; i++) {
        bool input = i < node->input_count;
        const fm_value *value =
            fm_value_of(graph, input ? node->inputs[i] : node->outputs[i - node->input_count]);
        tensors[i] = (fm_tensor){NULL, value->dtype, value->shape, fm_shape_elements(value->shape)};
    }
    const fm_tensor *outputs = tensors + node->input_count;
    fm_call call = {.op = node->op,
                    .attributes = node->attributes,
                    .inputs = tensors,
                    .outputs = outputs,
                    .input_count = node->input_count,
                    .output_count = node->output_count};
    if (node->op->flops) return node->op->flops(&call);
    return node->op->flags & FM_OP_VIEW ? 0 : (double)outputs[0].count;
}
