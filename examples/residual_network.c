/* residual_network.c: a small residual network in C: a block as a function,
 * a shortcut as an addition.
 *
 *     residual_network [EPOCHS]
 *
 * It reads drawn digits, so no file is needed. Instead of `residual_network` any network of zoo.h
 * would do: return fm_zoo(g, "resnet20", x, .classes = 10). */
#include <fathom/fathom.h>

#include <stdio.h>
#include <stdlib.h>

/* The batch normalisation has a shift of its own, so the convolution needs no bias. */
static fm_val normalized_conv(fm_graph *g, fm_val x, int64_t filters, int64_t stride)
{
    x = fm_conv2d(g, x, .filters = filters, .kernel_size = {1, {3}}, .strides = {1, {stride}},
                  .padding = FM_PADDING_SAME, .no_bias = true);
    return fm_batch_normalization(g, x, .momentum = 0.9);
}

/* relu(x + f(x)), He et al. 2015 */
static fm_val block(fm_graph *g, fm_val x, int64_t filters)
{
    fm_val y = fm_relu(g, normalized_conv(g, x, filters, 1));
    y = normalized_conv(g, y, filters, 1);
    return fm_relu(g, fm_merge(g, FM_MERGE_ADD, (fm_val[]){x, y}, 2));
}

static fm_val residual_network(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_reshape(g, x, .target_shape = {3, {28, 28, 1}}); /* an image of one channel */
    x = block(g, fm_relu(g, normalized_conv(g, x, 16, 2)), 16);
    x = block(g, fm_relu(g, normalized_conv(g, x, 32, 2)), 32);
    return fm_dense(g, fm_global_average_pooling(g, x), .units = 10);
}

static fm_status print_epoch(void *user, fm_event *event)
{
    (void)user;
    const fm_scores *scores = &event->finished->train;
    printf("epoch %d  loss %.4f  accuracy %.4f  %.0f samples/s\n", (int)event->epoch + 1,
           scores->loss, scores->metrics[0], event->samples_per_second);
    return FM_OK;
}

int main(int count, char **arguments)
{
    fm_context *context;
    fm_dataset *raw[2] = {0}, *train = NULL, *test = NULL;
    fm_transform *transform = NULL;
    fm_model *model = NULL;
    fm_scores scores;
    if (fm_context_create(NULL, &context) != FM_OK) return 1;

    fm_model_options options = {.build = residual_network,
                                .input_shape = FM_SHAPE(28, 28),
                                .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                .optimizer = {.rule = FM_ADAM, .learning_rate = 0.003},
                                .metrics = {{.metric = FM_ACCURACY}},
                                .metric_count = 1};
    fm_callback print = {.name = "print", .epoch_end = print_epoch};
    fm_fit_options fit = {.batch_size = 64, .callbacks = &print, .callback_count = 1};
    fit.epochs = count > 1 ? atoi(arguments[1]) : 2;

    fm_strokes_options digits = {.train_size = 4000, .test_size = 1000};
    fm_transform_options to_unit = {.scale = 255};
    fm_status status = fm_dataset_strokes(context, &digits, &raw[0], &raw[1]);
    if (!status) status = fm_transform_fit(context, raw[0], &to_unit, &transform);
    if (!status) status = fm_dataset_transform(context, raw[0], transform, &train);
    if (!status) status = fm_dataset_transform(context, raw[1], transform, &test);
    if (!status) status = fm_model_create(context, &options, &model);
    if (!status) status = fm_fit(model, train, &fit);
    if (!status) status = fm_evaluate(model, test, NULL, &scores);
    if (!status) printf("test     loss %.4f  accuracy %.4f\n", scores.loss, scores.metrics[0]);
    if (status) fprintf(stderr, "residual_network: %s\n", fm_error_message(context));

    fm_model_destroy(model);
    fm_transform_destroy(transform);
    fm_dataset *sets[] = {raw[0], raw[1], train, test};
    for (int i = 0; i < 4; i++) fm_dataset_destroy(sets[i]);
    fm_context_destroy(context);
    return status ? 1 : 0;
}
