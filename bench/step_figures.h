/* What the programs of this folder that measure steps share. BENCH_PROGRAM is the one that includes it. */
#ifndef BENCH_STEP_FIGURES_H
#define BENCH_STEP_FIGURES_H

#include "fathom/program.h"

#include <stdio.h>
#include <stdlib.h>
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

typedef struct figures {
    const char *workload;
    double samples_per_second, flops_per_sample;
    int threads;
    int64_t batch, steps;
} figures;

/* The JSON line that run_bench.py reads; the program's output `result` tells that something was computed,
 * peak_bytes is the largest resident size of the process. */
static inline void print_figures(const figures *f, fm_program *program)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"workload\": \"%s\", \"samples_per_second\": %.1f, \"threads\": %d, \"batch\": %d, "
           "\"flops_per_sample\": %.0f, \"steps\": %lld, \"peak_bytes\": %.0f, \"result\": %.6f}\n",
           f->workload, f->samples_per_second, f->threads, (int)f->batch, f->flops_per_sample,
           (long long)f->steps, 1024.0 * (double)usage.ru_maxrss,
           (double)*(const float *)fm_program_output(program, "result"));
}

static inline void print_profile(fm_context *context, fm_program *program, int runs)
{
    char *text;
    if (fm_program_print_profile(program, runs, &text) != FM_OK) die("out of memory");
    fputs(text, stdout);
    fm_text_free(context, text);
}

#endif
