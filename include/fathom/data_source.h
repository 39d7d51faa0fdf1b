/* fathom/data_source.h: data sets of your own kinds: a table of functions that samples come from.
 *
 *     static const fm_data_source squares = {.kind = "squares", .read = read_squares};
 *     fm_dataset_create(context, &squares, NULL, &info, &dataset);
 *
 * Invariants
 *  - A source's functions see positions that were checked. Those marked thread-safe are called from
 *    a loader's workers, each with a context of its own, and change nothing in `state`.
 *  - A source outlives its data sets; `state` is released with the last of them.
 *  - May be NULL: every function of a source but `read`, and `state`.
 */
#ifndef FATHOM_DATA_SOURCE_H
#define FATHOM_DATA_SOURCE_H

#include "fathom/data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A part of a picture, in pixels; edges may lie between them. */
typedef struct fm_box {
    double top, left, height, width;
} fm_box;

/* How a recording is varied on its way to a sample.
 *  speed   a factor: higher and shorter, as a tape that runs faster
 *  shift   seconds that it begins later within the sample
 *  change  what is done with the `count` samples that features are computed from; those of the
 *          recording are [first, last), the rest is silence. May be NULL */
typedef struct fm_wave_change {
    double speed, shift;
    void (*change)(void *user, float *samples, int64_t count, int64_t first, int64_t last);
    void *user;
} fm_wave_change;

/* A kind of data set: where samples come from. A new kind (a folder of images, windows of a text)
 * is a new table; views, transforms and the loader work with it as they are.
 *  read     gathers; thread-safe. Positions were checked.
 *  memory   samples of a field that lie one behind the other in memory, or NULL. Saves a copy.
 *  text     the text of a sample, where "x" is text. Valid with the data set; no zero behind it
 *  length   the steps of a sample that are no padding; NULL: all. A set with buckets has it, and
 *           its `read` heeds the request's length
 *  read_part  for samples that are cut from larger pictures: "x" (and "y" where it is a mask) of
 *           the sample at `position`, cut as `choose` tells for a picture of this size. Thread-safe
 *  read_wave  for samples that are computed from recordings: "x" of the sample at `position`,
 *           from the recording as `change` makes it. Thread-safe
 *  release  the end of `state`. */
typedef struct fm_data_source {
    const char *kind;
    fm_status (*read)(const void *state, fm_context *context, const fm_data_request *request);
    const void *(*memory)(const void *state, int field); /* may be NULL */
    fm_status (*read_part)(const void *state, fm_context *context, int64_t position,
                           fm_box (*choose)(void *user, int64_t height, int64_t width), void *user,
                           void *x, void *y); /* may be NULL; y: NULL when it is not wanted */
    const char *(*text)(const void *state, int64_t position, size_t *size); /* may be NULL */
    int64_t (*length)(const void *state, int64_t position);                 /* may be NULL */
    fm_status (*read_wave)(const void *state, fm_context *context, int64_t position,
                           const fm_wave_change *change, void *x); /* may be NULL */
    void (*release)(void *state, fm_context *context);
} fm_data_source;

/* The data set owns `state` from here on, also when this fails. `info` is copied. */
FM_API fm_status fm_dataset_create(fm_context *context, const fm_data_source *source, void *state,
                                   const fm_dataset_info *info, fm_dataset **dataset);

#ifdef __cplusplus
}
#endif
#endif
