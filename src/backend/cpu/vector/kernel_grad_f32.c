/* The gradient of a convolution's kernel: ../windows.h says what, window_plan.h how x is cut.
 *
 * dkernel[row, filter] = sum over pixels of x[window of the pixel, row] dy[pixel, filter] is a
 * product of great depth and few results. Tiles of dkernel stay in registers over a band's pixels
 * and are added to memory once a band; a panel of the band's dy is packed once for all rows. */
#include "backend/cpu/vector/kernel_grad.h"
#include "backend/cpu/vector/ahead.h"
#include "backend/cpu/vector/depthwise.h"
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/packing.h"
#include "backend/cpu/vector/window_tile.h"

#include <string.h>

#define MOST_SLICES  16
#define SLICES_SPACE (512 << 10) /* floats of all slices */
#define SLICE_PIXELS 512         /* adding the slices up costs little beside so many products */

#define BLOCK_PIXELS   240 /* dy's panel stays in the first cache while rows of dkernel use it */
#define UNITS_AT_ONCE  8
#define TILES_AT_ONCE  (384 / TILE_ROWS)
#define PACKED_AT_ONCE 8 /* pixels */
#define UNIT_FLOATS    (BLOCK_PIXELS * PANEL_WIDTH)
#define PACKED_FLOATS  (UNITS_AT_ONCE * UNIT_FLOATS)

#define MIN(x, y) ((x) < (y) ? (x) : (y))
#define MAX(x, y) ((x) > (y) ? (x) : (y))

#define TILE(rows, vectors)                                                                        \
    static void tile_##rows##x##vectors(const struct gradient_tile *t)                             \
    {                                                                                              \
        gradient_compute(t, rows, vectors, false);                                                 \
    }                                                                                              \
    static void tile_##rows##x##vectors##_side_by_side(const struct gradient_tile *t)              \
    {                                                                                              \
        gradient_compute(t, rows, vectors, true);                                                  \
    }
#define TILES(rows)                                                                                \
    TILE(rows, 1)                                                                                  \
    TILE(rows, 2)
#define TILE_ENTRY(rows)                                                                           \
    {{tile_##rows##x1, tile_##rows##x1_side_by_side},                                              \
     {tile_##rows##x2, tile_##rows##x2_side_by_side}},

EACH_ROWS(TILES)
typedef void tile_function(const struct gradient_tile *t);
/* [rows - 1][vectors - 1][rows side by side in a window] */
static tile_function *const tiles[TILE_ROWS][2][2] = {EACH_ROWS(TILE_ENTRY)};

/* dkernel as it is computed: [unit][row][PANEL_WIDTH], a unit being a panel of one group's filters;
 * as many for each slice. Then the sums of dy: [unit][PANEL_WIDTH]. */
typedef struct gradient_run {
    const fm_kernel_gradient *gradient;
    float *slices, *sums;
    float *copies, *packed; /* of all parts */
    size_t copy_floats;
    int64_t tiles_down;
    int64_t splits; /* into which the tiles of a slice are cut */
} gradient_run;

static int64_t panels_of(const fm_window_plan *plan)
{
    return (plan->columns + PANEL_WIDTH - 1) / PANEL_WIDTH;
}

static int64_t units_of(const fm_window_plan *plan)
{
    return panels_of(plan) * plan->groups;
}

static int64_t columns_of(const fm_window_plan *plan, int64_t unit)
{
    return MIN(plan->columns - unit % panels_of(plan) * PANEL_WIDTH, PANEL_WIDTH);
}

static int64_t first_column(const fm_window_plan *plan, int64_t unit)
{
    return unit / panels_of(plan) * plan->columns + unit % panels_of(plan) * PANEL_WIDTH;
}

static int64_t unit_floats(const fm_window_plan *plan)
{
    return plan->b_rows * PANEL_WIDTH;
}

/* ---- making ---------------------------------------------------------------------------------- */

fm_status FM_ISA_SYMBOL(fm_kernel_gradient_make)(fm_window_plan *plan, fm_kernel_gradient *gradient)
{
    const fm_window_phase *phase = plan->phases;
    const int64_t pixels = plan->images * phase->grid[0] * phase->grid[1];
    const int64_t space = fm_window_plan_is_depthwise(plan)
                              ? plan->positions * plan->source_channels
                              : units_of(plan) * unit_floats(plan);
    int32_t *row_from = fm_arena_allocate(&plan->arena, (size_t)plan->b_rows * sizeof *row_from);
    if (!row_from) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < plan->b_rows; i++) {
        row_from[i] = (int32_t)(phase->chunks[i / phase->chunk_length] + i % phase->chunk_length);
    }
    const int64_t most = MIN(MIN(MOST_SLICES, plan->bands), pixels / SLICE_PIXELS);
    *gradient = (fm_kernel_gradient){
        .plan = plan, .row_from = row_from, .slices = MAX(MIN(most, SLICES_SPACE / space), 1)};
    return FM_OK;
}

/* ---- a band ---------------------------------------------------------------------------------- */

static void add_pixels(float *sums, const float *packed, int64_t pixels, int vectors, bool add)
{
    for (int v = 0; v < vectors; v++) {
        vector sum = {0};
        for (int64_t i = 0; i < pixels; i++) {
            sum += load(packed + i * PANEL_WIDTH + v * VECTOR_LENGTH);
        }
        if (add) sum += load(sums + v * VECTOR_LENGTH);
        store(sums + v * VECTOR_LENGTH, sum);
    }
}

/* A part of a slice's results: row tiles of units. */
typedef struct share {
    int64_t unit, unit_end;
    int64_t tile, tile_end;
} share;

typedef struct band_work {
    fm_window_band band;
    const float *x;
    int64_t slice;
    float *packed;
    bool add;
    share share;
    ahead next_x, next_dy; /* of the band after */
} band_work;

/* A block of a band's pixels. */
typedef struct block {
    int64_t from, to;
    bool add;
} block;

/* dy of a block for units [unit, end), pixels by pixels so that memory is read in its order. */
static void pack_units(const gradient_run *run, const band_work *w, const block *k, int64_t unit,
                       int64_t end)
{
    const fm_window_plan *plan = run->gradient->plan;
    const int64_t channels = plan->result_channels;
    const float *dy = run->gradient->dy + fm_window_band_result(plan, w->band);
    for (int64_t pixel = k->from; pixel < k->to; pixel += PACKED_AT_ONCE) {
        const int64_t count = MIN(k->to - pixel, PACKED_AT_ONCE);
        for (int64_t u = unit; u < end; u++) {
            const int64_t columns = columns_of(plan, u);
            float *to = w->packed + (u - unit) * UNIT_FLOATS + (pixel - k->from) * PANEL_WIDTH;
            pack_rows(to, columns <= VECTOR_LENGTH ? VECTOR_LENGTH : PANEL_WIDTH,
                      dy + pixel * channels + first_column(plan, u), channels, (size_t)columns,
                      (size_t)count, NULL);
        }
    }
}

/* Row tiles [tile, end) of a unit whose dy is packed. */
static void run_tiles(const gradient_run *run, band_work *w, const block *k, int64_t unit,
                      const float *packed, int64_t tile, int64_t end)
{
    const fm_kernel_gradient *g = run->gradient;
    const fm_window_plan *plan = g->plan;
    const int64_t height = plan->b_rows / run->tiles_down, higher = plan->b_rows % run->tiles_down;
    const int vectors = columns_of(plan, unit) <= VECTOR_LENGTH ? 1 : 2;
    float *c = run->slices + (w->slice * units_of(plan) + unit) * unit_floats(plan);
    struct gradient_tile t = {.a = w->x + unit / panels_of(plan) * plan->depth,
                              .b = packed,
                              .from = plan->phases->from + k->from,
                              .depth = k->to - k->from,
                              .c_row = PANEL_WIDTH,
                              .add = k->add};
    for (int64_t i = tile; i < end; i++) {
        const int64_t row = i * height + MIN(i, higher), rows = height + (i < higher);
        fetch_ahead(&w->next_x);
        fetch_ahead(&w->next_dy);
        t.row_from = g->row_from + row;
        t.c = c + row * PANEL_WIDTH;
        tiles[rows - 1][vectors - 1][t.row_from[rows - 1] == t.row_from[0] + rows - 1](&t);
    }
}

/* Some units, then some rows at a time: dy's panels and x's rows stay in the second cache for as
 * long as they are used. */
static void run_block(const gradient_run *run, band_work *w, const block *k)
{
    const fm_kernel_gradient *g = run->gradient;
    const fm_window_plan *plan = g->plan;
    for (int64_t unit = w->share.unit; unit < w->share.unit_end; unit += UNITS_AT_ONCE) {
        const int64_t end = MIN(unit + UNITS_AT_ONCE, w->share.unit_end);
        pack_units(run, w, k, unit, end);
        for (int64_t u = unit; g->sums && w->share.tile == 0 && u < end; u++) {
            add_pixels(run->sums + (w->slice * units_of(plan) + u) * PANEL_WIDTH,
                       w->packed + (u - unit) * UNIT_FLOATS, k->to - k->from,
                       columns_of(plan, u) <= VECTOR_LENGTH ? 1 : 2, k->add);
        }
        for (int64_t tile = w->share.tile; tile < w->share.tile_end; tile += TILES_AT_ONCE) {
            const int64_t tile_end = MIN(tile + TILES_AT_ONCE, w->share.tile_end);
            for (int64_t u = unit; u < end; u++) {
                run_tiles(run, w, k, u, w->packed + (u - unit) * UNIT_FLOATS, tile, tile_end);
            }
        }
    }
}

static int blocks_of(int64_t pixels)
{
    return (int)((pixels + BLOCK_PIXELS - 1) / BLOCK_PIXELS);
}

static void run_band(const gradient_run *run, band_work *w)
{
    const int64_t pixels = fm_window_band_pixels(run->gradient->plan->phases, w->band);
    const int blocks = blocks_of(pixels);
    for (int i = 0; i < blocks; i++) {
        const block k = {fm_range_bound(pixels, 1, i, blocks),
                         fm_range_bound(pixels, 1, i + 1, blocks), w->add || i > 0};
        run_block(run, w, &k);
    }
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* By units where they come out even, else by rows. */
static share share_of(const gradient_run *run, int split)
{
    const int64_t units = units_of(run->gradient->plan);
    const int splits = (int)run->splits;
    share s = {0, units, 0, run->tiles_down};
    if (units % splits == 0 || units >= 4 * splits) {
        s.unit = fm_range_bound(units, 1, split, splits);
        s.unit_end = fm_range_bound(units, 1, split + 1, splits);
    } else {
        s.tile = fm_range_bound(run->tiles_down, 1, split, splits);
        s.tile_end = fm_range_bound(run->tiles_down, 1, split + 1, splits);
    }
    return s;
}

static void look_ahead(const gradient_run *run, band_work *w, int64_t next)
{
    const fm_kernel_gradient *g = run->gradient;
    const fm_window_plan *plan = g->plan;
    const fm_window_band band = fm_window_band_at(plan, next);
    const fm_window_region x = fm_window_band_source(plan, band);
    const int64_t pixels = fm_window_band_pixels(plan->phases, band);
    const int64_t shares = blocks_of(pixels) * (w->share.unit_end - w->share.unit) *
                           (w->share.tile_end - w->share.tile);
    if (shares <= 0) return;
    w->next_x = ahead_of(g->x + x.from, x.floats, shares);
    w->next_dy =
        ahead_of(g->dy + fm_window_band_result(plan, band), pixels * plan->result_channels, shares);
}

/* One split of the tiles of a slice, over the slice's bands. */
static void run_item(const gradient_run *run, int64_t slice, int split, float *copy, float *packed)
{
    const fm_kernel_gradient *g = run->gradient;
    const fm_window_plan *plan = g->plan;
    const int64_t first = fm_range_bound(plan->bands, 1, (int)slice, (int)g->slices);
    const int64_t last = fm_range_bound(plan->bands, 1, (int)slice + 1, (int)g->slices);
    const share part = share_of(run, split);
    for (int64_t i = first; i < last; i++) {
        band_work w = {.band = fm_window_band_at(plan, i),
                       .slice = slice,
                       .packed = packed,
                       .add = i > first,
                       .share = part};
        if (i + 1 < last) look_ahead(run, &w, i + 1);
        w.x = fm_window_band_read(plan, w.band, g->x, copy);
        run_band(run, &w);
    }
}

static void run_items(const void *argument, int part, int64_t begin, int64_t end)
{
    const gradient_run *run = argument;
    float *copy = run->copies + (size_t)part * run->copy_floats;
    float *packed = run->packed + part * PACKED_FLOATS;
    for (int64_t i = begin; i < end; i++) {
        run_item(run, i / run->splits, (int)(i % run->splits), copy, packed);
    }
}

/* ---- adding up ------------------------------------------------------------------------------- */

static float *output_row(const fm_kernel_gradient *g, int64_t unit, int64_t row)
{
    const fm_window_plan *plan = g->plan;
    const int64_t column = first_column(plan, unit), left = plan->columns - column;
    if (!g->panels) return g->dkernel + row * plan->result_channels + column;
    return g->dkernel + column * plan->b_rows +
           row * (left <= VECTOR_LENGTH ? VECTOR_LENGTH : PANEL_WIDTH);
}

/* to[0 .. columns) = the slices' sums; padding of panels becomes zeros. */
static void add_slices(const float *from, int64_t slices, ptrdiff_t step, float *to, size_t columns,
                       bool panels)
{
    for (size_t v = 0; v < columns; v += VECTOR_LENGTH) {
        vector sum = load(from + v);
        for (int64_t s = 1; s < slices; s++) sum += load(from + s * step + v);
        if (panels || columns - v >= VECTOR_LENGTH) {
            store(to + v, sum);
        } else {
            store_first(to + v, sum, columns - v);
        }
    }
}

static void add_rows(const void *argument, int64_t begin, int64_t end)
{
    const gradient_run *run = argument;
    const fm_kernel_gradient *g = run->gradient;
    const fm_window_plan *plan = g->plan;
    const ptrdiff_t step = units_of(plan) * unit_floats(plan);
    for (int64_t i = begin; i < end; i++) {
        const int64_t unit = i / plan->b_rows, row = i % plan->b_rows;
        add_slices(run->slices + i * PANEL_WIDTH, g->slices, step, output_row(g, unit, row),
                   (size_t)columns_of(plan, unit), g->panels);
    }
}

static void add_sums(const gradient_run *run)
{
    const fm_kernel_gradient *g = run->gradient;
    const int64_t units = units_of(g->plan);
    for (int64_t unit = 0; g->sums && unit < units; unit++) {
        add_slices(run->sums + unit * PANEL_WIDTH, g->slices, units * PANEL_WIDTH,
                   g->sums + first_column(g->plan, unit), (size_t)columns_of(g->plan, unit), false);
    }
}

static size_t slices_floats(const fm_kernel_gradient *g)
{
    return (size_t)(g->slices * units_of(g->plan) * unit_floats(g->plan));
}

static size_t sums_floats(const fm_kernel_gradient *g)
{
    return (size_t)(g->slices * units_of(g->plan) * PANEL_WIDTH + LINE);
}

static size_t copied_floats(const fm_window_plan *plan)
{
    return (plan->copy_floats + LINE - 1) / LINE * LINE;
}

size_t FM_ISA_SYMBOL(fm_kernel_gradient_scratch_floats)(const fm_kernel_gradient *gradient,
                                                        int threads)
{
    const fm_window_plan *plan = gradient->plan;
    if (fm_window_plan_is_depthwise(plan)) {
        return FM_ISA_SYMBOL(fm_depthwise_gradient_scratch_floats)(gradient, threads);
    }
    return slices_floats(gradient) + sums_floats(gradient) +
           (copied_floats(plan) + PACKED_FLOATS) * (size_t)threads;
}

void FM_ISA_SYMBOL(fm_kernel_gradient_run)(const fm_kernel_gradient *gradient, int threads,
                                           float *scratch)
{
    const fm_window_plan *plan = gradient->plan;
    if (fm_window_plan_is_depthwise(plan)) {
        FM_ISA_SYMBOL(fm_depthwise_gradient_run)(gradient, threads, scratch);
        return;
    }
    const bool even = gradient->slices % threads == 0 || gradient->slices >= 8 * threads;
    gradient_run run = {.gradient = gradient,
                        .slices = scratch,
                        .copy_floats = copied_floats(plan),
                        .tiles_down = (plan->b_rows + TILE_ROWS - 1) / TILE_ROWS,
                        .splits = even ? 1 : threads};
    run.sums = run.slices + slices_floats(gradient);
    run.copies = run.sums + sums_floats(gradient) / LINE * LINE;
    run.packed = run.copies + run.copy_floats * (size_t)threads;
    fm_in_pieces(threads, &(fm_pieces){gradient->slices * run.splits, 1, false, run_items, &run});
    fm_in_ranges(threads, units_of(plan) * plan->b_rows, 4, (double)gradient->slices * 4, add_rows,
                 &run);
    add_sums(&run);
}
