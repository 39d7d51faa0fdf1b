/* PNG and JPEG files made by the libraries' own writers, kept in memory. */
#ifndef TESTS_DATA_IMAGE_BYTES_H
#define TESTS_DATA_IMAGE_BYTES_H

#include "support/fixture.h"
#include "fathom/image.h"

#include <jpeglib.h>
#include <png.h>

typedef struct image_bytes {
    uint8_t *bytes;
    size_t size, capacity;
} image_bytes;

static inline void add_bytes(image_bytes *to, const void *bytes, size_t size)
{
    to->bytes = realloc(to->bytes, to->size + size + 1);
    if (!to->bytes) fail_msg("no memory");
    if (size) memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static inline void append_png(png_structp png, png_bytep bytes, size_t size)
{
    add_bytes(png_get_io_ptr(png), bytes, size);
}

static inline void flush_nothing(png_structp png)
{
    (void)png;
}

/* rows: as they lie in the file, `stride` bytes each; palette_size entries are (i, 2i, 255 - i). */
static inline image_bytes png_bytes(int height, int width, int depth, int colour, bool interlaced,
                                    int palette_size, const uint8_t *rows, size_t stride)
{
    image_bytes made = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &made, append_png, flush_nothing);
    png_set_check_for_invalid_index(png, 0);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, colour,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
                 PNG_FILTER_TYPE_BASE);
    png_color palette[256];
    for (int i = 0; i < palette_size; i++) {
        palette[i] = (png_color){(png_byte)i, (png_byte)(2 * i), (png_byte)(255 - i)};
    }
    if (palette_size) png_set_PLTE(png, info, palette, palette_size);
    png_write_info(png, info);
    png_bytepp all = malloc((size_t)height * sizeof *all);
    for (int y = 0; y < height; y++) all[y] = (png_bytep)(uintptr_t)rows + (size_t)y * stride;
    png_write_image(png, all);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(all);
    return made;
}

/* pixels: (height, width, channels), channels 1, 3 or, for CMYK, 4. orientation: 0: no EXIF. */
typedef struct jpeg_form {
    int height, width, channels, quality, orientation;
    bool progressive, adobe_rgb;
} jpeg_form;

static inline image_bytes jpeg_bytes(jpeg_form form, const uint8_t *pixels)
{
    static const uint8_t exif[] = "Exif\0\0II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\0\0\0\0\0\0\0\0";
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    uint8_t head[32], *bytes = NULL;
    unsigned long size = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_height = (JDIMENSION)form.height;
    jpeg.image_width = (JDIMENSION)form.width;
    jpeg.input_components = form.channels;
    jpeg.in_color_space = form.channels == 1   ? JCS_GRAYSCALE
                          : form.channels == 4 ? JCS_CMYK
                                               : JCS_RGB;
    jpeg_set_defaults(&jpeg);
    if (form.adobe_rgb) jpeg_set_colorspace(&jpeg, JCS_RGB);
    jpeg_set_quality(&jpeg, form.quality, TRUE);
    if (form.progressive) jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    memcpy(head, exif, sizeof head);
    head[24] = (uint8_t)form.orientation;
    if (form.orientation) jpeg_write_marker(&jpeg, JPEG_APP0 + 1, head, sizeof head);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)pixels +
                       (size_t)jpeg.next_scanline * (size_t)(form.width * form.channels);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    image_bytes made = {0};
    add_bytes(&made, bytes, size);
    free(bytes);
    return made;
}

/* A smooth picture that differs in every corner and channel. */
static inline uint8_t *smooth_pixels(int height, int width, int channels)
{
    uint8_t *pixels = malloc((size_t)(height * width * channels));
    if (!pixels) fail_msg("no memory");
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            for (int c = 0; c < channels; c++) {
                int value = 20 + 110 * y / height + 50 * x / width + 20 * c;
                pixels[(y * width + x) * channels + c] = (uint8_t)value;
            }
        }
    }
    return pixels;
}

#endif
