/* Which steps of a sequence are padding: by their value, or by its length. */
#include "fathom/nn_recurrent.h"
#include "nn/layer.h"
#include "op/op_tools.h"

fm_val fm_length_mask(fm_graph *g, fm_val lengths, int64_t time)
{
    if (!lengths.id) return lengths;
    char text[FM_SHAPE_TEXT];
    fm_shape shape = fm_val_shape(g, lengths);
    if (shape.rank != 1 || time < 0) {
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "lengths must be (batch), for a time of at least 0 steps; received %s "
                             "for %lld",
                             fm_shape_text(shape, text), (long long)time);
    }
    const fm_dtype dtype = fm_graph_dtype(g);
    lengths = fm_cast(g, fm_reshape_to(g, lengths, FM_SHAPE(shape.dims[0], 1)), dtype);
    return fm_less(g, fm_sequence(g, dtype, FM_SHAPE(1, time)), lengths);
}

static fm_val build_masking(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count;
    const fm_masking_options *o = options;
    fm_val x = inputs[0];
    fm_shape shape = fm_val_shape(g, x);
    if (shape.rank < 3 || !fm_dtype_is_real(fm_val_dtype(g, x))) {
        return fm_graph_fail(
            g, FM_ERROR_SHAPE, "the input must be numbers (batch, time, features), received %s %s",
            fm_dtype_name(fm_val_dtype(g, x)), fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    fm_ints features = {.count = shape.rank - 2};
    for (int i = 2; i < shape.rank; i++) features.at[i - 2] = i;
    fm_val padding = fm_equal(g, x, fm_scalar(g, o->mask_value));
    fm_val differs = fm_sub(g, fm_scalar(g, 1), padding);
    fm_val mask = fm_reduce_max(g, differs, features, false);
    fm_val y = fm_mul(g, x, fm_mask_spread(g, mask, shape.rank));
    fm_mask_set(g, y, mask);
    return y;
}

static const fm_field fields[] = {FM_NAME_FIELD(fm_masking_options),
                                  FM_FIELD(fm_masking_options, mask_value, FM_FIELD_REAL,
                                           "what all features of a padded step are"),
                                  {.name = NULL}};

const fm_layer_record fm_layer_masking = {.name = "masking",
                                          .doc =
                                              "steps whose features are all mask_value are padding",
                                          .fields = fields,
                                          .options_size = sizeof(fm_masking_options),
                                          .min_inputs = 1,
                                          .max_inputs = 1,
                                          .build = build_masking};

fm_val fm_masking_with(fm_graph *g, fm_val x, const fm_masking_options *options)
{
    return fm_layer_build(g, &fm_layer_masking, &x, 1, options);
}
