/* He, Zhang, Ren, Sun: Identity mappings in deep residual networks, 2016.
 *
 * Normalisation and ReLU come before each convolution, so that a shortcut is the identity from end
 * to end (figure 4e). Two kinds:
 *  resnet50_v2 ...  for ImageNet, in the form of Keras and TensorFlow: the last block of a level
 *                   halves the size, the first and the last convolution of a block's branch and the
 *                   shortcut's have biases where no normalisation follows
 *  resnet164_v2     the paper's for CIFAR (tables 3 and 4): three levels of 18 bottlenecks with 16,
 *                   32 and 64 filters */
#include "nn/zoo/zoo_blocks.h"

enum { LEVELS = 4 };

typedef struct preact_table {
    int blocks[LEVELS];
    int levels;
    int64_t filters;
    bool cifar;
    double epsilon;
} preact_table;

static fm_val activate(fm_graph *g, fm_val x, const char *name, const preact_table *t)
{
    x = fm_batch_normalization(g, x, .name = name, .momentum = 0.9, .epsilon = t->epsilon);
    return fm_zoo_relu(g, x);
}

typedef struct block_row {
    int64_t filters, stride;
    bool first;
} block_row;

static fm_val shortcut(fm_graph *g, fm_val x, fm_val ready, const preact_table *t,
                       const block_row *row)
{
    const fm_zoo_conv conv = {.name = "shortcut",
                              .filters = 4 * row->filters,
                              .size = 1,
                              .stride = row->stride,
                              .bias = !t->cifar};
    if (row->first) return fm_zoo_convolve(g, ready, &conv);
    if (row->stride == 1) return x;
    return fm_max_pooling2d(g, x, .name = "shortcut", .pool_size = {1, {1}},
                            .strides = {1, {row->stride}});
}

static fm_val block(fm_graph *g, fm_val x, const preact_table *t, const block_row *row)
{
    const fm_zoo_conv one = {.name = "conv1", .filters = row->filters, .size = 1};
    const fm_zoo_conv two = {
        .name = "conv2", .filters = row->filters, .size = 3, .stride = row->stride};
    const fm_zoo_conv three = {
        .name = "conv3", .filters = 4 * row->filters, .size = 1, .bias = !t->cifar};
    fm_val ready = activate(g, x, "bn1", t);
    fm_val y = activate(g, fm_zoo_convolve(g, ready, &one), "bn2", t);
    y = activate(g, fm_zoo_convolve(g, y, &two), "bn3", t);
    fm_val sum[2] = {fm_zoo_convolve(g, y, &three), shortcut(g, x, ready, t, row)};
    return fm_merge(g, FM_MERGE_ADD, sum, 2);
}

/* CIFAR: the first block of the later levels halves; ImageNet:
 * the last block of the earlier ones. */
static int64_t stride_of(const preact_table *t, int level, int i)
{
    bool here = t->cifar ? level > 0 && i == 0 : level + 1 < t->levels && i + 1 == t->blocks[level];
    return here ? 2 : 1;
}

static fm_val build_preact_resnet(fm_graph *g, fm_val x, const fm_zoo_record *self,
                                  const fm_zoo_options *o)
{
    const preact_table *t = self->structure;
    const fm_zoo_conv stem = {.name = "conv1",
                              .filters = t->cifar ? 16 : 64,
                              .size = t->cifar ? 3 : 7,
                              .stride = t->cifar ? 1 : 2,
                              .bias = !t->cifar};
    x = fm_zoo_convolve(g, x, &stem);
    if (!t->cifar) x = fm_zoo_max_pool(g, x);
    for (int level = 0; level < t->levels; level++) {
        fm_zoo_enter(g, "layer", level + 1);
        for (int i = 0; i < t->blocks[level] && x.id; i++) {
            const block_row row = {t->filters << level, stride_of(t, level, i), i == 0};
            fm_zoo_enter(g, "", i);
            x = block(g, x, t, &row);
            fm_scope_leave(g);
        }
        fm_scope_leave(g);
    }
    return fm_zoo_classify(g, activate(g, x, "bn", t), o->classes, o->dropout);
}

static const fm_field fields[] = {FM_ZOO_CLASSES, FM_ZOO_DROPOUT(0), {.name = NULL}};

#define PREACT(name_, doc_, form_, size_, classes_, parameters_, macs_, ...)                       \
    {                                                                                              \
        .name = name_, .doc = doc_,                                                                \
        .paper = "He, Zhang, Ren, Sun: Identity mappings in deep residual networks", .year = 2016, \
        .form = form_, .height = size_, .channels = 3, .classes = classes_,                        \
        .parameters = parameters_, .macs = macs_, .fields = fields, .build = build_preact_resnet,  \
        .structure = &(const preact_table)                                                         \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
static const char of_keras[] = "Keras's; it counts the moving statistics as well";
const fm_zoo_record fm_zoo_preact_resnet[] = {
    PREACT("resnet50_v2", "50 layers, activations before convolutions", of_keras, 224, 1000,
           25568360, 3482255360, .blocks = {3, 4, 6, 3}, .levels = 4, .filters = 64,
           .epsilon = 1.001e-5),
    PREACT("resnet101_v2", "101 layers, activations before convolutions", of_keras, 224, 1000,
           44577896, 7194476544, .blocks = {3, 4, 23, 3}, .levels = 4, .filters = 64,
           .epsilon = 1.001e-5),
    PREACT("resnet152_v2", "152 layers, activations before convolutions", of_keras, 224, 1000,
           60236904, 10906697728, .blocks = {3, 8, 36, 3}, .levels = 4, .filters = 64,
           .epsilon = 1.001e-5),
    PREACT("resnet164_v2", "164 layers, activations before convolutions, for 32 x 32",
           "the paper's for CIFAR-10", 32, 10, 1703258, 247646720, .blocks = {18, 18, 18},
           .levels = 3, .filters = 16, .cifar = true, .epsilon = 1e-5),
    {.name = NULL}};
