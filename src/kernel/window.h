/* A window that slides over three spatial dimensions; where there are fewer, dimensions of 1
 * precede them. Window o has its place k at x's position o stride - begin + k dilation (Dumoulin,
 * Visin 2016); positions outside of x are padding. An adaptive window covers floor(o x / y) up to
 * ceil((o + 1) x / y). */
#ifndef FM_KERNEL_WINDOW_H
#define FM_KERNEL_WINDOW_H

#include <stdint.h>

enum { KERNEL_SPATIAL = 3, KERNEL_MAX_PLACES = 255 };

typedef struct kernel_window {
    int64_t x[KERNEL_SPATIAL], y[KERNEL_SPATIAL], size[KERNEL_SPATIAL]; /* extents; size: places */
    int64_t stride[KERNEL_SPATIAL], dilation[KERNEL_SPATIAL], begin[KERNEL_SPATIAL];
    int adaptive;
} kernel_window;

static inline int64_t kernel_volume(const int64_t *extents)
{
    return extents[0] * extents[1] * extents[2];
}

static inline int64_t kernel_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One dimension of one window: its places lie at begin, begin + step, ... */
typedef struct kernel_span {
    int64_t begin, step, size;
} kernel_span;

static inline kernel_span kernel_window_span(const kernel_window *w, int d, int64_t o)
{
    if (w->adaptive) {
        int64_t begin = o * w->x[d] / w->y[d], end = ((o + 1) * w->x[d] + w->y[d] - 1) / w->y[d];
        return (kernel_span){begin, 1, end - begin};
    }
    return (kernel_span){o * w->stride[d] - w->begin[d], w->dilation[d], w->size[d]};
}

/* The spans of window number `window` of y's, counted row-major; returns the number of places. */
static inline int64_t kernel_window_spans(const kernel_window *w, int64_t window,
                                          kernel_span *spans)
{
    int64_t places = 1;
    for (int d = KERNEL_SPATIAL - 1; d >= 0; d--) {
        spans[d] = kernel_window_span(w, d, window % w->y[d]);
        window /= w->y[d];
        places *= spans[d].size;
    }
    return places;
}

/* Which of x's positions, counted row-major, place number `place` of a window sees; -1: padding. */
static inline int64_t kernel_window_position(const kernel_window *w, const kernel_span *spans,
                                             int64_t place)
{
    int64_t position = 0, stride = 1;
    for (int d = KERNEL_SPATIAL - 1; d >= 0; d--) {
        int64_t at = spans[d].begin + place % spans[d].size * spans[d].step;
        if (at < 0 || at >= w->x[d]) return -1;
        place /= spans[d].size;
        position += at * stride;
        stride *= w->x[d];
    }
    return position;
}

/* ---- runs: what a convolution's loops have in common ----------------------------------------- */

/* `count` neighbouring windows of one row that all have place number `place` inside of x. Positions
 * are counted over the whole batch: x, x + x_step, ... and y, y + 1, ... */
typedef struct kernel_run {
    int64_t x, x_step, y, place, count;
} kernel_run;

typedef struct kernel_runs {
    const kernel_window *window;
    int64_t longest;              /* of a run */
    int64_t places, blocks, rows; /* of the window, of a row, of the batch */
    int64_t next, total;
} kernel_runs;

/* All runs of a batch; those of one block of windows follow each other, so that its part of y stays
 * in the cache. */
static inline kernel_runs kernel_runs_of(const kernel_window *w, int64_t images, int64_t longest)
{
    kernel_runs runs = {.window = w, .longest = longest, .places = kernel_volume(w->size)};
    runs.blocks = (w->y[2] + longest - 1) / longest;
    runs.rows = images * w->y[0] * w->y[1];
    runs.total = runs.rows * runs.blocks * runs.places;
    return runs;
}

/* The first o with o stride >= distance, at least 0. */
static inline int64_t kernel_first_window(int64_t distance, int64_t stride)
{
    return distance <= 0 ? 0 : (distance + stride - 1) / stride;
}

static inline int kernel_run_decode(const kernel_runs *runs, int64_t index, kernel_run *run)
{
    const kernel_window *w = runs->window;
    int64_t place = index % runs->places, block = index / runs->places % runs->blocks;
    int64_t row = index / runs->places / runs->blocks, image = row / w->y[1] / w->y[0];
    int64_t k[KERNEL_SPATIAL] = {place / w->size[2] / w->size[1], place / w->size[2] % w->size[1],
                                 place % w->size[2]};
    int64_t z = row / w->y[1] % w->y[0] * w->stride[0] - w->begin[0] + k[0] * w->dilation[0];
    int64_t v = row % w->y[1] * w->stride[1] - w->begin[1] + k[1] * w->dilation[1];
    if (z < 0 || z >= w->x[0] || v < 0 || v >= w->x[1]) return 0;
    int64_t shift = w->begin[2] - k[2] * w->dilation[2], from = block * runs->longest;
    int64_t first = kernel_first_window(shift, w->stride[2]);
    int64_t end = kernel_first_window(w->x[2] + shift, w->stride[2]);
    first = first > from ? first : from;
    end = kernel_min(end, kernel_min(from + runs->longest, w->y[2]));
    run->x = ((image * w->x[0] + z) * w->x[1] + v) * w->x[2] + first * w->stride[2] - shift;
    run->x_step = w->stride[2];
    run->y = row * w->y[2] + first;
    run->place = place;
    run->count = end - first;
    return run->count > 0;
}

/* false at the end */
static inline int kernel_run_next(kernel_runs *runs, kernel_run *run)
{
    while (runs->next < runs->total) {
        if (kernel_run_decode(runs, runs->next++, run)) return 1;
    }
    return 0;
}

#endif
