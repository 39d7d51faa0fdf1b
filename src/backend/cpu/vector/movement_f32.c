/* Moving floats: concat, slice, pad, take, broadcast_to; and the window sums of local response
 * normalisation. They have the textbook's bits. */
#include "backend/cpu/vector/kernels.h"
#include "base/memory.h"
#include "kernel/walk.h"
#include "op/op_table.h"
#include "op/op_tools.h"
#include "op/vision_attributes.h"

#include <math.h>
#include <string.h>

enum { V = VECTOR_LENGTH, SEGMENTS = FM_MAX_INPUTS, FEW_LINES = 8 };

INLINE void copy_floats(int64_t count, const float *from, float *to)
{
    int64_t i = 0;
    if (count > 4096) {
        memcpy(to, from, (size_t)count * sizeof *to);
        return;
    }
    for (; i + V <= count; i += V) store(to + i, load(from + i));
    if (i < count)
        store_first(to + i, load_first(from + i, (size_t)(count - i)), (size_t)(count - i));
}

/* ---- lines made of segments ------------------------------------------------------------------ */

/* A part of each line of y: `count` floats from x, whose lines are `stride` apart;
 * zeros without x. */
typedef struct segment {
    const float *x;
    int64_t stride, count;
} segment;

typedef struct lines_of_y {
    segment segments[SEGMENTS];
    int segment_count;
    int64_t count, length;
    float *y;
} lines_of_y;

static void put_segment(const segment *s, int64_t line, int64_t begin, int64_t end, float *y)
{
    if (s->x) {
        copy_floats(end - begin, s->x + line * s->stride + begin, y + begin);
    } else {
        memset(y + begin, 0, (size_t)(end - begin) * sizeof *y);
    }
}

static void put_lines(const void *argument, int64_t begin, int64_t end)
{
    const lines_of_y *l = argument;
    for (int64_t line = begin; line < end; line++) {
        float *y = l->y + line * l->length;
        for (int i = 0; i < l->segment_count; i++) {
            put_segment(&l->segments[i], line, 0, l->segments[i].count, y);
            y += l->segments[i].count;
        }
    }
}

typedef struct one_segment {
    const segment *s;
    int64_t line;
    float *y;
} one_segment;

static void put_piece(const void *argument, int64_t begin, int64_t end)
{
    const one_segment *o = argument;
    put_segment(o->s, o->line, begin, end, o->y);
}

static void move_lines(const fm_call *call, lines_of_y *l)
{
    l->length = 0;
    for (int i = 0; i < l->segment_count; i++) l->length += l->segments[i].count;
    l->y = call->outputs[0].data;
    if (l->count >= FEW_LINES) {
        const double line = (double)l->length * LIGHT_NANOSECONDS;
        fm_in_ranges(call->threads, l->count, 1, line, put_lines, l);
        return;
    }
    float *y = l->y;
    for (int64_t line = 0; line < l->count; line++) {
        for (int i = 0; i < l->segment_count; i++) {
            const segment *s = &l->segments[i];
            const one_segment o = {s, line, y};
            fm_in_ranges(call->threads, s->count, LINE, LIGHT_NANOSECONDS, put_piece, &o);
            y += s->count;
        }
    }
}

static int64_t outer_of(const fm_tensor *x, int64_t axis)
{
    return fm_shape_span(x->shape, 0, (int)axis);
}

/* Floats of a position along the axis. */
static int64_t inner_of(const fm_tensor *x, int64_t axis)
{
    return fm_shape_span(x->shape, (int)axis + 1, x->shape.rank);
}

static void run_concat(const fm_call *call)
{
    const int64_t axis = ((const fm_axis_attributes *)call->attributes)->axis;
    lines_of_y l = {.segment_count = call->input_count, .count = outer_of(call->outputs, axis)};
    for (int i = 0; i < call->input_count; i++) {
        const fm_tensor *x = &call->inputs[i];
        const int64_t count = x->shape.dims[axis] * inner_of(x, axis);
        l.segments[i] = (segment){x->data, count, count};
    }
    move_lines(call, &l);
}

static void run_slice(const fm_call *call)
{
    const fm_slice_attributes *cut = call->attributes;
    const fm_tensor *x = call->inputs;
    const int64_t inner = inner_of(x, cut->axis);
    lines_of_y l = {.segment_count = 1, .count = outer_of(x, cut->axis)};
    l.segments[0] = (segment){(const float *)x->data + cut->begin * inner,
                              x->shape.dims[cut->axis] * inner, (cut->end - cut->begin) * inner};
    move_lines(call, &l);
}

static void run_pad(const fm_call *call)
{
    const fm_pad_attributes *pad = call->attributes;
    const fm_tensor *x = call->inputs;
    const int64_t inner = inner_of(x, pad->axis), count = x->shape.dims[pad->axis] * inner;
    lines_of_y l = {.segment_count = 3, .count = outer_of(x, pad->axis)};
    l.segments[0] = (segment){NULL, 0, pad->before * inner};
    l.segments[1] = (segment){x->data, count, count};
    l.segments[2] = (segment){NULL, 0, pad->after * inner};
    move_lines(call, &l);
}

/* ---- take ------------------------------------------------------------------------------------ */

typedef struct taking {
    int64_t extent, inner, count;
    const float *from;
    const int32_t *positions;
    float *to;
} taking;

static taking taking_of(const fm_call *call, const fm_tensor *whole)
{
    const int64_t axis = ((const fm_take_attributes *)call->attributes)->axis;
    return (taking){.extent = whole->shape.dims[axis],
                    .inner = inner_of(whole, axis),
                    .count = call->inputs[1].count,
                    .from = call->inputs[0].data,
                    .positions = call->inputs[1].data,
                    .to = call->outputs[0].data};
}

static bool is_inside(const taking *t, int64_t i)
{
    return t->positions[i] >= 0 && t->positions[i] < t->extent;
}

/* Entries of y, counted over all of outer. */
static void take_entries(const void *argument, int64_t begin, int64_t end)
{
    const taking *t = argument;
    for (int64_t at = begin; at < end; at++) {
        const int64_t i = at % t->count, outer = at / t->count;
        float *y = t->to + at * t->inner;
        if (is_inside(t, i)) {
            copy_floats(t->inner, t->from + (outer * t->extent + t->positions[i]) * t->inner, y);
        } else {
            for (int64_t j = 0; j < t->inner; j++) y[j] = NAN;
        }
    }
}

static void run_take(const fm_call *call)
{
    const taking t = taking_of(call, &call->inputs[0]);
    const double entry = (double)t.inner * LIGHT_NANOSECONDS;
    fm_in_ranges(call->threads, call->outputs[0].count / t.inner, 1, entry, take_entries, &t);
}

static void add_entries(const void *argument, int64_t begin, int64_t end)
{
    const taking *t = argument;
    for (int64_t outer = begin; outer < end; outer++) {
        float *dx = t->to + outer * t->extent * t->inner;
        memset(dx, 0, (size_t)(t->extent * t->inner) * sizeof *dx);
        for (int64_t i = 0; i < t->count; i++) {
            if (!is_inside(t, i)) continue;
            const float *dy = t->from + (outer * t->count + i) * t->inner;
            float *to = dx + t->positions[i] * t->inner;
            for (int64_t j = 0; j < t->inner; j++) to[j] += dy[j];
        }
    }
}

static void run_take_grad(const fm_call *call)
{
    const taking t = taking_of(call, &call->outputs[0]);
    const int64_t whole = t.extent * t.inner;
    fm_in_ranges(call->threads, call->outputs[0].count / whole, 1,
                 (double)(whole + t.count * t.inner) * LIGHT_NANOSECONDS, add_entries, &t);
}

/* ---- broadcast_to ---------------------------------------------------------------------------- */

static fm_status prepare_broadcast(const fm_site *site, fm_need *need)
{
    kernel_walk *walk = need->state = fm_allocate(site->context, sizeof *walk);
    if (!walk) return FM_ERROR_MEMORY;
    *walk = fm_broadcast_walk(site->inputs, 1, site->outputs[0].shape);
    return FM_OK;
}

static void stretch_range(const void *argument, int64_t begin, int64_t end)
{
    const fm_call *call = argument;
    const kernel_walk *walk = call->state;
    const float *x = call->inputs[0].data;
    float *y = call->outputs[0].data;
    while (begin < end) {
        int64_t offset;
        const int64_t column = begin % walk->row_size, left = walk->row_size - column;
        const int64_t n = left < end - begin ? left : end - begin;
        kernel_walk_row(walk, begin / walk->row_size, &offset);
        if (kernel_walk_step(walk, 0)) {
            copy_floats(n, x + offset + column, y + begin);
        } else {
            for (int64_t i = 0; i < n; i++) y[begin + i] = x[offset];
        }
        begin += n;
    }
}

static void run_broadcast_to(const fm_call *call)
{
    fm_in_ranges(call->threads, call->outputs[0].count, LINE, LIGHT_NANOSECONDS, stretch_range,
                 call);
}

/* ---- window_sum ------------------------------------------------------------------------------ */

enum { LONGEST_ROW = 4096 }; /* of a window sum, with the zeros around it */

static void sum_windows(const void *argument, int64_t begin, int64_t end)
{
    const fm_call *call = argument;
    const fm_window_sum_attributes *a = call->attributes;
    const int64_t n = fm_shape_last(call->inputs[0].shape), places = a->before + 1 + a->after;
    const float *x = call->inputs[0].data;
    float *y = call->outputs[0].data, row[LONGEST_ROW + V];
    memset(row, 0, sizeof row);
    for (int64_t r = begin; r < end; r++) {
        copy_floats(n, x + r * n, row + a->before);
        for (int64_t i = 0; i < n; i += V) {
            vector sum = {0};
            for (int64_t k = 0; k < places; k++) sum += load(row + i + k);
            if (n - i >= V) {
                store(y + r * n + i, sum);
            } else {
                store_first(y + r * n + i, sum, (size_t)(n - i));
            }
        }
    }
}

static void run_window_sum(const fm_call *call)
{
    const fm_window_sum_attributes *a = call->attributes;
    const int64_t n = fm_shape_last(call->inputs[0].shape);
    const double row = (double)(n * (a->before + 2 + a->after)) * LIGHT_NANOSECONDS;
    fm_in_ranges(call->threads, call->inputs[0].count / n, 1, row, sum_windows, call);
}

/* ---------------------------------------------------------------------------------------------- */

static const char *match_moved(const fm_site *site)
{
    if (site->inputs[0].dtype != FM_F32) return "f32 only";
    return site->outputs[0].count == 0 || site->inputs[0].count == 0 ? "there are no elements"
                                                                     : NULL;
}

static const char *match_window_sum(const fm_site *site)
{
    const fm_window_sum_attributes *a = site->attributes;
    const char *refusal = match_moved(site);
    if (refusal) return refusal;
    const int64_t n = fm_shape_last(site->inputs[0].shape);
    const bool fits = a->before <= LONGEST_ROW && a->after <= LONGEST_ROW &&
                      n + a->before + a->after <= LONGEST_ROW;
    return fits ? NULL : "rows are too long";
}

#define KERNEL_ROW(name_, match_)                                                                  \
    {                                                                                              \
        .name = KERNEL_NAME(#name_), .op = &fm_op_##name_, .match = match_, .run = run_##name_     \
    }
static const fm_kernel kernels[] = {
    KERNEL_ROW(concat, match_moved),
    KERNEL_ROW(slice, match_moved),
    KERNEL_ROW(pad, match_moved),
    KERNEL_ROW(take, match_moved),
    KERNEL_ROW(take_grad, match_moved),
    KERNEL_ROW(window_sum, match_window_sum),
    {.name = KERNEL_NAME("broadcast_to"),
     .op = &fm_op_broadcast_to,
     .match = match_moved,
     .prepare = prepare_broadcast,
     .run = run_broadcast_to,
     .release = fm_release},
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_movement) = FAMILY(kernels);
