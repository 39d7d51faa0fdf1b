/* The inner loops of gemm_f32.c and gemm_bf16.c: a tile of C. Who includes it defines
 *
 *     ADD_WORD(sum, a, b)   sum + the products of the word at `a` with those in the vector b
 *     IN_PLACE_A            may A's tiles lie where no near cache has them? */
#ifndef FM_BACKEND_CPU_GEMM_TILE_H
#define FM_BACKEND_CPU_GEMM_TILE_H

#include "backend/cpu/vector/tile_sums.h"

INLINE void tile_compute(const struct tile *t, const int rows, const int vectors, ptrdiff_t a_row)
{
    const float *a0 = t->a, *b = t->b;
    const float *a4 = rows > 4 ? a0 + 4 * a_row : a0, *a8 = rows > 8 ? a0 + 8 * a_row : a0;
    volatile struct tile_ends ends = tile_ends_of(t, rows);
    const struct tile *volatile kept = t; /* so that no address is kept beside the loop */
    vector sum[TILE_ROWS][WIDE_VECTORS];

    tile_begin(t, sum, rows, vectors);
    for (size_t d = t->depth; d > 0;) {
        fetch_ends(&ends, d, rows, vectors);
        if (IN_PLACE_A && t->next_a && d % LINE_FLOATS == 0) {
            FOR_ROWS __builtin_prefetch((r < 4 ? a0 : r < 8 ? a4 : a8) + r % 4 * a_row + t->next_a);
        }
        do {
            vector column[WIDE_VECTORS];
            FOR_VECTORS column[v] = load(b + v / 2 * t->b_panel + v % 2 * VECTOR_LENGTH);
            FOR_ROWS
            {
                const float *a = (r < 4 ? a0 : r < 8 ? a4 : a8) + r % 4 * a_row;
                FOR_VECTORS sum[r][v] = ADD_WORD(sum[r][v], a, column[v]);
            }
            a0 += t->a_depth;
            a4 += t->a_depth;
            a8 += t->a_depth;
            b += t->b_depth;
        } while (--d % FETCH_STEP != 0);
    }
    tile_epilogue(kept, sum, rows, vectors);
}

#endif
