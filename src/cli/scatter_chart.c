#include "cli/scatter_chart.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE = 720, /* of the square that holds the points */
    LEFT = 24,
    TOP = 64,
    LEGEND = 240,
    MARGIN = 24,
    WIDTH = LEFT + SIDE + MARGIN + LEGEND,
    HEIGHT = TOP + SIDE + MARGIN,
    ROW = 24, /* of the legend */
    LETTERS = (LEGEND - 34) / (2 * (LETTER_WIDTH + 1)),
    COLORS = 10,
    MOST_NAMED = 40,  /* classes in the legend: beyond COLORS the signs differ */
    MOST_WRITTEN = 20 /* classes whose names stand among the points */
};

/* Ten that differ in light as well as in hue (after P. Green-Armytage 2010 and M. Okabe, K.
 * Ito 2008). */
static const chart_color colors[COLORS] = {
    {0, 114, 178},  {213, 94, 0},  {0, 158, 115}, {204, 121, 167}, {230, 159, 0},
    {86, 180, 233}, {120, 94, 60}, {148, 30, 60}, {110, 80, 190},  {110, 150, 30},
};

/* A scale from dark blue over green to yellow: rising light. */
static const chart_color scale_colors[] = {
    {68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};
enum { SCALE_STEPS = sizeof scale_colors / sizeof *scale_colors - 1 };

typedef struct scatter {
    const scatter_chart *chart;
    chart_canvas image;
    double middle[2], per_pixel;
    double low, high; /* of the values */
    double radius;
} scatter;

/* ---- scales ---- */

static void measure_places(scatter *s)
{
    const scatter_chart *c = s->chart;
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY}, span = 0;
    for (int64_t i = 0; i < 2 * c->count; i++) {
        low[i % 2] = fmin(low[i % 2], c->places[i]);
        high[i % 2] = fmax(high[i % 2], c->places[i]);
    }
    for (int k = 0; k < 2; k++) {
        s->middle[k] = (low[k] + high[k]) / 2;
        span = fmax(span, high[k] - low[k]);
    }
    s->per_pixel = span > 0 ? span / (0.94 * SIDE) : 1;
    s->radius = c->count <= 500 ? 4 : c->count <= 3000 ? 3 : 2;
}

static void measure_values(scatter *s)
{
    s->low = INFINITY;
    s->high = -INFINITY;
    for (int64_t i = 0; i < s->chart->count && s->chart->values; i++) {
        if (!isfinite(s->chart->values[i])) continue;
        s->low = fmin(s->low, s->chart->values[i]);
        s->high = fmax(s->high, s->chart->values[i]);
    }
}

static void place(const scatter *s, int64_t i, double at[2])
{
    at[0] = LEFT + SIDE / 2.0 + (s->chart->places[2 * i] - s->middle[0]) / s->per_pixel;
    at[1] = TOP + SIDE / 2.0 - (s->chart->places[2 * i + 1] - s->middle[1]) / s->per_pixel;
}

static uint8_t between(uint8_t a, uint8_t b, double share)
{
    return (uint8_t)(a + (b - a) * share + 0.5);
}

static chart_color scale_color(double share)
{
    double at = fmin(fmax(share, 0), 1) * SCALE_STEPS;
    int step = at < SCALE_STEPS ? (int)at : SCALE_STEPS - 1;
    const chart_color *a = &scale_colors[step], *b = a + 1;
    at -= step;
    return (chart_color){between(a->red, b->red, at), between(a->green, b->green, at),
                         between(a->blue, b->blue, at)};
}

static chart_color color_of(const scatter *s, int64_t i)
{
    const scatter_chart *c = s->chart;
    if (c->values) {
        if (!isfinite(c->values[i])) return chart_grid;
        return scale_color(s->high > s->low ? (c->values[i] - s->low) / (s->high - s->low) : 0);
    }
    if (!c->labels) return colors[0];
    return c->labels[i] < 0 ? chart_grid : colors[c->labels[i] % COLORS];
}

/* ---- drawing ---- */

static void draw_points(const scatter *s)
{
    const scatter_chart *c = s->chart;
    for (int64_t i = 0; i < c->count; i++) {
        double at[2];
        place(s, i, at);
        int sign = c->labels && c->labels[i] > 0 ? c->labels[i] / COLORS : 0;
        chart_sign(&s->image, at, sign, s->radius, color_of(s, i), 0.8);
    }
}

/* Dark letters on a light ground, so that they stay readable over points. */
static void draw_name(const scatter *s, const double at[2], const char *name)
{
    char text[24];
    snprintf(text, sizeof text, "%.16s", name);
    int width = small_letter_count(text) * 2 * (LETTER_WIDTH + 1), x = (int)at[0] - width / 2;
    int y = (int)at[1] - LETTER_HEIGHT;
    if (x < LEFT) x = LEFT;
    if (x + width > LEFT + SIDE) x = LEFT + SIDE - width;
    for (int r = -4; r < 2 * LETTER_HEIGHT + 4; r++) {
        for (int k = -5; k < width + 3; k++) {
            chart_blend(&s->image, x + k, y + r, chart_paper, 0.8);
        }
    }
    chart_text(&s->image, x, y, 2, text, (chart_color){20, 20, 20});
}

static void draw_names(const scatter *s, fm_context *context)
{
    const scatter_chart *c = s->chart;
    if (!c->labels || c->class_count > MOST_WRITTEN) return;
    for (int k = 0; k < c->class_count; k++) {
        double at[2];
        int64_t i = scatter_middle(context, c->places, c->labels, c->count, k);
        if (i < 0) continue;
        place(s, i, at);
        draw_name(s, at, c->names[k]);
    }
}

static int64_t count_of(const scatter_chart *c, int32_t label)
{
    int64_t count = 0;
    for (int64_t i = 0; i < c->count; i++) count += c->labels[i] == label;
    return count;
}

static void draw_legend(const scatter *s)
{
    const scatter_chart *c = s->chart;
    int x = LEFT + SIDE + MARGIN, step = (SIDE - ROW) / MOST_NAMED;
    int shown = c->class_count < MOST_NAMED ? c->class_count : MOST_NAMED;
    int row = shown * ROW <= SIDE - ROW ? ROW : step;
    int times = row == ROW ? 2 : 1;
    for (int k = 0; k < shown; k++) {
        char text[64];
        const double at[2] = {x + 8, TOP + k * row + LETTER_HEIGHT};
        chart_sign(&s->image, at, k / COLORS, 6, colors[k % COLORS], 1);
        snprintf(text, sizeof text, "%.*s %lld", LETTERS * 2 / times - 7, c->names[k],
                 (long long)count_of(c, k));
        chart_text(&s->image, x + 24, TOP + k * row + (times == 2 ? 0 : 4), times, text, chart_ink);
    }
    if (shown == c->class_count) return;
    char text[64];
    snprintf(text, sizeof text, "and %d more", c->class_count - shown);
    chart_text(&s->image, x + 24, TOP + shown * row + 4, 1, text, chart_ink);
}

static void draw_scale(const scatter *s)
{
    enum { HIGH = 300, BROAD = 18 };
    int x = LEFT + SIDE + MARGIN;
    char text[64];
    for (int r = 0; r < HIGH; r++) {
        for (int k = 0; k < BROAD; k++) {
            chart_blend(&s->image, x + k, TOP + 30 + r, scale_color(1 - (double)r / (HIGH - 1)), 1);
        }
    }
    if (s->chart->value_name) {
        snprintf(text, sizeof text, "%.*s", LETTERS, s->chart->value_name);
        chart_text(&s->image, x, TOP, 2, text, chart_ink);
    }
    snprintf(text, sizeof text, "%.6g", s->high);
    chart_text(&s->image, x + BROAD + 8, TOP + 30, 2, text, chart_ink);
    snprintf(text, sizeof text, "%.6g", s->low);
    chart_text(&s->image, x + BROAD + 8, TOP + 30 + HIGH - 2 * LETTER_HEIGHT, 2, text, chart_ink);
}

static void draw_frame(const scatter *s)
{
    for (int i = 0; i <= SIDE; i++) {
        chart_blend(&s->image, LEFT + i, TOP, chart_grid, 1);
        chart_blend(&s->image, LEFT + i, TOP + SIDE, chart_grid, 1);
        chart_blend(&s->image, LEFT, TOP + i, chart_grid, 1);
        chart_blend(&s->image, LEFT + SIDE, TOP + i, chart_grid, 1);
    }
    chart_text(&s->image, LEFT, 14, 2, s->chart->title, chart_ink);
    if (s->chart->note) chart_text(&s->image, LEFT, 40, 2, s->chart->note, chart_ink);
}

fm_status scatter_chart_write(fm_context *context, const scatter_chart *chart, const char *path)
{
    scatter s = {.chart = chart};
    fm_status status = chart_canvas_open(context, WIDTH, HEIGHT, &s.image);
    if (status != FM_OK) return status;
    measure_places(&s);
    measure_values(&s);
    draw_frame(&s);
    draw_points(&s);
    draw_names(&s, context);
    if (chart->values && s.low <= s.high) draw_scale(&s);
    if (chart->labels && !chart->values) draw_legend(&s);
    status = chart_canvas_write(context, &s.image, path);
    chart_canvas_close(context, &s.image);
    return status;
}

/* ---- the middle of a class ---- */

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int64_t scatter_middle(fm_context *context, const double *places, const int32_t *labels,
                       int64_t count, int32_t class_number)
{
    double *numbers = fm_allocate_array(context, (size_t)count + 1, sizeof *numbers);
    double median[2] = {0}, least = INFINITY;
    int64_t nearest = -1;
    for (int k = 0; k < 2 && numbers; k++) {
        size_t found = 0;
        for (int64_t i = 0; i < count; i++) {
            if (labels[i] == class_number) numbers[found++] = places[2 * i + k];
        }
        qsort(numbers, found, sizeof *numbers, by_number);
        if (found) median[k] = numbers[found / 2];
    }
    for (int64_t i = 0; i < count && numbers; i++) {
        double far = hypot(places[2 * i] - median[0], places[2 * i + 1] - median[1]);
        if (labels[i] != class_number || far >= least) continue;
        least = far;
        nearest = i;
    }
    fm_release(context, numbers);
    return nearest;
}
