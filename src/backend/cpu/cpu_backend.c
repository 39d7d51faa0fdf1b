/* Our own kernels, vectorised and threaded: a backend for each instruction set, and "cpu", the best
 * of them that this processor runs. */
#include "backend/backends.h"
#include "backend/cpu/gemm.h"

#include <stddef.h>

#define EXTERN(isa)                                                                                \
    extern const fm_gemm_isa fm_gemm_isa_##isa;                                                    \
    extern const fm_backend fm_cpu_##isa;
#define ROW(isa) {&fm_gemm_isa_##isa, &fm_cpu_##isa},
#if FATHOM_HAVE_X86_ISAS
#define EACH_ISA(F) F(baseline) F(avx2) F(avx512)
#else
#define EACH_ISA(F) F(baseline)
#endif

EACH_ISA(EXTERN)

static const struct {
    const fm_gemm_isa *isa;
    const fm_backend *backend;
} rows[] = {EACH_ISA(ROW)};

const fm_backend *fm_cpu_backend_at(int index)
{
    const fm_gemm_isa *isa = fm_gemm_isa_at(index);
    for (size_t i = 0; isa && i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].isa == isa) return rows[i].backend;
    }
    return NULL;
}

static const fm_kernel *best_kernel_at(int index)
{
    return fm_cpu_backend_at(0)->kernel_at(index);
}

const fm_backend fm_cpu_backend = {.name = "cpu", .kernel_at = best_kernel_at};
