#include "data/file_bytes.h"
#include "data/dataset.h"
#include "data/file/array_file.h"

#include <sys/stat.h>

static fm_status parse(fm_context *context, const void *bytes, size_t size, int64_t limit,
                       fm_array *array)
{
    fm_byte_stream stream;
    fm_status status = fm_byte_stream_memory(context, "t.idx", bytes, size, &stream);
    if (status != FM_OK) return status;
    status = fm_idx_read(&stream, limit, array);
    fm_byte_stream_close(&stream);
    return status;
}

#define BYTES(...) ((const unsigned char[]){__VA_ARGS__})

static void every_type_is_read(void **state)
{
    fixture *f = *state;
    const struct {
        unsigned char bytes[24];
        size_t size;
        fm_dtype dtype;
        double values[2];
    } cases[] = {
        {{0, 0, 8, 1, 0, 0, 0, 2, 0, 255}, 10, FM_U8, {0, 255}},
        {{0, 0, 9, 1, 0, 0, 0, 2, 0x80, 0x7f}, 10, FM_I32, {-128, 127}},
        {{0, 0, 11, 1, 0, 0, 0, 2, 0x80, 0, 1, 2}, 12, FM_I32, {-32768, 258}},
        {{0, 0, 12, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xfe, 1, 2, 3, 4}, 16, FM_I32, {-2, 16909060}},
        {{0, 0, 13, 1, 0, 0, 0, 2, 0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0}, 16, FM_F32, {1.5, -2}},
        {{0, 0, 14, 1, 0, 0, 0, 2, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0},
         24,
         FM_F64,
         {1.5, -2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fm_array array;
        assert_ok(f->context, parse(f->context, cases[i].bytes, cases[i].size, 0, &array));
        assert_int_equal(array.dtype, cases[i].dtype);
        assert_true(fm_shape_equal(array.shape, FM_SHAPE(2)));
        for (size_t k = 0; k < 2; k++) {
            assert_near(fm_element(array.data, array.dtype, k), cases[i].values[k], 0);
        }
        fm_release(f->context, array.data);
    }
}

static void what_a_header_promises_is_checked(void **state)
{
    fixture *f = *state;
    const struct {
        unsigned char bytes[20];
        size_t size;
        fm_status status;
        const char *words;
    } cases[] = {
        {{0}, 0, FM_ERROR_FORMAT, "ends within its header: 4 bytes were expected, 0"},
        {{'P', 'K', 3, 4}, 4, FM_ERROR_FORMAT, "not an IDX file: it begins with 50 4b 03 04"},
        {{0, 0, 10, 1, 0, 0, 0, 0}, 8, FM_ERROR_FORMAT, "not an IDX file"},
        {{0, 0, 8, 0}, 4, FM_ERROR_LIMIT, "0 dimensions"},
        {{0, 0, 8, 9}, 4, FM_ERROR_LIMIT, "9 dimensions"},
        {{0, 0, 8, 2, 0, 0, 0, 1}, 8, FM_ERROR_FORMAT, "ends within its header"},
        {{0, 0, 8, 1, 0, 0, 0, 3, 1, 2}, 10, FM_ERROR_FORMAT, "ends within its elements"},
        {{0, 0, 8, 1, 0, 0, 0, 1, 1, 2}, 10, FM_ERROR_FORMAT, "more bytes than its header says"},
        {{0, 0, 8, 1, 0x40, 0, 0, 0, 1, 2}, 10, FM_ERROR_FORMAT, "promises 1073741824 bytes"},
        {{0, 0, 14, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
         16,
         FM_ERROR_LIMIT,
         "more than the 8589934592 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fm_array array;
        assert_fails(f->context, cases[i].status, cases[i].words,
                     parse(f->context, cases[i].bytes, cases[i].size, 0, &array));
        assert_null(array.data);
    }
    fm_array array;
    assert_fails(f->context, FM_ERROR_LIMIT, "u8 elements of shape (2) are more than the 1 bytes",
                 parse(f->context, BYTES(0, 0, 8, 1, 0, 0, 0, 2, 1, 2), 10, 1, &array));
    /* a small gzip file that promises a gigabyte */
    size_t size;
    unsigned char *packed = gzip_bytes(BYTES(0, 0, 8, 1, 0x40, 0, 0, 0, 1, 2), 10, &size);
    assert_fails(f->context, FM_ERROR_FORMAT, "so many cannot be in the file",
                 parse(f->context, packed, size, 0, &array));
    free(packed);
}

static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0,
                                       1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9};

static void a_pair_is_a_data_set(void **state)
{
    fixture *f = *state;
    size_t size;
    unsigned char *packed = gzip_bytes(images, sizeof images, &size);
    const char *x = fixture_file(f, "x.gz", packed, size);
    const char *y = fixture_file(f, "y", labels, sizeof labels);
    fm_dataset *dataset;
    assert_ok(f->context, fm_dataset_open_idx(f->context, x, y, 0, &dataset));
    const fm_dataset_info *info = fm_dataset_about(dataset);
    assert_string_equal(info->name, "x.gz");
    assert_string_equal(info->origin, x);
    assert_int_equal(info->count, 3);
    assert_true(fm_shape_equal(info->fields[0].shape, FM_SHAPE(1, 2)));
    assert_true(fm_shape_equal(info->fields[1].shape, FM_SHAPE()));
    assert_int_equal(fm_dataset_classes(dataset, NULL), 10);
    unsigned char read[6], read_labels[3];
    fm_data_request request = {.count = 3, .fields = {read, read_labels}};
    assert_ok(f->context, fm_dataset_read(f->context, dataset, &request));
    assert_memory_equal(read, images + 16, 6);
    assert_memory_equal(read_labels, labels + 8, 3);
    fm_dataset_destroy(dataset);
    assert_ok(f->context, fm_dataset_open_idx(f->context, x, NULL, 0, &dataset));
    assert_int_equal(fm_dataset_about(dataset)->field_count, 1);
    fm_dataset_destroy(dataset);
    const char *two = fixture_file(f, "two", BYTES(0, 0, 8, 1, 0, 0, 0, 2, 7, 0), 10);
    assert_fails(f->context, FM_ERROR_SHAPE, "x has shape (3, 1, 2) and y has shape (2)",
                 fm_dataset_open_idx(f->context, x, two, 0, &dataset));
    assert_null(dataset);
    free(packed);
}

static void the_record_finds_files_in_places(void **state)
{
    fixture *f = *state;
    fixture_file(f, "x.idx", images, sizeof images);
    fixture_file(f, "y.idx", labels, sizeof labels);
    const fm_dataset_record *record;
    assert_ok(f->context, fm_dataset_record_find(f->context, "idx", &record));
    const char *folders[] = {"/nowhere", f->folder, NULL};
    fm_data_places places = {.folders = folders};
    fm_idx_options options = {.train = "deep/x.idx", .train_labels = "y.idx"};
    fm_dataset *train, *test;
    assert_ok(f->context, record->open(f->context, &options, &places, &train, &test));
    assert_int_equal(fm_dataset_about(train)->count, 3);
    assert_null(test);
    fm_dataset_destroy(train);
    options.test = "x.idx";
    assert_ok(f->context, record->open(f->context, &options, &places, &train, &test));
    assert_int_equal(fm_dataset_about(test)->field_count, 1);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    options.train_labels = "z.idx";
    assert_fails(f->context, FM_ERROR_NOT_FOUND,
                 "z.idx: there is no such file (looked for /nowhere/z",
                 record->open(f->context, &options, &places, &train, &test));
    options.train = NULL;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "idx: train is needed",
                 record->open(f->context, &options, &places, &train, &test));
}

/* Collections keep their sets in folders of their own; the first by name has it. */
static void files_are_found_one_folder_deeper(void **state)
{
    fixture *f = *state;
    const unsigned char one[] = {0, 0, 8, 1, 0, 0, 0, 1, 7}, two[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 8};
    fixture_path(f, "x");
    mkdir(fixture_path(f, "b"), 0755);
    mkdir(fixture_path(f, "a"), 0755);
    fixture_file(f, "b/x.idx", two, sizeof two);
    fixture_file(f, "a/x.idx", one, sizeof one);
    const fm_dataset_record *record;
    assert_ok(f->context, fm_dataset_record_find(f->context, "idx", &record));
    const char *folders[] = {f->folder, NULL};
    fm_data_places places = {.folders = folders};
    fm_dataset *train;
    assert_ok(f->context,
              record->open(f->context, &(fm_idx_options){.train = "x.idx"}, &places, &train, NULL));
    assert_int_equal(fm_dataset_about(train)->count, 1);
    fm_dataset_destroy(train);
}

static fm_status open_pair(fm_context *context, void *argument)
{
    const char **paths = argument;
    fm_dataset *dataset;
    fm_status status = fm_dataset_open_idx(context, paths[0], paths[1], 0, &dataset);
    fm_dataset_destroy(dataset);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    size_t size;
    unsigned char *packed = gzip_bytes(images, sizeof images, &size);
    const char *paths[] = {fixture_file(f, "x.gz", packed, size),
                           fixture_file(f, "y", labels, sizeof labels)};
    assert_true(fail_each_allocation(f, open_pair, paths) >= 8);
    free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(every_type_is_read),
        fixture_test(what_a_header_promises_is_checked),
        fixture_test(a_pair_is_a_data_set),
        fixture_test(the_record_finds_files_in_places),
        fixture_test(files_are_found_one_folder_deeper),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
