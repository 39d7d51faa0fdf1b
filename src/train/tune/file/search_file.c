/* A search from its YAML file: the sections, one after the other. */
#include "train/tune/file/search_file.h"
#include "base/fields.h"
#include "base/file.h"
#include "train/recipe/recipe_options.h"
#include "train/watch.h"

#include <math.h>
#include <string.h>

enum { MAX_KEYS = 16 };

/* The recipe's keys that a parameter sets. */
typedef struct key_list {
    const char *keys[MAX_KEYS];
    int count;
} key_list;

struct fm_search_file {
    fm_context *context;
    fm_arena arena, assignments;
    const char *name;
    const char *folder; /* of the file; NULL: from memory */
    fm_tree *tree;
    fm_search_settings settings;
    fm_parameter *parameters;
    key_list *keys; /* one for each parameter */
};

typedef struct section {
    const char *name;
    bool required;
    fm_status (*read)(fm_search_file *file, const fm_tree *section);
} section;

/* ---- values as text -------------------------------------------------------------------------- */

static void add_scalar(fm_text *text, const fm_tree *tree)
{
    bool plain = !tree->quoted && *tree->text && !strpbrk(tree->text, ",[]{}:#\"'\\\n&*!|>%@`");
    if (plain) {
        fm_text_add(text, "%s", tree->text);
        return;
    }
    if (fm_tree_is_null(tree)) {
        fm_text_add(text, "null");
        return;
    }
    fm_text_add(text, "\"");
    for (const char *c = tree->text; *c; c++) {
        if (*c == '\n') {
            fm_text_add(text, "\\n");
        } else {
            fm_text_add(text, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
        }
    }
    fm_text_add(text, "\"");
}

/* YAML on one line, as it can stand behind the equals sign of KEY=VALUE. */
static void add_value(fm_text *text, const fm_tree *tree)
{
    if (tree->kind == FM_TREE_SCALAR) {
        add_scalar(text, tree);
        return;
    }
    bool map = tree->kind == FM_TREE_MAP;
    fm_text_add(text, map ? "{" : "[");
    for (const fm_tree *child = tree->first; child; child = child->next) {
        if (child != tree->first) fm_text_add(text, ", ");
        if (map) {
            fm_tree key = {.kind = FM_TREE_SCALAR, .text = child->key};
            add_scalar(text, &key);
            fm_text_add(text, ": ");
        }
        add_value(text, child);
    }
    fm_text_add(text, map ? "}" : "]");
}

static const char *value_text(fm_search_file *file, const fm_tree *tree)
{
    fm_text text = FM_TEXT(file->context);
    add_value(&text, tree);
    const char *kept = NULL;
    if (fm_text_status(&text) == FM_OK) {
        kept = fm_arena_string(&file->arena, fm_text_string(&text));
    }
    fm_text_release(&text);
    return kept;
}

/* ---- recipe and set -------------------------------------------------------------------------- */

static fm_status read_path(fm_search_file *file, const fm_tree *tree)
{
    if (tree->kind != FM_TREE_SCALAR || fm_tree_is_null(tree)) {
        return fm_tree_fail(file->context, tree, FM_ERROR_ARGUMENT,
                            "recipe: the path of a recipe is wanted");
    }
    bool beside = file->folder && tree->text[0] != '/';
    file->settings.recipe =
        beside ? fm_arena_format(&file->arena, "%s/%s", file->folder, tree->text) : tree->text;
    return file->settings.recipe ? FM_OK : FM_ERROR_MEMORY;
}

static fm_status read_set(fm_search_file *file, const fm_tree *tree)
{
    if (tree->kind != FM_TREE_MAP) {
        return fm_tree_fail(file->context, tree, FM_ERROR_ARGUMENT,
                            "set: keys of the recipe with their values are wanted: "
                            "{train.batch_size: 128}");
    }
    const char **set =
        fm_arena_allocate(&file->arena, (size_t)(tree->count + 1) * sizeof(const char *));
    if (!set) return FM_ERROR_MEMORY;
    for (const fm_tree *child = tree->first; child; child = child->next) {
        const char *value = value_text(file, child);
        const char *made = value ? fm_arena_format(&file->arena, "%s=%s", child->key, value) : NULL;
        if (!made) return FM_ERROR_MEMORY;
        set[file->settings.set_count++] = made;
    }
    file->settings.set = set;
    return FM_OK;
}

/* ---- objective, trial, budget, seed ---------------------------------------------------------- */

static const char *const epoch_choices[] = {"best", "last", NULL};

typedef struct objective {
    const char *monitor;
    int mode, epoch;
} objective;

const fm_field fm_search_objective_fields[] = {
    {"monitor", "a value of an epoch: val_loss, val_accuracy, loss, ... (default: val_loss)",
     offsetof(objective, monitor), .type = FM_FIELD_STRING},
    {"mode", "whether small or large values are good", offsetof(objective, mode),
     .type = FM_FIELD_ENUM, .choices = fm_monitor_modes},
    {"epoch", "the epoch that counts", offsetof(objective, epoch), .type = FM_FIELD_ENUM,
     .choices = epoch_choices},
    {0},
};

static fm_status read_objective(fm_search_file *file, const fm_tree *tree)
{
    objective read = {0};
    fm_status status = FM_OK;
    if (tree->kind == FM_TREE_SCALAR) {
        read.monitor = tree->text;
    } else {
        fm_options_part part = {fm_search_objective_fields, &read};
        status = fm_options_read(&file->arena, tree, "objective", &part, 1, NULL);
    }
    file->settings.monitor = read.monitor;
    file->settings.mode = read.mode;
    file->settings.last = read.epoch == 1;
    return status;
}

const fm_field fm_search_trial_fields[] = {
    {"epochs", "of the longest trials (default: those of the recipe)",
     offsetof(fm_search_settings, options.epochs_each), .type = FM_FIELD_INT, .minimum = 1,
     .maximum = 1e9},
    {"folds", "cross-validate: the objective is the mean over so many folds (default: none)",
     offsetof(fm_search_settings, folds), .type = FM_FIELD_INT, .minimum = 2, .maximum = 1000},
    {0},
};

const fm_field fm_search_budget_fields[] = {
    {"trials", "trials begun (default: no limit)", offsetof(fm_search_settings, options.trials),
     .type = FM_FIELD_INT, .minimum = 1, .maximum = 1e15},
    {"epochs", "epochs trained by all trials together (default: no limit)",
     offsetof(fm_search_settings, options.epochs), .type = FM_FIELD_INT, .minimum = 1,
     .maximum = 1e15},
    {"seconds", "after which nothing new is begun (default: no limit)",
     offsetof(fm_search_settings, seconds), .type = FM_FIELD_REAL, .maximum = 1e12},
    {0},
};

static fm_status read_trial(fm_search_file *file, const fm_tree *tree)
{
    fm_options_part part = {fm_search_trial_fields, &file->settings};
    return fm_options_read(&file->arena, tree, "trial", &part, 1, NULL);
}

static fm_status read_budget(fm_search_file *file, const fm_tree *tree)
{
    fm_options_part part = {fm_search_budget_fields, &file->settings};
    return fm_options_read(&file->arena, tree, "budget", &part, 1, NULL);
}

static fm_status read_seed(fm_search_file *file, const fm_tree *tree)
{
    static const fm_field field = {"seed", "same seed, same trials",
                                   offsetof(fm_search_settings, options.seed),
                                   .type = FM_FIELD_INT};
    return fm_options_set(&file->arena, &field, &file->settings, "search", tree);
}

/* ---- method ---------------------------------------------------------------------------------- */

static const char *next_method(const void *list, int index)
{
    (void)list;
    const fm_search_record *record = fm_search_method_at(index);
    return record ? record->name : NULL;
}

static fm_status read_method(fm_search_file *file, const fm_tree *tree)
{
    fm_named_tree named;
    fm_search_options *options = &file->settings.options;
    fm_status status = fm_named_read(file->context, tree, "method", &named);
    if (status != FM_OK) return status;
    const fm_search_record *record = fm_search_method_find(named.name);
    if (!record) {
        const char *near = fm_nearest(named.name, next_method, NULL);
        fm_fail(file->context, FM_ERROR_ARGUMENT, "unknown search method '%s'; %s%s%s", named.name,
                near ? "did you mean '"
                     : "known are: grid, random, successive_halving, hyperband, tpe",
                near ? near : "", near ? "'?" : "");
        return fm_named_blame(file->context, &named);
    }
    while (fm_search_method_at(options->method) != record) options->method++;
    fm_options_part part = {record->fields, options};
    return fm_named_options(&file->arena, &named, &part, 1, NULL);
}

/* ---- space ----------------------------------------------------------------------------------- */

static const char *const scale_choices[] = {"linear", "log", NULL};

typedef struct number_options {
    int scale;
    double step;
    int64_t points;
} number_options;

static const fm_field number_fields[] = {
    {"scale", "log: even in the logarithm", offsetof(number_options, scale), .type = FM_FIELD_ENUM,
     .choices = scale_choices},
    {"step", "between values, from the lower bound on", offsetof(number_options, step),
     .type = FM_FIELD_REAL, .maximum = 1e300},
    {"points", "values of a grid, evenly from bound to bound", offsetof(number_options, points),
     .type = FM_FIELD_INT, .minimum = 2, .maximum = 10000},
    {0},
};

static fm_status read_choices(fm_search_file *file, const fm_tree *list, fm_parameter *parameter)
{
    if (list->kind != FM_TREE_LIST || list->count == 0) {
        return fm_tree_fail(file->context, list, FM_ERROR_ARGUMENT,
                            "%s: a list of choices is wanted", parameter->name);
    }
    const char **choices = fm_arena_allocate(&file->arena, (size_t)list->count * sizeof *choices);
    if (!choices) return FM_ERROR_MEMORY;
    parameter->kind = FM_PARAMETER_CHOICE;
    parameter->choices = choices;
    for (const fm_tree *item = list->first; item; item = item->next) {
        if (parameter->choice_count == FM_MAX_CHOICES) {
            return fm_tree_fail(file->context, item, FM_ERROR_ARGUMENT, "%s: at most %d choices",
                                parameter->name, FM_MAX_CHOICES);
        }
        const char *text = value_text(file, item);
        if (!text) return FM_ERROR_MEMORY;
        choices[parameter->choice_count++] = text;
    }
    return FM_OK;
}

static fm_status read_bounds(fm_search_file *file, const fm_tree *list, fm_parameter *parameter)
{
    double bounds[2];
    const fm_tree *item = list->kind == FM_TREE_LIST && list->count == 2 ? list->first : NULL;
    for (int i = 0; i < 2 && item; i++, item = item->next) {
        if (!fm_tree_real(item, &bounds[i])) break;
        if (i == 1) {
            parameter->low = bounds[0];
            parameter->high = bounds[1];
            return FM_OK;
        }
    }
    return fm_tree_fail(file->context, list, FM_ERROR_ARGUMENT,
                        "%s: the lowest and the highest value are wanted: [1, 100]",
                        parameter->name);
}

/* A choice that is a name with options goes by its name. */
static bool is_choice(const char *choice, const char *text)
{
    size_t size = strlen(text);
    return strcmp(choice, text) == 0 ||
           (choice[0] == '{' && strncmp(choice + 1, text, size) == 0 && choice[1 + size] == ':');
}

static fm_status add_choice(fm_search_file *file, const fm_parameter *on, const fm_tree *value,
                            fm_condition *condition)
{
    const char *text = value_text(file, value);
    if (!text) return FM_ERROR_MEMORY;
    uint64_t before = condition->choices;
    for (int i = 0; i < on->choice_count; i++) {
        if (is_choice(on->choices[i], text)) condition->choices |= UINT64_C(1) << i;
    }
    if (condition->choices != before) return FM_OK;
    return fm_tree_fail(file->context, value, FM_ERROR_ARGUMENT, "when: '%s' has no choice '%s'",
                        on->name, text);
}

static const char *next_parameter(const void *list, int index)
{
    const fm_search_file *file = list;
    return index < file->settings.space.count ? file->parameters[index].name : NULL;
}

static fm_status read_condition(fm_search_file *file, const fm_tree *tree, fm_parameter *parameter)
{
    const fm_space *above = &file->settings.space;
    int on = 0;
    while (on < above->count && strcmp(file->parameters[on].name, tree->key) != 0) on++;
    if (on == above->count) {
        const char *near = fm_nearest(tree->key, next_parameter, file);
        return fm_tree_fail_key(file->context, tree, FM_ERROR_ARGUMENT,
                                "when: no parameter '%s' stands above '%s'%s%s%s", tree->key,
                                parameter->name, near ? "; did you mean '" : "", near ? near : "",
                                near ? "'?" : "");
    }
    if (file->parameters[on].kind != FM_PARAMETER_CHOICE) {
        return fm_tree_fail_key(file->context, tree, FM_ERROR_ARGUMENT,
                                "when: '%s' is a number; a parameter can depend on choices alone",
                                tree->key);
    }
    if (parameter->when_count == FM_MAX_CONDITIONS) {
        return fm_tree_fail_key(file->context, tree, FM_ERROR_ARGUMENT,
                                "when: at most %d conditions", FM_MAX_CONDITIONS);
    }
    fm_condition *condition = &parameter->when[parameter->when_count++];
    condition->parameter = on;
    if (tree->kind != FM_TREE_LIST) {
        return add_choice(file, &file->parameters[on], tree, condition);
    }
    for (const fm_tree *item = tree->first; item; item = item->next) {
        fm_status status = add_choice(file, &file->parameters[on], item, condition);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

static fm_status read_conditions(fm_search_file *file, const fm_tree *map, fm_parameter *parameter)
{
    if (!map) return FM_OK;
    if (map->kind != FM_TREE_MAP || map->count == 0) {
        return fm_tree_fail(file->context, map, FM_ERROR_ARGUMENT,
                            "when: parameters with their choices are wanted: {optimizer: sgd}");
    }
    for (const fm_tree *child = map->first; child; child = child->next) {
        fm_status status = read_condition(file, child, parameter);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

/* `key: model.1.dense.units`, or a list of them; without one the parameter's name. */
static fm_status read_keys(fm_search_file *file, const fm_tree *tree, const char *name,
                           key_list *keys)
{
    if (!tree || tree->kind == FM_TREE_SCALAR) {
        *keys = (key_list){.keys = {tree ? tree->text : name}, .count = 1};
        return FM_OK;
    }
    for (const fm_tree *item = tree->first; item; item = item->next) {
        if (tree->kind != FM_TREE_LIST || item->kind != FM_TREE_SCALAR || keys->count == MAX_KEYS) {
            return fm_tree_fail(file->context, item, FM_ERROR_ARGUMENT,
                                "%s: a key of the recipe is wanted, or a list of up to %d", name,
                                MAX_KEYS);
        }
        keys->keys[keys->count++] = item->text;
    }
    return FM_OK;
}

static const char *const kind_names[] = {"choice", "integer", "float", NULL};

/* The key that says what the parameter is. */
static fm_status find_kind(fm_search_file *file, const fm_tree *map, int *kind)
{
    *kind = -1;
    for (int i = 0; kind_names[i]; i++) {
        if (!fm_tree_get(map, kind_names[i])) continue;
        if (*kind >= 0) {
            return fm_tree_fail_key(file->context, map, FM_ERROR_ARGUMENT,
                                    "%s: one of '%s' and '%s' is possible, not both", map->key,
                                    kind_names[*kind], kind_names[i]);
        }
        *kind = i;
    }
    if (*kind >= 0) return FM_OK;
    return fm_tree_fail_key(file->context, map, FM_ERROR_ARGUMENT,
                            "%s: says neither choice: [...] nor integer: [LOW, HIGH] nor "
                            "float: [LOW, HIGH]",
                            map->key);
}

static fm_status read_described(fm_search_file *file, const fm_tree *map, fm_parameter *parameter,
                                key_list *keys)
{
    static const char *const others[] = {"choice", "integer", "float", "when", "key", NULL};
    number_options options = {0};
    int kind;
    fm_status status = find_kind(file, map, &kind);
    if (status != FM_OK) return status;
    bool choice = kind == FM_PARAMETER_CHOICE;
    fm_options_part part = {number_fields, &options};
    status = fm_options_read(&file->arena, map, map->key, &part, choice ? 0 : 1, others);
    const fm_tree *values = fm_tree_get(map, kind_names[kind]);
    if (status == FM_OK) {
        parameter->kind = kind;
        parameter->log = options.scale == 1;
        parameter->step = options.step;
        parameter->points = options.points;
        status =
            choice ? read_choices(file, values, parameter) : read_bounds(file, values, parameter);
    }
    if (status == FM_OK) status = read_conditions(file, fm_tree_get(map, "when"), parameter);
    return status == FM_OK ? read_keys(file, fm_tree_get(map, "key"), map->key, keys) : status;
}

static const char epochs_key[] = "train.epochs";

/* A trial's epochs are the method's to give; set by a parameter they would be set again. */
static fm_status check_keys(fm_search_file *file, const fm_tree *tree, const key_list *keys)
{
    for (int i = 0; i < keys->count; i++) {
        if (strcmp(keys->keys[i], epochs_key) != 0) continue;
        return fm_tree_fail_key(
            file->context, tree, FM_ERROR_ARGUMENT,
            "space: %s is no parameter: the method gives each trial its epochs, "
            "at most those of trial: {epochs: N}",
            epochs_key);
    }
    return FM_OK;
}

static fm_status read_parameter(fm_search_file *file, const fm_tree *tree)
{
    fm_space *space = &file->settings.space;
    if (space->count == FM_MAX_PARAMETERS) {
        return fm_tree_fail_key(file->context, tree, FM_ERROR_ARGUMENT,
                                "space: at most %d parameters", FM_MAX_PARAMETERS);
    }
    fm_parameter *parameter = &file->parameters[space->count];
    key_list *keys = &file->keys[space->count];
    parameter->name = tree->key;
    fm_status status;
    if (tree->kind == FM_TREE_MAP) {
        status = read_described(file, tree, parameter, keys);
    } else if (tree->kind == FM_TREE_LIST) {
        status = read_choices(file, tree, parameter);
        if (status == FM_OK) status = read_keys(file, NULL, tree->key, keys);
    } else {
        return fm_tree_fail(file->context, tree, FM_ERROR_ARGUMENT,
                            "%s: a list of choices is wanted, or {float: [1e-4, 0.1], scale: log}; "
                            "what does not vary belongs into the section set",
                            tree->key);
    }
    if (status == FM_OK) status = check_keys(file, tree, keys);
    if (status == FM_OK) space->count++;
    return status;
}

static fm_status read_space(fm_search_file *file, const fm_tree *tree)
{
    if (tree->kind != FM_TREE_MAP || tree->count == 0) {
        return fm_tree_fail(file->context, tree, FM_ERROR_ARGUMENT,
                            "space: keys of the recipe are wanted, with what is to be tried");
    }
    file->parameters =
        fm_arena_allocate(&file->arena, FM_MAX_PARAMETERS * sizeof *file->parameters);
    file->keys = fm_arena_allocate(&file->arena, FM_MAX_PARAMETERS * sizeof *file->keys);
    if (!file->parameters || !file->keys) return FM_ERROR_MEMORY;
    fm_space *space = &file->settings.space;
    space->parameters = file->parameters;
    for (const fm_tree *child = tree->first; child; child = child->next) {
        fm_status status = read_parameter(file, child);
        if (status != FM_OK) return status;
    }
    int wrong;
    fm_status status = fm_space_check(file->context, space, &wrong);
    if (status == FM_OK || wrong < 0) return status;
    const fm_tree *at = fm_tree_get(tree, space->parameters[wrong].name);
    return fm_fail_prefix(file->context, "%s:%d:%d: ", at->source, at->key_line, at->key_column);
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Two numbers for one thing. */
static fm_status check_epochs(fm_search_file *file)
{
    const fm_tree *set = fm_tree_get(file->tree, "set");
    const fm_tree *epochs = set ? fm_tree_get(set, epochs_key) : NULL;
    const fm_tree *train = set ? fm_tree_get(set, "train") : NULL;
    if (train && !epochs) epochs = fm_tree_get(train, "epochs");
    long long each = (long long)file->settings.options.epochs_each;
    if (!epochs || each == 0) return FM_OK;
    return fm_tree_fail_key(file->context, epochs, FM_ERROR_ARGUMENT,
                            "set: %s says how long trials are, and so does trial: {epochs: %lld}; "
                            "leave one of them out",
                            epochs_key, each);
}

static const section sections[] = {
    {"recipe", true, read_path},          {"set", false, read_set},
    {"objective", false, read_objective}, {"method", true, read_method},
    {"trial", false, read_trial},         {"budget", false, read_budget},
    {"seed", false, read_seed},           {"space", true, read_space},
};
enum { SECTION_COUNT = sizeof sections / sizeof sections[0] };

/* Only a grid and ladders of halving know by themselves when they are done. */
static fm_status check_budget(fm_search_file *file)
{
    const fm_search_settings *s = &file->settings;
    bool endless = s->options.method == FM_RANDOM_SEARCH || s->options.method == FM_TPE_SEARCH;
    if (!endless || s->options.trials || s->options.epochs || s->seconds > 0) return FM_OK;
    return fm_tree_fail_key(file->context, fm_tree_get(file->tree, "method"), FM_ERROR_ARGUMENT,
                            "%s search has no end of its own; say when it is enough: budget: "
                            "{trials: 50}",
                            fm_search_method_at(s->options.method)->name);
}

static fm_status read_sections(fm_search_file *file)
{
    const char *names[SECTION_COUNT + 1] = {0};
    for (int i = 0; i < SECTION_COUNT; i++) names[i] = sections[i].name;
    const fm_tree *model = fm_tree_get(file->tree, "model");
    if (model) {
        return fm_tree_fail_key(
            file->context, model, FM_ERROR_ARGUMENT,
            "a recipe has a model, a search has none: this file is for 'fathom train'");
    }
    fm_status status = fm_options_read(&file->arena, file->tree, "search", NULL, 0, names);
    for (int i = 0; i < SECTION_COUNT && status == FM_OK; i++) {
        const fm_tree *tree = fm_tree_get(file->tree, sections[i].name);
        if (!fm_tree_is_null(tree)) {
            status = sections[i].read(file, tree);
        } else if (sections[i].required) {
            status = fm_fail(file->context, FM_ERROR_ARGUMENT,
                             "%s: the section '%s' is missing; a search needs recipe, method and "
                             "space",
                             file->name, sections[i].name);
        }
    }
    if (status == FM_OK) status = check_epochs(file);
    return status == FM_OK ? check_budget(file) : status;
}

static fm_status keep_folder(fm_search_file *file, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return FM_OK;
    file->folder = slash == path ? fm_arena_string(&file->arena, "")
                                 : fm_arena_format(&file->arena, "%.*s", (int)(slash - path), path);
    return file->folder ? FM_OK : FM_ERROR_MEMORY;
}

/* path: NULL for a text in memory. */
static fm_status make_file(fm_context *context, const char *name, const char *path,
                           const char *bytes, size_t size, fm_search_file **file)
{
    fm_search_file *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->context = made->arena.context = made->assignments.context = context;
    made->name = fm_arena_string(&made->arena, name);
    fm_status status = !made->name ? FM_ERROR_MEMORY : path ? keep_folder(made, path) : FM_OK;
    if (status == FM_OK) status = fm_tree_parse(&made->arena, name, bytes, size, &made->tree);
    if (status == FM_OK) status = read_sections(made);
    if (status != FM_OK) {
        fm_search_close(made);
        return status;
    }
    *file = made;
    return FM_OK;
}

fm_status fm_search_parse(fm_context *context, const char *name, const char *bytes, size_t size,
                          fm_search_file **file)
{
    *file = NULL;
    return make_file(context, name, NULL, bytes, size, file);
}

fm_status fm_search_open(fm_context *context, const char *path, fm_search_file **file)
{
    *file = NULL;
    char *bytes;
    size_t size;
    fm_status status = fm_file_read(context, path, FM_TREE_MAX_BYTES, &bytes, &size);
    if (status != FM_OK) return status;
    status = make_file(context, path, path, bytes, size, file);
    fm_release(context, bytes);
    return status;
}

void fm_search_close(fm_search_file *file)
{
    if (!file) return;
    fm_context *context = file->context;
    fm_arena_release(&file->arena);
    fm_arena_release(&file->assignments);
    fm_release(context, file);
}

const fm_search_settings *fm_search_file_about(const fm_search_file *file)
{
    return &file->settings;
}

const char *fm_search_section(fm_search_file *file, const char *name)
{
    const fm_tree *tree = fm_tree_get(file->tree, name);
    return tree ? value_text(file, tree) : "";
}

/* ---- assignments ----------------------------------------------------------------------------- */

static const char *assignment(fm_search_file *file, const char *key, const fm_parameter *parameter,
                              double value)
{
    if (parameter->kind == FM_PARAMETER_CHOICE) {
        return fm_arena_format(&file->assignments, "%s=%s", key, parameter->choices[(int)value]);
    }
    char text[64];
    fm_parameter_text(parameter, value, text, sizeof text);
    return fm_arena_format(&file->assignments, "%s=%s", key, text);
}

fm_status fm_search_assign(fm_search_file *file, const double *values, const char *const **set,
                           int *set_count)
{
    const fm_search_settings *s = &file->settings;
    *set = NULL;
    *set_count = 0;
    fm_arena_release(&file->assignments);
    size_t most = (size_t)s->set_count;
    for (int i = 0; i < s->space.count; i++) most += (size_t)file->keys[i].count;
    const char **list = fm_arena_allocate(&file->assignments, (most + 1) * sizeof *list);
    if (!list) return FM_ERROR_MEMORY;
    int count = 0;
    for (int i = 0; i < s->set_count; i++) list[count++] = s->set[i];
    for (int i = 0; i < s->space.count; i++) {
        for (int k = 0; k < file->keys[i].count && !isnan(values[i]); k++) {
            list[count] = assignment(file, file->keys[i].keys[k], &file->parameters[i], values[i]);
            if (!list[count++]) return FM_ERROR_MEMORY;
        }
    }
    *set = list;
    *set_count = count;
    return FM_OK;
}
