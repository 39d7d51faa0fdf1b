/* fathom predict */
#include "cli/broken_outputs.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/forecast_report.h"
#include "cli/json_lines.h"
#include "cli/output_meaning.h"
#include "cli/picture.h"
#include "cli/predict_input.h"
#include "cli/progress.h"
#include "cli/reconstruction.h"
#include "base/context.h"
#include "base/memory.h"
#include "fathom/text_data.h"

#include <math.h>
#include <string.h>

typedef struct prediction {
    invocation invocation;
    saved_model saved;
    output_meaning meaning;
    bool reconstructs; /* the outputs are the input again */
    bool asks;         /* there is nothing to predict, and the model is of no series */
    int name_width;    /* of the longest class name, within reason */
} prediction;

/* ---- what the outputs mean ------------------------------------------------------------------- */

static const char *class_name(const prediction *p, int64_t index, char buffer[32])
{
    return output_class_name(&p->meaning, index, buffer);
}

static int longest_class_name(const prediction *p)
{
    enum { WIDEST = 24 };
    char buffer[32];
    int longest = 1;
    for (int64_t i = 0; i < p->meaning.class_count; i++) {
        int size = terminal_columns(class_name(p, i, buffer));
        if (size > longest) longest = size;
    }
    return longest < WIDEST ? longest : WIDEST;
}

/* ---- one sample ------------------------------------------------------------------------------ */

typedef struct verdict {
    const float *outputs;
    bool broken;    /* they are not finite, and mean nothing */
    int64_t *order; /* classes, the most probable first; top of them */
    int64_t top;
    const int32_t *places;     /* the class of each position, where outputs are shares of these */
    const picture *drawn;      /* what was reconstructed, NULL when it is not asked for */
    bool known;                /* the true answer is there: */
    int64_t true_class, right; /* of positions how many are right */
    const float *truth;
} verdict;

static double probability(const prediction *p, const verdict *v, int64_t index)
{
    return output_probability(&p->meaning, v->outputs, index);
}

/* The K highest, by selection: K is small. */
static void rank_classes(const prediction *p, verdict *v)
{
    int64_t wanted = p->invocation.given->top;
    v->top = wanted < p->meaning.class_count ? wanted : p->meaning.class_count;
    for (int64_t i = 0; i < p->meaning.class_count; i++) v->order[i] = i;
    for (int64_t i = 0; i < v->top; i++) {
        int64_t best = i;
        for (int64_t j = i + 1; j < p->meaning.class_count; j++) {
            if (probability(p, v, v->order[j]) > probability(p, v, v->order[best])) best = j;
        }
        int64_t found = v->order[best];
        memmove(&v->order[i + 1], &v->order[i], (size_t)(best - i) * sizeof(int64_t));
        v->order[i] = found;
    }
}

/* Labels of another form than the outputs, as of contrastive losses, are no answer. */
static void read_truth(const prediction *p, verdict *v, const fm_data_field *field,
                       const void *label)
{
    bool numbers = field->dtype == FM_F32 && fm_shape_elements(field->shape) == p->meaning.width;
    v->known = p->meaning.classes || numbers;
    v->truth = label;
    if (v->places) {
        const int32_t *labels = label;
        v->known =
            field->dtype == FM_I32 && fm_shape_elements(field->shape) == p->meaning.positions;
        for (int64_t i = 0; i < p->meaning.positions && v->known; i++) {
            v->right += v->places[i] == labels[i];
        }
        return;
    }
    if (p->meaning.classes) v->true_class = output_true_class(&p->meaning, field, label);
}

/* ---- telling --------------------------------------------------------------------------------- */

static void add_text(const prediction *p, const predict_input *input, int64_t sample,
                     json_t *object)
{
    size_t size;
    const char *bytes = fm_dataset_text(input->raw, sample, &size);
    char *text = bytes ? fm_copy_bytes(p->invocation.context, bytes, size) : NULL;
    if (text) json_object_set_new(object, "text", json_text(text));
    fm_release(p->invocation.context, text);
}

/* In the model's unit, as the error. */
static void add_reconstruction(const prediction *p, const verdict *v, json_t *object)
{
    json_t *values = json_array();
    for (int64_t i = 0; i < p->meaning.width; i++) {
        json_array_append_new(values, json_number((double)v->outputs[i]));
    }
    double error = v->known ? reconstruction_error(v->truth, v->outputs, p->meaning.width) : NAN;
    json_object_set_new(object, "mean_squared_error", json_number(error));
    json_object_set_new(object, "reconstruction", values);
}

static json_t *dims_json(fm_shape shape, int rank)
{
    json_t *dims = json_array();
    for (int i = 0; i < rank; i++) json_array_append_new(dims, json_integer(shape.dims[i]));
    return dims;
}

/* Of classes of pixels or steps: all of them, row by row, and their shares. */
static void add_places(const prediction *p, const verdict *v, json_t *object)
{
    char buffer[32];
    fm_shape output = fm_model_output(p->saved.model, NULL);
    json_t *shares = json_object(), *classes = json_array();
    for (int64_t i = 0; i < v->top; i++) {
        json_object_set_new(shares, class_name(p, v->order[i], buffer),
                            json_number((double)v->outputs[v->order[i]]));
    }
    for (int64_t i = 0; i < p->meaning.positions; i++) {
        json_array_append_new(classes, json_integer(v->places[i]));
    }
    json_object_set_new(object, "shares", shares);
    if (v->known) {
        json_object_set_new(object, "right",
                            json_number((double)v->right / (double)p->meaning.positions));
    }
    json_object_set_new(object, "shape", dims_json(output, output.rank - 1));
    json_object_set_new(object, "classes", classes);
}

static void print_json(const prediction *p, const predict_input *input, int64_t sample,
                       int64_t number, const verdict *v)
{
    char buffer[32];
    const char *file = predict_input_file(input, sample);
    json_t *object = json_pack("{s:s, s:o, s:I}", "event", "prediction", "input",
                               json_text(file ? file : input->name), "index", (json_int_t)number);
    add_text(p, input, sample, object);
    if (v->broken) {
        json_object_set_new(object, "finite", json_false());
        json_print(object);
        return;
    }
    if (p->reconstructs) {
        add_reconstruction(p, v, object);
        json_print(object);
        return;
    }
    if (v->places) {
        add_places(p, v, object);
        json_print(object);
        return;
    }
    if (p->meaning.classes) {
        json_t *top = json_array();
        for (int64_t i = 0; i < v->top; i++) {
            json_array_append_new(top, json_pack("{s:s, s:o}", "class",
                                                 class_name(p, v->order[i], buffer), "probability",
                                                 json_number(probability(p, v, v->order[i]))));
        }
        json_object_set(object, "class", json_object_get(json_array_get(top, 0), "class"));
        json_object_set(object, "probability",
                        json_object_get(json_array_get(top, 0), "probability"));
        json_object_set_new(object, "top", top);
        if (v->known) {
            json_object_set_new(object, "true", json_text(class_name(p, v->true_class, buffer)));
        }
        json_print(object);
        return;
    }
    json_t *values = json_object(), *truth = json_object();
    for (int64_t i = 0; i < p->meaning.width; i++) {
        const char *name = output_value_name(&p->meaning, i, buffer);
        json_object_set_new(values, name, json_number((double)v->outputs[i]));
        if (v->known) json_object_set_new(truth, name, json_number((double)v->truth[i]));
    }
    json_object_set_new(object, "values", values);
    if (v->known) json_object_set(object, "true", truth);
    json_decref(truth);
    json_print(object);
}

static void print_truth(const prediction *p, const verdict *v)
{
    char buffer[32];
    const terminal *t = &p->invocation.out;
    if (!v->known) return;
    if (v->places) {
        printf("   %.1f%% of %lld right", 100 * (double)v->right / (double)p->meaning.positions,
               (long long)p->meaning.positions);
        return;
    }
    if (v->true_class == v->order[0]) {
        printf("   %sright%s", terminal_green(t), terminal_plain(t));
    } else {
        printf("   %swrong%s: it is %s", terminal_red(t), terminal_plain(t),
               class_name(p, v->true_class, buffer));
    }
}

static void print_classes(const prediction *p, const verdict *v)
{
    char buffer[32];
    const terminal *t = &p->invocation.out;
    for (int64_t i = 0; i < v->top; i++) {
        printf("   %s", i == 0 ? terminal_bold(t) : "");
        terminal_cell(stdout, class_name(p, v->order[i], buffer), p->name_width, false);
        printf("%s %5.1f%%", i == 0 ? terminal_plain(t) : "", 100 * probability(p, v, v->order[i]));
    }
    print_truth(p, v);
    printf("\n");
}

static void print_values(const prediction *p, const verdict *v)
{
    char buffer[32], figure[32];
    if (p->reconstructs && v->known) {
        double error = reconstruction_error(v->truth, v->outputs, p->meaning.width);
        printf("   mean squared error %s\n", show_figure(error, figure));
        return;
    }
    for (int64_t i = 0; i < p->meaning.width; i++) {
        printf("   %s %s", output_value_name(&p->meaning, i, buffer),
               show_figure((double)v->outputs[i], figure));
        if (v->known) printf(" (true: %s)", show_figure((double)v->truth[i], figure));
    }
    printf("\n");
}

/* Beside the picture: a line for each of the best classes. */
static void print_bar(const prediction *p, const verdict *v, int64_t rank)
{
    enum { BAR_WIDTH = 24 };
    char buffer[32], bar[512];
    double share = probability(p, v, v->order[rank]);
    terminal_bar(&p->invocation.out, share, BAR_WIDTH, bar, sizeof bar);
    printf("   ");
    terminal_cell(stdout, class_name(p, v->order[rank], buffer), p->name_width, false);
    printf(" %s %5.1f%%", bar, 100 * share);
    if (rank == 0) print_truth(p, v);
}

static void print_picture(const prediction *p, const picture *image, const verdict *v)
{
    int lines = picture_lines(image);
    for (int line = 0; line < lines || line - 1 < (int)v->top; line++) {
        if (line < lines) {
            picture_print_line(image, &p->invocation.out, line);
        } else {
            printf("%*s", image->width, "");
        }
        if (p->meaning.classes && line >= 1 && line - 1 < (int)v->top) print_bar(p, v, line - 1);
        printf("\n");
    }
}

/* Of a text: one line of it, whole characters. */
static void print_beginning(const predict_input *input, int64_t sample)
{
    enum { WIDEST = 48 };
    size_t size, at = 0;
    const char *text = fm_dataset_text(input->raw, sample, &size);
    if (!text) return;
    printf("  \"");
    while (at < size && at < WIDEST) at += terminal_character(stdout, text + at, size - at);
    printf(at < size ? "...\"" : "\"");
}

static void tell(const prediction *p, const predict_input *input, int64_t sample, const verdict *v,
                 const picture *image)
{
    int64_t number = input->numbers ? (int64_t)input->numbers[sample] : sample;
    if (p->invocation.given->json) {
        print_json(p, input, sample, number, v);
        return;
    }
    const char *file = predict_input_file(input, sample);
    if (file) {
        printf("%s", file);
    } else {
        printf("%s %lld", input->name, (long long)number);
    }
    print_beginning(input, sample);
    if (v->broken) {
        printf("   %snot finite%s\n", terminal_red(&p->invocation.out),
               terminal_plain(&p->invocation.out));
    } else if (image && v->drawn) {
        print_values(p, v);
        reconstruction_print(&p->invocation.out, image, v->drawn);
    } else if (image) {
        printf("\n");
        print_picture(p, image, v);
        if (!p->meaning.classes) print_values(p, v);
    } else if (p->meaning.classes) {
        print_classes(p, v);
    } else {
        print_values(p, v);
    }
}

/* ---- all samples of an input ----------------------------------------------------------------- */

/* Memory for the samples of one input; the arena frees it. */
typedef struct results {
    float *outputs, *shares; /* shares, places: of one sample, where it has positions */
    int32_t *places;
    int64_t *order;
    void *label, *raw;
} results;

/* Of the prepared samples the field that outputs are compared with, NULL without one. What is
 * reconstructed is the input, which files have as well as the recipe's data. */
static const fm_data_field *truth_field(const prediction *p, const predict_input *input, int *index)
{
    const fm_dataset_info *about = fm_dataset_about(input->prepared);
    *index = p->reconstructs ? 0 : 1;
    return *index < about->field_count ? &about->fields[*index] : NULL;
}

static fm_status take_memory(const prediction *p, const predict_input *input, fm_arena *arena,
                             results *made)
{
    const fm_dataset_info *about = fm_dataset_about(input->prepared);
    const fm_dataset_info *raw = fm_dataset_about(input->raw);
    size_t outputs = (size_t)about->count * (size_t)p->meaning.width * sizeof(float);
    made->outputs = fm_arena_allocate(arena, outputs);
    made->order = fm_arena_allocate(arena, (size_t)p->meaning.class_count * sizeof(int64_t));
    made->raw = fm_arena_allocate(
        arena, (size_t)fm_shape_bytes(raw->fields[0].shape, raw->fields[0].dtype));
    int index;
    const fm_data_field *truth = truth_field(p, input, &index);
    if (truth) {
        made->label = fm_arena_allocate(arena, (size_t)fm_shape_bytes(truth->shape, truth->dtype));
        if (!made->label) return FM_ERROR_MEMORY;
    }
    if (p->meaning.positions > 1) {
        made->shares = fm_arena_allocate(arena, (size_t)p->meaning.class_count * sizeof(float));
        made->places = fm_arena_allocate(arena, (size_t)p->meaning.positions * sizeof(int32_t));
        if (!made->shares || !made->places) return FM_ERROR_MEMORY;
    }
    return made->outputs && made->order && made->raw ? FM_OK : FM_ERROR_MEMORY;
}

static fm_status read_picture(const prediction *p, const predict_input *input, int64_t i,
                              void *memory, picture *image, bool *drawn)
{
    const fm_data_field *x = &fm_dataset_about(input->raw)->fields[0];
    fm_data_request request = {.first = i, .count = 1, .fields = {memory}};
    fm_status status = fm_dataset_read(p->invocation.context, input->raw, &request);
    *drawn = status == FM_OK && picture_read(image, x->shape, x->dtype, memory);
    return status;
}

static fm_status tell_sample(const prediction *p, const predict_input *input, int64_t i,
                             const results *made)
{
    int index;
    const fm_data_field *truth = truth_field(p, input, &index);
    verdict v = {.outputs = made->outputs + i * p->meaning.width, .order = made->order};
    v.broken = is_broken(v.outputs, p->meaning.width);
    picture image, again;
    bool drawn = false;
    fm_status status = FM_OK;
    if (made->places) {
        output_positions(&p->meaning, v.outputs, made->places, made->shares);
        v.outputs = made->shares;
        v.places = made->places;
    }
    if (made->label) {
        fm_data_request request = {.first = i, .count = 1};
        request.fields[index] = made->label;
        status = fm_dataset_read(p->invocation.context, input->prepared, &request);
        if (status != FM_OK) return status;
        read_truth(p, &v, truth, made->label);
        if (!p->meaning.classes && !p->reconstructs && v.known) {
            status = output_restore(&p->meaning, &p->saved, input, i, 1, made->label);
        }
        if (status != FM_OK) return status;
    }
    if (p->meaning.classes) rank_classes(p, &v);
    if (p->invocation.given->picture && !p->invocation.given->json) {
        status = read_picture(p, input, i, made->raw, &image, &drawn);
        fm_shape shape = fm_model_output(p->saved.model, NULL);
        bool both = drawn && p->reconstructs && picture_read(&again, shape, FM_F32, v.outputs);
        if (both && again.width == image.width && again.height == image.height) v.drawn = &again;
        if (status == FM_OK && !drawn && i == 0) {
            fm_report(p->invocation.context, FM_LOG_WARNING,
                      "--picture draws images of up to %d x %d pixels; these samples are none",
                      PICTURE_MOST_HEIGHT, PICTURE_MOST_WIDTH);
        }
    }
    if (status == FM_OK) tell(p, input, i, &v, drawn ? &image : NULL);
    return status;
}

/* Of an autoencoder, for --out. */
static fm_status write_sheet(const prediction *p, const predict_input *input, const float *made,
                             int64_t count)
{
    fm_image sheet;
    fm_context *context = p->invocation.context;
    fm_arena arena = {.context = context};
    fm_status status = reconstruction_sheet(context, p->saved.transform, input->prepared, made,
                                            count, &arena, &sheet);
    if (status == FM_OK) status = fm_image_write_png(context, p->invocation.given->out, &sheet);
    fm_arena_release(&arena);
    return status;
}

/* Once all of them are told. */
static fm_status fail_broken(prediction *p, const predict_input *input, const float *outputs)
{
    int64_t first = -1, broken = 0;
    for (int64_t i = 0; i < fm_dataset_about(input->prepared)->count; i++) {
        if (!is_broken(outputs + i * p->meaning.width, p->meaning.width)) continue;
        if (broken++ == 0) first = i;
    }
    if (broken == 0) return FM_OK;
    return broken_outputs_fail(&p->invocation, &p->saved, input, first, broken);
}

static fm_status predict_samples(prediction *p, const predict_input *input)
{
    fm_arena arena = {.context = p->invocation.context};
    results made = {0};
    int64_t count = fm_dataset_about(input->prepared)->count;
    fm_predict_options how = {.batch_size = count < EVALUATION_BATCH ? count : EVALUATION_BATCH,
                              .probabilities = p->meaning.probabilities};
    fm_status status = take_memory(p, input, &arena, &made);
    if (status == FM_OK) {
        status = fm_predict(p->saved.model, input->prepared, &how, made.outputs);
    }
    if (status == FM_OK && !p->meaning.classes && !p->reconstructs) {
        status = output_restore(&p->meaning, &p->saved, input, 0, count, made.outputs);
    }
    if (status == FM_OK && p->reconstructs && p->invocation.given->out) {
        status = write_sheet(p, input, made.outputs, count);
    }
    for (int64_t i = 0; i < count && status == FM_OK; i++) {
        status = tell_sample(p, input, i, &made);
    }
    if (status == FM_OK) status = fail_broken(p, input, made.outputs);
    fm_arena_release(&arena);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Samples that `open` makes of what the user wrote. */
static fm_status predict_input_of(prediction *p, const char *what,
                                  fm_status (*open)(invocation *s, const saved_model *saved,
                                                    const char *what, predict_input *input))
{
    predict_input input;
    fm_status status = open(&p->invocation, &p->saved, what, &input);
    if (status != FM_OK) return status;
    status = predict_samples(p, &input);
    predict_input_close(&p->invocation, &input);
    return status;
}

/* --horizon and its like are for series, --out for autoencoders as well. */
static fm_status check_series_options(const prediction *p)
{
    const arguments *given = p->invocation.given;
    const char *name = given->horizon ? "horizon"
                       : given->plot  ? "plot"
                       : given->out   ? "out"
                                      : NULL;
    int inputs = given->positional.count - 1 + (given->sample != NULL);
    if (!name) return FM_OK;
    if (p->reconstructs && !given->horizon && !given->plot) {
        if (inputs == 1) return FM_OK;
        return fm_fail(p->invocation.context, FM_ERROR_ARGUMENT,
                       "--out takes the pictures of one input, received %d", inputs);
    }
    if (!forecast_is_for(&p->saved)) {
        return fm_fail(p->invocation.context, FM_ERROR_ARGUMENT,
                       "--%s is for models of a time series (set: series)%s; this one's data is "
                       "'%s'",
                       name, strcmp(name, "out") == 0 ? " and for autoencoders" : "",
                       fm_recipe_about(p->saved.recipe)->dataset->name);
    }
    if (!given->sample && given->positional.count <= 2) return FM_OK;
    return fm_fail(p->invocation.context, FM_ERROR_ARGUMENT,
                   "--%s is for one series at a time, and not for --sample", name);
}

static fm_status predict(prediction *p)
{
    const string_list *words = &p->invocation.given->positional;
    fm_status status = saved_model_open(&p->invocation, words->items[0], &p->saved);
    if (status != FM_OK) return status;
    p->meaning = output_meaning_of(&p->saved);
    p->reconstructs = reconstruction_is_for(&p->saved);
    p->name_width = longest_class_name(p);
    const arguments *given = p->invocation.given;
    bool own = words->count == 1 && !given->sample && !given->text_input;
    p->asks = own && !given->horizon && !forecast_is_for(&p->saved);
    if (p->asks) return FM_OK;
    status = check_series_options(p);
    if (status == FM_OK && own) return forecast_predict(&p->invocation, &p->saved, NULL);
    if (status == FM_OK && given->sample) {
        status = predict_input_of(p, given->sample, predict_input_sample);
    }
    if (status == FM_OK && given->text_input) {
        status = predict_input_of(p, given->text_input, predict_input_text);
    }
    for (int i = 1; i < words->count && status == FM_OK; i++) {
        status = forecast_is_for(&p->saved)
                     ? forecast_predict(&p->invocation, &p->saved, words->items[i])
                     : predict_input_of(p, words->items[i], predict_input_open);
    }
    return status;
}

int predict_run(const arguments *given)
{
    prediction p = {0};
    if (!invocation_open(&p.invocation, given)) return EXIT_INTERNAL;
    fm_status status = predict(&p);
    saved_model_close(&p.saved);
    int code = invocation_close(&p.invocation, status);
    if (!p.asks) return code;
    fprintf(stderr, "fathom predict: what shall it look at? Name a file, '-' for lines on stdin, "
                    "or samples of the test data: --sample 0-4\nTry 'fathom predict --help'.\n");
    return EXIT_USAGE;
}
