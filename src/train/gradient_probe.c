/* The gradients' norms, by a program beside the training program. */
#include "train/gradient_probe.h"
#include "base/text.h"
#include "fathom/ops.h"
#include "ir/ir.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* What the program says of each variable: |g| has this largest element, and the squares of g /
 * largest have this sum, so that no square leaves the range of the numbers; the same of the
 * weights. */
enum { GRADIENT_LARGEST, GRADIENT_SQUARES, WEIGHT_LARGEST, WEIGHT_SQUARES, FIGURES };

/* And of each layer's output: mean, variance, share of zeros. */
enum { OUTPUT_MEAN, OUTPUT_VARIANCE, OUTPUT_ZEROS, OUTPUT_FIGURES };

struct fm_gradient_probe {
    int64_t batch, length; /* as in fm_batch */
    unsigned parts;
    fm_compiled *compiled;
    const void **figures; /* FIGURES for each variable: where the program leaves them */
    fm_gradient *variables;
    fm_gradient_layer *layers;
    const void **output_figures; /* OUTPUT_FIGURES for each */
    fm_layer_output *outputs;
    fm_gradients result;
    fm_arena arena; /* the texts and arrays */
};

/* ---- the graph ------------------------------------------------------------------------------- */

static const char *figure_name(fm_graph *g, int variable, int figure)
{
    return fm_arena_format(&g->arena, "gradient/%d/%d", variable, figure);
}

static void add_figures(fm_graph *g, fm_val x, int variable, int figure)
{
    const fm_ints all = {0};
    fm_val largest = fm_reduce_max(g, fm_abs(g, x), all, false);
    fm_val divisor = fm_maximum(g, largest, fm_scalar_as(g, fm_val_dtype(g, x), FLT_MIN));
    fm_val squares = fm_sum(g, fm_square(g, fm_div(g, x, divisor)), all, false);
    fm_val figures[2] = {largest, squares};
    for (int i = 0; i < 2; i++) {
        const char *name = figure_name(g, variable, figure + i);
        if (name) fm_output(g, name, figures[i]);
    }
}

/* Nothing is updated: running statistics too stay as they are. */
static void forget_updates(fm_graph *g)
{
    for (size_t i = 0; i < g->variable_count; i++) g->variables[i].next = (fm_val){0};
}

/* The trainable variables in order of creation; returns how many. wrt may be NULL. */
static int list_trainable(const fm_graph *g, fm_val *wrt)
{
    int count = 0;
    for (int i = 0; fm_graph_variable(g, i).id; i++) {
        fm_val variable = fm_graph_variable(g, i);
        if (!fm_val_trainable(g, variable)) continue;
        if (wrt) wrt[count] = variable;
        count++;
    }
    return count;
}

/* Layers whose outputs are numbers, in order; returns how many. */
static int list_outputs(const fm_graph *g, const fm_layer_note **notes)
{
    int count = 0;
    for (size_t i = 0; i < g->layer_count; i++) {
        if (!fm_dtype_is_real(fm_val_dtype(g, g->layers[i].output))) continue;
        if (notes) notes[count] = &g->layers[i];
        count++;
    }
    return count;
}

static fm_status add_outputs(fm_graph *g)
{
    const fm_ints all = {0};
    const fm_layer_note **notes =
        fm_arena_allocate(&g->arena, (g->layer_count + 1) * sizeof *notes);
    int count = notes ? list_outputs(g, notes) : 0;
    if (!notes) return FM_ERROR_MEMORY;
    for (int i = 0; i < count; i++) {
        fm_val x = notes[i]->output, mean = fm_mean(g, x, all, false);
        fm_val zero = fm_scalar_as(g, fm_val_dtype(g, x), 0);
        const fm_val figures[OUTPUT_FIGURES] = {
            mean, fm_mean(g, fm_square(g, fm_sub(g, x, mean)), all, false),
            fm_mean(g, fm_equal(g, x, zero), all, false)};
        for (int k = 0; k < OUTPUT_FIGURES; k++) {
            const char *name = fm_arena_format(&g->arena, "output/%d/%d", i, k);
            if (!name) return FM_ERROR_MEMORY;
            fm_output(g, name, figures[k]);
        }
    }
    return fm_graph_status(g);
}

static fm_status add_gradients(fm_graph *g, fm_val loss, unsigned parts)
{
    int count = list_trainable(g, NULL);
    fm_val *wrt = fm_arena_allocate(&g->arena, 2 * (size_t)count * sizeof *wrt + 1);
    if (!wrt) return FM_ERROR_MEMORY;
    fm_val *gradients = wrt + count, penalty = fm_graph_penalty(g);
    list_trainable(g, wrt);
    if (penalty.id) loss = fm_add(g, loss, penalty);
    fm_grad(g, loss, wrt, count, gradients);
    for (int i = 0; i < count; i++) {
        add_figures(g, gradients[i], i, GRADIENT_LARGEST);
        add_figures(g, wrt[i], i, WEIGHT_LARGEST);
        if (!(parts & FM_PROBE_ELEMENTS)) continue;
        const char *name = fm_arena_format(&g->arena, "gradient/%d", i);
        if (!name) return FM_ERROR_MEMORY;
        fm_output(g, name, gradients[i]);
    }
    forget_updates(g);
    return parts & FM_PROBE_OUTPUTS ? add_outputs(g) : fm_graph_status(g);
}

/* ---- the report ------------------------------------------------------------------------------ */

/* "encoder/dense_1" of "encoder/dense_1/kernel"; the path itself without a scope. */
static size_t layer_size(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : strlen(path);
}

static bool in_layer(const fm_gradient_layer *layer, const char *path)
{
    size_t size = layer_size(path);
    return strlen(layer->name) == size && memcmp(layer->name, path, size) == 0;
}

static fm_status name_variables(fm_gradient_probe *probe, const fm_graph *g)
{
    fm_gradients *result = &probe->result;
    for (int i = 0; fm_graph_variable(g, i).id; i++) {
        fm_val variable = fm_graph_variable(g, i);
        if (!fm_val_trainable(g, variable)) continue;
        fm_gradient *row = &probe->variables[result->variable_count];
        row->path = fm_arena_string(&probe->arena, fm_val_name(g, variable));
        row->elements = fm_shape_elements(fm_val_shape(g, variable));
        if (!row->path) return FM_ERROR_MEMORY;
        fm_gradient_layer *layer = &probe->layers[result->layer_count];
        if (!result->layer_count || !in_layer(layer - 1, row->path)) {
            layer->name =
                fm_arena_format(&probe->arena, "%.*s", (int)layer_size(row->path), row->path);
            layer->first = result->variable_count;
            if (!layer->name) return FM_ERROR_MEMORY;
            result->layer_count++;
        }
        probe->layers[result->layer_count - 1].count++;
        result->variable_count++;
    }
    return FM_OK;
}

static fm_status name_outputs(fm_gradient_probe *probe, const fm_graph *g)
{
    fm_arena *arena = &probe->arena;
    size_t most = g->layer_count + 1;
    const fm_layer_note **notes = fm_arena_allocate(arena, most * sizeof *notes);
    probe->outputs = fm_arena_allocate(arena, most * sizeof *probe->outputs);
    probe->output_figures =
        fm_arena_allocate(arena, most * OUTPUT_FIGURES * sizeof *probe->output_figures);
    if (!notes || !probe->outputs || !probe->output_figures) return FM_ERROR_MEMORY;
    int count = list_outputs(g, notes);
    for (int i = 0; i < count; i++) {
        probe->outputs[i].layer = fm_arena_string(arena, notes[i]->scope);
        if (!probe->outputs[i].layer) return FM_ERROR_MEMORY;
    }
    probe->result.outputs = probe->outputs;
    probe->result.output_count = count;
    return FM_OK;
}

static fm_status make_report(fm_gradient_probe *probe, const fm_graph *g)
{
    size_t count = (size_t)list_trainable(g, NULL) + 1;
    fm_arena *arena = &probe->arena;
    probe->figures = fm_arena_allocate(arena, count * FIGURES * sizeof *probe->figures);
    probe->variables = fm_arena_allocate(arena, count * sizeof *probe->variables);
    probe->layers = fm_arena_allocate(arena, count * sizeof *probe->layers);
    if (!probe->figures || !probe->variables || !probe->layers) return FM_ERROR_MEMORY;
    probe->result.variables = probe->variables;
    probe->result.layers = probe->layers;
    fm_status status = name_variables(probe, g);
    if (status != FM_OK || !(probe->parts & FM_PROBE_OUTPUTS)) return status;
    return name_outputs(probe, g);
}

static fm_status find_figures(fm_gradient_probe *probe)
{
    for (int i = 0; i < probe->result.variable_count; i++) {
        for (int k = 0; k < FIGURES; k++) {
            const char *name = fm_arena_format(&probe->arena, "gradient/%d/%d", i, k);
            if (!name) return FM_ERROR_MEMORY;
            probe->figures[i * FIGURES + k] = fm_program_output(probe->compiled->program, name);
        }
        if (!(probe->parts & FM_PROBE_ELEMENTS)) continue;
        const char *name = fm_arena_format(&probe->arena, "gradient/%d", i);
        if (!name) return FM_ERROR_MEMORY;
        probe->variables[i].values = fm_program_output(probe->compiled->program, name);
    }
    for (int i = 0; i < probe->result.output_count * OUTPUT_FIGURES; i++) {
        const char *name =
            fm_arena_format(&probe->arena, "output/%d/%d", i / OUTPUT_FIGURES, i % OUTPUT_FIGURES);
        if (!name) return FM_ERROR_MEMORY;
        probe->output_figures[i] = fm_program_output(probe->compiled->program, name);
    }
    return FM_OK;
}

static double figure(const fm_model *model, const void *number)
{
    return model->options.dtype == FM_F64 ? *(const double *)number
                                          : (double)*(const float *)number;
}

static void read_variable(const fm_model *model, const fm_gradient_probe *probe, int i)
{
    fm_gradient *row = &probe->variables[i];
    double of[FIGURES];
    for (int k = 0; k < FIGURES; k++) of[k] = figure(model, probe->figures[i * FIGURES + k]);
    row->largest = of[GRADIENT_LARGEST];
    row->norm = of[GRADIENT_LARGEST] * sqrt(of[GRADIENT_SQUARES]);
    row->weight_norm = of[WEIGHT_LARGEST] * sqrt(of[WEIGHT_SQUARES]);
}

static void read_output(const fm_model *model, const fm_gradient_probe *probe, int i)
{
    fm_layer_output *row = &probe->outputs[i];
    const void **of = probe->output_figures + (size_t)i * OUTPUT_FIGURES;
    row->mean = figure(model, of[OUTPUT_MEAN]);
    row->deviation = sqrt(figure(model, of[OUTPUT_VARIANCE]));
    row->zeros = figure(model, of[OUTPUT_ZEROS]);
}

static const double tolerated_ratio = 1e4;

fm_gradient_state fm_gradient_judge(double norm, double reference)
{
    if (!isfinite(norm) || norm > reference * tolerated_ratio) return FM_GRADIENT_EXPLODING;
    bool vanishes = norm == 0 || norm < reference / tolerated_ratio;
    return vanishes ? FM_GRADIENT_VANISHING : FM_GRADIENT_SOUND;
}

static void read_report(const fm_model *model, fm_gradient_probe *probe)
{
    fm_gradients *result = &probe->result;
    result->norm = 0;
    result->loss = fm_compiled_loss(model, probe->compiled);
    for (int i = 0; i < result->variable_count; i++) read_variable(model, probe, i);
    for (int i = 0; i < result->output_count; i++) read_output(model, probe, i);
    for (int i = 0; i < result->layer_count; i++) {
        fm_gradient_layer *layer = &probe->layers[i];
        layer->norm = layer->weight_norm = 0;
        for (int k = layer->first; k < layer->first + layer->count; k++) {
            layer->norm = hypot(layer->norm, probe->variables[k].norm);
            layer->weight_norm = hypot(layer->weight_norm, probe->variables[k].weight_norm);
        }
        result->norm = hypot(result->norm, layer->norm);
    }
    for (int i = 0; i < result->layer_count; i++) {
        probe->layers[i].state =
            fm_gradient_judge(probe->layers[i].norm, probe->layers[result->layer_count - 1].norm);
    }
}

const char *fm_gradient_state_name(fm_gradient_state state)
{
    static const char *const names[] = {"sound", "vanishing", "exploding"};
    return names[state];
}

/* ---- all together ---------------------------------------------------------------------------- */

static fm_status open_probe(fm_model *model, fm_gradient_probe *probe)
{
    fm_graph *graph;
    fm_val loss;
    const fm_program_form form = {FM_TRAIN, probe->batch, probe->length};
    fm_status status = fm_model_loss_graph(model, form, &graph, &loss);
    if (status != FM_OK) return status;
    status = add_gradients(graph, loss, probe->parts);
    if (status == FM_OK) status = make_report(probe, graph);
    if (status == FM_OK) {
        status =
            fm_model_compile_graph(model, form, graph, &model->program_options, &probe->compiled);
    }
    fm_graph_destroy(graph);
    return status == FM_OK ? find_figures(probe) : status;
}

fm_status fm_gradient_probe_open(fm_model *model, int64_t batch, int64_t length, unsigned parts)
{
    const fm_gradient_probe *there = model->probe;
    bool fits = there && there->batch == batch && there->length == length;
    if (fits && (there->parts & parts) == parts) return FM_OK;
    fm_gradient_probe_close(model);
    fm_gradient_probe *probe = fm_allocate_zeroed(model->context, sizeof *probe);
    if (!probe) return FM_ERROR_MEMORY;
    probe->arena.context = model->context;
    probe->batch = batch;
    probe->length = length;
    probe->parts = parts;
    model->probe = probe;
    fm_status status = open_probe(model, probe);
    if (status != FM_OK) fm_gradient_probe_close(model);
    return status;
}

void fm_gradient_probe_close(fm_model *model)
{
    fm_gradient_probe *probe = model->probe;
    if (!probe) return;
    fm_compiled_destroy(model, probe->compiled);
    fm_arena_release(&probe->arena);
    fm_release(model->context, probe);
    model->probe = NULL;
}

const fm_layer_output *fm_gradient_probe_outputs(const fm_model *model, int *count)
{
    *count = model->probe->result.output_count;
    return model->probe->outputs;
}

fm_status fm_model_gradients(fm_model *model, const fm_batch *batch, const fm_gradients **gradients)
{
    *gradients = NULL;
    fm_status status = fm_batch_check(model, batch);
    if (status == FM_OK) {
        status = fm_gradient_probe_open(model, batch->count, batch->length, 0);
    }
    if (status != FM_OK) return status;
    fm_gradient_probe *probe = model->probe;
    status = fm_compiled_run(model, probe->compiled, batch->x, batch->y, 0);
    if (status != FM_OK) return status;
    probe->result.step = fm_store_step(model->store);
    read_report(model, probe);
    *gradients = &probe->result;
    return FM_OK;
}
