/* fathom/nn_attention.h: layers for sequences of tokens: embedding, positions, attention, blocks.
 *
 *     x = fm_embedding(g, tokens, .name = "tokens", .input_dim = 65, .output_dim = 128);
 *     x = fm_positional_encoding(g, x, .kind = FM_POSITIONS_LEARNED);
 *     x = fm_transformer_decoder(g, &x, 1, .intermediate_dim = 512, .num_heads = 4,
 *                                .normalize_first = true, .activation = FM_BLOCK_GELU);
 *     x = fm_reverse_embedding(g, x, .embedding = "tokens");
 *
 * Invariants (besides those of nn.h)
 *  - Sequences are (batch, time, features), tokens (batch, time).
 *  - Padding is what a value's mask says (fm_mask_of, graph.h); keys that are padding are not seen.
 *  - In a stream (fm_graph_stream_length) a layer reads the steps behind those of the runs before:
 *    positions go on, keys, values and masks of earlier steps are carried. Attention that is not
 *    causal, to another sequence, or with a mask of queries and keys refuses a stream.
 *  - May be NULL: options, and in them `name`.
 */
#ifndef FATHOM_NN_ATTENTION_H
#define FATHOM_NN_ATTENTION_H

#include "fathom/nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- embedding ------------------------------------------------------------------------------- */

/* tokens (batch, time), or of any shape, -> (batch, time, output_dim): row `token` of the variable
 * embeddings (input_dim, output_dim), NaN for a token outside of [0, input_dim). mask_zero: token 0
 * is padding; the result has a mask. Tokens that come as real numbers are cut to whole ones.
 * Default initialiser: uniform in +-0.05, as Keras has it. */
typedef struct fm_embedding_options {
    const char *name;
    int64_t input_dim, output_dim; /* required */
    bool mask_zero;
    fm_initializer embeddings_initializer;
} fm_embedding_options;
#define fm_embedding(g, tokens, ...)                                                               \
    fm_embedding_with((g), (tokens), FM_OPTIONS(fm_embedding_options, __VA_ARGS__))
FM_API fm_val fm_embedding_with(fm_graph *g, fm_val tokens, const fm_embedding_options *options);

/* x (batch, ..., output_dim) -> (batch, ..., input_dim): x times the transpose of the embeddings of
 * the layer named `embedding` beside it, a head that shares its weights (Press, Wolf 2017). */
typedef struct fm_reverse_embedding_options {
    const char *name;
    const char *embedding; /* required */
    bool bias;
} fm_reverse_embedding_options;
#define fm_reverse_embedding(g, x, ...)                                                            \
    fm_reverse_embedding_with((g), (x), FM_OPTIONS(fm_reverse_embedding_options, __VA_ARGS__))
FM_API fm_val fm_reverse_embedding_with(fm_graph *g, fm_val x,
                                        const fm_reverse_embedding_options *options);

/* x (batch, time, features) -> x plus a row for each position p:
 *  sinusoidal  sin(p / base^(2i / features)) at feature 2i, the cosine at 2i + 1 (Vaswani et al.
 *              2017); scale: x is multiplied by sqrt(features) first, as there
 *  learned     the variable positions (max_length, features); default max_length: x's time, and in
 *              a stream its length */
typedef enum fm_positions { FM_POSITIONS_SINUSOIDAL, FM_POSITIONS_LEARNED } fm_positions;
typedef struct fm_positional_encoding_options {
    const char *name;
    int kind; /* fm_positions */
    int64_t max_length;
    double base; /* default 10000 */
    bool scale;
    fm_initializer initializer; /* of the learned ones; default glorot_uniform */
} fm_positional_encoding_options;
#define fm_positional_encoding(g, x, ...)                                                          \
    fm_positional_encoding_with((g), (x), FM_OPTIONS(fm_positional_encoding_options, __VA_ARGS__))
FM_API fm_val fm_positional_encoding_with(fm_graph *g, fm_val x,
                                          const fm_positional_encoding_options *options);

/* ---- attention ------------------------------------------------------------------------------- */

/* Multi-head attention (Vaswani et al. 2017). inputs: query (batch, queries, features), then value,
 * key (Keras's order; one input: the sequence sees itself; two: the value is the key too), then a
 * mask (batch, queries, keys) of what may be seen, above 1/2. Result (batch, queries, output_dim).
 *  key_dim, value_dim    of a head; defaults features / num_heads, key_dim
 *  num_key_value_heads   fewer share keys and values (Ainslie et al. 2023); default num_heads
 *  output_dim            default the query's features
 *  causal                a step sees those up to itself
 *  rotary                queries and keys turn with their positions (fm_rotary, attention_ops.h)
 *  dropout               of the weights, while training
 * Variables: output, and query, key, value with kernels (features, heads dim); where a sequence
 * sees itself and value_dim is key_dim they are one, qkv, whose columns are those of query, key,
 * value. Keras's initialisers; that of qkv counts its fans as a whole, as PyTorch does. */
typedef struct fm_multi_head_attention_options {
    const char *name;
    int64_t num_heads; /* required */
    int64_t key_dim, value_dim, num_key_value_heads, output_dim;
    bool causal, no_bias, rotary;
    double rotary_base, dropout;
    fm_initializer kernel_initializer, bias_initializer;
} fm_multi_head_attention_options;
#define fm_multi_head_attention(g, inputs, count, ...)                                             \
    fm_multi_head_attention_with((g), (inputs), (count),                                           \
                                 FM_OPTIONS(fm_multi_head_attention_options, __VA_ARGS__))
FM_API fm_val fm_multi_head_attention_with(fm_graph *g, const fm_val *inputs, int count,
                                           const fm_multi_head_attention_options *options);

/* ---- blocks ---------------------------------------------------------------------------------- */

/* What is between the two dense layers of a block; the gated ones, a product of an activation and a
 * third dense layer, are Shazeer's, 2020. */
typedef enum fm_block_activation {
    FM_BLOCK_RELU,
    FM_BLOCK_GELU,
    FM_BLOCK_GELU_TANH,
    FM_BLOCK_SILU,
    FM_BLOCK_GEGLU,
    FM_BLOCK_SWIGLU
} fm_block_activation;
typedef enum fm_block_normalization {
    FM_BLOCK_LAYER_NORMALIZATION,
    FM_BLOCK_RMS_NORMALIZATION
} fm_block_normalization;

/* Blocks of a transformer: attention and two dense layers, each with dropout, a residual sum and a
 * normalisation: behind the sum (Vaswani et al. 2017), or with normalize_first in front of the
 * branch (Xiong et al. 2020); then the model ends with a normalisation of its own.
 *  encoder  x sees itself; causal: no later step
 *  decoder  x sees itself causally; then, with a second input, that sequence (cross-attention)
 * Options not said here are those of multi_head_attention. dropout: of the attention's weights and
 * of each branch. Names are KerasHub's. */
typedef struct fm_transformer_options {
    const char *name;
    int64_t intermediate_dim, num_heads; /* required */
    int64_t num_key_value_heads;
    double dropout;
    int activation;    /* fm_block_activation */
    int normalization; /* fm_block_normalization */
    bool normalize_first;
    double layer_norm_epsilon; /* default 1e-5 */
    bool causal;               /* of the encoder */
    bool rotary, no_bias;
    double rotary_base;
    fm_initializer kernel_initializer, bias_initializer;
} fm_transformer_options;
#define fm_transformer_encoder(g, x, ...)                                                          \
    fm_transformer_encoder_with((g), (x), FM_OPTIONS(fm_transformer_options, __VA_ARGS__))
FM_API fm_val fm_transformer_encoder_with(fm_graph *g, fm_val x,
                                          const fm_transformer_options *options);
#define fm_transformer_decoder(g, inputs, count, ...)                                              \
    fm_transformer_decoder_with((g), (inputs), (count),                                            \
                                FM_OPTIONS(fm_transformer_options, __VA_ARGS__))
FM_API fm_val fm_transformer_decoder_with(fm_graph *g, const fm_val *inputs, int count,
                                          const fm_transformer_options *options);

#ifdef __cplusplus
}
#endif
#endif
