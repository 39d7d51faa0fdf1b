/* Matrices brought into the order in which the inner loops read them:
 * panels of PANEL_WIDTH columns. */
#ifndef FM_BACKEND_CPU_PACKING_H
#define FM_BACKEND_CPU_PACKING_H

#include "backend/cpu/vector/tile_size.h"
#include "backend/cpu/vector/transpose.h"

/* to[d][i] = from[i * from_row + d] for i < rows, d < depth, both up to VECTOR_LENGTH; zero from
 * there to i = VECTOR_LENGTH. The rows of `to` are PANEL_WIDTH apart, here and below. */
static inline void pack_transposed_block(float *to, const float *from, ptrdiff_t from_row,
                                         size_t rows, size_t depth)
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
static inline void pack_transposed(float *to, size_t width, const float *from, ptrdiff_t from_row,
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

/* Of one or two vectors' width. */
INLINE void pack_vectors(float *to, const float *from, ptrdiff_t from_depth, size_t columns,
                         size_t depth, float *sums, const int vectors)
{
    const size_t left[2] = {columns < VECTOR_LENGTH ? columns : VECTOR_LENGTH,
                            columns < VECTOR_LENGTH ? 0 : columns - VECTOR_LENGTH};
    vector sum[2] = {{0}};

    if (sums) FOR_VECTORS sum[v] = load(sums + v * VECTOR_LENGTH);
    for (size_t d = 0; d < depth; d++, from += from_depth, to += PANEL_WIDTH) {
        FOR_VECTORS
        {
            const vector row = load_up_to(from + v * VECTOR_LENGTH, left[v]);
            store(to + v * VECTOR_LENGTH, row);
            if (sums) sum[v] += row;
        }
    }
    if (sums) FOR_VECTORS store(sums + v * VECTOR_LENGTH, sum[v]);
}

/* to[d][i] = from[d * from_depth + i] for i < columns, d < depth; zero from there to i = width.
 * Where `sums` is not NULL, sums[i] += to[0][i] + to[1][i] + ..., in this order. */
static inline void pack_rows(float *to, size_t width, const float *from, ptrdiff_t from_depth,
                             size_t columns, size_t depth, float *sums)
{
    if (width < PANEL_WIDTH) {
        pack_vectors(to, from, from_depth, columns, depth, sums, 1);
    } else if (columns < PANEL_WIDTH) {
        pack_vectors(to, from, from_depth, columns, depth, sums, 2);
    } else if (sums) {
        pack_vectors(to, from, from_depth, PANEL_WIDTH, depth, sums, 2);
    } else {
        pack_vectors(to, from, from_depth, PANEL_WIDTH, depth, NULL, 2);
    }
}

static inline void pack_any(float *to, size_t width, const float *from, ptrdiff_t from_depth,
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
