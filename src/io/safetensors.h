/* Safetensors, as any reader of the format knows it (Hugging Face, "safetensors", format section):
 * 8 bytes, little-endian, the length of the header; the header, JSON; the tensors' bytes,
 * little-endian, row-major. Header: {"__metadata__": {string: string},
 * NAME: {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}}; offsets count from the end
 * of the header, and the tensors tile the rest of the file: no overlap, no hole.
 *
 * Nothing in a file is trusted; every error names the file, and the byte where one is to blame. */
#ifndef FM_IO_SAFETENSORS_H
#define FM_IO_SAFETENSORS_H

#include "base/context.h"
#include "fathom/tensor.h"

enum { FM_SAFETENSORS_HEADER_LIMIT = 16 * 1024 * 1024 };

/* ---- reading ---- */

typedef struct fm_safetensors_entry {
    const char *name;
    const char *type; /* as in the file: "F32", "BF16" */
    bool readable;    /* type is one of fm_dtype */
    fm_dtype dtype;
    fm_shape shape;
    uint64_t begin, end; /* from the end of the header */
} fm_safetensors_entry;

typedef struct fm_safetensors fm_safetensors;

/* Reads and checks the header; the tensors stay in the file until they are asked for. */
fm_status fm_safetensors_open(fm_context *context, const char *path, fm_safetensors **file);
/* The same from memory, which must outlive the reader; `name` stands for the file in errors. */
fm_status fm_safetensors_parse(fm_context *context, const char *name, const void *bytes,
                               size_t size, fm_safetensors **file);
void fm_safetensors_close(fm_safetensors *file);

const char *fm_safetensors_path(const fm_safetensors *file);
/* In the order of their bytes. */
int fm_safetensors_count(const fm_safetensors *file);
const fm_safetensors_entry *fm_safetensors_at(const fm_safetensors *file, int index);
int fm_safetensors_find(const fm_safetensors *file, const char *name); /* -1 when absent */
/* FM_ERROR_UNSUPPORTED for a type that is not readable. `elements` has room for all of them. */
fm_status fm_safetensors_read(fm_safetensors *file, int index, void *elements);

/* NULL at the end, or when absent. */
const char *fm_safetensors_metadata_key(const fm_safetensors *file, int index);
const char *fm_safetensors_metadata(const fm_safetensors *file, const char *key);

/* ---- writing ---- */

/* `data`, or fill(user, index, elements) called when the tensor's turn has come. */
typedef struct fm_safetensors_tensor {
    const char *name;
    fm_dtype dtype;
    fm_shape shape;
    const void *data;
    fm_status (*fill)(void *user, int64_t index, void *elements);
    void *user;
    int64_t index;
} fm_safetensors_tensor;

typedef struct fm_safetensors_note {
    const char *key, *text;
} fm_safetensors_note;

/* Appears at `path` only when complete and synced. The widest types come first, so that every
 * tensor is aligned to its type; the data begin at a multiple of 64 bytes. Names must differ;
 * names and texts are UTF-8. */
fm_status fm_safetensors_write(fm_context *context, const char *path,
                               const fm_safetensors_note *notes, size_t note_count,
                               const fm_safetensors_tensor *tensors, size_t tensor_count);

#endif
