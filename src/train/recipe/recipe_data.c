/* The section data: which set, how it is split and prepared. */
#include "train/recipe/recipe_inside.h"
#include "base/fields.h"
#include "base/plain_numbers.h"
#include "data/dataset.h"
#include "train/label_range.h"
#include "fathom/data_files.h"
#include "fathom/model_file.h"
#include "fathom/text_data.h"
#include "fathom/augmentation.h"

#include <string.h>

/* ---- reading --------------------------------------------------------------------------------- */

/* Keys of the section that neither the set nor the transform has. */
typedef struct data_keys {
    const char *set, *from;
    int64_t views;
} data_keys;

const fm_field fm_recipe_data_fields[] = {
    {"set", "a name of 'fathom show datasets'", offsetof(data_keys, set), .type = FM_FIELD_STRING,
     .required = true},
    {"from", "where its files can be had; told when they are not found", offsetof(data_keys, from),
     .type = FM_FIELD_STRING},
    {"views", "times that each sample is in a batch, varied by augment each time: 2 for SimCLR",
     offsetof(data_keys, views), .type = FM_FIELD_INT, .default_value = 1, .minimum = 1,
     .maximum = 64},
    {0},
};

static const char *next_dataset(const void *list, int index)
{
    (void)list;
    return fm_dataset_records()[index].name;
}

/* 0.1: this share, from the end; {fraction: 0.1, shuffle: true}: all the options. */
static fm_status read_split(fm_recipe *recipe, const fm_tree *section, const char *key,
                            fm_split_options *split)
{
    const fm_tree *tree = fm_tree_get(section, key);
    if (!tree) return FM_OK;
    if (tree->kind != FM_TREE_MAP) {
        const fm_field *fraction = fm_field_find(fm_split_fields, "fraction");
        return fm_options_set(&recipe->arena, fraction, split, key, tree);
    }
    fm_options_part part = {fm_split_fields, split};
    return fm_options_read(&recipe->arena, tree, key, &part, 1, NULL);
}

/* How "y" is to be prepared is the loss's business, unless the recipe says it. */
static int target_for_loss(const fm_model_options *model)
{
    static const int of_loss[FM_LOSS_COUNT] = {
        [FM_MEAN_SQUARED_ERROR] = FM_TARGET_VALUE,
        [FM_MEAN_ABSOLUTE_ERROR] = FM_TARGET_VALUE,
        [FM_HUBER] = FM_TARGET_VALUE,
        [FM_LOG_COSH] = FM_TARGET_VALUE,
        [FM_BINARY_CROSSENTROPY] = FM_TARGET_VALUE,
        [FM_HINGE] = FM_TARGET_VALUE,
        [FM_CATEGORICAL_CROSSENTROPY] = FM_TARGET_ONE_HOT,
        [FM_KL_DIVERGENCE] = FM_TARGET_ONE_HOT,
        [FM_COSINE_SIMILARITY] = FM_TARGET_ONE_HOT,
        [FM_SPARSE_CATEGORICAL_CROSSENTROPY] = FM_TARGET_INDEX,
        [FM_CONTRASTIVE] = FM_TARGET_SAMPLE,
    };
    return of_loss[model->loss];
}

/* `data: mnist` is {set: mnist}. */
static fm_status find_set(fm_recipe *recipe, const fm_tree *section)
{
    const fm_tree *set = section->kind == FM_TREE_MAP ? fm_tree_get(section, "set") : section;
    if (!set || set->kind != FM_TREE_SCALAR) {
        return fm_tree_fail(recipe->context, set ? set : section, FM_ERROR_ARGUMENT,
                            "data: needs set, the name of a data set: {set: strokes}");
    }
    fm_named_tree named = {.name = set->text, .place = set};
    fm_status status =
        fm_dataset_record_find(recipe->context, set->text, &recipe->settings.dataset);
    if (status == FM_OK) return FM_OK;
    if (status == FM_ERROR_UNSUPPORTED) return fm_named_blame(recipe->context, &named);
    return fm_recipe_unknown(recipe, &named, "data set", next_dataset);
}

/* Views that are all the same, or that nothing asks for, are slips. */
static fm_status check_views(fm_recipe *recipe, const fm_tree *section)
{
    const fm_recipe_settings *settings = &recipe->settings;
    const fm_tree *views = fm_tree_get(section, "views");
    bool contrastive = settings->model.loss == FM_CONTRASTIVE;
    bool by_class = settings->transform.target == FM_TARGET_INDEX;
    if (settings->views > 1 && settings->augment_count == 0) {
        return fm_tree_fail_key(recipe->context, views, FM_ERROR_ARGUMENT,
                                "data: without augment all %lld views of a sample are the same",
                                (long long)settings->views);
    }
    if (settings->views > 1 && fm_augment_mixes(settings->augment, settings->augment_count)) {
        return fm_tree_fail_key(recipe->context, views, FM_ERROR_ARGUMENT,
                                "data: views of one sample are not mixed with others: leave mixup "
                                "and cutmix out");
    }
    if (!contrastive || settings->views > 1 || by_class) return FM_OK;
    return fm_tree_fail(recipe->context, section, FM_ERROR_ARGUMENT,
                        "data: the loss contrastive compares views of one sample: views: 2, with "
                        "augment; or samples of one class: target: index");
}

fm_status fm_recipe_read_data(fm_recipe *recipe, const fm_tree *section)
{
    static const char *const others[] = {"test_split", "validation_split", "augment", NULL};
    fm_recipe_settings *settings = &recipe->settings;
    fm_status status = find_set(recipe, section);
    if (status != FM_OK) return status;
    void *options = fm_arena_allocate(&recipe->arena, settings->dataset->options_size + 1);
    if (!options) return FM_ERROR_MEMORY;
    settings->dataset_options = options;
    data_keys keys = {0};
    const fm_options_part parts[] = {{fm_recipe_data_fields, &keys},
                                     {settings->dataset->fields, options},
                                     {fm_transform_fields, &settings->transform}};
    if (section->kind == FM_TREE_MAP) {
        status = fm_options_read(&recipe->arena, section, "data", parts, 3, others);
    }
    if (status == FM_OK) {
        status = read_split(recipe, section, "test_split", &settings->test_split);
    }
    if (status == FM_OK) {
        status = read_split(recipe, section, "validation_split", &settings->validation_split);
    }
    if (status == FM_OK) status = fm_recipe_read_augment(recipe, fm_tree_get(section, "augment"));
    recipe->from = keys.from;
    settings->views = fm_or_int(keys.views, 1);
    return status == FM_OK ? check_views(recipe, section) : status;
}

/* ---- opening --------------------------------------------------------------------------------- */

enum { MAX_FOLDERS = 16 };

/* The recipe's own folder is looked at last. */
static fm_status open_set(fm_recipe *recipe, const fm_data_places *places, fm_dataset **train,
                          fm_dataset **test)
{
    const char *folders[MAX_FOLDERS + 2] = {0};
    int count = 0;
    for (; places && places->folders && places->folders[count] && count < MAX_FOLDERS; count++) {
        folders[count] = places->folders[count];
    }
    if (recipe->folder) folders[count++] = recipe->folder;
    fm_data_places all = places ? *places : (fm_data_places){0};
    all.folders = folders;
    if (recipe->from) all.from = recipe->from;
    const fm_recipe_settings *settings = &recipe->settings;
    return settings->dataset->open(recipe->context, settings->dataset_options, &all, train, test);
}

/* Replaces *first by its first part; *second becomes the rest, or stays without a split. */
static fm_status split_set(fm_recipe *recipe, const fm_split_options *options, fm_dataset **first,
                           fm_dataset **second)
{
    if (options->fraction == 0) return FM_OK;
    fm_dataset *whole = *first;
    fm_dataset_destroy(*second);
    *second = NULL;
    fm_status status = fm_dataset_split(recipe->context, whole, options, first, second);
    if (status != FM_OK) {
        *first = whole;
        return status;
    }
    fm_dataset_destroy(whole);
    return FM_OK;
}

/* The numbers of classes that have names are no amounts: what a loss of any numbers would learn
 * from them is their order in the alphabet. */
static fm_status refuse_named_classes(const fm_recipe *recipe, const fm_dataset *train)
{
    const char *const *names, *end;
    const int loss = recipe->settings.model.loss;
    double number;
    bool asked = recipe->settings.transform.target != FM_TARGET_AUTO;
    bool amounts = target_for_loss(&recipe->settings.model) == FM_TARGET_VALUE;
    int64_t classes = fm_dataset_classes(train, &names);
    if (asked || !amounts || fm_label_range_of(loss) || classes < 1 || !names) return FM_OK;
    if (fm_plain_number(names[0], &end, &number) && !*end) return FM_OK;
    const fm_dataset_info *about = fm_dataset_about(train);
    const char *column = about->fields[1].columns->name;
    return fm_fail(recipe->context, FM_ERROR_ARGUMENT,
                   "%s: \"%s\" holds classes (\"%.40s\"%s%.40s%s), and %s is for numbers; take "
                   "sparse_categorical_crossentropy and an output for each class",
                   about->name, column ? column : "y", names[0], classes > 1 ? ", \"" : "",
                   classes > 1 ? names[1] : "",
                   classes > 2   ? "\", ..."
                   : classes > 1 ? "\""
                                 : "",
                   fm_loss_at(loss)->name);
}

static fm_status fit_transform(fm_recipe *recipe, const fm_dataset *train, const char *fitted,
                               fm_transform **transform)
{
    if (fitted) return fm_transform_from_json(recipe->context, fitted, strlen(fitted), transform);
    fm_transform_options options = recipe->settings.transform;
    const fm_dataset_info *about = fm_dataset_about(train);
    bool classes = fm_dataset_classes(train, NULL) > 0;
    int target = target_for_loss(&recipe->settings.model);
    bool suits = target != FM_TARGET_ONE_HOT || classes;
    if (options.target == FM_TARGET_AUTO && about->field_count > 1 && suits) {
        options.target = target;
    }
    options.batch_size = recipe->settings.fit.batch_size;
    fm_status status = refuse_named_classes(recipe, train);
    if (status != FM_OK) return status;
    return fm_transform_fit(recipe->context, train, &options, transform);
}

/* `made` takes the place of *set. */
static fm_status replace(fm_status status, fm_dataset *made, fm_dataset **set)
{
    fm_dataset_destroy(*set);
    *set = status == FM_OK ? made : NULL;
    return status;
}

/* *set may be NULL: a part that there is not. */
static fm_status repeat(fm_recipe *recipe, fm_dataset **set)
{
    fm_dataset *made;
    if (!*set || recipe->settings.views < 2) return FM_OK;
    fm_status status = fm_dataset_repeat(recipe->context, *set, recipe->settings.views, &made);
    return replace(status, made, set);
}

static fm_status augment(fm_recipe *recipe, fm_dataset **set)
{
    const fm_recipe_settings *settings = &recipe->settings;
    fm_dataset *made;
    bool any = false;
    if (!*set) return FM_OK;
    for (int i = 0; i < settings->augment_count; i++) {
        any = any || !fm_augment_mixes(&settings->augment[i], 1);
    }
    if (!any) return FM_OK;
    fm_status status = fm_dataset_augment(recipe->context, *set, settings->augment,
                                          settings->augment_count, &made);
    return replace(status, made, set);
}

static fm_status mix(fm_recipe *recipe, fm_dataset **set)
{
    const fm_recipe_settings *settings = &recipe->settings;
    fm_dataset *made;
    if (!fm_augment_mixes(settings->augment, settings->augment_count)) return FM_OK;
    fm_status status =
        fm_dataset_mix(recipe->context, *set, settings->augment, settings->augment_count, &made);
    return replace(status, made, set);
}

/* Replaces a raw set by the prepared one. */
static fm_status prepare(fm_recipe *recipe, const fm_transform *transform, fm_dataset **set)
{
    if (!*set) return FM_OK;
    fm_dataset *made;
    fm_status status = fm_dataset_transform(recipe->context, *set, transform, &made);
    return replace(status, made, set);
}

/* What is not trained on is varied only where its views are compared. */
static fm_status prepare_unseen(fm_recipe *recipe, const fm_transform *transform, fm_dataset **set)
{
    fm_status status = repeat(recipe, set);
    if (status == FM_OK && recipe->settings.views > 1) status = augment(recipe, set);
    return status == FM_OK ? prepare(recipe, transform, set) : status;
}

/* The set as it lies in its files; what is to be tested on is put aside. */
static fm_status open_raw(fm_recipe *recipe, const fm_data_places *places, fm_dataset **train,
                          fm_dataset **test)
{
    *train = *test = NULL;
    fm_status status = open_set(recipe, places, train, test);
    if (status != FM_OK) return status;
    return split_set(recipe, &recipe->settings.test_split, train, test);
}

/* From raw parts to prepared ones. */
static fm_status prepare_parts(fm_recipe *recipe, const char *fitted, fm_recipe_data *data)
{
    data->raw_train = fm_dataset_retain(data->train);
    if (data->validation) data->raw_validation = fm_dataset_retain(data->validation);
    if (data->raw_test) data->test = fm_dataset_retain(data->raw_test);
    fm_status status = fit_transform(recipe, data->train, fitted, &data->transform);
    if (status == FM_OK) status = repeat(recipe, &data->train);
    if (status == FM_OK) status = augment(recipe, &data->train);
    if (status == FM_OK) status = prepare(recipe, data->transform, &data->train);
    if (status == FM_OK) status = mix(recipe, &data->train);
    if (status == FM_OK) status = prepare_unseen(recipe, data->transform, &data->validation);
    return status == FM_OK ? prepare_unseen(recipe, data->transform, &data->test) : status;
}

fm_status fm_recipe_open_data(fm_recipe *recipe, const fm_data_places *places, const char *fitted,
                              fm_recipe_data *data)
{
    *data = (fm_recipe_data){0};
    fm_status status = open_raw(recipe, places, &data->train, &data->raw_test);
    if (status == FM_OK) {
        status =
            split_set(recipe, &recipe->settings.validation_split, &data->train, &data->validation);
    }
    if (status == FM_OK) status = prepare_parts(recipe, fitted, data);
    if (status != FM_OK) fm_recipe_data_close(data);
    return status;
}

static fm_status open_fold(fm_recipe *recipe, const fm_dataset *whole, const fm_dataset *test,
                           int64_t folds, int64_t fold, fm_recipe_data *data)
{
    if (test) data->raw_test = fm_dataset_retain(test);
    fm_status status = fm_dataset_fold(recipe->context, whole, folds, fold,
                                       recipe->settings.fit.seed, &data->train, &data->validation);
    return status == FM_OK ? prepare_parts(recipe, NULL, data) : status;
}

fm_status fm_recipe_open_folds(fm_recipe *recipe, const fm_data_places *places, int64_t folds,
                               fm_recipe_data *data)
{
    fm_dataset *whole, *test;
    for (int64_t i = 0; i < folds; i++) data[i] = (fm_recipe_data){0};
    fm_status status = open_raw(recipe, places, &whole, &test);
    for (int64_t i = 0; i < folds && status == FM_OK; i++) {
        status = open_fold(recipe, whole, test, folds, i, &data[i]);
    }
    fm_dataset_destroy(whole);
    fm_dataset_destroy(test);
    for (int64_t i = 0; i < folds && status != FM_OK; i++) fm_recipe_data_close(&data[i]);
    return status;
}

void fm_recipe_data_close(fm_recipe_data *data)
{
    if (!data) return;
    fm_dataset_destroy(data->train);
    fm_dataset_destroy(data->validation);
    fm_dataset_destroy(data->test);
    fm_dataset_destroy(data->raw_train);
    fm_dataset_destroy(data->raw_validation);
    fm_dataset_destroy(data->raw_test);
    fm_transform_destroy(data->transform);
    *data = (fm_recipe_data){0};
}

/* ---- a model for it -------------------------------------------------------------------------- */

/* Of "y"; 0 when it holds none. A running text's are its tokens. */
static int64_t count_classes(const fm_transform *transform)
{
    const fm_dataset_info *about = fm_transform_input(transform);
    if (about->text && about->text->running) {
        return fm_vocabulary_size(fm_transform_vocabulary(transform));
    }
    const fm_column *column = about->field_count > 1 ? about->fields[1].columns : NULL;
    return column && column->kind == FM_COLUMN_CATEGORICAL ? column->category_count : 0;
}

/* A layer of tokens ("input_dim" of them) that reads the input must know all of the vocabulary. */
static fm_status check_tokens(fm_recipe *recipe, const fm_transform *transform)
{
    const fm_vocabulary *vocabulary = fm_transform_vocabulary(transform);
    for (int i = 0; vocabulary && i < recipe->layer_count; i++) {
        const recipe_layer *layer = &recipe->layers[i];
        const fm_field *field = fm_field_find(layer->record->fields, "input_dim");
        int64_t known = field ? fm_field_int(field, layer->options) : 0;
        bool reads = layer->input_count > 0 && layer->inputs[0] == 0;
        if (!field || !reads || known >= fm_vocabulary_size(vocabulary)) continue;
        fm_fail(recipe->context, FM_ERROR_SHAPE,
                "%s: input_dim is %lld, but the data has %lld tokens", layer->named.name,
                (long long)known, (long long)fm_vocabulary_size(vocabulary));
        return fm_named_blame(recipe->context, &layer->named);
    }
    return FM_OK;
}

/* A class that the last layer has no output for would be a loss of NaN. */
static fm_status check_classes(fm_recipe *recipe, const fm_model *model,
                               const fm_transform *transform)
{
    fm_shape output = fm_model_output(model, NULL);
    const fm_loss_record *loss = fm_loss_at(recipe->settings.model.loss);
    if (loss->label_kind != FM_LABEL_CLASS || output.rank == 0) return FM_OK;
    int64_t outputs = output.dims[output.rank - 1], classes = count_classes(transform);
    if (classes <= outputs) return FM_OK;
    const fm_named_tree network = {.name = "model", .place = recipe->model};
    const fm_named_tree *last =
        recipe->zoo ? &network : &recipe->layers[recipe->layer_count - 1].named;
    fm_fail(recipe->context, FM_ERROR_SHAPE,
            "%s: the last layer has %lld outputs, but the data has %lld %s", last->name,
            (long long)outputs, (long long)classes,
            fm_transform_input(transform)->field_count < 2 ? "tokens" : "classes");
    return fm_named_blame(recipe->context, last);
}

static fm_status set_notes(fm_recipe *recipe, fm_model *model, const fm_transform *transform)
{
    char *json;
    fm_status status = fm_transform_to_json(recipe->context, transform, &json);
    if (status != FM_OK) return status;
    status = fm_model_set_note(model, "transform", json);
    fm_data_release(recipe->context, json);
    return status == FM_OK ? fm_model_set_note(model, "recipe", recipe->text) : status;
}

/* What goes in, without a transform to tell it. */
static fm_status input_as_said(fm_recipe *recipe, fm_model_options *options)
{
    if (!recipe->input) {
        return fm_fail(recipe->context, FM_ERROR_ARGUMENT,
                       "%s: without its data the shape of the input must be said in the model's "
                       "first entry, like '- input: [28, 28]'",
                       recipe->name);
    }
    bool tokens = fm_field_find(recipe->settings.dataset->fields, "vocabulary");
    options->input_dtype = tokens ? FM_I32 : FM_F32;
    options->input_shape.rank = recipe->input_shape.count;
    for (int i = 0; i < recipe->input_shape.count; i++) {
        options->input_shape.dims[i] = recipe->input_shape.at[i];
    }
    return FM_OK;
}

/* A layer's mistake has its place already; others (of the loss, a metric) get the recipe's name. */
static fm_status create_model(fm_recipe *recipe, const fm_model_options *options, fm_model **model)
{
    fm_status status = fm_model_create(recipe->context, options, model);
    if (status == FM_OK || status == FM_ERROR_MEMORY) return status;
    const char *words = fm_error_message(recipe->context);
    bool placed =
        strncmp(words, recipe->name, strlen(recipe->name)) == 0 || strncmp(words, "--set ", 6) == 0;
    return placed ? status : fm_fail_prefix(recipe->context, "%s: ", recipe->name);
}

fm_status fm_recipe_create_model(fm_recipe *recipe, const fm_transform *transform, fm_model **model)
{
    *model = NULL;
    fm_model_options options = recipe->settings.model;
    options.build = fm_recipe_build;
    options.argument = recipe;
    if (!transform) {
        fm_status status = input_as_said(recipe, &options);
        return status == FM_OK ? create_model(recipe, &options, model) : status;
    }
    const fm_data_field *x = &fm_transform_output(transform)->fields[0];
    options.input_shape = x->shape;
    options.input_dtype = x->dtype;
    fm_status status = create_model(recipe, &options, model);
    if (status != FM_OK) return status;
    status = check_tokens(recipe, transform);
    if (status == FM_OK) status = check_classes(recipe, *model, transform);
    if (status == FM_OK) status = set_notes(recipe, *model, transform);
    if (status == FM_OK) return FM_OK;
    fm_model_destroy(*model);
    *model = NULL;
    return status;
}

bool fm_recipe_says_input(const fm_recipe *recipe)
{
    return recipe->input != NULL;
}
