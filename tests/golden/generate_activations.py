"""Golden values and derivatives of the activations.

PyTorch in f64; a 50-digit evaluation of the same formulas bounds the error of the golden values.
"""

import mpmath
import numpy as np
import torch
import torch.nn.functional as F
from mpmath import mp

from golden_writer import Header, number

mp.dps = 50
torch.set_default_dtype(torch.float64)

ABOUT = """
`golden_activations`: each case has value and derivative at the {points} points of
`golden_activation_x` (-100 to 100). `alpha` is the function's parameter: the slope of leaky_relu
and prelu, alpha of elu; otherwise 0. prelu also has the derivative with respect to alpha.

Formulas: sigmoid 1/(1+e^-x); silu x sigmoid(x) (swish); gelu x/2 (1 + erf(x/sqrt 2));
gelu_tanh x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); mish x tanh(softplus(x));
softplus log(1 + e^x), without PyTorch's switch to x at 20; softsign x/(1+|x|);
elu x > 0 ? x : alpha (e^x - 1); selu 1.0507009873554805 elu(x, 1.6732632423543772);
hard_sigmoid relu6(x+3)/6; hard_swish x hard_sigmoid(x): both written out with PyTorch's relu6:
its own hardsigmoid and hardswish multiply by 1/6 rounded to f32 and are off by 5e-9 in f64.

At a kink the derivative is PyTorch's: relu 0 at 0, leaky_relu, prelu and elu alpha at 0,
selu 1.7580993408473766 at 0, hard_sigmoid 0 at -3 and 3, hard_swish {hard_swish} at -3 and 3.

Against 50 digits the golden values are off by at most {worst}
(absolute, over max(1, |x|)): compare with 1e-14 max(1, |x|) + 1e-12 |golden|.

softmax and log_softmax work on the rows of `golden_softmax_x` ({rows} x {columns}); `*_dx` is the
gradient that flows back when `golden_softmax_dy` flows in.
"""

STRUCT = """
struct golden_activation {
    const char *name;
    double alpha;
    const double *value;            /* [GOLDEN_ACTIVATION_POINTS] */
    const double *derivative;       /* [GOLDEN_ACTIVATION_POINTS] */
    const double *alpha_derivative; /* prelu only, else NULL */
};
"""

HALF = [1e-8, 1e-3, 0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6, 10, 20, 30, 50,
        100]
X = np.array([-v for v in reversed(HALF)] + [0.0] + HALF)

SELU_ALPHA = mp.mpf("1.6732632423543772848170429916717")
SELU_SCALE = mp.mpf("1.0507009873554804934193349852946")


def elu(x, alpha):
    return x if x > 0 else alpha * mp.expm1(x)


def hard_sigmoid(x):
    return min(max(x + 3, mp.mpf(0)), mp.mpf(6)) / 6


def softplus(x):
    return mp.log1p(mp.exp(x))


# name, PyTorch, 50 digits, alpha, kinks
CASES = [
    ("sigmoid", torch.sigmoid, lambda x: 1 / (1 + mp.exp(-x)), 0, ()),
    ("tanh", torch.tanh, mp.tanh, 0, ()),
    ("relu", F.relu, lambda x: max(x, mp.mpf(0)), 0, (0,)),
    ("leaky_relu", lambda x: F.leaky_relu(x, 0.01), lambda x: x if x > 0 else mp.mpf(0.01) * x, 0.01,
     (0,)),
    ("leaky_relu", lambda x: F.leaky_relu(x, 0.3), lambda x: x if x > 0 else mp.mpf(0.3) * x, 0.3,
     (0,)),
    ("elu", F.elu, lambda x: elu(x, 1), 1, ()),
    ("elu", lambda x: F.elu(x, 0.5), lambda x: elu(x, mp.mpf(0.5)), 0.5, (0,)),
    ("selu", F.selu, lambda x: SELU_SCALE * elu(x, SELU_ALPHA), 0, (0,)),
    ("gelu", F.gelu, lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2, 0, ()),
    ("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"),
     lambda x: x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf(0.044715) * x**3))), 0, ()),
    ("silu", F.silu, lambda x: x / (1 + mp.exp(-x)), 0, ()),
    ("mish", F.mish, lambda x: x * mp.tanh(softplus(x)), 0, ()),
    ("softplus", lambda x: F.softplus(x, threshold=800), softplus, 0, ()),
    ("softsign", F.softsign, lambda x: x / (1 + abs(x)), 0, ()),
    ("hard_sigmoid", lambda x: F.relu6(x + 3) / 6, hard_sigmoid, 0, (-3, 3)),
    ("hard_swish", lambda x: x * F.relu6(x + 3) / 6, lambda x: x * hard_sigmoid(x), 0, (-3, 3)),
]


def evaluate(function):
    x = torch.tensor(X, requires_grad=True)
    y = function(x)
    y.sum().backward()
    return y.detach().numpy(), x.grad.numpy()


def worst_error(exact, kinks, value, derivative):
    worst = 0.0
    for x, v, d in zip(X, value, derivative):
        scale = max(1.0, abs(x))
        worst = max(worst, abs(float(exact(mp.mpf(x)) - mp.mpf(v))) / scale)
        if x not in kinks:
            slope = mpmath.diff(exact, mp.mpf(x), h=mp.mpf("1e-20"))
            worst = max(worst, abs(float(slope - mp.mpf(d))) / scale)
    return worst


def softmax_problem():
    rng = np.random.default_rng(30)
    x = np.round(rng.standard_normal((7, 6)) * 2, 4)
    x[1] = 0.0
    x[2] = [100, -100, 0, 99, 50, -50]
    x[3] = [-100, -100.5, -101, -99, -98, -100]
    x[4] = [1000, 1000, 999, 0, -1000, 998]
    x[5] = [1e-3, -1e-3, 0, 2e-3, 30, 29.5]
    return x, np.round(rng.standard_normal((7, 6)), 4)


def prelu(alpha):
    x, a = torch.tensor(X, requires_grad=True), torch.full((len(X),), alpha, requires_grad=True)
    y = F.prelu(x.reshape(1, -1), a)
    y.sum().backward()
    return y.detach().numpy().reshape(-1), x.grad.numpy(), a.grad.numpy()


def main():
    cases, worst = [], 0.0
    for name, function, exact, alpha, kinks in CASES:
        value, derivative = evaluate(function)
        error = worst_error(exact, kinks, value, derivative)
        if error > 1e-14:
            raise AssertionError("{}: golden value off by {:g}".format(name, error))
        worst = max(worst, error)
        cases.append((name, alpha, value, derivative, None))
    cases.append(("prelu", 0.25) + prelu(0.25))

    swish = dict(zip(X, cases[-2][3]))
    x, dy = softmax_problem()
    header = Header("activations_golden.h", "Activations: values and derivatives.",
                    "PyTorch {}, f64".format(torch.__version__.split("+")[0]),
                    ABOUT.format(points=len(X), worst="%.1e" % worst, rows=x.shape[0],
                                 columns=x.shape[1],
                                 hard_swish=number(swish[-3.0]) + " and " + number(swish[3.0])))
    header.define("GOLDEN_ACTIVATION_POINTS", len(X))
    header.define("GOLDEN_SOFTMAX_ROWS", x.shape[0])
    header.define("GOLDEN_SOFTMAX_COLUMNS", x.shape[1])
    header.text(STRUCT)
    header.array("golden_activation_x", X)
    records = []
    for name, alpha, value, derivative, by_alpha in cases:
        stem = "golden_" + name + ("" if alpha == 0 else "_%03d" % round(alpha * 100))
        records.append(dict(
            name=name, alpha=float(alpha), value=header.array(stem + "_value", value),
            derivative=header.array(stem + "_derivative", derivative),
            alpha_derivative=None if by_alpha is None else header.array(stem + "_by_alpha", by_alpha)))
    header.table("golden_activation", "golden_activations", records)

    header.array("golden_softmax_x", x)
    header.array("golden_softmax_dy", dy)
    for name, function in (("softmax", torch.softmax), ("log_softmax", torch.log_softmax)):
        t = torch.tensor(x, requires_grad=True)
        y = function(t, dim=1)
        y.backward(torch.tensor(dy))
        header.array("golden_{}_value".format(name), y.detach().numpy())
        header.array("golden_{}_dx".format(name), t.grad.numpy())
    header.write()


main()
