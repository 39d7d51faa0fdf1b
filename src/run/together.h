/* Steps that run as one: small updates that follow each other. */
#ifndef FM_RUN_TOGETHER_H
#define FM_RUN_TOGETHER_H

#include "run/program_inside.h"

/* Fills program->calls, and in program->steps how many run together from each on. */
void fm_together_find(fm_program *program);

#endif
