/* fathom/vision_ops.h: convolution, pooling, normalisation and resampling as ops.
 *
 * Invariants
 *  - Channels last: x is (n, spatial..., channels) with one, two or three spatial dimensions.
 *  - A window's geometry is one struct for every op here. Lists have one entry for each spatial
 *    dimension; an empty list stands for the default in every dimension.
 *  - A window that lies wholly in the padding is a mistake, and so is an empty output.
 *  - Each op's gradient is an op of this header, so gradients exist to any order.
 *  - f32 and f64; operands share a dtype.
 *  - May be NULL: `window`, `pool`, `mean`, `rstd`.
 */
#ifndef FATHOM_VISION_OPS_H
#define FATHOM_VISION_OPS_H

#include "fathom/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Output positions are o = 0 .. output - 1; window o covers x's positions
 *     o stride - padding_begin + i dilation,  i = 0 .. kernel - 1,
 * those outside of x being padding, and
 *     output = floor((x + padding_begin + padding_end - ((kernel - 1) dilation + 1)) / stride) + 1
 * (Dumoulin, Visin 2016).
 *  strides, dilations            default 1
 *  padding_begin, padding_end    default 0; end may be smaller than begin, neither negative
 *  groups   channels and filters are cut into so many parts, filter part i sees channel part i
 *           alone (Krizhevsky et al. 2012); default 1; channels for a depthwise convolution */
typedef struct fm_window {
    fm_ints strides, dilations, padding_begin, padding_end;
    int64_t groups; /* convolution only */
} fm_window;

/* ---- convolution ----------------------------------------------------------------------------- */

/* Cross-correlation, as every framework's "convolution": x (n, spatial..., c), kernel (size..., c /
 * groups, filters) -> (n, out..., filters). Without bias: add one, it is fused. */
FM_API fm_val fm_convolve(fm_graph *g, fm_val x, fm_val kernel, const fm_window *window);

/* Its adjoint in x, the transposed convolution (Zeiler et al. 2010): dy (n, out..., filters) ->
 * (n, spatial..., c). `spatial` says which of the sizes that convolve to dy's is meant: one entry
 * for each spatial dimension. */
FM_API fm_val fm_convolve_transposed(fm_graph *g, fm_val dy, fm_val kernel, fm_ints spatial,
                                     const fm_window *window);

/* Its adjoint in the kernel: x and dy -> (size..., c / groups, filters); `kernel_size` as `spatial`
 * above. */
FM_API fm_val fm_convolve_kernel_grad(fm_graph *g, fm_val x, fm_val dy, fm_ints kernel_size,
                                      const fm_window *window);

/* ---- pooling --------------------------------------------------------------------------------- */

/* Window i of an adaptive pooling to `size` outputs covers x's positions floor(i x / size) up to
 * ceil((i + 1) x / size); kernel_size and window are not looked at when output_size is not
 * empty. */
typedef struct fm_pool {
    fm_ints kernel_size;
    fm_window window;
    fm_ints output_size; /* adaptive */
    bool count_padding;  /* average: padding counts as zeros; otherwise it does not count */
} fm_pool;

/* The largest of each window; padding never wins. A window has at most 255 elements (adaptive too):
 * larger ones are reductions. Among equals the first, in row-major order, has the gradient. */
FM_API fm_val fm_max_pool(fm_graph *g, fm_val x, const fm_pool *pool);
FM_API fm_val fm_average_pool(fm_graph *g, fm_val x, const fm_pool *pool);

/* ---- normalisation --------------------------------------------------------------------------- */

/* y = gamma (x - mean) / sqrt(variance + epsilon) + beta, with the mean and the biased variance
 * taken over `axes`. gamma and beta broadcast to x without widening it; their gradients are summed
 * down to their shapes. One op for
 *     batch     axes all but the last, gamma (c)            Ioffe, Szegedy 2015
 *     layer     axes the last (ones), gamma of their shape  Ba et al. 2016
 *     instance  axes the spatial ones, gamma (c)            Ulyanov et al. 2016
 *     group     x as (n, spatial..., groups, c / groups), axes spatial and last   Wu, He 2018
 * gamma and beta have one shape. mean and rstd = 1 / sqrt(variance + epsilon), with x's shape but 1
 * along the axes, may be NULL; gradients that reach them flow on to x (stop_gradient them where
 * they become running statistics). The variance is computed from the centred x, without
 * cancellation. */
FM_API fm_val fm_normalize_over(fm_graph *g, fm_val x, fm_val gamma, fm_val beta, fm_ints axes,
                                double epsilon, fm_val *mean, fm_val *rstd);

/* y_i = the sum of x over [i - before, i + after] along the last axis, what lies outside being
 * zero: the window of local response normalisation. */
FM_API fm_val fm_window_sum(fm_graph *g, fm_val x, int64_t before, int64_t after);

/* ---- resampling ------------------------------------------------------------------------------ */

/* Along one axis, y at i is x at positions[i], a constant list: reflection, replication, nearest
 * neighbours, reversal. `positions` are copied; outside [0, n) is a mistake. */
FM_API fm_val fm_take(fm_graph *g, fm_val x, int axis, const int32_t *positions, int64_t count);

/* Bilinear (linear in 1-D, trilinear in 3-D) resampling of the spatial dimensions to `size` with
 * pixel centres at halves: the source of o is (o + 0.5) x / size - 0.5, clamped to the edge. */
FM_API fm_val fm_resize_linear(fm_graph *g, fm_val x, fm_ints size);
FM_API fm_val fm_resize_nearest(fm_graph *g, fm_val x, fm_ints size); /* floor(o x / size) */

#ifdef __cplusplus
}
#endif
#endif
