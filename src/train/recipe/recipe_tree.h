/* YAML as a tree of scalars, lists and maps, every node with its place for errors.
 *
 * Recipes use the plain part of YAML: no anchors, aliases, tags, merge keys or second documents, no
 * key twice. What is left cannot grow when it is read, so a short file is a small tree. */
#ifndef FM_TRAIN_RECIPE_TREE_H
#define FM_TRAIN_RECIPE_TREE_H

#include "base/memory.h"

enum {
    FM_TREE_MAX_BYTES = 1 << 20,
    FM_TREE_MAX_DEPTH = 32,
    FM_TREE_MAX_KEYS = 256, /* of one map */
};

typedef enum fm_tree_kind { FM_TREE_SCALAR, FM_TREE_LIST, FM_TREE_MAP } fm_tree_kind;

typedef struct fm_tree fm_tree;
struct fm_tree {
    fm_tree_kind kind;
    bool quoted; /* a scalar in quotes is text, whatever it looks like */
    bool flow;   /* written as {...} or [...] */
    int count;   /* of children */
    fm_tree *first, *next;
    const char *text;   /* of a scalar */
    const char *key;    /* in a map, else NULL */
    const char *source; /* the file's name, or "--set KEY=VALUE" */
    int line, column;   /* of the value, from 1; line 0: no place */
    int key_line, key_column;
};

/* *tree belongs to the arena. `source` is copied into it. An empty text is an empty map. */
fm_status fm_tree_parse(fm_arena *arena, const char *source, const char *bytes, size_t size,
                        fm_tree **tree);
/* The tree as YAML again; *text is the arena's. */
fm_status fm_tree_print(fm_arena *arena, const fm_tree *tree, const char **text);

fm_tree *fm_tree_get(const fm_tree *map, const char *key); /* NULL when absent, or not a map */
bool fm_tree_is_null(const fm_tree *tree);                 /* absent, empty, "~" or "null" */

/* "train.epochs=3", "model.1.dense.units=64": replaces or adds one value of *root. The value is
 * YAML. Maps on the way are made; a layer that is only named becomes one with options. */
fm_status fm_tree_set(fm_arena *arena, fm_tree *root, const char *assignment);

/* "recipe.yaml:7:12: " + words. fail_key points at the key in front of the value. */
__attribute__((format(printf, 4, 5))) fm_status fm_tree_fail(fm_context *context,
                                                             const fm_tree *tree, fm_status status,
                                                             const char *format, ...);
__attribute__((format(printf, 4, 5))) fm_status fm_tree_fail_key(fm_context *context,
                                                                 const fm_tree *tree,
                                                                 fm_status status,
                                                                 const char *format, ...);
/* Puts the value's place in front of a failure that has its words already. */
fm_status fm_tree_blame(fm_context *context, const fm_tree *tree);

#endif
