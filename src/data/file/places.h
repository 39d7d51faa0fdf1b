/* Finding files in a user's places. */
#ifndef FM_DATA_PLACES_H
#define FM_DATA_PLACES_H

#include "base/text.h"
#include "fathom/data.h"

/* "FOLDER/name" in *path, cleared before; FM_ERROR_MEMORY when it does not fit. */
fm_status fm_path_join(fm_text *path, const char *folder, const char *name);

/* The path of an existing file for a name that a user wrote, as fm_data_places says. Where there is
 * none: FM_ERROR_NOT_FOUND that names what was tried. */
fm_status fm_places_find(fm_context *context, const fm_data_places *places, const char *name,
                         fm_text *path);

#endif
