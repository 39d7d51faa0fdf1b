/* The section model: a list of layers, read once and built for each graph. */
#include "train/recipe/recipe_inside.h"
#include "base/fields.h"
#include "ir/ir.h"

#include <string.h>

static const char model_input[] = "input", previous_layer[] = "previous";

static const char *next_layer(const void *list, int index)
{
    (void)list;
    const fm_layer_record *record = fm_layer_at(index);
    return record ? record->name : NULL;
}

/* ---- inputs of a layer ------------------------------------------------------------------------- */

typedef struct known_labels {
    const fm_recipe *recipe;
    int count; /* layers above */
} known_labels;

static const char *next_label(const void *list, int index)
{
    const known_labels *known = list;
    if (index == 0) return model_input;
    if (index == 1) return previous_layer;
    index -= 2;
    for (int i = 0; i < known->count; i++) {
        if (known->recipe->layers[i].label && index-- == 0) return known->recipe->layers[i].label;
    }
    return NULL;
}

static fm_status find_output(fm_recipe *recipe, int position, const fm_tree *item, int *output)
{
    if (item->kind != FM_TREE_SCALAR) {
        return fm_tree_fail(recipe->context, item, FM_ERROR_ARGUMENT,
                            "inputs: names of layers are wanted, like [a, b]");
    }
    *output = strcmp(item->text, model_input) == 0 ? 0 : position;
    if (*output == 0 || strcmp(item->text, previous_layer) == 0) return FM_OK;
    for (int i = 0; i < position; i++) {
        const char *label = recipe->layers[i].label;
        *output = i + 1;
        if (label && strcmp(label, item->text) == 0) return FM_OK;
    }
    const char *near = fm_nearest(item->text, next_label, &(known_labels){recipe, position});
    return fm_tree_fail(recipe->context, item, FM_ERROR_ARGUMENT,
                        "inputs: no layer above has the name '%s'%s%s%s", item->text,
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static fm_status read_inputs(fm_recipe *recipe, int position, recipe_layer *layer)
{
    const fm_tree *tree = fm_tree_get(layer->named.options, "inputs");
    bool list = tree && tree->kind == FM_TREE_LIST;
    int count = list ? tree->count : 1;
    int *inputs = fm_arena_allocate(&recipe->arena, sizeof(int) * (size_t)(count + 1));
    if (!inputs) return FM_ERROR_MEMORY;
    layer->inputs = inputs;
    layer->input_count = count;
    inputs[0] = position;
    const fm_tree *item = list ? tree->first : tree;
    for (int i = 0; item; item = list ? item->next : NULL) {
        fm_status status = find_output(recipe, position, item, &inputs[i++]);
        if (status != FM_OK) return status;
    }
    int least = layer->record->min_inputs, most = layer->record->max_inputs;
    if (count >= least && count <= most) return FM_OK;
    if (!tree) {
        fm_fail(recipe->context, FM_ERROR_ARGUMENT,
                "%s: needs inputs, the names of %s%d layers above: %s: {inputs: [a, b]}",
                layer->record->name, least == most ? "" : "at least ", least, layer->record->name);
        return fm_named_blame(recipe->context, &layer->named);
    }
    return fm_tree_fail(recipe->context, tree, FM_ERROR_ARGUMENT,
                        "%s: takes %s%d input%s, received %d", layer->record->name,
                        least == most   ? ""
                        : count < least ? "at least "
                                        : "at most ",
                        count < least ? least : most, least == 1 && most == 1 ? "" : "s", count);
}

/* ---- names ------------------------------------------------------------------------------------- */

static fm_status check_label(fm_recipe *recipe, int position)
{
    const recipe_layer *layer = &recipe->layers[position];
    const fm_tree *tree = fm_tree_get(layer->named.options, "name");
    const char *label = layer->label;
    if (!label) return FM_OK;
    if (!*label || strcmp(label, model_input) == 0 || strcmp(label, previous_layer) == 0) {
        return fm_tree_fail(recipe->context, tree, FM_ERROR_ARGUMENT,
                            "the name '%s' is taken: '%s' is the data, '%s' the layer above", label,
                            model_input, previous_layer);
    }
    for (const char *c = label; *c; c++) {
        bool word = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || strchr("_-.", *c);
        if (word) continue;
        return fm_tree_fail(recipe->context, tree, FM_ERROR_ARGUMENT,
                            "the name '%s' may hold letters, digits, '_', '-' and '.' only", label);
    }
    for (int i = 0; i < position; i++) {
        const recipe_layer *other = &recipe->layers[i];
        if (!other->label || strcmp(other->label, label) != 0) continue;
        return fm_tree_fail(recipe->context, tree, FM_ERROR_ARGUMENT,
                            "the name '%s' is taken by the %s in line %d", label,
                            other->record->name, other->named.place->line);
    }
    return FM_OK;
}

/* An output that nothing reads is a slip of the pen, except the last one. */
static fm_status check_used(fm_recipe *recipe)
{
    for (int i = 0; i + 1 < recipe->layer_count; i++) {
        bool used = false;
        for (int j = i + 1; j < recipe->layer_count && !used; j++) {
            const recipe_layer *reader = &recipe->layers[j];
            for (int k = 0; k < reader->input_count; k++) used |= reader->inputs[k] == i + 1;
        }
        if (used) continue;
        const recipe_layer *layer = &recipe->layers[i];
        fm_fail(recipe->context, FM_ERROR_ARGUMENT,
                "%s: no layer reads what this one makes; give it a name, and the name to the "
                "inputs of a later layer",
                layer->record->name);
        return fm_named_blame(recipe->context, &layer->named);
    }
    return FM_OK;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* `- dense: 10`: a lone value is the second field's. */
static fm_status read_options(fm_recipe *recipe, recipe_layer *layer)
{
    static const char *const others[] = {"inputs", NULL};
    const fm_field *fields = layer->record->fields;
    const fm_tree *tree = layer->named.options;
    layer->options = fm_arena_allocate(&recipe->arena, layer->record->options_size);
    if (!layer->options) return FM_ERROR_MEMORY;
    bool lone = !fm_tree_is_null(tree) && tree->kind != FM_TREE_MAP;
    if (lone && fields && fields[0].name && fields[1].name) {
        return fm_options_set(&recipe->arena, &fields[1], layer->options, layer->record->name,
                              tree);
    }
    fm_options_part part = {fields, layer->options};
    fm_status status = fm_named_options(&recipe->arena, &layer->named, &part, 1, others);
    const fm_field *name = fm_field_find(fields, "name");
    if (name) memcpy(&layer->label, (char *)layer->options + name->offset, sizeof layer->label);
    return status;
}

static fm_status read_layer(fm_recipe *recipe, const fm_tree *item)
{
    int position = recipe->layer_count;
    recipe_layer *layer = &recipe->layers[position];
    fm_status status = fm_named_read(recipe->context, item, "model", &layer->named);
    if (status != FM_OK) return status;
    layer->record = fm_layer_find(layer->named.name);
    if (!layer->record) return fm_recipe_unknown(recipe, &layer->named, "layer", next_layer);
    status = read_options(recipe, layer);
    if (status == FM_OK) status = check_label(recipe, position);
    if (status == FM_OK) status = read_inputs(recipe, position, layer);
    recipe->layer_count++;
    return status;
}

static const fm_field input_fields[] = {
    {"shape", "of one sample", 0, .type = FM_FIELD_INTS, .required = true, .minimum = 1,
     .maximum = 1e9},
    {0},
};

/* The first entry may say what goes in: `- input: [28, 28]`. */
static fm_status read_input(fm_recipe *recipe, const fm_tree *item)
{
    const fm_tree *value = item->first;
    recipe->input = value;
    fm_options_part part = {input_fields, &recipe->input_shape};
    if (value->kind == FM_TREE_MAP || fm_tree_is_null(value)) {
        return fm_options_read(&recipe->arena, value, model_input, &part, 1, NULL);
    }
    return fm_options_set(&recipe->arena, &input_fields[0], &recipe->input_shape, model_input,
                          value);
}

fm_status fm_recipe_read_model(fm_recipe *recipe, const fm_tree *section)
{
    if (section->kind != FM_TREE_LIST || section->count == 0) {
        return fm_tree_fail(recipe->context, section, FM_ERROR_ARGUMENT,
                            "model: a list of layers is wanted, a line '- dense: {units: 10}' for "
                            "each");
    }
    size_t count = (size_t)section->count;
    recipe->layers = fm_arena_allocate(&recipe->arena, count * sizeof(recipe_layer));
    recipe->values = fm_arena_allocate(&recipe->arena, (count + 1) * sizeof(fm_val));
    recipe->rows = fm_arena_allocate(&recipe->arena, count * sizeof(fm_layer_row));
    if (!recipe->layers || !recipe->values || !recipe->rows) return FM_ERROR_MEMORY;
    for (const fm_tree *item = section->first; item; item = item->next) {
        bool input = item == section->first && item->kind == FM_TREE_MAP && item->count == 1 &&
                     strcmp(item->first->key, model_input) == 0;
        fm_status status = input ? read_input(recipe, item) : read_layer(recipe, item);
        if (status != FM_OK) return status;
    }
    if (recipe->layer_count == 0) {
        return fm_tree_fail(recipe->context, section, FM_ERROR_ARGUMENT,
                            "model: no layer follows the input");
    }
    return check_used(recipe);
}

/* ---- building ---------------------------------------------------------------------------------- */

static bool input_fits(const fm_recipe *recipe, fm_graph *graph, fm_val x)
{
    if (!recipe->input) return true;
    fm_shape shape = fm_val_shape(graph, x);
    bool fits = shape.rank == recipe->input_shape.count + 1;
    for (int i = 1; fits && i < shape.rank; i++) {
        fits = shape.dims[i] == recipe->input_shape.at[i - 1];
    }
    return fits;
}

static fm_shape without_batch(fm_shape shape)
{
    fm_shape sample = {.rank = shape.rank > 0 ? shape.rank - 1 : 0};
    for (int i = 0; i < sample.rank; i++) sample.dims[i] = shape.dims[i + 1];
    return sample;
}

static fm_val build_layer(fm_recipe *recipe, fm_graph *graph, const recipe_layer *layer)
{
    fm_val inputs[FM_MAX_INPUTS];
    for (int i = 0; i < layer->input_count; i++) inputs[i] = recipe->values[layer->inputs[i]];
    return fm_layer_build(graph, layer->record, inputs, layer->input_count, layer->options);
}

/* What building layer i has added to the graph, as facts about the layer. */
typedef struct layer_mark {
    size_t nodes, variables;
} layer_mark;

static layer_mark mark_of(const fm_graph *graph)
{
    return (layer_mark){graph->node_count, graph->variable_count};
}

static double node_flops(const fm_graph *graph, const fm_node *node)
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

static fm_layer_row describe_layer(const fm_graph *graph, layer_mark before,
                                   const recipe_layer *layer, fm_val output)
{
    fm_layer_row row = {.name = layer->label,
                        .type = layer->record->name,
                        .output = without_batch(fm_val_shape(graph, output))};
    for (size_t i = before.variables; i < graph->variable_count; i++) {
        const fm_graph_variable_record *variable = &graph->variables[i];
        if (variable->options.not_trainable) continue;
        row.parameters += fm_shape_elements(fm_val_shape(graph, variable->value));
    }
    for (size_t i = before.nodes; i < graph->node_count; i++) {
        row.flops += node_flops(graph, &graph->nodes[i]);
        if (!row.name && *graph->nodes[i].scope) row.name = graph->nodes[i].scope;
    }
    return row;
}

/* `describe`: rows are filled in too. */
static fm_val build_model(fm_recipe *recipe, fm_graph *graph, fm_val x, bool describe)
{
    if (fm_graph_status(graph) != FM_OK) return (fm_val){0};
    if (!input_fits(recipe, graph, x)) {
        fm_shape shape = without_batch(fm_val_shape(graph, x));
        fm_graph_fail(graph, FM_ERROR_SHAPE, "input: the data's samples have the shape %s",
                      fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
        fm_tree_blame(recipe->context, recipe->input);
        return (fm_val){0};
    }
    recipe->values[0] = x;
    for (int i = 0; i < recipe->layer_count; i++) {
        const recipe_layer *layer = &recipe->layers[i];
        layer_mark before = mark_of(graph);
        fm_val output = build_layer(recipe, graph, layer);
        recipe->values[i + 1] = output;
        if (fm_graph_status(graph) != FM_OK) {
            fm_named_blame(recipe->context, &layer->named);
            return (fm_val){0};
        }
        if (describe) recipe->rows[i] = describe_layer(graph, before, layer, output);
    }
    return recipe->values[recipe->layer_count];
}

fm_val fm_recipe_build(fm_graph *graph, fm_val x, void *argument)
{
    fm_recipe *recipe = argument;
    fm_val output = build_model(recipe, graph, x, false);
    if (fm_graph_status(graph) != FM_OK) return output;
    fm_graph_check_freeze(graph);
    if (fm_graph_status(graph) == FM_OK) return output;
    const fm_tree *train = fm_tree_get(recipe->tree, "train");
    fm_tree_blame(recipe->context, fm_tree_get(train, "freeze"));
    return (fm_val){0};
}

/* Names outlive the graph that they were read from. A layer that adds nothing when predicting
 * (dropout) has its name from its kind, numbered as scopes are. */
static fm_status keep_row_name(fm_recipe *recipe, int position)
{
    fm_layer_row *row = &recipe->rows[position];
    int earlier = 0;
    for (int i = 0; i < position; i++) {
        const recipe_layer *other = &recipe->layers[i];
        earlier += other->record == recipe->layers[position].record && !other->label;
    }
    if (row->name) {
        row->name =
            fm_arena_format(&recipe->arena, "%.*s", (int)strcspn(row->name, "/"), row->name);
    } else if (earlier > 0) {
        row->name = fm_arena_format(&recipe->arena, "%s_%d", row->type, earlier);
    } else {
        row->name = row->type;
    }
    return row->name ? FM_OK : FM_ERROR_MEMORY;
}

fm_status fm_recipe_layers(fm_recipe *recipe, fm_shape input, fm_dtype dtype,
                           const fm_layer_row **rows, int *count)
{
    fm_graph *graph;
    fm_graph_options options = {.mode = FM_PREDICT};
    fm_status status = fm_graph_create(recipe->context, &options, &graph);
    if (status != FM_OK) return status;
    build_model(recipe, graph, fm_input(graph, "x", dtype, fm_shape_batch(1, input)), true);
    status = fm_graph_status(graph);
    for (int i = 0; i < recipe->layer_count && status == FM_OK; i++) {
        status = keep_row_name(recipe, i);
    }
    fm_graph_destroy(graph);
    *rows = recipe->rows;
    *count = recipe->layer_count;
    return status;
}
