"""Golden values and gradients of what is learned without labels: PyTorch in f64.

The contrastive loss by the formulas of its papers, with PyTorch's cosine similarity and cross-entropy;
the divergence from the prior by torch.distributions; sums over elements by PyTorch's own reductions.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Normal, kl_divergence

from golden_writer import Header

torch.set_default_dtype(torch.float64)

ABOUT = """
contrastive: rows z with labels y. nt_xent: Chen et al. 2020, equation 1, the mean over both
orders of all pairs; supervised: Khosla et al. 2020, equation 2 (L_out), the mean over all
rows, of which those without a partner count 0. divergence: sum over the code of KL(N(mean,
exp(log_variance)) || N(0, 1)), its mean over the rows. summed: the loss with sum_elements, a
sum over the elements, the mean over the rows.

Compare with 1e-12 max(1, |golden|) in f64.
"""

STRUCTS = """
struct golden_contrastive {
    const char *name;
    int rows, columns;
    double temperature;
    const double *z; /* rows x columns */
    const int *y;    /* rows */
    double value;
    const double *gradient;
};

struct golden_divergence {
    int rows, columns;
    const double *mean, *log_variance;
    double value;
    const double *mean_gradient, *log_variance_gradient;
};

struct golden_summed {
    const char *loss;
    int rows, columns;
    const double *prediction, *target;
    double value;
    const double *gradient;
};
"""

random = np.random.RandomState(5)


def numbers(*shape):
    return random.normal(size=shape).round(4)


def nt_xent(z, y, temperature):
    """Each row is classified among the others: the right one is its partner."""
    n = len(y)
    s = F.cosine_similarity(z[:, None, :], z[None, :, :], dim=2) / temperature
    others = s[~torch.eye(n, dtype=torch.bool)].reshape(n, n - 1)
    partner = [next(j for j in range(n) if j != i and y[j] == y[i]) for i in range(n)]
    index = torch.tensor([j - (j > i) for i, j in enumerate(partner)])
    return F.cross_entropy(others, index)


def supervised(z, y, temperature):
    n = len(y)
    s = F.cosine_similarity(z[:, None, :], z[None, :, :], dim=2) / temperature
    total = 0
    for i in range(n):
        partners = [j for j in range(n) if j != i and y[j] == y[i]]
        rest = torch.tensor([k for k in range(n) if k != i])
        for j in partners:
            total = total - (s[i, j] - torch.logsumexp(s[i, rest], 0)) / len(partners)
    return total / n


def contrastive(header, name, function, rows, columns, y, temperature):
    z = torch.tensor(numbers(rows, columns), requires_grad=True)
    value = function(z, y, temperature)
    value.backward()
    stem = "golden_" + name
    return dict(name=name, rows=rows, columns=columns, temperature=temperature,
                z=header.array(stem + "_z", z.detach().numpy()),
                y=header.array(stem + "_y", np.array(y), ctype="int"), value=value.item(),
                gradient=header.array(stem + "_gradient", z.grad.numpy()))


def divergence(header, rows, columns):
    mean = torch.tensor(numbers(rows, columns), requires_grad=True)
    log_variance = torch.tensor(numbers(rows, columns), requires_grad=True)
    code = Normal(mean, torch.exp(log_variance / 2))
    value = kl_divergence(code, Normal(0.0, 1.0)).sum(1).mean()
    value.backward()
    return dict(rows=rows, columns=columns,
                mean=header.array("golden_kl_mean", mean.detach().numpy()),
                log_variance=header.array("golden_kl_log_variance", log_variance.detach().numpy()),
                value=value.item(),
                mean_gradient=header.array("golden_kl_mean_gradient", mean.grad.numpy()),
                log_variance_gradient=header.array("golden_kl_log_variance_gradient",
                                                   log_variance.grad.numpy()))


SUMMED = {
    "mean_squared_error": lambda p, y: F.mse_loss(p, y, reduction="sum"),
    "mean_absolute_error": lambda p, y: F.l1_loss(p, y, reduction="sum"),
    "huber": lambda p, y: F.huber_loss(p, y, reduction="sum"),
    "log_cosh": lambda p, y: torch.log(torch.cosh(p - y)).sum(),
    "binary_crossentropy": lambda p, y: F.binary_cross_entropy_with_logits(p, y, reduction="sum"),
    "hinge": lambda p, y: F.relu(1 - (2 * (y > 0) - 1) * p).sum(),
}


def summed(header, loss):
    p = torch.tensor(numbers(4, 3), requires_grad=True)
    y = torch.tensor(random.uniform(size=(4, 3)).round(3))
    value = SUMMED[loss](p, y) / 4
    value.backward()
    stem = "golden_summed_" + loss
    return dict(loss=loss, rows=4, columns=3,
                prediction=header.array(stem + "_prediction", p.detach().numpy()),
                target=header.array(stem + "_target", y.numpy()), value=value.item(),
                gradient=header.array(stem + "_gradient", p.grad.numpy()))


def main():
    header = Header("unsupervised_golden.h", "Learning without labels: values and gradients.",
                    "PyTorch " + torch.__version__.split("+")[0] + ", f64", ABOUT)
    header.text(STRUCTS)
    header.table("golden_contrastive", "golden_contrastives", [
        contrastive(header, "nt_xent", nt_xent, 8, 5, [0, 0, 3, 3, 7, 7, 2, 2], 0.5),
        contrastive(header, "nt_xent_cold", nt_xent, 6, 4, [1, 2, 3, 3, 2, 1], 0.07),
        contrastive(header, "supervised", supervised, 9, 4, [0, 1, 0, 2, 1, 0, 2, 2, 1], 0.1),
        contrastive(header, "supervised_lonely", supervised, 7, 3, [0, 1, 0, 5, 1, 0, 9], 0.3),
    ])
    header.table("golden_divergence", "golden_divergences", [divergence(header, 5, 3)])
    header.table("golden_summed", "golden_summeds", [summed(header, loss) for loss in SUMMED])
    header.write()


main()
