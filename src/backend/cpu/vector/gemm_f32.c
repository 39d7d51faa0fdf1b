/* Matrix products for one instruction set: cuts C into tiles, brings B into panels, keeps both in
 * the caches. gemm.h is the interface, gemm_tile.h the inner loops. */
#include "backend/cpu/gemm.h"
#include "backend/cpu/vector/gemm_tile.h"

#define DEPTH_BLOCK 256       /* a panel of B this deep stays in the first cache */
#define CACHED_A    (5 << 15) /* floats of A that stay in the second cache */

#define MIN(x, y) ((x) < (y) ? (x) : (y))

/* The part's share: cells [begin, end) of the grid of row tiles by panels, numbered down the first
 * panel, then down the second, ... */
struct share {
    const fm_gemm *g;
    float *b;       /* scratch: a panel of B, a block deep                     */
    float *b_sums;  /* PANEL_WIDTH for each panel                              */
    float *a;       /* tiles of A, a block deep; NULL: they are read in place  */
    size_t a_first; /* the first of these tiles                                */
    size_t row_tiles;
    size_t begin, end;
    size_t depth_blocks, block_depth;
};

/* A run of row tiles in one panel. */
struct strip {
    size_t column, columns, vectors;
    size_t tile_begin, tile_end;
};

/* Where piece `piece` of `pieces` begins when `whole` is cut evenly. */
static size_t bound(size_t whole, size_t piece, size_t pieces)
{
    return whole / pieces * piece + MIN(whole % pieces, piece);
}

/* Blocks that depth is cut into, where nothing keeps it whole. */
static size_t cut_depth(const fm_gemm *g)
{
    const size_t blocks = (g->depth + DEPTH_BLOCK / 2) / DEPTH_BLOCK;
    return blocks == 0 ? 1 : blocks;
}

static size_t depth_blocks(const fm_gemm *g)
{
    const bool tile_in_buffer = g->c_layout == FM_GEMM_PANELS && !g->c;
    return tile_in_buffer ? 1 : cut_depth(g);
}

static size_t block_depth(const fm_gemm *g, size_t blocks)
{
    return (g->depth + blocks - 1) / blocks;
}

static size_t row_tiles_of(const fm_gemm *g)
{
    return (g->rows + TILE_ROWS - 1) / TILE_ROWS;
}

/* At most so many row tiles at a time: their part of A, a block deep, stays in the second cache. */
static size_t most_row_tiles(const fm_gemm *g, size_t blocks)
{
    const size_t cached = CACHED_A / (block_depth(g, blocks) + 1) / TILE_ROWS;
    return cached < 8 ? 8 : cached;
}

/* A deep A whose columns are contiguous (of a weight gradient: X^T) is read down its columns, each few
 * numbers from another line and page: its tiles are gathered once for all panels. */
static bool gathers_a(const fm_gemm *g, size_t blocks)
{
    return g->a_row_stride == 1 && blocks > 1 && g->columns > PANEL_WIDTH;
}

static size_t sums_floats(const fm_gemm *g)
{
    return (g->columns + PANEL_WIDTH - 1) / PANEL_WIDTH * PANEL_WIDTH;
}

static size_t scratch_of_blocks(const fm_gemm *g, size_t blocks)
{
    const size_t depth = block_depth(g, blocks);
    const size_t at_once = MIN(row_tiles_of(g), most_row_tiles(g, blocks));
    const size_t gathered = gathers_a(g, blocks) ? at_once * TILE_ROWS * depth : 0;
    return (depth * PANEL_WIDTH + sums_floats(g) + gathered + 15) / 16 * 16;
}

/* Whether C will have memory is not known yet. */
static size_t scratch_floats(const fm_gemm *g)
{
    const size_t cut = scratch_of_blocks(g, cut_depth(g)), whole = scratch_of_blocks(g, 1);
    return g->c_layout == FM_GEMM_PANELS && whole > cut ? whole : cut;
}

/* Width of the panel that begins at `column` of a matrix in panels. */
static size_t panel_width(size_t columns, size_t column)
{
    return columns - column <= VECTOR_LENGTH ? VECTOR_LENGTH : PANEL_WIDTH;
}

/* B[depth, columns] is the transpose of a matrix in panels. They follow each other along depth; the
 * last may be narrow. */
static void pack_from_panels(const fm_gemm *g, const struct strip *s, size_t from, size_t to,
                             float *packed)
{
    const size_t width = s->vectors * VECTOR_LENGTH;

    for (size_t d = from; d < to;) {
        const size_t panel = d / PANEL_WIDTH * PANEL_WIDTH;
        const size_t stored = panel_width(g->depth, panel);
        const size_t end = MIN(to, panel + PANEL_WIDTH);
        const float *block = g->b + panel * g->columns + s->column * stored + (d - panel);
        pack_transposed(packed + (d - from) * PANEL_WIDTH, width, block, (ptrdiff_t)stored,
                        s->columns, end - d);
        d = end;
    }
}

static void pack_b(const fm_gemm *g, const struct strip *s, size_t from, size_t to, float *packed)
{
    const size_t width = s->vectors * VECTOR_LENGTH;
    const float *b =
        g->b + (ptrdiff_t)from * g->b_depth_stride + (ptrdiff_t)s->column * g->b_column_stride;

    if (g->b_layout == FM_GEMM_PANELS_TRANSPOSED) {
        pack_from_panels(g, s, from, to, packed);
    } else if (g->b_column_stride == 1) {
        pack_rows(packed, width, b, g->b_depth_stride, s->columns, to - from);
    } else if (g->b_depth_stride == 1) {
        pack_transposed(packed, width, b, g->b_column_stride, s->columns, to - from);
    } else {
        pack_any(packed, width, b, g->b_depth_stride, g->b_column_stride, s->columns, to - from);
    }
}

static void add_packed_rows(float sums[PANEL_WIDTH], const float *packed, size_t vectors,
                            size_t depth)
{
    for (size_t v = 0; v < vectors; v++) {
        vector sum = load(sums + v * VECTOR_LENGTH);
        for (size_t d = 0; d < depth; d++)
            sum += load(packed + d * PANEL_WIDTH + v * VECTOR_LENGTH);
        store(sums + v * VECTOR_LENGTH, sum);
    }
}

static void finish_sums(const fm_gemm *g, const struct strip *s, const float *sums)
{
    for (size_t i = 0; i < s->columns; i++) {
        float *sum = g->b_sums + s->column + i;
        *sum = g->accumulate ? *sum + g->scale * sums[i] : sums[i];
    }
}

/* Buffers for a tile whose columns end inside a vector, and for the mask and bias beside it. */
struct edge {
    _Alignas(64) float c[TILE_ROWS * PANEL_WIDTH];
    _Alignas(64) float mask[TILE_ROWS * PANEL_WIDTH];
    _Alignas(64) float bias[PANEL_WIDTH];
};

static void copy_rows(float *to, ptrdiff_t to_row, const float *from, ptrdiff_t from_row,
                      size_t rows, size_t columns)
{
    for (size_t r = 0; r < rows; r++) {
        const float *source = from + (ptrdiff_t)r * from_row;
        float *target = to + (ptrdiff_t)r * to_row;
        size_t i = 0;
        for (; i + VECTOR_LENGTH <= columns; i += VECTOR_LENGTH)
            store(target + i, load(source + i));
        if (i < columns) store_first(target + i, load_first(source + i, columns - i), columns - i);
    }
}

static void edge_in(struct edge *edge, struct tile *t, size_t rows, size_t columns)
{
    if (t->continued) copy_rows(edge->c, PANEL_WIDTH, t->c, t->c_row, rows, columns);
    if (t->mask) copy_rows(edge->mask, PANEL_WIDTH, t->mask, t->mask_row, rows, columns);
    if (t->bias) copy_rows(edge->bias, PANEL_WIDTH, t->bias, 0, 1, columns);
    t->c = edge->c;
    t->mask = t->mask ? edge->mask : NULL;
    t->bias = t->bias ? edge->bias : NULL;
    t->c_row = t->mask_row = PANEL_WIDTH;
}

static void call_function(const fm_gemm *g, const struct strip *s, const struct tile *t, size_t row,
                          size_t rows)
{
    const bool panels = g->c_layout == FM_GEMM_PANELS;
    const size_t width = s->vectors * VECTOR_LENGTH;

    g->function(g->argument, &(fm_gemm_tile){
                                 .values = t->c,
                                 .stride = (size_t)t->c_row,
                                 .row = row,
                                 .column = s->column,
                                 .rows = rows,
                                 .columns = panels ? width : s->columns,
                                 .offset = panels ? s->column * g->rows + row * width : 0,
                             });
}

/* Row tiles [first, last) of A, depth [from, to), as [tile][depth][TILE_ROWS]. */
static void gather_a(struct share *share, size_t first, size_t last, size_t from, size_t to)
{
    const fm_gemm *g = share->g;
    share->a_first = first;
    for (size_t d = from; d < to; d++) {
        const float *column = g->a + (ptrdiff_t)d * g->a_depth_stride;
        for (size_t i = first; i < last; i++) {
            const size_t row = bound(g->rows, i, share->row_tiles);
            const size_t rows = bound(g->rows, i + 1, share->row_tiles) - row;
            float *tile = share->a + (i - first) * TILE_ROWS * share->block_depth;
            copy_rows(tile + (d - from) * TILE_ROWS, 0, column + row, 0, 1, rows);
        }
    }
}

/* Where tile i of A begins at depth `from`. */
static void point_at_a(const struct share *share, size_t i, size_t row, size_t from, struct tile *t)
{
    const fm_gemm *g = share->g;
    if (share->a) {
        t->a = share->a + (i - share->a_first) * TILE_ROWS * share->block_depth;
        t->a_depth = TILE_ROWS;
        return;
    }
    t->a = g->a + (ptrdiff_t)row * g->a_row_stride + (ptrdiff_t)from * g->a_depth_stride;
    t->next_a = g->a_depth_stride == 1 ? TILE_ROWS * g->a_row_stride : 0;
}

/* The tiles of a strip, for depth [from, to). */
static void run_tiles(const struct share *share, const struct strip *s, size_t from, size_t to,
                      struct tile t)
{
    const fm_gemm *g = share->g;
    const bool last = to == g->depth, panels = g->c_layout == FM_GEMM_PANELS;
    const size_t width = s->vectors * VECTOR_LENGTH;
    const bool buffered = panels ? !g->c : s->columns < width;
    struct edge edge;

    t.depth = to - from;
    t.scale = g->scale;
    t.accumulate = g->accumulate;
    t.continued = from > 0 && !g->accumulate;
    t.relu = g->relu && last;
    t.mask_row = g->mask_row_stride;
    t.c_row = panels ? (ptrdiff_t)width : g->c_row_stride;
    for (size_t i = s->tile_begin; i < s->tile_end; i++) {
        const size_t row = bound(g->rows, i, share->row_tiles);
        const size_t rows = bound(g->rows, i + 1, share->row_tiles) - row;
        const ptrdiff_t r = (ptrdiff_t)row, c = (ptrdiff_t)s->column;
        struct tile tile = t;
        point_at_a(share, i, row, from, &tile);
        tile.c = !g->c    ? NULL
                 : panels ? g->c + s->column * g->rows + row * width
                          : g->c + r * g->c_row_stride + c;
        tile.mask = g->mask && last ? g->mask + r * g->mask_row_stride + c : NULL;
        tile.bias = g->bias && last ? g->bias + c : NULL;
        float *target = tile.c;
        if (buffered) edge_in(&edge, &tile, rows, s->columns);
        if (panels && buffered) tile.c_row = (ptrdiff_t)width;
        tiles[rows - 1][s->vectors - 1][g->a_row_stride == 1](&tile);
        if (g->function && last) call_function(g, s, &tile, row, rows);
        if (buffered && target) {
            copy_rows(target, t.c_row, tile.c, tile.c_row, rows, s->columns);
        }
    }
}

/* B can be read where it lies: in panels, or when its rows are plain and one tile reads them. */
static bool direct(const fm_gemm *g, const struct strip *s)
{
    if (g->b_layout != FM_GEMM_STRIDED) return g->b_layout == FM_GEMM_PANELS;
    return g->b_column_stride == 1 && s->tile_end - s->tile_begin == 1 && !g->b_sums &&
           s->columns == s->vectors * VECTOR_LENGTH;
}

/* The strip at depth [from, to). */
static void run_strip(const struct share *share, const struct strip *s, size_t from, size_t to)
{
    const fm_gemm *g = share->g;
    const bool panels = g->b_layout == FM_GEMM_PANELS;
    const size_t width = s->vectors * VECTOR_LENGTH;
    const ptrdiff_t step = panels ? (ptrdiff_t)width : g->b_depth_stride;
    struct tile t = {.a_row = g->a_row_stride, .a_depth = g->a_depth_stride};

    if (direct(g, s)) {
        t.b = (panels ? g->b + s->column * g->depth : g->b + s->column) + (ptrdiff_t)from * step;
        t.b_depth = step;
    } else {
        pack_b(g, s, from, to, share->b);
        t.b = share->b;
        t.b_depth = PANEL_WIDTH;
        if (g->b_sums && s->tile_begin == 0) {
            float *sums = share->b_sums + s->column;
            for (size_t j = 0; from == 0 && j < PANEL_WIDTH; j++) sums[j] = 0;
            add_packed_rows(sums, share->b, s->vectors, to - from);
            if (to == g->depth) finish_sums(g, s, sums);
        }
    }
    run_tiles(share, s, from, to, t);
}

/* Few rows: one tile spans several panels of B, which is read where it lies. */
static void run_wide(const fm_gemm *g, size_t column)
{
    const bool resident = g->b_layout == FM_GEMM_PANELS;
    struct tile t = {
        .depth = g->depth,
        .a = g->a,
        .a_row = g->a_row_stride,
        .a_depth = g->a_depth_stride,
        .b = resident ? g->b + column * g->depth : g->b + column,
        .b_depth = resident ? PANEL_WIDTH : g->b_depth_stride,
        .b_panel = resident ? (ptrdiff_t)(g->depth * PANEL_WIDTH) : PANEL_WIDTH,
        .c = g->c + column,
        .c_row = g->c_row_stride,
        .bias = g->bias ? g->bias + column : NULL,
        .mask = g->mask ? g->mask + column : NULL,
        .mask_row = g->mask_row_stride,
        .relu = g->relu,
    };
    const struct strip s = {.column = column, .columns = WIDE_PANELS * PANEL_WIDTH};

    wide_tiles[g->rows - 1][g->a_row_stride == 1](&t);
    if (g->function) call_function(g, &s, &t, 0, g->rows);
}

static bool wide_pays(const fm_gemm *g)
{
    return g->rows <= WIDE_ROWS && g->c_layout == FM_GEMM_STRIDED && !g->b_sums &&
           (g->b_layout == FM_GEMM_PANELS ||
            (g->b_layout == FM_GEMM_STRIDED && g->b_column_stride == 1));
}

static void run_whole_strip(const struct share *share, const struct strip *s)
{
    const size_t depth = share->g->depth, blocks = share->depth_blocks;

    for (size_t i = 0; i < blocks; i++) {
        run_strip(share, s, bound(depth, i, blocks), bound(depth, i + 1, blocks));
    }
}

static void run_few_rows(const struct share *share, unsigned part, unsigned parts)
{
    const size_t wide = WIDE_PANELS * PANEL_WIDTH, columns = share->g->columns;
    const size_t groups = (columns + wide - 1) / wide;
    const size_t end = MIN(columns, bound(groups, part + 1, parts) * wide);

    for (size_t column = bound(groups, part, parts) * wide; column < end;) {
        if (end - column >= wide) {
            run_wide(share->g, column);
            column += wide;
            continue;
        }
        const size_t left = MIN(columns - column, (size_t)PANEL_WIDTH);
        run_whole_strip(share, &(struct strip){.column = column,
                                               .columns = left,
                                               .vectors = left <= VECTOR_LENGTH ? 1 : 2,
                                               .tile_end = 1});
        column += left;
    }
}

/* The share's cells among row tiles [first, last), depth [from, to): a strip of each panel that it
 * touches. */
static void run_block(const struct share *share, size_t first, size_t last, size_t from, size_t to)
{
    const size_t columns = share->g->columns, tiles_down = share->row_tiles;

    for (size_t panel = share->begin / tiles_down; panel * tiles_down < share->end; panel++) {
        const size_t top = panel * tiles_down, column = panel * PANEL_WIDTH;
        const size_t begin = share->begin > top ? share->begin - top : 0;
        const size_t end = MIN(share->end - top, tiles_down);
        struct strip s = {
            .column = column,
            .columns = MIN(columns - column, (size_t)PANEL_WIDTH),
            .tile_begin = begin > first ? begin : first,
            .tile_end = MIN(end, last),
        };
        s.vectors = s.columns <= VECTOR_LENGTH ? 1 : 2;
        if (s.tile_begin < s.tile_end) run_strip(share, &s, from, to);
    }
}

/* Block by block: A's stays in the second cache while all panels read it. */
static void run_rows(struct share *share, size_t first, size_t last)
{
    const size_t depth = share->g->depth, blocks = share->depth_blocks;

    for (size_t i = 0; i < blocks; i++) {
        const size_t from = bound(depth, i, blocks), to = bound(depth, i + 1, blocks);
        if (share->a) gather_a(share, first, last, from, to);
        run_block(share, first, last, from, to);
    }
}

static void run_part(const fm_gemm *g, unsigned part, unsigned parts, float *scratch)
{
    const size_t blocks = depth_blocks(g), depth = block_depth(g, blocks);
    struct share share = {
        .g = g,
        .b = scratch,
        .b_sums = scratch + depth * PANEL_WIDTH,
        .row_tiles = row_tiles_of(g),
        .depth_blocks = blocks,
        .block_depth = depth,
    };
    const size_t panels = (g->columns + PANEL_WIDTH - 1) / PANEL_WIDTH;

    if (g->rows == 0 || g->columns == 0) return;
    if (wide_pays(g)) {
        run_few_rows(&share, part, parts);
        return;
    }
    if (gathers_a(g, blocks)) share.a = share.b_sums + sums_floats(g);
    size_t top = 0, bottom = share.row_tiles, cells = panels * share.row_tiles;
    if (share.a && g->rows > g->columns) { /* each part gathers rows of its own */
        top = bound(share.row_tiles, part, parts);
        bottom = bound(share.row_tiles, part + 1, parts);
        share.end = cells;
    } else {
        share.begin = bound(cells, part, parts);
        share.end = bound(cells, part + 1, parts);
    }
    const size_t most = most_row_tiles(g, blocks), pieces = (bottom - top + most - 1) / most;
    for (size_t i = 0; i < pieces; i++) {
        run_rows(&share, top + bound(bottom - top, i, pieces),
                 top + bound(bottom - top, i + 1, pieces));
    }
}

const fm_gemm_isa FM_ISA_SYMBOL(fm_gemm_isa) = {
    .name = FM_ISA_NAME,
    .vector_length = VECTOR_LENGTH,
    .panel_width = PANEL_WIDTH,
    .scratch_floats = scratch_floats,
    .run_part = run_part,
};
