#include "data/series/series_inside.h"
#include "base/checked.h"
#include "base/fields.h"
#include "base/pattern.h"
#include "base/utf8.h"
#include "data/table_options.h"

#include <string.h>

enum { LONGEST_LAG = 1 << 20 };
#define FILE_LIMIT   ((double)((int64_t)4 << 30))
#define LONGEST_LINE ((double)(16 << 20))

static const char *const fill_names[] = {"fail", "forward", "skip", NULL};

#define AT(member) offsetof(fm_series_options, member)

const fm_field fm_series_fields[] = {
    {"file", "path of a CSV file, a row a step, the oldest first", AT(file),
     .type = FM_FIELD_STRING, .required = true},
    {"target", "columns to forecast (default: the last)", AT(target), .type = FM_FIELD_STRING},
    {"inputs", "columns the model reads (default: all but the time)", AT(inputs),
     .type = FM_FIELD_STRING},
    {"drop", "columns that are left out", AT(drop), .type = FM_FIELD_STRING},
    {"time", "the column of times, or none (default: found by its cells and its name)", AT(time),
     .type = FM_FIELD_STRING},
    {"calendar", "further inputs: where in a day, week, year a row lies (default: none)",
     AT(calendar), .type = FM_FIELD_STRING},
    FM_WINDOW_FIELDS(fm_series_options, ),
    {"log", "columns that are replaced by their logarithm, before the difference", AT(log),
     .type = FM_FIELD_STRING},
    {"differenced", "the columns difference is for (default: the targets)", AT(differenced),
     .type = FM_FIELD_STRING},
    {"fill", "what stands for a missing value", AT(fill), .type = FM_FIELD_ENUM,
     .choices = fill_names},
    {"test_from", "time or row of the test part's first target", AT(test_from),
     .type = FM_FIELD_STRING},
    {"missing", "words for a missing value (default: ?, NA, NaN, nan, null, None)", AT(missing),
     .type = FM_FIELD_STRING},
    {"header", "whether the first line names the columns", AT(header), .type = FM_FIELD_ENUM,
     .choices = fm_table_header_names},
    {"separator", "between cells", AT(separator), .type = FM_FIELD_ENUM,
     .choices = fm_table_separator_names},
    {"max_line", "bytes of a line that are accepted", AT(max_line), .type = FM_FIELD_INT,
     .default_value = LONGEST_LINE, .minimum = 1, .maximum = 1 << 30},
    {"memory_limit", "bytes that are accepted", AT(memory_limit), .type = FM_FIELD_INT,
     .default_value = FILE_LIMIT, .minimum = 1, .maximum = 1e18},
    {0},
};

/* ---- Life ---- */

fm_series *fm_series_retain(const fm_series *series)
{
    fm_series *held = (fm_series *)(uintptr_t)series; /* the count is not part of the value */
    held->references++;
    return held;
}

void fm_series_destroy(fm_series *series)
{
    if (!series || --series->references > 0) return;
    fm_arena_release(&series->words);
    fm_release(series->context, series);
}

/* ---- Logarithm and differences ---- */

static double difference_at(const fm_series *s, const double *values, int64_t row, int64_t column)
{
    double sum = 0;
    for (int i = 0; i < s->term_count; i++) {
        int64_t from = row - s->terms[i].lag;
        if (from < 0) return NAN;
        sum += s->terms[i].weight * fm_series_base(s, column, values[from * s->columns + column]);
    }
    return sum;
}

void fm_series_work(const fm_series *s, const double *values, int64_t row, double *worked)
{
    for (int64_t c = 0; c < s->columns; c++) {
        worked[c] = s->differenced[c] ? difference_at(s, values, row, c)
                                      : fm_series_base(s, c, values[row * s->columns + c]);
    }
}

double fm_series_undo(const fm_series *s, const double *values, int64_t row, int64_t column,
                      double z)
{
    for (int i = 1; s->differenced[column] && i < s->term_count; i++) {
        double before = values[(row - s->terms[i].lag) * s->columns + column];
        z -= s->terms[i].weight * fm_series_base(s, column, before);
    }
    return fm_series_unbase(s, column, z);
}

/* Multiplies the terms by 1 - B^lag: each term twice, equal lags joined. */
static void multiply_terms(fm_series *s, int64_t lag)
{
    int count = s->term_count;
    for (int i = 0; i < count; i++) {
        int64_t wanted = s->terms[i].lag + lag;
        int at = 0;
        while (at < s->term_count && s->terms[at].lag != wanted) at++;
        if (at == s->term_count) s->terms[s->term_count++] = (fm_difference_term){.lag = wanted};
    }
    /* the weights from the longest lag down, so that each is read before it changes */
    for (int64_t longest = INT64_MAX;;) {
        int best = -1;
        for (int i = 0; i < s->term_count; i++) {
            bool next = s->terms[i].lag < longest && s->terms[i].lag >= lag;
            if (next && (best < 0 || s->terms[i].lag > s->terms[best].lag)) best = i;
        }
        if (best < 0) return;
        longest = s->terms[best].lag;
        for (int i = 0; i < s->term_count; i++) {
            if (s->terms[i].lag == longest - lag) s->terms[best].weight -= s->terms[i].weight;
        }
    }
}

static fm_status make_terms(fm_series *s, const fm_ints *lags)
{
    s->terms = fm_arena_allocate(&s->words, ((size_t)1 << FM_MAX_LIST) * sizeof *s->terms);
    if (!s->terms) return FM_ERROR_MEMORY;
    s->terms[0] = (fm_difference_term){0, 1};
    s->term_count = 1;
    for (int i = 0; i < lags->count; i++) {
        int64_t lag = lags->at[i];
        if (lag < 1 || lag > LONGEST_LAG) {
            return fm_fail(s->context, FM_ERROR_ARGUMENT,
                           "%s: a difference over %lld rows; 1 to %d are possible", s->info.name,
                           (long long)lag, LONGEST_LAG);
        }
        multiply_terms(s, lag);
        s->info.lost += lag;
    }
    return FM_OK;
}

static fm_status check_logarithm(const fm_series *s)
{
    char time[FM_SERIES_TIME_TEXT];
    for (int64_t c = 0; c < s->columns; c++) {
        for (int64_t row = 0; s->logarithm[c] && row < s->info.rows; row++) {
            double value = s->values[row * s->columns + c];
            if (isnan(value) || value > 0) continue;
            return fm_fail(s->context, FM_ERROR_ARGUMENT,
                           "%s: log: \"%s\" is %g in row %lld (%s %s); a logarithm needs positive "
                           "numbers",
                           s->info.name, s->names[c], value, (long long)row, s->info.time_name,
                           fm_series_time(s, row, time));
        }
    }
    return FM_OK;
}

static void work_all(fm_series *s)
{
    for (int64_t row = 0; row < s->info.rows; row++) {
        fm_series_work(s, s->values, row, s->worked + row * s->columns);
    }
}

/* ---- Missing values ---- */

int64_t fm_series_known_rows(const fm_series_table *table)
{
    const fm_series_columns *columns = table->columns;
    for (int64_t row = table->rows; row > 0; row--) {
        const double *values = table->values + (row - 1) * table->width;
        bool known = true;
        for (int i = 0; i < columns->target_count && known; i++) {
            known = !isnan(values[table->place[columns->targets[i]]]);
        }
        if (known) return row;
    }
    return 0;
}

static fm_status fail_missing(const fm_series *s, int64_t row, int64_t column)
{
    char time[FM_SERIES_TIME_TEXT];
    return fm_fail(
        s->context, FM_ERROR_FORMAT,
        "%s: the value of \"%s\" is missing in row %lld (%s %s); fill: forward takes the "
        "one in front of it, fill: skip leaves out the windows that would hold it",
        s->info.name, s->names[column], (long long)row, s->info.time_name,
        fm_series_time(s, row, time));
}

/* A first value that is missing has none in front of it: its windows are left out. */
static fm_status fill_missing(fm_series *s)
{
    for (int64_t row = 0; row < s->info.known; row++) {
        double *values = s->values + row * s->columns;
        for (int64_t c = 0; c < s->columns; c++) {
            if (!isnan(values[c]) || s->fill == FM_SERIES_SKIP) continue;
            if (s->fill == FM_SERIES_FAIL) return fail_missing(s, row, c);
            if (row > 0) values[c] = values[c - s->columns];
        }
    }
    return FM_OK;
}

/* ---- Making ---- */

static fm_status copy_times(fm_series *s, const fm_time_axis *from)
{
    s->times = *from;
    s->times.count = s->info.rows;
    s->times.at = NULL;
    if (from->kind == FM_TIME_ROWS) {
        s->times.name = "row";
    } else {
        size_t bytes = (size_t)s->info.rows * sizeof *s->times.at;
        s->times.name = fm_arena_string(&s->words, from->name);
        s->times.at = fm_arena_allocate(&s->words, bytes);
        if (!s->times.name || !s->times.at) return FM_ERROR_MEMORY;
        memcpy(s->times.at, from->at, bytes);
    }
    s->info.time_name = s->times.name;
    return fm_time_axis_finish(s->context, s->info.name, &s->times);
}

static fm_status choose_cycles(fm_series *s, const char *list)
{
    fm_pattern item;
    while (list && fm_pattern_next(&list, &item)) {
        const char *word = fm_arena_format(&s->words, "%.*s", item.size, item.text);
        if (!word) return FM_ERROR_MEMORY;
        const fm_calendar_cycle *cycle = fm_calendar_cycle_find(word);
        bool again = false;
        for (int i = 0; i < s->cycle_count; i++) again = again || s->cycles[i] == cycle;
        if (again) {
            return fm_fail(s->context, FM_ERROR_ARGUMENT, "%s: calendar: '%s' is there twice",
                           s->info.name, word);
        }
        if (cycle) {
            s->cycles[s->cycle_count++] = cycle;
            continue;
        }
        const char *near = fm_nearest(word, fm_calendar_cycle_name, NULL);
        return fm_fail(s->context, FM_ERROR_ARGUMENT,
                       "%s: calendar: '%s' is none of day, week, year%s%s%s", s->info.name, word,
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return FM_OK;
}

static fm_status check_cycles(const fm_series *s)
{
    if (s->cycle_count == 0 || s->times.kind == FM_TIME_DATES) return FM_OK;
    return fm_fail(s->context, FM_ERROR_ARGUMENT,
                   "%s: calendar needs a column of dates; none was found, or named by `time`",
                   s->info.name);
}

/* The model keeps them in JSON. */
static fm_status check_name(const fm_series *s, const char *name, int column)
{
    if (fm_utf8_check(name, strlen(name)) == strlen(name)) return FM_OK;
    return fm_fail(s->context, FM_ERROR_FORMAT,
                   "%s: the name of column %d is no UTF-8 text; convert the file (iconv -t UTF-8)",
                   s->info.name, column);
}

/* Names and roles of the table's columns and of the calendar's. */
static fm_status name_columns(fm_series *s, const fm_series_table *table)
{
    static const char *const waves[] = {"sin", "cos"};
    for (int i = 0; i < table->columns->count; i++) {
        int place = table->place[i];
        if (place < 0) continue;
        fm_status status = check_name(s, table->columns->names[i], i);
        if (status != FM_OK) return status;
        s->names[place] = fm_arena_string(&s->words, table->columns->names[i]);
        if (!s->names[place]) return FM_ERROR_MEMORY;
        s->logarithm[place] = table->columns->logarithm[i];
        s->differenced[place] = table->columns->differenced[i];
    }
    for (int i = 0; i < 2 * s->cycle_count; i++) {
        int64_t place = s->read_columns + i;
        const char *cycle = s->cycles[i / 2]->name;
        s->names[place] = fm_arena_format(&s->words, "%s_%s", cycle, waves[i % 2]);
        if (!s->names[place]) return FM_ERROR_MEMORY;
    }
    return FM_OK;
}

static fm_status copy_columns(fm_series *s, const fm_series_table *table)
{
    const fm_series_columns *from = table->columns;
    size_t count = (size_t)s->columns;
    s->names = fm_arena_allocate(&s->words, count * sizeof *s->names);
    s->logarithm = fm_arena_allocate(&s->words, 2 * count);
    s->inputs = fm_arena_allocate(&s->words, 2 * count * sizeof *s->inputs);
    const char **words = fm_arena_allocate(&s->words, 2 * count * sizeof *words);
    if (!s->names || !s->logarithm || !s->inputs || !words) return FM_ERROR_MEMORY;
    s->differenced = s->logarithm + count;
    s->targets = s->inputs + count;
    fm_status status = name_columns(s, table);
    if (status != FM_OK) return status;
    s->info.inputs = words;
    s->info.targets = words + count;
    s->info.input_count = from->input_count + 2 * s->cycle_count;
    s->info.target_count = from->target_count;
    for (int i = 0; i < s->info.input_count; i++) {
        int calendar = (int)s->read_columns + i - from->input_count;
        s->inputs[i] = i < from->input_count ? table->place[from->inputs[i]] : calendar;
        words[i] = s->names[s->inputs[i]];
    }
    for (int i = 0; i < from->target_count; i++) {
        s->targets[i] = table->place[from->targets[i]];
        words[count + (size_t)i] = s->names[s->targets[i]];
    }
    return FM_OK;
}

static fm_status copy_values(fm_series *s, const fm_series_table *table)
{
    size_t cells, bytes;
    bool fits = fm_checked_mul((size_t)table->rows, (size_t)s->columns, &cells) &&
                fm_checked_mul(cells, sizeof(double), &bytes);
    if (!fits) return fm_fail(s->context, FM_ERROR_LIMIT, "%s: too many values", table->name);
    s->values = fm_arena_allocate(&s->words, bytes);
    s->worked = fm_arena_allocate(&s->words, bytes);
    if (!s->values || !s->worked) return FM_ERROR_MEMORY;
    for (int64_t row = 0; row < table->rows; row++) {
        double *to = s->values + row * s->columns;
        memcpy(to, table->values + row * table->width, (size_t)table->width * sizeof *to);
        fm_series_fill_calendar(s, row, to);
    }
    return FM_OK;
}

static fm_status fill_series(fm_series *s, const fm_series_table *table,
                             const fm_series_options *options)
{
    s->info = (fm_series_info){.name = fm_arena_string(&s->words, table->name),
                               .rows = table->rows,
                               .known = fm_series_known_rows(table),
                               .window = options->window,
                               .horizon = options->horizon,
                               .stride = options->stride,
                               .season = options->season};
    s->origin = fm_arena_string(&s->words, table->origin);
    s->fill = options->fill;
    if (!s->info.name || !s->origin) return FM_ERROR_MEMORY;
    fm_status status = choose_cycles(s, options->calendar);
    if (status == FM_OK) status = copy_times(s, table->times);
    if (status == FM_OK) status = check_cycles(s);
    s->read_columns = table->width;
    s->columns = table->width + 2 * s->cycle_count;
    if (status == FM_OK) status = copy_columns(s, table);
    if (status == FM_OK) status = copy_values(s, table);
    if (status == FM_OK) status = make_terms(s, &options->difference);
    if (status == FM_OK) status = fill_missing(s);
    if (status == FM_OK) status = check_logarithm(s);
    if (status == FM_OK) work_all(s);
    return status;
}

fm_status fm_series_make(fm_context *context, const fm_series_table *table,
                         const fm_series_options *options, fm_series **series)
{
    *series = NULL;
    fm_series *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->context = context;
    made->references = 1;
    made->words.context = context;
    fm_status status = fill_series(made, table, options);
    if (status != FM_OK) {
        fm_series_destroy(made);
        return status;
    }
    *series = made;
    return FM_OK;
}

int64_t fm_series_place_columns(const fm_series_columns *columns, int *place)
{
    int count = 0;
    for (int i = 0; i < columns->count; i++) {
        place[i] = columns->input[i] || columns->target[i] ? count++ : -1;
    }
    return count;
}

/* ---- From memory ---- */

static fm_status read_times(fm_arena *arena, const fm_series_values *from, fm_time_axis *times)
{
    *times = (fm_time_axis){.name = from->time_name ? from->time_name : "time"};
    if (!from->times || from->rows == 0) return FM_OK;
    times->at = fm_arena_allocate(arena, (size_t)from->rows * sizeof *times->at);
    if (!times->at) return FM_ERROR_MEMORY;
    for (int64_t row = 0; row < from->rows; row++) {
        const char *text = from->times[row];
        if (fm_time_axis_read(times, row, text, strlen(text))) continue;
        return fm_fail(arena->context, FM_ERROR_FORMAT, "%s: '%s' in row %lld is no time%s",
                       from->name, text, (long long)row,
                       row > 0 ? " like the first row's"
                               : ": known are 2020-01, 2020-01-31, "
                                 "31.01.2020, numbers");
    }
    return FM_OK;
}

static fm_status check_values(fm_context *context, const fm_series_values *from)
{
    size_t cells;
    bool fits = from->rows >= 0 && from->columns >= 1 &&
                fm_checked_mul((size_t)from->rows, (size_t)from->columns, &cells) &&
                fm_checked_mul(cells, sizeof(double), &cells);
    if (!fits) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: a series of %lld rows and %d columns",
                       from->name, (long long)from->rows, from->columns);
    }
    for (int64_t i = 0; i < from->rows * from->columns; i++) {
        if (!isinf(from->values[i])) continue;
        return fm_fail(context, FM_ERROR_NONFINITE, "%s: \"%s\" is infinite in row %lld",
                       from->name, from->names[i % from->columns], (long long)(i / from->columns));
    }
    return FM_OK;
}

static fm_status make_from(fm_arena *arena, const fm_series_values *from,
                           const fm_series_options *options, fm_series **series)
{
    fm_time_axis times;
    fm_series_columns columns = {
        .name = from->name, .names = from->names, .count = from->columns, .time = -1};
    fm_status status = read_times(arena, from, &times);
    if (status == FM_OK) status = fm_series_columns_choose(arena, options, &columns);
    if (status != FM_OK) return status;
    int *place = fm_arena_allocate(arena, (size_t)columns.count * sizeof *place);
    if (!place) return FM_ERROR_MEMORY;
    int64_t width = fm_series_place_columns(&columns, place);
    double *values = fm_arena_allocate(arena, (size_t)from->rows * (size_t)width * sizeof *values);
    if (!values) return FM_ERROR_MEMORY;
    for (int64_t row = 0; row < from->rows; row++) {
        for (int c = 0; c < columns.count; c++) {
            if (place[c] < 0) continue;
            values[row * width + place[c]] = from->values[row * from->columns + c];
        }
    }
    fm_series_table table = {.name = from->name,
                             .origin = "memory",
                             .rows = from->rows,
                             .width = width,
                             .values = values,
                             .place = place,
                             .columns = &columns,
                             .times = &times};
    return fm_series_make(arena->context, &table, options, series);
}

fm_status fm_series_create(fm_context *context, const fm_series_values *values,
                           const fm_series_options *options, fm_series **series)
{
    fm_series_options filled = options ? *options : (fm_series_options){0};
    fm_series_values from = *values;
    *series = NULL;
    if (!from.name) from.name = "series";
    if (!filled.file) filled.file = from.name;
    fm_status status = fm_fields_complete(context, fm_series_fields, &filled, "series");
    if (status == FM_OK) status = check_values(context, &from);
    if (status != FM_OK) return status;
    fm_arena arena = {.context = context};
    status = make_from(&arena, &from, &filled, series);
    fm_arena_release(&arena);
    return status;
}

/* ---- Looking ---- */

const fm_series_info *fm_series_about(const fm_series *series)
{
    return &series->info;
}

double fm_series_value(const fm_series *s, int64_t row, int target)
{
    bool there = row >= 0 && row < s->info.rows && target >= 0 && target < s->info.target_count;
    return there ? s->values[row * s->columns + s->targets[target]] : NAN;
}

const char *fm_series_time(const fm_series *series, int64_t row, char text[FM_SERIES_TIME_TEXT])
{
    return fm_time_axis_text(&series->times, row, text);
}
