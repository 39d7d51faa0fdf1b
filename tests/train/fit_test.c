#include "support/training_problem.h"
#include "base/file.h"
#include "base/memory.h"
#include "fathom/nn.h"

#include <sys/stat.h>
#include <unistd.h>

typedef struct trainer {
    fm_model *model;
    fm_dataset *data, *test;
} trainer;

static trainer open_trainer(fm_context *context)
{
    trainer t;
    assert_ok(context, problem_model(context, &t.model));
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

static void training_learns(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    assert_ok(f->context,
              fm_fit(t.model, t.data, &(fm_fit_options){.epochs = 15, .validation = t.test}));
    const fm_history *history = fm_model_history(t.model);
    assert_int_equal(history->count, 15);
    assert_int_equal(history->stop, FM_STOP_EPOCHS);
    const fm_epoch *first = &history->epochs[0], *last = &history->epochs[14];
    assert_int_equal(last->epoch, 14);
    assert_int_equal(last->train.samples, PROBLEM_SAMPLES);
    assert_true(last->train.loss < 0.6 * first->train.loss);
    assert_true(last->validation.metrics[0] > 0.75);
    assert_true(last->validation.metrics[1] > 0.9);
    assert_near(last->learning_rate, 0.01, 1e-12);
    assert_int_equal(fm_store_step(fm_model_store(t.model)), 15 * 5);
    double value;
    assert_true(fm_epoch_value(t.model, last, "val_accuracy", &value));
    assert_true(value == last->validation.metrics[0]);
    assert_true(fm_epoch_value(t.model, last, "loss", &value));
    assert_true(value == last->train.loss);
    assert_false(fm_epoch_value(t.model, last, "val_f1", &value));
    close_trainer(&t);
}

static void evaluate_is_what_fit_validated(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    assert_ok(f->context,
              fm_fit(t.model, t.data, &(fm_fit_options){.epochs = 2, .validation = t.test}));
    fm_scores scores;
    assert_ok(f->context, fm_evaluate(t.model, t.test, NULL, &scores));
    const fm_epoch *last = &fm_model_history(t.model)->epochs[1];
    assert_true(scores.loss == last->validation.loss);
    assert_true(scores.metrics[1] == last->validation.metrics[1]);
    assert_int_equal(scores.samples, PROBLEM_SAMPLES);
    fm_scores once;
    assert_ok(f->context,
              fm_evaluate(t.model, t.test, &(fm_evaluate_options){.batch_size = 150, .workers = 1},
                          &once));
    assert_near(once.loss, scores.loss, 1e-6);
    assert_true(once.metrics[0] == scores.metrics[0]);
    close_trainer(&t);
}

/* The last fifth, in the data's order, whatever the seed (Keras). */
static void validation_split_is_the_end(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    fm_dataset *front, *back;
    assert_ok(f->context, fm_dataset_range(f->context, t.data, 0, 120, &front));
    assert_ok(f->context, fm_dataset_range(f->context, t.data, 120, 30, &back));
    assert_ok(f->context,
              fm_fit(t.model, t.data, &(fm_fit_options){.epochs = 2, .validation_split = 0.2}));
    trainer other = open_trainer(f->context);
    assert_ok(f->context,
              fm_fit(other.model, front, &(fm_fit_options){.epochs = 2, .validation = back}));
    assert_same_history(fm_model_history(t.model), fm_model_history(other.model), 2);
    assert_int_equal(fm_model_history(t.model)->epochs[0].validation.samples, 30);
    assert_fails(
        f->context, FM_ERROR_ARGUMENT, "not both",
        fm_fit(t.model, t.data, &(fm_fit_options){.validation_split = 0.5, .validation = t.test}));
    close_trainer(&t);
    close_trainer(&other);
    fm_dataset_destroy(front);
    fm_dataset_destroy(back);
}

/* The loss of an epoch is the mean over samples: a last batch of 22 counts 22 times. */
typedef struct summing {
    double loss_sum;
    int64_t samples, before;
} summing;

static fm_status sum_batches(void *user, fm_event *event)
{
    summing *s = user;
    int64_t count = event->samples - s->before;
    s->before = event->samples;
    s->loss_sum += event->loss * (double)count;
    s->samples += count;
    return FM_OK;
}

static void epoch_loss_is_a_mean_over_samples(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    summing s = {0};
    const fm_callback callback = {.name = "sum", .user = &s, .batch_end = sum_batches};
    assert_ok(f->context, fm_fit(t.model, t.data,
                                 &(fm_fit_options){.callbacks = &callback, .callback_count = 1}));
    assert_int_equal(s.samples, PROBLEM_SAMPLES);
    assert_true(fm_model_history(t.model)->epochs[0].train.loss == s.loss_sum / PROBLEM_SAMPLES);
    assert_ok(f->context, fm_fit(t.model, t.data, &(fm_fit_options){.drop_last = true}));
    assert_int_equal(fm_model_history(t.model)->epochs[0].train.samples, 128);
    close_trainer(&t);
}

/* ---- callbacks ---- */

typedef struct diary {
    char words[512];
    int stop_after_batches;
} diary;

static fm_status note(diary *d, const char *word)
{
    strncat(d->words, word, sizeof d->words - strlen(d->words) - 1);
    return FM_OK;
}

static fm_status on_train_begin(void *user, fm_event *event)
{
    assert_int_equal(event->epochs, 2);
    assert_int_equal(event->batches, 2);
    return note(user, "(");
}

static fm_status on_epoch_begin(void *user, fm_event *event)
{
    return note(user, event->epoch ? "1" : "0");
}

static fm_status on_batch_end(void *user, fm_event *event)
{
    diary *d = user;
    fm_scores scores;
    fm_event_scores(event, &scores);
    assert_int_equal(scores.samples, event->samples);
    assert_true(isfinite(scores.loss) && isfinite(event->loss) && event->learning_rate > 0);
    assert_true(event->epoch_samples == PROBLEM_SAMPLES && event->seconds >= 0);
    assert_true(event->eta >= event->epoch_eta);
    if (d->stop_after_batches && --d->stop_after_batches == 0) event->stop = true;
    return note(user, "b");
}

static fm_status on_validation(void *user, fm_event *event)
{
    (void)event;
    return note(user, "v");
}

static fm_status on_epoch_end(void *user, fm_event *event)
{
    assert_non_null(event->finished);
    assert_int_equal(event->finished->validation.samples, PROBLEM_SAMPLES);
    return note(user, ".");
}

static fm_status on_train_end(void *user, fm_event *event)
{
    (void)event;
    return note(user, ")");
}

static fm_callback diary_callback(diary *d)
{
    return (fm_callback){.name = "diary",
                         .user = d,
                         .train_begin = on_train_begin,
                         .epoch_begin = on_epoch_begin,
                         .batch_end = on_batch_end,
                         .validation_begin = on_validation,
                         .epoch_end = on_epoch_end,
                         .train_end = on_train_end};
}

static void *allocate_below_a_megabyte(void *user, size_t size)
{
    (void)user;
    return size < 1 << 20 ? malloc(size) : NULL;
}

static void release(void *user, void *pointer)
{
    (void)user;
    free(pointer);
}

/* Nothing has room for more samples than there are. */
static void a_batch_larger_than_the_data_is_all_of_it(void **state)
{
    (void)state;
    uint64_t digests[2];
    const int64_t sizes[2] = {PROBLEM_SAMPLES, 1 << 24};
    for (int i = 0; i < 2; i++) {
        fm_context *context;
        const fm_context_options options = {.allocate = allocate_below_a_megabyte,
                                            .release = release};
        assert_int_equal(fm_context_create(&options, &context), FM_OK);
        trainer t = open_trainer(context);
        assert_ok(context, fm_fit(t.model, t.data,
                                  &(fm_fit_options){
                                      .batch_size = sizes[i], .epochs = 3, .validation = t.test}));
        digests[i] = problem_digest(t.model);
        close_trainer(&t);
        fm_context_destroy(context);
    }
    assert_true(digests[0] == digests[1]);
}

static void hooks_come_in_order(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    diary d = {0};
    const fm_callback callback = diary_callback(&d);
    fm_fit_options options = {.epochs = 2,
                              .batch_size = 100,
                              .validation = t.test,
                              .callbacks = &callback,
                              .callback_count = 1};
    assert_ok(f->context, fm_fit(t.model, t.data, &options));
    assert_string_equal(d.words, "(0bbv.1bbv.)");
    assert_int_equal(fm_model_history(t.model)->stop, FM_STOP_EPOCHS);
    close_trainer(&t);
}

/* Stopped in the middle and resumed, everything is as if it had not been stopped. */
static void a_callback_stops_and_fit_resumes(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context), whole = open_trainer(f->context);
    diary d = {.stop_after_batches = 3};
    const fm_callback callback = diary_callback(&d);
    fm_fit_options options = {.epochs = 2,
                              .batch_size = 100,
                              .validation = t.test,
                              .callbacks = &callback,
                              .callback_count = 1};
    assert_ok(f->context, fm_fit(t.model, t.data, &options));
    assert_string_equal(d.words, "(0bbv.1b)");
    assert_int_equal(fm_model_history(t.model)->stop, FM_STOP_CALLBACK);
    assert_int_equal(fm_model_history(t.model)->count, 1);

    options.resume = true;
    options.batch_size = 50;
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "stands at batch 1 of an epoch with batch_size 100, received 50",
                 fm_fit(t.model, t.data, &options));
    options.batch_size = 100;
    assert_ok(f->context, fm_fit(t.model, t.data, &options));
    assert_string_equal(d.words, "(0bbv.1b)(1bv.)");
    d = (diary){0};
    assert_ok(f->context, fm_fit(whole.model, whole.data, &options));
    assert_true(problem_digest(t.model) == problem_digest(whole.model));
    assert_same_history(fm_model_history(t.model), fm_model_history(whole.model), 2);
    close_trainer(&t);
    close_trainer(&whole);
}

static fm_status refuse(void *user, fm_event *event)
{
    (void)user;
    (void)event;
    return FM_ERROR_CANCELLED;
}

static void a_failing_hook_ends_fit(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    fm_callback two[2] = {{.name = "a"}, {.name = "no", .epoch_begin = refuse}};
    fm_fit_options options = {.callbacks = two, .callback_count = 2};
    assert_fails(f->context, FM_ERROR_CANCELLED, "callback 'no' failed",
                 fm_fit(t.model, t.data, &options));
    two[1].name = "a";
    assert_fails(f->context, FM_ERROR_ARGUMENT, "two callbacks are called 'a'",
                 fm_fit(t.model, t.data, &options));
    close_trainer(&t);
}

static fm_status spoil(void *user, fm_event *event)
{
    event->rate_factor = *(const double *)user;
    return FM_OK;
}

static void a_mistaken_callback_is_told(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    double factor = NAN;
    fm_callback callback = {.name = "spoil", .user = &factor, .batch_end = spoil};
    const fm_fit_options options = {.callbacks = &callback, .callback_count = 1};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "callback 'spoil' set rate_factor to nan",
                 fm_fit(t.model, t.data, &options));
    factor = -1;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "callback 'spoil' set rate_factor to -1",
                 fm_fit(t.model, t.data, &options));
    factor = 1;
    callback.state_count = 2;
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "callback 'spoil' has a state_count of 2 and no state",
                 fm_fit(t.model, t.data, &options));
    callback.state_count = -2;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "callback 'spoil' has a state_count of -2",
                 fm_fit(t.model, t.data, &options));
    callback.state_count = 0;
    assert_ok(f->context, fm_fit(t.model, t.data, &options));
    close_trainer(&t);
}

static fm_status halve(void *user, fm_event *event)
{
    (void)user;
    event->rate_factor /= 2;
    return FM_OK;
}

static void a_hook_changes_the_rate(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    const fm_callback callback = {.name = "halve", .epoch_end = halve};
    assert_ok(f->context,
              fm_fit(t.model, t.data,
                     &(fm_fit_options){.epochs = 3, .callbacks = &callback, .callback_count = 1}));
    const fm_epoch *epochs = fm_model_history(t.model)->epochs;
    assert_near(epochs[0].learning_rate, 0.01, 1e-15);
    assert_near(epochs[2].learning_rate, 0.0025, 1e-15);
    close_trainer(&t);
}

static void the_time_limit_ends_training(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    assert_ok(f->context,
              fm_fit(t.model, t.data, &(fm_fit_options){.epochs = 1000000, .time_limit = 1e-9}));
    assert_int_equal(fm_model_history(t.model)->stop, FM_STOP_TIME);
    assert_int_equal(fm_store_step(fm_model_store(t.model)), 1);
    close_trainer(&t);
}

/* ---- what a step costs, and what threads change: nothing ---- */

typedef struct counting {
    fixture *f;
    long before, in_steps;
    bool started;
} counting;

static fm_status count_allocations(void *user, fm_event *event)
{
    counting *c = user;
    long made = atomic_load(&c->f->made);
    if (event->batch > 1) c->in_steps += made - c->before;
    c->before = atomic_load(&c->f->made);
    return FM_OK;
}

static void a_step_allocates_nothing(void **state)
{
    fixture *f = *state;
    trainer t;
    fm_model_options options = problem_options();
    options.metric_count = 1; /* auc keeps every score */
    assert_ok(f->context, fm_model_create(f->context, &options, &t.model));
    assert_ok(f->context, problem_data(f->context, 7, &t.data));
    t.test = NULL;
    for (int workers = 0; workers < 2; workers++) {
        counting c = {.f = f};
        const fm_callback callback = {.name = "count", .user = &c, .batch_end = count_allocations};
        assert_ok(f->context, fm_fit(t.model, t.data,
                                     &(fm_fit_options){.epochs = 3,
                                                       .batch_size = 16,
                                                       .workers = workers,
                                                       .callbacks = &callback,
                                                       .callback_count = 1}));
        assert_int_equal(c.in_steps, 0);
    }
    close_trainer(&t);
}

static uint64_t train_with(fixture *f, int threads, int workers)
{
    fm_context *context = fixture_context(f, threads);
    trainer t = open_trainer(context);
    assert_ok(context,
              fm_fit(t.model, t.data,
                     &(fm_fit_options){.epochs = 3, .validation = t.test, .workers = workers}));
    uint64_t digest = problem_digest(t.model);
    close_trainer(&t);
    fm_context_destroy(context);
    return digest;
}

static void threads_and_workers_change_no_bit(void **state)
{
    fixture *f = *state;
    uint64_t digest = train_with(f, 1, 0);
    assert_true(digest == train_with(f, 2, 0));
    assert_true(digest == train_with(f, 2, 2));
}

static void seeds_matter(void **state)
{
    fixture *f = *state;
    trainer a = open_trainer(f->context), b = open_trainer(f->context);
    assert_ok(f->context, fm_fit(a.model, a.data, NULL));
    assert_ok(f->context, fm_fit(b.model, b.data, &(fm_fit_options){.seed = 2}));
    assert_true(problem_digest(a.model) != problem_digest(b.model));
    close_trainer(&a);
    close_trainer(&b);
}

/* ---- steps by hand, predictions ---- */

static void a_loop_of_ones_own_is_fit(void **state)
{
    fixture *f = *state;
    trainer a = open_trainer(f->context), b = open_trainer(f->context);
    assert_ok(f->context, fm_fit(a.model, a.data, &(fm_fit_options){.epochs = 2}));
    fm_loader *loader;
    assert_ok(f->context,
              fm_loader_create(f->context, b.data, &(fm_loader_options){.shuffle = true, .seed = 1},
                               &loader));
    double loss;
    for (int64_t epoch = 0; epoch < 2; epoch++) {
        assert_ok(f->context, fm_loader_begin(loader, epoch, 0));
        fm_batch batch;
        while (fm_loader_next(loader, &batch) == FM_OK && batch.count > 0) {
            double rate = fm_model_rate(b.model, 5);
            assert_ok(f->context, fm_train_step(b.model, &batch, rate, &loss));
            assert_non_null(fm_step_prediction(b.model, FM_TRAIN, batch.count));
        }
    }
    assert_true(problem_digest(a.model) == problem_digest(b.model));
    assert_null(fm_step_prediction(b.model, FM_EVALUATE, 32));
    fm_loader_destroy(loader);
    close_trainer(&a);
    close_trainer(&b);
}

static void unaligned_batches_are_copied(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    _Alignas(64) float x[4 * PROBLEM_INPUTS + 1] = {0};
    _Alignas(64) int32_t y[5] = {0, 1, 2, 0, 1};
    for (int i = 0; i <= 4 * PROBLEM_INPUTS; i++) x[i] = 0.1f * (float)(i % 7);
    double a, b, c;
    const fm_batch there = {.count = 4, .x = x + 1, .y = y + 1};
    assert_ok(f->context, fm_evaluate_step(t.model, &there, &a));
    memmove(x, x + 1, sizeof x - sizeof *x);
    memmove(y, y + 1, sizeof y - sizeof *y);
    const fm_batch here = {.count = 4, .x = x, .y = y};
    assert_ok(f->context, fm_evaluate_step(t.model, &here, &b));
    assert_true(a == b && isfinite(a));
    x[0] += 1;
    assert_ok(f->context, fm_evaluate_step(t.model, &here, &c));
    assert_true(a != c);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "x and y",
                 fm_evaluate_step(t.model, &(fm_batch){.count = 4, .x = x}, &a));
    close_trainer(&t);
}

static void predictions_do_not_depend_on_the_batch(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    static float x[PROBLEM_SAMPLES][PROBLEM_INPUTS];
    float a[PROBLEM_SAMPLES][3], b[PROBLEM_SAMPLES][3], c[PROBLEM_SAMPLES][3];
    fm_data_request all = {.count = PROBLEM_SAMPLES, .fields = {x}};
    assert_ok(f->context, fm_dataset_read(f->context, t.data, &all));
    assert_ok(f->context, fm_predict(t.model, t.data, NULL, a));
    assert_ok(f->context,
              fm_predict(t.model, t.data, &(fm_predict_options){.batch_size = 7, .workers = 1}, b));
    assert_ok(f->context, fm_predict_samples(t.model, x, PROBLEM_SAMPLES,
                                             &(fm_predict_options){.probabilities = true}, c));
    for (int i = 0; i < PROBLEM_SAMPLES; i++) {
        float sum = 0, largest = fmaxf(fmaxf(a[i][0], a[i][1]), a[i][2]);
        for (int k = 0; k < 3; k++) sum += expf(a[i][k] - largest);
        for (int k = 0; k < 3; k++) {
            assert_near(a[i][k], b[i][k], 1e-6);
            assert_near(c[i][k], expf(a[i][k] - largest) / sum, 1e-5);
        }
    }
    close_trainer(&t);
}

/* ---- mistakes ---- */

static fm_val no_model(fm_graph *g, fm_val x, void *argument)
{
    (void)g;
    (void)x;
    (void)argument;
    return (fm_val){0};
}

static fm_val loses_the_batch(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    (void)x;
    return fm_full(g, FM_SHAPE(7), 0);
}

/* Programs are compiled long after the options are gone. */
static void the_list_of_backends_is_copied(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    fm_model_destroy(t.model);
    char name[] = "portable";
    const char *backends[] = {name, NULL};
    const fm_program_options program = {.backends = backends};
    fm_model_options options = problem_options();
    options.program = &program;
    assert_ok(f->context, fm_model_create(f->context, &options, &t.model));
    memset(name, 'x', sizeof name - 1);
    assert_ok(f->context, fm_fit(t.model, t.data, NULL));
    backends[0] = NULL;
    assert_ok(f->context, fm_evaluate(t.model, t.data, NULL, &(fm_scores){0}));
    close_trainer(&t);
}

static void wrong_models_are_refused(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_model_options options = problem_options();
    options.metrics[1] = (fm_metric_options){.metric = FM_ACCURACY};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "two metrics are called 'accuracy'",
                 fm_model_create(f->context, &options, &model));
    assert_null(model);
    options = problem_options();
    options.build = no_model;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "returned no value",
                 fm_model_create(f->context, &options, &model));
    options.build = loses_the_batch;
    assert_fails(f->context, FM_ERROR_SHAPE, "returned f32 (7)",
                 fm_model_create(f->context, &options, &model));
    options = problem_options();
    options.loss = 999;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "no loss 999",
                 fm_model_create(f->context, &options, &model));
    options = problem_options();
    options.input_shape = FM_SHAPE(0);
    assert_fails(f->context, FM_ERROR_SHAPE, "cannot have the shape (0)",
                 fm_model_create(f->context, &options, &model));
    options = problem_options();
    options.dtype = FM_I32;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "dtype must be f32 or f64, received i32",
                 fm_model_create(f->context, &options, &model));
    options = problem_options();
    options.loss_options.class_weights = (const double[]){1, 1, 1};
    options.loss_options.class_count = -3;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "class_count must be 1 to 1048576, received -3",
                 fm_model_create(f->context, &options, &model));
    options = problem_options();
    options.metric_count = 17;
    assert_fails(f->context, FM_ERROR_LIMIT, "at most 16",
                 fm_model_create(f->context, &options, &model));
}

static void data_that_does_not_fit_is_refused(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_dataset *wrong;
    static const float x[2][5], y[2][3];
    fm_dataset_info info = {
        .name = "wrong",
        .count = 2,
        .field_count = 2,
        .fields = {{"x", FM_F32, FM_SHAPE(5), NULL}, {"y", FM_F32, FM_SHAPE(3), NULL}}};
    const void *const data[] = {x, y};
    fm_scores scores;
    assert_ok(f->context, problem_model(f->context, &model));
    assert_ok(f->context, fm_dataset_from_arrays(f->context, &info, data, true, &wrong));
    assert_fails(f->context, FM_ERROR_SHAPE, "\"x\" is f32 (5), the model wants f32 (4)",
                 fm_fit(model, wrong, NULL));
    fm_dataset_destroy(wrong);
    info.fields[0].shape = FM_SHAPE(4);
    assert_ok(f->context, fm_dataset_from_arrays(f->context, &info, data, true, &wrong));
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "\"y\" is f32 (3), sparse_categorical_crossentropy wants i32 ()",
                 fm_evaluate(model, wrong, NULL, &scores));
    fm_dataset_destroy(wrong);
    info.field_count = 1;
    assert_ok(f->context, fm_dataset_from_arrays(f->context, &info, data, true, &wrong));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "has no \"y\"", fm_fit(model, wrong, NULL));
    fm_dataset_destroy(wrong);
    fm_model_destroy(model);
}

static void options_out_of_range_are_refused(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "epochs",
                 fm_fit(t.model, t.data, &(fm_fit_options){.epochs = -1}));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "validation_split",
                 fm_fit(t.model, t.data, &(fm_fit_options){.validation_split = 1.5}));
    float x[PROBLEM_INPUTS] = {0}, y[3];
    assert_fails(f->context, FM_ERROR_ARGUMENT, "predict: a count of -1 samples",
                 fm_predict_samples(t.model, x, -1, NULL, y));
    fm_graph *graph;
    fm_program *program;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "there is no mode number 9",
                 fm_model_program(t.model, (fm_mode)9, 4, &program));
    assert_null(program);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "there is no mode number -1",
                 fm_model_graph(t.model, (fm_mode)-1, 4, &graph));
    close_trainer(&t);
}

static fm_status fail_in_epoch(void *user, fm_event *event)
{
    (void)user;
    (void)event;
    fail_msg("an epoch began");
    return FM_OK;
}

/* Each is refused before the first step: nothing is left behind, and what is there stays. */
static void files_that_cannot_be_written_are_refused_first(void **state)
{
    fixture *f = *state;
    static const char kept[] = "what was here before";
    trainer t = open_trainer(f->context);
    const char *good = fixture_file(f, "good", kept, sizeof kept);
    const char *none = fixture_path(f, "none/file"), *made = fixture_path(f, "made");
    const fm_checkpoint path = {.path = none}, best = {.best = none}, over = {.path = good},
                        both = {.path = made, .best = made};
    const fm_callback callback = {.name = "epochs", .epoch_begin = fail_in_epoch};
    const struct {
        fm_fit_options options;
        fm_status status;
        const char *words;
    } cases[] = {
        {{.csv = none}, FM_ERROR_NOT_FOUND, "none/file: cannot create: No such file or directory"},
        {{.csv = good, .timeline = none}, FM_ERROR_NOT_FOUND, "none/file: cannot create"},
        {{.csv = made, .timeline = f->folder}, FM_ERROR_IO, "is a folder, the name of a file was"},
#ifdef FATHOM_HAVE_FILES
        {{.csv = made, .checkpoint = &path}, FM_ERROR_NOT_FOUND, "none/file: cannot create"},
        {{.csv = good, .checkpoint = &best}, FM_ERROR_NOT_FOUND, "none/file: cannot create"},
        {{.csv = good, .checkpoint = &over},
         FM_ERROR_ARGUMENT,
         "good: the history would be written over the model"},
        {{.checkpoint = &both},
         FM_ERROR_ARGUMENT,
         "made: the best model would be written over the model"},
#endif
        {{.csv = made, .timeline = made},
         FM_ERROR_ARGUMENT,
         "made: the history would be written over the timeline"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_fit_options options = cases[i].options;
        options.callbacks = &callback;
        options.callback_count = 1;
        assert_fails(f->context, cases[i].status, cases[i].words,
                     fm_fit(t.model, t.data, &options));
        assert_int_equal(fm_store_step(fm_model_store(t.model)), 0);
    }
    char *bytes;
    size_t size;
    assert_ok(f->context, fm_file_read(f->context, good, 100, &bytes, &size));
    assert_int_equal(size, sizeof kept);
    assert_memory_equal(bytes, kept, size);
    fm_release(f->context, bytes);
    assert_int_equal(remove(good), 0);
    assert_int_equal(rmdir(f->folder), 0); /* it is empty */
    assert_int_equal(mkdir(f->folder, 0700), 0);
    close_trainer(&t);
}

static void no_samples_are_no_mistake(void **state)
{
    fixture *f = *state;
    trainer t = open_trainer(f->context);
    fm_dataset *none;
    fm_scores scores;
    assert_ok(f->context, fm_dataset_range(f->context, t.data, 0, 0, &none));
    assert_ok(f->context, fm_evaluate(t.model, t.data, NULL, &scores));
    assert_ok(f->context, fm_evaluate(t.model, none, NULL, &scores));
    assert_int_equal(scores.samples, 0);
    assert_true(isnan(scores.loss));
    for (int i = 0; i < fm_model_metric_count(t.model); i++) assert_true(isnan(scores.metrics[i]));
    assert_ok(f->context, fm_predict(t.model, none, NULL, NULL));
    assert_ok(f->context, fm_predict_samples(t.model, NULL, 0, NULL, NULL));
    fm_dataset_destroy(none);
    close_trainer(&t);
}

static trainer open_averaged(fixture *f, int64_t accumulate_steps)
{
    trainer t = open_trainer(f->context);
    fm_model_destroy(t.model);
    fm_model_options options = problem_options();
    options.optimizer.ema_momentum = 0.9;
    options.optimizer.accumulate_steps = accumulate_steps;
    assert_ok(f->context, fm_model_create(f->context, &options, &t.model));
    return t;
}

/* Validation uses the averages, training goes on with the weights. */
static void averages_are_evaluated(void **state)
{
    fixture *f = *state;
    trainer plain = open_trainer(f->context), averaged = open_averaged(f, 0);
    fm_fit_options fit = {.epochs = 2, .validation = plain.test};
    assert_ok(f->context, fm_fit(plain.model, plain.data, &fit));
    assert_ok(f->context, fm_fit(averaged.model, averaged.data, &fit));
    const fm_epoch *a = &fm_model_history(plain.model)->epochs[1];
    const fm_epoch *b = &fm_model_history(averaged.model)->epochs[1];
    assert_true(a->train.loss == b->train.loss);
    assert_true(a->validation.loss != b->validation.loss);
    close_trainer(&plain);
    close_trainer(&averaged);
}

/* Before the first update there are none: zeros are no weights. */
static void averages_begin_with_the_first_update(void **state)
{
    fixture *f = *state;
    trainer plain = open_trainer(f->context),
            averaged = open_averaged(f, 100); /* an epoch has less */
    fm_scores scores;
    assert_ok(f->context, fm_evaluate(plain.model, plain.test, NULL, &scores));
    assert_ok(f->context,
              fm_fit(averaged.model, averaged.data, &(fm_fit_options){.validation = plain.test}));
    assert_true(fm_model_history(averaged.model)->epochs[0].validation.loss == scores.loss);
    close_trainer(&plain);
    close_trainer(&averaged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(training_learns),
        fixture_test(evaluate_is_what_fit_validated),
        fixture_test(validation_split_is_the_end),
        fixture_test(epoch_loss_is_a_mean_over_samples),
        fixture_test(a_batch_larger_than_the_data_is_all_of_it),
        fixture_test(hooks_come_in_order),
        fixture_test(a_callback_stops_and_fit_resumes),
        fixture_test(a_failing_hook_ends_fit),
        fixture_test(a_mistaken_callback_is_told),
        fixture_test(a_hook_changes_the_rate),
        fixture_test(the_time_limit_ends_training),
        fixture_test(a_step_allocates_nothing),
        fixture_test(threads_and_workers_change_no_bit),
        fixture_test(seeds_matter),
        fixture_test(a_loop_of_ones_own_is_fit),
        fixture_test(unaligned_batches_are_copied),
        fixture_test(predictions_do_not_depend_on_the_batch),
        fixture_test(the_list_of_backends_is_copied),
        fixture_test(wrong_models_are_refused),
        fixture_test(data_that_does_not_fit_is_refused),
        fixture_test(options_out_of_range_are_refused),
        fixture_test(files_that_cannot_be_written_are_refused_first),
        fixture_test(no_samples_are_no_mistake),
        fixture_test(averages_are_evaluated),
        fixture_test(averages_begin_with_the_first_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
