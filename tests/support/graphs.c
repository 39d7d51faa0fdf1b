#include "support/graphs.h"

fm_graph *graph_for(fixture *f, fm_mode mode)
{
    fm_graph *graph;
    assert_ok(
        f->context,
        fm_graph_create(f->context, &(fm_graph_options){.mode = mode, .dtype = FM_F64}, &graph));
    return graph;
}

fm_store *store_with_seed(fixture *f, uint64_t seed)
{
    fm_store *store;
    assert_ok(f->context, fm_store_create(f->context, seed, &store));
    return store;
}

fm_program *compile_graph(fixture *f, fm_store *store, fm_graph *graph)
{
    static const char *const portable[] = {"portable", NULL};
    fm_program *program;
    const fm_program_options options = {.backends = portable};
    assert_ok(f->context, fm_program_create(store, graph, &options, &program));
    fm_graph_destroy(graph);
    return program;
}

void feed(fm_program *program, const char *name, const double *elements, size_t count)
{
    double *input = fm_program_input(program, name);
    if (!input) fail_msg("the program has no input '%s'", name);
    memcpy(input, elements, count * sizeof *elements);
}

void read_variable(fixture *f, fm_store *store, const char *path, double *elements)
{
    int index = fm_store_find(store, path);
    if (index < 0) fail_msg("the store has no variable '%s'", path);
    assert_ok(f->context, fm_store_read(store, index, elements));
}

void assert_mistake(fixture *f, fm_graph *graph, fm_status status, const char *words)
{
    assert_int_equal(fm_graph_status(graph), status);
    assert_string_equal(fm_error_message(f->context), words);
    fm_graph_destroy(graph);
}

static fm_status try_graph(fm_context *context, void *argument)
{
    const graph_trial *trial = argument;
    fm_graph *graph;
    fm_store *store = NULL;
    fm_program *program = NULL;
    fm_status status = fm_graph_create(context, &trial->graph, &graph);
    if (status != FM_OK) return status;
    trial->build(graph, trial->argument);
    status = fm_graph_status(graph);
    if (status == FM_OK && !trial->only_built) {
        status = fm_store_create(context, 1, &store);
        if (status == FM_OK) status = fm_program_create(store, graph, &trial->program, &program);
        if (status == FM_OK) status = fm_program_run(program);
    }
    fm_program_destroy(program);
    fm_store_destroy(store);
    fm_graph_destroy(graph);
    return status;
}

int fail_each_allocation_of(fixture *f, const graph_trial *trial)
{
    return fail_each_allocation(f, try_graph, (void *)(uintptr_t)trial);
}
