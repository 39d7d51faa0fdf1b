#include "cli/chart_canvas.h"
#include "base/memory.h"
#include "fathom/image.h"

#include <math.h>
#include <string.h>

enum { PIXEL = 3 /* bytes */ };

fm_status chart_canvas_open(fm_context *context, int width, int height, chart_canvas *canvas)
{
    size_t bytes = (size_t)width * (size_t)height * PIXEL;
    *canvas = (chart_canvas){width, height, fm_allocate(context, bytes)};
    if (!canvas->pixels) return FM_ERROR_MEMORY;
    memset(canvas->pixels, chart_paper.red, bytes);
    return FM_OK;
}

fm_status chart_canvas_write(fm_context *context, const chart_canvas *canvas, const char *path)
{
    fm_image image = {canvas->height, canvas->width, PIXEL, canvas->pixels};
    return fm_image_write_png(context, path, &image);
}

void chart_canvas_close(fm_context *context, chart_canvas *canvas)
{
    fm_release(context, canvas->pixels);
    *canvas = (chart_canvas){0};
}

void chart_blend(const chart_canvas *canvas, int x, int y, chart_color with, double share)
{
    if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height || share <= 0) return;
    uint8_t *to = canvas->pixels + (y * canvas->width + x) * PIXEL;
    const uint8_t from[] = {with.red, with.green, with.blue};
    for (int k = 0; k < PIXEL; k++) {
        to[k] = (uint8_t)(to[k] + (from[k] - to[k]) * fmin(share, 1) + 0.5);
    }
}

void chart_text(const chart_canvas *canvas, int x, int y, int times, const char *text,
                chart_color with)
{
    for (const uint8_t *rows; (rows = small_letter_next(&text)); x += times * (LETTER_WIDTH + 1)) {
        for (int r = 0; r < times * LETTER_HEIGHT; r++) {
            for (int b = 0; b < times * LETTER_WIDTH; b++) {
                bool inked = rows[r / times] >> (LETTER_WIDTH - 1 - b / times) & 1;
                if (inked) chart_blend(canvas, x + b, y + r, with, 1);
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

void chart_segment(const chart_canvas *canvas, const double a[2], const double b[2], double half,
                   chart_color with)
{
    int reach = (int)ceil(half) + 1;
    int left = (int)floor(fmin(a[0], b[0])) - reach, right = (int)ceil(fmax(a[0], b[0])) + reach;
    int top = (int)floor(fmin(a[1], b[1])) - reach, bottom = (int)ceil(fmax(a[1], b[1])) + reach;
    for (int y = top; y <= bottom; y++) {
        for (int x = left; x <= right; x++) {
            chart_blend(canvas, x, y, with, half + 0.5 - distance_to(x, y, a, b));
        }
    }
}

/* How far a place is from the sign's middle, where 1 is its edge. */
static double extent(int sign, double dx, double dy)
{
    switch (sign % CHART_SIGNS) {
    case 2:
        return fmax(fabs(dx), fabs(dy)) * 1.15;
    case 3:
        return (fabs(dx) + fabs(dy)) * 0.8;
    default:
        return hypot(dx, dy);
    }
}

void chart_sign(const chart_canvas *canvas, const double at[2], int sign, double radius,
                chart_color with, double share)
{
    int reach = (int)ceil(1.4 * radius) + 1, x0 = (int)floor(at[0]), y0 = (int)floor(at[1]);
    bool hollow = sign % CHART_SIGNS == 1;
    for (int y = y0 - reach; y <= y0 + reach; y++) {
        for (int x = x0 - reach; x <= x0 + reach; x++) {
            double far = radius * extent(sign, (x - at[0]) / radius, (y - at[1]) / radius);
            double covered = fmin(radius + 0.5 - far, 1);
            if (hollow) covered = fmin(covered, far - radius + 2);
            if (covered > 0) chart_blend(canvas, x, y, with, share * covered);
        }
    }
}
