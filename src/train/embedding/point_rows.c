#include "train/embedding/point_rows.h"
#include "base/checked.h"

fm_status fm_points_check(fm_context *context, const char *owner, const double *x, int64_t rows,
                          int64_t columns, int64_t least)
{
    if (rows < least || columns < 1 || rows > UINT32_MAX) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: %lld samples of %lld numbers were given, wanted are at least %lld of "
                       "at least 1",
                       owner, (long long)rows, (long long)columns, (long long)least);
    }
    for (int64_t i = 0; i < rows * columns; i++) {
        if (isfinite(x[i])) continue;
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: sample %lld, number %lld is %f", owner,
                       (long long)(i / columns), (long long)(i % columns), x[i]);
    }
    return FM_OK;
}

double *fm_points_take(fm_arena *arena, int64_t a, int64_t b)
{
    size_t bytes;
    if (fm_checked_mul((size_t)a, (size_t)b, &bytes) &&
        fm_checked_mul(bytes, sizeof(double), &bytes)) {
        return fm_arena_allocate(arena, bytes);
    }
    fm_fail(arena->context, FM_ERROR_LIMIT, "%lld times %lld numbers do not fit into memory",
            (long long)a, (long long)b);
    return NULL;
}

/* ---- nearest rows ---------------------------------------------------------------------------- */

typedef struct search {
    const double *x;
    int64_t rows, columns, count;
    uint32_t *index;
    double *distance2;
} search;

static bool is_farther(double a, uint32_t i, double b, uint32_t j)
{
    return a > b || (a == b && i > j);
}

/* A heap whose first entry is the farthest: the last one, or a new one at the top,
 * finds its place. */
static void sift_down(uint32_t *index, double *distance2, int64_t count, int64_t at)
{
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count &&
            is_farther(distance2[child + 1], index[child + 1], distance2[child], index[child])) {
            child++;
        }
        if (!is_farther(distance2[child], index[child], distance2[at], index[at])) return;
        uint32_t kept = index[at];
        double far = distance2[at];
        index[at] = index[child];
        distance2[at] = distance2[child];
        index[child] = kept;
        distance2[child] = far;
        at = child;
    }
}

static void sort_by_index(uint32_t *index, double *distance2, int64_t count)
{
    for (int64_t gap = count / 2; gap > 0; gap /= 2) { /* Shell 1959: lists are short */
        for (int64_t i = gap; i < count; i++) {
            uint32_t kept = index[i];
            double far = distance2[i];
            int64_t k = i;
            for (; k >= gap && index[k - gap] > kept; k -= gap) {
                index[k] = index[k - gap];
                distance2[k] = distance2[k - gap];
            }
            index[k] = kept;
            distance2[k] = far;
        }
    }
}

static void search_row(const search *s, int64_t i)
{
    uint32_t *index = s->index + i * s->count;
    double *distance2 = s->distance2 + i * s->count;
    int64_t held = 0;
    for (int64_t j = 0; j < s->rows; j++) {
        if (j == i) continue;
        double far = fm_distance2(s->x + i * s->columns, s->x + j * s->columns, s->columns);
        if (held < s->count) {
            index[held] = (uint32_t)j;
            distance2[held++] = far;
            if (held < s->count) continue;
            for (int64_t k = held / 2; k-- > 0;) sift_down(index, distance2, held, k);
        } else if (is_farther(distance2[0], index[0], far, (uint32_t)j)) {
            index[0] = (uint32_t)j;
            distance2[0] = far;
            sift_down(index, distance2, held, 0);
        }
    }
    sort_by_index(index, distance2, held);
}

static void search_rows(const void *argument, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) search_row(argument, i);
}

void fm_points_nearest(fm_context *context, const double *x, int64_t rows, int64_t columns,
                       int64_t count, uint32_t *index, double *distance2)
{
    const search s = {x, rows, columns, count, index, distance2};
    fm_in_ranges(fm_context_threads(context), rows, 8, (double)rows * (double)columns, search_rows,
                 &s);
}

/* ---- agreement ------------------------------------------------------------------------------- */

fm_status fm_neighbor_agreement(fm_context *context, const double *points, int64_t rows,
                                int64_t columns, const int32_t *labels, int64_t neighbors,
                                double *share)
{
    *share = NAN;
    fm_status status = fm_points_check(context, "neighbor_agreement", points, rows, columns, 2);
    if (status != FM_OK) return status;
    if (neighbors < 1) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "neighbor_agreement: %lld neighbors were asked for", (long long)neighbors);
    }
    int64_t count = neighbors < rows ? neighbors : rows - 1, agreeing = 0;
    uint32_t *index = fm_allocate_array(context, (size_t)(rows * count), sizeof *index);
    double *distance2 = fm_allocate_array(context, (size_t)(rows * count), sizeof *distance2);
    status = index && distance2 ? FM_OK : FM_ERROR_MEMORY;
    if (status == FM_OK) {
        fm_points_nearest(context, points, rows, columns, count, index, distance2);
        for (int64_t i = 0; i < rows * count; i++)
            agreeing += labels[i / count] == labels[index[i]];
        *share = (double)agreeing / (double)(rows * count);
    }
    fm_release(context, index);
    fm_release(context, distance2);
    return status;
}
