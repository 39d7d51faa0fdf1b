/* A picture of training samples, as the network sees them, with the names of their classes. */
#ifndef FM_CLI_CONTACT_SHEET_H
#define FM_CLI_CONTACT_SHEET_H

#include "fathom/image.h"
#include "fathom/recipe.h"

/* The first samples of the first epoch, in its order; with `sound` features of recordings, drawn as
 * spectrograms, time to the right. *written: how many. FM_ERROR_SHAPE when samples are
 * neither. */
fm_status contact_sheet_write(fm_context *context, const fm_recipe_data *data, bool sound,
                              int64_t seed, const char *path, int *written);

#endif
