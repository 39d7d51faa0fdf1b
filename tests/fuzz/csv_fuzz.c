/* CSV on any bytes: parsed, fitted, written as JSON and back, and read again as prediction would.
 * The first byte chooses among the options. */
#include "data/dataset.h"
#include "fathom/data_files.h"

#include <string.h>

static fm_csv_options choose(uint8_t byte)
{
    static const char *const targets[] = {NULL, "none", "0", "a", "-2", "a,b", "1", NULL};
    return (fm_csv_options){.target = targets[byte & 7],
                            .header = (byte >> 3 & 3) % 3,
                            .separator = (byte >> 5) % 5,
                            .target_kind = byte >> 7 ? FM_COLUMN_CATEGORICAL : FM_COLUMN_AUTO,
                            .drop = (byte & 31) == 31 ? "0" : NULL,
                            .max_columns = 256};
}

/* Every sample through the transform. */
static void read_all(fm_context *context, const fm_dataset *dataset, const fm_transform *transform)
{
    fm_dataset *prepared;
    if (fm_dataset_transform(context, dataset, transform, &prepared) != FM_OK) return;
    const fm_dataset_info *info = fm_dataset_about(prepared);
    void *fields[FM_MAX_DATA_FIELDS] = {0};
    for (int i = 0; i < info->field_count; i++) {
        fields[i] = fm_allocate(context, fm_field_bytes(&info->fields[i]));
    }
    for (int64_t k = 0; k < info->count && k < 64; k++) {
        fm_data_request request = {.first = k, .count = 1};
        memcpy(request.fields, fields, sizeof fields);
        (void)fm_dataset_read(context, prepared, &request);
    }
    for (int i = 0; i < info->field_count; i++) fm_release(context, fields[i]);
    fm_dataset_destroy(prepared);
}

static void use(fm_context *context, const fm_dataset *dataset, const void *bytes, size_t size)
{
    fm_transform *transform, *read;
    fm_transform_options options = {.normalize = FM_NORMALIZE_STANDARDIZE,
                                    .impute = FM_IMPUTE_MEDIAN};
    if (fm_transform_fit(context, dataset, &options, &transform) != FM_OK) return;
    char *json;
    if (fm_transform_to_json(context, transform, &json) != FM_OK) __builtin_trap();
    if (fm_transform_from_json(context, json, strlen(json), &read) != FM_OK) __builtin_trap();
    fm_data_release(context, json);
    read_all(context, dataset, read);
    fm_dataset *again;
    if (fm_dataset_parse_csv(context, "again", bytes, size, &(fm_csv_options){.like = read},
                             &again) == FM_OK) {
        read_all(context, again, read);
    }
    fm_dataset_destroy(again);
    fm_transform_destroy(read);
    fm_transform_destroy(transform);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fm_context *context;
    if (size == 0 || size > 1 << 16) return 0;
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK) return 0;
    fm_csv_options options = choose(bytes[0]);
    fm_dataset *dataset;
    if (fm_dataset_parse_csv(context, "input", bytes + 1, size - 1, &options, &dataset) == FM_OK) {
        use(context, dataset, bytes + 1, size - 1);
    }
    fm_dataset_destroy(dataset);
    fm_context_destroy(context);
    return 0;
}
