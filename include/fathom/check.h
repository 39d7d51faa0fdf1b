/* fathom/check.h: what can be seen of a training before it: mistakes in the data, a model that does
 * not fit it, and what a run will take.
 *
 *     fm_recipe_check(recipe, &places, NULL, &report);
 *     for (int i = 0; i < report->count; i++) puts(report->findings[i].found);
 *     if (report->errors == 0) ...                          nothing that training would fail on
 *
 * Invariants
 *  - Nothing is written. The model that is asked for a few steps is trained by them:
 *    make another one for use.
 *  - A finding is a sentence with figures and, where something can be done, what. Findings do not
 *    make a call fail: a status other than FM_OK says that looking itself failed (memory).
 *  - The same data and seed give the same findings; times alone differ.
 *  - May be NULL: options, and of the input all but prepared[0].
 */
#ifndef FATHOM_CHECK_H
#define FATHOM_CHECK_H

#include "fathom/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fm_finding_level {
    FM_FINDING_NOTE,    /* worth knowing */
    FM_FINDING_WARNING, /* training runs, and what comes out is likely worse than it could be */
    FM_FINDING_ERROR    /* training fails, or its figures mean nothing */
} fm_finding_level;

/* What is looked at. */
typedef enum fm_check_kind {
    FM_CHECK_DATA,       /* the data can be opened, split and prepared */
    FM_CHECK_MODEL,      /* the model can be built, and fits the data */
    FM_CHECK_FILES,      /* every sample can be read */
    FM_CHECK_NUMBERS,    /* no NaN, no infinity reaches the model */
    FM_CHECK_MISSING,    /* how much of a column is missing in the raw data */
    FM_CHECK_CONSTANT,   /* columns that say nothing */
    FM_CHECK_SCALE,      /* inputs and targets are of a size that networks learn from */
    FM_CHECK_LABELS,     /* labels are among those that the last layer and the loss know */
    FM_CHECK_BALANCE,    /* classes have comparable numbers of samples */
    FM_CHECK_UNSEEN,     /* what is tested was seen in training */
    FM_CHECK_DUPLICATES, /* no test sample is a training sample; no sample has two labels */
    FM_CHECK_LENGTHS,    /* how much of texts is padding, and whether the model reads it */
    FM_CHECK_STEPS,      /* the loss of a few steps stays finite and does not grow */
    FM_CHECK_MEMORY,     /* training fits into what the caller says is free */
    FM_CHECK_COUNT
} fm_check_kind;

/* "data", "model", "files", ... NULL outside of the enum. */
FM_API const char *fm_check_name(int kind);

typedef struct fm_finding {
    fm_finding_level level;
    fm_check_kind check;
    const char *found;  /* a sentence without a full stop */
    const char *advice; /* what to do about it; "": nothing */
} fm_finding;

/*  done            which checks were made: those without findings have passed
 *  samples         of train, validation and test
 *  batch_size, epochs, steps_per_epoch   of the run that was asked about
 *  steps           that were made, none where memory is too small; losses of the first and last
 *  step_seconds    of a training step with its data, after the first ones
 *  epoch_seconds   with validation; run_seconds: all epochs. NaN without a model
 *  memory          bytes of weights, optimizer state, activations, gradients, scratch, the batch */
typedef struct fm_check_report {
    int count, errors, warnings;
    const fm_finding *findings; /* errors first, then warnings, notes */
    bool done[FM_CHECK_COUNT];
    int64_t samples[3];
    int64_t batch_size, epochs, steps_per_epoch;
    int64_t steps;
    double first_loss, last_loss;
    double step_seconds, epoch_seconds, run_seconds;
    size_t memory;
} fm_check_report;

/*  limit         samples of each part that are looked at, evenly spread. Default: all
 *  steps         training steps that are made. Default 20
 *  seconds       after which no further step is made (3 are in any case). Default 10
 *  free_memory   bytes; 0: not compared */
typedef struct fm_check_options {
    int64_t limit, steps;
    double seconds, free_memory;
} fm_check_options;

/* Prepared sets as fit takes them, and the sets they were made from (`raw`, before augmentation;
 * NULL: missing values and duplicates are not looked for). Parts 0, 1, 2 are train, validation,
 * test; NULL where there is none, but for train. transform tells names of classes and columns; may
 * be NULL. model: NULL without one. fit: batch_size, epochs, seed, shuffling, workers are read; may
 * be NULL. */
typedef struct fm_check_input {
    const fm_dataset *prepared[3], *raw[3];
    const fm_transform *transform;
    fm_model *model;
    const fm_fit_options *fit;
} fm_check_input;

/* options may be NULL. */
FM_API fm_status fm_check(fm_context *context, const fm_check_input *input,
                          const fm_check_options *options, fm_check_report **report);
FM_API void fm_check_report_destroy(fm_check_report *report);

#ifdef __cplusplus
}
#endif
#endif
