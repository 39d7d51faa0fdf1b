/* fathom/explain.h: what in a sample made a model say what it says, and which columns of a table it
 * lives on.
 *
 *     fm_explainer_create(model, NULL, &explainer);
 *     fm_explain(explainer, digit, &(fm_explain_options){.method = FM_EXPLAIN_INTEGRATED_GRADIENTS,
 *                                                        .output = 7}, &explanation);
 *     explanation->map                28 x 28 numbers: what each pixel adds to output 7
 *
 * Invariants
 *  - Explained is one element of the prediction: a logit where the loss takes logits (Simonyan et
 *    al. 2014 explain scores before the softmax, too), with the layers as they predict.
 *  - Attributed is to the point: the sample itself, or, where samples are tokens (i32), the output
 *    of the first layer `embedding`. Models of tokens without one can only be occluded.
 *  - The computation is made of programs beside the model's own; no variable changes. With an
 *    optimizer's ema_momentum the averaged weights are explained.
 *  - Same options, same bits, for any number of threads.
 *  - May be NULL: options, `layer`, `baseline`, `plain`.
 */
#ifndef FATHOM_EXPLAIN_H
#define FATHOM_EXPLAIN_H

#include "fathom/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* F is the explained output, x the point, x' the baseline.
 *
 *  saliency              dF/dx (Simonyan, Vedaldi, Zisserman 2014)
 *  gradient_x_input      x dF/dx (Shrikumar et al. 2016)
 *  smoothgrad            the mean of dF/dx over noisy copies of x (Smilkov et al. 2017)
 *  integrated_gradients  (x - x') times the mean of dF/dx on the way from x' to x, at the middles
 *                        of `steps` equal parts; their sum is F(x) - F(x') up to the error of this
 *                        sum (Sundararajan, Taly, Yan 2017)
 *  occlusion             how much F falls when a window of x is replaced by x'; a position has the
 *                        mean over the windows that cover it (Zeiler, Fergus 2014). Of tokens each
 *                        is replaced by the baseline's, 0 (padding) by default
 *  grad_cam              relu(sum_k a_k A_k), A_k a channel of a convolutional layer's output and
 *                        a_k the mean of dF/dA_k over its positions; resized to the input
 *                        bilinearly (Selvaraju et al. 2017) */
typedef enum fm_explain_method {
    FM_EXPLAIN_SALIENCY,
    FM_EXPLAIN_GRADIENT_X_INPUT,
    FM_EXPLAIN_SMOOTHGRAD,
    FM_EXPLAIN_INTEGRATED_GRADIENTS,
    FM_EXPLAIN_OCCLUSION,
    FM_EXPLAIN_GRAD_CAM,
    FM_EXPLAIN_METHOD_COUNT
} fm_explain_method;

typedef struct fm_explain_record {
    const char *name;
    const char *doc; /* one line without a full stop */
    bool is_signed; /* positive speaks for the output, negative against it; else only sizes count */
} fm_explain_record;

FM_API const fm_explain_record *fm_explain_at(int method); /* NULL outside of the enum */
FM_API const fm_explain_record *fm_explain_find(const char *name);

/*  method    fm_explain_method
 *  output    element of the prediction of one sample, row-major
 *  opposite  minus that element is explained: the first of two classes of one output
 *  baseline  x': a sample as the model reads it, for integrated gradients of numbers and for
 *            occlusion; NULL: zeros (the mean, where data was standardised). The baseline of an
 *            embedding is the zero vector.
 *  steps     of integrated gradients. Default 64
 *  samples   noisy copies of smoothgrad. Default 50
 *  noise     its deviation as a share of the point's largest minus smallest element. Default 0.15
 *  window, stride   of occlusion: one number for each of the first two dimensions (one for rank 1).
 *            Default window: a fifth of the side, 1 for rank 1; stride: half of the window
 *  seed      of smoothgrad's noise */
typedef struct fm_explain_options {
    int method;
    int64_t output;
    bool opposite;
    const void *baseline;
    int64_t steps, samples;
    double noise;
    fm_ints window, stride;
    int64_t seed;
} fm_explain_options;

FM_API extern const fm_field fm_explain_fields[]; /* its numbers */

/* values     one for each element of the point (`shape`), signed; of grad_cam the layer's own map,
 *            of occlusion the same as `map`
 * map        one for each position (`map_shape`): (height, width) of an image, (time) of tokens,
 *            every element of other samples. Channels are summed; of saliency and smoothgrad the
 *            largest magnitude of the channels is taken, of an embedding the Euclidean norm
 * score      F(x). baseline_score: F(x'), of integrated gradients, else NaN
 * sum        of `values`
 * layer      of grad_cam: the layer's name, else NULL */
typedef struct fm_explanation {
    int method;
    fm_shape shape, map_shape;
    const double *values, *map;
    double score, baseline_score, sum;
    const char *layer;
} fm_explanation;

typedef struct fm_explainer fm_explainer;

/*  layer       of grad_cam, by name; NULL: the last one whose output is (height, width, channels)
 *              with more than one position
 *  batch_size  points that are computed at once. Default 16 */
typedef struct fm_explainer_options {
    const char *layer;
    int64_t batch_size;
} fm_explainer_options;

/* options may be NULL. Destroy it before the model. */
FM_API fm_status fm_explainer_create(fm_model *model, const fm_explainer_options *options,
                                     fm_explainer **explainer);
FM_API void fm_explainer_destroy(fm_explainer *explainer);

/* sample: of fm_model_input's shape and dtype. *explanation is the explainer's and valid until its
 * next call. A program is compiled at the first call that needs it. FM_ERROR_UNSUPPORTED: the model
 * has no layer for this method, with the layers it has; FM_ERROR_ARGUMENT: an output or window that
 * there is not. */
FM_API fm_status fm_explain(fm_explainer *explainer, const void *sample,
                            const fm_explain_options *options, const fm_explanation **explanation);

/* ---- attention ------------------------------------------------------------------------------- */

/* What one attention of the model looked at. weights: (heads, queries, keys), those of the softmax,
 * as they were (Vaswani et al. 2017): each row has the sum 1, or is zeros where a query sees no
 * key.
 *  layer   "transformer_encoder/self_attention"
 *  causal  query i sees no key behind i: weights above the diagonal are 0 */
typedef struct fm_attention_map {
    const char *layer;
    bool causal;
    int64_t heads, queries, keys;
    const double *weights;
} fm_attention_map;

/* For one sample, of fm_model_input's shape and dtype, in the order in which the model computes
 * them. The maps are the explainer's and valid until its next call. Weights are no proof of what a
 * prediction comes from (Jain, Wallace 2019; Wiegreffe, Pinter 2019). FM_ERROR_UNSUPPORTED: the
 * model has no attention, with the layers it has. */
FM_API fm_status fm_explain_attention(fm_explainer *explainer, const void *sample,
                                      const fm_attention_map **maps, int *count);

/* ---- permutation importance ------------------------------------------------------------------ */

/*  repeats  shuffles of each column. Default 5
 *  seed     of the shuffles */
typedef struct fm_permutation_options {
    int64_t repeats;
    int64_t seed;
} fm_permutation_options;

FM_API extern const fm_field fm_permutation_fields[];

/* How much worse the scores are when the column's values are dealt to other samples: mean and
 * standard deviation (of a sample; 0 for one repeat) over the shuffles. Loss: shuffled minus plain.
 * Metrics: plain minus shuffled, for those of which small is good shuffled minus plain: positive is
 * important. */
typedef struct fm_importance {
    const char *column; /* NULL: nameless; valid with the transform */
    double loss, loss_deviation;
    double metrics[FM_MAX_METRICS], metric_deviations[FM_MAX_METRICS];
} fm_importance;

/* raw: the evaluation set as it was before the transform, "x" a row of columns, with "y": a
 * category is one column, however many inputs it becomes. rows: one for each column of "x", in
 * their order; plain (may be NULL): the scores without a shuffle. Breiman 2001, "Random forests";
 * Fisher, Rudin, Dominici 2019. FM_ERROR_SHAPE when samples are no rows of a table. */
FM_API fm_status fm_permutation_importance(fm_model *model, const fm_dataset *raw,
                                           const fm_transform *transform,
                                           const fm_permutation_options *options, fm_scores *plain,
                                           fm_importance *rows);

#ifdef __cplusplus
}
#endif
#endif
