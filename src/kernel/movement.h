/* Moving elements of 1, 4 or 8 bytes without looking at them. */
#ifndef FM_KERNEL_MOVEMENT_H
#define FM_KERNEL_MOVEMENT_H

#include "kernel/walk.h"

#include <string.h>

/* Copies `blocks` blocks of `bytes`; each side advances by its own stride in bytes. */
static inline void kernel_copy_blocks(int64_t blocks, int64_t bytes, const char *from,
                                      int64_t from_stride, char *to, int64_t to_stride)
{
    for (int64_t i = 0; i < blocks && bytes > 0; i++)
        memcpy(to + i * to_stride, from + i * from_stride, (size_t)bytes);
}

/* to[i * size ...] = from[i * step * size ...] for i < n. */
static inline void kernel_copy_strided(int64_t n, size_t size, const char *from, int64_t step,
                                       char *to)
{
    int64_t stride = step * (int64_t)size;
    if (step == 1) {
        memcpy(to, from, (size_t)n * size);
    } else if (size == 4) {
        for (int64_t i = 0; i < n; i++) memcpy(to + i * 4, from + i * stride, 4);
    } else if (size == 8) {
        for (int64_t i = 0; i < n; i++) memcpy(to + i * 8, from + i * stride, 8);
    } else {
        for (int64_t i = 0; i < n; i++) memcpy(to + i * (int64_t)size, from + i * stride, size);
    }
}

/* `to` is row-major over the walk's shape, `from` its operand 0: broadcasting, transposing. */
static inline void kernel_copy_walk(const kernel_walk *walk, size_t size, const char *from,
                                    char *to)
{
    int64_t row_bytes = walk->row_size * (int64_t)size;
    if (row_bytes == 0) return;
    for (int64_t row = 0; row < walk->rows; row++) {
        int64_t offset;
        kernel_walk_row(walk, row, &offset);
        kernel_copy_strided(walk->row_size, size, from + offset * (int64_t)size,
                            kernel_walk_step(walk, 0), to + row * row_bytes);
    }
}

#endif
