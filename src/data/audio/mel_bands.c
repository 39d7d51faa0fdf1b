#include "data/audio/features.h"

#include <math.h>

/* ---- scales ---- */

static double htk_mel(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

static double htk_hertz(double mel)
{
    return 700 * (pow(10, mel / 2595) - 1);
}

/* 200 / 3 Hz a mel up to 1 kHz, then 27 mels for each factor of 6.4. */
static const double slaney_step = 200.0 / 3, slaney_knee = 1000;

static double slaney_mel(double hertz)
{
    if (hertz < slaney_knee) return hertz / slaney_step;
    return slaney_knee / slaney_step + log(hertz / slaney_knee) * 27 / log(6.4);
}

static double slaney_hertz(double mel)
{
    double knee = slaney_knee / slaney_step;
    return mel < knee ? mel * slaney_step : slaney_knee * exp((mel - knee) * log(6.4) / 27);
}

typedef struct scale {
    double (*mel)(double hertz);
    double (*hertz)(double mel);
} scale;

static const scale scales[] = {
    [FM_MEL_HTK] = {htk_mel, htk_hertz},
    [FM_MEL_SLANEY] = {slaney_mel, slaney_hertz},
};

/* ---- bands ---- */

/* Corner k of bands + 2, equally far apart in mel. */
static double corner(const fm_features *f, int64_t k)
{
    const scale *s = &scales[f->options.mel_scale];
    double low = s->mel(f->options.fmin), high = s->mel(f->options.fmax);
    return s->hertz(low + (high - low) * (double)k / (double)(f->options.bands + 1));
}

static double weight(double hertz, const double corners[3])
{
    double rise = (hertz - corners[0]) / (corners[1] - corners[0]);
    double fall = (corners[2] - hertz) / (corners[2] - corners[1]);
    return fmax(0, fmin(rise, fall));
}

static fm_status make_band(fm_features *f, int64_t k, fm_mel_band *band)
{
    double corners[3] = {corner(f, k), corner(f, k + 1), corner(f, k + 2)};
    double height = f->options.mel_norm == FM_MEL_NORM_AREA ? 2 / (corners[2] - corners[0]) : 1;
    double step = (double)f->rate / (double)f->fft;
    int64_t first = (int64_t)ceil(corners[0] / step), last = (int64_t)floor(corners[2] / step);
    if (last > f->bins - 1) last = f->bins - 1;
    int64_t count = last < first ? 0 : last - first + 1;
    float *weights = fm_arena_allocate(&f->tables, (size_t)count * sizeof *weights);
    if (!weights) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < count; i++) {
        weights[i] = (float)(height * weight((double)(first + i) * step, corners));
    }
    *band = (fm_mel_band){first, count, weights};
    return FM_OK;
}

static bool is_empty(const fm_mel_band *band)
{
    for (int64_t i = 0; i < band->count; i++) {
        if (band->weights[i] > 0) return false;
    }
    return true;
}

fm_status fm_features_make_bands(fm_features *f)
{
    int64_t bands = f->options.bands, empty = 0;
    f->bands = fm_arena_allocate(&f->tables, (size_t)bands * sizeof *f->bands);
    if (!f->bands) return FM_ERROR_MEMORY;
    for (int64_t k = 0; k < bands; k++) {
        fm_status status = make_band(f, k, &f->bands[k]);
        if (status != FM_OK) return status;
        empty += is_empty(&f->bands[k]);
    }
    if (empty > 0) {
        fm_report(f->context, FM_LOG_WARNING,
                  "%lld of %lld mel bands are too narrow to hold a frequency of an FFT of %lld "
                  "samples: take fewer bands or a larger fft_size",
                  (long long)empty, (long long)bands, (long long)f->fft);
    }
    return FM_OK;
}
