/* The list data.augment. */
#include "train/recipe/recipe_inside.h"

static const char *next_augment(const void *list, int index)
{
    (void)list;
    const fm_augment_record *record;
    for (int kind = 0; (record = fm_augment_at(kind)); kind++) {
        if (index-- == 0) return record->name;
        if (record->aliases[0] && index-- == 0) return record->aliases[0];
    }
    return NULL;
}

/* `- rotate: 15`: a lone value, or a list of them, is the first option's. */
static fm_status read_options(fm_recipe *recipe, const fm_named_tree *named,
                              const fm_augment_record *record, fm_augment *step)
{
    const fm_tree *tree = named->options;
    if (!fm_tree_is_null(tree) && tree->kind != FM_TREE_MAP) {
        return fm_options_set(&recipe->arena, &record->fields[0], step, record->name, tree);
    }
    fm_options_part part = {record->fields, step};
    return fm_named_options(&recipe->arena, named, &part, 1, NULL);
}

static fm_status read_step(fm_recipe *recipe, const fm_tree *tree, fm_augment *step)
{
    fm_named_tree named;
    fm_status status = fm_named_read(recipe->context, tree, "augment", &named);
    if (status != FM_OK) return status;
    const fm_augment_record *record = fm_augment_find(named.name);
    if (!record) return fm_recipe_unknown(recipe, &named, "augmentation", next_augment);
    while (fm_augment_at(step->kind) != record) step->kind++;
    status = read_options(recipe, &named, record, step);
    if (status != FM_OK) return status;
    fm_augment checked = *step;
    status = fm_augment_check(recipe->context, &checked);
    return status == FM_OK ? status : fm_named_blame(recipe->context, &named);
}

/* Labels become shares of classes. */
static fm_status mix_labels(fm_recipe *recipe, const fm_tree *list)
{
    fm_model_options *model = &recipe->settings.model;
    if (model->loss == FM_SPARSE_CATEGORICAL_CROSSENTROPY) {
        model->loss = FM_CATEGORICAL_CROSSENTROPY;
    }
    static const int with_shares[] = {FM_CATEGORICAL_CROSSENTROPY, FM_KL_DIVERGENCE,
                                      FM_COSINE_SIMILARITY};
    for (size_t i = 0; i < sizeof with_shares / sizeof with_shares[0]; i++) {
        if ((int)model->loss == with_shares[i]) return FM_OK;
    }
    return fm_tree_fail(recipe->context, list, FM_ERROR_ARGUMENT,
                        "augment: mixup and cutmix make labels that are shares of classes; the "
                        "loss %s cannot be computed from them, categorical_crossentropy can",
                        fm_loss_at(model->loss)->name);
}

fm_status fm_recipe_read_augment(fm_recipe *recipe, const fm_tree *list)
{
    fm_recipe_settings *settings = &recipe->settings;
    if (fm_tree_is_null(list)) return FM_OK;
    bool one = list->kind != FM_TREE_LIST;
    int count = one ? 1 : list->count;
    if (count > FM_MAX_AUGMENT) {
        return fm_tree_fail(recipe->context, list, FM_ERROR_LIMIT, "augment: at most %d steps",
                            FM_MAX_AUGMENT);
    }
    fm_augment *steps = fm_arena_allocate(&recipe->arena, (size_t)count * sizeof *steps);
    if (!steps) return FM_ERROR_MEMORY;
    const fm_tree *item = one ? list : list->first;
    for (int i = 0; i < count; i++, item = item->next) {
        fm_status status = read_step(recipe, item, &steps[i]);
        if (status != FM_OK) return status;
    }
    settings->augment = steps;
    settings->augment_count = count;
    return fm_augment_mixes(steps, count) ? mix_labels(recipe, list) : FM_OK;
}
