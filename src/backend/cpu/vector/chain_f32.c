/* Chains of elementwise ops: every step on a tile that stays in the first cache, before the next
 * tile. The steps are the loops of the separate kernels, so the bits are theirs. */
#include "backend/cpu/chain_plan.h"
#include "backend/cpu/vector/kernels.h"
#include "base/memory.h"
#include "op/op_table.h"

typedef struct loop {
    fm_unary_loop *unary;
    fm_binary_row *binary; /* neither of both: where, or what draws */
    const fm_drop_attributes *drop;
    float alpha;
} loop;

typedef struct chain {
    double nanoseconds;
    int count;
    loop loops[FM_CHAIN_STEPS];
    fm_chain_plan plan;
} chain;

static void choose_loop(loop *l, const fm_chain_step *step, double *nanoseconds)
{
    const fm_op *op = step->op;
    double cost = LIGHT_NANOSECONDS;
    if (op == &fm_op_drop) {
        l->drop = step->attributes;
        cost = DRAW_NANOSECONDS;
    } else if (op->max_inputs == 1) {
        const fm_alpha_attributes *parameter = step->attributes;
        l->unary = FM_ISA_SYMBOL(fm_cpu_unary_loop)(op);
        l->alpha = op->attributes ? (float)parameter->alpha : 0;
        cost = FM_ISA_SYMBOL(fm_cpu_unary_cost)(op);
    } else if (op->max_inputs == 2) {
        l->binary = FM_ISA_SYMBOL(fm_cpu_binary_row)(op);
        cost = FM_ISA_SYMBOL(fm_cpu_binary_cost)(op);
    }
    *nanoseconds += cost - 0.75 * LIGHT_NANOSECONDS; /* moving is most of a light step */
}

static fm_status prepare_chain(const fm_site *site, fm_need *need)
{
    const fm_chain_attributes *attributes = site->attributes;
    chain *c = fm_allocate_zeroed(site->context, sizeof *c);
    if (!c) return FM_ERROR_MEMORY;
    c->nanoseconds = LIGHT_NANOSECONDS;
    c->count = attributes->count;
    for (int i = 0; i < c->count; i++) {
        choose_loop(&c->loops[i], &attributes->steps[i], &c->nanoseconds);
    }
    fm_chain_plan_make(site, &c->plan);
    need->state = c;
    return FM_OK;
}

static void select_row(int64_t n, const float *condition, const float *a, const float *b, float *y)
{
    KERNEL_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
        const float from_a = a[i], from_b = b[i];
        y[i] = condition[i] != 0 ? from_a : from_b;
    }
}

static void run_step(const chain *c, int index, const fm_call *call, int64_t begin, int64_t n,
                     const fm_chain_slot *slots)
{
    const loop *l = &c->loops[index];
    const fm_chain_places *places = &c->plan.steps[index];
    const fm_chain_slot *a = &slots[places->sources[0]], *b = &slots[places->sources[1]];
    float *y = slots[places->result].at;
    if (l->binary)
        l->binary(n, a->at, a->stride, b->at, b->stride, y);
    else if (l->unary)
        l->unary(n, l->alpha, a->at, y);
    else if (l->drop)
        FM_ISA_SYMBOL(fm_cpu_drop)(call, l->drop, begin, n, a->at, y);
    else
        select_row(n, a->at, b->at, slots[places->sources[2]].at, y);
}

/* begin is a multiple of the tile. */
static void run_range(const void *argument, int64_t begin, int64_t end)
{
    const fm_call *call = argument;
    const chain *c = call->state;
    const int64_t tile = c->plan.tile;
    _Alignas(64) float registers[FM_CHAIN_REGISTER_FLOATS];
    fm_chain_slot slots[FM_CHAIN_SLOTS];
    fm_chain_open_range(&c->plan, call, registers, slots);
    for (int64_t at = begin; at < end; at += tile) {
        const int64_t n = end - at < tile ? end - at : tile;
        fm_chain_open_tile(&c->plan, call, at, n, slots);
        for (int i = 0; i < c->count; i++) run_step(c, i, call, at, n, slots);
        fm_chain_close_tile(&c->plan, n, slots);
    }
}

static void run_chain(const fm_call *call)
{
    const chain *c = call->state;
    fm_in_ranges(call->threads, call->outputs[0].count, c->plan.tile, c->nanoseconds, run_range,
                 call);
}

#define KERNEL_ROW(op_)                                                                            \
    {                                                                                              \
        .name = KERNEL_NAME("chain"), .op = &fm_op_##op_, .match = refuse_unless_f32,              \
        .prepare = prepare_chain, .run = run_chain, .release = fm_release                          \
    }
static const fm_kernel kernels[] = {KERNEL_ROW(chain), KERNEL_ROW(stored_chain),
                                    KERNEL_ROW(random_chain)};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_chain) = FAMILY(kernels);
