#include "support/fixture.h"
#include "base/memory.h"
#include "data/audio/sound.h"
#include "fathom/audio.h"
#include "golden/audio_golden.h"

enum { RATE = 8000, COUNT = 1200 };

/* ---- against librosa and NumPy ---- */

static void check_golden(fixture *f, const fm_features_options *options, int64_t frames,
                         int64_t columns, const float *golden, float tolerance)
{
    fm_features *features;
    assert_ok(f->context, fm_features_create(f->context, options, RATE, COUNT, &features));
    assert_true(fm_shape_equal(fm_features_shape(features), FM_SHAPE(frames, columns)));
    size_t count = (size_t)(frames * columns);
    float *made = malloc(2 * count * sizeof *made), both[2 * COUNT];
    memcpy(both, golden_recording, sizeof both / 2);
    memcpy(both + COUNT, golden_recording, sizeof both / 2);
    assert_ok(f->context, fm_features_compute(f->context, features, both, 2, made));
    for (size_t i = 0; i < count; i++) {
        if (fabsf(made[i] - golden[i]) <= tolerance) continue;
        fail_msg("frame %zu, column %zu: %g, expected %g", i / (size_t)columns, i % (size_t)columns,
                 (double)made[i], (double)golden[i]);
    }
    assert_memory_equal(made, made + count, count * sizeof *made);
    free(made);
    fm_features_destroy(features);
}

static void features_are_librosas(void **state)
{
    fixture *f = *state;
    check_golden(f, &(fm_features_options){.bands = 20, .edges = FM_EDGES_ZEROS}, 16, 20,
                 golden_mel_htk, 2e-4f);
    check_golden(f,
                 &(fm_features_options){.frame_length = 30,
                                        .hop_length = 12.5,
                                        .fft_size = 480,
                                        .window = FM_WINDOW_HAMMING,
                                        .edges = FM_EDGES_REFLECT,
                                        .bands = 24,
                                        .fmin = 50,
                                        .fmax = 3500,
                                        .mel_scale = FM_MEL_SLANEY,
                                        .mel_norm = FM_MEL_NORM_AREA,
                                        .logarithm = FM_LOGARITHM_DECIBEL,
                                        .top_db = 60},
                 13, 24, golden_mel_slaney, 1e-3f);
    check_golden(f,
                 &(fm_features_options){.kind = FM_FEATURES_MFCC,
                                        .frame_length = 32,
                                        .hop_length = 16,
                                        .edges = FM_EDGES_ZEROS,
                                        .bands = 32,
                                        .mel_scale = FM_MEL_SLANEY,
                                        .mel_norm = FM_MEL_NORM_AREA,
                                        .logarithm = FM_LOGARITHM_DECIBEL,
                                        .top_db = 80},
                 10, 13, golden_mfcc, 2e-3f);
}

static void features_are_as_defined(void **state)
{
    fixture *f = *state;
    check_golden(f,
                 &(fm_features_options){
                     .kind = FM_FEATURES_SPECTROGRAM, .power = 1, .logarithm = FM_LOGARITHM_NONE},
                 13, 129, golden_magnitudes, 2e-5f);
    check_golden(f,
                 &(fm_features_options){.kind = FM_FEATURES_MFCC,
                                        .pre_emphasis = 0.97,
                                        .bands = 26,
                                        .fmin = 20,
                                        .fmax = 3800,
                                        .coefficients = 12,
                                        .deltas = 2,
                                        .per_recording = FM_PER_RECORDING_STANDARDIZE},
                 13, 36, golden_speech, 1e-3f);
    check_golden(f, &(fm_features_options){.kind = FM_FEATURES_WAVEFORM}, COUNT, 1,
                 golden_recording, 0);
}

/* Pre-emphasis, then mean 0 and deviation 1. */
static void waveforms_are_prepared_too(void **state)
{
    fixture *f = *state;
    fm_features_options options = {.kind = FM_FEATURES_WAVEFORM, .pre_emphasis = 0.5};
    for (int k = 0; k < 2; k++) {
        fm_features *features;
        assert_ok(f->context, fm_features_create(f->context, &options, RATE, 3, &features));
        float made[6];
        const float recordings[] = {1, 2, 5, 0, 2, 1};
        const double plain[] = {1, 1.5, 4, 0, 2, 0}, root = sqrt(31.0 / 18);
        const double standard[] = {-7 / (6 * root), -4 / (6 * root), 11 / (6 * root),
                                   -sqrt(0.5),      sqrt(2),         -sqrt(0.5)};
        assert_ok(f->context, fm_features_compute(f->context, features, recordings, 2, made));
        for (int i = 0; i < 6; i++) assert_near((double)made[i], (k ? standard : plain)[i], 1e-6);
        fm_features_destroy(features);
        options.per_recording = FM_PER_RECORDING_STANDARDIZE;
    }
}

/* A spectrogram's columns, then their slopes, then their means are 0. */
static void spectrograms_have_deltas_too(void **state)
{
    fixture *f = *state;
    fm_features_options options = {
        .kind = FM_FEATURES_SPECTROGRAM, .deltas = 1, .per_recording = FM_PER_RECORDING_MEAN};
    fm_features *features;
    assert_ok(f->context, fm_features_create(f->context, &options, RATE, COUNT, &features));
    float made[13 * 258];
    assert_ok(f->context, fm_features_compute(f->context, features, golden_recording, 1, made));
    for (int c = 0; c < 258; c++) {
        double sum = 0;
        for (int t = 0; t < 13; t++) sum += (double)made[t * 258 + c];
        assert_near(sum, 0, 1e-4);
    }
    float slope = (made[7 * 258] - made[5 * 258] + 2 * (made[8 * 258] - made[4 * 258])) / 10;
    float other = (made[6 * 258] - made[4 * 258] + 2 * (made[7 * 258] - made[3 * 258])) / 10;
    assert_near((double)(made[6 * 258 + 129] - made[5 * 258 + 129]), (double)(slope - other), 1e-5);
    fm_features_destroy(features);
}

/* ---- what does not go together ---- */

static void options_are_checked(void **state)
{
    fixture *f = *state;
    static const struct {
        fm_features_options options;
        fm_status status;
        const char *words;
    } rows[] = {
        {{.fft_size = 128}, FM_ERROR_ARGUMENT, "fft_size of 128 is less than a frame of 200"},
        {{.fft_size = 254}, FM_ERROR_ARGUMENT, "even and a product of 2, 3 and 5"},
        {{.fft_size = 225}, FM_ERROR_ARGUMENT, "even and a product of 2, 3 and 5"},
        {{.frame_length = 200}, FM_ERROR_SHAPE, "1200 samples are too short for frames of 1600"},
        {{.hop_length = 0.05}, FM_ERROR_ARGUMENT, "hop_length must lie between 0.1"},
        {{.hop_length = 0.1, .fmin = 5000},
         FM_ERROR_ARGUMENT,
         "within 0 to half the rate, 4000 Hz"},
        {{.fmax = 4001}, FM_ERROR_ARGUMENT, "received 0 and 4001"},
        {{.kind = FM_FEATURES_MFCC, .coefficients = 41},
         FM_ERROR_ARGUMENT,
         "41 coefficients of 40 bands"},
        {{.deltas = 1, .delta_width = 4}, FM_ERROR_ARGUMENT, "delta_width is an odd number"},
        {{.kind = FM_FEATURES_WAVEFORM, .deltas = 1},
         FM_ERROR_ARGUMENT,
         "a waveform has no deltas"},
        {{.window = 9}, FM_ERROR_ARGUMENT, "window"},
    };
    fm_features *features;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_fails(f->context, rows[i].status, rows[i].words,
                     fm_features_create(f->context, &rows[i].options, RATE, COUNT, &features));
        assert_null(features);
    }
    assert_fails(f->context, FM_ERROR_ARGUMENT, "features: of 1 to",
                 fm_features_create(f->context, NULL, RATE, 0, &features));
    assert_ok(f->context, fm_features_create(f->context, &(fm_features_options){.bands = 128}, RATE,
                                             COUNT, &features));
    assert_non_null(strstr(f->last_log, "of 128 mel bands are too narrow"));
    fm_features_destroy(features);
    fm_features_destroy(NULL);
}

static fm_status make_and_compute(fm_context *context, void *argument)
{
    fm_features *features;
    float made[13 * 36];
    fm_status status = fm_features_create(context, argument, RATE, COUNT, &features);
    if (status != FM_OK) return status;
    status = fm_features_compute(context, features, golden_recording, 1, made);
    fm_features_destroy(features);
    return status;
}

static void memory_may_fail(void **state)
{
    fixture *f = *state;
    fm_features_options options = {
        .kind = FM_FEATURES_MFCC, .bands = 13, .coefficients = 12, .deltas = 2};
    assert_true(fail_each_allocation(f, make_and_compute, &options) >= 3);
}

/* ---- waves ---- */

static fm_recording recording_of(fixture *f, const float *samples, int64_t count, int64_t rate)
{
    fm_recording r = {count, rate, NULL};
    (void)f;
    r.samples = (float *)(void *)fm_copy_bytes(f->context, samples, (size_t)count * sizeof(float));
    return r;
}

static void trimming_is_librosas(void **state)
{
    fixture *f = *state;
    float quiet[4000];
    for (int i = 0; i < 4000; i++) {
        quiet[i] = 0.001f * (float)sin(0.3 * i);
        if (i >= 1500 && i < 2700) quiet[i] += golden_recording[i - 1500];
    }
    for (int k = 0; k < 2; k++) {
        fm_recording r = recording_of(f, quiet, 4000, RATE);
        assert_ok(f->context, fm_recording_trim(f->context, k ? 60 : 20, 200, 80, &r));
        assert_int_equal(r.count, golden_trim[2 * k + 1] - golden_trim[2 * k]);
        assert_memory_equal(r.samples, quiet + golden_trim[2 * k], (size_t)r.count * sizeof(float));
        fm_recording_release(f->context, &r);
    }
    float silence[100] = {0};
    fm_recording r = recording_of(f, silence, 100, RATE);
    assert_ok(f->context, fm_recording_trim(f->context, 20, 50, 20, &r));
    assert_int_equal(r.count, 100);
    fm_sound_peak(&r);
    assert_true(r.samples[0] == 0);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "decibels are larger than 0",
                 fm_recording_trim(f->context, 0, 50, 20, &r));
    fm_recording_release(f->context, &r);
}

/* The power of `samples` at this frequency and everywhere. */
static double share_at(const float *samples, int64_t count, double hertz, double rate)
{
    double re = 0, im = 0, all = 0;
    for (int64_t i = 0; i < count; i++) {
        double angle = 6.283185307179586 * hertz * (double)i / rate, s = (double)samples[i];
        re += s * cos(angle);
        im += s * sin(angle);
        all += s * s;
    }
    return 2 * (re * re + im * im) / ((double)count * all);
}

static void tones_survive_resampling(void **state)
{
    fixture *f = *state;
    static const struct {
        int64_t from, to;
        double hertz;
    } rows[] = {{44100, 16000, 440}, {8000, 16000, 1000}, {48000, 8000, 3000}, {11025, 8000, 700}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        int64_t count = rows[k].from / 2;
        float *tone = malloc((size_t)count * sizeof *tone);
        for (int64_t i = 0; i < count; i++) {
            tone[i] =
                (float)sin(6.283185307179586 * rows[k].hertz * (double)i / (double)rows[k].from);
        }
        fm_recording r = recording_of(f, tone, count, rows[k].from);
        assert_ok(f->context, fm_recording_resample(f->context, rows[k].to, &r));
        assert_int_equal(r.rate, rows[k].to);
        assert_int_equal(r.count, (count * rows[k].to + rows[k].from - 1) / rows[k].from);
        int64_t edge = r.count / 10;
        double share =
            share_at(r.samples + edge, r.count - 2 * edge, rows[k].hertz, (double)rows[k].to);
        assert_true(share > 0.9999);
        fm_recording_release(f->context, &r);
        free(tone);
    }
}

/* What the lower rate cannot hold is gone and not folded. */
static void resampling_does_not_alias(void **state)
{
    fixture *f = *state;
    float tone[16000];
    for (int i = 0; i < 16000; i++) tone[i] = (float)sin(6.283185307179586 * 6000 * i / 16000.0);
    fm_recording r = recording_of(f, tone, 16000, 16000);
    assert_ok(f->context, fm_recording_resample(f->context, 8000, &r));
    for (int64_t i = 500; i < r.count - 500; i++) assert_true(fabsf(r.samples[i]) < 1e-4f);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "8000 samples a second cannot become 20",
                 fm_recording_resample(f->context, 20, &r));
    fm_recording_release(f->context, &r);
}

static void recordings_are_fitted(void **state)
{
    fixture *f = *state;
    fm_recording r = recording_of(f, (const float[]){1, 2, 3}, 3, RATE);
    float to[5];
    static const struct {
        fm_align align;
        int64_t shift, count, first, last;
        float wanted[5];
    } rows[] = {
        {FM_ALIGN_START, 0, 5, 0, 3, {1, 2, 3, 0, 0}},
        {FM_ALIGN_CENTER, 0, 5, 1, 4, {0, 1, 2, 3, 0}},
        {FM_ALIGN_END, 0, 5, 2, 5, {0, 0, 1, 2, 3}},
        {FM_ALIGN_START, 0, 2, 0, 2, {1, 2}},
        {FM_ALIGN_END, 0, 2, 0, 2, {2, 3}},
        {FM_ALIGN_CENTER, 0, 1, 0, 1, {2}},
        {FM_ALIGN_START, 1, 2, 1, 2, {0, 1}},
        {FM_ALIGN_START, -1, 5, 0, 2, {2, 3, 0, 0, 0}},
        {FM_ALIGN_START, 9, 5, 5, 5, {0, 0, 0, 0, 0}},
        {FM_ALIGN_START, -9, 2, 0, 0, {0, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fm_sound_place place = fm_sound_fit(&r, rows[i].align, rows[i].shift, rows[i].count, to);
        assert_int_equal(place.first, rows[i].first);
        assert_int_equal(place.last, rows[i].last);
        assert_memory_equal(to, rows[i].wanted, (size_t)rows[i].count * sizeof *to);
    }
    fm_sound_peak(&r);
    assert_true(r.samples[2] == 1);
    fm_recording_release(f->context, &r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(features_are_librosas),      fixture_test(features_are_as_defined),
        fixture_test(waveforms_are_prepared_too), fixture_test(spectrograms_have_deltas_too),
        fixture_test(options_are_checked),        fixture_test(memory_may_fail),
        fixture_test(trimming_is_librosas),       fixture_test(tones_survive_resampling),
        fixture_test(resampling_does_not_alias),  fixture_test(recordings_are_fitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
