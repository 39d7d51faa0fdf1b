#include "backend/cpu/window_plan.h"

#include <string.h>

#define BAND_FLOATS   (64 << 10) /* of the source: a quarter of a second-level cache */
#define BAND_PIXELS   4096       /* tables of offsets stay small beside what they point into */
#define RESULT_FLOATS (64 << 10) /* of the result, if that is enough pixels */
#define FEW_PIXELS    96 /* weights that are read for fewer pixels cost more than the products */
#define MOST_FLOATS   (128 << 10)
#define MOST_OFFSET   (1 << 30) /* in the tables */

#define MIN(x, y) ((x) < (y) ? (x) : (y))
#define MAX(x, y) ((x) > (y) ? (x) : (y))

static int64_t ceiling(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* ---- taps ------------------------------------------------------------------------------------ */

/* Along one dimension, in the order of where they read, and the pixels that see them. */
typedef struct line_of_taps {
    int64_t count;
    const int64_t *kernel,
        *offset;           /* position in the kernel; where it reads relative to the pixel */
    int64_t first, pixels; /* first in the result */
} line_of_taps;

/* Tap k of a phase's pixel i reads, forward, i stride + k dilation - padding of x; in the adjoint
 * dy's position (phase + i stride + padding - k dilation) / stride where that is whole. */
static bool taps_along(fm_window_plan *plan, const fm_convolution *c, bool adjoint, int d,
                       int64_t phase, line_of_taps *line)
{
    const int64_t size = c->kernel[d];
    int64_t *kernel = fm_arena_allocate(&plan->arena, (size_t)size * sizeof *kernel);
    int64_t *offset = fm_arena_allocate(&plan->arena, (size_t)size * sizeof *offset);
    if (!kernel || !offset) return false;
    const int64_t step = plan->result_step[d], most = (plan->result[d] - phase + step - 1) / step;
    *line = (line_of_taps){0, kernel, offset, phase, most};
    for (int64_t i = 0; i < size; i++) {
        const int64_t k = adjoint ? size - 1 - i : i;
        const int64_t reach = k * c->dilations[d] - c->padding[d];
        if (adjoint && (phase - reach) % c->strides[d] != 0) continue;
        kernel[line->count] = k;
        offset[line->count++] = adjoint ? (phase - reach) / c->strides[d] : reach;
    }
    return true;
}

/* The taps of `all` that pixel `pixel` of its pixels sees inside of the source: [from, from +
 * count). */
static line_of_taps seen_from(const fm_window_plan *plan, int d, const line_of_taps *all,
                              int64_t pixel)
{
    const int64_t place = pixel * plan->source_step[d];
    int64_t from = 0, to = all->count;
    while (from < to && all->offset[from] + place < 0) from++;
    while (from < to && all->offset[to - 1] + place >= plan->source[d]) to--;
    return (line_of_taps){to - from, all->kernel + from, all->offset + from,
                          all->first + pixel * plan->result_step[d], 1};
}

/* Cuts a line where its pixels begin to see other taps; offsets are from the first of a piece's
 * pixels. */
static bool cut_line(fm_window_plan *plan, int d, const line_of_taps *all, line_of_taps *lines,
                     int64_t *count)
{
    for (int64_t pixel = 0, next; pixel < all->pixels; pixel = next) {
        line_of_taps piece = seen_from(plan, d, all, pixel);
        for (next = pixel + 1; next < all->pixels; next++) {
            const line_of_taps other = seen_from(plan, d, all, next);
            if (other.kernel != piece.kernel || other.count != piece.count) break;
        }
        int64_t *offset = fm_arena_allocate(&plan->arena, (size_t)piece.count * sizeof *offset + 1);
        if (!offset) return false;
        for (int64_t i = 0; i < piece.count; i++)
            offset[i] = piece.offset[i] + pixel * plan->source_step[d];
        piece.offset = offset;
        piece.pixels = next - pixel;
        lines[(*count)++] = piece;
    }
    return true;
}

static bool side_by_side(const line_of_taps *line)
{
    for (int64_t i = 1; i < line->count; i++) {
        if (line->offset[i] != line->offset[i - 1] + 1) return false;
    }
    return true;
}

static void note_reach(fm_window_plan *plan, int d, const line_of_taps *line, bool *any)
{
    for (int64_t i = 0; i < line->count; i++) {
        const int64_t offset = line->offset[i], end = plan->lowest[d] + plan->reach[d];
        const int64_t lowest = *any ? MIN(plan->lowest[d], offset) : offset;
        plan->reach[d] = (*any ? MAX(end, offset) : offset) - lowest;
        plan->lowest[d] = lowest;
        *any = true;
    }
}

/* ---- phases ---------------------------------------------------------------------------------- */

typedef struct planner {
    fm_window_plan *plan;
    const fm_convolution *convolution;
    bool adjoint, trimmed;
    line_of_taps *lines[2]; /* by dimension and phase along it */
    int64_t phases[2];
} planner;

static bool find_taps_along(planner *p, int d)
{
    const fm_convolution *c = p->convolution;
    const int64_t strides = p->adjoint ? MIN(c->strides[d], c->x[d]) : 1;
    const int64_t pieces = p->trimmed ? 2 * c->kernel[d] + 1 : 1;
    bool any = false;
    p->lines[d] =
        fm_arena_allocate(&p->plan->arena, (size_t)(strides * pieces) * sizeof *p->lines[d]);
    if (!p->lines[d]) return false;
    for (int64_t i = 0; i < strides; i++) {
        line_of_taps line;
        if (!taps_along(p->plan, c, p->adjoint, d, i, &line)) return false;
        note_reach(p->plan, d, &line, &any);
        if (!p->trimmed) {
            p->lines[d][p->phases[d]++] = line;
        } else if (!cut_line(p->plan, d, &line, p->lines[d], &p->phases[d])) {
            return false;
        }
    }
    return true;
}

static bool make_phase(const planner *p, int64_t row, int64_t column, fm_window_phase *phase)
{
    fm_window_plan *plan = p->plan;
    const line_of_taps *down = &p->lines[0][row], *along = &p->lines[1][column];
    for (int d = 0; d < 2; d++) {
        phase->first[d] = (d ? along : down)->first;
        phase->grid[d] = (d ? along : down)->pixels;
    }
    phase->taps = down->count * along->count;
    phase->along[0] = down->count;
    phase->along[1] = along->count;
    phase->offsets[0] = down->offset;
    phase->offsets[1] = along->offset;
    phase->tap_kernel =
        fm_arena_allocate(&plan->arena, (size_t)phase->taps * sizeof *phase->tap_kernel + 1);
    if (!phase->tap_kernel) return false;
    for (int64_t i = 0; i < phase->taps; i++) {
        phase->tap_kernel[i] =
            (int32_t)(down->kernel[i / along->count] * p->convolution->kernel[1] +
                      along->kernel[i % along->count]);
    }
    return true;
}

/* Once the strides of what tiles read are known. */
static bool cut_chunks(const planner *p, fm_window_phase *phase)
{
    fm_window_plan *plan = p->plan;
    const line_of_taps *down = &p->lines[0][phase->first[0]],
                       *along = &p->lines[1][phase->first[1]];
    const bool whole_rows = plan->groups == 1 && side_by_side(along);
    const int64_t in_row = whole_rows ? MIN(along->count, 1) : along->count;
    phase->chunk_count = down->count * in_row;
    phase->chunk_length = plan->depth * (whole_rows ? along->count : 1);
    phase->chunks =
        fm_arena_allocate(&plan->arena, (size_t)phase->chunk_count * sizeof *phase->chunks + 1);
    if (!phase->chunks) return false;
    for (int64_t i = 0; i < phase->chunk_count; i++) {
        const int64_t y = down->offset[i / in_row] - plan->lowest[0];
        const int64_t x = along->offset[i % in_row] - plan->lowest[1];
        phase->chunks[i] = y * plan->row_stride + x * plan->source_channels;
    }
    return true;
}

static bool fill_tables(fm_window_plan *plan, fm_window_phase *phase)
{
    const int64_t rows = MIN(plan->band_rows, phase->grid[0]), columns = phase->grid[1];
    const size_t pixels = (size_t)MAX(plan->band_images * rows * columns, 0);
    phase->from = fm_arena_allocate(&plan->arena, pixels * sizeof *phase->from + 1);
    phase->to = fm_arena_allocate(&plan->arena, pixels * sizeof *phase->to + 1);
    if (!phase->from || !phase->to) return false;
    for (size_t i = 0; i < pixels; i++) {
        const int64_t image = (int64_t)i / columns / rows;
        const int64_t row = (int64_t)i / columns % rows, column = (int64_t)i % columns;
        const int64_t from = image * plan->image_stride +
                             row * plan->source_step[0] * plan->row_stride +
                             column * plan->source_step[1] * plan->source_channels;
        const int64_t y = image * plan->result[0] + phase->first[0] + row * plan->result_step[0];
        const int64_t x = phase->first[1] + column * plan->result_step[1];
        phase->from[i] = (int32_t)from;
        phase->to[i] = (int32_t)((y * plan->result[1] + x) * plan->result_channels);
    }
    return true;
}

static bool make_phases(const planner *p)
{
    fm_window_plan *plan = p->plan;
    const int64_t across = p->phases[1];
    plan->phase_count = p->phases[0] * across;
    plan->phases =
        fm_arena_allocate(&plan->arena, (size_t)plan->phase_count * sizeof *plan->phases);
    if (!plan->phases) return false;
    for (int64_t i = 0; i < plan->phase_count; i++) {
        if (!make_phase(p, i / across, i % across, &plan->phases[i])) return false;
        plan->phases[i].first_b_row = plan->b_rows;
        plan->b_rows += plan->phases[i].taps * plan->depth;
    }
    return true;
}

/* ---- bands ----------------------------------------------------------------------------------- */

/* As many of `all` as fit the size of a band, but enough for `pixels` of `each` where that stays
 * below what the cache can hold; not more than tables of offsets should be long. */
static int64_t fitting(int64_t all, int64_t floats, int64_t most_floats, int64_t each,
                       int64_t pixels)
{
    const int64_t enough = MIN(ceiling(pixels, each), most_floats);
    return MIN(MAX(MIN(MAX(floats, enough), BAND_PIXELS / each), 1), all);
}

static void cut_bands(fm_window_plan *plan, int64_t least_bands, int64_t pixels)
{
    const int64_t rows = plan->phases[0].grid[0], columns = plan->phases[0].grid[1];
    const int64_t reach = plan->reach[0], step = MIN(plan->source_step[0], reach + 1);
    const int64_t width = (columns - 1) * plan->source_step[1] + plan->reach[1] + 1;
    const int64_t read = MIN(width, columns * (plan->reach[1] + 1)); /* of a line's positions */
    const int64_t line = read * plan->source_channels;
    const int64_t result_line = columns * plan->result_channels;
    const int64_t enough = ceiling(FEW_PIXELS, columns);
    int64_t most = fitting(rows, (BAND_FLOATS / line - reach) / step,
                           (MOST_FLOATS / line - reach) / step, columns, pixels);
    most = MIN(most, MAX(rows * plan->images / least_bands, enough));
    most = MIN(most, MAX(RESULT_FLOATS / result_line, ceiling(pixels, columns)));
    plan->band_images = 1;
    if (most < rows) {
        plan->band_rows = ceiling(rows, ceiling(rows, most));
        plan->bands = plan->images * ceiling(rows, plan->band_rows);
    } else {
        const int64_t image = ((rows - 1) * step + reach + 1) * line;
        const int64_t result = plan->result[0] * plan->result[1] * plan->result_channels;
        int64_t images =
            fitting(plan->images, BAND_FLOATS / image, MOST_FLOATS / image, rows * columns, pixels);
        images = MAX(MIN(MIN(images, plan->images / least_bands), MOST_OFFSET / result), 1);
        plan->band_rows = rows;
        plan->bands = ceiling(plan->images, images);
        plan->band_images = ceiling(plan->images, plan->bands);
        plan->bands = ceiling(plan->images, plan->band_images);
    }
    plan->band_size[0] = (plan->band_rows - 1) * plan->source_step[0] + reach + 1;
    plan->band_size[1] = width;
}

/* The last position along d that a window sees. */
static int64_t last_seen(const fm_window_plan *plan, int d)
{
    return plan->lowest[d] + plan->reach[d] + (plan->phases[0].grid[d] - 1) * plan->source_step[d];
}

static int64_t pixels_in_row(const fm_window_plan *plan)
{
    const fm_window_phase *phase = plan->phases;
    const int64_t columns = phase->grid[1], *x = phase->offsets[1];
    const bool halved = columns % FM_HALVED_PIXELS == 0;
    const bool fits = fm_window_plan_is_depthwise(plan) && plan->phase_count == 1 &&
                      phase->along[1] == FM_TAPS_IN_ROW && x[1] == x[0] + 1 && x[2] == x[0] + 2 &&
                      plan->source_step[1] <= (halved ? 2 : 1) &&
                      plan->source_channels % FM_WHOLE_VECTORS == 0;
    const int64_t pixels = halved ? FM_HALVED_PIXELS : FM_PIXELS_IN_ROW;
    return fits && columns >= pixels ? pixels : 0;
}

static void choose_strides(fm_window_plan *plan, bool edges_minded)
{
    const int64_t channels = plan->source_channels;
    plan->pixels_in_row = pixels_in_row(plan);
    plan->copied = false;
    for (int d = 0; d < 2; d++) {
        if (plan->lowest[d] < 0 || last_seen(plan, d) >= plan->source[d]) plan->copied = true;
    }
    plan->edges = plan->copied && edges_minded && plan->pixels_in_row > 0 &&
                  plan->phases[0].grid[1] % plan->pixels_in_row == 0 && plan->lowest[1] >= -1 &&
                  last_seen(plan, 1) <= plan->source[1];
    if (plan->edges) plan->copied = false;
    plan->row_stride = (plan->copied ? plan->band_size[1] : plan->source[1]) * channels;
    plan->image_stride = (plan->copied ? plan->band_size[0] : plan->source[0]) * plan->row_stride;
    plan->copy_floats = plan->copied ? (size_t)(plan->band_images * plan->image_stride) : 0;
}

fm_window_band fm_window_band_at(const fm_window_plan *plan, int64_t index)
{
    const int64_t rows = plan->phases[0].grid[0];
    const int64_t in_image = (rows + plan->band_rows - 1) / plan->band_rows;
    fm_window_band band = {.image = index / in_image * plan->band_images,
                           .row = index % in_image * plan->band_rows};
    band.images = MIN(plan->band_images, plan->images - band.image);
    band.rows = MIN(plan->band_rows, rows - band.row);
    return band;
}

/* One row of the source, positions [from, from + count), zeros where there are none. */
static void copy_line(const fm_window_plan *plan, const float *line, int64_t from, float *to)
{
    const int64_t channels = plan->source_channels, count = plan->band_size[1];
    const int64_t before = MIN(MAX(-from, 0), count);
    const int64_t end = MAX(MIN(plan->source[1] - from, count), before);
    memset(to, 0, (size_t)(before * channels) * sizeof *to);
    if (end > before) {
        memcpy(to + before * channels, line + (from + before) * channels,
               (size_t)((end - before) * channels) * sizeof *to);
    }
    memset(to + end * channels, 0, (size_t)((count - end) * channels) * sizeof *to);
}

/* Reads what is read soon, in the order in which it lies:
 * the memory's speed and not its latency. */
static void touch(const float *from, int64_t count)
{
    float sum = 0;
    for (int64_t i = 0; i < count; i += FM_ALIGNMENT / (int64_t)sizeof *from) sum += from[i];
    volatile float sink = sum;
    (void)sink;
}

const float *fm_window_band_read(const fm_window_plan *plan, fm_window_band band,
                                 const float *source, float *copy)
{
    const int64_t first = band.row * plan->source_step[0] + plan->lowest[0];
    const int64_t channels = plan->source_channels, line = plan->source[1] * channels;
    const int64_t rows = (band.rows - 1) * plan->source_step[0] + plan->reach[0] + 1;
    const float *image = source + band.image * plan->source[0] * line;
    if (!plan->copied) {
        const float *a = image + first * line + plan->lowest[1] * channels;
        if (plan->edges) return a;
        const int64_t lines = (band.images - 1) * plan->source[0] + rows;
        if (plan->source_step[1] == 1) touch(a, (lines - 1) * line + plan->band_size[1] * channels);
        return a;
    }
    for (int64_t i = 0; i < band.images; i++, image += plan->source[0] * line) {
        for (int64_t row = 0; row < rows; row++) {
            float *to = copy + i * plan->image_stride + row * plan->row_stride;
            const int64_t y = first + row;
            if (y < 0 || y >= plan->source[0]) {
                memset(to, 0, (size_t)plan->row_stride * sizeof *to);
            } else {
                copy_line(plan, image + y * line, plan->lowest[1], to);
            }
        }
    }
    return copy;
}

fm_window_region fm_window_band_source(const fm_window_plan *plan, fm_window_band band)
{
    const int64_t line = plan->source[1] * plan->source_channels;
    const int64_t first = band.row * plan->source_step[0] + plan->lowest[0];
    const int64_t rows = (band.rows - 1) * plan->source_step[0] + plan->reach[0] + 1;
    const int64_t begin = band.image * plan->source[0] + MAX(first, 0);
    const int64_t end =
        (band.image + band.images - 1) * plan->source[0] + MIN(first + rows, plan->source[0]);
    if (plan->reach[1] + 1 < plan->source_step[1] || end <= begin) return (fm_window_region){0, 0};
    return (fm_window_region){begin * line, (end - begin) * line};
}

/* ---------------------------------------------------------------------------------------------- */

static fm_window_plan describe(fm_context *context, const fm_convolution *c, bool adjoint)
{
    const int64_t channels = c->channels / c->groups, filters = c->filters / c->groups;
    fm_window_plan plan = {.arena = {.context = context},
                           .images = c->images,
                           .groups = c->groups,
                           .source_channels = adjoint ? c->filters : c->channels,
                           .result_channels = adjoint ? c->channels : c->filters,
                           .positions = c->kernel[0] * c->kernel[1],
                           .depth = adjoint ? filters : channels,
                           .columns = adjoint ? channels : filters};
    for (int d = 0; d < 2; d++) {
        plan.source[d] = adjoint ? c->y[d] : c->x[d];
        plan.result[d] = adjoint ? c->x[d] : c->y[d];
        plan.source_step[d] = adjoint ? 1 : c->strides[d];
        plan.result_step[d] = adjoint ? c->strides[d] : 1;
    }
    return plan;
}

static bool find_phases(planner *p)
{
    *p->plan = describe(p->plan->arena.context, p->convolution, p->adjoint);
    return find_taps_along(p, 0) && find_taps_along(p, 1) && make_phases(p);
}

fm_status fm_window_phases_make(fm_context *context, const fm_convolution *convolution,
                                bool adjoint, bool trimmed, fm_window_plan *plan)
{
    plan->arena.context = context;
    planner p = {.plan = plan, .convolution = convolution, .adjoint = adjoint, .trimmed = trimmed};
    if (find_phases(&p)) return FM_OK;
    fm_arena_release(&plan->arena);
    return FM_ERROR_MEMORY;
}

fm_status fm_window_plan_make(fm_context *context, const fm_convolution *convolution, bool adjoint,
                              bool edges_minded, int64_t least_bands, int64_t pixels,
                              fm_window_plan *plan)
{
    plan->arena.context = context;
    planner p = {.plan = plan, .convolution = convolution, .adjoint = adjoint};
    bool done = find_phases(&p);
    if (done) {
        cut_bands(plan, least_bands, pixels);
        choose_strides(plan, edges_minded);
    }
    for (int64_t i = 0; done && i < plan->phase_count; i++) {
        done = cut_chunks(&p, &plan->phases[i]) && fill_tables(plan, &plan->phases[i]);
    }
    if (done) return FM_OK;
    fm_arena_release(&plan->arena);
    return FM_ERROR_MEMORY;
}
