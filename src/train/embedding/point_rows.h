/* Points as rows of numbers: what maps of them share. */
#ifndef FM_TRAIN_EMBEDDING_POINT_ROWS_H
#define FM_TRAIN_EMBEDDING_POINT_ROWS_H

#include "base/memory.h"
#include "base/parallel.h"
#include "fathom/embedding.h"

#include <math.h>

/* At least `least` rows, at least one column, everything finite. `owner` begins the message. */
fm_status fm_points_check(fm_context *context, const char *owner, const double *x, int64_t rows,
                          int64_t columns, int64_t least);

/* a * b zeros; NULL (and the words) without memory, or where so many cannot be. */
double *fm_points_take(fm_arena *arena, int64_t a, int64_t b);

/* In eight sums, which a vector unit does at once; their order is fixed. */
static inline double fm_dot(const double *a, const double *b, int64_t count)
{
    enum { LANES = 8 };
    double sums[LANES] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int k = 0; k < LANES; k++) sums[k] += a[i + k] * b[i + k];
    }
    for (; i < count; i++) rest += a[i] * b[i];
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) +
           ((sums[2] + sums[6]) + (sums[3] + sums[7])) + rest;
}

/* The squared Euclidean distance, likewise. */
static inline double fm_distance2(const double *a, const double *b, int64_t count)
{
    enum { LANES = 8 };
    double sums[LANES] = {0}, rest = 0;
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int k = 0; k < LANES; k++) {
            double off = a[i + k] - b[i + k];
            sums[k] += off * off;
        }
    }
    for (; i < count; i++) rest += (a[i] - b[i]) * (a[i] - b[i]);
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) +
           ((sums[2] + sums[6]) + (sums[3] + sums[7])) + rest;
}

/* The `count` nearest others of each row, by rising index, with their squared distances: exact, of
 * equal distances the smaller index. (rows, count) both. count < rows. */
void fm_points_nearest(fm_context *context, const double *x, int64_t rows, int64_t columns,
                       int64_t count, uint32_t *index, double *distance2);

#endif
