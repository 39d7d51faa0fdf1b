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
    const float *mask;
    ptrdiff_t mask_row;
    float scale;
    ptrdiff_t
        next_a; /* A's next tile lies so far behind this one and is not in a near cache; 0: it is */
    rows_ahead *ahead;   /* what is read after this tile: fetched beside it, `ahead_lines` */
    int64_t ahead_lines; /* at every FETCH_STEP-th step; NULL: nothing */
    bool continued;      /* start from what C holds, the sum over the depth before */
    bool relu;
    bool accumulate;
};

typedef void tile_function(const struct tile *t);

/* What the end of a tile writes and reads. Of a few rows it is fetched at once; of more, a row at
 * every FETCH_STEP-th step of depth, because all at once would hold up what the first steps
 * load. */
struct tile_ends {
    const float *c, *last_c, *mask;
};

INLINE struct tile_ends tile_ends_of(const struct tile *t, int rows)
{
    return (struct tile_ends){t->c, t->c + (rows - 1) * t->c_row, t->mask};
}

INLINE void fetch_ends(const struct tile *t, struct tile_ends *ends, size_t step, int rows,
                       int vectors)
{
    if (rows <= WIDE_ROWS || step % FETCH_STEP != 0) return;
    FOR_VECTORS __builtin_prefetch(ends->c + v * VECTOR_LENGTH, 1);
    if (t->mask) {
        FOR_VECTORS __builtin_prefetch(ends->mask + v * VECTOR_LENGTH);
        ends->mask += ends->c < ends->last_c ? t->mask_row : 0;
    }
    ends->c = ends->c < ends->last_c ? ends->c + t->c_row : ends->last_c;
    if (t->ahead) fetch_lines_ahead(t->ahead, t->ahead_lines);
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
    if (t->relu) FOR_ROWS FOR_VECTORS sum[r][v] = larger_of((vector){0}, sum[r][v]);
    if (t->mask) {
        FOR_ROWS FOR_VECTORS
        {
            const vector mask = load(t->mask + r * t->mask_row + v * VECTOR_LENGTH);
            sum[r][v] = keep_where(sum[r][v], mask > 0);
        }
    }
    if (t->accumulate) {
        const vector scale = broadcast(t->scale);
        FOR_ROWS FOR_VECTORS
        {
            const vector before = load(t->c + r * t->c_row + v * VECTOR_LENGTH);
            sum[r][v] = multiply_add(scale, sum[r][v], before);
        }
    }
    FOR_ROWS FOR_VECTORS store(t->c + r * t->c_row + v * VECTOR_LENGTH, sum[r][v]);
}

#endif
