/* Recordings on their way to samples: what is done with the wave. */
#ifndef FM_DATA_SOUND_H
#define FM_DATA_SOUND_H

#include "fathom/audio.h"

/* The same sound in `ratio` times as many samples, so higher or lower; the rate stays. */
fm_status fm_sound_stretch(fm_context *context, double ratio, fm_recording *recording);

/* So that the largest sample is 1; silence stays. */
void fm_sound_peak(fm_recording *recording);

/* Which samples of the result are the recording's: [first, last). */
typedef struct fm_sound_place {
    int64_t first, last;
} fm_sound_place;

/* `count` samples, silence around what is shorter; moved by `shift` samples, later is positive. */
fm_sound_place fm_sound_fit(const fm_recording *recording, fm_align align, int64_t shift,
                            int64_t count, float *to);

#endif
