/* Tiles of a weight gradient beside Adam's update of the tile before. A vector of the update waits
 * some twenty cycles for a root and a quotient; the products of a step of depth take as long and do
 * not need the divider, so one vector a step costs little more than its own products. AVX-512 has
 * the registers. Who includes it defines ADD_WORD, as for gemm_tile.h. */
#ifndef FM_BACKEND_CPU_GEMM_ADAM_H
#define FM_BACKEND_CPU_GEMM_ADAM_H

#include "backend/cpu/vector/gemm_share.h"

#if VECTOR_LENGTH == 16
/* Bit for bit kernel/update_rules.h's adam of vector i. */
INLINE void update_vector(const struct tile_update *u, size_t i)
{
    const fm_gemm_adam *adam = u->adam;
    const size_t at = u->offset + i * VECTOR_LENGTH;
    const vector g = load(u->gradients + i * VECTOR_LENGTH);
    const vector m = adam->beta_1 * load(adam->m + at) + adam->fresh_1 * g;
    const vector v = adam->beta_2 * load(adam->v + at) + adam->fresh_2 * g * g;
    const vector root = (vector)_mm512_sqrt_ps((__m512)v);
    store(adam->m + at, m);
    store(adam->v + at, v);
    store(adam->p + at, load(adam->p + at) - adam->step * m / (root * adam->root + adam->epsilon));
}

INLINE void add_products(vector sum[][2], const float *a, const float *b, const int rows)
{
    const int vectors = 2;
    vector column[2];
    FOR_VECTORS column[v] = load(b + v * VECTOR_LENGTH);
    FOR_ROWS FOR_VECTORS sum[r][v] = ADD_WORD(sum[r][v], a + r, column[v]);
}

/* Vectors and steps are spread over each other: where there are more vectors, the first steps take
 * two. */
INLINE void tile_with_update(const struct tile *t, const struct tile_update *u, const int rows)
{
    const int vectors = 2;
    const size_t twice = u->vectors > t->depth ? MIN(u->vectors - t->depth, t->depth) : 0;
    const float *a = t->a, *b = t->b;
    vector sum[TILE_ROWS][2];
    size_t done = 0;

    FOR_ROWS FOR_VECTORS sum[r][v] = (vector){0};
    for (size_t d = 0; d < t->depth; d++, a += t->a_depth, b += t->b_depth) {
        add_products(sum, a, b, rows);
        if (done < u->vectors) update_vector(u, done++);
        if (d < twice) update_vector(u, done++);
    }
    FOR_ROWS FOR_VECTORS store(t->c + r * t->c_row + v * VECTOR_LENGTH, sum[r][v]);
    while (done < u->vectors) update_vector(u, done++);
}

static void updating_tile_12(const struct tile *t, const struct tile_update *u)
{
    tile_with_update(t, u, 12);
}

static void updating_tile_11(const struct tile *t, const struct tile_update *u)
{
    tile_with_update(t, u, 11);
}

static updating_tile *updating_tile_of(size_t rows)
{
    return rows == 12 ? updating_tile_12 : rows == 11 ? updating_tile_11 : NULL;
}
#else
static updating_tile *updating_tile_of(size_t rows)
{
    (void)rows;
    return NULL;
}
#endif

#endif
