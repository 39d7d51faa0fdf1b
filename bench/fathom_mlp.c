/* Training speed of multilayer perceptrons on data in memory: one JSON line.
 *
 *     fathom_mlp WORKLOAD [--threads N] [--seconds S] [--backend NAME]
 *
 * mlp          784-512-256-10, ReLU, cross-entropy, SGD rate 0.01, batch 128
 * mlp-dropout  784-128-10, ReLU, dropout 0.2, cross-entropy, Adam rate 0.001, batch 32
 *
 * As on the peers' side 60,000 samples lie in memory as f32 and batches are consecutive slices:
 * nothing but steps is measured. */
#define _GNU_SOURCE
#include "fathom/loss.h"
#include "fathom/nn.h"
#include "fathom/optimizer.h"
#include "fathom/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES = 60000, PIXELS = 784, CLASSES = 10, WARM_UP = 200 };

typedef struct workload {
    const char *name;
    int64_t hidden[3]; /* ends with 0 */
    double dropout;
    fm_optimizer optimizer;
    int64_t batch;
} workload;

static const workload workloads[] = {
    {"mlp", {512, 256}, 0, {.rule = FM_SGD, .learning_rate = 0.01}, 128},
    {"mlp-dropout", {128}, 0.2, {.rule = FM_ADAM, .learning_rate = 0.001}, 32},
};

typedef struct options {
    const workload *workload;
    int threads;
    double seconds;
    const char *backends[2];
} options;

static void die(const char *words)
{
    fprintf(stderr, "fathom_mlp: %s\n", words);
    exit(1);
}

static options read_options(int count, char **arguments)
{
    options o = {.threads = 2, .seconds = 4};
    for (size_t i = 0; count > 1 && i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(arguments[1], workloads[i].name) == 0) o.workload = &workloads[i];
    }
    if (!o.workload) die("the first argument is mlp or mlp-dropout");
    for (int i = 2; i + 1 < count; i += 2) {
        const char *value = arguments[i + 1];
        if (strcmp(arguments[i], "--threads") == 0)
            o.threads = atoi(value);
        else if (strcmp(arguments[i], "--seconds") == 0)
            o.seconds = atof(value);
        else if (strcmp(arguments[i], "--backend") == 0)
            o.backends[0] = value;
        else
            die("unknown option");
    }
    return o;
}

static fm_graph *training_graph(fm_context *context, const workload *w)
{
    fm_graph *g;
    if (fm_graph_create(context, &(fm_graph_options){.mode = FM_TRAIN}, &g) != FM_OK) return NULL;
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(w->batch, PIXELS));
    fm_val y = fm_input(g, "y", FM_I32, FM_SHAPE(w->batch));
    for (int i = 0; w->hidden[i]; i++) {
        x = fm_dense(g, x, .units = w->hidden[i], .activation = FM_RELU);
        if (w->dropout > 0) x = fm_dropout(g, x, .rate = w->dropout);
    }
    x = fm_dense(g, x, .units = CLASSES);
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, x, y);
    fm_minimize_with(g, loss, &w->optimizer);
    fm_output(g, "loss", loss);
    return g;
}

/* Multiply-adds of the matrix products: forward, and for each gradient once more; the first layer
 * needs none for its input. */
static double flops_per_sample(const workload *w)
{
    int64_t in = PIXELS;
    double flops = 0;
    for (int i = 0; i == 0 || w->hidden[i - 1]; i++) {
        int64_t out = w->hidden[i] ? w->hidden[i] : CLASSES;
        flops += 2.0 * (double)in * (double)out * (i == 0 ? 2 : 3);
        in = out;
    }
    return flops;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static float *random_pixels(void)
{
    float *pixels = aligned_alloc(64, sizeof(float) * SAMPLES * PIXELS);
    uint32_t bits = 1;
    for (size_t i = 0; pixels && i < (size_t)SAMPLES * PIXELS; i++) {
        bits = bits * 1664525u + 1013904223u;
        pixels[i] = (float)(bits >> 8) * 0x1p-24f;
    }
    return pixels;
}

static int32_t *random_labels(void)
{
    int32_t *labels = aligned_alloc(64, sizeof(int32_t) * SAMPLES);
    uint32_t bits = 7;
    for (size_t i = 0; labels && i < SAMPLES; i++) {
        bits = bits * 1664525u + 1013904223u;
        labels[i] = (int32_t)((bits >> 16) % CLASSES);
    }
    return labels;
}

typedef struct run {
    fm_program *program;
    const float *pixels;
    const int32_t *labels;
    int64_t batch, steps;
} run;

static void step(run *r)
{
    int64_t first = r->steps++ % (SAMPLES / r->batch) * r->batch;
    if (fm_program_bind_input(r->program, "x", r->pixels + first * PIXELS) != FM_OK ||
        fm_program_bind_input(r->program, "y", r->labels + first) != FM_OK ||
        fm_program_run(r->program) != FM_OK) {
        die("a step failed");
    }
}

/* Samples per second. */
static double measure(run *r, double seconds)
{
    for (int i = 0; i < WARM_UP; i++) step(r);
    double start = now(), passed;
    int64_t before = r->steps;
    do {
        for (int i = 0; i < 50; i++) step(r);
        passed = now() - start;
    } while (passed < seconds);
    return (double)((r->steps - before) * r->batch) / passed;
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
    fm_graph *graph = training_graph(context, o.workload);
    run r = {.pixels = random_pixels(), .labels = random_labels(), .batch = o.workload->batch};
    if (!graph || !r.pixels || !r.labels) die("out of memory");
    fm_program_options how = {.backends = o.backends[0] ? o.backends : NULL};
    if (fm_program_create(store, graph, &how, &r.program) != FM_OK) die(fm_error_message(context));
    *(float *)fm_program_input(r.program, FM_LEARNING_RATE) =
        (float)fm_optimizer_rate(&o.workload->optimizer);

    double speed = measure(&r, o.seconds);
    double loss = (double)*(const float *)fm_program_output(r.program, "loss");
    printf("{\"workload\": \"%s\", \"samples_per_second\": %.1f, \"threads\": %d, \"batch\": %d, "
           "\"flops_per_sample\": %.0f, \"steps\": %lld, \"last_loss\": %.6f}\n",
           o.workload->name, speed, fm_context_threads(context), (int)r.batch,
           flops_per_sample(o.workload), (long long)r.steps, loss);
    fm_program_destroy(r.program);
    fm_graph_destroy(graph);
    fm_store_destroy(store);
    fm_context_destroy(context);
    free((void *)r.pixels);
    free((void *)r.labels);
    return 0;
}
