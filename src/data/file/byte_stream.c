#define _GNU_SOURCE
#include "data/file/byte_stream.h"
#include "base/checked.h"
#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum {
    BUFFER_SIZE = 64 * 1024,
    MOST_INFLATED = 1032, /* deflate's best ratio (zlib technical details) */
    MOST_EXPANDED = 8192, /* LZMA's, measured on zeros and rounded up */
    GZIP_WINDOW = 15 + 16,
    XZ_MEMORY = 1 << 28
};

static voidpf allocate_for_zlib(voidpf context, uInt items, uInt size)
{
    return fm_allocate_array(context, items, size);
}

static void release_for_zlib(voidpf context, voidpf pointer)
{
    fm_release(context, pointer);
}

void fm_inflate_hooks(fm_context *context, z_stream *z)
{
    z->zalloc = allocate_for_zlib;
    z->zfree = release_for_zlib;
    z->opaque = context;
}

static void *allocate_for_lzma(void *context, size_t items, size_t size)
{
    return fm_allocate_array(context, items, size);
}

static bool is_xz(const unsigned char *bytes, size_t size)
{
    return size >= 6 && memcmp(bytes,
                               "\xfd"
                               "7zXZ",
                               6) == 0;
}

static bool is_gzip(const unsigned char *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

static fm_status fill_input(fm_byte_stream *stream)
{
    if (!stream->file) {
        stream->input = stream->memory;
        stream->input_left = stream->memory_left;
        stream->memory_left = 0;
        return FM_OK;
    }
    stream->input = stream->buffer;
    stream->input_left = fread(stream->buffer, 1, BUFFER_SIZE, stream->file);
    if (!ferror(stream->file)) return FM_OK;
    return fm_fail_system(stream->context, stream->name, "read");
}

static fm_status begin_xz(fm_byte_stream *stream)
{
    stream->expand = (lzma_stream)LZMA_STREAM_INIT;
    stream->allocator = (lzma_allocator){allocate_for_lzma, release_for_zlib, stream->context};
    stream->expand.allocator = &stream->allocator;
    stream->xz = lzma_stream_decoder(&stream->expand, XZ_MEMORY, LZMA_CONCATENATED) == LZMA_OK;
    if (stream->xz) return FM_OK;
    return fm_fail(stream->context, FM_ERROR_MEMORY, "%s: out of memory for expanding it",
                   stream->name);
}

static fm_status begin(fm_byte_stream *stream)
{
    fm_status status = fill_input(stream);
    if (status != FM_OK) return status;
    stream->gzip = is_gzip(stream->input, stream->input_left);
    if (is_xz(stream->input, stream->input_left)) return begin_xz(stream);
    if (!stream->gzip) return FM_OK;
    fm_inflate_hooks(stream->context, &stream->inflate);
    if (inflateInit2(&stream->inflate, GZIP_WINDOW) == Z_OK) return FM_OK;
    stream->gzip = false; /* there is nothing to end */
    return fm_fail(stream->context, FM_ERROR_MEMORY, "%s: out of memory for inflating it",
                   stream->name);
}

fm_status fm_byte_stream_open(fm_context *context, const char *path, fm_byte_stream *stream)
{
    *stream = (fm_byte_stream){.context = context, .name = path, .stored = -1};
    stream->file = fopen(path, "rbe");
    if (!stream->file) return fm_fail_system(context, path, "open");
    struct stat about;
    fm_status status = FM_OK;
    if (fstat(fileno(stream->file), &about) == 0) {
        if (S_ISREG(about.st_mode)) stream->stored = about.st_size;
        if (S_ISDIR(about.st_mode)) {
            status = fm_fail(context, FM_ERROR_IO, "%s: is a folder, a file was expected", path);
        }
    }
    if (status == FM_OK) stream->buffer = fm_allocate(context, BUFFER_SIZE);
    if (status == FM_OK && !stream->buffer) status = FM_ERROR_MEMORY;
    if (status == FM_OK) status = begin(stream);
    if (status != FM_OK) fm_byte_stream_close(stream);
    return status;
}

fm_status fm_byte_stream_memory(fm_context *context, const char *name, const void *bytes,
                                size_t size, fm_byte_stream *stream)
{
    *stream = (fm_byte_stream){.context = context,
                               .name = name,
                               .memory = bytes,
                               .memory_left = size,
                               .stored = (int64_t)size};
    fm_status status = begin(stream);
    if (status != FM_OK) fm_byte_stream_close(stream);
    return status;
}

void fm_byte_stream_close(fm_byte_stream *stream)
{
    if (stream->gzip) inflateEnd(&stream->inflate);
    if (stream->xz) lzma_end(&stream->expand);
    if (stream->file) fclose(stream->file);
    fm_release(stream->context, stream->buffer);
    *stream = (fm_byte_stream){.context = stream->context, .name = stream->name, .ended = true};
}

int64_t fm_byte_stream_most(const fm_byte_stream *stream)
{
    int64_t most;
    if (stream->stored < 0) return INT64_MAX;
    if (!stream->gzip && !stream->xz) return stream->stored;
    int64_t ratio = stream->gzip ? MOST_INFLATED : MOST_EXPANDED;
    return fm_checked_mul_i64(stream->stored, ratio, &most) ? most : INT64_MAX;
}

/* ---- Reading ---- */

static size_t take_plain(fm_byte_stream *stream, unsigned char *to, size_t wanted)
{
    size_t taken = wanted < stream->input_left ? wanted : stream->input_left;
    if (taken) memcpy(to, stream->input, taken);
    stream->input += taken;
    stream->input_left -= taken;
    return taken;
}

/* After a member: another one follows, or nothing but padding. */
static fm_status next_member(fm_byte_stream *stream)
{
    while (true) {
        while (stream->input_left > 0 && *stream->input == 0) {
            stream->input++;
            stream->input_left--;
        }
        if (stream->input_left > 0) break;
        fm_status status = fill_input(stream);
        if (status != FM_OK) return status;
        if (stream->input_left == 0) {
            stream->ended = true;
            return FM_OK;
        }
    }
    if (*stream->input == 0x1f && inflateReset(&stream->inflate) == Z_OK) return FM_OK;
    return fm_fail(stream->context, FM_ERROR_FORMAT, "%s: other bytes follow the gzip data",
                   stream->name);
}

static fm_status inflate_some(fm_byte_stream *stream, unsigned char *to, size_t wanted,
                              size_t *taken)
{
    z_stream *z = &stream->inflate;
    *taken = 0;
    if (stream->ended) return FM_OK;
    z->next_in = (z_const Bytef *)(uintptr_t)stream->input;
    z->avail_in = stream->input_left > UINT_MAX ? UINT_MAX : (uInt)stream->input_left;
    z->next_out = to;
    z->avail_out = wanted > UINT_MAX ? UINT_MAX : (uInt)wanted;
    uInt offered = z->avail_in, room = z->avail_out;
    int result = inflate(z, Z_NO_FLUSH);
    stream->input += offered - z->avail_in;
    stream->input_left -= offered - z->avail_in;
    *taken = room - z->avail_out;
    if (result == Z_STREAM_END) return next_member(stream);
    if (result == Z_MEM_ERROR) return FM_ERROR_MEMORY; /* the hook left its words */
    if (result == Z_OK || result == Z_BUF_ERROR) return FM_OK;
    return fm_fail(stream->context, FM_ERROR_FORMAT, "%s: damaged gzip data (%s)", stream->name,
                   z->msg ? z->msg : "of no known kind");
}

/* Without input it is told that there is no more: the decoder may still hold bytes. */
static fm_status expand_some(fm_byte_stream *stream, unsigned char *to, size_t wanted,
                             size_t *taken)
{
    lzma_stream *xz = &stream->expand;
    xz->next_in = stream->input;
    xz->avail_in = stream->input_left;
    xz->next_out = to;
    xz->avail_out = wanted;
    lzma_ret result = lzma_code(xz, stream->input_left ? LZMA_RUN : LZMA_FINISH);
    stream->input = xz->next_in;
    stream->input_left = xz->avail_in;
    *taken = wanted - xz->avail_out;
    if (result == LZMA_OK) return FM_OK;
    if (result == LZMA_STREAM_END) return stream->ended = true, FM_OK;
    if (result == LZMA_MEM_ERROR) return FM_ERROR_MEMORY; /* the hook left its words */
    return fm_fail(stream->context, FM_ERROR_FORMAT, "%s: %s xz data", stream->name,
                   result == LZMA_BUF_ERROR ? "cut off" : "damaged");
}

fm_status fm_byte_stream_read(fm_byte_stream *stream, void *to, size_t wanted, size_t *got)
{
    *got = 0;
    while (*got < wanted && !stream->ended) {
        fm_status status = stream->input_left == 0 ? fill_input(stream) : FM_OK;
        if (status != FM_OK) return status;
        if (stream->input_left == 0 && !stream->xz) {
            stream->ended = true;
            if (!stream->gzip) return FM_OK;
            return fm_fail(stream->context, FM_ERROR_FORMAT, "%s: the gzip data is cut off",
                           stream->name);
        }
        size_t taken = 0;
        unsigned char *at = (unsigned char *)to + *got;
        if (stream->gzip) {
            status = inflate_some(stream, at, wanted - *got, &taken);
        } else if (stream->xz) {
            status = expand_some(stream, at, wanted - *got, &taken);
        } else {
            taken = take_plain(stream, at, wanted - *got);
        }
        if (status != FM_OK) return status;
        *got += taken;
    }
    return FM_OK;
}

fm_status fm_byte_stream_need(fm_byte_stream *stream, void *to, size_t wanted, const char *what)
{
    size_t got;
    fm_status status = fm_byte_stream_read(stream, to, wanted, &got);
    if (status != FM_OK || got == wanted) return status;
    return fm_fail(stream->context, FM_ERROR_FORMAT,
                   "%s: ends within %s: %zu bytes were expected, %zu are there", stream->name, what,
                   wanted, got);
}

fm_status fm_byte_stream_expect_end(fm_byte_stream *stream)
{
    unsigned char byte;
    size_t got;
    fm_status status = fm_byte_stream_read(stream, &byte, 1, &got);
    if (status != FM_OK || got == 0) return status;
    return fm_fail(stream->context, FM_ERROR_FORMAT, "%s: holds more bytes than its header says",
                   stream->name);
}

fm_status fm_byte_stream_read_all(fm_byte_stream *stream, size_t limit, char **bytes, size_t *size)
{
    size_t capacity = 0, got = 1;
    *bytes = NULL;
    *size = 0;
    fm_status status = FM_OK;
    while (status == FM_OK && got > 0) {
        status = fm_grow(stream->context, bytes, &capacity, *size + BUFFER_SIZE + 1, 1);
        if (status != FM_OK) break;
        status = fm_byte_stream_read(stream, *bytes + *size, capacity - 1 - *size, &got);
        *size += got;
        if (status == FM_OK && *size > limit) {
            status = fm_fail(stream->context, FM_ERROR_LIMIT,
                             "%s: larger than the %zu bytes accepted here", stream->name, limit);
        }
    }
    if (status != FM_OK) {
        fm_release(stream->context, *bytes);
        *bytes = NULL;
        *size = 0;
        return status;
    }
    (*bytes)[*size] = '\0';
    return FM_OK;
}

fm_status fm_byte_stream_read_file(fm_context *context, const char *path, size_t limit,
                                   char **bytes, size_t *size)
{
    fm_byte_stream stream;
    *bytes = NULL;
    fm_status status = fm_byte_stream_open(context, path, &stream);
    if (status != FM_OK) return status;
    status = fm_byte_stream_read_all(&stream, limit, bytes, size);
    fm_byte_stream_close(&stream);
    return status;
}
