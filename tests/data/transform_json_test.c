#include "support/fixture.h"
#include "data/transform.h"
#include "fathom/data_files.h"

static fm_dataset *open_table(fm_context *context)
{
    static const char text[] = "a,\"ci\"\"ty\",b,kind\n"
                               "1.1,R\xc3\xb6m,0.3,yes\n?,Oslo,-7e-5,no\n2.7,?,1e9,no\n";
    fm_dataset *dataset;
    assert_ok(context, fm_dataset_parse_csv(context, "t", text, sizeof text - 1, NULL, &dataset));
    return dataset;
}

static void read_prepared(fm_context *context, const fm_dataset *dataset,
                          const fm_transform *transform, float *x, void *y)
{
    fm_dataset *prepared;
    assert_ok(context, fm_dataset_transform(context, dataset, transform, &prepared));
    fm_data_request request = {.count = fm_dataset_about(prepared)->count, .fields = {x, y}};
    assert_ok(context, fm_dataset_read(context, prepared, &request));
    fm_dataset_destroy(prepared);
}

static void a_transform_survives_its_text(void **state)
{
    fixture *f = *state;
    const fm_transform_options cases[] = {
        {0},
        {.normalize = FM_NORMALIZE_STANDARDIZE, .impute = FM_IMPUTE_MEDIAN},
        {.normalize = FM_NORMALIZE_MIN_MAX, .encode = FM_ENCODE_ORDINAL},
        {.target = FM_TARGET_ONE_HOT, .scale = 3},
        {.target = FM_TARGET_VALUE, .impute = FM_IMPUTE_CONSTANT, .impute_value = 0.1},
    };
    fm_dataset *dataset = open_table(f->context);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fm_transform *before, *after;
        char *json, *again;
        assert_ok(f->context, fm_transform_fit(f->context, dataset, &cases[i], &before));
        assert_ok(f->context, fm_transform_to_json(f->context, before, &json));
        assert_ok(f->context, fm_transform_from_json(f->context, json, strlen(json), &after));
        assert_ok(f->context, fm_transform_to_json(f->context, after, &again));
        assert_string_equal(json, again);
        for (int64_t g = 0; g < before->groups; g++) { /* to the last bit */
            assert_memory_equal(&before->rules[g], &after->rules[g], sizeof(fm_rule));
        }
        const fm_dataset_info *a = fm_transform_output(before), *b = fm_transform_output(after);
        assert_int_equal(a->field_count, b->field_count);
        for (int k = 0; k < a->field_count; k++) {
            assert_int_equal(a->fields[k].dtype, b->fields[k].dtype);
            assert_true(fm_shape_equal(a->fields[k].shape, b->fields[k].shape));
        }
        assert_string_equal(a->fields[0].columns[1].name, b->fields[0].columns[1].name);
        float x[2][3 * 8] = {{0}}, y[2][8] = {{0}};
        read_prepared(f->context, dataset, before, x[0], y[0]);
        read_prepared(f->context, dataset, after, x[1], y[1]);
        assert_memory_equal(x[0], x[1], sizeof x[0]);
        assert_memory_equal(y[0], y[1], sizeof y[0]);
        fm_data_release(f->context, json);
        fm_data_release(f->context, again);
        fm_transform_destroy(before);
        fm_transform_destroy(after);
    }
    fm_dataset_destroy(dataset);
}

static void images_and_values_survive_too(void **state)
{
    fixture *f = *state;
    uint8_t x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    float y[2] = {1, 4};
    fm_dataset_info info = {.name = "images",
                            .count = 2,
                            .field_count = 2,
                            .fields = {{.name = "x", .dtype = FM_U8, .shape = FM_SHAPE(2, 3)},
                                       {.name = "y", .dtype = FM_F32, .shape = FM_SHAPE()}}};
    fm_dataset *dataset;
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *[]){x, y}, true, &dataset));
    for (int statistics = 0; statistics <= FM_STATISTICS_ALL; statistics++) {
        fm_transform_options options = {.normalize = FM_NORMALIZE_STANDARDIZE,
                                        .statistics = statistics,
                                        .target_normalize = FM_NORMALIZE_STANDARDIZE};
        fm_transform *before, *after;
        char *json;
        assert_ok(f->context, fm_transform_fit(f->context, dataset, &options, &before));
        assert_ok(f->context, fm_transform_to_json(f->context, before, &json));
        assert_ok(f->context, fm_transform_from_json(f->context, json, strlen(json), &after));
        float a[12], b[12], c[2], d[2];
        read_prepared(f->context, dataset, before, a, c);
        read_prepared(f->context, dataset, after, b, d);
        assert_memory_equal(a, b, sizeof a);
        assert_memory_equal(c, d, sizeof c);
        fm_transform_restore(after, d, 2);
        assert_near((double)d[1], 4, 1e-6);
        fm_data_release(f->context, json);
        fm_transform_destroy(before);
        fm_transform_destroy(after);
    }
    fm_dataset_destroy(dataset);
}

/* target: input: "y" is the prepared "x", whatever the labels are, read together or alone. */
static void an_input_may_be_the_target(void **state)
{
    fixture *f = *state;
    uint8_t x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    int32_t y[2] = {1, 0};
    fm_dataset_info info = {.name = "images",
                            .count = 2,
                            .field_count = 2,
                            .fields = {{.name = "x", .dtype = FM_U8, .shape = FM_SHAPE(2, 3)},
                                       {.name = "y", .dtype = FM_I32, .shape = FM_SHAPE()}}};
    fm_dataset *dataset, *prepared;
    fm_transform *before, *after;
    char *json;
    const uint32_t order[2] = {1, 0};
    float a[12], b[12], alone[12];
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *[]){x, y}, true, &dataset));
    fm_transform_options options = {.scale = 255, .target = FM_TARGET_INPUT};
    assert_ok(f->context, fm_transform_fit(f->context, dataset, &options, &before));
    assert_ok(f->context, fm_transform_to_json(f->context, before, &json));
    assert_ok(f->context, fm_transform_from_json(f->context, json, strlen(json), &after));
    assert_ok(f->context, fm_dataset_transform(f->context, dataset, after, &prepared));
    const fm_data_field *out = &fm_dataset_about(prepared)->fields[1];
    assert_string_equal(out->name, "y");
    assert_int_equal(out->dtype, FM_F32);
    assert_true(fm_shape_equal(out->shape, FM_SHAPE(2, 3)));
    fm_data_request request = {.indices = order, .count = 2, .fields = {a, b}};
    assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
    request.fields[0] = NULL;
    request.fields[1] = alone;
    assert_ok(f->context, fm_dataset_read(f->context, prepared, &request));
    assert_near((double)a[0], 7.0 / 255, 1e-6);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_equal(a, alone, sizeof a);
    fm_data_release(f->context, json);
    fm_dataset_destroy(prepared);
    fm_transform_destroy(before);
    fm_transform_destroy(after);
    fm_dataset_destroy(dataset);
}

#define HEAD    "{\"format\":\"fathom.transform\",\"version\":1,\"x\":"
#define FIELD   "\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[1]"
#define CHOICES "\"statistics\":\"each\",\"encode\":\"one_hot\""

static void wrong_text_is_refused(void **state)
{
    fixture *f = *state;
    const struct {
        const char *json, *words;
    } cases[] = {
        {"", "JSON line 1"},
        {"[1]", "not the JSON of a transform"},
        {"{\"format\":\"other\"}", "not the JSON of a transform"},
        {"{\"format\":\"fathom.transform\",\"version\":2}", "newer version"},
        {HEAD "7}", "a field has a name and a dtype"},
        {HEAD "{\"name\":\"x\",\"dtype\":\"f99\"}}", "a field has a name and a dtype"},
        {HEAD "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[1,2,3,4,5,6,7,8]}}", "less than eight"},
        {HEAD "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[-1]}}", "impossible size"},
        {HEAD "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[9e9]}}", "impossible size"},
        {HEAD "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[4611686018427387904]}}", "impossible"},
        {HEAD "{" FIELD "}}", "x needs statistics and encode"},
        {HEAD "{" FIELD "," CHOICES "}}", "rules are as many as there are groups"},
        {HEAD "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[1000000000000]," CHOICES
              ",\"rules\":[]}}",
         "rules are as many as there are groups"},
        {HEAD "{" FIELD "," CHOICES ",\"rules\":[[1,2]]}}", "a rule is [fill or null"},
        {HEAD "{" FIELD "," CHOICES ",\"rules\":[[1,2,\"3\"]]}}", "a rule is [fill or null"},
        {HEAD "{" FIELD ",\"columns\":[]," CHOICES "}}", "columns are as many"},
        {HEAD "{" FIELD ",\"columns\":[{\"kind\":\"odd\"}]}}", "a column has a kind"},
        {HEAD "{" FIELD ",\"columns\":[{\"kind\":\"categorical\"}]}}", "needs a count"},
        {HEAD "{" FIELD ",\"columns\":[{\"kind\":\"categorical\",\"count\":2,"
              "\"categories\":[\"a\"]}]}}",
         "as many names as count says"},
        {HEAD "{" FIELD ",\"columns\":[{\"kind\":\"categorical\",\"count\":1,"
              "\"categories\":[7]}]}}",
         "a category is a text"},
        {HEAD "{" FIELD "," CHOICES ",\"rules\":[[null,0,1]]},\"y\":{" FIELD
              ",\"target\":\"index\"}}",
         "a target that fits"},
        {HEAD "{" FIELD "," CHOICES ",\"rules\":[[null,0,1]]},\"y\":{" FIELD
              ",\"target\":\"value\"}}",
         "rules are as many"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fm_transform *transform;
        assert_fails(
            f->context, FM_ERROR_FORMAT, cases[i].words,
            fm_transform_from_json(f->context, cases[i].json, strlen(cases[i].json), &transform));
        assert_null(transform);
    }
    fm_transform *transform;
    const char good[] = HEAD "{" FIELD "," CHOICES ",\"rules\":[[null,0,1]]}}";
    assert_ok(f->context, fm_transform_from_json(f->context, good, sizeof good - 1, &transform));
    fm_transform_destroy(transform);
}

static fm_status there_and_back(fm_context *context, void *dataset)
{
    fm_transform *before, *after = NULL;
    char *json = NULL;
    fm_status status = fm_transform_fit(context, dataset, NULL, &before);
    if (status == FM_OK) status = fm_transform_to_json(context, before, &json);
    if (status == FM_OK) status = fm_transform_from_json(context, json, strlen(json), &after);
    fm_data_release(context, json);
    fm_transform_destroy(before);
    fm_transform_destroy(after);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    fm_dataset *dataset = open_table(f->context);
    assert_true(fail_each_allocation(f, there_and_back, dataset) >= 8);
    fm_dataset_destroy(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_transform_survives_its_text), fixture_test(images_and_values_survive_too),
        fixture_test(wrong_text_is_refused),         fixture_test(an_input_may_be_the_target),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
