/* Products whose operands are read as they are: gemm_share.h's reader of f32,
 * and the instruction set's record. */
#include "backend/cpu/vector/copy_rows.h"
#include "backend/cpu/vector/gemm_share.h"
#include "backend/cpu/vector/operand_reader.h"
#include "backend/cpu/vector/packing.h"

#define ADD_WORD(sum, a, b) multiply_add(broadcast(*(a)), b, sum)
#define IN_PLACE_A          true
#include "backend/cpu/vector/gemm_adam.h"
#include "backend/cpu/vector/gemm_tile.h"

/* A deep A whose columns are contiguous (of a weight gradient: X^T) is read down its columns, each
 * few numbers from another line and page: its tiles are gathered once for all panels. */
static bool gathers_a(const fm_gemm *g, size_t blocks)
{
    return g->a_row_stride == 1 && blocks > 1 && g->columns > PANEL_WIDTH;
}

/* Numbers of `rows` rows, which lie side by side, TILE_ROWS apart. A store reaches into the place
 * of the numbers of the next step, which come later; the last one of a tile does not. */
static void gather_steps(float *to, const float *from, ptrdiff_t step, size_t rows, size_t depth,
                         bool last)
{
    for (size_t d = 0; d < depth; d++, from += step, to += TILE_ROWS) {
        const vector numbers = load_up_to(from, rows);
        if (last && d + 1 == depth) {
            store_up_to(to, numbers, rows);
        } else {
            store(to, numbers);
        }
    }
}

/* Some steps at a time: they stay in the first cache while the
 * tiles beside each other take their numbers. */
static void gather_a(const struct share *share, size_t first, size_t last, size_t from, size_t to)
{
    enum { STEPS_AT_ONCE = 16 };
    const fm_gemm *g = share->g;
    const ptrdiff_t step = g->a_depth_stride;
    for (size_t top = from; top < to; top += STEPS_AT_ONCE) {
        const size_t depth = MIN(to - top, (size_t)STEPS_AT_ONCE);
        for (size_t i = first; i < last; i++) {
            const size_t row = bound(g->rows, i, share->row_tiles);
            const size_t rows = bound(g->rows, i + 1, share->row_tiles) - row;
            float *tile = share->a + (i - share->a_first) * share->tile_step;
            gather_steps(tile + (top - from) * TILE_ROWS, g->a + row + (ptrdiff_t)top * step, step,
                         rows, depth, top + depth == to);
        }
    }
}

static bool in_place(const fm_gemm *g)
{
    return g->b_layout == FM_GEMM_PANELS ||
           (g->b_layout == FM_GEMM_STRIDED && g->b_column_stride == 1);
}

/* B[depth, columns] is the transpose of a matrix in panels. They follow each other along depth; the
 * last may be narrow. */
static void pack_from_panels(const fm_gemm *g, const struct strip *s, size_t from, size_t to,
                             float *packed)
{
    for (size_t d = from; d < to;) {
        const size_t panel = d / PANEL_WIDTH * PANEL_WIDTH;
        const size_t stored = panel_width(g->depth, panel);
        const size_t end = MIN(to, panel + PANEL_WIDTH);
        const float *block = g->b + panel * g->columns + s->column * stored + (d - panel);
        pack_transposed(packed + (d - from) * PANEL_WIDTH, strip_width(s), block, (ptrdiff_t)stored,
                        s->columns, end - d);
        d = end;
    }
}

static void add_packed(const float *packed, size_t depth, size_t vectors, float sums[PANEL_WIDTH])
{
    for (size_t v = 0; v < vectors; v++) {
        vector sum = load(sums + v * VECTOR_LENGTH);
        for (size_t d = 0; d < depth; d++)
            sum += load(packed + d * PANEL_WIDTH + v * VECTOR_LENGTH);
        store(sums + v * VECTOR_LENGTH, sum);
    }
}

static void pack_b(const fm_gemm *g, const struct strip *s, size_t from, size_t to, float *packed,
                   float sums[PANEL_WIDTH])
{
    const size_t width = strip_width(s);
    const float *b =
        g->b + (ptrdiff_t)from * g->b_depth_stride + (ptrdiff_t)s->column * g->b_column_stride;

    if (g->b_layout == FM_GEMM_PANELS_TRANSPOSED) {
        pack_from_panels(g, s, from, to, packed);
        return;
    }
    if (g->b_column_stride == 1) {
        pack_rows(packed, width, b, g->b_depth_stride, s->columns, to - from, sums);
        return;
    }
    if (g->b_depth_stride == 1) {
        pack_transposed(packed, width, b, g->b_column_stride, s->columns, to - from);
    } else {
        pack_any(packed, width, b, g->b_depth_stride, g->b_column_stride, s->columns, to - from);
    }
    if (sums) add_packed(packed, to - from, s->vectors, sums);
}

/* ---- tiles ----------------------------------------------------------------------------------- */

#define TILE(rows, vectors)                                                                        \
    static void tile_##rows##x##vectors(const struct tile *t)                                      \
    {                                                                                              \
        tile_compute(t, rows, vectors, t->a_row);                                                  \
    }                                                                                              \
    static void tile_##rows##x##vectors##_a_rows_contiguous(const struct tile *t)                  \
    {                                                                                              \
        tile_compute(t, rows, vectors, 1);                                                         \
    }
#define TILES(rows)                                                                                \
    TILE(rows, 1)                                                                                  \
    TILE(rows, 2)
#define TILE_ENTRY(rows)                                                                           \
    {{tile_##rows##x1, tile_##rows##x1_a_rows_contiguous},                                         \
     {tile_##rows##x2, tile_##rows##x2_a_rows_contiguous}},

EACH_ROWS(TILES)
TILE(1, 8)
TILE(2, 8)
TILE(3, 8)

/* [rows - 1][vectors - 1][rows of A contiguous] */
static tile_function *const tiles[TILE_ROWS][2][2] = {EACH_ROWS(TILE_ENTRY)};
static tile_function *const wide_tiles[WIDE_ROWS][2] = {
    {tile_1x8, tile_1x8_a_rows_contiguous},
    {tile_2x8, tile_2x8_a_rows_contiguous},
    {tile_3x8, tile_3x8_a_rows_contiguous},
};

static tile_function *tile(size_t rows, size_t vectors, bool a_rows_contiguous)
{
    return tiles[rows - 1][vectors - 1][a_rows_contiguous];
}

static tile_function *wide_tile(size_t rows, bool a_rows_contiguous)
{
    return wide_tiles[rows - 1][a_rows_contiguous];
}

static const struct gemm_reader reader = {.word_depth = 1,
                                          .cached_a = 5 << 15,
                                          .gathers_a = gathers_a,
                                          .gather_a = gather_a,
                                          .in_place = in_place,
                                          .pack_b = pack_b,
                                          .tile = tile,
                                          .wide_tile = wide_tile,
                                          .updating_tile = updating_tile_of};

static size_t scratch_floats(const fm_gemm *gemm)
{
    return FM_ISA_SYMBOL(fm_gemm_scratch)(&reader, gemm);
}

static void run_part(const fm_gemm *gemm, unsigned part, unsigned parts, float *scratch)
{
    FM_ISA_SYMBOL(fm_gemm_share_run)(&reader, gemm, part, parts, scratch);
}

const fm_gemm_isa FM_ISA_SYMBOL(fm_gemm_isa) = {
    .name = FM_ISA_NAME,
    .vector_length = VECTOR_LENGTH,
    .panel_width = PANEL_WIDTH,
    .scratch_floats = scratch_floats,
    .run_part = run_part,
};

/* ---- operands in the caches ------------------------------------------------------------------ */

static operand read_rows(const float *x, ptrdiff_t step, size_t count, size_t n, float *to)
{
    (void)count, (void)n, (void)to;
    return (operand){x, step};
}

static operand read_columns(const float *x, ptrdiff_t step, size_t count, size_t n, float *to)
{
    const size_t width = (n + VECTOR_LENGTH - 1) / VECTOR_LENGTH * VECTOR_LENGTH;
    if (width == n) return (operand){x, step};
    for (size_t r = 0; r < count; r++) {
        for (size_t j = 0; j < n; j += VECTOR_LENGTH) {
            store(to + r * width + j, load_up_to(x + (ptrdiff_t)r * step + j, n - j));
        }
    }
    return (operand){to, (ptrdiff_t)width};
}

static void read_panels(const float *x, ptrdiff_t step, size_t count, size_t n, float *to)
{
    for (size_t first = 0; first < count; first += PANEL_WIDTH, to += n * PANEL_WIDTH) {
        pack_transposed(to, PANEL_WIDTH, x + (ptrdiff_t)first * step, step,
                        MIN(count - first, (size_t)PANEL_WIDTH), n);
    }
}

const struct operand_reader FM_ISA_SYMBOL(fm_f32_operands) = {
    .numbers = 1, .rows = read_rows, .columns = read_columns, .panels = read_panels, .tile = tile};
