#define _GNU_SOURCE
#include "io/safetensors.h"
#include "io/safetensors_types.h"
#include "base/checked.h"
#include "base/file.h"
#include "base/map.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct fm_safetensors {
    fm_context *context;
    char *path;
    FILE *stream;      /* or */
    const char *bytes; /* the whole file in memory */
    uint64_t size;     /* of the file */
    uint64_t start;    /* of the tensors' bytes */
    fm_arena arena;    /* of names and texts */
    fm_map names, keys;
    fm_safetensors_entry *entries;
    const char **texts; /* of the metadata, by number in keys */
    int count;
};

static fm_status read_bytes(fm_safetensors *file, uint64_t offset, void *bytes, size_t size)
{
    if (file->bytes) {
        memcpy(bytes, file->bytes + offset, size);
        return FM_OK;
    }
    if (fseeko(file->stream, (off_t)offset, SEEK_SET) != 0) {
        return fm_fail_system(file->context, file->path, "seek");
    }
    if (fread(bytes, 1, size, file->stream) == size) return FM_OK;
    if (ferror(file->stream)) return fm_fail_system(file->context, file->path, "read");
    return fm_fail(file->context, FM_ERROR_FORMAT, "%s: became shorter while it was read",
                   file->path);
}

/* ---- one entry of the header ---- */

static fm_status fail_entry(fm_safetensors *file, const char *name, const char *words)
{
    return fm_fail(file->context, FM_ERROR_FORMAT, "%s: tensor '%.200s': %s", file->path, name,
                   words);
}

static bool natural(const json_t *value, int64_t *number)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *number = json_integer_value(value);
    return true;
}

static fm_status read_shape(fm_safetensors *file, const json_t *shape, fm_safetensors_entry *entry)
{
    if (!json_is_array(shape)) {
        return fail_entry(file, entry->name, "\"shape\" must be a list of sizes");
    }
    size_t rank = json_array_size(shape);
    if (rank > FM_MAX_RANK) {
        return fm_fail(file->context, FM_ERROR_LIMIT,
                       "%s: tensor '%.200s' has %zu dimensions, at most %d are accepted",
                       file->path, entry->name, rank, FM_MAX_RANK);
    }
    entry->shape.rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        if (!natural(json_array_get(shape, i), &entry->shape.dims[i])) {
            return fail_entry(file, entry->name, "a size in \"shape\" is not a natural number");
        }
    }
    return FM_OK;
}

static fm_status read_offsets(fm_safetensors *file, const json_t *offsets,
                              fm_safetensors_entry *entry)
{
    int64_t begin, end;
    if (json_array_size(offsets) != 2 || !natural(json_array_get(offsets, 0), &begin) ||
        !natural(json_array_get(offsets, 1), &end) || begin > end) {
        return fail_entry(file, entry->name, "\"data_offsets\" must be [begin, end]");
    }
    entry->begin = (uint64_t)begin;
    entry->end = (uint64_t)end;
    if (entry->end > file->size - file->start) {
        return fm_fail(file->context, FM_ERROR_FORMAT,
                       "%s: tensor '%.200s' ends at byte %llu, but the file has %llu bytes: it is "
                       "cut off or damaged",
                       file->path, entry->name, (unsigned long long)entry->end + file->start,
                       (unsigned long long)file->size);
    }
    return FM_OK;
}

static fm_status read_type(fm_safetensors *file, const json_t *value, fm_safetensors_entry *entry,
                           size_t *bits)
{
    const char *name = json_string_value(value);
    const safetensors_type *type = name ? safetensors_type_find(name) : NULL;
    if (!type) {
        return fm_fail(file->context, FM_ERROR_FORMAT,
                       "%s: tensor '%.200s' has the unknown dtype '%.40s'", file->path, entry->name,
                       name ? name : "(not a word)");
    }
    entry->type = type->name;
    entry->readable = type->readable;
    entry->dtype = type->dtype;
    *bits = type->bits;
    return FM_OK;
}

static fm_status read_entry(fm_safetensors *file, const char *name, const json_t *value,
                            fm_safetensors_entry *entry)
{
    size_t bits = 0;
    entry->name = name;
    if (!json_is_object(value)) return fail_entry(file, name, "must be an object");
    fm_status status = read_type(file, json_object_get(value, "dtype"), entry, &bits);
    if (status == FM_OK) status = read_shape(file, json_object_get(value, "shape"), entry);
    if (status == FM_OK) status = read_offsets(file, json_object_get(value, "data_offsets"), entry);
    if (status != FM_OK) return status;
    int64_t elements = fm_shape_elements(entry->shape);
    size_t wanted = 0;
    if (elements < 0 || !fm_checked_mul((size_t)elements, bits, &wanted) || wanted % 8 != 0 ||
        wanted / 8 != entry->end - entry->begin) {
        char text[FM_SHAPE_TEXT];
        return fm_fail(file->context, FM_ERROR_FORMAT,
                       "%s: tensor '%.200s' of %s %s does not fit its %llu bytes", file->path, name,
                       entry->type, fm_shape_text(entry->shape, text),
                       (unsigned long long)(entry->end - entry->begin));
    }
    return FM_OK;
}

/* ---- the header ---- */

static fm_status read_metadata(fm_safetensors *file, json_t *metadata)
{
    if (!metadata) return FM_OK;
    if (!json_is_object(metadata)) {
        return fm_fail(file->context, FM_ERROR_FORMAT, "%s: __metadata__ must be an object",
                       file->path);
    }
    file->texts = fm_allocate_array(file->context, json_object_size(metadata), sizeof *file->texts);
    if (!file->texts) return FM_ERROR_MEMORY;
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value)) {
            return fm_fail(file->context, FM_ERROR_FORMAT,
                           "%s: the text of '%.200s' in __metadata__ is not a string", file->path,
                           key);
        }
        char *text = fm_arena_string(&file->arena, json_string_value(value));
        if (!text) return FM_ERROR_MEMORY;
        uint32_t number = (uint32_t)file->keys.count;
        fm_status status = fm_map_set(&file->keys, key, number);
        if (status != FM_OK) return status;
        file->texts[number] = text;
    }
    return FM_OK;
}

static int by_place(const void *left, const void *right)
{
    const fm_safetensors_entry *a = left, *b = right;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* The tensors must tile the file: no overlap, no hole, nothing behind the last. */
static fm_status check_places(fm_safetensors *file)
{
    uint64_t place = 0;
    const char *before = "the header";
    for (int i = 0; i < file->count; i++) {
        const fm_safetensors_entry *entry = &file->entries[i];
        if (entry->begin != place) {
            return fm_fail(file->context, FM_ERROR_FORMAT,
                           "%s: byte %llu: tensor '%.200s' %s '%.200s', which ends at byte %llu",
                           file->path, (unsigned long long)(entry->begin + file->start),
                           entry->name, entry->begin < place ? "overlaps" : "leaves a hole after",
                           before, (unsigned long long)(place + file->start));
        }
        place = entry->end;
        before = entry->name;
    }
    if (place == file->size - file->start) return FM_OK;
    return fm_fail(file->context, FM_ERROR_FORMAT,
                   "%s: the last tensor ends at byte %llu, but the file has %llu bytes", file->path,
                   (unsigned long long)(place + file->start), (unsigned long long)file->size);
}

static fm_status read_entries(fm_safetensors *file, json_t *header)
{
    file->entries =
        fm_allocate_array(file->context, json_object_size(header) + 1, sizeof *file->entries);
    if (!file->entries) return FM_ERROR_MEMORY;
    const char *key;
    json_t *value;
    json_object_foreach(header, key, value)
    {
        if (strcmp(key, "__metadata__") == 0) continue;
        fm_safetensors_entry *entry = &file->entries[file->count];
        *entry = (fm_safetensors_entry){0};
        char *name = fm_arena_string(&file->arena, key);
        fm_status status = name ? read_entry(file, name, value, entry) : FM_ERROR_MEMORY;
        if (status != FM_OK) return status;
        file->count++;
    }
    qsort(file->entries, (size_t)file->count, sizeof *file->entries, by_place);
    for (int i = 0; i < file->count; i++) {
        fm_status status = fm_map_set(&file->names, file->entries[i].name, (uint32_t)i);
        if (status != FM_OK) return status;
    }
    return check_places(file);
}

static fm_status parse_header(fm_safetensors *file, const char *text, size_t size)
{
    json_error_t error;
    json_t *header = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!header) {
        if (json_error_code(&error) == json_error_out_of_memory) {
            return fm_fail(file->context, FM_ERROR_MEMORY, "%s: no memory for the header",
                           file->path);
        }
        return fm_fail(file->context, FM_ERROR_FORMAT, "%s: byte %d: the header is not JSON: %s",
                       file->path, error.position + 8, error.text);
    }
    fm_status status = FM_OK;
    if (!json_is_object(header)) {
        status = fm_fail(file->context, FM_ERROR_FORMAT, "%s: the header is not a JSON object",
                         file->path);
    }
    if (status == FM_OK) status = read_metadata(file, json_object_get(header, "__metadata__"));
    if (status == FM_OK) status = read_entries(file, header);
    json_decref(header);
    return status;
}

static fm_status read_header(fm_safetensors *file)
{
    unsigned char prefix[8];
    if (file->size < sizeof prefix) {
        return fm_fail(file->context, FM_ERROR_FORMAT,
                       "%s: not a safetensors file: it has only %llu bytes", file->path,
                       (unsigned long long)file->size);
    }
    fm_status status = read_bytes(file, 0, prefix, sizeof prefix);
    if (status != FM_OK) return status;
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--) length = length << 8 | prefix[i];
    if (length > file->size - sizeof prefix) {
        return fm_fail(file->context, FM_ERROR_FORMAT,
                       "%s: byte 0: not a safetensors file, or cut off: a header of %llu bytes is "
                       "announced, the file has %llu",
                       file->path, (unsigned long long)length, (unsigned long long)file->size);
    }
    if (length > FM_SAFETENSORS_HEADER_LIMIT) {
        return fm_fail(file->context, FM_ERROR_LIMIT,
                       "%s: byte 0: a header of %llu bytes, at most %d are accepted", file->path,
                       (unsigned long long)length, FM_SAFETENSORS_HEADER_LIMIT);
    }
    file->start = sizeof prefix + length;
    char *text = fm_allocate(file->context, (size_t)length);
    if (!text) return FM_ERROR_MEMORY;
    status = read_bytes(file, sizeof prefix, text, (size_t)length);
    if (status == FM_OK) status = parse_header(file, text, (size_t)length);
    fm_release(file->context, text);
    return status;
}

/* ---- opening ---- */

static fm_safetensors *create(fm_context *context, const char *path)
{
    fm_safetensors *file = fm_allocate_zeroed(context, sizeof *file);
    if (!file) return NULL;
    file->context = context;
    file->arena.context = file->names.context = file->keys.context = context;
    file->path = fm_copy_string(context, path);
    if (file->path) return file;
    fm_safetensors_close(file);
    return NULL;
}

static fm_status open_stream(fm_safetensors *file)
{
    file->stream = fopen(file->path, "rbe");
    if (!file->stream) return fm_fail_system(file->context, file->path, "open");
    struct stat about;
    if (fstat(fileno(file->stream), &about) != 0) {
        return fm_fail_system(file->context, file->path, "look at");
    }
    if (!S_ISREG(about.st_mode)) {
        return fm_fail(file->context, FM_ERROR_IO, "%s: is not a file", file->path);
    }
    file->size = (uint64_t)about.st_size;
    return FM_OK;
}

static fm_status finish(fm_safetensors *file, fm_status status, fm_safetensors **result)
{
    if (status == FM_OK) status = read_header(file);
    if (status == FM_OK) {
        *result = file;
    } else {
        fm_safetensors_close(file);
    }
    return status;
}

fm_status fm_safetensors_open(fm_context *context, const char *path, fm_safetensors **file)
{
    *file = NULL;
    fm_safetensors *made = create(context, path);
    return made ? finish(made, open_stream(made), file) : FM_ERROR_MEMORY;
}

fm_status fm_safetensors_parse(fm_context *context, const char *name, const void *bytes,
                               size_t size, fm_safetensors **file)
{
    *file = NULL;
    fm_safetensors *made = create(context, name);
    if (!made) return FM_ERROR_MEMORY;
    made->bytes = bytes;
    made->size = size;
    return finish(made, FM_OK, file);
}

void fm_safetensors_close(fm_safetensors *file)
{
    if (!file) return;
    if (file->stream) fclose(file->stream);
    fm_map_release(&file->names);
    fm_map_release(&file->keys);
    fm_arena_release(&file->arena);
    fm_release(file->context, file->entries);
    fm_release(file->context, file->texts);
    fm_release(file->context, file->path);
    fm_release(file->context, file);
}

/* ---- looking and reading ---- */

const char *fm_safetensors_path(const fm_safetensors *file)
{
    return file->path;
}

int fm_safetensors_count(const fm_safetensors *file)
{
    return file->count;
}

const fm_safetensors_entry *fm_safetensors_at(const fm_safetensors *file, int index)
{
    return &file->entries[index];
}

int fm_safetensors_find(const fm_safetensors *file, const char *name)
{
    uint32_t index;
    return fm_map_get(&file->names, name, &index) ? (int)index : -1;
}

fm_status fm_safetensors_read(fm_safetensors *file, int index, void *elements)
{
    const fm_safetensors_entry *entry = &file->entries[index];
    if (!entry->readable) {
        return fm_fail(file->context, FM_ERROR_UNSUPPORTED,
                       "%s: tensor '%.200s' is of dtype %s; f32, f64, i32, i64, u8 and bool can be "
                       "read",
                       file->path, entry->name, entry->type);
    }
    return read_bytes(file, file->start + entry->begin, elements,
                      (size_t)(entry->end - entry->begin));
}

const char *fm_safetensors_metadata_key(const fm_safetensors *file, int index)
{
    return (size_t)index < file->keys.count ? file->keys.entries[index].key : NULL;
}

const char *fm_safetensors_metadata(const fm_safetensors *file, const char *key)
{
    uint32_t number;
    return fm_map_get(&file->keys, key, &number) ? file->texts[number] : NULL;
}
