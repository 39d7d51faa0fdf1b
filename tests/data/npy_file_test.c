#include "support/fixture.h"
#include "data/dataset.h"
#include "data/file/npz.h"

static const char folder[] = "tests/golden/npy"; /* written by NumPy: generate_npy.py there */

static fm_status read_file(fm_context *context, const char *name, fm_array *array)
{
    char path[128];
    fm_byte_stream stream;
    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    *array = (fm_array){0};
    fm_status status = fm_byte_stream_open(context, path, &stream);
    if (status != FM_OK) return status;
    status = fm_npy_read(&stream, 0, array);
    fm_byte_stream_close(&stream);
    return status;
}

static double expected(char kind, int k)
{
    return kind == 'u' ? k : kind == 'i' ? k - 5 : kind == 'b' ? k % 3 == 0 : (k - 5) / 4.0;
}

static void every_type_is_read(void **state)
{
    fixture *f = *state;
    const struct {
        const char *name;
        char kind;
        fm_dtype dtype;
    } cases[] = {
        {"b1", 'b', FM_BOOL},     {"u1", 'u', FM_U8},         {"i1", 'i', FM_I32},
        {"u2", 'u', FM_I32},      {"i2", 'i', FM_I32},        {"u4", 'u', FM_I64},
        {"i4", 'i', FM_I32},      {"i8", 'i', FM_I64},        {"f2", 'f', FM_F32},
        {"f4", 'f', FM_F32},      {"f8", 'f', FM_F64},        {"big_i2", 'i', FM_I32},
        {"big_i4", 'i', FM_I32},  {"big_f4", 'f', FM_F32},    {"big_f8", 'f', FM_F64},
        {"fortran", 'f', FM_F32}, {"version_2", 'f', FM_F32}, {"version_3", 'f', FM_F32},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fm_array array;
        assert_ok(f->context, read_file(f->context, cases[i].name, &array));
        assert_int_equal(array.dtype, cases[i].dtype);
        assert_true(fm_shape_equal(array.shape, FM_SHAPE(3, 4)));
        for (int k = 0; k < 12; k++) {
            assert_near(fm_element(array.data, array.dtype, (size_t)k), expected(cases[i].kind, k),
                        0);
        }
        fm_release(f->context, array.data);
    }
}

static void fortran_order_is_turned(void **state)
{
    fixture *f = *state;
    fm_array array;
    assert_ok(f->context, read_file(f->context, "fortran_cube", &array));
    assert_true(fm_shape_equal(array.shape, FM_SHAPE(2, 3, 4)));
    for (int k = 0; k < 24; k++) assert_int_equal(((int32_t *)array.data)[k], k);
    fm_release(f->context, array.data);
}

static fm_status parse(fm_context *context, const void *bytes, size_t size, fm_array *array)
{
    fm_byte_stream stream;
    *array = (fm_array){0};
    fm_status status = fm_byte_stream_memory(context, "t.npy", bytes, size, &stream);
    if (status != FM_OK) return status;
    status = fm_npy_read(&stream, 0, array);
    fm_byte_stream_close(&stream);
    return status;
}

/* A version 1 file around this header and these elements. */
static size_t write_npy(unsigned char *to, const char *header, const void *bytes, size_t size)
{
    size_t length = strlen(header);
    memcpy(to, "\x93NUMPY\x01\x00", 8);
    to[8] = (unsigned char)length;
    to[9] = (unsigned char)(length >> 8);
    memcpy(to + 10, header, length);
    if (size) memcpy(to + 10 + length, bytes, size);
    return 10 + length + size;
}

static void half_precision_is_exact(void **state)
{
    fixture *f = *state;
    const uint16_t halves[] = {0x0001, 0x03ff, 0x0400, 0x3c00, 0xc000,
                               0x7bff, 0x7c00, 0xfc00, 0x8000, 0x7e00};
    const double values[] = {0x1p-24, 0x3ffp-24, 0x1p-14,   1, -2,
                             65504,   INFINITY,  -INFINITY, 0, NAN};
    unsigned char file[256];
    size_t size = write_npy(file, "{'descr': '<f2', 'fortran_order': False, 'shape': (10,), }",
                            halves, sizeof halves);
    fm_array array;
    assert_ok(f->context, parse(f->context, file, size, &array));
    for (int k = 0; k < 10; k++) assert_near((double)((float *)array.data)[k], values[k], 0);
    assert_true(signbit(((float *)array.data)[8]));
    fm_release(f->context, array.data);
}

static void wrong_headers_are_refused(void **state)
{
    fixture *f = *state;
    const struct {
        const char *header;
        fm_status status;
        const char *words;
    } cases[] = {
        {"", FM_ERROR_FORMAT, "{ was expected at ''"},
        {"{", FM_ERROR_FORMAT, "a text in quotes was expected"},
        {"{'descr'", FM_ERROR_FORMAT, ": was expected"},
        {"{'descr': '<f4'", FM_ERROR_FORMAT, ", or } was expected"},
        {"{'descr': '<f4', 'shape': (1), }", FM_ERROR_FORMAT,
         "lacks descr, fortran_order or shape"},
        {"{'what': 1}", FM_ERROR_FORMAT, "descr, fortran_order or shape was expected"},
        {"{'fortran_order': Maybe}", FM_ERROR_FORMAT, "True or False was expected at 'Maybe}'"},
        {"{'shape': (1;)}", FM_ERROR_FORMAT, ", or ) was expected"},
        {"{'shape': (-1)}", FM_ERROR_FORMAT, "a size was expected at '-1)}'"},
        {"{'shape': (99999999999999999999)}", FM_ERROR_FORMAT, "a possible size"},
        {"{'shape': (1,1,1,1,1,1,1,1,1)}", FM_ERROR_LIMIT, "more than 8 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", FM_ERROR_FORMAT,
         "nothing more was expected at 'x'"},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (2,)}", FM_ERROR_UNSUPPORTED,
         "elements of type '<f16'"},
        {"{'descr': '', 'fortran_order': False, 'shape': (2,)}", FM_ERROR_UNSUPPORTED, "type ''"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", FM_ERROR_FORMAT,
         "ends within its elements: 8 bytes were expected, 4"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()}", FM_OK, ""},
        {"{'descr': '|u1', 'fortran_order': True, 'shape': (2,)}", FM_ERROR_FORMAT, "more bytes"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
         FM_ERROR_LIMIT, "are more than the 8589934592 bytes"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000,)}", FM_ERROR_FORMAT,
         "so many cannot be in the file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char file[256];
        size_t size = write_npy(file, cases[i].header, "abcd", 4);
        fm_array array;
        if (cases[i].status == FM_OK) {
            assert_ok(f->context, parse(f->context, file, size, &array));
            fm_release(f->context, array.data);
            continue;
        }
        assert_fails(f->context, cases[i].status, cases[i].words,
                     parse(f->context, file, size, &array));
        assert_null(array.data);
    }
    fm_array array;
    assert_fails(f->context, FM_ERROR_FORMAT, "ends within its header",
                 parse(f->context, "\x93NUM", 4, &array));
    assert_fails(f->context, FM_ERROR_FORMAT, "not an NPY file",
                 parse(f->context, "\x93NUMPI\x01\x00", 8, &array));
    assert_fails(f->context, FM_ERROR_UNSUPPORTED, "NPY version 4",
                 parse(f->context, "\x93NUMPY\x04\x00", 8, &array));
    assert_fails(f->context, FM_ERROR_LIMIT, "header of 4294967295 bytes",
                 parse(f->context, "\x93NUMPY\x02\x00\xff\xff\xff\xff", 12, &array));
    assert_fails(f->context, FM_ERROR_UNSUPPORTED, "elements of type '<c8'",
                 read_file(f->context, "complex", &array));
    assert_fails(f->context, FM_ERROR_UNSUPPORTED, "records with named members",
                 read_file(f->context, "record", &array));
}

static void archives_are_read(void **state)
{
    fixture *f = *state;
    const char *const files[] = {"tests/golden/npy/stored.npz", "tests/golden/npy/deflated.npz"};
    for (int i = 0; i < 2; i++) {
        fm_dataset *dataset;
        assert_ok(f->context, fm_dataset_open_npz(f->context, files[i], NULL, NULL, 0, &dataset));
        assert_int_equal(fm_dataset_about(dataset)->count, 3);
        assert_int_equal(fm_dataset_classes(dataset, NULL), 3);
        float x[12];
        int64_t y[3];
        fm_data_request request = {.count = 3, .fields = {x, y}};
        assert_ok(f->context, fm_dataset_read(f->context, dataset, &request));
        for (int k = 0; k < 12; k++) assert_near((double)x[k], expected('f', k), 0);
        assert_memory_equal(y, ((int64_t[]){2, 0, 1}), sizeof y);
        fm_dataset_destroy(dataset);
        assert_ok(f->context,
                  fm_dataset_open_npz(f->context, files[i], "x_test", "y_test", 0, &dataset));
        assert_int_equal(fm_dataset_about(dataset)->count, 2);
        fm_dataset_destroy(dataset);
        assert_fails(f->context, FM_ERROR_NOT_FOUND,
                     "holds no array called 'x_trian' among its 4; did you mean 'x_train'?",
                     fm_dataset_open_npz(f->context, files[i], "x_trian", NULL, 0, &dataset));
        assert_fails(f->context, FM_ERROR_SHAPE, "x has shape (3, 4) and y has shape (2)",
                     fm_dataset_open_npz(f->context, files[i], "x_train", "y_test", 0, &dataset));
    }
    fm_dataset *dataset;
    assert_fails(f->context, FM_ERROR_SHAPE, "a single number is no set of samples",
                 fm_dataset_open_npy(f->context, "tests/golden/npy/scalar.npy", NULL, 0, &dataset));
    assert_fails(
        f->context, FM_ERROR_FORMAT, "not an NPZ file",
        fm_dataset_open_npz(f->context, "tests/golden/npy/f4.npy", NULL, NULL, 0, &dataset));
}

/* Each change of a byte or two breaks the archive in one way. */
static void damaged_archives_are_refused(void **state)
{
    fixture *f = *state;
    FILE *stream = fopen("tests/golden/npy/stored.npz", "rb");
    assert_non_null(stream);
    static unsigned char whole[2048], bytes[2048];
    size_t size = fread(whole, 1, sizeof whole, stream);
    fclose(stream);
    size_t end = size - 22, directory = whole[end + 16] | (size_t)whole[end + 17] << 8;
    size_t content = directory; /* the last byte before it belongs to y_test */
    const struct {
        size_t at;
        int size;
        unsigned char to[4];
        fm_status status;
        const char *words;
    } cases[] = {
        {end, 1, {0}, FM_ERROR_FORMAT, "no zip directory"},
        {end + 10, 2, {0xff, 0xff}, FM_ERROR_UNSUPPORTED, "a zip64 file"},
        {end + 10, 1, {100}, FM_ERROR_FORMAT, "lies outside of the file"},
        {end + 16, 4, {0, 0, 1, 0}, FM_ERROR_FORMAT, "lies outside of the file"},
        {directory, 1, {0}, FM_ERROR_FORMAT, "its directory is cut off"},
        {directory + 28, 2, {0xff, 0xff}, FM_ERROR_FORMAT, "its directory is cut off"},
        {directory + 8, 1, {1}, FM_ERROR_UNSUPPORTED, "\"x_train\" is encrypted"},
        {directory + 10, 1, {12}, FM_ERROR_UNSUPPORTED, "packed by method 12"},
        {directory + 16, 1, {0xee}, FM_ERROR_FORMAT, "does not match its checksum"},
        {directory + 20, 1, {1}, FM_ERROR_FORMAT, "a stored member has two sizes"},
        {directory + 24, 4, {0xff, 0xff, 0xff, 0xff}, FM_ERROR_UNSUPPORTED, "zip64 member"},
        {directory + 42, 4, {0, 0, 0, 1}, FM_ERROR_FORMAT, "a member lies outside of the file"},
        {directory + 10, 1, {8}, FM_ERROR_FORMAT, "does not inflate"},
        {0, 1, {0}, FM_ERROR_FORMAT, "a member lies outside of the file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(bytes, whole, size);
        memcpy(bytes + cases[i].at, cases[i].to, (size_t)cases[i].size);
        fm_npz *npz;
        fm_array array = {0};
        fm_status status = fm_npz_memory(f->context, "t.npz", bytes, size, &npz);
        if (status == FM_OK) status = fm_npz_read(npz, "x_train", 0, &array);
        assert_fails(f->context, cases[i].status, cases[i].words, status);
        assert_null(array.data);
        fm_npz_close(npz);
    }
    memcpy(bytes, whole, size);
    bytes[content - 1] ^= 1;
    fm_npz *npz;
    fm_array array;
    assert_ok(f->context, fm_npz_memory(f->context, "t.npz", bytes, size, &npz));
    assert_fails(f->context, FM_ERROR_FORMAT, "\"y_test\" does not match its checksum",
                 fm_npz_read(npz, "y_test", 0, &array));
    fm_npz_close(npz);
}

static void the_record_finds_both_parts(void **state)
{
    fixture *f = *state;
    const fm_dataset_record *record;
    assert_ok(f->context, fm_dataset_record_find(f->context, "npy", &record));
    const char *folders[] = {folder, NULL};
    fm_data_places places = {.folders = folders};
    fm_dataset *train, *test;
    fm_npy_options options = {.file = "deflated.npz"};
    assert_ok(f->context, record->open(f->context, &options, &places, &train, &test));
    assert_int_equal(fm_dataset_about(train)->count, 3);
    assert_int_equal(fm_dataset_about(test)->count, 2);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    options = (fm_npy_options){.x = "f4.npy", .y = "i8.npy"};
    assert_ok(f->context, record->open(f->context, &options, &places, &train, &test));
    assert_true(fm_shape_equal(fm_dataset_about(train)->fields[1].shape, FM_SHAPE(4)));
    assert_null(test);
    fm_dataset_destroy(train);
    options = (fm_npy_options){0};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "npy: file (a .npz) or x (a .npy) is needed",
                 record->open(f->context, &options, &places, &train, &test));
}

/* One a step: without target_kind they are four numbers a sample. */
static void integers_of_steps_are_classes_when_asked(void **state)
{
    fixture *f = *state;
    const fm_dataset_record *record;
    const char *folders[] = {folder, NULL};
    const fm_data_places places = {.folders = folders};
    const fm_transform_options index = {.target = FM_TARGET_INDEX};
    fm_npy_options options = {.x = "f4.npy", .y = "u1.npy"};
    fm_dataset *train, *prepared;
    fm_transform *transform;
    assert_ok(f->context, fm_dataset_record_find(f->context, "npy", &record));
    assert_ok(f->context, record->open(f->context, &options, &places, &train, NULL));
    assert_int_equal(fm_dataset_classes(train, NULL), 0);
    assert_fails(
        f->context, FM_ERROR_ARGUMENT,
        "\"f4.npy\": target index needs classes, but \"y\" holds numbers; class numbers of "
        "CSV, NPY and IDX files are read as classes with target_kind: categorical",
        fm_transform_fit(f->context, train, &index, &transform));
    fm_dataset_destroy(train);

    options.target_kind = FM_COLUMN_CATEGORICAL;
    assert_ok(f->context, record->open(f->context, &options, &places, &train, NULL));
    assert_int_equal(fm_dataset_classes(train, NULL), 12);
    assert_ok(f->context, fm_transform_fit(f->context, train, &index, &transform));
    assert_ok(f->context, fm_dataset_transform(f->context, train, transform, &prepared));
    const fm_data_field *y = &fm_dataset_about(prepared)->fields[1];
    assert_int_equal(y->dtype, FM_I32);
    assert_true(fm_shape_equal(y->shape, FM_SHAPE(4)));
    int32_t labels[12];
    const fm_data_request request = {.count = 3, .fields = {NULL, labels}};
    assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
    for (int i = 0; i < 12; i++) assert_int_equal(labels[i], i);
    fm_dataset_destroy(prepared);
    fm_transform_destroy(transform);
    fm_dataset_destroy(train);

    options.y = "i1.npy";
    assert_fails(f->context, FM_ERROR_FORMAT,
                 "y of sample 0 holds -5; classes are numbers from 0 to 65535",
                 record->open(f->context, &options, &places, &train, NULL));
    options.y = "f4.npy";
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "y holds f32; with target_kind: categorical it holds integers",
                 record->open(f->context, &options, &places, &train, NULL));
}

static fm_status open_all(fm_context *context, void *argument)
{
    (void)argument;
    fm_dataset *dataset;
    fm_status status =
        fm_dataset_open_npz(context, "tests/golden/npy/deflated.npz", NULL, NULL, 0, &dataset);
    fm_dataset_destroy(dataset);
    if (status == FM_OK) {
        status = fm_dataset_open_npy(context, "tests/golden/npy/fortran.npy",
                                     "tests/golden/npy/f2.npy", 0, &dataset);
        fm_dataset_destroy(dataset);
    }
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    assert_true(fail_each_allocation(f, open_all, NULL) >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(every_type_is_read),
        fixture_test(fortran_order_is_turned),
        fixture_test(half_precision_is_exact),
        fixture_test(wrong_headers_are_refused),
        fixture_test(archives_are_read),
        fixture_test(damaged_archives_are_refused),
        fixture_test(the_record_finds_both_parts),
        fixture_test(integers_of_steps_are_classes_when_asked),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
