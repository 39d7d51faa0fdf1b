#include "data/audio/audio_records.h"

fm_status fm_open_recordings_record(fm_context *context, const void *options,
                                    const fm_data_places *places, fm_dataset **train,
                                    fm_dataset **test)
{
    return fm_dataset_recordings(context, options, places, train, test);
}

fm_status fm_open_tones_record(fm_context *context, const void *options,
                               const fm_data_places *places, fm_dataset **train, fm_dataset **test)
{
    (void)places;
    return fm_dataset_tones(context, options, train, test);
}
