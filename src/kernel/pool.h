/* Pooling: x (images, positions, channels), one result for each window and channel: y (images,
 * windows, channels). A winner is the number of its place in its window, row-major, padding
 * counted; a number that is no place of x contributes nothing. */
#include <stdint.h>
#include "kernel/window.h"

/* The largest, and the first place that has it. Every window sees x at least once; a NaN is larger
 * than any number. */
static inline void KERNEL(max_pool)(const kernel_window *w, int64_t images, int64_t channels,
                                    const REAL *restrict x, REAL *restrict y,
                                    uint8_t *restrict winner)
{
    int64_t windows = kernel_volume(w->y), positions = kernel_volume(w->x);
    for (int64_t i = 0; i < images * windows; i++, y += channels, winner += channels) {
        kernel_span spans[KERNEL_SPATIAL];
        int64_t places = kernel_window_spans(w, i % windows, spans);
        const REAL *image = x + i / windows * positions * channels;
        int first = 1;
        for (int64_t place = 0; place < places; place++) {
            int64_t at = kernel_window_position(w, spans, place);
            if (at < 0) continue;
            const REAL *row = image + at * channels;
            for (int64_t c = 0; c < channels; c++) {
                int wins = first | (row[c] > y[c]) | ((row[c] != row[c]) & (y[c] == y[c]));
                y[c] = wins ? row[c] : y[c];
                winner[c] = wins ? (uint8_t)place : winner[c];
            }
            first = 0;
        }
    }
}

/* The positions of a window's places; -1: padding, or no place of the window at all. */
static inline void KERNEL(pool_places)(const kernel_window *w, int64_t window, int64_t *at)
{
    kernel_span spans[KERNEL_SPATIAL];
    int64_t places = kernel_window_spans(w, window, spans);
    for (int64_t place = 0; place <= KERNEL_MAX_PLACES; place++) {
        at[place] = place < places ? kernel_window_position(w, spans, place) : -1;
    }
}

/* dy (images, windows, channels) -> dx (images, positions, channels): each added to its winner. */
static inline void KERNEL(max_pool_grad)(const kernel_window *w, int64_t images, int64_t channels,
                                         const REAL *restrict dy, const uint8_t *restrict winner,
                                         REAL *restrict dx)
{
    int64_t windows = kernel_volume(w->y), positions = kernel_volume(w->x);
    for (int64_t i = 0; i < images * positions * channels; i++) dx[i] = 0;
    for (int64_t i = 0; i < images * windows; i++, dy += channels, winner += channels) {
        int64_t at[KERNEL_MAX_PLACES + 1];
        REAL *image = dx + i / windows * positions * channels;
        KERNEL(pool_places)(w, i % windows, at);
        for (int64_t c = 0; c < channels; c++) {
            if (at[winner[c]] >= 0) image[at[winner[c]] * channels + c] += dy[c];
        }
    }
}

/* Its adjoint: x's value at each winner. */
static inline void KERNEL(max_pool_pick)(const kernel_window *w, int64_t images, int64_t channels,
                                         const REAL *restrict x, const uint8_t *restrict winner,
                                         REAL *restrict y)
{
    int64_t windows = kernel_volume(w->y), positions = kernel_volume(w->x);
    for (int64_t i = 0; i < images * windows; i++, y += channels, winner += channels) {
        int64_t at[KERNEL_MAX_PLACES + 1];
        const REAL *image = x + i / windows * positions * channels;
        KERNEL(pool_places)(w, i % windows, at);
        for (int64_t c = 0; c < channels; c++) {
            y[c] = at[winner[c]] >= 0 ? image[at[winner[c]] * channels + c] : 0;
        }
    }
}

/* By how many an average is divided. */
static inline int64_t KERNEL(pool_divisor)(const kernel_window *w, const kernel_span *spans,
                                           int64_t places, int count_padding)
{
    if (count_padding) return places;
    int64_t inside = 0;
    for (int64_t place = 0; place < places; place++) {
        inside += kernel_window_position(w, spans, place) >= 0;
    }
    return inside;
}

static inline void KERNEL(average_pool)(const kernel_window *w, int64_t images, int64_t channels,
                                        int count_padding, const REAL *restrict x, REAL *restrict y)
{
    int64_t windows = kernel_volume(w->y), positions = kernel_volume(w->x);
    for (int64_t i = 0; i < images * windows; i++, y += channels) {
        kernel_span spans[KERNEL_SPATIAL];
        int64_t places = kernel_window_spans(w, i % windows, spans);
        REAL divisor = (REAL)KERNEL(pool_divisor)(w, spans, places, count_padding);
        const REAL *image = x + i / windows * positions * channels;
        for (int64_t c = 0; c < channels; c++) y[c] = 0;
        for (int64_t place = 0; place < places; place++) {
            int64_t at = kernel_window_position(w, spans, place);
            if (at < 0) continue;
            const REAL *row = image + at * channels;
            for (int64_t c = 0; c < channels; c++) y[c] += row[c];
        }
        for (int64_t c = 0; c < channels; c++) y[c] /= divisor;
    }
}

/* dy (images, windows, channels) -> dx (images, positions, channels) */
static inline void KERNEL(average_pool_grad)(const kernel_window *w, int64_t images,
                                             int64_t channels, int count_padding,
                                             const REAL *restrict dy, REAL *restrict dx)
{
    int64_t windows = kernel_volume(w->y), positions = kernel_volume(w->x);
    for (int64_t i = 0; i < images * positions * channels; i++) dx[i] = 0;
    for (int64_t i = 0; i < images * windows; i++, dy += channels) {
        kernel_span spans[KERNEL_SPATIAL];
        int64_t places = kernel_window_spans(w, i % windows, spans);
        REAL divisor = (REAL)KERNEL(pool_divisor)(w, spans, places, count_padding);
        REAL *image = dx + i / windows * positions * channels;
        for (int64_t place = 0; place < places; place++) {
            int64_t at = kernel_window_position(w, spans, place);
            if (at < 0) continue;
            REAL *row = image + at * channels;
            for (int64_t c = 0; c < channels; c++) row[c] += dy[c] / divisor;
        }
    }
}
