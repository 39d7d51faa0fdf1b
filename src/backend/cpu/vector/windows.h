/* Runs the plans of window_plan.h: the products of convolutions for one instruction set. */
#ifndef FM_BACKEND_CPU_WINDOWS_H
#define FM_BACKEND_CPU_WINDOWS_H

#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/window_plan.h"

/* A kernel (size..., channels / groups, filters), seen as a matrix of (positions * channels / groups,
 * filters): plain or in the panels of gemm.h. */
typedef struct fm_kernel_matrix {
    const float *data;
    bool panels; /* one group only */
} fm_kernel_matrix;

/* result = mask(relu(source's windows * B + bias + residual)); what is NULL or false is left out. */
typedef struct fm_windows {
    const fm_window_plan *plan;
    bool adjoint;
    const float *source;
    fm_kernel_matrix kernel;
    float *result;
    const float *bias, *residual, *mask; /* (result channels); as the result */
    bool relu;
    fm_unary_loop *activation; /* in place of relu; not with a mask */
} fm_windows;

size_t FM_ISA_SYMBOL(fm_windows_scratch_floats)(const fm_windows *windows, int threads);
void FM_ISA_SYMBOL(fm_windows_run)(const fm_windows *windows, int threads, float *scratch);

/* dkernel = sum over pixels of x's windows^T dy, and the sums of dy's pixels: the gradients of the
 * kernel and of a bias. The pixels are cut into slices that do not depend on the number of threads. */
typedef struct fm_kernel_gradient {
    const fm_window_plan *plan; /* forward, of bands that do not depend on the number of threads */
    const int32_t *row_from;    /* by row of the kernel matrix of a group: where a window has it */
    int64_t slices;
    const float *x, *dy;
    float *dkernel, *sums; /* sums: NULL when nobody wants them */
    bool panels;           /* so dkernel is laid out            */
} fm_kernel_gradient;

fm_status FM_ISA_SYMBOL(fm_kernel_gradient_make)(fm_window_plan *plan,
                                                 fm_kernel_gradient *gradient);
size_t FM_ISA_SYMBOL(fm_kernel_gradient_scratch_floats)(const fm_kernel_gradient *gradient,
                                                        int threads);
void FM_ISA_SYMBOL(fm_kernel_gradient_run)(const fm_kernel_gradient *gradient, int threads,
                                           float *scratch);

#endif
