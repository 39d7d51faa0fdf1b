/* Private training and the accountant through the built program. */
#include "support/program_events.h"

static void the_accountant_answers(void **state)
{
    fixture *f = *state;
    static const program_case runs[] = {
        {"$FATHOM privacy --samples 60000 --batch-size 256 --steps 14040 --noise-multiplier 1.12",
         0, "epsilon           2.51"},
        {"$FATHOM privacy -n 25 -b 1 -e 90 --epsilon 7.32911117143", 0, "noise_multiplier  1.5\n"},
        {"$FATHOM privacy --samples 100 --epochs 1 --noise-multiplier 0", 0,
         "epsilon           inf"},
        {"$FATHOM privacy --epochs 1 --epsilon 3", 2, "how many examples are there?"},
        {"$FATHOM privacy -n 10 --epsilon 3", 2, "how long? --epochs N, or --steps N"},
        {"$FATHOM privacy -n 10 -e 3", 2, "one of them"},
        {"$FATHOM privacy -n 10 -e 3 --epsilon 3 --noise-multiplier 1", 2, "one of them"},
        {"$FATHOM privacy -n 10 -e 3 --epsilon 3", 2, "less than the batch of 32: --batch-size N"},
        {"$FATHOM privacy -n 10 -b 11 -e 3 --epsilon 3", 2, "--batch-size is more than --samples"},
        {"$FATHOM privacy -n 10 -b 5 -e 3 --steps 8 --epsilon 3", 2, "both tell how long"},
        {"$FATHOM privacy recipe.yaml", 2, "'recipe.yaml' is one word too many"},
    };
    check_program(f, "", runs, sizeof runs / sizeof runs[0]);
    json_t *answer = last_event(program_run(
        f, "$FATHOM privacy -n 25 -b 1 -e 90 --noise-multiplier 1.5 --delta 1e-5 --json"));
    assert_near(number_at(answer, "epsilon", NULL), 7.32911117143, 1e-8); /* Opacus's own test */
    assert_int_equal(number_at(answer, "steps", NULL), 2250);
    assert_near(number_at(answer, "sample_rate", NULL), 0.04, 1e-12);
    json_decref(answer);
}

#define SPIRALS                                                                                    \
    "recipes/spirals.yaml --set data.train_size=300 --set data.test_size=90 --batch-size 30 "      \
    "--set 'train.privacy={noise_multiplier: 1.5, noise_seed: 4}' "

/* (30 of 300, 1.5, 10 steps an epoch) at 1e-5, as the accountant alone tells it. */
static double epsilon_after(fixture *f, int steps)
{
    char line[128];
    snprintf(line, sizeof line,
             "$FATHOM privacy -n 300 -b 30 --steps %d --noise-multiplier 1.5 --json", steps);
    json_t *answer = last_event(program_run(f, line));
    double epsilon = number_at(answer, "epsilon", NULL);
    json_decref(answer);
    return epsilon;
}

static void training_tells_what_it_spends(void **state)
{
    fixture *f = *state;
    json_t *end =
        last_event(program_run(f, "$FATHOM train " SPIRALS "--epochs 3 --json --quiet "
                                  "--set train.csv=$HERE/h.csv --out $HERE/m.safetensors"));
    double whole = number_at(end, "epsilon", NULL), loss = number_at(end, "test", "loss");
    assert_near(whole, epsilon_after(f, 30), 1e-8);
    assert_near(number_at(end, "delta", NULL), 1e-5, 1e-12);
    json_decref(end);
    static const program_case runs[] = {
        {"head -1 $HERE/h.csv", 0, "learning_rate,seconds,epsilon"},
        {"$FATHOM train " SPIRALS "--epochs 1 --quiet --out $HERE/r.safetensors", 0,
         "at delta 1e-05"},
        {"$FATHOM eval $HERE/m.safetensors", 0, "accuracy"},
        {"$FATHOM show $HERE/m.safetensors", 0, "dense"},
        {"$FATHOM check " SPIRALS, 0, "nothing stands in the way"},
        {"$FATHOM show recipe", 0, "train.privacy"},
    };
    check_program(f, "", runs, sizeof runs / sizeof runs[0]);
    end = last_event(program_run(f, "$FATHOM train --resume $HERE/r.safetensors --set "
                                    "train.epochs=3 --json --quiet"));
    assert_true(number_at(end, "epsilon", NULL) == whole);
    assert_true(number_at(end, "test", "loss") == loss);
    json_decref(end);
}

static void no_noise_is_no_privacy(void **state)
{
    const program_result *r =
        program_run_well(*state, "$FATHOM privacy --samples 100 --epochs 3 --noise-multiplier 0");
    assert_non_null(strstr(r->out, "epsilon           inf at delta 1e-05\n"));
    assert_null(strstr(r->out, "nan"));
}

static void contradictions_are_told(void **state)
{
    static const program_case runs[] = {
        {"$FATHOM train recipes/spirals.yaml --set 'train.privacy={noise: 1}'", 3,
         "privacy: unknown key 'noise'; known are: max_grad_norm, noise_multiplier"},
        {"$FATHOM train recipes/spirals.yaml --set 'train.privacy={target_epsilon: 3, "
         "noise_multiplier: 1}'",
         3, "give noise_multiplier or target_epsilon, not both"},
        {"$FATHOM train " SPIRALS "--gradients", 3, "gradients_every would tell gradients"},
        {"$FATHOM train recipes/cifar10-resnet20.yaml --set data.set=strokes --set "
         "train.privacy={} "
         "--set 'data={set: strokes, augment: [{mixup: 0.2}]}' --set "
         "loss=categorical_crossentropy",
         3, "privacy: mixup and cutmix make one sample of two examples"},
        {"$FATHOM train recipes/strokes-mlp.yaml --set train.privacy={} --set "
         "model.2=batch_normalization",
         3, "is a statistic of the batch"},
    };
    check_program(*state, "", runs, sizeof runs / sizeof runs[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_accountant_answers),
        fixture_test(training_tells_what_it_spends),
        fixture_test(no_noise_is_no_privacy),
        fixture_test(contradictions_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
