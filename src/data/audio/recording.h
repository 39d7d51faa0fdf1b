/* Reading of recordings, from the bytes of a file to samples: what its files share. */
#ifndef FM_DATA_RECORDING_H
#define FM_DATA_RECORDING_H

#include "base/memory.h"
#include "data/file/file_list.h"
#include "fathom/audio.h"

typedef struct fm_hearing {
    fm_context *context;
    const char *name;
    const uint8_t *bytes;
    size_t size;
    const char *kind;             /* "WAV", once it is recognised */
    fm_recording_options options; /* complete */
    fm_recording recording;
    int channels;    /* that are stored */
    size_t capacity; /* of recording's samples */
} fm_hearing;

/* "NAME: broken WAV file: words" */
__attribute__((format(printf, 2, 3))) fm_status fm_hearing_fail(const fm_hearing *h,
                                                                const char *pattern, ...);

/* What libsndfile would pass over or not name, before it sees the file. Chunks, of RIFF and IFF
 * files, that are missing, lie about their sizes, or end early; pages of Ogg that are cut or
 * damaged. */
fm_status fm_check_chunks(const fm_hearing *h);
fm_status fm_check_pages(const fm_hearing *h);

/* Decoders, at the rate that is stored; on failure `recording` may hold samples. */
fm_status fm_sndfile_decode(fm_hearing *h); /* through libsndfile */
fm_status fm_mpeg_decode(fm_hearing *h);    /* MP3, through libmpg123 */

/* For decoders: what the file has, refused where it is not accepted; then samples as they come,
 * (frames, channels), of which the chosen channel or the mean is kept. */
fm_status fm_hearing_open(fm_hearing *h, int rate, int channels);
fm_status fm_hearing_add(fm_hearing *h, const float *samples, int64_t frames);

extern const fm_file_kind fm_recording_files;

#endif
