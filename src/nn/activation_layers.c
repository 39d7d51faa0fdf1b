/* Activations as layers: one for each name, and those with options of their own. */
#include "nn/activation.h"
#include "nn/layer.h"

typedef struct activation_options {
    const char *name;
    int activation;
} activation_options;

static fm_val build_activation(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count;
    return fm_activate(g, inputs[0], ((const activation_options *)options)->activation);
}

typedef struct leaky_relu_options {
    const char *name;
    double negative_slope;
} leaky_relu_options;

static fm_val build_leaky_relu(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count;
    return fm_leaky_relu(g, inputs[0], ((const leaky_relu_options *)options)->negative_slope);
}

typedef struct elu_options {
    const char *name;
    double alpha;
} elu_options;

static fm_val build_elu(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count;
    return fm_elu(g, inputs[0], ((const elu_options *)options)->alpha);
}

static fm_val build_prelu(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count;
    const fm_prelu_options *o = options;
    fm_shape shape = fm_val_shape(g, inputs[0]), alpha_shape = {.rank = shape.rank - 1};
    if (shape.rank < 2) {
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "the input must be (batch, ..., features), received %s",
                             fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    for (int i = 1; i < shape.rank; i++) alpha_shape.dims[i - 1] = shape.dims[i];
    for (int i = 0; i < o->shared_axes.count; i++) {
        int64_t axis = o->shared_axes.at[i];
        if (axis < 0) axis += shape.rank;
        if (axis < 1 || axis >= shape.rank) {
            return fm_graph_fail(
                g, FM_ERROR_ARGUMENT, "shared axis %lld does not lie behind the batch of %s",
                (long long)o->shared_axes.at[i], fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
        }
        alpha_shape.dims[axis - 1] = 1;
    }
    fm_initializer usual = fm_constant_initializer(0.25);
    fm_val alpha = fm_parameter(g, "alpha", alpha_shape,
                                fm_initializer_choose(g, &o->alpha_initializer, usual), NULL);
    return fm_prelu_of(g, inputs[0], alpha);
}

/* ---- records --------------------------------------------------------------------------------- */

static const fm_field activation_fields[] = {FM_NAME_FIELD(activation_options),
                                             FM_FIELD(activation_options, activation, FM_FIELD_ENUM,
                                                      "the function", .required = true,
                                                      .choices = fm_activation_choices),
                                             {.name = NULL}};
static const fm_field leaky_relu_fields[] = {
    FM_NAME_FIELD(leaky_relu_options),
    FM_FIELD(leaky_relu_options, negative_slope, FM_FIELD_REAL, "the factor where x < 0",
             .default_value = 0.2, .minimum = -1e9, .maximum = 1e9),
    {.name = NULL}};
static const fm_field elu_fields[] = {FM_NAME_FIELD(elu_options),
                                      FM_FIELD(elu_options, alpha, FM_FIELD_REAL,
                                               "minus the lower bound", .default_value = 1,
                                               .minimum = -1e9, .maximum = 1e9),
                                      {.name = NULL}};
static const fm_field prelu_fields[] = {
    FM_NAME_FIELD(fm_prelu_options),
    {.name = "alpha_initializer",
     .doc = "how alpha starts; default constant(value=0.25)",
     .offset = offsetof(fm_prelu_options, alpha_initializer.name),
     .type = FM_FIELD_STRING},
    FM_FIELD(fm_prelu_options, shared_axes, FM_FIELD_INTS, "axes along which alpha is one number",
             .minimum = -FM_MAX_RANK, .maximum = FM_MAX_RANK),
    {.name = NULL}};

#define LAYER(kind, doc, fields, options)                                                          \
    const fm_layer_record fm_layer_##kind = {#kind, doc, fields,      sizeof(options),             \
                                             1,     1,   build_##kind};
LAYER(activation, "an activation by its name", activation_fields, activation_options)
LAYER(leaky_relu, "x where x > 0, else negative_slope x", leaky_relu_fields, leaky_relu_options)
LAYER(elu, "x where x > 0, else alpha (exp(x) - 1)", elu_fields, elu_options)
LAYER(prelu, "x where x > 0, else alpha x with a variable alpha", prelu_fields, fm_prelu_options)

#define BUILD(kind)                                                                                \
    static fm_val build_##kind(fm_graph *g, const fm_val *inputs, int count, const void *options)  \
    {                                                                                              \
        (void)count, (void)options;                                                                \
        return fm_activation_find(#kind)->build(g, inputs[0]);                                     \
    }
FM_ACTIVATION_LAYERS(BUILD)

#define RECORD(kind) LAYER(kind, "the activation of that name", fm_name_fields, fm_name_options)
FM_ACTIVATION_LAYERS(RECORD)

fm_val fm_prelu_with(fm_graph *g, fm_val x, const fm_prelu_options *options)
{
    return fm_layer_build(g, &fm_layer_prelu, &x, 1, options);
}
