#include "data/file_bytes.h"
#include "data/dataset.h"
#include "data/file/csv_reader.h"
#include "data/file/places.h"
#include "fathom/data_files.h"

#include <sys/stat.h>

static fm_dataset *parse(fm_context *context, const char *text, fm_csv_options options)
{
    fm_dataset *dataset;
    assert_ok(context,
              fm_dataset_parse_csv(context, "t.csv", text, strlen(text), &options, &dataset));
    return dataset;
}

static void refuse(fm_context *context, const char *text, fm_csv_options options, fm_status status,
                   const char *words)
{
    fm_dataset *dataset;
    assert_fails(context, status, words,
                 fm_dataset_parse_csv(context, "t.csv", text, strlen(text), &options, &dataset));
    assert_null(dataset);
}

static void check_x(fm_context *context, const fm_dataset *dataset, int64_t rows, int64_t columns,
                    const double *expected)
{
    const fm_dataset_info *info = fm_dataset_about(dataset);
    assert_int_equal(info->count, rows);
    assert_true(fm_shape_equal(info->fields[0].shape, FM_SHAPE(columns)));
    double x[64];
    assert_true(rows * columns <= 64);
    fm_data_request request = {.count = rows, .fields = {x}};
    assert_ok(context, fm_dataset_read(context, dataset, &request));
    for (int64_t i = 0; i < rows * columns; i++) assert_near(x[i], expected[i], 0);
}

static void check_classes(fm_context *context, const fm_dataset *dataset, const int32_t *expected,
                          const char *names)
{
    int32_t y[16];
    fm_data_request request = {.count = fm_dataset_about(dataset)->count, .fields = {NULL, y}};
    assert_int_equal(fm_dataset_about(dataset)->fields[1].dtype, FM_I32);
    assert_ok(context, fm_dataset_read(context, dataset, &request));
    assert_memory_equal(y, expected, (size_t)request.count * sizeof *y);
    const char *const *classes;
    int64_t count = fm_dataset_classes(dataset, &classes);
    char joined[256] = "";
    for (int64_t i = 0; i < count; i++) {
        strcat(joined, i ? "," : "");
        strcat(joined, classes[i]);
    }
    assert_string_equal(joined, names);
}

static void check_names(const fm_dataset *dataset, int field, const char *names)
{
    const fm_data_field *about = &fm_dataset_about(dataset)->fields[field];
    char joined[256] = "";
    for (int64_t i = 0; i < fm_field_columns(about); i++) {
        strcat(joined, i ? "," : "");
        strcat(joined, about->columns[i].name);
    }
    assert_string_equal(joined, names);
}

static void numbers_and_classes_are_read(void **state)
{
    fixture *f = *state;
    fm_dataset *d =
        parse(f->context, "width,height,kind\n1,2.5,cat\n-3e2,?,dog\r\n\n  4 ,\"5\", cat \n",
              (fm_csv_options){0});
    check_x(f->context, d, 3, 2, (double[]){1, 2.5, -300, NAN, 4, 5});
    check_names(d, 0, "width,height");
    check_names(d, 1, "kind");
    check_classes(f->context, d, (int32_t[]){0, 1, 0}, "cat,dog");
    assert_string_equal(fm_dataset_about(d)->name, "t.csv");
    fm_dataset_destroy(d);
    d = parse(f->context, "1,2,3\n4,5,6", (fm_csv_options){0}); /* a value to predict */
    check_x(f->context, d, 2, 2, (double[]){1, 2, 4, 5});
    check_names(d, 0, "0,1");
    assert_true(fm_shape_equal(fm_dataset_about(d)->fields[1].shape, FM_SHAPE(1)));
    assert_int_equal(fm_dataset_classes(d, NULL), 0);
    fm_dataset_destroy(d);
}

static void categories_are_sorted(void **state)
{
    fixture *f = *state;
    fm_dataset *d =
        parse(f->context, "size,grade\nL,10\n,9\nXS,10\nL,100\nM,9\n",
              (fm_csv_options){.target = "grade", .target_kind = FM_COLUMN_CATEGORICAL});
    check_x(f->context, d, 5, 1, (double[]){0, NAN, 2, 0, 1});
    const fm_column *size = fm_dataset_about(d)->fields[0].columns;
    assert_int_equal(size->kind, FM_COLUMN_CATEGORICAL);
    assert_int_equal(size->category_count, 3);
    assert_string_equal(size->categories[1], "M");
    check_classes(f->context, d, (int32_t[]){1, 0, 1, 2, 0}, "9,10,100");
    fm_dataset_destroy(d);
    d = parse(f->context, "a;b\n1,5;2\n2,5;4\n", (fm_csv_options){.categorical = "a"});
    assert_int_equal(fm_dataset_about(d)->fields[0].columns[0].kind, FM_COLUMN_CATEGORICAL);
    fm_dataset_destroy(d);
    d = parse(f->context, "a,b\n1,2\n1,4\n3,6\n", (fm_csv_options){.categorical = "a"});
    check_x(f->context, d, 3, 1, (double[]){0, 0, 1});
    assert_string_equal(fm_dataset_about(d)->fields[0].columns->categories[1], "3");
    fm_dataset_destroy(d);
}

static void quotes_follow_the_rfc(void **state)
{
    fixture *f = *state;
    fm_dataset *d = parse(
        f->context, "\xef\xbb\xbf\"a,\"\"b\"\"\",kind\n1,\"x\ny\"\n2,\"say \"\"hi\"\"\" \n3,\"\"\n",
        (fm_csv_options){.target = "0"});
    check_names(d, 1, "a,\"b\"");
    const fm_column *kind = fm_dataset_about(d)->fields[0].columns;
    assert_int_equal(kind->category_count, 2);
    assert_string_equal(kind->categories[0], "say \"hi\"");
    assert_string_equal(kind->categories[1], "x\ny");
    check_x(f->context, d, 3, 1, (double[]){1, 0, NAN});
    fm_dataset_destroy(d);
}

static void separators_are_recognised(void **state)
{
    fixture *f = *state;
    const char *const texts[] = {
        "a,b c,k\n1,2,3\n4,5,6\n",      "a;b c;k\n1;2;3\n4;5;6\n", "a\tb c\tk\n1\t2\t3\n4\t5\t6\n",
        "a b_c k\n 1  2 3 \n4 5   6\n", "a,b c,k\r1,2,3\r4,5,6\r",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        fm_dataset *d = parse(f->context, texts[i], (fm_csv_options){0});
        check_x(f->context, d, 2, 2, (double[]){1, 2, 4, 5});
        fm_dataset_destroy(d);
    }
    fm_dataset *d =
        parse(f->context, "1,5;2\n2,5;3\n",
              (fm_csv_options){
                  .separator = FM_CSV_SEPARATOR_SEMICOLON, .target = "none", .categorical = "0,1"});
    assert_int_equal(fm_dataset_about(d)->field_count, 1);
    assert_string_equal(fm_dataset_about(d)->fields[0].columns->categories[0], "1,5");
    fm_dataset_destroy(d);
    d = parse(f->context, "\t1\t2\n3\t4\t5\n", (fm_csv_options){.separator = FM_CSV_SEPARATOR_TAB});
    check_x(f->context, d, 2, 2, (double[]){NAN, 1, 3, 4});
    fm_dataset_destroy(d);
}

static void headers_are_recognised(void **state)
{
    fixture *f = *state;
    const struct {
        const char *text;
        int header;
        int64_t rows;
    } cases[] = {
        {"a,b\n1,2\n", 0, 1},
        {"1,2\n3,4\n", 0, 2},
        {"ham,go on\nspam,win\nham,see you\n", 0, 3},
        {"label,text\nspam,win\nham,see you\n", 0, 2},
        {"x,x\ny,z\n", 0, 2},
        {"a,b\n", 0, 1},
        {"1,2\n3,4\n", FM_CSV_HEADER_YES, 1},
        {"a,b\n1,c\n", FM_CSV_HEADER_NO, 2},
        {"a,?\n1,2\n1,2\n", FM_CSV_HEADER_NO, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fm_dataset *d = parse(
            f->context, cases[i].text,
            (fm_csv_options){.header = cases[i].header, .target = "none", .categorical = "0,1"});
        assert_int_equal(fm_dataset_about(d)->count, cases[i].rows);
        fm_dataset_destroy(d);
    }
}

static void columns_are_chosen(void **state)
{
    fixture *f = *state;
    const char *text = "id,a,b,c\n7,1,2,3\n8,4,5,6\n";
    fm_dataset *d = parse(f->context, text, (fm_csv_options){.target = "a, -1", .drop = "id"});
    check_x(f->context, d, 2, 1, (double[]){2, 5});
    check_names(d, 1, "a,c");
    double y[4];
    fm_data_request request = {.count = 2, .fields = {NULL, y}};
    assert_ok(f->context, fm_dataset_read(f->context, d, &request));
    assert_memory_equal(y, ((double[]){1, 3, 4, 6}), sizeof y);
    fm_dataset_destroy(d);
    d = parse(f->context, text, (fm_csv_options){.target = "none", .drop = "0,b"});
    check_x(f->context, d, 2, 2, (double[]){1, 3, 4, 6});
    fm_dataset_destroy(d);
}

static void errors_name_line_and_column(void **state)
{
    fixture *f = *state;
    const fm_csv_options none = {0};
    refuse(f->context, "", none, FM_ERROR_FORMAT, "t.csv: holds no lines");
    refuse(f->context, "\n\r\n", none, FM_ERROR_FORMAT, "t.csv: holds no lines");
    refuse(f->context, "a,b\n", (fm_csv_options){.header = FM_CSV_HEADER_YES}, FM_ERROR_FORMAT,
           "no lines follow the header");
    refuse(f->context, "a,b\n1,2\n3\n", none, FM_ERROR_FORMAT,
           "t.csv:3:1: 1 cells in this line, 2 in the first");
    refuse(f->context, "a,b\n1,2\n3,\"4\n5,6\n", none, FM_ERROR_FORMAT,
           "t.csv:3:3: a quote is opened here and not closed");
    refuse(f->context, "a,b\n\"1\"x,2\n", none, FM_ERROR_FORMAT, "t.csv:2:4: 'x' after a closing");
    refuse(f->context, "a,b\n1,2\n2,\n", none, FM_ERROR_FORMAT,
           "t.csv:3:3: the target \"b\" is missing here");
    refuse(f->context, "a,b\n1,2\n2,3\nn.a.,4\n", none, FM_ERROR_FORMAT,
           "t.csv:4:1: \"n.a.\" is no number, as most of column \"a\" is; add it to `missing`");
    refuse(f->context, "a;b\n3,5;2\n4;3\n-1,25e1;4\n", none, FM_ERROR_FORMAT,
           "t.csv:2:1: \"3,5\" has a comma; column \"a\" looks like numbers");
    refuse(f->context, "a,b\n1,\"1,250\"\n2,\"2,500.5\"\n", none, FM_ERROR_FORMAT,
           "t.csv:2:3: \"1,250\" has a comma; column \"b\" looks like numbers");
    refuse(f->context, "a,b\nx,2\ny,3\n", (fm_csv_options){.numeric = "a"}, FM_ERROR_FORMAT,
           "t.csv:2:1: \"x\" is no number; column \"a\" is numeric");
    refuse(f->context, "age,age\n1,2\n", none, FM_ERROR_FORMAT,
           "t.csv:1:5: a second column is called \"age\"");
    refuse(f->context, "height,b\n1,2\n", (fm_csv_options){.target = "hight"}, FM_ERROR_NOT_FOUND,
           "target names the column 'hight'; there is none of that name or number among the 2; did "
           "you mean 'height'?");
    refuse(f->context, "a,b\n1,2\n", (fm_csv_options){.drop = "2"}, FM_ERROR_NOT_FOUND,
           "drop names the column '2'");
    refuse(f->context, "a\n1\n", none, FM_ERROR_ARGUMENT, "no columns are left for the inputs");
    refuse(f->context, "a,b,c\n1,x,2\n", (fm_csv_options){.target = "a,b"}, FM_ERROR_UNSUPPORTED,
           "\"b\" is categorical; several targets");
    refuse(f->context, "a,b\n\xff\xfe,1\nx,2\n", none, FM_ERROR_FORMAT,
           "t.csv:2:1: column \"a\": this is no UTF-8 text");
    refuse(f->context, "a,b,c\n1,2,3\n", (fm_csv_options){.max_columns = 2}, FM_ERROR_LIMIT,
           "t.csv:1:5: more than 2 columns");
    refuse(f->context, "a,b\n1,2\n100000,200000\n", (fm_csv_options){.max_line = 8}, FM_ERROR_LIMIT,
           "t.csv:3:8: a line of more than 8 bytes");
    refuse(f->context, "a,b\n1,2\n", (fm_csv_options){.memory_limit = 15}, FM_ERROR_LIMIT,
           "1 lines of 2 columns are more than the 15 bytes");
    refuse(f->context, "a,b\n1,2\n", (fm_csv_options){.target_kind = 7}, FM_ERROR_ARGUMENT,
           "csv: target_kind has no choice number 7");
    fm_dataset *d;
    assert_fails(f->context, FM_ERROR_FORMAT, "byte 2 is zero",
                 fm_dataset_parse_csv(f->context, "t", "a\0b", 3, NULL, &d));
    assert_fails(f->context, FM_ERROR_FORMAT, "t: holds no lines",
                 fm_dataset_parse_csv(f->context, "t", NULL, 0, NULL, &d));
}

static void numbers_are_read_exactly(void **state)
{
    (void)state;
    const char *const texts[] = {"0",
                                 "-0.0",
                                 "3.14159",
                                 "+7",
                                 ".5",
                                 "5.",
                                 "1e22",
                                 "1e23",
                                 "1e-22",
                                 "1e-23",
                                 "123456789012345678",
                                 "0.1",
                                 "2.2250738585072011e-308",
                                 "1.7976931348623157e308",
                                 "4.35",
                                 "9007199254740993",
                                 "179769313486231570000000000000000000000000000000000",
                                 "1E-400"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        fm_csv_cell cell = {.text = texts[i], .size = strlen(texts[i])};
        double value, expected = strtod(texts[i], NULL);
        assert_true(fm_csv_number(&cell, &value));
        assert_memory_equal(&value, &expected, sizeof value);
    }
    const char *const words[] = {"",    "-",   ".",   "e5",  "1e",    "1e+", "0x10",
                                 "1,5", "inf", "nan", "1 2", "1e999", "--1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        double value;
        assert_false(
            fm_csv_number(&(fm_csv_cell){.text = words[i], .size = strlen(words[i])}, &value));
    }
}

static void prediction_follows_the_training_columns(void **state)
{
    fixture *f = *state;
    fm_dataset *train = parse(f->context, "a,city,y\n1,Rome,yes\n3,Oslo,no\n2,Rome,no\n",
                              (fm_csv_options){0}),
               *rows, *prepared;
    fm_transform *transform;
    assert_ok(f->context, fm_transform_fit(f->context, train, NULL, &transform));
    const struct {
        const char *text;
        int fields;
        float x[3];
    } cases[] = {
        {"city,extra,a\nOslo,9,5\n", 1, {5, 1, 0}}, /* another order, no target */
        {"y,a,city\nno,7,Paris\n", 2, {7, 0, 0}},   /* a city that was never seen */
        {"4,Rome\n", 1, {4, 0, 1}},                 /* no header: by position */
        {"a,city,y\n6,Rome,\n", 1, {6, 0, 1}},      /* an empty target */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rows = parse(f->context, cases[i].text, (fm_csv_options){.like = transform});
        assert_ok(f->context, fm_dataset_transform(f->context, rows, transform, &prepared));
        assert_int_equal(fm_dataset_about(prepared)->field_count, cases[i].fields);
        float x[3];
        fm_data_request request = {.count = 1, .fields = {x}};
        assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
        assert_memory_equal(x, cases[i].x, sizeof x);
        fm_dataset_destroy(prepared);
        fm_dataset_destroy(rows);
    }
    refuse(f->context, "a,town\n1,Rome\n", (fm_csv_options){.like = transform}, FM_ERROR_NOT_FOUND,
           "the column \"city\" is missing");
    refuse(f->context, "1,Rome,2,3\n", (fm_csv_options){.like = transform}, FM_ERROR_NOT_FOUND,
           "(4 columns without a header were found, 2 are needed)");
    refuse(f->context, "a,city\nx,Rome\n", (fm_csv_options){.like = transform}, FM_ERROR_FORMAT,
           "\"x\" is no number; column \"a\" is numeric");
    fm_transform_destroy(transform);
    fm_dataset_destroy(train);
}

static void the_record_reads_two_files(void **state)
{
    fixture *f = *state;
    size_t size;
    const char train_text[] = "a,b,y\n1,p,0\n2,q,1\n", test_text[] = "y,b,a\n5,q,4\n";
    unsigned char *packed = gzip_bytes(train_text, strlen(train_text), &size);
    fixture_file(f, "train.csv.gz", packed, size);
    fixture_file(f, "test.csv", test_text, strlen(test_text));
    free(packed);
    const fm_dataset_record *record;
    assert_ok(f->context, fm_dataset_record_find(f->context, "csv", &record));
    const char *folders[] = {f->folder, NULL};
    fm_csv_options options = {.file = "train.csv.gz", .test_file = "test.csv"};
    fm_dataset *train, *test;
    assert_ok(f->context, record->open(f->context, &options, &(fm_data_places){.folders = folders},
                                       &train, &test));
    check_x(f->context, train, 2, 2, (double[]){1, 0, 2, 1});
    check_x(f->context, test, 1, 2, (double[]){4, 0});
    check_names(test, 0, "a,b");
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    options.file = NULL;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "csv: file is needed",
                 record->open(f->context, &options, NULL, &train, &test));
}

/* ---- Real tables, where the machine has them ---- */

static fm_dataset *open_real(fm_context *context, const char *file, fm_csv_options options)
{
    char path[512];
    const char *folder = getenv("FATHOM_DATA");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "../shared/data", file);
    fm_dataset *dataset;
    fm_status status = fm_dataset_open_csv(context, path, &options, &dataset);
    if (status == FM_ERROR_NOT_FOUND) skip();
    assert_ok(context, status);
    return dataset;
}

static void real_tables_are_read(void **state)
{
    fixture *f = *state;
    const struct {
        const char *file;
        fm_csv_options options;
        int64_t rows, columns, classes;
    } cases[] = {
        {"tabular/iris.csv", {0}, 150, 4, 3},
        {"tabular/wine.csv", {.target_kind = FM_COLUMN_CATEGORICAL}, 178, 13, 3},
        {"tabular/winequality-red.csv", {0}, 1599, 11, 0},
        {"tabular/california-housing.csv", {.target = "median_house_value"}, 20640, 9, 0},
        {"tabular/breast-cancer-wisconsin.csv", {.target_kind = FM_COLUMN_CATEGORICAL}, 699, 9, 2},
        {"tabular/airline-passengers.csv", {0}, 144, 1, 0},
        {"tabular/daily-min-temperatures.csv", {0}, 3650, 1, 0},
        {"optdigits/optdigits.tra", {.target_kind = FM_COLUMN_CATEGORICAL}, 3823, 64, 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fm_dataset *d = open_real(f->context, cases[i].file, cases[i].options);
        const fm_dataset_info *info = fm_dataset_about(d);
        assert_int_equal(info->count, cases[i].rows);
        assert_int_equal(info->fields[0].shape.dims[0], cases[i].columns);
        assert_int_equal(fm_dataset_classes(d, NULL), cases[i].classes);
        fm_dataset_destroy(d);
    }
}

static void housing_has_its_gaps_and_its_category(void **state)
{
    fixture *f = *state;
    fm_dataset *d = open_real(f->context, "tabular/california-housing.csv",
                              (fm_csv_options){.target = "median_house_value"});
    const fm_column *columns = fm_dataset_about(d)->fields[0].columns;
    double *x = malloc(20640 * 9 * sizeof *x);
    fm_data_request request = {.count = 20640, .fields = {x}};
    assert_ok(f->context, fm_dataset_read(f->context, d, &request));
    int missing[9] = {0};
    for (int i = 0; i < 20640 * 9; i++) missing[i % 9] += isnan(x[i]);
    for (int c = 0; c < 9; c++) {
        bool bedrooms = strcmp(columns[c].name, "total_bedrooms") == 0;
        bool ocean = strcmp(columns[c].name, "ocean_proximity") == 0;
        assert_int_equal(missing[c], bedrooms ? 207 : 0);
        assert_int_equal(columns[c].kind == FM_COLUMN_CATEGORICAL, ocean);
        if (ocean) assert_int_equal(columns[c].category_count, 5);
    }
    free(x);
    fm_dataset_destroy(d);
}

static fm_status parse_all(fm_context *context, void *argument)
{
    (void)argument;
    static const char text[] = "a,\"b\"\"\",kind\n1,p,x\n2,q,y\n,p,x\n";
    fm_csv_options options = {.missing = "?"};
    fm_dataset *dataset;
    fm_status status =
        fm_dataset_parse_csv(context, "t", text, sizeof text - 1, &options, &dataset);
    fm_dataset_destroy(dataset);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    assert_true(fail_each_allocation(f, parse_all, NULL) >= 20);
}

/* FOLDER/b/t.csv and FOLDER/c/t.csv: found from FOLDER, the first folder by name wins. */
static void files_are_found_one_folder_deeper(void **state)
{
    static const char *const contents[] = {"a,y\n1,2\n", "a,y\n1,2\n3,4\n"};
    static const char *const inner[] = {"c", "b"};
    fixture *f = *state;
    char path[256];
    fixture_path(f, "");
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", f->folder, inner[i]);
        assert_int_equal(mkdir(path, 0755), 0);
        snprintf(path, sizeof path, "%s/t.csv", inner[i]);
        fixture_file(f, path, contents[i], strlen(contents[i]));
    }
    const char *folders[] = {f->folder, NULL};
    fm_text found = FM_TEXT(f->context);
    assert_ok(f->context,
              fm_places_find(f->context, &(fm_data_places){.folders = folders}, "t.csv", &found));
    assert_string_equal(fm_text_string(&found) + strlen(f->folder), "/b/t.csv");
    fm_text_release(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(numbers_and_classes_are_read),
        fixture_test(categories_are_sorted),
        fixture_test(quotes_follow_the_rfc),
        fixture_test(separators_are_recognised),
        fixture_test(headers_are_recognised),
        fixture_test(columns_are_chosen),
        fixture_test(errors_name_line_and_column),
        cmocka_unit_test(numbers_are_read_exactly),
        fixture_test(prediction_follows_the_training_columns),
        fixture_test(the_record_reads_two_files),
        fixture_test(real_tables_are_read),
        fixture_test(housing_has_its_gaps_and_its_category),
        fixture_test(files_are_found_one_folder_deeper),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
