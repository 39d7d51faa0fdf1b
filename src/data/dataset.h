/* The inside of a data set: a root owns a source's state; views are index lists into a root. */
#ifndef FM_DATA_DATASET_H
#define FM_DATA_DATASET_H

#include "base/element.h"
#include "base/memory.h"
#include "fathom/data_source.h"

struct fm_dataset {
    fm_context *context;
    int references;
    fm_dataset_info info;
    /* of a root; NULL in a view */
    const fm_data_source *source;
    void *state;
    fm_arena words; /* strings, columns and categories of info */
    /* of a view; NULL in a root */
    fm_dataset *root;  /* referenced */
    uint32_t *indices; /* positions in the root; NULL: a range of it */
    int64_t first;     /* where the range begins */
};

/* One more holder of the data set; fm_dataset_destroy gives it back. */
fm_dataset *fm_dataset_retain(const fm_dataset *dataset);

/* The position in the root of the i-th sample of a request to `dataset`. */
static inline int64_t fm_dataset_position(const fm_dataset *dataset, const fm_data_request *request,
                                          int64_t i)
{
    int64_t index = request->indices ? (int64_t)request->indices[i] : request->first + i;
    return dataset->indices ? (int64_t)dataset->indices[index] : dataset->first + index;
}

/* All samples of a field of the root in one piece, or NULL when the source has none. */
const void *fm_dataset_memory(const fm_dataset *dataset, int field);

/* Where a sample lies in the set that was read from a file or made, and its line there, from 1; 0
 * where that is unknown. */
typedef struct fm_sample_place {
    int64_t position, line;
} fm_sample_place;
fm_sample_place fm_dataset_place(const fm_dataset *dataset, int64_t i);

fm_status fm_dataset_check_request(fm_context *context, const fm_dataset *dataset,
                                   const fm_data_request *request);

/* The description with all its strings in `words`. */
fm_status fm_dataset_copy_info(fm_arena *words, const fm_dataset_info *from, fm_dataset_info *to);

/* Count, fields, shapes and sizes make sense. */
fm_status fm_dataset_check_info(fm_context *context, const fm_dataset_info *info);

/* Bytes of one sample. */
static inline size_t fm_field_bytes(const fm_data_field *field)
{
    return (size_t)fm_shape_bytes(field->shape, field->dtype);
}

/* The same, where "x" (field 0) is cut to `length` steps; 0: it is not. */
static inline size_t fm_cut_bytes(const fm_dataset_info *info, int field, int64_t length)
{
    size_t bytes = fm_field_bytes(&info->fields[field]);
    if (field > 0 || length == 0) return bytes;
    return bytes / (size_t)info->fields[0].shape.dims[0] * (size_t)length;
}

/* The smallest bucket that holds so many steps; `buckets` has one that does. */
static inline int fm_bucket_of(const fm_ints *buckets, int64_t length)
{
    int bucket = 0;
    while (bucket < buckets->count - 1 && buckets->at[bucket] < length) bucket++;
    return bucket;
}

/* Entries of the last dimension; 1 for a scalar. */
static inline int64_t fm_field_columns(const fm_data_field *field)
{
    return field->shape.rank ? field->shape.dims[field->shape.rank - 1] : 1;
}

/* Rows are visited in random order: the next one is fetched while this one is worked on. */
static inline void fm_fetch_row(const char *row, size_t bytes)
{
    enum { LINE = 64, MOST = 16 * LINE };
    for (size_t i = 0; i < bytes && i < MOST; i += LINE) __builtin_prefetch(row + i);
}

/* Category `number` by name; numbers that have no name, as without a column, are printed into
 * `buffer` (of 24 bytes). */
const char *fm_column_category(const fm_column *column, int64_t number, char buffer[24]);

#endif
