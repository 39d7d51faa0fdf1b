/* embed.c: Fathom inside your program: your allocator, your log, two models on two threads. */
#include <fathom/fathom.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct meter {
    const char *name;
    atomic_long live, made; /* the hook is called from worker threads, too */
} meter;

static void *count_and_allocate(void *user, size_t size)
{
    meter *m = user;
    m->live += 1;
    m->made += 1;
    return malloc(size);
}

static void count_and_release(void *user, void *pointer)
{
    meter *m = user;
    m->live -= 1;
    free(pointer);
}

static void print_log(void *user, fm_log_level level, const char *message)
{
    fprintf(stderr, "%s: %s%s\n", ((meter *)user)->name, level == FM_LOG_WARNING ? "warning: " : "",
            message);
}

static fm_val halves(fm_graph *g, fm_val x, void *argument)
{
    (void)argument;
    x = fm_dense(g, x, .units = 32, .activation = FM_RELU);
    return fm_dense(g, x, .units = 2);
}

static void *train_one(void *argument)
{
    meter *m = argument;
    fm_context *context;
    fm_dataset *train = NULL, *test = NULL;
    fm_model *model = NULL;
    fm_scores scores;
    fm_context_options hooks = {count_and_allocate, count_and_release, m, print_log, m,
                                .threads = 1};
    if (fm_context_create(&hooks, &context) != FM_OK) return NULL;
    fm_model_options options = {.build = halves,
                                .input_shape = FM_SHAPE(2),
                                .loss = FM_SPARSE_CATEGORICAL_CROSSENTROPY,
                                .optimizer = {.rule = FM_ADAM, .learning_rate = 0.01},
                                .metrics = {{.metric = FM_ACCURACY}},
                                .metric_count = 1};
    fm_status status = fm_dataset_moons(context, NULL, &train, &test);
    if (!status) status = fm_model_create(context, &options, &model);
    if (!status) status = fm_fit(model, train, &(fm_fit_options){.epochs = 20});
    if (!status) status = fm_evaluate(model, test, NULL, &scores);
    if (status) fprintf(stderr, "%s: %s\n", m->name, fm_error_message(context));
    fm_model_destroy(model);
    fm_dataset_destroy(train);
    fm_dataset_destroy(test);
    fm_context_destroy(context);
    double accuracy = status ? 0 : scores.metrics[0];
    printf("%s: accuracy %.3f, %ld allocations, %ld left\n", m->name, accuracy, m->made, m->live);
    return NULL;
}

int main(void)
{
    meter meters[2] = {{.name = "left"}, {.name = "right"}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, train_one, &meters[i]);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    return meters[0].live + meters[1].live == 0 ? 0 : 1;
}
