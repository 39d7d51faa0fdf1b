/* regression.c: a noisy sine, learned; saved, loaded into a second model, and drawn.
 *
 *     regression [FILE]      where the model is kept, default sine.safetensors */
#include <fathom/fathom.h>

#include <stdio.h>

static fm_val curve(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = 32, .activation = FM_SILU);
    x = fm_dense(g, x, .units = 32, .activation = FM_SILU);
    return fm_dense(g, x, .units = 1);
}

static const fm_model_options options = {
    .build = curve,
    .input_shape = {1, {1}},
    .loss = FM_MEAN_SQUARED_ERROR,
    .optimizer = {.rule = FM_ADAM, .learning_rate = 0.01},
    .schedule = {.kind = FM_SCHEDULE_COSINE, .decay_steps = 40, .per_epoch = true},
    .metrics = {{.metric = FM_R2}},
    .metric_count = 1};

/* A line of text for each x: where the model puts the curve between -1 and 1. */
static fm_status draw(fm_model *model)
{
    float x[21], y[21];
    for (int i = 0; i < 21; i++) x[i] = -3.14159f + 0.314159f * (float)i;
    fm_status status = fm_predict_samples(model, x, 21, NULL, y);
    for (int i = 0; i < 21 && status == FM_OK; i++) {
        printf("%6.2f  %6.3f  %*s*\n", x[i], y[i], (int)(24.5f + 22 * y[i]), "");
    }
    return status;
}

static fm_status learn(fm_context *context, const char *path)
{
    fm_dataset *train = NULL, *test = NULL;
    fm_model *model = NULL;
    fm_scores scores;
    fm_status status = fm_dataset_sine(context, NULL, &train, &test);
    if (!status) status = fm_model_create(context, &options, &model);
    if (!status) status = fm_fit(model, train, &(fm_fit_options){.epochs = 40});
    if (!status) status = fm_evaluate(model, test, NULL, &scores);
    if (!status) printf("test: mse %.4f, R2 %.4f\n", scores.loss, scores.metrics[0]);
    if (!status) status = fm_model_save(model, path, NULL);
    fm_model_destroy(model);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    return status;
}

int main(int count, char **arguments)
{
    const char *path = count > 1 ? arguments[1] : "sine.safetensors";
    fm_context *context;
    fm_model *model = NULL;
    if (fm_context_create(NULL, &context) != FM_OK) return 1;
    fm_status status = learn(context, path);
    if (!status) status = fm_model_create(context, &options, &model);
    if (!status) status = fm_model_load(model, path, NULL);
    if (!status) status = draw(model);
    if (status) fprintf(stderr, "regression: %s\n", fm_error_message(context));
    fm_model_destroy(model);
    fm_context_destroy(context);
    return status ? 1 : 0;
}
