/* The Renyi differential privacy of the sampled Gaussian mechanism (Mironov, Talwar,
 * Zhang 2019). */
#include "fathom/privacy.h"
#include "base/context.h"

#include <math.h>

double fm_privacy_order(int i)
{
    enum { TENTHS = 99, LAST_DENSE = 63 };
    static const double sparse[] = {64, 96, 128, 192, 256, 384, 512, 768, 1024};
    if (i < TENTHS) return 1 + (i + 1) / 10.0;
    int whole = i - TENTHS + 11;
    return whole <= LAST_DENSE ? whole : sparse[whole - LAST_DENSE - 1];
}

/* ---- sums of numbers that only their logarithms can hold ------------------------------------- */

/* sum exp(scale) */
typedef struct log_sum {
    double scale, sum;
} log_sum;

static void add_term(log_sum *s, double log_size, double sign)
{
    if (log_size == -INFINITY) return;
    if (log_size > s->scale) {
        s->sum = s->sum * exp(s->scale - log_size) + sign;
        s->scale = log_size;
    } else {
        s->sum += sign * exp(log_size - s->scale);
    }
}

/* log erfc(x). Where erfc itself is too small: its asymptotic series (Abramowitz,
 * Stegun 7.1.23). */
static double log_erfc(double x)
{
    static const double far = 25;
    if (x < far) return log(erfc(x));
    double r = 1 / (2 * x * x), series = 1 - r * (1 - 3 * r * (1 - 5 * r * (1 - 7 * r)));
    return log(series) - x * x - log(x) - 0.57236494292470008707; /* log sqrt(pi) */
}

/* ---- A(alpha): E[((1 - q) + q exp((2 z - 1) / (2 sigma^2)))^alpha] of z from N(0, sigma^2) --- */

/* Section 3.3, whole orders: sum_k C(alpha, k) (1 - q)^(alpha
 * - k) q^k exp((k^2 - k) / (2 sigma^2)). */
static double log_a_whole(double q, double sigma, int alpha)
{
    log_sum s = {-INFINITY, 0};
    double log_binomial = 0;
    for (int k = 0; k <= alpha; k++) {
        double exponent = ((double)k * k - k) / (2 * sigma * sigma);
        add_term(&s, log_binomial + k * log(q) + (alpha - k) * log1p(-q) + exponent, 1);
        log_binomial += log((double)(alpha - k) / (k + 1));
    }
    return s.scale + log(s.sum);
}

/* Section 3.3, other orders: the integral is cut at z0, where both parts of the mixture are equal,
 * and each half has its own binomial series. Coefficients change their sign behind alpha. */
static double log_a_fractional(double q, double sigma, double alpha)
{
    static const double negligible = -40;
    double z0 = sigma * sigma * log(1 / q - 1) + 0.5, width = sqrt(2) * sigma;
    double log_binomial = 0, sign = 1, largest = 0;
    log_sum s = {-INFINITY, 0};
    for (double i = 0; i <= alpha + 1 || largest > negligible; i++) {
        double j = alpha - i;
        double low = log_binomial + i * log(q) + j * log1p(-q) + (i * i - i) / (2 * sigma * sigma) +
                     log_erfc((i - z0) / width) - log(2);
        double high = log_binomial + j * log(q) + i * log1p(-q) +
                      (j * j - j) / (2 * sigma * sigma) + log_erfc((z0 - j) / width) - log(2);
        add_term(&s, low, sign);
        add_term(&s, high, sign);
        largest = fmax(low, high);
        log_binomial += log(fabs(j) / (i + 1));
        if (j < 0) sign = -sign;
    }
    return s.scale + log(s.sum);
}

double fm_privacy_rdp(double sample_rate, double noise_multiplier, double order)
{
    if (!(sample_rate > 0)) return 0;
    if (!(noise_multiplier > 0)) return INFINITY;
    if (sample_rate >= 1) return order / (2 * noise_multiplier * noise_multiplier);
    double log_a = order == floor(order) ? log_a_whole(sample_rate, noise_multiplier, (int)order)
                                         : log_a_fractional(sample_rate, noise_multiplier, order);
    return fmax(log_a / (order - 1), 0);
}

/* ---- composition and conversion -------------------------------------------------------------- */

void fm_privacy_step(double sample_rate, double noise_multiplier, fm_privacy_loss *loss)
{
    for (int i = 0; i < FM_PRIVACY_ORDERS; i++) {
        loss->at[i] = fm_privacy_rdp(sample_rate, noise_multiplier, fm_privacy_order(i));
    }
}

void fm_privacy_add(fm_privacy_loss *total, const fm_privacy_loss *step, int64_t steps)
{
    for (int i = 0; i < FM_PRIVACY_ORDERS && steps > 0; i++) {
        total->at[i] += (double)steps * step->at[i];
    }
}

double fm_privacy_convert(double order, double rdp, double delta)
{
    if (delta * delta + expm1(-rdp) > 0) return 0;
    double epsilon = rdp + log1p(-1 / order) - (log(delta) + log(order)) / (order - 1);
    return fmax(epsilon, 0);
}

double fm_privacy_spent(const fm_privacy_loss *total, double delta, double *order)
{
    double least = INFINITY;
    if (order) *order = NAN;
    for (int i = 0; i < FM_PRIVACY_ORDERS; i++) {
        double epsilon = fm_privacy_convert(fm_privacy_order(i), total->at[i], delta);
        if (!(epsilon < least)) continue;
        least = epsilon;
        if (order) *order = fm_privacy_order(i);
    }
    return least;
}

/* ---- questions without a training ------------------------------------------------------------ */

static fm_status check_plan(fm_context *context, const fm_privacy_plan *plan)
{
    if (!(plan->sample_rate > 0 && plan->sample_rate <= 1)) {
        return fm_fail(
            context, FM_ERROR_ARGUMENT,
            "privacy: the share of the data that is in a batch is above 0 and at most 1, "
            "received %g",
            plan->sample_rate);
    }
    if (plan->steps < 0) {
        return fm_fail(context, FM_ERROR_ARGUMENT, "privacy: %lld steps were asked for",
                       (long long)plan->steps);
    }
    if (plan->delta > 0 && plan->delta < 1) return FM_OK;
    return fm_fail(context, FM_ERROR_ARGUMENT, "privacy: delta lies between 0 and 1, received %g",
                   plan->delta);
}

static double epsilon_of(const fm_privacy_plan *plan, const fm_privacy_loss *spent,
                         double noise_multiplier, double *order)
{
    fm_privacy_loss step, total = {{0}};
    if (spent) total = *spent;
    fm_privacy_step(plan->sample_rate, noise_multiplier, &step);
    fm_privacy_add(&total, &step, plan->steps);
    return fm_privacy_spent(&total, plan->delta, order);
}

fm_status fm_privacy_epsilon(fm_context *context, const fm_privacy_plan *plan,
                             double noise_multiplier, double *epsilon, double *order)
{
    *epsilon = NAN;
    fm_status status = check_plan(context, plan);
    if (status != FM_OK) return status;
    if (!(noise_multiplier >= 0)) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "privacy: a noise multiplier of %g was asked for; 0 or more is wanted",
                       noise_multiplier);
    }
    *epsilon = epsilon_of(plan, NULL, noise_multiplier, order);
    return FM_OK;
}

/* Epsilon falls as noise grows: the bracket doubles, then halves. */
fm_status fm_privacy_noise(fm_context *context, const fm_privacy_plan *plan,
                           const fm_privacy_loss *spent, double target_epsilon,
                           double *noise_multiplier)
{
    static const double least = 0.05, most = 1e5, precision = 1e-5;
    *noise_multiplier = NAN;
    fm_status status = check_plan(context, plan);
    if (status != FM_OK) return status;
    if (!(target_epsilon > 0)) {
        return fm_fail(context, FM_ERROR_ARGUMENT,
                       "privacy: an epsilon of %g was asked for; more than 0 is wanted",
                       target_epsilon);
    }
    double low = 0, high = least;
    while (!(epsilon_of(plan, spent, high, NULL) <= target_epsilon)) {
        low = high;
        high *= 2;
        if (high > most) {
            return fm_fail(context, FM_ERROR_ARGUMENT,
                           "privacy: no noise up to %g times the clipping norm brings %lld steps "
                           "with %g of the data each down to epsilon %g at delta %g",
                           most, (long long)plan->steps, plan->sample_rate, target_epsilon,
                           plan->delta);
        }
    }
    while (high - low > precision * high && low > 0) {
        double middle = (low + high) / 2;
        if (epsilon_of(plan, spent, middle, NULL) <= target_epsilon) {
            high = middle;
        } else {
            low = middle;
        }
    }
    *noise_multiplier = high;
    return FM_OK;
}
