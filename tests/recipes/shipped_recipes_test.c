/* The recipes that ship, each trained and held against what it promises. */
#include "support/program_run.h"

#include <jansson.h>

static const char *const recipes[] = {
    "mnist-mlp", "mnist-dropout", "strokes-mlp", "spirals",     "iris", "california-housing",
    "mnist-cnn", "lenet5",        "strokes-cnn", "strokes-unet",
};
enum { RECIPE_COUNT = sizeof recipes / sizeof recipes[0] };

static void each_begins_with_what_it_teaches(void **state)
{
    for (int i = 0; i < RECIPE_COUNT; i++) {
        char line[256];
        snprintf(line, sizeof line, "head -1 recipes/%s.yaml", recipes[i]);
        const program_result *r = program_run(*state, line);
        assert_ptr_equal(strstr(r->out, "# What it teaches: "), r->out);
    }
}

/* The test set's figure at the end of a recipe's training. */
static double test_figure(fixture *f, const char *recipe, const char *arguments, const char *metric)
{
    char line[512];
    snprintf(line, sizeof line,
             "$FATHOM train recipes/%s.yaml %s --json --quiet --out $HERE/m.safetensors | tail -1",
             recipe, arguments);
    const program_result *r = program_run(f, line);
    json_t *end = json_loads(r->out, 0, NULL);
    const json_t *value = json_object_get(json_object_get(end, "test"), metric);
    if (!json_is_number(value)) fail_msg("%s: %s%s", recipe, r->out, r->err);
    double figure = json_number_value(value);
    json_decref(end);
    return figure;
}

static void check_at_least(const char *recipe, double figure, double wanted)
{
    if (figure < wanted) fail_msg("%s: %.4f, promised %.4f", recipe, figure, wanted);
}

static void built_in_sets_are_learned(void **state)
{
    check_at_least("spirals", test_figure(*state, "spirals", "", "accuracy"), 0.98);
    check_at_least(
        "strokes-mlp",
        test_figure(*state, "strokes-mlp", "--epochs 3 --set data.train_size=5000", "accuracy"),
        0.85);
}

/* Shorter than shipped, so with lower figures. */
static void drawn_images_are_learned(void **state)
{
    check_at_least("strokes-cnn",
                   test_figure(*state, "strokes-cnn",
                               "--epochs 2 --set data.train_size=3000 --set data.test_size=500 "
                               "--set optimizer.adam.schedule.cosine.decay_steps=2",
                               "accuracy"),
                   0.9);
    check_at_least("strokes-unet",
                   test_figure(*state, "strokes-unet",
                               "--epochs 2 --set data.train_size=1000 --set data.test_size=200",
                               "accuracy"),
                   0.85);
}

/* Figures do not depend on the build, and sanitized ones take minutes for them. */
#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

static bool absent(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return true;
    fclose(file);
    return false;
}

static void convolutions_read_digits(void **state)
{
    if (sanitized || absent("../shared/data/mnist/train-images-idx3-ubyte.gz")) skip();
    check_at_least("lenet5, one epoch",
                   test_figure(*state, "lenet5", "--data ../shared/data --epochs 1", "accuracy"),
                   0.95);
    check_at_least("mnist-cnn, half an epoch",
                   test_figure(*state, "mnist-cnn",
                               "--data ../shared/data --epochs 1 --set "
                               "data.validation_split=0.5",
                               "accuracy"),
                   0.96);
}

static void tables_are_learned(void **state)
{
    static const char folder[] = "--data ../shared/data/tabular";
    if (sanitized || absent("../shared/data/tabular/iris.csv")) skip();
    check_at_least("iris", test_figure(*state, "iris", folder, "accuracy"), 0.9);
    check_at_least("california-housing", test_figure(*state, "california-housing", folder, "r2"),
                   0.75);
}

static void digits_are_learned(void **state)
{
    if (sanitized || absent("../shared/data/mnist/train-images-idx3-ubyte.gz")) skip();
    double accuracy = test_figure(*state, "mnist-dropout",
                                  "--data ../shared/data --epochs 1 --batch-size 256", "accuracy");
    check_at_least("mnist-dropout, one epoch", accuracy, 0.88);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(each_begins_with_what_it_teaches),
        fixture_test(built_in_sets_are_learned),
        fixture_test(drawn_images_are_learned),
        fixture_test(tables_are_learned),
        fixture_test(convolutions_read_digits),
        fixture_test(digits_are_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
