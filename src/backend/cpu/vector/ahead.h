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

/* The same for rows that do not follow each other. */
typedef struct rows_ahead {
    const float *row;
    ptrdiff_t step; /* floats to the next row */
    int64_t floats; /* of a row               */
    int64_t rows;   /* still to come          */
    int64_t share;  /* rows                   */
} rows_ahead;

static inline rows_ahead rows_ahead_of(const float *row, ptrdiff_t step, int64_t floats,
                                       int64_t rows, int64_t shares)
{
    return (rows_ahead){row, step, floats, rows, rows / shares + 1};
}

static inline void fetch_rows_ahead(rows_ahead *a)
{
    const int64_t rows = a->rows < a->share ? a->rows : a->share;
    for (int64_t r = 0; r < rows; r++, a->row += a->step) {
        for (int64_t i = 0; i < a->floats; i += LINE) __builtin_prefetch(a->row + i, 0, 2);
    }
    a->rows -= rows;
}

#endif
