/* What each metric does with a row: one vector of predictions, its label and its weight. */
#ifndef FM_NN_METRIC_KINDS_H
#define FM_NN_METRIC_KINDS_H

#include "base/context.h"
#include "fathom/metric.h"

/* One output's running sums for R2 (West's weighted form of Welford's recurrence, 1979). */
typedef struct fm_output_sums {
    double residual;    /* sum w (y - p)^2 */
    double mean, total; /* of y; sum w (y - mean)^2 */
} fm_output_sums;

/* A score with its side, for sorting. */
typedef struct fm_score {
    double score, weight;
    bool positive;
} fm_score;

struct fm_metric {
    fm_context *context;
    const struct fm_metric_kind_record *kind;
    fm_metric_options options; /* defaults filled in; name is the copy below */
    char *name;
    fm_shape prediction, label; /* of one sample */
    int64_t columns, rows;      /* a sample is `rows` vectors of `columns` elements */
    bool class_labels;          /* a label is a class index */
    double threshold;           /* as predictions are given */

    double *p, *y;  /* the row: columns each */
    double sum;     /* of weight times the row's figure */
    double weight;  /* of all rows */
    double *counts; /* columns x columns; or columns x 4: TN FP FN TP */
    fm_output_sums *outputs;

    double *scores; /* auc: row_count x (columns + 2): predictions, class, weight */
    size_t row_count, score_capacity;
    double *targets; /* auc of several labels: row_count x columns */
    size_t target_capacity;
    fm_score *sorted;
    size_t sorted_capacity;
};

/* The row that is added: m->p, and m->y or the class. */
typedef struct fm_metric_kind_record {
    fm_metric_record record;
    bool whole_sample;    /* a row is the whole sample: regression */
    bool classes;         /* needs two columns or more */
    bool elementwise;     /* needs labels of the prediction's shape */
    bool counts, outputs; /* which memory it wants */
    fm_status (*add)(fm_metric *m, int64_t class_index, double weight);
    double (*result)(const fm_metric *m);
} fm_metric_kind_record;

const fm_metric_kind_record *fm_metric_kind_at(int kind);

/* A mean of numbers that a graph works out for whole batches (fm_add_metric), not of predictions:
 * it is fed by fm_metric_tell alone. */
fm_status fm_metric_create_told(fm_context *context, const char *name, fm_metric **metric);
void fm_metric_tell(fm_metric *metric, double value, int64_t samples);

/* Counts by columns (yes or no each) rather than by pairs of classes? */
static inline bool fm_metric_by_column(const fm_metric *m)
{
    return m->columns == 1 || m->options.multi_label;
}

static inline int64_t fm_largest(const double *values, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++) {
        if (values[i] > values[best]) best = i;
    }
    return best;
}

/* The class of the row's label: an index, or the largest of a row. */
static inline int64_t fm_metric_true_class(const fm_metric *m, int64_t class_index)
{
    return m->class_labels ? class_index : fm_largest(m->y, m->columns);
}

/* Is it one of ignore_class? */
static inline bool fm_metric_ignores(const fm_metric *m, int64_t class_index)
{
    const fm_ints *list = &m->options.ignore_class;
    for (int i = 0; i < list->count; i++) {
        if (list->at[i] == class_index) return true;
    }
    return false;
}

#endif
