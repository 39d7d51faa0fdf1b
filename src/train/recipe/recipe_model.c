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

/* ---- inputs of a layer ----------------------------------------------------------------------- */

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

/* ---- names ----------------------------------------------------------------------------------- */

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

/* Does it begin with the final states of the layer called `label` (initial_state)? */
static bool begins_with(const recipe_layer *reader, const char *label)
{
    const fm_field *field = fm_field_find(reader->record->fields, "initial_state");
    const char *name = NULL;
    if (field) memcpy(&name, (const char *)reader->options + field->offset, sizeof name);
    return name && label && strcmp(name, label) == 0;
}

/* An output that nothing reads is a slip of the pen, except the last one. */
static fm_status check_used(fm_recipe *recipe)
{
    for (int i = 0; i + 1 < recipe->layer_count; i++) {
        bool used = false;
        for (int j = i + 1; j < recipe->layer_count && !used; j++) {
            const recipe_layer *reader = &recipe->layers[j];
            used = begins_with(reader, recipe->layers[i].label);
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

/* ---- reading --------------------------------------------------------------------------------- */

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
static fm_status read_input(fm_recipe *recipe, const fm_tree *value)
{
    recipe->input = value;
    fm_options_part part = {input_fields, &recipe->input_shape};
    if (value->kind == FM_TREE_MAP || fm_tree_is_null(value)) {
        return fm_options_read(&recipe->arena, value, model_input, &part, 1, NULL);
    }
    return fm_options_set(&recipe->arena, &input_fields[0], &recipe->input_shape, model_input,
                          value);
}

static const char *next_network(const void *list, int index)
{
    (void)list;
    const fm_zoo_record *record = fm_zoo_at(index);
    return record ? record->name : NULL;
}

/* {zoo: resnet50, classes: 10}, the network's options beside its name; `input` as in a list. */
static fm_status read_zoo(fm_recipe *recipe, const fm_tree *section)
{
    static const char *const others[] = {"zoo", "input", NULL};
    const fm_tree *name = fm_tree_get(section, "zoo"), *input = fm_tree_get(section, "input");
    if (fm_tree_is_null(name) || name->kind != FM_TREE_SCALAR) {
        return fm_tree_fail(recipe->context, name ? name : section, FM_ERROR_ARGUMENT,
                            "model: a list of layers is wanted, or a network of the zoo: {zoo: "
                            "resnet50} ('fathom show zoo' lists them)");
    }
    const fm_named_tree named = {.name = name->text, .place = name};
    recipe->zoo = fm_zoo_find(named.name);
    if (!recipe->zoo) return fm_recipe_unknown(recipe, &named, "network", next_network);
    if (input) {
        fm_status status = read_input(recipe, input);
        if (status != FM_OK) return status;
    }
    fm_options_part part = {recipe->zoo->fields, &recipe->zoo_options};
    return fm_options_read(&recipe->arena, section, recipe->zoo->name, &part, 1, others);
}

fm_status fm_recipe_read_model(fm_recipe *recipe, const fm_tree *section)
{
    recipe->model = section;
    if (section->kind == FM_TREE_MAP) return read_zoo(recipe, section);
    if (section->kind != FM_TREE_LIST || section->count == 0) {
        return fm_tree_fail(recipe->context, section, FM_ERROR_ARGUMENT,
                            "model: a list of layers is wanted, a line '- dense: {units: 10}' for "
                            "each, or a network: {zoo: resnet50}");
    }
    size_t count = (size_t)section->count;
    recipe->layers = fm_arena_allocate(&recipe->arena, count * sizeof(recipe_layer));
    recipe->values = fm_arena_allocate(&recipe->arena, (count + 1) * sizeof(fm_val));
    if (!recipe->layers || !recipe->values) return FM_ERROR_MEMORY;
    for (const fm_tree *item = section->first; item; item = item->next) {
        bool input = item == section->first && item->kind == FM_TREE_MAP && item->count == 1 &&
                     strcmp(item->first->key, model_input) == 0;
        fm_status status = input ? read_input(recipe, item->first) : read_layer(recipe, item);
        if (status != FM_OK) return status;
    }
    if (recipe->layer_count == 0) {
        return fm_tree_fail(recipe->context, section, FM_ERROR_ARGUMENT,
                            "model: no layer follows the input");
    }
    return check_used(recipe);
}

/* ---- building -------------------------------------------------------------------------------- */

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

static fm_val build_layer(fm_recipe *recipe, fm_graph *graph, const recipe_layer *layer)
{
    fm_val inputs[FM_MAX_INPUTS];
    for (int i = 0; i < layer->input_count; i++) inputs[i] = recipe->values[layer->inputs[i]];
    return fm_layer_build(graph, layer->record, inputs, layer->input_count, layer->options);
}

static fm_val build_layers(fm_recipe *recipe, fm_graph *graph, fm_val x)
{
    recipe->values[0] = x;
    for (int i = 0; i < recipe->layer_count; i++) {
        const recipe_layer *layer = &recipe->layers[i];
        recipe->values[i + 1] = build_layer(recipe, graph, layer);
        if (fm_graph_status(graph) == FM_OK) continue;
        fm_named_blame(recipe->context, &layer->named);
        return (fm_val){0};
    }
    return recipe->values[recipe->layer_count];
}

static fm_val build_zoo(fm_recipe *recipe, fm_graph *graph, fm_val x)
{
    fm_val output = fm_zoo_with(graph, recipe->zoo->name, x, &recipe->zoo_options);
    if (fm_graph_status(graph) != FM_OK) fm_tree_blame(recipe->context, recipe->model);
    return output;
}

static fm_val build_model(fm_recipe *recipe, fm_graph *graph, fm_val x)
{
    if (fm_graph_status(graph) != FM_OK) return (fm_val){0};
    if (!input_fits(recipe, graph, x)) {
        fm_shape shape = fm_shape_sample(fm_val_shape(graph, x));
        fm_graph_fail(graph, FM_ERROR_SHAPE, "input: the data's samples have the shape %s",
                      fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
        fm_tree_blame(recipe->context, recipe->input);
        return (fm_val){0};
    }
    return recipe->zoo ? build_zoo(recipe, graph, x) : build_layers(recipe, graph, x);
}

fm_val fm_recipe_build(fm_graph *graph, fm_val x, void *argument)
{
    fm_recipe *recipe = argument;
    fm_val output = build_model(recipe, graph, x);
    if (fm_graph_status(graph) != FM_OK) return output;
    fm_graph_check_freeze(graph);
    if (fm_graph_status(graph) == FM_OK) return output;
    const fm_tree *train = fm_tree_get(recipe->tree, "train");
    fm_tree_blame(recipe->context, fm_tree_get(train, "freeze"));
    return (fm_val){0};
}

static fm_val describe_build(fm_graph *graph, fm_val x, void *recipe)
{
    return build_model(recipe, graph, x);
}

fm_status fm_recipe_layers(fm_recipe *recipe, fm_shape input, fm_dtype dtype,
                           const fm_layer_row **rows, int *count)
{
    fm_layer_row *made, *kept = NULL;
    *rows = NULL;
    fm_status status =
        fm_layers_describe(recipe->context, describe_build, recipe, input, dtype, &made, count);
    if (status != FM_OK) return status;
    kept = fm_arena_allocate(&recipe->arena, (size_t)(*count + 1) * sizeof *kept);
    if (!kept) status = FM_ERROR_MEMORY;
    for (int i = 0; i < *count && status == FM_OK; i++) {
        kept[i] = made[i];
        kept[i].name = fm_arena_string(&recipe->arena, made[i].name);
        if (!kept[i].name) status = FM_ERROR_MEMORY;
    }
    fm_layers_release(recipe->context, made);
    *rows = kept;
    return status;
}
