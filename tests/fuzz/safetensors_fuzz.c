/* The reader of safetensors files on any bytes: a wrong file is an error, never more. */
#include "base/memory.h"
#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fm_context *context;
    if (fm_context_create(&(fm_context_options){.threads = 1}, &context) != FM_OK) return 0;
    fm_safetensors *file;
    if (fm_safetensors_parse(context, "input", bytes, size, &file) == FM_OK) {
        for (int i = 0; i < fm_safetensors_count(file); i++) {
            const fm_safetensors_entry *entry = fm_safetensors_at(file, i);
            void *elements = fm_allocate(context, (size_t)(entry->end - entry->begin));
            if (elements) (void)fm_safetensors_read(file, i, elements);
            fm_release(context, elements);
        }
        for (int i = 0; fm_safetensors_metadata_key(file, i); i++) {
            if (!fm_safetensors_metadata(file, fm_safetensors_metadata_key(file, i)))
                __builtin_trap();
        }
    }
    fm_safetensors_close(file);
    fm_context_destroy(context);
    return 0;
}
