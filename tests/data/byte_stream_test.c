#include "data/file_bytes.h"
#include "data/file/byte_stream.h"
#include "data/file/md5.h"

enum { SIZE = 300000 };

static unsigned char *pattern(void)
{
    unsigned char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < SIZE; i++) bytes[i] = (unsigned char)(i * i >> 7);
    return bytes;
}

/* Reads everything in uneven pieces. */
static void check_content(fm_byte_stream *stream, const unsigned char *expected, size_t size)
{
    unsigned char piece[70000];
    size_t at = 0, got = 1;
    for (size_t wanted = 1; got > 0; wanted = wanted * 3 % 69997) {
        assert_ok(stream->context, fm_byte_stream_read(stream, piece, wanted, &got));
        assert_true(at + got <= size);
        assert_memory_equal(piece, expected + at, got);
        at += got;
    }
    assert_int_equal(at, size);
    fm_byte_stream_close(stream);
}

static void plain_and_packed_give_the_same(void **state)
{
    fixture *f = *state;
    unsigned char *bytes = pattern();
    size_t packed_size;
    unsigned char *packed = gzip_bytes(bytes, SIZE, &packed_size);
    unsigned char *twice = malloc(2 * packed_size + 5);
    memcpy(twice, packed, packed_size);
    memcpy(twice + packed_size, packed, packed_size);
    memset(twice + 2 * packed_size, 0, 5);
    fm_byte_stream stream;
    assert_ok(f->context, fm_byte_stream_memory(f->context, "m", bytes, SIZE, &stream));
    assert_int_equal(fm_byte_stream_most(&stream), SIZE);
    check_content(&stream, bytes, SIZE);
    assert_ok(f->context, fm_byte_stream_memory(f->context, "m", packed, packed_size, &stream));
    assert_true(fm_byte_stream_most(&stream) >= SIZE);
    check_content(&stream, bytes, SIZE);
    const char *path = fixture_file(f, "packed.gz", packed, packed_size);
    assert_ok(f->context, fm_byte_stream_open(f->context, path, &stream));
    check_content(&stream, bytes, SIZE);
    path = fixture_file(f, "plain", bytes, SIZE);
    assert_ok(f->context, fm_byte_stream_open(f->context, path, &stream));
    check_content(&stream, bytes, SIZE);

    char *all;
    size_t size;
    assert_ok(f->context,
              fm_byte_stream_memory(f->context, "two", twice, 2 * packed_size + 5, &stream));
    assert_ok(f->context, fm_byte_stream_read_all(&stream, 2 * SIZE, &all, &size));
    assert_int_equal(size, 2 * SIZE);
    assert_memory_equal(all + SIZE, bytes, SIZE);
    assert_int_equal(all[size], 0);
    fm_release(f->context, all);
    fm_byte_stream_close(&stream);
    free(bytes);
    free(packed);
    free(twice);
}

static void damage_is_told(void **state)
{
    fixture *f = *state;
    unsigned char *bytes = pattern();
    size_t size, got;
    unsigned char *packed = gzip_bytes(bytes, SIZE, &size);
    fm_byte_stream stream;
    assert_ok(f->context, fm_byte_stream_memory(f->context, "cut.gz", packed, size - 9, &stream));
    assert_fails(f->context, FM_ERROR_FORMAT, "cut.gz: the gzip data is cut off",
                 fm_byte_stream_read(&stream, bytes, SIZE + 1, &got));
    fm_byte_stream_close(&stream);
    packed[size - 6] ^= 1; /* in the checksum */
    assert_ok(f->context, fm_byte_stream_memory(f->context, "bad.gz", packed, size, &stream));
    assert_fails(f->context, FM_ERROR_FORMAT, "bad.gz: damaged gzip data (incorrect data check)",
                 fm_byte_stream_read(&stream, bytes, SIZE, &got));
    fm_byte_stream_close(&stream);
    packed[size - 6] ^= 1;
    packed = realloc(packed, size + 1);
    packed[size] = 'x';
    assert_ok(f->context, fm_byte_stream_memory(f->context, "more.gz", packed, size + 1, &stream));
    assert_fails(f->context, FM_ERROR_FORMAT, "more.gz: other bytes follow",
                 fm_byte_stream_read(&stream, bytes, SIZE, &got));
    fm_byte_stream_close(&stream);
    assert_ok(f->context, fm_byte_stream_memory(f->context, "short", "abc", 3, &stream));
    assert_fails(f->context, FM_ERROR_FORMAT,
                 "short: ends within its header: 4 bytes were expected, 3",
                 fm_byte_stream_need(&stream, bytes, 4, "its header"));
    fm_byte_stream_close(&stream);
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "cannot open",
                 fm_byte_stream_open(f->context, fixture_path(f, "none"), &stream));
    assert_fails(f->context, FM_ERROR_IO, "is a folder",
                 fm_byte_stream_open(f->context, f->folder, &stream));
    char *all;
    assert_ok(f->context, fm_byte_stream_memory(f->context, "long", "abcdef", 6, &stream));
    assert_fails(f->context, FM_ERROR_LIMIT, "larger than the 5 bytes",
                 fm_byte_stream_read_all(&stream, 5, &all, &size));
    assert_null(all);
    fm_byte_stream_close(&stream);
    free(packed);
    free(bytes);
}

static fm_status read_packed(fm_context *context, void *path)
{
    fm_byte_stream stream;
    fm_status status = fm_byte_stream_open(context, path, &stream);
    if (status != FM_OK) return status;
    char *all;
    size_t size;
    status = fm_byte_stream_read_all(&stream, SIZE, &all, &size);
    fm_release(context, all);
    fm_byte_stream_close(&stream);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    unsigned char *bytes = pattern();
    size_t size;
    unsigned char *packed = gzip_bytes(bytes, SIZE, &size);
    const char *path = fixture_file(f, "packed.gz", packed, size);
    assert_true(fail_each_allocation(f, read_packed, (void *)(uintptr_t)path) >= 4);
    free(packed);
    free(bytes);
}

static void md5_agrees_with_its_rfc(void **state)
{
    (void)state;
    const struct {
        const char *text, *digest;
    } cases[] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t piece = 1; piece < 70; piece += 23) {
            fm_md5 md5;
            char text[33];
            fm_md5_begin(&md5);
            for (size_t at = 0, n = strlen(cases[i].text); at < n; at += piece) {
                fm_md5_add(&md5, cases[i].text + at, n - at < piece ? n - at : piece);
            }
            fm_md5_end(&md5, text);
            assert_string_equal(text, cases[i].digest);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(plain_and_packed_give_the_same),
        fixture_test(damage_is_told),
        fixture_test(every_allocation_may_fail),
        cmocka_unit_test(md5_agrees_with_its_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
