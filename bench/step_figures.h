/* What the programs of this folder that measure steps share.
 * BENCH_PROGRAM is the one that includes it. */
#ifndef BENCH_STEP_FIGURES_H
#define BENCH_STEP_FIGURES_H

#include "fathom/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static inline _Noreturn void die(const char *words)
{
    fprintf(stderr, BENCH_PROGRAM ": %s\n", words);
    exit(1);
}

static inline double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* As the peer's side calls them. */
static inline fm_precision read_precision(const char *name)
{
    if (strcmp(name, "bfloat16") == 0) return FM_PRECISION_BF16;
    if (strcmp(name, "float32") != 0) die("a precision is float32 or bfloat16");
    return FM_PRECISION_F32;
}

typedef struct figures {
    const char *workload;
    double samples_per_second, flops_per_sample;
    int threads;
    int64_t batch, steps;
    fm_shape sample; /* of one input */
    int64_t outputs; /* numbers that one input becomes */
} figures;

static inline double trainable_elements(const fm_store *store)
{
    double count = 0;
    for (int i = 0; i < fm_store_count(store); i++) {
        fm_variable_info variable = fm_store_info(store, i);
        if (variable.trainable) count += (double)fm_shape_elements(variable.shape);
    }
    return count;
}

/* The JSON line that run_bench.py reads, which holds parameters, sample and outputs against the
 * peer's; the program's output `result` tells that something was computed, peak_bytes is the
 * largest resident size of the process. */
static inline void print_figures(const figures *f, const fm_store *store, fm_program *program)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"workload\": \"%s\", \"samples_per_second\": %.3f, \"threads\": %d, \"batch\": %d, "
           "\"parameters\": %.0f, \"sample\": [",
           f->workload, f->samples_per_second, f->threads, (int)f->batch,
           trainable_elements(store));
    for (int i = 0; i < f->sample.rank; i++) {
        printf("%s%lld", i ? ", " : "", (long long)f->sample.dims[i]);
    }
    printf(
        "], \"outputs\": %lld, \"flops_per_sample\": %.0f, \"steps\": %lld, \"peak_bytes\": %.0f, "
        "\"result\": %.6f}\n",
        (long long)f->outputs, f->flops_per_sample, (long long)f->steps,
        1024.0 * (double)usage.ru_maxrss,
        (double)*(const float *)fm_program_output(program, "result"));
}

/* A JSON line with what each step of the program takes. */
static inline void print_costs(fm_program *program, const char *workload, int runs)
{
    const fm_program_summary summary = fm_program_summarize(program);
    fm_step_cost *costs = calloc((size_t)summary.steps + 1, sizeof *costs);
    if (!costs || fm_program_profile(program, runs, costs) != FM_OK)
        die("the steps were not timed");
    printf("{\"workload\": \"%s\", \"arena_bytes\": %zu, \"costs\": [", workload,
           summary.arena_bytes);
    for (int i = 0; i < summary.steps; i++) {
        printf("%s{\"op\": \"%s\", \"kernel\": \"%s\", \"seconds\": %.9f, \"flops\": %.0f, "
               "\"bytes\": %.0f}",
               i ? ", " : "", costs[i].op, costs[i].kernel, costs[i].seconds, costs[i].flops,
               costs[i].bytes);
    }
    printf("]}\n");
    free(costs);
}

static inline void print_profile(fm_context *context, fm_program *program, int runs)
{
    char *text;
    if (fm_program_print_profile(program, runs, &text) != FM_OK) die("out of memory");
    fputs(text, stdout);
    fm_text_free(context, text);
}

#endif
