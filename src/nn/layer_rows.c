/* Layers of a built graph, as `fathom show` lists them. */
#include "ir/ir.h"
#include "nn/layer.h"
#include "op/attention_attributes.h"
#include "op/op_table.h"
#include "op/recurrent_cells.h"

/* ---- multiply-accumulates -------------------------------------------------------------------- */

/* Ops whose work is multiplying and adding up. */
static bool is_product(const fm_op *op)
{
    return op == &fm_op_matmul || op == &fm_op_convolve || op == &fm_op_convolve_transposed;
}

static bool is_recurrent(const fm_op *op)
{
    return op == &fm_op_simple_rnn || op == &fm_op_lstm || op == &fm_op_gru;
}

/* Of the recurrent product, and the projection's, at each step of each sample. */
static double recurrent_macs(const fm_graph *graph, const fm_node *node)
{
    fm_shape y = fm_val_shape(graph, node->outputs[0]);
    int fixed = fm_recurrent_fixed(fm_recurrent_cell_of(node->op));
    int projection = fm_recurrent_find(node->attributes, fixed, FM_RECURRENT_PROJECTION);
    int64_t weights = fm_shape_elements(fm_val_shape(graph, node->inputs[1]));
    if (projection >= 0)
        weights += fm_shape_elements(fm_val_shape(graph, node->inputs[projection]));
    return (double)weights * (double)(y.dims[0] * y.dims[1]);
}

static bool is_attention(const fm_op *op)
{
    return op == &fm_op_attention || op == &fm_op_packed_attention;
}

/* Of the products with keys and with values. */
static double attention_macs(const fm_graph *graph, const fm_node *node)
{
    fm_tensor inputs[FM_MAX_INPUTS];
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = (fm_tensor){.shape = fm_val_shape(graph, node->inputs[i])};
    }
    const kernel_attention a = fm_attention_sizes(node->op, node->attributes, inputs);
    return fm_attention_pairs(&a) * (double)(a.key_dim + a.value_dim);
}

static double macs_of(const fm_graph *graph, const fm_node *node)
{
    if (is_product(node->op)) return fm_node_flops(graph, node) / 2;
    if (is_recurrent(node->op)) return recurrent_macs(graph, node);
    return is_attention(node->op) ? attention_macs(graph, node) : 0;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static fm_layer_row describe(const fm_graph *graph, const fm_layer_note *note)
{
    fm_layer_row row = {.name = note->scope,
                        .type = note->kind,
                        .output = fm_shape_sample(fm_val_shape(graph, note->output))};
    for (size_t k = note->first_variable; k < note->end_variable; k++) {
        const fm_graph_variable_record *variable = &graph->variables[k];
        if (variable->options.not_trainable) continue;
        row.parameters += fm_shape_elements(fm_val_shape(graph, variable->value));
    }
    for (size_t k = note->first_node; k < note->end_node; k++) {
        row.flops += fm_node_flops(graph, &graph->nodes[k]);
        row.macs += macs_of(graph, &graph->nodes[k]);
    }
    return row;
}

typedef struct description {
    fm_context *context;
    fm_model_function *build;
    void *argument;
    fm_shape input;
    fm_dtype dtype;
} description;

static fm_status build_as(const description *d, fm_mode mode, fm_graph **graph)
{
    fm_status status = fm_graph_create(d->context, &(fm_graph_options){.mode = mode}, graph);
    if (status != FM_OK) return status;
    d->build(*graph, fm_input(*graph, "x", d->dtype, fm_shape_batch(1, d->input)), d->argument);
    status = fm_graph_status(*graph);
    if (status == FM_OK) return FM_OK;
    fm_graph_destroy(*graph);
    *graph = NULL;
    return status;
}

/* One block: rows, and behind them their names. */
static fm_status make_rows(const fm_graph *train, const fm_graph *predict, fm_layer_row **rows)
{
    size_t count = train->layer_count, bytes = count * sizeof **rows, k = 0;
    for (size_t i = 0; i < count; i++) bytes += strlen(train->layers[i].scope) + 1;
    *rows = fm_allocate(train->context, bytes + 1);
    if (!*rows) return FM_ERROR_MEMORY;
    char *text = (char *)(*rows + count);
    for (size_t i = 0; i < count; i++) {
        fm_layer_row *row = &(*rows)[i];
        *row = describe(train, &train->layers[i]);
        row->flops = row->macs = 0;
        if (k < predict->layer_count && strcmp(predict->layers[k].scope, row->name) == 0) {
            fm_layer_row same = describe(predict, &predict->layers[k++]);
            row->flops = same.flops;
            row->macs = same.macs;
        }
        size_t size = strlen(row->name) + 1;
        row->name = memcpy(text, row->name, size);
        text += size;
    }
    return FM_OK;
}

/* Training has every variable, predicting the work that a sample takes then. */
fm_status fm_layers_describe(fm_context *context, fm_model_function *build, void *argument,
                             fm_shape input, fm_dtype dtype, fm_layer_row **rows, int *count)
{
    const description d = {context, build, argument, input, dtype};
    fm_graph *train, *predict;
    *rows = NULL;
    *count = 0;
    fm_status status = build_as(&d, FM_TRAIN, &train);
    if (status != FM_OK) return status;
    status = build_as(&d, FM_PREDICT, &predict);
    if (status == FM_OK) {
        status = make_rows(train, predict, rows);
        *count = (int)train->layer_count;
        fm_graph_destroy(predict);
    }
    fm_graph_destroy(train);
    return status;
}

void fm_layers_release(fm_context *context, fm_layer_row *rows)
{
    fm_release(context, rows);
}
