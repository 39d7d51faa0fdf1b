/* A data set of picture files: decoded when they are read, on the thread that reads. */
#ifndef FM_DATA_IMAGE_SOURCE_H
#define FM_DATA_IMAGE_SOURCE_H

#include "data/augment/resize_bytes.h"
#include "data/dataset.h"
#include "data/file/file_list.h"
#include "fathom/image.h"

typedef struct fm_image_entry {
    fm_listed_file picture;
    fm_listed_file mask; /* path NULL: none */
    int32_t label;
} fm_image_entry;

/* How samples are made, and of what. `list` keeps the strings and
 * is retained; all else is copied. */
typedef struct fm_image_set_options {
    const char *name, *origin;
    int64_t height, width, channels;
    bool without_channels; /* the shape is (height, width); channels is 1 */
    int fit, on_broken;
    int64_t shorter_side;
    int64_t cache; /* bytes that may be kept */
    fm_file_list *list;
    const fm_image_entry *entries;
    int64_t count;
    bool labels, masks;
    const fm_column *classes; /* of labels or masks */
} fm_image_set_options;

extern const fm_file_kind fm_image_files;

fm_status fm_image_set_create(fm_context *context, const fm_image_set_options *options,
                              fm_dataset **dataset);

#endif
