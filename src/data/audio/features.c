#include "data/audio/features.h"
#include "base/checked.h"
#include "base/fields.h"
#include "data/audio/sound_fields.h"

#include <kiss_fftr.h>
#include <math.h>
#include <string.h>

enum { MOST_FFT = 1 << 20, MOST_SAMPLES = 1 << 26, MOST_OUTPUTS = 1 << 28 };

static const fm_field features_fields[] = {FM_FEATURES_FIELDS(fm_features_options, ), {0}};

/* ---- sizes ---- */

static int64_t in_samples(double milliseconds, int64_t rate)
{
    return llround(milliseconds * (double)rate / 1000);
}

/* kissfft's other factors are slow and take memory while they work. */
static bool is_smooth(int64_t size)
{
    static const int64_t primes[] = {2, 3, 5};
    if (size < 2 || size % 2) return false;
    for (int i = 0; i < 3; i++) {
        while (size % primes[i] == 0) size /= primes[i];
    }
    return size == 1;
}

static fm_status choose_fft(fm_features *f)
{
    f->fft = f->options.fft_size;
    if (f->fft == 0) {
        for (f->fft = 2; f->fft < f->frame;) f->fft *= 2;
    }
    f->bins = f->fft / 2 + 1;
    if (f->fft < f->frame) {
        return fm_fail(f->context, FM_ERROR_ARGUMENT,
                       "features: fft_size of %lld is less than a frame of %lld samples (%g ms at "
                       "%lld a second)",
                       (long long)f->fft, (long long)f->frame, f->options.frame_length,
                       (long long)f->rate);
    }
    if (f->fft <= MOST_FFT && is_smooth(f->fft)) return FM_OK;
    return fm_fail(f->context, FM_ERROR_ARGUMENT,
                   "features: fft_size is even and a product of 2, 3 and 5, at most %d; received "
                   "%lld",
                   MOST_FFT, (long long)f->fft);
}

/* torch.stft's frames for edges: the window lies in the middle of fft_size samples. */
static fm_status choose_frames(fm_features *f)
{
    if (f->options.edges == FM_EDGES_CUT) {
        f->padded = f->samples;
        f->frames = f->samples < f->frame ? 0 : 1 + (f->samples - f->frame) / f->hop;
    } else {
        f->before = f->fft / 2 - (f->fft - f->frame) / 2;
        f->frames = 1 + f->samples / f->hop;
        f->padded = (f->frames - 1) * f->hop + f->frame;
        if (f->padded < f->before + f->samples) f->padded = f->before + f->samples;
    }
    bool reflects = f->options.edges == FM_EDGES_REFLECT;
    if (f->frames > 0 && !(reflects && f->samples <= f->frame)) return FM_OK;
    return fm_fail(f->context, FM_ERROR_SHAPE,
                   "features: recordings of %lld samples are too short for frames of %lld",
                   (long long)f->samples, (long long)f->frame);
}

static fm_status choose_columns(fm_features *f)
{
    const fm_features_options *o = &f->options;
    f->inner = o->kind == FM_FEATURES_SPECTROGRAM ? f->bins : o->bands;
    const int64_t columns[] = {[FM_FEATURES_LOG_MEL] = o->bands,
                               [FM_FEATURES_MFCC] = o->coefficients,
                               [FM_FEATURES_SPECTROGRAM] = f->bins};
    f->columns = columns[o->kind];
    if (o->kind == FM_FEATURES_MFCC && o->coefficients > o->bands) {
        return fm_fail(f->context, FM_ERROR_ARGUMENT,
                       "features: %lld coefficients of %lld bands: at most as many",
                       (long long)o->coefficients, (long long)o->bands);
    }
    if (o->fmin < o->fmax && o->fmax <= (double)f->rate / 2) return FM_OK;
    return fm_fail(
        f->context, FM_ERROR_ARGUMENT,
        "features: bands from fmin to fmax within 0 to half the rate, %g Hz; received %g "
        "and %g",
        (double)f->rate / 2, o->fmin + 0.0, o->fmax);
}

static fm_status choose_sizes(fm_features *f)
{
    fm_features_options *o = &f->options;
    if (f->rate < 1 || f->samples < 1 || f->samples > MOST_SAMPLES) {
        return fm_fail(f->context, FM_ERROR_ARGUMENT,
                       "features: of 1 to %d samples, %lld a second; received %lld", MOST_SAMPLES,
                       (long long)f->rate, (long long)f->samples);
    }
    if (o->kind == FM_FEATURES_WAVEFORM) {
        f->frames = f->padded = f->samples;
        f->columns = 1;
        if (o->deltas == 0) return FM_OK;
        return fm_fail(f->context, FM_ERROR_ARGUMENT, "features: a waveform has no deltas");
    }
    if (o->fmax == 0) o->fmax = (double)f->rate / 2;
    f->frame = in_samples(o->frame_length, f->rate);
    f->hop = in_samples(o->hop_length, f->rate);
    if (f->frame < 2 || f->hop < 1) {
        return fm_fail(f->context, FM_ERROR_ARGUMENT,
                       "features: frames of %g ms every %g ms are %lld and %lld samples at %lld a "
                       "second",
                       o->frame_length, o->hop_length, (long long)f->frame, (long long)f->hop,
                       (long long)f->rate);
    }
    fm_status status = choose_fft(f);
    if (status == FM_OK) status = choose_frames(f);
    if (status == FM_OK) status = choose_columns(f);
    return status;
}

static fm_status check_outputs(const fm_features *f)
{
    size_t outputs;
    bool fits = fm_checked_mul((size_t)f->frames, (size_t)f->columns, &outputs) &&
                fm_checked_mul(outputs, (size_t)(1 + f->options.deltas), &outputs) &&
                outputs <= MOST_OUTPUTS;
    if (f->options.deltas > 0 && f->options.delta_width % 2 == 0) {
        return fm_fail(f->context, FM_ERROR_ARGUMENT,
                       "features: delta_width is an odd number of frames, received %lld",
                       (long long)f->options.delta_width);
    }
    if (fits) return FM_OK;
    return fm_fail(f->context, FM_ERROR_LIMIT, "features: %lld frames of %lld numbers are too many",
                   (long long)f->frames, (long long)f->columns);
}

/* ---- tables ---- */

/* a - (1 - a) cos(2 pi i / frame) */
static fm_status make_window(fm_features *f)
{
    static const double offsets[] = {
        [FM_WINDOW_HANN] = 0.5, [FM_WINDOW_HAMMING] = 0.54, [FM_WINDOW_RECTANGULAR] = 1};
    double a = offsets[f->options.window];
    f->window = fm_arena_allocate(&f->tables, (size_t)f->frame * sizeof *f->window);
    if (!f->window) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < f->frame; i++) {
        f->window[i] = (float)(a - (1 - a) * cos(2 * M_PI * (double)i / (double)f->frame));
    }
    return FM_OK;
}

/* DCT-II, orthonormal: sqrt(2 / B) cos(pi c (b + 1/2) / B), the first row by sqrt(1 / B). */
static fm_status make_cosines(fm_features *f)
{
    int64_t bands = f->options.bands;
    f->cosines = fm_arena_allocate(&f->tables, (size_t)(f->columns * bands) * sizeof *f->cosines);
    if (!f->cosines) return FM_ERROR_MEMORY;
    for (int64_t c = 0; c < f->columns; c++) {
        double factor = sqrt((c ? 2.0 : 1.0) / (double)bands);
        for (int64_t b = 0; b < bands; b++) {
            double angle = M_PI * (double)c * ((double)b + 0.5) / (double)bands;
            f->cosines[c * bands + b] = (float)(factor * cos(angle));
        }
    }
    return FM_OK;
}

static fm_status make_tables(fm_features *f)
{
    const fm_features_options *o = &f->options;
    if (o->kind == FM_FEATURES_WAVEFORM) return FM_OK;
    (void)kiss_fftr_alloc((int)f->fft, 0, NULL, &f->plan_bytes);
    f->decibel = o->logarithm == FM_LOGARITHM_DECIBEL ? (float)(20 / o->power) : 0;
    fm_status status = make_window(f);
    if (status == FM_OK && o->kind != FM_FEATURES_SPECTROGRAM) status = fm_features_make_bands(f);
    if (status == FM_OK && o->kind == FM_FEATURES_MFCC) status = make_cosines(f);
    return status;
}

fm_status fm_features_create(fm_context *context, const fm_features_options *options, int64_t rate,
                             int64_t samples, fm_features **features)
{
    *features = NULL;
    fm_features *f = fm_allocate_zeroed(context, sizeof *f);
    if (!f) return FM_ERROR_MEMORY;
    *f = (fm_features){
        .context = context, .rate = rate, .samples = samples, .tables = {.context = context}};
    if (options) f->options = *options;
    fm_status status = fm_fields_complete(context, features_fields, &f->options, "features");
    if (status == FM_OK) status = choose_sizes(f);
    if (status == FM_OK) status = check_outputs(f);
    if (status == FM_OK) status = make_tables(f);
    if (status != FM_OK) {
        fm_features_destroy(f);
        return status;
    }
    *features = f;
    return FM_OK;
}

void fm_features_destroy(fm_features *features)
{
    if (!features) return;
    fm_context *context = features->context;
    fm_arena_release(&features->tables);
    fm_release(context, features);
}

fm_shape fm_features_shape(const fm_features *features)
{
    return FM_SHAPE(features->frames, features->columns * (1 + features->options.deltas));
}

/* ---- computing ---- */

/* Memory of one call. */
typedef struct work {
    kiss_fftr_cfg plan;
    float *wave;            /* (padded) */
    float *frame;           /* (fft) */
    kiss_fft_cpx *spectrum; /* (bins) */
    float *power;           /* (bins) */
    float *rows;            /* (frames, inner) */
    void *memory;
} work;

static fm_status take_work(fm_context *context, const fm_features *f, work *w)
{
    size_t sizes[] = {f->plan_bytes,
                      (size_t)f->padded * sizeof(float),
                      (size_t)f->fft * sizeof(float),
                      (size_t)f->bins * sizeof(kiss_fft_cpx),
                      (size_t)f->bins * sizeof(float),
                      (size_t)(f->frames * f->inner) * sizeof(float)};
    size_t at[7] = {0};
    for (int i = 0; i < 6; i++) at[i + 1] = at[i] + fm_round_up(sizes[i], FM_ALIGNMENT);
    char *memory = fm_allocate(context, at[6]);
    if (!memory) return FM_ERROR_MEMORY;
    size_t plan_bytes = f->plan_bytes;
    *w = (work){.plan = kiss_fftr_alloc((int)f->fft, 0, memory, &plan_bytes),
                .wave = (float *)(void *)(memory + at[1]),
                .frame = (float *)(void *)(memory + at[2]),
                .spectrum = (kiss_fft_cpx *)(void *)(memory + at[3]),
                .power = (float *)(void *)(memory + at[4]),
                .rows = (float *)(void *)(memory + at[5]),
                .memory = memory};
    return FM_OK;
}

static void fill_wave(const fm_features *f, const float *samples, float *wave)
{
    float emphasis = (float)f->options.pre_emphasis;
    float *to = wave + f->before;
    int64_t n = f->samples, after = f->padded - f->before - n;
    to[0] = samples[0];
    for (int64_t i = 1; i < n; i++) to[i] = samples[i] - emphasis * samples[i - 1];
    bool reflects = f->options.edges == FM_EDGES_REFLECT;
    for (int64_t i = 1; i <= f->before; i++) to[-i] = reflects ? to[i] : 0;
    for (int64_t i = 0; i < after; i++) to[n + i] = reflects ? to[n - 2 - i] : 0;
}

/* |X|^power of the frame that begins there. */
static void transform_frame(const fm_features *f, const float *wave, const work *w)
{
    for (int64_t i = 0; i < f->frame; i++) w->frame[i] = wave[i] * f->window[i];
    for (int64_t i = f->frame; i < f->fft; i++) w->frame[i] = 0;
    kiss_fftr(w->plan, w->frame, w->spectrum);
    float power = (float)f->options.power;
    for (int64_t k = 0; k < f->bins; k++) {
        kiss_fft_cpx x = w->spectrum[k];
        float square = x.r * x.r + x.i * x.i;
        w->power[k] = power == 2 ? square : power == 1 ? sqrtf(square) : powf(square, power / 2);
    }
}

static void gather_bands(const fm_features *f, const float *power, float *to)
{
    for (int64_t b = 0; b < f->options.bands; b++) {
        const fm_mel_band *band = &f->bands[b];
        float sum = 0;
        for (int64_t i = 0; i < band->count; i++) sum += band->weights[i] * power[band->first + i];
        to[b] = sum;
    }
}

static void take_logarithms(const fm_features *f, float *values, int64_t count)
{
    const fm_features_options *o = &f->options;
    float least = (float)o->floor, largest = -INFINITY;
    if (o->logarithm == FM_LOGARITHM_NONE) return;
    for (int64_t i = 0; i < count; i++) {
        float v = fmaxf(values[i], least);
        values[i] = f->decibel > 0 ? f->decibel * log10f(v) : logf(v);
        largest = fmaxf(largest, values[i]);
    }
    if (o->top_db == 0 || f->decibel == 0) return;
    for (int64_t i = 0; i < count; i++) values[i] = fmaxf(values[i], largest - (float)o->top_db);
}

/* (frames, bands) to (frames, columns), rows `stride` apart. */
static void transform_cosines(const fm_features *f, const float *mel, float *to, int64_t stride)
{
    int64_t bands = f->options.bands;
    for (int64_t t = 0; t < f->frames; t++) {
        for (int64_t c = 0; c < f->columns; c++) {
            const float *from = mel + t * bands, *cosines = f->cosines + c * bands;
            float sum = 0;
            for (int64_t b = 0; b < bands; b++) sum += from[b] * cosines[b];
            to[t * stride + c] = sum;
        }
    }
}

static void compute_one(const fm_features *f, const float *samples, const work *w, float *to)
{
    int kind = f->options.kind;
    int64_t stride = f->columns * (1 + f->options.deltas);
    bool direct = kind != FM_FEATURES_MFCC && stride == f->inner;
    float *rows = direct ? to : w->rows; /* (frames, inner) */
    fill_wave(f, samples, w->wave);
    for (int64_t t = 0; t < f->frames; t++) {
        float *row = rows + t * f->inner;
        transform_frame(f, w->wave + t * f->hop, w);
        if (kind == FM_FEATURES_SPECTROGRAM) {
            memcpy(row, w->power, (size_t)f->bins * sizeof *row);
        } else {
            gather_bands(f, w->power, row);
        }
    }
    take_logarithms(f, rows, f->frames * f->inner);
    if (kind == FM_FEATURES_MFCC) transform_cosines(f, rows, to, stride);
    for (int64_t t = 0; kind != FM_FEATURES_MFCC && !direct && t < f->frames; t++) {
        memcpy(to + t * stride, rows + t * f->inner, (size_t)f->inner * sizeof *to);
    }
    for (int64_t d = 0; d < f->options.deltas; d++) {
        fm_features_deltas(f, to, stride, d * f->columns, f->columns);
    }
    fm_features_per_recording(f, to, stride);
}

fm_status fm_features_compute(fm_context *context, const fm_features *features,
                              const float *recordings, int64_t count, float *to)
{
    const fm_features *f = features;
    size_t outputs = (size_t)fm_shape_elements(fm_features_shape(f));
    if (f->options.kind == FM_FEATURES_WAVEFORM) {
        for (int64_t i = 0; i < count; i++, recordings += f->samples, to += outputs) {
            fill_wave(f, recordings, to);
            fm_features_per_recording(f, to, 1);
        }
        return FM_OK;
    }
    work w;
    fm_status status = take_work(context, f, &w);
    if (status != FM_OK) return status;
    for (int64_t i = 0; i < count; i++) {
        compute_one(f, recordings + i * f->samples, &w, to + (size_t)i * outputs);
    }
    fm_release(context, w.memory);
    return FM_OK;
}
