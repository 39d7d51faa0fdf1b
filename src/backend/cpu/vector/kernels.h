/* What the files of this folder share: the families of kernels that make the backend of one
 * instruction set, and why they refuse. */
#ifndef FM_BACKEND_CPU_KERNELS_H
#define FM_BACKEND_CPU_KERNELS_H

#include "base/parallel.h"
#include "backend/cpu/vector/vector.h"
#include "fathom/backend.h"
#include "op/op_attributes.h"

typedef struct fm_kernel_family {
    const fm_kernel *kernels;
    int count;
} fm_kernel_family;

/* clang-format off */
#define FAMILY(table) {table, (int)(sizeof table / sizeof *table)}
/* clang-format on */

/* In order of preference where two have kernels of one op. */
#define EACH_FAMILY(F)                                                                             \
    F(winograd)                                                                                    \
    F(convolution)                                                                                 \
    F(convolution_bf16)                                                                            \
    F(attention)                                                                                   \
    F(attention_grad)                                                                              \
    F(products)                                                                                    \
    F(recurrent)                                                                                   \
    F(recurrent_grad)                                                                              \
    F(softmax)                                                                                     \
    F(updates)                                                                                     \
    F(unary)                                                                                       \
    F(binary)                                                                                      \
    F(random)                                                                                      \
    F(chain)                                                                                       \
    F(reductions)                                                                                  \
    F(normalize_columns)                                                                           \
    F(normalize_rows)                                                                              \
    F(pool)                                                                                        \
    F(gather)                                                                                      \
    F(movement)

#define DECLARE_FAMILY(name) extern const fm_kernel_family FM_ISA_SYMBOL(fm_cpu_##name);
EACH_FAMILY(DECLARE_FAMILY)

/* "cpu.avx512.matmul" */
#define KERNEL_NAME(op) "cpu." FM_ISA_NAME "." op

/* Multiply-adds for which a second thread pays: see FM_PARALLEL_NANOSECONDS. */
#define PARALLEL_PRODUCT  150e3
#define LIGHT_NANOSECONDS 0.12 /* an element that is only moved, as fm_in_ranges wants to know it */
#define DRAW_NANOSECONDS  0.25 /* an element that draws a random number */
#define LINE              16   /* floats of a cache line: two threads do not write to one */

/* y[i] = f(x[i]) for i < count; y may be x. alpha: the op's parameter, if it has one. */
typedef void fm_unary_loop(int64_t count, float alpha, const float *x, float *y);
fm_unary_loop *FM_ISA_SYMBOL(fm_cpu_unary_loop)(const fm_op *op);
/* y[i] = f(a[i step_a], b[i step_b]) for i < n, the steps 0 or 1; y may be a or b. */
typedef void fm_binary_row(int64_t n, const float *a, int64_t step_a, const float *b,
                           int64_t step_b, float *y);
fm_binary_row *FM_ISA_SYMBOL(fm_cpu_binary_row)(const fm_op *op);
/* drop on the elements from `first` on, a multiple of 4: x and y begin there; y may be x. */
void FM_ISA_SYMBOL(fm_cpu_drop)(const fm_call *call, const fm_drop_attributes *attributes,
                                int64_t first, int64_t count, const float *x, float *y);
/* Nanoseconds an element. */
double FM_ISA_SYMBOL(fm_cpu_unary_cost)(const fm_op *op);
double FM_ISA_SYMBOL(fm_cpu_binary_cost)(const fm_op *op);

/* So many floats that what follows them begins a line. */
static inline size_t in_lines(size_t floats)
{
    return (floats + LINE - 1) / LINE * LINE;
}

static inline const char *refuse_unless_f32(const fm_site *site)
{
    for (int i = 0; i < site->output_count; i++) {
        if (site->outputs[i].dtype != FM_F32) return "f32 only";
        if (site->outputs[i].count == 0) return "there are no elements";
    }
    for (int i = 0; i < site->input_count; i++) {
        if (site->inputs[i].dtype == FM_F64) return "f32 only";
    }
    return NULL;
}

#endif
