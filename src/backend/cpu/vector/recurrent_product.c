/* The tiles of recurrent products, and the readers. As gemm_bf16.c it is compiled once more with
 * FM_NATIVE_BF16, for pairs. */
#include "backend/cpu/vector/recurrent_product.h"

#include "backend/cpu/vector/bf16_pairs.h"
#include "backend/cpu/vector/tile_size.h"

#if FM_NATIVE_BF16
#define BROADCAST_WORD      broadcast_pair
#define ADD_WORD(sum, a, b) add_pairs(sum, a, (words)(b))
typedef words word;
#else
#define BROADCAST_WORD(at)  broadcast(*(at))
#define ADD_WORD(sum, a, b) multiply_add(a, b, sum)
typedef vector word;
#endif

#define MOST_ROWS 12

/* sum[r][v] += sum_d a[r a_row + d] b[d][v] */
INLINE void add_depth(const int rows, const int vectors, int64_t depth, const float *a,
                      int64_t a_row, const float *b, vector sum[MOST_ROWS][FM_RECURRENT_VECTORS])
{
    const float *a4 = rows > 4 ? a + 4 * a_row : a, *a8 = rows > 8 ? a + 8 * a_row : a;
    for (int64_t d = 0; d < depth; d++, b += vectors * VECTOR_LENGTH) {
        vector column[FM_RECURRENT_VECTORS];
        FOR_VECTORS column[v] = load(b + v * VECTOR_LENGTH);
        FOR_ROWS
        {
            const float *from = r < 4 ? a : r < 8 ? a4 : a8;
            const word a_word = BROADCAST_WORD(from + r % 4 * a_row + d);
            FOR_VECTORS sum[r][v] = ADD_WORD(sum[r][v], a_word, column[v]);
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
        add_depth(rows, vectors, depth, p->a + row * p->depth + d, p->depth,
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

INLINE void block_of(const int vectors, const recurrent_product *p, int64_t columns)
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

static void block(const recurrent_product *p, int vectors, int64_t columns)
{
    switch (vectors) {
    case 1:
        block_of(1, p, columns);
        break;
    case 2:
        block_of(2, p, columns);
        break;
    case 3:
        block_of(3, p, columns);
        break;
    default:
        block_of(4, p, columns);
    }
}

#if FM_NATIVE_BF16

static const float *enter_pairs(const float *x, int64_t rows, int64_t n, float *to)
{
    const int64_t depth = fm_recurrent_depth(FM_RECURRENT_PAIRS, n);
    for (int64_t row = 0; row < rows; row++, x += n) {
        float *pairs = to + row * depth;
        for (int64_t i = 0; i < n; i += 2 * VECTOR_LENGTH, pairs += VECTOR_LENGTH) {
            const size_t left = (size_t)(n - i);
            const size_t more = left > VECTOR_LENGTH ? left - VECTOR_LENGTH : 0;
            const vector low = load_up_to(x + i, left);
            const vector high = more ? load_up_to(x + i + VECTOR_LENGTH, more) : (vector){0};
            store_up_to(pairs, (vector)pairs_of_row(low, high), (left + 1) / 2);
        }
    }
    return to;
}

extern const fm_gemm_isa fm_gemm_bf16_native;
const recurrent_reader fm_recurrent_bf16_native = {
    .words = FM_RECURRENT_PAIRS, .isa = &fm_gemm_bf16_native, .enter = enter_pairs, .block = block};

#else

static const float *enter_numbers(const float *x, int64_t rows, int64_t n, float *to)
{
    (void)rows, (void)n, (void)to;
    return x;
}

static const float *enter_rounded(const float *x, int64_t rows, int64_t n, float *to)
{
    for (int64_t i = 0; i < rows * n; i += VECTOR_LENGTH) {
        const size_t left = (size_t)(rows * n - i);
        store_up_to(to + i, (vector)(rounded(load_up_to(x + i, left)) & UPPER_HALF), left);
    }
    return to;
}

extern const fm_gemm_isa FM_ISA_SYMBOL(fm_gemm_isa), FM_ISA_SYMBOL(fm_gemm_bf16);
const recurrent_reader FM_ISA_SYMBOL(fm_recurrent_f32) = {.words = FM_RECURRENT_NUMBERS,
                                                          .isa = &FM_ISA_SYMBOL(fm_gemm_isa),
                                                          .enter = enter_numbers,
                                                          .block = block};
const recurrent_reader FM_ISA_SYMBOL(fm_recurrent_bf16) = {.words = FM_RECURRENT_ROUNDED,
                                                           .isa = &FM_ISA_SYMBOL(fm_gemm_bf16),
                                                           .enter = enter_rounded,
                                                           .block = block};

#endif
