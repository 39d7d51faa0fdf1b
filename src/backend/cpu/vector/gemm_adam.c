/* Tiles of a weight gradient beside Adam's update of the tile before. A vector of the update waits
 * some twenty cycles for a root and a quotient; the products of a step of depth take as long and do
 * not need the divider, so one vector a step costs little more than its own products. AVX-512 has
 * the registers. */
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
    FOR_ROWS
    {
        const vector number = broadcast(a[r]);
        FOR_VECTORS sum[r][v] = multiply_add(number, column[v], sum[r][v]);
    }
}

INLINE void tile_with_update(const struct tile *t, const struct tile_update *u, const int rows)
{
    const int vectors = 2;
    const size_t meanwhile = MIN(t->depth, u->vectors);
    vector sum[TILE_ROWS][2];

    FOR_ROWS FOR_VECTORS sum[r][v] = (vector){0};
    for (size_t d = 0; d < meanwhile; d++) {
        add_products(sum, t->a + (ptrdiff_t)d * t->a_depth, t->b + (ptrdiff_t)d * t->b_depth, rows);
        update_vector(u, d);
    }
    for (size_t d = meanwhile; d < t->depth; d++) {
        add_products(sum, t->a + (ptrdiff_t)d * t->a_depth, t->b + (ptrdiff_t)d * t->b_depth, rows);
    }
    FOR_ROWS FOR_VECTORS store(t->c + r * t->c_row + v * VECTOR_LENGTH, sum[r][v]);
    for (size_t i = meanwhile; i < u->vectors; i++) update_vector(u, i);
}

static void tile_12(const struct tile *t, const struct tile_update *u)
{
    tile_with_update(t, u, 12);
}

static void tile_11(const struct tile *t, const struct tile_update *u)
{
    tile_with_update(t, u, 11);
}

updating_tile *FM_ISA_SYMBOL(fm_gemm_updating_tile)(size_t rows)
{
    return rows == 12 ? tile_12 : rows == 11 ? tile_11 : NULL;
}
#else
updating_tile *FM_ISA_SYMBOL(fm_gemm_updating_tile)(size_t rows)
{
    (void)rows;
    return NULL;
}
#endif
