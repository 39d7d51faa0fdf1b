/* A data set of sounds: loaded, fitted and turned into features when they are read,
 * on the thread that reads. */
#ifndef FM_DATA_AUDIO_SOURCE_H
#define FM_DATA_AUDIO_SOURCE_H

#include "data/dataset.h"
#include "fathom/audio.h"

/* Where sounds come from. Thread-safe.
 *  load     sound i, one channel at options->rate
 *  name     of its file, or NULL
 *  release  the end of `state`; may be NULL */
typedef struct fm_sound_maker {
    fm_status (*load)(const void *state, fm_context *context, int64_t i, fm_recording *recording);
    const char *(*name)(const void *state, int64_t i);
    void (*release)(void *state, fm_context *context);
} fm_sound_maker;

/* `labels` is copied, NULL: none. */
typedef struct fm_sound_set_options {
    const char *name, *origin;
    const fm_sound_options *sound; /* complete */
    const fm_sound_maker *maker;
    void *state;
    int64_t count;
    const int32_t *labels;
    const fm_column *classes;
    bool leave_out_broken;
} fm_sound_set_options;

/* Owns `state` from here on, also when this fails. */
fm_status fm_sound_set_create(fm_context *context, const fm_sound_set_options *options,
                              fm_dataset **dataset);

#endif
