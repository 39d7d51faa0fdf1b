/* A series from a CSV file: columns by their names, times found, numbers read. */
#include "base/checked.h"
#include "base/fields.h"
#include "data/file/byte_stream.h"
#include "data/file/csv_table.h"
#include "data/file/file_records.h"
#include "data/file/places.h"
#include "data/series/series_inside.h"

#include <ctype.h>
#include <string.h>

typedef struct series_file {
    fm_context *context;
    const fm_series_options *options;
    fm_csv_table table;
    fm_arena words;
    fm_series_columns columns;
    fm_time_axis times;
    int *place;
    int64_t width;
    double *values; /* (rows, width) */
} series_file;

/* ---- Times ---- */

static bool calls_itself_time(const char *name)
{
    static const char *const known[] = {"date",      "time",  "datetime", "date time",
                                        "timestamp", "month", "day",      "week",
                                        "quarter",   "year",  "period",   "ds"};
    char small[16];
    size_t size = strlen(name);
    if (size >= sizeof small) return false;
    for (size_t i = 0; i <= size; i++) small[i] = (char)tolower((unsigned char)name[i]);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(small, known[i]) == 0) return true;
    }
    return false;
}

/* Reads a column's times; *wrong is the first cell that is none, its text NULL when all are. */
static fm_status read_times(series_file *f, size_t column, fm_csv_cell *wrong)
{
    *wrong = (fm_csv_cell){0};
    f->times.count = f->table.rows;
    f->times.name = f->table.columns[column].name;
    fm_status status = fm_csv_table_rewind(&f->table);
    for (int64_t row = 0; row < f->table.rows && status == FM_OK; row++) {
        status = fm_csv_next(&f->table.reader);
        if (status != FM_OK) break;
        const fm_csv_cell *cell = &f->table.reader.cells[column];
        if (fm_time_axis_read(&f->times, row, cell->text, cell->size)) continue;
        *wrong = *cell;
        break;
    }
    if (status != FM_OK || wrong->text) f->times.kind = FM_TIME_ROWS;
    return status;
}

/* By what the cells are and what the column is called. */
static fm_status find_times(series_file *f)
{
    fm_csv_cell wrong;
    for (size_t i = 0; i < f->table.column_count; i++) {
        const fm_csv_column *column = &f->table.columns[i];
        bool possible = column->missing == 0 && (column->numbers == 0 || column->words == 0);
        bool named = calls_itself_time(column->name);
        if (!possible || (column->words == 0 && !named)) continue;
        fm_status status = read_times(f, i, &wrong);
        if (status != FM_OK) return status;
        /* a column "month" that begins again each year is a number like others */
        bool found = f->times.kind == FM_TIME_DATES ||
                     (f->times.kind == FM_TIME_NUMBERS && fm_time_axis_grows(&f->times));
        if (found) {
            f->columns.time = (int)i;
            return FM_OK;
        }
        f->times.kind = FM_TIME_ROWS;
    }
    return FM_OK;
}

static fm_status choose_times(series_file *f)
{
    const char *word = f->options->time;
    fm_csv_cell wrong;
    f->columns.time = -1;
    f->times.at = fm_arena_allocate(&f->words, (size_t)f->table.rows * sizeof *f->times.at);
    if (!f->times.at) return FM_ERROR_MEMORY;
    if (!word) return find_times(f);
    if (strcmp(word, "none") == 0) return FM_OK;
    int column = fm_series_column_find(&f->columns, word);
    if (column < 0) return fm_series_column_unknown(f->context, &f->columns, "time", word);
    f->columns.time = column;
    fm_status status = read_times(f, (size_t)column, &wrong);
    if (status != FM_OK || !wrong.text) return status;
    return fm_csv_fail(&f->table.reader, &wrong, FM_ERROR_FORMAT,
                       "\"%.*s\" is no time%s in column \"%s\"; known are 2020-01, 2020-01-31, "
                       "31.01.2020, with 12:00 or 12:00:00 behind, and numbers",
                       fm_csv_shown(&wrong), wrong.text,
                       wrong.line > 2 ? " written as the first one" : "", f->columns.names[column]);
}

/* ---- Values ---- */

static fm_status check_numbers(const series_file *f)
{
    for (int i = 0; i < f->columns.count; i++) {
        const fm_csv_column *column = &f->table.columns[i];
        const fm_csv_cell *cell = &column->first_word;
        if (f->place[i] < 0 || column->words == 0) continue;
        const char *advice =
            column->commas == column->words ? "numbers are written with a point and without commas"
            : column->numbers == 0          ? "drop it, or list the inputs"
                                            : "add the word to `missing`, or drop the column";
        return fm_csv_fail(&f->table.reader, cell, FM_ERROR_FORMAT,
                           "\"%.*s\" is no number, but column \"%s\" is one of the %s; %s",
                           fm_csv_shown(cell), cell->text, column->name,
                           f->columns.target[i] ? "targets" : "inputs", advice);
    }
    return FM_OK;
}

static fm_status take_memory(series_file *f)
{
    int64_t cells, bytes;
    bool fits = fm_checked_mul_i64(f->table.rows, f->width, &cells) &&
                fm_checked_mul_i64(cells, (int64_t)sizeof(double), &bytes) &&
                bytes <= f->options->memory_limit && f->table.rows < (int64_t)UINT32_MAX;
    if (!fits) {
        return fm_fail(f->context, FM_ERROR_LIMIT,
                       "%s: %lld lines of %lld columns are more than the %lld bytes accepted here",
                       f->columns.name, (long long)f->table.rows, (long long)f->width,
                       (long long)f->options->memory_limit);
    }
    f->values = fm_arena_allocate(&f->words, (size_t)bytes);
    return f->values ? FM_OK : FM_ERROR_MEMORY;
}

static fm_status read_values(series_file *f)
{
    fm_status status = fm_csv_table_rewind(&f->table);
    for (int64_t row = 0; row < f->table.rows && status == FM_OK; row++) {
        status = fm_csv_next(&f->table.reader);
        for (int c = 0; c < f->columns.count && status == FM_OK; c++) {
            if (f->place[c] < 0) continue;
            const fm_csv_cell *cell = &f->table.reader.cells[c];
            double *value = &f->values[row * f->width + f->place[c]];
            if (fm_csv_is_missing(&f->table, cell) || !fm_csv_number(cell, value)) *value = NAN;
        }
    }
    return status;
}

/* Where a value may not be missing, the place of the first one that is. */
static fm_status check_missing(series_file *f, const fm_series_table *table)
{
    int64_t cells = fm_series_known_rows(table) * f->width, at = 0;
    int column = 0;
    while (at < cells && !isnan(f->values[at])) at++;
    if (at == cells || f->options->fill != FM_SERIES_FAIL) return FM_OK;
    while (f->place[column] != at % f->width) column++;
    fm_status status = fm_csv_table_rewind(&f->table);
    for (int64_t row = 0; row <= at / f->width && status == FM_OK; row++) {
        status = fm_csv_next(&f->table.reader);
    }
    if (status != FM_OK) return status;
    return fm_csv_fail(
        &f->table.reader, &f->table.reader.cells[column], FM_ERROR_FORMAT,
        "the value of \"%s\" is missing here; fill: forward takes the one in front of it, "
        "fill: skip leaves out the windows that would hold it",
        f->columns.names[column]);
}

/* ---- All of it ---- */

static fm_status name_columns(series_file *f, const char *name)
{
    const char **names = fm_arena_allocate(&f->words, f->table.column_count * sizeof *names);
    f->place = fm_arena_allocate(&f->words, f->table.column_count * sizeof *f->place);
    if (!names || !f->place) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < f->table.column_count; i++) names[i] = f->table.columns[i].name;
    f->columns = (fm_series_columns){
        .name = name, .names = names, .count = (int)f->table.column_count, .time = -1};
    return FM_OK;
}

static fm_status make_series(series_file *f, const char *name, fm_series **series)
{
    fm_status status = name_columns(f, name);
    if (status == FM_OK) status = choose_times(f);
    if (status == FM_OK) status = fm_series_columns_choose(&f->words, f->options, &f->columns);
    if (status != FM_OK) return status;
    f->width = fm_series_place_columns(&f->columns, f->place);
    status = check_numbers(f);
    if (status == FM_OK) status = take_memory(f);
    if (status == FM_OK) status = read_values(f);
    fm_series_table table = {.name = name,
                             .origin = name,
                             .rows = f->table.rows,
                             .width = f->width,
                             .values = f->values,
                             .place = f->place,
                             .columns = &f->columns,
                             .times = &f->times};
    if (status == FM_OK) status = check_missing(f, &table);
    return status == FM_OK ? fm_series_make(f->context, &table, f->options, series) : status;
}

static fm_status parse(fm_context *context, const char *name, const char *bytes, size_t size,
                       const fm_series_options *options, fm_series **series)
{
    enum { MOST_COLUMNS = 65536 };
    series_file f = {.context = context, .options = options, .words = {.context = context}};
    const fm_csv_options reading = {.missing = options->missing,
                                    .header = options->header,
                                    .separator = options->separator,
                                    .max_columns = MOST_COLUMNS,
                                    .max_line = options->max_line,
                                    .memory_limit = options->memory_limit};
    const fm_dataset_info *like = options->like ? fm_transform_input(options->like) : NULL;
    fm_status status = fm_csv_table_survey(&f.table, context, name, bytes, size, &reading, like);
    if (status != FM_OK) return status;
    status = make_series(&f, name, series);
    fm_csv_table_close(&f.table);
    fm_arena_release(&f.words);
    return status;
}

static fm_status complete(fm_context *context, const char *path, const fm_series_options *options,
                          fm_series_options *filled)
{
    *filled = options ? *options : (fm_series_options){0};
    filled->file = path;
    return fm_fields_complete(context, fm_series_fields, filled, "series");
}

fm_status fm_series_parse(fm_context *context, const char *name, const void *bytes, size_t size,
                          const fm_series_options *options, fm_series **series)
{
    fm_series_options filled;
    *series = NULL;
    fm_status status = complete(context, name, options, &filled);
    return status == FM_OK ? parse(context, name, bytes, size, &filled, series) : status;
}

fm_status fm_series_open(fm_context *context, const char *path, const fm_series_options *options,
                         fm_series **series)
{
    fm_series_options filled;
    char *bytes;
    size_t size;
    *series = NULL;
    fm_status status = complete(context, path, options, &filled);
    if (status == FM_OK) {
        status =
            fm_byte_stream_read_file(context, path, (size_t)filled.memory_limit, &bytes, &size);
    }
    if (status != FM_OK) return status;
    status = parse(context, path, bytes, size, &filled, series);
    fm_release(context, bytes);
    return status;
}

/* ---- The record ---- */

fm_status fm_open_series_record(fm_context *context, const void *options,
                                const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    const fm_series_options *given = options;
    fm_text path = FM_TEXT(context);
    fm_series *series = NULL;
    *train = NULL;
    if (test) *test = NULL;
    fm_series_options filled;
    fm_status status = complete(context, given->file, given, &filled);
    if (status == FM_OK) status = fm_places_find(context, places, given->file, &path);
    if (status == FM_OK) status = fm_series_open(context, fm_text_string(&path), given, &series);
    fm_text_release(&path);
    if (status == FM_OK) {
        status = test && given->test_from
                     ? fm_dataset_series_parts(context, series, given->test_from, train, test)
                     : fm_dataset_series(context, series, train);
    }
    fm_series_destroy(series);
    return status;
}
