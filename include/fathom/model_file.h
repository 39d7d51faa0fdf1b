/* fathom/model_file.h: what models are kept in.
 *
 *     fm_model_save(model, "digits.safetensors", NULL);
 *     fm_model_load(model, "digits.safetensors", NULL);     another one of the same build function
 *
 * Invariants
 *  - One safetensors file: variables by path (optimizer slots too), and in its metadata the
 *    format's version, step, epoch, batch, seed and the notes. Names that begin with '@' are fit's
 *    own state (history, sums of an unfinished epoch, callbacks, the best variables).
 *  - A file appears under its name only when it is complete. One that is read is trusted in
 *    nothing: what is cut off, damaged or does not fit is an error that names file and tensor.
 *  - Built with FATHOM_FILES; without it all of these are FM_ERROR_UNSUPPORTED,
 *    but for the notes of a model.
 *  - May be NULL: options, `skip`, the text of a note.
 */
#ifndef FATHOM_MODEL_FILE_H
#define FATHOM_MODEL_FILE_H

#include "fathom/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Words that travel with the model's files, replaced when the key is there; NULL removes. The
 * program keeps "recipe", "transform" (JSON) and "classes" here. Keys must not begin with
 * "fathom.". */
FM_API fm_status fm_model_set_note(fm_model *model, const char *key, const char *text);
/* NULL when absent; valid until it is set again. */
FM_API const char *fm_model_note(const fm_model *model, const char *key);

/*  weights_only   the variables of the model function alone (averages in place of the weights, with
 *                 ema_momentum), and the notes: for prediction, a third of the size with Adam */
typedef struct fm_save_options {
    bool weights_only;
} fm_save_options;

/* Appears under its name only when complete. options may be NULL. */
FM_API fm_status fm_model_save(fm_model *model, const char *path, const fm_save_options *options);

/*  weights_only   the variables of the model function (averages in place of the weights, where the
 *                 file has them); step, slots, history and notes stay
 *  partial        take what fits by path and shape, leave the rest as it is
 *  skip           patterns, as fm_graph_options.freeze: such variables of the model stay as they
 *                 are and such variables of the file are not asked for. One that matches neither is
 *                 FM_ERROR_ARGUMENT
 * A file of weights alone begins training anew: the optimizer's slots and the step are those of a
 * new model. Without `partial`, variables that are missing in the file, that the model does not
 * have, or that have another shape or dtype are one FM_ERROR_SHAPE that lists them; nothing is
 * changed then. */
typedef struct fm_load_options {
    bool weights_only;
    bool partial;
    const char *skip;
} fm_load_options;

FM_API fm_status fm_model_load(fm_model *model, const char *path, const fm_load_options *options);

/* A file looked at without a model: to read the recipe that will make one. */
typedef struct fm_model_file fm_model_file;
FM_API fm_status fm_model_file_open(fm_context *context, const char *path, fm_model_file **file);
FM_API void fm_model_file_close(fm_model_file *file);
FM_API const char *fm_model_file_note(const fm_model_file *file, const char *key);
/* Variables by index from 0 (path NULL at the end), without those that begin with '@'. */
FM_API fm_variable_info fm_model_file_variable(const fm_model_file *file, int index);
/* Where training stands: step, epoch, and batch within the epoch. */
FM_API void fm_model_file_position(const fm_model_file *file, uint64_t *step, int64_t *epoch,
                                   int64_t *batch);

#ifdef __cplusplus
}
#endif
#endif
