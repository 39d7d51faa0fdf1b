#include "cli/predict_input.h"
#include "cli/sound_data.h"
#include "base/checked.h"
#include "base/context.h"
#include "base/file.h"
#include "base/map.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "fathom/audio.h"
#include "fathom/data_files.h"
#include "fathom/image.h"
#include "fathom/text_data.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- formats --------------------------------------------------------------------------------- */

typedef struct source {
    invocation *invocation;
    const saved_model *saved;
    const char *path;
} source;

/* Cells are read as the recipe reads them and columns found as in training; where training saw
 * nameless numbers, columns are taken as they come. */
static fm_csv_options csv_options(const source *from)
{
    fm_csv_options reading = {.target = "none"};
    const fm_recipe_settings *about = fm_recipe_about(from->saved->recipe);
    const fm_dataset_info *trained = fm_transform_input(from->saved->transform);
    if (!trained->fields[0].columns) return reading;
    if (strcmp(about->dataset->name, "csv") == 0) {
        reading = *(const fm_csv_options *)about->dataset_options;
    }
    reading.like = from->saved->transform;
    return reading;
}

static fm_status open_csv(const source *from, fm_dataset **raw)
{
    fm_csv_options reading = csv_options(from);
    return fm_dataset_open_csv(from->invocation->context, from->path, &reading, raw);
}

fm_status predict_input_stdin(invocation *s, char **bytes, size_t *size)
{
    enum { MOST_BYTES = 1 << 28 };
    size_t capacity = 0;
    fm_status status = FM_OK;
    *bytes = NULL;
    *size = 0;
    while (status == FM_OK && !feof(stdin) && !ferror(stdin)) {
        status = fm_grow(s->context, bytes, &capacity, *size + (1 << 16), 1);
        if (status == FM_OK) *size += fread(*bytes + *size, 1, capacity - *size, stdin);
        if (status == FM_OK && *size > MOST_BYTES) {
            status = fm_fail(s->context, FM_ERROR_LIMIT, "stdin: more than %d bytes", MOST_BYTES);
        }
    }
    if (status == FM_OK && ferror(stdin)) {
        status = fm_fail(s->context, FM_ERROR_IO, "stdin: cannot be read: %s", strerror(errno));
    }
    if (status == FM_OK) return FM_OK;
    fm_release(s->context, *bytes);
    *bytes = NULL;
    return status;
}

static fm_status open_stdin(const source *from, fm_dataset **raw)
{
    fm_context *context = from->invocation->context;
    char *bytes;
    size_t size;
    fm_status status = predict_input_stdin(from->invocation, &bytes, &size);
    if (status != FM_OK) return status;
    fm_csv_options reading = csv_options(from);
    status = fm_dataset_parse_csv(context, "stdin", bytes, size, &reading, raw);
    fm_release(context, bytes);
    return status;
}

static fm_status open_npy(const source *from, fm_dataset **raw)
{
    return fm_dataset_open_npy(from->invocation->context, from->path, NULL, 0, raw);
}

static fm_status open_idx(const source *from, fm_dataset **raw)
{
    return fm_dataset_open_idx(from->invocation->context, from->path, NULL, 0, raw);
}

/* ---- texts ----------------------------------------------------------------------------------- */

enum { MOST_TEXT = 1 << 28 };

static const fm_text_form *form_of(const saved_model *saved)
{
    return fm_transform_input(saved->transform)->text;
}

/* Bytes are borrowed for the call. */
static fm_status one_text(const source *from, const char *name, const char *bytes, size_t size,
                          fm_dataset **raw)
{
    fm_labelled_texts texts = {.name = name, .count = 1, .texts = &bytes, .sizes = &size};
    return fm_dataset_from_texts(from->invocation->context, &texts, form_of(from->saved), raw);
}

/* A line is a text; the last one may lack its end. */
static fm_status text_lines(const source *from, const char *name, const char *bytes, size_t size,
                            fm_dataset **raw)
{
    fm_context *context = from->invocation->context;
    size_t count = 0, lines = 1;
    for (size_t i = 0; i < size; i++) lines += bytes[i] == '\n';
    const char **texts = fm_allocate_array(context, lines, sizeof *texts);
    size_t *sizes = fm_allocate_array(context, lines, sizeof *sizes);
    fm_status status = texts && sizes ? FM_OK : FM_ERROR_MEMORY;
    for (size_t at = 0, end; at < size && status == FM_OK; at = end + 1) {
        const char *stop = memchr(bytes + at, '\n', size - at);
        end = stop ? (size_t)(stop - bytes) : size;
        texts[count] = bytes + at;
        sizes[count] = end - at;
        if (sizes[count] && bytes[end - 1] == '\r') sizes[count]--;
        count++;
    }
    fm_labelled_texts all = {.name = name, .count = (int64_t)count, .texts = texts, .sizes = sizes};
    if (status == FM_OK) {
        status = fm_dataset_from_texts(context, &all, form_of(from->saved), raw);
    }
    fm_release(context, texts);
    fm_release(context, sizes);
    return status;
}

/* The classes of the training data: labels in a table are held against them. */
static fm_status text_table(const source *from, const char *bytes, size_t size, fm_dataset **raw)
{
    fm_text_classes_options reading = {0};
    const fm_recipe_settings *about = fm_recipe_about(from->saved->recipe);
    const fm_dataset_info *trained = fm_transform_input(from->saved->transform);
    if (strcmp(about->dataset->name, "text_classes") == 0) {
        reading = *(const fm_text_classes_options *)about->dataset_options;
    }
    reading.form = *trained->text;
    return fm_dataset_parse_text_classes(
        from->invocation->context, from->path, bytes, size, &reading,
        trained->field_count > 1 ? trained->fields[1].columns : NULL, raw);
}

static bool ends_with(const char *path, const char *end)
{
    size_t size = strlen(path), tail = strlen(end);
    return size >= tail && strcmp(path + size - tail, end) == 0;
}

/* A table of texts by its name's end, lines on stdin, else a file that is one text. */
static fm_status open_text(const source *from, fm_dataset **raw)
{
    fm_context *context = from->invocation->context;
    bool lines = strcmp(from->path, "-") == 0;
    bool table = ends_with(from->path, ".csv") || ends_with(from->path, ".tsv");
    char *bytes = NULL;
    size_t size;
    if (form_of(from->saved)->running) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "the model goes on with a text: fathom generate %s --prompt TEXT",
                       from->invocation->given->positional.items[0]);
    }
    fm_status status = lines ? predict_input_stdin(from->invocation, &bytes, &size)
                             : fm_file_read(context, from->path, MOST_TEXT, &bytes, &size);
    if (status == FM_OK) {
        status = lines   ? text_lines(from, "stdin", bytes, size, raw)
                 : table ? text_table(from, bytes, size, raw)
                         : one_text(from, from->path, bytes, size, raw);
    }
    fm_release(context, bytes);
    return status;
}

/* ---- images ---------------------------------------------------------------------------------- */

/* Of any size: fitted as the recipe's own images are. */
static fm_status open_images(const source *from, fm_dataset **raw)
{
    const fm_recipe_settings *about = fm_recipe_about(from->saved->recipe);
    if (recipe_sound(from->saved->recipe)) { /* whose spectrograms have a shape that fits images */
        return fm_fail(from->invocation->context, FM_ERROR_ARGUMENT,
                       "%s: an image, but the model has learned from the data set %s: recordings",
                       from->path, about->dataset->name);
    }
    bool images = strcmp(about->dataset->name, "images") == 0 ||
                  strcmp(about->dataset->name, "image_masks") == 0; /* which begins with them */
    return fm_dataset_image_files(from->invocation->context, &from->path, 1,
                                  fm_transform_input(from->saved->transform)->fields[0].shape,
                                  images ? about->dataset_options : NULL, raw);
}

/* ---- recordings ------------------------------------------------------------------------------ */

/* Of any length and rate: heard as the recipe's own recordings are. */
static fm_status open_recordings(const source *from, fm_dataset **raw)
{
    fm_context *context = from->invocation->context;
    const fm_sound_options *sound = recipe_sound(from->saved->recipe);
    if (sound) return fm_dataset_recording_files(context, &from->path, 1, sound, raw);
    return fm_fail(
        context, FM_ERROR_ARGUMENT,
        "%s: a recording, but the model has learned from the data set %s, which holds none",
        from->path, fm_recipe_about(from->saved->recipe)->dataset->name);
}

/* ---- opening --------------------------------------------------------------------------------- */

typedef struct format {
    const char *end;
    fm_status (*open)(const source *from, fm_dataset **raw);
} format;

static const format formats[] = {
    {".csv", open_csv}, {".tsv", open_csv},    {".data", open_csv},  {".npy", open_npy},
    {".idx", open_idx}, {".idx.gz", open_idx}, {"-ubyte", open_idx}, {"-ubyte.gz", open_idx},
};

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static fm_status open_raw(const source *from, fm_dataset **raw)
{
    if (form_of(from->saved)) return open_text(from, raw);
    if (strcmp(from->path, "-") == 0) return open_stdin(from, raw);
    if (fm_recording_is_named(from->path)) return open_recordings(from, raw);
    bool folder = is_folder(from->path);
    if (folder && recipe_sound(from->saved->recipe)) return open_recordings(from, raw);
    if (folder || fm_image_is_named(from->path)) return open_images(from, raw);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (ends_with(from->path, formats[i].end)) return formats[i].open(from, raw);
    }
    return fm_fail(from->invocation->context, FM_ERROR_ARGUMENT,
                   "%s: what is it? Names of inputs end with .csv, .tsv, .npy, .idx, .idx.gz, as "
                   "images do: .png, .jpg, .jpeg, .pgm, .ppm, or as recordings do: .wav, .mp3, "
                   ".flac, .ogg, .opus, .aiff, .au",
                   from->path);
}

static fm_status prepare(invocation *s, const saved_model *saved, predict_input *input)
{
    return fm_dataset_transform(s->context, input->raw, saved->transform, &input->prepared);
}

static fm_status tell_unknown(invocation *s, const char *input, const fm_column *received,
                              const fm_column *trained)
{
    char number[24];
    fm_map known = {.context = s->context};
    fm_status status = FM_OK;
    const char *first = NULL;
    int64_t count = 0;
    for (int64_t k = 0; k < trained->category_count && status == FM_OK; k++) {
        status = fm_map_set(&known, fm_column_category(trained, k, number), 1);
    }
    for (int64_t k = 0; k < received->category_count && received->categories; k++) {
        uint32_t found;
        if (status != FM_OK || fm_map_get(&known, received->categories[k], &found)) continue;
        first = first ? first : received->categories[k];
        count++;
    }
    fm_map_release(&known);
    if (count == 0) return status;
    char others[48] = "";
    if (count > 1) snprintf(others, sizeof others, " and %lld more", (long long)count - 1);
    fm_report(s->context, FM_LOG_WARNING,
              "%s: column \"%s\": \"%s\"%s did not occur in training: read as missing", input,
              trained->name ? trained->name : "", first, others);
    return status;
}

/* A word that training has not seen is no mistake, but whoever mistypes one should know. */
static fm_status tell_unknown_categories(invocation *s, const saved_model *saved,
                                         const predict_input *input)
{
    const fm_data_field *received = &fm_dataset_about(input->raw)->fields[0];
    const fm_data_field *trained = &fm_transform_input(saved->transform)->fields[0];
    if (!received->columns || !trained->columns) return FM_OK;
    if (!fm_shape_equal(received->shape, trained->shape)) return FM_OK; /* the transform says so */
    fm_status status = FM_OK;
    int rank = trained->shape.rank;
    int64_t columns = rank > 0 ? trained->shape.dims[rank - 1] : 1;
    for (int64_t c = 0; c < columns && status == FM_OK; c++) {
        if (trained->columns[c].kind != FM_COLUMN_CATEGORICAL) continue;
        status = tell_unknown(s, input->name, &received->columns[c], &trained->columns[c]);
    }
    return status;
}

fm_status predict_input_open(invocation *s, const saved_model *saved, const char *path,
                             predict_input *input)
{
    *input = (predict_input){.name = path};
    source from = {s, saved, path};
    fm_status status = open_raw(&from, &input->raw);
    if (status == FM_OK) status = tell_unknown_categories(s, saved, input);
    if (status == FM_OK) status = prepare(s, saved, input);
    if (status != FM_OK) predict_input_close(s, input);
    return status;
}

fm_status predict_input_text(invocation *s, const saved_model *saved, const char *text,
                             predict_input *input)
{
    *input = (predict_input){.name = "text"};
    source from = {s, saved, "--text"};
    const fm_text_form *form = form_of(saved);
    if (!form || form->running) {
        return fm_fail(s->context, FM_ERROR_ARGUMENT, "--text: the model %s",
                       form ? "goes on with a text: take fathom generate" : "does not read texts");
    }
    fm_status status = one_text(&from, "--text", text, strlen(text), &input->raw);
    if (status == FM_OK) status = prepare(s, saved, input);
    if (status != FM_OK) predict_input_close(s, input);
    return status;
}

/* ---- samples of the test data ---------------------------------------------------------------- */

enum { MOST_SAMPLES = 10000 };

static fm_status fail_list(invocation *s, const char *list)
{
    return fm_fail(s->context, FM_ERROR_ARGUMENT,
                   "--sample '%s': numbers from 0 are wanted, like 7, 0-9 or 0,5,8", list);
}

/* Adds the numbers of "0-9,12"; at most MOST_SAMPLES. */
static fm_status read_list(invocation *s, const char *list, int64_t count, uint32_t *numbers,
                           int64_t *read)
{
    *read = 0;
    for (const char *at = list; *at || at == list;) {
        if (!isdigit((unsigned char)*at)) return fail_list(s, list);
        char *end;
        long first = strtol(at, &end, 10), last = first;
        if (*end == '-' && isdigit((unsigned char)end[1])) last = strtol(end + 1, &end, 10);
        if ((*end && *end != ',') || last < first) return fail_list(s, list);
        if (last >= count) {
            return fm_fail(s->context, FM_ERROR_ARGUMENT,
                           "--sample '%s': the data has %lld samples, the last is %lld", list,
                           (long long)count, (long long)count - 1);
        }
        for (long i = first; i <= last; i++) {
            if (*read == MOST_SAMPLES) {
                return fm_fail(s->context, FM_ERROR_LIMIT, "--sample '%s': at most %d at a time",
                               list, MOST_SAMPLES);
            }
            numbers[(*read)++] = (uint32_t)i;
        }
        at = *end ? end + 1 : end;
    }
    return FM_OK;
}

static fm_status view_samples(invocation *s, const saved_model *saved, const fm_recipe_data *data,
                              const char *list, predict_input *input)
{
    if (!data->raw_test) {
        return fm_fail(s->context, FM_ERROR_ARGUMENT,
                       "--sample: the model's recipe has no test data; add test_split: 0.2 to its "
                       "section data, or name a file");
    }
    const fm_dataset_info *about = fm_dataset_about(data->raw_test);
    int64_t count;
    input->numbers = fm_allocate_array(s->context, MOST_SAMPLES, sizeof(uint32_t));
    if (!input->numbers) return FM_ERROR_MEMORY;
    fm_status status = read_list(s, list, about->count, input->numbers, &count);
    if (status == FM_OK) {
        status = fm_dataset_view(s->context, data->raw_test, input->numbers, count, &input->raw);
    }
    return status == FM_OK ? prepare(s, saved, input) : status;
}

fm_status predict_input_sample(invocation *s, const saved_model *saved, const char *list,
                               predict_input *input)
{
    *input = (predict_input){.name = "test"};
    fm_recipe_data data;
    fm_status status = fm_recipe_open_data(saved->recipe, &s->places, saved->transform_json, &data);
    terminal_wipe(&s->err);
    if (status != FM_OK) return status;
    status = view_samples(s, saved, &data, list, input);
    fm_recipe_data_close(&data);
    if (status != FM_OK) predict_input_close(s, input);
    return status;
}

const char *predict_input_file(const predict_input *input, int64_t i)
{
    if (input->numbers) return NULL;
    const char *image = fm_image_file_name(input->raw, i);
    return image ? image : fm_recording_file_name(input->raw, i);
}

void predict_input_close(invocation *s, predict_input *input)
{
    fm_dataset_destroy(input->prepared);
    fm_dataset_destroy(input->raw);
    fm_release(s->context, input->numbers);
    *input = (predict_input){0};
}
