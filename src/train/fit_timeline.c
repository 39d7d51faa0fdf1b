#include "train/fit_timeline.h"
#include "base/timeline.h"
#include "io/timeline_file.h"

enum { EVENTS = 200000, WARM = 2, TRACED = 3 }; /* the first steps meet cold caches */

fm_status fm_fit_timeline_begin(fm_model *model)
{
    fm_trace *trace = &model->context->trace;
    *trace = (fm_trace){.lane = FM_TRAINING_LANE, .epoch = -1, .batch = -1};
    return fm_timeline_create(model->context, EVENTS, &trace->timeline);
}

fm_status fm_fit_timeline_end(fm_model *model, const char *path, fm_status status)
{
    fm_context *context = model->context;
    fm_timeline *timeline = context->trace.timeline;
    context->trace = (fm_trace){0};
    if (status == FM_OK) status = fm_timeline_write(context, timeline, path);
    const size_t left_out = fm_timeline_look(timeline).left_out;
    if (status == FM_OK && left_out > 0) {
        fm_report(
            context, FM_LOG_WARNING,
            "%s: is full with %d events and leaves out %zu: of ops and single samples, or the end; "
            "fewer epochs give a whole one",
            path, EVENTS, left_out);
    }
    fm_timeline_destroy(timeline);
    return status;
}

bool fm_fit_traces_ops(const fm_model *model, uint64_t done)
{
    return model->context->trace.timeline && done >= WARM && done < WARM + TRACED;
}
