/* fathom check: what it prints, and what its exit status means. */
#include "support/program_run.h"

#include <jansson.h>

static const char recipe[] = "data: {set: csv, file: t.csv, test_split: 0.25}\n"
                             "model: [{dense: 2}]\n"
                             "loss: sparse_categorical_crossentropy\n"
                             "optimizer: {sgd: {learning_rate: 0.01}}\n"
                             "train: {batch_size: 8, epochs: 3}\n";

static void write_files(fixture *f)
{
    char text[4096] = "a,b,kind\n";
    for (int i = 0; i < 80; i++) {
        snprintf(text + strlen(text), 64, "%.6f,5,%s\n", sin(12.9898 * i), i % 2 ? "up" : "down");
    }
    fixture_file(f, "t.csv", text, strlen(text));
    fixture_file(f, "r.yaml", recipe, strlen(recipe));
}

static void findings_are_printed(void **state)
{
    fixture *f = *state;
    write_files(f);
    const program_result *r =
        program_run(f, "cd $HERE && $FATHOM check r.yaml && ls | grep -c safetensors; true");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "warning  constant     input columns that are constant in the"));
    assert_non_null(strstr(r->out, "-> drop them: they say nothing\n"));
    assert_non_null(
        strstr(r->out, "passed   data, model, files, numbers, missing, scale, labels,"));
    assert_non_null(strstr(r->out, "forecast a step of 8 samples takes "));
    assert_non_null(strstr(r->out, "0 errors, 1 warning\n0\n")); /* nothing is saved */
    r = program_run(f, "cd $HERE && $FATHOM check r.yaml --set data.drop=b");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "nothing stands in the way\n"));
}

static void errors_are_an_exit_status(void **state)
{
    fixture *f = *state;
    write_files(f);
    static const program_case cases[] = {
        {"$FATHOM check r.yaml --set model.0.dense=1", 10, "the last layer has 1"},
        {"$FATHOM check r.yaml --set data.file=none.csv", 10, "error    data"},
        {"$FATHOM check r.yaml --set optimizer.sgd.learning_rate=3.0e+38", 10, "error    steps"},
        {"$FATHOM check none.yaml", 5, ""},
        {"$FATHOM check r.yaml --set loss=mse2", 3, ""},
        {"$FATHOM check", 2, ""},
        {"$FATHOM help exit-codes", 0,
         "   10  'check' found something that training would fail on"},
    };
    check_program(f, "cd $HERE && ", cases, sizeof cases / sizeof *cases);
}

static void scripts_get_objects(void **state)
{
    fixture *f = *state;
    write_files(f);
    const program_result *r = program_run(f, "cd $HERE && $FATHOM check r.yaml --json");
    char *second = strchr(r->out, '\n');
    assert_non_null(second);
    *second++ = '\0';
    json_t *finding = json_loads(r->out, 0, NULL), *all = json_loads(second, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(finding, "event")), "finding");
    assert_string_equal(json_string_value(json_object_get(finding, "level")), "warning");
    assert_string_equal(json_string_value(json_object_get(finding, "check")), "constant");
    assert_string_equal(json_string_value(json_object_get(finding, "advice")),
                        "drop them: they say nothing");
    assert_string_equal(json_string_value(json_object_get(all, "event")), "check");
    assert_int_equal(json_integer_value(json_object_get(all, "errors")), 0);
    assert_int_equal(json_integer_value(json_object_get(all, "warnings")), 1);
    assert_int_equal(json_integer_value(json_object_get(all, "train_samples")), 60);
    assert_int_equal(json_integer_value(json_object_get(all, "test_samples")), 20);
    assert_int_equal(json_integer_value(json_object_get(all, "steps_per_epoch")), 8);
    assert_int_equal(json_integer_value(json_object_get(all, "steps")), 20);
    assert_true(json_real_value(json_object_get(all, "run_seconds")) > 0);
    assert_int_equal(json_array_size(json_object_get(all, "passed")), 12);
    json_decref(finding);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(findings_are_printed),
        fixture_test(errors_are_an_exit_status),
        fixture_test(scripts_get_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
