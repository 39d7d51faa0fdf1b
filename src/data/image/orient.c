/* The side up that a camera noted, and channels. */
#include "data/image/decode.h"

#include <string.h>

/* ---- EXIF ---- */

typedef struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool big_endian;
} tiff;

static bool get_u16(const tiff *t, size_t at, unsigned *value)
{
    if (at + 2 > t->size) return false;
    unsigned a = t->bytes[at], b = t->bytes[at + 1];
    *value = t->big_endian ? a << 8 | b : b << 8 | a;
    return true;
}

static bool get_u32(const tiff *t, size_t at, uint32_t *value)
{
    unsigned a, b;
    if (!get_u16(t, at, &a) || !get_u16(t, at + 2, &b)) return false;
    *value = t->big_endian ? (uint32_t)a << 16 | b : (uint32_t)b << 16 | a;
    return true;
}

int fm_exif_orientation(const uint8_t *bytes, size_t size)
{
    enum { ORIENTATION = 0x0112, SHORT = 3, ENTRY_SIZE = 12 };
    tiff t = {bytes, size, size > 0 && bytes[0] == 'M'};
    bool known = size >= 8 && (memcmp(bytes, "II*\0", 4) == 0 || memcmp(bytes, "MM\0*", 4) == 0);
    uint32_t directory;
    unsigned entries, tag, type, value;
    if (!known || !get_u32(&t, 4, &directory) || !get_u16(&t, directory, &entries)) return 1;
    for (unsigned i = 0; i < entries; i++) {
        size_t at = (size_t)directory + 2 + (size_t)i * ENTRY_SIZE;
        if (!get_u16(&t, at, &tag)) return 1;
        if (tag != ORIENTATION) continue;
        if (!get_u16(&t, at + 2, &type) || type != SHORT || !get_u16(&t, at + 8, &value)) return 1;
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* ---- turning ---- */

/* Pixel (row, column) of the result is pixel (row, column) of the source after: swap,
 * then mirrors. */
typedef struct turn {
    bool swapped, rows_mirrored, columns_mirrored;
} turn;

static const turn turns[] = {
    [1] = {0},
    [2] = {.columns_mirrored = true},
    [3] = {.rows_mirrored = true, .columns_mirrored = true},
    [4] = {.rows_mirrored = true},
    [5] = {.swapped = true},
    [6] = {.swapped = true, .rows_mirrored = true},
    [7] = {.swapped = true, .rows_mirrored = true, .columns_mirrored = true},
    [8] = {.swapped = true, .columns_mirrored = true},
};

fm_status fm_image_turn(fm_context *context, int orientation, fm_image *image)
{
    if (orientation <= 1 || orientation > 8) return FM_OK;
    turn how = turns[orientation];
    fm_image to = *image;
    if (how.swapped) {
        to.height = image->width;
        to.width = image->height;
    }
    size_t pixel = (size_t)image->channels;
    to.pixels = fm_allocate_array(context, (size_t)(to.height * to.width), pixel);
    if (!to.pixels) return fm_error_status(context);
    for (int64_t r = 0; r < to.height; r++) {
        for (int64_t c = 0; c < to.width; c++) {
            int64_t row = how.swapped ? c : r, column = how.swapped ? r : c;
            if (how.rows_mirrored) row = image->height - 1 - row;
            if (how.columns_mirrored) column = image->width - 1 - column;
            memcpy(to.pixels + (size_t)(r * to.width + c) * pixel,
                   image->pixels + (size_t)(row * image->width + column) * pixel, pixel);
        }
    }
    fm_release(context, image->pixels);
    *image = to;
    return FM_OK;
}

/* ---- channels ---- */

/* ITU-R BT.601's luma in 16 bits behind the point. */
static void to_grey(const uint8_t *from, int64_t count, uint8_t *to)
{
    for (int64_t i = 0; i < count; i++, from += 3) {
        to[i] = (uint8_t)((from[0] * 19595u + from[1] * 38470u + from[2] * 7471u + 32768u) >> 16);
    }
}

fm_status fm_image_convert(fm_context *context, int64_t channels, fm_image *image)
{
    if (image->channels == channels) return FM_OK;
    int64_t count = image->height * image->width;
    uint8_t *pixels = fm_allocate_array(context, (size_t)count, (size_t)channels);
    if (!pixels) return fm_error_status(context);
    if (channels == 1) {
        to_grey(image->pixels, count, pixels);
    } else {
        for (int64_t i = 0; i < count; i++) memset(pixels + 3 * i, image->pixels[i], 3);
    }
    fm_release(context, image->pixels);
    image->pixels = pixels;
    image->channels = channels;
    return FM_OK;
}
