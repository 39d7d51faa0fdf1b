#include "support/training_problem.h"
#include "fathom/model_file.h"
#include "fathom/nn.h"
#include "io/safetensors.h"

static fm_model *trained(fixture *f, fm_optimizer optimizer, int64_t epochs)
{
    fm_model *model;
    fm_dataset *data;
    fm_model_options options = problem_options();
    options.optimizer = optimizer;
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_ok(f->context, problem_data(f->context, 7, &data));
    if (epochs) {
        assert_ok(f->context, fm_fit(model, data,
                                     &(fm_fit_options){.epochs = epochs, .validation_split = 0.2}));
    }
    fm_dataset_destroy(data);
    return model;
}

static const fm_optimizer adam = {.rule = FM_ADAM}, sgd = {.rule = FM_SGD};

static fm_scores evaluate(fixture *f, fm_model *model)
{
    fm_scores scores;
    fm_dataset *test;
    assert_ok(f->context, problem_data(f->context, 8, &test));
    assert_ok(f->context, fm_evaluate(model, test, NULL, &scores));
    fm_dataset_destroy(test);
    return scores;
}

static void a_model_comes_back_whole(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "model.safetensors");
    fm_model *model = trained(f, adam, 2), *other = trained(f, adam, 0);
    assert_ok(f->context, fm_model_set_note(model, "recipe", "model: [dense: 3]\n"));
    assert_ok(f->context, fm_model_set_note(model, "classes", "[\"a\",\"b\"]"));
    assert_ok(f->context, fm_model_save(model, path, NULL));
    assert_ok(f->context, fm_model_load(other, path, NULL));
    assert_true(problem_digest(model) == problem_digest(other));
    assert_same_history(fm_model_history(model), fm_model_history(other), 2);
    assert_int_equal(fm_store_step(fm_model_store(other)), fm_store_step(fm_model_store(model)));
    assert_string_equal(fm_model_note(other, "recipe"), "model: [dense: 3]\n");
    assert_string_equal(fm_model_note(other, "classes"), "[\"a\",\"b\"]");
    assert_true(evaluate(f, model).loss == evaluate(f, other).loss);
    fm_model_destroy(model);
    fm_model_destroy(other);
}

static void a_file_tells_about_itself(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "model.safetensors");
    fm_model *model = trained(f, adam, 2);
    assert_ok(f->context, fm_model_set_note(model, "recipe", "words"));
    assert_ok(f->context, fm_model_save(model, path, NULL));
    fm_model_file *file;
    assert_ok(f->context, fm_model_file_open(f->context, path, &file));
    assert_string_equal(fm_model_file_note(file, "recipe"), "words");
    assert_null(fm_model_file_note(file, "transform"));
    uint64_t step;
    int64_t epoch, batch;
    fm_model_file_position(file, &step, &epoch, &batch);
    assert_int_equal(step, 8);
    assert_int_equal(epoch, 2);
    assert_int_equal(batch, 0);
    int weights = 0, slots = 0;
    for (int i = 0;; i++) {
        fm_variable_info info = fm_model_file_variable(file, i);
        if (!info.path) break;
        *(info.trainable ? &weights : &slots) += 1;
        assert_int_not_equal(info.path[0], '@');
    }
    assert_int_equal(weights, 4);
    assert_int_equal(slots, 2 * 4 + 1);
    fm_model_file_close(file);
    fm_model_destroy(model);
}

/* An untrained model saves its initial values, without a program. */
static void an_untrained_model_is_saved(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "fresh.safetensors");
    fm_model *model = trained(f, adam, 0), *other = trained(f, adam, 1);
    assert_ok(f->context, fm_model_save(model, path, NULL));
    assert_ok(f->context, fm_model_load(other, path, &(fm_load_options){.weights_only = true}));
    assert_true(evaluate(f, model).loss == evaluate(f, other).loss);
    fm_model_destroy(model);
    fm_model_destroy(other);
}

static void weights_alone_are_smaller_and_enough(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "weights.safetensors");
    fm_model *model = trained(f, adam, 2), *other = trained(f, sgd, 0);
    assert_ok(f->context, fm_model_save(model, path, &(fm_save_options){.weights_only = true}));
    fm_safetensors *file;
    assert_ok(f->context, fm_safetensors_open(f->context, path, &file));
    assert_int_equal(fm_safetensors_count(file), 4);
    assert_true(fm_safetensors_find(file, "dense_1/kernel") >= 0);
    fm_safetensors_close(file);
    assert_ok(f->context, fm_model_load(other, path, NULL));
    assert_true(evaluate(f, model).loss == evaluate(f, other).loss);
    assert_int_equal(fm_store_step(fm_model_store(other)), 0);
    fm_model_destroy(model);
    fm_model_destroy(other);
}

/* With averages the weights in such a file are the averages. */
static void averages_are_saved_as_weights(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "averages.safetensors");
    fm_model *model = trained(f, (fm_optimizer){FM_SGD, .ema_momentum = 0.9}, 2);
    fm_model *other = trained(f, sgd, 0);
    uint64_t before = problem_digest(model);
    assert_ok(f->context, fm_model_save(model, path, &(fm_save_options){.weights_only = true}));
    assert_true(problem_digest(model) == before);
    assert_ok(f->context, fm_model_load(other, path, NULL));
    assert_true(evaluate(f, model).loss == evaluate(f, other).loss);
    fm_model_destroy(model);
    fm_model_destroy(other);
}

/* Whoever takes the weights of a whole file alone gets what its model predicts with. */
static void averages_are_loaded_as_weights(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "whole.safetensors");
    const fm_optimizer averaged = {.rule = FM_SGD, .ema_momentum = 0.9};
    fm_model *model = trained(f, averaged, 2), *plain = trained(f, sgd, 0);
    fm_model *same = trained(f, averaged, 0);
    const fm_load_options weights = {.weights_only = true};
    assert_ok(f->context, fm_model_save(model, path, NULL));
    assert_ok(f->context, fm_model_load(plain, path, &weights));
    assert_ok(f->context, fm_model_load(same, path, &weights));
    const double loss = evaluate(f, model).loss;
    assert_true(evaluate(f, plain).loss == loss);
    assert_true(evaluate(f, same).loss == loss);
    assert_ok(f->context, fm_model_load(same, path, NULL));
    assert_true(problem_digest(same) == problem_digest(model));
    fm_model_destroy(model);
    fm_model_destroy(plain);
    fm_model_destroy(same);
}

/* Training from a file of weights is the same in a model that was trained before. */
static void weights_alone_begin_training_anew(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "weights.safetensors");
    const fm_optimizer rule = {.rule = FM_ADAGRAD}; /* slots that do not begin with zeros */
    fm_model *model = trained(f, rule, 1), *models[2] = {trained(f, rule, 0), trained(f, rule, 2)};
    assert_ok(f->context, fm_model_save(model, path, &(fm_save_options){.weights_only = true}));
    fm_dataset *data;
    assert_ok(f->context, problem_data(f->context, 7, &data));
    for (int i = 0; i < 2; i++) {
        assert_ok(f->context, fm_model_load(models[i], path, NULL));
        assert_int_equal(fm_store_step(fm_model_store(models[i])), 0);
        assert_ok(f->context, fm_fit(models[i], data, NULL));
    }
    assert_true(problem_digest(models[0]) == problem_digest(models[1]));
    fm_dataset_destroy(data);
    fm_model_destroy(model);
    fm_model_destroy(models[0]);
    fm_model_destroy(models[1]);
}

/* ---- files that do not fit ---- */

static fm_val wider(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = 20);
    x = fm_dense(g, x, .name = "extra", .units = 16);
    return fm_dense(g, x, .units = PROBLEM_CLASSES);
}

static void what_does_not_fit_is_listed(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "model.safetensors");
    fm_model *model = trained(f, sgd, 1), *other;
    fm_model_options options = problem_options();
    options.build = wider;
    options.optimizer = sgd;
    assert_ok(f->context, fm_model_create(f->context, &options, &other));
    assert_ok(f->context, fm_model_save(model, path, NULL));
    const double loss = evaluate(f, other).loss;
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "missing in the file: extra/kernel, extra/bias; different: dense/kernel is f32 "
                 "(4, 16), the model wants f32 (4, 20), dense/bias is f32 (16)",
                 fm_model_load(other, path, NULL));
    assert_true(evaluate(f, other).loss == loss);
    assert_ok(f->context, fm_model_load(other, path, &(fm_load_options){.partial = true}));
    assert_true(evaluate(f, other).loss != loss);
    fm_model_destroy(other);

    fm_model *adam_model = trained(f, adam, 1);
    assert_ok(f->context, fm_model_save(adam_model, path, NULL));
    assert_fails(f->context, FM_ERROR_SHAPE, "not in the model: optimizer/adam/",
                 fm_model_load(model, path, NULL));
    assert_ok(f->context, fm_model_load(model, path, &(fm_load_options){.weights_only = true}));
    assert_true(evaluate(f, model).loss == evaluate(f, adam_model).loss);
    fm_model_destroy(adam_model);
    fm_model_destroy(model);
}

static void many_names_are_cut(void **state)
{
    fixture *f = *state;
    fm_model *model = trained(f, sgd, 0);
    char names[12][24];
    fm_safetensors_tensor tensors[12];
    static const float zero[1];
    for (int i = 0; i < 12; i++) {
        snprintf(names[i], sizeof names[i], "strange_%d", i);
        tensors[i] = (fm_safetensors_tensor){.name = names[i], .shape = FM_SHAPE(1), .data = zero};
    }
    const char *path = fixture_path(f, "strange.safetensors");
    assert_ok(f->context, fm_safetensors_write(f->context, path, NULL, 0, tensors, 12));
    assert_fails(f->context, FM_ERROR_SHAPE, "strange_7 and 4 more",
                 fm_model_load(model, path, NULL));
    fm_model_destroy(model);
}

/* A file with one thing in it changed. */
static const char *forge(fixture *f, const char *from, const char *key, const char *text,
                         const char *without)
{
    const char *path = fixture_path(f, "forged.safetensors");
    fm_safetensors *file;
    fm_safetensors_note notes[32];
    fm_safetensors_tensor tensors[64];
    void *data[64];
    size_t note_count = 0, tensor_count = 0;
    assert_ok(f->context, fm_safetensors_open(f->context, from, &file));
    for (int i = 0; fm_safetensors_metadata_key(file, i); i++) {
        const char *name = fm_safetensors_metadata_key(file, i);
        const char *words =
            key && strcmp(name, key) == 0 ? text : fm_safetensors_metadata(file, name);
        if (words) notes[note_count++] = (fm_safetensors_note){name, words};
    }
    for (int i = 0; i < fm_safetensors_count(file); i++) {
        const fm_safetensors_entry *entry = fm_safetensors_at(file, i);
        if (without && strcmp(entry->name, without) == 0) continue;
        data[tensor_count] = malloc(entry->end - entry->begin + 1);
        assert_ok(f->context, fm_safetensors_read(file, i, data[tensor_count]));
        tensors[tensor_count] = (fm_safetensors_tensor){.name = entry->name,
                                                        .dtype = entry->dtype,
                                                        .shape = entry->shape,
                                                        .data = data[tensor_count]};
        tensor_count++;
    }
    assert_ok(f->context,
              fm_safetensors_write(f->context, path, notes, note_count, tensors, tensor_count));
    fm_safetensors_close(file);
    for (size_t i = 0; i < tensor_count; i++) free(data[i]);
    return path;
}

static void damaged_files_are_refused(void **state)
{
    fixture *f = *state;
    char path[512]; /* kept beyond the fixture's next paths */
    snprintf(path, sizeof path, "%s", fixture_path(f, "model.safetensors"));
    fm_model *model = trained(f, sgd, 2);
    assert_ok(f->context, fm_model_save(model, path, NULL));
    const struct {
        const char *key, *text, *without;
        fm_status status;
        const char *words;
    } cases[] = {
        {"fathom.format", "2", NULL, FM_ERROR_UNSUPPORTED, "version '2' of the format"},
        {"fathom.step", "12x", NULL, FM_ERROR_FORMAT, "'12x', not a number"},
        {"fathom.step", "", NULL, FM_ERROR_FORMAT, "not a number"},
        {"fathom.epoch", NULL, NULL, FM_ERROR_FORMAT, "'fathom.epoch' in the metadata is absent"},
        {"fathom.seed", "9223372036854775808", NULL, FM_ERROR_FORMAT, "not a number"},
        {"fathom.metrics", "accuracy", NULL, FM_ERROR_FORMAT, "'@history' of shape (2, 9)"},
        {NULL, NULL, "@history", FM_ERROR_FORMAT, "'@history' of shape"},
        {NULL, NULL, "dense/bias", FM_ERROR_SHAPE, "missing in the file: dense/bias"},
        {NULL, NULL, "optimizer/iterations", FM_ERROR_SHAPE, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *forged = forge(f, path, cases[i].key, cases[i].text, cases[i].without);
        if (!cases[i].words) { /* no slots at all: a file of weights, training starts anew */
            assert_ok(f->context, fm_model_load(model, forged, NULL));
            continue;
        }
        assert_fails(f->context, cases[i].status, cases[i].words,
                     fm_model_load(model, forged, NULL));
        assert_non_null(strstr(fm_error_message(f->context), "forged.safetensors: "));
    }
    assert_ok(
        f->context,
        fm_model_load(model, forge(f, path, "fathom.seed", "-9223372036854775808", NULL), NULL));
    assert_true(fm_store_seed(fm_model_store(model)) == (uint64_t)1 << 63);
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "nowhere",
                 fm_model_load(model, "nowhere.safetensors", NULL));
    fm_model_destroy(model);
}

static void notes_can_be_changed(void **state)
{
    fixture *f = *state;
    fm_model *model = trained(f, sgd, 0);
    assert_ok(f->context, fm_model_set_note(model, "a", "1"));
    assert_ok(f->context, fm_model_set_note(model, "b", "2"));
    assert_ok(f->context, fm_model_set_note(model, "a", "3"));
    assert_string_equal(fm_model_note(model, "a"), "3");
    assert_ok(f->context, fm_model_set_note(model, "a", NULL));
    assert_ok(f->context, fm_model_set_note(model, "a", NULL));
    assert_null(fm_model_note(model, "a"));
    assert_string_equal(fm_model_note(model, "b"), "2");
    assert_fails(f->context, FM_ERROR_ARGUMENT, "are taken",
                 fm_model_set_note(model, "fathom.step", "1"));
    fm_model_destroy(model);
}

static void the_history_is_written_as_csv(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "history.csv");
    fm_model *model = trained(f, adam, 2);
    assert_ok(f->context, fm_history_write_csv(model, path));
    FILE *stream = fopen(path, "r");
    char line[512];
    assert_non_null(fgets(line, sizeof line, stream));
    assert_string_equal(line, "epoch,loss,accuracy,auc,val_loss,val_accuracy,val_auc,"
                              "learning_rate,seconds\n");
    for (int i = 0; i < 2; i++) {
        const fm_epoch *epoch = &fm_model_history(model)->epochs[i];
        assert_non_null(fgets(line, sizeof line, stream));
        char *next;
        assert_int_equal(strtol(line, &next, 10), i);
        assert_true(strtod(next + 1, &next) == epoch->train.loss);
        assert_true(strtod(next + 1, &next) == epoch->train.metrics[0]);
    }
    assert_null(fgets(line, sizeof line, stream));
    fclose(stream);
    fm_model_destroy(model);
}

/* Of a validation part of one class there is no area under the curve: what divides 0 by 0 has a
 * sign on some processors, which readers of CSV do not know. */
static void a_nan_of_the_history_has_no_sign(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "history.csv");
    fm_model *model = trained(f, adam, 0);
    fm_dataset *data, *one;
    uint32_t first = 0;
    assert_ok(f->context, problem_data(f->context, 7, &data));
    assert_ok(f->context, fm_dataset_view(f->context, data, &first, 1, &one));
    assert_ok(f->context, fm_fit(model, data, &(fm_fit_options){.validation = one}));
    assert_true(isnan(fm_model_history(model)->epochs[0].validation.metrics[1]));
    assert_ok(f->context, fm_history_write_csv(model, path));
    char text[1024] = "";
    FILE *stream = fopen(path, "r");
    assert_true(fread(text, 1, sizeof text - 1, stream) > 0);
    fclose(stream);
    assert_non_null(strstr(text, ",nan,"));
    assert_null(strstr(text, "-nan"));
    fm_dataset_destroy(data);
    fm_dataset_destroy(one);
    fm_model_destroy(model);
}

static void a_name_may_hold_a_comma(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "history.csv");
    fm_model *model;
    fm_model_options options = problem_options();
    options.metrics[0].name = "right, \"of 1\"";
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_ok(f->context, fm_history_write_csv(model, path));
    FILE *stream = fopen(path, "r");
    char line[512];
    assert_non_null(fgets(line, sizeof line, stream));
    assert_string_equal(line, "epoch,loss,\"right, \"\"of 1\"\"\",auc,"
                              "val_loss,\"val_right, \"\"of 1\"\"\",val_auc,"
                              "learning_rate,seconds\n");
    fclose(stream);
    fm_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_model_comes_back_whole),
        fixture_test(a_file_tells_about_itself),
        fixture_test(an_untrained_model_is_saved),
        fixture_test(weights_alone_are_smaller_and_enough),
        fixture_test(averages_are_saved_as_weights),
        fixture_test(averages_are_loaded_as_weights),
        fixture_test(weights_alone_begin_training_anew),
        fixture_test(what_does_not_fit_is_listed),
        fixture_test(many_names_are_cut),
        fixture_test(damaged_files_are_refused),
        fixture_test(notes_can_be_changed),
        fixture_test(the_history_is_written_as_csv),
        fixture_test(a_nan_of_the_history_has_no_sign),
        fixture_test(a_name_may_hold_a_comma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
