/* Loops over the formulas of unary.h and binary.h, written so that the compiler vectorises each.
 * Operands may be the same memory. */
#ifndef FM_KERNEL_LOOPS_H
#define FM_KERNEL_LOOPS_H

#include "kernel/walk.h"

/* name_loop_suffix: y (count) = name(x (count)). */
#define KERNEL_UNARY_LOOP(name, type, suffix)                                                      \
    static void name##_loop_##suffix(int64_t count, type alpha, const type *x, type *y)            \
    {                                                                                              \
        KERNEL_INDEPENDENT                                                                         \
        for (int64_t i = 0; i < count; i++) y[i] = name##_##suffix(x[i], alpha);                   \
    }

/* name_row_suffix: one row (n) of the output, the steps 0 or 1; a loop for each pair. */
#define KERNEL_BINARY_ROW(name, type, suffix)                                                      \
    static void name##_row_##suffix(int64_t n, const type *a, int64_t step_a, const type *b,       \
                                    int64_t step_b, type *y)                                       \
    {                                                                                              \
        if (step_a && step_b) {                                                                    \
            KERNEL_INDEPENDENT                                                                     \
            for (int64_t i = 0; i < n; i++) y[i] = name##_##suffix(a[i], b[i]);                    \
        } else if (step_a) {                                                                       \
            const type only = *b;                                                                  \
            KERNEL_INDEPENDENT                                                                     \
            for (int64_t i = 0; i < n; i++) y[i] = name##_##suffix(a[i], only);                    \
        } else if (step_b) {                                                                       \
            const type only = *a;                                                                  \
            KERNEL_INDEPENDENT                                                                     \
            for (int64_t i = 0; i < n; i++) y[i] = name##_##suffix(only, b[i]);                    \
        } else {                                                                                   \
            const type result = name##_##suffix(*a, *b);                                           \
            for (int64_t i = 0; i < n; i++) y[i] = result;                                         \
        }                                                                                          \
    }

/* binary_range_suffix: the elements [begin, end) of the output along a walk over a and b,
 * by the rows of an op. */
#define KERNEL_BINARY_RANGE(type, suffix)                                                          \
    typedef void binary_row_##suffix(int64_t n, const type *a, int64_t step_a, const type *b,      \
                                     int64_t step_b, type *y);                                     \
    static void binary_range_##suffix(binary_row_##suffix *row, const kernel_walk *walk,           \
                                      int64_t begin, int64_t end, const type *a, const type *b,    \
                                      type *y)                                                     \
    {                                                                                              \
        const int64_t step_a = kernel_walk_step(walk, 0), step_b = kernel_walk_step(walk, 1);      \
        while (begin < end) {                                                                      \
            int64_t at[KERNEL_MAX_OPERANDS], column = begin % walk->row_size;                      \
            int64_t left = walk->row_size - column, n = left < end - begin ? left : end - begin;   \
            kernel_walk_row(walk, begin / walk->row_size, at);                                     \
            row(n, a + at[0] + column * step_a, step_a, b + at[1] + column * step_b, step_b,       \
                y + begin);                                                                        \
            begin += n;                                                                            \
        }                                                                                          \
    }

#endif
