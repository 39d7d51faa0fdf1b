/* The panels of gemm.h as a layout in which weights stay while they are trained. */
#ifndef FM_BACKEND_CPU_PANELS_H
#define FM_BACKEND_CPU_PANELS_H

#include "backend/cpu/gemm.h"
#include "fathom/backend.h"

extern const fm_layout_type fm_panels;
extern const fm_layout_type fm_pairs; /* of bf16: there is no way back */

/* A matrix in the panels that `isa` multiplies; of more dimensions, the last makes the columns: the
 * kernel of a convolution. */
fm_layout fm_panels_of(const fm_gemm_isa *isa, fm_shape shape);
/* Its pairs. */
fm_layout fm_pairs_of(const fm_gemm_isa *isa, fm_shape shape);

#endif
