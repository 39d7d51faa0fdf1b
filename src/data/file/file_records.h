/* The records of sets that come from files: rows of the table in data/dataset_records.c. */
#ifndef FM_DATA_FILE_RECORDS_H
#define FM_DATA_FILE_RECORDS_H

#include "fathom/data_files.h"
#include "fathom/series.h"

typedef fm_status fm_open_record(fm_context *context, const void *options,
                                 const fm_data_places *places, fm_dataset **train,
                                 fm_dataset **test);

extern const fm_field fm_mnist_fields[], fm_csv_fields[], fm_idx_fields[], fm_npy_fields[];
fm_open_record fm_open_fashion_mnist_record, fm_open_mnist_record, fm_open_csv_record,
    fm_open_idx_record, fm_open_npy_record, fm_open_series_record;

#define FM_MNIST_RECORD                                                                            \
    {                                                                                              \
        "mnist", "28x28 images of 70,000 handwritten digits, downloaded when needed",              \
            "CC BY-SA 3.0 (Y. LeCun, C. Cortes)", fm_mnist_fields, 0, fm_open_mnist_record         \
    }
#define FM_FASHION_MNIST_RECORD                                                                    \
    {                                                                                              \
        "fashion_mnist", "28x28 images of 70,000 garments of 10 kinds", "MIT (Zalando SE)",        \
            fm_mnist_fields, 0, fm_open_fashion_mnist_record                                       \
    }
#define FM_CSV_RECORD                                                                              \
    {                                                                                              \
        "csv", "a table of numbers and categories", NULL, fm_csv_fields, sizeof(fm_csv_options),   \
            fm_open_csv_record                                                                     \
    }
#define FM_SERIES_RECORD                                                                           \
    {                                                                                              \
        "series", "windows of a table over time", NULL, fm_series_fields,                          \
            sizeof(fm_series_options), fm_open_series_record                                       \
    }
#define FM_IDX_RECORD                                                                              \
    {                                                                                              \
        "idx", "IDX files, plain or gzip", NULL, fm_idx_fields, sizeof(fm_idx_options),            \
            fm_open_idx_record                                                                     \
    }
#define FM_NPY_RECORD                                                                              \
    {                                                                                              \
        "npy", "NumPy arrays, .npz or .npy", NULL, fm_npy_fields, sizeof(fm_npy_options),          \
            fm_open_npy_record                                                                     \
    }

#endif
