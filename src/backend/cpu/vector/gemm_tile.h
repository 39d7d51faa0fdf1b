/* The inner loops of gemm_f32.c: a tile of C, and packing.
 *
 * A tile is up to TILE_ROWS rows by one or two vectors of C, held in registers while depth runs:
 * each step loads the vectors of B once and broadcasts one number of A for each row. The size is
 * what the registers hold: 12 x 2 sums of the 32 registers that AVX-512 has, 6 x 2 of the 16 of
 * AVX2, 4 x 2 where a product needs a register of its own. */
#ifndef FM_BACKEND_CPU_GEMM_TILE_H
#define FM_BACKEND_CPU_GEMM_TILE_H

#include "backend/cpu/vector/transpose.h"

#if VECTOR_LENGTH == 16
#define TILE_ROWS    12
#define EACH_ROWS(f) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12)
#elif VECTOR_LENGTH == 8
#define TILE_ROWS    6
#define EACH_ROWS(f) f(1) f(2) f(3) f(4) f(5) f(6)
#else
#define TILE_ROWS    4
#define EACH_ROWS(f) f(1) f(2) f(3) f(4)
#endif
#define PANEL_WIDTH  (2 * VECTOR_LENGTH)
#define WIDE_ROWS    3 /* so few rows leave room for a tile over WIDE_PANELS panels, */
#define WIDE_PANELS  4 /* hence for enough independent sums                          */
#define WIDE_VECTORS (2 * WIDE_PANELS)

/* A tile of C and what it is computed from. B's vector v at depth d is at
 * b + d * b_depth + v / 2 * b_panel + v % 2 * VECTOR_LENGTH. */
struct tile {
    size_t depth;
    const float *a;
    ptrdiff_t a_row, a_depth;
    const float *b;
    ptrdiff_t b_depth, b_panel;
    float *c;
    ptrdiff_t c_row;
    const float *bias;
    const float *mask;
    ptrdiff_t mask_row;
    float scale;
    bool continued; /* start from what C holds, the sum over the depth before */
    bool relu;
    bool accumulate;
};

#define FOR_ROWS    UNROLL for (int r = 0; r < rows; r++)
#define FOR_VECTORS UNROLL for (int v = 0; v < vectors; v++)

INLINE void tile_epilogue(const struct tile *t, vector sum[][WIDE_VECTORS], int rows, int vectors)
{
    if (t->bias) {
        FOR_VECTORS
        {
            const vector bias = load(t->bias + v * VECTOR_LENGTH);
            FOR_ROWS sum[r][v] += bias;
        }
    }
    if (t->relu) FOR_ROWS FOR_VECTORS sum[r][v] = keep_where(sum[r][v], ~(sum[r][v] <= 0));
    if (t->mask) {
        FOR_ROWS FOR_VECTORS
        {
            const vector mask = load(t->mask + r * t->mask_row + v * VECTOR_LENGTH);
            sum[r][v] = keep_where(sum[r][v], mask > 0);
        }
    }
    if (t->accumulate) {
        const vector scale = broadcast(t->scale);
        FOR_ROWS FOR_VECTORS
        {
            const vector before = load(t->c + r * t->c_row + v * VECTOR_LENGTH);
            sum[r][v] = multiply_add(scale, sum[r][v], before);
        }
    }
    FOR_ROWS FOR_VECTORS store(t->c + r * t->c_row + v * VECTOR_LENGTH, sum[r][v]);
}

INLINE void tile_compute(const struct tile *t, const int rows, const int vectors, ptrdiff_t a_row)
{
    const float *a0 = t->a, *b = t->b;
    const float *a4 = rows > 4 ? a0 + 4 * a_row : a0, *a8 = rows > 8 ? a0 + 8 * a_row : a0;
    vector sum[TILE_ROWS][WIDE_VECTORS];

    FOR_ROWS __builtin_prefetch(t->c + r * t->c_row, 1);
    FOR_ROWS FOR_VECTORS sum[r][v] = (vector){0};
    if (t->continued) {
        FOR_ROWS FOR_VECTORS sum[r][v] = load(t->c + r * t->c_row + v * VECTOR_LENGTH);
    }
    for (size_t d = t->depth; d > 0; d--) {
        vector column[WIDE_VECTORS];
        FOR_VECTORS column[v] = load(b + v / 2 * t->b_panel + v % 2 * VECTOR_LENGTH);
        FOR_ROWS
        {
            const float *a = r < 4 ? a0 : r < 8 ? a4 : a8;
            const vector number = broadcast(a[r % 4 * a_row]);
            FOR_VECTORS sum[r][v] = multiply_add(number, column[v], sum[r][v]);
        }
        a0 += t->a_depth;
        a4 += t->a_depth;
        a8 += t->a_depth;
        b += t->b_depth;
    }
    tile_epilogue(t, sum, rows, vectors);
}

typedef void tile_function(const struct tile *t);

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

/* to[d][i] = from[i * from_row + d] for i < rows, d < depth, both up to VECTOR_LENGTH; zero from
 * there to i = VECTOR_LENGTH. The rows of `to` are PANEL_WIDTH apart, here and below. */
static void pack_transposed_block(float *to, const float *from, ptrdiff_t from_row, size_t rows,
                                  size_t depth)
{
    vector block[VECTOR_LENGTH];

    if (rows == VECTOR_LENGTH && depth == VECTOR_LENGTH) {
        UNROLL for (int i = 0; i < VECTOR_LENGTH; i++) block[i] = load(from + i * from_row);
        transpose(block);
        UNROLL for (int i = 0; i < VECTOR_LENGTH; i++) store(to + i * PANEL_WIDTH, block[i]);
        return;
    }
    for (size_t i = 0; i < VECTOR_LENGTH; i++) {
        const float *line = from + (ptrdiff_t)i * from_row;
        block[i] = i >= rows ? (vector){0} : load_up_to(line, depth);
    }
    transpose(block);
    for (size_t d = 0; d < depth; d++) store(to + d * PANEL_WIDTH, block[d]);
}

/* to[d][i] = from[i * from_row + d] for i < rows <= width, d < depth; zero up to i = width. */
static void pack_transposed(float *to, size_t width, const float *from, ptrdiff_t from_row,
                            size_t rows, size_t depth)
{
    for (size_t i = 0; i < width; i += VECTOR_LENGTH) {
        const size_t some = rows <= i ? 0 : rows - i < VECTOR_LENGTH ? rows - i : VECTOR_LENGTH;
        for (size_t d = 0; d < depth; d += VECTOR_LENGTH) {
            const size_t deep = depth - d < VECTOR_LENGTH ? depth - d : VECTOR_LENGTH;
            pack_transposed_block(to + d * PANEL_WIDTH + i,
                                  from + (ptrdiff_t)i * from_row + (ptrdiff_t)d, from_row, some,
                                  deep);
        }
    }
}

/* to[d][i] = from[d * from_depth + i] for i < columns, d < depth; zero from there to i = width. */
static void pack_rows(float *to, size_t width, const float *from, ptrdiff_t from_depth,
                      size_t columns, size_t depth)
{
    const size_t left = columns < VECTOR_LENGTH ? columns : VECTOR_LENGTH, right = columns - left;

    for (size_t d = 0; d < depth; d++, from += from_depth, to += PANEL_WIDTH) {
        store(to, load_up_to(from, left));
        if (width == PANEL_WIDTH) {
            store(to + VECTOR_LENGTH, load_up_to(from + VECTOR_LENGTH, right));
        }
    }
}

static void pack_any(float *to, size_t width, const float *from, ptrdiff_t from_depth,
                     ptrdiff_t from_column, size_t columns, size_t depth)
{
    for (size_t d = 0; d < depth; d++) {
        for (size_t i = 0; i < width; i++) {
            to[d * PANEL_WIDTH + i] =
                i < columns ? from[(ptrdiff_t)d * from_depth + (ptrdiff_t)i * from_column] : 0;
        }
    }
}

#endif
