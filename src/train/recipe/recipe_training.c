/* The sections loss, optimizer, metrics and train. */
#include "train/recipe/recipe_inside.h"
#include "base/byte_size.h"
#include "base/fields.h"
#include "base/file.h"
#include "fathom/model_file.h"

#include <stddef.h>
#include <string.h>

/* ---- names of the tables, aliases included --------------------------------------------------- */

/* Entry `index` of a table whose records have a name and up to two aliases, as one long list. */
#define NAME_LIST(function, record_type, record_at)                                                \
    static const char *function(const void *list, int index)                                       \
    {                                                                                              \
        (void)list;                                                                                \
        const record_type *record;                                                                 \
        for (int kind = 0; (record = record_at(kind)); kind++) {                                   \
            if (index-- == 0) return record->name;                                                 \
            for (int i = 0; i < 2 && record->aliases[i]; i++) {                                    \
                if (index-- == 0) return record->aliases[i];                                       \
            }                                                                                      \
        }                                                                                          \
        return NULL;                                                                               \
    }

NAME_LIST(next_loss, fm_loss_record, fm_loss_at)
NAME_LIST(next_optimizer, fm_optimizer_record, fm_optimizer_at)
NAME_LIST(next_schedule, fm_schedule_record, fm_schedule_at)
NAME_LIST(next_plain_metric, fm_metric_record, fm_metric_at)

static const char *next_metric(const void *list, int index)
{
    return index == 0 ? "accuracy" : next_plain_metric(list, index - 1);
}

/* ---- loss ------------------------------------------------------------------------------------ */

static fm_status read_class_weights(fm_recipe *recipe, const fm_tree *list)
{
    if (!list) return FM_OK;
    double *weights = fm_arena_allocate(&recipe->arena, sizeof(double) * (size_t)(list->count + 1));
    if (!weights) return FM_ERROR_MEMORY;
    int64_t count = 0;
    for (const fm_tree *item = list->first; item; item = item->next, count++) {
        if (fm_tree_real(item, &weights[count]) && weights[count] >= 0) continue;
        return fm_tree_fail(recipe->context, item, FM_ERROR_ARGUMENT,
                            "class_weights: a weight must be a number, at least 0");
    }
    if (count == 0) {
        return fm_tree_fail(recipe->context, list, FM_ERROR_ARGUMENT,
                            "class_weights: a list with a number for each class is wanted");
    }
    recipe->settings.model.loss_options.class_weights = weights;
    recipe->settings.model.loss_options.class_count = count;
    return FM_OK;
}

fm_status fm_recipe_read_loss(fm_recipe *recipe, const fm_tree *section)
{
    static const char *const others[] = {"class_weights", NULL};
    fm_named_tree named;
    fm_model_options *model = &recipe->settings.model;
    fm_status status = fm_named_read(recipe->context, section, "loss", &named);
    if (status != FM_OK) return status;
    const fm_loss_record *record = fm_loss_find(named.name);
    if (!record) return fm_recipe_unknown(recipe, &named, "loss", next_loss);
    model->loss = fm_loss_kind_of(record);
    fm_options_part part = {record->fields, &model->loss_options};
    status = fm_named_options(&recipe->arena, &named, &part, 1, others);
    if (status != FM_OK) return status;
    return read_class_weights(recipe, fm_tree_get(named.options, "class_weights"));
}

/* ---- optimizer ------------------------------------------------------------------------------- */

static fm_status read_schedule(fm_recipe *recipe, const fm_tree *tree)
{
    if (!tree) return FM_OK;
    fm_named_tree named;
    fm_schedule *schedule = &recipe->settings.model.schedule;
    fm_status status = fm_named_read(recipe->context, tree, "schedule", &named);
    if (status != FM_OK) return status;
    const fm_schedule_record *record = fm_schedule_find(named.name);
    if (!record) return fm_recipe_unknown(recipe, &named, "schedule", next_schedule);
    while (fm_schedule_at(schedule->kind) != record) schedule->kind++;
    fm_options_part part = {record->fields, schedule};
    status = fm_named_options(&recipe->arena, &named, &part, 1, NULL);
    if (status != FM_OK) return status;
    status = fm_schedule_check(recipe->context, schedule);
    return status == FM_OK ? status : fm_named_blame(recipe->context, &named);
}

fm_status fm_recipe_read_optimizer(fm_recipe *recipe, const fm_tree *section)
{
    static const char *const others[] = {"schedule", NULL};
    fm_named_tree named;
    fm_optimizer *optimizer = &recipe->settings.model.optimizer;
    fm_status status = fm_named_read(recipe->context, section, "optimizer", &named);
    if (status != FM_OK) return status;
    const fm_optimizer_record *record = fm_optimizer_find(named.name);
    if (!record) return fm_recipe_unknown(recipe, &named, "optimizer", next_optimizer);
    while (fm_optimizer_at(optimizer->rule) != record) optimizer->rule++;
    fm_options_part part = {record->fields, optimizer};
    status = fm_named_options(&recipe->arena, &named, &part, 1, others);
    if (status != FM_OK) return status;
    return read_schedule(recipe, fm_tree_get(named.options, "schedule"));
}

/* ---- metrics --------------------------------------------------------------------------------- */

static fm_status read_metric(fm_recipe *recipe, const fm_tree *tree, fm_metric_options *metric)
{
    fm_named_tree named;
    fm_status status = fm_named_read(recipe->context, tree, "metrics", &named);
    if (status != FM_OK) return status;
    if (strcmp(named.name, "accuracy") == 0 || strcmp(named.name, "acc") == 0) {
        metric->metric = FM_ACCURACY;
        return fm_named_options(&recipe->arena, &named, NULL, 0, NULL);
    }
    const fm_metric_record *record = fm_metric_find(named.name);
    if (!record) return fm_recipe_unknown(recipe, &named, "metric", next_metric);
    while (fm_metric_at(metric->metric) != record) metric->metric++;
    fm_options_part part = {record->fields, metric};
    return fm_named_options(&recipe->arena, &named, &part, 1, NULL);
}

fm_status fm_recipe_read_metrics(fm_recipe *recipe, const fm_tree *section)
{
    fm_model_options *model = &recipe->settings.model;
    if (section->kind != FM_TREE_LIST) {
        fm_status status = read_metric(recipe, section, &model->metrics[0]);
        model->metric_count = 1;
        return status;
    }
    for (const fm_tree *item = section->first; item; item = item->next) {
        if (model->metric_count == FM_MAX_METRICS) {
            return fm_tree_fail(recipe->context, item, FM_ERROR_ARGUMENT,
                                "metrics: at most %d can be watched", FM_MAX_METRICS);
        }
        fm_status status = read_metric(recipe, item, &model->metrics[model->metric_count++]);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

/* ---- train ----------------------------------------------------------------------------------- */

const fm_field fm_recipe_train_fields[] = {
    {"checkpoint_every", "steps between saved states (default: after each epoch only)",
     offsetof(fm_recipe_settings, checkpoint_every), .type = FM_FIELD_INT, .maximum = 1e15},
    {"keep_best", "save the best epoch as well", offsetof(fm_recipe_settings, keep_best),
     .type = FM_FIELD_BOOL},
    {"health", "record gradients and activations of each layer once an epoch, for 'fathom report'",
     offsetof(fm_recipe_settings, no_health), .type = FM_FIELD_NOT, .default_value = 1},
    {"monitor", "what keep_best judges by (default: val_loss, else loss)",
     offsetof(fm_recipe_settings, monitor), .type = FM_FIELD_STRING},
    {"freeze", "patterns of variables that are not trained: [body/*, '*/bias']",
     offsetof(fm_recipe_settings, model.freeze), .type = FM_FIELD_STRING},
    {"memory",
     "what a step's activations, gradients and scratch may take: 4GiB (default: no limit). Values "
     "are "
     "computed twice to stay below it",
     offsetof(fm_recipe_settings, memory), .type = FM_FIELD_STRING},
    {"precision",
     "of a step's matrix products (attention, recurrent cells and most convolutions too): bf16 "
     "rounds what they multiply, weights and sums stay f32",
     offsetof(fm_recipe_settings, model.precision), .type = FM_FIELD_ENUM,
     .choices = fm_precision_names},
    {0},
};

const fm_field fm_start_from_fields[] = {
    {"file", "a saved model whose weights are taken", offsetof(fm_start_from, file),
     .type = FM_FIELD_STRING, .required = true},
    {"skip", "patterns of variables that are left as they are: [head/*]",
     offsetof(fm_start_from, skip), .type = FM_FIELD_STRING},
    {0},
};

/* A callback that is there when its key is: `early_stopping:` alone takes the defaults. */
static fm_status read_callback(fm_recipe *recipe, const fm_tree *section, const char *key,
                               const fm_field *fields, void *options, bool *given)
{
    const fm_tree *tree = fm_tree_get(section, key);
    *given = tree != NULL;
    if (!tree) return FM_OK;
    fm_options_part part = {fields, options};
    return fm_options_read(&recipe->arena, tree, key, &part, 1, NULL);
}

static fm_status read_privacy(fm_recipe *recipe, const fm_tree *section)
{
    fm_recipe_settings *settings = &recipe->settings;
    bool given;
    fm_status status =
        read_callback(recipe, section, "privacy", fm_privacy_fields, &recipe->privacy, &given);
    if (status != FM_OK || !given) return status;
    settings->model.privacy = &recipe->privacy;
    if (!fm_augment_mixes(settings->augment, settings->augment_count)) return FM_OK;
    return fm_tree_fail_key(recipe->context, fm_tree_get(section, "privacy"), FM_ERROR_ARGUMENT,
                            "privacy: mixup and cutmix make one sample of two examples; leave them "
                            "out");
}

/* `start_from: FILE`, or a map with what to skip. */
static fm_status read_start_from(fm_recipe *recipe, const fm_tree *section)
{
    fm_start_from *start = &recipe->settings.start_from;
    const fm_tree *tree = fm_tree_get(section, "start_from");
    if (fm_tree_is_null(tree)) return FM_OK;
    if (tree->kind == FM_TREE_SCALAR) {
        start->file = tree->text;
        return FM_OK;
    }
    fm_options_part part = {fm_start_from_fields, start};
    return fm_options_read(&recipe->arena, tree, "start_from", &part, 1, NULL);
}

static fm_status read_memory(fm_recipe *recipe, const fm_tree *section)
{
    const char *text = recipe->settings.memory;
    size_t bytes;
    if (!text) return FM_OK;
    if (!fm_bytes_read(text, &bytes) || bytes == 0) {
        return fm_tree_fail(recipe->context, fm_tree_get(section, "memory"), FM_ERROR_ARGUMENT,
                            "memory: a size like 4GiB or 800 MiB is wanted, received '%s'", text);
    }
    recipe->settings.model.memory = (int64_t)bytes;
    return FM_OK;
}

fm_status fm_recipe_read_train(fm_recipe *recipe, const fm_tree *section)
{
    static const char *const others[] = {"early_stopping", "reduce_on_plateau", "start_from",
                                         "privacy", NULL};
    fm_recipe_settings *settings = &recipe->settings;
    const fm_tree *split = fm_tree_get(section, "validation_split");
    if (split) {
        return fm_tree_fail_key(recipe->context, split, FM_ERROR_ARGUMENT,
                                "train: validation_split belongs into the section data");
    }
    const fm_options_part parts[] = {{fm_fit_fields, &settings->fit},
                                     {fm_recipe_train_fields, settings}};
    fm_status status = fm_options_read(&recipe->arena, section, "train", parts, 2, others);
    bool given = false;
    if (status == FM_OK) {
        status = read_callback(recipe, section, others[0], fm_early_stopping_fields,
                               &recipe->early_stopping, &given);
    }
    if (given) settings->fit.early_stopping = &recipe->early_stopping;
    if (status == FM_OK) {
        status = read_callback(recipe, section, others[1], fm_reduce_on_plateau_fields,
                               &recipe->reduce_on_plateau, &given);
        if (given) settings->fit.reduce_on_plateau = &recipe->reduce_on_plateau;
    }
    if (status == FM_OK) status = read_privacy(recipe, section);
    if (status == FM_OK) status = read_start_from(recipe, section);
    if (status == FM_OK) status = read_memory(recipe, section);
    settings->model.seed = settings->fit.seed;
    return status;
}

/* ---- the weights to begin with --------------------------------------------------------------- */

static const char *find_start(fm_recipe *recipe)
{
    const char *file = recipe->settings.start_from.file;
    if (fm_file_exists(file) || file[0] == '/' || !recipe->folder) return file;
    const char *beside = fm_arena_format(&recipe->arena, "%s/%s", recipe->folder, file);
    return !beside || fm_file_exists(beside) ? beside : file;
}

fm_status fm_recipe_start(fm_recipe *recipe, fm_model *model)
{
    const fm_start_from *start = &recipe->settings.start_from;
    if (!start->file) return FM_OK;
    const fm_load_options options = {.weights_only = true, .skip = start->skip};
    const char *path = find_start(recipe);
    fm_status status = path ? fm_model_load(model, path, &options) : FM_ERROR_MEMORY;
    if (status == FM_OK || status == FM_ERROR_MEMORY) return status;
    if (status == FM_ERROR_SHAPE) {
        const char *words = fm_arena_string(&recipe->arena, fm_error_message(recipe->context));
        if (!words) return FM_ERROR_MEMORY;
        fm_fail(recipe->context, status,
                "%s. What should not be taken goes into start_from: {file: ..., skip: [PATTERN]}",
                words);
    }
    const fm_tree *train = fm_tree_get(recipe->tree, "train");
    return fm_tree_blame(recipe->context, fm_tree_get(train, "start_from"));
}
