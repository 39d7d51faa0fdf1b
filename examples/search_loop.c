/* search_loop.c: hyper-parameters of a loop of your own. Successive halving over the width and the
 * learning rate of a small network that learns a sine: 27 trials begin with two epochs, nine go on
 * to six, three to eighteen, one to fifty-four. Each keeps its model, so it goes on where it
 * was. */
#include <fathom/fathom.h>

#include <math.h>
#include <stdio.h>

enum { MOST_TRIALS = 27, WIDTH = 0, RATE = 1 };

static const fm_parameter parameters[] = {
    [WIDTH] = {.name = "width", .kind = FM_PARAMETER_INTEGER, .low = 2, .high = 64, .log = true},
    [RATE] = {.name = "rate", .kind = FM_PARAMETER_FLOAT, .low = 1e-4, .high = 1, .log = true},
};

/* What a trial is made of; the model function reads its width. */
typedef struct trial {
    fm_model *model;
    int64_t width;
} trial;

static fm_val sine(fm_graph *g, fm_val x, void *argument)
{
    const trial *t = argument;
    x = fm_dense(g, x, .units = t->width, .activation = FM_TANH);
    return fm_dense(g, x, .units = 1);
}

static fm_status train(fm_context *context, const fm_trial_job *job, trial *t,
                       const fm_dataset *data, double *loss)
{
    fm_status status = FM_OK;
    if (!t->model) {
        t->width = (int64_t)job->values[WIDTH];
        status = fm_model_create(
            context,
            &(fm_model_options){.build = sine,
                                .argument = t,
                                .input_shape = FM_SHAPE(1),
                                .loss = FM_MEAN_SQUARED_ERROR,
                                .optimizer = {FM_ADAM, .learning_rate = job->values[RATE]}},
            &t->model);
    }
    if (status != FM_OK) return status;
    status = fm_fit(
        t->model, data,
        &(fm_fit_options){.epochs = job->to, .validation_split = 0.2, .resume = job->from > 0});
    if (status != FM_OK) return status;
    const fm_history *history = fm_model_history(t->model);
    *loss = history->epochs[history->count - 1].validation.loss;
    return FM_OK;
}

static fm_status search_on(fm_context *context, fm_search *search, trial *trials,
                           const fm_dataset *data)
{
    fm_trial_job job;
    fm_status status = fm_search_ask(search, &job);
    while (status == FM_OK && job.state == FM_JOB_READY) {
        double loss = NAN; /* so a trial that fails is told: it does not go on */
        if (train(context, &job, &trials[job.trial], data, &loss) != FM_OK) {
            printf("trial %d: %s\n", (int)job.trial, fm_error_message(context));
        }
        printf("trial %2d  width %2g  rate %.5f  epochs %2d  loss %.5f\n", (int)job.trial,
               job.values[WIDTH], job.values[RATE], (int)job.to, loss);
        status = fm_search_tell(search, job.trial, loss);
        if (status == FM_OK) status = fm_search_ask(search, &job);
    }
    return status;
}

int main(void)
{
    fm_context *context;
    fm_dataset *data = NULL;
    fm_search *search = NULL;
    trial trials[MOST_TRIALS] = {{0}};
    const fm_space space = {parameters, sizeof parameters / sizeof parameters[0]};
    const fm_search_options options = {
        .method = FM_SUCCESSIVE_HALVING, .epochs_each = 54, .min_epochs = 2};
    if (fm_context_create(NULL, &context) != FM_OK) return 1;
    fm_status status =
        fm_dataset_sine(context, &(fm_points_options){.train_size = 1000}, &data, NULL);
    if (status == FM_OK) status = fm_search_create(context, &space, &options, &search);
    if (status == FM_OK) status = search_on(context, search, trials, data);
    if (status == FM_OK) {
        fm_trial best = fm_search_trial(search, fm_search_best(search));
        printf("best: width %g, rate %.5f, loss %.5f\n", best.values[WIDTH], best.values[RATE],
               best.value);
    } else {
        fprintf(stderr, "%s\n", fm_error_message(context));
    }
    for (int i = 0; i < MOST_TRIALS; i++) fm_model_destroy(trials[i].model);
    fm_search_destroy(search);
    fm_dataset_destroy(data);
    fm_context_destroy(context);
    return status != FM_OK;
}
