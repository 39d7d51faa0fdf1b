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

#endif
