/* A model's inside: the graph it is, its programs, and where fit stands. */
#ifndef FM_TRAIN_MODEL_H
#define FM_TRAIN_MODEL_H

#include "base/memory.h"
#include "fathom/model_file.h"
#include "fathom/train.h"
#include "train/snapshot.h"

/* As fm_metric_options.metric: a number that the graph tells (fm_add_metric);
 * behind those asked for. */
enum { FM_TOLD_METRIC = -2 };

/* A program with what a step touches. Inputs are bound when a batch lies somewhere else than the
 * last one did. */
typedef struct fm_compiled {
    fm_mode mode;
    int64_t batch;  /* samples */
    int64_t length; /* their steps, where batches may be shorter; 0: as usual */
    fm_program *program;
    void *own_x, *own_y; /* the program's own memory: for batches that are not aligned */
    const void *bound_x, *bound_y;
    size_t x_bytes, y_bytes; /* of one sample */
    void *rate;
    const void *loss, *prediction, *probabilities;
    const void *told[FM_MAX_METRICS]; /* what metric i is told, NULL for those of predictions */
    uint64_t run; /* the number of its last run among the model's, 0 before it */
} fm_compiled;

typedef struct fm_gradient_probe fm_gradient_probe;
typedef struct fm_private fm_private;

/* What fm_model_health tells (health.c). */
typedef struct fm_health_store {
    char *names; /* with '\0' behind each, and the array of where they begin */
    const char **layers;
    int layer_count;
    struct fm_layer_health *rows; /* (epochs, layers) */
    size_t capacity;
    int64_t epochs; /* with that of the epoch that is trained now */
} fm_health_store;

typedef struct fm_note {
    char *key, *text;
} fm_note;

/* A callback's numbers, kept from the end of a fit (or a file) to the next. */
typedef struct fm_kept_state {
    char *name;
    double *numbers;
    int64_t count;
} fm_kept_state;

/* Where fit stands: everything that a checkpoint holds besides the variables. */
typedef struct fm_training {
    int64_t epoch, batch; /* of the next batch */
    double loss_sum;      /* over the samples of the unfinished epoch */
    int64_t samples;
    double epoch_seconds;
    double rate, rate_factor;
    int64_t batch_size, data_count, order_seed; /* what `batch` is a position in */
    bool shuffled;
    bool lost; /* after a NaN: the variables are of another step than the sums */
    fm_epoch *epochs;
    size_t epoch_capacity;
    fm_history history;
    fm_snapshot best; /* the variables of the best epoch, for early stopping */
    fm_health_store health;
    fm_kept_state *states;
    size_t state_count, state_capacity;
    const fm_callback *const *callbacks; /* of the fit that runs now */
    int callback_count;
} fm_training;

struct fm_model {
    fm_context *context;
    fm_arena arena;
    fm_model_options options;
    fm_program_options program_options;
    fm_store *store;
    fm_graph *graph; /* FM_PREDICT for one sample: what the model is made of */
    fm_shape output, label;
    fm_dtype label_dtype;
    fm_compiled **compiled;
    size_t compiled_count, compiled_capacity;
    uint64_t runs; /* of all programs */
    fm_metric *train_metrics[FM_MAX_METRICS], *metrics[FM_MAX_METRICS];
    fm_note *notes;
    size_t note_count, note_capacity;
    fm_training training;
    fm_gradient_probe *probe; /* NULL until gradients are asked for */
    fm_private *private;      /* NULL without options.privacy */
};

/* ---- programs and steps ---- */

/* What a program is for. length as in fm_batch;
 * 0 and the first dimension of input_shape are one. */
typedef struct fm_program_form {
    fm_mode mode;
    int64_t batch, length;
} fm_program_form;

/* A sample of so many steps; 0: input_shape. */
fm_shape fm_model_sample(const fm_model *model, int64_t length);

/* The graph up to the loss ({0} for FM_PREDICT), without the optimizer. FM_ERROR_SHAPE for a length
 * of which the model has other variables, or another output, than of its input_shape. */
fm_status fm_model_loss_graph(const fm_model *model, fm_program_form form, fm_graph **graph,
                              fm_val *loss);
/* FM_OK, or the graph's mistake, and it is destroyed. */
fm_status fm_model_finish_graph(fm_graph **graph);
/* Names every variable that training has. */
fm_status fm_model_variables_graph(fm_model *model, fm_graph **graph);
/* Compiles a graph with the model's inputs and outputs. */
fm_status fm_model_compile_graph(fm_model *model, fm_program_form form, const fm_graph *graph,
                                 const fm_program_options *options, fm_compiled **compiled);
/* Compiles without keeping: `options` instead of the model's. */
fm_status fm_model_compile(fm_model *model, fm_program_form form, const fm_program_options *options,
                           fm_compiled **compiled);
void fm_compiled_destroy(fm_model *model, fm_compiled *compiled);
/* The kept one of this form, NULL before it is compiled. */
fm_compiled *fm_model_find_compiled(const fm_model *model, fm_program_form form);
/* The kept one of this form, compiled at first use. */
fm_status fm_model_compiled(fm_model *model, fm_program_form form, fm_compiled **compiled);
/* Those of all batches that the loader has, so that no step compiles. */
fm_status fm_model_compile_forms(fm_model *model, fm_mode mode, const fm_loader *loader);

/* Whether fm_model_save could write this file now. */
fm_status fm_model_check_save(const fm_model *model, const char *path);

/* It has samples, x and y. */
fm_status fm_batch_check(const fm_model *model, const fm_batch *batch);
/* Runs one batch; y and rate are read where the mode has them. */
fm_status fm_compiled_run(fm_model *model, fm_compiled *compiled, const void *x, const void *y,
                          double rate);
double fm_compiled_loss(const fm_model *model, const fm_compiled *compiled);
/* Adds the first `count` samples of the last run to metrics (fm_model_metric_count of them). */
fm_status fm_compiled_measure(const fm_model *model, const fm_compiled *compiled,
                              fm_metric *const *metrics, const void *y, int64_t count);

/* "x" and, with `labels`, "y" are what the model reads; FM_ERROR_SHAPE shows both. */
fm_status fm_model_check_data(const fm_model *model, const fm_dataset *data, bool labels);

/* The loader's threads for this data, where fm_evaluate_options.workers asks for `asked`. */
int64_t fm_model_workers(const fm_model *model, const fm_dataset *data, int64_t batch_size,
                         int64_t asked);

/* Sequences side by side (fm_dataset_info.rows) are read in batches of their number. */
fm_status fm_model_check_rows(const fm_model *model, const fm_dataset *data, int64_t batch_size);

/* Creates the variables that the model function names, without compiling anything. */
fm_status fm_model_require_variables(fm_model *model);

/* ---- evaluating ---- */

/* Averaged weights in the place of weights, and back, where the optimizer keeps them. */
fm_status fm_model_swap_averages(fm_model *model);

/* One pass of the loader. unseen: its data, whose labels are looked at; NULL: they have been. */
fm_status fm_model_evaluate_loader(fm_model *model, fm_loader *loader, const fm_dataset *unseen,
                                   fm_scores *scores);
/* loss_sum / samples and the metrics' results. */
void fm_scores_make(const fm_model *model, double loss_sum, int64_t samples,
                    fm_metric *const *metrics, fm_scores *scores);

/* Is a large value of this metric good? */
bool fm_model_larger_is_better(const fm_model *model, int metric);

/* ---- history and state ---- */

fm_status fm_training_append(fm_model *model, const fm_epoch *epoch);
/* Back to the beginning: no history, no place, no state. */
void fm_training_clear(fm_model *model);
/* Copies the callbacks' numbers of the running fit to where they are kept. */
fm_status fm_training_keep_states(fm_model *model);
fm_status fm_training_keep_state(fm_model *model, const char *name, const double *numbers,
                                 int64_t count);
/* Puts them back into a callback; FM_ERROR_FORMAT when their number differs. */
fm_status fm_training_restore_state(fm_model *model, const fm_callback *callback);

/* A number of a file as an integer; 0 for what is none that fits. */
static inline int64_t fm_whole(double number)
{
    return number > -0x1p63 && number < 0x1p63 ? (int64_t)number : 0;
}

#endif
