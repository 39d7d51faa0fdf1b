#include "data/file/archive.h"
#include "base/text.h"
#include "data/file/byte_stream.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 512,
    NAME_AT = 0,
    NAME_SIZE = 100,
    SIZE_AT = 124,
    SIZE_SIZE = 12,
    SUM_AT = 148,
    SUM_SIZE = 8,
    KIND_AT = 156,
    MAGIC_AT = 257,
    PREFIX_AT = 345,
    PREFIX_SIZE = 155,
    LONGEST_NAME = 4096,
    MOST_FILES = 1 << 24,
};
static const size_t most_bytes = (size_t)8 << 30;

struct fm_archive {
    fm_context *context;
    fm_arena memory; /* names and bytes */
    fm_archive_file *files;
    size_t count, capacity;
};

bool fm_archive_is_named(const char *path)
{
    static const char *const endings[] = {".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz"};
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t tail = strlen(endings[i]);
        if (size > tail && strcmp(path + size - tail, endings[i]) == 0) return true;
    }
    return false;
}

void fm_archive_close(fm_archive *archive)
{
    if (!archive) return;
    fm_arena_release(&archive->memory);
    fm_release(archive->context, archive->files);
    fm_release(archive->context, archive);
}

const fm_archive_file *fm_archive_files(const fm_archive *archive, size_t *count)
{
    *count = archive->count;
    return archive->files;
}

const fm_archive_file *fm_archive_find(const fm_archive *archive, const char *name)
{
    size_t tail = strlen(name);
    for (size_t i = 0; i < archive->count; i++) {
        const char *full = archive->files[i].name;
        size_t size = strlen(full);
        if (size < tail || strcmp(full + size - tail, name) != 0) continue;
        if (size == tail || full[size - tail - 1] == '/') return &archive->files[i];
    }
    return NULL;
}

/* ---- headers ---- */

typedef struct tar_reader {
    fm_archive *archive;
    fm_byte_stream *stream;
    unsigned char header[BLOCK];
    char name[LONGEST_NAME + 1];
    bool long_name; /* `name` was given by an entry before */
    size_t total;
} tar_reader;

static fm_status fail(const tar_reader *r, const char *words)
{
    return fm_fail(r->archive->context, FM_ERROR_FORMAT, "%s: not a sound tar archive: %s",
                   r->stream->name, words);
}

static bool read_octal(const unsigned char *at, int size, size_t *value)
{
    *value = 0;
    int i = 0;
    while (i < size && at[i] == ' ') i++;
    for (; i < size && at[i] >= '0' && at[i] <= '7'; i++) {
        if (*value >> 59) return false;
        *value = *value * 8 + (size_t)(at[i] - '0');
    }
    return i == size || at[i] == '\0' || at[i] == ' ';
}

/* The sum of the header's bytes, its own field read as blanks. */
static bool sum_is_right(const unsigned char *header)
{
    size_t sum = 0, said;
    for (int i = 0; i < BLOCK; i++) {
        sum += i >= SUM_AT && i < SUM_AT + SUM_SIZE ? ' ' : header[i];
    }
    return read_octal(header + SUM_AT, SUM_SIZE, &said) && said == sum;
}

static bool is_zero(const unsigned char *header)
{
    for (int i = 0; i < BLOCK; i++) {
        if (header[i]) return false;
    }
    return true;
}

static void take_name(tar_reader *r)
{
    if (r->long_name) return;
    const char *name = (const char *)r->header + NAME_AT;
    const char *prefix = (const char *)r->header + PREFIX_AT;
    bool split = memcmp(r->header + MAGIC_AT, "ustar\0", 6) == 0 && *prefix;
    snprintf(r->name, sizeof r->name, "%.*s%s%.*s", split ? PREFIX_SIZE : 0, prefix,
             split ? "/" : "", NAME_SIZE, name);
}

/* ---- entries ---- */

static fm_status read_bytes(tar_reader *r, size_t size, uint8_t **bytes)
{
    fm_context *context = r->archive->context;
    int64_t most = fm_byte_stream_most(r->stream);
    r->total += size;
    if (size > most_bytes || r->total > most_bytes) {
        return fm_fail(context, FM_ERROR_LIMIT, "%s: more than %zu bytes", r->stream->name,
                       most_bytes);
    }
    if ((int64_t)size > most) return fail(r, "it ends within a file");
    *bytes = fm_arena_allocate(&r->archive->memory, size + 1);
    if (!*bytes) return FM_ERROR_MEMORY;
    fm_status status = fm_byte_stream_need(r->stream, *bytes, size, "a file of the archive");
    unsigned char padding[BLOCK];
    size_t rest = (BLOCK - size % BLOCK) % BLOCK;
    if (status == FM_OK && rest) {
        status = fm_byte_stream_need(r->stream, padding, rest, "a file of the archive");
    }
    return status;
}

/* pax: lines "LENGTH key=value\n"; only a path is of interest. */
static void take_pax_name(tar_reader *r, const char *text, size_t size)
{
    static const char key[] = "path=";
    for (size_t at = 0; at < size;) {
        char *end;
        size_t length = strtoul(text + at, &end, 10);
        size_t head = (size_t)(end - (text + at)) + 1; /* the length and a blank */
        if (length <= head || length > size - at) return;
        const char *line = text + at + head;
        size_t body = length - head - 1;
        if (body > strlen(key) && memcmp(line, key, strlen(key)) == 0 &&
            body - strlen(key) <= LONGEST_NAME) {
            snprintf(r->name, sizeof r->name, "%.*s", (int)(body - strlen(key)),
                     line + strlen(key));
            r->long_name = true;
        }
        at += length;
    }
}

static fm_status keep_file(tar_reader *r, const uint8_t *bytes, size_t size)
{
    fm_archive *a = r->archive;
    const char *name = r->name;
    while (name[0] == '.' && name[1] == '/') name += 2;
    if (a->count == MOST_FILES) {
        return fm_fail(a->context, FM_ERROR_LIMIT, "%s: more than %d files", r->stream->name,
                       MOST_FILES);
    }
    fm_status status = fm_grow(a->context, &a->files, &a->capacity, a->count + 1, sizeof *a->files);
    if (status != FM_OK) return status;
    a->files[a->count] = (fm_archive_file){fm_arena_string(&a->memory, name), bytes, size};
    return a->files[a->count++].name ? FM_OK : FM_ERROR_MEMORY;
}

static fm_status read_entry(tar_reader *r)
{
    size_t size;
    uint8_t *bytes = NULL;
    if (!sum_is_right(r->header)) return fail(r, "a header's check sum is wrong");
    if (!read_octal(r->header + SIZE_AT, SIZE_SIZE, &size)) return fail(r, "a size is no number");
    int kind = r->header[KIND_AT];
    bool file = kind == '0' || kind == '\0' || kind == '7';
    bool has_bytes = file || strchr("LKxg", kind);
    fm_status status = has_bytes ? read_bytes(r, size, &bytes) : FM_OK;
    if (status != FM_OK || !has_bytes) {
        r->long_name = false;
        return status;
    }
    if (kind == 'L' && size <= LONGEST_NAME) {
        snprintf(r->name, sizeof r->name, "%s", (const char *)bytes);
        r->long_name = true;
    } else if (kind == 'x') {
        take_pax_name(r, (const char *)bytes, size);
    } else if (file) {
        take_name(r);
        r->long_name = false;
        status = keep_file(r, bytes, size);
    }
    return status;
}

static fm_status read_entries(tar_reader *r)
{
    for (;;) {
        size_t got;
        fm_status status = fm_byte_stream_read(r->stream, r->header, BLOCK, &got);
        if (status != FM_OK) return status;
        if (got < BLOCK) return fail(r, "it ends early");
        if (is_zero(r->header)) return FM_OK;
        status = read_entry(r);
        if (status != FM_OK) return status;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const fm_archive_file *)a)->name, ((const fm_archive_file *)b)->name);
}

fm_status fm_archive_open(fm_context *context, const char *path, fm_archive **archive)
{
    *archive = NULL;
    fm_archive *made = fm_allocate_zeroed(context, sizeof *made);
    tar_reader *r = fm_allocate_zeroed(context, sizeof *r);
    fm_byte_stream stream;
    fm_status status = made && r ? fm_byte_stream_open(context, path, &stream) : FM_ERROR_MEMORY;
    if (made) *made = (fm_archive){.context = context, .memory = {context, NULL}};
    if (status == FM_OK) {
        r->archive = made;
        r->stream = &stream;
        status = read_entries(r);
        fm_byte_stream_close(&stream);
    }
    fm_release(context, r);
    if (status != FM_OK) {
        fm_archive_close(made);
        return status;
    }
    if (made->count) qsort(made->files, made->count, sizeof *made->files, by_name);
    *archive = made;
    return FM_OK;
}
