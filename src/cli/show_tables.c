#include "cli/show_tables.h"
#include "cli/json_lines.h"
#include "cli/terminal.h"
#include "base/fields.h"
#include "fathom/backend.h"
#include "fathom/nn.h"
#include "fathom/recipe.h"
#include "fathom/tune.h"
#include "fathom/zoo.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* One entry of any table. Fields may come from two places. */
typedef struct row {
    const char *name, *doc;
    const char *aliases[2];
    const char *note_name, *note; /* "license", "ONNX" */
    const fm_field *fields, *more_fields;
    const char *except; /* a field that is not for recipes, or NULL */
} row;

struct show_table {
    const char *name;
    bool (*at)(int index, row *entry);
};

/* ---- the library's tables -------------------------------------------------------------------- */

#define RECORD_ROW(function, record_type, record_at)                                               \
    static bool function(int index, row *entry)                                                    \
    {                                                                                              \
        const record_type *record = record_at(index);                                              \
        if (!record) return false;                                                                 \
        *entry = (row){.name = record->name, .doc = record->doc, .fields = record->fields};        \
        entry->aliases[0] = record->aliases[0];                                                    \
        entry->aliases[1] = record->aliases[1];                                                    \
        return true;                                                                               \
    }

RECORD_ROW(loss_row, fm_loss_record, fm_loss_at)
RECORD_ROW(optimizer_row, fm_optimizer_record, fm_optimizer_at)
RECORD_ROW(schedule_row, fm_schedule_record, fm_schedule_at)
RECORD_ROW(metric_row, fm_metric_record, fm_metric_at)

RECORD_ROW(search_method_row, fm_search_record, fm_search_method_at)

/* The methods, then what other sections of a search can say. */
static bool search_row(int index, row *entry)
{
    const row sections[] = {
        {.name = "objective", .doc = "what is searched for", .fields = fm_search_objective_fields},
        {.name = "trial", .doc = "what each trial is", .fields = fm_search_trial_fields},
        {.name = "budget", .doc = "when it is enough", .fields = fm_search_budget_fields},
    };
    index -= FM_SEARCH_METHOD_COUNT;
    if (index < 0) return search_method_row(index + FM_SEARCH_METHOD_COUNT, entry);
    if (index >= (int)(sizeof sections / sizeof sections[0])) return false;
    *entry = sections[index];
    return true;
}

static bool layer_row(int index, row *entry)
{
    const fm_layer_record *record = fm_layer_at(index);
    if (!record) return false;
    *entry = (row){.name = record->name, .doc = record->doc, .fields = record->fields};
    return true;
}

static bool op_row(int index, row *entry)
{
    const fm_op *record = fm_op_at(index);
    if (!record) return false;
    *entry = (row){.name = record->name,
                   .doc = record->doc,
                   .fields = record->attributes,
                   .note_name = record->onnx ? "ONNX" : NULL,
                   .note = record->onnx};
    return true;
}

static bool activation_row(int index, row *entry)
{
    const fm_activation_record *record = fm_activation_at(index);
    if (!record) return false;
    *entry = (row){.name = record->name, .doc = record->doc};
    return true;
}

static bool initializer_row(int index, row *entry)
{
    const fm_initializer_record *record = fm_initializer_at(index);
    if (!record) return false;
    *entry = (row){.name = record->name, .doc = record->doc, .fields = record->fields};
    entry->aliases[0] = record->alias;
    return true;
}

static bool augment_row(int index, row *entry)
{
    const fm_augment_record *record = fm_augment_at(index);
    if (!record) return false;
    *entry = (row){.name = record->name, .doc = record->doc, .fields = record->fields};
    entry->aliases[0] = record->aliases[0];
    return true;
}

static bool dataset_row(int index, row *entry)
{
    const fm_dataset_record *record = &fm_dataset_records()[index];
    if (!record->name) return false;
    *entry = (row){.name = record->name,
                   .doc = record->doc,
                   .fields = record->fields,
                   .note_name = record->license ? "license" : NULL,
                   .note = record->license};
    return true;
}

static bool zoo_row(int index, row *entry)
{
    const fm_zoo_record *record = fm_zoo_at(index);
    if (!record) return false;
    *entry = (row){.name = record->name,
                   .doc = record->doc,
                   .fields = record->fields,
                   .note_name = "paper",
                   .note = record->paper};
    return true;
}

/* Sections of a recipe, and the maps in them, that belong to no record. */
static bool recipe_row(int index, row *entry)
{
    const row rows[] = {
        {.name = "data",
         .doc = "which set, and how it is prepared; the set's own options too",
         .fields = fm_recipe_data_fields,
         .more_fields = fm_transform_fields},
        {.name = "data.augment",
         .doc = "a list of ways to vary the training part: 'fathom show augmentations'"},
        {.name = "data.test_split",
         .doc = "a share kept aside for testing: a number, or a map",
         .fields = fm_split_fields},
        {.name = "data.validation_split",
         .doc = "a share kept aside for validation: a number, or a map",
         .fields = fm_split_fields},
        {.name = "model",
         .doc = "a list of layers: 'fathom show layers'; or {zoo: NAME}: 'fathom show zoo'"},
        {.name = "loss", .doc = "a loss: 'fathom show losses'; class_weights is a list of numbers"},
        {.name = "optimizer",
         .doc =
             "an optimizer: 'fathom show optimizers'; its key schedule: 'fathom show schedules'"},
        {.name = "metrics", .doc = "a list: 'fathom show metrics'"},
        {.name = "train",
         .doc = "how long and in which steps",
         .fields = fm_fit_fields,
         .more_fields = fm_recipe_train_fields,
         .except = "validation_split"},
        {.name = "train.start_from",
         .doc = "the weights to begin with: a saved model, or a map",
         .fields = fm_start_from_fields},
        {.name = "train.early_stopping",
         .doc = "ends training when nothing gets better",
         .fields = fm_early_stopping_fields},
        {.name = "train.reduce_on_plateau",
         .doc = "lowers the learning rate when nothing gets better",
         .fields = fm_reduce_on_plateau_fields},
        {.name = "train.privacy",
         .doc = "differential privacy: clipped gradients of single examples, and noise",
         .fields = fm_privacy_fields},
    };
    if (index >= (int)(sizeof rows / sizeof rows[0])) return false;
    *entry = rows[index];
    return true;
}

static const show_table tables[] = {
    {"layers", layer_row},
    {"activations", activation_row},
    {"losses", loss_row},
    {"optimizers", optimizer_row},
    {"schedules", schedule_row},
    {"metrics", metric_row},
    {"initializers", initializer_row},
    {"datasets", dataset_row},
    {"augmentations", augment_row},
    {"zoo", zoo_row},
    {"recipe", recipe_row},
    {"searches", search_row},
    {"ops", op_row},
};
enum { TABLE_COUNT = sizeof tables / sizeof tables[0] };

const char *show_table_name(const void *list, int index)
{
    (void)list;
    return index < TABLE_COUNT ? tables[index].name : NULL;
}

const show_table *show_table_find(const char *name)
{
    for (int i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(tables[i].name, name) == 0) return &tables[i];
    }
    return NULL;
}

/* ---- as text --------------------------------------------------------------------------------- */

static const char *const type_words[] = {
    [FM_FIELD_INT] = "whole number",
    [FM_FIELD_REAL] = "number",
    [FM_FIELD_BOOL] = "true or false",
    [FM_FIELD_NOT] = "true or false",
    [FM_FIELD_ENUM] = "name",
    [FM_FIELD_STRING] = "text",
    [FM_FIELD_INTS] = "list of whole numbers",
    [FM_FIELD_REALS] = "number or list of numbers",
};

static bool is_number(const fm_field *field)
{
    return field->type == FM_FIELD_INT || field->type == FM_FIELD_REAL;
}

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t size, const char *format,
                                                      ...)
{
    size_t used = strlen(text);
    va_list values;
    va_start(values, format);
    vsnprintf(text + used, size - used, format, values);
    va_end(values);
}

/* 16777216 rather than 1.67772e+07. */
static void add_number(double value, char *text, size_t size)
{
    bool whole = value == floor(value) && fabs(value) < 1e15;
    add(text, size, whole ? "%.0f" : "%g", value);
}

/* Bounds beyond a million are there against slips, not for reading. */
static void add_range(const fm_field *field, char *text, size_t size)
{
    if (field->minimum == 0 && field->maximum == 0) return;
    bool bounded = field->maximum <= 1e6;
    if (!bounded && field->minimum < -1e6) return;
    add(text, size, bounded ? " from " : ", at least ");
    add_number(field->minimum, text, size);
    if (bounded) add(text, size, " to ");
    if (bounded) add_number(field->maximum, text, size);
}

/* Where a default is worked out, the words tell it. */
static void add_default(const fm_field *field, char *text, size_t size)
{
    if (field->required) {
        add(text, size, ", required");
    } else if (is_number(field) && !strstr(field->doc, "default")) {
        add(text, size, ", default ");
        add_number(field->default_value, text, size);
    } else if (field->type == FM_FIELD_BOOL || field->type == FM_FIELD_NOT) {
        add(text, size, ", default %s", field->type == FM_FIELD_NOT ? "true" : "false");
    } else if (field->type == FM_FIELD_ENUM && !strstr(field->doc, "default")) {
        add(text, size, "; default %s", field->choices[0]);
    }
}

static void print_field(const terminal *t, const fm_field *field)
{
    enum { DOC_COLUMN = 24 };
    char text[2048] = "";
    add(text, sizeof text, "%s (%s", field->doc,
        field->type == FM_FIELD_ENUM ? "one of" : type_words[field->type]);
    for (int i = 0; field->choices && field->choices[i]; i++) {
        if (i && strcmp(field->choices[i], field->choices[0]) == 0)
            continue; /* the default again */
        add(text, sizeof text, "%s %s", i ? "," : "", field->choices[i]);
    }
    if (is_number(field)) add_range(field, text, sizeof text);
    add_default(field, text, sizeof text);
    add(text, sizeof text, ")");
    int at = printf("  %s", field->name);
    terminal_wrap(stdout, text, DOC_COLUMN, at, terminal_text_width(t));
}

/* The i-th field of both lists; NULL at the end. */
static const fm_field *field_at(const row *entry, int index)
{
    const fm_field *const lists[] = {entry->fields, entry->more_fields};
    for (int i = 0; i < 2; i++) {
        for (const fm_field *f = lists[i]; f && f->name; f++) {
            if (entry->except && strcmp(f->name, entry->except) == 0) continue;
            if (index-- == 0) return f;
        }
    }
    return NULL;
}

static void print_row(const terminal *t, const row *entry)
{
    printf("%s%s%s", terminal_bold(t), entry->name, terminal_plain(t));
    for (int i = 0; i < 2 && entry->aliases[i]; i++) printf(", %s", entry->aliases[i]);
    printf(": %s", entry->doc);
    if (entry->note) {
        printf(" %s(%s: %s)%s", terminal_dim(t), entry->note_name, entry->note, terminal_plain(t));
    }
    printf("\n");
    for (int i = 0; field_at(entry, i); i++) print_field(t, field_at(entry, i));
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static json_t *default_of(const fm_field *field)
{
    if (field->required) return json_null();
    if (is_number(field)) return json_number(field->default_value);
    if (field->type == FM_FIELD_BOOL || field->type == FM_FIELD_NOT) {
        return json_boolean(field->type == FM_FIELD_NOT);
    }
    return field->type == FM_FIELD_ENUM ? json_string(field->choices[0]) : json_null();
}

static json_t *field_object(const fm_field *field)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", field->name, "doc", field->doc,
                               "type", type_words[field->type], "required", field->required,
                               "default", default_of(field));
    if (is_number(field) && (field->minimum != 0 || field->maximum != 0)) {
        json_object_set_new(object, "minimum", json_number(field->minimum));
        json_object_set_new(object, "maximum", json_number(field->maximum));
    }
    json_t *choices = field->choices ? json_array() : NULL;
    for (int i = 0; field->choices && field->choices[i]; i++) {
        json_array_append_new(choices, json_string(field->choices[i]));
    }
    if (choices) json_object_set_new(object, "choices", choices);
    return object;
}

static json_t *row_object(const row *entry)
{
    json_t *names = json_array(), *fields = json_array();
    for (int i = 0; i < 2 && entry->aliases[i]; i++) {
        json_array_append_new(names, json_string(entry->aliases[i]));
    }
    for (int i = 0; field_at(entry, i); i++) {
        json_array_append_new(fields, field_object(field_at(entry, i)));
    }
    json_t *object = json_pack("{s:s, s:s, s:o, s:o}", "name", entry->name, "doc", entry->doc,
                               "aliases", names, "options", fields);
    if (entry->note) json_object_set_new(object, entry->note_name, json_string(entry->note));
    return object;
}

/* ---- printing -------------------------------------------------------------------------------- */

static bool is_called(const row *entry, const char *name)
{
    bool found = strcmp(entry->name, name) == 0;
    for (int i = 0; i < 2 && entry->aliases[i]; i++) found |= strcmp(entry->aliases[i], name) == 0;
    return found;
}

static const char *next_row(const void *list, int index)
{
    const show_table *table = list;
    row entry;
    return table->at(index, &entry) ? entry.name : NULL;
}

const char *show_table_nearest(const show_table *table, const char *name)
{
    return fm_nearest(name, next_row, table);
}

bool show_table_print(const show_table *table, const char *only, bool json)
{
    terminal t = terminal_of(stdout);
    json_t *list = json ? json_array() : NULL;
    bool found = false;
    row entry;
    for (int i = 0; table->at(i, &entry); i++) {
        if (only && !is_called(&entry, only)) continue;
        found = true;
        if (json) {
            json_array_append_new(list, row_object(&entry));
        } else {
            print_row(&t, &entry);
        }
    }
    if (json && found) json_print(json_pack("{s:O}", table->name, list));
    json_decref(list);
    return found;
}
