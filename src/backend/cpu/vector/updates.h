/* An optimiser's update of part of a parameter, for kernels that make its gradient. */
#ifndef FM_BACKEND_CPU_UPDATES_H
#define FM_BACKEND_CPU_UPDATES_H

#include "fathom/op.h"
#include "kernel/update_numbers.h"
#include "op/optimizer_ops.h"

typedef struct fm_cpu_update {
    const fm_op *rule;
    fm_update_numbers numbers;
    float *p, *slots[FM_MAX_SLOTS];
    int slot_count;
} fm_cpu_update;

/* false: there is nothing to update (fm_update_begin). */
bool FM_ISA_SYMBOL(fm_cpu_update_begin)(const fm_call *call, fm_cpu_update *update);
/* Elements [at, at + count), whose gradients are g. */
void FM_ISA_SYMBOL(fm_cpu_update_run)(const fm_cpu_update *update, int64_t at, int64_t count,
                                      const float *g);

#endif
