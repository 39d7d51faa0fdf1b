/* A matrix product of f32 as a prepared primitive of oneDNN 2.6, with an engine and a stream of its
 * own: nothing is shared between programs or contexts. */
#ifndef FM_ONEDNN_PRODUCT_H
#define FM_ONEDNN_PRODUCT_H

#include "fathom/backend.h"

#include <oneapi/dnnl/dnnl.h>

/* y = post(a b + bias). All three have `rank` dimensions, those before the last two broadcast; dims
 * and strides are those of the operands as they are read. */
typedef struct fm_onednn_shape {
    int rank;
    dnnl_dims_t a, b, y, a_strides, b_strides;
    int64_t weights_width; /* b as onednn_weights.h packs it; 0: by its strides */
    bool choose_weights;   /* b may be in any layout: only to ask which */
    bool bias;
    dnnl_alg_kind_t activation; /* dnnl_alg_kind_undef: none */
    bool add_scaled;            /* y += factor a b, the factor given when it runs */
    int threads;
} fm_onednn_shape;

/* NULL when oneDNN has a primitive whose bits do not depend on the number of threads, else why not.
 * width (may be NULL): of the panels it wants for b under choose_weights, 0 for another layout. */
const char *fm_onednn_product_refuse(const fm_onednn_shape *shape, int64_t *width);

typedef struct fm_onednn_product fm_onednn_product;

/* scratch_bytes: what run needs. */
fm_status fm_onednn_product_create(fm_context *context, const fm_onednn_shape *shape,
                                   fm_onednn_product **product, size_t *scratch_bytes);
void fm_onednn_product_destroy(fm_context *context, fm_onednn_product *product);

/* bias and factor: NULL when the shape has none. */
void fm_onednn_product_run(const fm_onednn_product *product, const float *a, const float *b,
                           const float *bias, const float *factor, float *y, void *scratch);

#endif
