/* What threads record of themselves, and the file that is made of it. */
#include "support/fixture.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/timeline.h"
#include "io/timeline_file.h"

#include <jansson.h>
#include <pthread.h>

static fm_timeline *begin(fm_context *context, size_t events)
{
    context->trace = (fm_trace){.data = "training", .epoch = -1, .batch = -1};
    assert_ok(context, fm_timeline_create(context, events, &context->trace.timeline));
    return context->trace.timeline;
}

static void end(fm_context *context)
{
    fm_timeline_destroy(context->trace.timeline);
    context->trace = (fm_trace){0};
}

static json_t *written(fixture *f, const fm_timeline *timeline)
{
    const char *path = fixture_path(f, "timeline.json");
    json_error_t wrong;
    assert_ok(f->context, fm_timeline_write(f->context, timeline, path));
    json_t *all = json_load_file(path, 0, &wrong);
    if (!all) fail_msg("line %d: %s", wrong.line, wrong.text);
    return all;
}

/* The `nth` event of this name; fails unless it is there. */
static const json_t *event_of(const json_t *all, const char *name, int nth)
{
    const json_t *events = json_object_get(all, "traceEvents"), *event;
    size_t i;
    json_array_foreach(events, i, event)
    {
        if (strcmp(json_string_value(json_object_get(event, "name")), name) == 0 && nth-- == 0) {
            return event;
        }
    }
    fail_msg("no event '%s'", name);
    return NULL;
}

static double number_of(const json_t *event, const char *key)
{
    const json_t *arguments = json_object_get(event, "args"), *value = json_object_get(event, key);
    if (!value) value = json_object_get(arguments, key);
    if (!value) fail_msg("no '%s'", key);
    return json_number_value(value);
}

static void nothing_is_recorded_without_one(void **state)
{
    fixture *f = *state;
    assert_true(fm_span_begin(f->context) == 0);
    fm_span_end(f->context, "step", 0);
    fm_span_end_part(f->context, FM_DECODING, 0);
    fm_span_end_batch(f->context, 0, 1);
    fm_timeline_mark(f->context, "epoch");
    fm_timeline_count(f->context, "ready", 1);
    assert_true(f->context->trace.parts[FM_DECODING] == 0);
}

static void a_file_has_spans_marks_and_numbers(void **state)
{
    fixture *f = *state;
    fm_context *context = f->context;
    fm_timeline *timeline = begin(context, 16);
    assert_int_equal(fm_timeline_lanes(timeline, "training", 2), 1);
    assert_int_equal(fm_timeline_lanes(timeline, "validation", 1), 3);
    assert_int_equal(fm_timeline_lanes(timeline, "training", 2), 1);
    double began = fm_timeline_look(timeline).began;
    context->trace.epoch = 4;
    fm_timeline_mark(context, "epoch");
    context->trace.batch = 6;
    fm_span_add_fine(context, "matmul", "block \"a\"\\b\n/dense", began + 0.001, began + 0.0035);
    fm_timeline_count(context, "batches ready", 3);
    context->trace.lane = 2;
    context->trace.parts[FM_DECODING] = 0.25;
    fm_span_end_batch(context, fm_now() - 1, 32);
    fm_span_end_batch(context, fm_now() - 1, 32);
    json_t *all = written(f, timeline);

    const json_t *op = event_of(all, "matmul", 0);
    assert_string_equal(json_string_value(json_object_get(op, "ph")), "X");
    assert_near(number_of(op, "ts"), 1000, 1e-6);
    assert_near(number_of(op, "dur"), 2500, 1e-6);
    assert_int_equal(number_of(op, "epoch"), 5);
    assert_int_equal(number_of(op, "batch"), 7);
    const json_t *of = json_object_get(json_object_get(op, "args"), "of");
    assert_string_equal(json_string_value(of), "block \"a\"\\b\n/dense");
    const json_t *mark = event_of(all, "epoch", 0);
    assert_string_equal(json_string_value(json_object_get(mark, "ph")), "i");
    assert_int_equal(number_of(mark, "epoch"), 5);
    assert_int_equal(number_of(event_of(all, "batches ready", 0), "ready"), 3);
    const json_t *batch = event_of(all, "batch", 0);
    assert_int_equal(number_of(batch, "tid"), 2);
    assert_int_equal(number_of(batch, "samples"), 32);
    assert_near(number_of(batch, "decode_ms"), 250, 1e-6);
    assert_near(number_of(batch, "collate_ms"), 750, 50);
    const json_t *next = json_object_get(event_of(all, "batch", 1), "args");
    assert_null(json_object_get(next, "decode_ms")); /* each batch has its own */

    static const char *const lanes[] = {"training", "training data, worker 1",
                                        "training data, worker 2", "validation data, worker 1"};
    for (int i = 0; i < 4; i++) {
        const json_t *name = json_object_get(event_of(all, "thread_name", i), "args");
        assert_string_equal(json_string_value(json_object_get(name, "name")), lanes[i]);
    }
    json_decref(all);
    end(context);
}

static void a_full_one_keeps_what_is_coarse(void **state)
{
    fixture *f = *state;
    fm_timeline *timeline = begin(f->context, 10);
    for (int i = 0; i < 8; i++) fm_span_end_fine(f->context, "sample", fm_now());
    assert_int_equal(fm_timeline_look(timeline).count, 5);
    assert_int_equal(fm_timeline_look(timeline).left_out, 3);
    for (int i = 0; i < 7; i++) fm_span_end(f->context, "step", fm_now());
    fm_timeline_record record = fm_timeline_look(timeline);
    assert_int_equal(record.count, 10);
    assert_int_equal(record.left_out, 5);
    assert_string_equal(record.events[9].name, "step");
    json_t *all = written(f, timeline);
    const json_t *other = json_object_get(all, "otherData");
    assert_int_equal(json_number_value(json_object_get(other, "events_left_out")), 5);
    json_decref(all);
    end(f->context);
}

enum { THREADS = 4, EACH = 400 };

static void *record_many(void *argument)
{
    fm_context *context = argument;
    for (int i = 0; i < EACH; i++) fm_span_end(context, "step", fm_now());
    return NULL;
}

static void threads_record_at_once(void **state)
{
    fixture *f = *state;
    fm_timeline *timeline = begin(f->context, THREADS * EACH - 100);
    fm_context *contexts[THREADS];
    pthread_t threads[THREADS];
    long made = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_ok(f->context, fm_context_fork(f->context, &contexts[i]));
        contexts[i]->trace.lane = i;
    }
    made = atomic_load(&f->made);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, record_many, contexts[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&f->made), made);
    fm_timeline_record record = fm_timeline_look(timeline);
    int counts[THREADS] = {0};
    for (size_t i = 0; i < record.count; i++) {
        assert_string_equal(record.events[i].name, "step");
        counts[record.events[i].lane]++;
    }
    assert_int_equal(record.count, THREADS * EACH - 100);
    assert_int_equal(record.left_out, 100);
    for (int i = 0; i < THREADS; i++) {
        assert_true(counts[i] <= EACH && counts[i] >= EACH - 100);
        fm_context_destroy(contexts[i]);
    }
    end(f->context);
}

static fm_status make_and_write(fm_context *context, void *argument)
{
    fm_timeline *timeline;
    fm_status status = fm_timeline_create(context, 8, &timeline);
    if (status != FM_OK) return status;
    context->trace.timeline = timeline;
    fm_span_end(context, "step", fm_now());
    context->trace.timeline = NULL;
    status = fm_timeline_write(context, timeline, argument);
    fm_timeline_destroy(timeline);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    char path[128];
    snprintf(path, sizeof path, "%s", fixture_path(f, "timeline.json"));
    assert_true(fail_each_allocation(f, make_and_write, path) > 3);
}

static void a_place_that_cannot_be_written(void **state)
{
    fixture *f = *state;
    fm_timeline *timeline = begin(f->context, 8);
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "/dev/null/a.json: cannot",
                 fm_timeline_write(f->context, timeline, "/dev/null/a.json"));
    end(f->context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(nothing_is_recorded_without_one),
        fixture_test(a_file_has_spans_marks_and_numbers),
        fixture_test(a_full_one_keeps_what_is_coarse),
        fixture_test(threads_record_at_once),
        fixture_test(every_allocation_may_fail),
        fixture_test(a_place_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
