#include "train/explain_program.h"
#include "train/graph_cut.h"
#include "train/layer_notes.h"
#include "fathom/ops.h"

#include <string.h>

/* ---- layers ---------------------------------------------------------------------------------- */

static bool is_spatial(const fm_graph *g, fm_val value)
{
    fm_shape shape = fm_val_shape(g, value);
    return shape.rank == 4 && shape.dims[1] * shape.dims[2] > 1;
}

static const fm_layer_note *last_spatial(const fm_graph *g)
{
    for (size_t i = g->layer_count; i-- > 0;) {
        if (is_spatial(g, g->layers[i].output)) return &g->layers[i];
    }
    return NULL;
}

static const fm_layer_note *first_embedding(const fm_graph *g)
{
    for (size_t i = 0; i < g->layer_count; i++) {
        if (strcmp(g->layers[i].kind, "embedding") == 0) return &g->layers[i];
    }
    return NULL;
}

static fm_status fail_layer(fm_graph *g, const char *asked)
{
    fm_text text = FM_TEXT(g->context);
    fm_layer_notes_list(g, &text);
    fm_status status = fm_text_status(&text);
    if (status == FM_OK) {
        status = asked ? fm_fail(g->context, FM_ERROR_NOT_FOUND,
                                 "grad_cam: no layer '%s' with an output (height, width, "
                                 "channels); the layers are %s",
                                 asked, fm_text_string(&text))
                       : fm_fail(g->context, FM_ERROR_UNSUPPORTED,
                                 "grad_cam: wanted is a layer with an output (height, width, "
                                 "channels) of more than one position; the layers are %s",
                                 fm_text_string(&text));
    }
    fm_text_release(&text);
    return status;
}

/* ---- the graph ------------------------------------------------------------------------------- */

/* What the gradient is taken with respect to; `value` is an output of the graph then. */
typedef struct target {
    fm_val wrt, value;
} target;

static fm_status find_layer(fm_graph *g, const char *asked, fm_arena *arena, const char **found,
                            target *made)
{
    const fm_layer_note *note = asked ? fm_layer_note_named(g, asked) : last_spatial(g);
    if (!note || !is_spatial(g, note->output)) return fail_layer(g, asked);
    *found = fm_arena_string(arena, note->scope);
    *made = (target){note->output, note->output};
    return *found ? FM_OK : FM_ERROR_MEMORY;
}

/* Everything behind the embedding reads an input in its place. */
static fm_status split_at_embedding(fm_graph *g, target *made)
{
    const fm_layer_note *note = first_embedding(g);
    if (!note) {
        fm_text text = FM_TEXT(g->context);
        fm_layer_notes_list(g, &text);
        fm_fail(g->context, FM_ERROR_UNSUPPORTED,
                "samples are tokens, which have no gradient, and the model has no layer "
                "'embedding'; occlusion works; the layers are %s",
                fm_text_string(&text));
        fm_text_release(&text);
        return FM_ERROR_UNSUPPORTED;
    }
    *made = (target){fm_graph_cut(g, note, "point"), note->output};
    return fm_graph_status(g);
}

static fm_status find_target(const fm_model *model, fm_graph *g, fm_explain_kind kind,
                             const char *layer, fm_arena *arena, const char **found, target *made)
{
    if (kind == FM_EXPLAIN_FORWARD) return FM_OK;
    if (kind == FM_EXPLAIN_LAYER) return find_layer(g, layer, arena, found, made);
    made->wrt = fm_graph_input(g, "x");
    return fm_dtype_is_real(model->options.input_dtype) ? FM_OK : split_at_embedding(g, made);
}

/* score_i = sum_k selected_ik prediction_ik; samples do not touch each other, so the gradient of
 * their sum has each one's in its row. */
static fm_status add_score(const fm_model *model, fm_graph *g, const target *to)
{
    fm_val prediction = fm_graph_output(g, "prediction");
    int64_t outputs = fm_shape_elements(model->output);
    int64_t batch = fm_val_shape(g, prediction).dims[0];
    fm_val flat = fm_reshape_to(g, prediction, FM_SHAPE(batch, outputs));
    fm_val selected = fm_input(g, "selected", model->options.dtype, FM_SHAPE(batch, outputs));
    fm_val score = fm_sum(g, fm_mul(g, flat, selected), (fm_ints){1, {1}}, false);
    fm_output(g, "score", score);
    if (to->value.id) fm_output(g, "value", to->value);
    if (to->wrt.id) {
        fm_val gradient;
        fm_grad(g, fm_sum(g, score, (fm_ints){0}, false), &to->wrt, 1, &gradient);
        fm_output(g, "gradient", gradient);
    }
    return fm_graph_status(g);
}

/* ---- the program ----------------------------------------------------------------------------- */

static void find_memory(const fm_graph *g, const target *to, fm_explain_program *made)
{
    fm_program *program = made->program;
    made->x = fm_program_input(program, "x");
    made->selected = fm_program_input(program, "selected");
    made->point = fm_program_input(program, "point");
    if (!made->point) made->point = made->x;
    made->score = fm_program_output(program, "score");
    made->gradient = fm_program_output(program, "gradient");
    made->value = fm_program_output(program, "value");
    if (!to->wrt.id) return;
    made->dtype = fm_val_dtype(g, to->wrt);
    made->shape = fm_shape_sample(fm_val_shape(g, to->wrt));
}

fm_status fm_explain_program_open(fm_model *model, fm_explain_kind kind, int64_t batch,
                                  const char *layer, fm_arena *arena, const char **found,
                                  fm_explain_program *made)
{
    fm_graph *graph;
    fm_val loss;
    target to = {0};
    *made = (fm_explain_program){0};
    const fm_program_form form = {FM_PREDICT, batch, 0};
    fm_status status = fm_model_loss_graph(model, form, &graph, &loss);
    if (status != FM_OK) return status;
    status = find_target(model, graph, kind, layer, arena, found, &to);
    if (status == FM_OK) status = add_score(model, graph, &to);
    if (status == FM_OK) {
        status = fm_program_create(model->store, graph, &model->program_options, &made->program);
    }
    if (status == FM_OK) find_memory(graph, &to, made);
    fm_graph_destroy(graph);
    return status;
}

void fm_explain_program_close(fm_explain_program *made)
{
    fm_program_destroy(made->program);
    *made = (fm_explain_program){0};
}
