/* The backends by name. Only backends.c knows which are built in. */
#ifndef FM_BACKENDS_H
#define FM_BACKENDS_H

#include "fathom/backend.h"

extern const fm_backend fm_portable_backend;

extern const fm_backend fm_onednn_backend;

extern const fm_backend fm_cpu_backend;
/* "cpu.avx512", "cpu.avx2", "cpu.baseline": those that this processor runs, best first. They are
 * found by name only: "cpu" is the first. */
const fm_backend *fm_cpu_backend_at(int index);

#endif
