/* Models of time series through the program: trained, measured, asked for the future. */
#include "support/program_run.h"

#include <jansson.h>

static const char recipe[] = "data:\n"
                             "  set: series\n"
                             "  file: trips.csv\n"
                             "  target: trips\n"
                             "  window: 12\n"
                             "  difference: 1\n"
                             "  season: 12\n"
                             "  normalize: standardize\n"
                             "  target_normalize: standardize\n"
                             "  test_split: 0.25\n"
                             "model:\n"
                             "  - flatten\n"
                             "  - dense: 1\n"
                             "loss: mean_squared_error\n"
                             "optimizer: {adam: {learning_rate: 0.02}}\n"
                             "train: {batch_size: 16, epochs: 60, seed: 1}\n";

enum { ROWS = 120 };

static void write_trips(fixture *f, const char *name, int rows)
{
    char text[8192] = "month,trips\n";
    for (int i = 0; i < rows; i++) {
        double trips = 100 + i + 30 * sin(2 * 3.14159265 * i / 12);
        snprintf(text + strlen(text), 64, "%04d-%02d,%.3f\n", 2000 + i / 12, i % 12 + 1, trips);
    }
    fixture_file(f, name, text, strlen(text));
}

static void train(fixture *f)
{
    fixture_file(f, "trips.yaml", recipe, strlen(recipe));
    write_trips(f, "trips.csv", ROWS);
    program_run_well(f, "cd $HERE && $FATHOM train trips.yaml --quiet");
}

static void the_error_is_held_against_naive_ones(void **state)
{
    fixture *f = *state;
    train(f);
    const program_result *r = program_run_well(f, "cd $HERE && $FATHOM eval trips.safetensors");
    assert_non_null(strstr(r->out, "trips: mae "));
    assert_non_null(strstr(r->out, " of the naive error (last value: mae "));
    assert_non_null(strstr(r->out, " of the seasonal one (12 rows back: mae "));
    assert_non_null(strstr(r->out, "; MASE "));
    r = program_run_well(f, "cd $HERE && $FATHOM eval trips.safetensors --json");
    json_t *eval = json_loads(r->out, 0, NULL);
    json_t *of = json_array_get(json_object_get(eval, "forecasts"), 0);
    assert_string_equal(json_string_value(json_object_get(of, "column")), "trips");
    assert_true(json_number_value(json_object_get(of, "share_of_naive")) < 0.2);
    assert_true(json_number_value(json_object_get(of, "share_of_seasonal")) < 0.5);
    assert_true(json_number_value(json_object_get(of, "mase")) < 0.5);
    json_decref(eval);
}

static void the_future_is_written_as_csv(void **state)
{
    fixture *f = *state;
    train(f);
    program_run_well(
        f, "cd $HERE && $FATHOM predict trips.safetensors trips.csv --horizon 14 >all.csv");
    const program_result *r = program_run_well(f, "cd $HERE && wc -l <all.csv && head -2 all.csv");
    assert_non_null(strstr(r->out, "15\nmonth,column,forecast\n2010-01,trips,"));
    r = program_run_well(f, "tail -1 $HERE/all.csv");
    assert_ptr_equal(strstr(r->out, "2011-02,trips,"), r->out);
    double said = atof(r->out + strlen("2011-02,trips,"));
    assert_true(fabs(said - (100 + 133 + 30 * sin(2 * 3.14159265 * 133 / 12))) < 8);
    /* the same from stdin, into a file, and of the recipe's own file */
    program_run_well(
        f,
        "cd $HERE && $FATHOM predict trips.safetensors - --horizon 14 <trips.csv | cmp - all.csv");
    program_run_well(f,
                     "cd $HERE && $FATHOM predict trips.safetensors --horizon 14 | cmp - all.csv");
    program_run_well(f, "cd $HERE && $FATHOM predict trips.safetensors trips.csv >one.csv && "
                        "$FATHOM predict trips.safetensors | cmp - one.csv && test -s one.csv");
    program_run_well(
        f, "cd $HERE && $FATHOM predict trips.safetensors trips.csv --horizon 14 --out b.csv && "
           "cmp b.csv all.csv");
    r = program_run_well(f, "cd $HERE && $FATHOM predict trips.safetensors trips.csv --json");
    json_t *event = json_loads(r->out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(event, "event")), "forecast");
    assert_string_equal(json_string_value(json_object_get(event, "time")), "2010-01");
    assert_string_equal(json_string_value(json_object_get(event, "column")), "trips");
    assert_true(json_is_real(json_object_get(event, "forecast")));
    json_decref(event);
}

/* A test sample is told in trips, not in differences. */
static void samples_are_in_the_users_unit(void **state)
{
    fixture *f = *state;
    train(f);
    const program_result *r =
        program_run_well(f, "cd $HERE && $FATHOM predict trips.safetensors --sample 0 --json");
    json_t *event = json_loads(r->out, 0, NULL);
    double said = json_number_value(json_object_get(json_object_get(event, "values"), "trips"));
    double truth = json_number_value(json_object_get(json_object_get(event, "true"), "trips"));
    int row = 1 + 12 + 80; /* 107 windows: the first 80 train */
    assert_near(truth, 100 + row + 30 * sin(2 * 3.14159265 * row / 12), 1e-4);
    assert_true(fabs(said - truth) < 10);
    json_decref(event);
}

static void charts_are_drawn(void **state)
{
#if FATHOM_HAVE_IMAGES
    fixture *f = *state;
    train(f);
    program_run_well(
        f, "cd $HERE && $FATHOM predict trips.safetensors trips.csv --horizon 9 --plot p.png");
    program_run_well(f, "cd $HERE && $FATHOM eval trips.safetensors --plot e.png");
    for (int i = 0; i < 2; i++) {
        const program_result *r =
            program_run_well(f, i ? "head -c 8 $HERE/e.png" : "head -c 8 $HERE/p.png");
        assert_memory_equal(r->out, "\x89PNG\r\n\x1a\n", 8);
    }
#else
    (void)state;
#endif
}

/* Nine lines to a run: what is asked for is refused in one sentence. */
static void mistakes_are_told(void **state)
{
    static const program_case cases[] = {
        {"$FATHOM train trips.yaml --set data.target=tripz", 5,
         "target names the column 'tripz'; there is none of that name or number among the 2; did "
         "you mean 'trips'?"},
        {"$FATHOM train trips.yaml --set data.window=200", 3,
         "a window of 200 rows and a horizon of 1 need 201 rows, but there are 119 besides the 1"},
        {"$FATHOM train trips.yaml --set 'data.test_split={fraction: 0.2, shuffle: true}'", 3,
         "is ordered in time"},
        {"$FATHOM train trips.yaml --set data.windw=3", 3, "did you mean 'window'?"},
        {"$FATHOM predict trips.safetensors few.csv", 3,
         "few.csv: a forecast needs the 13 rows before it, there are 5"},
        {"$FATHOM predict trips.safetensors other.csv", 5, "the model names the column 'trips'"},
        {"$FATHOM predict trips.safetensors trips.csv --horizon 9999999", 4,
         "at most 1048576 rows"},
        {"$FATHOM predict trips.safetensors --sample 0 --horizon 3", 3,
         "--horizon is for one series"},
        {"$FATHOM predict spirals.safetensors - --horizon 3", 3,
         "--horizon is for models of a time series (set: series); this one's data is 'spirals'"},
        {"$FATHOM eval spirals.safetensors --plot x.png", 3, "is no time series"},
    };
    fixture *f = *state;
    train(f);
    write_trips(f, "few.csv", 5);
    fixture_file(f, "other.csv", "month,rides\n2000-01,1\n", 22);
    program_run_well(f, "$FATHOM train recipes/spirals.yaml --epochs 1 --quiet --out "
                        "$HERE/spirals.safetensors --set data.train_size=50");
    check_program(f, "cd $HERE && ", cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_error_is_held_against_naive_ones),
        fixture_test(the_future_is_written_as_csv),
        fixture_test(samples_are_in_the_users_unit),
        fixture_test(charts_are_drawn),
        fixture_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
