#include "cli/sheet_canvas.h"

#include <math.h>
#include <string.h>

enum {
    SMALLEST_SIDE = 96, /* smaller samples are enlarged, pixel by pixel */
    LARGEST_SIDE = 224,
    MOST_SIDE = 1 << 14,
    BACKGROUND = 28,
    INK = 230,
    CHANNELS = 3,
};

bool sheet_is_image(const fm_data_field *x, fm_image *image)
{
    fm_shape shape = x->shape;
    bool fits = shape.rank == 2 || (shape.rank == 3 && (shape.dims[2] == 1 || shape.dims[2] == 3));
    for (int i = 0; i < 2 && fits; i++) fits = shape.dims[i] > 0 && shape.dims[i] <= MOST_SIDE;
    if (!fits || x->dtype != FM_F32) return false;
    *image = (fm_image){.height = shape.dims[0],
                        .width = shape.dims[1],
                        .channels = shape.rank == 3 ? shape.dims[2] : 1};
    return true;
}

void sheet_cell(const fm_image *sample, int64_t *height, int64_t *width)
{
    int64_t longer = sample->height > sample->width ? sample->height : sample->width;
    int64_t times = (SMALLEST_SIDE + longer - 1) / longer;
    double part = longer > LARGEST_SIDE ? (double)LARGEST_SIDE / (double)longer : (double)times;
    *height = (int64_t)fmax(1, round((double)sample->height * part));
    *width = (int64_t)fmax(1, round((double)sample->width * part));
}

fm_status sheet_open(fm_arena *arena, int64_t height, int64_t width, fm_image *sheet)
{
    size_t bytes = (size_t)(height * width * CHANNELS);
    *sheet = (fm_image){height, width, CHANNELS, fm_arena_allocate(arena, bytes)};
    if (!sheet->pixels) return FM_ERROR_MEMORY;
    memset(sheet->pixels, BACKGROUND, bytes);
    return FM_OK;
}

void sheet_restore(const fm_transform *transform, const float *x, float *values, fm_image *image)
{
    int64_t count = image->height * image->width * image->channels;
    memcpy(values, x, (size_t)count * sizeof *x);
    fm_transform_restore_x(transform, values, 1);
    bool bytes = fm_transform_input(transform)->fields[0].dtype == FM_U8;
    for (int64_t i = 0; i < count; i++) {
        float value = bytes ? values[i] : 255 * values[i];
        image->pixels[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5f);
    }
}

static void put_pixel(const fm_image *sheet, int64_t row, int64_t column, const uint8_t *color,
                      int64_t channels)
{
    uint8_t *to = sheet->pixels + (row * sheet->width + column) * CHANNELS;
    for (int k = 0; k < CHANNELS; k++) to[k] = color[channels == CHANNELS ? k : 0];
}

fm_status sheet_draw_image(fm_context *context, const fm_image *sheet, int64_t top, int64_t left,
                           const fm_image *from, uint8_t *scratch)
{
    int64_t height, width;
    fm_image shown = *from;
    sheet_cell(from, &height, &width);
    if (height < from->height) {
        shown = (fm_image){height, width, from->channels, scratch};
        fm_status status = fm_image_resize(context, from, FM_FIT_STRETCH, 0, &shown);
        if (status != FM_OK) return status;
    }
    for (int64_t r = 0; r < height; r++) {
        for (int64_t c = 0; c < width; c++) {
            int64_t at = r * shown.height / height * shown.width + c * shown.width / width;
            put_pixel(sheet, top + r, left + c, shown.pixels + at * shown.channels, shown.channels);
        }
    }
    return FM_OK;
}

void sheet_draw_text(const fm_image *sheet, int64_t top, int64_t left, int64_t width,
                     const char *text)
{
    const uint8_t ink = INK;
    int64_t most = width / (LETTER_WIDTH + 1);
    const uint8_t *rows;
    for (int64_t i = 0; i < most && (rows = small_letter_next(&text)); i++) {
        for (int r = 0; r < LETTER_HEIGHT; r++) {
            for (int c = 0; c < LETTER_WIDTH; c++) {
                if (!(rows[r] >> (LETTER_WIDTH - 1 - c) & 1)) continue;
                put_pixel(sheet, top + r, left + i * (LETTER_WIDTH + 1) + c, &ink, 1);
            }
        }
    }
}
