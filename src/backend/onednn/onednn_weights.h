/* The layout in which oneDNN's products want f32 weights (k, n): panels of some columns, each row
 * by row, rows padded to a multiple of 16 and columns to whole panels (its tags BA16a16b to
 * BA16a64b). */
#ifndef FM_ONEDNN_WEIGHTS_H
#define FM_ONEDNN_WEIGHTS_H

#include "fathom/backend.h"

#include <oneapi/dnnl/dnnl.h>

extern const fm_layout_type fm_onednn_weights;

fm_layout fm_onednn_weights_of(fm_shape shape, int64_t width);
int64_t fm_onednn_weights_panel(const fm_layout *layout); /* its width; 0 for any other layout */

dnnl_status_t fm_onednn_weights_describe(int64_t width, const dnnl_dims_t dims,
                                         dnnl_memory_desc_t *made);
/* The width of the panels it describes; 0: it is another layout. */
int64_t fm_onednn_weights_width(const dnnl_memory_desc_t *described);

#endif
