/* He, Zhang, Ren, Sun: Deep residual learning for image recognition, 2015, section 4.2.
 *
 * For images of 32 x 32: three levels of n pairs of 3 x 3 convolutions with 16, 32 and 64 filters,
 * 6 n + 2 layers. Shortcuts are option A as in the paper: without variables, every second position
 * taken and new channels zero, half of them in front, half behind. */
#include "nn/zoo/residual.h"

enum { LEVELS = 3 };

typedef struct cifar_table {
    int pairs;
} cifar_table;

static fm_val shortcut(fm_graph *g, fm_val x, int64_t filters, int64_t stride)
{
    int64_t added = filters - fm_zoo_channels(g, x);
    if (stride > 1) {
        x = fm_average_pooling2d(g, x, .name = "shortcut", .pool_size = {1, {1}},
                                 .strides = {1, {stride}});
    }
    return added > 0 ? fm_pad(g, x, 3, added / 2, added - added / 2) : x;
}

static fm_val pair(fm_graph *g, fm_val x, int64_t filters, int64_t stride, bool zero_init)
{
    const fm_zoo_conv one = {.name = "conv1", .filters = filters, .size = 3, .stride = stride};
    const fm_zoo_conv two = {.name = "conv2", .filters = filters, .size = 3};
    fm_val y = fm_zoo_convolve(g, fm_zoo_convolve_relu(g, x, &one, "bn1"), &two);
    y = fm_residual_last_norm(g, y, "bn2", zero_init);
    fm_val sum[2] = {y, shortcut(g, x, filters, stride)};
    return fm_zoo_relu(g, fm_merge(g, FM_MERGE_ADD, sum, 2));
}

static fm_val build_cifar_resnet(fm_graph *g, fm_val x, const fm_zoo_record *self,
                                 const fm_zoo_options *o)
{
    const cifar_table *table = self->structure;
    const fm_zoo_conv first = {.name = "conv1", .filters = 16, .size = 3};
    x = fm_zoo_convolve_relu(g, x, &first, "bn1");
    for (int level = 0; level < LEVELS; level++) {
        fm_zoo_enter(g, "layer", level + 1);
        for (int i = 0; i < table->pairs && x.id; i++) {
            fm_zoo_enter(g, "", i);
            x = pair(g, x, 16 << level, level > 0 && i == 0 ? 2 : 1, o->zero_init_residual);
            fm_scope_leave(g);
        }
        fm_scope_leave(g);
    }
    return fm_zoo_classify(g, x, o->classes, o->dropout);
}

static const fm_field fields[] = {
    FM_ZOO_CLASSES, FM_ZOO_DROPOUT(0), FM_ZOO_ZERO_INIT, {.name = NULL}};

#define RESNET(layers, parameters_, macs_)                                                         \
    {                                                                                              \
        .name = "resnet" #layers, .doc = #layers " layers in pairs, for images of 32 x 32",        \
        .paper = "He, Zhang, Ren, Sun: Deep residual learning for image recognition",              \
        .year = 2015, .form = "section 4.2, shortcuts without variables (option A)", .height = 32, \
        .channels = 3, .classes = 10, .parameters = parameters_, .macs = macs_, .fields = fields,  \
        .build = build_cifar_resnet, .structure = &(const cifar_table)                             \
        {                                                                                          \
            (layers - 2) / 6                                                                       \
        }                                                                                          \
    }
const fm_zoo_record fm_zoo_cifar_resnet[] = {
    RESNET(20, 269722, 40551040),  RESNET(32, 464154, 68862592),    RESNET(44, 658586, 97174144),
    RESNET(56, 853018, 125485696), RESNET(110, 1727962, 252887680), {.name = NULL}};
