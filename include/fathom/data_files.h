/* fathom/data_files.h: data sets from files (IDX, CSV, NPY, NPZ, MNIST), and a transform as text.
 * Built with FATHOM_FILES (zlib, liblzma, libcurl, jansson).
 *
 * Invariants
 *  - A file is trusted in nothing: every size in it is checked before memory is taken for it, and
 *    every error names the file, and for CSV the line and the column.
 *  - CSV is also read from bytes in memory; `name` then stands for the file in errors.
 *  - A file that begins with gzip's or xz's mark is expanded while it is read (IDX and CSV).
 *  - Limits may be raised by the options; beyond them FM_ERROR_LIMIT.
 *  - May be NULL: options and texts in them that have a default, `places`, `test`, `labels`, `y`.
 */
#ifndef FATHOM_DATA_FILES_H
#define FATHOM_DATA_FILES_H

#include "fathom/data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a set of files does with one that cannot be read. */
typedef enum fm_broken_file {
    FM_BROKEN_FAIL, /* reading its sample fails and names it */
    FM_BROKEN_SKIP  /* all are read when the set is opened; broken ones are logged, counted and
                       left out */
} fm_broken_file;

/* ---- IDX ------------------------------------------------------------------------------------ */

/* IDX (Y. LeCun, "The MNIST database"): two zero bytes, type, rank, big-endian sizes, elements. The
 * first dimension counts the samples. u8, i32, f32 and f64 keep their type; i8 and i16 become i32.
 *  train, test            file of "x"; test may be NULL
 *  train_labels, ...      file of "y", may be NULL
 *  target_kind            fm_column_kind. Categorical: the integers of "y", one a sample, a step or
 *                         a pixel, are classes 0..max. Auto: so are one a sample
 *  memory_limit           bytes of one file's elements. Default 8 GiB */
typedef struct fm_idx_options {
    const char *train, *train_labels;
    const char *test, *test_labels;
    int target_kind;
    int64_t memory_limit;
} fm_idx_options;

/* One part: `labels` may be NULL. */
FM_API fm_status fm_dataset_open_idx(fm_context *context, const char *path, const char *labels,
                                     int64_t memory_limit, fm_dataset **dataset);

/* ---- CSV ------------------------------------------------------------------------------------ */

typedef enum fm_csv_header {
    FM_CSV_HEADER_AUTO, /* a first line of words above a column of numbers, or of distinct words */
    FM_CSV_HEADER_YES,
    FM_CSV_HEADER_NO /* columns are called "0", "1", ... */
} fm_csv_header;

typedef enum fm_csv_separator {
    FM_CSV_SEPARATOR_AUTO, /* the one of these that the first line has most of */
    FM_CSV_SEPARATOR_COMMA,
    FM_CSV_SEPARATOR_SEMICOLON,
    FM_CSV_SEPARATOR_TAB,
    FM_CSV_SEPARATOR_SPACE /* runs of spaces count as one */
} fm_csv_separator;

/* RFC 4180, with lines that end with LF, CR LF or CR, a byte order mark skipped, blank lines
 * skipped, spaces around an unquoted cell trimmed. Every line has as many cells as the first.
 * An empty cell and the words of `missing` are missing values.
 * "x" f64 (columns): numbers as they are, categories (sorted by name) by number, NaN where missing.
 * "y" f64 (targets), or i32 () for one categorical target. Lines without a target value are an
 * error, and so are columns of numbers with commas ("3,5", "1,250"), which are no categories unless
 * `categorical` names them. Lists are names or numbers (from 0; -1 is the last column) separated by
 * commas.
 *  file, test_file   test_file may be NULL; its columns are those of file, found by name
 *  target            default: the last column; "none": no "y"
 *  target_kind       fm_column_kind: class numbers are read as classes with "categorical"
 *  drop              columns that are left out
 *  categorical, numeric   kinds that are not to be guessed
 *  missing           default "?, NA, NaN, nan, null, None"
 *  like              columns, kinds and order as this transform was fitted: for prediction. The
 *                    target may be absent; columns it does not know are left out.
 *  max_columns, max_line, memory_limit   default 65,536 columns, 16 MiB a line, 4 GiB */
typedef struct fm_csv_options {
    const char *file, *test_file;
    const char *target;
    int target_kind;
    const char *drop, *categorical, *numeric, *missing;
    int header, separator;
    int64_t max_columns, max_line, memory_limit;
    const fm_transform *like; /* not a field of recipes */
} fm_csv_options;

/* One part; options->file and test_file are not looked at. */
FM_API fm_status fm_dataset_open_csv(fm_context *context, const char *path,
                                     const fm_csv_options *options, fm_dataset **dataset);
FM_API fm_status fm_dataset_parse_csv(fm_context *context, const char *name, const void *bytes,
                                      size_t size, const fm_csv_options *options,
                                      fm_dataset **dataset);

/* ---- NPY and NPZ ---------------------------------------------------------------------------- */

/* NumPy's files (format versions 1 to 3), little and big endian, C and Fortran order: f2, f4, f8,
 * i1, i2, i4, i8, u1, u2, u4, b1. f2 becomes f32; i1, i2, u2 become i32; u4 becomes i64. NPZ: a zip
 * of them, stored or deflated, checksums verified; zip64 is refused. The first dimension counts the
 * samples. For a .npz file, names of the arrays in it: x_train, y_train, x_test, y_test as Keras
 * calls them, or x and y. For .npy files, paths.
 *  file                   the .npz; NULL: the four are paths of .npy files
 *  target_kind            as fm_idx_options */
typedef struct fm_npy_options {
    const char *file;
    const char *x, *y, *x_test, *y_test;
    int target_kind;
    int64_t memory_limit; /* bytes of one array; default 8 GiB */
} fm_npy_options;

/* One part: y may be NULL, and of a .npz file x too: the names above. */
FM_API fm_status fm_dataset_open_npy(fm_context *context, const char *x, const char *y,
                                     int64_t memory_limit, fm_dataset **dataset);
FM_API fm_status fm_dataset_open_npz(fm_context *context, const char *path, const char *x,
                                     const char *y, int64_t memory_limit, fm_dataset **dataset);

/* ---- MNIST ---------------------------------------------------------------------------------- */

/* 60,000 and 10,000 digits, "x" u8 (28, 28), "y" u8 (). Looked for in places->folders and their
 * subfolder "mnist", plain or .gz, then in places->cache, then downloaded into it: interrupted
 * downloads go on where they stopped, and what arrives is checked by its MD5. When all fail,
 * FM_ERROR_NOT_FOUND tells where it looked and what to do. places may be NULL. test may be NULL.
 * (libcurl itself follows the proxy variables of the environment.) */
FM_API fm_status fm_dataset_mnist(fm_context *context, const fm_data_places *places,
                                  fm_dataset **train, fm_dataset **test);

/* Fashion-MNIST (H. Xiao et al., 2017): 70,000 garments in the same form, looked for in a subfolder
 * fashion-mnist, fashion_mnist, fashion or FashionMNIST/raw of the places: its files are named as
 * MNIST's are. It is not downloaded. */
FM_API fm_status fm_dataset_fashion_mnist(fm_context *context, const fm_data_places *places,
                                          fm_dataset **train, fm_dataset **test);

/* ---- Transforms as text --------------------------------------------------------------------- */

/* JSON (UTF-8) that holds everything the transform learned; numbers read back to the same bits. The
 * caller releases *json with fm_data_release. */
FM_API fm_status fm_transform_to_json(fm_context *context, const fm_transform *transform,
                                      char **json);
FM_API void fm_data_release(fm_context *context, void *pointer);
/* FM_ERROR_FORMAT for anything that fm_transform_to_json would not have written. */
FM_API fm_status fm_transform_from_json(fm_context *context, const char *json, size_t size,
                                        fm_transform **transform);

#ifdef __cplusplus
}
#endif
#endif
