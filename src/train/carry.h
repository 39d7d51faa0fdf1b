/* A copy of what a training program's layers carry from step to step (graph.h: carried). */
#ifndef FM_TRAIN_CARRY_H
#define FM_TRAIN_CARRY_H

#include "fathom/program.h"

/* Zero is empty. The variables' elements, one behind the other. */
typedef struct fm_carry {
    fm_context *context;
    char *data;
    size_t bytes;
} fm_carry;

fm_status fm_carry_take(fm_context *context, const fm_program *program, fm_carry *carry);
/* Into a program of the same batch size; one of another size starts a sequence. */
fm_status fm_carry_put(const fm_carry *carry, fm_program *program);
void fm_carry_release(fm_carry *carry);

#endif
