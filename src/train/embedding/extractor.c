/* Features: what a layer makes of samples, by a program that ends with it. */
#include "train/layer_notes.h"
#include "train/model.h"
#include "base/element.h"
#include "base/fields.h"
#include "fathom/embedding.h"
#include "fathom/ops.h"

#include <string.h>

static const char input_name[] = "input";

static const fm_field extractor_fields[] = {
    {"batch_size", "samples that are computed at once", offsetof(fm_extractor_options, batch_size),
     .type = FM_FIELD_INT, .default_value = 32, .minimum = 1, .maximum = 1 << 20},
    {0},
};

struct fm_extractor {
    fm_model *model;
    fm_arena arena;
    int64_t batch;
    fm_compiled *compiled; /* NULL with is_input */
    const char *layer;
    fm_shape shape;
    fm_dtype dtype;
    bool is_input; /* features are the batch as it is */
    const void *features;
};

/* ---- which value ----------------------------------------------------------------------------- */

static bool has_variables(const fm_layer_note *note)
{
    return note->end_variable > note->first_variable;
}

/* What the layer reads: the first operand of its nodes that it did not make. */
static fm_val first_operand(const fm_graph *g, const fm_layer_note *note)
{
    for (size_t n = note->first_node; n < note->end_node; n++) {
        for (int k = 0; k < g->nodes[n].input_count; k++) {
            const fm_value *value = fm_value_of(g, g->nodes[n].inputs[k]);
            bool made_before = value->kind == FM_TEMPORARY && value->producer < note->first_node;
            if (made_before || value->kind == FM_INPUT) return g->nodes[n].inputs[k];
        }
    }
    return (fm_val){0};
}

/* The first layer that has made the value; it may be an inner one's,
 * then it is named after the head. */
static const char *name_of(fm_arena *arena, const fm_graph *g, fm_val value, const char *head)
{
    if (fm_value_of(g, value)->kind == FM_INPUT) return input_name;
    for (size_t i = 0; i < g->layer_count; i++) {
        if (g->layers[i].output.id == value.id) return fm_arena_string(arena, g->layers[i].scope);
    }
    return fm_arena_format(arena, "input of %s", head);
}

static fm_status find_head_input(fm_extractor *e, const fm_graph *g, fm_val *found)
{
    for (size_t i = g->layer_count; i-- > 0;) {
        if (!has_variables(&g->layers[i])) continue;
        *found = first_operand(g, &g->layers[i]);
        if (!found->id) break;
        e->layer = name_of(&e->arena, g, *found, g->layers[i].scope);
        return e->layer ? FM_OK : FM_ERROR_MEMORY;
    }
    return fm_fail(
        g->context, FM_ERROR_UNSUPPORTED,
        "features: the model has no layer with variables whose input they could be; name "
        "a layer");
}

static fm_status find_layer(fm_extractor *e, const fm_graph *g, const char *asked, fm_val *found)
{
    if (!asked) return find_head_input(e, g, found);
    const fm_layer_note *note = fm_layer_note_named(g, asked);
    if (note || strcmp(asked, input_name) == 0) {
        *found = note ? note->output : fm_graph_input(g, "x");
        e->layer = fm_arena_string(&e->arena, asked);
        return e->layer ? FM_OK : FM_ERROR_MEMORY;
    }
    fm_text text = FM_TEXT(g->context);
    fm_layer_notes_list(g, &text);
    fm_status status = fm_text_status(&text);
    if (status == FM_OK) {
        status = fm_fail(g->context, FM_ERROR_NOT_FOUND,
                         "features: no layer '%s'; the layers are input, %s", asked,
                         fm_text_string(&text));
    }
    fm_text_release(&text);
    return status;
}

/* ---- the graph ------------------------------------------------------------------------------- */

/* The mean over all dimensions between the first and the last;
 * of masked steps only the real ones. */
static fm_val pooled(fm_graph *g, fm_val x)
{
    fm_shape shape = fm_val_shape(g, x);
    fm_val mask = fm_mask_of(g, x);
    if (shape.rank < 3) return x;
    fm_ints axes = {.count = shape.rank - 2};
    for (int i = 0; i < axes.count; i++) axes.at[i] = i + 1;
    if (!mask.id) return fm_mean(g, x, axes, false);
    fm_shape wide = {.rank = shape.rank, .dims = {shape.dims[0], shape.dims[1]}};
    for (int i = 2; i < wide.rank; i++) wide.dims[i] = 1;
    fm_val real = fm_broadcast_to(g, fm_reshape_to(g, mask, wide), shape);
    fm_val count = fm_maximum(g, fm_sum(g, real, axes, false), fm_scalar(g, 1));
    return fm_div(g, fm_sum(g, fm_mul(g, x, real), axes, false), count);
}

/* Nothing of the model that is behind the features is computed. */
static fm_status end_with(fm_extractor *e, fm_graph *g, fm_val features, bool pool)
{
    if (pool && !fm_dtype_is_real(fm_val_dtype(g, features))) {
        return fm_fail(g->context, FM_ERROR_UNSUPPORTED,
                       "features: '%s' are tokens, of which there is no mean", e->layer);
    }
    if (pool) features = pooled(g, features);
    e->shape = fm_shape_sample(fm_val_shape(g, features));
    e->dtype = fm_val_dtype(g, features);
    e->is_input = fm_value_of(g, features)->kind == FM_INPUT;
    g->output_count = 0;
    if (!e->is_input) fm_output(g, "features", features);
    return fm_graph_status(g);
}

static fm_status open_program(fm_extractor *e, const fm_extractor_options *options)
{
    fm_graph *graph;
    fm_val loss, found = {0};
    const fm_program_form form = {FM_PREDICT, e->batch, 0};
    fm_status status = fm_model_loss_graph(e->model, form, &graph, &loss);
    if (status != FM_OK) return status;
    status = find_layer(e, graph, options->layer, &found);
    if (status == FM_OK) status = end_with(e, graph, found, options->pool);
    if (status == FM_OK && !e->is_input) {
        status =
            fm_model_compile_graph(e->model, form, graph, &e->model->program_options, &e->compiled);
    }
    if (e->compiled) e->features = fm_program_output(e->compiled->program, "features");
    fm_graph_destroy(graph);
    return status;
}

fm_status fm_extractor_create(fm_model *model, const fm_extractor_options *options,
                              fm_extractor **extractor)
{
    fm_extractor_options asked = options ? *options : (fm_extractor_options){0};
    *extractor = NULL;
    fm_status status = fm_fields_complete(model->context, extractor_fields, &asked, "features");
    if (status != FM_OK) return status;
    fm_extractor *made = fm_allocate_zeroed(model->context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->model = model;
    made->arena.context = model->context;
    made->batch = asked.batch_size;
    status = open_program(made, &asked);
    if (status == FM_OK) {
        *extractor = made;
    } else {
        fm_extractor_destroy(made);
    }
    return status;
}

void fm_extractor_destroy(fm_extractor *extractor)
{
    if (!extractor) return;
    fm_context *context = extractor->model->context;
    fm_compiled_destroy(extractor->model, extractor->compiled);
    fm_arena_release(&extractor->arena);
    fm_release(context, extractor);
}

const char *fm_extractor_layer(const fm_extractor *extractor)
{
    return extractor->layer;
}

fm_shape fm_extractor_shape(const fm_extractor *extractor)
{
    return extractor->shape;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* x has room for a batch; of a smaller last one zeros, or earlier samples, follow. */
static fm_status extract(fm_extractor *e, const fm_dataset *data, void *x, double *features)
{
    int64_t count = fm_dataset_about(data)->count;
    size_t width = (size_t)fm_shape_elements(e->shape);
    fm_status status = e->is_input ? FM_OK : fm_program_reset(e->compiled->program);
    for (int64_t first = 0; first < count && status == FM_OK; first += e->batch) {
        int64_t rows = count - first < e->batch ? count - first : e->batch;
        const fm_data_request request = {.first = first, .count = rows, .fields = {x}};
        status = fm_dataset_read(e->model->context, data, &request);
        if (status == FM_OK && !e->is_input) {
            status = fm_compiled_run(e->model, e->compiled, x, NULL, 0);
        }
        const void *from = e->is_input ? x : e->features;
        for (size_t i = 0; i < (size_t)rows * width && status == FM_OK; i++) {
            *features++ = fm_element(from, e->dtype, i);
        }
    }
    return status;
}

fm_status fm_extract(fm_extractor *extractor, const fm_dataset *data, double *features)
{
    fm_model *model = extractor->model;
    const fm_model_options *o = &model->options;
    fm_status status = fm_model_check_data(model, data, false);
    if (status != FM_OK) return status;
    fm_shape batch = fm_shape_batch(extractor->batch, o->input_shape);
    void *x = fm_allocate_zeroed(model->context, (size_t)fm_shape_bytes(batch, o->input_dtype));
    status = x ? fm_model_swap_averages(model) : FM_ERROR_MEMORY;
    if (status == FM_OK) {
        status = extract(extractor, data, x, features);
        fm_status swapped = fm_model_swap_averages(model);
        if (status == FM_OK) status = swapped;
    }
    fm_release(model->context, x);
    return status;
}
