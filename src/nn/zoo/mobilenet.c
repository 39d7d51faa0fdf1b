/* Howard, Zhu, Chen et al.: MobileNets: efficient convolutional neural networks for mobile vision
 * applications, 2017 (v1); Sandler, Howard, Zhu et al.: MobileNetV2: inverted residuals and linear
 * bottlenecks, 2018 (v2).
 *
 * v1 (table 1): depthwise 3 x 3 and pointwise convolutions in turn, each normalised and rectified.
 * v2 (table 2): blocks that widen t times, convolve depthwise, and narrow without an activation;
 * ReLU cut at 6. `width` is the papers' width multiplier: v1 rounds channels down, v2 to a multiple
 * of 8 that is at least 0.9 of what was asked for (both as in TensorFlow's programs). */
#include "nn/zoo/zoo_blocks.h"

static fm_val relu6(fm_graph *g, fm_val x)
{
    return fm_layer_build(g, &fm_layer_relu6, &x, 1, NULL);
}

static fm_val convolve(fm_graph *g, fm_val x, const char *scope, fm_zoo_conv conv)
{
    fm_scope_enter(g, scope);
    conv.name = "conv";
    x = relu6(g, fm_zoo_normalize(g, fm_zoo_convolve(g, x, &conv), "norm"));
    fm_scope_leave(g);
    return x;
}

/* ---- v1 -------------------------------------------------------------------------------------- */

static const struct {
    int64_t stride, filters;
} rows_v1[] = {{1, 64},  {2, 128}, {1, 128}, {2, 256}, {1, 256},  {2, 512}, {1, 512},
               {1, 512}, {1, 512}, {1, 512}, {1, 512}, {2, 1024}, {1, 1024}};
enum { ROWS_V1 = sizeof rows_v1 / sizeof rows_v1[0] };

static int64_t narrowed(int64_t filters, double width)
{
    int64_t count = (int64_t)((double)filters * width);
    return count > 0 ? count : 1;
}

static fm_val build_v1(fm_graph *g, fm_val x, const fm_zoo_record *self, const fm_zoo_options *o)
{
    (void)self;
    x = convolve(g, x, "conv1",
                 (fm_zoo_conv){.filters = narrowed(32, o->width), .size = 3, .stride = 2});
    for (int i = 0; i < ROWS_V1; i++) {
        fm_zoo_enter(g, "block", i + 1);
        x = convolve(g, x, "depthwise",
                     (fm_zoo_conv){.depthwise = true, .size = 3, .stride = rows_v1[i].stride});
        int64_t filters = narrowed(rows_v1[i].filters, o->width);
        x = convolve(g, x, "pointwise", (fm_zoo_conv){.filters = filters, .size = 1});
        fm_scope_leave(g);
    }
    return fm_zoo_classify(g, x, o->classes, o->dropout);
}

/* ---- v2 -------------------------------------------------------------------------------------- */

static const struct {
    int64_t widen, filters, blocks, stride;
} rows_v2[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
enum { ROWS_V2 = sizeof rows_v2 / sizeof rows_v2[0] };

static int64_t rounded(int64_t filters, double width)
{
    double wanted = (double)filters * width;
    int64_t count = (int64_t)(wanted + 4) / 8 * 8;
    if (count < 8) count = 8;
    return (double)count < 0.9 * wanted ? count + 8 : count;
}

static fm_val inverted_residual(fm_graph *g, fm_val x, int64_t widen, int64_t filters,
                                int64_t stride)
{
    int64_t channels = fm_zoo_channels(g, x);
    fm_val y = x;
    if (widen != 1) {
        y = convolve(g, y, "expand", (fm_zoo_conv){.filters = channels * widen, .size = 1});
    }
    y = convolve(g, y, "depthwise", (fm_zoo_conv){.depthwise = true, .size = 3, .stride = stride});
    fm_scope_enter(g, "project");
    const fm_zoo_conv narrow = {.name = "conv", .filters = filters, .size = 1};
    y = fm_zoo_normalize(g, fm_zoo_convolve(g, y, &narrow), "norm");
    fm_scope_leave(g);
    if (stride != 1 || channels != filters) return y;
    return fm_merge(g, FM_MERGE_ADD, (fm_val[]){x, y}, 2);
}

static fm_val build_v2(fm_graph *g, fm_val x, const fm_zoo_record *self, const fm_zoo_options *o)
{
    (void)self;
    int number = 0;
    x = convolve(g, x, "conv1",
                 (fm_zoo_conv){.filters = rounded(32, o->width), .size = 3, .stride = 2});
    for (int row = 0; row < ROWS_V2; row++) {
        for (int i = 0; i < rows_v2[row].blocks && x.id; i++) {
            fm_zoo_enter(g, "block", ++number);
            x = inverted_residual(g, x, rows_v2[row].widen, rounded(rows_v2[row].filters, o->width),
                                  i == 0 ? rows_v2[row].stride : 1);
            fm_scope_leave(g);
        }
    }
    int64_t last = rounded(1280, o->width > 1 ? o->width : 1);
    x = convolve(g, x, "conv2", (fm_zoo_conv){.filters = last, .size = 1});
    x = fm_zoo_dropout(g, fm_global_average_pooling(g, x), o->dropout);
    return fm_zoo_head(g, x, o->classes, FM_ZOO_NORMAL);
}

static const fm_field fields_v1[] = {
    FM_ZOO_CLASSES, FM_ZOO_DROPOUT(0.001), FM_ZOO_WIDTH, {.name = NULL}};
static const fm_field fields_v2[] = {
    FM_ZOO_CLASSES, FM_ZOO_DROPOUT(0.2), FM_ZOO_WIDTH, {.name = NULL}};

const fm_zoo_record fm_zoo_mobilenet[] = {
    {.name = "mobilenet",
     .doc = "depthwise and pointwise convolutions in turn, for phones",
     .paper = "Howard, Zhu, Chen et al.: MobileNets: efficient convolutional neural networks for "
              "mobile vision applications",
     .year = 2017,
     .form = "1.0 MobileNet-224, ReLU cut at 6 as in TensorFlow",
     .height = 224,
     .channels = 3,
     .classes = 1000,
     .parameters = 4231976,
     .macs = 568740352,
     .fields = fields_v1,
     .build = build_v1},
    {.name = "mobilenet_v2",
     .doc = "inverted residuals with narrow ends, for phones",
     .paper = "Sandler, Howard, Zhu et al.: MobileNetV2: inverted residuals and linear bottlenecks",
     .year = 2018,
     .height = 224,
     .channels = 3,
     .classes = 1000,
     .parameters = 3504872,
     .macs = 300774272,
     .fields = fields_v2,
     .build = build_v2},
    {.name = NULL}};
