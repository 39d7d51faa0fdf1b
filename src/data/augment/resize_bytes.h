/* Resampling of bytes along a grid. */
#ifndef FM_DATA_RESIZE_BYTES_H
#define FM_DATA_RESIZE_BYTES_H

#include "base/memory.h"
#include "fathom/data_source.h"

#include <stdint.h>

/* The box of `from`, (height, width, channels), as `to`, (to_height, to_width, channels): each
 * result is the mean of the pixels around it, weighted by a triangle that is two source pixels
 * wide, or two result pixels where the image shrinks. Columns first, then rows, rounded to bytes
 * after each; weights have 22 bits behind the point. */
fm_status fm_resize_bytes(fm_context *context, const uint8_t *from, int64_t height, int64_t width,
                          int64_t channels, fm_box box, uint8_t *to, int64_t to_height,
                          int64_t to_width);

/* The nearest pixel instead: for numbers that must not mix. */
void fm_resize_numbers(const uint8_t *from, int64_t height, int64_t width, fm_box box, uint8_t *to,
                       int64_t to_height, int64_t to_width);

/* The box of an image that fills height x width: around the middle, once the shorter side is shrunk
 * to `shorter` (0: as far as it still covers). */
fm_box fm_center_box(int64_t height, int64_t width, int64_t shorter, int64_t to_height,
                     int64_t to_width);

#endif
