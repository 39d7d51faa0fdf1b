/* What all JSON of data is written and read with. */
#ifndef FM_DATA_JSON_PARTS_H
#define FM_DATA_JSON_PARTS_H

#include "base/context.h"

#include <jansson.h>

/* Both take `value` over. jansson reports memory that it did not get at each call:
 * *failed keeps it to the end. */
void fm_json_set(json_t *object, const char *key, json_t *value, bool *failed);
void fm_json_append(json_t *list, json_t *value, bool *failed);

/* The text of an object, released by fm_data_release; takes the object over. `what` names it in the
 * error when `failed`, or when there is no memory for the text. */
fm_status fm_json_text(fm_context *context, json_t *object, bool failed, const char *what,
                       char **json);

/* The number of a string among `names`, which end with NULL; -1: it is none of them. */
int fm_json_choice(const char *const *names, const json_t *value);

#endif
