/* Work cut into one range for each thread. What an item becomes must not depend on the range it is
 * in; then the bits are the same for any number of threads. */
#ifndef FM_BACKEND_CPU_PARALLEL_H
#define FM_BACKEND_CPU_PARALLEL_H

#include <stdint.h>

/* Entering and leaving a region costs about half a microsecond: it pays from a few of them on.
 * Measured as the work of one thread where two threads become faster than one. */
enum { FM_PARALLEL_NANOSECONDS = 2500 };

typedef void fm_range_body(const void *argument, int64_t begin, int64_t end);

/* Where part `part` of `parts` begins: at a multiple of `step`, except the end. */
static inline int64_t fm_range_bound(int64_t count, int64_t step, int part, int parts)
{
    const int64_t blocks = (count + step - 1) / step;
    const int64_t block = blocks / parts * part + (blocks % parts < part ? blocks % parts : part);
    return block * step < count ? block * step : count;
}

/* body over [0, count), by all threads or by the caller alone: a team of another size would cost
 * far more than it brings. item_nanoseconds: what one item takes, roughly. */
static inline void fm_in_ranges(int threads, int64_t count, int64_t step, double item_nanoseconds,
                                fm_range_body *body, const void *argument)
{
    if (threads <= 1 || (double)count * item_nanoseconds < FM_PARALLEL_NANOSECONDS) {
        body(argument, 0, count);
        return;
    }
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static, 1)
#endif
    for (int part = 0; part < threads; part++) {
        const int64_t begin = fm_range_bound(count, step, part, threads);
        const int64_t end = fm_range_bound(count, step, part + 1, threads);
        if (begin < end) body(argument, begin, end);
    }
}

#endif
