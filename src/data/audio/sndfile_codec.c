/* Recordings through libsndfile, which reads the bytes of a file in memory by calling back. */
#include "data/audio/recording.h"

#include <sndfile.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 1 << 14 }; /* numbers that are read at a time */

typedef struct reader {
    fm_hearing *h;
    size_t at;
    SNDFILE *file;
    SF_INFO info;
    float *block;
    size_t capacity; /* of the recording */
} reader;

/* ---- hooks ---- */

static sf_count_t on_length(void *user)
{
    const reader *r = user;
    return (sf_count_t)r->h->size;
}

static sf_count_t on_seek(sf_count_t offset, int whence, void *user)
{
    reader *r = user;
    sf_count_t size = (sf_count_t)r->h->size;
    sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (sf_count_t)r->at : size;
    sf_count_t to;
    if (__builtin_add_overflow(from, offset, &to)) return -1;
    if (to < 0) return -1;
    r->at = (size_t)(to > size ? size : to);
    return (sf_count_t)r->at;
}

static sf_count_t on_read(void *to, sf_count_t count, void *user)
{
    reader *r = user;
    size_t left = r->h->size - r->at;
    if (count <= 0) return 0;
    size_t taken = (size_t)count < left ? (size_t)count : left;
    memcpy(to, r->h->bytes + r->at, taken);
    r->at += taken;
    return (sf_count_t)taken;
}

static sf_count_t on_write(const void *from, sf_count_t count, void *user)
{
    (void)from;
    (void)count;
    (void)user;
    return 0;
}

static sf_count_t on_tell(void *user)
{
    const reader *r = user;
    return (sf_count_t)r->at;
}

/* ---- what is accepted ---- */

static fm_status check_form(const reader *r)
{
    static const int accepted[] = {SF_FORMAT_PCM_S8, SF_FORMAT_PCM_U8, SF_FORMAT_PCM_16,
                                   SF_FORMAT_PCM_24, SF_FORMAT_PCM_32, SF_FORMAT_FLOAT,
                                   SF_FORMAT_DOUBLE, SF_FORMAT_ULAW,   SF_FORMAT_ALAW,
                                   SF_FORMAT_VORBIS, SF_FORMAT_OPUS};
    int form = r->info.format & SF_FORMAT_SUBMASK;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        if (form == accepted[i]) return FM_OK;
    }
    return fm_fail(r->h->context, FM_ERROR_UNSUPPORTED,
                   "%s: samples in form 0x%x of libsndfile; read are 8 to 32 bits, floats, mu-law, "
                   "A-law, FLAC, Vorbis and Opus",
                   r->h->name, (unsigned)form);
}

static fm_status check_sizes(const reader *r)
{
    const fm_hearing *h = r->h;
    const fm_recording_options *o = &h->options;
    if (r->info.channels < 1 || r->info.samplerate < 1) {
        return fm_hearing_fail(h, "it has %d channels and %d samples a second", r->info.channels,
                               r->info.samplerate);
    }
    if (r->info.channels > o->max_channels) {
        return fm_fail(h->context, FM_ERROR_LIMIT, "%s: has %d channels; accepted are %lld",
                       h->name, r->info.channels, (long long)o->max_channels);
    }
    if (o->channel > r->info.channels) {
        return fm_fail(h->context, FM_ERROR_ARGUMENT, "%s: has no channel %lld: it has %d", h->name,
                       (long long)o->channel, r->info.channels);
    }
    return FM_OK;
}

/* ---- samples ---- */

static fm_status make_room(reader *r, int64_t wanted)
{
    const fm_hearing *h = r->h;
    if (wanted > h->options.max_samples) {
        return fm_fail(h->context, FM_ERROR_LIMIT,
                       "%s: is longer than %lld samples (%.0f seconds at its rate), which is the "
                       "limit",
                       h->name, (long long)h->options.max_samples,
                       (double)h->options.max_samples / r->info.samplerate);
    }
    return fm_grow(h->context, &r->h->recording.samples, &r->capacity, (size_t)wanted,
                   sizeof(float));
}

static void take_block(const reader *r, int64_t frames)
{
    int64_t channels = r->info.channels, chosen = r->h->options.channel;
    fm_recording *to = &r->h->recording;
    for (int64_t i = 0; i < frames; i++) {
        const float *frame = r->block + i * channels;
        float sum = 0;
        for (int64_t c = 0; chosen == 0 && c < channels; c++) sum += frame[c];
        to->samples[to->count + i] = chosen > 0 ? frame[chosen - 1] : sum / (float)channels;
    }
    to->count += frames;
}

static fm_status read_samples(reader *r)
{
    sf_count_t most = BLOCK / r->info.channels, got;
    do {
        got = sf_readf_float(r->file, r->block, most);
        if (got <= 0) break;
        fm_status status = make_room(r, r->h->recording.count + got);
        if (status != FM_OK) return status;
        take_block(r, got);
    } while (got == most);
    const fm_hearing *h = r->h;
    bool known = r->info.frames > 0 && r->info.frames < SF_COUNT_MAX;
    if (known && h->recording.count < r->info.frames) {
        return fm_hearing_fail(h, "it ends early: %lld of %lld samples are there",
                               (long long)h->recording.count, (long long)r->info.frames);
    }
    if (h->recording.count == 0) {
        return fm_fail(h->context, FM_ERROR_FORMAT, "%s: holds no samples", h->name);
    }
    return FM_OK;
}

static fm_status read_opened(reader *r)
{
    fm_status status = check_form(r);
    if (status == FM_OK) status = check_sizes(r);
    if (status != FM_OK) return status;
    r->block = fm_allocate(r->h->context, BLOCK * sizeof(float));
    if (!r->block) return FM_ERROR_MEMORY;
    r->h->recording.rate = r->info.samplerate;
    return read_samples(r);
}

fm_status fm_sndfile_decode(fm_hearing *h)
{
    SF_VIRTUAL_IO hooks = {on_length, on_seek, on_read, on_write, on_tell};
    reader r = {.h = h};
    r.file = sf_open_virtual(&hooks, SFM_READ, &r.info, &r);
    if (!r.file) return fm_hearing_fail(h, "libsndfile finds no sound in it");
    fm_status status = read_opened(&r);
    fm_release(h->context, r.block);
    sf_close(r.file);
    return status;
}
