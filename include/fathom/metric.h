/* fathom/metric.h: numbers for people, accumulated on the host over the batches of an epoch.
 *
 *     fm_metric_create(context, &(fm_metric_options){.metric = FM_TOP_K_ACCURACY, .k = 3},
 *                      FM_SHAPE(10), FM_SHAPE(), &metric);
 *     for each batch: fm_metric_update(metric, &predictions, &labels, NULL, batch.count);
 *     printf("%s %.4f\n", fm_metric_name(metric), fm_metric_result(metric));
 *     fm_metric_reset(metric);
 *
 * Invariants
 *  - A metric sees each sample once; the cut into batches does not matter.
 *    Sums are kept in f64.
 *  - Predictions are logits unless `.from_probabilities`; for regression that makes no difference.
 *  - Without samples the result is NaN.
 *  - May be NULL: options, `name`, `weights`, `numbers` of fm_metric_state.
 */
#ifndef FATHOM_METRIC_H
#define FATHOM_METRIC_H

#include "fathom/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fm_metric_kind {
    FM_BINARY_ACCURACY,      /* share of elements on the right side of the threshold */
    FM_CATEGORICAL_ACCURACY, /* share of samples whose largest prediction is the largest label */
    FM_SPARSE_CATEGORICAL_ACCURACY, /* the same with class indices */
    FM_TOP_K_ACCURACY,   /* the true class is among the k largest predictions; ties count as hits */
    FM_PRECISION,        /* TP / (TP + FP), 0 when nothing was found */
    FM_RECALL,           /* TP / (TP + FN), 0 when there is nothing to find */
    FM_F1,               /* 2 TP / (2 TP + FP + FN) */
    FM_AUC,              /* area under the ROC curve, exact by ranks, ties count half (Hanley and
                            McNeil 1982); several classes: the mean of one against the rest */
    FM_CONFUSION_MATRIX, /* its result is the accuracy; fm_metric_matrix has the counts */
    FM_MSE,
    FM_MAE,
    FM_R2,       /* 1 - residual / total sum of squares, the mean over the outputs */
    FM_MEAN_IOU, /* the mean over the classes of TP / (TP + FP + FN), those that neither labels nor
                    predictions have left out: segmentation (Everingham et al. 2010); as Keras */
    FM_PERPLEXITY, /* exp of the mean of -log p[true class]: a model of language is as unsure as
                      between so many tokens (Jelinek et al. 1977) */
    FM_METRIC_COUNT
} fm_metric_kind;

/* Precision, recall and F1 over several classes. */
typedef enum fm_metric_average {
    FM_AVERAGE_AUTO,  /* binary for one column, else macro */
    FM_AVERAGE_MACRO, /* the mean of the classes' figures */
    FM_AVERAGE_MICRO  /* the figure of the summed counts */
} fm_metric_average;

/* k          default 5
 * threshold  a probability, default 0.5; logits are compared with log(t / (1 - t))
 * multi_label  each column is a yes or no of its own: the threshold decides, not the largest
 * average    fm_metric_average
 * ignore_class  classes: samples (positions, pixels) of these true classes do not count: padding
 *             with class 0. mean_iou leaves the classes themselves out, too
 * class_id    precision, recall, f1: the figure of this class alone, in place of an average
 * name       what results are called; default: the metric's */
typedef struct fm_metric_options {
    const char *name;
    int metric; /* fm_metric_kind */
    bool from_probabilities;
    double threshold;
    int64_t k;
    bool multi_label;
    int average;
    fm_ints ignore_class, class_id;
} fm_metric_options;

typedef struct fm_metric fm_metric;

/* Shapes of one sample, without the batch. Labels have the shape of the prediction, or hold class
 * indices and lack its last dimension (a last dimension of 1 may be left out in both cases).
 * FM_ERROR_SHAPE shows both shapes. */
FM_API fm_status fm_metric_create(fm_context *context, const fm_metric_options *options,
                                  fm_shape prediction, fm_shape label, fm_metric **metric);
FM_API void fm_metric_destroy(fm_metric *metric);

/* Adds the first `count` samples of a batch. predictions: f32 or f64; labels: f32, f64, i32 or i64
 * (checked against the shapes given to create; a class outside its range is FM_ERROR_ARGUMENT);
 * weights: f32 or f64 (batch), or NULL. auc keeps every score until the reset, so it allocates. */
FM_API fm_status fm_metric_update(fm_metric *metric, const fm_tensor *predictions,
                                  const fm_tensor *labels, const fm_tensor *weights, int64_t count);
FM_API void fm_metric_reset(fm_metric *metric);
FM_API double fm_metric_result(const fm_metric *metric);
FM_API const char *fm_metric_name(const fm_metric *metric);

/* Confusion counts of the metrics that have them (precision, recall, F1, confusion matrix, mean
 * IoU): rows are true classes, columns predicted ones, *classes x *classes weights, row-major,
 * valid until the next call. NULL for other metrics. */
FM_API const double *fm_metric_matrix(const fm_metric *metric, int64_t *classes);

/* The running numbers, for a checkpoint: writes them (unless
 * NULL) and returns how many there are. */
FM_API size_t fm_metric_state(const fm_metric *metric, double *numbers);
/* Puts them back; FM_ERROR_FORMAT when they are not of a metric of these options and shapes. */
FM_API fm_status fm_metric_restore(fm_metric *metric, const double *numbers, size_t count);

typedef struct fm_metric_record {
    const char *name;
    const char *aliases[2];
    const char *doc;
    const fm_field *fields; /* of fm_metric_options */
    bool smaller_is_better;
} fm_metric_record;

FM_API const fm_metric_record *fm_metric_at(int kind);
FM_API const fm_metric_record *fm_metric_find(const char *name);

/* The kind that a name means for this loss (fm_loss_kind) and prediction of one sample, -1 when
 * unknown. "accuracy" (or "acc") is sparse_categorical_accuracy for class labels over several
 * columns, binary_accuracy for one column, binary cross-entropy and hinge, else
 * categorical_accuracy. */
FM_API int fm_metric_resolve(const char *name, int loss, fm_shape prediction);

#ifdef __cplusplus
}
#endif
#endif
