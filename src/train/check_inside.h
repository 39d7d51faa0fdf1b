/* What the files of fm_check share: the report on its way, and what was seen of each part. */
#ifndef FM_TRAIN_CHECK_INSIDE_H
#define FM_TRAIN_CHECK_INSIDE_H

#include "base/memory.h"
#include "data/dataset.h"
#include "fathom/check.h"

enum { FM_CHECK_PARTS = 3, FM_CHECK_TRAIN = 0, FM_CHECK_TEST = 2 };

typedef struct fm_check_column {
    double minimum, maximum, sum, squares; /* of finite values */
    int64_t count, nan, infinite;
    int64_t first_bad; /* the sample of the first NaN or infinity */
} fm_check_column;

/* A sample's "x" and "y" as hashes. */
typedef struct fm_check_print {
    uint64_t x, y;
    int64_t sample;
} fm_check_print;

typedef struct fm_check_part {
    const char *name; /* "training", "validation", "test" */
    const fm_dataset *prepared, *raw;
    int64_t seen, broken;
    const char *broken_words; /* of the first sample that could not be read */
    fm_check_column *x, *y;   /* of the prepared fields */
    int64_t x_columns, y_columns;
    fm_check_column *raw_x; /* NULL: not looked at */
    int64_t raw_columns;
    int64_t *classes; /* samples (or elements) of each class; NULL: no classes */
    int64_t outside, first_outside;
    double outside_label;
    fm_check_print *prints;
    int64_t print_count;
} fm_check_part;

typedef struct fm_checking {
    fm_context *context;
    fm_arena arena; /* of what is seen */
    const fm_check_input *input;
    fm_check_options options;
    struct fm_check_record *record;
    fm_check_part parts[FM_CHECK_PARTS];
    const fm_column *class_column; /* of "y" as it is in the data; NULL: no classes */
    int64_t class_count;           /* that labels may have: the model's, else the data's; 0: none */
    bool y_is_made;                /* "y" is the sample's number: nothing to look at */
    bool labels_unused;            /* "y" as it is in the data is not what the model is to say */
} fm_checking;

/* A report that grows; fm_check_report_destroy frees it. */
typedef struct fm_check_record {
    fm_check_report report; /* first: what the user holds */
    fm_context *context;
    fm_arena arena;
    fm_finding *findings;
    size_t capacity;
} fm_check_record;

fm_status fm_check_record_create(fm_context *context, fm_check_record **record);
/* `words` is "found\nadvice", made as by printf; the advice may be absent. */
__attribute__((format(printf, 4, 5))) fm_status fm_check_add(fm_check_record *record,
                                                             fm_finding_level level,
                                                             fm_check_kind check, const char *words,
                                                             ...);
/* Errors first; counts them. */
void fm_check_record_finish(fm_check_record *record);

/* All that fm_check does, into a record. */
fm_status fm_check_into(fm_check_record *record, const fm_check_input *input,
                        const fm_check_options *options);

/* Reads every sample that is to be looked at, and fills the part in. */
fm_status fm_check_see_part(fm_checking *checking, fm_check_part *part);

/* Each reads what was seen and adds findings. */
fm_status fm_check_numbers(fm_checking *checking); /* files, numbers, missing, constant, scale */
fm_status fm_check_labels(fm_checking *checking);  /* labels, balance, unseen */
fm_status fm_check_duplicates(fm_checking *checking);
fm_status fm_check_lengths(fm_checking *checking);
fm_status fm_check_run(fm_checking *checking); /* steps, time, memory */

#endif
