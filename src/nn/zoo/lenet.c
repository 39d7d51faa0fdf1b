/* LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998.
 *
 * Figure 2: 5 x 5 convolutions with 6 and 16 filters, each followed by a halving, then 120, 84 and
 * 10 units, tanh between. The paper's field of 32 x 32 is a digit of 28 x 28 with 2 zeros around,
 * which the first convolution's padding stands for. Today's form: the second convolution sees all
 * six maps (the paper's table I leaves some out), halvings are plain means (the paper's have a
 * factor and a bias), the output is a dense layer (radial units). The paper counts 60,000 trainable
 * numbers, this form has 61,706. */
#include "nn/zoo/zoo_blocks.h"

static fm_val build_lenet(fm_graph *g, fm_val x, const fm_zoo_record *self, const fm_zoo_options *o)
{
    (void)self;
    x = fm_conv2d(g, x, .name = "c1", .filters = 6, .kernel_size = {1, {5}},
                  .padding = FM_PADDING_SAME, .activation = FM_TANH);
    x = fm_average_pooling2d(g, x, .name = "s2");
    x = fm_conv2d(g, x, .name = "c3", .filters = 16, .kernel_size = {1, {5}},
                  .activation = FM_TANH);
    x = fm_average_pooling2d(g, x, .name = "s4");
    x = fm_dense(g, fm_flatten(g, x), .name = "c5", .units = 120, .activation = FM_TANH);
    x = fm_dense(g, x, .name = "f6", .units = 84, .activation = FM_TANH);
    return fm_zoo_head(g, x, o->classes, FM_ZOO_UNIFORM);
}

static const fm_field fields[] = {FM_ZOO_CLASSES, {.name = NULL}};

const fm_zoo_record fm_zoo_lenet[] = {
    {.name = "lenet5",
     .doc = "the first convolutional network in use, for handwritten digits",
     .paper = "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document "
              "recognition",
     .year = 1998,
     .form = "all maps connected, plain means, dense output: 61,706 parameters where the paper has "
             "60,000",
     .height = 28,
     .channels = 1,
     .classes = 10,
     .parameters = 61706,
     .macs = 416520,
     .fields = fields,
     .build = build_lenet},
    {.name = NULL}};
