/* The part of an MP3 file that a decoder shall see: whole frames, one behind the other. */
#ifndef FM_DATA_MPEG_FRAMES_H
#define FM_DATA_MPEG_FRAMES_H

#include "data/audio/recording.h"

typedef struct fm_mpeg_frames {
    const uint8_t *bytes;
    size_t size;
} fm_mpeg_frames;

/* The file begins with an ID3 tag or with a frame. */
bool fm_mpeg_begins(const fm_hearing *h);
/* FM_ERROR_FORMAT where a frame is missing, cut, or unlike the first. */
fm_status fm_mpeg_find(const fm_hearing *h, fm_mpeg_frames *found);

#endif
