/* fathom/train.h: models: fit, evaluate, predict. Their files are model_file.h.
 *
 *     fm_model_create(context, &(fm_model_options){.build = digits,
 *                                                  .input_shape = FM_SHAPE(28, 28),
 *                                                  .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
 *                                                  .optimizer = {FM_ADAM},
 *                                                  .metrics = {{.metric = FM_ACCURACY}},
 *                                                  .metric_count = 1}, &model);
 *     fm_fit(model, train, &(fm_fit_options){.epochs = 10, .validation_split = 0.1});
 *     fm_evaluate(model, test, NULL, &scores);            scores.loss, scores.metrics[0]
 *
 * Invariants
 *  - A model is a function that builds a graph, and the store of its variables. Programs are
 *    compiled for each mode and batch size at first use and kept; the last, smaller batch of an
 *    epoch has its own. A step allocates nothing.
 *  - Data with buckets (data.h) have batches of several lengths, each with a program of its own;
 *    all share the variables. A model whose variables or output depend on the length, and one that
 *    carries states from batch to batch, are refused.
 *  - Data sets are prepared ones (fm_dataset_transform): "x" has the model's input_shape and
 *    input_dtype, "y" what the loss wants (fm_model_label); else FM_ERROR_SHAPE with both.
 *  - Nothing is printed: progress arrives in callbacks.
 *  - Same seed, same bits. A run that was killed and resumed from its last checkpoint ends with the
 *    same bits, history included, as one that was not; seconds alone differ.
 *  - With an optimizer's ema_momentum, evaluating and predicting use the averaged weights.
 *  - May be NULL: options and what is in them (but `build`), `dtype`, `loss` of a step.
 */
#ifndef FATHOM_TRAIN_H
#define FATHOM_TRAIN_H

#include "fathom/callback.h"
#include "fathom/data.h"
#include "fathom/loss.h"
#include "fathom/metric.h"
#include "fathom/optimizer.h"
#include "fathom/privacy.h"
#include "fathom/program.h"
#include "fathom/schedule.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- model ----------------------------------------------------------------------------------- */

enum {
    FM_MAX_METRICS = 16,
    FM_ACCURACY = -1 /* as fm_metric_options.metric: the accuracy that suits the loss */
};

/*  build          from the batch x, (batch, input_shape...), to the prediction, (batch, ...).
 *                 Called with `argument` once for each program; the same layers each time
 *  input_shape    of one sample
 *  input_dtype    of the data's "x"; default f32
 *  dtype          of weights and activations, as fm_graph_options
 *  loss           fm_loss_kind, with its options; the class weights are copied
 *  metrics        metric_count of them; names must differ. from_probabilities is taken from the
 *                 loss, too. What layers tell (fm_add_metric) joins them, behind these
 *  schedule       of the optimizer's learning rate; zero is constant
 *  seed           of initial values, dropout, and the order of the data
 *  freeze         patterns of variables that are not trained, as fm_graph_options.freeze; copied.
 *                 One that matches no variable is FM_ERROR_ARGUMENT
 *  memory         bytes that a training step's activations, gradients and scratch may take, as
 *                 fm_program_options.memory; 0: no limit
 *  precision      fm_precision of a training step's products: FM_PRECISION_BF16 rounds their
 *                 operands, while weights, the optimizer's numbers, sums and files stay f32.
 *                 Evaluating and predicting follow `program`
 *  program        how to compile; NULL: the defaults; copied
 *  privacy        train by DP-SGD (privacy.h); NULL: don't; copied. Layers that mix examples or
 *                 keep statistics of them are FM_ERROR_ARGUMENT */
typedef struct fm_model_options {
    fm_val (*build)(fm_graph *graph, fm_val x, void *argument);
    void *argument;
    fm_shape input_shape;
    fm_dtype input_dtype;
    fm_dtype dtype;
    int loss;
    fm_loss_options loss_options;
    fm_metric_options metrics[FM_MAX_METRICS];
    int metric_count;
    fm_optimizer optimizer;
    fm_schedule schedule;
    int64_t seed;
    const char *freeze;
    int64_t memory;
    int precision;
    const fm_program_options *program;
    const fm_privacy_options *privacy;
} fm_model_options;

typedef struct fm_model fm_model;

/* Builds the graph once, so that its mistakes are found here. */
FM_API fm_status fm_model_create(fm_context *context, const fm_model_options *options,
                                 fm_model **model);
FM_API void fm_model_destroy(fm_model *model);

/* The precision in which products are computed while evaluating and predicting, instead of the one
 * of fm_model_options.program. The programs for that which the model has kept are gone. */
FM_API void fm_model_set_precision(fm_model *model, fm_precision precision);

FM_API fm_context *fm_model_context(const fm_model *model);
/* Variables, seed and step. All variables are there once a program was made or a file loaded. */
FM_API fm_store *fm_model_store(const fm_model *model);

/* Of one sample. */
FM_API fm_shape fm_model_input(const fm_model *model, fm_dtype *dtype);
FM_API fm_shape fm_model_output(const fm_model *model, fm_dtype *dtype);
FM_API fm_shape fm_model_label(const fm_model *model, fm_dtype *dtype);

FM_API int fm_model_metric_count(const fm_model *model);
FM_API const char *fm_model_metric_name(const fm_model *model, int i);
/* As the last fm_evaluate left it: for confusion matrices. NULL outside of the range. */
FM_API const fm_metric *fm_model_metric(const fm_model *model, int i);

/* The graph of a mode and batch size with everything fit puts into it: inputs "x", "y" and
 * "learning_rate", outputs "prediction" and "loss", for FM_PREDICT also "probabilities" where the
 * loss takes logits. The caller destroys it. Of private training FM_TRAIN is the graph that adds
 * clipped gradients to sums; the update is another one. */
FM_API fm_status fm_model_graph(fm_model *model, fm_mode mode, int64_t batch_size,
                                fm_graph **graph);
/* Its program, compiled at first use; the model keeps it. */
FM_API fm_status fm_model_program(fm_model *model, fm_mode mode, int64_t batch_size,
                                  fm_program **program);

/* The samples that a program of FM_TRAIN takes at once for batches of batch_size: so many, but for
 * private training, whose batches come in pieces of privacy.physical_batch_size. */
FM_API int64_t fm_model_step_batch(const fm_model *model, int64_t batch_size);

/* A program for samples (time, ...) that come in pieces of `length` steps, batch sequences side by
 * side: each run reads "x", (batch, length, ...), and goes on where the last one ended, for at most
 * stream_length steps; fm_program_reset begins anew. Outputs as of FM_PREDICT. Generating text
 * takes length 1. FM_ERROR_UNSUPPORTED from a layer that needs the whole sequence. Variables are
 * the model's; the caller destroys it before the model. */
FM_API fm_status fm_model_stream(fm_model *model, int64_t batch, int64_t length,
                                 int64_t stream_length, fm_program **program);
/* What stateful layers carry from batch to batch is as at the beginning, in this mode's programs.
 * fit does it before each epoch, evaluate and predict before their first batch. */
FM_API fm_status fm_model_reset(fm_model *model, fm_mode mode);

/* The rate that the schedule gives to the next step. steps_per_epoch is read by schedules that
 * count epochs; the plateau's reductions are not in it. */
FM_API double fm_model_rate(const fm_model *model, double steps_per_epoch);

/* ---- one step: for loops of your own --------------------------------------------------------- */

/* Forward, backward, update on batch->x, ->y, ->count, with this learning rate. *loss (may be NULL)
 * is the batch's, of before the update. Memory aligned to 64 bytes is read in place (a loader's
 * batch is), other memory is copied. Fails only while the program for a new size is compiled. Of a
 * private model (privacy.h) the step is accounted for with the sample_rate of the last fit, without
 * one with 1: nobody knows how the batch was drawn; target_epsilon needs a fit. */
FM_API fm_status fm_train_step(fm_model *model, const fm_batch *batch, double learning_rate,
                               double *loss);
/* Loss without an update, as in fm_evaluate. */
FM_API fm_status fm_evaluate_step(fm_model *model, const fm_batch *batch, double *loss);
/* The prediction of the last step of this size and mode, (count, output...), valid until the next
 * one; NULL before it. */
FM_API const void *fm_step_prediction(const fm_model *model, fm_mode mode, int64_t count);

/* ---- evaluate, predict ----------------------------------------------------------------------- */

/* Loss and metrics over a set of samples: means over samples, not over batches. metrics[i] belongs
 * to fm_model_metric_name(model, i). Without samples all are NaN. */
typedef struct fm_scores {
    double loss;
    double metrics[FM_MAX_METRICS];
    int64_t samples;
} fm_scores;

/*  batch_size  default 32; results do not depend on it beyond rounding. Sequences side by side
 *              (fm_dataset_info.rows) are read in batches of their number
 *  workers     threads that read batches ahead. Default: as many as compute, at most 4, where
 *              reading is costly (fm_dataset_info) and there are several batches, else none;
 *              FM_NO_WORKERS: none
 *  prefetch    as fm_loader_options */
enum { FM_NO_WORKERS = -1 };

typedef struct fm_evaluate_options {
    int64_t batch_size;
    int64_t workers, prefetch;
} fm_evaluate_options;

FM_API extern const fm_field fm_evaluate_fields[];

/* options may be NULL. */
FM_API fm_status fm_evaluate(fm_model *model, const fm_dataset *data,
                             const fm_evaluate_options *options, fm_scores *scores);

/*  probabilities  softmax or sigmoid of the prediction, where the loss takes logits */
typedef struct fm_predict_options {
    int64_t batch_size;        /* default 32 */
    int64_t workers, prefetch; /* as fm_evaluate_options */
    bool probabilities;
} fm_predict_options;

/* For each sample in order one prediction, fm_model_output's shape and dtype, into the caller's
 * memory. "y" of the data is not looked at. options may be NULL. */
FM_API fm_status fm_predict(fm_model *model, const fm_dataset *data,
                            const fm_predict_options *options, void *predictions);
/* The same for samples in memory. */
FM_API fm_status fm_predict_samples(fm_model *model, const void *samples, int64_t count,
                                    const fm_predict_options *options, void *predictions);

/* ---- history --------------------------------------------------------------------------------- */

typedef struct fm_epoch {
    int64_t epoch;               /* from 0 */
    fm_scores train, validation; /* train: while it learned (Keras). validation.samples is 0 and
                                    its scores NaN without validation data */
    double learning_rate;        /* of the last step */
    double seconds;              /* of training and validation */
    double data_wait;            /* of them, steps waited for data (fm_loader_waited); NaN of
                                    epochs from an older file */
    double epsilon;              /* spent by now (privacy.h); NaN of training that is not private */
} fm_epoch;

typedef enum fm_stop {
    FM_STOP_NONE,   /* still at it, or a failure */
    FM_STOP_EPOCHS, /* all are done */
    FM_STOP_EARLY,  /* early stopping */
    FM_STOP_TIME,   /* the time limit */
    FM_STOP_CALLBACK
} fm_stop;

typedef struct fm_history {
    int64_t count;
    const fm_epoch *epochs;
    fm_stop stop;
    int64_t best_epoch; /* of the last early stopping or checkpoint of the best, -1 without; whose
                           variables the model has, where early stopping restored them */
} fm_history;

/* Of the last fm_fit, of a resumed run from its beginning; valid until the next fit or load. */
FM_API const fm_history *fm_model_history(const fm_model *model);

/* A value of an epoch by name: "loss", "accuracy", "val_loss", "val_accuracy" (metrics by name),
 * "learning_rate", "seconds", "data_wait", "epsilon" of private training. False: there is none. */
FM_API bool fm_epoch_value(const fm_model *model, const fm_epoch *epoch, const char *name,
                           double *value);

/* The history as CSV with a header of those names; numbers read back to the same bits. */
FM_API fm_status fm_history_write_csv(const fm_model *model, const char *path);

/* ---- fit ------------------------------------------------------------------------------------- */

/*  epochs            the number of the last one plus 1, as Keras counts; default 1
 *  batch_size        default 32; above the number of samples, and without drop_last: all of them
 *  validation_split  this share from the end of the data, taken before shuffling (Keras)
 *  validation        or this set; borrowed
 *  no_shuffle        the data's own order in each epoch; so are sequences side by side
 *                    (fm_dataset_info.rows) in any case, and batch_size is their number. With
 *                    buckets a batch has the length of its longest sample
 *  drop_last         no smaller last batch
 *  seed              of the order; default: the model's
 *  workers           as fm_evaluate_options, for training and for validation
 *  prefetch          as fm_loader_options
 *  initial_epoch     where counting begins
 *  resume            go on where the loaded file (or the last fit, stopped by a callback) was:
 *                    epoch, batch, sums, history, callbacks. In the middle of an epoch, data,
 *                    batch_size, seed and shuffling must be the same: FM_ERROR_ARGUMENT
 *  ignore_nonfinite  go on when the loss is NaN or infinite. Otherwise FM_ERROR_NONFINITE: the
 *                    message names epoch, batch and the first layer and op that made one, and the
 *                    variables are those of before that step. (They are copied every 1000 steps;
 *                    the steps since then are run again with every value checked. A file saved
 *                    then has no place in training: a resumed run goes on from a checkpoint.)
 *  gradients_every   steps between two measurements of the layers' gradients (gradients.h), counted
 *                    from the run's first; FM_EACH_EPOCH: the first step of each epoch; 0: none. A
 *                    smaller last batch is not measured; of data with buckets the next batch of the
 *                    commonest length is
 *  health            keep each layer's norms of gradient and weights, and its outputs' mean,
 *                    deviation and share of zeros, at the first step of each epoch
 *                    (fm_model_health), which costs about a step more. Not with a budget of memory,
 *                    which that program might exceed, and not with privacy
 *  time_limit        seconds; the step that passes it is the last
 *  csv               this file holds fm_history_write_csv after each epoch
 *  tensorboard       folder for an event file (event_file.h): scalars and histograms of weights and
 *                    gradients by epoch, the graph, training images, the recipe and its numbers.
 *                    Sets gradients_every to FM_EACH_EPOCH where it is 0
 *  timeline          file of what took how long, thread by thread, in Chrome's trace event format
 *                    (chrome://tracing, ui.perfetto.dev): steps, of three of them the ops, waiting
 *                    for data, callbacks, validation; what each of the loader's threads decodes,
 *                    augments and collates. Written at the end of a fit that did not fail. It has
 *                    room for 200,000 events, ops and single samples for half of that: what it left
 *                    out is logged
 *  checkpoint, csv, timeline  files that cannot be written, and two of one name, are refused before
 *                    the first step, without a trace of them
 *  callbacks         called in order, behind plateau and early stopping, before csv,
 *                    tensorboard and checkpoint */
enum { FM_EACH_EPOCH = -1 };

typedef struct fm_fit_options {
    int64_t epochs, batch_size;
    double validation_split;
    const fm_dataset *validation;
    bool no_shuffle, drop_last;
    int64_t seed;
    int64_t workers, prefetch;
    int64_t initial_epoch;
    bool resume, ignore_nonfinite, health;
    int64_t gradients_every;
    double time_limit;
    const fm_early_stopping *early_stopping;
    const fm_reduce_on_plateau *reduce_on_plateau;
    const fm_checkpoint *checkpoint;
    const char *csv, *tensorboard, *timeline;
    const fm_callback *callbacks;
    int callback_count;
} fm_fit_options;

/* Its numbers and switches, as a recipe's `train` section has them: epochs, batch_size,
 * validation_split, shuffle, drop_last, seed, workers, prefetch, time_limit, ... */
FM_API extern const fm_field fm_fit_fields[];

/* options may be NULL. A label that the loss has no meaning for (no class of the model's, outside
 * of [0, 1] for cross-entropies and divergence, of [-1, 1] for hinge) is FM_ERROR_ARGUMENT with its
 * file and line, or its sample, when the first epoch comes to it; so it is in fm_evaluate. */
FM_API fm_status fm_fit(fm_model *model, const fm_dataset *data, const fm_fit_options *options);

#ifdef __cplusplus
}
#endif
#endif
