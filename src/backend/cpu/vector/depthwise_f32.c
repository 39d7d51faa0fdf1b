/* Depthwise convolutions: each channel has a kernel of its own, so vectors run along the channels
 * and nothing is broadcast. Some pixels share each load of the kernel. */
#include "backend/cpu/vector/channel_moments.h"
#include "backend/cpu/vector/depthwise.h"
#include "backend/cpu/vector/kernels.h"

#define PIXELS    8 /* at once: sums that hide the latency of one another */
#define TAPS      9 /* likewise: those of the smallest kernel and a part of a larger one's */
#define MIN(x, y) ((x) < (y) ? (x) : (y))

#define FOR_PIXELS UNROLL for (int r = 0; r < pixels; r++)
#define FOR_TAPS   UNROLL for (int t = 0; t < taps; t++)

/* ---- convolution and its adjoint in x -------------------------------------------------------- */

typedef struct band_view {
    const fm_windows *windows;
    const fm_window_phase *phase;
    const float *a;
    const int32_t *from, *to;
    ptrdiff_t place; /* of the band in the result */
    float *moments;  /* the band's unit of channel_moments.h, or NULL */
} band_view;

INLINE vector finish(const fm_windows *w, vector sum, ptrdiff_t at, ptrdiff_t channel, size_t count)
{
    if (w->bias) sum += load_up_to(w->bias + channel, count);
    if (w->residual) sum += load_up_to(w->residual + at, count);
    if (w->relu) sum = larger_of((vector){0}, sum);
    if (w->mask) sum = keep_where(sum, load_up_to(w->mask + at, count) > 0);
    return sum;
}

/* `pixels` from pixel `first` on, channels [channel, channel + count). */
INLINE void run_tile(const band_view *v, int64_t first, ptrdiff_t channel, size_t count,
                     const int pixels, const bool whole)
{
    const fm_windows *w = v->windows;
    const fm_window_phase *phase = v->phase;
    const ptrdiff_t channels = w->plan->source_channels;
    const size_t width = whole ? VECTOR_LENGTH : count;
    const float *a[PIXELS];
    vector sum[PIXELS];
    FOR_PIXELS a[r] = v->a + v->from[first + r] + channel;
    FOR_PIXELS sum[r] = (vector){0};
    for (int64_t t = 0; t < phase->taps; t++) {
        const ptrdiff_t tap = phase->chunks[t];
        const vector k =
            load_up_to(w->kernel.data + phase->tap_kernel[t] * channels + channel, width);
        FOR_PIXELS sum[r] = multiply_add(load_up_to(a[r] + tap, width), k, sum[r]);
    }
    FOR_PIXELS
    {
        const ptrdiff_t at = v->place + v->to[first + r] + channel;
        const vector y = finish(w, sum[r], at, channel, width);
        if (whole) {
            store(w->result + at, y);
        } else {
            store_first(w->result + at, y, width);
        }
    }
}

static void activate(const band_view *v, int64_t first, int pixels)
{
    const fm_windows *w = v->windows;
    for (int64_t i = first; i < first + pixels; i++) {
        float *y = w->result + v->place + v->to[i];
        w->activation(w->plan->result_channels, 0, y, y);
    }
}

static void add_pixels_moments(const band_view *v, int64_t first, int pixels)
{
    const int64_t channels = v->windows->plan->result_channels, line = moment_line(channels);
    const float *y = v->windows->result + v->place;
    for (int64_t c = 0; c < channels; c += VECTOR_LENGTH) {
        add_moments(v->moments + c, line, first == 0, y + c, v->to + first, pixels,
                    (size_t)(channels - c));
    }
}

INLINE void run_pixels(const band_view *v, int64_t first, const int pixels)
{
    const int64_t channels = v->windows->plan->source_channels;
    int64_t c = 0;
    for (; c + VECTOR_LENGTH <= channels; c += VECTOR_LENGTH) {
        run_tile(v, first, c, VECTOR_LENGTH, pixels, true);
    }
    if (c < channels) run_tile(v, first, c, (size_t)(channels - c), pixels, false);
    if (v->windows->activation) activate(v, first, pixels);
    if (v->moments) add_pixels_moments(v, first, pixels);
}

void FM_ISA_SYMBOL(fm_depthwise_band)(const fm_windows *windows, fm_window_band band,
                                      const float *a, float *moments)
{
    const fm_window_plan *plan = windows->plan;
    for (int64_t i = 0; i < plan->phase_count; i++) {
        const fm_window_phase *phase = &plan->phases[i];
        const band_view v = {
            windows, phase, a, phase->from, phase->to, fm_window_band_result(plan, band), moments};
        const int64_t count = fm_window_band_pixels(phase, band);
        int64_t first = 0;
        for (; first + PIXELS <= count; first += PIXELS) run_pixels(&v, first, PIXELS);
        for (; first < count; first++) run_pixels(&v, first, 1);
    }
}

/* ---- the gradient of the kernel -------------------------------------------------------------- */

typedef struct gradient_view {
    const fm_window_phase *phase;
    const float *a, *dy;
    int64_t channels, pixels;
    float *dkernel;
    bool add;
} gradient_view;

INLINE void run_taps(const gradient_view *v, int64_t first, ptrdiff_t channel, size_t count,
                     const int taps, const bool whole)
{
    const size_t width = whole ? VECTOR_LENGTH : count;
    const float *a[TAPS], *dy = v->dy + channel;
    vector sum[TAPS];
    FOR_TAPS a[t] = v->a + v->phase->chunks[first + t] + channel;
    FOR_TAPS sum[t] = (vector){0};
    for (int64_t i = 0; i < v->pixels; i++, dy += v->channels) {
        const ptrdiff_t from = v->phase->from[i];
        const vector d = load_up_to(dy, width);
        FOR_TAPS sum[t] = multiply_add(load_up_to(a[t] + from, width), d, sum[t]);
    }
    FOR_TAPS
    {
        float *to = v->dkernel + (first + t) * v->channels + channel;
        if (v->add) sum[t] += load_up_to(to, width);
        if (whole) {
            store(to, sum[t]);
        } else {
            store_first(to, sum[t], width);
        }
    }
}

INLINE void run_channels(const gradient_view *v, ptrdiff_t channel, size_t count, const bool whole)
{
    const int64_t taps = v->phase->taps;
    int64_t t = 0;
    for (; t + TAPS <= taps; t += TAPS) run_taps(v, t, channel, count, TAPS, whole);
    for (; t + 3 <= taps; t += 3) run_taps(v, t, channel, count, 3, whole);
    for (; t < taps; t++) run_taps(v, t, channel, count, 1, whole);
}

static void add_pixels(const gradient_view *v, float *sums)
{
    for (int64_t c = 0; c < v->channels; c += VECTOR_LENGTH) {
        const size_t left = (size_t)(v->channels - c), count = MIN(left, VECTOR_LENGTH);
        vector sum = {0};
        for (int64_t i = 0; i < v->pixels; i++) {
            sum += load_up_to(v->dy + i * v->channels + c, count);
        }
        if (v->add) sum += load_up_to(sums + c, count);
        if (count == VECTOR_LENGTH) {
            store(sums + c, sum);
        } else {
            store_first(sums + c, sum, count);
        }
    }
}

/* ---- slices ---------------------------------------------------------------------------------- */

/* Of each slice dkernel and, behind it, the sums of dy. */
typedef struct gradient_run {
    const fm_kernel_gradient *gradient;
    float *slices, *copies;
} gradient_run;

static size_t kernel_floats(const fm_window_plan *plan)
{
    return (size_t)(plan->positions * plan->source_channels);
}

static size_t slice_floats(const fm_window_plan *plan)
{
    return (kernel_floats(plan) + (size_t)plan->source_channels + LINE - 1) / LINE * LINE;
}

static size_t copied_floats(const fm_window_plan *plan)
{
    return (plan->copy_floats + LINE - 1) / LINE * LINE;
}

static void run_band(const gradient_run *run, fm_window_band band, const float *a, float *dkernel,
                     bool add)
{
    const fm_window_plan *plan = run->gradient->plan;
    const gradient_view v = {.phase = plan->phases,
                             .a = a,
                             .dy = run->gradient->dy + fm_window_band_result(plan, band),
                             .channels = plan->source_channels,
                             .pixels = fm_window_band_pixels(plan->phases, band),
                             .dkernel = dkernel,
                             .add = add};
    int64_t c = 0;
    for (; c + VECTOR_LENGTH <= v.channels; c += VECTOR_LENGTH) {
        run_channels(&v, c, VECTOR_LENGTH, true);
    }
    if (c < v.channels) run_channels(&v, c, (size_t)(v.channels - c), false);
    if (run->gradient->sums) add_pixels(&v, dkernel + kernel_floats(plan));
}

static void run_slices(const void *argument, int part, int64_t begin, int64_t end)
{
    const gradient_run *run = argument;
    const fm_kernel_gradient *g = run->gradient;
    const fm_window_plan *plan = g->plan;
    float *copy = run->copies + (size_t)part * copied_floats(plan);
    for (int64_t s = begin; s < end; s++) {
        const int64_t first = fm_range_bound(plan->bands, 1, (int)s, (int)g->slices);
        const int64_t last = fm_range_bound(plan->bands, 1, (int)s + 1, (int)g->slices);
        for (int64_t i = first; i < last; i++) {
            const fm_window_band band = fm_window_band_at(plan, i);
            const float *a = fm_window_band_read(plan, band, g->x, copy);
            run_band(run, band, a, run->slices + (size_t)s * slice_floats(plan), i > first);
        }
    }
}

static void add_slices(const gradient_run *run, size_t from, float *to, size_t count)
{
    const fm_kernel_gradient *g = run->gradient;
    for (size_t i = 0; i < count; i++) {
        float sum = run->slices[from + i];
        for (int64_t s = 1; s < g->slices; s++) {
            sum += run->slices[(size_t)s * slice_floats(g->plan) + from + i];
        }
        to[i] = sum;
    }
}

size_t FM_ISA_SYMBOL(fm_depthwise_gradient_scratch_floats)(const fm_kernel_gradient *gradient,
                                                           int threads)
{
    const fm_window_plan *plan = gradient->plan;
    return (size_t)gradient->slices * slice_floats(plan) + (size_t)threads * copied_floats(plan);
}

void FM_ISA_SYMBOL(fm_depthwise_gradient_run)(const fm_kernel_gradient *gradient, int threads,
                                              float *scratch)
{
    const fm_window_plan *plan = gradient->plan;
    const gradient_run run = {gradient, scratch,
                              scratch + (size_t)gradient->slices * slice_floats(plan)};
    fm_in_pieces(threads, &(fm_pieces){gradient->slices, 1, false, run_slices, &run});
    add_slices(&run, 0, gradient->dkernel, kernel_floats(plan));
    if (!gradient->sums) return;
    add_slices(&run, kernel_floats(plan), gradient->sums, (size_t)plan->source_channels);
}
