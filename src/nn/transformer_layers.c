/* The blocks of a transformer. */
#include "fathom/nn_attention.h"
#include "fathom/nn_vision.h"
#include "nn/layer.h"

typedef fm_transformer_options options_of;

static const char *const normalization_names[] = {"layer", "rms", NULL};

/* In the order of fm_block_activation. */
static const char *const activation_names[] = {"relu",  "gelu",   "gelu_tanh", "silu",
                                               "geglu", "swiglu", NULL};
static const struct {
    int activation; /* fm_activation */
    bool gated;
} activations[] = {{FM_RELU, false}, {FM_GELU, false}, {FM_GELU_TANH, false},
                   {FM_SILU, false}, {FM_GELU, true},  {FM_SILU, true}};

static fm_val normalize(fm_graph *g, const options_of *o, const char *name, fm_val x)
{
    const fm_normalization_options how = {.name = name, .epsilon = o->layer_norm_epsilon};
    return o->normalization == FM_BLOCK_RMS_NORMALIZATION ? fm_rms_normalization_with(g, x, &how)
                                                          : fm_layer_normalization_with(g, x, &how);
}

static fm_val dense(fm_graph *g, const options_of *o, const char *name, fm_val x, int64_t units,
                    int activation)
{
    return fm_dense(g, x, .name = name, .units = units, .activation = activation,
                    .no_bias = o->no_bias, .kernel_initializer = o->kernel_initializer,
                    .bias_initializer = o->bias_initializer);
}

/* ---- branches -------------------------------------------------------------------------------- */

/* What a branch does with x; `other` is the encoder's sequence. */
typedef fm_val branch(fm_graph *g, const options_of *o, fm_val x, fm_val other, bool causal);

static fm_val attend(fm_graph *g, const options_of *o, const char *name, const fm_val *inputs,
                     int count, bool causal, bool rotary)
{
    return fm_multi_head_attention(
        g, inputs, count, .name = name, .num_heads = o->num_heads,
        .num_key_value_heads = o->num_key_value_heads, .causal = causal, .dropout = o->dropout,
        .rotary = rotary, .rotary_base = o->rotary_base, .no_bias = o->no_bias,
        .kernel_initializer = o->kernel_initializer, .bias_initializer = o->bias_initializer);
}

static fm_val self_attention(fm_graph *g, const options_of *o, fm_val x, fm_val other, bool causal)
{
    (void)other;
    return attend(g, o, "self_attention", &x, 1, causal, o->rotary);
}

static fm_val cross_attention(fm_graph *g, const options_of *o, fm_val x, fm_val other, bool causal)
{
    (void)causal;
    return attend(g, o, "cross_attention", (fm_val[]){x, other}, 2, false, false);
}

static fm_val feedforward(fm_graph *g, const options_of *o, fm_val x, fm_val other, bool causal)
{
    (void)other, (void)causal;
    const fm_shape shape = fm_val_shape(g, x);
    const int64_t features = shape.rank ? shape.dims[shape.rank - 1] : 0;
    fm_scope_enter(g, "feedforward");
    fm_val y =
        dense(g, o, "intermediate", x, o->intermediate_dim, activations[o->activation].activation);
    if (activations[o->activation].gated) {
        y = fm_mul(g, y, dense(g, o, "gate", x, o->intermediate_dim, FM_LINEAR));
    }
    y = dense(g, o, "output", y, features, FM_LINEAR);
    fm_scope_leave(g);
    return y;
}

/* x + branch(x) with the normalisation where it belongs; the mask stays with it. */
static fm_val add_branch(fm_graph *g, const options_of *o, branch *run, const char *norm, fm_val x,
                         fm_val other, bool causal)
{
    const fm_val mask = fm_mask_of(g, x);
    fm_val y = run(g, o, o->normalize_first ? normalize(g, o, norm, x) : x, other, causal);
    if (o->dropout != 0) y = fm_dropout(g, y, .rate = o->dropout);
    y = fm_add(g, x, y);
    fm_mask_set(g, y, mask);
    return o->normalize_first ? y : normalize(g, o, norm, y);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static fm_val build_block(fm_graph *g, const options_of *o, fm_val x, fm_val other, bool causal)
{
    x = add_branch(g, o, self_attention, "self_attention_norm", x, other, causal);
    if (other.id) x = add_branch(g, o, cross_attention, "cross_attention_norm", x, other, causal);
    return add_branch(g, o, feedforward, "feedforward_norm", x, other, causal);
}

static fm_val build_transformer_encoder(fm_graph *g, const fm_val *inputs, int count,
                                        const void *options)
{
    (void)count;
    const options_of *o = options;
    return build_block(g, o, inputs[0], (fm_val){0}, o->causal);
}

static fm_val build_transformer_decoder(fm_graph *g, const fm_val *inputs, int count,
                                        const void *options)
{
    return build_block(g, options, inputs[0], count > 1 ? inputs[1] : (fm_val){0}, true);
}

#define FIELD(member, kind, doc, ...) FM_FIELD(options_of, member, kind, doc, __VA_ARGS__)
#define SHARED_FIELDS                                                                              \
    FM_NAME_FIELD(options_of),                                                                     \
        FIELD(intermediate_dim, FM_FIELD_INT, "units between the two dense layers",                \
              .required = true, .minimum = 1, .maximum = 1e9),                                     \
        FIELD(num_heads, FM_FIELD_INT, "heads of the attention", .required = true, .minimum = 1,   \
              .maximum = 1e6),                                                                     \
        FIELD(num_key_value_heads, FM_FIELD_INT, "fewer are shared; 0: num_heads",                 \
              .maximum = 1e6),                                                                     \
        FIELD(dropout, FM_FIELD_REAL, "of the attention's weights and of each branch",             \
              .maximum = 0.999999),                                                                \
        FIELD(activation, FM_FIELD_ENUM, "between the two dense layers",                           \
              .choices = activation_names),                                                        \
        FIELD(normalization, FM_FIELD_ENUM, "layer or rms normalisation",                          \
              .choices = normalization_names),                                                     \
        FIELD(normalize_first, FM_FIELD_BOOL, "normalise a branch's input, not the sum"),          \
        FIELD(layer_norm_epsilon, FM_FIELD_REAL, "of the normalisations", .default_value = 1e-5,   \
              .maximum = INFINITY),                                                                \
        FIELD(rotary, FM_FIELD_BOOL, "queries and keys turn with their positions"),                \
        FIELD(rotary_base, FM_FIELD_REAL, "of the angles", .default_value = 10000, .minimum = 1,   \
              .maximum = 1e12),                                                                    \
        {.name = "use_bias",                                                                       \
         .doc = "add biases to the products",                                                      \
         .offset = offsetof(options_of, no_bias),                                                  \
         .type = FM_FIELD_NOT,                                                                     \
         .default_value = 1},                                                                      \
        FM_INITIALIZER_FIELD(options_of, kernel_initializer,                                       \
                             "how kernels start; default glorot_uniform"),                         \
        FM_INITIALIZER_FIELD(options_of, bias_initializer, "how biases start; default zeros")

static const fm_field encoder_fields[] = {
    SHARED_FIELDS, FIELD(causal, FM_FIELD_BOOL, "a step sees those up to itself"), {.name = NULL}};
static const fm_field decoder_fields[] = {SHARED_FIELDS, {.name = NULL}};

const fm_layer_record fm_layer_transformer_encoder = {"transformer_encoder",
                                                      "attention and two dense layers",
                                                      encoder_fields,
                                                      sizeof(options_of),
                                                      1,
                                                      1,
                                                      build_transformer_encoder};
const fm_layer_record fm_layer_transformer_decoder = {
    "transformer_decoder",
    "causal attention, attention to a second input if there is one, two dense layers",
    decoder_fields,
    sizeof(options_of),
    1,
    2,
    build_transformer_decoder};

fm_val fm_transformer_encoder_with(fm_graph *g, fm_val x, const options_of *options)
{
    return fm_layer_build(g, &fm_layer_transformer_encoder, &x, 1, options);
}

fm_val fm_transformer_decoder_with(fm_graph *g, const fm_val *inputs, int count,
                                   const options_of *options)
{
    return fm_layer_build(g, &fm_layer_transformer_decoder, inputs, count, options);
}
