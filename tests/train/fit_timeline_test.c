/* What a fit tells of its time: how long steps waited, who read ahead, the file of it all. */
#include "support/training_problem.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "fathom/model_file.h"
#include "fathom/nn.h"

#include <time.h>

/* Reads the problem's data, slowly, and remembers what it was asked for. */
typedef struct watched {
    const fm_dataset *data;
    long nanoseconds;      /* a read takes at least */
    atomic_int last_epoch; /* of all requests */
} watched;

static fm_status read_watched(const void *state, fm_context *context,
                              const fm_data_request *request)
{
    watched *w = (watched *)(uintptr_t)state;
    atomic_store(&w->last_epoch, (int)request->epoch);
    nanosleep(&(struct timespec){.tv_nsec = w->nanoseconds}, NULL);
    return fm_dataset_read(context, w->data, request);
}

static const fm_data_source watched_source = {.kind = "watched", .read = read_watched};

static fm_dataset *watch(fm_context *context, watched *w, bool costly)
{
    fm_dataset_info info = *fm_dataset_about(w->data);
    fm_dataset *made;
    info.costly = costly;
    assert_ok(context, fm_dataset_create(context, &watched_source, w, &info, &made));
    return made;
}

typedef struct setting {
    fm_model *model;
    fm_dataset *data, *test, *slow;
    watched watched;
} setting;

static void open_setting(fm_context *context, bool costly, setting *s)
{
    *s = (setting){.watched.nanoseconds = 2000000};
    assert_ok(context, problem_model(context, &s->model));
    assert_ok(context, problem_data(context, 7, &s->data));
    assert_ok(context, problem_data(context, 8, &s->test));
    s->watched.data = s->data;
    s->slow = watch(context, &s->watched, costly);
}

static void close_setting(setting *s)
{
    fm_model_destroy(s->model);
    fm_dataset_destroy(s->slow);
    fm_dataset_destroy(s->data);
    fm_dataset_destroy(s->test);
}

/* ---- the file ---- */

static char *text_of(fixture *f, const char *path)
{
    char *text;
    size_t size;
    assert_ok(f->context, fm_file_read(f->context, path, 1 << 24, &text, &size));
    return text;
}

static int count_of(const char *text, const char *words)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, words)); at++) count++;
    return count;
}

static void assert_count(const char *text, const char *words, int expected)
{
    if (count_of(text, words) == expected) return;
    fail_msg("%s: %d times, not %d", words, count_of(text, words), expected);
}

static void a_file_tells_all(void **state)
{
    fixture *f = *state;
    setting s, plain;
    open_setting(f->context, false, &s);
    open_setting(f->context, false, &plain);
    const char *path = fixture_path(f, "timeline.json");
    const fm_checkpoint saving = {.path = fixture_path(f, "model.safetensors")};
    fm_fit_options options = {.epochs = 2,
                              .validation = s.test,
                              .checkpoint = &saving,
                              .workers = 2,
                              .gradients_every = FM_EACH_EPOCH,
                              .timeline = path};
    assert_ok(f->context, fm_fit(s.model, s.slow, &options));
    options.timeline = NULL;
    assert_ok(f->context, fm_fit(plain.model, plain.slow, &options));
    assert_true(problem_digest(s.model) == problem_digest(plain.model));

    char *text = text_of(f, path);
    assert_count(text, "\"name\":\"compile\"", 1);
    assert_count(text, "\"name\":\"gradients\"", 2);
    assert_count(text, "\"name\":\"step\"", 2 * 5);
    assert_count(text, "\"ph\":\"i\",\"pid\":1,\"tid\":0", 2);
    assert_count(text, "\"name\":\"validation\"", 2);
    assert_true(count_of(text, "\"name\":\"checkpoint\"") >=
                2); /* more where calls that write nothing are slow */
    assert_count(text, "\"name\":\"batch\"", 4 * 5);
    assert_count(text, "\"samples\":22", 4);
    assert_count(text, "worker 2\"", 2);
    assert_count(text, "\"name\":\"batches ready\"", 4 * 5);
    assert_count(text, "\"name\":\"dense_update_2\",", 3 * 2);  /* of three steps, two kernels */
    assert_count(text, "\"name\":\"adam_update\",", 3);         /* and two biases as one */
    const fm_epoch *epochs = fm_model_history(s.model)->epochs;
    if (epochs[0].data_wait + epochs[1].data_wait > 0) { /* slow steps may never wait */
        assert_non_null(strstr(text, "\"name\":\"wait for data\""));
    }
    assert_non_null(strstr(text, "\"args\":{\"epoch\":2,\"batch\":5,\"samples\":22"));
    fm_release(f->context, text);
    close_setting(&s);
    close_setting(&plain);
}

static void a_failed_fit_writes_none(void **state)
{
    fixture *f = *state;
    setting s;
    open_setting(f->context, false, &s);
    const char *path = fixture_path(f, "timeline.json");
    const fm_fit_options options = {
        .timeline = path, .validation_split = 0.5, .validation = s.test};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "not both", fm_fit(s.model, s.data, &options));
    assert_false(fm_file_exists(path));
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "/dev/null/a.json: cannot",
                 fm_fit(s.model, s.data, &(fm_fit_options){.timeline = "/dev/null/a.json"}));
    assert_ok(f->context, fm_fit(s.model, s.data, NULL)); /* nothing is left of it */
    close_setting(&s);
}

/* ---- waiting ---- */

static void waiting_is_told(void **state)
{
    fixture *f = *state;
    setting s;
    open_setting(f->context, false, &s);
    assert_ok(f->context, fm_fit(s.model, s.slow, &(fm_fit_options){.epochs = 2}));
    const fm_epoch *epoch = &fm_model_history(s.model)->epochs[1];
    double value;
    assert_true(epoch->data_wait >= 5 * 0.002 && epoch->data_wait <= epoch->seconds);
    assert_true(fm_epoch_value(s.model, epoch, "data_wait", &value));
    assert_true(value == epoch->data_wait);
    const char *path = fixture_path(f, "model.safetensors");
    assert_ok(f->context, fm_model_save(s.model, path, NULL));
    fm_model *read;
    assert_ok(f->context, problem_model(f->context, &read));
    assert_ok(f->context, fm_model_load(read, path, NULL));
    assert_true(fm_model_history(read)->epochs[1].data_wait == value);
    fm_model_destroy(read);
    close_setting(&s);
}

/* ---- who reads ---- */

static int lanes_of(fixture *f, bool costly, int64_t workers, int64_t batch_size)
{
    setting s;
    open_setting(f->context, costly, &s);
    const char *path = fixture_path(f, "timeline.json");
    assert_ok(f->context, fm_fit(s.model, s.slow,
                                 &(fm_fit_options){.timeline = path,
                                                   .workers = workers,
                                                   .batch_size = batch_size,
                                                   .validation = s.test}));
    char *text = text_of(f, path);
    int lanes = count_of(text, "training data, worker");
    assert_count(text, "validation data, worker", workers > 0 ? (int)workers : 0); /* in memory */
    fm_release(f->context, text);
    close_setting(&s);
    return lanes;
}

static void costly_data_are_read_ahead(void **state)
{
    fixture *f = *state;
    int threads = fm_context_threads(f->context);
    assert_int_equal(lanes_of(f, true, 0, 32), threads < 4 ? threads : 4);
    assert_int_equal(lanes_of(f, false, 0, 32), 0);
    assert_int_equal(lanes_of(f, true, 0, PROBLEM_SAMPLES), 0); /* a single batch */
    assert_int_equal(lanes_of(f, true, FM_NO_WORKERS, 32), 0);
    assert_int_equal(lanes_of(f, false, 3, 32), 3);
}

enum { PATIENCE = 5000 }; /* milliseconds */

static fm_status wait_for_the_next(void *user, fm_event *event)
{
    const watched *w = user;
    int left = PATIENCE;
    while (atomic_load(&w->last_epoch) <= event->epoch && left-- > 0) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return left > 0 || event->epoch + 1 == event->epochs ? FM_OK : FM_ERROR_INTERNAL;
}

static void the_next_epoch_is_read_while_this_one_is_validated(void **state)
{
    fixture *f = *state;
    setting s;
    open_setting(f->context, false, &s);
    const fm_callback callback = {
        .name = "patient", .user = &s.watched, .validation_begin = wait_for_the_next};
    assert_ok(f->context, fm_fit(s.model, s.slow,
                                 &(fm_fit_options){.epochs = 2,
                                                   .workers = 1,
                                                   .validation = s.test,
                                                   .callbacks = &callback,
                                                   .callback_count = 1}));
    close_setting(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_file_tells_all),
        fixture_test(a_failed_fit_writes_none),
        fixture_test(waiting_is_told),
        fixture_test(costly_data_are_read_ahead),
        fixture_test(the_next_epoch_is_read_while_this_one_is_validated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
