/* Work cut into parts for threads. What an item becomes must not depend on the part it is in; then
 * the bits are the same for any number of threads. */
#ifndef FM_BASE_PARALLEL_H
#define FM_BASE_PARALLEL_H

#include "base/float_mode.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

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

/* ---- pieces ---------------------------------------------------------------------------------- */

/* A part that another program keeps from running would hold all others up at the end of each
 * kernel: so each begins with its own range, the same in every kernel, which its caches know, and
 * takes it piece by piece; who has nothing left takes pieces of others, from the far end. */
typedef void fm_piece_body(const void *argument, int part, int64_t begin, int64_t end);

typedef struct fm_pieces {
    int64_t count, step; /* items, and how many make a piece */
    bool backwards;      /* each part from its end: what was written last is in the cache */
    fm_piece_body *body;
    const void *argument;
} fm_pieces;

enum { FM_PIECES_OF_PART = 32, FM_MOST_PARTS = 64 };

/* Pieces of a part that nobody has taken: the first, and past the last in the upper half. */
typedef struct fm_share {
    _Alignas(64) _Atomic uint64_t left;
} fm_share;

typedef struct fm_piece_run {
    fm_pieces pieces;
    fm_share *shares;
} fm_piece_run;

static inline bool fm_take_piece(fm_share *share, bool last, int64_t *piece)
{
    uint64_t left = atomic_load_explicit(&share->left, memory_order_relaxed);
    for (;;) {
        const uint32_t begin = (uint32_t)left, end = (uint32_t)(left >> 32);
        if (begin >= end) return false;
        *piece = last ? end - 1 : begin;
        const uint64_t rest = last ? left - (UINT64_C(1) << 32) : left + 1;
        if (atomic_compare_exchange_weak(&share->left, &left, rest)) return true;
    }
}

static inline void fm_run_pieces(const void *argument, int part, int parts)
{
    const fm_piece_run *run = argument;
    const fm_pieces *p = &run->pieces;
    for (int i = 0; i < parts; i++) {
        fm_share *share = &run->shares[(part + i) % parts];
        int64_t piece;
        while (fm_take_piece(share, p->backwards == (i == 0), &piece)) {
            const int64_t begin = piece * p->step, end = begin + p->step;
            p->body(p->argument, part, begin, end < p->count ? end : p->count);
        }
    }
}

/* body over [0, count) in pieces of p->step items or a multiple, by as many threads as parts;
 * `part` is whose scratch the piece may use. */
static inline void fm_in_pieces(int parts, const fm_pieces *p)
{
    fm_share shares[FM_MOST_PARTS];
    fm_piece_run run = {*p, shares};
    if (parts > FM_MOST_PARTS) parts = FM_MOST_PARTS;
    if (parts <= 1) {
        if (p->count > 0) p->body(p->argument, 0, 0, p->count);
        return;
    }
    const int64_t steps = (p->count + p->step - 1) / p->step, most = parts * FM_PIECES_OF_PART;
    run.pieces.step = p->step * ((steps + most - 1) / most);
    if (run.pieces.step < 1) return;
    const int64_t pieces = (p->count + run.pieces.step - 1) / run.pieces.step;
    for (int part = 0; part < parts; part++) {
        const uint64_t begin = (uint64_t)fm_range_bound(pieces, 1, part, parts);
        const uint64_t end = (uint64_t)fm_range_bound(pieces, 1, part + 1, parts);
        atomic_init(&shares[part].left, end << 32 | begin);
    }
    fm_in_parts(parts, fm_run_pieces, &run);
}

/* ---- ranges ---------------------------------------------------------------------------------- */

typedef void fm_range_body(const void *argument, int64_t begin, int64_t end);

typedef struct fm_ranges {
    int64_t count, step;
    fm_range_body *body;
    const void *argument;
} fm_ranges;

/* For fm_in_parts: one range for each part, where pieces would cost what large ones save. */
static inline void fm_run_range(const void *argument, int part, int parts)
{
    const fm_ranges *r = argument;
    const int64_t begin = fm_range_bound(r->count, r->step, part, parts);
    const int64_t end = fm_range_bound(r->count, r->step, part + 1, parts);
    if (begin < end) r->body(r->argument, begin, end);
}

static inline void fm_run_range_piece(const void *argument, int part, int64_t begin, int64_t end)
{
    const fm_ranges *r = argument;
    (void)part;
    r->body(r->argument, begin, end);
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
    const double worth = FM_PARALLEL_NANOSECONDS / ((double)step * item_nanoseconds);
    const fm_ranges ranges = {count, step, body, argument};
    fm_in_pieces(threads, &(fm_pieces){.count = count,
                                       .step = worth > 1 ? step * (int64_t)worth : step,
                                       .body = fm_run_range_piece,
                                       .argument = &ranges});
}

#endif
