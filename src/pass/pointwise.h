/* Convolutions whose windows are single pixels, at every pixel, are products of matrices: with the pixels for
 * rows, x (pixels, c) times the kernel (c, filters). Products have a precision and convolutions have none, so
 * such layers, half of the work of a residual network with bottlenecks, are made products where that is
 * asked for. Wider windows stay convolutions: 3x3 ones go by Winograd's algorithm in f32 as fast as
 * their definition would in bf16. */
#ifndef FM_PASS_POINTWISE_H
#define FM_PASS_POINTWISE_H

#include "ir/ir.h"

/* Before fusion, so that what surrounds a product is fused into it. */
fm_status fm_pointwise(fm_graph *graph);

#endif
