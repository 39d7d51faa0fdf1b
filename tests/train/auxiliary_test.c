/* Auxiliary heads and losses for each pixel in fit: what is trained, and what is told. */
#include "support/fixture.h"
#include "fathom/built_in_data.h"
#include "fathom/nn_vision.h"
#include "fathom/train.h"

/* The head alone depends on `side`, so that only its loss can move that. */
static fm_val with_head(fm_graph *g, fm_val x, void *weight)
{
    fm_val head = fm_dense(g, x, .name = "side", .units = 2, .no_bias = true);
    if (*(double *)weight > 0) fm_add_auxiliary(g, head, *(double *)weight);
    return fm_dense(g, x, .name = "main", .units = 2, .no_bias = true,
                    .kernel_initializer = fm_zeros());
}

static fm_dataset *points(fixture *f)
{
    static const float x[4][2] = {{1, 0}, {0, 1}, {1, 1}, {-1, 0}};
    static const int32_t y[4] = {0, 1, 0, 1};
    fm_dataset *data;
    const fm_dataset_info info = {
        .name = "points",
        .count = 4,
        .field_count = 2,
        .fields = {{"x", FM_F32, FM_SHAPE(2), NULL}, {"y", FM_I32, FM_SHAPE(), NULL}}};
    assert_ok(f->context,
              fm_dataset_from_arrays(f->context, &info, (const void *const[]){x, y}, false, &data));
    return data;
}

static void read_side(fixture *f, fm_model *model, float side[4])
{
    fm_store *store = fm_model_store(model);
    int index = fm_store_find(store, "side/kernel");
    assert_true(index >= 0);
    assert_ok(f->context, fm_store_read(store, index, side));
}

/* Trains one step of plain SGD; how far `side` moved, and the loss that was told. */
static double step(fixture *f, double weight, float moved[4])
{
    fm_dataset *data = points(f);
    fm_model *model;
    const fm_model_options options = {.build = with_head,
                                      .argument = &weight,
                                      .input_shape = FM_SHAPE(2),
                                      .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                      .optimizer = {FM_SGD, .learning_rate = 1},
                                      .seed = 3};
    float before[4];
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_ok(f->context, fm_fit(model, data, &(fm_fit_options){.epochs = 1, .batch_size = 4}));
    read_side(f, model, moved);
    double loss = fm_model_history(model)->epochs[0].train.loss;
    fm_model_destroy(model);

    double none = 0;
    fm_model_options still = options;
    still.argument = &none;
    assert_ok(f->context, fm_model_create(f->context, &still, &model));
    assert_ok(f->context, fm_fit(model, data, &(fm_fit_options){.epochs = 1, .batch_size = 4}));
    read_side(f, model, before);
    fm_model_destroy(model);
    fm_dataset_destroy(data);
    for (int i = 0; i < 4; i++) moved[i] -= before[i];
    return loss;
}

/* The head's loss is trained on in proportion to its weight; the loss told is the output's alone:
 * at first, with a kernel of zeros, log 2. */
static void heads_are_trained_by_their_weight(void **state)
{
    fixture *f = *state;
    float full[4], part[4];
    double loss = step(f, 1, full);
    assert_near(loss, log(2), 1e-6);
    assert_near(step(f, 0.3, part), log(2), 1e-6);
    double most = 0;
    for (int i = 0; i < 4; i++) {
        assert_near(part[i], 0.3 * (double)full[i], 1e-5);
        most = fmax(most, fabs((double)full[i]));
    }
    assert_true(most > 0.05);
}

static void a_weight_is_positive(void **state)
{
    fixture *f = *state;
    fm_graph *g;
    assert_ok(f->context, fm_graph_create(f->context, &(fm_graph_options){.mode = FM_TRAIN}, &g));
    fm_add_auxiliary(g, fm_scalar(g, 1), 0);
    assert_fails(f->context, FM_ERROR_ARGUMENT,
                 "an auxiliary prediction's weight must be above 0, received 0",
                 fm_graph_status(g));
    fm_graph_destroy(g);
}

/* ---- a class for each pixel ------------------------------------------------------------------ */

static fm_val pixels(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_reshape(g, x, .target_shape = {3, {28, 28, 1}});
    x = fm_conv2d(g, x, .filters = 4, .kernel_size = {1, {3}}, .padding = FM_PADDING_SAME,
                  .activation = FM_RELU);
    return fm_conv2d(g, x, .filters = 11, .kernel_size = {1, {1}});
}

/* Masks have a last dimension of 1, labels do not; ink is told from the background. */
static void pixels_are_classified(void **state)
{
    fixture *f = *state;
    fm_dataset *raw, *train;
    fm_transform *transform;
    const fm_strokes_options strokes = {.train_size = 96};
    assert_ok(f->context, fm_dataset_strokes_masks(f->context, &strokes, &raw, NULL));
    assert_ok(f->context,
              fm_transform_fit(f->context, raw, &(fm_transform_options){.scale = 255}, &transform));
    assert_ok(f->context, fm_dataset_transform(f->context, raw, transform, &train));
    fm_model *model;
    const fm_model_options options = {.build = pixels,
                                      .input_shape = FM_SHAPE(28, 28),
                                      .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                      .optimizer = {FM_ADAM, .learning_rate = 0.02},
                                      .metrics = {{.metric = FM_ACCURACY}, {.metric = FM_MEAN_IOU}},
                                      .metric_count = 2,
                                      .seed = 1};
    assert_ok(f->context, fm_model_create(f->context, &options, &model));
    assert_string_equal(fm_shape_text(fm_model_label(model, NULL), (char[FM_SHAPE_TEXT]){0}),
                        "(28, 28)");
    const bool watched = fixture_is_watched(); /* two epochs show that it learns */
    const fm_fit_options how = {.epochs = watched ? 2 : 8, .batch_size = 16};
    assert_ok(f->context, fm_fit(model, train, &how));
    fm_scores scores;
    assert_ok(f->context, fm_evaluate(model, train, NULL, &scores));
    assert_true(scores.loss < (watched ? 2.2 : 0.6)); /* log 11 is 2.4 */
    assert_true(scores.metrics[0] > 0.8);
    assert_true(scores.metrics[1] > 0.05);
    fm_model_destroy(model);
    fm_dataset_destroy(train);
    fm_dataset_destroy(raw);
    fm_transform_destroy(transform);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(heads_are_trained_by_their_weight),
        fixture_test(a_weight_is_positive),
        fixture_test(pixels_are_classified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
