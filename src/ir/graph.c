/* Graphs: creation, failure, values, scopes, variables, updates and outputs. */
#include "ir/ir.h"
#include "base/pattern.h"
#include "base/random.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_VALUES = 1 << 24 };

static fm_status check_options(fm_context *context, const fm_graph_options *options)
{
    if (options->stream_length < 0) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "a stream cannot have the length %lld",
                       (long long)options->stream_length);
    }
    if ((unsigned)options->mode > FM_TRAIN) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "there is no mode number %d",
                       (int)options->mode);
    }
    if (fm_dtype_is_real(options->dtype)) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT, "a graph's dtype must be f32 or f64, received %s",
                   fm_dtype_name(options->dtype));
}

fm_status fm_graph_create(fm_context *context, const fm_graph_options *options, fm_graph **graph)
{
    *graph = NULL;
    if (options && check_options(context, options) != FM_OK) return FM_ERROR_ARGUMENT;
    fm_graph *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return fm_error_status(context);
    made->context = context;
    if (options) made->options = *options;
    if (made->options.mode != FM_PREDICT) made->options.stream_length = 0;
    made->arena.context = context;
    made->variable_by_path.context = context;
    made->fresh_names.context = context;

    fm_status status = fm_grow(context, &made->values, &made->value_capacity, 1, sizeof(fm_value));
    if (status == FM_OK) {
        status = fm_grow(context, &made->scopes, &made->scope_capacity, 1, sizeof(char *));
    }
    if (status != FM_OK) {
        fm_graph_destroy(made);
        return status;
    }
    made->values[0] = (fm_value){.producer = FM_NO_NODE, .name = "poisoned"};
    made->value_count = 1;
    made->scopes[0] = "";
    made->scope_count = 1;
    *graph = made;
    return FM_OK;
}

void fm_graph_destroy(fm_graph *graph)
{
    if (!graph) return;
    fm_context *context = graph->context;
    fm_map_release(&graph->variable_by_path);
    fm_map_release(&graph->fresh_names);
    fm_arena_release(&graph->arena);
    fm_release(context, graph->values);
    fm_release(context, graph->nodes);
    fm_release(context, graph->variables);
    fm_release(context, graph->inputs);
    fm_release(context, graph->outputs);
    fm_release(context, graph->scopes);
    fm_release(context, graph->layers);
    fm_release(context, graph->states);
    fm_release(context, graph->auxiliaries);
    fm_release(context, graph);
}

fm_context *fm_graph_context(const fm_graph *graph)
{
    return graph->context;
}

fm_mode fm_graph_mode(const fm_graph *graph)
{
    return graph->options.mode;
}

fm_dtype fm_graph_dtype(const fm_graph *graph)
{
    return graph->options.dtype;
}

int64_t fm_graph_stream_length(const fm_graph *graph)
{
    return graph->options.stream_length;
}

fm_status fm_graph_status(const fm_graph *graph)
{
    return graph->status;
}

fm_val fm_graph_fail(fm_graph *graph, fm_status status, const char *format, ...)
{
    if (graph->status != FM_OK) return (fm_val){0};
    char words[FM_MESSAGE_SIZE / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    const char *scope = fm_scope_path(graph);
    fm_fail(graph->context, status, "%s%s%s", scope, *scope ? ": " : "", words);
    graph->status = status;
    return (fm_val){0};
}

/* An allocation failed: its words are in the context already. */
static fm_val out_of_memory(fm_graph *graph)
{
    if (graph->status == FM_OK) graph->status = FM_ERROR_MEMORY;
    return (fm_val){0};
}

bool fm_all_valid(fm_graph *graph, const char *what, const fm_val *values, int count)
{
    for (int i = 0; i < count; i++) {
        if (values[i].id > 0 && values[i].id < graph->value_count) continue;
        if (values[i].id == 0) {
            fm_graph_fail(graph, FM_ERROR_ARGUMENT,
                          "%s: value %d of %d is missing: it is {0}, which is what a call that "
                          "failed returns, and a look-up that found nothing",
                          what, i + 1, count);
        } else {
            fm_graph_fail(graph, FM_ERROR_ARGUMENT,
                          "%s: value number %u is none of this graph's: a value belongs to the "
                          "graph that it was made in, and a model function makes all of them anew "
                          "in each call",
                          what, values[i].id);
        }
        return false;
    }
    return true;
}

uint32_t fm_graph_next_stream(fm_graph *graph)
{
    return graph->next_stream++;
}

/* ---- values ---------------------------------------------------------------------------------- */

size_t fm_value_bytes(const fm_graph *graph, fm_val value)
{
    const fm_value *record = fm_value_of(graph, value);
    if (record->layout.type) return record->layout.type->bytes(&record->layout);
    return (size_t)fm_shape_bytes(record->shape, record->dtype);
}

fm_val fm_value_add(fm_graph *graph, const fm_value *value)
{
    if (graph->status != FM_OK) return (fm_val){0};
    if (graph->value_count >= MAX_VALUES) {
        return fm_graph_fail(graph, FM_ERROR_LIMIT, "a graph holds at most %d values", MAX_VALUES);
    }
    if (fm_grow(graph->context, &graph->values, &graph->value_capacity, graph->value_count + 1,
                sizeof *value) != FM_OK) {
        return out_of_memory(graph);
    }
    graph->values[graph->value_count] = *value;
    return (fm_val){(uint32_t)graph->value_count++};
}

void fm_node_take_output(fm_graph *graph, fm_node *node, int k, fm_val value)
{
    fm_value *record = fm_value_of(graph, value);
    node->outputs[k] = value;
    record->producer = (uint32_t)(node - graph->nodes);
    record->output = (uint32_t)k;
}

static bool check_shape(fm_graph *graph, const char *name, fm_dtype dtype, fm_shape shape)
{
    if (graph->status != FM_OK) return false;
    if (fm_shape_bytes(shape, dtype) >= 0) return true;
    if (!fm_dtype_size(dtype)) {
        fm_graph_fail(graph, FM_ERROR_ARGUMENT, "'%s': there is no dtype number %d", name,
                      (int)dtype);
        return false;
    }
    char text[FM_SHAPE_TEXT];
    fm_graph_fail(graph, FM_ERROR_SHAPE, "'%s' cannot have the shape %s", name,
                  fm_shape_text(shape, text));
    return false;
}

static fm_status add_named(fm_graph *graph, fm_named_value **list, size_t *count, size_t *capacity,
                           const char *name, fm_val value)
{
    char *copy = fm_arena_string(&graph->arena, name);
    if (!copy || fm_grow(graph->context, list, capacity, *count + 1, sizeof **list) != FM_OK) {
        out_of_memory(graph);
        return FM_ERROR_MEMORY;
    }
    (*list)[(*count)++] = (fm_named_value){copy, value};
    return FM_OK;
}

static fm_val find_named(const fm_named_value *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0) return list[i].value;
    }
    return (fm_val){0};
}

fm_val fm_input(fm_graph *graph, const char *name, fm_dtype dtype, fm_shape shape)
{
    if (!check_shape(graph, name, dtype, shape)) return (fm_val){0};
    if (fm_graph_input(graph, name).id) {
        return fm_graph_fail(graph, FM_ERROR_ARGUMENT, "there is already an input '%s'", name);
    }
    fm_value value = {.shape = shape, .dtype = dtype, .kind = FM_INPUT, .producer = FM_NO_NODE};
    fm_val made = fm_value_add(graph, &value);
    if (!made.id || add_named(graph, &graph->inputs, &graph->input_count, &graph->input_capacity,
                              name, made) != FM_OK) {
        return (fm_val){0};
    }
    fm_value_of(graph, made)->name = graph->inputs[graph->input_count - 1].name;
    return made;
}

fm_val fm_graph_input(const fm_graph *graph, const char *name)
{
    return find_named(graph->inputs, graph->input_count, name);
}

/* Room for a constant's elements, *data, which the caller fills if there is a value. */
static fm_val add_constant(fm_graph *graph, fm_dtype dtype, fm_shape shape, void **data)
{
    if (!check_shape(graph, "constant", dtype, shape)) return (fm_val){0};
    *data = fm_arena_allocate(&graph->arena, (size_t)fm_shape_bytes(shape, dtype));
    if (!*data) return out_of_memory(graph);
    return fm_value_add(graph, &(fm_value){.shape = shape,
                                           .dtype = dtype,
                                           .kind = FM_CONSTANT,
                                           .producer = FM_NO_NODE,
                                           .name = "",
                                           .data = *data});
}

fm_val fm_constant(fm_graph *graph, fm_dtype dtype, fm_shape shape, const void *elements)
{
    void *data;
    fm_val made = add_constant(graph, dtype, shape, &data);
    size_t bytes = made.id ? (size_t)fm_shape_bytes(shape, dtype) : 0;
    if (bytes) memcpy(data, elements, bytes);
    return made;
}

fm_val fm_constant_of(fm_graph *graph, fm_dtype dtype, fm_shape shape, fm_element_rule *element,
                      const void *argument)
{
    void *data;
    fm_val made = add_constant(graph, dtype, shape, &data);
    int64_t count = made.id ? fm_shape_elements(shape) : 0;
    for (int64_t i = 0; i < count; i++) {
        double number = element(argument, i);
        if (dtype == FM_F64)
            ((double *)data)[i] = number;
        else
            ((float *)data)[i] = (float)number;
    }
    return made;
}

static double same_number(const void *number, int64_t i)
{
    (void)i;
    return *(const double *)number;
}

fm_val fm_full_as(fm_graph *graph, fm_dtype dtype, fm_shape shape, double number)
{
    return fm_constant_of(graph, dtype, shape, same_number, &number);
}

fm_val fm_scalar_as(fm_graph *graph, fm_dtype dtype, double number)
{
    return fm_full_as(graph, dtype, (fm_shape){0}, number);
}

fm_val fm_full(fm_graph *graph, fm_shape shape, double value)
{
    return fm_full_as(graph, graph->options.dtype, shape, value);
}

fm_val fm_scalar(fm_graph *graph, double value)
{
    return fm_full(graph, (fm_shape){0}, value);
}

/* Of the user's handle: one of another graph is read as the poisoned value. */
static const fm_value *look(const fm_graph *graph, fm_val value)
{
    return &graph->values[value.id < graph->value_count ? value.id : 0];
}

fm_shape fm_val_shape(const fm_graph *graph, fm_val value)
{
    return look(graph, value)->shape;
}

fm_dtype fm_val_dtype(const fm_graph *graph, fm_val value)
{
    return look(graph, value)->dtype;
}

const char *fm_val_name(const fm_graph *graph, fm_val value)
{
    return look(graph, value)->name;
}

/* ---- masks ----------------------------------------------------------------------------------- */

void fm_mask_set(fm_graph *graph, fm_val value, fm_val mask)
{
    if (!mask.id || !fm_all_valid(graph, "a mask", (fm_val[]){value, mask}, 2)) return;
    fm_shape shape = fm_val_shape(graph, value), given = fm_val_shape(graph, mask);
    bool fits = shape.rank >= 2 && given.rank == 2 && given.dims[0] == shape.dims[0] &&
                given.dims[1] == shape.dims[1] && fm_val_dtype(graph, mask) == graph->options.dtype;
    if (fits) {
        fm_value_of(graph, value)->mask = mask;
        return;
    }
    char of[FM_SHAPE_TEXT], wanted[FM_SHAPE_TEXT], received[FM_SHAPE_TEXT];
    fm_shape steps = FM_SHAPE(shape.dims[0], shape.dims[1]);
    if (shape.rank < 2) {
        fm_graph_fail(graph, FM_ERROR_SHAPE, "a mask is for (batch, time, ...), not for %s",
                      fm_shape_text(shape, of));
        return;
    }
    fm_graph_fail(graph, FM_ERROR_SHAPE, "the mask of %s must be %s %s, received %s %s",
                  fm_shape_text(shape, of), fm_dtype_name(graph->options.dtype),
                  fm_shape_text(steps, wanted), fm_dtype_name(fm_val_dtype(graph, mask)),
                  fm_shape_text(given, received));
}

fm_val fm_mask_of(const fm_graph *graph, fm_val value)
{
    return look(graph, value)->mask;
}

/* ---- scopes ---------------------------------------------------------------------------------- */

const char *fm_scope_path(const fm_graph *graph)
{
    return graph->scopes[graph->scope_count - 1];
}

/* Without memory the graph has failed, and what scopes say does not matter any more. */
static void push_scope(fm_graph *graph, const char *path)
{
    if (!path) {
        out_of_memory(graph);
        path = fm_scope_path(graph);
    }
    if (fm_grow(graph->context, &graph->scopes, &graph->scope_capacity, graph->scope_count + 1,
                sizeof *graph->scopes) != FM_OK) {
        out_of_memory(graph);
        return;
    }
    graph->scopes[graph->scope_count++] = path;
}

static char *join_path(fm_graph *graph, const char *name)
{
    const char *scope = fm_scope_path(graph);
    return fm_arena_format(&graph->arena, "%s%s%s", scope, *scope ? "/" : "", name);
}

void fm_scope_enter_at(fm_graph *graph, const char *path)
{
    push_scope(graph, path);
}

void fm_scope_enter(fm_graph *graph, const char *name)
{
    push_scope(graph, join_path(graph, name));
}

void fm_scope_enter_fresh(fm_graph *graph, const char *base)
{
    char *path = join_path(graph, base);
    uint32_t times = 0;
    if (path) fm_map_get(&graph->fresh_names, path, &times);
    if (path && fm_map_set(&graph->fresh_names, path, times + 1) != FM_OK) path = NULL;
    if (path && times) path = fm_arena_format(&graph->arena, "%s_%u", path, times);
    push_scope(graph, path);
}

void fm_scope_leave(fm_graph *graph)
{
    if (graph->scope_count > 1) graph->scope_count--;
}

/* ---- variables and results ------------------------------------------------------------------- */

static fm_val shared_variable(fm_graph *graph, uint32_t index, const char *path, fm_dtype dtype,
                              fm_shape shape)
{
    fm_val value = graph->variables[index].value;
    const fm_value *had = fm_value_of(graph, value);
    if (had->dtype == dtype && fm_shape_equal(had->shape, shape)) return value;
    char first[FM_SHAPE_TEXT], second[FM_SHAPE_TEXT];
    return fm_graph_fail(graph, FM_ERROR_SHAPE,
                         "the variable '%s' is shared: it was %s %s, now %s %s is asked for", path,
                         fm_dtype_name(had->dtype), fm_shape_text(had->shape, first),
                         fm_dtype_name(dtype), fm_shape_text(shape, second));
}

fm_val fm_variable(fm_graph *graph, const char *name, fm_dtype dtype, fm_shape shape,
                   const fm_variable_options *options)
{
    if (!check_shape(graph, name, dtype, shape)) return (fm_val){0};
    char *path = join_path(graph, name);
    uint32_t index;
    if (!path) return out_of_memory(graph);
    if (fm_map_get(&graph->variable_by_path, path, &index)) {
        return shared_variable(graph, index, path, dtype, shape);
    }
    index = (uint32_t)graph->variable_count;
    if (fm_grow(graph->context, &graph->variables, &graph->variable_capacity, index + 1,
                sizeof *graph->variables) != FM_OK) {
        return out_of_memory(graph);
    }
    fm_val value = fm_value_add(graph, &(fm_value){.shape = shape,
                                                   .dtype = dtype,
                                                   .kind = FM_VARIABLE,
                                                   .producer = FM_NO_NODE,
                                                   .variable = index,
                                                   .name = path});
    if (!value.id) return value;
    if (fm_map_set(&graph->variable_by_path, path, index) != FM_OK) return out_of_memory(graph);
    fm_graph_variable_record *record = &graph->variables[graph->variable_count++];
    record->value = value;
    if (options) record->options = *options;
    record->options.not_trainable |= record->options.carried;
    record->frozen = !record->options.carried && fm_patterns_match(graph->options.freeze, path);
    return value;
}

fm_val fm_graph_variable(const fm_graph *graph, int i)
{
    bool inside = i >= 0 && (size_t)i < graph->variable_count;
    return inside ? graph->variables[i].value : (fm_val){0};
}

bool fm_val_trainable(const fm_graph *graph, fm_val variable)
{
    const fm_value *value = look(graph, variable);
    return value->kind == FM_VARIABLE && !graph->variables[value->variable].frozen &&
           !graph->variables[value->variable].options.not_trainable;
}

bool fm_val_frozen(const fm_graph *graph, fm_val variable)
{
    const fm_value *value = look(graph, variable);
    return value->kind == FM_VARIABLE && graph->variables[value->variable].frozen;
}

static const char *next_variable(const void *list, int index)
{
    const fm_graph *graph = list;
    fm_val variable = fm_graph_variable(graph, index);
    return variable.id ? fm_val_name(graph, variable) : NULL;
}

void fm_graph_check_freeze(fm_graph *graph)
{
    if (graph->status != FM_OK) return;
    graph->status = fm_patterns_check(graph->context, graph->options.freeze, "freeze", "variable",
                                      next_variable, graph);
}

void fm_update(fm_graph *graph, fm_val variable, fm_val next)
{
    if (!fm_all_valid(graph, "an update", (fm_val[]){variable, next}, 2)) return;
    const fm_value *value = fm_value_of(graph, variable), *after = fm_value_of(graph, next);
    if (value->kind != FM_VARIABLE) {
        fm_graph_fail(graph, FM_ERROR_ARGUMENT, "only variables can be updated");
        return;
    }
    fm_graph_variable_record *record = &graph->variables[value->variable];
    if (record->frozen) return;
    if (record->next.id) {
        fm_graph_fail(graph, FM_ERROR_ARGUMENT, "'%s' is updated twice in one step", value->name);
        return;
    }
    if (value->dtype != after->dtype || !fm_shape_equal(value->shape, after->shape)) {
        char first[FM_SHAPE_TEXT], second[FM_SHAPE_TEXT];
        fm_graph_fail(graph, FM_ERROR_SHAPE, "the update of '%s' must be %s %s, received %s %s",
                      value->name, fm_dtype_name(value->dtype), fm_shape_text(value->shape, first),
                      fm_dtype_name(after->dtype), fm_shape_text(after->shape, second));
        return;
    }
    record->next = next;
}

void fm_output(fm_graph *graph, const char *name, fm_val value)
{
    if (graph->status != FM_OK || !fm_all_valid(graph, name, &value, 1)) return;
    if (fm_graph_output(graph, name).id) {
        fm_graph_fail(graph, FM_ERROR_ARGUMENT, "there is already an output '%s'", name);
        return;
    }
    add_named(graph, &graph->outputs, &graph->output_count, &graph->output_capacity, name, value);
}

fm_val fm_graph_output(const fm_graph *graph, const char *name)
{
    return find_named(graph->outputs, graph->output_count, name);
}
