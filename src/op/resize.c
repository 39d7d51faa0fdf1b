/* Resampling, one axis after the other, as selections with constant positions and weights. */
#include "op/op_tools.h"
#include "fathom/vision_ops.h"
#include "ir/ir.h"

#include <string.h>

/* Fails in words unless x is an image and size fits it. */
static bool check_size(fm_graph *g, const char *name, fm_val x, const fm_ints *size)
{
    if (x.id == 0) return false;
    fm_shape shape = fm_val_shape(g, x);
    bool fits = shape.rank >= 3 && shape.rank <= 5 && size->count == shape.rank - 2 &&
                fm_dtype_is_real(fm_val_dtype(g, x));
    for (int d = 0; fits && d < size->count; d++) {
        fits = size->at[d] >= 1 && size->at[d] <= INT32_MAX && shape.dims[d + 1] >= 1 &&
               shape.dims[d + 1] <= INT32_MAX;
    }
    if (fits) return true;
    fm_graph_fail(g, FM_ERROR_SHAPE,
                  "%s: x must be (n, spatial..., channels) of f32 or f64 with 1 to 3 spatial "
                  "dimensions, and size must have an entry of at least 1 for each; received %s %s "
                  "and a size of %s",
                  name, fm_dtype_name(fm_val_dtype(g, x)),
                  fm_shape_text(shape, (char[FM_SHAPE_TEXT]){0}),
                  fm_shape_text(fm_ints_shape(*size), (char[FM_SHAPE_TEXT]){0}));
    return false;
}

static fm_val memory_ran_out(fm_graph *g)
{
    if (g->status == FM_OK) g->status = FM_ERROR_MEMORY;
    return (fm_val){0};
}

static fm_val nearest_along(fm_graph *g, fm_val x, int axis, int64_t size)
{
    int64_t extent = fm_val_shape(g, x).dims[axis];
    int32_t *positions = fm_allocate_array(g->context, (size_t)size, sizeof *positions);
    if (!positions) return memory_ran_out(g);
    for (int64_t o = 0; o < size; o++) positions[o] = (int32_t)(o * extent / size);
    fm_val y = fm_take(g, x, axis, positions, size);
    fm_release(g->context, positions);
    return y;
}

fm_val fm_resize_nearest(fm_graph *g, fm_val x, fm_ints size)
{
    if (!check_size(g, "resize_nearest", x, &size)) return (fm_val){0};
    for (int d = 0; d < size.count && x.id; d++) {
        if (fm_val_shape(g, x).dims[d + 1] != size.at[d])
            x = nearest_along(g, x, d + 1, size.at[d]);
    }
    return x;
}

typedef struct blend {
    int32_t *low, *high; /* the two neighbours of each source */
    double *weights;     /* of the upper one */
} blend;

/* The source of o is (o + 0.5) extent / size - 0.5, clamped to the edge. */
static void find_sources(int64_t extent, int64_t size, blend *b)
{
    for (int64_t o = 0; o < size; o++) {
        double source = ((double)o + 0.5) * (double)extent / (double)size - 0.5;
        if (source < 0) source = 0;
        if (source > (double)(extent - 1)) source = (double)(extent - 1);
        b->low[o] = (int32_t)source;
        b->high[o] = b->low[o] + (b->low[o] < extent - 1);
        b->weights[o] = source - (double)b->low[o];
    }
}

/* (size, 1, ...): along `axis` of x. */
static fm_val weights_along(fm_graph *g, fm_val x, int axis, int64_t size, double *weights)
{
    fm_shape shape = {.rank = fm_val_shape(g, x).rank - axis, .dims = {size}};
    fm_dtype dtype = fm_val_dtype(g, x);
    for (int i = 1; i < shape.rank; i++) shape.dims[i] = 1;
    for (int64_t i = 0; dtype == FM_F32 && i < size; i++) { /* in place */
        float narrow = (float)weights[i];
        memcpy((char *)weights + i * (int64_t)sizeof narrow, &narrow, sizeof narrow);
    }
    return fm_constant(g, dtype, shape, weights);
}

static fm_val linear_along(fm_graph *g, fm_val x, int axis, int64_t size)
{
    fm_context *context = g->context;
    blend b = {.low = fm_allocate_array(context, (size_t)size, sizeof *b.low),
               .high = fm_allocate_array(context, (size_t)size, sizeof *b.high),
               .weights = fm_allocate_array(context, (size_t)size, sizeof *b.weights)};
    fm_val y = {0};
    if (b.low && b.high && b.weights) {
        find_sources(fm_val_shape(g, x).dims[axis], size, &b);
        fm_val low = fm_take(g, x, axis, b.low, size), high = fm_take(g, x, axis, b.high, size);
        fm_val weights = weights_along(g, x, axis, size, b.weights);
        y = fm_add(g, low, fm_mul(g, fm_sub(g, high, low), weights));
    } else {
        y = memory_ran_out(g);
    }
    fm_release(context, b.low);
    fm_release(context, b.high);
    fm_release(context, b.weights);
    return y;
}

fm_val fm_resize_linear(fm_graph *g, fm_val x, fm_ints size)
{
    if (!check_size(g, "resize_linear", x, &size)) return (fm_val){0};
    for (int d = 0; d < size.count && x.id; d++) {
        if (fm_val_shape(g, x).dims[d + 1] != size.at[d]) x = linear_along(g, x, d + 1, size.at[d]);
    }
    return x;
}
