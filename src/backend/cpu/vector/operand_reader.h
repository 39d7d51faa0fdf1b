/* How tiles read operands that lie in the caches, for who cuts products by itself (attention): as
 * f32, or rounded to pairs of bfloat16 numbers. Depth is counted in words, as in gemm_share.h.
 * gemm_f32.c and gemm_bf16.c have the readers. */
#ifndef FM_BACKEND_CPU_OPERAND_READER_H
#define FM_BACKEND_CPU_OPERAND_READER_H

#include "backend/cpu/vector/tile_sums.h"

/* Rows of words. */
typedef struct operand {
    const float *rows;
    ptrdiff_t step;
} operand;

/* Each reads `count` rows of n numbers, `step` apart,
 * and writes to `to` what it does not find there. */
struct operand_reader {
    size_t numbers; /* in a word; more than one: they are rounded */
    /* an A of `count` rows, n deep: no more than n words each */
    operand (*rows)(const float *x, ptrdiff_t step, size_t count, size_t n, float *to);
    /* a B of n columns, or an A of n rows, `count` deep, in whole vectors; zero behind n */
    operand (*columns)(const float *x, ptrdiff_t step, size_t count, size_t n, float *to);
    /* a B of `count` columns, n deep, in panels of PANEL_WIDTH */
    void (*panels)(const float *x, ptrdiff_t step, size_t count, size_t n, float *to);
    tile_function *(*tile)(size_t rows, size_t vectors, bool a_rows_contiguous);
};

static inline size_t words_in(const struct operand_reader *r, size_t numbers)
{
    return (numbers + r->numbers - 1) / r->numbers;
}

extern const struct operand_reader FM_ISA_SYMBOL(fm_f32_operands), FM_ISA_SYMBOL(fm_bf16_operands);
#if VECTOR_LENGTH == 16
/* For processors with AVX512_BF16. */
extern const struct operand_reader fm_bf16_operands_native;
#endif

#endif
