/* fathom/loss.h: what training minimises.
 *
 *     loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, logits, labels);
 *     loss = fm_loss(g, FM_HUBER, prediction, target, .delta = 0.5);
 *
 * Invariants
 *  - The first dimension is the batch. A loss is one number: the mean over the samples of each
 *    sample's loss, which itself is the mean over the sample's other dimensions, with sum_elements
 *    their sum.
 *  - With weights it is the weighted sum over the samples divided by their number (Keras), not by
 *    the sum of the weights.
 *  - A prediction with a mask (fm_mask_of) over its positions is judged at the real ones alone: the
 *    mean is over these.
 *  - Labels have the shape of the prediction, or (class labels) that without the last dimension.
 *    Another shape is a mistake that prints both; nothing is broadcast.
 *  - Losses over probabilities take logits unless `.from_probabilities`: fused and exact far out,
 *    where a probability has long rounded to 0 or 1.
 *  - May be NULL: options, `class_weights`.
 */
#ifndef FATHOM_LOSS_H
#define FATHOM_LOSS_H

#include "fathom/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y label, p prediction, x logits; sums over the last axis of c classes, means over the rest. */
typedef enum fm_loss_kind {
    FM_MEAN_SQUARED_ERROR,              /* mse: mean (y - p)^2 */
    FM_MEAN_ABSOLUTE_ERROR,             /* mae: mean |y - p| */
    FM_HUBER,                           /* e^2/2 where |e| <= delta, else delta (|e| - delta/2);
                                           Huber 1964 */
    FM_LOG_COSH,                        /* mean log cosh (p - y) */
    FM_BINARY_CROSSENTROPY,             /* bce: mean -(y log p + (1 - y) log(1 - p)) */
    FM_CATEGORICAL_CROSSENTROPY,        /* - sum y log p */
    FM_SPARSE_CATEGORICAL_CROSSENTROPY, /* - log p[y], y class indices, i32 */
    FM_KL_DIVERGENCE,                   /* kld: sum y (log y - log p); 0 log 0 = 0 */
    FM_HINGE,                           /* mean max(0, 1 - y p), y -1 or 1; a 0 is read as -1 */
    FM_COSINE_SIMILARITY,               /* - y.p / (|y| |p|): -1 is the best */
    FM_CONTRASTIVE,                     /* nt_xent, over the batch: see below */
    FM_LOSS_COUNT
} fm_loss_kind;

typedef enum fm_label_kind {
    FM_LABEL_SAME,  /* the prediction's shape, the graph's dtype */
    FM_LABEL_CLASS, /* class indices, i32, the prediction's shape without its last dimension */
    FM_LABEL_GROUP  /* i32 (batch): samples of one number belong together; predictions are (batch,
                       features) */
} fm_label_kind;

/* contrastive: predictions z of samples that belong together, by their labels, are to be nearer to
 * each other than to the rest of the batch. With s_ij = z_i.z_j / (|z_i| |z_j| temperature), for
 * each i
 *     - mean over the j with y_j = y_i, j != i, of log (exp s_ij / sum over k != i of exp s_ik).
 * Where the label says which sample a row is a view of, and each has two views in the batch, that
 * is NT-Xent (Chen et al. 2020, "A simple framework for contrastive learning", SimCLR); with
 * classes for labels it is the supervised contrastive loss (Khosla et al. 2020, L_out). A sample
 * that nothing belongs to counts 0. The share of samples whose nearest other one belongs to them is
 * told beside the metrics as "contrastive_accuracy". The loss of a sample depends on its batch:
 * averages over batches of another size are other numbers. */

/* from_probabilities  the prediction went through sigmoid or softmax already (from_logits: false
 *                     in a recipe); it is clipped to [1e-7, 1 - 1e-7] as Keras does.
 * label_smoothing     s in [0, 1): classes (1 - s) y + s / c (Szegedy et al. 2016), binary
 *                     (1 - s) y + s / 2.
 * ignore_class        sparse categorical cross-entropy: positions whose label is one of these
 *                     classes do not count (padding: 0); the mean is over the positions that do
 * delta               huber's, default 1.
 * temperature         contrastive's, default 0.5.
 * sum_elements        of losses of elements (mse to bce, hinge): a sample's loss is the sum over
 *                     its elements: as log-likelihoods add up, for variational autoencoders
 * class_weights       class_count numbers from 0, copied: a sample counts as often as its class
 *                     says (cross-entropies only; the largest label is the class, binary labels
 *                     must be 0 or 1 and a single column).
 * sample_weight       a value of shape (batch) and the graph's dtype, or {0}. */
typedef struct fm_loss_options {
    bool from_probabilities;
    double label_smoothing;
    double delta;
    double temperature;
    bool sum_elements;
    fm_ints ignore_class;
    const double *class_weights;
    int64_t class_count;
    fm_val sample_weight;
} fm_loss_options;

/* The batch's loss, rank 0. */
#define fm_loss(g, kind, prediction, label, ...)                                                   \
    fm_loss_with((g), (kind), (prediction), (label), FM_OPTIONS(fm_loss_options, __VA_ARGS__))
FM_API fm_val fm_loss_with(fm_graph *g, int kind, fm_val prediction, fm_val label,
                           const fm_loss_options *options);

/* fields describe the numbers of fm_loss_options that this loss reads. build gives the loss of each
 * element, of any shape that begins with the batch; shapes are already checked. */
typedef struct fm_loss_record {
    const char *name;
    const char *aliases[2]; /* other names, or NULL */
    const char *doc;
    fm_label_kind label_kind;
    const fm_field *fields;
    fm_val (*build)(fm_graph *g, fm_val prediction, fm_val label, const fm_loss_options *options);
} fm_loss_record;

FM_API const fm_loss_record *fm_loss_at(int kind);           /* NULL from FM_LOSS_COUNT on */
FM_API const fm_loss_record *fm_loss_find(const char *name); /* name or alias; NULL when unknown */
FM_API int fm_loss_kind_of(const fm_loss_record *record);

/* The label that a loss wants for this prediction: how fit makes the label's input. FM_ERROR_SHAPE
 * when the prediction has no batch or, for classes, no last dimension. */
FM_API fm_status fm_loss_label(fm_context *context, int kind, fm_shape prediction,
                               fm_dtype graph_dtype, fm_shape *shape, fm_dtype *dtype);

#ifdef __cplusplus
}
#endif
#endif
