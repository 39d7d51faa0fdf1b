/* Searches in YAML: what is read, what is set, mistakes with their places. */
#include "support/fixture.h"

#include "train/tune/file/search_file.h"

static const char good[] =
    "recipe: digits.yaml\n"
    "set: {train.batch_size: 128, data.augment: [flip, {crop: 3}]}\n"
    "objective: {monitor: val_accuracy, mode: max, epoch: last}\n"
    "method: {hyperband: {eta: 4, min_epochs: 2}}\n"
    "trial: {epochs: 32, folds: 3}\n"
    "budget: {trials: 100, epochs: 700, seconds: 60}\n"
    "seed: 7\n"
    "space:\n"
    "  width: {key: [model.1.dense.units, model.2.dense.units],\n"
    "          integer: [16, 512], scale: log}\n"
    "  rate: {key: model.3.dropout, float: [0, 0.6], step: 0.2}\n"
    "  optimizer: [adam, {sgd: {momentum: 0.9}}, \"odd, name\"]\n"
    "  optimizer.adam.learning_rate:\n"
    "    {float: [1e-4, 1e-1], scale: log, points: 4, when: {optimizer: adam}}\n"
    "  optimizer.sgd.nesterov:\n"
    "    {choice: [true, false], when: {optimizer: [sgd]}}\n";

static fm_search_file *parse(fixture *f, const char *text)
{
    fm_search_file *file;
    assert_ok(f->context, fm_search_parse(f->context, "s.yaml", text, strlen(text), &file));
    return file;
}

static void everything_is_read(void **state)
{
    fixture *f = *state;
    fm_search_file *file = parse(f, good);
    const fm_search_settings *s = fm_search_file_about(file);
    assert_string_equal(s->recipe, "digits.yaml");
    assert_int_equal(s->set_count, 2);
    assert_string_equal(s->set[1], "data.augment=[flip, {crop: 3}]");
    assert_string_equal(s->monitor, "val_accuracy");
    assert_int_equal(s->mode, 2);
    assert_true(s->last);
    assert_int_equal(s->options.method, FM_HYPERBAND);
    assert_int_equal(s->options.eta, 4);
    assert_int_equal(s->options.min_epochs, 2);
    assert_int_equal(s->options.epochs_each, 32);
    assert_int_equal(s->options.trials, 100);
    assert_int_equal(s->options.epochs, 700);
    assert_int_equal(s->options.seed, 7);
    assert_int_equal(s->folds, 3);
    assert_true(s->seconds == 60);
    const fm_parameter *p = s->space.parameters;
    assert_int_equal(s->space.count, 5);
    assert_true(p[0].kind == FM_PARAMETER_INTEGER && p[0].log && p[0].low == 16 &&
                p[0].high == 512);
    assert_true(p[1].kind == FM_PARAMETER_FLOAT && p[1].step == 0.2 && !p[1].log);
    assert_int_equal(p[2].choice_count, 3);
    assert_string_equal(p[2].choices[1], "{sgd: {momentum: 0.9}}");
    assert_string_equal(p[2].choices[2], "\"odd, name\"");
    assert_int_equal(p[3].points, 4);
    assert_true(p[3].when_count == 1 && p[3].when[0].parameter == 2 && p[3].when[0].choices == 1);
    assert_true(p[4].when[0].choices == 2);
    assert_string_equal(fm_search_section(file, "trial"), "{epochs: 32, folds: 3}");
    assert_string_equal(fm_search_section(file, "none"), "");
    fm_search_close(file);
}

static void values_become_assignments(void **state)
{
    fixture *f = *state;
    fm_search_file *file = parse(f, good);
    static const double values[] = {64, 0.2, 1, NAN, 0};
    static const char *const expected[] = {
        "train.batch_size=128",       "data.augment=[flip, {crop: 3}]",
        "model.1.dense.units=64",     "model.2.dense.units=64",
        "model.3.dropout=0.2",        "optimizer={sgd: {momentum: 0.9}}",
        "optimizer.sgd.nesterov=true"};
    enum { EXPECTED = sizeof expected / sizeof expected[0] };
    const char *const *set;
    int count;
    for (int round = 0; round < 2; round++) {
        assert_ok(f->context, fm_search_assign(file, values, &set, &count));
        assert_int_equal(count, EXPECTED);
        for (int i = 0; i < EXPECTED; i++) assert_string_equal(set[i], expected[i]);
    }
    fm_search_close(file);
}

static void a_path_begins_at_the_file(void **state)
{
    fixture *f = *state;
    static const char text[] = "recipe: r.yaml\nmethod: grid\nspace: {a: [1, 2]}\n";
    const char *path = fixture_file(f, "s.yaml", text, strlen(text));
    fm_search_file *file;
    assert_ok(f->context, fm_search_open(f->context, path, &file));
    assert_string_equal(fm_search_file_about(file)->recipe, fixture_path(f, "r.yaml"));
    assert_int_equal(fm_search_file_about(file)->options.method, FM_GRID_SEARCH);
    fm_search_close(file);
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "none.yaml: cannot open",
                 fm_search_open(f->context, fixture_path(f, "none.yaml"), &file));
}

typedef struct mistake {
    const char *text, *words;
} mistake;

#define HEAD  "recipe: r.yaml\nmethod: grid\n"
#define SPACE HEAD "space:\n  o: [adam, sgd]\n  n: {integer: [1, 9]}\n  "

static void each_mistake_has_its_place(void **state)
{
    static const mistake table[] = {
        {"[1]", "s.yaml:1:1: search: its options must be a map"},
        {"method: grid\nspace: {a: [1]}\n", "s.yaml: the section 'recipe' is missing"},
        {HEAD, "s.yaml: the section 'space' is missing; a search needs recipe, method and space"},
        {"data: {set: moons}\nmodel: [dense: 2]\n",
         "s.yaml:2:1: a recipe has a model, a search has none: this file is for 'fathom train'"},
        {HEAD "spase: {a: [1]}\n",
         "s.yaml:3:1: search: unknown key 'spase'; did you mean 'space'?"},
        {"recipe: [r]\nmethod: grid\nspace: {a: [1]}\n",
         "s.yaml:1:9: recipe: the path of a recipe"},
        {"recipe: r\nset: 3\nmethod: grid\nspace: {a: [1]}\n",
         "s.yaml:2:6: set: keys of the recipe"},
        {"recipe: r\nmethod: hyprband\nspace: {a: [1]}\n",
         "s.yaml:2:9: unknown search method 'hyprband'; did you mean 'hyperband'?"},
        {"recipe: r\nmethod: annealing\nspace: {a: [1]}\n",
         "known are: grid, random, successive_halving, hyperband, tpe"},
        {"recipe: r\nmethod: {tpe: {eta: 3}}\nspace: {a: [1]}\n",
         "s.yaml:2:16: tpe: unknown key 'eta'; known are: startup, gamma, candidates, delay"},
        {"recipe: r\nmethod: random\nspace: {a: [1]}\n",
         "s.yaml:2:1: random search has no end of its own; say when it is enough: budget"},
        {HEAD "objective: {epoch: first}\nspace: {a: [1]}\n",
         "s.yaml:3:20: objective: unknown epoch 'first'"},
        {HEAD "trial: {folds: 1}\nspace: {a: [1]}\n",
         "s.yaml:3:16: trial: folds must lie between 2 and 1000"},
        {HEAD "budget: {epochs: none}\nspace: {a: [1]}\n", "s.yaml:3:18: budget: epochs"},
        {HEAD "space: {}\n", "s.yaml:3:8: space: keys of the recipe are wanted"},
        {HEAD "space: {a: 3}\n",
         "s.yaml:3:12: a: a list of choices is wanted, or {float: [1e-4, 0.1], scale: log}; what "
         "does not vary belongs into the section set"},
        {HEAD "space: {a: []}\n", "s.yaml:3:12: a: a list of choices is wanted"},
        {SPACE "x: {scale: log}\n", "s.yaml:6:3: x: says neither choice: [...] nor integer:"},
        {SPACE "x: {float: [0, 1], integer: [0, 1]}\n",
         "s.yaml:6:3: x: one of 'integer' and 'float' is possible, not both"},
        {SPACE "x: {float: [0, 1], stp: 0.1}\n",
         "s.yaml:6:22: x: unknown key 'stp'; did you mean 'step'?"},
        {SPACE "x: {choice: [0, 1], step: 1}\n", "s.yaml:6:23: x: unknown key 'step'"},
        {SPACE "x: {float: [0, 1, 2]}\n",
         "s.yaml:6:14: x: the lowest and the highest value are wanted: [1, 100]"},
        {SPACE "x: {float: [a, b]}\n", "s.yaml:6:14: x: the lowest and the highest value"},
        {SPACE "x: {float: [2, 1]}\n", "s.yaml:6:3: x: the lower bound must lie below the upper"},
        {SPACE "x: {float: [0, 1], scale: log}\n",
         "s.yaml:6:3: x: a logarithmic scale begins above"},
        {SPACE "x: {float: [0, 1], scale: lgo}\n", "s.yaml:6:29: x: unknown scale 'lgo'"},
        {SPACE "x: {float: [0, 1], when: {p: sgd}}\n",
         "s.yaml:6:29: when: no parameter 'p' stands above 'x'"},
        {SPACE "x: {float: [0, 1], when: {n: 3}}\n",
         "s.yaml:6:29: when: 'n' is a number; a parameter can depend on choices alone"},
        {SPACE "x: {float: [0, 1], when: {o: sdg}}\n",
         "s.yaml:6:32: when: 'o' has no choice 'sdg'"},
        {SPACE "x: {float: [0, 1], when: sgd}\n",
         "s.yaml:6:28: when: parameters with their choices are wanted: {optimizer: sgd}"},
        {SPACE "x: {float: [0, 1], key: {a: b}}\n",
         "s.yaml:6:31: x: a key of the recipe is wanted"},
        {SPACE "x: [1, 1]\n", "s.yaml:6:3: x: the choice '1' is there twice"},
        {HEAD "space: {a: [1}\n", "s.yaml:3:14: not YAML"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fm_search_file *file;
        fm_status status =
            fm_search_parse(f->context, "s.yaml", table[i].text, strlen(table[i].text), &file);
        if (status != FM_OK && strstr(fm_error_message(f->context), table[i].words)) continue;
        fm_search_close(file);
        fail_msg("%s\nexpected %s\nreceived %s", table[i].text, table[i].words,
                 status == FM_OK ? "success" : fm_error_message(f->context));
    }
}

static fm_status parse_good(fm_context *context, void *argument)
{
    (void)argument;
    static const double values[] = {64, 0.2, 0, 0.01, NAN};
    fm_search_file *file;
    const char *const *set;
    int count;
    fm_status status = fm_search_parse(context, "s.yaml", good, strlen(good), &file);
    if (status == FM_OK) status = fm_search_assign(file, values, &set, &count);
    if (status == FM_OK && !fm_search_section(file, "space")) status = FM_ERROR_MEMORY;
    fm_search_close(file);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    assert_true(fail_each_allocation(*state, parse_good, NULL) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(everything_is_read),        fixture_test(values_become_assignments),
        fixture_test(a_path_begins_at_the_file), fixture_test(each_mistake_has_its_place),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
