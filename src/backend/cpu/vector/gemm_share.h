/* A product cut into what a part computes, and how its operands are read. gemm_blocks.c cuts;
 * gemm_f32.c reads numbers as they are, gemm_bf16.c as pairs of bfloat16 ones.
 *
 * Depth is counted in words of 4 bytes: one f32 number, or two bf16 ones that follow each other in
 * depth, the first in the lower half; behind an odd depth stands a zero. */
#ifndef FM_BACKEND_CPU_GEMM_SHARE_H
#define FM_BACKEND_CPU_GEMM_SHARE_H

#include "backend/cpu/gemm.h"
#include "backend/cpu/vector/ahead.h"
#include "backend/cpu/vector/tile_sums.h"

#define MIN(x, y) ((x) < (y) ? (x) : (y))
#define MAX(x, y) ((x) > (y) ? (x) : (y))

/* A run of row tiles in one panel. */
struct strip {
    size_t column, columns, vectors;
    size_t tile_begin, tile_end;
};

/* A finished tile's gradients, and where the tile is stored. */
struct tile_update {
    const fm_gemm_adam *adam;
    const float *gradients;
    size_t offset, vectors;
};
/* A tile of two vectors whose A has contiguous rows, and meanwhile the update of another. */
typedef void updating_tile(const struct tile *t, const struct tile_update *u);

struct share;

/* A and B in the order in which tiles read them. Words [from, to) of depth, here and below. */
struct gemm_reader {
    size_t word_depth; /* numbers in a word */
    size_t cached_a;   /* words of A at a time: they stay in the second cache */
    /* Are A's tiles gathered before panels read them, `blocks` blocks of depth one by one? */
    bool (*gathers_a)(const fm_gemm *g, size_t blocks);
    /* Are the gathered tiles [rows][words], not [words][TILE_ROWS]? */
    bool (*keeps_rows)(const fm_gemm *g);
    /* Row tiles [first, last) of A into share->a, tile_step apart. */
    void (*gather_a)(const struct share *share, size_t first, size_t last, size_t from, size_t to);
    /* Can B be read where it lies? */
    bool (*in_place)(const fm_gemm *g);
    /* A strip of B, [depth][PANEL_WIDTH], zeros behind its columns. Where `sums` is not NULL, B is
     * strided and added to these sums of the strip's columns. */
    void (*pack_b)(const fm_gemm *g, const struct strip *s, size_t from, size_t to, float *packed,
                   float sums[PANEL_WIDTH]);
    tile_function *(*tile)(size_t rows, size_t vectors, bool a_rows_contiguous);
    tile_function *(*wide_tile)(size_t rows, bool a_rows_contiguous); /* of WIDE_PANELS panels */
    updating_tile *(*updating_tile)(size_t rows);                     /* NULL: there is none */
};

/* The part's share: cells [begin, end) of the grid of row tiles by panels, numbered down the first
 * panel, then down the second, ... */
struct share {
    const fm_gemm *g;
    const struct gemm_reader *reader;
    float *b;     /* scratch: a panel of B, a block deep, or all of it */
    bool keeps_b; /* all of it, which is packed beside the first rows */
    bool b_is_packed;
    float *b_sums;          /* PANEL_WIDTH for each panel */
    float *stage;           /* rows that g->read_a writes */
    float *a;               /* tiles of A, a block deep; NULL: they are read in place */
    size_t a_first, a_from; /* the first of these tiles, and their first word of depth */
    size_t a_words;         /* of depth that they have */
    size_t a_gathered;      /* tiles before this one are there, others when first read */
    size_t row_tiles;
    size_t begin, end;
    size_t words, depth_blocks, block_depth;
    size_t tile_step;          /* floats from a gathered tile of A to the next */
    rows_ahead next_a, next_b; /* of A's next block, of B's next panel */
};

/* Where piece `piece` of `pieces` begins when `whole` is cut evenly. */
static inline size_t bound(size_t whole, size_t piece, size_t pieces)
{
    return whole / pieces * piece + MIN(whole % pieces, piece);
}

/* Width of the panel that begins at `column` of a matrix in panels. */
static inline size_t panel_width(size_t columns, size_t column)
{
    return columns - column <= VECTOR_LENGTH ? VECTOR_LENGTH : PANEL_WIDTH;
}

/* Columns that are not the strip's last vector's, and it filled up. */
static inline size_t strip_width(const struct strip *s)
{
    return s->vectors * VECTOR_LENGTH;
}

/* Words of columns that lie side by side that are gathered at a time: they stay in the first cache
 * while the tiles beside each other take their numbers. */
#define GATHERED_WORDS (VECTOR_LENGTH / 2)

/* The product by a reader: what fm_gemm_isa promises. */
size_t FM_ISA_SYMBOL(fm_gemm_scratch)(const struct gemm_reader *reader, const fm_gemm *g);
void FM_ISA_SYMBOL(fm_gemm_share_run)(const struct gemm_reader *reader, const fm_gemm *g,
                                      unsigned part, unsigned parts, float *scratch);

#endif
