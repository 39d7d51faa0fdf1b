/* A metric's running numbers taken out in the middle of its samples and put into another. */
#include "support/fixture.h"
#include "fathom/metric.h"

enum { SAMPLES = 12, COLUMNS = 3 };

static float predictions[SAMPLES][COLUMNS], labels[SAMPLES][COLUMNS];
static int32_t classes[SAMPLES];

static void fill_samples(void)
{
    for (int i = 0; i < SAMPLES; i++) {
        classes[i] = (i * 7) % COLUMNS;
        for (int k = 0; k < COLUMNS; k++) {
            predictions[i][k] = (float)((i * 5 + k * 11) % 13) / 6.5f - 1;
            labels[i][k] = k == classes[i];
        }
    }
}

/* `sparse`: class indices instead of one-hot labels. */
static fm_metric *create(fixture *f, fm_metric_options options, bool sparse)
{
    fm_metric *metric;
    fm_shape label = sparse ? FM_SHAPE() : FM_SHAPE(COLUMNS);
    assert_ok(f->context,
              fm_metric_create(f->context, &options, FM_SHAPE(COLUMNS), label, &metric));
    return metric;
}

static void update(fixture *f, fm_metric *metric, bool sparse, int first, int count)
{
    const fm_tensor p = {predictions[first], FM_F32, FM_SHAPE(count, COLUMNS), count * COLUMNS};
    const fm_tensor one_hot = {labels[first], FM_F32, FM_SHAPE(count, COLUMNS), count * COLUMNS};
    const fm_tensor index = {&classes[first], FM_I32, FM_SHAPE(count), count};
    assert_ok(f->context, fm_metric_update(metric, &p, sparse ? &index : &one_hot, NULL, count));
}

static void check_kind(fixture *f, fm_metric_options options, bool sparse)
{
    fm_metric *whole = create(f, options, sparse), *first = create(f, options, sparse);
    fm_metric *second = create(f, options, sparse);
    update(f, whole, sparse, 0, SAMPLES);
    update(f, first, sparse, 0, 5);
    update(f, second, sparse, 3, 9); /* to be forgotten */
    double numbers[128];
    size_t count = fm_metric_state(first, NULL);
    assert_true(count <= 128);
    assert_int_equal(fm_metric_state(first, numbers), count);
    assert_ok(f->context, fm_metric_restore(second, numbers, count));
    assert_true(fm_metric_result(second) == fm_metric_result(first));
    update(f, second, sparse, 5, SAMPLES - 5);
    assert_true(fm_metric_result(second) == fm_metric_result(whole));
    assert_fails(f->context, FM_ERROR_FORMAT, "does not belong to it",
                 fm_metric_restore(second, numbers, count - 1));
    assert_fails(f->context, FM_ERROR_FORMAT, "",
                 fm_metric_restore(second, (double[3]){0, 0, 1e18}, 3));
    assert_fails(f->context, FM_ERROR_FORMAT, "",
                 fm_metric_restore(second, (double[3]){0, 0, NAN}, 3));
    assert_true(isnan(fm_metric_result(second)) || fm_metric_result(second) == 0);
    fm_metric_destroy(whole);
    fm_metric_destroy(first);
    fm_metric_destroy(second);
}

static void every_kind_goes_on(void **state)
{
    fill_samples();
    for (int kind = 0; kind < FM_METRIC_COUNT; kind++) {
        bool sparse = kind == FM_SPARSE_CATEGORICAL_ACCURACY;
        check_kind(*state, (fm_metric_options){.metric = kind, .k = 2}, sparse);
    }
    check_kind(*state, (fm_metric_options){.metric = FM_AUC}, true);
    check_kind(*state, (fm_metric_options){.metric = FM_AUC, .multi_label = true}, false);
    check_kind(*state, (fm_metric_options){.metric = FM_F1, .multi_label = true}, false);
}

static fm_status restore(fm_context *context, void *argument)
{
    fm_metric *metric;
    const double numbers[3 + 2 * (COLUMNS + 2)] = {0, 2, 2};
    (void)argument;
    fm_status status = fm_metric_create(context, &(fm_metric_options){.metric = FM_AUC},
                                        FM_SHAPE(COLUMNS), FM_SHAPE(), &metric);
    if (status == FM_OK) status = fm_metric_restore(metric, numbers, 3 + 2 * (COLUMNS + 2));
    fm_metric_destroy(metric);
    return status;
}

static void restoring_survives_failing_allocations(void **state)
{
    fail_each_allocation(*state, restore, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(every_kind_goes_on),
        fixture_test(restoring_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
