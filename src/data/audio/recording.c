#include "data/audio/recording.h"
#include "base/fields.h"
#include "base/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_BYTES = 1 << 30, MAX_SAMPLES = 1 << 26, MAX_CHANNELS = 64, MOST_RATE = 1 << 20 };

/* A mark at the file's beginning, for containers another behind their size, and what is checked before
 * libsndfile sees it. */
typedef struct format {
    const char *kind, *mark, *inner;
    fm_status (*check)(const fm_hearing *h);
} format;

static const format formats[] = {
    {"WAV", "RIFF", "WAVE", fm_check_chunks},
    {"WAV", "RIFX", "WAVE", fm_check_chunks},
    {"WAV", "RF64", "WAVE", fm_check_chunks},
    {"AIFF", "FORM", "AIFF", fm_check_chunks},
    {"AIFF", "FORM", "AIFC", fm_check_chunks},
    {"Ogg", "OggS", NULL, fm_check_pages},
    {"FLAC", "fLaC", NULL, NULL},
    {"AU", ".snd", NULL, NULL},
};
enum { FORMAT_COUNT = sizeof formats / sizeof formats[0], MARK = 4, INNER_AT = 8 };

bool fm_recording_is_named(const char *path)
{
    static const char *const endings[] = {"wav",  "flac", "ogg", "oga", "opus", "aif",
                                          "aiff", "aifc", "au",  "snd", NULL};
    return fm_has_ending(path, endings);
}

const fm_file_kind fm_recording_files = {
    "recordings", "names that end with .wav, .flac, .ogg, .opus, .aiff or .au",
    fm_recording_is_named};

void fm_recording_release(fm_context *context, fm_recording *recording)
{
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

static bool is_format(const format *f, const fm_hearing *h)
{
    if (h->size < MARK || memcmp(h->bytes, f->mark, MARK) != 0) return false;
    return !f->inner ||
           (h->size >= INNER_AT + MARK && memcmp(h->bytes + INNER_AT, f->inner, MARK) == 0);
}

/* And what is wrong with its container. */
static fm_status recognise(fm_hearing *h)
{
    if (h->size == 0) return fm_fail(h->context, FM_ERROR_FORMAT, "%s: is empty", h->name);
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (!is_format(&formats[i], h)) continue;
        h->kind = formats[i].kind;
        return formats[i].check ? formats[i].check(h) : FM_OK;
    }
    return fm_fail(h->context, FM_ERROR_FORMAT,
                   "%s: not a recording: it begins neither as WAV nor as AIFF, AU, FLAC or Ogg",
                   h->name);
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
    if (status == FM_OK) status = recognise(h);
    if (status == FM_OK) status = fm_sndfile_decode(h);
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
