/* The optimisers' updates: the rules of kernel/update_rules.h, vectorised by the compiler. */
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/updates.h"
#include "backend/cpu/vector/vector_math.h"
#include "op/op_table.h"
#include "op/optimizer_ops.h"

#define REAL       float
#define NAME(rule) rule##_f32
#include "kernel/update_rules.h"

/* Nanoseconds an element: four streams from memory or a division and a root. */
#define UPDATE_NANOSECONDS 0.25

typedef struct rule_row {
    const fm_op *op;
    update_rule_f32 *run;
} rule_row;

#define RULE_ROW(rule) {&fm_op_##rule, rule##_f32},
static const rule_row rules[] = {FM_UPDATE_RULES(RULE_ROW)};

static update_rule_f32 *rule_of(const fm_op *op)
{
    const rule_row *row = rules;
    while (row->op != op) row++;
    return row->run;
}

bool FM_ISA_SYMBOL(fm_cpu_update_begin)(const fm_call *call, fm_cpu_update *u)
{
    *u = (fm_cpu_update){.rule = fm_update_op(call),
                         .p = call->outputs[0].data,
                         .slot_count = fm_update_slots(call)};
    for (int i = 0; i < u->slot_count; i++) u->slots[i] = call->outputs[1 + i].data;
    return fm_update_begin(call, &u->numbers);
}

void FM_ISA_SYMBOL(fm_cpu_update_run)(const fm_cpu_update *u, int64_t at, int64_t count,
                                      const float *g)
{
    float *slots[FM_MAX_SLOTS] = {0};
    for (int i = 0; i < u->slot_count; i++) slots[i] = u->slots[i] + at;
    update_f32(rule_of(u->rule), 0, count, u->p + at, g, slots, u->slot_count, &u->numbers);
}

typedef struct update_range {
    fm_cpu_update update;
    const float *g;
} update_range;

static void run_range(const void *argument, int64_t begin, int64_t end)
{
    const update_range *r = argument;
    FM_ISA_SYMBOL(fm_cpu_update_run)(&r->update, begin, end - begin, r->g + begin);
}

static void run_update(const fm_call *call)
{
    update_range r = {.g = call->inputs[FM_UPDATE_GRADIENT].data};
    if (!FM_ISA_SYMBOL(fm_cpu_update_begin)(call, &r.update)) return;
    fm_in_ranges(call->threads, call->outputs[0].count, LINE, UPDATE_NANOSECONDS, run_range, &r);
}

/* ---- many parameters ------------------------------------------------------------------------- */

/* Tensors behind each other, each from a line on: `end` is where the next one begins. */
typedef struct together {
    const fm_call *const *calls;
    int count;
    int64_t ends[FM_MOST_TOGETHER];
    fm_cpu_update first;
} together;

static void run_together_range(const void *argument, int64_t begin, int64_t end)
{
    const together *t = argument;
    int i = 0;
    while (t->ends[i] <= begin) i++;
    for (int64_t start = i ? t->ends[i - 1] : 0; i < t->count && start < end;
         start = t->ends[i++]) {
        const fm_call *call = t->calls[i];
        const int64_t from = begin > start ? begin - start : 0, count = call->outputs[0].count;
        const int64_t to = end - start < count ? end - start : count;
        fm_cpu_update update = t->first;
        update.p = call->outputs[0].data;
        for (int k = 0; k < update.slot_count; k++) update.slots[k] = call->outputs[1 + k].data;
        const float *g = call->inputs[FM_UPDATE_GRADIENT].data;
        if (from < to) FM_ISA_SYMBOL(fm_cpu_update_run)(&update, from, to - from, g + from);
    }
}

static void run_together(const fm_call *const *calls, int count)
{
    together t = {.calls = calls, .count = count};
    int64_t end = 0;
    for (int i = 0; i < count; i++) {
        end += (int64_t)in_lines((size_t)calls[i]->outputs[0].count);
        t.ends[i] = end;
    }
    if (!FM_ISA_SYMBOL(fm_cpu_update_begin)(calls[0], &t.first)) return;
    fm_in_ranges(calls[0]->threads, end, LINE, UPDATE_NANOSECONDS, run_together_range, &t);
}

/* ---------------------------------------------------------------------------------------------- */

/* The parameter and the slots; the iteration is f64 always. */
static const char *match_update(const fm_site *site)
{
    if (site->outputs[0].dtype != FM_F32) return "f32 only";
    return site->outputs[0].count == 0 ? "there are no elements" : NULL;
}

/* ---- moving average -------------------------------------------------------------------------- */

typedef struct average_range {
    float *e;
    const float *p;
    double keep;
} average_range;

static void run_average_range(const void *argument, int64_t begin, int64_t end)
{
    const average_range *a = argument;
    moving_average_f32(end - begin, a->e + begin, a->p + begin, a->keep);
}

static void run_moving_average(const fm_call *call)
{
    const average_range a = {.keep = fm_moving_average_begin(call),
                             .e = call->outputs[0].data,
                             .p = call->inputs[1].data};
    if (a.keep == 1) return;
    fm_in_ranges(call->threads, call->outputs[0].count, LINE, LIGHT_NANOSECONDS, run_average_range,
                 &a);
}

/* ---------------------------------------------------------------------------------------------- */

#define KERNEL_ROW(rule)                                                                           \
    {.name = KERNEL_NAME(#rule "_update"),                                                         \
     .op = &fm_op_##rule,                                                                          \
     .match = match_update,                                                                        \
     .run = run_update,                                                                            \
     .run_together = run_together},
static const fm_kernel kernels[] = {
    FM_UPDATE_RULES(KERNEL_ROW){.name = KERNEL_NAME("moving_average"),
                                .op = &fm_op_moving_average,
                                .match = match_update,
                                .run = run_moving_average},
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_updates) = FAMILY(kernels);
