/* dense: activation(x kernel + bias). */
#include "nn/activation.h"
#include "nn/layer.h"
#include "op/op_tools.h"

static fm_val build_dense(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count;
    const fm_dense_options *o = options;
    fm_shape shape = fm_val_shape(g, inputs[0]);
    if (shape.rank < 2) {
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "the input must be (batch, ..., features), received %s",
                             fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    bool is_new;
    fm_val kernel = fm_parameter(
        g, "kernel", FM_SHAPE(shape.dims[shape.rank - 1], o->units),
        fm_initializer_choose(g, &o->kernel_initializer, fm_glorot_uniform()), &is_new);
    if (is_new) fm_penalize(g, kernel, o->kernel_l1, o->kernel_l2);
    /* one matrix of all rows, so that a product, its bias and activation are one step */
    fm_val y = fm_matmul(g, fm_rows_of(g, inputs[0]), kernel);
    if (!o->no_bias) y = fm_add_bias(g, y, &o->bias_initializer);
    shape.dims[shape.rank - 1] = o->units;
    return fm_reshape_to(g, fm_activate(g, y, o->activation), shape);
}

#define FIELD(member, kind, doc, ...) FM_FIELD(fm_dense_options, member, kind, doc, __VA_ARGS__)
#define INITIALIZER(member, doc)      FM_INITIALIZER_FIELD(fm_dense_options, member, doc)
static const fm_field fields[] = {
    FM_NAME_FIELD(fm_dense_options),
    FIELD(units, FM_FIELD_INT, "features of the output", .required = true, .minimum = 1,
          .maximum = INFINITY),
    FIELD(activation, FM_FIELD_ENUM, "applied to the sum", .choices = fm_activation_choices),
    {.name = "use_bias",
     .doc = "add a bias to the product",
     .offset = offsetof(fm_dense_options, no_bias),
     .type = FM_FIELD_NOT,
     .default_value = 1},
    INITIALIZER(kernel_initializer, "how the kernel starts; default glorot_uniform"),
    INITIALIZER(bias_initializer, "how the bias starts; default zeros"),
    FIELD(kernel_l1, FM_FIELD_REAL, "penalty on the sum of |kernel|", .maximum = INFINITY),
    FIELD(kernel_l2, FM_FIELD_REAL, "penalty on the sum of kernel^2", .maximum = INFINITY),
    {.name = NULL},
};

const fm_layer_record fm_layer_dense = {
    .name = "dense",
    .doc = "fully connected: activation(x kernel + bias)",
    .fields = fields,
    .options_size = sizeof(fm_dense_options),
    .min_inputs = 1,
    .max_inputs = 1,
    .build = build_dense,
};

fm_val fm_dense_with(fm_graph *g, fm_val x, const fm_dense_options *options)
{
    return fm_layer_build(g, &fm_layer_dense, &x, 1, options);
}
