#define _GNU_SOURCE
#include "support/fixture.h"
#include "base/context.h"

#include <sched.h>

static void every_status_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i <= FM_ERROR_INTERNAL; i++) {
        assert_non_null(fm_status_name((fm_status)i));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(fm_status_name((fm_status)i), fm_status_name((fm_status)j));
        }
    }
    assert_string_equal(fm_status_name(FM_OK), "ok");
    assert_string_equal(fm_status_name((fm_status)1000), "unknown status");
    assert_string_equal(fm_status_name((fm_status)-1), "unknown status");
}

static void context_works_without_options(void **state)
{
    (void)state;
    fm_context *context;
    assert_int_equal(fm_context_create(NULL, &context), FM_OK);
    assert_int_equal(fm_error_status(context), FM_OK);
    assert_string_equal(fm_error_message(context), "");
    fm_report(context, FM_LOG_WARNING, "to nobody");
    fm_context_destroy(context);
    fm_context_destroy(NULL);
}

static void threads_default_to_the_processors_of_the_process(void **state)
{
    fixture *f = *state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    int processor = 0;
    while (!CPU_ISSET(processor, &before)) processor++;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    fm_context *context = fixture_context(f, 0);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(fm_context_threads(context), 1);
    fm_context_destroy(context);
}

static void threads_are_limited(void **state)
{
    fixture *f = *state;
    fm_context *context = fixture_context(f, 1000);
    assert_int_equal(fm_context_threads(context), 64);
    fm_context_destroy(context);
    context = fixture_context(f, 3);
    assert_int_equal(fm_context_threads(context), 3);
    fm_context_destroy(context);
}

static void failed_allocation_gives_no_context(void **state)
{
    fixture *f = *state;
    fm_context *child = f->context;
    f->fail_at = f->made + 1;
    assert_int_equal(fm_context_fork(f->context, &child), FM_ERROR_MEMORY);
    assert_null(child);
}

static void failure_keeps_words(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    assert_fails(c, FM_ERROR_SHAPE, "dense_1: expected 3, received 4",
                 fm_fail(c, FM_ERROR_SHAPE, "%s: expected %d, received %d", "dense_1", 3, 4));
    assert_fails(c, FM_ERROR_IO, "again: dense_1: expected 3, received 4",
                 fm_fail(c, FM_ERROR_IO, "again: %s", fm_error_message(c)));
    fm_error_clear(c);
    assert_int_equal(fm_error_status(c), FM_OK);
    assert_string_equal(fm_error_message(c), "");
}

static void prefix_goes_in_front(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    fm_fail(c, FM_ERROR_ARGUMENT, "units must be at least 1");
    assert_fails(c, FM_ERROR_ARGUMENT, "recipe.yaml:7:3: units must be at least 1",
                 fm_fail_prefix(c, "%s:%d:%d: ", "recipe.yaml", 7, 3));
}

static void long_words_are_cut(void **state)
{
    fixture *f = *state;
    fm_context *c = f->context;
    char endless[3 * FM_MESSAGE_SIZE];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    fm_fail(c, FM_ERROR_FORMAT, "%s", endless);
    assert_int_equal(strlen(fm_error_message(c)), FM_MESSAGE_SIZE - 1);
    fm_fail_prefix(c, "here: ");
    assert_int_equal(strlen(fm_error_message(c)), FM_MESSAGE_SIZE - 1);
    assert_memory_equal(fm_error_message(c), "here: xxx", 9);
    fm_fail_prefix(c, "%s", endless);
    assert_int_equal(strlen(fm_error_message(c)), FM_MESSAGE_SIZE - 1);
    assert_memory_equal(fm_error_message(c), "xxxxxx", 6);
}

static void errors_are_copied_between_contexts(void **state)
{
    fixture *f = *state;
    fm_context *worker;
    assert_ok(f->context, fm_context_fork(f->context, &worker));
    assert_int_equal(fm_context_threads(worker), fm_context_threads(f->context));
    fm_fail(worker, FM_ERROR_IO, "disk gone");
    assert_int_equal(fm_error_status(f->context), FM_OK);
    assert_fails(f->context, FM_ERROR_IO, "disk gone", fm_fail_copy(f->context, worker));
    fm_context_destroy(worker);
}

static void log_lines_reach_the_hook(void **state)
{
    fixture *f = *state;
    fm_report(f->context, FM_LOG_INFO, "epoch %d", 3);
    assert_string_equal(f->last_log, "epoch 3");
    fm_context *worker;
    assert_ok(f->context, fm_context_fork(f->context, &worker));
    fm_report(worker, FM_LOG_DEBUG, "from the worker");
    assert_string_equal(f->last_log, "from the worker");
    fm_context_destroy(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(every_status_has_a_name),
        fixture_test(context_works_without_options),
        fixture_test(threads_default_to_the_processors_of_the_process),
        fixture_test(threads_are_limited),
        fixture_test(failed_allocation_gives_no_context),
        fixture_test(failure_keeps_words),
        fixture_test(prefix_goes_in_front),
        fixture_test(long_words_are_cut),
        fixture_test(errors_are_copied_between_contexts),
        fixture_test(log_lines_reach_the_hook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
