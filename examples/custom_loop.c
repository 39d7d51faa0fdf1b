/* custom_loop.c: a training loop of your own: a loader, steps, a learning rate that you choose, and
 * a stop when the loss is good enough. fit does nothing that a program cannot do itself. */
#include <fathom/fathom.h>

#include <stdio.h>

static fm_val arms(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = 64, .activation = FM_GELU);
    x = fm_dense(g, x, .units = 64, .activation = FM_GELU);
    return fm_dense(g, x, .units = 3);
}

/* One pass over the data; *mean is the mean loss of its batches. */
static fm_status epoch(fm_model *model, fm_loader *loader, int64_t number, double rate,
                       double *mean)
{
    fm_batch batch;
    double sum = 0;
    int64_t samples = 0;
    fm_status status = fm_loader_begin(loader, number, 0);
    while (status == FM_OK) {
        double loss;
        status = fm_loader_next(loader, &batch);
        if (status != FM_OK || batch.count == 0) break;
        status = fm_train_step(model, &batch, rate, &loss);
        sum += loss * (double)batch.count;
        samples += batch.count;
    }
    *mean = sum / (double)samples;
    return status;
}

static fm_status train(fm_model *model, fm_loader *loader)
{
    for (int64_t number = 0; number < 200; number++) {
        double warm = number < 5 ? (double)(number + 1) / 5 : 1, loss;
        fm_status status = epoch(model, loader, number, 0.01 * warm, &loss);
        if (status != FM_OK) return status;
        if (number % 20 == 0) printf("epoch %3d  loss %.4f\n", (int)number, loss);
        if (loss < 0.05) {
            printf("epoch %3d  loss %.4f: good enough\n", (int)number, loss);
            break;
        }
    }
    return FM_OK;
}

int main(void)
{
    fm_context *context;
    fm_dataset *data = NULL, *test = NULL;
    fm_loader *loader = NULL;
    fm_model *model = NULL;
    fm_scores scores;
    if (fm_context_create(NULL, &context) != FM_OK) return 1;
    fm_model_options options = {.build = arms,
                                .input_shape = FM_SHAPE(2),
                                .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                .optimizer = {.rule = FM_ADAM},
                                .metrics = {{.metric = FM_ACCURACY}},
                                .metric_count = 1};
    fm_status status =
        fm_dataset_spirals(context, &(fm_points_options){.classes = 3}, &data, &test);
    if (!status)
        status = fm_loader_create(context, data, &(fm_loader_options){.shuffle = true}, &loader);
    if (!status) status = fm_model_create(context, &options, &model);
    if (!status) status = train(model, loader);
    if (!status) status = fm_evaluate(model, test, NULL, &scores);
    if (!status) printf("test accuracy %.3f\n", scores.metrics[0]);
    if (status) fprintf(stderr, "custom_loop: %s\n", fm_error_message(context));
    fm_model_destroy(model);
    fm_loader_destroy(loader);
    fm_dataset_destroy(data);
    fm_dataset_destroy(test);
    fm_context_destroy(context);
    return status ? 1 : 0;
}
