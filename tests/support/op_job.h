/* One op as a program of one node: on any backend, in f32 or f64, with any number of threads. */
#ifndef TESTS_SUPPORT_OP_JOB_H
#define TESTS_SUPPORT_OP_JOB_H

#include "support/fixture.h"
#include "support/op_case.h"

typedef struct op_job {
    const fm_op *op;
    const void *attributes;
    op_case inputs;
    double *values[FM_MAX_INPUTS]; /* exact in f32; integers for the letter i */
    int f64_input;                 /* which is f64 in any case; -1: none */
    int variable_input;     /* which is a variable, for which kernels may want a layout; -1: none */
    fm_precision precision; /* of a product */
} op_job;

typedef struct op_result {
    int count;
    int64_t elements[FM_MAX_OUTPUTS];
    double *values[FM_MAX_OUTPUTS]; /* f32 is exact in them too */
    char kernel[64];                /* which ran: "portable", "cpu.avx2.matmul" */
} op_result;

/* Operands as op_case_fill draws them; the caller may change them before running. */
op_job op_job_make(fixture *f, const fm_op *op, const void *attributes, const op_case *inputs);
void op_job_release(fixture *f, op_job *job);

/* backend NULL: the default order. Without fusion and simplification. */
op_result op_job_run(fixture *f, const op_job *job, fm_dtype real, const char *backend,
                     int threads);
void op_result_release(fixture *f, op_result *result);

#endif
