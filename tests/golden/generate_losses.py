"""Golden values and gradients of the losses: Keras in f64, checked against PyTorch where it has the loss."""

import numpy as np
import torch.nn.functional as F

from framework_f64 import BOTH, keras, torch
from golden_writer import Header

losses = keras.losses

ABOUT = """
`value` is the mean over the batch (of elementwise losses: over all elements, which is the same)
and `gradient` its derivative with respect to `prediction`. Fields that a case lacks are 0.

Formulas, for a row with target y, prediction p, K columns, logits z; sums, means over columns:
mean_squared_error        mean (p - y)^2
mean_absolute_error       mean |p - y|; gradient 0 where p = y
huber                     e = p - y; mean of |e| <= delta ? e^2 / 2 : delta |e| - delta^2 / 2
log_cosh                  mean log cosh(p - y)
binary_crossentropy       mean -y log p - (1-y) log(1-p), p = sigmoid(z) if from_logits;
                          label_smoothing s: y becomes y (1-s) + s/2
categorical_crossentropy  - sum y log softmax(z); label_smoothing s: y becomes y (1-s) + s/K
sparse_categorical_crossentropy  the same for a class index: y one-hot
kl_divergence             sum y log(y / p); Keras clips both to [1e-7, 1]
hinge                     mean max(0, 1 - y p), y in {-1, 1} (Keras maps labels 0, 1 to them)
cosine_similarity         - sum(y p) / (|y| |p|)

class_weights (one number a column; binary: for target 0 and 1): the loss of a row is multiplied
by the weight of its class, the target's largest column. Keras divides the sum by the batch size.
PyTorch divides by the sum of the rows' weights instead: cases with divides_by_weights = 1.

The cases of `golden_losses_at_the_edge` fix what happens at probabilities 0 and 1: Keras clips
them to [1e-7, 1 - 1e-7], and the gradient of a clipped one is 0. Categorical cross-entropy of
probabilities in Keras divides each row by its sum first, which shows in the gradient.
"""

STRUCT = """
struct golden_loss {
    const char *name; /* of the case */
    const char *loss;
    int rows, columns;
    const double *prediction;    /* rows x columns */
    const double *target;        /* rows x columns; sparse: rows class indices */
    const double *class_weights; /* NULL, or columns; binary: 2 */
    double delta, label_smoothing;
    int from_logits, sparse, divides_by_weights;
    double value;
    const double *gradient; /* rows x columns */
};
"""

RNG = np.random.default_rng(40)


def regression():
    p = np.round(RNG.standard_normal((6, 3)) * 1.5, 4)
    y = np.round(RNG.standard_normal((6, 3)) * 1.5, 4)
    p[1, 1] = y[1, 1]           # a kink of the absolute error
    p[2, 0], y[2, 0] = 1.5, 0.5 # |error| = 1 = delta of huber
    p[3, 2], y[3, 2] = -40.0, 300.0
    p[4, 0], y[4, 0] = 1e-6, 0.0
    return p, y


def binary_logits():
    z = np.round(RNG.standard_normal((5, 4)) * 2, 4)
    y = RNG.integers(0, 2, (5, 4)).astype(float)
    z[0], y[0] = [100, -100, 100, -100], [1, 0, 0, 1]
    z[1], y[1] = [0, 0, 36.5, -36.5], [0, 1, 0, 1]
    y[4] = [0.2, 0.9, 0.5, 0.05]
    return z, y


def probabilities():
    p = np.round(RNG.uniform(0.02, 0.98, (5, 4)), 4)
    p[0] = [0.001, 0.999, 0.5, 0.0001]
    y = RNG.integers(0, 2, (5, 4)).astype(float)
    y[4] = [0.2, 0.9, 0.5, 0.05]
    return p, y


def class_logits():
    z = np.round(RNG.standard_normal((6, 5)) * 2, 4)
    z[1] = 0.0
    z[2] = [100, -100, 50, 0, 99]
    return z, np.array([3, 1, 4, 0, 2, 1])


def distributions():
    def rows(n):
        p = RNG.uniform(0.05, 1, (n, 5))
        return np.round(p / p.sum(1, keepdims=True), 6)
    return rows(4), rows(4)


P, Y = regression()
BINARY_Z, BINARY_Y = binary_logits()
PROB_P, PROB_Y = probabilities()
COLUMN_Z, COLUMN_Y = BINARY_Z[:, :1] / 50 + 0.3, np.array([[1.0], [0], [0], [1], [1]])
Z, INDEX = class_logits()
ONE_HOT = np.eye(5)[INDEX]
SOFT = np.round(RNG.dirichlet(np.ones(5), 6), 6)
KL_P, KL_Y = distributions()
SIGNS = np.where(RNG.uniform(size=(6, 3)) < 0.5, -1.0, 1.0)
WEIGHTS = np.array([1.0, 0.5, 2.0, 3.0, 0.25])
BINARY_WEIGHTS = np.array([0.5, 2.0])
EDGE_P, EDGE_Y = np.array([[0.0, 1, 0, 1, 1e-9]]), np.array([[0.0, 1, 1, 0, 1]])
EDGE_ROWS = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]])
EDGE_ONE_HOT = np.eye(4)[[1, 2, 0, 3]]

BINARY, CATEGORICAL = losses.BinaryCrossentropy, losses.CategoricalCrossentropy
SPARSE = losses.SparseCategoricalCrossentropy


def case(loss, make, prediction, target, check=None, suffix="", weights=None, **fields):
    return dict(name=loss + suffix, loss=loss, make=make, prediction=prediction, target=target,
                check=check, weights=weights, fields=fields)


def smooth_binary(y, s):
    return y * (1 - s) + s / 2


CASES = [
    case("mean_squared_error", losses.MeanSquaredError, P, Y, F.mse_loss),
    case("mean_absolute_error", losses.MeanAbsoluteError, P, Y, F.l1_loss),
    case("huber", losses.Huber, P, Y, lambda p, y: F.huber_loss(p, y, delta=1.0), "_1", delta=1.0),
    case("huber", losses.Huber, P, Y, lambda p, y: F.huber_loss(p, y, delta=0.5), "_05", delta=0.5),
    case("log_cosh", losses.LogCosh, P, Y,
         lambda p, y: torch.logaddexp(p - y, y - p).mean() - np.log(2)),
    case("binary_crossentropy", BINARY, BINARY_Z, BINARY_Y, F.binary_cross_entropy_with_logits,
         "_logits", from_logits=1),
    case("binary_crossentropy", BINARY, BINARY_Z, BINARY_Y,
         lambda z, y: F.binary_cross_entropy_with_logits(z, smooth_binary(y, 0.1)),
         "_logits_smoothing", from_logits=1, label_smoothing=0.1),
    case("binary_crossentropy", BINARY, PROB_P, PROB_Y, F.binary_cross_entropy, "_probabilities"),
    case("binary_crossentropy", BINARY, PROB_P, PROB_Y,
         lambda p, y: F.binary_cross_entropy(p, smooth_binary(y, 0.2)),
         "_probabilities_smoothing", label_smoothing=0.2),
    case("binary_crossentropy", BINARY, COLUMN_Z, COLUMN_Y,
         lambda z, y: F.binary_cross_entropy_with_logits(z, y, torch.tensor(BINARY_WEIGHTS)[y.long()]),
         "_class_weights", BINARY_WEIGHTS, from_logits=1),
    case("categorical_crossentropy", CATEGORICAL, Z, ONE_HOT, F.cross_entropy, from_logits=1),
    case("categorical_crossentropy", CATEGORICAL, Z, SOFT, F.cross_entropy, "_soft", from_logits=1),
    case("categorical_crossentropy", CATEGORICAL, Z, ONE_HOT,
         lambda z, y: F.cross_entropy(z, y, label_smoothing=0.1), "_smoothing", from_logits=1,
         label_smoothing=0.1),
    case("categorical_crossentropy", CATEGORICAL, Z, ONE_HOT,
         lambda z, y: F.cross_entropy(z, y, torch.tensor(WEIGHTS)), "_class_weights", WEIGHTS,
         from_logits=1),
    case("categorical_crossentropy", CATEGORICAL, Z, ONE_HOT, None, "_smoothing_class_weights",
         WEIGHTS, from_logits=1, label_smoothing=0.1),
    case("sparse_categorical_crossentropy", SPARSE, Z, INDEX, F.cross_entropy, from_logits=1,
         sparse=1),
    case("sparse_categorical_crossentropy", SPARSE, Z, INDEX,
         lambda z, y: F.cross_entropy(z, y, torch.tensor(WEIGHTS), reduction="sum") / len(INDEX),
         "_class_weights", WEIGHTS, from_logits=1, sparse=1),
    case("sparse_categorical_crossentropy", None, Z, INDEX,
         lambda z, y: F.cross_entropy(z, y, label_smoothing=0.1), "_smoothing", from_logits=1,
         sparse=1, label_smoothing=0.1),
    case("sparse_categorical_crossentropy", None, Z, INDEX,
         lambda z, y: F.cross_entropy(z, y, torch.tensor(WEIGHTS)), "_divided_by_weights", WEIGHTS,
         from_logits=1, sparse=1, divides_by_weights=1),
    case("kl_divergence", losses.KLDivergence, KL_P, KL_Y,
         lambda p, y: F.kl_div(p.log(), y, reduction="batchmean")),
    case("hinge", losses.Hinge, P, SIGNS, lambda p, y: F.relu(1 - y * p).mean()),
    case("cosine_similarity", losses.CosineSimilarity, P, Y,
         lambda p, y: -F.cosine_similarity(p, y, dim=1).mean()),
]
EDGE_CASES = [
    case("binary_crossentropy", BINARY, EDGE_P, EDGE_Y, None, "_probabilities_edge"),
    case("categorical_crossentropy", CATEGORICAL, EDGE_ROWS, EDGE_ONE_HOT, None,
         "_probabilities_edge"),
]


def keras_loss(case):
    options = {k: v for k, v in case["fields"].items() if k not in ("sparse",)}
    if "from_logits" in options:
        options["from_logits"] = bool(options["from_logits"])
    loss = case["make"](**options)
    weights = case["weights"]
    if weights is None:
        return lambda p, y: loss(y, p)
    y = case["target"]
    if case["loss"] == "binary_crossentropy":
        rows = weights[y[:, 0].astype(int)]
    else:
        rows = weights[y if y.ndim == 1 else y.argmax(1)]
    return lambda p, y: loss(y, p, sample_weight=torch.tensor(rows))


def evaluate(function, case):
    p = torch.tensor(case["prediction"], requires_grad=True)
    value = function(p, torch.tensor(case["target"]))
    value.backward()
    return value.item(), p.grad.numpy()


def require_close(name, a, b):
    if not (np.allclose(a[0], b[0], rtol=1e-13, atol=1e-14)
            and np.allclose(a[1], b[1], rtol=1e-12, atol=1e-14)):
        raise AssertionError("{}: Keras {} and PyTorch {}".format(name, a, b))


def record(header, case):
    golden = evaluate(case["check"] if case["make"] is None else keras_loss(case), case)
    if case["make"] is not None and case["check"] is not None:
        require_close(case["name"], golden, evaluate(case["check"], case))
    stem = "golden_" + case["name"].replace("categorical_crossentropy", "categorical")
    rows, columns = case["prediction"].shape
    entry = dict(name=case["name"], loss=case["loss"], rows=rows, columns=columns)
    entry["prediction"] = header.array(stem + "_prediction", case["prediction"])
    entry["target"] = header.array(stem + "_target", case["target"])
    if case["weights"] is not None:
        entry["class_weights"] = header.array(stem + "_class_weights", case["weights"])
    entry.update(case["fields"], value=golden[0])
    entry["gradient"] = header.array(stem + "_gradient", golden[1])
    return entry


def main():
    header = Header("losses_golden.h", "Losses: values and gradients.", BOTH, ABOUT)
    header.text(STRUCT)
    header.table("golden_loss", "golden_losses", [record(header, case) for case in CASES])
    header.table("golden_loss", "golden_losses_at_the_edge",
                 [record(header, case) for case in EDGE_CASES])
    header.write()


main()
