/* The metrics' formulas: what a row adds, and the figure at the end. */
#include "nn/metric_kinds.h"

#include "base/memory.h"
#include "nn/option.h"

#include <math.h>
#include <stdlib.h>

static double mean_result(const fm_metric *m)
{
    return m->sum / m->weight;
}

static fm_status add_binary_accuracy(fm_metric *m, int64_t class_index, double weight)
{
    (void)class_index;
    int64_t right = 0;
    for (int64_t i = 0; i < m->columns; i++) {
        right += (m->p[i] > m->threshold) == (m->y[i] > 0.5);
    }
    m->sum += weight * (double)right / (double)m->columns;
    return FM_OK;
}

static fm_status add_class_accuracy(fm_metric *m, int64_t class_index, double weight)
{
    if (fm_largest(m->p, m->columns) == fm_metric_true_class(m, class_index)) m->sum += weight;
    return FM_OK;
}

static fm_status add_top_k(fm_metric *m, int64_t class_index, double weight)
{
    double score = m->p[fm_metric_true_class(m, class_index)];
    int64_t above = 0;
    for (int64_t i = 0; i < m->columns; i++) above += m->p[i] > score;
    if (above < m->options.k && !isnan(score)) m->sum += weight;
    return FM_OK;
}

/* -log of the true class's probability; logits through log-softmax. */
static fm_status add_surprise(fm_metric *m, int64_t class_index, double weight)
{
    double of_class = m->p[fm_metric_true_class(m, class_index)];
    if (m->options.from_probabilities) {
        m->sum -= weight * log(of_class);
        return FM_OK;
    }
    double most = m->p[fm_largest(m->p, m->columns)], sum = 0;
    for (int64_t i = 0; i < m->columns; i++) sum += exp(m->p[i] - most);
    m->sum += weight * (log(sum) + most - of_class);
    return FM_OK;
}

static double perplexity_result(const fm_metric *m)
{
    return exp(m->sum / m->weight);
}

static fm_status add_squared(fm_metric *m, int64_t class_index, double weight)
{
    (void)class_index;
    double sum = 0;
    for (int64_t i = 0; i < m->columns; i++) sum += (m->p[i] - m->y[i]) * (m->p[i] - m->y[i]);
    m->sum += weight * sum / (double)m->columns;
    return FM_OK;
}

static fm_status add_absolute(fm_metric *m, int64_t class_index, double weight)
{
    (void)class_index;
    double sum = 0;
    for (int64_t i = 0; i < m->columns; i++) sum += fabs(m->p[i] - m->y[i]);
    m->sum += weight * sum / (double)m->columns;
    return FM_OK;
}

/* m->weight already holds this row's. */
static fm_status add_r2(fm_metric *m, int64_t class_index, double weight)
{
    (void)class_index;
    if (weight == 0) return FM_OK;
    for (int64_t i = 0; i < m->columns; i++) {
        fm_output_sums *o = &m->outputs[i];
        double error = m->p[i] - m->y[i], off = m->y[i] - o->mean;
        o->residual += weight * error * error;
        o->mean += off * weight / m->weight;
        o->total += weight * off * (m->y[i] - o->mean);
    }
    return FM_OK;
}

static double r2_result(const fm_metric *m)
{
    if (m->weight == 0) return NAN;
    double sum = 0;
    for (int64_t i = 0; i < m->columns; i++) {
        const fm_output_sums *o = &m->outputs[i];
        if (o->total == 0) {
            sum += o->residual == 0;
        } else {
            sum += 1 - o->residual / o->total;
        }
    }
    return sum / (double)m->columns;
}

/* ---- counts ---------------------------------------------------------------------------------- */

static fm_status add_counts(fm_metric *m, int64_t class_index, double weight)
{
    if (!fm_metric_by_column(m)) {
        int64_t row = fm_metric_true_class(m, class_index), column = fm_largest(m->p, m->columns);
        m->counts[row * m->columns + column] += weight;
        return FM_OK;
    }
    for (int64_t i = 0; i < m->columns; i++) {
        int cell = 2 * (m->y[i] > 0.5) + (m->p[i] > m->threshold);
        m->counts[4 * i + cell] += weight;
    }
    return FM_OK;
}

typedef struct hits {
    double true_positive, false_positive, false_negative;
} hits;

static hits hits_of(const fm_metric *m, int64_t class_index)
{
    if (fm_metric_by_column(m)) {
        const double *cell = m->counts + 4 * class_index;
        return (hits){cell[3], cell[1], cell[2]};
    }
    hits h = {.true_positive = m->counts[class_index * m->columns + class_index]};
    for (int64_t i = 0; i < m->columns; i++) {
        if (i == class_index) continue;
        h.false_negative += m->counts[class_index * m->columns + i];
        h.false_positive += m->counts[i * m->columns + class_index];
    }
    return h;
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static double precision_of(hits h)
{
    return share(h.true_positive, h.true_positive + h.false_positive);
}

static double recall_of(hits h)
{
    return share(h.true_positive, h.true_positive + h.false_negative);
}

static double f1_of(hits h)
{
    return share(2 * h.true_positive, 2 * h.true_positive + h.false_positive + h.false_negative);
}

static double average(const fm_metric *m, double (*figure)(hits))
{
    if (m->weight == 0) return NAN;
    if (m->options.class_id.count) return figure(hits_of(m, m->options.class_id.at[0]));
    double sum = 0;
    hits all = {0};
    for (int64_t i = 0; i < m->columns; i++) {
        hits h = hits_of(m, i);
        sum += figure(h);
        all.true_positive += h.true_positive;
        all.false_positive += h.false_positive;
        all.false_negative += h.false_negative;
    }
    return m->options.average == FM_AVERAGE_MICRO ? figure(all) : sum / (double)m->columns;
}

static double precision_result(const fm_metric *m)
{
    return average(m, precision_of);
}

static double recall_result(const fm_metric *m)
{
    return average(m, recall_of);
}

static double f1_result(const fm_metric *m)
{
    return average(m, f1_of);
}

static double confusion_result(const fm_metric *m)
{
    double right = 0;
    for (int64_t i = 0; i < m->columns; i++) {
        right += m->columns == 1 ? m->counts[0] + m->counts[3] : m->counts[i * m->columns + i];
    }
    return right / m->weight;
}

/* ---- intersection over union ----------------------------------------------------------------- */

static double iou_result(const fm_metric *m)
{
    double sum = 0, classes = 0;
    for (int64_t i = 0; i < m->columns; i++) {
        hits h = hits_of(m, i);
        double whole = h.true_positive + h.false_positive + h.false_negative;
        if (whole <= 0 || fm_metric_ignores(m, i)) continue;
        sum += h.true_positive / whole;
        classes++;
    }
    return sum / classes;
}

/* ---- area under the curve -------------------------------------------------------------------- */

/* exp(x - max) / sum: scores of one class are comparable between samples as probabilities only. */
static void softmax(double *x, int64_t count)
{
    double most = x[fm_largest(x, count)], sum = 0;
    for (int64_t i = 0; i < count; i++) sum += x[i] = exp(x[i] - most);
    for (int64_t i = 0; i < count; i++) x[i] /= sum;
}

static fm_status add_score(fm_metric *m, int64_t class_index, double weight)
{
    size_t width = (size_t)m->columns, rows = m->row_count + 1;
    bool by_column = fm_metric_by_column(m);
    fm_status status =
        fm_grow(m->context, &m->scores, &m->score_capacity, rows * (width + 2), sizeof *m->scores);
    if (status == FM_OK && by_column) {
        status =
            fm_grow(m->context, &m->targets, &m->target_capacity, rows * width, sizeof *m->targets);
    }
    if (status == FM_OK) {
        status = fm_grow(m->context, &m->sorted, &m->sorted_capacity, rows, sizeof *m->sorted);
    }
    if (status != FM_OK) return status;
    double *row = m->scores + m->row_count * (width + 2);
    memcpy(row, m->p, width * sizeof *row);
    if (by_column) {
        memcpy(m->targets + m->row_count * width, m->y, width * sizeof *row);
        row[width] = 0;
    } else {
        if (!m->options.from_probabilities) softmax(row, m->columns);
        row[width] = (double)fm_metric_true_class(m, class_index);
    }
    row[width + 1] = weight;
    m->row_count++;
    return FM_OK;
}

static int compare_scores(const void *a, const void *b)
{
    double x = ((const fm_score *)a)->score, y = ((const fm_score *)b)->score;
    return (x > y) - (x < y);
}

/* The chance that a positive scores above a negative, ties counting half; NaN without both. */
static double area(fm_score *scores, size_t count)
{
    qsort(scores, count, sizeof *scores, compare_scores);
    double area = 0, below = 0, positives = 0;
    for (size_t i = 0; i < count;) {
        double tied_positive = 0, tied_negative = 0, score = scores[i].score;
        for (; i < count && scores[i].score == score; i++) {
            *(scores[i].positive ? &tied_positive : &tied_negative) += scores[i].weight;
        }
        area += tied_positive * (below + tied_negative / 2);
        below += tied_negative;
        positives += tied_positive;
    }
    return area / (below * positives);
}

static double auc_result(const fm_metric *m)
{
    size_t width = (size_t)m->columns;
    double sum = 0, used = 0;
    if (m->row_count == 0) return NAN;
    for (size_t c = 0; c < width; c++) {
        for (size_t i = 0; i < m->row_count; i++) {
            const double *row = m->scores + i * (width + 2);
            bool positive =
                fm_metric_by_column(m) ? m->targets[i * width + c] > 0.5 : row[width] == (double)c;
            if (isnan(row[c])) return NAN;
            m->sorted[i] = (fm_score){row[c], row[width + 1], positive};
        }
        double one = area(m->sorted, m->row_count);
        if (isnan(one)) continue;
        sum += one;
        used++;
    }
    return sum / used;
}

/* ---- records --------------------------------------------------------------------------------- */

static const char *const averages[] = {"auto", "macro", "micro", NULL};

#define FIELD(member, kind, doc, ...) FM_FIELD(fm_metric_options, member, kind, doc, __VA_ARGS__)
#define NAME                          FIELD(name, FM_FIELD_STRING, "what results are called")
#define FROM_LOGITS                                                                                \
    {                                                                                              \
        .name = "from_logits", .doc = "false: predictions are probabilities",                      \
        .offset = offsetof(fm_metric_options, from_probabilities), .type = FM_FIELD_NOT,           \
        .default_value = 1                                                                         \
    }
#define THRESHOLD                                                                                  \
    FIELD(threshold, FM_FIELD_REAL, "yes is a probability above this", .default_value = 0.5,       \
          .maximum = 1)
#define MULTI_LABEL FIELD(multi_label, FM_FIELD_BOOL, "each column is a yes or no of its own")

static const fm_field plain_fields[] = {NAME, {.name = NULL}};
static const fm_field binary_fields[] = {NAME, FROM_LOGITS, THRESHOLD, {.name = NULL}};
#define IGNORE_CLASS                                                                               \
    FIELD(ignore_class, FM_FIELD_INTS, "true classes that do not count", .maximum = 1e9)

static const fm_field class_fields[] = {NAME, IGNORE_CLASS, {.name = NULL}};
static const fm_field surprise_fields[] = {NAME, FROM_LOGITS, IGNORE_CLASS, {.name = NULL}};
static const fm_field top_k_fields[] = {NAME,
                                        IGNORE_CLASS,
                                        FIELD(k, FM_FIELD_INT, "how many guesses count",
                                              .default_value = 5, .minimum = 1,
                                              .maximum = INFINITY),
                                        {.name = NULL}};
static const fm_field count_fields[] = {
    NAME,
    FROM_LOGITS,
    THRESHOLD,
    MULTI_LABEL,
    FIELD(average, FM_FIELD_ENUM, "over several classes; auto: macro", .choices = averages),
    FIELD(class_id, FM_FIELD_INTS, "of this class alone", .maximum = 1e9),
    IGNORE_CLASS,
    {.name = NULL}};
static const fm_field matrix_fields[] = {
    NAME, FROM_LOGITS, THRESHOLD, IGNORE_CLASS, {.name = NULL}};
static const fm_field auc_fields[] = {NAME, FROM_LOGITS, MULTI_LABEL, {.name = NULL}};

static const fm_metric_kind_record records[FM_METRIC_COUNT] = {
    [FM_BINARY_ACCURACY] =
        {.record = {"binary_accuracy", {0}, "share of right yes or no", binary_fields, false},
         .elementwise = true,
         .add = add_binary_accuracy,
         .result = mean_result},
    [FM_CATEGORICAL_ACCURACY] = {.record = {"categorical_accuracy",
                                            {0},
                                            "share of right classes, labels one-hot",
                                            class_fields,
                                            false},
                                 .classes = true,
                                 .add = add_class_accuracy,
                                 .result = mean_result},
    [FM_SPARSE_CATEGORICAL_ACCURACY] = {.record = {"sparse_categorical_accuracy",
                                                   {0},
                                                   "share of right classes, labels are indices",
                                                   class_fields,
                                                   false},
                                        .classes = true,
                                        .add = add_class_accuracy,
                                        .result = mean_result},
    [FM_TOP_K_ACCURACY] = {.record = {"top_k_accuracy",
                                      {"top_k_categorical_accuracy",
                                       "sparse_top_k_categorical_accuracy"},
                                      "share of classes among the k best guesses",
                                      top_k_fields,
                                      false},
                           .classes = true,
                           .add = add_top_k,
                           .result = mean_result},
    [FM_PRECISION] = {.record = {"precision", {0}, "TP / (TP + FP)", count_fields, false},
                      .counts = true,
                      .add = add_counts,
                      .result = precision_result},
    [FM_RECALL] = {.record = {"recall", {0}, "TP / (TP + FN)", count_fields, false},
                   .counts = true,
                   .add = add_counts,
                   .result = recall_result},
    [FM_F1] = {.record = {"f1", {"f1_score"}, "2 TP / (2 TP + FP + FN)", count_fields, false},
               .counts = true,
               .add = add_counts,
               .result = f1_result},
    [FM_AUC] = {.record = {"auc", {"roc_auc"}, "area under the ROC curve", auc_fields, false},
                .add = add_score,
                .result = auc_result},
    [FM_CONFUSION_MATRIX] = {.record = {"confusion_matrix",
                                        {0},
                                        "counts of true and predicted classes",
                                        matrix_fields,
                                        false},
                             .counts = true,
                             .add = add_counts,
                             .result = confusion_result},
    [FM_MEAN_IOU] = {.record = {"mean_iou",
                                {"miou"},
                                "mean over classes of TP / (TP + FP + FN)",
                                class_fields,
                                false},
                     .counts = true,
                     .classes = true,
                     .add = add_counts,
                     .result = iou_result},
    [FM_PERPLEXITY] = {.record = {"perplexity",
                                  {0},
                                  "exp of the mean of -log p[true class]",
                                  surprise_fields,
                                  true},
                       .classes = true,
                       .add = add_surprise,
                       .result = perplexity_result},
    [FM_MSE] = {.record = {"mse", {"mean_squared_error"}, "mean (y - p)^2", plain_fields, true},
                .whole_sample = true,
                .elementwise = true,
                .add = add_squared,
                .result = mean_result},
    [FM_MAE] = {.record = {"mae", {"mean_absolute_error"}, "mean |y - p|", plain_fields, true},
                .whole_sample = true,
                .elementwise = true,
                .add = add_absolute,
                .result = mean_result},
    [FM_R2] =
        {.record = {"r2", {"r2_score"}, "1 - residual / total sum of squares", plain_fields, false},
         .whole_sample = true,
         .elementwise = true,
         .outputs = true,
         .add = add_r2,
         .result = r2_result},
};

const fm_metric_kind_record *fm_metric_kind_at(int kind)
{
    return kind >= 0 && kind < FM_METRIC_COUNT ? &records[kind] : NULL;
}
