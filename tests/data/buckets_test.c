/* Batches of several lengths: which lengths, which samples, in which order. */
#include "support/fixture.h"
#include "base/random.h"
#include "data/buckets.h"
#include "fathom/data_files.h"
#include "fathom/text_data.h"

/* ---- choosing lengths ---- */

static int64_t steps_of(const int64_t *lengths, int64_t count, int64_t longest,
                        const fm_ints *buckets)
{
    int64_t steps = 0;
    for (int64_t i = 0; i < count; i++) {
        int k = 0;
        while (k < buckets->count && buckets->at[k] < lengths[i]) k++;
        steps += k < buckets->count ? buckets->at[k] : longest;
    }
    return steps;
}

/* The fewest steps with `left` more buckets, each above `above`. */
static int64_t try_all(const int64_t *lengths, int64_t count, int64_t longest, int left,
                       fm_ints buckets)
{
    int64_t above = buckets.count ? buckets.at[buckets.count - 1] : 0, least = INT64_MAX;
    if (left == 0) {
        buckets.at[buckets.count++] = longest;
        return steps_of(lengths, count, longest, &buckets);
    }
    for (int64_t next = above + 1; next < longest; next++) {
        fm_ints more = buckets;
        more.at[more.count++] = next;
        int64_t steps = try_all(lengths, count, longest, left - 1, more);
        if (steps < least) least = steps;
    }
    return least;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void chosen_lengths_take_the_fewest_steps(void **state)
{
    (void)state;
    enum { COUNT = 60, LONGEST = 14 };
    for (uint32_t round = 0; round < 20; round++) {
        int64_t lengths[COUNT];
        fm_random random = fm_random_at(1, round, 0);
        for (int i = 0; i < COUNT; i++) {
            lengths[i] =
                (int64_t)fm_random_below(&random, 5 + round); /* some are cut, some empty */
        }
        qsort(lengths, COUNT, sizeof lengths[0], ascending);
        for (int most = 2; most <= 4; most++) {
            fm_ints buckets;
            fm_buckets_choose(lengths, COUNT, LONGEST, most, &buckets);
            assert_true(buckets.count >= 2 && buckets.count <= most);
            assert_int_equal(buckets.at[buckets.count - 1], LONGEST);
            for (int k = 1; k < buckets.count; k++) {
                assert_true(buckets.at[k - 1] >= 1 && buckets.at[k - 1] < buckets.at[k]);
            }
            assert_int_equal(steps_of(lengths, COUNT, LONGEST, &buckets),
                             try_all(lengths, COUNT, LONGEST, most - 1, (fm_ints){0}));
        }
    }
}

static void no_more_lengths_than_there_are(void **state)
{
    (void)state;
    fm_ints buckets;
    const int64_t few[] = {3, 3, 3, 7, 7};
    fm_buckets_choose(few, 5, 7, 8, &buckets);
    assert_int_equal(buckets.count, 2);
    assert_int_equal(buckets.at[0], 3);
    fm_buckets_choose(few, 5, 3, 8, &buckets); /* all fill the length */
    assert_int_equal(buckets.count, 0);
    static int64_t many[5000]; /* more lengths than are looked at */
    for (int i = 0; i < 5000; i++) many[i] = 1 + i;
    fm_buckets_choose(many, 5000, 5000, 2, &buckets);
    assert_int_equal(buckets.count, 2);
    assert_true(llabs(buckets.at[0] - 2500) <= 10);
}

/* ---- sets ---- */

enum { COUNT = 203, LENGTH = 20 };

typedef struct words {
    char bytes[COUNT][4 * LENGTH];
    const char *texts[COUNT];
    int32_t labels[COUNT];
} words;

/* Texts of 0 to 24 words, few of them long. */
static fm_dataset *make_texts(fixture *f, const fm_text_form *form)
{
    static words w;
    fm_random random = fm_random_at(9, 0, 0);
    for (int i = 0; i < COUNT; i++) {
        double u = fm_random_uniform(&random);
        int count = (int)(25 * u * u);
        char *at = w.bytes[i];
        *at = '\0';
        for (int k = 0; k < count && k < LENGTH + 3; k++) {
            at += sprintf(at, "%c ", 'a' + (int)fm_random_below(&random, 20));
        }
        w.texts[i] = w.bytes[i];
        w.labels[i] = i % 2;
    }
    static const fm_column classes = {.kind = FM_COLUMN_CATEGORICAL, .category_count = 2};
    const fm_labelled_texts given = {
        .name = "words", .count = COUNT, .texts = w.texts, .labels = w.labels, .classes = &classes};
    fm_dataset *raw;
    assert_ok(f->context, fm_dataset_from_texts(f->context, &given, form, &raw));
    return raw;
}

static fm_dataset *prepare(fixture *f, fm_text_form form, fm_transform **transform)
{
    fm_transform *made;
    fm_dataset *prepared;
    form.vocabulary.kind = FM_VOCABULARY_WORDS;
    fm_dataset *raw = make_texts(f, &form);
    assert_ok(f->context, fm_transform_fit(f->context, raw, NULL, &made));
    assert_ok(f->context, fm_dataset_transform(f->context, raw, made, &prepared));
    fm_dataset_destroy(raw);
    if (transform) {
        *transform = made;
    } else {
        fm_transform_destroy(made);
    }
    return prepared;
}

static void lengths_are_those_of_the_texts(void **state)
{
    fixture *f = *state;
    fm_dataset *data = prepare(f, (fm_text_form){.length = LENGTH, .buckets = 3}, NULL), *view;
    static int32_t tokens[COUNT][LENGTH];
    fm_data_request all = {.count = COUNT, .fields = {tokens}};
    assert_ok(f->context, fm_dataset_read(f->context, data, &all));
    for (int i = 0; i < COUNT; i++) {
        int real = 0;
        while (real < LENGTH && tokens[i][real] != FM_TOKEN_PADDING) real++;
        assert_int_equal(fm_dataset_length(data, i), real);
    }
    assert_int_equal(fm_dataset_length(data, COUNT), 0);
    assert_ok(f->context, fm_dataset_view(f->context, data, (uint32_t[]){7, 3}, 2, &view));
    assert_int_equal(fm_dataset_length(view, 1), fm_dataset_length(data, 3));
    assert_int_equal(fm_dataset_about(view)->buckets.count, 3);
    fm_dataset_destroy(view);
    fm_dataset_destroy(data);
}

/* What is cut off is padding, at either side; so it is through a view. */
static void a_short_sample_has_its_text(void **state)
{
    fixture *f = *state;
    for (int side = 0; side < 2; side++) {
        fm_text_form form = {.length = LENGTH, .pad = side, .bucket_lengths = {2, {5, 9}}};
        fm_dataset *data = prepare(f, form, NULL), *view;
        const fm_ints *buckets = &fm_dataset_about(data)->buckets;
        assert_int_equal(buckets->count, 3); /* the length itself was left out */
        assert_int_equal(buckets->at[2], LENGTH);
        uint32_t order[COUNT];
        int64_t some = 0;
        for (uint32_t i = COUNT; i-- > 0;) {
            if (fm_dataset_length(data, i) <= 9) order[some++] = i;
        }
        assert_ok(f->context, fm_dataset_view(f->context, data, order, some, &view));
        static int32_t whole[COUNT][LENGTH], cut[COUNT][9];
        fm_data_request request = {.count = some, .fields = {whole}};
        assert_ok(f->context, fm_dataset_read(f->context, view, &request));
        request.fields[0] = cut;
        request.length = 9;
        assert_ok(f->context, fm_dataset_read(f->context, view, &request));
        for (int64_t i = 0; i < some; i++) {
            assert_memory_equal(cut[i], whole[i] + (side ? LENGTH - 9 : 0), sizeof cut[i]);
        }
        request.length = 8;
        assert_fails(f->context, FM_ERROR_ARGUMENT,
                     "samples of 8 steps were asked for, which is none of its buckets",
                     fm_dataset_read(f->context, view, &request));
        fm_dataset_destroy(view);
        fm_dataset_destroy(data);
    }
}

static void buckets_travel_with_the_transform(void **state)
{
    fixture *f = *state;
    fm_transform *fitted, *again;
    char *json, *twice;
    fm_dataset *data = prepare(f, (fm_text_form){.length = LENGTH, .buckets = 4}, &fitted);
    const fm_ints *chosen = &fm_transform_input(fitted)->text->bucket_lengths;
    assert_int_equal(chosen->count, 4);
    assert_ok(f->context, fm_transform_to_json(f->context, fitted, &json));
    assert_ok(f->context, fm_transform_from_json(f->context, json, strlen(json), &again));
    assert_ok(f->context, fm_transform_to_json(f->context, again, &twice));
    assert_string_equal(json, twice);
    assert_memory_equal(&fm_transform_output(again)->buckets, chosen, sizeof *chosen);
    char *list = strstr(json, "\"buckets\":[");
    assert_non_null(list);
    list[strlen("\"buckets\":[")] = '0'; /* "[3," becomes "[0," */
    fm_transform *broken;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "bucket_lengths ascend, from 1 to length, 20",
                 fm_transform_from_json(f->context, json, strlen(json), &broken));
    list[strlen("\"buckets\":")] = '{';
    assert_fails(f->context, FM_ERROR_FORMAT, "JSON",
                 fm_transform_from_json(f->context, json, strlen(json), &broken));
    fm_data_release(f->context, json);
    fm_data_release(f->context, twice);
    fm_transform_destroy(again);
    fm_transform_destroy(fitted);
    fm_dataset_destroy(data);
}

static void impossible_buckets_are_refused(void **state)
{
    fixture *f = *state;
    static const struct {
        fm_text_form form;
        const char *words;
    } cases[] = {
        {{.buckets = 9}, "words: at most 8 buckets, received 9"},
        {{.buckets = 2, .bucket_lengths = {1, {4}}},
         "give buckets, their number, or bucket_lengths"},
        {{.length = 5, .bucket_lengths = {1, {6}}}, "ascend, from 1 to length, 5"},
        {{.length = 5, .bucket_lengths = {2, {3, 3}}}, "ascend, from 1 to length, 5"},
        {{.length = 9, .bucket_lengths = {8, {1, 2, 3, 4, 5, 6, 7, 8}}}, "are at most 8 with it"},
        {{.length = 5, .bucket_lengths = {1, {0}}}, "ascend, from 1 to length"},
    };
    const char *texts[] = {"a"};
    const fm_labelled_texts given = {.name = "words", .count = 1, .texts = texts};
    fm_dataset *raw;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_fails(f->context, FM_ERROR_ARGUMENT, cases[i].words,
                     fm_dataset_from_texts(f->context, &given, &cases[i].form, &raw));
        assert_null(raw);
    }
    assert_fails(
        f->context, FM_ERROR_ARGUMENT, "buckets are for texts of several lengths",
        fm_dataset_from_text(f->context, "novel", "abc", 3, &(fm_text_form){.buckets = 2}, &raw));
}

/* ---- batches ---- */

typedef struct seen {
    int64_t batches, samples, steps;
    uint32_t order[COUNT];
    int64_t lengths[COUNT]; /* of each batch */
} seen;

/* Every sample is in a bucket that holds it, and has the tokens that reading it by itself gives. */
static void read_epoch(fixture *f, const fm_dataset *data, fm_loader *loader, int64_t epoch,
                       int64_t first, seen *s)
{
    fm_batch batch;
    *s = (seen){0};
    assert_ok(f->context, fm_loader_begin(loader, epoch, first));
    for (;;) {
        assert_ok(f->context, fm_loader_next(loader, &batch));
        if (batch.count == 0) return;
        s->lengths[s->batches++] = batch.length;
        s->steps += batch.count * batch.length;
        for (int64_t i = 0; i < batch.count; i++) {
            int32_t expected[LENGTH];
            const int32_t *x = (const int32_t *)batch.x + i * batch.length;
            fm_data_request one = {.indices = batch.indices + i,
                                   .count = 1,
                                   .fields = {expected},
                                   .length = batch.length};
            assert_true(fm_dataset_length(data, batch.indices[i]) <= batch.length);
            assert_ok(f->context, fm_dataset_read(f->context, data, &one));
            assert_memory_equal(x, expected, (size_t)batch.length * sizeof *x);
            assert_int_equal(((const int32_t *)batch.y)[i], batch.indices[i] % 2);
            s->order[s->samples++] = batch.indices[i];
        }
    }
}

static void every_sample_comes_once(const seen *s)
{
    int times[COUNT] = {0};
    assert_int_equal(s->samples, COUNT);
    for (int i = 0; i < COUNT; i++) times[s->order[i]]++;
    for (int i = 0; i < COUNT; i++) assert_int_equal(times[i], 1);
}

static void batches_are_cut_out_of_buckets(void **state)
{
    fixture *f = *state;
    fm_dataset *data = prepare(f, (fm_text_form){.length = LENGTH, .buckets = 4}, NULL);
    const fm_ints *buckets = &fm_dataset_about(data)->buckets;
    const fm_loader_options options = {.batch_size = 8, .shuffle = true, .seed = 3};
    fm_loader *loader;
    assert_ok(f->context, fm_loader_create(f->context, data, &options, &loader));
    assert_int_equal(fm_loader_batches(loader), 26);
    static seen s, again, other;
    read_epoch(f, data, loader, 0, 0, &s);
    every_sample_comes_once(&s);
    /* all samples of up to this bucket, in whole batches: only what is left over has moved up */
    int64_t left = 0, steps = 0, changes = 0;
    for (int k = 0; k < buckets->count; k++) {
        int64_t here = left, batches = 0;
        for (int64_t i = 0; i < COUNT; i++) {
            int64_t length = fm_dataset_length(data, i);
            here += length <= buckets->at[k] && (k == 0 || length > buckets->at[k - 1]);
        }
        for (int64_t b = 0; b < s.batches; b++) batches += s.lengths[b] == buckets->at[k];
        bool last = k == buckets->count - 1;
        assert_int_equal(batches, last ? (here + 7) / 8 : here / 8);
        steps += (last ? here : here / 8 * 8) * buckets->at[k];
        left = here % 8;
    }
    assert_int_equal(s.steps, steps);
    assert_true(steps * 10 < 7 * COUNT * LENGTH);
    for (int64_t b = 1; b < s.batches; b++) changes += s.lengths[b] < s.lengths[b - 1];
    assert_true(changes > 3); /* batches are shuffled, too */
    read_epoch(f, data, loader, 0, 0, &again);
    assert_memory_equal(&s, &again, sizeof s);
    read_epoch(f, data, loader, 1, 0, &other);
    every_sample_comes_once(&other);
    assert_memory_not_equal(s.order, other.order, sizeof s.order);
    fm_loader_destroy(loader);
    fm_dataset_destroy(data);
}

static void forms_tell_every_batch(void **state)
{
    fixture *f = *state;
    fm_dataset *data = prepare(f, (fm_text_form){.length = LENGTH, .buckets = 3}, NULL);
    for (int how = 0; how < 8; how++) {
        const fm_loader_options options = {.batch_size = how & 4 ? COUNT + 1 : 10,
                                           .shuffle = how & 1,
                                           .drop_last = (how & 6) == 2,
                                           .by_length = how & 2};
        fm_loader *loader;
        fm_batch_form form;
        fm_batch batch;
        assert_ok(f->context, fm_loader_create(f->context, data, &options, &loader));
        for (int epoch = 0; epoch < 3; epoch++) {
            int64_t batches = 0, found = 0;
            for (int i = 0; (form = fm_loader_form(loader, i)).batches > 0; i++) {
                int64_t here = 0;
                assert_ok(f->context, fm_loader_begin(loader, epoch, 0));
                for (;;) {
                    assert_ok(f->context, fm_loader_next(loader, &batch));
                    if (batch.count == 0) break;
                    here += batch.count == form.count && batch.length == form.length;
                }
                assert_int_equal(here, form.batches);
                batches += form.batches;
                found++;
            }
            assert_int_equal(batches, fm_loader_batches(loader));
            assert_true(found > 0 && found <= FM_MAX_BATCH_FORMS);
        }
        assert_int_equal(fm_loader_form(loader, FM_MAX_BATCH_FORMS).batches, 0);
        fm_loader_destroy(loader);
    }
    fm_dataset_destroy(data);
}

/* Without shuffling the order is the data's; by_length short samples come first. */
static void an_order_can_be_kept(void **state)
{
    fixture *f = *state;
    fm_dataset *data = prepare(f, (fm_text_form){.length = LENGTH, .buckets = 4}, NULL);
    static seen kept, sorted;
    fm_loader *loader;
    fm_loader_options options = {.batch_size = 2};
    assert_ok(f->context, fm_loader_create(f->context, data, &options, &loader));
    read_epoch(f, data, loader, 0, 0, &kept);
    for (uint32_t i = 0; i < COUNT; i++) assert_int_equal(kept.order[i], i);
    assert_true(kept.steps < COUNT * LENGTH);
    fm_loader_destroy(loader);
    options.by_length = true;
    assert_ok(f->context, fm_loader_create(f->context, data, &options, &loader));
    read_epoch(f, data, loader, 0, 0, &sorted);
    every_sample_comes_once(&sorted);
    for (int64_t b = 1; b < sorted.batches; b++) {
        assert_true(sorted.lengths[b] >= sorted.lengths[b - 1]);
    }
    assert_true(sorted.steps < kept.steps);
    fm_loader_destroy(loader);
    options.one_length = true;
    fm_batch batch;
    assert_ok(f->context, fm_loader_create(f->context, data, &options, &loader));
    assert_ok(f->context, fm_loader_begin(loader, 0, 0));
    assert_ok(f->context, fm_loader_next(loader, &batch));
    assert_int_equal(batch.length, 0);
    assert_int_equal(batch.indices[1], 1);
    fm_loader_destroy(loader);
    fm_dataset_destroy(data);
}

static void any_number_of_workers_and_any_beginning(void **state)
{
    fixture *f = *state;
    fm_dataset *data = prepare(f, (fm_text_form){.length = LENGTH, .buckets = 5}, NULL);
    static seen whole, part;
    for (int workers = 0; workers <= 3; workers++) {
        fm_loader *loader;
        const fm_loader_options options = {
            .batch_size = 9, .shuffle = true, .seed = 2, .workers = workers};
        assert_ok(f->context, fm_loader_create(f->context, data, &options, &loader));
        long made = atomic_load(&f->made);
        if (workers == 0) read_epoch(f, data, loader, 5, 0, &whole);
        for (int64_t first = 0; first <= 23; first += 7) {
            read_epoch(f, data, loader, 5, first, &part);
            assert_int_equal(part.samples, COUNT - 9 * first);
            assert_memory_equal(part.order, whole.order + 9 * first,
                                (size_t)part.samples * sizeof part.order[0]);
        }
        assert_int_equal(atomic_load(&f->made), made); /* nothing was allocated */
        fm_loader_destroy(loader);
    }
    fm_dataset_destroy(data);
}

static fm_status create_loader(fm_context *context, void *data)
{
    fm_loader *loader;
    const fm_loader_options options = {.batch_size = 8, .shuffle = true};
    fm_status status = fm_loader_create(context, data, &options, &loader);
    fm_loader_destroy(loader);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    fm_dataset *data = prepare(f, (fm_text_form){.length = LENGTH, .buckets = 3}, NULL);
    assert_true(fail_each_allocation(f, create_loader, data) > 4);
    fm_dataset_destroy(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(chosen_lengths_take_the_fewest_steps),
        fixture_test(no_more_lengths_than_there_are),
        fixture_test(lengths_are_those_of_the_texts),
        fixture_test(a_short_sample_has_its_text),
        fixture_test(buckets_travel_with_the_transform),
        fixture_test(impossible_buckets_are_refused),
        fixture_test(batches_are_cut_out_of_buckets),
        fixture_test(forms_tell_every_batch),
        fixture_test(an_order_can_be_kept),
        fixture_test(any_number_of_workers_and_any_beginning),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
