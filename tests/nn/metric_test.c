/* Metrics against scikit-learn and Keras; batches, ties, names and mistakes. */
#include "support/fixture.h"

#include "fathom/loss.h"
#include "fathom/metric.h"
#include "golden/metrics_golden.h"

enum { N = GOLDEN_METRIC_SAMPLES };

/* A problem of the golden file as tensors. */
typedef struct problem {
    const char *name;
    int64_t columns;
    const double *predictions;
    bool probabilities, multi_label, sparse;
    const int *labels;
    const double *targets;
    const double *weights;
} problem;

static const problem problems[] = {
    {"classes", 5, golden_classes_logits, false, false, true, golden_classes_labels, NULL,
     golden_classes_weights},
    {"classes", 5, golden_classes_probabilities, true, false, true, golden_classes_labels, NULL,
     golden_classes_weights},
    {"binary", 1, golden_binary_probabilities, true, false, false, golden_binary_labels, NULL,
     golden_binary_weights},
    {"binary", 1, golden_binary_logits, false, false, false, golden_binary_labels, NULL,
     golden_binary_weights},
    {"multi_label", 4, golden_multi_label_probabilities, true, true, false,
     golden_multi_label_labels, NULL, golden_multi_label_weights},
    {"regression", 3, golden_regression_predictions, false, false, false, NULL,
     golden_regression_targets, golden_regression_weights},
};

static fm_tensor tensor(const void *data, fm_dtype dtype, fm_shape shape)
{
    return (fm_tensor){(void *)(uintptr_t)data, dtype, shape, fm_shape_elements(shape)};
}

static fm_metric *make(fixture *f, const problem *p, fm_metric_options options)
{
    fm_metric *metric;
    options.from_probabilities = p->probabilities;
    options.multi_label = p->multi_label;
    assert_ok(f->context,
              fm_metric_create(f->context, &options, FM_SHAPE(p->columns),
                               p->sparse ? (fm_shape){0} : FM_SHAPE(p->columns), &metric));
    return metric;
}

/* Samples [begin, end) as one batch. */
static void update(fixture *f, fm_metric *metric, const problem *p, int64_t begin, int64_t end,
                   bool weighted)
{
    int64_t rows = end - begin, width = p->sparse ? 1 : p->columns;
    fm_shape shape = FM_SHAPE(rows, p->columns);
    fm_shape label = p->sparse ? FM_SHAPE(rows) : shape;
    fm_tensor predictions = tensor(p->predictions + begin * p->columns, FM_F64, shape);
    fm_tensor labels = p->labels ? tensor(p->labels + begin * width, FM_I32, label)
                                 : tensor(p->targets + begin * width, FM_F64, label);
    fm_tensor weights = tensor(p->weights + begin, FM_F64, FM_SHAPE(rows));
    assert_ok(f->context,
              fm_metric_update(metric, &predictions, &labels, weighted ? &weights : NULL, rows));
}

static void check(fixture *f, const problem *p, const struct golden_metric *c)
{
    fm_metric_options options = {.threshold = c->threshold, .k = c->k};
    options.metric = fm_metric_resolve(c->metric, FM_MEAN_SQUARED_ERROR, FM_SHAPE(p->columns));
    assert_true(options.metric >= 0);
    if (c->average && strcmp(c->average, "micro") == 0) options.average = FM_AVERAGE_MICRO;
    fm_metric *metric = make(f, p, options);
    print_message("%s %s %s\n", c->problem, c->metric, c->average ? c->average : "");
    update(f, metric, p, 0, N, c->weighted);
    assert_near(fm_metric_result(metric), c->value, 1e-12);
    fm_metric_reset(metric);
    assert_true(isnan(fm_metric_result(metric)));
    for (int64_t at = 0; at < N; at += 7) {
        update(f, metric, p, at, at + 7 < N ? at + 7 : N, c->weighted);
    }
    assert_near(fm_metric_result(metric), c->value, 1e-12);
    fm_metric_destroy(metric);
}

static void agree_with_golden(void **state)
{
    for (int i = 0; i < GOLDEN_METRICS_COUNT; i++) {
        const struct golden_metric *c = &golden_metrics[i];
        int checked = 0;
        for (size_t k = 0; k < sizeof problems / sizeof problems[0]; k++) {
            if (strcmp(problems[k].name, c->problem) != 0) continue;
            check(*state, &problems[k], c);
            checked++;
        }
        assert_true(checked > 0);
    }
}

static void confusion_agrees(void **state)
{
    fixture *f = *state;
    int64_t classes;
    for (int weighted = 0; weighted < 2; weighted++) {
        fm_metric *metric =
            make(f, &problems[0], (fm_metric_options){.metric = FM_CONFUSION_MATRIX});
        update(f, metric, &problems[0], 0, N, weighted);
        const double *counts = fm_metric_matrix(metric, &classes);
        assert_int_equal(classes, 5);
        const double *golden =
            weighted ? golden_classes_confusion_weighted : golden_classes_confusion;
        for (int i = 0; i < 25; i++) assert_near(counts[i], golden[i], 1e-12);
        fm_metric_destroy(metric);
    }
    fm_metric *metric = make(f, &problems[2], (fm_metric_options){.metric = FM_CONFUSION_MATRIX});
    update(f, metric, &problems[2], 0, N, false);
    const double *counts = fm_metric_matrix(metric, &classes);
    assert_int_equal(classes, 2);
    for (int i = 0; i < 4; i++) assert_near(counts[i], golden_binary_confusion[i], 0);
    assert_near(fm_metric_result(metric), 0.775, 1e-12);
    fm_metric_destroy(metric);
}

/* Two images of 2 x 2 pixels and three classes, counted by hand; then without class 0. */
static void mean_iou_is_over_classes(void **state)
{
    fixture *f = *state;
    static const double logits[8][4] = {{9, 1, 1, 0}, {1, 9, 1, 0}, {1, 9, 1, 0}, {1, 1, 9, 0},
                                        {9, 1, 1, 0}, {9, 1, 1, 0}, {1, 1, 9, 0}, {9, 1, 1, 0}};
    static const int32_t labels[8] = {0, 1, 0, 2, 0, 1, 2, 0};
    /* 0: TP 3, FP 1, FN 1; 1: TP 1, FP 1, FN 1; 2: TP 2; 3 is nowhere.
     * Without the pixels of class 0: 1: TP 1, FN 1 */
    const struct {
        fm_ints ignore;
        double result;
    } cases[] = {{{0}, (3 / 5.0 + 1 / 3.0 + 1) / 3}, {{1, {0}}, (1 / 2.0 + 1) / 2}};
    for (int i = 0; i < 2; i++) {
        fm_metric *metric;
        const fm_metric_options options = {.metric = FM_MEAN_IOU, .ignore_class = cases[i].ignore};
        assert_ok(f->context, fm_metric_create(f->context, &options, FM_SHAPE(2, 2, 4),
                                               FM_SHAPE(2, 2), &metric));
        assert_true(isnan(fm_metric_result(metric)));
        fm_tensor p = tensor(logits, FM_F64, FM_SHAPE(2, 2, 2, 4));
        fm_tensor y = tensor(labels, FM_I32, FM_SHAPE(2, 2, 2));
        assert_ok(f->context, fm_metric_update(metric, &p, &y, NULL, 2));
        assert_near(fm_metric_result(metric), cases[i].result, 1e-14);
        fm_metric_destroy(metric);
    }
}

/* Each row alone, so that the result says whether it was a hit. */
static void ties_count_as_keras_counts_them(void **state)
{
    fixture *f = *state;
    for (int k = 1; k <= 3; k++) {
        for (int row = 0; row < 6; row++) {
            fm_metric *metric;
            const fm_metric_options options = {.metric = FM_TOP_K_ACCURACY, .k = k};
            assert_ok(f->context,
                      fm_metric_create(f->context, &options, FM_SHAPE(4), FM_SHAPE(), &metric));
            fm_tensor p = tensor(golden_ties_logits + 4 * row, FM_F64, FM_SHAPE(1, 4));
            fm_tensor y = tensor(golden_ties_labels + row, FM_I32, FM_SHAPE(1));
            assert_ok(f->context, fm_metric_update(metric, &p, &y, NULL, 1));
            assert_near(fm_metric_result(metric), golden_ties_hits[6 * (k - 1) + row], 0);
            fm_metric_destroy(metric);
        }
    }
}

/* Positives 1 2 2, negatives 0 2: of six pairs three are right, two tied, one wrong. */
static void tied_scores_count_half(void **state)
{
    fixture *f = *state;
    fm_metric *metric;
    const double p[5] = {1, 2, 2, 0, 2};
    const int y[5] = {1, 1, 1, 0, 0};
    const fm_metric_options options = {.metric = FM_AUC};
    fm_tensor predictions = tensor(p, FM_F64, FM_SHAPE(5, 1)),
              labels = tensor(y, FM_I32, FM_SHAPE(5));
    assert_ok(f->context, fm_metric_create(f->context, &options, FM_SHAPE(1), FM_SHAPE(), &metric));
    assert_ok(f->context, fm_metric_update(metric, &predictions, &labels, NULL, 5));
    assert_near(fm_metric_result(metric), (3 + 2 * 0.5) / 6, 1e-15);
    fm_metric_destroy(metric);
}

/* The rest of a batch is padding: never looked at. One-hot labels, f32, a last dimension of 1. */
static void shapes_and_padding(void **state)
{
    fixture *f = *state;
    fm_metric *metric;
    const float p[6] = {1, 2, 5, 3, 0, 0}, y[6] = {0, 1, 0, 1, 9, 9};
    fm_metric_options options = {.metric = FM_CATEGORICAL_ACCURACY, .name = "right"};
    assert_ok(f->context,
              fm_metric_create(f->context, &options, FM_SHAPE(2), FM_SHAPE(2), &metric));
    fm_tensor predictions = tensor(p, FM_F32, FM_SHAPE(3, 2)), labels = predictions;
    labels.data = (void *)(uintptr_t)y;
    assert_ok(f->context, fm_metric_update(metric, &predictions, &labels, NULL, 2));
    assert_near(fm_metric_result(metric), 0.5, 0);
    assert_string_equal(fm_metric_name(metric), "right");
    fm_metric_destroy(metric);

    options = (fm_metric_options){.metric = FM_MSE};
    assert_ok(f->context, fm_metric_create(f->context, &options, FM_SHAPE(1), FM_SHAPE(), &metric));
    predictions = tensor(p, FM_F32, FM_SHAPE(6, 1));
    labels = tensor(y, FM_F32, FM_SHAPE(6));
    assert_ok(f->context, fm_metric_update(metric, &predictions, &labels, NULL, 3));
    assert_near(fm_metric_result(metric), (1 + 1 + 25) / 3.0, 1e-15);
    fm_metric_destroy(metric);
}

static void accuracy_suits_the_loss(void **state)
{
    (void)state;
    assert_int_equal(
        fm_metric_resolve("accuracy", FM_SPARSE_CATEGORICAL_CROSSENTROPY, FM_SHAPE(10)),
        FM_SPARSE_CATEGORICAL_ACCURACY);
    assert_int_equal(fm_metric_resolve("acc", FM_CATEGORICAL_CROSSENTROPY, FM_SHAPE(10)),
                     FM_CATEGORICAL_ACCURACY);
    assert_int_equal(fm_metric_resolve("accuracy", FM_BINARY_CROSSENTROPY, FM_SHAPE(1)),
                     FM_BINARY_ACCURACY);
    assert_int_equal(fm_metric_resolve("accuracy", FM_BINARY_CROSSENTROPY, FM_SHAPE(7)),
                     FM_BINARY_ACCURACY);
    assert_int_equal(fm_metric_resolve("f1_score", FM_BINARY_CROSSENTROPY, FM_SHAPE(7)), FM_F1);
    assert_int_equal(fm_metric_resolve("acuracy", FM_BINARY_CROSSENTROPY, FM_SHAPE(7)), -1);
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    fm_metric *metric;
    fm_metric_options options = {.metric = FM_BINARY_ACCURACY};
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "binary_accuracy: labels must have the prediction's shape; a sample's prediction "
                 "is (10), its label ()",
                 fm_metric_create(f->context, &options, FM_SHAPE(10), FM_SHAPE(), &metric));
    assert_null(metric);
    options.metric = FM_R2;
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "r2: labels do not fit predictions; a sample's prediction is (3), its label (4)",
                 fm_metric_create(f->context, &options, FM_SHAPE(3), FM_SHAPE(4), &metric));
    options.metric = FM_SPARSE_CATEGORICAL_ACCURACY;
    assert_fails(f->context, FM_ERROR_SHAPE, "classes need two columns or more",
                 fm_metric_create(f->context, &options, FM_SHAPE(1), FM_SHAPE(), &metric));
    assert_ok(f->context, fm_metric_create(f->context, &options, FM_SHAPE(3), FM_SHAPE(), &metric));
    const double p[6] = {0};
    const int y[2] = {2, 3};
    fm_tensor predictions = tensor(p, FM_F64, FM_SHAPE(2, 3)), labels;
    labels = tensor(y, FM_I32, FM_SHAPE(2));
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "sparse_categorical_accuracy: the label of sample 1 is 3, classes go from 0 to 2",
                 fm_metric_update(metric, &predictions, &labels, NULL, 2));
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "sparse_categorical_accuracy: predictions must be (3, 3), received (2, 3)",
                 fm_metric_update(metric, &predictions, &labels, NULL, 3));
    fm_metric_destroy(metric);
}

static fm_status one_of_each(fm_context *context, void *argument)
{
    (void)argument;
    const double p[6] = {1, 2, 3, 3, 2, 1};
    const int y[2] = {2, 1};
    fm_tensor predictions = tensor(p, FM_F64, FM_SHAPE(2, 3));
    fm_tensor labels = tensor(y, FM_I32, FM_SHAPE(2));
    const int kinds[] = {FM_AUC, FM_F1, FM_TOP_K_ACCURACY};
    for (int i = 0; i < 3; i++) {
        fm_metric *metric;
        const fm_metric_options options = {.metric = kinds[i]};
        fm_status status = fm_metric_create(context, &options, FM_SHAPE(3), FM_SHAPE(), &metric);
        if (status == FM_OK) status = fm_metric_update(metric, &predictions, &labels, NULL, 2);
        fm_metric_destroy(metric);
        if (status != FM_OK) return status;
    }
    return FM_OK;
}

static void each_allocation_may_fail(void **state)
{
    assert_true(fail_each_allocation(*state, one_of_each, NULL) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(agree_with_golden),        fixture_test(confusion_agrees),
        fixture_test(mean_iou_is_over_classes), fixture_test(ties_count_as_keras_counts_them),
        fixture_test(tied_scores_count_half),   fixture_test(shapes_and_padding),
        fixture_test(accuracy_suits_the_loss),  fixture_test(mistakes_are_worded),
        fixture_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
