/* Products of f32 matrices with what surrounds them fused in: bias, residual sum, activation, the
 * mask of ReLU's gradient, the gradient of the bias, the update of the weights.
 *
 *     C[rows, columns] = epilogue(A[rows, depth] * B[depth, columns])
 *
 * The products of a dense layer with X[M, K], W[K, N], Y[M, N] are one call each:
 *
 *     forward          Y = act(X W + b)         a = X            b = W in panels      c = Y
 *     data gradient    dX = mask(dY W^T)        a = dY           b = W transposed     c = dX
 *     weight gradient  W += scale * X^T dY      a = X, strides   b = dY               c = W, panels
 *                      b += scale * sum(dY)     exchanged        b_sums = b
 *
 * What holds
 *   - Every element is one chain of multiply-adds over depth 0, 1, 2, ... from zero, whatever the
 *     tile, block or part that computes it: the same bits for any number of parts, and a row has
 *     the same bits in a batch of any size. (accumulate and deep products: see there.)
 *   - Parts split rows and columns, never depth, and write to memory that no other part touches.
 *   - Nothing is allocated, nothing is global, nothing is kept between calls.
 *   - Strides count elements and may have any value. C overlaps neither A nor B.
 *
 * Panels: the layout in which a weight matrix W[K, N] stays while it is trained. Its columns are
 * cut into panels of isa->panel_width, each stored as [K][width], one after the other; the last has
 * half the width if its columns fit, and is filled up with zeros. The one layout serves the three
 * products at full speed. It depends on the instruction set and never reaches a file.
 *
 * Precision: fm_gemm_isa_at lists what multiplies numbers as they are, fm_gemm_bf16_at what rounds
 * both operands to bfloat16 while it packs them (fathom/tensor.h) and sums their products in f32;
 * all else, the sums of B included, is as f32. Two such numbers, which follow each other in depth,
 * are one word. Pairs are panels [(K + 1) / 2][width] of words: half the memory, for a B that stays
 * as it is. */
#ifndef FM_BACKEND_CPU_GEMM_H
#define FM_BACKEND_CPU_GEMM_H

#include <stdbool.h>
#include <stddef.h>

typedef enum fm_gemm_layout {
    FM_GEMM_STRIDED,           /* by the strides given */
    FM_GEMM_PANELS,            /* the matrix itself in panels */
    FM_GEMM_PANELS_TRANSPOSED, /* B only: it is the transpose of [columns, depth] in panels */
    FM_GEMM_PAIRS,             /* B only, bf16: the matrix itself in pairs */
} fm_gemm_layout;

/* A finished part of C, still in the first cache. It ends where a panel ends: a function that needs
 * whole rows works only while columns <= isa->panel_width. */
typedef struct fm_gemm_tile {
    float *values;        /* [rows][columns], a row begins `stride` after the one before */
    size_t stride;        /* elements */
    size_t row, column;   /* where the tile begins in C */
    size_t rows, columns; /* C in panels: columns include the padding */
    size_t offset;        /* C in panels: where the tile begins in the stored matrix, rows * columns
                             elements of which it covers without a gap; stride = columns */
} fm_gemm_tile;

/* Adam's update (kernel/update_rules.h) of a matrix in panels by the gradient C. */
typedef struct fm_gemm_adam {
    float *p, *m, *v;
    float step, root, epsilon, beta_1, fresh_1, beta_2, fresh_2;
} fm_gemm_adam;

typedef struct fm_gemm {
    size_t rows, columns, depth;

    const float *a;
    ptrdiff_t a_row_stride, a_depth_stride;
    /* bf16 only. Not NULL: instead of reading a, this writes a part of the matrix that A is, or by
     * its strides the transpose of, as rows that begin `step` apart. */
    void (*read_a)(const void *source, size_t row, size_t rows, size_t column, size_t columns,
                   float *to, size_t step);
    const void *a_source;

    const float *b;
    fm_gemm_layout b_layout;
    ptrdiff_t b_depth_stride, b_column_stride; /* strided B */
    /* bf16 only, not for pairs. Not NULL: depth is pieces of b_piece numbers, which lie as they
     * would alone but begin at these elements of strided B or at these rows of the b_rows that a B
     * in panels has, or the matrix of which it is the transpose. */
    const ptrdiff_t *b_pieces;
    size_t b_piece, b_rows;

    float *c;                /* NULL: C in panels that only `function` sees, tile by tile */
    fm_gemm_layout c_layout; /* strided, its columns contiguous, or in panels */
    ptrdiff_t c_row_stride;  /* strided C */
    size_t c_first, c_rows;  /* c_rows > 0: C is this one's rows from c_first on, in panels */

    /* The epilogue, in this order; what is NULL or false is left out. */
    const float *bias;     /* [columns], added to every row; strided C */
    const float *residual; /* [rows][columns], added; strided C */
    ptrdiff_t residual_row_stride;
    bool relu;         /* max(value, 0); NaN stays NaN */
    const float *mask; /* [rows][columns]: 0 where !(mask > 0), the gradient of ReLU; strided C */
    ptrdiff_t mask_row_stride;
    bool accumulate; /* C += scale * value instead of C = value; C in panels; depth beyond 383 is
                        added in several equal parts */
    float scale;
    void (*function)(void *argument, const fm_gemm_tile *tile); /* for each tile, when it is
                                                                   finished, by the part that
                                                                   computed it; may change the
                                                                   values; not with accumulate */
    void *argument;
    const fm_gemm_adam
        *adam; /* the same as `function` does, which alone sees C: where a part can, it does
                                 this instead, beside the next tile's products */

    /* [columns]: the sums of strided B over depth 0, 1, 2, ...: the gradient of the bias where B
     * is dY. With accumulate, b_sums += scale * sum. */
    float *b_sums;
} fm_gemm;

typedef struct fm_gemm_isa {
    const char *name;     /* "avx512", "avx2", "baseline"; "avx512_bf16" multiplies pairs */
    size_t vector_length; /* floats */
    size_t panel_width;   /* columns of a panel: two vectors */
    size_t (*scratch_floats)(const fm_gemm *gemm);
    void (*run_part)(const fm_gemm *gemm, unsigned part, unsigned parts, float *scratch);
} fm_gemm_isa;

/* Those that this processor runs, best first; NULL at the end. */
const fm_gemm_isa *fm_gemm_isa_at(int index);
const fm_gemm_isa *fm_gemm_bf16_at(int index);
/* The one that multiplies pairs, NULL where the processor cannot. */
const fm_gemm_isa *fm_gemm_bf16_in_pairs(void);

/* Floats of scratch that one part needs (any pointers in *gemm; its sizes, layouts and strides
 * count). A multiple of 16, so that parts side by side stay aligned. */
static inline size_t fm_gemm_scratch_floats(const fm_gemm_isa *isa, const fm_gemm *gemm)
{
    return isa->scratch_floats(gemm);
}

/* Part `part` of `parts`, which may run at the same time and in any order. Equal (rows, columns,
 * parts) are split equally, so a part finds in its cache the panels that it wrote before. */
static inline void fm_gemm_run_part(const fm_gemm_isa *isa, const fm_gemm *gemm, unsigned part,
                                    unsigned parts, float *scratch)
{
    isa->run_part(gemm, part, parts, scratch);
}

/* All of it, by `threads` threads in a parallel region of its own; scratch for as many parts,
 * aligned to 64 bytes. */
void fm_gemm_run(const fm_gemm_isa *isa, const fm_gemm *gemm, unsigned threads, float *scratch);

/* Floats of a matrix [rows, columns] in panels. The caller has checked that rows times (columns
 * rounded up to the panel width) does not overflow. */
size_t fm_gemm_panels_floats(const fm_gemm_isa *isa, size_t rows, size_t columns);
void fm_gemm_pack_panels(const fm_gemm_isa *isa, size_t rows, size_t columns, const float *plain,
                         float *panels);
void fm_gemm_unpack_panels(const fm_gemm_isa *isa, size_t rows, size_t columns, const float *panels,
                           float *plain);
/* Words of such a matrix in pairs, and from plain to there. */
size_t fm_gemm_pairs_words(const fm_gemm_isa *isa, size_t rows, size_t columns);
void fm_gemm_pack_pairs(const fm_gemm_isa *isa, size_t rows, size_t columns, const float *plain,
                        float *pairs);

#endif
