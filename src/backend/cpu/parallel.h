/* Work cut into parts for threads. What an item becomes must not depend on the part it is in; then
 * the bits are the same for any number of threads. */
#ifndef FM_BACKEND_CPU_PARALLEL_H
#define FM_BACKEND_CPU_PARALLEL_H

#include "base/float_mode.h"

#include <stdbool.h>

/* body for each part, by as many threads, in the caller's floating-point mode. A thread that OpenMP
 * makes for it inherits a mode for life: the one that keeps subnormals, whoever comes first. */
typedef void fm_part_body(const void *argument, int part, int parts);
static inline void fm_in_parts(int parts, fm_part_body *body, const void *argument)
{
    if (parts <= 1) {
        body(argument, 0, 1);
        return;
    }
    const fm_float_mode mode = fm_keep_subnormals();
#ifdef _OPENMP
#pragma omp parallel for num_threads(parts) schedule(static, 1)
#endif
    for (int part = 0; part < parts; part++) {
        const fm_float_mode own = fm_float_mode_get();
        fm_float_mode_set(mode);
        body(argument, part, parts);
        fm_float_mode_set(own);
    }
    fm_float_mode_set(mode);
}

/* Entering and leaving a region costs about half a microsecond: it pays from a few of them on.
 * An estimate from that cost, like the costs of the kernels that are held against it. */
enum { FM_PARALLEL_NANOSECONDS = 2500 };

/* Where part `part` of `parts` begins: at a multiple of `step`, except the end. */
static inline int64_t fm_range_bound(int64_t count, int64_t step, int part, int parts)
{
    const int64_t blocks = (count + step - 1) / step;
    const int64_t block = blocks / parts * part + (blocks % parts < part ? blocks % parts : part);
    return block * step < count ? block * step : count;
}

typedef void fm_range_body(const void *argument, int64_t begin, int64_t end);

typedef struct fm_ranges {
    int64_t count, step;
    fm_range_body *body;
    const void *argument;
} fm_ranges;

static inline void fm_run_range(const void *argument, int part, int parts)
{
    const fm_ranges *r = argument;
    const int64_t begin = fm_range_bound(r->count, r->step, part, parts);
    const int64_t end = fm_range_bound(r->count, r->step, part + 1, parts);
    if (begin < end) r->body(r->argument, begin, end);
}

/* body over [0, count), by all threads or by the caller alone: a team of another size would cost
 * far more than it brings. item_nanoseconds: what one item takes, roughly. */
static inline void fm_in_ranges(int threads, int64_t count, int64_t step, double item_nanoseconds,
                                fm_range_body *body, const void *argument)
{
    const fm_ranges ranges = {count, step, body, argument};
    const bool alone = (double)count * item_nanoseconds < FM_PARALLEL_NANOSECONDS;
    fm_in_parts(alone ? 1 : threads, fm_run_range, &ranges);
}

#endif
