#include "support/fixture.h"
#include "data/convert.h"
#include "data/dataset.h"

enum { ROWS = 6, COLUMNS = 3 };

/* height, colour (0 to 2 of three), weight */
static const double table[ROWS * COLUMNS] = {
    1, 0, 10, 2, 2, 20, NAN, 0, 30, 4, NAN, 40, 5, 2, 50, 8, 1, 60,
};
static const int32_t classes[ROWS] = {0, 1, 1, 0, 1, 0};

static const fm_column columns[COLUMNS] = {
    {"height", FM_COLUMN_NUMERIC, 0, NULL},
    {"colour", FM_COLUMN_CATEGORICAL, 3, (const char *const[]){"blue", "green", "red"}},
    {"weight", FM_COLUMN_NUMERIC, 0, NULL},
};
static const fm_column yes_no = {"answer", FM_COLUMN_CATEGORICAL, 2,
                                 (const char *const[]){"no", "yes"}};

static fm_dataset *open_table(fm_context *context)
{
    fm_dataset_info info = {
        .name = "table",
        .count = ROWS,
        .field_count = 2,
        .fields = {{.name = "x", .dtype = FM_F64, .shape = FM_SHAPE(3), .columns = columns},
                   {.name = "y", .dtype = FM_I32, .shape = FM_SHAPE(), .columns = &yes_no}}};
    fm_dataset *dataset;
    assert_ok(context, fm_dataset_from_arrays(context, &info, (const void *[]){table, classes},
                                              false, &dataset));
    return dataset;
}

static fm_dataset *open_arrays(fm_context *context, int64_t count, fm_dtype dtype, fm_shape shape,
                               const void *x, fm_dtype y_dtype, fm_shape y_shape, const void *y)
{
    fm_dataset_info info = {.name = "arrays",
                            .count = count,
                            .field_count = y ? 2 : 1,
                            .fields = {{.name = "x", .dtype = dtype, .shape = shape},
                                       {.name = "y", .dtype = y_dtype, .shape = y_shape}}};
    fm_dataset *dataset;
    assert_ok(context,
              fm_dataset_from_arrays(context, &info, (const void *[]){x, y}, false, &dataset));
    return dataset;
}

/* Fits on the first `rows` samples, transforms all, reads them. Takes the data set. */
static void run(fm_context *context, fm_dataset *dataset, int64_t rows,
                const fm_transform_options *options, float *x, void *y)
{
    fm_dataset *training, *prepared;
    fm_transform *transform;
    assert_ok(context, fm_dataset_range(context, dataset, 0, rows, &training));
    assert_ok(context, fm_transform_fit(context, training, options, &transform));
    assert_ok(context, fm_dataset_transform(context, dataset, transform, &prepared));
    fm_dataset_destroy(training);
    fm_dataset_destroy(dataset);
    fm_transform_destroy(transform);
    fm_data_request request = {.count = fm_dataset_about(prepared)->count, .fields = {x, y}};
    assert_ok(context, fm_dataset_read(context, prepared, &request));
    fm_dataset_destroy(prepared);
}

static void check_column(const float *x, int width, int column, const double *expected, int count)
{
    for (int i = 0; i < count; i++) assert_near((double)x[i * width + column], expected[i], 1e-6);
}

static void a_table_is_standardised_and_encoded(void **state)
{
    fixture *f = *state;
    float x[ROWS * 6];
    int32_t y[ROWS];
    /* fitted on rows 0 to 3: heights 1, 2, 4 and one missing; blue, red and one missing */
    fm_transform_options options = {.normalize = FM_NORMALIZE_STANDARDIZE};
    run(f->context, open_table(f->context), 4, &options, x, y);
    double mean = 7.0 / 3, deviation = sqrt((1 + 4 + 16) / 3.0 - mean * mean);
    check_column(x, 5, 0,
                 (double[]){(1 - mean) / deviation, (2 - mean) / deviation, 0,
                            (4 - mean) / deviation, (5 - mean) / deviation, (8 - mean) / deviation},
                 ROWS);
    check_column(x, 5, 1, (double[]){1, 0, 1, 0, 0, 0}, ROWS); /* blue */
    check_column(x, 5, 2, (double[]){0, 1, 0, 0, 1, 0}, ROWS); /* red */
    check_column(x, 5, 3, (double[]){0, 0, 0, 1, 0, 0}, ROWS); /* missing; green was not seen */
    check_column(x, 5, 4, (double[]){-15 / sqrt(125), -5 / sqrt(125), 5 / sqrt(125)}, 3);
    assert_memory_equal(y, classes, sizeof classes);
}

static void outputs_are_described(void **state)
{
    fixture *f = *state;
    fm_dataset *dataset = open_table(f->context), *prepared;
    fm_transform *transform;
    assert_ok(f->context, fm_transform_fit(f->context, dataset, NULL, &transform));
    assert_ok(f->context, fm_dataset_transform(f->context, dataset, transform, &prepared));
    const fm_dataset_info *out = fm_dataset_about(prepared);
    assert_string_equal(out->name, "table");
    assert_int_equal(out->count, ROWS);
    assert_true(fm_shape_equal(out->fields[0].shape, FM_SHAPE(6)));
    assert_int_equal(out->fields[0].dtype, FM_F32);
    const char *names[] = {"height",     "colour=blue",      "colour=green",
                           "colour=red", "colour=(missing)", "weight"};
    for (int i = 0; i < 6; i++) assert_string_equal(out->fields[0].columns[i].name, names[i]);
    const char *const *labels;
    assert_int_equal(fm_dataset_classes(prepared, &labels), 2);
    assert_string_equal(labels[1], "yes");
    assert_int_equal(fm_transform_input(transform)->fields[0].columns[1].category_count, 3);
    assert_int_equal(fm_transform_input(transform)->count, 0);
    fm_transform_destroy(transform);
    fm_dataset_destroy(prepared);
    fm_dataset_destroy(dataset);
}

static void missing_numbers_are_imputed(void **state)
{
    fixture *f = *state;
    float x[ROWS * 6];
    const struct {
        fm_transform_options options;
        double expected;
    } cases[] = {
        {{.impute = FM_IMPUTE_MEAN}, 4},
        {{.impute = FM_IMPUTE_MEDIAN}, 4},
        {{.impute = FM_IMPUTE_CONSTANT, .impute_value = -7}, -7},
        {{.impute = FM_IMPUTE_CONSTANT, .impute_value = -7, .scale = 7}, -1},
        {{.impute = FM_IMPUTE_CONSTANT}, 0},
        {{.normalize = FM_NORMALIZE_MIN_MAX}, 3.0 / 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run(f->context, open_table(f->context), ROWS, &cases[i].options, x, NULL);
        assert_near((double)x[2 * 6], cases[i].expected, 1e-6);
    }
    fm_transform_options median = {.impute = FM_IMPUTE_MEDIAN};
    run(f->context, open_table(f->context), 5, &median, x, NULL);
    assert_near((double)x[2 * 5], 3, 1e-6); /* of 1, 2, 4, 5 */
    fm_dataset *dataset = open_table(f->context);
    fm_transform *transform;
    fm_transform_options none = {.impute = FM_IMPUTE_NONE};
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "1 missing values in \"height\", and impute is none",
                 fm_transform_fit(f->context, dataset, &none, &transform));
    fm_dataset_destroy(dataset);
}

static void ordinals_are_numbers(void **state)
{
    fixture *f = *state;
    float x[ROWS * COLUMNS];
    fm_transform_options options = {.encode = FM_ENCODE_ORDINAL};
    run(f->context, open_table(f->context), ROWS, &options, x, NULL);
    check_column(x, 3, 1, (double[]){0, 2, 0, 3, 2, 1}, ROWS);
    run(f->context, open_table(f->context), 3, &options, x, NULL); /* blue and red only */
    check_column(x, 3, 1, (double[]){0, 1, 0, -1, 1, -1}, ROWS);
}

static void images_are_scaled(void **state)
{
    fixture *f = *state;
    uint8_t x[4 * 6], y[4] = {3, 0, 1, 3};
    for (int i = 0; i < 24; i++) x[i] = (uint8_t)(i * 11);
    float out[24];
    int32_t labels[4];
    fm_transform_options options = {.scale = 255};
    run(f->context, open_arrays(f->context, 4, FM_U8, FM_SHAPE(2, 3), x, FM_U8, FM_SHAPE(), y), 4,
        &options, out, labels);
    for (int i = 0; i < 24; i++) assert_near((double)out[i], x[i] / 255.0, 1e-7);
    assert_memory_equal(labels, ((int32_t[]){3, 0, 1, 3}), 16);

    options = (fm_transform_options){.scale = 255, .normalize = FM_NORMALIZE_STANDARDIZE};
    run(f->context, open_arrays(f->context, 4, FM_U8, FM_SHAPE(2, 3), x, 0, FM_SHAPE(), NULL), 4,
        &options, out, NULL);
    double sum = 0, squares = 0;
    for (int i = 0; i < 24; i++) sum += (double)out[i];
    for (int i = 0; i < 24; i++) squares += (double)out[i] * (double)out[i];
    assert_near(sum, 0, 1e-5);
    assert_near(squares / 24, 1, 1e-5);
    options.statistics = FM_STATISTICS_CHANNEL;
    run(f->context, open_arrays(f->context, 4, FM_U8, FM_SHAPE(2, 3), x, 0, FM_SHAPE(), NULL), 4,
        &options, out, NULL);
    for (int c = 0; c < 3; c++) {
        double channel = 0;
        for (int i = c; i < 24; i += 3) channel += (double)out[i];
        assert_near(channel, 0, 1e-5);
    }
    options.statistics = FM_STATISTICS_EACH;
    run(f->context, open_arrays(f->context, 4, FM_U8, FM_SHAPE(2, 3), x, 0, FM_SHAPE(), NULL), 4,
        &options, out, NULL);
    for (int e = 0; e < 6; e++) {
        assert_near((double)(out[e] + out[e + 6] + out[e + 12] + out[e + 18]), 0, 1e-5);
    }
}

static void constant_columns_become_zero(void **state)
{
    fixture *f = *state;
    float x[3] = {5, 5, 5}, out[3];
    for (int n = FM_NORMALIZE_STANDARDIZE; n <= FM_NORMALIZE_MIN_MAX; n++) {
        fm_transform_options options = {.normalize = n};
        run(f->context, open_arrays(f->context, 3, FM_F32, FM_SHAPE(1), x, 0, FM_SHAPE(), NULL), 3,
            &options, out, NULL);
        for (int i = 0; i < 3; i++) assert_near((double)out[i], 0, 0);
    }
}

static void targets_take_their_form(void **state)
{
    fixture *f = *state;
    float x[ROWS * 6], y[ROWS * 2];
    fm_transform_options options = {.target = FM_TARGET_ONE_HOT};
    run(f->context, open_table(f->context), ROWS, &options, x, y);
    assert_memory_equal(y, ((float[]){1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0}), sizeof y);
    options.target = FM_TARGET_VALUE;
    run(f->context, open_table(f->context), ROWS, &options, x, y);
    assert_memory_equal(y, ((float[]){0, 1, 1, 0, 1, 0}), ROWS * sizeof *y);

    const float inputs[4] = {0, 0, 0, 0}, targets[4] = {1, 3, 5, 7};
    fm_dataset *dataset = open_arrays(f->context, 4, FM_F32, FM_SHAPE(1), inputs, FM_F32,
                                      FM_SHAPE(), targets),
               *prepared;
    fm_transform *transform;
    options = (fm_transform_options){.target_normalize = FM_NORMALIZE_STANDARDIZE};
    assert_ok(f->context, fm_transform_fit(f->context, dataset, &options, &transform));
    assert_ok(f->context, fm_dataset_transform(f->context, dataset, transform, &prepared));
    assert_true(fm_shape_equal(fm_dataset_about(prepared)->fields[1].shape, FM_SHAPE(1)));
    fm_data_request request = {.count = 4, .fields = {NULL, y}};
    assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
    assert_near((double)y[0], -3 / sqrt(5), 1e-6);
    fm_transform_restore(transform, y, 4);
    for (int i = 0; i < 4; i++) assert_near((double)y[i], (double)targets[i], 1e-6);
    fm_transform_destroy(transform);
    fm_dataset_destroy(prepared);
    options = (fm_transform_options){.target = FM_TARGET_INDEX};
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "target index needs classes, but \"y\" holds numbers",
                 fm_transform_fit(f->context, dataset, &options, &transform));
    fm_dataset_destroy(dataset);
}

static void only_what_fits_is_transformed(void **state)
{
    fixture *f = *state;
    fm_dataset *dataset = open_table(f->context), *other, *prepared;
    fm_transform *transform;
    assert_ok(f->context, fm_transform_fit(f->context, dataset, NULL, &transform));
    float numbers[8] = {0};
    other = open_arrays(f->context, 2, FM_F32, FM_SHAPE(4), numbers, 0, FM_SHAPE(), NULL);
    assert_fails(f->context, FM_ERROR_SHAPE, "\"x\" has shape (4), the transform was fitted on (3)",
                 fm_dataset_transform(f->context, other, transform, &prepared));
    fm_dataset_destroy(other);
    other = open_arrays(f->context, 2, FM_F32, FM_SHAPE(3), numbers, 0, FM_SHAPE(), NULL);
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "column 1 of \"x\" is numeric \"\", categorical \"colour\" was expected",
                 fm_dataset_transform(f->context, other, transform, &prepared));
    fm_dataset_destroy(other);

    fm_dataset_info info = *fm_dataset_about(dataset);
    fm_column maybe = yes_no;
    maybe.categories = (const char *const[]){"maybe", "no"};
    info.fields[1].columns = &maybe;
    assert_ok(f->context, fm_dataset_from_arrays(f->context, &info,
                                                 (const void *[]){table, classes}, true, &other));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "class \"maybe\" was not in the data",
                 fm_dataset_transform(f->context, other, transform, &prepared));
    fm_dataset_destroy(other);
    fm_dataset_destroy(dataset);
    fm_transform_destroy(transform);
}

/* The same names in another order: numbers are translated. */
static void categories_are_matched_by_name(void **state)
{
    fixture *f = *state;
    fm_dataset *dataset = open_table(f->context), *other, *prepared;
    fm_transform *transform;
    assert_ok(f->context, fm_transform_fit(f->context, dataset, NULL, &transform));
    fm_column shuffled[COLUMNS];
    memcpy(shuffled, columns, sizeof columns);
    shuffled[1].categories = (const char *const[]){"red", "violet", "blue"};
    fm_column swapped = yes_no;
    swapped.categories = (const char *const[]){"yes", "no"};
    fm_dataset_info info = *fm_dataset_about(dataset);
    info.fields[0].columns = shuffled;
    info.fields[1].columns = &swapped;
    assert_ok(f->context, fm_dataset_from_arrays(f->context, &info,
                                                 (const void *[]){table, classes}, true, &other));
    assert_ok(f->context, fm_dataset_transform(f->context, other, transform, &prepared));
    float x[ROWS * 6];
    int32_t y[ROWS];
    fm_data_request request = {.count = ROWS, .fields = {x, y}};
    assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
    check_column(x, 6, 1, (double[]){0, 1, 0, 0, 1, 0}, ROWS); /* blue is number 2 */
    check_column(x, 6, 3, (double[]){1, 0, 1, 0, 0, 0}, ROWS); /* red is number 0 */
    for (int i = 0; i < ROWS; i++) assert_int_equal(y[i], 1 - classes[i]);
    fm_dataset_destroy(prepared);
    fm_dataset_destroy(other);
    fm_dataset_destroy(dataset);
    fm_transform_destroy(transform);
}

static void a_bad_label_is_an_error(void **state)
{
    fixture *f = *state;
    int32_t labels[ROWS] = {0, 1, 1, 7, 1, 0};
    fm_dataset *dataset = open_table(f->context), *other, *prepared;
    fm_transform *transform;
    assert_ok(f->context, fm_transform_fit(f->context, dataset, NULL, &transform));
    assert_ok(f->context, fm_dataset_from_arrays(f->context, fm_dataset_about(dataset),
                                                 (const void *[]){table, labels}, true, &other));
    assert_ok(f->context, fm_dataset_transform(f->context, other, transform, &prepared));
    int32_t y[ROWS];
    fm_data_request request = {.first = 2, .count = 3, .fields = {NULL, y}};
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "sample 3 has a \"y\" that is none of its 2 classes",
                 fm_dataset_read(f->context, prepared, &request));
    fm_dataset_destroy(prepared);
    fm_dataset_destroy(other);
    fm_dataset_destroy(dataset);
    fm_transform_destroy(transform);
}

/* ---- Sources without memory ---- */

typedef struct ramp {
    int64_t elements;
} ramp;

static fm_status read_ramp(const void *state, fm_context *context, const fm_data_request *request)
{
    (void)context;
    const ramp *r = state;
    uint8_t *x = request->fields[0];
    for (int64_t i = 0; i < request->count; i++) {
        int64_t at = request->indices ? request->indices[i] : request->first + i;
        for (int64_t e = 0; e < r->elements; e++) *x++ = (uint8_t)(at * 3 + e);
    }
    return FM_OK;
}

static void sources_without_memory_are_buffered(void **state)
{
    fixture *f = *state;
    static const fm_data_source source = {.kind = "ramp", .read = read_ramp};
    const int64_t sizes[] = {1, 7, 1000, 40000};
    for (size_t s = 0; s < 4; s++) {
        ramp r = {sizes[s]};
        fm_dataset_info info = {
            .name = "ramp",
            .count = 100,
            .field_count = 1,
            .fields = {{.name = "x", .dtype = FM_U8, .shape = FM_SHAPE(r.elements, 1)}}};
        fm_dataset *dataset, *view, *prepared;
        fm_transform *transform;
        assert_ok(f->context, fm_dataset_create(f->context, &source, &r, &info, &dataset));
        uint32_t order[50];
        for (uint32_t i = 0; i < 50; i++) order[i] = (i * 37) % 100;
        assert_ok(f->context, fm_dataset_view(f->context, dataset, order, 50, &view));
        assert_ok(f->context, fm_transform_fit(f->context, view, NULL, &transform));
        assert_ok(f->context, fm_dataset_transform(f->context, view, transform, &prepared));
        float *x = malloc((size_t)(50 * r.elements) * sizeof *x);
        uint32_t wanted[50];
        for (uint32_t i = 0; i < 50; i++) wanted[i] = 49 - i;
        fm_data_request request = {.indices = wanted, .count = 50, .fields = {x}};
        assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
        for (uint32_t i = 0; i < 50; i++) {
            for (int64_t e = 0; e < r.elements; e += 97) {
                assert_near((double)x[i * r.elements + e],
                            (uint8_t)(order[49 - i] * 3 + (uint32_t)e), 0);
            }
        }
        request = (fm_data_request){.first = 9, .count = 41, .fields = {x}};
        assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
        for (uint32_t i = 0; i < 41; i++) {
            assert_near((double)x[i * r.elements], (uint8_t)(order[9 + i] * 3), 0);
        }
        free(x);
        fm_dataset_destroy(prepared);
        fm_dataset_destroy(view);
        fm_dataset_destroy(dataset);
        fm_transform_destroy(transform);
    }
}

/* Samples whose "x" and "y" are made together: how often, and how often one alone. */
typedef struct maker {
    int64_t elements, both, single;
} maker;

static fm_status read_pairs(const void *state, fm_context *context, const fm_data_request *request)
{
    maker *m = (maker *)(uintptr_t)state;
    const bool both = request->fields[0] && request->fields[1];
    (void)context;
    if (both) m->both += request->count;
    if (!both) m->single += request->count;
    for (int64_t i = 0; i < request->count; i++) {
        int64_t at = request->indices ? request->indices[i] : request->first + i;
        for (int64_t e = 0; e < m->elements && request->fields[0]; e++) {
            ((uint8_t *)request->fields[0])[i * m->elements + e] = (uint8_t)(at * 3 + e);
        }
        if (request->fields[1]) ((double *)request->fields[1])[i] = 0.5 * (double)at;
    }
    return FM_OK;
}

static void what_is_made_together_is_made_once(void **state)
{
    fixture *f = *state;
    static const fm_data_source source = {.kind = "pairs", .read = read_pairs};
    const int64_t sizes[] = {1, 13, 1001, 40001};
    for (size_t s = 0; s < 4; s++) {
        maker m = {.elements = sizes[s]};
        fm_dataset_info info = {
            .name = "pairs",
            .count = 60,
            .field_count = 2,
            .fields = {{.name = "x", .dtype = FM_U8, .shape = FM_SHAPE(m.elements, 1)},
                       {.name = "y", .dtype = FM_F64, .shape = FM_SHAPE()}}};
        fm_dataset *dataset, *prepared;
        fm_transform *transform;
        assert_ok(f->context, fm_dataset_create(f->context, &source, &m, &info, &dataset));
        assert_ok(f->context, fm_transform_fit(f->context, dataset, NULL, &transform));
        assert_ok(f->context, fm_dataset_transform(f->context, dataset, transform, &prepared));
        float *x = malloc((size_t)(50 * m.elements) * sizeof *x), y[50];
        fm_data_request request = {.first = 7, .count = 50, .fields = {x, y}};
        m.both = m.single = 0;
        assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
        assert_int_equal(m.both, 50);
        assert_int_equal(m.single, 0);
        for (int64_t i = 0; i < 50; i++) {
            assert_near((double)y[i], 0.5 * (double)(7 + i), 0);
            for (int64_t e = 0; e < m.elements; e += 89) {
                assert_near((double)x[i * m.elements + e], (uint8_t)((7 + i) * 3 + e), 0);
            }
        }
        request.fields[0] = NULL;
        assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
        assert_int_equal(m.single, 50);
        free(x);
        fm_dataset_destroy(prepared);
        fm_dataset_destroy(dataset);
        fm_transform_destroy(transform);
    }
}

/* Whatever width of vectors runs, each element is what plain C gives. */
static void wide_loops_agree_with_plain_c(void **state)
{
    (void)state;
    uint8_t bytes[300];
    float floats[300], out[301];
    for (int i = 0; i < 300; i++) {
        bytes[i] = (uint8_t)(i * 7);
        floats[i] = i % 11 == 3 ? NAN : (float)i * 0.37f;
    }
    fm_rule rule = {2.5, 33.3, 1 / 255.0};
    float factor = (float)rule.factor, offset = (float)(-rule.center * rule.factor);
    for (int count = 0; count < 300; count += 13) {
        out[count] = -1;
        fm_convert_row(bytes, FM_U8, count, rule, out);
        for (int i = 0; i < count; i++) {
            volatile float product = (float)bytes[i] * factor;
            assert_true(out[i] == product + offset);
        }
        fm_convert_row(floats, FM_F32, count, rule, out);
        for (int i = 0; i < count; i++) {
            float value = isnan(floats[i]) ? 2.5f : floats[i];
            assert_true(out[i] == (value - (float)rule.center) * factor);
        }
        assert_true(out[count] == -1);
    }
}

static void options_are_checked(void **state)
{
    fixture *f = *state;
    fm_dataset *dataset = open_table(f->context), *empty;
    fm_transform *transform;
    fm_transform_options options = {.scale = FM_ZERO};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "scale must not be 0",
                 fm_transform_fit(f->context, dataset, &options, &transform));
    options = (fm_transform_options){.normalize = 9};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "normalize has no choice number 9",
                 fm_transform_fit(f->context, dataset, &options, &transform));
    assert_ok(f->context, fm_dataset_range(f->context, dataset, 0, 0, &empty));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "no samples to learn from",
                 fm_transform_fit(f->context, empty, NULL, &transform));
    assert_null(transform);
    fm_dataset_destroy(empty);
    fm_dataset_destroy(dataset);
    const float infinite[2] = {1, INFINITY};
    dataset = open_arrays(f->context, 2, FM_F32, FM_SHAPE(1), infinite, 0, FM_SHAPE(), NULL);
    assert_fails(f->context, FM_ERROR_NONFINITE, "an infinite value in \"x\"",
                 fm_transform_fit(f->context, dataset, NULL, &transform));
    fm_dataset_destroy(dataset);
}

static fm_status fit_and_apply(fm_context *context, void *dataset)
{
    fm_transform_options options = {.normalize = FM_NORMALIZE_STANDARDIZE,
                                    .impute = FM_IMPUTE_MEDIAN,
                                    .target = FM_TARGET_ONE_HOT};
    fm_transform *transform;
    fm_dataset *prepared = NULL;
    fm_status status = fm_transform_fit(context, dataset, &options, &transform);
    if (status == FM_OK) status = fm_dataset_transform(context, dataset, transform, &prepared);
    fm_dataset_destroy(prepared);
    fm_transform_destroy(transform);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    fm_dataset *dataset = open_table(f->context);
    assert_true(fail_each_allocation(f, fit_and_apply, dataset) >= 15);
    fm_dataset_destroy(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_table_is_standardised_and_encoded),
        fixture_test(outputs_are_described),
        fixture_test(missing_numbers_are_imputed),
        fixture_test(ordinals_are_numbers),
        fixture_test(images_are_scaled),
        fixture_test(constant_columns_become_zero),
        fixture_test(targets_take_their_form),
        fixture_test(only_what_fits_is_transformed),
        fixture_test(categories_are_matched_by_name),
        fixture_test(a_bad_label_is_an_error),
        fixture_test(sources_without_memory_are_buffered),
        fixture_test(what_is_made_together_is_made_once),
        cmocka_unit_test(wide_loops_agree_with_plain_c),
        fixture_test(options_are_checked),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
