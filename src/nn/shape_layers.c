/* flatten, reshape: the batch stays in front. */
#include "nn/layer.h"

static bool check_batch(fm_graph *g, fm_shape shape)
{
    if (shape.rank >= 1) return true;
    fm_graph_fail(g, FM_ERROR_SHAPE, "the input must be (batch, ...), received %s",
                  fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    return false;
}

static fm_val build_flatten(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count, (void)options;
    fm_shape shape = fm_val_shape(g, inputs[0]);
    if (!check_batch(g, shape)) return (fm_val){0};
    int64_t features = 1;
    for (int i = 1; i < shape.rank; i++) features *= shape.dims[i];
    return fm_reshape_to(g, inputs[0], FM_SHAPE(shape.dims[0], features));
}

static fm_val build_reshape(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count;
    const fm_reshape_options *o = options;
    fm_shape shape = fm_val_shape(g, inputs[0]);
    if (!check_batch(g, shape)) return (fm_val){0};
    if (o->target_shape.count == 0 || o->target_shape.count >= FM_MAX_RANK) {
        return fm_graph_fail(g, FM_ERROR_ARGUMENT,
                             "target_shape must have 1 to %d dimensions, received %d",
                             FM_MAX_RANK - 1, o->target_shape.count);
    }
    fm_shape wanted = {.rank = o->target_shape.count + 1, .dims = {shape.dims[0]}};
    int64_t known = 1, unknown = 0, features = 1;
    for (int i = 0; i < o->target_shape.count; i++) {
        int64_t size = o->target_shape.at[i];
        wanted.dims[i + 1] = size;
        if (size == -1) {
            unknown++;
        } else if (__builtin_mul_overflow(known, size, &known)) {
            known = 0;
        }
    }
    for (int i = 1; i < shape.rank; i++) features *= shape.dims[i];
    bool fits =
        unknown == 0 ? known == features : unknown == 1 && known > 0 && features % known == 0;
    if (!fits) {
        char from[FM_SHAPE_TEXT], to[FM_SHAPE_TEXT];
        return fm_graph_fail(g, FM_ERROR_SHAPE, "cannot reshape %s to %s",
                             fm_shape_text(shape, from), fm_shape_text(wanted, to));
    }
    for (int i = 1; i < wanted.rank; i++) {
        if (wanted.dims[i] == -1) wanted.dims[i] = features / known;
    }
    return fm_reshape_to(g, inputs[0], wanted);
}

static const fm_field flatten_fields[] = {FM_NAME_FIELD(fm_flatten_options), {.name = NULL}};
const fm_layer_record fm_layer_flatten = {"flatten",
                                          "(batch, ...) to (batch, features)",
                                          flatten_fields,
                                          sizeof(fm_flatten_options),
                                          1,
                                          1,
                                          build_flatten};

static const fm_field reshape_fields[] = {FM_NAME_FIELD(fm_reshape_options),
                                          FM_FIELD(fm_reshape_options, target_shape, FM_FIELD_INTS,
                                                   "the shape without the batch; one may be -1",
                                                   .required = true, .minimum = -1,
                                                   .maximum = 1e15),
                                          {.name = NULL}};
const fm_layer_record fm_layer_reshape = {"reshape",
                                          "(batch, ...) to (batch, target_shape)",
                                          reshape_fields,
                                          sizeof(fm_reshape_options),
                                          1,
                                          1,
                                          build_reshape};

fm_val fm_flatten_with(fm_graph *g, fm_val x, const fm_flatten_options *options)
{
    return fm_layer_build(g, &fm_layer_flatten, &x, 1, options);
}

fm_val fm_reshape_with(fm_graph *g, fm_val x, const fm_reshape_options *options)
{
    return fm_layer_build(g, &fm_layer_reshape, &x, 1, options);
}
