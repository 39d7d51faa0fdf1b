/* Drawing a token from a row of predictions. */
#ifndef FM_TRAIN_SAMPLING_H
#define FM_TRAIN_SAMPLING_H

#include "base/context.h"
#include "fathom/tensor.h"

typedef struct fm_candidate {
    double score;
    int32_t token;
} fm_candidate;

/* Of the tokens from `first` to before `end`. Memory for a row: drawing allocates nothing. */
typedef struct fm_sampler {
    fm_context *context;
    int64_t first, end;
    fm_candidate *candidates;
} fm_sampler;

/* temperature 0: the most probable one. top_k 0, top_p 0 or 1: all. */
typedef struct fm_sampling {
    double temperature;
    int64_t top_k;
    double top_p;
} fm_sampling;

fm_status fm_sampler_open(fm_context *context, int64_t first, int64_t end, fm_sampler *sampler);
void fm_sampler_close(fm_sampler *sampler);

/* A row of logits, or of probabilities, f32 or f64. FM_ERROR_NONFINITE, without words:
 * it has a NaN. */
fm_status fm_sampler_load(fm_sampler *sampler, const void *row, fm_dtype dtype, bool probabilities);

/* uniform in [0, 1). Uses the row up. */
int32_t fm_sample(fm_sampler *sampler, const fm_sampling *how, double uniform);

#endif
