/* JSON lines on stdout: one object a line, flushed, so that a reader sees it when it happens. */
#ifndef FM_CLI_JSON_LINES_H
#define FM_CLI_JSON_LINES_H

#include "fathom/train.h"

#include <jansson.h>

/* Prints and releases the object; NULL (no memory) prints nothing. */
void json_print(json_t *object);
/* A number; null for NaN and infinity, which JSON does not have. */
json_t *json_number(double value);
/* A text; where it is not UTF-8 (a file's name may be anything) a '?' stands for each such byte. */
json_t *json_text(const char *text);
/* {"loss": ..., "accuracy": ...} */
json_t *json_scores(const fm_model *model, const fm_scores *scores);

#endif
