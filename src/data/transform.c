#include "data/transform.h"
#include "base/checked.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const normalize_names[] = {"none", "standardize", "min_max", NULL};
const char *const fm_statistics_names[] = {"auto", "each", "channel", "all", NULL};
static const char *const impute_names[] = {"mean", "median", "constant", "none", NULL};
const char *const fm_encode_names[] = {"one_hot", "ordinal", NULL};
const char *const fm_target_names[] = {"auto",  "index",  "one_hot", "value",
                                       "input", "sample", NULL};

const fm_field fm_transform_fields[] = {
    {"scale", "numbers are divided by it", offsetof(fm_transform_options, scale),
     .type = FM_FIELD_REAL, .default_value = 1},
    {"mean", "taken off after scale, one number or one a channel",
     offsetof(fm_transform_options, mean), .type = FM_FIELD_REALS},
    {"deviation", "divided by after that (default: 1)", offsetof(fm_transform_options, deviation),
     .type = FM_FIELD_REALS},
    {"normalize", "numbers by what the training part shows",
     offsetof(fm_transform_options, normalize), .type = FM_FIELD_ENUM, .choices = normalize_names},
    {"statistics", "what shares one mean", offsetof(fm_transform_options, statistics),
     .type = FM_FIELD_ENUM, .choices = fm_statistics_names},
    {"impute", "what stands for a missing number", offsetof(fm_transform_options, impute),
     .type = FM_FIELD_ENUM, .choices = impute_names},
    {"impute_value", "with impute: constant", offsetof(fm_transform_options, impute_value),
     .type = FM_FIELD_REAL},
    {"encode", "how categories become numbers", offsetof(fm_transform_options, encode),
     .type = FM_FIELD_ENUM, .choices = fm_encode_names},
    {"target", "how the target is given to the loss", offsetof(fm_transform_options, target),
     .type = FM_FIELD_ENUM, .choices = fm_target_names},
    {"target_normalize", "the target's values", offsetof(fm_transform_options, target_normalize),
     .type = FM_FIELD_ENUM, .choices = normalize_names},
    {0},
};

void fm_transform_destroy(fm_transform *transform)
{
    if (!transform || --transform->references > 0) return;
    fm_vocabulary_destroy(transform->vocabulary);
    fm_arena_release(&transform->words);
    fm_release(transform->context, transform);
}

const fm_dataset_info *fm_transform_input(const fm_transform *transform)
{
    return &transform->input;
}

const fm_vocabulary *fm_transform_vocabulary(const fm_transform *transform)
{
    return transform->vocabulary;
}

const fm_dataset_info *fm_transform_output(const fm_transform *transform)
{
    return &transform->output;
}

void fm_transform_restore(const fm_transform *transform, float *values, int64_t count)
{
    if (!transform->target_rules) return;
    int64_t columns = fm_field_columns(&transform->input.fields[1]);
    for (int64_t i = 0; i < count * columns; i++) {
        fm_rule rule = transform->target_rules[i % columns];
        double value = rule.factor == 0 ? 0 : (double)values[i] / rule.factor;
        values[i] = (float)(value + rule.center);
    }
}

void fm_transform_restore_x(const fm_transform *transform, float *values, int64_t count)
{
    for (int64_t i = 0; !transform->codes && i < count * transform->elements; i++) {
        fm_rule rule = transform->rules[fm_rule_group(transform, i % transform->elements)];
        double value = rule.factor == 0 ? 0 : (double)values[i] / rule.factor;
        values[i] = (float)(value + rule.center);
    }
}

bool fm_transform_has_categories(const fm_data_field *field)
{
    for (int64_t c = 0; field->columns && c < fm_field_columns(field); c++) {
        if (field->columns[c].kind == FM_COLUMN_CATEGORICAL) return true;
    }
    return false;
}

fm_status fm_transform_begin(fm_context *context, const fm_dataset_info *input,
                             fm_transform **transform)
{
    *transform = NULL;
    fm_transform *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    *made = (fm_transform){.context = context, .references = 1, .words = {.context = context}};
    fm_dataset_info about = *input;
    about.name = about.origin = "";
    about.count = 0;
    about.field_count = input->field_count < 2 ? 1 : 2;
    fm_status status = fm_dataset_copy_info(&made->words, &about, &made->input);
    if (status != FM_OK) {
        fm_transform_destroy(made);
        return status;
    }
    made->elements = fm_shape_elements(input->fields[0].shape);
    *transform = made;
    return FM_OK;
}

static fm_rule *make_rules(fm_transform *transform, int64_t count)
{
    size_t bytes;
    fm_rule *rules = NULL;
    if (fm_checked_mul((size_t)count, sizeof *rules, &bytes)) {
        rules = fm_arena_allocate(&transform->words, bytes);
    } else {
        fm_fail(transform->context, FM_ERROR_LIMIT, "%lld rules do not fit into memory",
                (long long)count);
    }
    for (int64_t i = 0; rules && i < count; i++) rules[i] = (fm_rule){NAN, 0, 1};
    return rules;
}

fm_status fm_transform_make_rules(fm_transform *transform)
{
    const fm_data_field *x = &transform->input.fields[0], *y = &transform->input.fields[1];
    int64_t columns = fm_field_columns(x);
    transform->groups = transform->statistics == FM_STATISTICS_EACH      ? transform->elements
                        : transform->statistics == FM_STATISTICS_CHANNEL ? columns
                                                                         : 1;
    transform->rules = make_rules(transform, transform->groups);
    if (!transform->rules) return fm_error_status(transform->context);
    if (fm_transform_has_categories(x)) {
        transform->codes =
            fm_arena_allocate(&transform->words, (size_t)columns * sizeof *transform->codes);
        if (!transform->codes) return FM_ERROR_MEMORY;
    }
    if (transform->input.field_count < 2 || fm_transform_has_categories(y)) return FM_OK;
    transform->target_rules = make_rules(transform, fm_field_columns(y));
    return transform->target_rules ? FM_OK : fm_error_status(transform->context);
}

/* ---- What comes out ---- */

/* "city=Rome"; the category after the last is "(missing)". */
static const char *output_name(fm_transform *transform, const fm_column *column, int64_t category)
{
    char number[24];
    const char *name = category == column->category_count
                           ? "(missing)"
                           : fm_column_category(column, category, number);
    return fm_arena_format(&transform->words, "%s=%s", column->name ? column->name : "", name);
}

static fm_status describe_column(fm_transform *transform, int64_t c, fm_column *outputs)
{
    const fm_column *column = &transform->input.fields[0].columns[c];
    const fm_column_code *code = &transform->codes[c];
    fm_column *to = outputs + code->output;
    if (column->kind != FM_COLUMN_CATEGORICAL || transform->encode == FM_ENCODE_ORDINAL) {
        *to = (fm_column){.name = column->name, .kind = FM_COLUMN_NUMERIC};
        return FM_OK;
    }
    for (int64_t k = 0; k < code->width; k++) {
        to[k] = (fm_column){.name = output_name(transform, column, k), .kind = FM_COLUMN_NUMERIC};
        if (!to[k].name) return FM_ERROR_MEMORY;
    }
    return FM_OK;
}

/* Gives every column its place in the output row. */
static fm_status place_columns(fm_transform *transform, int64_t *total)
{
    const fm_data_field *x = &transform->input.fields[0];
    *total = 0;
    for (int64_t c = 0; c < fm_field_columns(x); c++) {
        fm_column_code *code = &transform->codes[c];
        bool spread =
            x->columns[c].kind == FM_COLUMN_CATEGORICAL && transform->encode == FM_ENCODE_ONE_HOT;
        code->output = *total;
        code->width = spread ? x->columns[c].category_count + code->missing : 1;
        *total += code->width;
        if (*total <= FM_MOST_OUTPUTS) continue;
        return fm_fail(
            transform->context, FM_ERROR_LIMIT,
            "column \"%s\" has %lld categories: more than %d outputs; drop it, or encode "
            "it as ordinal",
            x->columns[c].name ? x->columns[c].name : "", (long long)x->columns[c].category_count,
            FM_MOST_OUTPUTS);
    }
    return FM_OK;
}

static fm_status finish_x(fm_transform *transform)
{
    const fm_data_field *x = &transform->input.fields[0];
    fm_data_field *out = &transform->output.fields[0];
    *out =
        (fm_data_field){.name = x->name, .dtype = FM_F32, .shape = x->shape, .columns = x->columns};
    if (transform->vocabulary) {
        out->dtype = FM_I32;
        out->shape = FM_SHAPE(transform->input.text->length);
        transform->output.buckets = transform->input.text->bucket_lengths;
    }
    if (!transform->codes) return FM_OK;
    int64_t total;
    fm_status status = place_columns(transform, &total);
    if (status != FM_OK) return status;
    fm_column *columns = fm_arena_allocate(&transform->words, (size_t)total * sizeof *columns);
    if (!columns) return FM_ERROR_MEMORY;
    for (int64_t c = 0; c < fm_field_columns(x) && status == FM_OK; c++) {
        status = describe_column(transform, c, columns);
    }
    out->shape = FM_SHAPE(total);
    out->columns = columns;
    return status;
}

static fm_status name_classes(fm_transform *transform, const fm_column *classes, fm_data_field *out)
{
    char number[24];
    size_t count = (size_t)classes->category_count;
    fm_column *columns = fm_arena_allocate(&transform->words, count * sizeof *columns);
    if (!columns) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const char *name = fm_column_category(classes, (int64_t)i, number);
        columns[i].kind = FM_COLUMN_NUMERIC;
        columns[i].name = fm_arena_string(&transform->words, name);
        if (!columns[i].name) return FM_ERROR_MEMORY;
    }
    out->columns = columns;
    return FM_OK;
}

static fm_status finish_y(fm_transform *transform)
{
    const fm_data_field *y = &transform->input.fields[1];
    fm_data_field *out = &transform->output.fields[1];
    bool classes = transform->target != FM_TARGET_VALUE;
    if (transform->target == FM_TARGET_INPUT) {
        *out = transform->output.fields[0];
        out->name = y->name;
        return out->dtype == FM_F32 ? FM_OK
                                    : fm_fail(transform->context, FM_ERROR_ARGUMENT,
                                              "target input: \"x\" is tokens, not numbers");
    }
    if (transform->target == FM_TARGET_SAMPLE) {
        *out = (fm_data_field){.name = y->name, .dtype = FM_I32};
        return FM_OK;
    }
    *out = *y;
    while (classes && out->shape.rank > 0 && out->shape.dims[out->shape.rank - 1] == 1) {
        out->shape.rank--; /* a class has no dimension of its own */
    }
    switch (transform->target) {
    case FM_TARGET_INDEX:
        out->dtype = FM_I32;
        if (out->shape.rank > 0) out->columns = NULL; /* its last dimension is another now */
        return FM_OK;
    case FM_TARGET_ONE_HOT:
        out->dtype = FM_F32;
        if (out->shape.rank + 1 >= FM_MAX_RANK) {
            return fm_fail(transform->context, FM_ERROR_SHAPE,
                           "\"y\" has too many dimensions to be one-hot");
        }
        out->shape.dims[out->shape.rank++] = y->columns->category_count;
        return name_classes(transform, y->columns, out);
    default:
        out->dtype = FM_F32;
        if (y->shape.rank == 0) out->shape = FM_SHAPE(1);
        return FM_OK;
    }
}

fm_status fm_transform_finish(fm_transform *transform)
{
    transform->output = transform->input;
    fm_status status = finish_x(transform);
    if (status == FM_OK && transform->input.field_count > 1) status = finish_y(transform);
    if (transform->vocabulary && transform->input.text->running) {
        transform->output.rows = transform->rows;
        transform->output.field_count = 2;
        transform->output.fields[1] = transform->output.fields[0];
        transform->output.fields[1].name = "y"; /* the tokens that follow */
    }
    return status;
}
