#include "backend/cpu/vector/recurrent_product.h"

#include "backend/cpu/vector/tile_size.h"

#define MOST_ROWS 12

/* sum[r][v] += sum_d a[r a_row + d] b[d][v] */
INLINE void add_depth(const int rows, const int vectors, int64_t depth, const float *a,
                      ptrdiff_t a_row, const float *b, vector sum[MOST_ROWS][FM_RECURRENT_VECTORS])
{
    const float *a4 = rows > 4 ? a + 4 * a_row : a, *a8 = rows > 8 ? a + 8 * a_row : a;
    for (int64_t d = 0; d < depth; d++, b += vectors * VECTOR_LENGTH) {
        vector column[FM_RECURRENT_VECTORS];
        FOR_VECTORS column[v] = load(b + v * VECTOR_LENGTH);
        FOR_ROWS
        {
            const float *from = r < 4 ? a : r < 8 ? a4 : a8;
            const vector number = broadcast(from[r % 4 * a_row + d]);
            FOR_VECTORS sum[r][v] = multiply_add(number, column[v], sum[r][v]);
        }
    }
}

INLINE void tile(const int rows, const int vectors, const recurrent_product *p, int64_t row,
                 int64_t columns)
{
    const size_t last = (size_t)(columns - (vectors - 1) * VECTOR_LENGTH);
    float *c = p->c + row * p->c_row;
    vector sum[MOST_ROWS][FM_RECURRENT_VECTORS];
    if (p->adds) {
        FOR_ROWS FOR_VECTORS
        {
            const float *from = c + r * p->c_row + v * VECTOR_LENGTH;
            sum[r][v] = v + 1 < vectors ? load(from) : load_up_to(from, last);
        }
    } else {
        FOR_ROWS FOR_VECTORS sum[r][v] = (vector){0};
    }
    const int64_t most = p->ahead ? RECURRENT_DEPTH : p->depth;
    for (int64_t d = 0; d < p->depth; d += most) {
        const int64_t left = p->depth - d, depth = left < most ? left : most;
        add_depth(rows, vectors, depth, p->a + row * p->a_row + d, p->a_row,
                  p->panels + d * vectors * VECTOR_LENGTH, sum);
        if (p->ahead) recurrent_fetch(p->ahead);
    }
    FOR_ROWS FOR_VECTORS
    {
        float *to = c + r * p->c_row + v * VECTOR_LENGTH;
        if (v + 1 < vectors)
            store(to, sum[r][v]);
        else
            store_up_to(to, sum[r][v], last);
    }
}

/* The rows of a tile of so many vectors, most first; a range of rows is cut into these. */
INLINE int rows_of_tile(int64_t left, int vectors)
{
    const int most = RECURRENT_SUMS / vectors < MOST_ROWS ? RECURRENT_SUMS / vectors : MOST_ROWS;
    if (left >= most) return most;
    return left >= 4 && most > 4 ? 4 : left >= 2 && most > 2 ? 2 : 1;
}

#define TILE_OF(n)                                                                                 \
    case n:                                                                                        \
        if (most >= n) tile(n, vectors, p, row, columns);                                          \
        break;

INLINE void block(const int vectors, const recurrent_product *p, int64_t columns)
{
    const int most = rows_of_tile(INT32_MAX, vectors);
    for (int64_t row = 0; row < p->rows;) {
        const int rows = rows_of_tile(p->rows - row, vectors);
        switch (rows) {
            TILE_OF(12)
            TILE_OF(8)
            TILE_OF(6)
            TILE_OF(4)
            TILE_OF(3)
            TILE_OF(2)
        default:
            tile(1, vectors, p, row, columns);
        }
        row += rows;
    }
}

void product_of_block(const recurrent_product *p, int vectors, int64_t columns)
{
    switch (vectors) {
    case 1:
        block(1, p, columns);
        break;
    case 2:
        block(2, p, columns);
        break;
    case 3:
        block(3, p, columns);
        break;
    default:
        block(4, p, columns);
    }
}

void product_of_columns(const recurrent_product *p, int64_t columns)
{
    enum { MOST = FM_RECURRENT_VECTORS * VECTOR_LENGTH };
    recurrent_product one = *p;
    for (int64_t column = 0; column < columns; column += MOST) {
        const int64_t left = columns - column, some = left < MOST ? left : MOST;
        one.c = p->c + column;
        one.panels = p->panels + column * p->depth;
        product_of_block(&one, (int)((some + VECTOR_LENGTH - 1) / VECTOR_LENGTH), some);
    }
}
