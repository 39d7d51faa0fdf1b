"""Golden loss, gradient, accuracy and perplexity over sequences with padding: PyTorch in f64."""

import numpy as np
import torch
import torch.nn.functional as F

from golden_writer import Header

ABOUT = """
Logits (sequences, steps, classes) and labels (sequences, steps), of which 0 is padding:
`loss` is cross_entropy(ignore_index=0), the mean over the positions that are no padding,
`gradient` its derivative with respect to the logits; `perplexity` is exp(loss), `accuracy`
the share of right classes of the same positions. `class_id_*` are precision, recall and F1 of
class 2 alone, over all positions, from their definitions.
"""

SEQUENCES, STEPS, CLASSES = 3, 5, 4


def main():
    random = np.random.default_rng(11)
    logits = np.round(random.standard_normal((SEQUENCES, STEPS, CLASSES)) * 2, 3)
    labels = random.integers(1, CLASSES, (SEQUENCES, STEPS))
    for row, length in enumerate((5, 2, 3)):
        labels[row, length:] = 0
    x = torch.tensor(logits, requires_grad=True)
    y = torch.tensor(labels)
    loss = F.cross_entropy(x.reshape(-1, CLASSES), y.reshape(-1), ignore_index=0)
    loss.backward()
    best = logits.argmax(-1)
    found, true = best == 2, labels == 2
    hits = (found & true).sum()
    header = Header("text_scores_golden.h", "Scores of sequences with padding.",
                    "PyTorch " + torch.__version__, ABOUT)
    for name, value in (("SEQUENCES", SEQUENCES), ("STEPS", STEPS), ("CLASSES", CLASSES)):
        header.define("GOLDEN_TEXT_" + name, value)
    header.array("golden_text_logits", logits)
    header.array("golden_text_labels", labels, ctype="int")
    header.array("golden_text_gradient", x.grad.numpy())
    header.array("golden_text_loss", [loss.item()])
    header.array("golden_text_perplexity", [loss.exp().item()])
    header.array("golden_text_accuracy", [(best == labels)[labels > 0].mean()])
    header.array("golden_class_id_scores",
                 [hits / found.sum(), hits / true.sum(), 2 * hits / (found.sum() + true.sum())],
                 "precision, recall, F1")
    header.write()


main()
