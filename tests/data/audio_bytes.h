/* Sound files made by libsndfile's own writer, kept in memory. */
#ifndef TESTS_DATA_AUDIO_BYTES_H
#define TESTS_DATA_AUDIO_BYTES_H

#include "support/fixture.h"
#include "fathom/audio.h"

#include <sndfile.h>

typedef struct sound_bytes {
    uint8_t *bytes;
    size_t size, at;
} sound_bytes;

static inline sf_count_t sound_length(void *user)
{
    return (sf_count_t)((sound_bytes *)user)->size;
}

static inline sf_count_t sound_seek(sf_count_t offset, int whence, void *user)
{
    sound_bytes *s = user;
    sf_count_t from = whence == SEEK_SET ? 0 : (sf_count_t)(whence == SEEK_CUR ? s->at : s->size);
    s->at = (size_t)(from + offset);
    return (sf_count_t)s->at;
}

static inline sf_count_t sound_read(void *to, sf_count_t count, void *user)
{
    sound_bytes *s = user;
    size_t left = s->at < s->size ? s->size - s->at : 0;
    size_t taken = (size_t)count < left ? (size_t)count : left;
    memcpy(to, s->bytes + s->at, taken);
    s->at += taken;
    return (sf_count_t)taken;
}

static inline sf_count_t sound_write(const void *from, sf_count_t count, void *user)
{
    sound_bytes *s = user;
    size_t end = s->at + (size_t)count;
    if (end > s->size) {
        s->bytes = realloc(s->bytes, end);
        if (!s->bytes) fail_msg("no memory");
        if (s->at > s->size) memset(s->bytes + s->size, 0, s->at - s->size);
        s->size = end;
    }
    memcpy(s->bytes + s->at, from, (size_t)count);
    s->at = end;
    return count;
}

static inline sf_count_t sound_tell(void *user)
{
    return (sf_count_t)((sound_bytes *)user)->at;
}

/* `frames` of `channels` floats each; the caller frees bytes. */
static inline sound_bytes make_sound(int format, int rate, int channels, const float *samples,
                                     int64_t frames)
{
    sound_bytes made = {0};
    SF_VIRTUAL_IO hooks = {sound_length, sound_seek, sound_read, sound_write, sound_tell};
    SF_INFO info = {.format = format, .samplerate = rate, .channels = channels};
    SNDFILE *file = sf_open_virtual(&hooks, SFM_WRITE, &info, &made);
    if (!file) fail_msg("libsndfile writes no file of form 0x%x", (unsigned)format);
    if (sf_writef_float(file, samples, frames) != frames) fail_msg("libsndfile does not write");
    sf_close(file);
    return made;
}

/* A rising tone of this length. */
static inline void make_tone(float *samples, int count, int rate, double hertz)
{
    for (int i = 0; i < count; i++) {
        samples[i] = 0.5f * (float)sin(6.283185307179586 * hertz * i / rate);
    }
}

#endif
