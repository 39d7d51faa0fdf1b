/* Pooling: over windows, over all of space, to a given size. */
#include "nn/spatial.h"

#include <float.h>

/* ---- windows --------------------------------------------------------------------------------- */

typedef fm_val pool_builder(fm_graph *g, fm_val x, const fm_pool *pool);

static fm_val pooled(fm_graph *g, fm_val x, const fm_pooling_options *o, int rank,
                     pool_builder *build)
{
    fm_spatial s;
    fm_pool pool = {.count_padding = o->count_padding};
    if (o->padding == FM_PADDING_CAUSAL) {
        return fm_graph_fail(g, FM_ERROR_ARGUMENT, "padding: causal is for convolutions");
    }
    if (!fm_spatial_read(g, x, rank, &s) || !fm_spatial_whole(g) ||
        !fm_spatial_list(g, "pool_size", &o->pool_size, rank, 2, &pool.kernel_size)) {
        return (fm_val){0};
    }
    const fm_window_request request = {.what = "window",
                                       .size = pool.kernel_size,
                                       .strides = &o->strides,
                                       .pad = &o->pad,
                                       .padding = o->padding,
                                       .stride_is_size = true};
    if (!fm_spatial_window(g, &s, &request, &pool.window)) return (fm_val){0};
    fm_val y = build(g, x, &pool);
    fm_spatial_mask(g, x, y, pool.kernel_size.at[0], &pool.window);
    return y;
}

static fm_val max_pooled(fm_graph *g, fm_val x, const fm_pooling_options *o, int rank)
{
    return pooled(g, x, o, rank, fm_max_pool);
}

static fm_val average_pooled(fm_graph *g, fm_val x, const fm_pooling_options *o, int rank)
{
    return pooled(g, x, o, rank, fm_average_pool);
}

/* ---- all of space ---------------------------------------------------------------------------- */

fm_val fm_spatial_mean(fm_graph *g, fm_val x, const fm_spatial *s, bool keep_dims)
{
    const fm_ints axes = fm_spatial_axes(s);
    fm_val mask = fm_mask_of(g, x);
    if (!mask.id) return fm_mean(g, x, axes, keep_dims);
    fm_val real = fm_mask_spread(g, mask, s->shape.rank);
    fm_val steps = fm_maximum(g, fm_sum(g, real, axes, keep_dims), fm_scalar(g, 1));
    double beside = 1; /* positions of a step */
    for (int i = 1; i < s->rank; i++) beside *= (double)fm_spatial_dim(s, i);
    fm_val sum = fm_sum(g, fm_mul(g, x, real), axes, keep_dims);
    return fm_div(g, sum, beside > 1 ? fm_mul_scalar(g, steps, beside) : steps);
}

static fm_val masked_max(fm_graph *g, fm_val x, fm_val mask, const fm_spatial *s, bool keep_dims)
{
    const fm_ints axes = fm_spatial_axes(s);
    fm_val real = fm_mask_spread(g, mask, s->shape.rank);
    fm_val largest = fm_where(g, real, x, fm_scalar(g, -FLT_MAX));
    fm_val any = fm_reduce_max(g, real, axes, keep_dims);
    return fm_mul(g, fm_reduce_max(g, largest, axes, keep_dims), any);
}

static fm_val global_average(fm_graph *g, fm_val x, const fm_global_pooling_options *o, int rank)
{
    fm_spatial s;
    if (!fm_spatial_read(g, x, rank, &s) || !fm_spatial_whole(g)) return (fm_val){0};
    return fm_spatial_mean(g, x, &s, o->keep_dims);
}

static fm_val global_max(fm_graph *g, fm_val x, const fm_global_pooling_options *o, int rank)
{
    fm_spatial s;
    if (!fm_spatial_read(g, x, rank, &s) || !fm_spatial_whole(g)) return (fm_val){0};
    fm_val mask = fm_mask_of(g, x);
    return mask.id ? masked_max(g, x, mask, &s, o->keep_dims)
                   : fm_reduce_max(g, x, fm_spatial_axes(&s), o->keep_dims);
}

/* ---- a given size ---------------------------------------------------------------------------- */

static fm_val adapted(fm_graph *g, fm_val x, const fm_adaptive_pooling_options *o,
                      pool_builder *build)
{
    fm_spatial s;
    fm_pool pool = {0};
    if (!fm_spatial_read(g, x, 0, &s) || !fm_spatial_whole(g) ||
        !fm_spatial_list(g, "output_size", &o->output_size, s.rank, 0, &pool.output_size)) {
        return (fm_val){0};
    }
    for (int i = 0; i < s.rank; i++) {
        if (pool.output_size.at[i] <= fm_spatial_dim(&s, i)) continue;
        return fm_graph_fail(g, FM_ERROR_SHAPE,
                             "output_size %lld is larger than axis %d of the input, received %s",
                             (long long)pool.output_size.at[i], i + 1,
                             fm_shape_text(s.shape, (char[FM_SHAPE_TEXT]){0}));
    }
    return build(g, x, &pool);
}

static fm_val adapted_average(fm_graph *g, fm_val x, const fm_adaptive_pooling_options *o, int rank)
{
    (void)rank;
    return adapted(g, x, o, fm_average_pool);
}

static fm_val adapted_max(fm_graph *g, fm_val x, const fm_adaptive_pooling_options *o, int rank)
{
    (void)rank;
    return adapted(g, x, o, fm_max_pool);
}

/* ---- records --------------------------------------------------------------------------------- */

#define WINDOW                                                                                     \
    FM_SPATIAL_LIST(fm_pooling_options, pool_size, "positions of a window; default 2"),            \
        FM_SPATIAL_LIST(fm_pooling_options, strides, "steps between windows; default pool_size"),  \
        FM_PADDING_FIELDS(fm_pooling_options)
static const fm_field max_fields[] = {FM_NAME_FIELD(fm_pooling_options), WINDOW, {.name = NULL}};
static const fm_field average_fields[] = {FM_NAME_FIELD(fm_pooling_options),
                                          WINDOW,
                                          FM_FIELD(fm_pooling_options, count_padding, FM_FIELD_BOOL,
                                                   "padding counts as zeros in the mean"),
                                          {.name = NULL}};
static const fm_field global_fields[] = {
    FM_NAME_FIELD(fm_global_pooling_options),
    FM_FIELD(fm_global_pooling_options, keep_dims, FM_FIELD_BOOL, "leave the dimensions as 1"),
    {.name = NULL}};
static const fm_field adaptive_fields[] = {FM_NAME_FIELD(fm_adaptive_pooling_options),
                                           FM_SPATIAL_LIST(fm_adaptive_pooling_options, output_size,
                                                           "positions of the output",
                                                           .required = true),
                                           {.name = NULL}};

#define POOLING(kind, rank, doc, fields, build)                                                    \
    FM_SPATIAL_RECORD(kind##_pooling, rank##d, doc, fields, fm_pooling_options, rank, build)       \
    FM_SPATIAL_WITH(kind##_pooling##rank##d, fm_pooling_options)
POOLING(max, 1, "the largest of each window", max_fields, max_pooled)
POOLING(max, 2, "the largest of each window", max_fields, max_pooled)
POOLING(max, 3, "the largest of each window", max_fields, max_pooled)
POOLING(average, 1, "the mean of each window", average_fields, average_pooled)
POOLING(average, 2, "the mean of each window", average_fields, average_pooled)
POOLING(average, 3, "the mean of each window", average_fields, average_pooled)

#define GLOBAL(kind, suffix, rank)                                                                 \
    FM_SPATIAL_RECORD(global_##kind##_pooling, suffix,                                             \
                      "the " #kind " over space, for each channel", global_fields,                 \
                      fm_global_pooling_options, rank, global_##kind)
#define GLOBALS(kind)                                                                              \
    GLOBAL(kind, , 0)                                                                              \
    GLOBAL(kind, 1d, 1)                                                                            \
    GLOBAL(kind, 2d, 2)                                                                            \
    GLOBAL(kind, 3d, 3)                                                                            \
    FM_SPATIAL_WITH(global_##kind##_pooling, fm_global_pooling_options)
GLOBALS(average)
GLOBALS(max)

#define ADAPTIVE(kind)                                                                             \
    FM_SPATIAL_RECORD(adaptive_##kind##_pooling, ,                                                 \
                      "the " #kind " of windows that cut space evenly", adaptive_fields,           \
                      fm_adaptive_pooling_options, 0, adapted_##kind)                              \
    FM_SPATIAL_WITH(adaptive_##kind##_pooling, fm_adaptive_pooling_options)
ADAPTIVE(average)
ADAPTIVE(max)
