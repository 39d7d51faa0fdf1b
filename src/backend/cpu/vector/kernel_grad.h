/* The part of a fm_windows_isa that is in kernel_grad_f32.c. */
#ifndef FM_BACKEND_CPU_KERNEL_GRAD_H
#define FM_BACKEND_CPU_KERNEL_GRAD_H

#include "backend/cpu/vector/vector.h"
#include "backend/cpu/windows.h"

fm_status FM_ISA_SYMBOL(fm_kernel_gradient_make)(fm_window_plan *plan,
                                                 fm_kernel_gradient *gradient);
size_t FM_ISA_SYMBOL(fm_kernel_gradient_scratch_floats)(const fm_kernel_gradient *gradient,
                                                        int threads);
void FM_ISA_SYMBOL(fm_kernel_gradient_run)(const fm_kernel_gradient *gradient, int threads,
                                           float *scratch);

#endif
