/* Where every value lives: lifetimes, aliases, one arena with offsets. */
#ifndef FM_RUN_PLAN_H
#define FM_RUN_PLAN_H

#include "run/order.h"

typedef enum fm_home {
    FM_IN_ARENA,
    FM_IN_STORE,
    FM_IN_INPUT,
    FM_IN_CONSTANT,
    FM_IN_KEPT, /* stays as it is until it is computed again */
    FM_HOMES
} fm_home;

typedef struct fm_buffer {
    fm_home place;
    uint32_t index;       /* variable, input, or the constant's value id */
    uint32_t first, last; /* steps between which an arena buffer lives, inclusive */
    size_t offset, bytes;
} fm_buffer;

/* After the last step the value is copied into the variable. */
typedef struct fm_commit {
    fm_val value;
    uint32_t variable;
} fm_commit;

enum { FM_NO_BUFFER = UINT32_MAX };

typedef struct fm_plan {
    fm_order order;
    fm_buffer *buffers;
    size_t buffer_count, buffer_capacity;
    uint32_t *buffer_of;      /* by value id */
    uint32_t *scratch_buffer; /* by step, FM_NO_BUFFER without */
    fm_commit *commits;
    size_t commit_count;
    size_t prologue; /* so many steps at the beginning need not be run again: see pass/steady.h */
    size_t kept_bytes;
    size_t arena_bytes, arena_bound; /* the bound: the most bytes alive at one step */
} fm_plan;

/*  scratch_bytes    by node index; NULL: none
 *  steady           by node index: the prologue; NULL: none
 *  private_buffers  nothing is shared or overwritten
 *  outputs_kept     outputs do not lie in the arena, so that others may use it after a run */
typedef struct fm_plan_options {
    const size_t *scratch_bytes;
    const bool *steady;
    bool private_buffers;
    bool outputs_kept;
} fm_plan_options;

fm_status fm_plan_make(const fm_graph *graph, const fm_plan_options *options, fm_plan *plan);
void fm_plan_release(fm_context *context, fm_plan *plan);

/* Proves from the plan alone that no step overwrites what a later step, output or commit reads, and
 * that the prologue reads nothing that changes from run to run and leaves what is read of it.
 * Shares no code with the planner. FM_ERROR_INTERNAL names the step and both values. */
fm_status fm_plan_check(const fm_graph *graph, const fm_plan *plan);

#endif
