/* The reader of IDX files, plain and gzip, on any bytes. */
#include "base/memory.h"
#include "data/file/array_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fm_context *context;
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK) return 0;
    fm_byte_stream stream;
    if (fm_byte_stream_memory(context, "input", bytes, size, &stream) == FM_OK) {
        fm_array array;
        (void)fm_idx_read(&stream, 1 << 24, &array);
        fm_release(context, array.data);
        fm_byte_stream_close(&stream);
    }
    fm_context_destroy(context);
    return 0;
}
