/* fathom/nn.h: layers, activations and initialisers: what a model is written with.
 *
 *     static fm_val digits(fm_graph *g, fm_val x, void *argument)
 *     {
 *         x = fm_flatten(g, x);
 *         x = fm_dense(g, x, .units = 512, .activation = FM_RELU);
 *         x = fm_dropout(g, x, .rate = 0.2);
 *         return fm_dense(g, x, .units = 10);
 *     }
 *
 * Invariants
 *  - A layer is a thin builder over ops (ops.h). The first dimension of its input is the batch.
 *  - Options are a struct whose zero is the sensible default, given like keyword arguments: a macro
 *    `fm_dense(g, x, ...)` makes the struct (FM_OPTIONS, options.h), the function `fm_dense_with`
 *    takes its address.
 *  - Each layer has a scope: `.name`, or its kind with a number (dense, dense_1, ...). Its
 *    variables are found below it: dense_1/kernel. Two layers of one `.name` share them.
 *  - In graphs for FM_EVALUATE and FM_PREDICT dropout and noise are the identity,
 *    and what is drawn is its mean.
 *  - A mistake names the layer's scope, the shapes received and what is wanted; the result is {0}.
 *  - May be NULL: options, and in them `name`.
 *
 * Every kind below is also a record in a table, with its options as fields: the recipe reader and
 * `fathom show layers` know layers by nothing else.
 */
#ifndef FATHOM_NN_H
#define FATHOM_NN_H

#include "fathom/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- activations ----------------------------------------------------------------------------- */

/* Formulas and sources: ops.h. With their usual numbers: leaky_relu has slope 0.2, elu alpha 1;
 * layers of these names take others. prelu has a variable `alpha` (He et al. 2015), one for each
 * feature, that starts at 0.25. softmax and log_softmax work over the last axis. */
typedef enum fm_activation {
    FM_LINEAR, /* the identity */
    FM_RELU,
    FM_RELU6, /* cut at 6: Krizhevsky 2010 */
    FM_LEAKY_RELU,
    FM_PRELU,
    FM_ELU,
    FM_SELU,
    FM_GELU,
    FM_GELU_TANH,
    FM_SIGMOID,
    FM_TANH,
    FM_SILU,
    FM_MISH,
    FM_SOFTPLUS,
    FM_SOFTSIGN,
    FM_HARD_SIGMOID,
    FM_HARD_SWISH,
    FM_SOFTMAX,
    FM_LOG_SOFTMAX,
    FM_ACTIVATION_COUNT,
    /* other names of the same functions */
    FM_IDENTITY = FM_ACTIVATION_COUNT,
    FM_SWISH,
    FM_HARD_SILU,
    FM_ACTIVATION_NAMES
} fm_activation;

typedef struct fm_activation_record {
    const char *name;
    const char *doc; /* the formula */
    fm_val (*build)(fm_graph *g, fm_val x);
} fm_activation_record;

/* In the enum's order, other names last; NULL from FM_ACTIVATION_NAMES on. */
FM_API const fm_activation_record *fm_activation_at(int i);
FM_API const fm_activation_record *fm_activation_find(const char *name); /* NULL when unknown */
FM_API fm_val fm_activate(fm_graph *g, fm_val x, int activation);

/* ---- initialisers ---------------------------------------------------------------------------- */

/* Values for `fm_initializer` (graph.h). In options also by name with its numbers,
 * `.kernel_initializer = {"he_normal"}` or `{"truncated_normal(stddev=0.02)"}`: that is how a
 * recipe says it; a name that does not exist is a mistake of the layer.
 *
 * fan_in and fan_out are Keras's: for a kernel (..., in, out) the product of the leading dimensions
 * is the receptive field, fan_in = field in, fan_out = field out; for rank 1 both are its length.
 * Variance scaling draws with variance gain / fan (fan_in, or the mean of both for Glorot): uniform
 * in +-sqrt(3 v), or normal cut at two deviations and rescaled to keep the variance.
 * Glorot and Bengio 2010; He et al. 2015; LeCun et al. 1998; orthogonal: Saxe et al. 2014. */
FM_API fm_initializer fm_zeros(void);
FM_API fm_initializer fm_ones(void);
FM_API fm_initializer fm_constant_initializer(double value);
FM_API fm_initializer fm_identity(double gain); /* rank 2 */
FM_API fm_initializer fm_glorot_uniform(void);
FM_API fm_initializer fm_glorot_normal(void);
FM_API fm_initializer fm_he_uniform(void);
FM_API fm_initializer fm_he_normal(void);
FM_API fm_initializer fm_lecun_uniform(void);
FM_API fm_initializer fm_lecun_normal(void);
/* Orthonormal rows or columns of the shape flattened to (product of the rest, last), times gain. */
FM_API fm_initializer fm_orthogonal(double gain);
FM_API fm_initializer fm_random_normal_initializer(double mean, double stddev);
/* Normal, drawn again beyond two deviations; stddev is that before the cut, as Keras has it. */
FM_API fm_initializer fm_truncated_normal(double mean, double stddev);
FM_API fm_initializer fm_random_uniform_initializer(double minimum, double maximum);

/* fields describe fm_initializer's own numbers (stddev is `b`, ...); prototype has the rest. */
typedef struct fm_initializer_record {
    const char *name;
    const char *alias; /* or NULL */
    const char *doc;
    const fm_field *fields;
    fm_initializer prototype;
} fm_initializer_record;

FM_API const fm_initializer_record *fm_initializer_at(int i); /* NULL at the end */
FM_API const fm_initializer_record *fm_initializer_find(const char *name);
/* From "he_normal" or "truncated_normal(stddev=0.02)". Numbers are finite, deviations at least 0,
 * or it is FM_ERROR_ARGUMENT; those of the functions above are seen when a variable is filled. */
FM_API fm_status fm_initializer_parse(fm_context *context, const char *text,
                                      fm_initializer *initializer);

/* ---- layers ---------------------------------------------------------------------------------- */

/* x (batch, ..., in) -> (batch, ..., units): activation(x kernel + bias), kernel (in, units), bias
 * (units). kernel_l1, kernel_l2: the penalty l1 sum|kernel| + l2 sum kernel^2 is added to what
 * fm_minimize minimises. Default initialisers: glorot_uniform, zeros. */
typedef struct fm_dense_options {
    const char *name;
    int64_t units;  /* required */
    int activation; /* fm_activation */
    bool no_bias;
    fm_initializer kernel_initializer, bias_initializer;
    double kernel_l1, kernel_l2;
} fm_dense_options;
#define fm_dense(g, x, ...) fm_dense_with((g), (x), FM_OPTIONS(fm_dense_options, __VA_ARGS__))
FM_API fm_val fm_dense_with(fm_graph *g, fm_val x, const fm_dense_options *options);

/* (batch, ...) -> (batch, product of the rest). */
typedef struct fm_flatten_options {
    const char *name;
} fm_flatten_options;
#define fm_flatten(g, x, ...) fm_flatten_with((g), (x), FM_OPTIONS(fm_flatten_options, __VA_ARGS__))
FM_API fm_val fm_flatten_with(fm_graph *g, fm_val x, const fm_flatten_options *options);

/* (batch, ...) -> (batch, target_shape); one dimension may be -1. */
typedef struct fm_reshape_options {
    const char *name;
    fm_ints target_shape; /* required */
} fm_reshape_options;
#define fm_reshape(g, x, ...) fm_reshape_with((g), (x), FM_OPTIONS(fm_reshape_options, __VA_ARGS__))
FM_API fm_val fm_reshape_with(fm_graph *g, fm_val x, const fm_reshape_options *options);

/* Options of dropout and its kin; 0 <= rate < 1.
 *  dropout           x / (1 - rate) with probability 1 - rate, else 0 (Srivastava et al. 2014)
 *  alpha_dropout     keeps mean and variance of SELU's outputs (Klambauer et al. 2017)
 *  gaussian_dropout  x (1 + n), n normal with deviation sqrt(rate / (1 - rate)) (Srivastava) */
typedef struct fm_dropout_options {
    const char *name;
    double rate; /* required */
} fm_dropout_options;
#define fm_dropout(g, x, ...) fm_dropout_with((g), (x), FM_OPTIONS(fm_dropout_options, __VA_ARGS__))
#define fm_alpha_dropout(g, x, ...)                                                                \
    fm_alpha_dropout_with((g), (x), FM_OPTIONS(fm_dropout_options, __VA_ARGS__))
#define fm_gaussian_dropout(g, x, ...)                                                             \
    fm_gaussian_dropout_with((g), (x), FM_OPTIONS(fm_dropout_options, __VA_ARGS__))
FM_API fm_val fm_dropout_with(fm_graph *g, fm_val x, const fm_dropout_options *options);
FM_API fm_val fm_alpha_dropout_with(fm_graph *g, fm_val x, const fm_dropout_options *options);
FM_API fm_val fm_gaussian_dropout_with(fm_graph *g, fm_val x, const fm_dropout_options *options);

/* x + n, n normal with deviation stddev. */
typedef struct fm_gaussian_noise_options {
    const char *name;
    double stddev; /* required */
} fm_gaussian_noise_options;
#define fm_gaussian_noise(g, x, ...)                                                               \
    fm_gaussian_noise_with((g), (x), FM_OPTIONS(fm_gaussian_noise_options, __VA_ARGS__))
FM_API fm_val fm_gaussian_noise_with(fm_graph *g, fm_val x,
                                     const fm_gaussian_noise_options *options);

/* The code of a variational autoencoder (Kingma, Welling 2013, "Auto-encoding variational Bayes"):
 * while training z = mean + exp(log_variance / 2) n, n standard normal, so that gradients reach
 * both; evaluating and predicting take the mean. mean and log_variance have one shape, (batch,
 * ...); each is usually a dense layer's. Training adds beta times the divergence from the prior
 *     KL(N(mean, variance) || N(0, 1)) = 1/2 sum (mean^2 + variance - log_variance - 1),
 * summed over a sample's code, its mean over the batch, to what fm_minimize minimises. With a loss
 * of sum_elements that is a log-likelihood and beta 1 their sum is the evidence bound. The
 * divergence itself is told beside the metrics as "kl".
 *  beta     default 1 (another: Higgins et al. 2017, beta-VAE); FM_ZERO: it is told only
 *  warm_up  training steps in which beta grows from 0 in a straight line, so that codes are not
 *           given up before they are useful (Bowman et al. 2016); counted by the variable `steps`.
 *           Default 0 */
typedef struct fm_gaussian_sample_options {
    const char *name;
    double beta;
    int64_t warm_up;
} fm_gaussian_sample_options;
#define fm_gaussian_sample(g, mean, log_variance, ...)                                             \
    fm_gaussian_sample_with((g), (mean), (log_variance),                                           \
                            FM_OPTIONS(fm_gaussian_sample_options, __VA_ARGS__))
FM_API fm_val fm_gaussian_sample_with(fm_graph *g, fm_val mean, fm_val log_variance,
                                      const fm_gaussian_sample_options *options);

/* Merging branches of one shape (concatenate: equal but for the axis). `values` has `count`
 * elements, at least 2, each with the batch first. A shape that differs is a mistake that shows
 * both: branches are never broadcast silently. */
typedef enum fm_merge_kind {
    FM_MERGE_ADD,
    FM_MERGE_MULTIPLY,
    FM_MERGE_SUBTRACT, /* two values */
    FM_MERGE_AVERAGE,
    FM_MERGE_MAXIMUM,
    FM_MERGE_MINIMUM
} fm_merge_kind;
FM_API fm_val fm_merge(fm_graph *g, fm_merge_kind kind, const fm_val *values, int count);

typedef struct fm_concatenate_options {
    const char *name;
    int64_t axis; /* default -1, the last; 0 is the batch and not allowed */
} fm_concatenate_options;
#define fm_concatenate(g, values, count, ...)                                                      \
    fm_concatenate_with((g), (values), (count), FM_OPTIONS(fm_concatenate_options, __VA_ARGS__))
FM_API fm_val fm_concatenate_with(fm_graph *g, const fm_val *values, int count,
                                  const fm_concatenate_options *options);

/* x where x > 0, else alpha x; the variable alpha has the shape of x without the
 * batch, 1 along shared_axes (counted with the batch as 0, as Keras does). */
typedef struct fm_prelu_options {
    const char *name;
    fm_initializer alpha_initializer; /* default 0.25 */
    fm_ints shared_axes;
} fm_prelu_options;
#define fm_prelu(g, x, ...) fm_prelu_with((g), (x), FM_OPTIONS(fm_prelu_options, __VA_ARGS__))
FM_API fm_val fm_prelu_with(fm_graph *g, fm_val x, const fm_prelu_options *options);

/* ---- streams --------------------------------------------------------------------------------- */

/* In a graph with a stream_length: how many steps of the sequence earlier runs have read, rank 0,
 * of the graph's dtype. It is carried; each run adds the second dimension of the graph's first
 * input. */
FM_API fm_val fm_graph_position(fm_graph *g);

/* ---- layers as records ----------------------------------------------------------------------- */

/* Besides the above the table has a layer for each activation by its name (relu, leaky_relu with
 * negative_slope, elu with alpha, softmax, ...), `activation`, and a layer for each kind of merge.
 *
 * The first field of each table is `name`; the second is the layer's main option, the one that a
 * lone value sets: `- dense: 10`, `- dropout: 0.2`, `- activation: relu`.
 * max_inputs 1: one branch; more: a merge. `options` has options_size bytes; zero: defaults. */
typedef struct fm_layer_record {
    const char *name;
    const char *doc;
    const fm_field *fields;
    size_t options_size;
    int min_inputs, max_inputs;
    fm_val (*build)(fm_graph *g, const fm_val *inputs, int count, const void *options);
} fm_layer_record;

FM_API const fm_layer_record *fm_layer_at(int i); /* NULL at the end */
FM_API const fm_layer_record *fm_layer_find(const char *name);

/* What every `_with` function above does: checks the inputs' number and the options' ranges, enters
 * the layer's scope, builds. Call this, not `build`; for layers outside the library too. */
FM_API fm_val fm_layer_build(fm_graph *g, const fm_layer_record *layer, const fm_val *inputs,
                             int count, const void *options);

/* A layer as it was built: a row of `fathom show`. */
typedef struct fm_layer_row {
    const char *name;   /* its scope: "dense_1" */
    const char *type;   /* "dense" */
    fm_shape output;    /* of one sample, without the batch */
    int64_t parameters; /* trainable, that it is the first to make */
    double flops;       /* of one sample, predicting; 0 for what only training has */
    double macs;        /* multiply-accumulates of convolutions, products, recurrent cells and
                           attention */
} fm_layer_row;

/* The layers of a model function for one sample of this shape, in order, without those inside of
 * others. Release the rows with fm_layers_release. */
typedef fm_val fm_model_function(fm_graph *g, fm_val x, void *argument);
FM_API fm_status fm_layers_describe(fm_context *context, fm_model_function *build, void *argument,
                                    fm_shape input, fm_dtype dtype, fm_layer_row **rows,
                                    int *count);
FM_API void fm_layers_release(fm_context *context, fm_layer_row *rows);

#ifdef __cplusplus
}
#endif
#endif
