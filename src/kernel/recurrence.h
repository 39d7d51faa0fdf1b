/* The sizes and choices of a recurrent cell over a sequence, whatever it computes in. */
#ifndef FM_KERNEL_RECURRENCE_H
#define FM_KERNEL_RECURRENCE_H

#include <stdint.h>

enum { KERNEL_CELL_TANH, KERNEL_CELL_RELU, KERNEL_CELL_SIGMOID, KERNEL_CELL_LINEAR };
enum { KERNEL_GATE_SIGMOID, KERNEL_GATE_HARD_SIGMOID };

/* So many units are worked on at once: their sums live on the stack. */
enum { KERNEL_UNITS = 32 };

/* width: of the hidden state, `units` unless it is projected. reset_after: GRU only. */
typedef struct kernel_recurrence {
    int64_t batch, time, units, width;
    int cell, gate; /* activations */
    int reverse, reset_after;
    int bf16; /* products round their operands */
} kernel_recurrence;

/* The time of step s of 0 .. time - 1. */
static inline int64_t kernel_step_time(const kernel_recurrence *r, int64_t s)
{
    return r->reverse ? r->time - 1 - s : s;
}

#endif
