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
    const fm_epoch *epoch = event->finished;
    printf("epoch %2d  loss %.4f  accuracy %.4f  %.0f samples/s\n", (int)epoch->epoch + 1,
           epoch->train.loss, epoch->train.metrics[0], event->samples_per_second);
    return FM_OK;
}

static fm_status open_digits(fm_context *context, const char *folder, fm_dataset **train,
                             fm_dataset **test)
{
    const char *folders[] = {folder, NULL};
    fm_status status =
        fm_dataset_mnist(context, &(fm_data_places){.folders = folders}, train, test);
    if (status != FM_ERROR_NOT_FOUND) return status;
    printf("%s\ndrawn digits instead\n", fm_error_message(context));
    return fm_dataset_strokes(context, NULL, train, test);
}

/* Bytes to [0, 1], as the transform learned from the training part says. */
static fm_status prepare(fm_context *context, const fm_transform *transform, fm_dataset **set)
{
    fm_dataset *raw = *set;
    fm_status status = fm_dataset_transform(context, raw, transform, set);
    fm_dataset_destroy(raw);
    return status;
}

int main(int count, char **arguments)
{
    fm_context *context;
    fm_dataset *train = NULL, *test = NULL;
    fm_transform *transform = NULL;
    fm_model *model = NULL;
    fm_scores scores;
    if (fm_context_create(NULL, &context) != FM_OK) return 1;

    fm_callback callback = {.name = "print", .epoch_end = print_epoch};
    fm_model_options options = {.build = digits, .input_shape = FM_SHAPE(28, 28),
                                .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                .optimizer = {.rule = FM_SGD, .learning_rate = 0.01},
                                .metrics = {{.metric = FM_ACCURACY}}, .metric_count = 1};
    fm_fit_options fit = {.epochs = count > 2 ? atoi(arguments[2]) : 10, .batch_size = 128,
                          .callbacks = &callback, .callback_count = 1};
    fm_status status = open_digits(context, count > 1 ? arguments[1] : ".", &train, &test);
    if (!status) status = fm_transform_fit(context, train, &(fm_transform_options){.scale = 255}, &transform);
    if (!status) status = prepare(context, transform, &train);
    if (!status) status = prepare(context, transform, &test);
    if (!status) status = fm_model_create(context, &options, &model);
    if (!status) status = fm_fit(model, train, &fit);
    if (!status) status = fm_evaluate(model, test, NULL, &scores);
    if (!status) printf("test      loss %.4f  accuracy %.4f\n", scores.loss, scores.metrics[0]);
    if (status) fprintf(stderr, "mnist_mlp: %s\n", fm_error_message(context));

    fm_model_destroy(model);
    fm_transform_destroy(transform);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    fm_context_destroy(context);
    return status ? 1 : 0;
}
