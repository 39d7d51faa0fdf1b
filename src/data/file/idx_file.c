#include "base/fields.h"
#include "data/file/array_file.h"
#include "data/file/file_records.h"
#include "data/parts.h"

const fm_field fm_idx_fields[] = {
    {"train", "file of the inputs", offsetof(fm_idx_options, train), .type = FM_FIELD_STRING,
     .required = true},
    {"train_labels", "file of the targets", offsetof(fm_idx_options, train_labels),
     .type = FM_FIELD_STRING},
    {"test", "file of the test inputs", offsetof(fm_idx_options, test), .type = FM_FIELD_STRING},
    {"test_labels", "file of the test targets", offsetof(fm_idx_options, test_labels),
     .type = FM_FIELD_STRING},
    FM_TARGET_KIND_FIELD(fm_idx_options),
    {"memory_limit", "bytes of one file's elements (default 8 GiB)",
     offsetof(fm_idx_options, memory_limit), .type = FM_FIELD_INT, .maximum = 1e18},
    {0},
};

/* The third byte of the file. */
static const struct {
    unsigned char code;
    fm_coding coding;
} types[] = {
    {0x08, {'u', 1, true}}, {0x09, {'i', 1, true}}, {0x0B, {'i', 2, true}},
    {0x0C, {'i', 4, true}}, {0x0D, {'f', 4, true}}, {0x0E, {'f', 8, true}},
};

static const fm_coding *find_type(unsigned char code)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].code == code) return &types[i].coding;
    }
    return NULL;
}

fm_status fm_idx_read(fm_byte_stream *stream, int64_t limit, fm_array *array)
{
    *array = (fm_array){0};
    unsigned char head[4], size[4];
    fm_status status = fm_byte_stream_need(stream, head, sizeof head, "its header");
    if (status != FM_OK) return status;
    const fm_coding *coding = find_type(head[2]);
    if (head[0] != 0 || head[1] != 0 || !coding) {
        return fm_fail(stream->context, FM_ERROR_FORMAT,
                       "%s: not an IDX file: it begins with %02x %02x %02x %02x, two zeros and a "
                       "type (08, 09, 0b to 0e) were expected",
                       stream->name, head[0], head[1], head[2], head[3]);
    }
    fm_shape shape = {.rank = head[3]};
    if (shape.rank < 1 || shape.rank > FM_MAX_RANK) {
        return fm_fail(stream->context, FM_ERROR_LIMIT, "%s: %d dimensions; 1 to %d are accepted",
                       stream->name, shape.rank, FM_MAX_RANK);
    }
    for (int i = 0; i < shape.rank; i++) {
        status = fm_byte_stream_need(stream, size, sizeof size, "its header");
        if (status != FM_OK) return status;
        shape.dims[i] = (int64_t)size[0] << 24 | size[1] << 16 | size[2] << 8 | size[3];
    }
    status = fm_array_read(stream, *coding, shape, limit, array);
    if (status != FM_OK) return status;
    status = fm_byte_stream_expect_end(stream);
    if (status == FM_OK) return FM_OK;
    fm_release(stream->context, array->data);
    array->data = NULL;
    return status;
}

fm_status fm_dataset_open_idx(fm_context *context, const char *path, const char *labels,
                              int64_t memory_limit, fm_dataset **dataset)
{
    const fm_array_files files = {.x = path, .y = labels, .limit = memory_limit};
    return fm_dataset_open_arrays(context, fm_idx_read, &files, dataset);
}

/* ---- The record ---- */

typedef struct idx_request {
    const fm_idx_options *options;
    const fm_data_places *places;
} idx_request;

static fm_status open_part(fm_context *context, const void *argument, fm_data_part part,
                           fm_dataset **dataset)
{
    const idx_request *request = argument;
    const fm_idx_options *options = request->options;
    const bool train = part == FM_DATA_TRAIN;
    const fm_array_files files = {.x = train ? options->train : options->test,
                                  .y = train ? options->train_labels : options->test_labels,
                                  .limit = options->memory_limit,
                                  .target_kind = options->target_kind};
    *dataset = NULL;
    if (!files.x) return FM_OK;
    return fm_dataset_find_arrays(context, request->places, fm_idx_read, &files, dataset);
}

fm_status fm_open_idx_record(fm_context *context, const void *options, const fm_data_places *places,
                             fm_dataset **train, fm_dataset **test)
{
    fm_idx_options filled = *(const fm_idx_options *)options;
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_fields_complete(context, fm_idx_fields, &filled, "idx");
    if (status != FM_OK) return status;
    idx_request request = {.options = &filled, .places = places};
    return fm_make_parts(context, open_part, &request, train, test);
}
