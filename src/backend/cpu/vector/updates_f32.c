/* The optimisers' updates: the rules of kernel/update_rules.h, vectorised by the compiler. */
#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/vector/vector_math.h"
#include "op/op_table.h"
#include "op/optimizer_ops.h"

#define REAL       float
#define NAME(rule) rule##_f32
#include "kernel/update_rules.h"

/* Nanoseconds an element: four streams from memory or a division and a root. */
#define UPDATE_NANOSECONDS 0.25

typedef struct update_range {
    update_rule_f32 *rule;
    fm_update_numbers numbers;
    float *p, *slots[FM_MAX_SLOTS];
    const float *g;
    int slot_count;
} update_range;

static void run_range(const void *argument, int64_t begin, int64_t end)
{
    const update_range *u = argument;
    update_f32(u->rule, begin, end, u->p, u->g, u->slots, u->slot_count, &u->numbers);
}

static void run_rule(const fm_call *call, update_rule_f32 *rule)
{
    update_range u = {.rule = rule,
                      .p = call->outputs[0].data,
                      .g = call->inputs[FM_UPDATE_GRADIENT].data,
                      .slot_count = call->output_count - 1};
    if (!fm_update_begin(call, &u.numbers)) return;
    for (int i = 0; i < u.slot_count; i++) u.slots[i] = call->outputs[1 + i].data;
    fm_in_ranges(call->threads, call->outputs[0].count, LINE, UPDATE_NANOSECONDS, run_range, &u);
}

/* The parameter and the slots; the iteration is f64 always. */
static const char *match_update(const fm_site *site)
{
    if (site->outputs[0].dtype != FM_F32) return "f32 only";
    return site->outputs[0].count == 0 ? "there are no elements" : NULL;
}

/* ---- moving average ------------------------------------------------------------------------------ */

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

/* -------------------------------------------------------------------------------------------------- */

#define EACH_RULE(ROW)                                                                             \
    ROW(sgd)                                                                                       \
    ROW(momentum)                                                                                  \
    ROW(adagrad)                                                                                   \
    ROW(adadelta)                                                                                  \
    ROW(rmsprop)                                                                                   \
    ROW(rmsprop_momentum)                                                                          \
    ROW(rmsprop_centered)                                                                          \
    ROW(adam)                                                                                      \
    ROW(amsgrad)                                                                                   \
    ROW(adamax)                                                                                    \
    ROW(nadam)                                                                                     \
    ROW(lion)

#define RUN(rule)                                                                                  \
    static void run_##rule(const fm_call *call)                                                    \
    {                                                                                              \
        run_rule(call, rule##_f32);                                                                \
    }
EACH_RULE(RUN)

#define KERNEL_ROW(rule)                                                                           \
    {.name = KERNEL_NAME(#rule "_update"),                                                         \
     .op = &fm_op_##rule,                                                                          \
     .match = match_update,                                                                        \
     .run = run_##rule},
static const fm_kernel kernels[] = {
    EACH_RULE(KERNEL_ROW){.name = KERNEL_NAME("moving_average"),
                          .op = &fm_op_moving_average,
                          .match = match_update,
                          .run = run_moving_average},
};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_updates) = FAMILY(kernels);
