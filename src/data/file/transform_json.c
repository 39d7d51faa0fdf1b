/* A transform as JSON, and back. What is read is checked as if an enemy had written it. */
#include "data/file/text_json.h"
#include "data/text/text_samples.h"
#include "fathom/data_files.h"

#include <math.h>
#include <string.h>

enum { VERSION = 1, MOST_CATEGORIES = 1 << 20 };
static const char format_name[] = "fathom.transform";

/* ---- Writing ---- */

static json_t *write_shape(fm_shape shape, bool *failed)
{
    json_t *list = json_array();
    for (int i = 0; i < shape.rank; i++) fm_json_append(list, json_integer(shape.dims[i]), failed);
    return list;
}

/* JSON has no NaN: null. */
static json_t *write_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *write_rules(const fm_rule *rules, int64_t count, bool *failed)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < count; i++) {
        json_t *rule = json_array();
        fm_json_append(rule, write_number(rules[i].fill), failed);
        fm_json_append(rule, write_number(rules[i].center), failed);
        fm_json_append(rule, write_number(rules[i].factor), failed);
        fm_json_append(list, rule, failed);
    }
    return list;
}

static json_t *write_column(const fm_column *column, const fm_column_code *code, bool *failed)
{
    bool categorical = column->kind == FM_COLUMN_CATEGORICAL;
    json_t *object = json_object();
    if (column->name) fm_json_set(object, "name", json_string(column->name), failed);
    fm_json_set(object, "kind", json_string(categorical ? "categorical" : "numeric"), failed);
    if (!categorical) return object;
    if (code) fm_json_set(object, "missing", json_boolean(code->missing), failed);
    fm_json_set(object, "count", json_integer(column->category_count), failed);
    if (!column->categories) return object;
    json_t *names = json_array();
    for (int64_t i = 0; i < column->category_count; i++) {
        fm_json_append(names, json_string(column->categories[i]), failed);
    }
    fm_json_set(object, "categories", names, failed);
    return object;
}

static json_t *write_field(const fm_data_field *field, const fm_column_code *codes, bool *failed)
{
    json_t *object = json_object();
    fm_json_set(object, "name", json_string(field->name), failed);
    fm_json_set(object, "dtype", json_string(fm_dtype_name(field->dtype)), failed);
    fm_json_set(object, "shape", write_shape(field->shape, failed), failed);
    if (!field->columns) return object;
    json_t *columns = json_array();
    for (int64_t c = 0; c < fm_field_columns(field); c++) {
        fm_json_append(columns, write_column(&field->columns[c], codes ? &codes[c] : NULL, failed),
                       failed);
    }
    fm_json_set(object, "columns", columns, failed);
    return object;
}

static json_t *write_transform(const fm_transform *t, bool *failed)
{
    json_t *object = json_object(), *x = write_field(&t->input.fields[0], t->codes, failed);
    fm_json_set(x, "statistics", json_string(fm_statistics_names[t->statistics]), failed);
    fm_json_set(x, "encode", json_string(fm_encode_names[t->encode]), failed);
    fm_json_set(x, "rules", write_rules(t->rules, t->groups, failed), failed);
    if (t->vocabulary) {
        fm_json_set(x, "text", fm_text_form_write(t->input.text, t->rows, failed), failed);
        fm_json_set(x, "vocabulary", fm_vocabulary_write(t->vocabulary, failed), failed);
    }
    fm_json_set(object, "format", json_string(format_name), failed);
    fm_json_set(object, "version", json_integer(VERSION), failed);
    fm_json_set(object, "x", x, failed);
    if (t->input.field_count < 2) return object;
    json_t *y = write_field(&t->input.fields[1], NULL, failed);
    fm_json_set(y, "target", json_string(fm_target_names[t->target]), failed);
    if (t->target_rules) {
        int64_t columns = fm_field_columns(&t->input.fields[1]);
        fm_json_set(y, "rules", write_rules(t->target_rules, columns, failed), failed);
    }
    fm_json_set(object, "y", y, failed);
    return object;
}

fm_status fm_transform_to_json(fm_context *context, const fm_transform *transform, char **json)
{
    bool failed = false;
    json_t *object = write_transform(transform, &failed);
    return fm_json_text(context, object, failed, "transform", json);
}

void fm_data_release(fm_context *context, void *pointer)
{
    fm_release(context, pointer);
}

/* ---- Reading ---- */

static fm_status fail_json(fm_context *context, const char *words)
{
    return fm_fail(context, FM_ERROR_FORMAT, "transform: %s", words);
}

static fm_status read_shape(fm_context *context, const json_t *list, fm_shape *shape)
{
    *shape = (fm_shape){.rank = (int)json_array_size(list)};
    if (!json_is_array(list) || json_array_size(list) >= FM_MAX_RANK) {
        return fail_json(context, "a shape is a list of less than eight sizes");
    }
    for (int i = 0; i < shape->rank; i++) {
        const json_t *size = json_array_get(list, (size_t)i);
        shape->dims[i] = json_is_integer(size) ? json_integer_value(size) : -1;
    }
    if (fm_shape_bytes(*shape, FM_F64) >= 0) return FM_OK;
    return fail_json(context, "a shape holds an impossible size");
}

static fm_status read_categories(fm_arena *words, const json_t *object, fm_column *column)
{
    const json_t *count = json_object_get(object, "count");
    const json_t *names = json_object_get(object, "categories");
    column->category_count = json_is_integer(count) ? json_integer_value(count) : -1;
    if (column->category_count < 0 || column->category_count > MOST_CATEGORIES) {
        return fail_json(words->context, "a categorical column needs a count, at most 1048576");
    }
    if (!names) return FM_OK;
    if (!json_is_array(names) || (int64_t)json_array_size(names) != column->category_count) {
        return fail_json(words->context, "categories are as many names as count says");
    }
    size_t size = json_array_size(names);
    const char **list = fm_arena_allocate(words, size * sizeof *list);
    if (!list) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < size; i++) {
        list[i] = json_string_value(json_array_get(names, i));
        if (!list[i]) return fail_json(words->context, "a category is a text");
    }
    column->categories = list;
    return FM_OK;
}

static fm_status read_column(fm_arena *words, const json_t *object, fm_column *column)
{
    static const char *const kinds[] = {"numeric", "categorical", NULL};
    int kind = fm_json_choice(kinds, json_object_get(object, "kind"));
    const json_t *name = json_object_get(object, "name");
    if (kind < 0 || (name && !json_is_string(name))) {
        return fail_json(words->context, "a column has a kind, numeric or categorical, and a name");
    }
    column->name = json_string_value(name);
    column->kind = kind ? FM_COLUMN_CATEGORICAL : FM_COLUMN_NUMERIC;
    return kind ? read_categories(words, object, column) : FM_OK;
}

/* The strings of `field` stay those of the JSON object; the lists are in `words`. */
static fm_status read_field(fm_arena *words, const json_t *object, fm_data_field *field)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    const char *dtype = json_string_value(json_object_get(object, "dtype"));
    const json_t *columns = json_object_get(object, "columns");
    *field = (fm_data_field){.name = name};
    if (!name || !*name || !dtype || !fm_dtype_from_name(dtype, &field->dtype)) {
        return fail_json(words->context, "a field has a name and a dtype");
    }
    fm_status status = read_shape(words->context, json_object_get(object, "shape"), &field->shape);
    if (status != FM_OK || !columns) return status;
    size_t count = (size_t)fm_field_columns(field);
    if (!json_is_array(columns) || json_array_size(columns) != count) {
        return fail_json(words->context, "columns are as many as the last dimension says");
    }
    fm_column *list = fm_arena_allocate(words, count * sizeof *list);
    if (!list) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < count && status == FM_OK; i++) {
        status = read_column(words, json_array_get(columns, i), &list[i]);
    }
    field->columns = list;
    return status;
}

static fm_status read_rules(fm_context *context, const json_t *list, fm_rule *rules, int64_t count)
{
    if (!json_is_array(list) || (int64_t)json_array_size(list) != count) {
        return fail_json(context, "rules are as many as there are groups");
    }
    for (int64_t i = 0; i < count; i++) {
        const json_t *rule = json_array_get(list, (size_t)i);
        const json_t *fill = json_array_get(rule, 0), *center = json_array_get(rule, 1);
        const json_t *factor = json_array_get(rule, 2);
        bool valid = json_array_size(rule) == 3 && (json_is_number(fill) || json_is_null(fill)) &&
                     json_is_number(center) && json_is_number(factor);
        if (!valid) return fail_json(context, "a rule is [fill or null, center, factor]");
        rules[i] = (fm_rule){json_is_null(fill) ? NAN : json_number_value(fill),
                             json_number_value(center), json_number_value(factor)};
    }
    return FM_OK;
}

/* One rule for each group: the list's length bounds what the shape may ask for. */
static fm_status check_groups(fm_context *context, const fm_data_field *x, int statistics,
                              const json_t *rules)
{
    int64_t groups = statistics == FM_STATISTICS_EACH      ? fm_shape_elements(x->shape)
                     : statistics == FM_STATISTICS_CHANNEL ? fm_field_columns(x)
                                                           : 1;
    if (json_is_array(rules) && (int64_t)json_array_size(rules) == groups) return FM_OK;
    return fail_json(context, "rules are as many as there are groups");
}

static bool is_class_field(const fm_data_field *y)
{
    return fm_transform_has_categories(y) && fm_field_columns(y) == 1;
}

static fm_status read_choices(fm_context *context, const json_t *x, const json_t *y,
                              const fm_data_field *fields, fm_transform *choices)
{
    choices->statistics = fm_json_choice(fm_statistics_names, json_object_get(x, "statistics"));
    choices->encode = fm_json_choice(fm_encode_names, json_object_get(x, "encode"));
    choices->target = FM_TARGET_VALUE;
    if (choices->statistics <= FM_STATISTICS_AUTO || choices->encode < 0) {
        return fail_json(context, "x needs statistics and encode");
    }
    if (fm_transform_has_categories(&fields[0]) &&
        (fields[0].shape.rank > 1 || choices->statistics != FM_STATISTICS_EACH)) {
        return fail_json(context, "categorical columns belong to samples of one dimension");
    }
    if (!y) return FM_OK;
    choices->target = fm_json_choice(fm_target_names, json_object_get(y, "target"));
    bool valid = choices->target > FM_TARGET_AUTO &&
                 (choices->target == FM_TARGET_VALUE || !fm_target_reads_y(choices->target) ||
                  is_class_field(&fields[1]));
    return valid ? FM_OK : fail_json(context, "y needs a target that fits its columns");
}

static fm_status fill(fm_transform *t, const json_t *x, const json_t *y)
{
    fm_status status = fm_transform_make_rules(t);
    if (status == FM_OK) {
        status = read_rules(t->context, json_object_get(x, "rules"), t->rules, t->groups);
    }
    if (status == FM_OK && t->target_rules) {
        status = read_rules(t->context, json_object_get(y, "rules"), t->target_rules,
                            fm_field_columns(&t->input.fields[1]));
    }
    const json_t *columns = json_object_get(x, "columns");
    for (int64_t c = 0; t->codes && c < fm_field_columns(&t->input.fields[0]); c++) {
        const json_t *column = json_array_get(columns, (size_t)c);
        t->codes[c].missing = json_is_true(json_object_get(column, "missing"));
    }
    return status == FM_OK ? fm_transform_finish(t) : status;
}

/* Texts are read as their sets describe them: sizes or bytes, which have no shape. */
static fm_status read_text(fm_arena *lists, const json_t *x, fm_dataset_info *info, int64_t *rows)
{
    const json_t *object = json_object_get(x, "text");
    if (!object) return FM_OK;
    fm_text_form *form = fm_arena_allocate(lists, sizeof *form);
    if (!form) return FM_ERROR_MEMORY;
    fm_status status = fm_text_form_read(lists->context, object, form, rows);
    if (status != FM_OK) return status;
    const fm_data_field *field = &info->fields[0];
    info->text = form;
    bool plain = field->shape.rank == 0 && !field->columns &&
                 field->dtype == (form->running ? FM_U8 : FM_I64);
    return plain ? FM_OK : fail_json(lists->context, "text has no shape and no columns");
}

static fm_status read_vocabulary(fm_transform *t, const json_t *x)
{
    if (!t->input.text) return FM_OK;
    fm_text_form *form = (fm_text_form *)(uintptr_t)t->input.text; /* our copy */
    fm_status status =
        fm_vocabulary_read(t->context, json_object_get(x, "vocabulary"), &t->vocabulary);
    if (status == FM_OK) form->vocabulary = *fm_vocabulary_about(t->vocabulary);
    return status;
}

static fm_status build(fm_context *context, const json_t *x, const json_t *y, fm_arena *lists,
                       fm_transform **transform)
{
    fm_dataset_info info = {.name = "", .origin = "", .field_count = y ? 2 : 1};
    fm_transform choices = {0};
    int64_t rows = 0;
    fm_status status = read_field(lists, x, &info.fields[0]);
    if (status == FM_OK) status = read_text(lists, x, &info, &rows);
    if (status == FM_OK && y && info.text && info.text->running) {
        status = fail_json(context, "a running text has no y of its own");
    }
    if (status == FM_OK && y) status = read_field(lists, y, &info.fields[1]);
    if (status == FM_OK) status = read_choices(context, x, y, info.fields, &choices);
    if (status == FM_OK) {
        status =
            check_groups(context, &info.fields[0], choices.statistics, json_object_get(x, "rules"));
    }
    if (status == FM_OK) status = fm_transform_begin(context, &info, transform);
    if (status != FM_OK) return status;
    (*transform)->statistics = choices.statistics;
    (*transform)->encode = choices.encode;
    (*transform)->target = choices.target;
    (*transform)->rows = rows;
    status = read_vocabulary(*transform, x);
    return status != FM_OK ? status : fill(*transform, x, y);
}

static fm_status read_object(fm_context *context, const json_t *object, fm_transform **transform)
{
    const char *format = json_string_value(json_object_get(object, "format"));
    if (!format || strcmp(format, format_name) != 0) {
        return fail_json(context, "not the JSON of a transform (no format: fathom.transform)");
    }
    if (json_integer_value(json_object_get(object, "version")) != VERSION) {
        return fail_json(context, "written by a newer version of fathom");
    }
    fm_arena lists = {.context = context};
    fm_status status = build(context, json_object_get(object, "x"), json_object_get(object, "y"),
                             &lists, transform);
    fm_arena_release(&lists);
    return status;
}

fm_status fm_transform_from_json(fm_context *context, const char *json, size_t size,
                                 fm_transform **transform)
{
    json_error_t error;
    *transform = NULL;
    json_t *object = json_loadb(json, size, JSON_REJECT_DUPLICATES, &error);
    if (!object) {
        return fm_fail(context, FM_ERROR_FORMAT, "transform: JSON line %d, column %d: %s",
                       error.line, error.column, error.text);
    }
    fm_transform *made = NULL;
    fm_status status = read_object(context, object, &made);
    json_decref(object);
    if (status == FM_OK) {
        *transform = made;
    } else {
        fm_transform_destroy(made);
    }
    return status;
}
