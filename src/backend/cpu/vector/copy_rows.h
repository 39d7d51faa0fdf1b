/* Rows from one matrix to another. */
#ifndef FM_BACKEND_CPU_COPY_ROWS_H
#define FM_BACKEND_CPU_COPY_ROWS_H

#include "backend/cpu/vector/vector.h"

static inline void copy_rows(float *to, ptrdiff_t to_row, const float *from, ptrdiff_t from_row,
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

#endif
