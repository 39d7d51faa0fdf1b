/* What the instruction sets share: their choice, the layout in panels, the parallel region. */
#include "backend/cpu/gemm.h"
#include "base/parallel.h"
#include "kernel/bfloat16.h"

#include <string.h>

extern const fm_gemm_isa fm_gemm_isa_baseline, fm_gemm_bf16_baseline;
#if FATHOM_HAVE_X86_ISAS
extern const fm_gemm_isa fm_gemm_isa_avx2, fm_gemm_isa_avx512, fm_gemm_bf16_avx2,
    fm_gemm_bf16_avx512, fm_gemm_bf16_native;

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

enum { MOST_ISAS = 4 };

const fm_gemm_isa *fm_gemm_isa_at(int index)
{
    const fm_gemm_isa *list[MOST_ISAS] = {0};
    int count = 0;

#if FATHOM_HAVE_X86_ISAS
    if (has_avx512()) list[count++] = &fm_gemm_isa_avx512;
    if (has_avx2()) list[count++] = &fm_gemm_isa_avx2;
#endif
    list[count++] = &fm_gemm_isa_baseline;
    return index < count ? list[index] : NULL;
}

const fm_gemm_isa *fm_gemm_bf16_in_pairs(void)
{
#if FATHOM_HAVE_X86_ISAS
    if (has_avx512() && __builtin_cpu_supports("avx512bf16")) return &fm_gemm_bf16_native;
#endif
    return NULL;
}

const fm_gemm_isa *fm_gemm_bf16_at(int index)
{
    const fm_gemm_isa *list[MOST_ISAS] = {fm_gemm_bf16_in_pairs()};
    int count = list[0] != NULL;

#if FATHOM_HAVE_X86_ISAS
    if (has_avx512()) list[count++] = &fm_gemm_bf16_avx512;
    if (has_avx2()) list[count++] = &fm_gemm_bf16_avx2;
#endif
    list[count++] = &fm_gemm_bf16_baseline;
    return index < count ? list[index] : NULL;
}

typedef struct whole_product {
    const fm_gemm_isa *isa;
    const fm_gemm *gemm;
    float *scratch;
} whole_product;

static void run_product_part(const void *argument, int part, int parts)
{
    const whole_product *p = argument;
    float *scratch = p->scratch + (size_t)part * fm_gemm_scratch_floats(p->isa, p->gemm);
    fm_gemm_run_part(p->isa, p->gemm, (unsigned)part, (unsigned)parts, scratch);
}

void fm_gemm_run(const fm_gemm_isa *isa, const fm_gemm *gemm, unsigned threads, float *scratch)
{
    fm_in_parts((int)threads, run_product_part, &(whole_product){isa, gemm, scratch});
}

/* Width of the panel whose first column has `left` columns from it to the end. */
static size_t stored_width(const fm_gemm_isa *isa, size_t left)
{
    return left <= isa->panel_width / 2 ? isa->panel_width / 2 : isa->panel_width;
}

size_t fm_gemm_panels_floats(const fm_gemm_isa *isa, size_t rows, size_t columns)
{
    const size_t whole = columns / isa->panel_width * isa->panel_width;
    return rows * (whole + (whole < columns ? stored_width(isa, columns - whole) : 0));
}

void fm_gemm_pack_panels(const fm_gemm_isa *isa, size_t rows, size_t columns, const float *plain,
                         float *panels)
{
    for (size_t first = 0; first < columns; first += isa->panel_width) {
        const size_t width = stored_width(isa, columns - first);
        const size_t used = columns - first < width ? columns - first : width;
        for (size_t r = 0; r < rows; r++, panels += width) {
            memcpy(panels, plain + r * columns + first, used * sizeof *panels);
            memset(panels + used, 0, (width - used) * sizeof *panels);
        }
    }
}

void fm_gemm_unpack_panels(const fm_gemm_isa *isa, size_t rows, size_t columns, const float *panels,
                           float *plain)
{
    for (size_t first = 0; first < columns; first += isa->panel_width) {
        const size_t width = stored_width(isa, columns - first);
        const size_t used = columns - first < width ? columns - first : width;
        for (size_t r = 0; r < rows; r++, panels += width)
            memcpy(plain + r * columns + first, panels, used * sizeof *panels);
    }
}

size_t fm_gemm_pairs_words(const fm_gemm_isa *isa, size_t rows, size_t columns)
{
    return fm_gemm_panels_floats(isa, (rows + 1) / 2, columns);
}

void fm_gemm_pack_pairs(const fm_gemm_isa *isa, size_t rows, size_t columns, const float *plain,
                        float *pairs)
{
    for (size_t first = 0; first < columns; first += isa->panel_width) {
        const size_t width = stored_width(isa, columns - first);
        for (size_t r = 0; r < rows; r += 2, pairs += width) {
            const float *row = plain + r * columns;
            for (size_t i = 0; i < width; i++) {
                const size_t column = first + i;
                const bool upper = column < columns, lower = upper && r + 1 < rows;
                const uint16_t pair[2] = {upper ? kernel_bf16_bits(row[column]) : 0,
                                          lower ? kernel_bf16_bits(row[columns + column]) : 0};
                memcpy(pairs + i, pair, sizeof pair);
            }
        }
    }
}
