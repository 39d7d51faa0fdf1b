/* y (m, n) = a (m, k) b (k, n), each operand read plain or transposed.
 *
 * b is copied tile by tile, so that the inner loop runs along a row of it whatever the
 * transposition, and the tile stays in the first-level cache while all rows of a pass. Sums over k
 * are made in the operands' precision in blocks of KERNEL_MATMUL_DEPTH, then added block by block:
 * the rounding error grows with k / DEPTH + DEPTH instead of k. With bf16, operands are rounded to
 * bfloat16 as they are read, and nothing else is. */
#include <stdint.h>

#include "kernel/bfloat16.h"

#ifndef FM_KERNEL_MATMUL_H
#define FM_KERNEL_MATMUL_H
enum { KERNEL_MATMUL_DEPTH = 64, KERNEL_MATMUL_WIDTH = 32 };
#endif

/* tile (depth, width) of b, rows padded to KERNEL_MATMUL_WIDTH with zeros. */
static inline void KERNEL(matmul_tile)(int64_t depth, int64_t width, int64_t row_stride,
                                       int64_t column_stride, int bf16, const REAL *restrict b,
                                       REAL (*restrict tile)[KERNEL_MATMUL_WIDTH])
{
    for (int64_t p = 0; p < depth; p++) {
        for (int64_t j = 0; j < KERNEL_MATMUL_WIDTH; j++) {
            const REAL number = j < width ? b[p * row_stride + j * column_stride] : 0;
            tile[p][j] = KERNEL(kernel_read)(number, bf16);
        }
    }
}

/* a (m, k) has the strides a_row, a_column; b (k, n) has b_row, b_column; y is row-major. */
static inline void KERNEL(matmul)(int64_t m, int64_t n, int64_t k, const REAL *restrict a,
                                  int64_t a_row, int64_t a_column, const REAL *restrict b,
                                  int64_t b_row, int64_t b_column, int bf16, REAL *restrict y)
{
    REAL tile[KERNEL_MATMUL_DEPTH][KERNEL_MATMUL_WIDTH];
    for (int64_t i = 0; i < m * n; i++) y[i] = 0;
    for (int64_t j = 0; j < n; j += KERNEL_MATMUL_WIDTH) {
        int64_t width = n - j < KERNEL_MATMUL_WIDTH ? n - j : KERNEL_MATMUL_WIDTH;
        for (int64_t p = 0; p < k; p += KERNEL_MATMUL_DEPTH) {
            int64_t depth = k - p < KERNEL_MATMUL_DEPTH ? k - p : KERNEL_MATMUL_DEPTH;
            KERNEL(matmul_tile)
            (depth, width, b_row, b_column, bf16, b + p * b_row + j * b_column, tile);
            for (int64_t i = 0; i < m; i++) {
                const REAL *row = a + i * a_row + p * a_column;
                REAL sum[KERNEL_MATMUL_WIDTH] = {0};
                for (int64_t q = 0; q < depth; q++) {
                    const REAL number = KERNEL(kernel_read)(row[q * a_column], bf16);
                    for (int64_t l = 0; l < KERNEL_MATMUL_WIDTH; l++) sum[l] += number * tile[q][l];
                }
                for (int64_t l = 0; l < width; l++) y[i * n + j + l] += sum[l];
            }
        }
    }
}
