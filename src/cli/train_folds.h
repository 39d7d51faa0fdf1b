/* fathom train RECIPE --folds K */
#ifndef FM_CLI_TRAIN_FOLDS_H
#define FM_CLI_TRAIN_FOLDS_H

#include "cli/invocation.h"

fm_status train_folds(invocation *s);

#endif
