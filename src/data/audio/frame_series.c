/* What is computed from features along time. */
#include "data/audio/features.h"

#include <math.h>

/* sum n (c[t + n] - c[t - n]) / (2 sum n^2) over n = 1 .. (width - 1) / 2, edge frames repeated:
 * HTK's and torchaudio's. */
void fm_features_deltas(const fm_features *f, float *rows, int64_t stride, int64_t from,
                        int64_t count)
{
    int64_t most = (f->options.delta_width - 1) / 2, last = f->frames - 1;
    float weights = 0;
    for (int64_t n = 1; n <= most; n++) weights += 2 * (float)(n * n);
    for (int64_t t = 0; t < f->frames; t++) {
        for (int64_t c = from; c < from + count; c++) {
            float sum = 0;
            for (int64_t n = 1; n <= most; n++) {
                int64_t later = t + n > last ? last : t + n, earlier = t - n < 0 ? 0 : t - n;
                sum += (float)n * (rows[later * stride + c] - rows[earlier * stride + c]);
            }
            rows[t * stride + c + count] = sum / weights;
        }
    }
}

void fm_features_per_recording(const fm_features *f, float *rows, int64_t columns)
{
    if (f->options.per_recording == FM_PER_RECORDING_NONE) return;
    for (int64_t c = 0; c < columns; c++) {
        double sum = 0, squares = 0, frames = (double)f->frames;
        for (int64_t t = 0; t < f->frames; t++) sum += (double)rows[t * columns + c];
        double mean = sum / frames;
        for (int64_t t = 0; t < f->frames; t++) {
            double d = (double)rows[t * columns + c] - mean;
            squares += d * d;
        }
        double deviation = sqrt(squares / frames);
        bool divides = f->options.per_recording == FM_PER_RECORDING_STANDARDIZE && deviation > 0;
        for (int64_t t = 0; t < f->frames; t++) {
            double d = (double)rows[t * columns + c] - mean;
            rows[t * columns + c] = (float)(divides ? d / deviation : d);
        }
    }
}
