/* MP3 through libmpg123. libsndfile reads MP3 by it too, but lets it print what it notices. */
#include "data/audio/mpeg_frames.h"

#include <mpg123.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 1 << 14 }; /* numbers that are read at a time */

typedef struct reader {
    fm_hearing *h;
    fm_mpeg_frames frames;
    size_t at;
    mpg123_handle *decoder;
    float *block;
} reader;

static ssize_t on_read(void *user, void *to, size_t count)
{
    reader *r = user;
    size_t left = r->frames.size - r->at, taken = count < left ? count : left;
    memcpy(to, r->frames.bytes + r->at, taken);
    r->at += taken;
    return (ssize_t)taken;
}

static off_t on_seek(void *user, off_t offset, int whence)
{
    reader *r = user;
    off_t size = (off_t)r->frames.size, to;
    off_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (off_t)r->at : size;
    if (__builtin_add_overflow(from, offset, &to) || to < 0 || to > size) return -1;
    r->at = (size_t)to;
    return to;
}

static fm_status fail(const reader *r)
{
    return fm_hearing_fail(r->h, "libmpg123: %s", mpg123_strerror(r->decoder));
}

static fm_status read_samples(reader *r)
{
    long rate;
    int channels, encoding, code;
    size_t got;
    if (mpg123_getformat(r->decoder, &rate, &channels, &encoding) != MPG123_OK) return fail(r);
    fm_status status = fm_hearing_open(r->h, (int)rate, channels);
    if (status != FM_OK) return status;
    do {
        code = mpg123_read(r->decoder, r->block, BLOCK * sizeof(float), &got);
        if (code != MPG123_OK && code != MPG123_DONE) return fail(r);
        size_t frames = got / sizeof(float) / (size_t)channels;
        status = fm_hearing_add(r->h, r->block, (int64_t)frames);
        if (status != FM_OK) return status;
    } while (code == MPG123_OK && got > 0);
    return FM_OK;
}

static fm_status read_with(reader *r)
{
    static const long flags =
        MPG123_QUIET | MPG123_FORCE_FLOAT | MPG123_SKIP_ID3V2 | MPG123_NO_FRANKENSTEIN;
    bool ready = mpg123_param(r->decoder, MPG123_ADD_FLAGS, flags, 0) == MPG123_OK &&
                 mpg123_replace_reader_handle(r->decoder, on_read, on_seek, NULL) == MPG123_OK &&
                 mpg123_open_handle(r->decoder, r) == MPG123_OK;
    return ready ? read_samples(r) : fail(r);
}

fm_status fm_mpeg_decode(fm_hearing *h)
{
    reader r = {.h = h};
    fm_status status = fm_mpeg_find(h, &r.frames);
    if (status != FM_OK) return status;
    r.block = fm_allocate(h->context, BLOCK * sizeof(float));
    if (!r.block) return FM_ERROR_MEMORY;
    r.decoder = mpg123_new(NULL, NULL);
    status = r.decoder ? read_with(&r) : FM_ERROR_MEMORY;
    mpg123_delete(r.decoder);
    fm_release(h->context, r.block);
    return status;
}
