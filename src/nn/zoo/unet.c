/* Ronneberger, Fischer, Brox: U-Net: convolutional networks for biomedical image segmentation,
 * 2015.
 *
 * Figure 1: pairs of 3 x 3 convolutions on halved sizes with doubled channels, then back up by
 * transposed 2 x 2 convolutions, each joined with what the way down made at its size; a 1 x 1
 * convolution gives each pixel its logits. Convolutions are padded here, so that the output has the
 * input's size (the paper's lose two pixels each and cut what they join). Dropout at the end of the
 * way down (section 3.1); kernels start as He et al. 2015 (section 3). */
#include "nn/zoo/zoo_blocks.h"

enum { MOST_DEPTH = 8, FIRST_FILTERS = 64 };

static fm_val pair(fm_graph *g, fm_val x, int64_t filters)
{
    const fm_zoo_conv one = {
        .name = "conv1", .filters = filters, .size = 3, .bias = true, .start = FM_ZOO_HE_IN};
    fm_zoo_conv two = one;
    two.name = "conv2";
    x = fm_zoo_relu(g, fm_zoo_convolve(g, x, &one));
    return fm_zoo_relu(g, fm_zoo_convolve(g, x, &two));
}

static fm_val rise(fm_graph *g, fm_val x, fm_val side, int64_t filters)
{
    x = fm_conv2d_transpose(g, x, .name = "up", .filters = filters, .kernel_size = {1, {2}},
                            .strides = {1, {2}}, .kernel_initializer = fm_he_normal());
    return pair(g, fm_concatenate(g, ((fm_val[]){side, x}), 2), filters);
}

static bool check_size(fm_graph *g, fm_val x, int64_t depth)
{
    fm_shape shape = fm_val_shape(g, x);
    int64_t parts = (int64_t)1 << depth;
    if (shape.rank == 4 && shape.dims[1] % parts == 0 && shape.dims[2] % parts == 0) return true;
    fm_graph_fail(g, FM_ERROR_SHAPE,
                  "unet: height and width are halved %lld times, so that they must be multiples of "
                  "%lld: received %s; a smaller depth or another size fits",
                  (long long)depth, (long long)parts,
                  fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    return false;
}

static fm_val build_unet(fm_graph *g, fm_val x, const fm_zoo_record *self, const fm_zoo_options *o)
{
    (void)self;
    fm_val sides[MOST_DEPTH];
    int depth = (int)o->depth;
    int64_t filters = (int64_t)(FIRST_FILTERS * o->width);
    if (filters < 1) filters = 1;
    if (!check_size(g, x, depth)) return (fm_val){0};
    for (int i = 0; i <= depth; i++) {
        fm_zoo_enter(g, "down", i);
        x = pair(g, x, filters << i);
        if (i == depth) x = fm_zoo_dropout(g, x, o->dropout);
        if (i < depth) {
            sides[i] = x;
            x = fm_max_pooling2d(g, x);
        }
        fm_scope_leave(g);
    }
    for (int i = depth - 1; i >= 0; i--) {
        fm_zoo_enter(g, "up", i);
        x = rise(g, x, sides[i], filters << i);
        fm_scope_leave(g);
    }
    const fm_zoo_conv last = {
        .name = "head", .filters = o->classes, .size = 1, .bias = true, .start = FM_ZOO_HE_IN};
    fm_zoo_leave_body(g);
    x = fm_zoo_convolve(g, x, &last);
    fm_zoo_enter_body(g);
    return x;
}

static const fm_field fields[] = {FM_ZOO_CLASSES,
                                  FM_ZOO_DROPOUT(0.5),
                                  FM_ZOO_WIDTH,
                                  FM_FIELD(fm_zoo_options, depth, FM_FIELD_INT,
                                           "how often the size is halved", .default_value = 4,
                                           .minimum = 1, .maximum = MOST_DEPTH),
                                  {.name = NULL}};

const fm_zoo_record fm_zoo_unet[] = {
    {.name = "unet",
     .doc = "a class for each pixel: down, up again, and joined at each size",
     .paper = "Ronneberger, Fischer, Brox: U-Net: convolutional networks for biomedical image "
              "segmentation",
     .year = 2015,
     .form = "padded convolutions, so that the output has the input's size",
     .height = 512,
     .channels = 1,
     .classes = 2,
     .parameters = 31030658,
     .macs = 192384335872,
     .fields = fields,
     .build = build_unet},
    {.name = NULL}};
