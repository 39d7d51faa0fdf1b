/* fathom/gradients.h: how large the gradient is in each layer, so that one that vanishes or
 * explodes on its way back through a deep network is seen (Hochreiter 1991; Glorot, Bengio 2010).
 *
 *     fm_fit(model, data, &(fm_fit_options){.gradients_every = FM_EACH_EPOCH,
 *                                           .callbacks = &(fm_callback){.name = "gradients",
 *                                                                       .batch_end = look},
 *                                           .callback_count = 1});
 *     static fm_status look(void *user, fm_event *event) { if (event->gradients) ... }
 *
 * Invariants
 *  - It is the gradient that the step is made of: of the loss with the layers' penalties, on the
 *    batch, with the variables, dropout and batch statistics of the step; before accumulation,
 *    clipping and the optimizer's l1 and l2.
 *  - It is computed by a program of its own, which changes no variable: steps cost nothing when it
 *    is off, and their bits are the same when it is on.
 *  - May be NULL: nothing that a caller gives.
 */
#ifndef FATHOM_GRADIENTS_H
#define FATHOM_GRADIENTS_H

#include "fathom/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of one trainable variable. Norms are L2. values: the gradient, row-major, of the model's dtype;
 * NULL unless fit writes for TensorBoard. */
typedef struct fm_gradient {
    const char *path;
    int64_t elements;
    double norm;
    double largest;     /* magnitude of an element */
    double weight_norm; /* of the variable's elements */
    const void *values;
} fm_gradient;

/* Judged against the last layer, which the gradient reaches first. */
typedef enum fm_gradient_state {
    FM_GRADIENT_SOUND,
    FM_GRADIENT_VANISHING, /* zero, or less than 1e-4 of the last layer's norm */
    FM_GRADIENT_EXPLODING  /* not a finite number, or more than 1e4 of the last layer's norm */
} fm_gradient_state;

FM_API const char *fm_gradient_state_name(fm_gradient_state state); /* "vanishing" */
/* Of a layer's norm, against the last layer's. */
FM_API fm_gradient_state fm_gradient_judge(double norm, double reference);

/* The variables of one scope: variables[first] and the `count` - 1 behind it. */
typedef struct fm_gradient_layer {
    const char *name; /* "encoder/dense_1" */
    int first, count;
    double norm, weight_norm;
    fm_gradient_state state;
} fm_gradient_layer;

/* What a layer made of the batch: mean and standard deviation of all elements of its output, and
 * the share that is exactly zero (after a ReLU: of units that are off). */
typedef struct fm_layer_output {
    const char *layer; /* as `fathom show` lists them */
    double mean, deviation, zeros;
} fm_layer_output;

struct fm_gradients {
    uint64_t step; /* the store's, before the step */
    double loss;   /* without penalties */
    double norm;   /* of all variables together */
    const fm_gradient *variables;
    int variable_count;
    const fm_gradient_layer *layers; /* in the order in which the model function makes them */
    int layer_count;
    const fm_layer_output *outputs; /* with fm_fit_options.health; else output_count is 0 */
    int output_count;
};

/* Of the step that fm_train_step would make on this batch. *gradients is the model's and valid
 * until the next call; the first call for a batch size compiles. fit's are in fm_event. */
FM_API fm_status fm_model_gradients(fm_model *model, const fm_batch *batch,
                                    const fm_gradients **gradients);

/* ---- over time ------------------------------------------------------------------------------- */

/* A layer at the first step of an epoch (with several lengths of batches: the first of the usual
 * one). Norms are L2, over the layer's trainable variables; NaN for a layer without any. The others
 * are fm_layer_output's. All NaN: not measured. */
typedef struct fm_layer_health {
    double gradient_norm, weight_norm;
    double mean, deviation, zeros;
} fm_layer_health;

typedef struct fm_health {
    int64_t epochs; /* of the history; 0: nothing was recorded */
    int layer_count;
    const char *const *layers;   /* in the order in which the model function makes them */
    const fm_layer_health *rows; /* (epochs, layers) */
} fm_health;

/* Of the last fit with fm_fit_options.health; model files keep it, a resumed fit goes on. Valid
 * until the next fit or load. */
FM_API fm_health fm_model_health(const fm_model *model);

#ifdef __cplusplus
}
#endif
#endif
