/* The optimisers' update rules over n elements, in place, for REAL = float or double:
 *     #define REAL double
 *     #define NAME(rule) rule##_f64
 *     #include "kernel/update_rules.h"
 * p parameters, g gradient, s slots, all of n elements that do not overlap; a the learning rate.
 * Where frameworks differ these are PyTorch's forms; the formulas are in fathom/optimizer.h. */
#include "kernel/update_numbers.h"

/* r = the gradient of l1 sum|p| + l2 sum p^2 added to g. */
static void NAME(regularize)(int64_t n, REAL *restrict r, const REAL *restrict g,
                             const REAL *restrict p, const fm_update_numbers *u)
{
    const REAL l1 = (REAL)u->l1, l2 = (REAL)(2 * u->l2);
    for (int64_t i = 0; i < n; i++) {
        REAL sign = (REAL)((p[i] > 0) - (p[i] < 0));
        r[i] = g[i] + l1 * sign + l2 * p[i];
    }
}

/* Decoupled decay (Loshchilov and Hutter 2019); the L1 part is soft thresholding, the proximal step
 * of l1_decay sum|p| (Parikh and Boyd, "Proximal Algorithms", 2014, 6.5.2). */
static void NAME(decay)(int64_t n, REAL *restrict p, const fm_update_numbers *u)
{
    const REAL keep = (REAL)(1 - u->rate * u->weight_decay);
    const REAL threshold = (REAL)(u->rate * u->l1_decay);
    for (int64_t i = 0; i < n; i++) {
        REAL x = p[i] * keep;
        REAL above = x > threshold ? x - threshold : 0;
        p[i] = x < -threshold ? x + threshold : above;
    }
}

static void NAME(sgd)(int64_t n, REAL *restrict p, const REAL *restrict g, REAL *const *s,
                      const fm_update_numbers *u)
{
    (void)s;
    const REAL a = (REAL)u->rate;
    for (int64_t i = 0; i < n; i++) p[i] -= a * g[i];
}

static void NAME(momentum)(int64_t n, REAL *restrict p, const REAL *restrict g, REAL *const *s,
                           const fm_update_numbers *u)
{
    const REAL a = (REAL)u->rate, momentum = (REAL)u->momentum;
    const REAL ahead = u->nesterov ? 1 : 0;
    const REAL along = u->nesterov ? momentum : 1;
    REAL *restrict v = s[0];
    for (int64_t i = 0; i < n; i++) {
        v[i] = momentum * v[i] + g[i];
        p[i] -= a * (ahead * g[i] + along * v[i]);
    }
}

static void NAME(adagrad)(int64_t n, REAL *restrict p, const REAL *restrict g, REAL *const *s,
                          const fm_update_numbers *u)
{
    const REAL a = (REAL)u->rate, epsilon = (REAL)u->epsilon;
    REAL *restrict sum = s[0];
    for (int64_t i = 0; i < n; i++) {
        sum[i] += g[i] * g[i];
        p[i] -= a * g[i] / ((REAL)sqrt(sum[i]) + epsilon);
    }
}

static void NAME(adadelta)(int64_t n, REAL *restrict p, const REAL *restrict g, REAL *const *s,
                           const fm_update_numbers *u)
{
    const REAL a = (REAL)u->rate, epsilon = (REAL)u->epsilon;
    const REAL rho = (REAL)u->rho, fresh = (REAL)(1 - u->rho);
    REAL *restrict square = s[0], *restrict step_square = s[1];
    for (int64_t i = 0; i < n; i++) {
        square[i] = rho * square[i] + fresh * g[i] * g[i];
        REAL d = g[i] * (REAL)sqrt(step_square[i] + epsilon) / (REAL)sqrt(square[i] + epsilon);
        step_square[i] = rho * step_square[i] + fresh * d * d;
        p[i] -= a * d;
    }
}

static void NAME(rmsprop)(int64_t n, REAL *restrict p, const REAL *restrict g, REAL *const *s,
                          const fm_update_numbers *u)
{
    const REAL a = (REAL)u->rate, epsilon = (REAL)u->epsilon;
    const REAL rho = (REAL)u->rho, fresh = (REAL)(1 - u->rho);
    REAL *restrict square = s[0];
    for (int64_t i = 0; i < n; i++) {
        square[i] = rho * square[i] + fresh * g[i] * g[i];
        p[i] -= a * g[i] / ((REAL)sqrt(square[i]) + epsilon);
    }
}

static void NAME(rmsprop_momentum)(int64_t n, REAL *restrict p, const REAL *restrict g,
                                   REAL *const *s, const fm_update_numbers *u)
{
    const REAL a = (REAL)u->rate, epsilon = (REAL)u->epsilon, momentum = (REAL)u->momentum;
    const REAL rho = (REAL)u->rho, fresh = (REAL)(1 - u->rho);
    REAL *restrict square = s[0], *restrict b = s[1];
    for (int64_t i = 0; i < n; i++) {
        square[i] = rho * square[i] + fresh * g[i] * g[i];
        b[i] = momentum * b[i] + g[i] / ((REAL)sqrt(square[i]) + epsilon);
        p[i] -= a * b[i];
    }
}

/* s - m^2 is a variance: rounding must not make it negative. */
static void NAME(rmsprop_centered)(int64_t n, REAL *restrict p, const REAL *restrict g,
                                   REAL *const *s, const fm_update_numbers *u)
{
    const REAL a = (REAL)u->rate, epsilon = (REAL)u->epsilon, momentum = (REAL)u->momentum;
    const REAL rho = (REAL)u->rho, fresh = (REAL)(1 - u->rho);
    REAL *restrict square = s[0], *restrict b = s[1], *restrict mean = s[2];
    for (int64_t i = 0; i < n; i++) {
        square[i] = rho * square[i] + fresh * g[i] * g[i];
        mean[i] = rho * mean[i] + fresh * g[i];
        REAL variance = square[i] - mean[i] * mean[i];
        variance = variance > 0 ? variance : 0;
        b[i] = momentum * b[i] + g[i] / ((REAL)sqrt(variance) + epsilon);
        p[i] -= a * b[i];
    }
}

static void NAME(adam)(int64_t n, REAL *restrict p, const REAL *restrict g, REAL *const *s,
                       const fm_update_numbers *u)
{
    const REAL step = (REAL)(u->rate / u->correction_1);
    const REAL root = (REAL)(1 / sqrt(u->correction_2)), epsilon = (REAL)u->epsilon;
    const REAL beta_1 = (REAL)u->beta_1, fresh_1 = (REAL)(1 - u->beta_1);
    const REAL beta_2 = (REAL)u->beta_2, fresh_2 = (REAL)(1 - u->beta_2);
    REAL *restrict m = s[0], *restrict v = s[1];
    for (int64_t i = 0; i < n; i++) {
        m[i] = beta_1 * m[i] + fresh_1 * g[i];
        v[i] = beta_2 * v[i] + fresh_2 * g[i] * g[i];
        p[i] -= step * m[i] / ((REAL)sqrt(v[i]) * root + epsilon);
    }
}

static void NAME(amsgrad)(int64_t n, REAL *restrict p, const REAL *restrict g, REAL *const *s,
                          const fm_update_numbers *u)
{
    const REAL step = (REAL)(u->rate / u->correction_1);
    const REAL root = (REAL)(1 / sqrt(u->correction_2)), epsilon = (REAL)u->epsilon;
    const REAL beta_1 = (REAL)u->beta_1, fresh_1 = (REAL)(1 - u->beta_1);
    const REAL beta_2 = (REAL)u->beta_2, fresh_2 = (REAL)(1 - u->beta_2);
    REAL *restrict m = s[0], *restrict v = s[1], *restrict w = s[2];
    for (int64_t i = 0; i < n; i++) {
        m[i] = beta_1 * m[i] + fresh_1 * g[i];
        v[i] = beta_2 * v[i] + fresh_2 * g[i] * g[i];
        w[i] = v[i] > w[i] ? v[i] : w[i];
        p[i] -= step * m[i] / ((REAL)sqrt(w[i]) * root + epsilon);
    }
}

static void NAME(adamax)(int64_t n, REAL *restrict p, const REAL *restrict g, REAL *const *s,
                         const fm_update_numbers *u)
{
    const REAL step = (REAL)(u->rate / u->correction_1), epsilon = (REAL)u->epsilon;
    const REAL beta_1 = (REAL)u->beta_1, fresh_1 = (REAL)(1 - u->beta_1);
    const REAL beta_2 = (REAL)u->beta_2;
    REAL *restrict m = s[0], *restrict largest = s[1];
    for (int64_t i = 0; i < n; i++) {
        m[i] = beta_1 * m[i] + fresh_1 * g[i];
        REAL size = (g[i] < 0 ? -g[i] : g[i]) + epsilon, faded = beta_2 * largest[i];
        largest[i] = faded > size ? faded : size;
        p[i] -= step * m[i] / largest[i];
    }
}

static void NAME(nadam)(int64_t n, REAL *restrict p, const REAL *restrict g, REAL *const *s,
                        const fm_update_numbers *u)
{
    const REAL of_m = (REAL)(u->rate * u->next_mu / u->next_mu_correction);
    const REAL of_g = (REAL)(u->rate * (1 - u->mu) / u->mu_correction);
    const REAL root = (REAL)(1 / sqrt(u->correction_2)), epsilon = (REAL)u->epsilon;
    const REAL beta_1 = (REAL)u->beta_1, fresh_1 = (REAL)(1 - u->beta_1);
    const REAL beta_2 = (REAL)u->beta_2, fresh_2 = (REAL)(1 - u->beta_2);
    REAL *restrict m = s[0], *restrict v = s[1];
    for (int64_t i = 0; i < n; i++) {
        m[i] = beta_1 * m[i] + fresh_1 * g[i];
        v[i] = beta_2 * v[i] + fresh_2 * g[i] * g[i];
        p[i] -= (of_m * m[i] + of_g * g[i]) / ((REAL)sqrt(v[i]) * root + epsilon);
    }
}

static void NAME(lion)(int64_t n, REAL *restrict p, const REAL *restrict g, REAL *const *s,
                       const fm_update_numbers *u)
{
    const REAL a = (REAL)u->rate;
    const REAL beta_1 = (REAL)u->beta_1, fresh_1 = (REAL)(1 - u->beta_1);
    const REAL beta_2 = (REAL)u->beta_2, fresh_2 = (REAL)(1 - u->beta_2);
    REAL *restrict m = s[0];
    for (int64_t i = 0; i < n; i++) {
        REAL c = beta_1 * m[i] + fresh_1 * g[i];
        p[i] -= a * (REAL)((c > 0) - (c < 0));
        m[i] = beta_2 * m[i] + fresh_2 * g[i];
    }
}

/* e = keep e + (1 - keep) p */
static void NAME(moving_average)(int64_t n, REAL *restrict e, const REAL *restrict p, double keep)
{
    const REAL old = (REAL)keep, fresh = (REAL)(1 - keep);
    for (int64_t i = 0; i < n; i++) e[i] = old * e[i] + fresh * p[i];
}

/* A block of p, g and three slots stays in the first-level cache between the passes over it. */
#ifndef FM_KERNEL_UPDATE_BLOCK
#define FM_KERNEL_UPDATE_BLOCK 512
#endif

typedef void NAME(update_rule)(int64_t n, REAL *restrict p, const REAL *restrict g, REAL *const *s,
                               const fm_update_numbers *u);

/* Elements [begin, end): regularise, decay, update, a block at a time. `slots` of s,
 * at most three. */
static void NAME(update)(NAME(update_rule) * rule, int64_t begin, int64_t end, REAL *p,
                         const REAL *g, REAL *const *s, int slots, const fm_update_numbers *u)
{
    const int regular = u->l1 != 0 || u->l2 != 0;
    const int decays = u->weight_decay != 0 || u->l1_decay != 0;
    for (int64_t at = begin; at < end; at += FM_KERNEL_UPDATE_BLOCK) {
        int64_t n = end - at < FM_KERNEL_UPDATE_BLOCK ? end - at : FM_KERNEL_UPDATE_BLOCK;
        REAL *slots_here[3] = {0}, changed[FM_KERNEL_UPDATE_BLOCK];
        const REAL *gradient = g + at;
        for (int i = 0; i < slots; i++) slots_here[i] = s[i] + at;
        if (regular) {
            NAME(regularize)(n, changed, g + at, p + at, u);
            gradient = changed;
        }
        if (decays) NAME(decay)(n, p + at, u);
        rule(n, p + at, gradient, slots_here, u);
    }
}
