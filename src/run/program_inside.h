/* A compiled program's inside. */
#ifndef FM_RUN_PROGRAM_INSIDE_H
#define FM_RUN_PROGRAM_INSIDE_H

#include "pass/place.h"
#include "run/plan.h"
#include "run/store.h"

typedef struct fm_step {
    void (*run)(const fm_call *call);
    fm_call call;
    const fm_node *node;
    uint32_t scratch;  /* its buffer in the plan, FM_NO_BUFFER without */
    uint32_t together; /* so many steps, from this one on, run as one; 0: an earlier's */
} fm_step;

/* Is told of each step that has run. */
typedef struct fm_step_watch {
    void (*note)(void *user, const fm_program *program, const fm_step *step, double began,
                 double ended);
    void *user;
} fm_step_watch;

/* A copy of a next value into its variable, after the last step. */
typedef struct fm_program_commit {
    void *to;
    const void *from;
    size_t bytes;
} fm_program_commit;

struct fm_program {
    fm_store *store;
    fm_graph *graph; /* our copy, after the passes */
    fm_plan plan;
    fm_program_options options;
    fm_placement *placements; /* by node */
    size_t placement_count;
    uint32_t *variables; /* by graph variable: the store's index */
    void **carried;      /* by graph variable: the program's own memory, NULL for the store's */
    char *arena;         /* its own, or the store's workspace as it was at the last run */
    char *kept;          /* what the prologue made, and outputs that lie outside of the arena */
    void **input_data;   /* by graph input: what is read now */
    void **input_own;    /* by graph input: the program's own memory */
    fm_tensor *tensors;  /* operands of all steps, in one piece */
    size_t tensor_count;
    uint32_t *tensor_buffers; /* by tensor: its buffer in the plan */
    fm_step *steps;
    const fm_call **calls;             /* by step */
    size_t step_count, prologue_count; /* the first steps are the prologue */
    uint64_t seen;                     /* the store's changes that the prologue knows */
    fm_program_commit *commits;
    bool has_updates;
    double flops, bf16_flops, repeated_flops;
    size_t plain_arena_bytes;   /* without recomputation */
    const fm_step_watch *watch; /* NULL: nobody looks */
};

#endif
