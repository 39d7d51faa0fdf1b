/* Memory that is read soon: fetched in shares while products keep the arithmetic busy. */
#ifndef FM_BACKEND_CPU_AHEAD_H
#define FM_BACKEND_CPU_AHEAD_H

#include "backend/cpu/vector/kernels.h"

typedef struct ahead {
    const float *from, *end;
    int64_t share; /* floats */
} ahead;

/* In `shares` calls of fetch_ahead; none where `from` is NULL. */
static inline ahead ahead_of(const float *from, int64_t floats, int64_t shares)
{
    if (!from || floats <= 0) return (ahead){0};
    return (ahead){from, from + floats, (floats / shares + LINE) / LINE * LINE};
}

static inline void fetch_ahead(ahead *a)
{
    const float *end = a->end - a->from < a->share ? a->end : a->from + a->share;
    for (; a->from < end; a->from += LINE) __builtin_prefetch(a->from, 0, 2);
}

/* The same for rows that do not follow each other, a few lines at a time. */
typedef struct rows_ahead {
    const float *row;
    ptrdiff_t step;        /* floats to the next row */
    int64_t floats, begin; /* of a row, of these fetched */
    int64_t rows;          /* still to come */
    int64_t share;         /* lines */
} rows_ahead;

static inline rows_ahead rows_ahead_of(const float *row, ptrdiff_t step, int64_t floats,
                                       int64_t rows, int64_t shares)
{
    const int64_t lines = rows * ((floats + LINE - 1) / LINE);
    return (rows_ahead){row, step, floats, 0, rows, lines / shares + 1};
}

static inline void fetch_lines_ahead(rows_ahead *a, int64_t lines)
{
    for (; lines > 0 && a->rows > 0; lines--) {
        __builtin_prefetch(a->row + a->begin, 0, 2);
        a->begin += LINE;
        if (a->begin >= a->floats) {
            a->begin = 0;
            a->row += a->step;
            a->rows--;
        }
    }
}

#endif
