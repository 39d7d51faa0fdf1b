/* Normalisation: batch, layer, group, instance, RMS; local response. */
#include "nn/spatial.h"

typedef fm_normalization_options options_of;

/* ---- gamma and beta -------------------------------------------------------------------------- */

static fm_val gamma_of(fm_graph *g, const options_of *o, fm_shape shape)
{
    if (o->no_scale) return fm_full(g, shape, 1);
    return fm_parameter(g, "gamma", shape,
                        fm_initializer_choose(g, &o->gamma_initializer, fm_ones()), NULL);
}

static fm_val beta_of(fm_graph *g, const options_of *o, fm_shape shape)
{
    if (o->no_center) return fm_full(g, shape, 0);
    return fm_parameter(g, "beta", shape,
                        fm_initializer_choose(g, &o->beta_initializer, fm_zeros()), NULL);
}

/* (batch, ..., features), the features known. */
static bool read_features(fm_graph *g, fm_val x, fm_shape *shape)
{
    *shape = fm_val_shape(g, x);
    if (shape->rank >= 2) return true;
    fm_graph_fail(g, FM_ERROR_SHAPE, "the input must be (batch, ..., features), received %s",
                  fm_shape_text(*shape, (char[FM_SHAPE_TEXT]){0}));
    return false;
}

/* ---- batch ----------------------------------------------------------------------------------- */

static fm_val statistic(fm_graph *g, const char *name, int64_t count, fm_initializer initializer)
{
    return fm_variable(g, name, fm_graph_dtype(g), FM_SHAPE(count),
                       &(fm_variable_options){.initializer = initializer, .not_trainable = true});
}

/* momentum moving + (1 - momentum) batch */
static void follow(fm_graph *g, fm_val moving, fm_val batch, double momentum)
{
    fm_update(g, moving,
              fm_add(g, fm_mul_scalar(g, moving, momentum), fm_mul_scalar(g, batch, 1 - momentum)));
}

static fm_val train_batch(fm_graph *g, fm_val x, fm_val gamma, fm_val beta, const options_of *o,
                          const fm_val *moving)
{
    fm_shape shape = fm_val_shape(g, x), channels = FM_SHAPE(shape.dims[shape.rank - 1]);
    fm_ints axes = {.count = shape.rank - 1};
    for (int i = 0; i < axes.count; i++) axes.at[i] = i;
    fm_val mean, rstd;
    fm_val y = fm_normalize_over(g, x, gamma, beta, axes, o->epsilon, &mean, &rstd);
    if (!y.id) return y;
    /* rstd = 1 / sqrt(variance + epsilon); rounding must not make a variance negative */
    fm_val spread = fm_reciprocal(g, fm_square(g, fm_reshape_to(g, rstd, channels)));
    fm_val variance = fm_relu(g, fm_add_scalar(g, spread, -o->epsilon));
    follow(g, moving[0], fm_reshape_to(g, mean, channels), o->momentum);
    follow(g, moving[1], variance, o->momentum);
    return y;
}

static fm_val build_batch_normalization(fm_graph *g, const fm_val *inputs, int count,
                                        const void *options)
{
    (void)count;
    const options_of *o = options;
    fm_shape shape;
    if (!read_features(g, inputs[0], &shape)) return (fm_val){0};
    int64_t channels = shape.dims[shape.rank - 1];
    fm_val gamma = gamma_of(g, o, FM_SHAPE(channels)), beta = beta_of(g, o, FM_SHAPE(channels));
    fm_val moving[2] = {statistic(g, "moving_mean", channels, fm_zeros()),
                        statistic(g, "moving_variance", channels, fm_ones())};
    bool still = fm_graph_mode(g) != FM_TRAIN || fm_val_frozen(g, moving[0]);
    if (!still) return train_batch(g, inputs[0], gamma, beta, o, moving);
    fm_val scale = fm_mul(g, gamma, fm_rsqrt(g, fm_add_scalar(g, moving[1], o->epsilon)));
    fm_val shift = fm_sub(g, beta, fm_mul(g, moving[0], scale));
    return fm_add(g, fm_mul(g, inputs[0], scale), shift);
}

/* ---- layer and RMS --------------------------------------------------------------------------- */

/* `axis` must say the last dimensions, in any order. */
static bool last_axes(fm_graph *g, fm_shape shape, const fm_ints *asked, fm_ints *axes,
                      fm_shape *features)
{
    int count = asked->count ? asked->count : 1, first = shape.rank - count;
    bool there[FM_MAX_RANK] = {0}, fits = first >= 1;
    for (int i = 0; i < asked->count; i++) {
        int64_t axis = asked->at[i] < 0 ? asked->at[i] + shape.rank : asked->at[i];
        fits = fits && axis >= first && axis < shape.rank && !there[axis];
        if (fits) there[axis] = true;
    }
    if (!fits) {
        fm_graph_fail(g, FM_ERROR_ARGUMENT,
                      "axis must list the last dimensions, without the batch, of %s",
                      fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
        return false;
    }
    *axes = (fm_ints){.count = count};
    *features = (fm_shape){.rank = count};
    for (int i = 0; i < count; i++) {
        axes->at[i] = first + i;
        features->dims[i] = shape.dims[first + i];
    }
    return true;
}

static fm_val build_layer_normalization(fm_graph *g, const fm_val *inputs, int count,
                                        const void *options)
{
    (void)count;
    const options_of *o = options;
    fm_shape shape, features;
    fm_ints axes;
    if (!read_features(g, inputs[0], &shape) || !last_axes(g, shape, &o->axis, &axes, &features)) {
        return (fm_val){0};
    }
    fm_val gamma = gamma_of(g, o, features), beta = beta_of(g, o, features);
    return fm_normalize_over(g, inputs[0], gamma, beta, axes, o->epsilon, NULL, NULL);
}

static fm_val build_rms_normalization(fm_graph *g, const fm_val *inputs, int count,
                                      const void *options)
{
    (void)count;
    const options_of *o = options;
    fm_val x = inputs[0];
    fm_shape shape, features;
    fm_ints axes;
    if (!read_features(g, x, &shape) || !last_axes(g, shape, &o->axis, &axes, &features)) {
        return (fm_val){0};
    }
    fm_val size = fm_mean(g, fm_square(g, x), axes, true);
    fm_val y = fm_mul(g, x, fm_rsqrt(g, fm_add_scalar(g, size, o->epsilon)));
    return o->no_scale ? y : fm_mul(g, y, gamma_of(g, o, features));
}

/* ---- group and instance ---------------------------------------------------------------------- */

/* x as (n, spatial..., groups, c / groups) */
static fm_val build_group_normalization(fm_graph *g, const fm_val *inputs, int count,
                                        const void *options)
{
    (void)count;
    const options_of *o = options;
    fm_spatial s;
    if (!fm_spatial_read(g, inputs[0], 0, &s) || !fm_spatial_whole(g)) return (fm_val){0};
    if (s.channels % o->groups != 0) {
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "groups %lld must divide the channels, %lld: received %s",
                             (long long)o->groups, (long long)s.channels,
                             fm_shape_text(s.shape, (char[FM_SHAPE_TEXT]){0}));
    }
    fm_shape cut = s.shape, part = FM_SHAPE(o->groups, s.channels / o->groups);
    cut.dims[s.rank + 1] = part.dims[0];
    cut.dims[cut.rank++] = part.dims[1];
    fm_ints axes = fm_spatial_axes(&s);
    axes.at[axes.count++] = s.rank + 2;
    fm_val gamma = gamma_of(g, o, FM_SHAPE(s.channels)), beta = beta_of(g, o, FM_SHAPE(s.channels));
    fm_val y = fm_normalize_over(g, fm_reshape_to(g, inputs[0], cut), fm_reshape_to(g, gamma, part),
                                 fm_reshape_to(g, beta, part), axes, o->epsilon, NULL, NULL);
    return fm_reshape_to(g, y, s.shape);
}

static fm_val build_instance_normalization(fm_graph *g, const fm_val *inputs, int count,
                                           const void *options)
{
    (void)count;
    const options_of *o = options;
    fm_spatial s;
    if (!fm_spatial_read(g, inputs[0], 0, &s) || !fm_spatial_whole(g)) return (fm_val){0};
    fm_val gamma = gamma_of(g, o, FM_SHAPE(s.channels)), beta = beta_of(g, o, FM_SHAPE(s.channels));
    return fm_normalize_over(g, inputs[0], gamma, beta, fm_spatial_axes(&s), o->epsilon, NULL,
                             NULL);
}

/* ---- local response -------------------------------------------------------------------------- */

/* base^-beta. The published beta, 3/4, is of square roots, which take a ninth of what pow does. */
static fm_val power_of_base(fm_graph *g, fm_val base, double beta)
{
    if (beta != 0.75) return fm_pow(g, base, fm_scalar(g, -beta));
    const fm_val root = fm_rsqrt(g, base);
    return fm_mul(g, root, fm_sqrt(g, root));
}

static fm_val build_local_response_normalization(fm_graph *g, const fm_val *inputs, int count,
                                                 const void *options)
{
    (void)count;
    const fm_local_response_options *o = options;
    fm_shape shape;
    fm_val x = inputs[0];
    if (!read_features(g, x, &shape)) return (fm_val){0};
    fm_val sum = fm_window_sum(g, fm_square(g, x), o->size / 2, (o->size - 1) / 2);
    fm_val base = fm_add_scalar(g, fm_mul_scalar(g, sum, o->alpha), o->k);
    return fm_mul(g, x, power_of_base(g, base, o->beta));
}

/* ---- records --------------------------------------------------------------------------------- */

#define FIELD(member, kind, doc, ...)                                                              \
    FM_FIELD(fm_normalization_options, member, kind, doc, __VA_ARGS__)
#define NOT(name_, member, doc_)                                                                   \
    {                                                                                              \
        .name = name_, .doc = doc_, .offset = offsetof(fm_normalization_options, member),          \
        .type = FM_FIELD_NOT, .default_value = 1                                                   \
    }
#define EPSILON(value)                                                                             \
    FIELD(epsilon, FM_FIELD_REAL, "added to the variance", .default_value = value,                 \
          .maximum = INFINITY)
#define SCALE                                                                                      \
    NOT("scale", no_scale, "a factor gamma, a variable"),                                          \
        FM_INITIALIZER_FIELD(fm_normalization_options, gamma_initializer,                          \
                             "how gamma starts; default ones")
#define CENTER                                                                                     \
    NOT("center", no_center, "a shift beta, a variable"),                                          \
        FM_INITIALIZER_FIELD(fm_normalization_options, beta_initializer,                           \
                             "how beta starts; default zeros")
#define AXIS                                                                                       \
    FIELD(axis, FM_FIELD_INTS, "the last dimensions; default -1", .minimum = -FM_MAX_RANK,         \
          .maximum = FM_MAX_RANK - 1)

static const fm_field batch_fields[] = {FM_NAME_FIELD(fm_normalization_options),
                                        FIELD(momentum, FM_FIELD_REAL,
                                              "share of the moving statistics that stays",
                                              .default_value = 0.99, .maximum = 1),
                                        EPSILON(1e-3),
                                        CENTER,
                                        SCALE,
                                        {.name = NULL}};
static const fm_field layer_fields[] = {
    FM_NAME_FIELD(fm_normalization_options), AXIS, EPSILON(1e-3), CENTER, SCALE, {.name = NULL}};
static const fm_field group_fields[] = {FM_NAME_FIELD(fm_normalization_options),
                                        FIELD(groups, FM_FIELD_INT, "parts of the channels",
                                              .default_value = 32, .minimum = 1, .maximum = 1e9),
                                        EPSILON(1e-3),
                                        CENTER,
                                        SCALE,
                                        {.name = NULL}};
static const fm_field instance_fields[] = {
    FM_NAME_FIELD(fm_normalization_options), EPSILON(1e-3), CENTER, SCALE, {.name = NULL}};
static const fm_field rms_fields[] = {
    FM_NAME_FIELD(fm_normalization_options), AXIS, EPSILON(1e-6), SCALE, {.name = NULL}};

#define LOCAL(member, kind, doc, value, least)                                                     \
    FM_FIELD(fm_local_response_options, member, kind, doc, .default_value = value,                 \
             .minimum = least, .maximum = 1e9)
static const fm_field local_fields[] = {
    FM_NAME_FIELD(fm_local_response_options),
    LOCAL(size, FM_FIELD_INT, "channels whose squares are summed", 5, 1),
    LOCAL(alpha, FM_FIELD_REAL, "factor of the sum (of the mean it is size times as large)", 1e-4,
          0),
    LOCAL(beta, FM_FIELD_REAL, "the exponent", 0.75, 0),
    LOCAL(k, FM_FIELD_REAL, "added to the sum", 2, 1e-9),
    {.name = NULL}};

#define RECORD(kind, doc, fields, options)                                                         \
    const fm_layer_record fm_layer_##kind = {#kind, doc, fields,      sizeof(options),             \
                                             1,     1,   build_##kind};                            \
    FM_SPATIAL_WITH(kind, options)
RECORD(batch_normalization, "mean 0, variance 1 for each channel over the batch", batch_fields,
       fm_normalization_options)
RECORD(layer_normalization, "mean 0, variance 1 over the last dimensions", layer_fields,
       fm_normalization_options)
RECORD(group_normalization, "mean 0, variance 1 over space and groups of channels", group_fields,
       fm_normalization_options)
RECORD(instance_normalization, "mean 0, variance 1 over space", instance_fields,
       fm_normalization_options)
RECORD(rms_normalization, "mean square 1 over the last dimensions", rms_fields,
       fm_normalization_options)
RECORD(local_response_normalization, "each channel held down by its neighbours (AlexNet)",
       local_fields, fm_local_response_options)
