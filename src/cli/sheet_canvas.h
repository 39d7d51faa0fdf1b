/* Pictures of samples side by side: cells of one size on a dark ground, with captions. */
#ifndef FM_CLI_SHEET_CANVAS_H
#define FM_CLI_SHEET_CANVAS_H

#include "base/memory.h"
#include "cli/small_letters.h"
#include "fathom/data.h"
#include "fathom/image.h"

enum { SHEET_MARGIN = 6, SHEET_CAPTION = LETTER_HEIGHT + 4 };

/* (height, width), or with 1 or 3 channels, f32, of a size that can be drawn; then *image has the
 * sides and channels, without pixels. */
bool sheet_is_image(const fm_data_field *x, fm_image *image);
/* A whole multiple of a small sample's sides, or a part of a large one's. */
void sheet_cell(const fm_image *sample, int64_t *height, int64_t *width);

/* Dark, with three channels, in the arena. */
fm_status sheet_open(fm_arena *arena, int64_t height, int64_t width, fm_image *sheet);
/* A sample of a prepared set back to bytes as the data has them.
 * values and image have its elements. */
void sheet_restore(const fm_transform *transform, const float *x, float *values, fm_image *image);
/* Pixels are repeated, or averaged. scratch has as many bytes as `from`. */
fm_status sheet_draw_image(fm_context *context, const fm_image *sheet, int64_t top, int64_t left,
                           const fm_image *from, uint8_t *scratch);
/* Cut where the cell ends. */
void sheet_draw_text(const fm_image *sheet, int64_t top, int64_t left, int64_t width,
                     const char *text);

#endif
