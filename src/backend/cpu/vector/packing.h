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

/* to[d][i] = from[d * from_depth + i] for i < columns, d < depth; zero from there to i = width. */
static inline void pack_rows(float *to, size_t width, const float *from, ptrdiff_t from_depth,
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
