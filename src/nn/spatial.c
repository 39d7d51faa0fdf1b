#include "nn/spatial.h"
#include "ir/ir.h"

#include <stdio.h>

const char *const fm_padding_choices[] = {"valid", "same", "causal", NULL};

/* ---- the input ------------------------------------------------------------------------------- */

static bool fail_rank(fm_graph *g, fm_shape shape, int rank)
{
    static const char *const wanted[FM_MAX_SPATIAL + 1] = {
        "(batch, spatial..., channels) with 1 to 3 spatial dimensions", "(batch, steps, channels)",
        "(batch, height, width, channels)", "(batch, depth, height, width, channels)"};
    char received[FM_SHAPE_TEXT], hint[FM_SHAPE_TEXT + 64] = "";
    fm_shape_text(shape, received);
    if (rank > 0 && shape.rank == rank + 1) {
        int used = snprintf(hint, sizeof hint, "; for one channel put `- reshape: [");
        for (int i = 1; i < shape.rank; i++) {
            used += snprintf(hint + used, sizeof hint - (size_t)used, "%lld, ",
                             (long long)shape.dims[i]);
        }
        snprintf(hint + used, sizeof hint - (size_t)used, "1]` in front");
    }
    fm_graph_fail(g, FM_ERROR_SHAPE, "the input must be %s, received %s%s", wanted[rank], received,
                  hint);
    return false;
}

bool fm_spatial_read(fm_graph *g, fm_val x, int rank, fm_spatial *s)
{
    fm_shape shape = fm_val_shape(g, x);
    *s = (fm_spatial){.shape = shape, .rank = shape.rank - 2};
    bool fits = rank ? s->rank == rank : s->rank >= 1 && s->rank <= FM_MAX_SPATIAL;
    if (!fits) return fail_rank(g, shape, rank);
    s->channels = shape.dims[shape.rank - 1];
    return true;
}

bool fm_spatial_whole(fm_graph *g)
{
    if (fm_graph_stream_length(g) == 0) return true;
    fm_graph_fail(g, FM_ERROR_UNSUPPORTED,
                  "what sees several steps at once needs the whole sequence: it cannot read a "
                  "stream; of these, convolutions of stride 1 with `padding: causal` can");
    return false;
}

fm_ints fm_spatial_axes(const fm_spatial *s)
{
    fm_ints axes = {.count = s->rank};
    for (int i = 0; i < s->rank; i++) axes.at[i] = i + 1;
    return axes;
}

/* ---- lists ----------------------------------------------------------------------------------- */

bool fm_spatial_list(fm_graph *g, const char *name, const fm_ints *given, int rank, int64_t usual,
                     fm_ints *list)
{
    if (given->count == 0 && usual == 0) {
        fm_graph_fail(g, FM_ERROR_ARGUMENT,
                      "%s is needed: one number, or one for each spatial dimension (%d)", name,
                      rank);
        return false;
    }
    if (given->count > 1 && given->count != rank) {
        fm_graph_fail(g, FM_ERROR_ARGUMENT,
                      "%s must have one entry or %d, one for each spatial dimension; received %d",
                      name, rank, given->count);
        return false;
    }
    *list = (fm_ints){.count = rank};
    for (int i = 0; i < rank; i++) {
        list->at[i] = given->count == 0 ? usual : given->at[given->count == 1 ? 0 : i];
    }
    return true;
}

bool fm_spatial_sides(fm_graph *g, const char *name, const fm_ints *given, int rank, int64_t usual,
                      fm_ints *before, fm_ints *after)
{
    *before = *after = (fm_ints){.count = rank};
    int count = given->count;
    if (count > 1 && count != rank && count != 2 * rank) {
        fm_graph_fail(g, FM_ERROR_ARGUMENT,
                      "%s must have 1 entry, %d (one for each spatial dimension) or %d (before and "
                      "behind each); received %d",
                      name, rank, 2 * rank, count);
        return false;
    }
    for (int i = 0; i < rank; i++) {
        int first = count <= 1      ? 0
                    : count == rank ? i
                                    : 2 * i,
            step = count == 2 * rank && count > 1;
        before->at[i] = count == 0 ? usual : given->at[first];
        after->at[i] = count == 0 ? usual : given->at[first + step];
    }
    return true;
}

/* ---- windows --------------------------------------------------------------------------------- */

/* ceil(x / stride) outputs; of an odd number of zeros one more lies behind (TensorFlow). */
static void pad_same(int64_t x, int64_t extent, int64_t stride, int64_t *before, int64_t *after)
{
    int64_t total = ((x + stride - 1) / stride - 1) * stride + extent - x;
    if (total < 0) total = 0;
    *before = total / 2;
    *after = total - *before;
}

static bool work_out_padding(fm_graph *g, const fm_spatial *s, const fm_window_request *r,
                             fm_window *w)
{
    if (r->pad->count > 0 && r->padding != FM_PADDING_VALID) {
        fm_graph_fail(g, FM_ERROR_ARGUMENT, "give padding: %s or numbers in pad, not both",
                      fm_padding_choices[r->padding]);
        return false;
    }
    if (r->padding == FM_PADDING_CAUSAL && s->rank != 1) {
        fm_graph_fail(g, FM_ERROR_ARGUMENT,
                      "padding: causal is for one spatial dimension, received %s",
                      fm_shape_text(s->shape, (char[FM_SHAPE_TEXT]){0}));
        return false;
    }
    if (!fm_spatial_sides(g, "pad", r->pad, s->rank, 0, &w->padding_begin, &w->padding_end)) {
        return false;
    }
    for (int i = 0; i < s->rank; i++) {
        int64_t extent = fm_window_extent(r->size.at[i], w->dilations.at[i]);
        if (r->padding == FM_PADDING_CAUSAL) w->padding_begin.at[i] = extent - 1;
        if (r->padding != FM_PADDING_SAME) continue;
        pad_same(fm_spatial_dim(s, i), extent, w->strides.at[i], &w->padding_begin.at[i],
                 &w->padding_end.at[i]);
    }
    return true;
}

static bool check_fit(fm_graph *g, const fm_spatial *s, const fm_window_request *r,
                      const fm_window *w)
{
    for (int i = 0; i < s->rank; i++) {
        int64_t extent = fm_window_extent(r->size.at[i], w->dilations.at[i]);
        int64_t space = fm_spatial_dim(s, i) + w->padding_begin.at[i] + w->padding_end.at[i];
        if (extent <= space) continue;
        fm_graph_fail(g, FM_ERROR_SHAPE,
                      "the %s covers %lld positions of axis %d, the input has %lld there: received "
                      "%s; a smaller %s or `padding: same` fits",
                      r->what, (long long)extent, i + 1, (long long)space,
                      fm_shape_text(s->shape, (char[FM_SHAPE_TEXT]){0}), r->what);
        return false;
    }
    return true;
}

bool fm_spatial_window(fm_graph *g, const fm_spatial *s, const fm_window_request *r,
                       fm_window *window)
{
    *window = (fm_window){.groups = 1};
    fm_ints one = {0};
    if (!fm_spatial_list(g, "strides", r->strides, s->rank, 1, &window->strides) ||
        !fm_spatial_list(g, "dilation_rate", r->dilations ? r->dilations : &one, s->rank, 1,
                         &window->dilations)) {
        return false;
    }
    if (r->stride_is_size && r->strides->count == 0) window->strides = r->size;
    return work_out_padding(g, s, r, window) && check_fit(g, s, r, window);
}

/* ---- masks ----------------------------------------------------------------------------------- */

/* `count` steps of a mask, `stride` apart. */
static fm_val steps_of(fm_graph *g, fm_val mask, int64_t first, int64_t stride, int64_t count)
{
    if (stride == 1) return fm_slice(g, mask, 1, first, first + count);
    int32_t *positions = fm_allocate_array(g->context, (size_t)count + 1, sizeof *positions);
    if (!positions) return fm_graph_fail_context(g);
    for (int64_t i = 0; i < count; i++) positions[i] = (int32_t)(first + i * stride);
    mask = fm_take(g, mask, 1, positions, count);
    fm_release(g->context, positions);
    return mask;
}

void fm_spatial_mask(fm_graph *g, fm_val x, fm_val y, int64_t size, const fm_window *window)
{
    fm_val mask = fm_mask_of(g, x);
    const int64_t last = fm_window_extent(size, window->dilations.at[0]) - 1;
    const int64_t stride = window->strides.at[0];
    bool zeros = window->padding_begin.at[0] || window->padding_end.at[0];
    bool same = last == 0 && stride == 1;
    if (!mask.id || !y.id || zeros || same || fm_graph_stream_length(g)) return;
    /* real steps are neighbours: a window's first and last tell of all */
    const int64_t windows = fm_val_shape(g, y).dims[1];
    mask =
        fm_mul(g, steps_of(g, mask, 0, stride, windows), steps_of(g, mask, last, stride, windows));
    fm_mask_set(g, y, mask);
}
