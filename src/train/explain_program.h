/* Programs beside the model's own that explain it: the chosen output's gradient with respect to the
 * sample, to an embedding's output, or to a layer's. */
#ifndef FM_TRAIN_EXPLAIN_PROGRAM_H
#define FM_TRAIN_EXPLAIN_PROGRAM_H

#include "base/element.h"
#include "fathom/explain.h"
#include "train/model.h"

typedef enum fm_explain_kind {
    FM_EXPLAIN_FORWARD, /* no gradient */
    FM_EXPLAIN_POINT,   /* with respect to the sample, or the embedding's output */
    FM_EXPLAIN_LAYER,   /* with respect to the output of a convolutional layer */
    FM_EXPLAIN_KINDS
} fm_explain_kind;

/* For `batch` samples at once. selected, (batch, outputs), weighs the prediction's elements; score,
 * (batch), is their sum. */
typedef struct fm_explain_program {
    fm_program *program;
    void *x, *selected;
    void *point; /* what the gradient is taken at: x, or in place of the embedding's output */
    const void *score, *gradient;
    const void *value; /* the embedding's output for x, or the layer's; NULL when the point is x */
    fm_shape shape;    /* of one gradient */
    fm_dtype dtype;    /* of point, value and gradient */
} fm_explain_program;

/* layer: FM_EXPLAIN_LAYER alone: the name, or NULL; *found is its name in `arena`. */
fm_status fm_explain_program_open(fm_model *model, fm_explain_kind kind, int64_t batch,
                                  const char *layer, fm_arena *arena, const char **found,
                                  fm_explain_program *made);
void fm_explain_program_close(fm_explain_program *made);

#endif
