/* What is seen of a search: the table of the best trials, alive in a terminal, lines elsewhere. */
#ifndef FM_CLI_TUNE_TABLE_H
#define FM_CLI_TUNE_TABLE_H

#include "cli/tuning.h"

/* A trial was told: a line where nothing is drawn over, an event with --json. */
void tune_table_told(tuning *t, int64_t trial);
/* The live block; draws a few times a second at most, or `now`. */
void tune_table_draw(tuning *t, bool now);
void tune_table_wipe(tuning *t);
/* The best trials, on stdout. */
void tune_table_print(tuning *t);
/* A parameter's name in a few letters: its last words, as many as tell it from the others'. */
const char *tune_short_name(const fm_space *space, int parameter);

#endif
