/* The records of sets of recordings: rows of the table in data/dataset_records.c. */
#ifndef FM_DATA_AUDIO_RECORDS_H
#define FM_DATA_AUDIO_RECORDS_H

#include "fathom/audio.h"

typedef fm_status fm_open_audio_record(fm_context *context, const void *options,
                                       const fm_data_places *places, fm_dataset **train,
                                       fm_dataset **test);

extern const fm_field fm_recordings_fields[], fm_tones_fields[];
fm_open_audio_record fm_open_recordings_record, fm_open_tones_record;

#define FM_RECORDINGS_RECORD                                                                       \
    {                                                                                              \
        "recordings", "sound files whose names or folders tell their class", NULL,                 \
            fm_recordings_fields, sizeof(fm_recordings_options), fm_open_recordings_record         \
    }
#define FM_TONES_RECORD                                                                            \
    {                                                                                              \
        "tones", "made sounds of eight kinds, built in", "Apache-2.0 (generated)",                 \
            fm_tones_fields, sizeof(fm_tones_options), fm_open_tones_record                        \
    }

#endif
