/* Merging branches: elementwise over equal shapes, and concatenate. */
#include "nn/layer.h"

#include <stdio.h>

/* All shapes equal, but for `axis` (-1: no exception). */
static bool check_shapes(fm_graph *g, const fm_val *values, int count, int axis)
{
    fm_shape first = fm_val_shape(g, values[0]);
    for (int i = 1; i < count; i++) {
        fm_shape shape = fm_val_shape(g, values[i]), same = shape;
        if (axis >= 0 && axis < shape.rank) same.dims[axis] = first.dims[axis];
        if (fm_shape_equal(first, same)) continue;
        char a[FM_SHAPE_TEXT], b[FM_SHAPE_TEXT], rule[48] = "one shape";
        if (axis >= 0) snprintf(rule, sizeof rule, "shapes equal but for axis %d", axis);
        fm_graph_fail(g, FM_ERROR_SHAPE,
                      "the branches must have %s: branch 0 is %s, branch %d is %s", rule,
                      fm_shape_text(first, a), i, fm_shape_text(shape, b));
        return false;
    }
    return true;
}

typedef fm_val binary(fm_graph *g, fm_val a, fm_val b);

static fm_val fold(fm_graph *g, binary *combine, const fm_val *values, int count)
{
    if (!check_shapes(g, values, count, -1)) return (fm_val){0};
    fm_val result = values[0];
    for (int i = 1; i < count; i++) result = combine(g, result, values[i]);
    return result;
}

#define MERGE(kind, combine)                                                                       \
    static fm_val build_##kind(fm_graph *g, const fm_val *inputs, int count, const void *options)  \
    {                                                                                              \
        (void)options;                                                                             \
        return fold(g, combine, inputs, count);                                                    \
    }
MERGE(add, fm_add)
MERGE(multiply, fm_mul)
MERGE(subtract, fm_sub)
MERGE(maximum, fm_maximum)
MERGE(minimum, fm_minimum)

static fm_val build_average(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)options;
    return fm_mul_scalar(g, fold(g, fm_add, inputs, count), 1.0 / count);
}

static fm_val build_concatenate(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    const fm_concatenate_options *o = options;
    int rank = fm_val_shape(g, inputs[0]).rank;
    int64_t axis = o->axis < 0 ? o->axis + rank : o->axis;
    if (axis < 1 || axis >= rank) {
        return fm_graph_fail(g, FM_ERROR_ARGUMENT,
                             "axis %lld does not lie behind the batch of the shape %s",
                             (long long)o->axis,
                             fm_shape_text(fm_val_shape(g, inputs[0]), (char[FM_SHAPE_TEXT]){0}));
    }
    if (!check_shapes(g, inputs, count, (int)axis)) return (fm_val){0};
    return fm_concat(g, inputs, count, (int)axis);
}

#define LAYER(kind, doc, most)                                                                     \
    const fm_layer_record fm_layer_##kind = {#kind, doc,  fm_name_fields, sizeof(fm_name_options), \
                                             2,     most, build_##kind};
LAYER(add, "the sum of the branches", FM_MAX_INPUTS)
LAYER(multiply, "the product of the branches", FM_MAX_INPUTS)
LAYER(subtract, "the first branch without the second", 2)
LAYER(average, "the mean of the branches", FM_MAX_INPUTS)
LAYER(maximum, "the largest of the branches", FM_MAX_INPUTS)
LAYER(minimum, "the smallest of the branches", FM_MAX_INPUTS)

static const fm_field concatenate_fields[] = {
    FM_NAME_FIELD(fm_concatenate_options),
    FM_FIELD(fm_concatenate_options, axis, FM_FIELD_INT, "not 0, the batch", .default_value = -1,
             .minimum = -FM_MAX_RANK, .maximum = FM_MAX_RANK - 1),
    {.name = NULL}};
const fm_layer_record fm_layer_concatenate = {"concatenate",
                                              "the branches one behind the other",
                                              concatenate_fields,
                                              sizeof(fm_concatenate_options),
                                              2,
                                              FM_MAX_INPUTS,
                                              build_concatenate};

fm_val fm_concatenate_with(fm_graph *g, const fm_val *values, int count,
                           const fm_concatenate_options *options)
{
    return fm_layer_build(g, &fm_layer_concatenate, values, count, options);
}

fm_val fm_merge(fm_graph *g, fm_merge_kind kind, const fm_val *values, int count)
{
    static const fm_layer_record *const merges[] = {
        [FM_MERGE_ADD] = &fm_layer_add,           [FM_MERGE_MULTIPLY] = &fm_layer_multiply,
        [FM_MERGE_SUBTRACT] = &fm_layer_subtract, [FM_MERGE_AVERAGE] = &fm_layer_average,
        [FM_MERGE_MAXIMUM] = &fm_layer_maximum,   [FM_MERGE_MINIMUM] = &fm_layer_minimum,
    };
    if ((unsigned)kind > FM_MERGE_MINIMUM) {
        return fm_graph_fail(g, FM_ERROR_ARGUMENT, "there is no merge number %d", (int)kind);
    }
    return fm_layer_build(g, merges[kind], values, count, NULL);
}
