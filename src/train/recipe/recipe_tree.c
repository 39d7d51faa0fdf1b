#include "train/recipe/recipe_tree.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

fm_tree *fm_tree_get(const fm_tree *map, const char *key)
{
    if (!map || map->kind != FM_TREE_MAP) return NULL;
    for (fm_tree *child = map->first; child; child = child->next) {
        if (strcmp(child->key, key) == 0) return child;
    }
    return NULL;
}

bool fm_tree_is_null(const fm_tree *tree)
{
    if (!tree) return true;
    if (tree->kind != FM_TREE_SCALAR || tree->quoted) return false;
    return !*tree->text || strcmp(tree->text, "~") == 0 || strcmp(tree->text, "null") == 0;
}

static fm_status prefix_place(fm_context *context, const char *source, int line, int column)
{
    if (line == 0) return fm_fail_prefix(context, "%s: ", source);
    return fm_fail_prefix(context, "%s:%d:%d: ", source, line, column);
}

fm_status fm_tree_blame(fm_context *context, const fm_tree *tree)
{
    return prefix_place(context, tree->source, tree->line, tree->column);
}

static void fail_words(fm_context *context, fm_status status, const char *format, va_list arguments)
{
    char words[FM_MESSAGE_SIZE];
    vsnprintf(words, sizeof words, format, arguments);
    fm_fail(context, status, "%s", words);
}

fm_status fm_tree_fail(fm_context *context, const fm_tree *tree, fm_status status,
                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_words(context, status, format, arguments);
    va_end(arguments);
    return fm_tree_blame(context, tree);
}

fm_status fm_tree_fail_key(fm_context *context, const fm_tree *tree, fm_status status,
                           const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_words(context, status, format, arguments);
    va_end(arguments);
    return prefix_place(context, tree->source, tree->key_line, tree->key_column);
}

/* ---- one assignment -------------------------------------------------------------------------- */

/* A value that `--set` brings has no line of its own. */
static void forget_places(fm_tree *tree)
{
    tree->line = tree->key_line = 0;
    for (fm_tree *child = tree->first; child; child = child->next) forget_places(child);
}

static fm_tree *append_child(fm_tree *parent, fm_tree *child)
{
    fm_tree **end = &parent->first;
    while (*end) end = &(*end)->next;
    *end = child;
    parent->count++;
    return child;
}

static fm_tree *new_child(fm_arena *arena, fm_tree *parent, const char *key, const char *source)
{
    fm_tree *child = fm_arena_allocate(arena, sizeof *child);
    if (!child) return NULL;
    *child = (fm_tree){.kind = FM_TREE_SCALAR, .text = "", .key = key, .source = source};
    child->flow = parent->flow;
    return append_child(parent, child);
}

/* "flatten" becomes {flatten: } so that it can take options. */
static fm_status open_name(fm_arena *arena, fm_tree *scalar, const char *source)
{
    fm_tree name = *scalar;
    scalar->kind = FM_TREE_MAP;
    scalar->text = NULL;
    if (fm_tree_is_null(&name)) return FM_OK;
    fm_tree *child = new_child(arena, scalar, name.text, source);
    if (!child) return FM_ERROR_MEMORY;
    child->line = child->key_line = name.line;
    child->column = child->key_column = name.column;
    return FM_OK;
}

static fm_status step_into_list(fm_arena *arena, fm_tree *list, const char *word,
                                const char *source, fm_tree **child)
{
    size_t digits = strspn(word, "0123456789");
    int index = digits > 0 && digits < 7 && !word[digits] ? 0 : -1;
    for (size_t i = 0; index >= 0 && i < digits; i++) index = 10 * index + (word[i] - '0');
    if (index < 0 || index > list->count) {
        return fm_fail(arena->context, FM_ERROR_ARGUMENT,
                       "%s: '%s' must be the number of one of the %d entries, from 0 "
                       "(%d adds an entry)",
                       source, word, list->count, list->count);
    }
    *child = list->first;
    for (int i = 0; i < index && *child; i++) *child = (*child)->next;
    if (!*child) *child = new_child(arena, list, NULL, source);
    return *child ? FM_OK : FM_ERROR_MEMORY;
}

static fm_status step_into(fm_arena *arena, fm_tree *parent, const char *word, const char *source,
                           fm_tree **child)
{
    if (!*word) {
        return fm_fail(arena->context, FM_ERROR_ARGUMENT,
                       "%s: a part between two dots is empty; write it like "
                       "--set train.epochs=3 or --set model.1.dense.units=64",
                       source);
    }
    if (parent->kind == FM_TREE_LIST) return step_into_list(arena, parent, word, source, child);
    if (parent->kind == FM_TREE_SCALAR) {
        if (!fm_tree_is_null(parent) && strcmp(parent->text, word) != 0) {
            return fm_fail(arena->context, FM_ERROR_ARGUMENT,
                           "%s: '%s' cannot be set inside of '%s', which is a single value", source,
                           word, parent->text);
        }
        fm_status status = open_name(arena, parent, source);
        if (status != FM_OK) return status;
    }
    *child = fm_tree_get(parent, word);
    if (!*child) *child = new_child(arena, parent, word, source);
    return *child ? FM_OK : FM_ERROR_MEMORY;
}

static void replace_value(fm_tree *at, const fm_tree *value)
{
    at->kind = value->kind;
    at->quoted = value->quoted;
    at->flow = true;
    at->count = value->count;
    at->first = value->first;
    at->text = value->text;
    at->source = value->source;
    at->line = at->key_line = 0;
}

fm_status fm_tree_set(fm_arena *arena, fm_tree *root, const char *assignment)
{
    fm_context *context = arena->context;
    const char *equals = strchr(assignment, '=');
    const char *source = fm_arena_format(arena, "--set %s", assignment);
    if (!source) return FM_ERROR_MEMORY;
    if (!equals || equals == assignment || !equals[1]) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: a key, an equals sign and a value are needed, like "
                       "--set train.epochs=3 or --set model.1.dense.units=64",
                       source);
    }
    fm_tree *value, *at = root;
    fm_status status = fm_tree_parse(arena, source, equals + 1, strlen(equals + 1), &value);
    if (status != FM_OK) return status;
    forget_places(value);

    char *path = fm_arena_string(arena, assignment);
    if (!path) return FM_ERROR_MEMORY;
    path[equals - assignment] = '\0';
    int depth = 0;
    for (char *word = path, *dot; word; word = dot) {
        if (depth++ == FM_TREE_MAX_DEPTH) {
            return fm_fail(context, FM_ERROR_LIMIT, "%s: the key has too many parts", source);
        }
        dot = strchr(word, '.');
        if (dot) *dot++ = '\0';
        status = step_into(arena, at, word, source, &at);
        if (status != FM_OK) return status;
    }
    replace_value(at, value);
    return FM_OK;
}
