/* Features and maps in files that others read: NumPy's .npy, and CSV. */
#ifndef FM_CLI_FEATURE_FILE_H
#define FM_CLI_FEATURE_FILE_H

#include "fathom/base.h"

/* labels, names, places may be NULL: the columns are left out of the CSV. */
typedef struct feature_file {
    int64_t samples, width;
    const double *features; /* (samples, width) */
    const double *places;   /* (samples, 2) */
    const int32_t *labels;
    const char *const *names;
    const uint32_t *numbers; /* of the samples in their set */
    const char *layer;
} feature_file;

/* By the end of its name: .npy, f32 (samples, width); .csv with a header: sample, class, x, y, and
 * LAYER_0, LAYER_1, ... FM_ERROR_ARGUMENT for another end. */
fm_status feature_file_check(fm_context *context, const char *path);
fm_status feature_file_write(fm_context *context, const feature_file *file, const char *path);

#endif
