/* The JSON of a transform on any bytes: what is accepted is written and read back. */
#include "fathom/data_files.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fm_context *context;
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK) return 0;
    fm_transform *transform, *again;
    if (fm_transform_from_json(context, (const char *)bytes, size, &transform) == FM_OK) {
        char *json;
        if (fm_transform_to_json(context, transform, &json) != FM_OK) __builtin_trap();
        if (fm_transform_from_json(context, json, strlen(json), &again) != FM_OK) __builtin_trap();
        fm_data_release(context, json);
        fm_transform_destroy(again);
    }
    fm_transform_destroy(transform);
    fm_context_destroy(context);
    return 0;
}
