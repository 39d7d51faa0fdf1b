/* Recipes of any bytes: a wrong one is an error with words. What can be read is printed, and what
 * was printed can be read again. Models are not built: a width of a billion is legal. */
#include "fathom/recipe.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const set[] = {"train.epochs=3", "model.0.dense.units=4"};
    fm_context *context;
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK) return 0;
    fm_recipe *recipe, *again;
    const char *text = (const char *)bytes;
    if (fm_recipe_parse(context, "input", text, size, NULL, 0, &recipe) != FM_OK &&
        !*fm_error_message(context)) {
        __builtin_trap();
    }
    fm_recipe_destroy(recipe);
    if (fm_recipe_parse(context, "input", text, size, set, 2, &recipe) == FM_OK) {
        const char *printed = fm_recipe_text(recipe);
        if (fm_recipe_parse(context, "printed", printed, strlen(printed), NULL, 0, &again) !=
            FM_OK) {
            __builtin_trap();
        }
        fm_recipe_destroy(again);
    }
    fm_recipe_destroy(recipe);
    fm_context_destroy(context);
    return 0;
}
