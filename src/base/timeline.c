#include "base/timeline.h"
#include "base/memory.h"

#include <stdatomic.h>
#include <string.h>

struct fm_timeline {
    fm_context *context;
    fm_timeline_event *events;
    size_t capacity;
    _Atomic(size_t) taken, left_out;
    fm_lane lanes[FM_MOST_LANES];
    int lane_count;
    double began;
};

const char *const fm_batch_part_names[FM_BATCH_PARTS] = {
    [FM_DECODING] = "decode",
    [FM_FEATURES] = "features",
    [FM_AUGMENTING] = "augment",
};

fm_status fm_timeline_create(fm_context *context, size_t events, fm_timeline **timeline)
{
    *timeline = NULL;
    fm_timeline *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    made->context = context;
    made->capacity = events;
    made->lane_count = FM_TRAINING_LANE + 1;
    made->began = fm_now();
    made->events = fm_allocate_array(context, events, sizeof *made->events);
    if (!made->events) {
        fm_timeline_destroy(made);
        return FM_ERROR_MEMORY;
    }
    *timeline = made;
    return FM_OK;
}

void fm_timeline_destroy(fm_timeline *timeline)
{
    if (!timeline) return;
    fm_release(timeline->context, timeline->events);
    fm_release(timeline->context, timeline);
}

static size_t kept(const fm_timeline *timeline)
{
    size_t taken = atomic_load(&timeline->taken);
    return taken < timeline->capacity ? taken : timeline->capacity;
}

fm_timeline_record fm_timeline_look(const fm_timeline *timeline)
{
    return (fm_timeline_record){.events = timeline->events,
                                .count = kept(timeline),
                                .left_out = atomic_load(&timeline->left_out),
                                .lanes = timeline->lanes,
                                .lane_count = timeline->lane_count,
                                .began = timeline->began};
}

int fm_timeline_lanes(fm_timeline *timeline, const char *of, int workers)
{
    int first = FM_TRAINING_LANE + 1;
    while (first < timeline->lane_count && strcmp(timeline->lanes[first].of, of) != 0) first++;
    if (first + workers > FM_MOST_LANES) return FM_TRAINING_LANE;
    for (int i = timeline->lane_count - first; i < workers; i++) {
        timeline->lanes[timeline->lane_count++] = (fm_lane){of, i + 1};
    }
    return first;
}

/* ---- recording ---- */

static void add(const fm_context *context, const fm_timeline_event *event, bool fine)
{
    fm_timeline *timeline = context->trace.timeline;
    const size_t limit = fine ? timeline->capacity / 2 : timeline->capacity;
    size_t place = timeline->capacity;
    if (atomic_load_explicit(&timeline->taken, memory_order_relaxed) < limit) {
        place = atomic_fetch_add_explicit(&timeline->taken, 1, memory_order_relaxed);
    }
    if (place >= timeline->capacity) {
        atomic_fetch_add_explicit(&timeline->left_out, 1, memory_order_relaxed);
        return;
    }
    timeline->events[place] = *event;
    timeline->events[place].lane = (uint8_t)context->trace.lane;
}

static fm_timeline_event event_of(const fm_context *context, const char *name, double began,
                                  double ended)
{
    return (fm_timeline_event){.name = name,
                               .began = began,
                               .seconds = ended - began,
                               .epoch = context->trace.epoch,
                               .batch = context->trace.batch};
}

void fm_span_end(fm_context *context, const char *name, double began)
{
    if (!fm_traced(context)) return;
    fm_timeline_event event = event_of(context, name, began, fm_now());
    add(context, &event, false);
}

void fm_span_add_fine(fm_context *context, const char *name, const char *detail, double began,
                      double ended)
{
    if (!fm_traced(context)) return;
    fm_timeline_event event = event_of(context, name, began, ended);
    event.detail = detail;
    add(context, &event, true);
}

void fm_span_end_fine(fm_context *context, const char *name, double began)
{
    if (fm_traced(context)) fm_span_add_fine(context, name, NULL, began, fm_now());
}

void fm_span_end_part(fm_context *context, fm_batch_part part, double began)
{
    if (!fm_traced(context)) return;
    const double ended = fm_now();
    context->trace.parts[part] += (float)(ended - began);
    fm_span_add_fine(context, fm_batch_part_names[part], NULL, began, ended);
}

void fm_span_end_batch(fm_context *context, double began, int64_t samples)
{
    if (!fm_traced(context)) return;
    fm_timeline_event event = event_of(context, "batch", began, fm_now());
    event.samples = samples;
    memcpy(event.parts, context->trace.parts, sizeof event.parts);
    memset(context->trace.parts, 0, sizeof context->trace.parts);
    add(context, &event, false);
}

void fm_timeline_mark(fm_context *context, const char *name)
{
    if (!fm_traced(context)) return;
    const double now = fm_now();
    fm_timeline_event event = event_of(context, name, now, now);
    event.kind = FM_TIMELINE_MARK;
    add(context, &event, false);
}

void fm_timeline_count(fm_context *context, const char *name, int64_t value)
{
    if (!fm_traced(context)) return;
    const double now = fm_now();
    fm_timeline_event event = event_of(context, name, now, now);
    event.kind = FM_TIMELINE_COUNT;
    event.batch = value;
    add(context, &event, false);
}
