/* Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks,
 * 2012; and the single column of Krizhevsky: One weird trick for parallelizing convolutional neural
 * networks, 2014.
 *
 * 2012: two graphics cards held half of the filters each, which `groups` keeps: convolutions 2, 4
 * and 5 see the maps of their own card only. Local response normalisation after the ReLU of the
 * first two, overlapping pools. Kernels start normal with deviation 0.01; biases of the second,
 * fourth and fifth convolution and of the dense layers start at 1 (section 5). The paper's 224 x
 * 224 with windows of 11 and stride 4 makes its 55 x 55 maps with 3 zeros, here 1 in front and 2
 * behind (others cut images of 227). */
#include "nn/zoo/zoo_blocks.h"

typedef struct conv_row {
    int64_t filters, size, stride, groups;
    fm_ints pad;
    bool response, pool;
    double bias;
} conv_row;

typedef struct alexnet_table {
    conv_row rows[5];
    fm_zoo_start start;
    double dense_bias;
    bool drop_first; /* before the first dense layer, not after each */
} alexnet_table;

static const alexnet_table of_2012 = {.rows = {{96, 11, 4, 1, {4, {1, 2, 1, 2}}, true, true, 0},
                                               {256, 5, 1, 2, {1, {2}}, true, true, 1},
                                               {384, 3, 1, 1, {1, {1}}, false, false, 0},
                                               {384, 3, 1, 2, {1, {1}}, false, false, 1},
                                               {256, 3, 1, 2, {1, {1}}, false, true, 1}},
                                      .start = FM_ZOO_NORMAL,
                                      .dense_bias = 1};

static const alexnet_table single_column = {.rows = {{64, 11, 4, 1, {1, {2}}, false, true, 0},
                                                     {192, 5, 1, 1, {1, {2}}, false, true, 0},
                                                     {384, 3, 1, 1, {1, {1}}, false, false, 0},
                                                     {256, 3, 1, 1, {1, {1}}, false, false, 0},
                                                     {256, 3, 1, 1, {1, {1}}, false, true, 0}},
                                            .start = FM_ZOO_UNIFORM,
                                            .drop_first = true};

static fm_val convolve(fm_graph *g, fm_val x, const conv_row *row, int number, fm_zoo_start start)
{
    fm_zoo_enter(g, "block", number);
    double fan_in = (double)(row->size * row->size * fm_zoo_channels(g, x) / row->groups);
    fm_convolution_options options = {
        .name = "conv",
        .filters = row->filters,
        .kernel_size = {1, {row->size}},
        .strides = {1, {row->stride}},
        .pad = row->pad,
        .groups = row->groups,
        .activation = FM_RELU,
        .kernel_initializer = fm_random_normal_initializer(0, 0.01),
        .bias_initializer = fm_constant_initializer(row->bias),
    };
    if (start == FM_ZOO_UNIFORM) {
        double bound = 1 / sqrt(fan_in);
        options.kernel_initializer = options.bias_initializer =
            fm_random_uniform_initializer(-bound, bound);
    }
    x = fm_conv2d_with(g, x, &options);
    if (row->response) x = fm_local_response_normalization(g, x);
    if (row->pool) x = fm_max_pooling2d(g, x, .pool_size = {1, {3}}, .strides = {1, {2}});
    fm_scope_leave(g);
    return x;
}

static fm_val dense(fm_graph *g, fm_val x, const char *name, const alexnet_table *table)
{
    if (table->start == FM_ZOO_UNIFORM) {
        return fm_zoo_dense(g, x, name, 4096, FM_RELU, FM_ZOO_UNIFORM);
    }
    return fm_dense(g, x, .name = name, .units = 4096, .activation = FM_RELU,
                    .kernel_initializer = fm_random_normal_initializer(0, 0.01),
                    .bias_initializer = fm_constant_initializer(table->dense_bias));
}

static fm_val build_alexnet(fm_graph *g, fm_val x, const fm_zoo_record *self,
                            const fm_zoo_options *o)
{
    const alexnet_table *table = self->structure;
    for (int i = 0; i < 5; i++) x = convolve(g, x, &table->rows[i], i + 1, table->start);
    x = fm_flatten(g, x);
    if (table->drop_first) x = fm_zoo_dropout(g, x, o->dropout);
    x = fm_zoo_dropout(g, dense(g, x, "fc6", table), o->dropout);
    x = dense(g, x, "fc7", table);
    if (!table->drop_first) x = fm_zoo_dropout(g, x, o->dropout);
    return fm_zoo_head(g, x, o->classes, table->start);
}

static const fm_field fields[] = {FM_ZOO_CLASSES, FM_ZOO_DROPOUT(0.5), {.name = NULL}};

const fm_zoo_record fm_zoo_alexnet[] = {
    {.name = "alexnet",
     .doc = "the network that won ImageNet 2012: ReLU, dropout, response normalisation, groups",
     .paper = "Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional "
              "neural networks",
     .year = 2012,
     .height = 224,
     .channels = 3,
     .classes = 1000,
     .parameters = 60965224,
     .macs = 724406816,
     .fields = fields,
     .build = build_alexnet,
     .structure = &of_2012},
    {.name = "alexnet_single_column",
     .doc = "AlexNet without groups and response normalisation",
     .paper = "Krizhevsky: One weird trick for parallelizing convolutional neural networks",
     .year = 2014,
     .form = "torchvision's",
     .height = 224,
     .channels = 3,
     .classes = 1000,
     .parameters = 61100840,
     .macs = 714188480,
     .fields = fields,
     .build = build_alexnet,
     .structure = &single_column},
    {.name = NULL}};
