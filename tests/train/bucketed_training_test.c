/* Training, evaluating and predicting in batches of several lengths. */
#include "support/training_problem.h"
#include "base/random.h"
#include "fathom/gradients.h"
#include "fathom/model_file.h"
#include "fathom/nn_attention.h"
#include "fathom/nn_recurrent.h"
#include "fathom/nn_vision.h"
#include "fathom/ops.h"
#include "fathom/text_data.h"

enum { COUNT = 90, LENGTH = 16, TOKENS = 14, CLASSES = 2 };

/* ---- data ---- */

/* Texts of 1 to 16 letters; the class is whether 'a' stands before the last 'b'. */
static fm_dataset *make_data(fixture *f, int pad, bool buckets)
{
    static char bytes[COUNT][2 * LENGTH + 1];
    const char *texts[COUNT];
    int32_t labels[COUNT];
    fm_random random = fm_random_at(4, 0, 0);
    for (int i = 0; i < COUNT; i++) {
        double u = fm_random_uniform(&random);
        int count = 1 + (int)(LENGTH * u * u), last_b = -1;
        labels[i] = 0;
        for (int k = 0; k < count; k++) {
            int letter = (int)fm_random_below(&random, TOKENS - 2);
            bytes[i][k] = (char)('a' + letter);
            if (letter == 1) last_b = k;
        }
        bytes[i][count] = '\0';
        for (int k = 0; k < last_b; k++) labels[i] |= bytes[i][k] == 'a';
        texts[i] = bytes[i];
    }
    static const fm_column classes = {.kind = FM_COLUMN_CATEGORICAL, .category_count = CLASSES};
    const fm_labelled_texts given = {
        .name = "letters", .count = COUNT, .texts = texts, .labels = labels, .classes = &classes};
    fm_text_form form = {.length = LENGTH, .pad = pad};
    if (buckets) form.bucket_lengths = (fm_ints){3, {5, 8, 12}};
    fm_dataset *raw, *data;
    fm_transform *transform;
    assert_ok(f->context, fm_dataset_from_texts(f->context, &given, &form, &raw));
    assert_ok(f->context, fm_transform_fit(f->context, raw, NULL, &transform));
    assert_ok(f->context, fm_dataset_transform(f->context, raw, transform, &data));
    fm_transform_destroy(transform);
    fm_dataset_destroy(raw);
    return data;
}

/* ---- models ---- */

static fm_val embedded(fm_graph *g, fm_val x, bool mask)
{
    return fm_embedding(g, x, .input_dim = TOKENS, .output_dim = 6, .mask_zero = mask,
                        .embeddings_initializer = fm_random_uniform_initializer(-1, 1));
}

static fm_val both_directions(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_lstm(g, embedded(g, x, true), .units = 5, .bidirectional = true);
    return fm_dense(g, x, .units = CLASSES);
}

static fm_val backwards(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_gru(g, embedded(g, x, true), .units = 5, .go_backwards = true, .return_sequences = true);
    return fm_dense(g, fm_simple_rnn(g, x, .units = 4), .units = CLASSES);
}

static fm_val step_by_step(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_lstm(g, embedded(g, x, true), .units = 5, .layer_normalization = true);
    return fm_dense(g, x, .units = CLASSES);
}

static fm_val attention(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_transformer_encoder(g, embedded(g, x, true), .intermediate_dim = 8, .num_heads = 2);
    return fm_dense(g, fm_global_average_pooling(g, x), .units = CLASSES);
}

static fm_val rotary_attention(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = embedded(g, x, true);
    x = fm_multi_head_attention(g, &x, 1, .num_heads = 1, .rotary = true);
    return fm_dense(g, fm_global_max_pooling(g, x), .units = CLASSES);
}

static fm_val pooled(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = embedded(g, x, true);
    x = fm_concat(g, (fm_val[]){fm_global_average_pooling(g, x), fm_global_max_pooling(g, x)}, 2,
                  1);
    return fm_dense(g, x, .units = CLASSES);
}

static fm_val valid_windows(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_conv1d(g, embedded(g, x, true), .filters = 5, .kernel_size = {1, {3}},
                  .dilation_rate = {1, {2}}, .activation = FM_RELU);
    return fm_dense(g, fm_global_max_pooling(g, x), .units = CLASSES);
}

/* Windows of stride 2 lie alike in all lengths where padding stands at the end. */
static fm_val strided_windows(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_conv1d(g, embedded(g, x, true), .filters = 5, .kernel_size = {1, {2}},
                  .activation = FM_TANH);
    x = fm_max_pooling1d(g, x);
    x = fm_conv1d(g, x, .filters = 4, .kernel_size = {1, {3}}, .padding = FM_PADDING_SAME,
                  .activation = FM_TANH);
    x = fm_conv1d(g, x, .filters = 4, .kernel_size = {1, {1}}, .strides = {1, {2}});
    return fm_dense(g, fm_global_average_pooling(g, x), .units = CLASSES);
}

static fm_val same_windows(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_conv1d(g, embedded(g, x, true), .filters = 5, .kernel_size = {1, {3}},
                  .padding = FM_PADDING_SAME, .activation = FM_TANH);
    x = fm_separable_conv1d(g, x, .filters = 5, .kernel_size = {1, {2}});
    return fm_dense(g, fm_global_average_pooling(g, x), .units = CLASSES);
}

static fm_val unmasked(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_lstm(g, embedded(g, x, false), .units = 5);
    return fm_dense(g, x, .units = CLASSES);
}

typedef fm_val (*builder)(fm_graph *g, fm_val x, void *argument);

static fm_model_options options_of(builder build)
{
    return (fm_model_options){.build = build,
                              .input_shape = FM_SHAPE(LENGTH),
                              .input_dtype = FM_I32,
                              .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                              .optimizer = {FM_ADAM, .learning_rate = 0.02},
                              .metrics = {{.metric = FM_ACCURACY}},
                              .metric_count = 1,
                              .seed = 1};
}

static fm_model *make_model(fixture *f, builder build)
{
    fm_model *model;
    const fm_model_options options = options_of(build);
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    return model;
}

static const builder masked[] = {strided_windows, /* for padding at the end alone */
                                 both_directions,  backwards, step_by_step,  attention,
                                 rotary_attention, pooled,    valid_windows, same_windows};
enum { MASKED = sizeof masked / sizeof masked[0] };

/* ---- the bucket does not matter ---- */

static double apart(fixture *f, fm_model *model, const fm_dataset *data)
{
    static int32_t tokens[COUNT][LENGTH];
    static float bucketed[COUNT][CLASSES], whole[COUNT][CLASSES];
    fm_data_request all = {.count = COUNT, .fields = {tokens}};
    assert_ok(f->context, fm_dataset_read(f->context, data, &all));
    assert_ok(f->context,
              fm_predict(model, data, &(fm_predict_options){.batch_size = 8}, bucketed));
    assert_ok(f->context, fm_predict_samples(model, tokens, COUNT,
                                             &(fm_predict_options){.batch_size = 8}, whole));
    double largest = 0;
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < CLASSES; k++) {
            largest = fmax(largest, fabs((double)bucketed[i][k] - (double)whole[i][k]));
        }
    }
    return largest;
}

static void a_masked_sample_is_the_same_in_any_bucket(void **state)
{
    fixture *f = *state;
    for (int pad = 0; pad < 2; pad++) {
        fm_dataset *data = make_data(f, pad, true);
        for (int i = pad == FM_TEXT_START ? 1 : 0; i < MASKED; i++) {
            fm_model *model = make_model(f, masked[i]);
            double difference = apart(f, model, data);
            if (difference > 2e-6) fail_msg("pad %d, model %d: %g", pad, i, difference);
            fm_model_destroy(model);
        }
        fm_model *model = make_model(f, unmasked);
        assert_true(apart(f, model, data) > 1e-3); /* padding counts */
        fm_model_destroy(model);
        fm_dataset_destroy(data);
    }
}

static void scores_are_those_of_one_length(void **state)
{
    fixture *f = *state;
    fm_dataset *buckets = make_data(f, FM_TEXT_END, true), *one = make_data(f, FM_TEXT_END, false);
    for (int i = 0; i < MASKED; i++) {
        fm_model *model = make_model(f, masked[i]);
        fm_scores a, b;
        assert_ok(f->context, fm_evaluate(model, buckets, NULL, &a));
        assert_ok(f->context, fm_evaluate(model, one, NULL, &b));
        assert_int_equal(a.samples, COUNT);
        assert_near(a.loss, b.loss, 1e-6);
        assert_near(a.metrics[0], b.metrics[0], 0);
        fm_model_destroy(model);
    }
    fm_dataset_destroy(buckets);
    fm_dataset_destroy(one);
}

/* One epoch of steps of a loader's batches, or of the same samples at the full length. */
static void train_an_epoch(fixture *f, fm_model *model, const fm_dataset *data, bool whole)
{
    fm_loader *loader;
    fm_batch batch;
    const fm_loader_options options = {.batch_size = 8, .shuffle = true, .seed = 5};
    static int32_t tokens[8][LENGTH];
    assert_ok(f->context, fm_loader_create(f->context, data, &options, &loader));
    assert_ok(f->context, fm_loader_begin(loader, 0, 0));
    for (;;) {
        double loss;
        assert_ok(f->context, fm_loader_next(loader, &batch));
        if (batch.count == 0) break;
        fm_data_request same = {.indices = batch.indices, .count = batch.count, .fields = {tokens}};
        assert_ok(f->context, fm_dataset_read(f->context, data, &same));
        if (whole) {
            batch.x = tokens;
            batch.length = 0;
        }
        assert_ok(f->context, fm_train_step(model, &batch, 0.02, &loss));
        assert_non_null(fm_step_prediction(model, FM_TRAIN, batch.count));
    }
    fm_loader_destroy(loader);
}

static void steps_are_those_of_one_length(void **state)
{
    fixture *f = *state;
    fm_dataset *data = make_data(f, FM_TEXT_START, true);
    for (int i = 1; i < MASKED; i++) {
        static float predictions[2][COUNT][CLASSES];
        for (int whole = 0; whole < 2; whole++) {
            fm_model *model = make_model(f, masked[i]);
            train_an_epoch(f, model, data, whole);
            assert_ok(f->context, fm_predict(model, data, NULL, predictions[whole]));
            fm_model_destroy(model);
        }
        for (int k = 0; k < COUNT * CLASSES; k++) {
            assert_near(((float *)predictions[0])[k], ((float *)predictions[1])[k], 2e-3);
        }
    }
    fm_dataset_destroy(data);
}

static void the_last_prediction_is_that_of_the_last_step(void **state)
{
    fixture *f = *state;
    fm_dataset *data = make_data(f, FM_TEXT_END, true);
    fm_model *model = make_model(f, pooled);
    const fm_ints *buckets = &fm_dataset_about(data)->buckets;
    static int32_t tokens[2][LENGTH], labels[2];
    float first[2][CLASSES];
    for (int k = 0; k < 2; k++) {
        fm_data_request request = {.indices = (uint32_t[]){0, 1},
                                   .count = 2,
                                   .fields = {tokens, labels},
                                   .length = buckets->at[k]};
        assert_ok(f->context, fm_dataset_read(f->context, data, &request));
        const fm_batch batch = {.count = 2, .x = tokens, .y = labels, .length = buckets->at[k]};
        assert_ok(f->context, fm_evaluate_step(model, &batch, NULL));
        const void *last = fm_step_prediction(model, FM_EVALUATE, 2);
        if (k == 0) memcpy(first, last, sizeof first);
        if (k == 1) assert_memory_not_equal(first, last, sizeof first); /* more of the texts */
    }
    fm_model_destroy(model);
    fm_dataset_destroy(data);
}

/* ---- fit ---- */

typedef struct counter {
    int64_t stop_at, steps, measured;
} counter;

static fm_status count_steps(void *user, fm_event *event)
{
    counter *c = user;
    c->steps++;
    if (event->gradients) c->measured++;
    if (c->steps == c->stop_at) event->stop = true;
    return FM_OK;
}

static fm_fit_options fit_options(const fm_dataset *data, const fm_callback *callback)
{
    return (fm_fit_options){.epochs = 3,
                            .batch_size = 8,
                            .validation = data,
                            .callbacks = callback,
                            .callback_count = 1};
}

static void a_run_is_resumed_with_the_same_bits(void **state)
{
    fixture *f = *state;
    fm_dataset *data = make_data(f, FM_TEXT_END, true);
    counter c = {0};
    const fm_callback callback = {.name = "counter", .user = &c, .batch_end = count_steps};
    fm_fit_options fit = fit_options(data, &callback);
    fm_model *whole = make_model(f, both_directions);
    assert_ok(f->context, fm_fit(whole, data, &fit));
    assert_int_equal(c.steps, 36); /* 12 an epoch: the last has 2 samples */
    const fm_history *history = fm_model_history(whole);
    assert_true(history->epochs[2].validation.loss < history->epochs[0].validation.loss);
    const char *path = fixture_path(f, "state.safetensors");
    for (int64_t step = 1; step < 26; step += 4) {
        fm_model *model = make_model(f, both_directions);
        fm_checkpoint checkpoint = {.path = path};
        c = (counter){.stop_at = step};
        fit.workers = 2;
        fit.checkpoint = &checkpoint;
        assert_ok(f->context, fm_fit(model, data, &fit));
        fm_model_destroy(model);
        model = make_model(f, both_directions);
        assert_ok(f->context, fm_model_load(model, path, NULL));
        c = (counter){0};
        fit.resume = true;
        assert_ok(f->context, fm_fit(model, data, &fit));
        assert_int_equal(c.steps, 36 - step);
        assert_true(problem_digest(model) == problem_digest(whole));
        assert_same_history(fm_model_history(model), history, 1);
        fm_model_destroy(model);
        fit.resume = false;
    }
    fm_model_destroy(whole);
    fm_dataset_destroy(data);
}

typedef struct allocations {
    fixture *f;
    long made; /* when the epoch's first step was over */
} allocations;

static fm_status expect_no_allocation(void *user, fm_event *event)
{
    allocations *a = user;
    long made = atomic_load(&a->f->made);
    if (event->batch == 1) a->made = made;
    assert_int_equal(made, a->made);
    return FM_OK;
}

/* All programs were compiled before. */
static void steps_of_any_length_allocate_nothing(void **state)
{
    fixture *f = *state;
    fm_dataset *data = make_data(f, FM_TEXT_END, true);
    allocations a = {.f = f};
    const fm_callback callback = {
        .name = "allocations", .user = &a, .batch_end = expect_no_allocation};
    const fm_fit_options fit = fit_options(data, &callback);
    fm_model *model = make_model(f, backwards);
    assert_ok(f->context, fm_fit(model, data, &fit));
    fm_model_destroy(model);
    fm_dataset_destroy(data);
}

/* Examples of a private training are read at the full length: buckets change nothing. */
static void private_examples_have_one_length(void **state)
{
    fixture *f = *state;
    const fm_privacy_options privacy = {
        .noise_multiplier = 0.5, .target_delta = 1e-3, .max_grad_norm = 1, .noise_seed = 3};
    uint64_t digests[2];
    for (int buckets = 0; buckets < 2; buckets++) {
        fm_dataset *data = make_data(f, FM_TEXT_END, buckets);
        fm_model *model;
        fm_model_options options = options_of(pooled);
        options.privacy = &privacy;
        assert_ok(f->context, fm_model_create(f->context, &options, &model));
        assert_ok(f->context, fm_fit(model, data, &(fm_fit_options){.epochs = 2, .batch_size = 8}));
        digests[buckets] = problem_digest(model);
        const fm_batch batch = {.count = 1, .x = "", .y = "", .length = 5};
        assert_fails(f->context, FM_ERROR_ARGUMENT,
                     "examples have one length, received a batch of 5 steps",
                     fm_train_step(model, &batch, 0.1, NULL));
        fm_model_destroy(model);
        fm_dataset_destroy(data);
    }
    assert_true(digests[0] == digests[1]);
}

static void gradients_are_measured_at_one_length(void **state)
{
    fixture *f = *state;
    fm_dataset *data = make_data(f, FM_TEXT_END, true);
    counter c = {0};
    const fm_callback callback = {.name = "counter", .user = &c, .batch_end = count_steps};
    fm_fit_options fit = fit_options(data, &callback);
    fm_model *model = make_model(f, attention);
    fit.gradients_every = FM_EACH_EPOCH;
    assert_ok(f->context, fm_fit(model, data, &fit));
    assert_int_equal(c.measured, 3);
    fm_model_destroy(model);
    fm_dataset_destroy(data);
}

static void a_nan_is_found_in_its_batch(void **state)
{
    fixture *f = *state;
    fm_dataset *data = make_data(f, FM_TEXT_END, true);
    fm_model *model;
    fm_model_options options = options_of(pooled);
    options.optimizer = (fm_optimizer){FM_SGD, .learning_rate = 1e30};
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_fails(f->context, FM_ERROR_NONFINITE, "the variables are those of before that step",
                 fm_fit(model, data, &(fm_fit_options){.batch_size = 8}));
    fm_model_destroy(model);
    fm_dataset_destroy(data);
}

/* ---- what cannot be ---- */

static fm_val flat(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_flatten(g, embedded(g, x, true));
    return fm_dense(g, x, .name = "decide", .units = CLASSES);
}

static fm_val shaped(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_reshape(g, embedded(g, x, false), .target_shape = {2, {LENGTH / 2, 12}});
    return fm_dense(g, fm_global_max_pooling(g, x), .units = CLASSES);
}

static fm_val learned_positions(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_positional_encoding(g, embedded(g, x, true), .kind = FM_POSITIONS_LEARNED);
    return fm_dense(g, fm_global_average_pooling(g, x), .units = CLASSES);
}

static fm_val carrying(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_gru(g, embedded(g, x, true), .units = 3, .stateful = true);
    return fm_dense(g, x, .units = CLASSES);
}

static fm_val at_each_step(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    return fm_dense(g, embedded(g, x, true), .units = CLASSES);
}

static void models_of_one_length_are_refused(void **state)
{
    fixture *f = *state;
    fm_dataset *data = make_data(f, FM_TEXT_END, true);
    static const struct {
        builder build;
        fm_status status;
        const char *words;
    } cases[] = {
        {flat, FM_ERROR_SHAPE,
         "layer 'decide': its kernel is (96, 2) for samples of 16 steps and ("},
        {flat, FM_ERROR_SHAPE, "need layers that are the same for each: pooling over all steps"},
        {shaped, FM_ERROR_SHAPE, "; this is for samples of "},
        {learned_positions, FM_ERROR_SHAPE,
         "layer 'positional_encoding': its positions is (16, 6) for samples of 16 steps"},
        {carrying, FM_ERROR_ARGUMENT, "take data without buckets"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_model *model = make_model(f, cases[i].build);
        assert_fails(f->context, cases[i].status, cases[i].words,
                     fm_fit(model, data, &(fm_fit_options){.batch_size = 8}));
        fm_model_destroy(model);
    }
    static float predictions[COUNT][LENGTH][CLASSES];
    fm_model *model = make_model(f, at_each_step);
    assert_fails(f->context, FM_ERROR_SHAPE,
                 "the model's prediction is (16, 2) for samples of 16 steps and (",
                 fm_predict(model, data, NULL, predictions));
    fm_model_destroy(model);
    fm_dataset_destroy(data);
}

typedef struct job {
    const fm_dataset *data;
} job;

static fm_status fit_and_predict(fm_context *context, void *argument)
{
    const job *j = argument;
    static float predictions[COUNT][CLASSES];
    fm_model *model;
    const fm_model_options options = options_of(pooled);
    fm_status status = fm_model_create(context, &options, &model);
    if (status == FM_OK) {
        status = fm_fit(model, j->data, &(fm_fit_options){.batch_size = 64, .no_shuffle = true});
    }
    if (status == FM_OK) status = fm_predict(model, j->data, NULL, predictions);
    fm_model_destroy(model);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    fixture *f = *state;
    fm_dataset *data = make_data(f, FM_TEXT_END, true);
    assert_true(fail_each_allocation(f, fit_and_predict, &(job){data}) > 100);
    fm_dataset_destroy(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(a_masked_sample_is_the_same_in_any_bucket),
        fixture_test(scores_are_those_of_one_length),
        fixture_test(steps_are_those_of_one_length),
        fixture_test(the_last_prediction_is_that_of_the_last_step),
        fixture_test(a_run_is_resumed_with_the_same_bits),
        fixture_test(steps_of_any_length_allocate_nothing),
        fixture_test(private_examples_have_one_length),
        fixture_test(gradients_are_measured_at_one_length),
        fixture_test(a_nan_is_found_in_its_batch),
        fixture_test(models_of_one_length_are_refused),
        fixture_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
