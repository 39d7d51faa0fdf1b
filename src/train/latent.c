/* Codes of variational autoencoders: drawn from the prior, and decoded. */
#include "fathom/latent.h"
#include "base/element.h"
#include "base/fields.h"
#include "base/random.h"
#include "train/graph_cut.h"
#include "train/model.h"

#include <string.h>

const fm_field fm_latent_fields[] = {
    {"seed", "same seed, same codes", offsetof(fm_latent_options, seed), .type = FM_FIELD_INT},
    {"first", "number of the first sample", offsetof(fm_latent_options, first),
     .type = FM_FIELD_INT, .maximum = UINT32_MAX},
    {"temperature", "deviation of the draws", offsetof(fm_latent_options, temperature),
     .type = FM_FIELD_REAL, .default_value = 1, .maximum = 1e6},
    {0},
};

/* ---- the layer ------------------------------------------------------------------------------- */

static fm_status find_code(fm_context *context, const fm_graph *graph, const fm_layer_note **found)
{
    int count = 0;
    for (size_t i = 0; i < graph->layer_count; i++) {
        if (strcmp(graph->layers[i].kind, "gaussian_sample") != 0) continue;
        *found = &graph->layers[i];
        count++;
    }
    if (count == 1) return FM_OK;
    return fm_fail(context, FM_ERROR_UNSUPPORTED,
                   "codes are drawn for a model with one layer gaussian_sample, a variational "
                   "autoencoder (see recipes/strokes-vae.yaml); this one has %d",
                   count);
}

fm_status fm_latent_shape(fm_model *model, fm_shape *code)
{
    const fm_layer_note *layer;
    fm_status status = find_code(model->context, model->graph, &layer);
    if (status == FM_OK) *code = fm_shape_sample(fm_val_shape(model->graph, layer->output));
    return status;
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void draw_code(const fm_latent_options *o, fm_dtype dtype, int64_t number, int64_t elements,
                      void *code)
{
    fm_random random =
        fm_random_at((uint64_t)o->seed, (uint32_t)(o->first + number), fm_stream_of("prior"));
    for (int64_t i = 0; i < elements; i++) {
        fm_element_put(code, dtype, (size_t)i, o->temperature * fm_random_normal(&random));
    }
}

fm_status fm_latent_draw(fm_model *model, const fm_latent_options *options, int64_t count,
                         void *codes)
{
    fm_latent_options o = options ? *options : (fm_latent_options){0};
    fm_shape code;
    fm_status status = fm_fields_complete(model->context, fm_latent_fields, &o, "latent");
    if (status == FM_OK) status = fm_latent_shape(model, &code);
    if (status != FM_OK) return status;
    size_t bytes = (size_t)fm_shape_bytes(code, model->options.dtype);
    for (int64_t i = 0; i < count; i++) {
        draw_code(&o, model->options.dtype, i, fm_shape_elements(code), (char *)codes + i * bytes);
    }
    return FM_OK;
}

/* ---- decoding -------------------------------------------------------------------------------- */

/* A decoder has no way around the code. */
static fm_status refuse_bypass(fm_context *context, fm_graph *graph)
{
    fm_val x = fm_graph_input(graph, "x");
    fm_status status = fm_graph_prune(graph);
    for (size_t i = 0; i < graph->node_count && status == FM_OK; i++) {
        const fm_node *node = &graph->nodes[i];
        for (int k = 0; k < node->input_count && !node->dead; k++) {
            if (node->inputs[k].id != x.id) continue;
            return fm_fail(context, FM_ERROR_UNSUPPORTED,
                           "%s reads the input past the code: from a code alone nothing can be "
                           "decoded",
                           *node->scope ? node->scope : "the model");
        }
    }
    return status;
}

static fm_status open_decoder(fm_model *model, int64_t batch, fm_program **program)
{
    fm_graph *graph;
    fm_val unused;
    const fm_layer_note *layer;
    fm_status status =
        fm_model_loss_graph(model, (fm_program_form){FM_PREDICT, batch, 0}, &graph, &unused);
    if (status != FM_OK) return status;
    status = find_code(model->context, graph, &layer);
    if (status == FM_OK) {
        fm_graph_cut(graph, layer, "code");
        status = fm_graph_status(graph);
    }
    if (status == FM_OK) status = refuse_bypass(model->context, graph);
    if (status == FM_OK) {
        status = fm_program_create(model->store, graph, &model->program_options, program);
    }
    fm_graph_destroy(graph);
    return status;
}

/* In pieces of `batch`; behind the last ones the input holds what it held. */
static fm_status decode(fm_program *program, int64_t batch, int64_t count, bool probabilities,
                        const char *codes, size_t code_bytes, char *predictions, size_t bytes)
{
    void *input = fm_program_input(program, "code");
    const void *from = probabilities ? fm_program_output(program, "probabilities") : NULL;
    if (!from) from = fm_program_output(program, "prediction");
    fm_status status = FM_OK;
    while (count > 0 && status == FM_OK) {
        int64_t here = count < batch ? count : batch;
        memcpy(input, codes, (size_t)here * code_bytes);
        status = fm_program_run(program);
        if (status == FM_OK) memcpy(predictions, from, (size_t)here * bytes);
        codes += (size_t)here * code_bytes;
        predictions += (size_t)here * bytes;
        count -= here;
    }
    return status;
}

fm_status fm_latent_decode(fm_model *model, const void *codes, int64_t count,
                           const fm_predict_options *options, void *predictions)
{
    const fm_evaluate_options given = {.batch_size = options ? options->batch_size : 0};
    int64_t batch = fm_field_int(fm_field_find(fm_evaluate_fields, "batch_size"), &given);
    fm_shape code;
    fm_program *program = NULL;
    fm_status status = fm_latent_shape(model, &code);
    if (status != FM_OK || count < 1) return status;
    if (batch > count) batch = count;
    status = open_decoder(model, batch, &program);
    if (status == FM_OK) status = fm_model_swap_averages(model);
    if (status == FM_OK) {
        status = decode(program, batch, count, options && options->probabilities, codes,
                        (size_t)fm_shape_bytes(code, model->options.dtype), predictions,
                        (size_t)fm_shape_bytes(model->output, model->options.dtype));
        fm_status swapped = fm_model_swap_averages(model);
        if (status == FM_OK) status = swapped;
    }
    fm_program_destroy(program);
    return status;
}
