/* Digits drawn by a small model of a pen. A style is a path through points; each sample moves the
 * points, runs a spline through them, bends the plane, and draws the path with a round pen whose
 * width and pressure vary. */
#include "base/fields.h"
#include "data/array_source.h"
#include "data/built_in.h"
#include "data/parts.h"
#include "fathom/built_in_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_TRAIN = 10000,
    DEFAULT_TEST = 2000,
    SIZE = 28,
    PIXELS = SIZE * SIZE,
    DIGITS = 10,
    MAX_POINTS = 32, /* of a style */
    PIECES = 8,      /* straight pieces between two points */
    WAVES = 3
};

const fm_field fm_strokes_fields[] = {
    {"train_size", "images for training", offsetof(fm_strokes_options, train_size),
     .type = FM_FIELD_INT, .default_value = DEFAULT_TRAIN, .minimum = 1, .maximum = 1 << 24},
    {"test_size", "images for testing", offsetof(fm_strokes_options, test_size),
     .type = FM_FIELD_INT, .default_value = DEFAULT_TEST, .minimum = 1, .maximum = 1 << 24},
    {"seed", "of the random numbers", offsetof(fm_strokes_options, seed), .type = FM_FIELD_INT},
    {"distortion", "of the shapes", offsetof(fm_strokes_options, distortion), .type = FM_FIELD_REAL,
     .default_value = 1, .minimum = 0, .maximum = 4},
    {"noise", "deviation of a pixel as a share of 255", offsetof(fm_strokes_options, noise),
     .type = FM_FIELD_REAL, .default_value = 0.04, .minimum = 0, .maximum = 1},
    {0},
};

/* The ways to write each digit, in a box of 100 by 100, y down. "!" is a sharp corner,
 * "|" lifts the pen. */
static const char *const styles[DIGITS][6] = {
    {"58,0 25,12 8,50 22,88 50,100 80,86 94,50 82,14 54,0",
     "70,6 40,4 12,40 14,80 42,100 74,84 90,44 78,8 50,2 34,12",
     "50,0 22,20 18,55 30,92 52,100 74,88 84,50 76,16 52,1",
     "36,8 12,36 10,72 36,98 68,92 92,60 90,26 66,4 42,6"},
    {"50,0 50,100", "26,26 52,0! 50,100", "24,22 52,0! 52,100! | 22,100 82,100", "62,0 40,100",
     "34,18 56,2! 46,100"},
    {"10,26 30,4 62,0 86,20 74,50 38,80 6,100! 96,98",
     "12,22 44,0 82,16 76,48 36,86 10,96 12,80 38,82 66,98 96,90",
     "16,10 58,0 86,22 66,56 8,98! 50,94 94,100", "8,34 22,8 56,2 78,24 66,58 30,92! 36,82 92,94"},
    {"12,14 44,0 82,16 72,40 38,48! 78,56 90,80 56,100 8,90",
     "10,4 88,2! 44,40! 82,54 90,80 54,100 8,90",
     "14,18 46,0 78,18 66,40 42,46 34,50 46,50 82,62 82,88 44,100 8,84",
     "20,6 60,0 78,22 46,46! 70,50 80,74 60,96 16,98"},
    {"34,0 6,60! 98,56 | 70,26 66,100", "74,100 72,0! 4,66! 98,64",
     "12,2 8,40 30,52 86,44 | 88,2 80,50 76,100", "50,0 8,52! 92,48 | 80,12 52,100",
     "20,4 14,46! 86,46! | 84,0 84,100"},
    {"86,2 26,4! 18,44! 58,36 90,60 78,92 40,100 6,88",
     "90,4 46,4 20,26 50,46 86,62 72,94 34,100 8,92",
     "28,6 22,46! 60,40 92,64 74,96 10,94 | 28,6 92,0",
     "82,0 34,6! 26,40! 66,46 80,72 56,98 16,96"},
    {"72,0 34,24 10,66 24,94 58,100 86,80 70,56 36,58 12,76",
     "58,0 20,48 10,80 38,100 78,88 78,62 46,54 14,72",
     "84,6 40,12 12,56 22,92 56,100 82,78 66,52 34,56 18,74",
     "44,0 24,40 18,78 40,100 70,92 72,68 48,60 22,76"},
    {"6,6 92,4! 42,100", "8,8 90,6! 44,100 | 24,52 80,46", "6,18 12,4! 54,8 92,2! 62,46 48,100",
     "12,4 88,10 74,40 40,100", "4,4 86,2! 62,50 58,100 | 34,54 86,50"},
    {"80,14 46,0 18,20 44,44 84,72 54,100 14,80 46,50 82,22 74,8",
     "50,0 22,20 48,44 78,22 50,0 | 50,44 12,74 50,100 88,74 50,44",
     "74,10 40,2 24,24 52,46 76,78 50,100 22,80 44,48 78,14",
     "56,4 24,16 34,42 76,66 68,96 28,96 24,68 66,42 82,14 56,4"},
    {"84,24 52,0 14,22 36,50 80,30 86,16 84,60 70,100",
     "82,18 46,2 12,28 38,50 82,26! 84,66 60,96 20,94",
     "78,10 40,4 18,30 42,52 78,34! 80,6! 78,100",
     "72,22 48,0 22,18 32,46 66,36 74,14 66,56 40,100",
     "86,20 58,2 24,20 34,46 68,44 88,14! 58,100"},
};

typedef struct point {
    float x, y;
    bool corner, lift; /* the pen comes from elsewhere */
} point;

typedef struct path {
    int count;
    point points[MAX_POINTS];
} path;

static void parse_style(const char *text, path *p)
{
    bool lift = true;
    p->count = 0;
    while (*text && p->count < MAX_POINTS) {
        char *end;
        if (*text == ' ' || *text == '|') {
            lift = lift || *text == '|';
            text++;
            continue;
        }
        point *made = &p->points[p->count++];
        made->x = (float)strtol(text, &end, 10) / 100 - 0.5f;
        made->y = (float)strtol(end + 1, &end, 10) / 100 - 0.5f;
        made->corner = *end == '!';
        made->lift = lift;
        lift = false;
        text = end + made->corner;
    }
}

/* Where a point of the glyph's box lands, in pixels. */
typedef struct plane {
    float xx, xy, yx, yy, x, y;   /* affine */
    float bend, period[WAVES][2]; /* then displaced by a few slow sine waves */
    float phase[WAVES][2];
} plane;

static float range(fm_random *random, double a, double b)
{
    return (float)fm_random_range(random, a, b);
}

static plane draw_plane(fm_random *random, double distortion)
{
    float d = (float)distortion;
    float angle = d * 0.13f * (float)fm_random_normal(random);
    float slant = 0.16f + d * 0.2f * (float)fm_random_normal(random);
    float height = 20 * (1 + d * range(random, -0.18, 0.08));
    float width = height * (0.74f + d * range(random, -0.24, 0.2));
    float c = cosf(angle), s = sinf(angle);
    plane made = {.xx = c * width,
                  .xy = -(c * slant + s) * height,
                  .yx = s * width,
                  .yy = (c - s * slant) * height,
                  .x = (SIZE - 1) / 2.0f + d * 1.1f * (float)fm_random_normal(random),
                  .y = (SIZE - 1) / 2.0f + d * 1.1f * (float)fm_random_normal(random),
                  .bend = d * range(random, 0.1, 0.6)};
    for (int i = 0; i < WAVES; i++) {
        for (int k = 0; k < 2; k++) {
            made.period[i][k] = range(random, 0.12, 0.4);
            made.phase[i][k] = range(random, 0, 6.283185307179586);
        }
    }
    return made;
}

static point place(const plane *p, float x, float y)
{
    point at = {.x = p->x + p->xx * x + p->xy * y, .y = p->y + p->yx * x + p->yy * y};
    float dx = 0, dy = 0;
    for (int i = 0; i < WAVES; i++) {
        dx += sinf(p->period[i][0] * (i % 2 ? at.x : at.y) + p->phase[i][0]);
        dy += sinf(p->period[i][1] * (i % 2 ? at.y : at.x) + p->phase[i][1]);
    }
    at.x += p->bend * dx;
    at.y += p->bend * dy;
    return at;
}

/* A pen that leaves its mark on an image of values from 0 to 1. */
typedef struct pen {
    float radius, swing, phase, pressure;
    float image[PIXELS];
} pen;

static int clip(float value)
{
    return value < 0 ? 0 : value > SIZE - 1 ? SIZE - 1 : (int)value;
}

/* Distance to the piece from a to b, in pixels, decides how much of a pixel is covered. */
static void draw_piece(pen *p, point a, point b, float radius)
{
    float dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy, reach = radius + 1;
    int left = clip(fminf(a.x, b.x) - reach), right = clip(ceilf(fmaxf(a.x, b.x) + reach));
    int top = clip(fminf(a.y, b.y) - reach), bottom = clip(ceilf(fmaxf(a.y, b.y) + reach));
    for (int y = top; y <= bottom; y++) {
        for (int x = left; x <= right; x++) {
            float px = (float)x - a.x, py = (float)y - a.y;
            float t = length > 0 ? fminf(fmaxf((px * dx + py * dy) / length, 0), 1) : 0;
            float ex = px - t * dx, ey = py - t * dy;
            float ink = fminf(fmaxf(radius + 0.5f - sqrtf(ex * ex + ey * ey), 0), 1) * p->pressure;
            if (ink > p->image[y * SIZE + x]) p->image[y * SIZE + x] = ink;
        }
    }
}

/* Tangent at point i as Catmull and Rom (1974) have it; none at corners and ends. */
static point tangent(const path *p, int i)
{
    bool first = p->points[i].lift, last = i + 1 == p->count || p->points[i + 1].lift;
    if (first || last || p->points[i].corner) return (point){0};
    return (point){.x = (p->points[i + 1].x - p->points[i - 1].x) / 2,
                   .y = (p->points[i + 1].y - p->points[i - 1].y) / 2};
}

/* Cubic Hermite interpolation. */
static point between(const point *a, const point *b, point ta, point tb, float t)
{
    float t2 = t * t, t3 = t2 * t;
    float ha = 2 * t3 - 3 * t2 + 1, hb = 3 * t2 - 2 * t3, ga = t3 - 2 * t2 + t, gb = t3 - t2;
    return (point){.x = ha * a->x + hb * b->x + ga * ta.x + gb * tb.x,
                   .y = ha * a->y + hb * b->y + ga * ta.y + gb * tb.y};
}

static void draw_path(pen *pen_, const path *p, const plane *onto)
{
    for (int i = 0; i + 1 < p->count; i++) {
        if (p->points[i + 1].lift) continue;
        point ta = tangent(p, i), tb = tangent(p, i + 1);
        point from = place(onto, p->points[i].x, p->points[i].y);
        for (int k = 1; k <= PIECES; k++) {
            float t = (float)k / PIECES;
            point at = between(&p->points[i], &p->points[i + 1], ta, tb, t);
            point to = place(onto, at.x, at.y);
            float wave = sinf(pen_->phase + 0.9f * ((float)i + t));
            draw_piece(pen_, from, to, pen_->radius * (1 + pen_->swing * wave));
            from = to;
        }
    }
}

/* The sum of four uniform bytes is nearly normal: mean 510, deviation 147.8. */
static float rough_normal(uint32_t word)
{
    uint32_t sum = (word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24);
    return ((float)sum - 510) / 147.8f;
}

static void expose(const pen *p, fm_random *random, double noise, uint8_t *image)
{
    float deviation = (float)noise * 255;
    for (int i = 0; i < PIXELS; i++) {
        float value = p->image[i] * 255;
        if (deviation > 0) value += deviation * rough_normal(fm_random_word(random));
        image[i] = (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : value + 0.5f);
    }
}

/* mask: NULL, or the class of each pixel. */
static void draw_digit(fm_random *random, int digit, const fm_strokes_options *options,
                       uint8_t *image, uint8_t *mask)
{
    int count = 0;
    while (count < 6 && styles[digit][count]) count++;
    path p;
    parse_style(styles[digit][fm_random_below(random, (uint64_t)count)], &p);
    double jitter = options->distortion * 0.035;
    for (int i = 0; i < p.count; i++) {
        p.points[i].x += (float)(jitter * fm_random_normal(random));
        p.points[i].y += (float)(jitter * fm_random_normal(random));
    }
    plane onto = draw_plane(random, options->distortion);
    pen drawn = {.radius = range(random, 0.7, 1.6),
                 .swing = range(random, 0, 0.3),
                 .phase = range(random, 0, 6.283185307179586),
                 .pressure = range(random, 0.75, 1)};
    draw_path(&drawn, &p, &onto);
    expose(&drawn, random, options->noise, image);
    for (int i = 0; mask && i < PIXELS; i++) {
        mask[i] = drawn.image[i] > 0.5f * drawn.pressure ? (uint8_t)(digit + 1) : 0;
    }
}

/* What a part is made with. */
typedef struct making {
    fm_strokes_options options;
    bool masks;
} making;

static fm_status adopt(fm_context *context, const making *m, fm_data_part part, int64_t count,
                       uint8_t *x, uint8_t *y, fm_dataset **dataset)
{
    static const char *const names[] = {"background", "0", "1", "2", "3", "4",
                                        "5",          "6", "7", "8", "9"};
    fm_part_words words =
        fm_name_part(m->masks ? "strokes_masks" : "strokes", part, m->options.seed);
    const fm_column digits = {.kind = FM_COLUMN_CATEGORICAL, .category_count = DIGITS};
    const fm_column pixels = {
        .kind = FM_COLUMN_CATEGORICAL, .category_count = DIGITS + 1, .categories = names};
    fm_dataset_info info = {
        .name = words.name,
        .origin = words.origin,
        .count = count,
        .field_count = 2,
        .fields = {{.name = "x", .dtype = FM_U8, .shape = FM_SHAPE(SIZE, SIZE)},
                   {.name = "y", .dtype = FM_U8, .shape = FM_SHAPE(), .columns = &digits}},
    };
    if (m->masks) {
        info.fields[1].shape = FM_SHAPE(SIZE, SIZE, 1);
        info.fields[1].columns = &pixels;
    }
    return fm_dataset_adopt_arrays(context, &info, (void *[]){x, y}, dataset);
}

static fm_status make_part(fm_context *context, const void *argument, fm_data_part part,
                           fm_dataset **dataset)
{
    const making *m = argument;
    const fm_strokes_options *options = &m->options;
    int64_t count = part == FM_DATA_TRAIN ? options->train_size : options->test_size;
    uint8_t *x = fm_allocate_array(context, (size_t)count, PIXELS);
    uint8_t *y = fm_allocate_array(context, (size_t)count, m->masks ? PIXELS : 1);
    if (!x || !y) {
        fm_release(context, x);
        fm_release(context, y);
        return FM_ERROR_MEMORY;
    }
    uint32_t stream = fm_stream_of("strokes");
    for (int64_t i = 0; i < count; i++) {
        fm_random random = fm_sample_stream(options->seed, part, stream, i);
        int digit = (int)fm_random_below(&random, DIGITS);
        if (!m->masks) y[i] = (uint8_t)digit;
        draw_digit(&random, digit, options, x + i * PIXELS, m->masks ? y + i * PIXELS : NULL);
    }
    return adopt(context, m, part, count, x, y, dataset);
}

static fm_status make(fm_context *context, const fm_strokes_options *options, bool masks,
                      fm_dataset **train, fm_dataset **test)
{
    making m = {.options = options ? *options : (fm_strokes_options){0}, .masks = masks};
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_fields_complete(context, fm_strokes_fields, &m.options, "strokes");
    if (status != FM_OK) return status;
    return fm_make_parts(context, make_part, &m, train, test);
}

fm_status fm_dataset_strokes(fm_context *context, const fm_strokes_options *options,
                             fm_dataset **train, fm_dataset **test)
{
    return make(context, options, false, train, test);
}

fm_status fm_dataset_strokes_masks(fm_context *context, const fm_strokes_options *options,
                                   fm_dataset **train, fm_dataset **test)
{
    return make(context, options, true, train, test);
}
