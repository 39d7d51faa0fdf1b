"""Golden principal components and t-SNE figures, from their definitions in NumPy."""

import numpy as np

from golden_writer import Header

ABOUT = """
`x` is (ROWS, COLUMNS). Principal components by numpy.linalg.svd of the centred data, variances
over rows - 1, of each axis the element of the largest magnitude positive: `axes` and `variances`
of x, `wide_axes` and `wide_variances` of its transpose, which has more columns than rows.
`p` is the P of van der Maaten and Hinton 2008 of x for the perplexity PERPLEXITY: each row by
bisection to 1e-13 of its entropy, then (P + P^T) / 2 ROWS. `divergence` is KL(P || Q) at the
places `y`, `gradient` equation 5 there, `exaggerated` the same with 4 P in place of P.
"""

ROWS, COLUMNS, PERPLEXITY = 12, 5, 3.0


def principal(x, count):
    centred = x - x.mean(0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:count]
    largest = np.abs(axes).argmax(1)
    signs = np.sign(axes[np.arange(count), largest])
    return axes * signs[:, None], values[:count] ** 2 / (len(x) - 1)


def conditional(distances):
    low, high = 1e-9, 1e9
    while high / low > 1 + 1e-15:
        beta = np.sqrt(low * high)
        weights = np.exp(-beta * (distances - distances.min()))
        weights /= weights.sum()
        entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum()
        if abs(entropy - np.log(PERPLEXITY)) < 1e-13:
            break
        if entropy > np.log(PERPLEXITY):
            low = beta
        else:
            high = beta
    return weights


def affinities(x):
    distances = ((x[:, None] - x[None]) ** 2).sum(-1)
    p = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        p[i, others] = conditional(distances[i, others])
    return (p + p.T) / (2 * len(x))


def divergence_and_gradient(p, y, exaggeration):
    w = 1 / (1 + ((y[:, None] - y[None]) ** 2).sum(-1))
    np.fill_diagonal(w, 0)
    q = w / w.sum()
    off = ~np.eye(len(y), dtype=bool)
    divergence = (p[off] * np.log(p[off] / q[off])).sum()
    pull = (exaggeration * p - q) * w
    gradient = 4 * (pull[:, :, None] * (y[:, None] - y[None])).sum(1)
    return divergence, gradient


def main():
    random = np.random.default_rng(7)
    x = np.round(random.standard_normal((ROWS, COLUMNS)) * [3, 2, 1, 1, 0.5] + [1, 0, -2, 5, 0], 3)
    y = np.round(random.standard_normal((ROWS, 2)), 3)
    header = Header("embedding_golden.h", "Principal components and t-SNE.",
                    "NumPy " + np.__version__, ABOUT)
    for name, value in (("ROWS", ROWS), ("COLUMNS", COLUMNS), ("PERPLEXITY", PERPLEXITY)):
        header.define("GOLDEN_EMBEDDING_" + name, value)
    axes, variances = principal(x, 3)
    wide_axes, wide_variances = principal(x.T, 3)
    p = affinities(x)
    divergence, gradient = divergence_and_gradient(p, y, 1)
    for name, value in (("x", x), ("axes", axes), ("variances", variances), ("wide_axes", wide_axes),
                        ("wide_variances", wide_variances), ("p", p), ("y", y),
                        ("divergence", [divergence]), ("gradient", gradient),
                        ("exaggerated", divergence_and_gradient(p, y, 4)[1])):
        header.array("golden_embedding_" + name, value)
    header.write()


main()
