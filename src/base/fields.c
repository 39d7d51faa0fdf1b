#include "base/fields.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {
    [FM_FIELD_INT] = "a whole number",
    [FM_FIELD_REAL] = "a number",
    [FM_FIELD_BOOL] = "true or false",
    [FM_FIELD_NOT] = "true or false",
    [FM_FIELD_ENUM] = "a name",
    [FM_FIELD_STRING] = "a text",
    [FM_FIELD_INTS] = "a list of whole numbers",
    [FM_FIELD_REALS] = "a list of numbers",
};

static const size_t type_sizes[] = {
    [FM_FIELD_INT] = sizeof(int64_t),  [FM_FIELD_REAL] = sizeof(double),
    [FM_FIELD_BOOL] = sizeof(bool),    [FM_FIELD_NOT] = sizeof(bool),
    [FM_FIELD_ENUM] = sizeof(int),     [FM_FIELD_STRING] = sizeof(char *),
    [FM_FIELD_INTS] = sizeof(fm_ints), [FM_FIELD_REALS] = sizeof(fm_reals),
};

static const void *place_of(const fm_field *field, const void *options)
{
    return (const char *)options + field->offset;
}

static void store(const fm_field *field, void *options, const void *value)
{
    memcpy((char *)options + field->offset, value, type_sizes[field->type]);
}

const fm_field *fm_field_find(const fm_field *fields, const char *name)
{
    for (const fm_field *field = fields; field && field->name; field++) {
        if (strcmp(field->name, name) == 0) return field;
    }
    return NULL;
}

double fm_field_real(const fm_field *field, const void *options)
{
    if (field->type != FM_FIELD_REAL) return (double)fm_field_int(field, options);
    double value;
    memcpy(&value, place_of(field, options), sizeof value);
    return fm_or(value, field->default_value);
}

int64_t fm_field_int(const fm_field *field, const void *options)
{
    const void *place = place_of(field, options);
    switch (field->type) {
    case FM_FIELD_INT: {
        int64_t value;
        memcpy(&value, place, sizeof value);
        return fm_or_int(value, (int64_t)field->default_value);
    }
    case FM_FIELD_BOOL:
        return *(const bool *)place;
    case FM_FIELD_NOT:
        return !*(const bool *)place;
    case FM_FIELD_ENUM:
        return *(const int *)place;
    default:
        return 0;
    }
}

static fm_status fail_type(fm_context *context, const fm_field *field, const char *owner,
                           const char *received)
{
    return fm_fail(context, FM_ERROR_ARGUMENT, "%s: %s must be %s, received %s", owner, field->name,
                   type_names[field->type], received);
}

static fm_status check_range(fm_context *context, const fm_field *field, const char *owner,
                             double value)
{
    if (isnan(value)) return fail_type(context, field, owner, "NaN");
    if (field->minimum == 0 && field->maximum == 0) return FM_OK;
    if (value >= field->minimum && value <= field->maximum) return FM_OK;
    if (isinf(value) && field->maximum > 1e6) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: %s must be finite, received %g", owner,
                       field->name, value);
    }
    /* A bound beyond a million is there against slips; nobody below it wants to read of it. */
    if (value < field->minimum && field->maximum > 1e6) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: %s must be at least %.10g, received %.10g",
                       owner, field->name, field->minimum, value);
    }
    return fm_fail(context, FM_ERROR_ARGUMENT,
                   "%s: %s must lie between %.10g and %.10g, received %.10g", owner, field->name,
                   field->minimum, field->maximum, value);
}

fm_status fm_field_set_real(fm_context *context, const fm_field *field, void *options,
                            const char *owner, double value)
{
    if (field->type == FM_FIELD_INT && value == floor(value) && fabs(value) < 9e15) {
        return fm_field_set_int(context, field, options, owner, (int64_t)value);
    }
    if (field->type == FM_FIELD_REALS) {
        return fm_field_set_reals(context, field, options, owner, &(fm_reals){1, {value}});
    }
    if (field->type != FM_FIELD_REAL) {
        char received[32];
        snprintf(received, sizeof received, "%g", value);
        return fail_type(context, field, owner, received);
    }
    fm_status status = check_range(context, field, owner, value);
    if (status != FM_OK) return status;
    if (value == 0) value = FM_ZERO;
    store(field, options, &value);
    return FM_OK;
}

fm_status fm_field_set_int(fm_context *context, const fm_field *field, void *options,
                           const char *owner, int64_t value)
{
    if (field->type == FM_FIELD_REAL || field->type == FM_FIELD_REALS) {
        return fm_field_set_real(context, field, options, owner, (double)value);
    }
    if (field->type == FM_FIELD_INTS) {
        return fm_field_set_ints(context, field, options, owner, &(fm_ints){1, {value}});
    }
    if (field->type != FM_FIELD_INT) {
        char received[32];
        snprintf(received, sizeof received, "%lld", (long long)value);
        return fail_type(context, field, owner, received);
    }
    fm_status status = check_range(context, field, owner, (double)value);
    if (status != FM_OK) return status;
    store(field, options, &value);
    return FM_OK;
}

fm_status fm_field_set_bool(fm_context *context, const fm_field *field, void *options,
                            const char *owner, bool value)
{
    if (field->type != FM_FIELD_BOOL && field->type != FM_FIELD_NOT) {
        return fail_type(context, field, owner, value ? "true" : "false");
    }
    bool stored = field->type == FM_FIELD_NOT ? !value : value;
    store(field, options, &stored);
    return FM_OK;
}

fm_status fm_field_set_string(fm_context *context, const fm_field *field, void *options,
                              const char *owner, const char *value)
{
    if (field->type == FM_FIELD_STRING) {
        store(field, options, &value);
        return FM_OK;
    }
    if (field->type != FM_FIELD_ENUM) return fail_type(context, field, owner, value);
    for (int i = 0; field->choices[i]; i++) {
        if (strcmp(field->choices[i], value) != 0) continue;
        store(field, options, &i);
        return FM_OK;
    }
    const char *near = fm_nearest_string(value, field->choices);
    return fm_fail(context, FM_ERROR_ARGUMENT, "%s: unknown %s '%s'%s%s%s", owner, field->name,
                   value, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static fm_status check_count(fm_context *context, const fm_field *field, const char *owner,
                             int count)
{
    if (count >= 0 && count <= FM_MAX_LIST) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT, "%s: %s can hold 0 to %d numbers, received %d",
                   owner, field->name, FM_MAX_LIST, count);
}

fm_status fm_field_set_ints(fm_context *context, const fm_field *field, void *options,
                            const char *owner, const fm_ints *value)
{
    if (field->type != FM_FIELD_INTS) return fail_type(context, field, owner, "a list");
    if (check_count(context, field, owner, value->count) != FM_OK) return FM_ERROR_ARGUMENT;
    for (int i = 0; i < value->count; i++) {
        fm_status status = check_range(context, field, owner, (double)value->at[i]);
        if (status != FM_OK) return status;
    }
    store(field, options, value);
    return FM_OK;
}

fm_status fm_field_set_reals(fm_context *context, const fm_field *field, void *options,
                             const char *owner, const fm_reals *value)
{
    if (field->type != FM_FIELD_REALS) return fail_type(context, field, owner, "a list");
    if (check_count(context, field, owner, value->count) != FM_OK) return FM_ERROR_ARGUMENT;
    for (int i = 0; i < value->count; i++) {
        fm_status status = check_range(context, field, owner, value->at[i]);
        if (status != FM_OK) return status;
    }
    store(field, options, value);
    return FM_OK;
}

static fm_status check_choice(fm_context *context, const fm_field *field, const char *owner,
                              int value)
{
    int count = 0;
    while (field->choices[count]) count++;
    if (value >= 0 && value < count) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT, "%s: %s has no choice number %d", owner, field->name,
                   value);
}

static fm_status complete_field(fm_context *context, const fm_field *field, void *options,
                                const char *owner)
{
    fm_ints list;
    fm_reals reals;
    const char *string;
    switch (field->type) {
    case FM_FIELD_INT:
        return fm_field_set_int(context, field, options, owner, fm_field_int(field, options));
    case FM_FIELD_REAL:
        return fm_field_set_real(context, field, options, owner, fm_field_real(field, options));
    case FM_FIELD_ENUM:
        return check_choice(context, field, owner, (int)fm_field_int(field, options));
    case FM_FIELD_INTS:
        memcpy(&list, place_of(field, options), sizeof list);
        return fm_field_set_ints(context, field, options, owner, &list);
    case FM_FIELD_REALS:
        memcpy(&reals, place_of(field, options), sizeof reals);
        return fm_field_set_reals(context, field, options, owner, &reals);
    case FM_FIELD_STRING:
        memcpy(&string, place_of(field, options), sizeof string);
        if (string || !field->required) return FM_OK;
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: %s is needed: %s", owner, field->name,
                       field->doc);
    default:
        return FM_OK;
    }
}

fm_status fm_fields_complete(fm_context *context, const fm_field *fields, void *options,
                             const char *owner)
{
    for (const fm_field *field = fields; field && field->name; field++) {
        fm_status status = complete_field(context, field, options, owner);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

static bool is_default(const fm_field *field, const void *options)
{
    static const fm_ints zero; /* the largest field type */
    const void *place = place_of(field, options);
    switch (field->type) {
    case FM_FIELD_STRING:
        return *(const char *const *)place == NULL;
    case FM_FIELD_INTS:
        return ((const fm_ints *)place)->count == 0;
    case FM_FIELD_REALS:
        return ((const fm_reals *)place)->count == 0;
    case FM_FIELD_REAL:
    case FM_FIELD_INT:
        return fm_field_real(field, options) == field->default_value;
    default:
        return memcmp(place, &zero, type_sizes[field->type]) == 0;
    }
}

static void print_value(fm_text *text, const fm_field *field, const void *options)
{
    const void *place = place_of(field, options);
    const fm_ints *ints = place;
    const fm_reals *reals = place;
    switch (field->type) {
    case FM_FIELD_INT:
        fm_text_add(text, "%lld", (long long)fm_field_int(field, options));
        break;
    case FM_FIELD_REAL:
        fm_text_add(text, "%.9g", fm_field_real(field, options) + 0.0); /* FM_ZERO without sign */
        break;
    case FM_FIELD_BOOL:
    case FM_FIELD_NOT:
        fm_text_add(text, "%s", fm_field_int(field, options) ? "true" : "false");
        break;
    case FM_FIELD_ENUM:
        fm_text_add(text, "%s", field->choices[*(const int *)place]);
        break;
    case FM_FIELD_STRING:
        fm_text_add(text, "%s", *(const char *const *)place ? *(const char *const *)place : "");
        break;
    case FM_FIELD_INTS:
        for (int i = 0; i < ints->count; i++) {
            fm_text_add(text, "%s%lld", i ? "," : "[", (long long)ints->at[i]);
        }
        fm_text_add(text, "%s", ints->count ? "]" : "[]");
        break;
    case FM_FIELD_REALS:
        for (int i = 0; i < reals->count; i++) {
            fm_text_add(text, "%s%.9g", i ? "," : "[", reals->at[i] + 0.0);
        }
        fm_text_add(text, "%s", reals->count ? "]" : "[]");
        break;
    }
}

void fm_fields_print(fm_text *text, const fm_field *fields, const void *options, bool all)
{
    const char *between = "";
    for (const fm_field *field = fields; field && field->name; field++) {
        if (!all && is_default(field, options)) continue;
        fm_text_add(text, "%s%s=", between, field->name);
        print_value(text, field, options);
        between = ", ";
    }
}

static bool field_equal(const fm_field *field, const void *a, const void *b)
{
    const fm_ints *x = place_of(field, a), *y = place_of(field, b);
    const fm_reals *v = place_of(field, a), *w = place_of(field, b);
    const char *s, *t;
    switch (field->type) {
    case FM_FIELD_STRING:
        memcpy(&s, x, sizeof s);
        memcpy(&t, y, sizeof t);
        return s == t || (s && t && strcmp(s, t) == 0);
    case FM_FIELD_INTS:
        return x->count == y->count &&
               memcmp(x->at, y->at, (size_t)x->count * sizeof x->at[0]) == 0;
    case FM_FIELD_REALS:
        if (v->count != w->count) return false;
        for (int i = 0; i < v->count; i++) {
            if (v->at[i] != w->at[i]) return false;
        }
        return true;
    default:
        return fm_field_real(field, a) == fm_field_real(field, b);
    }
}

bool fm_fields_equal(const fm_field *fields, const void *a, const void *b)
{
    for (const fm_field *field = fields; field && field->name; field++) {
        if (!field_equal(field, a, b)) return false;
    }
    return true;
}

enum { LONGEST_WORD = 48 };

/* Levenshtein's distance (1966), one row at a time. */
static int edit_distance(const char *a, const char *b)
{
    size_t n = strlen(b);
    if (strlen(a) > LONGEST_WORD || n > LONGEST_WORD) return INT_MAX; /* not a word */
    int row[LONGEST_WORD + 1];
    for (size_t j = 0; j <= n; j++) row[j] = (int)j;
    for (size_t i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= n; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int insert = row[j - 1] + 1, erase = row[j] + 1;
            row[j] = change < insert ? change : insert;
            if (erase < row[j]) row[j] = erase;
        }
    }
    return row[n];
}

/* "lr" for "learning_rate". */
static bool is_short_for(const char *word, const char *name)
{
    for (bool begins = true; *name; name++) {
        if (begins && *word++ != *name) return false;
        begins = *name == '_';
    }
    return !*word;
}

const char *fm_nearest(const char *word, const char *(*next)(const void *list, int index),
                       const void *list)
{
    const char *best = NULL, *candidate;
    const int letters = (int)strlen(word);
    int least = letters / 3 + 2; /* at most a third of the letters, and one more; not all of them */
    if (letters < least) least = letters;
    for (int i = 0; (candidate = next(list, i)); i++) {
        if (letters > 1 && is_short_for(word, candidate)) return candidate;
        int distance = edit_distance(word, candidate);
        if (distance >= least) continue;
        least = distance;
        best = candidate;
    }
    return best;
}

static const char *next_field(const void *list, int index)
{
    const fm_field *fields = list;
    return fields ? fields[index].name : NULL;
}

static const char *next_string(const void *list, int index)
{
    const char *const *strings = list;
    return strings ? strings[index] : NULL;
}

const char *fm_nearest_field(const char *word, const fm_field *fields)
{
    return fm_nearest(word, next_field, fields);
}

const char *fm_nearest_string(const char *word, const char *const *strings)
{
    return fm_nearest(word, next_string, strings);
}
