/* Depthwise convolutions: each channel has a kernel of its own, so vectors run along the channels
 * and nothing is broadcast. Some pixels share each load of the kernel. */
#include "backend/cpu/vector/channel_moments.h"
#include "backend/cpu/vector/depthwise.h"
#include "backend/cpu/vector/kernels.h"

#define PIXELS    FM_PIXELS_IN_ROW /* at once: sums that hide the latency of one another */
#define COLUMNS   FM_TAPS_IN_ROW
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
    int64_t count;      /* pixels of the band */
    ptrdiff_t place;    /* of the band in the result */
    float *moments;     /* the band's unit of channel_moments.h, or NULL */
    ahead *next;        /* what the band behind this one reads */
    int64_t begin, end; /* taps, of a row of pixels: others see the padding */
    bool left, right;   /* so do the first of a tile in its first column, the last in its last */
    bool streamed;      /* the result goes past the caches */
} band_view;

/* What stands behind the sums, and the store. */
INLINE void finish_tile(const band_view *v, vector sum[], int64_t first, ptrdiff_t channel,
                        size_t count, const int pixels, const bool whole)
{
    const fm_windows *w = v->windows;
    const ptrdiff_t place = v->place + channel;
    const int32_t *to = v->to + first;
    if (w->bias) {
        const vector bias = load_up_to(w->bias + channel, count);
        FOR_PIXELS sum[r] += bias;
    }
    if (w->residual) FOR_PIXELS sum[r] += load_up_to(w->residual + place + to[r], count);
    if (w->relu) FOR_PIXELS sum[r] = larger_of((vector){0}, sum[r]);
    if (w->ceiling > 0) FOR_PIXELS sum[r] = smaller_of(broadcast(w->ceiling), sum[r]);
    if (w->mask) {
        FOR_PIXELS sum[r] = keep_where(sum[r], load_up_to(w->mask + place + to[r], count) > 0);
    }
    FOR_PIXELS
    {
        float *result = w->result + place + to[r];
        if (whole && v->streamed) {
            stream(result, sum[r]);
        } else if (whole) {
            store(result, sum[r]);
        } else {
            store_first(result, sum[r], count);
        }
    }
}

/* What the pixels behind these will write: it lies at more addresses than the processor follows. */
INLINE void fetch_results(const band_view *v, int64_t first, ptrdiff_t channel, const int pixels)
{
    if (v->streamed || first + 2 * pixels > v->count) return;
    const float *result = v->windows->result + v->place + channel;
    FOR_PIXELS __builtin_prefetch(result + v->to[first + pixels + r], 1, 2);
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
    fetch_results(v, first, channel, pixels);
    fetch_ahead(v->next);
    FOR_PIXELS a[r] = v->a + v->from[first + r] + channel;
    FOR_PIXELS sum[r] = (vector){0};
    for (int64_t t = 0; t < phase->taps; t++) {
        const ptrdiff_t tap = phase->chunks[t];
        const vector k =
            load_up_to(w->kernel.data + phase->tap_kernel[t] * channels + channel, width);
        FOR_PIXELS sum[r] = multiply_add(load_up_to(a[r] + tap, width), k, sum[r]);
    }
    finish_tile(v, sum, first, channel, width, pixels, whole);
}

/* The channels behind the last whole vector. */
static void run_tail(const band_view *v, int64_t first, ptrdiff_t channel, int pixels)
{
    const size_t count = (size_t)(v->windows->plan->source_channels - channel);
    for (int r = 0; r < pixels; r++) run_tile(v, first + r, channel, count, 1, false);
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

static void finish_pixels(const band_view *v, int64_t first, int pixels)
{
    if (v->windows->activation) activate(v, first, pixels);
    if (v->moments) add_pixels_moments(v, first, pixels);
}

INLINE void run_pixels(const band_view *v, int64_t first, const int pixels)
{
    const int64_t channels = v->windows->plan->source_channels;
    int64_t c = 0;
    for (; c + VECTOR_LENGTH <= channels; c += VECTOR_LENGTH) {
        run_tile(v, first, c, VECTOR_LENGTH, pixels, true);
    }
    if (c < channels) run_tail(v, first, c, pixels);
    finish_pixels(v, first, pixels);
}

static void run_anywhere(const band_view *v)
{
    int64_t first = 0;
    for (; first + PIXELS <= v->count; first += PIXELS) run_pixels(v, first, PIXELS);
    for (; first < v->count; first++) run_pixels(v, first, 1);
}

#if VECTOR_LENGTH >= LEAST_ROW_VECTOR

static const float padding[VECTOR_LENGTH];

/* run_tile of pixels in a row, `step` apart, for a kernel with three columns side by side: a number
 * is loaded once for all windows that see it. */
INLINE void run_row_tile(const band_view *v, int64_t first, ptrdiff_t channel, const int pixels,
                         const int step)
{
    const fm_window_phase *phase = v->phase;
    const ptrdiff_t channels = v->windows->plan->source_channels;
    const int columns = (pixels - 1) * step + COLUMNS;
    const float *a = v->a + v->from[first] + channel;
    const float *kernel = v->windows->kernel.data + channel;
    vector sum[PIXELS];
    fetch_results(v, first, channel, pixels);
    fetch_ahead(v->next);
    FOR_PIXELS sum[r] = (vector){0};
    for (int64_t t = v->begin; t < v->end; t += COLUMNS) {
        const float *row = a + phase->chunks[t];
        const float *begin = v->left ? padding : row;
        const float *end = v->right ? padding : row + (columns - 1) * channels;
        const vector k[COLUMNS] = {load(kernel + phase->tap_kernel[t] * channels),
                                   load(kernel + phase->tap_kernel[t + 1] * channels),
                                   load(kernel + phase->tap_kernel[t + 2] * channels)};
        UNROLL for (int j = 0; j < columns; j++)
        {
            const vector x = load(j == 0 ? begin : j == columns - 1 ? end : row + j * channels);
            FOR_PIXELS
            {
                const int c = j - r * step;
                if (c >= 0 && c < COLUMNS) sum[r] = multiply_add(x, k[c], sum[r]);
            }
        }
    }
    finish_tile(v, sum, first, channel, VECTOR_LENGTH, pixels, true);
}

INLINE void run_row_pixels(const band_view *v, int64_t first, const int pixels, const int step)
{
    const int64_t channels = v->windows->plan->source_channels;
    for (int64_t c = 0; c < channels; c += VECTOR_LENGTH) run_row_tile(v, first, c, pixels, step);
    finish_pixels(v, first, pixels);
}

static void run_row_tiles(const band_view *v, int64_t first)
{
    const fm_window_plan *plan = v->windows->plan;
    if (plan->pixels_in_row == PIXELS) {
        run_row_pixels(v, first, PIXELS, 1);
    } else if (plan->source_step[1] == 1) {
        run_row_pixels(v, first, FM_HALVED_PIXELS, 1);
    } else {
        run_row_pixels(v, first, FM_HALVED_PIXELS, 2);
    }
}

/* The rows of the kernel that row `row` of the result sees. */
static void find_taps(band_view *v, int64_t row)
{
    const fm_window_plan *plan = v->windows->plan;
    const int64_t *offset = v->phase->offsets[0], place = row * plan->source_step[0];
    int64_t first = 0, last = v->phase->along[0];
    while (plan->edges && first < last && place + offset[first] < 0) first++;
    while (plan->edges && first < last && place + offset[last - 1] >= plan->source[0]) last--;
    v->begin = first * COLUMNS;
    v->end = last * COLUMNS;
}

static void run_rows(band_view *v, fm_window_band band)
{
    const fm_window_plan *plan = v->windows->plan;
    const int64_t columns = v->phase->grid[1], pixels = plan->pixels_in_row;
    const int64_t last = plan->lowest[1] + plan->reach[1] + (columns - 1) * plan->source_step[1];
    const int64_t rows = v->count / columns / band.images;
    for (int64_t i = 0; i < v->count / columns; i++) {
        int64_t column = 0;
        find_taps(v, band.row + i % rows);
        for (; column + pixels <= columns; column += pixels) {
            v->left = plan->edges && column == 0 && plan->lowest[1] < 0;
            v->right = plan->edges && column + pixels == columns && last >= plan->source[1];
            run_row_tiles(v, i * columns + column);
        }
        for (; column < columns; column++) run_pixels(v, i * columns + column, 1);
    }
}

#endif

void FM_ISA_SYMBOL(fm_depthwise_band)(const fm_windows *windows, fm_window_band band,
                                      const float *a, float *moments, bool streamed, ahead *next)
{
    const fm_window_plan *plan = windows->plan;
    for (int64_t i = 0; i < plan->phase_count; i++) {
        const fm_window_phase *phase = &plan->phases[i];
        band_view v = {.windows = windows,
                       .phase = phase,
                       .a = a,
                       .from = phase->from,
                       .to = phase->to,
                       .count = fm_window_band_pixels(phase, band),
                       .place = fm_window_band_result(plan, band),
                       .moments = moments,
                       .streamed = streamed,
                       .next = next};
        if (v.count == 0) continue;
#if VECTOR_LENGTH >= LEAST_ROW_VECTOR
        if (plan->pixels_in_row > 0) {
            run_rows(&v, band);
            continue;
        }
#endif
        run_anywhere(&v);
    }
}

int64_t FM_ISA_SYMBOL(fm_depthwise_fetches)(const fm_window_plan *plan, fm_window_band band)
{
    int64_t groups = 0;
    for (int64_t i = 0; i < plan->phase_count; i++) {
        const int64_t count = fm_window_band_pixels(&plan->phases[i], band);
        groups += count / PIXELS + count % PIXELS;
    }
    return groups * ((plan->source_channels + VECTOR_LENGTH - 1) / VECTOR_LENGTH);
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
