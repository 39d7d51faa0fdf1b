/* What layers share: records, and their building blocks. */
#ifndef FM_NN_LAYER_H
#define FM_NN_LAYER_H

#include "fathom/nn.h"
#include "fathom/op.h"
#include "fathom/ops.h"
#include "nn/option.h"

extern const fm_layer_record fm_layer_dense;
extern const fm_layer_record fm_layer_flatten;
extern const fm_layer_record fm_layer_reshape;
extern const fm_layer_record fm_layer_dropout;
extern const fm_layer_record fm_layer_alpha_dropout;
extern const fm_layer_record fm_layer_gaussian_dropout;
extern const fm_layer_record fm_layer_gaussian_noise;
extern const fm_layer_record fm_layer_gaussian_sample;
extern const fm_layer_record fm_layer_activation;
extern const fm_layer_record fm_layer_leaky_relu;
extern const fm_layer_record fm_layer_elu;
extern const fm_layer_record fm_layer_prelu;
extern const fm_layer_record fm_layer_concatenate;
extern const fm_layer_record fm_layer_add;
extern const fm_layer_record fm_layer_multiply;
extern const fm_layer_record fm_layer_subtract;
extern const fm_layer_record fm_layer_average;
extern const fm_layer_record fm_layer_maximum;
extern const fm_layer_record fm_layer_minimum;

/* A layer for each activation that takes no options. */
#define FM_ACTIVATION_LAYERS(X)                                                                    \
    X(linear)                                                                                      \
    X(relu)                                                                                        \
    X(relu6)                                                                                       \
    X(selu)                                                                                        \
    X(gelu)                                                                                        \
    X(gelu_tanh)                                                                                   \
    X(sigmoid)                                                                                     \
    X(tanh)                                                                                        \
    X(silu)                                                                                        \
    X(mish)                                                                                        \
    X(softplus)                                                                                    \
    X(softsign)                                                                                    \
    X(hard_sigmoid) X(hard_swish) X(softmax) X(log_softmax) X(identity) X(swish) X(hard_silu)
#define FM_DECLARE_LAYER(name) extern const fm_layer_record fm_layer_##name;
FM_ACTIVATION_LAYERS(FM_DECLARE_LAYER)

/* Layers over space (fathom/nn_vision.h). */
#define FM_ANY_SPATIAL(X, kind) X(kind) X(kind##1d) X(kind##2d) X(kind##3d)
#define FM_VISION_LAYERS(X)                                                                        \
    X(conv1d)                                                                                      \
    X(conv2d)                                                                                      \
    X(conv3d)                                                                                      \
    X(depthwise_conv1d)                                                                            \
    X(depthwise_conv2d)                                                                            \
    X(separable_conv1d)                                                                            \
    X(separable_conv2d)                                                                            \
    X(conv1d_transpose)                                                                            \
    X(conv2d_transpose)                                                                            \
    X(conv3d_transpose)                                                                            \
    X(max_pooling1d)                                                                               \
    X(max_pooling2d)                                                                               \
    X(max_pooling3d)                                                                               \
    X(average_pooling1d)                                                                           \
    X(average_pooling2d)                                                                           \
    X(average_pooling3d)                                                                           \
    FM_ANY_SPATIAL(X, global_average_pooling)                                                      \
    FM_ANY_SPATIAL(X, global_max_pooling)                                                          \
    X(adaptive_average_pooling)                                                                    \
    X(adaptive_max_pooling)                                                                        \
    X(batch_normalization)                                                                         \
    X(layer_normalization)                                                                         \
    X(group_normalization)                                                                         \
    X(instance_normalization)                                                                      \
    X(rms_normalization)                                                                           \
    X(local_response_normalization)                                                                \
    FM_ANY_SPATIAL(X, zero_padding)                                                                \
    X(reflect_padding)                                                                             \
    X(replicate_padding)                                                                           \
    FM_ANY_SPATIAL(X, cropping)                                                                    \
    FM_ANY_SPATIAL(X, up_sampling)                                                                 \
    FM_ANY_SPATIAL(X, spatial_dropout)                                                             \
    X(squeeze_excite)
FM_VISION_LAYERS(FM_DECLARE_LAYER)

/* Layers over time (fathom/nn_recurrent.h). */
#define FM_RECURRENT_LAYERS(X)                                                                     \
    X(simple_rnn)                                                                                  \
    X(lstm)                                                                                        \
    X(gru)                                                                                         \
    X(masking)
FM_RECURRENT_LAYERS(FM_DECLARE_LAYER)

/* Layers over sequences (fathom/nn_attention.h). */
#define FM_ATTENTION_LAYERS(X)                                                                     \
    X(embedding)                                                                                   \
    X(reverse_embedding)                                                                           \
    X(positional_encoding)                                                                         \
    X(multi_head_attention)                                                                        \
    X(transformer_encoder)                                                                         \
    X(transformer_decoder)
FM_ATTENTION_LAYERS(FM_DECLARE_LAYER)

/* Options of layers that have none but a name. */
typedef struct fm_name_options {
    const char *name;
} fm_name_options;
extern const fm_field fm_name_fields[];

/* The initialiser that options ask for, by value or by name, else `usual`. A name that does not
 * exist fails the graph. */
fm_initializer fm_initializer_choose(fm_graph *g, const fm_initializer *asked,
                                     fm_initializer usual);

/* A trainable variable of the graph's dtype in the current scope. *is_new (may be NULL) tells
 * whether this call made it. */
fm_val fm_parameter(fm_graph *g, const char *name, fm_shape shape, fm_initializer initializer,
                    bool *is_new);

/* y + the variable `bias`, one number for each entry of y's last dimension; zeros at first. */
fm_val fm_add_bias(fm_graph *g, fm_val y, const fm_initializer *initializer);

/* A mask (batch, time) as (batch, time, 1, ...) of this rank, to meet values of it; {0} for {0}. */
fm_val fm_mask_spread(fm_graph *g, fm_val mask, int rank);

/* Outputs whose names begin so are told beside the metrics (fm_add_metric); of so many bytes with
 * the zero at the end. */
#define FM_METRIC_OUTPUT "metric/"
enum { FM_TOLD_LENGTH = 64 };

/* The penalty l1 sum|w| + l2 sum w^2. */
void fm_penalize(fm_graph *g, fm_val w, double l1, double l2);

#define FM_INITIALIZER_FIELD(type_, member_, doc_)                                                 \
    {                                                                                              \
        .name = #member_, .doc = doc_, .offset = offsetof(type_, member_.name),                    \
        .type = FM_FIELD_STRING                                                                    \
    }

#endif
