/* Winograd convolution for one instruction set; winograd.h is the interface, winograd_transform.h
 * the arithmetic. Tiles are worked on in blocks that stay in the second cache with all that is made
 * of them: x's transform, the products, y. */
#include "backend/cpu/winograd.h"
#include "backend/cpu/gemm.h"
#include "base/parallel.h"
#include "backend/cpu/vector/ahead.h"
#include "backend/cpu/vector/channel_moments.h"
#include "backend/cpu/vector/transpose.h"
#include "backend/cpu/vector/winograd_product.h"
#include "backend/cpu/vector/winograd_transform.h"

#include <string.h>

extern const fm_gemm_isa FM_ISA_SYMBOL(fm_gemm_isa);
#define ISA (&FM_ISA_SYMBOL(fm_gemm_isa))

enum {
    ALL_POINTS = POINTS * POINTS,
    BLOCK_FLOATS = 1 << 16, /* what a block takes of the second cache, more than this or less */
    LEAST_BLOCK = 24,       /* tiles, so that a product has rows enough */
    MOST_BLOCK = 96,
    GROUP = 192,            /* tiles that are transformed together for a large kernel */
    LARGE_KERNEL = 1 << 22, /* floats, transformed: a third-level cache does not keep it */
    SUMS_FLOATS = 1 << 18,  /* a smaller gradient of the kernel is summed in SUMS parts */
    SUMS = 8,
    MOMENT_BLOCKS = 8, /* at least, of a convolution with moments, on any number of threads */
    SOME_TILES = 8,    /* of a group, that a thread transforms at a time */
    PAD = 16           /* floats between points: else all 36 fall on one set of the first cache */
};

typedef struct geometry {
    fm_winograd w;
    int64_t tiles_down, tiles_across, tiles;
    int64_t block, blocks; /* tiles of a block, blocks */
    int64_t unit, units;   /* tiles whose moments are added up */
    size_t kernel_step;    /* floats of the transformed kernel at one point */
    size_t x_step, y_step; /* of a block's x and y at one point */
} geometry;

static size_t round_up(size_t floats)
{
    return (floats + PAD - 1) / PAD * PAD;
}

/* Into blocks of which y's points take `filters` columns. */
static void cut_tiles(geometry *g, int64_t block, int64_t filters)
{
    g->block = block;
    g->blocks = (g->tiles + block - 1) / block;
    g->x_step = round_up((size_t)(block * g->w.channels)) + PAD;
    g->y_step = round_up(fm_gemm_panels_floats(ISA, (size_t)block, (size_t)filters)) + PAD;
}

/* share: into how many parts all tiles should at least be cut. */
static geometry geometry_of(const fm_winograd *w, int64_t share)
{
    geometry g = {.w = *w};
    g.tiles_down = (w->out_height + RESULTS - 1) / RESULTS;
    g.tiles_across = (w->out_width + RESULTS - 1) / RESULTS;
    g.tiles = w->images * g.tiles_down * g.tiles_across;
    g.kernel_step = round_up(fm_gemm_panels_floats(ISA, (size_t)w->channels, (size_t)w->filters));
    int64_t block = BLOCK_FLOATS / (ALL_POINTS * (w->channels + w->filters));
    if (block > (g.tiles + share - 1) / share) block = (g.tiles + share - 1) / share;
    block = block < LEAST_BLOCK ? LEAST_BLOCK : block > MOST_BLOCK ? MOST_BLOCK : block;
    g.unit = block / 12 * 12;
    g.units = (g.tiles + g.unit - 1) / g.unit;
    cut_tiles(&g, g.unit, w->filters);
    return g;
}

/* Tile number `tile`: its image and the first row and column of its results. */
typedef struct tile_place {
    int64_t image, row, column;
} tile_place;

static tile_place place_of(const geometry *g, int64_t tile)
{
    const int64_t image = tile / (g->tiles_down * g->tiles_across);
    const int64_t rest = tile % (g->tiles_down * g->tiles_across);
    return (tile_place){image, rest / g->tiles_across * RESULTS, rest % g->tiles_across * RESULTS};
}

/* The tile after `at`. */
static tile_place next_place(const geometry *g, tile_place at)
{
    at.column += RESULTS;
    if (at.column < g->w.out_width) return at;
    at.column = 0;
    at.row += RESULTS;
    if (at.row < g->w.out_height) return at;
    return (tile_place){at.image + 1, 0, 0};
}

/* A square of an image, `size` by `size` from (row, column); of it [top, bottom) by [left, right)
 * lies in the image. */
typedef struct square {
    const float *corner; /* where it begins, also outside */
    int64_t width, channels;
    int size, top, bottom, left, right;
    bool inside;
} square;

static int clamped(int64_t value, int most)
{
    return value < 0 ? 0 : value > most ? most : (int)value;
}

static square square_of(const float *images, int64_t image, int64_t height, int64_t width,
                        int64_t channels, int64_t row, int64_t column, int size)
{
    square s = {.corner = images + ((image * height + row) * width + column) * channels,
                .width = width,
                .channels = channels,
                .size = size,
                .top = clamped(-row, size),
                .bottom = clamped(height - row, size),
                .left = clamped(-column, size),
                .right = clamped(width - column, size)};
    s.inside = s.bottom - s.top == size && s.right - s.left == size;
    return s;
}

/* Vectors of a square: that of (i, j) at from + i row + j column. */
typedef struct patch {
    const float *from;
    ptrdiff_t row, column;
} patch;

/* Before patch_of, which leaves what is outside as it is: zero. */
INLINE void clear_outside(const square *s, float *buffer)
{
    if (s->inside) return;
    for (int i = 0; i < s->size * s->size; i++) store(buffer + i * VECTOR_LENGTH, (vector){0});
}

/* Channels [c, c + count) of the square, where they lie or in `buffer`. */
INLINE patch patch_of(const square *s, int64_t c, int64_t count, float *buffer)
{
    const float *from = s->corner + c;
    const ptrdiff_t row = s->width * s->channels;
    if (s->inside && count == VECTOR_LENGTH) return (patch){from, row, s->channels};
    for (int i = s->top; i < s->bottom; i++) {
        for (int j = s->left; j < s->right; j++) {
            const float *at = from + i * row + j * s->channels;
            store(buffer + (i * s->size + j) * VECTOR_LENGTH,
                  count == VECTOR_LENGTH ? load(at) : load_first(at, (size_t)count));
        }
    }
    return (patch){buffer, s->size * VECTOR_LENGTH, VECTOR_LENGTH};
}

/* T of the columns of a square, of a whole vector of channels from c on. Zero outside. */
INLINE void transform_square(transform_1d *transform, const square *s, int64_t c, vector *half,
                             const int size)
{
    static const float zeros[VECTOR_LENGTH];
    const float *rows[POINTS];
    ptrdiff_t steps[POINTS];
    if (s->inside) {
        transform_columns(transform, s->corner + c, s->width * s->channels, s->channels, half,
                          size);
        return;
    }
    for (int i = 0; i < size; i++) {
        const bool inside = i >= s->top && i < s->bottom;
        rows[i] = inside ? s->corner + i * s->width * s->channels + c : zeros;
        steps[i] = inside ? s->channels : 0;
    }
    UNROLL for (int j = 0; j < size; j++)
    {
        vector x[POINTS * POINTS] = {0};
        if (j >= s->left && j < s->right) {
            UNROLL for (int i = 0; i < size; i++) x[i * POINTS] = load(rows[i] + j * steps[i]);
        }
        transform(x, half + j, POINTS);
    }
}

static int64_t lanes_left(int64_t all, int64_t at)
{
    return all - at < VECTOR_LENGTH ? all - at : VECTOR_LENGTH;
}

/* Where column `column` of row `row` lies in a matrix of `rows` in panels of `columns`. */
static size_t in_panels(int64_t rows, int64_t columns, int64_t row, int64_t column)
{
    const int64_t width = (int64_t)ISA->panel_width, panel = column / width * width;
    const int64_t stored = columns - panel <= VECTOR_LENGTH ? VECTOR_LENGTH : width;
    return (size_t)(panel * rows + row * stored + column - panel);
}

/* ---- x, y and the kernel to points and back -------------------------------------------------- */

/* half's rows to points `step` floats apart. */
INLINE void put_points(transform_1d *transform, const vector *half, float *out, size_t step,
                       const bool whole, size_t count)
{
    UNROLL for (int i = 0; i < POINTS; i++)
    {
        vector t[POINTS];
        transform_row(transform, half, i, t);
        UNROLL for (int j = 0; j < POINTS; j++)
        {
            if (whole)
                store(out, t[j]);
            else
                store_first(out, t[j], count);
            out += step;
        }
    }
}

/* A tile: x[point][channels] */
static void transform_tile_of_x(const geometry *g, const float *x, tile_place at, float *points)
{
    const fm_winograd *w = &g->w;
    const square s = square_of(x, at.image, w->height, w->width, w->channels, at.row - w->pad_top,
                               at.column - w->pad_left, POINTS);
    vector half[ALL_POINTS];
    int64_t c = 0;
    for (; c + VECTOR_LENGTH <= w->channels; c += VECTOR_LENGTH) {
        transform_square(transform_x, &s, c, half, POINTS);
        put_points(transform_x, half, points + c, g->x_step, true, VECTOR_LENGTH);
    }
    if (c == w->channels) return;
    _Alignas(64) float buffer[ALL_POINTS * VECTOR_LENGTH];
    clear_outside(&s, buffer);
    const patch p = patch_of(&s, c, w->channels - c, buffer);
    transform_columns(transform_x, p.from, p.row, p.column, half, POINTS);
    put_points(transform_x, half, points + c, g->x_step, false, (size_t)(w->channels - c));
}

INLINE void add_patch(const patch *p, const int size, float *sums)
{
    vector sum = load(sums);
    UNROLL for (int i = 0; i < size; i++)
    {
        UNROLL for (int j = 0; j < size; j++) sum += load(p->from + i * p->row + j * p->column);
    }
    store(sums, sum);
}

/* A tile of dy as row `row` of matrices (rows, filters) in panels; added to sums (filters) too,
 * unless that is NULL. */
static void transform_tile_of_dy(const geometry *g, const float *dy, tile_place at, int64_t row,
                                 int64_t rows, float *points, float *sums)
{
    const fm_winograd *w = &g->w;
    const square s = square_of(dy, at.image, w->out_height, w->out_width, w->filters, at.row,
                               at.column, RESULTS);
    const bool buffered = sums || w->filters % VECTOR_LENGTH != 0;
    _Alignas(64) float buffer[RESULTS * RESULTS * VECTOR_LENGTH];
    if (buffered) clear_outside(&s, buffer);
    for (int64_t f = 0; f < w->filters; f += VECTOR_LENGTH) {
        vector half[ALL_POINTS];
        if (buffered) {
            const patch p = patch_of(&s, f, lanes_left(w->filters, f), buffer);
            if (sums) add_patch(&p, RESULTS, sums + f);
            transform_columns(transform_dy, p.from, p.row, p.column, half, RESULTS);
        } else {
            transform_square(transform_dy, &s, f, half, RESULTS);
        }
        put_points(transform_dy, half, points + in_panels(rows, w->filters, row, f), g->y_step,
                   true, VECTOR_LENGTH);
    }
}

INLINE vector finish(const fm_winograd_epilogue *e, vector value, int64_t at, int64_t f,
                     size_t count)
{
    if (e->bias) value += load_up_to(e->bias + f, count);
    if (e->residual) value += load_up_to(e->residual + at, count);
    if (e->relu) value = larger_of((vector){0}, value);
    if (e->mask) value = keep_where(value, load_up_to(e->mask + at, count) > 0);
    return value;
}

/* Filters [f, f + count) of a tile's results, those within y. `whole`: all sixteen, of a vector. */
INLINE void write_tile(const fm_winograd *w, const fm_winograd_epilogue *e, const vector *half,
                       tile_place at, int64_t f, int64_t count, const bool whole, float *y)
{
    const int64_t first = (at.image * w->out_height + at.row) * w->out_width + at.column;
    UNROLL for (int i = 0; i < RESULTS; i++)
    {
        vector t[RESULTS];
        transform_row(transform_to_y, half, i, t);
        if (!whole && at.row + i >= w->out_height) return;
        UNROLL for (int j = 0; j < RESULTS; j++)
        {
            if (!whole && at.column + j >= w->out_width) break;
            const int64_t to = (first + i * w->out_width + j) * w->filters + f;
            store_up_to(y + to, finish(e, t[j], to, f, (size_t)count),
                        whole ? VECTOR_LENGTH : (size_t)count);
        }
    }
}

typedef struct filter_range {
    int64_t from, to;
} filter_range;

/* The tile is row `row` of products (rows, some filters) in panels. */
static void transform_tile_to_y(const geometry *g, const float *points, int64_t row, int64_t rows,
                                filter_range some, tile_place at, const fm_winograd_epilogue *e,
                                float *y)
{
    const fm_winograd *w = &g->w;
    const bool whole = at.row + RESULTS <= w->out_height && at.column + RESULTS <= w->out_width;
    const bool bare = !e->bias && !e->residual && !e->relu && !e->mask;
    const ptrdiff_t step = (ptrdiff_t)g->y_step;
    for (int64_t f = some.from; f < some.to; f += VECTOR_LENGTH) {
        const int64_t count = lanes_left(some.to, f);
        vector half[ALL_POINTS];
        const float *from = points + in_panels(rows, some.to - some.from, row, f - some.from);
        transform_columns(transform_to_y, from, POINTS * step, step, half, POINTS);
        if (!whole || count < VECTOR_LENGTH)
            write_tile(w, e, half, at, f, count, false, y);
        else if (bare)
            write_tile(w, &(fm_winograd_epilogue){0}, half, at, f, VECTOR_LENGTH, true, y);
        else
            write_tile(w, e, half, at, f, VECTOR_LENGTH, true, y);
    }
}

typedef struct kernel_transform {
    int64_t channels, filters;
    const float *kernel; /* (3, 3, channels, filters) */
    float *u;            /* [point] (channels, filters) in panels, step floats apart */
    size_t step;
} kernel_transform;

static void transform_kernel_rows(const void *argument, int64_t begin, int64_t end)
{
    const kernel_transform *a = argument;
    const int64_t channels = a->channels, filters = a->filters, size = channels * filters;
    _Alignas(64) float buffer[TAPS * TAPS * VECTOR_LENGTH];
    for (int64_t c = begin; c < end; c++) {
        for (int64_t f = 0; f < filters; f += VECTOR_LENGTH) {
            const int64_t count = lanes_left(filters, f);
            const float *from = a->kernel + c * filters + f;
            patch p = {from, TAPS * size, size};
            if (count < VECTOR_LENGTH) {
                for (int i = 0; i < TAPS * TAPS; i++) {
                    store(buffer + i * VECTOR_LENGTH, load_first(from + i * size, (size_t)count));
                }
                p = (patch){buffer, TAPS * VECTOR_LENGTH, VECTOR_LENGTH};
            }
            float *to = a->u + in_panels(channels, filters, c, f);
            vector half[ALL_POINTS];
            transform_columns(transform_kernel, p.from, p.row, p.column, half, TAPS);
            UNROLL for (int i = 0; i < POINTS; i++)
            {
                vector u[POINTS];
                transform_row(transform_kernel, half, i, u);
                UNROLL for (int j = 0; j < POINTS; j++)
                {
                    store(to, u[j]);
                    to += a->step;
                }
            }
        }
    }
}

/* One square of the kernel, [f][c] to [c][f], up to a vector each. */
static void turn_block(const float *from, int64_t channels, float *to, int64_t filters, int64_t c,
                       int64_t f)
{
    vector block[VECTOR_LENGTH];
    const int64_t rows = lanes_left(filters, f), columns = lanes_left(channels, c);
    for (int64_t i = 0; i < VECTOR_LENGTH; i++) {
        block[i] =
            i < rows ? load_up_to(from + (f + i) * channels + c, (size_t)columns) : (vector){0};
    }
    transpose(block);
    for (int64_t i = 0; i < columns; i++) {
        store_up_to(to + (c + i) * filters + f, block[i], (size_t)rows);
    }
}

typedef struct turning {
    const float *from; /* (3, 3, filters, channels) */
    float *to;         /* (3, 3, channels, filters), read backwards */
    int64_t channels, filters;
} turning;

static void turn_rows(const void *argument, int64_t begin, int64_t end)
{
    const turning *a = argument;
    const int64_t size = a->channels * a->filters;
    for (int64_t i = 0; i < TAPS * TAPS; i++) {
        for (int64_t c = begin; c < end; c += VECTOR_LENGTH) {
            for (int64_t f = 0; f < a->filters; f += VECTOR_LENGTH) {
                turn_block(a->from + (TAPS * TAPS - 1 - i) * size, a->channels, a->to + i * size,
                           a->filters, c, f);
            }
        }
    }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

typedef struct block_place {
    int64_t start, tiles;
    tile_place first, last;
} block_place;

static block_place block_at(const geometry *g, int64_t number)
{
    const int64_t first = number * g->block, left = g->tiles - first;
    const int64_t tiles = left < g->block ? left : g->block;
    return (block_place){first, tiles, place_of(g, first), place_of(g, first + tiles - 1)};
}

/* A share with each point. */
static ahead rows_between(const float *images, int64_t width, int64_t all, int64_t from, int64_t to)
{
    from = from < 0 ? 0 : from;
    to = to < all ? to : all;
    if (!images || to <= from) return (ahead){0};
    return ahead_of(images + from * width, (to - from) * width, ALL_POINTS);
}

/* The rows of x that a block reads; none past the last block. */
static ahead x_of_block(const geometry *g, int64_t number, const float *x)
{
    const fm_winograd *w = &g->w;
    if (number >= g->blocks) return (ahead){0};
    const block_place b = block_at(g, number);
    return rows_between(x, w->width * w->channels, w->images * w->height,
                        b.first.image * w->height + b.first.row - w->pad_top,
                        b.last.image * w->height + b.last.row - w->pad_top + POINTS);
}

static ahead y_of_block(const geometry *g, const block_place *b, const float *y)
{
    const fm_winograd *w = &g->w;
    return rows_between(y, w->out_width * w->filters, w->images * w->out_height,
                        b->first.image * w->out_height + b->first.row,
                        b->last.image * w->out_height + b->last.row + RESULTS);
}

/* ---- convolution ----------------------------------------------------------------------------- */

/* What the parts of a convolution share. */
typedef struct convolution {
    geometry g;
    const float *x, *u;
    const fm_winograd_epilogue *epilogue;
    float *y, *scratch;
    float *moments;    /* units of channel_moments.h; NULL: nobody wants them */
    block_place group; /* of tiles, by panels */
} convolution;

/* Where a tile's pixels lie behind its first, those within y; how many. */
static int pixels_of(const fm_winograd *w, tile_place at, int32_t *to)
{
    int count = 0;
    for (int64_t i = 0; i < RESULTS && at.row + i < w->out_height; i++) {
        for (int64_t j = 0; j < RESULTS && at.column + j < w->out_width; j++) {
            to[count++] = (int32_t)((i * w->out_width + j) * w->filters);
        }
    }
    return count;
}

/* Filters `some` of a tile's results, in y, to a unit; the tile that begins it when `begin`. */
static void add_tile_moments(const convolution *a, float *unit, bool begin, tile_place at,
                             filter_range some, const int32_t *to, int pixels)
{
    const fm_winograd *w = &a->g.w;
    const int64_t first = (at.image * w->out_height + at.row) * w->out_width + at.column;
    const float *y = a->y + first * w->filters;
    for (int64_t f = some.from; f < some.to; f += VECTOR_LENGTH) {
        add_moments(unit + f, moment_line(w->filters), begin, y + f, to, pixels,
                    (size_t)(some.to - f));
    }
}

/* Filters `some` of all tiles of a block, of whole units, from products in panels to y. */
static void finish_tiles(const convolution *a, const block_place *block, const float *points,
                         filter_range some)
{
    const geometry *g = &a->g;
    const int64_t size = MOMENT_LINES * moment_line(g->w.filters);
    int32_t whole[RESULTS * RESULTS], some_of[RESULTS * RESULTS];
    if (a->moments) pixels_of(&g->w, (tile_place){0, 0, 0}, whole);
    float *unit = a->moments ? a->moments + block->start / g->unit * size : NULL;
    tile_place at = block->first;
    for (int64_t t = 0, in_unit = 0; t < block->tiles; t++, at = next_place(g, at)) {
        transform_tile_to_y(g, points, t, block->tiles, some, at, a->epilogue, a->y);
        if (!a->moments) continue;
        const bool is_whole =
            at.row + RESULTS <= g->w.out_height && at.column + RESULTS <= g->w.out_width;
        const int pixels = is_whole ? RESULTS * RESULTS : pixels_of(&g->w, at, some_of);
        add_tile_moments(a, unit, in_unit == 0, at, some, is_whole ? whole : some_of, pixels);
        in_unit = (in_unit + 1) % g->unit;
        unit += in_unit == 0 ? size : 0;
    }
}

static void convolve_block(const convolution *a, int64_t number, float *scratch)
{
    const geometry *g = &a->g;
    const block_place block = block_at(g, number);
    const fm_winograd_epilogue *e = a->epilogue;
    float *x = scratch, *y = x + ALL_POINTS * g->x_step;
    tile_place at = block.first;
    for (int64_t t = 0; t < block.tiles; t++, at = next_place(g, at)) {
        transform_tile_of_x(g, a->x, at, x + t * g->w.channels);
    }
    point_product product = {.rows = block.tiles,
                             .columns = g->w.filters,
                             .depth = g->w.channels,
                             .a_row = g->w.channels,
                             .a_depth = 1,
                             .c_rows = block.tiles};
    ahead soon[] = {x_of_block(g, number + 1, a->x), y_of_block(g, &block, a->y),
                    y_of_block(g, &block, e->residual), y_of_block(g, &block, e->mask)};
    for (size_t p = 0; p < ALL_POINTS; p++) {
        product.a = x + p * g->x_step;
        product.b = a->u + p * g->kernel_step;
        product.c = y + p * g->y_step;
        for (int i = 0; i < 4; i++) fetch_ahead(&soon[i]);
        multiply(&product);
    }
    finish_tiles(a, &block, y, (filter_range){0, g->w.filters});
}

static void convolve_blocks(const void *argument, int part, int64_t begin, int64_t end)
{
    const convolution *a = argument;
    for (int64_t b = begin; b < end; b++) {
        convolve_block(a, b, a->scratch + (size_t)part * ALL_POINTS * (a->g.x_step + a->g.y_step));
    }
}

static size_t kernel_step(int64_t channels, int64_t filters)
{
    return round_up(fm_gemm_panels_floats(ISA, (size_t)channels, (size_t)filters));
}

static size_t kernel_floats(int64_t channels, int64_t filters)
{
    return ALL_POINTS * kernel_step(channels, filters);
}

static void transform_whole_kernel(int64_t channels, int64_t filters, const float *kernel,
                                   float *transformed, int threads)
{
    const kernel_transform t = {channels, filters, kernel, transformed,
                                kernel_step(channels, filters)};
    fm_in_ranges(threads, channels, 1, 1.5 * (double)filters, transform_kernel_rows, &t);
}

static size_t turned_floats(const fm_winograd *w)
{
    return round_up((size_t)(TAPS * TAPS * w->channels * w->filters));
}

/* Scratch: the transformed kernel, the turned one, what the parts need. */
static size_t own_kernel_floats(const fm_winograd *w)
{
    return w->kernel_ready ? 0 : kernel_floats(w->channels, w->filters) + turned_floats(w);
}

/* Few tiles, or a kernel that the caches do not hold: the tiles of a group are transformed
 * together, then each panel of filters is a job, and the kernel is read once for all of them. */
static bool goes_by_panels(const geometry *g, int threads)
{
    const size_t kernel = ALL_POINTS * g->kernel_step;
    return (threads > 1 && g->blocks < 2 * threads) || kernel > LARGE_KERNEL;
}

static int64_t group_of(const geometry *g)
{
    const int64_t groups = (g->tiles + GROUP - 1) / GROUP;
    return (g->tiles + groups - 1) / groups;
}

/* x's points are all threads' when it goes by panels, then in groups of whole units of moments. */
static geometry cut_convolution(const fm_winograd *w, int threads, bool *by_panels)
{
    geometry g = geometry_of(w, w->moments ? MOMENT_BLOCKS : 2 * threads);
    *by_panels = goes_by_panels(&g, threads);
    if (*by_panels) {
        const int64_t group = group_of(&g), step = w->moments ? g.unit : 1;
        cut_tiles(&g, (group + step - 1) / step * step, (int64_t)ISA->panel_width);
    }
    return g;
}

static size_t convolution_floats(const geometry *g, bool by_panels, int threads)
{
    const size_t x = ALL_POINTS * g->x_step, y = ALL_POINTS * g->y_step, parts = (size_t)threads;
    return own_kernel_floats(&g->w) + (by_panels ? x + parts * y : parts * (x + y));
}

static size_t scratch_floats(const fm_winograd *w, int threads)
{
    bool by_panels;
    const geometry g = cut_convolution(w, threads, &by_panels);
    const int64_t moments = w->moments ? moments_floats(w->filters, g.units) : 0;
    return convolution_floats(&g, by_panels, threads) + (size_t)moments;
}

static void transform_some_tiles(const void *argument, int part, int64_t begin, int64_t end)
{
    const convolution *a = argument;
    tile_place at = place_of(&a->g, a->group.start + begin);
    (void)part;
    for (int64_t t = begin; t < end; t++, at = next_place(&a->g, at)) {
        transform_tile_of_x(&a->g, a->x, at, a->scratch + t * a->g.w.channels);
    }
}

static void convolve_panels(const void *argument, int part, int64_t begin, int64_t end)
{
    const convolution *a = argument;
    const geometry *g = &a->g;
    const int64_t width = (int64_t)ISA->panel_width, tiles = a->group.tiles;
    float *y = a->scratch + ALL_POINTS * (g->x_step + (size_t)part * g->y_step);
    for (int64_t f = begin * width; f < end * width && f < g->w.filters; f += width) {
        const filter_range some = {f, f + width < g->w.filters ? f + width : g->w.filters};
        point_product product = {.rows = tiles,
                                 .columns = some.to - some.from,
                                 .depth = g->w.channels,
                                 .a_row = g->w.channels,
                                 .a_depth = 1,
                                 .c_rows = tiles};
        for (size_t p = 0; p < ALL_POINTS; p++) {
            product.a = a->scratch + p * g->x_step;
            product.b = a->u + p * g->kernel_step + f * g->w.channels;
            product.c = y + p * g->y_step;
            multiply(&product);
        }
        finish_tiles(a, &a->group, y, some);
    }
}

static void convolve_groups(convolution *a, int threads)
{
    const int64_t width = (int64_t)ISA->panel_width, panels = (a->g.w.filters + width - 1) / width;
    for (int64_t i = 0; i < a->g.blocks; i++) {
        a->group = block_at(&a->g, i);
        fm_in_pieces(threads,
                     &(fm_pieces){a->group.tiles, SOME_TILES, false, transform_some_tiles, a});
        fm_in_pieces(threads, &(fm_pieces){panels, 1, false, convolve_panels, a});
    }
}

static void convolve(const fm_winograd *w, const float *x, const float *kernel, bool turned,
                     const fm_winograd_epilogue *epilogue, float *y, int threads, float *scratch)
{
    bool by_panels;
    convolution a = {.g = cut_convolution(w, threads, &by_panels),
                     .x = x,
                     .u = w->kernel_ready ? kernel : scratch,
                     .epilogue = epilogue,
                     .y = y,
                     .scratch = scratch + own_kernel_floats(w)};
    if (w->moments) a.moments = scratch + convolution_floats(&a.g, by_panels, threads);
    if (turned) {
        float *turned_kernel = scratch + kernel_floats(w->channels, w->filters);
        fm_in_ranges(threads, w->channels, VECTOR_LENGTH, 1.5 * (double)w->filters, turn_rows,
                     &(turning){kernel, turned_kernel, w->channels, w->filters});
        kernel = turned_kernel;
    }
    if (!w->kernel_ready) {
        transform_whole_kernel(w->channels, w->filters, kernel, scratch, threads);
    }
    if (by_panels) {
        convolve_groups(&a, threads);
    } else {
        fm_in_pieces(threads, &(fm_pieces){a.g.blocks, 1, false, convolve_blocks, &a});
    }
    if (!w->moments) return;
    const moment_units units = {a.moments, w->filters, a.g.units, epilogue->mean,
                                epilogue->variance};
    finish_moments(&units, threads);
}

/* ---- the gradient of the kernel -------------------------------------------------------------- */

/* Of a small kernel: tiles are cut into `sums` shares, each with a du of its own, which are added
 * up at the end. Of a large one (sums = 1): the tiles of a group are transformed together, then
 * each point is a job. Neither depends on the number of threads. */
typedef struct kernel_gradient {
    geometry g;
    const float *x, *dy;
    float *dkernel, *dbias, *du, *scratch;
    float *dy_sums; /* (lines, filters in whole vectors) */
    int64_t sums, lines;
    size_t du_floats, parts; /* of a share; how many have scratch of their own */
    block_place group;
    bool add; /* to the groups before */
} kernel_gradient;

static kernel_gradient describe_gradient(const fm_winograd *w, int threads)
{
    const size_t whole = fm_gemm_panels_floats(ISA, (size_t)w->channels, (size_t)w->filters);
    kernel_gradient k = {.sums = ALL_POINTS * whole <= SUMS_FLOATS ? SUMS : 1};
    k.g = geometry_of(w, k.sums);
    if (k.sums == 1) cut_tiles(&k.g, group_of(&k.g), w->filters);
    k.lines = k.sums == 1 ? (k.g.block + SOME_TILES - 1) / SOME_TILES : k.sums;
    k.parts = k.sums == 1 ? 1 : (size_t)threads;
    k.du_floats = ALL_POINTS * k.g.kernel_step;
    return k;
}

static size_t whole_vectors(int64_t count)
{
    return (size_t)(count + VECTOR_LENGTH - 1) / VECTOR_LENGTH * VECTOR_LENGTH;
}

static size_t points_floats(const geometry *g)
{
    return ALL_POINTS * (g->x_step + g->y_step);
}

static size_t kernel_grad_scratch_floats(const fm_winograd *w, int threads)
{
    const kernel_gradient k = describe_gradient(w, threads);
    return (size_t)k.sums * k.du_floats + k.parts * points_floats(&k.g) +
           (size_t)k.lines * whole_vectors(w->filters);
}

static float *line_of_sums(const kernel_gradient *k, int64_t line)
{
    return k->dbias ? k->dy_sums + (size_t)line * whole_vectors(k->g.w.filters) : NULL;
}

/* Row `t` of a block's points, x's and dy's. */
static void transform_tiles(const kernel_gradient *k, tile_place at, int64_t t, int64_t tiles,
                            float *points, float *sums)
{
    const geometry *g = &k->g;
    transform_tile_of_x(g, k->x, at, points + t * g->w.channels);
    transform_tile_of_dy(g, k->dy, at, t, tiles, points + ALL_POINTS * g->x_step, sums);
}

/* du[point] (channels, filters) = or += x[point]^T dy[point] */
static void multiply_point(const kernel_gradient *k, size_t p, int64_t tiles, const float *points,
                           float *du, bool add)
{
    const geometry *g = &k->g;
    multiply(&(point_product){.rows = g->w.channels,
                              .columns = g->w.filters,
                              .depth = tiles,
                              .a = points + p * g->x_step,
                              .a_row = 1,
                              .a_depth = g->w.channels,
                              .b = points + ALL_POINTS * g->x_step + p * g->y_step,
                              .c = du + p * g->kernel_step,
                              .c_rows = g->w.channels,
                              .add = add});
}

static void add_block(const kernel_gradient *k, int64_t number, bool add, float *du, float *sums,
                      float *points)
{
    const geometry *g = &k->g;
    const block_place block = block_at(g, number);
    tile_place at = block.first;
    for (int64_t t = 0; t < block.tiles; t++, at = next_place(g, at)) {
        transform_tiles(k, at, t, block.tiles, points, sums);
    }
    const bool more = number + 1 < g->blocks;
    const block_place next = more ? block_at(g, number + 1) : block;
    ahead soon[] = {x_of_block(g, number + 1, k->x), y_of_block(g, &next, more ? k->dy : NULL)};
    for (size_t p = 0; p < ALL_POINTS; p++) {
        for (int i = 0; i < 2; i++) fetch_ahead(&soon[i]);
        multiply_point(k, p, block.tiles, points, du, add);
    }
}

static void gradient_shares(const void *argument, int part, int64_t begin, int64_t end)
{
    const kernel_gradient *k = argument;
    const size_t line = whole_vectors(k->g.w.filters) * sizeof(float);
    for (int64_t share = begin; share < end; share++) {
        float *du = k->du + (size_t)share * k->du_floats, *sums = line_of_sums(k, share);
        const int64_t first = fm_range_bound(k->g.blocks, 1, (int)share, (int)k->sums);
        const int64_t last = fm_range_bound(k->g.blocks, 1, (int)share + 1, (int)k->sums);
        if (first == last) memset(du, 0, k->du_floats * sizeof *du);
        if (sums) memset(sums, 0, line);
        for (int64_t b = first; b < last; b++) {
            add_block(k, b, b > first, du, sums, k->scratch + (size_t)part * points_floats(&k->g));
        }
    }
}

/* Items are SOME_TILES of the group each. */
static void transform_group(const void *argument, int part, int64_t begin, int64_t end)
{
    const kernel_gradient *k = argument;
    (void)part;
    for (int64_t item = begin; item < end; item++) {
        const int64_t from = item * SOME_TILES, left = k->group.tiles - from;
        float *sums = line_of_sums(k, item);
        if (sums && !k->add) memset(sums, 0, whole_vectors(k->g.w.filters) * sizeof *sums);
        tile_place at = place_of(&k->g, k->group.start + from);
        for (int64_t t = from; t < from + (left < SOME_TILES ? left : SOME_TILES); t++) {
            transform_tiles(k, at, t, k->group.tiles, k->scratch, sums);
            at = next_place(&k->g, at);
        }
    }
}

static void gradient_points(const void *argument, int part, int64_t begin, int64_t end)
{
    const kernel_gradient *k = argument;
    (void)part;
    for (int64_t p = begin; p < end; p++) {
        multiply_point(k, (size_t)p, k->group.tiles, k->scratch, k->du, k->add);
    }
}

static void gradient_groups(kernel_gradient *k, int threads)
{
    for (int64_t i = 0; i < k->g.blocks; i++) {
        k->group = block_at(&k->g, i);
        k->add = i > 0;
        const int64_t items = (k->group.tiles + SOME_TILES - 1) / SOME_TILES;
        fm_in_pieces(threads, &(fm_pieces){items, 1, false, transform_group, k});
        fm_in_pieces(threads, &(fm_pieces){ALL_POINTS, 1, false, gradient_points, k});
    }
}

/* dkernel of channels [begin, end) from the sums of du */
static void finish_rows(const void *argument, int64_t begin, int64_t end)
{
    const kernel_gradient *k = argument;
    const int64_t channels = k->g.w.channels, filters = k->g.w.filters;
    for (int64_t c = begin; c < end; c++) {
        for (int64_t f = 0; f < filters; f += VECTOR_LENGTH) {
            const float *du = k->du + in_panels(channels, filters, c, f);
            _Alignas(64) float sums[ALL_POINTS * VECTOR_LENGTH];
            vector half[ALL_POINTS];
            for (size_t p = 0; p < ALL_POINTS; p++) {
                const float *point = du + p * k->g.kernel_step;
                vector sum = load(point);
                for (int64_t s = 1; s < k->sums; s++) {
                    sum += load(point + (size_t)s * k->du_floats);
                }
                store(sums + p * VECTOR_LENGTH, sum);
            }
            transform_columns(transform_to_dkernel, sums, POINTS * VECTOR_LENGTH, VECTOR_LENGTH,
                              half, POINTS);
            for (int i = 0; i < TAPS; i++) {
                vector dw[TAPS];
                transform_row(transform_to_dkernel, half, i, dw);
                for (int j = 0; j < TAPS; j++) {
                    store_up_to(k->dkernel + ((i * TAPS + j) * channels + c) * filters + f, dw[j],
                                (size_t)lanes_left(filters, f));
                }
            }
        }
    }
}

static void finish_sums(const kernel_gradient *k)
{
    for (int64_t f = 0; k->dbias && f < k->g.w.filters; f++) {
        float sum = line_of_sums(k, 0)[f];
        for (int64_t line = 1; line < k->lines; line++) sum += line_of_sums(k, line)[f];
        k->dbias[f] = sum;
    }
}

static void kernel_grad(const fm_winograd *w, const float *x, const float *dy, float *dkernel,
                        float *dbias, int threads, float *scratch)
{
    kernel_gradient k = describe_gradient(w, threads);
    k.x = x;
    k.dy = dy;
    k.dkernel = dkernel;
    k.dbias = dbias;
    k.du = scratch;
    k.dy_sums = k.du + (size_t)k.sums * k.du_floats;
    k.scratch = k.dy_sums + (size_t)k.lines * whole_vectors(w->filters);
    if (k.sums == 1) {
        gradient_groups(&k, threads);
    } else {
        fm_in_pieces(threads, &(fm_pieces){k.sums, 1, false, gradient_shares, &k});
    }
    fm_in_ranges(threads, w->channels, 1, 1.5 * (double)(w->filters * k.sums), finish_rows, &k);
    finish_sums(&k);
}

const fm_winograd_isa FM_ISA_SYMBOL(fm_winograd_isa) = {
    .name = FM_ISA_NAME,
    .kernel_floats = kernel_floats,
    .transform_kernel = transform_whole_kernel,
    .scratch_floats = scratch_floats,
    .convolve = convolve,
    .kernel_grad_scratch_floats = kernel_grad_scratch_floats,
    .kernel_grad = kernel_grad,
};
