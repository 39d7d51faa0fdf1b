/* What a model's file is made of, for its writer and its reader.
 *
 *   metadata   fathom.format "1"; fathom.step, fathom.epoch, fathom.batch, fathom.seed,
 *              fathom.order_seed as decimal numbers; fathom.metrics, names with '\n' between them;
 *              the notes under their own keys
 *   PATH       a variable
 *   @fit       f64 (FM_FIT_NUMBERS): the unfinished epoch's sums and what `batch` is a place in
 *   @history   f64 (epochs, fm_history_columns): a row an epoch
 *   @data_wait f64 (epochs): seconds of each that steps waited for data; older files have none
 *   @health    f64 (epochs, layers, FM_HEALTH_FIGURES), with the layers' names in fathom.layers as
 *              in fathom.metrics: where fit recorded them
 *   @callback/NAME, @metric/NAME   f64 (n): their numbers
 *   @best/PATH a variable of the best epoch, while early stopping waits
 *   @carried/PATH  what a layer carries from batch to batch, in the middle of an epoch
 *   @privacy   f64 (FM_PRIVATE_NUMBERS + FM_PRIVACY_ORDERS): the plan of private training, and what
 *              it has spent; @epsilon f64 (epochs): that of each row of the history
 *
 * A new version of this format gets a new number; readers keep reading the old ones. */
#ifndef FM_TRAIN_FILE_MODEL_FORMAT_H
#define FM_TRAIN_FILE_MODEL_FORMAT_H

#include "io/safetensors.h"
#include "train/model.h"

#include <string.h>

#define FM_FORMAT_VERSION "1"
#define FM_SLOT_PREFIX    "optimizer/"

enum {
    FM_FIT_LOSS_SUM,
    FM_FIT_SAMPLES,
    FM_FIT_SECONDS,
    FM_FIT_RATE,
    FM_FIT_RATE_FACTOR,
    FM_FIT_BATCH_SIZE,
    FM_FIT_DATA_COUNT,
    FM_FIT_SHUFFLED,
    FM_FIT_BEST_EPOCH,
    FM_FIT_NUMBERS
};

enum {
    FM_PRIVATE_RATE,
    FM_PRIVATE_NOISE,
    FM_PRIVATE_EPSILON,
    FM_PRIVATE_DELTA,
    FM_PRIVATE_PLANNED,
    FM_PRIVATE_MADE,
    FM_PRIVATE_NUMBERS
};

/* A row of the history: these, then loss and metrics of training, the same of validation. */
enum {
    FM_ROW_EPOCH,
    FM_ROW_RATE,
    FM_ROW_SECONDS,
    FM_ROW_SAMPLES,
    FM_ROW_VALIDATION_SAMPLES,
    FM_ROW_SCORES
};

static inline int64_t fm_history_columns(int64_t metrics)
{
    return FM_ROW_SCORES + 2 * (1 + metrics);
}

struct fm_model_file {
    fm_context *context;
    fm_safetensors *tensors;
};

static inline bool fm_is_slot(const char *path)
{
    return strncmp(path, FM_SLOT_PREFIX, sizeof FM_SLOT_PREFIX - 1) == 0;
}

/* A whole number of the metadata; FM_ERROR_FORMAT when it is absent or none. */
fm_status fm_model_file_number(const fm_model_file *file, const char *key, int64_t *number);

#endif
