/* fathom/nn_vision.h: layers for images, sound and video: convolution, pooling, normalisation,
 * padding, resampling.
 *
 *     x = fm_conv2d(g, x, .filters = 32, .kernel_size = {1, {3}}, .activation = FM_RELU);
 *     x = fm_max_pooling2d(g, x);
 *     x = fm_batch_normalization(g, x);
 *     x = fm_global_average_pooling(g, x);
 *
 * Invariants (besides those of nn.h)
 *  - Channels last: x is (batch, spatial..., channels) with one, two or three spatial dimensions,
 *    which a name that ends in 1d, 2d or 3d fixes. Images without channels, (batch, 28, 28), are a
 *    mistake: `reshape: [28, 28, 1]` gives them one.
 *  - A list has one entry for each spatial dimension, or one for all of them: `.strides = {1,
 *    {2}}`, in a recipe `strides: 2`. Without entries it is the default.
 *  - Paddings, croppings: one number for every side; one for each dimension, both sides of it; or
 *    two for each dimension: {4, {top, bottom, left, right}}.
 *  - Initialisers, penalties, activations, `use_bias` are those of dense.
 *  - Of a sequence with a mask (graph.h) convolutions read padding as zeros, and pooling over all
 *    of space leaves it out; where there is nothing else its result is 0. The mask stays where
 *    there are as many outputs as steps, and behind windows (of pooling, too) without zeros at the
 *    ends: real are those that see real steps alone. Other windows end it.
 *  - In a stream (fm_graph_stream_length) convolutions of stride 1 with causal padding see the
 *    steps of earlier pieces; other layers that see several steps are FM_ERROR_UNSUPPORTED.
 *  - May be NULL: options, and in them `name`.
 */
#ifndef FATHOM_NN_VISION_H
#define FATHOM_NN_VISION_H

#include "fathom/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the input's border is filled with zeros:
 *  valid   not at all
 *  same    so that the output has ceil(x / stride) positions; an odd zero goes behind (TensorFlow)
 *  causal  only in front, (kernel - 1) dilation zeros: no output sees what comes later (1-D) */
typedef enum fm_padding { FM_PADDING_VALID, FM_PADDING_SAME, FM_PADDING_CAUSAL } fm_padding;

/* ---- convolution ----------------------------------------------------------------------------- */

/* The options of all convolutions; each reads those that it has a use for.
 *  filters           channels of the output
 *  kernel_size       required
 *  strides           default 1
 *  padding           fm_padding; `pad` says it in numbers instead
 *  dilation_rate     default 1: kernel elements lie so far apart (Yu, Koltun 2016)
 *  groups            channels and filters are cut into so many parts that do not see each other
 *                    (Krizhevsky et al. 2012); default 1
 *  depth_multiplier  outputs for each channel of a depthwise convolution; default 1
 *  output_padding    transposed only: positions added behind, 0 <= output_padding < stride
 *  pointwise_initializer  separable only: of the second kernel
 * Output positions: vision_ops.h.
 *
 * conv         x (n, spatial..., c), kernel (size..., c / groups, filters), bias (filters)
 * depthwise    kernel (size..., 1, c depth_multiplier): channel i alone makes the outputs
 *              i depth_multiplier onwards
 * separable    depthwise_kernel as there, then pointwise_kernel (1..., c depth_multiplier,
 *              filters), then the bias (Chollet 2017)
 * transpose    the adjoint of a convolution, upwards (Zeiler et al. 2010): kernel (size...,
 *              filters, c). valid: (x - 1) stride + max(size, stride) positions, same: x stride,
 *              pad: (x - 1) stride + size - before - after (PyTorch); each with output_padding
 *              behind
 *
 * kernel_l1 and kernel_l2 penalise every kernel of the layer. Fans of initialisers count channels /
 * groups as PyTorch does, where Keras counts all channels of a depthwise kernel. */
typedef struct fm_convolution_options {
    const char *name;
    int64_t filters;
    fm_ints kernel_size, strides;
    int padding; /* fm_padding */
    fm_ints pad, dilation_rate;
    int64_t groups, depth_multiplier;
    fm_ints output_padding;
    int activation; /* fm_activation */
    bool no_bias;
    fm_initializer kernel_initializer, pointwise_initializer, bias_initializer;
    double kernel_l1, kernel_l2;
} fm_convolution_options;

#define FM_CONVOLUTION_(kind, g, x, ...)                                                           \
    fm_##kind##_with((g), (x), FM_OPTIONS(fm_convolution_options, __VA_ARGS__))
#define fm_conv1d(g, x, ...)           FM_CONVOLUTION_(conv1d, g, x, __VA_ARGS__)
#define fm_conv2d(g, x, ...)           FM_CONVOLUTION_(conv2d, g, x, __VA_ARGS__)
#define fm_conv3d(g, x, ...)           FM_CONVOLUTION_(conv3d, g, x, __VA_ARGS__)
#define fm_depthwise_conv1d(g, x, ...) FM_CONVOLUTION_(depthwise_conv1d, g, x, __VA_ARGS__)
#define fm_depthwise_conv2d(g, x, ...) FM_CONVOLUTION_(depthwise_conv2d, g, x, __VA_ARGS__)
#define fm_separable_conv1d(g, x, ...) FM_CONVOLUTION_(separable_conv1d, g, x, __VA_ARGS__)
#define fm_separable_conv2d(g, x, ...) FM_CONVOLUTION_(separable_conv2d, g, x, __VA_ARGS__)
#define fm_conv1d_transpose(g, x, ...) FM_CONVOLUTION_(conv1d_transpose, g, x, __VA_ARGS__)
#define fm_conv2d_transpose(g, x, ...) FM_CONVOLUTION_(conv2d_transpose, g, x, __VA_ARGS__)
#define fm_conv3d_transpose(g, x, ...) FM_CONVOLUTION_(conv3d_transpose, g, x, __VA_ARGS__)

FM_API fm_val fm_conv1d_with(fm_graph *g, fm_val x, const fm_convolution_options *options);
FM_API fm_val fm_conv2d_with(fm_graph *g, fm_val x, const fm_convolution_options *options);
FM_API fm_val fm_conv3d_with(fm_graph *g, fm_val x, const fm_convolution_options *options);
FM_API fm_val fm_depthwise_conv1d_with(fm_graph *g, fm_val x,
                                       const fm_convolution_options *options);
FM_API fm_val fm_depthwise_conv2d_with(fm_graph *g, fm_val x,
                                       const fm_convolution_options *options);
FM_API fm_val fm_separable_conv1d_with(fm_graph *g, fm_val x,
                                       const fm_convolution_options *options);
FM_API fm_val fm_separable_conv2d_with(fm_graph *g, fm_val x,
                                       const fm_convolution_options *options);
FM_API fm_val fm_conv1d_transpose_with(fm_graph *g, fm_val x,
                                       const fm_convolution_options *options);
FM_API fm_val fm_conv2d_transpose_with(fm_graph *g, fm_val x,
                                       const fm_convolution_options *options);
FM_API fm_val fm_conv3d_transpose_with(fm_graph *g, fm_val x,
                                       const fm_convolution_options *options);

/* ---- pooling --------------------------------------------------------------------------------- */

/*  pool_size      default 2
 *  strides        default pool_size
 *  padding, pad   as for convolutions, without causal; padding never wins a maximum
 *  count_padding  average only: padding counts as zeros in the mean (PyTorch); by default it does
 *                 not count at all (Keras) */
typedef struct fm_pooling_options {
    const char *name;
    fm_ints pool_size, strides;
    int padding;
    fm_ints pad;
    bool count_padding;
} fm_pooling_options;

#define FM_POOLING_(kind, g, x, ...)                                                               \
    fm_##kind##_with((g), (x), FM_OPTIONS(fm_pooling_options, __VA_ARGS__))
#define fm_max_pooling1d(g, x, ...)     FM_POOLING_(max_pooling1d, g, x, __VA_ARGS__)
#define fm_max_pooling2d(g, x, ...)     FM_POOLING_(max_pooling2d, g, x, __VA_ARGS__)
#define fm_max_pooling3d(g, x, ...)     FM_POOLING_(max_pooling3d, g, x, __VA_ARGS__)
#define fm_average_pooling1d(g, x, ...) FM_POOLING_(average_pooling1d, g, x, __VA_ARGS__)
#define fm_average_pooling2d(g, x, ...) FM_POOLING_(average_pooling2d, g, x, __VA_ARGS__)
#define fm_average_pooling3d(g, x, ...) FM_POOLING_(average_pooling3d, g, x, __VA_ARGS__)

FM_API fm_val fm_max_pooling1d_with(fm_graph *g, fm_val x, const fm_pooling_options *options);
FM_API fm_val fm_max_pooling2d_with(fm_graph *g, fm_val x, const fm_pooling_options *options);
FM_API fm_val fm_max_pooling3d_with(fm_graph *g, fm_val x, const fm_pooling_options *options);
FM_API fm_val fm_average_pooling1d_with(fm_graph *g, fm_val x, const fm_pooling_options *options);
FM_API fm_val fm_average_pooling2d_with(fm_graph *g, fm_val x, const fm_pooling_options *options);
FM_API fm_val fm_average_pooling3d_with(fm_graph *g, fm_val x, const fm_pooling_options *options);

/* (n, spatial..., c) -> (n, c), or (n, 1..., c) with keep_dims. In recipes also with 1d, 2d, 3d. */
typedef struct fm_global_pooling_options {
    const char *name;
    bool keep_dims;
} fm_global_pooling_options;
#define fm_global_average_pooling(g, x, ...)                                                       \
    fm_global_average_pooling_with((g), (x), FM_OPTIONS(fm_global_pooling_options, __VA_ARGS__))
#define fm_global_max_pooling(g, x, ...)                                                           \
    fm_global_max_pooling_with((g), (x), FM_OPTIONS(fm_global_pooling_options, __VA_ARGS__))
FM_API fm_val fm_global_average_pooling_with(fm_graph *g, fm_val x,
                                             const fm_global_pooling_options *options);
FM_API fm_val fm_global_max_pooling_with(fm_graph *g, fm_val x,
                                         const fm_global_pooling_options *options);

/* To `output_size` positions whatever the input's size; windows as in vision_ops.h. */
typedef struct fm_adaptive_pooling_options {
    const char *name;
    fm_ints output_size; /* required */
} fm_adaptive_pooling_options;
#define fm_adaptive_average_pooling(g, x, ...)                                                     \
    fm_adaptive_average_pooling_with((g), (x), FM_OPTIONS(fm_adaptive_pooling_options, __VA_ARGS__))
#define fm_adaptive_max_pooling(g, x, ...)                                                         \
    fm_adaptive_max_pooling_with((g), (x), FM_OPTIONS(fm_adaptive_pooling_options, __VA_ARGS__))
FM_API fm_val fm_adaptive_average_pooling_with(fm_graph *g, fm_val x,
                                               const fm_adaptive_pooling_options *options);
FM_API fm_val fm_adaptive_max_pooling_with(fm_graph *g, fm_val x,
                                           const fm_adaptive_pooling_options *options);

/* ---- normalisation --------------------------------------------------------------------------- */

/* y = gamma (x - mean) / sqrt(variance + epsilon) + beta, variances biased (divided by the count).
 *  momentum  batch only, Keras's meaning: moving = momentum moving + (1 - momentum) batch; default
 *            0.99 (PyTorch's 0.1 is 0.9 here)
 *  epsilon   default 1e-3 (PyTorch has 1e-5); rms_normalization 1e-6
 *  axis      layer and rms: the last dimensions, default {-1}
 *  groups    group only, default 32; must divide the channels
 *  no_center, no_scale   without beta, without gamma (in a recipe `center: false`, `scale: false`)
 *
 * batch     over batch and space, for each channel (Ioffe, Szegedy 2015). The variables moving_mean
 *           and moving_variance follow while training and are used instead in FM_EVALUATE and
 *           FM_PREDICT. The moving variance follows the biased one, as in Keras 3; PyTorch's
 *           follows the unbiased one, n / (n - 1) times as large. There it is x scale + shift with
 *           scale = gamma / sqrt(moving_variance + epsilon) and shift = beta - moving_mean scale,
 *           two small tensors that a pass can compute once.
 * layer     over the last dimensions of each position (Ba et al. 2016)
 * instance  over space, for each sample and channel (Ulyanov et al. 2016)
 * group     over space and the group's channels (Wu, He 2018)
 * rms       x / sqrt(mean(x^2) + epsilon) gamma, over the last dimensions (Zhang, Sennrich 2019) */
typedef struct fm_normalization_options {
    const char *name;
    double momentum, epsilon;
    fm_ints axis;
    int64_t groups;
    bool no_center, no_scale;
    fm_initializer gamma_initializer, beta_initializer; /* ones, zeros */
} fm_normalization_options;

#define FM_NORMALIZATION_(kind, g, x, ...)                                                         \
    fm_##kind##_with((g), (x), FM_OPTIONS(fm_normalization_options, __VA_ARGS__))
#define fm_batch_normalization(g, x, ...) FM_NORMALIZATION_(batch_normalization, g, x, __VA_ARGS__)
#define fm_layer_normalization(g, x, ...) FM_NORMALIZATION_(layer_normalization, g, x, __VA_ARGS__)
#define fm_group_normalization(g, x, ...) FM_NORMALIZATION_(group_normalization, g, x, __VA_ARGS__)
#define fm_instance_normalization(g, x, ...)                                                       \
    FM_NORMALIZATION_(instance_normalization, g, x, __VA_ARGS__)
#define fm_rms_normalization(g, x, ...) FM_NORMALIZATION_(rms_normalization, g, x, __VA_ARGS__)

FM_API fm_val fm_batch_normalization_with(fm_graph *g, fm_val x,
                                          const fm_normalization_options *options);
FM_API fm_val fm_layer_normalization_with(fm_graph *g, fm_val x,
                                          const fm_normalization_options *options);
FM_API fm_val fm_group_normalization_with(fm_graph *g, fm_val x,
                                          const fm_normalization_options *options);
FM_API fm_val fm_instance_normalization_with(fm_graph *g, fm_val x,
                                             const fm_normalization_options *options);
FM_API fm_val fm_rms_normalization_with(fm_graph *g, fm_val x,
                                        const fm_normalization_options *options);

/* y_i = x_i / (k + alpha sum_j x_j^2)^beta, j the `size` channels around i (Krizhevsky et al. 2012,
 * section 3.3, with its k 2, n 5, alpha 1e-4, beta 0.75 as defaults). alpha multiplies the sum, as
 * in the paper; Caffe's and PyTorch's alpha multiplies the mean and is `size` times as large. */
typedef struct fm_local_response_options {
    const char *name;
    int64_t size;
    double alpha, beta, k;
} fm_local_response_options;
#define fm_local_response_normalization(g, x, ...)                                                 \
    fm_local_response_normalization_with((g), (x),                                                 \
                                         FM_OPTIONS(fm_local_response_options, __VA_ARGS__))
FM_API fm_val fm_local_response_normalization_with(fm_graph *g, fm_val x,
                                                   const fm_local_response_options *options);

/* ---- borders, sizes, channels ---------------------------------------------------------------- */

/* zero_padding       zeros around the spatial dimensions; default 1
 * reflect_padding    the inside mirrored at the edge, which is not repeated: padding < size
 * replicate_padding  the edge repeated
 * cropping           takes as much away; default 1
 * In recipes zero_padding and cropping also with 1d, 2d, 3d. */
typedef struct fm_border_options {
    const char *name;
    fm_ints padding; /* of cropping: what is cropped */
} fm_border_options;

#define FM_BORDER_(kind, g, x, ...)                                                                \
    fm_##kind##_with((g), (x), FM_OPTIONS(fm_border_options, __VA_ARGS__))
#define fm_zero_padding(g, x, ...)      FM_BORDER_(zero_padding, g, x, __VA_ARGS__)
#define fm_reflect_padding(g, x, ...)   FM_BORDER_(reflect_padding, g, x, __VA_ARGS__)
#define fm_replicate_padding(g, x, ...) FM_BORDER_(replicate_padding, g, x, __VA_ARGS__)
#define fm_cropping(g, x, ...)          FM_BORDER_(cropping, g, x, __VA_ARGS__)
FM_API fm_val fm_zero_padding_with(fm_graph *g, fm_val x, const fm_border_options *options);
FM_API fm_val fm_reflect_padding_with(fm_graph *g, fm_val x, const fm_border_options *options);
FM_API fm_val fm_replicate_padding_with(fm_graph *g, fm_val x, const fm_border_options *options);
FM_API fm_val fm_cropping_with(fm_graph *g, fm_val x, const fm_border_options *options);

/* `size` times as many positions (default 2). bilinear has pixel centres at halves, as Keras and
 * PyTorch's align_corners=False. In recipes also with 1d, 2d, 3d. */
typedef enum fm_interpolation { FM_UP_NEAREST, FM_UP_BILINEAR } fm_interpolation;
typedef struct fm_up_sampling_options {
    const char *name;
    fm_ints size;
    int interpolation; /* fm_interpolation */
} fm_up_sampling_options;
#define fm_up_sampling(g, x, ...)                                                                  \
    fm_up_sampling_with((g), (x), FM_OPTIONS(fm_up_sampling_options, __VA_ARGS__))
FM_API fm_val fm_up_sampling_with(fm_graph *g, fm_val x, const fm_up_sampling_options *options);

/* Dropout of whole channels of a sample (Tompson et al. 2015). In recipes also with 1d, 2d, 3d. */
#define fm_spatial_dropout(g, x, ...)                                                              \
    fm_spatial_dropout_with((g), (x), FM_OPTIONS(fm_dropout_options, __VA_ARGS__))
FM_API fm_val fm_spatial_dropout_with(fm_graph *g, fm_val x, const fm_dropout_options *options);

/* x sigmoid(dense(relu(dense(mean over space)))), channel by channel (Hu et al. 2018): the first
 * dense layer has channels / ratio units, at least 1. Variables reduce/..., expand/... */
typedef struct fm_squeeze_excite_options {
    const char *name;
    int64_t ratio; /* default 16 */
} fm_squeeze_excite_options;
#define fm_squeeze_excite(g, x, ...)                                                               \
    fm_squeeze_excite_with((g), (x), FM_OPTIONS(fm_squeeze_excite_options, __VA_ARGS__))
FM_API fm_val fm_squeeze_excite_with(fm_graph *g, fm_val x,
                                     const fm_squeeze_excite_options *options);

#ifdef __cplusplus
}
#endif
#endif
