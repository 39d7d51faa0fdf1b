/* mnist_mlp.c: the classic: 784-512-256-10, ReLU, softmax cross-entropy, SGD 0.01, batch 128.
 *
 *     mnist_mlp [FOLDER [EPOCHS]]      FOLDER holds MNIST's four files, plain or .gz
 *
 * Without the files it trains on drawn digits, which need none. */
#include <fathom/fathom.h>

#include <stdio.h>
#include <stdlib.h>

static fm_val digits(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_flatten(g, x);
    x = fm_dense(g, x, .units = 512, .activation = FM_RELU);
    x = fm_dense(g, x, .units = 256, .activation = FM_RELU);
    return fm_dense(g, x, .units = 10);
}

static fm_status print_epoch(void *user, fm_event *event)
{
    (void)user;
    const fm_scores *scores = &event->finished->train;
    printf("epoch %2d  loss %.4f  accuracy %.4f  %.0f samples/s\n", (int)event->epoch + 1,
           scores->loss, scores->metrics[0], event->samples_per_second);
    return FM_OK;
}

static fm_status open_digits(fm_context *context, const char *folder, fm_dataset *sets[2])
{
    const char *folders[] = {folder, NULL};
    fm_data_places places = {.folders = folders};
    fm_status status = fm_dataset_mnist(context, &places, &sets[0], &sets[1]);
    if (status != FM_ERROR_NOT_FOUND) return status;
    printf("%s\ndrawn digits instead\n", fm_error_message(context));
    return fm_dataset_strokes(context, NULL, &sets[0], &sets[1]);
}

int main(int count, char **arguments)
{
    fm_context *context;
    fm_dataset *raw[2] = {0}, *train = NULL, *test = NULL;
    fm_transform *transform = NULL;
    fm_model *model = NULL;
    fm_scores scores;
    if (fm_context_create(NULL, &context) != FM_OK) return 1;

    fm_transform_options to_unit = {.scale = 255};
    fm_model_options options = {.build = digits,
                                .input_shape = FM_SHAPE(28, 28),
                                .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                .optimizer = {.rule = FM_SGD, .learning_rate = 0.01},
                                .metrics = {{.metric = FM_ACCURACY}},
                                .metric_count = 1};
    fm_callback print = {.name = "print", .epoch_end = print_epoch};
    fm_fit_options fit = {.batch_size = 128, .callbacks = &print, .callback_count = 1};
    fit.epochs = count > 2 ? atoi(arguments[2]) : 10;

    fm_status status = open_digits(context, count > 1 ? arguments[1] : ".", raw);
    if (!status) status = fm_transform_fit(context, raw[0], &to_unit, &transform);
    if (!status) status = fm_dataset_transform(context, raw[0], transform, &train);
    if (!status) status = fm_dataset_transform(context, raw[1], transform, &test);
    if (!status) status = fm_model_create(context, &options, &model);
    if (!status) status = fm_fit(model, train, &fit);
    if (!status) status = fm_evaluate(model, test, NULL, &scores);
    if (!status) printf("test      loss %.4f  accuracy %.4f\n", scores.loss, scores.metrics[0]);
    if (status) fprintf(stderr, "mnist_mlp: %s\n", fm_error_message(context));

    fm_model_destroy(model);
    fm_transform_destroy(transform);
    fm_dataset *sets[] = {raw[0], raw[1], train, test};
    for (int i = 0; i < 4; i++) fm_dataset_destroy(sets[i]);
    fm_context_destroy(context);
    return status ? 1 : 0;
}
