/* Convolutions and their adjoints in x: window_plan.h says how they are cut. */
#include "backend/cpu/windows.h"
#include "backend/cpu/vector/ahead.h"
#include "backend/cpu/vector/channel_moments.h"
#include "backend/cpu/vector/depthwise.h"
#include "backend/cpu/vector/kernel_grad.h"
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/packing.h"
#include "backend/cpu/vector/streamed.h"
#include "backend/cpu/vector/window_tile.h"

#define MIN(x, y) ((x) < (y) ? (x) : (y))

#define TILE(rows, vectors)                                                                        \
    static void tile_##rows##x##vectors(const struct window_tile *t)                               \
    {                                                                                              \
        window_compute(t, rows, vectors);                                                          \
    }
#define EVEN_TILE(rows, vectors)                                                                   \
    static void even_tile_##rows##x##vectors(const struct window_tile *t)                          \
    {                                                                                              \
        even_window_compute(t, rows, vectors);                                                     \
    }
#define TILES(rows)                                                                                \
    TILE(rows, 1)                                                                                  \
    TILE(rows, 2)
#define EVEN_TILES(rows)                                                                           \
    EVEN_TILE(rows, 1)                                                                             \
    EVEN_TILE(rows, 2)
#define TILE_ENTRY(rows)      {tile_##rows##x1, tile_##rows##x2},
#define EVEN_TILE_ENTRY(rows) {even_tile_##rows##x1, even_tile_##rows##x2},

EACH_ROWS(TILES)
EACH_ROWS(EVEN_TILES)
typedef void window_function(const struct window_tile *t);
/* [even][rows - 1][vectors - 1] */
static window_function *const tiles[2][TILE_ROWS][2] = {{EACH_ROWS(TILE_ENTRY)},
                                                        {EACH_ROWS(EVEN_TILE_ENTRY)}};

/* ---- B --------------------------------------------------------------------------------------- */

/* A unit is one panel of one group's columns. Packed, each has b_rows rows of PANEL_WIDTH. */
static int64_t units_of_group(const fm_window_plan *plan)
{
    return (plan->columns + PANEL_WIDTH - 1) / PANEL_WIDTH;
}

static int64_t unit_columns(const fm_window_plan *plan, int64_t panel)
{
    return MIN(plan->columns - panel * PANEL_WIDTH, PANEL_WIDTH);
}

/* Panels where they lie are in the order of a forward convolution's taps. */
static bool read_in_place(const fm_windows *w)
{
    return w->kernel.panels && !w->adjoint;
}

/* Width of the stored panel that begins at `column`. */
static int64_t stored_width(int64_t columns, int64_t column)
{
    return columns - column <= VECTOR_LENGTH ? VECTOR_LENGTH : PANEL_WIDTH;
}

static void pack_forward(const fm_windows *w, int64_t group, int64_t panel, float *to)
{
    const fm_window_plan *plan = w->plan;
    const int64_t column = group * plan->columns + panel * PANEL_WIDTH;
    pack_rows(to, PANEL_WIDTH, w->kernel.data + column, plan->result_channels,
              (size_t)unit_columns(plan, panel), (size_t)plan->b_rows, NULL);
}

/* Rows of B are filters, columns are channels: the transpose of the kernel at each tap. */
static void pack_tap(const fm_windows *w, int64_t position, int64_t group, int64_t panel, float *to)
{
    const fm_window_plan *plan = w->plan;
    const int64_t channels = plan->columns, filters = plan->source_channels;
    const int64_t row = position * channels + panel * PANEL_WIDTH;
    const size_t count = (size_t)unit_columns(plan, panel);
    const size_t width = (size_t)stored_width(plan->columns, panel * PANEL_WIDTH);
    if (!w->kernel.panels) {
        const float *from = w->kernel.data + row * filters + group * plan->depth;
        pack_transposed(to, width, from, filters, count, (size_t)plan->depth);
        return;
    }
    for (int64_t f = 0; f < filters; f += PANEL_WIDTH, to += PANEL_WIDTH * PANEL_WIDTH) {
        const int64_t stored = stored_width(filters, f);
        const float *from = w->kernel.data + f * plan->positions * channels + row * stored;
        pack_transposed(to, width, from, stored, count, (size_t)MIN(filters - f, PANEL_WIDTH));
    }
}

static void pack_adjoint(const fm_windows *w, int64_t group, int64_t panel, float *to)
{
    const fm_window_plan *plan = w->plan;
    for (int64_t i = 0; i < plan->phase_count; i++) {
        const fm_window_phase *phase = &plan->phases[i];
        for (int64_t tap = 0; tap < phase->taps; tap++) {
            const int64_t b_row = phase->first_b_row + tap * plan->depth;
            pack_tap(w, phase->tap_kernel[tap], group, panel, to + b_row * PANEL_WIDTH);
        }
    }
}

/* ---- tiles ----------------------------------------------------------------------------------- */

/* What the next band reads. Of a 1x1 kernel with strides, which leaves most pixels out: `pixels`
 * are fetched with the tiles at their place, `share` floats of each for each unit. */
typedef struct next_band {
    ahead source, residual, mask;
    const float *pixels;
    int64_t share;
} next_band;

typedef struct windows_run {
    const fm_windows *windows;
    const float *b;
    float *packed, *copies;
    size_t copy_floats; /* of a part's */
    float *moments;     /* a unit of channel_moments.h for each band; NULL: nobody wants them */
    int64_t splits;     /* into which the units of a band's work are cut */
    bool streamed;      /* the result is not in the cache when it is read */
} windows_run;

/* Pixels whose columns follow each other in the result, as all do that have one panel, at once. */
static void activate(const fm_windows *w, const struct window_tile *t, int rows)
{
    const int64_t columns = (int64_t)t->columns;
    for (int r = 0, end; r < rows; r = end) {
        for (end = r + 1; end < rows && t->to[end] == t->to[end - 1] + columns;) end++;
        float *values = t->c + t->to[r];
        w->activation((end - r) * columns, 0, values, values);
    }
}

static void fetch_pixels(const next_band *next, const int32_t *from, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < next->share; k += LINE) {
            __builtin_prefetch(next->pixels + from[i] + k, 0, 2);
        }
    }
}

static int64_t tiles_of(int64_t pixels)
{
    return (pixels + TILE_ROWS - 1) / TILE_ROWS;
}

static void add_tile_moments(const fm_windows *w, const struct window_tile *t, float *moments,
                             bool begin, int rows)
{
    const int64_t line = moment_line(w->plan->result_channels);
    for (size_t column = 0; column < t->columns; column += VECTOR_LENGTH) {
        add_moments(moments + column, line, begin, t->c + column, t->to, rows, t->columns - column);
    }
}

/* One panel of columns of a phase's pixels in a band; moments: of the panel, or NULL. */
static void run_pixels(const fm_windows *w, const fm_window_phase *phase, int64_t pixels,
                       struct window_tile t, float *moments, next_band *next)
{
    const int64_t tiles_down = tiles_of(pixels);
    if (tiles_down == 0) return;
    const int64_t height = pixels / tiles_down, higher = pixels % tiles_down;
    const int vectors = t.columns <= VECTOR_LENGTH ? 1 : 2;
    t.from = phase->from;
    t.to = phase->to;
    t.from_step = w->plan->source_step[1] * w->plan->source_channels;
    t.to_step = w->plan->result_step[1] * w->plan->result_channels;
    for (int64_t i = 0; i < tiles_down; i++) {
        const int64_t rows = height + (i < higher);
        fetch_ahead(&next->source);
        fetch_ahead(&next->residual);
        fetch_ahead(&next->mask);
        if (next->pixels) fetch_pixels(next, t.from, rows);
        tiles[is_even_tile(&t, rows)][rows - 1][vectors - 1](&t);
        if (w->activation) activate(w, &t, (int)rows);
        if (moments) add_tile_moments(w, &t, moments, i == 0, (int)rows);
        t.from += rows;
        t.to += rows;
    }
}

/* The band's unit of channel_moments.h. */
static float *moments_of(const windows_run *run, int64_t band)
{
    const int64_t line = moment_line(run->windows->plan->result_channels);
    return run->moments ? run->moments + band * MOMENT_LINES * line : NULL;
}

static void run_unit(const windows_run *run, fm_window_band band, const float *a, int64_t unit,
                     float *moments, next_band *next)
{
    const fm_windows *w = run->windows;
    const fm_window_plan *plan = w->plan;
    const int64_t panels = units_of_group(plan), group = unit / panels, panel = unit % panels;
    const int64_t column = group * plan->columns + panel * PANEL_WIDTH;
    const ptrdiff_t place = fm_window_band_result(plan, band) + column;
    struct window_tile t = {
        .a = a + group * plan->depth,
        .b_step = read_in_place(w) ? stored_width(plan->columns, column) : PANEL_WIDTH,
        .c = w->result + place,
        .columns = (size_t)unit_columns(plan, panel),
        .bias = w->bias ? w->bias + column : NULL,
        .residual = w->residual ? w->residual + place : NULL,
        .mask = w->mask ? w->mask + place : NULL,
        .relu = w->relu,
        .ceiling = w->ceiling,
        .streamed = run->streamed,
    };
    const float *b = run->b + unit * PANEL_WIDTH * plan->b_rows;
    if (moments) moments += column;
    for (int64_t i = 0; i < plan->phase_count; i++) {
        const fm_window_phase *phase = &plan->phases[i];
        t.b = b + phase->first_b_row * t.b_step;
        t.chunks = phase->chunks;
        t.chunk_count = phase->chunk_count;
        t.chunk_length = phase->chunk_length;
        run_pixels(w, phase, fm_window_band_pixels(phase, band), t, moments, next);
    }
}

/* ---- parts ----------------------------------------------------------------------------------- */

static next_band band_after(const windows_run *run, int64_t index, int64_t units)
{
    const fm_windows *w = run->windows;
    const fm_window_plan *plan = w->plan;
    if (index + 1 >= plan->bands) return (next_band){0};
    const fm_window_band band = fm_window_band_at(plan, index + 1);
    const fm_window_region source = fm_window_band_source(plan, band);
    int64_t count = 0, pixels = 0;
    for (int64_t i = 0; i < plan->phase_count; i++) {
        const int64_t some = fm_window_band_pixels(&plan->phases[i], band);
        pixels += some;
        count += units * tiles_of(some);
    }
    if (count == 0) return (next_band){0};
    const ptrdiff_t place = fm_window_band_result(plan, band);
    const int64_t floats = pixels * plan->result_channels;
    const bool scattered = source.floats == 0 && !plan->copied;
    return (next_band){
        .pixels = scattered ? fm_window_band_read(plan, band, w->source, NULL) : NULL,
        .share = (plan->source_channels / units + LINE - 1) / LINE * LINE,
        .source = ahead_of(w->source + source.from, source.floats, count),
        .residual = ahead_of(w->residual ? w->residual + place : NULL, floats, count),
        .mask = ahead_of(w->mask ? w->mask + place : NULL, floats, count),
    };
}

/* What the depthwise band behind this one, if this part has it, reads. */
static ahead depthwise_ahead(const windows_run *run, int64_t index, int64_t end,
                             fm_window_band band)
{
    const fm_window_plan *plan = run->windows->plan;
    const int64_t shares = FM_ISA_SYMBOL(fm_depthwise_fetches)(plan, band);
    if (index + 1 >= end || shares == 0) return (ahead){0};
    const fm_window_region source = fm_window_band_source(plan, fm_window_band_at(plan, index + 1));
    return ahead_of(run->windows->source + source.from, source.floats, shares);
}

static void pack_part(const void *argument, int part, int parts)
{
    const windows_run *run = argument;
    const fm_windows *w = run->windows;
    const int64_t panels = units_of_group(w->plan), units = panels * w->plan->groups;
    const int64_t end = fm_range_bound(units, 1, part + 1, parts);
    for (int64_t i = fm_range_bound(units, 1, part, parts); i < end; i++) {
        float *to = run->packed + i * PANEL_WIDTH * w->plan->b_rows;
        (w->adjoint ? pack_adjoint : pack_forward)(w, i / panels, i % panels, to);
    }
}

/* Items are a split of the units in a band; those of a band follow each other. */
static void run_items(const void *argument, int part, int64_t begin, int64_t end)
{
    const windows_run *run = argument;
    const fm_window_plan *plan = run->windows->plan;
    const int64_t units = units_of_group(plan) * plan->groups;
    const float *a = NULL;
    for (int64_t i = begin, before = -1; i < end; i++) {
        const fm_window_band band = fm_window_band_at(plan, i / run->splits);
        const int split = (int)(i % run->splits), splits = (int)run->splits;
        if (i / run->splits != before) {
            float *copy = run->copies + (size_t)part * run->copy_floats;
            a = fm_window_band_read(plan, band, run->windows->source, copy);
        }
        before = i / run->splits;
        if (fm_window_plan_is_depthwise(plan)) {
            ahead next = depthwise_ahead(run, i, end, band);
            FM_ISA_SYMBOL(fm_depthwise_band)
            (run->windows, band, a, moments_of(run, i), run->streamed, &next);
            continue;
        }
        const int64_t first = fm_range_bound(units, 1, split, splits);
        const int64_t last = fm_range_bound(units, 1, split + 1, splits);
        next_band next = band_after(run, i / run->splits, last - first);
        for (int64_t unit = first; unit < last; unit++) {
            run_unit(run, band, a, unit, moments_of(run, i / run->splits), &next);
            if (next.pixels) next.pixels += next.share;
        }
    }
    if (run->streamed) end_streams();
}

static size_t packed_floats(const fm_windows *w)
{
    const fm_window_plan *plan = w->plan;
    if (read_in_place(w) || fm_window_plan_is_depthwise(plan)) return 0;
    return (size_t)(units_of_group(plan) * plan->groups * plan->b_rows * PANEL_WIDTH);
}

static size_t copy_floats(const fm_window_plan *plan)
{
    return (plan->copy_floats + LINE - 1) / LINE * LINE;
}

static size_t moments_scratch(const fm_windows *w)
{
    return w->moments ? (size_t)moments_floats(w->plan->result_channels, w->plan->bands) : 0;
}

static size_t scratch_floats(const fm_windows *windows, int threads)
{
    return packed_floats(windows) + copy_floats(windows->plan) * (size_t)threads +
           moments_scratch(windows);
}

/* Without a residual, what the statistics of a batch normalisation do not read at once. In whole
 * lines, of which a depthwise convolution writes each vector alone. */
static bool is_streamed(const fm_windows *w)
{
    const fm_window_plan *plan = w->plan;
    const int64_t floats = plan->images * plan->result[0] * plan->result[1] * plan->result_channels;
    const bool depthwise = fm_window_plan_is_depthwise(plan);
    const bool whole =
        plan->result_channels % LINE == 0 &&
        (depthwise ? VECTOR_LENGTH == LINE : plan->groups == 1 && PANEL_WIDTH % LINE == 0);
    return whole && !w->activation && !w->moments &&
           floats >= (w->residual ? STREAMED_BESIDE : STREAMED) && (uintptr_t)w->result % 64 == 0;
}

/* Whether whole bands are shared out evenly: the last of an image may be lower than the others. */
static bool is_even(const fm_window_plan *plan, int threads)
{
    const int64_t most = (plan->bands + threads - 1) / threads;
    const double rows = (double)plan->phases[0].grid[0] * (double)plan->images;
    const double in_band = (double)plan->band_rows * (double)plan->band_images;
    return (double)most * in_band * threads <= rows * (1 + 1.0 / 16);
}

static void run_windows(const fm_windows *windows, int threads, float *scratch)
{
    const fm_window_plan *plan = windows->plan;
    const int64_t units = units_of_group(plan) * plan->groups;
    const bool even = is_even(plan, threads);
    windows_run run = {.windows = windows,
                       .b = windows->kernel.data,
                       .packed = scratch,
                       .copies = scratch + packed_floats(windows),
                       .copy_floats = copy_floats(plan),
                       .splits =
                           even || fm_window_plan_is_depthwise(plan) ? 1 : MIN(threads, units),
                       .streamed = is_streamed(windows)};
    if (!read_in_place(windows) && !fm_window_plan_is_depthwise(plan)) {
        run.b = scratch;
        fm_in_parts(threads, pack_part, &run);
    }
    if (windows->moments) run.moments = run.copies + copy_floats(plan) * (size_t)threads;
    fm_in_pieces(threads, &(fm_pieces){plan->bands * run.splits, 1, false, run_items, &run});
    if (!windows->moments) return;
    const moment_units units_of_bands = {run.moments, plan->result_channels, plan->bands,
                                         windows->mean, windows->variance};
    finish_moments(&units_of_bands, threads);
}

const fm_windows_isa FM_ISA_SYMBOL(fm_windows_isa) = {
    .name = FM_ISA_NAME,
    .minds_edges = VECTOR_LENGTH >= LEAST_ROW_VECTOR,
    .scratch_floats = scratch_floats,
    .run = run_windows,
    .make_gradient = FM_ISA_SYMBOL(fm_kernel_gradient_make),
    .gradient_scratch_floats = FM_ISA_SYMBOL(fm_kernel_gradient_scratch_floats),
    .run_gradient = FM_ISA_SYMBOL(fm_kernel_gradient_run),
};
