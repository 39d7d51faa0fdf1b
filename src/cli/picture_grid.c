#include "cli/picture_grid.h"
#include "cli/sheet_canvas.h"
#include "base/context.h"

#include <stdio.h>

enum { COLUMNS = 8 };

typedef struct drawing {
    fm_context *context;
    const picture_grid *grid;
    fm_image sample, *sheet;
    int64_t elements, cell_height, cell_width, row_height;
    float *values;
    uint8_t *scratch;
} drawing;

static fm_status draw_cell(const drawing *d, int64_t i)
{
    const picture_grid *grid = d->grid;
    int64_t top = SHEET_MARGIN + i / COLUMNS * d->row_height;
    int64_t left = SHEET_MARGIN + i % COLUMNS * (d->cell_width + SHEET_MARGIN);
    fm_status status = FM_OK;
    for (int k = 0; k < grid->stacked && status == FM_OK; k++, top += d->cell_height) {
        fm_image image = d->sample;
        sheet_restore(grid->transform, grid->stacks[k] + i * d->elements, d->values, &image);
        status = sheet_draw_image(d->context, d->sheet, top, left, &image, d->scratch);
    }
    if (status != FM_OK || !grid->figures) return status;
    char caption[32];
    snprintf(caption, sizeof caption, "%.4f", grid->figures[i]);
    sheet_draw_text(d->sheet, top + 2, left, d->cell_width, caption);
    return FM_OK;
}

static fm_status take_memory(drawing *d, fm_arena *arena)
{
    int64_t count = d->grid->count, columns = count < COLUMNS ? count : COLUMNS;
    size_t elements = (size_t)d->elements;
    d->values = fm_arena_allocate(arena, elements * sizeof *d->values);
    d->sample.pixels = fm_arena_allocate(arena, elements);
    d->scratch = fm_arena_allocate(arena, elements);
    if (!d->values || !d->sample.pixels || !d->scratch) return FM_ERROR_MEMORY;
    return sheet_open(arena, SHEET_MARGIN + (count + COLUMNS - 1) / COLUMNS * d->row_height,
                      SHEET_MARGIN + columns * (d->cell_width + SHEET_MARGIN), d->sheet);
}

fm_status picture_grid_draw(fm_context *context, const picture_grid *grid, fm_arena *arena,
                            fm_image *sheet)
{
    drawing d = {.context = context, .grid = grid, .sheet = sheet};
    if (!sheet_is_image(grid->x, &d.sample)) {
        return fm_fail(context, FM_ERROR_SHAPE,
                       "samples of %s are no images: (height, width), or with 1 or 3 channels",
                       fm_shape_text(grid->x->shape, (char[FM_SHAPE_TEXT]){0}));
    }
    d.elements = fm_shape_elements(grid->x->shape);
    sheet_cell(&d.sample, &d.cell_height, &d.cell_width);
    d.row_height =
        grid->stacked * d.cell_height + (grid->figures ? SHEET_CAPTION : 0) + SHEET_MARGIN;
    fm_status status = take_memory(&d, arena);
    for (int64_t i = 0; i < grid->count && status == FM_OK; i++) status = draw_cell(&d, i);
    return status;
}
