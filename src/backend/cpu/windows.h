/* Runs the plans of window_plan.h: the products of convolutions, for each instruction set.
 *
 * Every result is one chain of multiply-adds, or in the kernel's gradient a sum of such chains over
 * slices and blocks that depend on the shapes alone: the same bits for any number of threads.
 * Nothing is allocated and nothing kept between calls. */
#ifndef FM_BACKEND_CPU_WINDOWS_H
#define FM_BACKEND_CPU_WINDOWS_H

#include "backend/cpu/window_plan.h"

/* Of a band, where they fit: weights that are read for fewer cost more than the products; a tile of
 * dkernel is added to memory after as many. */
enum { FM_WINDOW_PIXELS = 96, FM_GRADIENT_PIXELS = 192 };

/* A kernel (size..., channels / groups, filters), seen as a matrix of (positions * channels /
 * groups, filters): plain or in the panels of gemm.h. */
typedef struct fm_kernel_matrix {
    const float *data;
    bool panels; /* one group only */
} fm_kernel_matrix;

/* result = mask(relu(source's windows * B + bias + residual)), or relu6;
 * what is NULL or false is left out. */
typedef struct fm_windows {
    const fm_window_plan *plan;
    bool adjoint;
    const float *source;
    fm_kernel_matrix kernel;
    float *result;
    const float *bias, *residual, *mask; /* (result channels); as the result */
    bool relu;
    float ceiling; /* of relu6, behind relu; 0: none */
    void (*activation)(int64_t count, float alpha, const float *x, float *y); /* in place of both,
                                                                                 not with a mask */
    bool moments;           /* of each channel of the result, forward only: its mean and variance */
    float *mean, *variance; /* if so */
} fm_windows;

/* dkernel = sum over pixels of x's windows^T dy, and the sums of dy's pixels: the gradients of the
 * kernel and of a bias. */
typedef struct fm_kernel_gradient {
    const fm_window_plan *plan; /* forward, of bands that do not depend on the number of threads */
    const int32_t *row_from;    /* by row of the kernel matrix of a group: where a window has it */
    int64_t slices;
    const float *x, *dy;
    float *dkernel, *sums; /* sums: NULL when nobody wants them */
    bool panels;           /* so dkernel is laid out */
} fm_kernel_gradient;

typedef struct fm_windows_isa {
    const char *name;
    bool minds_edges; /* of plans for `run`, fm_window_plan_make */
    size_t (*scratch_floats)(const fm_windows *windows, int threads);
    void (*run)(const fm_windows *windows, int threads, float *scratch);
    /* All but the pointers; of the plan's arena. */
    fm_status (*make_gradient)(fm_window_plan *plan, fm_kernel_gradient *gradient);
    size_t (*gradient_scratch_floats)(const fm_kernel_gradient *gradient, int threads);
    void (*run_gradient)(const fm_kernel_gradient *gradient, int threads, float *scratch);
} fm_windows_isa;

/* In the order of fm_gemm_isa_at. */
const fm_windows_isa *fm_windows_isa_at(int index);

#endif
