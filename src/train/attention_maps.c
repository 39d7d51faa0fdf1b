/* The weights of attention, which the fused ops never store: made again from their operands. */
#include "train/explain_inside.h"
#include "train/layer_notes.h"
#include "op/attention_parts.h"
#include "op/op_table.h"

#include <stdio.h>
#include <string.h>

static bool is_attention(const fm_node *node)
{
    return node->op == &fm_op_attention || node->op == &fm_op_packed_attention;
}

static fm_status fail_without(const fm_graph *g)
{
    fm_text text = FM_TEXT(g->context);
    fm_layer_notes_list(g, &text);
    fm_status status = fm_text_status(&text);
    if (status == FM_OK) {
        status = fm_fail(g->context, FM_ERROR_UNSUPPORTED,
                         "attention: the model has no layer with attention; the layers are %s",
                         fm_text_string(&text));
    }
    fm_text_release(&text);
    return status;
}

/* The weights of a node as an output of the graph. */
static fm_status add_map(fm_graph *g, size_t index, fm_arena *arena, fm_attention_program *made)
{
    const fm_node node = g->nodes[index]; /* the array grows meanwhile */
    const fm_attention_attributes *attributes = node.attributes;
    const fm_attention_values values = fm_attention_values_of(g, node.op, attributes, node.inputs);
    fm_val weights = fm_attention_weights(g, attributes, &values);
    fm_status status = fm_graph_status(g);
    if (status != FM_OK) return status;
    fm_attention_map *map = &made->maps[made->count];
    fm_shape shape = fm_val_shape(g, weights);
    const char *name = fm_arena_format(arena, "attention/%d", made->count);
    *map =
        (fm_attention_map){.layer = fm_arena_string(arena, *node.scope ? node.scope : "attention"),
                           .causal = attributes->causal,
                           .heads = shape.dims[1],
                           .queries = shape.dims[2],
                           .keys = shape.dims[3]};
    if (!name || !map->layer) return FM_ERROR_MEMORY;
    made->count++;
    fm_output(g, name, weights);
    return fm_graph_status(g);
}

static fm_status add_maps(fm_graph *g, fm_arena *arena, fm_attention_program *made)
{
    size_t nodes = g->node_count, found = 0;
    for (size_t i = 0; i < nodes; i++) found += is_attention(&g->nodes[i]);
    if (found == 0) return fail_without(g);
    made->maps = fm_arena_allocate(arena, found * sizeof *made->maps);
    if (!made->maps) return FM_ERROR_MEMORY;
    g->output_count = 0; /* what comes behind the last of them is not computed */
    fm_status status = FM_OK;
    for (size_t i = 0; i < nodes && status == FM_OK; i++) {
        if (is_attention(&g->nodes[i])) status = add_map(g, i, arena, made);
    }
    return status;
}

static fm_status open_program(fm_explainer *e)
{
    fm_graph *graph;
    fm_val loss;
    fm_attention_program made = {0};
    fm_status status =
        fm_model_loss_graph(e->model, (fm_program_form){FM_PREDICT, 1, 0}, &graph, &loss);
    if (status != FM_OK) return status;
    status = add_maps(graph, &e->arena, &made);
    if (status == FM_OK) {
        status =
            fm_program_create(e->model->store, graph, &e->model->program_options, &made.program);
    }
    fm_graph_destroy(graph);
    if (status == FM_OK) e->attention = made;
    return status;
}

static fm_status run(fm_explainer *e, const void *sample)
{
    const fm_model_options *o = &e->model->options;
    fm_program *program = e->attention.program;
    fm_status status = fm_model_swap_averages(e->model);
    if (status != FM_OK) return status;
    memcpy(fm_program_input(program, "x"), sample,
           (size_t)fm_shape_bytes(o->input_shape, o->input_dtype));
    status = fm_program_reset(program);
    if (status == FM_OK) status = fm_program_run(program);
    fm_status swapped = fm_model_swap_averages(e->model);
    return status == FM_OK ? swapped : status;
}

static fm_status read_weights(fm_explainer *e, int i, fm_attention_map *map)
{
    char name[32];
    snprintf(name, sizeof name, "attention/%d", i);
    const void *weights = fm_program_output(e->attention.program, name);
    fm_shape shape = FM_SHAPE(map->heads, map->queries, map->keys);
    double *numbers = fm_explain_numbers(e, shape);
    if (!numbers) return FM_ERROR_MEMORY;
    int64_t count = fm_shape_elements(shape);
    for (int64_t k = 0; k < count; k++) {
        numbers[k] = fm_element(weights, e->model->options.dtype, (size_t)k);
    }
    map->weights = numbers;
    return FM_OK;
}

fm_status fm_explain_attention(fm_explainer *e, const void *sample, const fm_attention_map **maps,
                               int *count)
{
    *maps = NULL;
    *count = 0;
    fm_arena_release(&e->results);
    fm_status status = e->attention.program ? FM_OK : open_program(e);
    if (status == FM_OK) status = run(e, sample);
    if (status != FM_OK) return status;
    int found = e->attention.count;
    fm_attention_map *made = fm_arena_allocate(&e->results, (size_t)found * sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    memcpy(made, e->attention.maps, (size_t)found * sizeof *made);
    for (int i = 0; i < found && status == FM_OK; i++) status = read_weights(e, i, &made[i]);
    if (status != FM_OK) return status;
    *maps = made;
    *count = found;
    return FM_OK;
}
