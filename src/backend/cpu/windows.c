#include "backend/cpu/windows.h"
#include "backend/cpu/gemm.h"

#include <string.h>

extern const fm_windows_isa fm_windows_isa_baseline;
#if FATHOM_HAVE_X86_ISAS
extern const fm_windows_isa fm_windows_isa_avx2, fm_windows_isa_avx512;
#endif

static const fm_windows_isa *const isas[] = {
#if FATHOM_HAVE_X86_ISAS
    &fm_windows_isa_avx512,
    &fm_windows_isa_avx2,
#endif
    &fm_windows_isa_baseline,
};

const fm_windows_isa *fm_windows_isa_at(int index)
{
    const fm_gemm_isa *gemm = fm_gemm_isa_at(index);
    for (size_t i = 0; gemm && i < sizeof isas / sizeof *isas; i++) {
        if (strcmp(isas[i]->name, gemm->name) == 0) return isas[i];
    }
    return NULL;
}
