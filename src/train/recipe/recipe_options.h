/* A map of a recipe into options structs, through their tables of fields. */
#ifndef FM_TRAIN_RECIPE_OPTIONS_H
#define FM_TRAIN_RECIPE_OPTIONS_H

#include "train/recipe/recipe_tree.h"
#include "fathom/schema.h"

/* A table and the struct that it describes. One map may fill several. */
typedef struct fm_options_part {
    const fm_field *fields;
    void *options;
} fm_options_part;

/* Reads every key of `map` (a null counts as an empty map). `owner` names it in errors ("dense").
 * `others` are keys that the caller reads itself, NULL or ended by NULL. Texts stay in the
 * arena. */
fm_status fm_options_read(fm_arena *arena, const fm_tree *map, const char *owner,
                          const fm_options_part *parts, int count, const char *const *others);
/* One field from a value. */
fm_status fm_options_set(fm_arena *arena, const fm_field *field, void *options, const char *owner,
                         const fm_tree *value);

/* What has a name and maybe options: "adam", or {adam: {learning_rate: 0.01}}. */
typedef struct fm_named_tree {
    const char *name;
    const fm_tree *place;   /* where the name stands */
    const fm_tree *options; /* NULL without any */
} fm_named_tree;

/* `owner` names what is wanted in errors: "optimizer", "a layer". */
fm_status fm_named_read(fm_context *context, const fm_tree *tree, const char *owner,
                        fm_named_tree *named);
/* Its options, which may be absent. */
fm_status fm_named_options(fm_arena *arena, const fm_named_tree *named,
                           const fm_options_part *parts, int count, const char *const *others);
/* Puts the place of the name in front of a failure. */
fm_status fm_named_blame(fm_context *context, const fm_named_tree *named);

/* Scalars as numbers; false when the text is something else. */
bool fm_tree_int(const fm_tree *tree, int64_t *value);
bool fm_tree_real(const fm_tree *tree, double *value);
bool fm_tree_bool(const fm_tree *tree, bool *value);

#endif
