/* Initialisers: the numbers of their distributions.
 * Source: Keras 3.15.1 and SciPy 1.17.1, f64.
 * Made by tests/golden/generate_initializers.py; do not edit.
 *
 * `golden_initializers`: for a kernel's shape Keras's fans and the numbers of its distribution.
 * uniform    draws from [-limit, limit]; stddev = limit / sqrt(3); drawn_stddev = 0
 * normal     draws from a normal distribution of deviation drawn_stddev and draws again beyond two
 *            of them, so limit = 2 drawn_stddev; stddev is that of what remains: the initialisers
 *            divide by 0.87962566103423978 so that it is sqrt(scale / fan)
 * The mean is 0. fan_in and fan_out of a kernel (..., in, out): in and out times the product of the
 * leading dimensions; of rank 1: its length.
 *
 * `golden_truncated_normal_quantiles`: x with P(X <= x) = golden_truncated_normal_probabilities for
 * a normal distribution of deviation 1 cut at -2 and 2 (SciPy), whose deviation is
 * GOLDEN_TRUNCATED_NORMAL_STDDEV. Of n independent draws the empirical distribution is off by more
 * than 1.95 / sqrt(n) at any x with probability 0.001 (Kolmogorov).
 *
 * orthogonal has no golden values, as it depends on the random numbers. To check: with the shape
 * flattened to r x c (all but the last dimension, the last), Q^T Q = gain^2 I when r >= c, and
 * Q Q^T = gain^2 I when r < c; the sign of Q's first row is as often + as - (Keras multiplies the
 * columns of the QR decomposition by the signs of R's diagonal).
 */
/* clang-format off */
#ifndef INITIALIZERS_GOLDEN_H
#define INITIALIZERS_GOLDEN_H

struct golden_initializer {
    const char *name;
    int rank, shape[4];
    int fan_in, fan_out;
    double limit, drawn_stddev, stddev;
};

static const struct golden_initializer golden_initializers[30] = {
    {"glorot_uniform", 2, {784, 128}, 784, 128,
     0.08111071056538127, 0.0, 0.0468292905790847},
    {"glorot_uniform", 2, {128, 10}, 128, 10,
     0.20851441405707477, 0.0, 0.12038585308576921},
    {"glorot_uniform", 4, {3, 3, 16, 32}, 144, 288,
     0.11785113019775792, 0.0, 0.06804138174397717},
    {"glorot_uniform", 3, {5, 7, 3}, 35, 15,
     0.34641016151377546, 0.0, 0.2},
    {"glorot_uniform", 1, {64}, 64, 64,
     0.21650635094610965, 0.0, 0.125},
    {"glorot_normal", 2, {784, 128}, 784, 128,
     0.10647549896173811, 0.053237749480869054, 0.0468292905790847},
    {"glorot_normal", 2, {128, 10}, 128, 10,
     0.27372064826808895, 0.13686032413404448, 0.1203858530857692},
    {"glorot_normal", 4, {3, 3, 16, 32}, 144, 288,
     0.1547053133124288, 0.0773526566562144, 0.06804138174397717},
    {"glorot_normal", 3, {5, 7, 3}, 35, 15,
     0.4547388937354226, 0.2273694468677113, 0.2},
    {"glorot_normal", 1, {64}, 64, 64,
     0.2842118085846391, 0.14210590429231956, 0.125},
    {"he_uniform", 2, {784, 128}, 784, 128,
     0.08748177652797065, 0.0, 0.05050762722761054},
    {"he_uniform", 2, {128, 10}, 128, 10,
     0.21650635094610965, 0.0, 0.125},
    {"he_uniform", 4, {3, 3, 16, 32}, 144, 288,
     0.2041241452319315, 0.0, 0.11785113019775793},
    {"he_uniform", 3, {5, 7, 3}, 35, 15,
     0.4140393356054125, 0.0, 0.23904572186687872},
    {"he_uniform", 1, {64}, 64, 64,
     0.30618621784789724, 0.0, 0.17677669529663687},
    {"he_normal", 2, {784, 128}, 784, 128,
     0.11483891265342361, 0.057419456326711804, 0.050507627227610534},
    {"he_normal", 2, {128, 10}, 128, 10,
     0.2842118085846391, 0.14210590429231956, 0.125},
    {"he_normal", 4, {3, 3, 16, 32}, 144, 288,
     0.26795746285798844, 0.13397873142899422, 0.11785113019775792},
    {"he_normal", 3, {5, 7, 3}, 35, 15,
     0.5435169355696498, 0.2717584677848249, 0.23904572186687872},
    {"he_normal", 1, {64}, 64, 64,
     0.4019361942869827, 0.20096809714349134, 0.1767766952966369},
    {"lecun_uniform", 2, {784, 128}, 784, 128,
     0.06185895741317419, 0.0, 0.03571428571428572},
    {"lecun_uniform", 2, {128, 10}, 128, 10,
     0.15309310892394862, 0.0, 0.08838834764831843},
    {"lecun_uniform", 4, {3, 3, 16, 32}, 144, 288,
     0.14433756729740643, 0.0, 0.08333333333333333},
    {"lecun_uniform", 3, {5, 7, 3}, 35, 15,
     0.29277002188455997, 0.0, 0.16903085094570333},
    {"lecun_uniform", 1, {64}, 64, 64,
     0.21650635094610965, 0.0, 0.125},
    {"lecun_normal", 2, {784, 128}, 784, 128,
     0.08120337388132545, 0.040601686940662726, 0.03571428571428571},
    {"lecun_normal", 2, {128, 10}, 128, 10,
     0.20096809714349134, 0.10048404857174567, 0.08838834764831845},
    {"lecun_normal", 4, {3, 3, 16, 32}, 144, 288,
     0.18947453905642606, 0.09473726952821303, 0.08333333333333333},
    {"lecun_normal", 3, {5, 7, 3}, 35, 15,
     0.38432451083103114, 0.19216225541551557, 0.1690308509457033},
    {"lecun_normal", 1, {64}, 64, 64,
     0.2842118085846391, 0.14210590429231956, 0.125},
};

#define GOLDEN_INITIALIZERS_COUNT 30

#define GOLDEN_TRUNCATED_NORMAL_STDDEV 0.8796256610342398

/* 13 */
static const double golden_truncated_normal_probabilities[13] = {
    0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99,
};

/* 13 */
static const double golden_truncated_normal_quantiles[13] = {
    -1.848083539591331, -1.4722616410327656, -1.184032466693905, -0.7938201191289554,
    -0.4984028824219384, -0.2415871851410768, 2.782916424671767e-16, 0.2415871851410771,
    0.49840288242193825, 0.7938201191289558, 1.184032466693906, 1.4722616410327656,
    1.8480835395913315,
};

#endif
