/* A recipe from its file: the sections, one after the other. */
#include "train/recipe/recipe_inside.h"
#include "base/fields.h"
#include "base/file.h"

#include <string.h>

typedef struct section {
    const char *name;
    bool required;
    fm_status (*read)(fm_recipe *recipe, const fm_tree *section);
} section;

/* The order matters: how labels are prepared depends on the loss. */
static const section sections[] = {
    {"loss", true, fm_recipe_read_loss},        {"data", true, fm_recipe_read_data},
    {"model", true, fm_recipe_read_model},      {"optimizer", true, fm_recipe_read_optimizer},
    {"metrics", false, fm_recipe_read_metrics}, {"train", false, fm_recipe_read_train},
};
enum { SECTION_COUNT = sizeof sections / sizeof sections[0] };

fm_status fm_recipe_unknown(fm_recipe *recipe, const fm_named_tree *named, const char *what,
                            const char *(*next)(const void *list, int index))
{
    const char *near = fm_nearest(named->name, next, NULL);
    if (near) {
        fm_fail(recipe->context, FM_ERROR_ARGUMENT, "unknown %s '%s'; did you mean '%s'?", what,
                named->name, near);
        return fm_named_blame(recipe->context, named);
    }
    const char *list = "", *name;
    for (int i = 0; (name = next(NULL, i)); i++) {
        list = fm_arena_format(&recipe->arena, "%s%s%s", list, *list ? ", " : "", name);
        if (!list) return FM_ERROR_MEMORY;
    }
    fm_fail(recipe->context, FM_ERROR_ARGUMENT, "unknown %s '%s'; known are: %s", what, named->name,
            list);
    return fm_named_blame(recipe->context, named);
}

static fm_status read_sections(fm_recipe *recipe)
{
    const char *names[SECTION_COUNT + 1] = {0};
    for (int i = 0; i < SECTION_COUNT; i++) names[i] = sections[i].name;
    const fm_tree *space = fm_tree_get(recipe->tree, "space");
    if (space) {
        return fm_tree_fail_key(
            recipe->context, space, FM_ERROR_ARGUMENT,
            "a search has a space, a recipe has none: this file is for 'fathom tune'");
    }
    fm_status status = fm_options_read(&recipe->arena, recipe->tree, "recipe", NULL, 0, names);
    for (int i = 0; i < SECTION_COUNT && status == FM_OK; i++) {
        const fm_tree *tree = fm_tree_get(recipe->tree, sections[i].name);
        if (!fm_tree_is_null(tree)) {
            status = sections[i].read(recipe, tree);
        } else if (sections[i].required) {
            status =
                fm_fail(recipe->context, FM_ERROR_ARGUMENT,
                        "%s: the section '%s' is missing; a recipe needs data, model, loss and "
                        "optimizer",
                        recipe->name, sections[i].name);
        }
    }
    return status;
}

/* Without changes the text stays as it was written, comments and all. */
static fm_status keep_text(fm_recipe *recipe, const char *bytes, size_t size, bool changed)
{
    if (changed) return fm_tree_print(&recipe->arena, recipe->tree, &recipe->text);
    char *copy = fm_arena_allocate(&recipe->arena, size + 1);
    if (!copy) return FM_ERROR_MEMORY;
    if (size > 0) memcpy(copy, bytes, size); /* of an empty text bytes may be NULL */
    recipe->text = copy;
    return FM_OK;
}

static fm_status read_recipe(fm_recipe *recipe, const char *bytes, size_t size,
                             const char *const *set, int set_count)
{
    recipe->name = fm_arena_string(&recipe->arena, recipe->name);
    if (!recipe->name) return FM_ERROR_MEMORY;
    fm_status status = fm_tree_parse(&recipe->arena, recipe->name, bytes, size, &recipe->tree);
    for (int i = 0; i < set_count && status == FM_OK; i++) {
        status = fm_tree_set(&recipe->arena, recipe->tree, set[i]);
    }
    if (status == FM_OK) status = keep_text(recipe, bytes, size, set_count > 0);
    if (status == FM_OK) status = read_sections(recipe);
    return status;
}

/* Paths in a recipe may start from its own folder. */
static fm_status keep_folder(fm_recipe *recipe, const char *path)
{
    const char *slash = strrchr(path, '/');
    int size = slash == path ? 1 : slash ? (int)(slash - path) : 0;
    recipe->folder = fm_arena_format(&recipe->arena, "%.*s", size ? size : 1, size ? path : ".");
    return recipe->folder ? FM_OK : FM_ERROR_MEMORY;
}

/* path: NULL for a text in memory. */
static fm_status make_recipe(fm_context *context, const char *name, const char *path,
                             const char *bytes, size_t size, const char *const *set, int set_count,
                             fm_recipe **recipe)
{
    fm_recipe *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->context = context;
    made->arena.context = context;
    made->name = name;
    fm_status status = path ? keep_folder(made, path) : FM_OK;
    if (status == FM_OK) status = read_recipe(made, bytes, size, set, set_count);
    if (status != FM_OK) {
        fm_recipe_destroy(made);
        return status;
    }
    *recipe = made;
    return FM_OK;
}

fm_status fm_recipe_parse(fm_context *context, const char *name, const char *bytes, size_t size,
                          const char *const *set, int set_count, fm_recipe **recipe)
{
    *recipe = NULL;
    return make_recipe(context, name, NULL, bytes, size, set, set_count, recipe);
}

fm_status fm_recipe_open(fm_context *context, const char *path, const char *const *set,
                         int set_count, fm_recipe **recipe)
{
    *recipe = NULL;
    char *bytes;
    size_t size;
    fm_status status = fm_file_read(context, path, FM_TREE_MAX_BYTES, &bytes, &size);
    if (status != FM_OK) return status;
    status = make_recipe(context, path, path, bytes, size, set, set_count, recipe);
    fm_release(context, bytes);
    return status;
}

void fm_recipe_destroy(fm_recipe *recipe)
{
    if (!recipe) return;
    fm_context *context = recipe->context;
    fm_arena_release(&recipe->arena);
    fm_release(context, recipe);
}

const char *fm_recipe_text(const fm_recipe *recipe)
{
    return recipe->text;
}

const fm_recipe_settings *fm_recipe_about(const fm_recipe *recipe)
{
    return &recipe->settings;
}
