/* The context's inside, and failing with words. */
#ifndef FM_BASE_CONTEXT_H
#define FM_BASE_CONTEXT_H

#include "fathom/base.h"

enum { FM_MESSAGE_SIZE = 2048 };

typedef struct fm_timeline fm_timeline;

/* What a batch's time is divided into; the rest of it is collating. */
typedef enum fm_batch_part {
    FM_DECODING,   /* files to pixels or waves */
    FM_FEATURES,   /* waves to spectra */
    FM_AUGMENTING, /* varying samples, mixing them */
    FM_BATCH_PARTS
} fm_batch_part;

/* Where a thread's spans are recorded, and what they belong to (base/timeline.h). */
typedef struct fm_trace {
    fm_timeline *timeline; /* NULL: nothing is recorded */
    const char *data;      /* what the next loader is for */
    int lane;
    int64_t epoch, batch;
    float parts[FM_BATCH_PARTS]; /* seconds of the batch so far */
} fm_trace;

struct fm_context {
    fm_context_options options; /* hooks filled in: allocate and release are never NULL */
    fm_trace trace;
    fm_status status;
    char message[FM_MESSAGE_SIZE];
};

/* Keeps the words (cut at FM_MESSAGE_SIZE, never overrun) and returns status:
 *     return fm_fail(context, FM_ERROR_SHAPE, "%s: ...", name); */
__attribute__((format(printf, 3, 4))) fm_status fm_fail(fm_context *context, fm_status status,
                                                        const char *format, ...);

/* Puts words in front of the message of a failure that is on its way up:
 *     "recipe.yaml:7:3: " + "dense: units must be at least 1, received 0". Returns the status. */
__attribute__((format(printf, 2, 3))) fm_status fm_fail_prefix(fm_context *context,
                                                               const char *format, ...);

/* Copies the error of one context into another (a worker's into its owner's);
 * returns the status. */
fm_status fm_fail_copy(fm_context *to, const fm_context *from);

/* A second context with the same hooks, threads and trace, for a worker thread to fail into. */
fm_status fm_context_fork(const fm_context *context, fm_context **child);

__attribute__((format(printf, 3, 4))) void fm_report(const fm_context *context, fm_log_level level,
                                                     const char *format, ...);

#endif
