#include "train/recipe/recipe_options.h"
#include "base/fields.h"
#include "base/plain_numbers.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- scalars --------------------------------------------------------------------------------- */

static bool is_plain(const fm_tree *tree)
{
    return tree->kind == FM_TREE_SCALAR && !tree->quoted && *tree->text;
}

bool fm_tree_int(const fm_tree *tree, int64_t *value)
{
    if (!is_plain(tree)) return false;
    const char *digits = tree->text + (*tree->text == '-' || *tree->text == '+');
    if (!*digits || digits[strspn(digits, "0123456789")]) return false;
    errno = 0;
    *value = strtoll(tree->text, NULL, 10);
    return errno == 0;
}

/* YAML's spelling: 1, -2.5, 1e-3, .inf, .nan; not C's hexadecimal or "infinity". */
bool fm_tree_real(const fm_tree *tree, double *value)
{
    if (!is_plain(tree)) return false;
    const char *text = tree->text + (*tree->text == '-' || *tree->text == '+');
    double sign = *tree->text == '-' ? -1 : 1;
    if (strcmp(text, ".inf") == 0) return *value = sign * (double)INFINITY, true;
    if (strcmp(text, ".nan") == 0) return *value = (double)NAN, true;
    if (!*text || text[strspn(text, "0123456789.eE+-")]) return false;
    const char *end;
    return fm_plain_number(tree->text, &end, value) && *end == '\0' && isfinite(*value);
}

bool fm_tree_bool(const fm_tree *tree, bool *value)
{
    if (!is_plain(tree)) return false;
    *value = strcmp(tree->text, "true") == 0;
    return *value || strcmp(tree->text, "false") == 0;
}

/* ---- one field ------------------------------------------------------------------------------- */

static fm_status set_scalar(fm_arena *arena, const fm_field *field, void *options,
                            const char *owner, const fm_tree *tree)
{
    fm_context *context = arena->context;
    int64_t whole;
    double real;
    bool truth;
    if (field->type == FM_FIELD_STRING || field->type == FM_FIELD_ENUM) {
        return fm_field_set_string(context, field, options, owner, tree->text);
    }
    if (fm_tree_int(tree, &whole)) {
        return fm_field_set_int(context, field, options, owner, whole);
    }
    if (fm_tree_real(tree, &real)) {
        return fm_field_set_real(context, field, options, owner, real);
    }
    if (fm_tree_bool(tree, &truth)) {
        return fm_field_set_bool(context, field, options, owner, truth);
    }
    const char *shown =
        fm_arena_format(arena, "%s'%s'", tree->quoted ? "the text " : "", tree->text);
    if (!shown) return FM_ERROR_MEMORY;
    return fm_field_set_string(context, field, options, owner, shown);
}

static fm_status set_ints(fm_context *context, const fm_field *field, void *options,
                          const char *owner, const fm_tree *list)
{
    fm_ints ints = {0};
    for (const fm_tree *item = list->first; item; item = item->next) {
        if (ints.count == FM_MAX_LIST) {
            return fm_tree_fail(context, item, FM_ERROR_ARGUMENT, "%s: %s takes at most %d numbers",
                                owner, field->name, FM_MAX_LIST);
        }
        if (!fm_tree_int(item, &ints.at[ints.count++])) {
            return fm_tree_fail(context, item, FM_ERROR_ARGUMENT,
                                "%s: %s must be a list of whole numbers", owner, field->name);
        }
    }
    if (fm_field_set_ints(context, field, options, owner, &ints) == FM_OK) return FM_OK;
    return fm_tree_blame(context, list);
}

static fm_status set_reals(fm_context *context, const fm_field *field, void *options,
                           const char *owner, const fm_tree *list)
{
    fm_reals reals = {0};
    for (const fm_tree *item = list->first; item; item = item->next) {
        if (reals.count == FM_MAX_LIST) {
            return fm_tree_fail(context, item, FM_ERROR_ARGUMENT, "%s: %s takes at most %d numbers",
                                owner, field->name, FM_MAX_LIST);
        }
        if (!fm_tree_real(item, &reals.at[reals.count++])) {
            return fm_tree_fail(context, item, FM_ERROR_ARGUMENT,
                                "%s: %s must be a list of numbers", owner, field->name);
        }
    }
    if (fm_field_set_reals(context, field, options, owner, &reals) == FM_OK) return FM_OK;
    return fm_tree_blame(context, list);
}

/* Where one text holds several names, [a, b] is "a, b". */
static fm_status set_joined(fm_arena *arena, const fm_field *field, void *options,
                            const char *owner, const fm_tree *list)
{
    const char *joined = "";
    for (const fm_tree *item = list->first; item; item = item->next) {
        if (item->kind != FM_TREE_SCALAR) {
            return fm_tree_fail(arena->context, item, FM_ERROR_ARGUMENT,
                                "%s: %s must be a text or a list of texts", owner, field->name);
        }
        joined = fm_arena_format(arena, "%s%s%s", joined, *joined ? ", " : "", item->text);
        if (!joined) return FM_ERROR_MEMORY;
    }
    return fm_field_set_string(arena->context, field, options, owner, joined);
}

fm_status fm_options_set(fm_arena *arena, const fm_field *field, void *options, const char *owner,
                         const fm_tree *tree)
{
    fm_context *context = arena->context;
    if (tree->kind == FM_TREE_LIST && field->type == FM_FIELD_INTS) {
        return set_ints(context, field, options, owner, tree);
    }
    if (tree->kind == FM_TREE_LIST && field->type == FM_FIELD_REALS) {
        return set_reals(context, field, options, owner, tree);
    }
    if (tree->kind == FM_TREE_LIST && field->type == FM_FIELD_STRING) {
        return set_joined(arena, field, options, owner, tree);
    }
    if (tree->kind != FM_TREE_SCALAR) {
        return fm_tree_fail(context, tree, FM_ERROR_ARGUMENT,
                            "%s: %s must be a single value, received a %s", owner, field->name,
                            tree->kind == FM_TREE_LIST ? "list" : "map");
    }
    if (fm_tree_is_null(tree) && field->type != FM_FIELD_ENUM) {
        return fm_tree_fail_key(context, tree, FM_ERROR_ARGUMENT, "%s: %s has no value", owner,
                                field->name);
    }
    fm_status status = set_scalar(arena, field, options, owner, tree);
    return status == FM_OK || status == FM_ERROR_MEMORY ? status : fm_tree_blame(context, tree);
}

/* ---- a map ----------------------------------------------------------------------------------- */

typedef struct known_keys {
    const fm_options_part *parts;
    int count;
    const char *const *others;
} known_keys;

static const char *next_key(const void *list, int index)
{
    const known_keys *known = list;
    for (int part = 0; part < known->count; part++) {
        for (const fm_field *field = known->parts[part].fields; field && field->name; field++) {
            if (index-- == 0) return field->name;
        }
    }
    for (const char *const *other = known->others; other && *other; other++) {
        if (index-- == 0) return *other;
    }
    return NULL;
}

static fm_status fail_unknown(fm_arena *arena, const known_keys *known, const char *owner,
                              const fm_tree *child)
{
    const char *near = fm_nearest(child->key, next_key, known);
    if (near) {
        return fm_tree_fail_key(arena->context, child, FM_ERROR_ARGUMENT,
                                "%s: unknown key '%s'; did you mean '%s'?", owner, child->key,
                                near);
    }
    const char *list = "", *key;
    for (int i = 0; (key = next_key(known, i)); i++) {
        list = fm_arena_format(arena, "%s%s%s", list, *list ? ", " : "", key);
        if (!list) return FM_ERROR_MEMORY;
    }
    return fm_tree_fail_key(arena->context, child, FM_ERROR_ARGUMENT, "%s: unknown key '%s'; %s%s",
                            owner, child->key, *list ? "known are: " : "it has no options", list);
}

static bool is_other(const char *key, const char *const *others)
{
    for (; others && *others; others++) {
        if (strcmp(key, *others) == 0) return true;
    }
    return false;
}

static fm_status read_key(fm_arena *arena, const known_keys *known, const char *owner,
                          const fm_tree *child)
{
    if (is_other(child->key, known->others)) return FM_OK;
    for (int i = 0; i < known->count; i++) {
        const fm_options_part *part = &known->parts[i];
        const fm_field *field = fm_field_find(part->fields, child->key);
        if (field) return fm_options_set(arena, field, part->options, owner, child);
    }
    return fail_unknown(arena, known, owner, child);
}

/* Without words in front: the caller knows the place. */
static fm_status check_required(fm_context *context, const known_keys *known, const char *owner,
                                const fm_tree *map)
{
    for (int i = 0; i < known->count; i++) {
        for (const fm_field *field = known->parts[i].fields; field && field->name; field++) {
            if (!field->required || fm_tree_get(map, field->name)) continue;
            return fm_fail(context, FM_ERROR_ARGUMENT, "%s: needs %s (%s)", owner, field->name,
                           field->doc);
        }
    }
    return FM_OK;
}

static fm_status read_map(fm_arena *arena, const fm_tree *map, const char *owner,
                          const known_keys *known)
{
    if (!fm_tree_is_null(map) && map->kind != FM_TREE_MAP) {
        return fm_tree_fail(arena->context, map, FM_ERROR_ARGUMENT,
                            "%s: its options must be a map, like {key: value}", owner);
    }
    const fm_tree *first = map ? map->first : NULL;
    for (const fm_tree *child = first; child; child = child->next) {
        fm_status status = read_key(arena, known, owner, child);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

fm_status fm_options_read(fm_arena *arena, const fm_tree *map, const char *owner,
                          const fm_options_part *parts, int count, const char *const *others)
{
    known_keys known = {parts, count, others};
    fm_status status = read_map(arena, map, owner, &known);
    if (status != FM_OK) return status;
    status = check_required(arena->context, &known, owner, map);
    return status == FM_OK || !map ? status : fm_tree_blame(arena->context, map);
}

fm_status fm_named_options(fm_arena *arena, const fm_named_tree *named,
                           const fm_options_part *parts, int count, const char *const *others)
{
    known_keys known = {parts, count, others};
    fm_status status = read_map(arena, named->options, named->name, &known);
    if (status != FM_OK) return status;
    status = check_required(arena->context, &known, named->name, named->options);
    return status == FM_OK ? status : fm_named_blame(arena->context, named);
}

/* ---- names with options ---------------------------------------------------------------------- */

fm_status fm_named_read(fm_context *context, const fm_tree *tree, const char *owner,
                        fm_named_tree *named)
{
    if (tree->kind == FM_TREE_SCALAR && !fm_tree_is_null(tree)) {
        *named = (fm_named_tree){.name = tree->text, .place = tree};
        return FM_OK;
    }
    if (tree->kind == FM_TREE_MAP && tree->count == 1) {
        *named = (fm_named_tree){tree->first->key, tree->first, tree->first};
        return FM_OK;
    }
    if (tree->kind == FM_TREE_MAP && tree->count > 1) {
        return fm_tree_fail_key(context, tree->first->next, FM_ERROR_ARGUMENT,
                                "%s: one name is wanted; '%s' and '%s' stand side by side, "
                                "options go into braces: {%s: {%s: ...}}",
                                owner, tree->first->key, tree->first->next->key, tree->first->key,
                                tree->first->next->key);
    }
    return fm_tree_fail(context, tree, FM_ERROR_ARGUMENT,
                        "%s: a name is wanted, or a name with options: {name: {key: value}}",
                        owner);
}

fm_status fm_named_blame(fm_context *context, const fm_named_tree *named)
{
    const fm_tree *at = named->place;
    if (at->line == 0) return fm_fail_prefix(context, "%s: ", at->source);
    bool at_key = named->options != NULL;
    return fm_fail_prefix(context, "%s:%d:%d: ", at->source, at_key ? at->key_line : at->line,
                          at_key ? at->key_column : at->column);
}
