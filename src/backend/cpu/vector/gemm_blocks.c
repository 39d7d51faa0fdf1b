/* Matrix products for one instruction set: cuts C into tiles, brings B into panels, keeps both in
 * the caches. gemm.h is the interface; a reader (gemm_share.h) knows what the operands are. */
#include "backend/cpu/vector/copy_rows.h"
#include "backend/cpu/vector/gemm_share.h"
#include "backend/cpu/vector/streamed.h"

#define DEPTH_BLOCK 256       /* words: a panel of B this deep stays in the first cache */
#define KEPT_B      (1 << 16) /* words: all of B, in the second cache */

typedef struct gemm_reader reader;

static size_t words_of(const reader *r, const fm_gemm *g)
{
    return (g->depth + r->word_depth - 1) / r->word_depth;
}

/* Blocks that depth is cut into, where nothing keeps it whole. */
static size_t cut_depth(size_t words)
{
    const size_t blocks = (words + DEPTH_BLOCK / 2) / DEPTH_BLOCK;
    return blocks == 0 ? 1 : blocks;
}

static size_t depth_blocks(const fm_gemm *g, size_t words)
{
    const bool tile_in_buffer = g->c_layout == FM_GEMM_PANELS && !g->c;
    return tile_in_buffer ? 1 : cut_depth(words);
}

static size_t block_depth(size_t words, size_t blocks)
{
    return (words + blocks - 1) / blocks;
}

static size_t row_tiles_of(const fm_gemm *g)
{
    return (g->rows + TILE_ROWS - 1) / TILE_ROWS;
}

/* An odd number of lines: tiles that are written side by side
 * would all want the same few places of the first cache. */
static size_t tile_step_of(size_t depth)
{
    return ((TILE_ROWS * depth + LINE - 1) / LINE | 1) * LINE;
}

static size_t sums_floats(const fm_gemm *g)
{
    return (g->columns + PANEL_WIDTH - 1) / PANEL_WIDTH * PANEL_WIDTH;
}

/* Few rows, and B lies as the tiles read it. */
static bool wide_pays(const reader *r, const fm_gemm *g)
{
    return g->rows <= WIDE_ROWS && !g->read_a && g->c_layout == FM_GEMM_STRIDED && !g->b_sums &&
           r->in_place(g);
}

/* Do parts get rows of their own? */
static bool cut_by_rows(const reader *r, const fm_gemm *g, size_t blocks)
{
    return g->rows > g->columns && r->gathers_a(g, blocks);
}

/* Is B packed once for all rows, and stays in the second cache? */
static bool keeps_b(const reader *r, const fm_gemm *g, size_t blocks)
{
    return cut_by_rows(r, g, blocks) && !r->in_place(g) &&
           words_of(r, g) * sums_floats(g) <= KEPT_B;
}

/* At most so many row tiles at a time: their part of A, a block deep, stays in the second cache. */
static size_t most_row_tiles(const reader *r, const fm_gemm *g, size_t blocks)
{
    const size_t depth = block_depth(words_of(r, g), blocks);
    const size_t cached = r->cached_a / (keeps_b(r, g, blocks) ? 2 : 1) / (depth + 1) / TILE_ROWS;
    return cached < 8 ? 8 : cached;
}

/* Rows of one tile, a block deep, or rows of depth as wide as the tiles gathered at a time. */
static size_t stage_floats(const reader *r, const fm_gemm *g, size_t blocks)
{
    const size_t tiles = MIN(row_tiles_of(g), most_row_tiles(r, g, blocks));
    const size_t words = MAX(block_depth(words_of(r, g), blocks), GATHERED_WORDS * tiles);
    return g->read_a ? in_lines(TILE_ROWS * words * r->word_depth) : 0;
}

static size_t scratch_of_blocks(const reader *r, const fm_gemm *g, size_t blocks)
{
    const size_t words = words_of(r, g), depth = block_depth(words, blocks);
    const size_t at_once = MIN(row_tiles_of(g), most_row_tiles(r, g, blocks));
    const size_t gathered = at_once * tile_step_of(wide_pays(r, g) ? words : depth);
    const size_t packed = keeps_b(r, g, blocks) ? words * sums_floats(g) : depth * PANEL_WIDTH;
    return packed + sums_floats(g) + stage_floats(r, g, blocks) +
           (r->gathers_a(g, blocks) ? gathered : 0);
}

/* Whether C will have memory is not known yet. */
size_t FM_ISA_SYMBOL(fm_gemm_scratch)(const reader *r, const fm_gemm *g)
{
    const size_t blocks = cut_depth(words_of(r, g));
    const size_t cut = scratch_of_blocks(r, g, blocks), whole = scratch_of_blocks(r, g, 1);
    return ((g->c_layout == FM_GEMM_PANELS && whole > cut ? whole : cut) + 15) / 16 * 16;
}

static void finish_sums(const fm_gemm *g, const struct strip *s, const float *sums)
{
    for (size_t i = 0; i < s->columns; i++) {
        float *sum = g->b_sums + s->column + i;
        *sum = g->accumulate ? *sum + g->scale * sums[i] : sums[i];
    }
}

/* Buffers for a tile whose columns end inside a vector, and for what is beside it. */
struct edge {
    _Alignas(64) float c[TILE_ROWS * PANEL_WIDTH];
    _Alignas(64) float added[TILE_ROWS * PANEL_WIDTH];
    _Alignas(64) float mask[TILE_ROWS * PANEL_WIDTH];
    _Alignas(64) float bias[PANEL_WIDTH];
};

static void edge_in(struct edge *edge, struct tile *t, size_t rows, size_t columns)
{
    if (t->continued) copy_rows(edge->c, PANEL_WIDTH, t->c, t->c_row, rows, columns);
    if (t->added) copy_rows(edge->added, PANEL_WIDTH, t->added, t->added_row, rows, columns);
    if (t->mask) copy_rows(edge->mask, PANEL_WIDTH, t->mask, t->mask_row, rows, columns);
    if (t->bias) copy_rows(edge->bias, PANEL_WIDTH, t->bias, 0, 1, columns);
    t->c = edge->c;
    t->added = t->added ? edge->added : NULL;
    t->mask = t->mask ? edge->mask : NULL;
    t->bias = t->bias ? edge->bias : NULL;
    t->c_row = t->added_row = t->mask_row = PANEL_WIDTH;
}

/* Where the tile at `row` begins in C in panels. */
static size_t offset_in_panels(const fm_gemm *g, const struct strip *s, size_t row)
{
    const size_t rows = g->c_rows ? g->c_rows : g->rows;
    return s->column * rows + (g->c_first + row) * strip_width(s);
}

static void call_function(const fm_gemm *g, const struct strip *s, const struct tile *t, size_t row,
                          size_t rows)
{
    const bool panels = g->c_layout == FM_GEMM_PANELS;
    const size_t width = strip_width(s);

    g->function(g->argument, &(fm_gemm_tile){
                                 .values = t->c,
                                 .stride = (size_t)t->c_row,
                                 .row = row,
                                 .column = s->column,
                                 .rows = rows,
                                 .columns = panels ? width : s->columns,
                                 .offset = panels ? offset_in_panels(g, s, row) : 0,
                             });
}

/* Where tile i of A begins at depth `from`. */
static void point_at_a(const struct share *share, size_t i, size_t row, size_t from, struct tile *t)
{
    const fm_gemm *g = share->g;
    if (share->a) {
        const bool rows = share->reader->keeps_rows && share->reader->keeps_rows(g);
        t->a_row = rows ? (ptrdiff_t)share->a_words : 1;
        t->a_depth = rows ? 1 : TILE_ROWS;
        t->a = share->a + (i - share->a_first) * share->tile_step +
               (ptrdiff_t)(from - share->a_from) * t->a_depth;
        return;
    }
    t->a = g->a + (ptrdiff_t)row * g->a_row_stride + (ptrdiff_t)from * g->a_depth_stride;
    t->next_a = g->a_depth_stride == 1 ? TILE_ROWS * g->a_row_stride : 0;
}

/* Times that tiles beside [from, to) of depth fetch what is ahead. */
static int64_t fetches_of(size_t tiles, size_t from, size_t to)
{
    return (int64_t)(tiles * ((to - from) / FETCH_STEP) + 1);
}

/* Is each tile of A gathered when it is first read? Then what it reads comes beside the tile
 * before. */
static bool gathers_in_turn(const struct share *share)
{
    return share->reader->keeps_rows && share->reader->keeps_rows(share->g);
}

/* Gathers tile i at depth [from, to); returns what the next one, if it comes before `end`, is
 * gathered of. */
static rows_ahead gather_tile(struct share *share, size_t i, size_t end, size_t from, size_t to)
{
    const fm_gemm *g = share->g;
    const size_t word = share->reader->word_depth;
    share->reader->gather_a(share, i, i + 1, from, to);
    share->a_gathered = i + 1;
    if (i + 1 >= end || g->read_a) return (rows_ahead){0};
    const size_t row = bound(g->rows, i + 1, share->row_tiles);
    const size_t rows = bound(g->rows, i + 2, share->row_tiles) - row;
    return rows_ahead_of(g->a + (ptrdiff_t)row * g->a_row_stride + from * word, g->a_row_stride,
                         (int64_t)MIN((to - from) * word, g->depth - from * word), (int64_t)rows,
                         fetches_of(1, from, to));
}

/* Can the strip's tiles, the whole depth at once, be updated beside each other? */
static bool updates_meanwhile(const struct share *share, const struct strip *s,
                              const struct tile *t)
{
    const fm_gemm *g = share->g;
    if (!g->adam || t->a_row != 1 || s->vectors != 2) return false;
    const size_t least = g->rows / share->row_tiles;
    const size_t most = least + (g->rows % share->row_tiles != 0);
    return share->reader->updating_tile(least) && share->reader->updating_tile(most);
}

/* Two buffers in turn: one is filled while the other is what the update reads. */
static void run_updated_tiles(struct share *share, const struct strip *s, struct tile t)
{
    const fm_gemm *g = share->g;
    _Alignas(64) float buffers[2][TILE_ROWS * PANEL_WIDTH];
    struct tile_update update = {.adam = g->adam};
    size_t row = 0, rows = 0;

    t.depth = share->words;
    t.c_row = PANEL_WIDTH;
    for (size_t i = s->tile_begin; i < s->tile_end; i++) {
        row = bound(g->rows, i, share->row_tiles);
        rows = bound(g->rows, i + 1, share->row_tiles) - row;
        point_at_a(share, i, row, 0, &t);
        t.c = buffers[i % 2];
        share->reader->updating_tile(rows)(&t, &update);
        update.gradients = t.c;
        update.offset = s->column * g->rows + row * PANEL_WIDTH;
        update.vectors = rows * PANEL_WIDTH / VECTOR_LENGTH;
    }
    call_function(g, s, &t, row, rows);
}

/* Do finished tiles go past the caches? A line written in two parts would be slower than through
 * them. */
static bool streams_c(const struct share *share, const struct strip *s)
{
    const fm_gemm *g = share->g;
    const bool whole_lines = s->columns == strip_width(s) && s->columns % LINE == 0 &&
                             g->c_row_stride % LINE == 0 &&
                             (uintptr_t)(g->c + s->column) % (LINE * sizeof *g->c) == 0;
    return g->c && g->c_layout == FM_GEMM_STRIDED && share->depth_blocks == 1 && whole_lines &&
           g->rows >= STREAMED / g->columns;
}

static void stream_rows(float *to, ptrdiff_t to_row, const float *from, size_t rows, size_t vectors)
{
    for (size_t r = 0; r < rows; r++, to += to_row, from += PANEL_WIDTH) {
        for (size_t v = 0; v < vectors; v++) {
            stream(to + v * VECTOR_LENGTH, load(from + v * VECTOR_LENGTH));
        }
    }
}

/* The tiles of a strip, for depth [from, to). One tile is changed into the next: a copy in a struct
 * of its own would wait until the results stored last are in the cache. */
static void run_tiles(struct share *share, const struct strip *s, size_t from, size_t to,
                      struct tile t)
{
    const fm_gemm *g = share->g;
    const bool last = to == share->words, panels = g->c_layout == FM_GEMM_PANELS;
    const size_t width = strip_width(s);
    const bool buffered = panels ? !g->c : s->columns < width, streamed = streams_c(share, s);
    const bool adds = g->accumulate || (g->residual && last), masks = g->mask && last;
    const ptrdiff_t target_row = panels ? (ptrdiff_t)width : g->c_row_stride;
    struct edge edge;

    if (updates_meanwhile(share, s, &t)) {
        run_updated_tiles(share, s, t);
        return;
    }
    t.depth = to - from;
    t.scale = g->accumulate ? g->scale : 1;
    t.continued = from > 0 && !g->accumulate;
    t.relu = g->relu && last;
    for (size_t i = s->tile_begin; i < s->tile_end; i++) {
        const size_t row = bound(g->rows, i, share->row_tiles);
        const size_t rows = bound(g->rows, i + 1, share->row_tiles) - row;
        const ptrdiff_t r = (ptrdiff_t)row, c = (ptrdiff_t)s->column;
        float *target = !g->c    ? NULL
                        : panels ? g->c + offset_in_panels(g, s, row)
                                 : g->c + r * g->c_row_stride + c;
        rows_ahead next_tile = {0};
        if (share->a && i >= share->a_gathered) {
            next_tile = gather_tile(share, i, s->tile_end, from, to);
        }
        point_at_a(share, i, row, from, &t);
        t.c = target;
        t.c_row = target_row;
        if (adds) {
            t.added = g->accumulate ? target : g->residual + r * g->residual_row_stride + c;
            t.added_row = g->accumulate ? target_row : g->residual_row_stride;
        }
        if (masks) {
            t.mask = g->mask + r * g->mask_row_stride + c;
            t.mask_row = g->mask_row_stride;
        }
        t.bias = g->bias && last ? g->bias + c : NULL;
        t.ahead = next_tile.left > 0       ? &next_tile
                  : share->next_b.left > 0 ? &share->next_b
                                           : &share->next_a;
        t.ahead_lines =
            next_tile.left > 0 ? next_tile.share : share->next_a.share + share->next_b.share;
        if (buffered) edge_in(&edge, &t, rows, s->columns);
        if (panels && buffered) t.c_row = target_row;
        if (streamed) {
            t.c = edge.c;
            t.c_row = PANEL_WIDTH;
        }
        share->reader->tile(rows, s->vectors, t.a_row == 1)(&t);
        if (g->function && last) call_function(g, s, &t, row, rows);
        if (buffered && target) copy_rows(target, target_row, t.c, t.c_row, rows, s->columns);
        if (streamed) stream_rows(target, target_row, t.c, rows, s->vectors);
    }
    if (streamed) end_streams();
}

/* Does this strip read B where it lies? Of plain rows only what one tile reads. */
static bool direct(const struct share *share, const struct strip *s)
{
    const fm_gemm *g = share->g;
    if (!share->reader->in_place(g)) return false;
    return g->b_layout != FM_GEMM_STRIDED ||
           (s->tile_end - s->tile_begin == 1 && !g->b_sums && s->columns == strip_width(s));
}

static const float *packed_strip(const struct share *share, const struct strip *s, size_t from,
                                 size_t to)
{
    const fm_gemm *g = share->g;
    float *b = share->b + (share->keeps_b ? s->column * share->words + from * PANEL_WIDTH : 0);
    if (share->b_is_packed) return b;
    const bool summed = g->b_sums && s->tile_begin == 0;
    float *sums = share->b_sums + s->column;
    for (size_t j = 0; summed && from == 0 && j < PANEL_WIDTH; j++) sums[j] = 0;
    share->reader->pack_b(g, s, from, to, b, summed ? sums : NULL);
    if (summed && to == share->words) finish_sums(g, s, sums);
    return b;
}

/* The strip at depth [from, to). */
static void run_strip(struct share *share, const struct strip *s, size_t from, size_t to)
{
    const fm_gemm *g = share->g;
    const bool plain = g->b_layout == FM_GEMM_STRIDED;
    const ptrdiff_t step = plain ? g->b_depth_stride : (ptrdiff_t)strip_width(s);
    struct tile t = {.a_row = g->a_row_stride, .a_depth = g->a_depth_stride};

    if (direct(share, s)) {
        t.b = g->b + s->column * (plain ? 1 : share->words) + (ptrdiff_t)from * step;
        t.b_depth = step;
    } else {
        t.b = packed_strip(share, s, from, to);
        t.b_depth = PANEL_WIDTH;
    }
    run_tiles(share, s, from, to, t);
}

/* Few rows: one tile spans several panels of B, which is read where it lies. */
static void run_wide(const struct share *share, size_t column)
{
    const fm_gemm *g = share->g;
    const bool plain = g->b_layout == FM_GEMM_STRIDED;
    struct tile t = {
        .depth = share->words,
        .a_row = g->a_row_stride,
        .a_depth = g->a_depth_stride,
        .b = g->b + column * (plain ? 1 : share->words),
        .b_depth = plain ? g->b_depth_stride : PANEL_WIDTH,
        .b_panel = (ptrdiff_t)(PANEL_WIDTH * (plain ? 1 : share->words)),
        .c = g->c + column,
        .c_row = g->c_row_stride,
        .bias = g->bias ? g->bias + column : NULL,
        .added = g->residual ? g->residual + column : NULL,
        .added_row = g->residual_row_stride,
        .scale = 1,
        .mask = g->mask ? g->mask + column : NULL,
        .mask_row = g->mask_row_stride,
        .relu = g->relu,
    };
    const struct strip s = {.column = column, .columns = WIDE_PANELS * PANEL_WIDTH};

    point_at_a(share, 0, 0, 0, &t);
    t.next_a = 0; /* there is no next one */
    share->reader->wide_tile(g->rows, t.a_row == 1)(&t);
    if (g->function) call_function(g, &s, &t, 0, g->rows);
}

static void run_whole_strip(struct share *share, const struct strip *s)
{
    const size_t words = share->words, blocks = share->depth_blocks;

    for (size_t i = 0; i < blocks; i++) {
        run_strip(share, s, bound(words, i, blocks), bound(words, i + 1, blocks));
    }
}

static void run_few_rows(struct share *share, unsigned part, unsigned parts)
{
    const size_t wide = WIDE_PANELS * PANEL_WIDTH, columns = share->g->columns;
    const size_t groups = (columns + wide - 1) / wide;
    const size_t end = MIN(columns, bound(groups, part + 1, parts) * wide);

    share->a_words = share->words;
    if (share->a) share->reader->gather_a(share, 0, 1, 0, share->words);
    share->a_gathered = 1;
    for (size_t column = bound(groups, part, parts) * wide; column < end;) {
        if (end - column >= wide) {
            run_wide(share, column);
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

/* What a panel of B is read from at depth [from, to), in so many calls. */
static rows_ahead panel_ahead(const struct share *share, size_t panel, size_t from, size_t to,
                              int64_t shares)
{
    const fm_gemm *g = share->g;
    const size_t word = share->reader->word_depth, column = panel * PANEL_WIDTH;
    const size_t first = from * word, numbers = MIN(to * word, g->depth) - first;
    const size_t width = panel_width(g->columns, column);
    if (g->b_pieces) return (rows_ahead){0};
    if (g->b_layout == FM_GEMM_PANELS_TRANSPOSED) { /* a square of each panel along depth */
        const size_t step = PANEL_WIDTH * g->columns;
        return rows_ahead_of(g->b + first / PANEL_WIDTH * step + column * PANEL_WIDTH,
                             (ptrdiff_t)step,
                             (int64_t)(MIN(g->columns - column, PANEL_WIDTH) * PANEL_WIDTH),
                             (int64_t)(numbers / PANEL_WIDTH), shares);
    }
    if (g->b_layout != FM_GEMM_STRIDED) {
        const bool pairs = g->b_layout == FM_GEMM_PAIRS;
        const size_t depth = pairs ? share->words : g->depth, at = pairs ? from : first;
        return rows_ahead_of(g->b + column * depth + at * width, 0,
                             (int64_t)((pairs ? to - from : numbers) * width), 1, shares);
    }
    if (g->b_column_stride != 1) return (rows_ahead){0};
    return rows_ahead_of(g->b + (ptrdiff_t)first * g->b_depth_stride + column, g->b_depth_stride,
                         PANEL_WIDTH, (int64_t)numbers, shares);
}

/* B of the panel after this one at depth [from, to): the next,
 * or at the end the next block's first. */
static rows_ahead next_panel(const struct share *share, size_t panel, size_t from, size_t to,
                             size_t tiles)
{
    const int64_t shares = fetches_of(tiles, from, to);
    if ((panel + 1) * share->row_tiles < share->end) {
        return panel_ahead(share, panel + 1, from, to, shares);
    }
    if (to == share->words) return (rows_ahead){0};
    const size_t end = MIN(to + (to - from), share->words);
    return panel_ahead(share, share->begin / share->row_tiles, to, end, shares);
}

/* The share's cells among row tiles [first, last), depth [from, to): a strip of each panel that it
 * touches. */
static void run_block(struct share *share, size_t first, size_t last, size_t from, size_t to)
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
        if (s.tile_begin >= s.tile_end) continue;
        share->next_b = next_panel(share, panel, from, to, s.tile_end - s.tile_begin);
        run_strip(share, &s, from, to);
    }
}

/* What is gathered after row tiles [first, last) at depth [from, to): their next block, or behind
 * the last one other rows. */
static rows_ahead next_gathered(const struct share *share, size_t first, size_t last, size_t from,
                                size_t to)
{
    const fm_gemm *g = share->g;
    const size_t word = share->reader->word_depth, row = bound(g->rows, first, share->row_tiles);
    const size_t tiles = (share->end - share->begin) / share->row_tiles * (last - first);
    const int64_t shares = fetches_of(tiles, from, to);
    size_t rows = bound(g->rows, last, share->row_tiles) - row;
    if (g->read_a) return (rows_ahead){0};
    if (g->a_row_stride == 1) {
        return rows_ahead_of(g->a + row + (ptrdiff_t)(to * word) * g->a_depth_stride,
                             g->a_depth_stride, (int64_t)rows,
                             (int64_t)(MIN(to - from, share->words - to) * word), shares);
    }
    if (g->a_depth_stride != 1) return (rows_ahead){0};
    const bool other_rows = to == share->words;
    const size_t begin = other_rows ? row + rows : row, depth = other_rows ? 0 : to * word;
    if (other_rows) rows = MIN(rows, g->rows - begin);
    return rows_ahead_of(g->a + (ptrdiff_t)begin * g->a_row_stride + depth, g->a_row_stride,
                         (int64_t)MIN((to - from) * word, g->depth - depth), (int64_t)rows, shares);
}

/* Gathers what of row tiles [first, last) at depth [from, to) is not gathered in turn: where the
 * share begins within a panel, the tiles above, which its next panel reads first. */
static void begin_gathering(struct share *share, size_t first, size_t last, size_t from, size_t to)
{
    const size_t tiles_down = share->row_tiles, begin = share->begin % tiles_down;
    const bool in_turn = gathers_in_turn(share),
               goes_on = share->begin - begin + tiles_down < share->end;
    share->a_gathered = in_turn ? MIN(MAX(begin, first), last) : last;
    if (share->a_gathered > first && (!in_turn || goes_on)) {
        share->reader->gather_a(share, first, share->a_gathered, from, to);
    }
}

/* Block by block: A's stays in the second cache while all panels read it. */
static void run_rows(struct share *share, size_t first, size_t last)
{
    const size_t words = share->words, blocks = share->depth_blocks;

    for (size_t i = 0; i < blocks; i++) {
        const size_t from = bound(words, i, blocks), to = bound(words, i + 1, blocks);
        share->a_first = first;
        share->a_from = from;
        share->a_words = to - from;
        if (share->a) {
            begin_gathering(share, first, last, from, to);
            share->next_a = next_gathered(share, first, last, from, to);
        }
        run_block(share, first, last, from, to);
    }
}

void FM_ISA_SYMBOL(fm_gemm_share_run)(const reader *r, const fm_gemm *g, unsigned part,
                                      unsigned parts, float *scratch)
{
    const size_t words = words_of(r, g), blocks = depth_blocks(g, words);
    struct share share = {
        .g = g,
        .reader = r,
        .b = scratch,
        .keeps_b = keeps_b(r, g, blocks),
        .row_tiles = row_tiles_of(g),
        .words = words,
        .depth_blocks = blocks,
        .block_depth = block_depth(words, blocks),
        .tile_step = tile_step_of(block_depth(words, blocks)),
    };
    const size_t panels = (g->columns + PANEL_WIDTH - 1) / PANEL_WIDTH;

    if (g->rows == 0 || g->columns == 0) return;
    share.b_sums =
        scratch + (share.keeps_b ? words * sums_floats(g) : share.block_depth * PANEL_WIDTH);
    share.stage = share.b_sums + sums_floats(g);
    if (r->gathers_a(g, blocks)) share.a = share.stage + stage_floats(r, g, blocks);
    if (wide_pays(r, g)) {
        run_few_rows(&share, part, parts);
        return;
    }
    size_t top = 0, bottom = share.row_tiles, cells = panels * share.row_tiles;
    if (cut_by_rows(r, g, blocks)) { /* each part gathers rows of its own */
        top = bound(share.row_tiles, part, parts);
        bottom = bound(share.row_tiles, part + 1, parts);
        share.end = cells;
    } else {
        share.begin = bound(cells, part, parts);
        share.end = bound(cells, part + 1, parts);
    }
    const size_t most = most_row_tiles(r, g, blocks);
    const size_t pieces = (bottom - top + most - 1) / most;
    for (size_t i = 0; i < pieces; i++) {
        run_rows(&share, top + bound(bottom - top, i, pieces),
                 top + bound(bottom - top, i + 1, pieces));
        share.b_is_packed = share.keeps_b;
    }
}
