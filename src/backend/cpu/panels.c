#include "backend/cpu/panels.h"

enum { PANEL_WIDTH }; /* which of the parameters */

/* The width decides everything: whichever instruction set has it. */
static const fm_gemm_isa *isa_of(const fm_layout *layout)
{
    int i = 0;
    while ((int64_t)fm_gemm_isa_at(i)->panel_width != layout->parameters[PANEL_WIDTH]) i++;
    return fm_gemm_isa_at(i);
}

/* All dimensions but the last. */
static size_t rows_of(const fm_layout *layout)
{
    size_t rows = 1;
    for (int i = 0; i + 1 < layout->shape.rank; i++) rows *= (size_t)layout->shape.dims[i];
    return rows;
}

static size_t columns_of(const fm_layout *layout)
{
    return (size_t)layout->shape.dims[layout->shape.rank - 1];
}

static size_t panels_bytes(const fm_layout *layout)
{
    return fm_gemm_panels_floats(isa_of(layout), rows_of(layout), columns_of(layout)) *
           sizeof(float);
}

static void panels_pack(const fm_layout *layout, const void *plain, void *packed, int threads)
{
    (void)threads;
    fm_gemm_pack_panels(isa_of(layout), rows_of(layout), columns_of(layout), plain, packed);
}

static void panels_unpack(const fm_layout *layout, const void *packed, void *plain, int threads)
{
    (void)threads;
    fm_gemm_unpack_panels(isa_of(layout), rows_of(layout), columns_of(layout), packed, plain);
}

const fm_layout_type fm_panels = {
    .name = "panels", .bytes = panels_bytes, .pack = panels_pack, .unpack = panels_unpack};

static size_t pairs_bytes(const fm_layout *layout)
{
    return fm_gemm_pairs_words(isa_of(layout), rows_of(layout), columns_of(layout)) * sizeof(float);
}

static void pairs_pack(const fm_layout *layout, const void *plain, void *packed, int threads)
{
    (void)threads;
    fm_gemm_pack_pairs(isa_of(layout), rows_of(layout), columns_of(layout), plain, packed);
}

const fm_layout_type fm_pairs = {.name = "pairs", .bytes = pairs_bytes, .pack = pairs_pack};

static fm_layout layout_of(const fm_layout_type *type, const fm_gemm_isa *isa, fm_shape shape)
{
    fm_layout layout = {.type = type, .dtype = FM_F32, .shape = shape};
    layout.parameters[PANEL_WIDTH] = (int64_t)isa->panel_width;
    return layout;
}

fm_layout fm_pairs_of(const fm_gemm_isa *isa, fm_shape shape)
{
    return layout_of(&fm_pairs, isa, shape);
}

fm_layout fm_panels_of(const fm_gemm_isa *isa, fm_shape shape)
{
    return layout_of(&fm_panels, isa, shape);
}
