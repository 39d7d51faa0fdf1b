#include "nn/zoo/zoo_blocks.h"

#include <math.h>
#include <stdio.h>

int64_t fm_zoo_channels(const fm_graph *g, fm_val x)
{
    fm_shape shape = fm_val_shape(g, x);
    return shape.rank > 0 ? shape.dims[shape.rank - 1] : 1;
}

void fm_zoo_enter(fm_graph *g, const char *stem, int number)
{
    char name[48];
    snprintf(name, sizeof name, "%s%d", stem, number);
    fm_scope_enter(g, name);
}

static fm_initializer start_of(fm_zoo_start start, double fan_in, double fan_out)
{
    double bound = 1 / sqrt(fan_in);
    switch (start) {
    case FM_ZOO_HE:
        return fm_random_normal_initializer(0, sqrt(2 / fan_out));
    case FM_ZOO_HE_IN:
        return fm_random_normal_initializer(0, sqrt(2 / fan_in));
    case FM_ZOO_NORMAL:
        return fm_random_normal_initializer(0, 0.01);
    default:
        return fm_random_uniform_initializer(-bound, bound);
    }
}

fm_val fm_zoo_convolve(fm_graph *g, fm_val x, const fm_zoo_conv *conv)
{
    int64_t channels = fm_zoo_channels(g, x), dilation = conv->dilation ? conv->dilation : 1;
    int64_t groups = conv->groups ? conv->groups : conv->depthwise ? channels : 1;
    int64_t filters = conv->depthwise ? channels : conv->filters;
    double field = (double)(conv->size * conv->size);
    double fan_in = field * (double)channels / (double)groups;
    fm_initializer start = start_of(conv->start, fan_in, field * (double)filters);
    fm_convolution_options options = {.name = conv->name,
                                      .filters = filters,
                                      .kernel_size = {1, {conv->size}},
                                      .strides = {1, {conv->stride ? conv->stride : 1}},
                                      .dilation_rate = {1, {dilation}},
                                      .groups = conv->groups,
                                      .no_bias = !conv->bias,
                                      .kernel_initializer = start};
    if (!conv->valid) options.pad = (fm_ints){1, {conv->size / 2 * dilation}};
    if (conv->start == FM_ZOO_UNIFORM) options.bias_initializer = start;
    if (conv->bias_start != 0) {
        options.bias_initializer = fm_constant_initializer(conv->bias_start);
    }
    return conv->depthwise ? fm_depthwise_conv2d_with(g, x, &options)
                           : fm_conv2d_with(g, x, &options);
}

fm_val fm_zoo_normalize(fm_graph *g, fm_val x, const char *name)
{
    return fm_batch_normalization(g, x, .name = name, .momentum = 0.9, .epsilon = 1e-5);
}

fm_val fm_zoo_relu(fm_graph *g, fm_val x)
{
    return fm_layer_build(g, &fm_layer_relu, &x, 1, NULL);
}

fm_val fm_zoo_convolve_relu(fm_graph *g, fm_val x, const fm_zoo_conv *conv, const char *norm)
{
    return fm_zoo_relu(g, fm_zoo_normalize(g, fm_zoo_convolve(g, x, conv), norm));
}

fm_val fm_zoo_dense(fm_graph *g, fm_val x, const char *name, int64_t units, int activation,
                    fm_zoo_start start)
{
    fm_zoo_start kind = start == FM_ZOO_HE ? FM_ZOO_HE_IN : start;
    fm_initializer made = start_of(kind, (double)fm_zoo_channels(g, x), (double)units);
    fm_dense_options options = {
        .name = name, .units = units, .activation = activation, .kernel_initializer = made};
    if (kind == FM_ZOO_UNIFORM) options.bias_initializer = made;
    return fm_dense_with(g, x, &options);
}

fm_val fm_zoo_dropout(fm_graph *g, fm_val x, double rate)
{
    return rate == 0 ? x : fm_dropout(g, x, .rate = rate);
}

fm_val fm_zoo_max_pool(fm_graph *g, fm_val x)
{
    return fm_max_pooling2d(g, x, .pool_size = {1, {3}}, .strides = {1, {2}}, .pad = {1, {1}});
}

void fm_zoo_leave_body(fm_graph *g)
{
    fm_scope_leave(g);
}

void fm_zoo_enter_body(fm_graph *g)
{
    fm_scope_enter(g, "body");
}

fm_val fm_zoo_head(fm_graph *g, fm_val x, int64_t classes, fm_zoo_start start)
{
    fm_zoo_leave_body(g);
    fm_val logits = fm_zoo_dense(g, x, "head", classes, FM_LINEAR, start);
    fm_zoo_enter_body(g);
    return logits;
}

fm_val fm_zoo_classify(fm_graph *g, fm_val x, int64_t classes, double dropout)
{
    x = fm_zoo_dropout(g, fm_global_average_pooling(g, x), dropout);
    return fm_zoo_head(g, x, classes, FM_ZOO_UNIFORM);
}
