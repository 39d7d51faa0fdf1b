#include "support/fixture.h"
#include "io/safetensors.h"

static const float floats[6] = {1.5f, -2, 0, 3, 1e-30f, -0.0f};
static const double doubles[2] = {1.0 / 3, -1e300};
static const int64_t longs[1] = {INT64_MIN};
static const unsigned char bytes[3] = {0, 127, 255};

static const fm_safetensors_tensor samples[] = {
    {.name = "dense/kernel", .dtype = FM_F32, .shape = {2, {2, 3}}, .data = floats},
    {.name = "image", .dtype = FM_U8, .shape = {1, {3}}, .data = bytes},
    {.name = "sums", .dtype = FM_F64, .shape = {1, {2}}, .data = doubles},
    {.name = "scalar", .dtype = FM_I64, .shape = {0, {0}}, .data = longs},
    {.name = "nothing", .dtype = FM_I32, .shape = {2, {0, 4}}, .data = floats},
};
static const fm_safetensors_note notes[] = {{"recipe", "model:\n  - dense: \"10\"\n"},
                                            {"caf\xc3\xa9", "\t\xe2\x82\xac"}};

static const char *write_samples(fixture *f)
{
    const char *path = fixture_path(f, "samples.safetensors");
    assert_ok(f->context, fm_safetensors_write(f->context, path, notes, 2, samples, 5));
    return path;
}

static void what_was_written_is_read(void **state)
{
    fixture *f = *state;
    fm_safetensors *file;
    assert_ok(f->context, fm_safetensors_open(f->context, write_samples(f), &file));
    assert_int_equal(fm_safetensors_count(file), 5);
    for (size_t i = 0; i < 5; i++) {
        int at = fm_safetensors_find(file, samples[i].name);
        assert_true(at >= 0);
        const fm_safetensors_entry *entry = fm_safetensors_at(file, at);
        assert_int_equal(entry->dtype, samples[i].dtype);
        assert_true(fm_shape_equal(entry->shape, samples[i].shape));
        assert_int_equal(entry->begin % fm_dtype_size(entry->dtype), 0);
        char elements[64];
        assert_ok(f->context, fm_safetensors_read(file, at, elements));
        assert_memory_equal(elements, samples[i].data, entry->end - entry->begin);
    }
    assert_int_equal(fm_safetensors_find(file, "dense/bias"), -1);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(fm_safetensors_metadata(file, notes[i].key), notes[i].text);
        assert_string_equal(fm_safetensors_metadata_key(file, i), notes[i].key);
    }
    assert_null(fm_safetensors_metadata_key(file, 2));
    assert_null(fm_safetensors_metadata(file, "Recipe"));
    fm_safetensors_close(file);
}

static fm_status fill_four(void *user, int64_t index, void *elements)
{
    memcpy(elements, (const float *)user + index, 4 * sizeof(float));
    return FM_OK;
}

static void tensors_may_be_filled_in_their_turn(void **state)
{
    fixture *f = *state;
    const fm_safetensors_tensor lazy = {
        .name = "x", .shape = {1, {4}}, .fill = fill_four, .user = (void *)floats, .index = 2};
    const char *path = fixture_path(f, "lazy.safetensors");
    assert_ok(f->context, fm_safetensors_write(f->context, path, NULL, 0, &lazy, 1));
    fm_safetensors *file;
    float read[4];
    assert_ok(f->context, fm_safetensors_open(f->context, path, &file));
    assert_ok(f->context, fm_safetensors_read(file, 0, read));
    assert_memory_equal(read, floats + 2, sizeof read);
    fm_safetensors_close(file);
}

static fm_status fill_fails(void *user, int64_t index, void *elements)
{
    (void)index;
    (void)elements;
    (void)user;
    return FM_ERROR_CANCELLED;
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    fixture *f = *state;
    const char *path = write_samples(f);
    const fm_safetensors_tensor broken = {.name = "x", .shape = {1, {4}}, .fill = fill_fails};
    assert_int_equal(fm_safetensors_write(f->context, path, NULL, 0, &broken, 1),
                     FM_ERROR_CANCELLED);
    fm_safetensors *file;
    assert_ok(f->context, fm_safetensors_open(f->context, path, &file));
    assert_int_equal(fm_safetensors_count(file), 5);
    fm_safetensors_close(file);
}

static void writing_refuses_bad_names(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "bad.safetensors");
    const fm_safetensors_tensor twice[2] = {samples[0], samples[0]};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "'dense/kernel' occurs twice",
                 fm_safetensors_write(f->context, path, NULL, 0, twice, 2));
    const fm_safetensors_note latin = {"recipe", "caf\xe9"};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "'recipe' is not UTF-8",
                 fm_safetensors_write(f->context, path, &latin, 1, samples, 1));
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "nowhere/x",
                 fm_safetensors_write(f->context, "nowhere/x", NULL, 0, samples, 1));
}

static fm_status round_trip(fm_context *context, void *argument)
{
    fm_safetensors *file = NULL;
    fm_status status = fm_safetensors_write(context, argument, notes, 2, samples, 5);
    if (status == FM_OK) status = fm_safetensors_open(context, argument, &file);
    fm_safetensors_close(file);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    fail_each_allocation(f, round_trip, (void *)fixture_path(f, "memory.safetensors"));
}

/* ---- files that lie ---- */

typedef struct lie {
    const char *header;
    size_t data; /* bytes behind it */
    fm_status status;
    const char *words;
} lie;

#define ONE(dtype, shape, offsets)                                                                 \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static const lie lies[] = {
    {"", 0, FM_ERROR_FORMAT, "byte 8: the header is not JSON"},
    {"[]", 0, FM_ERROR_FORMAT, "not a JSON object"},
    {"{\"a\"", 0, FM_ERROR_FORMAT, "the header is not JSON"},
    {"{} x", 0, FM_ERROR_FORMAT, "byte 12: the header is not JSON"},
    {"{\"a\":1}", 0, FM_ERROR_FORMAT, "tensor 'a': must be an object"},
    {"{\"a\":{},\"a\":{}}", 0, FM_ERROR_FORMAT, "duplicate object key"},
    {"{\"a\xff\":1}", 0, FM_ERROR_FORMAT, "unable to decode byte 0xff"},
    {"{\"a\\u0000b\":1}", 0, FM_ERROR_FORMAT, "NUL"},
    {"{\"__metadata__\":[]}", 0, FM_ERROR_FORMAT, "__metadata__ must be an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, FM_ERROR_FORMAT, "'k' in __metadata__ is not a string"},
    {ONE("\"F33\"", "[1]", "[0,4]"), 4, FM_ERROR_FORMAT, "unknown dtype 'F33'"},
    {ONE("7", "[1]", "[0,4]"), 4, FM_ERROR_FORMAT, "unknown dtype '(not a word)'"},
    {ONE("\"F32\"", "4", "[0,4]"), 4, FM_ERROR_FORMAT, "must be a list of sizes"},
    {ONE("\"F32\"", "[-1]", "[0,4]"), 4, FM_ERROR_FORMAT, "not a natural number"},
    {ONE("\"F32\"", "[1.0]", "[0,4]"), 4, FM_ERROR_FORMAT, "not a natural number"},
    {ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, FM_ERROR_LIMIT, "9 dimensions"},
    {ONE("\"F32\"", "[1]", "[0,4,8]"), 4, FM_ERROR_FORMAT, "must be [begin, end]"},
    {ONE("\"F32\"", "[1]", "{}"), 4, FM_ERROR_FORMAT, "must be [begin, end]"},
    {ONE("\"F32\"", "[1]", "[4,0]"), 4, FM_ERROR_FORMAT, "must be [begin, end]"},
    {ONE("\"F32\"", "[1]", "[-4,0]"), 4, FM_ERROR_FORMAT, "must be [begin, end]"},
    {ONE("\"F32\"", "[2]", "[0,8]"), 4, FM_ERROR_FORMAT, "ends at byte 70, but the file has 66"},
    {ONE("\"F32\"", "[1]", "[0,9223372036854775807]"), 4, FM_ERROR_FORMAT, "cut off or damaged"},
    {ONE("\"F32\"", "[1]", "[0,9223372036854775808]"), 4, FM_ERROR_FORMAT, "too big integer"},
    {ONE("\"F32\"", "[2]", "[0,4]"), 4, FM_ERROR_FORMAT, "F32 (2) does not fit its 4 bytes"},
    {ONE("\"F4\"", "[1]", "[0,1]"), 1, FM_ERROR_FORMAT, "does not fit"},
    {ONE("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0, FM_ERROR_FORMAT, "does not fit"},
    {ONE("\"U8\"", "[3]", "[1,4]"), 4, FM_ERROR_FORMAT, "'a' leaves a hole after 'the header'"},
    {ONE("\"U8\"", "[3]", "[0,3]"), 4, FM_ERROR_FORMAT, "but the file has"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
     4, FM_ERROR_FORMAT, "tensor 'b' overlaps 'a'"},
};

static char *make_file(const lie *wrong, size_t *size)
{
    size_t length = strlen(wrong->header);
    *size = 8 + length + wrong->data;
    char *file = calloc(*size, 1); /* exactly as long: readers beyond its end are seen */
    for (int i = 0; i < 8; i++) file[i] = (char)((uint64_t)length >> (8 * i));
    memcpy(file + 8, wrong->header, length);
    return file;
}

static void lies_are_found(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        size_t size;
        char *bytes_of = make_file(&lies[i], &size);
        fm_safetensors *file;
        assert_fails(f->context, lies[i].status, lies[i].words,
                     fm_safetensors_parse(f->context, "liar", bytes_of, size, &file));
        assert_null(file);
        assert_non_null(strstr(fm_error_message(f->context), "liar: "));
        free(bytes_of);
    }
}

static void short_and_giant_headers_are_refused(void **state)
{
    fixture *f = *state;
    fm_safetensors *file;
    assert_fails(f->context, FM_ERROR_FORMAT, "it has only 3 bytes",
                 fm_safetensors_parse(f->context, "x", "abc", 3, &file));
    assert_fails(f->context, FM_ERROR_FORMAT, "cut off: a header of",
                 fm_safetensors_parse(f->context, "x", "\x89PNG\r\n\x1a\n{}", 10, &file));
    size_t giant = (size_t)FM_SAFETENSORS_HEADER_LIMIT + 1;
    char *many = calloc(8 + giant, 1);
    for (int i = 0; i < 8; i++) many[i] = (char)(giant >> (8 * i));
    assert_fails(f->context, FM_ERROR_LIMIT, "at most 16777216 are accepted",
                 fm_safetensors_parse(f->context, "x", many, 8 + giant, &file));
    free(many);
}

static void deep_json_is_refused(void **state)
{
    fixture *f = *state;
    enum { DEEP = 100000 };
    char *deep = malloc(DEEP + 1);
    memset(deep, '[', DEEP);
    deep[DEEP] = '\0';
    size_t size;
    char *bytes_of = make_file(&(lie){.header = deep}, &size);
    fm_safetensors *file;
    assert_fails(f->context, FM_ERROR_FORMAT, "depth",
                 fm_safetensors_parse(f->context, "x", bytes_of, size, &file));
    free(bytes_of);
    free(deep);
}

static void every_cut_is_noticed(void **state)
{
    fixture *f = *state;
    FILE *stream = fopen(write_samples(f), "rb");
    char whole[2048], *part;
    size_t size = fread(whole, 1, sizeof whole, stream);
    fclose(stream);
    for (size_t cut = 0; cut < size; cut++) {
        fm_safetensors *file;
        part = malloc(cut ? cut : 1);
        memcpy(part, whole, cut);
        assert_fails(f->context, FM_ERROR_FORMAT,
                     "x: ", fm_safetensors_parse(f->context, "x", part, cut, &file));
        free(part);
    }
}

static void types_that_cannot_be_read_are_listed(void **state)
{
    fixture *f = *state;
    size_t size;
    char *bytes_of = make_file(&(lie){ONE("\"BF16\"", "[2]", "[0,4]"), 4, FM_OK, ""}, &size);
    fm_safetensors *file;
    float read[2];
    assert_ok(f->context, fm_safetensors_parse(f->context, "x", bytes_of, size, &file));
    assert_string_equal(fm_safetensors_at(file, 0)->type, "BF16");
    assert_fails(f->context, FM_ERROR_UNSUPPORTED, "'a' is of dtype BF16",
                 fm_safetensors_read(file, 0, read));
    fm_safetensors_close(file);
    free(bytes_of);
}

static void absent_files_and_folders_are_errors(void **state)
{
    fixture *f = *state;
    fm_safetensors *file;
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "absent",
                 fm_safetensors_open(f->context, fixture_path(f, "absent"), &file));
    assert_fails(f->context, FM_ERROR_IO, "is not a file",
                 fm_safetensors_open(f->context, "/tmp", &file));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(what_was_written_is_read),
        fixture_test(tensors_may_be_filled_in_their_turn),
        fixture_test(a_failed_write_leaves_the_old_file),
        fixture_test(writing_refuses_bad_names),
        fixture_test(every_allocation_may_fail),
        fixture_test(lies_are_found),
        fixture_test(short_and_giant_headers_are_refused),
        fixture_test(deep_json_is_refused),
        fixture_test(every_cut_is_noticed),
        fixture_test(types_that_cannot_be_read_are_listed),
        fixture_test(absent_files_and_folders_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
