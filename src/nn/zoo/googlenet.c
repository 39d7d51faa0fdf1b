/* Szegedy, Liu, Jia et al.: Going deeper with convolutions, 2014.
 *
 * Table 1: nine inception blocks of four branches. Two forms:
 *  googlenet       torchvision's, from TensorFlow: batch normalisation (epsilon 1e-3) after each
 *                  convolution in place of biases and response normalisation, and a 3 x 3 kernel
 *                  where the paper has 5 x 5
 *  googlenet_2014  as published: biases, local response normalisation, 5 x 5 kernels; 40% dropout
 * Auxiliary heads on blocks 4a and 4d while training, with weight 0.3 each (section 5). Their mean
 * is over 5 x 5 with stride 3 in the paper; over an even cut into 4 x 4 here, which also fits other
 * input sizes and has the same number of outputs. */
#include "nn/zoo/zoo_blocks.h"

typedef struct googlenet_table {
    bool published; /* the form of 2014 */
} googlenet_table;

static const googlenet_table of_2014 = {true}, normalized = {false};

typedef struct inception_row {
    const char *name;
    int64_t one, reduce_three, three, reduce_five, five, pool;
    bool halve, head; /* after it */
} inception_row;

static const inception_row rows[] = {
    {"3a", 64, 96, 128, 16, 32, 32, false, false},
    {"3b", 128, 128, 192, 32, 96, 64, true, false},
    {"4a", 192, 96, 208, 16, 48, 64, false, true},
    {"4b", 160, 112, 224, 24, 64, 64, false, false},
    {"4c", 128, 128, 256, 24, 64, 64, false, false},
    {"4d", 112, 144, 288, 32, 64, 64, false, true},
    {"4e", 256, 160, 320, 32, 128, 128, true, false},
    {"5a", 256, 160, 320, 32, 128, 128, false, false},
    {"5b", 384, 192, 384, 48, 128, 128, false, false},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static fm_val convolve(fm_graph *g, fm_val x, const googlenet_table *t, const char *name,
                       int64_t filters, int64_t size, int64_t stride)
{
    fm_scope_enter(g, name);
    if (t->published) {
        x = fm_conv2d(g, x, .name = "conv", .filters = filters, .kernel_size = {1, {size}},
                      .strides = {1, {stride}}, .pad = {1, {size / 2}}, .activation = FM_RELU);
    } else {
        const fm_zoo_conv conv = {
            .name = "conv", .filters = filters, .size = size, .stride = stride};
        x = fm_zoo_convolve(g, x, &conv);
        x = fm_batch_normalization(g, x, .name = "norm", .momentum = 0.9, .epsilon = 1e-3);
        x = fm_zoo_relu(g, x);
    }
    fm_scope_leave(g);
    return x;
}

/* 3 x 3 (or 2 x 2), stride 2; a rest at the end is a window of its own. */
static fm_val halve(fm_graph *g, fm_val x, int64_t size)
{
    return fm_max_pooling2d(g, x, .pool_size = {1, {size}}, .strides = {1, {2}},
                            .pad = {4, {0, 1, 0, 1}});
}

static fm_val inception(fm_graph *g, fm_val x, const googlenet_table *t, const inception_row *row)
{
    fm_scope_enter(g, row->name);
    fm_val branches[4];
    branches[0] = convolve(g, x, t, "branch1", row->one, 1, 1);
    branches[1] = convolve(g, x, t, "branch2_reduce", row->reduce_three, 1, 1);
    branches[1] = convolve(g, branches[1], t, "branch2", row->three, 3, 1);
    branches[2] = convolve(g, x, t, "branch3_reduce", row->reduce_five, 1, 1);
    branches[2] = convolve(g, branches[2], t, "branch3", row->five, t->published ? 5 : 3, 1);
    branches[3] =
        fm_max_pooling2d(g, x, .pool_size = {1, {3}}, .strides = {1, {1}}, .pad = {1, {1}});
    branches[3] = convolve(g, branches[3], t, "branch4", row->pool, 1, 1);
    x = fm_concatenate(g, branches, 4);
    fm_scope_leave(g);
    return x;
}

static void add_head(fm_graph *g, fm_val x, const googlenet_table *t, const char *name,
                     int64_t classes)
{
    if (fm_graph_mode(g) != FM_TRAIN) return;
    fm_shape shape = fm_val_shape(g, x);
    int64_t height = shape.dims[1] < 4 ? shape.dims[1] : 4;
    int64_t width = shape.dims[2] < 4 ? shape.dims[2] : 4;
    fm_zoo_leave_body(g);
    fm_scope_enter(g, name);
    x = fm_adaptive_average_pooling(g, x, .output_size = {2, {height, width}});
    x = convolve(g, x, t, "conv", 128, 1, 1);
    x = fm_zoo_dense(g, fm_flatten(g, x), "fc1", 1024, FM_RELU, FM_ZOO_UNIFORM);
    x = fm_zoo_dense(g, fm_dropout(g, x, .rate = 0.7), "fc2", classes, FM_LINEAR, FM_ZOO_UNIFORM);
    fm_scope_leave(g);
    fm_zoo_enter_body(g);
    fm_add_auxiliary(g, x, 0.3);
}

static fm_val build_googlenet(fm_graph *g, fm_val x, const fm_zoo_record *self,
                              const fm_zoo_options *o)
{
    const googlenet_table *t = self->structure;
    int heads = 0;
    x = halve(g, convolve(g, x, t, "conv1", 64, 7, 2), 3);
    if (t->published) x = fm_local_response_normalization(g, x, .k = 1, .alpha = 2e-5);
    x = convolve(g, x, t, "conv2", 64, 1, 1);
    x = convolve(g, x, t, "conv3", 192, 3, 1);
    if (t->published) x = fm_local_response_normalization(g, x, .k = 1, .alpha = 2e-5);
    x = halve(g, x, 3);
    for (int i = 0; i < ROWS; i++) {
        x = inception(g, x, t, &rows[i]);
        if (rows[i].head && !o->no_auxiliary && x.id) {
            add_head(g, x, t, heads++ ? "auxiliary2" : "auxiliary1", o->classes);
        }
        /* torchvision's last halving has windows of 2 */
        if (rows[i].halve) x = halve(g, x, i > 1 && !t->published ? 2 : 3);
    }
    return fm_zoo_classify(g, x, o->classes, o->dropout);
}

#define AUXILIARY                                                                                  \
    {                                                                                              \
        .name = "auxiliary", .doc = "heads on the middle that help training",                      \
        .offset = offsetof(fm_zoo_options, no_auxiliary), .type = FM_FIELD_NOT, .default_value = 1 \
    }
static const fm_field normalized_fields[] = {
    FM_ZOO_CLASSES, FM_ZOO_DROPOUT(0.2), AUXILIARY, {.name = NULL}};
static const fm_field published_fields[] = {
    FM_ZOO_CLASSES, FM_ZOO_DROPOUT(0.4), AUXILIARY, {.name = NULL}};

#define GOOGLENET(name_, doc_, form_, parameters_, macs_, fields_, table)                          \
    {                                                                                              \
        .name = name_, .doc = doc_,                                                                \
        .paper = "Szegedy, Liu, Jia et al.: Going deeper with convolutions", .year = 2014,         \
        .form = form_, .height = 224, .channels = 3, .classes = 1000, .parameters = parameters_,   \
        .macs = macs_, .fields = fields_, .build = build_googlenet, .structure = &(table)          \
    }
const fm_zoo_record fm_zoo_googlenet[] = {
    GOOGLENET("googlenet", "nine inception blocks of four branches, batch-normalised",
              "torchvision's, with both auxiliary heads (6,624,904 parameters without)", 13004888,
              1498376192, normalized_fields, normalized),
    GOOGLENET("googlenet_2014", "nine inception blocks with response normalisation",
              "as published, with both auxiliary heads (6,998,552 parameters without)", 13378280,
              1582671872, published_fields, of_2014),
    {.name = NULL}};
