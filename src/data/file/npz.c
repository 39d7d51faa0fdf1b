#include "data/file/npz.h"
#include "base/fields.h"
#include "base/file.h"

#include <string.h>

enum {
    LOCAL_SIZE = 30,
    ENTRY_SIZE = 46,
    END_SIZE = 22,
    LONGEST_COMMENT = 65535,
    STORED = 0,
    DEFLATED = 8,
    ENCRYPTED = 1, /* a flag */
    MOST_INFLATED = 1032
};

#define FILE_LIMIT ((size_t)32 << 30)
static const uint32_t local_mark = 0x04034b50u, entry_mark = 0x02014b50u, end_mark = 0x06054b50u;

typedef struct npz_entry {
    const char *name;
    uint32_t method, flags, checksum, packed, size, offset;
} npz_entry;

struct fm_npz {
    fm_context *context;
    const char *name; /* of the file */
    const unsigned char *bytes;
    size_t size;
    char *owned; /* the file's bytes, or NULL */
    fm_arena words;
    npz_entry *entries;
    size_t count;
};

static uint32_t little16(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t little32(const unsigned char *at)
{
    return little16(at) | little16(at + 2) << 16;
}

static fm_status fail_zip(const fm_npz *npz, const char *words)
{
    return fm_fail(npz->context, FM_ERROR_FORMAT, "%s: damaged NPZ file: %s", npz->name, words);
}

/* ---- The directory ---- */

/* The end record is the last one of its mark whose comment reaches the end of the file. */
static const unsigned char *find_end(const fm_npz *npz)
{
    if (npz->size < END_SIZE) return NULL;
    size_t last = npz->size - END_SIZE;
    size_t first = last > LONGEST_COMMENT ? last - LONGEST_COMMENT : 0;
    for (size_t at = last + 1; at-- > first;) {
        const unsigned char *end = npz->bytes + at;
        if (little32(end) == end_mark && little16(end + 20) == last - at) return end;
    }
    return NULL;
}

static fm_status read_name(fm_npz *npz, const unsigned char *text, size_t size, npz_entry *entry)
{
    static const char ending[] = ".npy";
    size_t tail = sizeof ending - 1;
    if (size > tail && memcmp(text + size - tail, ending, tail) == 0) size -= tail;
    char *name = fm_arena_allocate(&npz->words, size + 1);
    if (!name) return FM_ERROR_MEMORY;
    memcpy(name, text, size);
    entry->name = name;
    return FM_OK;
}

static fm_status read_entry(fm_npz *npz, const unsigned char **at, const unsigned char *end,
                            npz_entry *entry)
{
    const unsigned char *e = *at;
    if (end - e < ENTRY_SIZE || little32(e) != entry_mark) {
        return fail_zip(npz, "its directory is cut off");
    }
    size_t name = little16(e + 28), extra = little16(e + 30), comment = little16(e + 32);
    if ((size_t)(end - e) < ENTRY_SIZE + name + extra + comment) {
        return fail_zip(npz, "its directory is cut off");
    }
    *entry = (npz_entry){.flags = little16(e + 8),
                         .method = little16(e + 10),
                         .checksum = little32(e + 16),
                         .packed = little32(e + 20),
                         .size = little32(e + 24),
                         .offset = little32(e + 42)};
    *at = e + ENTRY_SIZE + name + extra + comment;
    return read_name(npz, e + ENTRY_SIZE, name, entry);
}

static fm_status read_directory(fm_npz *npz)
{
    const unsigned char *end = find_end(npz);
    if (!end) {
        return fm_fail(npz->context, FM_ERROR_FORMAT, "%s: not an NPZ file: no zip directory",
                       npz->name);
    }
    size_t count = little16(end + 10), size = little32(end + 12), offset = little32(end + 16);
    if (count == 0xffff || size == UINT32_MAX || offset == UINT32_MAX) {
        return fm_fail(npz->context, FM_ERROR_UNSUPPORTED,
                       "%s: a zip64 file; save arrays beyond 4 GiB as .npy files", npz->name);
    }
    size_t before = (size_t)(end - npz->bytes);
    if (offset > before || size > before - offset || count > size / ENTRY_SIZE) {
        return fail_zip(npz, "its directory lies outside of the file");
    }
    npz->entries = fm_arena_allocate(&npz->words, count * sizeof *npz->entries);
    if (!npz->entries) return FM_ERROR_MEMORY;
    const unsigned char *at = npz->bytes + offset;
    fm_status status = FM_OK;
    for (; npz->count < count && status == FM_OK; npz->count++) {
        status = read_entry(npz, &at, npz->bytes + offset + size, &npz->entries[npz->count]);
    }
    return status;
}

/* ---- Opening ---- */

static fm_status finish_open(fm_npz *made, fm_npz **npz)
{
    fm_status status = read_directory(made);
    if (status == FM_OK) {
        *npz = made;
    } else {
        fm_npz_close(made);
    }
    return status;
}

fm_status fm_npz_memory(fm_context *context, const char *name, const void *bytes, size_t size,
                        fm_npz **npz)
{
    *npz = NULL;
    fm_npz *made = fm_allocate_zeroed(context, sizeof *made);
    if (!made) return FM_ERROR_MEMORY;
    *made = (fm_npz){.context = context,
                     .name = name,
                     .bytes = bytes,
                     .size = size,
                     .words = {.context = context}};
    return finish_open(made, npz);
}

fm_status fm_npz_open(fm_context *context, const char *path, fm_npz **npz)
{
    char *bytes;
    size_t size;
    *npz = NULL;
    fm_status status = fm_file_read(context, path, FILE_LIMIT, &bytes, &size);
    if (status != FM_OK) return status;
    status = fm_npz_memory(context, path, bytes, size, npz);
    if (status == FM_OK) {
        (*npz)->owned = bytes;
    } else {
        fm_release(context, bytes);
    }
    return status;
}

void fm_npz_close(fm_npz *npz)
{
    if (!npz) return;
    fm_arena_release(&npz->words);
    fm_release(npz->context, npz->owned);
    fm_release(npz->context, npz);
}

const char *fm_npz_name(const fm_npz *npz, size_t i)
{
    return i < npz->count ? npz->entries[i].name : NULL;
}

static const npz_entry *find_entry(const fm_npz *npz, const char *name)
{
    for (size_t i = 0; i < npz->count; i++) {
        if (strcmp(npz->entries[i].name, name) == 0) return &npz->entries[i];
    }
    return NULL;
}

bool fm_npz_has(const fm_npz *npz, const char *name)
{
    return find_entry(npz, name) != NULL;
}

/* ---- Members ---- */

static fm_status check_entry(const fm_npz *npz, const npz_entry *entry)
{
    if (entry->packed == UINT32_MAX || entry->size == UINT32_MAX || entry->offset == UINT32_MAX) {
        return fm_fail(npz->context, FM_ERROR_UNSUPPORTED,
                       "%s: \"%s\" is a zip64 member; save arrays beyond 4 GiB as .npy files",
                       npz->name, entry->name);
    }
    if (entry->flags & ENCRYPTED) {
        return fm_fail(npz->context, FM_ERROR_UNSUPPORTED, "%s: \"%s\" is encrypted", npz->name,
                       entry->name);
    }
    if (entry->method != STORED && entry->method != DEFLATED) {
        return fm_fail(npz->context, FM_ERROR_UNSUPPORTED,
                       "%s: \"%s\" is packed by method %u; stored and deflated members are read",
                       npz->name, entry->name, entry->method);
    }
    return FM_OK;
}

/* Where the member's bytes are: behind its local header, whose own sizes may be elsewhere. */
static const unsigned char *find_content(const fm_npz *npz, const npz_entry *entry)
{
    if (entry->offset > npz->size || npz->size - entry->offset < LOCAL_SIZE) return NULL;
    const unsigned char *local = npz->bytes + entry->offset;
    size_t skipped = LOCAL_SIZE + little16(local + 26) + little16(local + 28);
    size_t left = npz->size - entry->offset;
    if (little32(local) != local_mark || skipped > left || entry->packed > left - skipped) {
        return NULL;
    }
    return local + skipped;
}

static fm_status inflate_member(const fm_npz *npz, const npz_entry *entry,
                                const unsigned char *packed, unsigned char *to)
{
    z_stream z = {0};
    fm_inflate_hooks(npz->context, &z);
    if (inflateInit2(&z, -15) != Z_OK) {
        return fm_fail(npz->context, FM_ERROR_MEMORY, "%s: out of memory for inflating it",
                       npz->name);
    }
    z.next_in = (z_const Bytef *)(uintptr_t)packed;
    z.avail_in = entry->packed;
    z.next_out = to;
    z.avail_out = entry->size;
    int result = inflate(&z, Z_FINISH);
    bool whole = result == Z_STREAM_END && z.total_out == entry->size;
    inflateEnd(&z);
    if (result == Z_MEM_ERROR) return FM_ERROR_MEMORY; /* the hook left its words */
    return whole ? FM_OK : fail_zip(npz, "a member does not inflate to the size it names");
}

static fm_status parse_member(const fm_npz *npz, const npz_entry *entry, const unsigned char *bytes,
                              int64_t limit, fm_array *array)
{
    fm_byte_stream stream;
    if (crc32(0, bytes, entry->size) != entry->checksum) {
        return fm_fail(npz->context, FM_ERROR_FORMAT, "%s: \"%s\" does not match its checksum",
                       npz->name, entry->name);
    }
    fm_status status = fm_byte_stream_memory(npz->context, npz->name, bytes, entry->size, &stream);
    if (status != FM_OK) return status;
    status = fm_npy_read(&stream, limit, array);
    fm_byte_stream_close(&stream);
    return status;
}

static fm_status read_deflated(const fm_npz *npz, const npz_entry *entry,
                               const unsigned char *packed, int64_t limit, fm_array *array)
{
    if (entry->size / MOST_INFLATED > entry->packed) {
        return fail_zip(npz, "a member names a size that cannot be in it");
    }
    unsigned char *bytes = fm_allocate(npz->context, entry->size);
    if (!bytes) return FM_ERROR_MEMORY;
    fm_status status = inflate_member(npz, entry, packed, bytes);
    if (status == FM_OK) status = parse_member(npz, entry, bytes, limit, array);
    fm_release(npz->context, bytes);
    return status;
}

static const char *next_name(const void *list, int index)
{
    return fm_npz_name(list, (size_t)index);
}

static fm_status fail_absent(const fm_npz *npz, const char *name)
{
    const char *near = fm_nearest(name, next_name, npz);
    return fm_fail(npz->context, FM_ERROR_NOT_FOUND,
                   "%s: holds no array called '%s' among its %zu%s%s%s", npz->name, name,
                   npz->count, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

fm_status fm_npz_read(fm_npz *npz, const char *name, int64_t limit, fm_array *array)
{
    *array = (fm_array){0};
    const npz_entry *entry = find_entry(npz, name);
    if (!entry) return fail_absent(npz, name);
    fm_status status = check_entry(npz, entry);
    if (status != FM_OK) return status;
    const unsigned char *content = find_content(npz, entry);
    if (!content) return fail_zip(npz, "a member lies outside of the file");
    if (entry->method == DEFLATED) return read_deflated(npz, entry, content, limit, array);
    if (entry->packed != entry->size) return fail_zip(npz, "a stored member has two sizes");
    return parse_member(npz, entry, content, limit, array);
}
