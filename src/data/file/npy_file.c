/* NumPy's array files. The header is the text of a Python dictionary (NumPy Enhancement Proposal 1,
 * "A Simple File Format for NumPy Arrays"). */
#include "base/fields.h"
#include "data/file/array_file.h"
#include "data/file/file_records.h"
#include "data/file/npz.h"
#include "data/file/places.h"
#include "data/parts.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST_HEADER = 64 * 1024, MAGIC_SIZE = 8 };

const fm_field fm_npy_fields[] = {
    {"file", "path of a .npz file; without one the names below are paths of .npy files",
     offsetof(fm_npy_options, file), .type = FM_FIELD_STRING},
    {"x", "inputs (default in a .npz: x_train or x)", offsetof(fm_npy_options, x),
     .type = FM_FIELD_STRING},
    {"y", "targets (default in a .npz: y_train or y)", offsetof(fm_npy_options, y),
     .type = FM_FIELD_STRING},
    {"x_test", "test inputs (default in a .npz: x_test)", offsetof(fm_npy_options, x_test),
     .type = FM_FIELD_STRING},
    {"y_test", "test targets (default in a .npz: y_test)", offsetof(fm_npy_options, y_test),
     .type = FM_FIELD_STRING},
    FM_TARGET_KIND_FIELD(fm_npy_options),
    {"memory_limit", "bytes of one array (default 8 GiB)", offsetof(fm_npy_options, memory_limit),
     .type = FM_FIELD_INT, .maximum = 1e18},
    {0},
};

/* ---- The header ---- */

typedef struct npy_header {
    fm_context *context;
    const char *name; /* of the file */
    const char *at;   /* what is still to be read; ends with '\0' */
    char descr[16];
    bool fortran, has_descr, has_fortran, has_shape;
    fm_shape shape;
} npy_header;

static fm_status fail_header(const npy_header *h, const char *expected)
{
    return fm_fail(h->context, FM_ERROR_FORMAT,
                   "%s: damaged NPY header: %s was expected at '%.24s'", h->name, expected, h->at);
}

static void skip_blanks(npy_header *h)
{
    while (*h->at == ' ' || *h->at == '\n' || *h->at == '\t') h->at++;
}

static bool take(npy_header *h, char wanted)
{
    skip_blanks(h);
    if (*h->at != wanted) return false;
    h->at++;
    return true;
}

static bool take_word(npy_header *h, const char *word)
{
    skip_blanks(h);
    if (strncmp(h->at, word, strlen(word)) != 0) return false;
    h->at += strlen(word);
    return true;
}

static fm_status read_string(npy_header *h, char *text, size_t size)
{
    skip_blanks(h);
    char quote = *h->at;
    if (quote != '\'' && quote != '"') return fail_header(h, "a text in quotes");
    const char *end = strchr(h->at + 1, quote);
    if (!end || (size_t)(end - h->at) > size) return fail_header(h, "a short text in quotes");
    memcpy(text, h->at + 1, (size_t)(end - h->at) - 1);
    text[end - h->at - 1] = '\0';
    h->at = end + 1;
    return FM_OK;
}

static fm_status read_number(npy_header *h, int64_t *number)
{
    skip_blanks(h);
    if (!isdigit((unsigned char)*h->at)) return fail_header(h, "a size");
    *number = 0;
    for (; isdigit((unsigned char)*h->at); h->at++) {
        if (*number > (INT64_MAX - 9) / 10) return fail_header(h, "a possible size");
        *number = *number * 10 + (*h->at - '0');
    }
    if (*h->at == 'L') h->at++; /* written by Python 2 */
    return FM_OK;
}

static fm_status read_shape(npy_header *h)
{
    if (!take(h, '(')) return fail_header(h, "(");
    h->shape = (fm_shape){0};
    h->has_shape = true;
    while (!take(h, ')')) {
        if (h->shape.rank == FM_MAX_RANK) {
            return fm_fail(h->context, FM_ERROR_LIMIT, "%s: more than %d dimensions", h->name,
                           FM_MAX_RANK);
        }
        fm_status status = read_number(h, &h->shape.dims[h->shape.rank++]);
        if (status != FM_OK) return status;
        if (!take(h, ',') && *h->at != ')') return fail_header(h, ", or )");
    }
    return FM_OK;
}

static fm_status read_descr(npy_header *h)
{
    skip_blanks(h);
    h->has_descr = true;
    if (*h->at == '[') {
        return fm_fail(h->context, FM_ERROR_UNSUPPORTED,
                       "%s: records with named members; save each as an array of its own", h->name);
    }
    return read_string(h, h->descr, sizeof h->descr);
}

static fm_status read_entry(npy_header *h)
{
    char key[32];
    fm_status status = read_string(h, key, sizeof key);
    if (status != FM_OK) return status;
    if (!take(h, ':')) return fail_header(h, ":");
    if (strcmp(key, "descr") == 0) return read_descr(h);
    if (strcmp(key, "shape") == 0) return read_shape(h);
    if (strcmp(key, "fortran_order") != 0) return fail_header(h, "descr, fortran_order or shape");
    h->has_fortran = true;
    h->fortran = take_word(h, "True");
    return h->fortran || take_word(h, "False") ? FM_OK : fail_header(h, "True or False");
}

static fm_status read_dictionary(npy_header *h)
{
    if (!take(h, '{')) return fail_header(h, "{");
    while (!take(h, '}')) {
        fm_status status = read_entry(h);
        if (status != FM_OK) return status;
        if (!take(h, ',') && *h->at != '}') return fail_header(h, ", or }");
    }
    skip_blanks(h);
    if (*h->at) return fail_header(h, "nothing more");
    if (h->has_descr && h->has_fortran && h->has_shape) return FM_OK;
    return fm_fail(h->context, FM_ERROR_FORMAT,
                   "%s: the NPY header lacks descr, fortran_order or shape", h->name);
}

/* "<f4": byte order, kind, size. */
static fm_status read_coding(const npy_header *h, fm_coding *coding)
{
    const char *d = h->descr;
    fm_dtype dtype;
    bool order = *d && strchr("<>|=", *d);
    *coding = (fm_coding){.kind = order ? d[1] : d[0], .big_endian = *d == '>'};
    const char *size = d + order + (coding->kind != '\0');
    if (strlen(size) == 1 && isdigit((unsigned char)*size)) coding->size = (size_t)(*size - '0');
    if (fm_coding_dtype(*coding, &dtype)) return FM_OK;
    return fm_fail(
        h->context, FM_ERROR_UNSUPPORTED,
        "%s: elements of type '%s'; f2, f4, f8, i1, i2, i4, i8, u1, u2, u4 and b1 are read",
        h->name, h->descr);
}

static uint32_t little(const unsigned char *bytes, int count)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++) value |= (uint32_t)bytes[i] << 8 * i;
    return value;
}

/* Everything before the elements. */
static fm_status read_header(fm_byte_stream *stream, npy_header *h, fm_coding *coding)
{
    unsigned char head[MAGIC_SIZE], length[4];
    fm_status status = fm_byte_stream_need(stream, head, sizeof head, "its header");
    if (status != FM_OK) return status;
    if (memcmp(head, "\x93NUMPY", 6) != 0) {
        return fm_fail(stream->context, FM_ERROR_FORMAT, "%s: not an NPY file", stream->name);
    }
    if (head[6] < 1 || head[6] > 3) {
        return fm_fail(stream->context, FM_ERROR_UNSUPPORTED, "%s: NPY version %d; 1 to 3 are read",
                       stream->name, head[6]);
    }
    int length_size = head[6] == 1 ? 2 : 4;
    status = fm_byte_stream_need(stream, length, (size_t)length_size, "its header");
    if (status != FM_OK) return status;
    uint32_t size = little(length, length_size);
    if (size > LONGEST_HEADER) {
        return fm_fail(stream->context, FM_ERROR_LIMIT, "%s: an NPY header of %u bytes",
                       stream->name, size);
    }
    char *text = fm_allocate_zeroed(stream->context, (size_t)size + 1);
    if (!text) return FM_ERROR_MEMORY;
    *h = (npy_header){.context = stream->context, .name = stream->name, .at = text};
    status = fm_byte_stream_need(stream, text, size, "its header");
    if (status == FM_OK) status = read_dictionary(h);
    if (status == FM_OK) status = read_coding(h, coding);
    fm_release(stream->context, text);
    return status;
}

/* ---- Elements ---- */

/* From the first index running fastest to the last one. */
static fm_status to_c_order(fm_context *context, fm_array *array)
{
    size_t count = (size_t)fm_shape_elements(array->shape), size = fm_dtype_size(array->dtype);
    char *ordered = fm_allocate_array(context, count, size);
    if (!ordered) return FM_ERROR_MEMORY;
    int rank = array->shape.rank;
    size_t strides[FM_MAX_RANK] = {0}, from = 0, step = 1;
    for (int i = 0; i < rank; i++) {
        strides[i] = step;
        step *= (size_t)array->shape.dims[i];
    }
    int64_t at[FM_MAX_RANK] = {0};
    for (size_t to = 0; to < count; to++) {
        memcpy(ordered + to * size, (const char *)array->data + from * size, size);
        for (int i = rank - 1; i >= 0; i--) {
            from += strides[i];
            if (++at[i] < array->shape.dims[i]) break;
            from -= strides[i] * (size_t)array->shape.dims[i];
            at[i] = 0;
        }
    }
    fm_release(context, array->data);
    array->data = ordered;
    return FM_OK;
}

fm_status fm_npy_read(fm_byte_stream *stream, int64_t limit, fm_array *array)
{
    npy_header header;
    fm_coding coding;
    *array = (fm_array){0};
    fm_status status = read_header(stream, &header, &coding);
    if (status == FM_OK) status = fm_array_read(stream, coding, header.shape, limit, array);
    if (status == FM_OK) status = fm_byte_stream_expect_end(stream);
    if (status == FM_OK && header.fortran && header.shape.rank > 1) {
        status = to_c_order(stream->context, array);
    }
    if (status == FM_OK) return FM_OK;
    fm_release(stream->context, array->data);
    array->data = NULL;
    return status;
}

/* ---- Data sets ---- */

fm_status fm_dataset_open_npy(fm_context *context, const char *x, const char *y,
                              int64_t memory_limit, fm_dataset **dataset)
{
    const fm_array_files files = {.x = x, .y = y, .limit = memory_limit};
    return fm_dataset_open_arrays(context, fm_npy_read, &files, dataset);
}

/* The member of this name, or of the first default that exists; *array stays empty when the name is
 * NULL and no default exists. */
static fm_status read_member(fm_npz *npz, const char *name, const char *const *defaults,
                             int64_t limit, fm_array *array)
{
    *array = (fm_array){0};
    for (; !name && *defaults; defaults++) {
        if (fm_npz_has(npz, *defaults)) name = *defaults;
    }
    return name ? fm_npz_read(npz, name, limit, array) : FM_OK;
}

/* files->x and y are names in the file at `path`. */
static fm_status open_members(fm_context *context, const char *path, const fm_array_files *files,
                              fm_data_part part, fm_dataset **dataset)
{
    static const char *const inputs_of[][3] = {{"x_train", "x", NULL}, {"x_test", NULL, NULL}};
    static const char *const targets_of[][3] = {{"y_train", "y", NULL}, {"y_test", NULL, NULL}};
    fm_npz *npz;
    fm_array inputs = {0}, targets = {0};
    *dataset = NULL;
    fm_status status = fm_npz_open(context, path, &npz);
    if (status != FM_OK) return status;
    status = read_member(npz, files->x, inputs_of[part], files->limit, &inputs);
    if (status == FM_OK) {
        status = read_member(npz, files->y, targets_of[part], files->limit, &targets);
    }
    if (status == FM_OK && !inputs.data && part == FM_DATA_TRAIN) {
        status = fm_fail(context, FM_ERROR_NOT_FOUND,
                         "%s: holds no array x_train or x; name the inputs", path);
    }
    fm_npz_close(npz);
    if (status != FM_OK || !inputs.data) {
        fm_release(context, inputs.data);
        fm_release(context, targets.data);
        return status;
    }
    return fm_dataset_from_xy(context, fm_file_name(path), path, &inputs, &targets,
                              files->target_kind, dataset);
}

fm_status fm_dataset_open_npz(fm_context *context, const char *path, const char *x, const char *y,
                              int64_t memory_limit, fm_dataset **dataset)
{
    const fm_array_files files = {.x = x, .y = y, .limit = memory_limit};
    return open_members(context, path, &files, FM_DATA_TRAIN, dataset);
}

/* ---- The record ---- */

typedef struct npy_request {
    const fm_npy_options *options;
    const fm_data_places *places;
} npy_request;

static fm_status open_part(fm_context *context, const void *argument, fm_data_part part,
                           fm_dataset **dataset)
{
    const npy_request *request = argument;
    const fm_npy_options *options = request->options;
    const bool train = part == FM_DATA_TRAIN;
    const fm_array_files files = {.x = train ? options->x : options->x_test,
                                  .y = train ? options->y : options->y_test,
                                  .limit = options->memory_limit,
                                  .target_kind = options->target_kind};
    *dataset = NULL;
    if (!options->file && !files.x) {
        if (!train) return FM_OK;
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "npy: file (a .npz) or x (a .npy) is needed: where the inputs are");
    }
    if (!options->file) {
        return fm_dataset_find_arrays(context, request->places, fm_npy_read, &files, dataset);
    }
    fm_text path = FM_TEXT(context);
    fm_status status = fm_places_find(context, request->places, options->file, &path);
    if (status == FM_OK) {
        status = open_members(context, fm_text_string(&path), &files, part, dataset);
    }
    fm_text_release(&path);
    return status;
}

fm_status fm_open_npy_record(fm_context *context, const void *options, const fm_data_places *places,
                             fm_dataset **train, fm_dataset **test)
{
    fm_npy_options filled = *(const fm_npy_options *)options;
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_fields_complete(context, fm_npy_fields, &filled, "npy");
    if (status != FM_OK) return status;
    npy_request request = {.options = &filled, .places = places};
    return fm_make_parts(context, open_part, &request, train, test);
}
