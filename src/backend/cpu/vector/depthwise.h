/* The part of a fm_windows_isa that is in depthwise_f32.c. */
#ifndef FM_BACKEND_CPU_DEPTHWISE_H
#define FM_BACKEND_CPU_DEPTHWISE_H

#include "backend/cpu/vector/ahead.h"
#include "backend/cpu/vector/vector.h"
#include "backend/cpu/windows.h"

/* Tiles with pixels of one row are worth their code where vectors are not the shortest. */
#define LEAST_ROW_VECTOR 8

/* One band, which is read at `a`; moments: its unit of channel_moments.h, or NULL; streamed: of
 * whole vectors. Meanwhile what the next band reads is fetched, in fm_depthwise_fetches shares. */
void FM_ISA_SYMBOL(fm_depthwise_band)(const fm_windows *windows, fm_window_band band,
                                      const float *a, float *moments, bool streamed, ahead *next);
int64_t FM_ISA_SYMBOL(fm_depthwise_fetches)(const fm_window_plan *plan, fm_window_band band);

size_t FM_ISA_SYMBOL(fm_depthwise_gradient_scratch_floats)(const fm_kernel_gradient *gradient,
                                                           int threads);
void FM_ISA_SYMBOL(fm_depthwise_gradient_run)(const fm_kernel_gradient *gradient, int threads,
                                              float *scratch);

#endif
