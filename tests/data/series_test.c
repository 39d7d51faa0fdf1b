/* Series: columns, windows, splits by time, logarithm and differences and their way back. */
#include "support/fixture.h"
#include "data/dataset.h"
#include "data/series/series_inside.h"
#include "fathom/built_in_data.h"
#include "fathom/series.h"

enum { MOST = 4096 };

static fm_series *parse(fm_context *context, const char *text, fm_series_options options)
{
    fm_series *series;
    assert_ok(context, fm_series_parse(context, "t.csv", text, strlen(text), &options, &series));
    return series;
}

static void refuse(fm_context *context, const char *text, fm_series_options options,
                   fm_status status, const char *words)
{
    fm_series *series;
    assert_fails(context, status, words,
                 fm_series_parse(context, "t.csv", text, strlen(text), &options, &series));
    assert_null(series);
}

static fm_dataset *windows_of(fm_context *context, fm_series *series)
{
    fm_dataset *windows;
    assert_ok(context, fm_dataset_series(context, series, &windows));
    fm_series_destroy(series); /* the set holds it */
    return windows;
}

static void check_field(fm_context *context, const fm_dataset *set, int field, fm_shape shape,
                        const double *expected)
{
    static double values[MOST];
    const fm_dataset_info *info = fm_dataset_about(set);
    int64_t elements = info->count * fm_shape_elements(shape);
    assert_true(fm_shape_equal(info->fields[field].shape, shape));
    assert_true(elements <= MOST);
    fm_data_request request = {.count = info->count};
    request.fields[field] = values;
    assert_ok(context, fm_dataset_read(context, set, &request));
    for (int64_t i = 0; i < elements; i++) assert_near(values[i], expected[i], 1e-12);
}

static void check_names(const fm_dataset *set, int field, const char *names)
{
    const fm_data_field *about = &fm_dataset_about(set)->fields[field];
    char joined[256] = "";
    for (int64_t i = 0; i < fm_field_columns(about); i++) {
        strcat(joined, i ? "," : "");
        strcat(joined, about->columns[i].name);
    }
    assert_string_equal(joined, names);
}

/* ---- windows ---- */

static void one_column_becomes_windows(void **state)
{
    fixture *f = *state;
    static const char text[] =
        "Month,Sold\n2020-01,1\n2020-02,2\n2020-03,3\n2020-04,4\n2020-05,5\n";
    fm_dataset *w =
        windows_of(f->context, parse(f->context, text, (fm_series_options){.window = 3}));
    assert_int_equal(fm_dataset_about(w)->count, 2);
    check_field(f->context, w, 0, FM_SHAPE(3, 1), (double[]){1, 2, 3, 2, 3, 4});
    check_field(f->context, w, 1, FM_SHAPE(1), (double[]){4, 5});
    check_names(w, 0, "Sold");
    check_names(w, 1, "Sold");
    assert_true(fm_dataset_about(w)->ordered);
    assert_int_equal(fm_dataset_about(w)->gap, 0);
    char time[FM_SERIES_TIME_TEXT];
    const fm_series *series = fm_dataset_series_of(w);
    assert_string_equal(fm_series_about(series)->time_name, "Month");
    assert_string_equal(fm_series_time(series, fm_series_origin(w, 1), time), "2020-05");
    assert_near(fm_series_value(series, 4, 0), 5, 0);
    assert_true(isnan(fm_series_value(series, 5, 0)));
    assert_int_equal(fm_series_origin(w, 2), -1);
    fm_dataset_destroy(w);
}

static void horizon_and_stride_shape_them(void **state)
{
    fixture *f = *state;
    static const char text[] = "v\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    fm_dataset *w =
        windows_of(f->context, parse(f->context, text,
                                     (fm_series_options){.window = 2, .horizon = 3, .stride = 2}));
    assert_int_equal(fm_dataset_about(w)->count, 3);
    check_field(f->context, w, 0, FM_SHAPE(2, 1), (double[]){0, 1, 2, 3, 4, 5});
    check_field(f->context, w, 1, FM_SHAPE(3), (double[]){2, 3, 4, 4, 5, 6, 6, 7, 8});
    check_names(w, 1, "v+1,v+2,v+3");
    assert_int_equal(fm_dataset_about(w)->gap, 1);
    fm_dataset_destroy(w);
}

static void several_columns_are_chosen(void **state)
{
    fixture *f = *state;
    static const char text[] = "a;b;note;c\n1;10;x;100\n2;20;y;200\n3;30;z;300\n4;40;x;400\n";
    fm_series_options options = {.window = 2, .inputs = "c, a", .target = "b,a"};
    fm_dataset *w = windows_of(f->context, parse(f->context, text, options));
    check_names(w, 0, "c,a");
    check_names(w, 1, "b,a");
    check_field(f->context, w, 0, FM_SHAPE(2, 2), (double[]){100, 1, 200, 2, 200, 2, 300, 3});
    check_field(f->context, w, 1, FM_SHAPE(2), (double[]){30, 3, 40, 4});
    fm_dataset_destroy(w);
    options = (fm_series_options){.window = 1, .horizon = 2, .drop = "note", .target = "-1,0"};
    w = windows_of(f->context, parse(f->context, text, options)); /* by number */
    check_names(w, 0, "a,b,c");
    check_field(f->context, w, 1, FM_SHAPE(2, 2), (double[]){200, 2, 300, 3, 300, 3, 400, 4});
    fm_dataset_destroy(w);
    options = (fm_series_options){.window = 1, .drop = "note"}; /* the last column */
    w = windows_of(f->context, parse(f->context, text, options));
    check_names(w, 1, "c");
    fm_dataset_destroy(w);
}

static void times_are_found(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *text, *time, *name, *second;
    } cases[] = {
        {"Month,v\n1949-01,1\n1949-02,2\n", NULL, "Month", "1949-02"},
        {"v,when\n1,01.02.2020\n2,02.02.2020\n", NULL, "when", "02.02.2020"}, /* by its cells */
        {"year,v\n1949,1\n1950,2\n", NULL, "year", "1950"},                   /* by its name */
        {"Date Time,v\n2020-01-01 00:00:00,1\n2020-01-01 00:10:00,2\n", NULL, "Date Time",
         "2020-01-01 00:10:00"},
        {"month,v\n12,1\n1,2\n", NULL, "row", "1"}, /* begins again: a number like others */
        {"year,v\n1949,1\n1950,2\n", "none", "row", "1"},
        {"v,k\n1,10\n2,20\n", "k", "k", "20"},
        {"1949-01,1\n1949-02,2\n", NULL, "0", "1949-02"}, /* without a header */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char time[FM_SERIES_TIME_TEXT];
        fm_series_options options = {.window = 1, .time = cases[i].time};
        fm_series *series = parse(f->context, cases[i].text, options);
        assert_string_equal(fm_series_about(series)->time_name, cases[i].name);
        assert_string_equal(fm_series_time(series, 1, time), cases[i].second);
        fm_series_destroy(series);
    }
}

/* ---- parts ---- */

/* Rows 0, 1, 2, ... as values, so that a target is its row. */
static fm_dataset *numbered(fm_context *context, int64_t rows, fm_series_options options)
{
    static double values[MOST];
    static const char *const names[] = {"v"};
    fm_series *series;
    for (int i = 0; i < MOST; i++) values[i] = i + 1;
    fm_series_values table = {
        .name = "numbers", .rows = rows, .columns = 1, .values = values, .names = names};
    assert_ok(context, fm_series_create(context, &table, &options, &series));
    return windows_of(context, series);
}

/* No target of the first part lies in the second;
 * the second begins right behind `first_row`'s cut. */
static void check_cut(const fm_dataset *first, const fm_dataset *second)
{
    const fm_series_info *info = fm_series_about(fm_dataset_series_of(first));
    int64_t last = fm_series_origin(first, fm_dataset_about(first)->count - 1) + info->horizon - 1;
    int64_t next = fm_series_origin(second, 0);
    assert_true(last < next);
    assert_true(last + info->stride >= next); /* and no more is left out than must be */
}

static void splits_cut_in_time(void **state)
{
    fixture *f = *state;
    for (int64_t horizon = 1; horizon <= 5; horizon++) {
        for (int64_t stride = 1; stride <= 4; stride++) {
            fm_series_options options = {.window = 4, .horizon = horizon, .stride = stride};
            fm_dataset *all = numbered(f->context, 100, options), *first, *second, *third, *fourth;
            fm_split_options split = {.fraction = 0.3};
            assert_ok(f->context, fm_dataset_split(f->context, all, &split, &first, &second));
            assert_ok(f->context, fm_dataset_split(f->context, first, &split, &third, &fourth));
            check_cut(first, second);
            check_cut(third, fourth);
            /* the first test sample reads the rows in front of the cut */
            double x[4];
            fm_data_request request = {.count = 1, .fields = {x}};
            assert_ok(f->context, fm_dataset_read(f->context, second, &request));
            assert_near(x[3], (double)fm_series_origin(second, 0), 0);
            fm_dataset *sets[] = {all, first, second, third, fourth};
            for (int i = 0; i < 5; i++) fm_dataset_destroy(sets[i]);
        }
    }
}

/* A model keeps the names, in JSON. */
static void names_are_utf8(void **state)
{
    fixture *f = *state;
    static const char text[] = "temp\xe9rature,v\n1,2\n2,3\n3,4\n4,5\n";
    refuse(f->context, text, (fm_series_options){.window = 1}, FM_ERROR_FORMAT,
           "t.csv: the name of column 0 is no UTF-8 text; convert the file");
    const fm_series_options others = {.window = 1, .drop = "0"};
    fm_series_destroy(parse(f->context, text, others)); /* nobody keeps it */
}

static void drawn_parts_are_refused(void **state)
{
    fixture *f = *state;
    fm_dataset *all = numbered(f->context, 50, (fm_series_options){.window = 4}), *a, *b;
    fm_split_options split = {.fraction = 0.3, .shuffle = true};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "is ordered in time; with shuffle",
                 fm_dataset_split(f->context, all, &split, &a, &b));
    assert_null(a);
    fm_dataset_destroy(all);
    all = numbered(f->context, 60, (fm_series_options){.window = 4, .horizon = 40});
    split = (fm_split_options){.fraction = 0.5};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "none is left",
                 fm_dataset_split(f->context, all, &split, &a, &b));
    fm_dataset_destroy(all);
}

/* Each fold validates what lies behind all that it trains on. */
static void folds_go_forward(void **state)
{
    fixture *f = *state;
    fm_dataset *all = numbered(f->context, 103, (fm_series_options){.window = 4, .horizon = 3});
    int64_t before = 0;
    for (int64_t fold = 0; fold < 4; fold++) {
        fm_dataset *training, *validation;
        assert_ok(f->context, fm_dataset_fold(f->context, all, 4, fold, 1, &training, &validation));
        check_cut(training, validation);
        assert_true(fm_dataset_about(training)->count > before);
        before = fm_dataset_about(training)->count;
        if (fold == 3) assert_int_equal(fm_series_origin(validation, 19), 100);
        fm_dataset_destroy(training);
        fm_dataset_destroy(validation);
    }
    fm_dataset_destroy(all);
}

static void the_test_part_begins_at_a_time(void **state)
{
    fixture *f = *state;
    static const char text[] = "y,v\n1990,0\n1991,1\n1992,2\n1993,3\n1994,4\n1995,5\n1996,6\n"
                               "1997,7\n1998,8\n1999,9\n";
    fm_series_options options = {.window = 2, .horizon = 2, .time = "y"};
    fm_series *series = parse(f->context, text, options);
    fm_dataset *train, *test;
    assert_ok(f->context, fm_dataset_series_parts(f->context, series, "1996", &train, &test));
    check_field(f->context, train, 1, FM_SHAPE(2), (double[]){2, 3, 3, 4, 4, 5});
    check_field(f->context, test, 1, FM_SHAPE(2), (double[]){6, 7, 7, 8, 8, 9});
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "'1990' leaves no window in the training part",
                 fm_dataset_series_parts(f->context, series, "1990", &train, &test));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "'2005' leaves no window in the test part",
                 fm_dataset_series_parts(f->context, series, "2005", &train, &test));
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "'May' is neither a row's number nor a time like 1990",
                 fm_dataset_series_parts(f->context, series, "May", &train, &test));
    fm_series_destroy(series);
}

/* ---- logarithm and differences ---- */

static void differences_and_logarithms_are_taken(void **state)
{
    fixture *f = *state;
    static const char text[] = "v,w\n1,1\n4,2\n9,3\n16,4\n25,5\n36,6\n";
    fm_series_options options = {
        .window = 2, .target = "v", .difference = {.count = 2, .at = {1, 1}}};
    fm_dataset *w = windows_of(f->context, parse(f->context, text, options));
    check_field(f->context, w, 0, FM_SHAPE(2, 2), (double[]){2, 3, 2, 4, 2, 4, 2, 5});
    check_field(f->context, w, 1, FM_SHAPE(1), (double[]){2, 2});
    fm_dataset_destroy(w);
    options = (fm_series_options){.window = 1,
                                  .target = "v",
                                  .log = "v,w",
                                  .differenced = "w",
                                  .difference = {.count = 1, .at = {2}}};
    w = windows_of(f->context, parse(f->context, text, options));
    check_field(f->context, w, 0, FM_SHAPE(1, 2),
                (double[]){log(9), log(3), log(16), log(2), log(25), log(5. / 3)});
    check_field(f->context, w, 1, FM_SHAPE(1), (double[]){log(16), log(25), log(36)});
    fm_dataset_destroy(w);
}

/* What a window holds, restored, is what the table holds. */
static void the_way_back_is_exact(void **state)
{
    static const fm_ints lags[] = {{0},          {1, {1}},     {1, {3}},      {2, {1, 1}},
                                   {2, {1, 12}}, {2, {12, 1}}, {3, {1, 2, 4}}};
    fixture *f = *state;
    static double values[2 * 80];
    static const char *const names[] = {"a", "b"};
    for (int i = 0; i < 160; i++) values[i] = 50 + i + 20 * sin(0.7 * i);
    for (size_t k = 0; k < sizeof lags / sizeof *lags; k++) {
        for (int targets = 1; targets <= 2; targets++) {
            for (int64_t horizon = 1; horizon <= 15; horizon += 7) {
                fm_series_options options = {.window = 3,
                                             .horizon = horizon,
                                             .target = targets == 1 ? "b" : "b,a",
                                             .log = k % 2 ? "b" : NULL,
                                             .difference = lags[k]};
                fm_series_values table = {
                    .rows = 80, .columns = 2, .values = values, .names = names};
                fm_series *series;
                assert_ok(f->context, fm_series_create(f->context, &table, &options, &series));
                fm_dataset *w = windows_of(f->context, series);
                int64_t count = fm_dataset_about(w)->count;
                int64_t size = horizon * targets;
                static double y[MOST];
                static float said[MOST];
                fm_data_request request = {.count = count, .fields = {NULL, y}};
                assert_ok(f->context, fm_dataset_read(f->context, w, &request));
                for (int64_t i = 0; i < count * size; i++) said[i] = (float)y[i];
                assert_ok(f->context, fm_series_restore(f->context, w, 0, count, said));
                for (int64_t i = 0; i < count * size; i++) {
                    int64_t row = fm_series_origin(w, i / size) + i % size / targets;
                    double truth = values[2 * row + (i % targets == 0)];
                    assert_near((double)said[i], truth, 2e-5);
                }
                assert_fails(f->context, FM_ERROR_ARGUMENT, "are to be restored",
                             fm_series_restore(f->context, w, 1, count, said));
                fm_dataset_destroy(w);
            }
        }
    }
}

static void the_series_is_found_behind_its_sets(void **state)
{
    fixture *f = *state;
    fm_dataset *all = numbered(f->context, 60, (fm_series_options){.window = 4}), *part, *prepared;
    const uint32_t indices[] = {7, 3};
    fm_transform *transform;
    fm_transform_options standardize = {.normalize = FM_NORMALIZE_STANDARDIZE};
    assert_ok(f->context, fm_transform_fit(f->context, all, &standardize, &transform));
    assert_ok(f->context, fm_dataset_transform(f->context, all, transform, &prepared));
    assert_true(fm_dataset_about(prepared)->ordered);
    assert_ok(f->context, fm_dataset_view(f->context, prepared, indices, 2, &part));
    assert_ptr_equal(fm_dataset_series_of(part), fm_dataset_series_of(all));
    assert_int_equal(fm_series_origin(part, 1), 3 + 4);
    fm_dataset *sine;
    assert_ok(f->context, fm_dataset_sine(f->context, NULL, &sine, NULL));
    assert_null(fm_dataset_series_of(sine));
    assert_int_equal(fm_series_origin(sine, 0), -1);
    float untouched = 3;
    assert_ok(f->context, fm_series_restore(f->context, sine, 0, 1, &untouched));
    assert_near((double)untouched, 3, 0);
    fm_dataset *sets[] = {all, part, prepared, sine};
    for (int i = 0; i < 4; i++) fm_dataset_destroy(sets[i]);
    fm_transform_destroy(transform);
}

/* What is learned from the training part is not of the future: later rows change nothing. */
static void scaling_is_learned_from_the_past(void **state)
{
    fixture *f = *state;
    double mean[2];
    for (int run = 0; run < 2; run++) {
        char text[1024] = "v\n";
        for (int i = 0; i < 40; i++) {
            snprintf(text + strlen(text), 32, "%d\n", i < 30 ? i % 5 : i * (1 + 1000 * run));
        }
        fm_dataset *all =
            windows_of(f->context, parse(f->context, text, (fm_series_options){.window = 5}));
        fm_dataset *train, *test;
        fm_split_options split = {.fraction = 10. / 35};
        fm_transform *transform;
        fm_transform_options o = {.normalize = FM_NORMALIZE_STANDARDIZE,
                                  .target_normalize = FM_NORMALIZE_STANDARDIZE};
        assert_ok(f->context, fm_dataset_split(f->context, all, &split, &train, &test));
        assert_ok(f->context, fm_transform_fit(f->context, train, &o, &transform));
        float zero = 0;
        fm_transform_restore(transform, &zero, 1);
        mean[run] = (double)zero;
        assert_near(mean[run], 2, 1e-6);
        fm_dataset *sets[] = {all, train, test};
        for (int i = 0; i < 3; i++) fm_dataset_destroy(sets[i]);
        fm_transform_destroy(transform);
    }
}

static void each_column_is_scaled_by_itself(void **state)
{
    fixture *f = *state;
    static const char text[] = "a,b\n0,100\n2,300\n0,100\n2,300\n";
    fm_dataset *w =
        windows_of(f->context, parse(f->context, text, (fm_series_options){.window = 2}));
    fm_transform *transform;
    fm_dataset *prepared;
    fm_transform_options standardize = {.normalize = FM_NORMALIZE_STANDARDIZE};
    assert_ok(f->context, fm_transform_fit(f->context, w, &standardize, &transform));
    assert_ok(f->context, fm_dataset_transform(f->context, w, transform, &prepared));
    float x[8];
    fm_data_request request = {.count = 2, .fields = {x}};
    assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
    static const double expected[] = {-1, -1, 1, 1, 1, 1, -1, -1};
    for (int i = 0; i < 8; i++) assert_near((double)x[i], expected[i], 1e-6);
    fm_dataset_destroy(prepared);
    fm_dataset_destroy(w);
    fm_transform_destroy(transform);
}

/* ---- what is missing ---- */

static void missing_values_are_handled(void **state)
{
    fixture *f = *state;
    static const char text[] = "v\n0\n1\n?\n3\n4\n5\n6\n";
    refuse(f->context, text, (fm_series_options){.window = 2}, FM_ERROR_FORMAT,
           "t.csv:4:1: the value of \"v\" is missing here; fill: forward");
    fm_series_options options = {.window = 2, .fill = FM_SERIES_FORWARD};
    fm_dataset *w = windows_of(f->context, parse(f->context, text, options));
    check_field(f->context, w, 1, FM_SHAPE(1), (double[]){1, 3, 4, 5, 6});
    fm_dataset_destroy(w);
    options.fill = FM_SERIES_SKIP;
    w = windows_of(f->context, parse(f->context, text, options));
    check_field(f->context, w, 0, FM_SHAPE(2, 1), (double[]){3, 4, 4, 5});
    check_field(f->context, w, 1, FM_SHAPE(1), (double[]){5, 6});
    assert_int_equal(fm_series_origin(w, 0), 5);
    fm_dataset_destroy(w);
    options.window = 4;
    fm_series *series = parse(f->context, text, options);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "each window of 4 rows and 1 to forecast holds",
                 fm_dataset_series(f->context, series, &w));
    fm_series_destroy(series);
}

/* Rows at the end without targets are the future, and no mistake. */
static void the_future_may_be_empty(void **state)
{
    fixture *f = *state;
    static const char text[] = "promo,sold\n0,1\n1,2\n0,3\n1,\n0,\n";
    fm_series *series = parse(f->context, text, (fm_series_options){.window = 1});
    assert_int_equal(fm_series_about(series)->rows, 5);
    assert_int_equal(fm_series_about(series)->known, 3);
    fm_dataset *w = windows_of(f->context, series);
    check_field(f->context, w, 1, FM_SHAPE(1), (double[]){2, 3});
    fm_dataset_destroy(w);
}

static void mistakes_are_told(void **state)
{
    fixture *f = *state;
    static const char text[] = "Date,Temp\n1981-01-01,20.7\n1981-01-02,17.9\n1981-01-03,18.8\n";
    static const struct {
        const char *text;
        fm_series_options options;
        fm_status status;
        const char *words;
    } cases[] = {
        {text,
         {.window = 1, .target = "Tmep"},
         FM_ERROR_NOT_FOUND,
         "t.csv: target names the column 'Tmep'; there is none of that name or number among the 2; "
         "did you mean 'Temp'?"},
        {text, {.window = 1, .inputs = "7"}, FM_ERROR_NOT_FOUND, "inputs names the column '7'"},
        {text, {.window = 1, .log = "Tem"}, FM_ERROR_NOT_FOUND, "log names the column 'Tem'"},
        {text, {.window = 1, .time = "Dat"}, FM_ERROR_NOT_FOUND, "did you mean 'Date'?"},
        {text,
         {.window = 1, .time = "Temp", .inputs = "Temp", .target = "Temp"},
         FM_ERROR_FORMAT,
         "times must grow"},
        {text,
         {.window = 1, .time = "none"},
         FM_ERROR_FORMAT,
         "t.csv:2:1: \"1981-01-01\" is no number, but column \"Date\" is one of the inputs; drop "
         "it"},
        {text,
         {.window = 1, .drop = "Temp"},
         FM_ERROR_ARGUMENT,
         "no column is left for the target"},
        {text, {0}, FM_ERROR_ARGUMENT, "series: window"},
        {text,
         {.window = 1, .difference = {1, {-1}}},
         FM_ERROR_ARGUMENT,
         "a difference over -1 rows"},
        {"a,b\n1,2\n3,x\n5,6\n",
         {.window = 1},
         FM_ERROR_FORMAT,
         "t.csv:3:3: \"x\" is no number, but column \"b\" is one of the targets; add the word"},
        {"a;b\n1;2\n3;4,5\n5;6,5\n",
         {.window = 1},
         FM_ERROR_FORMAT,
         "t.csv:3:3: \"4,5\" is no number, but column \"b\" is one of the targets; numbers are "
         "written with a point and without commas"},
        {"t,v\n1949-01,1\nsoon,2\n",
         {.window = 1, .time = "t"},
         FM_ERROR_FORMAT,
         "t.csv:3:1: \"soon\" is no time written as the first one in column \"t\""},
        {"t,v\nsoon,1\n",
         {.window = 1, .time = "t"},
         FM_ERROR_FORMAT,
         "t.csv:2:1: \"soon\" is no time in column \"t\"; known are"},
        {"t,v\n1949-01,1\n1949-02,0\n1949-03,4\n",
         {.window = 1, .log = "v"},
         FM_ERROR_ARGUMENT,
         "log: \"v\" is 0 in row 1 (t 1949-02); a logarithm needs positive numbers"},
        {"t,v\n1949-02,1\n1949-01,2\n", {.window = 1}, FM_ERROR_FORMAT, "1949-02 is followed by"},
        {"a,b\n1,2\n3\n", {.window = 1}, FM_ERROR_FORMAT, "t.csv:3:1: 1 cells in this line"},
        {"", {.window = 1}, FM_ERROR_FORMAT, "holds no lines"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        refuse(f->context, cases[i].text, cases[i].options, cases[i].status, cases[i].words);
    }
}

static void short_series_are_refused(void **state)
{
    fixture *f = *state;
    fm_dataset *w;
    fm_series *series = parse(f->context, "v\n1\n2\n3\n4\n", (fm_series_options){.window = 4});
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "t.csv: a window of 4 rows and a horizon of 1 need 5 rows, but there are 4",
                 fm_dataset_series(f->context, series, &w));
    assert_null(w);
    fm_series_destroy(series);
    series = parse(f->context, "v\n1\n2\n3\n4\n",
                   (fm_series_options){.window = 1, .difference = {1, {3}}});
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "need 2 rows, but there are 1 besides the 3 that difference uses up",
                 fm_dataset_series(f->context, series, &w));
    fm_series_destroy(series);
}

/* Prediction finds the columns of training by name, wherever they stand. */
static void columns_are_found_as_in_training(void **state)
{
    fixture *f = *state;
    static const char trained[] = "a,b,c\n1,2,3\n4,5,6\n7,8,9\n1,2,3\n";
    static const char again[] = "z,c,a,b\n0,3,1,2\n0,6,4,5\n0,9,7,8\n0,3,1,2\n";
    for (int64_t horizon = 1; horizon <= 2; horizon++) {
        fm_series_options options = {
            .window = 1, .horizon = horizon, .inputs = "b,a", .target = "c"};
        fm_dataset *w = windows_of(f->context, parse(f->context, trained, options));
        fm_transform *transform;
        assert_ok(f->context, fm_transform_fit(f->context, w, NULL, &transform));
        options = (fm_series_options){.window = 1, .horizon = horizon, .like = transform};
        fm_dataset *same = windows_of(f->context, parse(f->context, again, options));
        check_names(same, 0, "b,a");
        check_names(same, 1, horizon == 1 ? "c" : "c+1,c+2");
        check_field(f->context, same, 0, FM_SHAPE(1, 2), (double[]){2, 1, 5, 4, 8, 7});
        refuse(f->context, "a,c\n1,2\n", options, FM_ERROR_NOT_FOUND,
               "t.csv: the model names the column 'b'");
        fm_dataset_destroy(w);
        fm_dataset_destroy(same);
        fm_transform_destroy(transform);
    }
}

/* ---- the calendar ---- */

static void the_calendar_is_an_input(void **state)
{
    fixture *f = *state;
    static const char text[] = "t,v\n2023-01-01 00:00,1\n2023-01-01 06:00,2\n"
                               "2023-01-01 12:00,3\n2023-01-01 18:00,4\n2023-01-02 00:00,5\n";
    const double pi = 3.14159265358979323846;
    fm_series_options options = {.window = 1, .calendar = "day, week"};
    fm_dataset *w = windows_of(f->context, parse(f->context, text, options));
    check_names(w, 0, "v,day_sin,day_cos,week_sin,week_cos");
    check_names(w, 1, "v");
    double week[4][2]; /* a Sunday */
    for (int i = 0; i < 4; i++) {
        week[i][0] = sin(2 * pi * (6 + i / 4.) / 7);
        week[i][1] = cos(2 * pi * (6 + i / 4.) / 7);
    }
    check_field(f->context, w, 0, FM_SHAPE(1, 5),
                (double[]){1, 0, 1,  week[0][0], week[0][1], 2, 1,  0, week[1][0], week[1][1],
                           3, 0, -1, week[2][0], week[2][1], 4, -1, 0, week[3][0], week[3][1]});
    fm_dataset_destroy(w);
    options.calendar = "year";
    w = windows_of(f->context,
                   parse(f->context, "t,v\n2020-01,1\n2020-07,2\n2021-01,3\n", options));
    double july = 2 * pi * 182 / 366;
    check_field(f->context, w, 0, FM_SHAPE(1, 3), (double[]){1, 0, 1, 2, sin(july), cos(july)});
    fm_dataset_destroy(w);
    options.calendar = "yaer";
    refuse(f->context, text, options, FM_ERROR_ARGUMENT,
           "calendar: 'yaer' is none of day, week, year; did you mean 'year'?");
    options.calendar = "day,day";
    refuse(f->context, text, options, FM_ERROR_ARGUMENT, "'day' is there twice");
    options.calendar = "day";
    refuse(f->context, "year,v\n1949,1\n1950,2\n", options, FM_ERROR_ARGUMENT,
           "t.csv: calendar needs a column of dates");
}

/* ---- the rest ---- */

static void a_sine_is_drawn(void **state)
{
    fixture *f = *state;
    fm_series *series, *again;
    fm_sine_series_options options = {
        .steps = 1000, .period = 20, .noise = FM_ZERO, .series = {.window = 8}};
    assert_ok(f->context, fm_series_sine(f->context, &options, &series));
    for (int64_t row = 0; row < 1000; row++) {
        assert_near(fm_series_value(series, row, 0), sin(2 * 3.14159265358979 * (double)row / 20),
                    1e-9);
    }
    fm_series_destroy(series);
    options.noise = 0.5;
    double squares = 0;
    assert_ok(f->context, fm_series_sine(f->context, &options, &series));
    assert_ok(f->context, fm_series_sine(f->context, &options, &again));
    for (int64_t row = 0; row < 1000; row++) {
        double value = fm_series_value(series, row, 0);
        assert_near(value, fm_series_value(again, row, 0), 0);
        squares += pow(value - sin(2 * 3.14159265358979 * (double)row / 20), 2);
    }
    assert_near(sqrt(squares / 1000), 0.5, 0.03);
    fm_series_destroy(series);
    fm_series_destroy(again);
}

static void tables_in_memory_are_checked(void **state)
{
    fixture *f = *state;
    fm_series *series;
    static const char *const names[] = {"a", "b"}, *const times[] = {"2020-01", "2020-02"};
    static const double values[] = {1, 2, 3, INFINITY}, holes[] = {1, NAN, 3, 4};
    fm_series_options options = {.window = 1};
    fm_series_values table = {.name = "sales",
                              .rows = 2,
                              .columns = 2,
                              .values = values,
                              .names = names,
                              .time_name = "month",
                              .times = times};
    assert_fails(f->context, FM_ERROR_NONFINITE, "sales: \"b\" is infinite in row 1",
                 fm_series_create(f->context, &table, &options, &series));
    table.values = holes;
    assert_fails(f->context, FM_ERROR_FORMAT,
                 "sales: the value of \"b\" is missing in row 0 (month 2020-01)",
                 fm_series_create(f->context, &table, &options, &series));
    table.times = (const char *const[]){"2020-01", "x"};
    assert_fails(f->context, FM_ERROR_FORMAT, "sales: 'x' in row 1 is no time like the first row's",
                 fm_series_create(f->context, &table, &options, &series));
    table.rows = -1;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "a series of -1 rows",
                 fm_series_create(f->context, &table, &options, &series));
}

static fm_status make_all(fm_context *context, void *argument)
{
    static const char text[] = "Month,a,b\n2020-01,1,9\n2020-02,2,8\n2020-03,?,7\n2020-04,4,6\n"
                               "2020-05,5,5\n2020-06,6,4\n2020-07,7,3\n";
    fm_series *series;
    fm_dataset *train = NULL, *test = NULL;
    (void)argument;
    fm_series_options options = {.window = 1,
                                 .inputs = "a,b",
                                 .target = "b",
                                 .log = "b",
                                 .fill = FM_SERIES_SKIP,
                                 .difference = {1, {1}}};
    fm_status status = fm_series_parse(context, "t.csv", text, strlen(text), &options, &series);
    if (status == FM_OK) {
        status = fm_dataset_series_parts(context, series, "2020-07", &train, &test);
    }
    float y[1] = {0.5f};
    if (status == FM_OK) status = fm_series_restore(context, test, 0, 1, y);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    fm_series_destroy(series);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    assert_true(fail_each_allocation(*state, make_all, NULL) >= 15);
}

static void a_record_without_a_file_says_so(void **state)
{
    fixture *f = *state;
    const fm_dataset_record *record;
    fm_dataset *train, *test;
    assert_ok(f->context, fm_dataset_record_find(f->context, "series", &record));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "series: file is needed",
                 record->open(f->context, &(fm_series_options){.window = 3}, NULL, &train, &test));
    assert_null(train);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(one_column_becomes_windows),
        fixture_test(horizon_and_stride_shape_them),
        fixture_test(several_columns_are_chosen),
        fixture_test(times_are_found),
        fixture_test(splits_cut_in_time),
        fixture_test(names_are_utf8),
        fixture_test(drawn_parts_are_refused),
        fixture_test(folds_go_forward),
        fixture_test(the_test_part_begins_at_a_time),
        fixture_test(differences_and_logarithms_are_taken),
        fixture_test(the_way_back_is_exact),
        fixture_test(the_series_is_found_behind_its_sets),
        fixture_test(scaling_is_learned_from_the_past),
        fixture_test(each_column_is_scaled_by_itself),
        fixture_test(missing_values_are_handled),
        fixture_test(the_future_may_be_empty),
        fixture_test(mistakes_are_told),
        fixture_test(short_series_are_refused),
        fixture_test(columns_are_found_as_in_training),
        fixture_test(the_calendar_is_an_input),
        fixture_test(a_sine_is_drawn),
        fixture_test(tables_in_memory_are_checked),
        fixture_test(a_record_without_a_file_says_so),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
