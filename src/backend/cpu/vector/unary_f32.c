/* The elementwise ops with one operand: the formulas of kernel/unary.h,
 * vectorised by the compiler. */
#include "backend/cpu/vector/kernels.h"
#include "base/memory.h"
#include "kernel/loops.h"
#include "op/op_attributes.h"
#include "op/op_table.h"

#define KERNEL_FILE "kernel/unary.h"
#include "backend/cpu/vector/instantiate_vector.h"

#define LOOP(name, ...) KERNEL_UNARY_LOOP(name, float, f32)
FM_UNARY_OPS(LOOP)
FM_PARAMETER_OPS(LOOP)

typedef struct unary_row {
    const fm_op *op;
    fm_unary_loop *loop;
    bool has_alpha;
} unary_row;

#define ROW(name, ...)           {&fm_op_##name, name##_loop_f32, false},
#define PARAMETER_ROW(name, ...) {&fm_op_##name, name##_loop_f32, true},
static const unary_row rows[] = {FM_UNARY_OPS(ROW) FM_PARAMETER_OPS(PARAMETER_ROW)};

/* Nanoseconds an element where it is more than moving it;
 * only whether threads pay depends on it. */
static const struct {
    const fm_op *op;
    double nanoseconds;
} costs[] = {
    {&fm_op_exp, 0.2},     {&fm_op_expm1, 0.2},    {&fm_op_log, 0.25}, {&fm_op_log1p, 0.3},
    {&fm_op_sigmoid, 0.3}, {&fm_op_tanh, 0.4},     {&fm_op_erf, 0.6},  {&fm_op_gelu, 0.55},
    {&fm_op_elu, 0.2},     {&fm_op_selu, 0.2},     {&fm_op_silu, 0.3}, {&fm_op_gelu_tanh, 0.4},
    {&fm_op_mish, 0.3},    {&fm_op_softplus, 0.5}, {&fm_op_sin, 5},    {&fm_op_cos, 5},
};

static const unary_row *row_of(const fm_op *op)
{
    const unary_row *row = rows;
    while (row->op != op) row++;
    return row;
}

double FM_ISA_SYMBOL(fm_cpu_unary_cost)(const fm_op *op)
{
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        if (costs[i].op == op) return costs[i].nanoseconds;
    }
    return LIGHT_NANOSECONDS;
}

fm_unary_loop *FM_ISA_SYMBOL(fm_cpu_unary_loop)(const fm_op *op)
{
    return row_of(op)->loop;
}

/* ---- kernels --------------------------------------------------------------------------------- */

typedef struct unary {
    fm_unary_loop *loop;
    float alpha;
    double nanoseconds;
} unary;

static fm_status prepare_unary(const fm_site *site, fm_need *need)
{
    const unary_row *row = row_of(site->op);
    unary *u = fm_allocate(site->context, sizeof *u);
    if (!u) return FM_ERROR_MEMORY;
    *u = (unary){.loop = row->loop, .nanoseconds = FM_ISA_SYMBOL(fm_cpu_unary_cost)(site->op)};
    if (row->has_alpha) u->alpha = (float)((const fm_alpha_attributes *)site->attributes)->alpha;
    need->state = u;
    return FM_OK;
}

static void run_range(const void *argument, int64_t begin, int64_t end)
{
    const fm_call *call = argument;
    const unary *u = call->state;
    const float *x = call->inputs[0].data;
    u->loop(end - begin, u->alpha, x + begin, (float *)call->outputs[0].data + begin);
}

static void run_unary(const fm_call *call)
{
    const unary *u = call->state;
    fm_in_ranges(call->threads, call->outputs[0].count, LINE, u->nanoseconds, run_range, call);
}

#define KERNEL_ROW(name_, ...)                                                                     \
    {.name = KERNEL_NAME(#name_),                                                                  \
     .op = &fm_op_##name_,                                                                         \
     .match = refuse_unless_f32,                                                                   \
     .prepare = prepare_unary,                                                                     \
     .run = run_unary,                                                                             \
     .release = fm_release},
static const fm_kernel kernels[] = {FM_UNARY_OPS(KERNEL_ROW) FM_PARAMETER_OPS(KERNEL_ROW)};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_unary) = FAMILY(kernels);
