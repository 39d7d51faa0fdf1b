/* The timeline of a fit (fm_fit_options.timeline). */
#ifndef FM_TRAIN_FIT_TIMELINE_H
#define FM_TRAIN_FIT_TIMELINE_H

#include "train/model.h"

/* From here on the model's context records. */
fm_status fm_fit_timeline_begin(fm_model *model);
/* Ends that, and writes the file if the fit's status is FM_OK; returns that status, or what writing
 * says. The fit is closed: nothing records any more. */
fm_status fm_fit_timeline_end(fm_model *model, const char *path, fm_status status);

/* Whether the ops of the step that comes now are recorded, `done` steps after the fit began. */
bool fm_fit_traces_ops(const fm_model *model, uint64_t done);

#endif
