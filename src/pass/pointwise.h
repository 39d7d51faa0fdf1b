/* Convolutions whose windows are single pixels, at every pixel, are products of matrices: with the
 * pixels for rows, x (pixels, c) times the kernel (c, filters). Products read their rows where they
 * lie, convolutions gather them, so such layers, half of the work of a residual network with
 * bottlenecks, are made products where bf16 is asked for; autocast.h says what becomes of
 * others. */
#ifndef FM_PASS_POINTWISE_H
#define FM_PASS_POINTWISE_H

#include "ir/ir.h"

/* Before fusion, so that what surrounds a product is fused into it. */
fm_status fm_pointwise(fm_graph *graph);

#endif
