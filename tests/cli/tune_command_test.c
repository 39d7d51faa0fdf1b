/* fathom tune and fathom train --folds through the built program: the same table however it came to
 * be, killed or not, alone or side by side; trials that fail; what is written. */
#include "support/program_events.h"

/* Spirals for a moment: an epoch is some milliseconds. */
static const char recipe[] = "data: {set: spirals, classes: 3, train_size: 300, test_size: 90,\n"
                             "       normalize: standardize, validation_split: 0.2}\n"
                             "model: [{dense: {units: 16, activation: tanh}}, {dense: 3}]\n"
                             "loss: sparse_categorical_crossentropy\n"
                             "optimizer: adam\n"
                             "metrics: [accuracy]\n"
                             "train: {batch_size: 20, epochs: 4, seed: 3}\n";

#define SPACE                                                                                      \
    "space:\n"                                                                                     \
    "  model.0.dense.units: {integer: [2, 64], scale: log}\n"                                      \
    "  optimizer: [adam, sgd]\n"                                                                   \
    "  optimizer.adam.learning_rate: {float: [1e-4, 1e-1], scale: log, when: {optimizer: adam}}\n" \
    "  optimizer.sgd.momentum: {choice: [0, 0.9], when: {optimizer: sgd}}\n"

static void write_search(fixture *f, const char *text)
{
    fixture_file(f, "r.yaml", recipe, strlen(recipe));
    fixture_file(f, "s.yaml", text, strlen(text));
}

/* trials.csv without its last column, the seconds; until the next line is run. */
static const char *read_table(fixture *f, const char *name)
{
    char line[512];
    snprintf(line, sizeof line, "sed 's/,[^,]*$//' $HERE/%s/trials.csv", name);
    return program_run_well(f, line)->out;
}

enum { TABLE = 1 << 16 };

static void copy_table(fixture *f, const char *name, char table[TABLE])
{
    const char *read = read_table(f, name);
    assert_true(strlen(read) < TABLE);
    strcpy(table, read);
}

static const char *const methods[] = {
    "method: hyperband\ntrial: {epochs: 9}\n",
    "method: {successive_halving: {population: 6}}\ntrial: {epochs: 9}\n",
    "method: random\nbudget: {trials: 7}\ntrial: {epochs: 2}\n",
    "method: {tpe: {startup: 3}}\nbudget: {trials: 9}\nobjective: val_accuracy\n",
};

static void the_table_is_the_same_for_any_number_of_jobs(void **state)
{
    fixture *f = *state;
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
        char text[1024], one[TABLE];
        snprintf(text, sizeof text, "recipe: r.yaml\nseed: 5\n%s" SPACE, methods[m]);
        write_search(f, text);
        program_run_well(f, "$FATHOM tune $HERE/s.yaml --restart --jobs 1 -q --out $HERE/one");
        program_run_well(f, "$FATHOM tune $HERE/s.yaml --restart --jobs 3 -q --out $HERE/three");
        copy_table(f, "one", one);
        assert_string_equal(one, read_table(f, "three"));
        assert_non_null(strstr(one, m == 3 ? "trial,bracket,state,val_accuracy,epochs,epoch,"
                                           : "trial,bracket,state,val_loss,epochs,epoch,"));
    }
}

/* Killed some times on its way, each time a little later, and begun again. */
static void a_killed_search_ends_with_the_same_table(void **state)
{
    fixture *f = *state;
    char text[1024], whole[TABLE];
    snprintf(text, sizeof text,
             "recipe: r.yaml\nset: {data.train_size: 2000}\nmethod: hyperband\n"
             "trial: {epochs: 27}\n" SPACE);
    write_search(f, text);
    program_run_well(f, "$FATHOM tune $HERE/s.yaml --jobs 2 -q --out $HERE/whole");
    copy_table(f, "whole", whole);
    int kills = 0;
    for (int i = 1; i <= 6; i++) {
        char line[1024];
        snprintf(line, sizeof line,
                 "$FATHOM tune $HERE/s.yaml --jobs 2 -q --out $HERE/cut & CHILD=$!; N=0; "
                 "until [ $N -ge %d ] || ! kill -0 $CHILD 2>/dev/null; do sleep 0.01; "
                 "N=$(wc -l <$HERE/cut/journal.jsonl 2>/dev/null || echo 0); done; "
                 "kill -KILL $CHILD; wait $CHILD",
                 1 + 8 * i);
        kills += program_run(f, line)->code == 128 + 9;
    }
    assert_true(kills >= 2);
    const program_result *r =
        program_run_well(f, "$FATHOM tune $HERE/s.yaml --jobs 2 --out $HERE/cut");
    assert_non_null(strstr(r->err, "going on: "));
    assert_string_equal(whole, read_table(f, "cut"));
    program_run_well(f, "cmp $HERE/whole/best.yaml $HERE/cut/best.yaml");
    program_run_well(f, "test -z \"$(ls $HERE/cut/states)\"");
}

/* Until the search in the background trains its first trial,
 * which makes a folder for its events. */
#define TRIAL_BEGINS                                                                               \
    "& CHILD=$!; until [ -d $HERE/events/trial-0 ] || ! kill -0 $CHILD; do sleep 0.01; done; "
#define TELLS_EVENTS "--set train.tensorboard=$HERE/events "

static void an_interrupt_keeps_everything(void **state)
{
    fixture *f = *state;
    write_search(f, "recipe: r.yaml\nset: {data.train_size: 20000}\nmethod: random\n"
                    "trial: {epochs: 100000}\nbudget: {trials: 2}\n" SPACE);
    const program_result *r = program_run(
        f, "$FATHOM tune $HERE/s.yaml --jobs 1 --json --out $HERE/s " TELLS_EVENTS TRIAL_BEGINS
           "kill -TERM $CHILD; wait $CHILD");
    assert_int_equal(r->code, 130);
    assert_non_null(strstr(r->err, "interrupted; everything is kept in "));
    assert_non_null(strstr(r->out, "{\"event\":\"interrupted\""));
    program_run_well(f, "test -s $HERE/s/states/trial-0.safetensors");
}

/* The best recipe, trained by itself, has the figure of the table. */
static void the_best_recipe_is_ready_to_train(void **state)
{
    fixture *f = *state;
    write_search(f, "recipe: r.yaml\nobjective: {monitor: val_accuracy, epoch: last}\n"
                    "method: hyperband\ntrial: {epochs: 9}\n" SPACE);
    json_t *end = last_event(
        program_run_well(f, "$FATHOM tune $HERE/s.yaml --json -q --out $HERE/s --jobs 2"));
    assert_string_equal(json_string_value(json_object_get(end, "event")), "end");
    json_t *trained = last_event(program_run_well(f, "$FATHOM train $HERE/s/best.yaml --json -q "
                                                     "--out $HERE/m.safetensors"));
    assert_near(number_at(trained, "validation", "accuracy"), number_at(end, "value", NULL), 1e-9);
    assert_near(number_at(trained, "epochs", NULL), number_at(end, "best_epochs", NULL), 0);
    json_decref(trained);
    json_decref(end);
}

static void a_trial_that_fails_is_recorded(void **state)
{
    fixture *f = *state;
    write_search(f, "recipe: r.yaml\nmethod: grid\ntrial: {epochs: 1}\nspace:\n"
                    "  model.0.dense.units: [4, -1, 8]\n  loss: [sparse_categorical_crossentropy, "
                    "hinge]\n");
    const program_result *r =
        program_run_well(f, "$FATHOM tune $HERE/s.yaml --out $HERE/s --jobs 1");
    assert_non_null(strstr(r->err, "trial 2  failed: --set model.0.dense.units=-1: dense: units"));
    assert_non_null(strstr(r->out, "4 failed; trial 1: "));
    assert_non_null(strstr(r->out, "6 trials, 6 epochs in "));
    const char *table = read_table(f, "s");
    assert_non_null(strstr(table, "\n2,2,failed,,0,0,-1,sparse_categorical_crossentropy,"));
    assert_non_null(strstr(table, "\n4,4,done,"));

    write_search(f, "recipe: r.yaml\nmethod: grid\nspace: {model.0.dense.units: [-1, -2]}\n");
    r = program_run(f, "$FATHOM tune $HERE/s.yaml --out $HERE/none -q");
    assert_int_equal(r->code, 3);
    assert_non_null(strstr(r->err, "no trial came to an end; the first failed: "));
}

/* The first of three trials takes long, and its process is killed on the way. */
static void a_worker_that_dies_is_replaced(void **state)
{
    fixture *f = *state;
    write_search(f, "recipe: r.yaml\nmethod: grid\ntrial: {epochs: 100}\n"
                    "space: {data.train_size: [400000, 300, 301]}\n");
    const program_result *r = program_run_well(
        f,
        "$FATHOM tune $HERE/s.yaml --jobs 1 --out $HERE/s " TELLS_EVENTS TRIAL_BEGINS
        "for P in /proc/[0-9]*; do case \"$(cat $P/stat 2>/dev/null)\" in *\") \"?\" $CHILD \"*) "
        "kill -KILL ${P#/proc/};; esac; done; wait $CHILD");
    assert_non_null(strstr(r->err, "trial 0  failed: its process was killed by signal 9 (Killed)"));
    assert_non_null(strstr(r->out, "1 failed; "));
    assert_non_null(strstr(r->out, "3 trials, "));
}

static void complaints_have_their_place(void **state)
{
    fixture *f = *state;
    static const char *const cases[][2] = {
        {"recipe: none.yaml\nmethod: grid\nspace: {a: [1]}\n", "none.yaml: cannot open"},
        {"recipe: r.yaml\nmethod: grd\nspace: {a: [1]}\n", "s.yaml:2:9: unknown search method"},
        {"recipe: r.yaml\nobjective: val_auc\nmethod: grid\nspace: {train.seed: [1]}\n",
         "objective: nothing called 'val_auc' can be monitored; there are loss, accuracy, "
         "val_loss, "
         "val_accuracy"},
        {"recipe: r.yaml\nset: {data.set: nowhere}\nmethod: grid\nspace: {train.seed: [1]}\n",
         "--set data.set=nowhere: unknown data set 'nowhere'"},
        {"recipe: r.yaml\nmethod: hyperband\nbudget: {epochs: 5}\nspace: {train.seed: [1, 2]}\n",
         "s.yaml: the budget does not hold the first bracket of hyperband"},
        {"recipe: r.yaml\nset: {train.epochs: 3}\nmethod: grid\ntrial: {epochs: 2}\n"
         "space: {train.seed: [1]}\n",
         "s.yaml:2:7: set: train.epochs says how long trials are, and so does trial: {epochs: 2}"},
        {"recipe: r.yaml\nset: {train: {epochs: 3}}\nmethod: grid\ntrial: {epochs: 2}\n"
         "space: {train.seed: [1]}\n",
         "s.yaml:2:15: set: train.epochs says how long trials are, and so does trial: {epochs: 2}"},
        {"recipe: r.yaml\nmethod: grid\nspace: {train.epochs: [1, 2]}\n",
         "s.yaml:3:9: space: train.epochs is no parameter: the method gives each trial its epochs"},
        {"recipe: r.yaml\nmethod: grid\nspace: {long: {key: [train.seed, train.epochs], "
         "choice: [1, 2]}}\n",
         "s.yaml:3:9: space: train.epochs is no parameter"},
        {"recipe: r.yaml\nmethod: grid\nspace: {train.seed: {float: [1, 2]}}\n",
         "s.yaml: train.seed: a grid needs a step"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_search(f, cases[i][0]);
        const program_result *r = program_run(f, "$FATHOM tune $HERE/s.yaml --out $HERE/s -q");
        if (r->code == 0 || !strstr(r->err, cases[i][1])) fail_msg("%s\n%s", cases[i][0], r->err);
    }
    write_search(f, "recipe: r.yaml\nmethod: grid\nspace: {train.seed: [1]}\n");
    program_run_well(f, "$FATHOM tune $HERE/s.yaml --out $HERE/s -q");
    write_search(f, "recipe: r.yaml\nmethod: grid\nspace: {train.seed: [1, 2]}\n");
    const program_result *r = program_run(f, "$FATHOM tune $HERE/s.yaml --out $HERE/s -q");
    assert_int_equal(r->code, 3);
    assert_non_null(strstr(r->err,
                           "this search was begun with another space; choose another folder "
                           "with --out, or --restart"));
    program_run_well(f, "$FATHOM tune $HERE/s.yaml --out $HERE/s -q --restart");
    assert_int_equal(program_run(f, "$FATHOM trial-worker </dev/null")->code, 2);
}

/* The line that it ends with can be pasted; names that its trials could not be told are refused. */
static void odd_names_are_handed_on(void **state)
{
    fixture *f = *state;
    write_search(f, "recipe: r.yaml\nmethod: grid\ntrial: {epochs: 1}\n"
                    "space: {train.seed: [1]}\n");
    const program_result *r =
        program_run_well(f, "cd $HERE && mkdir \"it's data\" && "
                            "$FATHOM tune s.yaml -q --out 'my search' --data \"it's data\"");
    assert_non_null(strstr(r->out, "fathom train 'my search/best.yaml' --data 'it'\\''s data'\n"));
    static const char *const names[] = {"--out s\xe9", "--data s\xe9 --out s"};
    for (int i = 0; i < 2; i++) {
        char line[256];
        snprintf(line, sizeof line, "cd $HERE && timeout 20 $FATHOM tune s.yaml -q %s", names[i]);
        r = program_run(f, line);
        assert_int_equal(r->code, 3);
        assert_non_null(strstr(r->err, "a search needs names in UTF-8; rename it"));
    }
}

/* The last line, pasted, finds data that lie beside the first recipe. */
static void the_best_recipe_finds_its_data(void **state)
{
    fixture *f = *state;
    static const char beside[] = "data: {set: csv, file: d.csv}\nmodel: [{dense: 2}]\n"
                                 "loss: sparse_categorical_crossentropy\noptimizer: sgd\n"
                                 "metrics: [{auc: {name: \"right, of 1\"}}]\n"
                                 "train: {epochs: 1}\n";
    static const char table[] = "x,label\n0.5,a\n1.5,b\n0.25,a\n2.5,b\n";
    static const char search[] = "recipe: r.yaml\nmethod: grid\nspace: {train.seed: [1]}\n"
                                 "objective: {monitor: 'right, of 1', mode: max}\n";
    fixture_file(f, "r.yaml", beside, strlen(beside));
    fixture_file(f, "d.csv", table, strlen(table));
    fixture_file(f, "s.yaml", search, strlen(search));
    program_run_well(f, "unset FATHOM_DATA; cd $HERE && mkdir 'my recipes' && "
                        "mv r.yaml d.csv s.yaml 'my recipes' && "
                        "$FATHOM tune 'my recipes/s.yaml' -q --out s > told && "
                        "eval \"$(sed -n 's/.*again: fathom/$FATHOM/p' told) -q --out m\"");
    const program_result *r = program_run_well(f, "head -n 1 $HERE/s/trials.csv");
    assert_non_null(strstr(r->out, "state,\"right, of 1\",epochs,"));
}

/* The command line counts above the search, the search above the recipe. */
static void the_epochs_of_trials_are_said_once(void **state)
{
    fixture *f = *state;
    static const program_case runs[] = {
        {"$FATHOM tune s.yaml --restart -q", 0, "2 trials, 4 epochs in"},
        {"$FATHOM tune s.yaml --restart -q --set train.epochs=3", 0, "2 trials, 6 epochs in"},
        {"grep epochs: s.search/best.yaml", 0, "epochs: 3,"},
        {"$FATHOM tune s.yaml --restart -q --set 'train={epochs: 5, seed: 1}'", 0,
         "2 trials, 10 epochs in"},
        {"$FATHOM tune s.yaml --restart -q --set 'train={batch_size: 20}'", 0,
         "2 trials, 4 epochs in"}, /* it says none */
    };
    write_search(f, "recipe: r.yaml\nmethod: grid\ntrial: {epochs: 2}\n"
                    "space: {model.0.dense.units: [4, 8]}\n");
    check_program(f, "cd $HERE && ", runs, sizeof runs / sizeof runs[0]);
}

static double trials_within(fixture *f, const char *budget, double *seconds)
{
    char text[1024];
    snprintf(text, sizeof text, "recipe: r.yaml\nmethod: random\nbudget: {%s}\n" SPACE, budget);
    write_search(f, text);
    json_t *end = last_event(
        program_run_well(f, "$FATHOM tune $HERE/s.yaml --json -q --out $HERE/s | tail -n 1"));
    double trials = number_at(end, "trials", NULL);
    *seconds = number_at(end, "seconds", NULL);
    json_decref(end);
    return trials;
}

/* Whatever it has by then is the result; gone on with, the time before counts. More trials than a
 * program_result has room for may come to an end. */
static void time_ends_a_search(void **state)
{
    fixture *f = *state;
    char budget[64];
    double seconds;
    assert_true(trials_within(f, "trials: 2", &seconds) == 2);
    snprintf(budget, sizeof budget, "seconds: %.3f", seconds + 0.3);
    double trials = trials_within(f, budget, &seconds);
    assert_true(trials >= 2);
    assert_true(trials_within(f, "seconds: 0.001", &seconds) == trials);
}

/* A larger budget goes on where the smaller one ended. */
static void a_search_can_be_extended(void **state)
{
    fixture *f = *state;
    char before[TABLE];
    write_search(f, "recipe: r.yaml\nmethod: random\nbudget: {trials: 3}\n" SPACE);
    program_run_well(f, "$FATHOM tune $HERE/s.yaml --out $HERE/s -q");
    copy_table(f, "s", before);
    write_search(f, "recipe: r.yaml\nmethod: random\nbudget: {trials: 5}\n" SPACE);
    const program_result *r = program_run_well(f, "$FATHOM tune $HERE/s.yaml --out $HERE/s");
    assert_non_null(strstr(r->err, "going on: 3 results are there already"));
    assert_non_null(strstr(r->out, "5 trials, 20 epochs"));
    const char *after = read_table(f, "s");
    assert_ptr_equal(strstr(after, before), after);
}

/* ---- folds ----------------------------------------------------------------------------------- */

static void folds_are_told_with_mean_and_deviation(void **state)
{
    fixture *f = *state;
    write_search(f,
                 "recipe: r.yaml\nobjective: {monitor: val_accuracy, epoch: last}\nmethod: grid\n"
                 "trial: {folds: 4}\nspace: {optimizer.adam.learning_rate: [0.01]}\n");
    const program_result *r = program_run_well(
        f, "$FATHOM train $HERE/r.yaml --folds 4 --json -q --out $HERE/m.safetensors "
           "--set optimizer.adam.learning_rate=0.01");
    double values[4], sum = 0, squares = 0;
    int folds = 0;
    for (const char *line = r->out; *line;) {
        size_t size = strcspn(line, "\n");
        json_t *event = json_loadb(line, size, 0, NULL);
        if (strcmp(json_string_value(json_object_get(event, "event")), "fold") == 0) {
            values[folds] = number_at(event, "validation", "accuracy");
            sum += values[folds++];
        }
        json_decref(event);
        line += size + (line[size] == '\n');
    }
    assert_int_equal(folds, 4);
    for (int i = 0; i < 4; i++) squares += pow(values[i] - sum / 4, 2);
    json_t *end = last_event(r);
    assert_near(number_at(end, "mean", "val_accuracy"), sum / 4, 1e-9);
    assert_near(number_at(end, "deviation", "val_accuracy"), sqrt(squares / 3), 1e-9);
    assert_true(number_at(end, "mean", "test_accuracy") > 0);
    json_decref(end);
    program_run_well(f, "test -s $HERE/m.fold1.safetensors && test -s $HERE/m.fold4.safetensors");

    end = last_event(program_run_well(f, "$FATHOM tune $HERE/s.yaml --out $HERE/s --json -q"));
    assert_near(number_at(end, "value", NULL), sum / 4, 1e-9);
    json_decref(end);

    r = program_run_well(f, "$FATHOM train $HERE/r.yaml --folds 3 -q");
    assert_non_null(strstr(r->out, "fold 3/3  val_loss "));
    assert_non_null(strstr(r->out, " +- "));
    assert_non_null(strstr(r->out, "mean and deviation of 3 folds"));
    r = program_run(f, "$FATHOM train $HERE/r.yaml --folds 1");
    assert_int_equal(r->code, 2);
    r = program_run(f, "$FATHOM train $HERE/r.yaml --folds 400");
    assert_int_equal(r->code, 3);
    assert_non_null(strstr(r->err, "300 samples; 2 to that many folds"));
    r = program_run(f, "$FATHOM train $HERE/r.yaml --folds 3 --resume $HERE/m.fold1.safetensors");
    assert_int_equal(r->code, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_table_is_the_same_for_any_number_of_jobs),
        fixture_test(a_killed_search_ends_with_the_same_table),
        fixture_test(an_interrupt_keeps_everything),
        fixture_test(the_best_recipe_is_ready_to_train),
        fixture_test(a_trial_that_fails_is_recorded),
        fixture_test(a_worker_that_dies_is_replaced),
        fixture_test(complaints_have_their_place),
        fixture_test(odd_names_are_handed_on),
        fixture_test(the_best_recipe_finds_its_data),
        fixture_test(the_epochs_of_trials_are_said_once),
        fixture_test(time_ends_a_search),
        fixture_test(a_search_can_be_extended),
        fixture_test(folds_are_told_with_mean_and_deviation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
