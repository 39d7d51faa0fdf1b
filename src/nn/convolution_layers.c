/* conv, depthwise_conv, separable_conv, conv_transpose in one to three dimensions. */
#include "nn/activation.h"
#include "nn/spatial.h"

typedef fm_convolution_options options_of;

/* One kernel of a layer: (size..., in, out). */
static fm_val make_kernel(fm_graph *g, const char *name, const options_of *o, fm_ints size,
                          int64_t in, int64_t out, const fm_initializer *initializer)
{
    fm_shape shape = {.rank = size.count + 2};
    for (int i = 0; i < size.count; i++) shape.dims[i] = size.at[i];
    shape.dims[size.count] = in;
    shape.dims[size.count + 1] = out;
    bool is_new;
    fm_val kernel = fm_parameter(
        g, name, shape, fm_initializer_choose(g, initializer, fm_glorot_uniform()), &is_new);
    if (is_new) fm_penalize(g, kernel, o->kernel_l1, o->kernel_l2);
    return kernel;
}

/* Padding reads as zeros, which is what stands around a sequence. */
static fm_val without_padding(fm_graph *g, fm_val x)
{
    fm_val mask = fm_mask_of(g, x);
    return mask.id ? fm_mul(g, x, fm_mask_spread(g, mask, fm_val_shape(g, x).rank)) : x;
}

/* The steps that the windows see. In a stream those that earlier pieces left stand in front, in the
 * place of the zeros of a causal window, which they are at the beginning. */
static fm_val seen_steps(fm_graph *g, fm_val x, int rank, int64_t size, fm_window *w)
{
    const int64_t before = fm_window_extent(size, w->dilations.at[0]) - 1;
    bool alone = before == 0 && w->strides.at[0] == 1;
    bool causal = rank == 1 && w->strides.at[0] == 1 && w->padding_begin.at[0] == before &&
                  w->padding_end.at[0] == 0;
    x = without_padding(g, x);
    if (fm_graph_stream_length(g) == 0 || alone || !x.id) return x;
    if (!causal) return fm_spatial_whole(g) ? x : (fm_val){0};
    fm_shape shape = fm_val_shape(g, x);
    const int64_t steps = shape.dims[1];
    shape.dims[1] = before;
    fm_val earlier =
        fm_variable(g, "steps", fm_graph_dtype(g), shape, &(fm_variable_options){.carried = true});
    fm_val all = fm_concat(g, (fm_val[]){earlier, x}, 2, 1);
    fm_update(g, earlier, fm_slice(g, all, 1, steps, steps + before));
    w->padding_begin.at[0] = 0;
    return all;
}

static fm_val finish(fm_graph *g, fm_val y, const options_of *o)
{
    fm_val mask = fm_mask_of(g, y);
    if (!o->no_bias) y = fm_add_bias(g, y, &o->bias_initializer);
    y = fm_activate(g, y, o->activation);
    fm_mask_set(g, y, mask);
    return y;
}

/* size and window that the options mean over s. */
static bool read_window(fm_graph *g, const options_of *o, const fm_spatial *s, fm_ints *size,
                        fm_window *window)
{
    if (!fm_spatial_list(g, "kernel_size", &o->kernel_size, s->rank, 0, size)) return false;
    const fm_window_request request = {.what = "kernel",
                                       .size = *size,
                                       .strides = &o->strides,
                                       .pad = &o->pad,
                                       .dilations = &o->dilation_rate,
                                       .padding = o->padding};
    return fm_spatial_window(g, s, &request, window);
}

static bool check_groups(fm_graph *g, const fm_spatial *s, const options_of *o)
{
    if (s->channels % o->groups == 0 && o->filters % o->groups == 0) return true;
    fm_graph_fail(g, FM_ERROR_SHAPE,
                  "groups %lld must divide the channels, %lld, and the filters, %lld: received %s",
                  (long long)o->groups, (long long)s->channels, (long long)o->filters,
                  fm_shape_text(s->shape, (char[FM_SHAPE_TEXT]){0}));
    return false;
}

static fm_val convolution(fm_graph *g, fm_val x, const options_of *o, int rank)
{
    fm_spatial s;
    fm_ints size;
    fm_window window;
    if (!fm_spatial_read(g, x, rank, &s) || !check_groups(g, &s, o) ||
        !read_window(g, o, &s, &size, &window)) {
        return (fm_val){0};
    }
    window.groups = o->groups;
    fm_val kernel = make_kernel(g, "kernel", o, size, s.channels / o->groups, o->filters,
                                &o->kernel_initializer);
    fm_val y = fm_convolve(g, seen_steps(g, x, rank, size.at[0], &window), kernel, &window);
    fm_spatial_mask(g, x, y, size.at[0], &window);
    return finish(g, y, o);
}

static fm_val depthwise_product(fm_graph *g, fm_val x, const options_of *o, int rank,
                                const char *kernel_name)
{
    fm_spatial s;
    fm_ints size;
    fm_window window;
    if (!fm_spatial_read(g, x, rank, &s) || !read_window(g, o, &s, &size, &window)) {
        return (fm_val){0};
    }
    window.groups = s.channels;
    int64_t filters;
    if (__builtin_mul_overflow(s.channels, o->depth_multiplier, &filters)) {
        return fm_graph_fail(g, FM_ERROR_LIMIT, "%lld channels times depth_multiplier %lld",
                             (long long)s.channels, (long long)o->depth_multiplier);
    }
    fm_val kernel = make_kernel(g, kernel_name, o, size, 1, filters, &o->kernel_initializer);
    fm_val y = fm_convolve(g, seen_steps(g, x, rank, size.at[0], &window), kernel, &window);
    fm_spatial_mask(g, x, y, size.at[0], &window);
    return y;
}

static fm_val depthwise(fm_graph *g, fm_val x, const options_of *o, int rank)
{
    return finish(g, depthwise_product(g, x, o, rank, "kernel"), o);
}

static fm_val separable(fm_graph *g, fm_val x, const options_of *o, int rank)
{
    fm_val y = depthwise_product(g, x, o, rank, "depthwise_kernel");
    if (!y.id) return y;
    fm_shape shape = fm_val_shape(g, y);
    fm_ints point = {rank, {1, 1, 1}};
    fm_val kernel = make_kernel(g, "pointwise_kernel", o, point, shape.dims[rank + 1], o->filters,
                                &o->pointwise_initializer);
    fm_val mask = fm_mask_of(g, y);
    y = fm_convolve(g, y, kernel, &(fm_window){0});
    fm_mask_set(g, y, mask);
    return finish(g, y, o);
}

/* ---- transposed ------------------------------------------------------------------------------ */

/* The size whose convolution has x positions, and that convolution's padding. */
static int64_t transposed_size(const options_of *o, int64_t x, int64_t extent, int64_t stride,
                               int64_t behind, int64_t *before, int64_t *after)
{
    int64_t whole = (x - 1) * stride + extent;
    if (o->pad.count > 0) return whole - *before - *after + behind;
    int64_t size = o->padding == FM_PADDING_SAME ? x * stride
                   : extent < stride             ? whole + stride - extent
                                                 : whole;
    if (behind > 0) {
        size = (o->padding == FM_PADDING_SAME ? whole - 2 * (extent / 2) : whole) + behind;
    }
    int64_t total = whole > size ? whole - size : 0;
    *before = total / 2;
    *after = total - *before;
    return size;
}

static bool transposed_window(fm_graph *g, const options_of *o, const fm_spatial *s,
                              fm_ints *spatial, fm_ints size, fm_window *w)
{
    fm_ints behind;
    *w = (fm_window){.groups = 1};
    *spatial = (fm_ints){.count = s->rank};
    if (o->padding == FM_PADDING_CAUSAL || (o->pad.count > 0 && o->padding != FM_PADDING_VALID)) {
        fm_graph_fail(g, FM_ERROR_ARGUMENT,
                      "give padding: valid, padding: same, or numbers in pad");
        return false;
    }
    if (!fm_spatial_list(g, "strides", &o->strides, s->rank, 1, &w->strides) ||
        !fm_spatial_list(g, "dilation_rate", &o->dilation_rate, s->rank, 1, &w->dilations) ||
        !fm_spatial_sides(g, "pad", &o->pad, s->rank, 0, &w->padding_begin, &w->padding_end) ||
        !fm_spatial_list(g, "output_padding", &o->output_padding, s->rank, -1, &behind)) {
        return false;
    }
    for (int i = 0; i < s->rank; i++) {
        if (behind.at[i] >= w->strides.at[i]) {
            fm_graph_fail(g, FM_ERROR_ARGUMENT,
                          "output_padding %lld must be smaller than the stride, %lld",
                          (long long)behind.at[i], (long long)w->strides.at[i]);
            return false;
        }
        int64_t extent = fm_window_extent(size.at[i], w->dilations.at[i]);
        spatial->at[i] = transposed_size(o, fm_spatial_dim(s, i), extent, w->strides.at[i],
                                         behind.at[i] < 0 ? 0 : behind.at[i],
                                         &w->padding_begin.at[i], &w->padding_end.at[i]);
        if (spatial->at[i] >= 1) continue;
        fm_graph_fail(g, FM_ERROR_SHAPE, "pad leaves no positions of axis %d: received %s", i + 1,
                      fm_shape_text(s->shape, (char[FM_SHAPE_TEXT]){0}));
        return false;
    }
    return true;
}

static fm_val transposed(fm_graph *g, fm_val x, const options_of *o, int rank)
{
    fm_spatial s;
    fm_ints size, spatial;
    fm_window window;
    if (!fm_spatial_read(g, x, rank, &s) || !fm_spatial_whole(g) ||
        !fm_spatial_list(g, "kernel_size", &o->kernel_size, rank, 0, &size) ||
        !transposed_window(g, o, &s, &spatial, size, &window)) {
        return (fm_val){0};
    }
    fm_val kernel =
        make_kernel(g, "kernel", o, size, o->filters, s.channels, &o->kernel_initializer);
    x = without_padding(g, x);
    return finish(g, fm_convolve_transposed(g, x, kernel, spatial, &window), o);
}

/* ---- records --------------------------------------------------------------------------------- */

#define FIELD(member, kind, doc, ...)                                                              \
    FM_FIELD(fm_convolution_options, member, kind, doc, __VA_ARGS__)
#define LIST(member, doc, ...)   FM_SPATIAL_LIST(fm_convolution_options, member, doc, __VA_ARGS__)
#define INITIALIZER(member, doc) FM_INITIALIZER_FIELD(fm_convolution_options, member, doc)
#define COUNT(member, doc)                                                                         \
    FIELD(member, FM_FIELD_INT, doc, .default_value = 1, .minimum = 1, .maximum = 1e9)
#define FILTERS                                                                                    \
    FIELD(filters, FM_FIELD_INT, "channels of the output", .required = true, .minimum = 1,         \
          .maximum = 1e9)
#define WINDOW                                                                                     \
    LIST(strides, "steps between windows; default 1"), FM_PADDING_FIELDS(fm_convolution_options),  \
        LIST(dilation_rate, "steps between kernel elements; default 1")
#define END                                                                                        \
    FIELD(activation, FM_FIELD_ENUM, "applied to the sum", .choices = fm_activation_choices),      \
        {.name = "use_bias",                                                                       \
         .doc = "add a bias",                                                                      \
         .offset = offsetof(fm_convolution_options, no_bias),                                      \
         .type = FM_FIELD_NOT,                                                                     \
         .default_value = 1},                                                                      \
        INITIALIZER(kernel_initializer, "how the kernel starts; default glorot_uniform"),          \
        INITIALIZER(bias_initializer, "how the bias starts; default zeros"),                       \
        FIELD(kernel_l1, FM_FIELD_REAL, "penalty on the sum of |kernel|", .maximum = INFINITY),    \
        FIELD(kernel_l2, FM_FIELD_REAL, "penalty on the sum of kernel^2", .maximum = INFINITY),    \
    {                                                                                              \
        .name = NULL                                                                               \
    }
#define KERNEL_SIZE LIST(kernel_size, "positions of the kernel", .required = true)

static const fm_field convolution_fields[] = {FM_NAME_FIELD(fm_convolution_options),
                                              FILTERS,
                                              KERNEL_SIZE,
                                              WINDOW,
                                              COUNT(groups, "parts that do not see each other"),
                                              END};
static const fm_field depthwise_fields[] = {
    FM_NAME_FIELD(fm_convolution_options), KERNEL_SIZE, WINDOW,
    COUNT(depth_multiplier, "outputs for each channel"), END};
static const fm_field separable_fields[] = {
    FM_NAME_FIELD(fm_convolution_options),
    FILTERS,
    KERNEL_SIZE,
    WINDOW,
    COUNT(depth_multiplier, "channels between for each channel"),
    INITIALIZER(pointwise_initializer, "how the second kernel starts; default glorot_uniform"),
    END};
static const fm_field transposed_fields[] = {
    FM_NAME_FIELD(fm_convolution_options),
    FILTERS,
    KERNEL_SIZE,
    WINDOW,
    FM_SPATIAL_SIDES(fm_convolution_options, output_padding,
                     "positions added behind; default none"),
    END};

#define RECORD(kind, suffix, doc, fields, rank, build)                                             \
    FM_SPATIAL_RECORD(kind, suffix, doc, fields, fm_convolution_options, rank, build)              \
    FM_SPATIAL_WITH(kind##suffix, fm_convolution_options)

RECORD(conv, 1d, "convolution over steps", convolution_fields, 1, convolution)
RECORD(conv, 2d, "convolution over height and width", convolution_fields, 2, convolution)
RECORD(conv, 3d, "convolution over depth, height and width", convolution_fields, 3, convolution)
RECORD(depthwise_conv, 1d, "each channel convolved alone", depthwise_fields, 1, depthwise)
RECORD(depthwise_conv, 2d, "each channel convolved alone", depthwise_fields, 2, depthwise)
RECORD(separable_conv, 1d, "each channel alone, then a mix of channels", separable_fields, 1,
       separable)
RECORD(separable_conv, 2d, "each channel alone, then a mix of channels", separable_fields, 2,
       separable)

/* The rank stands inside of these names. */
#define TRANSPOSED(rank_name, rank)                                                                \
    RECORD(conv##rank_name, _transpose, "the adjoint of a convolution: upwards",                   \
           transposed_fields, rank, transposed)
TRANSPOSED(1d, 1)
TRANSPOSED(2d, 2)
TRANSPOSED(3d, 3)
