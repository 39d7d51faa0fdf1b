/* What the op files share: shape rules, pieces of gradients, running a template by dtype. */
#ifndef FM_OP_TOOLS_H
#define FM_OP_TOOLS_H

#include "fathom/op.h"
#include "fathom/ops.h"
#include "kernel/walk.h"
#include "op/op_attributes.h"

/* ---- shape rules ----------------------------------------------------------------------------- */

/* Every input is f32, or every input is f64. */
fm_status fm_infer_reals(const fm_infer *infer);
/* As above; the output is like input 0. */
fm_status fm_infer_like_first(fm_infer *infer);
/* As above; the output is the inputs' common shape under broadcasting. */
fm_status fm_infer_broadcast(fm_infer *infer);
/* Input i has this dtype. */
fm_status fm_infer_dtype(const fm_infer *infer, int i, fm_dtype dtype);
/* Input i has at least this rank. */
fm_status fm_infer_rank(const fm_infer *infer, int i, int rank);
/* axis is one of input 0's. */
fm_status fm_infer_axis(const fm_infer *infer, int64_t axis);

/* false when the shapes do not broadcast to a common one. */
bool fm_shapes_broadcast(fm_shape a, fm_shape b, fm_shape *common);

fm_ints fm_shape_ints(fm_shape shape);
fm_shape fm_ints_shape(fm_ints ints);
/* A negative axis counted from the front; one outside of the rank as it is, for infer to refuse. */
int64_t fm_axis_from_front(int64_t axis, int rank);
/* The product of dims [begin, end). */
int64_t fm_shape_span(fm_shape shape, int begin, int end);
int64_t fm_shape_last(fm_shape shape);
/* Elements of input i / the last dimension: the rows that softmax and kin work on. */
int64_t fm_tensor_rows(const fm_tensor *tensor);

/* ---- building -------------------------------------------------------------------------------- */

/* The number c in x's dtype. */
fm_val fm_scalar_like(fm_graph *g, fm_val x, double c);
/* The constant 0, 1, 2, ... of a real dtype, as many as the shape has elements. */
fm_val fm_sequence(fm_graph *g, fm_dtype dtype, fm_shape shape);
/* c - x */
fm_val fm_scalar_minus(fm_graph *g, double c, fm_val x);
/* (..., n) -> (rows, n) */
fm_val fm_rows_of(fm_graph *g, fm_val x);
/* (...) -> (..., 1) */
fm_val fm_expand_last(fm_graph *g, fm_val x);
/* (..., n) -> (..., 1): the sums of the rows. */
fm_val fm_sum_last(fm_graph *g, fm_val x);
/* The gradient of input i; summed down to its shape where the op broadcast it. */
void fm_vjp_give(fm_graph *g, fm_vjp *vjp, int i, fm_val grad);

/* ---- running --------------------------------------------------------------------------------- */

/* name_f64(...) or name_f32(...), of a template made by kernel/instantiate.h. */
#define FM_RUN_REAL(name, dtype, ...)                                                              \
    ((dtype) == FM_F64 ? name##_f64(__VA_ARGS__) : name##_f32(__VA_ARGS__))

/* How to walk the operands of a broadcasting op along its output; at most KERNEL_MAX_OPERANDS. */
kernel_walk fm_broadcast_walk(const fm_tensor *inputs, int count, fm_shape output);

/* A reduction as (outer, reduced, inner) -> (outer, inner). */
typedef struct fm_reduced {
    int64_t outer, reduced, inner;
} fm_reduced;
fm_reduced fm_reduced_of(const fm_axes_attributes *attributes, fm_shape shape);

/* Runs an op that is part of a fused one by its portable kernel, on tensors of the fused call. */
void fm_run_part(const fm_op *op, const void *attributes, const fm_call *call,
                 const fm_tensor *inputs, int input_count, const fm_tensor *outputs,
                 int output_count);

/* drop on a part of its operand: x and y are the elements from `first` on, a multiple of 4. */
void fm_run_drop(const fm_call *call, const fm_drop_attributes *attributes, int64_t first,
                 const fm_tensor *x, const fm_tensor *y);

/* flops columns */
double fm_no_flops(const fm_call *call);      /* moves bytes only */
double fm_input_flops(const fm_call *call);   /* one per element of input 0 */
double fm_softmax_flops(const fm_call *call); /* five per element of input 0 */

#endif
