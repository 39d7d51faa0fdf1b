/* The kernels of one instruction set as a backend. */
#include "backend/cpu/vector/kernels.h"

#define ROW(name) &FM_ISA_SYMBOL(fm_cpu_##name),
static const fm_kernel_family *const families[] = {EACH_FAMILY(ROW)};

static const fm_kernel *kernel_at(int index)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (index < families[i]->count) return &families[i]->kernels[index];
        index -= families[i]->count;
    }
    return NULL;
}

const fm_backend FM_ISA_SYMBOL(fm_cpu) = {.name = "cpu." FM_ISA_NAME, .kernel_at = kernel_at};
