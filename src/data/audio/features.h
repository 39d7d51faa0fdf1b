/* The inside of features: tables that are made once, and the memory that one computation needs. */
#ifndef FM_DATA_FEATURES_H
#define FM_DATA_FEATURES_H

#include "base/memory.h"
#include "fathom/audio.h"

/* A triangle over the spectrum: `count` weights from bin `first` on. */
typedef struct fm_mel_band {
    int64_t first, count;
    const float *weights;
} fm_mel_band;

struct fm_features {
    fm_context *context;
    fm_features_options options; /* complete */
    int64_t rate, samples;
    int64_t frame, hop, fft, bins; /* in samples; bins = fft / 2 + 1 */
    int64_t before, padded;        /* samples in front; with those of both edges */
    int64_t frames, columns;       /* columns without deltas */
    int64_t inner;                 /* columns before the cosine transform */
    float decibel;                 /* factor of log10, or 0 */
    size_t plan_bytes;             /* of kissfft's tables */
    fm_arena tables;
    float *window;      /* (frame) */
    fm_mel_band *bands; /* (bands) */
    float *cosines;     /* (coefficients, bands) */
};

/* The tables of mel bands; logs a warning where a band holds no bin. */
fm_status fm_features_make_bands(fm_features *f);

/* Slopes of columns [from, from + count) into those behind them; rows are `stride` long. */
void fm_features_deltas(const fm_features *f, float *rows, int64_t stride, int64_t from,
                        int64_t count);
/* Each of the first `columns` columns by its mean and deviation over the rows. */
void fm_features_per_recording(const fm_features *f, float *rows, int64_t columns);

#endif
