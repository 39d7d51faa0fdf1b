/* Products whose operands are rounded to bfloat16 while they are packed: gemm_share.h's reader of
 * pairs. Compiled once for each instruction set, whose f32 arithmetic multiplies the pairs' halves
 * one after the other, and for x86 once more with FM_NATIVE_BF16, for processors that multiply
 * pairs (AVX512_BF16). */
#include "backend/cpu/vector/bf16_pairs.h"
#include "backend/cpu/vector/gemm_share.h"
#include "backend/cpu/vector/operand_reader.h"
#include "backend/cpu/vector/transpose.h"
#include "kernel/bfloat16.h"

static uint32_t pair_of_numbers(float first, float second)
{
    return kernel_bf16_bits(first) | (uint32_t)kernel_bf16_bits(second) << 16;
}

/* ---- packing --------------------------------------------------------------------------------- */

/* A matrix [lines, depth] with the lines in rows or columns. */
typedef struct source {
    const float *at;
    ptrdiff_t line, depth; /* from a line to the next, from a number of depth to the next */
} source;

/* to[w][i] for i < width: the pair of line i at word w, for words [0, (depth + 1) / 2); zero behind
 * `lines`. Rows of `to` are `row` words apart. Where width is less than a vector, a row's store
 * reaches into the next one's place, which is written later; the last one's does not. */
INLINE void store_pairs(float *to, vector pairs, size_t left, bool last)
{
    if (last && left < VECTOR_LENGTH) {
        store_first(to, pairs, left);
    } else {
        store(to, pairs);
    }
}

/* Lines side by side in one or two vectors: two rows of depth become one of pairs. The numbers
 * themselves are added to `sums`, not what they are rounded to. */
INLINE void pack_vectors_of_depth(float *to, size_t row, size_t width, source s, size_t lines,
                                  size_t depth, float *sums, const int vectors)
{
    vector sum[2] = {{0}};
    if (sums) FOR_VECTORS sum[v] = load(sums + v * VECTOR_LENGTH);
    for (size_t d = 0; d < depth; d += 2, to += row, s.at += 2 * s.depth) {
        const bool odd = d + 1 == depth;
        FOR_VECTORS
        {
            const size_t i = (size_t)v * VECTOR_LENGTH, left = i < lines ? lines - i : 0;
            const vector low = load_up_to(s.at + i, left);
            const vector high = odd ? (vector){0} : load_up_to(s.at + s.depth + i, left);
            store_pairs(to + i, (vector)pair_of(low, high), width - i, d + 2 >= depth);
            if (sums) sum[v] = sum[v] + low + high;
        }
    }
    if (sums) FOR_VECTORS store(sums + v * VECTOR_LENGTH, sum[v]);
}

/* A tile of A, whose few lines are the part of a vector. */
static void pack_part_of_depth(float *to, size_t row, size_t width, source s, size_t lines,
                               size_t depth)
{
    pack_vectors_of_depth(to, row, width, s, MIN(lines, (size_t)VECTOR_LENGTH - 1), depth, NULL, 1);
}

static void pack_rows_of_depth(float *to, size_t row, size_t width, source s, size_t lines,
                               size_t depth, float *sums)
{
    const size_t both = 2 * VECTOR_LENGTH;
    if (width < VECTOR_LENGTH) {
        pack_part_of_depth(to, row, width, s, lines, depth);
        return;
    }
    for (size_t i = 0; i < width; i += both, s.at += both, to += both) {
        const size_t left = i < lines ? lines - i : 0;
        float *these = sums ? sums + i : NULL;
        if (width - i < both) {
            pack_vectors_of_depth(to, row, width - i, s, left, depth, these, 1);
        } else if (left < both) {
            pack_vectors_of_depth(to, row, both, s, left, depth, these, 2);
        } else if (these) {
            pack_vectors_of_depth(to, row, both, s, both, depth, these, 2);
        } else {
            pack_vectors_of_depth(to, row, both, s, both, depth, NULL, 2);
        }
    }
}

/* 2 VECTOR_LENGTH numbers of depth, of which there are `left`. */
INLINE words load_pairs(const float *from, size_t left)
{
    const size_t more = left > VECTOR_LENGTH ? left - VECTOR_LENGTH : 0;
    return pairs_of_row(load_up_to(from, left),
                        more ? load_up_to(from + VECTOR_LENGTH, more) : (vector){0});
}

/* Lines whose depth is contiguous: pairs are neighbours, blocks of them are transposed. */
static void pack_lines_of_depth(float *to, size_t row, size_t width, source s, size_t lines,
                                size_t depth)
{
    for (size_t i = 0; i < width; i += VECTOR_LENGTH) {
        for (size_t d = 0; d < depth; d += 2 * VECTOR_LENGTH) {
            vector block[VECTOR_LENGTH];
            const size_t left = depth - d, deep = (left + 1) / 2;
            for (size_t j = 0; j < VECTOR_LENGTH; j++) {
                const float *line = s.at + (ptrdiff_t)(i + j) * s.line + (ptrdiff_t)d;
                block[j] = i + j < lines ? (vector)load_pairs(line, left) : (vector){0};
            }
            transpose(block);
            for (size_t w = 0; w < VECTOR_LENGTH && w < deep; w++)
                store_pairs(to + (d / 2 + w) * row + i, block[w], width - i, w + 1 == deep);
        }
    }
}

static void pack_any_lines(float *to, size_t row, size_t width, source s, size_t lines,
                           size_t depth)
{
    for (size_t d = 0; d < depth; d += 2, to += row) {
        for (size_t i = 0; i < width; i++) {
            const float *at = s.at + (ptrdiff_t)i * s.line + (ptrdiff_t)d * s.depth;
            const float first = i < lines ? at[0] : 0;
            const float second = i < lines && d + 1 < depth ? at[s.depth] : 0;
            ((loose_word *)to)[i] = pair_of_numbers(first, second);
        }
    }
}

/* to[i][w]: the pair of line i, whose depth is contiguous, at word w. */
static void pack_rows(float *to, size_t row, source s, size_t lines, size_t depth)
{
    for (size_t i = 0; i < lines; i++, to += row) {
        const float *line = s.at + (ptrdiff_t)i * s.line;
        for (size_t d = 0; d < depth; d += 2 * VECTOR_LENGTH) {
            const vector pairs = (vector)load_pairs(line + d, depth - d);
            const size_t left = (depth - d + 1) / 2;
            if (left < VECTOR_LENGTH) {
                store_first(to + d / 2, pairs, left);
            } else {
                store(to + d / 2, pairs);
            }
        }
    }
}

static void pack_pairs(float *to, size_t row, size_t width, source s, size_t lines, size_t depth)
{
    if (s.line == 1) {
        pack_rows_of_depth(to, row, width, s, lines, depth, NULL);
    } else if (s.depth == 1) {
        pack_lines_of_depth(to, row, width, s, lines, depth);
    } else {
        pack_any_lines(to, row, width, s, lines, depth);
    }
}

/* ---- operands -------------------------------------------------------------------------------- */

static bool gathers_a(const fm_gemm *g, size_t blocks)
{
    (void)g, (void)blocks;
    return true;
}

/* Numbers of depth in words [from, to). */
static size_t numbers_in(const fm_gemm *g, size_t from, size_t to)
{
    return MIN(2 * to, g->depth) - 2 * from;
}

/* Rows whose depth is contiguous stay rows. */
static bool keeps_rows(const fm_gemm *g)
{
    return g->a_depth_stride == 1;
}

/* `rows` rows of A from number `number` of depth on. What g->read_a writes is made here where rows
 * stay rows, else it is there, from column `column` on of `width`. */
static source a_from(const struct share *share, size_t row, size_t rows, size_t number,
                     size_t numbers, size_t column, size_t width)
{
    const fm_gemm *g = share->g;
    if (!g->read_a) {
        return (source){g->a + (ptrdiff_t)row * g->a_row_stride +
                            (ptrdiff_t)number * g->a_depth_stride,
                        g->a_row_stride, g->a_depth_stride};
    }
    if (!keeps_rows(g)) return (source){share->stage + column, 1, (ptrdiff_t)width};
    g->read_a(g->a_source, row, rows, number, numbers, share->stage, numbers);
    return (source){share->stage, (ptrdiff_t)numbers, 1};
}

static void gather_a(const struct share *share, size_t first, size_t last, size_t from, size_t to)
{
    const fm_gemm *g = share->g;
    const bool rows_stay = keeps_rows(g);
    const size_t at_once = g->a_row_stride == 1 && !rows_stay ? GATHERED_WORDS : to - from;
    const size_t begin = bound(g->rows, first, share->row_tiles);
    const size_t width = bound(g->rows, last, share->row_tiles) - begin;
    for (size_t top = from; top < to; top += at_once) {
        const size_t numbers = numbers_in(g, top, MIN(top + at_once, to));
        if (g->read_a && !rows_stay) {
            g->read_a(g->a_source, 2 * top, numbers, begin, width, share->stage, width);
        }
        for (size_t i = first; i < last; i++) {
            const size_t row = bound(g->rows, i, share->row_tiles);
            const size_t rows = bound(g->rows, i + 1, share->row_tiles) - row;
            const source s = a_from(share, row, rows, 2 * top, numbers, row - begin, width);
            float *tile = share->a + (i - share->a_first) * share->tile_step;
            if (rows_stay) {
                pack_rows(tile, to - from, s, rows, numbers);
            } else {
                pack_pairs(tile + (top - from) * TILE_ROWS, TILE_ROWS, TILE_ROWS, s, rows, numbers);
            }
        }
    }
}

static bool in_place(const fm_gemm *g)
{
    return g->b_layout == FM_GEMM_PAIRS;
}

/* Numbers [first, first + count) of one of B's pieces. */
typedef struct piece {
    ptrdiff_t begin; /* as g->b_pieces says */
    size_t numbers, first, count;
} piece;

/* B is the transpose of a matrix in panels of f32, which follow each other along depth. */
static void pack_transposed_panels(const fm_gemm *g, const struct strip *s, piece p, float *packed)
{
    const size_t rows = g->b_pieces ? g->b_rows : g->columns, end = p.first + p.count;
    for (size_t d = p.first; d < end;) {
        const size_t panel = d / PANEL_WIDTH * PANEL_WIDTH;
        const size_t stored = panel_width(p.numbers, panel), until = MIN(end, panel + PANEL_WIDTH);
        const size_t row = (size_t)p.begin + s->column;
        const source block = {g->b + panel * rows + row * stored + (d - panel), (ptrdiff_t)stored,
                              1};
        pack_pairs(packed + (d - p.first) / 2 * PANEL_WIDTH, PANEL_WIDTH, strip_width(s), block,
                   s->columns, until - d);
        d = until;
    }
}

/* From number p.first on. */
static source piece_of_b(const fm_gemm *g, const struct strip *s, piece p)
{
    const ptrdiff_t first = (ptrdiff_t)p.first, width = (ptrdiff_t)strip_width(s);
    if (g->b_layout == FM_GEMM_PANELS) {
        const size_t rows = g->b_pieces ? g->b_rows : g->depth;
        return (source){g->b + s->column * rows + (p.begin + first) * width, 1, width};
    }
    return (source){g->b + p.begin + first * g->b_depth_stride +
                        (ptrdiff_t)s->column * g->b_column_stride,
                    g->b_column_stride, g->b_depth_stride};
}

static void add_lines(source b, size_t lines, size_t depth, float sums[PANEL_WIDTH])
{
    for (size_t d = 0; d < depth; d++, b.at += b.depth) {
        for (size_t i = 0; i < lines; i++) sums[i] += b.at[(ptrdiff_t)i * b.line];
    }
}

static void pack_piece(const fm_gemm *g, const struct strip *s, piece p, float *packed,
                       float sums[PANEL_WIDTH])
{
    const size_t width = strip_width(s);
    if (g->b_layout == FM_GEMM_PANELS_TRANSPOSED) {
        pack_transposed_panels(g, s, p, packed);
        return;
    }
    const source b = piece_of_b(g, s, p);
    if (b.line == 1) {
        pack_rows_of_depth(packed, PANEL_WIDTH, width, b, s->columns, p.count, sums);
        return;
    }
    pack_pairs(packed, PANEL_WIDTH, width, b, s->columns, p.count);
    if (sums) add_lines(b, s->columns, p.count, sums);
}

static piece piece_at(const fm_gemm *g, size_t number, size_t end)
{
    if (!g->b_pieces) return (piece){0, g->depth, number, end - number};
    const size_t first = number % g->b_piece;
    return (piece){g->b_pieces[number / g->b_piece], g->b_piece, first,
                   MIN(g->b_piece - first, end - number)};
}

/* Pieces with an odd number: pairs whose halves lie in two of them. A pair's half is packed alone,
 * as the lower one of a word. */
static void pack_odd_pieces(const fm_gemm *g, const struct strip *s, size_t from, size_t end,
                            float *packed, float sums[PANEL_WIDTH])
{
    _Alignas(64) float half[PANEL_WIDTH];
    for (size_t d = from; d < end; d++) {
        loose_word *to = (loose_word *)(packed + (d - from) / 2 * PANEL_WIDTH);
        pack_piece(g, s, piece_at(g, d, d + 1), half, sums);
        for (size_t i = 0; i < strip_width(s); i++) {
            const uint32_t word = ((const loose_word *)half)[i];
            to[i] = (d - from) % 2 ? to[i] | word << 16 : word;
        }
    }
}

static void pack_b(const fm_gemm *g, const struct strip *s, size_t from, size_t to, float *packed,
                   float sums[PANEL_WIDTH])
{
    const size_t end = 2 * from + numbers_in(g, from, to);
    if (g->b_pieces && g->b_piece % 2) {
        pack_odd_pieces(g, s, 2 * from, end, packed, sums);
        return;
    }
    for (size_t d = 2 * from; d < end;) {
        const piece p = piece_at(g, d, end);
        pack_piece(g, s, p, packed + (d / 2 - from) * PANEL_WIDTH, sums);
        d += p.count;
    }
}

/* ---- tiles ----------------------------------------------------------------------------------- */

#define ADD_WORD(sum, a, b) add_pairs(sum, broadcast_pair(a), (words)(b))
#define IN_PLACE_A          false
#include "backend/cpu/vector/gemm_adam.h"
#include "backend/cpu/vector/gemm_tile.h"

#define TILE(rows, vectors)                                                                        \
    static void tile_##rows##x##vectors(const struct tile *t)                                      \
    {                                                                                              \
        tile_compute(t, rows, vectors, t->a_row);                                                  \
    }
#define TILES(rows)                                                                                \
    TILE(rows, 1)                                                                                  \
    TILE(rows, 2)
#define TILE_ENTRY(rows) {tile_##rows##x1, tile_##rows##x2},

EACH_ROWS(TILES)
TILE(1, 8)
TILE(2, 8)
TILE(3, 8)

static tile_function *tile(size_t rows, size_t vectors, bool a_rows_contiguous)
{
    static tile_function *const tiles[TILE_ROWS][2] = {EACH_ROWS(TILE_ENTRY)};
    (void)a_rows_contiguous;
    return tiles[rows - 1][vectors - 1];
}

static tile_function *wide_tile(size_t rows, bool a_rows_contiguous)
{
    static tile_function *const tiles[WIDE_ROWS] = {tile_1x8, tile_2x8, tile_3x8};
    (void)a_rows_contiguous;
    return tiles[rows - 1];
}

/* Fewer words of A than in f32: the numbers that become them are in the cache, too. */
static const struct gemm_reader reader = {.word_depth = 2,
                                          .cached_a = 5 << 14,
                                          .gathers_a = gathers_a,
                                          .keeps_rows = keeps_rows,
                                          .gather_a = gather_a,
                                          .in_place = in_place,
                                          .pack_b = pack_b,
                                          .tile = tile,
                                          .wide_tile = wide_tile,
                                          .updating_tile = updating_tile_of};

/* ---- operands in the caches ------------------------------------------------------------------ */

static operand read_rows(const float *x, ptrdiff_t step, size_t count, size_t n, float *to)
{
    const size_t row = (n + 1) / 2;
    pack_rows(to, row, (source){x, step, 1}, count, n);
    return (operand){to, (ptrdiff_t)row};
}

static operand read_columns(const float *x, ptrdiff_t step, size_t count, size_t n, float *to)
{
    const size_t width = (n + VECTOR_LENGTH - 1) / VECTOR_LENGTH * VECTOR_LENGTH;
    pack_rows_of_depth(to, width, width, (source){x, 1, step}, n, count, NULL);
    return (operand){to, (ptrdiff_t)width};
}

static void read_panels(const float *x, ptrdiff_t step, size_t count, size_t n, float *to)
{
    for (size_t first = 0; first < count; first += PANEL_WIDTH, to += (n + 1) / 2 * PANEL_WIDTH) {
        pack_lines_of_depth(to, PANEL_WIDTH, PANEL_WIDTH,
                            (source){x + (ptrdiff_t)first * step, step, 1},
                            MIN(count - first, (size_t)PANEL_WIDTH), n);
    }
}

static size_t scratch_floats(const fm_gemm *gemm)
{
    return FM_ISA_SYMBOL(fm_gemm_scratch)(&reader, gemm);
}

static void run_part(const fm_gemm *gemm, unsigned part, unsigned parts, float *scratch)
{
    FM_ISA_SYMBOL(fm_gemm_share_run)(&reader, gemm, part, parts, scratch);
}

#if FM_NATIVE_BF16
#define RECORD      fm_gemm_bf16_native
#define OPERANDS    fm_bf16_operands_native
#define RECORD_NAME FM_ISA_NAME "_bf16"
#else
#define RECORD      FM_ISA_SYMBOL(fm_gemm_bf16)
#define OPERANDS    FM_ISA_SYMBOL(fm_bf16_operands)
#define RECORD_NAME FM_ISA_NAME
#endif

const fm_gemm_isa RECORD = {
    .name = RECORD_NAME,
    .vector_length = VECTOR_LENGTH,
    .panel_width = PANEL_WIDTH,
    .scratch_floats = scratch_floats,
    .run_part = run_part,
};

const struct operand_reader OPERANDS = {
    .numbers = 2, .rows = read_rows, .columns = read_columns, .panels = read_panels, .tile = tile};
