/* Explanations hold what their papers promise. */
#include "support/training_problem.h"
#include "fathom/built_in_data.h"
#include "fathom/explain.h"
#include "fathom/nn.h"
#include "fathom/nn_vision.h"
#include "fathom/ops.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE };

static fm_model *model_of(fixture *f, const fm_model_options *options)
{
    fm_model *model;
    assert_ok(f->context, fm_model_create(f->context, options, &model));
    return model;
}

static const fm_explanation *explain(fixture *f, fm_explainer *explainer, const void *sample,
                                     const fm_explain_options *options)
{
    const fm_explanation *explanation;
    assert_ok(f->context, fm_explain(explainer, sample, options, &explanation));
    return explanation;
}

static fm_explainer *explainer_of(fixture *f, fm_model *model)
{
    fm_explainer *explainer;
    assert_ok(f->context, fm_explainer_create(model, NULL, &explainer));
    return explainer;
}

/* ---- gradients ------------------------------------------------------------------------------- */

static fm_val smooth_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = 9, .activation = FM_TANH);
    x = fm_dense(g, x, .units = 7, .activation = FM_GELU);
    return fm_dense(g, x, .units = 3);
}

static fm_model *smooth_model(fixture *f)
{
    return model_of(f, &(fm_model_options){.build = smooth_network,
                                           .input_shape = FM_SHAPE(5),
                                           .input_dtype = FM_F64,
                                           .dtype = FM_F64,
                                           .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                           .seed = 3});
}

static double output_of(fixture *f, fm_model *model, const double *x, int output)
{
    double y[3];
    assert_ok(f->context, fm_predict_samples(model, x, 1, NULL, y));
    return y[output];
}

static void saliency_equals_finite_differences(void **state)
{
    fixture *f = *state;
    fm_model *model = smooth_model(f);
    fm_explainer *explainer = explainer_of(f, model);
    double x[5] = {0.3, -1.2, 0.7, 2.1, -0.4};
    for (int output = 0; output < 3; output++) {
        const fm_explanation *e = explain(f, explainer, x, &(fm_explain_options){.output = output});
        assert_int_equal(e->shape.rank, 1);
        assert_near(e->score, output_of(f, model, x, output), 1e-12);
        for (int i = 0; i < 5; i++) {
            const double h = 1e-5, was = x[i];
            x[i] = was + h;
            double above = output_of(f, model, x, output);
            x[i] = was - h;
            double below = output_of(f, model, x, output);
            x[i] = was;
            assert_near(e->values[i], (above - below) / (2 * h), 1e-8);
            assert_near(e->map[i], fabs(e->values[i]), 0);
        }
    }
    double gradient[5];
    const fm_explanation *e = explain(f, explainer, x, NULL);
    memcpy(gradient, e->values, sizeof gradient);
    e = explain(f, explainer, x, &(fm_explain_options){.method = FM_EXPLAIN_GRADIENT_X_INPUT});
    for (int i = 0; i < 5; i++) assert_near(e->values[i], gradient[i] * x[i], 1e-14);
    e = explain(f, explainer, x, &(fm_explain_options){.opposite = true});
    for (int i = 0; i < 5; i++) assert_near(e->values[i], -gradient[i], 1e-14);
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);
}

/* Without noise it is the gradient; with noise it is seeded, and near the gradient of the smoothed
 * function. */
static void smoothgrad_is_a_mean_of_gradients(void **state)
{
    fixture *f = *state;
    fm_model *model = smooth_model(f);
    fm_explainer *explainer = explainer_of(f, model);
    const double x[5] = {0.3, -1.2, 0.7, 2.1, -0.4};
    double gradient[5], first[5];
    memcpy(gradient, explain(f, explainer, x, NULL)->values, sizeof gradient);
    fm_explain_options how = {
        .method = FM_EXPLAIN_SMOOTHGRAD, .noise = FM_ZERO, .samples = 3, .seed = 1};
    const fm_explanation *e = explain(f, explainer, x, &how);
    for (int i = 0; i < 5; i++) assert_near(e->values[i], gradient[i], 1e-12);
    how.noise = 0.01;
    how.samples = 40;
    memcpy(first, explain(f, explainer, x, &how)->values, sizeof first);
    e = explain(f, explainer, x, &how);
    assert_memory_equal(e->values, first, sizeof first);
    for (int i = 0; i < 5; i++) assert_near(e->values[i], gradient[i], 0.05);
    how.seed = 2;
    e = explain(f, explainer, x, &how);
    assert_memory_not_equal(e->values, first, sizeof first);
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);
}

/* ---- a network that has learned digits ------------------------------------------------------- */

static fm_val digits_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_reshape(g, x, .target_shape = {3, {SIDE, SIDE, 1}});
    x = fm_conv2d(g, x, .filters = 6, .kernel_size = {1, {3}}, .activation = FM_RELU);
    x = fm_max_pooling2d(g, x);
    x = fm_flatten(g, x);
    x = fm_dense(g, x, .units = 24, .activation = FM_RELU);
    return fm_dense(g, x, .units = 10);
}

typedef struct digits {
    fm_model *model;
    fm_dataset *train, *test;
} digits;

static digits digits_of(fixture *f, int64_t seed, int64_t epochs)
{
    digits d = {.model =
                    model_of(f, &(fm_model_options){.build = digits_network,
                                                    .input_shape = FM_SHAPE(SIDE, SIDE),
                                                    .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                    .optimizer = {FM_ADAM, .learning_rate = 0.004},
                                                    .metrics = {{.metric = FM_ACCURACY}},
                                                    .metric_count = 1,
                                                    .seed = seed})};
    fm_dataset *train, *test;
    fm_transform *transform;
    const fm_strokes_options strokes = {.train_size = 600, .test_size = 100};
    assert_ok(f->context, fm_dataset_strokes(f->context, &strokes, &train, &test));
    assert_ok(f->context, fm_transform_fit(f->context, train, &(fm_transform_options){.scale = 255},
                                           &transform));
    assert_ok(f->context, fm_dataset_transform(f->context, train, transform, &d.train));
    assert_ok(f->context, fm_dataset_transform(f->context, test, transform, &d.test));
    if (epochs > 0) {
        assert_ok(f->context, fm_fit(d.model, d.train, &(fm_fit_options){.epochs = epochs}));
    }
    fm_transform_destroy(transform);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    return d;
}

static void close_digits(digits *d)
{
    fm_model_destroy(d->model);
    fm_dataset_destroy(d->train);
    fm_dataset_destroy(d->test);
}

static int32_t read_digit(fixture *f, const digits *d, int64_t i, float x[PIXELS])
{
    int32_t y;
    const fm_data_request request = {.first = i, .count = 1, .fields = {x, &y}};
    assert_ok(f->context, fm_dataset_read(f->context, d->test, &request));
    return y;
}

/* Sundararajan et al. 2017, proposition 1. */
static void integrated_gradients_are_complete(void **state)
{
    fixture *f = *state;
    digits d = digits_of(f, 1, 5);
    fm_scores scores;
    assert_ok(f->context, fm_evaluate(d.model, d.test, NULL, &scores));
    assert_true(scores.metrics[0] > 0.7);
    fm_explainer *explainer = explainer_of(f, d.model);
    float x[PIXELS], outputs[10], zeros[PIXELS] = {0}, baseline[10];
    assert_ok(f->context, fm_predict_samples(d.model, zeros, 1, NULL, baseline));
    for (int i = 0; i < 10; i++) {
        int32_t y = read_digit(f, &d, i, x);
        assert_ok(f->context, fm_predict_samples(d.model, x, 1, NULL, outputs));
        const fm_explanation *e =
            explain(f, explainer, x,
                    &(fm_explain_options){.method = FM_EXPLAIN_INTEGRATED_GRADIENTS, .output = y});
        double difference = (double)outputs[y] - (double)baseline[y];
        assert_near(e->score, (double)outputs[y], 1e-4);
        assert_near(e->baseline_score, (double)baseline[y], 1e-4);
        assert_true(fabs(difference) > 0.1);
        assert_true(fabs(e->sum - difference) <= 0.01 * fabs(difference));
        assert_int_equal(e->map_shape.rank, 2);
    }
    /* from the sample itself there is nothing to attribute */
    const fm_explanation *e =
        explain(f, explainer, x,
                &(fm_explain_options){.method = FM_EXPLAIN_INTEGRATED_GRADIENTS, .baseline = x});
    assert_near(e->sum, 0, 1e-12);
    assert_near(e->score, e->baseline_score, 1e-6);
    fm_explainer_destroy(explainer);
    close_digits(&d);
}

/* Spearman's correlation of magnitudes. */
static double rank_correlation(const double *a, const double *b, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++) {
        int ra = 0, rb = 0;
        for (int k = 0; k < count; k++) {
            ra += fabs(a[k]) < fabs(a[i]) || (fabs(a[k]) == fabs(a[i]) && k < i);
            rb += fabs(b[k]) < fabs(b[i]) || (fabs(b[k]) == fabs(b[i]) && k < i);
        }
        sum += (double)(ra - rb) * (ra - rb);
    }
    return 1 - 6 * sum / ((double)count * ((double)count * count - 1));
}

/* Adebayo et al. 2018: a map that stays when the model forgets all it knew is no explanation.
 * Compared are the pixels of the digit; elsewhere an edge detector would agree, too. */
static void a_randomised_model_gives_an_unrelated_map(void **state)
{
    fixture *f = *state;
    digits learned = digits_of(f, 1, 5), again = digits_of(f, 1, 5), random = digits_of(f, 99, 0);
    fm_model *const models[3] = {learned.model, again.model, random.model};
    double total[2] = {0};
    enum { SAMPLES = 8 };
    for (int i = 0; i < SAMPLES; i++) {
        float x[PIXELS];
        double ink[3][PIXELS];
        int32_t y = read_digit(f, &learned, i, x);
        int count = 0;
        for (int m = 0; m < 3; m++) {
            fm_explainer *explainer = explainer_of(f, models[m]);
            const fm_explain_options how = {.method = FM_EXPLAIN_SMOOTHGRAD, .output = y};
            const fm_explanation *e = explain(f, explainer, x, &how);
            count = 0;
            for (int k = 0; k < PIXELS; k++) {
                if (x[k] > 0.5f) ink[m][count++] = e->values[k];
            }
            fm_explainer_destroy(explainer);
        }
        assert_true(count > 20);
        for (int m = 0; m < 2; m++) total[m] += rank_correlation(ink[0], ink[m + 1], count);
    }
    assert_true(total[0] / SAMPLES > 0.999); /* the same model */
    assert_true(fabs(total[1] / SAMPLES) < 0.2);
    close_digits(&learned);
    close_digits(&again);
    close_digits(&random);
}

/* ---- occlusion ------------------------------------------------------------------------------- */

static fm_val constant_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_flatten(g, fm_mul_scalar(g, x, 0));
    return fm_dense(g, x, .units = 2, .bias_initializer = fm_constant_initializer(3));
}

static void occlusion_of_a_constant_is_zero(void **state)
{
    fixture *f = *state;
    fm_model *model = model_of(f, &(fm_model_options){.build = constant_network,
                                                      .input_shape = FM_SHAPE(11, 7, 3),
                                                      .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY});
    fm_explainer *explainer = explainer_of(f, model);
    float x[11 * 7 * 3];
    for (int i = 0; i < 11 * 7 * 3; i++) x[i] = (float)sin(i);
    const fm_explanation *e =
        explain(f, explainer, x, &(fm_explain_options){.method = FM_EXPLAIN_OCCLUSION});
    assert_true(fm_shape_equal(e->map_shape, FM_SHAPE(11, 7)));
    assert_near(e->score, 3, 1e-6);
    for (int i = 0; i < 11 * 7; i++) assert_true(e->map[i] == 0);
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);
}

static fm_val sum_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_flatten(g, x);
    return fm_dense(g, x, .units = 1, .kernel_initializer = fm_ones());
}

/* F is the sum: a window takes away what lies in it. Windows of 1 give the sample itself. */
static void occlusion_counts_what_a_window_covers(void **state)
{
    fixture *f = *state;
    fm_model *model = model_of(f, &(fm_model_options){.build = sum_network,
                                                      .input_shape = FM_SHAPE(3, 4),
                                                      .loss = FM_MEAN_SQUARED_ERROR});
    fm_explainer *explainer = explainer_of(f, model);
    float x[12], shifted[12];
    for (int i = 0; i < 12; i++) {
        x[i] = (float)(i + 1);
        shifted[i] = x[i] - 0.5f;
    }
    fm_explain_options how = {.method = FM_EXPLAIN_OCCLUSION, .window = {1, {1}}};
    const fm_explanation *e = explain(f, explainer, x, &how);
    for (int i = 0; i < 12; i++) assert_near(e->map[i], x[i], 1e-5);
    how.baseline = shifted;
    e = explain(f, explainer, x, &how);
    for (int i = 0; i < 12; i++) assert_near(e->map[i], 0.5, 1e-5);
    how = (fm_explain_options){
        .method = FM_EXPLAIN_OCCLUSION, .window = {2, {2, 3}}, .stride = {2, {1, 1}}};
    e = explain(f, explainer, x, &how);
    const double top_left = 1 + 2 + 3 + 5 + 6 + 7, top_right = 2 + 3 + 4 + 6 + 7 + 8;
    assert_near(e->map[0], top_left, 1e-4);
    assert_near(e->map[1], (top_left + top_right) / 2, 1e-4);
    assert_near(e->map[3], top_right, 1e-4);
    const fm_explanation *none;
    how.window = (fm_ints){1, {4}};
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "occlusion: a window of 4, moved by 1, was asked for in a dimension of 3",
                 fm_explain(explainer, x, &how, &none));
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);
}

/* ---- grad-cam -------------------------------------------------------------------------------- */

/* Filter 0 sees light, filter 1 darkness; class 0 lives on light, class 1 on darkness. */
static fm_val corner_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_conv2d(g, x, .filters = 2, .kernel_size = {1, {3}}, .padding = FM_PADDING_SAME,
                  .activation = FM_RELU, .name = "eyes");
    x = fm_max_pooling2d(g, x, .name = "pool");
    x = fm_global_average_pooling(g, x);
    return fm_dense(g, x, .units = 2, .no_bias = true, .kernel_initializer = fm_identity(1));
}

static void write_variable(fixture *f, fm_model *model, const char *path, const float *elements)
{
    int index = fm_store_find(fm_model_store(model), path);
    if (index < 0) fail_msg("no variable %s", path);
    assert_ok(f->context, fm_store_write(fm_model_store(model), index, elements));
}

static void grad_cam_finds_the_lit_corner(void **state)
{
    enum { EDGE = 16 };
    fixture *f = *state;
    fm_program *program;
    fm_model *model = model_of(f, &(fm_model_options){.build = corner_network,
                                                      .input_shape = FM_SHAPE(EDGE, EDGE, 1),
                                                      .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY});
    assert_ok(f->context, fm_model_program(model, FM_PREDICT, 1, &program));
    float kernel[9][2], bias[2] = {0, 9}, x[EDGE * EDGE] = {0};
    for (int i = 0; i < 9; i++) {
        kernel[i][0] = 1;
        kernel[i][1] = -1;
    }
    write_variable(f, model, "eyes/kernel", &kernel[0][0]);
    write_variable(f, model, "eyes/bias", bias);
    for (int r = 1; r < 5; r++) {
        for (int c = EDGE - 5; c < EDGE - 1; c++) x[r * EDGE + c] = 1;
    }
    static const char *const layers[] = {NULL, "eyes", "pool"};
    for (int k = 0; k < 3; k++) {
        fm_explainer *explainer;
        assert_ok(f->context, fm_explainer_create(
                                  model, &(fm_explainer_options){.layer = layers[k]}, &explainer));
        fm_explain_options how = {.method = FM_EXPLAIN_GRAD_CAM};
        const fm_explanation *e = explain(f, explainer, x, &how);
        assert_string_equal(e->layer, layers[k] ? layers[k] : "pool");
        assert_int_equal(e->shape.dims[0], k == 1 ? EDGE : EDGE / 2);
        assert_true(fm_shape_equal(e->map_shape, FM_SHAPE(EDGE, EDGE)));
        int largest = 0;
        for (int i = 0; i < EDGE * EDGE; i++) {
            if (e->map[i] > e->map[largest]) largest = i;
            if (i / EDGE > 7 || i % EDGE < 8) assert_near(e->map[i], 0, 1e-6);
        }
        assert_in_range(largest / EDGE, 1, 4);
        assert_in_range(largest % EDGE, EDGE - 5, EDGE - 2);
        how.output = 1;
        e = explain(f, explainer, x, &how);
        assert_true(e->map[3 * EDGE + EDGE - 4] < e->map[12 * EDGE + 3] / 2);
        fm_explainer_destroy(explainer);
    }
    fm_model_destroy(model);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

enum { TOKENS = 6, VOCABULARY = 8, FEATURES = 3 };

static fm_val build_embedding(fm_graph *g, const fm_val *inputs, int count, const void *options)
{
    (void)count;
    (void)options;
    fm_variable_options how = {.initializer = fm_random_normal_initializer(0, 1)};
    fm_dtype dtype = fm_graph_dtype(g);
    return fm_gather(g, fm_variable(g, "embeddings", dtype, FM_SHAPE(VOCABULARY, FEATURES), &how),
                     inputs[0]);
}

/* The tokens' vectors through a layer, summed: each token speaks for itself. */
static fm_val token_network(fm_graph *g, fm_val x, void *kind)
{
    static const fm_field fields[] = {
        {"name", "the scope", offsetof(fm_flatten_options, name), .type = FM_FIELD_STRING}, {0}};
    const fm_layer_record layer = {.name = kind,
                                   .doc = "rows of a table",
                                   .fields = fields,
                                   .options_size = sizeof(fm_flatten_options),
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .build = build_embedding};
    x = fm_layer_build(g, &layer, &x, 1, &(fm_flatten_options){0});
    x = fm_dense(g, x, .units = 4, .activation = FM_TANH);
    x = fm_sum(g, x, (fm_ints){1, {1}}, false);
    return fm_dense(g, x, .units = 2, .no_bias = true);
}

static fm_model *token_model(fixture *f, char *kind)
{
    return model_of(f, &(fm_model_options){.build = token_network,
                                           .argument = kind,
                                           .input_shape = FM_SHAPE(TOKENS),
                                           .input_dtype = FM_I32,
                                           .dtype = FM_F64,
                                           .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                           .seed = 5});
}

static void tokens_are_explained_by_their_embedding(void **state)
{
    fixture *f = *state;
    char kind[] = "embedding";
    fm_model *model = token_model(f, kind);
    fm_explainer *explainer = explainer_of(f, model);
    const int32_t x[TOKENS] = {3, 1, 7, 1, 5, 0};
    double outputs[2];
    assert_ok(f->context, fm_predict_samples(model, x, 1, NULL, outputs));
    const fm_explanation *e =
        explain(f, explainer, x,
                &(fm_explain_options){.method = FM_EXPLAIN_INTEGRATED_GRADIENTS, .output = 1});
    assert_true(fm_shape_equal(e->shape, FM_SHAPE(TOKENS, FEATURES)));
    assert_true(fm_shape_equal(e->map_shape, FM_SHAPE(TOKENS)));
    assert_near(e->score, outputs[1], 1e-12);
    assert_near(e->baseline_score, 0, 1e-12); /* tanh(0 + 0) */
    assert_near(e->sum, outputs[1], 1e-3);
    assert_near(e->map[1], e->map[3], 1e-12);
    double attributed[TOKENS];
    memcpy(attributed, e->map, sizeof attributed);
    /* what a token adds is what is lost when it becomes token 0, but for what that one adds */
    e = explain(f, explainer, x,
                &(fm_explain_options){.method = FM_EXPLAIN_OCCLUSION, .output = 1});
    assert_true(fm_shape_equal(e->map_shape, FM_SHAPE(TOKENS)));
    for (int i = 0; i < TOKENS; i++) {
        assert_near(e->map[i], attributed[i] - attributed[TOKENS - 1], 1e-3);
    }
    e = explain(f, explainer, x, NULL);
    assert_near(e->map[0],
                sqrt(e->values[0] * e->values[0] + e->values[1] * e->values[1] +
                     e->values[2] * e->values[2]),
                1e-12);
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);
}

/* ---- messages, memory ------------------------------------------------------------------------ */

static void mistakes_are_told(void **state)
{
    fixture *f = *state;
    const fm_explanation *none;
    fm_explainer *explainer;
    fm_model *model = smooth_model(f);
    const double x[5] = {0};
    explainer = explainer_of(f, model);
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "explain: output 3 was asked for, the prediction has 0 to 2",
                 fm_explain(explainer, x, &(fm_explain_options){.output = 3}, &none));
    assert_null(none);
    assert_fails(f->context, FM_ERROR_ARGUMENT, "explain: there is no method 17",
                 fm_explain(explainer, x, &(fm_explain_options){.method = 17}, &none));
    assert_fails(f->context, FM_ERROR_ARGUMENT, "steps",
                 fm_explain(explainer, x, &(fm_explain_options){.steps = -1}, &none));
    assert_fails(
        f->context, FM_ERROR_UNSUPPORTED,
        "grad_cam: samples are (5); wanted are images, (height, width, channels)",
        fm_explain(explainer, x, &(fm_explain_options){.method = FM_EXPLAIN_GRAD_CAM}, &none));
    fm_explainer_destroy(explainer);
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "explain: batch_size must lie between 1 and 4096, received -1",
                 fm_explainer_create(model, &(fm_explainer_options){.batch_size = -1}, &explainer));
    fm_model_destroy(model);

    model = model_of(f, &(fm_model_options){.build = sum_network,
                                            .input_shape = FM_SHAPE(3, 4),
                                            .loss = FM_MEAN_SQUARED_ERROR});
    const float image[12] = {0};
    const fm_explain_options cam = {.method = FM_EXPLAIN_GRAD_CAM};
    explainer = explainer_of(f, model);
    assert_fails(f->context, FM_ERROR_UNSUPPORTED,
                 "of more than one position; the layers are flatten (12), dense (1)",
                 fm_explain(explainer, image, &cam, &none));
    fm_explainer_destroy(explainer);
    assert_ok(f->context,
              fm_explainer_create(model, &(fm_explainer_options){.layer = "dense"}, &explainer));
    assert_fails(f->context, FM_ERROR_NOT_FOUND, "grad_cam: no layer 'dense' with an output",
                 fm_explain(explainer, image, &cam, &none));
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);

    char kind[] = "table";
    model = token_model(f, kind);
    const int32_t tokens[TOKENS] = {0};
    explainer = explainer_of(f, model);
    assert_fails(f->context, FM_ERROR_UNSUPPORTED, "the model has no layer 'embedding'; occlusion",
                 fm_explain(explainer, tokens, NULL, &none));
    explain(f, explainer, tokens, &(fm_explain_options){.method = FM_EXPLAIN_OCCLUSION});
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);
}

static fm_status explain_everything(fm_context *context, void *argument)
{
    fm_model *model;
    fm_explainer *explainer = NULL;
    const fm_explanation *explanation;
    const float x[8 * 8] = {1};
    (void)argument;
    fm_status status =
        fm_model_create(context,
                        &(fm_model_options){.build = corner_network,
                                            .input_shape = FM_SHAPE(8, 8, 1),
                                            .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY},
                        &model);
    if (status != FM_OK) return status;
    status = fm_explainer_create(model, &(fm_explainer_options){.layer = "eyes", .batch_size = 2},
                                 &explainer);
    for (int i = 0; i < FM_EXPLAIN_METHOD_COUNT && status == FM_OK; i++) {
        const fm_explain_options how = {.method = i, .samples = 2, .steps = 2, .baseline = x};
        status = fm_explain(explainer, x, &how, &explanation);
    }
    fm_explainer_destroy(explainer);
    fm_model_destroy(model);
    return status;
}

static void memory_may_run_out(void **state)
{
    assert_true(fail_each_allocation(*state, explain_everything, NULL) > 50);
}

static void methods_are_found_by_name(void **state)
{
    (void)state;
    for (int i = 0; i < FM_EXPLAIN_METHOD_COUNT; i++) {
        assert_ptr_equal(fm_explain_find(fm_explain_at(i)->name), fm_explain_at(i));
    }
    assert_null(fm_explain_at(FM_EXPLAIN_METHOD_COUNT));
    assert_null(fm_explain_at(-1));
    assert_null(fm_explain_find("lime"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(saliency_equals_finite_differences),
        fixture_test(smoothgrad_is_a_mean_of_gradients),
        fixture_test(integrated_gradients_are_complete),
        fixture_test(a_randomised_model_gives_an_unrelated_map),
        fixture_test(occlusion_of_a_constant_is_zero),
        fixture_test(occlusion_counts_what_a_window_covers),
        fixture_test(grad_cam_finds_the_lit_corner),
        fixture_test(tokens_are_explained_by_their_embedding),
        fixture_test(mistakes_are_told),
        fixture_test(memory_may_run_out),
        fixture_test(methods_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
