/* DP-SGD: clipped sums against gradients that are clipped here, noise, sampling, accounting,
 * resuming. */
#include "support/training_problem.h"
#include "fathom/model_file.h"
#include "fathom/nn.h"
#include "fathom/nn_attention.h"
#include "fathom/nn_recurrent.h"
#include "fathom/nn_vision.h"
#include "fathom/ops.h"
#include "train/privacy/private_training.h"
#include "train/privacy/private_batches.h"

/* ---- models, each of which learns in its own way --------------------------------------------- */

enum { EXAMPLES = 23, CLASSES = 3 };

static fm_val dense_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = 6, .activation = FM_TANH, .kernel_l2 = 0.05);
    return fm_dense(g, x, .units = CLASSES);
}

/* A layer twice, which is one variable with two gradients. */
static fm_val shared_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = 12, .activation = FM_TANH, .name = "shared");
    x = fm_dense(g, x, .units = 12, .activation = FM_TANH, .name = "shared");
    return fm_dense(g, x, .units = CLASSES);
}

static fm_val conv_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_reshape(g, x, .target_shape = {3, {4, 3, 1}});
    x = fm_conv2d(g, x, .filters = 5, .kernel_size = {2, {2, 2}}, .activation = FM_TANH);
    x = fm_max_pooling2d(g, x, .pool_size = {2, {2, 1}}, .strides = {2, {1, 1}});
    x = fm_conv2d(g, x, .filters = 4, .kernel_size = {2, {2, 1}}, .padding = FM_PADDING_SAME,
                  .activation = FM_RELU);
    x = fm_flatten(g, x);
    x = fm_layer_normalization(g, x, .name = "norm");
    return fm_dense(g, x, .units = CLASSES);
}

/* A dense layer for each of some steps: several rows an example, few of them and many. */
static fm_val rows_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_reshape(g, x, .target_shape = {2, {2, 6}});
    x = fm_dense(g, x, .units = 40, .activation = FM_TANH);
    x = fm_dropout(g, x, .rate = 0);
    x = fm_reshape(g, x, .target_shape = {2, {20, 4}});
    x = fm_dense(g, x, .units = 3, .activation = FM_SIGMOID);
    return fm_dense(g, fm_flatten(g, x), .units = CLASSES);
}

static fm_val attention_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_reshape(g, x, .target_shape = {2, {4, 3}});
    x = fm_dense(g, x, .units = 8);
    x = fm_transformer_encoder(g, x, .num_heads = 2, .intermediate_dim = 10);
    return fm_dense(g, fm_flatten(g, x), .units = CLASSES);
}

static fm_val recurrent_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_reshape(g, x, .target_shape = {2, {4, 3}});
    x = fm_dense(g, x, .units = 4, .activation = FM_RELU);
    x = fm_lstm(g, x, .units = 5);
    return fm_dense(g, x, .units = CLASSES);
}

static const struct {
    const char *name;
    fm_val (*build)(fm_graph *g, fm_val x, void *argument);
    bool apart; /* known to keep examples apart */
} networks[] = {{"dense", dense_network, true},         {"shared", shared_network, true},
                {"rows", rows_network, true},           {"conv", conv_network, true},
                {"attention", attention_network, true}, {"recurrent", recurrent_network, false}};
enum { NETWORKS = sizeof networks / sizeof networks[0], INPUTS = 12 };

typedef struct problem {
    double x[EXAMPLES][INPUTS];
    int32_t y[EXAMPLES];
} problem;

static void make_problem(problem *p)
{
    for (int i = 0; i < EXAMPLES; i++) {
        p->y[i] = (i * 7) % CLASSES;
        for (int k = 0; k < INPUTS; k++) p->x[i][k] = sin(3 * i + 5 * k) * (1 + i % 4);
    }
}

/* In f64, with plain gradient descent: p - p' is rate times the gradient. */
static fm_model *make_model(fixture *f, int network, const fm_privacy_options *privacy)
{
    fm_model *model;
    const fm_model_options options = {.build = networks[network].build,
                                      .input_shape = FM_SHAPE(INPUTS),
                                      .input_dtype = FM_F64,
                                      .dtype = FM_F64,
                                      .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                      .optimizer = {FM_SGD},
                                      .seed = 4,
                                      .privacy = privacy};
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    return model;
}

/* ---- weights as one long vector -------------------------------------------------------------- */

enum { LONGEST = 4096 };

static int read_weights(fixture *f, fm_model *model, double *weights)
{
    fm_store *store = fm_model_store(model);
    int count = 0;
    for (int i = 0; i < fm_store_count(store); i++) {
        fm_variable_info info = fm_store_info(store, i);
        if (!info.trainable) continue;
        assert_true(count + fm_shape_elements(info.shape) < LONGEST);
        assert_ok(f->context, fm_store_read(store, i, weights + count));
        count += (int)fm_shape_elements(info.shape);
    }
    return count;
}

static void write_weights(fixture *f, fm_model *model, const double *weights)
{
    fm_store *store = fm_model_store(model);
    for (int i = 0; i < fm_store_count(store); i++) {
        fm_variable_info info = fm_store_info(store, i);
        if (!info.trainable) continue;
        assert_ok(f->context, fm_store_write(store, i, weights));
        weights += fm_shape_elements(info.shape);
    }
}

/* What step a plain model takes from these weights on this example alone: rate 1,
 * so the gradient. */
static void gradient_of(fixture *f, fm_model *plain, const problem *p, int example,
                        const double *weights, double *gradient)
{
    double after[LONGEST];
    write_weights(f, plain, weights);
    const fm_batch one = {.count = 1, .x = p->x[example], .y = &p->y[example]};
    assert_ok(f->context, fm_train_step(plain, &one, 1, NULL));
    int count = read_weights(f, plain, after);
    for (int i = 0; i < count; i++) gradient[i] = weights[i] - after[i];
}

/* The penalty's gradient is in each of the plain gradients, and belongs to none: the difference of
 * two models, one of which has no penalty, would need another model; its formula is shorter. */
static double penalty_gradient(int network, int i, const double *weights)
{
    bool penalised = network == 0 && i < INPUTS * 6;
    return penalised ? 2 * 0.05 * weights[i] : 0;
}

static int by_size(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

/* The gradient of each example by a model that is not private; the median of their norms as the
 * limit, so that about half of them are clipped. Returns how many weights there are. */
static int expect_step(fixture *f, int network, const problem *p, double *limit, double *weights,
                       double *step)
{
    static double gradients[EXAMPLES][LONGEST];
    fm_model *plain = make_model(f, network, NULL);
    double norms[EXAMPLES], sorted[EXAMPLES], loss;
    const fm_batch one = {.count = 1, .x = p->x[0], .y = &p->y[0]};
    assert_ok(f->context, fm_train_step(plain, &one, 0, &loss)); /* its variables are there now */
    int count = read_weights(f, plain, weights);
    for (int e = 0; e < EXAMPLES; e++) {
        double square = 0;
        gradient_of(f, plain, p, e, weights, gradients[e]);
        for (int i = 0; i < count; i++) {
            gradients[e][i] -= penalty_gradient(network, i, weights);
            square += gradients[e][i] * gradients[e][i];
        }
        norms[e] = sorted[e] = sqrt(square);
    }
    qsort(sorted, EXAMPLES, sizeof *sorted, by_size);
    *limit = sorted[EXAMPLES / 2];
    for (int i = 0; i < count; i++) {
        step[i] = penalty_gradient(network, i, weights);
        for (int e = 0; e < EXAMPLES; e++) {
            step[i] += fmin(1, *limit / norms[e]) * gradients[e][i] / EXAMPLES;
        }
    }
    fm_model_destroy(plain);
    return count;
}

static void check_sum(fixture *f, int network, int64_t physical)
{
    problem p;
    double weights[LONGEST], after[LONGEST], expected[LONGEST], limit, loss;
    make_problem(&p);
    int count = expect_step(f, network, &p, &limit, weights, expected);
    const fm_privacy_options privacy = {
        .noise_multiplier = FM_ZERO, .max_grad_norm = limit, .physical_batch_size = physical};
    fm_model *model = make_model(f, network, &privacy);
    fm_program *program;
    assert_ok(f->context, fm_model_program(model, FM_PREDICT, 1, &program));
    const fm_batch all = {.count = EXAMPLES, .x = p.x, .y = p.y};
    for (int repeat = 0; repeat < 2; repeat++) { /* the sums of the first step must be gone */
        write_weights(f, model, weights);
        assert_ok(f->context, fm_train_step(model, &all, 1, &loss));
        read_weights(f, model, after);
        for (int i = 0; i < count; i++) {
            double step = weights[i] - after[i];
            if (fabs(step - expected[i]) <= 1e-12) continue;
            fail_msg("%s, %lld at once: step %d is %.15g, expected %.15g", networks[network].name,
                     (long long)fm_model_step_batch(model, EXAMPLES), i, step, expected[i]);
        }
    }
    fm_model_destroy(model);
}

static void sums_are_those_of_clipped_gradients(void **state)
{
    for (int network = 0; network < NETWORKS; network++) check_sum(*state, network, 1);
}

/* By formulas, several at once, with a last piece that is not full: 23 are 8 + 8 + 7,
 * and 23 of 32. */
static void sums_of_several_at_once_are_the_same(void **state)
{
    for (int network = 0; network < NETWORKS; network++) {
        check_sum(*state, network, 0);
        if (networks[network].apart) check_sum(*state, network, 8);
    }
}

/* Rows of the batch meet in x x^T. */
static fm_val mixing_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = CLASSES);
    return fm_matmul(g, fm_matmul_transposed(g, x, x, false, true), x);
}

static void examples_that_meet_are_seen(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_model_options options = {.build = mixing_network,
                                .input_shape = FM_SHAPE(INPUTS),
                                .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                .privacy = &(fm_privacy_options){.physical_batch_size = 8}};
    assert_fails(
        f->context, FM_ERROR_UNSUPPORTED,
        "privacy: matmul is not known to keep examples apart: physical_batch_size must be 1",
        fm_model_create(f->context, &options, &model));
    options.build = recurrent_network;
    assert_fails(f->context, FM_ERROR_UNSUPPORTED, "privacy: lstm/lstm is not known to keep",
                 fm_model_create(f->context, &options, &model));
    options.build = mixing_network;
    options.privacy = &(fm_privacy_options){.noise_multiplier = 1};
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_int_equal(fm_model_step_batch(model, 500), 1);
    fm_model_destroy(model);
}

static void what_is_known_of_a_model_decides(void **state)
{
    fixture *f = *state;
    for (int network = 0; network < NETWORKS; network++) {
        fm_model *model = make_model(f, network, &(fm_privacy_options){.noise_multiplier = 1});
        assert_int_equal(fm_model_step_batch(model, 500), networks[network].apart ? 32 : 1);
        fm_model_destroy(model);
    }
}

/* ---- noise ----------------------------------------------------------------------------------- */

static fm_model_options private_problem(const fm_privacy_options *privacy)
{
    fm_model_options options = problem_options();
    options.privacy = privacy;
    return options;
}

/* Two runs that differ in their noise alone:
 * the difference of a step of rate 1 is noise / batch. */
static void noise_has_its_deviation(void **state)
{
    fixture *f = *state;
    const double limit = 0.5, noise = 1.25;
    problem p;
    double without[LONGEST], with[LONGEST], square = 0, most = 0;
    int count = 0;
    make_problem(&p);
    for (int noisy = 0; noisy < 2; noisy++) {
        const fm_privacy_options privacy = {
            .max_grad_norm = limit, .noise_multiplier = noisy ? noise : FM_ZERO, .noise_seed = 9};
        fm_model *model = make_model(f, 1, &privacy);
        const fm_batch all = {.count = EXAMPLES, .x = p.x, .y = p.y};
        assert_ok(f->context, fm_train_step(model, &all, 1, NULL));
        count = read_weights(f, model, noisy ? with : without);
        fm_model_destroy(model);
    }
    for (int i = 0; i < count; i++) {
        double n = (with[i] - without[i]) * EXAMPLES / (limit * noise);
        square += n * n;
        most = fmax(most, fabs(n));
    }
    assert_true(count > 150);
    assert_near(square / count, 1, 5 * sqrt(2.0 / count));
    assert_true(most > 1.5 && most < 6);
}

/* ---- batches --------------------------------------------------------------------------------- */

static void batches_are_poisson_samples(void **state)
{
    enum { STEPS = 400 };
    fixture *f = *state;
    const fm_secret secret = fm_secret_of_seed(1);
    fm_dataset *data;
    assert_ok(f->context, problem_data(f->context, 7, &data));
    fm_private_batches b = {
        .context = f->context, .data = data, .rate = 0.1, .steps = STEPS, .piece = 8};
    assert_ok(f->context, fm_private_batches_begin(&b, &secret, 0, 0, 0));
    double sizes = 0, squares = 0, seen[PROBLEM_SAMPLES] = {0};
    for (int step = 0; step < STEPS; step++) {
        fm_batch batch;
        int64_t size = 0, last = -1;
        fm_private_batches_step(&b);
        do {
            assert_ok(f->context, fm_private_batches_next(&b, &batch));
            for (int64_t i = 0; i < batch.count; i++) {
                int64_t position = b.order[batch.indices[i]];
                assert_true(position > last); /* nobody twice */
                last = position;
                seen[position]++;
            }
            size += batch.count;
        } while (batch.count > 0);
        sizes += (double)size / STEPS;
        squares += (double)(size * size) / STEPS;
    }
    const double mean = 0.1 * PROBLEM_SAMPLES, variance = mean * 0.9;
    assert_near(sizes / mean, 1, 5 * sqrt(variance / STEPS) / mean);
    assert_near((squares - sizes * sizes) / variance, 1, 5 * sqrt(2.0 / STEPS));
    for (int i = 0; i < PROBLEM_SAMPLES; i++) {
        if (fabs(seen[i] - 40) > 5 * 6) fail_msg("example %d is in %g batches", i, seen[i]);
    }
    fm_private_batches_release(&b);
    fm_dataset_destroy(data);
}

/* ---- whole runs ------------------------------------------------------------------------------ */

typedef struct setup {
    const fm_privacy_options *privacy;
    int64_t epochs;
    const char *path;
    bool resume;
    fm_status (*after_batch)(void *user, fm_event *event);
    void *user;
    int64_t workers;
} setup;

static fm_status run(fm_context *context, const setup *s, fm_model **model)
{
    fm_dataset *data = NULL;
    const fm_model_options options = private_problem(s->privacy);
    const fm_checkpoint checkpoint = {.path = s->path};
    const fm_callback callback = {.name = "after", .user = s->user, .batch_end = s->after_batch};
    fm_status status = fm_model_create(context, &options, model);
    if (status == FM_OK) status = problem_data(context, 7, &data);
    if (status == FM_OK && s->resume) status = fm_model_load(*model, s->path, NULL);
    if (status == FM_OK) {
        status = fm_fit(*model, data,
                        &(fm_fit_options){.epochs = s->epochs,
                                          .batch_size = 16,
                                          .validation_split = 0.2,
                                          .resume = s->resume,
                                          .workers = s->workers,
                                          .checkpoint = s->path ? &checkpoint : NULL,
                                          .callbacks = &callback,
                                          .callback_count = 1});
    }
    fm_dataset_destroy(data);
    return status;
}

static const fm_privacy_options known = {.noise_multiplier = 0.8, .noise_seed = 3};
enum { STEPS_AN_EPOCH = 120 / 16 };

static void assert_same_run(fm_model *a, fm_model *b)
{
    assert_true(problem_digest(a) == problem_digest(b));
    assert_same_history(fm_model_history(a), fm_model_history(b), 2);
    for (int64_t i = 0; i < fm_model_history(a)->count; i++) {
        assert_true(fm_model_history(a)->epochs[i].epsilon ==
                    fm_model_history(b)->epochs[i].epsilon);
    }
    assert_int_equal(fm_store_step(fm_model_store(a)), fm_store_step(fm_model_store(b)));
}

static void training_is_accounted_for(void **state)
{
    fixture *f = *state;
    fm_model *model;
    assert_ok(f->context, run(f->context, &(setup){.privacy = &known, .epochs = 3}, &model));
    const fm_history *history = fm_model_history(model);
    assert_int_equal(history->count, 3);
    for (int64_t i = 0; i < 3; i++) {
        double epsilon, told;
        const fm_privacy_plan plan = {16.0 / 120, (i + 1) * STEPS_AN_EPOCH, 1e-5};
        assert_ok(f->context, fm_privacy_epsilon(f->context, &plan, 0.8, &epsilon, NULL));
        assert_near(history->epochs[i].epsilon, epsilon, 1e-12);
        assert_true(fm_epoch_value(model, &history->epochs[i], "epsilon", &told));
        assert_true(told == history->epochs[i].epsilon);
    }
    assert_int_equal(fm_store_step(fm_model_store(model)), 3 * STEPS_AN_EPOCH);
    fm_model_destroy(model);
}

static void a_target_is_kept(void **state)
{
    fixture *f = *state;
    const fm_privacy_options target = {.target_epsilon = 2, .target_delta = 1e-4};
    fm_model *model;
    assert_ok(f->context, run(f->context, &(setup){.privacy = &target, .epochs = 4}, &model));
    double spent = fm_model_history(model)->epochs[3].epsilon;
    assert_true(spent <= 2 && spent > 1.999);
    fm_model_destroy(model);
}

static void bits_do_not_depend_on_threads(void **state)
{
    fixture *f = *state;
    fm_model *first = NULL;
    for (int threads = 1; threads <= 4; threads++) {
        fm_context *context = threads == 1 ? f->context : fixture_context(f, threads);
        fm_model *model;
        const setup s = {.privacy = &known, .epochs = 2, .workers = threads - 1};
        assert_ok(context, run(context, &s, &model));
        if (first) assert_same_run(first, model);
        if (!first) {
            first = model;
            continue;
        }
        fm_model_destroy(model);
        fm_context_destroy(context);
    }
    fm_model_destroy(first);
}

static fm_status stop_at(void *user, fm_event *event)
{
    if (fm_store_step(fm_model_store(event->model)) == *(uint64_t *)user) event->stop = true;
    return FM_OK;
}

static void resumed_runs_end_with_the_same_bits(void **state)
{
    fixture *f = *state;
    const fm_privacy_options target = {.target_epsilon = 3, .noise_seed = 3};
    const fm_privacy_options *options[] = {&known, &target};
    for (int i = 0; i < 2; i++) {
        fm_model *whole, *stopped, *resumed;
        setup s = {.privacy = options[i], .epochs = 3};
        assert_ok(f->context, run(f->context, &s, &whole));
        s.path = fixture_path(f, "private.safetensors");
        for (uint64_t step = 1; step < 3 * STEPS_AN_EPOCH; step += 3) {
            s.after_batch = stop_at;
            s.user = &step;
            s.resume = false;
            assert_ok(f->context, run(f->context, &s, &stopped));
            fm_model_destroy(stopped);
            s.after_batch = NULL;
            s.resume = true;
            assert_ok(f->context, run(f->context, &s, &resumed));
            assert_same_run(whole, resumed);
            fm_model_destroy(resumed);
        }
        fm_model_destroy(whole);
    }
}

/* A longer run with the same target takes more noise for what is left. */
static void a_target_is_kept_when_epochs_are_added(void **state)
{
    fixture *f = *state;
    const fm_privacy_options target = {.target_epsilon = 3};
    setup s = {.privacy = &target, .epochs = 2, .path = fixture_path(f, "private.safetensors")};
    fm_model *model;
    uint64_t step = STEPS_AN_EPOCH;
    s.after_batch = stop_at;
    s.user = &step;
    assert_ok(f->context, run(f->context, &s, &model));
    fm_model_destroy(model);
    s.after_batch = NULL;
    s.resume = true;
    s.epochs = 6;
    assert_ok(f->context, run(f->context, &s, &model));
    double spent = fm_model_history(model)->epochs[5].epsilon;
    assert_true(spent <= 3 && spent > 2.999);
    fm_model_destroy(model);
    const fm_privacy_options less = {.target_epsilon = 0.5}; /* that is spent already */
    s.privacy = &less;
    assert_int_equal(run(f->context, &s, &model), FM_ERROR_ARGUMENT);
    assert_non_null(strstr(fm_error_message(f->context), "down to epsilon 0.5 at delta 1e-05"));
    fm_model_destroy(model);
}

static void secret_keys_differ(void **state)
{
    fixture *f = *state;
    const fm_privacy_options secret = {.noise_multiplier = 0.8};
    fm_model *models[2];
    for (int i = 0; i < 2; i++) {
        assert_ok(f->context,
                  run(f->context, &(setup){.privacy = &secret, .epochs = 1}, &models[i]));
    }
    assert_true(problem_digest(models[0]) != problem_digest(models[1]));
    assert_true(fm_model_history(models[0])->epochs[0].epsilon ==
                fm_model_history(models[1])->epochs[0].epsilon);
    fm_model_destroy(models[0]);
    fm_model_destroy(models[1]);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static fm_val normalised(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_batch_normalization(g, fm_dense(g, x, .units = 4), .momentum = 0.9);
    return fm_dense(g, x, .units = PROBLEM_CLASSES);
}

static void layers_that_mix_examples_are_refused(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_model_options options = private_problem(&known);
    options.build = normalised;
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "privacy: 'batch_normalization/moving_mean' is a statistic of the batch",
                 fm_model_create(f->context, &options, &model));
    options.freeze = "batch_normalization/*";
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    fm_model_destroy(model);
    options = private_problem(&known);
    options.loss = FM_CONTRASTIVE;
    options.metric_count = 0;
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "privacy: the loss contrastive compares the examples of a batch, so that none has "
                 "a gradient of its own",
                 fm_model_create(f->context, &options, &model));
}

static void contradictions_are_refused(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_privacy_options both = {.noise_multiplier = 1, .target_epsilon = 3};
    fm_model_options options = private_problem(&both);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "noise_multiplier or target_epsilon, not both",
                 fm_model_create(f->context, &options, &model));
    options.privacy = &(fm_privacy_options){.max_grad_norm = -1};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "max_grad_norm",
                 fm_model_create(f->context, &options, &model));
    options = private_problem(&known);
    options.optimizer.accumulate_steps = 2;
    assert_fails(f->context, FM_ERROR_ARGUMENT, "privacy: accumulate_steps",
                 fm_model_create(f->context, &options, &model));
    options = private_problem(&(fm_privacy_options){.target_epsilon = 3});
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    float x[PROBLEM_INPUTS] = {0};
    const fm_batch one = {.count = 1, .x = x, .y = &(int32_t){0}};
    assert_fails(f->context, FM_ERROR_ARGUMENT, "target_epsilon needs a fit",
                 fm_train_step(model, &one, 1, NULL));
    fm_model_destroy(model);
}

static void fits_that_are_not_private_are_refused(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_dataset *data;
    fm_model_options options = private_problem(&known);
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_ok(f->context, problem_data(f->context, 7, &data));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "excludes shuffle: false",
                 fm_fit(model, data, &(fm_fit_options){.no_shuffle = true}));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "gradients_every would tell gradients",
                 fm_fit(model, data, &(fm_fit_options){.gradients_every = 1}));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "batches of 500 on average were asked for, of 150",
                 fm_fit(model, data, &(fm_fit_options){.batch_size = 500}));
    const char *path = fixture_path(f, "plain.safetensors");
    fm_model *plain;
    assert_ok(f->context, problem_model(f->context, &plain));
    assert_ok(f->context, fm_fit(plain, data, NULL));
    assert_ok(f->context, fm_model_save(plain, path, NULL));
    assert_int_not_equal(fm_model_load(model, path, NULL), FM_OK);
    fm_dataset_destroy(data);
    fm_model_destroy(plain);
    fm_model_destroy(model);
}

static fm_status train_a_little(fm_context *context, void *argument)
{
    fm_model *model = NULL;
    (void)argument;
    fm_status status = run(context, &(setup){.privacy = &known, .epochs = 1}, &model);
    fm_model_destroy(model);
    return status;
}

static void each_allocation_may_fail(void **state)
{
    assert_true(fail_each_allocation(*state, train_a_little, NULL) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(sums_are_those_of_clipped_gradients),
        fixture_test(sums_of_several_at_once_are_the_same),
        fixture_test(what_is_known_of_a_model_decides),
        fixture_test(examples_that_meet_are_seen),
        fixture_test(noise_has_its_deviation),
        fixture_test(batches_are_poisson_samples),
        fixture_test(training_is_accounted_for),
        fixture_test(a_target_is_kept),
        fixture_test(bits_do_not_depend_on_threads),
        fixture_test(resumed_runs_end_with_the_same_bits),
        fixture_test(a_target_is_kept_when_epochs_are_added),
        fixture_test(secret_keys_differ),
        fixture_test(layers_that_mix_examples_are_refused),
        fixture_test(contradictions_are_refused),
        fixture_test(fits_that_are_not_private_are_refused),
        fixture_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
