"""Golden parameters of the initialisers: what Keras draws from, caught at its random functions."""

import numpy as np
import scipy
import scipy.stats

from framework_f64 import KERAS, keras
from golden_writer import Header

random_initializers = keras.src.initializers.random_initializers

ABOUT = """
`golden_initializers`: for a kernel's shape Keras's fans and the numbers of its distribution.
uniform    draws from [-limit, limit]; stddev = limit / sqrt(3); drawn_stddev = 0
normal     draws from a normal distribution of deviation drawn_stddev and draws again beyond two
           of them, so limit = 2 drawn_stddev; stddev is that of what remains: the initialisers
           divide by 0.87962566103423978 so that it is sqrt(scale / fan)
The mean is 0. fan_in and fan_out of a kernel (..., in, out): in and out times the product of the
leading dimensions; of rank 1: its length.

`golden_truncated_normal_quantiles`: x with P(X <= x) = golden_truncated_normal_probabilities for
a normal distribution of deviation 1 cut at -2 and 2 (SciPy), whose deviation is
GOLDEN_TRUNCATED_NORMAL_STDDEV. Of n independent draws the empirical distribution is off by more
than 1.95 / sqrt(n) at any x with probability 0.001 (Kolmogorov).

orthogonal has no golden values, as it depends on the random numbers. To check: with the shape
flattened to r x c (all but the last dimension, the last), Q^T Q = gain^2 I when r >= c, and
Q Q^T = gain^2 I when r < c; the sign of Q's first row is as often + as - (Keras multiplies the
columns of the QR decomposition by the signs of R's diagonal).
"""

STRUCT = """
struct golden_initializer {
    const char *name;
    int rank, shape[4];
    int fan_in, fan_out;
    double limit, drawn_stddev, stddev;
};
"""

NAMES = ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"]
SHAPES = [(784, 128), (128, 10), (3, 3, 16, 32), (5, 7, 3), (64,)]


class Caught(Exception):
    pass


def uniform(shape, minval, maxval, dtype, seed):
    assert minval == -maxval
    raise Caught(maxval, 0.0, maxval / np.sqrt(3))


def truncated_normal(shape, mean, stddev, dtype, seed):
    assert mean == 0.0
    raise Caught(2 * stddev, stddev, stddev * scipy.stats.truncnorm(-2, 2).std())


def draw(name, shape):
    try:
        keras.initializers.get(name)(shape)
    except Caught as caught:
        return caught.args


def c_shape(shape):
    return "{" + ", ".join(str(n) for n in shape) + "}"


def main():
    random_initializers.random.uniform = uniform
    random_initializers.random.truncated_normal = truncated_normal
    header = Header("initializers_golden.h", "Initialisers: the numbers of their distributions.",
                    "{} and SciPy {}, f64".format(KERAS, scipy.__version__), ABOUT)
    header.text(STRUCT)
    rows = []
    for name in NAMES:
        for shape in SHAPES:
            fan_in, fan_out = random_initializers.compute_fans(shape)
            numbers = ", ".join(repr(float(v)) for v in draw(name, shape))
            rows.append('    {{"{}", {}, {}, {}, {},\n     {}}},'.format(
                name, len(shape), c_shape(shape), fan_in, fan_out, numbers))
    header.text("static const struct golden_initializer golden_initializers[{}] = {{\n{}\n}};".format(
        len(rows), "\n".join(rows)))
    header.define("GOLDEN_INITIALIZERS_COUNT", len(rows))

    cut = scipy.stats.truncnorm(-2, 2)
    probabilities = np.array([0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
    header.define("GOLDEN_TRUNCATED_NORMAL_STDDEV", repr(float(cut.std())))
    header.array("golden_truncated_normal_probabilities", probabilities)
    header.array("golden_truncated_normal_quantiles", cut.ppf(probabilities))
    header.write()


main()
