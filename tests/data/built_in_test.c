#include "support/fixture.h"
#include "fathom/built_in_data.h"
#include "fathom/data.h"

enum { PIXELS = 784 };

static void *read_field(fm_context *context, const fm_dataset *dataset, int field)
{
    const fm_dataset_info *info = fm_dataset_about(dataset);
    const fm_data_field *about = &info->fields[field];
    void *bytes = malloc((size_t)(info->count * fm_shape_bytes(about->shape, about->dtype)));
    assert_non_null(bytes);
    fm_data_request request = {.count = info->count};
    request.fields[field] = bytes;
    assert_ok(context, fm_dataset_read(context, dataset, &request));
    return bytes;
}

static void samples_do_not_depend_on_the_size(void **state)
{
    fixture *f = *state;
    fm_dataset *few, *many, *few_test, *other;
    fm_strokes_options options = {.train_size = 50, .test_size = 40, .seed = 3};
    assert_ok(f->context, fm_dataset_strokes(f->context, &options, &few, &few_test));
    options.train_size = 90;
    assert_ok(f->context, fm_dataset_strokes(f->context, &options, &many, NULL));
    options.seed = 4;
    assert_ok(f->context, fm_dataset_strokes(f->context, &options, &other, NULL));
    uint8_t *a = read_field(f->context, few, 0), *b = read_field(f->context, many, 0);
    uint8_t *c = read_field(f->context, few_test, 0), *d = read_field(f->context, other, 0);
    assert_memory_equal(a, b, 50 * PIXELS);
    assert_memory_not_equal(a, c, 40 * PIXELS);
    assert_memory_not_equal(a, d, 50 * PIXELS);
    free(a);
    free(b);
    free(c);
    free(d);
    fm_dataset_destroy(few);
    fm_dataset_destroy(many);
    fm_dataset_destroy(few_test);
    fm_dataset_destroy(other);
}

/* The same images; ink has the digit's class, the background 0. */
static void masks_tell_the_ink(void **state)
{
    fixture *f = *state;
    enum { COUNT = 60 };
    fm_dataset *digits, *masks;
    const char *const *names;
    fm_strokes_options options = {.train_size = COUNT, .noise = FM_ZERO};
    assert_ok(f->context, fm_dataset_strokes(f->context, &options, &digits, NULL));
    assert_ok(f->context, fm_dataset_strokes_masks(f->context, &options, &masks, NULL));
    assert_int_equal(fm_dataset_classes(masks, &names), 11);
    assert_string_equal(names[0], "background");
    assert_string_equal(names[10], "9");
    uint8_t *x = read_field(f->context, digits, 0), *same = read_field(f->context, masks, 0);
    uint8_t *y = read_field(f->context, digits, 1), *mask = read_field(f->context, masks, 1);
    assert_memory_equal(x, same, COUNT * PIXELS);
    for (int i = 0; i < COUNT; i++) {
        int ink = 0;
        for (int p = i * PIXELS; p < (i + 1) * PIXELS; p++) {
            assert_true(mask[p] == 0 || mask[p] == y[i] + 1);
            assert_true(mask[p] ? x[p] > 90 : x[p] < 130);
            ink += mask[p] != 0;
        }
        assert_in_range(ink, 15, 300);
    }
    free(x);
    free(same);
    free(y);
    free(mask);
    fm_dataset_destroy(digits);
    fm_dataset_destroy(masks);
}

/* Every digit occurs, is drawn within the image, and is not one picture again and again. */
static void strokes_are_drawn(void **state)
{
    fixture *f = *state;
    enum { COUNT = 1000 };
    fm_dataset *train;
    fm_strokes_options options = {.train_size = COUNT, .noise = FM_ZERO};
    assert_ok(f->context, fm_dataset_strokes(f->context, &options, &train, NULL));
    assert_int_equal(fm_dataset_classes(train, NULL), 10);
    uint8_t *x = read_field(f->context, train, 0), *y = read_field(f->context, train, 1);
    int seen[10] = {0};
    for (int i = 0; i < COUNT; i++) {
        int ink = 0, border = 0;
        for (int p = 0; p < PIXELS; p++) {
            ink += x[i * PIXELS + p];
            if (p < 28 || p >= PIXELS - 28) border += x[i * PIXELS + p];
        }
        assert_in_range(ink, 20 * 200, PIXELS * 255 / 2);
        assert_true(border < ink / 4);
        seen[y[i]]++;
        if (i > 0) assert_memory_not_equal(x + i * PIXELS, x + (i - 1) * PIXELS, PIXELS);
    }
    for (int digit = 0; digit < 10; digit++) assert_in_range(seen[digit], 60, 140);
    free(x);
    free(y);
    fm_dataset_destroy(train);
}

static void points_lie_on_their_curves(void **state)
{
    fixture *f = *state;
    enum { COUNT = 300 };
    fm_dataset *train;
    fm_points_options options = {.train_size = COUNT, .noise = FM_ZERO, .classes = 3, .seed = 2};
    assert_ok(f->context, fm_dataset_spirals(f->context, &options, &train, NULL));
    assert_int_equal(fm_dataset_classes(train, NULL), 3);
    float *x = read_field(f->context, train, 0);
    int32_t *y = read_field(f->context, train, 1);
    int inner = 0;
    for (int i = 0; i < COUNT; i++) {
        double radius = hypot((double)x[2 * i], (double)x[2 * i + 1]);
        double angle = 2 * M_PI * (1.5 * radius + y[i] / 3.0);
        assert_near((double)x[2 * i], radius * cos(angle), 1e-5);
        assert_int_equal(y[i], i % 3);
        inner += radius < 0.5;
    }
    assert_in_range(inner, COUNT / 5, COUNT / 3); /* a quarter: the density is even */
    free(x);
    free(y);
    fm_dataset_destroy(train);

    assert_ok(f->context, fm_dataset_moons(f->context, &options, &train, NULL));
    assert_int_equal(fm_dataset_classes(train, NULL), 2);
    x = read_field(f->context, train, 0);
    y = read_field(f->context, train, 1);
    for (int i = 0; i < COUNT; i++) {
        double u = (double)x[2 * i] - y[i], v = (double)x[2 * i + 1] - 0.5 * y[i];
        assert_near(u * u + v * v, 1, 1e-5);
        assert_true(y[i] ? v <= 1e-6 : v >= -1e-6);
    }
    free(x);
    free(y);
    fm_dataset_destroy(train);

    options.frequency = 2;
    assert_ok(f->context, fm_dataset_sine(f->context, &options, &train, NULL));
    assert_int_equal(fm_dataset_classes(train, NULL), 0);
    x = read_field(f->context, train, 0);
    float *s = read_field(f->context, train, 1);
    for (int i = 0; i < COUNT; i++) assert_near((double)s[i], sin(2 * (double)x[i]), 1e-5);
    free(x);
    free(s);
    fm_dataset_destroy(train);
}

static void noise_has_its_deviation(void **state)
{
    fixture *f = *state;
    enum { COUNT = 4000 };
    fm_dataset *train;
    fm_points_options options = {.train_size = COUNT, .noise = 0.3};
    assert_ok(f->context, fm_dataset_sine(f->context, &options, &train, NULL));
    float *x = read_field(f->context, train, 0), *y = read_field(f->context, train, 1);
    double sum = 0, squares = 0;
    for (int i = 0; i < COUNT; i++) {
        double rest = (double)y[i] - sin((double)x[i]);
        sum += rest;
        squares += rest * rest;
    }
    assert_near(sum / COUNT, 0, 0.02);
    assert_near(sqrt(squares / COUNT), 0.3, 0.02);
    free(x);
    free(y);
    fm_dataset_destroy(train);
}

static void options_are_checked(void **state)
{
    fixture *f = *state;
    fm_dataset *train, *test;
    assert_fails(
        f->context, FM_ERROR_ARGUMENT, "strokes: train_size",
        fm_dataset_strokes(f->context, &(fm_strokes_options){.train_size = -1}, &train, &test));
    assert_null(train);
    assert_null(test);
    assert_fails(
        f->context, FM_ERROR_ARGUMENT, "spirals: classes must lie between 2 and 10",
        fm_dataset_spirals(f->context, &(fm_points_options){.classes = 11}, &train, &test));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "moons: noise",
                 fm_dataset_moons(f->context, &(fm_points_options){.noise = -1}, &train, &test));
}

static void records_open_by_name(void **state)
{
    fixture *f = *state;
    const char *const names[] = {"strokes", "spirals", "moons", "sine"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const fm_dataset_record *record;
        assert_ok(f->context, fm_dataset_record_find(f->context, names[i], &record));
        char options[256] = {0};
        assert_true(record->options_size <= sizeof options);
        int64_t size = 20;
        assert_string_equal(record->fields[0].name, "train_size");
        memcpy(options + record->fields[0].offset, &size, sizeof size);
        fm_dataset *train, *test;
        assert_ok(f->context, record->open(f->context, options, NULL, &train, &test));
        assert_int_equal(fm_dataset_about(train)->count, 20);
        assert_true(fm_dataset_about(test)->count > 20);
        assert_memory_equal(fm_dataset_about(train)->name, names[i], strlen(names[i]));
        assert_string_equal(fm_dataset_about(train)->origin, "built in, seed 0");
        fm_dataset_destroy(train);
        fm_dataset_destroy(test);
    }
    const fm_dataset_record *none;
    assert_fails(f->context, FM_ERROR_NOT_FOUND,
                 "unknown data set 'strike'; did you mean 'strokes'?",
                 fm_dataset_record_find(f->context, "strike", &none));
    for (const fm_dataset_record *r = fm_dataset_records(); r->name; r++) {
        assert_true(r->doc && r->open && r->fields);
    }
}

static fm_status make_strokes(fm_context *context, void *argument)
{
    (void)argument;
    fm_dataset *train, *test;
    fm_strokes_options options = {.train_size = 2, .test_size = 2};
    fm_status status = fm_dataset_strokes(context, &options, &train, &test);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    return status;
}

static fm_status make_moons(fm_context *context, void *argument)
{
    (void)argument;
    fm_dataset *train, *test;
    fm_points_options options = {.train_size = 2, .test_size = 2};
    fm_status status = fm_dataset_moons(context, &options, &train, &test);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    assert_int_equal(fail_each_allocation(f, make_strokes, NULL), 10);
    assert_int_equal(fail_each_allocation(f, make_moons, NULL), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(samples_do_not_depend_on_the_size),
        fixture_test(strokes_are_drawn),
        fixture_test(masks_tell_the_ink),
        fixture_test(points_lie_on_their_curves),
        fixture_test(noise_has_its_deviation),
        fixture_test(options_are_checked),
        fixture_test(records_open_by_name),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
