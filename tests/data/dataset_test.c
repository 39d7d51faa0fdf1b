#include "support/fixture.h"
#include "data/array_source.h"

static const float xs[] = {0, 1, 10, 11, 20, 21, 30, 31, 40, 41};
static const int32_t ys[] = {0, 1, 2, 0, 1};

static fm_dataset_info five(void)
{
    return (fm_dataset_info){.name = "five",
                             .count = 5,
                             .field_count = 2,
                             .fields = {{.name = "x", .dtype = FM_F32, .shape = FM_SHAPE(2)},
                                        {.name = "y", .dtype = FM_I32, .shape = FM_SHAPE()}}};
}

static fm_dataset *open_five(fm_context *context, bool borrow)
{
    fm_dataset_info info = five();
    fm_dataset *dataset;
    assert_ok(context,
              fm_dataset_from_arrays(context, &info, (const void *[]){xs, ys}, borrow, &dataset));
    return dataset;
}

static void check_samples(fm_context *context, const fm_dataset *dataset, const int *expected,
                          int64_t count)
{
    float x[2 * 8];
    int32_t y[8];
    assert_int_equal(fm_dataset_about(dataset)->count, count);
    fm_data_request request = {.count = count, .fields = {x, y}};
    assert_ok(context, fm_dataset_read(context, dataset, &request));
    for (int64_t i = 0; i < count; i++) {
        assert_near(x[2 * i], xs[2 * expected[i]], 0);
        assert_near(x[2 * i + 1], xs[2 * expected[i] + 1], 0);
        assert_int_equal(y[i], ys[expected[i]]);
    }
}

static void arrays_are_read(void **state)
{
    fixture *f = *state;
    for (int borrow = 0; borrow < 2; borrow++) {
        fm_dataset *dataset = open_five(f->context, borrow);
        check_samples(f->context, dataset, (int[]){0, 1, 2, 3, 4}, 5);
        assert_int_equal(fm_dataset_memory(dataset, 0) == xs, borrow);
        float x[6];
        fm_data_request request = {
            .indices = (uint32_t[]){4, 0, 4}, .count = 3, .fields = {x, NULL}};
        assert_ok(f->context, fm_dataset_read(f->context, dataset, &request));
        assert_near(x[0], 40, 0);
        assert_near(x[3], 1, 0);
        assert_near(x[5], 41, 0);
        fm_dataset_destroy(dataset);
    }
}

static void integer_labels_become_classes(void **state)
{
    fixture *f = *state;
    fm_dataset *dataset = open_five(f->context, true);
    const char *const *names = (const char *const *)xs;
    assert_int_equal(fm_dataset_classes(dataset, &names), 3);
    assert_null(names);
    fm_dataset_destroy(dataset);

    fm_dataset_info info = five();
    const int32_t negative[] = {0, 1, -1, 0, 1};
    assert_ok(f->context, fm_dataset_from_arrays(f->context, &info, (const void *[]){xs, negative},
                                                 true, &dataset));
    assert_int_equal(fm_dataset_classes(dataset, NULL), 0);
    fm_dataset_destroy(dataset);
}

static void given_names_are_copied(void **state)
{
    fixture *f = *state;
    char first[] = "cat", second[] = "dog", third[] = "owl";
    fm_column column = {.kind = FM_COLUMN_CATEGORICAL,
                        .category_count = 3,
                        .categories = (const char *const[]){first, second, third}};
    fm_dataset_info info = five();
    info.fields[1].columns = &column;
    fm_dataset *dataset;
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *[]){xs, ys}, false, &dataset));
    memset(first, 0, sizeof first);
    const char *const *names;
    assert_int_equal(fm_dataset_classes(dataset, &names), 3);
    assert_string_equal(names[0], "cat");
    assert_string_equal(names[2], "owl");
    fm_dataset_destroy(dataset);
}

static void views_compose_and_outlive_their_parent(void **state)
{
    fixture *f = *state;
    fm_dataset *dataset = open_five(f->context, false), *view, *of_view, *range, *inner;
    assert_ok(f->context, fm_dataset_view(f->context, dataset, (uint32_t[]){4, 3, 1, 1}, 4, &view));
    assert_ok(f->context, fm_dataset_view(f->context, view, (uint32_t[]){3, 0}, 2, &of_view));
    assert_ok(f->context, fm_dataset_range(f->context, dataset, 1, 4, &range));
    assert_ok(f->context, fm_dataset_range(f->context, range, 2, 2, &inner));
    fm_dataset_destroy(dataset);
    check_samples(f->context, view, (int[]){4, 3, 1, 1}, 4);
    fm_dataset_destroy(view);
    check_samples(f->context, of_view, (int[]){1, 4}, 2);
    check_samples(f->context, range, (int[]){1, 2, 3, 4}, 4);
    check_samples(f->context, inner, (int[]){3, 4}, 2);
    fm_dataset_destroy(of_view);
    fm_dataset_destroy(range);
    fm_dataset_destroy(inner);
}

static void an_empty_view_is_a_view(void **state)
{
    fixture *f = *state;
    fm_dataset *dataset = open_five(f->context, true), *view;
    assert_ok(f->context, fm_dataset_view(f->context, dataset, NULL, 0, &view));
    check_samples(f->context, view, NULL, 0);
    fm_dataset_destroy(view);
    fm_dataset_destroy(dataset);
}

static void long_requests_to_views_are_read_in_pieces(void **state)
{
    fixture *f = *state;
    enum { COUNT = 1000 };
    fm_dataset *dataset = open_five(f->context, true), *view;
    static uint32_t indices[COUNT];
    static float x[2 * COUNT];
    static int32_t y[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) indices[i] = (i * 7) % 5;
    assert_ok(f->context, fm_dataset_view(f->context, dataset, indices, COUNT, &view));
    fm_data_request request = {.count = COUNT, .fields = {x, y}};
    assert_ok(f->context, fm_dataset_read(f->context, view, &request));
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_near(x[2 * i + 1], xs[2 * indices[i] + 1], 0);
        assert_int_equal(y[i], ys[indices[i]]);
    }
    fm_dataset_destroy(view);
    fm_dataset_destroy(dataset);
}

static void positions_outside_are_refused(void **state)
{
    fixture *f = *state;
    fm_dataset *dataset = open_five(f->context, true), *view;
    float x[16];
    fm_data_request request = {.first = 3, .count = 3, .fields = {x}};
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "3 samples from position 3 were asked for, it has 5",
                 fm_dataset_read(f->context, dataset, &request));
    request = (fm_data_request){.indices = (uint32_t[]){0, 5}, .count = 2, .fields = {x}};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "position 5 was asked for",
                 fm_dataset_read(f->context, dataset, &request));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "position 9",
                 fm_dataset_view(f->context, dataset, (uint32_t[]){9}, 1, &view));
    assert_null(view);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "samples",
                 fm_dataset_range(f->context, dataset, INT64_MAX, 2, &view));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "-1",
                 fm_dataset_range(f->context, dataset, 0, -1, &view));
    fm_dataset_destroy(dataset);
}

static void impossible_descriptions_are_refused(void **state)
{
    fixture *f = *state;
    fm_dataset *dataset;
    const void *data[] = {xs, ys};
    fm_dataset_info info = five();
    info.fields[0].shape = FM_SHAPE(INT64_MAX);
    assert_fails(f->context, FM_ERROR_SHAPE, "not a possible sample",
                 fm_dataset_from_arrays(f->context, &info, data, false, &dataset));
    info.fields[0].shape = FM_SHAPE(INT64_MAX / 8);
    assert_fails(f->context, FM_ERROR_LIMIT, "do not fit into memory",
                 fm_dataset_from_arrays(f->context, &info, data, false, &dataset));
    info = five();
    info.count = (int64_t)UINT32_MAX + 1;
    assert_fails(f->context, FM_ERROR_LIMIT, "samples",
                 fm_dataset_from_arrays(f->context, &info, data, false, &dataset));
    info = five();
    info.field_count = 9;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "9 fields",
                 fm_dataset_from_arrays(f->context, &info, data, false, &dataset));
    info = five();
    info.rows = -2;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "at least 0, received -2 and 0",
                 fm_dataset_from_arrays(f->context, &info, data, false, &dataset));
    info = five();
    info.gap = -1;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "at least 0, received 0 and -1",
                 fm_dataset_from_arrays(f->context, &info, data, false, &dataset));
    info = five();
    assert_fails(
        f->context, FM_ERROR_ARGUMENT, "no array for field \"y\"",
        fm_dataset_from_arrays(f->context, &info, (const void *[]){xs, NULL}, false, &dataset));
    info.fields[1].name = NULL;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "no name",
                 fm_dataset_from_arrays(f->context, &info, data, false, &dataset));
    info.fields[1].name = "x";
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "data set \"five\": fields 0 and 1 are both called \"x\"",
                 fm_dataset_from_arrays(f->context, &info, data, false, &dataset));
    assert_null(dataset);
}

static fm_status break_off(const void *state, fm_context *context, const fm_data_request *request)
{
    (void)state;
    (void)context;
    (void)request;
    return FM_ERROR_IO;
}

/* Whoever reads: a caller, or a transform that learns. */
static void a_source_that_fails_gets_words(void **state)
{
    fixture *f = *state;
    static const fm_data_source source = {.kind = "broken", .read = break_off};
    const fm_dataset_info info = five();
    fm_dataset *dataset, *view;
    fm_transform *transform;
    float x[2];
    const fm_data_request request = {.count = 1, .fields = {x}};
    assert_ok(f->context, fm_dataset_create(f->context, &source, NULL, &info, &dataset));
    assert_ok(f->context, fm_dataset_range(f->context, dataset, 1, 3, &view));
    static const char words[] = "data set \"five\": its source failed without words";
    assert_fails(f->context, FM_ERROR_IO, words,
                 fm_transform_fit(f->context, dataset, NULL, &transform));
    fm_error_clear(f->context);
    assert_fails(f->context, FM_ERROR_IO, words, fm_dataset_read(f->context, dataset, &request));
    fm_error_clear(f->context);
    assert_fails(f->context, FM_ERROR_IO, words, fm_dataset_read(f->context, view, &request));
    fm_dataset_destroy(view);
    fm_dataset_destroy(dataset);
}

static fm_status make_and_view(fm_context *context, void *argument)
{
    (void)argument;
    fm_column column = {.kind = FM_COLUMN_CATEGORICAL,
                        .category_count = 3,
                        .categories = (const char *const[]){"a", "b", "c"}};
    fm_dataset_info info = five();
    info.fields[1].columns = &column;
    fm_dataset *dataset, *view = NULL;
    fm_status status =
        fm_dataset_from_arrays(context, &info, (const void *[]){xs, ys}, false, &dataset);
    if (status == FM_OK) {
        status = fm_dataset_view(context, dataset, (uint32_t[]){1, 2}, 2, &view);
    }
    fm_dataset_destroy(view);
    fm_dataset_destroy(dataset);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    assert_int_equal(fail_each_allocation(f, make_and_view, NULL), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(arrays_are_read),
        fixture_test(integer_labels_become_classes),
        fixture_test(given_names_are_copied),
        fixture_test(views_compose_and_outlive_their_parent),
        fixture_test(an_empty_view_is_a_view),
        fixture_test(long_requests_to_views_are_read_in_pieces),
        fixture_test(positions_outside_are_refused),
        fixture_test(impossible_descriptions_are_refused),
        fixture_test(a_source_that_fails_gets_words),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
