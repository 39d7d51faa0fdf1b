/* Yu, Koltun, Funkhouser: Dilated residual networks, 2017.
 *
 * ResNets that keep a map of 28 x 28 to the end: the later levels do not halve the size, their
 * kernels are dilated 2 and 4 times instead (section 3, figure 1). Forms of section 4, figure 5:
 *  A  ResNet with dilation, nothing else
 *  C  without the first max pooling, for which residual blocks stand; levels 7 and 8 after the
 *     dilated ones, dilated 2 and 1 and without shortcuts, take away the gridding of A
 *  D  C with a single convolution where C has a block in levels 1, 2, 7 and 8
 * Details (the first dilation of a level, option B shortcuts) follow the authors' own program. */
#include "nn/zoo/residual.h"

enum { LEVELS = 8 };
static const int64_t filters[LEVELS] = {16, 32, 64, 128, 256, 512, 512, 512};
static const int64_t strides[LEVELS] = {1, 2, 2, 2, 1, 1, 1, 1};
static const int64_t dilations[LEVELS] = {1, 1, 1, 1, 2, 4, 2, 1};

typedef struct drn_table {
    char form; /* 'A', 'C', 'D' */
    int blocks[LEVELS];
    bool bottleneck;
} drn_table;

static fm_val plain_convolutions(fm_graph *g, fm_val x, int level, int count)
{
    fm_zoo_enter(g, "layer", level + 1);
    for (int i = 0; i < count; i++) {
        fm_zoo_enter(g, "", i);
        const fm_zoo_conv conv = {.name = "conv",
                                  .filters = filters[level],
                                  .size = 3,
                                  .stride = i == 0 ? strides[level] : 1,
                                  .dilation = dilations[level]};
        x = fm_zoo_convolve_relu(g, x, &conv, "norm");
        fm_scope_leave(g);
    }
    fm_scope_leave(g);
    return x;
}

static fm_val build_levels(fm_graph *g, fm_val x, const drn_table *t, bool zero_init)
{
    const fm_zoo_conv first = {.name = "conv1", .filters = 16, .size = 7};
    x = fm_zoo_convolve_relu(g, x, &first, "bn1");
    for (int level = 0; level < LEVELS; level++) {
        bool outer = level < 2 || level > 5;
        if (outer && t->form == 'D') {
            x = plain_convolutions(g, x, level, t->blocks[level]);
            continue;
        }
        const fm_residual_level row = {.number = level + 1,
                                       .blocks = t->blocks[level],
                                       .filters = filters[level],
                                       .stride = strides[level],
                                       .dilation = dilations[level],
                                       .bottleneck = t->bottleneck && !outer,
                                       .zero_init = zero_init && level<6, .plain = level> 5};
        x = fm_residual_build(g, x, &row);
    }
    return x;
}

/* Blocks of levels 3 and 4 of form A are dilated but for the first one. */
static fm_val build_form_a(fm_graph *g, fm_val x, const drn_table *t, bool zero_init)
{
    const fm_zoo_conv first = {.name = "conv1", .filters = 64, .size = 7, .stride = 2};
    x = fm_zoo_max_pool(g, fm_zoo_convolve_relu(g, x, &first, "bn1"));
    for (int level = 0; level < 4; level++) {
        fm_residual_level row = {.number = level + 1,
                                 .blocks = 1,
                                 .filters = 64 << level,
                                 .stride = level == 1 ? 2 : 1,
                                 .bottleneck = t->bottleneck,
                                 .zero_init = zero_init};
        x = fm_residual_build(g, x, &row);
        row.first = 1;
        row.stride = 1;
        row.blocks = t->blocks[level] - 1;
        row.dilation = level == 2 ? 2 : level == 3 ? 4 : 1;
        x = fm_residual_build(g, x, &row);
    }
    return x;
}

static fm_val build_drn(fm_graph *g, fm_val x, const fm_zoo_record *self, const fm_zoo_options *o)
{
    const drn_table *t = self->structure;
    x = t->form == 'A' ? build_form_a(g, x, t, o->zero_init_residual)
                       : build_levels(g, x, t, o->zero_init_residual);
    return fm_zoo_classify(g, x, o->classes, o->dropout);
}

static const fm_field fields[] = {
    FM_ZOO_CLASSES, FM_ZOO_DROPOUT(0), FM_ZOO_ZERO_INIT, {.name = NULL}};

#define DRN(name_, doc_, parameters_, macs_, form_, bottleneck_, ...)                              \
    {                                                                                              \
        .name = name_, .doc = doc_, .paper = "Yu, Koltun, Funkhouser: Dilated residual networks",  \
        .year = 2017, .height = 224, .channels = 3, .classes = 1000, .parameters = parameters_,    \
        .macs = macs_, .fields = fields, .build = build_drn, .structure = &(const drn_table)       \
        {                                                                                          \
            form_, {__VA_ARGS__}, bottleneck_                                                      \
        }                                                                                          \
    }
const fm_zoo_record fm_zoo_drn[] = {
    DRN("drn_a_50", "resnet50 with dilation in place of the last two halvings", 25557032,
        19079364608, 'A', true, 3, 4, 6, 3),
    DRN("drn_c_26", "26 dilated layers without max pooling and gridding", 21126584, 16971239424,
        'C', false, 1, 1, 2, 2, 2, 2, 1, 1),
    DRN("drn_c_42", "42 dilated layers without max pooling and gridding", 31234744, 25063624704,
        'C', false, 1, 1, 3, 4, 6, 3, 1, 1),
    DRN("drn_c_58", "58 dilated layers in bottlenecks", 40542008, 32423841792, 'C', true, 1, 1, 3,
        4, 6, 3, 1, 1),
    DRN("drn_d_22", "22 dilated layers, plain at both ends", 16393752, 13034229760, 'D', false, 1,
        1, 2, 2, 2, 2, 1, 1),
    DRN("drn_d_38", "38 dilated layers, plain at both ends", 26501912, 21126615040, 'D', false, 1,
        1, 3, 4, 6, 3, 1, 1),
    DRN("drn_d_54", "54 dilated layers in bottlenecks, plain at both ends", 35809176, 28486832128,
        'D', true, 1, 1, 3, 4, 6, 3, 1, 1),
    DRN("drn_d_105", "105 dilated layers in bottlenecks, plain at both ends", 54801304, 43335716864,
        'D', true, 1, 1, 3, 4, 23, 3, 1, 1),
    {.name = NULL}};
