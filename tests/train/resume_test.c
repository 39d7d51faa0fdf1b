/* A run that is killed and resumed ends with the same bits as one that is not: in the middle of an
 * epoch, between epochs, while a file is written. The run that is killed is this program itself,
 * started again with the word "train". */
#define _GNU_SOURCE
#include "support/training_problem.h"
#include "base/random.h"
#include "fathom/model_file.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* Everything that has state: early stopping with its best variables, plateau, averages, accumulated
 * gradients, metrics with all their scores, a callback with a number of its own. */
static fm_status add_one(void *user, fm_event *event)
{
    double *number = user;
    *number += 1 + 0.25 * event->loss;
    return FM_OK;
}

typedef struct setup {
    const char *path;
    int64_t epochs, every_steps;
    bool resume;
    int monitor_mode; /* FM_MONITOR_MAXIMIZE: the first epoch is the best */
    fm_status (*after_batch)(void *user, fm_event *event);
    fm_status (*after_epoch)(void *user, fm_event *event);
    void *user;
} setup;

static fm_status open_model(fm_context *context, fm_model **model)
{
    fm_model_options options = problem_options();
    options.optimizer = (fm_optimizer){
        .rule = FM_ADAM, .learning_rate = 0.02, .accumulate_steps = 2, .ema_momentum = 0.9};
    options.schedule = (fm_schedule){.kind = FM_SCHEDULE_EXPONENTIAL, .decay_steps = 10};
    return fm_model_create(context, &options, model);
}

/* Trains to the end; *number is the callback's. */
static fm_status run(fm_context *context, const setup *s, fm_model **model, double *number)
{
    fm_dataset *data = NULL, *test = NULL;
    const fm_early_stopping early = {
        .patience = 100, .restore_best = true, .mode = s->monitor_mode};
    const fm_reduce_on_plateau plateau = {
        .rule = {.factor = 0.5, .patience = 1, .min_delta = 0.02}};
    const fm_checkpoint checkpoint = {.path = s->path, .every_steps = s->every_steps};
    const fm_callback callbacks[2] = {
        {.name = "adder", .user = number, .batch_end = add_one, .state = number, .state_count = 1},
        {.name = "after",
         .user = s->user,
         .batch_end = s->after_batch,
         .epoch_end = s->after_epoch}};
    fm_status status = open_model(context, model);
    if (status == FM_OK) status = problem_data(context, 7, &data);
    if (status == FM_OK) status = problem_data(context, 8, &test);
    if (status == FM_OK && s->resume) status = fm_model_load(*model, s->path, NULL);
    if (status == FM_OK) {
        status = fm_fit(*model, data,
                        &(fm_fit_options){.epochs = s->epochs,
                                          .validation = test,
                                          .resume = s->resume,
                                          .early_stopping = &early,
                                          .reduce_on_plateau = &plateau,
                                          .checkpoint = s->path ? &checkpoint : NULL,
                                          .callbacks = callbacks,
                                          .callback_count = 2});
    }
    fm_dataset_destroy(data);
    fm_dataset_destroy(test);
    return status;
}

static void assert_same_runs(fm_model *a, double a_number, fm_model *b, double b_number)
{
    assert_true(problem_digest(a) == problem_digest(b));
    assert_same_history(fm_model_history(a), fm_model_history(b), 2);
    assert_true(a_number == b_number);
    assert_int_equal(fm_store_step(fm_model_store(a)), fm_store_step(fm_model_store(b)));
}

/* ---- stopped after every possible step ---- */

static fm_status stop_at(void *user, fm_event *event)
{
    if (fm_store_step(fm_model_store(event->model)) == *(uint64_t *)user) event->stop = true;
    return FM_OK;
}

static void resume_after_steps(fixture *f, uint64_t first, uint64_t last, int mode)
{
    fm_model *whole;
    double whole_number = 0;
    assert_ok(f->context,
              run(f->context, &(setup){.epochs = 3, .monitor_mode = mode}, &whole, &whole_number));
    for (uint64_t step = first; step <= last; step++) {
        fm_model *stopped, *resumed;
        double number = 0, resumed_number = 0;
        setup s = {.path = fixture_path(f, "state.safetensors"),
                   .epochs = 3,
                   .monitor_mode = mode,
                   .after_batch = stop_at,
                   .user = &step};
        assert_ok(f->context, run(f->context, &s, &stopped, &number));
        fm_model_destroy(stopped);
        s.after_batch = NULL;
        s.resume = true;
        assert_ok(f->context, run(f->context, &s, &resumed, &resumed_number));
        assert_same_runs(whole, whole_number, resumed, resumed_number);
        fm_model_destroy(resumed);
    }
    fm_model_destroy(whole);
}

static void every_step_can_be_resumed(void **state)
{
    resume_after_steps(*state, 1, 14, FM_MONITOR_AUTO);
}

static void the_best_epoch_survives(void **state)
{
    resume_after_steps(*state, 9, 11, FM_MONITOR_MAXIMIZE);
}

/* ---- ended without a word: what the last hook saved is all there is ---- */

static fm_status slow_down(void *user, fm_event *event)
{
    const uint64_t *end_at = user;
    event->rate_factor *= 0.9;
    return fm_store_step(fm_model_store(event->model)) == *end_at ? FM_ERROR_CANCELLED : FM_OK;
}

static fm_status halve(void *user, fm_event *event)
{
    (void)user;
    event->rate_factor /= 2;
    return FM_OK;
}

/* Saved after steps, and at the ends of epochs (of five steps) alone. */
static void a_rate_that_hooks_change_is_resumed(void **state)
{
    fixture *f = *state;
    uint64_t end_at = 0;
    setup s = {.epochs = 3, .after_batch = slow_down, .after_epoch = halve, .user = &end_at};
    fm_model *whole, *ended, *resumed;
    double whole_number = 0;
    assert_ok(f->context, run(f->context, &s, &whole, &whole_number));
    s.path = fixture_path(f, "state.safetensors");
    for (uint64_t step = 6; step < 12; step++) {
        double number = 0, resumed_number = 0;
        s.every_steps = step % 2;
        s.resume = false;
        end_at = step;
        assert_int_equal(run(f->context, &s, &ended, &number), FM_ERROR_CANCELLED);
        fm_model_destroy(ended);
        s.resume = true;
        end_at = 0;
        assert_ok(f->context, run(f->context, &s, &resumed, &resumed_number));
        assert_same_runs(whole, whole_number, resumed, resumed_number);
        fm_model_destroy(resumed);
    }
    fm_model_destroy(whole);
}

/* ---- killed ---- */

enum { KILLED_EPOCHS = 40 };

static int train_until_killed(const char *path, bool resume)
{
    fm_context *context;
    fm_model *model;
    double number = 0;
    if (fm_context_create(&(fm_context_options){.threads = 2}, &context) != FM_OK) return 2;
    setup s = {.path = path, .epochs = KILLED_EPOCHS, .every_steps = 1, .resume = resume};
    fm_status status = run(context, &s, &model, &number);
    if (status != FM_OK) fprintf(stderr, "%s\n", fm_error_message(context));
    fm_model_destroy(model);
    fm_context_destroy(context);
    return status == FM_OK ? 0 : 2;
}

static pid_t start(const char *path, bool resume)
{
    char *const arguments[] = {"resume_test", resume ? "resume" : "train", (char *)(uintptr_t)path,
                               NULL};
    pid_t child;
    if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ) != 0) return -1;
    return child;
}

static void killed_anywhere_it_ends_the_same(void **state)
{
    fixture *f = *state;
    int rounds = getenv("FATHOM_TEST_LESS") ? 3 : 12, killed = 0;
    fm_model *whole, *resumed;
    double whole_number = 0, number = 0;
    char path[512];
    snprintf(path, sizeof path, "%s", fixture_path(f, "killed.safetensors"));
    assert_ok(f->context,
              run(f->context, &(setup){.epochs = KILLED_EPOCHS}, &whole, &whole_number));
    fm_random random = fm_random_at((uint64_t)getpid(), 0, 0);
    for (int i = 0; i < rounds; i++) {
        bool resume = access(path, F_OK) == 0;
        pid_t child = start(path, resume);
        assert_true(child > 0);
        long wait = 20000000 + (long)fm_random_below(&random, 60000000);
        nanosleep(&(struct timespec){.tv_nsec = wait}, NULL);
        kill(child, SIGKILL);
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        if (WIFSIGNALED(how))
            killed++;
        else
            assert_int_equal(WEXITSTATUS(how), 0);
    }
    assert_true(killed > 0);
    bool resume = access(path, F_OK) == 0;
    assert_ok(f->context,
              run(f->context, &(setup){.path = path, .epochs = KILLED_EPOCHS, .resume = resume},
                  &resumed, &number));
    assert_same_runs(whole, whole_number, resumed, number);
    fm_model_destroy(whole);
    fm_model_destroy(resumed);
}

/* ---- details ---- */

static void resuming_a_finished_run_changes_nothing(void **state)
{
    fixture *f = *state;
    fm_model *first, *again;
    double number = 0, again_number = 0;
    const char *path = fixture_path(f, "finished.safetensors");
    assert_ok(f->context, run(f->context, &(setup){.path = path, .epochs = 2}, &first, &number));
    assert_ok(f->context, run(f->context, &(setup){.path = path, .epochs = 2, .resume = true},
                              &again, &again_number));
    assert_same_runs(first, number, again, again_number);
    fm_model_destroy(first);
    fm_model_destroy(again);
}

static void the_best_has_its_own_file(void **state)
{
    fixture *f = *state;
    fm_model *model, *best;
    fm_dataset *data, *test;
    const fm_checkpoint checkpoint = {.best = fixture_path(f, "best.safetensors"),
                                      .monitor = "val_accuracy"};
    assert_ok(f->context, problem_model(f->context, &model));
    assert_ok(f->context, problem_model(f->context, &best));
    assert_ok(f->context, problem_data(f->context, 7, &data));
    assert_ok(f->context, problem_data(f->context, 8, &test));
    assert_ok(f->context, fm_fit(model, data,
                                 &(fm_fit_options){
                                     .epochs = 25, .validation = test, .checkpoint = &checkpoint}));
    const fm_history *history = fm_model_history(model);
    int64_t expected = 0;
    for (int64_t i = 1; i < history->count; i++) {
        if (history->epochs[i].validation.metrics[0] >
            history->epochs[expected].validation.metrics[0]) {
            expected = i;
        }
    }
    assert_int_equal(history->best_epoch, expected);
    assert_ok(f->context, fm_model_load(best, checkpoint.best, NULL));
    fm_scores scores;
    assert_ok(f->context, fm_evaluate(best, test, NULL, &scores));
    assert_true(scores.metrics[0] == history->epochs[expected].validation.metrics[0]);
    assert_int_equal(fm_model_history(best)->count, expected + 1);
    fm_model_destroy(model);
    fm_model_destroy(best);
    fm_dataset_destroy(data);
    fm_dataset_destroy(test);
}

/* The run that it goes on from watched no best one. */
static void a_resumed_run_can_begin_to_keep_the_best(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_dataset *data, *test;
    fm_checkpoint checkpoint = {.path = fixture_path(f, "state.safetensors")};
    fm_fit_options options = {.epochs = 2, .checkpoint = &checkpoint};
    assert_ok(f->context, problem_model(f->context, &model));
    assert_ok(f->context, problem_data(f->context, 7, &data));
    assert_ok(f->context, problem_data(f->context, 8, &test));
    options.validation = test;
    assert_ok(f->context, fm_fit(model, data, &options));
    assert_int_equal(fm_model_history(model)->best_epoch, -1);
    checkpoint.best = fixture_path(f, "best.safetensors");
    checkpoint.monitor = "val_accuracy";
    options.epochs = 4;
    options.resume = true;
    assert_ok(f->context, fm_model_load(model, checkpoint.path, NULL));
    assert_ok(f->context, fm_fit(model, data, &options));
    assert_true(fm_model_history(model)->best_epoch >= 2);
    assert_int_equal(access(checkpoint.best, F_OK), 0);
    fm_model_destroy(model);
    fm_dataset_destroy(data);
    fm_dataset_destroy(test);
}

int main(int count, char **arguments)
{
    if (count == 3) return train_until_killed(arguments[2], strcmp(arguments[1], "resume") == 0);
    const struct CMUnitTest tests[] = {
        fixture_test(every_step_can_be_resumed),
        fixture_test(the_best_epoch_survives),
        fixture_test(a_rate_that_hooks_change_is_resumed),
        fixture_test(killed_anywhere_it_ends_the_same),
        fixture_test(resuming_a_finished_run_changes_nothing),
        fixture_test(the_best_has_its_own_file),
        fixture_test(a_resumed_run_can_begin_to_keep_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
