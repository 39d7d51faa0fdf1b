/* Huang, Liu, van der Maaten, Weinberger: Densely connected convolutional networks, 2016.
 *
 * Table 1 (DenseNet-BC): every layer of a block reads what all before it made. A layer is
 * normalise, ReLU, 1 x 1 to four times the growth rate, normalise, ReLU, 3 x 3 to the growth rate;
 * a transition between blocks halves the channels and the size. */
#include "nn/zoo/zoo_blocks.h"

enum { BLOCKS = 4 };

typedef struct densenet_table {
    int64_t growth, first;
    int layers[BLOCKS];
} densenet_table;

static fm_val activated(fm_graph *g, fm_val x, const char *norm)
{
    return fm_zoo_relu(g, fm_zoo_normalize(g, x, norm));
}

static fm_val grow(fm_graph *g, fm_val x, int64_t growth, double dropout)
{
    const fm_zoo_conv one = {
        .name = "conv1", .filters = 4 * growth, .size = 1, .start = FM_ZOO_HE_IN};
    const fm_zoo_conv two = {.name = "conv2", .filters = growth, .size = 3, .start = FM_ZOO_HE_IN};
    fm_val y = fm_zoo_convolve(g, activated(g, x, "norm1"), &one);
    y = fm_zoo_dropout(g, fm_zoo_convolve(g, activated(g, y, "norm2"), &two), dropout);
    return fm_concatenate(g, ((fm_val[]){x, y}), 2);
}

static fm_val transition(fm_graph *g, fm_val x, int number)
{
    fm_zoo_enter(g, "transition", number);
    const fm_zoo_conv conv = {
        .name = "conv", .filters = fm_zoo_channels(g, x) / 2, .size = 1, .start = FM_ZOO_HE_IN};
    x = fm_average_pooling2d(g, fm_zoo_convolve(g, activated(g, x, "norm"), &conv));
    fm_scope_leave(g);
    return x;
}

static fm_val build_densenet(fm_graph *g, fm_val x, const fm_zoo_record *self,
                             const fm_zoo_options *o)
{
    const densenet_table *t = self->structure;
    const fm_zoo_conv first = {
        .name = "conv0", .filters = t->first, .size = 7, .stride = 2, .start = FM_ZOO_HE_IN};
    x = fm_zoo_max_pool(g, fm_zoo_convolve_relu(g, x, &first, "norm0"));
    for (int block = 0; block < BLOCKS; block++) {
        fm_zoo_enter(g, "block", block + 1);
        for (int i = 0; i < t->layers[block] && x.id; i++) {
            fm_zoo_enter(g, "", i + 1);
            x = grow(g, x, t->growth, o->growth_dropout);
            fm_scope_leave(g);
        }
        fm_scope_leave(g);
        if (block + 1 < BLOCKS) x = transition(g, x, block + 1);
    }
    return fm_zoo_classify(g, activated(g, x, "norm5"), o->classes, o->dropout);
}

static const fm_field fields[] = {FM_ZOO_CLASSES,
                                  FM_ZOO_DROPOUT(0),
                                  FM_FIELD(fm_zoo_options, growth_dropout, FM_FIELD_REAL,
                                           "rate after each layer of a block", .maximum = 0.999999),
                                  {.name = NULL}};

#define DENSENET(layers_, parameters_, macs_, ...)                                                 \
    {                                                                                              \
        .name = "densenet" #layers_,                                                               \
        .doc = #layers_ " layers, each reading all before it in its block",                        \
        .paper = "Huang, Liu, van der Maaten, Weinberger: Densely connected convolutional "        \
                 "networks",                                                                       \
        .year = 2016, .height = 224, .channels = 3, .classes = 1000, .parameters = parameters_,    \
        .macs = macs_, .fields = fields, .build = build_densenet,                                  \
        .structure = &(const densenet_table)                                                       \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
const fm_zoo_record fm_zoo_densenet[] = {
    DENSENET(121, 7978856, 2834161664, 32, 64, {6, 12, 24, 16}),
    DENSENET(161, 28681000, 7727907072, 48, 96, {6, 12, 36, 24}),
    DENSENET(169, 14149480, 3359843328, 32, 64, {6, 12, 32, 32}),
    DENSENET(201, 20013928, 4291365888, 32, 64, {6, 12, 48, 32}),
    {.name = NULL}};
