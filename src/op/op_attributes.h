/* The attributes of the built-in ops: what a kernel finds behind fm_call.attributes. Axes are
 * counted from the front. */
#ifndef FM_OP_ATTRIBUTES_H
#define FM_OP_ATTRIBUTES_H

#include "fathom/schema.h"

/* leaky_relu (its negative_slope), elu */
typedef struct fm_alpha_attributes {
    double alpha;
} fm_alpha_attributes;

/* sum, reduce_max: neighbouring axes in rising order; none stands for all. */
typedef struct fm_axes_attributes {
    fm_ints axes;
    bool keep_dims;
} fm_axes_attributes;

/* reshape (one may be -1), broadcast_to */
typedef struct fm_shape_attributes {
    fm_ints shape;
} fm_shape_attributes;

/* transpose: output dimension i is input dimension permutation.at[i]. */
typedef struct fm_permutation_attributes {
    fm_ints permutation;
} fm_permutation_attributes;

/* concat */
typedef struct fm_axis_attributes {
    int64_t axis;
} fm_axis_attributes;

/* slice: elements [begin, end) */
typedef struct fm_slice_attributes {
    int64_t axis, begin, end;
} fm_slice_attributes;

typedef struct fm_pad_attributes {
    int64_t axis, before, after;
} fm_pad_attributes;

typedef struct fm_cast_attributes {
    int dtype; /* fm_dtype */
} fm_cast_attributes;

typedef struct fm_matmul_attributes {
    bool transpose_a, transpose_b;
} fm_matmul_attributes;

/* one_hot's depth, scatter_add's rows */
typedef struct fm_extent_attributes {
    int64_t extent;
} fm_extent_attributes;

/* sparse_softmax_cross_entropy and its gradient */
typedef struct fm_smoothing_attributes {
    double label_smoothing;
} fm_smoothing_attributes;
extern const fm_field fm_smoothing_fields[];

/* random_uniform_like, random_normal_like: equal streams draw equal numbers. */
typedef struct fm_random_attributes {
    int64_t stream;
} fm_random_attributes;

typedef struct fm_drop_attributes {
    double rate;
    int64_t stream;
} fm_drop_attributes;

#endif
