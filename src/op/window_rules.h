/* Geometry of windows, for the shape rules of convolution and pooling and for their kernels. */
#ifndef FM_WINDOW_RULES_H
#define FM_WINDOW_RULES_H

#include "fathom/op.h"
#include "kernel/window.h"
#include "op/vision_attributes.h"

enum { FM_MAX_SPATIAL = KERNEL_SPATIAL };

/* Input i is (n, spatial..., channels) with one to three spatial dimensions. */
fm_status fm_infer_image(const fm_infer *infer, int i);

fm_ints fm_spatial_of(fm_shape image);
/* (n, spatial..., channels) */
fm_shape fm_image_shape(int64_t n, fm_ints spatial, int64_t channels);

/* Fills empty lists with the defaults for `spatial` dimensions; NULL is a window of defaults. */
fm_window fm_window_complete(const fm_window *window, int spatial);

/* The number of windows of `size` in each dimension of x, or in words why there are none. */
fm_status fm_window_outputs(const fm_infer *infer, const fm_window *window, fm_ints x, fm_ints size,
                            fm_ints *outputs);

/* `list`, called `name` in words, has one entry of at least
 * `least` for each of `spatial` dimensions. */
fm_status fm_infer_list(const fm_infer *infer, const fm_ints *list, const char *name, int spatial,
                        int64_t least);

/* x and y: spatial extents. */
kernel_window fm_kernel_window(const fm_window *window, fm_ints x, fm_ints y, fm_ints size);

#endif
