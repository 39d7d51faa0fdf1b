/* The sampled Gaussian mechanism.
 * Source: mpmath 1.3.0, quadrature in 50 digits.
 * Made by tests/golden/generate_privacy.py; do not edit.
 *
 * log_a = log E[((1 - q) + q exp((2 z - 1) / (2 sigma^2)))^order], z from N(0, sigma^2). The
 * trapezoidal rule, which converges geometrically here: 64 points a deviation, from 40 deviations
 * below 0 to 40 above the order. The first ten rows are the parameters of TensorFlow Privacy's own
 * test (rdp_accountant_test.py, test_compute_log_a_equals_mp).
 */
/* clang-format off */
#ifndef PRIVACY_GOLDEN_H
#define PRIVACY_GOLDEN_H

struct golden_log_a {
    double q, sigma, order, log_a;
};

static const struct golden_log_a golden_log_as[21] = {
    {
        .q = 1e-07, .sigma = 0.1, .order = 1.01, .log_a = 4.003412322526399e-08,
    },
    {
        .q = 1e-06, .sigma = 0.1, .order = 256, .log_a = 3260463.2292971606,
    },
    {
        .q = 1e-05, .sigma = 0.1, .order = 256.1, .log_a = 3263607.0397884212,
    },
    {
        .q = 1e-06, .sigma = 1, .order = 27, .log_a = 8.769511304848498e-10,
    },
    {
        .q = 0.0001, .sigma = 1, .order = 1.5, .log_a = 6.4426869538366495e-09,
    },
    {
        .q = 0.001, .sigma = 1, .order = 2, .log_a = 1.7182803522145153e-06,
    },
    {
        .q = 0.01, .sigma = 10, .order = 20, .log_a = 0.00019129699912842963,
    },
    {
        .q = 0.1, .sigma = 100, .order = 20.5, .log_a = 0.00019991818458068295,
    },
    {
        .q = 0.99, .sigma = 0.1, .order = 256, .log_a = 3263997.427114021,
    },
    {
        .q = 0.999, .sigma = 100, .order = 256.1, .log_a = 3.260108037973113,
    },
    {
        .q = 0.004266666666666667, .sigma = 1.1, .order = 1.1, .log_a = 1.2779666371319926e-06,
    },
    {
        .q = 0.004266666666666667, .sigma = 1.1, .order = 7.3, .log_a = 0.0005618426932917248,
    },
    {
        .q = 0.004266666666666667, .sigma = 1.1, .order = 18, .log_a = 28.225008343598088,
    },
    {
        .q = 0.04, .sigma = 1.5, .order = 4.4, .log_a = 0.007129581974560348,
    },
    {
        .q = 0.04, .sigma = 1.5, .order = 1024, .log_a = 229493.2044886683,
    },
    {
        .q = 0.5, .sigma = 0.3, .order = 1.1, .log_a = 0.29117818969559606,
    },
    {
        .q = 0.5, .sigma = 0.3, .order = 10.9, .log_a = 591.9446957318967,
    },
    {
        .q = 0.001, .sigma = 0.3, .order = 1.1, .log_a = 8.432908325041253e-05,
    },
    {
        .q = 0.2, .sigma = 5, .order = 63, .log_a = 6.065035062021481,
    },
    {
        .q = 0.01, .sigma = 2.5, .order = 1.5, .log_a = 6.5007089718803975e-06,
    },
    {
        .q = 0.01, .sigma = 2.5, .order = 2.5, .log_a = 3.256254170754373e-05,
    },
};

#define GOLDEN_LOG_AS_COUNT 21

#endif
