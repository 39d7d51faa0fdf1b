#include "data/augment/resize_bytes.h"

#include <math.h>
#include <string.h>

enum { WEIGHT_BITS = 22, WEIGHT_HALF = 1 << (WEIGHT_BITS - 1) };

/* Result i is the sum of weights[i * most + k] * source[first[i] + k], k < count[i]. */
typedef struct filter {
    int64_t outputs, most;
    int64_t *first, *count;
    int32_t *weights;
} filter;

static void fill_weights(filter *f, int64_t i, double center, double scale, int64_t inputs)
{
    int64_t begin = (int64_t)(center - scale + 0.5), end = (int64_t)(center + scale + 0.5);
    if (begin < 0) begin = 0;
    if (end > inputs) end = inputs;
    double sum = 0;
    int32_t *weights = f->weights + i * f->most;
    for (int64_t x = begin; x < end; x++) {
        double distance = fabs(((double)x - center + 0.5) / scale);
        sum += distance < 1 ? 1 - distance : 0;
    }
    for (int64_t x = begin; x < end; x++) {
        double distance = fabs(((double)x - center + 0.5) / scale);
        double weight = distance < 1 && sum > 0 ? (1 - distance) / sum : 0;
        weights[x - begin] = (int32_t)(weight * (1 << WEIGHT_BITS) + 0.5);
    }
    f->first[i] = begin;
    f->count[i] = end - begin;
}

static fm_status make_filter(fm_context *context, int64_t inputs, double start, double length,
                             int64_t outputs, filter *f)
{
    double ratio = length / (double)outputs, scale = ratio > 1 ? ratio : 1;
    *f = (filter){.outputs = outputs, .most = 2 * (int64_t)ceil(scale) + 1};
    f->first = fm_allocate_array(context, (size_t)outputs, 2 * sizeof *f->first);
    f->weights = fm_allocate_array(context, (size_t)(outputs * f->most), sizeof *f->weights);
    if (!f->first || !f->weights) return fm_error_status(context);
    f->count = f->first + outputs;
    for (int64_t i = 0; i < outputs; i++) {
        fill_weights(f, i, start + ((double)i + 0.5) * ratio, scale, inputs);
    }
    return FM_OK;
}

static void release_filter(fm_context *context, filter *f)
{
    fm_release(context, f->first);
    fm_release(context, f->weights);
}

static inline uint8_t to_byte(int32_t sum)
{
    sum >>= WEIGHT_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* from (width, channels), to (outputs, channels) */
static void filter_row_3(const filter *f, const uint8_t *from, uint8_t *to)
{
    for (int64_t i = 0; i < f->outputs; i++) {
        const int32_t *weights = f->weights + i * f->most;
        const uint8_t *at = from + 3 * f->first[i];
        int32_t a = WEIGHT_HALF, b = WEIGHT_HALF, c = WEIGHT_HALF;
        for (int64_t k = 0; k < f->count[i]; k++, at += 3) {
            a += weights[k] * at[0];
            b += weights[k] * at[1];
            c += weights[k] * at[2];
        }
        to[3 * i] = to_byte(a);
        to[3 * i + 1] = to_byte(b);
        to[3 * i + 2] = to_byte(c);
    }
}

static void filter_row(const filter *f, const uint8_t *from, int64_t channels, uint8_t *to)
{
    for (int64_t i = 0; i < f->outputs; i++) {
        const int32_t *weights = f->weights + i * f->most;
        for (int64_t c = 0; c < channels; c++) {
            const uint8_t *at = from + f->first[i] * channels + c;
            int32_t sum = WEIGHT_HALF;
            for (int64_t k = 0; k < f->count[i]; k++) sum += weights[k] * at[k * channels];
            to[i * channels + c] = to_byte(sum);
        }
    }
}

/* One row of results from rows of `size` bytes. */
static void filter_columns(const int32_t *weights, int64_t count, const uint8_t *from, int64_t size,
                           uint8_t *to)
{
    enum { PIECE = 256 };
    for (int64_t x = 0; x < size; x += PIECE) {
        int64_t piece = size - x < PIECE ? size - x : PIECE;
        int32_t sums[PIECE];
        for (int64_t i = 0; i < piece; i++) sums[i] = WEIGHT_HALF;
        for (int64_t k = 0; k < count; k++) {
            const uint8_t *row = from + k * size + x;
            int32_t weight = weights[k];
            for (int64_t i = 0; i < piece; i++) sums[i] += weight * row[i];
        }
        for (int64_t i = 0; i < piece; i++) to[x + i] = to_byte(sums[i]);
    }
}

static void resize_with(const filter *columns, const filter *rows, const uint8_t *from,
                        int64_t width, int64_t channels, uint8_t *between, uint8_t *to)
{
    int64_t size = columns->outputs * channels, top = rows->first[0];
    int64_t last = rows->outputs - 1, end = rows->first[last] + rows->count[last];
    for (int64_t y = top; y < end; y++) {
        const uint8_t *row = from + y * width * channels;
        if (channels == 3) {
            filter_row_3(columns, row, between + (y - top) * size);
        } else {
            filter_row(columns, row, channels, between + (y - top) * size);
        }
    }
    for (int64_t i = 0; i < rows->outputs; i++) {
        filter_columns(rows->weights + i * rows->most, rows->count[i],
                       between + (rows->first[i] - top) * size, size, to + i * size);
    }
}

static bool is_copy(fm_box box, int64_t height, int64_t width)
{
    return box.height == (double)height && box.width == (double)width &&
           box.top == floor(box.top) && box.left == floor(box.left);
}

fm_status fm_resize_bytes(fm_context *context, const uint8_t *from, int64_t height, int64_t width,
                          int64_t channels, fm_box box, uint8_t *to, int64_t to_height,
                          int64_t to_width)
{
    if (is_copy(box, to_height, to_width)) {
        size_t row = (size_t)(to_width * channels);
        const uint8_t *at = from + ((int64_t)box.top * width + (int64_t)box.left) * channels;
        for (int64_t y = 0; y < to_height; y++) {
            memcpy(to + (size_t)y * row, at + y * width * channels, row);
        }
        return FM_OK;
    }
    filter columns = {0}, rows = {0};
    uint8_t *between = NULL;
    fm_status status = make_filter(context, width, box.left, box.width, to_width, &columns);
    if (status == FM_OK) {
        status = make_filter(context, height, box.top, box.height, to_height, &rows);
    }
    if (status == FM_OK) {
        int64_t last = to_height - 1, used = rows.first[last] + rows.count[last] - rows.first[0];
        between = fm_allocate_array(context, (size_t)used, (size_t)(to_width * channels));
        if (!between) status = fm_error_status(context);
    }
    if (status == FM_OK) resize_with(&columns, &rows, from, width, channels, between, to);
    fm_release(context, between);
    release_filter(context, &columns);
    release_filter(context, &rows);
    return status;
}

static int64_t nearest(double start, double length, int64_t outputs, int64_t i, int64_t inputs)
{
    int64_t at = (int64_t)floor(start + ((double)i + 0.5) * length / (double)outputs);
    return at < 0 ? 0 : at >= inputs ? inputs - 1 : at;
}

void fm_resize_numbers(const uint8_t *from, int64_t height, int64_t width, fm_box box, uint8_t *to,
                       int64_t to_height, int64_t to_width)
{
    for (int64_t y = 0; y < to_height; y++) {
        const uint8_t *row = from + nearest(box.top, box.height, to_height, y, height) * width;
        for (int64_t x = 0; x < to_width; x++) {
            *to++ = row[nearest(box.left, box.width, to_width, x, width)];
        }
    }
}

fm_box fm_center_box(int64_t height, int64_t width, int64_t shorter, int64_t to_height,
                     int64_t to_width)
{
    double h = (double)height, w = (double)width;
    double ratio_h = h / (double)to_height, ratio_w = w / (double)to_width;
    double ratio = ratio_h < ratio_w ? ratio_h : ratio_w; /* source pixels for one of the result */
    if (shorter > 0) {
        double wanted = (h < w ? h : w) / (double)shorter;
        if (wanted < ratio) ratio = wanted;
    }
    fm_box box = {.height = ratio * (double)to_height, .width = ratio * (double)to_width};
    if (box.height > h) box.height = h;
    if (box.width > w) box.width = w;
    box.top = (h - box.height) / 2;
    box.left = (w - box.width) / 2;
    return box;
}
