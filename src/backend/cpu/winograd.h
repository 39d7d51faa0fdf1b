/* Convolution of f32 images with 3x3 kernels, stride 1, by minimal filtering F(4x4, 3x3): 36
 * multiplications for 16 results where the definition takes 144 (Winograd, "Arithmetic complexity
 * of computations", 1980; Lavin, Gray, "Fast algorithms for convolutional neural networks", 2016).
 *
 *     y = A^T [ (G w G^T) * (B^T x B) ] A     for each tile of 4x4 results, from 6x6 of x
 *
 * The product * is one for each of the 36 points, summed over channels: 36 matrix products
 * (tiles, channels) (channels, filters). The gradient of the kernel is the adjoint of the formula,
 * that of x a convolution with the kernel turned round.
 *
 * What holds
 *   - x, y channels last, the kernel (3, 3, channels, filters), all plain.
 *   - Sums are made in another order than the definition's and of larger numbers: the results
 *     differ from it by some 1e-6 of the largest (tests/backend/cpu/winograd_test.c says how much).
 *   - Same bits for any number of parts. Nothing is allocated, nothing is kept between calls. */
#ifndef FM_BACKEND_CPU_WINOGRAD_H
#define FM_BACKEND_CPU_WINOGRAD_H

#include "fathom/backend.h"

/* y (images, out_height, out_width, filters) from x (images, height, width, channels), with
 * pad_top zeros above x and pad_left to its left; below and to the right as many as are needed. */
typedef struct fm_winograd {
    int64_t images, height, width, channels;
    int64_t out_height, out_width, filters;
    int64_t pad_top, pad_left;
    bool kernel_ready; /* transformed by transform_kernel beforehand */
    bool moments;      /* convolve makes mean and variance, too */
} fm_winograd;

/* What is done to y at the end, in this order; what is NULL or false is left out. */
typedef struct fm_winograd_epilogue {
    const float *bias;     /* (filters) */
    const float *residual; /* shape of y, added */
    bool relu;
    const float *mask;      /* shape of y: 0 where !(mask > 0), the gradient of ReLU */
    float *mean, *variance; /* (filters), of y over all pixels; with `moments` only */
} fm_winograd_epilogue;

typedef struct fm_winograd_isa {
    const char *name; /* "avx512", "avx2", "baseline" */
    size_t (*kernel_floats)(int64_t channels, int64_t filters);
    void (*transform_kernel)(int64_t channels, int64_t filters, const float *kernel,
                             float *transformed, int threads);
    size_t (*scratch_floats)(const fm_winograd *w, int threads);
    /* turned: y is the gradient of x, x that of y: the kernel is (3, 3, filters, channels), read
     * backwards. Not with kernel_ready. */
    void (*convolve)(const fm_winograd *w, const float *x, const float *kernel, bool turned,
                     const fm_winograd_epilogue *epilogue, float *y, int threads, float *scratch);
    size_t (*kernel_grad_scratch_floats)(const fm_winograd *w, int threads);
    /* dkernel (3, 3, channels, filters) from x and dy (shape of y); dbias (filters), the sums of
     * dy, unless it is NULL. */
    void (*kernel_grad)(const fm_winograd *w, const float *x, const float *dy, float *dkernel,
                        float *dbias, int threads, float *scratch);
} fm_winograd_isa;

/* Kernels that are transformed: wanted where that is done once and not for each run. */
extern const fm_layout_type fm_winograd_kernel;
fm_layout fm_winograd_kernel_of(const fm_winograd_isa *isa, fm_shape kernel);

/* Those that this processor runs, best first; NULL at the end. */
const fm_winograd_isa *fm_winograd_isa_at(int index);

#endif
