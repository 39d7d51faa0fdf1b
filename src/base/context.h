/* The context's inside, and failing with words. */
#ifndef FM_BASE_CONTEXT_H
#define FM_BASE_CONTEXT_H

#include "fathom/base.h"

enum { FM_MESSAGE_SIZE = 2048 };

struct fm_context {
    fm_context_options options; /* hooks filled in: allocate and release are never NULL */
    fm_status status;
    char message[FM_MESSAGE_SIZE];
};

/* Keeps the words (cut at FM_MESSAGE_SIZE, never overrun) and returns status:
 *     return fm_fail(context, FM_ERROR_SHAPE, "%s: ...", name);                              */
__attribute__((format(printf, 3, 4))) fm_status fm_fail(fm_context *context, fm_status status,
                                                        const char *format, ...);

/* Puts words in front of the message of a failure that is on its way up:
 *     "recipe.yaml:7:3: " + "dense: units must be at least 1, received 0". Returns the status. */
__attribute__((format(printf, 2, 3))) fm_status fm_fail_prefix(fm_context *context,
                                                               const char *format, ...);

/* Copies the error of one context into another (a worker's into its owner's); returns the status. */
fm_status fm_fail_copy(fm_context *to, const fm_context *from);

/* A second context with the same hooks and threads, for a worker thread to fail into. */
fm_status fm_context_fork(const fm_context *context, fm_context **child);

__attribute__((format(printf, 3, 4))) void fm_report(const fm_context *context, fm_log_level level,
                                                     const char *format, ...);

#endif
