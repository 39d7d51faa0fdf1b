/* Pictures that a model works with, in a grid. */
#ifndef FM_CLI_PICTURE_GRID_H
#define FM_CLI_PICTURE_GRID_H

#include "base/memory.h"
#include "fathom/image.h"

enum { PICTURE_GRID_STACKED = 2 };

/* x        what a sample is: (height, width), or with 1 or 3 channels, as the transform gives it
 * stacks   for each of the `stacked` pictures of a cell, one above the other, `count` samples
 * figures  a number under each cell, or NULL */
typedef struct picture_grid {
    const fm_transform *transform;
    const fm_data_field *x;
    const float *stacks[PICTURE_GRID_STACKED];
    int stacked;
    const double *figures;
    int64_t count;
} picture_grid;

/* The pixels lie in `arena`. FM_ERROR_SHAPE when samples are no images. */
fm_status picture_grid_draw(fm_context *context, const picture_grid *grid, fm_arena *arena,
                            fm_image *sheet);

#endif
