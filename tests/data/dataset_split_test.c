#include "support/fixture.h"
#include "fathom/data.h"

enum { MOST = 1000 };

/* Sample i holds i and the class labels[i]. */
static fm_dataset *numbered(fm_context *context, int64_t count, const int32_t *labels)
{
    static int32_t x[MOST], none[MOST];
    for (int i = 0; i < MOST; i++) x[i] = i;
    fm_dataset_info info = {.name = "numbers",
                            .count = count,
                            .field_count = 2,
                            .fields = {{.name = "x", .dtype = FM_I32, .shape = FM_SHAPE()},
                                       {.name = "y", .dtype = FM_I32, .shape = FM_SHAPE()}}};
    fm_dataset *dataset;
    const void *data[] = {x, labels ? labels : none};
    assert_ok(context, fm_dataset_from_arrays(context, &info, data, false, &dataset));
    return dataset;
}

static int64_t read_all(fm_context *context, const fm_dataset *dataset, int32_t *x, int32_t *y)
{
    fm_data_request request = {.count = fm_dataset_about(dataset)->count, .fields = {x, y}};
    assert_ok(context, fm_dataset_read(context, dataset, &request));
    return request.count;
}

/* Both parts together hold every sample once, each in ascending order. Takes them. */
static void check_partition(fm_context *context, fm_dataset *first, fm_dataset *second,
                            int64_t count)
{
    int32_t seen[MOST] = {0}, x[MOST];
    for (int part = 0; part < 2; part++) {
        int64_t n = read_all(context, part ? second : first, x, NULL);
        for (int64_t i = 0; i < n; i++) {
            seen[x[i]]++;
            if (i > 0) assert_true(x[i] > x[i - 1]);
        }
    }
    for (int64_t i = 0; i < count; i++) assert_int_equal(seen[i], 1);
    fm_dataset_destroy(first);
    fm_dataset_destroy(second);
}

static void the_end_is_taken_as_keras_does(void **state)
{
    fixture *f = *state;
    const struct {
        int64_t count;
        double fraction;
        int64_t kept;
    } cases[] = {{1000, 0.1, 900}, {150, 0.2, 120}, {7, 0.5, 3}, {10, 0.25, 7}, {2, 0.1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fm_dataset *all = numbered(f->context, cases[i].count, NULL), *first, *second;
        fm_split_options options = {.fraction = cases[i].fraction};
        assert_ok(f->context, fm_dataset_split(f->context, all, &options, &first, &second));
        int32_t x[MOST];
        assert_int_equal(read_all(f->context, first, x, NULL), cases[i].kept);
        assert_int_equal(x[cases[i].kept - 1], cases[i].kept - 1);
        check_partition(f->context, first, second, cases[i].count);
        fm_dataset_destroy(all);
    }
}

static void a_seed_draws_the_same_part(void **state)
{
    fixture *f = *state;
    fm_dataset *all = numbered(f->context, 500, NULL);
    int32_t drawn[3][MOST];
    for (int i = 0; i < 3; i++) {
        fm_dataset *first, *second;
        fm_split_options options = {.fraction = 0.2, .shuffle = true, .seed = i == 2 ? 8 : 7};
        assert_ok(f->context, fm_dataset_split(f->context, all, &options, &first, &second));
        assert_int_equal(read_all(f->context, second, drawn[i], NULL), 100);
        check_partition(f->context, first, second, 500);
    }
    assert_memory_equal(drawn[0], drawn[1], 100 * sizeof(int32_t));
    assert_memory_not_equal(drawn[0], drawn[2], 100 * sizeof(int32_t));
    assert_true(drawn[0][0] < 100); /* not simply the end */
    fm_dataset_destroy(all);
}

static void strata_keep_their_share(void **state)
{
    fixture *f = *state;
    int32_t labels[MOST], y[MOST], x[MOST];
    for (int i = 0; i < MOST; i++) labels[i] = i < 700 ? 0 : i < 990 ? 1 : 2;
    fm_dataset *all = numbered(f->context, MOST, labels), *first, *second;
    fm_split_options options = {.fraction = 0.25, .shuffle = true, .stratify = true, .seed = 3};
    assert_ok(f->context, fm_dataset_split(f->context, all, &options, &first, &second));
    int held[3] = {0};
    assert_int_equal(read_all(f->context, second, x, y), 250);
    for (int i = 0; i < 250; i++) held[y[i]]++;
    /* 175, 72.5, 2.5: the odd one goes to the first of equal remainders */
    assert_int_equal(held[0], 175);
    assert_int_equal(held[1], 73);
    assert_int_equal(held[2], 2);
    check_partition(f->context, first, second, MOST);
    fm_dataset_destroy(all);
}

static void folds_cover_everything_once(void **state)
{
    fixture *f = *state;
    fm_dataset *all = numbered(f->context, 103, NULL);
    int32_t held[MOST] = {0}, x[MOST];
    for (int fold = 0; fold < 5; fold++) {
        fm_dataset *training, *validation;
        assert_ok(f->context, fm_dataset_fold(f->context, all, 5, fold, 1, &training, &validation));
        int64_t n = read_all(f->context, validation, x, NULL);
        assert_in_range(n, 20, 21);
        for (int64_t i = 0; i < n; i++) held[x[i]]++;
        check_partition(f->context, training, validation, 103);
    }
    for (int i = 0; i < 103; i++) assert_int_equal(held[i], 1);
    fm_dataset *a, *b;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "fold 5 of 5",
                 fm_dataset_fold(f->context, all, 5, 5, 1, &a, &b));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "103 samples",
                 fm_dataset_fold(f->context, all, 104, 0, 1, &a, &b));
    fm_dataset_destroy(all);
}

static void impossible_splits_are_refused(void **state)
{
    fixture *f = *state;
    int32_t values[4] = {0, -1, 5, 2};
    fm_dataset *all = numbered(f->context, 4, values), *first, *second;
    const struct {
        fm_split_options options;
        const char *words;
    } cases[] = {
        {{.fraction = 0}, "must lie between 0 and 1, received 0"},
        {{.fraction = 1}, "received 1"},
        {{.fraction = NAN}, "received nan"},
        {{.fraction = 0.9}, "empty"},
        {{.fraction = 0.5, .stratify = true}, "stratify needs shuffle"},
        {{.fraction = 0.5, .shuffle = true, .stratify = true}, "holds no classes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_fails(f->context, FM_ERROR_ARGUMENT, cases[i].words,
                     fm_dataset_split(f->context, all, &cases[i].options, &first, &second));
        assert_null(first);
        assert_null(second);
    }
    fm_dataset_destroy(all);
}

static fm_status split_strata(fm_context *context, void *argument)
{
    fm_dataset *first, *second;
    fm_split_options options = {.fraction = 0.5, .shuffle = true, .stratify = true};
    fm_status status = fm_dataset_split(context, argument, &options, &first, &second);
    fm_dataset_destroy(first);
    fm_dataset_destroy(second);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    fm_dataset *all = numbered(f->context, 20, NULL);
    assert_int_equal(fail_each_allocation(f, split_strata, all), 9);
    fm_dataset_destroy(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_end_is_taken_as_keras_does), fixture_test(a_seed_draws_the_same_part),
        fixture_test(strata_keep_their_share),        fixture_test(folds_cover_everything_once),
        fixture_test(impossible_splits_are_refused),  fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
