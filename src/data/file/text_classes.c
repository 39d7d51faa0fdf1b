/* Labelled texts from a table. The bytes are read twice: to learn which column is what, then the
 * texts and their classes. */
#include "base/fields.h"
#include "base/utf8.h"
#include "data/dataset.h"
#include "data/file/array_file.h"
#include "data/file/csv_table.h"
#include "data/file/places.h"
#include "data/file/text_records.h"
#include "data/table_options.h"
#include "data/text/text_fields.h"
#include "data/text/vocabulary.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 65536, LONGEST_LINE = 16 << 20, NO_COLUMN = -1 };
#define MEMORY_LIMIT ((double)((int64_t)4 << 30))

static const char *const quotes_names[] = {"auto", "yes", "no", NULL};

const fm_field fm_text_classes_fields[] = {
    {"file", "path of a table", offsetof(fm_text_classes_options, file), .type = FM_FIELD_STRING},
    {"test_file", "path of a table with the test part",
     offsetof(fm_text_classes_options, test_file), .type = FM_FIELD_STRING},
    {"folder", "in place of file: it holds CLASS/NAME.txt, or train/ and test/ with these",
     offsetof(fm_text_classes_options, folder), .type = FM_FIELD_STRING},
    {"text", "name or number of the texts' column (default: in a table of two, the longer one)",
     offsetof(fm_text_classes_options, text), .type = FM_FIELD_STRING},
    {"label", "name or number of the classes' column (default: the other one), or none",
     offsetof(fm_text_classes_options, label), .type = FM_FIELD_STRING},
    {"header", "whether the first line names the columns",
     offsetof(fm_text_classes_options, header), .type = FM_FIELD_ENUM,
     .choices = fm_table_header_names},
    {"separator", "between cells", offsetof(fm_text_classes_options, separator),
     .type = FM_FIELD_ENUM, .choices = fm_table_separator_names},
    {"quotes", "whether quotes enclose cells (auto: not where tabs separate)",
     offsetof(fm_text_classes_options, quotes), .type = FM_FIELD_ENUM, .choices = quotes_names},
    FM_SAMPLE_FIELDS(fm_text_classes_options),
    {"memory_limit", "bytes that are accepted", offsetof(fm_text_classes_options, memory_limit),
     .type = FM_FIELD_INT, .default_value = MEMORY_LIMIT, .minimum = 1, .maximum = 1e18},
    {0},
};

typedef struct table {
    fm_context *context;
    const fm_text_classes_options *options;
    const fm_column *given; /* classes, or NULL */
    const char *bytes;
    fm_csv_reader reader;
    fm_arena words;
    fm_text scratch;
    const char **names; /* the first line's cells */
    int64_t columns, lines;
    size_t sizes[2]; /* of the first two columns in all */
    int64_t text, label;
    bool has_header, needs_utf8;
    fm_map classes; /* in order of appearance, or as given */
    const char **texts;
    size_t *text_sizes;
    int32_t *labels;
} table;

/* ---- columns --------------------------------------------------------------------------------- */

static fm_status read_names(table *t)
{
    t->columns = (int64_t)t->reader.count;
    t->names = fm_arena_allocate(&t->words, t->reader.count * sizeof *t->names);
    if (!t->names) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < t->reader.count; i++) {
        fm_status status = fm_csv_text(&t->reader.cells[i], &t->scratch);
        if (status != FM_OK) return status;
        t->names[i] = fm_arena_string(&t->words, fm_text_string(&t->scratch));
        if (!t->names[i]) return FM_ERROR_MEMORY;
    }
    return FM_OK;
}

static fm_status check_cells(const table *t)
{
    if ((int64_t)t->reader.count == t->columns) return FM_OK;
    return fm_csv_fail(&t->reader, &t->reader.cells[0], FM_ERROR_FORMAT,
                       "%zu cells in this line, %lld in the first%s", t->reader.count,
                       (long long)t->columns,
                       t->reader.plain ? "" : "; a text that holds the separator stands in quotes");
}

static fm_status survey(table *t)
{
    for (;;) {
        fm_status status = fm_csv_next(&t->reader);
        if (status != FM_OK || t->reader.count == 0) return status;
        status = t->lines++ == 0 ? read_names(t) : check_cells(t);
        if (status != FM_OK) return status;
        for (int64_t i = 0; i < 2 && i < t->columns; i++) t->sizes[i] += t->reader.cells[i].size;
    }
}

static const char *next_name(const void *list, int index)
{
    const table *t = list;
    return index < t->columns ? t->names[index] : NULL;
}

/* *named: it was found in the first line. */
static fm_status find_column(const table *t, const char *option, const char *word, int64_t *column,
                             bool *named)
{
    bool names = t->options->header != FM_CSV_HEADER_NO;
    *column = names ? fm_column_of_name(word, next_name, t) : NO_COLUMN;
    if (*column >= 0) *named = true;
    if (*column < 0) *column = fm_column_of_number(word, t->columns);
    if (*column >= 0) return FM_OK;
    return fm_column_unknown(t->context, t->reader.name, option, word, next_name, t);
}

static fm_status fail_columns(const table *t)
{
    return fm_fail(
        t->context, FM_ERROR_ARGUMENT,
        "%s: %lld columns: say which one holds the texts and which one the classes: {text: "
        "NAME, label: NAME} (or numbers from 0)",
        t->reader.name, (long long)t->columns);
}

static fm_status choose_columns(table *t, bool *named)
{
    const char *text = t->options->text, *label = t->options->label;
    bool unlabelled = t->columns == 1 || (label && strcmp(label, "none") == 0);
    fm_status status = FM_OK;
    t->text = t->label = NO_COLUMN;
    if (text && t->columns > 1) status = find_column(t, "text", text, &t->text, named);
    if (status == FM_OK && label && !unlabelled) {
        status = find_column(t, "label", label, &t->label, named);
    }
    if (status != FM_OK) return status;
    if (t->columns == 1) t->text = 0;
    if (t->columns == 2) {
        int64_t longer = t->sizes[1] > t->sizes[0];
        if (t->text == NO_COLUMN) t->text = t->label != NO_COLUMN ? 1 - t->label : longer;
        if (t->label == NO_COLUMN) t->label = 1 - t->text;
    }
    if (unlabelled) t->label = NO_COLUMN;
    if (t->text == NO_COLUMN || (t->label == NO_COLUMN && !unlabelled)) return fail_columns(t);
    if (t->text != t->label) return FM_OK;
    return fm_fail(t->context, FM_ERROR_ARGUMENT, "%s: text and label are the same column, %lld",
                   t->reader.name, (long long)t->text);
}

/* A header's label is no other line's. */
static fm_status guess_header(table *t)
{
    t->has_header = t->lines > 1 && t->label != NO_COLUMN;
    fm_csv_rewind(&t->reader);
    fm_status status = fm_csv_next(&t->reader);
    for (int64_t i = 1; i < t->lines && t->has_header && status == FM_OK; i++) {
        status = fm_csv_next(&t->reader);
        if (status == FM_OK) status = fm_csv_text(&t->reader.cells[t->label], &t->scratch);
        if (status != FM_OK) return status;
        if (strcmp(fm_text_string(&t->scratch), t->names[t->label]) == 0) t->has_header = false;
    }
    return status;
}

static fm_status decide(table *t)
{
    bool named = false;
    fm_status status = survey(t);
    if (status != FM_OK) return status;
    if (t->lines == 0) {
        return fm_fail(t->context, FM_ERROR_FORMAT, "%s: there are no lines in it", t->reader.name);
    }
    status = choose_columns(t, &named);
    if (status != FM_OK) return status;
    t->has_header = t->options->header == FM_CSV_HEADER_YES || named;
    if (t->options->header == FM_CSV_HEADER_AUTO && !named) status = guess_header(t);
    if (status != FM_OK) return status;
    t->lines -= t->has_header;
    if (t->lines > 0) return FM_OK;
    return fm_fail(t->context, FM_ERROR_FORMAT, "%s: there is no line below the header",
                   t->reader.name);
}

/* ---- texts and classes ----------------------------------------------------------------------- */

/* Places are counted from 1. */
static fm_status check_utf8(const table *t, const fm_csv_cell *cell)
{
    size_t at = fm_utf8_check(cell->text, cell->size);
    if (at == cell->size) return FM_OK;
    return fm_csv_fail(
        &t->reader, cell, FM_ERROR_FORMAT,
        "byte %lld of the file is 0x%02x, which is no UTF-8 text; convert it (iconv -t "
        "UTF-8)%s",
        (long long)(cell->text - t->bytes) + (long long)at + 1, (unsigned char)cell->text[at],
        cell == &t->reader.cells[t->text]
            ? ", or take 'vocabulary: bytes' or 'bpe', which read any bytes"
            : "");
}

static fm_status take_text(table *t, const fm_csv_cell *cell, int64_t line)
{
    if (t->needs_utf8) {
        fm_status status = check_utf8(t, cell);
        if (status != FM_OK) return status;
    }
    t->texts[line] = cell->text;
    t->text_sizes[line] = cell->size;
    if (!cell->doubled) return FM_OK;
    fm_status status = fm_csv_text(cell, &t->scratch);
    if (status != FM_OK) return status;
    t->texts[line] = fm_arena_string(&t->words, fm_text_string(&t->scratch));
    t->text_sizes[line] = t->scratch.size;
    return t->texts[line] ? FM_OK : FM_ERROR_MEMORY;
}

static fm_status take_label(table *t, const fm_csv_cell *cell, int64_t line)
{
    uint32_t number;
    fm_status status = check_utf8(t, cell);
    if (status == FM_OK) status = fm_csv_text(cell, &t->scratch);
    if (status != FM_OK) return status;
    const char *word = fm_text_string(&t->scratch);
    if (!*word) return fm_csv_fail(&t->reader, cell, FM_ERROR_FORMAT, "a label is missing here");
    if (!fm_map_get(&t->classes, word, &number)) {
        if (t->given) {
            return fm_csv_fail(&t->reader, cell, FM_ERROR_ARGUMENT,
                               "the label '%s' is none of the %lld classes that are known", word,
                               (long long)t->given->category_count);
        }
        number = (uint32_t)t->classes.count;
        status = fm_map_set(&t->classes, word, number);
    }
    t->labels[line] = (int32_t)number;
    return status;
}

static fm_status take_lines(table *t)
{
    fm_csv_rewind(&t->reader);
    fm_status status = t->has_header ? fm_csv_next(&t->reader) : FM_OK;
    for (int64_t line = 0; line < t->lines && status == FM_OK; line++) {
        status = fm_csv_next(&t->reader);
        if (status == FM_OK) status = take_text(t, &t->reader.cells[t->text], line);
        if (status == FM_OK && t->label != NO_COLUMN) {
            status = take_label(t, &t->reader.cells[t->label], line);
        }
    }
    return status;
}

static fm_status take_memory(table *t)
{
    size_t lines = (size_t)t->lines;
    t->texts = fm_allocate_array(t->context, lines, sizeof *t->texts);
    t->text_sizes = fm_allocate_array(t->context, lines, sizeof *t->text_sizes);
    t->labels = fm_allocate_array(t->context, lines, sizeof *t->labels);
    if (!t->texts || !t->text_sizes || !t->labels) return fm_error_status(t->context);
    fm_status status = FM_OK;
    for (int64_t k = 0; t->given && k < t->given->category_count && status == FM_OK; k++) {
        char number[24];
        status = fm_map_set(&t->classes, fm_column_category(t->given, k, number), (uint32_t)k);
    }
    return status;
}

/* From the order of appearance to that of the names. */
static fm_status sort_classes(table *t, fm_column *column)
{
    size_t count = t->classes.count;
    const fm_map_entry **order = fm_arena_allocate(&t->words, count * sizeof *order);
    const char **names = fm_arena_allocate(&t->words, count * sizeof *names);
    int32_t *rank = fm_arena_allocate(&t->words, count * sizeof *rank);
    if (!order || !names || !rank) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) order[i] = &t->classes.entries[i];
    qsort(order, count, sizeof *order, fm_csv_compare_categories);
    for (size_t i = 0; i < count; i++) {
        names[i] = order[i]->key;
        rank[order[i]->value] = (int32_t)i;
    }
    for (int64_t line = 0; line < t->lines; line++) t->labels[line] = rank[t->labels[line]];
    column->category_count = (int64_t)count;
    column->categories = names;
    return FM_OK;
}

static fm_status make_dataset(table *t, fm_dataset **dataset)
{
    fm_column column = {.name = "label", .kind = FM_COLUMN_CATEGORICAL};
    fm_status status = decide(t);
    if (status == FM_OK) status = take_memory(t);
    if (status == FM_OK) status = take_lines(t);
    if (status != FM_OK) return status;
    if (t->given) {
        column = *t->given;
    } else if (t->label != NO_COLUMN) {
        status = sort_classes(t, &column);
        if (status != FM_OK) return status;
    }
    fm_labelled_texts texts = {.name = fm_file_name(t->reader.name),
                               .origin = t->reader.name,
                               .count = t->lines,
                               .texts = t->texts,
                               .sizes = t->text_sizes,
                               .labels = t->labels,
                               .classes = t->label != NO_COLUMN ? &column : NULL};
    return fm_dataset_from_texts(t->context, &texts, &t->options->form, dataset);
}

/* Sentences hold commas, but hardly ever a tab: one in the first line separates. */
static char guess_separator(const fm_csv_reader *reader)
{
    const char *at = reader->begin;
    while (at < reader->end && (*at == '\n' || *at == '\r')) at++; /* blank lines */
    for (; at < reader->end && *at != '\n' && *at != '\r'; at++) {
        if (*at == '\t') return '\t';
    }
    return fm_csv_guess_separator(reader);
}

static fm_status parse(fm_context *context, const char *name, const char *bytes, size_t size,
                       const fm_text_classes_options *options, const fm_column *classes,
                       fm_dataset **dataset)
{
    table t = {.context = context,
               .options = options,
               .given = classes,
               .bytes = bytes,
               .words = {.context = context},
               .scratch = FM_TEXT(context),
               .classes = {.context = context}};
    *dataset = NULL;
    t.needs_utf8 = fm_vocabulary_kind_at(options->form.vocabulary.kind)->utf8;
    fm_status status = fm_csv_open(&t.reader, context, name, bytes, size);
    if (status == FM_OK) {
        t.reader.separator =
            options->separator ? fm_csv_separators[options->separator] : guess_separator(&t.reader);
        t.reader.plain = options->quotes == FM_QUOTES_AUTO ? t.reader.separator == '\t'
                                                           : options->quotes == FM_QUOTES_NO;
        t.reader.max_columns = MOST_COLUMNS;
        t.reader.max_record = LONGEST_LINE;
        status = make_dataset(&t, dataset);
    }
    fm_csv_close(&t.reader);
    fm_arena_release(&t.words);
    fm_text_release(&t.scratch);
    fm_map_release(&t.classes);
    fm_release(context, t.texts);
    fm_release(context, t.text_sizes);
    fm_release(context, t.labels);
    return status;
}

fm_status fm_dataset_parse_text_classes(fm_context *context, const char *name, const void *bytes,
                                        size_t size, const fm_text_classes_options *options,
                                        const fm_column *classes, fm_dataset **dataset)
{
    fm_text_classes_options filled = options ? *options : (fm_text_classes_options){0};
    *dataset = NULL;
    fm_status status = fm_fields_complete(context, fm_text_classes_fields, &filled, "text_classes");
    if (status != FM_OK) return status;
    return parse(context, name, bytes, size, &filled, classes, dataset);
}

/* ---- the record ------------------------------------------------------------------------------ */

static fm_status open_table(fm_context *context, const char *file, const fm_data_places *places,
                            const fm_text_classes_options *options, const fm_column *classes,
                            fm_dataset **dataset)
{
    fm_text path = FM_TEXT(context);
    char *bytes = NULL;
    size_t size;
    *dataset = NULL;
    fm_status status = fm_places_find(context, places, file, &path);
    if (status == FM_OK) {
        status = fm_byte_stream_read_file(context, fm_text_string(&path),
                                          (size_t)options->memory_limit, &bytes, &size);
    }
    if (status == FM_OK) {
        status = parse(context, fm_text_string(&path), bytes, size, options, classes, dataset);
    }
    fm_release(context, bytes);
    fm_text_release(&path);
    return status;
}

static fm_status open_tables(fm_context *context, const fm_text_classes_options *options,
                             const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    fm_status status = open_table(context, options->file, places, options, NULL, train);
    if (status != FM_OK || !test || !options->test_file) return status;
    status = open_table(context, options->test_file, places, options,
                        fm_dataset_about(*train)->fields[1].columns, test);
    if (status == FM_OK) return FM_OK;
    fm_dataset_destroy(*train);
    *train = NULL;
    return status;
}

static fm_status open_folder(fm_context *context, const fm_text_classes_options *options,
                             const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    fm_text path = FM_TEXT(context);
    fm_status status = fm_places_find(context, places, options->folder, &path);
    if (status == FM_OK) {
        status = fm_text_folder_open(context, fm_text_string(&path), options, train, test);
    }
    fm_text_release(&path);
    return status;
}

fm_status fm_open_text_classes_record(fm_context *context, const void *options,
                                      const fm_data_places *places, fm_dataset **train,
                                      fm_dataset **test)
{
    fm_text_classes_options filled = *(const fm_text_classes_options *)options;
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_fields_complete(context, fm_text_classes_fields, &filled, "text_classes");
    if (status != FM_OK) return status;
    if (!filled.file == !filled.folder) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "text_classes: name a table (file) or a folder of texts (folder), %s",
                       filled.file ? "not both" : "one of them");
    }
    return filled.file ? open_tables(context, &filled, places, train, test)
                       : open_folder(context, &filled, places, train, test);
}
