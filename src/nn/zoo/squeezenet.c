/* Iandola, Han, Moskewicz et al.: SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
 * < 0.5 MB model size, 2016.
 *
 * Table 1: fire modules, a 1 x 1 convolution that squeezes and 1 x 1 and 3 x 3 ones side by side
 * that expand; no dense layer. 1.1 (the authors' later program) starts with smaller kernels and
 * pools earlier: 2.4 times less work. A rest at the end of a pooling is a window of its own, as in
 * Caffe. */
#include "nn/zoo/zoo_blocks.h"

enum { FIRES = 8 };
static const int64_t squeezes[FIRES] = {16, 16, 32, 32, 48, 48, 64, 64};
static const int64_t expands[FIRES] = {64, 64, 128, 128, 192, 192, 256, 256};

typedef struct squeezenet_table {
    int64_t filters, size;
    bool pool_before[FIRES];
} squeezenet_table;

static fm_val convolve(fm_graph *g, fm_val x, const char *name, int64_t filters, int64_t size)
{
    const fm_zoo_conv conv = {
        .name = name, .filters = filters, .size = size, .bias = true, .start = FM_ZOO_HE_IN};
    return fm_zoo_relu(g, fm_zoo_convolve(g, x, &conv));
}

static fm_val fire(fm_graph *g, fm_val x, int index)
{
    fm_zoo_enter(g, "fire", index + 2);
    x = convolve(g, x, "squeeze", squeezes[index], 1);
    fm_val sides[2] = {convolve(g, x, "expand1", expands[index], 1),
                       convolve(g, x, "expand3", expands[index], 3)};
    x = fm_concatenate(g, sides, 2);
    fm_scope_leave(g);
    return x;
}

static fm_val pool(fm_graph *g, fm_val x)
{
    return fm_max_pooling2d(g, x, .pool_size = {1, {3}}, .strides = {1, {2}},
                            .pad = {4, {0, 1, 0, 1}});
}

static fm_val build_squeezenet(fm_graph *g, fm_val x, const fm_zoo_record *self,
                               const fm_zoo_options *o)
{
    const squeezenet_table *t = self->structure;
    const fm_zoo_conv first = {.name = "conv1",
                               .filters = t->filters,
                               .size = t->size,
                               .stride = 2,
                               .valid = true,
                               .bias = true,
                               .start = FM_ZOO_HE_IN};
    x = fm_zoo_relu(g, fm_zoo_convolve(g, x, &first));
    for (int i = 0; i < FIRES && x.id; i++) {
        if (t->pool_before[i]) x = pool(g, x);
        x = fire(g, x, i);
    }
    x = fm_zoo_dropout(g, x, o->dropout);
    const fm_zoo_conv last = {
        .name = "head", .filters = o->classes, .size = 1, .bias = true, .start = FM_ZOO_NORMAL};
    fm_zoo_leave_body(g);
    x = fm_global_average_pooling(g, fm_zoo_relu(g, fm_zoo_convolve(g, x, &last)));
    fm_zoo_enter_body(g);
    return x;
}

static const squeezenet_table first_form = {96, 7, {[0] = true, [3] = true, [7] = true}};
static const squeezenet_table second_form = {64, 3, {[0] = true, [2] = true, [4] = true}};

static const fm_field fields[] = {FM_ZOO_CLASSES, FM_ZOO_DROPOUT(0.5), {.name = NULL}};

#define SQUEEZENET(name_, doc_, parameters_, macs_, table)                                         \
    {                                                                                              \
        .name = name_, .doc = doc_,                                                                \
        .paper = "Iandola, Han, Moskewicz et al.: SqueezeNet: AlexNet-level accuracy with 50x "    \
                 "fewer parameters",                                                               \
        .year = 2016, .form = "torchvision's, a ReLU before the last mean", .height = 224,         \
        .channels = 3, .classes = 1000, .parameters = parameters_, .macs = macs_,                  \
        .fields = fields, .build = build_squeezenet, .structure = &(table)                         \
    }
const fm_zoo_record fm_zoo_squeezenet[] = {
    SQUEEZENET("squeezenet", "fire modules, no dense layer (1.0)", 1248424, 818924576, first_form),
    SQUEEZENET("squeezenet1_1", "fire modules with earlier pooling (1.1)", 1235496, 349151936,
               second_form),
    {.name = NULL}};
