/* The inner loops of gemm_f32.c: a tile of C. */
#ifndef FM_BACKEND_CPU_GEMM_TILE_H
#define FM_BACKEND_CPU_GEMM_TILE_H

#include "backend/cpu/vector/packing.h"
#include "backend/cpu/vector/tile_sums.h"

INLINE void tile_compute(const struct tile *t, const int rows, const int vectors, ptrdiff_t a_row)
{
    const float *a0 = t->a, *b = t->b;
    const float *a4 = rows > 4 ? a0 + 4 * a_row : a0, *a8 = rows > 8 ? a0 + 8 * a_row : a0;
    struct tile_ends ends = tile_ends_of(t, rows);
    vector sum[TILE_ROWS][WIDE_VECTORS];

    tile_begin(t, sum, rows, vectors);
    for (size_t d = t->depth; d > 0; d--) {
        vector column[WIDE_VECTORS];
        fetch_ends(t, &ends, d, rows, vectors);
        if (t->next_a && d % LINE_FLOATS == 0) {
            FOR_ROWS __builtin_prefetch((r < 4 ? a0 : r < 8 ? a4 : a8) + r % 4 * a_row + t->next_a);
        }
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
__attribute__((unused)) static tile_function *const wide_tiles[WIDE_ROWS][2] = {
    {tile_1x8, tile_1x8_a_rows_contiguous},
    {tile_2x8, tile_2x8_a_rows_contiguous},
    {tile_3x8, tile_3x8_a_rows_contiguous},
};

#endif
