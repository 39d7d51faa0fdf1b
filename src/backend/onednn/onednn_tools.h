/* What the kernels of oneDNN share. */
#ifndef FM_ONEDNN_TOOLS_H
#define FM_ONEDNN_TOOLS_H

#include "fathom/backend.h"

#include <oneapi/dnnl/dnnl.h>
#include <stddef.h>
#ifdef _OPENMP
#include <omp.h>
#endif

/* oneDNN has no other way to say how many threads. The number belongs to the calling thread alone
 * and is put back. Returns the one before. */
static inline int fm_onednn_use_threads(int threads)
{
#ifdef _OPENMP
    const int before = omp_get_max_threads();
    if (before != threads) omp_set_num_threads(threads);
    return before;
#else
    return threads;
#endif
}

/* Of a fused op's activation; dnnl_alg_kind_undef: none that is exact,
 * see fm_onednn_finish for relu. */
dnnl_alg_kind_t fm_onednn_activation(int activation);

/* What oneDNN's post-ops do not do exactly, over the result: + residual, relu (which must keep
 * NaN), 0 where the mask is not positive; NULL where there is none. */
void fm_onednn_finish(int threads, int64_t count, const float *residual, bool relu,
                      const float *mask, float *y);

/* Loops over so many elements are shared out or too short for it:
 * all threads or the caller alone. */
int fm_onednn_parts(int threads, int64_t elements);

typedef struct fm_onednn_family {
    const fm_kernel *kernels;
    int count;
} fm_onednn_family;
extern const fm_onednn_family fm_onednn_convolutions;

#endif
