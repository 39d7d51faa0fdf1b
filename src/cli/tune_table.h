/* What is seen of a search: the table of the best trials, alive in a terminal, lines elsewhere. */
#ifndef FM_CLI_TUNE_TABLE_H
#define FM_CLI_TUNE_TABLE_H

#include "cli/tuning.h"

#include <jansson.h>

/* A trial was told: a line where nothing is drawn over, an event with --json. */
void tune_table_told(tuning *t, int64_t trial);
/* The live block; draws a few times a second at most, or `now`. */
void tune_table_draw(tuning *t, bool now);
void tune_table_wipe(tuning *t);
/* The best trials, on stdout. */
void tune_table_print(tuning *t);
/* A trial's values by the parameters' names, without those whose condition does not hold. */
json_t *tune_parameters(const tuning *t, const double *values);

#endif
