/* fathom/recipe.h: a recipe is a YAML file that says data, model, loss, optimizer, metrics and how
 * to train. It is a list of layers, not a programming language.
 *
 *     data:      {set: mnist, scale: 255, validation_split: 0.1}
 *     model:
 *       - input: [28, 28]                    may be left out: the data knows its shape
 *       - flatten
 *       - dense: {units: 128, activation: relu, name: features}
 *       - dense: 128                          a lone value sets the main option: units
 *       - add: {inputs: [features, previous]} branches: outputs by name; `input` is the data,
 *       - dense: {units: 10}                  `previous` the layer above
 *                                          or a network of zoo.h: {zoo: resnet50, classes: 10}
 *     loss:      sparse_categorical_crossentropy
 *     optimizer: {adam: {learning_rate: 0.001, schedule: {cosine: {decay_steps: 4000}}}}
 *     metrics:   [accuracy, {top_k_accuracy: {k: 3}}]
 *     train:     {batch_size: 32, epochs: 10, seed: 1, checkpoint_every: 500,
 *                 early_stopping: {patience: 3, restore_best: true}}
 *
 * Invariants
 *  - Layers, losses, optimizers, schedules, metrics and data sets are the records of the tables of
 *    nn.h, loss.h, optimizer.h, schedule.h, metric.h and data.h; their options are the records'
 *    fields. Nothing else is known here by name.
 *  - Every mistake is told as FILE:LINE:COLUMN: what is wrong, and the nearest known word. So are
 *    mistakes of shape, which are found when the model is built.
 *  - A file of 1 MiB, 32 levels and 256 keys in a map is the limit; anchors, aliases and tags are
 *    refused, and a key that is there twice.
 *  - What a recipe hands out lives as long as the recipe.
 *  - Built with FATHOM_FILES (libyaml).
 *  - May be NULL: options, `places`, `fitted`, `transform`, and `set` where there is none.
 */
#ifndef FATHOM_RECIPE_H
#define FATHOM_RECIPE_H

#include "fathom/check.h"
#include "fathom/nn.h"
#include "fathom/augmentation.h"
#include "fathom/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fm_recipe fm_recipe;

/* `set` changes values before they are read: set_count texts like "train.epochs=3",
 * "model.1.dense.units=64" (entries of a list from 0), "optimizer=adam". FM_ERROR_FORMAT for what
 * is not YAML, FM_ERROR_ARGUMENT for what has no meaning. */
FM_API fm_status fm_recipe_open(fm_context *context, const char *path, const char *const *set,
                                int set_count, fm_recipe **recipe);
/* The same for a text in memory; `name` stands for the file in errors. */
FM_API fm_status fm_recipe_parse(fm_context *context, const char *name, const char *bytes,
                                 size_t size, const char *const *set, int set_count,
                                 fm_recipe **recipe);
FM_API void fm_recipe_destroy(fm_recipe *recipe);

/* The recipe as YAML with everything that was set: what a checkpoint keeps. */
FM_API const char *fm_recipe_text(const fm_recipe *recipe);

/* ---- what it says ---------------------------------------------------------------------------- */

/* model             input_shape is known only with the data: fm_recipe_create_model fills it in
 * fit               without data, callbacks and checkpoint
 * checkpoint_every  steps between saved states; 0: after each epoch only
 * augment           of the training part; mixup and cutmix in it turn a loss of sparse_
 *                   categorical_crossentropy into categorical_crossentropy: labels are shares then
 * views             of each sample, at least 1; more: each is in a batch so often, varied by
 *                   augment each time, in the validation and the test part, too
 * no_health         `health: false`: the program does not set fm_fit_options.health
 * keep_best         save the best epoch as well, judged by `monitor`
 * memory            the budget of a training step as it is written: 4GiB; the model has it as bytes
 * start_from        the file whose weights a new training begins with, NULL: initial ones;
 *                   start_from.skip as fm_load_options */
typedef struct fm_start_from {
    const char *file;
    const char *skip;
} fm_start_from;

typedef struct fm_recipe_settings {
    const fm_dataset_record *dataset;
    const void *dataset_options;
    fm_transform_options transform;
    const fm_augment *augment;
    int augment_count;
    int64_t views;
    fm_split_options test_split, validation_split; /* fraction 0: none */
    fm_model_options model;
    fm_fit_options fit;
    int64_t checkpoint_every;
    bool keep_best;
    bool no_health;
    const char *monitor;
    const char *memory;
    fm_start_from start_from;
} fm_recipe_settings;

FM_API const fm_recipe_settings *fm_recipe_about(const fm_recipe *recipe);

/* The keys of the sections `data` and `train` that no other table has, for lists of options. */
FM_API extern const fm_field fm_recipe_data_fields[];
FM_API extern const fm_field fm_recipe_train_fields[];
FM_API extern const fm_field fm_start_from_fields[]; /* of train.start_from */

/* ---- data ------------------------------------------------------------------------------------ */

/* Prepared sets; validation and test are NULL without such a part. The raw ones are what they were
 * made from: samples as they lie in the file. train is augmented. */
typedef struct fm_recipe_data {
    fm_dataset *train, *validation, *test;
    fm_dataset *raw_train, *raw_validation, *raw_test;
    fm_transform *transform;
} fm_recipe_data;

/* Opens the set, splits it, learns the transform from the training part and applies it. With
 * `fitted` (as JSON, from a saved model) that one is applied instead. Destroy with
 * fm_recipe_data_close. */
FM_API fm_status fm_recipe_open_data(fm_recipe *recipe, const fm_data_places *places,
                                     const char *fitted, fm_recipe_data *data);
/* Cross-validation: data[i] for each of `folds` (2 or more) has part i of the training data to
 * validate on, the other parts to train on, and a transform that learned from those. Parts are
 * drawn by train.seed; the recipe's validation_split is not looked at. Each is closed on its
 * own. */
FM_API fm_status fm_recipe_open_folds(fm_recipe *recipe, const fm_data_places *places,
                                      int64_t folds, fm_recipe_data *data);
FM_API void fm_recipe_data_close(fm_recipe_data *data);

/* ---- model ----------------------------------------------------------------------------------- */

/* The recipe's model as a function for fm_model_options.build; `recipe` is the argument. */
FM_API fm_val fm_recipe_build(fm_graph *graph, fm_val x, void *recipe);

/* A model for data prepared by `transform`, with the notes "recipe" and "transform" set. The recipe
 * must outlive it. transform may be NULL if the model's first entry is `- input: [28, 28]`: enough
 * to look at it. */
FM_API bool fm_recipe_says_input(const fm_recipe *recipe);
FM_API fm_status fm_recipe_create_model(fm_recipe *recipe, const fm_transform *transform,
                                        fm_model **model);

/* Takes the weights of start_from into the model, for a training that is not resumed; nothing
 * without one. The file is looked for here and in the recipe's folder. */
FM_API fm_status fm_recipe_start(fm_recipe *recipe, fm_model *model);

/* fm_layers_describe of the recipe's model; *rows has *count entries and stays the recipe's. */
FM_API fm_status fm_recipe_layers(fm_recipe *recipe, fm_shape input, fm_dtype dtype,
                                  const fm_layer_row **rows, int *count);

/* ---- before the run -------------------------------------------------------------------------- */

/* fm_check of the recipe's data and model. What cannot be opened or built is a finding, too. */
FM_API fm_status fm_recipe_check(fm_recipe *recipe, const fm_data_places *places,
                                 const fm_check_options *options, fm_check_report **report);

#ifdef __cplusplus
}
#endif
#endif
