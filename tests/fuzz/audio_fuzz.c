/* Recordings on any bytes, and what is heard of them. The first byte chooses the channel, the rate
 * and the features; results are touched, so that a wrong size is seen. */
#include "base/memory.h"
#include "data/audio/sound.h"
#include "fathom/audio.h"

/* libsndfile 1.2 leaks what it has begun of a Vorbis stream whose header is cut off: not ours. The
 * sanitizer may be a shared library, which sees what is visible. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:vorbis_info_init\n";
}

static void hear(fm_context *context, uint8_t choice, fm_recording *recording)
{
    static const fm_features_options ways[] = {
        {.kind = FM_FEATURES_LOG_MEL, .bands = 20, .edges = FM_EDGES_REFLECT},
        {.kind = FM_FEATURES_MFCC, .deltas = 2, .per_recording = FM_PER_RECORDING_STANDARDIZE},
        {.kind = FM_FEATURES_SPECTROGRAM, .logarithm = FM_LOGARITHM_DECIBEL, .top_db = 80},
        {.kind = FM_FEATURES_WAVEFORM},
    };
    enum { SAMPLES = 800 };
    static const int rate = 8000;
    float fitted[SAMPLES], *made;
    fm_features *features;
    if (fm_recording_trim(context, 30, 200, 80, recording) != FM_OK) return;
    fm_sound_peak(recording);
    fm_sound_fit(recording, (fm_align)(choice % 3), choice - 128, SAMPLES, fitted);
    if (fm_features_create(context, &ways[choice % 4], rate, SAMPLES, &features) != FM_OK) return;
    made = fm_allocate(context, (size_t)fm_shape_bytes(fm_features_shape(features), FM_F32));
    if (made) (void)fm_features_compute(context, features, fitted, 1, made);
    fm_release(context, made);
    fm_features_destroy(features);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fm_context *context;
    fm_recording recording;
    if (size < 1) return 0;
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK) return 0;
    fm_recording_options options = {
        .channel = bytes[0] / 4 % 3, .rate = bytes[0] & 64 ? 8000 : 0, .max_samples = 1 << 16};
    if (fm_recording_decode(context, "input", bytes + 1, size - 1, &options, &recording) == FM_OK) {
        hear(context, bytes[0], &recording);
    }
    fm_recording_release(context, &recording);
    fm_context_destroy(context);
    return 0;
}
