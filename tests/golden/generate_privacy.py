"""Golden values of the sampled Gaussian mechanism: log A(alpha) by quadrature in 50 digits, from the
definition (Mironov, Talwar, Zhang 2019, eq. 6), with nothing of the series that the library uses."""

import mpmath as mp

from golden_writer import Header

mp.mp.dps = 50

ABOUT = """
log_a = log E[((1 - q) + q exp((2 z - 1) / (2 sigma^2)))^order], z from N(0, sigma^2). The
trapezoidal rule, which converges geometrically here: 64 points a deviation, from 40 deviations
below 0 to 40 above the order. The first ten rows are the parameters of TensorFlow Privacy's own
test (rdp_accountant_test.py, test_compute_log_a_equals_mp).
"""

STRUCT = """
struct golden_log_a {
    double q, sigma, order, log_a;
};
"""

ROWS = [
    (1e-7, 0.1, 1.01), (1e-6, 0.1, 256), (1e-5, 0.1, 256.1), (1e-6, 1, 27), (1e-4, 1, 1.5),
    (1e-3, 1, 2), (0.01, 10, 20), (0.1, 100, 20.5), (0.99, 0.1, 256), (0.999, 100, 256.1),
    (256 / 60000, 1.1, 1.1), (256 / 60000, 1.1, 7.3), (256 / 60000, 1.1, 18), (0.04, 1.5, 4.4),
    (0.04, 1.5, 1024), (0.5, 0.3, 1.1), (0.5, 0.3, 10.9), (1e-3, 0.3, 1.1), (0.2, 5, 63),
    (0.01, 2.5, 1.5), (0.01, 2.5, 2.5),
]


def log_a(q, sigma, order):
    q, sigma, order = mp.mpf(q), mp.mpf(sigma), mp.mpf(order)
    step, total = sigma / 64, mp.mpf(0)
    first = int(mp.floor(-40 * sigma / step))
    last = int(mp.ceil((order + 40 * sigma) / step))
    for i in range(first, last + 1):
        z = i * step
        ratio = (1 - q) + q * mp.exp((2 * z - 1) / (2 * sigma**2))
        total += mp.exp(-(z**2) / (2 * sigma**2) + order * mp.log(ratio))
    return mp.log(total * step / (sigma * mp.sqrt(2 * mp.pi)))


def main():
    header = Header("privacy_golden.h", "The sampled Gaussian mechanism.",
                    "mpmath " + mp.__version__ + ", quadrature in 50 digits", ABOUT)
    header.text(STRUCT)
    header.table("golden_log_a", "golden_log_as",
                 [dict(q=q, sigma=s, order=o, log_a=log_a(q, s, o)) for q, s, o in ROWS])
    header.write()


main()
