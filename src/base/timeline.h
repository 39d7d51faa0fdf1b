/* Where the time of a run goes: spans of named work in lanes, one lane a thread. A context carries
 * a place to record to (struct fm_trace); without one a span costs a comparison. Recording takes no
 * lock and allocates nothing: events go into memory of a fixed size, and what it cannot hold is
 * counted. */
#ifndef FM_BASE_TIMELINE_H
#define FM_BASE_TIMELINE_H

#include "base/clock.h"
#include "base/context.h"

enum { FM_TRAINING_LANE, FM_MOST_LANES = 132 };

typedef enum fm_timeline_kind {
    FM_TIMELINE_SPAN,
    FM_TIMELINE_MARK, /* a moment that concerns all lanes */
    FM_TIMELINE_COUNT /* a number that changes, `batch` its value */
} fm_timeline_kind;

/* name, detail  valid until the file is written; detail may be NULL
 * began         fm_now
 * epoch, batch  from 0; -1: none
 * parts         of a loader's batch: seconds of each, else zero */
typedef struct fm_timeline_event {
    const char *name, *detail;
    double began, seconds;
    int64_t epoch, batch, samples;
    float parts[FM_BATCH_PARTS];
    uint8_t kind;
    uint8_t lane;
} fm_timeline_event;

typedef struct fm_lane {
    const char *of; /* "training", "validation"; NULL: the thread that trains */
    int worker;     /* from 1 */
} fm_lane;

typedef struct fm_timeline_record {
    const fm_timeline_event *events;
    size_t count, left_out;
    const fm_lane *lanes;
    int lane_count;
    double began;
} fm_timeline_record;

/* events: how many there is memory for. Those of single samples and ops (..._fine) may take half
 * of it, so that a long run keeps its steps. */
fm_status fm_timeline_create(fm_context *context, size_t events, fm_timeline **timeline);
void fm_timeline_destroy(fm_timeline *timeline);
/* No thread records any more. */
fm_timeline_record fm_timeline_look(const fm_timeline *timeline);
/* The first of `workers` lanes that follow each other, for the workers of the loader of this data,
 * the same when they are asked for again; `of` is not copied. */
int fm_timeline_lanes(fm_timeline *timeline, const char *of, int workers);

/* ---- recording ---- */

static inline bool fm_traced(const fm_context *context)
{
    return context->trace.timeline != NULL;
}

static inline double fm_span_begin(const fm_context *context)
{
    return fm_traced(context) ? fm_now() : 0;
}

/* From `began`, what fm_span_begin said, to now, at the context's epoch and batch. */
void fm_span_end(fm_context *context, const char *name, double began);
/* The same for one of many. */
void fm_span_end_fine(fm_context *context, const char *name, double began);
/* The same, known to have ended; `detail` is what it was done to, valid as `name`. */
void fm_span_add_fine(fm_context *context, const char *name, const char *detail, double began,
                      double ended);
/* A part of the batch that the context gathers. */
void fm_span_end_part(fm_context *context, fm_batch_part part, double began);
/* The batch itself, with what its parts took since the last one. */
void fm_span_end_batch(fm_context *context, double began, int64_t samples);
void fm_timeline_mark(fm_context *context, const char *name);
void fm_timeline_count(fm_context *context, const char *name, int64_t value);

extern const char *const fm_batch_part_names[FM_BATCH_PARTS];

#endif
