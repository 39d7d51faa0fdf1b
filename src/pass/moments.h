/* Statistics where they are made: a convolution whose result a batch normalisation reads adds up
 * each channel's mean and variance while its tiles are in the first cache, and the normalisation
 * reads its operand once instead of twice.
 *
 *     fused_normalize(convolve(x, kernel), gamma, beta)
 *         -> y, mean, variance = convolve_moments(x, kernel);
 *            normalize_by_moments(y, gamma, beta, mean, variance)
 *
 * Only where a kernel of `backends` makes both, or none makes the convolution either, as in
 * portable programs: a convolution that would lose its kernel, as those that round to bf16, stays
 * as it is. */
#ifndef FM_PASS_MOMENTS_H
#define FM_PASS_MOMENTS_H

#include "ir/ir.h"

/* After fusion and autocast. backends: as of fm_place. */
fm_status fm_moments(fm_graph *graph, const char *const *backends);

#endif
