#include "backend/cpu/chain_plan.h"
#include "op/op_table.h"
#include "op/op_tools.h"

#include <string.h>

enum { LINE = 16, LONGEST_TILE = 1024 }; /* floats */
_Static_assert(FM_CHAIN_MOST_REGISTERS *LINE <= FM_CHAIN_REGISTER_FLOATS,
               "a tile is a line at least");

/* What a plan is made with: by source of a step its last reader and its slot,
 * by register whether it is taken. */
typedef struct maker {
    fm_chain_plan *plan;
    const fm_chain_attributes *chain;
    int last[FM_MAX_INPUTS + FM_CHAIN_STEPS];
    uint8_t slots[FM_MAX_INPUTS + FM_CHAIN_STEPS];
    bool busy[FM_CHAIN_MOST_REGISTERS];
} maker;

static int take_register(maker *m)
{
    int r = 0;
    while (m->busy[r]) r++;
    m->busy[r] = true;
    if (r >= m->plan->registers) m->plan->registers = r + 1;
    return FM_CHAIN_REGISTER_SLOT + r;
}

/* ---- operands -------------------------------------------------------------------------------- */

/* Loops with two operands take a number as it is, others want elements. */
static bool wants_elements(const maker *m, int operand)
{
    for (int i = 0; i < m->chain->count; i++) {
        const fm_chain_step *step = &m->chain->steps[i];
        if (step->op->max_inputs == 2) continue;
        for (int k = 0; k < step->op->max_inputs; k++) {
            if (step->sources[k] == operand) return true;
        }
    }
    return false;
}

static void place_operand(maker *m, const fm_site *site, int k)
{
    const fm_tensor *x = &site->inputs[k], *y = &site->outputs[0];
    fm_chain_operand *o = &m->plan->operands[k];
    *o = (fm_chain_operand){.kind = x->count == y->count ? FM_CHAIN_WHOLE
                                    : x->count == 1      ? FM_CHAIN_NUMBER
                                                         : FM_CHAIN_STRETCHED,
                            .walk = fm_broadcast_walk(x, 1, y->shape)};
    m->slots[k] = (uint8_t)k;
    o->written_out = o->kind != FM_CHAIN_WHOLE && wants_elements(m, k);
    if (o->kind == FM_CHAIN_STRETCHED || o->written_out) o->slot = take_register(m);
}

/* ---- results --------------------------------------------------------------------------------- */

/* An output may lie over the operand of its number: while that is still read, the result waits. */
static int place_result(maker *m, int index)
{
    const int output = m->chain->steps[index].output;
    if (output == FM_CHAIN_NO_OUTPUT) return take_register(m);
    const bool waits = output < m->plan->operand_count && m->last[output] > index;
    if (!waits) return FM_CHAIN_OUTPUT_SLOT + output;
    const int result = take_register(m);
    m->plan->copied[output] = (int8_t)result;
    return result;
}

static void place_step(maker *m, int index)
{
    const fm_chain_step *step = &m->chain->steps[index];
    fm_chain_places *places = &m->plan->steps[index];
    for (int k = 0; k < step->op->max_inputs; k++) {
        const int source = step->sources[k], result = source - FM_MAX_INPUTS;
        places->sources[k] = m->slots[source];
        const bool free = result >= 0 && m->last[source] == index &&
                          m->chain->steps[result].output == FM_CHAIN_NO_OUTPUT;
        if (free) m->busy[m->slots[source] - FM_CHAIN_REGISTER_SLOT] = false;
    }
    places->result = (uint8_t)place_result(m, index);
    m->slots[FM_MAX_INPUTS + index] = places->result;
}

/* ---- the tile -------------------------------------------------------------------------------- */

/* A leading stretch repeats every row, a number always. */
static int64_t period_of(const fm_chain_operand *o)
{
    const kernel_walk *walk = &o->walk;
    if (o->kind == FM_CHAIN_NUMBER) return 1;
    const bool leading = walk->rank == 2 && walk->strides[0][0] == 0 && walk->strides[0][1] == 1;
    return o->kind == FM_CHAIN_STRETCHED && leading ? walk->row_size : 0;
}

/* Whole lines, and whole periods where they fit. */
static void choose_tile(fm_chain_plan *plan)
{
    const int registers = plan->registers ? plan->registers : 1;
    int64_t tile = FM_CHAIN_REGISTER_FLOATS / registers / LINE * LINE;
    if (tile > LONGEST_TILE) tile = LONGEST_TILE;
    for (int k = 0; k < plan->operand_count; k++) {
        int64_t period = period_of(&plan->operands[k]);
        while (period % LINE) period *= 2;
        if (period && period <= tile) tile -= tile % period;
    }
    plan->tile = tile;
    for (int k = 0; k < plan->operand_count; k++) {
        const int64_t period = period_of(&plan->operands[k]);
        plan->operands[k].repeats = period && tile % period == 0;
    }
}

void fm_chain_plan_make(const fm_site *site, fm_chain_plan *plan)
{
    maker m = {.plan = plan, .chain = site->attributes};
    *plan = (fm_chain_plan){.operand_count = site->input_count, .output_count = site->output_count};
    for (int k = 0; k < FM_MAX_OUTPUTS; k++) plan->copied[k] = FM_CHAIN_NOT_COPIED;
    for (int i = 0; i < m.chain->count; i++) {
        const fm_chain_step *step = &m.chain->steps[i];
        for (int k = 0; k < step->op->max_inputs; k++) m.last[step->sources[k]] = i;
    }
    for (int k = 0; k < plan->operand_count; k++) place_operand(&m, site, k);
    for (int i = 0; i < m.chain->count; i++) place_step(&m, i);
    choose_tile(plan);
}

/* ---- running --------------------------------------------------------------------------------- */

static void fill(int64_t count, float number, float *to)
{
    const int64_t first = count < LINE ? count : LINE;
    for (int64_t i = 0; i < first; i++) to[i] = number;
    for (int64_t done = first; done < count; done *= 2) {
        const int64_t more = count - done < done ? count - done : done;
        memcpy(to + done, to, (size_t)more * sizeof *to);
    }
}

/* Elements [begin, begin + count) of a stretched operand. */
static void write_out(const kernel_walk *walk, const float *data, int64_t begin, int64_t count,
                      float *to)
{
    const int64_t stride = kernel_walk_step(walk, 0);
    while (count) {
        int64_t at[KERNEL_MAX_OPERANDS], column = begin % walk->row_size;
        const int64_t left = walk->row_size - column, n = left < count ? left : count;
        kernel_walk_row(walk, begin / walk->row_size, at);
        if (stride)
            memcpy(to, data + at[0] + column, (size_t)n * sizeof *to);
        else
            fill(n, data[at[0]], to);
        begin += n;
        to += n;
        count -= n;
    }
}

static fm_chain_slot open_stretched(const fm_chain_operand *o, float *data, int64_t begin,
                                    int64_t count, fm_chain_slot written)
{
    const kernel_walk *walk = &o->walk;
    const int64_t column = begin % walk->row_size, stride = kernel_walk_step(walk, 0);
    if (!o->written_out && column + count <= walk->row_size) {
        int64_t at[KERNEL_MAX_OPERANDS];
        kernel_walk_row(walk, begin / walk->row_size, at);
        return (fm_chain_slot){data + at[0] + column * stride, stride};
    }
    write_out(walk, data, begin, count, written.at);
    return written;
}

void fm_chain_open_range(const fm_chain_plan *plan, const fm_call *call, float *registers,
                         fm_chain_slot *slots)
{
    for (int r = 0; r < plan->registers; r++) {
        slots[FM_CHAIN_REGISTER_SLOT + r] = (fm_chain_slot){registers + r * plan->tile, 1};
    }
    const int64_t all = call->outputs[0].count, count = all < plan->tile ? all : plan->tile;
    for (int k = 0; k < plan->operand_count; k++) {
        const fm_chain_operand *o = &plan->operands[k];
        if (!o->repeats) continue;
        if (o->kind == FM_CHAIN_NUMBER && !o->written_out) {
            slots[k] = (fm_chain_slot){call->inputs[k].data, 0};
        } else {
            slots[k] = slots[o->slot];
            write_out(&o->walk, call->inputs[k].data, 0, count, slots[k].at);
        }
    }
}

void fm_chain_open_tile(const fm_chain_plan *plan, const fm_call *call, int64_t begin,
                        int64_t count, fm_chain_slot *slots)
{
    for (int k = 0; k < plan->operand_count; k++) {
        const fm_chain_operand *o = &plan->operands[k];
        float *data = call->inputs[k].data;
        if (o->kind == FM_CHAIN_WHOLE)
            slots[k] = (fm_chain_slot){data + begin, 1};
        else if (!o->repeats)
            slots[k] = open_stretched(o, data, begin, count, slots[o->slot]);
    }
    for (int k = 0; k < plan->output_count; k++) {
        slots[FM_CHAIN_OUTPUT_SLOT + k] =
            (fm_chain_slot){(float *)call->outputs[k].data + begin, 1};
    }
}

void fm_chain_close_tile(const fm_chain_plan *plan, int64_t count, const fm_chain_slot *slots)
{
    for (int k = 0; k < plan->output_count; k++) {
        if (plan->copied[k] == FM_CHAIN_NOT_COPIED) continue;
        memcpy(slots[FM_CHAIN_OUTPUT_SLOT + k].at, slots[plan->copied[k]].at,
               (size_t)count * sizeof(float));
    }
}
