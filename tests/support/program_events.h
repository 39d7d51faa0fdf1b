/* What the program says with --json: an event a line. */
#ifndef TESTS_SUPPORT_PROGRAM_EVENTS_H
#define TESTS_SUPPORT_PROGRAM_EVENTS_H

#include "support/program_run.h"

#include <jansson.h>

/* The last line of stdout; every line must be an object with an event, the exit code 0. The caller
 * releases it by json_decref. */
json_t *last_event(const program_result *r);

/* Of an object, or with `inner` of the object at its key; fails unless it is there. */
double number_at(const json_t *object, const char *key, const char *inner);
const char *text_at(const json_t *object, const char *key);

#endif
