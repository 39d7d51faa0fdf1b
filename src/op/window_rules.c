#include "op/window_rules.h"
#include "base/checked.h"
#include "op/op_tools.h"

fm_status fm_infer_image(const fm_infer *infer, int i)
{
    int rank = infer->shapes[i].rank;
    if (rank >= 3 && rank <= FM_MAX_SPATIAL + 2) return FM_OK;
    return fm_infer_fail(infer,
                         "operand %d must be (n, spatial..., channels) with 1 to %d spatial "
                         "dimensions",
                         i + 1, FM_MAX_SPATIAL);
}

fm_ints fm_spatial_of(fm_shape image)
{
    fm_ints spatial = {.count = image.rank - 2};
    for (int d = 0; d < spatial.count; d++) spatial.at[d] = image.dims[d + 1];
    return spatial;
}

fm_shape fm_image_shape(int64_t n, fm_ints spatial, int64_t channels)
{
    fm_shape shape = {.rank = spatial.count + 2, .dims = {n}};
    for (int d = 0; d < spatial.count; d++) shape.dims[d + 1] = spatial.at[d];
    shape.dims[spatial.count + 1] = channels;
    return shape;
}

static void complete_list(fm_ints *list, int spatial, int64_t number)
{
    if (list->count > 0) return;
    for (int d = 0; d < spatial; d++) list->at[list->count++] = number;
}

fm_window fm_window_complete(const fm_window *window, int spatial)
{
    fm_window complete = window ? *window : (fm_window){0};
    if (spatial > FM_MAX_SPATIAL) spatial = FM_MAX_SPATIAL; /* infer refuses it in words */
    complete_list(&complete.strides, spatial, 1);
    complete_list(&complete.dilations, spatial, 1);
    complete_list(&complete.padding_begin, spatial, 0);
    complete_list(&complete.padding_end, spatial, 0);
    return complete;
}

fm_status fm_infer_list(const fm_infer *infer, const fm_ints *list, const char *name, int spatial,
                        int64_t least)
{
    if (list->count != spatial) {
        return fm_infer_fail(infer,
                             "%s must have %d %s, one for each spatial dimension, but has %d", name,
                             spatial, spatial == 1 ? "entry" : "entries", list->count);
    }
    for (int d = 0; d < spatial; d++) {
        if (list->at[d] >= least) continue;
        return fm_infer_fail(infer, "%s must be at least %lld, received %lld", name,
                             (long long)least, (long long)list->at[d]);
    }
    return FM_OK;
}

static fm_status check_lists(const fm_infer *infer, const fm_window *window, int spatial,
                             const fm_ints *size)
{
    fm_status status = fm_infer_list(infer, &window->strides, "strides", spatial, 1);
    if (status == FM_OK) status = fm_infer_list(infer, &window->dilations, "dilations", spatial, 1);
    if (status == FM_OK)
        status = fm_infer_list(infer, &window->padding_begin, "padding_begin", spatial, 0);
    if (status == FM_OK)
        status = fm_infer_list(infer, &window->padding_end, "padding_end", spatial, 0);
    if (status == FM_OK) status = fm_infer_list(infer, size, "kernel_size", spatial, 1);
    return status;
}

/* Whether a window that begins at `begin` < x has a place in [0, x). */
static bool sees(int64_t begin, int64_t size, int64_t dilation, int64_t x)
{
    if (begin >= 0) return begin < x;
    int64_t place = (-begin + dilation - 1) / dilation;
    return place < size && begin + place * dilation < x;
}

/* One dimension: the number of windows; every one must see a part of x. */
static fm_status count_windows(const fm_infer *infer, const fm_window *window, int d, int64_t x,
                               int64_t size, int64_t *count)
{
    int64_t stride = window->strides.at[d], dilation = window->dilations.at[d];
    int64_t begin = window->padding_begin.at[d], end = window->padding_end.at[d], covered, padded;
    bool fits = fm_checked_mul_i64(size - 1, dilation, &covered) &&
                fm_checked_add_i64(covered, 1, &covered) && fm_checked_add_i64(x, begin, &padded) &&
                fm_checked_add_i64(padded, end, &padded) && padded <= INT32_MAX &&
                stride <= INT32_MAX;
    if (!fits)
        return fm_infer_fail(infer, "the padded extent of spatial dimension %d is too large", d);
    if (padded < covered) {
        return fm_infer_fail(infer,
                             "the window covers %lld positions of spatial dimension %d, but with "
                             "its padding x has only %lld there",
                             (long long)covered, d, (long long)padded);
    }
    *count = (padded - covered) / stride + 1;
    bool all = sees((*count - 1) * stride - begin, size, dilation, x);
    for (int64_t o = 0; all && o < *count && o * stride < begin; o++) {
        all = sees(o * stride - begin, size, dilation, x);
    }
    if (all) return FM_OK;
    return fm_infer_fail(infer,
                         "a window lies wholly in the padding of spatial dimension %d: extent "
                         "%lld, padding %lld and %lld, kernel %lld, dilation %lld",
                         d, (long long)x, (long long)begin, (long long)end, (long long)size,
                         (long long)dilation);
}

fm_status fm_window_outputs(const fm_infer *infer, const fm_window *window, fm_ints x, fm_ints size,
                            fm_ints *outputs)
{
    fm_status status = check_lists(infer, window, x.count, &size);
    outputs->count = x.count;
    for (int d = 0; status == FM_OK && d < x.count; d++) {
        status = count_windows(infer, window, d, x.at[d], size.at[d], &outputs->at[d]);
    }
    return status;
}

kernel_window fm_kernel_window(const fm_window *window, fm_ints x, fm_ints y, fm_ints size)
{
    kernel_window w = {.x = {1, 1, 1},
                       .y = {1, 1, 1},
                       .size = {1, 1, 1},
                       .stride = {1, 1, 1},
                       .dilation = {1, 1, 1}};
    for (int d = 0, k = KERNEL_SPATIAL - x.count; d < x.count; d++, k++) {
        w.x[k] = x.at[d];
        w.y[k] = y.at[d];
        w.size[k] = d < size.count ? size.at[d] : 1;
        w.stride[k] = d < window->strides.count ? window->strides.at[d] : 1;
        w.dilation[k] = d < window->dilations.count ? window->dilations.at[d] : 1;
        w.begin[k] = d < window->padding_begin.count ? window->padding_begin.at[d] : 0;
    }
    return w;
}
