/* The readers of NPY and NPZ files on any bytes; each array is made a data set. */
#include "base/memory.h"
#include "data/file/npz.h"

static void use(fm_context *context, fm_array *array)
{
    fm_array none = {0};
    fm_dataset *dataset;
    (void)fm_dataset_from_xy(context, "input", "input", array, &none, FM_COLUMN_AUTO, &dataset);
    fm_dataset_destroy(dataset);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fm_context *context;
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK) return 0;
    fm_array array;
    fm_byte_stream stream;
    if (fm_byte_stream_memory(context, "input", bytes, size, &stream) == FM_OK) {
        if (fm_npy_read(&stream, 1 << 24, &array) == FM_OK) use(context, &array);
        fm_byte_stream_close(&stream);
    }
    fm_npz *npz;
    if (fm_npz_memory(context, "input", bytes, size, &npz) == FM_OK) {
        for (size_t i = 0; i < 8 && fm_npz_name(npz, i); i++) {
            if (fm_npz_read(npz, fm_npz_name(npz, i), 1 << 24, &array) == FM_OK) {
                use(context, &array);
            }
        }
    }
    fm_npz_close(npz);
    fm_context_destroy(context);
    return 0;
}
