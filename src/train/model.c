#include "train/gradient_probe.h"
#include "train/privacy/private_training.h"
#include "fathom/ops.h"
#include "nn/private_minimize.h"
#include "ir/ir.h"
#include "nn/layer.h"
#include "nn/metric_kinds.h"
#include "run/store.h"

#include <stdio.h>
#include <string.h>

/* ---- the graph ------------------------------------------------------------------------------- */

/* From logits to probabilities, for predicting. */
static const struct {
    int loss;
    fm_val (*build)(fm_graph *g, fm_val x);
} links[] = {{FM_CATEGORICAL_CROSSENTROPY, fm_softmax},
             {FM_SPARSE_CATEGORICAL_CROSSENTROPY, fm_softmax},
             {FM_KL_DIVERGENCE, fm_softmax},
             {FM_BINARY_CROSSENTROPY, fm_sigmoid}};

static void add_probabilities(const fm_model *model, fm_graph *graph, fm_val prediction)
{
    if (model->options.loss_options.from_probabilities) return;
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        if (links[i].loss != model->options.loss) continue;
        fm_output(graph, "probabilities", links[i].build(graph, prediction));
    }
}

/* The losses of auxiliary heads count as penalties: they are trained on,
 * and not in the loss that is told. */
static void add_auxiliaries(const fm_model *model, fm_graph *graph, fm_val y)
{
    fm_val prediction;
    double weight;
    for (int i = 0; (prediction = fm_graph_auxiliary(graph, i, &weight)).id; i++) {
        fm_val loss =
            fm_loss_with(graph, model->options.loss, prediction, y, &model->options.loss_options);
        fm_add_penalty(graph, fm_mul_scalar(graph, loss, weight));
    }
}

static fm_val add_loss(const fm_model *model, fm_graph *graph, fm_val prediction)
{
    fm_shape shape;
    fm_dtype dtype;
    fm_status status =
        fm_loss_label(model->context, model->options.loss, fm_val_shape(graph, prediction),
                      fm_graph_dtype(graph), &shape, &dtype);
    if (status != FM_OK) {
        return fm_graph_fail(graph, status, "%s", fm_error_message(model->context));
    }
    fm_val y = fm_input(graph, "y", dtype, shape);
    fm_loss_options options = model->options.loss_options;
    if (model->private && fm_graph_mode(graph) == FM_TRAIN && shape.dims[0] > 1) {
        options.sample_weight =
            fm_input(graph, FM_EXAMPLE_WEIGHT, fm_graph_dtype(graph), FM_SHAPE(shape.dims[0]));
    }
    fm_val loss = fm_loss_with(graph, model->options.loss, prediction, y, &options);
    fm_output(graph, "loss", loss);
    if (fm_graph_mode(graph) == FM_TRAIN) add_auxiliaries(model, graph, y);
    return loss;
}

/* Returns the loss, {0} for FM_PREDICT. */
static fm_val build_graph(const fm_model *model, fm_graph *graph, int64_t batch, fm_shape sample)
{
    const fm_model_options *options = &model->options;
    fm_val x = fm_input(graph, "x", options->input_dtype, fm_shape_batch(batch, sample));
    fm_val prediction = options->build(graph, x, options->argument);
    if (!prediction.id) {
        return fm_graph_fail(graph, FM_ERROR_ARGUMENT, "the model function returned no value");
    }
    fm_shape shape = fm_val_shape(graph, prediction);
    if (shape.rank < 1 || shape.dims[0] != batch ||
        fm_val_dtype(graph, prediction) != fm_graph_dtype(graph)) {
        return fm_graph_fail(graph, FM_ERROR_SHAPE,
                             "the model returned %s %s, wanted %s with a batch of %lld first",
                             fm_dtype_name(fm_val_dtype(graph, prediction)),
                             fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}),
                             fm_dtype_name(fm_graph_dtype(graph)), (long long)batch);
    }
    fm_graph_check_freeze(graph);
    fm_output(graph, "prediction", prediction);
    if (fm_graph_mode(graph) == FM_PREDICT) {
        add_probabilities(model, graph, prediction);
        return (fm_val){0};
    }
    return add_loss(model, graph, prediction);
}

static fm_status make_graph(const fm_model *model, const fm_graph_options *options, int64_t batch,
                            fm_shape sample, fm_graph **graph, fm_val *loss)
{
    *graph = NULL;
    if (batch < 1) {
        return fm_fail(model->context, FM_ERROR_ARGUMENT, "a batch of %lld samples was asked for",
                       (long long)batch);
    }
    fm_graph *made;
    fm_status status = fm_graph_create(model->context, options, &made);
    if (status != FM_OK) return status;
    *loss = build_graph(model, made, batch, sample);
    status = fm_graph_status(made);
    if (status == FM_OK) {
        *graph = made;
    } else {
        fm_graph_destroy(made);
    }
    return status;
}

/* ---- samples of several lengths ---- */

/* 0 where the length is the usual one: one program serves both. */
static int64_t unusual_length(const fm_model *model, int64_t length)
{
    const fm_shape *sample = &model->options.input_shape;
    return sample->rank > 0 && length == sample->dims[0] ? 0 : length;
}

fm_shape fm_model_sample(const fm_model *model, int64_t length)
{
    fm_shape sample = model->options.input_shape;
    if (length > 0 && sample.rank > 0) sample.dims[0] = length;
    return sample;
}

static const char buckets_advice[] = "batches of several lengths (data: buckets) need layers that "
                                     "are the same for each: pooling over "
                                     "all steps, recurrent layers, attention";

/* A variable by its layer and name. */
static fm_status fail_variable(const fm_model *model, const char *path, fm_shape usual,
                               fm_shape other, int64_t length)
{
    char first[FM_SHAPE_TEXT], second[FM_SHAPE_TEXT];
    const char *slash = strrchr(path, '/');
    return fm_fail(model->context, FM_ERROR_SHAPE,
                   "layer '%.*s': its %s is %s for samples of %lld steps and %s for %lld; %s",
                   slash ? (int)(slash - path) : 0, path, slash ? slash + 1 : path,
                   fm_shape_text(usual, first), (long long)model->options.input_shape.dims[0],
                   fm_shape_text(other, second), (long long)length, buckets_advice);
}

/* The same variables and the same output as for samples of the usual length. */
static fm_status check_length(const fm_model *model, const fm_graph *graph, int64_t length)
{
    const fm_graph *usual = model->graph;
    for (size_t i = 0; i < graph->variable_count; i++) {
        const fm_value *value = fm_value_of(graph, graph->variables[i].value);
        uint32_t index;
        if (graph->variables[i].options.carried) continue;
        if (!fm_map_get(&usual->variable_by_path, value->name, &index)) continue;
        const fm_value *had = fm_value_of(usual, usual->variables[index].value);
        if (fm_shape_equal(had->shape, value->shape)) continue;
        return fail_variable(model, value->name, had->shape, value->shape, length);
    }
    fm_shape output = fm_shape_sample(fm_val_shape(graph, fm_graph_output(graph, "prediction")));
    if (fm_shape_equal(output, model->output)) return FM_OK;
    char first[FM_SHAPE_TEXT], second[FM_SHAPE_TEXT];
    return fm_fail(model->context, FM_ERROR_SHAPE,
                   "the model's prediction is %s for samples of %lld steps and %s for %lld; with "
                   "batches of several lengths (data: buckets) it has one shape",
                   fm_shape_text(model->output, first),
                   (long long)model->options.input_shape.dims[0], fm_shape_text(output, second),
                   (long long)length);
}

/* The model of shorter samples, or a sentence that says why there is none. */
static fm_status make_short_graph(const fm_model *model, const fm_graph_options *options,
                                  fm_program_form form, fm_graph **graph, fm_val *loss)
{
    fm_shape sample = fm_model_sample(model, form.length);
    fm_status status = make_graph(model, options, form.batch, sample, graph, loss);
    if (status == FM_ERROR_SHAPE || status == FM_ERROR_ARGUMENT) {
        return fm_fail(model->context, status, "%s; this is for samples of %lld steps: %s",
                       fm_error_message(model->context), (long long)form.length, buckets_advice);
    }
    if (status != FM_OK) return status;
    status = check_length(model, *graph, form.length);
    if (status == FM_OK) return FM_OK;
    fm_graph_destroy(*graph);
    *graph = NULL;
    return status;
}

fm_status fm_model_loss_graph(const fm_model *model, fm_program_form form, fm_graph **graph,
                              fm_val *loss)
{
    const fm_graph_options options = {
        .mode = form.mode, .dtype = model->options.dtype, .freeze = model->options.freeze};
    form.length = unusual_length(model, form.length);
    if (form.length) return make_short_graph(model, &options, form, graph, loss);
    return make_graph(model, &options, form.batch, model->options.input_shape, graph, loss);
}

fm_status fm_model_finish_graph(fm_graph **graph)
{
    fm_status status = fm_graph_status(*graph);
    if (status == FM_OK) return FM_OK;
    fm_graph_destroy(*graph);
    *graph = NULL;
    return status;
}

/* With what the optimizer adds, for FM_TRAIN. */
static fm_status make_whole_graph(const fm_model *model, fm_program_form form, fm_graph **graph)
{
    fm_val loss;
    if (model->private && form.mode == FM_TRAIN)
        return fm_private_sum_graph(model, form.batch, graph);
    fm_status status = fm_model_loss_graph(model, form, graph, &loss);
    if (status != FM_OK || form.mode != FM_TRAIN) return status;
    fm_minimize_with(*graph, loss, &model->options.optimizer);
    return fm_model_finish_graph(graph);
}

fm_status fm_model_variables_graph(fm_model *model, fm_graph **graph)
{
    if (model->private) return fm_private_update_graph(model, graph);
    return fm_model_graph(model, FM_TRAIN, 1, graph);
}

fm_status fm_model_graph(fm_model *model, fm_mode mode, int64_t batch_size, fm_graph **graph)
{
    return make_whole_graph(model, (fm_program_form){mode, batch_size, 0}, graph);
}

/* ---- programs -------------------------------------------------------------------------------- */

fm_status fm_model_compile(fm_model *model, fm_program_form form, const fm_program_options *options,
                           fm_compiled **compiled)
{
    *compiled = NULL;
    fm_graph *graph;
    fm_status status = make_whole_graph(model, form, &graph);
    if (status != FM_OK) return status;
    status = fm_model_compile_graph(model, form, graph, options, compiled);
    fm_graph_destroy(graph);
    return status;
}

static void find_told(const fm_model *model, fm_compiled *made)
{
    char output[FM_TOLD_LENGTH];
    for (int i = 0; i < model->options.metric_count; i++) {
        const fm_metric_options *metric = &model->options.metrics[i];
        if (metric->metric != FM_TOLD_METRIC) continue;
        snprintf(output, sizeof output, FM_METRIC_OUTPUT "%s", metric->name);
        made->told[i] = fm_program_output(made->program, output);
    }
}

fm_status fm_model_compile_graph(fm_model *model, fm_program_form form, const fm_graph *graph,
                                 const fm_program_options *options, fm_compiled **compiled)
{
    *compiled = NULL;
    fm_program_options how = *options;
    how.memory = form.mode == FM_TRAIN ? (size_t)model->options.memory : 0;
    if (form.mode == FM_TRAIN) how.precision = model->options.precision;
    fm_compiled *made = fm_allocate_zeroed(model->context, sizeof *made);
    fm_status status =
        made ? fm_program_create(model->store, graph, &how, &made->program) : FM_ERROR_MEMORY;
    if (status != FM_OK) {
        fm_release(model->context, made);
        return status;
    }
    made->mode = form.mode;
    made->batch = form.batch;
    made->length = unusual_length(model, form.length);
    made->bound_x = made->own_x = fm_program_input(made->program, "x");
    made->bound_y = made->own_y = fm_program_input(made->program, "y");
    made->x_bytes =
        (size_t)fm_shape_bytes(fm_model_sample(model, form.length), model->options.input_dtype);
    made->y_bytes = (size_t)fm_shape_bytes(model->label, model->label_dtype);
    made->rate = fm_program_input(made->program, FM_LEARNING_RATE);
    made->loss = fm_program_output(made->program, "loss");
    made->prediction = fm_program_output(made->program, "prediction");
    made->probabilities = fm_program_output(made->program, "probabilities");
    find_told(model, made);
    *compiled = made;
    return FM_OK;
}

void fm_compiled_destroy(fm_model *model, fm_compiled *compiled)
{
    if (!compiled) return;
    fm_program_destroy(compiled->program);
    fm_release(model->context, compiled);
}

fm_compiled *fm_model_find_compiled(const fm_model *model, fm_program_form form)
{
    const int64_t length = unusual_length(model, form.length);
    for (size_t i = 0; i < model->compiled_count; i++) {
        fm_compiled *compiled = model->compiled[i];
        bool same = compiled->mode == form.mode && compiled->batch == form.batch;
        if (same && compiled->length == length) return compiled;
    }
    return NULL;
}

fm_status fm_model_compiled(fm_model *model, fm_program_form form, fm_compiled **compiled)
{
    *compiled = fm_model_find_compiled(model, form);
    if (*compiled) return FM_OK;
    fm_status status = fm_grow(model->context, &model->compiled, &model->compiled_capacity,
                               model->compiled_count + 1, sizeof *model->compiled);
    if (status == FM_OK) {
        status = fm_model_compile(model, form, &model->program_options, compiled);
    }
    if (status == FM_OK) model->compiled[model->compiled_count++] = *compiled;
    return status;
}

fm_status fm_model_compile_forms(fm_model *model, fm_mode mode, const fm_loader *loader)
{
    fm_status status = FM_OK;
    fm_batch_form form;
    fm_compiled *unused;
    for (int i = 0; (form = fm_loader_form(loader, i)).batches > 0 && status == FM_OK; i++) {
        status =
            fm_model_compiled(model, (fm_program_form){mode, form.count, form.length}, &unused);
    }
    return status;
}

fm_status fm_model_program(fm_model *model, fm_mode mode, int64_t batch_size, fm_program **program)
{
    fm_compiled *compiled;
    fm_status status = fm_model_compiled(model, (fm_program_form){mode, batch_size, 0}, &compiled);
    *program = status == FM_OK ? compiled->program : NULL;
    return status;
}

fm_status fm_model_stream(fm_model *model, int64_t batch, int64_t length, int64_t stream_length,
                          fm_program **program)
{
    *program = NULL;
    fm_shape sample = model->options.input_shape;
    if (sample.rank < 1 || length < 1 || stream_length < length) {
        return fm_fail(
            model->context, FM_ERROR_ARGUMENT,
            "a stream of %lld steps in pieces of %lld was asked for, of samples %s: wanted "
            "a sequence, (time, ...), and pieces that fit into it",
            (long long)stream_length, (long long)length,
            fm_shape_text(sample, (char[FM_SHAPE_TEXT]){0}));
    }
    sample.dims[0] = length;
    fm_graph *graph;
    fm_val loss;
    const fm_graph_options options = {
        .mode = FM_PREDICT, .dtype = model->options.dtype, .stream_length = stream_length};
    fm_status status = make_graph(model, &options, batch, sample, &graph, &loss);
    if (status != FM_OK) return status;
    status = fm_program_create(model->store, graph, &model->program_options, program);
    fm_graph_destroy(graph);
    return status;
}

fm_status fm_model_reset(fm_model *model, fm_mode mode)
{
    fm_status status = FM_OK;
    for (size_t i = 0; i < model->compiled_count && status == FM_OK; i++) {
        if (model->compiled[i]->mode != mode) continue;
        status = fm_program_reset(model->compiled[i]->program);
    }
    return status;
}

fm_status fm_model_require_variables(fm_model *model)
{
    fm_status status = FM_OK;
    for (size_t i = 0; i < model->graph->variable_count && status == FM_OK; i++) {
        const fm_graph_variable_record *record = &model->graph->variables[i];
        const fm_value *value = fm_value_of(model->graph, record->value);
        uint32_t index;
        if (record->options.carried) continue;
        status = fm_store_require(model->store, value->name, value->dtype, value->shape,
                                  &record->options, &index);
    }
    return status;
}

/* ---- create ---------------------------------------------------------------------------------- */

static fm_status copy_backends(fm_model *model)
{
    const char *const *given = model->program_options.backends;
    size_t count = 0;
    while (given && given[count]) count++;
    if (!given) return FM_OK;
    const char **copy = fm_arena_allocate(&model->arena, (count + 1) * sizeof *copy);
    if (!copy) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        copy[i] = fm_arena_string(&model->arena, given[i]);
        if (!copy[i]) return FM_ERROR_MEMORY;
    }
    model->program_options.backends = copy;
    return FM_OK;
}

/* Copies what the options point at, except for `argument`. */
static fm_status copy_options(fm_model *model, const fm_model_options *options)
{
    model->options = *options;
    if (options->program) model->program_options = *options->program;
    model->program_options.shares_arena = true;
    model->options.program = NULL;
    if (copy_backends(model) != FM_OK) return FM_ERROR_MEMORY;
    model->options.privacy = NULL; /* model->private has a copy */
    if (options->freeze) {
        model->options.freeze = fm_arena_string(&model->arena, options->freeze);
        if (!model->options.freeze) return FM_ERROR_MEMORY;
    }
    fm_loss_options *loss = &model->options.loss_options;
    if (loss->class_weights && loss->class_count > 0) { /* else it is the graph's mistake */
        size_t bytes = (size_t)loss->class_count * sizeof(double);
        double *weights = fm_arena_allocate(&model->arena, bytes);
        if (!weights) return FM_ERROR_MEMORY;
        memcpy(weights, loss->class_weights, bytes);
        loss->class_weights = weights;
    }
    for (int i = 0; i < options->metric_count; i++) {
        fm_metric_options *metric = &model->options.metrics[i];
        metric->from_probabilities |= loss->from_probabilities;
        if (!metric->name) continue;
        metric->name = fm_arena_string(&model->arena, metric->name);
        if (!metric->name) return FM_ERROR_MEMORY;
    }
    return FM_OK;
}

static fm_status check_options(fm_context *context, const fm_model_options *options)
{
    if (!options->build) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "a model needs a function that builds it");
    }
    if (!fm_loss_at(options->loss)) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "there is no loss %d", options->loss);
    }
    if (options->metric_count < 0 || options->metric_count > FM_MAX_METRICS) {
        return fm_fail(context, FM_ERROR_LIMIT,
                       "%d metrics were asked for, at most %d are possible", options->metric_count,
                       FM_MAX_METRICS);
    }
    if (options->memory < 0) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "a memory budget of %lld bytes was asked for",
                       (long long)options->memory);
    }
    if (options->input_shape.rank >= FM_MAX_RANK || fm_shape_elements(options->input_shape) < 1) {
        return fm_fail(context, FM_ERROR_SHAPE, "a sample cannot have the shape %s",
                       fm_shape_text(options->input_shape, (char[FM_SHAPE_TEXT]){0}));
    }
    return fm_schedule_check(context, &options->schedule);
}

/* What the graph tells joins the metrics. */
static fm_status add_told(fm_model *model, const fm_graph *graph)
{
    fm_model_options *options = &model->options;
    static const char prefix[] = FM_METRIC_OUTPUT;
    for (size_t i = 0; i < graph->output_count; i++) {
        const char *name = graph->outputs[i].name;
        if (strncmp(name, prefix, sizeof prefix - 1) != 0) continue;
        if (options->metric_count == FM_MAX_METRICS) {
            return fm_fail(model->context, FM_ERROR_LIMIT,
                           "with those that layers tell there are more than %d metrics",
                           FM_MAX_METRICS);
        }
        fm_metric_options *metric = &options->metrics[options->metric_count];
        *metric = (fm_metric_options){.metric = FM_TOLD_METRIC};
        metric->name = fm_arena_string(&model->arena, name + sizeof prefix - 1);
        if (!metric->name) return FM_ERROR_MEMORY;
        options->metric_count++;
    }
    return FM_OK;
}

static fm_status find_shapes(fm_model *model)
{
    fm_graph *graph;
    fm_status status = fm_model_graph(model, FM_TRAIN, 1, &graph);
    if (status == FM_OK) status = add_told(model, graph);
    fm_graph_destroy(graph); /* the loss's and the optimizer's mistakes, too, are found here */
    if (status == FM_OK) status = fm_model_graph(model, FM_PREDICT, 1, &model->graph);
    if (status != FM_OK) return status;
    graph = model->graph;
    fm_shape batch = fm_val_shape(graph, fm_graph_output(graph, "prediction"));
    model->output = fm_shape_sample(batch);
    status = fm_loss_label(model->context, model->options.loss, batch, model->options.dtype, &batch,
                           &model->label_dtype);
    if (status == FM_OK) model->label = fm_shape_sample(batch);
    return status;
}

static fm_status resolve_metric(fm_model *model, fm_metric_options *metric)
{
    if (metric->metric != FM_ACCURACY) return FM_OK;
    metric->metric = fm_metric_resolve("accuracy", model->options.loss, model->output);
    if (!metric->name) metric->name = "accuracy";
    return FM_OK;
}

static fm_status create_metrics(fm_model *model)
{
    for (int i = 0; i < model->options.metric_count; i++) {
        fm_metric_options *options = &model->options.metrics[i];
        fm_status status = resolve_metric(model, options);
        fm_metric **pair[2] = {&model->train_metrics[i], &model->metrics[i]};
        for (int k = 0; k < 2 && status == FM_OK; k++) {
            status = options->metric == FM_TOLD_METRIC
                         ? fm_metric_create_told(model->context, options->name, pair[k])
                         : fm_metric_create(model->context, options, model->output, model->label,
                                            pair[k]);
        }
        if (status != FM_OK) return status;
        const char *name = fm_metric_name(model->metrics[i]);
        for (int k = 0; k < i; k++) {
            if (strcmp(name, fm_metric_name(model->metrics[k])) != 0) continue;
            return fm_fail(model->context, FM_ERROR_ARGUMENT,
                           "two metrics are called '%s': give one another name", name);
        }
    }
    return FM_OK;
}

fm_status fm_model_create(fm_context *context, const fm_model_options *options, fm_model **model)
{
    static const fm_model_options none = {0};
    *model = NULL;
    if (!options) options = &none;
    fm_status status = check_options(context, options);
    if (status != FM_OK) return status;
    fm_model *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->context = made->arena.context = context;
    fm_training_clear(made);
    status = copy_options(made, options);
    if (status == FM_OK) status = fm_store_create(context, (uint64_t)options->seed, &made->store);
    if (status == FM_OK && options->privacy) status = fm_private_create(made, options->privacy);
    if (status == FM_OK) status = find_shapes(made);
    if (status == FM_OK) status = create_metrics(made);
    if (status == FM_OK) {
        *model = made;
    } else {
        fm_model_destroy(made);
    }
    return status;
}

void fm_model_destroy(fm_model *model)
{
    if (!model) return;
    fm_context *context = model->context;
    fm_training_clear(model);
    fm_gradient_probe_close(model);
    fm_private_destroy(model);
    for (size_t i = 0; i < model->compiled_count; i++) {
        fm_compiled_destroy(model, model->compiled[i]);
    }
    fm_release(context, model->compiled);
    for (int i = 0; i < FM_MAX_METRICS; i++) {
        fm_metric_destroy(model->train_metrics[i]);
        fm_metric_destroy(model->metrics[i]);
    }
    for (size_t i = 0; i < model->note_count; i++) {
        fm_release(context, model->notes[i].key);
        fm_release(context, model->notes[i].text);
    }
    fm_release(context, model->notes);
    fm_graph_destroy(model->graph);
    fm_store_destroy(model->store);
    fm_arena_release(&model->arena);
    fm_release(context, model);
}

void fm_model_set_precision(fm_model *model, fm_precision precision)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->compiled_count; i++) {
        fm_compiled *compiled = model->compiled[i];
        if (compiled->mode == FM_TRAIN) {
            model->compiled[kept++] = compiled;
        } else {
            fm_compiled_destroy(model, compiled);
        }
    }
    model->compiled_count = kept;
    model->program_options.precision = (int)precision;
}

/* ---- looking --------------------------------------------------------------------------------- */

fm_context *fm_model_context(const fm_model *model)
{
    return model->context;
}

fm_store *fm_model_store(const fm_model *model)
{
    return model->store;
}

fm_shape fm_model_input(const fm_model *model, fm_dtype *dtype)
{
    if (dtype) *dtype = model->options.input_dtype;
    return model->options.input_shape;
}

fm_shape fm_model_output(const fm_model *model, fm_dtype *dtype)
{
    if (dtype) *dtype = model->options.dtype;
    return model->output;
}

fm_shape fm_model_label(const fm_model *model, fm_dtype *dtype)
{
    if (dtype) *dtype = model->label_dtype;
    return model->label;
}

int fm_model_metric_count(const fm_model *model)
{
    return model->options.metric_count;
}

const fm_metric *fm_model_metric(const fm_model *model, int i)
{
    return i >= 0 && i < model->options.metric_count ? model->metrics[i] : NULL;
}

const char *fm_model_metric_name(const fm_model *model, int i)
{
    const fm_metric *metric = fm_model_metric(model, i);
    return metric ? fm_metric_name(metric) : NULL;
}

double fm_model_rate(const fm_model *model, double steps_per_epoch)
{
    const fm_optimizer *optimizer = &model->options.optimizer;
    int64_t runs = optimizer->accumulate_steps > 1 ? optimizer->accumulate_steps : 1;
    return fm_schedule_rate(&model->options.schedule, fm_optimizer_rate(optimizer),
                            fm_store_step(model->store) / (uint64_t)runs,
                            steps_per_epoch / (double)runs);
}

/* ---- notes ----------------------------------------------------------------------------------- */

static fm_note *find_note(const fm_model *model, const char *key)
{
    for (size_t i = 0; i < model->note_count; i++) {
        if (strcmp(model->notes[i].key, key) == 0) return &model->notes[i];
    }
    return NULL;
}

static void remove_note(fm_model *model, fm_note *note)
{
    fm_release(model->context, note->key);
    fm_release(model->context, note->text);
    *note = model->notes[--model->note_count];
}

static fm_status add_note(fm_model *model, const char *key, char *text)
{
    fm_status status = fm_grow(model->context, &model->notes, &model->note_capacity,
                               model->note_count + 1, sizeof *model->notes);
    char *copy = status == FM_OK ? fm_copy_string(model->context, key) : NULL;
    if (!copy) return FM_ERROR_MEMORY;
    model->notes[model->note_count++] = (fm_note){copy, text};
    return FM_OK;
}

fm_status fm_model_set_note(fm_model *model, const char *key, const char *text)
{
    if (strncmp(key, "fathom.", 7) == 0) {
        return fm_fail(model->context, FM_ERROR_ARGUMENT,
                       "the note '%s': keys that begin with 'fathom.' are taken", key);
    }
    fm_note *note = find_note(model, key);
    if (!text) {
        if (note) remove_note(model, note);
        return FM_OK;
    }
    char *copy = fm_copy_string(model->context, text);
    if (!copy) return FM_ERROR_MEMORY;
    if (note) {
        fm_release(model->context, note->text);
        note->text = copy;
        return FM_OK;
    }
    fm_status status = add_note(model, key, copy);
    if (status != FM_OK) fm_release(model->context, copy);
    return status;
}

const char *fm_model_note(const fm_model *model, const char *key)
{
    const fm_note *note = find_note(model, key);
    return note ? note->text : NULL;
}
