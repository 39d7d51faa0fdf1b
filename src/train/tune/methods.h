/* How a method hands out epochs (brackets) and where its trials' values come from. */
#ifndef FM_TRAIN_TUNE_METHODS_H
#define FM_TRAIN_TUNE_METHODS_H

#include "fathom/tune.h"

typedef enum fm_proposals { FM_SAMPLE_GRID, FM_SAMPLE_RANDOM, FM_SAMPLE_PARZEN } fm_proposals;

/*  pass       brackets until they begin anew
 *  bracket    of the pass, from 0
 *  repeats    without a budget, for ever; else it ends after one pass */
typedef struct fm_method {
    fm_search_record record;
    fm_proposals sampler;
    int64_t (*pass)(const fm_search_options *options);
    void (*bracket)(const fm_search_options *options, int64_t index, fm_bracket *bracket);
    bool repeats;
} fm_method;

/* options->method must be a known one. */
const fm_method *fm_method_of(const fm_search_options *options);
/* Every zero becomes its default; FM_ERROR_ARGUMENT for what makes no sense. */
fm_status fm_search_options_complete(fm_context *context, fm_search_options *options);

#endif
