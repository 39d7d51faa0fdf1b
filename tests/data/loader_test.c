#include "support/fixture.h"
#include "data/dataset.h"

#include <sched.h>
#include <time.h>

/* A source of numbers 0 to count - 1 that is slow now and then and may fail at one of them. */
typedef struct slow_source {
    int64_t fail_at;  /* -1: never */
    int64_t sleep_at; /* 0: never; a sample that takes its time */
} slow_source;

static fm_status read_slowly(const void *state, fm_context *context, const fm_data_request *request)
{
    const slow_source *source = state;
    for (int64_t i = 0; i < request->count; i++) {
        uint32_t at = request->indices[i];
        if (at == source->fail_at) return fm_fail(context, FM_ERROR_IO, "sample %u is broken", at);
        if (at % 13 == 0) sched_yield();
        if (at == source->sleep_at) nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        if (request->fields[0]) ((int32_t *)request->fields[0])[i] = (int32_t)at;
    }
    return FM_OK;
}

static const fm_data_source slow = {.kind = "slow", .read = read_slowly};

static fm_dataset *numbers(fm_context *context, int64_t count, slow_source *source)
{
    fm_dataset_info info = {.name = "numbers",
                            .count = count,
                            .field_count = 1,
                            .fields = {{.name = "x", .dtype = FM_I32, .shape = FM_SHAPE()}}};
    fm_dataset *dataset;
    assert_ok(context, fm_dataset_create(context, &slow, source, &info, &dataset));
    return dataset;
}

enum { MOST = 512 };

/* Reads an epoch from first_batch on; returns how many samples came. */
static int64_t collect(fm_context *context, fm_loader *loader, int64_t epoch, int64_t first_batch,
                       int32_t *samples)
{
    int64_t total = 0, index = first_batch;
    assert_ok(context, fm_loader_begin(loader, epoch, first_batch));
    for (;;) {
        fm_batch batch;
        assert_ok(context, fm_loader_next(loader, &batch));
        if (batch.count == 0) return total;
        assert_int_equal(batch.index, index++);
        assert_int_equal(batch.epoch, epoch);
        assert_int_equal((uintptr_t)batch.x % FM_ALIGNMENT, 0);
        assert_null(batch.y);
        const int32_t *x = batch.x;
        for (int64_t i = 0; i < batch.count; i++) {
            assert_int_equal(x[i], (int32_t)batch.indices[i]);
            samples[total++] = x[i];
        }
    }
}

static void any_number_of_workers_gives_the_same(void **state)
{
    fixture *f = *state;
    slow_source source = {.fail_at = -1};
    fm_dataset *dataset = numbers(f->context, 403, &source);
    int32_t expected[3][MOST], received[MOST];
    for (int workers = 0; workers <= 4; workers++) {
        for (int prefetch = 0; prefetch <= 9; prefetch += 3) {
            fm_loader_options options = {.batch_size = 10,
                                         .shuffle = true,
                                         .seed = 5,
                                         .workers = workers,
                                         .prefetch = prefetch};
            fm_loader *loader;
            assert_ok(f->context, fm_loader_create(f->context, dataset, &options, &loader));
            assert_int_equal(fm_loader_batches(loader), 41);
            long made = atomic_load(&f->made);
            for (int epoch = 0; epoch < 3; epoch++) {
                int32_t *to = workers == 0 && prefetch == 0 ? expected[epoch] : received;
                assert_int_equal(collect(f->context, loader, epoch, 0, to), 403);
                assert_memory_equal(to, expected[epoch], 403 * sizeof(int32_t));
            }
            assert_int_equal(atomic_load(&f->made), made); /* nothing was allocated */
            fm_loader_destroy(loader);
        }
    }
    assert_memory_not_equal(expected[0], expected[1], 403 * sizeof(int32_t));
    int seen[403] = {0};
    for (int i = 0; i < 403; i++) seen[expected[1][i]]++;
    for (int i = 0; i < 403; i++) assert_int_equal(seen[i], 1);
    fm_dataset_destroy(dataset);
}

static void an_epoch_can_begin_anywhere(void **state)
{
    fixture *f = *state;
    slow_source source = {.fail_at = -1};
    fm_dataset *dataset = numbers(f->context, 100, &source);
    for (int workers = 0; workers <= 2; workers++) {
        fm_loader_options options = {.batch_size = 8, .shuffle = true, .workers = workers};
        fm_loader *loader;
        assert_ok(f->context, fm_loader_create(f->context, dataset, &options, &loader));
        int32_t all[MOST], rest[MOST];
        collect(f->context, loader, 4, 0, all);
        for (int64_t first = 0; first <= 13; first++) {
            int64_t count = collect(f->context, loader, 4, first, rest);
            assert_int_equal(count, first * 8 < 100 ? 100 - first * 8 : 0);
            assert_memory_equal(rest, all + first * 8, (size_t)count * sizeof(int32_t));
        }
        assert_fails(f->context, FM_ERROR_ARGUMENT, "batch 14 of epoch 0",
                     fm_loader_begin(loader, 0, 14));
        assert_fails(f->context, FM_ERROR_ARGUMENT, "epoch -1", fm_loader_begin(loader, -1, 0));
        fm_loader_destroy(loader);
    }
    fm_dataset_destroy(dataset);
}

static void a_new_epoch_may_begin_in_the_middle(void **state)
{
    fixture *f = *state;
    slow_source source = {.fail_at = -1};
    fm_dataset *dataset = numbers(f->context, 200, &source);
    fm_loader_options options = {.batch_size = 7, .workers = 3, .prefetch = 4};
    fm_loader *loader;
    assert_ok(f->context, fm_loader_create(f->context, dataset, &options, &loader));
    for (int round = 0; round < 50; round++) {
        fm_batch batch;
        assert_ok(f->context, fm_loader_begin(loader, round, round % 29));
        for (int i = 0; i < round % 4; i++) {
            assert_ok(f->context, fm_loader_next(loader, &batch));
            if (batch.count == 0) break;
            assert_int_equal(*(const int32_t *)batch.x, (round % 29 + i) * 7);
        }
    }
    fm_loader_destroy(loader);
    fm_dataset_destroy(dataset);
}

/* A worker that is still busy with the old epoch's order must not fill the new one's slot. */
static void a_slow_worker_does_not_leak_into_the_next_epoch(void **state)
{
    fixture *f = *state;
    slow_source source = {.fail_at = -1, .sleep_at = 1};
    fm_dataset *dataset = numbers(f->context, 40, &source);
    fm_loader_options options = {.batch_size = 40, .shuffle = true, .workers = 1};
    fm_loader *loader;
    int32_t expected[MOST], received[MOST];
    assert_ok(f->context, fm_loader_create(f->context, dataset, &options, &loader));
    collect(f->context, loader, 7, 0, expected);
    for (int round = 0; round < 10; round++) {
        assert_ok(f->context, fm_loader_begin(loader, round + 20, 0));
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL); /* the worker is in the middle */
        assert_int_equal(collect(f->context, loader, 7, 0, received), 40);
        assert_memory_equal(received, expected, 40 * sizeof(int32_t));
    }
    fm_loader_destroy(loader);
    fm_dataset_destroy(dataset);
}

static void destroy_joins_at_any_moment(void **state)
{
    fixture *f = *state;
    slow_source source = {.fail_at = -1};
    fm_dataset *dataset = numbers(f->context, 300, &source);
    for (int round = 0; round < 60; round++) {
        fm_loader_options options = {.batch_size = 4, .workers = 1 + round % 4};
        fm_loader *loader;
        assert_ok(f->context, fm_loader_create(f->context, dataset, &options, &loader));
        if (round % 5) assert_ok(f->context, fm_loader_begin(loader, 0, 0));
        fm_batch batch;
        for (int i = 0; i < round % 7; i++) assert_ok(f->context, fm_loader_next(loader, &batch));
        fm_loader_destroy(loader);
    }
    fm_dataset_destroy(dataset);
}

static void a_batch_stays_until_the_next_call(void **state)
{
    fixture *f = *state;
    slow_source source = {.fail_at = -1};
    fm_dataset *dataset = numbers(f->context, 400, &source);
    fm_loader_options options = {.batch_size = 4, .workers = 2, .prefetch = 1};
    fm_loader *loader;
    assert_ok(f->context, fm_loader_create(f->context, dataset, &options, &loader));
    assert_ok(f->context, fm_loader_begin(loader, 0, 0));
    fm_batch batch;
    for (int b = 0; b < 100; b++) {
        assert_ok(f->context, fm_loader_next(loader, &batch));
        for (int spin = 0; spin < 50; spin++) sched_yield(); /* workers run as far as they may */
        for (int i = 0; i < 4; i++) assert_int_equal(((const int32_t *)batch.x)[i], b * 4 + i);
    }
    fm_loader_destroy(loader);
    fm_dataset_destroy(dataset);
}

static void the_last_batch_is_padded_or_dropped(void **state)
{
    fixture *f = *state;
    slow_source source = {.fail_at = -1};
    fm_dataset *dataset = numbers(f->context, 10, &source);
    fm_loader_options options = {.batch_size = 4};
    fm_loader *loader;
    fm_batch batch;
    assert_ok(f->context, fm_loader_create(f->context, dataset, &options, &loader));
    assert_int_equal(fm_loader_batches(loader), 3);
    assert_ok(f->context, fm_loader_begin(loader, 0, 2));
    assert_ok(f->context, fm_loader_next(loader, &batch));
    assert_int_equal(batch.count, 2);
    assert_memory_equal(batch.x, ((int32_t[]){8, 9, 0, 0}), 16);
    fm_loader_destroy(loader);

    options.drop_last = true;
    assert_ok(f->context, fm_loader_create(f->context, dataset, &options, &loader));
    assert_int_equal(fm_loader_batches(loader), 2);
    int32_t samples[MOST];
    assert_int_equal(collect(f->context, loader, 0, 0, samples), 8);
    fm_loader_destroy(loader);
    fm_dataset_destroy(dataset);
}

static void a_failure_arrives_at_its_batch(void **state)
{
    fixture *f = *state;
    slow_source source = {.fail_at = 37};
    fm_dataset *dataset = numbers(f->context, 100, &source);
    for (int workers = 0; workers <= 3; workers++) {
        fm_loader_options options = {.batch_size = 5, .workers = workers};
        fm_loader *loader;
        fm_batch batch;
        assert_ok(f->context, fm_loader_create(f->context, dataset, &options, &loader));
        assert_ok(f->context, fm_loader_begin(loader, 0, 0));
        for (int i = 0; i < 7; i++) {
            assert_ok(f->context, fm_loader_next(loader, &batch));
            assert_int_equal(batch.count, 5);
        }
        for (int again = 0; again < 2; again++) {
            assert_fails(f->context, FM_ERROR_IO, "sample 37 is broken",
                         fm_loader_next(loader, &batch));
            assert_int_equal(batch.count, 0);
        }
        int32_t samples[MOST];
        assert_int_equal(collect(f->context, loader, 1, 8, samples), 60); /* behind the break */
        fm_loader_destroy(loader);
    }
    fm_dataset_destroy(dataset);
}

static void impossible_loaders_are_refused(void **state)
{
    fixture *f = *state;
    slow_source source = {.fail_at = -1};
    fm_dataset *dataset = numbers(f->context, 10, &source),
               *empty = numbers(f->context, 0, &source);
    fm_loader *loader;
    fm_loader_options options = {.batch_size = 11, .drop_last = true};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "10 samples, which gives no batch of 11",
                 fm_loader_create(f->context, dataset, &options, &loader));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "0 samples",
                 fm_loader_create(f->context, empty, NULL, &loader));
    options = (fm_loader_options){.batch_size = -3};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "batch_size",
                 fm_loader_create(f->context, dataset, &options, &loader));
    options = (fm_loader_options){.workers = 1000};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "workers",
                 fm_loader_create(f->context, dataset, &options, &loader));
    assert_null(loader);
    fm_dataset_destroy(dataset);
    fm_dataset_destroy(empty);
}

static fm_status create_loader(fm_context *context, void *dataset)
{
    fm_loader_options options = {.batch_size = 5, .workers = 2};
    fm_loader *loader;
    fm_status status = fm_loader_create(context, dataset, &options, &loader);
    fm_loader_destroy(loader);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    slow_source source = {.fail_at = -1};
    fm_dataset *dataset = numbers(f->context, 20, &source);
    assert_int_equal(fail_each_allocation(f, create_loader, dataset), 14);
    fm_dataset_destroy(dataset);
}

static void waiting_is_counted(void **state)
{
    fixture *f = *state;
    slow_source source = {.fail_at = -1, .sleep_at = 5};
    fm_dataset *dataset = numbers(f->context, 12, &source);
    for (int workers = 0; workers < 2; workers++) {
        fm_loader_options options = {.batch_size = 6, .workers = workers};
        fm_loader *loader;
        fm_batch batch;
        assert_ok(f->context, fm_loader_create(f->context, dataset, &options, &loader));
        assert_true(fm_loader_waited(loader) == 0);
        assert_ok(f->context, fm_loader_begin(loader, 0, 0));
        assert_ok(f->context, fm_loader_next(loader, &batch));
        double waited = fm_loader_waited(loader);
        assert_true(waited >= (workers ? 0.0005 : 0.003)); /* a worker may have begun before */
        assert_ok(f->context, fm_loader_begin(loader, 1, 1));
        assert_true(fm_loader_waited(loader) == 0);
        fm_loader_destroy(loader);
    }
    fm_dataset_destroy(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(any_number_of_workers_gives_the_same),
        fixture_test(an_epoch_can_begin_anywhere),
        fixture_test(a_new_epoch_may_begin_in_the_middle),
        fixture_test(a_slow_worker_does_not_leak_into_the_next_epoch),
        fixture_test(destroy_joins_at_any_moment),
        fixture_test(a_batch_stays_until_the_next_call),
        fixture_test(the_last_batch_is_padded_or_dropped),
        fixture_test(a_failure_arrives_at_its_batch),
        fixture_test(impossible_loaders_are_refused),
        fixture_test(every_allocation_may_fail),
        fixture_test(waiting_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
