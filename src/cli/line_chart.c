#include "cli/line_chart.h"
#include "cli/small_letters.h"
#include "base/context.h"
#include "base/memory.h"
#include "fathom/image.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 1000,
    HEIGHT = 460,
    LEFT = 76,
    RIGHT = 24,
    TOP = 44,
    BOTTOM = 36,
    STEP = LETTER_WIDTH + 1,
    PIXEL = 3, /* bytes */
};

typedef struct color {
    uint8_t red, green, blue;
} color;

static const color paper = {252, 252, 252}, grid = {226, 226, 226}, ink = {70, 70, 70};
/* Told apart by people who see red and green alike (M. Okabe, K. Ito, 2008). */
static const color line_colors[CHART_MOST_LINES] = {
    {60, 60, 60},    {213, 94, 0},  {0, 114, 178},  {0, 158, 115},
    {204, 121, 167}, {230, 159, 0}, {86, 180, 233}, {120, 120, 120},
};

typedef struct canvas {
    const line_chart *chart;
    uint8_t *pixels;
    double low, high; /* of the values  */
    double from, to;  /* of the rows    */
} canvas;

/* ---- pixels ---- */

/* Mixes a color in by a share. */
static void blend(const canvas *c, int x, int y, color with, double share)
{
    if (x < 0 || y < 0 || x >= WIDTH || y >= HEIGHT || share <= 0) return;
    uint8_t *to = c->pixels + (y * WIDTH + x) * PIXEL;
    const uint8_t from[] = {with.red, with.green, with.blue};
    for (int k = 0; k < PIXEL; k++) {
        to[k] = (uint8_t)(to[k] + (from[k] - to[k]) * fmin(share, 1) + 0.5);
    }
}

static void draw_text(const canvas *c, int x, int y, const char *text, color with)
{
    for (; *text; text++, x += STEP) {
        const uint8_t *rows = small_letter_rows(*text);
        for (int r = 0; r < LETTER_HEIGHT; r++) {
            for (int b = 0; b < LETTER_WIDTH; b++) {
                if (rows[r] >> (LETTER_WIDTH - 1 - b) & 1) blend(c, x + b, y + r, with, 1);
            }
        }
    }
}

static double distance_to(double px, double py, const double a[2], const double b[2])
{
    double dx = b[0] - a[0], dy = b[1] - a[1], length = dx * dx + dy * dy;
    double t = length > 0 ? ((px - a[0]) * dx + (py - a[1]) * dy) / length : 0;
    t = fmin(1, fmax(0, t));
    return hypot(px - a[0] - t * dx, py - a[1] - t * dy);
}

/* A stroke as wide as twice `half`, with soft edges. */
static void draw_segment(const canvas *c, const double a[2], const double b[2], double half,
                         color with)
{
    int left = (int)floor(fmin(a[0], b[0]) - 2), right = (int)ceil(fmax(a[0], b[0]) + 2);
    int top = (int)floor(fmin(a[1], b[1]) - 2), bottom = (int)ceil(fmax(a[1], b[1]) + 2);
    for (int y = top; y <= bottom; y++) {
        for (int x = left; x <= right; x++) {
            blend(c, x, y, with, half + 0.5 - distance_to(x, y, a, b));
        }
    }
}

/* ---- scales ---- */

static double place_x(const canvas *c, double row)
{
    double span = c->to > c->from ? c->to - c->from : 1;
    return LEFT + (row - c->from) / span * (WIDTH - LEFT - RIGHT);
}

static double place_y(const canvas *c, double value)
{
    return HEIGHT - BOTTOM - (value - c->low) / (c->high - c->low) * (HEIGHT - TOP - BOTTOM);
}

double chart_step(double span, int count)
{
    double raw = span / count, power = pow(10, floor(log10(raw)));
    return power * (raw / power < 1.5 ? 1 : raw / power < 3.5 ? 2 : raw / power < 7.5 ? 5 : 10);
}

static bool measure(canvas *c)
{
    double low = INFINITY, high = -INFINITY;
    c->from = INFINITY;
    c->to = -INFINITY;
    for (int i = 0; i < c->chart->line_count; i++) {
        const chart_line *line = &c->chart->lines[i];
        for (int64_t k = 0; k < line->count; k++) {
            if (!isfinite(line->values[k])) continue;
            low = fmin(low, line->values[k]);
            high = fmax(high, line->values[k]);
            c->from = fmin(c->from, (double)(line->first + k));
            c->to = fmax(c->to, (double)(line->first + k));
        }
    }
    double room = high > low ? 0.05 * (high - low) : fmax(1, fabs(high));
    c->low = low - room;
    c->high = high + room;
    return isfinite(c->low) && isfinite(c->high) && c->high > c->low;
}

/* ---- drawing ---- */

static void draw_grid(const canvas *c)
{
    double step = chart_step(c->high - c->low, 6);
    for (int i = 0; i < CHART_MOST_TICKS; i++) {
        char text[32];
        double v = (ceil(c->low / step) + i) * step;
        if (!(v <= c->high)) return;
        snprintf(text, sizeof text, "%.6g", fabs(v) < step / 1000 ? 0 : v);
        int y = (int)(place_y(c, v) + 0.5);
        for (int x = LEFT; x < WIDTH - RIGHT; x++) blend(c, x, y, grid, 1);
        draw_text(c, LEFT - 6 - (int)strlen(text) * STEP, y - LETTER_HEIGHT / 2, text, ink);
    }
}

static void draw_times(const canvas *c)
{
    char text[CHART_TICK_TEXT];
    int size = (int)strlen(c->chart->tick_text(c->chart->user, (int64_t)c->to, text));
    int room = (WIDTH - LEFT - RIGHT) / ((size + 3) * STEP);
    int ticks = room < 2 ? 2 : room > CHART_MOST_TICKS ? CHART_MOST_TICKS : room;
    double step = fmax(1, ceil((c->to - c->from) / (ticks - 1)));
    for (double row = c->from; row <= c->to; row += step) {
        int x = (int)(place_x(c, row) + 0.5);
        for (int y = HEIGHT - BOTTOM; y < HEIGHT - BOTTOM + 4; y++) blend(c, x, y, ink, 1);
        c->chart->tick_text(c->chart->user, (int64_t)row, text);
        int left = x - (int)strlen(text) * STEP / 2, most = WIDTH - 4 - (int)strlen(text) * STEP;
        draw_text(c, left < most ? left : most, HEIGHT - BOTTOM + 10, text, ink);
    }
    for (int x = LEFT; x < WIDTH - RIGHT; x++) blend(c, x, HEIGHT - BOTTOM, ink, 1);
}

static void draw_line(const canvas *c, const chart_line *line, color with)
{
    enum { MOST_DOTTED = 60 };
    for (int64_t i = 0; i < line->count; i++) {
        if (!isfinite(line->values[i])) continue;
        double here[] = {place_x(c, (double)(line->first + i)), place_y(c, line->values[i])};
        if (line->count <= MOST_DOTTED) draw_segment(c, here, here, 2.5, with);
        if (i + 1 == line->count || !isfinite(line->values[i + 1])) continue;
        double next[] = {place_x(c, (double)(line->first + i + 1)),
                         place_y(c, line->values[i + 1])};
        draw_segment(c, here, next, 1, with);
    }
}

static void draw_names(const canvas *c)
{
    int x = LEFT;
    draw_text(c, x, 10, c->chart->title, ink);
    for (int i = 0; i < c->chart->line_count; i++) {
        const double from[] = {x, 30}, to[] = {x + 18, 30};
        draw_segment(c, from, to, 1.5, line_colors[i]);
        draw_text(c, x + 26, 27, c->chart->lines[i].name, ink);
        x += 26 + ((int)strlen(c->chart->lines[i].name) + 3) * STEP;
    }
}

fm_status line_chart_write(fm_context *context, const line_chart *chart, const char *path)
{
    canvas c = {.chart = chart};
    if (!measure(&c)) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: there are no numbers to draw", path);
    }
    c.pixels = fm_allocate(context, (size_t)WIDTH * HEIGHT * PIXEL);
    if (!c.pixels) return FM_ERROR_MEMORY;
    memset(c.pixels, paper.red, (size_t)WIDTH * HEIGHT * PIXEL);
    draw_grid(&c);
    draw_times(&c);
    for (int i = 0; i < chart->line_count; i++) draw_line(&c, &chart->lines[i], line_colors[i]);
    draw_names(&c);
    fm_image image = {HEIGHT, WIDTH, PIXEL, c.pixels};
    fm_status status = fm_image_write_png(context, path, &image);
    fm_release(context, c.pixels);
    return status;
}
