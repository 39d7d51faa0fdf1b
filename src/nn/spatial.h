/* What layers over space share: the input's shape, lists with an entry for each dimension,
 * windows. */
#ifndef FM_NN_SPATIAL_H
#define FM_NN_SPATIAL_H

#include "fathom/nn_vision.h"
#include "fathom/vision_ops.h"
#include "nn/layer.h"

enum { FM_MAX_SPATIAL = 3 };

/* x (batch, dims..., channels) */
typedef struct fm_spatial {
    fm_shape shape;
    int rank; /* how many dims: 1 to 3 */
    int64_t channels;
} fm_spatial;

/* `rank` spatial dimensions are wanted, 0: one to three. The mistake shows what is wanted. */
bool fm_spatial_read(fm_graph *g, fm_val x, int rank, fm_spatial *s);
static inline int64_t fm_spatial_dim(const fm_spatial *s, int i)
{
    return s->shape.dims[i + 1];
}
/* What sees several steps at once cannot read a sequence piece by piece: a mistake in a stream. */
bool fm_spatial_whole(fm_graph *g);
/* Over all of space, of a sequence with a mask over its real steps (0 without any). */
fm_val fm_spatial_mean(fm_graph *g, fm_val x, const fm_spatial *s, bool keep_dims);
/* {1, ..., rank}: the axes of space. */
fm_ints fm_spatial_axes(const fm_spatial *s);

/* `given` with an entry for each dimension; without entries all are `usual`, and where that is 0
 * the option `name` is needed. */
bool fm_spatial_list(fm_graph *g, const char *name, const fm_ints *given, int rank, int64_t usual,
                     fm_ints *list);
/* Numbers for the sides: one for all, one for each dimension, or two for each. */
bool fm_spatial_sides(fm_graph *g, const char *name, const fm_ints *given, int rank, int64_t usual,
                      fm_ints *before, fm_ints *after);

/* What options say about a window; `size` is complete. */
typedef struct fm_window_request {
    const char *what; /* "kernel", "window" */
    fm_ints size;
    const fm_ints *strides, *pad, *dilations; /* dilations may be NULL */
    int padding;
    bool stride_is_size; /* the default stride */
} fm_window_request;

/* The window over s with paddings worked out; a window that does not fit is a mistake. */
bool fm_spatial_window(fm_graph *g, const fm_spatial *s, const fm_window_request *request,
                       fm_window *window);

/* The mask of y, windows over x of `size` elements along time: where no zeros stand at the ends,
 * windows are real that see real steps alone. (Where y has x's steps the layer passes the mask
 * on.) */
void fm_spatial_mask(fm_graph *g, fm_val x, fm_val y, int64_t size, const fm_window *window);

/* (size - 1) dilation + 1 */
static inline int64_t fm_window_extent(int64_t size, int64_t dilation)
{
    return (size - 1) * dilation + 1;
}

extern const char *const fm_padding_choices[];

#define FM_SPATIAL_LIST(type_, member_, doc_, ...)                                                 \
    FM_FIELD(type_, member_, FM_FIELD_INTS, doc_, .minimum = 1, .maximum = 1e9, __VA_ARGS__)
#define FM_SPATIAL_SIDES(type_, member_, doc_)                                                     \
    FM_FIELD(type_, member_, FM_FIELD_INTS, doc_, .minimum = 0, .maximum = 1e9)
#define FM_PADDING_FIELDS(type_)                                                                   \
    FM_FIELD(type_, padding, FM_FIELD_ENUM, "zeros at the border: none, or ceil(x / stride) out",  \
             .choices = fm_padding_choices),                                                       \
        FM_SPATIAL_SIDES(type_, pad,                                                               \
                         "zeros in numbers: for all sides, each dimension, or two each")

/* A record whose build function knows the number of spatial dimensions: `build` takes it last. */
#define FM_SPATIAL_RECORD(kind, suffix, doc_, fields_, options_, rank, build_)                     \
    static fm_val build_##kind##suffix(fm_graph *g, const fm_val *inputs, int count,               \
                                       const void *options)                                        \
    {                                                                                              \
        (void)count;                                                                               \
        return build_(g, inputs[0], options, rank);                                                \
    }                                                                                              \
    const fm_layer_record fm_layer_##kind##suffix = {                                              \
        #kind #suffix, doc_, fields_, sizeof(options_), 1, 1, build_##kind##suffix};
#define FM_SPATIAL_WITH(kind, options_)                                                            \
    fm_val fm_##kind##_with(fm_graph *g, fm_val x, const options_ *options)                        \
    {                                                                                              \
        return fm_layer_build(g, &fm_layer_##kind, &x, 1, options);                                \
    }

#endif
