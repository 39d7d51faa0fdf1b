/* Speed of single convolutions, forward and both gradients: a JSON line for each layer.
 *
 *     fathom_convolutions [--threads N] [--runs N] [--backend NAME] [LAYER...]  default: all layers
 *
 * Layers are those of networks at the batch sizes of their workloads. GFLOP/s count the
 * definition's multiplications and additions, padding included, whatever the kernel that ran does
 * instead. compare_convolutions.py holds them against a peer and against the machine. */
#define _GNU_SOURCE
#include "fathom/program.h"
#include "fathom/vision_ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct layer {
    const char *name;
    int batch, size, channels, filters, kernel, stride, padding, groups;
} layer;

static const layer layers[] = {
    {"mnist-1", 128, 28, 1, 32, 3, 1, 0, 1},
    {"mnist-2", 128, 26, 32, 64, 3, 1, 0, 1},
    {"resnet20-16", 128, 32, 16, 16, 3, 1, 1, 1},
    {"resnet20-32", 128, 16, 32, 32, 3, 1, 1, 1},
    {"resnet20-64", 128, 8, 64, 64, 3, 1, 1, 1},
    {"resnet20-down", 128, 32, 16, 32, 3, 2, 1, 1},
    {"resnet50-stem", 16, 224, 3, 64, 7, 2, 3, 1},
    {"resnet50-56", 16, 56, 64, 64, 3, 1, 1, 1},
    {"resnet50-28", 16, 28, 128, 128, 3, 1, 1, 1},
    {"resnet50-14", 16, 14, 256, 256, 3, 1, 1, 1},
    {"resnet50-7", 16, 7, 512, 512, 3, 1, 1, 1},
    {"resnet50-down", 16, 28, 256, 256, 3, 2, 1, 1},
    {"resnet50-widen-56", 16, 56, 64, 256, 1, 1, 0, 1},
    {"resnet50-narrow-56", 16, 56, 256, 64, 1, 1, 0, 1},
    {"resnet50-widen-14", 16, 14, 256, 1024, 1, 1, 0, 1},
    {"resnet50-narrow-7", 16, 7, 2048, 512, 1, 1, 0, 1},
    {"resnet50-shortcut", 16, 28, 512, 1024, 1, 2, 0, 1},
    {"alexnet-1", 16, 224, 3, 64, 11, 4, 2, 1},
    {"googlenet-5x5", 16, 14, 32, 128, 5, 1, 2, 1},
    {"mobilenet-14", 16, 14, 384, 384, 3, 1, 1, 384},
    {"mobilenet-112", 16, 112, 96, 96, 3, 2, 1, 96},
    {"resnext-56", 16, 56, 128, 128, 3, 1, 1, 32},
    {"one-56", 1, 56, 64, 64, 3, 1, 1, 1},
    {"one-14", 1, 14, 256, 256, 3, 1, 1, 1},
    {"one-7", 1, 7, 512, 512, 3, 1, 1, 1},
    {"one-widen-7", 1, 7, 512, 2048, 1, 1, 0, 1},
};
enum { LAYERS = sizeof layers / sizeof *layers, MOST_STEPS = 16 };

static void die(const char *words)
{
    fprintf(stderr, "fathom_convolutions: %s\n", words);
    exit(1);
}

static fm_status fill(fm_context *context, const fm_initializer *self, fm_dtype dtype,
                      fm_shape shape, uint64_t seed, uint32_t stream, void *elements)
{
    (void)context, (void)self, (void)dtype, (void)seed, (void)stream;
    for (int64_t i = fm_shape_elements(shape); i-- > 0;) {
        ((float *)elements)[i] = (float)(i % 17 - 8) / 8;
    }
    return FM_OK;
}

static fm_graph *make_graph(fm_context *context, const layer *l)
{
    const fm_window window = {.strides = {2, {l->stride, l->stride}},
                              .padding_begin = {2, {l->padding, l->padding}},
                              .padding_end = {2, {l->padding, l->padding}},
                              .groups = l->groups};
    const fm_variable_options options = {.initializer = {.name = "pattern", .fill = fill}};
    fm_graph *g;
    if (fm_graph_create(context, NULL, &g) != FM_OK) die(fm_error_message(context));
    fm_val x = fm_input(g, "x", FM_F32, FM_SHAPE(l->batch, l->size, l->size, l->channels));
    fm_val kernel =
        fm_variable(g, "kernel", FM_F32,
                    FM_SHAPE(l->kernel, l->kernel, l->channels / l->groups, l->filters), &options);
    fm_val y = fm_convolve(g, x, kernel, &window);
    fm_val dy = fm_input(g, "dy", FM_F32, fm_val_shape(g, y));
    fm_ints size = {2, {l->size, l->size}}, kernel_size = {2, {l->kernel, l->kernel}};
    fm_output(g, "y", y);
    fm_output(g, "dx", fm_convolve_transposed(g, dy, kernel, size, &window));
    fm_output(g, "dkernel", fm_convolve_kernel_grad(g, x, dy, kernel_size, &window));
    if (fm_graph_status(g) != FM_OK) die(fm_error_message(context));
    return g;
}

static void fill_input(fm_program *program, const fm_graph *graph, const char *name, fm_val value)
{
    float *elements = fm_program_input(program, name);
    for (int64_t i = fm_shape_elements(fm_val_shape(graph, value)); i-- > 0;) {
        elements[i] = (float)(i % 13 - 6) / 8;
    }
}

static void print_costs(const layer *l, const fm_step_cost *costs, int count)
{
    static const char *const names[][2] = {{"convolve", "forward"},
                                           {"convolve_transposed", "data"},
                                           {"convolve_kernel_grad", "kernel"}};
    printf("{\"layer\": \"%s\", \"batch\": %d, \"size\": %d, \"channels\": %d, \"filters\": %d, "
           "\"kernel_size\": %d, \"stride\": %d, \"padding\": %d, \"groups\": %d",
           l->name, l->batch, l->size, l->channels, l->filters, l->kernel, l->stride, l->padding,
           l->groups);
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < count; i++) {
            if (strcmp(costs[i].op, names[k][0]) != 0) continue;
            printf(", \"%s\": {\"by\": \"%s\", \"ms\": %.4f, \"gflops\": %.1f}", names[k][1],
                   costs[i].kernel, costs[i].seconds * 1e3,
                   costs[i].flops / costs[i].seconds * 1e-9);
        }
    }
    printf("}\n");
    fflush(stdout);
}

static void measure(fm_context *context, const layer *l, const char *backend, int runs)
{
    const char *backends[] = {backend, "portable", NULL};
    fm_store *store;
    fm_program *program;
    fm_step_cost costs[MOST_STEPS];
    fm_graph *graph = make_graph(context, l);
    const fm_program_options options = {.backends = backend ? backends : NULL};
    if (fm_store_create(context, 1, &store) != FM_OK ||
        fm_program_create(store, graph, &options, &program) != FM_OK) {
        die(fm_error_message(context));
    }
    const int count = (int)fm_program_summarize(program).steps;
    if (count > MOST_STEPS) die("a program has more steps than expected");
    fill_input(program, graph, "x", fm_graph_input(graph, "x"));
    fill_input(program, graph, "dy", fm_graph_input(graph, "dy"));
    if (fm_program_profile(program, runs, costs) != FM_OK) die(fm_error_message(context));
    print_costs(l, costs, count);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(graph);
}

int main(int count, char **arguments)
{
    int threads = 2, runs = 10, named = 0;
    const char *backend = NULL;
    bool chosen[LAYERS] = {0};
    for (int i = 1; i < count; i++) {
        const bool has_value = i + 1 < count;
        if (has_value && strcmp(arguments[i], "--threads") == 0) {
            threads = atoi(arguments[++i]);
        } else if (has_value && strcmp(arguments[i], "--runs") == 0) {
            runs = atoi(arguments[++i]);
        } else if (has_value && strcmp(arguments[i], "--backend") == 0) {
            backend = arguments[++i];
        } else {
            int k = 0;
            while (k < LAYERS && strcmp(layers[k].name, arguments[i]) != 0) k++;
            if (k == LAYERS) die("no such layer: see the table in bench/fathom_convolutions.c");
            chosen[k] = true;
            named++;
        }
    }
    fm_context *context;
    if (fm_context_create(&(fm_context_options){.threads = threads}, &context) != FM_OK) {
        die("out of memory");
    }
    for (int k = 0; k < LAYERS; k++) {
        if (!named || chosen[k]) measure(context, &layers[k], backend, runs);
    }
    fm_context_destroy(context);
    return 0;
}
