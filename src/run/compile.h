/* The first half of making a program: everything up to its plan. */
#ifndef FM_RUN_COMPILE_H
#define FM_RUN_COMPILE_H

#include "run/program_inside.h"

/* Fills graph, placements and plan from the program's store and options, within the memory budget.
 * What is there after a failure is released by fm_program_discard. */
fm_status fm_program_compile(fm_program *program, const fm_graph *graph);
void fm_program_discard(fm_program *program);

#endif
