#include "support/op_run.h"

op_run op_run_open(fixture *f, fm_dtype dtype)
{
    op_run r = {.context = f->context};
    fm_graph_options options = {.mode = FM_TRAIN, .dtype = dtype};
    assert_ok(f->context, fm_graph_create(f->context, &options, &r.graph));
    return r;
}

void op_run_compile(op_run *r, uint64_t seed)
{
    static const char *const portable[] = {"portable", NULL};
    assert_ok(r->context, fm_graph_status(r->graph));
    assert_ok(r->context, fm_store_create(r->context, seed, &r->store));
    fm_program_options options = {.backends = portable};
    assert_ok(r->context, fm_program_create(r->store, r->graph, &options, &r->program));
}

void op_run_grad(op_run *r, const char *name, fm_val y, fm_val x)
{
    fm_val grad;
    fm_grad(r->graph, fm_sum(r->graph, y, (fm_ints){0}, false), &x, 1, &grad);
    fm_output(r->graph, name, grad);
}

void op_run_set(op_run *r, const char *name, const void *elements, size_t bytes)
{
    void *input = fm_program_input(r->program, name);
    if (!input) fail_msg("there is no input %s", name);
    memcpy(input, elements, bytes);
}

const void *op_run_output(op_run *r, const char *name)
{
    const void *output = fm_program_output(r->program, name);
    if (!output) fail_msg("there is no output %s", name);
    return output;
}

void op_run_go(op_run *r)
{
    assert_ok(r->context, fm_program_run(r->program));
}

void op_run_close(op_run *r)
{
    fm_program_destroy(r->program);
    fm_store_destroy(r->store);
    fm_graph_destroy(r->graph);
}
