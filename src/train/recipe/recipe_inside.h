/* A recipe's inside, shared by the files that read its sections. */
#ifndef FM_TRAIN_RECIPE_INSIDE_H
#define FM_TRAIN_RECIPE_INSIDE_H

#include "train/recipe/recipe_options.h"
#include "fathom/nn.h"
#include "fathom/recipe.h"
#include "fathom/zoo.h"

/* A layer of the list. Outputs are numbered: 0 is the model's input, i + 1 what layer i makes. */
typedef struct recipe_layer {
    fm_named_tree named;
    const fm_layer_record *record;
    void *options;
    const char *label; /* the name it was given, or NULL */
    const int *inputs;
    int input_count;
} recipe_layer;

struct fm_recipe {
    fm_context *context;
    fm_arena arena;
    const char *name, *text;
    const char *folder; /* of the file, for paths in it; NULL: from memory */
    const char *from;   /* where the data can be had, or NULL */
    fm_tree *tree;
    fm_recipe_settings settings;
    fm_early_stopping early_stopping;
    fm_reduce_on_plateau reduce_on_plateau;
    fm_privacy_options privacy;
    recipe_layer *layers;
    int layer_count;
    fm_val *values;           /* outputs while a graph is built */
    const fm_tree *input;     /* the `input` entry, or NULL */
    fm_ints input_shape;      /* what it says */
    const fm_tree *model;     /* the section */
    const fm_zoo_record *zoo; /* the network that it names, or NULL: a list of layers */
    fm_zoo_options zoo_options;
};

fm_status fm_recipe_read_model(fm_recipe *recipe, const fm_tree *section);
fm_status fm_recipe_read_data(fm_recipe *recipe, const fm_tree *section);
fm_status fm_recipe_read_augment(fm_recipe *recipe, const fm_tree *list);
fm_status fm_recipe_read_loss(fm_recipe *recipe, const fm_tree *section);
fm_status fm_recipe_read_optimizer(fm_recipe *recipe, const fm_tree *section);
fm_status fm_recipe_read_metrics(fm_recipe *recipe, const fm_tree *section);
fm_status fm_recipe_read_train(fm_recipe *recipe, const fm_tree *section);

/* "unknown layer 'dens'; did you mean 'dense'?", at the name's place. next as for fm_nearest. */
fm_status fm_recipe_unknown(fm_recipe *recipe, const fm_named_tree *named, const char *what,
                            const char *(*next)(const void *list, int index));

#endif
