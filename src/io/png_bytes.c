/* A PNG image in memory (RFC 2083): no filters, deflate by zlib. */
#include "io/wire.h"
#include "base/checked.h"
#include "base/memory.h"

#include <string.h>
#include <zlib.h>

enum { GREY = 0, COLOR = 2, LARGEST_SIDE = 1 << 20 };

static void add_number(fm_text *text, uint32_t value)
{
    const unsigned char bytes[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                    (unsigned char)(value >> 8), (unsigned char)value};
    fm_text_add_bytes(text, bytes, 4);
}

static void add_chunk(fm_text *png, const char *type, const void *bytes, size_t size)
{
    uLong check = crc32(0, (const Bytef *)type, 4);
    if (size > 0) check = crc32(check, bytes, (uInt)size);
    add_number(png, (uint32_t)size);
    fm_text_add_bytes(png, type, 4);
    fm_text_add_bytes(png, bytes, size);
    add_number(png, (uint32_t)check);
}

/* Each row begins with the number of its filter: none. */
static fm_status deflate_rows(fm_context *context, int64_t height, size_t row,
                              const uint8_t *pixels, fm_text *png)
{
    size_t raw_size = (size_t)height * (row + 1);
    uLongf size = compressBound((uLong)raw_size);
    uint8_t *raw = fm_allocate(context, raw_size), *packed = fm_allocate(context, size);
    fm_status status = raw && packed ? FM_OK : FM_ERROR_MEMORY;
    for (int64_t i = 0; i < height && status == FM_OK; i++) {
        raw[(size_t)i * (row + 1)] = 0;
        memcpy(raw + (size_t)i * (row + 1) + 1, pixels + (size_t)i * row, row);
    }
    if (status == FM_OK && compress2(packed, &size, raw, (uLong)raw_size, 6) != Z_OK) {
        status = fm_fail(context, FM_ERROR_MEMORY, "an image could not be compressed");
    }
    if (status == FM_OK) add_chunk(png, "IDAT", packed, size);
    fm_release(context, raw);
    fm_release(context, packed);
    return status;
}

fm_status fm_png_bytes(fm_context *context, int64_t height, int64_t width, int64_t channels,
                       const uint8_t *pixels, fm_text *png)
{
    size_t bytes;
    bool sound = height > 0 && width > 0 && height <= LARGEST_SIDE && width <= LARGEST_SIDE &&
                 (channels == 1 || channels == 3) &&
                 fm_checked_mul((size_t)height, (size_t)(width * channels + 1), &bytes) &&
                 bytes < 1u << 30;
    if (!sound) {
        return fm_fail(
            context, FM_ERROR_SHAPE,
            "an image has height, width and 1 or 3 channels, received (%lld, %lld, %lld)",
            (long long)height, (long long)width, (long long)channels);
    }
    fm_text header = FM_TEXT(context);
    add_number(&header, (uint32_t)width);
    add_number(&header, (uint32_t)height);
    const unsigned char rest[5] = {8, channels == 1 ? GREY : COLOR, 0, 0, 0};
    fm_text_add_bytes(&header, rest, sizeof rest);
    fm_text_add_bytes(png, "\x89PNG\r\n\x1a\n", 8);
    fm_status status = fm_text_status(&header);
    if (status == FM_OK) {
        add_chunk(png, "IHDR", header.bytes, header.size);
        status = deflate_rows(context, height, (size_t)(width * channels), pixels, png);
    }
    fm_text_release(&header);
    if (status == FM_OK) add_chunk(png, "IEND", NULL, 0);
    return status == FM_OK ? fm_text_status(png) : status;
}
