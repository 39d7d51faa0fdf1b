/* What the section `data` of a recipe says about sound. */
#ifndef FM_CLI_SOUND_DATA_H
#define FM_CLI_SOUND_DATA_H

#include "fathom/audio.h"
#include "fathom/recipe.h"

/* How the recipe's set turns recordings into samples; NULL: its samples are none of recordings. */
const fm_sound_options *recipe_sound(const fm_recipe *recipe);

#endif
