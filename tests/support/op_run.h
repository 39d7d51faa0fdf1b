/* Running small graphs in tests of ops: build, give the inputs their values, read results. */
#ifndef TESTS_SUPPORT_OP_RUN_H
#define TESTS_SUPPORT_OP_RUN_H

#include "support/fixture.h"
#include "fathom/ops.h"
#include "fathom/program.h"

typedef struct op_run {
    fm_context *context;
    fm_graph *graph;
    fm_store *store;
    fm_program *program;
} op_run;

op_run op_run_open(fixture *f, fm_dtype dtype);
/* Compiles for the portable backend; seed keys random ops. */
void op_run_compile(op_run *r, uint64_t seed);
/* The gradient of sum(y) with respect to x, as output `name`. */
void op_run_grad(op_run *r, const char *name, fm_val y, fm_val x);
void op_run_set(op_run *r, const char *name, const void *elements, size_t bytes);
const void *op_run_output(op_run *r, const char *name);
void op_run_go(op_run *r);
void op_run_close(op_run *r);

#endif
