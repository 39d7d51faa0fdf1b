/* fathom/optimizer.h: from a loss to updates of the variables.
 *
 *     fm_minimize(g, loss, .rule = FM_ADAM, .learning_rate = 1e-3, .clip_norm = 1);
 *     ...
 *     double *rate = fm_program_input(program, FM_LEARNING_RATE);      float for an f32 graph
 *
 * Invariants
 *  - A rule is a pure op (p, gradient, rate, iteration, slots...) -> (p', slots'), recorded
 *    as updates of the variables p and of its slots.
 *  - The learning rate is an input "learning_rate" of rank 0 and the graph's dtype, fed before
 *    each run from a schedule (schedule.h), so that changing it needs no new program.
 *  - Slots are variables that are not trainable: optimizer/adam/m/dense/kernel. The number of
 *    updates made is optimizer/iterations, rank 0, f64; averages are optimizer/average/...,
 *    gradients that are being accumulated optimizer/gradient/...
 *  - Everything a resumed run needs is in the store.
 *  - May be NULL: the optimizer (it is sgd then).
 */
#ifndef FATHOM_OPTIMIZER_H
#define FATHOM_OPTIMIZER_H

#include "fathom/program.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FM_LEARNING_RATE "learning_rate"

/* g gradient, a learning rate, t = 1, 2, ... the update's number; slots start at zero. Where Keras
 * and PyTorch differ (the place of epsilon, the rate inside or outside of momentum) these are
 * PyTorch's published forms; default numbers are Keras's, but adagrad starts at 0 and nadam's
 * momentum decay is Dozat's. */
typedef enum fm_optimizer_rule {
    FM_SGD,      /* v = momentum v + g;  p -= a v;  nesterov: p -= a (g + momentum v)
                    (Polyak 1964; Nesterov 1983, Sutskever et al. 2013) */
    FM_MOMENTUM, /* sgd with momentum 0.9 */
    FM_NESTEROV, /* sgd with momentum 0.9 and nesterov */
    FM_ADAGRAD,  /* s += g^2;  p -= a g / (sqrt(s) + epsilon)   (Duchi et al. 2011) */
    FM_ADADELTA, /* s = rho s + (1-rho) g^2;  d = g sqrt(u + epsilon) / sqrt(s + epsilon);
                    u = rho u + (1-rho) d^2;  p -= a d          (Zeiler 2012) */
    FM_RMSPROP,  /* s = rho s + (1-rho) g^2;  r = g / (sqrt(s - m^2) + epsilon) where centered
                    with m = rho m + (1-rho) g, else m = 0;  b = momentum b + r;  p -= a b
                    (Hinton 2012; centered: Graves 2013) */
    FM_ADAM,     /* m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;
                    p -= a / (1-b1^t) m / (sqrt(v) / sqrt(1-b2^t) + epsilon)
                    (Kingma and Ba 2015); amsgrad: max over time of v (Reddi et al. 2018) */
    FM_AMSGRAD,  /* adam with amsgrad */
    FM_ADAMAX,   /* u = max(b2 u, |g| + epsilon);  p -= a / (1-b1^t) m / u   (Kingma and Ba) */
    FM_NADAM,    /* mu(t) = b1 (1 - 0.96^(t momentum_decay) / 2), M(t) = mu(1) ... mu(t); p -= a
                    (mu(t+1) m / (1-M(t+1)) + (1-mu(t)) g / (1-M(t))) / (sqrt(v / (1-b2^t)) +
                    epsilon) (Dozat 2016) */
    FM_ADAMW,    /* adam with weight_decay 0.004   (Loshchilov and Hutter 2019) */
    FM_LION,     /* p -= a sign(b1 m + (1-b1) g);  m = b2 m + (1-b2) g   (Chen et al. 2023) */
    FM_OPTIMIZER_COUNT
} fm_optimizer_rule;

/* Zero is the rule's default; FM_ZERO is zero itself.
 *  learning_rate     0.001 (sgd and kin 0.01); for fm_optimizer_rate and fit, not in the graph
 *  momentum, rho, beta_1, beta_2, epsilon, momentum_decay, nesterov, centered, amsgrad: above
 *  weight_decay      decoupled L2: p -= a weight_decay p before the rule
 *  l1_decay          decoupled L1: p moves by a l1_decay towards 0 and stops there
 *  l1, l2            coupled: the gradient of l1 sum|p| + l2 sum p^2, all trainable variables;
 *                    added after clipping, as PyTorch does (penalties of layers are in the loss)
 *  clip_value        each element of the gradient is clipped to [-clip_value, clip_value]
 *  clip_norm         each variable's gradient is scaled down to this L2 norm
 *  global_clip_norm  all gradients together are (Pascanu et al. 2013); in this order where several
 *                    are given; after accumulation
 *  accumulate_steps  N: the mean gradient of N runs makes one update; default 1
 *  ema_momentum      an average of each variable: e = m e + (1 - m) p' after an update, e = p'
 *                    after the first (Polyak and Juditsky 1992). 0: none. See fm_average_swap */
typedef struct fm_optimizer {
    int rule; /* fm_optimizer_rule */
    double learning_rate;
    double momentum, rho, beta_1, beta_2, epsilon, momentum_decay;
    bool nesterov, centered, amsgrad;
    double weight_decay, l1_decay;
    double l1, l2;
    double clip_value, clip_norm, global_clip_norm;
    int64_t accumulate_steps;
    double ema_momentum;
} fm_optimizer;

/* Gradients of loss (rank 0) plus the layers' penalties for all trainable variables, regularised,
 * clipped, and the updates. One call a graph. */
#define fm_minimize(g, loss, ...)                                                                  \
    fm_minimize_with((g), (loss), FM_OPTIONS(fm_optimizer, __VA_ARGS__))
FM_API void fm_minimize_with(fm_graph *g, fm_val loss, const fm_optimizer *optimizer);

/* The learning rate with the rule's default filled in: what to feed without a schedule. */
FM_API double fm_optimizer_rate(const fm_optimizer *optimizer);

/* Exchanges each trainable variable with its average, for evaluating or saving with averaged
 * weights; a second call exchanges them back. Nothing happens without averages, as before the first
 * update. */
FM_API fm_status fm_average_swap(fm_context *context, fm_store *store);

typedef struct fm_optimizer_record {
    const char *name;
    const char *aliases[2];
    const char *doc;
    const fm_field *fields; /* of fm_optimizer, with this rule's defaults */
} fm_optimizer_record;

FM_API const fm_optimizer_record *fm_optimizer_at(int rule); /* NULL from FM_OPTIMIZER_COUNT on */
FM_API const fm_optimizer_record *fm_optimizer_find(const char *name);

#ifdef __cplusplus
}
#endif
#endif
