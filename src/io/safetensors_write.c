#include "io/safetensors.h"
#include "io/safetensors_types.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>

/* What is written, in the order of the bytes. */
typedef struct layout {
    fm_context *context;
    const char *path;
    const fm_safetensors_tensor **tensors;
    size_t count;
    size_t widest; /* bytes of the largest tensor that is filled */
} layout;

static int widest_first(const void *left, const void *right)
{
    const fm_safetensors_tensor *a = *(const fm_safetensors_tensor *const *)left;
    const fm_safetensors_tensor *b = *(const fm_safetensors_tensor *const *)right;
    size_t wide_a = fm_dtype_size(a->dtype), wide_b = fm_dtype_size(b->dtype);
    if (wide_a != wide_b) return wide_a > wide_b ? -1 : 1;
    return a < b ? -1 : a > b;
}

static fm_status arrange(layout *plan, const fm_safetensors_tensor *tensors)
{
    plan->tensors = fm_allocate_array(plan->context, plan->count + 1, sizeof(void *));
    if (!plan->tensors) return FM_ERROR_MEMORY;
    for (size_t i = 0; i < plan->count; i++) plan->tensors[i] = &tensors[i];
    qsort(plan->tensors, plan->count, sizeof(void *), widest_first);
    for (size_t i = 0; i < plan->count; i++) {
        int64_t bytes = fm_shape_bytes(tensors[i].shape, tensors[i].dtype);
        if (bytes < 0) {
            return fm_fail(plan->context, FM_ERROR_SHAPE,
                           "%s: tensor '%s' cannot be written: its shape is %s", plan->path,
                           tensors[i].name,
                           fm_shape_text(tensors[i].shape, (char[FM_SHAPE_TEXT]){0}));
        }
        if (!tensors[i].data && (size_t)bytes > plan->widest) plan->widest = (size_t)bytes;
    }
    return FM_OK;
}

/* ---- header ---- */

static json_t *describe(const fm_safetensors_tensor *tensor, int64_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < tensor->shape.rank; i++) {
        json_array_append_new(shape, json_integer(tensor->shape.dims[i]));
    }
    int64_t end = begin + fm_shape_bytes(tensor->shape, tensor->dtype);
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", safetensors_type_of(tensor->dtype)->name,
                     "shape", shape, "data_offsets", (json_int_t)begin, (json_int_t)end);
}

/* A failure here is a text that is not UTF-8, a name used twice, or no memory. */
static fm_status fail_name(const layout *plan, const json_t *object, const char *name)
{
    if (json_object_get(object, name)) {
        return fm_fail(plan->context, FM_ERROR_ARGUMENT, "%s: the name '%s' occurs twice",
                       plan->path, name);
    }
    return fm_fail(plan->context, FM_ERROR_ARGUMENT,
                   "%s: the name or text of '%s' is not UTF-8 (or memory is short)", plan->path,
                   name);
}

static fm_status describe_all(const layout *plan, json_t *header, const fm_safetensors_note *notes,
                              size_t note_count)
{
    if (note_count > 0) {
        json_t *metadata = json_object();
        json_object_set_new(header, "__metadata__", metadata);
        for (size_t i = 0; i < note_count; i++) {
            if (json_object_get(metadata, notes[i].key) ||
                json_object_set_new(metadata, notes[i].key, json_string(notes[i].text)) != 0) {
                return fail_name(plan, metadata, notes[i].key);
            }
        }
    }
    int64_t place = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const fm_safetensors_tensor *tensor = plan->tensors[i];
        if (json_object_get(header, tensor->name) ||
            json_object_set_new(header, tensor->name, describe(tensor, place)) != 0) {
            return fail_name(plan, header, tensor->name);
        }
        place += fm_shape_bytes(tensor->shape, tensor->dtype);
    }
    return FM_OK;
}

static int add_text(const char *bytes, size_t size, void *text)
{
    fm_text_add_bytes(text, bytes, size);
    return 0;
}

static fm_status make_header(const layout *plan, const fm_safetensors_note *notes,
                             size_t note_count, fm_text *text)
{
    json_t *header = json_object();
    if (!header) {
        return fm_fail(plan->context, FM_ERROR_MEMORY, "%s: no memory for the header", plan->path);
    }
    fm_status status = describe_all(plan, header, notes, note_count);
    if (status == FM_OK && json_dump_callback(header, add_text, text, JSON_COMPACT) != 0) {
        status =
            fm_fail(plan->context, FM_ERROR_MEMORY, "%s: no memory for the header", plan->path);
    }
    json_decref(header);
    while (status == FM_OK && !text->failed && (text->size + 8) % 64 != 0) {
        fm_text_add(text, " ");
    }
    if (status == FM_OK) status = fm_text_status(text);
    if (status == FM_OK && text->size > FM_SAFETENSORS_HEADER_LIMIT) {
        status = fm_fail(plan->context, FM_ERROR_LIMIT,
                         "%s: the header would have %zu bytes, at most %d are accepted", plan->path,
                         text->size, FM_SAFETENSORS_HEADER_LIMIT);
    }
    return status;
}

/* ---- the file ---- */

static fm_status write_tensors(const layout *plan, FILE *stream)
{
    char *buffer = plan->widest ? fm_allocate(plan->context, plan->widest) : NULL;
    fm_status status = plan->widest && !buffer ? FM_ERROR_MEMORY : FM_OK;
    for (size_t i = 0; i < plan->count && status == FM_OK; i++) {
        const fm_safetensors_tensor *tensor = plan->tensors[i];
        size_t bytes = (size_t)fm_shape_bytes(tensor->shape, tensor->dtype);
        if (!tensor->data) status = tensor->fill(tensor->user, tensor->index, buffer);
        if (status == FM_OK) fwrite(tensor->data ? tensor->data : buffer, 1, bytes, stream);
    }
    fm_release(plan->context, buffer);
    return status;
}

static fm_status write_file(const layout *plan, const fm_text *header)
{
    fm_file_writer writer;
    fm_status status = fm_file_writer_open(plan->context, plan->path, &writer);
    if (status != FM_OK) return status;
    unsigned char prefix[8];
    for (int i = 0; i < 8; i++) prefix[i] = (unsigned char)((uint64_t)header->size >> (8 * i));
    fwrite(prefix, 1, sizeof prefix, writer.stream);
    fwrite(header->bytes, 1, header->size, writer.stream);
    status = write_tensors(plan, writer.stream);
    if (status == FM_OK) return fm_file_writer_commit(&writer);
    fm_file_writer_abandon(&writer);
    return status;
}

fm_status fm_safetensors_write(fm_context *context, const char *path,
                               const fm_safetensors_note *notes, size_t note_count,
                               const fm_safetensors_tensor *tensors, size_t tensor_count)
{
    layout plan = {.context = context, .path = path, .count = tensor_count};
    fm_text header = FM_TEXT(context);
    fm_status status = arrange(&plan, tensors);
    if (status == FM_OK) status = make_header(&plan, notes, note_count, &header);
    if (status == FM_OK) status = write_file(&plan, &header);
    fm_text_release(&header);
    fm_release(context, plan.tensors);
    return status;
}
