/* Layers that are random while training and the identity otherwise. */
#include "nn/layer.h"

#include <math.h>

static bool is_identity(const fm_graph *g, double strength)
{
    return fm_graph_mode(g) != FM_TRAIN || strength == 0;
}

static fm_val build_dropout(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count;
    const fm_dropout_options *o = options;
    return is_identity(g, o->rate) ? inputs[0] : fm_drop(g, inputs[0], o->rate);
}

/* a (x kept + low (1 - kept)) + b: dropped elements take SELU's lower bound `low`; a and b bring
 * mean and variance back (Klambauer et al. 2017, section 3, "New Dropout Technique"). */
static fm_val build_alpha_dropout(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count;
    static const double low = -1.6732632423543772 * 1.0507009873554805;
    const fm_dropout_options *o = options;
    fm_val x = inputs[0];
    if (is_identity(g, o->rate)) return x;
    double keep = 1 - o->rate, a = 1 / sqrt(keep * (1 + o->rate * low * low));
    fm_val draw = fm_random_uniform_like(g, x);
    fm_val dropped = fm_less(g, draw, fm_scalar(g, o->rate));
    fm_val y = fm_where(g, dropped, fm_scalar(g, low), x);
    return fm_add_scalar(g, fm_mul_scalar(g, y, a), -a * low * o->rate);
}

static fm_val build_gaussian_dropout(fm_graph *g, const fm_val *inputs, int count,
                                     const void *options)
{
    (void)count;
    const fm_dropout_options *o = options;
    fm_val x = inputs[0];
    if (is_identity(g, o->rate)) return x;
    fm_val noise = fm_mul_scalar(g, fm_random_normal_like(g, x), sqrt(o->rate / (1 - o->rate)));
    return fm_mul(g, x, fm_add_scalar(g, noise, 1));
}

static fm_val build_gaussian_noise(fm_graph *g, const fm_val *inputs, int count,
                                   const void *options)
{
    (void)count;
    const fm_gaussian_noise_options *o = options;
    fm_val x = inputs[0];
    if (is_identity(g, o->stddev)) return x;
    return fm_add(g, x, fm_mul_scalar(g, fm_random_normal_like(g, x), o->stddev));
}

/* Below 1, so that something is kept. */
static const fm_field dropout_fields[] = {FM_NAME_FIELD(fm_dropout_options),
                                          FM_FIELD(fm_dropout_options, rate, FM_FIELD_REAL,
                                                   "share that is dropped", .required = true,
                                                   .maximum = 0.999999),
                                          {.name = NULL}};
static const fm_field noise_fields[] = {FM_NAME_FIELD(fm_gaussian_noise_options),
                                        FM_FIELD(fm_gaussian_noise_options, stddev, FM_FIELD_REAL,
                                                 "deviation of the noise", .required = true,
                                                 .maximum = INFINITY),
                                        {.name = NULL}};

#define DROPOUT(kind, doc)                                                                         \
    const fm_layer_record fm_layer_##kind = {                                                      \
        #kind, doc, dropout_fields, sizeof(fm_dropout_options), 1, 1, build_##kind};               \
    fm_val fm_##kind##_with(fm_graph *g, fm_val x, const fm_dropout_options *options)              \
    {                                                                                              \
        return fm_layer_build(g, &fm_layer_##kind, &x, 1, options);                                \
    }
DROPOUT(dropout, "zeros a share `rate` of the elements while training")
DROPOUT(alpha_dropout, "dropout that keeps SELU's mean and variance")
DROPOUT(gaussian_dropout, "multiplies with normal noise around 1 while training")

const fm_layer_record fm_layer_gaussian_noise = {"gaussian_noise",
                                                 "adds normal noise while training",
                                                 noise_fields,
                                                 sizeof(fm_gaussian_noise_options),
                                                 1,
                                                 1,
                                                 build_gaussian_noise};

fm_val fm_gaussian_noise_with(fm_graph *g, fm_val x, const fm_gaussian_noise_options *options)
{
    return fm_layer_build(g, &fm_layer_gaussian_noise, &x, 1, options);
}
