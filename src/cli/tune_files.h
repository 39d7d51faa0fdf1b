/* trials.csv and best.yaml in a search's folder. */
#ifndef FM_CLI_TUNE_FILES_H
#define FM_CLI_TUNE_FILES_H

#include "cli/tuning.h"

/* All trials, a line each, in their order. */
fm_status tune_write_trials(tuning *t);
/* The recipe of the best one, with what it takes to keep its best epoch; nothing without one. */
fm_status tune_write_best(tuning *t);

extern const char tune_state_names[][8]; /* by fm_trial_state */

#endif
