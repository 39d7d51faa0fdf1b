/* The elementwise ops with two operands: the formulas of kernel/binary.h, vectorised by the
 * compiler. A row vector, a column and a number stretch without being copied. */
#include "backend/cpu/vector/kernels.h"
#include "base/memory.h"
#include "kernel/loops.h"
#include "op/op_table.h"
#include "op/op_tools.h"

#define KERNEL_FILE "kernel/binary.h"
#include "backend/cpu/vector/instantiate_vector.h"

KERNEL_BINARY_RANGE(float, f32)

/* equal is no row of the table: its operands may be integers as well. */
#define EACH_OP(ROW)                                                                               \
    FM_BINARY_OPS(ROW)                                                                             \
    ROW(equal)

#define LOOPS(name, ...) KERNEL_BINARY_ROW(name, float, f32)
EACH_OP(LOOPS)

#define ROW(name, ...) {&fm_op_##name, name##_row_f32},
static const struct {
    const fm_op *op;
    binary_row_f32 *row;
} rows[] = {EACH_OP(ROW)};

typedef struct binary {
    binary_row_f32 *row;
    kernel_walk walk;
    double nanoseconds;
} binary;

fm_binary_row *FM_ISA_SYMBOL(fm_cpu_binary_row)(const fm_op *op)
{
    int row = 0;
    while (rows[row].op != op) row++;
    return rows[row].row;
}

double FM_ISA_SYMBOL(fm_cpu_binary_cost)(const fm_op *op)
{
    if (op == &fm_op_pow) return 10;
    if (op == &fm_op_gelu_grad) return 0.6;
    const bool heavy =
        op == &fm_op_sigmoid_cross_entropy || op == &fm_op_gelu_tanh_grad || op == &fm_op_silu_grad;
    return heavy ? 0.5 : LIGHT_NANOSECONDS;
}

static const char *match_binary(const fm_site *site)
{
    if (site->inputs[0].dtype == FM_I32) return "f32 only";
    return refuse_unless_f32(site);
}

static fm_status prepare_binary(const fm_site *site, fm_need *need)
{
    binary *b = fm_allocate(site->context, sizeof *b);
    if (!b) return FM_ERROR_MEMORY;
    *b = (binary){.row = FM_ISA_SYMBOL(fm_cpu_binary_row)(site->op),
                  .walk = fm_broadcast_walk(site->inputs, 2, site->outputs[0].shape),
                  .nanoseconds = FM_ISA_SYMBOL(fm_cpu_binary_cost)(site->op)};
    need->state = b;
    return FM_OK;
}

static void run_range(const void *argument, int64_t begin, int64_t end)
{
    const fm_call *call = argument;
    const binary *b = call->state;
    binary_range_f32(b->row, &b->walk, begin, end, call->inputs[0].data, call->inputs[1].data,
                     call->outputs[0].data);
}

static void run_binary(const fm_call *call)
{
    const binary *b = call->state;
    fm_in_ranges(call->threads, call->outputs[0].count, LINE, b->nanoseconds, run_range, call);
}

#define KERNEL_ROW(name_, ...)                                                                     \
    {.name = KERNEL_NAME(#name_),                                                                  \
     .op = &fm_op_##name_,                                                                         \
     .match = match_binary,                                                                        \
     .prepare = prepare_binary,                                                                    \
     .run = run_binary,                                                                            \
     .release = fm_release},
static const fm_kernel kernels[] = {EACH_OP(KERNEL_ROW)};

const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_binary) = FAMILY(kernels);
