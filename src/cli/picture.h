/* An image in grey as characters: two pixels a cell in a terminal with colours, a ramp of letters
 * elsewhere. */
#ifndef FM_CLI_PICTURE_H
#define FM_CLI_PICTURE_H

#include "cli/terminal.h"

#include "fathom/tensor.h"

enum { PICTURE_MOST_WIDTH = 100, PICTURE_MOST_HEIGHT = 100 };

/* Grey values in [0, 1], row by row, 1 is bright. */
typedef struct picture {
    int width, height;
    float pixels[PICTURE_MOST_WIDTH * PICTURE_MOST_HEIGHT];
} picture;

/* From a sample of shape (h, w), (h, w, 1) or (h, w, 3), u8 or f32; false when it is no such
 * image. */
bool picture_read(picture *image, fm_shape shape, fm_dtype dtype, const void *sample);

/* Lines of text it takes, and one of them without a newline. */
int picture_lines(const picture *image);
void picture_print_line(const picture *image, const terminal *t, int line);

#endif
