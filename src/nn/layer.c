/* Layers: the table, and what every layer does before it builds. */
#include "ir/ir.h"
#include "nn/layer.h"

#include <stdio.h>

#define ADDRESS(name) &fm_layer_##name,
static const fm_layer_record *const layers[] = {
    &fm_layer_dense,
    &fm_layer_flatten,
    &fm_layer_reshape,
    &fm_layer_dropout,
    &fm_layer_alpha_dropout,
    &fm_layer_gaussian_dropout,
    &fm_layer_gaussian_noise,
    &fm_layer_gaussian_sample,
    &fm_layer_activation,
    &fm_layer_leaky_relu,
    &fm_layer_elu,
    &fm_layer_prelu,
    &fm_layer_add,
    &fm_layer_multiply,
    &fm_layer_subtract,
    &fm_layer_average,
    &fm_layer_maximum,
    &fm_layer_minimum,
    &fm_layer_concatenate,
    FM_ACTIVATION_LAYERS(ADDRESS) FM_VISION_LAYERS(ADDRESS) FM_RECURRENT_LAYERS(ADDRESS)
        FM_ATTENTION_LAYERS(ADDRESS)};
enum { LAYERS = sizeof layers / sizeof layers[0] };

const fm_layer_record *fm_layer_at(int i)
{
    return i >= 0 && i < LAYERS ? layers[i] : NULL;
}

const fm_layer_record *fm_layer_find(const char *name)
{
    for (int i = 0; i < LAYERS; i++) {
        if (strcmp(layers[i]->name, name) == 0) return layers[i];
    }
    return NULL;
}

const fm_field fm_name_fields[] = {FM_NAME_FIELD(fm_name_options), {.name = NULL}};

static bool check_inputs(fm_graph *g, const fm_layer_record *layer, const fm_val *inputs, int count)
{
    if (fm_graph_status(g) != FM_OK || !fm_all_valid(g, layer->name, inputs, count)) return false;
    if (count >= layer->min_inputs && count <= layer->max_inputs) return true;
    char wanted[48];
    if (layer->min_inputs == layer->max_inputs) {
        snprintf(wanted, sizeof wanted, "%d input%s", layer->min_inputs,
                 layer->min_inputs == 1 ? "" : "s");
    } else {
        snprintf(wanted, sizeof wanted, "%d to %d inputs", layer->min_inputs, layer->max_inputs);
    }
    fm_graph_fail(g, FM_ERROR_ARGUMENT, "%s takes %s, received %d", layer->name, wanted, count);
    return false;
}

/* The layer's `name`, NULL without. */
static const char *given_name(const fm_layer_record *layer, const void *options)
{
    const fm_field *field = fm_field_find(layer->fields, "name");
    const char *name = NULL;
    if (field && field->type == FM_FIELD_STRING) {
        memcpy(&name, (const char *)options + field->offset, sizeof name);
    }
    return name && *name ? name : NULL;
}

/* The context's words begin with the layer's kind; so does a scope's path that was not given. */
static void fail_options(fm_graph *g, const fm_layer_record *layer, bool named)
{
    fm_context *context = fm_graph_context(g);
    const char *words = fm_error_message(context);
    size_t kind = strlen(layer->name);
    bool repeats = !named && strncmp(words, layer->name, kind) == 0 && words[kind] == ':';
    fm_graph_fail(g, fm_error_status(context), "%s", words + (repeats ? kind + 2 : 0));
}

/* Layers inside of others are not noted. */
static fm_layer_note begin_note(fm_graph *g, const fm_layer_record *layer)
{
    g->layer_depth++;
    return (fm_layer_note){.scope = fm_scope_path(g),
                           .kind = layer->name,
                           .first_node = g->node_count,
                           .first_variable = g->variable_count};
}

static void end_note(fm_graph *g, fm_layer_note note, fm_val output)
{
    if (--g->layer_depth > 0 || !output.id) return;
    note.output = output;
    note.end_node = g->node_count;
    note.end_variable = g->variable_count;
    if (fm_grow(g->context, &g->layers, &g->layer_capacity, g->layer_count + 1,
                sizeof *g->layers) != FM_OK) {
        fm_graph_fail_context(g);
        return;
    }
    g->layers[g->layer_count++] = note;
}

static void pass_mask_on(fm_graph *g, fm_val from, fm_val to)
{
    fm_val mask = fm_mask_of(g, from);
    fm_shape had = fm_val_shape(g, from), has = fm_val_shape(g, to);
    bool same_steps =
        had.rank >= 3 && has.rank >= 3 && had.dims[0] == has.dims[0] && had.dims[1] == has.dims[1];
    if (mask.id && same_steps && !fm_mask_of(g, to).id) fm_mask_set(g, to, mask);
}

fm_val fm_mask_spread(fm_graph *g, fm_val mask, int rank)
{
    if (!mask.id) return mask;
    fm_shape shape = fm_val_shape(g, mask);
    for (; shape.rank < rank; shape.rank++) shape.dims[shape.rank] = 1;
    return fm_reshape_to(g, mask, shape);
}

fm_val fm_layer_build(fm_graph *g, const fm_layer_record *layer, const fm_val *inputs, int count,
                      const void *options)
{
    enum { MOST_OPTIONS = 1024 };
    _Alignas(16) char filled[MOST_OPTIONS] = {0};
    if (!check_inputs(g, layer, inputs, count)) return (fm_val){0};
    if (layer->options_size > sizeof filled) {
        return fm_graph_fail(g, FM_ERROR_LIMIT, "%s: options may have %d bytes, they have %zu",
                             layer->name, MOST_OPTIONS, layer->options_size);
    }
    if (options) memcpy(filled, options, layer->options_size);
    const char *name = given_name(layer, filled);
    if (name) {
        fm_scope_enter(g, name);
    } else {
        fm_scope_enter_fresh(g, layer->name);
    }
    fm_val result = {0};
    fm_context *context = fm_graph_context(g);
    fm_layer_note note = begin_note(g, layer);
    if (fm_fields_complete(context, layer->fields, filled, layer->name) == FM_OK) {
        result = layer->build(g, inputs, count, filled);
    } else {
        fail_options(g, layer, name != NULL);
    }
    if (result.id) pass_mask_on(g, inputs[0], result);
    end_note(g, note, result);
    fm_scope_leave(g);
    return result;
}

fm_initializer fm_initializer_choose(fm_graph *g, const fm_initializer *asked, fm_initializer usual)
{
    if (asked->fill) return *asked;
    if (!asked->name || !*asked->name) return usual;
    fm_initializer made = usual;
    if (fm_initializer_parse(fm_graph_context(g), asked->name, &made) != FM_OK) {
        fm_graph_fail_context(g);
    }
    if (asked->a != 0 || asked->b != 0) {
        made.a = asked->a;
        made.b = asked->b;
    }
    return made;
}

fm_val fm_parameter(fm_graph *g, const char *name, fm_shape shape, fm_initializer initializer,
                    bool *is_new)
{
    int before = 0;
    while (is_new && fm_graph_variable(g, before).id) before++;
    fm_val made = fm_variable(g, name, fm_graph_dtype(g), shape,
                              &(fm_variable_options){.initializer = initializer});
    if (is_new) *is_new = made.id && fm_graph_variable(g, before).id == made.id;
    return made;
}

fm_val fm_add_bias(fm_graph *g, fm_val y, const fm_initializer *initializer)
{
    if (!y.id) return y;
    fm_shape shape = fm_val_shape(g, y);
    fm_val bias = fm_parameter(g, "bias", FM_SHAPE(shape.dims[shape.rank - 1]),
                               fm_initializer_choose(g, initializer, fm_zeros()), NULL);
    return fm_add(g, y, bias);
}
