/* Searches asked and told: schedules as published,
 * proposals that depend on seed and results alone. */
#include "support/fixture.h"

#include "base/random.h"
#include "fathom/tune.h"

static const char *const optimizers[] = {"adam", "sgd"};
static const fm_parameter parameters[] = {
    {.name = "optimizer", .kind = FM_PARAMETER_CHOICE, .choices = optimizers, .choice_count = 2},
    {.name = "units", .kind = FM_PARAMETER_INTEGER, .low = 16, .high = 512, .log = true},
    {.name = "rate", .kind = FM_PARAMETER_FLOAT, .low = 1e-4, .high = 1, .log = true},
    {.name = "momentum",
     .kind = FM_PARAMETER_FLOAT,
     .low = 0,
     .high = 0.9,
     .step = 0.3,
     .when = {{.parameter = 0, .choices = 2}},
     .when_count = 1},
};
enum { COUNT = sizeof parameters / sizeof parameters[0] };
static const fm_space space = {parameters, COUNT};

static fm_search *search_of(fixture *f, const fm_space *of, fm_search_options options)
{
    fm_search *search;
    assert_ok(f->context, fm_search_create(f->context, of, &options, &search));
    return search;
}

/* Smooth, best at adam, 128 units, rate 0.01. */
static double loss_of(const double *values)
{
    double units = log(values[1] / 128), rate = log(values[2] / 0.01);
    return 0.1 * units * units + 0.05 * rate * rate + 0.3 * values[0] +
           (isnan(values[3]) ? 0 : 0.1 * values[3]);
}

/* ---- schedules ------------------------------------------------------------------------------- */

static void hyperband_has_the_papers_brackets(void **state)
{
    fixture *f = *state;
    static const int64_t trials[5][5] = {{81, 27, 9, 3, 1}, {27, 9, 3, 1}, {9, 3, 1}, {6, 2}, {5}};
    static const int64_t epochs[5][5] = {
        {1, 3, 9, 27, 81}, {3, 9, 27, 81}, {9, 27, 81}, {27, 81}, {81}};
    fm_search *search =
        search_of(f, &space, (fm_search_options){.method = FM_HYPERBAND, .epochs_each = 81});
    int64_t total_trials = 0, total_epochs = 0, all_trials, all_epochs;
    for (int b = 0; b < 5; b++) {
        fm_bracket bracket;
        fm_search_bracket(search, b, &bracket);
        assert_int_equal(bracket.rungs, 5 - b);
        for (int i = 0; i < bracket.rungs; i++) {
            assert_int_equal(bracket.trials[i], trials[b][i]);
            assert_int_equal(bracket.epochs[i], epochs[b][i]);
            total_epochs += trials[b][i] * (epochs[b][i] - (i ? epochs[b][i - 1] : 0));
        }
        total_trials += trials[b][0];
    }
    fm_bracket none;
    fm_search_bracket(search, 5, &none);
    assert_int_equal(none.rungs, 0);
    fm_search_forecast(search, &all_trials, &all_epochs);
    assert_int_equal(all_trials, total_trials);
    assert_int_equal(all_epochs, total_epochs);
    fm_search_destroy(search);
}

typedef struct ladder_case {
    fm_search_options options;
    int rungs;
    int64_t trials[4], epochs[4];
} ladder_case;

static void halving_climbs_to_all_its_epochs(void **state)
{
    static const ladder_case cases[] = {
        {{.epochs_each = 27}, 4, {27, 9, 3, 1}, {1, 3, 9, 27}},
        {{.epochs_each = 27, .population = 30}, 4, {30, 10, 3, 1}, {1, 3, 9, 27}},
        {{.epochs_each = 27, .population = 5}, 2, {5, 1}, {9, 27}},
        {{.epochs_each = 20, .eta = 2, .min_epochs = 5}, 3, {4, 2, 1}, {5, 10, 20}},
        {{.epochs_each = 10}, 3, {9, 3, 1}, {1, 3, 10}},
        {{.epochs_each = 1}, 1, {1}, {1}},
    };
    fixture *f = *state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        fm_search_options options = cases[c].options;
        options.method = FM_SUCCESSIVE_HALVING;
        fm_search *search = search_of(f, &space, options);
        fm_bracket bracket;
        fm_search_bracket(search, 0, &bracket);
        assert_int_equal(bracket.rungs, cases[c].rungs);
        for (int i = 0; i < bracket.rungs; i++) {
            assert_int_equal(bracket.trials[i], cases[c].trials[i]);
            assert_int_equal(bracket.epochs[i], cases[c].epochs[i]);
        }
        fm_search_destroy(search);
    }
}

/* ---- running --------------------------------------------------------------------------------- */

/* Up to `slots` trials at once; which of them ends next is drawn. Values of trial t are told with
 * `wrong` failures among them. */
static fm_search *run_search(fixture *f, const fm_space *of, fm_search_options options, int slots,
                             uint64_t order, double (*objective)(const double *), bool failures)
{
    fm_search *search = search_of(f, of, options);
    fm_random random = fm_random_at(order, 0, 0);
    fm_trial_job running[16], job;
    int count = 0;
    for (;;) {
        while (count < slots) {
            assert_ok(f->context, fm_search_ask(search, &job));
            if (job.state != FM_JOB_READY) break;
            running[count++] = job;
        }
        if (count == 0) break;
        int ends = (int)fm_random_below(&random, (uint64_t)count);
        job = running[ends];
        running[ends] = running[--count];
        double value = objective(job.values) + 1.0 / (double)job.to;
        if (failures && job.trial % 7 == 3) value = NAN;
        assert_ok(f->context, fm_search_tell(search, job.trial, value));
    }
    assert_ok(f->context, fm_search_ask(search, &job));
    assert_int_equal(job.state, FM_JOB_NONE);
    return search;
}

static void check_same(const fm_search *a, const fm_search *b)
{
    assert_int_equal(fm_search_trial_count(a), fm_search_trial_count(b));
    for (int64_t i = 0; i < fm_search_trial_count(a); i++) {
        fm_trial x = fm_search_trial(a, i), y = fm_search_trial(b, i);
        assert_memory_equal(x.values, y.values, COUNT * sizeof(double));
        assert_int_equal(x.state, y.state);
        assert_int_equal(x.epochs, y.epochs);
        assert_int_equal(x.rung, y.rung);
        assert_memory_equal(&x.value, &y.value, sizeof x.value);
    }
    assert_int_equal(fm_search_best(a), fm_search_best(b));
}

static void trials_do_not_depend_on_who_ends_first(void **state)
{
    static const fm_search_options all[] = {
        {.method = FM_RANDOM_SEARCH, .trials = 30, .epochs_each = 3},
        {.method = FM_SUCCESSIVE_HALVING, .epochs_each = 27},
        {.method = FM_HYPERBAND, .epochs_each = 27, .epochs = 1000},
        {.method = FM_TPE_SEARCH, .trials = 40},
        {.method = FM_TPE_SEARCH, .trials = 40, .delay = 1},
    };
    fixture *f = *state;
    for (size_t m = 0; m < sizeof all / sizeof all[0]; m++) {
        for (int failures = 0; failures < 2; failures++) {
            fm_search *alone = run_search(f, &space, all[m], 1, 0, loss_of, failures);
            assert_true(fm_search_best(alone) >= 0);
            for (int slots = 2; slots <= 7; slots++) {
                fm_search *beside =
                    run_search(f, &space, all[m], slots, (uint64_t)slots, loss_of, failures);
                check_same(alone, beside);
                fm_search_destroy(beside);
            }
            fm_search_options other = all[m];
            other.seed = 1;
            fm_search *seeded = run_search(f, &space, other, 1, 0, loss_of, failures);
            assert_memory_not_equal(fm_search_trial(alone, 0).values,
                                    fm_search_trial(seeded, 0).values, sizeof(double) * 3);
            fm_search_destroy(seeded);
            fm_search_destroy(alone);
        }
    }
}

static void the_best_go_on(void **state)
{
    fixture *f = *state;
    fm_search *search = run_search(
        f, &space, (fm_search_options){.method = FM_SUCCESSIVE_HALVING, .epochs_each = 9}, 1, 0,
        loss_of, true);
    int reached[3] = {0};
    for (int64_t i = 0; i < fm_search_trial_count(search); i++) {
        fm_trial trial = fm_search_trial(search, i);
        reached[trial.rung]++;
        if (i % 7 == 3) {
            assert_int_equal(trial.state, FM_TRIAL_FAILED);
            assert_int_equal(trial.rung, 0);
            assert_true(isnan(trial.value));
        }
        for (int64_t j = 0; j < i; j++) { /* who got further was better on the way */
            fm_trial other = fm_search_trial(search, j);
            if (i % 7 == 3 || j % 7 == 3 || other.rung == trial.rung) continue;
            bool further = trial.rung > other.rung;
            assert_true(further == (loss_of(trial.values) < loss_of(other.values)));
        }
    }
    assert_int_equal(reached[0], 6);
    assert_int_equal(reached[1], 2);
    assert_int_equal(reached[2], 1);
    int64_t order[18];
    fm_search_ranking(search, order);
    assert_int_equal(order[0], fm_search_best(search));
    assert_int_equal(order[8], 3);
    fm_search_destroy(search);
}

/* A loop that failed at every trial asks for the best one, too. */
static void a_trial_that_there_is_not_failed(void **state)
{
    fixture *f = *state;
    fm_search *search;
    const fm_search_options options = {.method = FM_RANDOM_SEARCH, .trials = 2};
    assert_ok(f->context, fm_search_create(f->context, &space, &options, &search));
    for (int i = 0; i < 2; i++) {
        fm_trial_job job;
        assert_ok(f->context, fm_search_ask(search, &job));
        assert_ok(f->context, fm_search_tell(search, job.trial, NAN));
    }
    const int64_t numbers[] = {fm_search_best(search), 2, INT64_MAX, INT64_MIN};
    assert_int_equal(numbers[0], -1);
    for (int i = 0; i < 4; i++) {
        fm_trial trial = fm_search_trial(search, numbers[i]);
        assert_int_equal(trial.state, FM_TRIAL_FAILED);
        assert_true(isnan(trial.value));
        assert_null(trial.values);
    }
    fm_search_destroy(search);
}

static void budgets_end_a_search(void **state)
{
    fixture *f = *state;
    int64_t trials, epochs;
    fm_search *search = run_search(
        f, &space, (fm_search_options){.method = FM_RANDOM_SEARCH, .epochs = 20, .epochs_each = 3},
        2, 0, loss_of, false);
    assert_int_equal(fm_search_trial_count(search), 6);
    fm_search_forecast(search, &trials, &epochs);
    assert_int_equal(trials, 6);
    assert_int_equal(epochs, 18);
    fm_search_destroy(search);

    /* a pass has 9 + 3 + 3 trials in 27 + 12 + 27 epochs of brackets 9, 3 and 3 */
    fm_search_options options = {.method = FM_HYPERBAND, .epochs_each = 9};
    search = run_search(f, &space, options, 2, 0, loss_of, false);
    int64_t pass = fm_search_trial_count(search);
    fm_search_destroy(search);
    options.trials = 2 * pass + 10;
    search = run_search(f, &space, options, 2, 0, loss_of, false);
    assert_int_equal(fm_search_trial_count(search), 2 * pass + 9);
    fm_search_forecast(search, &trials, &epochs);
    assert_int_equal(trials, 2 * pass + 9);
    fm_bracket bracket;
    fm_search_bracket(search, 6, &bracket);
    assert_int_equal(bracket.trials[0], 9);
    fm_search_bracket(search, 7, &bracket);
    assert_int_equal(bracket.rungs, 0);
    fm_search_destroy(search);

    search = search_of(f, &space, (fm_search_options){.method = FM_RANDOM_SEARCH});
    fm_search_forecast(search, &trials, &epochs);
    assert_int_equal(trials, -1);
    fm_search_destroy(search);
}

/* ---- samplers -------------------------------------------------------------------------------- */

static void a_grid_has_every_combination_once(void **state)
{
    fixture *f = *state;
    fm_parameter grid[COUNT];
    memcpy(grid, parameters, sizeof grid);
    grid[1].points = 3;
    grid[2].points = 5;
    fm_search *search =
        run_search(f, &(fm_space){grid, COUNT}, (fm_search_options){0}, 3, 0, loss_of, false);
    /* adam: 3 units x 5 rates; sgd: the same with 4 momenta */
    assert_int_equal(fm_search_trial_count(search), 15 + 60);
    static const double rates[] = {1e-4, 1e-3, 1e-2, 1e-1, 1};
    for (int64_t i = 0; i < 75; i++) {
        const double *values = fm_search_trial(search, i).values;
        assert_true(values[0] == (i < 15 ? 0 : 1));
        assert_true(isnan(values[3]) == (i < 15));
        assert_true(values[2] == rates[(i < 15 ? i : (i - 15) / 4) % 5]);
        if (i >= 15) assert_near(values[3], 0.3 * (double)((i - 15) % 4), 1e-15);
    }
    assert_true(fm_search_trial(search, 0).values[1] == 16);
    assert_true(fm_search_trial(search, 5).values[1] == 91); /* sqrt(16 * 512) = 90.5 */
    assert_true(fm_search_trial(search, 10).values[1] == 512);
    fm_search_destroy(search);
}

/* Every legal value comes, none outside, conditions hold, the logarithm is even. */
static void random_values_are_legal(void **state)
{
    fixture *f = *state;
    enum { TRIALS = 2000 };
    fm_search *search =
        run_search(f, &space, (fm_search_options){.method = FM_RANDOM_SEARCH, .trials = TRIALS}, 1,
                   0, loss_of, false);
    int small = 0, sgd = 0, momenta[4] = {0};
    for (int64_t i = 0; i < TRIALS; i++) {
        const double *values = fm_search_trial(search, i).values;
        assert_true(values[1] >= 16 && values[1] <= 512 && values[1] == floor(values[1]));
        assert_true(values[2] >= 1e-4 && values[2] <= 1);
        assert_true(isnan(values[3]) == (values[0] == 0));
        small += values[2] < 1e-2;
        sgd += values[0] == 1;
        if (values[0] == 1) momenta[(int)round(values[3] / 0.3)]++;
        char text[64], *end;
        fm_parameter_text(&parameters[2], values[2], text, sizeof text);
        assert_true(strtod(text, &end) == values[2] && *end == '\0' && strlen(text) <= 12);
    }
    assert_true(abs(small - TRIALS / 2) < 100);
    assert_true(abs(sgd - TRIALS / 2) < 100);
    for (int i = 0; i < 4; i++) assert_true(abs(momenta[i] - sgd / 4) < 80);
    fm_search_destroy(search);
}

static double value_of(const double *values)
{
    return values[0];
}

static void few_possible_values_are_not_tried_twice(void **state)
{
    static const fm_parameter few[] = {
        {.name = "a", .kind = FM_PARAMETER_INTEGER, .low = 1, .high = 4}};
    for (int64_t seed = 0; seed < 20; seed++) {
        fm_search *search =
            run_search(*state, &(fm_space){few, 1},
                       (fm_search_options){.method = FM_RANDOM_SEARCH, .trials = 4, .seed = seed},
                       1, 0, value_of, false);
        double sum = 0;
        for (int64_t i = 0; i < 4; i++) sum += pow(10, fm_search_trial(search, i).values[0]);
        assert_true(sum == 11110);
        fm_search_destroy(search);
    }
}

/* Branin's function (Dixon, Szego 1978) over a square, beside two parameters that do nothing and
 * one choice that adds 2. Its minimum is 0.397887. */
static double branin(const double *values)
{
    double x = values[0], y = values[1], pi = 3.141592653589793;
    double a = y - 5.1 / (4 * pi * pi) * x * x + 5 / pi * x - 6;
    return a * a + 10 * (1 - 1 / (8 * pi)) * cos(x) + 10 + (values[2] == 1 ? 0 : 2);
}

static void tpe_beats_random_search(void **state)
{
    static const char *const letters[] = {"a", "b", "c"};
    static const fm_parameter plane[] = {
        {.name = "x", .kind = FM_PARAMETER_FLOAT, .low = -5, .high = 10},
        {.name = "y", .kind = FM_PARAMETER_FLOAT, .low = 0, .high = 15},
        {.name = "letter", .kind = FM_PARAMETER_CHOICE, .choices = letters, .choice_count = 3},
    };
    enum { SEEDS = 20 };
    double sums[2] = {0};
    int wins = 0;
    for (int64_t seed = 0; seed < SEEDS; seed++) {
        double best[2];
        for (int m = 0; m < 2; m++) {
            fm_search *search = run_search(
                *state, &(fm_space){plane, 3},
                (fm_search_options){
                    .method = m ? FM_TPE_SEARCH : FM_RANDOM_SEARCH, .trials = 80, .seed = seed},
                2, 0, branin, false);
            best[m] = fm_search_trial(search, fm_search_best(search)).value - 1 - 0.397887;
            sums[m] += best[m];
            fm_search_destroy(search);
        }
        wins += best[1] < best[0];
    }
    if (sums[1] > 0.5 * sums[0] || wins < 14) {
        fail_msg("mean regret %g against %g, better for %d of %d seeds", sums[1] / SEEDS,
                 sums[0] / SEEDS, wins, SEEDS);
    }
}

/* ---- mistakes -------------------------------------------------------------------------------- */

typedef struct mistake {
    fm_parameter parameter;
    const char *words;
} mistake;

static void wrong_spaces_are_told(void **state)
{
    static const char *const same[] = {"a", "a"};
    static const mistake table[] = {
        {{.kind = FM_PARAMETER_FLOAT, .high = 1}, "parameter 1 has no name"},
        {{.name = "optimizer", .kind = FM_PARAMETER_FLOAT, .high = 1},
         "optimizer: a parameter of this name is there already"},
        {{.name = "a", .kind = FM_PARAMETER_FLOAT, .low = 2, .high = 1},
         "a: the lower bound must lie below the upper one, received 2 and 1"},
        {{.name = "a", .kind = FM_PARAMETER_FLOAT, .low = -1e308, .high = 1e308},
         "a: the lower bound must lie below the upper one"},
        {{.name = "a", .kind = FM_PARAMETER_INTEGER, .low = 0.5, .high = 1},
         "a: the bounds of an integer must be whole numbers"},
        {{.name = "a", .kind = FM_PARAMETER_FLOAT, .low = 0, .high = 1, .log = true},
         "a: a logarithmic scale begins above 0"},
        {{.name = "a", .kind = FM_PARAMETER_FLOAT, .low = 1, .high = 2, .log = true, .step = 0.5},
         "a: a step has no place on a logarithmic scale"},
        {{.name = "a", .kind = FM_PARAMETER_FLOAT, .low = 1, .high = 2, .step = 1.5},
         "a: a step must lie between 0 and 1"},
        {{.name = "a", .kind = FM_PARAMETER_INTEGER, .low = 1, .high = 9, .step = 1.5},
         "a: the step of an integer must be a whole number"},
        {{.name = "a", .kind = FM_PARAMETER_FLOAT, .high = 1, .points = 1},
         "a: points of a grid are 2 to 10000, received 1"},
        {{.name = "a", .kind = FM_PARAMETER_CHOICE}, "a: 1 to 64 choices are wanted, received 0"},
        {{.name = "a", .kind = FM_PARAMETER_CHOICE, .choices = same, .choice_count = 2},
         "a: the choice 'a' is there twice"},
        {{.name = "a", .kind = FM_PARAMETER_FLOAT, .high = 1, .when = {{1, 1}}, .when_count = 1},
         "a: it can depend on choices that stand above it alone"},
        {{.name = "a", .kind = FM_PARAMETER_FLOAT, .high = 1, .when = {{0, 4}}, .when_count = 1},
         "a: 'optimizer' has no such choice"},
        {{.name = "a", .kind = FM_PARAMETER_FLOAT, .high = 1},
         "a: a grid needs a step, or how many points there shall be"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fm_parameter pair[] = {parameters[0], table[i].parameter};
        fm_search *search;
        assert_fails(f->context, FM_ERROR_ARGUMENT, table[i].words,
                     fm_search_create(f->context, &(fm_space){pair, 2}, NULL, &search));
        assert_null(search);
    }
}

static void wrong_options_are_told(void **state)
{
    fixture *f = *state;
    fm_search *search;
    fm_search_options options = {.method = FM_HYPERBAND, .epochs_each = 81, .epochs = 296};
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "the budget does not hold the first bracket of hyperband: it has 81 trials and "
                 "297 epochs",
                 fm_search_create(f->context, &space, &options, &search));
    options = (fm_search_options){.method = FM_HYPERBAND, .eta = 1};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "hyperband: eta must lie between 2 and 1000",
                 fm_search_create(f->context, &space, &options, &search));
    options = (fm_search_options){.method = FM_TPE_SEARCH, .gamma = 2};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "tpe: gamma must lie between",
                 fm_search_create(f->context, &space, &options, &search));
    options = (fm_search_options){.method = 17};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "no search method 17",
                 fm_search_create(f->context, &space, &options, &search));
    options = (fm_search_options){.method = FM_HYPERBAND, .epochs_each = 1000000000};
    assert_fails(f->context, FM_ERROR_LIMIT, "hyperband would begin with 387420489 trials",
                 fm_search_create(f->context, &space, &options, &search));
    static const fm_parameter endless[] = {
        {.name = "a", .kind = FM_PARAMETER_FLOAT, .high = 1e300, .step = 1}};
    assert_fails(f->context, FM_ERROR_LIMIT, "the grid has more than 100000 combinations",
                 fm_search_create(f->context, &(fm_space){endless, 1}, NULL, &search));
    options = (fm_search_options){.method = FM_RANDOM_SEARCH, .trials = 2};
    search = search_of(f, &space, options);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "trial 0 does not run: it cannot be told",
                 fm_search_tell(search, 0, 1));
    fm_search_destroy(search);
}

static fm_status search_a_little(fm_context *context, void *argument)
{
    fm_search *search;
    fm_search_options options = *(const fm_search_options *)argument;
    fm_status status = fm_search_create(context, &space, &options, &search);
    fm_trial_job job = {.state = FM_JOB_READY};
    while (status == FM_OK && job.state == FM_JOB_READY) {
        status = fm_search_ask(search, &job);
        if (status != FM_OK || job.state != FM_JOB_READY) break;
        status = fm_search_tell(search, job.trial, loss_of(job.values));
    }
    fm_search_destroy(search);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fm_search_options options[] = {
        {.method = FM_HYPERBAND, .epochs_each = 9},
        {.method = FM_TPE_SEARCH, .trials = 15, .startup = 3},
    };
    for (int i = 0; i < 2; i++) fail_each_allocation(*state, search_a_little, &options[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_trial_that_there_is_not_failed),
        fixture_test(hyperband_has_the_papers_brackets),
        fixture_test(halving_climbs_to_all_its_epochs),
        fixture_test(trials_do_not_depend_on_who_ends_first),
        fixture_test(the_best_go_on),
        fixture_test(budgets_end_a_search),
        fixture_test(a_grid_has_every_combination_once),
        fixture_test(random_values_are_legal),
        fixture_test(few_possible_values_are_not_tried_twice),
        fixture_test(tpe_beats_random_search),
        fixture_test(wrong_spaces_are_told),
        fixture_test(wrong_options_are_told),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
