/* Variational autoencoders in fit: what is told, what a resumed run keeps;
 * codes drawn and decoded. */
#include "support/fixture.h"
#include "fathom/latent.h"
#include "fathom/model_file.h"
#include "fathom/nn.h"
#include "fathom/ops.h"
#include "train/model.h"

enum { SAMPLES = 40, WIDTH = 6, CODE = 2 };

typedef struct shape_of_model {
    bool bypass, twice, none;
} shape_of_model;

static fm_val autoencoder(fm_graph *g, fm_val x, void *argument)
{
    const shape_of_model *how = argument;
    fm_val mean = fm_dense(g, x, .units = CODE, .name = "mean");
    fm_val z = mean, spread = fm_dense(g, x, .units = CODE, .name = "log_variance");
    if (!how->none) z = fm_gaussian_sample(g, mean, spread, .warm_up = 20, .name = "code");
    if (how->twice) z = fm_gaussian_sample(g, z, spread);
    fm_val y = fm_dense(g, z, .units = WIDTH, .name = "decoder");
    return how->bypass ? fm_add(g, y, fm_mul_scalar(g, x, 0.5)) : y;
}

static fm_dataset *patterns(fixture *f)
{
    float x[SAMPLES][WIDTH];
    for (int i = 0; i < SAMPLES; i++) {
        for (int k = 0; k < WIDTH; k++) x[i][k] = (i + k) % 3 == 0 || (i % 2 && k < 2) ? 1 : 0;
    }
    const fm_dataset_info info = {
        .name = "patterns",
        .count = SAMPLES,
        .field_count = 2,
        .fields = {{"x", FM_F32, FM_SHAPE(WIDTH), NULL}, {"y", FM_F32, FM_SHAPE(WIDTH), NULL}}};
    fm_dataset *set;
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *[]){x, x}, false, &set));
    return set;
}

static fm_model *model_of(fixture *f, shape_of_model *how)
{
    fm_model *model;
    const fm_model_options options = {.build = autoencoder,
                                      .argument = how,
                                      .input_shape = FM_SHAPE(WIDTH),
                                      .loss = FM_BINARY_CROSSENTROPY,
                                      .loss_options = {.sum_elements = true},
                                      .optimizer = {FM_ADAM, .learning_rate = 0.02},
                                      .metrics = {{.metric = FM_MSE}},
                                      .metric_count = 1,
                                      .seed = 1};
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    return model;
}

static double value(const fm_model *model, const fm_epoch *epoch, const char *name)
{
    double number = NAN;
    assert_true(fm_epoch_value(model, epoch, name, &number));
    return number;
}

/* What the encoder's two layers give for the set, and the divergence by its formula. */
static double divergence_of(fixture *f, fm_model *model)
{
    float kernel[2][WIDTH * CODE], bias[2][CODE], x[WIDTH];
    static const char *const names[2][2] = {{"mean/kernel", "mean/bias"},
                                            {"log_variance/kernel", "log_variance/bias"}};
    fm_store *store = fm_model_store(model);
    for (int i = 0; i < 2; i++) {
        assert_ok(f->context, fm_store_read(store, fm_store_find(store, names[i][0]), kernel[i]));
        assert_ok(f->context, fm_store_read(store, fm_store_find(store, names[i][1]), bias[i]));
    }
    fm_dataset *set = patterns(f);
    double sum = 0;
    for (int s = 0; s < SAMPLES; s++) {
        fm_data_request one = {.first = s, .count = 1, .fields = {x}};
        assert_ok(f->context, fm_dataset_read(f->context, set, &one));
        for (int c = 0; c < CODE; c++) {
            double out[2];
            for (int i = 0; i < 2; i++) {
                out[i] = (double)bias[i][c];
                for (int k = 0; k < WIDTH; k++) {
                    out[i] += (double)x[k] * (double)kernel[i][k * CODE + c];
                }
            }
            sum += (out[0] * out[0] + exp(out[1]) - out[1] - 1) / 2;
        }
    }
    fm_dataset_destroy(set);
    return sum / SAMPLES;
}

/* "kl" is a metric like others: in the history, of batches of unequal size,
 * with and without updates. */
static void the_divergence_is_told(void **state)
{
    fixture *f = *state;
    shape_of_model how = {0};
    fm_model *model = model_of(f, &how);
    fm_dataset *set = patterns(f);
    assert_int_equal(fm_model_metric_count(model), 2);
    assert_string_equal(fm_model_metric_name(model, 0), "mse");
    assert_string_equal(fm_model_metric_name(model, 1), "kl");
    const fm_fit_options fit = {.epochs = 30, .batch_size = 16, .validation = set};
    assert_ok(f->context, fm_fit(model, set, &fit));
    const fm_history *history = fm_model_history(model);
    const fm_epoch *last = &history->epochs[history->count - 1];
    assert_near(value(model, last, "val_kl"), divergence_of(f, model), 1e-5);
    assert_true(value(model, last, "kl") > 0.1); /* codes are used */
    assert_true(value(model, last, "loss") < 0.8 * value(model, &history->epochs[0], "loss"));
    fm_scores scores;
    assert_ok(f->context, fm_evaluate(model, set, NULL, &scores));
    assert_near(scores.metrics[1], value(model, last, "val_kl"), 1e-6);
    fm_dataset_destroy(set);
    fm_model_destroy(model);
}

static fm_val teller(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    fm_val y = fm_dense(g, x, .units = WIDTH);
    if (fm_graph_mode(g) == FM_PREDICT) return y;
    fm_add_metric(g, "hit_accuracy", fm_mean(g, y, (fm_ints){0}, false));
    fm_add_metric(g, "gap", fm_mean(g, x, (fm_ints){0}, false));
    return y;
}

/* An accuracy is to grow, anything else to shrink; a name that metrics have is a mistake. */
static void what_is_told_can_be_monitored(void **state)
{
    fixture *f = *state;
    fm_model *model;
    fm_model_options options = {.build = teller,
                                .input_shape = FM_SHAPE(WIDTH),
                                .metrics = {{.metric = FM_MSE}},
                                .metric_count = 1};
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_false(fm_model_larger_is_better(model, 0));
    assert_true(fm_model_larger_is_better(model, 1));
    assert_false(fm_model_larger_is_better(model, 2));
    fm_model_destroy(model);
    options.metrics[0].name = "gap";
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "two metrics are called 'gap': give one another name",
                 fm_model_create(f->context, &options, &model));
    options.metric_count = FM_MAX_METRICS;
    assert_fails(f->context, FM_ERROR_LIMIT,
                 "with those that layers tell there are more than 16 metrics",
                 fm_model_create(f->context, &options, &model));
}

#if FATHOM_HAVE_FILES
/* Stopped in the middle of an epoch, warm-up, draws and what was told so far go on. */
static fm_status stop_early(void *user, fm_event *event)
{
    (void)user;
    event->stop = event->epoch == 1 && event->batch == 1;
    return FM_OK;
}

static void a_resumed_run_tells_the_same(void **state)
{
    fixture *f = *state;
    shape_of_model how = {0};
    const char *path = fixture_path(f, "v.safetensors");
    const fm_callback stop = {.name = "stop", .batch_end = stop_early};
    fm_dataset *set = patterns(f);
    fm_fit_options fit = {.epochs = 4, .batch_size = 16};
    fm_model *whole = model_of(f, &how), *first = model_of(f, &how), *second = model_of(f, &how);
    assert_ok(f->context, fm_fit(whole, set, &fit));
    fit.callbacks = &stop;
    fit.callback_count = 1;
    assert_ok(f->context, fm_fit(first, set, &fit));
    assert_ok(f->context, fm_model_save(first, path, NULL));
    assert_ok(f->context, fm_model_load(second, path, NULL));
    fit.callback_count = 0;
    fit.resume = true;
    assert_ok(f->context, fm_fit(second, set, &fit));
    const fm_history *a = fm_model_history(whole), *b = fm_model_history(second);
    assert_int_equal(a->count, 4);
    assert_int_equal(b->count, 4);
    for (int i = 0; i < 4; i++) {
        assert_memory_equal(&a->epochs[i].train.loss, &b->epochs[i].train.loss, sizeof(double));
        assert_memory_equal(a->epochs[i].train.metrics, b->epochs[i].train.metrics,
                            2 * sizeof(double));
    }
    fm_dataset_destroy(set);
    fm_model_destroy(whole);
    fm_model_destroy(first);
    fm_model_destroy(second);
}
#endif

/* A code's number and seed are all that it depends on; temperature scales it. */
static void codes_are_drawn_by_number(void **state)
{
    fixture *f = *state;
    shape_of_model how = {0};
    fm_model *model = model_of(f, &how);
    enum { MANY = 4000 };
    static float many[MANY][CODE], some[3][CODE], warm[3][CODE];
    fm_shape code;
    assert_ok(f->context, fm_latent_shape(model, &code));
    assert_int_equal(code.rank, 1);
    assert_int_equal(code.dims[0], CODE);
    const fm_latent_options all = {.seed = 7}, later = {.seed = 7, .first = 10};
    const fm_latent_options warmer = {.seed = 7, .first = 10, .temperature = 2};
    assert_ok(f->context, fm_latent_draw(model, &all, MANY, many));
    assert_ok(f->context, fm_latent_draw(model, &later, 3, some));
    assert_ok(f->context, fm_latent_draw(model, &warmer, 3, warm));
    assert_memory_equal(many[10], some, sizeof some);
    double sum = 0, square = 0;
    for (int i = 0; i < MANY; i++) {
        for (int k = 0; k < CODE; k++) {
            sum += (double)many[i][k];
            square += (double)many[i][k] * (double)many[i][k];
        }
    }
    assert_true(fabs(sum / (MANY * CODE)) < 5 / sqrt(MANY * CODE));
    assert_true(fabs(square / (MANY * CODE) - 1) < 0.08);
    for (int k = 0; k < CODE; k++) {
        assert_near((double)warm[1][k], 2 * (double)some[1][k], 1e-6);
    }
    assert_ok(f->context, fm_latent_draw(model, &(fm_latent_options){.seed = 8}, 3, warm));
    assert_memory_not_equal(warm, many, sizeof warm);
    fm_model_destroy(model);
}

/* Decoding what the encoder gives is predicting; in one piece or in several,
 * as probabilities too. */
static void decoding_is_the_end_of_predicting(void **state)
{
    fixture *f = *state;
    shape_of_model how = {0};
    fm_model *model = model_of(f, &how);
    fm_dataset *set = patterns(f);
    static float predicted[SAMPLES][WIDTH], decoded[SAMPLES][WIDTH], codes[SAMPLES][CODE];
    float kernel[WIDTH * CODE], x[WIDTH];
    assert_ok(f->context, fm_fit(model, set, &(fm_fit_options){.epochs = 2, .batch_size = 8}));
    fm_store *store = fm_model_store(model);
    float bias[CODE];
    assert_ok(f->context, fm_store_read(store, fm_store_find(store, "mean/kernel"), kernel));
    assert_ok(f->context, fm_store_read(store, fm_store_find(store, "mean/bias"), bias));
    for (int s = 0; s < SAMPLES; s++) {
        fm_data_request one = {.first = s, .count = 1, .fields = {x}};
        assert_ok(f->context, fm_dataset_read(f->context, set, &one));
        for (int c = 0; c < CODE; c++) {
            codes[s][c] = bias[c];
            for (int k = 0; k < WIDTH; k++) codes[s][c] += x[k] * kernel[k * CODE + c];
        }
    }
    for (int probabilities = 0; probabilities < 2; probabilities++) {
        const fm_predict_options options = {.batch_size = 7, .probabilities = probabilities == 1};
        assert_ok(f->context, fm_predict(model, set, &options, predicted));
        assert_ok(f->context, fm_latent_decode(model, codes, SAMPLES, &options, decoded));
        for (int s = 0; s < SAMPLES; s++) {
            for (int k = 0; k < WIDTH; k++) {
                assert_near((double)decoded[s][k], (double)predicted[s][k], 1e-5);
            }
        }
    }
    fm_dataset_destroy(set);
    fm_model_destroy(model);
}

static void mistakes_are_worded(void **state)
{
    fixture *f = *state;
    shape_of_model none = {.none = true}, twice = {.twice = true}, bypass = {.bypass = true};
    fm_shape code;
    float codes[CODE] = {0}, out[WIDTH];
    fm_model *model = model_of(f, &none);
    assert_fails(f->context, FM_ERROR_UNSUPPORTED,
                 "codes are drawn for a model with one layer gaussian_sample, a variational "
                 "autoencoder (see recipes/strokes-vae.yaml); this one has 0",
                 fm_latent_shape(model, &code));
    fm_model_destroy(model);
    model = model_of(f, &twice);
    assert_fails(f->context, FM_ERROR_UNSUPPORTED, "this one has 2",
                 fm_latent_draw(model, NULL, 1, codes));
    fm_model_destroy(model);
    model = model_of(f, &bypass);
    assert_fails(
        f->context, FM_ERROR_UNSUPPORTED,
        "the model reads the input past the code: from a code alone nothing can be decoded",
        fm_latent_decode(model, codes, 1, NULL, out));
    fm_model_destroy(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(the_divergence_is_told),
        fixture_test(what_is_told_can_be_monitored),
#if FATHOM_HAVE_FILES
        fixture_test(a_resumed_run_tells_the_same),
#endif
        fixture_test(codes_are_drawn_by_number),
        fixture_test(decoding_is_the_end_of_predicting),
        fixture_test(mistakes_are_worded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
