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
    const float *at;
    int64_t lines, in_row; /* of a row, of these still to come */
    ptrdiff_t jump;        /* floats from behind a row to where the next begins */
    int64_t left;          /* lines of all rows that are still to come */
    int64_t share;         /* lines */
} rows_ahead;

static inline rows_ahead rows_ahead_of(const float *row, ptrdiff_t step, int64_t floats,
                                       int64_t rows, int64_t shares)
{
    const int64_t lines = (floats + LINE - 1) / LINE;
    return (rows_ahead){
        row, lines, lines, step - lines * LINE, rows * lines, rows * lines / shares + 1};
}

static inline void fetch_lines_ahead(rows_ahead *a, int64_t lines)
{
    if (a->left <= 0) return;
    a->left -= lines;
    for (; lines > 0; lines--) {
        __builtin_prefetch(a->at, 0, 2);
        a->at += LINE;
        if (--a->in_row == 0) {
            a->at += a->jump;
            a->in_row = a->lines;
        }
    }
}

#endif
