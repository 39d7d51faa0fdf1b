/* fathom/data.h: data sets, what prepares them, and the loader that turns them into batches.
 *
 *     fm_dataset *train, *test;                                  28x28 bytes, a class 0..9
 *     fm_dataset_strokes(context, &(fm_strokes_options){.train_size = 8000}, &train, &test);
 *     fm_transform_fit(context, train, &(fm_transform_options){.scale = 255}, &transform);
 *     fm_dataset_transform(context, train, transform, &prepared);     28x28 f32 in [0, 1]
 *     fm_loader_create(context, prepared, &(fm_loader_options){.shuffle = true}, &loader);
 *     fm_loader_begin(loader, 0, 0);
 *     while (fm_loader_next(loader, &batch) == FM_OK && batch.count > 0) step(batch.x, batch.y);
 *
 * Invariants
 *  - A data set is a number of samples; a sample is a few named fields ("x", "y"), each with a
 *    dtype and a shape, the same for all samples. Position in memory: sample, then the shape.
 *  - A data set never changes after it was made. Reading is thread-safe when each thread brings a
 *    context of its own; everything else follows the rule of base.h (one thread at a time).
 *  - Views, splits and transformed sets share their parent's memory by counting references: the
 *    parent may be destroyed first. `destroy` drops one reference.
 *  - Bytes stay bytes in memory; they become f32 while a batch is gathered.
 *  - What a transform learns, it learns from the set it is fitted on: give it the training part.
 *  - Everything that shuffles or generates is keyed by a seed (Philox): same seed, same bits, for
 *    any number of workers, from any starting point.
 *  - Files, and the JSON form of a transform: data_files.h. Sets without files: built_in_data.h.
 *    Sets of a kind of your own: data_source.h.
 *  - May be NULL: options, and what the fields of a struct and the functions below say may be.
 */
#ifndef FATHOM_DATA_H
#define FATHOM_DATA_H

#include "fathom/schema.h"
#include "fathom/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fm_dataset fm_dataset;
typedef struct fm_transform fm_transform;
typedef struct fm_loader fm_loader;

enum { FM_MAX_DATA_FIELDS = 4 };

/* ---- What a data set holds ------------------------------------------------------------------ */

typedef enum fm_column_kind {
    FM_COLUMN_AUTO,       /* in options only: text is categorical, numbers are numeric */
    FM_COLUMN_NUMERIC,    /* NaN where a value is missing */
    FM_COLUMN_CATEGORICAL /* the number of a category; NaN, or -1 in integers, where missing */
} fm_column_kind;

/* One entry of a field's last dimension (a scalar field has one column). */
typedef struct fm_column {
    const char *name; /* "sepal_length"; NULL: nameless */
    fm_column_kind kind;
    int64_t category_count;
    const char *const *categories; /* NULL: they are called "0", "1", ... */
} fm_column;

typedef struct fm_data_field {
    const char *name; /* "x" is what the model reads, "y" what it is to say */
    fm_dtype dtype;
    fm_shape shape;           /* of one sample: (28, 28), (13), () */
    const fm_column *columns; /* one for each entry of the last dimension, or NULL */
} fm_data_field;

/*  name     "mnist train"
 *  origin   where it came from: a path, "built in, seed 1"
 *  count    samples, at most UINT32_MAX
 *  fields   "x" first, "y", if any, second; no two of one name
 *  text     "x" is text, and becomes tokens so (text_data.h); NULL: numbers
 *  rows     > 0: sequences side by side: sample i goes on where sample i - rows ended. They are
 *           read in their order, in batches of so many. 0: any order
 *  ordered  samples follow each other in time: splits cut, they do not draw
 *  gap      with ordered: a sample shares parts of "y" with so many behind it
 *  buckets  lengths that batches of "x" may have, ascending; the last is its first dimension. A
 *           batch has the smallest that holds its samples (fm_loader_create). count 0: one length
 *  costly   reading decodes or computes: worth threads that read ahead,
 *           unless a fit is told otherwise
 *  group    > 1: samples lie in groups of so many that belong together (fm_dataset_repeat): the
 *           loader shuffles groups, each batch holds whole ones. A part of the set has none */
typedef struct fm_dataset_info {
    const char *name, *origin;
    int64_t count, rows;
    const struct fm_text_form *text;
    int field_count;
    fm_data_field fields[FM_MAX_DATA_FIELDS];
    bool ordered;
    int64_t gap;
    fm_ints buckets;
    int64_t group;
    bool costly;
} fm_dataset_info;

/* Valid as long as the data set. */
FM_API const fm_dataset_info *fm_dataset_about(const fm_dataset *dataset);
/* The classes of "y" and their names (NULL: plain numbers; `names` itself may be NULL); 0 when "y"
 * is absent or not categorical. */
FM_API int64_t fm_dataset_classes(const fm_dataset *dataset, const char *const **names);
FM_API void fm_dataset_destroy(fm_dataset *dataset);

/* The steps of sample i that are no padding, of "x" (time, ...): at most its first dimension, which
 * is what sets give whose samples all have one length. 0 for a scalar "x" and outside of the
 * set. */
FM_API int64_t fm_dataset_length(const fm_dataset *dataset, int64_t i);

/* Which samples to read, and where to. */
typedef struct fm_data_request {
    const uint32_t *indices; /* positions in the data set, any order; NULL: `first` and following */
    int64_t first;
    int64_t count;
    void *fields[FM_MAX_DATA_FIELDS]; /* memory for count samples each; NULL: not wanted */
    uint64_t seed;                    /* for sources that augment: */
    uint32_t epoch;                   /*   keys of their random numbers */
    int64_t length;                   /* steps of "x": one of the set's buckets; 0: all */
} fm_data_request;

/* FM_ERROR_ARGUMENT when a position lies outside of the set, or length is no bucket; else what its
 * source says. */
FM_API fm_status fm_dataset_read(fm_context *context, const fm_dataset *dataset,
                                 const fm_data_request *request);

/* ---- Making data sets ----------------------------------------------------------------------- */

/* Arrays in memory. data[i] holds info->count samples of field i. `borrow`: the arrays must outlive
 * the data set and all that came from it; otherwise they are copied. Integer labels in a "y"
 * without columns become classes 0..max when they are scalars from 0 to 65535. */
FM_API fm_status fm_dataset_from_arrays(fm_context *context, const fm_dataset_info *info,
                                        const void *const *data, bool borrow, fm_dataset **dataset);

/* Samples of another set, in this order; an index may occur many times. `indices` is copied. */
FM_API fm_status fm_dataset_view(fm_context *context, const fm_dataset *dataset,
                                 const uint32_t *indices, int64_t count, fm_dataset **view);
FM_API fm_status fm_dataset_range(fm_context *context, const fm_dataset *dataset, int64_t first,
                                  int64_t count, fm_dataset **view);

/* Each sample `views` times (1 to 64), one behind the other, as a group: sample i is sample i /
 * views. What fm_dataset_augment makes of the set are then as many views of each sample, and a
 * target of FM_TARGET_SAMPLE says which belong together. Split before: FM_ERROR_ARGUMENT for a set
 * that is repeated already, for texts, and where samples lie in rows. */
FM_API fm_status fm_dataset_repeat(fm_context *context, const fm_dataset *dataset, int64_t views,
                                   fm_dataset **repeated);

/* ---- Splitting ------------------------------------------------------------------------------ */

/*  fraction    of the samples in the second part, between 0 and 1: the first part has
 *              floor(count * (1 - fraction)) samples
 *  shuffle     draw the second part by seed; otherwise it is the end of the set, as in Keras'
 *              validation_split. Both parts keep the order of the set.
 *  stratify    with shuffle: every class of "y" keeps its share in both parts
 * An ordered set is cut in time: shuffle is an FM_ERROR_ARGUMENT, and the first part ends `gap`
 * samples earlier, so that none of its "y" reaches into the second. */
typedef struct fm_split_options {
    double fraction;
    bool shuffle, stratify;
    int64_t seed;
} fm_split_options;

FM_API extern const fm_field fm_split_fields[];

/* Both parts have at least one sample, or it is an FM_ERROR_ARGUMENT. */
FM_API fm_status fm_dataset_split(fm_context *context, const fm_dataset *dataset,
                                  const fm_split_options *options, fm_dataset **first,
                                  fm_dataset **second);

/* Part `fold` of `folds` equal ones (drawn by seed) for validation, the rest for training. Of an
 * ordered set folds + 1 parts are cut in time: part fold + 1 validates, all in front of it trains
 * (its last `gap` samples left out). */
FM_API fm_status fm_dataset_fold(fm_context *context, const fm_dataset *dataset, int64_t folds,
                                 int64_t fold, int64_t seed, fm_dataset **training,
                                 fm_dataset **validation);

/* ---- Transforms ----------------------------------------------------------------------------- */

typedef enum fm_normalize {
    FM_NORMALIZE_NONE,
    FM_NORMALIZE_STANDARDIZE, /* (v - mean) / deviation (of the population), 0 where it is 0 */
    FM_NORMALIZE_MIN_MAX      /* (v - minimum) / (maximum - minimum): [0, 1] on the training part */
} fm_normalize;

typedef enum fm_statistics {
    FM_STATISTICS_AUTO,    /* each for samples of rank 1 (tables), channel where the last dimension
                              is named columns (series), all for others (images) */
    FM_STATISTICS_EACH,    /* for each element of a sample */
    FM_STATISTICS_CHANNEL, /* for each entry of the last dimension */
    FM_STATISTICS_ALL      /* one for everything */
} fm_statistics;

typedef enum fm_impute {
    FM_IMPUTE_MEAN, /* in place of a missing number: the training part's mean */
    FM_IMPUTE_MEDIAN,
    FM_IMPUTE_CONSTANT, /* impute_value */
    FM_IMPUTE_NONE      /* a missing number is an error, found when the transform is fitted */
} fm_impute;

typedef enum fm_encode {
    FM_ENCODE_ONE_HOT, /* a category is a column of its own; one unseen in training is all zeros */
    FM_ENCODE_ORDINAL  /* its number; one unseen in training is -1 */
} fm_encode;

typedef enum fm_target {
    FM_TARGET_AUTO,    /* index for classes, value for numbers */
    FM_TARGET_INDEX,   /* i32 (): for sparse categorical cross-entropy */
    FM_TARGET_ONE_HOT, /* f32 (classes): for categorical cross-entropy */
    FM_TARGET_VALUE,   /* f32 (columns), (1) for a scalar: regression, binary cross-entropy */
    FM_TARGET_INPUT,   /* the prepared "x" again, f32, in place of "y": autoencoders */
    FM_TARGET_SAMPLE   /* i32 (): which sample this is, the same number for all of a group:
                          contrastive losses */
} fm_target;

/* Order of work on "x": impute, divide by scale, normalise, encode. All results are f32.
 * A categorical column with missing values in training gets a category of its own for them.
 * Texts (text_data.h) become i32 tokens instead: of these options they take target and batch_size
 * alone. */
typedef struct fm_transform_options {
    double scale;             /* numbers of "x" are divided by it: 255 for bytes. Default 1 */
    fm_reals mean, deviation; /* (v / scale - mean) / deviation with these, one or one a channel;
                                 then normalize is none */
    int normalize;            /* fm_normalize */
    int statistics;           /* fm_statistics */
    int impute;               /* fm_impute */
    double impute_value;      /* with FM_IMPUTE_CONSTANT */
    int encode;               /* fm_encode */
    int target;               /* fm_target */
    int target_normalize;     /* fm_normalize, for values: undone by fm_transform_restore */
    int64_t batch_size; /* rows of a stateful text, default 32; no field: a recipe's is in train */
} fm_transform_options;

FM_API extern const fm_field fm_transform_fields[];

/* Learns from `training`, which needs "x"; "y" is optional. options may be NULL:
 * to f32 as it is. */
FM_API fm_status fm_transform_fit(fm_context *context, const fm_dataset *training,
                                  const fm_transform_options *options, fm_transform **transform);
FM_API void fm_transform_destroy(fm_transform *transform);

/* A set that is transformed while it is read. "x" must have the shape and the columns (compared by
 * name, categories matched by name) that the transform was fitted on; a missing "y" stays missing.
 * FM_ERROR_SHAPE shows both; a class unknown to the transform is an FM_ERROR_ARGUMENT. */
FM_API fm_status fm_dataset_transform(fm_context *context, const fm_dataset *dataset,
                                      const fm_transform *transform, fm_dataset **prepared);

/* What goes in and what comes out: count is 0, name and origin are "". field_count is 1 when it was
 * fitted without "y". Valid as long as the transform. */
FM_API const fm_dataset_info *fm_transform_input(const fm_transform *transform);
FM_API const fm_dataset_info *fm_transform_output(const fm_transform *transform);

/* count rows of "y" from the model's unit back to the user's, in place;
 * classes stay as they are. */
FM_API void fm_transform_restore(const fm_transform *transform, float *values, int64_t count);
/* count samples of "x" without categories, back to the numbers that the data has, in place. */
FM_API void fm_transform_restore_x(const fm_transform *transform, float *values, int64_t count);

/* ---- Loader --------------------------------------------------------------------------------- */

/*  batch_size  samples in a batch, a multiple of the data set's group. Default 32
 *  shuffle     a new order for each (seed, epoch)
 *  drop_last   leave out the last batch when it is smaller
 *  by_length   with buckets: samples of one together, unshuffled ones too, short ones first
 *  one_length  as if the data had no buckets
 *  seed        of the order and of sources that augment
 *  workers     threads that gather ahead; 0: the caller's, within fm_loader_next
 *  prefetch    batches that may be ready ahead. Default: 2 for each worker,
 *              no use without workers */
typedef struct fm_loader_options {
    int64_t batch_size;
    bool shuffle, drop_last, by_length, one_length;
    int64_t seed;
    int64_t workers, prefetch;
} fm_loader_options;

FM_API extern const fm_field fm_loader_fields[];

/* Valid until the next call of next, begin or destroy. */
typedef struct fm_batch {
    int64_t epoch, index;                   /* batch `index` of the epoch, from 0 */
    int64_t count;                          /* samples; 0: the epoch is over */
    const void *x, *y;                      /* fields[0] and fields[1]; y is NULL without one */
    const void *fields[FM_MAX_DATA_FIELDS]; /* aligned to 64 bytes, always batch_size samples
                                               long: zeros follow the last sample */
    const uint32_t *indices;                /* the samples' positions in the data set */
    int64_t length;                         /* steps of "x": a bucket; 0: as the data set says */
} fm_batch;

/* Allocates the order, the ring of batches and the threads: later calls allocate nothing.
 * FM_ERROR_ARGUMENT when there is no batch at all: of an empty set, or by drop_last. Of a set with
 * buckets, shuffled or by_length, each sample goes to the smallest bucket that holds it and whole
 * batches are cut out of each; what is left over is put in front of the next longer bucket's
 * samples, so that only the last batch of all may be smaller. Shuffling also draws the order of the
 * whole batches. Unshuffled and not by_length samples keep their order, and a batch has the bucket
 * of its longest sample. */
FM_API fm_status fm_loader_create(fm_context *context, const fm_dataset *dataset,
                                  const fm_loader_options *options, fm_loader **loader);
/* Joins the workers; at any moment. */
FM_API void fm_loader_destroy(fm_loader *loader);

/* Batches of an epoch, with the last partial one unless dropped. */
FM_API int64_t fm_loader_batches(const fm_loader *loader);

/* The kinds of batches that every epoch has: i from 0, whole ones first and short ones before long
 * ones; batches is 0 behind the last. */
typedef struct fm_batch_form {
    int64_t count, length; /* as in fm_batch */
    int64_t batches;       /* that an epoch has of this form */
} fm_batch_form;
enum { FM_MAX_BATCH_FORMS = FM_MAX_LIST + 1 };
FM_API fm_batch_form fm_loader_form(const fm_loader *loader, int i);

/* Starts an epoch at a batch (not 0 after a resume); at any moment. */
FM_API fm_status fm_loader_begin(fm_loader *loader, int64_t epoch, int64_t first_batch);

/* The next batch, the same for any number of workers. After the last one: FM_OK and count 0.
 * A source's failure arrives here with its words, at the batch that it concerns, and again at each
 * further call until begin. */
FM_API fm_status fm_loader_next(fm_loader *loader, fm_batch *batch);

/* Seconds since begin that the caller of next spent on batches that were not ready: it waited for a
 * worker, or gathered them itself. */
FM_API double fm_loader_waited(const fm_loader *loader);

/* ---- Sets by name --------------------------------------------------------------------------- */

/* Where files are looked for. The library does not read the environment: the program fills this
 * from --data, $FATHOM_DATA and the XDG folders.
 *  folders     in this order, ends with NULL; NULL: the current folder only. A relative name is
 *              looked for in each, then its last part in each, one folder deeper, in the current
 *              folder
 *  cache       where a download is put and found again; NULL: no download
 *  url         instead of the set's own address; NULL: the built-in table
 *  from        where files can be had: words that an error adds when one is not found; may be NULL
 *  progress    total is -1 while unknown; false stops the download with FM_ERROR_CANCELLED */
typedef struct fm_data_places {
    const char *const *folders;
    const char *cache;
    const char *url;
    const char *from;
    bool (*progress)(void *user, const char *file, int64_t received, int64_t total);
    void *progress_user;
} fm_data_places;

/* One record describes a set: `fathom show datasets` prints the table, a recipe's `data` section is
 * read through its fields. */
typedef struct fm_dataset_record {
    const char *name;       /* "strokes", "mnist", "csv" */
    const char *doc;        /* one line without a full stop */
    const char *license;    /* of the data; NULL: the user's own files */
    const fm_field *fields; /* of the options struct */
    size_t options_size;
    /* *test becomes NULL when the set has no test part of its own. */
    fm_status (*open)(fm_context *context, const void *options, const fm_data_places *places,
                      fm_dataset **train, fm_dataset **test);
} fm_dataset_record;

/* All of them; those of fathom/data_files.h only when they are built in. Ends with name NULL. */
FM_API const fm_dataset_record *fm_dataset_records(void);
/* FM_ERROR_NOT_FOUND suggests the nearest name. */
FM_API fm_status fm_dataset_record_find(fm_context *context, const char *name,
                                        const fm_dataset_record **record);

#ifdef __cplusplus
}
#endif
#endif
