/* Padding, cropping, up-sampling; whole channels dropped or weighed. */
#include "base/memory.h"
#include "nn/spatial.h"

typedef fm_val side_builder(fm_graph *g, fm_val x, int axis, int64_t before, int64_t after);

/* ---- borders --------------------------------------------------------------------------------- */

static fm_val each_side(fm_graph *g, fm_val x, const fm_border_options *o, int rank,
                        side_builder *build)
{
    fm_spatial s;
    fm_ints before, after;
    if (!fm_spatial_read(g, x, rank, &s) ||
        !fm_spatial_sides(g, "padding", &o->padding, s.rank, 1, &before, &after)) {
        return (fm_val){0};
    }
    for (int i = 0; i < s.rank && x.id; i++) {
        if (before.at[i] || after.at[i]) x = build(g, x, i + 1, before.at[i], after.at[i]);
    }
    return x;
}

static fm_val crop_side(fm_graph *g, fm_val x, int axis, int64_t before, int64_t after)
{
    fm_shape shape = fm_val_shape(g, x);
    int64_t size = shape.dims[axis];
    if (before + after >= size) {
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "cropping %lld and %lld of axis %d leaves nothing of %s",
                             (long long)before, (long long)after, axis,
                             fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    return fm_slice(g, x, axis, before, size - after);
}

/* positions[i]: the place of `i - before`, which may lie outside of [0, size). */
static fm_val take_side(fm_graph *g, fm_val x, int axis, int64_t before, int64_t after,
                        int64_t (*place)(int64_t i, int64_t size))
{
    fm_context *context = fm_graph_context(g);
    int64_t size = fm_val_shape(g, x).dims[axis], count = before + size + after;
    if (count > INT32_MAX)
        return fm_graph_fail(g, FM_ERROR_LIMIT, "%lld positions", (long long)count);
    int32_t *positions = fm_allocate_array(context, (size_t)count, sizeof *positions);
    if (!positions) return fm_graph_fail_context(g);
    for (int64_t i = 0; i < count; i++) positions[i] = (int32_t)place(i - before, size);
    fm_val y = fm_take(g, x, axis, positions, count);
    fm_release(context, positions);
    return y;
}

static int64_t reflected(int64_t i, int64_t size)
{
    return i < 0 ? -i : i < size ? i : 2 * size - 2 - i;
}

static int64_t nearest(int64_t i, int64_t size)
{
    return i < 0 ? 0 : i < size ? i : size - 1;
}

static fm_val reflect_side(fm_graph *g, fm_val x, int axis, int64_t before, int64_t after)
{
    fm_shape shape = fm_val_shape(g, x);
    if (before >= shape.dims[axis] || after >= shape.dims[axis]) {
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "a reflection reaches less far than axis %d is long, padding %lld and "
                             "%lld: received %s",
                             axis, (long long)before, (long long)after,
                             fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}));
    }
    return take_side(g, x, axis, before, after, reflected);
}

static fm_val replicate_side(fm_graph *g, fm_val x, int axis, int64_t before, int64_t after)
{
    return take_side(g, x, axis, before, after, nearest);
}

#define BORDER(kind, side)                                                                         \
    static fm_val kind(fm_graph *g, fm_val x, const fm_border_options *o, int rank)                \
    {                                                                                              \
        return each_side(g, x, o, rank, side);                                                     \
    }
BORDER(zero_padding, fm_pad)
BORDER(cropping, crop_side)
BORDER(reflect_padding, reflect_side)
BORDER(replicate_padding, replicate_side)

/* ---- sizes ----------------------------------------------------------------------------------- */

static fm_val up_sampling(fm_graph *g, fm_val x, const fm_up_sampling_options *o, int rank)
{
    fm_spatial s;
    fm_ints size;
    if (!fm_spatial_read(g, x, rank, &s) ||
        !fm_spatial_list(g, "size", &o->size, s.rank, 2, &size)) {
        return (fm_val){0};
    }
    for (int i = 0; i < s.rank; i++) {
        if (!__builtin_mul_overflow(size.at[i], fm_spatial_dim(&s, i), &size.at[i])) continue;
        return fm_graph_fail(g, FM_ERROR_LIMIT, "size is too large for %s",
                             fm_shape_text(s.shape, (char[FM_SHAPE_TEXT]){0}));
    }
    return o->interpolation == FM_UP_BILINEAR ? fm_resize_linear(g, x, size)
                                              : fm_resize_nearest(g, x, size);
}

/* ---- channels -------------------------------------------------------------------------------- */

/* A mask (batch, 1..., channels) of zeros and 1 / (1 - rate). */
static fm_val spatial_dropout(fm_graph *g, fm_val x, const fm_dropout_options *o, int rank)
{
    fm_spatial s;
    if (!fm_spatial_read(g, x, rank, &s)) return (fm_val){0};
    if (fm_graph_mode(g) != FM_TRAIN || o->rate == 0) return x;
    fm_shape mask = s.shape;
    for (int i = 0; i < s.rank; i++) mask.dims[i + 1] = 1;
    return fm_mul(g, x, fm_drop(g, fm_full(g, mask, 1), o->rate));
}

static fm_val build_squeeze_excite(fm_graph *g, const fm_val *inputs, int count,
                                   const void *options)
{
    (void)count;
    const fm_squeeze_excite_options *o = options;
    fm_spatial s;
    if (!fm_spatial_read(g, inputs[0], 0, &s) || !fm_spatial_whole(g)) return (fm_val){0};
    int64_t units = s.channels / o->ratio;
    fm_val weight = fm_spatial_mean(g, inputs[0], &s, true);
    weight = fm_dense(g, weight, .name = "reduce", .units = units > 0 ? units : 1,
                      .activation = FM_RELU);
    weight = fm_dense(g, weight, .name = "expand", .units = s.channels, .activation = FM_SIGMOID);
    return fm_mul(g, inputs[0], weight);
}

/* ---- records --------------------------------------------------------------------------------- */

static const char *const interpolations[] = {"nearest", "bilinear", NULL};

static const fm_field padding_fields[] = {
    FM_NAME_FIELD(fm_border_options),
    FM_SPATIAL_SIDES(fm_border_options, padding,
                     "for all sides, each dimension, or two each; default 1"),
    {.name = NULL}};
static const fm_field cropping_fields[] = {
    FM_NAME_FIELD(fm_border_options),
    {.name = "cropping",
     .doc = "for all sides, each dimension, or two each; default 1",
     .offset = offsetof(fm_border_options, padding),
     .type = FM_FIELD_INTS,
     .maximum = 1e9},
    {.name = NULL}};
static const fm_field up_sampling_fields[] = {
    FM_NAME_FIELD(fm_up_sampling_options),
    FM_SPATIAL_LIST(fm_up_sampling_options, size, "times as many positions; default 2"),
    FM_FIELD(fm_up_sampling_options, interpolation, FM_FIELD_ENUM, "what lies between",
             .choices = interpolations),
    {.name = NULL}};
static const fm_field spatial_dropout_fields[] = {FM_NAME_FIELD(fm_dropout_options),
                                                  FM_FIELD(fm_dropout_options, rate, FM_FIELD_REAL,
                                                           "share of channels that is dropped",
                                                           .required = true, .maximum = 0.999999),
                                                  {.name = NULL}};
static const fm_field squeeze_excite_fields[] = {
    FM_NAME_FIELD(fm_squeeze_excite_options),
    FM_FIELD(fm_squeeze_excite_options, ratio, FM_FIELD_INT, "channels for each inner unit",
             .default_value = 16, .minimum = 1, .maximum = 1e9),
    {.name = NULL}};

#define ANY_RANK(kind, doc, fields, options)                                                       \
    FM_SPATIAL_RECORD(kind, , doc, fields, options, 0, kind)                                       \
    FM_SPATIAL_WITH(kind, options)
#define EACH_RANK(kind, doc, fields, options)                                                      \
    ANY_RANK(kind, doc, fields, options)                                                           \
    FM_SPATIAL_RECORD(kind, 1d, doc, fields, options, 1, kind)                                     \
    FM_SPATIAL_RECORD(kind, 2d, doc, fields, options, 2, kind)                                     \
    FM_SPATIAL_RECORD(kind, 3d, doc, fields, options, 3, kind)
EACH_RANK(zero_padding, "zeros around space", padding_fields, fm_border_options)
ANY_RANK(reflect_padding, "the inside mirrored around space", padding_fields, fm_border_options)
ANY_RANK(replicate_padding, "the edge repeated around space", padding_fields, fm_border_options)
EACH_RANK(cropping, "space without its border", cropping_fields, fm_border_options)
EACH_RANK(up_sampling, "more positions by repetition or interpolation", up_sampling_fields,
          fm_up_sampling_options)
EACH_RANK(spatial_dropout, "zeros a share `rate` of the channels while training",
          spatial_dropout_fields, fm_dropout_options)

const fm_layer_record fm_layer_squeeze_excite = {"squeeze_excite",
                                                 "channels weighed by what all of space holds",
                                                 squeeze_excite_fields,
                                                 sizeof(fm_squeeze_excite_options),
                                                 1,
                                                 1,
                                                 build_squeeze_excite};
FM_SPATIAL_WITH(squeeze_excite, fm_squeeze_excite_options)
