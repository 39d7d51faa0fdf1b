/* The attributes of the vision ops: what a kernel finds behind fm_call.attributes. Lists are
 * complete there: defaults are filled in by the builders, one entry for each spatial dimension. */
#ifndef FM_VISION_ATTRIBUTES_H
#define FM_VISION_ATTRIBUTES_H

#include "fathom/vision_ops.h"

/* convolve, convolve_transposed, convolve_kernel_grad. The first does not look at `size`; for the
 * second it is the spatial size of the output, for the third the kernel's. */
typedef struct fm_convolve_attributes {
    fm_window window;
    fm_ints size;
} fm_convolve_attributes;

/* max_pool (y and the winner's place in its window, u8), average_pool; their gradients, which need
 * the `spatial` size of x. */
typedef struct fm_pool_attributes {
    fm_pool pool;
    fm_ints spatial;
} fm_pool_attributes;

/* normalize (x, gamma, beta -> y, mean, rstd), normalize_grad (x, gamma, mean, rstd, dy -> dx,
 * dgamma, dbeta) */
typedef struct fm_normalize_attributes {
    fm_ints axes;
    double epsilon;
} fm_normalize_attributes;

typedef struct fm_window_sum_attributes {
    int64_t before, after;
} fm_window_sum_attributes;

/* take (x, positions i32); take_grad (dy, positions), whose axis has `extent` entries. */
typedef struct fm_take_attributes {
    int64_t axis, extent;
} fm_take_attributes;

#endif
