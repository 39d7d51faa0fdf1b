/* fathom/privacy.h: differential privacy: what a training tells of the single examples it saw.
 *
 *     fm_privacy_plan plan = {
 *         .sample_rate = 256.0 / 60000, .steps = 15 * 60000 / 256, .delta = 1e-5};
 *     fm_privacy_epsilon(context, &plan, 1.1, &epsilon, NULL);      what a noise multiplier spends
 *     fm_privacy_noise(context, &plan, NULL, 3, &noise_multiplier); what an epsilon takes
 *
 * Invariants
 *  - Neighbours are data sets that differ by one example that is there or not (add or remove one).
 *    A training is (epsilon, delta)-private if no set of models that may come out of it is more
 *    than e^epsilon times as likely, plus delta, with a data set as with its neighbour (Dwork, Roth
 *    2014).
 *  - What is accounted for is DP-SGD (Abadi et al. 2016): each example is in a step's batch with
 *    probability sample_rate, independently of all others (Poisson sampling); gradients are clipped
 *    for each example to an L2 norm; to their sum normal noise is added, whose deviation is
 *    noise_multiplier times that norm. The sum is divided by a number that does not depend on the
 *    data.
 *  - Batches of a fixed size, shuffled, are another mechanism,
 *    for which these figures are not proven.
 *  - Renyi divergences of the steps add up (Mironov 2017); those of a step are the bound of the
 *    sampled Gaussian mechanism (Mironov, Talwar, Zhang 2019), a later and tighter form of the
 *    moments accountant of Abadi et al. They become (epsilon, delta) as in Canonne, Kamath, Steinke
 *    2020, proposition 12, as Opacus and TensorFlow Privacy do since then; earlier releases of
 *    both, with the conversion of Mironov 2017, print some tenths more.
 *  - Accounting costs no memory and, but for the two functions that take a context, cannot fail.
 *  - Training privately is an option of a model (train.h, fm_model_options.privacy). What is
 *    private then are its variables. The training loss and metrics in the history are plain figures
 *    of the data; so is what a transform learned from it, and what a validation set chose (early
 *    stopping, the best epoch). Several trainings on the same data add up, and nobody counts them.
 *  - Noise and batches are drawn by ChaCha20 (RFC 8439), a cipher, with a key from the system's
 *    generator that is kept nowhere; a resumed run draws another one. With noise_seed a run is
 *    repeatable, and whoever knows the seed (a recipe in a model's file says it) can take the noise
 *    away: no privacy is left.
 *  - Noise is a double rounded with the sum to the weights' dtype; attacks on the last bits of such
 *    numbers (Mironov 2012) are not defended against.
 *  - May be NULL: `order`, `spent`.
 */
#ifndef FATHOM_PRIVACY_H
#define FATHOM_PRIVACY_H

#include "fathom/schema.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- one step -------------------------------------------------------------------------------- */

/* The Renyi divergence of order `order` > 1 (at most 2^20) between a step's results on neighbours.
 * 0 where sample_rate is 0, infinite where noise_multiplier is 0; order / (2 noise_multiplier^2)
 * where sample_rate is 1. */
FM_API double fm_privacy_rdp(double sample_rate, double noise_multiplier, double order);

/* The epsilon that a divergence of this order gives at this delta, at least 0. */
FM_API double fm_privacy_convert(double order, double rdp, double delta);

/* ---- many steps ------------------------------------------------------------------------------ */

enum { FM_PRIVACY_ORDERS = 161 };

/* The orders that are kept: 1.1, 1.2, ... 10.9, 11, 12, ... 64, then wider apart to 1024. */
FM_API double fm_privacy_order(int i);

/* Divergences at these orders; all zero: nothing was told yet. */
typedef struct fm_privacy_loss {
    double at[FM_PRIVACY_ORDERS];
} fm_privacy_loss;

/* That of one step. Worth keeping: it takes some milliseconds. */
FM_API void fm_privacy_step(double sample_rate, double noise_multiplier, fm_privacy_loss *loss);
/* Adds `steps` steps. They may differ: another noise or batch size is another fm_privacy_loss. */
FM_API void fm_privacy_add(fm_privacy_loss *total, const fm_privacy_loss *step, int64_t steps);
/* The least epsilon over the orders; *order (may be NULL) is the one that gives it. */
FM_API double fm_privacy_spent(const fm_privacy_loss *total, double delta, double *order);

/* ---- questions without a training ------------------------------------------------------------ */

/*  sample_rate  the expected batch size by the number of examples, above 0, at most 1
 *  steps        of the whole training: epochs / sample_rate
 *  delta        between 0 and 1; less than 1 by the number of examples */
typedef struct fm_privacy_plan {
    double sample_rate;
    int64_t steps;
    double delta;
} fm_privacy_plan;

/* FM_ERROR_ARGUMENT for a plan outside of these ranges or a noise multiplier below 0.
 * order may be NULL. */
FM_API fm_status fm_privacy_epsilon(fm_context *context, const fm_privacy_plan *plan,
                                    double noise_multiplier, double *epsilon, double *order);
/* The least noise multiplier (to five digits, rounded up) that keeps target_epsilon, 0.05 at least,
 * where `spent` (may be NULL) was told before. FM_ERROR_ARGUMENT when none up to 100000 does. */
FM_API fm_status fm_privacy_noise(fm_context *context, const fm_privacy_plan *plan,
                                  const fm_privacy_loss *spent, double target_epsilon,
                                  double *noise_multiplier);

/* ---- training -------------------------------------------------------------------------------- */

/*  max_grad_norm     the L2 norm that an example's gradient, of all variables together, is scaled
 *                    down to (l2_norm_clip in TensorFlow Privacy); default 1
 *  noise_multiplier  deviation of the noise by max_grad_norm; default 1, FM_ZERO: none, epsilon
 *                    infinite
 *  target_epsilon    in its place: fit takes the least noise
 *                    that spends no more over all its epochs
 *  target_delta      default 1e-5; epsilon is told for this delta
 *  physical_batch_size  examples that are worked on at once, whatever the batch: the results are
 *                    the same up to rounding. Default: 32 where all of the model's ops are known to
 *                    keep examples apart, else 1, which is right for every layer. 1 is for
 *                    comparing
 *  noise_seed        a known key of noise and batches instead of a secret one: for tests,
 *                    not for use */
typedef struct fm_privacy_options {
    double max_grad_norm, noise_multiplier, target_epsilon, target_delta;
    int64_t physical_batch_size;
    int64_t noise_seed;
} fm_privacy_options;

/* A recipe's train.privacy. */
FM_API extern const fm_field fm_privacy_fields[];

#ifdef __cplusplus
}
#endif
#endif
