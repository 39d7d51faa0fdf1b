/* zoo_gradients NETWORK HEIGHT CLASSES BATCH IMAGES DTYPE BACKEND FILE: the logits, the loss and
 * all gradients of a network of the zoo as a safetensors file, for compare_zoo.py. DTYPE f32 or
 * f64; BACKEND a backend's name, or `all` for the default order. See
 * tests/support/zoo_problem.h. */
#include "support/zoo_problem.h"
#include "io/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TENSORS = 2048 };

static void add(fm_safetensors_tensor *tensors, size_t *count, const fm_graph *g,
                fm_program *program, const char *name)
{
    fm_val value = fm_graph_output(g, name);
    if (!value.id || *count == MOST_TENSORS) return;
    tensors[(*count)++] = (fm_safetensors_tensor){.name = name,
                                                  .dtype = fm_val_dtype(g, value),
                                                  .shape = fm_val_shape(g, value),
                                                  .data = fm_program_output(program, name)};
}

static fm_status write_results(fm_context *context, const fm_graph *g, fm_program *program,
                               const char *path)
{
    static fm_safetensors_tensor tensors[MOST_TENSORS];
    size_t count = 0;
    add(tensors, &count, g, program, "loss");
    add(tensors, &count, g, program, "logits");
    for (int i = 0; fm_graph_variable(g, i).id; i++) {
        add(tensors, &count, g, program, fm_val_name(g, fm_graph_variable(g, i)));
    }
    return fm_safetensors_write(context, path, NULL, 0, tensors, count);
}

static fm_status compute(fm_context *context, const zoo_problem *problem, fm_dtype dtype,
                         const char *backend, const char *path)
{
    fm_graph *g = NULL;
    fm_store *store = NULL;
    fm_program *program = NULL;
    const char *const backends[] = {backend, NULL};
    fm_program_options options = {.backends = strcmp(backend, "all") == 0 ? NULL : backends};
    fm_status status = zoo_problem_build(context, problem, dtype, &g);
    if (status == FM_OK) status = fm_store_create(context, 1, &store);
    if (status == FM_OK) status = fm_program_create(store, g, &options, &program);
    if (status == FM_OK) status = zoo_problem_fill(problem, dtype, g, store, program);
    if (status == FM_OK) status = fm_program_run(program);
    if (status == FM_OK) status = write_results(context, g, program, path);
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(g);
    return status;
}

int main(int count, char **arguments)
{
    fm_context *context;
    fm_dtype dtype;
    if (count != 9 || !fm_dtype_from_name(arguments[6], &dtype)) {
        fprintf(stderr,
                "usage: zoo_gradients NETWORK HEIGHT CLASSES BATCH IMAGES DTYPE BACKEND FILE\n");
        return 2;
    }
    if (fm_context_create(NULL, &context) != FM_OK) return 1;
    zoo_problem problem = {.network = arguments[1],
                           .height = atoll(arguments[2]),
                           .classes = atoll(arguments[3]),
                           .batch = atoll(arguments[4]),
                           .images = (uint32_t)atoll(arguments[5])};
    fm_status status = compute(context, &problem, dtype, arguments[7], arguments[8]);
    if (status != FM_OK) fprintf(stderr, "%s\n", fm_error_message(context));
    fm_context_destroy(context);
    return status == FM_OK ? 0 : 1;
}
