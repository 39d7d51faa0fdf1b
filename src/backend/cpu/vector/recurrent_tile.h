/* What the steps of all recurrent cells are made of: a tile of sums, rows of states times a block of
 * the panels of recurrent_panels.h, in registers. Each sum is one chain of multiply-adds over depth 0,
 * 1, 2, ..., whatever the tile: a row has the same bits in a batch of any size. */
#ifndef FM_BACKEND_CPU_RECURRENT_TILE_H
#define FM_BACKEND_CPU_RECURRENT_TILE_H

#include "backend/cpu/recurrent_panels.h"
#include "backend/cpu/vector/tile_size.h"
#include "backend/cpu/vector/vector.h"

/* Sums that registers hold beside a block's vectors. */
#if VECTOR_LENGTH == 16
#define RECURRENT_SUMS 24
#elif VECTOR_LENGTH == 8
#define RECURRENT_SUMS 12
#else
#define RECURRENT_SUMS 8
#endif

#define RECURRENT_MOST_ROWS 12

/* sum[r][v] += sum_d a[r a_row + d] b[d][v] */
INLINE void recurrent_sums(const int rows, const int vectors, int64_t depth, const float *a,
                           ptrdiff_t a_row, const float *b,
                           vector sum[RECURRENT_MOST_ROWS][FM_RECURRENT_VECTORS])
{
    const float *a4 = rows > 4 ? a + 4 * a_row : a, *a8 = rows > 8 ? a + 8 * a_row : a;
    for (int64_t d = 0; d < depth; d++, b += vectors * VECTOR_LENGTH) {
        vector column[FM_RECURRENT_VECTORS];
        FOR_VECTORS column[v] = load(b + v * VECTOR_LENGTH);
        FOR_ROWS
        {
            const float *from = r < 4 ? a : r < 8 ? a4 : a8;
            const vector number = broadcast(from[r % 4 * a_row + d]);
            FOR_VECTORS sum[r][v] = multiply_add(number, column[v], sum[r][v]);
        }
    }
}

/* The rows of a tile of so many vectors, most first; a range of rows is cut into these. */
INLINE int recurrent_rows(int64_t left, int vectors)
{
    const int most = RECURRENT_SUMS / vectors < RECURRENT_MOST_ROWS ? RECURRENT_SUMS / vectors
                                                                    : RECURRENT_MOST_ROWS;
    if (left >= most) return most;
    return left >= 4 && most > 4 ? 4 : left >= 2 && most > 2 ? 2 : 1;
}

/* tile(rows, ...) with a constant number of rows. */
#define WITH_ROWS(rows, most, tile, ...)                                                           \
    switch (rows) {                                                                                \
    case 12:                                                                                       \
        if (most >= 12) tile(12, __VA_ARGS__);                                                     \
        break;                                                                                     \
    case 8:                                                                                        \
        if (most >= 8) tile(8, __VA_ARGS__);                                                       \
        break;                                                                                     \
    case 6:                                                                                        \
        if (most >= 6) tile(6, __VA_ARGS__);                                                       \
        break;                                                                                     \
    case 4:                                                                                        \
        if (most >= 4) tile(4, __VA_ARGS__);                                                       \
        break;                                                                                     \
    case 3:                                                                                        \
        if (most == 3) tile(3, __VA_ARGS__);                                                       \
        break;                                                                                     \
    case 2:                                                                                        \
        if (most >= 2) tile(2, __VA_ARGS__);                                                       \
        break;                                                                                     \
    default:                                                                                       \
        tile(1, __VA_ARGS__);                                                                      \
    }

/* block(vectors, ...) with the constant number of vectors that hold `left` columns, at most four. */
#define WITH_VECTORS(left, block, ...)                                                             \
    switch (left > 3 * VECTOR_LENGTH ? 4 : (left + VECTOR_LENGTH - 1) / VECTOR_LENGTH) {           \
    case 1:                                                                                        \
        block(1, __VA_ARGS__);                                                                     \
        break;                                                                                     \
    case 2:                                                                                        \
        block(2, __VA_ARGS__);                                                                     \
        break;                                                                                     \
    case 3:                                                                                        \
        block(3, __VA_ARGS__);                                                                     \
        break;                                                                                     \
    default:                                                                                       \
        block(4, __VA_ARGS__);                                                                     \
    }

#endif
