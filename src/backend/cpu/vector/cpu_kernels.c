/* The kernels of one instruction set as a backend. */
#include "backend/cpu/vector/kernels.h"

static const fm_kernel_family *const families[] = {
    &FM_ISA_SYMBOL(fm_cpu_winograd), &FM_ISA_SYMBOL(fm_cpu_products),
    &FM_ISA_SYMBOL(fm_cpu_softmax),  &FM_ISA_SYMBOL(fm_cpu_updates),
    &FM_ISA_SYMBOL(fm_cpu_unary),    &FM_ISA_SYMBOL(fm_cpu_binary),
    &FM_ISA_SYMBOL(fm_cpu_random),   &FM_ISA_SYMBOL(fm_cpu_reductions),
};

static const fm_kernel *kernel_at(int index)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (index < families[i]->count) return &families[i]->kernels[index];
        index -= families[i]->count;
    }
    return NULL;
}

const fm_backend FM_ISA_SYMBOL(fm_cpu) = {.name = "cpu." FM_ISA_NAME, .kernel_at = kernel_at};
