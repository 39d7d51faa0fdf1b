#include "base/memory.h"
#include "data/audio/sound.h"

#include <limits.h>
#include <math.h>
#include <samplerate.h>

fm_status fm_sound_stretch(fm_context *context, double ratio, fm_recording *recording)
{
    double wanted = ceil((double)recording->count * ratio);
    if (wanted < 1) wanted = 1;
    if (wanted > (double)(LONG_MAX / 8) || recording->count > LONG_MAX / 8) {
        return fm_fail(context, FM_ERROR_LIMIT,
                       "a recording of %g samples does not fit into memory", wanted);
    }
    int64_t count = (int64_t)wanted;
    float *to = fm_allocate_array(context, (size_t)count, sizeof *to);
    if (!to) return fm_error_status(context);
    SRC_DATA work = {.data_in = recording->samples,
                     .data_out = to,
                     .input_frames = (long)recording->count,
                     .output_frames = (long)count,
                     .src_ratio = ratio};
    int code = src_simple(&work, SRC_SINC_MEDIUM_QUALITY, 1);
    if (code != 0) {
        fm_release(context, to);
        return fm_fail(context, FM_ERROR_MEMORY, "resampling: %s", src_strerror(code));
    }
    for (int64_t i = work.output_frames_gen; i < count; i++) to[i] = 0;
    fm_release(context, recording->samples);
    recording->samples = to;
    recording->count = count;
    return FM_OK;
}

fm_status fm_recording_resample(fm_context *context, int64_t rate, fm_recording *recording)
{
    if (rate == recording->rate) return FM_OK;
    double ratio = (double)rate / (double)recording->rate;
    if (rate < 1 || !src_is_valid_ratio(ratio)) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%lld samples a second cannot become %lld: at most 256 times more or fewer",
                       (long long)recording->rate, (long long)rate);
    }
    fm_status status = fm_sound_stretch(context, ratio, recording);
    if (status == FM_OK) recording->rate = rate;
    return status;
}
