/* What charts in PNG files are drawn with: a light ground, soft strokes, small letters. */
#ifndef FM_CLI_CHART_CANVAS_H
#define FM_CLI_CHART_CANVAS_H

#include "cli/small_letters.h"
#include "fathom/base.h"

typedef struct chart_color {
    uint8_t red, green, blue;
} chart_color;

static const chart_color chart_paper = {252, 252, 252}, chart_grid = {226, 226, 226},
                         chart_ink = {70, 70, 70};

typedef struct chart_canvas {
    int width, height;
    uint8_t *pixels;
} chart_canvas;

fm_status chart_canvas_open(fm_context *context, int width, int height, chart_canvas *canvas);
/* Appears under its name only when it is complete. */
fm_status chart_canvas_write(fm_context *context, const chart_canvas *canvas, const char *path);
void chart_canvas_close(fm_context *context, chart_canvas *canvas);

/* Mixes a color in by a share; outside of the picture nothing. */
void chart_blend(const chart_canvas *canvas, int x, int y, chart_color with, double share);
/* From the left upper corner, each of a letter's pixels a square of `times`. */
void chart_text(const chart_canvas *canvas, int x, int y, int times, const char *text,
                chart_color with);
/* A stroke as wide as twice `half`, with soft edges; a disc when both ends are one. */
void chart_segment(const chart_canvas *canvas, const double a[2], const double b[2], double half,
                   chart_color with);

/* The signs for points: a disc, a ring, a square, a diamond; then again. */
enum { CHART_SIGNS = 4 };
void chart_sign(const chart_canvas *canvas, const double at[2], int sign, double radius,
                chart_color with, double share);

#endif
