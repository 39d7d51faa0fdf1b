/* fathom/ops.h: the built-in ops as functions.
 *
 * Every function adds a node (or a few) to the graph and returns its value; the poisoned value in
 * gives the poisoned value out. f64 and f32 throughout; operands of one op share a dtype.
 * Broadcasting is NumPy's: shapes are aligned at the last dimension, a dimension of 1 stretches.
 * Axes count from the end when negative. Gradients exist to any order unless a line says otherwise.
 * May be NULL: nothing.
 */
#ifndef FATHOM_OPS_H
#define FATHOM_OPS_H

#include "fathom/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- elementwise, one operand ---------------------------------------------------------------- */
FM_API fm_val fm_neg(fm_graph *g, fm_val x);
FM_API fm_val fm_abs(fm_graph *g, fm_val x);  /* derivative 0 at 0 */
FM_API fm_val fm_sign(fm_graph *g, fm_val x); /* -1, 0, 1; derivative zero */
FM_API fm_val fm_step(fm_graph *g, fm_val x); /* 1 where x > 0, else 0; derivative zero */
FM_API fm_val fm_square(fm_graph *g, fm_val x);
FM_API fm_val fm_sqrt(fm_graph *g, fm_val x);
FM_API fm_val fm_rsqrt(fm_graph *g, fm_val x);      /* 1 / sqrt(x) */
FM_API fm_val fm_reciprocal(fm_graph *g, fm_val x); /* 1 / x */
FM_API fm_val fm_exp(fm_graph *g, fm_val x);
FM_API fm_val fm_expm1(fm_graph *g, fm_val x);
FM_API fm_val fm_log(fm_graph *g, fm_val x);
FM_API fm_val fm_log1p(fm_graph *g, fm_val x);
FM_API fm_val fm_sin(fm_graph *g, fm_val x);
FM_API fm_val fm_cos(fm_graph *g, fm_val x);
FM_API fm_val fm_erf(fm_graph *g, fm_val x);
FM_API fm_val fm_floor(fm_graph *g, fm_val x); /* derivative zero */

/* ---- activations ----------------------------------------------------------------------------- */
FM_API fm_val fm_sigmoid(fm_graph *g, fm_val x);
FM_API fm_val fm_tanh(fm_graph *g, fm_val x);
FM_API fm_val fm_relu(fm_graph *g, fm_val x);  /* derivative 0 at 0 */
FM_API fm_val fm_relu6(fm_graph *g, fm_val x); /* min(max(x, 0), 6); derivative 0 at 0 and 6 */
FM_API fm_val fm_leaky_relu(fm_graph *g, fm_val x, double negative_slope);
FM_API fm_val fm_elu(fm_graph *g, fm_val x, double alpha); /* Clevert et al. 2015 */
FM_API fm_val fm_selu(fm_graph *g, fm_val x);              /* Klambauer et al. 2017 */
FM_API fm_val fm_gelu(fm_graph *g, fm_val x);              /* Hendrycks, Gimpel 2016, with erf */
FM_API fm_val fm_gelu_tanh(fm_graph *g, fm_val x);         /* its tanh approximation */
FM_API fm_val fm_silu(fm_graph *g, fm_val x);              /* x sigmoid(x), swish */
FM_API fm_val fm_mish(fm_graph *g, fm_val x);              /* Misra 2019 */
FM_API fm_val fm_softplus(fm_graph *g, fm_val x);
FM_API fm_val fm_softsign(fm_graph *g, fm_val x);
FM_API fm_val fm_hard_sigmoid(fm_graph *g, fm_val x);          /* relu6(x + 3) / 6 */
FM_API fm_val fm_hard_swish(fm_graph *g, fm_val x);            /* x hard_sigmoid(x) */
FM_API fm_val fm_relu_grad(fm_graph *g, fm_val dy, fm_val y);  /* dy where y > 0, else 0 */
FM_API fm_val fm_relu6_grad(fm_graph *g, fm_val dy, fm_val y); /* dy where 0 < y < 6, else 0 */
FM_API fm_val fm_gelu_grad(fm_graph *g, fm_val dy, fm_val x);  /* dy times the slope at x */
FM_API fm_val fm_gelu_tanh_grad(fm_graph *g, fm_val dy, fm_val x);
FM_API fm_val fm_silu_grad(fm_graph *g, fm_val dy, fm_val x);
FM_API fm_val fm_softmax(fm_graph *g, fm_val x);     /* over the last axis */
FM_API fm_val fm_log_softmax(fm_graph *g, fm_val x); /* over the last axis */

/* ---- elementwise, two operands, broadcast ---------------------------------------------------- */
FM_API fm_val fm_add(fm_graph *g, fm_val a, fm_val b);
FM_API fm_val fm_sub(fm_graph *g, fm_val a, fm_val b);
FM_API fm_val fm_mul(fm_graph *g, fm_val a, fm_val b);
FM_API fm_val fm_div(fm_graph *g, fm_val a, fm_val b);
FM_API fm_val fm_pow(fm_graph *g, fm_val a, fm_val b);     /* a > 0 */
FM_API fm_val fm_maximum(fm_graph *g, fm_val a, fm_val b); /* at a tie the gradient goes to a */
FM_API fm_val fm_minimum(fm_graph *g, fm_val a, fm_val b);
/* 1 where true, else 0, in the operands' dtype; derivative zero. */
FM_API fm_val fm_greater(fm_graph *g, fm_val a, fm_val b);
FM_API fm_val fm_less(fm_graph *g, fm_val a, fm_val b);
FM_API fm_val fm_equal(fm_graph *g, fm_val a,
                       fm_val b); /* also i32; the result is the graph's dtype */
/* a where condition is not 0, else b. condition has the dtype of a and b. */
FM_API fm_val fm_where(fm_graph *g, fm_val condition, fm_val a, fm_val b);
/* With a number: x + c, x c. */
FM_API fm_val fm_add_scalar(fm_graph *g, fm_val x, double c);
FM_API fm_val fm_mul_scalar(fm_graph *g, fm_val x, double c);
/* low, high are numbers; the gradient is zero outside. */
FM_API fm_val fm_clip(fm_graph *g, fm_val x, double low, double high);

/* ---- reductions: over `axes` (count 0: all); keep_dims leaves them as 1 ---------------------- */
FM_API fm_val fm_sum(fm_graph *g, fm_val x, fm_ints axes, bool keep_dims);
FM_API fm_val fm_mean(fm_graph *g, fm_val x, fm_ints axes, bool keep_dims);
FM_API fm_val fm_reduce_max(fm_graph *g, fm_val x, fm_ints axes, bool keep_dims); /* ties share */
FM_API fm_val fm_argmax(fm_graph *g,
                        fm_val x); /* last axis; i32; the first of equals; no gradient */
FM_API fm_val fm_logsumexp(fm_graph *g, fm_val x); /* last axis, removed */
/* Sums x down to a shape that broadcasts to it: the adjoint of broadcasting. */
FM_API fm_val fm_sum_to(fm_graph *g, fm_val x, fm_shape shape);

/* ---- shape ----------------------------------------------------------------------------------- */
FM_API fm_val fm_reshape_to(fm_graph *g, fm_val x, fm_shape shape); /* one dimension may be -1 */
FM_API fm_val fm_transpose(fm_graph *g, fm_val x, fm_ints permutation); /* count 0: reversed */
FM_API fm_val fm_broadcast_to(fm_graph *g, fm_val x, fm_shape shape);
FM_API fm_val fm_concat(fm_graph *g, const fm_val *values, int count, int axis);
/* [begin, end) along one axis. */
FM_API fm_val fm_slice(fm_graph *g, fm_val x, int axis, int64_t begin, int64_t end);
/* Zeros before and after along one axis: slice's adjoint. */
FM_API fm_val fm_pad(fm_graph *g, fm_val x, int axis, int64_t before, int64_t after);
FM_API fm_val fm_cast(fm_graph *g, fm_val x,
                      fm_dtype dtype); /* gradient between f32 and f64 only */
FM_API fm_val fm_stop_gradient(fm_graph *g, fm_val x);

/* ---- products and indices -------------------------------------------------------------------- */
/* (..., m, k) (..., k, n) -> (..., m, n); leading dimensions broadcast; either side may be read
 * transposed in its last two. */
FM_API fm_val fm_matmul(fm_graph *g, fm_val a, fm_val b);
FM_API fm_val fm_matmul_transposed(fm_graph *g, fm_val a, fm_val b, bool transpose_a,
                                   bool transpose_b);
/* indices i32 of any shape, rows of x (n, ...): out = indices.shape + x.shape[1:]. An index outside
 * [0, n) gives a row of NaN, never a read outside. */
FM_API fm_val fm_gather(fm_graph *g, fm_val x, fm_val indices);
/* gather's adjoint: zeros (n, ...) plus each row of x added at its index; others are ignored. */
FM_API fm_val fm_scatter_add(fm_graph *g, fm_val x, fm_val indices, int64_t n);
FM_API fm_val fm_one_hot(fm_graph *g, fm_val indices, int64_t depth); /* i32 -> graph's dtype */

/* ---- losses fused for exactness and speed ---------------------------------------------------- */
/* logits (..., c), labels i32 (...): -log softmax(logits)[label] for each row, shape of labels;
 * with smoothing s the target is (1 - s) one_hot + s / c (Szegedy et al. 2016). A label outside
 * [0, c) gives NaN. */
FM_API fm_val fm_sparse_softmax_cross_entropy(fm_graph *g, fm_val logits, fm_val labels,
                                              double label_smoothing);
/* logits and targets (..., c): -sum_c targets log softmax(logits), for each row. */
FM_API fm_val fm_softmax_cross_entropy(fm_graph *g, fm_val logits, fm_val targets);
/* max(x, 0) - x t + log(1 + exp(-|x|)), elementwise: binary cross-entropy from logits. */
FM_API fm_val fm_sigmoid_cross_entropy(fm_graph *g, fm_val logits, fm_val targets);

/* ---- randomness: keyed by (seed, step, the node's stream) ------------------------------------ */
FM_API fm_val fm_random_uniform_like(fm_graph *g, fm_val x); /* [0, 1), shape of x; no gradient */
FM_API fm_val fm_random_normal_like(fm_graph *g, fm_val x);
/* x + deviation n with n normal, mean 0, deviation 1, keyed by nothing but `key`, i32 (10): the
 * eight words of a ChaCha20 key (RFC 8439) and two that count runs. For private training. */
enum { FM_SECRET_KEY_WORDS = 10 };
FM_API fm_val fm_secret_noise(fm_graph *g, fm_val x, fm_val deviation, fm_val key);
/* x / (1 - rate) with probability 1 - rate, else 0 (Srivastava et al. 2014, inverted). Its gradient
 * draws the same mask again; nothing is stored. */
FM_API fm_val fm_drop(fm_graph *g, fm_val x, double rate);

#ifdef __cplusplus
}
#endif
#endif
