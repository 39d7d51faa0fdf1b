/* Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition, 2014.
 *
 * Table 1: 3 x 3 convolutions only, five times as many maps on half the size; then two dense layers
 * of 4096. Columns A, B, D, E are VGG-11, 13, 16, 19. With batch normalisation (later than the
 * paper) one follows each convolution. Kernels start as in torchvision: He et al. 2015 by outputs,
 * dense layers normal with deviation 0.01. */
#include "nn/zoo/zoo_blocks.h"

enum { STAGES = 5 };
static const int64_t filters[STAGES] = {64, 128, 256, 512, 512};

typedef struct vgg_table {
    int convolutions[STAGES];
    bool normalize;
} vgg_table;

static fm_val build_vgg(fm_graph *g, fm_val x, const fm_zoo_record *self, const fm_zoo_options *o)
{
    const vgg_table *table = self->structure;
    for (int stage = 0; stage < STAGES; stage++) {
        fm_zoo_enter(g, "block", stage + 1);
        for (int i = 0; i < table->convolutions[stage]; i++) {
            fm_zoo_enter(g, "", i + 1);
            const fm_zoo_conv conv = {
                .name = "conv", .filters = filters[stage], .size = 3, .bias = true};
            x = fm_zoo_convolve(g, x, &conv);
            if (table->normalize) x = fm_zoo_normalize(g, x, "norm");
            x = fm_zoo_relu(g, x);
            fm_scope_leave(g);
        }
        x = fm_max_pooling2d(g, x);
        fm_scope_leave(g);
    }
    x = fm_zoo_dense(g, fm_flatten(g, x), "fc6", 4096, FM_RELU, FM_ZOO_NORMAL);
    x = fm_zoo_dense(g, fm_zoo_dropout(g, x, o->dropout), "fc7", 4096, FM_RELU, FM_ZOO_NORMAL);
    return fm_zoo_head(g, fm_zoo_dropout(g, x, o->dropout), o->classes, FM_ZOO_NORMAL);
}

static const fm_field fields[] = {FM_ZOO_CLASSES, FM_ZOO_DROPOUT(0.5), {.name = NULL}};

#define VGG(name_, doc_, parameters_, macs_, normalize_, ...)                                      \
    {                                                                                              \
        .name = name_, .doc = doc_,                                                                \
        .paper = "Simonyan, Zisserman: Very deep convolutional networks for large-scale image "    \
                 "recognition",                                                                    \
        .year = 2014, .height = 224, .channels = 3, .classes = 1000, .parameters = parameters_,    \
        .macs = macs_, .fields = fields, .build = build_vgg,                                       \
        .structure = &(const vgg_table){{__VA_ARGS__}, normalize_},                                \
        .form = normalize_ ? "torchvision's" : NULL                                                \
    }
const fm_zoo_record fm_zoo_vgg[] = {
    VGG("vgg11", "8 convolutions and 3 dense layers", 132863336, 7609090048, false, 1, 1, 2, 2, 2),
    VGG("vgg13", "10 convolutions and 3 dense layers", 133047848, 11308466176, false, 2, 2, 2, 2,
        2),
    VGG("vgg16", "13 convolutions and 3 dense layers", 138357544, 15470264320, false, 2, 2, 3, 3,
        3),
    VGG("vgg19", "16 convolutions and 3 dense layers", 143667240, 19632062464, false, 2, 2, 4, 4,
        4),
    VGG("vgg11_bn", "vgg11 with batch normalisation", 132868840, 7609090048, true, 1, 1, 2, 2, 2),
    VGG("vgg13_bn", "vgg13 with batch normalisation", 133053736, 11308466176, true, 2, 2, 2, 2, 2),
    VGG("vgg16_bn", "vgg16 with batch normalisation", 138365992, 15470264320, true, 2, 2, 3, 3, 3),
    VGG("vgg19_bn", "vgg19 with batch normalisation", 143678248, 19632062464, true, 2, 2, 4, 4, 4),
    {.name = NULL}};
