/* The n-th allocation fails, n = 1, 2, 3, ...: an error each time, and nothing is lost. */
#include "support/training_problem.h"
#include "fathom/model_file.h"

typedef struct pieces {
    fm_dataset *data;
    const char *path;
} pieces;

static fm_status create(fm_context *context, void *argument)
{
    (void)argument;
    fm_model *model;
    fm_status status = problem_model(context, &model);
    fm_model_destroy(model);
    return status;
}

static fm_status compile(fm_context *context, void *argument)
{
    (void)argument;
    fm_model *model;
    fm_program *program;
    fm_status status = problem_model(context, &model);
    if (status == FM_OK) status = fm_model_program(model, FM_TRAIN, 32, &program);
    if (status == FM_OK) status = fm_model_program(model, FM_EVALUATE, 32, &program);
    fm_model_destroy(model);
    return status;
}

static fm_status step(fm_context *context, void *argument)
{
    (void)argument;
    static const float x[2][PROBLEM_INPUTS];
    static const int32_t y[2];
    fm_model *model;
    fm_status status = problem_model(context, &model);
    if (status == FM_OK) {
        status = fm_train_step(model, &(fm_batch){.count = 2, .x = x, .y = y}, 0.1, NULL);
    }
    fm_model_destroy(model);
    return status;
}

static fm_status fit(fm_context *context, void *argument)
{
    const pieces *p = argument;
    fm_model *model;
    const fm_early_stopping early = {.restore_best = true};
    const fm_reduce_on_plateau plateau = {.monitor = "loss"};
    fm_status status = problem_model(context, &model);
    if (status == FM_OK) {
        status = fm_fit(model, p->data,
                        &(fm_fit_options){.batch_size = 100,
                                          .validation_split = 0.1,
                                          .early_stopping = &early,
                                          .csv = p->path,
                                          .reduce_on_plateau = &plateau});
    }
    fm_model_destroy(model);
    return status;
}

static fm_status save_and_load(fm_context *context, void *argument)
{
    const pieces *p = argument;
    fm_model *model, *other = NULL;
    fm_status status = problem_model(context, &model);
    if (status == FM_OK) status = fm_model_set_note(model, "recipe", "words");
    if (status == FM_OK) status = fm_model_set_note(model, "recipe", "other words");
    if (status == FM_OK) status = fm_model_save(model, p->path, NULL);
    if (status == FM_OK) status = problem_model(context, &other);
    if (status == FM_OK) status = fm_model_load(other, p->path, NULL);
    fm_model_destroy(model);
    fm_model_destroy(other);
    return status;
}

static fm_status load_checkpoint(fm_context *context, void *argument)
{
    const pieces *p = argument;
    fm_model *model;
    fm_status status = problem_model(context, &model);
    if (status == FM_OK) status = fm_model_load(model, p->path, NULL);
    fm_model_destroy(model);
    return status;
}

static fm_status predict(fm_context *context, void *argument)
{
    const pieces *p = argument;
    fm_model *model;
    fm_scores scores;
    static float predictions[PROBLEM_SAMPLES][PROBLEM_CLASSES];
    fm_status status = problem_model(context, &model);
    if (status == FM_OK) status = fm_predict(model, p->data, NULL, predictions);
    if (status == FM_OK) status = fm_evaluate(model, p->data, NULL, &scores);
    fm_model_destroy(model);
    return status;
}

static void creating(void **state)
{
    fail_each_allocation(*state, create, NULL);
}

static void compiling(void **state)
{
    fail_each_allocation(*state, compile, NULL);
}

static void stepping(void **state)
{
    fail_each_allocation(*state, step, NULL);
}

static void with_data(fixture *f, fm_status (*body)(fm_context *, void *))
{
    pieces p = {.path = fixture_path(f, "file")};
    assert_ok(f->context, problem_data(f->context, 7, &p.data));
    fail_each_allocation(f, body, &p);
    fm_dataset_destroy(p.data);
}

static void fitting(void **state)
{
    with_data(*state, fit);
}

static void saving_and_loading(void **state)
{
    with_data(*state, save_and_load);
}

static void predicting(void **state)
{
    with_data(*state, predict);
}

static fm_status stop(void *user, fm_event *event)
{
    (void)user;
    event->stop = event->epoch == 1;
    return FM_OK;
}

/* With all that a checkpoint may hold. */
static void loading_a_checkpoint(void **state)
{
    fixture *f = *state;
    fm_model *model;
    pieces p = {.path = fixture_path(f, "file")};
    double number = 3;
    const fm_early_stopping early = {.restore_best = true, .patience = 5};
    const fm_checkpoint checkpoint = {.path = p.path};
    const fm_callback callback = {
        .name = "stop", .batch_end = stop, .state = &number, .state_count = 1};
    assert_ok(f->context, problem_model(f->context, &model));
    assert_ok(f->context, problem_data(f->context, 7, &p.data));
    assert_ok(f->context, fm_fit(model, p.data,
                                 &(fm_fit_options){.epochs = 3,
                                                   .early_stopping = &early,
                                                   .checkpoint = &checkpoint,
                                                   .callbacks = &callback,
                                                   .callback_count = 1}));
    fail_each_allocation(f, load_checkpoint, &p);
    fm_model_destroy(model);
    fm_dataset_destroy(p.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(creating),
        fixture_test(compiling),
        fixture_test(stepping),
        fixture_test(fitting),
        fixture_test(saving_and_loading),
        fixture_test(predicting),
        fixture_test(loading_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
