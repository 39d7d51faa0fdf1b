/* fathom explain */
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/explain_attention.h"
#include "cli/json_lines.h"
#include "cli/layer_table.h"
#include "cli/progress.h"
#include "cli/sheet_canvas.h"
#include "cli/sound_data.h"
#include "base/fields.h"
#include "fathom/text_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_INPUTS = 1024, PREDICTED = -1 };

typedef enum sample_form { FORM_IMAGE, FORM_TEXT, FORM_COLUMNS } sample_form;

typedef struct explanation_run {
    invocation invocation;
    saved_model saved;
    output_meaning meaning;
    sample_form form;
    bool permutation, attention; /* asked for alone */
    int methods[MOST_METHODS], count;
    int64_t asked; /* the output to explain; PREDICTED: each sample's own */
    fm_explainer *explainer;
    predict_input *inputs;
    int input_count;
    explain_sheet sheet;
    fm_text body; /* of the page */
} explanation_run;

/* ---- what was asked for ---------------------------------------------------------------------- */

static const char permutation_name[] = "permutation", attention_name[] = "attention";

static const char *next_method(const void *user, int i)
{
    (void)user;
    if (i == FM_EXPLAIN_METHOD_COUNT) return permutation_name;
    if (i == FM_EXPLAIN_METHOD_COUNT + 1) return attention_name;
    return i < FM_EXPLAIN_METHOD_COUNT ? fm_explain_at(i)->name : NULL;
}

static fm_status fail_method(explanation_run *r, const char *word)
{
    fm_context *context = r->invocation.context;
    const char *near = fm_nearest(word, next_method, NULL);
    if (near) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "--method: there is no '%s'; did you mean '%s'?",
                       word, near);
    }
    fm_text text = FM_TEXT(context);
    for (int i = 0; next_method(NULL, i); i++) {
        fm_text_add(&text, "%s%s", i ? ", " : "", next_method(NULL, i));
    }
    fm_fail(context, FM_ERROR_ARGUMENT, "--method: there is no '%s'; methods are %s", word,
            fm_text_string(&text));
    fm_text_release(&text);
    return FM_ERROR_ARGUMENT;
}

static fm_status add_method(explanation_run *r, const char *word)
{
    if (strcmp(word, permutation_name) == 0) {
        r->permutation = true;
        return FM_OK;
    }
    if (strcmp(word, attention_name) == 0) {
        r->attention = true;
        return FM_OK;
    }
    for (int i = 0; i < FM_EXPLAIN_METHOD_COUNT; i++) {
        if (strcmp(word, fm_explain_at(i)->name) != 0) continue;
        for (int k = 0; k < r->count; k++) {
            if (r->methods[k] == i) return FM_OK;
        }
        r->methods[r->count++] = i;
        return FM_OK;
    }
    return fail_method(r, word);
}

/* "saliency,occlusion" */
static fm_status read_methods(explanation_run *r, const char *list)
{
    fm_status status = FM_OK;
    for (const char *at = list; *at && status == FM_OK;) {
        char word[64];
        size_t size = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)size, at);
        status = add_method(r, word);
        at += size + (at[size] == ',');
    }
    if (status == FM_OK && r->attention && (r->permutation || r->count)) {
        return fm_fail(
            r->invocation.context, FM_ERROR_ARGUMENT,
            "--method: attention looks at layers, the others at the output: ask for them "
            "one after the other");
    }
    if (status == FM_OK && r->permutation && r->count) {
        return fm_fail(
            r->invocation.context, FM_ERROR_ARGUMENT,
            "--method: permutation looks at a whole set, the others at a sample: ask for "
            "them one after the other");
    }
    return status;
}

static bool asks_for_samples(const arguments *given)
{
    return given->positional.count > 1 || given->sample || given->text_input;
}

static fm_status choose_methods(explanation_run *r)
{
    const arguments *given = r->invocation.given;
    if (given->method) return read_methods(r, given->method);
    r->permutation = !asks_for_samples(given);
    if (!r->permutation) r->methods[r->count++] = FM_EXPLAIN_INTEGRATED_GRADIENTS;
    return FM_OK;
}

static bool has_method(const explanation_run *r, int method)
{
    for (int i = 0; i < r->count; i++) {
        if (r->methods[i] == method) return true;
    }
    return false;
}

/* An option that no method asked for would heed is a slip. */
static fm_status refuse_unheeded(const explanation_run *r)
{
    const arguments *given = r->invocation.given;
    bool steps =
        has_method(r, FM_EXPLAIN_INTEGRATED_GRADIENTS) || has_method(r, FM_EXPLAIN_SMOOTHGRAD);
    const struct {
        const char *name, *methods;
        bool given, heeded;
    } options[] = {
        {"repeats", "permutation", given->repeats > 0, r->permutation},
        {"steps", "integrated_gradients and smoothgrad", given->steps > 0, steps},
        {"layer", "grad_cam", given->layer != NULL, has_method(r, FM_EXPLAIN_GRAD_CAM)},
        {"class", "methods that explain an output", given->class_asked != NULL, r->count > 0},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (!options[i].given || options[i].heeded) continue;
        return fm_fail(r->invocation.context, FM_ERROR_ARGUMENT, "--%s is for %s", options[i].name,
                       options[i].methods);
    }
    return FM_OK;
}

static const char *output_name(const output_meaning *m, int64_t i, char buffer[32])
{
    return m->classes ? output_class_name(m, i, buffer) : output_value_name(m, i, buffer);
}

/* A name, or a number from 0. */
static fm_status choose_output(explanation_run *r)
{
    const char *word = r->invocation.given->class_asked;
    const output_meaning *m = &r->meaning;
    int64_t count = m->classes ? m->class_count : m->width;
    char buffer[32], *end;
    r->asked = m->classes ? PREDICTED : 0;
    if (!word) return FM_OK;
    for (int64_t i = 0; i < count; i++) {
        if (strcmp(output_name(m, i, buffer), word) != 0) continue;
        r->asked = i;
        return FM_OK;
    }
    long number = strtol(word, &end, 10);
    if (*word && !*end && number >= 0 && number < count) {
        r->asked = number;
        return FM_OK;
    }
    return fm_fail(
        r->invocation.context, FM_ERROR_ARGUMENT, "--class '%s': the model has the %lld %s %s%s%s",
        word, (long long)count, m->classes ? "classes" : "outputs", output_name(m, 0, buffer),
        count > 1 ? " to " : "", count > 1 ? output_name(m, count - 1, (char[32]){0}) : "");
}

static sample_form form_of(const explanation_run *r)
{
    fm_image image;
    const fm_dataset_info *in = fm_transform_input(r->saved.transform);
    if (in->text) return FORM_TEXT;
    bool plain = !in->fields[0].columns && !recipe_sound(r->saved.recipe);
    return plain && sheet_is_image(&fm_transform_output(r->saved.transform)->fields[0], &image)
               ? FORM_IMAGE
               : FORM_COLUMNS;
}

static fm_status understand(explanation_run *r)
{
    char words[FM_SHAPE_TEXT];
    fm_shape output = fm_model_output(r->saved.model, NULL);
    r->meaning = output_meaning_of(&r->saved);
    r->form = form_of(r);
    fm_status status = choose_methods(r);
    if (status == FM_OK) status = refuse_unheeded(r);
    if (status != FM_OK || r->attention) return status;
    if (output.rank > 1) {
        return fm_fail(r->invocation.context, FM_ERROR_UNSUPPORTED,
                       "%s: explained is one prediction a sample, (outputs); this model makes %s",
                       r->invocation.given->positional.items[0], fm_shape_text(output, words));
    }
    return choose_output(r);
}

/* ---- inputs ---------------------------------------------------------------------------------- */

typedef fm_status input_opener(invocation *s, const saved_model *saved, const char *what,
                               predict_input *input);

static fm_status open_input(explanation_run *r, const char *what, input_opener *open)
{
    if (r->input_count == MOST_INPUTS) {
        return fm_fail(r->invocation.context, FM_ERROR_LIMIT, "at most %d inputs at a time",
                       MOST_INPUTS);
    }
    fm_status status = open(&r->invocation, &r->saved, what, &r->inputs[r->input_count]);
    if (status == FM_OK) r->input_count++;
    return status;
}

static fm_status open_inputs(explanation_run *r)
{
    const arguments *given = r->invocation.given;
    r->inputs = fm_allocate_array(r->invocation.context, MOST_INPUTS, sizeof *r->inputs);
    if (!r->inputs) return FM_ERROR_MEMORY;
    fm_status status = FM_OK;
    if (given->sample) status = open_input(r, given->sample, predict_input_sample);
    if (status == FM_OK && given->text_input) {
        status = open_input(r, given->text_input, predict_input_text);
    }
    for (int i = 1; i < given->positional.count && status == FM_OK; i++) {
        status = open_input(r, given->positional.items[i], predict_input_open);
    }
    return status;
}

/* ---- one sample ------------------------------------------------------------------------------ */

/* How far the sum of integrated gradients is from the difference that it should be, as a share of
 * it; NaN for other methods. */
static double explained_gap(const fm_explanation *of)
{
    double difference = of->score - of->baseline_score;
    return fabs(of->sum - difference) / fmax(fabs(difference), 1e-12);
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double explained_scale(fm_context *context, const fm_explanation *of)
{
    int64_t count = fm_shape_elements(of->map_shape);
    double *sizes = fm_allocate_array(context, (size_t)count, sizeof *sizes), scale = 0;
    if (!sizes || count < 1) {
        fm_release(context, sizes);
        return 0;
    }
    for (int64_t i = 0; i < count; i++) sizes[i] = fabs(of->map[i]);
    qsort(sizes, (size_t)count, sizeof *sizes, by_number);
    scale = sizes[(count - 1) * 99 / 100];
    if (scale == 0) scale = sizes[count - 1];
    fm_release(context, sizes);
    return scale;
}

static const double *keep(fm_arena *arena, const double *numbers, fm_shape shape)
{
    size_t bytes = (size_t)fm_shape_elements(shape) * sizeof *numbers;
    double *copy = fm_arena_allocate(arena, bytes);
    return copy ? memcpy(copy, numbers, bytes) : NULL;
}

/* Integrated gradients, unless --steps says how many, take twice the steps until they add up. */
static fm_status explain_by(explanation_run *r, const explained *e, fm_explain_options *how,
                            const fm_explanation **found)
{
    enum { USUAL_STEPS = 64, MOST_STEPS = 1024 };
    const double tolerated_gap = 0.01;
    bool grows = how->method == FM_EXPLAIN_INTEGRATED_GRADIENTS && how->steps == 0;
    if (!grows) return fm_explain(r->explainer, e->x, how, found);
    fm_explain_options finer = *how;
    fm_status status = FM_OK;
    for (finer.steps = USUAL_STEPS; status == FM_OK; finer.steps *= 2) {
        status = fm_explain(r->explainer, e->x, &finer, found);
        if (status != FM_OK || finer.steps == MOST_STEPS) break;
        if (explained_gap(*found) <= tolerated_gap) break;
    }
    return status;
}

/* All methods; what the explainer keeps until its next call is copied. */
static fm_status explain_sample(explanation_run *r, explained *e, fm_arena *arena)
{
    const arguments *given = r->invocation.given;
    fm_explanation *made = fm_arena_allocate(arena, (size_t)r->count * sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    bool one_sided = r->meaning.one_sided;
    fm_explain_options how = {.output = one_sided ? 0 : e->output,
                              .opposite = one_sided && e->output == 0,
                              .steps = given->steps,
                              .samples = given->steps,
                              .seed = given->seed};
    if (r->form == FORM_COLUMNS) how.window = how.stride = (fm_ints){1, {1}};
    for (int i = 0; i < r->count; i++) {
        const fm_explanation *found;
        how.method = r->methods[i];
        fm_status status = explain_by(r, e, &how, &found);
        if (status != FM_OK) return status;
        made[i] = *found;
        made[i].values = keep(arena, found->values, found->shape);
        made[i].map = keep(arena, found->map, found->map_shape);
        if (!made[i].values || !made[i].map) return FM_ERROR_MEMORY;
    }
    e->of = made;
    e->count = r->count;
    return FM_OK;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void print_head(const explained *e)
{
    char buffer[32];
    const terminal *t = &e->s->out;
    printf("%s  %s%s%s", e->title, terminal_bold(t), e->output_name, terminal_plain(t));
    printf(e->meaning->classes ? " %.1f%%" : " %.6g",
           e->meaning->classes ? 100 * e->value : e->value);
    if (e->true_class >= 0) {
        printf("   true: %s", output_class_name(e->meaning, e->true_class, buffer));
    }
    putchar('\n');
}

static void print_method(const explained *e, const fm_explanation *of)
{
    char score[32], sum[32], baseline[32];
    const terminal *t = &e->s->out;
    printf("  %s%s%s: score %s", terminal_dim(t), fm_explain_at(of->method)->name,
           terminal_plain(t), show_figure(of->score, score));
    if (isfinite(of->baseline_score)) {
        printf(", of the baseline %s, attributed %s (gap %.2g%%)",
               show_figure(of->baseline_score, baseline), show_figure(of->sum, sum),
               100 * explained_gap(of));
    }
    if (of->layer) printf(", layer %s", of->layer);
    putchar('\n');
}

static json_t *json_numbers(const double *numbers, fm_shape shape)
{
    json_t *list = json_array();
    int64_t count = fm_shape_elements(shape);
    for (int64_t i = 0; i < count; i++) json_array_append_new(list, json_number(numbers[i]));
    return list;
}

static json_t *json_method(const fm_explanation *of)
{
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:o, s:o}", "method", fm_explain_at(of->method)->name, "score",
                  json_number(of->score), "sum", json_number(of->sum), "shape",
                  json_shape(of->map_shape), "map", json_numbers(of->map, of->map_shape));
    if (isfinite(of->baseline_score)) {
        json_object_set_new(object, "baseline_score", json_number(of->baseline_score));
        json_object_set_new(object, "gap", json_number(explained_gap(of)));
    }
    if (of->layer) json_object_set_new(object, "layer", json_text(of->layer));
    return object;
}

static void print_object(const explanation_run *r, const explained *e)
{
    char buffer[32], name[64];
    json_t *methods = json_array();
    for (int i = 0; i < e->count; i++) json_array_append_new(methods, json_method(&e->of[i]));
    json_t *object = json_pack(
        "{s:s, s:o, s:o, s:o, s:o}", "event", "explanation", "sample", json_text(e->title),
        e->meaning->classes ? "class" : "output", json_text(e->output_name),
        e->meaning->classes ? "probability" : "value", json_number(e->value), "methods", methods);
    if (e->true_class >= 0) {
        json_object_set_new(object, "true",
                            json_text(output_class_name(e->meaning, e->true_class, buffer)));
    }
    if (r->form == FORM_COLUMNS) {
        json_t *names = json_array();
        int64_t count = fm_shape_elements(e->of[0].map_shape);
        for (int64_t i = 0; i < count; i++) {
            const char *words = explain_element_name(e, i, name, sizeof name);
            json_array_append_new(names, json_text(words));
        }
        json_object_set_new(object, "columns", names);
    }
    json_print(object);
}

static fm_status tell(explanation_run *r, const explained *e)
{
    if (r->form == FORM_IMAGE) {
        fm_status status = explain_sheet_add(&r->sheet, e);
        if (status != FM_OK) return status;
    }
    if (r->form == FORM_TEXT && r->invocation.given->out) explain_text_html(e, &r->body);
    if (r->invocation.given->json) {
        print_object(r, e);
        return FM_OK;
    }
    print_head(e);
    for (int i = 0; i < e->count; i++) {
        explained one = *e;
        one.of = &e->of[i];
        one.count = 1;
        print_method(e, &e->of[i]);
        if (r->form == FORM_TEXT) explain_text_print(&one);
        if (r->form == FORM_COLUMNS) explain_columns_print(&one);
    }
    return FM_OK;
}

/* ---- all samples ----------------------------------------------------------------------------- */

static void name_sample(const predict_input *input, int64_t i, explained *e)
{
    int64_t number = input->numbers ? (int64_t)input->numbers[i] : i;
    const char *file = predict_input_file(input, i);
    if (file) {
        snprintf(e->title, sizeof e->title, "%s", file);
    } else {
        snprintf(e->title, sizeof e->title, "%s %lld", input->name, (long long)number);
    }
}

/* What the sample is, and which of its outputs is explained. */
static void describe(const explanation_run *r, const float *outputs, explained *e)
{
    const output_meaning *m = &r->meaning;
    char buffer[32];
    e->s = &r->invocation;
    e->saved = &r->saved;
    e->meaning = m;
    e->output = r->asked == PREDICTED ? output_most_probable(m, outputs) : r->asked;
    snprintf(e->output_name, sizeof e->output_name, "%s", output_name(m, e->output, buffer));
    if (m->classes) {
        e->value = output_probability(m, outputs, e->output);
    } else {
        e->value = (double)outputs[e->output];
    }
}

static fm_status explain_one(explanation_run *r, const predict_input *input, int64_t i,
                             fm_arena *arena)
{
    fm_context *context = r->invocation.context;
    const fm_dataset_info *about = fm_dataset_about(input->prepared);
    const fm_data_field *x = &about->fields[0], *y = &about->fields[1];
    bool labelled = about->field_count > 1 && r->meaning.classes;
    void *sample = fm_arena_allocate(arena, (size_t)fm_shape_bytes(x->shape, x->dtype));
    float *outputs = fm_arena_allocate(arena, (size_t)r->meaning.width * sizeof *outputs);
    void *label =
        labelled ? fm_arena_allocate(arena, (size_t)fm_shape_bytes(y->shape, y->dtype)) : NULL;
    if (!sample || !outputs || (labelled && !label)) return FM_ERROR_MEMORY;
    fm_data_request request = {.first = i, .count = 1, .fields = {sample, label}};
    fm_status status = fm_dataset_read(context, input->prepared, &request);
    if (status == FM_OK) {
        status = fm_predict_samples(
            r->saved.model, sample, 1,
            &(fm_predict_options){.batch_size = 1, .probabilities = r->meaning.probabilities},
            outputs);
    }
    if (status == FM_OK && !r->meaning.classes) {
        status = output_restore(&r->meaning, &r->saved, input, i, 1, outputs);
    }
    if (status != FM_OK) return status;
    explained e = {.x = sample, .true_class = -1};
    status = explain_written(&r->invocation, &r->saved, input->raw, i, arena, &e.written);
    if (status != FM_OK) return status;
    name_sample(input, i, &e);
    describe(r, outputs, &e);
    if (labelled) e.true_class = output_true_class(&r->meaning, y, label);
    status = explain_sample(r, &e, arena);
    return status == FM_OK ? tell(r, &e) : status;
}

static int64_t count_samples(const explanation_run *r)
{
    int64_t count = 0;
    for (int i = 0; i < r->input_count; i++) {
        count += fm_dataset_about(r->inputs[i].prepared)->count;
    }
    return count;
}

static fm_status explain_inputs(explanation_run *r)
{
    fm_status status = FM_OK;
    for (int k = 0; k < r->input_count && status == FM_OK; k++) {
        int64_t count = fm_dataset_about(r->inputs[k].prepared)->count;
        for (int64_t i = 0; i < count && status == FM_OK; i++) {
            fm_arena arena = {.context = r->invocation.context};
            status = explain_one(r, &r->inputs[k], i, &arena);
            fm_arena_release(&arena);
        }
    }
    return status;
}

/* The picture, or the page. */
static fm_status write_views(explanation_run *r)
{
    const char *out = r->invocation.given->out, *model = r->invocation.given->positional.items[0];
    if (r->form == FORM_IMAGE && !out) out = "explanation.png";
    if (!out) return FM_OK;
    fm_status status = FM_OK;
    if (r->form == FORM_IMAGE) {
        status = explain_sheet_write(&r->sheet, out);
    } else {
        status =
            explain_page_write(r->invocation.context, model, explain_text_about, &r->body, out);
    }
    if (status == FM_OK && !r->invocation.given->quiet) {
        fprintf(stderr, "written: %s\n", out);
    }
    return status;
}

static fm_status check_samples(const explanation_run *r)
{
    if (asks_for_samples(r->invocation.given)) return FM_OK;
    return fm_fail(
        r->invocation.context, FM_ERROR_ARGUMENT,
        "what shall be explained? Name a file, or samples of the test data: --sample 0-4");
}

/* A model that goes on with a text reads --text itself. */
static fm_status explain_attention(explanation_run *r)
{
    const arguments *given = r->invocation.given;
    const fm_text_form *form = fm_transform_input(r->saved.transform)->text;
    bool running = form && form->running;
    if (running && !given->text_input) {
        return fm_fail(r->invocation.context, FM_ERROR_ARGUMENT,
                       "the model goes on with a text: give one, --text 'ROMEO: what'");
    }
    fm_status status = running ? FM_OK : check_samples(r);
    if (status == FM_OK && !running) status = open_inputs(r);
    if (status != FM_OK) return status;
    return explain_by_attention(&r->invocation, &r->saved, r->inputs, r->input_count);
}

static fm_status explain_samples(explanation_run *r)
{
    fm_context *context = r->invocation.context;
    fm_status status = check_samples(r);
    if (status != FM_OK) return status;
    if (r->invocation.given->out && r->form == FORM_COLUMNS) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "--out is for images and texts; of tables and series take --json");
    }
    status = open_inputs(r);
    if (status == FM_OK && r->form == FORM_IMAGE) {
        status = explain_sheet_open(context, &fm_transform_output(r->saved.transform)->fields[0],
                                    count_samples(r), r->count, &r->sheet);
    }
    if (status == FM_OK) {
        status = fm_explainer_create(r->saved.model,
                                     &(fm_explainer_options){.layer = r->invocation.given->layer},
                                     &r->explainer);
    }
    if (status == FM_OK) status = explain_inputs(r);
    return status == FM_OK ? write_views(r) : status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static fm_status explain(explanation_run *r)
{
    fm_status status =
        saved_model_open(&r->invocation, r->invocation.given->positional.items[0], &r->saved);
    if (status == FM_OK) status = understand(r);
    if (status != FM_OK) return status;
    if (r->attention) return explain_attention(r);
    return r->permutation ? explain_by_permutation(&r->invocation, &r->saved) : explain_samples(r);
}

int explain_run(const arguments *given)
{
    explanation_run r = {0};
    if (!invocation_open(&r.invocation, given)) return EXIT_INTERNAL;
    r.body = FM_TEXT(r.invocation.context);
    fm_status status = explain(&r);
    fm_explainer_destroy(r.explainer);
    for (int i = 0; i < r.input_count; i++) predict_input_close(&r.invocation, &r.inputs[i]);
    fm_release(r.invocation.context, r.inputs);
    fm_text_release(&r.body);
    explain_sheet_close(&r.sheet);
    saved_model_close(&r.saved);
    return invocation_close(&r.invocation, status);
}
