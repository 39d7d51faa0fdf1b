/* What all elements of one update share: see update_rules.h. */
#ifndef FM_KERNEL_UPDATE_NUMBERS_H
#define FM_KERNEL_UPDATE_NUMBERS_H

#include <math.h>
#include <stdint.h>

/* The numbers of one update, in f64 whatever REAL is. */
typedef struct fm_update_numbers {
    double rate, momentum, rho, beta_1, beta_2, epsilon;
    double l1, l2, weight_decay, l1_decay;
    double correction_1, correction_2; /* 1 - beta_1^t, 1 - beta_2^t */
    /* nadam: mu(t), mu(t+1), 1 - M(t), 1 - M(t+1) */
    double mu, next_mu, mu_correction, next_mu_correction;
    int nesterov; /* 0 or 1 */
} fm_update_numbers;

/* Nadam's schedule of momentum (Dozat 2016): mu(t). */
static inline double fm_nadam_mu(double beta_1, double momentum_decay, double t)
{
    return beta_1 * (1 - 0.5 * pow(0.96, t * momentum_decay));
}

#endif
