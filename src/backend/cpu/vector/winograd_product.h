/* The products of winograd_f32.c at one of its points: c (rows, columns) = a (rows, depth) times b
 * (depth, columns) in panels, or added to c. They are small, and there are 36 of them for each
 * block: what gemm.h does around its tiles would cost as much as the tiles. */
#ifndef FM_BACKEND_CPU_WINOGRAD_PRODUCT_H
#define FM_BACKEND_CPU_WINOGRAD_PRODUCT_H

#include "backend/cpu/vector/tile_size.h"

typedef struct point_product {
    int64_t rows, columns, depth;
    const float *a;
    ptrdiff_t a_row, a_depth; /* one of them is 1 */
    const float *b;           /* panels of b follow each other, each (depth, width) */
    float *c;                 /* also in panels, each (c_rows, width) */
    int64_t c_rows;
    bool add;
} point_product;

INLINE void multiply_tile(const point_product *p, const float *a, const float *b, float *c,
                          const int rows, const int vectors, const ptrdiff_t a_row)
{
    const float *a0 = a, *a4 = rows > 4 ? a + 4 * a_row : a, *a8 = rows > 8 ? a + 8 * a_row : a;
    vector sum[TILE_ROWS][2];
    FOR_ROWS FOR_VECTORS
    {
        float *from = c + (r * vectors + v) * VECTOR_LENGTH;
        sum[r][v] = p->add ? load(from) : (vector){0};
    }
    for (int64_t d = p->depth; d > 0; d--) {
        vector column[2];
        FOR_VECTORS column[v] = load(b + v * VECTOR_LENGTH);
        FOR_ROWS
        {
            const float *from = r < 4 ? a0 : r < 8 ? a4 : a8;
            const vector number = broadcast(from[r % 4 * a_row]);
            FOR_VECTORS sum[r][v] = multiply_add(number, column[v], sum[r][v]);
        }
        a0 += p->a_depth;
        a4 += p->a_depth;
        a8 += p->a_depth;
        b += vectors * VECTOR_LENGTH;
    }
    FOR_ROWS FOR_VECTORS store(c + (r * vectors + v) * VECTOR_LENGTH, sum[r][v]);
}

typedef void multiply_function(const point_product *p, const float *a, const float *b, float *c);

#define MULTIPLY(rows, vectors)                                                                    \
    static void multiply_##rows##x##vectors(const point_product *p, const float *a,                \
                                            const float *b, float *c)                              \
    {                                                                                              \
        multiply_tile(p, a, b, c, rows, vectors, p->a_row);                                        \
    }                                                                                              \
    static void multiply_##rows##x##vectors##_rows_contiguous(                                     \
        const point_product *p, const float *a, const float *b, float *c)                          \
    {                                                                                              \
        multiply_tile(p, a, b, c, rows, vectors, 1);                                               \
    }
#define MULTIPLIES(rows) MULTIPLY(rows, 1) MULTIPLY(rows, 2)
#define MULTIPLY_ENTRY(rows)                                                                       \
    {{multiply_##rows##x1, multiply_##rows##x1_rows_contiguous},                                   \
     {multiply_##rows##x2, multiply_##rows##x2_rows_contiguous}},

EACH_ROWS(MULTIPLIES)

/* [rows - 1][vectors - 1][rows of a contiguous] */
static multiply_function *const multiplies[TILE_ROWS][2][2] = {EACH_ROWS(MULTIPLY_ENTRY)};

static void multiply(const point_product *p)
{
    const int64_t tiles = (p->rows + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t column = 0; column < p->columns; column += PANEL_WIDTH) {
        const int vectors = p->columns - column <= VECTOR_LENGTH ? 1 : 2;
        const float *b = p->b + column * p->depth;
        float *c = p->c + column * p->c_rows;
        for (int64_t i = 0; i < tiles; i++) {
            const int64_t row = p->rows * i / tiles, rows = p->rows * (i + 1) / tiles - row;
            multiplies[rows - 1][vectors - 1][p->a_row == 1](p, p->a + row * p->a_row, b,
                                                             c + row * vectors * VECTOR_LENGTH);
        }
    }
}

#endif
