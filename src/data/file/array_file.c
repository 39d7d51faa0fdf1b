#include "data/file/array_file.h"
#include "base/checked.h"
#include "data/array_source.h"
#include "data/file/places.h"

#include <string.h>

static const struct {
    char kind;
    size_t size;
    fm_dtype dtype;
} codings[] = {
    {'u', 1, FM_U8},  {'b', 1, FM_BOOL}, {'i', 1, FM_I32}, {'i', 2, FM_I32},
    {'u', 2, FM_I32}, {'i', 4, FM_I32},  {'u', 4, FM_I64}, {'i', 8, FM_I64},
    {'f', 2, FM_F32}, {'f', 4, FM_F32},  {'f', 8, FM_F64},
};

bool fm_coding_dtype(fm_coding coding, fm_dtype *dtype)
{
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
        if (codings[i].kind != coding.kind || codings[i].size != coding.size) continue;
        *dtype = codings[i].dtype;
        return true;
    }
    return false;
}

/* ---- Elements ---- */

static uint64_t load(const unsigned char *from, size_t size, bool big_endian)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++) {
        bits |= (uint64_t)from[i] << 8 * (big_endian ? size - 1 - i : i);
    }
    return bits;
}

static int64_t sign_extend(uint64_t bits, size_t size)
{
    unsigned shift = 64 - 8 * (unsigned)size;
    return (int64_t)(bits << shift) >> shift;
}

/* IEEE 754 binary16 to binary32; every value has an exact one. */
static float half_to_float(uint32_t half)
{
    uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ffu;
    uint32_t bits;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 0xffu : exponent + 112) << 23 | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void decode_element(fm_coding coding, uint64_t bits, fm_dtype dtype, void *to)
{
    int32_t narrow;
    int64_t wide;
    uint32_t low = (uint32_t)bits;
    float half;
    switch (dtype) {
    case FM_I32:
        narrow = (int32_t)(coding.kind == 'u' ? (int64_t)bits : sign_extend(bits, coding.size));
        memcpy(to, &narrow, sizeof narrow);
        break;
    case FM_I64:
        wide = coding.kind == 'u' ? (int64_t)bits : sign_extend(bits, coding.size);
        memcpy(to, &wide, sizeof wide);
        break;
    case FM_F32:
        half = coding.size == 2 ? half_to_float(low) : 0;
        memcpy(to, coding.size == 2 ? (void *)&half : (void *)&low, sizeof half);
        break;
    case FM_F64:
        memcpy(to, &bits, sizeof bits);
        break;
    default:
        *(uint8_t *)to = coding.kind == 'b' ? bits != 0 : (uint8_t)bits;
        break;
    }
}

static bool same_in_memory(fm_coding coding, fm_dtype dtype)
{
    const bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    return coding.kind != 'b' && coding.size == fm_dtype_size(dtype) &&
           (coding.size == 1 || coding.big_endian == big);
}

static fm_status read_decoded(fm_byte_stream *stream, fm_coding coding, fm_array *array,
                              size_t count)
{
    unsigned char chunk[4096];
    size_t size = fm_dtype_size(array->dtype), at_once = sizeof chunk / coding.size;
    for (size_t done = 0; done < count;) {
        size_t now = count - done < at_once ? count - done : at_once;
        fm_status status = fm_byte_stream_need(stream, chunk, now * coding.size, "its elements");
        if (status != FM_OK) return status;
        for (size_t i = 0; i < now; i++) {
            uint64_t bits = load(chunk + i * coding.size, coding.size, coding.big_endian);
            decode_element(coding, bits, array->dtype, (char *)array->data + (done + i) * size);
        }
        done += now;
    }
    return FM_OK;
}

static fm_status check_size(const fm_byte_stream *stream, fm_coding coding, fm_array *array,
                            int64_t limit)
{
    char text[FM_SHAPE_TEXT];
    int64_t bytes = fm_shape_bytes(array->shape, array->dtype), stored;
    if (limit == 0) limit = FM_ARRAY_MEMORY_LIMIT;
    if (bytes < 0 || bytes > limit) {
        return fm_fail(stream->context, FM_ERROR_LIMIT,
                       "%s: %s elements of shape %s are more than the %lld bytes accepted here",
                       stream->name, fm_dtype_name(array->dtype), fm_shape_text(array->shape, text),
                       (long long)limit);
    }
    stored = fm_shape_elements(array->shape) * (int64_t)coding.size;
    if (stored <= fm_byte_stream_most(stream)) return FM_OK;
    return fm_fail(stream->context, FM_ERROR_FORMAT,
                   "%s: its header promises %lld bytes of elements, shape %s; so many cannot be in "
                   "the file",
                   stream->name, (long long)stored, fm_shape_text(array->shape, text));
}

fm_status fm_array_read(fm_byte_stream *stream, fm_coding coding, fm_shape shape, int64_t limit,
                        fm_array *array)
{
    *array = (fm_array){.shape = shape};
    if (!fm_coding_dtype(coding, &array->dtype)) {
        return fm_fail(stream->context, FM_ERROR_UNSUPPORTED,
                       "%s: elements of %zu bytes of kind %c", stream->name, coding.size,
                       coding.kind);
    }
    fm_status status = check_size(stream, coding, array, limit);
    if (status != FM_OK) return status;
    size_t count = (size_t)fm_shape_elements(shape);
    array->data = fm_allocate_array(stream->context, count, fm_dtype_size(array->dtype));
    if (!array->data) return FM_ERROR_MEMORY;
    if (same_in_memory(coding, array->dtype)) {
        status = fm_byte_stream_need(stream, array->data, count * coding.size, "its elements");
    } else {
        status = read_decoded(stream, coding, array, count);
    }
    if (status == FM_OK) return FM_OK;
    fm_release(stream->context, array->data);
    array->data = NULL;
    return status;
}

/* ---- Data sets of arrays ---- */

const char *fm_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static fm_shape sample_shape(const fm_array *array)
{
    fm_shape shape = {.rank = array->shape.rank - 1};
    for (int i = 0; i < shape.rank; i++) shape.dims[i] = array->shape.dims[i + 1];
    return shape;
}

static fm_status check_pair(fm_context *context, const char *origin, const fm_array *x,
                            const fm_array *y)
{
    char xs[FM_SHAPE_TEXT], ys[FM_SHAPE_TEXT];
    if (x->shape.rank < 1 || (y->data && y->shape.rank < 1)) {
        return fm_fail(context, FM_ERROR_SHAPE, "%s: a single number is no set of samples", origin);
    }
    if (!y->data || x->shape.dims[0] == y->shape.dims[0]) return FM_OK;
    return fm_fail(context, FM_ERROR_SHAPE,
                   "%s: x has shape %s and y has shape %s; their first dimensions, the samples, "
                   "must be equal",
                   origin, fm_shape_text(x->shape, xs), fm_shape_text(y->shape, ys));
}

/* Classes 0 to the largest. A class has no dimension of its own: (steps) becomes (steps, 1). */
static fm_status describe_classes(fm_context *context, const char *origin, const fm_array *y,
                                  fm_data_field *field, fm_column *column)
{
    int64_t count = fm_shape_elements(y->shape), each = fm_shape_elements(field->shape);
    if (fm_dtype_is_real(y->dtype)) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "%s: y holds %s; with target_kind: categorical it holds integers", origin,
                       fm_dtype_name(y->dtype));
    }
    *column = (fm_column){.kind = FM_COLUMN_CATEGORICAL};
    for (int64_t i = 0; i < count; i++) {
        double label = fm_element(y->data, y->dtype, (size_t)i);
        if (label < 0 || label > FM_MOST_PLAIN_CLASS) {
            return fm_fail(context, FM_ERROR_FORMAT,
                           "%s: y of sample %lld holds %.0f; classes are numbers from 0 to %d",
                           origin, (long long)(i / each), label, FM_MOST_PLAIN_CLASS);
        }
        if (label >= (double)column->category_count) column->category_count = (int64_t)label + 1;
    }
    fm_shape *shape = &field->shape;
    bool own = shape->rank == 0 || shape->dims[shape->rank - 1] == 1;
    if (!own && shape->rank < FM_MAX_RANK - 1) shape->dims[shape->rank++] = 1;
    field->columns = column;
    return FM_OK;
}

static fm_status describe_target(fm_context *context, const char *origin, const fm_array *y,
                                 int target_kind, fm_data_field *field, fm_column *column)
{
    *field = (fm_data_field){.name = "y", .dtype = y->dtype, .shape = sample_shape(y)};
    if (target_kind == FM_COLUMN_CATEGORICAL) {
        return describe_classes(context, origin, y, field, column);
    }
    *column = (fm_column){.kind = FM_COLUMN_NUMERIC};
    if (target_kind == FM_COLUMN_NUMERIC && field->shape.rank == 0) field->columns = column;
    return FM_OK;
}

fm_status fm_dataset_from_xy(fm_context *context, const char *name, const char *origin, fm_array *x,
                             fm_array *y, int target_kind, fm_dataset **dataset)
{
    fm_column column;
    fm_dataset_info info = {.name = name, .origin = origin, .field_count = y->data ? 2 : 1};
    *dataset = NULL;
    fm_status status = check_pair(context, origin, x, y);
    if (status == FM_OK && y->data) {
        status = describe_target(context, origin, y, target_kind, &info.fields[1], &column);
    }
    if (status != FM_OK) {
        fm_release(context, x->data);
        fm_release(context, y->data);
    } else {
        info.count = x->shape.dims[0];
        info.fields[0] = (fm_data_field){.name = "x", .dtype = x->dtype, .shape = sample_shape(x)};
        status = fm_dataset_adopt_arrays(context, &info, (void *[]){x->data, y->data}, dataset);
    }
    x->data = y->data = NULL;
    return status;
}

static fm_status open_array(fm_context *context, fm_array_reader *read, const char *path,
                            int64_t limit, fm_array *array)
{
    fm_byte_stream stream;
    *array = (fm_array){0};
    fm_status status = fm_byte_stream_open(context, path, &stream);
    if (status != FM_OK) return status;
    status = read(&stream, limit, array);
    fm_byte_stream_close(&stream);
    return status;
}

fm_status fm_dataset_open_arrays(fm_context *context, fm_array_reader *read,
                                 const fm_array_files *files, fm_dataset **dataset)
{
    fm_array inputs, targets = {0};
    *dataset = NULL;
    fm_status status = open_array(context, read, files->x, files->limit, &inputs);
    if (status == FM_OK && files->y) {
        status = open_array(context, read, files->y, files->limit, &targets);
    }
    if (status != FM_OK) {
        fm_release(context, inputs.data);
        return status;
    }
    return fm_dataset_from_xy(context, fm_file_name(files->x), files->x, &inputs, &targets,
                              files->target_kind, dataset);
}

fm_status fm_dataset_find_arrays(fm_context *context, const fm_data_places *places,
                                 fm_array_reader *read, const fm_array_files *files,
                                 fm_dataset **dataset)
{
    fm_text x_path = FM_TEXT(context), y_path = FM_TEXT(context);
    *dataset = NULL;
    fm_status status = fm_places_find(context, places, files->x, &x_path);
    if (status == FM_OK && files->y) status = fm_places_find(context, places, files->y, &y_path);
    if (status == FM_OK) {
        fm_array_files found = *files;
        found.x = fm_text_string(&x_path);
        if (files->y) found.y = fm_text_string(&y_path);
        status = fm_dataset_open_arrays(context, read, &found, dataset);
    }
    fm_text_release(&x_path);
    fm_text_release(&y_path);
    return status;
}
