/* Affine maps of images: drawn, composed, applied. */
#include "data/augment/augment.h"

#include <string.h>

static const double pi = 3.14159265358979323846;

/* ---- maps ---- */

fm_affine fm_affine_after(fm_affine outer, fm_affine inner)
{
    return (fm_affine){
        .yy = outer.yy * inner.yy + outer.yx * inner.xy,
        .yx = outer.yy * inner.yx + outer.yx * inner.xx,
        .y0 = outer.yy * inner.y0 + outer.yx * inner.x0 + outer.y0,
        .xy = outer.xy * inner.yy + outer.xx * inner.xy,
        .xx = outer.xy * inner.yx + outer.xx * inner.xx,
        .x0 = outer.xy * inner.y0 + outer.xx * inner.x0 + outer.x0,
    };
}

/* Only flips and whole pixels: every pixel of the result is one of the source or none. */
static bool is_exact(const fm_affine *map)
{
    return fabs(map->yy) == 1 && fabs(map->xx) == 1 && map->yx == 0 && map->xy == 0 &&
           map->y0 == floor(map->y0) && map->x0 == floor(map->x0);
}

void fm_augment_part(const fm_augment *step, fm_random *random, int64_t height, int64_t width,
                     double part[4])
{
    enum { ATTEMPTS = 10 };
    double h = (double)height, w = (double)width;
    double low = log(step->ratio.at[0]), high = log(step->ratio.at[1]);
    for (int i = 0; i < ATTEMPTS; i++) {
        double area = h * w * fm_augment_draw(&step->range, random);
        double ratio = exp(fm_random_range(random, low, high));
        double part_w = round(sqrt(area * ratio)), part_h = round(sqrt(area / ratio));
        if (part_w < 1 || part_h < 1 || part_w > w || part_h > h) continue;
        part[0] = floor(fm_random_uniform(random) * (h - part_h + 1));
        part[1] = floor(fm_random_uniform(random) * (w - part_w + 1));
        part[2] = part_h;
        part[3] = part_w;
        return;
    }
    /* the middle, as near to the wanted proportions as it can be */
    part[2] = w / h < step->ratio.at[0] ? fmax(1, round(w / step->ratio.at[0])) : h;
    part[3] = w / h > step->ratio.at[1] ? fmax(1, round(h * step->ratio.at[1])) : w;
    part[0] = floor((h - part[2]) / 2);
    part[1] = floor((w - part[3]) / 2);
}

static fm_affine part_map(const fm_augment *step, fm_random *random, int64_t height, int64_t width)
{
    double part[4], h = (double)height, w = (double)width;
    fm_augment_part(step, random, height, width, part);
    return (fm_affine){.yy = part[2] / h,
                       .xx = part[3] / w,
                       .y0 = part[0] + part[2] / 2 - h / 2,
                       .x0 = part[1] + part[3] / 2 - w / 2};
}

static double draw_offset(const fm_augment *step, fm_random *random)
{
    uint64_t choices = 2 * (uint64_t)step->padding + 1;
    return (double)fm_random_below(random, choices) - (double)step->padding;
}

fm_affine fm_augment_affine(const fm_augment *step, fm_random *random, int64_t height,
                            int64_t width)
{
    fm_affine map = fm_affine_identity;
    const double *range = step->range.at;
    double drawn;
    switch (step->kind) {
    case FM_AUGMENT_HORIZONTAL_FLIP:
        map.xx = -1;
        break;
    case FM_AUGMENT_VERTICAL_FLIP:
        map.yy = -1;
        break;
    case FM_AUGMENT_SHIFT:
        map.y0 = fm_random_range(random, -range[0], range[0]) * (double)height;
        map.x0 = fm_random_range(random, -range[1], range[1]) * (double)width;
        break;
    case FM_AUGMENT_SCALE:
        map.yy = map.xx = 1 / fm_augment_draw(&step->range, random);
        break;
    case FM_AUGMENT_ROTATE:
        drawn = fm_augment_draw(&step->range, random) * pi / 180;
        map = (fm_affine){.yy = cos(drawn), .yx = sin(drawn), .xy = -sin(drawn), .xx = cos(drawn)};
        break;
    case FM_AUGMENT_SHEAR:
        map.xy = -tan(fm_augment_draw(&step->range, random) * pi / 180);
        break;
    case FM_AUGMENT_CROP:
        map.y0 = draw_offset(step, random);
        map.x0 = draw_offset(step, random);
        break;
    default:
        map = part_map(step, random, height, width);
        break;
    }
    return map;
}

/* ---- where pixels come from ---- */

enum { OUTSIDE = -1 };

/* The row or column that stands at `at`, or OUTSIDE. */
static inline int64_t place(int64_t at, int64_t size, int fill)
{
    if (at >= 0 && at < size) return at;
    if (fill == FM_FILL_CONSTANT) return OUTSIDE;
    if (fill == FM_FILL_EDGE || size == 1) return at < 0 ? 0 : size - 1;
    int64_t period = 2 * (size - 1);
    at %= period;
    if (at < 0) at += period;
    return at < size ? at : period - at;
}

/* ---- whole pixels ---- */

/* The constant a sample's elements have outside: `pixel` bytes. */
static void make_outside(const fm_canvas *canvas, float value, uint8_t *outside)
{
    for (int64_t c = 0; c < canvas->channels; c++) {
        float number = value * canvas->white;
        if (canvas->bytes) {
            outside[c] = (uint8_t)(number + 0.5f);
        } else {
            memcpy(outside + (size_t)c * sizeof number, &number, sizeof number);
        }
    }
}

/* Columns from..to of a row lie inside: those where the source column is within 0..size. */
static void inner_columns(const fm_affine *map, int64_t width, int64_t x0, int64_t *from,
                          int64_t *to)
{
    int64_t low = map->xx > 0 ? -x0 : x0 - (width - 1), high = low + width;
    *from = low < 0 ? 0 : low > width ? width : low;
    *to = high < 0 ? 0 : high > width ? width : high;
}

/* rows and columns of `pixel` bytes; outside: one of them */
static void move_exactly(const uint8_t *from, size_t pixel, int64_t height, int64_t width,
                         const fm_affine *map, int fill, const uint8_t *outside, uint8_t *to)
{
    /* result row r is source row sign * r + y0 */
    int64_t y_sign = map->yy > 0 ? 1 : -1, x_sign = map->xx > 0 ? 1 : -1;
    int64_t y0 = (int64_t)map->y0 + (y_sign < 0 ? height - 1 : 0);
    int64_t x0 = (int64_t)map->x0 + (x_sign < 0 ? width - 1 : 0), inner, outer;
    inner_columns(map, width, x0, &inner, &outer);
    for (int64_t r = 0; r < height; r++) {
        int64_t row = place(y_sign * r + y0, height, fill);
        const uint8_t *source = from + (size_t)(row < 0 ? 0 : row * width) * pixel;
        uint8_t *target = to + (size_t)(r * width) * pixel;
        for (int64_t c = 0; c < width; c++) {
            bool inside = row >= 0 && c >= inner && c < outer;
            if (inside && x_sign > 0) {
                memcpy(target + (size_t)c * pixel, source + (size_t)(c + x0) * pixel,
                       (size_t)(outer - c) * pixel);
                c = outer - 1;
                continue;
            }
            int64_t column = row < 0 ? OUTSIDE : place(x_sign * c + x0, width, fill);
            const uint8_t *one = column < 0 ? outside : source + (size_t)column * pixel;
            for (size_t k = 0; k < pixel; k++) target[(size_t)c * pixel + k] = one[k];
        }
    }
}

/* ---- between pixels ---- */

typedef struct sampler {
    const float *from;
    int64_t height, width;
    int fill;
    float outside;
} sampler;

static inline float at_or_outside(const sampler *s, int64_t row, int64_t column, int64_t channel,
                                  int64_t channels)
{
    if (row < 0 || column < 0) return s->outside;
    return s->from[(row * s->width + column) * channels + channel];
}

/* Bilinear at (v, u), counted from the middle of the first pixel. */
static inline __attribute__((always_inline)) void sample_point(const sampler *s, double v, double u,
                                                               int64_t channels, float *to)
{
    double row = floor(v), column = floor(u);
    float fy = (float)(v - row), fx = (float)(u - column);
    bool far = row < -1e9 || row > 1e9 || column < -1e9 || column > 1e9;
    int64_t r = far ? -2 : (int64_t)row, c = far ? -2 : (int64_t)column;
    if (r >= 0 && c >= 0 && r + 1 < s->height && c + 1 < s->width) {
        const float *top = s->from + (r * s->width + c) * channels;
        const float *bottom = top + s->width * channels;
        for (int64_t k = 0; k < channels; k++) {
            float above = top[k] + fx * (top[k + channels] - top[k]);
            float below = bottom[k] + fx * (bottom[k + channels] - bottom[k]);
            to[k] = above + fy * (below - above);
        }
        return;
    }
    int64_t r0 = place(r, s->height, s->fill), r1 = place(r + 1, s->height, s->fill);
    int64_t c0 = place(c, s->width, s->fill), c1 = place(c + 1, s->width, s->fill);
    for (int64_t k = 0; k < channels; k++) {
        float a = at_or_outside(s, r0, c0, k, channels), b = at_or_outside(s, r0, c1, k, channels);
        float d = at_or_outside(s, r1, c0, k, channels), e = at_or_outside(s, r1, c1, k, channels);
        float above = a + fx * (b - a), below = d + fx * (e - d);
        to[k] = above + fy * (below - above);
    }
}

static inline __attribute__((always_inline)) void sample_all(const sampler *s, const fm_affine *map,
                                                             int64_t channels, float *to)
{
    double middle_y = (double)s->height / 2, middle_x = (double)s->width / 2;
    for (int64_t r = 0; r < s->height; r++) {
        double y = (double)r + 0.5 - middle_y;
        for (int64_t c = 0; c < s->width; c++, to += channels) {
            double x = (double)c + 0.5 - middle_x;
            double v = map->yy * y + map->yx * x + map->y0 + middle_y - 0.5;
            double u = map->xy * y + map->xx * x + map->x0 + middle_x - 0.5;
            sample_point(s, v, u, channels, to);
        }
    }
}

static void move_between(const fm_canvas *canvas, const fm_affine *map, int fill, float value)
{
    sampler s = {canvas->pixels, canvas->height, canvas->width, fill, value * canvas->white};
    switch (canvas->channels) {
    case 1:
        sample_all(&s, map, 1, canvas->spare);
        break;
    case 3:
        sample_all(&s, map, 3, canvas->spare);
        break;
    default:
        sample_all(&s, map, canvas->channels, canvas->spare);
        break;
    }
}

/* ---- moving ---- */

void fm_canvas_move(fm_canvas *canvas, const fm_affine *map, int fill, float value)
{
    enum { MOST_CHANNELS = 64 };
    _Alignas(float) uint8_t outside[MOST_CHANNELS * sizeof(float)];
    if (is_exact(map) && canvas->channels <= MOST_CHANNELS) {
        size_t pixel = (size_t)canvas->channels * (canvas->bytes ? 1 : sizeof(float));
        make_outside(canvas, value, outside);
        move_exactly(canvas->pixels, pixel, canvas->height, canvas->width, map, fill, outside,
                     canvas->spare);
    } else {
        fm_canvas_to_floats(canvas);
        move_between(canvas, map, fill, value);
    }
    fm_canvas_swap(canvas);
}

void fm_mask_move(const void *from, size_t size, int64_t height, int64_t width,
                  const fm_affine *map, int fill, void *to)
{
    double middle_y = (double)height / 2, middle_x = (double)width / 2;
    uint8_t *target = to;
    for (int64_t r = 0; r < height; r++) {
        double y = (double)r + 0.5 - middle_y;
        for (int64_t c = 0; c < width; c++, target += size) {
            double x = (double)c + 0.5 - middle_x;
            double v = floor(map->yy * y + map->yx * x + map->y0 + middle_y);
            double u = floor(map->xy * y + map->xx * x + map->x0 + middle_x);
            bool far = fabs(v) > 1e9 || fabs(u) > 1e9;
            int64_t row = far ? OUTSIDE : place((int64_t)v, height, fill);
            int64_t column = far ? OUTSIDE : place((int64_t)u, width, fill);
            if (row < 0 || column < 0) {
                memset(target, 0, size);
            } else {
                memcpy(target, (const uint8_t *)from + (size_t)(row * width + column) * size, size);
            }
        }
    }
}
