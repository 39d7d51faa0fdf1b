/* A node of the convolutions as their kernels see it: geometry, attributes, what they refuse. */
#ifndef FM_BACKEND_CPU_CONVOLUTION_SITE_H
#define FM_BACKEND_CPU_CONVOLUTION_SITE_H

#include "backend/cpu/vector/kernels.h"
#include "backend/cpu/window_plan.h"
#include "op/fused_convolve.h"
#include "op/op_table.h"

#define MOST_OFFSET ((double)(1 << 30))

/* A window of one dimension is one row of two. */
static inline fm_convolution geometry_of(const fm_site *site, const fm_shape *x,
                                         const fm_shape *kernel, const fm_shape *y)
{
    const fm_window *window = &((const fm_convolve_attributes *)site->attributes)->window;
    const int spatial = x->rank - 2;
    fm_convolution c = {.images = x->dims[0],
                        .groups = window->groups > 1 ? window->groups : 1,
                        .channels = x->dims[x->rank - 1],
                        .filters = y->dims[y->rank - 1],
                        .x = {1, 1},
                        .y = {1, 1},
                        .kernel = {1, 1},
                        .strides = {1, 1},
                        .dilations = {1, 1}};
    for (int i = 0; i < spatial; i++) {
        const int d = i + 2 - spatial;
        c.x[d] = x->dims[1 + i];
        c.y[d] = y->dims[1 + i];
        c.kernel[d] = kernel->dims[i];
        c.strides[d] = window->strides.at[i];
        c.dilations[d] = window->dilations.at[i];
        c.padding[d] = window->padding_begin.at[i];
    }
    return c;
}

/* The attributes of a convolution, fused or not. */
static inline fm_fused_convolve_attributes fused_attributes(const fm_site *site)
{
    if (site->op == &fm_op_fused_convolve || site->op == &fm_op_fused_convolve_transposed ||
        site->op == &fm_op_convolve_moments) {
        return *(const fm_fused_convolve_attributes *)site->attributes;
    }
    return (fm_fused_convolve_attributes){.convolve =
                                              *(const fm_convolve_attributes *)site->attributes};
}

static inline const char *match_geometry(const fm_site *site, const fm_shape *x,
                                         const fm_shape *kernel, const fm_shape *y)
{
    const char *refusal = refuse_unless_f32(site);
    if (refusal) return refusal;
    if (x->rank > 4) return "three spatial dimensions";
    if (fm_shape_elements(*x) == 0 || fm_shape_elements(*kernel) == 0) return "no elements";
    const fm_convolution c = geometry_of(site, x, kernel, y);
    double image = (double)(c.channels > c.filters ? c.channels : c.filters);
    for (int d = 0; d < 2; d++) {
        const int64_t size = c.x[d] > c.y[d] ? c.x[d] : c.y[d];
        image *= (double)size + (double)c.padding[d] +
                 (double)c.kernel[d] * (double)c.dilations[d] + (double)c.strides[d];
    }
    if (image > MOST_OFFSET || fm_shape_elements(*kernel) > MOST_OFFSET) {
        return "an image or a kernel has more than 2^30 elements";
    }
    return NULL;
}

static inline double multiply_adds(const fm_convolution *c)
{
    return (double)c->images * (double)(c->y[0] * c->y[1]) * (double)(c->kernel[0] * c->kernel[1]) *
           (double)(c->channels / c->groups) * (double)c->filters;
}

static inline const char *match_epilogue(const fm_site *site)
{
    const fm_fused_convolve_attributes a = fused_attributes(site);
    if (a.mask && a.activation != FM_FUSED_NONE && a.activation != FM_FUSED_RELU) {
        return "a mask after an activation other than relu";
    }
    return NULL;
}

#endif
