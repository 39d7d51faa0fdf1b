#include "cli/line_chart.h"
#include "cli/chart_canvas.h"
#include "base/context.h"

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
};

/* Told apart by people who see red and green alike (M. Okabe, K. Ito, 2008). */
static const chart_color line_colors[CHART_MOST_LINES] = {
    {60, 60, 60},    {213, 94, 0},  {0, 114, 178},  {0, 158, 115},
    {204, 121, 167}, {230, 159, 0}, {86, 180, 233}, {120, 120, 120},
};

typedef struct canvas {
    const line_chart *chart;
    chart_canvas image;
    double low, high; /* of the values */
    double from, to;  /* of the rows */
} canvas;

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
        for (int x = LEFT; x < WIDTH - RIGHT; x++) chart_blend(&c->image, x, y, chart_grid, 1);
        chart_text(&c->image, LEFT - 6 - small_letter_count(text) * STEP, y - LETTER_HEIGHT / 2, 1,
                   text, chart_ink);
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
        for (int y = HEIGHT - BOTTOM; y < HEIGHT - BOTTOM + 4; y++)
            chart_blend(&c->image, x, y, chart_ink, 1);
        c->chart->tick_text(c->chart->user, (int64_t)row, text);
        int left = x - (int)strlen(text) * STEP / 2, most = WIDTH - 4 - (int)strlen(text) * STEP;
        chart_text(&c->image, left < most ? left : most, HEIGHT - BOTTOM + 10, 1, text, chart_ink);
    }
    for (int x = LEFT; x < WIDTH - RIGHT; x++)
        chart_blend(&c->image, x, HEIGHT - BOTTOM, chart_ink, 1);
}

static void draw_line(const canvas *c, const chart_line *line, chart_color with)
{
    enum { MOST_DOTTED = 60 };
    for (int64_t i = 0; i < line->count; i++) {
        if (!isfinite(line->values[i])) continue;
        double here[] = {place_x(c, (double)(line->first + i)), place_y(c, line->values[i])};
        if (line->count <= MOST_DOTTED) chart_segment(&c->image, here, here, 2.5, with);
        if (i + 1 == line->count || !isfinite(line->values[i + 1])) continue;
        double next[] = {place_x(c, (double)(line->first + i + 1)),
                         place_y(c, line->values[i + 1])};
        chart_segment(&c->image, here, next, 1, with);
    }
}

static void draw_names(const canvas *c)
{
    int x = LEFT;
    chart_text(&c->image, x, 10, 1, c->chart->title, chart_ink);
    for (int i = 0; i < c->chart->line_count; i++) {
        const double from[] = {x, 30}, to[] = {x + 18, 30};
        chart_segment(&c->image, from, to, 1.5, line_colors[i]);
        chart_text(&c->image, x + 26, 27, 1, c->chart->lines[i].name, chart_ink);
        x += 26 + ((int)strlen(c->chart->lines[i].name) + 3) * STEP;
    }
}

fm_status line_chart_write(fm_context *context, const line_chart *chart, const char *path)
{
    canvas c = {.chart = chart};
    if (!measure(&c)) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "%s: there are no numbers to draw", path);
    }
    fm_status status = chart_canvas_open(context, WIDTH, HEIGHT, &c.image);
    if (status != FM_OK) return status;
    draw_grid(&c);
    draw_times(&c);
    for (int i = 0; i < chart->line_count; i++) draw_line(&c, &chart->lines[i], line_colors[i]);
    draw_names(&c);
    status = chart_canvas_write(context, &c.image, path);
    chart_canvas_close(context, &c.image);
    return status;
}
