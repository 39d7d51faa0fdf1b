/* The inner loops of windows_f32.c and kernel_grad_f32.c: tiles whose rows of A lie anywhere. Each
 * row has a pointer of its own and all share an index, which is what an address of x86 is made of:
 * 12 rows, the index and B fill the registers. */
#ifndef FM_BACKEND_CPU_WINDOW_TILE_H
#define FM_BACKEND_CPU_WINDOW_TILE_H

#include "backend/cpu/vector/tile_size.h"

/* c[to[r]][v] = epilogue(sum over chunks k, d < chunk_length of
 *                        a[from[r] + chunks[k] + d] * b[(k chunk_length + d) b_step + v]) */
struct window_tile {
    const float *a, *b;
    ptrdiff_t b_step;
    const ptrdiff_t *chunks;
    ptrdiff_t chunk_count, chunk_length;
    const int32_t *from, *to;
    ptrdiff_t from_step, to_step; /* from a pixel to the next of its row */
    float *c;
    size_t columns;        /* that are stored: of the last vector some may not exist */
    const float *bias;     /* [columns] */
    const float *residual; /* added; as c */
    const float *mask;     /* 0 where !(mask > 0); as c */
    bool relu;
    float ceiling; /* of relu6; 0: none */
    bool streamed; /* c is written past the caches */
};

INLINE vector finish_vector(const struct window_tile *t, vector sum, vector residual, vector mask)
{
    if (t->residual) sum += residual;
    if (t->relu) sum = larger_of((vector){0}, sum);
    if (t->ceiling > 0) sum = smaller_of(broadcast(t->ceiling), sum);
    return t->mask ? keep_where(sum, mask > 0) : sum;
}

/* A tile whose columns end inside a vector. */
static void finish_edge(const struct window_tile *t, const float *sums, int rows)
{
    for (int r = 0; r < rows; r++) {
        for (size_t column = 0; column < t->columns; column += VECTOR_LENGTH) {
            const size_t left = t->columns - column;
            const size_t count = left < VECTOR_LENGTH ? left : VECTOR_LENGTH;
            const ptrdiff_t at = t->to[r] + (ptrdiff_t)column;
            vector sum = load(sums + (size_t)r * PANEL_WIDTH + column), residual = {0}, mask = {0};
            if (t->bias) sum += load_up_to(t->bias + column, count);
            if (t->residual) residual = load_up_to(t->residual + at, count);
            if (t->mask) mask = load_up_to(t->mask + at, count);
            sum = finish_vector(t, sum, residual, mask);
            if (count == VECTOR_LENGTH) {
                store(t->c + at, sum);
            } else {
                store_first(t->c + at, sum, count);
            }
        }
    }
}

INLINE void finish_tile(const struct window_tile *t, vector sum[][2], int rows, int vectors)
{
    if (t->columns < (size_t)vectors * VECTOR_LENGTH) {
        _Alignas(64) float sums[TILE_ROWS * PANEL_WIDTH];
        FOR_ROWS FOR_VECTORS store(sums + r * PANEL_WIDTH + v * VECTOR_LENGTH, sum[r][v]);
        finish_edge(t, sums, rows);
        return;
    }
    if (t->bias) {
        FOR_VECTORS
        {
            const vector bias = load(t->bias + v * VECTOR_LENGTH);
            FOR_ROWS sum[r][v] += bias;
        }
    }
    const float *const residual = t->residual, *const mask = t->mask;
    const int32_t *const to = t->to;
    float *const c = t->c;
    if (residual) FOR_ROWS FOR_VECTORS sum[r][v] += load(residual + to[r] + v * VECTOR_LENGTH);
    if (t->relu) FOR_ROWS FOR_VECTORS sum[r][v] = larger_of((vector){0}, sum[r][v]);
    if (t->ceiling > 0) {
        const vector ceiling = broadcast(t->ceiling);
        FOR_ROWS FOR_VECTORS sum[r][v] = smaller_of(ceiling, sum[r][v]);
    }
    if (mask) {
        FOR_ROWS FOR_VECTORS sum[r][v] =
            keep_where(sum[r][v], load(mask + to[r] + v * VECTOR_LENGTH) > 0);
    }
    if (t->streamed) {
        FOR_ROWS FOR_VECTORS stream(c + to[r] + v * VECTOR_LENGTH, sum[r][v]);
    } else {
        FOR_ROWS FOR_VECTORS store(c + to[r] + v * VECTOR_LENGTH, sum[r][v]);
    }
}

/* What the end of the tile reads and writes, while its sums are made. */
INLINE void prefetch_results(const struct window_tile *t, int rows, int vectors)
{
    if (!t->streamed) {
        FOR_ROWS FOR_VECTORS __builtin_prefetch(t->c + t->to[r] + v * VECTOR_LENGTH, 1);
    }
    if (t->residual) {
        FOR_ROWS FOR_VECTORS __builtin_prefetch(t->residual + t->to[r] + v * VECTOR_LENGTH);
    }
    if (t->mask) {
        FOR_ROWS FOR_VECTORS __builtin_prefetch(t->mask + t->to[r] + v * VECTOR_LENGTH);
    }
}

INLINE void window_compute(const struct window_tile *t, const int rows, const int vectors)
{
    const float *a[TILE_ROWS], *b = t->b;
    vector sum[TILE_ROWS][2];

    prefetch_results(t, rows, vectors);
    FOR_ROWS a[r] = t->a + t->from[r];
    FOR_ROWS FOR_VECTORS sum[r][v] = (vector){0};
    for (ptrdiff_t k = 0; k < t->chunk_count; k++) {
        const ptrdiff_t end = t->chunks[k] + t->chunk_length;
        for (ptrdiff_t i = t->chunks[k]; i < end; i++) {
            vector column[2];
            FOR_VECTORS column[v] = load(b + v * VECTOR_LENGTH);
            FOR_ROWS
            {
                const vector number = broadcast(a[r][i]);
                FOR_VECTORS sum[r][v] = multiply_add(number, column[v], sum[r][v]);
            }
            b += t->b_step;
        }
    }
    finish_tile(t, sum, rows, vectors);
}

/* Whether the windows are one chunk, as those of 1x1 kernels are, lie evenly in A and in C, and are
 * deep enough to fetch all rows of C meanwhile. Of a band's pixels none is nearer to the next than
 * those beside each other. */
INLINE bool is_even_tile(const struct window_tile *t, int64_t rows)
{
    const ptrdiff_t last = rows - 1;
    return t->chunk_count == 1 && t->chunk_length >= FETCH_STEP * TILE_ROWS &&
           t->from[last] - t->from[0] == last * t->from_step &&
           t->to[last] - t->to[0] == last * t->to_step;
}

/* What the end of an even tile reads and writes, a row at every FETCH_STEP-th step of depth: all at
 * once would hold up what the first steps load. */
INLINE ptrdiff_t prefetch_row(const struct window_tile *t, ptrdiff_t at, ptrdiff_t last,
                              int vectors)
{
    if (!t->streamed) FOR_VECTORS __builtin_prefetch(t->c + at + v * VECTOR_LENGTH, 1);
    if (t->residual) FOR_VECTORS __builtin_prefetch(t->residual + at + v * VECTOR_LENGTH);
    if (t->mask) FOR_VECTORS __builtin_prefetch(t->mask + at + v * VECTOR_LENGTH);
    return at < last ? at + t->to_step : last;
}

/* The same where three pointers reach all rows,
 * which leaves registers for what is fetched meanwhile. */
INLINE void even_window_compute(const struct window_tile *t, const int rows, const int vectors)
{
    const ptrdiff_t a_row = t->from_step, last = t->to[rows - 1];
    const float *a0 = t->a + t->from[0] + t->chunks[0], *b = t->b;
    const float *a4 = rows > 4 ? a0 + 4 * a_row : a0, *a8 = rows > 8 ? a0 + 8 * a_row : a0;
    ptrdiff_t at = t->to[0];
    vector sum[TILE_ROWS][2];

    FOR_ROWS FOR_VECTORS sum[r][v] = (vector){0};
    for (ptrdiff_t d = t->chunk_length; d > 0; d--) {
        vector column[2];
        if (d % FETCH_STEP == 0) at = prefetch_row(t, at, last, vectors);
        FOR_VECTORS column[v] = load(b + v * VECTOR_LENGTH);
        FOR_ROWS
        {
            const vector number = broadcast((r < 4 ? a0 : r < 8 ? a4 : a8)[r % 4 * a_row]);
            FOR_VECTORS sum[r][v] = multiply_add(number, column[v], sum[r][v]);
        }
        a0++;
        a4++;
        a8++;
        b += t->b_step;
    }
    finish_tile(t, sum, rows, vectors);
}

/* c[r][v] (+)= sum over d < depth of a[row_from[r] + from[d]] * b[d][v],
 * rows PANEL_WIDTH apart in b and c_row in c. */
struct gradient_tile {
    const float *a, *b;
    const int32_t *row_from, *from;
    ptrdiff_t depth;
    float *c;
    ptrdiff_t c_row;
    bool add;
};

INLINE void gradient_compute(const struct gradient_tile *t, const int rows, const int vectors,
                             const bool side_by_side)
{
    const float *a[TILE_ROWS], *b = t->b;
    vector sum[TILE_ROWS][2];

    FOR_ROWS FOR_VECTORS __builtin_prefetch(t->c + r * t->c_row + v * VECTOR_LENGTH, 1);
    FOR_ROWS a[r] = side_by_side ? t->a + t->row_from[0] + r : t->a + t->row_from[r];
    FOR_ROWS FOR_VECTORS sum[r][v] = (vector){0};
    for (ptrdiff_t d = 0; d < t->depth; d++) {
        const ptrdiff_t i = t->from[d];
        vector column[2];
        FOR_VECTORS column[v] = load(b + v * VECTOR_LENGTH);
        FOR_ROWS
        {
            const vector number = broadcast(a[r][i]);
            FOR_VECTORS sum[r][v] = multiply_add(number, column[v], sum[r][v]);
        }
        b += PANEL_WIDTH;
    }
    if (t->add) FOR_ROWS FOR_VECTORS sum[r][v] += load(t->c + r * t->c_row + v * VECTOR_LENGTH);
    FOR_ROWS FOR_VECTORS store(t->c + r * t->c_row + v * VECTOR_LENGTH, sum[r][v]);
}

#endif
