/* How long the samples of a set are, and how many steps their batches take. */
#ifndef FM_DATA_SAMPLE_LENGTHS_H
#define FM_DATA_SAMPLE_LENGTHS_H

#include "fathom/data.h"

enum { FM_BUCKETS_TEXT = 256 }; /* room for either text */

typedef struct fm_sample_lengths {
    int64_t longest; /* the first dimension of "x" */
    double mean;     /* steps of a sample that are no padding */
    double taken;    /* steps of a sample in its batch, in the mean */
} fm_sample_lengths;

/* For shuffled batches of batch_size. "x" has a dimension of time, and there are samples. */
fm_status fm_sample_lengths_of(fm_context *context, const fm_dataset *dataset, int64_t batch_size,
                               fm_sample_lengths *lengths);

/* "31.2 for a sample, which has 25.1 in the mean; 69% fewer than 100 throughout" */
const char *fm_sample_lengths_text(const fm_sample_lengths *lengths, char text[FM_BUCKETS_TEXT]);
/* "14, 27 and 100" */
const char *fm_buckets_text(const fm_ints *buckets, char text[FM_BUCKETS_TEXT]);

#endif
