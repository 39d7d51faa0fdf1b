/* The product that every step of a recurrent cell is made of: rows of a batch times a matrix in the
 * panels of recurrent_panels.h. Each sum is one chain of multiply-adds over depth 0, 1, 2, ...,
 * whatever the tile: a row has the same bits in a batch of any size.
 *
 * A reader says how both are read: as they are, or rounded to bfloat16. Depth is in its words. The
 * processor that does not multiply pairs rounds numbers and multiplies those by f32's tiles. */
#ifndef FM_BACKEND_CPU_RECURRENT_PRODUCT_H
#define FM_BACKEND_CPU_RECURRENT_PRODUCT_H

#include "backend/cpu/gemm.h"
#include "backend/cpu/recurrent_panels.h"
#include "backend/cpu/vector/kernels.h"

/* Sums that registers hold beside a block's vectors. */
#if VECTOR_LENGTH == 16
#define RECURRENT_SUMS 24
#elif VECTOR_LENGTH == 8
#define RECURRENT_SUMS 12
#else
#define RECURRENT_SUMS 8
#endif

/* What the next step reads and writes, other lines of other pages in each row: fetched a few lines
 * at a time while the products of this one keep the arithmetic busy. */
typedef struct recurrent_rows {
    const float *row;
    int64_t step, floats, rows; /* floats to the next row and of one; rows still to come */
    bool writes;
} recurrent_rows;

/* After so many multiply-adds of each sum; a few rows alone
 * are read one line after the other anyway. */
enum { RECURRENT_MOST_USES = 8, RECURRENT_DEPTH = 8, RECURRENT_FETCHED_ROWS = 8 };

typedef struct recurrent_ahead {
    recurrent_rows sets[RECURRENT_MOST_USES];
    int count, at;         /* sets, and the one that is being fetched */
    int64_t floats, share; /* done of its row; lines at a time */
} recurrent_ahead;

/* Rows [first, end) of a batch at one step, which reads time `time`, and forward units [unit,
 * unit_end); NULL: nothing is fetched for the step behind it. */
typedef struct band {
    int64_t step, time, first, end;
    int64_t unit, unit_end;
    recurrent_ahead *ahead;
} band;

/* What the next step does with a tensor (batch, time, columns), or NULL:
 * it reads or writes that time. */
typedef struct recurrent_use {
    const float *all;
    int64_t columns, time;
    bool writes;
} recurrent_use;

/* Its rows of sequences of `times` steps, spread over `work` multiply-adds of words. */
static inline recurrent_ahead recurrent_look_ahead(const band *at, int64_t times,
                                                   const recurrent_use *uses, int count,
                                                   int64_t work)
{
    const int64_t rows = at->end - at->first;
    recurrent_ahead ahead = {.count = 0};
    int64_t lines = 0;
    for (int i = 0; i < count; i++) {
        const int64_t columns = uses[i].columns, row = at->first * times + uses[i].time;
        if (!uses[i].all) continue;
        ahead.sets[ahead.count++] = (recurrent_rows){uses[i].all + row * columns, times * columns,
                                                     columns, rows, uses[i].writes};
        lines += rows * ((columns + LINE - 1) / LINE);
    }
    const int64_t fetches = work / (VECTOR_LENGTH * RECURRENT_SUMS * RECURRENT_DEPTH) + 1;
    ahead.share = lines / fetches + 1;
    return ahead;
}

INLINE void recurrent_fetch(recurrent_ahead *a)
{
    for (int64_t lines = a->share; lines > 0 && a->at < a->count; lines--) {
        recurrent_rows *set = &a->sets[a->at];
        if (set->writes)
            __builtin_prefetch(set->row + a->floats, 1, 2);
        else
            __builtin_prefetch(set->row + a->floats, 0, 2);
        a->floats += LINE;
        if (a->floats < set->floats) continue;
        a->floats = 0;
        set->row += set->step;
        if (--set->rows == 0) a->at++;
    }
}

/* c = a B, or with `adds` c += a B, for `rows` rows, which begin `depth` words and c_row floats
 * apart. */
typedef struct recurrent_product {
    int64_t rows, depth;
    const float *a, *panels;
    float *c;
    ptrdiff_t c_row;
    bool adds;
    recurrent_ahead *ahead; /* or NULL */
} recurrent_product;

typedef struct recurrent_reader {
    fm_recurrent_words words;
    const fm_gemm_isa *isa; /* multiplies larger matrices as this reads its own */
    /* The words of `rows` rows of n numbers: x itself, or what is written to `to`. */
    const float *(*enter)(const float *x, int64_t rows, int64_t n, float *to);
    /* One block of `vectors` vectors, of which c has the first `columns` columns, into the last
     * vector. */
    void (*block)(const recurrent_product *p, int vectors, int64_t columns);
} recurrent_reader;

extern const recurrent_reader FM_ISA_SYMBOL(fm_recurrent_f32), FM_ISA_SYMBOL(fm_recurrent_bf16);
#if VECTOR_LENGTH == 16
/* For processors with AVX512_BF16. */
extern const recurrent_reader fm_recurrent_bf16_native;
#endif

/* All blocks of a matrix without gates. */
static inline void recurrent_columns(const recurrent_reader *reader, const recurrent_product *p,
                                     int64_t columns)
{
    enum { MOST = FM_RECURRENT_VECTORS * VECTOR_LENGTH };
    recurrent_product one = *p;
    for (int64_t column = 0; column < columns; column += MOST) {
        const int64_t left = columns - column, some = left < MOST ? left : MOST;
        one.c = p->c + column;
        one.panels = p->panels + column * p->depth;
        reader->block(&one, (int)((some + VECTOR_LENGTH - 1) / VECTOR_LENGTH), some);
    }
}

/* The readers of an op's kernels, the best first: SET(name, reader, why it is refused, precision,
 * prefix). */
#if VECTOR_LENGTH == 16
#define RECURRENT_NATIVE_READER(SET)                                                               \
    SET(pairs, fm_recurrent_bf16_native,                                                           \
        fm_gemm_bf16_in_pairs() ? NULL : "the processor lacks AVX512_BF16", FM_PRECISION_BF16,     \
        "_bf16.")
#else
#define RECURRENT_NATIVE_READER(SET)
#endif
#define RECURRENT_READERS(SET)                                                                     \
    SET(f32, FM_ISA_SYMBOL(fm_recurrent_f32), NULL, FM_PRECISION_F32, ".")                         \
    RECURRENT_NATIVE_READER(SET)                                                                   \
    SET(bf16, FM_ISA_SYMBOL(fm_recurrent_bf16), NULL, FM_PRECISION_BF16, ".bf16.")

#define RECURRENT_KERNEL(set, precision_, prefix, op_, run_)                                       \
    .name = "cpu." FM_ISA_NAME prefix #op_, .op = &fm_op_##op_, .precision = precision_,           \
    .match = match_##set, .prepare = prepare_##set, .run = run_, .release = fm_release

/* A cell's rows go through all steps in bands of so many, whose states and the operands of the
 * steps to come stay in the nearer caches; where the kernel itself does not, all rows of a thread
 * share it. */
enum { RECURRENT_BAND = 24, RECURRENT_NEAR_FLOATS = 128 << 10 };

static inline int64_t recurrent_band(int64_t rows, int64_t panel_floats)
{
    return panel_floats > RECURRENT_NEAR_FLOATS || rows < RECURRENT_BAND ? rows : RECURRENT_BAND;
}

/* The vector of `units` units from `unit` on: how many it has. */
static inline size_t recurrent_units_at(int64_t units, int64_t unit)
{
    return (size_t)(units - unit < VECTOR_LENGTH ? units - unit : VECTOR_LENGTH);
}

#endif
