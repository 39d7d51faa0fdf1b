/* Several views of each sample: repeated sets, batches of whole groups,
 * numbers of samples as targets. */
#include "support/fixture.h"

#include "fathom/augmentation.h"

enum { SAMPLES = 10, SIDE = 6, VIEWS = 3 };

static fm_dataset *pictures(fixture *f)
{
    uint8_t x[SAMPLES][SIDE * SIDE], y[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        for (int k = 0; k < SIDE * SIDE; k++) x[i][k] = (uint8_t)(20 * i + k);
        y[i] = (uint8_t)(i % 2);
    }
    fm_dataset_info info = {.name = "pictures", .count = SAMPLES, .field_count = 2};
    info.fields[0] = (fm_data_field){"x", FM_U8, FM_SHAPE(SIDE, SIDE), NULL};
    info.fields[1] = (fm_data_field){"y", FM_U8, FM_SHAPE(), NULL};
    fm_dataset *set;
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *[]){x, y}, false, &set));
    return set;
}

static fm_dataset *repeated(fixture *f, int64_t views)
{
    fm_dataset *set = pictures(f), *made;
    assert_ok(f->context, fm_dataset_repeat(f->context, set, views, &made));
    fm_dataset_destroy(set);
    return made;
}

/* Prepared views of the noisy set, with the target "sample". */
static fm_dataset *prepared(fixture *f)
{
    const fm_augment noise = {.kind = FM_AUGMENT_GAUSSIAN_NOISE, .deviation = 0.2};
    fm_dataset *raw = pictures(f), *views, *noisy, *made;
    fm_transform *transform;
    const fm_transform_options options = {.scale = 255, .target = FM_TARGET_SAMPLE};
    assert_ok(f->context, fm_transform_fit(f->context, raw, &options, &transform));
    assert_ok(f->context, fm_dataset_repeat(f->context, raw, VIEWS, &views));
    assert_ok(f->context, fm_dataset_augment(f->context, views, &noise, 1, &noisy));
    assert_ok(f->context, fm_dataset_transform(f->context, noisy, transform, &made));
    fm_dataset_destroy(raw);
    fm_dataset_destroy(views);
    fm_dataset_destroy(noisy);
    fm_transform_destroy(transform);
    return made;
}

static void samples_are_repeated_in_groups(void **state)
{
    fixture *f = *state;
    fm_dataset *set = repeated(f, VIEWS);
    const fm_dataset_info *about = fm_dataset_about(set);
    assert_int_equal(about->count, SAMPLES * VIEWS);
    assert_int_equal(about->group, VIEWS);
    uint8_t x[SAMPLES * VIEWS][SIDE * SIDE], y[SAMPLES * VIEWS];
    fm_data_request all = {.count = SAMPLES * VIEWS, .fields = {x, y}};
    assert_ok(f->context, fm_dataset_read(f->context, set, &all));
    for (int i = 0; i < SAMPLES * VIEWS; i++) {
        assert_int_equal(x[i][3], 20 * (i / VIEWS) + 3);
        assert_int_equal(y[i], i / VIEWS % 2);
    }
    fm_dataset *part; /* of which nothing says that it holds whole groups */
    assert_ok(f->context, fm_dataset_range(f->context, set, 1, 5, &part));
    assert_int_equal(fm_dataset_about(part)->group, 0);
    fm_dataset_destroy(part);
    fm_dataset_destroy(set);
}

/* Two views of a sample differ, the same view of the same epoch never does,
 * and each says its sample. */
static void views_differ_and_know_their_sample(void **state)
{
    fixture *f = *state;
    fm_dataset *set = prepared(f);
    const fm_data_field *y = &fm_dataset_about(set)->fields[1];
    assert_int_equal(fm_dataset_about(set)->group, VIEWS);
    assert_int_equal(y->dtype, FM_I32);
    assert_int_equal(y->shape.rank, 0);
    assert_null(y->columns);
    enum { ALL = SAMPLES * VIEWS, SIZE = SIDE * SIDE };
    float first[ALL][SIZE], again[ALL][SIZE], other[ALL][SIZE];
    int32_t numbers[ALL];
    fm_data_request request = {.count = ALL, .fields = {first, numbers}, .seed = 5, .epoch = 2};
    assert_ok(f->context, fm_dataset_read(f->context, set, &request));
    request.fields[0] = again;
    assert_ok(f->context, fm_dataset_read(f->context, set, &request));
    request.fields[0] = other;
    request.epoch = 3;
    assert_ok(f->context, fm_dataset_read(f->context, set, &request));
    assert_memory_equal(first, again, sizeof first);
    for (int i = 0; i < ALL; i++) {
        assert_int_equal(numbers[i], i / VIEWS);
        assert_memory_not_equal(first[i], other[i], sizeof first[i]);
        if (i % VIEWS) assert_memory_not_equal(first[i], first[i - 1], sizeof first[i]);
    }
    fm_dataset_destroy(set);
}

/* One epoch: which samples, batch by batch. */
static int read_epoch(fixture *f, const fm_dataset *set, int64_t workers, int64_t epoch,
                      float *pixels, uint32_t *order)
{
    fm_loader *loader;
    const fm_loader_options how = {
        .batch_size = 2 * VIEWS, .shuffle = true, .seed = 4, .workers = workers};
    fm_batch batch;
    int read = 0;
    assert_ok(f->context, fm_loader_create(f->context, set, &how, &loader));
    assert_ok(f->context, fm_loader_begin(loader, epoch, 0));
    for (;;) {
        assert_ok(f->context, fm_loader_next(loader, &batch));
        if (batch.count == 0) break;
        for (int64_t i = 0; i < batch.count; i++) {
            assert_int_equal(((const int32_t *)batch.y)[i], batch.indices[i] / VIEWS);
            memcpy(pixels + read * SIDE * SIDE, (const float *)batch.x + i * SIDE * SIDE,
                   SIDE * SIDE * sizeof(float));
            order[read++] = batch.indices[i];
        }
    }
    fm_loader_destroy(loader);
    return read;
}

static void batches_hold_whole_groups(void **state)
{
    fixture *f = *state;
    enum { ALL = SAMPLES * VIEWS };
    static float pixels[2][ALL * SIDE * SIDE];
    uint32_t order[2][ALL], next[ALL];
    bool seen[SAMPLES] = {false}, moved = false, differs = false;
    fm_dataset *set = prepared(f);
    assert_int_equal(read_epoch(f, set, 0, 1, pixels[0], order[0]), ALL);
    assert_int_equal(read_epoch(f, set, 2, 1, pixels[1], order[1]), ALL);
    assert_memory_equal(order[0], order[1], sizeof order[0]);
    assert_memory_equal(pixels[0], pixels[1], sizeof pixels[0]);
    for (int g = 0; g < SAMPLES; g++) {
        uint32_t sample = order[0][g * VIEWS] / VIEWS;
        for (uint32_t k = 0; k < VIEWS; k++) {
            assert_int_equal(order[0][g * VIEWS + (int)k], sample * VIEWS + k);
        }
        assert_false(seen[sample]);
        seen[sample] = true;
        moved = moved || sample != (uint32_t)g;
    }
    read_epoch(f, set, 0, 2, pixels[1], next);
    for (int i = 0; i < ALL; i++) differs = differs || next[i] != order[0][i];
    assert_true(moved && differs);
    fm_dataset_destroy(set);
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    fm_dataset *set = repeated(f, VIEWS), *made, *second;
    fm_loader *loader;
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "data set \"pictures\": texts, and samples that have a place of their own in a "
                 "batch, cannot be repeated",
                 fm_dataset_repeat(f->context, set, 2, &made));
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "data set \"pictures\": 1 to 64 views of each sample are possible, received 65",
                 fm_dataset_repeat(f->context, set, 65, &made));
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "loader: \"pictures\" has 3 views of each sample, which belong into one batch: a "
                 "batch_size of 32 is no multiple",
                 fm_loader_create(f->context, set, NULL, &loader));
    assert_fails(
        f->context, FM_ERROR_ARGUMENT,
        "data set \"pictures\": it is to be split before its samples are repeated",
        fm_dataset_split(f->context, set, &(fm_split_options){.fraction = 0.2}, &made, &second));
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "data set \"pictures\": it is to be split before its samples are repeated",
                 fm_dataset_fold(f->context, set, 2, 0, 1, &made, &second));
    fm_dataset_destroy(set);
}

static fm_status repeat_all(fm_context *context, void *argument)
{
    fm_dataset *made;
    fm_status status = fm_dataset_repeat(context, argument, 2, &made);
    if (status == FM_OK) fm_dataset_destroy(made);
    return status;
}

static void each_allocation_may_fail(void **state)
{
    fixture *f = *state;
    fm_dataset *set = pictures(f);
    assert_true(fail_each_allocation(f, repeat_all, set) >= 2);
    fm_dataset_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(samples_are_repeated_in_groups),
        fixture_test(views_differ_and_know_their_sample),
        fixture_test(batches_hold_whole_groups),
        fixture_test(mistakes_are_worded),
        fixture_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
