#include "support/zoo_problem.h"
#include "fathom/loss.h"
#include "fathom/zoo.h"
#include "golden/mnist_parity_golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

uint32_t zoo_problem_stream(const char *path)
{
    uint32_t hash = 2166136261U;
    for (; *path; path++) hash = (hash ^ (uint8_t)*path) * 16777619U;
    return hash;
}

double zoo_problem_value(uint32_t stream, int64_t i)
{
    return 2 * (double)golden_uniform(stream, (uint32_t)i) - 1;
}

static bool segments(const zoo_problem *problem)
{
    return strcmp(problem->network, "unet") == 0;
}

static fm_shape labels_shape(const zoo_problem *problem)
{
    if (!segments(problem)) return FM_SHAPE(problem->batch);
    return FM_SHAPE(problem->batch, problem->height, problem->height);
}

static void add_gradients(fm_graph *g, fm_val loss)
{
    enum { MOST = 2048 };
    static fm_val variables[MOST], gradients[MOST];
    int count = 0;
    for (int i = 0; fm_graph_variable(g, i).id && count < MOST; i++) {
        if (fm_val_trainable(g, fm_graph_variable(g, i))) {
            variables[count++] = fm_graph_variable(g, i);
        }
    }
    fm_grad(g, loss, variables, count, gradients);
    for (int i = 0; i < count; i++) fm_output(g, fm_val_name(g, variables[i]), gradients[i]);
}

fm_status zoo_problem_build(fm_context *context, const zoo_problem *problem, fm_dtype dtype,
                            fm_graph **graph)
{
    fm_graph_options options = {.mode = FM_TRAIN, .dtype = dtype};
    fm_status status = fm_graph_create(context, &options, graph);
    if (status != FM_OK) return status;
    const fm_zoo_record *record = fm_zoo_find(problem->network);
    fm_graph *g = *graph;
    int64_t size = problem->height;
    fm_val x = fm_input(g, "x", dtype,
                        FM_SHAPE(problem->batch, size, size, record ? record->channels : 3));
    fm_val labels = fm_input(g, "labels", FM_I32, labels_shape(problem));
    fm_zoo_options network = {
        .classes = problem->classes, .dropout = FM_ZERO, .no_auxiliary = true};
    fm_val logits = fm_zoo_with(g, problem->network, x, &network);
    fm_val loss = fm_loss(g, FM_SPARSE_CATEGORICAL_CROSSENTROPY, logits, labels);
    fm_output(g, "logits", logits);
    fm_output(g, "loss", loss);
    if (fm_graph_status(g) == FM_OK) add_gradients(g, loss);
    return fm_graph_status(g);
}

static void put(void *elements, fm_dtype dtype, int64_t i, double value)
{
    if (dtype == FM_F64)
        ((double *)elements)[i] = value;
    else
        ((float *)elements)[i] = (float)value;
}

static bool ends_with(const char *path, const char *name)
{
    const char *last = strrchr(path, '/');
    return strcmp(last ? last + 1 : path, name) == 0;
}

static fm_status fill_variable(fm_store *store, const char *path, fm_shape shape, fm_dtype dtype)
{
    int64_t count = fm_shape_elements(shape);
    uint32_t stream = zoo_problem_stream(path);
    double fan_in = shape.rank > 1 ? (double)(count / shape.dims[shape.rank - 1]) : 1;
    double scale = ends_with(path, "kernel") ? sqrt(6 / fan_in) : 0.1, shift = 0;
    bool last = strstr(path, "/bn3/") != NULL;
    if (ends_with(path, "gamma")) shift = last ? 0.1 : 1, scale = shift / 5;
    if (ends_with(path, "beta") && !last) shift = 3;
    void *elements = malloc((size_t)count * sizeof(double));
    if (!elements) return FM_ERROR_MEMORY;
    for (int64_t i = 0; i < count; i++) {
        put(elements, dtype, i, shift + scale * zoo_problem_value(stream, i));
    }
    fm_status status = fm_store_write(store, fm_store_find(store, path), elements);
    free(elements);
    return status;
}

fm_status zoo_problem_fill(const zoo_problem *problem, fm_dtype dtype, const fm_graph *graph,
                           fm_store *store, fm_program *program)
{
    fm_status status = FM_OK;
    for (int i = 0; status == FM_OK && fm_graph_variable(graph, i).id; i++) {
        fm_val variable = fm_graph_variable(graph, i);
        if (!fm_val_trainable(graph, variable)) continue;
        fm_shape shape = fm_val_shape(graph, variable);
        status = fill_variable(store, fm_val_name(graph, variable), shape, dtype);
    }
    void *x = fm_program_input(program, "x");
    int32_t *labels = fm_program_input(program, "labels");
    int64_t pixels = fm_shape_elements(fm_val_shape(graph, fm_graph_input(graph, "x")));
    int64_t count = fm_shape_elements(labels_shape(problem));
    for (int64_t i = 0; i < pixels; i++) put(x, dtype, i, zoo_problem_value(problem->images, i));
    for (int64_t i = 0; i < count; i++) labels[i] = (int32_t)(i * 7 % problem->classes);
    return status;
}
