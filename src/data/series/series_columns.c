#include "data/series/series_columns.h"
#include "base/pattern.h"
#include "data/table_options.h"

#include <string.h>

/* ---- Finding ---- */

static const char *next_name(const void *list, int index)
{
    const fm_series_columns *columns = list;
    return index < columns->count ? columns->names[index] : NULL;
}

int fm_series_column_find(const fm_series_columns *columns, const char *word)
{
    int64_t at = fm_column_of_name(word, next_name, columns);
    return (int)(at < 0 ? fm_column_of_number(word, columns->count) : at);
}

fm_status fm_series_column_unknown(fm_context *context, const fm_series_columns *columns,
                                   const char *option, const char *word)
{
    return fm_column_unknown(context, columns->name, option, word, next_name, columns);
}

/* The columns of a list in its order, each once; `mark` is set for each. */
static fm_status read_list(fm_arena *arena, const fm_series_columns *columns, const char *option,
                           const char *list, bool *mark, int *chosen, int *count)
{
    fm_pattern item;
    *count = 0;
    while (list && fm_pattern_next(&list, &item)) {
        const char *word = fm_arena_format(arena, "%.*s", item.size, item.text);
        if (!word) return FM_ERROR_MEMORY;
        int found = fm_series_column_find(columns, word);
        if (found < 0) return fm_series_column_unknown(arena->context, columns, option, word);
        if (!mark[found]) chosen[(*count)++] = found;
        mark[found] = true;
    }
    return FM_OK;
}

/* ---- By the options ---- */

static fm_status choose_targets(fm_arena *arena, const fm_series_options *options,
                                const bool *dropped, fm_series_columns *c)
{
    if (options->target) {
        return read_list(arena, c, "target", options->target, c->target, c->targets,
                         &c->target_count);
    }
    for (int i = c->count - 1; i >= 0 && c->target_count == 0; i--) {
        if (i == c->time || dropped[i]) continue;
        c->target[i] = true;
        c->targets[c->target_count++] = i;
    }
    return FM_OK;
}

static fm_status choose_inputs(fm_arena *arena, const fm_series_options *options,
                               const bool *dropped, fm_series_columns *c)
{
    if (options->inputs) {
        return read_list(arena, c, "inputs", options->inputs, c->input, c->inputs, &c->input_count);
    }
    for (int i = 0; i < c->count; i++) {
        if (i == c->time || dropped[i]) continue;
        c->input[i] = true;
        c->inputs[c->input_count++] = i;
    }
    return FM_OK;
}

/* ---- As in training ---- */

/* "Passengers+1" -> "Passengers": what windows of several steps call the first one. */
static const char *name_of_target(fm_arena *arena, const fm_data_field *y, const char *name)
{
    static const char first[] = "+1";
    size_t size = strlen(name), tail = strlen(first);
    bool steps = y->shape.rank == 1 && y->shape.dims[0] > 1 && size > tail &&
                 strcmp(name + size - tail, first) == 0;
    return steps ? fm_arena_format(arena, "%.*s", (int)(size - tail), name) : name;
}

/* Columns by the names of a field; names is what stands for them in `like`. */
static fm_status choose_like(fm_arena *arena, const fm_data_field *field, bool target,
                             int64_t wanted, fm_series_columns *c)
{
    int *chosen = target ? c->targets : c->inputs, count = 0;
    bool *mark = target ? c->target : c->input;
    bool named = field->columns && wanted > 0;
    for (int64_t i = 0; i < wanted && named; i++) {
        if (!(named = field->columns[i].name != NULL)) break;
        const char *name = field->columns[i].name;
        if (target) name = name_of_target(arena, field, name);
        if (!name) return FM_ERROR_MEMORY;
        int found = fm_series_column_find(c, name);
        if (found < 0) return fm_series_column_unknown(arena->context, c, "the model", name);
        if (!mark[found]) chosen[count++] = found;
        mark[found] = true;
        if (name != field->columns[i].name) break; /* the others are later steps of it */
    }
    if (!named) {
        return fm_fail(arena->context, FM_ERROR_SHAPE,
                       "%s: the model was not trained on a series with named columns", c->name);
    }
    *(target ? &c->target_count : &c->input_count) = count;
    return FM_OK;
}

static int64_t count_columns(const fm_data_field *field)
{
    return field->shape.rank > 0 ? field->shape.dims[field->shape.rank - 1] : 0;
}

/* Behind the file's columns stand two for each cycle of the calendar. */
static fm_status choose_as_trained(fm_arena *arena, const fm_series_options *options,
                                   fm_series_columns *c)
{
    const fm_dataset_info *info = fm_transform_input(options->like);
    const char *list = options->calendar;
    fm_pattern cycle;
    int64_t inputs = count_columns(&info->fields[0]);
    while (list && fm_pattern_next(&list, &cycle)) inputs -= 2;
    if (info->field_count < 2) {
        return fm_fail(arena->context, FM_ERROR_SHAPE,
                       "%s: the model was trained without targets: it does not forecast", c->name);
    }
    fm_status status = choose_like(arena, &info->fields[0], false, inputs, c);
    if (status != FM_OK) return status;
    return choose_like(arena, &info->fields[1], true, count_columns(&info->fields[1]), c);
}

/* ---- All of it ---- */

static fm_status mark_worked(fm_arena *arena, const fm_series_options *options, int *unused,
                             fm_series_columns *c)
{
    int count;
    fm_status status = read_list(arena, c, "log", options->log, c->logarithm, unused, &count);
    if (status != FM_OK || options->difference.count == 0) return status;
    if (options->differenced) {
        return read_list(arena, c, "differenced", options->differenced, c->differenced, unused,
                         &count);
    }
    for (int i = 0; i < c->target_count; i++) c->differenced[c->targets[i]] = true;
    return FM_OK;
}

static fm_status check_chosen(fm_context *context, const fm_series_columns *c)
{
    if (c->target_count == 0 || c->input_count == 0) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: no column is left for the %s (%d columns)",
                       c->name, c->target_count == 0 ? "target" : "inputs", c->count);
    }
    return FM_OK;
}

fm_status fm_series_columns_choose(fm_arena *arena, const fm_series_options *options,
                                   fm_series_columns *c)
{
    size_t count = (size_t)c->count;
    bool *dropped = fm_arena_allocate(arena, 5 * count * sizeof *dropped);
    int *chosen = fm_arena_allocate(arena, 3 * count * sizeof *chosen);
    int unused_count;
    if (!dropped || !chosen) return FM_ERROR_MEMORY;
    c->input = dropped + count;
    c->target = c->input + count;
    c->logarithm = c->target + count;
    c->differenced = c->logarithm + count;
    c->inputs = chosen;
    c->targets = chosen + count;
    c->input_count = c->target_count = 0;
    int *unused = chosen + 2 * count;
    fm_status status = read_list(arena, c, "drop", options->drop, dropped, unused, &unused_count);
    if (status == FM_OK && options->like) {
        status = choose_as_trained(arena, options, c);
    } else if (status == FM_OK) {
        status = choose_targets(arena, options, dropped, c);
        if (status == FM_OK) status = choose_inputs(arena, options, dropped, c);
    }
    if (status == FM_OK) status = check_chosen(arena->context, c);
    return status == FM_OK ? mark_worked(arena, options, unused, c) : status;
}
