/* Recordings in a build without libsndfile, libsamplerate and kissfft. */
#include "base/context.h"
#include "fathom/audio.h"

#ifndef FATHOM_HAVE_AUDIO

static fm_status refuse(fm_context *context, const char *what)
{
    return fm_fail(context, FM_ERROR_UNSUPPORTED,
                   "%s: this build knows no sound: it was configured without FATHOM_AUDIO", what);
}

fm_status fm_recording_read(fm_context *context, const char *path,
                            const fm_recording_options *options, fm_recording *recording)
{
    (void)options;
    *recording = (fm_recording){0};
    return refuse(context, path);
}

fm_status fm_recording_decode(fm_context *context, const char *name, const void *bytes, size_t size,
                              const fm_recording_options *options, fm_recording *recording)
{
    (void)bytes;
    (void)size;
    return fm_recording_read(context, name, options, recording);
}

void fm_recording_release(fm_context *context, fm_recording *recording)
{
    (void)context;
    if (recording) *recording = (fm_recording){0};
}

bool fm_recording_is_named(const char *path)
{
    (void)path;
    return false;
}

fm_status fm_recording_resample(fm_context *context, int64_t rate, fm_recording *recording)
{
    (void)rate;
    (void)recording;
    return refuse(context, "resampling");
}

fm_status fm_recording_trim(fm_context *context, double decibels, int64_t frame, int64_t hop,
                            fm_recording *recording)
{
    (void)decibels;
    (void)frame;
    (void)hop;
    (void)recording;
    return refuse(context, "trim");
}

fm_status fm_features_create(fm_context *context, const fm_features_options *options, int64_t rate,
                             int64_t samples, fm_features **features)
{
    (void)options;
    (void)rate;
    (void)samples;
    *features = NULL;
    return refuse(context, "features");
}

fm_shape fm_features_shape(const fm_features *features)
{
    (void)features;
    return (fm_shape){0};
}

fm_status fm_features_compute(fm_context *context, const fm_features *features,
                              const float *recordings, int64_t count, float *to)
{
    (void)features;
    (void)recordings;
    (void)count;
    (void)to;
    return refuse(context, "features");
}

void fm_features_destroy(fm_features *features)
{
    (void)features;
}

fm_status fm_dataset_recordings(fm_context *context, const fm_recordings_options *options,
                                const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    (void)options;
    (void)places;
    *train = NULL;
    if (test) *test = NULL;
    return refuse(context, "recordings");
}

fm_status fm_dataset_tones(fm_context *context, const fm_tones_options *options, fm_dataset **train,
                           fm_dataset **test)
{
    (void)options;
    *train = NULL;
    if (test) *test = NULL;
    return refuse(context, "tones");
}

fm_status fm_dataset_recording_files(fm_context *context, const char *const *paths, int count,
                                     const fm_sound_options *like, fm_dataset **dataset)
{
    (void)paths;
    (void)count;
    (void)like;
    *dataset = NULL;
    return refuse(context, "recordings");
}

const char *fm_recording_file_name(const fm_dataset *dataset, int64_t index)
{
    (void)dataset;
    (void)index;
    return NULL;
}

#endif
