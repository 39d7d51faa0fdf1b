#define _GNU_SOURCE
#include "data/image_bytes.h"
#include "data/file/byte_stream.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- files ---- */

static const char *write_image(fixture *f, const char *name, image_bytes file)
{
    const char *path = fixture_file(f, name, file.bytes, file.size);
    free(file.bytes);
    return path;
}

static image_bytes plain_png(int height, int width, uint8_t red, uint8_t green, uint8_t blue)
{
    uint8_t *pixels = malloc((size_t)(height * width * 3));
    for (int i = 0; i < height * width; i++) {
        memcpy(pixels + 3 * i, (uint8_t[]){red, green, blue}, 3);
    }
    image_bytes file =
        png_bytes(height, width, 8, PNG_COLOR_TYPE_RGB, false, 0, pixels, (size_t)width * 3);
    free(pixels);
    return file;
}

static void make_folders(fixture *f, const char *const *names)
{
    for (; *names; names++) mkdir(fixture_path(f, *names), 0755);
}

/* set/train: two roses of red, three tulips of green; set/test: a tulip. */
static const char *write_flowers(fixture *f)
{
    static const char *const folders[] = {"set",
                                          "set/train",
                                          "set/train/tulip",
                                          "set/train/rose",
                                          "set/train/.git",
                                          "set/test",
                                          "set/test/tulip",
                                          "set/test/rose",
                                          NULL};
    make_folders(f, folders);
    write_image(f, "set/train/rose/b.png", plain_png(8, 8, 201, 0, 0));
    write_image(f, "set/train/rose/a.png", plain_png(6, 9, 200, 0, 0));
    fixture_file(f, "set/train/rose/notes.txt", "x", 1);
    fixture_file(f, "set/train/.git/x.png", "x", 1);
    uint8_t *pixels = smooth_pixels(40, 30, 3);
    write_image(f, "set/train/tulip/1.jpg",
                jpeg_bytes((jpeg_form){40, 30, 3, 90, 0, false, false}, pixels));
    free(pixels);
    write_image(f, "set/train/tulip/2.PNG", plain_png(4, 4, 0, 102, 0));
    write_image(f, "set/train/tulip/3.png", plain_png(4, 4, 0, 103, 0));
    write_image(f, "set/test/tulip/1.png", plain_png(4, 4, 0, 104, 0));
    return fixture_path(f, "set");
}

/* ---- folders of classes ---- */

static void folders_are_classes(void **state)
{
    fixture *f = *state;
    fm_images_options options = {.folder = write_flowers(f), .size = {2, {4, 5}}};
    fm_dataset *train, *test;
    const char *const *names;
    assert_ok(f->context, fm_dataset_images(f->context, &options, NULL, &train, &test));
    const fm_dataset_info *about = fm_dataset_about(train);
    assert_int_equal(about->count, 5);
    assert_true(fm_shape_equal(about->fields[0].shape, FM_SHAPE(4, 5, 3)));
    assert_int_equal(fm_dataset_classes(train, &names), 2);
    assert_string_equal(names[0], "rose");
    assert_string_equal(names[1], "tulip");
    uint8_t x[5 * 60];
    int32_t y[5];
    fm_data_request request = {.count = 5, .fields = {x, y}};
    assert_ok(f->context, fm_dataset_read(f->context, train, &request));
    assert_memory_equal(y, ((int32_t[]){0, 0, 1, 1, 1}), sizeof y);
    assert_memory_equal(x, ((uint8_t[]){200, 0, 0}), 3);
    assert_memory_equal(x + 60, ((uint8_t[]){201, 0, 0}), 3);
    assert_memory_equal(x + 4 * 60, ((uint8_t[]){0, 103, 0}), 3);
    assert_non_null(strstr(fm_image_file_name(train, 4), "train/tulip/3.png"));
    assert_null(fm_image_file_name(train, 5));
    assert_int_equal(fm_dataset_about(test)->count, 1);
    fm_data_request one = {.count = 1, .fields = {x, y}};
    assert_ok(f->context, fm_dataset_read(f->context, test, &one));
    assert_int_equal(y[0], 1);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
}

static void one_part_and_grey(void **state)
{
    fixture *f = *state;
    char folder[600];
    snprintf(folder, sizeof folder, "%s/train", write_flowers(f));
    fm_images_options options = {.folder = folder, .size = {1, {2}}, .channels = 1};
    fm_dataset *train, *test;
    assert_ok(f->context, fm_dataset_images(f->context, &options, NULL, &train, &test));
    assert_null(test);
    assert_true(fm_shape_equal(fm_dataset_about(train)->fields[0].shape, FM_SHAPE(2, 2, 1)));
    uint8_t x[4];
    fm_data_request request = {.count = 1, .fields = {x}};
    assert_ok(f->context, fm_dataset_read(f->context, train, &request));
    assert_int_equal(x[3], 60); /* 0.299 * 200 */
    fm_dataset_destroy(train);
}

static void mistakes_are_told(void **state)
{
    fixture *f = *state;
    const char *folder = write_flowers(f);
    fm_dataset *train, *test;
    char path[600];
    fm_images_options options = {.folder = "/nowhere/at/all"};
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "/nowhere/at/all",
                 fm_dataset_images(f->context, &options, NULL, &train, &test));
    snprintf(path, sizeof path, "%s/train/rose", folder);
    options.folder = path;
    assert_fails(f->context, FM_ERROR_FORMAT, "no folders of classes",
                 fm_dataset_images(f->context, &options, NULL, &train, &test));
    snprintf(path, sizeof path, "%s/test/rose", folder);
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "holds no images",
                 fm_dataset_images(f->context, &options, NULL, &train, &test));
    options = (fm_images_options){.folder = fixture_file(f, "flowers.zip", "PK", 2)};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "flowers.zip: is no folder, nor an archive by its",
                 fm_dataset_images(f->context, &options, NULL, &train, &test));
    options = (fm_images_options){.folder = folder, .size = {3, {1, 2, 3}}};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "size is one number",
                 fm_dataset_images(f->context, &options, NULL, &train, &test));
    mkdir(fixture_path(f, "set/test/daisy"), 0755);
    write_image(f, "set/test/daisy/1.png", plain_png(4, 4, 0, 0, 0));
    options = (fm_images_options){.folder = folder};
    assert_fails(f->context, FM_ERROR_FORMAT, "class \"daisy\" has no folder",
                 fm_dataset_images(f->context, &options, NULL, &train, &test));
    assert_null(train);
    mkdir(fixture_path(f, "set/train/b\xe9gonia"), 0755); /* Latin-1 */
    write_image(f, "set/train/b\xe9gonia/1.png", plain_png(4, 4, 0, 0, 0));
    assert_fails(f->context, FM_ERROR_FORMAT, "is called by no UTF-8 text; rename its folder",
                 fm_dataset_images(f->context, &options, NULL, &train, &test));
    assert_null(train);
}

static void broken_images_fail_or_are_left_out(void **state)
{
    fixture *f = *state;
    fm_images_options options = {.folder = write_flowers(f), .size = {1, {4}}};
    fixture_file(f, "set/train/rose/c.png", "\x89PNG\r\n\x1a\nwhat", 12);
    fixture_file(f, "set/train/rose/d.jpg", "", 0);
    fm_dataset *train;
    uint8_t x[7 * 48];
    int32_t y[7];
    assert_ok(f->context, fm_dataset_images(f->context, &options, NULL, &train, NULL));
    assert_int_equal(fm_dataset_about(train)->count, 7);
    fm_data_request two = {.count = 2, .fields = {x, y}}, all = {.count = 7, .fields = {x, y}};
    assert_ok(f->context, fm_dataset_read(f->context, train, &two));
    assert_fails(f->context, FM_ERROR_FORMAT, "rose/c.png: broken PNG",
                 fm_dataset_read(f->context, train, &all));
    fm_dataset_destroy(train);
    options.on_broken = FM_BROKEN_SKIP;
    for (int cache = -1; cache < 2; cache += 2) {
        options.cache = cache;
        assert_ok(f->context, fm_dataset_images(f->context, &options, NULL, &train, NULL));
        assert_non_null(strstr(f->last_log, "2 of 7 images cannot be read"));
        assert_int_equal(fm_dataset_about(train)->count, 5);
        all.count = 5;
        assert_ok(f->context, fm_dataset_read(f->context, train, &all));
        assert_memory_equal(y, ((int32_t[]){0, 0, 1, 1, 1}), 5 * sizeof *y);
        assert_memory_equal(x + 4 * 48, ((uint8_t[]){0, 103, 0}), 3);
        fm_dataset_destroy(train);
    }
}

/* Every epoch the same, cached or not, for any number of workers. */
static void workers_change_nothing(void **state)
{
    fixture *f = *state;
    fm_images_options options = {.folder = write_flowers(f), .size = {1, {16}}};
    uint8_t expected[5 * 768];
    fm_dataset *train;
    assert_ok(f->context, fm_dataset_images(f->context, &options, NULL, &train, NULL));
    fm_data_request all = {.count = 5, .fields = {expected}};
    assert_ok(f->context, fm_dataset_read(f->context, train, &all));
    fm_dataset_destroy(train);
    for (int workers = 0; workers < 4; workers++) {
        options.cache = workers % 2 ? -1 : 0;
        assert_ok(f->context, fm_dataset_images(f->context, &options, NULL, &train, NULL));
        fm_loader *loader;
        fm_loader_options how = {.batch_size = 2, .workers = workers, .shuffle = true};
        assert_ok(f->context, fm_loader_create(f->context, train, &how, &loader));
        for (int epoch = 0; epoch < 3; epoch++) {
            fm_batch batch;
            assert_ok(f->context, fm_loader_begin(loader, epoch, 0));
            do {
                assert_ok(f->context, fm_loader_next(loader, &batch));
                for (int64_t i = 0; i < batch.count; i++) {
                    assert_memory_equal((const uint8_t *)batch.x + i * 768,
                                        expected + batch.indices[i] * 768, 768);
                }
            } while (batch.count > 0);
        }
        fm_loader_destroy(loader);
        fm_dataset_destroy(train);
    }
}

static fm_status open_and_read(fm_context *context, void *argument)
{
    fm_dataset *train, *test;
    fm_status status = fm_dataset_images(context, argument, NULL, &train, &test);
    if (status != FM_OK) return status;
    uint8_t x[5 * 48];
    int32_t y[5];
    fm_data_request all = {.count = 5, .fields = {x, y}};
    status = fm_dataset_read(context, train, &all);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    return status;
}

static void memory_may_fail(void **state)
{
    fixture *f = *state;
    fm_images_options options = {.folder = write_flowers(f), .size = {1, {4}}};
    assert_true(fail_each_allocation(f, open_and_read, &options) > 40);
    options.on_broken = FM_BROKEN_SKIP;
    assert_true(fail_each_allocation(f, open_and_read, &options) > 40);
}

/* ---- masks ---- */

static void write_pair(fixture *f, const char *stem, int side, const uint8_t *classes)
{
    char name[64];
    uint8_t *pixels = smooth_pixels(side, side, 3);
    snprintf(name, sizeof name, "seg/images/%s.png", stem);
    write_image(f, name,
                png_bytes(side, side, 8, PNG_COLOR_TYPE_RGB, false, 0, pixels, (size_t)side * 3));
    snprintf(name, sizeof name, "seg/masks/%s.png", stem);
    write_image(f, name,
                png_bytes(side, side, 8, PNG_COLOR_TYPE_PALETTE, false, 3, classes, (size_t)side));
    free(pixels);
}

static void masks_tell_each_pixel(void **state)
{
    fixture *f = *state;
    make_folders(f, (const char *const[]){"seg", "seg/images", "seg/masks", NULL});
    write_pair(f, "b", 2, (const uint8_t[]){0, 1, 2, 1});
    write_pair(f, "a", 4, (const uint8_t[]){0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 0, 0, 2, 2, 0, 0});
    fm_masks_options options = {.images = {.folder = fixture_path(f, "seg"), .size = {1, {2}}}};
    fm_dataset *train, *test;
    assert_ok(f->context, fm_dataset_image_masks(f->context, &options, NULL, &train, &test));
    assert_null(test);
    assert_int_equal(fm_dataset_classes(train, NULL), 3);
    assert_true(fm_shape_equal(fm_dataset_about(train)->fields[1].shape, FM_SHAPE(2, 2, 1)));
    uint8_t y[8];
    for (int round = 0; round < 2; round++) { /* the second from the cache */
        uint8_t x[24];
        fm_data_request all = {.count = 2, .fields = {round ? NULL : x, y}};
        assert_ok(f->context, fm_dataset_read(f->context, train, &all));
        assert_memory_equal(y, ((uint8_t[]){0, 1, 2, 0, 0, 1, 2, 1}), 8);
    }
    fm_dataset_destroy(train);
    options.classes = 2;
    assert_ok(f->context, fm_dataset_image_masks(f->context, &options, NULL, &train, NULL));
    fm_data_request all = {.count = 2, .fields = {NULL, y}};
    assert_fails(f->context, FM_ERROR_FORMAT, "a pixel of class 2; there are 2",
                 fm_dataset_read(f->context, train, &all));
    fm_dataset_destroy(train);
    write_image(f, "seg/images/c.png", plain_png(2, 2, 0, 0, 0));
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "c.png: has no mask",
                 fm_dataset_image_masks(f->context, &options, NULL, &train, NULL));
}

/* ---- archives ---- */

static void add_member(image_bytes *tar, const char *name, const void *bytes, size_t size)
{
    char header[512] = "";
    snprintf(header, 100, "%s", name);
    snprintf(header + 124, 12, "%011zo", size);
    memset(header + 148, ' ', 8);
    header[156] = '0';
    memcpy(header + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (int i = 0; i < 512; i++) sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    add_bytes(tar, header, 512);
    add_bytes(tar, bytes, size);
    static const char zeros[512];
    add_bytes(tar, zeros, (512 - size % 512) % 512);
}

static void end_tar(image_bytes *tar)
{
    static const char zeros[1024];
    add_bytes(tar, zeros, sizeof zeros);
}

static image_bytes flower_tar(void)
{
    image_bytes tar = {0}, red = plain_png(2, 2, 9, 0, 0), blue = plain_png(2, 2, 0, 0, 8);
    add_member(&tar, "./all/train/sky/1.png", blue.bytes, blue.size);
    add_member(&tar, "./all/train/rose/1.png", red.bytes, red.size);
    add_member(&tar, "./all/test/rose/7.png", red.bytes, red.size);
    end_tar(&tar);
    free(red.bytes);
    free(blue.bytes);
    return tar;
}

static void archives_serve_as_folders(void **state)
{
    fixture *f = *state;
    image_bytes tar = flower_tar();
    fm_images_options options = {.folder = fixture_file(f, "a.tar", tar.bytes, tar.size),
                                 .size = {1, {2}}};
    fm_dataset *train, *test;
    const char *const *names;
    assert_ok(f->context, fm_dataset_images(f->context, &options, NULL, &train, &test));
    assert_int_equal(fm_dataset_classes(train, &names), 2);
    assert_string_equal(names[0], "rose");
    uint8_t x[24];
    fm_data_request both = {.count = 2, .fields = {x}};
    assert_ok(f->context, fm_dataset_read(f->context, train, &both));
    assert_int_equal(x[0], 9);
    assert_int_equal(x[14], 8);
    assert_non_null(strstr(fm_image_file_name(test, 0), "a.tar:./all/test/rose/7.png") ||
                            strstr(fm_image_file_name(test, 0), "a.tar:all/test/rose/7.png")
                        ? ""
                        : NULL);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    free(tar.bytes);
}

static void broken_archives_are_told(void **state)
{
    fixture *f = *state;
    image_bytes tar = flower_tar();
    fm_dataset *train;
    for (size_t size = 0; size < tar.size - 1024; size += 100) {
        fm_images_options options = {.folder = fixture_file(f, "cut.tar", tar.bytes, size)};
        assert_fails(f->context, FM_ERROR_FORMAT, "cut.tar",
                     fm_dataset_images(f->context, &options, NULL, &train, NULL));
    }
    tar.bytes[3] ^= 1;
    fm_images_options options = {.folder = fixture_file(f, "bad.tar", tar.bytes, tar.size)};
    assert_fails(f->context, FM_ERROR_FORMAT, "check sum",
                 fm_dataset_images(f->context, &options, NULL, &train, NULL));
    free(tar.bytes);
}

/* ---- CIFAR ---- */

static void cifar_batches_are_read(void **state)
{
    fixture *f = *state;
    make_folders(f, (const char *const[]){"cifar-10-batches-bin", NULL});
    uint8_t record[2 * 3073];
    for (int i = 0; i < 6; i++) {
        char name[64];
        memset(record, 0, sizeof record);
        for (int r = 0; r < 2; r++) {
            record[r * 3073] = (uint8_t)(i + r);
            record[r * 3073 + 1 + 33] = (uint8_t)(10 * i);       /* red of row 1, column 1 */
            record[r * 3073 + 1 + 2048 + 33] = (uint8_t)(3 * i); /* blue */
        }
        snprintf(name, sizeof name, "cifar-10-batches-bin/data_batch_%d.bin", i);
        fixture_file(f, i ? name : "cifar-10-batches-bin/test_batch.bin", record, sizeof record);
    }
    char folder[600];
    snprintf(folder, sizeof folder, "%s", fixture_path(f, "cifar-10-batches-bin"));
    *strrchr(folder, '/') = '\0';
    const char *folders[] = {folder, NULL};
    fm_data_places places = {.folders = folders};
    fm_dataset *train, *test;
    const char *const *names;
    assert_ok(f->context, fm_dataset_cifar10(f->context, &places, &train, &test));
    assert_int_equal(fm_dataset_about(train)->count, 10);
    assert_int_equal(fm_dataset_about(test)->count, 2);
    assert_int_equal(fm_dataset_classes(train, &names), 10);
    assert_string_equal(names[9], "truck");
    uint8_t x[3072];
    int32_t y;
    fm_data_request fourth = {.first = 3, .count = 1, .fields = {x, &y}};
    assert_ok(f->context, fm_dataset_read(f->context, train, &fourth));
    assert_int_equal(y, 3);
    assert_memory_equal(x + 99, ((uint8_t[]){20, 0, 6}), 3);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    fixture_file(f, "cifar-10-batches-bin/data_batch_4.bin", record, 3000);
    assert_fails(f->context, FM_ERROR_FORMAT, "data_batch_4.bin has 3000 bytes",
                 fm_dataset_cifar10(f->context, &places, &train, &test));
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "cifar100: its files are not in",
                 fm_dataset_cifar100(f->context, NULL, &places, &train, &test));
}

/* The pictures are those of the lossless records, but for what JPEG lost. */
static void the_real_set_opens(void **state)
{
    fixture *f = *state;
    const char *root = getenv("FATHOM_DATA") ? getenv("FATHOM_DATA") : "../shared/data";
    char path[600];
    snprintf(path, sizeof path, "%s/cifar-10/data_batch_1.first4000.bin.xz", root);
    fm_data_places places = {.folders = (const char *[]){root, NULL}};
    fm_dataset *train, *test;
    fm_byte_stream stream;
    if (access(path, R_OK) != 0 || fixture_is_watched()) skip();
    assert_ok(f->context, fm_dataset_cifar10(f->context, &places, &train, &test));
    assert_int_equal(fm_dataset_about(train)->count, 50000);
    assert_int_equal(fm_dataset_about(test)->count, 10000);
    assert_ok(f->context, fm_byte_stream_open(f->context, path, &stream));
    uint8_t record[3073], x[3072];
    double error = 0;
    for (int i = 0; i < 4000; i++) {
        int32_t y;
        fm_data_request request = {.first = i, .count = 1, .fields = {x, &y}};
        assert_ok(f->context, fm_byte_stream_need(&stream, record, sizeof record, "records"));
        assert_ok(f->context, fm_dataset_read(f->context, train, &request));
        assert_int_equal(y, record[0]);
        for (int k = 0; k < 3072; k++) error += abs(x[k] - record[1 + k % 3 * 1024 + k / 3]);
    }
    assert_true(error / (4000.0 * 3072) < 8);
    fm_byte_stream_close(&stream);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
}

/* ---- files by name ---- */

static void named_files_become_samples(void **state)
{
    fixture *f = *state;
    const char *folder = write_flowers(f);
    char rose[600], rose_folder[600];
    snprintf(rose, sizeof rose, "%s/train/rose/b.png", folder);
    snprintf(rose_folder, sizeof rose_folder, "%s/test", folder);
    fm_dataset *set;
    const char *paths[] = {rose, rose_folder};
    assert_ok(f->context, fm_dataset_image_files(f->context, paths, 2, FM_SHAPE(3, 3), NULL, &set));
    assert_int_equal(fm_dataset_about(set)->count, 2);
    assert_int_equal(fm_dataset_about(set)->field_count, 1);
    uint8_t x[18];
    fm_data_request both = {.count = 2, .fields = {x}};
    assert_ok(f->context, fm_dataset_read(f->context, set, &both));
    assert_int_equal(x[0], 60);
    assert_int_equal(x[9], 61);
    assert_string_equal(fm_image_file_name(set, 0), rose);
    fm_dataset_destroy(set);
    assert_fails(f->context, FM_ERROR_SHAPE, "(7)",
                 fm_dataset_image_files(f->context, paths, 1, FM_SHAPE(7), NULL, &set));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(folders_are_classes),      fixture_test(one_part_and_grey),
        fixture_test(mistakes_are_told),        fixture_test(broken_images_fail_or_are_left_out),
        fixture_test(workers_change_nothing),   fixture_test(memory_may_fail),
        fixture_test(masks_tell_each_pixel),    fixture_test(archives_serve_as_folders),
        fixture_test(broken_archives_are_told), fixture_test(cifar_batches_are_read),
        fixture_test(the_real_set_opens),       fixture_test(named_files_become_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
