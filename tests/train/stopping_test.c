/* Early stopping, reduce on plateau, and runs that meet a NaN. */
#include "support/training_problem.h"

typedef struct trainer {
    fm_model *model;
    fm_dataset *data, *test;
} trainer;

static trainer open_trainer(fm_context *context, fm_optimizer optimizer)
{
    trainer t;
    fm_model_options options = problem_options();
    options.optimizer = optimizer;
    assert_ok(context, fm_model_create(context, &options, &t.model));
    assert_ok(context, problem_data(context, 7, &t.data));
    assert_ok(context, problem_data(context, 8, &t.test));
    return t;
}

static void close_trainer(trainer *t)
{
    fm_model_destroy(t->model);
    fm_dataset_destroy(t->data);
    fm_dataset_destroy(t->test);
}

static const fm_optimizer adam = {FM_ADAM, .learning_rate = 0.05};

static int64_t best_epoch_of(const fm_history *history)
{
    int64_t best = 0;
    for (int64_t i = 1; i < history->count; i++) {
        if (history->epochs[i].validation.loss < history->epochs[best].validation.loss) best = i;
    }
    return best;
}

/* ---- early stopping ---- */

static void it_stops_after_its_patience(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context, adam);
    const fm_early_stopping early = {.patience = 3};
    assert_ok(
        f->context,
        fm_fit(t.model, t.data,
               &(fm_fit_options){.epochs = 200, .validation = t.test, .early_stopping = &early}));
    const fm_history *history = fm_model_history(t.model);
    assert_int_equal(history->stop, FM_STOP_EARLY);
    assert_true(history->count < 200);
    assert_int_equal(history->best_epoch, best_epoch_of(history));
    assert_int_equal(history->count, history->best_epoch + 1 + 3);
    close_trainer(&t);
}

static void the_best_epoch_is_restored(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context, adam);
    const fm_early_stopping early = {.patience = 3, .restore_best = true};
    assert_ok(
        f->context,
        fm_fit(t.model, t.data,
               &(fm_fit_options){.epochs = 200, .validation = t.test, .early_stopping = &early}));
    const fm_history *history = fm_model_history(t.model);
    const fm_epoch *best = &history->epochs[history->best_epoch];
    fm_scores scores;
    assert_ok(f->context, fm_evaluate(t.model, t.test, NULL, &scores));
    assert_true(scores.loss == best->validation.loss);
    assert_true(scores.loss != history->epochs[history->count - 1].validation.loss);
    close_trainer(&t);
}

/* A checkpoint of the best by another monitor does not change what is told of the variables. */
static void the_epoch_that_is_restored_is_told(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context, adam);
    const fm_early_stopping early = {.patience = 3, .restore_best = true};
    const fm_checkpoint checkpoint = {.best = fixture_path(f, "best.safetensors"),
                                      .monitor = "loss"};
    assert_ok(f->context, fm_fit(t.model, t.data,
                                 &(fm_fit_options){.epochs = 200,
                                                   .validation = t.test,
                                                   .early_stopping = &early,
                                                   .checkpoint = &checkpoint}));
    const fm_history *history = fm_model_history(t.model);
    assert_int_equal(history->best_epoch, best_epoch_of(history));
    close_trainer(&t);
}

static fm_status spoil(void *user, fm_event *event)
{
    (void)user;
    event->rate_factor = 50;
    return FM_OK;
}

/* Its best epoch stays the best one when more patience finds nothing better. */
static void a_run_that_goes_on_keeps_its_best(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context, adam);
    fm_early_stopping early = {.patience = 3, .restore_best = true};
    fm_fit_options options = {.epochs = 200, .validation = t.test, .early_stopping = &early};
    assert_ok(f->context, fm_fit(t.model, t.data, &options));
    const fm_history *history = fm_model_history(t.model);
    const int64_t best = history->best_epoch, count = history->count;
    const uint64_t digest = problem_digest(t.model);
    const fm_callback callback = {.name = "spoil", .train_begin = spoil};
    early.patience = 5;
    options.resume = true;
    options.callbacks = &callback;
    options.callback_count = 1;
    assert_ok(f->context, fm_fit(t.model, t.data, &options));
    assert_int_equal(history->best_epoch, best);
    assert_int_equal(history->count, count + 2);
    assert_true(history->epochs[count].validation.loss > history->epochs[best].validation.loss);
    fm_scores scores;
    assert_ok(f->context, fm_evaluate(t.model, t.test, NULL, &scores));
    assert_true(scores.loss == history->epochs[best].validation.loss);
    assert_true(problem_digest(t.model) == digest);
    close_trainer(&t);
}

/* Accuracy is better when larger; start_epoch's earlier epochs do not count. */
static void metrics_are_watched_upwards(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context, adam);
    const fm_early_stopping early = {
        .monitor = "accuracy", .patience = 1, .start_epoch = 4, .min_delta = 2};
    assert_ok(f->context,
              fm_fit(t.model, t.data, &(fm_fit_options){.epochs = 50, .early_stopping = &early}));
    assert_int_equal(fm_model_history(t.model)->best_epoch, 4);
    assert_int_equal(fm_model_history(t.model)->count, 6);
    const fm_early_stopping down = {
        .monitor = "accuracy", .patience = 1, .mode = FM_MONITOR_MINIMIZE, .min_delta = 2};
    assert_ok(f->context,
              fm_fit(t.model, t.data, &(fm_fit_options){.epochs = 50, .early_stopping = &down}));
    assert_int_equal(fm_model_history(t.model)->count, 2);
    close_trainer(&t);
}

static void what_cannot_be_watched_is_listed(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context, adam);
    const fm_early_stopping early = {.monitor = "val_loss"}, typo = {.monitor = "acuracy"};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "there are loss, accuracy, auc (there is no",
                 fm_fit(t.model, t.data, &(fm_fit_options){.early_stopping = &early}));
    assert_fails(
        f->context, FM_ERROR_ARGUMENT,
        "early_stopping: nothing called 'acuracy' can be monitored; there are loss, "
        "accuracy, auc, val_loss, val_accuracy, val_auc",
        fm_fit(t.model, t.data, &(fm_fit_options){.validation = t.test, .early_stopping = &typo}));
    close_trainer(&t);
}

static void the_rate_falls_on_a_plateau(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context, adam);
    const fm_reduce_on_plateau plateau = {
        .monitor = "loss",
        .rule = {.factor = 0.5, .patience = 2, .min_delta = 100, .minimum_rate = 0.02}};
    assert_ok(f->context, fm_fit(t.model, t.data,
                                 &(fm_fit_options){.epochs = 8, .reduce_on_plateau = &plateau}));
    const fm_epoch *epochs = fm_model_history(t.model)->epochs;
    const double expected[8] = {0.05, 0.05, 0.05, 0.025, 0.025, 0.02, 0.02, 0.02};
    for (int i = 0; i < 8; i++) assert_near(epochs[i].learning_rate, expected[i], 1e-15);
    close_trainer(&t);
}

/* ---- NaN ---- */

static fm_dataset *six_samples(fm_context *context, const float x[6][PROBLEM_INPUTS],
                               const int32_t y[6])
{
    const fm_dataset_info info = {
        .name = "bad",
        .count = 6,
        .field_count = 2,
        .fields = {{"x", FM_F32, FM_SHAPE(PROBLEM_INPUTS), NULL}, {"y", FM_I32, FM_SHAPE(), NULL}}};
    fm_dataset *made;
    assert_ok(context,
              fm_dataset_from_arrays(context, &info, (const void *const[]){x, y}, true, &made));
    return made;
}

static void data_with_a_nan_is_named(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context, adam);
    float x[6][PROBLEM_INPUTS] = {{0}};
    int32_t y[6] = {0, 1, 2, 0, 1, 2};
    x[4][2] = NAN;
    fm_dataset *bad = six_samples(f->context, x, y);
    fm_fit_options options = {.epochs = 2, .batch_size = 2, .no_shuffle = true};
    assert_fails(f->context, FM_ERROR_NONFINITE,
                 "epoch 1, batch 3: the loss is NaN: in batch 3 sample 0 of the batch (position 4",
                 fm_fit(t.model, bad, &options));
    assert_int_equal(fm_store_step(fm_model_store(t.model)), 2);
    options.ignore_nonfinite = true;
    assert_ok(f->context, fm_fit(t.model, bad, &options));
    assert_true(isnan(fm_model_history(t.model)->epochs[0].train.loss));
    fm_dataset_destroy(bad);
    close_trainer(&t);
}

/* No learning rate would help: it is refused, and no step is made with it. */
static void a_label_without_a_class_is_named(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context, adam);
    const float x[6][PROBLEM_INPUTS] = {{0}};
    int32_t y[6] = {0, 1, 2, 0, 1, 3};
    fm_scores scores;
    fm_dataset *bad = six_samples(f->context, x, y);
    const fm_fit_options options = {.batch_size = 2, .no_shuffle = true, .ignore_nonfinite = true};
    static const char words[] =
        "data set \"bad\", sample 5: sparse_categorical_crossentropy takes labels from 0 to 2, and "
        "\"y\" is 3; give the last layer more units, or mend the labels";
    assert_fails(f->context, FM_ERROR_ARGUMENT, words, fm_fit(t.model, bad, &options));
    assert_int_equal(fm_store_step(fm_model_store(t.model)), 2);
    assert_fails(f->context, FM_ERROR_ARGUMENT, words, fm_evaluate(t.model, bad, NULL, &scores));
    assert_fails(f->context, FM_ERROR_ARGUMENT, words,
                 fm_fit(t.model, t.data, &(fm_fit_options){.validation = bad}));
    y[5] = -1;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "takes labels from 0 to 2, and \"y\" is -1",
                 fm_fit(t.model, bad, &options));
    fm_dataset_destroy(bad);
    close_trainer(&t);
}

/* Any number will do for this loss; what is none is found behind the NaN. */
static void a_label_that_is_no_number_is_named(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_dataset *bad;
    fm_model_options options = problem_options();
    options.loss = FM_MEAN_SQUARED_ERROR;
    options.metric_count = 0;
    const float x[6][PROBLEM_INPUTS] = {{0}};
    float y[6][PROBLEM_CLASSES] = {{0}};
    y[4][1] = NAN;
    const fm_dataset_info info = {.name = "bad",
                                  .count = 6,
                                  .field_count = 2,
                                  .fields = {{"x", FM_F32, FM_SHAPE(PROBLEM_INPUTS), NULL},
                                             {"y", FM_F32, FM_SHAPE(PROBLEM_CLASSES), NULL}}};
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *const[]){x, y}, true, &bad));
    assert_fails(f->context, FM_ERROR_NONFINITE,
                 "in batch 3 sample 0 of the batch (position 4 of the data set) has the label nan; "
                 "the variables are those of before that step",
                 fm_fit(model, bad, &(fm_fit_options){.batch_size = 2, .no_shuffle = true}));
    assert_null(strstr(fm_error_message(f->context), "learning rate"));
    fm_dataset_destroy(bad);
    fm_model_destroy(model);
}

typedef struct wrecker {
    uint64_t blow_up_at, stop_at;
} wrecker;

static fm_status wreck(void *user, fm_event *event)
{
    const wrecker *w = user;
    uint64_t step = fm_store_step(fm_model_store(event->model));
    event->rate_factor = step == w->blow_up_at ? 1e30 : 1;
    if (step == w->stop_at) event->stop = true;
    return FM_OK;
}

/* The rate of the step after number 1050 is far too large: the variables become useless in that
 * step and the next one finds out. The variables are then those of before the first NaN or
 * infinity. */
static void the_first_layer_is_named_and_the_step_undone(void **state)
{
    fixture *f = *state;
    const fm_optimizer sgd = {FM_SGD};
    trainer t = open_trainer(f->context, sgd), undisturbed = open_trainer(f->context, sgd);
    uint32_t indices[1200];
    for (uint32_t i = 0; i < 1200; i++) indices[i] = i % PROBLEM_SAMPLES;
    fm_dataset *longer;
    assert_ok(f->context, fm_dataset_view(f->context, t.data, indices, 1200, &longer));
    wrecker w = {.blow_up_at = 1050};
    const fm_callback callback = {.name = "wrecker", .user = &w, .batch_end = wreck};
    const fm_fit_options options = {.batch_size = 1, .callbacks = &callback, .callback_count = 1};
    assert_fails(f->context, FM_ERROR_NONFINITE, "came from dense",
                 fm_fit(t.model, longer, &options));
    const char *message = fm_error_message(f->context);
    assert_non_null(strstr(message, "epoch 1, batch 105"));
    assert_non_null(strstr(message, "are those of before that step"));

    fm_fit_options again = options;
    again.resume = true;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "cannot be resumed",
                 fm_fit(t.model, longer, &again));
    uint64_t step = fm_store_step(fm_model_store(t.model));
    assert_true(step == 1050 || step == 1051);
    w.stop_at = step;
    assert_ok(f->context, fm_fit(undisturbed.model, longer, &options));
    assert_true(problem_digest(t.model) == problem_digest(undisturbed.model));
    fm_dataset_destroy(longer);
    close_trainer(&t);
    close_trainer(&undisturbed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(it_stops_after_its_patience),
        fixture_test(the_best_epoch_is_restored),
        fixture_test(the_epoch_that_is_restored_is_told),
        fixture_test(a_run_that_goes_on_keeps_its_best),
        fixture_test(metrics_are_watched_upwards),
        fixture_test(what_cannot_be_watched_is_listed),
        fixture_test(the_rate_falls_on_a_plateau),
        fixture_test(data_with_a_nan_is_named),
        fixture_test(a_label_without_a_class_is_named),
        fixture_test(a_label_that_is_no_number_is_named),
        fixture_test(the_first_layer_is_named_and_the_step_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
