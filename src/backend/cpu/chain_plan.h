/* Chains of elementwise ops (op/chain.h) in tiles that stay in the first cache: what is the same
 * for every instruction set. Where each step finds its operands and leaves its result is decided
 * once; a tile then is a table of addresses and the loops over it. */
#ifndef FM_BACKEND_CPU_CHAIN_PLAN_H
#define FM_BACKEND_CPU_CHAIN_PLAN_H

#include "fathom/backend.h"
#include "kernel/walk.h"
#include "op/chain.h"

/* Floats of all registers together, on the stack: half of a first cache, for operands and results
 * pass through it as well. */
enum { FM_CHAIN_REGISTER_FLOATS = 4096 };

/* A tile's table: operands, outputs, registers. */
enum {
    FM_CHAIN_OUTPUT_SLOT = FM_MAX_INPUTS,
    FM_CHAIN_REGISTER_SLOT = FM_CHAIN_OUTPUT_SLOT + FM_MAX_OUTPUTS,
    FM_CHAIN_MOST_REGISTERS = FM_MAX_INPUTS + FM_CHAIN_STEPS,
    FM_CHAIN_SLOTS = FM_CHAIN_REGISTER_SLOT + FM_CHAIN_MOST_REGISTERS,
    FM_CHAIN_NOT_COPIED = -1
};

typedef struct fm_chain_slot {
    float *at;
    int64_t stride; /* 0: one number for all elements */
} fm_chain_slot;

/* WHOLE: of the output's shape. NUMBER: one. STRETCHED: read in place where the tile lies in one of
 * its rows, else written out. */
typedef enum fm_chain_kind { FM_CHAIN_WHOLE, FM_CHAIN_NUMBER, FM_CHAIN_STRETCHED } fm_chain_kind;

typedef struct fm_chain_operand {
    fm_chain_kind kind;
    bool written_out; /* in any case */
    bool repeats;     /* every tile sees the same elements */
    int slot;         /* the register for it */
    kernel_walk walk;
} fm_chain_operand;

typedef struct fm_chain_places {
    uint8_t sources[FM_CHAIN_ARITY], result; /* slots */
} fm_chain_places;

typedef struct fm_chain_plan {
    int operand_count, output_count, registers;
    int64_t tile; /* elements */
    fm_chain_operand operands[FM_MAX_INPUTS];
    int8_t
        copied[FM_MAX_OUTPUTS]; /* the slot from which an output is copied at last, or NOT_COPIED */
    fm_chain_places steps[FM_CHAIN_STEPS];
} fm_chain_plan;

void fm_chain_plan_make(const fm_site *site, fm_chain_plan *plan);

/* Before the tiles that a thread computes one after the other, each of which begins at a multiple
 * of the tile: the slots of registers, numbers, and operands that every tile sees the same way. */
void fm_chain_open_range(const fm_chain_plan *plan, const fm_call *call, float *registers,
                         fm_chain_slot *slots);
/* The other slots, for the elements [begin, begin + count). */
void fm_chain_open_tile(const fm_chain_plan *plan, const fm_call *call, int64_t begin,
                        int64_t count, fm_chain_slot *slots);
/* Outputs that waited for the last reader of what they lie over. */
void fm_chain_close_tile(const fm_chain_plan *plan, int64_t count, const fm_chain_slot *slots);

#endif
