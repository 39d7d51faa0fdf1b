#include "backend/cpu/winograd.h"
#include "backend/cpu/gemm.h"

#include <string.h>

extern const fm_winograd_isa fm_winograd_isa_baseline;
#if FATHOM_HAVE_X86_ISAS
extern const fm_winograd_isa fm_winograd_isa_avx2, fm_winograd_isa_avx512;
#endif

static const fm_winograd_isa *const isas[] = {
#if FATHOM_HAVE_X86_ISAS
    &fm_winograd_isa_avx512,
    &fm_winograd_isa_avx2,
#endif
    &fm_winograd_isa_baseline,
};

const fm_winograd_isa *fm_winograd_isa_at(int index)
{
    const fm_gemm_isa *gemm = fm_gemm_isa_at(index);
    for (size_t i = 0; gemm && i < sizeof isas / sizeof *isas; i++) {
        if (strcmp(isas[i]->name, gemm->name) == 0) return isas[i];
    }
    return NULL;
}
