/* Maps laid over the images that they explain. */
#include "cli/explain_views.h"
#include "cli/sheet_canvas.h"

#include <math.h>
#include <string.h>

enum { MOST_PIXELS = 1 << 26, CHANNELS = 3 };

/* For and against; told apart by people who see red and green alike. */
static const double for_color[CHANNELS] = {255, 120, 40}, against_color[CHANNELS] = {60, 140, 255};
/* What stays of the image's light under a map. */
static const double base_share = 0.45;

fm_status explain_sheet_open(fm_context *context, const fm_data_field *x, int64_t samples,
                             int methods, explain_sheet *sheet)
{
    *sheet = (explain_sheet){.context = context, .arena = {.context = context}};
    char words[FM_SHAPE_TEXT];
    if (!sheet_is_image(x, &sheet->sample)) {
        return fm_fail(context, FM_ERROR_SHAPE, "explain: samples of %s are no images",
                       fm_shape_text(x->shape, words));
    }
    sheet_cell(&sheet->sample, &sheet->cell_height, &sheet->cell_width);
    int64_t height =
        SHEET_MARGIN + samples * (sheet->cell_height + 2 * SHEET_CAPTION + SHEET_MARGIN);
    int64_t width = SHEET_MARGIN + (methods + 1) * (sheet->cell_width + SHEET_MARGIN);
    if (height * width > MOST_PIXELS) {
        return fm_fail(context, FM_ERROR_LIMIT,
                       "explain: %lld samples make a picture of %lld pixels, at most %d are drawn",
                       (long long)samples, (long long)(height * width), MOST_PIXELS);
    }
    size_t elements = (size_t)(sheet->sample.height * sheet->sample.width * sheet->sample.channels);
    fm_arena *arena = &sheet->arena;
    sheet->values = fm_arena_allocate(arena, elements * sizeof *sheet->values);
    sheet->sample.pixels = fm_arena_allocate(arena, elements);
    sheet->scratch = fm_arena_allocate(arena, elements);
    if (!sheet->values || !sheet->sample.pixels || !sheet->scratch) return FM_ERROR_MEMORY;
    return sheet_open(arena, height, width, &sheet->sheet);
}

/* The map's number under a pixel of the cell: one of them when it is enlarged, else the mean. */
static double map_at(const explain_sheet *s, const double *map, int64_t r, int64_t c)
{
    int64_t h = s->sample.height, w = s->sample.width;
    int64_t top = r * h / s->cell_height, bottom = (r + 1) * h / s->cell_height;
    int64_t left = c * w / s->cell_width, right = (c + 1) * w / s->cell_width;
    if (bottom <= top) bottom = top + 1;
    if (right <= left) right = left + 1;
    double sum = 0;
    for (int64_t i = top; i < bottom; i++) {
        for (int64_t k = left; k < right; k++) sum += map[i * w + k];
    }
    return sum / (double)((bottom - top) * (right - left));
}

/* The image in grey and dark, and over it the map's colour by its share of the scale. */
static void lay_over(const explain_sheet *s, int64_t top, int64_t left, const double *map,
                     double scale)
{
    for (int64_t r = 0; r < s->cell_height; r++) {
        for (int64_t c = 0; c < s->cell_width; c++) {
            uint8_t *to = s->sheet.pixels + ((top + r) * s->sheet.width + left + c) * CHANNELS;
            double grey = base_share * (0.299 * to[0] + 0.587 * to[1] + 0.114 * to[2]);
            double share = scale > 0 ? map_at(s, map, r, c) / scale : 0;
            const double *color = share > 0 ? for_color : against_color;
            share = fmin(fabs(share), 1);
            for (int k = 0; k < CHANNELS; k++) {
                to[k] = (uint8_t)(grey + (color[k] - grey) * share + 0.5);
            }
        }
    }
}

/* "INTEGRATED" above "GRADIENTS" where a name is wider than the cell; else the layer below it. */
static void write_caption(const explain_sheet *s, int64_t top, int64_t left,
                          const fm_explanation *of)
{
    char name[64];
    snprintf(name, sizeof name, "%s", fm_explain_at(of->method)->name);
    const char *below = of->layer;
    char *cut = strrchr(name, '_');
    if (small_letter_count(name) * (LETTER_WIDTH + 1) > s->cell_width && cut) {
        *cut = '\0';
        below = cut + 1;
    }
    sheet_draw_text(&s->sheet, top, left, s->cell_width, name);
    if (below) sheet_draw_text(&s->sheet, top + SHEET_CAPTION, left, s->cell_width, below);
}

fm_status explain_sheet_add(explain_sheet *s, const explained *e)
{
    int64_t step = s->cell_width + SHEET_MARGIN, left = SHEET_MARGIN;
    int64_t top = SHEET_MARGIN + s->rows++ * (s->cell_height + 2 * SHEET_CAPTION + SHEET_MARGIN);
    int64_t caption = top + s->cell_height + 2;
    char words[96];
    sheet_restore(e->saved->transform, e->x, s->values, &s->sample);
    snprintf(words, sizeof words, e->meaning->classes ? "%.40s %.0f%%" : "%.40s %.4g",
             e->output_name, e->meaning->classes ? 100 * e->value : e->value);
    sheet_draw_text(&s->sheet, caption, left, s->cell_width, e->title);
    sheet_draw_text(&s->sheet, caption + SHEET_CAPTION, left, s->cell_width, words);
    for (int i = -1; i < e->count; i++, left += step) {
        fm_status status =
            sheet_draw_image(s->context, &s->sheet, top, left, &s->sample, s->scratch);
        if (status != FM_OK) return status;
        if (i < 0) continue;
        lay_over(s, top, left, e->of[i].map, explained_scale(s->context, &e->of[i]));
        write_caption(s, caption, left, &e->of[i]);
    }
    return FM_OK;
}

fm_status explain_sheet_write(const explain_sheet *sheet, const char *path)
{
    return fm_image_write_png(sheet->context, path, &sheet->sheet);
}

void explain_sheet_close(explain_sheet *sheet)
{
    fm_arena_release(&sheet->arena);
}
