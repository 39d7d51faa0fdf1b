/* Square blocks of a vector's length, transposed in registers. */
#ifndef FM_BACKEND_CPU_TRANSPOSE_H
#define FM_BACKEND_CPU_TRANSPOSE_H

#include "backend/cpu/vector/vector.h"

/* Transposes VECTOR_LENGTH rows in place. Step s exchanges the blocks of s x s beside the diagonal:
 * lane j of the upper row stays where j & s is 0 and else comes from the lower row, s lanes before;
 * the lower row the other way round. */
#define UPPER(j, s) ((j) & (s) ? (j) - (s) + VECTOR_LENGTH : (j))
#define LOWER(j, s) ((j) & (s) ? (j) + VECTOR_LENGTH : (j) + (s))
#define EXCHANGE(row, s)                                                                           \
    UNROLL for (int i = 0; i < VECTOR_LENGTH; i++)                                                 \
    {                                                                                              \
        if (i & (s)) continue;                                                                     \
        const vector upper = row[i], lower = row[i + (s)];                                         \
        row[i] = __builtin_shufflevector(upper, lower, LANES(UPPER, s));                           \
        row[i + (s)] = __builtin_shufflevector(upper, lower, LANES(LOWER, s));                     \
    }

INLINE void transpose(vector row[VECTOR_LENGTH])
{
    EXCHANGE(row, 1)
    EXCHANGE(row, 2)
#if VECTOR_LENGTH > 4
    EXCHANGE(row, 4)
#endif
#if VECTOR_LENGTH > 8
    EXCHANGE(row, 8)
#endif
}

/* What becomes of each row's lanes, row j's in lane j:
 * halves of two rows are joined until one is left. */
#define JOIN(row, s, operation)                                                                    \
    UNROLL for (int i = 0; i < VECTOR_LENGTH; i += 2 * (s))                                        \
    {                                                                                              \
        const vector upper = row[i], lower = row[i + (s)];                                         \
        row[i] = operation(__builtin_shufflevector(upper, lower, LANES(UPPER, s)),                 \
                           __builtin_shufflevector(upper, lower, LANES(LOWER, s)));                \
    }
#if VECTOR_LENGTH == 16
#define JOIN_ROWS(row, operation)                                                                  \
    JOIN(row, 1, operation) JOIN(row, 2, operation) JOIN(row, 4, operation) JOIN(row, 8, operation)
#elif VECTOR_LENGTH == 8
#define JOIN_ROWS(row, operation)                                                                  \
    JOIN(row, 1, operation) JOIN(row, 2, operation) JOIN(row, 4, operation)
#else
#define JOIN_ROWS(row, operation) JOIN(row, 1, operation) JOIN(row, 2, operation)
#endif
#define SUM_OF(x, y) (x) + (y)

INLINE vector sums_of_rows(vector row[VECTOR_LENGTH])
{
    JOIN_ROWS(row, SUM_OF)
    return row[0];
}

INLINE vector largest_of_rows(vector row[VECTOR_LENGTH])
{
    JOIN_ROWS(row, larger_of)
    return row[0];
}

#endif
