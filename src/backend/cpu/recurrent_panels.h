/* The recurrent kernel as the steps of a sequence read it: cut into blocks of up to four vectors of
 * columns, each stored as [depth][vectors][vector length], zeros where columns end. The columns of
 * a block's vector v are
 *     gates 2 to 4 (forward)    units [length block, length (block + 1)) of gate v
 *     gates 1                   columns [length (4 block + v), ...)
 * so that all that a unit needs is summed at once.
 *
 * Depth is counted in words: a number, for products of bf16 rounded, or for processors that
 * multiply them a pair of rounded numbers that follow each other in depth, the first in the lower
 * half. */
#ifndef FM_BACKEND_CPU_RECURRENT_PANELS_H
#define FM_BACKEND_CPU_RECURRENT_PANELS_H

#include <stdbool.h>

#include "fathom/backend.h"

enum { FM_RECURRENT_VECTORS = 4, FM_RECURRENT_LENGTH = 16 /* of a vector at most */ };

typedef enum fm_recurrent_words {
    FM_RECURRENT_NUMBERS,
    FM_RECURRENT_ROUNDED,
    FM_RECURRENT_PAIRS
} fm_recurrent_words;

/* Words that so many numbers are. */
static inline int64_t fm_recurrent_depth(fm_recurrent_words kind, int64_t numbers)
{
    return kind == FM_RECURRENT_PAIRS ? (numbers + 1) / 2 : numbers;
}

/* A matrix (depth, gates columns): element (d, c) at offset + d depth_stride + c column_stride. */
typedef struct fm_recurrent_matrix {
    int64_t gates, columns, depth;
    int64_t offset, depth_stride, column_stride;
    fm_recurrent_words words; /* of its panels */
} fm_recurrent_matrix;

/* Words of the panels with vectors of `length` words. */
size_t fm_recurrent_panels_floats(const fm_recurrent_matrix *matrix, int64_t length);
void fm_recurrent_pack(const fm_recurrent_matrix *matrix, int64_t length, const float *from,
                       float *panels);

/* Columns of a step's product with a kernel (width, gates units): all gates, or, `apart`, the last
 * one's with another product's result, which is a matrix of its own then. */
typedef struct fm_recurrent_kernel {
    int64_t width, units, gates;
    bool apart;
    fm_recurrent_words words;
} fm_recurrent_kernel;

/* Matrix 0 or, of what is apart, 1; they lie in panels one after the other. */
fm_recurrent_matrix fm_recurrent_matrix_of(const fm_recurrent_kernel *kernel, int which);
size_t fm_recurrent_kernel_floats(const fm_recurrent_kernel *kernel, int64_t length);
void fm_recurrent_kernel_pack(const fm_recurrent_kernel *kernel, int64_t length, const float *from,
                              float *panels);
/* The matrix of the columns [first, first + count) of a (rows, columns) one, transposed. */
fm_recurrent_matrix fm_recurrent_transposed(int64_t rows, int64_t columns, int64_t first,
                                            int64_t count, fm_recurrent_words kind);

/* The panels of a kernel as a layout, for kernels that no program changes. */
extern const fm_layout_type fm_recurrent_panels;
fm_layout fm_recurrent_panels_of(const fm_recurrent_kernel *kernel, int64_t length);

#endif
