/* PNG through libpng. Its errors jump back to the function that called it; nothing that is needed
 * after a jump lives in a local variable of that function. */
#include "base/checked.h"
#include "base/file.h"
#include "data/image/decode.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* deflate's best ratio (zlib technical details), and what a header takes */
enum { MOST_INFLATED = 1032, SLACK = 4096, CHUNK_LIMIT = 8 << 20, CACHE_LIMIT = 64 };

typedef struct png_work {
    fm_decoding *d;
    fm_context *context;
    size_t at;
    bool memory_failed, write_failed; /* the latter with errno */
    FILE *stream;                     /* written to */
    char words[160];
} png_work;

/* ---- hooks ---- */

static void on_error(png_structp png, png_const_charp words)
{
    png_work *work = png_get_error_ptr(png);
    snprintf(work->words, sizeof work->words, "%s", words);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp words)
{
    (void)png;
    (void)words;
}

static png_voidp on_allocate(png_structp png, png_alloc_size_t size)
{
    png_work *work = png_get_mem_ptr(png);
    void *pointer = fm_allocate(work->context, size);
    if (!pointer) work->memory_failed = true;
    return pointer;
}

static void on_release(png_structp png, png_voidp pointer)
{
    png_work *work = png_get_mem_ptr(png);
    fm_release(work->context, pointer);
}

static void on_read(png_structp png, png_bytep to, size_t size)
{
    png_work *work = png_get_io_ptr(png);
    if (size > work->d->size - work->at) png_error(png, "the file ends early");
    memcpy(to, work->d->bytes + work->at, size);
    work->at += size;
}

static void on_write(png_structp png, png_bytep from, size_t size)
{
    png_work *work = png_get_io_ptr(png);
    if (fwrite(from, 1, size, work->stream) == size) return;
    work->write_failed = true;
    png_longjmp(png, 1);
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* ---- reading ---- */

typedef struct png_reader {
    png_work work;
    png_structp png;
    png_infop info;
    int passes;
} png_reader;

static void choose_conversions(const png_reader *r)
{
    int depth = png_get_bit_depth(r->png, r->info);
    int colour = png_get_color_type(r->png, r->info);
    if (r->work.d->options.indices || colour == PNG_COLOR_TYPE_PALETTE) {
        if (depth < 8) png_set_packing(r->png);
        return;
    }
    if (depth == 16) png_set_scale_16(r->png);
    if (colour == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(r->png);
    if (colour & PNG_COLOR_MASK_ALPHA) png_set_strip_alpha(r->png);
}

static fm_status check_indices(const png_reader *r)
{
    int colour = png_get_color_type(r->png, r->info);
    bool numbers = colour == PNG_COLOR_TYPE_PALETTE || colour == PNG_COLOR_TYPE_GRAY;
    if (!r->work.d->options.indices || (numbers && png_get_bit_depth(r->png, r->info) <= 8)) {
        return FM_OK;
    }
    return fm_fail(r->work.context, FM_ERROR_FORMAT,
                   "%s: class numbers are wanted: a palette, or grey values of at most 8 bits",
                   r->work.d->name);
}

/* More pixels than the file could ever inflate to are not worth their memory. */
static fm_status check_bytes(const png_reader *r)
{
    size_t row = png_get_rowbytes(r->png, r->info), all, most;
    size_t height = png_get_image_height(r->png, r->info);
    bool fits = fm_checked_mul(row, height, &all) &&
                fm_checked_mul(r->work.d->size, MOST_INFLATED, &most) && all <= most + SLACK;
    if (fits) return FM_OK;
    return fm_decoding_fail(r->work.d, "PNG", "more pixels than its bytes can hold");
}

static void read_orientation(const png_reader *r)
{
    png_uint_32 size = 0;
    png_bytep exif = NULL;
    if (png_get_eXIf_1(r->png, r->info, &size, &exif) == 0 || !exif) return;
    r->work.d->orientation = fm_exif_orientation(exif, size);
}

/* Runs under setjmp. */
static fm_status read_header(png_reader *r)
{
    fm_decoding *d = r->work.d;
    fm_image_plan plan;
    png_read_info(r->png, r->info);
    read_orientation(r);
    fm_status status = fm_decoding_begin(d, png_get_image_height(r->png, r->info),
                                         png_get_image_width(r->png, r->info), &plan);
    if (status == FM_OK) status = check_indices(r);
    if (status == FM_OK) status = check_bytes(r);
    if (status != FM_OK) return status;
    choose_conversions(r);
    r->passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    d->image = (fm_image){.height = png_get_image_height(r->png, r->info),
                          .width = png_get_image_width(r->png, r->info),
                          .channels = png_get_channels(r->png, r->info)};
    return fm_decoding_allocate(d);
}

static void read_rows(const png_reader *r)
{
    const fm_image *image = &r->work.d->image;
    size_t stride = png_get_rowbytes(r->png, r->info);
    for (int pass = 0; pass < r->passes; pass++) {
        for (int64_t y = 0; y < image->height; y++) {
            png_read_row(r->png, image->pixels + (size_t)y * stride, NULL);
        }
    }
    png_read_end(r->png, NULL);
}

/* Not by libpng's own expansion, which takes entries that are not there for black. */
static fm_status apply_palette(const png_reader *r)
{
    fm_image *image = &r->work.d->image;
    png_colorp palette = NULL;
    int entries = 0;
    if (png_get_color_type(r->png, r->info) != PNG_COLOR_TYPE_PALETTE) return FM_OK;
    png_get_PLTE(r->png, r->info, &palette, &entries);
    int64_t count = image->height * image->width;
    for (int64_t i = 0; i < count; i++) {
        if (image->pixels[i] < entries) continue;
        char words[96];
        snprintf(words, sizeof words, "a pixel of color %d, where the palette has %d",
                 image->pixels[i], entries);
        return fm_decoding_fail(r->work.d, "PNG", words);
    }
    if (r->work.d->options.indices) return FM_OK;
    uint8_t *pixels = fm_allocate_array(r->work.context, (size_t)count, 3);
    if (!pixels) return fm_error_status(r->work.context);
    for (int64_t i = 0; i < count; i++) {
        png_color colour = palette[image->pixels[i]];
        memcpy(pixels + 3 * i, (uint8_t[]){colour.red, colour.green, colour.blue}, 3);
    }
    fm_release(r->work.context, image->pixels);
    image->pixels = pixels;
    image->channels = 3;
    return FM_OK;
}

static fm_status read_under_jump(png_reader *r)
{
    if (setjmp(png_jmpbuf(r->png))) {
        if (r->work.memory_failed) return FM_ERROR_MEMORY; /* the hook left its words */
        return fm_decoding_fail(r->work.d, "PNG", r->work.words);
    }
    fm_status status = read_header(r);
    if (status != FM_OK) return status;
    read_rows(r);
    status = apply_palette(r);
    return status == FM_OK && r->work.memory_failed ? FM_ERROR_MEMORY : status;
}

static fm_status open_reader(png_reader *r)
{
    png_work *work = &r->work;
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, work, on_error, on_warning, work,
                                      on_allocate, on_release);
    if (r->png) r->info = png_create_info_struct(r->png);
    if (!r->info) {
        if (work->memory_failed) return FM_ERROR_MEMORY;
        return fm_fail(work->context, FM_ERROR_UNSUPPORTED,
                       "%s: the libpng that is installed is not the one this was built with",
                       work->d->name);
    }
    png_set_read_fn(r->png, work, on_read);
    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours has better words */
    png_set_chunk_malloc_max(r->png, CHUNK_LIMIT);
    png_set_chunk_cache_max(r->png, CACHE_LIMIT);
    return FM_OK;
}

fm_status fm_png_decode(fm_decoding *d)
{
    png_reader r = {.work = {.d = d, .context = d->context}};
    fm_status status = open_reader(&r);
    if (status == FM_OK) status = read_under_jump(&r);
    if (r.png) png_destroy_read_struct(&r.png, r.info ? &r.info : NULL, NULL);
    return status;
}

/* ---- writing ---- */

typedef struct png_writer {
    png_work work;
    png_structp png;
    png_infop info;
    const fm_image *image;
} png_writer;

static fm_status write_under_jump(png_writer *w, const char *path)
{
    const fm_image *image = w->image;
    if (setjmp(png_jmpbuf(w->png))) {
        if (w->work.memory_failed) return FM_ERROR_MEMORY;
        if (w->work.write_failed) return fm_fail_system(w->work.context, path, "write");
        return fm_fail(w->work.context, FM_ERROR_IO, "%s: %s", path, w->work.words);
    }
    png_set_write_fn(w->png, &w->work, on_write, on_flush);
    png_set_IHDR(w->png, w->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 image->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    for (int64_t y = 0; y < image->height; y++) {
        png_write_row(w->png, image->pixels + y * image->width * image->channels);
    }
    png_write_end(w->png, w->info);
    return FM_OK;
}

static fm_status write_stream(fm_context *context, const char *path, const fm_image *image,
                              FILE *stream)
{
    png_writer w = {.work = {.context = context, .stream = stream}, .image = image};
    w.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &w.work, on_error, on_warning, &w.work,
                                      on_allocate, on_release);
    if (w.png) w.info = png_create_info_struct(w.png);
    fm_status status = w.info ? write_under_jump(&w, path) : FM_ERROR_MEMORY;
    if (w.png) png_destroy_write_struct(&w.png, &w.info);
    return status;
}

fm_status fm_image_write_png(fm_context *context, const char *path, const fm_image *image)
{
    enum { MAX_SIDE = 1 << 20 };
    bool possible = image->height > 0 && image->width > 0 && image->height <= MAX_SIDE &&
                    image->width <= MAX_SIDE && (image->channels == 1 || image->channels == 3);
    if (!possible) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: no PNG can hold an image of %lld x %lld pixels with %lld channels",
                       path, (long long)image->width, (long long)image->height,
                       (long long)image->channels);
    }
    fm_file_writer writer;
    fm_status status = fm_file_writer_open(context, path, &writer);
    if (status != FM_OK) return status;
    status = write_stream(context, path, image, writer.stream);
    if (status == FM_OK) return fm_file_writer_commit(&writer);
    fm_file_writer_abandon(&writer);
    return status;
}
