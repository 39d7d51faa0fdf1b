/* The callback behind fm_fit_options.tensorboard. */
#ifndef FM_TRAIN_EVENT_WATCH_H
#define FM_TRAIN_EVENT_WATCH_H

#include "train/model.h"

typedef struct fm_event_watch fm_event_watch;

/* Makes the folder; `data` is what is trained on, for its first images. The run is judged by its
 * scores on validation data where there are any. */
fm_status fm_event_watch_open(fm_model *model, const char *folder, const fm_dataset *data,
                              bool has_validation, fm_event_watch **watch, fm_callback *callback);
void fm_event_watch_close(fm_event_watch *watch);

#endif
