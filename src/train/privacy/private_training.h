/* Private training of a model: its programs, its key, what it has spent. */
#ifndef FM_TRAIN_PRIVATE_TRAINING_H
#define FM_TRAIN_PRIVATE_TRAINING_H

#include "base/secret.h"
#include "train/model.h"

/* A step is begin, add for each piece of the batch, end. */
struct fm_private {
    fm_privacy_options options; /* complete; noise_multiplier may be of target_epsilon */
    int64_t chunk;              /* examples in a run: physical_batch_size, chosen */
    fm_compiled *sum, *update;  /* NULL until they are needed; sum is the model's */
    fm_secret secret;
    bool has_secret;
    bool unfinished; /* the sums hold a step that failed */
    int64_t runs;    /* of the step that is being made */

    /* the plan, and what was spent; a model's file keeps these */
    double sample_rate, expected_batch, noise_multiplier;
    double planned_epsilon, planned_delta; /* 0 without a target */
    int64_t planned_steps, made_steps;     /* of the whole training; of it, so far */
    fm_privacy_loss spent;

    fm_privacy_loss step; /* what a step of this plan costs */
};

/* Checks options and model, chooses the chunk. For fm_model_create; the model owns the result. */
fm_status fm_private_create(fm_model *model, const fm_privacy_options *options);
void fm_private_destroy(fm_model *model);

/* Builds both graphs of a step: for the sums of `examples` at once, and for the update. */
fm_status fm_private_sum_graph(const fm_model *model, int64_t examples, fm_graph **graph);
fm_status fm_private_update_graph(const fm_model *model, fm_graph **graph);

/* Before the first step: `samples` examples, batches of `batch_size` on average, `epochs` in all,
 * of which `done_steps` steps were made. Finds the noise for target_epsilon. */
fm_status fm_private_plan_run(fm_model *model, int64_t samples, int64_t batch_size, int64_t epochs,
                              int64_t done_steps);
/* Steps of an epoch: samples / batch_size, rounded down, at least 1. */
int64_t fm_private_epoch_steps(int64_t samples, int64_t batch_size);

/* Examples that are best read at once. */
int64_t fm_private_piece(const fm_model *model);

/* Draws a key, if there is none, and compiles. */
fm_status fm_private_open(fm_model *model);
fm_status fm_private_begin(fm_model *model);
/* Adds the losses of `count` examples to *loss_sum; metrics as in fm_compiled_measure,
 * may be NULL. */
fm_status fm_private_add(fm_model *model, const void *x, const void *y, int64_t count,
                         fm_metric *const *metrics, double *loss_sum);
/* fm_train_step of a private model. */
fm_status fm_private_train_step(fm_model *model, const fm_batch *batch, double rate, double *loss);
/* Noise, update; the step is spent. */
fm_status fm_private_end(fm_model *model, double rate);

/* What was spent so far at target_delta; NaN of a model that is not private. */
double fm_private_epsilon(const fm_model *model);

#endif
