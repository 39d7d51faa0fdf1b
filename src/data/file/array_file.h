/* What array files (IDX, NPY, NPZ) share: an array in memory
 * and its elements' coding in the file. */
#ifndef FM_DATA_ARRAY_FILE_H
#define FM_DATA_ARRAY_FILE_H

#include "data/file/byte_stream.h"
#include "data/table_options.h"
#include "fathom/data_files.h"

#define FM_ARRAY_MEMORY_LIMIT ((int64_t)8 << 30)

typedef struct fm_array {
    fm_dtype dtype;
    fm_shape shape; /* the first dimension counts the samples */
    void *data;     /* made with fm_allocate */
} fm_array;

/* How a file writes an element. kind: 'i' signed, 'u' unsigned, 'f' floating, 'b' a byte that is
 * true or false. */
typedef struct fm_coding {
    char kind;
    size_t size;
    bool big_endian;
} fm_coding;

/* The dtype that holds it; false when none does. */
bool fm_coding_dtype(fm_coding coding, fm_dtype *dtype);

/* Reads the elements of a shape. What the shape asks for is checked against `limit` (0: the
 * default) and against what the stream can hold before memory is taken. */
fm_status fm_array_read(fm_byte_stream *stream, fm_coding coding, fm_shape shape, int64_t limit,
                        fm_array *array);

/* A data set of x and, unless y->data is NULL, y, whose target_kind (fm_column_kind) may be said.
 * Takes both over in any case. */
fm_status fm_dataset_from_xy(fm_context *context, const char *name, const char *origin, fm_array *x,
                             fm_array *y, int target_kind, fm_dataset **dataset);

/* Reads the one array that a file of its format holds. */
typedef fm_status fm_array_reader(fm_byte_stream *stream, int64_t limit, fm_array *array);
fm_array_reader fm_idx_read, fm_npy_read;

typedef struct fm_array_files {
    const char *x, *y; /* y may be NULL */
    int64_t limit;     /* bytes of an array */
    int target_kind;
} fm_array_files;

/* A data set of two files, or of one. */
fm_status fm_dataset_open_arrays(fm_context *context, fm_array_reader *read,
                                 const fm_array_files *files, fm_dataset **dataset);
/* The same with names that are looked for in a user's places. */
fm_status fm_dataset_find_arrays(fm_context *context, const fm_data_places *places,
                                 fm_array_reader *read, const fm_array_files *files,
                                 fm_dataset **dataset);

#define FM_TARGET_KIND_FIELD(owner)                                                                \
    {                                                                                              \
        "target_kind", "categorical for integers that are classes, of steps or pixels, too",       \
            offsetof(owner, target_kind), .type = FM_FIELD_ENUM, .choices = fm_column_kind_names   \
    }

/* The last part of a path. */
const char *fm_file_name(const char *path);

#endif
