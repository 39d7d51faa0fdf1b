/* Fast kernels against the portable one: every instruction set that the processor has, by one, two
 * and three threads, which must agree to the bit. */
#ifndef TESTS_SUPPORT_KERNEL_CHECK_H
#define TESTS_SUPPORT_KERNEL_CHECK_H

#include "support/op_job.h"

/* Each result is within `tolerance` of the portable one's, as a share of its largest number (at
 * least 1). Fails unless the backends "cpu" have a kernel for the job. */
void check_kernels(fixture *f, const op_job *job, double tolerance);
/* The same, and the mean difference of a result's elements is within `mean`. For kernels that round
 * numbers on the way, of which few fall on the other side: one does not say much. */
void check_kernels_in_mean(fixture *f, const op_job *job, double tolerance, double mean);
/* The same for operands as text (fathom/op.h, fm_case). */
void check_kernels_on(fixture *f, const fm_op *op, const void *attributes, const char *inputs,
                      double tolerance);

#endif
