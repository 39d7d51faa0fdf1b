#include "base/memory.h"
#include "data/audio/sound.h"

#include <math.h>
#include <string.h>

/* ---- trimming ---- */

/* The mean power of `frame` samples around sample `middle`, zeros outside. */
static double power_around(const fm_recording *r, int64_t middle, int64_t frame)
{
    int64_t first = middle - frame / 2, last = first + frame;
    double sum = 0;
    if (first < 0) first = 0;
    if (last > r->count) last = r->count;
    for (int64_t i = first; i < last; i++) sum += (double)r->samples[i] * (double)r->samples[i];
    return sum / (double)frame;
}

/* McFee et al., librosa 0.11: power_to_db's floor of 1e-10. */
fm_status fm_recording_trim(fm_context *context, double decibels, int64_t frame, int64_t hop,
                            fm_recording *recording)
{
    if (!(decibels > 0) || frame < 1 || hop < 1) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "trim: decibels are larger than 0, windows and their distance at least one "
                       "sample; received %g, %lld and %lld",
                       decibels, (long long)frame, (long long)hop);
    }
    const double least = 1e-10;
    double largest = least;
    int64_t windows = 1 + recording->count / hop, first = -1, last = -1;
    for (int64_t t = 0; t < windows; t++) {
        largest = fmax(largest, power_around(recording, t * hop, frame));
    }
    double threshold = largest * pow(10, -decibels / 10);
    for (int64_t t = 0; t < windows; t++) {
        if (fmax(power_around(recording, t * hop, frame), least) <= threshold) continue;
        if (first < 0) first = t;
        last = t;
    }
    if (first < 0) return FM_OK;
    int64_t begin = first * hop, end = (last + 1) * hop;
    if (end > recording->count) end = recording->count;
    if (begin >= end) return FM_OK;
    memmove(recording->samples, recording->samples + begin,
            (size_t)(end - begin) * sizeof *recording->samples);
    recording->count = end - begin;
    return FM_OK;
}

/* ---- level and place ---- */

void fm_sound_peak(fm_recording *recording)
{
    float largest = 0;
    for (int64_t i = 0; i < recording->count; i++) {
        largest = fmaxf(largest, fabsf(recording->samples[i]));
    }
    if (largest == 0) return;
    for (int64_t i = 0; i < recording->count; i++) recording->samples[i] /= largest;
}

fm_sound_place fm_sound_fit(const fm_recording *recording, fm_align align, int64_t shift,
                            int64_t count, float *to)
{
    int64_t spare = count - recording->count; /* negative where it is cut */
    int64_t start = align == FM_ALIGN_START ? 0 : align == FM_ALIGN_CENTER ? spare / 2 : spare;
    start += shift;
    int64_t first = start < 0 ? 0 : start > count ? count : start;
    int64_t last = start + recording->count;
    last = last < first ? first : last > count ? count : last;
    memset(to, 0, (size_t)count * sizeof *to);
    if (last > first) {
        memcpy(to + first, recording->samples + (first - start),
               (size_t)(last - first) * sizeof *to);
    }
    return (fm_sound_place){first, last};
}
