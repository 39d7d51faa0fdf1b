#include "data/file/csv_table.h"
#include "base/fields.h"
#include "data/dataset.h"
#include "data/table_options.h"

#include <string.h>

/* ---- Lists in options: "a, b" ---- */

static fm_status split_list(fm_arena *words, const char *list, const char ***items)
{
    size_t count = 1;
    for (const char *at = list; *at; at++) count += *at == ',';
    *items = fm_arena_allocate(words, (count + 1) * sizeof **items);
    char *copy = fm_arena_string(words, list);
    if (!*items || !copy) return FM_ERROR_MEMORY;
    size_t made = 0;
    for (char *at = copy; at;) {
        char *comma = strchr(at, ',');
        if (comma) *comma = '\0';
        while (*at == ' ') at++;
        char *end = at + strlen(at);
        while (end > at && end[-1] == ' ') *--end = '\0';
        if (*at) (*items)[made++] = at;
        at = comma ? comma + 1 : NULL;
    }
    return FM_OK;
}

bool fm_csv_is_missing(const fm_csv_table *table, const fm_csv_cell *cell)
{
    if (cell->size == 0) return true;
    for (const char *const *word = table->missing_words; *word; word++) {
        if (**word == *cell->text && strlen(*word) == cell->size &&
            memcmp(*word, cell->text, cell->size) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- Finding columns ---- */

static const char *next_name(const void *list, int index)
{
    const fm_csv_table *table = list;
    return (size_t)index < table->column_count ? table->columns[index].name : NULL;
}

static fm_csv_column *find_column(const fm_csv_table *table, const char *word)
{
    int64_t at = fm_column_of_name(word, next_name, table);
    if (at < 0) at = fm_column_of_number(word, (int64_t)table->column_count);
    return at < 0 ? NULL : &table->columns[at];
}

typedef void (*column_action)(fm_csv_table *table, fm_csv_column *column);

static fm_status for_listed(fm_csv_table *table, const char *option, const char *list,
                            column_action act)
{
    const char **items;
    if (!list) return FM_OK;
    fm_status status = split_list(&table->words, list, &items);
    for (; status == FM_OK && *items; items++) {
        fm_csv_column *column = find_column(table, *items);
        if (!column) {
            return fm_column_unknown(table->context, table->reader.name, option, *items, next_name,
                                     table);
        }
        act(table, column);
    }
    return status;
}

static void make_target(fm_csv_table *table, fm_csv_column *column)
{
    if (column->role == FM_CSV_Y) return;
    column->role = FM_CSV_Y;
    column->place = table->y_count++;
}

static void drop(fm_csv_table *table, fm_csv_column *column)
{
    (void)table;
    if (column->role == FM_CSV_X) column->role = FM_CSV_DROPPED;
}

static void make_categorical(fm_csv_table *table, fm_csv_column *column)
{
    (void)table;
    column->kind = FM_COLUMN_CATEGORICAL;
}

static void make_numeric(fm_csv_table *table, fm_csv_column *column)
{
    (void)table;
    column->kind = FM_COLUMN_NUMERIC;
}

/* ---- First reading: how many rows, and what is in each column ---- */

static fm_status check_count(const fm_csv_table *table)
{
    const fm_csv_reader *reader = &table->reader;
    if (reader->count == table->column_count) return FM_OK;
    return fm_csv_fail(reader, &reader->cells[0], FM_ERROR_FORMAT,
                       "%zu cells in this line, %zu in the first", reader->count,
                       table->column_count);
}

static bool same_cell(const fm_csv_cell *a, const fm_csv_cell *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* "3,5" or "1,250.00": a number, were its commas points or left out. */
static bool has_commas(const fm_csv_cell *cell)
{
    char copy[64];
    size_t size = 0;
    double value;
    if (cell->size >= sizeof copy || !memchr(cell->text, ',', cell->size)) return false;
    for (size_t i = 0; i < cell->size; i++) {
        if (cell->text[i] != ',') copy[size++] = cell->text[i];
    }
    return fm_csv_number(&(fm_csv_cell){.text = copy, .size = size}, &value);
}

static void survey_cell(const fm_csv_table *table, fm_csv_column *column, const fm_csv_cell *cell,
                        const fm_csv_cell *head)
{
    double value;
    if (fm_csv_is_missing(table, cell)) {
        if (column->missing++ == 0) column->first_missing = *cell;
    } else if (fm_csv_number(cell, &value)) {
        column->numbers++;
    } else {
        if (column->words++ == 0) column->first_word = *cell;
        column->repeats = column->repeats || same_cell(cell, head);
        column->commas += has_commas(cell);
    }
}

/* The rows below the first one. */
static fm_status survey_rows(fm_csv_table *table, const fm_csv_cell *heads)
{
    for (;;) {
        fm_status status = fm_csv_next(&table->reader);
        if (status != FM_OK || table->reader.count == 0) return status;
        status = check_count(table);
        if (status != FM_OK) return status;
        table->rows++;
        for (size_t i = 0; i < table->column_count; i++) {
            survey_cell(table, &table->columns[i], &table->reader.cells[i], &heads[i]);
        }
    }
}

static bool names_a_column(const fm_dataset_info *like, const fm_csv_cell *cell)
{
    for (int k = 0; k < like->field_count; k++) {
        const fm_data_field *field = &like->fields[k];
        int64_t count = field->columns ? fm_field_columns(field) : 0;
        for (int64_t c = 0; c < count; c++) {
            const char *name = field->columns[c].name;
            if (name && strlen(name) == cell->size && memcmp(name, cell->text, cell->size) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Words that occur once each: in the first line, and below it. */
static fm_status are_distinct(const fm_csv_table *table, const fm_csv_cell *heads, bool *distinct)
{
    fm_map seen = {.context = table->context};
    fm_text word = FM_TEXT(table->context);
    fm_status status = FM_OK;
    *distinct = true;
    for (size_t i = 0; i < table->column_count && *distinct && status == FM_OK; i++) {
        status = fm_csv_text(&heads[i], &word);
        if (status != FM_OK) break;
        const char *key = fm_text_string(&word);
        *distinct = *key && !table->columns[i].repeats && !fm_map_get(&seen, key, NULL);
        if (*distinct) status = fm_map_set(&seen, key, 1);
    }
    fm_text_release(&word);
    fm_map_release(&seen);
    return status;
}

/* The rule is in fathom/data_files.h. */
static fm_status guess_header(fm_csv_table *table, const fm_csv_cell *heads)
{
    bool numbers_below = false, known = false;
    double value;
    for (size_t i = 0; i < table->column_count; i++) {
        const fm_csv_column *column = &table->columns[i];
        bool number = fm_csv_number(&heads[i], &value);
        if (number || (heads[i].size > 0 && fm_csv_is_missing(table, &heads[i]))) return FM_OK;
        if (table->like) known = known || names_a_column(table->like, &heads[i]);
        numbers_below = numbers_below || (column->numbers > 0 && column->words == 0);
    }
    table->has_header = known || (table->rows > 0 && numbers_below);
    if (table->has_header || table->like || table->rows == 0) return FM_OK;
    return are_distinct(table, heads, &table->has_header);
}

static fm_status name_columns(fm_csv_table *table, const fm_csv_cell *heads)
{
    fm_map seen = {.context = table->context};
    fm_status status = FM_OK;
    for (size_t i = 0; i < table->column_count && status == FM_OK; i++) {
        fm_csv_column *column = &table->columns[i];
        if (table->has_header && heads[i].size > 0) {
            status = fm_csv_text(&heads[i], &table->scratch);
            if (status == FM_OK && fm_map_get(&seen, fm_text_string(&table->scratch), NULL)) {
                status = fm_csv_fail(&table->reader, &heads[i], FM_ERROR_FORMAT,
                                     "a second column is called \"%s\"; rename one of them",
                                     fm_text_string(&table->scratch));
            }
            if (status != FM_OK) break;
            column->name = fm_arena_string(&table->words, fm_text_string(&table->scratch));
        } else {
            column->name = fm_arena_format(&table->words, "%zu", i);
        }
        if (!column->name) status = FM_ERROR_MEMORY;
        if (status == FM_OK) status = fm_map_set(&seen, column->name, 1);
    }
    fm_map_release(&seen);
    return status;
}

static fm_status copy_heads(fm_csv_table *table, fm_csv_cell **heads)
{
    const fm_csv_reader *reader = &table->reader;
    *heads = fm_arena_allocate(&table->words, reader->count * sizeof **heads);
    table->columns = fm_arena_allocate(&table->words, reader->count * sizeof *table->columns);
    if (!*heads || !table->columns) return FM_ERROR_MEMORY;
    memcpy(*heads, reader->cells, reader->count * sizeof **heads);
    table->column_count = reader->count;
    for (size_t i = 0; i < table->column_count; i++) {
        table->columns[i].by_name.context = table->context;
    }
    return FM_OK;
}

static fm_status survey(fm_csv_table *table)
{
    fm_csv_cell *heads;
    fm_status status = fm_csv_next(&table->reader);
    if (status != FM_OK) return status;
    if (table->reader.count == 0) {
        return fm_fail(table->context, FM_ERROR_FORMAT, "%s: holds no lines", table->reader.name);
    }
    status = copy_heads(table, &heads);
    if (status == FM_OK) status = survey_rows(table, heads);
    if (status != FM_OK) return status;
    table->has_header = table->options.header == FM_CSV_HEADER_YES;
    if (table->options.header == FM_CSV_HEADER_AUTO) status = guess_header(table, heads);
    if (status != FM_OK) return status;
    for (size_t i = 0; i < table->column_count && !table->has_header; i++) {
        survey_cell(table, &table->columns[i], &heads[i], &heads[i]);
    }
    table->rows += !table->has_header;
    if (table->rows == 0) {
        return fm_fail(table->context, FM_ERROR_FORMAT, "%s: no lines follow the header",
                       table->reader.name);
    }
    return name_columns(table, heads);
}

/* ---- Roles and kinds by the options ---- */

static fm_status assign_by_options(fm_csv_table *table)
{
    const fm_csv_options *options = &table->options;
    const char *target = options->target ? options->target : "-1";
    fm_status status = FM_OK;
    if (strcmp(target, "none") != 0) status = for_listed(table, "target", target, make_target);
    if (status == FM_OK) status = for_listed(table, "drop", options->drop, drop);
    if (status == FM_OK) {
        status = for_listed(table, "categorical", options->categorical, make_categorical);
    }
    if (status == FM_OK) status = for_listed(table, "numeric", options->numeric, make_numeric);
    for (size_t i = 0; i < table->column_count; i++) {
        fm_csv_column *column = &table->columns[i];
        if (column->role == FM_CSV_X) column->place = table->x_count++;
        bool target_asked = column->role == FM_CSV_Y && options->target_kind != FM_COLUMN_AUTO;
        if (target_asked) column->kind = (fm_column_kind)options->target_kind;
    }
    return status;
}

/* ---- Roles and kinds as in another set ---- */

static fm_csv_column *find_like(const fm_csv_table *table, const char *name, int64_t position)
{
    bool by_position = !table->has_header && (int64_t)table->column_count ==
                                                 fm_shape_elements(table->like->fields[0].shape);
    if (by_position) return &table->columns[position];
    for (size_t i = 0; i < table->column_count; i++) {
        if (strcmp(table->columns[i].name, name) == 0) return &table->columns[i];
    }
    return NULL;
}

static fm_status assign_x_like(fm_csv_table *table)
{
    const fm_data_field *x = &table->like->fields[0];
    table->x_count = fm_shape_elements(x->shape);
    for (int64_t c = 0; c < table->x_count; c++) {
        fm_csv_column *column = find_like(table, x->columns[c].name, c);
        if (!column) {
            return fm_fail(
                table->context, FM_ERROR_NOT_FOUND,
                "%s: the column \"%s\" is missing, which the model was trained with (%zu "
                "columns%s were found, %lld are needed)",
                table->reader.name, x->columns[c].name, table->column_count,
                table->has_header ? "" : " without a header", (long long)table->x_count);
        }
        column->name = x->columns[c].name;
        column->role = FM_CSV_X;
        column->place = c;
        column->kind = x->columns[c].kind;
    }
    return FM_OK;
}

/* "y" may be absent: in whole, or without a single value. */
static void assign_y_like(fm_csv_table *table)
{
    const fm_data_field *y = &table->like->fields[1];
    bool by_position = !table->has_header && (int64_t)table->column_count == table->x_count;
    int64_t count = table->like->field_count < 2 || by_position ? 0 : fm_shape_elements(y->shape);
    int64_t found = 0;
    for (int64_t c = 0; c < count; c++) {
        fm_csv_column *column = find_like(table, y->columns[c].name, c);
        bool usable = column && column->role == FM_CSV_DROPPED && column->missing < table->rows;
        if (!usable) break;
        column->place = c;
        column->kind = y->columns[c].kind;
        found++;
    }
    if (found < count) return;
    for (int64_t c = 0; c < count; c++) {
        find_like(table, y->columns[c].name, c)->role = FM_CSV_Y;
    }
    table->y_count = count;
}

static fm_status assign_like(fm_csv_table *table)
{
    for (int k = 0; k < table->like->field_count; k++) {
        const fm_data_field *field = &table->like->fields[k];
        bool named = field->columns && field->shape.rank <= 1 && fm_field_columns(field) > 0;
        for (int64_t c = 0; named && c < fm_shape_elements(field->shape); c++) {
            named = field->columns[c].name != NULL;
        }
        if (named) continue;
        return fm_fail(table->context, FM_ERROR_SHAPE,
                       "%s: the model was not trained on a table with named columns",
                       table->reader.name);
    }
    for (size_t i = 0; i < table->column_count; i++) table->columns[i].role = FM_CSV_DROPPED;
    fm_status status = assign_x_like(table);
    if (status == FM_OK) assign_y_like(table);
    return status;
}

/* ---- Checking what was decided ---- */

static fm_status decide_kind(const fm_csv_table *table, fm_csv_column *column)
{
    const fm_csv_cell *word = &column->first_word;
    if (column->kind == FM_COLUMN_AUTO && column->words > 0 && column->commas == column->words) {
        return fm_csv_fail(&table->reader, word, FM_ERROR_FORMAT,
                           "\"%.*s\" has a comma; column \"%s\" looks like numbers, which are "
                           "written with a point and without commas. If these are classes, name "
                           "the column in `categorical`",
                           fm_csv_shown(word), word->text, column->name);
    }
    if (column->kind == FM_COLUMN_AUTO && column->words > 0 && column->numbers > column->words) {
        return fm_csv_fail(&table->reader, word, FM_ERROR_FORMAT,
                           "\"%.*s\" is no number, as most of column \"%s\" is; add it to "
                           "`missing`, name the column in `categorical`, or `drop` it",
                           fm_csv_shown(word), word->text, column->name);
    }
    if (column->kind == FM_COLUMN_NUMERIC && column->words > 0) {
        return fm_csv_fail(&table->reader, word, FM_ERROR_FORMAT,
                           "\"%.*s\" is no number; column \"%s\" is numeric", fm_csv_shown(word),
                           word->text, column->name);
    }
    if (column->kind == FM_COLUMN_AUTO) {
        column->kind = column->words > 0 ? FM_COLUMN_CATEGORICAL : FM_COLUMN_NUMERIC;
    }
    return FM_OK;
}

static fm_status check_target(const fm_csv_table *table, const fm_csv_column *column)
{
    if (column->missing > 0) {
        return fm_csv_fail(&table->reader, &column->first_missing, FM_ERROR_FORMAT,
                           "the target \"%s\" is missing here", column->name);
    }
    if (column->kind == FM_COLUMN_CATEGORICAL && table->y_count > 1) {
        return fm_fail(table->context, FM_ERROR_UNSUPPORTED,
                       "%s: \"%s\" is categorical; several targets must all be numbers",
                       table->reader.name, column->name);
    }
    return FM_OK;
}

static fm_status decide(fm_csv_table *table)
{
    if (table->x_count == 0) {
        return fm_fail(table->context, FM_ERROR_ARGUMENT,
                       "%s: no columns are left for the inputs (%zu columns, %lld targets)",
                       table->reader.name, table->column_count, (long long)table->y_count);
    }
    for (size_t i = 0; i < table->column_count; i++) {
        fm_csv_column *column = &table->columns[i];
        if (column->role == FM_CSV_DROPPED) continue;
        fm_status status = decide_kind(table, column);
        if (status == FM_OK && column->role == FM_CSV_Y) status = check_target(table, column);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

/* ---- Opening ---- */

const char fm_csv_separators[] = {
    [FM_CSV_SEPARATOR_COMMA] = ',',
    [FM_CSV_SEPARATOR_SEMICOLON] = ';',
    [FM_CSV_SEPARATOR_TAB] = '\t',
    [FM_CSV_SEPARATOR_SPACE] = ' ',
};

static fm_status open_reader(fm_csv_table *table, const char *name, const char *bytes, size_t size)
{
    fm_status status = fm_csv_open(&table->reader, table->context, name, bytes, size);
    if (status != FM_OK) return status;
    table->reader.max_columns = (size_t)table->options.max_columns;
    table->reader.max_record = (size_t)table->options.max_line;
    table->reader.separator = table->options.separator == FM_CSV_SEPARATOR_AUTO
                                  ? fm_csv_guess_separator(&table->reader)
                                  : fm_csv_separators[table->options.separator];
    return FM_OK;
}

fm_status fm_csv_table_survey(fm_csv_table *table, fm_context *context, const char *name,
                              const char *bytes, size_t size, const fm_csv_options *options,
                              const fm_dataset_info *like)
{
    *table = (fm_csv_table){.context = context,
                            .options = *options,
                            .like = like,
                            .words = {.context = context},
                            .scratch = FM_TEXT(context)};
    fm_status status = open_reader(table, name, bytes, size);
    if (status == FM_OK) {
        const char *missing = options->missing ? options->missing : "?, NA, NaN, nan, null, None";
        status = split_list(&table->words, missing, &table->missing_words);
    }
    if (status == FM_OK) status = survey(table);
    if (status != FM_OK) fm_csv_table_close(table);
    return status;
}

fm_status fm_csv_table_open(fm_csv_table *table, fm_context *context, const char *name,
                            const char *bytes, size_t size, const fm_csv_options *options,
                            const fm_dataset_info *like)
{
    fm_status status = fm_csv_table_survey(table, context, name, bytes, size, options, like);
    if (status != FM_OK) return status;
    status = like ? assign_like(table) : assign_by_options(table);
    if (status == FM_OK) status = decide(table);
    if (status != FM_OK) fm_csv_table_close(table);
    return status;
}

void fm_csv_table_close(fm_csv_table *table)
{
    for (size_t i = 0; table->columns && i < table->column_count; i++) {
        fm_map_release(&table->columns[i].by_name);
    }
    table->columns = NULL;
    fm_csv_close(&table->reader);
    fm_text_release(&table->scratch);
    fm_arena_release(&table->words);
}

fm_status fm_csv_table_rewind(fm_csv_table *table)
{
    fm_csv_rewind(&table->reader);
    return table->has_header ? fm_csv_next(&table->reader) : FM_OK;
}
