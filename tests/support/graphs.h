/* Building, running and misbuilding small graphs in tests. */
#ifndef TESTS_SUPPORT_GRAPHS_H
#define TESTS_SUPPORT_GRAPHS_H

#include "support/fixture.h"

#include "fathom/program.h"

/* An f64 graph for the mode. */
fm_graph *graph_for(fixture *f, fm_mode mode);
fm_store *store_with_seed(fixture *f, uint64_t seed);

/* Compiles for the portable backend and destroys the graph. */
fm_program *compile_graph(fixture *f, fm_store *store, fm_graph *graph);

/* Copies an f64 input's elements into the program. */
void feed(fm_program *program, const char *name, const double *elements, size_t count);

/* A variable of the store, f64. */
void read_variable(fixture *f, fm_store *store, const char *path, double *elements);

/* The graph must have failed with this status and exactly these words; destroys it. */
void assert_mistake(fixture *f, fm_graph *graph, fm_status status, const char *words);

/* What fail_each_allocation does with a graph: `build` fills it;
 * then it is compiled and run once. */
typedef struct graph_trial {
    void (*build)(fm_graph *graph, const void *argument);
    const void *argument;
    fm_graph_options graph;
    fm_program_options program;
    bool only_built;
} graph_trial;

int fail_each_allocation_of(fixture *f, const graph_trial *trial);

#endif
