#include "base/file.h"
#include "data/image_bytes.h"
#include "data/image/decode.h"

#include <signal.h>
#include <sys/resource.h>
#include <zlib.h>

static fm_image decode(fixture *f, image_bytes file, int channels)
{
    fm_image image;
    fm_image_options options = {.channels = channels};
    assert_ok(f->context,
              fm_image_decode(f->context, "t.png", file.bytes, file.size, &options, &image));
    return image;
}

static void refuse(fixture *f, image_bytes file, fm_status status, const char *words)
{
    fm_image image;
    assert_fails(f->context, status, words,
                 fm_image_decode(f->context, "bad.png", file.bytes, file.size, NULL, &image));
    assert_null(image.pixels);
    assert_non_null(strstr(fm_error_message(f->context), "bad.png"));
}

/* ---- PNG ---- */

static void check_png(fixture *f, int depth, int colour, int palette, const uint8_t *row,
                      size_t stride, const uint8_t *expected, int width, int channels)
{
    uint8_t rows[3 * 64];
    for (int y = 0; y < 3; y++) memcpy(rows + (size_t)y * stride, row, stride);
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        image_bytes file = png_bytes(3, width, depth, colour, interlaced, palette, rows, stride);
        fm_image image = decode(f, file, 0);
        assert_int_equal(image.height, 3);
        assert_int_equal(image.width, width);
        assert_int_equal(image.channels, channels);
        for (int y = 0; y < 3; y++) {
            assert_memory_equal(image.pixels + y * width * channels, expected,
                                (size_t)(width * channels));
        }
        fm_image_release(f->context, &image);
        free(file.bytes);
    }
}

#define CHECK_PNG(depth, colour, palette, row, expected, width, channels)                          \
    check_png(f, depth, colour, palette, row, sizeof row, expected, width, channels)

static void png_of_every_kind_is_read(void **state)
{
    fixture *f = *state;
    const uint8_t grey[] = {0, 7, 255, 128};
    CHECK_PNG(8, PNG_COLOR_TYPE_GRAY, 0, grey, grey, 4, 1);
    const uint8_t bits[] = {0xA0}, of_bits[] = {255, 0, 255, 0};
    CHECK_PNG(1, PNG_COLOR_TYPE_GRAY, 0, bits, of_bits, 4, 1);
    const uint8_t pairs[] = {0x1B}, of_pairs[] = {0, 85, 170, 255};
    CHECK_PNG(2, PNG_COLOR_TYPE_GRAY, 0, pairs, of_pairs, 4, 1);
    const uint8_t wide[] = {0x80, 0x80, 0xFF, 0xFF, 0x00, 0x7F, 0x01, 0x40};
    const uint8_t of_wide[] = {128, 255, 0, 1};
    CHECK_PNG(16, PNG_COLOR_TYPE_GRAY, 0, wide, of_wide, 4, 1);
    const uint8_t rgb[] = {1, 2, 3, 4, 5, 6};
    CHECK_PNG(8, PNG_COLOR_TYPE_RGB, 0, rgb, rgb, 2, 3);
    const uint8_t rgba[] = {1, 2, 3, 0, 4, 5, 6, 255};
    CHECK_PNG(8, PNG_COLOR_TYPE_RGBA, 0, rgba, rgb, 2, 3);
    const uint8_t ga[] = {9, 0, 77, 255}, of_ga[] = {9, 77};
    CHECK_PNG(8, PNG_COLOR_TYPE_GRAY_ALPHA, 0, ga, of_ga, 2, 1);
    const uint8_t indices[] = {0x31}, of_indices[] = {3, 6, 252, 1, 2, 254};
    CHECK_PNG(4, PNG_COLOR_TYPE_PALETTE, 4, indices, of_indices, 2, 3);
    const uint8_t wide_rgb[] = {1, 1, 2, 2, 3, 3};
    const uint8_t of_wide_rgb[] = {1, 2, 3};
    CHECK_PNG(16, PNG_COLOR_TYPE_RGB, 0, wide_rgb, of_wide_rgb, 1, 3);
}

static void channels_are_made(void **state)
{
    fixture *f = *state;
    const uint8_t rgb[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255};
    image_bytes file = png_bytes(1, 4, 8, PNG_COLOR_TYPE_RGB, false, 0, rgb, sizeof rgb);
    fm_image grey = decode(f, file, 1);
    assert_int_equal(grey.channels, 1);
    /* Pillow's convert("L") */
    assert_memory_equal(grey.pixels, ((uint8_t[]){76, 150, 29, 255}), 4);
    fm_image_release(f->context, &grey);
    free(file.bytes);
    const uint8_t one[] = {5, 6};
    file = png_bytes(1, 2, 8, PNG_COLOR_TYPE_GRAY, false, 0, one, sizeof one);
    fm_image colour = decode(f, file, 3);
    assert_memory_equal(colour.pixels, ((uint8_t[]){5, 5, 5, 6, 6, 6}), 6);
    fm_image_release(f->context, &colour);
    free(file.bytes);
}

static void indices_stay_numbers(void **state)
{
    fixture *f = *state;
    fm_image_options options = {.indices = true};
    fm_image image;
    const uint8_t packed[] = {0x31};
    image_bytes file = png_bytes(1, 2, 4, PNG_COLOR_TYPE_PALETTE, false, 4, packed, 1);
    assert_ok(f->context,
              fm_image_decode(f->context, "m", file.bytes, file.size, &options, &image));
    assert_memory_equal(image.pixels, ((uint8_t[]){3, 1}), 2);
    fm_image_release(f->context, &image);
    free(file.bytes);
    const uint8_t rgb[] = {1, 2, 3};
    file = png_bytes(1, 1, 8, PNG_COLOR_TYPE_RGB, false, 0, rgb, 3);
    assert_fails(f->context, FM_ERROR_FORMAT, "class numbers",
                 fm_image_decode(f->context, "m", file.bytes, file.size, &options, &image));
    free(file.bytes);
}

static void put_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* IHDR with other sides and the right check sum: it begins at byte 12 with its name. */
static void set_png_size(image_bytes file, uint32_t width, uint32_t height)
{
    put_u32(file.bytes + 16, width);
    put_u32(file.bytes + 20, height);
    put_u32(file.bytes + 29, (uint32_t)crc32(0, file.bytes + 12, 17));
}

static void broken_png_is_told(void **state)
{
    fixture *f = *state;
    uint8_t *pixels = smooth_pixels(20, 30, 3);
    image_bytes file = png_bytes(20, 30, 8, PNG_COLOR_TYPE_RGB, false, 0, pixels, 90);
    set_png_size(file, 60000, 60000);
    refuse(f, file, FM_ERROR_LIMIT, "60000 x 60000");
    set_png_size(file, 0x7fffffff, 1);
    refuse(f, file, FM_ERROR_LIMIT, "2147483647 x 1");
    set_png_size(file, 0, 20);
    refuse(f, file, FM_ERROR_FORMAT, "IHDR");
    set_png_size(file, 10000, 10000);
    refuse(f, file, FM_ERROR_FORMAT, "more pixels than its bytes can hold");
    set_png_size(file, 30, 25);
    refuse(f, file, FM_ERROR_FORMAT, "broken PNG image");
    set_png_size(file, 30, 20);
    file.bytes[60] ^= 1;
    refuse(f, file, FM_ERROR_FORMAT, "bad.png: broken PNG image: IDAT: ");
    free(file.bytes);
    const uint8_t beyond[] = {0x13}; /* of a palette of two */
    file = png_bytes(1, 2, 4, PNG_COLOR_TYPE_PALETTE, false, 2, beyond, 1);
    refuse(f, file, FM_ERROR_FORMAT, "a pixel of color 3, where the palette has 2");
    free(file.bytes);
    free(pixels);
}

/* ---- JPEG ---- */

static void assert_close(const fm_image *image, const uint8_t *expected, int tolerance)
{
    int64_t count = image->height * image->width * image->channels;
    for (int64_t i = 0; i < count; i++) {
        if (abs(image->pixels[i] - expected[i]) <= tolerance) continue;
        fail_msg("value %ld is %d, expected %d", (long)i, image->pixels[i], expected[i]);
    }
}

static void jpeg_is_read(void **state)
{
    fixture *f = *state;
    for (int channels = 1; channels <= 3; channels += 2) {
        uint8_t *pixels = smooth_pixels(33, 50, channels);
        jpeg_form form = {33, 50, channels, 95, 0, false, false};
        image_bytes plain = jpeg_bytes(form, pixels);
        fm_image image = decode(f, plain, 0);
        assert_int_equal(image.channels, channels);
        assert_close(&image, pixels, 10);
        form.progressive = true;
        image_bytes progressive = jpeg_bytes(form, pixels);
        fm_image same = decode(f, progressive, 0);
        assert_memory_equal(image.pixels, same.pixels, (size_t)(33 * 50 * channels));
        fm_image_release(f->context, &image);
        fm_image_release(f->context, &same);
        free(plain.bytes);
        free(progressive.bytes);
        free(pixels);
    }
}

static void jpeg_of_other_colours_is_read(void **state)
{
    fixture *f = *state;
    uint8_t *pixels = smooth_pixels(16, 16, 3);
    image_bytes file = jpeg_bytes((jpeg_form){16, 16, 3, 95, 0, false, true}, pixels);
    fm_image image = decode(f, file, 3);
    assert_close(&image, pixels, 8);
    fm_image_release(f->context, &image);
    free(file.bytes);
    /* libjpeg writes Adobe's marker: inks are inverted in the file, so 200 of 255 is light */
    uint8_t inks[16 * 16 * 4];
    for (int i = 0; i < 16 * 16; i++) memcpy(inks + 4 * i, (uint8_t[]){200, 100, 50, 255}, 4);
    file = jpeg_bytes((jpeg_form){16, 16, 4, 98, 0, false, false}, inks);
    image = decode(f, file, 0);
    assert_int_equal(image.channels, 3);
    for (int i = 0; i < 16 * 16; i++) memcpy(pixels + 3 * i, (uint8_t[]){200, 100, 50}, 3);
    assert_close(&image, pixels, 3);
    fm_image_release(f->context, &image);
    free(file.bytes);
    free(pixels);
}

static void orientation_is_applied(void **state)
{
    fixture *f = *state;
    /* which corner of the file is the picture's top left, top right and bottom left */
    static const struct {
        int top_left, top_right, bottom_left;
    } corners[9] = {{0, 1, 2}, {0, 1, 2}, {1, 0, 3}, {3, 2, 1}, {2, 3, 0},
                    {0, 2, 1}, {2, 0, 3}, {3, 1, 2}, {1, 3, 0}};
    const uint8_t of_corner[] = {20, 90, 160, 230};
    uint8_t pixels[32 * 64];
    for (int y = 0; y < 32; y++) {
        for (int x = 0; x < 64; x++) pixels[y * 64 + x] = of_corner[y / 16 * 2 + x / 32];
    }
    for (int orientation = 0; orientation <= 8; orientation++) {
        image_bytes file =
            jpeg_bytes((jpeg_form){32, 64, 1, 95, orientation, false, false}, pixels);
        fm_image image = decode(f, file, 0);
        assert_int_equal(image.height, orientation >= 5 ? 64 : 32);
        const uint8_t *p = image.pixels;
        assert_in_range(p[0], of_corner[corners[orientation].top_left] - 4,
                        of_corner[corners[orientation].top_left] + 4);
        assert_in_range(p[image.width - 1], of_corner[corners[orientation].top_right] - 4,
                        of_corner[corners[orientation].top_right] + 4);
        assert_in_range(p[(image.height - 1) * image.width],
                        of_corner[corners[orientation].bottom_left] - 4,
                        of_corner[corners[orientation].bottom_left] + 4);
        fm_image_release(f->context, &image);
        free(file.bytes);
    }
}

static void exif_is_not_trusted(void **state)
{
    (void)state;
    const uint8_t intel[] = "II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0";
    const uint8_t motorola[] = "MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0\3\0\0\0\0\0\0";
    assert_int_equal(fm_exif_orientation(intel, 26), 6);
    assert_int_equal(fm_exif_orientation(motorola, 26), 3);
    for (size_t size = 0; size < 20; size++) {
        int told = fm_exif_orientation(intel, size);
        assert_true(told == 1 || told == 6);
    }
    const uint8_t far_away[] = "II*\0\377\377\377\377\1\0";
    assert_int_equal(fm_exif_orientation(far_away, 10), 1);
    const uint8_t nine[] = "II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\11\0\0\0";
    assert_int_equal(fm_exif_orientation(nine, 22), 1);
}

static void want_50(void *user, int64_t height, int64_t width, fm_image_plan *plan)
{
    int64_t *seen = user;
    seen[0] = height;
    seen[1] = width;
    *plan = (fm_image_plan){50, 40};
}

static void detail_is_left_out_where_it_may(void **state)
{
    fixture *f = *state;
    uint8_t *pixels = smooth_pixels(240, 200, 3);
    image_bytes file = jpeg_bytes((jpeg_form){240, 200, 3, 90, 6, false, false}, pixels);
    int64_t seen[2];
    fm_decoding d = {.context = f->context,
                     .name = "t",
                     .bytes = file.bytes,
                     .size = file.size,
                     .plan = want_50,
                     .user = seen};
    assert_ok(f->context, fm_image_decode_planned(&d));
    assert_int_equal(seen[0], 200); /* upright */
    assert_int_equal(seen[1], 240);
    assert_int_equal(d.image.height, 50);
    assert_int_equal(d.image.width, 60);
    fm_image_release(f->context, &d.image);
    free(file.bytes);
    free(pixels);
}

static void broken_jpeg_is_told(void **state)
{
    fixture *f = *state;
    uint8_t *pixels = smooth_pixels(40, 40, 3);
    image_bytes file = jpeg_bytes((jpeg_form){40, 40, 3, 90, 0, false, false}, pixels);
    size_t sof = 0;
    while (file.bytes[sof] != 0xff || file.bytes[sof + 1] != 0xc0) sof++;
    uint8_t *size = file.bytes + sof + 5, kept[4];
    memcpy(kept, size, 4);
    memcpy(size, (uint8_t[]){0xff, 0xdc, 0xff, 0xdc}, 4);
    refuse(f, file, FM_ERROR_LIMIT, "65500 x 65500");
    memset(size, 0, 4);
    refuse(f, file, FM_ERROR_FORMAT, "broken JPEG image: ");
    memcpy(size, kept, 4);
    file.bytes[file.size / 2] = 0xff; /* a marker in the middle of the data */
    file.bytes[file.size / 2 + 1] = 0xd9;
    refuse(f, file, FM_ERROR_FORMAT, "broken JPEG image: ");
    free(file.bytes);
    free(pixels);
}

/* ---- both ---- */

static void cut_files_are_refused(fixture *f, image_bytes file)
{
    for (size_t size = 0; size < file.size; size += 1 + size / 64) {
        uint8_t *cut = malloc(size + 1); /* so that reading past it is seen */
        memcpy(cut, file.bytes, size);
        fm_image image;
        fm_status status = fm_image_decode(f->context, "cut", cut, size, NULL, &image);
        if (status != FM_ERROR_FORMAT) fail_msg("%zu of %zu bytes are taken", size, file.size);
        assert_null(image.pixels);
        free(cut);
    }
    uint8_t *cut = malloc(file.size);
    memcpy(cut, file.bytes, file.size);
    fm_image image;
    assert_fails(f->context, FM_ERROR_FORMAT, "cut",
                 fm_image_decode(f->context, "cut", cut, file.size - 1, NULL, &image));
    free(cut);
    free(file.bytes);
}

static void truncated_files_are_refused(void **state)
{
    fixture *f = *state;
    uint8_t *pixels = smooth_pixels(40, 60, 3);
    cut_files_are_refused(f, png_bytes(40, 60, 8, PNG_COLOR_TYPE_RGB, false, 0, pixels, 180));
    cut_files_are_refused(f, png_bytes(40, 60, 8, PNG_COLOR_TYPE_RGB, true, 0, pixels, 180));
    cut_files_are_refused(f, jpeg_bytes((jpeg_form){40, 60, 3, 90, 6, false, false}, pixels));
    cut_files_are_refused(f, jpeg_bytes((jpeg_form){40, 60, 3, 90, 0, true, false}, pixels));
    free(pixels);
}

static void other_files_are_refused(void **state)
{
    fixture *f = *state;
    refuse(f, (image_bytes){0}, FM_ERROR_FORMAT, "is empty");
    refuse(f, (image_bytes){(uint8_t *)(uintptr_t) "GIF89a..", 8, 0}, FM_ERROR_FORMAT,
           "not an image");
    refuse(f, (image_bytes){(uint8_t *)(uintptr_t) "P5 3 2 255\n12345", 16, 0}, FM_ERROR_FORMAT,
           "ends before its last pixel");
    refuse(f, (image_bytes){(uint8_t *)(uintptr_t) "P5 3 # no\n", 10, 0}, FM_ERROR_FORMAT,
           "WIDTH HEIGHT MAXVAL");
    fm_image image;
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "nowhere.png",
                 fm_image_read(f->context, "/nowhere.png", NULL, &image));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "channels",
                 fm_image_decode(f->context, "x", "P5 1 1 255\nx", 12,
                                 &(fm_image_options){.channels = 2}, &image));
}

static void pgm_and_ppm_are_read(void **state)
{
    fixture *f = *state;
    fm_image image =
        decode(f, (image_bytes){(uint8_t *)(uintptr_t) "P6\n# c\n1 2\n255\nabcdef", 21, 0}, 0);
    assert_int_equal(image.height, 2);
    assert_int_equal(image.channels, 3);
    assert_memory_equal(image.pixels, "abcdef", 6);
    fm_image_release(f->context, &image);
    image =
        decode(f, (image_bytes){(uint8_t *)(uintptr_t) "P5 2 1 65535 \xff\xff\x80\x80", 17, 0}, 1);
    assert_memory_equal(image.pixels, "\xff\x80", 2);
    fm_image_release(f->context, &image);
}

static void one_pixel_is_an_image(void **state)
{
    fixture *f = *state;
    const uint8_t pixel[] = {10, 20, 30};
    image_bytes file = png_bytes(1, 1, 8, PNG_COLOR_TYPE_RGB, true, 0, pixel, 3);
    fm_image image = decode(f, file, 3);
    assert_memory_equal(image.pixels, pixel, 3);
    fm_image_release(f->context, &image);
    free(file.bytes);
    file = jpeg_bytes((jpeg_form){1, 1, 3, 95, 0, true, false}, pixel);
    image = decode(f, file, 3);
    assert_close(&image, pixel, 3);
    fm_image_release(f->context, &image);
    free(file.bytes);
}

static void png_is_written(void **state)
{
    fixture *f = *state;
    for (int channels = 1; channels <= 3; channels += 2) {
        const char *path = fixture_path(f, "out.png");
        uint8_t *pixels = smooth_pixels(7, 9, channels);
        fm_image image = {7, 9, channels, pixels}, back;
        assert_ok(f->context, fm_image_write_png(f->context, path, &image));
        assert_ok(f->context, fm_image_read(f->context, path, NULL, &back));
        assert_int_equal(back.channels, channels);
        assert_memory_equal(back.pixels, pixels, (size_t)(7 * 9 * channels));
        fm_image_release(f->context, &back);
        free(pixels);
    }
    fm_image none = {0, 1, 3, NULL};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "1 x 0",
                 fm_image_write_png(f->context, fixture_path(f, "n.png"), &none));
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "no/such",
                 fm_image_write_png(f->context, fixture_path(f, "no/such.png"),
                                    &(fm_image){1, 1, 1, (uint8_t[]){1}}));
}

static void a_full_disk_is_told(void **state)
{
    fixture *f = *state;
    struct rlimit before, small;
    uint8_t *pixels = calloc(200 * 200, 1);
    for (uint32_t i = 0, x = 1; i < 200 * 200; i++) { /* noise: deflate gains nothing */
        x = x * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(x >> 24);
    }
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 2000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    fm_status status = fm_image_write_png(f->context, fixture_path(f, "out.png"),
                                          &(fm_image){200, 200, 1, pixels});
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_fails(f->context, FM_ERROR_IO, "out.png: cannot write: File too large", status);
    assert_false(fm_file_exists(fixture_path(f, "out.png")));
    free(pixels);
}

static fm_status decode_again(fm_context *context, void *argument)
{
    const image_bytes *file = argument;
    fm_image image;
    fm_status status = fm_image_decode(context, "t", file->bytes, file->size,
                                       &(fm_image_options){.channels = 1}, &image);
    fm_image_release(context, &image);
    return status;
}

static fm_status write_again(fm_context *context, void *path)
{
    uint8_t pixels[] = {1, 2, 3, 4};
    return fm_image_write_png(context, path, &(fm_image){2, 2, 1, pixels});
}

static void memory_may_fail(void **state)
{
    fixture *f = *state;
    uint8_t *pixels = smooth_pixels(16, 20, 4);
    image_bytes file = png_bytes(16, 20, 8, PNG_COLOR_TYPE_RGBA, true, 0, pixels, 80);
    assert_true(fail_each_allocation(f, decode_again, &file) > 4);
    free(file.bytes);
    file = jpeg_bytes((jpeg_form){16, 20, 4, 90, 5, false, false}, pixels);
    assert_true(fail_each_allocation(f, decode_again, &file) >= 4);
    free(file.bytes);
    free(pixels);
    assert_true(fail_each_allocation(f, write_again, (void *)(uintptr_t)fixture_path(f, "w.png")) >
                4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(png_of_every_kind_is_read),
        fixture_test(channels_are_made),
        fixture_test(indices_stay_numbers),
        fixture_test(broken_png_is_told),
        fixture_test(jpeg_is_read),
        fixture_test(jpeg_of_other_colours_is_read),
        fixture_test(orientation_is_applied),
        fixture_test(exif_is_not_trusted),
        fixture_test(detail_is_left_out_where_it_may),
        fixture_test(broken_jpeg_is_told),
        fixture_test(truncated_files_are_refused),
        fixture_test(other_files_are_refused),
        fixture_test(pgm_and_ppm_are_read),
        fixture_test(one_pixel_is_an_image),
        fixture_test(png_is_written),
        fixture_test(a_full_disk_is_told),
        fixture_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
