/* A running text from a file. */
#include "base/fields.h"
#include "base/utf8.h"
#include "data/file/array_file.h"
#include "data/file/places.h"
#include "data/file/text_records.h"
#include "data/text/text_fields.h"

#include <string.h>

#define MEMORY_LIMIT ((double)((int64_t)1 << 30))

const fm_field fm_text_file_fields[] = {
    {"file", "path of the file", offsetof(fm_text_file_options, file), .type = FM_FIELD_STRING,
     .required = true},
    {"test_file", "path of a file with the test part", offsetof(fm_text_file_options, test_file),
     .type = FM_FIELD_STRING},
    FM_RUNNING_FIELDS(fm_text_file_options),
    {"memory_limit", "bytes that are accepted", offsetof(fm_text_file_options, memory_limit),
     .type = FM_FIELD_INT, .default_value = MEMORY_LIMIT, .minimum = 1, .maximum = 1e18},
    {0},
};

fm_status fm_text_file_read(fm_context *context, const char *path, int64_t limit, char **bytes,
                            size_t *size)
{
    fm_status status = fm_byte_stream_read_file(context, path, (size_t)limit, bytes, size);
    if (status != FM_OK) return status;
    const char *text = *bytes;
    fm_utf8_skip_mark(&text, size);
    memmove(*bytes, text, *size);
    return FM_OK;
}

static fm_status open_file(fm_context *context, const char *path, const fm_text_form *form,
                           int64_t limit, fm_dataset **dataset)
{
    char *bytes;
    size_t size;
    *dataset = NULL;
    fm_status status = fm_text_file_read(context, path, limit, &bytes, &size);
    if (status == FM_OK) {
        status = fm_dataset_from_text(context, path, bytes, size, form, dataset);
    }
    fm_release(context, bytes);
    return status;
}

fm_status fm_dataset_open_text(fm_context *context, const char *path, const fm_text_form *form,
                               fm_dataset **dataset)
{
    return open_file(context, path, form, (int64_t)MEMORY_LIMIT, dataset);
}

static fm_status open_named(fm_context *context, const char *file, const fm_data_places *places,
                            const fm_text_file_options *options, fm_dataset **dataset)
{
    fm_text path = FM_TEXT(context);
    fm_status status = fm_places_find(context, places, file, &path);
    if (status == FM_OK) {
        status = open_file(context, fm_text_string(&path), &options->form, options->memory_limit,
                           dataset);
    }
    fm_text_release(&path);
    return status;
}

fm_status fm_open_text_file_record(fm_context *context, const void *options,
                                   const fm_data_places *places, fm_dataset **train,
                                   fm_dataset **test)
{
    fm_text_file_options filled = *(const fm_text_file_options *)options;
    *train = NULL;
    if (test) *test = NULL;
    fm_status status = fm_fields_complete(context, fm_text_file_fields, &filled, "text");
    if (status != FM_OK) return status;
    status = open_named(context, filled.file, places, &filled, train);
    if (status != FM_OK || !test || !filled.test_file) return status;
    status = open_named(context, filled.test_file, places, &filled, test);
    if (status == FM_OK) return FM_OK;
    fm_dataset_destroy(*train);
    *train = NULL;
    return status;
}
