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

/* ---- transformed kernels as a layout --------------------------------------------------------- */

enum { ISA_NUMBER }; /* which of the parameters */

static const fm_winograd_isa *isa_of(const fm_layout *layout)
{
    return isas[layout->parameters[ISA_NUMBER]];
}

static size_t kernel_bytes(const fm_layout *layout)
{
    const int64_t *dims = layout->shape.dims;
    return isa_of(layout)->kernel_floats(dims[2], dims[3]) * sizeof(float);
}

static void pack_kernel(const fm_layout *layout, const void *plain, void *packed, int threads)
{
    const int64_t *dims = layout->shape.dims;
    isa_of(layout)->transform_kernel(dims[2], dims[3], plain, packed, threads);
}

const fm_layout_type fm_winograd_kernel = {
    .name = "winograd", .bytes = kernel_bytes, .pack = pack_kernel};

fm_layout fm_winograd_kernel_of(const fm_winograd_isa *isa, fm_shape kernel)
{
    fm_layout layout = {.type = &fm_winograd_kernel, .dtype = FM_F32, .shape = kernel};
    while (isas[layout.parameters[ISA_NUMBER]] != isa) layout.parameters[ISA_NUMBER]++;
    return layout;
}
