#include "cli/sound_data.h"

#include <string.h>

const fm_sound_options *recipe_sound(const fm_recipe *recipe)
{
    static const char *const sets[] = {"recordings", "tones"}; /* whose options begin with them */
    const fm_recipe_settings *about = fm_recipe_about(recipe);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (strcmp(about->dataset->name, sets[i]) == 0) return about->dataset_options;
    }
    return NULL;
}
