/* Recipes: what is read, and a table of wrong ones with the sentence that each one yields. */
#include "support/fixture.h"
#include "fathom/built_in_data.h"
#include "fathom/model_file.h"
#include "fathom/recipe.h"
#include "fathom/nn.h"

static const char good[] = "data: {set: spirals, classes: 3, validation_split: 0.25, scale: 2}\n"
                           "model:\n"
                           "  - dense: {units: 8, activation: tanh, name: a}\n"
                           "  - dense: 8\n"
                           "  - add: {inputs: [a, previous]}\n"
                           "  - dropout: 0.5\n"
                           "  - dense: {units: 3}\n"
                           "loss: {sparse_categorical_crossentropy: {label_smoothing: 0.1, "
                           "class_weights: [1, 2, 0.5]}}\n"
                           "optimizer: {adam: {learning_rate: 0.01, schedule: {cosine: "
                           "{decay_steps: 100}}}}\n"
                           "metrics: [accuracy, {top_k_accuracy: {k: 2}}]\n"
                           "train: {batch_size: 16, epochs: 4, seed: 9, checkpoint_every: 50,\n"
                           "        early_stopping: {patience: 3, restore_best: true}}\n";

static fm_recipe *parse(fixture *f, const char *text, const char *const *set, int count)
{
    fm_recipe *recipe;
    assert_ok(f->context,
              fm_recipe_parse(f->context, "r.yaml", text, strlen(text), set, count, &recipe));
    return recipe;
}

static void everything_is_read(void **state)
{
    fixture *f = *state;
    fm_recipe *recipe = parse(f, good, NULL, 0);
    const fm_recipe_settings *about = fm_recipe_about(recipe);
    assert_string_equal(about->dataset->name, "spirals");
    assert_int_equal(((const fm_points_options *)about->dataset_options)->classes, 3);
    assert_near(about->transform.scale, 2, 0);
    assert_near(about->validation_split.fraction, 0.25, 0);
    assert_near(about->test_split.fraction, 0, 0);
    assert_int_equal(about->model.loss, FM_SPARSE_CATEGORICAL_CROSSENTROPY);
    assert_near(about->model.loss_options.label_smoothing, 0.1, 0);
    assert_int_equal(about->model.loss_options.class_count, 3);
    assert_near(about->model.loss_options.class_weights[2], 0.5, 0);
    assert_int_equal(about->model.optimizer.rule, FM_ADAM);
    assert_near(about->model.optimizer.learning_rate, 0.01, 0);
    assert_int_equal(about->model.schedule.kind, FM_SCHEDULE_COSINE);
    assert_near(about->model.schedule.decay_steps, 100, 0);
    assert_int_equal(about->model.metric_count, 2);
    assert_int_equal(about->model.metrics[0].metric, FM_ACCURACY);
    assert_int_equal(about->model.metrics[1].metric, FM_TOP_K_ACCURACY);
    assert_int_equal(about->model.metrics[1].k, 2);
    assert_int_equal(about->model.seed, 9);
    assert_int_equal(about->fit.epochs, 4);
    assert_int_equal(about->fit.batch_size, 16);
    assert_int_equal(about->checkpoint_every, 50);
    assert_int_equal(about->fit.early_stopping->patience, 3);
    assert_true(about->fit.early_stopping->restore_best);
    assert_null(about->fit.reduce_on_plateau);
    assert_string_equal(fm_recipe_text(recipe), good);
    fm_recipe_destroy(recipe);
}

static void layers_are_described(void **state)
{
    fixture *f = *state;
    fm_recipe *recipe = parse(f, good, NULL, 0);
    const fm_layer_row *rows;
    int count;
    assert_ok(f->context, fm_recipe_layers(recipe, FM_SHAPE(2), FM_F32, &rows, &count));
    static const struct {
        const char *name, *type;
        int64_t width, parameters;
    } expected[] = {
        {"a", "dense", 8, 24},        {"dense", "dense", 8, 72},   {"add", "add", 8, 0},
        {"dropout", "dropout", 8, 0}, {"dense_1", "dense", 3, 27},
    };
    assert_int_equal(count, 5);
    for (int i = 0; i < count; i++) {
        assert_string_equal(rows[i].name, expected[i].name);
        assert_string_equal(rows[i].type, expected[i].type);
        assert_int_equal(rows[i].output.rank, 1);
        assert_int_equal(rows[i].output.dims[0], expected[i].width);
        assert_int_equal(rows[i].parameters, expected[i].parameters);
    }
    assert_true(rows[0].flops >= 2 * 2 * 8 && rows[0].flops <= 2 * 2 * 8 + 4 * 8);
    fm_recipe_destroy(recipe);
}

/* A short name for the parts that a wrong line stands between. */
#define DATA  "data: {set: spirals}\n"
#define MODEL "model: [{dense: 2}]\n"
#define LOSS  "loss: sparse_categorical_crossentropy\n"
#define SGD   "optimizer: sgd\n"
#define REST  LOSS SGD

typedef struct mistake {
    const char *text, *words;
} mistake;

static const mistake mistakes[] = {
    {"", "r.yaml: the section 'loss' is missing; a recipe needs data, model, loss and optimizer"},
    {"[1, 2]", "r.yaml:1:1: recipe: its options must be a map, like {key: value}"},
    {DATA MODEL REST "modle: 3\n",
     "r.yaml:5:1: recipe: unknown key 'modle'; did you mean 'model'?"},
    {"recipe: iris.yaml\nspace: {a: [1]}\n",
     "r.yaml:2:1: a search has a space, a recipe has none: this file is for 'fathom tune'"},
    {DATA LOSS SGD, "r.yaml: the section 'model' is missing; a recipe needs data, model, loss and "
                    "optimizer"},
    /* data */
    {"data: {set: spiral}\n" MODEL REST,
     "r.yaml:1:13: unknown data set 'spiral'; did you mean 'spirals'?"},
    {"data: spiral\n" MODEL REST, "r.yaml:1:7: unknown data set 'spiral'; did you mean 'spirals'?"},
    {"data: {scale: 2}\n" MODEL REST,
     "r.yaml:1:7: data: needs set, the name of a data set: {set: strokes}"},
    {"data: {set: spirals, clases: 3}\n" MODEL REST,
     "r.yaml:1:22: data: unknown key 'clases'; did you mean 'classes'?"},
    {"data: {set: spirals, classes: 30}\n" MODEL REST,
     "r.yaml:1:31: data: classes must lie between 2 and 10, received 30"},
    {"data: {set: spirals, validation_split: 2}\n" MODEL REST,
     "r.yaml:1:40: validation_split: fraction must lie between 0 and 1, received 2"},
    {"data: {set: spirals, test_split: {share: 0.2}}\n" MODEL REST,
     "r.yaml:1:35: test_split: unknown key 'share'; known are: fraction, shuffle, stratify, seed"},
    /* model */
    {DATA "model: dense\n" REST,
     "r.yaml:2:8: model: a list of layers is wanted, a line '- dense: {units: 10}' for each"},
    {DATA "model: []\n" REST,
     "r.yaml:2:8: model: a list of layers is wanted, a line '- dense: {units: 10}' for each"},
    {DATA "model: {dense: 3}\n" REST,
     "r.yaml:2:8: model: a list of layers is wanted, or a network of the zoo: {zoo: resnet50} "
     "('fathom show zoo' lists them)"},
    {DATA "model: {zoo: resnet5}\n" REST,
     "r.yaml:2:14: unknown network 'resnet5'; did you mean 'resnet50'?"},
    {DATA "model: {zoo: resnet50, clases: 3}\n" REST,
     "r.yaml:2:24: resnet50: unknown key 'clases'; did you mean 'classes'?"},
    {DATA "model: {zoo: resnet50, width: 3}\n" REST, "r.yaml:2:24: resnet50: unknown key 'width'"},
    {DATA "model: [{input: [2]}]\n" REST, "r.yaml:2:8: model: no layer follows the input"},
    {DATA "model:\n  - dens: {units: 2}\n" REST,
     "r.yaml:3:5: unknown layer 'dens'; did you mean 'dense'?"},
    {DATA "model:\n  - dense: {unit: 2}\n" REST,
     "r.yaml:3:13: dense: unknown key 'unit'; did you mean 'units'?"},
    {DATA "model:\n  - dense\n" REST, "r.yaml:3:5: dense: needs units (features of the output)"},
    {DATA "model:\n  - dense: {units: 0}\n" REST,
     "r.yaml:3:20: dense: units must be at least 1, received 0"},
    {DATA "model:\n  - dense: many\n" REST,
     "r.yaml:3:12: dense: units must be a whole number, received 'many'"},
    {DATA "model:\n  - dense: {units: 2, activation: rleu}\n" REST,
     "r.yaml:3:35: dense: unknown activation 'rleu'; did you mean 'relu'?"},
    {DATA "model:\n  - dense:\n    units: 2\n" REST,
     "r.yaml:4:5: model: one name is wanted; 'dense' and 'units' stand side by side, options go "
     "into braces: {dense: {units: ...}}"},
    {DATA "model:\n  - flatten: 3\n" REST,
     "r.yaml:3:14: flatten: its options must be a map, like {key: value}"},
    {DATA "model:\n  - add\n" REST,
     "r.yaml:3:5: add: needs inputs, the names of at least 2 layers above: add: {inputs: [a, b]}"},
    {DATA "model:\n  - add: {inputs: [input]}\n" REST,
     "r.yaml:3:19: add: takes at least 2 inputs, received 1"},
    {DATA "model:\n  - dense: {units: 2, inputs: [input, input]}\n" REST,
     "r.yaml:3:31: dense: takes 1 input, received 2"},
    {DATA "model:\n  - dense: {units: 2, name: left}\n  - add: {inputs: [lift, input]}\n" REST,
     "r.yaml:4:20: inputs: no layer above has the name 'lift'; did you mean 'left'?"},
    {DATA "model:\n  - dense: {units: 2, name: a}\n  - dense: {units: 2, name: a}\n" REST,
     "r.yaml:4:29: the name 'a' is taken by the dense in line 3"},
    {DATA "model:\n  - dense: {units: 2, name: input}\n" REST,
     "r.yaml:3:29: the name 'input' is taken: 'input' is the data, 'previous' the layer above"},
    {DATA "model:\n  - dense: {units: 2, name: a/b}\n" REST,
     "r.yaml:3:29: the name 'a/b' may hold letters, digits, '_', '-' and '.' only"},
    {DATA "model:\n  - dense: 2\n  - dense: {units: 2, inputs: input}\n" REST,
     "r.yaml:3:5: dense: no layer reads what this one makes; give it a name, and the name to the "
     "inputs of a later layer"},
    /* loss, optimizer, metrics */
    {DATA MODEL "loss: crossentropy\n" SGD, "r.yaml:3:7: unknown loss 'crossentropy'"},
    {DATA MODEL "loss: {huber: {delta: -1}}\n" SGD, "r.yaml:3:23: huber: delta must be at least"},
    {DATA MODEL "loss: {sparse_categorical_crossentropy: {class_weights: [1, x]}}\n" SGD,
     "r.yaml:3:61: class_weights: a weight must be a number, at least 0"},
    {DATA MODEL LOSS "optimizer: adm\n",
     "r.yaml:4:12: unknown optimizer 'adm'; did you mean 'adam'?"},
    {DATA MODEL LOSS "optimizer: {adam: {lr: 0.1}}\n",
     "r.yaml:4:20: adam: unknown key 'lr'; did you mean 'learning_rate'?"},
    {DATA MODEL LOSS "optimizer: {sgd: {schedule: cosin}}\n",
     "r.yaml:4:29: unknown schedule 'cosin'; did you mean 'cosine'?"},
    {DATA MODEL LOSS "optimizer: {sgd: {schedule: cosine}}\n",
     "r.yaml:4:29: cosine: needs decay_steps"},
    {DATA MODEL REST "metrics: [acuracy]\n",
     "r.yaml:5:11: unknown metric 'acuracy'; did you mean 'accuracy'?"},
    /* train */
    {DATA MODEL REST "train: {epoch: 3}\n",
     "r.yaml:5:9: train: unknown key 'epoch'; did you mean 'epochs'?"},
    {DATA MODEL REST "train: {validation_split: 0.1}\n",
     "r.yaml:5:9: train: validation_split belongs into the section data"},
    {DATA MODEL REST "train: {early_stopping: {patient: 3}}\n",
     "r.yaml:5:26: early_stopping: unknown key 'patient'; did you mean 'patience'?"},
    {DATA MODEL REST "train: {early_stopping: 3}\n",
     "r.yaml:5:25: early_stopping: its options must be a map, like {key: value}"},
};

static void each_mistake_has_its_sentence(void **state)
{
    fixture *f = *state;
    fm_recipe *recipe;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        const char *text = mistakes[i].text;
        assert_fails(f->context, FM_ERROR_ARGUMENT, mistakes[i].words,
                     fm_recipe_parse(f->context, "r.yaml", text, strlen(text), NULL, 0, &recipe));
        assert_null(recipe);
        assert_ptr_equal(strstr(fm_error_message(f->context), mistakes[i].words),
                         fm_error_message(f->context));
    }
    assert_fails(f->context, FM_ERROR_ARGUMENT, "r.yaml: the section",
                 fm_recipe_parse(f->context, "r.yaml", NULL, 0, NULL, 0, &recipe));
    assert_null(recipe);
}

static void set_is_blamed_by_name(void **state)
{
    fixture *f = *state;
    fm_recipe *recipe;
    static const char *const set[] = {"train.epochs=0"};
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "--set train.epochs=0: train: epochs must be at least 1, received 0",
                 fm_recipe_parse(f->context, "r.yaml", good, strlen(good), set, 1, &recipe));
    static const char *const fine[] = {"train.epochs=40", "model.0.dense.units=6",
                                       "model.1.dense=6", "optimizer=lion"};
    recipe = parse(f, good, fine, 4);
    assert_int_equal(fm_recipe_about(recipe)->fit.epochs, 40);
    assert_int_equal(fm_recipe_about(recipe)->model.optimizer.rule, FM_LION);
    fm_recipe *again = parse(f, fm_recipe_text(recipe), NULL, 0);
    assert_int_equal(fm_recipe_about(again)->fit.epochs, 40);
    fm_recipe_destroy(again);
    fm_recipe_destroy(recipe);
}

/* Prepared data, its split and its classes fit the model that the recipe makes for it. */
static void data_and_model_fit(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"data.train_size=40", "data.test_size=8"};
    fm_recipe *recipe = parse(f, good, set, 2);
    fm_recipe_data data;
    fm_model *model;
    assert_ok(f->context, fm_recipe_open_data(recipe, NULL, NULL, &data));
    assert_int_equal(fm_dataset_about(data.train)->count, 30);
    assert_int_equal(fm_dataset_about(data.validation)->count, 10);
    assert_int_equal(fm_dataset_about(data.test)->count, 8);
    assert_ok(f->context, fm_recipe_create_model(recipe, data.transform, &model));
    assert_true(fm_shape_equal(fm_model_output(model, NULL), FM_SHAPE(3)));
    assert_string_equal(fm_model_note(model, "recipe"), fm_recipe_text(recipe));
    assert_non_null(fm_model_note(model, "transform"));
    fm_model_destroy(model);
    fm_recipe_data_close(&data);
    fm_recipe_destroy(recipe);

    static const char *const few[] = {"data.train_size=40", "model.4.dense.units=2",
                                      "loss=sparse_categorical_crossentropy"};
    recipe = parse(f, good, few, 2);
    assert_ok(f->context, fm_recipe_open_data(recipe, NULL, NULL, &data));
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "r.yaml: loss: sparse_categorical_crossentropy: 3 "
                 "class weights for 2 classes",
                 fm_recipe_create_model(recipe, data.transform, &model));
    fm_recipe_data_close(&data);
    fm_recipe_destroy(recipe);
    recipe = parse(f, good, few, 3);
    assert_ok(f->context, fm_recipe_open_data(recipe, NULL, NULL, &data));
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "r.yaml:7:5: dense: the last layer has 2 outputs, but the data has 3 classes",
                 fm_recipe_create_model(recipe, data.transform, &model));
    assert_null(model);
    fm_recipe_data_close(&data);
    fm_recipe_destroy(recipe);
}

static void shape_mistakes_point_at_their_layer(void **state)
{
    fixture *f = *state;
    static const mistake table[] = {
        {DATA "model:\n  - dense: {units: 3, name: a}\n  - dense: 4\n  - add: {inputs: [a, "
              "previous]}\n" REST,
         "r.yaml:5:5: add"},
        {DATA "model:\n  - input: [3]\n  - dense: 2\n" REST,
         "r.yaml:3:12: input: the data's samples have the shape (2)"},
        {DATA "model:\n  - reshape: {target_shape: [3]}\n" REST, "r.yaml:3:5: reshape"},
        {DATA "model:\n  - conv2d: {filters: 3, kernel_size: 3}\n" REST,
         "r.yaml:3:5: conv2d: the input must be (batch, height, width, channels), received (1, 2)"},
        {DATA "model: {zoo: lenet5, input: [3]}\n" REST,
         "r.yaml:2:29: input: the data's samples have the shape (2)"},
        {DATA "model: {zoo: lenet5}\n" REST, "r.yaml:2:8: body/c1: the input must be"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fm_recipe *recipe = parse(f, table[i].text, NULL, 0);
        const fm_layer_row *rows;
        int count;
        fm_status status = fm_recipe_layers(recipe, FM_SHAPE(2), FM_F32, &rows, &count);
        assert_fails(f->context, FM_ERROR_SHAPE, table[i].words, status);
        fm_recipe_destroy(recipe);
    }
}

/* Options reach the network; rows are its layers, by scope. */
static void a_network_of_the_zoo_is_built(void **state)
{
    fixture *f = *state;
    fm_recipe *recipe =
        parse(f, DATA "model: {zoo: resnet20, classes: 7, input: [32, 32, 3]}\n" REST, NULL, 0);
    const fm_layer_row *rows;
    int count;
    int64_t parameters = 0;
    assert_true(fm_recipe_says_input(recipe));
    assert_ok(f->context, fm_recipe_layers(recipe, FM_SHAPE(32, 32, 3), FM_F32, &rows, &count));
    for (int i = 0; i < count; i++) parameters += rows[i].parameters;
    assert_int_equal(parameters, 269722 - 3 * 65);
    assert_string_equal(rows[0].name, "body/conv1");
    assert_string_equal(rows[count - 1].name, "head");
    assert_string_equal(rows[count - 1].type, "dense");
    assert_near(rows[count - 1].macs, 64 * 7, 0);
    fm_recipe_destroy(recipe);
}

/* Each sample of the training data is validated on once; a fold's transform is its own. */
static void folds_share_out_the_data(void **state)
{
    fixture *f = *state;
    static const char *const set[] = {"data.train_size=40", "data.test_size=8",
                                      "data.normalize=standardize"};
    fm_recipe *recipe = parse(f, good, set, 3);
    fm_recipe_data folds[3];
    assert_ok(f->context, fm_recipe_open_folds(recipe, NULL, 3, folds));
    int64_t validated = 0;
    for (int i = 0; i < 3; i++) {
        int64_t part = fm_dataset_about(folds[i].validation)->count;
        validated += part;
        assert_int_equal(fm_dataset_about(folds[i].train)->count + part, 40);
        assert_int_equal(fm_dataset_about(folds[i].test)->count, 8);
        fm_model *model;
        assert_ok(f->context, fm_recipe_create_model(recipe, folds[i].transform, &model));
        fm_model_destroy(model);
        fm_recipe_data_close(&folds[i]);
    }
    assert_int_equal(validated, 40);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "40 samples; 2 to that many folds",
                 fm_recipe_open_folds(recipe, NULL, 1, folds));
    fm_recipe_destroy(recipe);
}

static fm_status open_folds(fm_context *context, void *argument)
{
    (void)argument;
    fm_recipe *recipe;
    fm_recipe_data folds[2];
    fm_status status = fm_recipe_parse(context, "r.yaml", good, strlen(good), NULL, 0, &recipe);
    if (status == FM_OK) status = fm_recipe_open_folds(recipe, NULL, 2, folds);
    for (int i = 0; i < 2 && status == FM_OK; i++) fm_recipe_data_close(&folds[i]);
    fm_recipe_destroy(recipe);
    return status;
}

static fm_status parse_good(fm_context *context, void *argument)
{
    fm_recipe *recipe;
    const char *const set[] = {argument};
    fm_status status =
        fm_recipe_parse(context, "r.yaml", good, strlen(good), set, argument != NULL, &recipe);
    fm_recipe_destroy(recipe);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    assert_true(fail_each_allocation(f, parse_good, NULL) >= 2);
    assert_true(fail_each_allocation(f, parse_good, "train.epochs=3") > 2);
    assert_true(fail_each_allocation(f, open_folds, NULL) > 20);
}

/* From the text to a model that has made a step's program, with everything in between. */
static fm_status build_all(fm_context *context, void *argument)
{
    static const char *const set[] = {"data.train_size=40", "data.test_size=8"};
    (void)argument;
    fm_recipe *recipe;
    fm_recipe_data data = {0};
    fm_model *model = NULL;
    fm_program *program;
    const fm_layer_row *rows;
    int count;
    fm_status status = fm_recipe_parse(context, "r.yaml", good, strlen(good), set, 2, &recipe);
    if (status == FM_OK) status = fm_recipe_open_data(recipe, NULL, NULL, &data);
    if (status == FM_OK) status = fm_recipe_layers(recipe, FM_SHAPE(2), FM_F32, &rows, &count);
    if (status == FM_OK) status = fm_recipe_create_model(recipe, data.transform, &model);
    if (status == FM_OK) status = fm_model_program(model, FM_TRAIN, 4, &program);
    fm_model_destroy(model);
    fm_recipe_data_close(&data);
    fm_recipe_destroy(recipe);
    return status;
}

static void every_allocation_may_fail_up_to_a_program(void **state)
{
    assert_true(fail_each_allocation(*state, build_all, NULL) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(everything_is_read),
        fixture_test(layers_are_described),
        fixture_test(each_mistake_has_its_sentence),
        fixture_test(set_is_blamed_by_name),
        fixture_test(data_and_model_fit),
        fixture_test(shape_mistakes_point_at_their_layer),
        fixture_test(a_network_of_the_zoo_is_built),
        fixture_test(folds_share_out_the_data),
        fixture_test(every_allocation_may_fail),
        fixture_test(every_allocation_may_fail_up_to_a_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
