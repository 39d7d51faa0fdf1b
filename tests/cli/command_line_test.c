/* The command line: help, complaints with suggestions, exit codes, tables, all of it through the
 * built program. */
#include "support/program_run.h"

#include <jansson.h>

static void help_begins_with_examples(void **state)
{
    static const program_case runs[] = {
        {"$FATHOM", 0, "Examples\n  fathom train recipes/strokes-mlp.yaml\n"},
        {"$FATHOM --help", 0, "Commands\n"},
        {"$FATHOM -h", 0, "Commands\n"},
        {"$FATHOM help", 0, "Commands\n"},
        {"$FATHOM --version", 0, "fathom 0."},
        {"$FATHOM train --help", 0, "Examples\n  fathom train recipes/strokes-mlp.yaml\n"},
        {"$FATHOM help train", 0, "--batch-size N"},
        {"$FATHOM predict x -h", 0, "--top K"},
        {"$FATHOM help eval", 0, "--data DIR"},
        {"$FATHOM help show", 0, "--why"},
        {"$FATHOM help exit-codes", 0, "  130  interrupted"},
        {"$FATHOM help --man", 0, ".TH FATHOM 1"},
    };
    check_program(*state, "", runs, sizeof runs / sizeof runs[0]);
}

static void the_manual_page_is_up_to_date(void **state)
{
    const program_result *r = program_run(*state, "$FATHOM help --man | cmp - docs/fathom.1");
    if (r->code != 0) fail_msg("docs/fathom.1: write it anew with 'fathom help --man': %s", r->err);
}

static void complaints_suggest(void **state)
{
    static const program_case runs[] = {
        {"$FATHOM trian x", 2, "unknown command 'trian'; did you mean 'train'?"},
        {"$FATHOM x.yaml", 2,
         "unknown command 'x.yaml'; to train this recipe: fathom train x.yaml"},
        {"$FATHOM frobnicate", 2,
         "commands are: train tune eval predict explain embed report generate privacy check show "
         "help"},
        {"$FATHOM --json", 2, "a command comes first; '--json' is an option"},
        {"$FATHOM train", 2, "a recipe is needed"},
        {"$FATHOM train a b", 2, "'b' is one word too many"},
        {"$FATHOM train a --epoch 3", 2, "unknown option '--epoch'; did you mean '--epochs'?"},
        {"$FATHOM train a --epochs", 2, "--epochs needs a value: --epochs N"},
        {"$FATHOM train a --epochs many", 2,
         "--epochs takes a whole number, at least 1; received 'many'"},
        {"$FATHOM train a --epochs=0", 2,
         "--epochs takes a whole number, at least 1; received '0'"},
        {"$FATHOM train a --json=yes", 2, "--json takes no value"},
        {"$FATHOM train a -z", 2, "unknown option '-z'"},
        {"$FATHOM eval a --epochs 3", 2, "--epochs is an option of 'fathom train'"},
        {"$FATHOM show layers dens", 2, "did you mean 'dense'?"},
        {"$FATHOM show layers --samples s.png", 2,
         "--samples is for a recipe or a model, 'layers' is"},
        {"$FATHOM show recipes/spirals.yaml --plan --json", 2,
         "--plan prints text, for which there is no --json"},
        {"$FATHOM train recipes/spirals.yaml --folds 3 --tensorboard $HERE/tb", 2,
         "--tensorboard tells of one training, --folds makes several"},
        {"$FATHOM train recipes/spirals.yaml --folds 3 -g", 2, "--gradients tells of one"},
        {"$FATHOM show layers dense x", 2, "'x' is one word too many"},
        {"$FATHOM help trains", 2, "no help about 'trains'"},
    };
    check_program(*state, "", runs, sizeof runs / sizeof runs[0]);
}

static void exit_codes_tell_what_kind(void **state)
{
    fixture *f = *state;
    fixture_file(f, "bad.yaml", "a: [1", 5);
    static const char unknown[] = "modle: 3\n";
    fixture_file(f, "unknown.yaml", unknown, strlen(unknown));
    fixture_file(f, "bad.safetensors", "abcdefghijk", 11);
    static const program_case runs[] = {
        {"$FATHOM train $HERE/none.yaml", 5, "none.yaml: cannot open"},
        {"$FATHOM train $HERE/bad.yaml", 4, "bad.yaml:2:1: not YAML"},
        {"$FATHOM train $HERE/unknown.yaml", 3, "unknown key 'modle'; did you mean 'model'?"},
        {"$FATHOM train recipes/spirals.yaml --set train.epochs=x", 3,
         "--set train.epochs=x: train:"},
        {"$FATHOM train recipes/iris.yaml --out $HERE/m.safetensors", 5, "it can be had from"},
        {"$FATHOM train recipes/spirals.yaml --out $HERE/none/m.safetensors", 5,
         "none/m.safetensors"},
        {"$FATHOM train $HERE/m.safetensors", 3,
         "m.safetensors: is a saved model, a recipe was expected; to train it further: fathom "
         "train "
         "--resume "},
        {"$FATHOM check m.safetensors", 3,
         "m.safetensors: is a saved model, a recipe was expected"},
        {"$FATHOM eval recipes/iris.yaml", 3,
         "is a recipe; train it first: fathom train recipes/iris.yaml"},
        {"$FATHOM eval $HERE/bad.safetensors", 4, "bad.safetensors"},
        {"$FATHOM eval $HERE/none.safetensors", 5, "none.safetensors"},
        {"$FATHOM show layers >/dev/full", 6, "stdout cannot be written"},
        {"$FATHOM show layers --json >/dev/full", 6, "stdout cannot be written"},
        {"$FATHOM show nosuch", 5, "no such file, nor a table"},
        {"$FATHOM show layer", 5, "did you mean the table 'layers'?"},
    };
    check_program(f, "", runs, sizeof runs / sizeof runs[0]);
}

static void a_model_may_have_any_name(void **state)
{
    program_run_well(*state, "$FATHOM train recipes/spirals.yaml -q --epochs 1 -o $HERE/spirals");
    static const program_case runs[] = {
        {"$FATHOM show $HERE/spirals", 0, "parameters"},
        {"$FATHOM show $HERE/spirals --json", 0, "\"event\":\"show\""},
        {"$FATHOM eval $HERE/spirals", 0, "accuracy"},
        {"$FATHOM predict $HERE/spirals", 2, "what shall it look at?"},
        {"$FATHOM predict $HERE/spirals --plot p.png", 2, "what shall it look at?"},
        {"$FATHOM predict $HERE/none", 5, "none: cannot open"},
        {"$FATHOM train $HERE/spirals", 3, "spirals: is a saved model, a recipe was expected"},
        {"$FATHOM train $HERE/spirals --resume $HERE/spirals --epochs 2", 3,
         "spirals: is a saved model, a recipe was expected"},
    };
    check_program(*state, "", runs, sizeof runs / sizeof runs[0]);
}

static void errors_are_events_too(void **state)
{
    const program_result *r = program_run(*state, "$FATHOM train $HERE/none.yaml --json");
    json_t *event = json_loads(r->out, 0, NULL);
    assert_non_null(event);
    assert_string_equal(json_string_value(json_object_get(event, "event")), "error");
    assert_string_equal(json_string_value(json_object_get(event, "status")), "not found");
    assert_int_equal(json_integer_value(json_object_get(event, "exit_code")), 5);
    json_decref(event);
}

static const char *const tables[] = {
    "layers",   "activations",   "losses", "optimizers", "schedules", "metrics",  "initializers",
    "datasets", "augmentations", "recipe", "ops",        "zoo",       "searches",
};

static void tables_are_listed(void **state)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char line[128];
        snprintf(line, sizeof line, "$FATHOM show %s", tables[i]);
        const program_result *r = program_run(*state, line);
        assert_int_equal(r->code, 0);
        assert_true(strlen(r->out) > 100);
        assert_null(strstr(r->out, "(null)"));
        snprintf(line, sizeof line, "$FATHOM show %s --json", tables[i]);
        r = program_run(*state, line);
        json_error_t error;
        json_t *object = json_loads(r->out, 0, &error);
        if (!object) fail_msg("%s: %s", line, error.text);
        const json_t *rows = json_object_get(object, tables[i]);
        assert_true(json_array_size(rows) > 2);
        for (size_t j = 0; j < json_array_size(rows); j++) {
            const json_t *row = json_array_get(rows, j);
            assert_non_null(json_string_value(json_object_get(row, "name")));
            assert_non_null(json_string_value(json_object_get(row, "doc")));
        }
        json_decref(object);
    }
}

static void choices_tell_their_default(void **state)
{
    static const program_case runs[] = {
        {"$FATHOM show layers dense | tr -s ' \\n' ' '", 0, "hard_swish, softmax, log_softmax"},
        {"$FATHOM show layers dense | tr -s ' \\n' ' '", 0, "hard_silu; default linear)"},
        {"$FATHOM show layers lstm | tr -s ' \\n' ' '", 0, "(one of tanh, relu, relu6"},
        {"$FATHOM show layers lstm | tr -s ' \\n' ' '", 0, "gelu_tanh, sigmoid, silu, mish"},
        {"$FATHOM show datasets csv | tr -s ' \\n' ' '", 0, "(one of auto, yes, no; default auto)"},
    };
    check_program(*state, "", runs, sizeof runs / sizeof runs[0]);
}

static void one_is_no_plural(void **state)
{
    static const program_case runs[] = {
        {"cd $HERE; printf 'data: {set: spirals, train_size: 1}\\nmodel: [dense: 2]\\noptimizer: "
         "sgd\\n"
         "loss: sparse_categorical_crossentropy\\n' > r.yaml; $FATHOM train r.yaml 2>&1",
         0, "1 sample, 500 to test"},
        {"$FATHOM check $HERE/r.yaml | tr -s ' \\n' ' '", 0, "a step of 1 sample takes"},
        {"$FATHOM check $HERE/r.yaml | tr -s ' \\n' ' '", 0, "an epoch of 1 step "},
    };
    check_program(*state, "", runs, sizeof runs / sizeof runs[0]);
}

static void lines_fit_the_width(void **state)
{
    const program_result *r = program_run(*state, "COLUMNS=70 $FATHOM help train");
    for (const char *line = r->out; *line; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, "  fathom ", 9) == 0 || strncmp(line, "      ", 6) == 0) continue;
        assert_true(strcspn(line, "\n") <= 70);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(help_begins_with_examples), fixture_test(the_manual_page_is_up_to_date),
        fixture_test(complaints_suggest),        fixture_test(exit_codes_tell_what_kind),
        fixture_test(errors_are_events_too),     fixture_test(tables_are_listed),
        fixture_test(lines_fit_the_width),       fixture_test(choices_tell_their_default),
        fixture_test(one_is_no_plural),          fixture_test(a_model_may_have_any_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
