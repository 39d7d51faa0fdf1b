/* Results of batch normalisation and relu that backward makes again instead of keeping them: the
 * next layer's gradients read y, and y's own gradient reads x, of which it computes where the relu
 * let through anyway. It writes y in the place of x, which nobody needs any more, and who reads y
 * runs behind it. With dz, the gradient of the next layer's result:
 *
 *     dkernel = convolve_kernel_grad(y, dz); dy = convolve_transposed(dz, ..);
 *     dx, .. = fused_normalize_grad(x, .., dy)
 *         -> dy = convolve_transposed(dz, ..); dx, .., y = normalize_grad_again(x, .., dy);
 *            dkernel = convolve_kernel_grad(y, dz)
 *
 * With a residual y is made of it, too, so only where that is kept: of a row of blocks every second
 * one's. The bits stay the same. Only where kernels of the program's backends do both: portable
 * normalisation knows its statistics better than what is kept of them. */
#ifndef FM_PASS_MAKE_AGAIN_H
#define FM_PASS_MAKE_AGAIN_H

#include "ir/ir.h"

/* After fusion, autocast and moments. */
fm_status fm_make_again(fm_graph *graph, const char *const *backends);

#endif
