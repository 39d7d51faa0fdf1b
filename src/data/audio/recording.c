#include "data/audio/recording.h"
#include "base/fields.h"
#include "base/file.h"
#include "data/audio/mpeg_frames.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_BYTES = 1 << 30, MAX_SAMPLES = 1 << 26, MAX_CHANNELS = 64, MOST_RATE = 1 << 20 };

/* A mark at the file's beginning, for containers another behind their size, or a look at it; what
 * is checked before the decoder sees it. */
typedef struct format {
    const char *kind, *mark, *inner;
    bool (*begins)(const fm_hearing *h); /* without a mark */
    fm_status (*check)(const fm_hearing *h);
    fm_status (*decode)(fm_hearing *h);
} format;

static const format formats[] = {
    {"WAV", "RIFF", "WAVE", NULL, fm_check_chunks, fm_sndfile_decode},
    {"WAV", "RIFX", "WAVE", NULL, fm_check_chunks, fm_sndfile_decode},
    {"WAV", "RF64", "WAVE", NULL, fm_check_chunks, fm_sndfile_decode},
    {"AIFF", "FORM", "AIFF", NULL, fm_check_chunks, fm_sndfile_decode},
    {"AIFF", "FORM", "AIFC", NULL, fm_check_chunks, fm_sndfile_decode},
    {"Ogg", "OggS", NULL, NULL, fm_check_pages, fm_sndfile_decode},
    {"FLAC", "fLaC", NULL, NULL, NULL, fm_sndfile_decode},
    {"AU", ".snd", NULL, NULL, NULL, fm_sndfile_decode},
    {"MP3", NULL, NULL, fm_mpeg_begins, NULL, fm_mpeg_decode},
};
enum { FORMAT_COUNT = sizeof formats / sizeof formats[0], MARK = 4, INNER_AT = 8 };

bool fm_recording_is_named(const char *path)
{
    static const char *const endings[] = {"wav", "mp3",  "flac", "ogg", "oga", "opus",
                                          "aif", "aiff", "aifc", "au",  "snd", NULL};
    return fm_has_ending(path, endings);
}

const fm_file_kind fm_recording_files = {
    "recordings", "names that end with .wav, .mp3, .flac, .ogg, .opus, .aiff or .au",
    fm_recording_is_named};

void fm_recording_release(fm_context *context, fm_recording *recording)
{
    if (!recording) return;
    fm_release(context, recording->samples);
    *recording = (fm_recording){0};
}

fm_status fm_hearing_fail(const fm_hearing *h, const char *pattern, ...)
{
    char words[200];
    va_list list;
    va_start(list, pattern);
    vsnprintf(words, sizeof words, pattern, list);
    va_end(list);
    return fm_fail(h->context, FM_ERROR_FORMAT, "%s: broken %s file: %s", h->name, h->kind, words);
}

/* ---- what decoders tell ---- */

fm_status fm_hearing_open(fm_hearing *h, int rate, int channels)
{
    const fm_recording_options *o = &h->options;
    if (channels < 1 || rate < 1) {
        return fm_hearing_fail(h, "it has %d channels and %d samples a second", channels, rate);
    }
    if (channels > o->max_channels) {
        return fm_fail(h->context, FM_ERROR_LIMIT, "%s: has %d channels; accepted are %lld",
                       h->name, channels, (long long)o->max_channels);
    }
    if (o->channel > channels) {
        return fm_fail(h->context, FM_ERROR_ARGUMENT, "%s: has no channel %lld: it has %d", h->name,
                       (long long)o->channel, channels);
    }
    h->channels = channels;
    h->recording.rate = rate;
    return FM_OK;
}

static fm_status make_room(fm_hearing *h, int64_t wanted)
{
    if (wanted > h->options.max_samples) {
        return fm_fail(h->context, FM_ERROR_LIMIT,
                       "%s: is longer than %lld samples (%.0f seconds at its rate), which is the "
                       "limit",
                       h->name, (long long)h->options.max_samples,
                       (double)h->options.max_samples / (double)h->recording.rate);
    }
    return fm_grow(h->context, &h->recording.samples, &h->capacity, (size_t)wanted, sizeof(float));
}

fm_status fm_hearing_add(fm_hearing *h, const float *samples, int64_t frames)
{
    int64_t channels = h->channels, chosen = h->options.channel;
    fm_recording *to = &h->recording;
    fm_status status = make_room(h, to->count + frames);
    if (status != FM_OK) return status;
    for (int64_t i = 0; i < frames; i++) {
        const float *frame = samples + i * channels;
        float sum = 0;
        for (int64_t c = 0; chosen == 0 && c < channels; c++) sum += frame[c];
        to->samples[to->count + i] = chosen > 0 ? frame[chosen - 1] : sum / (float)channels;
    }
    to->count += frames;
    return FM_OK;
}

/* ---- kinds of files ---- */

static bool is_format(const format *f, const fm_hearing *h)
{
    if (!f->mark) return f->begins(h);
    if (h->size < MARK || memcmp(h->bytes, f->mark, MARK) != 0) return false;
    return !f->inner ||
           (h->size >= INNER_AT + MARK && memcmp(h->bytes + INNER_AT, f->inner, MARK) == 0);
}

static fm_status decode(const format *f, fm_hearing *h)
{
    h->kind = f->kind;
    fm_status status = f->check ? f->check(h) : FM_OK;
    if (status == FM_OK) status = f->decode(h);
    if (status != FM_OK || h->recording.count > 0) return status;
    return fm_fail(h->context, FM_ERROR_FORMAT, "%s: holds no samples", h->name);
}

static fm_status recognise_and_decode(fm_hearing *h)
{
    if (h->size == 0) return fm_fail(h->context, FM_ERROR_FORMAT, "%s: is empty", h->name);
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (is_format(&formats[i], h)) return decode(&formats[i], h);
    }
    return fm_fail(
        h->context, FM_ERROR_FORMAT,
        "%s: not a recording: it begins neither as WAV nor as MP3, AIFF, AU, FLAC or Ogg", h->name);
}

static fm_status complete(fm_hearing *h)
{
    fm_recording_options *o = &h->options;
    o->max_samples = fm_or_int(o->max_samples, MAX_SAMPLES);
    o->max_channels = fm_or_int(o->max_channels, MAX_CHANNELS);
    if (o->channel >= 0 && o->rate >= 0 && o->rate <= MOST_RATE) return FM_OK;
    return fm_fail(
        h->context, FM_ERROR_ARGUMENT,
        "recording: channel is 0 (the mean) or counts from 1, rate is 0 (as stored) to %d; "
        "received %lld and %lld",
        MOST_RATE, (long long)o->channel, (long long)o->rate);
}

static fm_status check_samples(const fm_hearing *h)
{
    for (int64_t i = 0; i < h->recording.count; i++) {
        if (isfinite(h->recording.samples[i])) continue;
        return fm_fail(h->context, FM_ERROR_FORMAT, "%s: sample %lld is not a finite number",
                       h->name, (long long)i);
    }
    return FM_OK;
}

static fm_status hear(fm_hearing *h)
{
    h->recording = (fm_recording){0};
    fm_status status = complete(h);
    if (status == FM_OK) status = recognise_and_decode(h);
    if (status == FM_OK) status = check_samples(h);
    if (status == FM_OK && h->options.rate > 0) {
        status = fm_recording_resample(h->context, h->options.rate, &h->recording);
        if (status == FM_ERROR_ARGUMENT) status = fm_fail_prefix(h->context, "%s: ", h->name);
    }
    if (status != FM_OK) fm_recording_release(h->context, &h->recording);
    return status;
}

fm_status fm_recording_decode(fm_context *context, const char *name, const void *bytes, size_t size,
                              const fm_recording_options *options, fm_recording *recording)
{
    fm_hearing h = {.context = context, .name = name, .bytes = bytes, .size = size};
    if (options) h.options = *options;
    fm_status status = hear(&h);
    *recording = h.recording;
    return status;
}

fm_status fm_recording_read(fm_context *context, const char *path,
                            const fm_recording_options *options, fm_recording *recording)
{
    char *bytes;
    size_t size;
    *recording = (fm_recording){0};
    fm_status status = fm_file_read(context, path, MAX_BYTES, &bytes, &size);
    if (status != FM_OK) return status;
    status = fm_recording_decode(context, path, bytes, size, options, recording);
    fm_release(context, bytes);
    return status;
}
