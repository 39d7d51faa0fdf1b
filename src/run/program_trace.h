/* A program's steps as spans of a timeline. */
#ifndef FM_RUN_PROGRAM_TRACE_H
#define FM_RUN_PROGRAM_TRACE_H

#include "fathom/program.h"

/* Whether the next runs record each step in the timeline of the store's context
 * (base/timeline.h). */
void fm_program_trace(fm_program *program, bool traced);

#endif
