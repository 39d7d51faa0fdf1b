/* data.augment: what it says, its mistakes, and that training goes on with mixed labels. */
#include "support/fixture.h"
#include "fathom/recipe.h"

#define MODEL   "model: [flatten, {dense: 10}]\noptimizer: sgd\n"
#define SPARSE  "loss: sparse_categorical_crossentropy\n"
#define STROKES "data: {set: strokes, train_size: 64, test_size: 16, augment: "

static fm_recipe *parse(fixture *f, const char *text)
{
    fm_recipe *recipe;
    assert_ok(f->context,
              fm_recipe_parse(f->context, "r.yaml", text, strlen(text), NULL, 0, &recipe));
    return recipe;
}

static void steps_are_read(void **state)
{
    fixture *f = *state;
    fm_recipe *recipe =
        parse(f, STROKES "[horizontal_flip, {rotate: 20}, {scale: [0.5, 2]}, "
                         "{crop: {padding: 3, fill: reflect}}, cutout]}\n" SPARSE MODEL);
    const fm_recipe_settings *about = fm_recipe_about(recipe);
    assert_int_equal(about->augment_count, 5);
    assert_int_equal(about->augment[1].kind, FM_AUGMENT_ROTATE);
    assert_true(about->augment[1].range.count == 1 && about->augment[1].range.at[0] == 20);
    assert_true(about->augment[2].range.count == 2 && about->augment[2].range.at[1] == 2);
    assert_int_equal(about->augment[3].padding, 3);
    assert_int_equal(about->augment[3].fill, FM_FILL_REFLECT);
    assert_int_equal(about->augment[4].kind, FM_AUGMENT_RANDOM_ERASING);
    assert_int_equal(about->model.loss, FM_SPARSE_CATEGORICAL_CROSSENTROPY);
    fm_recipe_destroy(recipe);
}

static void mistakes_have_their_place(void **state)
{
    static const struct {
        const char *text, *words;
    } mistakes[] = {
        {STROKES "[horizontal_flop]}\n" SPARSE MODEL,
         "r.yaml:1:63: unknown augmentation 'horizontal_flop'; did you mean 'horizontal_flip'?"},
        {STROKES "[{rotate: {degree: 3}}]}\n" SPARSE MODEL,
         "r.yaml:1:73: rotate: unknown key 'degree'; did you mean 'degrees'?"},
        {STROKES "[{rotate: [3, x]}]}\n" SPARSE MODEL,
         "r.yaml:1:76: rotate: degrees must be a list of numbers"},
        {STROKES "[{rotate: [3, 1]}]}\n" SPARSE MODEL, "r.yaml:1:64: rotate: a range goes from"},
        {STROKES "[{crop: big}]}\n" SPARSE MODEL, "crop: padding must be a whole number"},
        {STROKES "[{mixup: 0.2}]}\nloss: mean_squared_error\n" MODEL,
         "the loss mean_squared_error cannot be computed from them, categorical_crossentropy can"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        fm_recipe *recipe;
        const char *text = mistakes[i].text;
        assert_fails(f->context, FM_ERROR_ARGUMENT, mistakes[i].words,
                     fm_recipe_parse(f->context, "r.yaml", text, strlen(text), NULL, 0, &recipe));
    }
}

static void open_both(fixture *f, fm_recipe *recipe, fm_recipe_data *data, fm_model **model)
{
    assert_ok(f->context, fm_recipe_open_data(recipe, NULL, NULL, data));
    assert_ok(f->context, fm_recipe_create_model(recipe, data->transform, model));
}

static void the_training_part_alone_is_varied(void **state)
{
    fixture *f = *state;
    fm_recipe *plain = parse(f, "data: {set: strokes, train_size: 64, test_size: 16, "
                                "validation_split: 0.25}\n" SPARSE MODEL);
    fm_recipe *varied = parse(f, STROKES "[{crop: 2}], validation_split: 0.25}\n" SPARSE MODEL);
    fm_recipe_data a, b;
    assert_ok(f->context, fm_recipe_open_data(plain, NULL, NULL, &a));
    assert_ok(f->context, fm_recipe_open_data(varied, NULL, NULL, &b));
    const fm_dataset *sets[3][2] = {
        {a.train, b.train}, {a.validation, b.validation}, {a.test, b.test}};
    for (int i = 0; i < 3; i++) {
        static float x[2][16 * 784];
        for (int k = 0; k < 2; k++) {
            fm_data_request some = {.count = 16, .fields = {x[k]}, .epoch = 3};
            assert_ok(f->context, fm_dataset_read(f->context, sets[i][k], &some));
        }
        assert_int_equal(memcmp(x[0], x[1], sizeof x[0]) == 0, i > 0);
    }
    fm_recipe_data_close(&a);
    fm_recipe_data_close(&b);
    fm_recipe_destroy(plain);
    fm_recipe_destroy(varied);
}

static void mixed_labels_are_trained_on(void **state)
{
    fixture *f = *state;
    fm_recipe *recipe = parse(f, STROKES "[shift, mixup, cutmix], scale: 255}\n" SPARSE MODEL
                                         "metrics: accuracy\n");
    assert_int_equal(fm_recipe_about(recipe)->model.loss, FM_CATEGORICAL_CROSSENTROPY);
    fm_recipe_data data;
    fm_model *model;
    open_both(f, recipe, &data, &model);
    assert_true(fm_shape_equal(fm_dataset_about(data.train)->fields[1].shape, FM_SHAPE(10)));
    fm_fit_options options = {.epochs = 2, .batch_size = 16, .validation = data.test, .workers = 2};
    assert_ok(f->context, fm_fit(model, data.train, &options));
    fm_scores scores;
    assert_ok(f->context, fm_evaluate(model, data.test, NULL, &scores));
    assert_true(scores.loss > 0 && scores.loss < 10);
    fm_model_destroy(model);
    fm_recipe_data_close(&data);
    fm_recipe_destroy(recipe);
}

static fm_status open_again(fm_context *context, void *text)
{
    fm_recipe *recipe;
    fm_recipe_data data;
    fm_status status = fm_recipe_parse(context, "r.yaml", text, strlen(text), NULL, 0, &recipe);
    if (status != FM_OK) return status;
    status = fm_recipe_open_data(recipe, NULL, NULL, &data);
    fm_recipe_data_close(&data);
    fm_recipe_destroy(recipe);
    return status;
}

static void memory_may_fail(void **state)
{
    assert_true(fail_each_allocation(*state, open_again,
                                     (void *)(uintptr_t)STROKES
                                     "[rotate, horizontal_flip, mixup]}\n" SPARSE MODEL) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(steps_are_read),
        fixture_test(mistakes_have_their_place),
        fixture_test(the_training_part_alone_is_varied),
        fixture_test(mixed_labels_are_trained_on),
        fixture_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
