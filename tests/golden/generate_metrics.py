"""Golden values of the metrics: scikit-learn, and Keras for top-k and the threshold."""

import numpy as np
import sklearn
from sklearn import metrics as M

from framework_f64 import KERAS, keras, torch
from golden_writer import Header

ABOUT = """
Four problems, each with weights of its samples:
classes      {n} samples, 5 classes: golden_classes_logits (n x 5), _probabilities (softmax of
             them), _labels, _weights. Class 4 is never predicted, so its precision is 0.
binary       {n} samples: golden_binary_probabilities (with ties, and one exactly 0.5), _logits
             (log p - log(1-p)), _labels, _weights
multi_label  {n} samples of 4 yes or no: golden_multi_label_probabilities (n x 4), _labels,
             _weights
regression   {n} samples of 3 outputs: golden_regression_predictions (n x 3), _targets, _weights

`golden_metrics`: the value of a metric on a problem. weighted: each sample counts by its weight.
Fields that a case lacks are 0.

binary_accuracy              the share of elements with (probability > threshold) = label
categorical_accuracy, sparse_categorical_accuracy   the largest logit is the label's
top_k_accuracy               the label is among the k largest
precision, recall, f1        TP/(TP+FP), TP/(TP+FN), 2TP/(2TP+FP+FN); average "binary" of the
                             positive class, "macro" the mean of the classes, "micro" of summed
                             counts; nothing found: 0
auc                          area under the ROC curve, ties count half; average "macro": the mean
                             over the classes (one against the rest, by softmax probability) or
                             over the columns
mean_squared_error, mean_absolute_error   over all elements (weighted mean over the samples)
r2                           1 - sum w (p-y)^2 / sum w (y - mean y)^2, the mean over the outputs
All are scikit-learn's; top-k is Keras's and the thresholds were checked against it (yes means
probability > threshold, not >=).

golden_*_confusion: rows are true classes, columns predicted ones.
golden_ties_*: 6 rows of 4 tied logits, their labels, and for k = 1, 2, 3 whether Keras counts
the row as a hit.
"""

STRUCT = """
struct golden_metric {
    const char *problem, *metric;
    const char *average; /* NULL, "binary", "macro" or "micro" */
    int weighted, k;
    double threshold;
    double value;
};
"""

N = 40
RNG = np.random.default_rng(50)


def classes_problem():
    y = RNG.integers(0, 5, N)
    z = RNG.standard_normal((N, 5)) + 1.2 * np.eye(5)[y]
    z[:, 4] = z[:, :4].min(1) + 0.5 * RNG.uniform(size=N) * (z[:, :4].max(1) - z[:, :4].min(1))
    return np.round(z, 4), y


def binary_problem():
    y = RNG.integers(0, 2, N)
    p = np.clip(np.round(0.5 + 0.25 * (y - 0.5) + 0.2 * RNG.standard_normal(N), 2), 0.02, 0.98)
    p[3], y[3] = 0.5, 1
    p[4], y[4] = 0.29, 0  # 0.3 in f32 is above 0.3 in f64
    return p, y


Z, Y = classes_problem()
P = torch.softmax(torch.tensor(Z), 1).numpy()
BINARY_P, BINARY_Y = binary_problem()
MULTI_Y = RNG.integers(0, 2, (N, 4))
MULTI_P = np.round(RNG.beta(1 + 2 * MULTI_Y, 3 - 2 * MULTI_Y), 3)
TARGETS = np.round(RNG.standard_normal((N, 3)) * [1, 5, 0.1] + [0, 100, -2], 4)
PREDICTIONS = np.round(TARGETS + RNG.standard_normal((N, 3)) * [0.5, 2, 0.2], 4)
W = np.round(RNG.uniform(0.1, 3, N), 3)
W[5] = 0.0
FOUND = Z.argmax(1)
TIES = np.array([[1, 1, 0, 0], [0, 1, 1, 1], [2, 2, 2, 2], [3, 1, 1, 0], [5, 4, 4, 4], [0, 0, 0, 1]], float)
TIE_LABELS = np.array([1, 3, 2, 2, 3, 0])

SCORES = dict(precision=M.precision_score, recall=M.recall_score, f1=M.f1_score)
records = []


def add(problem, metric, value, average=None, weights=None, **fields):
    records.append(dict(problem=problem, metric=metric, average=average,
                        weighted=None if weights is None else 1, **fields, value=float(value)))


def add_scores(problem, truth, found, averages, **fields):
    for metric, score in SCORES.items():
        for average in averages:
            for w in (None, W):
                value = score(truth, found, average=average, sample_weight=w, zero_division=0)
                add(problem, metric, value, average, w, **fields)


def add_classes():
    assert 4 not in FOUND and 4 in Y
    for w in (None, W):
        for metric in ("categorical_accuracy", "sparse_categorical_accuracy"):
            add("classes", metric, M.accuracy_score(Y, FOUND, sample_weight=w), None, w)
        for k in (1, 2, 3, 5):
            top = keras.metrics.SparseTopKCategoricalAccuracy(k=k)
            top.update_state(Y, Z, sample_weight=w)
            add("classes", "top_k_accuracy", top.result(), None, w, k=k)
        add("classes", "auc", M.roc_auc_score(Y, P, multi_class="ovr", average="macro",
                                              sample_weight=w), "macro", w)
    add_scores("classes", Y, FOUND, ("macro", "micro"))


def add_binary():
    for threshold in (0.5, 0.3):
        found = (BINARY_P > threshold).astype(int)
        for w in (None, W):
            accuracy = M.accuracy_score(BINARY_Y, found, sample_weight=w)
            check = keras.metrics.BinaryAccuracy(threshold=threshold)
            check.update_state(BINARY_Y.reshape(-1, 1), BINARY_P.reshape(-1, 1), sample_weight=w)
            assert abs(float(check.result()) - accuracy) < 1e-6
            add("binary", "binary_accuracy", accuracy, None, w, threshold=threshold)
        add_scores("binary", BINARY_Y, found, ("binary",), threshold=threshold)
    for w in (None, W):
        add("binary", "auc", M.roc_auc_score(BINARY_Y, BINARY_P, sample_weight=w), None, w)


def add_multi_label():
    found = (MULTI_P > 0.5).astype(int)
    for w in (None, W):
        hits = (found == MULTI_Y).mean(1)
        add("multi_label", "binary_accuracy", np.average(hits, weights=w), None, w, threshold=0.5)
        add("multi_label", "auc", M.roc_auc_score(MULTI_Y, MULTI_P, average="macro",
                                                  sample_weight=w), "macro", w)
    add_scores("multi_label", MULTI_Y, found, ("macro", "micro"), threshold=0.5)


def add_regression():
    for w in (None, W):
        for metric, score in (("mean_squared_error", M.mean_squared_error),
                              ("mean_absolute_error", M.mean_absolute_error), ("r2", M.r2_score)):
            add("regression", metric, score(TARGETS, PREDICTIONS, sample_weight=w), None, w)


def write_problems(header):
    header.array("golden_classes_logits", Z)
    header.array("golden_classes_probabilities", P)
    header.array("golden_classes_labels", Y, ctype="int")
    header.array("golden_classes_weights", W)
    header.array("golden_binary_probabilities", BINARY_P)
    header.array("golden_binary_logits", np.log(BINARY_P) - np.log1p(-BINARY_P))
    header.array("golden_binary_labels", BINARY_Y, ctype="int")
    header.array("golden_binary_weights", W)
    header.array("golden_multi_label_probabilities", MULTI_P)
    header.array("golden_multi_label_labels", MULTI_Y, ctype="int")
    header.array("golden_multi_label_weights", W)
    header.array("golden_regression_predictions", PREDICTIONS)
    header.array("golden_regression_targets", TARGETS)
    header.array("golden_regression_weights", W)


def write_matrices(header):
    binary = (BINARY_P > 0.5).astype(int)
    header.array("golden_classes_confusion", M.confusion_matrix(Y, FOUND))
    header.array("golden_classes_confusion_weighted", M.confusion_matrix(Y, FOUND, sample_weight=W))
    header.array("golden_binary_confusion", M.confusion_matrix(BINARY_Y, binary), "threshold 0.5")
    header.array("golden_ties_logits", TIES)
    header.array("golden_ties_labels", TIE_LABELS, ctype="int")
    hits = [keras.ops.convert_to_numpy(keras.ops.in_top_k(TIE_LABELS, TIES, k)) for k in (1, 2, 3)]
    header.array("golden_ties_hits", np.array(hits), "k = 1, 2, 3", ctype="int")


def main():
    header = Header("metrics_golden.h", "Metrics on four small problems.",
                    "scikit-learn {} and {}, f64".format(sklearn.__version__, KERAS),
                    ABOUT.format(n=N))
    header.define("GOLDEN_METRIC_SAMPLES", N)
    header.text(STRUCT)
    write_problems(header)
    write_matrices(header)
    for add_problem in (add_classes, add_binary, add_multi_label, add_regression):
        add_problem()
    header.table("golden_metric", "golden_metrics", records)
    header.write()


main()
