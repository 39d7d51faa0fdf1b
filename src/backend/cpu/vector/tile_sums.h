/* A tile of C: what it is computed from, how its sums begin and what becomes of them. */
#ifndef FM_BACKEND_CPU_TILE_SUMS_H
#define FM_BACKEND_CPU_TILE_SUMS_H

#include "backend/cpu/vector/ahead.h"
#include "backend/cpu/vector/tile_size.h"

#define WIDE_ROWS    3 /* so few rows leave room for a tile over WIDE_PANELS panels, */
#define WIDE_PANELS  4 /* hence for enough independent sums */
#define WIDE_VECTORS (2 * WIDE_PANELS)
#define LINE_FLOATS  16

/* A tile of C and what it is computed from. B's vector v at depth d is at
 * b + d * b_depth + v / 2 * b_panel + v % 2 * VECTOR_LENGTH. */
struct tile {
    size_t depth;
    const float *a;
    ptrdiff_t a_row, a_depth;
    const float *b;
    ptrdiff_t b_depth, b_panel;
    float *c;
    ptrdiff_t c_row;
    const float *bias;
    const float *added; /* NULL or c's like: added to scale times the sums */
    ptrdiff_t added_row;
    float scale;
    const float *mask;
    ptrdiff_t mask_row;
    ptrdiff_t
        next_a; /* A's next tile lies so far behind this one and is not in a near cache; 0: it is */
    rows_ahead *ahead;   /* what is read after this tile: fetched beside it, `ahead_lines` */
    int64_t ahead_lines; /* at every FETCH_STEP-th step; NULL: nothing */
    bool continued;      /* start from what C holds, the sum over the depth before */
    bool relu;
};

typedef void tile_function(const struct tile *t);

/* What the end of a tile writes and reads; where a mask and something added are read, the mask. Of
 * a few rows it is fetched at once; of more, a row at every FETCH_STEP-th step of depth, because
 * all at once would hold up what the first steps load. */
struct tile_ends {
    const float *c, *last_c, *read;
    ptrdiff_t c_row, read_row;
    rows_ahead *ahead;
    int64_t lines;
};

INLINE struct tile_ends tile_ends_of(const struct tile *t, int rows)
{
    const float *added = t->added == t->c ? NULL : t->added;
    return (struct tile_ends){
        t->c,          t->c + (rows - 1) * t->c_row,         t->mask ? t->mask : added,
        t->c_row,      t->mask ? t->mask_row : t->added_row, t->ahead,
        t->ahead_lines};
}

/* They are volatile to stay in memory: where general registers run out, GCC moves what is in them
 * to vector registers and back, which waits for the products that are queued in front of it. */
INLINE void fetch_ends(volatile struct tile_ends *ends, size_t step, int rows, int vectors)
{
    if (rows <= WIDE_ROWS || step % FETCH_STEP != 0) return;
    const float *c = ends->c, *read = ends->read;
    FOR_VECTORS __builtin_prefetch(c + v * VECTOR_LENGTH, 1);
    if (read) {
        FOR_VECTORS __builtin_prefetch(read + v * VECTOR_LENGTH);
        if (c != ends->last_c) ends->read = read + ends->read_row;
    }
    if (c != ends->last_c) ends->c = c + ends->c_row;
    rows_ahead *next = ends->ahead;
    if (next) fetch_lines_ahead(next, ends->lines);
}

INLINE void tile_begin(const struct tile *t, vector sum[][WIDE_VECTORS], int rows, int vectors)
{
    if (rows <= WIDE_ROWS || t->depth < FETCH_STEP * (size_t)rows) {
        FOR_ROWS FOR_VECTORS __builtin_prefetch(t->c + r * t->c_row + v * VECTOR_LENGTH, 1);
    }
    FOR_ROWS FOR_VECTORS sum[r][v] = (vector){0};
    if (t->continued) {
        FOR_ROWS FOR_VECTORS sum[r][v] = load(t->c + r * t->c_row + v * VECTOR_LENGTH);
    }
}

INLINE void tile_epilogue(const struct tile *t, vector sum[][WIDE_VECTORS], int rows, int vectors)
{
    if (t->bias) {
        FOR_VECTORS
        {
            const vector bias = load(t->bias + v * VECTOR_LENGTH);
            FOR_ROWS sum[r][v] += bias;
        }
    }
    if (t->added) {
        const vector scale = broadcast(t->scale);
        FOR_ROWS FOR_VECTORS
        {
            const vector added = load(t->added + r * t->added_row + v * VECTOR_LENGTH);
            sum[r][v] = multiply_add(scale, sum[r][v], added);
        }
    }
    if (t->relu) FOR_ROWS FOR_VECTORS sum[r][v] = larger_of((vector){0}, sum[r][v]);
    if (t->mask) {
        FOR_ROWS FOR_VECTORS
        {
            const vector mask = load(t->mask + r * t->mask_row + v * VECTOR_LENGTH);
            sum[r][v] = keep_where(sum[r][v], mask > 0);
        }
    }
    FOR_ROWS FOR_VECTORS store(t->c + r * t->c_row + v * VECTOR_LENGTH, sum[r][v]);
}

#endif
