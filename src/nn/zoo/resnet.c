/* He, Zhang, Ren, Sun: Deep residual learning for image recognition, 2015.
 *
 * Table 1, for ImageNet: four levels of blocks that add what they compute to what they read; option
 * B, a 1 x 1 convolution where the shape changes. Bottlenecks halve the size in their 3 x 3
 * convolution as torchvision and others do ("v1.5"; the paper in the first 1 x 1); parameters are
 * the same. */
#include "nn/zoo/residual.h"

enum { LEVELS = 4 };

typedef struct resnet_table {
    int blocks[LEVELS];
    bool bottleneck;
} resnet_table;

static fm_val build_resnet(fm_graph *g, fm_val x, const fm_zoo_record *self,
                           const fm_zoo_options *o)
{
    const resnet_table *table = self->structure;
    const fm_zoo_conv first = {.name = "conv1", .filters = 64, .size = 7, .stride = 2};
    x = fm_zoo_max_pool(g, fm_zoo_convolve_relu(g, x, &first, "bn1"));
    for (int level = 0; level < LEVELS; level++) {
        const fm_residual_level row = {.number = level + 1,
                                       .blocks = table->blocks[level],
                                       .filters = 64 << level,
                                       .stride = level ? 2 : 1,
                                       .bottleneck = table->bottleneck,
                                       .zero_init = o->zero_init_residual};
        x = fm_residual_build(g, x, &row);
    }
    return fm_zoo_classify(g, x, o->classes, o->dropout);
}

static const fm_field fields[] = {
    FM_ZOO_CLASSES, FM_ZOO_DROPOUT(0), FM_ZOO_ZERO_INIT, {.name = NULL}};

#define RESNET(name_, doc_, form_, parameters_, macs_, bottleneck_, ...)                           \
    {                                                                                              \
        .name = name_, .doc = doc_,                                                                \
        .paper = "He, Zhang, Ren, Sun: Deep residual learning for image recognition",              \
        .year = 2015, .form = form_, .height = 224, .channels = 3, .classes = 1000,                \
        .parameters = parameters_, .macs = macs_, .fields = fields, .build = build_resnet,         \
        .structure = &(const resnet_table)                                                         \
        {                                                                                          \
            {__VA_ARGS__}, bottleneck_                                                             \
        }                                                                                          \
    }
static const char half[] = "v1.5: the 3 x 3 convolution of a bottleneck halves the size";
const fm_zoo_record fm_zoo_resnet[] = {
    RESNET("resnet18", "18 layers in pairs with shortcuts", NULL, 11689512, 1814073344, false, 2, 2,
           2, 2),
    RESNET("resnet34", "34 layers in pairs with shortcuts", NULL, 21797672, 3663761408, false, 3, 4,
           6, 3),
    RESNET("resnet50", "50 layers in bottlenecks with shortcuts", half, 25557032, 4089184256, true,
           3, 4, 6, 3),
    RESNET("resnet101", "101 layers in bottlenecks with shortcuts", half, 44549160, 7801405440,
           true, 3, 4, 23, 3),
    RESNET("resnet152", "152 layers in bottlenecks with shortcuts", half, 60192808, 11513626624,
           true, 3, 8, 36, 3),
    {.name = NULL}};
