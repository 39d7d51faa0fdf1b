/* Forecasts of models whose answers are known: the last value, the last change. */
#include "support/fixture.h"
#include "fathom/built_in_data.h"
#include "fathom/forecast.h"
#include "fathom/nn.h"
#include "fathom/ops.h"

enum { MOST = 64 };

typedef struct problem {
    fm_series *series;
    fm_dataset *windows, *prepared;
    fm_transform *transform;
    fm_model *model;
} problem;

/* What stands in the last row of the window, as often as the horizon has rows.
 * A weight of 1 makes it a model. */
static fm_val last_row(fm_graph *g, fm_val x, void *argument)
{
    const fm_series_info *info = argument;
    fm_val last = fm_slice(g, x, 1, info->window - 1, info->window);
    last = fm_slice(g, last, 2, 0, info->target_count);
    fm_val one = fm_variable(g, "one", FM_F32, FM_SHAPE(1, 1, 1),
                             &(fm_variable_options){.initializer = fm_ones()});
    last = fm_mul(g, last, one);
    if (info->horizon == 1) return fm_flatten(g, last);
    fm_val rows[MOST];
    for (int64_t h = 0; h < info->horizon; h++) rows[h] = last;
    fm_val all = fm_concat(g, rows, (int)info->horizon, 1);
    return info->target_count == 1 ? fm_flatten(g, all) : all;
}

static fm_status open_problem(fm_context *context, const char *text,
                              const fm_series_options *options, int normalize, problem *p)
{
    *p = (problem){0};
    fm_transform_options scaling = {.normalize = normalize, .target_normalize = normalize};
    fm_status status = fm_series_parse(context, "t.csv", text, strlen(text), options, &p->series);
    if (status == FM_OK) status = fm_dataset_series(context, p->series, &p->windows);
    if (status == FM_OK) status = fm_transform_fit(context, p->windows, &scaling, &p->transform);
    if (status == FM_OK) {
        status = fm_dataset_transform(context, p->windows, p->transform, &p->prepared);
    }
    if (status != FM_OK) return status;
    fm_model_options model = {
        .build = last_row,
        .argument = (void *)(uintptr_t)fm_series_about(p->series),
        .input_shape = fm_dataset_about(p->prepared)->fields[0].shape,
        .loss = FM_MEAN_SQUARED_ERROR,
        .optimizer = {.rule = FM_SGD},
    };
    return fm_model_create(context, &model, &p->model);
}

static void close_problem(problem *p)
{
    fm_model_destroy(p->model);
    fm_dataset_destroy(p->prepared);
    fm_dataset_destroy(p->windows);
    fm_transform_destroy(p->transform);
    fm_series_destroy(p->series);
}

static void check_forecast(fixture *f, const char *text, fm_series_options options, int64_t steps,
                           const double *expected)
{
    problem p;
    double said[MOST];
    assert_ok(f->context, open_problem(f->context, text, &options, FM_NORMALIZE_NONE, &p));
    assert_ok(f->context, fm_forecast(p.model, p.transform, p.series, steps, said));
    int64_t count = steps * fm_series_about(p.series)->target_count;
    for (int64_t i = 0; i < count; i++) assert_near(said[i], expected[i], 1e-5);
    close_problem(&p);
}

static const char squares[] = "t,v\n2020-01,1\n2020-02,4\n2020-03,9\n2020-04,16\n2020-05,25\n"
                              "2020-06,36\n2020-07,49\n";

static void the_last_value_is_held(void **state)
{
    for (int64_t horizon = 1; horizon <= 3; horizon++) {
        check_forecast(*state, squares, (fm_series_options){.window = 2, .horizon = horizon}, 4,
                       (double[]){49, 49, 49, 49});
    }
}

static void the_last_change_goes_on(void **state)
{
    for (int64_t horizon = 1; horizon <= 3; horizon++) {
        fm_series_options once = {.window = 2, .horizon = horizon, .difference = {1, {1}}};
        check_forecast(*state, squares, once, 4, (double[]){62, 75, 88, 101});
        fm_series_options twice = {.window = 2, .horizon = horizon, .difference = {2, {1, 1}}};
        check_forecast(*state, squares, twice, 4, (double[]){64, 81, 100, 121});
    }
}

static void growth_goes_on_by_its_factor(void **state)
{
    fm_series_options growth = {.window = 2, .log = "v", .difference = {1, {1}}};
    check_forecast(*state, "v\n1\n2\n4\n8\n16\n32\n", growth, 3, (double[]){64, 128, 256});
}

static void seasons_go_on(void **state)
{
    fm_series_options season = {.window = 1, .difference = {1, {3}}};
    check_forecast(*state, "v\n1\n5\n9\n2\n6\n10\n3\n7\n11\n", season, 7,
                   (double[]){4, 8, 12, 5, 9, 13, 6});
}

static void several_targets_are_forecast(void **state)
{
    for (int64_t horizon = 1; horizon <= 2; horizon++) {
        fm_series_options both = {
            .window = 2, .horizon = horizon, .target = "a,b", .difference = {1, {1}}};
        check_forecast(*state, "a,b\n1,10\n2,30\n3,50\n4,70\n5,90\n6,110\n", both, 3,
                       (double[]){7, 130, 8, 150, 9, 170});
    }
}

/* The calendar goes on by itself. */
static void the_calendar_of_the_future_is_known(void **state)
{
    fm_series_options year = {.window = 2, .calendar = "year", .difference = {1, {1}}};
    check_forecast(*state, squares, year, 3, (double[]){62, 75, 88});
}

/* An input that is no target must be known for the rows that are read. */
static void inputs_of_the_future_are_wanted(void **state)
{
    fixture *f = *state;
    problem p;
    double said[4];
    fm_series_options options = {.window = 2, .inputs = "v,promo", .target = "v"};
    static const char without[] = "promo,v\n0,1\n1,2\n0,3\n1,4\n";
    static const char with[] = "promo,v\n0,1\n1,2\n0,3\n1,4\n0,\n1,\n";
    assert_ok(f->context, open_problem(f->context, without, &options, FM_NORMALIZE_NONE, &p));
    assert_ok(f->context, fm_forecast(p.model, p.transform, p.series, 1, said));
    assert_near(said[0], 4, 0);
    assert_fails(
        f->context, FM_ERROR_ARGUMENT,
        "t.csv: to forecast 2 rows, \"promo\" is needed in row 4 (row 4): add rows with it "
        "and an empty target, or forecast fewer",
        fm_forecast(p.model, p.transform, p.series, 2, said));
    close_problem(&p);
    assert_ok(f->context, open_problem(f->context, with, &options, FM_NORMALIZE_NONE, &p));
    assert_ok(f->context, fm_forecast(p.model, p.transform, p.series, 3, said));
    assert_near(said[2], 4, 0);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "is needed in row 6",
                 fm_forecast(p.model, p.transform, p.series, 4, said));
    close_problem(&p);
}

static void forecasts_that_make_no_sense_are_refused(void **state)
{
    fixture *f = *state;
    problem p;
    double said[4];
    fm_series *short_one;
    fm_series_options options = {.window = 2, .difference = {1, {1}}};
    assert_ok(f->context, open_problem(f->context, squares, &options, FM_NORMALIZE_NONE, &p));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "forecast: 0 rows; 1 to",
                 fm_forecast(p.model, p.transform, p.series, 0, said));
    assert_ok(f->context,
              fm_series_parse(f->context, "s.csv", "v\n1\n2\n", 6, &options, &short_one));
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "s.csv: a forecast needs the 3 rows before it, there are 2",
                 fm_forecast(p.model, p.transform, short_one, 1, said));
    fm_series_destroy(short_one);
    options.horizon = 2;
    assert_ok(f->context,
              fm_series_parse(f->context, "s.csv", squares, strlen(squares), &options, &short_one));
    assert_fails(f->context, FM_ERROR_SHAPE, "the model gives f32 (1), 2 rows of 1 targets",
                 fm_forecast(p.model, p.transform, short_one, 1, said));
    fm_series_destroy(short_one);
    close_problem(&p);
    fm_dataset *sine;
    assert_ok(f->context, fm_dataset_sine(f->context, NULL, &sine, NULL));
    options.horizon = 1;
    assert_ok(f->context, open_problem(f->context, squares, &options, FM_NORMALIZE_NONE, &p));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "holds no windows of a series",
                 fm_forecast_windows(p.model, p.transform, sine, NULL, (float[1]){0}));
    fm_dataset_destroy(sine);
    close_problem(&p);
}

/* By hand: truths 16, 25, 36, 49 for windows of three; changes 7, 9, 11, 13. */
static void errors_are_held_against_naive_ones(void **state)
{
    fixture *f = *state;
    problem p;
    fm_forecast_scores s;
    fm_series_options options = {.window = 3, .season = 2};
    assert_ok(f->context, open_problem(f->context, squares, &options, FM_NORMALIZE_NONE, &p));
    assert_ok(f->context, fm_forecast_evaluate(p.model, p.transform, p.prepared, NULL, &s));
    assert_int_equal(s.count, 4);
    assert_near(s.mae, 10, 1e-6);
    assert_near(s.rmse, sqrt((49 + 81 + 121 + 169) / 4.), 1e-6);
    assert_near(s.naive_mae, 10, 1e-6);
    assert_near(s.share, 1, 1e-6);
    assert_near(s.seasonal_mae, (12 + 16 + 20 + 24) / 4., 1e-6);
    assert_near(s.seasonal_share, 10 / 18., 1e-6);
    assert_near(s.mase, 10 / 8., 1e-6); /* in front of row 3: |9 - 1| */
    close_problem(&p);
    options = (fm_series_options){.window = 2, .horizon = 2, .difference = {1, {1}}};
    assert_ok(f->context, open_problem(f->context, squares, &options, FM_NORMALIZE_NONE, &p));
    assert_ok(f->context, fm_forecast_evaluate(p.model, p.transform, p.prepared, NULL, &s));
    assert_int_equal(s.count, 6); /* truths 16 25, 25 36, 36 49; said 14 19, 23 30, 34 43 */
    assert_near(s.mae, (2 + 6 + 2 + 6 + 2 + 6) / 6., 1e-5);
    assert_near(s.naive_mae, (7 + 16 + 9 + 20 + 11 + 24) / 6., 1e-6);
    assert_near(s.share, 24 / 87., 1e-6);
    assert_true(isnan(s.seasonal_share));
    assert_near(s.mase, 4 / 4., 1e-5); /* changes in front of row 3: 3, 5 */
    close_problem(&p);
}

static void scaled_forecasts_are_in_the_users_unit(void **state)
{
    fixture *f = *state;
    problem p;
    float said[8];
    fm_series_options options = {.window = 3, .difference = {1, {1}}};
    assert_ok(f->context,
              open_problem(f->context, squares, &options, FM_NORMALIZE_STANDARDIZE, &p));
    assert_ok(f->context, fm_forecast_windows(p.model, p.transform, p.prepared, NULL, said));
    /* changes x: mean and deviation of 3..11, y: of 9..13; the last x is 7, 9, 11 */
    double x_mean = (3 + 5 + 7 + 5 + 7 + 9 + 7 + 9 + 11) / 9., squared = 0, y_mean = 11;
    static const double x[] = {3, 5, 7, 5, 7, 9, 7, 9, 11};
    for (int i = 0; i < 9; i++) squared += (x[i] - x_mean) * (x[i] - x_mean);
    double x_deviation = sqrt(squared / 9), y_deviation = sqrt(8 / 3.);
    for (int i = 0; i < 3; i++) {
        double change = (7 + 2 * i - x_mean) / x_deviation * y_deviation + y_mean;
        assert_near((double)said[i], pow(4 + i, 2) + change, 1e-4);
    }
    close_problem(&p);
}

static fm_status forecast_all(fm_context *context, void *argument)
{
    problem p;
    double said[6];
    fm_forecast_scores scores;
    (void)argument;
    fm_series_options options = {.window = 2, .horizon = 2, .difference = {1, {1}}};
    fm_status status = open_problem(context, squares, &options, FM_NORMALIZE_STANDARDIZE, &p);
    if (status == FM_OK) {
        status = fm_forecast_evaluate(p.model, p.transform, p.prepared, NULL, &scores);
    }
    if (status == FM_OK) status = fm_forecast(p.model, p.transform, p.series, 3, said);
    close_problem(&p);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    assert_true(fail_each_allocation(*state, forecast_all, NULL) >= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_last_value_is_held),
        fixture_test(the_last_change_goes_on),
        fixture_test(growth_goes_on_by_its_factor),
        fixture_test(seasons_go_on),
        fixture_test(several_targets_are_forecast),
        fixture_test(the_calendar_of_the_future_is_known),
        fixture_test(inputs_of_the_future_are_wanted),
        fixture_test(forecasts_that_make_no_sense_are_refused),
        fixture_test(errors_are_held_against_naive_ones),
        fixture_test(scaled_forecasts_are_in_the_users_unit),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
