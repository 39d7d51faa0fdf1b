/* Checks an op's gradients of first and second order against differences.
 *
 * With inputs x, outputs y and random weights w, v:
 *     L(x, w) = sum w y,    S(x, w) = sum v dL/dx
 * dL/dx is compared with differences of L, dS/dx and dS/dw with differences of S: five-point
 * central differences (Fornberg 1988), whose error is of the fourth power of the step. */
#ifndef TESTS_SUPPORT_GRADIENT_CHECK_H
#define TESTS_SUPPORT_GRADIENT_CHECK_H

#include "support/op_case.h"

/* Relative errors, against the larger of: both values, a hundredth of the largest in the tensor,
 * 1e-3. */
typedef struct gradient_errors {
    double first, second;
} gradient_errors;

/* On the portable backend, in f64. An op without real outputs or inputs has no error. */
gradient_errors check_gradients(fm_context *context, const fm_op *op, const fm_case *row);

/* The largest |derivative| of L by differences. */
double largest_slope(fm_context *context, const fm_op *op, const fm_case *row);

/* Outputs and dL/dx of the case with an f32 graph against an f64 one: the largest difference over
 * max(1, |value|). */
double compare_precisions(fm_context *context, const fm_op *op, const fm_case *row);

#endif
