/* What fit tells TensorBoard. Steps are epochs, counted from 1. */
#include "train/event_watch.h"
#include "base/fields.h"
#include "base/memory.h"
#include "base/text.h"
#include "fathom/event_file.h"
#include "fathom/gradients.h"
#include "ir/ir.h"
#include "train/recipe/recipe_options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { IMAGES = 8, MOST_PARAMETERS = 512, GRAPH_BATCH = 1 };

struct fm_event_watch {
    fm_model *model;
    const fm_dataset *data;
    fm_event_file *file;
    bool has_validation;
    int64_t told_gradients; /* the last epoch whose gradients were written, from 1 */
};

/* ---- the graph ------------------------------------------------------------------------------- */

/* Values by their names in the drawing. */
typedef struct drawing {
    const fm_graph *graph;
    fm_arena arena;
    const char **names; /* of each value */
    fm_event_node *nodes;
    int64_t count;
} drawing;

static fm_event_node *add_node(drawing *d, const char *name, const char *op, fm_val output)
{
    fm_event_node *node = &d->nodes[d->count++];
    d->names[output.id] = name;
    *node = (fm_event_node){.name = name,
                            .op = op,
                            .shape = fm_val_shape(d->graph, output),
                            .dtype = fm_val_dtype(d->graph, output)};
    return node;
}

/* Inputs, variables and constants. */
static fm_status draw_leaves(drawing *d)
{
    static const char *const ops[] = {
        [FM_INPUT] = "Placeholder", [FM_CONSTANT] = "Const", [FM_VARIABLE] = "VariableV2"};
    for (uint32_t i = 1; i < d->graph->value_count; i++) {
        const fm_value *value = &d->graph->values[i];
        if (value->kind == FM_TEMPORARY) continue;
        const char *name =
            *value->name ? value->name : fm_arena_format(&d->arena, "constant/constant_%u", i);
        if (!name) return FM_ERROR_MEMORY;
        add_node(d, name, ops[value->kind], (fm_val){i});
    }
    return FM_OK;
}

static fm_status draw_node(drawing *d, const fm_node *node, fm_text *words)
{
    bool scoped = *node->scope != '\0';
    const char *name = fm_arena_format(&d->arena, "%s%s%s_%u", node->scope, scoped ? "/" : "",
                                       node->op->name, node->outputs[0].id);
    const char **inputs =
        fm_arena_allocate(&d->arena, (size_t)(node->input_count + 1) * sizeof *inputs);
    if (!name || !inputs) return FM_ERROR_MEMORY;
    for (int i = 0; i < node->input_count; i++) inputs[i] = d->names[node->inputs[i].id];
    fm_event_node *drawn = add_node(d, name, node->op->name, node->outputs[0]);
    drawn->inputs = inputs;
    drawn->input_count = node->input_count;
    fm_text_clear(words);
    fm_fields_print(words, node->op->attributes, node->attributes, false);
    if (words->size > 0) {
        drawn->note = fm_arena_string(&d->arena, fm_text_string(words));
        if (!drawn->note) return FM_ERROR_MEMORY;
    }
    for (int i = 1; i < node->output_count; i++) {
        d->names[node->outputs[i].id] = fm_arena_format(&d->arena, "%s:%d", name, i);
        if (!d->names[node->outputs[i].id]) return FM_ERROR_MEMORY;
    }
    return fm_text_status(words);
}

static fm_status draw(drawing *d)
{
    const fm_graph *graph = d->graph;
    size_t most = graph->value_count + graph->node_count;
    fm_text words = FM_TEXT(graph->context);
    d->names = fm_arena_allocate(&d->arena, graph->value_count * sizeof *d->names);
    d->nodes = fm_arena_allocate(&d->arena, most * sizeof *d->nodes);
    if (!d->names || !d->nodes) return FM_ERROR_MEMORY;
    fm_status status = draw_leaves(d);
    for (size_t i = 0; i < graph->node_count && status == FM_OK; i++) {
        if (!graph->nodes[i].dead) status = draw_node(d, &graph->nodes[i], &words);
    }
    fm_text_release(&words);
    return status;
}

/* What predicts, for a batch of one. */
static fm_status write_graph(fm_event_watch *watch)
{
    fm_graph *graph;
    fm_status status = fm_model_graph(watch->model, FM_PREDICT, GRAPH_BATCH, &graph);
    if (status != FM_OK) return status;
    drawing d = {.graph = graph, .arena = {.context = watch->model->context}};
    status = draw(&d);
    if (status == FM_OK) status = fm_event_graph(watch->file, d.nodes, d.count);
    fm_arena_release(&d.arena);
    fm_graph_destroy(graph);
    return status;
}

/* ---- the recipe ------------------------------------------------------------------------------ */

typedef struct parameter_list {
    fm_arena arena;
    fm_event_parameter *items;
    int count;
} parameter_list;

/* Every value of the recipe under its key, as --set would write it. */
static fm_status add_values(parameter_list *list, const fm_tree *tree, const char *path)
{
    if (list->count == MOST_PARAMETERS) return FM_OK;
    if (tree->kind == FM_TREE_SCALAR) {
        fm_event_parameter *parameter = &list->items[list->count++];
        *parameter = (fm_event_parameter){.name = path};
        if (!fm_tree_real(tree, &parameter->number)) parameter->text = tree->text;
        return FM_OK;
    }
    int index = 0;
    for (const fm_tree *child = tree->first; child; child = child->next, index++) {
        const char *dot = *path ? "." : "";
        const char *key = child->key
                              ? fm_arena_format(&list->arena, "%s%s%s", path, dot, child->key)
                              : fm_arena_format(&list->arena, "%s%s%d", path, dot, index);
        fm_status status = key ? add_values(list, child, key) : FM_ERROR_MEMORY;
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

/* The scalars that the run is judged by. */
static fm_status name_scores(const fm_event_watch *watch, fm_arena *arena, const char **tags,
                             int *count)
{
    const char *part = watch->has_validation ? "validation" : "train";
    for (int i = -1; i < fm_model_metric_count(watch->model); i++) {
        const char *score = i < 0 ? "loss" : fm_model_metric_name(watch->model, i);
        tags[*count] = fm_arena_format(arena, "%s/%s", part, score);
        if (!tags[(*count)++]) return FM_ERROR_MEMORY;
    }
    return FM_OK;
}

static fm_status write_parameters(fm_event_watch *watch, const char *recipe)
{
    const char *tags[1 + FM_MAX_METRICS];
    int tag_count = 0;
    parameter_list list = {.arena = {.context = watch->model->context}};
    fm_tree *tree = NULL;
    list.items = fm_arena_allocate(&list.arena, MOST_PARAMETERS * sizeof *list.items);
    fm_status status = list.items ? FM_OK : FM_ERROR_MEMORY;
    if (status == FM_OK) {
        status = fm_tree_parse(&list.arena, "recipe", recipe, strlen(recipe), &tree);
    }
    if (status == FM_OK) status = add_values(&list, tree, "");
    if (status == FM_OK) status = name_scores(watch, &list.arena, tags, &tag_count);
    if (status == FM_OK) {
        status = fm_event_parameters(watch->file, list.items, list.count, tags, tag_count);
    }
    fm_arena_release(&list.arena);
    return status;
}

/* As Markdown: four spaces in front of each line. */
static fm_status write_recipe(fm_event_watch *watch)
{
    const char *recipe = fm_model_note(watch->model, "recipe");
    if (!recipe) return FM_OK;
    fm_text text = FM_TEXT(watch->model->context);
    for (const char *line = recipe; *line;) {
        size_t size = strcspn(line, "\n");
        fm_text_add(&text, "    %.*s\n", (int)size, line);
        line += size + (line[size] == '\n');
    }
    fm_status status = fm_text_status(&text);
    if (status == FM_OK) status = fm_event_text(watch->file, "recipe", 0, fm_text_string(&text));
    fm_text_release(&text);
    return status == FM_OK ? write_parameters(watch, recipe) : status;
}

/* ---- images ---------------------------------------------------------------------------------- */

/* (height, width) or (height, width, 1 or 3). */
static bool is_image(fm_shape shape, int64_t *channels)
{
    *channels = shape.rank == 3 ? shape.dims[2] : 1;
    bool drawable = shape.rank == 2 || (shape.rank == 3 && (*channels == 1 || *channels == 3));
    return drawable && shape.dims[0] > 3 && shape.dims[1] > 3 && shape.dims[0] <= 1024 &&
           shape.dims[1] <= 1024;
}

/* The range of the sample's numbers becomes that of bytes. */
static void scale_to_bytes(const float *x, int64_t count, uint8_t *pixels)
{
    float least = INFINITY, largest = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        least = fminf(least, x[i]);
        largest = fmaxf(largest, x[i]);
    }
    float scale = largest > least ? 255 / (largest - least) : 0;
    for (int64_t i = 0; i < count; i++) {
        float level = (x[i] - least) * scale;
        pixels[i] = level >= 0 ? (uint8_t)(level + 0.5f) : 0;
    }
}

static fm_status write_images(fm_event_watch *watch)
{
    fm_context *context = watch->model->context;
    const fm_dataset_info *about = fm_dataset_about(watch->data);
    const fm_data_field *x = &about->fields[0];
    int64_t channels, count = about->count < IMAGES ? about->count : IMAGES;
    if (x->dtype != FM_F32 || !is_image(x->shape, &channels)) return FM_OK;
    int64_t size = fm_shape_elements(x->shape);
    float *samples = fm_allocate_array(context, (size_t)(size * count), sizeof *samples);
    uint8_t *pixels = fm_allocate(context, (size_t)size);
    fm_data_request request = {.count = count, .fields = {samples}};
    fm_status status =
        samples && pixels ? fm_dataset_read(context, watch->data, &request) : FM_ERROR_MEMORY;
    for (int64_t i = 0; i < count && status == FM_OK; i++) {
        char tag[32];
        snprintf(tag, sizeof tag, "train/%lld", (long long)i);
        scale_to_bytes(samples + i * size, size, pixels);
        status = fm_event_image(watch->file, tag, 0, x->shape.dims[0], x->shape.dims[1], channels,
                                pixels);
    }
    fm_release(context, samples);
    fm_release(context, pixels);
    return status;
}

/* ---- hooks ----------------------------------------------------------------------------------- */

static fm_status train_begin(void *user, fm_event *event)
{
    fm_event_watch *watch = user;
    fm_status status = FM_OK;
    if (event->epoch > 0) status = fm_event_restart(watch->file, event->epoch + 1);
    if (status == FM_OK && event->epoch == 0) status = write_graph(watch);
    if (status == FM_OK) status = write_recipe(watch);
    if (status == FM_OK && event->epoch == 0) status = write_images(watch);
    return status == FM_OK ? fm_event_file_flush(watch->file) : status;
}

/* The first measurement of each epoch. */
static fm_status batch_end(void *user, fm_event *event)
{
    fm_event_watch *watch = user;
    const fm_gradients *gradients = event->gradients;
    if (!gradients || watch->told_gradients == event->epoch + 1) return FM_OK;
    watch->told_gradients = event->epoch + 1;
    fm_status status = FM_OK;
    for (int i = 0; i < gradients->variable_count && status == FM_OK; i++) {
        const fm_gradient *row = &gradients->variables[i];
        char tag[512];
        if (!row->values) continue;
        snprintf(tag, sizeof tag, "gradients/%s", row->path);
        status = fm_event_histogram(watch->file, tag, event->epoch + 1, watch->model->options.dtype,
                                    row->values, row->elements);
    }
    return status;
}

static fm_status write_scores(fm_event_watch *watch, const char *part, int64_t step,
                              const fm_scores *scores)
{
    char tag[512];
    if (scores->samples == 0) return FM_OK;
    snprintf(tag, sizeof tag, "%s/loss", part);
    fm_status status = fm_event_scalar(watch->file, tag, step, scores->loss);
    for (int i = 0; i < fm_model_metric_count(watch->model) && status == FM_OK; i++) {
        snprintf(tag, sizeof tag, "%s/%s", part, fm_model_metric_name(watch->model, i));
        status = fm_event_scalar(watch->file, tag, step, scores->metrics[i]);
    }
    return status;
}

static fm_status write_weights(fm_event_watch *watch, int64_t step)
{
    fm_store *store = watch->model->store;
    fm_context *context = watch->model->context;
    fm_status status = FM_OK;
    for (int i = 0; i < fm_store_count(store) && status == FM_OK; i++) {
        fm_variable_info info = fm_store_info(store, i);
        if (!info.trainable) continue;
        char tag[512];
        void *elements = fm_allocate(context, (size_t)fm_shape_bytes(info.shape, info.dtype));
        status = elements ? fm_store_read(store, i, elements) : FM_ERROR_MEMORY;
        snprintf(tag, sizeof tag, "weights/%s", info.path);
        if (status == FM_OK) {
            status = fm_event_histogram(watch->file, tag, step, info.dtype, elements,
                                        fm_shape_elements(info.shape));
        }
        fm_release(context, elements);
    }
    return status;
}

static fm_status epoch_end(void *user, fm_event *event)
{
    fm_event_watch *watch = user;
    const fm_epoch *epoch = event->finished;
    int64_t step = event->epoch + 1;
    fm_status status = write_scores(watch, "train", step, &epoch->train);
    if (status == FM_OK) status = write_scores(watch, "validation", step, &epoch->validation);
    if (status == FM_OK) {
        status = fm_event_scalar(watch->file, "learning_rate", step, epoch->learning_rate);
    }
    if (status == FM_OK) {
        status =
            fm_event_scalar(watch->file, "samples_per_second", step, event->samples_per_second);
    }
    if (status == FM_OK) status = write_weights(watch, step);
    return status == FM_OK ? fm_event_file_flush(watch->file) : status;
}

static fm_status train_end(void *user, fm_event *event)
{
    fm_event_watch *watch = user;
    (void)event;
    fm_status status = fm_event_parameters_end(watch->file);
    return status == FM_OK ? fm_event_file_flush(watch->file) : status;
}

fm_status fm_event_watch_open(fm_model *model, const char *folder, const fm_dataset *data,
                              bool has_validation, fm_event_watch **watch, fm_callback *callback)
{
    *watch = NULL;
    fm_event_watch *made = fm_allocate_zeroed(model->context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->model = model;
    made->data = data;
    made->has_validation = has_validation;
    fm_status status = fm_event_file_open(model->context, folder, &made->file);
    if (status != FM_OK) {
        fm_event_watch_close(made);
        return status;
    }
    *watch = made;
    *callback = (fm_callback){.name = "tensorboard",
                              .user = made,
                              .train_begin = train_begin,
                              .batch_end = batch_end,
                              .epoch_end = epoch_end,
                              .train_end = train_end};
    return FM_OK;
}

void fm_event_watch_close(fm_event_watch *watch)
{
    if (!watch) return;
    (void)fm_event_file_close(watch->file);
    fm_release(watch->model->context, watch);
}
