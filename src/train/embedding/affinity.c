#include "train/embedding/affinity.h"

#include <float.h>
#include <string.h>

/* The weights for beta, and their entropy in nats. */
static double entropy(const double *distance2, int64_t count, double nearest, double beta,
                      double *p)
{
    double sum = 0, mean = 0;
    for (int64_t j = 0; j < count; j++) {
        double off = distance2[j] - nearest;
        p[j] = exp(-beta * off);
        sum += p[j];
        mean += p[j] * off;
    }
    for (int64_t j = 0; j < count; j++) p[j] /= sum;
    return log(sum) + beta * mean / sum;
}

double fm_affinity_row(const double *distance2, int64_t count, double perplexity, double *p)
{
    enum { MOST_STEPS = 200 };
    const double tolerance = 1e-10, wanted = log(perplexity);
    double nearest = distance2[0], mean = 0, low = 0, high = INFINITY;
    for (int64_t j = 1; j < count; j++) nearest = fmin(nearest, distance2[j]);
    for (int64_t j = 0; j < count; j++) mean += (distance2[j] - nearest) / (double)count;
    double beta = mean > 0 ? 1 / mean : 1;
    for (int step = 0; step < MOST_STEPS; step++) {
        double off = entropy(distance2, count, nearest, beta, p) - wanted;
        if (fabs(off) < tolerance || beta > DBL_MAX / 4) break;
        if (off > 0) {
            low = beta;
        } else {
            high = beta;
        }
        beta = isinf(high) ? 2 * beta : (low + high) / 2;
    }
    return beta;
}

typedef struct conditional {
    int64_t rows, count;
    double perplexity;
    uint32_t *index;   /* (rows, count), each row rising */
    double *distance2; /* likewise */
    double *p;
} conditional;

static void fill_rows(const void *argument, int64_t begin, int64_t end)
{
    const conditional *c = argument;
    for (int64_t i = begin; i < end; i++) {
        fm_affinity_row(c->distance2 + i * c->count, c->count, c->perplexity, c->p + i * c->count);
    }
}

/* Where j stands among the neighbours of i, -1 when it is none. */
static int64_t find(const conditional *c, int64_t i, uint32_t j)
{
    const uint32_t *row = c->index + i * c->count;
    int64_t low = 0, high = c->count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (row[middle] < j) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < c->count && row[low] == j ? i * c->count + low : -1;
}

static void put(fm_affinities *made, int64_t i, uint32_t j, double p)
{
    int64_t at = made->first[i]++;
    made->to[at] = j;
    made->p[at] = p;
}

/* Each pair once from whoever counts the other as near; put moves `first` on,
 * which is moved back. */
static void join(const conditional *c, fm_affinities *made)
{
    for (int64_t i = 0; i < c->rows; i++) {
        for (int64_t k = i * c->count; k < (i + 1) * c->count; k++) {
            uint32_t j = c->index[k];
            int64_t back = find(c, j, (uint32_t)i);
            if (back >= 0 && j < i) continue;
            double p = (c->p[k] + (back >= 0 ? c->p[back] : 0)) / (2 * (double)c->rows);
            put(made, i, j, p);
            put(made, j, (uint32_t)i, p);
        }
    }
    memmove(made->first + 1, made->first, (size_t)made->rows * sizeof *made->first);
    made->first[0] = 0;
}

static fm_status make_symmetric(fm_arena *arena, const conditional *c, fm_affinities *made)
{
    made->rows = c->rows;
    made->first = fm_arena_allocate(arena, (size_t)(c->rows + 1) * sizeof *made->first);
    if (!made->first) return FM_ERROR_MEMORY;
    int64_t entries = 0;
    for (int64_t i = 0; i < c->rows; i++) {
        made->first[i] += c->count;
        for (int64_t k = i * c->count; k < (i + 1) * c->count; k++) {
            made->first[c->index[k]] += find(c, c->index[k], (uint32_t)i) < 0;
        }
    }
    for (int64_t i = 0; i <= c->rows; i++) { /* from sizes to beginnings */
        int64_t size = made->first[i];
        made->first[i] = entries;
        entries += size;
    }
    made->to = fm_arena_allocate(arena, (size_t)entries * sizeof *made->to);
    made->p = fm_points_take(arena, entries, 1);
    if (!made->to || !made->p) return FM_ERROR_MEMORY;
    join(c, made);
    return FM_OK;
}

fm_status fm_affinities_make(fm_arena *arena, const double *x, int64_t rows, int64_t columns,
                             int64_t neighbors, double perplexity, fm_affinities *made)
{
    fm_context *context = arena->context;
    fm_arena own = {.context = context};
    conditional c = {.rows = rows, .count = neighbors, .perplexity = perplexity};
    c.distance2 = fm_points_take(&own, rows, neighbors);
    c.p = c.distance2 ? fm_points_take(&own, rows, neighbors) : NULL;
    c.index = c.p ? fm_arena_allocate(&own, (size_t)(rows * neighbors) * sizeof *c.index) : NULL;
    fm_status status = c.index ? FM_OK : FM_ERROR_MEMORY;
    if (status == FM_OK) {
        fm_points_nearest(context, x, rows, columns, neighbors, c.index, c.distance2);
        fm_in_ranges(fm_context_threads(context), rows, 8, 300 * (double)neighbors, fill_rows, &c);
        status = make_symmetric(arena, &c, made);
    }
    fm_arena_release(&own);
    return status;
}
