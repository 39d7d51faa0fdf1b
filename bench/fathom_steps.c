/* Speed of steps on data in memory: one JSON line.
 *
 *     fathom_steps WORKLOAD [--phase train|predict] [--batch N] [--threads N] [--seconds S]
 *                  [--precision float32|bfloat16] [--backend NAME]... [--profile RUNS]
 *                  [--costs RUNS]
 *
 * mlp          784-512-256-10, ReLU, cross-entropy, SGD rate 0.01, batch 128
 * mlp-dropout  784-128-10, ReLU, dropout 0.2, cross-entropy, Adam rate 0.001, batch 32
 * mnist-cnn    28x28x1: conv 32 3x3, conv 64 3x3, ReLU, max-pool 2, dropout .25, dense 128,
 *              dropout .5, dense 10; Adam rate 0.001, batch 128
 * lenet5       of the zoo at 28x28x1; Adam rate 0.001, batch 128
 * resnet20     of the zoo at 32x32x3; momentum 0.9, batch 128
 * resnet18@32  the zoo's resnet18 at 32x32x3 with 10 classes; momentum 0.9, batch 128
 * others       any network of the zoo at its published size; momentum 0.9, batch 16 or the table's
 *
 * As on the peers' side samples lie in memory as f32 and batches are consecutive slices: nothing
 * but steps is measured. Multiplications of auxiliary heads are not in flops_per_sample. peak_bytes
 * is the largest resident size of the process. --profile prints where the time goes instead,
 * --costs the same as JSON. */
#define _GNU_SOURCE
#include "fathom/loss.h"
#include "fathom/nn.h"
#include "fathom/nn_vision.h"
#include "fathom/ops.h"
#include "fathom/optimizer.h"
#include "fathom/program.h"
#include "fathom/zoo.h"

#define BENCH_PROGRAM "fathom_steps"
#include "step_figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As many as bench/peers hold: vectors; images, of large ones two batches. */
enum { VECTORS = 60000, IMAGES = 2048, LARGE_IMAGE = 100 };

typedef struct workload {
    const char *name;
    fm_val (*build)(fm_graph *graph, fm_val x); /* NULL: */
    const char *network;                        /* of the zoo */
    fm_shape sample;
    int64_t classes, batch;
    fm_optimizer optimizer;
} workload;

static fm_val mlp(fm_graph *g, fm_val x)
{
    x = fm_dense(g, x, .units = 512, .activation = FM_RELU);
    x = fm_dense(g, x, .units = 256, .activation = FM_RELU);
    return fm_dense(g, x, .units = 10);
}

static fm_val mlp_dropout(fm_graph *g, fm_val x)
{
    x = fm_dense(g, x, .units = 128, .activation = FM_RELU);
    x = fm_dropout(g, x, .rate = 0.2);
    return fm_dense(g, x, .units = 10);
}

static fm_val mnist_cnn(fm_graph *g, fm_val x)
{
    x = fm_conv2d(g, x, .filters = 32, .kernel_size = {1, {3}}, .activation = FM_RELU);
    x = fm_conv2d(g, x, .filters = 64, .kernel_size = {1, {3}}, .activation = FM_RELU);
    x = fm_max_pooling2d(g, x, .pool_size = {1, {2}});
    x = fm_dropout(g, x, .rate = 0.25);
    x = fm_dense(g, fm_flatten(g, x), .units = 128, .activation = FM_RELU);
    x = fm_dropout(g, x, .rate = 0.5);
    return fm_dense(g, x, .units = 10);
}

#define SGD                                                                                        \
    {                                                                                              \
        .rule = FM_SGD, .learning_rate = 0.01                                                      \
    }
#define ADAM                                                                                       \
    {                                                                                              \
        .rule = FM_ADAM, .learning_rate = 0.001                                                    \
    }
#define MOMENTUM                                                                                   \
    {                                                                                              \
        .rule = FM_SGD, .learning_rate = 0.1, .momentum = 0.9                                      \
    }
#define SQUARE(height, channels)                                                                   \
    {                                                                                              \
        3,                                                                                         \
        {                                                                                          \
            height, height, channels                                                               \
        }                                                                                          \
    }
static const workload workloads[] = {
    {"mlp", mlp, NULL, {1, {784}}, 10, 128, SGD},
    {"mlp-dropout", mlp_dropout, NULL, {1, {784}}, 10, 32, ADAM},
    {"mnist-cnn", mnist_cnn, NULL, SQUARE(28, 1), 10, 128, ADAM},
    {"lenet5", NULL, "lenet5", SQUARE(28, 1), 10, 128, ADAM},
    {"resnet20", NULL, "resnet20", SQUARE(32, 3), 10, 128, MOMENTUM},
    {"resnet18@32", NULL, "resnet18", SQUARE(32, 3), 10, 128, MOMENTUM},
    {"alexnet", NULL, "alexnet", SQUARE(224, 3), 1000, 32, MOMENTUM},
    {"vgg16", NULL, "vgg16", SQUARE(224, 3), 1000, 8, MOMENTUM},
    {"resnet152", NULL, "resnet152", SQUARE(224, 3), 1000, 8, MOMENTUM},
};

typedef struct options {
    const workload *workload;
    bool predict;
    int64_t batch;
    int threads;
    double seconds;
    fm_precision precision;
    int profiled_runs, costed_runs;
    int backend_count;
    const char *backends[4];
} options;

/* Another network of the zoo at its published size; NULL for an unknown name. */
static const workload *of_the_zoo(const char *name)
{
    static workload found;
    const fm_zoo_record *record = fm_zoo_find(name);
    if (!record) return NULL;
    found = (workload){.name = record->name,
                       .network = record->name,
                       .sample = {3, {record->height, record->height, record->channels}},
                       .classes = record->classes,
                       .batch = 16,
                       .optimizer = MOMENTUM};
    return &found;
}

static options read_options(int count, char **arguments)
{
    options o = {.threads = 2, .seconds = 4};
    for (size_t i = 0; count > 1 && i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(arguments[1], workloads[i].name) == 0) o.workload = &workloads[i];
    }
    if (!o.workload && count > 1) o.workload = of_the_zoo(arguments[1]);
    if (!o.workload) die("the first argument is a workload: see the head of bench/fathom_steps.c");
    o.batch = o.workload->batch;
    for (int i = 2; i + 1 < count; i += 2) {
        const char *value = arguments[i + 1];
        if (strcmp(arguments[i], "--threads") == 0)
            o.threads = atoi(value);
        else if (strcmp(arguments[i], "--seconds") == 0)
            o.seconds = atof(value);
        else if (strcmp(arguments[i], "--backend") == 0 && o.backend_count < 3)
            o.backends[o.backend_count++] = value;
        else if (strcmp(arguments[i], "--batch") == 0)
            o.batch = atoll(value);
        else if (strcmp(arguments[i], "--profile") == 0)
            o.profiled_runs = atoi(value);
        else if (strcmp(arguments[i], "--costs") == 0)
            o.costed_runs = atoi(value);
        else if (strcmp(arguments[i], "--precision") == 0)
            o.precision = read_precision(value);
        else if (strcmp(arguments[i], "--phase") == 0)
            o.predict = strcmp(value, "predict") == 0;
        else
            die("unknown option");
    }
    return o;
}

static fm_val build(fm_graph *g, fm_val x, void *argument)
{
    const workload *w = argument;
    return w->build ? w->build(g, x) : fm_zoo(g, w->network, x, .classes = w->classes);
}

static fm_val total_loss(fm_graph *g, fm_val logits, fm_val y)
{
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, logits, y), auxiliary;
    double weight;
    for (int i = 0; (auxiliary = fm_graph_auxiliary(g, i, &weight)).id; i++) {
        fm_val more = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, auxiliary, y);
        loss = fm_add(g, loss, fm_mul_scalar(g, more, weight));
    }
    return loss;
}

static fm_graph *make_graph(fm_context *context, const options *o)
{
    const workload *w = o->workload;
    fm_graph *g;
    fm_graph_options how = {.mode = o->predict ? FM_PREDICT : FM_TRAIN};
    if (fm_graph_create(context, &how, &g) != FM_OK) return NULL;
    fm_val x = fm_input(g, "x", FM_F32, fm_shape_batch(o->batch, w->sample));
    fm_val logits = build(g, x, (void *)w);
    if (o->predict) {
        fm_output(g, "result", logits);
        return g;
    }
    fm_val y = fm_input(g, "y", FM_I32, FM_SHAPE(o->batch));
    fm_val loss = total_loss(g, logits, y);
    fm_minimize_with(g, loss, &w->optimizer);
    fm_output(g, "result", loss);
    return g;
}

/* Forward, and for each gradient once more; the first layer has none of its input. */
static double flops_per_sample(fm_context *context, const options *o)
{
    fm_layer_row *rows;
    int count;
    double all = 0, first = 0;
    if (fm_layers_describe(context, build, (void *)o->workload, o->workload->sample, FM_F32, &rows,
                           &count) != FM_OK) {
        die(fm_error_message(context));
    }
    for (int i = 0; i < count; i++) {
        if (all == 0) first = rows[i].macs;
        all += rows[i].macs;
    }
    fm_layers_release(context, rows);
    return o->predict ? 2 * all : 6 * all - 2 * first;
}

typedef struct run {
    fm_program *program;
    float *pixels;
    int32_t *labels;
    int64_t sample_size, samples, batch, steps;
    bool predict;
} run;

/* Whole batches, two of them at least. */
static void make_data(run *r, const workload *w)
{
    const bool images = w->sample.rank == 3, large = images && w->sample.dims[0] >= LARGE_IMAGE;
    const int64_t batches = large ? 2 : (images ? IMAGES : VECTORS) / r->batch;
    r->sample_size = fm_shape_elements(w->sample);
    r->samples = (batches < 2 ? 2 : batches) * r->batch;
    size_t count = (size_t)(r->samples * r->sample_size);
    r->pixels = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
    r->labels = aligned_alloc(64, ((size_t)r->samples * sizeof(int32_t) + 63) / 64 * 64);
    if (!r->pixels || !r->labels) die("out of memory");
    uint32_t bits = 1;
    for (size_t i = 0; i < count; i++) {
        bits = bits * 1664525u + 1013904223u;
        r->pixels[i] = (float)(bits >> 8) * 0x1p-24f;
    }
    for (int64_t i = 0; i < r->samples; i++) {
        bits = bits * 1664525u + 1013904223u;
        r->labels[i] = (int32_t)((bits >> 16) % (uint32_t)w->classes);
    }
}

/* Batches are read where they lie when they are aligned,
 * which all but batches of one sample are. */
static void feed(run *r, const char *name, const void *elements, size_t bytes)
{
    if ((uintptr_t)elements % 64 == 0) {
        if (fm_program_bind_input(r->program, name, elements) == FM_OK) return;
        die("an input was refused");
    }
    memcpy(fm_program_input(r->program, name), elements, bytes);
}

static void step(run *r)
{
    int64_t first = r->steps++ * r->batch % r->samples;
    feed(r, "x", r->pixels + first * r->sample_size,
         sizeof(float) * (size_t)(r->batch * r->sample_size));
    if (!r->predict) feed(r, "y", r->labels + first, sizeof(int32_t) * (size_t)r->batch);
    if (fm_program_run(r->program) != FM_OK) die("a step failed");
}

/* Steps for so many seconds; returns samples per second. */
static double measure(run *r, double seconds)
{
    double start = now(), passed;
    int64_t before = r->steps;
    int64_t at_once = 6400 / r->batch + 1;
    do {
        for (int64_t i = 0; i < at_once && (i < 1 || now() - start < seconds); i++) step(r);
        passed = now() - start;
    } while (passed < seconds);
    return (double)((r->steps - before) * r->batch) / passed;
}

static void print_speed(run *r, const options *o, fm_context *context, fm_store *store)
{
    measure(r, o->seconds / 8);
    double speed = measure(r, o->seconds);
    print_figures(&(figures){.workload = o->workload->name,
                             .samples_per_second = speed,
                             .flops_per_sample = flops_per_sample(context, o),
                             .threads = fm_context_threads(context),
                             .batch = r->batch,
                             .sample = o->workload->sample,
                             .outputs = o->workload->classes,
                             .steps = r->steps},
                  store, r->program);
}

int main(int count, char **arguments)
{
    options o = read_options(count, arguments);
    fm_context *context;
    fm_store *store;
    if (fm_context_create(&(fm_context_options){.threads = o.threads}, &context) != FM_OK ||
        fm_store_create(context, 1, &store) != FM_OK) {
        die("out of memory");
    }
    fm_graph *graph = make_graph(context, &o);
    run r = {.batch = o.batch, .predict = o.predict};
    if (!graph) die("out of memory");
    fm_program_options how = {.backends = o.backends[0] ? o.backends : NULL,
                              .precision = (int)o.precision};
    if (fm_program_create(store, graph, &how, &r.program) != FM_OK) die(fm_error_message(context));
    if (!o.predict) {
        *(float *)fm_program_input(r.program, FM_LEARNING_RATE) =
            (float)fm_optimizer_rate(&o.workload->optimizer);
    }
    make_data(&r, o.workload);

    if (o.profiled_runs > 0)
        step(&r), print_profile(context, r.program, o.profiled_runs);
    else if (o.costed_runs > 0)
        step(&r), print_costs(r.program, o.workload->name, o.costed_runs);
    else
        print_speed(&r, &o, context, store);
    fm_program_destroy(r.program);
    fm_graph_destroy(graph);
    fm_store_destroy(store);
    fm_context_destroy(context);
    free(r.pixels);
    free(r.labels);
    return 0;
}
