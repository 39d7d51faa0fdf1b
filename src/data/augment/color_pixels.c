/* Steps that change numbers and not places. */
#include "data/augment/augment.h"

#include <string.h>

void fm_canvas_to_floats(fm_canvas *canvas)
{
    if (!canvas->bytes) return;
    const uint8_t *from = canvas->pixels;
    float *to = canvas->spare;
    int64_t count = fm_canvas_elements(canvas);
    for (int64_t i = 0; i < count; i++) to[i] = (float)from[i];
    canvas->bytes = false;
    fm_canvas_swap(canvas);
}

static void clip(const fm_canvas *canvas)
{
    float *x = canvas->pixels, white = canvas->white;
    int64_t count = fm_canvas_elements(canvas);
    for (int64_t i = 0; canvas->clip && i < count; i++) {
        x[i] = x[i] < 0 ? 0 : x[i] > white ? white : x[i];
    }
}

/* ---- brightness, contrast, saturation ---- */

/* ITU-R BT.601's luma with the digits that torchvision takes. */
static inline float luma(const float *pixel)
{
    return 0.2989f * pixel[0] + 0.587f * pixel[1] + 0.114f * pixel[2];
}

static void brighten(const fm_canvas *canvas, float factor)
{
    float *x = canvas->pixels;
    int64_t count = fm_canvas_elements(canvas);
    for (int64_t i = 0; i < count; i++) x[i] *= factor;
    clip(canvas);
}

static float mean_grey(const fm_canvas *canvas)
{
    const float *x = canvas->pixels;
    int64_t count = fm_canvas_elements(canvas), c = canvas->channels;
    double sum = 0;
    for (int64_t i = 0; i < count; i += c) sum += (double)(c == 3 ? luma(x + i) : x[i]);
    return (float)(sum / (double)(count / c));
}

static void change_contrast(const fm_canvas *canvas, float factor)
{
    float *x = canvas->pixels, grey = mean_grey(canvas);
    int64_t count = fm_canvas_elements(canvas);
    for (int64_t i = 0; i < count; i++) x[i] = grey + factor * (x[i] - grey);
    clip(canvas);
}

static void saturate(const fm_canvas *canvas, float factor)
{
    float *x = canvas->pixels;
    int64_t count = fm_canvas_elements(canvas);
    for (int64_t i = 0; i < count; i += 3) {
        float grey = luma(x + i);
        for (int k = 0; k < 3; k++) x[i + k] = grey + factor * (x[i + k] - grey);
    }
    clip(canvas);
}

/* ---- hue ---- */

/* Hue, saturation, value (A. R. Smith, "Color gamut transform pairs", 1978);
 * hue and back in one. */
static inline void turn_pixel(float *p, float turn)
{
    float most = fmaxf(p[0], fmaxf(p[1], p[2])), least = fminf(p[0], fminf(p[1], p[2]));
    float chroma = most - least;
    if (!(chroma > 0)) return;
    float hue = most == p[0]   ? (p[1] - p[2]) / chroma
                : most == p[1] ? (p[2] - p[0]) / chroma + 2
                               : (p[0] - p[1]) / chroma + 4;
    hue = hue / 6 + turn;
    hue = (hue - floorf(hue)) * 6;
    int sector = (int)hue % 6;
    float part = hue - floorf(hue), falling = most - chroma * part;
    float rising = most - chroma * (1 - part);
    const float of_sector[6][3] = {{most, rising, least}, {falling, most, least},
                                   {least, most, rising}, {least, falling, most},
                                   {rising, least, most}, {most, least, falling}};
    memcpy(p, of_sector[sector], sizeof of_sector[sector]);
}

static void turn_colors(const fm_canvas *canvas, float turn)
{
    float *x = canvas->pixels;
    int64_t count = fm_canvas_elements(canvas);
    for (int64_t i = 0; i < count; i += 3) turn_pixel(x + i, turn);
}

static void remove_color(const fm_canvas *canvas)
{
    float *x = canvas->pixels;
    int64_t count = fm_canvas_elements(canvas);
    for (int64_t i = 0; i < count; i += 3) x[i] = x[i + 1] = x[i + 2] = luma(x + i);
}

/* ---- all of them ---- */

static void jitter(const fm_canvas *canvas, const fm_augment *step, fm_random *random)
{
    void (*const change[4])(const fm_canvas *, float) = {brighten, change_contrast, saturate,
                                                         turn_colors};
    const double widths[4] = {step->brightness, step->contrast, step->saturation, step->hue};
    uint32_t order[4] = {0, 1, 2, 3};
    fm_random_shuffle(random, order, 4);
    for (int i = 0; i < 4; i++) {
        uint32_t k = order[i];
        double middle = k == 3 ? 0 : 1;
        double drawn = fm_random_range(random, middle - widths[k], middle + widths[k]);
        if (widths[k] > 0) change[k](canvas, (float)drawn);
    }
}

void fm_canvas_color(fm_canvas *canvas, const fm_augment *step, fm_random *random)
{
    fm_canvas_to_floats(canvas);
    if (step->kind == FM_AUGMENT_COLOR_JITTER) {
        jitter(canvas, step, random);
        return;
    }
    if (step->kind == FM_AUGMENT_GRAYSCALE) {
        remove_color(canvas);
        return;
    }
    float drawn = (float)fm_augment_draw(&step->range, random);
    switch (step->kind) {
    case FM_AUGMENT_BRIGHTNESS:
        brighten(canvas, drawn);
        break;
    case FM_AUGMENT_CONTRAST:
        change_contrast(canvas, drawn);
        break;
    case FM_AUGMENT_SATURATION:
        saturate(canvas, drawn);
        break;
    default:
        turn_colors(canvas, drawn);
        break;
    }
}

/* ---- noise ---- */

void fm_canvas_noise(fm_canvas *canvas, const fm_augment *step, fm_random *random)
{
    fm_canvas_to_floats(canvas);
    float *x = canvas->pixels, deviation = (float)step->deviation * canvas->white;
    int64_t count = fm_canvas_elements(canvas);
    for (int64_t i = 0; i < count; i += 4) {
        uint32_t words[4];
        fm_philox(random->key, random->index++, words);
        for (int64_t k = 0; k < 4 && i + k < count; k += 2) { /* Box and Muller, 1958 */
            float radius = sqrtf(-2 * logf(1 - fm_uniform_f32(words[k]))) * deviation;
            float angle = 6.28318530717958648f * fm_uniform_f32(words[k + 1]);
            x[i + k] += radius * cosf(angle);
            if (i + k + 1 < count) x[i + k + 1] += radius * sinf(angle);
        }
    }
    random->left = 0;
    clip(canvas);
}

/* ---- blur ---- */

enum { WIDEST = 300 };

static int64_t reflected(int64_t at, int64_t size)
{
    if (size == 1) return 0;
    int64_t period = 2 * (size - 1);
    at %= period;
    if (at < 0) at += period;
    return at < size ? at : period - at;
}

/* to[i] = sum of weights[|k|] * from[i + k] along an axis of `size` entries, `step` numbers apart;
 * `inner` numbers stand together. */
static void blur_axis(const float *from, int64_t outer, int64_t size, int64_t inner,
                      const float *weights, int radius, float *to)
{
    for (int64_t o = 0; o < outer; o++, from += size * inner, to += size * inner) {
        for (int64_t i = 0; i < size; i++) {
            float *sum = to + i * inner;
            for (int64_t e = 0; e < inner; e++) sum[e] = 0;
            for (int k = -radius; k <= radius; k++) {
                const float *other = from + reflected(i + k, size) * inner;
                float weight = weights[k < 0 ? -k : k];
                for (int64_t e = 0; e < inner; e++) sum[e] += weight * other[e];
            }
        }
    }
}

void fm_canvas_blur(fm_canvas *canvas, const fm_augment *step, fm_random *random)
{
    float weights[WIDEST + 1], sum = 0;
    double sigma = fm_augment_draw(&step->range, random);
    int radius = (int)ceil(3 * sigma);
    if (radius > WIDEST) radius = WIDEST;
    if (radius < 1) return;
    for (int k = 0; k <= radius; k++) {
        weights[k] = (float)exp(-0.5 * k * k / (sigma * sigma));
        sum += k ? 2 * weights[k] : weights[k];
    }
    for (int k = 0; k <= radius; k++) weights[k] /= sum;
    fm_canvas_to_floats(canvas);
    blur_axis(canvas->pixels, 1, canvas->height, canvas->width * canvas->channels, weights, radius,
              canvas->spare);
    blur_axis(canvas->spare, canvas->height, canvas->width, canvas->channels, weights, radius,
              canvas->pixels);
}

/* ---- erasing ---- */

static float number_at(const fm_canvas *canvas, int64_t i)
{
    return canvas->bytes ? (float)((const uint8_t *)canvas->pixels)[i]
                         : ((const float *)canvas->pixels)[i];
}

static void set_number(const fm_canvas *canvas, int64_t i, float value)
{
    if (canvas->bytes) {
        ((uint8_t *)canvas->pixels)[i] = (uint8_t)(value + 0.5f);
    } else {
        ((float *)canvas->pixels)[i] = value;
    }
}

static float mean_of_channel(const fm_canvas *canvas, int64_t channel)
{
    int64_t count = fm_canvas_elements(canvas);
    double sum = 0;
    for (int64_t i = channel; i < count; i += canvas->channels) {
        sum += (double)number_at(canvas, i);
    }
    return (float)(sum / (double)(count / canvas->channels));
}

static void paint(const fm_canvas *canvas, const fm_augment *step, fm_random *random,
                  const int64_t box[4])
{
    for (int64_t c = 0; c < canvas->channels; c++) {
        float value = step->paint == FM_PAINT_MEAN ? mean_of_channel(canvas, c)
                                                   : (float)step->value * canvas->white;
        for (int64_t r = box[0]; r < box[0] + box[2]; r++) {
            for (int64_t x = box[1]; x < box[1] + box[3]; x++) {
                if (step->paint == FM_PAINT_NOISE) {
                    value = fm_uniform_f32(fm_random_word(random)) * canvas->white;
                }
                set_number(canvas, (r * canvas->width + x) * canvas->channels + c, value);
            }
        }
    }
}

void fm_canvas_erase(fm_canvas *canvas, const fm_augment *step, fm_random *random)
{
    enum { ATTEMPTS = 10 };
    double h = (double)canvas->height, w = (double)canvas->width;
    double low = log(step->ratio.at[0]), high = log(step->ratio.at[1]);
    for (int i = 0; i < ATTEMPTS; i++) {
        double area = h * w * fm_augment_draw(&step->range, random);
        double ratio = exp(fm_random_range(random, low, high));
        double box_w = round(sqrt(area * ratio)), box_h = round(sqrt(area / ratio));
        if (!(box_w < w && box_h < h && box_w >= 1 && box_h >= 1)) continue;
        double top = floor(fm_random_uniform(random) * (h - box_h + 1));
        double left = floor(fm_random_uniform(random) * (w - box_w + 1));
        const int64_t box[4] = {(int64_t)top, (int64_t)left, (int64_t)box_h, (int64_t)box_w};
        paint(canvas, step, random, box);
        return;
    }
}
