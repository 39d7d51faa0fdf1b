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

static fm_status read_samples(reader *r)
{
    sf_count_t most = BLOCK / r->info.channels, got;
    do {
        got = sf_readf_float(r->file, r->block, most);
        if (got <= 0) break;
        fm_status status = fm_hearing_add(r->h, r->block, got);
        if (status != FM_OK) return status;
    } while (got == most);
    const fm_hearing *h = r->h;
    bool known = r->info.frames > 0 && r->info.frames < SF_COUNT_MAX;
    if (known && h->recording.count < r->info.frames) {
        return fm_hearing_fail(h, "it ends early: %lld of %lld samples are there",
                               (long long)h->recording.count, (long long)r->info.frames);
    }
    return FM_OK;
}

static fm_status read_opened(reader *r)
{
    fm_status status = check_form(r);
    if (status == FM_OK) status = fm_hearing_open(r->h, r->info.samplerate, r->info.channels);
    if (status != FM_OK) return status;
    r->block = fm_allocate(r->h->context, BLOCK * sizeof(float));
    if (!r->block) return FM_ERROR_MEMORY;
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
