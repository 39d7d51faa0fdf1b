#include "data/file/csv_table.h"
#include "base/checked.h"
#include "base/fields.h"
#include "base/utf8.h"
#include "data/array_source.h"
#include "data/file/array_file.h"
#include "data/file/file_records.h"
#include "data/file/places.h"
#include "data/parts.h"
#include "data/table_options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COLUMNS = 65536, LONGEST_LINE = 16 << 20 };
#define FILE_LIMIT ((double)((int64_t)4 << 30))

const fm_field fm_csv_fields[] = {
    {"file", "path of the file", offsetof(fm_csv_options, file), .type = FM_FIELD_STRING,
     .required = true},
    {"test_file", "path of a file with the test part", offsetof(fm_csv_options, test_file),
     .type = FM_FIELD_STRING},
    {"target", "name or number of the target's column (default: the last), or none",
     offsetof(fm_csv_options, target), .type = FM_FIELD_STRING},
    {"target_kind", "categorical for classes that are numbers",
     offsetof(fm_csv_options, target_kind), .type = FM_FIELD_ENUM, .choices = fm_column_kind_names},
    {"drop", "columns that are left out", offsetof(fm_csv_options, drop), .type = FM_FIELD_STRING},
    {"categorical", "columns whose numbers are categories", offsetof(fm_csv_options, categorical),
     .type = FM_FIELD_STRING},
    {"numeric", "columns that hold nothing but numbers", offsetof(fm_csv_options, numeric),
     .type = FM_FIELD_STRING},
    {"missing", "words for a missing value (default: ?, NA, NaN, nan, null, None)",
     offsetof(fm_csv_options, missing), .type = FM_FIELD_STRING},
    {"header", "whether the first line names the columns", offsetof(fm_csv_options, header),
     .type = FM_FIELD_ENUM, .choices = fm_table_header_names},
    {"separator", "between cells", offsetof(fm_csv_options, separator), .type = FM_FIELD_ENUM,
     .choices = fm_table_separator_names},
    {"max_columns", "columns that are accepted", offsetof(fm_csv_options, max_columns),
     .type = FM_FIELD_INT, .default_value = MOST_COLUMNS, .minimum = 1, .maximum = 1 << 24},
    {"max_line", "bytes of a line that are accepted", offsetof(fm_csv_options, max_line),
     .type = FM_FIELD_INT, .default_value = LONGEST_LINE, .minimum = 1, .maximum = 1 << 30},
    {"memory_limit", "bytes that are accepted", offsetof(fm_csv_options, memory_limit),
     .type = FM_FIELD_INT, .default_value = FILE_LIMIT, .minimum = 1, .maximum = 1e18},
    {0},
};

/* ---- Second reading: the values ---- */

typedef struct csv_values {
    double *x;        /* (rows, x columns) */
    double *y;        /* (rows, targets), or */
    int32_t *classes; /* (rows) for a categorical one */
    uint32_t *lines;  /* (rows) where each begins */
} csv_values;

/* JSON and terminals want UTF-8: what is no such text is found here. */
static bool is_utf8(const char *text)
{
    size_t size = strlen(text);
    return fm_utf8_check(text, size) == size;
}

static fm_status find_category(fm_csv_table *table, fm_csv_column *column, const fm_csv_cell *cell,
                               uint32_t *number)
{
    fm_status status = fm_csv_text(cell, &table->scratch);
    if (status != FM_OK) return status;
    const char *word = fm_text_string(&table->scratch);
    if (fm_map_get(&column->by_name, word, number)) return FM_OK;
    if (!is_utf8(word)) {
        return fm_csv_fail(
            &table->reader, cell, FM_ERROR_FORMAT,
            "column \"%s\": this is no UTF-8 text; convert the file (iconv -t UTF-8)",
            column->name);
    }
    *number = (uint32_t)column->by_name.count;
    return fm_map_set(&column->by_name, word, *number);
}

static fm_status read_value(fm_csv_table *table, fm_csv_column *column, const fm_csv_cell *cell,
                            double *value)
{
    uint32_t number;
    *value = NAN;
    if (fm_csv_is_missing(table, cell)) return FM_OK;
    if (column->kind == FM_COLUMN_NUMERIC) {
        fm_csv_number(cell, value); /* it was one at the first reading */
        return FM_OK;
    }
    fm_status status = find_category(table, column, cell, &number);
    if (status == FM_OK) *value = number;
    return status;
}

static fm_status fill_row(fm_csv_table *table, csv_values *values, int64_t row)
{
    for (size_t i = 0; i < table->column_count; i++) {
        fm_csv_column *column = &table->columns[i];
        double value;
        if (column->role == FM_CSV_DROPPED) continue;
        fm_status status = read_value(table, column, &table->reader.cells[i], &value);
        if (status != FM_OK) return status;
        if (column->role == FM_CSV_X) {
            values->x[row * table->x_count + column->place] = value;
        } else if (values->classes) {
            values->classes[row] = (int32_t)value;
        } else {
            values->y[row * table->y_count + column->place] = value;
        }
    }
    return FM_OK;
}

static fm_status fill_rows(fm_csv_table *table, csv_values *values)
{
    fm_status status = fm_csv_table_rewind(table);
    for (int64_t row = 0; row < table->rows && status == FM_OK; row++) {
        status = fm_csv_next(&table->reader);
        if (status == FM_OK) status = fill_row(table, values, row);
        if (status == FM_OK) values->lines[row] = (uint32_t)table->reader.cells[0].line;
    }
    return status;
}

/* ---- Categories in a fixed order ---- */

int fm_csv_compare_categories(const void *a, const void *b)
{
    const fm_map_entry *p = *(const fm_map_entry *const *)a, *q = *(const fm_map_entry *const *)b;
    fm_csv_cell left = {.text = p->key, .size = strlen(p->key)};
    fm_csv_cell right = {.text = q->key, .size = strlen(q->key)};
    double x, y;
    bool x_number = fm_csv_number(&left, &x), y_number = fm_csv_number(&right, &y);
    if (x_number != y_number) return x_number ? -1 : 1;
    if (x_number && x != y) return x < y ? -1 : 1;
    return strcmp(p->key, q->key);
}

static fm_status sort_categories(fm_csv_table *table, fm_csv_column *column, fm_column *described)
{
    size_t count = column->by_name.count;
    const fm_map_entry **order = fm_arena_allocate(&table->words, count * sizeof *order);
    const char **names = fm_arena_allocate(&table->words, count * sizeof *names);
    column->rank = fm_arena_allocate(&table->words, count * sizeof *column->rank);
    if (!order || !names || !column->rank) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) order[i] = &column->by_name.entries[i];
    qsort(order, count, sizeof *order, fm_csv_compare_categories);
    for (size_t i = 0; i < count; i++) {
        names[i] = order[i]->key;
        column->rank[order[i]->value] = (uint32_t)i;
    }
    described->category_count = (int64_t)count;
    described->categories = names;
    if (count > 1000 && column->role == FM_CSV_X && (int64_t)count > table->rows / 2) {
        fm_report(
            table->context, FM_LOG_WARNING,
            "%s: column \"%s\" has %zu different words in %lld lines; drop it, unless they are "
            "categories",
            table->reader.name, column->name, count, (long long)table->rows);
    }
    return FM_OK;
}

static void rank_values(const fm_csv_table *table, const fm_csv_column *column, csv_values *values)
{
    for (int64_t row = 0; row < table->rows; row++) {
        if (column->role == FM_CSV_Y) {
            values->classes[row] = (int32_t)column->rank[values->classes[row]];
            continue;
        }
        double *value = &values->x[row * table->x_count + column->place];
        if (!isnan(*value)) *value = column->rank[(size_t)*value];
    }
}

static fm_status describe_columns(fm_csv_table *table, csv_values *values, fm_column *x,
                                  fm_column *y)
{
    for (size_t i = 0; i < table->column_count; i++) {
        fm_csv_column *column = &table->columns[i];
        if (column->role == FM_CSV_DROPPED) continue;
        if (!is_utf8(column->name)) {
            return fm_fail(
                table->context, FM_ERROR_FORMAT,
                "%s: the name of column %zu is no UTF-8 text; convert the file (iconv -t "
                "UTF-8)",
                table->reader.name, i);
        }
        fm_column *described = (column->role == FM_CSV_X ? x : y) + column->place;
        *described = (fm_column){.name = column->name, .kind = column->kind};
        if (column->kind != FM_COLUMN_CATEGORICAL) continue;
        fm_status status = sort_categories(table, column, described);
        if (status != FM_OK) return status;
        rank_values(table, column, values);
    }
    return FM_OK;
}

/* ---- The data set ---- */

static bool has_classes(const fm_csv_table *table)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const fm_csv_column *column = &table->columns[i];
        if (column->role == FM_CSV_Y && column->kind == FM_COLUMN_CATEGORICAL) return true;
    }
    return false;
}

static fm_status check_memory(const fm_csv_table *table)
{
    int64_t cells, bytes;
    bool fits = fm_checked_mul_i64(table->rows, table->x_count + table->y_count, &cells) &&
                fm_checked_mul_i64(cells, (int64_t)sizeof(double), &bytes) &&
                bytes <= table->options.memory_limit && table->rows <= (int64_t)UINT32_MAX;
    if (fits) return FM_OK;
    return fm_fail(table->context, FM_ERROR_LIMIT,
                   "%s: %lld lines of %lld columns are more than the %lld bytes accepted here",
                   table->reader.name, (long long)table->rows,
                   (long long)(table->x_count + table->y_count),
                   (long long)table->options.memory_limit);
}

static fm_status allocate_values(fm_csv_table *table, csv_values *values)
{
    fm_context *context = table->context;
    size_t rows = (size_t)table->rows, targets = (size_t)table->y_count;
    values->x = fm_allocate_array(context, rows, (size_t)table->x_count * sizeof(double));
    values->lines = fm_allocate_array(context, rows, sizeof *values->lines);
    bool made = values->x && values->lines;
    if (has_classes(table)) {
        values->classes = fm_allocate_array(context, rows, sizeof(int32_t));
        made = made && values->classes;
    } else if (targets > 0) {
        values->y = fm_allocate_array(context, rows, targets * sizeof(double));
        made = made && values->y;
    }
    return made ? FM_OK : fm_error_status(context);
}

static fm_status make_dataset(fm_csv_table *table, csv_values *values, fm_dataset **dataset)
{
    fm_column *x = fm_arena_allocate(&table->words, (size_t)table->x_count * sizeof *x);
    fm_column *y = fm_arena_allocate(&table->words, (size_t)table->y_count * sizeof *y);
    if (!x || !y) return FM_ERROR_MEMORY;
    fm_status status = fill_rows(table, values);
    if (status == FM_OK) status = describe_columns(table, values, x, y);
    if (status != FM_OK) return status;
    bool classes = values->classes;
    fm_dataset_info info = {
        .name = fm_file_name(table->reader.name),
        .origin = table->reader.name,
        .count = table->rows,
        .field_count = table->y_count > 0 ? 2 : 1,
        .fields = {{.name = "x", .dtype = FM_F64, .shape = FM_SHAPE(table->x_count), .columns = x},
                   {.name = "y",
                    .dtype = classes ? FM_I32 : FM_F64,
                    .shape = classes ? FM_SHAPE() : FM_SHAPE(table->y_count),
                    .columns = y}}};
    void *data[] = {values->x, classes ? (void *)values->classes : (void *)values->y};
    uint32_t *lines = values->lines;
    *values = (csv_values){0};
    return fm_dataset_adopt_rows(table->context, &info, data, lines, dataset);
}

static fm_status parse(fm_context *context, const char *name, const char *bytes, size_t size,
                       const fm_csv_options *options, const fm_dataset_info *like,
                       fm_dataset **dataset)
{
    fm_csv_table table;
    csv_values values = {0};
    *dataset = NULL;
    fm_status status = fm_csv_table_open(&table, context, name, bytes, size, options, like);
    if (status != FM_OK) return status;
    status = check_memory(&table);
    if (status == FM_OK) status = allocate_values(&table, &values);
    if (status == FM_OK) status = make_dataset(&table, &values, dataset);
    fm_release(context, values.x);
    fm_release(context, values.y);
    fm_release(context, values.classes);
    fm_release(context, values.lines);
    fm_csv_table_close(&table);
    return status;
}

/* `file` is not needed here: the path is an argument. */
static fm_status complete(fm_context *context, const char *path, const fm_csv_options *options,
                          fm_csv_options *filled)
{
    *filled = options ? *options : (fm_csv_options){0};
    filled->file = path;
    return fm_fields_complete(context, fm_csv_fields, filled, "csv");
}

static const fm_dataset_info *like_of(const fm_csv_options *options)
{
    return options->like ? fm_transform_input(options->like) : NULL;
}

fm_status fm_dataset_parse_csv(fm_context *context, const char *name, const void *bytes,
                               size_t size, const fm_csv_options *options, fm_dataset **dataset)
{
    fm_csv_options filled;
    *dataset = NULL;
    fm_status status = complete(context, name, options, &filled);
    if (status != FM_OK) return status;
    return parse(context, name, bytes, size, &filled, like_of(&filled), dataset);
}

static fm_status open_file(fm_context *context, const char *path, const fm_csv_options *options,
                           const fm_dataset_info *like, fm_dataset **dataset)
{
    char *bytes;
    size_t size;
    *dataset = NULL;
    fm_status status =
        fm_byte_stream_read_file(context, path, (size_t)options->memory_limit, &bytes, &size);
    if (status != FM_OK) return status;
    status = parse(context, path, bytes, size, options, like, dataset);
    fm_release(context, bytes);
    return status;
}

fm_status fm_dataset_open_csv(fm_context *context, const char *path, const fm_csv_options *options,
                              fm_dataset **dataset)
{
    fm_csv_options filled;
    *dataset = NULL;
    fm_status status = complete(context, path, options, &filled);
    if (status != FM_OK) return status;
    return open_file(context, path, &filled, like_of(&filled), dataset);
}

/* ---- The record ---- */

static fm_status open_named(fm_context *context, const char *file, const fm_data_places *places,
                            const fm_csv_options *options, const fm_dataset_info *like,
                            fm_dataset **dataset)
{
    fm_text path = FM_TEXT(context);
    fm_status status = fm_places_find(context, places, file, &path);
    if (status == FM_OK) status = open_file(context, fm_text_string(&path), options, like, dataset);
    fm_text_release(&path);
    return status;
}

fm_status fm_open_csv_record(fm_context *context, const void *options, const fm_data_places *places,
                             fm_dataset **train, fm_dataset **test)
{
    fm_csv_options filled = *(const fm_csv_options *)options;
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_fields_complete(context, fm_csv_fields, &filled, "csv");
    if (status != FM_OK) return status;
    status = open_named(context, filled.file, places, &filled, like_of(&filled), train);
    if (status != FM_OK || !test || !filled.test_file) return status;
    const fm_dataset_info *like = fm_dataset_about(*train); /* the same columns and kinds */
    status = open_named(context, filled.test_file, places, &filled, like, test);
    if (status == FM_OK) return FM_OK;
    fm_dataset_destroy(*train);
    *train = NULL;
    return status;
}
