/* Event files against TensorBoard's own bytes, and as a whole: every record with its checks. */
#include "support/fixture.h"

#include "fathom/event_file.h"
#include "golden/events_golden.h"
#include "io/wire.h"

typedef struct whole_file {
    unsigned char bytes[1 << 16];
    size_t size, at;
} whole_file;

static void read_events(const char *path, whole_file *file)
{
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    *file = (whole_file){0};
    file->size = fread(file->bytes, 1, sizeof file->bytes, stream);
    fclose(stream);
    assert_true(file->size < sizeof file->bytes);
}

static uint64_t number_at(const unsigned char *bytes, int size)
{
    uint64_t value = 0;
    for (int i = size - 1; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
}

/* The next event without its wall_time, which comes first; its checks must hold. */
static const unsigned char *next_event(whole_file *file, size_t *size)
{
    const unsigned char *frame = file->bytes + file->at;
    if (file->at == file->size) return NULL;
    assert_true(file->at + 16 <= file->size);
    size_t length = number_at(frame, 8);
    assert_int_equal(number_at(frame + 8, 4), fm_masked_crc32c(frame, 8));
    assert_true(file->at + 16 + length <= file->size);
    assert_int_equal(number_at(frame + 12 + length, 4), fm_masked_crc32c(frame + 12, length));
    file->at += 16 + length;
    double time;
    assert_int_equal(frame[12], 0x09);
    memcpy(&time, frame + 13, sizeof time);
    assert_true(time > 1.7e9);
    *size = length - 9;
    return frame + 12 + 9;
}

static void check_event(whole_file *file, const unsigned char *golden, size_t golden_size)
{
    size_t size;
    const unsigned char *event = next_event(file, &size);
    assert_non_null(event);
    assert_int_equal(size, golden_size);
    assert_memory_equal(event, golden, size);
}
#define CHECK_EVENT(file, golden) check_event(file, golden, sizeof golden)

/* CRC-32C of "123456789" is 0xE3069283 (RFC 3720, appendix B.4 has others). */
static void checksums_are_castagnolis(void **state)
{
    (void)state;
    uint32_t crc = fm_masked_crc32c("123456789", 9) - 0xa282ead8u;
    assert_int_equal(crc << 15 | crc >> 17, 0xE3069283u);
    static const char words[] = "some bytes of a record";
    assert_int_equal(number_at(golden_record + 8, 4), fm_masked_crc32c(golden_record, 8));
    assert_memory_equal(golden_record + 12, words, strlen(words));
    assert_int_equal(number_at(golden_record + 12 + strlen(words), 4),
                     fm_masked_crc32c(words, strlen(words)));
}

static void write_all(fixture *f, fm_event_file *file)
{
    static const double values[] = {-1, -0.5, 0, 0.25, 2, 2, NAN, INFINITY};
    static const char *const inputs[] = {"x", "dense/kernel"}, *const tags[] = {"train/loss"};
    const fm_event_node nodes[] = {
        {.name = "x", .op = "Placeholder", .shape = FM_SHAPE(1, 4)},
        {.name = "dense/matmul_3",
         .op = "matmul",
         .inputs = inputs,
         .input_count = 2,
         .shape = FM_SHAPE(1, 300),
         .dtype = FM_F64,
         .note = "transpose_b=true"},
    };
    static const fm_event_parameter parameters[] = {{.name = "rate", .number = 0.5},
                                                    {.name = "optimizer", .text = "adam"}};
    assert_ok(f->context, fm_event_scalar(file, "train/loss", 3, 0.1));
    assert_ok(f->context, fm_event_scalar(file, "a", -1, -2.5));
    assert_ok(f->context, fm_event_histogram(file, "weights/dense/kernel", 300, FM_F64, values, 8));
    assert_ok(f->context, fm_event_text(file, "recipe", 0, "# words"));
    assert_ok(f->context, fm_event_restart(file, 7));
    assert_ok(f->context, fm_event_graph(file, nodes, 2));
    assert_ok(f->context, fm_event_parameters(file, parameters, 2, tags, 1));
    assert_ok(f->context, fm_event_parameters_end(file));
}

static void events_are_tensorboards(void **state)
{
    fixture *f = *state;
    fm_event_file *file;
    static whole_file read;
    char path[512];
    size_t size;
    assert_ok(f->context, fm_event_file_open(f->context, fixture_path(f, "runs/a/b"), &file));
    snprintf(path, sizeof path, "%s", fm_event_file_path(file));
    assert_non_null(strstr(path, "/runs/a/b/events.out.tfevents."));
    write_all(f, file);
    assert_ok(f->context, fm_event_file_close(file));
    read_events(path, &read);
    CHECK_EVENT(&read, golden_version);
    CHECK_EVENT(&read, golden_scalar);
    CHECK_EVENT(&read, golden_negative);
    CHECK_EVENT(&read, golden_histogram);
    CHECK_EVENT(&read, golden_text);
    CHECK_EVENT(&read, golden_restart);
    CHECK_EVENT(&read, golden_graph);
    CHECK_EVENT(&read, golden_experiment);
    assert_non_null(next_event(&read, &size)); /* with times inside */
    assert_non_null(next_event(&read, &size));
    assert_null(next_event(&read, &size));
}

static const unsigned char *find(const whole_file *file, const char *words, size_t size)
{
    for (size_t i = 0; i + size <= file->size; i++) {
        if (memcmp(file->bytes + i, words, size) == 0) return file->bytes + i;
    }
    return NULL;
}

static void images_are_png(void **state)
{
    fixture *f = *state;
    fm_event_file *file;
    static whole_file read;
    char path[512];
    uint8_t pixels[2 * 3 * 3] = {255, 0, 0, 0, 255, 0, 0, 0, 255};
    assert_ok(f->context, fm_event_file_open(f->context, fixture_path(f, "runs"), &file));
    snprintf(path, sizeof path, "%s", fm_event_file_path(file));
    assert_ok(f->context, fm_event_image(file, "train/0", 0, 2, 3, 3, pixels));
    assert_fails(f->context, FM_ERROR_SHAPE, "received (2, 3, 2)",
                 fm_event_image(file, "train/0", 0, 2, 3, 2, pixels));
    assert_int_equal(fm_event_file_close(file), FM_ERROR_SHAPE); /* the first failure is kept */
    read_events(path, &read);
    const unsigned char *png = find(&read, "\x89PNG\r\n\x1a\n", 8);
    assert_non_null(png);
    assert_memory_equal(png + 12, "IHDR\0\0\0\3\0\0\0\2\10\2\0\0\0", 17);
    assert_non_null(find(&read, "IEND\xae\x42\x60\x82", 8));
}

/* The fields 6 and 7 of a histogram, packed doubles: the buckets' limits and their counts. */
static void check_buckets(const whole_file *file, int count, const double *limits,
                          const double *counts)
{
    unsigned char wanted[2 * (3 + 30 * 8)];
    size_t size = 0;
    for (int field = 6; field <= 7; field++) {
        const double *values = field == 6 ? limits : counts;
        int bytes = 8 * count;
        wanted[size++] = (unsigned char)(field << 3 | 2);
        if (bytes > 127) wanted[size++] = (unsigned char)(bytes | 128);
        wanted[size++] = (unsigned char)(bytes > 127 ? bytes >> 7 : bytes);
        for (int i = 0; i < bytes; i++) {
            uint64_t bits;
            memcpy(&bits, &values[i / 8], sizeof bits);
            wanted[size++] = (unsigned char)(bits >> i % 8 * 8);
        }
    }
    assert_non_null(find(file, (const char *)wanted, size));
}

static void odd_histograms_have_their_buckets(void **state)
{
    fixture *f = *state;
    fm_event_file *file;
    static whole_file read;
    char path[512];
    static const float same[] = {3, 3, 3}, none[] = {NAN};
    static const double wide[] = {-1.5e308, 1.5e308}; /* their difference is no number */
    static const uint8_t bytes[] = {0, 255, 255};
    assert_ok(f->context, fm_event_file_open(f->context, fixture_path(f, "runs"), &file));
    snprintf(path, sizeof path, "%s", fm_event_file_path(file));
    assert_ok(f->context, fm_event_histogram(file, "same", 0, FM_F32, same, 3));
    assert_ok(f->context, fm_event_histogram(file, "none", 0, FM_F32, none, 1));
    assert_ok(f->context, fm_event_histogram(file, "wide", 0, FM_F64, wide, 2));
    assert_ok(f->context, fm_event_histogram(file, "bytes", 0, FM_U8, bytes, 3));
    assert_ok(f->context, fm_event_file_close(file));
    read_events(path, &read);
    check_buckets(&read, 1, (double[]){3.5}, (double[]){3});
    check_buckets(&read, 0, NULL, NULL);
    check_buckets(&read, 1, (double[]){1.5e308}, (double[]){2});
    double limits[30], counts[30] = {[0] = 1, [29] = 2};
    for (int i = 0; i < 30; i++) limits[i] = 8.5 * (i + 1);
    check_buckets(&read, 30, limits, counts);
}

static void two_files_in_a_folder_have_names_of_their_own(void **state)
{
    fixture *f = *state;
    fm_event_file *files[2];
    for (int i = 0; i < 2; i++) {
        assert_ok(f->context, fm_event_file_open(f->context, fixture_path(f, "runs"), &files[i]));
    }
    assert_string_not_equal(fm_event_file_path(files[0]), fm_event_file_path(files[1]));
    for (int i = 0; i < 2; i++) assert_ok(f->context, fm_event_file_close(files[i]));
    fixture_file(f, "file", "x", 1);
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "file/runs",
                 fm_event_file_open(f->context, fixture_path(f, "file/runs"), &files[0]));
    assert_null(files[0]);
}

static fm_status write_some(fm_context *context, void *argument)
{
    fm_event_file *file;
    uint8_t pixels[16] = {0};
    fm_status status = fm_event_file_open(context, argument, &file);
    if (status != FM_OK) return status;
    (void)fm_event_scalar(file, "a", 1, 2);
    (void)fm_event_image(file, "b", 1, 4, 4, 1, pixels);
    (void)fm_event_text(file, "c", 1, "d");
    return fm_event_file_close(file);
}

static void every_allocation_may_fail(void **state)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", fixture_path(*state, "runs"));
    assert_true(fail_each_allocation(*state, write_some, folder) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(checksums_are_castagnolis),
        fixture_test(events_are_tensorboards),
        fixture_test(images_are_png),
        fixture_test(odd_histograms_have_their_buckets),
        fixture_test(two_files_in_a_folder_have_names_of_their_own),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
